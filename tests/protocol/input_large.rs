//! Large messages that are received into lent memory: where they lie, and that they are what they are by any other way.

use crate::support::*;
use crate::ways::Way;
use proptest::prelude::*;
use wsengine::{Config, Connection, Delivery, Engine, Event};

const MIB: usize = 1024 * 1024;

/// Where memory was lent, and how much of it was used.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Read {
    address: usize,
    room: usize,
    /// Where in the input it begins.
    at: usize,
    count: usize,
}

/// A socket that brings `size` bytes at a time. What was read, and with each event the address of its bytes.
fn receive(conn: &mut Connection, bytes: &[u8], size: usize) -> (Vec<Read>, Vec<(usize, Seen)>) {
    let (mut reads, mut events, mut rest) = (Vec::new(), Vec::new(), bytes);
    while !rest.is_empty() {
        let buffer = conn.recv_buffer(0).unwrap();
        let count = rest.len().min(buffer.len()).min(size);
        buffer[..count].copy_from_slice(&rest[..count]);
        let at = bytes.len() - rest.len();
        reads.push(Read { address: buffer.as_ptr().addr(), room: buffer.len(), at, count });
        conn.commit(count).unwrap();
        rest = &rest[count..];
        while let Some(event) = conn.next_event() {
            let address = match &event {
                Event::Text(text) => text.as_bytes().as_ptr().addr(),
                Event::Binary(data) => data.as_ptr().addr(),
                Event::Frame(frame) => frame.data.as_ptr().addr(),
                Event::Chunk(chunk) => chunk.data.as_ptr().addr(),
                _ => 0,
            };
            events.push((address, seen(event)));
        }
    }
    (reads, events)
}

/// Of three bytes a character.
fn text(len: usize) -> String {
    "多字节".chars().cycle().take(len / 3).collect()
}

/// Memory that is received into, by whichever way, begins in the middle of a page; what is left out for that is no input
/// that is held.
#[test]
fn memory_begins_in_the_middle_of_a_page() {
    const PAGE: usize = 4096;
    let engine = Engine::new(&Config::new());
    let mut server = open_on(&engine);
    let message = masked(BINARY, &noise(MIB, 1));
    receive(&mut server, &message, usize::MAX); // its buffer grew, and is there for the next one
    let (header, came) = (14, 100_000);
    let (reads, _) = receive(&mut server, &message[..header + came], usize::MAX);
    assert_eq!(reads[0].address % PAGE, PAGE / 2, "the receive buffer");
    assert_eq!(engine.metrics().held_input_bytes, came as u64);
    let assembled = server.recv_buffer(0).unwrap().as_ptr().addr();
    assert_eq!((assembled - came) % PAGE, PAGE / 2, "where the message is assembled");
}

/// What was read last, while it was worth a read of its own, was not moved again.
#[test]
fn a_large_message_is_received_where_it_is_assembled() {
    let messages = [masked(BINARY, &noise(MIB, 1)), masked(TEXT, text(900_000).as_bytes())];
    let expected = [Seen::Binary(noise(MIB, 1)), Seen::Text(text(900_000))];
    for size in [40_000, 65_536, 100_001, 300_000, usize::MAX] {
        let mut server = open_server();
        for (message, expected) in messages.iter().zip(&expected) {
            let (reads, events) = receive(&mut server, message, size);
            let [(address, event)] = &events[..] else { panic!("{} events", events.len()) };
            assert!(event == expected, "in reads of {size}");
            let len = message.len() - 14;
            let inside = reads.iter().filter(|read| (*address..address + len).contains(&read.address));
            let mut in_place = 0;
            for read in inside {
                assert_eq!(read.address - address, read.at - 14, "{read:?}");
                in_place += read.count;
            }
            assert!(in_place >= len / 4, "{in_place} of {len} in reads of {size}");
        }
    }
}

/// Never more than the rest of the frame: the next frame's header is none of the message's.
#[test]
fn what_is_lent_ends_with_the_frame() {
    let message = masked(BINARY, &noise(500_000, 2));
    let behind = [masked(PING, b"p"), masked(TEXT, b"next")].concat();
    let stream = [message.clone(), behind].concat();
    for size in [33_000, 70_000, usize::MAX] {
        let mut server = open_server();
        let (reads, events) = receive(&mut server, &stream, size);
        let events = events.into_iter().map(|(_, event)| event).collect::<Vec<_>>();
        assert!(events == [Seen::Binary(noise(500_000, 2)), Seen::Ping(b"p".to_vec()), Seen::text("next")]);
        for read in reads {
            assert!(read.room == 512 * 1024 || read.at + read.room <= message.len(), "{read:?}");
        }
    }
}

