//! The server's side: is this request a WebSocket handshake, and one that may come in (RFC 6455, 4.2)?

use crate::config::Config;
use crate::handshake::head::{Headers, Single, Slots};
use crate::handshake::key;
use crate::handshake::refusal::Refusal;
use crate::handshake::token;

/// A request that is a valid handshake and passes the origin policy.
pub(crate) struct Request<'s, 'h> {
    pub(crate) headers: Headers<'s, 'h>,
    pub(crate) accept: [u8; key::ACCEPT_LEN],
}

impl<'s, 'h> Request<'s, 'h> {
    /// Parses and checks a complete head.
    pub(crate) fn read(head: &'h [u8], slots: &'s mut Slots<'h>, config: &Config) -> Result<Request<'s, 'h>, Refusal> {
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(head, &mut slots[..config.max_headers]) {
            Ok(httparse::Status::Complete(len)) if len == head.len() => {}
            Ok(_) => return Err(Refusal::NotHttp),
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyHeaders),
            Err(httparse::Error::Version) => return Err(Refusal::HttpVersion),
            Err(_) => return Err(Refusal::NotHttp),
        }
        if parsed.method != Some("GET") {
            return Err(Refusal::Method);
        }
        if parsed.version != Some(1) {
            return Err(Refusal::HttpVersion);
        }
        if !parsed.path.is_some_and(is_target) {
            return Err(Refusal::Target);
        }
        let headers = Headers(parsed.headers);
        let accept = check(headers, config)?;
        Ok(Request { headers, accept })
    }

    /// The first of the server's subprotocols that the client offers.
    pub(crate) fn select_subprotocol<'c>(&self, config: &'c Config) -> Option<&'c str> {
        config.subprotocols.iter().map(String::as_str).find(|known| self.offers_subprotocol(known))
    }

    pub(crate) fn offers_subprotocol(&self, name: &str) -> bool {
        self.headers.list(SUBPROTOCOL).any(|offered| offered == name.as_bytes())
    }
}

/// Checks the headers in the order in which a mistake is most telling.
fn check(headers: Headers<'_, '_>, config: &Config) -> Result<[u8; key::ACCEPT_LEN], Refusal> {
    let Single::One(host) = headers.single("Host") else {
        return Err(Refusal::Host);
    };
    if !is_host(host) {
        return Err(Refusal::Host);
    }
    if headers.announce_body() {
        return Err(Refusal::Body);
    }
    if !headers.list_has("Upgrade", "websocket") {
        return Err(Refusal::NoUpgrade);
    }
    if !headers.list_has("Connection", "upgrade") {
        return Err(Refusal::Connection);
    }
    match headers.single("Sec-WebSocket-Version") {
        Single::One(b"13") => {}
        Single::One(_) => return Err(Refusal::Version),
        Single::None | Single::Many => return Err(Refusal::VersionMissing),
    }
    let Single::One(key) = headers.single("Sec-WebSocket-Key") else {
        return Err(Refusal::Key);
    };
    if !key::is_valid(key) {
        return Err(Refusal::Key);
    }
    check_subprotocols(headers)?;
    match headers.single("Origin") {
        Single::None => {}
        Single::One(origin) if config.origin_policy.allows(origin, host) => {}
        Single::One(_) => return Err(Refusal::OriginForbidden),
        Single::Many => return Err(Refusal::OriginRepeated),
    }
    Ok(key::accept(key))
}

/// A path, or an absolute http URI.
fn is_target(target: &str) -> bool {
    let has_scheme = |scheme: &str| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && target.len() > scheme.len()
    };
    !target.contains('#') && (target.starts_with('/') || has_scheme("http://") || has_scheme("https://"))
}

/// A name or address with an optional port: nothing that could start a path, user or fragment.
pub(crate) fn is_host(host: &[u8]) -> bool {
    !host.is_empty() && host.iter().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\,\"<>^`{|}".contains(byte))
}

/// Distinct tokens (RFC 6455, 4.1, item 10 of the request).
fn check_subprotocols(headers: Headers<'_, '_>) -> Result<(), Refusal> {
    for (i, offered) in headers.list(SUBPROTOCOL).enumerate() {
        if !token::is_token(offered) || headers.list(SUBPROTOCOL).take(i).any(|other| other == offered) {
            return Err(Refusal::Subprotocol);
        }
        if i >= MAX_SUBPROTOCOLS {
            return Err(Refusal::Subprotocol);
        }
    }
    Ok(())
}

const SUBPROTOCOL: &str = "Sec-WebSocket-Protocol";

/// Comparing each with each is quadratic: 64 are more than anybody offers.
const MAX_SUBPROTOCOLS: usize = 64;
