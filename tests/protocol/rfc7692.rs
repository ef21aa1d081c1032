//! RFC 7692, sections 6 and 7.2: compressed messages as bytes that were written by hand or by nobody here.

use crate::inflate::inflate;
use crate::support::*;
use wsengine::{Config, Connection, Engine, Event};

const RSV1: u8 = 0x40;
const FIN: u8 = 0x80;
/// "Hello" in one block with the fixed code (RFC 7692, 7.2.3.1).
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// The same once more, as a reference to the message before it (7.2.3.2).
const HELLO_AGAIN: [u8; 5] = [0xf2, 0x00, 0x11, 0x00, 0x00];

/// Every message is compressed, and both ends may refer to earlier ones.
fn takeover() -> Config {
    let mut config = Config::new();
    config.set_compression(true).set_context_takeover(true, true).set_compression_threshold(0);
    config
}

/// Every message is compressed by itself.
fn no_takeover() -> Config {
    let mut config = takeover();
    config.set_context_takeover(false, false);
    config
}

/// A server that agreed on this offer.
fn server_for(config: &Config, offer: &str) -> Connection {
    agreed(new_server(config), offer).unwrap_or_else(|| panic!("declined: {offer}"))
}

fn agreed(mut server: Connection, offer: &str) -> Option<Connection> {
    server.feed(format!("{REQUEST_LINES}Sec-WebSocket-Extensions: {offer}\r\n\r\n").as_bytes()).unwrap();
    let Some(Event::Open { compression, .. }) = server.next_event() else { panic!("not opened: {offer}") };
    assert_eq!(pull(&mut server), []);
    take(&mut server);
    compression.then_some(server)
}

fn server() -> Connection {
    server_for(&takeover(), "permessage-deflate")
}

/// A client that got this response.
fn client_for(config: &Config, response: &str) -> Connection {
    let mut client = Connection::client(&Engine::new(config), &client_request()).unwrap();
    let mut server = new_server(&Config::new());
    feed(&mut server, &take(&mut client));
    let answer = String::from_utf8(take(&mut server)).unwrap();
    let line = format!("\r\nSec-WebSocket-Extensions: {response}\r\n\r\n");
    client.feed(answer.replace("\r\n\r\n", &line).as_bytes()).unwrap();
    let Some(Event::Open { compression: true, .. }) = client.next_event() else { panic!("not agreed: {response}") };
    assert_eq!(pull(&mut client), []);
    client
}

fn client() -> Connection {
    client_for(&takeover(), "permessage-deflate")
}

/// A compressed message in one frame from a client.
fn compressed(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw_frame(FIN | RSV1 | opcode, payload, Some(KEY))
}

/// A stored block, not the last one: "DEFLATE" without compressing.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap();
    [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), bytes].concat()
}

#[track_caller]
fn assert_fails(bytes: &[u8], code: u16) {
    let (events, output) = every_split(server, bytes);
    assert_eq!(events, [Seen::failed(code)]);
    assert_eq!(output, plain(CLOSE, &code.to_be_bytes()));
}

/// The one data frame that waits: its first byte and its payload without a mask.
fn sent(conn: &mut Connection) -> (u8, Vec<u8>) {
    let bytes = take(conn);
    let (len, head) = match bytes[1] & 0x7f {
        126 => (u16::from_be_bytes(bytes[2..4].try_into().unwrap()) as usize, 4),
        127 => (u64::from_be_bytes(bytes[2..10].try_into().unwrap()) as usize, 10),
        len => (len as usize, 2),
    };
    let masked = bytes[1] & 0x80 != 0;
    let key = if masked { bytes[head..head + 4].to_vec() } else { vec![0; 4] };
    let payload = &bytes[head + if masked { 4 } else { 0 }..];
    assert_eq!(payload.len(), len, "one frame");
    (bytes[0], payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect())
}

