//! Receiving compressed messages (RFC 7692, 7.2.2).

use crate::connection::receive::{Place, Received, Receiver, Terms, available};
use crate::connection::work::MAX_KEPT;
use crate::deflate::{Agreed, History, Inflator};
use crate::engine::Shared;
use crate::event::Delivery;
use crate::frame::{OpCode, mask};
use crate::text;
use crate::violation::Violation;

/// The most that one chunk of a compressed message holds.
const MAX_INFLATED_CHUNK: usize = 64 * 1024;

/// A frame above this probably becomes more than a buffer that is kept: it is inflated to one for large messages, if the
/// engine has one.
const PROBABLY_LARGE: u64 = 8 * 1024;

/// What inflates a connection's messages.
#[derive(Default)]
pub(crate) enum Inflation {
    #[default]
    None,
    /// A compressed message is under way.
    Running(Box<Inflator>),
    /// With context takeover, between two messages: what the next one may refer to.
    Parked(Box<History>),
}

impl Inflation {
    /// What inflates the message that begins, or goes on.
    pub(super) fn begin(&mut self, agreed: Agreed, shared: &Shared) {
        *self = Inflation::Running(match std::mem::take(self) {
            Inflation::Running(inflator) => inflator,
            Inflation::Parked(history) => shared.resume_inflator(*history),
            Inflation::None => shared.take_inflator(agreed.peer_window_bits),
        });
    }

    /// The message has ended: keeps what the next one may refer to.
    pub(super) fn park(&mut self, agreed: Agreed, shared: &Shared) {
        *self = match std::mem::take(self) {
            Inflation::Running(inflator) if agreed.peer_takeover => {
                Inflation::Parked(Box::new(shared.park_inflator(inflator)))
            }
            other => {
                other.give_back(shared);
                Inflation::None
            }
        };
    }

    /// The connection has ended.
    pub(crate) fn give_back(self, shared: &Shared) {
        if let Inflation::Running(inflator) = self {
            shared.return_inflator(inflator);
        }
    }
}

impl Receiver {
    /// Inflates what there is of the payload of the frame under way, as far as there is room for it.
    pub(super) fn inflated_payload(
        &mut self,
        input: &mut [u8],
        pos: &mut usize,
        terms: &mut Terms<'_>,
    ) -> Result<Option<Received>, Violation> {
        let (Some(frame), Some(message)) = (&mut self.frame, &mut self.message) else {
            return Ok(Some(Received::Nothing));
        };
        let Some(inflator) = terms.extras.inflator() else {
            return Err(Violation::DeflateInvalid); // begin_data_frame() has seen to it that there is one
        };
        let header = frame.header;
        let start = *pos;
        let end = start + available(header.payload_len - frame.received, input.len() - start);
        let piece = &mut input[start..end];
        if let Some(key) = header.mask {
            mask::apply(key, frame.received + frame.unmasked as u64, &mut piece[frame.unmasked..]);
        }

        let max = terms.shared.config.max_message_size;
        let allowed = usize::try_from(max - message.len).unwrap_or(usize::MAX);
        // One byte more than is allowed tells a message that is too big from one that just fits.
        let room = match terms.delivery {
            Delivery::Chunks => allowed.saturating_add(1).min(MAX_INFLATED_CHUNK),
            _ => allowed.saturating_add(1),
        };
        if self.buffer.is_empty() && header.payload_len > PROBABLY_LARGE {
            self.buffer_is_lent |=
                self.buffer.capacity() <= MAX_KEPT && terms.shared.swap_for_assembly(&mut self.buffer);
        }
        let before = self.buffer.len();
        let mut result = inflator.inflate(piece, &mut self.buffer, room).map(|used| {
            frame.unmasked = piece.len() - used;
            frame.received += used as u64;
            *pos += used;
            frame.received == header.payload_len
        });
        if result == Ok(true) && header.fin {
            let left = room.saturating_sub(self.buffer.len() - before);
            result = inflator.finish(&mut self.buffer, left);
        }

        // What was inflated comes before the reason why no more was: the same mistake is found however the input was cut.
        let inflated = &self.buffer[before..];
        if message.opcode == OpCode::Text {
            let checked = &inflated[..inflated.len().min(allowed)];
            text::check(checked, &mut self.utf8).map_err(|_| Violation::TextUtf8)?;
        }
        let offset = message.len;
        message.len += inflated.len() as u64;
        if message.len > max {
            return Err(Violation::MessageTooBig);
        }
        let complete = result?;
        if complete {
            self.frame = None;
        }
        let ends = complete && header.fin;
        if ends && message.opcode == OpCode::Text {
            self.utf8.finish().map_err(|_| Violation::TextUtf8)?;
        }
        if ends && let Some(agreed) = terms.compression {
            terms.extras.park_inflation(agreed, terms.shared);
        }
        if terms.delivery == Delivery::Chunks && before == self.buffer.len() && !ends {
            return Ok((!complete).then_some(Received::Nothing));
        }
        Ok(self.deliver(terms, header, Place::Buffer, offset, complete))
    }
}
