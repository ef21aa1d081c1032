//! Sending messages: whole, piece by piece, prepared, or with a payload that the host writes itself (RFC 6455, 5.4, 5.6
//! and 6.1; RFC 7692, 7.2.1).

use crate::connection::outbound::{Outbound, Role};
use crate::deflate::{Agreed, Flush};
use crate::engine::CHUNK_SIZE;
use crate::engine::metrics::MAX_SHORT;
use crate::error::Error;
use crate::event::MessageType;
use crate::frame::header::{EncodedHeader, MAX_HEADER_LEN, medium_header, short_header};
use crate::frame::{Header, OpCode};
use crate::prepared::Prepared;
use crate::simd;
use crate::utf8;

/// A message that is made piece by piece.
#[derive(Clone, Copy)]
pub(crate) struct Making {
    opcode: OpCode,
    /// A frame of it was queued.
    begun: bool,
    compressed: bool,
    utf8: utf8::Validator,
    /// Bytes of it that were queued, and what they became.
    len: u64,
    wire_len: u64,
}

/// The longest payload whose frame, with a length of 16 bits, may lie in a chunk with others.
const MAX_MEDIUM: usize = CHUNK_SIZE - 4;
const _: () = assert!(MAX_MEDIUM <= u16::MAX as usize);

/// Queueing messages.
impl Outbound {
    /// Queues a text message (RFC 6455, 5.6). Refused: bytes that are not UTF-8, unless
    /// [that check is off](crate::Config::set_outgoing_utf8_check).
    #[inline]
    pub fn queue_text(&mut self, text: &[u8]) -> Result<(), Error> {
        let is_checked = self.shared.config.outgoing_utf8_check;
        if self.append_ready(OpCode::Text, text, is_checked) { Ok(()) } else { self.push_text(text, is_checked) }
    }

    /// Queues text that is known to be UTF-8.
    pub(crate) fn queue_valid_text(&mut self, text: &[u8]) -> Result<(), Error> {
        if self.append_ready(OpCode::Text, text, false) { Ok(()) } else { self.push_text(text, false) }
    }

    /// Queues a binary message.
    #[inline]
    pub fn queue_binary(&mut self, data: &[u8]) -> Result<(), Error> {
        if self.append_ready(OpCode::Binary, data, false) { Ok(()) } else { self.push_binary(data) }
    }

    #[inline(always)]
    fn push_text(&mut self, text: &[u8], is_checked: bool) -> Result<(), Error> {
        self.check_message(text.len())?;
        if is_checked && !simd::is_ascii(text) {
            if !utf8::is_valid(text) {
                return Err(Error::InvalidUtf8);
            }
            if self.append_ready(OpCode::Text, text, false) {
                return Ok(());
            }
        }
        self.push_message(OpCode::Text, text)
    }

    #[inline(always)]
    fn push_binary(&mut self, data: &[u8]) -> Result<(), Error> {
        self.check_message(data.len())?;
        self.push_message(OpCode::Binary, data)
    }

    /// Queues a message that was prepared for many connections.
    #[inline]
    pub fn queue_prepared(&mut self, prepared: &Prepared) -> Result<(), Error> {
        // The same in both cases, compiled apart: a broadcast is mostly to connections where nothing waits.
        if self.queue.is_at_rest() { self.add_prepared(prepared) } else { self.add_prepared_behind(prepared) }
    }

    #[inline(never)]
    fn add_prepared_behind(&mut self, prepared: &Prepared) -> Result<(), Error> {
        self.add_prepared(prepared)
    }

    #[inline(always)]
    fn add_prepared(&mut self, prepared: &Prepared) -> Result<(), Error> {
        self.check_message(prepared.len())?;
        if self.role == Role::Server && self.compresses(prepared.len()).is_none() {
            self.note_frame(prepared.message_type().opcode());
            let queued = self.queue.push_prepared(prepared.plain_frame(), &self.shared);
            self.message_queued(prepared.message_type(), prepared.len() as u64, queued);
            return Ok(());
        }
        self.push_form(prepared)
    }

    /// Begins a message of which the size need not be known: any number of [`Outbound::queue_part`], then
    /// [`Outbound::queue_end`]. Until then only control frames can be queued beside it.
    pub fn queue_begin(&mut self, message_type: MessageType) -> Result<(), Error> {
        self.check_ready()?;
        self.queue.end_ready();
        let making = Making {
            opcode: message_type.opcode(),
            begun: false,
            compressed: false,
            utf8: utf8::Validator::default(),
            len: 0,
            wire_len: 0,
        };
        self.extras.make(making, &self.shared);
        Ok(())
    }

