//! Frames whose payload the host writes itself, in time, and when the connection ends meanwhile; and what it hands over of
//! them after a short write.

use crate::support::*;
use crate::timed::*;
use wsengine::frame::mask;
use wsengine::{Config, Connection, Engine, Error, MessageType, Outbound, Prepared, State};

fn begin(timed: &mut Timed) {
    timed.conn.outbound().begin_frame(MessageType::Binary, 1 << 30).unwrap();
}

/// Who writes for a minute is neither idle nor stalled, and a ping would not get through.
#[test]
fn what_the_host_writes_is_waited_for() {
    let config = with(|config| {
        config.set_ping_interval(10_000).unwrap();
        config.set_pong_timeout(5_000).unwrap();
        config.set_idle_timeout(20_000).unwrap();
        config.set_write_stall_timeout(15_000).unwrap();
    });
    let mut timed = Timed::open(&config);
    begin(&mut timed);
    timed.feed(&masked(PING, b"1"));
    assert_eq!(timed.go_to(60_000), []);
    assert_eq!((timed.conn.state(), timed.conn.output().count()), (State::Open, 0));
    timed.conn.outbound().end_frame().unwrap();
    assert_eq!(timed.go_to(74_999), []);
    assert_eq!(timed.go_to(75_000), [ended(1006)], "the pong stalls from the end of the frame on");
}

#[test]
fn the_idle_time_counts_from_the_end_of_the_frame() {
    let config = with(|config| {
        config.set_idle_timeout(20_000).unwrap();
    });
    let mut timed = Timed::open(&config);
    begin(&mut timed);
    timed.go_to(60_000);
    timed.conn.outbound().end_frame().unwrap();
    timed.go_to(79_999);
    assert_eq!(timed.conn.state(), State::Open);
    timed.go_to(80_000);
    assert_eq!(timed.conn.state(), State::Closing);
}

#[test]
fn our_close_frame_goes_behind_the_payload_and_counts_from_there() {
    let config = with(|config| {
        config.set_close_timeout(5_000).unwrap();
    });
    let mut timed = Timed::open(&config);
    begin(&mut timed);
    timed.conn.outbound().queue_close(Some(1000), "").unwrap();
    assert_eq!(timed.go_to(60_000), []);
    timed.conn.outbound().end_frame().unwrap();
    assert_eq!(take(&mut timed.conn), plain(CLOSE, &close_payload(1000, "")));
    assert_eq!(timed.go_to(64_999), []);
    assert_eq!(timed.go_to(65_000), [ended(1006)]);
}

/// A close frame within a payload would be payload.
#[test]
fn nothing_is_lent_after_an_end_until_the_payload_is_whole() {
    let config = with(|config| {
        config.set_close_timeout(5_000).unwrap();
    });
    for (input, end, code) in [
        (masked(CLOSE, &close_payload(1000, "")), Seen::peer_closed(1000, ""), 1000),
        (vec![0xff, 0xff], ended(1002), 1002),
    ] {
        for finishes in [true, false] {
            let mut timed = Timed::open(&config);
            begin(&mut timed);
            assert_eq!(timed.feed(&input), std::slice::from_ref(&end));
            assert_eq!(timed.conn.output().count(), 0);
            assert_eq!(timed.go_to(4_999), []);
            assert!(!timed.conn.wants_shutdown() && !timed.conn.wants_abort());
            if finishes {
                timed.conn.outbound().end_frame().unwrap();
                assert_eq!(take(&mut timed.conn), plain(CLOSE, &close_payload(code, "")));
                assert!(timed.conn.wants_shutdown());
                timed.go_to(9_998);
                assert!(!timed.conn.wants_abort());
            } else {
                timed.go_to(5_000);
                assert!(timed.conn.wants_abort());
                assert_eq!(timed.conn.output().count(), 0);
            }
        }
    }
}

/// Begins a binary message, and says how its frame goes out.
fn begin_with(conn: &mut Connection, payload: &[u8]) -> Vec<u8> {
    let header = conn.outbound().begin_frame(MessageType::Binary, payload.len() as u64).unwrap();
    let mut payload = payload.to_vec();
    if header.as_bytes()[1] & 0x80 != 0 {
        mask::apply(*header.as_bytes().last_chunk().unwrap(), 0, &mut payload);
    }
    [header.as_bytes(), &payload].concat()
}

/// The host got no further than `written` bytes of the frame, and hands over the rest in so many pieces.
fn hand_over(out: &mut Outbound, frame: &[u8], written: usize, pieces: usize) {
    let rest = &frame[written..];
    for piece in rest.chunks(rest.len().div_ceil(pieces).max(1)) {
        out.queue_frame_rest(piece).unwrap();
    }
}

