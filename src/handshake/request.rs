//! The server's side: is this request a WebSocket handshake, and one that may come in (RFC 6455, 4.2; RFC 8441, 5)?

use crate::config::Config;
use crate::handshake::extensions;
use crate::handshake::head::{self, Head, Headers, Single, Span};
use crate::handshake::key;
use crate::handshake::names::Name;
use crate::handshake::policy::is_host;
use crate::handshake::refusal::Refusal;
use crate::handshake::scan;
use crate::handshake::token;

/// A request, parsed once. Before that it only has bytes.
#[derive(Default)]
pub(crate) struct Request {
    pub(crate) head: Head,
    pub(crate) is_parsed: bool,
    pub(crate) method: Span,
    pub(crate) target: Span,
    pub(crate) http_1_0: bool,
    /// The pseudo-headers of an extended CONNECT (RFC 8441, 4).
    pub(crate) connect: Option<Connect>,
    /// Parts of the target, once that was found to be valid.
    pub(crate) path: Option<Span>,
    pub(crate) query: Option<Span>,
    /// The authority of a target in absolute form.
    pub(crate) authority: Option<Span>,
}

/// What an extended CONNECT says beside `:method` and `:path`.
#[derive(Clone, Copy)]
pub(crate) struct Connect {
    pub(crate) protocol: Span,
    pub(crate) scheme: Option<Span>,
    pub(crate) authority: Option<Span>,
}

/// Looking at it.
impl Request {
    pub(crate) fn method(&self) -> &str {
        self.method.of_text(&self.head.bytes)
    }

    pub(crate) fn target(&self) -> &str {
        self.target.of_text(&self.head.bytes)
    }

    /// There if the target was valid.
    pub(crate) fn path(&self) -> Option<&str> {
        match self.path?.of_text(&self.head.bytes) {
            "" => Some("/"), // of an absolute URI (RFC 9110, 4.2.3)
            path => Some(path),
        }
    }

    pub(crate) fn query(&self) -> Option<&str> {
        Some(self.query?.of_text(&self.head.bytes))
    }

    /// Its key, which was checked; zeros if there is none as long as a key is.
    pub(crate) fn key(&self) -> &[u8; key::KEY_LEN] {
        let key = match self.head.single(Name::Key) {
            Single::One(key) => key.try_into().ok(),
            Single::None | Single::Many => None,
        };
        key.unwrap_or(&[0; key::KEY_LEN])
    }

    /// The first of the server's subprotocols that the client offers.
    pub(crate) fn select_subprotocol(&self, config: &Config) -> Option<Span> {
        config.subprotocols.iter().find_map(|known| self.offered_subprotocol(known))
    }

    /// Where the client offers this subprotocol.
    pub(crate) fn offered_subprotocol(&self, name: &str) -> Option<Span> {
        let offered = self.head.list(Name::Protocol).find(|&offered| offered == name.as_bytes())?;
        Some(Span::of(offered, &self.head.bytes))
    }
}

/// Parsing and checking.
impl Request {
    /// Forgets everything, but keeps its memory, within bounds.
    pub(crate) fn clear(&mut self) {
        let Request { head, is_parsed, method, target, http_1_0, connect, path, query, authority } = self;
        head.clear();
        (*is_parsed, *http_1_0) = (false, false);
        (*method, *target) = (Span::default(), Span::default());
        (*path, *query, *authority) = (None, None, None);
        *connect = None;
    }

    /// Copies and parses the request at the start of `input`, if it is there to its end within `max_len` bytes and has
    /// nothing unusual. Gives the length of its head.
    pub(crate) fn take_plain(&mut self, input: &[u8], max_len: usize, config: &Config) -> Option<usize> {
        let input = &input[..input.len().min(max_len)];
        let Some(plain) = scan::plain_request(input, config.max_headers, &mut self.head) else {
            self.head.clear();
            return None;
        };
        (self.method, self.target) = (Span::of(&input[..GET.len()], input), plain.target);
        (self.path, self.query) = (Some(plain.path), plain.query);
        self.is_parsed = true;
        Some(plain.len)
    }

    /// Finds the parts of a complete head.
    pub(crate) fn parse(&mut self, config: &Config) -> Result<(), Refusal> {
        let bytes = std::mem::take(&mut self.head.bytes);
        let parsed = self.parse_bytes(&bytes, config);
        self.head.bytes = bytes;
        parsed
    }

