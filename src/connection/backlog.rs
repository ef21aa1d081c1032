//! Bytes that wait to be written: appended at the back, taken at the front, never moved in between.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use crate::connection::output::{Slices, Waiting};
use crate::engine::{CHUNK_SIZE, LARGE_CHUNK_SIZE, Shared};
use crate::frame::Header;
use crate::simd;

/// Output that waits; borrowed from the engine's pool. Chunks are filled up to their capacity and never grow, so a slice
/// that was handed out stays where it is until it is consumed, whatever is queued behind it. A frame lies in one chunk.
#[derive(Default)]
pub(crate) struct Backlog {
    /// Chunks that are complete.
    chunks: VecDeque<Chunk>,
    /// The chunk behind them, where frames are appended; if it is empty, it does not count as one.
    tail: Vec<u8>,
    /// Bytes of the first chunk that were taken.
    taken: usize,
    /// Bytes that wait in all.
    len: usize,
    /// How long the tail may become by frames that are appended without a look at anything else: see
    /// [`Backlog::append_ready`]. 0: none may.
    ready: usize,
    /// The room of all chunks that are not shared.
    capacity: usize,
    /// Chunks at the front that keep their place: they were lent, or are the head of a handshake or the rest of a frame.
    settled: Cell<usize>,
    /// Chunks at the front up to the last one with a control frame: control frames do not overtake each other.
    controls: usize,
    /// Bytes up to the end of our close frame, if that waits. Nothing overtakes it.
    to_close: usize,
    /// The pong that is to be queued when more was taken.
    pub(crate) owed_pong: Option<Box<[u8]>>,
}

pub(crate) enum Chunk {
    /// Frames side by side.
    Own(Vec<u8>),
    /// Control frames that overtook others.
    Urgent(Vec<u8>),
    /// The rest of a frame that the host wrote in part. Only more of it comes before.
    Rest(Vec<u8>),
    /// One frame of a prepared message.
    Prepared(Rc<Waiting>),
}

/// A prepared frame up to this size is copied: one write of bytes side by side beats a slice of its own.
const MAX_COPIED: usize = 512;

/// More chunks than this are so seldom that the room for them is not kept.
const MAX_KEPT_CHUNKS: usize = 64;

impl Backlog {
    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether our close frame is not yet taken.
    pub(crate) fn close_waits(&self) -> bool {
        self.to_close > 0
    }

    /// Whether a control frame is not yet taken.
    pub(crate) fn control_waits(&self) -> bool {
        self.controls > 0
    }

    /// Something waits, or is owed.
    pub(crate) fn is_in_use(&self) -> bool {
        self.len > 0 || self.owed_pong.is_some()
    }

    /// Makes one that is no longer in use as new, but with room for chunks, and with one of them.
    pub(crate) fn reset(&mut self, shared: &Shared) {
        if self.chunks.capacity() > MAX_KEPT_CHUNKS {
            self.chunks = VecDeque::new();
        }
        if self.tail.capacity() != CHUNK_SIZE {
            shared.return_chunk(std::mem::take(&mut self.tail));
        }
        self.capacity = self.tail.capacity();
    }

    /// Appends a frame, masking its payload if the header has a key. Returns how many bytes wait then.
    #[inline(always)]
    pub(crate) fn push_frame(&mut self, header: &Header, payload: &[u8], shared: &Shared) -> usize {
        let len = header.encoded_len() + payload.len();
        write_frame(header, payload, self.room_for(len, shared));
        self.grow(len, shared);
        self.len
    }

    /// More plain messages of a server may follow, of so many bytes in all, if there is room for them, until something else
    /// is appended or something taken, or [`Backlog::end_ready`].
    #[inline(always)]
    pub(crate) fn make_ready(&mut self, allowed: usize) {
        self.ready = self.tail.len().saturating_add(allowed).min(self.tail.capacity());
    }

    pub(crate) fn end_ready(&mut self) {
        self.ready = 0;
    }

