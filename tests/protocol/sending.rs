//! Messages piece by piece, prepared, or with a payload that the host writes; water marks; what overtakes what.

use crate::support::*;
use wsengine::{Config, Connection, Error, MessageType, Prepared, frame::mask};

const BIG: usize = 20_000; // more than a chunk of output: frames of this size lie apart

#[test]
fn a_message_can_be_made_piece_by_piece() {
    let mut server = open_server();
    let out = server.outbound();
    out.queue_begin(MessageType::Text).unwrap();
    out.queue_part("多".as_bytes()).unwrap();
    out.queue_part(b"").unwrap(); // says nothing
    out.queue_ping(b"between").unwrap();
    out.queue_part(&"字".as_bytes()[..2]).unwrap();
    out.queue_end(&"字".as_bytes()[2..]).unwrap();
    let expected = [
        raw_frame(TEXT, "多".as_bytes(), None),
        plain(PING, b"between"),
        raw_frame(CONTINUATION, &"字".as_bytes()[..2], None),
        plain(CONTINUATION, &"字".as_bytes()[2..]),
    ];
    assert_eq!(take(&mut server), expected.concat());
    let mut client = open_client();
    assert_eq!(feed(&mut client, &expected.concat()), [Seen::Ping(b"between".to_vec()), Seen::text("多字")]);
}

#[test]
fn a_message_of_one_part_is_one_frame() {
    let mut server = open_server();
    server.outbound().queue_begin(MessageType::Binary).unwrap();
    server.outbound().queue_end(b"all").unwrap();
    assert_eq!(take(&mut server), plain(BINARY, b"all"));
    server.outbound().queue_begin(MessageType::Text).unwrap();
    server.outbound().queue_end(b"").unwrap();
    assert_eq!(take(&mut server), plain(TEXT, b""));
}

#[test]
fn only_control_frames_come_between_parts() {
    let mut server = open_server();
    let prepared = Prepared::new(MessageType::Text, b"all").unwrap();
    assert!(matches!(server.outbound().queue_part(b"x"), Err(Error::State(_))), "none was begun");
    assert!(matches!(server.outbound().queue_end(b"x"), Err(Error::State(_))));
    server.outbound().queue_begin(MessageType::Text).unwrap();
    assert!(matches!(server.outbound().queue_begin(MessageType::Text), Err(Error::State(_))));
    assert!(matches!(server.outbound().queue_text(b"x"), Err(Error::State(_))));
    assert!(matches!(server.outbound().queue_binary(b"x"), Err(Error::State(_))));
    assert!(matches!(server.outbound().queue_prepared(&prepared), Err(Error::State(_))));
    assert!(matches!(server.outbound().begin_frame(MessageType::Text, 1), Err(Error::State(_))));
    assert_eq!(take(&mut server), b"");
    // The close frame may come within a message; then nothing follows.
    server.outbound().queue_part(b"a").unwrap();
    server.outbound().queue_close(Some(1000), "").unwrap();
    assert!(matches!(server.outbound().queue_end(b"b"), Err(Error::State(_))));
    assert_eq!(take(&mut server), [raw_frame(TEXT, b"a", None), plain(CLOSE, &close_payload(1000, ""))].concat());
}

#[test]
fn parts_that_are_refused_change_nothing() {
    let mut config = Config::new();
    config.set_max_queued_bytes(1024).unwrap();
    let mut server = open_server_with(&config);
    let out = server.outbound();
    out.queue_begin(MessageType::Text).unwrap();
    out.queue_part(&[0xe5, 0xa4]).unwrap();
    assert_eq!(out.queue_part(b"x"), Err(Error::InvalidUtf8));
    assert_eq!(out.queue_end(b""), Err(Error::InvalidUtf8), "within a character");
    assert_eq!(out.queue_part(&[[0x9a].as_slice(), &[b'a'; 1100]].concat()), Err(Error::QueueFull));
    out.queue_part(&[0x9a]).unwrap();
    out.queue_end(b".").unwrap();
    let expected =
        [raw_frame(TEXT, &[0xe5, 0xa4], None), raw_frame(CONTINUATION, &[0x9a], None), plain(CONTINUATION, b".")];
    assert_eq!(take(&mut server), expected.concat());
}

