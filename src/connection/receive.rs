//! Receiving frames and making of them what is delivered (RFC 6455, 5.2 to 5.6, 6.2 and 8.1; RFC 7692, 7.2.2).

use std::ops::Range;

use crate::connection::extras::Extras;
use crate::deflate::{Agreed, History, Inflator};
use crate::engine::Shared;
use crate::event::{Delivery, MessageType};
use crate::frame::header::{Expect, MAX_HEADER_LEN};
use crate::frame::{Header, OpCode, mask};
use crate::utf8;
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
    pub(crate) fn begin(&mut self, agreed: Agreed, shared: &Shared) {
        *self = Inflation::Running(match std::mem::take(self) {
            Inflation::Running(inflator) => inflator,
            Inflation::Parked(history) => shared.resume_inflator(*history),
            Inflation::None => shared.take_inflator(agreed.peer_window_bits),
        });
    }

    /// The message has ended: keeps what the next one may refer to.
    pub(crate) fn park(&mut self, agreed: Agreed, shared: &Shared) {
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

/// The receiving half of a connection: the parts that outlive one piece of input.
#[derive(Default)]
pub(crate) struct Receiver {
    /// The start of a header whose end has not arrived.
    partial_header: [u8; MAX_HEADER_LEN],
    partial_header_len: usize,
    frame: Option<Frame>,
    message: Option<Message>,
    /// Payload that was joined or inflated.
    pub(crate) buffer: Vec<u8>,
    utf8: utf8::Validator,
    control: Vec<u8>,
    /// The buffer or control payload was reported, and goes with the next pull.
    buffer_reported: bool,
    control_reported: bool,
}

/// A frame whose payload is arriving.
struct Frame {
    header: Header,
    received: u64,
    /// Bytes of the input behind `received` that were unmasked and wait to be inflated.
    unmasked: usize,
}

/// A message of which frames have arrived.
struct Message {
    opcode: OpCode,
    compressed: bool,
    /// Something of it was delivered.
    begun: bool,
    frames: u32,
    empty_frames: u32,
    /// Bytes of it that were delivered or wait in the buffer, inflated.
    len: u64,
    /// Bytes of payload of its frames.
    wire_len: u64,
}

/// A first reservation for a message that comes in several reads. The declared length alone reserves nothing: a peer
/// that announces a megabyte and sends a byte costs a page.
const FIRST_RESERVE: usize = 4 * 1024;

/// The most that one chunk of a compressed message holds.
const MAX_INFLATED_CHUNK: usize = 64 * 1024;

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
    pub(crate) fn payload<'a>(&'a self, place: &Place, input: &'a [u8]) -> &'a [u8] {
        match place {
            Place::Input(range) => &input[range.clone()],
            Place::Buffer => &self.buffer,
            Place::Control => &self.control,
        }
    }

    /// Ends the views of what was reported last.
    pub(crate) fn drop_reported(&mut self) {
        if std::mem::take(&mut self.buffer_reported) {
            self.buffer.clear();
        }
        if std::mem::take(&mut self.control_reported) {
            self.control.clear();
        }
    }

    /// Whether nothing is kept for the next input.
    pub(crate) fn is_idle(&self) -> bool {
        self.partial_header_len == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// Whether a message is under way.
    pub(crate) fn is_in_message(&self) -> bool {
        self.message.is_some()
    }

    /// Bytes that wait for more.
    pub(crate) fn held(&self) -> usize {
        self.buffer.len() + self.control.len()
    }

    /// Frees the buffer unless a message waits there.
    pub(crate) fn trim(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
    }

    /// As new, but with its buffers.
    pub(crate) fn reset(&mut self) {
        let (mut buffer, mut control) = (std::mem::take(&mut self.buffer), std::mem::take(&mut self.control));
        buffer.clear();
        control.clear();
        *self = Receiver { buffer, control, ..Receiver::default() };
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
            (opcode, message @ None) => message.insert(Message {
                opcode,
                compressed: header.rsv1,
                begun: false,
                frames: 0,
                empty_frames: 0,
                len: 0,
                wire_len: 0,
            }),
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
    /// Unmasks what there is of the payload of the frame under way, and takes it.
    fn take_payload(&mut self, input: &mut [u8], pos: &mut usize) -> Option<Piece> {
        let frame = self.frame.as_mut()?;
        let header = frame.header;
        let start = *pos;
        let end = start + available(header.payload_len - frame.received, input.len() - start);
        let piece = &mut input[start..end];
        if let Some(key) = header.mask {
            mask::apply(key, frame.received, piece);
        }
        let begins = frame.received == 0;
        frame.received += piece.len() as u64;
        *pos = end;
        let complete = frame.received == header.payload_len;
        if complete {
            self.frame = None;
        }
        Some(Piece { header, range: start..end, begins, complete })
    }

    fn control_payload(&mut self, input: &mut [u8], pos: &mut usize) -> Option<Received> {
        let Piece { header, range, begins, complete } = self.take_payload(input, pos)?;
        let place = if begins && complete {
            Place::Input(range)
        } else {
            self.control.extend_from_slice(&input[range]);
            if !complete {
                return Some(Received::Nothing);
            }
            self.control_reported = true;
            Place::Control
        };
        Some(match header.opcode {
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
        let delivery = terms.delivery;
        let announced = self.frame.as_ref().map_or(0, |frame| frame.header.payload_len - frame.received);
        let Some(piece) = self.take_payload(input, pos) else {
            return Ok(None);
        };
        let Some(message) = &mut self.message else {
            return Ok(None);
        };
        let Piece { header, range, begins, complete } = piece;
        if range.is_empty() && !complete {
            return Ok(Some(Received::Nothing)); // the header came alone: nothing is reserved for it
        }
        let ends = complete && header.fin;
        let is_whole_message = begins && ends && message.frames == 1;
        let bytes = &input[range.clone()];
        if message.opcode == OpCode::Text {
            if is_whole_message {
                simdutf8::basic::from_utf8(bytes).map_err(|_| Violation::TextUtf8)?;
            } else {
                self.utf8.feed(bytes).map_err(|_| Violation::TextUtf8)?;
                if ends {
                    self.utf8.finish().map_err(|_| Violation::TextUtf8)?;
                }
            }
        }
        let offset = message.len;
        message.len += bytes.len() as u64;

        let stays_in_place = match delivery {
            Delivery::Messages => is_whole_message,
            Delivery::Frames => begins && complete,
            Delivery::Chunks => true,
        };
        let place = if stays_in_place {
            Place::Input(range)
        } else {
            if self.buffer.capacity() == 0 {
                self.buffer.reserve(bytes.len().max(announced.min(FIRST_RESERVE as u64) as usize));
            }
            self.buffer.extend_from_slice(bytes);
            Place::Buffer
        };
        if delivery == Delivery::Chunks && offset == message.len && !ends {
            return Ok(None);
        }
        Ok(self.deliver(terms, header, place, offset, complete))
    }

    /// Inflates what there is of the payload of the frame under way, as far as there is room for it.
    fn inflated_payload(
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
            self.utf8.feed(&inflated[..inflated.len().min(allowed)]).map_err(|_| Violation::TextUtf8)?;
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

    /// What is to be reported of a piece of payload, if anything yet.
    fn deliver(
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
        let received = match terms.delivery {
            Delivery::Messages if ends => Received::Message { opcode, place },
            Delivery::Frames if complete => {
                Received::Frame { opcode: header.opcode, place, fin: header.fin, compressed }
            }
            Delivery::Chunks => Received::Chunk { opcode, place, offset, first, last: ends },
            _ if complete => return None,
            _ => return Some(Received::Nothing),
        };
        self.buffer_reported = true;
        Some(received)
    }
}

/// Payload of a frame that was taken from the input.
struct Piece {
    header: Header,
    range: Range<usize>,
    /// It begins the frame's payload.
    begins: bool,
    /// The frame is complete with it.
    complete: bool,
}

/// How much of `wanted` bytes there is.
fn available(wanted: u64, there: usize) -> usize {
    usize::try_from(wanted).map_or(there, |wanted| wanted.min(there))
}
