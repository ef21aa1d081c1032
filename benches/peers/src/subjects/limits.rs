//! Not peers, but what bounds them: passes over the same bytes in the same reads, without a protocol. They know where
//! each payload lies, deliver nothing, and put no message together.

use crate::job::{Job, Kind, READ, Run, Subject, Tally, copy};

/// In smaller reads they would be all calls.
const LEAST: usize = 4 * 1024;

#[derive(Clone, Copy)]
enum Limit {
    /// The simulated recv() alone.
    Memcpy,
    /// And all of it XORed in place.
    Xor,
    /// And each payload unmasked in place with its own key, and looked at for high bits, in one pass.
    Ideal,
}

pub fn all() -> Vec<Box<dyn Subject>> {
    vec![Box::new(Limit::Memcpy), Box::new(Limit::Xor), Box::new(Limit::Ideal)]
}

impl Subject for Limit {
    fn name(&self) -> String {
        match self {
            Limit::Memcpy => "limit: memcpy",
            Limit::Xor => "limit: memcpy, XOR",
            Limit::Ideal => "limit: memcpy, unmask + ASCII check",
        }
        .into()
    }

    fn make(&self, job: &Job) -> Option<Box<dyn Run>> {
        (job.kind == Kind::Receive && job.read_size >= LEAST)
            .then(|| Box::new(LimitRun { limit: *self, job: *job, buffer: vec![0; READ] }) as Box<dyn Run>)
    }
}

struct LimitRun {
    limit: Limit,
    job: Job,
    buffer: Vec<u8>,
}

impl Run for LimitRun {
    fn pass(&mut self, _: &mut Tally) {
        let mut walk = Walk { remaining: 0, key: 0, header: Vec::new() };
        let mut high = false;
        for read in self.job.input.get().chunks(self.job.read_size) {
            let buffer = &mut self.buffer[..read.len()];
            copy(read, buffer);
            match self.limit {
                Limit::Memcpy => {}
                Limit::Xor => high |= unmask(buffer, 0x1234_5678),
                Limit::Ideal => high |= walk.read(buffer),
            }
            std::hint::black_box(buffer.as_ptr());
        }
        std::hint::black_box(high);
    }
}

/// Where in a frame a read begins.
struct Walk {
    remaining: usize,
    key: u32,
    header: Vec<u8>,
}

impl Walk {
    fn read(&mut self, mut bytes: &mut [u8]) -> bool {
        let mut high = false;
        loop {
            let here = self.remaining.min(bytes.len());
            let (payload, rest) = bytes.split_at_mut(here);
            high |= unmask(payload, self.key);
            self.remaining -= here;
            self.key = self.key.rotate_right(8 * (here as u32 % 4));
            if rest.is_empty() {
                return high;
            }
            let Some(len) = self.take_header(rest) else { return high };
            bytes = &mut rest[len..];
        }
    }

    /// Reads a header, or what there is of it; returns its length in this read.
    #[inline(always)]
    fn take_header(&mut self, bytes: &[u8]) -> Option<usize> {
        if !self.header.is_empty() || bytes.len() < 14 {
            return self.take_split_header(bytes);
        }
        let (payload, key) = match bytes[1] & 0x7f {
            126 => (u16::from_be_bytes([bytes[2], bytes[3]]) as usize, 4),
            127 => (u64::from_be_bytes(bytes[2..10].try_into().expect("8 bytes")) as usize, 10),
            len => (len as usize, 2),
        };
        self.remaining = payload;
        self.key = u32::from_le_bytes(bytes[key..key + 4].try_into().expect("4 bytes"));
        Some(key + 4)
    }

    #[cold]
    fn take_split_header(&mut self, bytes: &[u8]) -> Option<usize> {
        for (index, byte) in bytes.iter().enumerate() {
            self.header.push(*byte);
            let complete = match self.header.get(1).map(|byte| byte & 0x7f) {
                None => false,
                Some(126) => self.header.len() == 8,
                Some(127) => self.header.len() == 14,
                Some(_) => self.header.len() == 6,
            };
            if complete {
                let mut header = std::mem::take(&mut self.header);
                header.resize(14, 0);
                self.take_header(&header);
                return Some(index + 1);
            }
        }
        None
    }
}

/// XORs in place; whether a byte had its high bit set afterwards.
#[inline(always)]
fn unmask(bytes: &mut [u8], key: u32) -> bool {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= 64 && std::is_x86_feature_detected!("avx2") {
        // SAFETY: there is AVX2.
        return unsafe { unmask_avx2(bytes, key) };
    }
    unmask_words(bytes, key)
}

#[inline(always)]
fn unmask_words(bytes: &mut [u8], key: u32) -> bool {
    let key64 = u64::from(key) << 32 | u64::from(key);
    let mut high = 0u64;
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for word in words {
        let plain = u64::from_le_bytes(*word) ^ key64;
        high |= plain;
        *word = plain.to_le_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.to_le_bytes().iter().cycle()) {
        *byte ^= key;
        high |= u64::from(*byte);
    }
    high & 0x8080_8080_8080_8080 != 0
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn unmask_avx2(bytes: &mut [u8], key: u32) -> bool {
    use std::arch::x86_64::*;
    let (blocks, tail) = bytes.as_chunks_mut::<128>();
    let keys = _mm256_set1_epi32(key as i32);
    let mut high = _mm256_setzero_si256();
    for block in blocks {
        let at = block.as_mut_ptr().cast::<__m256i>();
        for index in 0..4 {
            // SAFETY: four of them are a block.
            unsafe {
                let plain = _mm256_xor_si256(_mm256_loadu_si256(at.add(index)), keys);
                high = _mm256_or_si256(high, plain);
                _mm256_storeu_si256(at.add(index), plain);
            }
        }
    }
    let tail_is_high = unmask_words(tail, key);
    _mm256_movemask_epi8(high) != 0 || tail_is_high
}