#[test]
fn text_is_checked_unless_the_host_vouches_for_it() {
    let bad = [b'a', 0xff];
    for vouches in [false, true] {
        let mut config = Config::new();
        config.set_outgoing_utf8_check(!vouches);
        for mut conn in [open_server_with(&config), open_client_with(&config)] {
            let out = conn.outbound();
            let expected = if vouches { Ok(()) } else { Err(Error::InvalidUtf8) };
            // Alone, behind others, long.
            assert_eq!(out.queue_text(&bad), expected);
            out.queue_text("多".as_bytes()).unwrap();
            assert_eq!(out.queue_text(&bad), expected);
            assert_eq!(out.queue_text(&[0xff; 200]), expected);
            out.queue_text(b"end").unwrap();
            out.queue_begin(MessageType::Text).unwrap();
            assert_eq!(out.queue_part(&bad), expected);
            out.queue_end(b"").unwrap();
            let frames = unmasked_frames(&take(&mut conn));
            let plain =
                [bad.to_vec(), "多".into(), bad.to_vec(), vec![0xff; 200], b"end".to_vec(), bad.to_vec(), vec![]];
            let checked = ["多".into(), b"end".to_vec(), vec![]];
            assert_eq!(frames, if vouches { plain.to_vec() } else { checked.to_vec() });
        }
    }
}

/// The payloads of frames of at most 65,535 bytes.
fn unmasked_frames(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let [_, second, ..] = *bytes {
        let (len, mut at) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            len => (usize::from(len), 2),
        };
        let mut key = [0; 4];
        if second & 0x80 != 0 {
            key.copy_from_slice(&bytes[at..at + 4]);
            at += 4;
        }
        let mut payload = bytes[at..at + len].to_vec();
        mask::apply(key, 0, &mut payload);
        frames.push(payload);
        bytes = &bytes[at + len..];
    }
    frames
}

/// Short messages behind others are refused where the first of them would be.
#[test]
fn short_messages_fill_the_queue_to_its_limit_and_no_further() {
    let mut config = Config::new();
    config.set_max_queued_bytes(1024).and_then(|config| config.set_water_marks(100, 500)).unwrap();
    for len in [0, 1, 16, 125, 126] {
        let mut server = open_server_with(&config);
        let frame = plain(TEXT, &vec![b'a'; len]).len();
        let mut queued = 0;
        while server.outbound().queue_text(&vec![b'a'; len]) == Ok(()) {
            queued += frame;
            assert_eq!(server.outbound().queued_bytes(), queued);
            assert_eq!(server.outbound().is_above_high_water(), queued > 500, "{len}");
        }
        assert!(queued <= 1024 && queued + len + 14 > 1024, "{len}: {queued}");
        assert_eq!(take(&mut server).len(), queued);
    }
}

#[test]
fn a_prepared_message_goes_to_servers_and_clients_alike() {
    for payload in [vec![], vec![b'x'; 100], vec![b'x'; BIG], vec![b'x'; 100_000]] {
        let prepared = Prepared::new(MessageType::Binary, &payload).unwrap();
        assert_eq!(prepared.payload(), payload);
        let (mut server, mut client) = (open_server(), open_client());
        server.outbound().queue_text(b"before").unwrap();
        server.outbound().queue_prepared(&prepared).unwrap();
        server.outbound().queue_text(b"behind").unwrap();
        let output = take(&mut server);
        assert_eq!(output, [plain(TEXT, b"before"), plain(BINARY, &payload), plain(TEXT, b"behind")].concat());
        client.outbound().queue_prepared(&prepared).unwrap();
        assert_eq!(feed(&mut open_server(), &take(&mut client)), [Seen::Binary(payload)]);
    }
    assert_eq!(Prepared::new(MessageType::Text, &[0xff]).err(), Some(Error::InvalidUtf8));
}

