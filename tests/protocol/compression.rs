//! permessage-deflate between two ends (RFC 7692): what is sent compressed, that everything arrives, what it may cost.
//! The rules of the RFC, one by one, are in `rfc7692`.

use crate::inflate::inflate;
use crate::support::*;
use proptest::prelude::*;
use wsengine::{Config, Connection, Delivery, Engine, Event, MessageType, Prepared, Violation};

const RSV1: u8 = 0x40;

fn config() -> Config {
    let mut config = Config::new();
    config.set_compression(true).set_compression_threshold(0);
    config
}

/// A server and a client that agreed on compression.
fn pair(server: &Config, client: &Config) -> (Connection, Connection) {
    let mut server = Connection::server(&Engine::new(server));
    let mut client = Connection::client(&Engine::new(client), &client_request()).unwrap();
    feed(&mut server, &take(&mut client));
    feed(&mut client, &take(&mut server));
    (server, client)
}

/// Text that shrinks, and differs with `seed`.
fn prose(seed: usize, len: usize) -> String {
    let words = ["frame ", "message ", "多字节 ", "{\"type\":\"stream\"} ", "deflate ", "window "];
    let mut text = String::new();
    let mut state = seed * 2 + 1;
    while text.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(words[(state >> 33) % words.len()]);
    }
    text
}

fn carry_in_reads(from: &mut Connection, to: &mut Connection, size: usize) -> Vec<Seen> {
    let bytes = take(from);
    bytes.chunks(size).flat_map(|piece| feed(to, piece)).collect()
}

#[test]
fn every_setting_carries_messages_both_ways() {
    for (own, peer) in [(false, false), (true, false), (false, true), (true, true)] {
        for bits in 8..=15 {
            for level in [1, 6, 9] {
                let mut settings = config();
                settings.set_context_takeover(own, peer);
                settings.set_window_bits(bits, 23 - bits).unwrap().set_compression_level(level).unwrap();
                let (mut server, mut client) = pair(&settings, &config());
                for i in 0..4 {
                    let text = prose(i, 3_000 * i + 5);
                    server.outbound().queue_text(text.as_bytes()).unwrap();
                    assert_eq!(carry_in_reads(&mut server, &mut client, 1_000), [Seen::text(&text)]);
                    client.outbound().queue_text(text.as_bytes()).unwrap();
                    assert_eq!(carry_in_reads(&mut client, &mut server, 7), [Seen::text(&text)]);
                }
            }
        }
    }
}

/// Without takeover nobody has to have seen it; with takeover the peer's window must follow ours.
#[test]
fn what_does_not_shrink_is_sent_plain_where_that_is_allowed() {
    let data = noise(500, 1);
    let (mut server, _) = pair(&config(), &config());
    server.outbound().queue_binary(&data).unwrap();
    assert_eq!(take(&mut server), plain(BINARY, &data));

    let mut settings = config();
    settings.set_context_takeover(true, true);
    let (mut server, mut client) = pair(&settings, &settings);
    for _ in 0..2 {
        server.outbound().queue_binary(&data).unwrap();
        let frame = take(&mut server);
        assert_eq!(frame[0], 0x80 | RSV1 | BINARY);
        assert_eq!(feed(&mut client, &frame), [Seen::Binary(data.clone())]);
    }
}

#[test]
fn with_takeover_a_repeated_message_costs_next_to_nothing() {
    let mut settings = config();
    settings.set_context_takeover(true, true);
    let (mut server, mut client) = pair(&settings, &settings);
    let data = noise(1_000, 1);
    let mut lens = Vec::new();
    for _ in 0..2 {
        server.outbound().queue_binary(&data).unwrap();
        lens.push(server.outbound().queued_bytes());
        assert_eq!(carry_in_reads(&mut server, &mut client, 100), [Seen::Binary(data.clone())]);
    }
    assert!(lens[0] > 1_000 && lens[1] < 50, "{lens:?}");
}

