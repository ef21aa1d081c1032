//! What a hostile peer can make a connection hold, counted by the allocator at its peak: it follows from the limits,
//! whatever comes, however much of it, however it is cut, and although nobody takes the output.
#![allow(unsafe_code)]

#[allow(dead_code)]
#[path = "shared/collector.rs"]
mod collector;

#[allow(dead_code)]
#[path = "protocol/support.rs"]
mod support;

#[allow(dead_code)]
#[path = "shared/ways.rs"]
mod ways;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use collector::configs_with;
use proptest::prelude::*;
use support::{KEY, masked, masked_part, raw_frame};
use ways::Way;
use wsengine::{Config, Connection, Engine};

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Counts the bytes that this thread's test holds, and the most that it ever held.
struct Counting;

fn count(bytes: isize) {
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + bytes);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: everything is passed on to the system's allocator. Growing is left to the default, which allocates and copies:
// the dearest way there is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MAX_MESSAGE: usize = 8 * 1024;
const MAX_HEAD: usize = 2 * 1024;
const MAX_PIECE: usize = 4 * 1024;

/// A message that grows by doubling, two pieces of input, a head, a chunk of output, and the engine itself.
const BOUND: isize = 3 * MAX_MESSAGE as isize + 2 * MAX_PIECE as isize + 2 * MAX_HEAD as isize + (16 + 8) * 1024;

/// An inflator (48 KB), and what it remembers of a message: at most what that was inflated to (RFC 7692, 7.2.2).
const BOUND_WITH_COMPRESSION: isize = BOUND + 52 * 1024 + MAX_MESSAGE as isize;

/// And with context takeover: a window of earlier messages, which may be moved as it grows.
const BOUND_WITH_TAKEOVER: isize = BOUND_WITH_COMPRESSION + 2 * 32 * 1024;

/// A compressor of the default size.
const DEFLATOR: isize = 300 * 1024;

/// The request of the tests, with an offer that a server with compression takes.
fn request() -> Vec<u8> {
    format!("{}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", support::REQUEST_LINES).into_bytes()
}

/// The most that a server and its engine hold while this arrives in pieces of these sizes, by the dearest way in. The
/// host's own copy counts, where it lends one.
fn peak(config: &Config, bytes: &[u8], sizes: &[usize]) -> isize {
    let ways = [Way::Copied, Way::LentFor(0), Way::Received(0)];
    ways.map(|way| peak_by(way, config, bytes, sizes)).into_iter().max().unwrap()
}

fn peak_by(way: Way, config: &Config, bytes: &[u8], sizes: &[usize]) -> isize {
    let mut config = config.clone();
    config.set_max_message_size(MAX_MESSAGE as u64).and_then(|config| config.set_max_head_size(MAX_HEAD)).unwrap();
    let before = LIVE.get();
    PEAK.set(before);
    let mut conn = Connection::server(&Engine::new(&config));
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        let (piece, behind) = rest.split_at((*size).clamp(1, MAX_PIECE).min(rest.len()));
        way.bring(&mut conn, piece, |_| {}).unwrap();
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    PEAK.get() - before
}

#[track_caller]
fn assert_bounded(what: &str, bytes: &[u8], sizes: &[usize]) {
    let takeover = configs_with(true).into_iter().map(|mut config| {
        config.set_context_takeover(true, true);
        config
    });
    for (bound, configs) in [
        (BOUND, configs_with(false)),
        (BOUND_WITH_COMPRESSION, configs_with(true)),
        (BOUND_WITH_TAKEOVER, takeover.collect()),
    ] {
        for config in configs {
            let peak = peak(&config, bytes, sizes);
            assert!(peak <= bound, "{what}: {peak} bytes, and {bound} are allowed, with {config:?}");
        }
    }
}

/// Far more than the bound, of each kind.
const FLOOD: usize = 512 * 1024;

fn flood_of(frames: &[u8]) -> Vec<u8> {
    [request(), frames.repeat(FLOOD / frames.len())].concat()
}

#[test]
fn floods_of_everything_are_bounded() {
    let piece = [MAX_PIECE];
    assert_bounded("a head without an end", &b"GET / HTTP/1.1\r\nA: ".repeat(FLOOD / 19), &piece);
    assert_bounded("messages", &flood_of(&masked(2, &[1; MAX_MESSAGE])), &piece);
    assert_bounded("pings whose pongs nobody takes", &flood_of(&masked(9, &[1; 125])), &piece);
    assert_bounded("pongs", &flood_of(&masked(10, b"x")), &piece);
    assert_bounded("small messages", &flood_of(&masked(1, b"x")), &piece);
    assert_bounded("half messages", &flood_of(&[masked_part(2, b"x"), masked(0, b"y")].concat()), &piece);
    let start = [request(), masked_part(2, b"x")].concat();
    let endless = |part: Vec<u8>| [start.clone(), part.repeat(FLOOD / part.len())].concat();
    assert_bounded("fragments without an end", &endless(masked_part(0, b"y")), &piece);
    assert_bounded("large fragments without an end", &endless(masked_part(0, &[1; 1000])), &piece);
    assert_bounded("empty fragments without an end", &endless(masked_part(0, b"")), &piece);
    assert_bounded("pings inside a message", &endless(masked(9, &[1; 100])), &[1000, 7]);
    assert_bounded("bytes after a mistake", &flood_of(&[0xff]), &piece);
    let compressed = |first: u8, payload: &[u8]| raw_frame(first, payload, Some(KEY));
    assert_bounded("compressed messages", &flood_of(&compressed(0xc2, &bomb(30))), &piece);
    assert_bounded("compressed messages of one byte", &flood_of(&compressed(0xc1, &[0x4a, 0x04, 0])), &piece);
    let start = [request(), compressed(0x42, &bomb(10))].concat();
    let endless = |part: Vec<u8>| [start.clone(), part.repeat(FLOOD / part.len())].concat();
    assert_bounded("compressed fragments without an end", &endless(masked_part(0, &[0x4a, 0x04, 0])), &piece);
    assert_bounded("empty stored blocks without an end", &endless(masked_part(0, &[0, 0, 0, 0xff, 0xff])), &piece);
}