    /// Queues the next part of the message, as one frame. Text may be cut within a character. A part that is refused can
    /// be given again.
    pub fn queue_part(&mut self, part: &[u8]) -> Result<(), Error> {
        self.push_part(part, false)
    }

    /// Ends the message with its last part, which may be empty. Refused: text that ends within a character.
    pub fn queue_end(&mut self, part: &[u8]) -> Result<(), Error> {
        self.push_part(part, true)
    }

    /// Begins a message of one frame whose payload the host writes to the stream itself: gives the header to write
    /// before it. The output must have been taken. A client masks the payload with the key of the header, see
    /// [`mask::apply`](crate::frame::mask::apply). Text is not checked.
    ///
    /// Until [`Outbound::end_frame`] nothing else is lent, and what the host writes is not seen: no ping is sent, and
    /// the idle, write stall and close timeouts wait for `end_frame`. So after a short write hand over what is left,
    /// [`Outbound::queue_frame_rest`], and go on as with any output; or write it yourself as the stream takes it.
    ///
    /// If the connection ends meanwhile, its close frame waits behind the payload. Then write the rest within the close
    /// timeout, or hand it over, and call `end_frame`; or close the stream at once, without `end_frame`, because half a
    /// payload cannot be followed by anything.
    pub fn begin_frame(&mut self, message_type: MessageType, payload_len: u64) -> Result<EncodedHeader, Error> {
        self.check_ready()?;
        if self.in_host_frame {
            return Err(Error::State("the payload of a frame is being written: end it first"));
        }
        if self.queue.len() > 0 {
            return Err(Error::State("output waits, and goes before this frame: take it first"));
        }
        if payload_len > i64::MAX as u64 {
            return Err(Error::InvalidArgument("a payload has at most 2^63-1 bytes (RFC 6455, 5.2)"));
        }
        let header =
            Header { fin: true, rsv1: false, opcode: message_type.opcode(), mask: self.mask_key()?, payload_len };
        self.note_frame(header.opcode);
        self.in_host_frame = true;
        let encoded = header.encode();
        self.shared.metrics.written_by_host(encoded.as_bytes().len() as u64 + payload_len);
        self.message_queued(message_type, payload_len, 0);
        Ok(encoded)
    }

    /// Hands over what the stream did not take of the frame of [`Outbound::begin_frame`]: its last bytes, those of the
    /// header too if not even these were written, masked if there is a key. They are copied, and go out first, before
    /// all that was queued since the frame began: nothing may come between the bytes of a frame (RFC 6455, 5.4 and 5.5).
    /// Where they lie apart, each call hands over what follows. Then call [`Outbound::end_frame`].
    ///
    /// Also after the connection has ended meanwhile. Refused if no frame was begun; and with [`Error::QueueFull`] where
    /// a message of that size would be. Then nothing of it was taken, and the host can still write it itself, unless
    /// bytes before it were handed over: then close the stream.
    pub fn queue_frame_rest(&mut self, rest: &[u8]) -> Result<(), Error> {
        if !self.in_host_frame {
            return Err(Error::State("no frame was begun"));
        }
        if rest.is_empty() {
            return Ok(());
        }
        self.check_room(rest.len())?;
        self.shared.metrics.left_by_host(rest.len() as u64);
        let queued = self.queue.backlog(&self.shared).push_rest(rest, &self.shared);
        self.watch_high_water(queued);
        Ok(())
    }

    /// Says that the frame of [`Outbound::begin_frame`] was written to its last byte, but for what was handed over: the
    /// output goes on, and the timeouts count anew.
    pub fn end_frame(&mut self) -> Result<(), Error> {
        if !std::mem::take(&mut self.in_host_frame) {
            return Err(Error::State("no frame was begun"));
        }
        self.note_host_frame_ended();
        Ok(())
    }

    /// A message may begin now.
    #[inline(always)]
    fn check_ready(&self) -> Result<(), Error> {
        self.check_open()?;
        if self.extras.making().is_some() {
            return Err(Error::State("a message is being made piece by piece: end it first"));
        }
        Ok(())
    }

    /// A message of this size may be queued now.
    #[inline(always)]
    fn check_message(&mut self, len: usize) -> Result<(), Error> {
        self.check_ready()?;
        self.check_room(len)
    }

