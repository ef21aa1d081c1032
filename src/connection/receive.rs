//! Receiving frames and joining them to messages (RFC 6455, 5.2 to 5.6, 6.2 and 8.1).

use std::ops::Range;

use crate::config::Config;
use crate::engine::metrics::Metrics;
use crate::frame::header::{Expect, MAX_HEADER_LEN};
use crate::frame::{Header, OpCode, mask};
use crate::utf8;
use crate::violation::Violation;

/// What the next frame or message is.
pub(crate) enum Received {
    /// More input is needed.
    Nothing,
    Text(Place),
    Binary(Place),
    Ping(Place),
    Pong(Place),
    /// The payload of a close frame, not yet parsed.
    Close(Place),
}

/// Where a payload lies.
pub(crate) enum Place {
    /// In the input: it came whole.
    Input(Range<usize>),
    /// In the receiver, which joined it.
    Message,
    Control,
}

/// The receiving half of a connection: the parts that outlive one piece of input.
#[derive(Default)]
pub(crate) struct Receiver {
    /// The start of a header whose end has not arrived.
    partial_header: [u8; MAX_HEADER_LEN],
    partial_header_len: usize,
    frame: Option<Frame>,
    /// Text or binary, while a message is under way.
    message_opcode: Option<OpCode>,
    pub(crate) message: Vec<u8>,
    utf8: utf8::Validator,
    control: Vec<u8>,
    /// The message or control payload was reported, and goes with the next pull.
    message_reported: bool,
    control_reported: bool,
}

/// A frame whose payload is arriving.
struct Frame {
    header: Header,
    received: u64,
}

/// A first reservation for a message that comes in several reads. The declared length alone reserves nothing: a peer
/// that announces a megabyte and sends a byte costs a page.
const FIRST_RESERVE: usize = 4 * 1024;

impl Receiver {
    /// Takes frames from `input` at `pos` until there is one to report.
    pub(crate) fn next(
        &mut self,
        input: &mut [u8],
        pos: &mut usize,
        expect: Expect,
        config: &Config,
        metrics: &Metrics,
    ) -> Result<Received, Violation> {
        self.drop_reported();
        loop {
            if self.frame.is_none() {
                let Some(header) = self.next_header(input, pos, expect)? else {
                    return Ok(Received::Nothing);
                };
                metrics.frame_in(header.opcode);
                self.check_order_and_size(&header, config)?;
                self.frame = Some(Frame { header, received: 0 });
            }
            if let Some(received) = self.next_payload(input, pos)? {
                return Ok(received);
            }
        }
    }

    /// The bytes of a payload that was reported last.
    pub(crate) fn payload<'a>(&'a self, place: &Place, input: &'a [u8]) -> &'a [u8] {
        match place {
            Place::Input(range) => &input[range.clone()],
            Place::Message => &self.message,
            Place::Control => &self.control,
        }
    }

    /// Ends the views of what was reported last.
    pub(crate) fn drop_reported(&mut self) {
        if std::mem::take(&mut self.message_reported) {
            self.message.clear();
        }
        if std::mem::take(&mut self.control_reported) {
            self.control.clear();
        }
    }

    /// Whether nothing is kept for the next input.
    pub(crate) fn is_idle(&self) -> bool {
        self.partial_header_len == 0 && self.frame.is_none() && self.message_opcode.is_none()
    }

    /// Bytes of a message or control frame of which more is to come.
    pub(crate) fn held(&self) -> usize {
        self.partial_header_len + self.message.len() + self.control.len()
    }

    /// Frees the message buffer unless a message is under way.
    pub(crate) fn trim(&mut self) {
        if self.message_opcode.is_none() {
            self.message = Vec::new();
        }
    }

    /// As new, but with its buffers.
    pub(crate) fn reset(&mut self) {
        let (mut message, mut control) = (std::mem::take(&mut self.message), std::mem::take(&mut self.control));
        message.clear();
        control.clear();
        *self = Receiver { message, control, ..Receiver::default() };
    }

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
    fn check_order_and_size(&mut self, header: &Header, config: &Config) -> Result<(), Violation> {
        match (header.opcode, self.message_opcode) {
            (opcode, _) if opcode.is_control() => return Ok(()),
            (OpCode::Continuation, None) => return Err(Violation::ContinuationWithoutStart),
            (OpCode::Continuation, Some(_)) => {}
            (_, Some(_)) => return Err(Violation::MessageInsideMessage),
            (opcode, None) => self.message_opcode = Some(opcode),
        }
        if header.payload_len > config.max_frame_size {
            return Err(Violation::FrameTooBig);
        }
        match header.payload_len.checked_add(self.message.len() as u64) {
            Some(total) if total <= config.max_message_size && usize::try_from(total).is_ok() => Ok(()),
            _ => Err(Violation::MessageTooBig),
        }
    }

    /// Takes payload of the frame under way. `None`: it was a fragment, and is complete.
    fn next_payload(&mut self, input: &mut [u8], pos: &mut usize) -> Result<Option<Received>, Violation> {
        let Some(frame) = &mut self.frame else {
            return Ok(Some(Received::Nothing));
        };
        let header = frame.header;
        let left = header.payload_len - frame.received;
        let start = *pos;
        let end = start + usize::try_from(left).map_or(input.len() - start, |left| left.min(input.len() - start));
        let came_whole = frame.received == 0 && (end - start) as u64 == header.payload_len;
        let piece = &mut input[start..end];
        if let Some(key) = header.mask {
            mask::apply(key, frame.received, piece);
        }
        frame.received += piece.len() as u64;
        *pos = end;
        let complete = frame.received == header.payload_len;
        if complete {
            self.frame = None;
        }

        if header.opcode.is_control() {
            let place = if came_whole {
                Place::Input(start..end)
            } else {
                self.control.extend_from_slice(piece);
                if !complete {
                    return Ok(Some(Received::Nothing));
                }
                self.control_reported = true;
                Place::Control
            };
            return Ok(Some(match header.opcode {
                OpCode::Ping => Received::Ping(place),
                OpCode::Pong => Received::Pong(place),
                _ => Received::Close(place),
            }));
        }

        let is_text = self.message_opcode == Some(OpCode::Text);
        let is_whole_message = came_whole && header.fin && header.opcode != OpCode::Continuation;
        let place = if is_whole_message {
            if is_text && simdutf8::basic::from_utf8(piece).is_err() {
                return Err(Violation::TextUtf8);
            }
            Place::Input(start..end)
        } else {
            if is_text {
                self.utf8.feed(piece).map_err(|_| Violation::TextUtf8)?;
            }
            if self.message.capacity() == 0 {
                self.message.reserve(piece.len().max(left.min(FIRST_RESERVE as u64) as usize));
            }
            self.message.extend_from_slice(piece);
            if !complete {
                return Ok(Some(Received::Nothing));
            }
            if !header.fin {
                return Ok(None);
            }
            self.utf8.finish().map_err(|_| Violation::TextUtf8)?;
            self.message_reported = true;
            Place::Message
        };
        self.message_opcode = None;
        Ok(Some(if is_text { Received::Text(place) } else { Received::Binary(place) }))
    }
}