/// RFC 7692, 7.2.3.1 and 7.2.3.3 to 7.2.3.5, and an empty message.
#[test]
fn the_examples_of_the_rfc() {
    for payload in [
        &HELLO[..],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
    ] {
        let (events, output) = every_split(server, &compressed(TEXT, payload));
        assert_eq!((events, output), (vec![Seen::text("Hello")], vec![]), "{payload:x?}");
        let (events, _) = every_split(client, &raw_frame(FIN | RSV1 | TEXT, payload, None));
        assert_eq!(events, [Seen::text("Hello")], "{payload:x?}");
        assert_eq!(feed(&mut server(), &compressed(BINARY, payload)), [Seen::Binary(b"Hello".to_vec())]);
    }
    assert_eq!(every_split(server, &compressed(TEXT, &[0])).0, [Seen::text("")]);
}

/// RFC 7692, 7.2.3.1: cut anywhere into fragments, empty ones too, with control frames between them.
#[test]
fn a_compressed_message_may_come_in_fragments() {
    let example = [raw_frame(RSV1 | TEXT, &HELLO[..3], None), plain(CONTINUATION, &HELLO[3..])].concat();
    assert_eq!(example, [0x41, 0x03, 0xf2, 0x48, 0xcd, 0x80, 0x04, 0xc9, 0xc9, 0x07, 0x00]);
    assert_eq!(every_split(client, &example).0, [Seen::text("Hello")]);

    for first in 0..=HELLO.len() {
        for second in first..=HELLO.len() {
            let bytes = [
                raw_frame(RSV1 | TEXT, &HELLO[..first], Some(KEY)),
                masked(PING, b"p"),
                masked_part(CONTINUATION, &HELLO[first..second]),
                masked(CONTINUATION, &HELLO[second..]),
                masked(TEXT, b"plain"),
            ]
            .concat();
            let (events, output) = every_split(server, &bytes);
            assert_eq!(events, [Seen::Ping(b"p".to_vec()), Seen::text("Hello"), Seen::text("plain")]);
            assert_eq!(output, plain(PONG, b"p"));
        }
    }
}

/// RFC 7692, 7.2.1 and 7.2.3.6: a fragment that was flushed keeps its four bytes, and the last one may hold nothing.
#[test]
fn flushed_fragments_and_an_empty_last_one() {
    let flushed = [&HELLO[..], &[0, 0, 0xff, 0xff]].concat();
    let bytes = [raw_frame(RSV1 | TEXT, &flushed, Some(KEY)), masked(CONTINUATION, &[0])].concat();
    assert_eq!(every_split(server, &bytes).0, [Seen::text("Hello")]);
}

/// RFC 7692, 7.2.3.2: messages refer to earlier ones, and plain ones between them do not count.
#[test]
fn a_message_may_refer_to_the_one_before_it() {
    let bytes = [
        compressed(TEXT, &HELLO),
        compressed(TEXT, &HELLO_AGAIN),
        masked(TEXT, b"something else, sent as it is"),
        compressed(BINARY, &HELLO_AGAIN),
        compressed(TEXT, &HELLO),
    ]
    .concat();
    let hello = Seen::text("Hello");
    let expected = [
        hello.clone(),
        hello.clone(),
        Seen::text("something else, sent as it is"),
        Seen::Binary(b"Hello".to_vec()),
        hello,
    ];
    assert_eq!(every_split(server, &bytes).0, expected);
    let mut client = client();
    for payload in [&HELLO[..], &HELLO_AGAIN, &HELLO_AGAIN] {
        assert_eq!(feed(&mut client, &raw_frame(FIN | RSV1 | TEXT, payload, None)), [Seen::text("Hello")]);
    }
}

/// What a connection inflated is no other's business, whatever they share.
#[test]
fn a_message_cannot_refer_to_those_of_another_connection() {
    for config in [takeover(), no_takeover()] {
        let engine = Engine::new(&config);
        let open = || agreed(Connection::server(&engine), "permessage-deflate").unwrap();
        let mut one = open();
        assert_eq!(feed(&mut one, &compressed(TEXT, &HELLO)), [Seen::text("Hello")]);
        let mut other = open();
        assert_eq!(feed(&mut other, &compressed(TEXT, &HELLO_AGAIN)), [Seen::failed(1007)]);
        drop(one);
        assert_eq!(feed(&mut open(), &compressed(TEXT, &HELLO_AGAIN)), [Seen::failed(1007)]);
    }
}

