//! Engines

use crate::capi::config::ws_config;
use crate::capi::guard::{Handle, ask, free, into_handle, stateless};
use crate::engine::Engine;

/// What the connections of one event loop share: settings, buffers, randomness, time, counts. Make one for each
/// event-loop thread. An engine, its connections and its streams are used by one thread at a time.
pub struct ws_engine {
    pub(crate) engine: Engine,
    poisoned: bool,
}

impl Handle for ws_engine {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// Makes an engine.
///
/// @param config  settings, which are copied; NULL for the defaults
/// @return an engine to be freed with ws_engine_free(); NULL only after an internal error, also one of config
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_engine_new(config: *const ws_config) -> *mut ws_engine {
    let make = |engine| into_handle(ws_engine { engine, poisoned: false });
    if config.is_null() {
        return stateless(std::ptr::null_mut(), || make(Engine::default()));
    }
    ask(config.cast_mut(), std::ptr::null_mut(), std::ptr::null_mut(), |config: &mut ws_config| {
        make(Engine::new(&config.config))
    })
}

/// Frees an engine. Connections and streams that were made from it and are still there keep what they need, so the order of
/// freeing does not matter; only time stands still for them.
///
/// @param engine  an engine, or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_engine_free(engine: *mut ws_engine) {
    free(engine);
}
