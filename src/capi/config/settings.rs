//! Settings

use crate::capi::guard::{Handle, free, into_handle, stateless, with};
use crate::capi::status::ws_status;
use crate::config::Config;
use crate::error::Error;

/// Every setting and limit, with defaults that are safe on the open internet; the next sections have their setters. A
/// builder: ws_engine_new() copies it, so it may be changed or freed at once. Used by one thread at a time.
pub struct ws_config {
    pub(crate) config: Config,
    poisoned: bool,
}

impl Handle for ws_config {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
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

pub(crate) fn set(config: *mut ws_config, change: impl FnOnce(&mut Config) -> Result<(), Error>) -> ws_status {
    with(config, |handle| change(&mut handle.config).map(|()| ws_status::WS_OK))
}
