//! What a host can learn about a request: method, target, path, query, headers.

use crate::handshake_server::{assert_accepted, assert_refused, request_and, request_with};
use crate::support::*;
use wsengine::{Config, Connection, Header};

fn asking() -> Config {
    let mut config = Config::new();
    config.set_manual_accept(true);
    config
}

fn server_after(config: &Config, request: &str) -> Connection {
    let mut server = new_server(config);
    server.feed(request.as_bytes()).unwrap();
    assert!(server.next_event().is_some(), "{request}");
    server
}

#[test]
fn the_parts_of_a_target() {
    for (target, path, query) in [
        ("/", "/", None),
        ("/chat", "/chat", None),
        ("/chat?room=1&x=%20", "/chat", Some("room=1&x=%20")),
        ("/chat?", "/chat", Some("")),
        ("/a?b?c", "/a", Some("b?c")),
        ("/?/", "/", Some("/")),
        ("//evil.example.com/x", "//evil.example.com/x", None),
        ("http://server.example.com", "/", None),
        ("http://server.example.com/", "/", None),
        ("http://server.example.com/chat?room=1", "/chat", Some("room=1")),
        ("HTTPS://server.example.com:8443?x", "/", Some("x")),
        ("http://[::1]:80/chat", "/chat", None),
    ] {
        let server = server_after(&asking(), &request_with("/chat", target));
        assert_eq!(server.request_method(), Some("GET"));
        assert_eq!(server.request_target(), Some(target));
        assert_eq!((server.request_path(), server.request_query()), (Some(path), query), "{target}");
    }
}

#[test]
fn absolute_targets_need_an_authority() {
    for target in ["http://", "http:///chat", "http://?x", "http://user@host/", "http://a b/", "http:/chat", "ws://a/"]
    {
        assert_refused(&Config::new(), request_with("/chat", target).as_bytes(), 400);
    }
}

/// RFC 9112, 3.2.2: `Host` says nothing then, but has to be there, once and valid.
#[test]
fn the_authority_of_a_target_takes_the_place_of_host() {
    let request = |target: &str, host: &str, origin: &str| {
        request_with("/chat", target).replace("Host: server.example.com", &format!("Host: {host}\r\nOrigin: {origin}"))
    };
    let config = Config::new();
    let (ours, other) = ("http://server.example.com", "http://other.example.com");
    assert_accepted(&config, &request("http://server.example.com/chat", "other.example.com", ours));
    assert_refused(&config, request("http://server.example.com/chat", "other.example.com", other).as_bytes(), 403);
    assert_refused(&config, request("http://server.example.com/chat", "a\r\nHost: b", ours).as_bytes(), 400);
    assert_refused(&config, request("http://server.example.com/chat", "", ours).as_bytes(), 400);
    assert_accepted(&config, &request("/chat", "other.example.com", other));
}

#[test]
fn headers_in_order_and_by_name() {
    let lines = "Cookie: a=1\r\nX-Empty:\r\ncookie: \t b=2 \t\r\nCOOKIE:c=\u{fc}\r\n";
    let server = server_after(&asking(), &request_and(lines));
    let all = server.request_headers().collect::<Vec<_>>();
    let expected = [
        ("Host", "server.example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
        ("Cookie", "a=1"),
        ("X-Empty", ""),
        ("cookie", "b=2"),
        ("COOKIE", "c=\u{fc}"),
    ]
    .map(|(name, value)| Header { name: name.as_bytes(), value: value.as_bytes() });
    assert_eq!(all, expected);

    let cookies = (0..4).map(|index| server.request_header("cOOkie", index)).collect::<Vec<_>>();
    assert_eq!(cookies, [Some(&b"a=1"[..]), Some(b"b=2"), Some("c=\u{fc}".as_bytes()), None]);
    assert_eq!(server.request_header("X-Empty", 0), Some(&b""[..]));
    assert_eq!(server.request_header("Cook", 0), None);
}

#[test]
fn however_the_request_was_cut() {
    let request = request_with("/chat", "/a?b");
    for cut in 1..request.len() {
        let mut server = new_server(&asking());
        assert_eq!(feed(&mut server, &request.as_bytes()[..cut]), []);
        assert_eq!((server.request_method(), server.request_headers().count()), (None, 0), "not before it is whole");
        assert_eq!(feed(&mut server, &request.as_bytes()[cut..]), [Seen::Request("/a?b".into())]);
        assert_eq!((server.request_path(), server.request_query()), (Some("/a"), Some("b")));
        assert_eq!(server.request_headers().count(), 5);
    }
}

/// For the log of the host: who was refused.
#[test]
fn a_refused_request_can_be_looked_at_with_its_end() {
    let mut server = server_after(&Config::new(), &request_and("Origin: http://evil.example.com\r\n"));
    assert_eq!(server.request_header("Origin", 0), Some(&b"http://evil.example.com"[..]));
    assert_eq!(server.request_path(), Some("/chat"));
    assert_eq!(server.next_event(), None);
    assert_eq!((server.request_path(), server.request_header("Origin", 0)), (None, None));

    let server = server_after(&Config::new(), &request_with("GET", "POST"));
    assert_eq!((server.request_method(), server.request_target()), (Some("POST"), Some("/chat")));
    assert_eq!(server.request_path(), None, "its target was not looked at");
    let server = server_after(&Config::new(), "nonsense\r\n\r\n");
    assert_eq!((server.request_method(), server.request_headers().count()), (None, 0));
}

#[test]
fn a_client_has_no_request_to_look_at_and_a_server_of_http_1_no_answer() {
    let client = open_client();
    assert_eq!((client.request_method(), client.request_target(), client.request_path()), (None, None, None));
    let server = server_after(&Config::new(), &request_and(""));
    assert_eq!((server.response_status(), server.response_headers().count()), (None, 0));
}
