//! The frame header (RFC 6455, 5.2).

use crate::event::MessageType;
use crate::violation::Violation;

/// The longest header: two bytes, a 64-bit length, a mask key.
pub const MAX_HEADER_LEN: usize = 14;

/// The most payload that a control frame may carry (RFC 6455, 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV: u8 = 0x70;
const MASK: u8 = 0x80;
const TEXT: u8 = FIN | OpCode::Text as u8;
const BINARY: u8 = FIN | OpCode::Binary as u8;
const LEN_16: u8 = 126;
const LEN_64: u8 = 127;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum OpCode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

impl OpCode {
    /// The opcode of these four bits, if it is one that the RFC defines.
    pub const fn from_bits(bits: u8) -> Option<OpCode> {
        Some(match bits {
            0x0 => OpCode::Continuation,
            0x1 => OpCode::Text,
            0x2 => OpCode::Binary,
            0x8 => OpCode::Close,
            0x9 => OpCode::Ping,
            0xA => OpCode::Pong,
            _ => return None,
        })
    }

    /// Close, ping and pong.
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// A frame header, decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The last frame of its message.
    pub fin: bool,
    /// The first frame of a compressed message (RFC 7692, 6).
    pub rsv1: bool,
    /// What the frame carries.
    pub opcode: OpCode,
    /// The key, if the payload is masked.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub payload_len: u64,
}

/// What the receiver demands of a header beyond its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    /// Frames must be masked (we are the server) or must not be (we are the client).
    pub masked: bool,
    /// RSV1 has a meaning, since permessage-deflate was agreed on (RFC 7692, 6).
    pub rsv1: bool,
}

impl Header {
    /// Decodes the header at the start of `bytes`: `None` when more bytes are needed, else the header and its length.
    ///
    /// A rule that the bytes so far already break is reported at once, however few they are.
    pub fn decode(bytes: &[u8], expect: Expect) -> Result<Option<(Header, usize)>, Violation> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let allowed = if expect.rsv1 { RSV1 } else { 0 };
        if first & RSV & !allowed != 0 {
            return Err(Violation::ReservedBits);
        }
        let opcode = OpCode::from_bits(first & 0x0F).ok_or(Violation::ReservedOpcode)?;
        let rsv1 = first & RSV1 != 0;
        match opcode {
            _ if !rsv1 => {}
            OpCode::Text | OpCode::Binary => {}
            OpCode::Continuation => return Err(Violation::CompressedContinuation),
            _ => return Err(Violation::CompressedControl),
        }
        let fin = first & FIN != 0;
        if opcode.is_control() && !fin {
            return Err(Violation::FragmentedControl);
        }

        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        let masked = second & MASK != 0;
        match (masked, expect.masked) {
            (false, true) => return Err(Violation::MaskMissing),
            (true, false) => return Err(Violation::MaskPresent),
            _ => {}
        }
        let short_len = second & !MASK;
        if opcode.is_control() && short_len as usize > MAX_CONTROL_PAYLOAD {
            return Err(Violation::ControlTooLong);
        }

        let (payload_len, len_end) = match short_len {
            LEN_16 => {
                let Some(field) = bytes[2..].first_chunk::<2>() else {
                    return Ok(None);
                };
                let len = u16::from_be_bytes(*field);
                if len < LEN_16 as u16 {
                    return Err(Violation::LengthNotMinimal);
                }
                (u64::from(len), 4)
            }
            LEN_64 => {
                let Some(field) = bytes[2..].first_chunk::<8>() else {
                    return Ok(None);
                };
                let len = u64::from_be_bytes(*field);
                if len > i64::MAX as u64 {
                    return Err(Violation::LengthTopBit);
                }
                if len <= u64::from(u16::MAX) {
                    return Err(Violation::LengthNotMinimal);
                }
                (len, 10)
            }
            len => (u64::from(len), 2),
        };

