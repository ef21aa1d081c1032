//! What an engine counts: every counter, by what happens on connections.

use crate::support::*;
use wsengine::{Config, Connection, Engine, MetricsSnapshot, Violation};

fn connect(engine: &Engine) -> (Connection, Connection) {
    let mut client = Connection::client(engine, &client_request()).unwrap();
    let mut server = Connection::server(engine);
    assert_eq!(carry(&mut client, &mut server), [Seen::Open(None)]);
    assert_eq!(carry(&mut server, &mut client), [Seen::Open(None)]);
    (client, server)
}

fn carry(from: &mut Connection, to: &mut Connection) -> Vec<Seen> {
    let bytes = take(from);
    feed(to, &bytes)
}

fn open_on(engine: &Engine) -> Connection {
    let mut server = Connection::server(engine);
    feed(&mut server, format!("{REQUEST_LINES}\r\n").as_bytes());
    take(&mut server);
    server
}

/// The value of a sample in the text.
fn sample(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::to_owned)
}

fn labelled<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> Vec<(&'a str, u64)> {
    counts.filter(|&(_, count)| count > 0).collect()
}

#[test]
fn a_new_engine_has_counted_nothing() {
    assert_eq!(Engine::default().metrics(), MetricsSnapshot::default());
}

#[test]
fn connections() {
    let engine = Engine::default();
    let (mut client, mut server) = connect(&engine);
    let (other_client, other_server) = connect(&engine);
    assert_eq!((engine.metrics().connections_open, engine.metrics().connections_opened), (4, [2, 2]));

    client.outbound().queue_close(Some(1000), "").unwrap();
    assert_eq!(engine.metrics().connections_open, 4, "until the close handshake is over");
    carry(&mut client, &mut server);
    assert_eq!(engine.metrics().connections_open, 3);
    carry(&mut server, &mut client);
    assert_eq!((engine.metrics().connections_open, engine.metrics().connections_dropped), (2, 0));

    drop((other_client, other_server, client, server));
    assert_eq!((engine.metrics().connections_open, engine.metrics().connections_dropped), (0, 2));
}

#[test]
fn messages_and_bytes() {
    let engine = Engine::default();
    let mut server = open_on(&engine);
    let before = engine.metrics();
    let input = [
        masked(TEXT, "né".as_bytes()),
        masked_part(BINARY, &[1; 10]),
        masked(PING, b"p"),
        masked(CONTINUATION, &[2; 7]),
        masked(PONG, b"unasked"),
    ];
    let bytes = input.concat();
    assert_eq!(feed(&mut server, &bytes).len(), 4);
    server.outbound().queue_text(b"abcde").unwrap();
    server.outbound().queue_binary(&[0; 300]).unwrap();
    server.outbound().queue_ping(b"q").unwrap();
    server.outbound().queue_pong(b"r").unwrap();

    let now = engine.metrics();
    assert_eq!((now.messages_in, now.message_bytes_in), ([1, 1], [3, 17]));
    assert_eq!((now.messages_out, now.message_bytes_out), ([1, 1], [5, 300]));
    let frames = |frames: [u64; 16]| [frames[0], frames[1], frames[2], frames[8], frames[9], frames[10]];
    assert_eq!(frames(now.frames_in), [1, 1, 1, 0, 1, 1]);
    assert_eq!(frames(now.frames_out), [0, 1, 1, 0, 1, 2]);
    assert_eq!((now.message_sizes_in[0], now.message_sizes_in[1]), (1, 1));
    assert_eq!((now.message_sizes_out[0], now.message_sizes_out[3]), (1, 1));
    assert_eq!(now.wire_bytes_in - before.wire_bytes_in, bytes.len() as u64);
    assert_eq!(now.wire_bytes_out, before.wire_bytes_out, "counted when it is taken");
    let taken = take(&mut server).len() as u64;
    assert_eq!(engine.metrics().wire_bytes_out - before.wire_bytes_out, taken);
}

#[test]
fn a_message_counts_once_however_it_is_cut() {
    let bytes = [masked_part(TEXT, b"one "), masked(PING, b""), masked(CONTINUATION, b"two")].concat();
    for at in 0..=bytes.len() {
        let engine = Engine::default();
        let mut server = open_on(&engine);
        let before = engine.metrics().wire_bytes_in;
        feed(&mut server, &bytes[..at]);
        feed(&mut server, &bytes[at..]);
        let now = engine.metrics();
        assert_eq!((now.messages_in, now.message_bytes_in), ([1, 0], [7, 0]), "cut at {at}");
        assert_eq!((now.frames_in[0], now.frames_in[1], now.frames_in[9]), (1, 1, 1), "cut at {at}");
        assert_eq!(now.wire_bytes_in - before, bytes.len() as u64, "cut at {at}");
        assert_eq!(now.held_input_bytes, 0, "cut at {at}");
    }
}

