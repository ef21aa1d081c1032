//! Time, as the host tells it: the deadlines of a connection. All of it in virtual time.

use crate::support::*;
use crate::timed::*;
use wsengine::{Config, Connection, Engine, Initiator, State};

// ---- the clock ----

#[test]
fn without_the_time_no_deadline_counts() {
    let engine = Engine::default();
    let mut server = Connection::server(&engine);
    assert_eq!(engine.next_deadline(), None);
    assert_eq!(engine.next_due(), None);
    assert_eq!(pull(&mut server), []);
}

#[test]
fn the_first_advance_is_the_zero_point_of_what_was_there() {
    for start in [0, 1, START, u64::MAX / 2] {
        let engine = Engine::default();
        let mut server = Connection::server(&engine);
        server.set_token(42);
        engine.advance(start);
        assert_eq!(engine.next_due(), None);
        assert!(engine.next_deadline().is_some_and(|next| next > start && next <= start + 10_000));
        engine.advance(start + 9_999);
        engine.advance(start + 5); // time does not go back
        engine.advance(start);
        assert_eq!((engine.next_deadline(), engine.next_due()), (Some(start + 10_000), None));
        engine.advance(start + 10_000);
        assert_eq!(engine.next_deadline(), Some(start + 10_000));
        assert_eq!((engine.next_due(), engine.next_due()), (Some(42), None));
        assert_eq!(pull(&mut server), [Seen::refused(408)]);
    }
}

#[test]
fn a_jump_of_years_is_a_deadline_reached() {
    for jump in [13 * 24 * 3600 * SECOND, 50 * 24 * 3600 * SECOND, u64::MAX - START] {
        let mut timed = Timed::open(&with(|config| {
            config.set_max_lifetime(Config::MAX_TIMEOUT).unwrap();
        }));
        timed.engine.advance(START + jump);
        assert_eq!(timed.engine.next_due(), Some(0));
        assert_eq!(pull(&mut timed.conn), []);
        assert_eq!(timed.conn.state(), State::Closing);
    }
}

#[test]
fn with_everything_off_there_is_nothing_to_wait_for() {
    let mut timed = Timed::open(&off());
    timed.feed(&masked(TEXT, b"hello"));
    timed.conn.outbound().queue_text(b"hello").unwrap();
    assert_eq!(timed.engine.next_deadline(), None);
    timed.conn.outbound().queue_close(None, "").unwrap();
    timed.feed(&masked(CLOSE, b""));
    assert_eq!(timed.engine.next_deadline(), None);
}

/// 100,000 connections, of which 100 are late: the host is handed these.
#[test]
fn only_who_is_late_is_handed_out() {
    let engine = Engine::default();
    engine.advance(START);
    let make = |token| {
        let mut server = Connection::server(&engine);
        server.set_token(token);
        server
    };
    let mut late: Vec<Connection> = (0..102).map(make).collect();
    engine.advance(START + 2 * SECOND);
    let in_time: Vec<Connection> = (102..100_000).map(make).collect();
    late.pop(); // gone before it is due

    engine.advance(START + 10 * SECOND);
    late.pop(); // gone while it is due
    let mut due: Vec<usize> = std::iter::from_fn(|| engine.next_due()).collect();
    due.sort_unstable();
    assert_eq!(due, (0..100).collect::<Vec<_>>());
    for server in &mut late {
        assert_eq!(pull(server), [Seen::refused(408)]);
    }
    assert!(engine.next_deadline().is_some_and(|next| next > START + 10 * SECOND));
    drop(engine); // the order does not matter
    drop(in_time);
}

// ---- the handshake ----

#[test]
fn a_request_that_is_late_gets_408() {
    let mut timed = Timed::server(&Config::new());
    assert_eq!(timed.go_to(9_000), []);
    assert_eq!(timed.feed(b"GET / HTTP/1.1\r\nHost:"), []); // bytes do not prolong it
    assert_eq!(timed.go_to(9_999), []);
    assert_eq!(timed.go_to(10_000), [Seen::refused(408)]);
    assert!(take(&mut timed.conn).starts_with(b"HTTP/1.1 408 Request Timeout\r\n"));
    assert!(timed.conn.wants_shutdown());
}

/// What has arrived counts, when it is pulled late.
#[test]
fn a_request_that_came_before_the_pull_is_served() {
    let mut timed = Timed::server(&Config::new());
    timed.engine.advance(START + 20_000);
    assert_eq!(timed.feed(format!("{REQUEST_LINES}\r\n").as_bytes()), [Seen::Open(None)]);
    assert_eq!(timed.engine.next_due(), None, "the pull has set its timer anew");
}