    #[inline(always)]
    fn check_room(&mut self, len: usize) -> Result<(), Error> {
        let config = &self.shared.config;
        let queued = self.queue.len();
        if fits(len, queued, config.max_queued_bytes)
            && fits(len, queued + self.extras.held_input(), config.max_connection_bytes)
            && fits(len, self.shared.metrics.held_bytes(), config.max_engine_bytes)
        {
            return Ok(());
        }
        self.refuse_for_room()
    }

    #[cold]
    fn refuse_for_room(&mut self) -> Result<(), Error> {
        self.shared.metrics.queue_full();
        self.above_high_water |= self.queue.len() > 0; // when it falls, it is worth another try
        Err(Error::QueueFull)
    }

    /// The usual case of a busy connection: a server's short message behind others. `false`: it is not that, or is to be
    /// refused, or it is not all ASCII though that was asked for, and nothing was changed.
    ///
    /// Whether the connection is open, and so on, was seen when the backlog was made ready: whatever changes it ends that.
    #[inline(always)]
    pub(crate) fn append_short(&mut self, opcode: OpCode, payload: &[u8], only_ascii: bool) -> bool {
        let len = payload.len();
        if len > simd::SHORT {
            return false;
        }
        let is_appended = self.append(short_header(opcode, len as u8), payload, only_ascii);
        if is_appended {
            self.shared.metrics.short_message_out(MessageType::of(opcode), len);
        }
        is_appended
    }

    /// The same of a message that is not too long for a chunk beside others.
    #[inline(always)]
    fn append_ready(&mut self, opcode: OpCode, payload: &[u8], only_ascii: bool) -> bool {
        let len = payload.len();
        if len <= simd::SHORT {
            return self.append_short(opcode, payload, only_ascii);
        }
        let is_appended = match len {
            0..=MAX_SHORT => self.append(short_header(opcode, len as u8), payload, only_ascii),
            126..=MAX_MEDIUM => self.append(medium_header(opcode, len as u16), payload, only_ascii),
            _ => false,
        };
        if is_appended {
            self.shared.metrics.longer_message_out(MessageType::of(opcode), len);
        }
        is_appended
    }

    #[inline(always)]
    fn append<const HEADER: usize>(&mut self, header: [u8; HEADER], payload: &[u8], only_ascii: bool) -> bool {
        let Some(backlog) = self.queue.own_backlog() else {
            return false;
        };
        let metrics = &self.shared.metrics;
        // What other connections hold changes without notice.
        if metrics.held_bytes() + payload.len() + MAX_HEADER_LEN > self.shared.config.max_engine_bytes {
            return false;
        }
        let Some(queued) = backlog.append_ready(header, payload, only_ascii) else {
            return false;
        };
        metrics.queued(HEADER + payload.len(), queued);
        self.note_message();
        true
    }

    #[inline(always)]
    fn push_message(&mut self, opcode: OpCode, payload: &[u8]) -> Result<(), Error> {
        match self.compresses(payload.len()) {
            Some(agreed) => self.push_compressed(opcode, payload, agreed)?,
            None if self.role == Role::Server => {
                self.note_frame(opcode);
                let header = Header { fin: true, rsv1: false, opcode, mask: None, payload_len: payload.len() as u64 };
                let backlog = self.queue.backlog(&self.shared);
                let queued = backlog.push_frame(&header, payload, &self.shared);
                if self.compression.is_none() {
                    let config = &self.shared.config;
                    let full = config.max_connection_bytes.saturating_sub(self.extras.held_input());
                    let full = full.min(config.max_queued_bytes).saturating_sub(MAX_HEADER_LEN);
                    backlog.make_ready(config.high_water.min(full).saturating_sub(queued));
                }
                self.message_queued(MessageType::of(opcode), payload.len() as u64, queued);
                return Ok(());
            }
            None => self.push_masked(opcode, payload)?,
        }
        self.message_queued(MessageType::of(opcode), payload.len() as u64, self.queue.len());
        Ok(())
    }

    #[inline(never)]
    fn push_compressed(&mut self, opcode: OpCode, payload: &[u8], agreed: Agreed) -> Result<(), Error> {
        let mask = self.mask_key()?; // before the deflator takes notice of the message
        let mut compressed = self.shared.take_input();
        self.extras.deflator(agreed, &self.shared).deflate(payload, Flush::Message, &mut compressed);
        // A peer that follows our window has to get what went through the deflator.
        let smaller = compressed.len() < payload.len();
        if smaller || agreed.own_takeover {
            self.queue_frame(opcode, true, true, mask, &compressed);
            self.shared.metrics.compressed_out(payload.len() as u64, compressed.len() as u64);
        } else {
            self.queue_frame(opcode, false, true, mask, payload);
        }
        self.message_ended(agreed);
        self.shared.return_input(compressed);
        Ok(())
    }