#[test]
fn a_prepared_message_is_shared_not_copied_and_crosses_threads() {
    let prepared = Prepared::new(MessageType::Text, &vec![b'x'; BIG]).unwrap();
    let lent = |prepared: &Prepared| {
        let mut server = open_server();
        server.outbound().queue_prepared(prepared).unwrap();
        let slices = server.output().map(|slice| (slice.as_ptr() as usize, slice.len())).collect::<Vec<_>>();
        assert_eq!(slices.len(), 1);
        slices[0]
    };
    let clone = prepared.clone();
    let elsewhere = std::thread::spawn(move || lent(&clone)).join().unwrap();
    assert_eq!(lent(&prepared), elsewhere);
}

#[test]
fn the_host_can_write_a_payload_itself() {
    let mut server = open_server();
    server.outbound().queue_text(b"before").unwrap();
    assert!(matches!(server.outbound().begin_frame(MessageType::Binary, 300), Err(Error::State(_))), "output waits");
    take(&mut server);
    let header = server.outbound().begin_frame(MessageType::Binary, 300).unwrap();
    assert_eq!([header.as_bytes(), &[1; 300]].concat(), plain(BINARY, &[1; 300]));
    server.outbound().queue_text(b"waits").unwrap();
    server.outbound().queue_ping(b"").unwrap();
    assert_eq!(server.output().count(), 0, "it would land in the middle of the payload");
    assert!(matches!(server.outbound().output_consume(1), Err(Error::State(_))));
    assert!(matches!(server.outbound().begin_frame(MessageType::Binary, 1), Err(Error::State(_))));
    server.outbound().end_frame().unwrap();
    assert_eq!(take(&mut server), [plain(TEXT, b"waits"), plain(PING, b"")].concat());
    assert!(matches!(server.outbound().end_frame(), Err(Error::State(_))));
    assert!(matches!(server.outbound().begin_frame(MessageType::Text, 1 << 63), Err(Error::InvalidArgument(_))));

    let mut client = open_client();
    let mut payload = b"hello".to_vec();
    let header = client.outbound().begin_frame(MessageType::Text, payload.len() as u64).unwrap();
    let key = *header.as_bytes().last_chunk().unwrap();
    mask::apply(key, 0, &mut payload);
    client.outbound().end_frame().unwrap();
    assert_eq!(feed(&mut open_server(), &[header.as_bytes(), &payload].concat()), [Seen::text("hello")]);
}

fn with_marks(low: usize, high: usize) -> Connection {
    let mut config = Config::new();
    config.set_water_marks(low, high).unwrap();
    open_server_with(&config)
}

#[test]
fn writable_comes_once_when_the_queue_has_fallen_to_the_low_mark() {
    let mut server = with_marks(1_000, 2_000);
    server.outbound().queue_binary(&[0; 1_900]).unwrap();
    assert!(!server.outbound().is_above_high_water());
    take(&mut server);
    assert_eq!(pull(&mut server), [], "it never was above the high mark");

    server.outbound().queue_binary(&[0; 1_990]).unwrap();
    server.outbound().queue_ping(&[0; 100]).unwrap();
    server.outbound().queue_binary(&[0; 10]).unwrap();
    assert!(server.outbound().is_above_high_water());
    let waiting = server.outbound().queued_bytes();
    server.outbound().output_consume(waiting - 1_001).unwrap();
    assert!(server.outbound().is_above_high_water() && !server.has_events());
    server.outbound().output_consume(1).unwrap();
    assert!(!server.outbound().is_above_high_water() && server.has_events());
    assert_eq!(pull(&mut server), [Seen::Writable]);
    take(&mut server);
    assert_eq!(pull(&mut server), []);
}

