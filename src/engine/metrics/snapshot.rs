//! The counters themselves: one table, as cells that an engine counts in and as plain numbers that may cross threads.

use std::cell::Cell;

use crate::engine::metrics::{CLOSES_OTHER, FAILURES, Plain};
use crate::expiry::Expiry;
use crate::handshake::refusal::Refusal;
use crate::violation::Violation;

/// A number or an array of numbers, and the cells that it is counted in.
pub(super) trait Count: Copy {
    type Cells;
    fn zero() -> Self::Cells;
    fn read(cells: &Self::Cells) -> Self;
    fn add(&mut self, other: &Self);
}

impl Count for u64 {
    type Cells = Cell<u64>;

    fn zero() -> Cell<u64> {
        Cell::new(0)
    }

    fn read(cells: &Cell<u64>) -> u64 {
        cells.get()
    }

    fn add(&mut self, other: &u64) {
        *self = self.wrapping_add(*other);
    }
}

impl<const N: usize> Count for [u64; N] {
    type Cells = [Cell<u64>; N];

    fn zero() -> [Cell<u64>; N] {
        [const { Cell::new(0) }; N]
    }

    fn read(cells: &[Cell<u64>; N]) -> [u64; N] {
        cells.each_ref().map(Cell::get)
    }

    fn add(&mut self, other: &[u64; N]) {
        for (number, other) in self.iter_mut().zip(other) {
            number.add(other);
        }
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        /// What an engine has counted so far: a copy, which may cross threads. Those of several engines are added with
        /// `+=`. Arrays have room for later versions; the methods give them with their labels.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct MetricsSnapshot {
            $($(#[$doc])* pub $name: $type,)*
        }

        /// What an engine counts in.
        pub(crate) struct Metrics {
            $(pub(super) $name: <$type as Count>::Cells,)*
            /// What is not in the counters above: [`Metrics::snapshot`] adds it.
            pub(super) plain_in: Plain,
            pub(super) plain_out: Plain,
        }

        impl Default for Metrics {
            fn default() -> Metrics {
                Metrics {
                    $($name: <$type as Count>::zero(),)*
                    plain_in: Plain::default(),
                    plain_out: Plain::default(),
                }
            }
        }

        impl Metrics {
            pub(super) fn read(&self) -> MetricsSnapshot {
                MetricsSnapshot { $($name: Count::read(&self.$name),)* }
            }
        }

        impl std::ops::AddAssign<&MetricsSnapshot> for MetricsSnapshot {
            /// Adds the counts of another engine. Of two high-water marks the higher one counts.
            fn add_assign(&mut self, other: &MetricsSnapshot) {
                let high_water = self.queue_high_water.max(other.queue_high_water);
                $(self.$name.add(&other.$name);)*
                self.queue_high_water = high_water;
            }
        }
    };
}

counters! {
    /// Connections that are open now: the handshake is complete, the end has not come.
    connections_open: u64,
    /// Handshakes that were completed: as server, as client.
    connections_opened: [u64; 2],
    /// Connections that were freed while they were open.
    connections_dropped: u64,
    /// Requests that were refused, by reason: [`MetricsSnapshot::handshakes_refused`].
    handshakes_refused: [u64; 64],
    /// Other handshakes that came to nothing: [`MetricsSnapshot::handshakes_failed`].
    handshakes_failed: [u64; 8],

    /// Bytes that came from peers, heads and headers included.
    wire_bytes_in: u64,
    /// Bytes that were taken to be written.
    wire_bytes_out: u64,
    /// Frames that came, by opcode (RFC 6455, 5.2): 9 are pings, 10 pongs.
    frames_in: [u64; 16],
    /// Frames that were queued, by opcode.
    frames_out: [u64; 16],
    /// Messages that came: text, binary.
    messages_in: [u64; 2],
    /// Messages that were queued: text, binary.
    messages_out: [u64; 2],
    /// Bytes of payload of those that came, inflated: text, binary.
    message_bytes_in: [u64; 2],
    /// Bytes of payload of those that were queued, before compression: text, binary.
    message_bytes_out: [u64; 2],
    /// Messages that came, by size: up to 16 bytes, 64, 256 and so on up to 256 MiB in the 13th; the 14th has the rest.
    message_sizes_in: [u64; 24],
    /// Messages that were queued, by size.
    message_sizes_out: [u64; 24],
    /// Messages that came compressed.
    compressed_messages_in: u64,
    /// Messages that were queued compressed.
    compressed_messages_out: u64,
    /// Payload of the compressed messages that came, in bytes, as it came.
    compressed_wire_bytes_in: u64,
    /// The same, inflated.
    compressed_plain_bytes_in: u64,
    /// Payload of the messages that were queued compressed, in bytes, as it was queued.
    compressed_wire_bytes_out: u64,
    /// The same, before compression.
    compressed_plain_bytes_out: u64,
    /// Round trips of the engine's own pings, by milliseconds: up to 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000,
    /// 5000, 10000, 30000; the 15th has the rest.
    rtts: [u64; 24],
    /// The sum of these round trips, in milliseconds.
    rtt_sum_ms: u64,

    /// Messages that were refused because a queue was full.
    queue_full: u64,
    /// The longest queue that any connection ever had, in bytes.
    queue_high_water: u64,
    /// Output that waits now, of all connections together, in bytes.
    queued_bytes: u64,
    /// Input that is kept now until more comes or a decision is made, heads of handshakes too, of all connections
    /// together, in bytes.
    held_input_bytes: u64,

    /// Token streams that are there now.
    streams_open: u64,
    /// Messages that token streams made.
    stream_messages: u64,
    /// Bytes of text in them, before JSON escapes any.
    stream_text_bytes: u64,

    /// Ends of connections that were open, by code: 1000 to 1015, 3000 to 3999, 4000 to 4999, others
    /// ([`MetricsSnapshot::closes`]).
    closes: [u64; 24],
    /// The same by who began: the peer, this end, nobody (the connection was lost).
    closes_by: [u64; 4],
    /// Those of them in which both sides sent a close frame.
    closes_clean: u64,
    /// Rules that peers broke: [`MetricsSnapshot::violations`].
    violations: [u64; 64],
    /// Deadlines that passed: [`MetricsSnapshot::expiries`].
    expiries: [u64; 8],
}

// Arrays are of fixed size in the C ABI: what has no room is found here.
const _: () = {
    assert!(Refusal::ALL.len() <= 64 && Violation::ALL.len() <= 64);
    assert!(Expiry::ALL.len() <= 8 && FAILURES.len() <= 8);
};

impl Default for MetricsSnapshot {
    /// Nothing: where a sum begins.
    fn default() -> MetricsSnapshot {
        Metrics::default().snapshot()
    }
}

impl std::iter::Sum<MetricsSnapshot> for MetricsSnapshot {
    fn sum<I: Iterator<Item = MetricsSnapshot>>(snapshots: I) -> MetricsSnapshot {
        snapshots.fold(MetricsSnapshot::default(), |mut sum, snapshot| {
            sum += &snapshot;
            sum
        })
    }
}

const CLOSE_LABELS: [&str; CLOSES_OTHER + 1] = [
    "1000", "1001", "1002", "1003", "1004", "1005", "1006", "1007", "1008", "1009", "1010", "1011", "1012", "1013",
    "1014", "1015", "3xxx", "4xxx", "other",
];

/// Counts with their labels.
impl MetricsSnapshot {
    /// Requests that a server refused, by reason.
    pub fn handshakes_refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Refusal::ALL.iter().map(|refusal| refusal.name()).zip(self.handshakes_refused)
    }

    /// Handshakes that failed otherwise: "status" and "answer" of clients, whose server refused or answered wrongly;
    /// "lost" of both, whose stream ended first.
    pub fn handshakes_failed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        FAILURES.into_iter().zip(self.handshakes_failed)
    }

    /// Ends of open connections, by code: "1000" to "1015", "3xxx", "4xxx", "other".
    pub fn closes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CLOSE_LABELS.into_iter().zip(self.closes)
    }

    /// Rules that peers broke. Those about limits count what the limits stopped.
    pub fn violations(&self) -> impl Iterator<Item = (Violation, u64)> {
        Violation::ALL.into_iter().zip(self.violations)
    }

    /// Deadlines that passed, by name.
    pub fn expiries(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Expiry::ALL.into_iter().map(Expiry::name).zip(self.expiries)
    }
}
