//! What an engine counts. The hooks are called on hot paths: a few additions each, nothing else.

mod render;
mod snapshot;

use std::cell::Cell;

use crate::connection::Role;
use crate::event::{Initiator, MessageType};
use crate::expiry::Expiry;
use crate::frame::OpCode;
use crate::handshake::refusal::Refusal;
use crate::violation::Violation;
pub(crate) use snapshot::Metrics;
pub use snapshot::MetricsSnapshot;

/// Upper bounds of the round-trip histogram, in milliseconds; one more bucket has what is above.
pub(crate) const RTT_BOUNDS: [u32; 14] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000];

/// Buckets of the message size histograms: up to 16 bytes, and four times as many in each that follows, up to 256 MiB;
/// one more has what is above.
pub(crate) const SIZE_BOUNDS: usize = 13;

/// The upper bound of a bucket of message sizes, in bytes.
pub(crate) const fn size_bound(bucket: usize) -> u64 {
    16 << (2 * bucket)
}

/// Close codes 1000 to 1015 have a counter each; then come these.
pub(crate) const CLOSES_3000: usize = 16;
pub(crate) const CLOSES_4000: usize = 17;
pub(crate) const CLOSES_OTHER: usize = 18;

/// Why a client's handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server answered with another status than 101.
    Status,
    /// The server's answer breaks a rule.
    Answer,
    /// The stream ended first. For a server: before the request was complete and answered.
    Lost,
}

/// The labels of [`Failure`], in its order.
pub(crate) const FAILURES: [&str; 3] = ["status", "answer", "lost"];

/// The longest payload that is called short: one whose length has 7 bits (RFC 6455, 5.2).
pub(crate) const MAX_SHORT: usize = 125;

/// Messages of one plain frame each, by size and type: hardly anything else is so frequent. One addition says what there
/// is to count of frames, messages and sizes; these are worked out when they are asked for.
#[derive(Default)]
pub(crate) struct Plain([[Cell<u64>; 2]; SIZE_BOUNDS + 1]);

impl Plain {
    #[inline(always)]
    fn count_short(&self, kind: MessageType, len: usize) {
        const { assert!(MAX_SHORT as u64 <= size_bound(2)) };
        let bucket = usize::from(len as u64 > size_bound(0)) + usize::from(len as u64 > size_bound(1));
        add(&self.0[bucket][kind as usize], 1);
    }

    #[inline(always)]
    fn count(&self, kind: MessageType, len: usize) {
        add(&self.0[size_bucket(len as u64)][kind as usize], 1);
    }

    /// Adds what was counted here to where everything else is counted.
    fn add_to(&self, frames: &mut [u64; 16], messages: &mut [u64; 2], sizes: &mut [u64; 24]) {
        for (counts, size) in self.0.iter().zip(sizes) {
            for kind in [MessageType::Text, MessageType::Binary] {
                let count = counts[kind as usize].get();
                for counter in [&mut frames[kind.opcode() as usize], &mut messages[kind as usize], &mut *size] {
                    *counter = counter.wrapping_add(count);
                }
            }
        }
    }
}

/// Adds to a counter. Counters wrap, as Prometheus expects of a restart; a bug in one must not end a connection.
fn add(counter: &Cell<u64>, amount: u64) {
    counter.set(counter.get().wrapping_add(amount));
}

fn subtract(gauge: &Cell<u64>, amount: u64) {
    gauge.set(gauge.get().wrapping_sub(amount));
}

/// Handshakes.
impl Metrics {
    /// A handshake is complete.
    pub(crate) fn opened(&self, role: Role) {
        add(&self.connections_opened[role as usize], 1);
        add(&self.connections_open, 1);
    }

    /// A server refused a request.
    pub(crate) fn refused(&self, refusal: Refusal) {
        add(&self.handshakes_refused[refusal as usize], 1);
    }

    /// A handshake came to nothing for another reason.
    pub(crate) fn handshake_failed(&self, failure: Failure) {
        add(&self.handshakes_failed[failure as usize], 1);
    }
}

/// Bytes, frames and messages.
impl Metrics {
    /// Bytes came from the peer.
    pub(crate) fn wire_in(&self, bytes: usize) {
        add(&self.wire_bytes_in, bytes as u64);
    }

    /// A frame's header came.
    pub(crate) fn frame_in(&self, opcode: OpCode) {
        add(&self.frames_in[opcode as usize], 1);
    }

    /// A frame was queued.
    pub(crate) fn frame_out(&self, opcode: OpCode) {
        add(&self.frames_out[opcode as usize], 1);
    }

    /// A message from the peer is complete. `len`: bytes of payload, inflated.
    pub(crate) fn message_in(&self, kind: MessageType, len: u64) {
        add(&self.messages_in[kind as usize], 1);
        add(&self.message_bytes_in[kind as usize], len);
        add(&self.message_sizes_in[size_bucket(len)], 1);
    }

