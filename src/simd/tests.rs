//! Every kernel that this processor has, against a loop over single bytes.

use proptest::prelude::*;

use super::kernel::{SHORT, Vector, is_ascii_short, xor_short};
use super::portable::Words;
use super::{Baseline, portable};

type Xor = unsafe fn([u8; 4], *const u8, *mut u8, usize) -> bool;
type IsAscii = unsafe fn(*const u8, usize) -> bool;

/// A kernel for payloads of any length.
struct Kernel {
    name: &'static str,
    xor_short: Xor,
    xor_long: Xor,
    is_ascii_short: IsAscii,
    is_ascii_long: IsAscii,
}

impl Kernel {
    const fn new<Short: Vector>(name: &'static str, xor_long: Xor, is_ascii_long: IsAscii) -> Kernel {
        Kernel { name, xor_short: xor_short::<Short>, xor_long, is_ascii_short: is_ascii_short::<Short>, is_ascii_long }
    }

    unsafe fn xor(&self, key: [u8; 4], source: *const u8, target: *mut u8, len: usize) -> bool {
        let kernel = if len <= SHORT { self.xor_short } else { self.xor_long };
        // SAFETY: handed on; `kernels()` has only those that this processor can run.
        unsafe { kernel(key, source, target, len) }
    }

    fn unmask(&self, key: [u8; 4], data: &mut [u8]) -> bool {
        let bytes = data.as_mut_ptr();
        // SAFETY: both are the slice.
        unsafe { self.xor(key, bytes, bytes, data.len()) }
    }

    fn unmask_copy(&self, key: [u8; 4], source: &[u8], target: &mut [u8]) -> bool {
        assert_eq!(source.len(), target.len());
        // SAFETY: both have this length and do not overlap.
        unsafe { self.xor(key, source.as_ptr(), target.as_mut_ptr(), source.len()) }
    }

    fn is_ascii(&self, data: &[u8]) -> bool {
        let kernel = if data.len() <= SHORT { self.is_ascii_short } else { self.is_ascii_long };
        // SAFETY: this is the slice; `kernels()` has only those that this processor can run.
        unsafe { kernel(data.as_ptr(), data.len()) }
    }
}

fn kernels() -> Vec<Kernel> {
    let mut kernels = vec![
        Kernel::new::<Words>("portable", portable::xor, portable::is_ascii),
        Kernel::new::<Baseline>("chosen", super::xor_long, super::is_ascii_long),
    ];
    #[cfg(target_arch = "aarch64")]
    kernels.push(Kernel::new::<Baseline>("NEON", super::neon::xor, super::neon::is_ascii));
    #[cfg(target_feature = "sse2")]
    {
        kernels.push(Kernel::new::<Baseline>("SSE2", super::x86::xor_sse2, super::x86::is_ascii_sse2));
        if std::is_x86_feature_detected!("avx2") {
            kernels.push(Kernel::new::<Baseline>("AVX2", super::x86::xor_avx2, super::x86::is_ascii_avx2));
        }
    }
    kernels
}

fn naive(key: [u8; 4], data: &mut [u8]) -> bool {
    data.iter_mut().zip(key.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
    data.iter().all(u8::is_ascii)
}

/// Bytes that differ from their neighbours.
fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|i| ((i + seed) * 167 + (i >> 8) * 31) as u8).collect()
}

const KEYS: [[u8; 4]; 4] = [[0; 4], [0x12, 0x34, 0x56, 0x78], [0x80, 0, 0, 0], [0xff, 0x7f, 0x01, 0xfe]];

/// Bytes in front of and behind the slices, which must stay as they are.
const GUARD: usize = 64;

/// Every kernel on `data` at an alignment, in place and copying. The allocation is longer than what it works on.
fn check_at(key: [u8; 4], data: &[u8], alignment: usize) {
    let len = data.len();
    let mut room = pattern(len + 2 * GUARD + 2 * 64, 7);
    let start = room.as_ptr().align_offset(64) + GUARD + alignment % 64;
    room[start..start + len].copy_from_slice(data);
    let mut expected = room.clone();
    let expected_ascii = naive(key, &mut expected[start..start + len]);

    for kernel in kernels() {
        let case = || format!("{} of {len} bytes at {alignment} with {key:02x?}", kernel.name);
        room[start..start + len].copy_from_slice(data);
        assert_eq!(kernel.unmask(key, &mut room[start..start + len]), expected_ascii, "{}", case());
        assert!(room == expected, "in place: {}", case());

        room[start..start + len].fill(0xee);
        assert_eq!(kernel.unmask_copy(key, data, &mut room[start..start + len]), expected_ascii, "{}", case());
        assert!(room == expected, "copying: {}", case());
        assert_eq!(kernel.is_ascii(&room[start..start + len]), expected_ascii, "{}", case());
    }
}

#[test]
fn every_length_at_every_alignment() {
    for len in 0..=300 {
        let data = pattern(len, len);
        for alignment in 0..64 {
            check_at(KEYS[(len + alignment) % KEYS.len()], &data, alignment);
        }
    }
}

