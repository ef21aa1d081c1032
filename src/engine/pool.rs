//! Values that are kept for the next user.

use std::rc::Rc;
use std::sync::Arc;

use crate::connection::Waiting;

/// Keeps up to a fixed number of values.
pub(crate) struct Pool<T> {
    /// Those that were used last at the end.
    free: Vec<T>,
    max: usize,
    /// The fewest there were since the last tidying: as many at the front were not needed.
    fewest: usize,
}

impl<T> Pool<T> {
    pub(crate) fn new(max: usize) -> Pool<T> {
        Pool { free: Vec::new(), max, fewest: 0 }
    }

    pub(crate) fn take(&mut self) -> Option<T> {
        let value = self.free.pop();
        self.fewest = self.fewest.min(self.free.len());
        value
    }

    pub(crate) fn put(&mut self, value: T) {
        if self.free.len() < self.max {
            self.free.push(value);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.free.len()
    }

    /// Drops those that were not needed since the last time.
    pub(crate) fn tidy(&mut self) {
        self.free.drain(..self.fewest);
        self.fewest = self.free.len();
    }
}

/// The capacity of an output chunk: small frames lie side by side in one, so that a drain is one write. A message of
/// 16 KiB fits with its header.
pub(crate) const CHUNK_SIZE: usize = 16 * 1024 + SLACK;

/// The capacity of a chunk where much waits: four messages of 16 KiB.
pub(crate) const LARGE_CHUNK_SIZE: usize = 4 * CHUNK_SIZE;

const SLACK: usize = 16;

/// The most that chunks which nobody uses may hold.
const MAX_FREE_BYTES: usize = 4 * 1024 * 1024;

/// Output chunks of any size, up to a number of bytes in all.
#[derive(Default)]
pub(crate) struct ChunkPool {
    /// Chunks of [`CHUNK_SIZE`], and larger ones.
    small: Stack,
    large: Stack,
    bytes: usize,
}

/// Free chunks, those that were used last at the end.
#[derive(Default)]
struct Stack {
    chunks: Vec<Vec<u8>>,
    /// The fewest there were since the last tidying: as many at the front were not needed.
    fewest: usize,
}

impl Stack {
    fn remove(&mut self, index: usize) -> Vec<u8> {
        let chunk = self.chunks.remove(index);
        self.fewest = self.fewest.min(self.chunks.len());
        chunk
    }

    /// Frees what was not needed since the last time, and says how many bytes that were.
    fn tidy(&mut self) -> usize {
        let freed = self.chunks.drain(..self.fewest).map(|chunk| chunk.capacity()).sum();
        self.fewest = self.chunks.len();
        freed
    }
}

impl ChunkPool {
    /// An empty chunk with room for `len` bytes, which are [`CHUNK_SIZE`] at least, and for not many more.
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
        let stack = if len == CHUNK_SIZE { &mut self.small } else { &mut self.large };
        let fits = |chunk: &Vec<u8>| chunk.capacity() >= len && chunk.capacity() / 2 <= len;
        match stack.chunks.iter().rposition(fits) {
            Some(index) => {
                let chunk = stack.remove(index);
                self.bytes -= chunk.capacity();
                chunk
            }
            None => Vec::with_capacity(len.checked_next_multiple_of(CHUNK_SIZE).unwrap_or(len)),
        }
    }

    /// Takes a chunk back; it is freed if it is of another size than [`ChunkPool::take`] makes, or if there are many.
    pub(crate) fn put(&mut self, mut chunk: Vec<u8>) {
        let size = chunk.capacity();
        if size < CHUNK_SIZE || !size.is_multiple_of(CHUNK_SIZE) || self.bytes + size > MAX_FREE_BYTES {
            return;
        }
        chunk.clear();
        self.bytes += size;
        let stack = if size == CHUNK_SIZE { &mut self.small } else { &mut self.large };
        stack.chunks.push(chunk);
    }

    /// To be called now and then: frees chunks that were not needed since the last time.
    pub(crate) fn tidy(&mut self) {
        self.bytes -= self.small.tidy() + self.large.tidy();
    }
}

/// Frames of prepared messages that the engine's connections queued last, the very last one first. The engine has one
/// atomic reference to a frame, and its connections count theirs without.
#[derive(Default)]
pub(crate) struct PreparedPool {
    frames: [Option<Rc<Waiting>>; MAX_PREPARED],
}

/// A message has a form for each window size, and connections of a few sizes may take turns.
const MAX_PREPARED: usize = 4;

impl PreparedPool {
    /// The engine's reference to a frame.
    #[inline]
    pub(crate) fn share(&mut self, frame: &Arc<[u8]>) -> Rc<Waiting> {
        match &self.frames[0] {
            Some(last) if is_frame(last, frame) => Rc::clone(last),
            _ => self.find_or_add(frame),
        }
    }

    #[cold]
    fn find_or_add(&mut self, frame: &Arc<[u8]>) -> Rc<Waiting> {
        let found = self.frames.iter().position(|kept| kept.as_ref().is_some_and(|kept| is_frame(kept, frame)));
        let place = found.unwrap_or_else(|| {
            self.tidy();
            let place = self.frames.iter().position(Option::is_none).unwrap_or(MAX_PREPARED - 1);
            self.frames[place] = None;
            place
        });
        self.frames[..=place].rotate_right(1);
        let first = &mut self.frames[0];
        Rc::clone(first.get_or_insert_with(|| Rc::new(Waiting::Prepared(Arc::clone(frame)))))
    }

    /// Forgets the frames that nobody else has.
    pub(crate) fn tidy(&mut self) {
        for slot in &mut self.frames {
            slot.take_if(|kept| Rc::strong_count(kept) == 1 && is_given_up(kept));
        }
    }
}

fn is_frame(waiting: &Rc<Waiting>, frame: &Arc<[u8]>) -> bool {
    matches!(&**waiting, Waiting::Prepared(shared) if Arc::ptr_eq(shared, frame))
}

/// Whether the application and all other engines have given a frame up.
#[inline]
pub(crate) fn is_given_up(frame: &Rc<Waiting>) -> bool {
    matches!(&**frame, Waiting::Prepared(frame) if Arc::strong_count(frame) == 1)
}
