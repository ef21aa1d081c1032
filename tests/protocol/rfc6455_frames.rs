//! Rules of RFC 6455, sections 5 to 10, that the files named by subject do not hold: what each role puts on the wire,
//! and that a client is as strict as a server. `docs/CONFORMANCE.md` lists all of them.

use crate::support::*;
use wsengine::{Connection, Initiator, State};

/// A frame taken apart: first byte, mask key, payload without its mask.
#[derive(Debug, PartialEq, Eq)]
struct Wire {
    first: u8,
    key: Option<[u8; 4]>,
    payload: Vec<u8>,
}

/// Takes output apart, by nothing but the figure in RFC 6455, 5.2.
fn frames(mut bytes: &[u8]) -> Vec<Wire> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (len, rest) = match second & 0x7f {
            126 => (u16::from_be_bytes(rest[..2].try_into().unwrap()) as usize, &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize, &rest[8..]),
            len => (len as usize, rest),
        };
        let (key, rest) = match second & 0x80 {
            0 => (None, rest),
            _ => (Some(<[u8; 4]>::try_from(&rest[..4]).unwrap()), &rest[4..]),
        };
        let unmask = |(i, byte): (usize, &u8)| byte ^ key.map_or(0, |key| key[i % 4]);
        let payload = rest[..len].iter().enumerate().map(unmask).collect();
        frames.push(Wire { first: *first, key, payload });
        bytes = &rest[len..];
    }
    assert_eq!(bytes, b"", "half a frame");
    frames
}

/// Makes a connection send each kind of frame, of its own will and in answer, and takes it all.
fn everything_that_is_sent(make: fn() -> Connection, from_peer: fn(u8, &[u8]) -> Vec<u8>) -> Vec<Wire> {
    let mut sent = Vec::new();
    let mut conn = make();
    let out = conn.outbound();
    out.queue_text(b"text").unwrap();
    out.queue_binary(&[7; 200]).unwrap();
    out.queue_binary(&[7; 70_000]).unwrap();
    sent.extend(take(&mut conn)); // what waits, control frames may overtake
    conn.outbound().queue_ping(b"ping").unwrap();
    conn.outbound().queue_pong(b"pong").unwrap();
    sent.extend(take(&mut conn));
    feed(&mut conn, &from_peer(PING, b"asked"));
    sent.extend(take(&mut conn));
    conn.outbound().queue_close(Some(1000), "bye").unwrap();
    sent.extend(take(&mut conn));

    let mut answering = make();
    feed(&mut answering, &from_peer(CLOSE, b""));
    sent.extend(take(&mut answering));
    let mut failing = make();
    feed(&mut failing, &[0xff]);
    sent.extend(take(&mut failing));
    frames(&sent)
}

/// RFC 6455, 5.1 and 6.1: a client masks all of its frames, a server none; and each is a whole message or control
/// frame of its own type, with FIN set and nothing in the reserved bits.
#[test]
fn a_client_masks_every_frame_and_a_server_none() {
    let client = everything_that_is_sent(open_client, plain);
    let server = everything_that_is_sent(open_server, masked);
    assert!(client.iter().all(|frame| frame.key.is_some()), "{client:?}");
    assert!(server.iter().all(|frame| frame.key.is_none()), "{server:?}");
    for sent in [client, server] {
        let opcodes = sent.iter().map(|frame| frame.first).collect::<Vec<_>>();
        assert_eq!(opcodes, [0x81, 0x82, 0x82, 0x89, 0x8a, 0x8a, 0x88, 0x88, 0x88]);
        assert_eq!(sent[0].payload, b"text");
        assert_eq!(sent[2].payload, [7; 70_000]);
        assert_eq!(sent[5].payload, b"asked");
        assert_eq!(sent[6].payload, close_payload(1000, "bye"));
        assert_eq!(sent[7].payload, b"");
        assert_eq!(sent[8].payload, 1002u16.to_be_bytes());
    }
}

/// RFC 6455, 10.3: the key of one frame tells nothing about that of the next, whatever kind of frame it is.
#[test]
fn control_frames_of_a_client_have_fresh_keys_too() {
    let mut keys = std::collections::HashSet::new();
    let mut client = open_client();
    for _ in 0..100 {
        client.outbound().queue_ping(b"same").unwrap();
        feed(&mut client, &plain(PING, b"same"));
        keys.extend(frames(&take(&mut client)).iter().map(|frame| frame.key.unwrap()));
    }
    assert!(keys.len() > 198, "{} of 200 keys are different", keys.len());
}

/// RFC 6455, 10.3: what the application does to its memory afterwards does not change a frame that was queued.
#[test]
fn a_payload_is_fixed_when_it_is_queued() {
    for make in [open_client, open_server] {
        for len in [5, 200, 100_000] {
            let mut conn = make();
            let mut payload = vec![b'a'; len];
            conn.outbound().queue_binary(&payload).unwrap();
            payload.fill(b'b');
            assert_eq!(frames(&take(&mut conn))[0].payload, vec![b'a'; len]);
        }
    }
}