    /// Queues a prepared message that is masked, or may be compressed.
    #[inline(never)]
    fn push_form(&mut self, prepared: &Prepared) -> Result<(), Error> {
        let settings = &self.shared.config.compression;
        let encoded = self
            .compresses(prepared.len())
            .and_then(|agreed| prepared.compressed(settings, agreed.own_window_bits))
            .unwrap_or_else(|| prepared.plain());
        match self.role {
            Role::Server => {
                self.note_frame(prepared.message_type().opcode());
                self.queue.push_prepared(encoded.frame, &self.shared);
            }
            Role::Client => self.push(prepared.message_type().opcode(), encoded.compressed, true, encoded.payload)?,
        }
        if encoded.compressed {
            self.shared.metrics.compressed_out(prepared.len() as u64, encoded.payload.len() as u64);
            // It did not see this message, so what it knows is no longer what lies behind in the peer's window.
            self.extras.reset_deflator();
        }
        self.message_queued(prepared.message_type(), prepared.len() as u64, self.queue.len());
        Ok(())
    }

    #[inline(never)]
    fn push_masked(&mut self, opcode: OpCode, payload: &[u8]) -> Result<(), Error> {
        let mask = self.mask_key()?;
        self.note_frame(opcode);
        let header = Header { fin: true, rsv1: false, opcode, mask, payload_len: payload.len() as u64 };
        self.queue.backlog(&self.shared).push_frame(&header, payload, &self.shared);
        Ok(())
    }

    fn push_part(&mut self, part: &[u8], last: bool) -> Result<(), Error> {
        self.check_open()?;
        let mut making = *self.extras.making().ok_or(Error::State("no message was begun"))?;
        if making.opcode == OpCode::Text && self.shared.config.outgoing_utf8_check {
            making.utf8.feed(part).map_err(|_| Error::InvalidUtf8)?;
            if last {
                making.utf8.finish().map_err(|_| Error::InvalidUtf8)?;
            }
        }
        if part.is_empty() && !last {
            return Ok(());
        }
        self.check_room(part.len())?;
        let mask = self.mask_key()?;

        let begins = !std::mem::replace(&mut making.begun, true);
        if begins {
            making.compressed = self.compresses(part.len()).is_some(); // the first part decides for all
        }
        making.len = making.len.saturating_add(part.len() as u64);
        let opcode = if begins { making.opcode } else { OpCode::Continuation };
        match self.compression.filter(|_| making.compressed) {
            None => self.queue_frame(opcode, false, last, mask, part),
            Some(agreed) => {
                let flush = if last { Flush::Message } else { Flush::Part };
                let mut compressed = self.shared.take_input();
                self.extras.deflator(agreed, &self.shared).deflate(part, flush, &mut compressed);
                making.wire_len = making.wire_len.saturating_add(compressed.len() as u64);
                self.queue_frame(opcode, begins, last, mask, &compressed);
                self.shared.return_input(compressed);
                if last {
                    self.shared.metrics.compressed_out(making.len, making.wire_len);
                    self.message_ended(agreed);
                }
            }
        }
        if last {
            self.extras.end_making(&self.shared);
            self.message_queued(MessageType::of(making.opcode), making.len, self.queue.len());
        } else {
            self.extras.make(making, &self.shared);
            self.watch_high_water(self.queue.len());
        }
        Ok(())
    }

    /// Whether a message of this size goes compressed.
    #[inline(always)]
    pub(super) fn compresses(&self, len: usize) -> Option<Agreed> {
        self.compression.filter(|_| len >= self.shared.config.compression.threshold)
    }

    /// The deflator goes back to the engine unless it has to remember.
    fn message_ended(&mut self, agreed: Agreed) {
        if !agreed.own_takeover {
            self.extras.end_deflation(&self.shared);
        }
    }

    /// A message was queued to its end; so many bytes wait now.
    #[inline(always)]
    fn message_queued(&mut self, message_type: MessageType, len: u64, queued: usize) {
        self.shared.metrics.message_out(message_type, len);
        self.watch_high_water(queued);
    }

    #[inline(always)]
    fn watch_high_water(&mut self, queued: usize) {
        if queued > self.shared.config.high_water {
            self.above_high_water = true;
        }
    }
}

/// Whether a payload of `len` bytes may be held beside what is held, with its header.
#[inline(always)]
pub(super) fn fits(len: usize, held: usize, max: usize) -> bool {
    len.saturating_add(MAX_HEADER_LEN) <= max.saturating_sub(held)
}
