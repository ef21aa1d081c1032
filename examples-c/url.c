/* url.c: see url.h. */
#define _POSIX_C_SOURCE 200809L
#include "url.h"
#include "common.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool fail(char *why, size_t why_size, const char *message)
{
    snprintf(why, why_size, "%s", message);
    return false;
}

/* Copies `length` bytes as a string; false when they do not fit. */
static bool copy(char *to, size_t size, const char *from, size_t length)
{
    if (length >= size)
        return false;
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

/* Splits "host", "host:port", "[v6]" or "[v6]:port". */
static bool parse_authority(const char *text, size_t length, struct url *url, char *why, size_t why_size)
{
    const char *end = text + length, *host = text, *host_end, *port = NULL;
    bool bracketed = length > 0 && *text == '[';
    if (bracketed) {
        host = text + 1;
        host_end = memchr(host, ']', (size_t)(end - host));
        if (!host_end)
            return fail(why, why_size, "the [ of the IPv6 address is not closed");
        if (host_end + 1 < end && host_end[1] != ':')
            return fail(why, why_size, "only a :port may follow the IPv6 address");
        if (host_end + 1 < end)
            port = host_end + 2;
    } else {
        host_end = memchr(text, ':', length);
        if (host_end)
            port = host_end + 1;
        else
            host_end = end;
        if (port && memchr(port, ':', (size_t)(end - port)))
            return fail(why, why_size, "an IPv6 address needs brackets, as in ws://[::1]:9001/");
    }

    uint64_t number = 80;
    if (host_end == host)
        return fail(why, why_size, "there is no host in it");
    if (!copy(url->host, sizeof url->host, host, (size_t)(host_end - host)))
        return fail(why, why_size, "the host name is too long");
    if (!port || port == end) /* "host:" is the default port, too */
        strcpy(url->port, "80");
    else if (!copy(url->port, sizeof url->port, port, (size_t)(end - port)) || !parse_number(url->port, 1, 65535, &number))
        return fail(why, why_size, "the port is not a number from 1 to 65535");

    snprintf(url->host_header, sizeof url->host_header, "%s%s%s", bracketed ? "[" : "", url->host, bracketed ? "]" : "");
    if (number != 80)
        snprintf(url->host_header + strlen(url->host_header), 7, ":%u", (unsigned)number);
    return true;
}

bool parse_url(const char *text, struct url *url, char *why, size_t why_size)
{
    if (strncasecmp(text, "wss://", 6) == 0)
        return fail(why, why_size,
                    "wss:// needs TLS, which belongs to the host of the engine and not to this example; "
                    "use ws://, or put a TLS proxy such as stunnel or socat in front");
    if (strncasecmp(text, "ws://", 5) != 0)
        return fail(why, why_size, "it does not begin with ws://");
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return fail(why, why_size, "it has spaces, control characters or non-ASCII; percent-encode them");
    if (strchr(text, '#'))
        return fail(why, why_size, "a WebSocket URL has no #fragment");

    const char *authority = text + 5;
    size_t length = strcspn(authority, "/?");
    if (memchr(authority, '@', length))
        return fail(why, why_size, "user:password@ is not supported; use -H 'Authorization: ...'");
    if (!parse_authority(authority, length, url, why, why_size))
        return false;

    const char *path = authority + length;
    int written = snprintf(url->target, sizeof url->target, "%s%s", *path == '/' ? "" : "/", path);
    if (written < 0 || (size_t)written >= sizeof url->target)
        return fail(why, why_size, "it is too long");
    return true;
}