    /// Appends a frame behind others, if there was found to be room. Returns how many bytes wait then. `None`: there is no
    /// room, or it is not all ASCII though that was asked for, and nothing was changed.
    #[inline(always)]
    pub(crate) fn append_ready<const HEADER: usize>(
        &mut self,
        header: [u8; HEADER],
        payload: &[u8],
        only_ascii: bool,
    ) -> Option<usize> {
        let end = self.tail.len() + HEADER + payload.len();
        if end > self.ready || !simd::append_frame(header, payload, only_ascii, &mut self.tail) {
            return None;
        }
        self.len += HEADER + payload.len();
        Some(self.len)
    }

    /// Appends our close frame.
    pub(crate) fn push_close(&mut self, header: &Header, payload: &[u8], shared: &Shared) {
        self.push_frame(header, payload, shared);
        self.to_close = self.len;
    }

    /// Queues a ping or pong ahead of what may still be overtaken (RFC 6455, 5.4: control frames may come between the
    /// frames of a message), so that a backlog does not hold it up.
    pub(crate) fn push_urgent(&mut self, header: &Header, payload: &[u8], shared: &Shared) {
        let len = header.encoded_len() + payload.len();
        let first_free = self.settled.get().max(usize::from(self.taken > 0));
        let place = if self.to_close > 0 { self.count() } else { first_free.max(self.controls) };
        if self.count() <= place + 1 {
            write_frame(header, payload, self.room_for(len, shared));
            self.controls = self.count();
        } else if place > first_free
            && let Some(Chunk::Urgent(bytes)) = self.chunks.get_mut(place - 1)
            && bytes.capacity() - bytes.len() >= len
        {
            write_frame(header, payload, bytes);
        } else {
            let mut bytes = shared.take_chunk(CHUNK_SIZE);
            write_frame(header, payload, &mut bytes);
            self.capacity += bytes.capacity();
            self.chunks.insert(place, Chunk::Urgent(bytes));
            self.controls = place + 1;
        }
        self.grow(len, shared);
    }

    /// Appends a frame that many connections share. Returns how many bytes wait then.
    pub(crate) fn push_prepared(&mut self, frame: &Arc<[u8]>, shared: &Shared) -> usize {
        if frame.len() <= MAX_COPIED {
            self.room_for(frame.len(), shared).extend_from_slice(frame);
        } else {
            self.end_tail();
            self.chunks.push_back(Chunk::Prepared(shared.share_prepared(frame)));
        }
        self.grow(frame.len(), shared);
        self.len
    }

    /// Queues bytes of a frame that the host wrote in part: before all that was queued since that began and was not lent
    /// since, and behind those that were queued so before. Nothing overtakes them. Returns how many bytes wait then.
    pub(crate) fn push_rest(&mut self, rest: &[u8], shared: &Shared) -> usize {
        let place = self.chunks.partition_point(|chunk| matches!(chunk, Chunk::Rest(_)));
        match self.chunks.range_mut(..place).next_back() {
            Some(Chunk::Rest(bytes)) if bytes.capacity() - bytes.len() >= rest.len() => simd::append(rest, bytes),
            _ => {
                let mut bytes = shared.take_chunk(rest.len().max(CHUNK_SIZE));
                simd::append(rest, &mut bytes);
                self.capacity += bytes.capacity();
                self.chunks.insert(place, Chunk::Rest(bytes));
                self.settled.update(|settled| settled + 1);
                self.controls += usize::from(self.controls > 0);
            }
        }
        if self.to_close > 0 {
            self.to_close += rest.len();
        }
        self.grow(rest.len(), shared);
        self.len
    }

    /// Begins with a frame that waited alone. It may have been lent.
    pub(crate) fn begin_with(&mut self, prepared: Rc<Waiting>) {
        let chunk = Chunk::Prepared(prepared);
        self.len = chunk.bytes().len();
        self.chunks.push_back(chunk);
        self.settled.set(1);
    }

    /// Appends the head of a handshake, which nothing may overtake. `write` appends at most `max_len` bytes.
    pub(crate) fn write_head(&mut self, max_len: usize, write: impl FnOnce(&mut Vec<u8>), shared: &Shared) {
        let chunk = self.room_for(max_len, shared);
        let before = chunk.len();
        write(chunk);
        let written = chunk.len() - before;
        self.settled.set(self.count());
        self.grow(written, shared);
    }

