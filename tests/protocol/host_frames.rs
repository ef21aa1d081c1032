//! Frames whose payload the host writes itself, in time, and when the connection ends meanwhile.

use crate::support::*;
use crate::timed::*;
use wsengine::{MessageType, State};

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
