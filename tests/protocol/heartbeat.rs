//! Pings of the engine's own, and the peers that do not answer them. All of it in virtual time.

use crate::support::*;
use crate::timed::*;
use wsengine::{Connection, Engine, State};

// ---- pings ----

#[test]
fn the_first_ping_comes_an_interval_after_the_opening() {
    let mut config = heartbeat();
    config.set_pong_timeout(100_000).unwrap();
    let mut timed = Timed::server(&config);
    assert_eq!(timed.go_to(7_000), []);
    timed.feed(format!("{REQUEST_LINES}\r\n").as_bytes());
    take(&mut timed.conn);
    let mut last = 7_000;
    for _ in 0..20 {
        let (at, payload) = timed.next_ping();
        assert!((22_500..=30_000).contains(&(at - last)), "{} ms", at - last);
        assert_eq!(timed.feed(&masked(PONG, &payload)), [Seen::Pong(payload.into())]);
        last = at;
    }
}

#[test]
fn pings_of_many_connections_spread() {
    let engine = Engine::new(&heartbeat());
    engine.advance(START);
    let mut connections: Vec<Connection> = (0..1000)
        .map(|token| {
            let mut conn = Connection::server(&engine);
            conn.set_token(token);
            feed(&mut conn, format!("{REQUEST_LINES}\r\n").as_bytes());
            take(&mut conn);
            conn
        })
        .collect();
    let mut in_tenth = [0; 10];
    for now in (22_400..=30_000).step_by(100) {
        engine.advance(START + now);
        while let Some(token) = engine.next_due() {
            assert_eq!(pull(&mut connections[token]), []);
            assert_eq!(take(&mut connections[token]).len(), 6, "a ping of four bytes");
            in_tenth[((now - 22_500) / 751) as usize] += 1;
        }
    }
    assert_eq!(in_tenth.iter().sum::<i32>(), 1000);
    assert!(in_tenth.iter().all(|count| (60..=140).contains(count)), "{in_tenth:?}");
}

#[test]
fn the_pong_tells_the_round_trip_time() {
    let mut timed = Timed::open(&heartbeat());
    let rtt_of = |timed: &mut Timed, payload: &[u8]| {
        timed.conn.feed(&masked(PONG, payload)).unwrap();
        let rtt = match timed.conn.next_event() {
            Some(wsengine::Event::Pong { rtt_ms, .. }) => rtt_ms,
            other => panic!("{other:?}"),
        };
        assert_eq!(timed.conn.next_event(), None);
        rtt
    };
    assert_eq!(rtt_of(&mut timed, &[0; 4]), None, "there was no ping");
    let (at, first) = timed.next_ping();
    timed.go_to(at + 123);
    assert_eq!(rtt_of(&mut timed, b"mine"), None);
    assert_eq!(rtt_of(&mut timed, &first), Some(123));
    assert_eq!(rtt_of(&mut timed, &first), None, "once");
    let (_, second) = timed.next_ping();
    assert_ne!(first, second);
    assert_eq!(rtt_of(&mut timed, &first), None, "only the newest");
    assert_eq!(rtt_of(&mut timed, &second), Some(0));
}

#[test]
fn who_gives_no_sign_of_life_is_told_1001() {
    let mut timed = Timed::open(&heartbeat());
    let (at, _) = timed.next_ping();
    assert_eq!(timed.go_to(at + 9_999), []);
    assert_eq!(timed.go_to(at + 10_000), [ended(1001)]);
    assert_eq!(take(&mut timed.conn)[..4], plain(CLOSE, &close_payload(1001, "no answer to a ping"))[..4]);
    assert_eq!(timed.conn.state(), State::Closed);
    assert!(timed.conn.wants_shutdown());
    assert_eq!(timed.engine.next_deadline(), None, "close_timeout is off here");
}

/// The ping itself is output with a deadline of its own, which may be the later one.
#[test]
fn a_write_stall_timeout_does_not_put_off_the_pong_timeout() {
    let mut config = heartbeat();
    config.set_write_stall_timeout(30_000).unwrap();
    let mut timed = Timed::open(&config);
    let (at, _) = timed.next_ping();
    assert_eq!(timed.go_to(at + 9_999), []);
    assert_eq!(timed.go_to(at + 10_000), [ended(1001)]);
}

#[test]
fn any_byte_is_a_sign_of_life() {
    let mut timed = Timed::open(&heartbeat());
    let (at, _) = timed.next_ping();
    let frame = masked(TEXT, b"slowly");
    for (i, byte) in frame.iter().enumerate() {
        assert_eq!(timed.go_to(at + 9_999 * (i as u64 + 1)), []);
        timed.feed(std::slice::from_ref(byte));
        assert_eq!(take(&mut timed.conn), b"", "no second ping while one waits for its pong");
    }
    let silent = at + 9_999 * frame.len() as u64;
    assert_eq!(timed.go_to(silent + 9_999), []);
    assert_eq!(timed.go_to(silent + 10_000), [ended(1001)]);
}

