//! What users of other WebSocket engines suffered, one test each: what went wrong there must not go wrong here.
//! Those that other files hold already are listed with them in `docs/CONFORMANCE.md`.

use crate::support::*;
use wsengine::{ClientRequest, Config, Connection, Engine, Error, Event};

/// CVE-2020-27813 (gorilla/websocket), CVE-2026-1528 (undici), CVE-2026-43678 (swift-nio): a 64-bit length, or the
/// sum of several, overflowed, which crashed the process or went round the limit.
#[test]
fn lengths_that_overflow_are_refused_in_both_roles() {
    let mut config = Config::new();
    config.set_max_frame_size(i64::MAX as u64).unwrap().set_max_message_size(i64::MAX as u64).unwrap();
    let header = |first: u8, len: u64, key: Option<[u8; 4]>| {
        let mask_bit = if key.is_some() { 0x80 } else { 0 };
        [&[first, mask_bit | 127][..], &len.to_be_bytes(), &key.map_or(vec![], |key| key.to_vec())].concat()
    };
    for key in [Some(KEY), None] {
        let open = || if key.is_some() { open_server_with(&config) } else { open_client_with(&config) };
        for len in [1 << 63, (1 << 63) + 1, u64::MAX - 1, u64::MAX] {
            assert_eq!(feed(&mut open(), &header(0x82, len, key)), [Seen::failed(1002)], "{len:#x}");
        }
        for (len, more) in [(1, i64::MAX as u64), (200, i64::MAX as u64 - 199), (70_000, i64::MAX as u64)] {
            let bytes = [raw_frame(BINARY, &vec![1; len], key), header(0x80, more, key)].concat();
            assert_eq!(feed(&mut open(), &bytes), [Seen::failed(1009)], "{len} + {more:#x}");
        }
        // As long as may be announced: nothing is reserved for it, and what comes is taken.
        let mut conn = open();
        assert_eq!(feed(&mut conn, &[header(0x82, i64::MAX as u64, key), vec![0; 1_000]].concat()), []);
        conn.feed_eof();
        assert!(matches!(pull(&mut conn)[..], [Seen::Close { code: 1006, .. }]));
    }
}

/// CVE-2023-43669 (tungstenite): a head that came in small pieces was parsed anew with each, so that the work grew
/// with its square. Done that way, the megabyte below would take half a million million steps: it would not end.
#[test]
fn a_slow_handshake_is_read_once() {
    let mut config = Config::new();
    config.set_max_head_size(1024 * 1024).unwrap();
    let padding = format!("X: {}\r\n", "x".repeat(1_000_000));

    let request = format!("{REQUEST_LINES}{padding}\r\n");
    let mut server = new_server(&config);
    let (last, start) = request.as_bytes().split_last().unwrap();
    for byte in start {
        server.feed(&[*byte]).unwrap();
        assert!(server.next_event().is_none());
    }
    assert_eq!(feed(&mut server, &[*last]), [Seen::Open(None)]);

    let mut client = Connection::client(&Engine::new(&config), &client_request()).unwrap();
    let mut answering = new_server(&config);
    feed(&mut answering, &take(&mut client));
    let answer = String::from_utf8(take(&mut answering)).unwrap().replace("\r\n\r\n", &format!("\r\n{padding}\r\n"));
    let (last, start) = answer.as_bytes().split_last().unwrap();
    for byte in start {
        client.feed(&[*byte]).unwrap();
        assert!(client.next_event().is_none());
    }
    assert_eq!(feed(&mut client, &[*last]), [Seen::Open(None)]);
}

