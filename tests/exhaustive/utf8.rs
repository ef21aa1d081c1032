//! The UTF-8 validator against the standard library, on all 2^32 strings of four bytes: the same verdict, whole and in
//! pieces, and refused at the first byte that cannot belong.

use crate::{full, in_parallel};
use wsengine::utf8::Validator;

/// Bytes on both sides of every boundary in the table of RFC 3629, 4.
const BOUNDARIES: [u8; 25] = [
    0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
    0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
];

/// What the standard library says of the bytes so far.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Verdict {
    Text,
    /// Text, and then the start of a character.
    Unfinished,
    Invalid,
}

fn verdict(bytes: &[u8]) -> Verdict {
    match std::str::from_utf8(bytes) {
        Ok(_) => Verdict::Text,
        Err(error) if error.error_len().is_none() => Verdict::Unfinished,
        Err(_) => Verdict::Invalid,
    }
}

/// Feeds a copy of `before` with a piece that makes the text one of this verdict.
fn check_feed(before: Validator, piece: &[u8], expected: Verdict, bytes: &[u8]) -> Validator {
    let mut validator = before;
    assert_eq!(validator.feed(piece).is_err(), expected == Verdict::Invalid, "{bytes:x?} at {piece:x?}");
    if expected != Verdict::Invalid {
        let mut finished = validator;
        assert_eq!(finished.finish().is_ok(), expected == Verdict::Text, "{bytes:x?} finished");
    }
    validator
}

/// Feeds the bytes cut at every place whose bit in `cuts` is set. A piece is refused if it has the byte that cannot
/// belong, and no earlier one is.
fn check_cut(bytes: &[u8], cuts: u32) {
    let mut validator = Validator::default();
    let mut start = 0;
    for end in 1..=bytes.len() {
        if end == bytes.len() || cuts & (1 << (end - 1)) != 0 {
            let expected = verdict(&bytes[..end]);
            validator = check_feed(validator, &bytes[start..end], expected, bytes);
            if expected == Verdict::Invalid {
                return;
            }
            start = end;
        }
    }
}

#[test]
fn all_strings_of_four_bytes() {
    let leads: Vec<u8> = if full() { (0..=255).collect() } else { BOUNDARIES.to_vec() };
    in_parallel(leads.len() * leads.len(), |pair| {
        let (b0, b1) = (leads[pair / leads.len()], leads[pair % leads.len()]);
        for &b2 in &leads {
            check_last_bytes([b0, b1, b2], &leads);
        }
    });
}

/// Every string that starts with these three bytes and ends with one of `lasts`.
fn check_last_bytes(three: [u8; 3], lasts: &[u8]) {
    // Byte by byte up to the third: what follows needs only the state that it leaves.
    let mut byte_by_byte = Some(Validator::default());
    for end in 1..=3 {
        let expected = verdict(&three[..end]);
        byte_by_byte = byte_by_byte
            .map(|before| check_feed(before, &three[end - 1..end], expected, &three))
            .filter(|_| expected != Verdict::Invalid);
    }
    for &last in lasts {
        let bytes = [three[0], three[1], three[2], last];
        let expected = verdict(&bytes);
        check_feed(Validator::default(), &bytes, expected, &bytes);
        if let Some(before) = byte_by_byte {
            check_feed(before, &[last], expected, &bytes);
        }
    }
}

/// All eight ways to cut four bytes, for every character that there is and its neighbours.
#[test]
fn every_cut_of_every_character() {
    let stride = if full() { 1 } else { 61 };
    in_parallel(0x11_0000 / 0x100, |block| {
        for code in (block * 0x100..(block + 1) * 0x100).step_by(stride) {
            let Some(character) = char::from_u32(code as u32) else {
                continue;
            };
            let mut bytes = [b'x'; 4];
            let len = character.encode_utf8(&mut bytes).len();
            for cuts in 0..8 {
                check_cut(&bytes, cuts);
                check_cut(&bytes[..len - 1], cuts & ((1 << (len - 1)) - 1));
                for at in 0..4 {
                    for bit in [0x01, 0x20, 0x40, 0x80] {
                        let mut wrong = bytes;
                        wrong[at] ^= bit;
                        check_cut(&wrong, cuts);
                    }
                }
            }
        }
    });
}

/// All cuts of every string of boundary bytes.
#[test]
fn every_cut_of_every_string_of_boundary_bytes() {
    let count = BOUNDARIES.len();
    in_parallel(count * count, |pair| {
        for b2 in BOUNDARIES {
            for b3 in BOUNDARIES {
                for cuts in 0..8 {
                    check_cut(&[BOUNDARIES[pair / count], BOUNDARIES[pair % count], b2, b3], cuts);
                }
            }
        }
    });
}

/// The same strings inside long ones, where the vector instructions work: at every place of their blocks.
#[test]
fn every_string_of_boundary_bytes_at_every_place_of_a_block() {
    let places: Vec<usize> = if full() { (0..=130).collect() } else { vec![61, 62, 63, 127] };
    let picked: Vec<u8> =
        if full() { BOUNDARIES.to_vec() } else { vec![0x41, 0x80, 0xa0, 0xc2, 0xe0, 0xed, 0xf0, 0xff] };
    let count = picked.len();
    in_parallel(count * count, |pair| {
        let mut text = [b'a'; 200];
        for &b2 in &picked {
            for &b3 in &picked {
                let bytes = [picked[pair / count], picked[pair % count], b2, b3];
                for &place in &places {
                    text[place..place + 4].copy_from_slice(&bytes);
                    check_feed(Validator::default(), &text, verdict(&text), &text);
                    let ends_there = &text[..place + 4];
                    check_feed(Validator::default(), ends_there, verdict(ends_there), ends_there);
                    text[place..place + 4].fill(b'a');
                }
            }
        }
    });
}
