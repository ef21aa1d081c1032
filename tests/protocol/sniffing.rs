//! WebSocket and other HTTP on one port.

use crate::support::REQUEST_LINES;
use wsengine::{Sniff, sniff};

const MAX: usize = 8192;

fn whole(bytes: &str) -> Sniff {
    sniff(bytes.as_bytes(), 0, MAX)
}

/// The answer to a buffer that grows byte by byte, with the count passed back; nothing before the last byte decides.
fn polled(bytes: &[u8]) -> Sniff {
    let mut scanned = 0;
    for len in 0..bytes.len() {
        match sniff(&bytes[..len], scanned, MAX) {
            Sniff::NeedMore { scanned: count } => {
                assert_eq!(count, len);
                scanned = count;
            }
            early => return early,
        }
    }
    sniff(bytes, scanned, MAX)
}

#[test]
fn an_upgrade_is_known_when_its_head_is_complete() {
    let request = format!("{REQUEST_LINES}\r\n");
    let upgrade = Sniff::Upgrade { head_len: request.len() };
    assert_eq!(whole(&request), upgrade);
    assert_eq!(polled(request.as_bytes()), upgrade);
    assert_eq!(whole(&format!("{request}frames behind it")), upgrade);
    for from in 0..request.len() {
        assert_eq!(sniff(request.as_bytes(), from, MAX), upgrade, "scanned {from}");
    }
    assert_eq!(whole(&request.replace("Upgrade: websocket", "UPGRADE: h2c, WebSocket")), upgrade_len(&request, 5));
}

fn upgrade_len(request: &str, more: usize) -> Sniff {
    Sniff::Upgrade { head_len: request.len() + more }
}

/// A wrong handshake is one all the same: the engine answers it better than an HTTP server would.
#[test]
fn wrong_handshakes_are_upgrades() {
    let request = format!("{REQUEST_LINES}\r\n");
    for wrong in [request.replace("Version: 13", "Version: 99"), request.replace("HTTP/1.1", "HTTP/1.0")] {
        assert_eq!(whole(&wrong), Sniff::Upgrade { head_len: wrong.len() });
    }
}

#[test]
fn ordinary_requests_without_a_body_are_http_and_sniffing_may_go_on_behind_them() {
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n",
    ] {
        let http = Sniff::Http { head_len: Some(request.len()) };
        assert_eq!(whole(request), http);
        assert_eq!(polled(request.as_bytes()), http);
        let with_next = format!("{request}{REQUEST_LINES}\r\n");
        assert_eq!(whole(&with_next), http);
        assert!(matches!(whole(&with_next[request.len()..]), Sniff::Upgrade { .. }));
    }
}

/// A body must never be taken for a request.
#[test]
fn a_connection_whose_bytes_may_be_a_body_is_left_to_http() {
    let never = Sniff::Http { head_len: None };
    for start in
        ["POST", "PUT /", "OPTIONS * HTTP/1.1\r\n\r\n", "P", "get / HTTP/1.1\r\n", "GEX", "\r\n", "\x16\x03\x01"]
    {
        assert_eq!(whole(start), never, "{start}");
    }
    for request in [
        "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nNoColon\r\n\r\n",
    ] {
        assert_eq!(whole(request), never, "{request}");
    }
}

#[test]
fn a_head_that_is_too_long_is_left_to_http() {
    let request = format!("{REQUEST_LINES}X: {}\r\n\r\n", "x".repeat(9_000));
    assert_eq!(whole(&request), Sniff::Http { head_len: None });
    assert_eq!(whole(&request[..8_192]), Sniff::NeedMore { scanned: 8_192 });
    assert_eq!(whole(&request[..8_193]), Sniff::Http { head_len: None });
    assert!(matches!(sniff(request.as_bytes(), 0, request.len()), Sniff::Upgrade { .. }));
}

#[test]
fn too_little_to_tell() {
    for start in ["", "G", "GE", "GET", "GET ", "H", "HEAD ", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        assert_eq!(whole(start), Sniff::NeedMore { scanned: start.len() });
    }
}

/// A count that is wrong costs at most a wrong answer, never a panic.
#[test]
fn counts_beyond_the_buffer_are_harmless() {
    assert_eq!(sniff(b"GET /", 100, MAX), Sniff::NeedMore { scanned: 5 });
}