/// CVE-2024-37890 (ws): more headers than the limit hid those of the handshake, and the code that relied on them
/// crashed the process.
#[test]
fn a_flood_of_headers_is_refused_and_hides_nothing() {
    let flood = |count: usize| (0..count).map(|i| format!("X-{i}: x\r\n")).collect::<String>();
    let (line, headers) = REQUEST_LINES.split_once("\r\n").unwrap();
    for count in [50, 58, 59, 60, 61, 62, 63, 64, 65, 100, 255, 256, 257, 500] {
        let mut server = new_server(&Config::new());
        let events = feed(&mut server, format!("{line}\r\n{}{headers}\r\n", flood(count)).as_bytes());
        let expected = if count <= 59 { Seen::Open(None) } else { Seen::refused(431) };
        assert_eq!(events, [expected], "{count} headers more");
    }
    for count in [50, 61, 62, 64, 65, 255, 256, 257, 500] {
        let mut client = Connection::client(&Engine::default(), &client_request()).unwrap();
        let mut server = new_server(&Config::new());
        feed(&mut server, &take(&mut client));
        let answer = String::from_utf8(take(&mut server)).unwrap();
        let flooded = answer.replacen("\r\n", &format!("\r\n{}", flood(count)), 1);
        let events = feed(&mut client, flooded.as_bytes());
        match events[..] {
            [Seen::Open(None)] if count <= 61 => {}
            [Seen::Close { code: 1006, .. }] if count > 61 => {}
            _ => panic!("{count} headers more: {events:?}"),
        }
    }
}

/// facil.io#169: the handler saw the payload of a frame without a mask before the connection was closed over it.
/// In whatever place it comes, nothing of it is delivered.
#[test]
fn nothing_of_an_unmasked_frame_is_delivered() {
    for frame in [plain(TEXT, b"GET / HTTP/1.1"), plain(BINARY, &[1; 300]), plain(PING, b"p"), plain(CLOSE, b"")] {
        for before in [vec![], masked(TEXT, b"good"), masked_part(TEXT, b"half")] {
            let delivered = if before == masked(TEXT, b"good") { vec![Seen::text("good")] } else { vec![] };
            let (events, output) = every_split(open_server, &[before, frame.clone()].concat());
            assert_eq!(events, [delivered, vec![Seen::failed(1002)]].concat());
            assert_eq!(output, plain(CLOSE, &1002u16.to_be_bytes()), "and it is not answered");
        }
    }
}

/// nats-server#6259: codes that stand for the lack of a code were sent in close frames.
#[test]
fn a_code_that_was_reported_for_lack_of_one_does_not_get_onto_the_wire() {
    // A host that passes on what it was told.
    for (end, told) in [(Some(masked(CLOSE, b"")), 1005), (None, 1006)] {
        let mut one = open_server();
        match end {
            Some(frame) => one.feed(&frame).unwrap(),
            None => one.feed_eof(),
        }
        let Some(Event::Close(close)) = one.next_event() else { panic!() };
        assert_eq!(close.code, told);
        let code = close.code;
        assert!(!take(&mut one).windows(2).any(|bytes| bytes == code.to_be_bytes()));
        for other in [&mut open_server(), &mut open_client()] {
            assert!(matches!(other.outbound().queue_close(Some(code), ""), Err(Error::InvalidArgument(_))));
            assert_eq!(take(other), b"");
            other.outbound().queue_close(None, "").unwrap(); // how the lack of a code is said
        }
    }
    // A peer that sends them is told so by another code.
    for code in [1004u16, 1005, 1006, 1015] {
        assert_server_fails(&masked(CLOSE, &code.to_be_bytes()), 1002);
    }
}

/// A subprotocol with bytes above 127 aborted the process of an engine in Rust that took headers for text.
#[test]
fn a_subprotocol_that_is_not_ascii_is_an_error_and_nothing_worse() {
    let mut config = Config::new();
    for name in ["é", "聊天", "chat\u{0}", "chat\u{7f}", "\u{80}"] {
        assert!(matches!(config.add_subprotocol(name), Err(Error::InvalidArgument(_))), "{name:?}");
        let request = ClientRequest { subprotocols: &[name], ..client_request() };
        assert!(matches!(Connection::client(&Engine::default(), &request), Err(Error::InvalidArgument(_))));
        let mut asked = Config::new();
        asked.set_manual_accept(true);
        let mut server = new_server(&asked);
        feed(&mut server, format!("{REQUEST_LINES}\r\n").as_bytes());
        assert!(matches!(server.accept(Some(name), &[]), Err(Error::InvalidArgument(_))));
    }
    for name in [&b"\xff"[..], b"\xc3\xa9", b"\xe8\x81", b"a\x80b"] {
        let lines = [REQUEST_LINES.as_bytes(), b"Sec-WebSocket-Protocol: ", name, b"\r\n\r\n"].concat();
        assert_eq!(every_split(|| new_server(&Config::new()), &lines).0, [Seen::refused(400)], "{name:x?}");

        let request = ClientRequest { subprotocols: &["chat"], ..client_request() };
        let mut client = Connection::client(&Engine::default(), &request).unwrap();
        let mut server = new_server(&Config::new());
        feed(&mut server, &take(&mut client));
        let answer = take(&mut server);
        let head = answer.strip_suffix(b"\r\n").unwrap();
        let bad = [head, b"Sec-WebSocket-Protocol: ", name, b"\r\n\r\n"].concat();
        let events = feed(&mut client, &bad);
        assert!(matches!(events[..], [Seen::Close { code: 1006, .. }]), "{name:x?}: {events:?}");
    }
}

