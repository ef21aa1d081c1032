//! Requests (server): looking at them, and deciding on them with manual accept

use std::ffi::{c_char, c_int, c_void};

use crate::capi::connection::{ws_conn, ws_header};
use crate::capi::guard::{ask, bytes, headers, lend, lend_header, optional_text, text, with};
use crate::capi::status::ws_status;
use crate::error::Error;

/// The method of the request that a server got. It and all that follows about the request is there as soon as the
/// head was read, which #WS_EVENT_REQUEST (manual accept), #WS_EVENT_OPEN or the #WS_EVENT_CLOSE of a handshake that
/// failed shows, until the pull behind #WS_EVENT_OPEN or #WS_EVENT_CLOSE. Nothing is parsed again for a look.
///
/// @param conn   a server's connection
/// @param value  receives a pointer to the method, which is not NUL-terminated and lives as long as it is there
/// @param len    receives its length in bytes
/// @return #WS_OK; #WS_ERR_STATE if there is no request; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_request_method(
    conn: *const ws_conn,
    value: *mut *const c_char,
    len: *mut usize,
) -> ws_status {
    with(conn.cast_mut(), |conn| lend(conn.conn.request_method().ok_or(NO_REQUEST)?.as_bytes(), value, len))
}

/// The target of the request as it was sent: path and query, or an absolute URI.
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
    with(conn.cast_mut(), |conn| lend(conn.conn.request_target().ok_or(NO_REQUEST)?.as_bytes(), value, len))
}

/// The path of the request, without the query and still percent-encoded; "/" for an absolute URI without a path.
///
/// @param conn   a server's connection
/// @param value  receives a pointer to the path, which is not NUL-terminated and lives as long as it is there
/// @param len    receives its length in bytes
/// @return #WS_OK; #WS_ERR_NOT_FOUND if the request was refused before its target was looked at; #WS_ERR_STATE if
///         there is no request; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_request_path(
    conn: *const ws_conn,
    value: *mut *const c_char,
    len: *mut usize,
) -> ws_status {
    with(conn.cast_mut(), |conn| match conn.conn.request_path() {
        Some(path) => lend(path.as_bytes(), value, len),
        None => not_found(conn),
    })
}

/// The query of the request: what stands behind the question mark of its target, still percent-encoded.
///
/// @param conn   a server's connection
/// @param value  receives a pointer to the query, which is not NUL-terminated and lives as long as it is there
/// @param len    receives its length in bytes; 0 for a question mark with nothing behind it
/// @return #WS_OK; #WS_ERR_NOT_FOUND if there is no question mark; #WS_ERR_STATE if there is no request;
///         #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_request_query(
    conn: *const ws_conn,
    value: *mut *const c_char,
    len: *mut usize,
) -> ws_status {
    with(conn.cast_mut(), |conn| match conn.conn.request_query() {
        Some(query) => lend(query.as_bytes(), value, len),
        None => not_found(conn),
    })
}

/// A header of the request by its name.
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
        None => not_found(conn),
    })
}

/// How many headers the request has, repeated ones counted each time.
///
/// @param conn  a server's connection
/// @return their number; 0 if there is no request or conn is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_request_header_count(conn: *const ws_conn) -> usize {
    ask(conn.cast_mut(), 0, 0, |conn| conn.conn.request_head().map_or(0, |head| head.fields.len()))
}

/// A header of the request by its place.
///
/// @param conn       a server's connection
/// @param index      0 for the first header of the request, up to ws_conn_request_header_count() - 1 for the last
/// @param name       receives a pointer to the name as it was sent; not NUL-terminated
/// @param name_len   receives its length in bytes
/// @param value      receives a pointer to the value without the white space around it; not NUL-terminated, any bytes
/// @param value_len  receives its length in bytes
/// @return #WS_OK; #WS_ERR_NOT_FOUND; #WS_ERR_STATE if there is no request; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_request_header_at(
    conn: *const ws_conn,
    index: usize,
    name: *mut *const c_char,
    name_len: *mut usize,
    value: *mut *const c_char,
    value_len: *mut usize,
) -> ws_status {
    with(conn.cast_mut(), |conn| match conn.conn.request_head().ok_or(NO_REQUEST)?.field(index) {
        Some(field) => lend_header(field, (name, name_len), (value, value_len)),
        None => Ok(ws_status::WS_ERR_NOT_FOUND),
    })
}

const NO_REQUEST: Error = Error::State("there is no request now");

/// Something that a request need not have is not there.
fn not_found(conn: &ws_conn) -> Result<ws_status, Error> {
    conn.conn.request_head().ok_or(NO_REQUEST)?;
    Ok(ws_status::WS_ERR_NOT_FOUND)
}

/// Accepts the request of #WS_EVENT_REQUEST, at once or later. Then pull: #WS_EVENT_OPEN, and messages that came
/// early, wait. While it is undecided, up to `max_held_bytes` bytes behind the head are kept; a client that sends
/// more is refused with 400, and one that waits for longer than `handshake_timeout` with 503.
///
/// @param conn          a server's connection
/// @param subprotocol   NUL-terminated; one that the client offered, "" for none, NULL to choose by the settings
/// @param headers       headers to add to the answer, such as `Set-Cookie`; those of the handshake itself are refused
/// @param header_count  their number
/// @return #WS_OK; #WS_ERR_STATE if no request waits; #WS_ERR_INVALID_ARGUMENT for a subprotocol that was not
///         offered, or a header that would break the answer, such as a value with a line feed
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
/// @param body          the body of the answer; NULL if body_len is 0. Give its `Content-Type` among the headers; its
///                      length is added
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
