//! One pass over a payload: unmasking or copying it, and at once telling whether the result is all ASCII.
//!
//! Masking (RFC 6455, 5.3) is XOR with a repeated four-byte key. A text that is all ASCII is valid UTF-8 as it is, so
//! that the pass which unmasks it saves the one which would validate it.

mod portable;

/// XORs `data` with the repeated `key`, which is rotated to the payload's offset. Returns whether the result is all
/// ASCII.
#[inline]
pub(crate) fn unmask(key: [u8; 4], data: &mut [u8]) -> bool {
    portable::unmask(key, data)
}

/// Like [`unmask`], from `source` into `target`.
///
/// # Panics
///
/// When their lengths differ.
#[inline]
#[allow(dead_code)]
pub(crate) fn unmask_copy(key: [u8; 4], source: &[u8], target: &mut [u8]) -> bool {
    assert_eq!(source.len(), target.len(), "unmasking from one slice into another of a different length");
    target.copy_from_slice(source);
    portable::unmask(key, target)
}

/// Copies `source` to `target` and returns whether it is all ASCII.
///
/// # Panics
///
/// When their lengths differ.
#[inline]
#[allow(dead_code)]
pub(crate) fn copy(source: &[u8], target: &mut [u8]) -> bool {
    unmask_copy([0; 4], source, target)
}

/// Whether `data` is all ASCII.
#[inline]
#[allow(dead_code)]
pub(crate) fn is_ascii(data: &[u8]) -> bool {
    data.is_ascii()
}

/// Appends `source`, XORed with the repeated `key`, to `target`. Returns whether what was appended is all ASCII.
#[inline]
#[allow(dead_code)]
pub(crate) fn append_unmasked(key: [u8; 4], source: &[u8], target: &mut Vec<u8>) -> bool {
    let before = target.len();
    target.extend_from_slice(source);
    portable::unmask(key, &mut target[before..])
}