#[test]
fn a_request_that_nobody_decides_on_gets_503() {
    let mut config = Config::new();
    config.set_manual_accept(true);
    let mut timed = Timed::server(&config);
    assert_eq!(timed.feed(format!("{REQUEST_LINES}\r\n").as_bytes()), [Seen::Request("/chat".into())]);
    assert_eq!(timed.go_to(10_000), [Seen::refused(503)]);
    assert!(take(&mut timed.conn).starts_with(b"HTTP/1.1 503 "));
    assert!(timed.conn.accept(None, &[]).is_err());
}

#[test]
fn an_answer_that_is_late_ends_the_client() {
    let engine = Engine::default();
    engine.advance(START);
    let conn = Connection::client(&engine, &client_request()).unwrap();
    let mut timed = Timed { engine, conn };
    take(&mut timed.conn);
    assert_eq!(timed.go_to(9_999), []);
    assert_eq!(timed.go_to(10_000), [ended(1006)]);
    assert!(timed.conn.wants_abort());
    assert_eq!(timed.engine.next_deadline(), None);
}

// ---- idle, lifetime ----

#[test]
fn who_is_idle_is_asked_to_close() {
    let config = with(|config| {
        config.set_idle_timeout(60_000).unwrap();
        config.set_ping_interval(7_000).unwrap();
    });
    let mut timed = Timed::open(&config);
    let mut output = Vec::new();
    let mut go_to = |timed: &mut Timed, ms| {
        while let Some((_, ping)) = timed.next_output(ms) {
            output = ping; // pings and pongs are no messages
            timed.feed(&masked(PONG, &output[2..]));
        }
        timed.go_to(ms);
        output.clone()
    };
    go_to(&mut timed, 50_000);
    timed.feed(&masked(TEXT, b"one"));
    go_to(&mut timed, 100_000);
    timed.conn.outbound().queue_text(b"two").unwrap();
    take(&mut timed.conn);
    go_to(&mut timed, 150_000);
    timed.feed(&masked_part(TEXT, b"part")); // of a message
    go_to(&mut timed, 209_999);
    assert_eq!(timed.conn.state(), State::Open);
    assert_eq!(go_to(&mut timed, 210_000), plain(CLOSE, &close_payload(1001, "idle for too long")));
    assert_eq!(timed.conn.state(), State::Closing);
    let answer =
        Seen::Close { code: 1001, reason: "".into(), clean: true, initiator: Initiator::Us, http_status: None };
    assert_eq!(timed.feed(&masked(CLOSE, &close_payload(1001, ""))), [answer]);
}

#[test]
fn a_lifetime_counts_from_the_opening_whatever_happens() {
    let config = with(|config| {
        config.set_max_lifetime(100_000).unwrap();
    });
    let mut timed = Timed::server(&config);
    timed.go_to(5_000);
    timed.feed(format!("{REQUEST_LINES}\r\n").as_bytes());
    take(&mut timed.conn);
    for now in (10_000..105_000).step_by(5_000) {
        assert_eq!(timed.go_to(now), []);
        timed.feed(&masked(TEXT, b"busy"));
        timed.conn.outbound().queue_text(b"busy").unwrap();
        take(&mut timed.conn);
    }
    timed.conn.set_reading(false);
    assert_eq!(timed.go_to(104_999), []);
    assert_eq!(timed.conn.state(), State::Open);
    assert_eq!(timed.go_to(105_000), []);
    assert_eq!(take(&mut timed.conn), plain(CLOSE, &close_payload(1001, "open for long enough")));
}

// ---- the close handshake ----

fn closing() -> Config {
    with(|config| {
        config.set_close_timeout(5_000).unwrap();
    })
}

#[test]
fn an_answer_to_our_close_frame_is_waited_for() {
    let mut timed = Timed::open(&closing());
    assert_eq!(timed.engine.next_deadline(), None);
    timed.go_to(1_000);
    timed.conn.outbound().queue_close(Some(1000), "").unwrap();
    take(&mut timed.conn);
    assert_eq!(timed.go_to(5_999), []);
    timed.feed(&masked(TEXT, b"still talking"));
    assert_eq!(timed.go_to(6_000), [ended(1006)]);
    assert!(timed.conn.wants_abort());
    assert_eq!(timed.engine.next_deadline(), None);
}

/// The close frame waits behind what was queued before.
#[test]
fn who_still_reads_has_not_come_to_our_close_frame() {
    let mut timed = Timed::open(&closing());
    timed.conn.outbound().queue_binary(&[0; 1000]).unwrap();
    timed.conn.outbound().queue_close(Some(1000), "").unwrap();
    for i in 1..10 {
        assert_eq!(timed.go_to(4_000 * i), []);
        timed.conn.outbound().output_consume(10).unwrap();
    }
    assert_eq!(timed.go_to(40_999), []);
    assert_eq!(timed.go_to(41_000), [ended(1006)]);
}

