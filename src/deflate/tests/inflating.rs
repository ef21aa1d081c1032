//! What a peer may send (RFC 7692, 7.2.2 and the examples of 7.2.3).

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use super::walker::walk_message;
use super::*;

/// 7.2.3.1: one compressed block.
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[test]
fn the_examples_of_the_rfc() {
    let examples: [(&str, &[u8], &str); 5] = [
        ("7.2.3.1", &HELLO, "Hello"),
        ("7.2.3.3, no compression", b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"),
        ("7.2.3.4, a last block", b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"),
        ("7.2.3.5, two blocks", b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"),
        ("7.2.3.6, empty", b"\x00", ""),
    ];
    for (section, message, text) in examples {
        let inflated = inflated(&mut Inflator::new(15), message);
        assert_eq!(inflated.as_deref(), Ok(text.as_bytes()), "{section}");
    }
}

/// 7.2.3.2: the second message refers to the first one, which only a receiver that keeps the window can read.
#[test]
fn context_takeover() {
    let second = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let mut inflator = Inflator::new(15);
    assert_eq!(inflated(&mut inflator, &HELLO).unwrap(), b"Hello");
    assert_eq!(inflated(&mut inflator, &second).unwrap(), b"Hello");
    inflator.reset();
    assert_eq!(inflated(&mut inflator, &second), Err(Violation::DeflateInvalid), "forgotten");
    inflator.reset();
    assert_eq!(inflated(&mut inflator, &HELLO).unwrap(), b"Hello", "and useful again");
    inflator.reset();
    assert_eq!(inflated(&mut inflator, &[0x01]).unwrap(), b"", "a last block, behind which the history is looked up");
    assert_eq!(inflated(&mut inflator, &second), Err(Violation::DeflateInvalid), "forgotten there too");
}

/// An empty message is one byte, 00 (7.2.3.6). Of no bytes, the four that are supplied are not a block.
#[test]
fn a_message_of_no_bytes_is_none() {
    assert!(walk_message(&[], &[]).is_err());
    assert_eq!(inflated(&mut Inflator::new(15), &[]), Err(Violation::DeflateCutShort));
    let mut inflator = Inflator::new(15);
    assert!(inflated(&mut inflator, &HELLO).is_ok());
    assert_eq!(inflated(&mut inflator, &[]), Err(Violation::DeflateCutShort), "after another one");
}

/// Every way to cut a message in two, and into single bytes, and with every room, from an output that is taken byte by
/// byte to one that is a byte too small, exact, or ample.
#[test]
fn every_split_and_every_room() {
    for payload in payloads() {
        let message = compressed(&payload, 6);
        for at in 0..=message.len() {
            let (first, second) = message.split_at(at);
            let pieces = [first, &[], second];
            assert_eq!(inflated_in_pieces(&mut Inflator::new(15), pieces, None).unwrap(), payload, "cut at {at}");
        }
        for room in (0..5).chain([payload.len() - 1, payload.len(), payload.len() + 1]) {
            let rooms = std::iter::repeat_n(0, 3).chain(std::iter::repeat(room.max(1)));
            let output = inflated_in_pieces(&mut Inflator::new(15), message.chunks(1), rooms);
            assert_eq!(output.unwrap(), payload, "byte by byte, room {room}");
        }
    }
}

/// The room that a message needs is its length, not a byte more; and a byte less is noticed.
#[test]
fn room_for_exactly_the_message() {
    for payload in payloads() {
        let message = compressed(&payload, 6);
        let (mut inflator, mut out) = (Inflator::new(15), Vec::new());
        assert_eq!(inflator.inflate(&message, &mut out, payload.len()), Ok(message.len()));
        assert_eq!(inflator.finish(&mut out, 0), Ok(true));
        assert_eq!(out, payload);

        let (mut inflator, mut out) = (Inflator::new(15), Vec::new());
        let used = inflator.inflate(&message, &mut out, payload.len() - 1).unwrap();
        assert!(used < message.len() || inflator.finish(&mut out, 0) == Ok(false));
        assert_eq!(out, payload[..payload.len() - 1]);
    }
}

/// Blocks that call themselves the last one, between others and at the end; what follows may refer to what was before,
/// also across messages (7.2.3.4 and 7.2.3.5).
#[test]
fn last_blocks_are_not_the_end() {
    let text = json(3000);
    let last_block = |dictionary: &[u8], part: &[u8]| {
        let mut engine = Deflate::new_with_config(DeflateConfig { window_bits: -15, ..DeflateConfig::default() });
        if !dictionary.is_empty() {
            engine.set_dictionary(dictionary).unwrap();
        }
        let mut out = vec![0; 8192];
        engine.compress(part, &mut out, DeflateFlush::Finish).unwrap();
        out.truncate(engine.total_out() as usize);
        out
    };
    let mut message = last_block(&[], &text[..1000]);
    message.extend(last_block(&text[..1000], &text[..2000]));
    message.extend(last_block(&[], &[]));
    message.push(0);
    let expected = [&text[..1000], &text[..2000]].concat();
    let walk = walk_message(&message, &[]).unwrap();
    assert_eq!(walk.output, expected);
    assert!(walk.max_distance > 900, "it refers back across the last blocks");

    for room in [1, 100, ROOM] {
        let mut inflator = Inflator::new(15);
        for _ in 0..2 {
            let output = inflated_in_pieces(&mut inflator, message.chunks(3), std::iter::repeat(room)).unwrap();
            assert_eq!(output, expected);
        }
        let mut next = last_block(&expected, &text[..1000]);
        next.push(0);
        assert!(next.len() < 60, "refers to the message before");
        assert_eq!(inflated(&mut inflator, &next).unwrap(), text[..1000]);
    }
    let without_the_byte_00 = &message[..message.len() - 1];
    assert_eq!(inflated(&mut Inflator::new(15), without_the_byte_00), Err(Violation::DeflateCutShort));
}

/// The block of the four bytes may itself be called the last one; the next message goes on behind it.
#[test]
fn a_message_that_ends_with_a_last_block() {
    let mut inflator = Inflator::new(15);
    assert_eq!(inflated(&mut inflator, &[0x01]).unwrap(), b"");
    assert_eq!(inflated(&mut inflator, &HELLO).unwrap(), b"Hello");
    assert_eq!(inflated(&mut inflator, &[0x01]).unwrap(), b"");
    assert_eq!(inflated(&mut inflator, &[0xf2, 0x00, 0x11, 0x00, 0x00]).unwrap(), b"Hello");
}

/// Stored, fixed and dynamic blocks all occur in what the tests feed.
#[test]
fn every_kind_of_block() {
    let kinds = |payload: &[u8]| walk_message(&compressed(payload, 6), &[]).unwrap().kinds;
    assert!(kinds(&noise(500, 7)).starts_with(&[0]));
    assert!(kinds(b"Hello").starts_with(&[1]));
    assert!(kinds(&json(700)).starts_with(&[2]));
    let letters: Vec<u8> = noise(100_000, 7).into_iter().map(|byte| b'a' + byte % 16).collect();
    assert!(kinds(&letters).starts_with(&[2, 2, 2]));
}

/// A window of any size, 8 among them, that a peer makes full use of, over messages longer and shorter than it.
#[test]
fn every_window() {
    for bits in 8..=15 {
        let (mut deflator, mut inflator) = (Deflator::new(6, 8, bits), Inflator::new(bits));
        for len in [10, 300, 5000, 70_000, 200] {
            let (payload, mut message) = (json(len), Vec::new());
            deflator.deflate(&payload, Flush::Message, &mut message);
            assert_eq!(inflated(&mut inflator, &message).unwrap(), payload, "{bits} bits, {len} bytes");
        }
    }
}

/// Sizes that no peer can agree on do not crash (undici, CVE-2026-2229).
#[test]
fn window_bits_out_of_range() {
    for bits in [0, 1, 7, 16, 255] {
        let mut message = Vec::new();
        Deflator::new(6, 8, bits).deflate(b"Hello", Flush::Message, &mut message);
        assert_eq!(inflated(&mut Inflator::new(bits), &message).unwrap(), b"Hello");
    }
}
