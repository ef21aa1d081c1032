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
