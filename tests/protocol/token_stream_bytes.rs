//! What a token stream makes of bytes: characters, however they are cut, merged and timed.

use crate::token_stream::{engine, stream};
use proptest::prelude::*;
use wsengine::{Engine, TokenStream};

/// What the bytes stand for, worked out in UTF-16: halves of pairs are code units there, and what is alone is replaced.
fn decoded(mut bytes: &[u8]) -> String {
    let mut units: Vec<u16> = Vec::new();
    while !bytes.is_empty() {
        let taken = match *bytes {
            [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, ..] => {
                units.push(0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f));
                3
            }
            [0xed, 0xa0..=0xbf] => {
                units.push(0xfffd); // what could have become half a pair
                2
            }
            _ => {
                let chunk = bytes.utf8_chunks().next().unwrap();
                match chunk.valid().chars().next() {
                    Some(char) => {
                        units.extend_from_slice(char.encode_utf16(&mut [0; 2]));
                        char.len_utf8()
                    }
                    None => {
                        units.push(0xfffd);
                        chunk.invalid().len()
                    }
                }
            }
        };
        bytes = &bytes[taken..];
    }
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// The text of all messages that are due.
fn contents(stream: &mut TokenStream) -> String {
    let mut text = String::new();
    while let Some(message) = stream.next_message() {
        let json: serde_json::Value = serde_json::from_slice(message.json).expect("JSON");
        text += json["content"].as_str().expect("a content");
    }
    text
}

/// What comes out when these are written one by one, and each message is taken as soon as it is there.
fn written<'a>(engine: &Engine, tokens: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut stream = stream(engine);
    let mut text = String::new();
    for token in tokens {
        stream.write(token).unwrap();
        text += &contents(&mut stream);
    }
    stream.finish("stop", None).unwrap();
    text + &contents(&mut stream)
}

#[test]
fn every_character_split_at_every_place() {
    let engine = engine(0, 4096);
    for char in ['\0', 'a', '\u{7f}', '\u{80}', 'é', '\u{7ff}', '\u{800}', '世', '\u{d7ff}', '\u{e000}', '\u{fffd}']
        .into_iter()
        .chain(['\u{ffff}', '\u{10000}', '😀', '\u{10ffff}'])
    {
        let text = format!("<{char}>");
        for at in 0..=text.len() {
            for behind in at..=text.len() {
                let bytes = text.as_bytes();
                let tokens = [&bytes[..at], &bytes[at..behind], &bytes[behind..]];
                assert_eq!(written(&engine, tokens), text, "{char:?} split at {at} and {behind}");
            }
        }
    }
}

/// Only what is whole leaves; nothing waits for more than the end of its character.
#[test]
fn the_beginning_of_a_character_is_held_back_and_no_more() {
    let engine = engine(0, 4096);
    let steps: [(&[u8], &str, usize); 12] = [
        (b"a\xf0", "a", 1),
        (b"\x9f\x98", "", 3),
        (b"\x80b", "😀b", 0),
        (b"\xe4\xb8", "", 2),
        (b"c", "\u{fffd}c", 0),
        (b"\xed\xa0", "", 2),
        (b"\xbd", "", 3),
        (b"\xed\xb8", "", 5),
        (b"\x80", "😀", 0),
        (b"\xed\xa0\xbd", "", 3),
        (b"\xed\xa0\xbd", "\u{fffd}", 3),
        (b"d\xed\xb8\x80", "\u{fffd}d\u{fffd}", 0),
    ];
    let mut stream = stream(&engine);
    for (token, text, held) in steps {
        stream.write(token).unwrap();
        assert_eq!((contents(&mut stream), stream.pending_bytes()), (text.to_owned(), held), "{token:x?}");
    }
}

/// All strings of up to four of these, whole, byte by byte, and cut once at every place.
#[test]
fn every_short_string_of_odd_bytes() {
    const SYMBOLS: [&[u8]; 12] = [
        b"a",
        b"\x80",
        b"\xa0",
        b"\xb0",
        b"\xc0",
        b"\xed",
        b"\xe2\x82",
        b"\xf0\x9f",
        b"\xed\xa0\xbd",
        b"\xed\xb8\x80",
        "€".as_bytes(),
        b"\xf4",
    ];
    let engine = engine(40, 4096);
    for number in 0..SYMBOLS.len().pow(4) {
        let symbol = |place: u32| SYMBOLS[number / SYMBOLS.len().pow(place) % SYMBOLS.len()];
        let bytes = [symbol(0), symbol(1), symbol(2), symbol(3)].concat();
        let expected = decoded(&bytes);
        assert_eq!(written(&engine, [&bytes[..]]), expected, "{bytes:x?}");
        assert_eq!(written(&engine, bytes.chunks(1)), expected, "{bytes:x?} byte by byte");
        let at = number % (bytes.len() + 1);
        assert_eq!(written(&engine, [&bytes[..at], &bytes[at..]]), expected, "{bytes:x?} cut at {at}");
    }
}

