//! Where the parts of the lines of an HTTP head end.

/// Bytes that have a bit each in one word.
pub(crate) const BLOCK: usize = 64;

/// Blocks that are marked in one go: a kilobyte, which is more than most heads have.
const BLOCKS: usize = 16;

/// A bit for each byte of a block, the first byte the lowest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Those that end a common name: all but letters, digits and hyphens.
    pub(crate) not_name: u64,
    /// Those that end a line, or have no place in one: control characters but tabs.
    pub(crate) control: u64,
}

/// The marks of some blocks that follow each other.
pub(crate) struct Window {
    marks: [Marks; BLOCKS],
    len: usize,
}

impl Window {
    /// Nothing is marked yet.
    #[inline(always)]
    pub(crate) fn new() -> Window {
        Window { marks: [Marks::default(); BLOCKS], len: 0 }
    }

    /// The marks of a block; `None` behind the last one.
    #[inline(always)]
    pub(crate) fn get(&self, block: usize) -> Option<&Marks> {
        self.marks[..self.len].get(block)
    }

    /// Blocks that are marked.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Marks the first blocks of `input`. What is behind its end counts as a control character.
    pub(crate) fn mark(&mut self, input: &[u8]) {
        let input = &input[..input.len().min(BLOCKS * BLOCK)];
        #[cfg(target_feature = "sse2")]
        if std::is_x86_feature_detected!("avx2") {
            // SAFETY: this processor has these instructions.
            return unsafe { x86::mark_avx2(self, input) };
        }
        #[cfg(target_feature = "sse2")]
        // SAFETY: every processor of this target has these instructions.
        return unsafe { x86::mark_sse2(self, input) };
        #[cfg(not(target_feature = "sse2"))]
        self.mark_with(input, portable);
    }

    #[inline(always)]
    fn mark_with(&mut self, input: &[u8], mark: impl Fn(&[u8; BLOCK]) -> Marks) {
        let mut padded = [0; BLOCK];
        let source = if input.len() < BLOCK {
            padded[..input.len()].copy_from_slice(input);
            &padded
        } else {
            input
        };
        self.len = input.len().div_ceil(BLOCK);
        for (i, marks) in self.marks[..self.len].iter_mut().enumerate() {
            let start = (i * BLOCK).min(source.len() - BLOCK); // the last bytes together with some before them
            if let Some(block) = source[start..].first_chunk() {
                *marks = mark(block);
            }
        }
        let rest = input.len() % BLOCK;
        if rest > 0 {
            let before = if input.len() < BLOCK { 0 } else { BLOCK - rest };
            let behind = u64::MAX << rest;
            let Marks { not_name, control } = &mut self.marks[self.len - 1];
            *not_name = *not_name >> before | behind;
            *control = *control >> before | behind;
        }
    }
}

#[cfg(target_feature = "sse2")]
mod x86 {
    #[cfg(target_arch = "x86")]
    use std::arch::x86::*;
    #[cfg(target_arch = "x86_64")]
    use std::arch::x86_64::*;

    use super::{BLOCK, Marks, Window};