#[test]
fn what_the_host_could_not_write_goes_out_first() {
    for len in [0, 5, 300, 70_000] {
        let payload = noise(len, 7);
        for make in [open_server, open_client] {
            for pieces in [1, 2, 7] {
                for left in [0, 1, len / 2, len, len + 1, usize::MAX] {
                    let mut conn = make();
                    let frame = begin_with(&mut conn, &payload);
                    let written = frame.len().saturating_sub(left);
                    hand_over(conn.outbound(), &frame, written, pieces);
                    assert_eq!(conn.outbound().queued_bytes(), frame.len() - written);
                    assert_eq!(conn.output().count(), 0);
                    assert!(conn.outbound().output_consume(1).is_err());
                    conn.outbound().end_frame().unwrap();
                    assert_eq!(take(&mut conn), frame[written..], "{len} bytes, {left} left, in {pieces}");
                    conn.outbound().begin_frame(MessageType::Text, 1).unwrap();
                }
            }
        }
    }
}

#[test]
fn only_a_frame_that_was_begun_has_a_rest() {
    let mut server = open_server();
    assert!(matches!(server.outbound().queue_frame_rest(b"x"), Err(Error::State(_))));
    let frame = begin_with(&mut server, b"payload");
    server.outbound().queue_frame_rest(b"").unwrap();
    server.outbound().end_frame().unwrap();
    assert_eq!(server.output().count(), 0);

    server.outbound().begin_frame(MessageType::Binary, 7).unwrap();
    server.outbound().queue_frame_rest(&frame).unwrap();
    server.outbound().queue_frame_rest(b"").unwrap();
    server.outbound().end_frame().unwrap();
    assert!(matches!(server.outbound().queue_frame_rest(b""), Err(Error::State(_))));
    assert_eq!(take(&mut server), frame);
}

/// What may be queued beside a frame of the host's, and what the peer sees of it.
fn queue_beside(out: &mut Outbound, what: usize) -> Seen {
    let prepared = |len| Prepared::new(MessageType::Binary, &vec![3; len]).unwrap();
    match what {
        0 => out.queue_text(b"text").map(|()| Seen::text("text")),
        1 => out.queue_binary(&[1; 20_000]).map(|()| Seen::Binary(vec![1; 20_000])), // in a chunk of its own
        2 => out.queue_ping(b"ping").map(|()| Seen::Ping(b"ping".into())),
        3 => out.queue_pong(b"pong").map(|()| Seen::Pong(b"pong".into())),
        4 => out.queue_prepared(&prepared(100)).map(|()| Seen::Binary(vec![3; 100])), // copied if it is not alone
        _ => out.queue_prepared(&prepared(2_000)).map(|()| Seen::Binary(vec![3; 2_000])), // shared
    }
    .unwrap()
}

/// Whatever is queued before the rest, between its pieces, behind it and while it is taken.
#[test]
fn nothing_overtakes_the_rest() {
    let payload = noise(20_000, 5);
    let (mut server, mut client) = (open_server(), open_client());
    for case in 0..6usize.pow(4) {
        let beside = [case % 6, case / 6 % 6, case / 36 % 6, case / 216];
        let taken_first = [0, 1, 9_901, 19_903][case % 7 % 4];
        let mut expected = Vec::new();
        let frame = begin_with(&mut server, &payload);
        let out = server.outbound();
        expected.push(queue_beside(out, beside[0]));
        out.queue_frame_rest(&frame[100..10_000]).unwrap();
        expected.push(queue_beside(out, beside[1]));
        out.queue_frame_rest(&frame[10_000..]).unwrap();
        expected.push(queue_beside(out, beside[2]));
        out.end_frame().unwrap();

        let mut written = frame[..100].to_vec();
        written.extend(server.output().flatten().take(taken_first));
        server.outbound().output_consume(taken_first).unwrap();
        expected.push(queue_beside(server.outbound(), beside[3]));
        written.extend(take(&mut server));
        assert_eq!(written[..frame.len()], frame, "{beside:?}");
        let mut seen = feed(&mut client, &written[frame.len()..]);
        for one in expected {
            let at = seen.iter().position(|other| *other == one).expect("nothing is lost");
            seen.swap_remove(at);
        }
        assert_eq!(seen, [], "{beside:?}");
    }
}

