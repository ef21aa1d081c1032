//! The output of a connection: nothing, one frame that it shares with others, or a backlog.

use std::cell::Cell;
use std::collections::vec_deque;
use std::rc::Rc;
use std::sync::Arc;

use crate::connection::backlog::{Backlog, Chunk};
use crate::engine::Shared;
use crate::error::Error;

/// The output of one connection: one pointer, and nothing behind it while no output waits.
#[derive(Default)]
pub(crate) struct OutputQueue(Option<Rc<Waiting>>);

/// What waits.
pub(crate) enum Waiting {
    /// One frame of a prepared message, shared by all connections of the engine that wait to write it. The count of who
    /// does is not atomic: the engine holds the one atomic reference for all of them.
    Prepared(Arc<[u8]>),
    /// Anything else. It belongs to one connection alone; borrowed from the engine's pool.
    Backlog(Backlog),
}

impl OutputQueue {
    /// Bytes that wait.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        match self.0.as_deref() {
            None => 0,
            Some(Waiting::Prepared(frame)) => frame.len(),
            Some(Waiting::Backlog(backlog)) => backlog.len(),
        }
    }

    /// Whether our close frame is not yet taken.
    pub(crate) fn close_waits(&self) -> bool {
        matches!(self.0.as_deref(), Some(Waiting::Backlog(backlog)) if backlog.close_waits())
    }

    /// Whether a control frame is not yet taken.
    pub(crate) fn control_waits(&self) -> bool {
        matches!(self.0.as_deref(), Some(Waiting::Backlog(backlog)) if backlog.control_waits())
    }

    /// Where to append.
    #[inline(always)]
    pub(crate) fn backlog(&mut self, shared: &Shared) -> &mut Backlog {
        if !matches!(self.0.as_deref(), Some(Waiting::Backlog(_))) {
            self.begin_backlog(shared);
        }
        match self.0.as_mut().and_then(Rc::get_mut) {
            Some(Waiting::Backlog(backlog)) => backlog,
            _ => unreachable!("a backlog was there or was just made, and nobody shares it"),
        }
    }

    /// What waits, unless it is nothing or a prepared frame alone.
    #[inline(always)]
    pub(crate) fn own_backlog(&mut self) -> Option<&mut Backlog> {
        match Rc::get_mut(self.0.as_mut()?)? {
            Waiting::Backlog(backlog) => Some(backlog),
            Waiting::Prepared(_) => None,
        }
    }

    /// What comes next is appended with a look at everything: see [`Backlog::make_ready`].
    pub(crate) fn end_ready(&mut self) {
        if let Some(backlog) = self.own_backlog() {
            backlog.end_ready();
        }
    }

    #[cold]
    fn begin_backlog(&mut self, shared: &Shared) {
        let first = self.0.replace(shared.take_backlog());
        if let Some(prepared) = first {
            self.backlog(shared).begin_with(prepared);
        }
    }

    /// Appends a frame that many connections share: one pointer, whatever its size, if it is the only one. Returns how
    /// many bytes wait then.
    #[inline(always)]
    pub(crate) fn push_prepared(&mut self, frame: &Arc<[u8]>, shared: &Shared) -> usize {
        if self.0.is_none() {
            self.0 = Some(shared.share_prepared(frame));
            shared.metrics.queued(frame.len(), frame.len());
            frame.len()
        } else {
            self.backlog(shared).push_prepared(frame, shared)
        }
    }

    /// A prepared frame, of which the engine's reference is this, is all that waits from now on. Nothing may wait.
    #[inline(always)]
    pub(crate) fn wait_for(&mut self, frame: &Rc<Waiting>) {
        self.0 = Some(Rc::clone(frame));
    }

    /// Whether it is all that waits.
    #[inline(always)]
    pub(crate) fn waits_for(&self, frame: &Rc<Waiting>) -> bool {
        self.0.as_ref().is_some_and(|waiting| Rc::ptr_eq(waiting, frame))
    }

    /// The prepared frame, if that is all that waits.
    pub(crate) fn prepared_alone(&self) -> Option<&Rc<Waiting>> {
        self.0.as_ref().filter(|waiting| matches!(***waiting, Waiting::Prepared(_)))
    }

    /// The prepared frame that is all that waits was taken; not its last owner.
    #[inline(always)]
    pub(crate) fn clear_prepared(&mut self) {
        self.0 = None;
    }

    pub(crate) fn take_owed_pong(&mut self) -> Option<Box<[u8]>> {
        match Rc::get_mut(self.0.as_mut()?)? {
            Waiting::Backlog(backlog) => backlog.owed_pong.take(),
            Waiting::Prepared(_) => None,
        }
    }

    /// The slices that wait, oldest first. Those that were looked at keep their place.
    #[inline(always)]
    pub(crate) fn slices(&self) -> Slices<'_> {
        match self.0.as_deref() {
            None => Slices::default(),
            Some(Waiting::Prepared(frame)) => Slices { last: frame, ..Slices::default() },
            Some(Waiting::Backlog(backlog)) => backlog.slices(),
        }
    }

    /// What waits, if it is one slice. It keeps its place.
    #[inline(always)]
    pub(crate) fn only_slice(&self) -> Option<&[u8]> {
        match self.0.as_deref()? {
            Waiting::Prepared(frame) => Some(frame),
            Waiting::Backlog(backlog) => backlog.only_slice(),
        }
    }

    /// Nothing waits, and nothing is owed.
    #[inline(always)]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.0.is_none()
    }

    /// Gives up `count` bytes if a prepared frame of that size is all that waits.
    #[inline(always)]
    pub(crate) fn consume_prepared(&mut self, count: usize, shared: &Shared) -> bool {
        let is_it = matches!(self.0.as_deref(), Some(Waiting::Prepared(frame)) if frame.len() == count);
        if is_it && let Some(frame) = self.0.take() {
            shared.metrics.taken(count);
            shared.return_prepared(frame);
        }
        is_it
    }

    /// Gives up the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize, shared: &Shared) -> Result<(), Error> {
        if count > self.len() {
            return Err(Error::InvalidArgument("more bytes consumed than there were to take"));
        }
        if count == 0 {
            return Ok(());
        }
        shared.metrics.taken(count);
        let backlog = self.backlog(shared);
        backlog.consume(count, shared);
        if !backlog.is_in_use()
            && let Some(backlog) = self.0.take()
        {
            shared.return_backlog(backlog);
        }
        Ok(())
    }
}

