//! Decompression (RFC 7692, 7.2.2), never further than the caller has room.

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{History, TAIL};
use crate::violation::Violation;

/// Inflates the messages of one peer, or of one peer after the other (without context takeover).
///
/// After an error nothing but [`reset`](Inflator::reset) is useful.
pub(crate) struct Inflator {
    engine: Inflate,
    /// The engine's own window is lost at a block that calls itself the last one, while the peer's goes on (RFC 7692,
    /// 7.2.3.4); and a connection that waits keeps this, not an engine.
    history: History,
    /// One byte more than there was room for. It proves that there is more, and leaves no doubt at the end of a message:
    /// an engine that stops while it could write stops for the input's sake.
    ahead: Option<u8>,
}

impl Inflator {
    /// The peer refers back at most 2^`window_bits` bytes, 8 to 15. One that goes further, up to 32 KiB, is read
    /// correctly nevertheless.
    pub(crate) fn new(window_bits: u8) -> Inflator {
        // The engine holds 32 KiB in any case. It panics at a size that is none.
        Inflator { engine: Inflate::new(false, 15), history: History::new(window_bits.clamp(8, 15)), ahead: None }
    }

    /// Inflates `input` behind the end of `out`, adding at most `room` bytes; what is allocated stays in proportion to
    /// what is produced, and never exceeds `room` by more than one byte.
    ///
    /// Returns how much of `input` was used. If that is not all, there certainly is more output than `room`; call again
    /// with the rest.
    pub(crate) fn inflate(&mut self, input: &[u8], out: &mut Vec<u8>, room: usize) -> Result<usize, Violation> {
        let begin = out.len();
        let limit = begin.saturating_add(room);
        if let Some(byte) = self.ahead {
            if room == 0 {
                return Ok(0);
            }
            reserve(out, 1, limit);
            out.push(byte);
            self.ahead = None;
        }
        let mut used = 0;
        let mut step = input.len().saturating_mul(USUAL_RATIO).saturating_add(FAST_LOOP_MARGIN);
        loop {
            let start = out.len();
            // One byte more than the room there is: see `ahead`.
            step = step.min(MAX_STEP).min((limit - start).saturating_add(1));
            reserve(out, step, limit);
            out.resize(start + step, 0);
            let before = (self.engine.total_in(), self.engine.total_out());
            let status = self.engine.decompress(&input[used..], &mut out[start..], InflateFlush::NoFlush);
            let taken = (self.engine.total_in() - before.0) as usize;
            let produced = (self.engine.total_out() - before.1) as usize;
            out.truncate(start + produced);
            used += taken;
            self.history.extend(&out[start..]);

            let at_last_block = match status {
                Ok(Status::Ok | Status::BufError) => false,
                Ok(Status::StreamEnd) => true,
                Err(_) => return Err(Violation::DeflateInvalid),
            };
            if at_last_block {
                self.go_on_after_last_block();
            }
            if out.len() > limit {
                self.ahead = out.pop();
                return Ok(used);
            }
            if produced == step {
                step *= 2;
            } else if !at_last_block {
                return if used == input.len() { Ok(used) } else { Err(Violation::DeflateInvalid) };
            } else if used == input.len() {
                return Ok(used);
            }
        }
    }

    /// Ends a message: supplies the four bytes that its sender took off.
    ///
    /// `Ok(true)`: everything was put out, and the stream stands at the boundary of a block behind the four bytes.
    /// `Ok(false)`: `room` was reached, and there certainly is more output; call again.
    /// [`DeflateCutShort`](Violation::DeflateCutShort): the message ends inside a block. That includes a message of no
    /// bytes at all, since an empty one is the byte 00 (RFC 7692, 7.2.3.6).
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>, room: usize) -> Result<bool, Violation> {
        if self.ahead.is_some() {
            self.inflate(&[], out, room)?;
            if self.ahead.is_some() {
                return Ok(false);
            }
        }
        // An engine inside a block would read on behind the four bytes, or write; at a boundary it is told to stop.
        let tail_and_more = [TAIL[0], TAIL[1], TAIL[2], TAIL[3], 0];
        let before = (self.engine.total_in(), self.engine.total_out());
        let status = self.engine.decompress(&tail_and_more, &mut [0], InflateFlush::Block);
        let taken = self.engine.total_in() - before.0;
        let nothing_produced = self.engine.total_out() == before.1;
        if status == Ok(Status::Ok) && taken == TAIL.len() as u64 && nothing_produced {
            Ok(true)
        } else {
            Err(Violation::DeflateCutShort)
        }
    }

    /// Forgets earlier messages: without context takeover, after each.
    pub(crate) fn reset(&mut self) {
        self.engine.reset(false);
        self.history.clear();
        self.ahead = None;
    }

    /// As [`reset`](Inflator::reset), for a peer with another window.
    pub(super) fn reset_for(&mut self, window_bits: u8) {
        self.reset();
        self.history.reset(window_bits.clamp(8, 15));
    }

    /// Goes on where the connection whose history this is stopped, between two messages.
    pub(super) fn resume(&mut self, history: History) {
        self.history = history;
        self.ahead = None;
        self.go_on_after_last_block();
    }

    /// What a connection must keep between two messages.
    pub(super) fn take_history(&mut self) -> History {
        std::mem::replace(&mut self.history, History::new(8))
    }

    /// Begins a new deflate stream that may refer back to the old one.
    fn go_on_after_last_block(&mut self) {
        self.engine.reset(false);
        for part in self.history.parts() {
            // It cannot fail: a raw stream takes a dictionary at any time.
            let _ = self.engine.set_dictionary(part);
        }
    }
}

/// Text shrinks to a quarter or so. Output space is filled with zeros before the engine writes to it (safe code cannot
/// lend it as it is), so a guess that is much too large would cost time.
const USUAL_RATIO: usize = 4;
/// The engine's fast loop wants this much space, even for the last symbol.
const FAST_LOOP_MARGIN: usize = 320;
const MAX_STEP: usize = 64 * 1024;

/// Space for `step` more bytes: doubling, as a vector does, but not beyond `limit` and the one byte ahead.
fn reserve(out: &mut Vec<u8>, step: usize, limit: usize) {
    let needed = out.len().saturating_add(step);
    if needed > out.capacity() {
        let doubled = out.capacity().saturating_mul(2).min(limit.saturating_add(1));
        out.reserve_exact(needed.max(doubled) - out.len());
    }
}
