//! RFC 6455, 8.1: text is UTF-8, and what is not fails as early as it can be known.

use crate::support::*;
use wsengine::utf8::Validator;

const GOOD: [&str; 6] =
    ["", "ascii", "κόσμε", "量子计算", "🙂🙃", "\u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}"];

/// Each with the number of bytes after which no continuation can make it valid.
const BAD: [(&[u8], usize); 12] = [
    (b"\x80", 1),                 // a continuation byte alone
    (b"a\xff", 2),                // never in UTF-8
    (b"\xc0\x80", 1),             // overlong NUL
    (b"\xc1\xbf", 1),             // overlong
    (b"\xe0\x80\x80", 2),         // overlong
    (b"\xf0\x80\x80\x80", 2),     // overlong
    (b"\xed\xa0\x80", 2),         // a surrogate
    (b"\xf4\x90\x80\x80", 2),     // above U+10FFFF
    (b"\xf5\x80\x80\x80", 1),     // above U+10FFFF
    (b"\xce\xba\xe1\xbd\x41", 5), // cut short by another character
    (b"\xe4\xb8\x61", 3),         // cut short
    (b"\xf0\x9f\x99\x61", 4),     // cut short
];

#[test]
fn good_text_arrives_however_it_is_cut() {
    for text in GOOD {
        assert_eq!(every_split(open_server, &masked(TEXT, text.as_bytes())).0, [Seen::text(text)]);
        for at in 0..=text.len() {
            let (start, end) = text.as_bytes().split_at(at);
            let bytes = [masked_part(TEXT, start), masked(PING, b""), masked(CONTINUATION, end)].concat();
            assert_eq!(every_split(open_server, &bytes).0, [Seen::Ping(vec![]), Seen::text(text)]);
        }
    }
}

#[test]
fn bad_text_fails_with_1007() {
    for (bytes, _) in BAD {
        assert_server_fails(&masked(TEXT, bytes), 1007);
        let mut all = masked_part(TEXT, &bytes[..1]);
        all.extend(masked(CONTINUATION, &bytes[1..]));
        assert_server_fails(&all, 1007);
    }
}

/// Inside a frame that goes on, and without waiting for the end of a message.
#[test]
fn bad_text_fails_at_the_first_byte_that_makes_it_bad() {
    for (bad, known_at) in BAD {
        let mut padded = bad.to_vec();
        padded.resize(64, b'x');
        let frame = masked_part(TEXT, &padded);
        let header = frame.len() - padded.len();
        let mut server = open_server();
        for (i, byte) in frame.iter().enumerate() {
            let events = feed(&mut server, &[*byte]);
            if i + 1 < header + known_at {
                assert_eq!(events, [], "{bad:x?} at byte {i}");
            } else {
                assert_eq!(events, [Seen::failed(1007)], "{bad:x?} at byte {i}");
                break;
            }
        }
    }
}

#[test]
fn text_must_not_end_inside_a_character() {
    for text in ["é", "语", "🙂"] {
        for cut in 1..text.len() {
            assert_server_fails(&masked(TEXT, &text.as_bytes()[..cut]), 1007);
            let parts = [masked_part(TEXT, &text.as_bytes()[..cut]), masked(CONTINUATION, b"")].concat();
            assert_server_fails(&parts, 1007);
        }
    }
}

#[test]
fn binary_may_be_anything() {
    for (bytes, _) in BAD {
        assert_eq!(feed(&mut open_server(), &masked(BINARY, bytes)), [Seen::Binary(bytes.to_vec())]);
        let parts = [masked_part(BINARY, bytes), masked(CONTINUATION, bytes)].concat();
        assert_eq!(every_split(open_server, &parts).0, [Seen::Binary([bytes, bytes].concat())]);
    }
}

/// An unfinished character of one message has no effect on the next.
#[test]
fn the_validator_starts_anew() {
    let mut validator = Validator::default();
    assert!(validator.feed("语".as_bytes().split_at(1).0).is_ok());
    assert!(validator.finish().is_err());
    assert!(validator.feed(b"plain").is_ok());
    assert!(validator.finish().is_ok());
}

/// Against the standard library, on every string of three bytes that can begin a character, cut everywhere.
#[test]
fn agrees_with_the_standard_library() {
    for first in 0x7f..=0xff_u8 {
        for second in (0..=0xff_u8).step_by(3).chain([0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0]) {
            for third in [0x00, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xff] {
                let bytes = [first, second, third];
                let valid = std::str::from_utf8(&bytes).is_ok();
                for cut in 0..=3 {
                    let mut validator = Validator::default();
                    let ours = validator.feed(&bytes[..cut]).and_then(|()| validator.feed(&bytes[cut..]));
                    assert_eq!(ours.and_then(|()| validator.finish()).is_ok(), valid, "{bytes:x?} cut at {cut}");
                }
            }
        }
    }
}