/// The marks themselves: "above" is not "at". Parts of a message count as they are queued.
#[test]
fn exactly_at_the_high_mark_the_queue_is_not_above_it() {
    let mut server = with_marks(100, 1_000);
    server.outbound().queue_binary(&[0; 1_000 - 4]).unwrap();
    assert_eq!(server.outbound().queued_bytes(), 1_000);
    assert!(!server.outbound().is_above_high_water());
    server.outbound().queue_binary(b"").unwrap();
    assert!(server.outbound().is_above_high_water());

    let mut server = with_marks(100, 1_000);
    server.outbound().queue_begin(MessageType::Binary).unwrap();
    server.outbound().queue_part(&[0; 1_001]).unwrap();
    assert!(server.outbound().is_above_high_water(), "of a message that is not complete");
}

/// Nothing can be queued then, so there is nothing to tell.
#[test]
fn writable_does_not_come_when_the_connection_closes() {
    let above = || {
        let mut server = with_marks(100, 1_000);
        server.outbound().queue_binary(&[0; 2_000]).unwrap();
        server
    };
    let mut closing = above();
    closing.outbound().queue_close(Some(1000), "").unwrap();
    take(&mut closing);
    assert_eq!(pull(&mut closing), []);

    let mut closed = above();
    take(&mut closed); // it is due, and the peer's close frame is there before it was pulled
    assert_eq!(feed(&mut closed, &masked(CLOSE, &close_payload(1000, ""))), [Seen::peer_closed(1000, "")]);
}

#[test]
fn writable_is_not_said_behind_our_close_frame() {
    let mut server = with_marks(1_000, 2_000);
    server.outbound().queue_binary(&[0; 3_000]).unwrap();
    take(&mut server);
    server.outbound().queue_close(None, "").unwrap();
    assert!(!server.has_events());
    assert_eq!(pull(&mut server), []);
}

#[test]
fn a_refused_message_is_worth_another_try_when_writable_comes() {
    let mut config = Config::new();
    config.set_max_queued_bytes(2_000).unwrap();
    let mut server = open_server_with(&config);
    server.outbound().queue_binary(&[0; 1_800]).unwrap();
    assert_eq!(server.outbound().queue_binary(&[1; 300]), Err(Error::QueueFull));
    assert!(server.outbound().is_above_high_water());
    let waiting = server.outbound().queued_bytes();
    server.outbound().output_consume(waiting - 1_001).unwrap();
    assert_eq!(pull(&mut server), [], "the low mark is far above, but half of what may wait is there first");
    server.outbound().output_consume(1).unwrap();
    assert_eq!(pull(&mut server), [Seen::Writable]);
    server.outbound().queue_binary(&[1; 300]).unwrap();

    // With nothing queued it will never be any better.
    let mut server = open_server_with(&config);
    assert_eq!(server.outbound().queue_binary(&[0; 2_000]), Err(Error::QueueFull));
    assert!(!server.outbound().is_above_high_water());
}

/// A pong does not wait behind everything that a slow reader has not taken yet, and only the newest one is owed.
#[test]
fn pongs_overtake_a_backlog_and_do_not_pile_up() {
    let mut server = open_server();
    for _ in 0..5 {
        server.outbound().queue_binary(&[9; BIG]).unwrap();
    }
    let message = plain(BINARY, &[9; BIG]);
    let before = server.outbound().queued_bytes();
    for i in 0..100 {
        feed(&mut server, &masked(PING, &[i; 125]));
    }
    assert!(server.outbound().queued_bytes() < before + 200, "pongs piled up");
    server.outbound().output_consume(1).unwrap();
    let expected = [&message[1..], &plain(PONG, &[99; 125]), &message, &message, &message, &message].concat();
    assert_eq!(take(&mut server), expected);
}

