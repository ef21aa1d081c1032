//! A server whose application decides on each request, at once or later.

use crate::support::*;
use wsengine::{Config, Connection, Error, Header, Initiator, State};

fn config() -> Config {
    let mut config = Config::new();
    config.set_manual_accept(true).add_subprotocol("v1").unwrap();
    config
}

fn request() -> Vec<u8> {
    let lines = "Cookie: a=1\r\ncookie:  b=2 \r\nSec-WebSocket-Protocol: v1, v0\r\n";
    format!("{}{lines}\r\n", REQUEST_LINES.replace("/chat", "/chat?room=1")).into_bytes()
}

fn asked() -> Connection {
    let mut server = new_server(&config());
    assert_eq!(feed(&mut server, &request()), [Seen::Request("/chat?room=1".into())]);
    assert_eq!(take(&mut server), b"", "nothing is said before the decision");
    server
}

#[test]
fn the_request_can_be_looked_at() {
    let server = asked();
    assert_eq!(server.request_target(), Some("/chat?room=1"));
    assert_eq!(server.request_header("COOKIE", 0), Some(&b"a=1"[..]));
    assert_eq!(server.request_header("Cookie", 1), Some(&b"b=2"[..]));
    assert_eq!(server.request_header("Cookie", 2), None);
    assert_eq!(server.request_header("Authorization", 0), None);
}

#[test]
fn accepting() {
    for (subprotocol, chosen) in [(None, Some("v1")), (Some("v0"), Some("v0")), (Some(""), None)] {
        let mut server = asked();
        server.accept(subprotocol, &[Header { name: b"Set-Cookie", value: b"id=7" }]).unwrap();
        let output = String::from_utf8(take(&mut server)).unwrap();
        assert!(output.starts_with("HTTP/1.1 101 ") && output.contains("\r\nSet-Cookie: id=7\r\n"), "{output}");
        assert_eq!(pull(&mut server), [Seen::Open(chosen.map(str::to_owned))]);
        assert_eq!(server.state(), State::Open);
    }
}

#[test]
fn the_request_is_there_with_the_opening_and_gone_after_it() {
    let mut server = asked();
    server.accept(None, &[]).unwrap();
    assert!(server.next_event().is_some());
    assert_eq!(server.request_target(), Some("/chat?room=1"));
    assert!(server.next_event().is_none());
    assert_eq!(server.request_target(), None);
    assert_eq!(server.request_header("Cookie", 0), None);
}

#[test]
fn decisions_that_would_break_change_nothing() {
    let mut server = asked();
    for (subprotocol, name, value) in [
        (Some("v9"), &b"X"[..], &b"y"[..]),
        (Some("\u{fc}ber"), b"X", b"y"),
        (Some("v1\r\nX: y"), b"X", b"y"),
        (None, b"X\r\nY", b"a"),
        (None, b"X", b"a\nb"),
        (None, b"X", b"a\rb"),
        (None, b"X", b"a\0b"),
        (None, b"", b"a"),
        (None, b"X", b"a\r\nb"),
        (None, b"Sec-WebSocket-Accept", b"mine"),
        (None, b"Connection", b"close"),
    ] {
        let refused = server.accept(subprotocol, &[Header { name, value }]);
        assert!(matches!(refused, Err(Error::InvalidArgument(_))));
    }
    for status in [0, 101, 200, 299, 600] {
        assert!(matches!(server.reject(status, &[], b""), Err(Error::InvalidArgument(_))), "{status}");
    }
    assert!(server.reject(404, &[Header { name: b"X", value: b"\n" }], b"").is_err());
    assert_eq!(take(&mut server), b"");
    server.accept(None, &[]).unwrap();
    assert_eq!(pull(&mut server), [Seen::Open(Some("v1".into()))]);
}

#[test]
fn rejecting() {
    let mut server = asked();
    server.reject(401, &[Header { name: b"WWW-Authenticate", value: b"Bearer" }], b"who are you?").unwrap();
    assert_eq!(
        String::from_utf8(take(&mut server)).unwrap(),
        "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 12\r\nWWW-Authenticate: Bearer\r\n\r\nwho are you?"
    );
    assert_eq!(pull(&mut server), [Seen::refused(401)]);
    assert!(server.wants_shutdown());
    assert!(matches!(server.accept(None, &[]), Err(Error::State(_))));
}

