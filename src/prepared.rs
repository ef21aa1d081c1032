//! A message that is encoded, and compressed, once for many connections.

use std::sync::{Arc, OnceLock};

use crate::config::Compression;
use crate::deflate::{Deflator, Flush};
use crate::error::Error;
use crate::event::MessageType;
use crate::frame::{Header, OpCode};

/// One message for a broadcast. Immutable; clones share it, and may be used by connections of any thread.
#[derive(Clone)]
pub struct Prepared(Arc<Forms>);

struct Forms {
    message_type: MessageType,
    /// The frame that a server sends, header and payload.
    plain: Arc<[u8]>,
    header_len: usize,
    /// The frame as it is sent compressed, for windows of 8 to 15 bits; made when it is first needed. `None`: it would
    /// not be smaller.
    compressed: [OnceLock<Option<Form>>; WINDOWS],
}

struct Form {
    frame: Arc<[u8]>,
    header_len: usize,
}

const MIN_WINDOW_BITS: u8 = 8;
const WINDOWS: usize = 8;

/// A form of the message, as it is to be sent to one connection.
#[derive(Clone, Copy)]
pub(crate) struct Encoded<'p> {
    pub(crate) compressed: bool,
    /// Header without a mask, and payload.
    pub(crate) frame: &'p Arc<[u8]>,
    pub(crate) payload: &'p [u8],
}

impl Prepared {
    /// Prepares a message. Text must be UTF-8 (RFC 6455, 5.6).
    pub fn new(message_type: MessageType, payload: &[u8]) -> Result<Prepared, Error> {
        if message_type == MessageType::Text && simdutf8::basic::from_utf8(payload).is_err() {
            return Err(Error::InvalidUtf8);
        }
        let Form { frame: plain, header_len } = encode(message_type.opcode(), false, payload);
        Ok(Prepared(Arc::new(Forms { message_type, plain, header_len, compressed: Default::default() })))
    }

    /// Bytes of the message.
    pub fn payload(&self) -> &[u8] {
        &self.0.plain[self.0.header_len..]
    }

    pub(crate) fn plain(&self) -> Encoded<'_> {
        Encoded { compressed: false, frame: &self.0.plain, payload: self.payload() }
    }

    /// The frame that a server sends uncompressed.
    #[inline]
    pub(crate) fn plain_frame(&self) -> &Arc<[u8]> {
        &self.0.plain
    }

    #[inline]
    pub(crate) fn message_type(&self) -> MessageType {
        self.0.message_type
    }

    /// Bytes of payload.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.plain.len() - self.0.header_len
    }

    /// The compressed form, if it is the smaller one. It refers to no other message.
    pub(crate) fn compressed(&self, settings: &Compression, window_bits: u8) -> Option<Encoded<'_>> {
        let slot = self.0.compressed.get(usize::from(window_bits.checked_sub(MIN_WINDOW_BITS)?))?;
        let form = slot.get_or_init(|| {
            let mut payload = Vec::new();
            let mut deflator = Deflator::new(settings.level, settings.mem_level, window_bits);
            deflator.deflate(self.payload(), Flush::Message, &mut payload);
            (payload.len() < self.payload().len()).then(|| encode(self.0.message_type.opcode(), true, &payload))
        });
        form.as_ref().map(|form| Encoded {
            compressed: true,
            frame: &form.frame,
            payload: &form.frame[form.header_len..],
        })
    }
}

fn encode(opcode: OpCode, rsv1: bool, payload: &[u8]) -> Form {
    let header = Header { fin: true, rsv1, opcode, mask: None, payload_len: payload.len() as u64 }.encode();
    let header = header.as_bytes();
    Form { frame: [header, payload].concat().into(), header_len: header.len() }
}