/// RFC 7692, 7.2.2: where the peer keeps its promise to start each message anew, nothing of the last one is there.
#[test]
fn without_takeover_a_message_cannot_refer_to_the_one_before_it() {
    let make = || server_for(&no_takeover(), "permessage-deflate");
    let bytes = [compressed(TEXT, &HELLO), compressed(TEXT, &HELLO), compressed(TEXT, &HELLO_AGAIN)].concat();
    assert_eq!(every_split(make, &bytes).0, [Seen::text("Hello"), Seen::text("Hello"), Seen::failed(1007)]);
}

/// RFC 7692, 7.2.2: the whole window of 32,768 bytes, within a message and across two.
#[test]
fn a_reference_may_reach_32_kib_back() {
    // A block with the fixed code: length 3 (0000001), distance 24577 + 8191 (11101, 13 extra bits), end (0000000);
    // then the header of an empty stored block.
    let mut bits = vec![0, 1, 0];
    bits.extend([0, 0, 0, 0, 0, 0, 1]);
    bits.extend([1, 1, 1, 0, 1]);
    bits.extend([1; 13]);
    bits.extend([0; 7]);
    bits.extend([0; 3]);
    let pack = |byte: &[u8]| byte.iter().enumerate().fold(0, |sum, (i, bit)| sum | bit << i);
    let reference = bits.chunks(8).map(pack).collect::<Vec<u8>>();
    let window = noise(32_768, 1);
    let check = inflate(&reference, &window).unwrap();
    assert_eq!((&check.bytes[..], check.farthest), (&window[..3], 32_768));

    let whole = compressed(BINARY, &[stored(&window), reference.clone()].concat());
    let expected = [Seen::Binary([&window[..], &window[..3]].concat())];
    assert!(feed(&mut server(), &whole) == expected, "within one message");
    let two = [compressed(BINARY, &[stored(&window), vec![0]].concat()), compressed(BINARY, &reference)].concat();
    let expected = [Seen::Binary(window.clone()), Seen::Binary(window[..3].to_vec())];
    assert!(feed(&mut server(), &two) == expected, "across two");
}

/// RFC 7692, 7.2.1: blocks of any type, final ones in the middle too, after which the next one starts at a byte.
#[test]
fn blocks_of_any_type_make_one_message() {
    let final_he = [0xf3, 0x48, 0x05, 0x00];
    let final_llo = [0xcb, 0xc9, 0xc9, 0x07, 0x00];
    for payload in [
        [&final_he[..], &final_llo, &[0]].concat(),
        [&final_he[..], &stored(b"llo"), &[0]].concat(),
        [&stored(b"He")[..], &stored(b""), &final_llo, &stored(b""), &[0]].concat(),
        [&stored(b"H")[..], &stored(b"ello"), &[0]].concat(),
    ] {
        assert_eq!(inflate(&payload, b"").map(|message| message.bytes).as_deref(), Ok(&b"Hello"[..]), "{payload:x?}");
        assert_eq!(every_split(server, &compressed(TEXT, &payload)).0, [Seen::text("Hello")], "{payload:x?}");
        let next = [compressed(TEXT, &payload), compressed(TEXT, &HELLO_AGAIN)].concat();
        assert_eq!(feed(&mut server(), &next), [Seen::text("Hello"), Seen::text("Hello")], "the window goes on");
    }
}

/// RFC 7692, 6.1: the bit is for the first frame of a data message.
#[test]
fn the_compression_bit_is_for_first_frames_only() {
    for opcode in [PING, PONG, CLOSE] {
        assert_fails(&compressed(opcode, b""), 1002);
        assert_fails(&[raw_frame(RSV1 | TEXT, &HELLO[..3], Some(KEY)), compressed(opcode, b"")].concat(), 1002);
    }
    for start in [raw_frame(RSV1 | TEXT, &HELLO[..3], Some(KEY)), masked_part(TEXT, b"Hel")] {
        assert_fails(&[start, compressed(CONTINUATION, &HELLO[3..])].concat(), 1002);
    }
    assert_fails(&compressed(CONTINUATION, &HELLO), 1002);
    for bit in [0x20, 0x10, 0x60, 0x50, 0x70] {
        assert_fails(&raw_frame(FIN | bit | TEXT, &HELLO, Some(KEY)), 1002);
    }
}

