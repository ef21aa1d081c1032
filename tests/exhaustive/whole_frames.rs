//! Messages that come whole in one plain frame take a shorter way through the decoder: for all 65,536 first two bytes, and
//! lengths around every bound, that comes to the same as byte by byte, where only the long way can be taken.

use crate::{full, in_parallel, open_pair, take};
use wsengine::{Config, Engine, Event, MetricsSnapshot};

/// What came of it: events as text, output but for a client's masks, counters.
#[derive(Debug, PartialEq)]
struct Outcome {
    events: Vec<String>,
    output: Vec<u8>,
    metrics: MetricsSnapshot,
}

/// Gives it in pieces of this size to a connection of an engine of its own.
fn outcome(config: &Config, is_server: bool, bytes: &[u8], size: usize) -> Outcome {
    let engine = Engine::new(config);
    let (server, client) = open_pair(&engine);
    let mut conn = if is_server { server } else { client };
    let mut events = Vec::new();
    let mut seen = Vec::new();
    for piece in bytes.chunks(size) {
        conn.feed(piece).expect("nothing is pending");
        while let Some(event) = conn.next_event() {
            events.push(match event {
                Event::Close(close) => {
                    seen.push(close.code);
                    format!("{close:?}")
                }
                event => format!("{event:?}"),
            });
        }
        if !seen.is_empty() {
            break; // what follows the end is not counted the same
        }
    }
    let mut output = take(&mut conn);
    if !is_server {
        output.fill(0);
    }
    let mut metrics = engine.metrics();
    metrics.wire_bytes_in = 0; // of one that ended, only what was given before that
    Outcome { events, output, metrics }
}

fn check(config: &Config, bytes: &[u8]) {
    for is_server in [true, false] {
        let whole = outcome(config, is_server, bytes, usize::MAX);
        let single = outcome(config, is_server, bytes, 1);
        assert_eq!(
            whole,
            single,
            "{:x?}, to a {}",
            &bytes[..bytes.len().min(20)],
            if is_server { "server" } else { "client" }
        );
    }
}

/// The frame with this start and length field, a key if it says so, and so much payload: a text in which every byte counts.
fn frame(first: u8, second: u8, field: &[u8], payload: usize) -> Vec<u8> {
    let key: &[u8] = if second & 0x80 != 0 { &[0x20, 0, 0x20, 0] } else { &[] };
    let payload = (0..payload).map(|i| b'a' + (i % 23) as u8);
    [&[first, second], field, key].concat().into_iter().chain(payload).collect()
}

#[test]
fn a_whole_frame_is_decoded_like_one_that_comes_byte_by_byte() {
    let mut config = Config::new();
    config.set_max_frame_size(1_000).and_then(|config| config.set_max_message_size(900)).unwrap();
    let stride = if full() { 1 } else { 16 };
    in_parallel(256, |first| {
        // Every frame that can be a whole message, and of the others a sample.
        let is_message = matches!(first, 0x81 | 0x82);
        let seconds = (0..256).filter(|second| is_message || (first + second) % stride == 0 || second % 128 >= 125);
        for second in seconds.map(|second| second as u8) {
            let first = first as u8;
            match second & 0x7f {
                126 => {
                    for len in [0, 1, 125, 126, 127, 128, 256, 899, 900, 901, 1_000, 1_001_u16] {
                        check(&config, &frame(first, second, &len.to_be_bytes(), usize::from(len)));
                    }
                }
                127 => {
                    for len in [0, 1, 126, 900, 65_535, 65_536, 1 << 32, (1 << 63) - 1, 1 << 63, u64::MAX] {
                        check(&config, &frame(first, second, &len.to_be_bytes(), 900.min(len as usize)));
                    }
                }
                len => {
                    let len = usize::from(len);
                    for there in [len, len + 1, len.saturating_sub(1)] {
                        check(&config, &frame(first, second, &[], there));
                    }
                }
            }
        }
    });
}

/// Lengths in 64 bits that are right, where the limits let them pass.
#[test]
fn large_frames_are_decoded_alike() {
    let config = Config::new();
    for second in [127, 0xff] {
        for first in [0x81, 0x82] {
            for (len, there) in
                [(65_535_u64, 65_535), (65_536, 65_535), (65_536, 65_536), (65_537, 65_538), (1 << 20, 1 << 20)]
            {
                check_large(&config, &frame(first, second, &len.to_be_bytes(), there));
            }
            check_large(&config, &frame(first, second, &((1_u64 << 20) + 1).to_be_bytes(), 100));
        }
        for len in [65_534_u16, 65_535] {
            check_large(&config, &frame(0x81, second - 1, &len.to_be_bytes(), usize::from(len)));
        }
    }
}

fn check_large(config: &Config, bytes: &[u8]) {
    for is_server in [true, false] {
        let whole = outcome(config, is_server, bytes, usize::MAX);
        assert_eq!(whole, outcome(config, is_server, bytes, 30_000));
        assert_eq!(whole, outcome(config, is_server, bytes, 13));
    }
}
