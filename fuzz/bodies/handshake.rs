//! Any bytes instead of a handshake: a request to a server, an answer to a client.

use super::*;
use wsengine::{Sniff, sniff};

/// Stands for the accept value that answers the client's key: that of RFC 6455, 1.3.
const ACCEPT_IN_RFC: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub fn run(data: &[u8]) {
    match split_choice(data) {
        Some((choice, bytes)) if choice & 1 == 0 => request(choice, bytes),
        Some((choice, bytes)) => answer(choice, bytes),
        None => {}
    }
}

fn request(choice: u8, bytes: &[u8]) {
    let mut config = Config::new();
    config.set_manual_accept(choice & 2 != 0).set_compression(choice & 0x20 != 0);
    config.set_max_head_size(1024).and_then(|config| config.add_subprotocol("chat")).expect("in range");
    let decide: fn(&mut Connection) = match choice >> 2 & 3 {
        0 => |conn| conn.accept(None, &[]).expect("a request waits"),
        1 => |conn| conn.reject(403, &[], b"no").expect("a request waits"),
        2 => |conn| {
            assert!(conn.request_target().is_some());
            assert_eq!(conn.request_header("Upgrade", 0).map(<[u8]>::is_empty), Some(false));
            conn.accept(Some(""), &[]).expect("a request waits");
        },
        _ => undecided,
    };
    let make = || (Connection::server(&Engine::new(&config)), Collector::default());
    let outcomes = Cut::all(choice, bytes.len()).into_iter().map(|cut| {
        let (conn, collector) = make();
        super::run(conn, collector, bytes, cut, decide)
    });
    let Some(outcome) = assert_all_equal(outcomes) else {
        return;
    };
    check_answer(&outcome, bytes);
    check_sniff(&outcome, bytes);
}

/// A server says nothing, or one whole HTTP answer that fits what it reports.
fn check_answer(outcome: &Outcome, bytes: &[u8]) {
    let is_open = outcome.got.iter().any(|got| matches!(got, Got::Open(_)));
    let status = match outcome.got.last() {
        Some(Got::Close { http_status, .. }) => *http_status,
        _ => None,
    };
    if outcome.output.is_empty() {
        assert!(!is_open && status.is_none());
        return;
    }
    let head_len = outcome.output.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head") + 4;
    let head = std::str::from_utf8(&outcome.output[..head_len]).expect("our own words are ASCII");
    let lines = head.split("\r\n").collect::<Vec<_>>();
    assert!(lines.iter().all(|line| !line.contains(['\r', '\n', '\0'])), "{head:?}");
    if is_open {
        assert!(lines[0].starts_with("HTTP/1.1 101 "), "{head:?}");
        assert!(bytes.windows(4).any(|four| four == b"\r\n\r\n"));
    } else {
        let status = status.expect("a refusal has a status");
        assert!((400..600).contains(&status), "{status}");
        assert!(lines[0].starts_with(&format!("HTTP/1.1 {status} ")), "{head:?}");
        let body = lines.iter().find_map(|line| line.strip_prefix("Content-Length: "));
        let body_len = body.and_then(|len| len.parse::<usize>().ok()).expect("a refusal says how long its body is");
        assert_eq!(outcome.output.len() - head_len, body_len);
    }
}

/// What a server opens for, the sniff took for WebSocket; and polling it byte by byte changes nothing.
fn check_sniff(outcome: &Outcome, bytes: &[u8]) {
    let whole = sniff(bytes, 0, 1024);
    let mut scanned = 0;
    let mut polled = Sniff::NeedMore { scanned };
    for end in 0..=bytes.len() {
        polled = sniff(&bytes[..end], scanned, 1024);
        match polled {
            Sniff::NeedMore { scanned: count } => scanned = count,
            _ => break,
        }
    }
    assert_eq!(polled, whole);
    if outcome.got.iter().any(|got| matches!(got, Got::Open(_) | Got::Request(_))) {
        assert!(matches!(whole, Sniff::Upgrade { .. }), "{whole:?} for a request that is valid");
    }
}

fn answer(choice: u8, bytes: &[u8]) {
    let mut config = Config::new();
    config.set_compression(choice & 0x20 != 0).set_max_head_size(1024).expect("in range");
    let outcomes = Cut::all(choice, bytes.len()).into_iter().map(|cut| {
        let mut client = new_client(&config);
        let accept = accept_for(&take_all(&mut client));
        let mut outcome =
            super::run(client, Collector::default(), &replace(bytes, ACCEPT_IN_RFC, &accept), cut, undecided);
        outcome.output.fill(0); // masked with random keys
        outcome
    });
    if let Some(outcome) = assert_all_equal(outcomes) {
        let is_open = outcome.got.iter().any(|got| matches!(got, Got::Open(_)));
        assert!(is_open || outcome.output.is_empty(), "a client says nothing to a server whose answer it refuses");
        let has_accept = bytes.windows(ACCEPT_IN_RFC.len()).any(|window| window == ACCEPT_IN_RFC);
        assert!(!is_open || has_accept && bytes.starts_with(b"HTTP/1.1 101"));
    }
}

/// What answers the key of this request.
fn accept_for(request: &[u8]) -> Vec<u8> {
    let mut server = Connection::server(&Engine::default());
    server.feed(request).expect("nothing is pending");
    while server.next_event().is_some() {}
    let answer = String::from_utf8(take_all(&mut server)).expect("ASCII");
    let accept = answer.split("Sec-WebSocket-Accept: ").nth(1).expect("it was accepted");
    accept.split("\r\n").next().unwrap_or_default().as_bytes().to_vec()
}

/// `bytes` with every `from` replaced; of the same length.
fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from) {
        at += found;
        bytes[at..at + from.len()].copy_from_slice(to);
        at += from.len();
    }
    bytes
}
