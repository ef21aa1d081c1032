/*
 * ws_engine.h - the WebSocket protocol (RFC 6455) as an embeddable library.
 *
 * No sockets, no threads, no clock, no callbacks: bytes in, events out, frames queued, bytes out. A server that
 * exists already gains WebSocket on its own port, in its own event loop, with its own TLS, by calling a few
 * functions.
 *
 * Generated from src/capi/ by build.rs: do not edit. C99 and up, C++11 and up.
 */

#ifndef WS_ENGINE_H
#define WS_ENGINE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h> /* struct iovec */

/**
 * @file ws_engine.h
 * @brief The WebSocket protocol as an embeddable library.
 *
 * @par The contract
 * Give input, then pull events until #WS_AGAIN; then take output until there is none. Every call is cheap, none
 * blocks, none calls back. An event and the bytes it points to live until the next pull or input call on that
 * connection; queueing output never invalidates them, so an echo needs no copy of its own. Breaking the order is an
 * error code, never undefined behaviour.
 *
 * @par A server's loop: an echo, for one connection whose socket has become readable
 * @code
 * // once a thread:      ws_engine *engine = ws_engine_new(NULL);
 * // once a connection:  ws_conn *conn = ws_conn_new_server(engine);
 * void *buf;
 * size_t room;
 * ws_event ev;
 * struct iovec out[16];
 * int count;
 *
 * ws_conn_recv_buffer(conn, 0, &buf, &room); // or ws_conn_feed_mut(), ws_conn_feed() with bytes that are there
 * ssize_t n = recv(fd, buf, room, 0);
 * ws_conn_commit(conn, n > 0 ? (size_t)n : 0);
 * if (n == 0 || (n < 0 && errno != EAGAIN)) ws_conn_feed_eof(conn); // the end, or an error
 *
 * while (ws_conn_next_event(conn, &ev) == WS_OK) {
 *     if (ev.type == WS_EVENT_TEXT) ws_conn_queue_text(conn, ev.data, ev.len);
 *     if (ev.type == WS_EVENT_BINARY) ws_conn_queue_binary(conn, ev.data, ev.len);
 * } // WS_ERR_QUEUE_FULL: queue again at WS_EVENT_WRITABLE; pull when ws_conn_has_events() after the next loop
 *
 * while ((count = ws_conn_output(conn, out, 16)) > 0) {
 *     ssize_t written = writev(fd, out, count);
 *     if (written < 0) break; // EAGAIN: go on when the socket is writable
 *     ws_conn_output_consume(conn, (size_t)written);
 * }
 * if (ws_conn_wants_shutdown(conn)) shutdown(fd, SHUT_WR); // then read on until the end
 * if (ws_conn_wants_abort(conn)) { close(fd); ws_conn_free(conn); }
 * // once a turn, for pings and deadlines: ws_engine_advance(), which shows the rest of the loop
 * @endcode
 *
 * @par Conventions
 * - Status: #WS_OK is 0, #WS_AGAIN is positive, errors are negative; ws_strerror() knows them all.
 * - Nothing half done: a call that returns an error has changed nothing, but for clearing the place of its result
 *   where that is said.
 * - A NULL handle gets #WS_ERR_INVALID_ARGUMENT; freeing NULL is fine; (NULL, 0) is valid, empty data. A handle that
 *   is not NULL must have come from its `_new` function and not have been freed. Other pointers must be valid for
 *   what is read or written there, and only for the time of the call unless it is said otherwise.
 * - Lengths are in bytes. Texts that come with a length are not NUL-terminated; texts without one are.
 * - Threads: an engine, its connections and its streams are used by one thread at a time; settings by one thread at a
 *   time; prepared messages, and functions without a handle, by any number. There is no global state.
 * - No callbacks, no signals, no errno. A bug in the engine returns #WS_ERR_INTERNAL and leaves a handle that can
 *   only be freed; it never unwinds into the caller and never aborts the process.
 * - Structs that may grow begin with `struct_size`, which the caller sets to their `sizeof`. That of a caller which
 *   is newer than the library may be larger: fields that the library does not know are neither read nor written. One
 *   that is smaller than it has ever been is refused. Enumerations may gain values in later versions.
 */

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status codes ---------------------------------------------------------------------------------------------------- */

/**
 * What a call came to. Zero is success, positive values are not errors, negative ones are.
 */
typedef enum ws_status {
    /**
     * Done.
     */
    WS_OK = 0,
    /**
     * Nothing (more) now: give input, take output, or wait.
     */
    WS_AGAIN = 1,
    /**
     * A NULL handle, or an argument that is out of its range or malformed. Nothing was changed.
     */
    WS_ERR_INVALID_ARGUMENT = -1,
    /**
     * The call is not legal in the present state of the connection or stream. Nothing was changed.
     */
    WS_ERR_STATE = -2,
    /**
     * Input was given before the earlier input was pulled until #WS_AGAIN. Nothing was taken.
     */
    WS_ERR_INPUT_PENDING = -3,
    /**
     * The message, part of one, or text of a stream was not queued: it would exceed `max_queued_bytes`, `max_connection_bytes` or
     * `max_engine_bytes`. What was queued before is safe.
     */
    WS_ERR_QUEUE_FULL = -4,
    /**
     * Text to send is not UTF-8 (RFC 6455, 5.6). Nothing was queued.
     */
    WS_ERR_INVALID_UTF8 = -5,
    /**
     * What was asked for is not there: a header, a part of the request, a name at an index.
     */
    WS_ERR_NOT_FOUND = -6,
    /**
     * The operating system gave no random bytes (client role only). Nothing was changed.
     */
    WS_ERR_RANDOM = -7,
    /**
     * A bug in the engine was caught. The handle is poisoned: free it. Every other call on it that returns
     * a status returns this again.
     */
    WS_ERR_INTERNAL = -8,
    /**
     * The result does not fit where the caller has room for it. The length that it needs was told.
     */
    WS_ERR_BUFFER_TOO_SMALL = -9,
} ws_status;

/**
 * Says in words what a status means.
 *
 * @param status  a ::ws_status, or any other number
 * @return a static, NUL-terminated text; never NULL
 */
const char *ws_strerror(int status);

/**
 * The version of the library that is running, which may be newer than the header.
 *
 * @return a static, NUL-terminated text such as "0.1.0"; never NULL
 */
const char *ws_version(void);

/* ---- Settings -------------------------------------------------------------------------------------------------------- */

/**
 * Every setting and limit, with defaults that are safe on the open internet; the next sections have their setters. A
 * builder: ws_engine_new() copies it, so it may be changed or freed at once. Used by one thread at a time.
 */
typedef struct ws_config ws_config;

/**
 * Makes the default settings.
 *
 * @return settings to be freed with ws_config_free(); NULL only after an internal error
 */
ws_config *ws_config_new(void);

/**
 * Frees settings. Engines made with them are not affected.
 *
 * @param config  settings, or NULL
 */
void ws_config_free(ws_config *config);

/* ---- Settings: the handshake ----------------------------------------------------------------------------------------- */

/**
 * Which web pages may connect to a server, by the `Origin` that their browser sends (RFC 6455, 10.2).
 */
typedef enum ws_origin_policy {
    /**
     * Pages from the host and port that the request names in `Host`. The default.
     */
    WS_ORIGIN_SAME_HOST = 0,
    /**
     * Pages whose origin was given to ws_config_allow_origin().
     */
    WS_ORIGIN_ALLOW_LIST = 1,
    /**
     * Every page. Only for public services, which know nobody by cookie or address.
     */
    WS_ORIGIN_ANY = 2,
} ws_origin_policy;

/**
 * Limits the head of an HTTP message, first line and blank line included. A longer request is answered with 431; a
 * client gives up on a longer answer, with #WS_EVENT_CLOSE and 1006.
 *
 * @param config  settings
 * @param bytes   128 to 1,048,576; default 8,192
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_max_head_size(ws_config *config, size_t bytes);

/**
 * Limits the number of headers of an HTTP message. A request with more is answered with 431; a client gives up on an
 * answer with more, with #WS_EVENT_CLOSE and 1006.
 *
 * @param config  settings
 * @param count   8 to 256; default 64
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_max_headers(ws_config *config, size_t count);

/**
 * Chooses which web pages may connect to a server (RFC 6455, 10.2). Others are answered with 403. Requests without
 * `Origin` come from programs, not from pages, and always pass.
 *
 * #WS_ORIGIN_ALLOW_LIST with no origin given lets no page in.
 *
 * @param config  settings
 * @param policy  a ::ws_origin_policy; default #WS_ORIGIN_SAME_HOST
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_origin_policy(ws_config *config, int policy);

/**
 * Adds an origin to the allow list and makes #WS_ORIGIN_ALLOW_LIST the policy.
 *
 * @param config  settings
 * @param origin  NUL-terminated, as browsers send it: "https://app.example.com", with the port if it is not the
 *                scheme's own, without a path; letter case does not count
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_allow_origin(ws_config *config, const char *origin);

/**
 * Adds a subprotocol that the server speaks, in order of preference (RFC 6455, 1.9). It answers with the first of
 * them that the client offers, and with none if there is no such.
 *
 * @param config  settings
 * @param name    NUL-terminated; an HTTP token that was not added before
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_add_subprotocol(ws_config *config, const char *name);

/**
 * Chooses whether a server asks its host before it accepts: it then delivers #WS_EVENT_REQUEST for every request
 * that is valid and passes the origin policy, and waits for ws_conn_accept() or ws_conn_reject(). A request that is
 * undecided when `handshake_timeout` is over is answered with 503.
 *
 * @param config   settings
 * @param enabled  0 or 1; default 0
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_manual_accept(ws_config *config, int enabled);

/**
 * Limits what is kept behind a request that waits for a decision (manual accept). A client that sends more before it
 * was answered is refused with 400.
 *
 * @param config  settings
 * @param bytes   0 to 16 MiB; default 8,192
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_max_held_bytes(ws_config *config, size_t bytes);

/* ---- Settings: messages from the peer -------------------------------------------------------------------------------- */

/**
 * How messages are delivered. Text is checked as it arrives in each (RFC 6455, 8.1), and compressed messages are
 * inflated.
 */
typedef enum ws_delivery {
    /**
     * Whole: #WS_EVENT_TEXT and #WS_EVENT_BINARY. The default.
     */
    WS_DELIVER_MESSAGES = 0,
    /**
     * In parts, as they arrive: #WS_EVENT_CHUNK. For messages that need not fit in memory: `max_message_size` still
     * counts, and may then be large.
     */
    WS_DELIVER_CHUNKS = 1,
    /**
     * Frame by frame, each whole: #WS_EVENT_FRAME. For tools and proxies.
     */
    WS_DELIVER_FRAMES = 2,
} ws_delivery;

