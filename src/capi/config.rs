//! Settings and limits

use std::ffi::{c_char, c_int};

use crate::capi::guard::{Handle, free, into_handle, stateless, text, with};
use crate::capi::status::ws_status;
use crate::config::Config;
use crate::error::Error;
use crate::handshake::policy::OriginPolicy;

/// Every setting and limit, with defaults that are safe on the open internet. A builder: ws_engine_new() copies it, so
/// it may be changed or freed at once. Used by one thread at a time.
///
/// All setters return #WS_OK, or #WS_ERR_INVALID_ARGUMENT for a NULL handle or a value out of range, and then change
/// nothing.
pub struct ws_config {
    pub(crate) config: Config,
    poisoned: bool,
}

impl Handle for ws_config {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

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

/// Makes the default settings.
///
/// @return settings to be freed with ws_config_free(); NULL only after an internal error
#[unsafe(no_mangle)]
pub extern "C" fn ws_config_new() -> *mut ws_config {
    stateless(std::ptr::null_mut(), || into_handle(ws_config { config: Config::new(), poisoned: false }))
}

/// Frees settings. Engines made with them are not affected.
///
/// @param config  settings, or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_free(config: *mut ws_config) {
    free(config);
}

/// Limits the head of an HTTP message, request line and blank line included. A longer request is answered with 431.
///
/// @param config  settings
/// @param bytes   128 to 1,048,576; default 8,192
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_head_size(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| config.set_max_head_size(bytes).map(drop))
}

/// Limits the number of headers of an HTTP message. A request with more is answered with 431.
///
/// @param config  settings
/// @param count   8 to 256; default 64
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_headers(config: *mut ws_config, count: usize) -> ws_status {
    set(config, |config| config.set_max_headers(count).map(drop))
}

/// Limits the payload of one data frame from the peer. A larger one closes the connection with 1009 as soon as its
/// length is known, before any of it is stored (RFC 6455, 10.4).
///
/// @param config  settings
/// @param bytes   125 to 2^63-1; default 1 MiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_frame_size(config: *mut ws_config, bytes: u64) -> ws_status {
    set(config, |config| config.set_max_frame_size(bytes).map(drop))
}

/// Limits the payload of one message from the peer, all its frames together. A larger one closes the connection with
/// 1009 as soon as the length of a frame shows that it will be (RFC 6455, 10.4).
///
/// @param config  settings
/// @param bytes   125 to 2^63-1; default 1 MiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_message_size(config: *mut ws_config, bytes: u64) -> ws_status {
    set(config, |config| config.set_max_message_size(bytes).map(drop))
}

/// Limits the output that waits to be taken, frame headers included. A message that would exceed it is refused with
/// #WS_ERR_QUEUE_FULL, also when the queue is empty; control frames always have room.
///
/// @param config  settings
/// @param bytes   1,024 and up; default 4 MiB
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_config_set_max_queued_bytes(config: *mut ws_config, bytes: usize) -> ws_status {
    set(config, |config| config.set_max_queued_bytes(bytes).map(drop))
}

/// Chooses which web pages may connect (RFC 6455, 10.2). Others are answered with 403. Requests without `Origin` come
/// from programs, not from pages, and always pass.
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

/// Chooses whether a server asks its host before it accepts: it then delivers #WS_EVENT_REQUEST for every request that
/// is valid and passes the origin policy, and waits for ws_conn_accept() or ws_conn_reject().
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

fn set(config: *mut ws_config, change: impl FnOnce(&mut Config) -> Result<(), Error>) -> ws_status {
    with(config, |handle| change(&mut handle.config).map(|()| ws_status::WS_OK))
}

fn flag(value: c_int) -> Result<bool, Error> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Error::InvalidArgument("a switch must be 0 or 1")),
    }
}
