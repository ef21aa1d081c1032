//! Every deadline that can end a connection: one table of close codes, reasons and texts. A request that is late is in
//! the table of refusals, since it gets an HTTP status.

use crate::detail::Detail;
use crate::frame::close;

/// A time that ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Expiry {
    /// The server's answer to a client's request.
    Answer,
    Pong,
    Idle,
    Lifetime,
    Close,
    WriteStall,
}

impl Expiry {
    /// All of them, in the order of their declaration.
    pub(crate) const ALL: [Expiry; 6] =
        [Expiry::Answer, Expiry::Pong, Expiry::Idle, Expiry::Lifetime, Expiry::Close, Expiry::WriteStall];

    /// A short name that stays the same, for counters.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Expiry::Answer => "answer",
            Expiry::Pong => "heartbeat",
            Expiry::Idle => "idle",
            Expiry::Lifetime => "max_lifetime",
            Expiry::Close => "close",
            Expiry::WriteStall => "write_stall",
        }
    }

    /// What the end is reported with; where there is one to send, that is in the close frame too.
    pub(crate) const fn close_code(self) -> u16 {
        match self {
            Expiry::Pong | Expiry::Idle | Expiry::Lifetime => close::GOING_AWAY,
            Expiry::Answer | Expiry::Close | Expiry::WriteStall => close::ABNORMAL,
        }
    }

    /// What the close frame tells the peer, if one is sent.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Expiry::Pong => "no answer to a ping",
            Expiry::Idle => "idle for too long",
            Expiry::Lifetime => "open for long enough",
            Expiry::Answer | Expiry::Close | Expiry::WriteStall => "",
        }
    }

    /// What ran out, with the setting that it goes by.
    pub(crate) const fn detail(self) -> Detail {
        Detail::new(match self {
            Expiry::Answer => c"the server did not answer the request in time (handshake_timeout)",
            Expiry::Pong => c"no sign of life from the peer since a ping (pong_timeout)",
            Expiry::Idle => c"no message in either direction for too long (idle_timeout)",
            Expiry::Lifetime => c"the connection was open for as long as it may be (max_lifetime)",
            Expiry::Close => c"no answer to our close frame in time (close_timeout)",
            Expiry::WriteStall => c"the peer took none of the output that waits for it (write_stall_timeout)",
        })
    }
}
