//! RFC 6455, 10.4: what a peer may cost.

use crate::support::*;
use wsengine::{Config, Error, OriginPolicy};

fn small() -> Config {
    let mut config = Config::new();
    config.set_max_frame_size(200).unwrap().set_max_message_size(300).unwrap();
    config
}

fn header_only(first: u8, len: u64) -> Vec<u8> {
    [&[first, 0x80 | 127][..], &len.to_be_bytes()].concat()
}

/// 1009 comes with the header, before any payload.
#[test]
fn a_frame_that_is_too_big_fails_with_its_header() {
    let mut server = open_server();
    let header = [header_only(0x82, 1024 * 1024 + 1), KEY.to_vec()].concat();
    assert_eq!(feed(&mut server, &header), [Seen::failed(1009)]);
    assert_eq!(take(&mut server), plain(CLOSE, &1009u16.to_be_bytes()));

    let largest = [header_only(0x82, i64::MAX as u64), KEY.to_vec()].concat();
    assert_eq!(feed(&mut open_server(), &largest), [Seen::failed(1009)]);
}

#[test]
fn the_default_limits_are_one_mebibyte() {
    let exactly = vec![b'x'; 1024 * 1024];
    assert_eq!(
        feed(&mut open_server(), &masked(TEXT, &exactly)),
        [Seen::Text(String::from_utf8(exactly.clone()).unwrap())]
    );
    let half = [masked_part(TEXT, &exactly), masked(CONTINUATION, b"")].concat();
    assert_eq!(feed(&mut open_server(), &half).len(), 1);
    let above = [masked_part(TEXT, &exactly), masked(CONTINUATION, b"x")].concat();
    assert_eq!(feed(&mut open_server(), &above), [Seen::failed(1009)]);
}

#[test]
fn frames_and_messages_have_limits_of_their_own() {
    let make = || open_server_with(&small());
    assert_eq!(feed(&mut make(), &masked(BINARY, &[1; 200])), [Seen::Binary(vec![1; 200])]);
    assert_eq!(every_split(make, &masked(BINARY, &[1; 201])).0, [Seen::failed(1009)]);
    let exactly = [masked_part(BINARY, &[1; 150]), masked(CONTINUATION, &[2; 150])].concat();
    assert_eq!(every_split(make, &exactly).0, [Seen::Binary([[1; 150], [2; 150]].concat())]);
    let above = [masked_part(BINARY, &[1; 150]), masked(CONTINUATION, &[2; 151])].concat();
    assert_eq!(every_split(make, &above).0, [Seen::failed(1009)]);
}

/// Fragments whose lengths overflow when added (CVE-2020-27813 in another library).
#[test]
fn lengths_do_not_overflow() {
    let mut config = Config::new();
    config.set_max_frame_size(i64::MAX as u64).unwrap().set_max_message_size(i64::MAX as u64).unwrap();
    let mut server = open_server_with(&config);
    let bytes = [masked_part(BINARY, b"x"), header_only(0x80, i64::MAX as u64), KEY.to_vec()].concat();
    assert_eq!(feed(&mut server, &bytes), [Seen::failed(1009)]);
}

#[test]
fn control_frames_are_not_subject_to_small_limits() {
    let mut server = open_server_with(&small());
    assert_eq!(feed(&mut server, &masked(PING, &[1; 125])), [Seen::Ping(vec![1; 125])]);
}

#[test]
fn the_queue_refuses_what_does_not_fit_and_keeps_what_does() {
    let mut config = Config::new();
    config.set_max_queued_bytes(1024).unwrap();
    let mut server = open_server_with(&config);
    server.outbound().queue_binary(&[1; 900]).unwrap();
    assert_eq!(server.outbound().queue_binary(&[2; 200]), Err(Error::QueueFull));
    assert_eq!(server.outbound().queue_text(&[b'2'; 200]), Err(Error::QueueFull));
    server.outbound().queue_ping(&[3; 125]).unwrap();
    server.outbound().queue_close(Some(1000), &"4".repeat(123)).unwrap();
    let expected =
        [plain(BINARY, &[1; 900]), plain(PING, &[3; 125]), plain(CLOSE, &close_payload(1000, &"4".repeat(123)))];
    assert_eq!(take(&mut server), expected.concat());

    let mut server = open_server_with(&config);
    assert_eq!(server.outbound().queue_binary(&[0; 1025]), Err(Error::QueueFull));
    server.outbound().queue_binary(&[0; 1000]).unwrap();
    take(&mut server);
    server.outbound().queue_binary(&[0; 1000]).unwrap();
}

