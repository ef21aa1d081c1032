//! Settings: token streams

use crate::capi::config::{set, ws_config};
use crate::capi::status::ws_status;

/// Chooses for how long after a message of a ::ws_stream what is written to it is merged into the next one. Counted
/// only once the engine has been told the time: until then what was written is due at once.
///
/// @param config  settings
/// @param ms      0 (every write is a message) to 10,000 milliseconds; default 40
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_stream_merge_time(config: *mut ws_config, ms: u32) -> ws_status {
    set(config, |config| config.set_stream_merge_time(ms).map(drop))
}

/// Chooses at how many bytes of text a message of a ::ws_stream is made before its time. No message has more, before
/// JSON escapes any of them: text is cut between characters.
///
/// @param config  settings
/// @param bytes   16 to 1 MiB; default 4,096
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_stream_piece_size(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| config.set_stream_piece_size(bytes).map(drop))
}

/// Chooses above how many bytes that wait in a ::ws_stream it wants no more, see ws_stream_wants_more(), and at how many
/// it does again: at `low`, or half of `max_queued_bytes` if that is less.
///
/// @param config  settings
/// @param low     below high; default 16 KiB
/// @param high    above low; default 64 KiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_stream_water_marks(
    config: *mut ws_config,
    low: usize,
    high: usize,
) -> ws_status {
    set(config, |config| config.set_stream_water_marks(low, high).map(drop))
}
