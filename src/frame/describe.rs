//! Frame headers in words, for debugging: what a dump shows, right or wrong.

use std::fmt;

use crate::frame::OpCode;
use crate::frame::header::{MAX_CONTROL_PAYLOAD, MAX_HEADER_LEN};
use crate::violation::Violation;

/// What can be read of the header at the start of some bytes. Unlike [`Header::decode`](crate::frame::Header::decode)
/// it does not stop at the first rule that is broken, so that a dump can be followed as far as its lengths are there.
/// Rules that depend on who sent the frame, on its place among others or on a limit are not looked at.
///
/// ```
/// use wsengine::frame::describe::Description;
///
/// let frame = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]; // RFC 6455, 5.7
/// let text = Description::read(&frame).to_string();
/// assert_eq!(text, "FIN TEXT len=5 masked key=37fa213d header=6");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// Whether the header is complete.
    pub complete: bool,
    /// Bytes of the header: all of it, or those that would be there if it were complete, as far as that is known.
    pub header_len: usize,
    /// The first byte, if it is there.
    pub first: Option<u8>,
    /// Whether the payload is masked.
    pub masked: Option<bool>,
    /// The key, if the payload is masked.
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub payload_len: Option<u64>,
    /// Bytes that were given, up to those of a header.
    given: usize,
    minimal: bool,
}

impl Description {
    /// Reads as much of the header as there is.
    pub fn read(bytes: &[u8]) -> Description {
        let second = bytes.get(1).copied();
        let short_len = second.map(|second| second & 0x7F);
        let masked = second.map(|second| second & 0x80 != 0);
        let len_end = match short_len {
            Some(126) => 4,
            Some(127) => 10,
            _ => 2,
        };
        let payload_len = match short_len {
            Some(126) => bytes[2..].first_chunk::<2>().map(|field| u64::from(u16::from_be_bytes(*field))),
            Some(127) => bytes[2..].first_chunk::<8>().map(|field| u64::from_be_bytes(*field)),
            short => short.map(u64::from),
        };
        let minimal = match (short_len, payload_len) {
            (Some(126), Some(len)) => len > 125,
            (Some(127), Some(len)) => len > u64::from(u16::MAX),
            _ => true,
        };
        let header_len = len_end + if masked == Some(true) { 4 } else { 0 };
        let mask = if masked == Some(true) {
            bytes.get(len_end..).and_then(|rest| rest.first_chunk::<4>()).copied()
        } else {
            None
        };
        Description {
            complete: bytes.len() >= header_len,
            header_len,
            first: bytes.first().copied(),
            masked,
            mask,
            payload_len,
            given: bytes.len().min(MAX_HEADER_LEN),
            minimal,
        }
    }

    /// The last frame of its message.
    pub fn fin(&self) -> bool {
        self.first.is_some_and(|first| first & 0x80 != 0)
    }

    /// The reserved bits: 4 is RSV1, 2 RSV2, 1 RSV3.
    pub fn reserved_bits(&self) -> u8 {
        self.first.map_or(0, |first| first >> 4 & 7)
    }

    /// The four bits of the opcode, defined or not.
    pub fn opcode_bits(&self) -> u8 {
        self.first.unwrap_or(0) & 0x0F
    }

    /// The rules that the header breaks, whoever sent it. RSV1 on the first frame of a message is none: it may be
    /// compressed (RFC 7692).
    pub fn violations(&self) -> impl Iterator<Item = Violation> {
        let bits = self.opcode_bits();
        let opcode = OpCode::from_bits(bits);
        let control = bits & 8 != 0;
        let rsv1 = self.reserved_bits() & 4 != 0;
        let known = self.first.is_some();
        let len = self.payload_len.unwrap_or(0);
        // The short form of the length alone tells that a control frame is too long.
        let long_form = self.header_len > if self.masked == Some(true) { 6 } else { 2 };
        [
            (known && self.reserved_bits() & 3 != 0, Violation::ReservedBits),
            (known && opcode.is_none(), Violation::ReservedOpcode),
            (rsv1 && control, Violation::CompressedControl),
            (rsv1 && opcode == Some(OpCode::Continuation), Violation::CompressedContinuation),
            (known && control && !self.fin(), Violation::FragmentedControl),
            (control && (long_form || len > MAX_CONTROL_PAYLOAD as u64), Violation::ControlTooLong),
            (!self.minimal, Violation::LengthNotMinimal),
            (len > i64::MAX as u64, Violation::LengthTopBit),
        ]
        .into_iter()
        .filter_map(|(broken, violation)| broken.then_some(violation))
    }
}

impl fmt::Display for Description {
    /// One line: flags, opcode, `len=`, `masked key=`, `header=`; then the bytes that are missing, and the rules that
    /// are broken.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first.is_none() {
            return f.write_str("needs 2 more bytes or more");
        }
        if self.fin() {
            f.write_str("FIN ")?;
        }
        for (bit, name) in [(4, "RSV1 "), (2, "RSV2 "), (1, "RSV3 ")] {
            if self.reserved_bits() & bit != 0 {
                f.write_str(name)?;
            }
        }
        match OpCode::from_bits(self.opcode_bits()) {
            Some(OpCode::Continuation) => f.write_str("CONTINUATION")?,
            Some(OpCode::Text) => f.write_str("TEXT")?,
            Some(OpCode::Binary) => f.write_str("BINARY")?,
            Some(OpCode::Close) => f.write_str("CLOSE")?,
            Some(OpCode::Ping) => f.write_str("PING")?,
            Some(OpCode::Pong) => f.write_str("PONG")?,
            None => write!(f, "OPCODE-{:X}", self.opcode_bits())?,
        }
        if let Some(len) = self.payload_len {
            write!(f, " len={len}")?;
        }
        if self.masked == Some(true) {
            f.write_str(" masked")?;
        }
        if let Some(mask) = self.mask {
            write!(f, " key={:08x}", u32::from_be_bytes(mask))?;
        }
        match self.header_len - self.given.min(self.header_len) {
            0 => write!(f, " header={}", self.header_len)?,
            missing => {
                let or_more = if self.masked.is_none() { " or more" } else { "" };
                write!(f, "; needs {missing} more byte{}{or_more}", if missing == 1 { "" } else { "s" })?;
            }
        }
        for violation in self.violations() {
            write!(f, "; invalid: {}", violation.detail())?;
        }
        Ok(())
    }
}
