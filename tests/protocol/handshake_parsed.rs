//! A request that the host's own HTTP server has parsed: the same rules and the same answers as for raw bytes.

use crate::support::*;
use proptest::prelude::*;
use wsengine::{Config, Connection, Engine, Header, ParsedRequest, State};

/// The parts of a well-formed request, as a parser would give them.
fn parts(request: &str) -> (&str, &str, Vec<Header<'_>>) {
    let mut lines = request.trim_end().split("\r\n");
    let mut start = lines.next().unwrap().split(' ');
    let headers = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| Header { name: name.as_bytes(), value: value.as_bytes() })
        .collect();
    (start.next().unwrap(), start.next().unwrap(), headers)
}

fn from_request(config: &Config, request: &str) -> Connection {
    let (method, target, headers) = parts(request);
    Connection::server_from_request(
        &Engine::new(config),
        &ParsedRequest {
            method: method.as_bytes(),
            target: target.as_bytes(),
            headers: &headers,
            http_1_0: request.contains("HTTP/1.0"),
            ..Default::default()
        },
    )
}

/// Events and output, which must be what the raw bytes give.
#[track_caller]
fn both_ways(config: &Config, request: &str) -> (Vec<Seen>, String) {
    let mut parsed = from_request(config, request);
    let seen = (pull(&mut parsed), String::from_utf8(take(&mut parsed)).unwrap());
    let mut raw = new_server(config);
    let events = feed(&mut raw, request.as_bytes());
    assert_eq!(seen, (events, String::from_utf8(take(&mut raw)).unwrap()), "{request}");
    seen
}

fn request_with(from: &str, to: &str) -> String {
    format!("{}\r\n", REQUEST_LINES.replace(from, to))
}

#[test]
fn the_same_as_raw_bytes() {
    let mut config = Config::new();
    config.add_subprotocol("v1").unwrap();
    let (events, output) = both_ways(&config, &request_with("", ""));
    assert_eq!((events, output.as_str()), (vec![Seen::Open(None)], ANSWER));
    let (events, _) = both_ways(&config, &request_with("Host", "Sec-WebSocket-Protocol: v2, v1\r\nHost"));
    assert_eq!(events, [Seen::Open(Some("v1".into()))]);
    for (from, to, status) in [
        ("GET", "POST", 405),
        ("GET", "CONNECT", 405),
        ("GET", "get", 405),
        ("HTTP/1.1", "HTTP/1.0", 400),
        ("/chat", "chat", 400),
        ("Upgrade: websocket\r\n", "", 426),
        ("Version: 13", "Version: 8", 426),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short", 400),
        ("Host: ", "Content-Length: 1\r\nHost: ", 400),
        ("Host: ", "Origin: http://evil.example.com\r\nHost: ", 403),
    ] {
        let (events, _) = both_ways(&config, &request_with(from, to));
        assert_eq!(events, [Seen::refused(status)], "{to}");
    }
}

/// What a lenient parser let through.
#[test]
fn parts_that_no_strict_parser_gives_are_refused() {
    let (method, target, headers) = parts(REQUEST_LINES);
    let make = |method: &str, target: &str, more: Header<'_>| {
        let headers = [&headers[..], &[more]].concat();
        let request = ParsedRequest {
            method: method.as_bytes(),
            target: target.as_bytes(),
            headers: &headers,
            ..Default::default()
        };
        pull(&mut Connection::server_from_request(&Engine::default(), &request))
    };
    let fine = Header { name: b"X", value: b" a\tb " };
    assert_eq!(make(method, target, fine), [Seen::Open(None)]);
    for (name, value) in [
        (&b"X"[..], &b"a\r\nY: b"[..]),
        (b"X", b"a\nb"),
        (b"X", b"a\rb"),
        (b"X", b"a\0b"),
        (b"X", b"\x7f"),
        (b"X ", b"a"),
        (b"", b"a"),
        (b"X:", b"a"),
        (b":protocol", b"websocket"),
        (b"\xff", b"a"),
    ] {
        assert_eq!(make(method, target, Header { name, value }), [Seen::refused(400)], "{name:?}: {value:?}");
    }
    for bad in ["", "G ET", "GET\r\n", "\u{e4}"] {
        assert_eq!(make(bad, target, fine), [Seen::refused(400)], "{bad:?}");
    }
    for bad in ["", "chat", "/a b", "/a\r\nX: y", "/a\0", "/\u{e4}", "/a#b", "*"] {
        assert_eq!(make(method, bad, fine), [Seen::refused(400)], "{bad:?}");
    }
}

