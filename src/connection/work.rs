//! What a connection needs only while bytes are in flight. An idle connection gives it back to the engine's pool.

use crate::connection::outbound::Farewell;
use crate::connection::receive::Receiver;
use crate::engine::Shared;

/// A buffer above this is freed instead of being kept for the next user.
pub(crate) const MAX_KEPT: usize = 64 * 1024;

/// Input that was given and not yet pulled, and a frame or message of which more is to come.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) input: Vec<u8>,
    /// Bytes of the input that were pulled.
    pub(crate) pos: usize,
    pub(crate) receiver: Receiver,
    /// The end that was reported; its reason is lent to the event.
    pub(crate) reported: Option<Box<Farewell>>,
}

impl Work {
    /// Adds input behind what is still there.
    pub(crate) fn give(&mut self, data: &[u8], shared: &Shared) {
        if self.input.capacity() == 0 {
            self.input = shared.take_input();
        }
        self.input.extend_from_slice(data);
    }

    /// Bytes that were given and not pulled.
    pub(crate) fn pending(&self) -> usize {
        self.input.len() - self.pos
    }

    /// Bytes that are held for later: input that was not pulled, and what of a message has come.
    pub(crate) fn held(&self) -> usize {
        self.pending() + self.receiver.held()
    }

    /// Gives up all input.
    pub(crate) fn discard(&mut self) {
        self.pos = self.input.len();
        self.receiver = Receiver::default();
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.pending() == 0 && self.receiver.is_idle()
    }

    /// Frees what half a header or message does not need: a peer that stops there must not hold a read's worth of memory.
    pub(crate) fn trim(&mut self, shared: &Shared) {
        if self.pending() == 0 {
            self.release_input(shared);
        }
        self.receiver.trim();
    }

    /// Gives the input buffer back.
    pub(crate) fn release_input(&mut self, shared: &Shared) {
        shared.return_input(std::mem::take(&mut self.input));
        self.pos = 0;
    }

    /// Makes it ready for another connection.
    pub(crate) fn reset(&mut self) {
        self.receiver.reset();
        if self.receiver.buffer.capacity() > MAX_KEPT {
            self.receiver.buffer = Vec::new();
        }
    }
}
