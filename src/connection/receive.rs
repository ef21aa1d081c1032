//! Receiving frames and making of them what is delivered (RFC 6455, 5.2 to 5.6, 6.2 and 8.1; RFC 7692, 7.2.2).

use std::ops::Range;

use crate::connection::extras::Extras;
use crate::connection::work::{MAX_KEPT, PAGE, to_mid_page};
use crate::deflate::Agreed;
use crate::engine::Shared;
use crate::event::{Delivery, MessageType};
use crate::frame::header::{Expect, MAX_HEADER_LEN};
use crate::frame::{Header, OpCode, mask};
use crate::simd;
use crate::text;
use crate::utf8::{Invalid, Validator};
use crate::violation::Violation;

/// What the next thing to report is.
pub(crate) enum Received {
    /// More input is needed.
    Nothing,
    Message {
        opcode: OpCode,
        place: Place,
    },
    Chunk {
        opcode: OpCode,
        place: Place,
        offset: u64,
        first: bool,
        last: bool,
    },
    Frame {
        opcode: OpCode,
        place: Place,
        fin: bool,
        compressed: bool,
    },
    Ping(Place),
    Pong {
        place: Place,
        /// For the connection to fill in.
        rtt_ms: Option<u32>,
    },
    /// The payload of a close frame, not yet parsed.
    Close(Place),
}

/// Where a payload lies.
#[derive(Clone)]
pub(crate) enum Place {
    /// In the input: it came whole.
    Input(Range<usize>),
    /// In the receiver, which joined or inflated it.
    Buffer,
    Control,
}

/// What the connection demands of its peer, and lends to its receiver.
pub(crate) struct Terms<'c> {
    pub(crate) masked: bool,
    pub(crate) delivery: Delivery,
    pub(crate) compression: Option<Agreed>,
    /// Where the inflator is.
    pub(crate) extras: &'c mut Extras,
    pub(crate) shared: &'c Shared,
}

/// The receiving half of a connection: the parts that outlive one piece of input.
#[derive(Default)]
pub(crate) struct Receiver {
    /// The start of a header whose end has not arrived.
    partial_header: [u8; MAX_HEADER_LEN],
    partial_header_len: usize,
    pub(super) frame: Option<Frame>,
    pub(super) message: Option<Message>,
    /// Payload that was joined or inflated, behind the first `lead` bytes.
    pub(crate) buffer: Vec<u8>,
    /// What of the buffer is left out so that a large message begins in the middle of a page.
    pub(super) lead: usize,
    /// It is one that the engine keeps for large messages.
    pub(super) buffer_is_lent: bool,
    /// Bytes at the end of the buffer that the host received there: payload of the frame under way, still masked.
    pub(super) arrived: usize,
    /// How long a piece may be that is taken where it comes in.
    pub(super) middle: usize,
    pub(super) utf8: Validator,
    control: Vec<u8>,
    /// The buffer or control payload was reported, and goes with the next pull.
    pub(super) buffer_reported: bool,
    control_reported: bool,
}

/// A frame whose payload is arriving.
pub(super) struct Frame {
    pub(super) header: Header,
    pub(super) received: u64,
    /// Bytes of the input behind `received` that were unmasked and wait to be inflated.
    pub(super) unmasked: usize,
}

/// A message of which frames have arrived.
pub(super) struct Message {
    pub(super) opcode: OpCode,
    pub(super) compressed: bool,
    /// Something of it was delivered.
    pub(super) begun: bool,
    pub(super) frames: u32,
    pub(super) empty_frames: u32,
    /// Bytes of it that were delivered or wait in the buffer, inflated.
    pub(super) len: u64,
    /// Bytes of payload of its frames.
    pub(super) wire_len: u64,
}

impl Message {
    pub(super) fn new(opcode: OpCode, compressed: bool) -> Message {
        Message { opcode, compressed, begun: false, frames: 0, empty_frames: 0, len: 0, wire_len: 0 }
    }
}

/// A first reservation for a message that comes in several reads. The declared length alone reserves nothing: a peer
/// that announces a megabyte and sends a byte costs a page.
const FIRST_RESERVE: usize = 4 * 1024;

/// What half a header may keep of a buffer.
const MAX_SPARE: usize = 512;

