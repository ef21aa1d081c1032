/* bytes.c: see counts.h. Everything here is the same in each run. */

#include "counts.h"

#include <string.h>

void buffer_add(buffer *to, const void *bytes, size_t len) {
    if (to->room - to->len < len) {
        to->room = 2 * (to->len + len);
        to->bytes = realloc(to->bytes, to->room);
        CHECK(to->bytes != NULL);
    }
    memcpy(to->bytes + to->len, bytes, len);
    to->len += len;
}

void buffer_free(buffer *what) {
    free(what->bytes);
    *what = (buffer){0};
}

/* ---- payloads ---- */

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void repeat(const char *text, size_t unit, uint8_t *payload, size_t size) {
    for (size_t at = 0; at < size; at++) {
        /* What would be half a character at the end is a full stop. */
        payload[at] = at < size - size % unit ? (uint8_t)text[at % (strlen(text) / unit * unit)] : '.';
    }
}

/* A page of search results as a web service answers it: keys that repeat, values that do not. */
static void make_json(unsigned index, uint8_t *payload, size_t size) {
    static const char *const words[] = {"harbour", "lantern", "orchard", "granite",
                                        "meadow",  "copper",  "sparrow", "thunder"};
    uint32_t state = index + 1;
    char *text = (char *)payload;
    size_t at = 0;
    char part[160];
    int len = snprintf(part, sizeof part, "{\"page\":%u,\"results\":[", index);
    while (at + (size_t)len + 2 <= size) {
        memcpy(text + at, part, (size_t)len);
        at += (size_t)len;
        uint32_t value[6];
        for (int place = 0; place < 6; place++) {
            value[place] = next_random(&state);
        }
        len = snprintf(part, sizeof part,
                       "{\"id\":%u,\"title\":\"%s %s\",\"score\":0.%u,\"available\":%s,\"price\":%u.%02u},",
                       value[0] % 1000000, words[value[1] % 8], words[value[2] % 8], value[3] % 10000,
                       value[3] % 2 ? "true" : "false", value[4] % 500, value[5] % 100);
    }
    text[at - 1] = ']';
    memset(text + at, ' ', size - at - 1);
    text[size - 1] = '}';
}

void make_payload(content what, unsigned index, uint8_t *payload, size_t size) {
    uint32_t state = 7;
    switch (what) {
    case ASCII:
    case PING:
        repeat("The quick brown fox jumps over the lazy dog, and the dog does not mind. ", 1, payload, size);
        break;
    case CHINESE:
        repeat("万维网套接字协议让浏览器和服务器互相发送消息", 3, payload, size);
        break;
    case JSON:
        make_json(index, payload, size);
        break;
    case BINARY:
        for (size_t at = 0; at < size; at++) {
            payload[at] = (uint8_t)next_random(&state);
        }
        break;
    }
}

/* ---- frames ---- */

static uint8_t opcode(content what) {
    return what == PING ? 9 : what == BINARY ? 2 : 1;
}

void add_client_frame(buffer *to, content what, unsigned index, const uint8_t *payload, size_t size) {
    uint8_t header[14] = {(uint8_t)(0x80 | opcode(what))};
    size_t len = 2;
    int bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
    header[1] = (uint8_t)(0x80 | (bytes == 0 ? size : bytes == 2 ? 126 : 127));
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
        header[len++] = (uint8_t)(size >> shift);
    }
    uint32_t state = index;
    uint8_t *key = header + len;
    for (int at = 0; at < 4; at++) {
        header[len++] = (uint8_t)next_random(&state);
    }
    buffer_add(to, header, len);
    buffer_add(to, payload, size);
    uint8_t *masked = to->bytes + to->len - size;
    for (size_t at = 0; at < size; at++) {
        masked[at] ^= key[at % 4];
    }
}

void copy_as_the_kernel(uint8_t *to, const uint8_t *from, size_t len) {
    typedef uint64_t block __attribute__((vector_size(16), aligned(1), may_alias));
    for (; len >= sizeof(block); len -= sizeof(block), to += sizeof(block), from += sizeof(block)) {
        *(block *)to = *(const block *)from;
    }
    while (len-- > 0) {
        *to++ = *from++;
    }
}
