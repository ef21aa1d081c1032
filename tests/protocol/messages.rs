//! RFC 6455, 5.4 and 5.5: fragments, and control frames between them.

use crate::support::*;

#[test]
fn fragments_become_one_message() {
    let bytes = [
        masked_part(TEXT, b"one "),
        masked_part(CONTINUATION, b""),
        masked_part(CONTINUATION, b"two "),
        masked(CONTINUATION, b"three"),
        masked_part(BINARY, &[1, 2]),
        masked(CONTINUATION, &[3]),
    ]
    .concat();
    assert_eq!(every_split(open_server, &bytes).0, [Seen::text("one two three"), Seen::Binary(vec![1, 2, 3])]);
}

#[test]
fn control_frames_come_between_fragments() {
    let bytes = [
        masked_part(TEXT, b"begin "),
        masked(PING, b"are you there?"),
        masked_part(CONTINUATION, b"middle "),
        masked(PONG, b"unasked"),
        masked(CONTINUATION, b"end"),
    ]
    .concat();
    let (events, output) = every_split(open_server, &bytes);
    assert_eq!(
        events,
        [Seen::Ping(b"are you there?".to_vec()), Seen::Pong(b"unasked".to_vec()), Seen::text("begin middle end")]
    );
    assert_eq!(output, plain(PONG, b"are you there?"));
}

#[test]
fn a_continuation_needs_a_start() {
    assert_server_fails(&masked(CONTINUATION, b"x"), 1002);
    assert_server_fails(&masked_part(CONTINUATION, b"x"), 1002);

    let after_a_message = [masked(TEXT, b"whole"), masked(CONTINUATION, b"x")].concat();
    assert_eq!(every_split(open_server, &after_a_message).0, [Seen::text("whole"), Seen::failed(1002)]);
}

#[test]
fn a_message_cannot_start_inside_another() {
    for opcode in [TEXT, BINARY] {
        assert_server_fails(&[masked_part(TEXT, b"x"), masked(opcode, b"y")].concat(), 1002);
    }
}

/// RFC 6455, 5.5.2: a pong carries the bytes of its ping.
#[test]
fn pings_are_answered_in_order() {
    let bytes = (0..10u8).flat_map(|i| masked(PING, &[i; 125])).collect::<Vec<_>>();
    let (events, output) = every_split(open_server, &bytes);
    assert_eq!(events, (0..10u8).map(|i| Seen::Ping(vec![i; 125])).collect::<Vec<_>>());
    assert_eq!(output, (0..10u8).flat_map(|i| plain(PONG, &[i; 125])).collect::<Vec<_>>());
}

#[test]
fn automatic_pongs_can_be_turned_off() {
    let mut config = wsengine::Config::new();
    config.set_auto_pong(false);
    let mut server = open_server_with(&config);
    assert_eq!(feed(&mut server, &masked(PING, b"x")), [Seen::Ping(b"x".to_vec())]);
    assert_eq!(take(&mut server), b"");
    server.outbound().queue_pong(b"x").unwrap();
    assert_eq!(take(&mut server), plain(PONG, b"x"));
}

#[test]
fn what_came_before_a_mistake_is_delivered_first() {
    let bytes = [masked(TEXT, b"kept"), masked(PING, b"p"), vec![0xff]].concat();
    let (events, output) = every_split(open_server, &bytes);
    assert_eq!(events, [Seen::text("kept"), Seen::Ping(b"p".to_vec()), Seen::failed(1002)]);
    assert_eq!(output, [plain(PONG, b"p"), plain(CLOSE, &1002u16.to_be_bytes())].concat());
}

#[test]
fn messages_straddle_many_reads() {
    let text = "我们一起讨论量子计算。".repeat(2_000);
    let wire = masked(TEXT, text.as_bytes());
    for size in [1, 2, 3, 7, 1_000, 4_096, 65_536] {
        let mut server = open_server();
        let events = wire.chunks(size).flat_map(|piece| feed(&mut server, piece)).collect::<Vec<_>>();
        assert_eq!(events, [Seen::text(&text)], "reads of {size} bytes");
    }
}

/// An echo made from the event's own bytes.
#[test]
fn an_event_can_be_answered_from_its_own_bytes() {
    let mut server = open_server();
    server
        .feed(&[masked(TEXT, b"a"), masked(BINARY, b"b"), masked_part(TEXT, b"c"), masked(CONTINUATION, b"d")].concat())
        .unwrap();
    while let Some((event, outbound)) = server.next_event_and_outbound() {
        match event {
            wsengine::Event::Text(text) => outbound.queue_text(text.as_bytes()).unwrap(),
            wsengine::Event::Binary(data) => outbound.queue_binary(data).unwrap(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(take(&mut server), [plain(TEXT, b"a"), plain(BINARY, b"b"), plain(TEXT, b"cd")].concat());
}
