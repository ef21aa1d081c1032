/* frames.h: follows one direction of a connection, from its HTTP head on, and prints a line for each frame.
 * It takes the bytes in pieces of any size and keeps little: a head while it arrives, then the start of a payload. */
#ifndef EXAMPLES_FRAMES_H
#define EXAMPLES_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAMES_MAX_SHOWN = 1024 };

struct frames {
    /* Prints what stands at the beginning of each line; `from_client` is what the mask of a frame says. */
    void (*print_label)(void *context, bool from_client);
    void *context;
    size_t shown;    /* bytes of payload to print, up to FRAMES_MAX_SHOWN */
    bool only_sure;  /* be silent unless this is a WebSocket */
    bool from_start; /* with `only_sure`: the stream begins with its first byte, so without an HTTP head it is none */

    /* The rest is the walker's own. */
    enum frames_state { FRAMES_START, FRAMES_HEAD, FRAMES_HEADER, FRAMES_PAYLOAD, FRAMES_OVER } state;
    uint64_t offset;       /* of the next byte in the stream */
    uint64_t frame_offset; /* of the frame under way */
    char *head;            /* the HTTP head, while it arrives */
    size_t head_len;
    uint8_t header[14];
    size_t header_len;
    uint64_t payload_len, payload_seen, payload_missing;
    uint8_t payload[FRAMES_MAX_SHOWN];
    size_t payload_kept;
    uint8_t message_opcode; /* of the message that a continuation belongs to */
    bool message_compressed;
    bool printed_frame;
    unsigned wrong_in_a_row;
};

void frames_init(struct frames *frames, void (*print_label)(void *, bool), void *context, size_t shown);

/* The next bytes of the stream. */
void frames_feed(struct frames *frames, const uint8_t *data, size_t len);

/* Bytes of the stream that nobody has. */
void frames_gap(struct frames *frames, uint64_t len);

/* The stream has no more: prints what is there of the last frame. Call it once. */
void frames_end(struct frames *frames);

#endif
