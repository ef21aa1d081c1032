//! Text that is unmasked, or copied, and validated on the way.
//!
//! It goes block by block, so that a block is validated while it lies in the processor's nearest cache. A block that is
//! all ASCII, as the kernel tells that unmasks it, is not looked at again.

use crate::simd;
use crate::utf8::{Invalid, Validator};

/// Bytes per block: a multiple of the key's length, so that every block begins with the same byte of the key. It fits a
/// first-level cache, and is large enough that joining a character that two blocks share costs next to nothing.
pub(crate) const BLOCK: usize = 16 * 1024;

/// Unmasks the next piece of a text where it lies. `key` is rotated to the piece's offset in the payload. A piece that is
/// refused may be left half unmasked.
#[inline]
pub(crate) fn unmask(key: [u8; 4], piece: &mut [u8], validator: &mut Validator) -> Result<(), Invalid> {
    for block in piece.chunks_mut(BLOCK) {
        let ascii = simd::unmask(key, block);
        feed(block, ascii, validator)?;
    }
    Ok(())
}

/// Unmasks the next piece of a text, and appends it to `target`, which may get a part of a piece that is refused.
#[inline(always)]
pub(crate) fn append_unmasked(
    key: [u8; 4],
    piece: &[u8],
    target: &mut Vec<u8>,
    validator: &mut Validator,
) -> Result<(), Invalid> {
    if piece.len() <= BLOCK {
        return append_block(key, piece, target, validator);
    }
    target.reserve(piece.len());
    piece.chunks(BLOCK).try_for_each(|block| append_block(key, block, target, validator))
}

#[inline(always)]
fn append_block(key: [u8; 4], block: &[u8], target: &mut Vec<u8>, validator: &mut Validator) -> Result<(), Invalid> {
    let ascii = simd::append_unmasked(key, block, target);
    let appended = target.len() - block.len();
    feed(&target[appended..], ascii, validator)
}

/// Takes the next piece of a text that was not masked.
#[inline]
pub(crate) fn check(piece: &[u8], validator: &mut Validator) -> Result<(), Invalid> {
    piece.chunks(BLOCK).try_for_each(|block| feed(block, simd::is_ascii(block), validator))
}

#[inline(always)]
fn feed(block: &[u8], ascii: bool, validator: &mut Validator) -> Result<(), Invalid> {
    if ascii { validator.feed_ascii(block) } else { validator.feed(block) }
}

#[cfg(test)]
mod tests {
    use super::check as check_plain;
    use super::*;

    const KEY: [u8; 4] = [0x9a, 0x01, 0xff, 0x40];

    /// The key as it applies `offset` bytes into a payload.
    fn key_at(offset: usize) -> [u8; 4] {
        std::array::from_fn(|i| KEY[(offset + i) % 4])
    }

    fn masked(text: &[u8]) -> Vec<u8> {
        text.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key).collect()
    }

    /// A text of two pieces by every function here: all must say what the standard library says of it.
    fn check(text: &[u8], cut: usize) {
        let valid = std::str::from_utf8(text).is_ok();
        let (payload, case) = (masked(text), format!("{} bytes cut at {cut}", text.len()));

        let mut pieces = payload.clone();
        let (first, second) = pieces.split_at_mut(cut);
        let mut validator = Validator::default();
        let verdict = unmask(KEY, first, &mut validator)
            .and_then(|()| unmask(key_at(cut), second, &mut validator))
            .and_then(|()| validator.finish());
        assert_eq!(verdict.is_ok(), valid, "{case}");
        assert!(!valid || pieces == text, "{case}");

        let (mut joined, mut validator) = (Vec::new(), Validator::default());
        let verdict = append_unmasked(KEY, &payload[..cut], &mut joined, &mut validator)
            .and_then(|()| append_unmasked(key_at(cut), &payload[cut..], &mut joined, &mut validator));
        assert_eq!(verdict.and_then(|()| validator.finish()).is_ok(), valid, "{case}");
        assert!(!valid || joined == text, "{case}");

        let mut validator = Validator::default();
        let verdict =
            check_plain(&text[..cut], &mut validator).and_then(|()| check_plain(&text[cut..], &mut validator));
        assert_eq!(verdict.and_then(|()| validator.finish()).is_ok(), valid, "{case}");
    }

    #[test]
    fn short_texts() {
        for text in ["", "a", "é", "语", "😀", "plain", "naïve", "语言的边界", "a😀b"] {
            for cut in 0..=text.len() {
                check(text.as_bytes(), cut);
                check(&text.as_bytes()[..cut], cut / 2); // it may end inside a character
            }
        }
    }

    /// A character at every place around the end of a block, whole, without its last byte, and with a wrong one.
    #[test]
    fn a_character_that_two_blocks_share() {
        for len in [BLOCK + 10, 2 * BLOCK, 2 * BLOCK + 77] {
            for at in BLOCK - 5..BLOCK + 2 {
                for character in ["é", "语", "😀"] {
                    let mut text = vec![b'a'; len];
                    let end = at + character.len();
                    text[at..end].copy_from_slice(character.as_bytes());
                    for cut in [0, 3, at - 1, at + 1, end - 1, len] {
                        check(&text, cut);
                    }
                    text[end - 1] = b'a';
                    check(&text, 0);
                    check(&text, at + 1);
                    text[end - 1] = 0xc3;
                    check(&text, 0);
                    check(&text, end - 1);
                }
            }
        }
    }

    #[test]
    fn a_wrong_byte_anywhere_is_found() {
        let text = "语言a".repeat(BLOCK / 3).into_bytes();
        check(&text, BLOCK / 2);
        for at in (0..text.len()).step_by(1021).chain([BLOCK - 1, BLOCK, text.len() - 1]) {
            let mut wrong = text.clone();
            wrong[at] = 0xff;
            check(&wrong, BLOCK - 2);
        }
    }

    /// A piece is refused as soon as it has a byte that cannot belong, also if what is known of it is that it is ASCII.
    #[test]
    fn ascii_after_half_a_character_is_refused() {
        let half = &"语".as_bytes()[..2];
        let mut validator = Validator::default();
        assert_eq!(unmask(KEY, &mut masked(half), &mut validator), Ok(()));
        assert_eq!(unmask(key_at(2), &mut [], &mut validator), Ok(()), "nothing came");
        assert_eq!(unmask([0; 4], &mut b"a".to_vec(), &mut validator), Err(Invalid));
    }
}
