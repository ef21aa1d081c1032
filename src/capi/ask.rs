//! State, and what to do with the socket

use std::ffi::c_int;

use crate::capi::connection::ws_conn;
use crate::capi::guard::ask;
use crate::connection::State;

/// The state of a connection (RFC 6455, 4.1 and 7.1).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ws_state {
    /// The handshake is under way.
    WS_STATE_CONNECTING = 0,
    /// Messages may be sent and received.
    WS_STATE_OPEN = 1,
    /// We sent a close frame and wait for the peer's. No more messages may be sent; some may still arrive.
    WS_STATE_CLOSING = 2,
    /// Over. #WS_EVENT_CLOSE was pulled or waits to be; output may wait to be taken.
    WS_STATE_CLOSED = 3,
}

/// Where the connection stands.
///
/// @param conn  a connection
/// @return its state; #WS_STATE_CLOSED if conn is NULL or poisoned
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_state(conn: *const ws_conn) -> ws_state {
    ask(conn.cast_mut(), ws_state::WS_STATE_CLOSED, ws_state::WS_STATE_CLOSED, |conn| match conn.conn.state() {
        State::Connecting => ws_state::WS_STATE_CONNECTING,
        State::Open => ws_state::WS_STATE_OPEN,
        State::Closing => ws_state::WS_STATE_CLOSING,
        State::Closed => ws_state::WS_STATE_CLOSED,
    })
}

/// Whether to pull although no more input was given: after output was taken (#WS_EVENT_WRITABLE), a request was
/// decided, the connection was made by ws_conn_new_server_from_request(), or time has passed. Now and then the pull
/// finds nothing.
///
/// @param conn  a connection
/// @return 1 or 0; 0 if conn is NULL or poisoned
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_has_events(conn: *const ws_conn) -> c_int {
    ask(conn.cast_mut(), 0, 0, |conn| c_int::from(conn.conn.has_events()))
}

/// Whether the connection is over and all its output was taken: shut down the sending side of the socket, read on
/// until its end, so that the peer gets what was sent, then close it (RFC 6455, 7.1.1): ws_conn_wants_abort() says
/// when, and no later than `close_timeout` after the end of the connection if the engine is told the time. A client
/// leaves it to the server to close first. Ask after each pull and after output was taken.
///
/// @param conn  a connection
/// @return 1 or 0; 0 if conn is NULL or poisoned
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_wants_shutdown(conn: *const ws_conn) -> c_int {
    ask(conn.cast_mut(), 0, 0, |conn| c_int::from(conn.conn.wants_shutdown()))
}

/// Whether to close the socket at once: the peer is gone, or everything was said on both sides. Ask after each pull
/// and after output was taken.
///
/// @param conn  a connection
/// @return 1 or 0; 1 if conn is NULL or poisoned
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_wants_abort(conn: *const ws_conn) -> c_int {
    ask(conn.cast_mut(), 1, 1, |conn| c_int::from(conn.conn.wants_abort()))
}