/// Bytes that do not shrink.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// An application that answers everything, and a peer that takes nothing: the queue is full in the end, compressed or
/// not, and a compressor is all that comes to it.
#[test]
fn answers_that_nobody_takes_are_bounded() {
    const MAX_QUEUED: usize = 64 * 1024;
    for (own_takeover, max_connection) in [(false, 1 << 20), (true, 1 << 20), (false, 32 * 1024), (true, 32 * 1024)] {
        let mut config = Config::new();
        config.set_compression(true).set_context_takeover(own_takeover, false);
        config
            .set_max_queued_bytes(MAX_QUEUED)
            .and_then(|config| config.set_max_connection_bytes(max_connection))
            .unwrap();
        let noise: Vec<_> = (0..6).map(|seed| noise(MAX_MESSAGE, seed)).collect(); // more than a window of it
        let before = LIVE.get();
        PEAK.set(before);
        let mut conn = Connection::server(&Engine::new(&config));
        let (mut refused, mut answers) = (0, noise.iter().cycle());
        for piece in [request(), masked(1, b"x").repeat(500)].concat().chunks(MAX_PIECE) {
            let _ = conn.feed(piece);
            while let Some((_, outbound)) = conn.next_event_and_outbound() {
                refused += usize::from(answers.next().is_some_and(|noise| outbound.queue_binary(noise).is_err()));
            }
        }
        let (peak, queued) = (PEAK.get() - before, conn.outbound().queued_bytes());
        assert!(refused > 400 && queued <= MAX_QUEUED.min(max_connection), "{refused} refused, {queued} bytes wait");
        // Blocks of output may be half full; one message is on its way to them.
        let bound = BOUND + DEFLATOR + 2 * (queued + MAX_MESSAGE) as isize;
        assert!(peak <= bound, "{peak} bytes, and {bound} are allowed");
    }
}

/// 158 bytes for each that comes: a block of fixed Huffman codes (RFC 1951, 3.2.6), a zero and then the longest match
/// again and again.
fn bomb(matches: usize) -> Vec<u8> {
    let mut bits = Vec::new();
    bits.extend([0, 1, 0]); // BFINAL 0, BTYPE 01 with its low bit first
    bits.extend([0, 0, 1, 1, 0, 0, 0, 0]); // literal 0
    for _ in 0..matches {
        bits.extend([1, 1, 0, 0, 0, 1, 0, 1]); // length 258
        bits.extend([0, 0, 0, 0, 0]); // distance 1
    }
    bits.extend([0; 7]); // the end of the block
    bits.extend([0, 0, 0]); // an empty stored block, whose 00 00 ff ff is left out
    bits.chunks(8).map(|byte| byte.iter().enumerate().fold(0, |byte, (i, bit)| byte | bit << i)).collect()
}

#[test]
fn deflate_bombs_are_bounded() {
    for matches in [40, 4_000, 40_000] {
        let bytes = [request(), raw_frame(0xc2, &bomb(matches), Some(KEY))].concat();
        for sizes in [&[MAX_PIECE][..], &[1, 100, 3]] {
            assert_bounded("a bomb", &bytes, sizes);
        }
        let parts = bomb(matches);
        let mut in_fragments = [request(), raw_frame(0x42, &[], Some(KEY))].concat();
        parts.chunks(100).for_each(|part| in_fragments.extend(masked_part(0, part)));
        assert_bounded("a bomb in fragments", &in_fragments, &[MAX_PIECE]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_frames_are_bounded(
        frames in proptest::collection::vec((any::<u8>(), 0..3_000usize, 1..100usize), 1..6),
        sizes in proptest::collection::vec(1..MAX_PIECE, 1..10),
        config in proptest::sample::select(configs_with(false)),
    ) {
        let mut bytes = request();
        for (first, len, times) in frames {
            let len = if first & 8 != 0 { len.min(125) } else { len };
            bytes.extend(raw_frame(first & 0x8f, &vec![b'x'; len], Some(KEY)).repeat(times));
        }
        let peak = peak(&config, &bytes, &sizes);
        prop_assert!(peak <= BOUND, "{} bytes", peak);
    }
}
