//! The SHA-1 of a WebSocket key and its GUID, in Base64 (RFC 6455, 4.2.2), where the processor has instructions for it.
//!
//! That is two blocks, of which the second is always the same, so that nothing but its rounds is left to be done. Each
//! round waits for the one before it: what costs time is not how much is computed, but what the first round and the Base64
//! have to wait for. So everything stays in registers.

/// 16 bytes in Base64.
pub(crate) const KEY_LEN: usize = 24;
/// A SHA-1 in Base64, and two line ends.
pub(crate) const ANSWER_LEN: usize = 32;
/// What a server appends to the key.
pub(crate) const GUID: [u8; 36] = *b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The state before the first block (RFC 3174, 6.1).
pub(crate) const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// Key and GUID always fill the same two blocks (RFC 3174, 4): the key's place, the GUID, and the bit that ends them.
pub(crate) const FIRST_BLOCK: [u8; 64] = {
    let mut block = [0; 64];
    let mut i = 0;
    while i < GUID.len() {
        block[KEY_LEN + i] = GUID[i];
        i += 1;
    }
    block[KEY_LEN + GUID.len()] = 0x80;
    block
};

/// Nothing but the length in bits.
pub(crate) const LAST_BLOCK: [u8; 64] = {
    let mut block = [0; 64];
    let bits = ((KEY_LEN + GUID.len()) * 8) as u16;
    [block[62], block[63]] = bits.to_be_bytes();
    block
};

/// The state behind the block with the key.
#[cfg(target_feature = "sse2")]
#[derive(Clone, Copy)]
pub(crate) struct Begun(x86::State);

/// There is none.
#[cfg(not(target_feature = "sse2"))]
#[derive(Clone, Copy)]
pub(crate) enum Begun {}

/// Begins with a key; `None` if this processor has no instructions for it. Each round waits for the one before it, and
/// what is done between [`begin`] and [`Begun::answer`] is done meanwhile.
#[inline(always)]
pub(crate) fn begin(key: &[u8; KEY_LEN]) -> Option<Begun> {
    #[cfg(target_feature = "sse2")]
    if std::is_x86_feature_detected!("sha") && std::is_x86_feature_detected!("sse4.1") {
        // SAFETY: this processor has these instructions; what has SSE4.1 has SSSE3.
        return Some(Begun(unsafe { x86::first_block(key) }));
    }
    let _ = key;
    None
}

impl Begun {
    /// The answer to the key, and two line ends.
    #[inline(always)]
    pub(crate) fn answer(self) -> [u8; ANSWER_LEN] {
        #[cfg(target_feature = "sse2")]
        // SAFETY: `begin` has seen that this processor has these instructions.
        return unsafe { x86::last_block(self.0) };
        #[cfg(not(target_feature = "sse2"))]
        match self {}
    }
}

#[cfg(target_feature = "sse2")]
mod x86 {
    #[cfg(target_arch = "x86")]
    use std::arch::x86::*;
    #[cfg(target_arch = "x86_64")]
    use std::arch::x86_64::*;

    use super::{ANSWER_LEN, FIRST_BLOCK, KEY_LEN, LAST_BLOCK, START};