#[test]
fn refused_requests_by_reason() {
    let engine = Engine::new(Config::new().set_max_head_size(256).unwrap());
    for request in [
        "GARBAGE\r\n\r\n".to_owned(),
        "\x00".to_owned(),
        REQUEST_LINES.replace("GET", "POST") + "\r\n",
        format!("{REQUEST_LINES}Origin: https://evil.example\r\n\r\n"),
        format!("{REQUEST_LINES}X: {}\r\n\r\n", "x".repeat(256)),
    ] {
        let mut server = Connection::server(&engine);
        assert_eq!(feed(&mut server, request.as_bytes()).len(), 1);
    }
    let expected = [("not_http", 2), ("head_too_large", 1), ("method", 1), ("origin_forbidden", 1)];
    assert_eq!(labelled(engine.metrics().handshakes_refused()), expected);
    assert_eq!(labelled(engine.metrics().closes()), [], "they were never open");
    assert_eq!(engine.metrics().connections_opened, [0, 0]);
}

#[test]
fn refusals_of_the_host_and_for_early_bytes() {
    let engine = Engine::new(Config::new().set_manual_accept(true).set_max_held_bytes(8).unwrap());
    let mut server = Connection::server(&engine);
    feed(&mut server, format!("{REQUEST_LINES}\r\n").as_bytes());
    server.reject(503, &[], b"").unwrap();
    pull(&mut server);
    let mut server = Connection::server(&engine);
    feed(&mut server, format!("{REQUEST_LINES}\r\n").as_bytes());
    feed(&mut server, &[0; 5]);
    assert_eq!(engine.metrics().held_input_bytes, REQUEST_LINES.len() as u64 + 2 + 5);
    // more than max_held_bytes
    feed(&mut server, &[0; 5]);
    assert_eq!(engine.metrics().held_input_bytes, 0);
    assert_eq!(labelled(engine.metrics().handshakes_refused()), [("too_much_behind_head", 1), ("by_host", 1)]);
}

#[test]
fn handshakes_that_fail_otherwise() {
    let engine = Engine::default();
    for answer in ["HTTP/1.1 403 Forbidden\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n", "SSH-2.0-x\r\n"] {
        let mut client = Connection::client(&engine, &client_request()).unwrap();
        feed(&mut client, answer.as_bytes());
    }
    for mut lost in [Connection::server(&engine), Connection::client(&engine, &client_request()).unwrap()] {
        lost.feed_eof();
        pull(&mut lost);
    }
    assert_eq!(labelled(engine.metrics().handshakes_failed()), [("status", 1), ("answer", 2), ("lost", 2)]);
    assert_eq!(labelled(engine.metrics().handshakes_refused()), []);
    assert_eq!(engine.metrics().queued_bytes, 0, "what was queued is gone with its connection");
}

#[test]
fn ends_by_code_and_by_who_began() {
    let engine = Engine::default();
    for code in [1000, 1001, 1014, 3000, 3999, 4000, 4999] {
        feed(&mut open_on(&engine), &masked(CLOSE, &close_payload(code, "")));
    }
    feed(&mut open_on(&engine), &masked(CLOSE, b""));
    let mut lost = open_on(&engine);
    lost.feed_eof();
    pull(&mut lost);
    let mut ours = open_on(&engine);
    ours.outbound().queue_close(Some(1001), "").unwrap();
    feed(&mut ours, &masked(CLOSE, &close_payload(1001, "")));
    feed(&mut open_on(&engine), &masked(TEXT, b"\xff"));

    let now = engine.metrics();
    let expected =
        [("1000", 1), ("1001", 2), ("1005", 1), ("1006", 1), ("1007", 1), ("1014", 1), ("3xxx", 2), ("4xxx", 2)];
    assert_eq!(labelled(now.closes()), expected);
    assert_eq!((now.closes_by, now.closes_clean), ([8, 2, 1, 0], 9));
    assert_eq!((now.connections_open, now.connections_dropped), (0, 0));
    assert_eq!(now.frames_in[8], 9);
    assert_eq!(now.frames_out[8], 10, "none answers a lost connection");
}

#[test]
fn broken_rules() {
    let config = Config::new().set_max_frame_size(200).unwrap().set_max_message_size(300).unwrap().clone();
    let engine = Engine::new(&config);
    let cases: [(Vec<u8>, Violation); 9] = [
        (plain(TEXT, b"x"), Violation::MaskMissing),
        (raw_frame(0xC8, b"", Some(KEY)), Violation::ReservedBits),
        (raw_frame(0x83, b"", Some(KEY)), Violation::ReservedOpcode),
        (masked_part(PING, b""), Violation::FragmentedControl),
        (masked(CONTINUATION, b""), Violation::ContinuationWithoutStart),
        (masked(CLOSE, &[0]), Violation::CloseTooShort),
        (masked(TEXT, b"\xff"), Violation::TextUtf8),
        (masked(BINARY, &[0; 201]), Violation::FrameTooBig),
        ([masked_part(BINARY, &[0; 200]), masked(CONTINUATION, &[0; 200])].concat(), Violation::MessageTooBig),
    ];
    for (bytes, _) in &cases {
        feed(&mut open_on(&engine), bytes);
    }
    let broken = engine.metrics().violations().filter(|&(_, count)| count > 0).collect::<Vec<_>>();
    assert_eq!(broken.len(), cases.len());
    for (_, violation) in cases {
        assert!(broken.contains(&(violation, 1)), "{violation:?} in {broken:?}");
    }
}

