//! What a call can refuse. A call that returns an error has changed nothing.

use std::fmt;

/// Why a call was refused. Errors of the *peer* are not here: they arrive as [`Event::Close`](crate::Event::Close).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An argument is out of its range or malformed; the text says which and why.
    InvalidArgument(&'static str),
    /// The call is not legal in the connection's present state; the text says what is.
    State(&'static str),
    /// Input was given before the earlier input had been pulled until nothing was left.
    InputPending,
    /// The message was not queued, because the output queue would exceed its limit.
    QueueFull,
    /// A text message or close reason to send is not UTF-8 (RFC 6455, 5.6 and 5.5.1).
    InvalidUtf8,
    /// The operating system gave no random bytes for a mask or handshake key.
    Random,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidArgument(what) => write!(f, "invalid argument: {what}"),
            Error::State(what) => write!(f, "wrong state: {what}"),
            Error::InputPending => {
                f.write_str("input pending: pull events until there are none before giving more input")
            }
            Error::QueueFull => f.write_str("output queue full: take output before queueing more, or raise the limit"),
            Error::InvalidUtf8 => f.write_str("text to send is not valid UTF-8; nothing was queued"),
            Error::Random => f.write_str("the operating system gave no random bytes"),
        }
    }
}

impl std::error::Error for Error {}
