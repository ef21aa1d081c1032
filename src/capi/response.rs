//! The answer to a handshake: what a client got, or what the host of an extended CONNECT sends

use std::ffi::{c_char, c_int};

use crate::capi::connection::ws_conn;
use crate::capi::guard::{ask, lend, lend_header, text, with};
use crate::capi::status::ws_status;
use crate::error::Error;

/// The HTTP status of the answer.
///
/// Of a client: what the server answered, 101, or a redirect, 401 or another refusal. It and its headers are there
/// while #WS_EVENT_OPEN, or the #WS_EVENT_CLOSE of a refusal, is the newest event. The content of a refusal is not
/// kept.
///
/// Of a server for an extended CONNECT, see ws_conn_new_server_from_request(): what the host sends in its HEADERS
/// frame, 200 or a refusal. It and its headers are there from the decision on, which is the making of the connection
/// unless there is manual accept, until the pull behind #WS_EVENT_OPEN or #WS_EVENT_CLOSE. What follows as content of
/// the stream is output, also that of a refusal. A server of HTTP/1.1 has all of its answer in the output, and no
/// status here.
///
/// @param conn  a connection
/// @return the status; 0 if there is none, or conn is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_response_status(conn: *const ws_conn) -> c_int {
    ask(conn.cast_mut(), 0, 0, |conn| conn.conn.response_status().map_or(0, c_int::from))
}

/// A header of that answer by its name.
///
/// @param conn   a connection
/// @param name   NUL-terminated; letter case does not count
/// @param index  0 for the first header of that name, 1 for the second, ...
/// @param value  receives a pointer to the value without the white space around it; not NUL-terminated, any bytes
/// @param len    receives its length in bytes
/// @return #WS_OK; #WS_ERR_NOT_FOUND; #WS_ERR_STATE if there is no answer; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_response_header(
    conn: *const ws_conn,
    name: *const c_char,
    index: usize,
    value: *mut *const c_char,
    len: *mut usize,
) -> ws_status {
    with(conn.cast_mut(), |conn| match conn.conn.response_header(text(name)?, index) {
        Some(header) => lend(header, value, len),
        None if conn.conn.response_status().is_some() => Ok(ws_status::WS_ERR_NOT_FOUND),
        None => Err(NO_RESPONSE),
    })
}

/// How many headers that answer has, repeated ones counted each time.
///
/// @param conn  a connection
/// @return their number; 0 if there is no answer or conn is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_response_header_count(conn: *const ws_conn) -> usize {
    ask(conn.cast_mut(), 0, 0, |conn| conn.conn.response_head().map_or(0, |head| head.fields.len()))
}

/// A header of that answer by its place.
///
/// @param conn       a connection
/// @param index      0 for the first header of the answer, up to ws_conn_response_header_count() - 1 for the last
/// @param name       receives a pointer to the name, in lower case if the host has to send it; not NUL-terminated
/// @param name_len   receives its length in bytes
/// @param value      receives a pointer to the value without the white space around it; not NUL-terminated, any bytes
/// @param value_len  receives its length in bytes
/// @return #WS_OK; #WS_ERR_NOT_FOUND; #WS_ERR_STATE if there is no answer; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_response_header_at(
    conn: *const ws_conn,
    index: usize,
    name: *mut *const c_char,
    name_len: *mut usize,
    value: *mut *const c_char,
    value_len: *mut usize,
) -> ws_status {
    with(conn.cast_mut(), |conn| match conn.conn.response_head().ok_or(NO_RESPONSE)?.field(index) {
        Some(field) => lend_header(field, (name, name_len), (value, value_len)),
        None => Ok(ws_status::WS_ERR_NOT_FOUND),
    })
}

const NO_RESPONSE: Error = Error::State("there is no answer now");
