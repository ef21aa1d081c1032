//! What vector instructions do faster than a loop over bytes: lines of a head in [`lines`], payloads here.
//!
//! One pass over a payload: unmasking or copying it, and at once telling whether the result is all ASCII.
//!
//! Masking (RFC 6455, 5.3) is XOR with a repeated four-byte key. A text that is all ASCII is valid UTF-8 as it is, so
//! that the pass which unmasks it saves the one which would validate it.
//!
//! Short payloads are done where they are met, with the vectors that every processor of the target has. Long ones go to
//! the best kernel that this processor has.

#![allow(unsafe_code)]

mod kernel;
pub(crate) mod lines;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg_attr(any(target_arch = "aarch64", target_feature = "sse2"), allow(dead_code))] // the tests compare with it
mod portable;
#[cfg(test)]
mod tests;
#[cfg(target_feature = "sse2")]
mod x86;

#[cfg(target_arch = "aarch64")]
use neon::Baseline;
#[cfg(not(any(target_arch = "aarch64", target_feature = "sse2")))]
use portable::Words as Baseline;
#[cfg(target_feature = "sse2")]
use x86::Baseline;

/// Payloads up to this length are done where they are met, without a loop or a call.
pub(crate) const SHORT: usize = kernel::SHORT;

/// XORs `data` with the repeated `key`, which is rotated to the payload's offset. Returns whether the result is all
/// ASCII.
#[inline(always)]
pub(crate) fn unmask(key: [u8; 4], data: &mut [u8]) -> bool {
    let bytes = data.as_mut_ptr();
    // SAFETY: both are the slice.
    unsafe { xor(key, bytes, bytes, data.len()) }
}

/// Whether `data` is all ASCII.
#[inline(always)]
pub(crate) fn is_ascii(data: &[u8]) -> bool {
    let (source, len) = (data.as_ptr(), data.len());
    // SAFETY: this is the slice, and all processors of the target have `Baseline`.
    unsafe {
        if len <= kernel::SHORT { kernel::is_ascii_short::<Baseline>(source, len) } else { is_ascii_long(source, len) }
    }
}

/// Appends `source`, XORed with the repeated `key`, to `target`. Returns whether what was appended is all ASCII.
#[inline]
pub(crate) fn append_unmasked(key: [u8; 4], source: &[u8], target: &mut Vec<u8>) -> bool {
    target.reserve(source.len());
    let spare = target.spare_capacity_mut().as_mut_ptr().cast::<u8>();
    // SAFETY: there is room for as many bytes behind the vector's, which nothing else refers to. They are written
    // before they become part of it.
    unsafe {
        let ascii = xor(key, source.as_ptr(), spare, source.len());
        target.set_len(target.len() + source.len());
        ascii
    }
}

/// Appends a frame's header and its payload, if there is room for them. `false`: there is none, or the payload is not all
/// ASCII and `only_ascii` is set; then nothing is appended.
#[inline(always)]
pub(crate) fn append_frame<const HEADER: usize>(
    header: [u8; HEADER],
    payload: &[u8],
    only_ascii: bool,
    target: &mut Vec<u8>,
) -> bool {
    let (start, len) = (target.len(), HEADER + payload.len());
    if target.capacity() - start < len {
        return false;
    }
    // SAFETY: there is room for as many bytes behind the vector's, which nothing else refers to. They are written
    // before they become part of it.
    unsafe {
        let place = target.as_mut_ptr().add(start);
        place.cast::<[u8; HEADER]>().write(header);
        if !xor([0; 4], payload.as_ptr(), place.add(HEADER), payload.len()) && only_ascii {
            return false;
        }
        target.set_len(start + len);
    }
    true
}

/// Appends `source` to `target`; see [`copy_to`].
#[inline(always)]
pub(crate) fn append(source: &[u8], target: &mut Vec<u8>) {
    target.reserve(source.len());
    // SAFETY: there is room for as many bytes behind the vector's, which nothing else refers to. They are written
    // before they become part of it.
    unsafe {
        copy_to(source, target.spare_capacity_mut().as_mut_ptr().cast());
        target.set_len(target.len() + source.len());
    }
}

/// Copies `source` to `target`, which is as long; see [`copy_to`].
#[inline(always)]
pub(crate) fn copy(source: &[u8], target: &mut [u8]) {
    assert!(source.len() == target.len());
    // SAFETY: the slice is as long, and nothing else refers to it.
    unsafe { copy_to(source, target.as_mut_ptr()) };
}

/// Copies bytes. Long ones by a kernel of ours: the C library has one instruction copy them, which some processors do 25
/// times slower where the target lies a few bytes further into a page than the source.
///
/// # Safety
///
/// As many bytes can be written from `target` on, and none of them is in `source`.
#[inline(always)]
pub(crate) unsafe fn copy_to(source: &[u8], target: *mut u8) {
    const LONG: usize = 2048;
    // SAFETY: handed on.
    unsafe {
        if source.len() < LONG {
            target.copy_from_nonoverlapping(source.as_ptr(), source.len());
        } else {
            xor_long([0; 4], source.as_ptr(), target, source.len()); // 0 changes nothing
        }
    }
}

/// # Safety
///
/// `len` bytes can be read from `source` on and written from `target` on; these are the same or do not overlap.
#[inline(always)]
unsafe fn xor(key: [u8; 4], source: *const u8, target: *mut u8, len: usize) -> bool {
    // SAFETY: handed on, and all processors of the target have `Baseline`.
    unsafe {
        if len <= kernel::SHORT {
            kernel::xor_short::<Baseline>(key, source, target, len)
        } else {
            xor_long(key, source, target, len)
        }
    }
}

/// # Safety
///
/// As for [`xor`], for more than `kernel::SHORT` bytes.
#[inline(always)]
unsafe fn xor_long(key: [u8; 4], source: *const u8, target: *mut u8, len: usize) -> bool {
    // SAFETY: handed on, to a kernel whose instructions this processor has.
    unsafe {
        #[cfg(target_arch = "aarch64")]
        return neon::xor(key, source, target, len);
        #[cfg(target_feature = "sse2")]
        return x86::xor(key, source, target, len);
        #[cfg(not(any(target_arch = "aarch64", target_feature = "sse2")))]
        return portable::xor(key, source, target, len);
    }
}

/// # Safety
///
/// `len` bytes can be read from `source` on; they are more than `kernel::SHORT`.
#[inline(always)]
unsafe fn is_ascii_long(source: *const u8, len: usize) -> bool {
    // SAFETY: handed on, to a kernel whose instructions this processor has.
    unsafe {
        #[cfg(target_arch = "aarch64")]
        return neon::is_ascii(source, len);
        #[cfg(target_feature = "sse2")]
        return x86::is_ascii(source, len);
        #[cfg(not(any(target_arch = "aarch64", target_feature = "sse2")))]
        return portable::is_ascii(source, len);
    }
}
