//! Settings: messages from the peer

use std::ffi::c_int;

use crate::capi::config::{set, ws_config};
use crate::capi::guard::flag;
use crate::capi::status::ws_status;
use crate::error::Error;
use crate::event::Delivery;

/// How messages are delivered. Text is checked as it arrives in each (RFC 6455, 8.1), and compressed messages are
/// inflated.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ws_delivery {
    /// Whole: #WS_EVENT_TEXT and #WS_EVENT_BINARY. The default.
    WS_DELIVER_MESSAGES = 0,
    /// In parts, as they arrive: #WS_EVENT_CHUNK. For messages that need not fit in memory: `max_message_size` still
    /// counts, and may then be large.
    WS_DELIVER_CHUNKS = 1,
    /// Frame by frame, each whole: #WS_EVENT_FRAME. For tools and proxies.
    WS_DELIVER_FRAMES = 2,
}

/// Chooses how messages are delivered, for connections that do not choose for themselves: ws_conn_set_delivery().
///
/// @param config    settings
/// @param delivery  a ::ws_delivery; default #WS_DELIVER_MESSAGES
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_delivery(config: *mut ws_config, delivery: c_int) -> ws_status {
    set(config, |config| {
        config.set_delivery(to_delivery(delivery)?);
        Ok(())
    })
}

/// Chooses whether the engine answers pings by itself (RFC 6455, 5.5.2). Pings are reported in either case.
///
/// @param config   settings
/// @param enabled  0 or 1; default 1
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_auto_pong(config: *mut ws_config, enabled: c_int) -> ws_status {
    set(config, |config| {
        config.set_auto_pong(flag(enabled)?);
        Ok(())
    })
}

/// Limits the payload of one data frame from the peer, compressed if it comes so. A larger one closes the connection
/// with 1009 as soon as its length is known, before any of it is stored (RFC 6455, 10.4).
///
/// @param config  settings
/// @param bytes   125 to 2^63-1; default 1 MiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_frame_size(config: *mut ws_config, bytes: u64) -> ws_status {
    set(config, |config| config.set_max_frame_size(bytes).map(drop))
}

/// Limits the payload of one message from the peer, all its frames together, inflated if it comes compressed. A
/// larger one closes the connection with 1009 as soon as the length of a frame shows that it will be, or no more than
/// one byte above the limit was inflated (RFC 6455, 10.4).
///
/// @param config  settings
/// @param bytes   125 to 2^63-1; default 1 MiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_message_size(config: *mut ws_config, bytes: u64) -> ws_status {
    set(config, |config| config.set_max_message_size(bytes).map(drop))
}

/// Limits the frames of one message from the peer. A message of more closes the connection with 1008.
///
/// @param config  settings
/// @param count   1 and up; default 16,384
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_fragments(config: *mut ws_config, count: u32) -> ws_status {
    set(config, |config| config.set_max_fragments(count).map(drop))
}

/// Limits the frames without payload in one fragmented message from the peer, the last one not counted. A message
/// with more closes the connection with 1008.
///
/// @param config  settings
/// @param count   0 and up; default 64
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_empty_fragments(config: *mut ws_config, count: u32) -> ws_status {
    set(config, |config| {
        config.set_max_empty_fragments(count);
        Ok(())
    })
}

/// Limits the pings and pongs from the peer within one second. More close the connection with 1008. They are counted
/// only once the engine has been told the time: ws_engine_advance().
///
/// @param config             settings
/// @param frames_per_second  1 to 65,535, more counts as that; default 250
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_control_rate(config: *mut ws_config, frames_per_second: u32) -> ws_status {
    set(config, |config| config.set_max_control_rate(frames_per_second).map(drop))
}

pub(crate) fn to_delivery(value: c_int) -> Result<Delivery, Error> {
    match value {
        value if value == ws_delivery::WS_DELIVER_MESSAGES as c_int => Ok(Delivery::Messages),
        value if value == ws_delivery::WS_DELIVER_CHUNKS as c_int => Ok(Delivery::Chunks),
        value if value == ws_delivery::WS_DELIVER_FRAMES as c_int => Ok(Delivery::Frames),
        _ => Err(Error::InvalidArgument("not a ws_delivery")),
    }
}