#[test]
fn queues_and_memory() {
    let engine = Engine::new(Config::new().set_max_queued_bytes(1024).unwrap());
    let (mut one, mut two) = (open_on(&engine), open_on(&engine));
    let handshakes = ANSWER.len() as u64;
    assert_eq!((engine.metrics().queued_bytes, engine.metrics().queue_high_water), (0, handshakes));

    one.outbound().queue_binary(&[0; 900]).unwrap();
    two.outbound().queue_binary(&[0; 500]).unwrap();
    assert!(one.outbound().queue_binary(&[0; 200]).is_err());
    let now = engine.metrics();
    assert_eq!((now.queued_bytes, now.queue_high_water, now.queue_full), (904 + 504, 904, 1));
    assert_eq!(now.messages_out, [0, 2], "what was refused was not sent");

    one.outbound().output_consume(804).unwrap();
    drop(two);
    let now = engine.metrics();
    assert_eq!((now.queued_bytes, now.queue_high_water), (100, 904));
    assert_eq!(now.wire_bytes_out, 2 * handshakes + 804, "what nobody took was not sent");

    feed(&mut one, &masked_part(BINARY, &[0; 60]));
    assert_eq!(engine.metrics().held_input_bytes, 60);
    feed(&mut one, &masked(CONTINUATION, &[0; 60])[..36]);
    assert_eq!(engine.metrics().held_input_bytes, 90);
    drop(one);
    assert_eq!((engine.metrics().queued_bytes, engine.metrics().held_input_bytes), (0, 0));
}

#[test]
fn a_sum_of_engines() {
    let engines = [Engine::default(), Engine::default()];
    let mut first = open_on(&engines[0]);
    first.outbound().queue_binary(&[0; 1000]).unwrap();
    let mut second = open_on(&engines[1]);
    second.outbound().queue_binary(&[0; 10]).unwrap();
    second.outbound().queue_text(b"x").unwrap();
    let sum: MetricsSnapshot = engines.iter().map(Engine::metrics).sum();
    assert_eq!((sum.connections_open, sum.connections_opened), (2, [2, 0]));
    assert_eq!((sum.messages_out, sum.message_sizes_out[0], sum.message_sizes_out[3]), ([1, 2], 2, 1));
    assert_eq!(sum.queue_high_water, 1004, "the highest, not the sum");
    assert_eq!(sum.queued_bytes, 1004 + 12 + 3);
}

#[test]
fn the_text_for_prometheus() {
    let engine = Engine::default();
    let mut server = open_on(&engine);
    feed(&mut server, &[masked(TEXT, b"hello"), masked(BINARY, &[0; 100]), masked(PING, b"")].concat());
    feed(&mut server, &plain(TEXT, b"x"));
    let text = engine.metrics().to_prometheus();
    for (name, value) in [
        ("wsengine_connections_open", "0"),
        ("wsengine_connections_opened_total{role=\"server\"}", "1"),
        ("wsengine_handshakes_refused_total{reason=\"by_host\"}", "0"),
        ("wsengine_messages_received_total{type=\"text\"}", "1"),
        ("wsengine_message_received_bytes_total{type=\"binary\"}", "100"),
        ("wsengine_frames_received_total{opcode=\"ping\"}", "1"),
        ("wsengine_frames_sent_total{opcode=\"pong\"}", "1"),
        ("wsengine_message_received_size_bytes_bucket{le=\"16\"}", "1"),
        ("wsengine_message_received_size_bytes_bucket{le=\"64\"}", "1"),
        ("wsengine_message_received_size_bytes_bucket{le=\"256\"}", "2"),
        ("wsengine_message_received_size_bytes_bucket{le=\"+Inf\"}", "2"),
        ("wsengine_message_received_size_bytes_sum", "105"),
        ("wsengine_message_received_size_bytes_count", "2"),
        ("wsengine_ping_round_trip_seconds_bucket{le=\"0.001\"}", "0"),
        ("wsengine_closes_total{code=\"1002\"}", "1"),
        ("wsengine_protocol_errors_total{rule=\"mask_missing\"}", "1"),
        ("wsengine_timeouts_total{deadline=\"heartbeat\"}", "0"),
    ] {
        assert_eq!(sample(&text, name).as_deref(), Some(value), "{name}");
    }
}

/// Every sample belongs to the family that was announced last, and no family comes twice.
#[test]
fn families_are_announced_once_and_together() {
    let text = Engine::default().metrics().to_prometheus();
    let mut families = std::collections::HashSet::new();
    let mut family = "";
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            family = help.split(' ').next().unwrap();
            assert!(families.insert(family), "{family} twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert!(kind.strip_prefix(family).is_some_and(|kind| [" counter", " gauge", " histogram"].contains(&kind)));
        } else {
            let name = line.split(['{', ' ']).next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            assert!(name == family || base == Some(family), "{line} under {family}");
            assert!(line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(families.len() > 25 && text.ends_with('\n'));
}
