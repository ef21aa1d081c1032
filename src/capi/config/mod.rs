//! Settings: one file for each section of the header that has setters. The header is made of the files, not of this one.

mod compression;
mod deadlines;
mod handshake;
mod memory;
mod messages;
mod settings;
mod streams;

pub use compression::*;
pub use deadlines::*;
pub use handshake::*;
pub use memory::*;
pub use messages::*;
pub use settings::*;
pub use streams::*;
