//! What a connection needs only while bytes are in flight. An idle connection gives it back to the engine's pool.

use crate::connection::receive::Receiver;

/// Above this, a buffer is freed instead of being kept for the next user.
const MAX_KEPT: usize = 64 * 1024;

/// Input that was given and not yet pulled, and a frame or message of which more is to come.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) input: Vec<u8>,
    /// Bytes of the input that were pulled.
    pub(crate) pos: usize,
    pub(crate) receiver: Receiver,
}

impl Work {
    /// Adds input behind what is still there.
    pub(crate) fn give(&mut self, data: &[u8]) {
        if self.pos == self.input.len() {
            self.input.clear();
            self.pos = 0;
        }
        self.input.extend_from_slice(data);
    }

    /// Bytes that were given and not pulled.
    pub(crate) fn pending(&self) -> usize {
        self.input.len() - self.pos
    }

    /// Gives up all input.
    pub(crate) fn discard(&mut self) {
        self.pos = self.input.len();
        self.receiver = Receiver::default();
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.pending() == 0 && self.receiver.is_idle()
    }

    /// Makes it ready for another connection.
    pub(crate) fn shrink(&mut self) {
        self.input.clear();
        self.pos = 0;
        self.receiver.reset();
        for buffer in [&mut self.input, &mut self.receiver.message] {
            if buffer.capacity() > MAX_KEPT {
                *buffer = Vec::new();
            }
        }
    }
}