#[test]
fn a_decision_needs_a_request() {
    let mut waiting = new_server(&config());
    assert!(matches!(waiting.accept(None, &[]), Err(Error::State(_))));
    feed(&mut waiting, b"GET /");
    assert!(matches!(waiting.reject(404, &[], b""), Err(Error::State(_))));
    assert_eq!(waiting.request_target(), None);

    let mut open = open_server();
    assert!(matches!(open.accept(None, &[]), Err(Error::State(_))));
    let mut client = open_client();
    assert!(matches!(client.accept(None, &[]), Err(Error::State(_))));
}

/// A request that breaks a rule is refused by the engine; the application never sees it.
#[test]
fn bad_requests_are_not_asked_about() {
    let mut server = new_server(&config());
    assert_eq!(feed(&mut server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), [Seen::refused(426)]);
    let mut server = new_server(&config());
    let foreign = format!("{REQUEST_LINES}Origin: http://evil.example.com\r\n\r\n");
    assert_eq!(feed(&mut server, foreign.as_bytes()), [Seen::refused(403)]);
}

#[test]
fn early_frames_wait_for_the_decision() {
    let early = [masked(TEXT, b"one"), masked(TEXT, b"two")].concat();
    let all = [request(), early.clone()].concat();
    for cut in request().len()..=all.len() {
        let mut server = new_server(&config());
        assert_eq!(feed(&mut server, &all[..cut]), [Seen::Request("/chat?room=1".into())]);
        assert_eq!(feed(&mut server, &all[cut..]), []);
        server.accept(Some(""), &[]).unwrap();
        assert_eq!(pull(&mut server), [Seen::Open(None), Seen::text("one"), Seen::text("two")], "cut at {cut}");
    }
}

#[test]
fn early_bytes_are_bounded() {
    let mut server = asked();
    for _ in 0..8 {
        assert_eq!(feed(&mut server, &[0; 1024]), []);
    }
    assert_eq!(feed(&mut server, &[0]), [Seen::refused(400)]);
    assert!(matches!(server.accept(None, &[]), Err(Error::State(_))));

    let mut in_one_read = new_server(&config());
    let events = feed(&mut in_one_read, &[request(), vec![0; 8193]].concat());
    assert_eq!(events, [Seen::Request("/chat?room=1".into()), Seen::refused(400)]);
}

#[test]
fn the_bound_on_early_bytes_is_a_setting() {
    for limit in [0, 1, 100] {
        let mut settings = config();
        settings.set_max_held_bytes(limit).unwrap();
        let early = masked(BINARY, &[7; 200]);
        for cut in 0..=limit {
            let mut server = new_server(&settings);
            assert_eq!(feed(&mut server, &request()), [Seen::Request("/chat?room=1".into())]);
            assert_eq!(feed(&mut server, &early[..cut]), []);
            assert_eq!(feed(&mut server, &early[cut..limit]), [], "as many as the limit are kept");
            server.accept(Some(""), &[]).unwrap();
            assert_eq!(pull(&mut server), [Seen::Open(None)]);
            assert_eq!(feed(&mut server, &early[limit..]), [Seen::Binary(vec![7; 200])], "and none is lost");
        }
        let mut server = new_server(&settings);
        assert_eq!(feed(&mut server, &request()), [Seen::Request("/chat?room=1".into())]);
        assert_eq!(feed(&mut server, &early[..limit + 1]), [Seen::refused(400)]);
    }
}

/// The limit is on what waits for a decision, not on what a client sends with its request.
#[test]
fn a_decision_at_once_lets_any_number_of_early_bytes_in() {
    let mut server = new_server(&config());
    let long = "x".repeat(100_000);
    server.feed(&[request(), masked(TEXT, long.as_bytes())].concat()).unwrap();
    assert_eq!(server.next_event().map(seen), Some(Seen::Request("/chat?room=1".into())));
    server.accept(Some(""), &[]).unwrap();
    assert_eq!(pull(&mut server), [Seen::Open(None), Seen::text(&long)]);
}

#[test]
fn input_has_to_be_pulled_after_the_decision() {
    let mut server = asked();
    server.accept(None, &[]).unwrap();
    assert_eq!(server.feed(b"x"), Err(Error::InputPending));
    pull(&mut server);
    server.feed(&masked(TEXT, b"x")).unwrap();
    assert_eq!(pull(&mut server), [Seen::text("x")]);
}

#[test]
fn a_client_that_leaves_before_the_decision() {
    let mut server = asked();
    server.feed_eof();
    let lost = Seen::Close {
        code: 1006,
        reason: String::new(),
        clean: false,
        initiator: Initiator::Nobody,
        http_status: None,
    };
    assert_eq!(pull(&mut server), [lost]);
    assert!(matches!(server.accept(None, &[]), Err(Error::State(_))));
    assert!(server.wants_abort());
}
