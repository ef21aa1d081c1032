//! What an idle connection costs through the C ABI, to the byte, with what glibc's malloc adds: one block, and its place
//! among the timers of its engine.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::{null, null_mut};

use wsengine::capi::config::*;
use wsengine::capi::connection::*;
use wsengine::capi::engine::*;
use wsengine::capi::input::*;
use wsengine::capi::output::*;
use wsengine::capi::status::ws_status::*;
use wsengine::capi::stream::*;
use wsengine::capi::time::*;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

/// Counts the bytes that this thread's test holds.
struct Counting;

/// The block that glibc takes for so many bytes on a 64-bit machine: 8 of its own, in steps of 16, at least 32.
fn block(layout: Layout) -> isize {
    let more_for_alignment = if layout.align() > 16 { layout.align() } else { 0 };
    (layout.size() + more_for_alignment + 8).next_multiple_of(16).max(32) as isize
}

fn count(bytes: isize) {
    let _ = LIVE.try_with(|live| live.set(live.get() + bytes));
}

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(block(layout));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-block(layout));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One block of 112 bytes, and 20 in the timers of the engine, which are allocated 64 at a time: less than one more.
const MOST: f64 = 133.0;

/// A token stream, its name and its place among the timers.
const MOST_OF_A_STREAM: f64 = 230.0;

const CONNECTIONS: usize = 10_000;
const MIB: usize = 1024 * 1024;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

