//! What a connection needs only while bytes are in flight. An idle connection gives it back to the engine's pool.

use std::ptr::NonNull;

use crate::connection::outbound::Farewell;
use crate::connection::receive::{Place, Receiver};
use crate::engine::Shared;
use crate::simd;

/// A buffer above this is freed instead of being kept for the next user.
pub(crate) const MAX_KEPT: usize = 64 * 1024;

/// Memory that is received into begins in the middle of a page. Some processors copy many times slower where the target
/// lies a few bytes further into a page than the source. A peer's bytes often begin where a page of the kernel's does,
/// and so does what is sent back; large blocks of malloc begin there, too.
pub(crate) const PAGE: usize = 4096;

/// How far it is to the first middle of a page in a buffer.
pub(crate) fn to_mid_page(buffer: &[u8]) -> usize {
    (buffer.as_ptr().align_offset(PAGE) + PAGE / 2) % PAGE
}

/// Input that was given and not yet pulled, and a frame or message of which more is to come.
#[derive(Default)]
pub(crate) struct Work {
    /// Input of the connection's own, from `start` to `end`; what is behind that may be lent to the host.
    input: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes that were pulled, of the input that the host lends, else of that of the connection's own.
    pub(crate) pos: usize,
    pub(crate) receiver: Receiver,
    /// The end that was reported; its reason is lent to the event.
    pub(crate) reported: Option<Box<Farewell>>,
    /// The memory that the host was lent last.
    pub(crate) lent: Lent,
    /// The input that a host of the C ABI lends. Only `capi` looks at what it points to.
    pub(crate) host_input: Option<NonNull<[u8]>>,
}

/// Memory that the host receives into.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Lent {
    #[default]
    Nothing,
    /// So many bytes behind the input.
    Input(usize),
    /// So many bytes where a large message is assembled, behind the first `filled`.
    Assembly { filled: usize, room: usize },
}

impl Work {
    /// Adds input behind what is still there.
    pub(crate) fn give(&mut self, data: &[u8], shared: &Shared) {
        if self.input.capacity() == 0 {
            self.input = shared.take_input();
        }
        match self.input.get_mut(self.end..self.end + data.len()) {
            Some(room) => simd::copy(data, room),
            None => {
                self.input.truncate(self.end);
                simd::append(data, &mut self.input);
            }
        }
        self.end += data.len();
    }

    /// Uses what the host lends. There is no input of the connection's own.
    pub(crate) fn use_host_input(&mut self, address: NonNull<[u8]>) {
        (self.start, self.pos, self.end) = (0, 0, 0);
        self.host_input = Some(address);
    }

    /// Lends memory behind the input: at least `min` bytes.
    pub(crate) fn lend_input(&mut self, min: usize, shared: &Shared) -> usize {
        if self.input.capacity() == 0 {
            self.input = shared.take_receive_buffer(min);
            self.start = to_mid_page(&self.input);
            (self.pos, self.end) = (self.start, self.start);
        } else if self.input.len() - self.end < min.max(1) {
            self.input.resize(self.end + min.max(MAX_KEPT), 0);
        }
        (self.input.len() - self.end).min(min.max(shared.config.receive_buffer_size))
    }

    /// What [`Work::lend_input`] lent: so many bytes.
    pub(crate) fn room(&mut self, len: usize) -> &mut [u8] {
        &mut self.input[self.end..][..len]
    }

    /// So many bytes were received into what was lent. Whether they are a piece from the middle of a message, which was
    /// taken.
    pub(crate) fn commit_input(&mut self, count: usize, shared: &Shared) -> bool {
        let received = &self.input[self.end..][..count];
        let is_piece = !self.has_own_input() && count > 0 && self.receiver.take_middle(received);
        if is_piece {
            self.release_input(shared);
        } else {
            self.end += count;
        }
        is_piece
    }

    /// What was lent is not written to any more.
    pub(crate) fn end_lent(&mut self) {
        if let Lent::Assembly { filled, .. } = std::mem::take(&mut self.lent) {
            self.receiver.buffer.truncate(filled);
        }
    }

    /// The input to pull from: what the host lends, or that of the connection's own.
    pub(crate) fn input<'a>(
        &'a mut self,
        host: Option<&'a mut [u8]>,
    ) -> (&'a mut [u8], &'a mut usize, &'a mut Receiver) {
        let input = match host {
            Some(lent) if self.host_input.is_some() => lent,
            _ => {
                if self.host_input.take().is_some() {
                    self.pos = 0; // a `Drain` that was forgotten took its bytes with it
                }
                &mut self.input[..self.end]
            }
        };
        (input, &mut self.pos, &mut self.receiver)
    }

    /// The bytes of what was reported last.
    pub(crate) fn payload<'a>(&'a self, place: Place, host: Option<&'a [u8]>) -> &'a [u8] {
        let input = host.filter(|_| self.host_input.is_some()).unwrap_or(&self.input[..self.end]);
        self.receiver.payload(place, input)
    }

    /// Whether there is input of the connection's own.
    pub(crate) fn has_own_input(&self) -> bool {
        self.end > self.start
    }

    /// Bytes of the input that were not pulled.
    pub(crate) fn pending(&self) -> usize {
        self.host_input.map_or(self.end, |input| input.len()) - self.pos
    }

    /// Bytes that are held for later: input that was not pulled, and what of a message has come.
    pub(crate) fn held(&self) -> usize {
        self.pending() + self.receiver.held()
    }

    /// Gives up all input.
    pub(crate) fn discard(&mut self, shared: &Shared) {
        (self.start, self.pos, self.end) = (0, 0, 0);
        (self.host_input, self.lent) = (None, Lent::Nothing);
        self.reset(shared);
    }

    pub(crate) fn is_idle(&self) -> bool {
        !self.has_own_input() && self.receiver.is_idle()
    }

    /// Whether all input was pulled, and ended with the end of a message.
    #[inline]
    pub(crate) fn is_used_up(&self) -> bool {
        self.pending() == 0 && self.receiver.is_idle()
    }

    /// Nothing is left to pull for now: copies what the host lent and was not used, and gives back what the rest does
    /// not need. A peer that stops within a header or message must not hold a read's worth of memory.
    pub(crate) fn settle(&mut self, host: Option<&mut [u8]>, shared: &Shared) {
        self.end_lent();
        if self.host_input.take().is_some() {
            let pos = std::mem::take(&mut self.pos);
            if let Some(rest) = host.map(|host| &host[pos..]) // none: a `Drain` that was forgotten
                && !rest.is_empty()
            {
                self.give(rest, shared);
            }
        } else if self.pos == self.end {
            self.release_input(shared);
        } else if self.input.len() > self.end {
            let received = std::mem::take(&mut self.input);
            let rest = self.pos..self.end;
            (self.start, self.pos, self.end) = (0, 0, 0);
            self.give(&received[rest], shared);
            shared.return_input(received);
        }
        self.receiver.trim(shared);
    }

    /// Gives the input buffer back.
    pub(crate) fn release_input(&mut self, shared: &Shared) {
        shared.return_input(std::mem::take(&mut self.input));
        (self.start, self.pos, self.end) = (0, 0, 0);
    }

    /// Makes it ready for another connection.
    pub(crate) fn reset(&mut self, shared: &Shared) {
        self.reported = None;
        self.receiver.reset();
        if self.receiver.buffer.capacity() > MAX_KEPT {
            self.receiver.trim(shared);
        }
    }
}