/// Pings behind our close frame are answered (RFC 6455, 5.5.2), but they are not the answer to it.
#[test]
fn pings_do_not_put_off_the_answer_to_our_close_frame() {
    let mut timed = Timed::open(&closing());
    timed.conn.outbound().queue_binary(&[0; 1000]).unwrap();
    timed.conn.outbound().queue_close(Some(1000), "").unwrap();
    timed.go_to(4_000);
    take(&mut timed.conn);
    for ms in [6_000, 8_000] {
        assert_eq!(timed.go_to(ms), []);
        assert_eq!(timed.feed(&masked(PING, b"1")), [Seen::Ping(b"1".to_vec())]);
        assert_eq!(take(&mut timed.conn), plain(PONG, b"1"));
    }
    assert_eq!(timed.go_to(8_999), []);
    assert_eq!(timed.go_to(9_000), [ended(1006)]);
}

#[test]
fn pongs_do_not_overtake_our_close_frame() {
    let mut timed = Timed::open(&closing());
    for _ in 0..3 {
        timed.conn.outbound().queue_binary(&[0; 20_000]).unwrap();
    }
    timed.conn.outbound().queue_close(Some(1000), "").unwrap();
    let waits = timed.conn.outbound().queued_bytes();
    timed.feed(&masked(PING, b"1"));
    timed.conn.outbound().output_consume(1).unwrap();
    assert_eq!(take(&mut timed.conn)[waits - 1..], plain(PONG, b"1"));
}

#[test]
fn the_end_of_the_stream_is_waited_for() {
    for eof in [false, true] {
        let mut timed = Timed::open(&closing());
        timed.go_to(1_000);
        assert_eq!(timed.feed(&masked(CLOSE, &close_payload(1000, ""))), [Seen::peer_closed(1000, "")]);
        take(&mut timed.conn);
        assert!(timed.conn.wants_shutdown() && !timed.conn.wants_abort());
        if eof {
            timed.conn.feed_eof();
            assert_eq!(pull(&mut timed.conn), []);
            assert!(timed.conn.wants_abort());
            assert_eq!(timed.engine.next_deadline(), None);
            continue;
        }
        assert_eq!(timed.go_to(5_999), []);
        assert!(!timed.conn.wants_abort());
        assert_eq!(timed.go_to(6_000), []); // handed out, with nothing but this:
        assert!(timed.conn.wants_abort());
        assert_eq!(timed.engine.next_deadline(), None);
    }
}

/// From the peer's answer on, not from our close frame.
#[test]
fn the_end_of_the_stream_has_a_time_of_its_own() {
    let mut timed = Timed::open(&closing());
    timed.conn.outbound().queue_close(Some(1000), "").unwrap();
    take(&mut timed.conn);
    timed.go_to(4_000);
    assert_eq!(timed.feed(&masked(CLOSE, &close_payload(1000, ""))).len(), 1);
    timed.go_to(8_999);
    assert!(!timed.conn.wants_abort());
    timed.go_to(9_000);
    assert!(timed.conn.wants_abort());
}

// ---- write stall ----

fn stalling() -> Config {
    with(|config| {
        config.set_write_stall_timeout(20_000).unwrap();
    })
}

#[test]
fn output_that_nobody_takes_ends_the_connection() {
    for closing in [false, true] {
        let mut timed = Timed::open(&stalling());
        timed.go_to(1_000);
        timed.conn.outbound().queue_text(b"waits").unwrap();
        timed.go_to(15_000);
        timed.conn.outbound().queue_text(b"waits too").unwrap();
        if closing {
            timed.conn.outbound().queue_close(None, "").unwrap();
        }
        timed.feed(&masked(TEXT, b"does not read"));
        timed.conn.set_reading(false);
        assert_eq!(timed.go_to(20_999), []);
        timed.conn.outbound().output_consume(1).unwrap();
        assert_eq!(timed.go_to(40_998), []);
        assert_eq!(timed.go_to(40_999), [ended(1006)]);
        assert!(timed.conn.wants_abort());
        assert_eq!(timed.engine.next_deadline(), None);
    }
}

/// Queued between two pulls, as a broadcast is.
#[test]
fn output_that_stalls_is_noticed_without_a_pull() {
    let mut timed = Timed::open(&stalling());
    timed.go_to(100_000);
    assert_eq!(timed.engine.next_deadline(), None);
    timed.conn.outbound().queue_text(b"waits").unwrap();
    timed.go_to(110_000);
    timed.conn.outbound().queue_text(b"more of it is no progress").unwrap();
    assert_eq!(timed.go_to(119_999), []);
    assert_eq!(timed.go_to(120_000), [ended(1006)]);
}

