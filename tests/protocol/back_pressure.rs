//! A host that stops reading and pulling while the output is too long: messages wait in the input, and time goes on.

use crate::support::*;
use proptest::prelude::*;
use wsengine::{Config, Connection, Engine, Error, Event, State};

const HIGH: usize = 1_000;
const LOW: usize = 300;

fn config() -> Config {
    let mut config = Config::new();
    config.set_water_marks(LOW, HIGH).unwrap();
    config.set_ping_interval(0).unwrap();
    config.set_write_stall_timeout(20_000).unwrap();
    config
}

/// Pulls and echoes as a host does that stops at the high-water mark. The number of messages.
fn echo(conn: &mut Connection) -> usize {
    let mut echoed = 0;
    loop {
        if conn.outbound().is_above_high_water() {
            conn.set_reading(false);
        }
        match conn.next_event_and_outbound() {
            None => return echoed,
            Some((Event::Binary(data), outbound)) => outbound.queue_binary(data).unwrap(),
            Some(_) => continue,
        }
        echoed += 1;
    }
}

fn messages(count: u8, len: usize) -> Vec<u8> {
    (0..count).flat_map(|i| masked(BINARY, &vec![i; len])).collect()
}

/// What is written of those messages.
fn echoes(count: u8, len: usize) -> Vec<u8> {
    (0..count).flat_map(|i| plain(BINARY, &vec![i; len])).collect()
}

/// Five messages of 400 bytes were fed; the third went above the high mark.
fn held_back() -> (Engine, Connection) {
    let engine = Engine::new(&config());
    engine.advance(0);
    let mut server = Connection::server(&engine);
    feed(&mut server, format!("{REQUEST_LINES}\r\n").as_bytes());
    take(&mut server);
    server.feed(&messages(5, 400)).unwrap();
    assert_eq!(echo(&mut server), 3);
    (engine, server)
}

#[test]
fn messages_wait_in_the_input() {
    let (_engine, mut server) = held_back();
    assert!(!server.has_events());
    assert_eq!(pull(&mut server), []);
    assert_eq!(server.feed(b"x"), Err(Error::InputPending));

    let mut output = take(&mut server);
    assert!(server.has_events());
    server.set_reading(true);
    assert_eq!(echo(&mut server), 2);
    assert!(!server.has_events(), "the opening of the low mark was reported behind the messages");
    output.extend(take(&mut server));
    assert!(output == echoes(5, 400));
    assert_eq!(server.feed(&messages(1, 400)), Ok(()));
    assert_eq!(echo(&mut server), 1);
}

#[test]
fn the_opening_is_no_message_and_is_not_held_back() {
    let mut config = config();
    config.set_manual_accept(true);
    let mut server = Connection::server(&Engine::new(&config));
    feed(&mut server, format!("{REQUEST_LINES}\r\n").as_bytes());
    server.accept(None, &[]).unwrap();
    server.set_reading(false);
    server.outbound().queue_binary(&[0; HIGH]).unwrap();
    assert!(server.outbound().is_above_high_water() && server.has_events());
    assert!(matches!(server.next_event(), Some(Event::Open { .. })));
    assert_eq!(server.next_event(), None);
    assert!(!server.has_events(), "a loop that asks would spin");
}

#[test]
fn only_who_stopped_reading_is_held_back() {
    let mut server = open_server_with(&config());
    server.outbound().queue_binary(&[0; 2 * HIGH]).unwrap();
    assert_eq!(feed(&mut server, &masked(TEXT, b"read")), [Seen::text("read")]);
    server.set_reading(false);
    assert_eq!(feed(&mut server, &masked(TEXT, b"not")), []);
    server.set_reading(true);
    assert_eq!(pull(&mut server), [Seen::text("not")]);

    take(&mut server);
    assert_eq!(pull(&mut server), [Seen::Writable]);
    server.set_reading(false);
    assert_eq!(feed(&mut server, &masked(TEXT, b"little output")), [Seen::text("little output")]);
}

#[test]
fn a_peer_that_never_reads_is_found_out() {
    let (engine, mut server) = held_back();
    engine.advance(19_999);
    assert!(engine.next_due().is_none());
    server.outbound().output_consume(1).unwrap();
    engine.advance(39_998);
    while engine.next_due().is_some() {
        assert_eq!(pull(&mut server), []);
    }
    engine.advance(39_999);
    assert!(engine.next_due().is_some());
    assert_eq!(pull(&mut server), [Seen::failed(1006)]);
    assert!(server.wants_abort() && !server.has_events());
}

#[test]
fn the_end_of_the_stream_waits_behind_the_messages() {
    let (_engine, mut server) = held_back();
    server.feed_eof();
    assert_eq!(pull(&mut server), []);
    take(&mut server);
    assert_eq!(pull(&mut server).len(), 3, "two messages and the end");
    assert_eq!(server.state(), State::Closed);
}

#[test]
fn a_close_frame_of_ours_may_be_queued_meanwhile() {
    let (_engine, mut server) = held_back();
    server.outbound().queue_close(Some(1001), "").unwrap();
    assert_eq!(pull(&mut server), []);
    take(&mut server);
    assert_eq!(pull(&mut server).len(), 2, "messages may arrive until the peer has answered");
    assert_eq!(feed(&mut server, &masked(CLOSE, &[3, 233])).len(), 1);
    assert_eq!(server.state(), State::Closed);
}

proptest! {
    /// However the input is cut and the output is taken, every message comes back once, in order, and the output never
    /// grows by more than one message above the mark.
    #[test]
    fn nothing_is_lost_and_the_output_stays_short(
        sizes in proptest::collection::vec(0_usize..700, 1..40),
        cuts in proptest::collection::vec(1_usize..3_000, 1..20),
        takes in proptest::collection::vec(1_usize..900, 1..20),
    ) {
        let mut server = open_server_with(&config());
        let input: Vec<u8> = sizes.iter().enumerate().flat_map(|(i, &size)| masked(BINARY, &vec![i as u8; size])).collect();
        let expected: Vec<u8> = sizes.iter().enumerate().flat_map(|(i, &size)| plain(BINARY, &vec![i as u8; size])).collect();
        let (mut input, mut output) = (&input[..], Vec::new());
        let (mut cuts, mut takes) = (cuts.iter().cycle(), takes.iter().cycle());
        while output.len() < expected.len() {
            if server.outbound().is_above_high_water() {
                prop_assert!(!server.has_events());
            } else {
                server.set_reading(true);
                echo(&mut server);
                if !server.outbound().is_above_high_water() {
                    let (now, later) = input.split_at(input.len().min(*cuts.next().unwrap()));
                    input = later;
                    server.feed(now).unwrap();
                    echo(&mut server);
                }
            }
            prop_assert!(server.outbound().queued_bytes() <= HIGH + 704);
            let bytes: Vec<u8> = server.output().flatten().copied().take(*takes.next().unwrap()).collect();
            server.outbound().output_consume(bytes.len()).unwrap();
            output.extend(bytes);
        }
        prop_assert!(output == expected);
    }
}
