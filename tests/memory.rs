//! What connections cost while they wait, counted by the allocator: an idle one next to nothing, and one whose peer
//! stopped in the middle of something not much more than that something.
#![allow(unsafe_code)]

#[allow(dead_code)]
#[path = "shared/ways.rs"]
mod ways;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use ways::Way;

use wsengine::{Config, Connection, Engine, MessageType, Prepared, State};

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

/// Counts the bytes that this thread's tests hold.
struct Counting;

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = LIVE.try_with(|live| live.set(live.get() + layout.size() as isize));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = LIVE.try_with(|live| live.set(live.get() - layout.size() as isize));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The first ones fill the engine's pools, which are there once, however many connections there are. Timers are allocated
/// 64 at a time.
const WARM_UP: usize = 64;
const CONNECTIONS: usize = 64;
const KEY: [u8; 4] = [0; 4]; // masks nothing
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

fn frame(first: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    match len {
        0..126 => bytes.push(0x80 | len as u8),
        126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(KEY);
    bytes.extend(std::iter::repeat_n(b'x', len));
    bytes
}

/// A message as a compressor may send it (RFC 7692, 7.2.1): stored blocks, and an empty one without its last four bytes.
fn stored(data: &[u8]) -> Vec<u8> {
    let block = |data: &[u8]| {
        let len = data.len() as u16;
        [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), data].concat()
    };
    let payload = [data.chunks(60_000).map(block).collect::<Vec<_>>().concat(), vec![0]].concat();
    let mut bytes = frame(0xc2, payload.len());
    let start = bytes.len() - payload.len();
    bytes[start..].copy_from_slice(&payload);
    bytes
}

fn feed(conn: &mut Connection, bytes: &[u8]) {
    conn.feed(bytes).unwrap();
    while conn.next_event().is_some() {}
}

/// Bytes held for each of many open connections that were each fed these pieces, their output taken.
fn bytes_per_connection(pieces: &[&[u8]]) -> usize {
    held(&Config::new(), |conn| pieces.iter().for_each(|piece| feed(conn, piece)))
}

/// Bytes held for each of many open connections with which this was done, their output taken.
fn held(config: &Config, traffic: impl Fn(&mut Connection)) -> usize {
    held_on(config, |_, conn| traffic(conn))
}

/// The same, where the traffic may be of other connections too.
fn held_on(config: &Config, traffic: impl Fn(&Engine, &mut Connection)) -> usize {
    let engine = Engine::new(config);
    let mut connections = Vec::with_capacity(WARM_UP + CONNECTIONS);
    let mut before = 0;
    for i in 0..WARM_UP + CONNECTIONS {
        if i == WARM_UP {
            before = LIVE.get();
        }
        let mut conn = Connection::server(&engine);
        feed(&mut conn, REQUEST);
        traffic(&engine, &mut conn);
        let waiting = conn.outbound().queued_bytes();
        conn.outbound().output_consume(waiting).unwrap();
        connections.push(conn);
    }
    (LIVE.get() - before) as usize / CONNECTIONS + size_of::<Connection>()
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    let fresh = bytes_per_connection(&[]);
    assert!(fresh <= 116, "{fresh} bytes; with the allocator's own, see memory_idle");
    let after_traffic = bytes_per_connection(&[&frame(0x81, 100_000), &frame(0x82, 1_000_000), b"\x89\x80\0\0\0\0"]);
    assert!(after_traffic == fresh, "{after_traffic} bytes, and {fresh} before any traffic");
}

/// Large reads, a message in fragments, and then half a header: none of the read's memory stays.
#[test]
fn half_a_header_holds_no_read_buffer() {
    let mut read = frame(0x01, 300_000);
    read.extend(frame(0x80, 70_000));
    read.extend([0x81, 0xfe]);
    let held = bytes_per_connection(&[&read]);
    assert!(held < 1_000, "{held} bytes");
}

/// A frame that announces a megabyte and brings a byte does not get a megabyte.
#[test]
fn memory_grows_with_what_arrives_not_with_what_is_announced() {
    let mut announced = frame(0x82, 1_000_000);
    announced.truncate(14 + 1);
    let held = bytes_per_connection(&[&announced]);
    assert!(held < 6_000, "{held} bytes");
}

