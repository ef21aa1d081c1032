//! The last bytes that were inflated: what a peer may refer back to.

/// A ring of at most one window. It grows with what there is to remember, so a young connection pays little.
#[derive(Debug)]
pub(crate) struct History {
    bytes: Vec<u8>,
    /// The oldest byte, once `bytes` is a whole window; 0 before.
    oldest: usize,
    window: usize,
}

impl History {
    /// Remembers 2^`window_bits` bytes.
    pub(super) fn new(window_bits: u8) -> History {
        History { bytes: Vec::new(), oldest: 0, window: 1 << window_bits }
    }

    /// Forgets everything, and remembers 2^`window_bits` bytes from now on.
    pub(super) fn reset(&mut self, window_bits: u8) {
        self.window = 1 << window_bits;
        self.clear();
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.oldest = 0;
    }

    /// Bytes that it takes.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn extend(&mut self, new: &[u8]) {
        if let Some(start) = new.len().checked_sub(self.window) {
            self.clear();
            self.grow(&new[start..]);
            return;
        }
        let (grown, rest) = new.split_at(new.len().min(self.window - self.bytes.len()));
        self.grow(grown);
        let (end, start) = rest.split_at(rest.len().min(self.window - self.oldest));
        self.bytes[self.oldest..self.oldest + end.len()].copy_from_slice(end);
        self.bytes[..start.len()].copy_from_slice(start);
        self.oldest = (self.oldest + rest.len()) % self.window;
    }

    /// Oldest first.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        let (new, old) = self.bytes.split_at(self.oldest);
        [old, new]
    }

    /// Never beyond a window, which doubling could be.
    fn grow(&mut self, new: &[u8]) {
        let len = self.bytes.len() + new.len();
        if len > self.bytes.capacity() {
            let capacity = len.max(self.bytes.capacity() * 2).min(self.window);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(new);
    }
}