#[test]
fn settings_out_of_range_are_refused_and_change_nothing() {
    let mut config = Config::new();
    assert!(config.set_max_head_size(127).is_err());
    assert!(config.set_max_head_size(1024 * 1024 + 1).is_err());
    assert!(config.set_max_headers(7).is_err());
    assert!(config.set_max_headers(257).is_err());
    assert!(config.set_max_frame_size(124).is_err());
    assert!(config.set_max_frame_size(1 << 63).is_err());
    assert!(config.set_max_message_size(124).is_err());
    assert!(config.set_max_queued_bytes(1023).is_err());
    assert!(config.add_subprotocol("with space").is_err());
    assert!(config.add_subprotocol("").is_err());
    assert!(config.add_subprotocol("ünïcode").is_err());
    config.add_subprotocol("twice").unwrap();
    assert!(config.add_subprotocol("twice").is_err());
    for origin in ["example.com", "https://", "https://a/b", "https://a b", ""] {
        assert!(config.allow_origin(origin).is_err(), "{origin}");
    }
    config.set_origin_policy(OriginPolicy::Any);
    let default_limits = open_server_with(&config);
    drop(default_limits);
}

fn max_fragments(fragments: u32, empty: u32) -> Config {
    let mut config = Config::new();
    config.set_max_fragments(fragments).unwrap().set_max_empty_fragments(empty);
    config
}

/// CVE-2026-48779 (ws): a message in ever more fragments of a byte or two cost memory and time far above its size.
#[test]
fn a_message_may_have_so_many_frames_and_no_more() {
    let make = || open_server_with(&max_fragments(3, 64));
    let parts = [
        masked_part(TEXT, b"a"),
        masked_part(CONTINUATION, b"b"),
        masked(PING, b""), // does not count
        masked(CONTINUATION, b"c"),
    ];
    assert_eq!(every_split(make, &parts.concat()).0, [Seen::Ping(vec![]), Seen::text("abc")]);

    let above = [masked_part(TEXT, b"a"), masked_part(CONTINUATION, b"b").repeat(3)].concat();
    let (events, output) = every_split(make, &above);
    assert_eq!((events, output), (vec![Seen::failed(1008)], plain(CLOSE, &1008u16.to_be_bytes())));
    let header = above.len() - 1;
    assert_eq!(feed(&mut make(), &above[..header]), [Seen::failed(1008)], "known with its header");
    assert!(Config::new().set_max_fragments(0).is_err());
}

/// The same with fragments that carry nothing: no limit on bytes ever ends them.
#[test]
fn a_message_may_have_so_many_empty_frames_and_no_more() {
    let make = || open_server_with(&max_fragments(1_000, 1));
    let exactly = [masked_part(TEXT, b""), masked_part(CONTINUATION, b"a"), masked(CONTINUATION, b"")].concat();
    let expected = [Seen::text("a"), Seen::text("a")];
    assert_eq!(
        every_split(make, &exactly.repeat(2)).0,
        expected,
        "the last one may be empty: who sent it did not know"
    );
    let above = [masked_part(TEXT, b""), masked_part(CONTINUATION, b"")].concat();
    assert_eq!(every_split(make, &above).0, [Seen::failed(1008)]);

    let mut endless = open_server();
    for count in 1..=64 {
        assert_eq!(feed(&mut endless, &masked_part(if count == 1 { TEXT } else { CONTINUATION }, b"")), []);
    }
    assert_eq!(feed(&mut endless, &masked_part(CONTINUATION, b"")), [Seen::failed(1008)], "the default ends it too");
}

/// The counts are of one message: the next one starts anew.
#[test]
fn fragments_are_counted_for_each_message() {
    let mut server = open_server_with(&max_fragments(4, 2));
    let parts = [
        masked_part(BINARY, b""),
        masked_part(CONTINUATION, b"x"),
        masked(PING, b""),
        masked_part(CONTINUATION, b""),
        masked(CONTINUATION, b"y"),
        masked(TEXT, b""), // a whole empty message is no fragment
    ]
    .concat();
    for _ in 0..20 {
        let expected = [Seen::Ping(vec![]), Seen::Binary(b"xy".to_vec()), Seen::text("")];
        assert_eq!(feed(&mut server, &parts), expected);
        take(&mut server);
    }
}

