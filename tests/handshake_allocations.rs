//! A handshake takes no memory from the allocator once the engine has what it lends: a flood of them is work, and no
//! more. Counted by the allocator.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use wsengine::{Config, Connection, Engine, Event, State};

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Counts this thread's allocations.
struct Counting;

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const REQUEST: &str = "GET /chat?room=1 HTTP/1.1\r\nHost: localhost:8080\r\nConnection: keep-alive, Upgrade\r\n\
    Pragma: no-cache\r\nUser-Agent: Mozilla/5.0\r\nUpgrade: websocket\r\nOrigin: http://localhost:8080\r\n\
    Sec-WebSocket-Version: 13\r\nAccept-Language: en\r\nCookie: a=b\r\nSec-WebSocket-Protocol: chat, talk\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// One connection from its making to its end, its request in pieces of this size.
fn handshake(engine: &Engine, piece: usize, drains: bool) {
    let mut conn = Connection::server(engine);
    for piece in REQUEST.as_bytes().chunks(piece) {
        conn.feed(piece).unwrap();
        if let Some(event) = conn.next_event() {
            assert!(matches!(event, Event::Open { subprotocol: Some("talk"), compression: true }));
        } else {
            assert_eq!(conn.state(), State::Connecting);
        }
    }
    assert_eq!(conn.state(), State::Open);
    if drains {
        assert!(conn.next_event().is_none());
    }
    let waiting = conn.outbound().queued_bytes();
    conn.outbound().output_consume(waiting).unwrap();
}

#[test]
fn a_handshake_allocates_nothing() {
    let mut config = Config::new();
    config.set_compression(true).add_subprotocol("talk").unwrap();
    let engine = Engine::new(&config);
    for piece in [REQUEST.len(), 100, 1] {
        for drains in [true, false] {
            handshake(&engine, piece, drains); // now the engine has it
            let before = ALLOCATIONS.get();
            for _ in 0..10 {
                handshake(&engine, piece, drains);
            }
            assert_eq!(ALLOCATIONS.get() - before, 0, "in pieces of {piece}, drained: {drains}");
        }
    }
}