#[test]
fn every_length_with_every_key() {
    for key in KEYS {
        for len in 0..=300 {
            check_at(key, &pattern(len, 3), 1);
        }
    }
}

#[test]
fn large_payloads() {
    for len in [1000, 4095, 4096, 4097, 65_535, 65_536, 65_541, 300_001] {
        for alignment in [0, 1, 31, 33, 63] {
            check_at(KEYS[1], &pattern(len, 1), alignment);
        }
    }
}

#[test]
fn one_byte_that_is_not_ascii_is_seen_at_every_place() {
    let key = KEYS[1];
    for kernel in kernels() {
        for len in (0..=300).chain([1023, 1024, 1500]) {
            let mut text = vec![b'a'; len];
            naive(key, &mut text);
            let ascii = text.clone();
            let mut target = vec![0; len];
            assert!(kernel.unmask_copy(key, &ascii, &mut target), "{} of {len} bytes", kernel.name);
            assert!(kernel.is_ascii(&target), "{} of {len} bytes", kernel.name);
            for place in 0..len {
                text[place] ^= 0x80;
                assert!(!kernel.unmask_copy(key, &text, &mut target), "{} of {len} bytes, {place}", kernel.name);
                assert!(!kernel.is_ascii(&target), "{} of {len} bytes, {place}", kernel.name);
                assert!(!kernel.unmask(key, &mut text), "{} of {len} bytes, {place}", kernel.name);
                text.copy_from_slice(&ascii);
            }
        }
    }
}

/// Between two pages that cannot be touched, a byte read outside the slice ends the process.
#[test]
#[cfg(all(unix, not(miri)))]
fn nothing_outside_the_slice_is_read() {
    // SAFETY: it is asked for a number only.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap();
    // SAFETY: a mapping of its own, at any address.
    let pages = unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        libc::mmap(std::ptr::null_mut(), 3 * page, protection, flags, -1, 0)
    };
    assert_ne!(pages, libc::MAP_FAILED);
    let pages = pages.cast::<u8>();
    // SAFETY: the first and the last of the three pages; the slice is the one between them.
    let middle = unsafe {
        assert_eq!(libc::mprotect(pages.cast(), page, libc::PROT_NONE), 0);
        assert_eq!(libc::mprotect(pages.add(2 * page).cast(), page, libc::PROT_NONE), 0);
        std::slice::from_raw_parts_mut(pages.add(page), page)
    };
    for kernel in kernels() {
        for len in (0..=300).chain([page - 1, page]) {
            for start in [0, page - len] {
                let mut other = pattern(len, len);
                let slice = &mut middle[start..start + len];
                kernel.unmask_copy(KEYS[1], &other, slice);
                kernel.unmask(KEYS[1], slice);
                assert!(slice == pattern(len, len), "{} of {len} bytes", kernel.name);
                kernel.is_ascii(slice);
                kernel.unmask_copy(KEYS[1], slice, &mut other);
            }
        }
    }
    // SAFETY: what was mapped, which nothing refers to any more.
    assert_eq!(unsafe { libc::munmap(pages.cast(), 3 * page) }, 0);
}

#[test]
fn the_doors_lead_to_kernels() {
    // Miri is slow; it sees every branch with these.
    for len in (0..=300).chain([5000]).step_by(if cfg!(miri) { 7 } else { 1 }) {
        for key in KEYS {
            let source = pattern(len, 5);
            let mut expected = source.clone();
            let ascii = naive(key, &mut expected);

            let mut data = source.clone();
            assert_eq!(super::unmask(key, &mut data), ascii);
            assert_eq!(data, expected);
            assert_eq!(super::is_ascii(&expected), ascii);

            let mut appended = b"before\xff".to_vec();
            assert_eq!(super::append_unmasked(key, &source, &mut appended), ascii, "what was there does not count");
            assert_eq!(appended, [b"before\xff".as_slice(), &expected].concat());
        }
    }
}

#[test]
fn copies_of_any_length() {
    for len in (0..70).chain(2000..2100).chain([5000, 70_001]).step_by(if cfg!(miri) { 7 } else { 1 }) {
        let source = pattern(len, 5);
        let mut appended = b"before".to_vec();
        super::append(&source, &mut appended);
        assert!(appended == [b"before".as_slice(), &source].concat(), "{len}");

        let mut copied = vec![0xaa; len + 2];
        super::copy(&source, &mut copied[1..=len]);
        assert!(copied == [&[0xaa], source.as_slice(), &[0xaa]].concat(), "{len}");
    }
}

proptest! {
    #[test]
    fn any_payload(
        key: [u8; 4],
        data in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..2000),
            proptest::collection::vec(0u8..0x80, 0..2000),
        ],
        alignment in 0usize..64,
    ) {
        check_at(key, &data, alignment);
        // ... and masked first, so that what comes out may be ASCII.
        let mut masked = data.clone();
        naive(key, &mut masked);
        check_at(key, &masked, alignment);
    }
}
