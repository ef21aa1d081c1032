//! WebSocket on a plain HTTP port

use std::ffi::c_void;

use crate::capi::guard::{bytes, stateless};
use crate::handshake::sniff::{Sniff, sniff};

/// What the bytes at the start of a connection, or behind an earlier request on it, are.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ws_sniff_result {
    /// Too few bytes to tell: keep them, and ask again when there are more.
    WS_SNIFF_NEED_MORE = 0,
    /// A request that is not for WebSocket, or no HTTP at all: leave it to the HTTP server.
    WS_SNIFF_HTTP = 1,
    /// A `GET` that asks for WebSocket, right or wrong in its details: feed all bytes, the head included, to a new
    /// connection of ws_conn_new_server().
    WS_SNIFF_UPGRADE = 2,
}

/// Tells a WebSocket request from other HTTP on the same port. Stateless; consumes nothing; linear however slowly the
/// bytes arrive, if head_len is passed back.
///
/// @param data      what has arrived from the start of a request on; NULL if len is 0
/// @param len       its length in bytes
/// @param max_head  a longer head is left to HTTP; give `max_head_size` of the engine, 8,192 by default
/// @param head_len  in: 0 for a new buffer, and what the last call left here for the same buffer with more bytes
///                  behind. Out, #WS_SNIFF_UPGRADE: bytes of the head. #WS_SNIFF_HTTP: bytes of the head of a `GET`
///                  or `HEAD` without a body, behind which the next request may be sniffed (with 0 again); or 0:
///                  leave this connection to HTTP for good, since its bytes may be a body, and a body must never be
///                  taken for a request. May be NULL
/// @return a ::ws_sniff_result; #WS_SNIFF_HTTP for invalid arguments
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_sniff(
    data: *const c_void,
    len: usize,
    max_head: usize,
    head_len: *mut usize,
) -> ws_sniff_result {
    stateless(ws_sniff_result::WS_SNIFF_HTTP, || {
        // SAFETY: NULL, or a number that the caller owns for the time of the call.
        let head_len = unsafe { head_len.as_mut() };
        let scanned = head_len.as_deref().copied().unwrap_or(0);
        let (result, count) = match bytes(data, len).map(|data| sniff(data, scanned, max_head)) {
            Ok(Sniff::NeedMore { scanned }) => (ws_sniff_result::WS_SNIFF_NEED_MORE, scanned),
            Ok(Sniff::Upgrade { head_len }) => (ws_sniff_result::WS_SNIFF_UPGRADE, head_len),
            Ok(Sniff::Http { head_len }) => (ws_sniff_result::WS_SNIFF_HTTP, head_len.unwrap_or(0)),
            Err(_) => (ws_sniff_result::WS_SNIFF_HTTP, 0),
        };
        if let Some(place) = head_len {
            *place = count;
        }
        result
    })
}
