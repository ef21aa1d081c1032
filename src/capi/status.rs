//! Status codes

use std::ffi::{CStr, c_char, c_int};

use crate::error::Error;

/// What a call came to. Zero is success, positive values are not errors, negative ones are.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ws_status {
    /// Done.
    WS_OK = 0,
    /// Nothing (more) now: give input, take output, or wait.
    WS_AGAIN = 1,
    /// A NULL handle, or an argument that is out of its range or malformed. Nothing was changed.
    WS_ERR_INVALID_ARGUMENT = -1,
    /// The call is not legal in the present state of the connection or stream. Nothing was changed.
    WS_ERR_STATE = -2,
    /// Input was given before the earlier input was pulled until #WS_AGAIN. Nothing was taken.
    WS_ERR_INPUT_PENDING = -3,
    /// The message, part of one, or text of a stream was not queued: it would exceed `max_queued_bytes`, `max_connection_bytes` or
    /// `max_engine_bytes`. What was queued before is safe.
    WS_ERR_QUEUE_FULL = -4,
    /// Text to send is not UTF-8 (RFC 6455, 5.6). Nothing was queued.
    WS_ERR_INVALID_UTF8 = -5,
    /// What was asked for is not there: a header, a part of the request, a name at an index.
    WS_ERR_NOT_FOUND = -6,
    /// The operating system gave no random bytes (client role only). Nothing was changed.
    WS_ERR_RANDOM = -7,
    /// A bug in the engine was caught. The handle is poisoned: free it. Every other call on it that returns
    /// a status returns this again.
    WS_ERR_INTERNAL = -8,
    /// The result does not fit where the caller has room for it. The length that it needs was told.
    WS_ERR_BUFFER_TOO_SMALL = -9,
}

impl From<Error> for ws_status {
    fn from(error: Error) -> ws_status {
        match error {
            Error::InvalidArgument(_) => ws_status::WS_ERR_INVALID_ARGUMENT,
            Error::State(_) => ws_status::WS_ERR_STATE,
            Error::InputPending => ws_status::WS_ERR_INPUT_PENDING,
            Error::QueueFull => ws_status::WS_ERR_QUEUE_FULL,
            Error::InvalidUtf8 => ws_status::WS_ERR_INVALID_UTF8,
            Error::Random => ws_status::WS_ERR_RANDOM,
        }
    }
}

/// Says in words what a status means.
///
/// @param status  a ::ws_status, or any other number
/// @return a static, NUL-terminated text; never NULL
#[unsafe(no_mangle)]
pub extern "C" fn ws_strerror(status: c_int) -> *const c_char {
    let text: &'static CStr = match status {
        0 => c"success",
        1 => c"nothing more now: give input or take output",
        -1 => c"invalid argument: a NULL handle, or a value out of its range",
        -2 => c"not legal in the connection's present state",
        -3 => c"input pending: pull events until WS_AGAIN before giving more",
        -4 => c"no room to queue it: take output before queueing more",
        -5 => c"text to send is not valid UTF-8",
        -6 => c"not found: no such header, part or name",
        -7 => c"the operating system gave no random bytes",
        -8 => c"internal error: the handle is poisoned and can only be freed",
        -9 => c"the buffer is too small for the result",
        _ => c"unknown status",
    };
    text.as_ptr()
}

/// The version of the library that is running, which may be newer than the header.
///
/// @return a static, NUL-terminated text such as "0.1.0"; never NULL
#[unsafe(no_mangle)]
pub extern "C" fn ws_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}
