//! permessage-deflate (RFC 7692).

/// What both ends agreed on. "Own" is this end's compressor, "peer" the other end's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) own_takeover: bool,
    pub(crate) peer_takeover: bool,
    /// 8 to 15.
    pub(crate) own_window_bits: u8,
    pub(crate) peer_window_bits: u8,
}
use crate::violation::Violation;
pub(crate) struct Inflator;
impl Inflator {
    pub(crate) fn inflate(&mut self, _input: &[u8], _out: &mut Vec<u8>, _room: usize) -> Result<usize, Violation> {
        Err(Violation::DeflateInvalid)
    }
    pub(crate) fn finish(&mut self, _out: &mut Vec<u8>, _room: usize) -> Result<bool, Violation> {
        Err(Violation::DeflateInvalid)
    }
}
pub(crate) enum Flush {
    Part,
    Message,
}
pub(crate) struct Deflator;
impl Deflator {
    pub(crate) fn new(_level: u8, _mem_level: u8, _window_bits: u8) -> Deflator {
        Deflator
    }
    pub(crate) fn deflate(&mut self, _part: &[u8], _flush: Flush, _out: &mut Vec<u8>) {}
    pub(crate) fn reset(&mut self) {}
}
pub(crate) struct Pools;
impl Pools {
    pub(crate) fn new(_: &crate::config::Compression) -> Pools {
        Pools
    }
    pub(crate) fn take_inflator(&self, _bits: u8) -> Box<Inflator> {
        Box::new(Inflator)
    }
    pub(crate) fn return_inflator(&self, _: Box<Inflator>) {}
    pub(crate) fn take_deflator(&self, _bits: u8) -> Box<Deflator> {
        Box::new(Deflator)
    }
    pub(crate) fn return_deflator(&self, _: Box<Deflator>) {}
}