#[test]
fn pings_keep_their_order_behind_the_rest() {
    let mut server = open_server();
    let frame = begin_with(&mut server, b"payload");
    for _ in 0..3 {
        server.outbound().queue_binary(&noise(20_000, 1)).unwrap();
    }
    server.outbound().queue_ping(b"1").unwrap();
    server.outbound().queue_frame_rest(&frame[3..]).unwrap();
    server.outbound().queue_ping(b"2").unwrap();
    server.outbound().end_frame().unwrap();
    server.outbound().queue_ping(b"3").unwrap();
    let first = [&frame[3..], &plain(PING, b"1"), &plain(PING, b"2"), &plain(PING, b"3")].concat();
    assert_eq!(take(&mut server)[..first.len()], first);
}

#[test]
fn a_pong_behind_a_long_rest_is_owed() {
    let mut server = open_server();
    let frame = begin_with(&mut server, &noise(10_000, 1));
    server.outbound().queue_frame_rest(&frame).unwrap();
    for ping in [b"1", b"2"] {
        assert_eq!(feed(&mut server, &masked(PING, ping)), [Seen::Ping(ping.to_vec())]);
    }
    server.outbound().end_frame().unwrap();
    server.outbound().output_consume(1).unwrap();
    assert_eq!(take(&mut server), [&frame[1..], &plain(PONG, b"2")].concat(), "queued when the peer reads on");
}

#[test]
fn the_rest_goes_before_the_close_frame_of_an_end() {
    for written in [0, 1, 100] {
        for (input, code) in [(masked(CLOSE, &close_payload(1000, "")), 1000), (vec![0xff, 0xff], 1002), (vec![], 1001)]
        {
            for (handed_over_before, pings) in [(true, false), (false, false), (false, true)] {
                let mut server = open_server();
                let frame = begin_with(&mut server, &noise(300, 1));
                let hand_over = |server: &mut Connection, is_due| {
                    if is_due {
                        hand_over(server.outbound(), &frame, written, 2);
                    }
                };
                hand_over(&mut server, handed_over_before);
                if pings {
                    server.outbound().queue_ping(b"").unwrap();
                }
                if input.is_empty() {
                    server.outbound().queue_close(Some(code), "").unwrap();
                } else {
                    feed(&mut server, &input);
                    assert_eq!(server.state(), State::Closed);
                }
                hand_over(&mut server, !handed_over_before);
                assert!(!server.wants_shutdown() && !server.wants_abort());
                server.outbound().end_frame().unwrap();
                let ping = if pings { plain(PING, b"") } else { Vec::new() };
                assert_eq!(
                    take(&mut server),
                    [&frame[written..], &ping, &plain(CLOSE, &close_payload(code, ""))].concat()
                );
                assert_eq!(server.wants_shutdown(), !input.is_empty());
            }
        }
    }
}

/// A peer that still reads what is before our close frame is not late with its own.
#[test]
fn the_rest_counts_as_before_the_close_frame() {
    let mut timed = Timed::open(&with(|config| {
        config.set_close_timeout(5_000).unwrap();
    }));
    let frame = begin_with(&mut timed.conn, &noise(300, 1));
    timed.conn.outbound().queue_close(Some(1000), "").unwrap();
    timed.conn.outbound().queue_frame_rest(&frame).unwrap();
    timed.conn.outbound().end_frame().unwrap();
    for time in [4_000, 8_000] {
        assert_eq!(timed.go_to(time), []);
        timed.conn.outbound().output_consume(100).unwrap();
    }
    assert_eq!(timed.go_to(12_999), []);
    assert_eq!(timed.go_to(13_000), [ended(1006)]);
}

#[test]
fn a_rest_that_stalls_ends_the_connection() {
    let mut timed = Timed::open(&with(|config| {
        config.set_write_stall_timeout(15_000).unwrap();
    }));
    let frame = begin_with(&mut timed.conn, &noise(300, 1));
    timed.conn.outbound().queue_frame_rest(&frame[2..]).unwrap();
    assert_eq!(timed.go_to(60_000), [], "the frame is in the hands of the host");
    timed.conn.outbound().end_frame().unwrap();
    assert_eq!(timed.go_to(74_999), []);
    timed.conn.outbound().output_consume(1).unwrap();
    assert_eq!(timed.go_to(89_998), []);
    assert_eq!(timed.go_to(89_999), [ended(1006)]);
    assert!(timed.conn.wants_abort());
}

