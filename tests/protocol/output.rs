//! Taking output: partial counts, memory that does not move, pongs under pressure.

use crate::support::*;
use wsengine::Error;

#[test]
fn output_can_be_taken_in_any_portions() {
    for portion in [1, 2, 3, 7, 100, 4_095, 16_384, 50_000] {
        let mut server = open_server();
        let mut expected = Vec::new();
        for len in [0, 1, 125, 126, 5_000, 16_384, 40_000, 3] {
            let payload = vec![len as u8; len];
            server.outbound().queue_binary(&payload).unwrap();
            expected.extend(plain(BINARY, &payload));
        }
        assert_eq!(server.outbound().queued_bytes(), expected.len());
        let mut taken = Vec::new();
        loop {
            let piece = server.output().next().map(|slice| slice[..slice.len().min(portion)].to_vec());
            let Some(piece) = piece else { break };
            server.outbound().output_consume(piece.len()).unwrap();
            taken.extend(piece);
        }
        assert_eq!(taken, expected, "portions of {portion}");
        assert_eq!(server.outbound().queued_bytes(), 0);
    }
}

#[test]
fn one_count_may_span_many_slices() {
    let mut server = open_server();
    for _ in 0..100 {
        server.outbound().queue_binary(&[7; 10_000]).unwrap();
    }
    let frame = plain(BINARY, &[7; 10_000]);
    server.outbound().output_consume(frame.len() * 57 + 5).unwrap();
    let rest = take(&mut server);
    assert_eq!(rest, frame.repeat(43)[5..]);
}

#[test]
fn more_than_there_is_cannot_be_taken() {
    let mut server = open_server();
    server.outbound().queue_text(b"abc").unwrap();
    assert!(matches!(server.outbound().output_consume(6), Err(Error::InvalidArgument(_))));
    assert_eq!(take(&mut server), plain(TEXT, b"abc"), "a call that fails has changed nothing");
}

/// A slice that was handed out stays where it is, whatever is queued behind it.
#[test]
fn memory_that_was_lent_does_not_move() {
    let mut server = open_server();
    server.outbound().queue_text(b"first").unwrap();
    let lent = server.output().next().map(|slice| (slice.as_ptr(), slice.len())).unwrap();
    for _ in 0..1_000 {
        server.outbound().queue_binary(&[1; 300]).unwrap();
        let first = server.output().next().unwrap();
        assert_eq!(first.as_ptr(), lent.0);
        assert!(first.starts_with(&plain(TEXT, b"first")));
    }
}

/// Small frames lie side by side, so that a drain is one write.
#[test]
fn small_frames_share_a_slice() {
    let mut server = open_server();
    for _ in 0..100 {
        server.outbound().queue_text(b"token").unwrap();
    }
    assert_eq!(server.output().count(), 1);
}

#[test]
fn text_that_is_not_utf8_is_not_queued() {
    let mut server = open_server();
    let half = &"语".as_bytes()[..2];
    assert_eq!(server.outbound().queue_text(half), Err(Error::InvalidUtf8));
    server.outbound().queue_binary(half).unwrap();
    assert_eq!(take(&mut server), plain(BINARY, half));
}

#[test]
fn pings_and_pongs_have_at_most_125_bytes() {
    let mut server = open_server();
    assert!(matches!(server.outbound().queue_ping(&[0; 126]), Err(Error::InvalidArgument(_))));
    assert!(matches!(server.outbound().queue_pong(&[0; 126]), Err(Error::InvalidArgument(_))));
    server.outbound().queue_ping(&[0; 125]).unwrap();
    server.outbound().queue_pong(&[1; 125]).unwrap();
    assert_eq!(take(&mut server), [plain(PING, &[0; 125]), plain(PONG, &[1; 125])].concat());
}

/// RFC 6455, 5.5.3: a peer that pings and does not read costs little, and is owed only the newest pong.
#[test]
fn pongs_do_not_pile_up() {
    let mut server = open_server();
    let mut most = 0;
    for i in 0..10_000u32 {
        let mut payload = [0; 125];
        payload[..4].copy_from_slice(&i.to_be_bytes());
        feed(&mut server, &masked(PING, &payload));
        most = most.max(server.outbound().queued_bytes());
    }
    assert!(most < 5_000, "{most} bytes of pongs waited");
    let mut output = take(&mut server);
    output.extend(take(&mut server));
    let mut newest = [0; 125];
    newest[..4].copy_from_slice(&9_999u32.to_be_bytes());
    assert!(output.ends_with(&plain(PONG, &newest)), "the newest one is answered");
    assert_eq!(take(&mut server), b"");
}

/// A ping that came before the peer's close frame is answered, though the peer does not read (RFC 6455, 5.5.2).
#[test]
fn an_owed_pong_goes_before_the_close_frame() {
    for end in [masked(CLOSE, b""), vec![0xff]] {
        let mut server = open_server();
        server.outbound().queue_binary(&[9; 20_000]).unwrap();
        feed(&mut server, &masked(PING, b"old"));
        feed(&mut server, &masked(PING, b"new"));
        let close = if end == [0xff] { 1002u16.to_be_bytes().to_vec() } else { vec![] };
        feed(&mut server, &end);
        let output = take(&mut server);
        assert_eq!(output, [plain(BINARY, &[9; 20_000]), plain(PONG, b"new"), plain(CLOSE, &close)].concat());
    }
}

/// RFC 6455, 5.3: a client masks each frame with a fresh key.
#[test]
fn a_client_masks_with_fresh_keys() {
    let mut client = open_client();
    let mut keys = std::collections::HashSet::new();
    for _ in 0..1_000 {
        client.outbound().queue_text(b"same").unwrap();
        let frame = take(&mut client);
        assert_eq!(frame[..2], [0x81, 0x84]);
        let key: [u8; 4] = frame[2..6].try_into().unwrap();
        assert_eq!(frame, raw_frame(0x81, b"same", Some(key)));
        keys.insert(key);
    }
    assert!(keys.len() > 990, "{} of 1000 keys are different", keys.len());
}