    fn parse_bytes(&mut self, bytes: &[u8], config: &Config) -> Result<(), Refusal> {
        let mut slots = head::empty_slots();
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(bytes, &mut slots[..config.max_headers]) {
            Ok(httparse::Status::Complete(len)) if len == bytes.len() => {}
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyHeaders),
            Err(httparse::Error::Version) => return Err(Refusal::HttpVersion),
            Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => return Err(Refusal::HeaderField),
            Ok(_) | Err(_) => return Err(Refusal::NotHttp),
        }
        self.method = Span::of(parsed.method.unwrap_or_default().as_bytes(), bytes);
        self.target = Span::of(parsed.path.unwrap_or_default().as_bytes(), bytes);
        self.http_1_0 = parsed.version != Some(1);
        self.head.set_fields(parsed.headers, bytes);
        self.is_parsed = true;
        Ok(())
    }

    /// Checks everything, in the order in which a mistake is most telling.
    pub(crate) fn check(&mut self, config: &Config) -> Result<(), Refusal> {
        let method: &[u8] = if self.connect.is_some() { b"CONNECT" } else { GET };
        if self.method.of_bytes(&self.head.bytes) != method {
            return Err(Refusal::Method);
        }
        if self.http_1_0 {
            return Err(Refusal::HttpVersion);
        }
        if self.path.is_none() {
            self.take_target_apart()?;
        }
        let headers = &self.head;
        let host = match self.connect {
            None => self.host()?,
            Some(connect) => connect.check(headers)?,
        };
        if headers.announce_body() {
            return Err(Refusal::Body);
        }
        if self.connect.is_none() {
            check_upgrade(headers)?;
        }
        match headers.single(Name::Version) {
            Single::One(b"13") => {}
            Single::One(_) => return Err(Refusal::Version),
            Single::None | Single::Many => return Err(Refusal::VersionMissing),
        }
        if self.connect.is_none() {
            match headers.single(Name::Key) {
                Single::One(key) if key::is_valid(key) => {}
                _ => return Err(Refusal::Key),
            }
        }
        check_subprotocols(headers)?;
        extensions::check_grammar(headers).map_err(|_| Refusal::Extensions)?;
        match headers.single(Name::Origin) {
            Single::None => Ok(()),
            Single::One(origin) if config.origin_policy.allows(origin, host) => Ok(()),
            Single::One(_) => Err(Refusal::OriginForbidden),
            Single::Many => Err(Refusal::OriginRepeated),
        }
    }

    /// Finds path and query of a target: a path, or an absolute http URI (RFC 6455, 4.2.1; RFC 9112, 3.2).
    pub(crate) fn take_target_apart(&mut self) -> Result<(), Refusal> {
        let bytes = &self.head.bytes[..];
        let target = self.target.of_bytes(bytes);
        if !target.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(Refusal::Target);
        }
        let local = if target.starts_with(b"/") {
            target
        } else {
            let behind_scheme = [&b"http://"[..], b"https://"]
                .into_iter()
                .find_map(|scheme| {
                    let (start, rest) = target.split_at_checked(scheme.len())?;
                    start.eq_ignore_ascii_case(scheme).then_some(rest)
                })
                .filter(|_| self.connect.is_none())
                .ok_or(Refusal::Target)?;
            let end = behind_scheme.iter().position(|byte| b"/?".contains(byte)).unwrap_or(behind_scheme.len());
            let (authority, local) = behind_scheme.split_at(end);
            if !is_host(authority) {
                return Err(Refusal::Target);
            }
            self.authority = Some(Span::of(authority, bytes));
            local
        };
        let (path, query) = match memchr::memchr(b'?', local) {
            Some(at) => (&local[..at], Some(&local[at + 1..])),
            None => (local, None),
        };
        self.path = Some(Span::of(path, bytes));
        self.query = query.map(|query| Span::of(query, bytes));
        Ok(())
    }

    /// The host that a request of HTTP/1.1 is for: that of an absolute target, of which `Host` then says nothing, and
    /// else `Host`, of which there must be one in either case (RFC 9112, 3.2 and 3.2.2).
    fn host(&self) -> Result<&[u8], Refusal> {
        match self.head.single(Name::Host) {
            Single::One(host) if is_host(host) => {
                Ok(self.authority.map_or(host, |authority| authority.of_bytes(&self.head.bytes)))
            }
            _ => Err(Refusal::Host),
        }
    }
}

impl Connect {
    /// Checks what is different about an extended CONNECT (RFC 8441, 4 and 5); gives the host that it is for.
    fn check(self, headers: &Head) -> Result<&[u8], Refusal> {
        let bytes = &headers.bytes[..];
        if self.protocol.of_bytes(bytes) != b"websocket" {
            return Err(Refusal::Protocol);
        }
        match self.scheme.map(|scheme| scheme.of_bytes(bytes)) {
            None | Some(b"http" | b"https") => {}
            Some(_) => return Err(Refusal::Scheme),
        }
        let names = [Name::Connection, Name::Upgrade, Name::KeepAlive, Name::ProxyConnection, Name::TransferEncoding];
        if names.into_iter().any(|name| headers.has(name)) {
            return Err(Refusal::ConnectionSpecific);
        }
        // `:authority` replaces `Host`, which must not differ if both are there (RFC 9113, 8.3.1).
        let authority = self.authority.map(|authority| authority.of_bytes(bytes));
        let host = match (authority, headers.single(Name::Host)) {
            (Some(authority), Single::None) => authority,
            (Some(authority), Single::One(host)) if authority.eq_ignore_ascii_case(host) => authority,
            (None, Single::One(host)) => host,
            _ => return Err(Refusal::Host),
        };
        if is_host(host) { Ok(host) } else { Err(Refusal::Host) }
    }
}

fn check_upgrade(headers: &Head) -> Result<(), Refusal> {
    if !headers.list_has(Name::Upgrade, b"websocket") {
        return Err(Refusal::NoUpgrade);
    }
    if !headers.list_has(Name::Connection, b"upgrade") {
        return Err(Refusal::Connection);
    }
    Ok(())
}

/// Distinct tokens (RFC 6455, 4.1, item 10 of the request).
fn check_subprotocols(headers: &Head) -> Result<(), Refusal> {
    if !headers.has(Name::Protocol) {
        return Ok(());
    }
    for (i, offered) in headers.list(Name::Protocol).enumerate() {
        if !token::is_token(offered) || headers.list(Name::Protocol).take(i).any(|other| other == offered) {
            return Err(Refusal::Subprotocol);
        }
        if i >= MAX_SUBPROTOCOLS {
            return Err(Refusal::Subprotocol);
        }
    }
    Ok(())
}

const GET: &[u8] = b"GET";

/// Comparing each with each is quadratic: 64 are more than anybody offers.
const MAX_SUBPROTOCOLS: usize = 64;
