//! The three ways in: copied, lent by the host, received into memory that the engine lends. What every scenario makes
//! of them is in `support::every_split` and `properties`; what is each one's own is here. C: `capi_input`.

use crate::support::*;
use crate::ways::{WAYS, Way};
use wsengine::{Config, Connection, Engine, Error, Event, Outbound};

/// Why the last input call was refused.
fn refusals(conn: &mut Connection) -> [Option<Error>; 3] {
    let copied = conn.feed(b"x").err();
    let lent = conn.feed_mut(&mut [b'x']).err();
    [copied, lent, conn.recv_buffer(0).err()]
}

fn receive(conn: &mut Connection, bytes: &[u8]) {
    conn.recv_buffer(bytes.len()).unwrap()[..bytes.len()].copy_from_slice(bytes);
    conn.commit(bytes.len()).unwrap();
}

#[test]
fn nothing_is_taken_before_the_last_input_was_pulled() {
    let bytes = [masked(TEXT, b"one"), masked(PING, b"two")].concat();
    for way in WAYS {
        let mut server = open_server();
        let given = way.give(&mut server, &bytes[..9], |event, _| assert_eq!(seen(event), Seen::text("one")));
        assert_eq!(given, Ok(9));
        if way != Way::Lent {
            assert_eq!(refusals(&mut server), [Some(Error::InputPending); 3], "{way:?}");
            assert!(server.has_events());
            pull(&mut server);
        }
        assert_eq!(refusals(&mut server)[..1], [None], "{way:?}");
        assert_eq!(refusals(&mut server), [Some(Error::InputPending); 3], "{way:?}");
    }
}

#[test]
fn nothing_is_taken_after_the_end_of_input() {
    let state = Some(Error::State("input after the end of input"));
    let mut server = open_server();
    server.feed_eof();
    assert_eq!(refusals(&mut server), [state; 3]);
    pull(&mut server);
    assert_eq!(refusals(&mut server), [state; 3]);

    let mut server = open_server();
    let frame = masked(TEXT, b"late");
    server.recv_buffer(0).unwrap()[..frame.len()].copy_from_slice(&frame);
    server.feed_eof();
    assert!(matches!(server.commit(frame.len()), Err(Error::State(_))), "the end of input is an input call");
    assert_eq!(
        pull(&mut server),
        [Seen::Close {
            code: 1006,
            reason: String::new(),
            clean: false,
            initiator: wsengine::Initiator::Nobody,
            http_status: None
        }]
    );
}

#[test]
fn after_the_end_of_the_connection_input_is_ignored() {
    for way in WAYS {
        let mut server = open_server();
        assert_eq!(feed(&mut server, &masked(CLOSE, b"")).len(), 1);
        way.bring(&mut server, &masked(TEXT, b"x"), |event| panic!("{event:?}")).unwrap();
        assert!(!server.has_events(), "{way:?}");
    }
    // It ends while memory is lent.
    let engine = Engine::default();
    engine.advance(0);
    let mut server = open_on(&engine);
    server.outbound().queue_close(Some(1000), "").unwrap();
    take(&mut server);
    let frame = masked(TEXT, b"x");
    server.recv_buffer(0).unwrap()[..frame.len()].copy_from_slice(&frame);
    engine.advance(1_000_000);
    assert!(matches!(pull(&mut server)[..], [Seen::Close { code: 1006, .. }]));
    assert!(server.commit(frame.len()).is_err() && server.next_event().is_none());
}

#[test]
fn what_is_committed_was_lent() {
    let mut server = open_server();
    let frame = masked(TEXT, b"x");
    assert!(matches!(server.commit(0), Err(Error::State(_))));
    assert!(matches!(server.commit(1), Err(Error::State(_))));
    assert!(matches!(server.recv_buffer(16 * 1024 * 1024 + 1), Err(Error::InvalidArgument(_))));
    assert!(matches!(server.commit(0), Err(Error::State(_))), "nothing was lent");
    assert_eq!(server.recv_buffer(16 * 1024 * 1024).map(|buffer| buffer.len()), Ok(16 * 1024 * 1024));
    assert_eq!(server.commit(0), Ok(()));

    let buffer = server.recv_buffer(0).unwrap();
    buffer[..frame.len()].copy_from_slice(&frame);
    let room = buffer.len();
    assert_eq!(room, 512 * 1024, "the default");
    assert!(matches!(server.commit(room + 1), Err(Error::InvalidArgument(_))));
    assert!(matches!(server.commit(usize::MAX), Err(Error::InvalidArgument(_))));
    assert_eq!((server.has_events(), server.commit(frame.len())), (false, Ok(())));
    assert!(matches!(server.commit(0), Err(Error::State(_))), "only once");
    assert!(server.has_events());
    assert_eq!(pull(&mut server), [Seen::text("x")]);
}

