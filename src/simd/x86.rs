//! x86: SSE2, which every x86-64 has, and AVX2. Vectors of 64 bytes (AVX-512) were no faster: the stores are the limit.

#[cfg(target_arch = "x86")]
use std::arch::x86 as arch;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as arch;

use arch::*;

use super::kernel::{Vector, is_ascii_long, xor_long};

/// 16 bytes.
pub(super) type Baseline = __m128i;

// Operations on registers are safe where the program is built for such processors only.
#[allow(unused_unsafe)]
impl Vector for __m128i {
    const LEN: usize = 16;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { _mm_set1_epi32(word as i32) }
    }

    #[inline(always)]
    unsafe fn load(source: *const u8) -> Self {
        // SAFETY: the caller vouches for the instructions and the 16 bytes.
        unsafe { _mm_loadu_si128(source.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut u8) {
        // SAFETY: the caller vouches for the instructions and the 16 bytes.
        unsafe { _mm_storeu_si128(target.cast(), self) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { _mm_xor_si128(self, other) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { _mm_or_si128(self, other) }
    }

    #[inline(always)]
    unsafe fn is_ascii(self) -> bool {
        // SAFETY: the caller vouches for the instructions.
        unsafe { _mm_movemask_epi8(self) == 0 }
    }
}

// Operations on registers are safe where the program is built for such processors only.
#[allow(unused_unsafe)]
impl Vector for __m256i {
    const LEN: usize = 32;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { _mm256_set1_epi32(word as i32) }
    }

    #[inline(always)]
    unsafe fn load(source: *const u8) -> Self {
        // SAFETY: the caller vouches for the instructions and the 32 bytes.
        unsafe { _mm256_loadu_si256(source.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, target: *mut u8) {
        // SAFETY: the caller vouches for the instructions and the 32 bytes.
        unsafe { _mm256_storeu_si256(target.cast(), self) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { _mm256_xor_si256(self, other) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: the caller vouches for the instructions.
        unsafe { _mm256_or_si256(self, other) }
    }

    #[inline(always)]
    unsafe fn is_ascii(self) -> bool {
        // SAFETY: the caller vouches for the instructions.
        unsafe { _mm256_movemask_epi8(self) == 0 }
    }
}

/// # Safety
///
/// As for [`xor_long`].
#[target_feature(enable = "sse2")]
pub(super) unsafe fn xor_sse2(key: [u8; 4], source: *const u8, target: *mut u8, len: usize) -> bool {
    // SAFETY: handed on; the caller vouches for the instructions.
    unsafe { xor_long::<__m128i>(key, source, target, len) }
}

/// # Safety
///
/// As for [`is_ascii_long`].
#[target_feature(enable = "sse2")]
pub(super) unsafe fn is_ascii_sse2(source: *const u8, len: usize) -> bool {
    // SAFETY: handed on; the caller vouches for the instructions.
    unsafe { is_ascii_long::<__m128i>(source, len) }
}

/// # Safety
///
/// As for [`xor_long`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn xor_avx2(key: [u8; 4], source: *const u8, target: *mut u8, len: usize) -> bool {
    // SAFETY: handed on; the caller vouches for the instructions.
    unsafe { xor_long::<__m256i>(key, source, target, len) }
}

/// # Safety
///
/// As for [`is_ascii_long`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn is_ascii_avx2(source: *const u8, len: usize) -> bool {
    // SAFETY: handed on; the caller vouches for the instructions.
    unsafe { is_ascii_long::<__m256i>(source, len) }
}
