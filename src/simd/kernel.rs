//! The kernels, written once for vectors of any width. Each processor's file says what its vectors are.
//!
//! No kernel goes through single bytes. What does not fill a vector is covered by one that overlaps its neighbour: both
//! are loaded before either is stored, so that XORing in place sees no byte twice.

/// A vector of bytes.
///
/// # Safety
///
/// All of its methods need a processor that has the instructions of this vector.
pub(super) trait Vector: Copy {
    /// Bytes: 16 or 32, so that a payload which is not short has at least two vectors.
    const LEN: usize;

    /// The word, repeated.
    unsafe fn splat(word: u32) -> Self;

    /// # Safety
    ///
    /// `LEN` bytes from `source` on can be read. It need not be aligned.
    unsafe fn load(source: *const u8) -> Self;

    /// # Safety
    ///
    /// `LEN` bytes from `target` on can be written. It need not be aligned.
    unsafe fn store(self, target: *mut u8);

    unsafe fn xor(self, other: Self) -> Self;

    unsafe fn or(self, other: Self) -> Self;

    /// Whether no byte has its high bit set.
    unsafe fn is_ascii(self) -> bool;
}

/// Up to this length the kernels for short payloads are inlined into the caller.
pub(super) const SHORT: usize = 64;

/// The high bit of each byte.
pub(super) const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// The key as it applies `by` bytes further on. Both are words as they lie in memory.
#[inline(always)]
fn rotated(key: u32, by: usize) -> u32 {
    let bits = (by % 4) as u32 * 8;
    if cfg!(target_endian = "little") { key.rotate_right(bits) } else { key.rotate_left(bits) }
}

/// XORs at most [`SHORT`] bytes with the repeated `key`, from `source` to `target`. Returns whether they are all ASCII
/// then.
///
/// # Safety
///
/// `len` bytes can be read from `source` on and written from `target` on; these are the same or do not overlap. The
/// processor has the instructions of `V`, which is a vector of 16 bytes.
#[inline(always)]
pub(super) unsafe fn xor_short<V: Vector>(key: [u8; 4], source: *const u8, target: *mut u8, len: usize) -> bool {
    debug_assert!(len <= SHORT && V::LEN == 16);
    let word = u32::from_ne_bytes(key);
    // The end's place in the key is that of the last full word that ends there.
    let word_at_end = rotated(word, len);
    // SAFETY: each branch reads and writes at the start and in front of the end, no more than it knows `len` to be,
    // and loads all before it stores any.
    unsafe {
        if len >= 16 {
            let (key, key_at_end) = (V::splat(word), V::splat(word_at_end));
            let last = len - 16;
            let a = V::load(source).xor(key);
            let d = V::load(source.add(last)).xor(key_at_end);
            if len <= 32 {
                a.store(target);
                d.store(target.add(last));
                return a.or(d).is_ascii();
            }
            let b = V::load(source.add(16)).xor(key);
            let c = V::load(source.add(last - 16)).xor(key_at_end);
            a.store(target);
            b.store(target.add(16));
            c.store(target.add(last - 16));
            d.store(target.add(last));
            return a.or(b).or(c.or(d)).is_ascii();
        }
        if len >= 8 {
            let last = len - 8;
            let a = source.cast::<u64>().read_unaligned() ^ twice(word);
            let b = source.add(last).cast::<u64>().read_unaligned() ^ twice(word_at_end);
            target.cast::<u64>().write_unaligned(a);
            target.add(last).cast::<u64>().write_unaligned(b);
            return (a | b) & HIGH_BITS == 0;
        }
        if len >= 4 {
            let last = len - 4;
            let a = source.cast::<u32>().read_unaligned() ^ word;
            let b = source.add(last).cast::<u32>().read_unaligned() ^ word_at_end;
            target.cast::<u32>().write_unaligned(a);
            target.add(last).cast::<u32>().write_unaligned(b);
            return (a | b) & HIGH_BITS as u32 == 0;
        }
        if len == 0 {
            return true;
        }
        // One to three bytes: the first, the middle and the last are all of them.
        let (middle, last) = (len / 2, len - 1);
        let a = *source ^ key[0];
        let b = *source.add(middle) ^ rotated(word, middle).to_ne_bytes()[0]; // an index would put the key on the stack
        let c = *source.add(last) ^ rotated(word, last).to_ne_bytes()[0];
        *target = a;
        *target.add(middle) = b;
        *target.add(last) = c;
        (a | b | c).is_ascii()
    }
}