/// The limits are those of a head in HTTP/1.1, and hold before anything is copied.
#[test]
fn limits() {
    let mut config = Config::new();
    config.set_max_head_size(512).unwrap().set_max_headers(8).unwrap();
    let with = |lines: &str| request_with("Host", &format!("{lines}Host"));
    let (events, _) = both_ways(&config, &with("A: 1\r\nB: 2\r\nC: 3\r\n"));
    assert_eq!(events, [Seen::Open(None)]);
    let (events, _) = both_ways(&config, &with("A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n"));
    assert_eq!(events, [Seen::refused(431)]);
    let (events, _) = both_ways(&config, &with(&format!("A: {}\r\n", "x".repeat(400))));
    assert_eq!(events, [Seen::refused(431)]);
    let (events, _) = both_ways(&config, &request_with("/chat", &format!("/{}", "x".repeat(500))));
    assert_eq!(events, [Seen::refused(431)]);
}

#[test]
fn what_came_behind_the_request_may_be_fed_at_once() {
    let mut server = from_request(&Config::new(), &request_with("", ""));
    assert_eq!(server.state(), State::Open);
    let early = [masked(TEXT, b"one"), masked(TEXT, b"two")].concat();
    assert_eq!(feed(&mut server, &early), [Seen::Open(None), Seen::text("one"), Seen::text("two")]);

    let mut refused = from_request(&Config::new(), &request_with("GET", "POST"));
    assert_eq!(feed(&mut refused, &early), [Seen::refused(405)]);
    take(&mut refused);
    assert!(refused.wants_shutdown());
}

#[test]
fn with_manual_accept() {
    let mut config = Config::new();
    config.set_manual_accept(true).set_max_held_bytes(20).unwrap();
    let request = request_with("/chat", "/chat?room=1");
    let early = masked(TEXT, b"early");

    let mut server = from_request(&config, &request);
    assert_eq!(feed(&mut server, &early), [Seen::Request("/chat?room=1".into())]);
    assert_eq!(server.request_query(), Some("room=1"));
    assert_eq!(server.request_header("host", 0), Some(&b"server.example.com"[..]));
    server.accept(None, &[Header { name: b"X", value: b"y" }]).unwrap();
    assert_eq!(pull(&mut server), [Seen::Open(None), Seen::text("early")]);
    assert!(String::from_utf8(take(&mut server)).unwrap().ends_with("\r\nX: y\r\n\r\n"));

    let mut server = from_request(&config, &request);
    assert_eq!(pull(&mut server), [Seen::Request("/chat?room=1".into())]);
    assert_eq!(feed(&mut server, &[0; 21]), [Seen::refused(400)]);

    let mut server = from_request(&config, &request);
    assert!(server.accept(None, &[]).is_err(), "it was not asked about yet");
    server.feed_eof();
    let events = pull(&mut server);
    assert!(matches!(events[..], [Seen::Request(_), Seen::Close { code: 1006, .. }]), "{events:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever a parser gives: an answer, and none that an attacker wrote.
    #[test]
    fn any_parts_get_one_answer(
        method in proptest::collection::vec(any::<u8>(), 0..8),
        target in proptest::collection::vec(any::<u8>(), 0..40),
        headers in proptest::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..80),
        connect in any::<bool>(),
    ) {
        let headers = headers.iter().map(|(name, value)| Header { name, value }).collect::<Vec<_>>();
        let protocol = connect.then_some(&b"websocket"[..]);
        let request =
            ParsedRequest { method: &method, target: &target, headers: &headers, protocol, ..Default::default() };
        let mut server = Connection::server_from_request(&Engine::default(), &request);
        prop_assert_eq!(server.response_status().is_some(), connect);
        let events = pull(&mut server);
        prop_assert!(matches!(events[..], [Seen::Close { http_status: Some(400..=431), .. }]), "{:?}", events);
        prop_assert!(!take(&mut server).is_empty());
    }
}

#[test]
fn a_host_that_asks_learns_that_there_is_something_to_pull() {
    let mut manual = Config::new();
    manual.set_manual_accept(true);
    for (config, from) in [(&Config::new(), "none"), (&Config::new(), "GET"), (&manual, "none")] {
        let mut server = from_request(config, &request_with(from, "POST"));
        assert!(server.has_events());
        assert_eq!(pull(&mut server).len(), 1);
        assert!(!server.has_events());
    }
}