/// uWebSockets#669: closing while a message was being handled crashed. Here it may be done at any event, and the
/// event stays readable.
#[test]
fn closing_while_an_event_is_handled_is_harmless() {
    let input = [
        masked(TEXT, b"one"),
        masked(PING, b"p"),
        masked_part(BINARY, b"t"),
        masked(PONG, b"q"),
        masked(CONTINUATION, b"wo"),
        masked(TEXT, b"three"),
        masked(CLOSE, &close_payload(1000, "bye")),
    ]
    .concat();
    let all = [
        Seen::text("one"),
        Seen::Ping(b"p".to_vec()),
        Seen::Pong(b"q".to_vec()),
        Seen::Binary(b"two".to_vec()),
        Seen::text("three"),
    ];
    for close_at in 0..=all.len() {
        let mut server = open_server();
        server.feed(&input).unwrap();
        let mut events = Vec::new();
        let mut count = 0;
        while let Some((event, outbound)) = server.next_event_and_outbound() {
            if count == close_at {
                let closed = outbound.queue_close(Some(4000), "now");
                assert_eq!(closed.is_ok(), close_at < all.len(), "only after the last event is it too late");
                assert!(outbound.queue_close(Some(4001), "again").is_err());
                assert!(outbound.queue_text(b"more").is_err());
            }
            events.push(seen(event));
            count += 1;
        }
        assert_eq!(events[..all.len()], all, "closed at event {close_at}");
        assert!(matches!(events[all.len()..], [Seen::Close { code: 1000, clean: true, .. }]));
        let output = take(&mut server);
        let ours = plain(CLOSE, &close_payload(4000, "now"));
        let answer = plain(CLOSE, &1000u16.to_be_bytes());
        let pong = plain(PONG, b"p"); // the ping that comes behind our close frame is answered all the same
        let expected = match close_at {
            0 => [ours, pong].concat(),
            at if at < all.len() => [pong, ours].concat(),
            _ => [pong, answer].concat(),
        };
        assert_eq!(output, expected, "one close frame, at event {close_at}");
    }
    // A connection that is dropped in the middle of its events.
    let mut server = open_server();
    server.feed(&input).unwrap();
    assert!(server.next_event().is_some());
    drop(server);
}

/// wslay#56: the header of a frame went out in one segment and its payload in the next, which Nagle's algorithm and
/// delayed acknowledgements made into a wait of 40 ms. Here no slice is a header without its payload.
#[test]
fn a_header_is_never_alone_in_a_slice() {
    for open in [open_server, open_client] {
        for len in [1, 125, 126, 1_000, 16_000, 16_384, 65_535, 65_536, 1_000_000] {
            let mut conn = open();
            for queued in 0..4 {
                let before = conn.outbound().queued_bytes();
                conn.outbound().queue_binary(&vec![7; len]).unwrap();
                let whole = conn.outbound().queued_bytes() - before;
                let mut start = 0;
                let holds_header_and_more = conn.output().any(|slice| {
                    let (from, to) = (start, start + slice.len());
                    start = to;
                    from <= before && to > before + (whole - len)
                });
                assert!(holds_header_and_more, "frame {queued} of {len} bytes");
            }
        }
    }
}
