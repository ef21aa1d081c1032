//! Bytes that wait to be written: appended at the back, taken at the front, never moved in between.

use std::collections::VecDeque;

use crate::engine::{CHUNK_SIZE, Shared};
use crate::error::Error;
use crate::frame::{Header, mask};

/// The output of one connection. Chunks are filled up to their capacity and never grow, so a slice that was handed out
/// stays where it is until it is consumed, whatever is queued behind it.
#[derive(Default)]
pub(crate) struct OutputQueue {
    chunks: VecDeque<Vec<u8>>,
    /// Bytes of the first chunk that were taken.
    taken: usize,
    /// Bytes that wait in all.
    len: usize,
}

impl OutputQueue {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Appends a frame, masking its payload if the header has a key.
    pub(crate) fn push_frame(&mut self, header: &Header, payload: &[u8], shared: &Shared) {
        let head = header.encode();
        let chunk = self.room_for(head.as_bytes().len() + payload.len(), shared);
        chunk.extend_from_slice(head.as_bytes());
        let start = chunk.len();
        chunk.extend_from_slice(payload);
        if let Some(key) = header.mask {
            mask::apply(key, 0, &mut chunk[start..]);
        }
        self.grew(head.as_bytes().len() + payload.len(), shared);
    }

    /// Appends bytes that are complete as they are.
    pub(crate) fn push_bytes(&mut self, bytes: Vec<u8>, shared: &Shared) {
        self.grew(bytes.len(), shared);
        self.chunks.push_back(bytes);
    }

    /// The slices that wait, oldest first.
    pub(crate) fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().enumerate().map(|(i, chunk)| if i == 0 { &chunk[self.taken..] } else { &chunk[..] })
    }

    /// Gives up the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize, shared: &Shared) -> Result<(), Error> {
        if count > self.len {
            return Err(Error::InvalidArgument("more bytes consumed than there were to take"));
        }
        self.len -= count;
        shared.metrics.taken(count);
        self.taken += count;
        while let Some(first) = self.chunks.front() {
            let partly_taken = self.taken < first.len();
            if partly_taken {
                break;
            }
            self.taken -= first.len();
            if let Some(chunk) = self.chunks.pop_front() {
                shared.return_chunk(chunk);
            }
        }
        if self.chunks.is_empty() {
            self.chunks = VecDeque::new(); // an idle connection holds no buffer
        }
        Ok(())
    }

    fn grew(&mut self, bytes: usize, shared: &Shared) {
        self.len += bytes;
        shared.metrics.queued(bytes, self.len);
    }

    /// A chunk in which `len` more bytes fit without moving those that are there.
    fn room_for(&mut self, len: usize, shared: &Shared) -> &mut Vec<u8> {
        let fits = self.chunks.back().is_some_and(|chunk| chunk.capacity() - chunk.len() >= len);
        if !fits {
            let chunk = if len <= CHUNK_SIZE { shared.take_chunk() } else { Vec::with_capacity(len) };
            self.chunks.push_back(chunk);
        }
        self.chunks.back_mut().expect("a chunk was there or was just added")
    }
}