        let (mask, end) = if masked {
            let Some(key) = bytes[len_end..].first_chunk::<4>() else {
                return Ok(None);
            };
            (Some(*key), len_end + 4)
        } else {
            (None, len_end)
        };
        Ok(Some((Header { fin, rsv1, opcode, mask, payload_len }, end)))
    }

    /// The header on the wire, in its shortest form.
    pub fn encode(&self) -> EncodedHeader {
        let mut encoded = EncodedHeader { bytes: [0; MAX_HEADER_LEN], len: 0 };
        self.write(|part| {
            let start = encoded.len as usize;
            encoded.bytes[start..start + part.len()].copy_from_slice(part);
            encoded.len += part.len() as u8;
        });
        encoded
    }

    /// Appends the header as it is on the wire.
    #[inline(always)]
    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        self.write(|part| bytes.extend_from_slice(part));
    }

    /// Bytes of the header on the wire.
    #[inline(always)]
    pub(crate) fn encoded_len(&self) -> usize {
        let mask = if self.mask.is_some() { 4 } else { 0 };
        match self.payload_len {
            0..=125 => 2 + mask,
            126..=0xFFFF => 4 + mask,
            _ => 10 + mask,
        }
    }

    /// Gives the header in parts of a size that the compiler knows, so that each is a store or two.
    #[inline(always)]
    fn write(&self, mut put: impl FnMut(&[u8])) {
        let first = if self.fin { FIN } else { 0 } | if self.rsv1 { RSV1 } else { 0 } | self.opcode as u8;
        let mask = if self.mask.is_some() { MASK } else { 0 };
        match self.payload_len {
            len @ 0..=125 => put(&[first, mask | len as u8]),
            len @ 126..=0xFFFF => {
                let [high, low] = (len as u16).to_be_bytes();
                put(&[first, mask | LEN_16, high, low]);
            }
            len => {
                put(&[first, mask | LEN_64]);
                put(&len.to_be_bytes());
            }
        }
        if let Some(key) = &self.mask {
            put(key);
        }
    }
}

/// The header of a data message in one plain frame, the usual case: with a length of 7 bits if `EXTRA` is 0, of 16 bits if
/// it is 2 (RFC 6455, 5.2). So each form has a length that the compiler knows.
pub(crate) struct PlainHeader<const MASKED: bool, const EXTRA: usize> {
    pub(crate) message_type: MessageType,
    /// The key; 0 if the payload is not masked.
    pub(crate) key: [u8; 4],
    pub(crate) payload_len: usize,
}

impl<const MASKED: bool, const EXTRA: usize> PlainHeader<MASKED, EXTRA> {
    /// Its own length.
    pub(crate) const LEN: usize = 2 + EXTRA + if MASKED { 4 } else { 0 };

    /// Decodes by the rules of [`Header::decode`]. `None`: anything else, for which that is to be asked.
    #[inline(always)]
    pub(crate) fn decode(bytes: &[u8]) -> Option<PlainHeader<MASKED, EXTRA>> {
        let header = bytes.get(..Self::LEN)?;
        let short_len = if MASKED { header[1] ^ MASK } else { header[1] };
        let payload_len = match EXTRA {
            0 if short_len < LEN_16 => short_len.into(),
            2 if short_len == LEN_16 => u16::from_be_bytes([header[2], header[3]]).into(),
            _ => return None,
        };
        if EXTRA == 2 && payload_len < usize::from(LEN_16) {
            return None;
        }
        let message_type = match header[0] {
            TEXT => MessageType::Text,
            BINARY => MessageType::Binary,
            _ => return None,
        };
        let key = if MASKED { *header[2 + EXTRA..].first_chunk()? } else { [0; 4] };
        Some(PlainHeader { message_type, key, payload_len })
    }
}

/// Whether a plain frame that is a message by itself begins with this byte.
#[inline(always)]
pub(crate) fn begins_message(first: u8) -> bool {
    matches!(first, TEXT | BINARY)
}

/// The header on the wire of a whole message of at most 125 bytes that is not masked.
#[inline(always)]
pub(crate) fn short_header(opcode: OpCode, payload_len: u8) -> [u8; 2] {
    [FIN | opcode as u8, payload_len]
}

/// The same of one of 126 to 65,535 bytes.
#[inline(always)]
pub(crate) fn medium_header(opcode: OpCode, payload_len: u16) -> [u8; 4] {
    let [high, low] = payload_len.to_be_bytes();
    [FIN | opcode as u8, LEN_16, high, low]
}

/// A header on the wire.
#[derive(Debug, Clone, Copy)]
pub struct EncodedHeader {
    bytes: [u8; MAX_HEADER_LEN],
    len: u8,
}

impl EncodedHeader {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len as usize]
    }
}