/**
 * Chooses how messages are delivered, for connections that do not choose for themselves: ws_conn_set_delivery().
 *
 * @param config    settings
 * @param delivery  a ::ws_delivery; default #WS_DELIVER_MESSAGES
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_delivery(ws_config *config, int delivery);

/**
 * Chooses whether the engine answers pings by itself (RFC 6455, 5.5.2). Pings are reported in either case.
 *
 * @param config   settings
 * @param enabled  0 or 1; default 1
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_auto_pong(ws_config *config, int enabled);

/**
 * Limits the payload of one data frame from the peer, compressed if it comes so. A larger one closes the connection
 * with 1009 as soon as its length is known, before any of it is stored (RFC 6455, 10.4).
 *
 * @param config  settings
 * @param bytes   125 to 2^63-1; default 1 MiB
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_max_frame_size(ws_config *config, uint64_t bytes);

/**
 * Limits the payload of one message from the peer, all its frames together, inflated if it comes compressed. A
 * larger one closes the connection with 1009 as soon as the length of a frame shows that it will be, or no more than
 * one byte above the limit was inflated (RFC 6455, 10.4).
 *
 * @param config  settings
 * @param bytes   125 to 2^63-1; default 1 MiB
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_max_message_size(ws_config *config, uint64_t bytes);

/**
 * Limits the frames of one message from the peer. A message of more closes the connection with 1008.
 *
 * @param config  settings
 * @param count   1 and up; default 16,384
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_max_fragments(ws_config *config, uint32_t count);

/**
 * Limits the frames without payload in one fragmented message from the peer, the last one not counted. A message
 * with more closes the connection with 1008.
 *
 * @param config  settings
 * @param count   0 and up; default 64
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_max_empty_fragments(ws_config *config, uint32_t count);

/**
 * Limits the pings and pongs from the peer within one second. More close the connection with 1008. They are counted
 * only once the engine has been told the time: ws_engine_advance().
 *
 * @param config             settings
 * @param frames_per_second  1 to 65,535, more counts as that; default 250
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_max_control_rate(ws_config *config, uint32_t frames_per_second);

/* ---- Settings: output and memory ------------------------------------------------------------------------------------- */

/**
 * Limits the output that waits to be taken, frame headers included. A message that would exceed it is refused with
 * #WS_ERR_QUEUE_FULL; one that is larger than the limit never fits, and can be sent in parts, ws_conn_queue_begin(),
 * or by the host, ws_conn_begin_frame(). Control frames always have room.
 * What waits in a ::ws_stream has the same limit.
 *
 * @param config  settings
 * @param bytes   1,024 and up; default 4 MiB
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_max_queued_bytes(ws_config *config, size_t bytes);

/**
 * Chooses whether text to send is checked for UTF-8 (RFC 6455, 5.6), which costs a pass over it. Without, the host
 * vouches for it, as an echo can, or a relay of text that was received: a peer fails the connection over text that is
 * not UTF-8. Prepared messages and close reasons are always checked.
 *
 * @param config   settings
 * @param enabled  1 or 0; default 1
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_outgoing_utf8_check(ws_config *config, int enabled);

/**
 * Chooses above how many bytes of output the queue counts as full, see ws_conn_above_high_water(), and at how many
 * it has room again and #WS_EVENT_WRITABLE comes: at `low`, or half of `max_queued_bytes` if that is less.
 *
 * @param config  settings
 * @param low     below high; default 256 KiB
 * @param high    above low; default 1 MiB
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_water_marks(ws_config *config, size_t low, size_t high);

/**
 * Limits what one connection holds in all between two calls: input that was not pulled, a message of which more is
 * to come, and output. Input above it closes the connection with 1009; a message to send above it is refused with
 * #WS_ERR_QUEUE_FULL.
 *
 * @param config  settings
 * @param bytes   4,096 and up; default 16 MiB
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_max_connection_bytes(ws_config *config, size_t bytes);

/**
 * Limits what all connections of an engine hold together, the heads of handshakes too. Input above it closes the
 * connection that brought it with 1013, or refuses its request with 503; a message to send above it is refused with
 * #WS_ERR_QUEUE_FULL.
 *
 * @param config  settings
 * @param bytes   4,096 and up; default 1 GiB
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_max_engine_bytes(ws_config *config, size_t bytes);

/**
 * Chooses the size of the buffer that ws_conn_recv_buffer() lends, which the connections of an engine share. The
 * larger, the more messages come with one read. Memory that no read has reached is not used.
 *
 * @param config  settings
 * @param bytes   4,096 to 16 MiB; default 512 KiB
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_receive_buffer_size(ws_config *config, size_t bytes);

/* ---- Settings: compression (RFC 7692) -------------------------------------------------------------------------------- */

/**
 * Chooses whether permessage-deflate is negotiated (RFC 7692): a client offers it, a server takes it if it is
 * offered. #WS_EVENT_OPEN says whether it was agreed on. Messages are then inflated and deflated by the engine.
 *
 * @param config   settings
 * @param enabled  0 or 1; default 0
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_compression(ws_config *config, int enabled);

/**
 * Chooses how hard to compress, as zlib's level does.
 *
 * @param config  settings
 * @param level   1 (fast) to 9 (small); default 6
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_compression_level(ws_config *config, int level);

/**
 * Chooses the memory of a compressor, as zlib's memLevel does.
 *
 * @param config  settings
 * @param level   1 (small) to 9 (large); default 6
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_compression_mem_level(ws_config *config, int level);

/**
 * Chooses the size below which a message is sent plain. Of a message that is made part by part, that of its first
 * part counts.
 *
 * @param config  settings
 * @param bytes   any; default 1,024
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_compression_threshold(ws_config *config, size_t bytes);

/**
 * Chooses whether a compressor may refer to earlier messages (RFC 7692, 7.1.1). Messages get smaller, but each
 * connection then keeps a compressor (300 KB), and of the peer's messages up to one window (32 KiB); else
 * compressors and inflators are borrowed for the time of a message.
 *
 * @param config  settings
 * @param own     0 or 1: this end's compressor; default 0
 * @param peer    0 or 1: the peer's compressor; default 0
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_context_takeover(ws_config *config, int own, int peer);

/**
 * Limits the LZ77 windows, as powers of two (RFC 7692, 7.1.2). A server with a limit for the peer declines
 * compression to a client that cannot be limited, which is one that did not offer `client_max_window_bits`.
 *
 * @param config  settings
 * @param own     8 to 15: this end's compressor; default 15
 * @param peer    8 to 15: the peer's compressor; default 15
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_window_bits(ws_config *config, int own, int peer);

/* ---- Settings: deadlines --------------------------------------------------------------------------------------------- */

/**
 * Limits the time from the making of a connection to its opening. A request that is late is answered with 408, one
 * that the host has not decided on (manual accept) with 503; a client that was not answered gets #WS_EVENT_CLOSE
 * with 1006. This and the other deadlines do not count before ws_engine_advance() was called for the first time.
 *
 * @param config  settings
 * @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 10,000
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_handshake_timeout(ws_config *config, uint32_t ms);

/**
 * Sends pings (RFC 6455, 5.5.2): the time between two of them, less up to a quarter at random, so that those of many
 * connections spread. The first one counts from the opening.
 *
 * @param config  settings
 * @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 30,000
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_ping_interval(ws_config *config, uint32_t ms);

/**
 * Limits the time from a ping of the engine to a sign of life: a byte from the peer, or progress in writing to it.
 * Then the connection is closed with 1001.
 *
 * @param config  settings
 * @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 30,000
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_pong_timeout(ws_config *config, uint32_t ms);

/**
 * Limits the time without a message, or part of one, in either direction; pings and pongs are none. Then the
 * connection is closed with 1001.
 *
 * @param config  settings
 * @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 0 (off)
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_idle_timeout(ws_config *config, uint32_t ms);

/**
 * Limits the time from our close frame to the peer's (then #WS_EVENT_CLOSE with 1006 comes), and from the end of the
 * connection to that of the stream. Then ws_conn_wants_abort() is 1.
 *
 * @param config  settings
 * @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 5,000
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_close_timeout(ws_config *config, uint32_t ms);

/**
 * Limits the time in which output waits and none of it is taken. Then #WS_EVENT_CLOSE with 1006 comes, and
 * ws_conn_wants_abort() is 1.
 *
 * @param config  settings
 * @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 30,000
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_write_stall_timeout(ws_config *config, uint32_t ms);

/**
 * Limits the time from the opening on, whatever happens. Then the connection is closed with 1001.
 *
 * @param config  settings
 * @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 0 (off)
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_max_lifetime(ws_config *config, uint32_t ms);

/* ---- Settings: token streams ----------------------------------------------------------------------------------------- */

/**
 * Chooses for how long after a message of a ::ws_stream what is written to it is merged into the next one. Counted
 * only once the engine has been told the time: until then what was written is due at once.
 *
 * @param config  settings
 * @param ms      0 (every write is a message) to 10,000 milliseconds; default 40
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_stream_merge_time(ws_config *config, uint32_t ms);

/**
 * Chooses at how many bytes of text a message of a ::ws_stream is made before its time. No message has more, before
 * JSON escapes any of them: text is cut between characters.
 *
 * @param config  settings
 * @param bytes   16 to 1 MiB; default 4,096
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_stream_piece_size(ws_config *config, size_t bytes);

/**
 * Chooses above how many bytes that wait in a ::ws_stream it wants no more, see ws_stream_wants_more(), and at how many
 * it does again: at `low`, or half of `max_queued_bytes` if that is less.
 *
 * @param config  settings
 * @param low     below high; default 16 KiB
 * @param high    above low; default 64 KiB
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_config_set_stream_water_marks(ws_config *config, size_t low, size_t high);

/* ---- Engines --------------------------------------------------------------------------------------------------------- */

/**
 * What the connections of one event loop share: settings, buffers, randomness, time, counts. Make one for each
 * event-loop thread. An engine, its connections and its streams are used by one thread at a time.
 */
typedef struct ws_engine ws_engine;

/**
 * Makes an engine.
 *
 * @param config  settings, which are copied; NULL for the defaults
 * @return an engine to be freed with ws_engine_free(); NULL only after an internal error, also one of config
 */
ws_engine *ws_engine_new(const ws_config *config);

/**
 * Frees an engine. Connections and streams that were made from it and are still there keep what they need, so the order of
 * freeing does not matter; only time stands still for them.
 *
 * @param engine  an engine, or NULL
 */
void ws_engine_free(ws_engine *engine);

/* ---- Connections ----------------------------------------------------------------------------------------------------- */

/**
 * One WebSocket connection, server or client. Used by one thread at a time, the one that uses its engine.
 */
typedef struct ws_conn ws_conn;

/**
 * A header field of an HTTP message. Neither part is NUL-terminated.
 */
