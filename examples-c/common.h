/* common.h: what the three examples share. Everything about WebSocket is in the programs themselves;
 * here is only the plumbing between a socket and a ws_conn, and the small tools of a command line. */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include "ws_engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(format_index, first) __attribute__((format(printf, format_index, first)))
#else
#define PRINTF_LIKE(format_index, first)
#endif

/* ---- the command line ---- */

/* Sets the name that begins every message of warn() and die(). */
void set_program_name(const char *argv0);
void warn(const char *format, ...) PRINTF_LIKE(1, 2);
_Noreturn void die(int exit_code, const char *format, ...) PRINTF_LIKE(2, 3);

/* Parses a decimal number; false unless it is all digits and within [min, max]. */
bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *number);

/* ---- time ---- */

/* Milliseconds of the monotonic clock. */
uint64_t now_ms(void);

/* ---- engine ---- */

/* The defaults; to be freed. Dies when there is no memory. */
ws_config *new_config(void);

/* Makes an engine of `config`, for messages up to `max_message` bytes, with room in the output for an answer of the same
 * size behind `max_backlog` bytes that are still waiting. Any Origin is welcome. Dies when a setting is refused. */
ws_engine *new_engine(ws_config *config, uint64_t max_message, uint64_t max_backlog);

/* ---- sockets ---- */

/* Connects to host:port within `timeout_ms`, trying every address that the name has. Returns a non-blocking
 * socket with TCP_NODELAY, or -1 and a message in `why`. */
int connect_tcp(const char *host, const char *port, int timeout_ms, char *why, size_t why_size);

enum {
    RECEIVE_BUFFER = 512 * 1024 /* the size that an engine lends unless it is told otherwise */
};

typedef enum flush_result {
    FLUSH_DONE,    /* the output is empty */
    FLUSH_BLOCKED, /* the socket takes no more now; wait until it is writable */
    FLUSH_FAILED   /* the connection is broken */
} flush_result;

/* Writes all the output that the connection has, gathered into as few system calls as the socket allows. */
flush_result flush_output(ws_conn *conn, int fd);

/* Sends a message as one frame from where it lies, uncompressed, when no output waits. What the socket does not take becomes
 * output of the connection (FLUSH_BLOCKED). FLUSH_DONE also if no message may be sent any more. */
flush_result send_frame(ws_conn *conn, int fd, ws_message_type type, const void *data, size_t length);

typedef enum receive_result {
    RECEIVE_DATA,    /* bytes were fed: pull the events */
    RECEIVE_EOF,     /* the peer closed its side, and the connection was told: pull the events */
    RECEIVE_NOTHING, /* no bytes were there */
    RECEIVE_FAILED   /* the engine refused them, which only a bug can cause: drop the connection */
} receive_result;

/* How a loop reads. Its connections share it, for what was read is pulled before the next one has its turn. */
struct input {
    size_t read_size;  /* bytes per recv() at most; 0: as many as the engine lends room for */
    size_t feed_size;  /* 0: received into the engine's buffer. Where a test asks for it: bytes per ws_conn_feed() at most */
    char *buffer;      /* then this is received into, with room for RECEIVE_BUFFER; */
    const char *rest;  /* what was received and not fed yet */
    size_t rest_length;
};

/* Reads once from the socket, into the buffer that the engine lends. A broken socket counts as closed by the peer. */
receive_result receive_input(ws_conn *conn, int fd, struct input *input);

/* ws_conn_next_events(), and where that has no more, the rest of the input is fed. */
ws_status next_events(ws_conn *conn, struct input *input, ws_event *events, size_t capacity, size_t *count);

/* The same for one event. */
ws_status next_event(ws_conn *conn, struct input *input, ws_event *event);

#endif
