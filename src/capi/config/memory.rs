//! Settings: output and memory

use std::ffi::c_int;

use crate::capi::config::{set, ws_config};
use crate::capi::guard::flag;
use crate::capi::status::ws_status;

/// Limits the output that waits to be taken, frame headers included. A message that would exceed it is refused with
/// #WS_ERR_QUEUE_FULL; one that is larger than the limit never fits, and can be sent in parts, ws_conn_queue_begin(),
/// or by the host, ws_conn_begin_frame(). Control frames always have room.
/// What waits in a ::ws_stream has the same limit.
///
/// @param config  settings
/// @param bytes   1,024 and up; default 4 MiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_queued_bytes(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| config.set_max_queued_bytes(bytes).map(drop))
}

/// Chooses whether text to send is checked for UTF-8 (RFC 6455, 5.6), which costs a pass over it. Without, the host
/// vouches for it, as an echo can, or a relay of text that was received: a peer fails the connection over text that is
/// not UTF-8. Prepared messages and close reasons are always checked.
///
/// @param config   settings
/// @param enabled  1 or 0; default 1
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_outgoing_utf8_check(config: *mut ws_config, enabled: c_int) -> ws_status {
    set(config, |config| {
        config.set_outgoing_utf8_check(flag(enabled)?);
        Ok(())
    })
}

/// Chooses above how many bytes of output the queue counts as full, see ws_conn_above_high_water(), and at how many
/// it has room again and #WS_EVENT_WRITABLE comes: at `low`, or half of `max_queued_bytes` if that is less.
///
/// @param config  settings
/// @param low     below high; default 256 KiB
/// @param high    above low; default 1 MiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_water_marks(config: *mut ws_config, low: usize, high: usize) -> ws_status {
    set(config, |config| config.set_water_marks(low, high).map(drop))
}

/// Limits what one connection holds in all between two calls: input that was not pulled, a message of which more is
/// to come, and output. Input above it closes the connection with 1009; a message to send above it is refused with
/// #WS_ERR_QUEUE_FULL.
///
/// @param config  settings
/// @param bytes   4,096 and up; default 16 MiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_connection_bytes(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| config.set_max_connection_bytes(bytes).map(drop))
}

/// Limits what all connections of an engine hold together, the heads of handshakes too. Input above it closes the
/// connection that brought it with 1013, or refuses its request with 503; a message to send above it is refused with
/// #WS_ERR_QUEUE_FULL.
///
/// @param config  settings
/// @param bytes   4,096 and up; default 1 GiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_engine_bytes(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| config.set_max_engine_bytes(bytes).map(drop))
}

/// Chooses the size of the buffer that ws_conn_recv_buffer() lends, which the connections of an engine share. The
/// larger, the more messages come with one read. Memory that no read has reached is not used.
///
/// @param config  settings
/// @param bytes   4,096 to 16 MiB; default 512 KiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_receive_buffer_size(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| config.set_receive_buffer_size(bytes).map(drop))
}
