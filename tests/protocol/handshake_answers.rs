//! What a client can learn about the server's answer: status and headers of a refusal, cookies of a 101.

use crate::handshake_client::{GOOD, asking, right_answer};
use crate::support::*;
use wsengine::{ClientRequest, Config, Connection, Engine, Header};

/// A client after this answer, its first event pulled.
fn after(answer: &str) -> (Connection, Seen) {
    let mut client = asking(&Engine::default(), &client_request());
    let answer = right_answer(&mut client, answer);
    client.feed(answer.as_bytes()).unwrap();
    let event = client.next_event().map(seen).expect("an event");
    (client, event)
}

#[test]
fn redirects_and_401_come_with_their_headers() {
    for (status, name, value) in [
        (302, "Location", "https://other.example.com/chat"),
        (401, "WWW-Authenticate", "Basic realm=\"x\""),
        (503, "Retry-After", "120"),
    ] {
        let answer = format!("HTTP/1.1 {status} X\r\nServer: y\r\n{name}: {value} \r\nContent-Length: 5\r\n\r\nhello");
        let (mut client, event) = after(&answer);
        assert!(matches!(event, Seen::Close { http_status: Some(code), .. } if code == status), "{event:?}");
        assert_eq!(client.response_status(), Some(status));
        assert_eq!(client.response_header(&name.to_uppercase(), 0), Some(value.as_bytes()));
        assert_eq!(client.response_header(name, 1), None);
        let names = client.response_headers().map(|header| header.name).collect::<Vec<_>>();
        assert_eq!(names, [b"Server", name.as_bytes(), b"Content-Length"]);
        assert_eq!(client.next_event(), None);
        assert_eq!((client.response_status(), client.response_headers().count()), (None, 0));
    }
}

#[test]
fn cookies_of_a_101() {
    let answer = GOOD.replace("\r\n\r\n", "\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\r\n");
    let (mut client, event) = after(&answer);
    assert_eq!((event, client.response_status()), (Seen::Open(None), Some(101)));
    let cookies = (0..3).map(|index| client.response_header("Set-Cookie", index)).collect::<Vec<_>>();
    assert_eq!(cookies, [Some(&b"a=1"[..]), Some(b"b=2"), None]);
    let last = client.response_headers().last();
    assert_eq!(last, Some(Header { name: b"set-cookie", value: b"b=2" }));
    assert_eq!(client.next_event(), None);
    assert_eq!(client.response_status(), None);
}

#[test]
fn a_wrong_101_can_be_looked_at() {
    let (client, event) = after(&GOOD.replace("Upgrade: websocket", "Upgrade: h2c"));
    assert!(matches!(event, Seen::Close { http_status: Some(101), .. }), "{event:?}");
    assert_eq!(client.response_header("upgrade", 0), Some(&b"h2c"[..]));
    let (client, _) = after("HTTP/1.1 nonsense\r\n\r\n");
    assert_eq!((client.response_status(), client.response_headers().count()), (None, 0));
}

/// RFC 9110, 15.2: a client takes any number of interim answers before the last one.
#[test]
fn interim_answers_are_passed_over() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nUpgrade: h2c\r\n\r\n";
    let behind = plain(TEXT, b"hi");
    for cut in 0..interim.len() + GOOD.len() + behind.len() {
        let mut client = asking(&Engine::default(), &client_request()); // with a new key each time
        let answer = right_answer(&mut client, &format!("{interim}{GOOD}"));
        let all = [answer.as_bytes(), &behind].concat();
        let mut events = feed(&mut client, &all[..cut]);
        events.extend(feed(&mut client, &all[cut..]));
        assert_eq!(events, [Seen::Open(None), Seen::text("hi")], "cut at {cut}");
    }
    let (client, event) = after(&format!("{interim}HTTP/1.1 404 Not Found\r\nX: y\r\n\r\n"));
    assert!(matches!(event, Seen::Close { http_status: Some(404), .. }));
    assert_eq!(client.response_headers().count(), 1, "those of the last answer");
}

#[test]
fn interim_answers_have_to_end() {
    let mut client = Connection::client(&Engine::new(&Config::new()), &client_request()).unwrap();
    take(&mut client);
    let events = feed(&mut client, "HTTP/1.1 102 Processing\r\n\r\n".repeat(1_000).as_bytes());
    assert!(matches!(events[..], [Seen::Close { code: 1006, http_status: None, .. }]), "{events:?}");
    assert!(client.wants_abort());
}

/// Every rule about a 101 that could be broken by repeating or listing.
#[test]
fn repeated_and_listed_headers() {
    let request = ClientRequest { subprotocols: &["one"], ..client_request() };
    let open = |answer: &str| {
        let mut client = asking(&Engine::default(), &request);
        let answer = right_answer(&mut client, answer);
        let events = feed(&mut client, answer.as_bytes());
        assert_eq!(events.len(), 1);
        matches!(events[..], [Seen::Open(_)])
    };
    for good in
        ["Connection: keep-alive\r\nConnection: Upgrade", "Connection: Upgrade, keep-alive", "Connection: ,upgrade,"]
    {
        assert!(open(&GOOD.replace("Connection: Upgrade", good)), "{good}");
    }
    for (from, bad) in [
        ("Connection: Upgrade", "Connection: Upgrade-Insecure"),
        ("Connection: Upgrade", "Connection: \"Upgrade\""),
        ("Upgrade: websocket", "Upgrade: websocket, h2c"),
        ("Upgrade: websocket", "Upgrade: websocket\r\nUpgrade: websocket"),
        ("Upgrade: websocket", "Upgrade: websocket/13"),
        ("ACCEPT", "ACCEPT\r\nsec-websocket-accept: ACCEPT"),
        ("ACCEPT", "ACCEPT, ACCEPT"),
        ("ACCEPT", "ACCEPTx"),
        ("ACCEPT", ""),
        ("Upgrade: websocket", "Upgrade: websocket\r\n folded"),
        ("Upgrade: websocket", "Upgrade : websocket"),
        ("Upgrade: websocket", "Upgrade: websocket\r\nSec-WebSocket-Extensions: x-unknown"),
        ("Upgrade: websocket", "Upgrade: websocket\r\nSec-WebSocket-Extensions:"),
    ] {
        assert!(!open(&GOOD.replacen(from, bad, 1)), "{bad}");
    }
}
