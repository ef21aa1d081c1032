//! What a peer must not send: cut short, too much, or no deflate data at all. Judged by the walker.

use proptest::prelude::*;

use super::walker::walk_message;
use super::*;

/// Accepted exactly if it is whole blocks to its very end, and then with exactly that output.
fn check_against_walker(message: &[u8], earlier: &[u8]) -> Result<Vec<u8>, Violation> {
    let mut inflator = Inflator::new(15);
    if !earlier.is_empty() {
        assert_eq!(inflated(&mut inflator, &compressed(earlier, 6)).unwrap(), earlier);
    }
    let result = inflated(&mut inflator, message);
    match walk_message(message, earlier) {
        Ok(walk) => assert_eq!(result.as_deref(), Ok(&walk.output[earlier.len()..]), "{message:02x?}"),
        Err(bad) => assert!(result.is_err(), "accepted, though {bad:?}: {message:02x?}"),
    }
    result
}

/// Cut anywhere, a message is refused. The exception is exactly behind the header of a stored block: that part is a
/// whole message of its own, the beginning of the other one up to the boundary of a block.
fn check_every_cut(message: &[u8], payload: &[u8]) {
    let whole_too = walk_message(message, &[]).unwrap().stored;
    assert_eq!(whole_too.last(), Some(&(message.len(), payload.len())), "the message itself");
    for len in 0..=message.len() {
        match check_against_walker(&message[..len], &[]) {
            Ok(output) => {
                assert_eq!(output, payload[..output.len()]);
                assert!(whole_too.contains(&(len, output.len())), "{len} of {}", message.len());
            }
            Err(violation) => {
                assert_eq!(violation, Violation::DeflateCutShort, "{len} of {}", message.len());
                assert!(whole_too.iter().all(|whole| whole.0 != len), "{len} of {}", message.len());
            }
        }
    }
}

#[test]
fn a_message_cut_short() {
    for payload in payloads() {
        for level in 1..=9 {
            check_every_cut(&compressed(&payload, level), &payload);
        }
    }
}

/// Without stored blocks in it nothing but the whole message is accepted: not a byte less.
#[test]
fn a_byte_or_two_less() {
    for level in 1..=9 {
        for len in [5, 200, 1000, 5000] {
            let message = compressed(&json(len), level);
            assert_eq!(walk_message(&message, &[]).unwrap().stored.len(), 1);
            for missing in 1..message.len() {
                let cut = &message[..message.len() - missing];
                assert_eq!(inflated(&mut Inflator::new(15), cut), Err(Violation::DeflateCutShort));
            }
        }
    }
}

/// A message of several parts, each flushed.
#[test]
fn a_message_of_several_flushes_cut_short() {
    let (mut deflator, mut message) = (Deflator::new(6, 8, 15), Vec::new());
    let parts = [json(300), noise(200, 3), b"Hello".to_vec()];
    for part in &parts {
        deflator.deflate(part, Flush::Part, &mut message);
    }
    deflator.deflate(&[], Flush::Message, &mut message);
    check_every_cut(&message, &parts.concat());
}

#[test]
fn bytes_behind_a_message_are_not_ignored() {
    for message in [&compressed(b"Hello", 6)[..], b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00"] {
        for junk in [&[0xff_u8][..], &[0x07], &[0x00, 0x01], &[0xde, 0xad, 0xbe, 0xef]] {
            assert!(check_against_walker(&[message, junk].concat(), &[]).is_err(), "{junk:02x?}");
        }
    }
}

/// 1000:1 (undici, CVE-2026-1526): stops at the room there is, and holds no more than that.
#[test]
fn a_bomb() {
    const LIMIT: usize = 1 << 18;
    let bomb = compressed(&vec![0; 8 << 20], 9);
    assert!(bomb.len() < 10_000);
    for pieces in [1, 100, bomb.len()] {
        let (mut inflator, mut out) = (Inflator::new(15), Vec::new());
        let stopped = bomb.chunks(pieces).any(|piece| {
            let room = LIMIT - out.len();
            let used = inflator.inflate(piece, &mut out, room).unwrap();
            assert!(out.capacity() <= LIMIT + 1, "{}", out.capacity());
            used < piece.len()
        });
        assert!(stopped);
        assert_eq!(out.len(), LIMIT);
        assert_eq!(inflator.finish(&mut out, 0), Ok(false), "there is more");
    }
}

/// Allocation follows what comes out, not what was promised or allowed.
#[test]
fn little_output_takes_little_memory() {
    let (mut inflator, mut out) = (Inflator::new(15), Vec::new());
    inflator.inflate(&compressed(b"Hello", 6), &mut out, ROOM).unwrap();
    assert!(out.capacity() < 512, "{}", out.capacity());
    let (mut inflator, mut out) = (Inflator::new(15), Vec::new());
    inflator.inflate(&compressed(&noise(200_000, 5), 6), &mut out, ROOM).unwrap();
    assert!(out.capacity() <= 2 * 200_000 + 64 * 1024, "{}", out.capacity());
}

/// More than the agreed window, which the walker reads and a strict peer would not send: harmless.
#[test]
fn a_reference_beyond_the_agreed_window() {
    let payload = [noise(2000, 9), noise(2000, 9)].concat();
    let message = compressed(&payload, 6);
    assert_eq!(walk_message(&message, &[]).unwrap().max_distance, 2000);
    assert_eq!(inflated(&mut Inflator::new(8), &message).unwrap(), payload);
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600),
        prop::collection::vec(b'a'..b'e', 0..1500),
        (0..2000_usize).prop_map(json),
    ];
    (payload, 1..=9_u8).prop_map(|(payload, level)| compressed(&payload, level))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_bytes(message in prop::collection::vec(any::<u8>(), 0..200), earlier in 0..300_usize) {
        let _ = check_against_walker(&message, &json(earlier));
    }

    /// Stored and dynamic headers are rare in random bytes; these begin with one.
    #[test]
    fn random_bytes_behind_a_header(
        first in prop_oneof![Just(0x04_u8), Just(0x05), Just(0x02), Just(0x03), Just(0x00), Just(0x01)],
        rest in prop::collection::vec(prop_oneof![Just(0_u8), Just(0xff), any::<u8>()], 0..100),
    ) {
        let _ = check_against_walker(&[&[first], &rest[..]].concat(), b"earlier");
    }

    #[test]
    fn mutated_messages(
        mut message in message(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        for (index, value) in changes {
            let at = index.index(message.len());
            message[at] = value;
        }
        if cuts {
            message.truncate(cut.index(message.len() + 1));
        }
        let _ = check_against_walker(&message, b"");
    }

    /// Whatever it is, it gives the same result in all pieces and with all rooms.
    #[test]
    fn any_split_and_any_rooms(
        mut message in message(),
        change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        piece in 1..50_usize,
        rooms in prop::collection::vec(prop_oneof![0..4_usize, 0..2000_usize], 0..60),
    ) {
        if let Some((index, value)) = change {
            let at = index.index(message.len());
            message[at] = value;
        }
        let at_once = inflated(&mut Inflator::new(15), &message);
        let in_pieces = inflated_in_pieces(&mut Inflator::new(15), message.chunks(piece), rooms);
        prop_assert_eq!(at_once, in_pieces);
    }
}