    /// A set of bytes is found by comparisons: there is one for equality, and the smaller of a byte and a limit is the
    /// byte itself if it is not above that.
    macro_rules! kernel {
        ($name:ident, $feature:literal, $vector:ty, $load:ident, $all:ident, $eq:ident, $min:ident, $sub:ident,
            $or:ident, $andnot:ident, $bits:ident) => {
            #[target_feature(enable = $feature)]
            pub(super) fn $name(window: &mut Window, input: &[u8]) {
                const LEN: usize = size_of::<$vector>();
                let all = |byte: u8| $all(byte as i8);
                let up_to = |bytes, last| $eq($min(bytes, all(last)), bytes);
                let within = |bytes, first, last| up_to($sub(bytes, all(first)), last - first);
                window.mark_with(input, |block| {
                    let (mut name, mut control) = (0, 0);
                    for i in 0..BLOCK / LEN {
                        // SAFETY: this part of the block is as long as a vector.
                        let bytes = unsafe { $load(block.as_ptr().add(i * LEN).cast()) };
                        let letter = within($or(bytes, all(0x20)), b'a', b'z');
                        let in_name = $or($or(letter, within(bytes, b'0', b'9')), $eq(bytes, all(b'-')));
                        let not_tab = $andnot($eq(bytes, all(b'\t')), up_to(bytes, 0x1f));
                        let is_control = $or(not_tab, $eq(bytes, all(0x7f)));
                        let bits = |set| (u64::from($bits(set) as u32) & (u64::MAX >> (BLOCK - LEN))) << (i * LEN);
                        name |= bits(in_name);
                        control |= bits(is_control);
                    }
                    Marks { not_name: !name, control }
                });
            }
        };
    }

    kernel!(
        mark_sse2,
        "sse2",
        __m128i,
        _mm_loadu_si128,
        _mm_set1_epi8,
        _mm_cmpeq_epi8,
        _mm_min_epu8,
        _mm_sub_epi8,
        _mm_or_si128,
        _mm_andnot_si128,
        _mm_movemask_epi8
    );
    kernel!(
        mark_avx2,
        "avx2",
        __m256i,
        _mm256_loadu_si256,
        _mm256_set1_epi8,
        _mm256_cmpeq_epi8,
        _mm256_min_epu8,
        _mm256_sub_epi8,
        _mm256_or_si256,
        _mm256_andnot_si256,
        _mm256_movemask_epi8
    );
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

    fn all_windows(input: &[u8]) -> Vec<Vec<Marks>> {
        let marks = |mark: &dyn Fn(&mut Window)| {
            let mut window = Window { marks: [Marks { not_name: 5, control: 5 }; BLOCKS], len: 7 };
            mark(&mut window);
            (0..).map_while(|block| window.get(block).copied()).collect()
        };
        vec![
            marks(&|window| window.mark(input)),
            marks(&|window| window.mark_with(input, portable)),
            #[cfg(target_feature = "sse2")]
            // SAFETY: every processor of this target has these instructions.
            marks(&|window| unsafe { x86::mark_sse2(window, input) }),
        ]
    }

    /// Each byte, at each place of the first and the last block, of which it is the last byte or not.
    #[test]
    fn every_byte_is_marked_everywhere() {
        for byte in 0..=255u8 {
            let is_name = byte.is_ascii_alphanumeric() || byte == b'-';
            let is_control = byte < 0x20 && byte != b'\t' || byte == 0x7f;
            for (blocks, at) in [0, 1, 15].into_iter().flat_map(|blocks| (0..BLOCK).map(move |at| (blocks, at))) {
                let expected = |behind: u64| {
                    let bit = |is_it| u64::from(is_it) << at | behind;
                    let mut marks = vec![Marks::default(); blocks];
                    marks.push(Marks { not_name: bit(!is_name), control: bit(is_control) });
                    marks
                };
                let mut input = vec![b'a'; (blocks + 1) * BLOCK];
                input[blocks * BLOCK + at] = byte;
                for marks in all_windows(&input) {
                    assert_eq!(marks, expected(0), "{byte} at {at}");
                }
                input.truncate(blocks * BLOCK + at + 1);
                for marks in all_windows(&input) {
                    assert_eq!(marks, expected(u64::MAX << at << 1), "{byte} at {at}, the last one");
                }
            }
        }
    }

    #[test]
    fn a_window_has_an_end() {
        let mut window = Window::new();
        window.mark(&[0; 2000]);
        assert_eq!(window.len(), BLOCKS);
        assert_eq!(window.get(BLOCKS - 1), Some(&Marks { not_name: u64::MAX, control: u64::MAX }));
        assert_eq!(window.get(BLOCKS), None);
        window.mark(b"");
        assert_eq!(window.get(0), None);
    }
}
