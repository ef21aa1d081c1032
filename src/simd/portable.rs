//! For processors of which nothing is known but that they have words.

use super::kernel::{HIGH_BITS, Vector, is_ascii_long, xor_long};

/// Two words of eight bytes.
#[derive(Clone, Copy)]
pub(super) struct Words(u64, u64);

impl Vector for Words {
    const LEN: usize = 16;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Words {
        let wide = u64::from(word) << 32 | u64::from(word);
        Words(wide, wide)
    }

    #[inline(always)]
    unsafe fn load(source: *const u8) -> Words {
        // SAFETY: the caller vouches for the 16 bytes; nothing is aligned.
        unsafe { Words(source.cast::<u64>().read_unaligned(), source.add(8).cast::<u64>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut u8) {
        // SAFETY: the caller vouches for the 16 bytes; nothing is aligned.
        unsafe {
            target.cast::<u64>().write_unaligned(self.0);
            target.add(8).cast::<u64>().write_unaligned(self.1);
        }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Words) -> Words {
        Words(self.0 ^ other.0, self.1 ^ other.1)
    }

    #[inline(always)]
    unsafe fn or(self, other: Words) -> Words {
        Words(self.0 | other.0, self.1 | other.1)
    }

    #[inline(always)]
    unsafe fn is_ascii(self) -> bool {
        (self.0 | self.1) & HIGH_BITS == 0
    }
}

/// # Safety
///
/// As for [`xor_long`].
pub(super) unsafe fn xor(key: [u8; 4], source: *const u8, target: *mut u8, len: usize) -> bool {
    // SAFETY: handed on; words need no special instructions.
    unsafe { xor_long::<Words>(key, source, target, len) }
}

/// # Safety
///
/// As for [`is_ascii_long`].
pub(super) unsafe fn is_ascii(source: *const u8, len: usize) -> bool {
    // SAFETY: handed on; words need no special instructions.
    unsafe { is_ascii_long::<Words>(source, len) }
}
