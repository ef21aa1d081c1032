//! What adversarial tests found in this engine, one test each.

use crate::support::*;
use crate::timed::{Timed, heartbeat, with};
use wsengine::{Config, Connection, Delivery, Engine, MessageType, State};

/// What stands behind the end of a connection is not held, so it cannot be too much: it made a 1009 of a clean close, and
/// counted a second end.
#[test]
fn a_limit_that_is_passed_by_what_follows_the_end_does_not_change_the_end() {
    let mut config = Config::new();
    config.set_max_connection_bytes(4096).unwrap();
    for (frame, end) in [
        (masked(CLOSE, &close_payload(1000, "bye")), Seen::peer_closed(1000, "bye")),
        (masked(3, b""), Seen::failed(1002)),
    ] {
        let engine = Engine::new(&config);
        let mut server = Connection::server(&engine);
        feed(&mut server, format!("{REQUEST_LINES}\r\n").as_bytes());
        take(&mut server);
        assert_eq!(feed(&mut server, &[frame, vec![0; 5000]].concat()), [end]);
        assert_eq!(server.state(), State::Closed);
        let violations: u64 = engine.metrics().violations().map(|(_, count)| count).sum();
        assert!(violations <= 1, "{violations} violations of one peer that broke one rule");
        assert_eq!(engine.metrics().held_input_bytes, 0);
    }
}

fn compressing(delivery: Delivery) -> Config {
    let mut config = Config::new();
    config.set_compression(true).set_delivery(delivery).set_max_message_size(125).unwrap();
    config
}

/// A stored block (RFC 1951, 3.2.4) that is not the last one.
fn stored(data: &[u8]) -> Vec<u8> {
    let len = data.len() as u16;
    [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), data].concat()
}

/// Of several mistakes in a compressed message, the first one in the order of what was inflated is found, whether it comes
/// in one read or byte by byte: that is two different close codes for text that is no UTF-8 and too long.
#[test]
fn the_first_mistake_in_a_compressed_message_decides() {
    let request = format!("{REQUEST_LINES}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    let no_block = [0x06, 0xff]; // a block of the type that there is not
    let too_long = [b'x'; 126];
    let not_utf8_then_too_long = [&b"ok \xff"[..], &too_long].concat();
    let too_long_then_not_utf8 = [&too_long[..], b"\xff"].concat();
    for (payload, code, why) in [
        ([stored(b"ok \xff"), no_block.into()].concat(), 1007, "not UTF-8"),
        ([stored(b"ok \xff"), vec![0x00, 0x05]].concat(), 1007, "not UTF-8"), // cut short
        ([stored(&not_utf8_then_too_long), no_block.into()].concat(), 1007, "not UTF-8"),
        ([stored(&too_long_then_not_utf8), no_block.into()].concat(), 1009, "larger than max_message_size"),
        ([stored(&too_long), no_block.into()].concat(), 1009, "larger than max_message_size"),
        ([stored(&too_long[..125]), no_block.into()].concat(), 1007, "not valid deflate"),
    ] {
        for delivery in [Delivery::Messages, Delivery::Chunks, Delivery::Frames] {
            for size in [1, 7, usize::MAX] {
                let mut server = new_server(&compressing(delivery));
                feed(&mut server, request.as_bytes());
                let mut end = None;
                for piece in raw_frame(0xc1, &payload, Some(KEY)).chunks(size) {
                    server.feed(piece).unwrap();
                    while let Some(event) = server.next_event() {
                        if let wsengine::Event::Close(close) = event {
                            end = Some((close.code, close.detail.as_str().to_owned()));
                        }
                    }
                }
                let (got, detail) = end.expect("it ends");
                assert!(got == code && detail.contains(why), "{got} {detail:?} in reads of {size} ({delivery:?})");
            }
        }
    }
}

/// A host that asks before it pulls was not told that time had passed.
#[test]
fn a_deadline_that_passed_is_something_to_pull() {
    let mut late = Timed::server(&with(|config| {
        config.set_handshake_timeout(1_000).unwrap();
    }));
    assert!(!late.conn.has_events());
    late.engine.advance(crate::timed::START + 999);
    assert!(!late.conn.has_events());
    late.engine.advance(crate::timed::START + 1_000);
    assert!(late.conn.has_events());
    assert_eq!(pull(&mut late.conn), [Seen::refused(408)]);
    assert!(!late.conn.has_events());
}

/// While the host wrote the payload of a frame itself, pings and pongs that could not go out ended the connection: as a
/// write stall, or as a peer that was silent.
#[test]
fn a_frame_that_the_host_writes_may_take_its_time() {
    let stall = with(|config| {
        config.set_write_stall_timeout(1_000).unwrap();
    });
    let idle = with(|config| {
        config.set_idle_timeout(1_000).unwrap();
    });
    for (config, ms, ping) in [(stall, 1_000, true), (heartbeat(), 30_000, false), (idle, 1_000, false)] {
        let mut timed = Timed::open(&config);
        let mut now = crate::timed::START;
        let mut pass = |timed: &mut Timed, ms: u64| {
            now += ms;
            timed.engine.advance(now);
            while timed.engine.next_due().is_some() {
                assert_eq!(pull(&mut timed.conn), []);
            }
            assert!(timed.engine.next_deadline().is_none_or(|next| next > now));
        };
        timed.conn.outbound().begin_frame(MessageType::Binary, 1 << 30).unwrap();
        if ping {
            assert_eq!(timed.feed(&masked(PING, b"?")), [Seen::Ping(b"?".into())]);
        }
        for _ in 0..20 {
            pass(&mut timed, ms / 2);
        }
        assert_eq!(timed.conn.state(), State::Open);
        timed.conn.outbound().end_frame().unwrap();
        pass(&mut timed, ms / 3);
        assert_eq!(timed.conn.state(), State::Open);
        // From now on it counts.
        for _ in 0..8 {
            now += ms / 2;
            timed.engine.advance(now);
            pull(&mut timed.conn);
        }
        assert!(timed.conn.state() != State::Open || timed.conn.wants_abort());
    }
}
