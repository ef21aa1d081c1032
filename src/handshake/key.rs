//! `Sec-WebSocket-Key` and `Sec-WebSocket-Accept` (RFC 6455, 4.1, 4.2.2).

use sha1::Sha1Core;
use sha1::digest::core_api::Block;

use crate::handshake::token::Chars;

/// 16 bytes in Base64.
pub(crate) const KEY_LEN: usize = 24;
/// A SHA-1 in Base64.
pub(crate) const ACCEPT_LEN: usize = 28;
/// The same, and two line ends.
pub(crate) const ANSWER_LEN: usize = 32;

/// The key of these 16 random bytes.
pub(crate) fn encode(nonce: [u8; 16]) -> [u8; KEY_LEN] {
    let mut key = [b'='; KEY_LEN];
    to_base64(&nonce, &mut key);
    key
}

/// Whether a client may send this key: 16 bytes in Base64 (RFC 4648, 4). Their last two bits leave four of a character
/// over, which are zero, and two characters of padding.
pub(crate) fn is_valid(key: &[u8]) -> bool {
    match key {
        [digits @ .., last, b'=', b'='] if key.len() == KEY_LEN => BASE64.has_all(digits) && b"AQgw".contains(last),
        _ => false,
    }
}

/// The answer that proves that a server understood the key: the SHA-1 of the key and a GUID.
pub(crate) fn accept(key: &[u8; KEY_LEN]) -> [u8; ACCEPT_LEN] {
    *answer(key).first_chunk().expect("an answer begins with it")
}

/// The same, and two line ends.
#[inline]
pub(crate) fn answer(key: &[u8; KEY_LEN]) -> [u8; ANSWER_LEN] {
    let mut first = FIRST_BLOCK;
    first[..KEY_LEN].copy_from_slice(key);
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]; // RFC 3174, 6.1
    sha1::compress(&mut state, &[Block::<Sha1Core>::from(first), Block::<Sha1Core>::from(LAST_BLOCK)]);
    let mut digest = [0; 20];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    let mut answer = *b"============================\r\n\r\n";
    to_base64(&digest, &mut answer);
    answer
}

const GUID: [u8; 36] = *b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Key and GUID always fill the same two blocks (RFC 3174, 4): the key's place, the GUID, and the bit that ends them.
const FIRST_BLOCK: [u8; 64] = {
    let mut block = [0; 64];
    let mut i = 0;
    while i < GUID.len() {
        block[KEY_LEN + i] = GUID[i];
        i += 1;
    }
    block[KEY_LEN + GUID.len()] = 0x80;
    block
};

/// Nothing but the length in bits.
const LAST_BLOCK: [u8; 64] = {
    let mut block = [0; 64];
    let bits = ((KEY_LEN + GUID.len()) * 8) as u16;
    [block[62], block[63]] = bits.to_be_bytes();
    block
};

static BASE64: Chars = Chars::alphanumeric_and(b"+/");
const BASE64_DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes bytes in Base64 into text that has its padding already (RFC 4648, 4).
#[inline(always)]
fn to_base64<const N: usize, const M: usize>(bytes: &[u8; N], text: &mut [u8; M]) {
    let digit = |bits: u32, at: u32| BASE64_DIGITS[(bits >> at) as usize % 64];
    let (groups, rest) = bytes.as_chunks::<3>();
    let (texts, _) = text.as_chunks_mut::<4>();
    for (&[a, b, c], text) in groups.iter().zip(&mut *texts) {
        let bits = u32::from_be_bytes([0, a, b, c]);
        *text = [digit(bits, 18), digit(bits, 12), digit(bits, 6), digit(bits, 0)];
    }
    if let Some(text) = texts.get_mut(groups.len()) {
        let at = |i: usize| rest.get(i).copied().unwrap_or(0);
        let bits = u32::from_be_bytes([0, at(0), at(1), 0]);
        text[0] = digit(bits, 18);
        text[1] = digit(bits, 12);
        if rest.len() == 2 {
            text[2] = digit(bits, 6);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use sha1::{Digest, Sha1};

    /// RFC 6455, 1.3.
    #[test]
    fn the_answer_of_the_rfc() {
        assert_eq!(&accept(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    /// Any one character anywhere in a key.
    #[test]
    fn a_key_is_valid_if_it_can_be_decoded() {
        for at in 0..KEY_LEN {
            for byte in 0..=255 {
                let mut key = *b"dGhlIHNhbXBsZSBub25jZQ==";
                key[at] = byte;
                let decoded = STANDARD.decode(key);
                assert_eq!(is_valid(&key), decoded.is_ok_and(|nonce| nonce.len() == 16), "{byte} at {at}");
            }
        }
        assert!(!is_valid(b"") && !is_valid(b"dGhlIHNhbXBsZSBub25jZQ=") && !is_valid(b"dGhlIHNhbXBsZSBub25jZQ==="));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn keys_and_answers_are_as_others_make_them(nonce: [u8; 16]) {
            let key = encode(nonce);
            prop_assert_eq!(key.to_vec(), STANDARD.encode(nonce).into_bytes());
            prop_assert!(is_valid(&key));
            let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
            prop_assert_eq!(accept(&key).to_vec(), STANDARD.encode(digest).into_bytes());
        }
    }
}