    /// A short message from the peer came whole, in one frame.
    #[inline(always)]
    pub(crate) fn short_message_in(&self, kind: MessageType, len: usize) {
        self.plain_in.count_short(kind, len);
        add(&self.message_bytes_in[kind as usize], len as u64);
    }

    /// A longer one did.
    #[inline(always)]
    pub(crate) fn longer_message_in(&self, kind: MessageType, len: usize) {
        self.plain_in.count(kind, len);
        add(&self.message_bytes_in[kind as usize], len as u64);
    }

    /// A short message was queued, in one frame.
    #[inline(always)]
    pub(crate) fn short_message_out(&self, kind: MessageType, len: usize) {
        self.plain_out.count_short(kind, len);
        add(&self.message_bytes_out[kind as usize], len as u64);
    }

    /// A longer one was.
    #[inline(always)]
    pub(crate) fn longer_message_out(&self, kind: MessageType, len: usize) {
        self.plain_out.count(kind, len);
        add(&self.message_bytes_out[kind as usize], len as u64);
    }

    /// The numbers as they are now.
    pub(crate) fn snapshot(&self) -> MetricsSnapshot {
        let mut seen = self.read();
        self.plain_in.add_to(&mut seen.frames_in, &mut seen.messages_in, &mut seen.message_sizes_in);
        self.plain_out.add_to(&mut seen.frames_out, &mut seen.messages_out, &mut seen.message_sizes_out);
        seen
    }

    /// A message was queued whole. `len`: bytes of payload, before compression.
    #[inline]
    pub(crate) fn message_out(&self, kind: MessageType, len: u64) {
        add(&self.messages_out[kind as usize], 1);
        add(&self.message_bytes_out[kind as usize], len);
        add(&self.message_sizes_out[size_bucket(len)], 1);
    }

    /// So many frames were queued.
    pub(crate) fn frames_out(&self, opcode: OpCode, count: u64) {
        add(&self.frames_out[opcode as usize], count);
    }

    /// A message of `len` bytes was queued whole so many times.
    pub(crate) fn messages_out(&self, kind: MessageType, len: u64, count: u64) {
        add(&self.messages_out[kind as usize], count);
        add(&self.message_bytes_out[kind as usize], len.wrapping_mul(count));
        add(&self.message_sizes_out[size_bucket(len)], count);
    }

    /// A message that was deflated was queued so many times: bytes of payload before and after.
    pub(crate) fn all_compressed_out(&self, before: u64, after: u64, count: u64) {
        add(&self.compressed_messages_out, count);
        add(&self.compressed_plain_bytes_out, before.wrapping_mul(count));
        add(&self.compressed_wire_bytes_out, after.wrapping_mul(count));
    }

    /// A message was inflated: bytes of payload as it came, and as it was delivered.
    pub(crate) fn compressed_in(&self, wire: u64, inflated: u64) {
        add(&self.compressed_messages_in, 1);
        add(&self.compressed_wire_bytes_in, wire);
        add(&self.compressed_plain_bytes_in, inflated);
    }

    /// A message was deflated: bytes of payload before and after.
    pub(crate) fn compressed_out(&self, before: u64, after: u64) {
        add(&self.compressed_messages_out, 1);
        add(&self.compressed_plain_bytes_out, before);
        add(&self.compressed_wire_bytes_out, after);
    }

    /// A pong answered one of the engine's own pings.
    pub(crate) fn rtt(&self, ms: u32) {
        let bucket = RTT_BOUNDS.iter().position(|&bound| ms <= bound).unwrap_or(RTT_BOUNDS.len());
        add(&self.rtts[bucket], 1);
        add(&self.rtt_sum_ms, u64::from(ms));
    }
}

/// Queues and memory.
impl Metrics {
    /// Output was queued: so many bytes more, so many in that queue now.
    pub(crate) fn queued(&self, bytes: usize, queue_len: usize) {
        add(&self.queued_bytes, bytes as u64);
        if queue_len as u64 > self.queue_high_water.get() {
            self.queue_high_water.set(queue_len as u64); // hardly ever
        }
    }

    /// So many bytes were queued where nothing waited, so many times.
    pub(crate) fn queued_each(&self, bytes: usize, count: u64) {
        add(&self.queued_bytes, (bytes as u64).wrapping_mul(count));
        self.queue_high_water.update(|most| most.max(bytes as u64));
    }

    /// Output was written.
    pub(crate) fn taken(&self, bytes: usize) {
        subtract(&self.queued_bytes, bytes as u64);
        add(&self.wire_bytes_out, bytes as u64);
    }

    /// The host wrote a frame itself.
    pub(crate) fn written_by_host(&self, bytes: u64) {
        add(&self.wire_bytes_out, bytes);
    }

    /// The host wrote so many bytes less of it: they are queued.
    pub(crate) fn left_by_host(&self, bytes: u64) {
        self.wire_bytes_out.update(|written| written.saturating_sub(bytes));
    }

    /// A connection was freed with output that nobody took.
    pub(crate) fn discarded(&self, bytes: usize) {
        subtract(&self.queued_bytes, bytes as u64);
    }