/// Whichever way a large message came, and whatever was lent for it: nothing of it stays.
#[test]
fn an_idle_connection_holds_nothing_whichever_way_its_input_came() {
    let fresh = bytes_per_connection(&[]);
    let message = frame(0x82, 1024 * 1024);
    for way in [Way::LentFor(0), Way::Received(0)] {
        for size in [100_000, message.len()] {
            let after = held(&Config::new(), |conn| {
                for piece in message.chunks(size) {
                    way.bring(conn, piece, |_| {}).unwrap();
                }
            });
            assert_eq!(after, fresh, "{way:?} in reads of {size}");
        }
    }
    for min in [0, 1, 600_000] {
        let given_back = held(&Config::new(), |conn| {
            assert!(conn.recv_buffer(min).unwrap().len() >= min);
            conn.commit(0).unwrap();
        });
        assert_eq!(given_back, fresh, "at least {min}");
    }
    let half_a_header = held(&Config::new(), |conn| {
        Way::Received(0).bring(conn, &frame(0x82, 1024 * 1024)[..5], |_| {}).unwrap();
    });
    assert!(half_a_header < 1_000, "{half_a_header} bytes");
}

/// What waits for a decision, or for the host to read on, is not kept in the receive buffer.
#[test]
fn input_that_waits_holds_no_receive_buffer() {
    let mut config = Config::new();
    config.set_manual_accept(true);
    let asking = held(&config, |_| {});
    for way in [Way::Lent, Way::Received(0)] {
        let behind = held(&config, |conn| way.bring(conn, &frame(0x82, 100), |_| {}).unwrap());
        assert!(behind <= asking + 1_000, "{behind} bytes, {way:?}");
    }
    let mut config = Config::new();
    config.set_water_marks(1, 2).unwrap();
    let held_back = held(&config, |conn| {
        conn.outbound().queue_binary(b"above the high mark").unwrap();
        conn.set_reading(false);
        Way::Received(0).bring(conn, &frame(0x82, 100), |_| {}).unwrap();
    });
    assert!(held_back <= 2_000, "{held_back} bytes");
}

const PAGE: usize = 4096;

/// A peer that announces a megabyte and stops: twice what came, and a page.
#[test]
fn memory_follows_what_came_whichever_way_it_came() {
    let fresh = bytes_per_connection(&[]);
    let message = frame(0x82, 1024 * 1024);
    for way in [Way::Copied, Way::Received(0)] {
        for came in [1, 5_000, 40_000, 150_000] {
            for size in [4_000, 40_000] {
                let held = held(&Config::new(), |conn| {
                    for piece in message[..14 + came].chunks(size) {
                        way.bring(conn, piece, |_| {}).unwrap();
                    }
                });
                let most = fresh + 2 * came + PAGE + 1_000;
                assert!(held <= most, "{held} bytes for {came}, {way:?} in reads of {size}");
            }
            let lent = held(&Config::new(), |conn| {
                way.bring(conn, &message[..14 + came], |_| {}).unwrap();
                conn.recv_buffer(0).unwrap();
                conn.commit(0).unwrap();
            });
            assert!(lent <= fresh + 2 * came + PAGE + 1_000, "{lent} bytes for {came}, lent once more");
        }
    }
}

/// The same while other peers bring large messages to their end, whose buffers the engine keeps for the next ones.
#[test]
fn a_peer_that_stops_does_not_keep_what_another_left() {
    let message = frame(0x82, 1024 * 1024);
    let fresh = bytes_per_connection(&[]);
    for came in [1, 40_000] {
        let held = held_on(&Config::new(), |engine, conn| {
            let mut other = Connection::server(engine);
            feed(&mut other, REQUEST);
            feed(&mut other, &message[..100]);
            feed(&mut other, &message[100..]);
            feed(conn, &message[..14 + came]);
        });
        assert!(held <= fresh + 2 * came + PAGE + 1_000, "{held} bytes for {came}");
    }
}