/// RFC 6455, 5.2 and 9.1: the bit means nothing where nothing was agreed on, whoever offered what.
#[test]
fn without_agreement_the_compression_bit_fails() {
    let bytes = compressed(TEXT, &HELLO);
    assert_eq!(every_split(|| open_server_with(&takeover()), &bytes).0, [Seen::failed(1002)]);
    let declined = || {
        let mut server = new_server(&takeover());
        feed(&mut server, format!("{REQUEST_LINES}Sec-WebSocket-Extensions: permessage-deflate; x\r\n\r\n").as_bytes());
        take(&mut server);
        server
    };
    assert_eq!(every_split(declined, &bytes).0, [Seen::failed(1002)]);
    let mut client = open_client_with(&takeover());
    assert_eq!(feed(&mut client, &raw_frame(FIN | RSV1 | TEXT, &HELLO, None)), [Seen::failed(1002)]);
    let mut client = open_client_with(&takeover());
    client.outbound().queue_text(&[b'x'; 5_000]).unwrap();
    assert_eq!(sent(&mut client), (0x81, vec![b'x'; 5_000]), "what was declined is not used");
}

#[test]
fn data_that_is_no_deflate_fails_with_1007() {
    for payload in [
        &[0x06][..],                                       // a reserved block type
        &[0x00, 0x05, 0x00, 0x00, 0x00, 0x48],             // lengths of a stored block that differ
        &HELLO_AGAIN,                                      // a reference to before the first byte
        &[0x9b, 0xff, 0xff],                               // nonsense
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x06], // good, and then a reserved block type
    ] {
        assert!(inflate(payload, b"").is_err(), "{payload:x?}");
        assert_fails(&compressed(BINARY, payload), 1007);
    }
}

/// A message that was cut short by a byte or two is refused: other engines delivered what they had of it.
#[test]
fn a_message_cut_short_is_refused_and_not_truncated() {
    for len in 1..HELLO.len() {
        assert!(inflate(&HELLO[..len], b"").is_err());
        assert_fails(&compressed(BINARY, &HELLO[..len]), 1007);
        let parts = [raw_frame(RSV1 | BINARY, &HELLO[..len], Some(KEY)), masked(CONTINUATION, b"")];
        assert_fails(&parts.concat(), 1007);
    }
    let mut sender = client();
    sender.outbound().queue_binary(&[&b"long enough "[..]; 300].concat()).unwrap();
    let (_, payload) = sent(&mut sender);
    let stored = [stored(&noise(1_000, 2)), vec![0]].concat();
    for payload in [payload, stored] {
        for cut in 1..payload.len().min(12) {
            let short = &payload[..payload.len() - cut];
            if inflate(short, b"").is_err() {
                assert_eq!(feed(&mut server(), &compressed(BINARY, short)), [Seen::failed(1007)], "{cut} bytes less");
            }
        }
        assert!(
            inflate(&payload[..payload.len() - 1], b"").is_err()
                && inflate(&payload[..payload.len() - 2], b"").is_err()
        );
    }
}

/// RFC 7692, 6.1: text is UTF-8 when it is inflated, not as it is sent.
#[test]
fn text_is_checked_when_it_is_inflated() {
    let text = "量子计算 🙂";
    let payload = [stored(text.as_bytes()), vec![0]].concat();
    assert_eq!(every_split(server, &compressed(TEXT, &payload)).0, [Seen::text(text)]);
    let halves = [stored(&text.as_bytes()[..4]), stored(&text.as_bytes()[4..]), vec![0]].concat();
    assert_eq!(every_split(server, &compressed(TEXT, &halves)).0, [Seen::text(text)]);
    for bad in [&b"\xff"[..], b"ok \xc0\x80", &text.as_bytes()[..4]] {
        assert_fails(&compressed(TEXT, &[stored(bad), vec![0]].concat()), 1007);
        let binary = compressed(BINARY, &[stored(bad), vec![0]].concat());
        assert_eq!(feed(&mut server(), &binary), [Seen::Binary(bad.to_vec())]);
    }
}