#[test]
fn pieces_are_compressed_as_one_message_with_control_frames_between() {
    for takeover in [false, true] {
        let mut settings = config();
        settings.set_context_takeover(takeover, takeover);
        let (mut server, mut client) = pair(&settings, &settings);
        for _ in 0..2 {
            server.outbound().queue_begin(MessageType::Text).unwrap();
            let mut whole = String::new();
            for i in 0..5 {
                let part = prose(i, 200);
                server.outbound().queue_part(part.as_bytes()).unwrap();
                server.outbound().queue_ping(b"p").unwrap();
                whole.push_str(&part);
            }
            server.outbound().queue_end(b"").unwrap();
            let bytes = take(&mut server);
            assert_eq!(bytes[0], RSV1 | TEXT, "the first frame, and only it, has RSV1");
            assert!(bytes.len() < whole.len());
            let mut seen = feed(&mut client, &bytes);
            assert_eq!(seen.pop(), Some(Seen::Text(whole)));
            assert_eq!(seen, vec![Seen::Ping(b"p".to_vec()); 5]);
        }
        server.outbound().queue_text(b"and on").unwrap();
        assert_eq!(carry_in_reads(&mut server, &mut client, 3), [Seen::text("and on")]);
    }
}

/// Each part reaches the peer when it was queued: tokens are not held back by the compressor.
#[test]
fn a_part_can_be_read_at_once() {
    let (mut server, mut client) = pair(&config(), &config());
    client.set_delivery(Delivery::Chunks).unwrap();
    server.outbound().queue_begin(MessageType::Text).unwrap();
    for (i, token) in ["Hel", "lo, ", "world"].into_iter().enumerate() {
        server.outbound().queue_part(token.as_bytes()).unwrap();
        let seen = carry_in_reads(&mut server, &mut client, 1).into_iter().map(|seen| match seen {
            Seen::Chunk { data, .. } => String::from_utf8(data).unwrap(),
            other => panic!("{other:?}"),
        });
        assert_eq!(seen.collect::<String>(), token, "token {i}");
    }
}

#[test]
fn a_prepared_message_is_compressed_once_and_fits_into_every_stream() {
    let text = prose(1, 5_000);
    let prepared = Prepared::new(MessageType::Text, text.as_bytes()).unwrap();
    let mut takeover = config();
    takeover.set_context_takeover(true, true);
    let mut small_window = config();
    small_window.set_window_bits(9, 9).unwrap();
    let mut plain_only = config();
    plain_only.set_compression(false);
    for settings in [config(), takeover, small_window, plain_only] {
        let (mut server, mut client) = pair(&settings, &settings);
        for i in 0..3 {
            let other = prose(i, 2_000);
            server.outbound().queue_text(other.as_bytes()).unwrap();
            server.outbound().queue_prepared(&prepared).unwrap();
            client.outbound().queue_prepared(&prepared).unwrap();
            client.outbound().queue_text(other.as_bytes()).unwrap();
            assert_eq!(carry_in_reads(&mut server, &mut client, 100), [Seen::text(&other), Seen::text(&text)]);
            assert_eq!(carry_in_reads(&mut client, &mut server, 100), [Seen::text(&text), Seen::text(&other)]);
        }
    }
}

/// What would grow goes plain, for everybody: it can be in no window. And the window is that of the connection.
#[test]
fn a_prepared_message_keeps_to_each_connection() {
    let data = noise(500, 1);
    let prepared = Prepared::new(MessageType::Binary, &data).unwrap();
    let mut takeover = config();
    takeover.set_context_takeover(true, true);
    for settings in [config(), takeover] {
        let (mut server, _) = pair(&settings, &settings);
        server.outbound().queue_prepared(&prepared).unwrap();
        assert_eq!(take(&mut server), plain(BINARY, &data));
    }

    let far = [noise(700, 1), noise(700, 1)].concat(); // repeats 700 bytes back: too far for the windows of 8 and 9 bits
    let prepared = Prepared::new(MessageType::Binary, &far).unwrap();
    for bits in [15, 10, 9, 8] {
        let mut settings = config();
        settings.set_window_bits(bits, 15).unwrap();
        let (mut server, _) = pair(&settings, &config());
        server.outbound().queue_prepared(&prepared).unwrap();
        let frame = take(&mut server);
        if bits >= 10 {
            assert_eq!(frame[..2], [0x80 | RSV1 | BINARY, 126]);
            assert_eq!(
                inflate(&frame[4..], b"").map(|message| (message.bytes, message.farthest)),
                Ok((far.clone(), 700))
            );
        } else {
            assert_eq!(frame, plain(BINARY, &far), "{bits} bits");
        }
    }
}