/// What an engine keeps when all is over: a receive buffer, eight buffers of large messages of at most 2 MiB, and
/// small ones; however many there were at once.
#[test]
fn an_engine_keeps_few_buffers() {
    const SMALL: isize = 2 * 16 * 64 * 1024 + 64 * 16 * 1024;
    let mut config = Config::new();
    config.set_max_frame_size(8 << 20).and_then(|config| config.set_max_message_size(8 << 20)).unwrap();
    for len in [1 << 20, 2_000_000, 6 << 20] {
        let message = frame(0x82, len);
        let before = LIVE.get();
        let engine = Engine::new(&config);
        let mut connections: Vec<_> = (0..12).map(|_| Connection::server(&engine)).collect();
        for piece in [REQUEST, &message[..100], &message[100..500_000], &message[500_000..]] {
            for conn in &mut connections {
                Way::Received(0).bring(conn, piece, |_| {}).unwrap();
            }
        }
        assert!(connections.iter().all(|conn| conn.state() == State::Open && !conn.has_events()));
        drop(connections);
        let kept = LIVE.get() - before;
        let most = 512 * 1024 + 8 * (2 << 20) + SMALL;
        assert!(kept <= most, "{kept} bytes after messages of {len}");
        let large = if len > 2 << 20 { 0 } else { len as isize };
        assert!(kept >= 512 * 1024 + large, "{kept} bytes after messages of {len}: nothing is kept for the next");

        for seconds in 1..4 {
            engine.advance(seconds * 1_000);
        }
        let kept = LIVE.get() - before;
        assert!(kept <= 512 * 1024 + SMALL, "{kept} bytes that nobody needed for seconds");
    }
}

/// However a message that was under way ends, its buffer is there for another one.
#[test]
fn the_buffer_of_a_message_that_was_cut_off_is_kept() {
    let message = frame(0x82, 1 << 20);
    let engine = Engine::default();
    let begin = || {
        let mut conn = Connection::server(&engine);
        [REQUEST, &message[..100]].iter().for_each(|piece| feed(&mut conn, piece));
        conn
    };
    let finish = |mut conn: Connection| feed(&mut conn, &message[100..]);
    [begin(), begin()].into_iter().for_each(finish);
    let before = LIVE.get();
    for _ in 0..3 {
        drop(begin());
        let mut lost = begin();
        lost.feed_eof();
        while lost.next_event().is_some() {}
        let both = [begin(), begin()];
        assert!((LIVE.get() - before).abs() < 128 * 1024, "{} bytes were added for two messages", LIVE.get() - before);
        both.into_iter().for_each(finish);
    }
}

fn compressing(own_takeover: bool, peer_takeover: bool) -> Config {
    let mut config = Config::new();
    config.set_compression(true).set_context_takeover(own_takeover, peer_takeover);
    config
}

/// Compressed messages both ways, larger than a window.
fn talk(conn: &mut Connection) {
    for len in [2_000, 70_000] {
        feed(conn, &stored(&vec![7; len]));
        conn.outbound().queue_text(&vec![b'x'; len]).unwrap();
        let waiting = conn.outbound().queued_bytes();
        assert!(waiting < len / 2, "{waiting} bytes: it went compressed");
        conn.outbound().output_consume(waiting).unwrap();
    }
}

const WINDOW: usize = 32 * 1024;

/// What remembers a window: the box for what few connections have, and the history's own.
const HISTORY: usize = 104;

/// Compression that was agreed on costs an idle connection nothing, unless it has to remember.
#[test]
fn an_idle_connection_with_compression_holds_no_codec() {
    let plain = held(&Config::new(), |_| {});
    let config = compressing(false, false);
    assert_eq!(held(&config, |_| {}), plain, "fresh");
    assert_eq!(held(&config, talk), plain, "after messages");
    let refused = |conn: &mut Connection| {
        feed(conn, &frame(0xc2, 100)); // 'x' is no block
        assert_eq!(conn.state(), State::Closed);
    };
    assert!(held(&config, refused) <= plain, "after its end");
}