    /// The state between two blocks.
    #[derive(Clone, Copy)]
    pub(crate) struct State {
        words: __m128i,
        fifth: __m128i,
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn four(words: [u32; 4]) -> __m128i {
        let [a, b, c, d] = words.map(|word| word as i32);
        _mm_setr_epi32(a, b, c, d)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn bytes(bytes: [i8; 16]) -> __m128i {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        _mm_setr_epi8(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)
    }

    /// The words that the rounds take of a block (RFC 3174, 6.1), four by four, the first in the highest place.
    const fn schedule(block: [u8; 64]) -> [[u32; 4]; 20] {
        let mut words = [0; 80];
        let mut t = 0;
        while t < 80 {
            words[t] = if t < 16 {
                u32::from_be_bytes([block[4 * t], block[4 * t + 1], block[4 * t + 2], block[4 * t + 3]])
            } else {
                (words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1)
            };
            t += 1;
        }
        let mut fours = [[0; 4]; 20];
        let mut i = 0;
        while i < 20 {
            fours[i] = [words[4 * i + 3], words[4 * i + 2], words[4 * i + 1], words[4 * i]];
            i += 1;
        }
        fours
    }

    /// Of the first block, only what is behind the key counts.
    const FIRST: [[u32; 4]; 20] = schedule(FIRST_BLOCK);
    const LAST: [[u32; 4]; 20] = schedule(LAST_BLOCK);

    /// Four rounds: the state behind them. `e` is what has become of the fifth word, and the words of the block.
    macro_rules! rounds {
        ($state:expr, $e:expr, $t:literal) => {
            _mm_sha1rnds4_epu32::<{ $t / 5 }>($state, $e)
        };
    }

    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    pub(super) fn first_block(key: &[u8; KEY_LEN]) -> State {
        // The words of the key are made where they are needed: the first round waits for them.
        // SAFETY: the key has 24 bytes.
        let (key_start, key_end) =
            unsafe { (_mm_loadu_si128(key.as_ptr().cast()), _mm_loadl_epi64(key.as_ptr().add(16).cast())) };
        let reversed = bytes([15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
        let mut w0 = _mm_shuffle_epi8(key_start, reversed);
        let mut w1 = _mm_or_si128(_mm_shuffle_epi8(key_end, reversed), four(FIRST[1]));
        let (mut w2, mut w3) = (four(FIRST[2]), four(FIRST[3]));

        let start = four([START[3], START[2], START[1], START[0]]);
        let start_e = _mm_set_epi32(START[4] as i32, 0, 0, 0);
        let mut state = rounds!(start, _mm_add_epi32(start_e, w0), 0);
        let mut before = start;

        macro_rules! first_block {
            ($t:literal, $w:expr) => {
                let e = _mm_sha1nexte_epu32(before, $w);
                before = state;
                state = rounds!(state, e, $t);
            };
        }
        /// Words made of those of the rounds before, the oldest of which they replace.
        macro_rules! next {
            ($t:literal, $w0:ident, $w1:ident, $w2:ident, $w3:ident) => {
                $w0 = _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32($w0, $w1), $w2), $w3);
                first_block!($t, $w0);
            };
        }
        first_block!(1, w1);
        first_block!(2, w2);
        first_block!(3, w3);
        next!(4, w0, w1, w2, w3);
        next!(5, w1, w2, w3, w0);
        next!(6, w2, w3, w0, w1);
        next!(7, w3, w0, w1, w2);
        next!(8, w0, w1, w2, w3);
        next!(9, w1, w2, w3, w0);
        next!(10, w2, w3, w0, w1);
        next!(11, w3, w0, w1, w2);
        next!(12, w0, w1, w2, w3);
        next!(13, w1, w2, w3, w0);
        next!(14, w2, w3, w0, w1);
        next!(15, w3, w0, w1, w2);
        next!(16, w0, w1, w2, w3);
        next!(17, w1, w2, w3, w0);
        next!(18, w2, w3, w0, w1);
        next!(19, w3, w0, w1, w2);

        State { words: _mm_add_epi32(state, start), fifth: _mm_sha1nexte_epu32(before, start_e) }
    }

    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    pub(super) fn last_block(first: State) -> [u8; ANSWER_LEN] {
        let State { words: middle, fifth: middle_e } = first;
        let mut state = rounds!(middle, _mm_add_epi32(middle_e, four(LAST[0])), 0);
        let mut before = middle;
        macro_rules! last_block {
            ($($t:literal)*) => {$(
                let e = _mm_sha1nexte_epu32(before, four(LAST[$t]));
                before = state;
                state = rounds!(state, e, $t);
            )*};
        }
        last_block!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
        let digest = _mm_add_epi32(state, middle);
        let digest_e = _mm_sha1nexte_epu32(before, middle_e);

        // Base64 (RFC 4648, 4): groups of three bytes, each as the second, first, third and second, so that all four digits of
        // a group lie within a 16-bit half of it. The digest's bytes are there from the last to the first.
        let groups_start = _mm_shuffle_epi8(digest, bytes([14, 15, 13, 14, 11, 12, 10, 11, 8, 9, 7, 8, 5, 6, 4, 5]));
        let groups_end = _mm_or_si128(
            _mm_shuffle_epi8(digest, bytes([2, 3, 1, 2, -1, 0, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1])),
            _mm_shuffle_epi8(digest_e, bytes([-1, -1, -1, -1, 15, -1, 14, 15, 12, 13, -1, 12, -1, -1, -1, -1])),
        );
        let to_text = |groups| {
            let high = _mm_mulhi_epu16(_mm_and_si128(groups, _mm_set1_epi32(0x0fc0_fc00)), _mm_set1_epi32(0x0400_0040));
            let low = _mm_mullo_epi16(_mm_and_si128(groups, _mm_set1_epi32(0x003f_03f0)), _mm_set1_epi32(0x0100_0010));
            let digits = _mm_or_si128(high, low);
            // What to add to a digit: 0 to 25 are class 13, 26 to 51 class 0, the others classes 1 to 12.
            let above = _mm_subs_epu8(digits, _mm_set1_epi8(51));
            let is_upper = _mm_cmpgt_epi8(_mm_set1_epi8(26), digits);
            let class = _mm_or_si128(above, _mm_and_si128(is_upper, _mm_set1_epi8(13)));
            let (lower, upper, digit) = (b'a' as i8 - 26, b'A' as i8, b'0' as i8 - 52);
            let (plus, slash) = (b'+' as i8 - 62, b'/' as i8 - 63);
            let added = bytes([
                lower, digit, digit, digit, digit, digit, digit, digit, digit, digit, digit, plus, slash, upper, 0, 0,
            ]);
            _mm_add_epi8(digits, _mm_shuffle_epi8(added, class))
        };
        let padding =
            bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b'=' as i8, b'\r' as i8, b'\n' as i8, b'\r' as i8, b'\n' as i8]);
        let is_text = _mm_cmpeq_epi8(padding, _mm_setzero_si128());
        let (text_start, text_end) = (to_text(groups_start), to_text(groups_end));
        let mut answer = [0; ANSWER_LEN];
        // SAFETY: the answer has 32 bytes.
        unsafe {
            _mm_storeu_si128(answer.as_mut_ptr().cast(), text_start);
            let text_end = _mm_or_si128(_mm_and_si128(text_end, is_text), padding);
            _mm_storeu_si128(answer.as_mut_ptr().add(16).cast(), text_end);
        }
        answer
    }
}
