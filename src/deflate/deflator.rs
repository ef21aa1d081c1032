//! Compression (RFC 7692, 7.2.1).

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use super::TAIL;

/// Compresses the messages to one peer, or to one peer after the other (without context takeover).
pub(crate) struct Deflator {
    engine: Deflate,
    window_bits: u8,
}

/// What follows a part. Either way all of it reaches the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    /// More of the same message: the part ends with the bytes 00 00 ff ff.
    Part,
    /// The end of the message: those four bytes are taken off.
    Message,
}

impl Deflator {
    /// `level` 1 (fast) to 9 (small), `mem_level` 1 to 9, `window_bits` 8 to 15.
    pub(crate) fn new(level: u8, mem_level: u8, window_bits: u8) -> Deflator {
        let window_bits = window_bits.clamp(8, 15);
        // The engine refuses 8. With 9 it keeps 262 bytes ahead, so it refers back at most 250: no more than 8 allows.
        let engine = Deflate::new_with_config(DeflateConfig {
            level: level.clamp(1, 9).into(),
            mem_level: mem_level.clamp(1, 9).into(),
            window_bits: -i32::from(window_bits.max(9)),
            ..DeflateConfig::default()
        });
        Deflator { engine, window_bits }
    }

    pub(super) fn window_bits(&self) -> u8 {
        self.window_bits
    }

    /// Compresses a part of a message behind the end of `out`. An empty message becomes the byte 00 (RFC 7692, 7.2.3.6),
    /// and so does an empty last part; an empty part before that becomes nothing.
    pub(crate) fn deflate(&mut self, part: &[u8], flush: Flush, out: &mut Vec<u8>) {
        if part.is_empty() {
            // All before was flushed: what is left to send is an empty stored block, less the four bytes.
            if flush == Flush::Message {
                out.push(0);
            }
            return;
        }
        let mut used = 0;
        let mut step = first_step(part.len());
        loop {
            let start = out.len();
            out.resize(start + step, 0);
            let before = (self.engine.total_in(), self.engine.total_out());
            let status = self.engine.compress(&part[used..], &mut out[start..], DeflateFlush::SyncFlush);
            debug_assert!(status.is_ok(), "{status:?}");
            used += (self.engine.total_in() - before.0) as usize;
            let produced = (self.engine.total_out() - before.1) as usize;
            out.truncate(start + produced);
            if used == part.len() && produced < step {
                break;
            }
            step = MAX_STEP;
        }
        if flush == Flush::Message {
            debug_assert!(out.ends_with(&TAIL));
            out.truncate(out.len() - TAIL.len());
        }
    }

    /// Forgets earlier messages: without context takeover, after each.
    pub(crate) fn reset(&mut self) {
        if self.engine.total_in() > 0 {
            self.engine.reset();
        }
    }
}

const MAX_STEP: usize = 64 * 1024;

/// Space for the whole of a small part, however little it shrinks; for half of a large one, as that will usually do.
fn first_step(len: usize) -> usize {
    if len <= 4096 { len + len / 8 + 64 } else { len / 2 }
}
