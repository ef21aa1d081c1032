//! RFC 6455, 4.1: what a client asks, and what it makes of the answer.

use crate::support::*;
use wsengine::{ClientRequest, Config, Connection, Engine, Error, Header, Initiator};

/// The client's own lines, with the key replaced by a fixed name.
fn request_text(request: &ClientRequest<'_>) -> String {
    let mut client = Connection::client(&Engine::default(), request).unwrap();
    let text = String::from_utf8(take(&mut client)).unwrap();
    text.replace(&key_of(&text), "KEY")
}

fn key_of(request: &str) -> String {
    let (_, behind) = request.split_once("Sec-WebSocket-Key: ").unwrap();
    behind.split("\r\n").next().unwrap().to_owned()
}

pub fn asking(engine: &Engine, request: &ClientRequest<'_>) -> Connection {
    Connection::client(engine, request).unwrap()
}

/// The answer with the right `Sec-WebSocket-Accept` for what the client has just sent in the place of ACCEPT.
pub fn right_answer(client: &mut Connection, answer: &str) -> String {
    let text = String::from_utf8(take(client)).unwrap();
    let fixed = REQUEST_LINES.replace("dGhlIHNhbXBsZSBub25jZQ==", &key_of(&text));
    let mut server = new_server(&Config::new());
    feed(&mut server, format!("{fixed}\r\n").as_bytes());
    let right = String::from_utf8(take(&mut server)).unwrap();
    let accept = right.split_once("Sec-WebSocket-Accept: ").unwrap().1.split("\r\n").next().unwrap();
    answer.replace("ACCEPT", accept)
}

/// What a client makes of an answer; ACCEPT in it stands for the right `Sec-WebSocket-Accept`.
fn react(request: &ClientRequest<'_>, answer: &str) -> Vec<Seen> {
    let mut client = asking(&Engine::default(), request);
    let answer = right_answer(&mut client, answer);
    // Byte by byte: the client must not need the answer in one piece.
    answer.as_bytes().iter().flat_map(|byte| feed(&mut client, &[*byte])).collect()
}

pub const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: ACCEPT\r\n\r\n";

#[test]
fn the_request_as_it_is_sent() {
    assert_eq!(
        request_text(&client_request()),
        "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: KEY\r\n\r\n"
    );
    let full = ClientRequest {
        host: "[::1]:9001",
        target: "/a?b=c",
        origin: Some("http://localhost"),
        subprotocols: &["one", "two"],
        headers: &[Header { name: b"Cookie", value: b"a=b" }, Header { name: b"X", value: b"" }],
    };
    assert_eq!(
        request_text(&full),
        "GET /a?b=c HTTP/1.1\r\nHost: [::1]:9001\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: KEY\r\nOrigin: http://localhost\r\n\
         Sec-WebSocket-Protocol: one, two\r\nCookie: a=b\r\nX: \r\n\r\n"
    );
    assert!(request_text(&ClientRequest { host: "a", ..Default::default() }).starts_with("GET / HTTP/1.1\r\n"));
}

/// RFC 6455, 4.1: a nonce of 16 random bytes, chosen anew for each connection.
#[test]
fn keys_are_fresh() {
    let keys = (0..200)
        .map(|_| key_of(&request_text_raw()))
        .inspect(|key| assert_eq!(key.len(), 24))
        .collect::<std::collections::HashSet<_>>();
    assert_eq!(keys.len(), 200);
}

fn request_text_raw() -> String {
    let mut client = Connection::client(&Engine::default(), &client_request()).unwrap();
    String::from_utf8(take(&mut client)).unwrap()
}

#[test]
fn requests_that_would_break_are_refused() {
    let refused = |request: ClientRequest<'_>| {
        let result = Connection::client(&Engine::default(), &request).map(drop);
        assert!(matches!(result, Err(Error::InvalidArgument(_))), "{request:?}");
    };
    let good = client_request();
    for host in ["", "a b", "a\r\nX: y", "a/b", "ü", "user@host"] {
        refused(ClientRequest { host, ..good });
    }
    for target in ["chat", "/a b", "/a\r\nX: y", "/a#b", "/ü", "http://a/"] {
        refused(ClientRequest { target, ..good });
    }
    refused(ClientRequest { origin: Some("a\r\nb"), ..good });
    refused(ClientRequest { origin: Some(""), ..good });
    refused(ClientRequest { subprotocols: &["a,b"], ..good });
    refused(ClientRequest { subprotocols: &["a", "a"], ..good });
    refused(ClientRequest { subprotocols: &["\u{fc}"], ..good });
    refused(ClientRequest { subprotocols: &[""], ..good });
    for (name, value) in [
        (&b"X"[..], &b"a\r\nY: b"[..]),
        (b"X", b"a\nb"),
        (b"X", b"a\0b"),
        (b"X\r\nY", b"a"),
        (b"X Y", b"a"),
        (b"", b"a"),
        (b"Host", b"other"),
        (b"origin", b"other"),
        (b"sec-websocket-key", b"mine"),
        (b"Upgrade", b"h2c"),
        (b"Content-Length", b"5"),
        (b"Transfer-Encoding", b"chunked"),
    ] {
        refused(ClientRequest { headers: &[Header { name, value }], ..good });
    }
}