impl Receiver {
    /// Takes frames from `input` at `pos` until there is something to report.
    pub(crate) fn next(
        &mut self,
        input: &mut [u8],
        pos: &mut usize,
        terms: &mut Terms<'_>,
    ) -> Result<Received, Violation> {
        self.drop_reported();
        loop {
            if self.frame.is_none() {
                let expect = Expect { masked: terms.masked, rsv1: terms.compression.is_some() };
                let Some(header) = self.next_header(input, pos, expect)? else {
                    return Ok(Received::Nothing);
                };
                terms.shared.metrics.frame_in(header.opcode);
                if !header.opcode.is_control() {
                    self.begin_data_frame(&header, terms)?;
                }
                self.frame = Some(Frame { header, received: 0, unmasked: 0 });
            }
            let received = match (&mut self.frame, &mut self.message) {
                (Some(frame), _) if frame.header.opcode.is_control() => self.control_payload(input, pos),
                (Some(_), Some(message)) if message.compressed => self.inflated_payload(input, pos, terms)?,
                (Some(_), Some(_)) => self.plain_payload(input, pos, terms)?,
                _ => Some(Received::Nothing),
            };
            if let Some(received) = received {
                return Ok(received);
            }
        }
    }

    /// The bytes of a payload that was reported last.
    pub(crate) fn payload<'a>(&'a self, place: Place, input: &'a [u8]) -> &'a [u8] {
        match place {
            Place::Input(range) => &input[range],
            Place::Buffer => &self.buffer[self.lead..],
            Place::Control => &self.control,
        }
    }

    /// Ends the views of what was reported last.
    pub(crate) fn drop_reported(&mut self) {
        if std::mem::take(&mut self.buffer_reported) {
            self.buffer.clear();
            self.lead = 0;
        }
        if std::mem::take(&mut self.control_reported) {
            self.control.clear();
        }
    }

    /// Whether nothing is kept for the next input.
    pub(crate) fn is_idle(&self) -> bool {
        self.partial_header_len == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// Whether a frame has begun.
    pub(crate) fn is_in_frame(&self) -> bool {
        self.frame.is_some()
    }

    /// Whether a message is under way.
    pub(crate) fn is_in_message(&self) -> bool {
        self.message.is_some()
    }

    /// Bytes that wait for more.
    pub(crate) fn held(&self) -> usize {
        self.buffer.len() - self.lead + self.control.len()
    }

    /// Frees the buffer unless a message waits there, or it is small.
    pub(crate) fn trim(&mut self, shared: &Shared) {
        if self.buffer.is_empty() && self.buffer.capacity() > MAX_SPARE {
            shared.return_assembly(std::mem::take(&mut self.buffer), std::mem::take(&mut self.buffer_is_lent));
        }
    }

    /// As new, but with its buffers.
    pub(crate) fn reset(&mut self) {
        let (mut buffer, mut control) = (std::mem::take(&mut self.buffer), std::mem::take(&mut self.control));
        buffer.clear();
        control.clear();
        *self = Receiver { buffer, buffer_is_lent: self.buffer_is_lent, control, ..Receiver::default() };
    }
}

/// Headers.
impl Receiver {
    fn next_header(&mut self, input: &[u8], pos: &mut usize, expect: Expect) -> Result<Option<Header>, Violation> {
        let available = &input[*pos..];
        let kept = self.partial_header_len;
        if kept == 0
            && let Some((header, len)) = Header::decode(available, expect)?
        {
            *pos += len;
            return Ok(Some(header));
        }
        let added = available.len().min(MAX_HEADER_LEN - kept);
        self.partial_header[kept..kept + added].copy_from_slice(&available[..added]);
        match Header::decode(&self.partial_header[..kept + added], expect)? {
            Some((header, len)) => {
                *pos += len - kept;
                self.partial_header_len = 0;
                Ok(Some(header))
            }
            None => {
                *pos += added;
                self.partial_header_len = kept + added;
                Ok(None)
            }
        }
    }