    /// The same, of a head that is there.
    pub(crate) fn push_head(&mut self, bytes: Vec<u8>, shared: &Shared) {
        self.grow(bytes.len(), shared);
        self.end_tail();
        self.capacity += bytes.capacity();
        self.chunks.push_back(Chunk::Own(bytes));
        self.settled.set(self.count());
    }

    pub(crate) fn slices(&self) -> Slices<'_> {
        Slices::of_backlog(self.chunks.iter(), &self.tail, self.taken, &self.settled)
    }

    /// What waits, if it is one slice. It keeps its place.
    #[inline(always)]
    pub(crate) fn only_slice(&self) -> Option<&[u8]> {
        if !self.chunks.is_empty() || self.tail.is_empty() {
            return None;
        }
        self.settled.set(1);
        self.tail.get(self.taken..)
    }

    /// Gives up the first `count` bytes, which wait.
    #[inline(always)]
    pub(crate) fn consume(&mut self, count: usize, shared: &Shared) {
        self.ready = 0;
        self.len -= count;
        self.to_close = self.to_close.saturating_sub(count);
        self.taken += count;
        while let Some(first) = self.chunks.front() {
            let len = first.bytes().len();
            if self.taken < len {
                return;
            }
            self.pass_first(len);
            match self.chunks.pop_front() {
                Some(Chunk::Own(bytes) | Chunk::Urgent(bytes) | Chunk::Rest(bytes)) => {
                    self.capacity -= bytes.capacity();
                    shared.return_chunk(bytes);
                }
                Some(Chunk::Prepared(frame)) => shared.return_prepared(frame),
                None => {}
            }
        }
        if self.len == 0 {
            self.pass_first(self.tail.len());
            self.tail.clear();
        }
    }

    /// The first chunk, of this length, was taken.
    fn pass_first(&mut self, len: usize) {
        self.taken -= len;
        self.settled.set(self.settled.get().saturating_sub(1));
        self.controls = self.controls.saturating_sub(1);
    }

    fn grow(&mut self, len: usize, shared: &Shared) {
        self.ready = 0;
        self.len += len;
        shared.metrics.queued(len, self.len);
    }

    /// Chunks that hold something.
    fn count(&self) -> usize {
        self.chunks.len() + usize::from(!self.tail.is_empty())
    }

    /// A chunk in which `len` more bytes fit without moving those that are there. What is larger than a chunk lies apart,
    /// so that control frames find a place before and behind it.
    #[inline(always)]
    fn room_for(&mut self, len: usize, shared: &Shared) -> &mut Vec<u8> {
        if self.tail.capacity() - self.tail.len() < len || len > CHUNK_SIZE {
            self.begin_tail(len, shared);
        }
        &mut self.tail
    }

    /// Makes room for `len` bytes in another chunk: a large one where much waits, so that few slices hold it, but only if
    /// no more than half of the memory is empty then.
    #[cold]
    fn begin_tail(&mut self, len: usize, shared: &Shared) {
        self.end_tail();
        let unused = std::mem::take(&mut self.tail);
        self.capacity -= unused.capacity();
        shared.return_chunk(unused);
        let is_large_fine = self.len.saturating_mul(2).saturating_sub(self.capacity) >= LARGE_CHUNK_SIZE;
        self.tail = shared.take_chunk(match len {
            _ if len > CHUNK_SIZE => len,
            _ if is_large_fine => LARGE_CHUNK_SIZE,
            _ => CHUNK_SIZE,
        });
        self.capacity += self.tail.capacity();
    }

    /// Nothing more is appended to the last chunk.
    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.chunks.push_back(Chunk::Own(std::mem::take(&mut self.tail)));
        }
    }
}

impl Chunk {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Own(bytes) | Chunk::Urgent(bytes) | Chunk::Rest(bytes) => bytes,
            Chunk::Prepared(frame) => match &**frame {
                Waiting::Prepared(bytes) => bytes,
                Waiting::Backlog(_) => &[], // never: a backlog is not shared
            },
        }
    }
}

/// Writes a frame where there is room for it, masked if the header has a key.
#[inline(always)]
fn write_frame(header: &Header, payload: &[u8], chunk: &mut Vec<u8>) {
    header.append_to(chunk);
    match header.mask {
        None => simd::append(payload, chunk),
        Some(key) => _ = simd::append_unmasked(key, payload, chunk),
    }
}
