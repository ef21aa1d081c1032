//! What the connections of an engine borrow for the time of a message.

use super::{Deflator, History, Inflator};

/// As many as connections can be in the middle of a message without takeover, usually: one. A few more for fragmented
/// messages, and for windows of different sizes.
const MAX_POOLED: usize = 4;

/// Compressors and inflators that nobody uses. Boxed, so that a connection holds a pointer and none is allocated anew.
#[expect(clippy::vec_box)]
pub(crate) struct Pools {
    level: u8,
    mem_level: u8,
    pub(super) inflators: Vec<Box<Inflator>>,
    pub(super) deflators: Vec<Box<Deflator>>,
}

impl Pools {
    pub(crate) fn new(level: u8, mem_level: u8) -> Pools {
        Pools { level, mem_level, inflators: Vec::new(), deflators: Vec::new() }
    }

    /// An inflator that knows of no earlier message.
    pub(crate) fn take_inflator(&mut self, window_bits: u8) -> Box<Inflator> {
        match self.inflators.pop() {
            Some(mut inflator) => {
                inflator.reset_for(window_bits);
                inflator
            }
            None => Box::new(Inflator::new(window_bits)),
        }
    }

    /// Takes an inflator back, in any state.
    pub(crate) fn return_inflator(&mut self, inflator: Box<Inflator>) {
        put(&mut self.inflators, inflator);
    }

    /// With context takeover, between two messages: takes the inflator back and leaves what it must remember, at most
    /// one window instead of 48 KiB and more.
    pub(crate) fn park_inflator(&mut self, mut inflator: Box<Inflator>) -> History {
        let history = inflator.take_history();
        put(&mut self.inflators, inflator);
        history
    }

    /// An inflator that goes on where the one that was parked stopped.
    pub(crate) fn resume_inflator(&mut self, history: History) -> Box<Inflator> {
        let mut inflator = self.inflators.pop().unwrap_or_else(|| Box::new(Inflator::new(8)));
        inflator.resume(history);
        inflator
    }

    /// A compressor that knows of no earlier message.
    pub(crate) fn take_deflator(&mut self, window_bits: u8) -> Box<Deflator> {
        match self.deflators.iter().rposition(|deflator| deflator.window_bits() == window_bits) {
            Some(index) => self.deflators.remove(index),
            None => Box::new(Deflator::new(self.level, self.mem_level, window_bits)),
        }
    }

    /// Takes a compressor back, in any state.
    pub(crate) fn return_deflator(&mut self, mut deflator: Box<Deflator>) {
        deflator.reset();
        put(&mut self.deflators, deflator);
    }
}

/// In place of the oldest if there are enough: it may have a window that nobody asks for.
fn put<T>(pool: &mut Vec<T>, value: T) {
    if pool.len() == MAX_POOLED {
        pool.remove(0);
    }
    pool.push(value);
}