typedef struct ws_header {
    /**
     * An HTTP token; letter case does not count.
     */
    const char *name;
    /**
     * Bytes of the name.
     */
    size_t name_len;
    /**
     * Any bytes but control characters; tabs are fine.
     */
    const char *value;
    /**
     * Bytes of the value.
     */
    size_t value_len;
} ws_header;

/**
 * A request that the host's own HTTP server has parsed. Set all of it to zero first, then `struct_size`, then what
 * there is. No text in it is NUL-terminated.
 */
typedef struct ws_parsed_request {
    /**
     * `sizeof(ws_parsed_request)`: see the conventions.
     */
    size_t struct_size;
    /**
     * "GET"; "CONNECT" for an extended CONNECT. Required.
     */
    const char *method;
    /**
     * Bytes of the method.
     */
    size_t method_len;
    /**
     * The request target as it was sent, path and query with the question mark; `:path` for an extended CONNECT.
     * Required.
     */
    const char *target;
    /**
     * Bytes of the target.
     */
    size_t target_len;
    /**
     * All headers in the order in which they came, repeated ones too, without pseudo-headers.
     */
    const ws_header *headers;
    /**
     * Number of headers.
     */
    size_t header_count;
    /**
     * `:protocol`, "websocket", which makes this an extended CONNECT of HTTP/2 or HTTP/3; NULL for HTTP/1.1.
     */
    const char *protocol;
    /**
     * Bytes of the protocol.
     */
    size_t protocol_len;
    /**
     * Extended CONNECT: `:scheme`; NULL if it is not known.
     */
    const char *scheme;
    /**
     * Bytes of the scheme.
     */
    size_t scheme_len;
    /**
     * Extended CONNECT: `:authority`; NULL if there is only a `Host` among the headers.
     */
    const char *authority;
    /**
     * Bytes of the authority.
     */
    size_t authority_len;
    /**
     * 1 if the request line says HTTP/1.0, which is refused (RFC 6455, 4.2.1). Else 0.
     */
    int http_1_0;
} ws_parsed_request;

/**
 * What a client asks for. Set all of it to zero first, then `struct_size`, then what is needed.
 */
typedef struct ws_client_request {
    /**
     * `sizeof(ws_client_request)`: see the conventions.
     */
    size_t struct_size;
    /**
     * NUL-terminated `Host`: "example.com", or "127.0.0.1:9001" with a port that is not the default one. Required.
     */
    const char *host;
    /**
     * NUL-terminated path and query, "/chat?room=1"; NULL is "/".
     */
    const char *target;
    /**
     * NUL-terminated `Origin`; NULL for none.
     */
    const char *origin;
    /**
     * Subprotocols that the client speaks, in order of preference, each NUL-terminated.
     */
    const char *const *subprotocols;
    /**
     * Number of subprotocols.
     */
    size_t subprotocol_count;
    /**
     * Headers beside those of the handshake: cookies, authorization.
     */
    const ws_header *headers;
    /**
     * Number of headers.
     */
    size_t header_count;
} ws_client_request;

/**
 * Makes the server's end of a connection. Feed it what the client sends, from the first byte of its request on.
 *
 * @param engine  the engine of this thread's event loop
 * @return a connection to be freed with ws_conn_free(); NULL if engine is NULL or poisoned
 */
ws_conn *ws_conn_new_server(ws_engine *engine);

/**
 * Makes the server's end of a connection from a request that the host's own HTTP server has parsed. It is checked
 * and decided on at once, as a request that is fed is; pull to learn how: #WS_EVENT_REQUEST (manual accept),
 * #WS_EVENT_OPEN or #WS_EVENT_CLOSE. Feed only what came behind the request; this may be done before the pull.
 *
 * Without `protocol`, the answer is a head of HTTP/1.1 in the output, as it is for a request that is fed. With it,
 * the request is an extended CONNECT (RFC 8441 for HTTP/2, RFC 9220 for HTTP/3): it has no `Sec-WebSocket-Key`,
 * `Upgrade` or `Connection`, and its answer is ws_conn_response_status() and headers for the host to send. Input and
 * output are then the content of the stream (DATA frames).
 *
 * @param engine   the engine of this thread's event loop
 * @param request  the request; what is needed of it is copied. One that is larger than `max_head_size`, or has more
 *                 headers than `max_headers`, is refused with 431
 * @param conn     receives a connection to be freed with ws_conn_free(); NULL if the call fails
 * @return #WS_OK, also for a request that is refused; #WS_ERR_INVALID_ARGUMENT for NULL or a struct_size that is too
 *         small
 */
ws_status ws_conn_new_server_from_request(ws_engine *engine,
                                          const ws_parsed_request *request,
                                          ws_conn **conn);

/**
 * Makes the client's end of a connection (RFC 6455, 4.1). Its request is in the output at once.
 *
 * @param engine   the engine of this thread's event loop
 * @param request  what to ask for; copied
 * @param conn     receives a connection to be freed with ws_conn_free(); NULL if the call fails
 * @return #WS_OK; #WS_ERR_INVALID_ARGUMENT for NULL, a struct_size that is too small, or a field that would break
 *         the request, such as a header value with a line feed; #WS_ERR_RANDOM
 */
ws_status ws_conn_new_client(ws_engine *engine, const ws_client_request *request, ws_conn **conn);

/**
 * Frees a connection, whatever its state. It says nothing to the peer: see ws_conn_queue_close().
 *
 * @param conn  a connection, or NULL
 */
void ws_conn_free(ws_conn *conn);

/**
 * Keeps a pointer of the host's with the connection, such as what it needs to find the socket of a connection that
 * ws_engine_next_due() gives. The engine never looks at what it points to.
 *
 * @param conn       a connection; NULL and a poisoned one are ignored
 * @param user_data  any pointer
 */
void ws_conn_set_user_data(ws_conn *conn, void *user_data);

/**
 * The pointer that ws_conn_set_user_data() kept; also of a poisoned connection, whose socket is to be closed.
 *
 * @param conn  a connection
 * @return the pointer; NULL if none was set or conn is NULL
 */
void *ws_conn_user_data(const ws_conn *conn);

/* ---- Input and events ------------------------------------------------------------------------------------------------ */

/**
 * What happened. Later versions add values: ignore those that you do not know.
 */
typedef enum ws_event_type {
    /**
     * Nothing; what ws_conn_next_event() leaves with #WS_AGAIN.
     */
    WS_EVENT_NONE = 0,
    /**
     * Server with manual accept: a valid request waits for ws_conn_accept() or ws_conn_reject(). `data` is its
     * target; see ws_conn_request_method() for the rest of it.
     */
    WS_EVENT_REQUEST = 1,
    /**
     * The handshake is complete, messages may flow. `data` is the subprotocol, empty if there is none; `compressed`
     * says whether permessage-deflate was agreed on.
     */
    WS_EVENT_OPEN = 2,
    /**
     * #WS_DELIVER_MESSAGES: a whole text message; `data` is valid UTF-8 (RFC 6455, 5.6 and 8.1).
     */
    WS_EVENT_TEXT = 3,
    /**
     * #WS_DELIVER_MESSAGES: a whole binary message, which is `data`.
     */
    WS_EVENT_BINARY = 4,
    /**
     * A ping with `data`; the engine has queued the pong unless that is turned off.
     */
    WS_EVENT_PING = 5,
    /**
     * A pong with `data`; `rtt_ms` if it answers a ping of the engine's own.
     */
    WS_EVENT_PONG = 6,
    /**
     * The end, exactly once for each connection that is pulled to its end, whatever the cause: a close frame, a rule
     * that the peer broke, a deadline, a handshake that failed, a stream that ended. `data` is the reason that the
     * peer sent; see also `close_code`, `http_status`, `detail`, `clean` and `initiator`.
     */
    WS_EVENT_CLOSE = 7,
    /**
     * #WS_DELIVER_CHUNKS: a part of a message, as it arrived, which is `data`; see `opcode`, `offset`, `first`,
     * `last`. A chunk of text may end within a character; the text as a whole is checked. Empty chunks occur only as
     * the last.
     */
    WS_EVENT_CHUNK = 8,
    /**
     * #WS_DELIVER_FRAMES: a data frame, of which `data` is the whole payload, unmasked and inflated; see `opcode`,
     * `last` and `compressed`. Text may end within a character.
     */
    WS_EVENT_FRAME = 9,
    /**
     * The output fell to the low-water mark after it had been above the high one, or after a message was refused
     * with #WS_ERR_QUEUE_FULL while output waited.
     */
    WS_EVENT_WRITABLE = 10,
} ws_event_type;

/**
 * Who began the end of a connection.
 */
typedef enum ws_close_initiator {
    /**
     * The other side.
     */
    WS_CLOSED_BY_PEER = 0,
    /**
     * This side: by a call, since the peer broke a rule, or since a deadline was reached.
     */
    WS_CLOSED_BY_US = 1,
    /**
     * Nobody: the connection was lost.
     */
    WS_CLOSED_BY_NOBODY = 2,
} ws_close_initiator;

/**
 * An event, filled by ws_conn_next_event(). Its pointers live until the next pull or input call on the same
 * connection; queueing and taking output do not end them. 64 bytes where pointers have 8; new fields will be taken
 * from the reserved ones. The type says which fields are set: the others are 0, or as each of them says.
 */
typedef struct ws_event {
    /**
     * What happened.
     */
    ws_event_type type;
    /**
     * #WS_EVENT_CLOSE: the code that the peer sent, or that we sent for a rule that it broke or since it was silent
     * for too long; 1005 for a close frame without a code, 1006 for a connection that was lost or never opened (RFC
     * 6455, 7.4.1). Else 0.
     */
    uint16_t close_code;
    /**
     * #WS_EVENT_CLOSE of a handshake that failed: the HTTP status that was sent (server) or received (client), if
     * any. Else 0.
     */
    uint16_t http_status;
    /**
     * The bytes of the event; see ::ws_event_type. Never NULL, not NUL-terminated.
     */
    const char *data;
    /**
     * The number of bytes.
     */
    size_t len;
    /**
     * #WS_EVENT_CLOSE: why, in words, with the section of the RFC. Else "". A static, NUL-terminated text, never
     * NULL.
     */
    const char *detail;
    /**
     * #WS_EVENT_CLOSE: 1 if both sides sent a close frame, else 0.
     */
    uint8_t clean;
    /**
     * #WS_EVENT_CLOSE: a ::ws_close_initiator. Else 0.
     */
    uint8_t initiator;
    /**
     * #WS_EVENT_CHUNK: a ::ws_message_type. #WS_EVENT_FRAME: that, or 0 for a continuation (RFC 6455, 5.2). Else 0.
     */
    uint8_t opcode;
    /**
     * #WS_EVENT_CHUNK: 1 if the message begins here. Else 0.
     */
    uint8_t first;
    /**
     * #WS_EVENT_CHUNK: 1 if the message ends here. #WS_EVENT_FRAME: 1 for the last frame of its message. Else 0.
     */
    uint8_t last;
    /**
     * #WS_EVENT_OPEN: 1 if permessage-deflate was agreed on (RFC 7692). #WS_EVENT_FRAME: 1 for a frame of a message
     * that came compressed. Else 0.
     */
    uint8_t compressed;
    /**
     * For later versions; 0.
     */
    uint8_t reserved0[2];
    /**
     * #WS_EVENT_CHUNK: bytes of the message before this chunk. Else 0.
     */
    uint64_t offset;
    /**
     * #WS_EVENT_PONG: milliseconds since the ping that it answers, if that was one of the engine's own. Else -1.
     */
    int64_t rtt_ms;
    /**
     * For later versions; 0.
     */
    uint64_t reserved1;
} ws_event;