/// The ping waits behind megabytes, and the peer reads them slowly.
#[test]
fn progress_of_output_that_had_to_wait_is_a_sign_of_life() {
    let mut timed = Timed::open(&heartbeat());
    let (at, _) = timed.next_ping();
    timed.conn.outbound().queue_binary(&[0; 100_000]).unwrap();
    for i in 1..20 {
        assert_eq!(timed.go_to(at + 9_000 * i), []);
        timed.conn.outbound().output_consume(1).unwrap();
    }
    assert_eq!(timed.go_to(at + 9_000 * 20), []);
    timed.conn.outbound().output_consume(0).unwrap(); // is no progress
    assert_eq!(timed.go_to(at + 9_000 * 19 + 10_000), [ended(1001)]);
}

/// What is written at once went to a socket buffer: that the peer is there it does not show.
#[test]
fn output_that_did_not_wait_is_none() {
    let mut timed = Timed::open(&heartbeat());
    let (at, _) = timed.next_ping();
    for i in 0..10 {
        assert_eq!(timed.go_to(at + 1_000 * i), []);
        timed.conn.outbound().queue_text(b"token").unwrap();
        take(&mut timed.conn);
    }
    assert_eq!(timed.go_to(at + 10_000), [ended(1001)]);
}

/// A peer may answer the newest of several pings only (RFC 6455, 5.5.3), here the host's.
#[test]
fn another_pong_is_a_pong() {
    let mut timed = Timed::open(&heartbeat());
    let mut last = 0;
    for _ in 0..5 {
        let (at, _) = timed.next_ping();
        assert!((22_500..=30_000).contains(&(at - last)));
        timed.conn.outbound().queue_ping(b"mine").unwrap();
        take(&mut timed.conn);
        assert_eq!(timed.feed(&masked(PONG, b"mine")), [Seen::Pong(b"mine".into())]);
        last = at;
    }
}

#[test]
fn no_ping_is_queued_behind_output_that_waits() {
    let mut timed = Timed::open(&heartbeat());
    timed.conn.outbound().queue_text(b"waits").unwrap();
    assert_eq!(timed.go_to(500_000), []);
    assert_eq!(take(&mut timed.conn), plain(TEXT, b"waits"));
    let (at, _) = timed.next_ping();
    assert!(at <= 530_000);
}

// ---- reading paused ----

#[test]
fn who_is_not_read_from_need_not_show_life() {
    let mut config = heartbeat();
    config.set_idle_timeout(100_000).unwrap();
    let mut timed = Timed::open(&config);
    let (at, payload) = timed.next_ping();
    timed.conn.set_reading(false);
    assert_eq!(timed.go_to(at + 5_000_000), []);
    assert_eq!(take(&mut timed.conn), b"", "no second ping while one waits for its pong");
    timed.conn.set_reading(true);
    assert_eq!(timed.go_to(at + 5_009_999), []);
    assert_eq!(timed.feed(&masked(PONG, &payload)), [Seen::Pong(payload.into())]);
    let overdue = take(&mut timed.conn);
    assert_eq!(overdue[0], 0x89, "now the next ping may go, and it is late");
    timed.feed(&masked(PONG, &overdue[2..]));

    let resumed = at + 5_000_000;
    for now in (resumed + 10_000..resumed + 100_000).step_by(1_000) {
        timed.go_to(now);
        if timed.conn.outbound().queued_bytes() > 0 {
            let ping = take(&mut timed.conn);
            timed.feed(&masked(PONG, &ping[2..]));
        }
    }
    assert_eq!(timed.conn.state(), State::Open);
    timed.go_to(resumed + 100_000);
    assert_eq!(timed.conn.state(), State::Closing, "idle since reading went on");
}

#[test]
fn the_pong_timeout_counts_anew_when_reading_goes_on() {
    let mut timed = Timed::open(&heartbeat());
    let (at, _) = timed.next_ping();
    timed.conn.set_reading(false);
    timed.go_to(at + 50_000);
    timed.conn.set_reading(true);
    timed.conn.set_reading(true); // changes nothing
    assert_eq!(timed.go_to(at + 59_999), []);
    assert_eq!(timed.go_to(at + 60_000), [ended(1001)]);
}

/// Then pings are only to keep something between the two ends awake.
#[test]
fn without_a_pong_timeout_pings_go_on_unanswered() {
    let mut config = heartbeat();
    config.set_pong_timeout(0).unwrap();
    let mut timed = Timed::open(&config);
    let mut last = 0;
    for _ in 0..10 {
        let (at, _) = timed.next_ping();
        assert!((22_500..=30_000).contains(&(at - last)), "{} ms", at - last);
        last = at;
    }
}
