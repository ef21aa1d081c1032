//! Deciding on a request (server with manual accept)

use std::ffi::{c_char, c_int, c_void};

use crate::capi::connection::{ws_conn, ws_header};
use crate::capi::guard::{bytes, headers, lend, optional_text, text, with};
use crate::capi::status::ws_status;
use crate::error::Error;

/// The target of the request: path and query as they were sent. There from #WS_EVENT_REQUEST until the decision and,
/// after ws_conn_accept() or without manual accept, while #WS_EVENT_OPEN is the newest event.
///
/// @param conn   a server's connection
/// @param value  receives a pointer to the target, which is not NUL-terminated and lives as long as it is there
/// @param len    receives its length in bytes
/// @return #WS_OK; #WS_ERR_STATE if there is no request; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_request_target(
    conn: *const ws_conn,
    value: *mut *const c_char,
    len: *mut usize,
) -> ws_status {
    with(conn.cast_mut(), |conn| match conn.conn.request_target() {
        Some(target) => lend(target.as_bytes(), value, len),
        None => Err(Error::State("there is no request now")),
    })
}

/// A header of the request, there as long as its target is.
///
/// @param conn   a server's connection
/// @param name   NUL-terminated; letter case does not count
/// @param index  0 for the first header of that name, 1 for the second, ...
/// @param value  receives a pointer to the value without the white space around it; not NUL-terminated, any bytes
/// @param len    receives its length in bytes
/// @return #WS_OK; #WS_ERR_NOT_FOUND; #WS_ERR_STATE if there is no request; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_request_header(
    conn: *const ws_conn,
    name: *const c_char,
    index: usize,
    value: *mut *const c_char,
    len: *mut usize,
) -> ws_status {
    with(conn.cast_mut(), |conn| match conn.conn.request_header(text(name)?, index) {
        Some(header) => lend(header, value, len),
        None if conn.conn.request_target().is_some() => Ok(ws_status::WS_ERR_NOT_FOUND),
        None => Err(Error::State("there is no request now")),
    })
}

/// Accepts the request of #WS_EVENT_REQUEST, at once or later. Then pull: #WS_EVENT_OPEN, and messages that came
/// early, wait. If it is still undecided at the next pull, up to `max_head_size` bytes behind the head are kept; a
/// client that sends more is refused with 400.
///
/// @param conn          a server's connection
/// @param subprotocol   NUL-terminated; one that the client offered, "" for none, NULL to choose by the settings
/// @param headers       headers to add to the answer, such as `Set-Cookie`; those of the handshake itself are refused
/// @param header_count  their number
/// @return #WS_OK; #WS_ERR_STATE if no request waits; #WS_ERR_INVALID_ARGUMENT for a subprotocol that was not offered,
///         or a header that would break the answer, such as a value with a line feed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_accept(
    conn: *mut ws_conn,
    subprotocol: *const c_char,
    headers: *const ws_header,
    header_count: usize,
) -> ws_status {
    with(conn, |conn| {
        let extra = self::headers(headers, header_count)?;
        conn.conn.accept(optional_text(subprotocol)?, &extra).map(|()| ws_status::WS_OK)
    })
}

/// Refuses the request of #WS_EVENT_REQUEST, at once or later. Then pull: #WS_EVENT_CLOSE waits.
///
/// @param conn          a server's connection
/// @param http_status   300 to 599
/// @param headers       headers to add to the answer, such as `Location` or `WWW-Authenticate`
/// @param header_count  their number
/// @param body          the body of the answer; NULL if body_len is 0. Give its `Content-Type` among the headers
/// @param body_len      its length in bytes
/// @return #WS_OK; #WS_ERR_STATE if no request waits; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_reject(
    conn: *mut ws_conn,
    http_status: c_int,
    headers: *const ws_header,
    header_count: usize,
    body: *const c_void,
    body_len: usize,
) -> ws_status {
    with(conn, |conn| {
        let status = u16::try_from(http_status).map_err(|_| Error::InvalidArgument("not an HTTP status"))?;
        let extra = self::headers(headers, header_count)?;
        conn.conn.reject(status, &extra, bytes(body, body_len)?).map(|()| ws_status::WS_OK)
    })
}
