//! Bytes to characters, however they are cut: what may still become a character is held back.

/// Decodes UTF-8 that comes in pieces. What cannot become a character turns into U+FFFD, one for each maximal subpart
/// (Unicode 15, 3.9), as [`String::from_utf8_lossy`] does. The two halves of a UTF-16 pair, which upstreams written in
/// languages with UTF-16 strings send as three bytes each (CESU-8), are joined; one alone is one U+FFFD.
#[derive(Default)]
pub(super) struct Hold {
    /// At most half a pair and two bytes of its other half; one more while it is looked at.
    held: [u8; MAX_HELD + 1],
    len: u8,
}

const MAX_HELD: usize = 5;

/// What stands at the beginning of bytes that do not begin with a character.
enum Odd {
    /// So many bytes make one U+FFFD.
    Broken(usize),
    /// Two halves of a pair: six bytes.
    Pair(char),
    /// It may still become a character.
    Cut,
}

impl Hold {
    /// Appends to `text` what has become whole.
    pub(super) fn feed(&mut self, mut bytes: &[u8], text: &mut String) {
        while self.len > 0 {
            let Some((&byte, rest)) = bytes.split_first() else {
                return;
            };
            bytes = rest;
            self.held[self.len()] = byte;
            let held = self.held;
            self.keep(decode(&held[..=self.len()], text));
        }
        self.keep(decode(bytes, text));
    }

    /// Nothing will follow: what is held becomes U+FFFD.
    pub(super) fn finish(&mut self, text: &mut String) {
        let count = match self.len() {
            0 => 0,
            1..=3 => 1,
            _ => 2, // half a pair, and the beginning of its other half
        };
        text.extend(std::iter::repeat_n(char::REPLACEMENT_CHARACTER, count));
        self.len = 0;
    }

    /// Bytes that are held back.
    pub(super) fn len(&self) -> usize {
        self.len.into()
    }

    fn keep(&mut self, rest: &[u8]) {
        debug_assert!(rest.len() <= MAX_HELD);
        self.held[..rest.len()].copy_from_slice(rest);
        self.len = rest.len() as u8;
    }
}

/// Appends what is whole to `text`; the beginning of a character that is left.
fn decode<'a>(mut bytes: &'a [u8], text: &mut String) -> &'a [u8] {
    loop {
        let error = match std::str::from_utf8(bytes) {
            Ok(whole) => {
                text.push_str(whole);
                return &[];
            }
            Err(error) => error,
        };
        let (whole, odd) = bytes.split_at(error.valid_up_to());
        text.push_str(std::str::from_utf8(whole).unwrap_or_default()); // it was found to be valid
        let taken = match look_at(odd, error.error_len()) {
            Odd::Cut => return odd,
            Odd::Pair(joined) => {
                text.push(joined);
                6
            }
            Odd::Broken(len) => {
                text.push(char::REPLACEMENT_CHARACTER);
                len
            }
        };
        bytes = &odd[taken..];
    }
}

/// `broken`: how many bytes the standard library counts as one mistake; `None` if more bytes may complete them.
fn look_at(bytes: &[u8], broken: Option<usize>) -> Odd {
    let [0xed, 0xa0..=0xbf, rest @ ..] = bytes else {
        return broken.map_or(Odd::Cut, Odd::Broken);
    };
    match rest {
        [] => Odd::Cut,
        [0x80..=0xbf, other @ ..] => match (surrogate(bytes), other) {
            (high @ 0xd800..=0xdbff, [0xed, 0xb0..=0xbf, 0x80..=0xbf, ..]) => {
                let joined = 0x10000 + ((high - 0xd800) << 10) + (surrogate(other) - 0xdc00);
                char::from_u32(joined).map_or(Odd::Broken(3), Odd::Pair) // every pair is a character
            }
            (0xd800..=0xdbff, [] | [0xed] | [0xed, 0xb0..=0xbf]) => Odd::Cut,
            _ => Odd::Broken(3),
        },
        _ => Odd::Broken(1), // no surrogate either: each byte is a mistake of its own
    }
}

/// The code unit that three bytes stand for.
fn surrogate(bytes: &[u8]) -> u32 {
    0xd000 | u32::from(bytes[1] & 0x3f) << 6 | u32::from(bytes[2] & 0x3f)
}
