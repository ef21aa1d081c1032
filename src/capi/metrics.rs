//! Metrics

use std::ffi::c_char;

use crate::capi::engine::ws_engine;
use crate::capi::guard::{SizedByCaller, lend, out, sized, slice, stateless, with, write_text};
use crate::capi::status::ws_status;
use crate::engine::metrics::MetricsSnapshot;
use crate::error::Error;
use crate::handshake::refusal::Refusal;
use crate::violation::Violation;

/// What an engine has counted so far. A copy: it may cross threads, be added to others and be kept. Numbers only
/// grow, except those that say "now". Arrays have room for later versions, and zeros there.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ws_metrics {
    /// `sizeof(ws_metrics)`, set before the call: see the conventions.
    pub struct_size: usize,

    /// Connections that are open now: the handshake is complete, the end has not come.
    pub connections_open: u64,
    /// Handshakes that were completed: as server, as client.
    pub connections_opened: [u64; 2],
    /// Connections that were freed while they were open.
    pub connections_dropped: u64,
    /// Requests that a server refused, by reason; the name of each: ws_metrics_refusal_name().
    pub handshakes_refused: [u64; 64],
    /// Other handshakes that came to nothing. 0: the server answered a client with another status than 101. 1: its
    /// answer breaks a rule. 2, of both roles: the stream ended first.
    pub handshakes_failed: [u64; 8],

    /// Bytes that came from peers, heads and headers included.
    pub wire_bytes_in: u64,
    /// Bytes that were taken to be written.
    pub wire_bytes_out: u64,
    /// Frames that came, by opcode (RFC 6455, 5.2): 9 are pings, 10 pongs.
    pub frames_in: [u64; 16],
    /// Frames that were queued, by opcode.
    pub frames_out: [u64; 16],
    /// Messages that came: text, binary.
    pub messages_in: [u64; 2],
    /// Messages that were queued: text, binary.
    pub messages_out: [u64; 2],
    /// Bytes of payload of those that came, inflated: text, binary.
    pub message_bytes_in: [u64; 2],
    /// Bytes of payload of those that were queued, before compression: text, binary.
    pub message_bytes_out: [u64; 2],
    /// Messages that came, by size: up to 16 bytes, 64, 256 and so on up to 256 MiB in the 13th; the 14th has the
    /// rest.
    pub message_sizes_in: [u64; 24],
    /// Messages that were queued, by size.
    pub message_sizes_out: [u64; 24],
    /// Messages that came compressed.
    pub compressed_messages_in: u64,
    /// Messages that were queued compressed.
    pub compressed_messages_out: u64,
    /// Payload of the compressed messages that came, in bytes, as it came.
    pub compressed_wire_bytes_in: u64,
    /// The same, inflated.
    pub compressed_plain_bytes_in: u64,
    /// Payload of the messages that were queued compressed, in bytes, as it was queued.
    pub compressed_wire_bytes_out: u64,
    /// The same, before compression.
    pub compressed_plain_bytes_out: u64,
    /// Round trips of the engine's own pings, by milliseconds: up to 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000,
    /// 5000, 10000, 30000; the 15th has the rest.
    pub rtts: [u64; 24],
    /// The sum of these round trips, in milliseconds.
    pub rtt_sum_ms: u64,

    /// Messages that were refused with #WS_ERR_QUEUE_FULL.
    pub queue_full: u64,
    /// The longest queue that any connection ever had, in bytes.
    pub queue_high_water: u64,
    /// Output that waits now, of all connections together, in bytes.
    pub queued_bytes: u64,
    /// Input that is kept now until more comes or a decision is made, heads of handshakes too, of all connections
    /// together, in bytes.
    pub held_input_bytes: u64,

    /// Token streams that are there now.
    pub streams_open: u64,
    /// Messages that token streams made.
    pub stream_messages: u64,
    /// Bytes of text in them, before JSON escapes any.
    pub stream_text_bytes: u64,

    /// Ends of connections that were open, by code: 1000 to 1015, then 3000 to 3999, 4000 to 4999, and others. 1006
    /// are lost ones, 1005 those whose close frame had no code.
    pub closes: [u64; 24],
    /// The same by who began, a ::ws_close_initiator.
    pub closes_by: [u64; 4],
    /// Those of them in which both sides sent a close frame.
    pub closes_clean: u64,
    /// Rules that peers broke, limits included; the name of each: ws_metrics_violation_name().
    pub violations: [u64; 64],
    /// Deadlines that passed. 0: the server's answer to a client's request. 1: heartbeat, no sign of life after a
    /// ping. 2: idle. 3: maximum lifetime. 4: close. 5: write stall. Requests that were late are among those refused.
    pub expiries: [u64; 8],
}

impl SizedByCaller for ws_metrics {}

