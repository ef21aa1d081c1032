//! What this end sends (RFC 7692, 7.2.1), read by the walker.

use super::walker::walk_message;
use super::*;

#[test]
fn the_example_of_the_rfc() {
    assert_eq!(compressed(b"Hello", 6), [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]);
}

#[test]
fn an_empty_message_is_one_byte() {
    let mut deflator = Deflator::new(6, 8, 15);
    for message in [&b""[..], b"", b"Hello", b"", b""] {
        let mut out = Vec::new();
        deflator.deflate(message, Flush::Message, &mut out);
        assert_eq!(walk_message(&out, b"Hello").unwrap().output, [b"Hello", message].concat());
        assert!(!message.is_empty() || out == [0]);
    }
}

#[test]
fn every_level_and_memory_level() {
    for level in 1..=9 {
        for mem_level in 1..=9 {
            let (mut deflator, mut earlier) = (Deflator::new(level, mem_level, 15), Vec::new());
            for payload in [json(3000), noise(20_000, 4), vec![b'x'; 40_000], json(3000)] {
                let mut out = b"kept".to_vec();
                deflator.deflate(&payload, Flush::Message, &mut out);
                assert!(out.starts_with(b"kept"));
                let walk = walk_message(&out[4..], &earlier).unwrap();
                assert_eq!(walk.output[earlier.len()..], payload, "level {level}, memory level {mem_level}");
                earlier = walk.output;
            }
        }
    }
}

/// A part is flushed: the peer can read all of it before the next one comes.
#[test]
fn parts_reach_the_peer() {
    let (mut deflator, mut inflator, mut received) = (Deflator::new(6, 8, 15), Inflator::new(15), Vec::new());
    let (mut sent, mut message) = (Vec::new(), Vec::new());
    for part in [&b"The "[..], b"stream ", b"", b"of ", b"tokens", b" The stream of tokens"] {
        let mut out = Vec::new();
        deflator.deflate(part, Flush::Part, &mut out);
        assert!(out.is_empty() == part.is_empty());
        assert!(out.is_empty() || out.ends_with(&[0x00, 0x00, 0xff, 0xff]));
        inflator.inflate(&out, &mut received, ROOM).unwrap();
        sent.extend_from_slice(part);
        assert_eq!(received, sent);
        message.extend(out);
    }
    let mut out = Vec::new();
    deflator.deflate(b"", Flush::Message, &mut out);
    assert_eq!(out, [0x00]);
    inflator.inflate(&out, &mut received, ROOM).unwrap();
    assert_eq!(inflator.finish(&mut received, 0), Ok(true));
    assert_eq!(received, sent);
    assert_eq!(walk_message(&[message, out].concat(), &[]).unwrap().output, sent);
}

/// No reference further back than the window that was agreed on: 256 bytes for 8 bits, which the engine does not know.
#[test]
fn references_stay_within_the_window() {
    for bits in 8..=15 {
        let window = 1_usize << bits;
        for level in 1..=9 {
            let mut furthest = 0;
            // What repeats does so at distances around the limits: 250 is what 9 bits allow, 256 what 8 bits do.
            for period in [window, window + 1].into_iter().chain(window.checked_sub(262)).chain([250, 251]) {
                let (mut deflator, mut earlier) = (Deflator::new(level, 8, bits), Vec::new());
                let block = noise(period, period as u64);
                for part in [&block[..], &block, &block[..period / 2], &block].into_iter().map(<[u8]>::to_vec) {
                    let mut out = Vec::new();
                    deflator.deflate(&part, Flush::Message, &mut out);
                    let walk = walk_message(&out, &earlier).unwrap();
                    assert_eq!(walk.output[earlier.len()..], part);
                    furthest = furthest.max(walk.max_distance);
                    earlier = walk.output;
                }
            }
            assert!(furthest <= window, "level {level}, {bits} bits: {furthest}");
            assert!(furthest >= if bits == 8 { 250 } else { window - 300 }, "level {level}, {bits} bits: {furthest}");
        }
    }
}

/// After a reset nothing of earlier messages is left: the output is that of a new compressor.
#[test]
fn reset_forgets() {
    for level in 1..=9 {
        let mut deflator = Deflator::new(level, 8, 15);
        for payload in payloads() {
            let mut out = Vec::new();
            deflator.deflate(&payload, Flush::Message, &mut out);
            deflator.deflate(&payload, Flush::Part, &mut out); // also in the middle of a message
            deflator.reset();
            out.clear();
            deflator.deflate(&payload, Flush::Message, &mut out);
            assert_eq!(out, compressed(&payload, level), "level {level}");
            deflator.reset();
        }
    }
}

/// Data that grows, and output space that is too small at first.
#[test]
fn large_messages() {
    for level in [1, 3, 6, 9] {
        for payload in [noise(300_000, 6), json(300_000), [json(100_000), noise(100_000, 2)].concat()] {
            let message = compressed(&payload, level);
            let growth = if level == 1 { payload.len() / 8 } else { payload.len() / 1000 };
            assert!(message.len() < payload.len() + growth, "level {level}: {}", message.len());
            assert!(inflated(&mut Inflator::new(15), &message).unwrap() == payload);
        }
    }
}
