//! The lines of an HTTP head, and where the names of its headers end.

/// Bytes that have a bit each in one word.
const BLOCK: usize = 64;

/// Blocks that are looked at. Larger heads are seldom, and parsed in another way; so are those of more lines.
const BLOCKS: usize = 32;
const MAX_LINES: usize = 66;

/// A bit for each byte of a block, the first byte the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marks {
    /// All but letters, digits and hyphens: what ends a common name.
    not_name: u64,
    carriage_return: u64,
    line_feed: u64,
    /// Control characters but tabs, these two among them: what has no place within a line.
    control: u64,
}

/// The lines of a head.
pub(crate) struct Lines {
    not_name: [u64; BLOCKS],
    /// Where the line feeds are.
    ends: [u16; MAX_LINES],
    count: usize,
}

impl Lines {
    #[inline(always)]
    pub(crate) fn new() -> Lines {
        Lines { not_name: [0; BLOCKS], ends: [0; MAX_LINES], count: 0 }
    }

    /// Finds the lines of the head with which `input` begins, the blank line included. Called once. `false` if the head is
    /// not there to its end, is large, or has control characters other than tabs within lines and CR LF behind them.
    pub(crate) fn find(&mut self, input: &[u8]) -> bool {
        let input = &input[..input.len().min(BLOCKS * BLOCK)];
        #[cfg(target_feature = "sse2")]
        if std::is_x86_feature_detected!("avx2") {
            // SAFETY: this processor has these instructions.
            return unsafe { x86::find_avx2(self, input) };
        }
        #[cfg(target_feature = "sse2")]
        // SAFETY: every processor of this target has these instructions.
        return unsafe { x86::find_sse2(self, input) };
        #[cfg(not(target_feature = "sse2"))]
        self.find_with(input, portable)
    }

    /// Where the line feeds are that end the lines, the blank one last.
    #[inline(always)]
    pub(crate) fn ends(&self) -> &[u16] {
        &self.ends[..self.count]
    }

    /// The first byte at `from` or behind that no common name has, which lies in the head.
    #[inline(always)]
    pub(crate) fn end_of_name(&self, from: usize) -> Option<usize> {
        let marks = self.not_name.get(from / BLOCK)? >> (from % BLOCK);
        if marks != 0 {
            return Some(from + marks.trailing_zeros() as usize);
        }
        let mut block = from / BLOCK + 1;
        loop {
            let marks = self.not_name.get(block)?;
            if *marks != 0 {
                return Some(block * BLOCK + marks.trailing_zeros() as usize);
            }
            block += 1;
        }
    }

    #[inline(always)]
    fn find_with(&mut self, input: &[u8], mark: impl Fn(&[u8; BLOCK]) -> Marks) -> bool {
        let (blocks, rest) = input.as_chunks();
        let mut before = Before::default();
        for (index, block) in blocks.iter().enumerate() {
            if let Some(found) = self.take(index, mark(block), &mut before) {
                return found;
            }
        }
        if rest.is_empty() {
            return false;
        }
        // The last bytes come together with some before them, which are shifted out.
        let marks = match input.last_chunk() {
            Some(block) => mark(block).shift(BLOCK - rest.len()),
            None => {
                let mut padded = [0; BLOCK];
                padded[..rest.len()].copy_from_slice(rest);
                mark(&padded)
            }
        };
        self.take(blocks.len(), marks, &mut before).unwrap_or(false)
    }

    /// Takes what the next block has; says what has become of the head if that is known.
    #[inline(always)]
    fn take(&mut self, index: usize, marks: Marks, before: &mut Before) -> Option<bool> {
        *self.not_name.get_mut(index)? = marks.not_name;
        let blank = marks.line_feed & (marks.line_feed << 2 | before.line_feeds);
        let up_to_blank = blank ^ blank.wrapping_sub(1); // all if there is none
        let not_a_pair = marks.line_feed ^ (marks.carriage_return << 1 | before.carriage_return);
        let others = marks.control ^ (marks.carriage_return | marks.line_feed);
        if (not_a_pair | others) & up_to_blank != 0 {
            return Some(false);
        }
        let mut feeds = marks.line_feed & up_to_blank;
        while feeds != 0 {
            let Some(end) = self.ends.get_mut(self.count) else {
                return Some(false);
            };
            *end = (index * BLOCK + feeds.trailing_zeros() as usize) as u16; // BLOCKS * BLOCK is less
            self.count += 1;
            feeds &= feeds - 1;
        }
        before.carriage_return = marks.carriage_return >> (BLOCK - 1);
        before.line_feeds = marks.line_feed >> (BLOCK - 2);
        (blank != 0).then_some(true)
    }
}

