//! Requests that two parsers could understand differently (RFC 9112, 11): refused, however they are cut.

use crate::handshake_server::{assert_accepted, assert_refused, request_and, request_with};
use crate::support::*;
use wsengine::Config;

/// A refused request ends the connection: nothing behind it is taken for anything.
#[track_caller]
fn assert_bad(request: &[u8]) {
    assert_refused(&Config::new(), request, 400);
    let again = format!("{REQUEST_LINES}\r\n");
    assert_refused(&Config::new(), &[request, again.as_bytes()].concat(), 400);
}

#[test]
fn folded_lines() {
    for lines in ["X: a\r\n b\r\n", "X: a\r\n\tb\r\n", "X:\r\n a\r\n", " X: a\r\n", "\tX: a\r\n", "X: a\r\n \r\n"] {
        assert_bad(request_and(lines).as_bytes());
        assert_bad(request_with("Host: ", &format!("{lines}Host: ")).as_bytes());
    }
}

#[test]
fn repeated_keys() {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for second in [key.to_owned(), key.to_lowercase(), "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n".to_owned()] {
        assert_bad(request_and(&second).as_bytes());
    }
    assert_bad(request_with("ZQ==", "ZQ==, AAAAAAAAAAAAAAAAAAAAAA==").as_bytes());
}

#[test]
fn bodies() {
    for lines in [
        "Content-Length: 1\r\n",
        "content-length: 00\r\n",
        "Content-Length: +0\r\n",
        "Content-Length: 0, 0\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length:\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "transfer-encoding:\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    ] {
        assert_bad(request_and(lines).as_bytes());
    }
    assert_accepted(&Config::new(), &request_and("Content-Length: 0\r\n"));
}

#[test]
fn line_ends() {
    let request = request_and("");
    for (at, _) in request.match_indices("\r\n") {
        let (start, end) = (&request[..at], &request[at + 2..]);
        assert_bad(format!("{start}\n{end}").as_bytes());
        // Behind a bare CR the head is not at its end.
        assert_bad(format!("{start}\r\r\n{end}\r\n\r\n").as_bytes());
    }
    for at in request.match_indices(": ").map(|(at, _)| at + 2) {
        let (start, end) = request.split_at(at);
        assert_bad(format!("{start}a\rb{end}").as_bytes());
        assert_bad(format!("{start}a\r\n\r\rb{end}").as_bytes());
    }
}

#[test]
fn control_characters() {
    for byte in (0..=255u8).filter(|byte| byte.is_ascii_control() && !b"\t\n".contains(byte)) {
        let mut request = request_and("X: a_b\r\n").into_bytes();
        let at = request.iter().position(|&byte| byte == b'_').unwrap();
        request[at] = byte;
        assert_bad(&request);
    }
    assert_accepted(&Config::new(), &request_and("X: a\tb\r\n"));
}

#[test]
fn header_names() {
    for name in ["X ", "X\t", "", " ", "X(", "X/Y", "X\"", "X=", "{X}", "\u{e4}", "X\0", "X,Y", "X[]"] {
        assert_bad(request_and(&format!("{name}: a\r\n")).as_bytes());
    }
    assert_bad(request_with("Sec-WebSocket-Key:", "Sec-WebSocket-Key :").as_bytes());
    assert_bad(request_with("Host:", "Host :").as_bytes());
    assert_bad(request_and("NoColon\r\n").as_bytes());
    assert_accepted(&Config::new(), &request_and("!#$%&'*+-.^_`|~09azAZ: odd, but a token\r\n"));
}

#[test]
fn request_lines() {
    for line in [
        "GET  /chat HTTP/1.1",
        "GET /chat  HTTP/1.1",
        "GET /chat HTTP/1.1 ",
        "GET\t/chat HTTP/1.1",
        "GET /chat\tHTTP/1.1",
        "GET /chat /x HTTP/1.1",
        "GET /chat HTTP/1.1 X",
        "GET /chat",
        "GET  HTTP/1.1",
        "GET /chat HTTP/1.0",
        "GET /chat HTTP/1.2",
        "GET /chat HTTP/0.9",
        "GET /chat HTTP/2",
        "GET /chat http/1.1",
        "GET /chat XTTP/1.1",
        "GET /ch\0at HTTP/1.1",
        "GET /ch\x7fat HTTP/1.1",
    ] {
        assert_bad(request_with("GET /chat HTTP/1.1", line).as_bytes());
    }
}

#[test]
fn the_preface_of_http2() {
    assert_bad(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

#[test]
fn empty_lines_before_a_request() {
    assert_accepted(&Config::new(), &format!("\r\n{REQUEST_LINES}\r\n"));
    assert_bad(format!("\r\n\r\n{REQUEST_LINES}\r\n").as_bytes());
    assert_bad(format!("\n{REQUEST_LINES}\r\n").as_bytes());
    assert_bad(format!("\r{REQUEST_LINES}\r\n").as_bytes());
    assert_bad(format!("\r\n {REQUEST_LINES}\r\n").as_bytes());
}

/// The default limits, at their edges.
#[test]
fn very_long_and_very_many() {
    let fill = |len: usize| request_and(&format!("X: {}\r\n", "x".repeat(len)));
    let exact = fill(8_192 - fill(0).len());
    assert_eq!(exact.len(), 8_192);
    let mut server = new_server(&Config::new());
    assert_eq!(feed(&mut server, exact.as_bytes()), [Seen::Open(None)]);
    let mut server = new_server(&Config::new());
    assert_eq!(feed(&mut server, fill(8_193 - fill(0).len()).as_bytes()), [Seen::refused(431)]);

    let mut small = Config::new();
    small.set_max_headers(8).unwrap();
    assert_accepted(&small, &request_and("A: 1\r\nB: 2\r\nC: 3\r\n"));
    assert_refused(&small, request_and("A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n").as_bytes(), 431);
}
