//! Settings: deadlines

use crate::capi::config::{set, ws_config};
use crate::capi::status::ws_status;

/// Limits the time from the making of a connection to its opening. A request that is late is answered with 408, one
/// that the host has not decided on (manual accept) with 503; a client that was not answered gets #WS_EVENT_CLOSE
/// with 1006. This and the other deadlines do not count before ws_engine_advance() was called for the first time.
///
/// @param config  settings
/// @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 10,000
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_handshake_timeout(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_handshake_timeout(ms).map(drop))
}

/// Sends pings (RFC 6455, 5.5.2): the time between two of them, less up to a quarter at random, so that those of many
/// connections spread. The first one counts from the opening.
///
/// @param config  settings
/// @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 30,000
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_ping_interval(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_ping_interval(ms).map(drop))
}

/// Limits the time from a ping of the engine to a sign of life: a byte from the peer, or progress in writing to it.
/// Then the connection is closed with 1001.
///
/// @param config  settings
/// @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 30,000
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_pong_timeout(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_pong_timeout(ms).map(drop))
}

/// Limits the time without a message, or part of one, in either direction; pings and pongs are none. Then the
/// connection is closed with 1001.
///
/// @param config  settings
/// @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 0 (off)
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_idle_timeout(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_idle_timeout(ms).map(drop))
}

/// Limits the time from our close frame to the peer's (then #WS_EVENT_CLOSE with 1006 comes), and from the end of the
/// connection to that of the stream. Then ws_conn_wants_abort() is 1.
///
/// @param config  settings
/// @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 5,000
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_close_timeout(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_close_timeout(ms).map(drop))
}

/// Limits the time in which output waits and none of it is taken. Then #WS_EVENT_CLOSE with 1006 comes, and
/// ws_conn_wants_abort() is 1.
///
/// @param config  settings
/// @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 30,000
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_write_stall_timeout(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_write_stall_timeout(ms).map(drop))
}

/// Limits the time from the opening on, whatever happens. Then the connection is closed with 1001.
///
/// @param config  settings
/// @param ms      0 (off) to 604,800,000 (seven days) milliseconds; default 0 (off)
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_lifetime(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_max_lifetime(ms).map(drop))
}