/// What has come decides how much is lent, and the other way in is taken until it is worth it.
#[test]
fn a_small_message_is_not_worth_a_read_of_its_own() {
    for (announced, came) in [(30_000, 20_000), (100_000, 20_000), (64 * 1024 + 20_000, 64 * 1024)] {
        let mut server = open_server();
        feed(&mut server, &masked(BINARY, &vec![1; announced])[..came]);
        assert_eq!(server.recv_buffer(0).unwrap().len(), 512 * 1024, "{came} of {announced}");
        server.commit(0).unwrap();
    }
    let mut server = open_server();
    feed(&mut server, &masked(BINARY, &[1; MIB])[..100_014]);
    assert_eq!(server.recv_buffer(0).unwrap().len(), 100_000, "as much again as has come");
    server.commit(0).unwrap();
    assert_eq!(server.recv_buffer(100_001).unwrap().len(), 512 * 1024, "more is needed");
    server.commit(0).unwrap();
}

fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    raw_frame(first, payload, Some(KEY))
}

/// A text in large fragments, cut within characters, control frames between them; and messages around it.
fn fragmented() -> Vec<u8> {
    let text = text(810_000);
    let (first, rest) = text.as_bytes().split_at(200_003);
    let (second, third) = rest.split_at(300_000);
    assert!(std::str::from_utf8(first).is_err() && std::str::from_utf8(third).is_err());
    let frames = [
        masked(TEXT, b"before"),
        client_frame(TEXT, first),
        masked(PING, b"1"),
        client_frame(CONTINUATION, second),
        client_frame(CONTINUATION, b""),
        masked(PING, b"2"),
        client_frame(0x80, third),
        masked(BINARY, &noise(70_000, 3)),
    ];
    frames.concat()
}

#[test]
fn fragments_with_control_frames_between_them() {
    let stream = fragmented();
    for size in [1_000, 50_001, 200_000, usize::MAX] {
        let (reads, events) = receive(&mut open_server(), &stream, size);
        let (addresses, events): (Vec<_>, Vec<_>) = events.into_iter().unzip();
        let ping = |data: &[u8]| Seen::Ping(data.to_vec());
        let expected =
            [Seen::text("before"), ping(b"1"), ping(b"2"), Seen::Text(text(810_000)), Seen::Binary(noise(70_000, 3))];
        assert!(events == expected, "in reads of {size}");
        let message = addresses[3]..addresses[3] + text(810_000).len();
        let inside = reads.iter().filter(|read| message.contains(&read.address)).map(|read| read.count).sum::<usize>();
        assert!(inside >= 100_000 || size == 1_000, "{inside} bytes were received in place, in reads of {size}");
    }
}

/// Text that is not UTF-8 is found out with the read that brings it, at any place of a large message.
#[test]
fn text_is_checked_as_it_is_received() {
    for at in [10, 100_000, 250_000, 299_999] {
        let mut payload = text(300_000).into_bytes();
        payload[at] = 0xff;
        let frame = masked(TEXT, &payload);
        let mut server = open_server();
        let (_, events) = receive(&mut server, &frame[..14 + at + 1], 50_000);
        assert_eq!(events.into_iter().map(|(_, event)| event).collect::<Vec<_>>(), [Seen::failed(1007)], "{at}");
    }
    let cut = masked(TEXT, &"字".repeat(100_000).as_bytes()[..299_999]);
    let (_, events) = receive(&mut open_server(), &cut, 50_000);
    assert_eq!(events.into_iter().map(|(_, event)| event).collect::<Vec<_>>(), [Seen::failed(1007)], "cut short");
}

#[test]
fn frames_are_received_in_place_and_chunks_are_not() {
    let stream = fragmented();
    let make = |delivery| {
        let mut config = Config::new();
        config.set_delivery(delivery);
        open_server_with(&config)
    };
    let (reads, events) = receive(&mut make(Delivery::Frames), &stream, 60_000);
    assert!(events.iter().map(|(_, event)| event.clone()).eq(feed(&mut make(Delivery::Frames), &stream)));
    let (address, len) = events
        .iter()
        .find_map(|(address, event)| match event {
            Seen::Frame { data, .. } if data.len() == 300_000 => Some((*address, data.len())),
            _ => None,
        })
        .expect("the second fragment");
    assert!(reads.iter().any(|read| (address + 100_000..address + len).contains(&read.address)));

    let (reads, events) = receive(&mut make(Delivery::Chunks), &stream, 60_000);
    assert!(reads.iter().all(|read| read.room == 512 * 1024), "the receive buffer alone");
    let joined = events.iter().filter_map(|(_, event)| match event {
        Seen::Chunk { data, .. } => Some(&data[..]),
        _ => None,
    });
    let text = text(810_000);
    assert!(joined.collect::<Vec<_>>().concat() == [b"before", text.as_bytes(), &noise(70_000, 3)].concat());
}