/// A payload that the host writes is not compressed: it says so in its header.
#[test]
fn a_frame_of_the_host_is_plain() {
    let (mut server, mut client) = pair(&config(), &config());
    let header = server.outbound().begin_frame(MessageType::Text, 5).unwrap();
    server.outbound().end_frame().unwrap();
    assert_eq!([header.as_bytes(), b"hello"].concat(), plain(TEXT, b"hello"));
    assert_eq!(feed(&mut client, &plain(TEXT, b"hello")), [Seen::text("hello")]);
}

#[test]
fn chunks_of_a_compressed_message_are_of_bounded_size() {
    let mut settings = config();
    settings.set_delivery(Delivery::Chunks).set_max_message_size(10_000_000).unwrap();
    let (mut server, mut client) = pair(&settings, &config());
    let len = 3_000_000;
    client.outbound().queue_begin(MessageType::Binary).unwrap();
    client.outbound().queue_end(&vec![b'a'; len]).unwrap();
    let bytes = take(&mut client);
    assert!(bytes.len() < 10_000);
    for size in [1, 13, 100_000] {
        let (mut total, mut lasts) = (0, 0);
        for piece in bytes.chunks(size) {
            for event in feed(&mut server, piece) {
                let Seen::Chunk { data, offset, first, last, .. } = event else { panic!("{event:?}") };
                assert!(data.len() <= 64 * 1024 && data.iter().all(|&byte| byte == b'a'));
                assert_eq!((offset, first), (total, total == 0));
                total += data.len() as u64;
                lasts += usize::from(last);
            }
        }
        assert_eq!((total, lasts), (len as u64, 1));
    }
}

/// The last byte of input may stand for more than fits into a chunk: the rest comes with the next one.
#[test]
fn a_chunk_that_is_full_at_the_end_of_the_input_is_not_the_last() {
    let mut settings = config();
    settings.set_delivery(Delivery::Chunks);
    let (mut server, mut client) = pair(&settings, &config());
    for len in (65_530..66_100).step_by(3) {
        client.outbound().queue_binary(&vec![b'a'; len]).unwrap();
        let chunks = feed(&mut server, &take(&mut client)).into_iter().map(|event| match event {
            Seen::Chunk { data, last, .. } => (data.len(), last),
            other => panic!("{other:?}"),
        });
        let chunks = chunks.collect::<Vec<_>>();
        assert_eq!(chunks.iter().map(|(len, _)| len).sum::<usize>(), len);
        assert_eq!(chunks.iter().position(|(_, last)| *last), Some(chunks.len() - 1), "{len}: {chunks:?}");
    }
}

#[test]
fn frames_of_a_compressed_message_are_delivered_inflated() {
    let mut settings = config();
    settings.set_delivery(Delivery::Frames);
    let (mut server, mut client) = pair(&settings, &config());
    client.outbound().queue_begin(MessageType::Text).unwrap();
    client.outbound().queue_part(b"one ").unwrap();
    client.outbound().queue_end(b"two").unwrap();
    client.outbound().queue_binary(b"").unwrap();
    let frame = |opcode, data: &[u8], fin| Seen::Frame { opcode, data: data.to_vec(), fin, compressed: true };
    let seen = carry_in_reads(&mut client, &mut server, 2);
    let plain_empty = Seen::Frame { opcode: BINARY, data: vec![], fin: true, compressed: false };
    assert_eq!(seen, [frame(TEXT, b"one ", false), frame(CONTINUATION, b"two", true), plain_empty]);
}

