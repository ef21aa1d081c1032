//! AArch64: NEON, which is always there.

use std::arch::aarch64::{
    uint8x16_t, vdupq_n_u32, veorq_u8, vld1q_u8, vmaxvq_u8, vorrq_u8, vreinterpretq_u8_u32, vst1q_u8,
};

use super::kernel::{Vector, is_ascii_long, xor_long};

/// 16 bytes.
pub(super) type Baseline = uint8x16_t;

// Operations on registers are safe where NEON is on for the whole program, which the lint cannot know everywhere.
#[allow(unused_unsafe)]
impl Vector for uint8x16_t {
    const LEN: usize = 16;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { vreinterpretq_u8_u32(vdupq_n_u32(word)) }
    }

    #[inline(always)]
    unsafe fn load(source: *const u8) -> Self {
        // SAFETY: the caller vouches for the instructions and the 16 bytes.
        unsafe { vld1q_u8(source) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut u8) {
        // SAFETY: the caller vouches for the instructions and the 16 bytes.
        unsafe { vst1q_u8(target, self) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { veorq_u8(self, other) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { vorrq_u8(self, other) }
    }

    #[inline(always)]
    unsafe fn is_ascii(self) -> bool {
        // SAFETY: the caller vouches for the instructions.
        unsafe { vmaxvq_u8(self) < 0x80 }
    }
}

/// # Safety
///
/// As for [`xor_long`].
pub(super) unsafe fn xor(key: [u8; 4], source: *const u8, target: *mut u8, len: usize) -> bool {
    // SAFETY: handed on; this module is for processors with NEON.
    unsafe { xor_long::<Baseline>(key, source, target, len) }
}

/// # Safety
///
/// As for [`is_ascii_long`].
pub(super) unsafe fn is_ascii(source: *const u8, len: usize) -> bool {
    // SAFETY: handed on; this module is for processors with NEON.
    unsafe { is_ascii_long::<Baseline>(source, len) }
}
