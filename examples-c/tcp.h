/* tcp.h: the streams of the TCP connections in a capture, put together again: in order, without what came twice.
 * Each direction is followed by a walker of frames.h; connections without WebSocket are passed over. Memory is bounded: of
 * connections, the one that was quiet the longest is given up first; what waits for missing bytes is given up above a limit. */
#ifndef EXAMPLES_TCP_H
#define EXAMPLES_TCP_H

#include <stddef.h>
#include <stdint.h>

struct tcp;

struct tcp *tcp_new(size_t shown_payload);

/* A packet of the link types of capture.h. What is not TCP, or broken, is passed over. */
void tcp_packet(struct tcp *tcp, int link_type, const uint8_t *data, size_t len);

/* No packet follows: prints what waits, then how many connections there were. */
void tcp_free(struct tcp *tcp);

#endif