#[test]
fn with_context_takeover_a_connection_remembers_one_window() {
    let plain = held(&Config::new(), |_| {});
    let config = compressing(false, true);
    assert_eq!(held(&config, |_| {}), plain, "before the first message");
    let little = held(&config, |conn| feed(conn, &stored(&[7; 100])));
    assert!(little <= plain + HISTORY + 200, "{little} bytes after a hundred bytes");
    let most = held(&config, talk);
    assert!(most <= plain + HISTORY + WINDOW, "{most} bytes after much more");
    assert!(most > plain + WINDOW, "{most} bytes do not hold a window");

    let own = held(&compressing(true, false), talk);
    assert!(own <= plain + 300 * 1024, "{own} bytes with a compressor");
    let over = held(&compressing(true, true), |conn| {
        talk(conn);
        feed(conn, b"\x88\x80\0\0\0\0");
        assert_eq!(conn.state(), State::Closed);
    });
    assert!(over <= plain, "{over} bytes after the end");
}

/// A compressed message whose end does not come holds an inflator, what it remembers, and what it was inflated to.
#[test]
fn half_a_compressed_message_holds_an_inflator() {
    for takeover in [false, true] {
        let held_with = |len: usize| {
            held(&compressing(false, takeover), |conn| {
                let message = stored(&vec![7; len]);
                feed(conn, &message[..message.len() - 1]);
            })
        };
        let little = held_with(10);
        assert!(little <= 64 * 1024, "{little} bytes for ten");
        let much = held_with(100_000);
        assert!(much <= 64 * 1024 + WINDOW + 2 * 100_000, "{much} bytes for a hundred thousand");
    }
}

/// A message that was prepared goes when the application and the connections have given it up, in whichever order; at
/// the latest when time goes on.
#[test]
fn a_prepared_message_is_not_kept() {
    const LEN: isize = 1_000_000;
    let engine = Engine::default();
    engine.advance(1);
    let mut conn = Connection::server(&engine);
    feed(&mut conn, REQUEST);
    let take = |conn: &mut Connection| {
        let waiting = conn.outbound().queued_bytes();
        conn.outbound().output_consume(waiting).unwrap();
    };
    take(&mut conn);
    let before = LIVE.get();
    let prepare = || Prepared::new(MessageType::Binary, &vec![1; LEN as usize]).unwrap();

    let message = prepare();
    conn.outbound().queue_prepared(&message).unwrap();
    drop(message);
    assert!(LIVE.get() - before >= LEN, "it waits");
    take(&mut conn);
    assert!(LIVE.get() - before < 1_000, "{} bytes are kept", LIVE.get() - before);

    for round in 0..3 {
        let message = prepare();
        conn.outbound().queue_prepared(&message).unwrap();
        take(&mut conn);
        drop(message);
        assert!(LIVE.get() - before < 2 * LEN, "round {round}: not more than the last one is kept");
    }
    engine.advance(5_000);
    assert!(LIVE.get() - before < 1_000, "{} bytes are kept", LIVE.get() - before);
}

/// Chunks of output are kept for the next ones up to a bound, and while there is use for them.
#[test]
fn unused_output_chunks_are_bounded_and_go() {
    let engine = Engine::default();
    engine.advance(1);
    let before = LIVE.get();
    let mut conns: Vec<_> = (0..30).map(|_| Connection::server(&engine)).collect();
    for conn in &mut conns {
        feed(conn, REQUEST);
        for len in [100, 16_384, 16_384, 16_384, 16_384, 100, 1_000_000] {
            conn.outbound().queue_binary(&vec![1; len]).unwrap();
        }
    }
    for conn in &mut conns {
        let waiting = conn.outbound().queued_bytes();
        conn.outbound().output_consume(waiting).unwrap();
    }
    let kept = LIVE.get() - before;
    assert!(kept > 1_000_000, "{kept} bytes: a large chunk waits for the next message");
    assert!(kept < 5 << 20, "{kept} bytes are kept");
    engine.advance(2_000);
    engine.advance(4_000);
    let kept = LIVE.get() - before;
    assert!(kept < 400 << 10, "{kept} bytes are kept without use");
}
