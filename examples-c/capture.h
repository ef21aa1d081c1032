/* capture.h: the packets of a capture file, pcap or pcapng, whatever its byte order. */
#ifndef EXAMPLES_CAPTURE_H
#define EXAMPLES_CAPTURE_H

#include "source.h"

/* Link types (https://www.tcpdump.org/linktypes.html): what a packet begins with. */
enum link_type {
    LINK_NULL = 0,       /* BSD loopback: the address family in the byte order of the machine */
    LINK_ETHERNET = 1,
    LINK_RAW_BSD = 12,   /* LINK_RAW as some systems number it */
    LINK_RAW_OPENBSD = 14,
    LINK_RAW = 101,      /* IPv4 or IPv6 */
    LINK_LOOP = 108,     /* OpenBSD loopback: the address family in network byte order */
    LINK_LINUX_SLL = 113,
    LINK_IPV4 = 228,
    LINK_IPV6 = 229,
    LINK_LINUX_SLL2 = 276
};

/* Whether the first bytes of the input are those of a capture. */
bool is_capture(const struct source *source);

/* Calls `packet` for each packet, in the order of the file. False, with a message in `why`, if the file is damaged; the
 * packets before the damage were given. */
bool read_capture(struct source *source, void (*packet)(void *context, int link_type, const uint8_t *data, size_t len),
                  void *context, char *why, size_t why_size);

#endif