/// A peer that sends pings and reads a byte now and then.
#[test]
fn pongs_do_not_pile_up_for_who_reads_little() {
    let mut server = open_server();
    for _ in 0..5 {
        server.outbound().queue_binary(&[9; BIG]).unwrap();
    }
    let before = server.outbound().queued_bytes();
    for i in 0..100 {
        feed(&mut server, &masked(PING, &[i; 125]));
        server.outbound().output_consume(1).unwrap();
    }
    assert!(server.outbound().queued_bytes() < before + 200, "pongs piled up");
    server.outbound().output_consume(BIG + 200).unwrap();
    let output = take(&mut server);
    assert!(output.windows(127).any(|bytes| bytes == plain(PONG, &[99; 125])), "the newest one is owed");
}

/// What was lent keeps its place: the host may have it in a write that is under way.
#[test]
fn nothing_overtakes_what_was_lent() {
    let mut server = open_server();
    for _ in 0..4 {
        server.outbound().queue_binary(&[9; BIG]).unwrap();
    }
    let message = plain(BINARY, &[9; BIG]);
    assert_eq!(server.output().take(2).count(), 2);
    server.outbound().queue_ping(b"1").unwrap();
    server.outbound().queue_ping(b"2").unwrap();
    let expected = [&message[..], &message, &plain(PING, b"1"), &plain(PING, b"2"), &message, &message].concat();
    assert_eq!(take(&mut server), expected);
}

/// They keep their order, whether they overtook something or not, and go on overtaking when those before were taken.
#[test]
fn control_frames_do_not_overtake_each_other() {
    let mut server = open_server();
    let message = plain(BINARY, &[9; BIG]);
    server.outbound().queue_ping(b"1").unwrap(); // overtakes nothing
    for _ in 0..3 {
        server.outbound().queue_binary(&[9; BIG]).unwrap();
    }
    for i in [b"2", b"3"] {
        server.outbound().queue_ping(i).unwrap();
    }
    let first = plain(PING, b"1");
    let [second, third] = [plain(PING, b"2"), plain(PING, b"3")];
    let expected = [&first[..], &second, &third, &message, &message, &message].concat();
    assert_eq!(server.output().flatten().count(), expected.len());

    // Lent as a whole now; when it has been taken but for the last message, more may overtake what comes behind it.
    let mut taken = server.output().flatten().copied().collect::<Vec<_>>();
    taken.truncate(expected.len() - message.len());
    server.outbound().output_consume(taken.len()).unwrap();
    assert_eq!(taken, expected[..taken.len()]);
    for _ in 0..3 {
        server.outbound().queue_binary(&[9; BIG]).unwrap();
    }
    server.outbound().queue_ping(b"4").unwrap();
    let expected = [&message[..], &plain(PING, b"4"), &message, &message, &message].concat();
    assert_eq!(take(&mut server), expected);
}

#[test]
fn nothing_overtakes_the_answer_to_the_handshake() {
    let mut server = new_server(&Config::new());
    feed(&mut server, format!("{REQUEST_LINES}\r\n").as_bytes());
    server.outbound().queue_binary(&[9; BIG]).unwrap();
    server.outbound().queue_binary(&[9; BIG]).unwrap();
    server.outbound().queue_ping(b"").unwrap();
    assert!(take(&mut server).starts_with(ANSWER.as_bytes()));
}

/// The close frame comes last, whatever overtakes what.
#[test]
fn a_close_frame_waits_for_what_was_queued_before_it() {
    let mut server = open_server();
    server.outbound().queue_binary(&[9; BIG]).unwrap();
    server.outbound().queue_binary(&[9; BIG]).unwrap();
    server.outbound().queue_close(Some(1000), "").unwrap();
    let message = plain(BINARY, &[9; BIG]);
    assert_eq!(take(&mut server), [&message[..], &message, &plain(CLOSE, &close_payload(1000, ""))].concat());
}

#[test]
fn water_marks_are_checked() {
    let mut config = Config::new();
    assert!(config.set_water_marks(5, 5).is_err());
    assert!(config.set_water_marks(6, 5).is_err());
    config.set_water_marks(0, 1).unwrap();
}
