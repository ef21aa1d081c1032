//! RFC 6455, 4.2: what a server makes of a request.

use crate::support::*;
use wsengine::{Config, OriginPolicy};

/// The request of the RFC with `from` replaced by `to`, and its blank line.
pub fn request_with(from: &str, to: &str) -> String {
    assert!(REQUEST_LINES.contains(from), "{from}");
    format!("{}\r\n", REQUEST_LINES.replace(from, to))
}

/// The request of the RFC with more header lines.
pub fn request_and(lines: &str) -> String {
    format!("{REQUEST_LINES}{lines}\r\n")
}

fn answer(config: &Config, request: &[u8]) -> (Vec<Seen>, String) {
    let (events, output) = every_split(|| new_server(config), request);
    (events, String::from_utf8(output).unwrap())
}

#[track_caller]
pub fn assert_accepted(config: &Config, request: &str) -> String {
    let (events, output) = answer(config, request.as_bytes());
    assert!(matches!(events[..], [Seen::Open(_)]), "{events:?} {output}");
    assert!(output.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{output}");
    output
}

/// Refused, with a complete HTTP answer that says why, and the end of the connection.
#[track_caller]
pub fn assert_refused(config: &Config, request: &[u8], status: u16) -> String {
    let (events, output) = answer(config, request);
    assert_eq!(events, [Seen::refused(status)], "{output}");
    let (head, body) = output.split_once("\r\n\r\n").expect("a whole answer");
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{output}");
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{output}");
    assert!(head.contains("\r\nConnection: close"), "{output}");
    assert!(body.len() > 10, "it says why: {output}");

    let mut server = new_server(config);
    feed(&mut server, request);
    assert!(!server.wants_shutdown());
    take(&mut server);
    assert!(server.wants_shutdown());
    output
}

#[test]
fn the_example_of_the_rfc() {
    let (events, output) = answer(&Config::new(), request_and("").as_bytes());
    assert_eq!(events, [Seen::Open(None)]);
    assert_eq!(output, ANSWER);
}

#[test]
fn frames_behind_the_head_are_not_lost() {
    let bytes = [request_and("").as_bytes(), &masked(TEXT, b"early")].concat();
    let (events, output) = every_split(|| new_server(&Config::new()), &bytes);
    assert_eq!(events, [Seen::Open(None), Seen::text("early")]);
    assert_eq!(output, ANSWER.as_bytes());
}

#[test]
fn names_and_tokens_in_any_letter_case_and_lists() {
    let config = Config::new();
    for (from, to) in [
        ("Connection: Upgrade", "connection: keep-alive, Upgrade"),
        ("Connection: Upgrade", "CONNECTION:upgrade"),
        ("Connection: Upgrade", "Connection: keep-alive\r\nConnection:\tUPGRADE , x"),
        ("Upgrade: websocket", "upgrade: WebSocket"),
        ("Upgrade: websocket", "Upgrade: h2c, websocket"),
        ("Sec-WebSocket-Key:", "SEC-WEBSOCKET-KEY:   "),
        ("Sec-WebSocket-Version: 13", "sec-websocket-version:13   "),
        ("GET /chat ", "GET /chat?room=1&x=%20 "),
        ("GET /chat ", "GET http://server.example.com/chat "),
    ] {
        assert!(assert_accepted(&config, &request_with(from, to)).contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }
}

#[test]
fn requests_that_are_not_for_a_websocket() {
    let config = Config::new();
    for (from, to) in [("Upgrade: websocket\r\n", ""), ("Upgrade: websocket", "Upgrade: h2c")] {
        let output = assert_refused(&config, request_with(from, to).as_bytes(), 426);
        assert!(output.contains("\r\nUpgrade: websocket\r\n"), "{output}");
        assert!(output.contains("\r\nConnection: close, Upgrade\r\n"), "{output}");
    }
    let plain_http = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_refused(&config, plain_http, 426);
}

#[test]
fn other_methods_get_405() {
    for method in ["POST", "HEAD", "OPTIONS", "PUT", "get"] {
        let output = assert_refused(&Config::new(), request_with("GET", method).as_bytes(), 405);
        assert!(output.contains("\r\nAllow: GET\r\n"), "{output}");
    }
}

#[test]
fn other_versions_of_the_protocol_get_426() {
    for version in ["12", "14", "8", "013", "13, 8", ""] {
        let request = request_with("Version: 13", &format!("Version: {version}"));
        let output = assert_refused(&Config::new(), request.as_bytes(), 426);
        assert!(output.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{output}");
    }
}

#[test]
fn malformed_requests_get_400() {
    let config = Config::new();
    for (from, to) in [
        ("HTTP/1.1", "HTTP/1.0"),
        ("HTTP/1.1", "HTTP/2.0"),
        ("HTTP/1.1", ""),
        ("GET /chat", "GET *"),
        ("GET /chat", "GET chat"),
        ("GET /chat", "GET /chat#fragment"),
        ("GET /chat", "GET /ch\u{e4}t"),
        ("GET /chat", "GET ftp://server.example.com/chat"),
        ("Host: server.example.com\r\n", ""),
        ("Host: server.example.com", "Host:"),
        ("Host: server.example.com", "Host: a\r\nHost: a"),
        ("Host: server.example.com", "Host: a/b"),
        ("Host: server.example.com", "Host: a@b"),
        ("Host: server.example.com", "Host: a,b"),
        ("Host: server.example.com", "Host: a:b"),
        ("Host: server.example.com", "Host: a:1:2"),
        ("Host: server.example.com", "Host: :80"),
        ("Host: server.example.com", "Host: [::1"),
        ("Host: server.example.com", "Host: []"),
        ("Host: server.example.com", "Host: [::1]x"),
        ("Connection: Upgrade\r\n", ""),
        ("Connection: Upgrade", "Connection: keep-alive"),
        ("Connection: Upgrade", "Connection: Upgrades"),
        ("Sec-WebSocket-Version: 13\r\n", ""),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13"),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        ("Sec-WebSocket-Key:", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Key:"),
        ("dGhlIHNhbXBsZSBub25jZQ==", ""),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZTE2Cg=="),
        ("dGhlIHNhbXBsZSBub25jZQ==", "!!!!IHNhbXBsZSBub25jZQ=="),
        ("Host: ", "Content-Length: 5\r\nHost: "),
        ("Host: ", "Transfer-Encoding: chunked\r\nHost: "),
        ("Host: ", " folded: line\r\nHost: "),
        ("Upgrade: websocket", "Upgrade:\r\n websocket"),
        ("Host: ", "Bad Name: x\r\nHost: "),
        ("Host: ", "NoColon\r\nHost: "),
        ("Host: ", "X: a\0b\r\nHost: "),
        ("Host: ", "Origin: http://server.example.com\r\nOrigin: http://server.example.com\r\nHost: "),
        ("Host: ", "Sec-WebSocket-Protocol: a b\r\nHost: "),
        ("Host: ", "Sec-WebSocket-Protocol: a, a\r\nHost: "),
        ("Host: ", "Sec-WebSocket-Protocol: \u{fc}\r\nHost: "),
        ("Host: ", "Sec-WebSocket-Extensions: a b\r\nHost: "),
    ] {
        assert_refused(&config, request_with(from, to).as_bytes(), 400);
    }
}

#[test]
fn lines_end_in_cr_and_lf() {
    let config = Config::new();
    for (from, to) in [("HTTP/1.1\r\n", "HTTP/1.1\n"), ("Connection: Upgrade\r\n", "Connection: Upgrade\n")] {
        assert_refused(&config, request_with(from, to).as_bytes(), 400);
    }
    assert_refused(&config, b"\n", 400);
}

/// Not waited for until 8 KiB of it are there.
#[test]
fn what_cannot_be_http_is_refused_at_its_first_byte() {
    for first in [0x16u8, 0x00, b' ', 0x80, 0xff] {
        let mut server = new_server(&Config::new());
        assert_eq!(feed(&mut server, &[first]), [Seen::refused(400)]);
    }
}

#[test]
fn empty_lines_before_the_request_are_passed_over() {
    assert_accepted(&Config::new(), &format!("\r\n{REQUEST_LINES}\r\n"));
}

#[test]
fn heads_that_are_too_large_get_431() {
    let mut config = Config::new();
    config.set_max_head_size(512).unwrap();
    let base = request_and("X: \r\n").len();
    let exactly = request_and(&format!("X: {}\r\n", "x".repeat(512 - base)));
    assert_eq!(exactly.len(), 512);
    assert_accepted(&config, &exactly);
    let above = request_and(&format!("X: {}\r\n", "x".repeat(513 - base)));
    assert_refused(&config, above.as_bytes(), 431);

    let mut endless = new_server(&Config::new());
    let line = format!("GET /{}", "x".repeat(8192));
    assert_eq!(feed(&mut endless, line.as_bytes()), [Seen::refused(431)], "the default is 8 KiB");
}

#[test]
fn too_many_headers_get_431() {
    let config = Config::new();
    let own = 5;
    let header = |i: usize| format!("X-{i}: x\r\n");
    assert_accepted(&config, &request_and(&(0..64 - own).map(header).collect::<String>()));
    assert_refused(&config, request_and(&(0..65 - own).map(header).collect::<String>()).as_bytes(), 431);
}

/// RFC 6455, 10.2.
#[test]
fn by_default_pages_of_the_same_host_may_connect() {
    let config = Config::new();
    for (host, origin) in [
        ("server.example.com", "http://server.example.com"),
        ("server.example.com", "https://server.example.com"),
        ("server.example.com", "HTTPS://SERVER.example.com"),
        ("server.example.com:443", "https://server.example.com"),
        ("server.example.com", "http://server.example.com:80"),
        ("server.example.com:8080", "http://server.example.com:8080"),
        ("127.0.0.1:9001", "http://127.0.0.1:9001"),
        ("[::1]:9001", "http://[::1]:9001"),
    ] {
        let request = request_with("Host: server.example.com", &format!("Host: {host}\r\nOrigin: {origin}"));
        assert_accepted(&config, &request);
    }
    for (host, origin) in [
        ("server.example.com", "http://evil.example.com"),
        ("server.example.com", "http://server.example.com.evil.com"),
        ("server.example.com", "http://evil.com/server.example.com"),
        ("server.example.com", "http://xserver.example.com"),
        ("server.example.com", "http://server.example.com:8080"),
        ("server.example.com:8080", "http://server.example.com"),
        ("server.example.com:80", "https://server.example.com"),
        ("server.example.com", "null"),
        ("server.example.com", ""),
        ("server.example.com", "server.example.com"),
        ("server.example.com", "file://"),
    ] {
        let request = request_with("Host: server.example.com", &format!("Host: {host}\r\nOrigin: {origin}"));
        assert_refused(&config, request.as_bytes(), 403);
    }
}

#[test]
fn an_allow_list_or_any_origin() {
    let from = |origin: &str| request_and(&format!("Origin: {origin}\r\n"));
    let mut list = Config::new();
    list.allow_origin("https://app.example.com").unwrap().allow_origin("http://localhost:3000").unwrap();
    for origin in ["https://app.example.com", "https://APP.example.com:443", "http://localhost:3000"] {
        assert_accepted(&list, &from(origin));
    }
    for origin in [
        "http://app.example.com",
        "https://app.example.com:444",
        "http://localhost",
        "http://server.example.com",
        "null",
    ] {
        assert_refused(&list, from(origin).as_bytes(), 403);
    }
    assert_accepted(&list, &request_and(""));

    let mut any = Config::new();
    any.set_origin_policy(OriginPolicy::Any);
    for origin in ["http://evil.example.com", "null", "x"] {
        assert_accepted(&any, &from(origin));
    }
    let mut nobody = Config::new();
    nobody.set_origin_policy(OriginPolicy::AllowList(Vec::new()));
    assert_refused(&nobody, from("http://server.example.com").as_bytes(), 403);
}

#[test]
fn subprotocols_in_the_servers_order() {
    let mut config = Config::new();
    config.add_subprotocol("chat.v2").unwrap().add_subprotocol("chat.v1").unwrap();
    for (offer, chosen) in [
        ("Sec-WebSocket-Protocol: chat.v1, chat.v2\r\n", Some("chat.v2")),
        ("Sec-WebSocket-Protocol: chat.v1\r\nSec-WebSocket-Protocol: other,chat.v2\r\n", Some("chat.v2")),
        ("sec-websocket-protocol: ,chat.v1,,\r\n", Some("chat.v1")),
        ("Sec-WebSocket-Protocol: CHAT.V1\r\n", None),
        ("Sec-WebSocket-Protocol: other\r\n", None),
        ("", None),
    ] {
        let (events, output) = answer(&config, request_and(offer).as_bytes());
        assert_eq!(events, [Seen::Open(chosen.map(str::to_owned))], "{offer}");
        let line = chosen.map(|name| format!("\r\nSec-WebSocket-Protocol: {name}\r\n"));
        assert_eq!(output.contains("Sec-WebSocket-Protocol"), line.is_some(), "{output}");
        assert!(output.contains(&line.unwrap_or_default()), "{output}");
    }
}

/// Extensions that this engine does not have are declined by not naming them (RFC 6455, 9.1).
#[test]
fn extensions_are_declined() {
    let output = assert_accepted(
        &Config::new(),
        &request_and("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"),
    );
    assert!(!output.contains("Extensions"), "{output}");
}

#[test]
fn a_slow_head_is_taken_byte_by_byte() {
    let request = request_and(&format!("X: {}\r\n", "x".repeat(7_000)));
    let mut server = new_server(&Config::new());
    let events = request.as_bytes().iter().flat_map(|byte| feed(&mut server, &[*byte])).collect::<Vec<_>>();
    assert_eq!(events, [Seen::Open(None)]);
}
