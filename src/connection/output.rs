//! Bytes that wait to be written: appended at the back, taken at the front, never moved in between.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::engine::{CHUNK_SIZE, Shared};
use crate::error::Error;
use crate::frame::header::EncodedHeader;
use crate::frame::{Header, mask};

/// The output of one connection: while none waits, nothing but a place for it.
#[derive(Default)]
pub(crate) struct OutputQueue(Option<Box<Backlog>>);

/// Output that waits; borrowed from the engine's pool. Chunks are filled up to their capacity and never grow, so a slice
/// that was handed out stays where it is until it is consumed, whatever is queued behind it. A frame lies in one chunk.
#[derive(Default)]
pub(crate) struct Backlog {
    chunks: VecDeque<Chunk>,
    /// Bytes of the first chunk that were taken.
    taken: usize,
    /// Bytes that wait in all.
    len: usize,
    /// Chunks at the front that keep their place: they were lent, or are the head of a handshake.
    settled: Cell<usize>,
    /// Chunks at the front up to the last one with a control frame: control frames do not overtake each other.
    controls: usize,
    /// Bytes up to the end of our close frame, if that waits. Nothing overtakes it.
    to_close: usize,
    /// The pong that is to be queued when more was taken.
    pub(crate) owed_pong: Option<Box<[u8]>>,
}

enum Chunk {
    /// Frames side by side.
    Own(Vec<u8>),
    /// Control frames that overtook others.
    Urgent(Vec<u8>),
    /// One frame of a prepared message.
    Prepared(Arc<[u8]>),
}

/// A prepared frame up to this size is copied: one write of bytes side by side beats a slice of its own.
const MAX_COPIED: usize = 512;

/// More chunks than this are so seldom that the room for them is not kept.
const MAX_KEPT_CHUNKS: usize = 64;

impl OutputQueue {
    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.len)
    }

    /// Whether our close frame is not yet taken.
    pub(crate) fn close_waits(&self) -> bool {
        self.0.as_ref().is_some_and(|backlog| backlog.to_close > 0)
    }

    /// Whether a control frame is not yet taken.
    pub(crate) fn control_waits(&self) -> bool {
        self.0.as_ref().is_some_and(|backlog| backlog.controls > 0)
    }

    /// Where to append.
    pub(crate) fn backlog(&mut self, shared: &Shared) -> &mut Backlog {
        self.0.get_or_insert_with(|| shared.take_backlog())
    }

    pub(crate) fn take_owed_pong(&mut self) -> Option<Box<[u8]>> {
        self.0.as_mut()?.owed_pong.take()
    }

    /// The slices that wait, oldest first. Those that were looked at keep their place.
    pub(crate) fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().flat_map(|backlog| backlog.slices())
    }

    /// Gives up the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize, shared: &Shared) -> Result<(), Error> {
        if count > self.len() {
            return Err(Error::InvalidArgument("more bytes consumed than there were to take"));
        }
        if let Some(backlog) = &mut self.0 {
            backlog.consume(count, shared);
        }
        if let Some(empty) = self.0.take_if(|backlog| backlog.chunks.is_empty() && backlog.owed_pong.is_none()) {
            shared.return_backlog(empty);
        }
        Ok(())
    }
}

impl Backlog {
    /// As new, but with room for chunks.
    pub(crate) fn reset(&mut self) {
        let mut chunks = std::mem::take(&mut self.chunks);
        chunks.clear();
        if chunks.capacity() > MAX_KEPT_CHUNKS {
            chunks = VecDeque::new();
        }
        *self = Backlog { chunks, ..Backlog::default() };
    }

    /// Appends a frame, masking its payload if the header has a key.
    pub(crate) fn push_frame(&mut self, header: &Header, payload: &[u8], shared: &Shared) {
        let frame = Frame::new(header, payload);
        frame.write(self.room_for(frame.len(), shared));
        self.grow(frame.len(), shared);
    }

    /// Appends our close frame.
    pub(crate) fn push_close(&mut self, header: &Header, payload: &[u8], shared: &Shared) {
        self.push_frame(header, payload, shared);
        self.to_close = self.len;
    }

