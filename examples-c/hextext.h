/* hextext.h: reads bytes that somebody wrote down in hexadecimal: plain, as `xxd`, `hexdump -C` or Wireshark print them,
 * or packets as `tcpdump -x` prints them. */
#ifndef EXAMPLES_HEXTEXT_H
#define EXAMPLES_HEXTEXT_H

#include "source.h"

struct hex_sink {
    void (*bytes)(void *context, const uint8_t *data, size_t len);  /* the next bytes of a dump */
    void (*packet)(void *context, const uint8_t *data, size_t len); /* a packet of `tcpdump -x` */
    void *context;
};

/* Whether the first bytes of the input look like such a text. */
bool looks_like_hex(const struct source *source);

/* Reads the text to its end. Otherwise false, with a message in `why`. */
bool read_hex(struct source *source, const struct hex_sink *sink, char *why, size_t why_size);

#endif
