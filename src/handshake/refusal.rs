//! Why a server refuses a request: one table of statuses, names and texts.

use std::ffi::CStr;

use crate::detail::Detail;

/// What is wrong with a request for a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotHttp,
    HeaderField,
    BareLineFeed,
    HeadTooLarge,
    TooManyHeaders,
    Method,
    HttpVersion,
    Target,
    Host,
    NoUpgrade,
    Connection,
    Version,
    VersionMissing,
    Key,
    Body,
    Subprotocol,
    Extensions,
    OriginRepeated,
    OriginForbidden,
    Protocol,
    Scheme,
    ConnectionSpecific,
    TooMuchBehindHead,
    EngineTooBig,
    Timeout,
    Undecided,
    ByHost,
}

impl Refusal {
    /// Every reason, in the order of the variants, so that each can be counted at its own place (`reason as usize`).
    pub(crate) const ALL: [Refusal; 27] = [
        Refusal::NotHttp,
        Refusal::HeaderField,
        Refusal::BareLineFeed,
        Refusal::HeadTooLarge,
        Refusal::TooManyHeaders,
        Refusal::Method,
        Refusal::HttpVersion,
        Refusal::Target,
        Refusal::Host,
        Refusal::NoUpgrade,
        Refusal::Connection,
        Refusal::Version,
        Refusal::VersionMissing,
        Refusal::Key,
        Refusal::Body,
        Refusal::Subprotocol,
        Refusal::Extensions,
        Refusal::OriginRepeated,
        Refusal::OriginForbidden,
        Refusal::Protocol,
        Refusal::Scheme,
        Refusal::ConnectionSpecific,
        Refusal::TooMuchBehindHead,
        Refusal::EngineTooBig,
        Refusal::Timeout,
        Refusal::Undecided,
        Refusal::ByHost,
    ];

    /// The HTTP status that says it. An application that refuses chooses its own.
    pub(crate) const fn status(self) -> u16 {
        self.row().0
    }

    /// A short name that stays the same, for counters.
    pub(crate) const fn name(self) -> &'static str {
        self.row().1
    }

    pub(crate) const fn detail(self) -> Detail {
        Detail::new(self.row().2)
    }

    const fn row(self) -> (u16, &'static str, &'static CStr) {
        match self {
            Refusal::NotHttp => (400, "not_http", c"not an HTTP/1.1 request (RFC 9112, 3)"),
            Refusal::HeaderField => (
                400,
                "header_field",
                c"a header that is folded, or has a name that is no token or a control character (RFC 9112, 5)",
            ),
            Refusal::BareLineFeed => (400, "bare_line_feed", c"a line that ends in LF without CR (RFC 9112, 2.2)"),
            Refusal::HeadTooLarge => (431, "head_too_large", c"the head of the request is larger than max_head_size"),
            Refusal::TooManyHeaders => (431, "too_many_headers", c"the request has more headers than max_headers"),
            Refusal::Method => (
                405,
                "method",
                c"a WebSocket handshake is a GET (RFC 6455, 4.2.1), or a CONNECT with :protocol (RFC 8441, 4)",
            ),
            Refusal::HttpVersion => (400, "http_version", c"a WebSocket handshake takes HTTP/1.1 (RFC 6455, 4.2.1)"),
            Refusal::Target => {
                (400, "target", c"the request target must be a path or an http URI, in ASCII (RFC 6455, 4.2.1)")
            }
            Refusal::Host => (400, "host", c"exactly one valid Host or :authority is required (RFC 6455, 4.2.1)"),
            Refusal::NoUpgrade => {
                (426, "no_upgrade", c"only WebSocket is served here: Upgrade: websocket is missing (RFC 6455, 4.2.1)")
            }
            Refusal::Connection => (400, "connection", c"Connection must list the token upgrade (RFC 6455, 4.2.1)"),
            Refusal::Version => (426, "version", c"Sec-WebSocket-Version must be 13 (RFC 6455, 4.2.2)"),
            Refusal::VersionMissing => {
                (400, "version_missing", c"exactly one Sec-WebSocket-Version is required (RFC 6455, 4.2.1)")
            }
            Refusal::Key => {
                (400, "key", c"exactly one Sec-WebSocket-Key of 16 bytes in Base64 is required (RFC 6455, 4.2.1)")
            }
            Refusal::Body => {
                (400, "body", c"a WebSocket handshake has no body: Content-Length or Transfer-Encoding is not allowed")
            }
            Refusal::Subprotocol => {
                (400, "subprotocol", c"Sec-WebSocket-Protocol must list distinct tokens (RFC 6455, 4.1)")
            }
            Refusal::Extensions => {
                (400, "extensions", c"Sec-WebSocket-Extensions does not follow its grammar (RFC 6455, 9.1)")
            }
            Refusal::OriginRepeated => (400, "origin_repeated", c"more than one Origin header (RFC 6454, 7.3)"),
            Refusal::OriginForbidden => {
                (403, "origin_forbidden", c"pages of this Origin may not connect here (RFC 6455, 10.2)")
            }
            Refusal::Protocol => (501, "protocol", c"the :protocol of a CONNECT must be websocket (RFC 9220, 3)"),
            Refusal::Scheme => (400, "scheme", c"the :scheme of a WebSocket must be http or https (RFC 8441, 5)"),
            Refusal::ConnectionSpecific => (
                400,
                "connection_specific",
                c"Connection, Upgrade and their like have no place in HTTP/2 and HTTP/3 (RFC 9113, 8.2.2)",
            ),
            Refusal::TooMuchBehindHead => {
                (400, "too_much_behind_head", c"too much data sent before the handshake was answered")
            }
            Refusal::EngineTooBig => (503, "engine_too_big", c"all connections hold more than max_engine_bytes"),
            Refusal::Timeout => (408, "timeout", c"the request was not complete in time (handshake_timeout)"),
            Refusal::Undecided => {
                (503, "undecided", c"the server's application did not decide in time (handshake_timeout)")
            }
            Refusal::ByHost => (403, "by_host", c"the server's application refused the request"),
        }
    }
}

const _: () = assert!(Refusal::ALL.len() == Refusal::ByHost as usize + 1, "the last variant is the last of ALL");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_place_and_name() {
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, index, "{refusal:?}");
            assert!(refusal.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{refusal:?}");
            assert!(Refusal::ALL[..index].iter().all(|other| other.name() != refusal.name()), "{refusal:?}");
            assert!((400..=599).contains(&refusal.status()), "{refusal:?}");
            assert!(!refusal.detail().as_str().is_empty(), "{refusal:?}");
        }
    }
}