/// A bomb: a few kilobytes that would become gigabytes.
#[test]
fn inflation_stops_at_the_message_limit() {
    for delivery in [Delivery::Messages, Delivery::Chunks, Delivery::Frames] {
        let mut settings = config();
        settings.set_delivery(delivery).set_max_message_size(100_000).unwrap();
        let mut large = config();
        large.set_max_queued_bytes(1 << 30).unwrap().set_max_connection_bytes(1 << 30).unwrap();
        let (mut server, mut client) = pair(&settings, &large);
        client.outbound().queue_begin(MessageType::Binary).unwrap();
        client.outbound().queue_part(&vec![0; 20_000_000]).unwrap();
        let seen = carry_in_reads(&mut client, &mut server, 16_384);
        assert_eq!(seen.last(), Some(&Seen::failed(1009)), "{delivery:?}");

        let (mut server, mut client) = pair(&settings, &large);
        client.outbound().queue_binary(&[0; 100_000]).unwrap();
        let fits = carry_in_reads(&mut client, &mut server, 16_384);
        assert!(!fits.contains(&Seen::failed(1009)), "{delivery:?}: exactly the limit");
        client.outbound().queue_binary(&[0; 100_001]).unwrap();
        assert_eq!(carry_in_reads(&mut client, &mut server, 16_384).last(), Some(&Seen::failed(1009)));
    }
}

/// What was inflated is judged before what is wrong behind it, so the verdict does not depend on the cuts.
#[test]
fn the_first_mistake_of_a_message_counts_however_it_is_cut() {
    let stored_ff_then_reserved_block = [0x00, 0x01, 0x00, 0xfe, 0xff, 0xff, 0x07];
    let bytes = raw_frame(0x80 | RSV1 | TEXT, &stored_ff_then_reserved_block, Some(KEY));
    for size in 1..=bytes.len() {
        let (mut server, _) = pair(&config(), &config());
        let mut details = Vec::new();
        for piece in bytes.chunks(size) {
            server.feed(piece).unwrap();
            while let Some(event) = server.next_event() {
                let Event::Close(close) = event else { panic!("{event:?}") };
                details.push((close.code, close.detail));
            }
        }
        assert_eq!(details, [(1007, Violation::TextUtf8.detail())], "reads of {size}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_messages_arrive_over_any_cuts(
        messages in proptest::collection::vec((any::<bool>(), 0..3_000usize, 0..4u8), 1..10),
        sizes in proptest::collection::vec(1..2_000usize, 1..20),
        takeover in any::<bool>(),
        bits in 8..=15u8,
        level in 1..=9u8,
        mem_level in 1..=9u8,
        from_client in any::<bool>(),
    ) {
        let mut settings = config();
        settings.set_context_takeover(takeover, takeover).set_window_bits(bits, bits).unwrap();
        settings.set_compression_level(level).unwrap().set_compression_mem_level(mem_level).unwrap();
        let (mut server, mut client) = pair(&settings, &settings);
        let (from, to) = if from_client { (&mut client, &mut server) } else { (&mut server, &mut client) };
        let mut expected = Vec::new();
        for (random, len, parts) in messages {
            let data = if random { noise(len, 1) } else { prose(len, len).into_bytes() };
            if parts == 0 {
                from.outbound().queue_binary(&data).unwrap();
            } else {
                from.outbound().queue_begin(MessageType::Binary).unwrap();
                for part in data.chunks(data.len() / usize::from(parts) + 1) {
                    from.outbound().queue_part(part).unwrap();
                }
                from.outbound().queue_end(b"").unwrap();
            }
            expected.push(Seen::Binary(data));
        }
        let bytes = take(from);
        let mut seen = Vec::new();
        let mut sizes = sizes.iter().cycle();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            seen.extend(feed(to, piece));
            rest = behind;
        }
        prop_assert_eq!(seen, expected);
    }
}
