//! Time

use std::ffi::c_int;

use crate::capi::connection::ws_conn;
use crate::capi::engine::ws_engine;
use crate::capi::guard::{ask, flag, with};
use crate::capi::status::ws_status;

/// Tells the engine the time. It has no clock of its own: without this call no deadline counts.
///
/// The host has one timer for all connections of an engine, and its loop turns like this:
///
/// @code
/// uint64_t next = ws_engine_next_deadline(engine);
/// // wait for the sockets; until `next` at the longest, unless it is UINT64_MAX
/// ws_engine_advance(engine, now_ms());
///
/// // read from the sockets that are readable, as in the server's loop above; then:
/// ws_conn *conn;
/// while ((conn = ws_engine_next_due(engine)) != NULL) {
///     while (ws_conn_next_event(conn, &ev) == WS_OK) handle(conn, &ev);
///     write_output(conn); // ws_conn_output(), ws_conn_output_consume(): there may be a ping or a close frame
///     if (ws_conn_wants_shutdown(conn)) shutdown(fd_of(conn), SHUT_WR);
///     if (ws_conn_wants_abort(conn)) { close(fd_of(conn)); ws_conn_free(conn); }
/// }
/// @endcode
///
/// Sockets come before ws_engine_next_due(), so that what has arrived counts before its absence does.
///
/// @param engine  an engine
/// @param now_ms  milliseconds of any clock that does not go back, such as `CLOCK_MONOTONIC`; it may start anywhere.
///                The first call sets the zero point: connections that were made before it count from it. A time
///                before the last one is ignored; a step of more than twelve days counts as twelve.
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_engine_advance(engine: *mut ws_engine, now_ms: u64) -> ws_status {
    with(engine, |engine| {
        engine.engine.advance(now_ms);
        Ok(ws_status::WS_OK)
    })
}

/// When to call ws_engine_advance() next at the latest: not after the next deadline, and now and then before a
/// distant one. Connections that are made, and what is done on them, may bring it forward: ask before each wait.
///
/// @param engine  an engine
/// @return a time of the host's clock; that of the last ws_engine_advance() while there are connections to be had
///         from ws_engine_next_due(), or streams from ws_engine_next_due_stream(); `UINT64_MAX` if there is nothing to wait for, the time was never told, or
///         engine is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_engine_next_deadline(engine: *const ws_engine) -> u64 {
    ask(engine.cast_mut(), u64::MAX, u64::MAX, |engine| engine.engine.next_deadline().unwrap_or(u64::MAX))
}

/// A connection to which time may have brought something: an event (#WS_EVENT_CLOSE), output (a ping, a close frame,
/// an HTTP error), or that ws_conn_wants_abort(). Each is handed out once, at a cost that does not depend on how many
/// connections there are. Pull its events until #WS_AGAIN, take its output, then ask about its socket: what is due
/// happens in that pull, and its deadlines count on from there. Now and then there is nothing. A connection that was
/// freed is not handed out.
///
/// @param engine  an engine
/// @return a connection; NULL if there is none (more), or engine is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_engine_next_due(engine: *mut ws_engine) -> *mut ws_conn {
    ask(engine, std::ptr::null_mut(), std::ptr::null_mut(), |engine| match engine.engine.next_due() {
        Some(token) => std::ptr::with_exposed_provenance_mut(token), // as ws_conn_new_ set it
        None => std::ptr::null_mut(),
    })
}

/// Says that the host stops reading from the connection's socket, or goes on: back-pressure. A peer that is not read
/// from cannot show that it is alive: while reading is paused the pong and idle timeouts do not count, and from its
/// resumption on they count anew. The other deadlines go on.
///
/// While reading is paused and ws_conn_above_high_water(), messages in the input are held back: a pull brings only the
/// opening and what time has done. They follow when the output has fallen, see ws_conn_has_events(); until then no
/// input can be given.
///
/// @param conn     a connection, which is read from unless this call says otherwise
/// @param enabled  0 or 1
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_set_reading(conn: *mut ws_conn, enabled: c_int) -> ws_status {
    with(conn, |conn| {
        conn.conn.set_reading(flag(enabled)?);
        Ok(ws_status::WS_OK)
    })
}