#[test]
fn good_answers() {
    for answer in [
        GOOD.to_owned(),
        GOOD.replace("Upgrade: websocket", "upgrade: WebSocket"),
        GOOD.replace("Connection: Upgrade", "connection: keep-alive, upgrade"),
        GOOD.replace("101 Switching Protocols", "101 "),
        GOOD.replace("\r\n\r\n", "\r\nServer: x\r\n\r\n"),
    ] {
        assert_eq!(react(&client_request(), &answer), [Seen::Open(None)], "{answer}");
    }
}

#[test]
fn frames_behind_the_answer_are_not_lost() {
    let mut client = Connection::client(&Engine::default(), &client_request()).unwrap();
    let mut server = new_server(&Config::new());
    feed(&mut server, &take(&mut client));
    server.outbound().queue_text(b"welcome").unwrap();
    assert_eq!(feed(&mut client, &take(&mut server)), [Seen::Open(None), Seen::text("welcome")]);
}

#[test]
fn subprotocols() {
    let asking = ClientRequest { subprotocols: &["one", "two"], ..client_request() };
    let choosing = |lines: &str| GOOD.replace("\r\n\r\n", &format!("\r\n{lines}\r\n\r\n"));
    assert_eq!(react(&asking, &choosing("Sec-WebSocket-Protocol: two")), [Seen::Open(Some("two".into()))]);
    assert_eq!(react(&asking, GOOD), [Seen::Open(None)]);
    for lines in [
        "Sec-WebSocket-Protocol: three",
        "Sec-WebSocket-Protocol: one, two",
        "Sec-WebSocket-Protocol: one\r\nSec-WebSocket-Protocol: one",
        "Sec-WebSocket-Protocol:",
    ] {
        assert!(matches!(react(&asking, &choosing(lines))[..], [Seen::Close { code: 1006, .. }]), "{lines}");
    }
    let not_asked = react(&client_request(), &choosing("Sec-WebSocket-Protocol: one"));
    assert!(matches!(not_asked[..], [Seen::Close { code: 1006, .. }]));
}

#[test]
fn bad_answers_fail_the_connection() {
    let bad = [
        GOOD.replace("ACCEPT", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        GOOD.replace("Sec-WebSocket-Accept: ACCEPT\r\n", ""),
        GOOD.replace("ACCEPT", "ACCEPT\r\nSec-WebSocket-Accept: ACCEPT"),
        GOOD.replace("Upgrade: websocket\r\n", ""),
        GOOD.replace("Upgrade: websocket", "Upgrade: h2c"),
        GOOD.replace("Connection: Upgrade\r\n", ""),
        GOOD.replace("Connection: Upgrade", "Connection: close"),
        GOOD.replace("HTTP/1.1", "HTTP/1.0"),
        GOOD.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
        GOOD.replace("Connection: Upgrade", "Connection Upgrade"),
        GOOD.replace("\r\nUpgrade", "\nUpgrade"),
        "SSH-2.0-OpenSSH\r\n".to_owned(),
        format!("HTTP/1.1 101 x\r\nX: {}", "x".repeat(9_000)),
    ];
    for answer in bad {
        let events = react(&client_request(), &answer);
        let [Seen::Close { code: 1006, clean: false, initiator: Initiator::Us, .. }] = &events[..] else {
            panic!("{events:?} for {answer}");
        };
    }
}

#[test]
fn a_refusal_is_reported_with_its_status() {
    for status in [200, 301, 400, 401, 403, 404, 426, 503] {
        let answer = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 5\r\n\r\nhello");
        let expected = Seen::Close {
            code: 1006,
            reason: String::new(),
            clean: false,
            initiator: Initiator::Peer,
            http_status: Some(status),
        };
        assert_eq!(react(&client_request(), &answer), [expected]);
    }
}

#[test]
fn after_a_bad_answer_the_stream_is_to_be_closed() {
    let mut client = Connection::client(&Engine::default(), &client_request()).unwrap();
    take(&mut client);
    assert_eq!(feed(&mut client, b"HTTP/1.1 404 Not Found\r\n\r\n").len(), 1);
    assert_eq!(take(&mut client), b"");
    assert!(client.wants_abort());
}
