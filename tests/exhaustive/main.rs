//! Proof by exhaustion where the space is small: every header, every four bytes of UTF-8, every mask, every close code.
//!
//! `make exhaustive` goes through all of it, in minutes, in release mode; without `WSENGINE_EXHAUSTIVE=1` these tests
//! take every boundary and a stride between them, in seconds. The models are written from the RFCs and share no code
//! with the crate.

mod close_codes;
mod header;
mod mask;
mod utf8;
mod whole_frames;

use wsengine::{ClientRequest, Connection, Engine, Event};

/// Whether to go through all of it.
fn full() -> bool {
    std::env::var_os("WSENGINE_EXHAUSTIVE").is_some_and(|value| value == "1")
}

/// Every item of `all` when all are wanted, else one of `stride`.
fn sample<T>(all: impl Iterator<Item = T>, stride: usize) -> impl Iterator<Item = T> {
    all.step_by(if full() { 1 } else { stride })
}

/// Runs `check` on every number below `count`, shared out among the processor's cores.
fn in_parallel(count: usize, check: impl Fn(usize) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    check(number);
                }
            });
        }
    });
}

/// A server and a client of one engine whose handshake is done.
fn open_pair(engine: &Engine) -> (Connection, Connection) {
    let mut server = Connection::server(engine);
    let request = ClientRequest { host: "localhost", ..Default::default() };
    let mut client = Connection::client(engine, &request).expect("the request is valid");
    let head = take(&mut client);
    server.feed(&head).expect("nothing is pending");
    assert!(matches!(server.next_event(), Some(Event::Open { .. })));
    assert!(server.next_event().is_none());
    let answer = take(&mut server);
    client.feed(&answer).expect("nothing is pending");
    assert!(matches!(client.next_event(), Some(Event::Open { .. })));
    assert!(client.next_event().is_none());
    (server, client)
}

fn take(conn: &mut Connection) -> Vec<u8> {
    let bytes = conn.output().flatten().copied().collect::<Vec<_>>();
    conn.outbound().output_consume(bytes.len()).expect("there are that many");
    bytes
}