#[test]
fn a_mixed_text_cut_at_any_two_places() {
    let mixed = [
        "Grüße, 世界 😀".as_bytes(),
        b"\xed\xa0\xbd\xed\xb8\x80\xed\xa0\x80x\xed\xb0\x80\xed\xa0",
        b"\xf0\x9f\x98\xe4\xb8\xc0\x80\xf5\x80\xfe\xff\xf0\x80\x80\xe0\x9f\xed\xc0",
        "\u{10ffff}\u{2028}".as_bytes(),
        b"\xed\xa0\xbd\xed\xb8",
    ]
    .concat();
    let expected = decoded(&mixed);
    let engine = engine(0, 4096);
    for at in 0..=mixed.len() {
        for behind in at..=mixed.len() {
            let tokens = [&mixed[..at], &mixed[at..behind], &mixed[behind..]];
            assert_eq!(written(&engine, tokens), expected, "cut at {at} and {behind}");
        }
    }
}

fn token() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "\\PC{0,12}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 0..6),
        2 => prop::sample::select(vec![&b"\xed\xa0\xbd"[..], b"\xed\xb8\x80", b"\xed", b"\xa0", b"\xf0\x9f", b"\n\"\\"])
            .prop_map(<[u8]>::to_vec),
        1 => (any::<char>(), 0..60usize).prop_map(|(char, count)| char.to_string().repeat(count).into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    /// Whatever comes, however it is cut, and whenever: a host that does as the guide says gets all of it, in time.
    #[test]
    fn everything_comes_once_in_order_and_in_time(
        tokens in prop::collection::vec((token(), prop_oneof![Just(0u64), 0..15u64, 30..100u64]), 0..60),
        merge_time in prop::sample::select(vec![0u32, 1, 40]),
        piece_size in prop::sample::select(vec![16usize, 19, 64]),
    ) {
        let engine = engine(merge_time, piece_size);
        let mut stream = stream(&engine);
        stream.set_token(9);
        let (mut now, mut last, mut seq, mut text) = (1000u64, None, 0, String::new());
        let mut pull = |stream: &mut TokenStream, now: u64| -> Result<(), TestCaseError> {
            while let Some(message) = stream.next_message() {
                let json: serde_json::Value = serde_json::from_slice(message.json).expect("JSON");
                seq += 1;
                prop_assert_eq!(&json["seq"], seq);
                let content = json["content"].as_str().expect("a content");
                prop_assert!(message.done || !content.is_empty());
                prop_assert!(content.len() <= piece_size);
                let is_full = content.len() + 4 > piece_size;
                let waited = last.is_none_or(|last| now - last >= u64::from(merge_time));
                prop_assert!(message.done || is_full || waited, "too early");
                text += content;
                last = Some(now);
            }
            let is_late = last.is_none_or(|last| now - last >= u64::from(merge_time));
            prop_assert!(!is_late || stream.pending_bytes() <= 5, "too late");
            Ok(())
        };
        for (token, pause) in &tokens {
            stream.write(token).unwrap();
            pull(&mut stream, now)?;
            let until = now + pause;
            while let Some(next) = engine.next_deadline().filter(|&next| next <= until) {
                prop_assert!(next > now, "the host's loop would spin");
                engine.advance(next);
                now = next;
                while let Some(due) = engine.next_due_stream() {
                    prop_assert_eq!(due, 9);
                    prop_assert!(stream.pending_bytes() > 0, "handed out for nothing");
                    pull(&mut stream, now)?;
                }
            }
            now = until;
            engine.advance(now);
            let is_overdue = engine.next_due_stream().is_none() && stream.pending_bytes() > 5 && {
                let before = stream.next_seq();
                pull(&mut stream, now)?;
                stream.next_seq() > before
            };
            prop_assert!(!is_overdue, "nobody was told");
            pull(&mut stream, now)?;
        }
        stream.finish("stop", None).unwrap();
        pull(&mut stream, now)?;
        prop_assert!(stream.is_finished());
        let all: Vec<u8> = tokens.iter().flat_map(|(token, _)| token.clone()).collect();
        prop_assert_eq!(&text, &decoded(&all));
        if !all.windows(2).any(|two| two[0] == 0xed && two[1] >= 0xa0) {
            prop_assert_eq!(&text, &String::from_utf8_lossy(&all));
        }
    }
}