/// CVE-2026-1526 (undici) and others: a kilobyte became a gigabyte before its size was looked at.
#[test]
fn a_bomb_stops_at_the_limit() {
    // A block whose code for "258 bytes as the last one" has one bit, and so has the distance: each zero byte that
    // follows stands for 1,032.
    let mut bomb = vec![0xec, 0xc1, 0x01, 0x01, 0x00, 0x00, 0x00, 0x82, 0x20, 0xff, 0xaf, 0x6e, 0x48, 0x40, 0x01, 0x00];
    bomb.resize(1_000_000, 0);
    // The frame announces a million bytes, of which 1,100 come: 1.1 MB and not yet the end, but above the limit.
    let frame = compressed(BINARY, &bomb);
    let mut server = server();
    assert_eq!(feed(&mut server, &frame[..1_100]), [Seen::failed(1009)]);
    assert_eq!(take(&mut server), plain(CLOSE, &1009u16.to_be_bytes()));

    let mut small = takeover();
    small.set_max_message_size(1_000).unwrap();
    let make = || server_for(&small, "permessage-deflate");
    let of = |len| compressed(BINARY, &[stored(&vec![1; len]), vec![0]].concat());
    assert_eq!(feed(&mut make(), &of(1_000)), [Seen::Binary(vec![1; 1_000])], "the limit itself is allowed");
    assert_eq!(feed(&mut make(), &of(1_001)), [Seen::failed(1009)]);
    assert_eq!(every_split(make, &frame[..80]).0, [Seen::failed(1009)]);
    let parts = [
        raw_frame(RSV1 | BINARY, &stored(&[1; 600]), Some(KEY)),
        masked(CONTINUATION, &[stored(&[1; 401]), vec![0]].concat()),
    ];
    assert_eq!(feed(&mut make(), &parts.concat()), [Seen::failed(1009)], "its fragments together");

    small.set_max_frame_size(200).unwrap();
    let make = || server_for(&small, "permessage-deflate");
    let header = compressed(BINARY, &[0; 201])[..8].to_vec();
    assert_eq!(feed(&mut make(), &header), [Seen::failed(1009)], "a frame has its limit as it is sent");
    assert_eq!(feed(&mut make(), &compressed(BINARY, &[0; 200])[..8]), []);
}

/// RFC 7692, 7.2.1: what is sent inflates to what was given, without the four bytes at its end.
#[test]
fn what_is_sent_is_what_was_given() {
    for make in [server, client] {
        let mut conn = make();
        let mut history = Vec::new();
        for message in [
            b"Hello".to_vec(),
            b"Hello".to_vec(),
            vec![],
            vec![b'a'; 1],
            [&b"token stream "[..]; 800].concat(),
            noise(70_000, 3),
            vec![0; 300_000],
        ] {
            conn.outbound().queue_binary(&message).unwrap();
            let (first, payload) = sent(&mut conn);
            if first == 0x82 {
                assert_eq!(payload, message, "sent as it is");
                continue;
            }
            assert_eq!(first, FIN | RSV1 | BINARY);
            assert!(!payload.ends_with(&[0, 0, 0xff, 0xff]), "{} bytes", message.len());
            let inflated = inflate(&payload, &history).unwrap();
            assert!(inflated.bytes == message, "{} bytes", message.len());
            assert!(inflated.farthest <= 32_768);
            history.extend(message);
        }
        conn.outbound().queue_text("Hello, 世界".repeat(20).as_bytes()).unwrap();
        let (first, payload) = sent(&mut conn);
        assert_eq!(first, FIN | RSV1 | TEXT, "the opcode says what it was");
        assert_eq!(inflate(&payload, &history).unwrap().bytes, "Hello, 世界".repeat(20).as_bytes());
    }
}

