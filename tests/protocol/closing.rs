//! RFC 6455, 5.5.1, 7.1 and 7.4: the close handshake, its codes, and the state of a connection.

use crate::support::*;
use wsengine::{Engine, Error, Initiator, MessageType, Prepared, State};

#[test]
fn a_close_frame_is_answered_with_its_code() {
    for (code, reason) in [(1000, "bye"), (1001, ""), (3000, "再见"), (4999, "x")] {
        let (events, output) = every_split(open_server, &masked(CLOSE, &close_payload(code, reason)));
        assert_eq!(events, [Seen::peer_closed(code, reason)]);
        assert_eq!(output, plain(CLOSE, &code.to_be_bytes()));
    }
}

#[test]
fn a_close_frame_without_a_code_is_answered_without_one() {
    let (events, output) = every_split(open_server, &masked(CLOSE, b""));
    assert_eq!(events, [Seen::peer_closed(1005, "")]);
    assert_eq!(output, plain(CLOSE, b""), "1005 is never on the wire");
}

/// Sent: every code. Received: those near a border and some between; `tests/exhaustive/close_codes.rs` has them all.
#[test]
fn codes_that_must_not_be_sent_fail() {
    let engine = Engine::default();
    let mut sender = open_on(&engine);
    for code in (0..1000).chain(1004..=1006).chain(1015..3000).chain(5000..=65_535) {
        let refused = sender.outbound().queue_close(Some(code), "");
        assert!(matches!(refused, Err(Error::InvalidArgument(_))), "{code}");

        let is_near = [0, 1000, 1005, 1015, 3000, 5000, 65_535].iter().any(|border: &u16| border.abs_diff(code) <= 10);
        if is_near || code.is_multiple_of(37) {
            let mut server = open_on(&engine);
            assert_eq!(feed(&mut server, &masked(CLOSE, &close_payload(code, ""))), [Seen::failed(1002)], "{code}");
            assert_eq!(take(&mut server), plain(CLOSE, &1002u16.to_be_bytes()));
        }
    }
    assert_eq!((sender.state(), take(&mut sender)), (State::Open, vec![]), "a call that fails has changed nothing");
}

#[test]
fn codes_that_may_be_sent_are_taken_and_sent() {
    for code in (1000..=1003).chain(1007..=1014).chain(3000..5000) {
        let mut server = open_server();
        assert_eq!(feed(&mut server, &masked(CLOSE, &close_payload(code, ""))), [Seen::peer_closed(code, "")]);

        let mut client = open_client();
        client.outbound().queue_close(Some(code), "").unwrap();
        let mut server = open_server();
        assert_eq!(feed(&mut server, &take(&mut client)), [Seen::peer_closed(code, "")]);
    }
    let mut server = open_server();
    assert!(matches!(server.outbound().queue_close(Some(1010), ""), Err(Error::InvalidArgument(_))));
}

#[test]
fn half_a_code_fails() {
    assert_server_fails(&masked(CLOSE, &[3]), 1002);
}

#[test]
fn a_reason_must_be_utf8() {
    assert_server_fails(&masked(CLOSE, &[3, 232, 0xff]), 1007);
    assert_server_fails(&masked(CLOSE, &[3, 232, 0xe4, 0xb8]), 1007);
}

#[test]
fn a_reason_has_at_most_123_bytes() {
    let mut server = open_server();
    assert!(matches!(server.outbound().queue_close(Some(1000), &"x".repeat(124)), Err(Error::InvalidArgument(_))));
    assert!(matches!(server.outbound().queue_close(None, "x"), Err(Error::InvalidArgument(_))));
    assert_eq!(server.state(), State::Open, "a call that fails has changed nothing");
    let longest = "x".repeat(123);
    server.outbound().queue_close(Some(1000), &longest).unwrap();
    assert_eq!(take(&mut server), plain(CLOSE, &close_payload(1000, &longest)));
}

#[test]
fn our_close_waits_for_the_answer() {
    let mut server = open_server();
    server.outbound().queue_text(b"last words").unwrap();
    server.outbound().queue_close(Some(1001), "restart").unwrap();
    assert_eq!(server.state(), State::Closing);
    let expected = [plain(TEXT, b"last words"), plain(CLOSE, &close_payload(1001, "restart"))].concat();
    assert_eq!(take(&mut server), expected);
    assert!(!server.wants_shutdown() && !server.wants_abort());

    // Messages that were under way still arrive; a ping is answered until the peer's close frame comes (RFC
    // 6455, 5.5.2): it is messages that may not follow ours.
    let late = [masked(TEXT, b"late"), masked(PING, b"p")].concat();
    assert_eq!(feed(&mut server, &late), [Seen::text("late"), Seen::Ping(b"p".to_vec())]);
    assert_eq!(take(&mut server), plain(PONG, b"p"));

    let answer = masked(CLOSE, &close_payload(1001, ""));
    let closed =
        Seen::Close { code: 1001, reason: String::new(), clean: true, initiator: Initiator::Us, http_status: None };
    assert_eq!(feed(&mut server, &answer), [closed]);
    assert_eq!(take(&mut server), b"", "one close frame is enough");
    assert_eq!(server.state(), State::Closed);
    assert!(server.wants_shutdown());
}

