//! The operating system's random bytes, fetched a block at a time.

use crate::error::Error;

/// Keys of 64 frames per system call.
const BLOCK: usize = 256;

pub(crate) struct RandomSource {
    block: [u8; BLOCK],
    used: usize,
}

impl RandomSource {
    pub(crate) fn new() -> RandomSource {
        RandomSource { block: [0; BLOCK], used: BLOCK }
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        const { assert!(N <= BLOCK) };
        if self.block.len() - self.used < N {
            getrandom::fill(&mut self.block).map_err(|_| Error::Random)?;
            self.used = 0;
        }
        let mut bytes = [0; N];
        let next = &mut self.block[self.used..self.used + N];
        bytes.copy_from_slice(next);
        next.fill(0); // a key that was used is not left in memory
        self.used += N;
        Ok(bytes)
    }
}
