//! Messages for many connections

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use crate::capi::connection::ws_conn;
use crate::capi::guard::{bytes, out, preset, stateless, with};
use crate::capi::output::to_message_type;
use crate::capi::status::ws_status;
use crate::error::Error;
use crate::prepared::Prepared;

/// A message that is encoded once, and compressed once, for a broadcast. Immutable and counted by reference: it may
/// be used by any thread, and by connections of any engine.
pub struct ws_prepared {
    pub(crate) prepared: Prepared,
}

/// Prepares a message. The bytes are copied. Any thread.
///
/// @param type      a ::ws_message_type
/// @param data      the payload; NULL if len is 0
/// @param len       its length in bytes
/// @param prepared  receives a message to be freed with ws_prepared_free(); NULL if the call fails
/// @return #WS_OK; #WS_ERR_INVALID_UTF8; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_prepared_new(
    r#type: c_int,
    data: *const c_void,
    len: usize,
    prepared: *mut *mut ws_prepared,
) -> ws_status {
    preset(prepared, std::ptr::null_mut());
    let make = || {
        let place = out(prepared)?;
        let prepared = Prepared::new(to_message_type(r#type)?, bytes(data, len)?)?;
        *place = Arc::into_raw(Arc::new(ws_prepared { prepared })).cast_mut();
        Ok::<_, Error>(ws_status::WS_OK)
    };
    stateless(ws_status::WS_ERR_INTERNAL, || make().unwrap_or_else(ws_status::from))
}

/// Takes one more reference, to be freed like the first. Any thread.
///
/// @param prepared  a message, or NULL
/// @return the same pointer
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_prepared_retain(prepared: *mut ws_prepared) -> *mut ws_prepared {
    if !prepared.is_null() {
        // SAFETY: it came from Arc::into_raw, and the caller holds a reference (Conventions).
        unsafe { Arc::increment_strong_count(prepared.cast_const()) };
    }
    prepared
}

/// Frees one reference; the message goes with the last one. Connections that queued it keep what they need; an engine
/// may keep the message it queued last until it queues another one, or ws_engine_advance() a second later. Any thread.
///
/// @param prepared  a message, or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_prepared_free(prepared: *mut ws_prepared) {
    if !prepared.is_null() {
        // SAFETY: it came from Arc::into_raw, and the caller gives its reference up (Conventions).
        stateless((), || drop(unsafe { Arc::from_raw(prepared.cast_const()) }));
    }
}

/// Queues a prepared message. A server's connections share its bytes; a client's copy and mask them. Where
/// permessage-deflate was agreed on and the message reaches `compression_threshold`, the compressed form is sent,
/// which is made once for each window size, with the settings of the engine that needs it first.
///
/// @param conn      an open connection
/// @param prepared  a message
/// @return as ws_conn_queue_binary()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_queue_prepared(conn: *mut ws_conn, prepared: *const ws_prepared) -> ws_status {
    with(conn, |conn| {
        // SAFETY: NULL, or a message to which the caller holds a reference (Conventions).
        let prepared = unsafe { prepared.as_ref() }.ok_or(Error::InvalidArgument("no message"))?;
        conn.conn.outbound().queue_prepared(&prepared.prepared).map(|()| ws_status::WS_OK)
    })
}
