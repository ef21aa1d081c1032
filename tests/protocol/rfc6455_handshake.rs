//! Rules of RFC 6455, section 4, that the files named by subject do not hold. `docs/CONFORMANCE.md` lists all of them.

use crate::support::*;
use wsengine::{ClientRequest, Config, Connection, Engine, Error, Event, Initiator, State};

/// A client that has sent its request, and the right answer's `Sec-WebSocket-Accept`.
fn asking_client(request: &ClientRequest<'_>) -> (Connection, String) {
    let mut client = Connection::client(&Engine::default(), request).unwrap();
    let asked = String::from_utf8(take(&mut client)).unwrap();
    let key = asked.split("Sec-WebSocket-Key: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let mut server = new_server(&Config::new());
    feed(&mut server, format!("{}\r\n", REQUEST_LINES.replace("dGhlIHNhbXBsZSBub25jZQ==", key)).as_bytes());
    let answer = String::from_utf8(take(&mut server)).unwrap();
    let accept = answer.split("Sec-WebSocket-Accept: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    (client, accept)
}

fn react(request: &ClientRequest<'_>, answer: &[&str]) -> Vec<Seen> {
    let (mut client, accept) = asking_client(request);
    let answer = format!("HTTP/1.1 101 Switching Protocols\r\n{}\r\n\r\n", answer.join("\r\n"));
    feed(&mut client, answer.replace("@accept@", &accept).as_bytes())
}

const GOOD: [&str; 3] = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: @accept@"];

/// RFC 6455, 4.1: a client waits for the answer before it sends anything more.
#[test]
fn a_client_says_nothing_before_the_answer() {
    let mut client = Connection::client(&Engine::default(), &client_request()).unwrap();
    let request = take(&mut client);
    assert!(request.starts_with(b"GET ") && request.ends_with(b"\r\n\r\n"));
    assert_eq!(client.state(), State::Connecting);
    let out = client.outbound();
    for refused in [
        out.queue_text(b"x"),
        out.queue_binary(b"x"),
        out.queue_ping(b""),
        out.queue_pong(b""),
        out.queue_close(Some(1000), ""),
    ] {
        assert!(matches!(refused, Err(Error::State(_))), "{refused:?}");
    }
    assert_eq!(feed(&mut client, b"HTTP/1.1 101 Switching"), []);
    assert_eq!(take(&mut client), b"");
}

/// RFC 6455, 4.1, item 4 of the answer: white space around the accept value does not count; everything else does.
#[test]
fn only_white_space_around_the_accept_value_is_passed_over() {
    let with = |value: &str| react(&client_request(), &[GOOD[0], GOOD[1], &format!("Sec-WebSocket-Accept:{value}")]);
    for value in ["@accept@", "   @accept@", " @accept@\t ", "\t @accept@"] {
        assert_eq!(with(value), [Seen::Open(None)], "{value:?}");
    }
    for value in [" \"@accept@\"", " @accept@=", " x@accept@", " @accept@, @accept@", ""] {
        assert!(matches!(with(value)[..], [Seen::Close { code: 1006, .. }]), "{value:?}");
    }
    // A SHA-1 in Base64 is compared as it is: letter case counts.
    let (mut client, accept) = asking_client(&client_request());
    let swapped = accept.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c });
    let swapped = swapped.collect::<String>();
    assert_ne!(swapped, accept);
    let answer = format!("HTTP/1.1 101 x\r\n{}\r\n{}\r\nSec-WebSocket-Accept: {swapped}\r\n\r\n", GOOD[0], GOOD[1]);
    assert!(matches!(feed(&mut client, answer.as_bytes())[..], [Seen::Close { code: 1006, .. }]));
}

/// RFC 6455, 4.1, item 1 of the answer: another status is no opening, however right the rest is.
#[test]
fn a_status_other_than_101_opens_nothing() {
    for status in [100, 102, 110, 200, 204, 301, 401, 426, 500] {
        let (mut client, accept) = asking_client(&client_request());
        let answer = format!("HTTP/1.1 {status} Switching Protocols\r\n{}\r\n\r\n", GOOD.join("\r\n"));
        client.feed(answer.replace("@accept@", &accept).as_bytes()).unwrap();
        while let Some(event) = client.next_event() {
            assert!(!matches!(event, Event::Open { .. }), "{status}");
        }
        assert_ne!(client.state(), State::Open, "{status}");
    }
}

