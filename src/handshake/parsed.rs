//! A request that the host's own HTTP server has parsed: of HTTP/1.1, or an extended CONNECT (RFC 8441, RFC 9220).

use crate::config::Config;
use crate::handshake::head::Head;
use crate::handshake::refusal::Refusal;
use crate::handshake::request::{Connect, Request};
use crate::handshake::response::Header;
use crate::handshake::token;

/// A request as an HTTP server hands it on. Its parts are copied.
#[derive(Debug, Clone, Copy, Default)]
pub struct ParsedRequest<'a> {
    /// `GET`; `CONNECT` for an extended CONNECT.
    pub method: &'a [u8],
    /// The request target as it was sent, path and query with the question mark; `:path` for an extended CONNECT.
    pub target: &'a [u8],
    /// All headers in the order in which they came, repeated ones too, without pseudo-headers.
    pub headers: &'a [Header<'a>],
    /// The request line says HTTP/1.0, which a WebSocket handshake cannot use.
    pub http_1_0: bool,
    /// `:protocol`, which makes this an extended CONNECT of HTTP/2 or HTTP/3; `None` for HTTP/1.1.
    pub protocol: Option<&'a [u8]>,
    /// Extended CONNECT: `:scheme`.
    pub scheme: Option<&'a [u8]>,
    /// Extended CONNECT: `:authority`; without it there must be a `Host`.
    pub authority: Option<&'a [u8]>,
}

impl ParsedRequest<'_> {
    /// Copies it into an empty head, within the limits on one: it is as large as it would be in HTTP/1.1.
    pub(crate) fn copy(&self, mut head: Head, config: &Config) -> Result<Request, Refusal> {
        if self.headers.len() > config.max_headers {
            return Err(Refusal::TooManyHeaders);
        }
        let size = self.size();
        if size > config.max_head_size {
            return Err(Refusal::HeadTooLarge);
        }
        if !token::is_token(self.method) {
            return Err(Refusal::NotHttp);
        }
        head.reserve(size, self.headers.len());
        let mut copy = |part: Option<&[u8]>| part.map(|part| head.push(part));
        let method = copy(Some(self.method)).unwrap_or_default();
        let target = copy(Some(self.target)).unwrap_or_default();
        let (scheme, authority) = (copy(self.scheme), copy(self.authority));
        let connect = copy(self.protocol).map(|protocol| Connect { protocol, scheme, authority });
        for header in self.headers {
            if !token::is_token(header.name) || !token::is_field_value(header.value) {
                return Err(Refusal::HeaderField);
            }
            head.push_field(header.name, token::trim(header.value));
        }
        Ok(Request { head, is_parsed: true, method, target, http_1_0: self.http_1_0, connect, ..Request::default() })
    }

    fn size(&self) -> usize {
        let pseudo = [self.protocol, self.scheme, self.authority].into_iter().flatten();
        let parts = [self.method, self.target].into_iter().chain(pseudo).map(<[u8]>::len);
        let headers = self.headers.iter().map(|header| header.name.len().saturating_add(header.value.len()));
        let sum = |total: usize, len: usize| total.saturating_add(len).saturating_add(": \r\n".len());
        headers.chain(parts).fold(0, sum)
    }
}
