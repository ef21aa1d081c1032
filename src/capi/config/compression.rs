//! Settings: compression (RFC 7692)

use std::ffi::c_int;

use crate::capi::config::{set, ws_config};
use crate::capi::guard::flag;
use crate::capi::status::ws_status;
use crate::error::Error;

/// Chooses whether permessage-deflate is negotiated (RFC 7692): a client offers it, a server takes it if it is
/// offered. #WS_EVENT_OPEN says whether it was agreed on. Messages are then inflated and deflated by the engine.
///
/// @param config   settings
/// @param enabled  0 or 1; default 0
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_compression(config: *mut ws_config, enabled: c_int) -> ws_status {
    set(config, |config| {
        config.set_compression(flag(enabled)?);
        Ok(())
    })
}

/// Chooses how hard to compress, as zlib's level does.
///
/// @param config  settings
/// @param level   1 (fast) to 9 (small); default 6
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_compression_level(config: *mut ws_config, level: c_int) -> ws_status {
    set(config, |config| config.set_compression_level(byte(level)?).map(drop))
}

/// Chooses the memory of a compressor, as zlib's memLevel does.
///
/// @param config  settings
/// @param level   1 (small) to 9 (large); default 6
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_compression_mem_level(config: *mut ws_config, level: c_int) -> ws_status {
    set(config, |config| config.set_compression_mem_level(byte(level)?).map(drop))
}

/// Chooses the size below which a message is sent plain. Of a message that is made part by part, that of its first
/// part counts.
///
/// @param config  settings
/// @param bytes   any; default 1,024
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_compression_threshold(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| {
        config.set_compression_threshold(bytes);
        Ok(())
    })
}

/// Chooses whether a compressor may refer to earlier messages (RFC 7692, 7.1.1). Messages get smaller, but each
/// connection then keeps a compressor (300 KB), and of the peer's messages up to one window (32 KiB); else
/// compressors and inflators are borrowed for the time of a message.
///
/// @param config  settings
/// @param own     0 or 1: this end's compressor; default 0
/// @param peer    0 or 1: the peer's compressor; default 0
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_context_takeover(config: *mut ws_config, own: c_int, peer: c_int) -> ws_status {
    set(config, |config| {
        config.set_context_takeover(flag(own)?, flag(peer)?);
        Ok(())
    })
}

/// Limits the LZ77 windows, as powers of two (RFC 7692, 7.1.2). A server with a limit for the peer declines
/// compression to a client that cannot be limited, which is one that did not offer `client_max_window_bits`.
///
/// @param config  settings
/// @param own     8 to 15: this end's compressor; default 15
/// @param peer    8 to 15: the peer's compressor; default 15
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_window_bits(config: *mut ws_config, own: c_int, peer: c_int) -> ws_status {
    set(config, |config| config.set_window_bits(byte(own)?, byte(peer)?).map(drop))
}

fn byte(value: c_int) -> Result<u8, Error> {
    u8::try_from(value).map_err(|_| Error::InvalidArgument("a number that is out of range"))
}