/**
 * Gives bytes that came from the peer; they are copied. Pull events until #WS_AGAIN before giving more. What comes
 * after the connection has ended is ignored (RFC 6455, 7.1.7).
 *
 * @param conn  a connection
 * @param data  the bytes; NULL if len is 0
 * @param len   their number; any, 0 included
 * @return #WS_OK; #WS_ERR_INPUT_PENDING, and nothing was taken; #WS_ERR_STATE after ws_conn_feed_eof();
 *         #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_feed(ws_conn *conn, const void *data, size_t len);

/**
 * Lends bytes that came from the peer: payloads are unmasked where they are, and events point there. Pull events until
 * #WS_AGAIN; until then the bytes must stay where they are, untouched, and from then on they are the caller's again.
 * Nothing before or behind them is read or written.
 *
 * @param conn  a connection
 * @param data  the bytes; NULL if len is 0
 * @param len   their number; any, 0 included
 * @return as ws_conn_feed(); with an error nothing was lent
 */
ws_status ws_conn_feed_mut(ws_conn *conn, void *data, size_t len);

/**
 * Lends memory to receive into, for recv() or SSL_read(). It is the engine's receive buffer, which its connections
 * share; or, while a large message is arriving, the place where that is assembled, up to the end of its frame. Call
 * ws_conn_commit() next.
 *
 * @param conn      a connection
 * @param min       bytes that are needed at least, 0 to 16 MiB; 0 if any number will do
 * @param buffer    receives a pointer to the memory, which stays valid until ws_conn_commit(), the next input call or
 *                  pull, or ws_conn_free(); what is in it is undefined
 * @param capacity  receives its size in bytes, min and 1 at least: `receive_buffer_size`, or min if that is more;
 *                  of a large message, about as many as have come
 * @return #WS_OK; #WS_ERR_INPUT_PENDING before #WS_AGAIN; #WS_ERR_STATE after ws_conn_feed_eof();
 *         #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_recv_buffer(ws_conn *conn, size_t min, void **buffer, size_t *capacity);

/**
 * Says how many bytes were received into the memory that ws_conn_recv_buffer() lent. Pull events until #WS_AGAIN
 * then.
 *
 * @param conn   a connection
 * @param bytes  0 to the capacity that was lent; 0 gives the memory back, when recv() had nothing
 * @return #WS_OK; #WS_ERR_STATE if nothing is lent, or no longer, since there was another input call or a pull;
 *         #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_commit(ws_conn *conn, size_t bytes);

/**
 * Says that the peer closed its side of the stream: recv() returned 0, or the stream broke. Pull events afterwards;
 * if the connection was not closed before, #WS_EVENT_CLOSE with code 1006 follows (RFC 6455, 7.1.5).
 *
 * @param conn  a connection
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_feed_eof(ws_conn *conn);

/**
 * Pulls the next event.
 *
 * @param conn   a connection
 * @param event  receives the event; its type is #WS_EVENT_NONE if there is none, and it is left as it is by an error
 * @return #WS_OK if there is one; #WS_AGAIN if all input was used; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_next_event(ws_conn *conn, ws_event *event);

/**
 * Pulls events: whole messages that lie one behind the other in the input, as many as there is room for, so that many
 * small ones take fewer calls; or one event of any other kind. Nothing else happens on the way of those messages:
 * what closes the connection comes with the next pull, after they were answered.
 *
 * @param conn      a connection
 * @param events    receives up to `capacity` events, which all live until the next pull or input call
 * @param capacity  room for events, 1 and up
 * @param count     receives the number of events; 0 if the call does not return #WS_OK
 * @return #WS_OK if there are any; #WS_AGAIN if all input was used; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_next_events(ws_conn *conn, ws_event *events, size_t capacity, size_t *count);

/**
 * Chooses how the messages of one connection are delivered, from the next one on; also before the opening.
 *
 * @param conn      a connection
 * @param delivery  a ::ws_delivery; the default is that of the settings
 * @return #WS_OK; #WS_ERR_STATE while a message is arriving; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_set_delivery(ws_conn *conn, int delivery);

/* ---- Requests (server): looking at them, and deciding on them with manual accept ------------------------------------- */

/**
 * The method of the request that a server got. It and all that follows about the request is there as soon as the
 * head was read, which #WS_EVENT_REQUEST (manual accept), #WS_EVENT_OPEN or the #WS_EVENT_CLOSE of a handshake that
 * failed shows, until the pull behind #WS_EVENT_OPEN or #WS_EVENT_CLOSE. Nothing is parsed again for a look.
 *
 * @param conn   a server's connection
 * @param value  receives a pointer to the method, which is not NUL-terminated and lives as long as it is there
 * @param len    receives its length in bytes
 * @return #WS_OK; #WS_ERR_STATE if there is no request; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_request_method(const ws_conn *conn, const char **value, size_t *len);

/**
 * The target of the request as it was sent: path and query, or an absolute URI.
 *
 * @param conn   a server's connection
 * @param value  receives a pointer to the target, which is not NUL-terminated and lives as long as it is there
 * @param len    receives its length in bytes
 * @return #WS_OK; #WS_ERR_STATE if there is no request; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_request_target(const ws_conn *conn, const char **value, size_t *len);

/**
 * The path of the request, without the query and still percent-encoded; "/" for an absolute URI without a path.
 *
 * @param conn   a server's connection
 * @param value  receives a pointer to the path, which is not NUL-terminated and lives as long as it is there
 * @param len    receives its length in bytes
 * @return #WS_OK; #WS_ERR_NOT_FOUND if the request was refused before its target was looked at; #WS_ERR_STATE if
 *         there is no request; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_request_path(const ws_conn *conn, const char **value, size_t *len);

/**
 * The query of the request: what stands behind the question mark of its target, still percent-encoded.
 *
 * @param conn   a server's connection
 * @param value  receives a pointer to the query, which is not NUL-terminated and lives as long as it is there
 * @param len    receives its length in bytes; 0 for a question mark with nothing behind it
 * @return #WS_OK; #WS_ERR_NOT_FOUND if there is no question mark; #WS_ERR_STATE if there is no request;
 *         #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_request_query(const ws_conn *conn, const char **value, size_t *len);

/**
 * A header of the request by its name.
 *
 * @param conn   a server's connection
 * @param name   NUL-terminated; letter case does not count
 * @param index  0 for the first header of that name, 1 for the second, ...
 * @param value  receives a pointer to the value without the white space around it; not NUL-terminated, any bytes
 * @param len    receives its length in bytes
 * @return #WS_OK; #WS_ERR_NOT_FOUND; #WS_ERR_STATE if there is no request; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_request_header(const ws_conn *conn, const char *name, size_t index, const char **value, size_t *len);

/**
 * How many headers the request has, repeated ones counted each time.
 *
 * @param conn  a server's connection
 * @return their number; 0 if there is no request or conn is NULL
 */
size_t ws_conn_request_header_count(const ws_conn *conn);

/**
 * A header of the request by its place.
 *
 * @param conn       a server's connection
 * @param index      0 for the first header of the request, up to ws_conn_request_header_count() - 1 for the last
 * @param name       receives a pointer to the name as it was sent; not NUL-terminated
 * @param name_len   receives its length in bytes
 * @param value      receives a pointer to the value without the white space around it; not NUL-terminated, any bytes
 * @param value_len  receives its length in bytes
 * @return #WS_OK; #WS_ERR_NOT_FOUND; #WS_ERR_STATE if there is no request; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_request_header_at(const ws_conn *conn,
                                    size_t index,
                                    const char **name,
                                    size_t *name_len,
                                    const char **value,
                                    size_t *value_len);

/**
 * Accepts the request of #WS_EVENT_REQUEST, at once or later. Then pull: #WS_EVENT_OPEN, and messages that came
 * early, wait. While it is undecided, up to `max_held_bytes` bytes behind the head are kept; a client that sends
 * more is refused with 400, and one that waits for longer than `handshake_timeout` with 503.
 *
 * @param conn          a server's connection
 * @param subprotocol   NUL-terminated; one that the client offered, "" for none, NULL to choose by the settings
 * @param headers       headers to add to the answer, such as `Set-Cookie`; those of the handshake itself are refused
 * @param header_count  their number
 * @return #WS_OK; #WS_ERR_STATE if no request waits; #WS_ERR_INVALID_ARGUMENT for a subprotocol that was not
 *         offered, or a header that would break the answer, such as a value with a line feed
 */
ws_status ws_conn_accept(ws_conn *conn, const char *subprotocol, const ws_header *headers, size_t header_count);

/**
 * Refuses the request of #WS_EVENT_REQUEST, at once or later. Then pull: #WS_EVENT_CLOSE waits.
 *
 * @param conn          a server's connection
 * @param http_status   300 to 599
 * @param headers       headers to add to the answer, such as `Location` or `WWW-Authenticate`
 * @param header_count  their number
 * @param body          the body of the answer; NULL if body_len is 0. Give its `Content-Type` among the headers; its
 *                      length is added
 * @param body_len      its length in bytes
 * @return #WS_OK; #WS_ERR_STATE if no request waits; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_reject(ws_conn *conn,
                         int http_status,
                         const ws_header *headers,
                         size_t header_count,
                         const void *body,
                         size_t body_len);

/* ---- The answer to a handshake: what a client got, or what the host of an extended CONNECT sends --------------------- */

/**
 * The HTTP status of the answer.
 *
 * Of a client: what the server answered, 101, or a redirect, 401 or another refusal. It and its headers are there
 * while #WS_EVENT_OPEN, or the #WS_EVENT_CLOSE of a refusal, is the newest event. The content of a refusal is not
 * kept.
 *
 * Of a server for an extended CONNECT, see ws_conn_new_server_from_request(): what the host sends in its HEADERS
 * frame, 200 or a refusal. It and its headers are there from the decision on, which is the making of the connection
 * unless there is manual accept, until the pull behind #WS_EVENT_OPEN or #WS_EVENT_CLOSE. What follows as content of
 * the stream is output, also that of a refusal. A server of HTTP/1.1 has all of its answer in the output, and no
 * status here.
 *
 * @param conn  a connection
 * @return the status; 0 if there is none, or conn is NULL
 */
