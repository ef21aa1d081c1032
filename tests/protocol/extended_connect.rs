//! WebSocket over HTTP/2 and HTTP/3: extended CONNECT (RFC 8441, RFC 9220). The host has the frames of HTTP; the engine
//! gets the request and gives status and headers, and then the content of the stream.

use crate::support::*;
use wsengine::{Config, Connection, Engine, Header, OriginPolicy, ParsedRequest, State};

/// The request of RFC 8441, 5.1.
fn example() -> ParsedRequest<'static> {
    const HEADERS: &[Header<'static>] = &[
        Header { name: b"sec-websocket-protocol", value: b"chat, superchat" },
        Header { name: b"sec-websocket-extensions", value: b"permessage-deflate" },
        Header { name: b"sec-websocket-version", value: b"13" },
        Header { name: b"origin", value: b"http://www.example.com" },
    ];
    ParsedRequest {
        method: b"CONNECT",
        target: b"/chat",
        headers: HEADERS,
        http_1_0: false,
        protocol: Some(b"websocket"),
        scheme: Some(b"https"),
        authority: Some(b"server.example.com"),
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.set_origin_policy(OriginPolicy::Any).add_subprotocol("chat").unwrap();
    config
}

fn server(config: &Config, request: &ParsedRequest<'_>) -> Connection {
    Connection::server_from_request(&Engine::new(config), request)
}

fn answer(conn: &Connection) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    conn.response_headers().map(|header| (text(header.name), text(header.value))).collect()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// Refused with this status; the reason is content of the stream.
#[track_caller]
fn assert_refused(config: &Config, request: &ParsedRequest<'_>, status: u16) -> Connection {
    let mut conn = server(config, request);
    assert_eq!(conn.response_status(), Some(status), "{request:?}");
    let body = take(&mut conn);
    assert!(body.len() > 10 && !body.starts_with(b"HTTP"), "{body:?}");
    assert_eq!(conn.response_header("Content-Length", 0), Some(body.len().to_string().as_bytes()));
    assert_eq!(conn.response_header("Connection", 0), None, "it has no place in HTTP/2 (RFC 9113, 8.2.2)");
    assert_eq!(conn.response_header("Upgrade", 0), None);
    let event = conn.next_event().map(seen);
    assert_eq!(event, Some(Seen::refused(status)));
    conn
}

#[test]
fn the_example_of_the_rfc() {
    let mut config = config();
    config.set_compression(true).set_context_takeover(true, true);
    let mut conn = server(&config, &example());
    assert_eq!(conn.response_status(), Some(200));
    let expected = pairs([("sec-websocket-protocol", "chat"), ("sec-websocket-extensions", "permessage-deflate")]);
    assert_eq!(answer(&conn), expected, "no accept key, no Upgrade, no Connection; names in lower case");
    assert_eq!(take(&mut conn), b"", "the content of the stream begins with frames");

    assert_eq!(conn.next_event().map(seen), Some(Seen::Open(Some("chat".into()))));
    assert_eq!(answer(&conn), expected, "there while the opening is the newest event");
    assert_eq!(conn.request_method(), Some("CONNECT"));
    assert_eq!(conn.request_path(), Some("/chat"));
    assert_eq!(conn.next_event(), None);
    assert_eq!((conn.response_status(), answer(&conn).len()), (None, 0));
    assert_eq!(feed(&mut conn, &masked(TEXT, b"hi")), [Seen::text("hi")]);
    conn.outbound().queue_text(b"ho").unwrap();
    assert_eq!(take(&mut conn), plain(TEXT, b"ho"));
}

#[test]
fn frames_that_came_with_the_request() {
    let mut conn = server(&config(), &example());
    let events = feed(&mut conn, &[masked(TEXT, b"early"), masked(CLOSE, b"")].concat());
    assert!(
        matches!(&events[..], [Seen::Open(_), Seen::Text(text), Seen::Close { code: 1005, .. }] if text == "early")
    );
}

#[test]
fn refusals_have_a_status_headers_and_content() {
    let config = config();
    let good = example();
    let with = |header: Header<'static>| [good.headers, &[header]].concat();
    for (request, status) in [
        (ParsedRequest { method: b"GET", ..good }, 405),
        (ParsedRequest { protocol: Some(b"connect-udp"), ..good }, 501),
        (ParsedRequest { protocol: Some(b"WebSocket"), ..good }, 501),
        (ParsedRequest { protocol: Some(b""), ..good }, 501),
        (ParsedRequest { scheme: Some(b"wss"), ..good }, 400),
        (ParsedRequest { target: b"", ..good }, 400),
        (ParsedRequest { target: b"*", ..good }, 400),
        (ParsedRequest { target: b"https://server.example.com/chat", ..good }, 400),
        (ParsedRequest { authority: None, ..good }, 400),
        (ParsedRequest { authority: Some(b"user@host"), ..good }, 400),
        (ParsedRequest { authority: Some(b""), ..good }, 400),
        (ParsedRequest { headers: &[], ..good }, 400),
        (ParsedRequest { headers: &with(Header { name: b"connection", value: b"upgrade" }), ..good }, 400),
        (ParsedRequest { headers: &with(Header { name: b"upgrade", value: b"websocket" }), ..good }, 400),
        (ParsedRequest { headers: &with(Header { name: b"transfer-encoding", value: b"chunked" }), ..good }, 400),
        (ParsedRequest { headers: &with(Header { name: b"content-length", value: b"1" }), ..good }, 400),
        (ParsedRequest { headers: &with(Header { name: b"sec-websocket-version", value: b"13" }), ..good }, 400),
        (ParsedRequest { headers: &with(Header { name: b"host", value: b"other.example.com" }), ..good }, 400),
        (ParsedRequest { headers: &with(Header { name: b"x", value: &[b'x'; 9000] }), ..good }, 431),
    ] {
        assert_refused(&config, &request, status);
    }
    let conn = assert_refused(&config, &ParsedRequest { method: b"GET", ..good }, 405);
    assert_eq!(conn.response_header("allow", 0), Some(&b"CONNECT"[..]));
}