/// Copies what an engine has counted so far. Call it on the engine's thread; the copy may go to another.
///
/// @param engine   an engine
/// @param metrics  receives the numbers; its struct_size must be set
/// @return #WS_OK; #WS_ERR_INVALID_ARGUMENT for NULL, or a struct_size that is too small
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_metrics_get(engine: *mut ws_engine, metrics: *mut ws_metrics) -> ws_status {
    with(engine, |engine| {
        sized(metrics)?;
        let place = out(metrics)?;
        *place = to_c(engine.engine.metrics(), place.struct_size);
        Ok(ws_status::WS_OK)
    })
}

/// Writes the sum of what several engines counted as Prometheus's text format (text/plain; version=0.0.4): names
/// begin with `wsengine_`, units are bytes and seconds. Stateless: take a copy on each engine's thread, send the
/// copies to the thread that answers `/metrics`, and render them there; no count is read while it changes. Of the
/// high-water marks the highest counts, everything else is added.
///
/// @param list      pointers to count copies of ws_metrics_get(); NULL if count is 0
/// @param count     their number; with 0, everything is zero
/// @param buffer    receives the text, NUL-terminated; may be NULL if capacity is 0
/// @param capacity  room for bytes, the NUL included; 32 KiB are enough as a rule
/// @param len       receives the length of the text without the NUL, also when it did not fit
/// @return #WS_OK; #WS_ERR_BUFFER_TOO_SMALL if capacity is not above *len, and then buffer has the empty text;
///         #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_metrics_render(
    list: *const *const ws_metrics,
    count: usize,
    buffer: *mut c_char,
    capacity: usize,
    len: *mut usize,
) -> ws_status {
    stateless(ws_status::WS_ERR_INTERNAL, || render(list, count, buffer, capacity, len).unwrap_or_else(ws_status::from))
}

fn render(
    list: *const *const ws_metrics,
    count: usize,
    buffer: *mut c_char,
    capacity: usize,
    len: *mut usize,
) -> Result<ws_status, Error> {
    let len = out(len)?;
    if buffer.is_null() && capacity > 0 {
        return Err(Error::InvalidArgument("NULL with a capacity above 0"));
    }
    let mut sum = MetricsSnapshot::default();
    for &metrics in slice(list, count)? {
        sum += &from_c(sized(metrics)?);
    }
    let text = sum.to_prometheus();
    *len = text.len();
    if text.len() >= capacity {
        write_text("", buffer, capacity);
        return Ok(ws_status::WS_ERR_BUFFER_TOO_SMALL);
    }
    write_text(&text, buffer, capacity);
    Ok(ws_status::WS_OK)
}

/// The reason that a place in ws_metrics::handshakes_refused counts, as the label `reason` has it.
///
/// @param index  from 0 on
/// @param name   receives a static text such as "origin_forbidden"
/// @param len    receives its length in bytes
/// @return #WS_OK; #WS_ERR_NOT_FOUND behind the last; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_metrics_refusal_name(index: usize, name: *mut *const c_char, len: *mut usize) -> ws_status {
    lend_name(Refusal::ALL.get(index).map(|refusal| refusal.name()), name, len)
}

/// The rule that a place in ws_metrics::violations counts, as the label `rule` has it.
///
/// @param index  from 0 on
/// @param name   receives a static text such as "frame_too_big"
/// @param len    receives its length in bytes
/// @return #WS_OK; #WS_ERR_NOT_FOUND behind the last; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_metrics_violation_name(
    index: usize,
    name: *mut *const c_char,
    len: *mut usize,
) -> ws_status {
    lend_name(Violation::ALL.get(index).map(|violation| violation.name()), name, len)
}

fn lend_name(known: Option<&'static str>, name: *mut *const c_char, len: *mut usize) -> ws_status {
    stateless(ws_status::WS_ERR_INTERNAL, || match known {
        Some(known) => lend(known.as_bytes(), name, len).unwrap_or_else(ws_status::from),
        None => ws_status::WS_ERR_NOT_FOUND,
    })
}

/// Both ways, field by field: the names are the same.
macro_rules! conversions {
    ($($field:ident),* $(,)?) => {
        fn to_c(metrics: MetricsSnapshot, struct_size: usize) -> ws_metrics {
            ws_metrics { struct_size, $($field: metrics.$field,)* }
        }

        fn from_c(metrics: &ws_metrics) -> MetricsSnapshot {
            MetricsSnapshot { $($field: metrics.$field,)* }
        }
    };
}

conversions! {
    connections_open,
    connections_opened,
    connections_dropped,
    handshakes_refused,
    handshakes_failed,
    wire_bytes_in,
    wire_bytes_out,
    frames_in,
    frames_out,
    messages_in,
    messages_out,
    message_bytes_in,
    message_bytes_out,
    message_sizes_in,
    message_sizes_out,
    compressed_messages_in,
    compressed_messages_out,
    compressed_wire_bytes_in,
    compressed_plain_bytes_in,
    compressed_wire_bytes_out,
    compressed_plain_bytes_out,
    rtts,
    rtt_sum_ms,
    queue_full,
    queue_high_water,
    queued_bytes,
    held_input_bytes,
    streams_open,
    stream_messages,
    stream_text_bytes,
    closes,
    closes_by,
    closes_clean,
    violations,
    expiries,
}
