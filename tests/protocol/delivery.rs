//! Messages whole, in chunks as they arrive, or frame by frame (RFC 6455, 5.4 and 8.1).

use crate::support::*;
use wsengine::{Config, Connection, Delivery, Error};

fn server(delivery: Delivery) -> Connection {
    let mut config = Config::new();
    config.set_delivery(delivery);
    open_server_with(&config)
}

fn chunk(opcode: u8, data: &[u8], offset: u64, first: bool, last: bool) -> Seen {
    Seen::Chunk { opcode, data: data.to_vec(), offset, first, last }
}

fn frame(opcode: u8, data: &[u8], fin: bool) -> Seen {
    Seen::Frame { opcode, data: data.to_vec(), fin, compressed: false }
}

/// A text of three frames, one of them empty, with a ping in between, and a binary message.
fn stream() -> Vec<u8> {
    let parts = [
        masked_part(TEXT, "多字".as_bytes()),
        masked(PING, b"p"),
        masked_part(CONTINUATION, b""),
        masked(CONTINUATION, "节".as_bytes()),
        masked(BINARY, &[7; 130]),
        masked(TEXT, b""),
    ];
    parts.concat()
}

#[test]
fn frames_come_one_by_one_and_whole() {
    let (events, _) = every_split(|| server(Delivery::Frames), &stream());
    let expected = [
        frame(TEXT, "多字".as_bytes(), false),
        Seen::Ping(b"p".to_vec()),
        frame(CONTINUATION, b"", false),
        frame(CONTINUATION, "节".as_bytes(), true),
        frame(BINARY, &[7; 130], true),
        frame(TEXT, b"", true),
    ];
    assert_eq!(events, expected);
}

#[test]
fn chunks_of_one_read() {
    let expected = [
        chunk(TEXT, "多字".as_bytes(), 0, true, false),
        Seen::Ping(b"p".to_vec()),
        chunk(TEXT, "节".as_bytes(), 6, false, true),
        chunk(BINARY, &[7; 130], 0, true, true),
        chunk(TEXT, b"", 0, true, true),
    ];
    assert_eq!(feed(&mut server(Delivery::Chunks), &stream()), expected);
}

/// However the bytes are cut: chunks are contiguous, marked first and last once, and add up to the messages.
#[test]
fn chunks_add_up_over_every_cut() {
    let bytes = stream();
    for size in 1..bytes.len() {
        let mut conn = server(Delivery::Chunks);
        let (mut messages, mut message) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(size) {
            for event in feed(&mut conn, piece) {
                let Seen::Chunk { opcode, data, offset, first, last } = event else {
                    assert_eq!(event, Seen::Ping(b"p".to_vec()));
                    continue;
                };
                assert_eq!(first, message.is_empty() && offset == 0);
                assert_eq!(offset as usize, message.len());
                assert!(last || !data.is_empty(), "an empty chunk tells nothing");
                message.extend(data);
                if last {
                    messages.push((opcode, std::mem::take(&mut message)));
                }
            }
        }
        let expected = [(TEXT, "多字节".as_bytes().to_vec()), (BINARY, vec![7; 130]), (TEXT, Vec::new())];
        assert_eq!(messages, expected, "reads of {size}");
    }
}

#[test]
fn text_is_checked_as_it_arrives_in_every_delivery() {
    // The second frame begins with a byte that cannot follow.
    let bytes = [masked_part(TEXT, &[0xe5, 0xa4]), masked_part(CONTINUATION, b"x")].concat();
    let cut_off = [masked_part(TEXT, b"a"), masked(CONTINUATION, &[0xe5, 0xa4])].concat();
    for delivery in [Delivery::Messages, Delivery::Chunks, Delivery::Frames] {
        for bytes in [&bytes, &cut_off] {
            for size in 1..=bytes.len() {
                let mut conn = server(delivery);
                let events = bytes.chunks(size).flat_map(|piece| feed(&mut conn, piece)).collect::<Vec<_>>();
                assert_eq!(events.last(), Some(&Seen::failed(1007)), "{delivery:?} in reads of {size}");
            }
        }
    }
}

/// In chunks a message need not fit in memory, but it has its limit all the same.
#[test]
fn the_message_limit_holds_for_chunks() {
    let mut config = Config::new();
    config.set_delivery(Delivery::Chunks).set_max_message_size(300).unwrap();
    let mut conn = open_server_with(&config);
    assert_eq!(feed(&mut conn, &masked_part(BINARY, &[1; 200])), [chunk(BINARY, &[1; 200], 0, true, false)]);
    assert_eq!(feed(&mut conn, &masked(CONTINUATION, &[1; 101])), [Seen::failed(1009)]);
}

#[test]
fn a_connection_can_choose_for_itself_but_not_within_a_message() {
    let mut conn = server(Delivery::Messages);
    assert_eq!(feed(&mut conn, &masked_part(TEXT, b"a")), []);
    assert!(matches!(conn.set_delivery(Delivery::Frames), Err(Error::State(_))));
    assert_eq!(feed(&mut conn, &masked(CONTINUATION, b"b")), [Seen::text("ab")]);
    conn.set_delivery(Delivery::Frames).unwrap();
    assert_eq!(feed(&mut conn, &masked(TEXT, b"c")), [frame(TEXT, b"c", true)]);
}