/// Whatever comes behind a lending ends it, and what was written there is no input.
#[test]
fn a_lending_ends_with_the_next_call() {
    let (frame, garbage) = (masked(TEXT, b"right"), masked(TEXT, b"wrong"));
    let lent = || {
        let mut server = open_server();
        server.recv_buffer(0).unwrap()[..garbage.len()].copy_from_slice(&garbage);
        server
    };
    for way in [Way::Copied, Way::LentFor(0), Way::Received(0), Way::Received(600_000)] {
        let mut server = lent();
        way.give(&mut server, &frame, |event, _| panic!("{event:?}")).unwrap();
        assert!(matches!(server.commit(garbage.len()), Err(Error::State(_))), "{way:?}");
        assert_eq!(pull(&mut server), [Seen::text("right")], "{way:?}");
    }
    let mut server = lent();
    assert_eq!(pull(&mut server), []);
    assert!(matches!(server.commit(garbage.len()), Err(Error::State(_))), "a pull that finds nothing");
    assert_eq!(feed(&mut server, &frame), [Seen::text("right")]);

    let mut server = lent();
    assert_eq!(server.commit(0), Ok(()));
    assert_eq!((server.has_events(), pull(&mut server)), (false, vec![]));
    receive(&mut server, &frame);
    assert_eq!(pull(&mut server), [Seen::text("right")]);
}

/// The same of a lending in the middle of a large message, where that is assembled.
#[test]
fn a_lending_within_a_large_message_ends_with_the_next_call() {
    let frame = masked(BINARY, &noise(200_000, 1));
    let (start, end) = frame.split_at(120_000);
    let mut config = Config::new();
    config.set_max_connection_bytes(150_000).unwrap(); // the lent part is none of what the connection holds
    let lent = || {
        let mut server = open_server_with(&config);
        assert_eq!(feed(&mut server, start), []);
        let buffer = server.recv_buffer(0).unwrap();
        assert!((32 * 1024..=end.len()).contains(&buffer.len()), "{} bytes", buffer.len());
        buffer.fill(0x77);
        server
    };
    for way in WAYS {
        let mut server = lent();
        let mut events = Vec::new();
        way.bring(&mut server, end, |event| events.push(seen(event))).unwrap();
        assert!(events == [Seen::Binary(noise(200_000, 1))], "{way:?}");
    }
    for gives_back in [true, false] {
        let mut server = lent();
        if gives_back {
            server.commit(0).unwrap();
        } else {
            assert_eq!(pull(&mut server), []);
        }
        assert!(!server.has_events() && server.commit(1).is_err());
        assert!(feed(&mut server, end) == [Seen::Binary(noise(200_000, 1))]);
    }
}

/// Bytes behind a request that waits for its decision, and more of them, each by another way in.
#[test]
fn what_comes_before_the_decision_waits() {
    let mut config = Config::new();
    config.set_manual_accept(true);
    let pieces = [masked(TEXT, b"one"), masked(BINARY, &[7; 300]), masked(PING, b"p"), masked(TEXT, b"two")];
    let head = format!("{REQUEST_LINES}\r\n").into_bytes();
    for first in WAYS {
        for second in WAYS {
            let mut server = new_server(&config);
            let mut events = Vec::new();
            let behind = [&head, &pieces[0], &pieces[1][..100]].concat();
            first.bring(&mut server, &behind, |event| events.push(seen(event))).unwrap();
            let mut note = |event: Event<'_>| events.push(seen(event));
            second.bring(&mut server, &pieces[1][100..], &mut note).unwrap();
            first.bring(&mut server, &pieces[2], &mut note).unwrap();
            let room = server.recv_buffer(0).unwrap().len();
            assert!(room > 0 && server.commit(0).is_ok(), "what waits is not given back");
            assert_eq!(events, [Seen::Request("/chat".into())]);
            server.accept(None, &[]).unwrap();
            events.extend(pull(&mut server));
            let expected = [Seen::Open(None), Seen::text("one"), Seen::Binary(vec![7; 300]), Seen::Ping(b"p".to_vec())];
            assert_eq!(events[1..], expected, "{first:?}, then {second:?}");
            assert_eq!(feed(&mut server, &pieces[3]), [Seen::text("two")]);
        }
    }
}

