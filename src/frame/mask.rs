//! Masking (RFC 6455, 5.3): XOR with a repeated four-byte key. The same operation masks and unmasks.

use crate::simd;

/// XORs `data` with `key`, where `offset` bytes of the payload came before `data`.
#[inline]
pub fn apply(key: [u8; 4], offset: u64, data: &mut [u8]) {
    simd::unmask(rotate(key, offset), data);
}

/// The key as it applies `offset` bytes into the payload.
#[inline]
pub(crate) fn rotate(key: [u8; 4], offset: u64) -> [u8; 4] {
    let mut key = key;
    key.rotate_left((offset % 4) as usize);
    key
}
