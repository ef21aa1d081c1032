//! The state of a handshake is lent by the engine, and requests come whole or in pieces: neither can be seen.

use crate::support::*;
use wsengine::{Config, Connection, Engine, Error, Event, Header, ParsedRequest, State};

fn request(line: &str, more: &str) -> Vec<u8> {
    let headers = REQUEST_LINES.split_once("\r\n").unwrap().1;
    format!("{line}\r\n{headers}{more}\r\n").into_bytes()
}

/// Good ones and bad ones, plain and unusual, each with other headers than the one before.
fn requests() -> Vec<Vec<u8>> {
    let get = "GET /chat HTTP/1.1";
    let long = "v".repeat(3000);
    vec![
        request(get, "Sec-WebSocket-Protocol: a, b\r\nOrigin: http://server.example.com\r\n"),
        request("GET /?x=1 HTTP/1.1", ""),
        request("GET http://other.example.com/p?q HTTP/1.1", "Origin: http://other.example.com\r\n"),
        request(get, "X_Y: unusual name\r\nCookie:a\r\nEmpty:\r\nTabs:\t x \t \r\n"),
        request(get, "Origin: http://a\r\nOrigin: http://a\r\n"),
        request(get, "Sec-WebSocket-Protocol: a\r\nX: y\r\nSec-WebSocket-Protocol: b\r\n"),
        request(get, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"),
        request(get, &format!("Long: {long}\r\n")),
        request(get, &format!("{long}: x\r\n")),
        request(get, &"A: b\r\n".repeat(59)),
        request(get, &"A: b\r\n".repeat(60)),
        request(get, "No colon\r\n"),
        request(get, "Space : x\r\n"),
        request(get, ": x\r\n"),
        request(get, "A: b\nB: c\r\n"),
        request(get, "A: \x01\r\n"),
        request(get, "Host: twice\r\n"),
        request(get, "Content-Length: 1\r\n"),
        request("GET /a b HTTP/1.1", ""),
        request("GET /a#b HTTP/1.1", ""),
        request("GET /a\tb HTTP/1.1", ""),
        request("GET /caf\u{e9} HTTP/1.1", ""),
        request("GET /? HTTP/1.1", ""),
        request("GET /a HTTP/1.0", ""),
        request("POST /a HTTP/1.1", ""),
        request("GET / HTTP/1.1", "\x7f: x\r\n"),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"\r\nGET / HTTP/1.1\r\n\r\n".to_vec(),
    ]
}

/// All that can be seen of a handshake.
fn handshake(engine: &Engine, request: &[u8], piece: usize) -> String {
    let mut conn = Connection::server(engine);
    let mut seen = String::new();
    for piece in request.chunks(piece) {
        conn.feed(piece).unwrap();
        loop {
            match conn.next_event() {
                None => break,
                Some(Event::Request { target }) => seen += &format!("request {target}\n"),
                Some(event) => seen += &format!("{event:?}\n"),
            }
            for header in conn.request_headers() {
                seen += &format!("{:?}: {:?}\n", header.name.escape_ascii(), header.value.escape_ascii());
            }
            seen += &format!(
                "{:?} {:?} {:?} {:?} {:?} {:?}\n",
                conn.request_method(),
                conn.request_target(),
                conn.request_path(),
                conn.request_query(),
                conn.request_header("oRIGIN", 0),
                conn.request_header("sec-websocket-protocol", 1)
            );
            if conn.accept(None, &[]).is_ok() {
                seen += "accepted\n";
            }
        }
    }
    let output: Vec<u8> = conn.output().collect::<Vec<_>>().concat();
    format!("{seen}{:?} {}", conn.state(), output.escape_ascii())
}

/// On an engine that has seen all the others, and where some were left in the middle; in one piece, in some, and byte
/// for byte.
#[test]
fn one_handshake_leaves_nothing_to_the_next() {
    for manual in [false, true] {
        let mut config = Config::new();
        config.set_manual_accept(manual).add_subprotocol("b").and_then(|config| config.add_subprotocol("a")).unwrap();
        config.set_compression(true);
        let engine = Engine::new(&config);
        let mut abandoned = Vec::new();
        for request in requests() {
            let expected = handshake(&Engine::new(&config), &request, 1);
            assert!(!expected.starts_with("Connecting"), "{expected}");
            for piece in [request.len(), 1, 100, request.len() - 1, request.len()] {
                assert_eq!(handshake(&engine, &request, piece), expected, "in pieces of {piece}");
            }
            let mut half = Connection::server(&engine);
            half.feed(&request[..request.len() / 2]).unwrap();
            while half.next_event().is_some() {}
            abandoned.push(half);
            abandoned.truncate(3);
        }
    }
}

/// What comes right behind the head is no part of it.
#[test]
fn frames_behind_the_head_come_after_the_opening() {
    let engine = Engine::default();
    for len in [0, 1, 60, 64, 2000, 5000] {
        let mut conn = Connection::server(&engine);
        let payload = vec![b'\n'; len];
        conn.feed(&[request("GET / HTTP/1.1", ""), masked(BINARY, &payload)].concat()).unwrap();
        assert!(matches!(conn.next_event(), Some(Event::Open { subprotocol: None, compression: false })));
        assert_eq!(conn.request_headers().count(), 5);
        assert!(matches!(conn.next_event(), Some(Event::Binary(data)) if data == payload), "{len}");
        assert_eq!(conn.request_headers().count(), 0);
    }
}

/// Frames whose last bytes look like the end of a head do not make one of what was given, by any way in and however it is
/// cut.
#[test]
fn frames_may_end_as_a_head_does() {
    let frame = raw_frame(0x80 | TEXT, b"\r\n\r\n", Some([0; 4]));
    let bytes = [request("GET / HTTP/1.1", ""), frame].concat();
    assert!(bytes.ends_with(b"\r\n\r\n"));
    let (events, _output) = every_split(|| new_server(&Config::new()), &bytes);
    assert_eq!(events, [Seen::Open(None), Seen::Text("\r\n\r\n".into())]);
}

/// A request that was given whole is decided on by the pull, and does not need the host's bytes until then.
#[test]
fn a_request_is_decided_on_when_it_is_pulled() {
    let good = request("GET /kept HTTP/1.1", "X: y\r\n");
    for manual in [false, true] {
        let mut config = Config::new();
        config.set_manual_accept(manual);
        let mut conn = new_server(&config);
        let mut lent = good.clone();
        drop(conn.feed_mut(&mut lent).unwrap());
        lent.fill(0);
        assert_eq!((conn.state(), conn.has_events(), take(&mut conn)), (State::Connecting, true, Vec::new()));
        assert_eq!(conn.feed(b"more"), Err(Error::InputPending));
        if manual {
            assert_eq!(pull(&mut conn), [Seen::Request("/kept".into())]);
            assert!(!conn.has_events());
            conn.accept(None, &[]).unwrap();
        }
        assert!(matches!(conn.next_event(), Some(Event::Open { .. })));
        assert_eq!(conn.request_header("x", 0), Some(&b"y"[..]));
        assert_eq!(conn.next_event(), None);
        assert_eq!(take(&mut conn), ANSWER.as_bytes());
        assert_eq!(feed(&mut conn, &masked(TEXT, b"behind")), [Seen::Text("behind".into())]);
    }
    for refused in [request("GET / HTTP/1.1", "Content-Length: 1\r\n"), b"GET / HTTP/1.1\r\n\r\n".to_vec()] {
        let mut conn = new_server(&Config::new());
        conn.feed(&refused).unwrap();
        conn.feed_eof();
        assert_eq!((conn.state(), take(&mut conn)), (State::Connecting, Vec::new()));
        assert!(matches!(&pull(&mut conn)[..], [Seen::Close { http_status: Some(400 | 426), .. }]));
        assert!(take(&mut conn).starts_with(b"HTTP/1.1 4"));
    }
}

/// The state that was a stream's, or a client's, and is lent to another connection.
#[test]
fn a_stream_and_a_client_leave_nothing_to_the_next() {
    let engine = Engine::default();
    let stream = ParsedRequest {
        method: b"CONNECT",
        target: b"/chat",
        protocol: Some(b"websocket"),
        authority: Some(b"server.example.com"),
        headers: &[Header { name: b"sec-websocket-version", value: b"13" }],
        ..Default::default()
    };
    for refused in [false, true] {
        let mut conn = Connection::server_from_request(
            &engine,
            &ParsedRequest { method: if refused { b"GET" } else { stream.method }, ..stream },
        );
        assert_eq!(conn.response_status(), Some(if refused { 405 } else { 200 }));
        assert_eq!(pull(&mut conn).len(), 1);
        drop(conn);
        let mut next = open_on(&engine);
        assert_eq!((next.response_status(), next.state()), (None, State::Open));
        assert_eq!(feed(&mut next, &masked(TEXT, b"x")), [Seen::Text("x".into())]);

        drop(Connection::client(&engine, &client_request()).unwrap());
        open_on(&engine);
    }
}
