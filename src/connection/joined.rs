//! Messages that come in several reads: what is usual of them, without a detour.
//!
//! Each function here takes what [`Receiver::next`] would take, or refuses and leaves everything as it was; that alone
//! decides on what is unusual or wrong.

use crate::connection::receive::{Frame, Message, Piece, Receiver, append, available};
use crate::engine::Shared;
use crate::event::{Delivery, MessageType};
use crate::frame::header::{Expect, begins_message};
use crate::frame::{Header, OpCode, mask};
use crate::utf8::Validator;

/// Less than this is not worth a read of its own, of a message that is received where it is assembled.
const MIN_LENT: usize = 32 * 1024;

/// The pieces of a message.
impl Receiver {
    /// If `input` is the beginning of a message in one plain frame, and not all of it, takes it, to be joined to what comes.
    /// `false`: it is not, or it breaks a rule, and nothing was changed.
    pub(crate) fn take_beginning(&mut self, input: &[u8], masked: bool, shared: &Shared) -> bool {
        let Ok(Some((header, len))) = Header::decode(input, Expect { masked, rsv1: false }) else {
            return false;
        };
        let (payload, announced) = (&input[len..], header.payload_len);
        let max_len = shared.config.max_frame_size.min(shared.config.max_message_size);
        let is_begun = !payload.is_empty() && (payload.len() as u64) < announced;
        if !is_begun || !begins_message(input[0]) || announced > max_len || usize::try_from(announced).is_err() {
            return false;
        }
        let (opcode, key) = (header.opcode, header.mask);
        self.reserve(&Piece { header, key, len: payload.len(), announced, begins: true, complete: false }, shared);
        let filled = self.buffer.len();
        let validator = (opcode == OpCode::Text).then_some(&mut self.utf8);
        if append(key, payload, &mut self.buffer, validator).is_err() {
            self.buffer.truncate(filled);
            self.utf8 = Validator::default();
            return false;
        }
        let received = payload.len() as u64;
        self.frame = Some(Frame { header, received, unmasked: 0 });
        self.message = Some(Message { frames: 1, len: received, wire_len: announced, ..Message::new(opcode, false) });
        shared.metrics.frame_in(opcode);
        true
    }

    /// The bytes that are still to come of a plain frame whose payload is joined to others.
    fn to_be_joined(&self, delivery: Delivery) -> Option<u64> {
        let (frame, message) = (self.frame.as_ref()?, self.message.as_ref()?);
        let is_joined = !frame.header.opcode.is_control() && !message.compressed && delivery != Delivery::Chunks;
        is_joined.then(|| frame.header.payload_len - frame.received)
    }

    /// Before more input comes: how long a piece may be for [`Receiver::take_middle`], of `allowed` bytes. What others
    /// hold meanwhile is not looked at again, but a piece goes to memory that is there already.
    pub(crate) fn expect_middle(&mut self, delivery: Delivery, allowed: usize) {
        let spare = self.buffer.capacity() - self.buffer.len();
        self.middle = self.to_be_joined(delivery).map_or(0, |rest| available(rest - 1, spare.min(allowed)));
    }

    /// If `data` is a piece from the middle of a plain frame whose payload is joined to others, and there is room for it,
    /// takes it. `false`: it is not, or it breaks a rule, and nothing was changed.
    #[inline(always)]
    pub(crate) fn take_middle(&mut self, data: &[u8]) -> bool {
        if data.len() > self.middle {
            return false;
        }
        let (Some(frame), Some(message)) = (&mut self.frame, &mut self.message) else {
            return false;
        };
        let key = frame.header.mask.map(|key| mask::rotate(key, frame.received));
        let (filled, utf8) = (self.buffer.len(), self.utf8);
        let validator = (message.opcode == OpCode::Text).then_some(&mut self.utf8);
        if append(key, data, &mut self.buffer, validator).is_err() {
            self.buffer.truncate(filled);
            self.utf8 = utf8;
            return false;
        }
        frame.received += data.len() as u64;
        message.len += data.len() as u64;
        self.middle -= data.len();
        true
    }

    /// If `input` has the end of a message that is joined, in a plain frame that has begun, and there is room for it, takes
    /// it: the message is in the buffer then. What it is, and how many bytes were taken. `None`: anything else, also what
    /// breaks a rule, and nothing was changed.
    pub(crate) fn take_end(&mut self, input: &[u8]) -> Option<(MessageType, usize)> {
        let (frame, message) = (self.frame.as_ref()?, self.message.as_ref()?);
        let header = frame.header;
        let is_joined = header.fin && !header.opcode.is_control() && !message.compressed && frame.received > 0;
        let rest = input.get(..available(header.payload_len - frame.received, usize::MAX))?;
        if !is_joined || self.arrived > 0 || self.buffer.capacity() - self.buffer.len() < rest.len() {
            return None;
        }
        let key = header.mask.map(|key| mask::rotate(key, frame.received));
        let opcode = message.opcode;
        let (filled, utf8) = (self.buffer.len(), self.utf8);
        let validator = (opcode == OpCode::Text).then_some(&mut self.utf8);
        let taken = append(key, rest, &mut self.buffer, validator);
        if taken.and_then(|()| self.utf8.finish()).is_err() {
            self.buffer.truncate(filled);
            self.utf8 = utf8;
            return None;
        }
        (self.frame, self.message) = (None, None);
        self.buffer_reported = true;
        Some((MessageType::of(opcode), rest.len()))
    }
}

/// Memory to receive into.
impl Receiver {
    /// How much of a large message can be received straight to where it is assembled.
    pub(crate) fn lend_assembly(&mut self, min: usize, delivery: Delivery) -> Option<usize> {
        // As much again as has come: the declared length alone reserves nothing.
        let rest = available(self.to_be_joined(delivery)?, usize::MAX);
        let spare = self.buffer.capacity() - self.buffer.len();
        let has_come = self.buffer.len() - self.lead;
        let room = rest.min(spare.max(has_come));
        if room < min.max(MIN_LENT) || has_come < MIN_LENT {
            return None;
        }
        self.buffer.reserve_exact(room);
        self.middle = 0;
        Some(room)
    }

    /// So many bytes were received to the end of the buffer, which was lent.
    pub(crate) fn commit_assembly(&mut self, count: usize) {
        self.arrived = count;
    }
}