/// A host that stops reading while its output is too long: what was lent is kept.
#[test]
fn what_is_held_back_is_kept() {
    let mut config = Config::new();
    config.set_water_marks(100, 1_000).unwrap();
    let bytes =
        [masked(BINARY, &[1; 2_000]), masked(TEXT, b"one"), masked(PING, b"two"), masked(TEXT, b"half")].concat();
    let (now, later) = bytes.split_at(bytes.len() - 2);
    let expected = [Seen::Binary(vec![1; 2_000]), Seen::text("one"), Seen::Ping(b"two".to_vec())];
    for way in WAYS {
        let mut server = open_server_with(&config);
        server.set_reading(false);
        let mut events = Vec::new();
        let answer = |event: Event<'_>, outbound: &mut Outbound| {
            if let Event::Binary(data) = event {
                outbound.queue_binary(data).unwrap();
            }
            events.push(seen(event));
        };
        way.bring_and_answer(&mut server, now, answer).unwrap();
        assert_eq!(events, expected[..1], "{way:?}");
        assert_eq!(refusals(&mut server), [Some(Error::InputPending); 3], "{way:?}");
        assert!(!server.has_events());
        take(&mut server);
        assert_eq!(pull(&mut server), [&expected[1..], &[Seen::Writable]].concat(), "{way:?}");
        assert_eq!(feed(&mut server, later), [Seen::text("half")], "{way:?}");
    }
}

/// A `Drain` that is never dropped takes the bytes with it that were not pulled, and harms nothing else.
#[test]
fn a_drain_that_is_forgotten_takes_its_bytes_with_it() {
    let mut config = Config::new();
    config.set_manual_accept(true).set_water_marks(100, 1_000).unwrap();
    let head = format!("{REQUEST_LINES}\r\n").into_bytes();
    let frames = [masked(TEXT, b"one"), masked(BINARY, &[2; 2_000]), masked(PING, b"three"), masked(TEXT, b"four")];
    let stream = [head.clone(), frames.concat()].concat();
    let forget = |server: &mut Connection, bytes: &[u8], pulled: usize| {
        let mut bytes = bytes.to_vec();
        let mut drain = server.feed_mut(&mut bytes).unwrap();
        for _ in 0..pulled {
            if let Some((Event::Binary(data), outbound)) = drain.next_event_and_outbound() {
                outbound.queue_binary(data).unwrap();
            }
        }
        std::mem::forget(drain);
        assert_eq!(pull(server), [], "{pulled} pulled");
    };
    for pulled in [0, 1] {
        let mut server = new_server(&config);
        forget(&mut server, &stream, pulled);
        assert_eq!(server.accept(None, &[]).is_ok(), pulled == 1);
        assert_eq!(pull(&mut server).len(), pulled, "the opening");
        server.feed_eof();
        assert!(matches!(pull(&mut server)[..], [Seen::Close { .. }]));
    }
    // Held back after the second, which went above the high-water mark.
    for (reading, most) in [(true, 4), (false, 2)] {
        for pulled in 0..=most {
            let mut server = new_server(&config);
            feed(&mut server, &head);
            server.accept(None, &[]).unwrap();
            assert_eq!(pull(&mut server), [Seen::Open(None)]);
            server.set_reading(reading);
            forget(&mut server, &stream[head.len()..], pulled);
            take(&mut server);
            let writable = pulled >= 2;
            assert_eq!(pull(&mut server), vec![Seen::Writable; usize::from(writable)], "{pulled} pulled");
            assert_eq!(feed(&mut server, &masked(TEXT, b"behind")), [Seen::text("behind")], "{pulled} pulled");
        }
    }
}

/// What the fast path finds wrong is masked again and left to the slow one: not UTF-8, too long, and what follows good
/// messages is found after them.
#[test]
fn what_the_fast_path_leaves_alone_is_found_by_the_other() {
    let mut config = Config::new();
    config.set_max_message_size(500).unwrap().set_max_frame_size(400).unwrap();
    let make = || open_server_with(&config);
    let good = [masked(TEXT, "字".repeat(50).as_bytes()), masked(BINARY, &[0xff; 400])].concat();
    let expected = [Seen::text(&"字".repeat(50)), Seen::Binary(vec![0xff; 400])];
    let long_bad = [b"x".repeat(300), b"\xed\xa0\x80".to_vec()].concat(); // a surrogate
    for (bad, code) in [
        (masked(TEXT, b"\xff"), 1007),
        (masked(TEXT, "字".as_bytes().split_at(2).0), 1007),
        (masked(TEXT, &long_bad), 1007),
        (masked(BINARY, &[1; 401]), 1009),
        (plain(TEXT, b"not masked"), 1002),
        (raw_frame(0xc1, b"", Some(KEY)), 1002),
        (raw_frame(0x83, b"", Some(KEY)), 1002),
    ] {
        let (events, output) = every_split(make, &[&good[..], &bad].concat());
        assert_eq!(events, [&expected[..], &[Seen::failed(code)]].concat());
        assert_eq!(output, plain(CLOSE, &code.to_be_bytes()));
    }
    let mut config = config.clone();
    config.set_max_message_size(300).unwrap();
    let make = || open_server_with(&config);
    assert_eq!(every_split(make, &masked(TEXT, &[b'x'; 300])).0, [Seen::text(&"x".repeat(300))]);
    assert_eq!(every_split(make, &masked(TEXT, &[b'x'; 301])).0, [Seen::failed(1009)]);
}