/// Goes through what waits.
#[derive(Default)]
pub(crate) struct Slices<'q> {
    chunks: vec_deque::Iter<'q, Chunk>,
    /// What comes behind the chunks; empty if nothing does.
    last: &'q [u8],
    /// Bytes of the first slice that were taken.
    taken: usize,
    given: usize,
    /// Where to note that slices were given.
    settled: Option<&'q Cell<usize>>,
}

impl<'q> Slices<'q> {
    pub(crate) fn of_backlog(
        chunks: vec_deque::Iter<'q, Chunk>,
        last: &'q [u8],
        taken: usize,
        settled: &'q Cell<usize>,
    ) -> Slices<'q> {
        Slices { chunks, last, taken, given: 0, settled: Some(settled) }
    }
}

impl<'q> Iterator for Slices<'q> {
    type Item = &'q [u8];

    #[inline(always)]
    fn next(&mut self) -> Option<&'q [u8]> {
        let bytes = match self.chunks.next() {
            Some(chunk) => chunk.bytes(),
            None if self.last.is_empty() => return None,
            None => std::mem::take(&mut self.last),
        };
        self.given += 1;
        if let Some(settled) = self.settled {
            settled.set(settled.get().max(self.given));
        }
        Some(&bytes[std::mem::take(&mut self.taken)..])
    }
}