/// What the end of a block says about the start of the next.
#[derive(Default)]
struct Before {
    carriage_return: u64,
    line_feeds: u64,
}

impl Marks {
    fn shift(self, by: usize) -> Marks {
        Marks {
            not_name: self.not_name >> by,
            carriage_return: self.carriage_return >> by,
            line_feed: self.line_feed >> by,
            control: self.control >> by,
        }
    }
}

#[cfg(target_feature = "sse2")]
mod x86 {
    #[cfg(target_arch = "x86")]
    use std::arch::x86::*;
    #[cfg(target_arch = "x86_64")]
    use std::arch::x86_64::*;

    use super::{BLOCK, Lines, Marks};

    /// Sets of bytes are found by looking up both halves of a byte: each half has a bit for every set that it may belong
    /// to, and the byte belongs to those of which both have the bit.
    #[target_feature(enable = "avx2")]
    pub(super) fn find_avx2(lines: &mut Lines, input: &[u8]) -> bool {
        const LEN: usize = size_of::<__m256i>();
        let twice = |table: &[u8; 16]| {
            // SAFETY: the table is as long as a vector of this size.
            _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(table.as_ptr().cast()) })
        };
        let (low_halves, high_halves) = (twice(&LOW_HALVES), twice(&HIGH_HALVES));
        let low_bits = _mm256_set1_epi8(0x0f);
        let (last_of_names, none) = (_mm256_set1_epi8(NAME_SETS as i8), _mm256_setzero_si256());
        let (carriage_return, line_feed) = (_mm256_set1_epi8(b'\r' as i8), _mm256_set1_epi8(b'\n' as i8));
        lines.find_with(input, |block| {
            let mut marks = Marks { not_name: 0, carriage_return: 0, line_feed: 0, control: 0 };
            for i in 0..BLOCK / LEN {
                // SAFETY: this part of the block is as long as a vector.
                let bytes = unsafe { _mm256_loadu_si256(block.as_ptr().add(i * LEN).cast()) };
                let high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low_bits);
                let sets = _mm256_and_si256(
                    _mm256_shuffle_epi8(low_halves, bytes), // nothing for bytes of 128 and more
                    _mm256_shuffle_epi8(high_halves, high),
                );
                let bits = |set| u64::from(_mm256_movemask_epi8(set) as u32) << (i * LEN);
                let control = bits(_mm256_cmpgt_epi8(sets, last_of_names));
                marks.control |= control;
                marks.not_name |= bits(_mm256_cmpeq_epi8(sets, none)) | control;
                marks.carriage_return |= bits(_mm256_cmpeq_epi8(bytes, carriage_return));
                marks.line_feed |= bits(_mm256_cmpeq_epi8(bytes, line_feed));
            }
            marks
        })
    }

    /// Letters from `@` and from `P` on, in either case; digits; the hyphen.
    const NAME_SETS: u8 = 0x0f;
    /// Control characters but the tab: those below 16, those from 16 on, and DEL.
    const HIGH_HALVES: [u8; 16] = [0x10, 0x20, 8, 4, 1, 2, 1, 2 | 0x40, 0, 0, 0, 0, 0, 0, 0, 0];
    const LOW_HALVES: [u8; 16] = {
        let mut table = [0x10 | 0x20 | 1; 16];
        let mut low = 0;
        while low < 16 {
            if low <= 10 {
                table[low] |= 2;
            }
            if low <= 9 {
                table[low] |= 4;
            }
            low += 1;
        }
        table[0] &= !1; // neither `@` nor the grave accent
        table[0x9] &= !0x10;
        table[0xd] |= 8;
        table[0xf] |= 0x40;
        table
    };

    /// Without look-ups there are comparisons: there is one for equality, and the smaller of a byte and a limit is the
    /// byte itself if it is not above that.
    #[target_feature(enable = "sse2")]
    pub(super) fn find_sse2(lines: &mut Lines, input: &[u8]) -> bool {
        const LEN: usize = size_of::<__m128i>();
        let all = |byte: u8| _mm_set1_epi8(byte as i8);
        let is = |bytes, byte| _mm_cmpeq_epi8(bytes, all(byte));
        let up_to = |bytes, last| _mm_cmpeq_epi8(_mm_min_epu8(bytes, all(last)), bytes);
        let within = |bytes, first, last| up_to(_mm_sub_epi8(bytes, all(first)), last - first);
        lines.find_with(input, |block| {
            let mut marks = Marks { not_name: 0, carriage_return: 0, line_feed: 0, control: 0 };
            for i in 0..BLOCK / LEN {
                // SAFETY: this part of the block is as long as a vector.
                let bytes = unsafe { _mm_loadu_si128(block.as_ptr().add(i * LEN).cast()) };
                let letter = within(_mm_or_si128(bytes, all(0x20)), b'a', b'z');
                let name = _mm_or_si128(_mm_or_si128(letter, within(bytes, b'0', b'9')), is(bytes, b'-'));
                let control = _mm_or_si128(_mm_andnot_si128(is(bytes, b'\t'), up_to(bytes, 0x1f)), is(bytes, 0x7f));
                let bits = |set| u64::from(_mm_movemask_epi8(set) as u16) << (i * LEN);
                marks.not_name |= bits(name);
                marks.carriage_return |= bits(is(bytes, b'\r'));
                marks.line_feed |= bits(is(bytes, b'\n'));
                marks.control |= bits(control);
            }
            Marks { not_name: !marks.not_name, ..marks }
        })
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
        carriage_return: bits(|byte| byte == b'\r'),
        line_feed: bits(|byte| byte == b'\n'),
        control: bits(|byte| byte.is_ascii_control() && byte != b'\t'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each of the kernels finds; they agree.
    fn ends(input: &[u8]) -> Option<Vec<usize>> {
        let found = |find: &dyn Fn(&mut Lines) -> bool| {
            let mut lines = Lines::new();
            find(&mut lines).then(|| lines.ends().iter().map(|&end| usize::from(end)).collect::<Vec<_>>())
        };
        let input_there = &input[..input.len().min(BLOCKS * BLOCK)];
        let best = found(&|lines| lines.find(input));
        assert_eq!(best, found(&|lines| lines.find_with(input_there, portable)));
        #[cfg(target_feature = "sse2")]
        // SAFETY: every processor of this target has these instructions.
        assert_eq!(best, found(&|lines| unsafe { x86::find_sse2(lines, input_there) }));
        best
    }

    /// A line that ends anywhere, of two blocks or less, and every byte in its place.
    #[test]
    fn every_byte_everywhere() {
        for len in 0..2 * BLOCK {
            let head = [&vec![b'a'; len], &b"\r\n\r\n"[..]].concat();
            let expected = Some(vec![len + 1, len + 3]);
            assert_eq!(ends(&head), expected, "{len}");
            assert_eq!(ends(&[&head, &b"\0\n\r\r\n\r\n"[..]].concat()), expected, "what is behind does not count");
            assert_eq!(ends(&head[..len + 3]), None, "{len}");
        }
        for byte in 0..=255u8 {
            let is_fine = byte >= b' ' && byte != 0x7f || byte == b'\t';
            for (at, len) in (0..BLOCK).flat_map(|at| [(at, at + 1), (at, at + 2), (at, 70)]) {
                let mut head = [&vec![b'a'; len], &b"\r\n\r\n"[..]].concat();
                head[at] = byte;
                let is_end = byte == b'\r' && at + 1 == len; // CR CR LF is not fine
                assert_eq!(ends(&head).is_some(), is_fine && !is_end, "{byte} at {at} of {len}");
            }
        }
    }

    #[test]
    fn every_name_ends_somewhere() {
        for byte in 0..=255u8 {
            for at in [0, 1, 15, 16, 31, 32, 63, 64, 100, 127, 128] {
                let mut head = [&[b'a'; 200], &b"\r\n\r\n"[..]].concat();
                head[at] = byte;
                let mut lines = Lines::new();
                if !lines.find(&head) {
                    continue;
                }
                let is_name = byte.is_ascii_alphanumeric() || byte == b'-';
                for from in [0, at / 2, at] {
                    assert_eq!(lines.end_of_name(from), Some(if is_name { 200 } else { at }), "{byte} at {at}");
                }
                assert_eq!(lines.end_of_name(at + 1), Some(200), "{byte} at {at}");
            }
        }
    }

    #[test]
    fn there_is_a_limit() {
        let head = |lines: usize, len: usize| {
            let line = [&vec![b'a'; len], &b"\r\n"[..]].concat();
            [line.repeat(lines), b"\r\n".to_vec()].concat()
        };
        for lines in 0..MAX_LINES {
            assert_eq!(ends(&head(lines, 3)).map(|ends| ends.len()), (lines > 0).then_some(lines + 1), "{lines}");
        }
        assert_eq!(ends(&head(MAX_LINES, 3)), None);
        assert!(ends(&head(1, BLOCKS * BLOCK - 4)).is_some());
        assert_eq!(ends(&head(1, BLOCKS * BLOCK - 3)), None);
        assert_eq!(ends(b""), None);
    }
}
