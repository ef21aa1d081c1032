//! Settings: the handshake

use std::ffi::{c_char, c_int};

use crate::capi::config::{set, ws_config};
use crate::capi::guard::{flag, text};
use crate::capi::status::ws_status;
use crate::error::Error;
use crate::handshake::policy::OriginPolicy;

/// Which web pages may connect to a server, by the `Origin` that their browser sends (RFC 6455, 10.2).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ws_origin_policy {
    /// Pages from the host and port that the request names in `Host`. The default.
    WS_ORIGIN_SAME_HOST = 0,
    /// Pages whose origin was given to ws_config_allow_origin().
    WS_ORIGIN_ALLOW_LIST = 1,
    /// Every page. Only for public services, which know nobody by cookie or address.
    WS_ORIGIN_ANY = 2,
}

/// Limits the head of an HTTP message, first line and blank line included. A longer request is answered with 431; a
/// client gives up on a longer answer, with #WS_EVENT_CLOSE and 1006.
///
/// @param config  settings
/// @param bytes   128 to 1,048,576; default 8,192
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_head_size(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| config.set_max_head_size(bytes).map(drop))
}

/// Limits the number of headers of an HTTP message. A request with more is answered with 431; a client gives up on an
/// answer with more, with #WS_EVENT_CLOSE and 1006.
///
/// @param config  settings
/// @param count   8 to 256; default 64
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_headers(config: *mut ws_config, count: usize) -> ws_status {
    set(config, |config| config.set_max_headers(count).map(drop))
}

/// Chooses which web pages may connect to a server (RFC 6455, 10.2). Others are answered with 403. Requests without
/// `Origin` come from programs, not from pages, and always pass.
///
/// #WS_ORIGIN_ALLOW_LIST with no origin given lets no page in.
///
/// @param config  settings
/// @param policy  a ::ws_origin_policy; default #WS_ORIGIN_SAME_HOST
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_origin_policy(config: *mut ws_config, policy: c_int) -> ws_status {
    set(config, |config| {
        let list = match &config.origin_policy {
            OriginPolicy::AllowList(list) => list.clone(),
            _ => Vec::new(),
        };
        config.set_origin_policy(match policy {
            policy if policy == ws_origin_policy::WS_ORIGIN_SAME_HOST as c_int => OriginPolicy::SameHost,
            policy if policy == ws_origin_policy::WS_ORIGIN_ALLOW_LIST as c_int => OriginPolicy::AllowList(list),
            policy if policy == ws_origin_policy::WS_ORIGIN_ANY as c_int => OriginPolicy::Any,
            _ => return Err(Error::InvalidArgument("not a ws_origin_policy")),
        });
        Ok(())
    })
}

/// Adds an origin to the allow list and makes #WS_ORIGIN_ALLOW_LIST the policy.
///
/// @param config  settings
/// @param origin  NUL-terminated, as browsers send it: "https://app.example.com", with the port if it is not the
///                scheme's own, without a path; letter case does not count
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_allow_origin(config: *mut ws_config, origin: *const c_char) -> ws_status {
    set(config, |config| config.allow_origin(text(origin)?).map(drop))
}

/// Adds a subprotocol that the server speaks, in order of preference (RFC 6455, 1.9). It answers with the first of
/// them that the client offers, and with none if there is no such.
///
/// @param config  settings
/// @param name    NUL-terminated; an HTTP token that was not added before
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_add_subprotocol(config: *mut ws_config, name: *const c_char) -> ws_status {
    set(config, |config| config.add_subprotocol(text(name)?).map(drop))
}

/// Chooses whether a server asks its host before it accepts: it then delivers #WS_EVENT_REQUEST for every request
/// that is valid and passes the origin policy, and waits for ws_conn_accept() or ws_conn_reject(). A request that is
/// undecided when `handshake_timeout` is over is answered with 503.
///
/// @param config   settings
/// @param enabled  0 or 1; default 0
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_manual_accept(config: *mut ws_config, enabled: c_int) -> ws_status {
    set(config, |config| {
        config.set_manual_accept(flag(enabled)?);
        Ok(())
    })
}

/// Limits what is kept behind a request that waits for a decision (manual accept). A client that sends more before it
/// was answered is refused with 400.
///
/// @param config  settings
/// @param bytes   0 to 16 MiB; default 8,192
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_held_bytes(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| config.set_max_held_bytes(bytes).map(drop))
}