#[test]
fn the_last_output_of_a_closed_connection_may_stall_too() {
    let mut timed = Timed::open(&stalling());
    timed.conn.outbound().queue_text(b"waits").unwrap();
    assert_eq!(timed.feed(&masked(CLOSE, b"")), [Seen::peer_closed(1005, "")]);
    timed.conn.feed_eof();
    assert_eq!(pull(&mut timed.conn), []);
    assert!(!timed.conn.wants_abort());
    assert_eq!(timed.go_to(20_000), []);
    assert!(timed.conn.wants_abort());
}

#[test]
fn output_that_was_taken_does_not_stall() {
    let mut timed = Timed::open(&stalling());
    for i in 0..10 {
        timed.conn.outbound().queue_text(b"at once").unwrap();
        take(&mut timed.conn);
        assert_eq!(timed.go_to(15_000 * i), []);
    }
    timed.go_to(1_000_000);
    assert_eq!((timed.conn.state(), timed.engine.next_deadline()), (State::Open, None));
}

// ---- several at once ----

#[test]
fn a_host_that_asks_learns_that_time_has_passed() {
    let mut timed = Timed::server(&Config::new());
    timed.engine.advance(START + 9_999);
    assert!(!timed.conn.has_events());
    timed.engine.advance(START + 10_000);
    assert!(timed.conn.has_events());
    assert_eq!(pull(&mut timed.conn), [Seen::refused(408)]);
    assert!(!timed.conn.has_events());
}

/// What time brings queues output, which has a deadline of its own: the others must not be forgotten over it.
#[test]
fn a_ping_does_not_put_off_other_deadlines() {
    let config = with(|config| {
        config.set_ping_interval(10_000).unwrap();
        config.set_pong_timeout(5_000).unwrap();
        config.set_write_stall_timeout(30_000).unwrap();
    });
    let mut timed = Timed::open(&config);
    let (at, _) = timed.next_ping();
    assert_eq!(timed.go_to(at + 4_999), []);
    assert_eq!(timed.go_to(at + 5_000), [ended(1001)]);
}

#[test]
fn a_greeting_does_not_put_off_other_deadlines() {
    let config = with(|config| {
        config.set_idle_timeout(5_000).unwrap();
        config.set_write_stall_timeout(30_000).unwrap();
    });
    let mut timed = Timed::server(&config);
    timed.conn.feed(format!("{REQUEST_LINES}\r\n").as_bytes()).unwrap();
    assert!(timed.conn.next_event().is_some());
    take(&mut timed.conn);
    timed.conn.outbound().queue_text(b"welcome").unwrap();
    assert_eq!(timed.conn.next_event(), None);
    take(&mut timed.conn);
    timed.go_to(5_000);
    assert_eq!(timed.conn.state(), State::Closing);
}

#[test]
fn a_close_frame_does_not_put_off_a_write_stall() {
    let config = with(|config| {
        config.set_idle_timeout(9_000).unwrap();
        config.set_close_timeout(60_000).unwrap();
        config.set_write_stall_timeout(10_000).unwrap();
    });
    let mut timed = Timed::open(&config);
    timed.conn.outbound().queue_text(b"waits").unwrap();
    assert_eq!(timed.go_to(9_999), []);
    assert_eq!(timed.conn.state(), State::Closing);
    assert_eq!(timed.go_to(10_000), [ended(1006)]);
}

// ---- the rate of control frames ----

#[test]
fn control_frames_have_a_rate() {
    let config = with(|config| {
        config.set_max_control_rate(3).unwrap();
    });
    let mut timed = Timed::open(&config);
    for second in 0..5 {
        timed.go_to(second * 1_000);
        for i in 0..3 {
            timed.go_to(second * 1_000 + i * 333);
            assert_eq!(timed.feed(&masked(if i == 1 { PONG } else { PING }, b"")).len(), 1);
            timed.feed(&masked(TEXT, b"does not count"));
            take(&mut timed.conn);
        }
    }
    assert_eq!(timed.feed(&masked(PING, b"")), [ended(1008)]);
    assert_eq!(take(&mut timed.conn), plain(CLOSE, &close_payload(1008, "")));
}

#[test]
fn the_rate_counts_frames_of_one_read() {
    let flood = masked(PING, b"").repeat(251);
    let mut timed = Timed::open(&Config::new());
    let events = timed.feed(&flood);
    assert_eq!((events.len(), events.last()), (251, Some(&ended(1008))));
    let events = feed(&mut open_server(), &flood); // whose engine was not told the time
    assert_eq!(events.len(), 251);
    assert!(events.iter().all(|event| *event == Seen::Ping(vec![])));
}
