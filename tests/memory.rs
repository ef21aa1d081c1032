//! What connections cost while they wait, counted by the allocator: an idle one next to nothing, and one whose peer
//! stopped in the middle of something not much more than that something.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use wsengine::{Config, Connection, Engine};

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

/// The first ones fill the engine's pools, which are there once, however many connections there are.
const WARM_UP: usize = 20;
const CONNECTIONS: usize = 50;
const KEY: [u8; 4] = [0; 4]; // masks nothing
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn frame(first: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | 127];
    bytes.extend((len as u64).to_be_bytes());
    bytes.extend(KEY);
    bytes.extend(std::iter::repeat_n(b'x', len));
    bytes
}

fn feed(conn: &mut Connection, bytes: &[u8]) {
    conn.feed(bytes).unwrap();
    while conn.next_event().is_some() {}
}

/// Bytes held for each of many open connections that were each fed these pieces, their output taken.
fn bytes_per_connection(pieces: &[&[u8]]) -> usize {
    let engine = Engine::new(&Config::new());
    let mut connections = Vec::with_capacity(WARM_UP + CONNECTIONS);
    let mut before = 0;
    for i in 0..WARM_UP + CONNECTIONS {
        if i == WARM_UP {
            before = LIVE.get();
        }
        let mut conn = Connection::server(&engine);
        feed(&mut conn, REQUEST);
        for piece in pieces {
            feed(&mut conn, piece);
        }
        let waiting = conn.outbound().queued_bytes();
        conn.outbound().output_consume(waiting).unwrap();
        connections.push(conn);
    }
    (LIVE.get() - before) as usize / CONNECTIONS + size_of::<Connection>()
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    let fresh = bytes_per_connection(&[]);
    assert!(fresh < 300, "{fresh} bytes");
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