/// What is compressed is inflated to the place where it is assembled, and received elsewhere.
#[test]
fn compressed_messages_are_received_in_the_receive_buffer() {
    let mut config = Config::new();
    config.set_compression(true);
    let engine = Engine::new(&config);
    let mut server = Connection::server(&engine);
    let head = format!("{REQUEST_LINES}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    feed(&mut server, head.as_bytes());
    let data = noise(300_000, 4);
    let stored = data.chunks(60_000).flat_map(|block| {
        let len = block.len() as u16;
        [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), block].concat()
    });
    let payload = stored.chain([0]).collect::<Vec<_>>();
    let (reads, events) = receive(&mut server, &client_frame(0xc2, &payload), 50_000);
    assert!(events.into_iter().map(|(_, event)| event).eq([Seen::Binary(data)]));
    assert!(reads.iter().all(|read| read.room == 512 * 1024));
}

/// A host that stops reading while a message lies half in place: it waits there.
#[test]
fn what_was_received_in_place_is_held_back_too() {
    let mut config = Config::new();
    config.set_water_marks(100, 1_000).unwrap();
    let mut server = open_server_with(&config);
    let frame = masked(BINARY, &noise(200_000, 5));
    let (start, end) = frame.split_at(120_000);
    feed(&mut server, start);
    server.recv_buffer(0).unwrap()[..end.len()].copy_from_slice(end);
    server.outbound().queue_binary(&[0; 2_000]).unwrap();
    server.set_reading(false);
    server.commit(end.len()).unwrap();
    assert_eq!(pull(&mut server), []);
    assert!(server.feed(b"x").is_err() && !server.has_events());
    take(&mut server);
    assert!(pull(&mut server) == [Seen::Binary(noise(200_000, 5)), Seen::Writable]);
}

/// Buffers of all sizes: the events do not depend on them.
#[test]
fn a_receive_buffer_of_any_size() {
    let stream = fragmented();
    let expected = feed(&mut open_server(), &stream);
    for size in [4 * 1024, 5_000, 64 * 1024, 16 * MIB] {
        let mut config = Config::new();
        config.set_receive_buffer_size(size).unwrap();
        let mut server = open_server_with(&config);
        assert_eq!(server.recv_buffer(0).unwrap().len(), size);
        server.commit(0).unwrap();
        assert_eq!(server.recv_buffer(size - 1).unwrap().len(), size);
        assert!(size == 16 * MIB || server.recv_buffer(size + 1).unwrap().len() > size);
        server.commit(0).unwrap();
        let (_, events) = receive(&mut server, &stream, usize::MAX);
        assert!(events.into_iter().map(|(_, event)| event).eq(expected.iter().cloned()), "{size}");
    }
    let mut config = Config::new();
    for size in [0, 4 * 1024 - 1, 16 * MIB + 1, usize::MAX] {
        assert!(config.set_receive_buffer_size(size).is_err(), "{size}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Messages of any length in frames of any length, in reads of any size.
    #[test]
    fn any_reads_of_any_large_messages(
        lens in proptest::collection::vec(proptest::collection::vec(0..150_000usize, 1..4), 1..4),
        sizes in proptest::collection::vec(prop_oneof![1..200usize, 20_000..200_000usize], 1..8),
        delivery in proptest::sample::select(vec![Delivery::Messages, Delivery::Frames]),
        on_client in any::<bool>(),
    ) {
        let mut stream = Vec::new();
        let key = (!on_client).then_some(KEY);
        for (seed, lens) in lens.iter().enumerate() {
            for (i, &len) in lens.iter().enumerate() {
                let first = if i == 0 { BINARY } else { CONTINUATION } | if i + 1 == lens.len() { 0x80 } else { 0 };
                stream.extend(raw_frame(first, &noise(len, seed as u64), key));
            }
        }
        let mut config = Config::new();
        config.set_delivery(delivery).set_receive_buffer_size(100_000).unwrap();
        let make = || if on_client { open_client_with(&config) } else { open_server_with(&config) };
        let expected = feed(&mut make(), &stream);
        let (mut conn, mut rest, mut events) = (make(), &stream[..], Vec::new());
        for size in sizes.iter().cycle() {
            let (piece, behind) = rest.split_at(rest.len().min(*size));
            Way::Received(0).bring(&mut conn, piece, |event| events.push(seen(event))).unwrap();
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert!(events == expected);
    }
}