#[test]
fn a_connection_may_hold_so_many_bytes_and_no_more() {
    let mut config = Config::new();
    config.set_max_connection_bytes(10_000).unwrap();
    // Input: a message that grows.
    let mut server = open_server_with(&config);
    assert_eq!(feed(&mut server, &masked_part(TEXT, &[b'x'; 1_000])), []);
    for _ in 1..10 {
        assert_eq!(feed(&mut server, &masked_part(CONTINUATION, &[b'x'; 1_000])), []);
    }
    // Output counts too.
    assert_eq!(server.outbound().queue_text(b"x"), Err(Error::QueueFull));
    assert_eq!(feed(&mut server, &masked_part(CONTINUATION, b"x")), [Seen::failed(1009)]);

    let mut server = open_server_with(&config);
    server.outbound().queue_binary(&[0; 9_900]).unwrap();
    assert_eq!(server.outbound().queue_binary(&[0; 100]), Err(Error::QueueFull));
    assert_eq!(feed(&mut server, &masked_part(TEXT, &[b'x'; 100])), [Seen::failed(1009)]);
    assert!(config.set_max_connection_bytes(4_095).is_err());
}

#[test]
fn all_connections_of_an_engine_share_a_limit() {
    let mut config = Config::new();
    config.set_max_engine_bytes(10_000).unwrap();
    let engine = wsengine::Engine::new(&config);
    let open = || {
        let mut server = wsengine::Connection::server(&engine);
        assert_eq!(feed(&mut server, format!("{REQUEST_LINES}\r\n").as_bytes()), [Seen::Open(None)]);
        take(&mut server);
        server
    };
    let (mut first, mut second, mut third) = (open(), open(), open());
    assert_eq!(feed(&mut first, &masked_part(TEXT, &[b'x'; 6_000])), []);
    second.outbound().queue_binary(&[0; 3_900]).unwrap();
    assert_eq!(second.outbound().queue_binary(&[0; 100]), Err(Error::QueueFull));
    assert_eq!(feed(&mut third, &masked_part(TEXT, &[b'x'; 100])), [Seen::failed(1013)]);
    assert_eq!(feed(&mut first, &masked(PING, b"")), [Seen::Ping(vec![])], "who holds what he had may go on");
    // What is given back is there for the others.
    drop(second);
    take(&mut first);
    let mut fourth = open();
    assert_eq!(feed(&mut fourth, &masked_part(TEXT, &[b'x'; 3_900])), []);
    assert_eq!(feed(&mut first, &masked(CONTINUATION, b"")).len(), 1);
    assert_eq!(feed(&mut fourth, &masked_part(CONTINUATION, &[b'x'; 6_000])), []);
}

/// What comes behind the end is not looked at: it cannot be too much.
#[test]
fn an_end_stays_what_it_was_whatever_comes_behind_it() {
    let mut config = Config::new();
    config.set_max_connection_bytes(4_096).unwrap();
    let behind = vec![0; 10_000];
    let close = [masked(CLOSE, &close_payload(1000, "")), behind.clone()].concat();
    assert_eq!(feed(&mut open_server_with(&config), &close), [Seen::peer_closed(1000, "")]);
    let wrong = [vec![0xff, 0xff], behind.clone()].concat();
    let mut server = open_server_with(&config);
    assert_eq!(feed(&mut server, &wrong), [Seen::failed(1002)]);
    let request = [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), behind].concat();
    assert_eq!(feed(&mut new_server(&config), &request), [Seen::refused(426)]);
}

/// Slow heads, and requests that wait for a decision, are held too.
#[test]
fn handshakes_share_the_limit_of_their_engine() {
    let mut config = Config::new();
    config.set_max_engine_bytes(4_096).unwrap().set_manual_accept(true).set_max_held_bytes(16_384).unwrap();
    let engine = wsengine::Engine::new(&config);
    let head = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(3_000));
    let new = || wsengine::Connection::server(&engine);
    let (mut first, mut second) = (new(), new());
    assert_eq!(feed(&mut first, head.as_bytes()), []);
    assert_eq!(engine.metrics().held_input_bytes, head.len() as u64);
    assert_eq!(feed(&mut second, head.as_bytes()), [Seen::refused(503)]);
    assert!(take(&mut second).starts_with(b"HTTP/1.1 503 "));
    drop((first, second));
    assert_eq!(engine.metrics().held_input_bytes, 0);

    let mut waits = new();
    let request = format!("{REQUEST_LINES}\r\n");
    assert_eq!(feed(&mut waits, request.as_bytes()), [Seen::Request("/chat".into())]);
    assert_eq!(feed(&mut waits, &[0; 4_096]), [Seen::refused(503)]);
    assert_eq!(engine.metrics().held_input_bytes, 0, "given up with the end");

    let mut client = wsengine::Connection::client(&engine, &client_request()).unwrap();
    take(&mut client);
    let answer = format!("HTTP/1.1 101 Switching\r\nX: {}", "x".repeat(4_100));
    assert_eq!(feed(&mut client, answer.as_bytes()), [Seen::failed(1006)]);
}