/// RFC 7692, 6.1: control frames are never compressed.
#[test]
fn control_frames_go_as_they_are() {
    let mut server = server();
    let payload = [b'a'; 100];
    server.outbound().queue_ping(&payload).unwrap();
    server.outbound().queue_pong(&payload).unwrap();
    assert_eq!(take(&mut server), [plain(PING, &payload), plain(PONG, &payload)].concat());
    assert_eq!(feed(&mut server, &masked(PING, &payload)), [Seen::Ping(payload.to_vec())]);
    server.outbound().queue_close(Some(1000), "aaaaaaaaaaaaaaaaaaaaaaaa").unwrap();
    let close = close_payload(1000, "aaaaaaaaaaaaaaaaaaaaaaaa");
    assert_eq!(take(&mut server), [plain(PONG, &payload), plain(CLOSE, &close)].concat());
}

/// RFC 7692, 6: a message below the threshold is an uncompressed one, and is marked as such.
#[test]
fn below_the_threshold_a_message_goes_as_it_is() {
    let mut config = takeover();
    config.set_compression_threshold(100);
    let mut server = server_for(&config, "permessage-deflate");
    server.outbound().queue_text(&[b'a'; 99]).unwrap();
    assert_eq!(take(&mut server), plain(TEXT, &[b'a'; 99]));
    server.outbound().queue_text(&[b'a'; 100]).unwrap();
    let (first, payload) = sent(&mut server);
    assert_eq!(first, FIN | RSV1 | TEXT);
    assert_eq!(inflate(&payload, b"").unwrap().bytes, [b'a'; 100], "a plain message is not in the window");
}

/// RFC 7692, 7.2.1: whoever agreed to start each message with an empty window does so.
#[test]
fn without_takeover_each_message_stands_alone() {
    let message = [&b"the same every time "[..], &noise(500, 4)].concat().repeat(2);
    for mut conn in [
        server_for(&takeover(), "permessage-deflate; server_no_context_takeover"),
        server_for(&no_takeover(), "permessage-deflate"),
        client_for(&takeover(), "permessage-deflate; client_no_context_takeover"),
        client_for(&no_takeover(), "permessage-deflate; server_no_context_takeover"),
    ] {
        for _ in 0..3 {
            conn.outbound().queue_binary(&message).unwrap();
            let (_, payload) = sent(&mut conn);
            let inflated = inflate(&payload, b"").expect("it refers to nothing before it");
            assert_eq!(inflated.bytes, message);
        }
    }
}

/// RFC 7692, 7.2.1: the window that was agreed on bounds how far a message refers back, into those before it too.
#[test]
fn the_window_that_was_agreed_on_is_kept() {
    for bits in 8..=15 {
        // Repeats at a distance about the window's size, and at twice that.
        let far = noise(40_000, 5);
        let repeated = |len: usize| [&far[..len], &far[..len]].concat();
        let messages = (bits..=15.min(bits + 1)).map(|bits| repeated((1 << bits) + 10)).collect::<Vec<_>>();

        // 8 is what not every deflate library can do: then a server declines it, and a client is not asked for it.
        let server = agreed(new_server(&takeover()), &format!("permessage-deflate; server_max_window_bits={bits}"));
        assert!(server.is_some() || bits == 8, "{bits}");
        let response = format!("permessage-deflate; client_max_window_bits={bits}");
        let client = (bits > 8).then(|| client_for(&takeover(), &response));
        let mut own = takeover();
        own.set_window_bits(bits, 15).unwrap();
        let by_setting = agreed(new_server(&own), "permessage-deflate; server_max_window_bits=15");
        for mut conn in [server, client, by_setting].into_iter().flatten() {
            let mut history = Vec::new();
            for message in &messages {
                conn.outbound().queue_binary(message).unwrap();
                let (first, payload) = sent(&mut conn);
                assert_eq!(first, FIN | RSV1 | BINARY);
                let inflated = inflate(&payload, &history).unwrap();
                assert!(inflated.farthest <= 1 << bits, "{} bytes back in a window of 2^{bits}", inflated.farthest);
                assert!(inflated.bytes == *message);
                history.extend(message);
            }
        }
    }
}