    /// What only the sequence of frames, or the receiver's limits, can make wrong: known before any payload is stored.
    fn begin_data_frame(&mut self, header: &Header, terms: &mut Terms<'_>) -> Result<(), Violation> {
        let config = &terms.shared.config;
        let message = match (header.opcode, &mut self.message) {
            (OpCode::Continuation, None) => return Err(Violation::ContinuationWithoutStart),
            (OpCode::Continuation, Some(message)) => message,
            (_, Some(_)) => return Err(Violation::MessageInsideMessage),
            (opcode, message @ None) => message.insert(Message::new(opcode, header.rsv1)),
        };
        message.frames = message.frames.saturating_add(1);
        message.wire_len = message.wire_len.saturating_add(header.payload_len);
        if message.frames > config.max_fragments {
            return Err(Violation::TooManyFragments);
        }
        if header.payload_len == 0 && !header.fin {
            message.empty_frames = message.empty_frames.saturating_add(1);
            if message.empty_frames > config.max_empty_fragments {
                return Err(Violation::TooManyEmptyFragments);
            }
        }
        if header.payload_len > config.max_frame_size {
            return Err(Violation::FrameTooBig);
        }
        if !message.compressed {
            match header.payload_len.checked_add(message.len) {
                Some(total) if total <= config.max_message_size && usize::try_from(total).is_ok() => {}
                _ => return Err(Violation::MessageTooBig),
            }
        } else if let Some(agreed) = terms.compression {
            terms.extras.begin_inflation(agreed, terms.shared);
        }
        Ok(())
    }
}

/// Payload.
impl Receiver {
    /// Takes as much of the payload of the frame under way as is there.
    fn take_piece(&mut self, there: usize) -> Option<Piece> {
        let frame = self.frame.as_mut()?;
        let header = frame.header;
        let announced = header.payload_len - frame.received;
        let len = available(announced, there);
        let key = header.mask.map(|key| mask::rotate(key, frame.received));
        let begins = frame.received == 0;
        frame.received += len as u64;
        let complete = frame.received == header.payload_len;
        if complete {
            self.frame = None;
        }
        Some(Piece { header, key, len, announced, begins, complete })
    }

    fn control_payload(&mut self, input: &mut [u8], pos: &mut usize) -> Option<Received> {
        let piece = self.take_piece(input.len() - *pos)?;
        let range = *pos..*pos + piece.len;
        *pos = range.end;
        let bytes = &mut input[range.clone()];
        let place = if piece.begins && piece.complete {
            if let Some(key) = piece.key {
                simd::unmask(key, bytes);
            }
            Place::Input(range)
        } else {
            simd::append_unmasked(piece.key.unwrap_or_default(), bytes, &mut self.control);
            if !piece.complete {
                return Some(Received::Nothing);
            }
            self.control_reported = true;
            Place::Control
        };
        Some(match piece.header.opcode {
            OpCode::Ping => Received::Ping(place),
            OpCode::Pong => Received::Pong { place, rtt_ms: None },
            _ => Received::Close(place),
        })
    }

    /// `None`: it was a fragment of a message that is to be whole, or an empty one; go on.
    fn plain_payload(
        &mut self,
        input: &mut [u8],
        pos: &mut usize,
        terms: &Terms<'_>,
    ) -> Result<Option<Received>, Violation> {
        let arrived = std::mem::take(&mut self.arrived);
        let there = if arrived > 0 { arrived } else { input.len() - *pos };
        let Some(piece) = self.take_piece(there) else {
            return Ok(None);
        };
        let Some(message) = &mut self.message else {
            return Ok(None);
        };
        if piece.len == 0 && !piece.complete {
            return Ok(Some(Received::Nothing)); // the header came alone: nothing is reserved for it
        }
        let ends = piece.complete && piece.header.fin;
        let is_whole_message = piece.begins && ends && message.frames == 1;
        let stays_in_place = match terms.delivery {
            Delivery::Messages => is_whole_message,
            Delivery::Frames => piece.begins && piece.complete,
            Delivery::Chunks => true,
        };
        let offset = message.len;
        message.len += piece.len as u64;

        let is_text = message.opcode == OpCode::Text;
        if arrived == 0 && !stays_in_place {
            self.reserve(&piece, terms.shared);
        }

        let validator = is_text.then_some(&mut self.utf8);
        let (place, taken) = if arrived > 0 {
            let from = self.buffer.len() - arrived;
            (Place::Buffer, piece.unmask(&mut self.buffer[from..], validator))
        } else {
            let range = *pos..*pos + piece.len;
            *pos = range.end;
            let bytes = &mut input[range.clone()];
            if stays_in_place {
                (Place::Input(range), piece.unmask(bytes, validator))
            } else {
                (Place::Buffer, append(piece.key, bytes, &mut self.buffer, validator))
            }
        };
        taken.map_err(|_| Violation::TextUtf8)?;
        if ends && is_text {
            self.utf8.finish().map_err(|_| Violation::TextUtf8)?;
        }
        if terms.delivery == Delivery::Chunks && piece.len == 0 && !ends {
            return Ok(None);
        }
        Ok(self.deliver(terms, piece.header, place, offset, piece.complete))
    }

