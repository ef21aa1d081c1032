//! The whole vocabulary of what a connection reports.

use crate::detail::Detail;
use crate::frame::OpCode;

/// What happened. The views in it live until the next pull or input call on the same connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Server with manual accept: a valid request waits for `accept` or `reject`.
    Request {
        /// The request target as it was sent: path and query.
        target: &'a str,
    },
    /// The handshake is complete; messages may flow.
    Open {
        /// The subprotocol that was agreed on.
        subprotocol: Option<&'a str>,
        /// permessage-deflate was agreed on (RFC 7692).
        compression: bool,
    },
    /// A whole text message.
    Text(Text<'a>),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// [`Delivery::Chunks`]: a part of a message, as it arrived.
    Chunk(Chunk<'a>),
    /// [`Delivery::Frames`]: a data frame.
    Frame(Frame<'a>),
    /// A ping; the engine has answered it unless that is turned off.
    Ping(&'a [u8]),
    /// A pong.
    Pong {
        /// Its payload.
        data: &'a [u8],
        /// Milliseconds since the ping that it answers, if that was one of the engine's own.
        rtt_ms: Option<u32>,
    },
    /// The output fell to the low-water mark after it had been above the high one, or after a message was refused for
    /// lack of room.
    Writable,
    /// The end, exactly once, whatever the cause.
    Close(Close<'a>),
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MessageType {
    Text,
    Binary,
}

impl MessageType {
    /// That of a message whose first frame has this opcode.
    pub(crate) fn of(opcode: OpCode) -> MessageType {
        if opcode == OpCode::Text { MessageType::Text } else { MessageType::Binary }
    }

    pub(crate) const fn opcode(self) -> OpCode {
        match self {
            MessageType::Text => OpCode::Text,
            MessageType::Binary => OpCode::Binary,
        }
    }
}

/// How messages are delivered. Text is checked as it arrives in each (RFC 6455, 8.1), and compressed messages are
/// inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Whole: [`Event::Text`] and [`Event::Binary`].
    Messages,
    /// In parts, as they arrive: [`Event::Chunk`]. For messages that need not fit in memory.
    Chunks,
    /// Frame by frame, each whole: [`Event::Frame`]. For tools and proxies.
    Frames,
}

/// A part of a message. One message's chunks follow each other; control frames may come between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Text or binary.
    pub opcode: OpCode,
    /// The bytes; a chunk of text may end within a character. Empty ones occur only as the last.
    pub data: &'a [u8],
    /// Bytes of the message before this chunk.
    pub offset: u64,
    /// The message begins here.
    pub first: bool,
    /// The message ends here.
    pub last: bool,
}

/// A data frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Text, binary or continuation.
    pub opcode: OpCode,
    /// The payload, unmasked and inflated; that of a text frame may end within a character.
    pub data: &'a [u8],
    /// The last frame of its message.
    pub fin: bool,
    /// It belongs to a message that came compressed.
    pub compressed: bool,
}

/// The payload of a text message: UTF-8, checked as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// `bytes` must have been validated.
    pub(crate) fn new(bytes: &'a [u8]) -> Text<'a> {
        debug_assert!(std::str::from_utf8(bytes).is_ok());
        Text(bytes)
    }

    /// The bytes, at no cost.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The text. Costs one more fast pass, because the crate does without unchecked conversions.
    pub fn as_str(self) -> &'a str {
        simdutf8::basic::from_utf8(self.0).expect("text was validated as it arrived")
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close<'a> {
    /// The code that the peer sent, or that we sent for a rule it broke or since it was silent for too long; 1005 if there
    /// was none in the close frame, 1006 if the connection was lost or never opened.
    pub code: u16,
    /// The reason that the peer sent.
    pub reason: &'a str,
    /// Why, in words.
    pub detail: Detail,
    /// Both sides sent a close frame.
    pub clean: bool,
    /// Who began.
    pub initiator: Initiator,
    /// The HTTP status that refused the handshake, sent or received.
    pub http_status: Option<u16>,
}

/// Who began the end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initiator {
    /// The other side.
    Peer,
    /// This side: by a call, because the peer broke a rule, or because a deadline was reached.
    Us,
    /// Nobody: the connection was lost.
    Nobody,
}
