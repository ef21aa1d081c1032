//! The payload of a close frame and the rules of close codes (RFC 6455, 5.5.1 and 7.4).

use crate::frame::header::MAX_CONTROL_PAYLOAD;
use crate::violation::Violation;

/// Normal closure.
pub const NORMAL: u16 = 1000;
/// The endpoint goes away: a server stops, a page is left.
pub const GOING_AWAY: u16 = 1001;
/// A rule of the protocol was broken.
pub const PROTOCOL_ERROR: u16 = 1002;
/// Never on the wire: stands for a close frame without a code.
pub const NO_STATUS: u16 = 1005;
/// Never on the wire: stands for a connection that was lost without a close frame.
pub const ABNORMAL: u16 = 1006;
/// Text that is not UTF-8.
pub const INVALID_PAYLOAD: u16 = 1007;
/// A policy that no other code names.
pub const POLICY: u16 = 1008;
/// A message or frame above the receiver's limit.
pub const TOO_BIG: u16 = 1009;
/// A client misses an extension; only a client may send it.
pub const MANDATORY_EXTENSION: u16 = 1010;

/// The server is overloaded (IANA registry).
pub const TRY_AGAIN_LATER: u16 = 1013;

/// The most bytes a reason can have beside its code.
pub const MAX_REASON_LEN: usize = MAX_CONTROL_PAYLOAD - 2;

/// Whether a close frame may carry this code: 1000 to 1003, 1007 to 1014 as registered with IANA, and 3000 to 4999.
/// 1004 is reserved; 1005, 1006 and 1015 are never sent (RFC 6455, 7.4.1); below 1000 nothing is defined; the rest of
/// 1016 to 2999 is for later versions of the protocol; 5000 and up have no meaning (7.4.2).
pub const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Code and reason of a close frame that was received; `None` when its payload is empty.
pub fn parse(payload: &[u8]) -> Result<Option<(u16, &str)>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::CloseTooShort) };
    };
    let code = u16::from_be_bytes(*code);
    if !may_be_sent(code) {
        return Err(Violation::CloseCode);
    }
    match std::str::from_utf8(reason) {
        Ok(reason) => Ok(Some((code, reason))),
        Err(_) => Err(Violation::CloseReasonUtf8),
    }
}