int ws_conn_response_status(const ws_conn *conn);

/**
 * A header of that answer by its name.
 *
 * @param conn   a connection
 * @param name   NUL-terminated; letter case does not count
 * @param index  0 for the first header of that name, 1 for the second, ...
 * @param value  receives a pointer to the value without the white space around it; not NUL-terminated, any bytes
 * @param len    receives its length in bytes
 * @return #WS_OK; #WS_ERR_NOT_FOUND; #WS_ERR_STATE if there is no answer; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_response_header(const ws_conn *conn, const char *name, size_t index, const char **value, size_t *len);

/**
 * How many headers that answer has, repeated ones counted each time.
 *
 * @param conn  a connection
 * @return their number; 0 if there is no answer or conn is NULL
 */
size_t ws_conn_response_header_count(const ws_conn *conn);

/**
 * A header of that answer by its place.
 *
 * @param conn       a connection
 * @param index      0 for the first header of the answer, up to ws_conn_response_header_count() - 1 for the last
 * @param name       receives a pointer to the name, in lower case if the host has to send it; not NUL-terminated
 * @param name_len   receives its length in bytes
 * @param value      receives a pointer to the value without the white space around it; not NUL-terminated, any bytes
 * @param value_len  receives its length in bytes
 * @return #WS_OK; #WS_ERR_NOT_FOUND; #WS_ERR_STATE if there is no answer; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_response_header_at(const ws_conn *conn,
                                     size_t index,
                                     const char **name,
                                     size_t *name_len,
                                     const char **value,
                                     size_t *value_len);

/* ---- Output: queue, then take ---------------------------------------------------------------------------------------- */

/**
 * The longest frame header: two bytes, a 64-bit length, a mask key (RFC 6455, 5.2).
 */
#define WS_MAX_HEADER_LEN 14

/**
 * What a message is; the values are those of its opcode (RFC 6455, 5.2).
 */
typedef enum ws_message_type {
    /**
     * UTF-8 (RFC 6455, 5.6).
     */
    WS_MESSAGE_TEXT = 1,
    /**
     * Any bytes.
     */
    WS_MESSAGE_BINARY = 2,
} ws_message_type;

/**
 * Queues a text message (RFC 6455, 5.6). The bytes are copied; they may be those of an event. Where
 * permessage-deflate was agreed on and the message reaches `compression_threshold`, it is compressed.
 *
 * @param conn  an open connection
 * @param data  UTF-8; NULL if len is 0
 * @param len   its length in bytes
 * @return #WS_OK; #WS_ERR_INVALID_UTF8; #WS_ERR_QUEUE_FULL; #WS_ERR_STATE before the opening, from the first close
 *         frame on, and while a message is being made part by part; #WS_ERR_RANDOM (clients);
 *         #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_queue_text(ws_conn *conn, const void *data, size_t len);

/**
 * Queues a binary message, as ws_conn_queue_text() does a text.
 *
 * @param conn  an open connection
 * @param data  any bytes; NULL if len is 0
 * @param len   their number
 * @return as ws_conn_queue_text(), but for #WS_ERR_INVALID_UTF8
 */
ws_status ws_conn_queue_binary(ws_conn *conn, const void *data, size_t len);

/**
 * Begins a message of which the size need not be known: any number of ws_conn_queue_part(), then
 * ws_conn_queue_end(). Until then only control frames can be queued beside it; a close frame gives the message up.
 * It is compressed if its first part would be as a message.
 *
 * @param conn  an open connection
 * @param type  a ::ws_message_type
 * @return #WS_OK; #WS_ERR_STATE before the opening, from the first close frame on, and while another message is
 *         being made; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_queue_begin(ws_conn *conn, int type);

/**
 * Queues the next part of the message as one frame (RFC 6455, 5.4). The bytes are copied. Text may be cut within a
 * character. A part that is refused can be given again.
 *
 * @param conn  an open connection with a message that was begun
 * @param data  the bytes; NULL if len is 0
 * @param len   their number; nothing is sent for 0
 * @return #WS_OK; #WS_ERR_INVALID_UTF8; #WS_ERR_QUEUE_FULL; #WS_ERR_STATE if no message was begun, or a close frame
 *         gave it up; #WS_ERR_RANDOM; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_queue_part(ws_conn *conn, const void *data, size_t len);

/**
 * Ends the message with its last part.
 *
 * @param conn  an open connection with a message that was begun
 * @param data  the bytes; NULL if len is 0
 * @param len   their number
 * @return as ws_conn_queue_part(); #WS_ERR_INVALID_UTF8 also for text that ends within a character
 */
ws_status ws_conn_queue_end(ws_conn *conn, const void *data, size_t len);

/**
 * Begins a message of one frame whose payload the host writes to the socket itself, from where it lies: gives the
 * header to write before it, in one writev(). The output must have been taken before. Until ws_conn_end_frame()
 * ws_conn_output() lends nothing; what is queued meanwhile waits. The payload is not compressed, text is not
 * checked, and no limit on output counts. A client has to mask it: ws_mask() with the last four bytes of the header.
 *
 * What the host writes is not seen: until ws_conn_end_frame() no ping is sent, and the idle, write stall and close
 * timeouts wait. So after a short write hand over what is left, ws_conn_queue_frame_rest(), and go on as with any
 * output; or write it yourself as the socket takes it.
 *
 * If the connection ends meanwhile (#WS_EVENT_CLOSE), its close frame waits behind the payload. Then write the rest
 * within the close timeout, or hand it over, and call ws_conn_end_frame(); or close the socket at once, without
 * ws_conn_end_frame(), because half a payload cannot be followed by anything.
 *
 * @param conn         an open connection without output that waits
 * @param type         a ::ws_message_type
 * @param payload_len  bytes of payload: 0 to 2^63-1
 * @param header       receives the header: room for #WS_MAX_HEADER_LEN bytes
 * @param header_len   receives its length in bytes
 * @return #WS_OK; #WS_ERR_STATE if the connection is not open, output waits, or a message or another such frame is
 *         being made; #WS_ERR_RANDOM; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_begin_frame(ws_conn *conn, int type, uint64_t payload_len, uint8_t *header, size_t *header_len);

/**
 * Hands over what the socket did not take of the frame of ws_conn_begin_frame(): its last bytes, those of the header
 * too if not even these were written, masked if there is a key. They are copied. After ws_conn_end_frame() the output
 * lends them first, before all that was queued since ws_conn_begin_frame(), for nothing may come between the bytes of
 * a frame (RFC 6455, 5.4 and 5.5). Where they lie apart, each call hands over what follows. Also after the connection
 * has ended meanwhile (#WS_EVENT_CLOSE).
 *
 * They count as output that waits: against the limits, which refuse them as they would a message of that size, for
 * the high-water mark, and from ws_conn_end_frame() on for the write stall timeout. In the metrics they are written
 * when they are consumed.
 *
 * @param conn  a connection between ws_conn_begin_frame() and ws_conn_end_frame()
 * @param rest  the bytes; NULL if len is 0
 * @param len   their number, no more than the frame has and were not written
 * @return #WS_OK; #WS_ERR_QUEUE_FULL: nothing of it was taken, and the host can still write it itself, unless bytes
 *         before it were handed over: then close the socket; #WS_ERR_STATE if no frame was begun;
 *         #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_queue_frame_rest(ws_conn *conn, const void *rest, size_t len);

/**
 * Says that the frame of ws_conn_begin_frame() was written to its last byte, but for what was handed over with
 * ws_conn_queue_frame_rest(): the output goes on, and the timeouts count anew. Also after the connection has ended
 * meanwhile; a frame of which bytes are lost leaves only to close the socket.
 *
 * @param conn  a connection
 * @return #WS_OK; #WS_ERR_STATE if no frame was begun; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_end_frame(ws_conn *conn);

/**
 * Masks a payload in place, or unmasks it, which is the same (RFC 6455, 5.3).
 *
 * @param key     the four bytes of the key
 * @param offset  bytes of the payload before data
 * @param data    the payload, or a part of it; NULL if len is 0
 * @param len     its length in bytes
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_mask(const uint8_t *key, uint64_t offset, void *data, size_t len);

/**
 * Queues a ping (RFC 6455, 5.5.2); the peer's pong brings its bytes back. No limit on output counts. Like every ping
 * and pong it may overtake messages that wait, between two frames.
 *
 * @param conn  an open connection
 * @param data  any bytes; NULL if len is 0
 * @param len   0 to 125
 * @return #WS_OK; #WS_ERR_STATE before the opening and from the first close frame on; #WS_ERR_RANDOM;
 *         #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_queue_ping(ws_conn *conn, const void *data, size_t len);

/**
 * Queues a pong (RFC 6455, 5.5.3): an unsolicited one, or the answer to a ping where the engine does not answer.
 *
 * @param conn  an open connection
 * @param data  any bytes, those of the ping in an answer; NULL if len is 0
 * @param len   0 to 125
 * @return as ws_conn_queue_ping()
 */
ws_status ws_conn_queue_pong(ws_conn *conn, const void *data, size_t len);

/**
 * Queues a close frame behind what was queued before, and begins the close handshake (RFC 6455, 7.1.2). Nothing more
 * can be queued; the engine still answers pings. Messages may still arrive; #WS_EVENT_CLOSE follows when the peer
 * has answered, or `close_timeout` is over.
 *
 * @param conn    an open connection
 * @param code    1000 to 1003, 1007 to 1014 (1010: clients only) or 3000 to 4999 (RFC 6455, 7.4); 0 sends no code
 * @param reason  UTF-8; NULL if len is 0
 * @param len     0 to 123; 0 if there is no code
 * @return #WS_OK; #WS_ERR_STATE before the opening and from the first close frame on; #WS_ERR_INVALID_UTF8;
 *         #WS_ERR_RANDOM; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_queue_close(ws_conn *conn, uint16_t code, const void *reason, size_t len);

/**
 * Lends the output that waits, oldest first, for writev(). Nothing is taken: call ws_conn_output_consume() with what
 * was written. The slices stay valid until they are consumed or the connection is freed, whatever is queued
 * meanwhile.
 *
 * @param conn    a connection
 * @param slices  receives up to max slices; must not be written through
 * @param max     room for slices, 1 and up
 * @return the number of slices, 0 if there is nothing to write; #WS_ERR_INVALID_ARGUMENT or #WS_ERR_INTERNAL, which
 *         are negative
 */