    /// Queues a ping or pong ahead of what may still be overtaken (RFC 6455, 5.4: control frames may come between the
    /// frames of a message), so that a backlog does not hold it up.
    pub(crate) fn push_urgent(&mut self, header: &Header, payload: &[u8], shared: &Shared) {
        let first_free = self.settled.get().max(usize::from(self.taken > 0));
        let place = if self.to_close > 0 { self.chunks.len() } else { first_free.max(self.controls) };
        let frame = Frame::new(header, payload);
        let len = frame.len();
        if self.chunks.len() <= place + 1 {
            frame.write(self.room_for(len, shared));
            self.controls = self.chunks.len();
        } else if place > first_free
            && let Some(Chunk::Urgent(bytes)) = self.chunks.get_mut(place - 1)
            && bytes.capacity() - bytes.len() >= len
        {
            frame.write(bytes);
        } else {
            let mut bytes = shared.take_chunk();
            frame.write(&mut bytes);
            self.chunks.insert(place, Chunk::Urgent(bytes));
            self.controls = place + 1;
        }
        self.grow(len, shared);
    }

    /// Appends a frame that many connections share.
    pub(crate) fn push_prepared(&mut self, frame: &Arc<[u8]>, shared: &Shared) {
        if frame.len() <= MAX_COPIED {
            self.room_for(frame.len(), shared).extend_from_slice(frame);
        } else {
            self.chunks.push_back(Chunk::Prepared(Arc::clone(frame)));
        }
        self.grow(frame.len(), shared);
    }

    /// Appends the head of a handshake, which nothing may overtake. `write` appends at most `max_len` bytes.
    pub(crate) fn write_head(&mut self, max_len: usize, write: impl FnOnce(&mut Vec<u8>), shared: &Shared) {
        let chunk = self.room_for(max_len, shared);
        let before = chunk.len();
        write(chunk);
        let written = chunk.len() - before;
        self.settled.set(self.chunks.len());
        self.grow(written, shared);
    }

    /// Appends the head of a handshake, which nothing may overtake.
    pub(crate) fn push_head(&mut self, bytes: Vec<u8>, shared: &Shared) {
        self.grow(bytes.len(), shared);
        self.chunks.push_back(Chunk::Own(bytes));
        self.settled.set(self.chunks.len());
    }

    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().enumerate().map(|(i, chunk)| {
            self.settled.set(self.settled.get().max(i + 1));
            if i == 0 { &chunk.bytes()[self.taken..] } else { chunk.bytes() }
        })
    }

    fn consume(&mut self, count: usize, shared: &Shared) {
        self.len -= count;
        self.to_close = self.to_close.saturating_sub(count);
        shared.metrics.taken(count);
        self.taken += count;
        while let Some(first) = self.chunks.front() {
            let len = first.bytes().len();
            if self.taken < len {
                break;
            }
            self.taken -= len;
            self.settled.set(self.settled.get().saturating_sub(1));
            self.controls = self.controls.saturating_sub(1);
            if let Some(Chunk::Own(bytes) | Chunk::Urgent(bytes)) = self.chunks.pop_front() {
                shared.return_chunk(bytes);
            }
        }
    }

    fn grow(&mut self, len: usize, shared: &Shared) {
        self.len += len;
        shared.metrics.queued(len, self.len);
    }

    /// A chunk in which `len` more bytes fit without moving those that are there.
    fn room_for(&mut self, len: usize, shared: &Shared) -> &mut Vec<u8> {
        let fits = matches!(self.chunks.back(), Some(Chunk::Own(bytes)) if bytes.capacity() - bytes.len() >= len);
        if !fits {
            let chunk = if len <= CHUNK_SIZE { shared.take_chunk() } else { Vec::with_capacity(len) };
            self.chunks.push_back(Chunk::Own(chunk));
        }
        match self.chunks.back_mut() {
            Some(Chunk::Own(bytes)) => bytes,
            _ => unreachable!("such a chunk was there or was just added"),
        }
    }
}

impl Chunk {
    fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Own(bytes) | Chunk::Urgent(bytes) => bytes,
            Chunk::Prepared(bytes) => bytes,
        }
    }
}

/// A frame to write.
struct Frame<'p> {
    header: EncodedHeader,
    mask: Option<[u8; 4]>,
    payload: &'p [u8],
}

impl<'p> Frame<'p> {
    fn new(header: &Header, payload: &'p [u8]) -> Frame<'p> {
        Frame { header: header.encode(), mask: header.mask, payload }
    }

    fn len(&self) -> usize {
        self.header.as_bytes().len() + self.payload.len()
    }

    /// Masks it where it is written.
    fn write(&self, chunk: &mut Vec<u8>) {
        chunk.extend_from_slice(self.header.as_bytes());
        let start = chunk.len();
        chunk.extend_from_slice(self.payload);
        if let Some(key) = self.mask {
            mask::apply(key, 0, &mut chunk[start..]);
        }
    }
}
