//! A prepared message in many queues: shared while it waits alone, in order with what is queued behind it.

use crate::support::*;
use wsengine::{Config, Connection, Engine, Error, MessageType, Prepared};

const SIZES: [usize; 5] = [0, 5, 125, 500, 70_000];

fn prepared(len: usize) -> Prepared {
    Prepared::new(MessageType::Binary, &vec![7; len]).unwrap()
}

fn open_on(engine: &Engine) -> Connection {
    let mut server = Connection::server(engine);
    feed(&mut server, format!("{REQUEST_LINES}\r\n").as_bytes());
    take(&mut server);
    server
}

fn lent(server: &Connection) -> Vec<(*const u8, usize)> {
    server.output().map(|slice| (slice.as_ptr(), slice.len())).collect()
}

/// Small ones too: where nothing else waits there is nothing to lie beside.
#[test]
fn connections_share_what_waits_alone() {
    let engine = Engine::default();
    for len in SIZES {
        let message = prepared(len);
        let mut servers: Vec<_> = (0..5).map(|_| open_on(&engine)).collect();
        for server in &mut servers {
            server.outbound().queue_prepared(&message).unwrap();
        }
        let first = lent(&servers[0]);
        assert_eq!(first.len(), 1);
        for server in &mut servers {
            assert_eq!(lent(server), first, "{len} bytes");
            assert_eq!(server.outbound().queued_bytes(), first[0].1);
        }
        drop(message);
        for server in &mut servers {
            assert_eq!(take(server), plain(BINARY, &vec![7; len]), "the application gave it up before");
            assert_eq!(server.outbound().queued_bytes(), 0);
        }
        assert_eq!(engine.metrics().queued_bytes, 0);
    }
}

/// The application gives each up at once, so that the next may lie in the same memory.
#[test]
fn one_after_the_other_is_what_arrives() {
    let engine = Engine::default();
    let mut servers: Vec<_> = (0..3).map(|_| open_on(&engine)).collect();
    for i in 0..50u8 {
        let message = Prepared::new(MessageType::Binary, &[i; 300]).unwrap();
        servers.iter_mut().for_each(|server| server.outbound().queue_prepared(&message).unwrap());
        drop(message);
        for server in &mut servers {
            assert_eq!(take(server), plain(BINARY, &[i; 300]));
        }
    }
}

/// More messages than the engine remembers, in turns.
#[test]
fn many_messages_take_turns() {
    let engine = Engine::default();
    let messages: Vec<_> = (0..7).map(|i| Prepared::new(MessageType::Binary, &vec![i; 600]).unwrap()).collect();
    let mut servers: Vec<_> = (0..20).map(|_| open_on(&engine)).collect();
    for (i, server) in servers.iter_mut().enumerate() {
        server.outbound().queue_prepared(&messages[i % 7]).unwrap();
    }
    for (i, server) in servers.iter_mut().enumerate() {
        assert_eq!(take(server), plain(BINARY, &[i as u8 % 7; 600]));
    }
}

#[test]
fn it_is_taken_in_any_portions_and_stays_where_it_is() {
    for len in SIZES {
        for portion in [1, 3, 130, 50_000] {
            let mut server = open_server();
            let frame = plain(BINARY, &vec![7; len]);
            server.outbound().queue_prepared(&prepared(len)).unwrap();
            assert!(matches!(server.outbound().output_consume(frame.len() + 1), Err(Error::InvalidArgument(_))));
            server.outbound().output_consume(0).unwrap();
            let place = lent(&server)[0].0 as usize;
            let mut taken: Vec<u8> = Vec::new();
            while taken.len() < frame.len() {
                let slice = server.output().next().unwrap();
                assert_eq!(slice.as_ptr() as usize, place + taken.len());
                let count = slice.len().min(portion);
                taken.extend_from_slice(&slice[..count]);
                server.outbound().output_consume(count).unwrap();
                assert_eq!(server.outbound().queued_bytes(), frame.len() - taken.len());
            }
            assert_eq!(taken, frame);
            assert_eq!(server.output().count(), 0);
        }
    }
}

/// It may have been lent: what comes behind it neither moves nor overtakes it.
#[test]
fn what_is_queued_behind_it_comes_behind_it() {
    for len in SIZES {
        let mut server = open_server();
        server.outbound().queue_prepared(&prepared(len)).unwrap();
        let before = lent(&server);
        server.outbound().queue_text(b"text").unwrap();
        server.outbound().queue_ping(b"ping").unwrap();
        server.outbound().queue_prepared(&prepared(len)).unwrap();
        feed(&mut server, &masked(PING, b"pong"));
        server.outbound().queue_close(Some(1000), "").unwrap();
        assert_eq!(lent(&server)[0], before[0]);
        let frame = plain(BINARY, &vec![7; len]);
        let output = take(&mut server);
        assert!(output.starts_with(&frame), "{len} bytes");
        assert!(output.ends_with(&plain(CLOSE, &close_payload(1000, ""))));
        for part in [&frame, &plain(TEXT, b"text"), &plain(PING, b"ping"), &plain(PONG, b"pong")] {
            assert!(output.windows(part.len()).any(|bytes| bytes == part.as_slice()), "{len} bytes");
        }
    }
}

/// The limits and water marks count it as any message.
#[test]
fn limits_and_water_marks_count_it() {
    let mut config = Config::new();
    config.set_max_queued_bytes(10_000).and_then(|config| config.set_water_marks(1_000, 5_000)).unwrap();
    let mut server = open_server_with(&config);
    assert_eq!(server.outbound().queue_prepared(&prepared(10_000)), Err(Error::QueueFull));
    server.outbound().queue_prepared(&prepared(6_000)).unwrap();
    assert!(server.outbound().is_above_high_water());
    assert_eq!(server.outbound().queue_prepared(&prepared(6_000)), Err(Error::QueueFull));
    take(&mut server);
    assert!(!server.outbound().is_above_high_water());
    assert_eq!(feed(&mut server, b""), [Seen::Writable]);
}

/// 16 messages of 16 KiB, as one large read brings them, are written as a few slices.
#[test]
fn what_one_read_produces_is_a_few_slices() {
    let mut server = open_server();
    let frame = plain(BINARY, &[1; 16 * 1024]);
    for _ in 0..3 {
        for _ in 0..16 {
            server.outbound().queue_binary(&[1; 16 * 1024]).unwrap();
        }
        let slices = server.output().count();
        assert!(slices <= 8, "{slices} slices");
        assert_eq!(take(&mut server), frame.repeat(16));
    }
}