/// A message of one frame, masked with zeros: stored blocks if it is compressed (RFC 7692, 7.2.1).
fn message(compressed: bool, len: usize) -> Vec<u8> {
    let block = |data: &[u8]| {
        let len = data.len() as u16;
        [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), data].concat()
    };
    let data = vec![b'x'; len];
    let payload = if compressed { [data.chunks(60_000).flat_map(block).collect(), vec![0]].concat() } else { data };
    let mut bytes = vec![if compressed { 0xc2 } else { 0x82 }];
    match payload.len() {
        0..126 => bytes.push(0x80 | payload.len() as u8),
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// Connections of one engine, freed with it.
struct Connections {
    engine: *mut ws_engine,
    conns: Vec<*mut ws_conn>,
}

impl Connections {
    fn new(config: *const ws_config) -> Connections {
        let engine = unsafe { ws_engine_new(config) };
        assert_eq!(unsafe { ws_engine_advance(engine, 1) }, WS_OK);
        Connections { engine, conns: Vec::with_capacity(2 * CONNECTIONS) }
    }

    /// Opens one, as a server does for a peer.
    fn open(&mut self) -> *mut ws_conn {
        let conn = unsafe { ws_conn_new_server(self.engine) };
        self.conns.push(conn);
        assert_eq!(give(conn, REQUEST), [ws_event_type::WS_EVENT_OPEN]);
        take(conn);
        conn
    }

    /// Opens a client and the server that answers it.
    fn open_pair(&mut self) {
        unsafe {
            let server = ws_conn_new_server(self.engine);
            let mut request: ws_client_request = std::mem::zeroed();
            (request.struct_size, request.host) = (size_of::<ws_client_request>(), c"a".as_ptr());
            let mut client = null_mut();
            assert_eq!(ws_conn_new_client(self.engine, &request, &mut client), WS_OK);
            self.conns.extend([server, client]);
            assert_eq!(give(server, &take(client)), [ws_event_type::WS_EVENT_OPEN]);
            assert_eq!(give(client, &take(server)), [ws_event_type::WS_EVENT_OPEN]);
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        for &conn in &self.conns {
            unsafe { ws_conn_free(conn) };
        }
        unsafe { ws_engine_free(self.engine) };
    }
}

/// Feeds bytes and pulls until there is nothing; messages are echoed.
fn give(conn: *mut ws_conn, bytes: &[u8]) -> Vec<ws_event_type> {
    let mut events = Vec::new();
    unsafe {
        assert_eq!(ws_conn_feed(conn, bytes.as_ptr().cast(), bytes.len()), WS_OK);
        let mut event = std::mem::zeroed::<ws_event>();
        while ws_conn_next_event(conn, &mut event) == WS_OK {
            if event.r#type == ws_event_type::WS_EVENT_BINARY {
                assert_eq!(ws_conn_queue_binary(conn, event.data.cast(), event.len), WS_OK);
            }
            events.push(event.r#type);
        }
    }
    events
}

/// Takes all output.
fn take(conn: *mut ws_conn) -> Vec<u8> {
    let mut bytes = vec![0; 2 * MIB];
    let mut len = 0;
    assert_eq!(unsafe { ws_conn_output_read(conn, bytes.as_mut_ptr().cast(), bytes.len(), &mut len) }, WS_OK);
    bytes.truncate(len);
    bytes
}

/// Echoes a message on a connection, which arrives as large reads bring it.
fn echo(conn: *mut ws_conn, message: &[u8]) {
    let events: Vec<_> = message.chunks(64 * 1024).flat_map(|piece| give(conn, piece)).collect();
    assert_eq!(events, [ws_event_type::WS_EVENT_BINARY]);
    assert_eq!(take(conn)[0], message[0], "as it came, compressed or not");
    give(conn, &[]); // what the host hears of the output that fell
}

/// Bytes for each connection that is open, after its handshake; then after a short message, and after a long one.
fn check(config: *const ws_config, compressed: bool) {
    let (short, long) = (message(compressed, 16), message(compressed, MIB));
    let mut connections = Connections::new(config);
    let first = connections.open(); // fills the engine's pools, which keep eight buffers of large messages
    (0..9).for_each(|_| echo(first, &long));
    echo(first, &short);

    let before = LIVE.get();
    for _ in 0..CONNECTIONS {
        connections.open();
    }
    let fresh = LIVE.get() - before;
    let each = fresh as f64 / CONNECTIONS as f64;
    assert!(each <= MOST, "{each} bytes for each");
    for &conn in &connections.conns {
        echo(conn, &short);
    }
    let after_short = LIVE.get() - before;
    assert!(after_short <= fresh, "{after_short} bytes after a short message, {fresh} before");
    for &conn in connections.conns.iter().step_by(500) {
        echo(conn, &long);
    }
    let after_long = LIVE.get() - before;
    // The engine's lists of free chunks may have grown, which is nothing to the number of connections.
    assert!(after_long <= fresh + 1024, "{after_long} bytes after a long message, {fresh} before");
}

#[test]
fn with_the_default_settings() {
    check(null(), false);
}

#[test]
fn with_all_deadlines() {
    unsafe {
        let config = ws_config_new();
        assert_eq!(ws_config_set_handshake_timeout(config, 10_000), WS_OK);
        assert_eq!(ws_config_set_ping_interval(config, 30_000), WS_OK);
        assert_eq!(ws_config_set_pong_timeout(config, 20_000), WS_OK);
        assert_eq!(ws_config_set_idle_timeout(config, 60_000), WS_OK);
        assert_eq!(ws_config_set_close_timeout(config, 5_000), WS_OK);
        assert_eq!(ws_config_set_write_stall_timeout(config, 10_000), WS_OK);
        assert_eq!(ws_config_set_max_lifetime(config, 86_400_000), WS_OK);
        check(config, false);
        ws_config_free(config);
    }
}

/// Without context takeover nothing is to be remembered.
#[test]
fn with_compression() {
    unsafe {
        let config = ws_config_new();
        assert_eq!(ws_config_set_compression(config, 1), WS_OK);
        assert_eq!(ws_config_set_context_takeover(config, 0, 0), WS_OK);
        assert_eq!(ws_config_set_compression_threshold(config, 0), WS_OK);
        assert_eq!(ws_config_set_max_frame_size(config, 2 * MIB as u64), WS_OK); // stored blocks have headers
        check(config, true);
        ws_config_free(config);
    }
}

#[test]
fn clients() {
    let mut connections = Connections::new(null());
    connections.open_pair();
    let before = LIVE.get();
    for _ in 0..CONNECTIONS / 2 {
        connections.open_pair();
    }
    let each = (LIVE.get() - before) as f64 / CONNECTIONS as f64;
    assert!(each <= MOST, "{each} bytes for each");
}

#[test]
fn a_stream_that_waits_for_tokens() {
    const STREAMS: usize = 5_000;
    unsafe {
        let engine = ws_engine_new(null());
        let mut streams: Vec<*mut ws_stream> = Vec::with_capacity(STREAMS);
        let before = LIVE.get();
        for _ in 0..STREAMS {
            let mut stream = null_mut();
            assert_eq!(ws_stream_new(engine, c"request-1".as_ptr(), 9, &mut stream), WS_OK);
            streams.push(stream);
        }
        let each = (LIVE.get() - before) as f64 / STREAMS as f64;
        assert!(each <= MOST_OF_A_STREAM, "{each} bytes each");
        // What a large answer needed is given back when it was taken.
        let before = LIVE.get();
        let mut message: ws_stream_message = std::mem::zeroed();
        message.struct_size = size_of::<ws_stream_message>();
        for &stream in &streams[..10] {
            assert_eq!(ws_stream_write(stream, vec![b'x'; MIB].as_ptr().cast(), MIB), WS_OK);
            while ws_stream_next(stream, &mut message) == WS_OK {}
        }
        assert!(LIVE.get() - before <= 0, "{} bytes are kept", LIVE.get() - before);
        streams.into_iter().for_each(|stream| ws_stream_free(stream));
        ws_engine_free(engine);
    }
}

/// A reader that is always one message behind.
#[test]
fn a_stream_that_never_runs_empty() {
    unsafe {
        let engine = ws_engine_new(null());
        let mut stream = null_mut();
        assert_eq!(ws_stream_new(engine, null(), 0, &mut stream), WS_OK);
        let mut message: ws_stream_message = std::mem::zeroed();
        message.struct_size = size_of::<ws_stream_message>();
        let before = LIVE.get();
        for round in 0..1000 {
            assert_eq!(ws_stream_write(stream, [b'x'; 4096].as_ptr().cast(), 4096), WS_OK);
            assert!(round == 0 || ws_stream_next(stream, &mut message) == WS_OK);
        }
        assert!(ws_stream_pending_bytes(stream) > 4096);
        assert!(LIVE.get() - before < 64 * 1024, "{} bytes are held", LIVE.get() - before);
        ws_stream_free(stream);
        ws_engine_free(engine);
    }
}
