//! The wire format of frames (RFC 6455, section 5): pure functions, no state.

pub mod close;
pub mod describe;
pub mod header;
pub mod mask;

pub use header::{Header, OpCode};
