//! The text that Prometheus reads (text-based exposition format, 0.0.4).

use std::fmt::{self, Display, Write};

use crate::engine::metrics::{MetricsSnapshot, RTT_BOUNDS, SIZE_BOUNDS, size_bound};
use crate::frame::OpCode;

const KINDS: [&str; 2] = ["text", "binary"];
const OPCODES: [(&str, OpCode); 6] = [
    ("continuation", OpCode::Continuation),
    ("text", OpCode::Text),
    ("binary", OpCode::Binary),
    ("close", OpCode::Close),
    ("ping", OpCode::Ping),
    ("pong", OpCode::Pong),
];

impl MetricsSnapshot {
    /// The counts in Prometheus's text format: names begin with `wsengine_`, units are bytes and seconds.
    ///
    /// ```
    /// # use wsengine::{Engine, MetricsSnapshot};
    /// # let engines = [Engine::default(), Engine::default()];
    /// let all: MetricsSnapshot = engines.iter().map(Engine::metrics).sum();
    /// assert!(all.to_prometheus().contains("\nwsengine_connections_open 0\n"));
    /// ```
    pub fn to_prometheus(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        self.write(&mut text).expect("a String takes everything");
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        self.write_connections(out)?;
        self.write_traffic(out)?;
        self.write_sizes_and_times(out)?;
        self.write_queues(out)?;
        self.write_ends(out)
    }

    fn write_connections(&self, out: &mut String) -> fmt::Result {
        gauge(out, "connections_open", "Connections that are open now.", self.connections_open)?;
        counters(
            out,
            "connections_opened_total",
            "Handshakes that were completed, by the role of this end.",
            "role",
            ["server", "client"].into_iter().zip(self.connections_opened),
        )?;
        counter(
            out,
            "connections_dropped_total",
            "Connections that were freed while they were open.",
            self.connections_dropped,
        )?;
        counters(
            out,
            "handshakes_refused_total",
            "Requests that were refused, by reason.",
            "reason",
            self.handshakes_refused(),
        )?;
        counters(
            out,
            "handshakes_failed_total",
            "Handshakes that failed otherwise: a server's refusal or wrong answer, a stream that ended.",
            "reason",
            self.handshakes_failed(),
        )
    }

    fn write_traffic(&self, out: &mut String) -> fmt::Result {
        counter(out, "received_bytes_total", "Bytes that came from peers.", self.wire_bytes_in)?;
        counter(out, "sent_bytes_total", "Bytes that were taken to be written.", self.wire_bytes_out)?;
        let by_opcode = |frames: [u64; 16]| OPCODES.map(|(name, opcode)| (name, frames[opcode as usize]));
        let frames_in = by_opcode(self.frames_in).into_iter();
        counters(out, "frames_received_total", "Frames that came, by opcode.", "opcode", frames_in)?;
        let frames_out = by_opcode(self.frames_out).into_iter();
        counters(out, "frames_sent_total", "Frames that were queued, by opcode.", "opcode", frames_out)?;
        let by_kind = |counts: [u64; 2]| KINDS.into_iter().zip(counts);
        counters(out, "messages_received_total", "Messages that came.", "type", by_kind(self.messages_in))?;
        counters(out, "messages_sent_total", "Messages that were queued.", "type", by_kind(self.messages_out))?;
        counters(
            out,
            "message_received_bytes_total",
            "Payload of messages that came, inflated.",
            "type",
            by_kind(self.message_bytes_in),
        )?;
        counters(
            out,
            "message_sent_bytes_total",
            "Payload of messages that were queued, before compression.",
            "type",
            by_kind(self.message_bytes_out),
        )?;
        let directions = |received, sent| [("received", received), ("sent", sent)].into_iter();
        counters(
            out,
            "compressed_messages_total",
            "Messages that were compressed.",
            "direction",
            directions(self.compressed_messages_in, self.compressed_messages_out),
        )?;
        counters(
            out,
            "compressed_wire_bytes_total",
            "Payload of compressed messages, as it is on the wire.",
            "direction",
            directions(self.compressed_wire_bytes_in, self.compressed_wire_bytes_out),
        )?;
        counters(
            out,
            "compressed_plain_bytes_total",
            "Payload of compressed messages, without the compression.",
            "direction",
            directions(self.compressed_plain_bytes_in, self.compressed_plain_bytes_out),
        )
    }

