//! permessage-deflate (RFC 7692): what was agreed on, and the codec. The frame layer decides what is a message.

mod agreed;
mod deflator;
mod history;
mod inflator;
mod pool;

#[cfg(test)]
mod tests;

pub(crate) use agreed::Agreed;
pub(crate) use deflator::{Deflator, Flush};
pub(crate) use history::History;
pub(crate) use inflator::Inflator;
pub(crate) use pool::Pools;

/// How the empty stored block of a sync flush ends: removed behind a message, supplied by its reader (RFC 7692, 7.2.1
/// and 7.2.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
