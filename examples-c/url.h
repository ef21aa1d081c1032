/* url.h: takes a ws:// URL apart. */
#ifndef EXAMPLES_URL_H
#define EXAMPLES_URL_H

#include <stdbool.h>
#include <stddef.h>

struct url {
    char host[256];        /* for getaddrinfo: "example.com", "127.0.0.1", "::1" */
    char port[6];          /* "80" where the URL has none */
    char host_header[272]; /* as the Host header wants it: "example.com", "[::1]:9001" */
    char target[8192];     /* path and query: "/" at least */
};

/* False, and a message in `why`, for what is no ws:// URL. */
bool parse_url(const char *text, struct url *url, char *why, size_t why_size);

#endif