#[test]
fn nothing_is_queued_after_a_close_frame() {
    let queue_all = |conn: &mut wsengine::Connection| {
        let prepared = Prepared::new(MessageType::Text, b"x").unwrap();
        let out = conn.outbound();
        [
            out.queue_text(b"x"),
            out.queue_binary(b"x"),
            out.queue_prepared(&prepared),
            out.queue_begin(MessageType::Text),
            out.begin_frame(MessageType::Text, 1).map(drop),
            out.queue_ping(b""),
            out.queue_pong(b""),
            out.queue_close(Some(1000), ""),
        ]
    };
    let mut closing = open_server();
    closing.outbound().queue_close(None, "").unwrap();
    let mut closed = open_server();
    feed(&mut closed, &masked(CLOSE, b""));
    let mut connecting = new_server(&wsengine::Config::new());
    for conn in [&mut closing, &mut closed, &mut connecting] {
        take(conn);
        for refused in queue_all(conn) {
            assert!(matches!(refused, Err(Error::State(_))), "{:?}: {refused:?}", conn.state());
        }
        assert_eq!(take(conn), b"");
    }
}

/// RFC 6455, 7.1.7 and 5.5.1: what follows a close frame, or a mistake, is not looked at.
#[test]
fn what_follows_the_end_is_ignored() {
    let (events, output) =
        every_split(open_server, &[masked(CLOSE, &close_payload(1000, "")), masked(TEXT, b"x"), vec![0xff]].concat());
    assert_eq!(events, [Seen::peer_closed(1000, "")]);
    assert_eq!(output, plain(CLOSE, &1000u16.to_be_bytes()));

    let (events, _) = every_split(open_server, &[plain(TEXT, b"unmasked"), masked(TEXT, b"x")].concat());
    assert_eq!(events, [Seen::failed(1002)]);
}

#[test]
fn a_mistake_after_our_close_sends_no_second_close() {
    let mut server = open_server();
    server.outbound().queue_close(Some(1000), "").unwrap();
    take(&mut server);
    assert_eq!(feed(&mut server, &[0xff]), [Seen::failed(1002)]);
    assert_eq!(take(&mut server), b"");
}

#[test]
fn a_lost_connection_ends_with_1006() {
    let lost =
        |initiator| Seen::Close { code: 1006, reason: String::new(), clean: false, initiator, http_status: None };

    let mut server = open_server();
    server.feed(&[masked(TEXT, b"all of it"), masked_part(TEXT, b"cut sho")].concat()).unwrap();
    server.feed_eof();
    assert_eq!(pull(&mut server), [Seen::text("all of it"), lost(Initiator::Nobody)]);
    assert!(server.wants_abort());
    assert!(matches!(server.feed(b"x"), Err(Error::State(_))));
    assert_eq!(pull(&mut server), []);

    let mut closing = open_server();
    closing.outbound().queue_close(Some(1000), "").unwrap();
    closing.feed_eof();
    assert_eq!(pull(&mut closing), [lost(Initiator::Us)]);

    let mut connecting = new_server(&wsengine::Config::new());
    connecting.feed(b"GET / HT").unwrap();
    connecting.feed_eof();
    assert_eq!(pull(&mut connecting), [lost(Initiator::Nobody)]);
}

#[test]
fn the_end_of_input_after_the_close_is_clean() {
    let mut server = open_server();
    assert_eq!(feed(&mut server, &masked(CLOSE, b"")).len(), 1);
    assert!(!server.wants_shutdown(), "the answer has to be sent first");
    server.feed_eof();
    assert_eq!(pull(&mut server), []);
    assert!(!server.wants_abort(), "the answer has to be sent first");
    take(&mut server);
    assert!(server.wants_abort() && !server.wants_shutdown());
}

/// RFC 6455, 7.1.1: the server closes the stream first.
#[test]
fn a_client_leaves_it_to_the_server_to_close_the_stream() {
    let mut client = open_client();
    assert_eq!(feed(&mut client, &plain(CLOSE, &close_payload(1000, ""))), [Seen::peer_closed(1000, "")]);
    take(&mut client);
    assert!(!client.wants_shutdown() && !client.wants_abort());
    client.feed_eof();
    pull(&mut client);
    assert!(client.wants_abort());

    let mut failed = open_client();
    assert_eq!(feed(&mut failed, &[0xff]), [Seen::failed(1002)]);
    assert!(!failed.wants_shutdown());
    take(&mut failed);
    assert!(failed.wants_shutdown(), "a client that fails the connection need not wait");
}

/// What a log shows at three in the morning.
#[test]
fn the_detail_says_what_happened() {
    let detail = |conn: &mut wsengine::Connection, bytes: &[u8]| {
        conn.feed(bytes).unwrap();
        match conn.next_event() {
            Some(wsengine::Event::Close(close)) => close.detail.as_str(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(detail(&mut open_server(), &masked(CLOSE, b"")), "the peer sent a close frame");
    let mut closing = open_server();
    closing.outbound().queue_close(None, "").unwrap();
    assert_eq!(detail(&mut closing, &masked(CLOSE, b"")), "the peer answered our close frame");
    let unmasked = "frame from a client without a mask (RFC 6455, 5.1)";
    assert_eq!(detail(&mut open_server(), &plain(TEXT, b"")), unmasked);
}