int ws_conn_output(ws_conn *conn, struct iovec *slices, int max);

/**
 * Takes output that was written. When the queue falls to the low-water mark after it was above the high one, a pull
 * brings #WS_EVENT_WRITABLE: see ws_conn_has_events().
 *
 * @param conn   a connection
 * @param bytes  any count up to what ws_conn_output() lent
 * @return #WS_OK; #WS_ERR_INVALID_ARGUMENT if fewer bytes wait; #WS_ERR_STATE before ws_conn_end_frame(); with an
 *         error nothing was taken
 */
ws_status ws_conn_output_consume(ws_conn *conn, size_t bytes);

/**
 * Copies output and takes it, for hosts that do not write slices, such as SSL_write().
 *
 * @param conn      a connection
 * @param buffer    receives the bytes
 * @param capacity  room for bytes, 1 and up
 * @param written   receives the number of bytes; 0 if the call does not return #WS_OK
 * @return #WS_OK if there were any; #WS_AGAIN if there is nothing to write; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_output_read(ws_conn *conn, void *buffer, size_t capacity, size_t *written);

/**
 * The output that waits to be taken, also what waits for ws_conn_end_frame().
 *
 * @param conn  a connection
 * @return bytes; 0 if conn is NULL
 */
size_t ws_conn_queued_bytes(const ws_conn *conn);

/**
 * Whether the output went above the high-water mark, or a message was refused with #WS_ERR_QUEUE_FULL while output
 * waited, and it has not fallen to the low-water mark since. Then it is time to stop producing until
 * #WS_EVENT_WRITABLE.
 *
 * @param conn  a connection
 * @return 1 or 0; 0 if conn is NULL
 */
int ws_conn_above_high_water(const ws_conn *conn);

/* ---- Messages for many connections ----------------------------------------------------------------------------------- */

/**
 * A message that is encoded once, and compressed once, for a broadcast. Immutable and counted by reference: it may
 * be used by any thread, and by connections of any engine.
 */
typedef struct ws_prepared ws_prepared;

/**
 * Prepares a message. The bytes are copied. Any thread.
 *
 * @param type      a ::ws_message_type
 * @param data      the payload; NULL if len is 0
 * @param len       its length in bytes
 * @param prepared  receives a message to be freed with ws_prepared_free(); NULL if the call fails
 * @return #WS_OK; #WS_ERR_INVALID_UTF8; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_prepared_new(int type, const void *data, size_t len, ws_prepared **prepared);

/**
 * Takes one more reference, to be freed like the first. Any thread.
 *
 * @param prepared  a message, or NULL
 * @return the same pointer
 */
ws_prepared *ws_prepared_retain(ws_prepared *prepared);

/**
 * Frees one reference; the message goes with the last one. Connections that queued it keep what they need; an engine
 * may keep the message it queued last until it queues another one, or ws_engine_advance() a second later. Any thread.
 *
 * @param prepared  a message, or NULL
 */
void ws_prepared_free(ws_prepared *prepared);

/**
 * Queues a prepared message. A server's connections share its bytes; a client's copy and mask them. Where
 * permessage-deflate was agreed on and the message reaches `compression_threshold`, the compressed form is sent,
 * which is made once for each window size, with the settings of the engine that needs it first.
 *
 * @param conn      an open connection
 * @param prepared  a message
 * @return as ws_conn_queue_binary()
 */
ws_status ws_conn_queue_prepared(ws_conn *conn, const ws_prepared *prepared);

/* ---- Many connections at once ---------------------------------------------------------------------------------------- */

/**
 * One of many connections that a message goes to. ws_conns_queue_prepared() says in it what is to be written,
 * ws_conns_output_consume() is told in it what was.
 */
typedef struct ws_recipient {
    /**
     * The host sets it: a connection, of any engine of this thread.
     */
    ws_conn *conn;
    /**
     * What ws_conn_output() would lend, if that is one slice, and for as long. Else its length is 0.
     */
    struct iovec slice;
    /**
     * Bytes that the host has written of the output. ws_conns_queue_prepared() sets it to 0, then the host sets it.
     */
    size_t written;
    /**
     * What the call came to for this connection.
     */
    ws_status status;
    /**
     * Set by ws_conns_queue_prepared(): 1 if more waits to be written than a slice: ws_conn_output() lends it. Else 0.
     */
    uint8_t more;
    /**
     * Set by ws_conns_output_consume(): 1 if a pull brings #WS_EVENT_WRITABLE. Else 0.
     */
    uint8_t writable;
    /**
     * For later versions; 0 after either call.
     */
    uint8_t reserved[2];
} ws_recipient;

/**
 * Does what ws_conn_queue_prepared() does for each of many connections, and what ws_conn_output() does: says what
 * there is to write now. It takes much less time than as many calls. A connection that is refused does not stop the
 * others, and what waited on it before is lent.
 *
 * Some hundred connections at a time are best, each time followed by their writes and ws_conns_output_consume(): then
 * they are still in the processor's caches. A connection may be given twice: the message is queued twice, and the
 * last one of its recipients says what there is to write.
 *
 * @param recipients  their `conn` is set; receives all else but `writable`
 * @param count       number of recipients
 * @param prepared    a message
 * @return #WS_OK if every status is; else one of those that are not, which are those of ws_conn_queue_prepared().
 *         #WS_ERR_INVALID_ARGUMENT if recipients is NULL and count is not 0
 */
ws_status ws_conns_queue_prepared(ws_recipient *recipients, size_t count, const ws_prepared *prepared);

/**
 * Does what ws_conn_output_consume() does for each of many connections, with the bytes that were `written`. One that
 * is refused does not stop the others.
 *
 * @param recipients  as ws_conns_queue_prepared() left them, but for what was `written`, which may be 0; or with `conn`
 *                    and `written` set. Receives `status` and `writable`
 * @param count       number of recipients
 * @return #WS_OK if every status is; else one of those that are not, which are those of ws_conn_output_consume().
 *         #WS_ERR_INVALID_ARGUMENT if recipients is NULL and count is not 0
 */
ws_status ws_conns_output_consume(ws_recipient *recipients, size_t count);

/* ---- Token streams --------------------------------------------------------------------------------------------------- */

/**
 * What a language model says, token by token, as whole JSON text messages that are numbered without a gap:
 *
 * @code
 * {"type":"stream","requestId":"r-1","seq":1,"content":"Hel","done":false}
 * {"type":"stream","requestId":"r-1","seq":2,"content":"lo","done":true,"finish_reason":"stop"}
 * @endcode
 *
 * The first text leaves at once. What comes within `stream_merge_time` after a message is merged into the next one; as
 * soon as its text reaches `stream_piece_size` it is due, too. While nobody takes messages, merging goes on.
 *
 * A stream belongs to an engine, whose time it knows, and to no connection: ws_stream_next() lends its messages to be
 * sent, or kept, anywhere; ws_stream_send() queues them on a connection. One answer, one stream, one connection:
 *
 * @code
 * ws_stream_new(engine, id, id_len, &stream);   // a question has come
 *
 * ws_stream_write(stream, token, token_len);    // the model has said something
 * ws_stream_send(stream, conn);
 * if (!ws_stream_wants_more(stream)) pause(model);
 *
 * while ((stream = ws_engine_next_due_stream(engine)) != NULL) // after ws_engine_advance()
 *     ws_stream_send(stream, conn_of(stream));
 *
 * ws_stream_send(stream, conn);                 // at WS_EVENT_WRITABLE
 * if (ws_stream_wants_more(stream)) resume(model);
 *
 * ws_stream_finish(stream, NULL, 0, NULL);      // the model is done: also ws_stream_fail(), ws_stream_cancel()
 * ws_stream_send(stream, conn);
 * if (ws_stream_is_finished(stream)) ws_stream_free(stream);
 * @endcode
 *
 * Used by one thread at a time, the one that uses its engine.
 */
typedef struct ws_stream ws_stream;

/**
 * What an answer has cost, as its model counts. Set `struct_size`, then the rest.
 */
typedef struct ws_stream_usage {
    /**
     * `sizeof(ws_stream_usage)`: see the conventions.
     */
    size_t struct_size;
    /**
     * Tokens of the question.
     */
    uint64_t prompt_tokens;
    /**
     * Tokens of the answer.
     */
    uint64_t completion_tokens;
    /**
     * Both.
     */
    uint64_t total_tokens;
} ws_stream_usage;

/**
 * A message of a stream, filled by ws_stream_next().
 */
typedef struct ws_stream_message {
    /**
     * `sizeof(ws_stream_message)`, set before the call: see the conventions.
     */
    size_t struct_size;
    /**
     * A JSON object in UTF-8, the payload of a text message; not NUL-terminated. It lives until the next call on the
     * stream that is not one of those that ask.
     */
    const char *data;
    /**
     * Its length in bytes.
     */
    size_t len;
    /**
     * Its number.
     */
    uint64_t seq;
    /**
     * 1 if it is the last one. Else 0.
     */
    int done;
} ws_stream_message;

/**
 * Makes a stream.
 *
 * @param engine      the engine of this thread's event loop
 * @param request_id  the `requestId` of its messages, UTF-8, which is copied; NULL with a len of 0: they have none
 * @param len         its length in bytes
 * @param stream      receives a stream to be freed with ws_stream_free(); NULL if the call fails
 * @return #WS_OK; #WS_ERR_INVALID_UTF8; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_stream_new(ws_engine *engine, const char *request_id, size_t len, ws_stream **stream);

/**
 * Frees a stream, whatever its state, with the messages that nobody has taken.
 *
 * @param stream  a stream, or NULL
 */
void ws_stream_free(ws_stream *stream);

/**
 * Chooses the number of the first message, for an answer that goes on where another stream of it stopped.
 *
 * @param stream  a stream that has made no message yet
 * @param seq     1 to 2^53-1; default 1
 * @return #WS_OK; #WS_ERR_STATE; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_stream_set_first_seq(ws_stream *stream, uint64_t seq);

/**
 * Takes the next bytes of the text. They may end in the middle of a character, which leaves when the rest of it has
 * come; what cannot become a character turns into U+FFFD. The two halves of a UTF-16 pair that were encoded as three
 * bytes each (CESU-8) become their character. Take messages afterwards: one may be due.
 *
 * @param stream  a stream that has not ended
 * @param data    any bytes; NULL if len is 0
 * @param len     their number
 * @return #WS_OK; #WS_ERR_STATE after the end; #WS_ERR_QUEUE_FULL if more than `max_queued_bytes` would wait in the
 *         stream, see ws_stream_wants_more(); #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_stream_write(ws_stream *stream, const void *data, size_t len);

/**
 * Ends the text: what is held back of a character becomes U+FFFD, and what is in no message yet leaves with the last
 * one: `"done":true,"finish_reason":"stop","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}`.
 *
 * @param stream  a stream that has not ended
 * @param reason  why the answer ended, UTF-8: "stop", "length"; NULL with a len of 0 is "stop"
 * @param len     its length in bytes
 * @param usage   what it has cost; NULL if that is not known
 * @return #WS_OK; #WS_ERR_STATE after the end; #WS_ERR_INVALID_UTF8; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_stream_finish(ws_stream *stream,
                           const char *reason,
                           size_t len,
                           const ws_stream_usage *usage);

/**
 * Ends the text with an error. What was written leaves first, without a character that is not complete, then
 * `{"type":"error","requestId":"r-1","seq":3,"code":"...","message":"...","retryable":true}`, then the last message, with the
 * `finish_reason` "error".
 *
 * @param stream       a stream that has not ended
 * @param code         what failed, for programs, UTF-8: "upstream_timeout"; NULL if code_len is 0
 * @param code_len     its length in bytes
 * @param message      what failed, for people, UTF-8; NULL if message_len is 0
 * @param message_len  its length in bytes
 * @param retryable    1 if the same question may be answered later, else 0
 * @return as ws_stream_finish()
 */
