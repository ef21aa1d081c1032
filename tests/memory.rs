//! What connections cost while they wait, counted by the allocator: an idle one next to nothing, and one whose peer
//! stopped in the middle of something not much more than that something.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use wsengine::{Config, Connection, Engine, State};

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
    let engine = Engine::new(config);
    let mut connections = Vec::with_capacity(WARM_UP + CONNECTIONS);
    let mut before = 0;
    for i in 0..WARM_UP + CONNECTIONS {
        if i == WARM_UP {
            before = LIVE.get();
        }
        let mut conn = Connection::server(&engine);
        feed(&mut conn, REQUEST);
        traffic(&mut conn);
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