    /// Makes room for a piece of a message that is assembled.
    #[inline]
    pub(super) fn reserve(&mut self, piece: &Piece, shared: &Shared) {
        let is_short = self.buffer.capacity() - self.buffer.len() < piece.len;
        if is_short || self.buffer.is_empty() && piece.announced > MAX_KEPT as u64 {
            self.grow(piece, shared);
        }
    }

    #[cold]
    fn grow(&mut self, piece: &Piece, shared: &Shared) {
        let buffer = &mut self.buffer;
        let begins_large = buffer.is_empty() && piece.announced > MAX_KEPT as u64;
        if begins_large && buffer.capacity() <= MAX_KEPT {
            self.buffer_is_lent |= shared.swap_for_assembly(buffer);
        }
        let is_worth_a_page = begins_large && piece.len >= PAGE;
        let spare = if is_worth_a_page { PAGE - 1 } else { 0 };
        if piece.header.fin {
            // The message grows no further than this: twice what is there, but not beyond its end.
            let ahead = available(piece.announced, buffer.len().max(FIRST_RESERVE));
            buffer.reserve_exact(piece.len.max(ahead) + spare);
        } else {
            buffer.reserve(piece.len + spare);
        }
        if is_worth_a_page {
            self.lead = to_mid_page(buffer);
            buffer.resize(self.lead, 0);
        }
    }

    /// What is to be reported of a piece of payload, if anything yet.
    pub(super) fn deliver(
        &mut self,
        terms: &Terms<'_>,
        header: Header,
        place: Place,
        offset: u64,
        complete: bool,
    ) -> Option<Received> {
        let message = self.message.as_mut()?;
        let (opcode, compressed) = (message.opcode, message.compressed);
        let ends = complete && header.fin;
        let first = !std::mem::replace(&mut message.begun, true);
        if ends {
            terms.shared.metrics.message_in(MessageType::of(opcode), message.len);
            if compressed {
                terms.shared.metrics.compressed_in(message.wire_len, message.len);
            }
            self.message = None;
        }
        let is_in_buffer = matches!(place, Place::Buffer);
        let received = match terms.delivery {
            Delivery::Messages if ends => Received::Message { opcode, place },
            Delivery::Frames if complete => {
                Received::Frame { opcode: header.opcode, place, fin: header.fin, compressed }
            }
            Delivery::Chunks => Received::Chunk { opcode, place, offset, first, last: ends },
            _ if complete => return None,
            _ => return Some(Received::Nothing),
        };
        self.buffer_reported = is_in_buffer;
        Some(received)
    }
}

/// Payload of a frame that is taken.
pub(super) struct Piece {
    pub(super) header: Header,
    /// The key as it applies to the first byte.
    pub(super) key: Option<[u8; 4]>,
    pub(super) len: usize,
    /// Bytes that the frame has from here on.
    pub(super) announced: u64,
    /// It begins the frame's payload.
    pub(super) begins: bool,
    /// The frame is complete with it.
    pub(super) complete: bool,
}

impl Piece {
    /// Unmasks it where it is; checks it, if it is text.
    fn unmask(&self, bytes: &mut [u8], validator: Option<&mut Validator>) -> Result<(), Invalid> {
        match (self.key, validator) {
            (Some(key), Some(validator)) => return text::unmask(key, bytes, validator),
            (None, Some(validator)) => return text::check(bytes, validator),
            (Some(key), None) => _ = simd::unmask(key, bytes),
            (None, None) => {}
        }
        Ok(())
    }
}

/// Appends a piece of payload, unmasked; checks it, if it is text.
#[inline(always)]
pub(super) fn append(
    key: Option<[u8; 4]>,
    bytes: &[u8],
    buffer: &mut Vec<u8>,
    validator: Option<&mut Validator>,
) -> Result<(), Invalid> {
    let key = key.unwrap_or_default(); // 0 changes nothing
    match validator {
        Some(validator) => text::append_unmasked(key, bytes, buffer, validator),
        None => {
            simd::append_unmasked(key, bytes, buffer);
            Ok(())
        }
    }
}

/// How much of `wanted` bytes there is.
pub(super) fn available(wanted: u64, there: usize) -> usize {
    usize::try_from(wanted).map_or(there, |wanted| wanted.min(there))
}