ws_status ws_stream_fail(ws_stream *stream,
                         const char *code,
                         size_t code_len,
                         const char *message,
                         size_t message_len,
                         int retryable);

/**
 * Ends the text in the middle, since nobody wants the rest: what was written leaves with the last message, whose
 * `finish_reason` is "cancelled". A character that is not complete is dropped.
 *
 * @param stream  a stream that has not ended
 * @return #WS_OK; #WS_ERR_STATE after the end; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_stream_cancel(ws_stream *stream);

/**
 * Takes the next message that is due, to be sent or kept by the host.
 *
 * @param stream   a stream
 * @param message  receives the message; its `struct_size` must be set. Not written unless the call returns #WS_OK
 * @return #WS_OK; #WS_AGAIN if none is due; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_stream_next(ws_stream *stream, ws_stream_message *message);

/**
 * Queues all messages that are due on a connection, each as a text message, while its output is not above the
 * high-water mark. What is left stays in the stream, in order. Write the connection's output afterwards.
 *
 * @param stream  a stream
 * @param conn    an open connection of any engine of this thread; another one than last time is fine
 * @return #WS_OK if all went; #WS_AGAIN if the output is above the high-water mark: call this again at
 *         #WS_EVENT_WRITABLE; otherwise as ws_conn_queue_text(): what the connection refused, and what is behind it,
 *         stays in the stream
 */
ws_status ws_stream_send(ws_stream *stream, ws_conn *conn);

/**
 * Whether to go on writing; if not, pause the model. 0 while more bytes wait in the stream than the high-water mark of
 * ws_config_set_stream_water_marks(), until they are no more than the low one; after ws_stream_send() left the
 * connection above its own high-water mark, until it is called again and finds the connection below, or the host calls
 * ws_stream_next() instead; and after the end.
 *
 * @param stream  a stream
 * @return 1 or 0; 0 if stream is NULL or poisoned
 */
int ws_stream_wants_more(const ws_stream *stream);

/**
 * What waits in the stream: messages, text that is in no message yet, and the beginning of a character.
 *
 * @param stream  a stream
 * @return bytes; 0 if stream is NULL or poisoned
 */
size_t ws_stream_pending_bytes(const ws_stream *stream);

/**
 * The number of the next message that is taken.
 *
 * @param stream  a stream
 * @return its `seq`; 0 if stream is NULL or poisoned
 */
uint64_t ws_stream_next_seq(const ws_stream *stream);

/**
 * Whether the last message was taken, by ws_stream_next() or ws_stream_send().
 *
 * @param stream  a stream
 * @return 1 or 0; 1 if stream is NULL or poisoned: nothing will come of it
 */
int ws_stream_is_finished(const ws_stream *stream);

/**
 * A stream of which time has made a message due: take its messages, or have them sent. Each is handed out once, at a
 * cost that does not depend on how many streams there are. ws_engine_next_deadline() says when, and
 * ws_engine_advance() makes it so. A stream that was freed is not handed out.
 *
 * @param engine  an engine
 * @return a stream; NULL if there is none (more), or engine is NULL
 */
ws_stream *ws_engine_next_due_stream(ws_engine *engine);

/**
 * Keeps a pointer of the host's with the stream, such as what it needs to find the connection of a stream that
 * ws_engine_next_due_stream() gives. The engine never looks at what it points to.
 *
 * @param stream     a stream; NULL and a poisoned one are ignored
 * @param user_data  any pointer
 */
void ws_stream_set_user_data(ws_stream *stream, void *user_data);

/**
 * The pointer that ws_stream_set_user_data() kept; also of a poisoned stream.
 *
 * @param stream  a stream
 * @return the pointer; NULL if none was set or stream is NULL
 */
void *ws_stream_user_data(const ws_stream *stream);

/* ---- State, and what to do with the socket --------------------------------------------------------------------------- */

/**
 * The state of a connection (RFC 6455, 4.1 and 7.1).
 */
typedef enum ws_state {
    /**
     * The handshake is under way.
     */
    WS_STATE_CONNECTING = 0,
    /**
     * Messages may be sent and received.
     */
    WS_STATE_OPEN = 1,
    /**
     * We sent a close frame and wait for the peer's. No more messages may be sent; some may still arrive.
     */
    WS_STATE_CLOSING = 2,
    /**
     * Over. #WS_EVENT_CLOSE was pulled or waits to be; output may wait to be taken.
     */
    WS_STATE_CLOSED = 3,
} ws_state;

/**
 * Where the connection stands.
 *
 * @param conn  a connection
 * @return its state; #WS_STATE_CLOSED if conn is NULL or poisoned
 */
ws_state ws_conn_state(const ws_conn *conn);

/**
 * Whether to pull although no more input was given: after output was taken (#WS_EVENT_WRITABLE), a request was
 * decided, the connection was made by ws_conn_new_server_from_request(), or time has passed. Now and then the pull
 * finds nothing.
 *
 * @param conn  a connection
 * @return 1 or 0; 0 if conn is NULL or poisoned
 */
int ws_conn_has_events(const ws_conn *conn);

/**
 * Whether the connection is over and all its output was taken: shut down the sending side of the socket, read on
 * until its end, so that the peer gets what was sent, then close it (RFC 6455, 7.1.1): ws_conn_wants_abort() says
 * when, and no later than `close_timeout` after the end of the connection if the engine is told the time. A client
 * leaves it to the server to close first. Ask after each pull and after output was taken.
 *
 * @param conn  a connection
 * @return 1 or 0; 0 if conn is NULL or poisoned
 */
int ws_conn_wants_shutdown(const ws_conn *conn);

/**
 * Whether to close the socket at once: the peer is gone, or everything was said on both sides. Ask after each pull
 * and after output was taken.
 *
 * @param conn  a connection
 * @return 1 or 0; 1 if conn is NULL or poisoned
 */
int ws_conn_wants_abort(const ws_conn *conn);

/* ---- Time ------------------------------------------------------------------------------------------------------------ */

/**
 * Tells the engine the time. It has no clock of its own: without this call no deadline counts.
 *
 * The host has one timer for all connections of an engine, and its loop turns like this:
 *
 * @code
 * uint64_t next = ws_engine_next_deadline(engine);
 * // wait for the sockets; until `next` at the longest, unless it is UINT64_MAX
 * ws_engine_advance(engine, now_ms());
 *
 * // read from the sockets that are readable, as in the server's loop above; then:
 * ws_conn *conn;
 * while ((conn = ws_engine_next_due(engine)) != NULL) {
 *     while (ws_conn_next_event(conn, &ev) == WS_OK) handle(conn, &ev);
 *     write_output(conn); // ws_conn_output(), ws_conn_output_consume(): there may be a ping or a close frame
 *     if (ws_conn_wants_shutdown(conn)) shutdown(fd_of(conn), SHUT_WR);
 *     if (ws_conn_wants_abort(conn)) { close(fd_of(conn)); ws_conn_free(conn); }
 * }
 * @endcode
 *
 * Sockets come before ws_engine_next_due(), so that what has arrived counts before its absence does.
 *
 * @param engine  an engine
 * @param now_ms  milliseconds of any clock that does not go back, such as `CLOCK_MONOTONIC`; it may start anywhere.
 *                The first call sets the zero point: connections that were made before it count from it. A time
 *                before the last one is ignored; a step of more than twelve days counts as twelve.
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_engine_advance(ws_engine *engine, uint64_t now_ms);

/**
 * When to call ws_engine_advance() next at the latest: not after the next deadline, and now and then before a
 * distant one. Connections that are made, and what is done on them, may bring it forward: ask before each wait.
 *
 * @param engine  an engine
 * @return a time of the host's clock; that of the last ws_engine_advance() while there are connections to be had
 *         from ws_engine_next_due(), or streams from ws_engine_next_due_stream(); `UINT64_MAX` if there is nothing to wait for, the time was never told, or
 *         engine is NULL
 */
uint64_t ws_engine_next_deadline(const ws_engine *engine);

/**
 * A connection to which time may have brought something: an event (#WS_EVENT_CLOSE), output (a ping, a close frame,
 * an HTTP error), or that ws_conn_wants_abort(). Each is handed out once, at a cost that does not depend on how many
 * connections there are. Pull its events until #WS_AGAIN, take its output, then ask about its socket: what is due
 * happens in that pull, and its deadlines count on from there. Now and then there is nothing. A connection that was
 * freed is not handed out.
 *
 * @param engine  an engine
 * @return a connection; NULL if there is none (more), or engine is NULL
 */
ws_conn *ws_engine_next_due(ws_engine *engine);

/**
 * Says that the host stops reading from the connection's socket, or goes on: back-pressure. A peer that is not read
 * from cannot show that it is alive: while reading is paused the pong and idle timeouts do not count, and from its
 * resumption on they count anew. The other deadlines go on.
 *
 * While reading is paused and ws_conn_above_high_water(), messages in the input are held back: a pull brings only the
 * opening and what time has done. They follow when the output has fallen, see ws_conn_has_events(); until then no
 * input can be given.
 *
 * @param conn     a connection, which is read from unless this call says otherwise
 * @param enabled  0 or 1
 * @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_conn_set_reading(ws_conn *conn, int enabled);

/* ---- WebSocket on a plain HTTP port ---------------------------------------------------------------------------------- */

/**
 * What the bytes at the start of a connection, or behind an earlier request on it, are.
 */
typedef enum ws_sniff_result {
    /**
     * Too few bytes to tell: keep them, and ask again when there are more.
     */
    WS_SNIFF_NEED_MORE = 0,
    /**
     * A request that is not for WebSocket, or no HTTP at all: leave it to the HTTP server.
     */
    WS_SNIFF_HTTP = 1,
    /**
     * A `GET` that asks for WebSocket, right or wrong in its details: feed all bytes, the head included, to a new
     * connection of ws_conn_new_server().
     */
    WS_SNIFF_UPGRADE = 2,
} ws_sniff_result;

