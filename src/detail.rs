//! Static explanations that Rust and C share.

use std::ffi::CStr;
use std::fmt;

/// A static text that says why something ended, with the section of the RFC where there is one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Detail(&'static CStr);

impl Detail {
    /// No explanation: the empty text.
    pub const NONE: Detail = Detail(c"");

    pub(crate) const fn new(text: &'static CStr) -> Detail {
        Detail(text)
    }

    /// The text.
    pub fn as_str(self) -> &'static str {
        self.0.to_str().unwrap_or_default()
    }

    /// The text as C has it.
    pub const fn as_c_str(self) -> &'static CStr {
        self.0
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
