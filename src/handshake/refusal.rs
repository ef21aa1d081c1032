//! Why a server refuses a request: one table of statuses and texts.

use crate::detail::Detail;

/// What is wrong with a request for a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotHttp,
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
    OriginRepeated,
    OriginForbidden,
    TooMuchBehindHead,
    ByHost(u16),
}

impl Refusal {
    /// All of them, in the order of their declaration.
    pub(crate) const ALL: [Refusal; 19] = [
        Refusal::NotHttp,
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
        Refusal::OriginRepeated,
        Refusal::OriginForbidden,
        Refusal::TooMuchBehindHead,
        Refusal::ByHost(0),
    ];

    /// Its name in snake case, as metrics have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Refusal::NotHttp => "not_http",
            Refusal::BareLineFeed => "bare_line_feed",
            Refusal::HeadTooLarge => "head_too_large",
            Refusal::TooManyHeaders => "too_many_headers",
            Refusal::Method => "method",
            Refusal::HttpVersion => "http_version",
            Refusal::Target => "target",
            Refusal::Host => "host",
            Refusal::NoUpgrade => "no_upgrade",
            Refusal::Connection => "connection",
            Refusal::Version => "version",
            Refusal::VersionMissing => "version_missing",
            Refusal::Key => "key",
            Refusal::Body => "body",
            Refusal::Subprotocol => "subprotocol",
            Refusal::OriginRepeated => "origin_repeated",
            Refusal::OriginForbidden => "origin_forbidden",
            Refusal::TooMuchBehindHead => "too_much_behind_head",
            Refusal::ByHost(_) => "by_host",
        }
    }

    pub(crate) const fn status(self) -> u16 {
        match self {
            Refusal::Method => 405,
            Refusal::NoUpgrade | Refusal::Version => 426,
            Refusal::HeadTooLarge | Refusal::TooManyHeaders => 431,
            Refusal::OriginForbidden => 403,
            Refusal::ByHost(status) => status,
            _ => 400,
        }
    }

    pub(crate) const fn detail(self) -> Detail {
        Detail::new(match self {
            Refusal::NotHttp => c"not an HTTP/1.1 request (RFC 9112, 3)",
            Refusal::BareLineFeed => c"a line that ends in LF without CR (RFC 9112, 2.2)",
            Refusal::HeadTooLarge => c"the head of the request is larger than max_head_size",
            Refusal::TooManyHeaders => c"the request has more headers than max_headers",
            Refusal::Method => c"the method of a WebSocket handshake must be GET (RFC 6455, 4.2.1)",
            Refusal::HttpVersion => c"a WebSocket handshake takes HTTP/1.1 (RFC 6455, 4.2.1)",
            Refusal::Target => c"the request target must be a path or an http URI (RFC 6455, 4.2.1)",
            Refusal::Host => c"exactly one valid Host header is required (RFC 6455, 4.2.1)",
            Refusal::NoUpgrade => c"only WebSocket is served here: Upgrade: websocket is missing (RFC 6455, 4.2.1)",
            Refusal::Connection => c"Connection must list the token upgrade (RFC 6455, 4.2.1)",
            Refusal::Version => c"Sec-WebSocket-Version must be 13 (RFC 6455, 4.2.2)",
            Refusal::VersionMissing => c"exactly one Sec-WebSocket-Version is required (RFC 6455, 4.2.1)",
            Refusal::Key => c"exactly one Sec-WebSocket-Key of 16 bytes in Base64 is required (RFC 6455, 4.2.1)",
            Refusal::Body => c"a WebSocket handshake has no body: Content-Length or Transfer-Encoding is not allowed",
            Refusal::Subprotocol => c"Sec-WebSocket-Protocol must list distinct tokens (RFC 6455, 4.1)",
            Refusal::OriginRepeated => c"more than one Origin header (RFC 6454, 7.3)",
            Refusal::OriginForbidden => c"pages of this Origin may not connect here (RFC 6455, 10.2)",
            Refusal::TooMuchBehindHead => c"too much data sent before the handshake was answered",
            Refusal::ByHost(_) => c"the server's application refused the request",
        })
    }
}