/**
 * Tells a WebSocket request from other HTTP on the same port. Stateless; consumes nothing; linear however slowly the
 * bytes arrive, if head_len is passed back.
 *
 * @param data      what has arrived from the start of a request on; NULL if len is 0
 * @param len       its length in bytes
 * @param max_head  a longer head is left to HTTP; give `max_head_size` of the engine, 8,192 by default
 * @param head_len  in: 0 for a new buffer, and what the last call left here for the same buffer with more bytes
 *                  behind. Out, #WS_SNIFF_UPGRADE: bytes of the head. #WS_SNIFF_HTTP: bytes of the head of a `GET`
 *                  or `HEAD` without a body, behind which the next request may be sniffed (with 0 again); or 0:
 *                  leave this connection to HTTP for good, since its bytes may be a body, and a body must never be
 *                  taken for a request. May be NULL
 * @return a ::ws_sniff_result; #WS_SNIFF_HTTP for invalid arguments
 */
ws_sniff_result ws_sniff(const void *data, size_t len, size_t max_head, size_t *head_len);

/* ---- Metrics --------------------------------------------------------------------------------------------------------- */

/**
 * What an engine has counted so far. A copy: it may cross threads, be added to others and be kept. Numbers only
 * grow, except those that say "now". Arrays have room for later versions, and zeros there.
 */
typedef struct ws_metrics {
    /**
     * `sizeof(ws_metrics)`, set before the call: see the conventions.
     */
    size_t struct_size;
    /**
     * Connections that are open now: the handshake is complete, the end has not come.
     */
    uint64_t connections_open;
    /**
     * Handshakes that were completed: as server, as client.
     */
    uint64_t connections_opened[2];
    /**
     * Connections that were freed while they were open.
     */
    uint64_t connections_dropped;
    /**
     * Requests that a server refused, by reason; the name of each: ws_metrics_refusal_name().
     */
    uint64_t handshakes_refused[64];
    /**
     * Other handshakes that came to nothing. 0: the server answered a client with another status than 101. 1: its
     * answer breaks a rule. 2, of both roles: the stream ended first.
     */
    uint64_t handshakes_failed[8];
    /**
     * Bytes that came from peers, heads and headers included.
     */
    uint64_t wire_bytes_in;
    /**
     * Bytes that were taken to be written.
     */
    uint64_t wire_bytes_out;
    /**
     * Frames that came, by opcode (RFC 6455, 5.2): 9 are pings, 10 pongs.
     */
    uint64_t frames_in[16];
    /**
     * Frames that were queued, by opcode.
     */
    uint64_t frames_out[16];
    /**
     * Messages that came: text, binary.
     */
    uint64_t messages_in[2];
    /**
     * Messages that were queued: text, binary.
     */
    uint64_t messages_out[2];
    /**
     * Bytes of payload of those that came, inflated: text, binary.
     */
    uint64_t message_bytes_in[2];
    /**
     * Bytes of payload of those that were queued, before compression: text, binary.
     */
    uint64_t message_bytes_out[2];
    /**
     * Messages that came, by size: up to 16 bytes, 64, 256 and so on up to 256 MiB in the 13th; the 14th has the
     * rest.
     */
    uint64_t message_sizes_in[24];
    /**
     * Messages that were queued, by size.
     */
    uint64_t message_sizes_out[24];
    /**
     * Messages that came compressed.
     */
    uint64_t compressed_messages_in;
    /**
     * Messages that were queued compressed.
     */
    uint64_t compressed_messages_out;
    /**
     * Payload of the compressed messages that came, in bytes, as it came.
     */
    uint64_t compressed_wire_bytes_in;
    /**
     * The same, inflated.
     */
    uint64_t compressed_plain_bytes_in;
    /**
     * Payload of the messages that were queued compressed, in bytes, as it was queued.
     */
    uint64_t compressed_wire_bytes_out;
    /**
     * The same, before compression.
     */
    uint64_t compressed_plain_bytes_out;
    /**
     * Round trips of the engine's own pings, by milliseconds: up to 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000,
     * 5000, 10000, 30000; the 15th has the rest.
     */
    uint64_t rtts[24];
    /**
     * The sum of these round trips, in milliseconds.
     */
    uint64_t rtt_sum_ms;
    /**
     * Messages that were refused with #WS_ERR_QUEUE_FULL.
     */
    uint64_t queue_full;
    /**
     * The longest queue that any connection ever had, in bytes.
     */
    uint64_t queue_high_water;
    /**
     * Output that waits now, of all connections together, in bytes.
     */
    uint64_t queued_bytes;
    /**
     * Input that is kept now until more comes or a decision is made, heads of handshakes too, of all connections
     * together, in bytes.
     */
    uint64_t held_input_bytes;
    /**
     * Token streams that are there now.
     */
    uint64_t streams_open;
    /**
     * Messages that token streams made.
     */
    uint64_t stream_messages;
    /**
     * Bytes of text in them, before JSON escapes any.
     */
    uint64_t stream_text_bytes;
    /**
     * Ends of connections that were open, by code: 1000 to 1015, then 3000 to 3999, 4000 to 4999, and others. 1006
     * are lost ones, 1005 those whose close frame had no code.
     */
    uint64_t closes[24];
    /**
     * The same by who began, a ::ws_close_initiator.
     */
    uint64_t closes_by[4];
    /**
     * Those of them in which both sides sent a close frame.
     */
    uint64_t closes_clean;
    /**
     * Rules that peers broke, limits included; the name of each: ws_metrics_violation_name().
     */
    uint64_t violations[64];
    /**
     * Deadlines that passed. 0: the server's answer to a client's request. 1: heartbeat, no sign of life after a
     * ping. 2: idle. 3: maximum lifetime. 4: close. 5: write stall. Requests that were late are among those refused.
     */
    uint64_t expiries[8];
} ws_metrics;

/**
 * Copies what an engine has counted so far. Call it on the engine's thread; the copy may go to another.
 *
 * @param engine   an engine
 * @param metrics  receives the numbers; its struct_size must be set
 * @return #WS_OK; #WS_ERR_INVALID_ARGUMENT for NULL, or a struct_size that is too small
 */
ws_status ws_metrics_get(ws_engine *engine, ws_metrics *metrics);

/**
 * Writes the sum of what several engines counted as Prometheus's text format (text/plain; version=0.0.4): names
 * begin with `wsengine_`, units are bytes and seconds. Stateless: take a copy on each engine's thread, send the
 * copies to the thread that answers `/metrics`, and render them there; no count is read while it changes. Of the
 * high-water marks the highest counts, everything else is added.
 *
 * @param list      pointers to count copies of ws_metrics_get(); NULL if count is 0
 * @param count     their number; with 0, everything is zero
 * @param buffer    receives the text, NUL-terminated; may be NULL if capacity is 0
 * @param capacity  room for bytes, the NUL included; 32 KiB are enough as a rule
 * @param len       receives the length of the text without the NUL, also when it did not fit
 * @return #WS_OK; #WS_ERR_BUFFER_TOO_SMALL if capacity is not above *len, and then buffer has the empty text;
 *         #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_metrics_render(const ws_metrics *const *list,
                            size_t count,
                            char *buffer,
                            size_t capacity,
                            size_t *len);

/**
 * The reason that a place in ws_metrics::handshakes_refused counts, as the label `reason` has it.
 *
 * @param index  from 0 on
 * @param name   receives a static text such as "origin_forbidden"
 * @param len    receives its length in bytes
 * @return #WS_OK; #WS_ERR_NOT_FOUND behind the last; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_metrics_refusal_name(size_t index, const char **name, size_t *len);

/**
 * The rule that a place in ws_metrics::violations counts, as the label `rule` has it.
 *
 * @param index  from 0 on
 * @param name   receives a static text such as "frame_too_big"
 * @param len    receives its length in bytes
 * @return #WS_OK; #WS_ERR_NOT_FOUND behind the last; #WS_ERR_INVALID_ARGUMENT
 */
ws_status ws_metrics_violation_name(size_t index, const char **name, size_t *len);

/* ---- Debugging ------------------------------------------------------------------------------------------------------- */

/**
 * Room for any line that ws_frame_describe() writes.
 */
#define WS_DESCRIBE_SIZE 1024

/**
 * A frame header as ws_frame_describe() reads it, so that a dump can be followed.
 */
typedef struct ws_frame_header {
    /**
     * `sizeof(ws_frame_header)`, set before the call: see the conventions.
     */
    size_t struct_size;
    /**
     * Bytes of payload; 0 if the length is not complete. With a broken rule it may be any 64-bit number.
     */
    uint64_t payload_len;
    /**
     * Bytes of the header; 0 if it is not complete.
     */
    uint8_t header_len;
    /**
     * The opcode, 0 to 15 (RFC 6455, 5.2).
     */
    uint8_t opcode;
    /**
     * 1 for the last frame of its message, else 0.
     */
    uint8_t fin;
    /**
     * The reserved bits: 4 is RSV1, 2 RSV2, 1 RSV3.
     */
    uint8_t reserved_bits;
    /**
     * 1 if the payload is masked, else 0.
     */
    uint8_t masked;
    /**
     * 1 if the header breaks a rule, whoever sent it, else 0.
     */
    uint8_t invalid;
    /**
     * The key, if the payload is masked and the key is complete; else 0.
     */
    uint8_t mask[4];
    /**
     * For later versions; 0.
     */
    uint8_t reserved[6];
} ws_frame_header;

/**
 * Describes the frame header at the start of some bytes in one line, for debugging: `FIN TEXT len=5 masked
 * key=37fa213d header=6`. Whatever can be read is there, then how many bytes are missing, then which rules are
 * broken. Rules that depend on who sent the frame, on its place among others or on a limit are not looked at.
 * Stateless.
 *
 * @param data      the bytes from the start of a frame on; the first 14 are enough. NULL if len is 0
 * @param len       their number
 * @param buffer    receives the line, NUL-terminated; may be NULL if capacity is 0
 * @param capacity  room for bytes; #WS_DESCRIBE_SIZE is always enough. With less the line is cut; 0 for no line
 * @param header    receives what was read; may be NULL
 * @return #WS_OK if the header is complete, right or wrong; #WS_AGAIN if it needs more bytes;
 *         #WS_ERR_INVALID_ARGUMENT for NULL or a struct_size that is too small, and then nothing was written
 */
ws_status ws_frame_describe(const void *data,
                            size_t len,
                            char *buffer,
                            size_t capacity,
                            ws_frame_header *header);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* WS_ENGINE_H */