    /// A message was refused for the lack of room.
    pub(crate) fn queue_full(&self) {
        add(&self.queue_full, 1);
    }

    /// What a connection keeps of its input between two calls: before, and now.
    pub(crate) fn held_input(&self, before: usize, now: usize) {
        subtract(&self.held_input_bytes, before as u64);
        add(&self.held_input_bytes, now as u64);
    }

    /// Bytes that all connections hold: input, messages under way, output.
    pub(crate) fn held_bytes(&self) -> usize {
        (self.queued_bytes.get() + self.held_input_bytes.get()) as usize // each of them is in memory
    }
}

/// Token streams.
impl Metrics {
    /// One was made.
    pub(crate) fn stream_made(&self) {
        add(&self.streams_open, 1);
    }

    /// One was freed.
    pub(crate) fn stream_freed(&self) {
        subtract(&self.streams_open, 1);
    }

    /// A message of one was made. `text_len`: bytes of text in it.
    pub(crate) fn stream_message(&self, text_len: usize) {
        add(&self.stream_messages, 1);
        add(&self.stream_text_bytes, text_len as u64);
    }
}

/// Ends.
impl Metrics {
    /// A connection that was open has ended.
    pub(crate) fn closed(&self, code: u16, clean: bool, initiator: Initiator) {
        let index = match code {
            1000..=1015 => usize::from(code - 1000),
            3000..=3999 => CLOSES_3000,
            4000..=4999 => CLOSES_4000,
            _ => CLOSES_OTHER,
        };
        add(&self.closes[index], 1);
        add(&self.closes_by[initiator as usize], 1);
        add(&self.closes_clean, u64::from(clean));
        subtract(&self.connections_open, 1);
    }

    /// A connection was freed while it was open.
    pub(crate) fn dropped(&self) {
        add(&self.connections_dropped, 1);
        subtract(&self.connections_open, 1);
    }

    /// The peer broke a rule.
    pub(crate) fn violated(&self, violation: Violation) {
        add(&self.violations[violation.index()], 1);
    }

    /// A deadline passed.
    pub(crate) fn expired(&self, expiry: Expiry) {
        add(&self.expiries[expiry as usize], 1);
    }
}

/// The bucket that a message of `len` bytes belongs to: the powers of four from 16 on.
#[inline]
fn size_bucket(len: u64) -> usize {
    let log = (len.saturating_sub(1) | 15).ilog2() as usize; // 3 up to 16 bytes, 4 up to 32, 5 up to 64
    ((log - 2) / 2).min(SIZE_BOUNDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_up_to_its_bound() {
        assert_eq!(size_bucket(0), 0);
        for bucket in 0..SIZE_BOUNDS {
            assert_eq!(size_bucket(size_bound(bucket)), bucket);
            assert_eq!(size_bucket(size_bound(bucket) + 1), bucket + 1);
        }
        assert_eq!(size_bound(SIZE_BOUNDS - 1), 256 << 20);
        assert_eq!(size_bucket(u64::MAX), SIZE_BOUNDS);
    }

    #[test]
    fn round_trips_fall_into_their_buckets() {
        let metrics = Metrics::default();
        for ms in [0, 1, 2, 3, 30_000, 30_001, u32::MAX] {
            metrics.rtt(ms);
        }
        let rtts = metrics.snapshot().rtts;
        assert_eq!((rtts[0], rtts[1], rtts[2], rtts[13], rtts[14]), (2, 1, 1, 1, 2));
        assert_eq!(metrics.snapshot().rtt_sum_ms, 6 + 60_001 + u64::from(u32::MAX));
    }

    #[test]
    fn every_refusal_and_expiry_has_a_counter_of_its_own() {
        let metrics = Metrics::default();
        for (count, &refusal) in Refusal::ALL.iter().enumerate() {
            for _ in 0..=count {
                metrics.refused(refusal);
            }
        }
        let refused = metrics.snapshot().handshakes_refused().collect::<Vec<_>>();
        assert_eq!(refused.len(), Refusal::ALL.len());
        for (i, (name, count)) in refused.into_iter().enumerate() {
            assert_eq!(count, i as u64 + 1, "{name}");
        }
        for expiry in Expiry::ALL {
            metrics.expired(expiry);
        }
        assert_eq!(metrics.snapshot().expiries().collect::<Vec<_>>(), Expiry::ALL.map(|expiry| (expiry.name(), 1)));
    }

    #[test]
    fn compression_counts_both_forms() {
        let metrics = Metrics::default();
        metrics.compressed_in(10, 100);
        metrics.compressed_out(300, 20);
        let seen = metrics.snapshot();
        assert_eq!((seen.compressed_messages_in, seen.compressed_messages_out), (1, 1));
        assert_eq!((seen.compressed_wire_bytes_in, seen.compressed_plain_bytes_in), (10, 100));
        assert_eq!((seen.compressed_wire_bytes_out, seen.compressed_plain_bytes_out), (20, 300));
    }
}
