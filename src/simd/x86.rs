//! x86: SSE2, which every x86-64 has, and AVX2. Vectors of 64 bytes (AVX-512) were no faster: the stores are the limit.

#[cfg(target_arch = "x86")]
use std::arch::x86 as arch;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as arch;

use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::Relaxed;

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

type Xor = unsafe fn([u8; 4], *const u8, *mut u8, usize) -> bool;
type IsAscii = unsafe fn(*const u8, usize) -> bool;

/// The kernels that this processor is best with; at first those that find out. A message of 128 bytes is done in 50
/// instructions, so that asking each time would be a quarter of it.
static XOR: AtomicPtr<()> = AtomicPtr::new(choose_xor as Xor as *mut ());
static IS_ASCII: AtomicPtr<()> = AtomicPtr::new(choose_is_ascii as IsAscii as *mut ());

/// # Safety
///
/// As for [`xor_long`], whatever the processor is.
#[inline(always)]
pub(super) unsafe fn xor(key: [u8; 4], source: *const u8, target: *mut u8, len: usize) -> bool {
    // SAFETY: nothing but such a function is ever stored there; the rest is handed on.
    unsafe { std::mem::transmute::<*mut (), Xor>(XOR.load(Relaxed))(key, source, target, len) }
}

/// # Safety
///
/// As for [`is_ascii_long`], whatever the processor is.
#[inline(always)]
pub(super) unsafe fn is_ascii(source: *const u8, len: usize) -> bool {
    // SAFETY: nothing but such a function is ever stored there; the rest is handed on.
    unsafe { std::mem::transmute::<*mut (), IsAscii>(IS_ASCII.load(Relaxed))(source, len) }
}

/// # Safety
///
/// As for [`xor`].
#[cold]
unsafe fn choose_xor(key: [u8; 4], source: *const u8, target: *mut u8, len: usize) -> bool {
    let best: Xor = if std::is_x86_feature_detected!("avx2") { xor_avx2 } else { xor_sse2 };
    XOR.store(best as *mut (), Relaxed);
    // SAFETY: handed on, to a kernel whose instructions this processor has.
    unsafe { best(key, source, target, len) }
}

/// # Safety
///
/// As for [`is_ascii`].
#[cold]
unsafe fn choose_is_ascii(source: *const u8, len: usize) -> bool {
    let best: IsAscii = if std::is_x86_feature_detected!("avx2") { is_ascii_avx2 } else { is_ascii_sse2 };
    IS_ASCII.store(best as *mut (), Relaxed);
    // SAFETY: handed on, to a kernel whose instructions this processor has.
    unsafe { best(source, len) }
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