/// RFC 6455, 4.2.1 and 4.1: the order of headers means nothing, names have no letter case, unknown ones are ignored.
#[test]
fn headers_come_in_any_order_among_unknown_ones() {
    let (line, headers) = REQUEST_LINES.split_once("\r\n").unwrap();
    let headers = headers.lines().collect::<Vec<_>>();
    for turn in 0..headers.len() {
        let mut turned = headers.clone();
        turned.rotate_left(turn);
        let mixed = turned.iter().map(|header| format!("X-Unknown: 1\r\n{header}\r\n")).collect::<String>();
        let mut server = new_server(&Config::new());
        assert_eq!(feed(&mut server, format!("{line}\r\n{mixed}\r\n").as_bytes()), [Seen::Open(None)], "{mixed}");
        assert_eq!(take(&mut server), ANSWER.as_bytes());
    }
    for turn in 0..GOOD.len() {
        let mut turned = GOOD;
        turned.rotate_left(turn);
        let lines = [turned[0], "X-Unknown: 1", turned[1], "Sec-WebSocket-Version: 13", turned[2]];
        assert_eq!(react(&client_request(), &lines), [Seen::Open(None)], "{lines:?}");
        let capitals = lines.map(|line| match line.split_once(':') {
            Some((name, value)) => format!("{}:{value}", name.to_ascii_uppercase()),
            None => line.to_owned(),
        });
        assert_eq!(react(&client_request(), &capitals.each_ref().map(String::as_str)), [Seen::Open(None)]);
    }
}

/// RFC 6455, 4.2.1: a server stops at a handshake that is wrong; what comes behind it is not looked at.
#[test]
fn what_follows_a_refused_request_is_ignored() {
    let wrong = REQUEST_LINES.replace("Version: 13", "Version: 12");
    let bytes = format!("{wrong}\r\n{REQUEST_LINES}\r\n");
    let mut server = new_server(&Config::new());
    assert_eq!(feed(&mut server, bytes.as_bytes()), [Seen::refused(426)]);
    let output = String::from_utf8(take(&mut server)).unwrap();
    assert_eq!(output.matches("HTTP/1.1 ").count(), 1, "{output}");
    assert_eq!(feed(&mut server, format!("{REQUEST_LINES}\r\n").as_bytes()), []);
    assert_eq!(take(&mut server), b"");
    assert!(server.wants_shutdown(), "RFC 6455, 7.2.2");
}

/// RFC 6455, 8.1, during the handshake: a target that is no text is refused, and so is a subprotocol.
#[test]
fn bytes_that_are_not_utf8_are_refused_in_the_handshake_too() {
    for (from, bad) in [("/chat", &b"/ch\xff\xfet"[..]), ("/chat", b"/\xc3"), ("HTTP/1.1\r\n", b"HTTP/1.1\xff\r\n")] {
        let (before, behind) = REQUEST_LINES.split_once(from).unwrap();
        let request = [before.as_bytes(), bad, behind.as_bytes(), b"\r\n"].concat();
        assert_eq!(feed(&mut new_server(&Config::new()), &request), [Seen::refused(400)], "{bad:x?}");
    }
    for bad in [&b"\xff"[..], b"chat\xe4\xb8", b"a, \xc3"] {
        let request = [REQUEST_LINES.as_bytes(), b"Sec-WebSocket-Protocol: ", bad, b"\r\n\r\n"].concat();
        assert_eq!(feed(&mut new_server(&Config::new()), &request), [Seen::refused(400)], "{bad:x?}");
    }
}

/// RFC 6455, 4.1, item 5 of the answer, and 9: an extension that was not asked for fails the connection, in whatever
/// company it comes.
#[test]
fn a_client_takes_no_extension_that_it_did_not_offer() {
    for value in ["permessage-foo", "x; y=1", "a, b", "permessage-foo\r\nSec-WebSocket-Extensions: x"] {
        let line = format!("Sec-WebSocket-Extensions: {value}");
        let events = react(&client_request(), &[GOOD[0], GOOD[1], GOOD[2], &line]);
        assert!(matches!(events[..], [Seen::Close { code: 1006, initiator: Initiator::Us, .. }]), "{value}");
    }
}

/// RFC 6455, 9: a server names no extension that was not asked for, or that it does not have.
#[test]
fn a_server_names_no_extension_that_it_does_not_have() {
    for lines in ["", "Sec-WebSocket-Extensions: permessage-foo; x=1, bar\r\nSec-WebSocket-Extensions: baz\r\n"] {
        let mut server = new_server(&Config::new());
        assert_eq!(feed(&mut server, format!("{REQUEST_LINES}{lines}\r\n").as_bytes()), [Seen::Open(None)]);
        assert_eq!(take(&mut server), ANSWER.as_bytes());
    }
}