/// XORs more than [`SHORT`] bytes with the repeated `key`, from `source` to `target`. Returns whether they are all ASCII
/// then.
///
/// # Safety
///
/// As for [`xor_short`], but for the lengths.
#[inline(always)]
pub(super) unsafe fn xor_long<V: Vector>(key: [u8; 4], source: *const u8, target: *mut u8, len: usize) -> bool {
    debug_assert!(len > SHORT && 2 * V::LEN <= SHORT);
    let word = u32::from_ne_bytes(key);
    // SAFETY: all that is read and written lies between 0 and `len`, which is at least two vectors where the branch
    // without a loop is taken: `last` is a vector in front of the end, and the loops keep what they touch in front of
    // `len` and `last + V::LEN`.
    unsafe {
        let last = len - V::LEN;
        let head = V::load(source).xor(V::splat(word));
        let tail = V::load(source.add(last)).xor(V::splat(rotated(word, len)));
        if len <= 4 * V::LEN {
            // As much again from both ends is all of it, without a loop whose length must be guessed.
            let after_head = V::load(source.add(V::LEN)).xor(V::splat(word));
            let before_tail = V::load(source.add(last - V::LEN)).xor(V::splat(rotated(word, len)));
            head.store(target);
            after_head.store(target.add(V::LEN));
            before_tail.store(target.add(last - V::LEN));
            tail.store(target.add(last));
            return head.or(after_head).or(before_tail.or(tail)).is_ascii();
        }

        let mut seen = head.or(tail);

        // Stores that cross cache lines cost twice, so the target is aligned behind the head. The head, and the tail,
        // are stored at the end: the vectors that overlap them must see the bytes as they were.
        let mut at = V::LEN - target as usize % V::LEN;
        let key = V::splat(rotated(word, at));
        while at + 4 * V::LEN <= len {
            let (from, to) = (source.add(at), target.add(at));
            let a = V::load(from).xor(key);
            let b = V::load(from.add(V::LEN)).xor(key);
            let c = V::load(from.add(2 * V::LEN)).xor(key);
            let d = V::load(from.add(3 * V::LEN)).xor(key);
            a.store(to);
            b.store(to.add(V::LEN));
            c.store(to.add(2 * V::LEN));
            d.store(to.add(3 * V::LEN));
            seen = seen.or(a.or(b).or(c.or(d)));
            at += 4 * V::LEN;
        }
        while at < last {
            let a = V::load(source.add(at)).xor(key);
            a.store(target.add(at));
            seen = seen.or(a);
            at += V::LEN;
        }
        head.store(target);
        tail.store(target.add(last));
        seen.is_ascii()
    }
}

/// Whether at most [`SHORT`] bytes are all ASCII.
///
/// # Safety
///
/// `len` bytes can be read from `source` on. The processor has the instructions of `V`, which is a vector of 16 bytes.
#[inline(always)]
pub(super) unsafe fn is_ascii_short<V: Vector>(source: *const u8, len: usize) -> bool {
    debug_assert!(len <= SHORT && V::LEN == 16);
    // SAFETY: each branch reads at the start and in front of the end, no more than it knows `len` to be.
    unsafe {
        if len >= 16 {
            let last = len - 16;
            let ends = V::load(source).or(V::load(source.add(last)));
            if len <= 32 {
                return ends.is_ascii();
            }
            return ends.or(V::load(source.add(16))).or(V::load(source.add(last - 16))).is_ascii();
        }
        if len >= 8 {
            let (a, b) = (source.cast::<u64>(), source.add(len - 8).cast::<u64>());
            return (a.read_unaligned() | b.read_unaligned()) & HIGH_BITS == 0;
        }
        if len >= 4 {
            let (a, b) = (source.cast::<u32>(), source.add(len - 4).cast::<u32>());
            return (a.read_unaligned() | b.read_unaligned()) & HIGH_BITS as u32 == 0;
        }
        len == 0 || (*source | *source.add(len / 2) | *source.add(len - 1)).is_ascii()
    }
}

/// Whether more than [`SHORT`] bytes are all ASCII.
///
/// # Safety
///
/// As for [`is_ascii_short`], but for the lengths.
#[inline(always)]
pub(super) unsafe fn is_ascii_long<V: Vector>(source: *const u8, len: usize) -> bool {
    debug_assert!(len > SHORT && 2 * V::LEN <= SHORT);
    // SAFETY: all that is read lies between 0 and `len`, as in `xor_long`.
    unsafe {
        let last = len - V::LEN;
        let mut seen = V::load(source.add(last));
        let mut at = 0;
        while at + 4 * V::LEN <= len {
            let from = source.add(at);
            let (a, b) = (V::load(from), V::load(from.add(V::LEN)));
            let (c, d) = (V::load(from.add(2 * V::LEN)), V::load(from.add(3 * V::LEN)));
            if !a.or(b).or(c.or(d)).is_ascii() {
                return false;
            }
            at += 4 * V::LEN;
        }
        while at < last {
            seen = seen.or(V::load(source.add(at)));
            at += V::LEN;
        }
        seen.is_ascii()
    }
}

/// The word, and the word again.
#[inline(always)]
fn twice(word: u32) -> u64 {
    u64::from(word) << 32 | u64::from(word)
}
