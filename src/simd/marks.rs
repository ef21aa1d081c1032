//! Where the parts of the lines of an HTTP head end.

/// Bytes that are looked at in one step.
pub(crate) const BLOCK: usize = 64;

/// A bit for each byte of a block, the first byte the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Those that end a common name: all but letters, digits and hyphens.
    pub(crate) not_name: u64,
    /// Those that end a line, or have no place in one: control characters but tabs.
    pub(crate) control: u64,
}

/// Marks the block of `input` that begins at `start`, which lies within it. What is behind the end of the input counts as
/// a control character.
#[inline]
pub(crate) fn mark(input: &[u8], start: usize) -> Marks {
    let rest = &input[start..];
    if let Some(block) = rest.first_chunk() {
        return mark_block(block);
    }
    let behind = u64::MAX << rest.len();
    let marks = match input.last_chunk() {
        Some(block) => {
            let Marks { not_name, control } = mark_block(block);
            let before = BLOCK - rest.len();
            Marks { not_name: not_name >> before, control: control >> before }
        }
        None => mark_short(rest),
    };
    Marks { not_name: marks.not_name | behind, control: marks.control | behind }
}

#[inline(never)]
fn mark_short(input: &[u8]) -> Marks {
    let mut block = [0; BLOCK];
    block[..input.len()].copy_from_slice(input);
    mark_block(&block)
}

#[cfg(target_feature = "sse2")]
#[inline]
fn mark_block(block: &[u8; BLOCK]) -> Marks {
    // SAFETY: every processor of this target has these instructions.
    unsafe { x86::mark(block) }
}

#[cfg(not(target_feature = "sse2"))]
fn mark_block(block: &[u8; BLOCK]) -> Marks {
    portable(block)
}

#[cfg(target_feature = "sse2")]
mod x86 {
    #[cfg(target_arch = "x86")]
    use std::arch::x86::*;
    #[cfg(target_arch = "x86_64")]
    use std::arch::x86_64::*;

    use super::{BLOCK, Marks};

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn mark(block: &[u8; BLOCK]) -> Marks {
        // SAFETY: these are 16 bytes of the 64.
        let parts: [__m128i; 4] =
            std::array::from_fn(|i| unsafe { _mm_loadu_si128(block.as_ptr().add(16 * i).cast()) });
        Marks {
            not_name: !bits(parts.map(|part| name_bytes(part))),
            control: bits(parts.map(|part| control_bytes(part))),
        }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn bits(sets: [__m128i; 4]) -> u64 {
        let [a, b, c, d] = sets.map(|set| _mm_movemask_epi8(set) as u32);
        u64::from(a | b << 16) | u64::from(c | d << 16) << 32
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn name_bytes(bytes: __m128i) -> __m128i {
        let letter = within(_mm_or_si128(bytes, all(0x20)), b'a', b'z');
        _mm_or_si128(_mm_or_si128(letter, within(bytes, b'0', b'9')), _mm_cmpeq_epi8(bytes, all(b'-')))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn control_bytes(bytes: __m128i) -> __m128i {
        let tab = _mm_cmpeq_epi8(bytes, all(b'\t'));
        _mm_or_si128(_mm_andnot_si128(tab, up_to(bytes, 0x1f)), _mm_cmpeq_epi8(bytes, all(0x7f)))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn within(bytes: __m128i, first: u8, last: u8) -> __m128i {
        up_to(_mm_sub_epi8(bytes, all(first)), last - first)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn up_to(bytes: __m128i, last: u8) -> __m128i {
        _mm_cmpeq_epi8(_mm_min_epu8(bytes, all(last)), bytes)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn all(byte: u8) -> __m128i {
        _mm_set1_epi8(byte as i8)
    }
}

/// For processors without vectors that are known here.
#[cfg(any(test, not(target_feature = "sse2")))]
fn portable(block: &[u8; BLOCK]) -> Marks {
    let bits = |is_it: fn(u8) -> bool| {
        let flags = block.map(|byte| u8::from(is_it(byte)));
        flags.chunks_exact(8).rev().fold(0, |bits, flags| {
            let flags = u64::from_le_bytes(std::array::from_fn(|i| flags[i]));
            bits << 8 | flags.wrapping_mul(0x0102_0408_1020_4080) >> 56 // gathers the lowest bit of each byte
        })
    };
    Marks {
        not_name: bits(|byte| !(byte.is_ascii_alphanumeric() || byte == b'-')),
        control: bits(|byte| byte.is_ascii_control() && byte != b'\t'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_marked_everywhere() {
        for byte in 0..=255u8 {
            let is_name = byte.is_ascii_alphanumeric() || byte == b'-';
            let is_control = byte < 0x20 && byte != b'\t' || byte == 0x7f;
            for at in 0..BLOCK {
                let mut block = [b'a'; BLOCK];
                block[at] = byte;
                let marks = Marks { not_name: u64::from(!is_name) << at, control: u64::from(is_control) << at };
                assert_eq!((mark(&block, 0), portable(&block)), (marks, marks), "{byte} at {at}");

                // The last of the input, alone and behind others.
                let behind = u64::MAX << at << 1;
                let marks = Marks { not_name: marks.not_name | behind, control: marks.control | behind };
                let end = &block[..=at];
                assert_eq!(mark(end, 0), marks, "{byte} at {at}");
                for before in [1, 63, 64, 100] {
                    assert_eq!(mark(&[&vec![b':'; before], end].concat(), before), marks, "{byte} at {at}");
                }
            }
        }
    }
}