/// RFC 6455, 5.2 to 5.5 and 7.4: the rules hold in both directions.
#[test]
fn a_client_fails_over_what_a_server_fails_over() {
    let part = |opcode, payload: &[u8]| raw_frame(opcode, payload, None);
    let mistakes: [(Vec<u8>, u16); 16] = [
        (raw_frame(0xc1, b"x", None), 1002),                    // RSV1
        (raw_frame(0xa1, b"x", None), 1002),                    // RSV2
        (raw_frame(0x91, b"x", None), 1002),                    // RSV3
        (plain(3, b""), 1002),                                  // a reserved data opcode
        (plain(11, b""), 1002),                                 // a reserved control opcode
        (part(PING, b""), 1002),                                // a fragmented control frame
        (plain(PING, &[0; 126]), 1002),                         // a long one
        (vec![0x82, 126, 0, 125], 1002),                        // a length that is too long
        (vec![0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff], 1002),  // likewise
        (vec![0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002),     // its top bit
        (plain(CONTINUATION, b"x"), 1002),                      // nothing to continue
        ([part(TEXT, b"a"), plain(TEXT, b"b")].concat(), 1002), // one message inside another
        (plain(CLOSE, &[3]), 1002),                             // half a code
        (plain(CLOSE, &close_payload(1006, "")), 1002),         // a code that is never sent
        (plain(CLOSE, &[3, 232, 0xff]), 1007),                  // a reason that is not UTF-8
        (plain(TEXT, b"\xff"), 1007),                           // text that is not UTF-8
    ];
    for (bytes, code) in mistakes {
        for pieces in [vec![&bytes[..]], bytes.chunks(1).collect()] {
            let mut client = open_client();
            let events = pieces.into_iter().flat_map(|piece| feed(&mut client, piece)).collect::<Vec<_>>();
            assert_eq!(events, [Seen::failed(code)], "{bytes:x?}");
            let sent = frames(&take(&mut client));
            assert_eq!((sent.len(), sent[0].first), (1, 0x88), "{bytes:x?}");
            assert_eq!(sent[0].payload, code.to_be_bytes(), "{bytes:x?}");
            assert_eq!(client.state(), State::Closed);
            assert!(client.wants_shutdown(), "RFC 6455, 7.1.7: it closes the stream itself");
            assert_eq!(feed(&mut client, &plain(TEXT, b"late")), [], "RFC 6455, 7.1.7: nothing more is looked at");
        }
    }
}

/// RFC 6455, 5.4 and 5.5.2, in the direction that the other tests leave out.
#[test]
fn a_client_joins_fragments_and_answers_pings_between_them() {
    let bytes = [
        raw_frame(TEXT, "首".as_bytes(), None),
        plain(PING, b"still there?"),
        raw_frame(CONTINUATION, b"", None),
        plain(PONG, b""),
        plain(CONTINUATION, "尾".as_bytes()),
        plain(BINARY, &[1]),
    ]
    .concat();
    for size in 1..=bytes.len() {
        let mut client = open_client();
        let events = bytes.chunks(size).flat_map(|piece| feed(&mut client, piece)).collect::<Vec<_>>();
        let expected =
            [Seen::Ping(b"still there?".to_vec()), Seen::Pong(vec![]), Seen::text("首尾"), Seen::Binary(vec![1])];
        assert_eq!(events, expected, "reads of {size} bytes");
        let sent = frames(&take(&mut client));
        assert_eq!(sent.len(), 1);
        assert_eq!((sent[0].first, &sent[0].payload[..]), (0x8a, &b"still there?"[..]));
    }
}

/// RFC 6455, 5.5.1: a client answers a close frame once, with its code, and reports the first one.
#[test]
fn a_client_answers_the_first_close_frame_and_no_other() {
    let both = [plain(CLOSE, &close_payload(4000, "first")), plain(CLOSE, &close_payload(4001, "second"))].concat();
    let mut client = open_client();
    assert_eq!(feed(&mut client, &both), [Seen::peer_closed(4000, "first")]);
    let sent = frames(&take(&mut client));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].payload, 4000u16.to_be_bytes());
}

/// RFC 6455, 7.2.1: a client whose stream is lost fails the connection; 7.1.5: with the code 1006.
#[test]
fn a_client_that_loses_its_stream_ends_with_1006() {
    let lost =
        |initiator| [Seen::Close { code: 1006, reason: String::new(), clean: false, initiator, http_status: None }];
    let mut open = open_client();
    open.feed_eof();
    assert_eq!(pull(&mut open), lost(Initiator::Nobody));
    assert!(open.wants_abort());

    let mut closing = open_client();
    closing.outbound().queue_close(Some(1000), "").unwrap();
    closing.feed_eof();
    assert_eq!(pull(&mut closing), lost(Initiator::Us));
    assert!(closing.wants_abort());
}

/// RFC 6455, 6.2: a message is of the type of its first frame, and the next data frame begins a new one.
#[test]
fn each_message_has_the_type_of_its_own_first_frame() {
    let bytes = [
        masked_part(BINARY, b"\xff"),
        masked(CONTINUATION, b"\xfe"),
        masked(TEXT, b"t"),
        masked_part(TEXT, b"u"),
        masked(CONTINUATION, b"v"),
        masked(BINARY, b""),
    ]
    .concat();
    let expected = [Seen::Binary(vec![0xff, 0xfe]), Seen::text("t"), Seen::text("uv"), Seen::Binary(vec![])];
    assert_eq!(every_split(open_server, &bytes).0, expected);
}