    fn write_sizes_and_times(&self, out: &mut String) -> fmt::Result {
        for (name, help, sizes, bytes) in [
            (
                "message_received_size_bytes",
                "Messages that came, by size.",
                self.message_sizes_in,
                self.message_bytes_in,
            ),
            (
                "message_sent_size_bytes",
                "Messages that were queued, by size.",
                self.message_sizes_out,
                self.message_bytes_out,
            ),
        ] {
            let bounds = (0..SIZE_BOUNDS).map(size_bound);
            let sum = bytes[0].wrapping_add(bytes[1]);
            histogram(out, name, help, bounds, &sizes[..=SIZE_BOUNDS], sum)?;
        }
        histogram(
            out,
            "ping_round_trip_seconds",
            "From a ping of the engine to its pong.",
            RTT_BOUNDS.into_iter().map(|ms| Seconds(u64::from(ms))),
            &self.rtts[..=RTT_BOUNDS.len()],
            Seconds(self.rtt_sum_ms),
        )
    }

    fn write_queues(&self, out: &mut String) -> fmt::Result {
        counter(out, "queue_full_total", "Messages that were refused for a full queue.", self.queue_full)?;
        gauge(
            out,
            "queue_high_water_bytes",
            "The longest output queue that any connection ever had.",
            self.queue_high_water,
        )?;
        gauge(out, "queued_bytes", "Output that waits now, of all connections.", self.queued_bytes)?;
        gauge(out, "held_input_bytes", "Input that is kept now until more comes.", self.held_input_bytes)?;
        gauge(out, "streams_open", "Token streams that are there now.", self.streams_open)?;
        counter(out, "stream_messages_total", "Messages that token streams made.", self.stream_messages)?;
        counter(out, "stream_text_bytes_total", "Text in messages of token streams.", self.stream_text_bytes)
    }

    fn write_ends(&self, out: &mut String) -> fmt::Result {
        counters(
            out,
            "closes_total",
            "Ends of open connections, by close code; 1006 is a lost one.",
            "code",
            self.closes(),
        )?;
        counters(
            out,
            "closes_begun_total",
            "Ends of open connections, by who began.",
            "by",
            ["peer", "us", "nobody"].into_iter().zip(self.closes_by),
        )?;
        counter(
            out,
            "closes_clean_total",
            "Ends of open connections in which both sides sent a close frame.",
            self.closes_clean,
        )?;
        counters(
            out,
            "protocol_errors_total",
            "Rules that peers broke, limits included.",
            "rule",
            self.violations().map(|(violation, count)| (violation.name(), count)),
        )?;
        counters(out, "timeouts_total", "Deadlines that passed.", "deadline", self.expiries())
    }
}

/// Milliseconds, written as seconds without rounding.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0 / 1000)?;
        match self.0 % 1000 {
            0 => Ok(()),
            ms => write!(f, ".{}", format!("{ms:03}").trim_end_matches('0')),
        }
    }
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) -> fmt::Result {
    write!(out, "# HELP wsengine_{name} {help}\n# TYPE wsengine_{name} {kind}\n")
}

fn gauge(out: &mut String, name: &str, help: &str, value: u64) -> fmt::Result {
    head(out, name, help, "gauge")?;
    writeln!(out, "wsengine_{name} {value}")
}

fn counter(out: &mut String, name: &str, help: &str, value: u64) -> fmt::Result {
    head(out, name, help, "counter")?;
    writeln!(out, "wsengine_{name} {value}")
}

/// One counter for each value of a label. Those that are zero are there, too, so that a rate can be made of the first.
fn counters<'a>(
    out: &mut String,
    name: &str,
    help: &str,
    label: &str,
    values: impl Iterator<Item = (&'a str, u64)>,
) -> fmt::Result {
    head(out, name, help, "counter")?;
    for (value, count) in values {
        writeln!(out, "wsengine_{name}{{{label}=\"{value}\"}} {count}")?;
    }
    Ok(())
}

/// `counts` has one more than `bounds`, and each for itself; Prometheus wants them added up.
fn histogram<B: Display>(
    out: &mut String,
    name: &str,
    help: &str,
    bounds: impl Iterator<Item = B>,
    counts: &[u64],
    sum: impl Display,
) -> fmt::Result {
    head(out, name, help, "histogram")?;
    let mut total = 0u64;
    for (bound, count) in bounds.zip(counts) {
        total = total.wrapping_add(*count);
        writeln!(out, "wsengine_{name}_bucket{{le=\"{bound}\"}} {total}")?;
    }
    total = total.wrapping_add(counts.last().copied().unwrap_or(0));
    writeln!(out, "wsengine_{name}_bucket{{le=\"+Inf\"}} {total}")?;
    write!(out, "wsengine_{name}_sum {sum}\nwsengine_{name}_count {total}\n")
}

#[cfg(test)]
mod tests {
    use super::Seconds;

    #[test]
    fn seconds_are_exact() {
        let text = [0, 1, 20, 500, 1_000, 2_050, 30_000, u64::MAX].map(|ms| Seconds(ms).to_string());
        assert_eq!(text, ["0", "0.001", "0.02", "0.5", "1", "2.05", "30", "18446744073709551.615"]);
    }
}