/// 426 needs `Upgrade`, which a stream cannot have (RFC 9110, 15.5.22).
#[test]
fn another_version_gets_400_and_the_right_one() {
    let headers = [Header { name: b"sec-websocket-version", value: b"8" }];
    let conn = assert_refused(&config(), &ParsedRequest { headers: &headers, ..example() }, 400);
    assert_eq!(conn.response_header("sec-websocket-version", 0), Some(&b"13"[..]));
}

#[test]
fn the_origin_is_compared_with_the_authority() {
    let same_host = Config::new();
    let version = Header { name: b"sec-websocket-version", value: b"13" };
    let from = |origin: &'static str| [version, Header { name: b"origin", value: origin.as_bytes() }];
    let ours = from("https://server.example.com");
    assert_eq!(server(&same_host, &ParsedRequest { headers: &ours, ..example() }).state(), State::Open);
    assert_refused(&same_host, &ParsedRequest { headers: &from("https://evil.example.com"), ..example() }, 403);

    let host = Header { name: b"host", value: b"server.example.com" };
    let by_host = [&ours[..], &[host]].concat();
    let request = ParsedRequest { headers: &by_host, authority: None, ..example() };
    assert_eq!(server(&same_host, &request).state(), State::Open);
    let both = ParsedRequest { authority: Some(b"SERVER.example.com"), ..request };
    assert_eq!(server(&same_host, &both).state(), State::Open);
}

/// A key means nothing here (RFC 8441, 5).
#[test]
fn keys_are_not_looked_at() {
    let key = Header { name: b"sec-websocket-key", value: b"nonsense" };
    let headers = [example().headers, &[key, key]].concat();
    let conn = server(&config(), &ParsedRequest { headers: &headers, ..example() });
    assert_eq!((conn.state(), conn.response_status()), (State::Open, Some(200)));
    assert_eq!(conn.response_header("sec-websocket-accept", 0), None);
}

#[test]
fn deciding_later() {
    let mut config = config();
    config.set_manual_accept(true);
    let mut conn = server(&config, &example());
    assert_eq!(pull(&mut conn), [Seen::Request("/chat".into())]);
    assert_eq!((conn.response_status(), take(&mut conn).len()), (None, 0));
    conn.accept(Some("superchat"), &[Header { name: b"Set-Cookie", value: b"A=b" }]).unwrap();
    assert_eq!(conn.response_status(), Some(200));
    assert_eq!(answer(&conn), pairs([("sec-websocket-protocol", "superchat"), ("set-cookie", "A=b")]));
    assert_eq!(pull(&mut conn), [Seen::Open(Some("superchat".into()))]);

    let mut conn = server(&config, &example());
    pull(&mut conn);
    let location = Header { name: b"Location", value: b"/login" };
    for (name, value) in [(&b"Connection"[..], &b"x"[..]), (b"Keep-Alive", b"1"), (b"X", b"a\r\nb")] {
        assert!(conn.reject(302, &[Header { name, value }], b"").is_err());
        assert_eq!(conn.response_status(), None, "nothing half done");
    }
    conn.reject(302, &[location], b"there").unwrap();
    assert_eq!(conn.response_status(), Some(302));
    assert_eq!(answer(&conn), pairs([("content-length", "5"), ("location", "/login")]));
    assert_eq!(take(&mut conn), b"there");
    assert_eq!(pull(&mut conn), [Seen::refused(302)]);
    assert!(conn.wants_shutdown(), "the host ends the stream");

    let mut conn = server(&config, &example());
    pull(&mut conn);
    conn.reject(404, &[], b"").unwrap();
    assert_eq!(conn.output().count(), 0, "no empty slices");
    assert_eq!(pull(&mut conn), [Seen::refused(404)]);
}

/// The end of the stream is that of a connection (RFC 8441, 5; RFC 9220, 3).
#[test]
fn the_stream_ends_as_a_connection_does() {
    let open = || {
        let mut conn = server(&config(), &example());
        pull(&mut conn);
        conn
    };
    let mut closed = open();
    assert_eq!(feed(&mut closed, &masked(CLOSE, &close_payload(1000, ""))), [Seen::peer_closed(1000, "")]);
    assert_eq!(take(&mut closed), plain(CLOSE, &close_payload(1000, "")));
    assert!(closed.wants_shutdown() && !closed.wants_abort(), "in order: END_STREAM");

    let mut lost = open();
    lost.feed_eof();
    assert!(matches!(pull(&mut lost)[..], [Seen::Close { code: 1006, clean: false, .. }]));
    assert!(lost.wants_abort(), "not in order: RST_STREAM");
    assert_eq!(take(&mut lost), b"");
}