#[test]
fn the_limits_are_those_of_a_message_of_that_size() {
    let engine_full = |config: &mut Config| config.set_max_engine_bytes(20_000).map(drop);
    let queue_full = |config: &mut Config| config.set_max_queued_bytes(20_000).map(drop);
    for (limit, is_of_engine) in [(engine_full as fn(&mut Config) -> _, true), (queue_full, false)] {
        let mut config = Config::new();
        limit(&mut config).unwrap();
        for waiting in [0, 5_000] {
            for over in [0, 1] {
                let engine = Engine::new(&config);
                let (mut server, mut other) = (open_on(&engine), open_on(&engine));
                server.outbound().begin_frame(MessageType::Binary, 1 << 20).unwrap();
                let elsewhere = if is_of_engine { &mut other } else { &mut server };
                if waiting > 0 {
                    elsewhere.outbound().queue_binary(&noise(waiting - 4, 1)).unwrap();
                }
                let rest = noise(20_000 - 14 - waiting + over, 2);
                let mut refused = engine.metrics();
                refused.queue_full += 1;
                let result = server.outbound().queue_frame_rest(&rest);
                if over == 0 {
                    assert_eq!(result, Ok(()));
                    continue;
                }
                assert_eq!(result, Err(Error::QueueFull));
                assert_eq!(engine.metrics(), refused);
                server.outbound().queue_frame_rest(&rest[1..]).unwrap();
            }
        }
    }
}

/// What may follow a message without a look at the limits was found before the rest was there.
#[test]
fn the_rest_counts_for_what_follows_it() {
    let mut config = Config::new();
    config.set_max_queued_bytes(4_000).unwrap();
    let mut server = open_server_with(&config);
    let frame = begin_with(&mut server, &noise(3_500, 1));
    server.outbound().queue_text(&[b'x'; 100]).unwrap();
    server.outbound().queue_text(&[b'x'; 100]).unwrap();
    server.outbound().queue_frame_rest(&frame).unwrap();
    assert_eq!(server.outbound().queue_text(&[b'x'; 300]), Err(Error::QueueFull));
    server.outbound().queue_text(&[b'x'; 100]).unwrap();
}

#[test]
fn the_water_marks_see_the_rest() {
    let mut config = Config::new();
    config.set_water_marks(1_000, 2_000).unwrap();
    let mut server = open_server_with(&config);
    let frame = begin_with(&mut server, &noise(5_000, 1));
    server.outbound().queue_frame_rest(&frame[frame.len() - 2_000..]).unwrap();
    assert!(!server.outbound().is_above_high_water());
    server.outbound().end_frame().unwrap();
    take(&mut server);
    assert_eq!(pull(&mut server), []);

    let frame = begin_with(&mut server, &noise(5_000, 1));
    server.outbound().queue_frame_rest(&frame[frame.len() - 2_001..]).unwrap();
    assert!(server.outbound().is_above_high_water());
    server.outbound().end_frame().unwrap();
    server.outbound().output_consume(1_000).unwrap();
    assert!(server.outbound().is_above_high_water());
    server.outbound().output_consume(1).unwrap();
    assert!(!server.outbound().is_above_high_water());
    assert_eq!(pull(&mut server), [Seen::Writable]);
}

#[test]
fn the_rest_is_counted_as_if_it_had_been_queued() {
    let payload = noise(5_000, 1);
    let usual = Engine::default();
    let mut server = open_on(&usual);
    let opened = usual.metrics();
    server.outbound().queue_binary(&payload).unwrap();
    let queued = usual.metrics();
    take(&mut server);
    let taken = usual.metrics();
    assert_eq!(taken.wire_bytes_out, opened.wire_bytes_out + 5_004);

    for written in [0, 1, 2_000, 5_004] {
        for pieces in [1, 2] {
            let engine = Engine::default();
            let mut server = open_on(&engine);
            let frame = begin_with(&mut server, &payload);
            hand_over(server.outbound(), &frame, written, pieces);
            let (left, seen) = ((frame.len() - written) as u64, engine.metrics());
            assert_eq!((seen.wire_bytes_out, seen.queued_bytes), (opened.wire_bytes_out + written as u64, left));
            assert!(written > 0 || seen == queued);
            server.outbound().end_frame().unwrap();
            take(&mut server);
            let mut seen = engine.metrics();
            assert_eq!(seen.queue_high_water, left.max(opened.queue_high_water));
            seen.queue_high_water = taken.queue_high_water;
            assert_eq!(seen, taken);
        }
    }

    // More than the frame had is the host's mistake; a counter does not wrap over it.
    let mut server = open_on(&usual);
    server.outbound().begin_frame(MessageType::Binary, 1).unwrap();
    server.outbound().queue_frame_rest(&[0; 100_000]).unwrap();
    assert_eq!(usual.metrics().wire_bytes_out, 0);
}
