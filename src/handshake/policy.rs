//! Which web pages may connect (RFC 6455, 10.2): the defence against cross-site hijacking.

use crate::handshake::token::{Chars, is_letters};

/// Which values of `Origin` a server lets in. Browsers always send it and pages cannot forge it; requests without one
/// come from programs and always pass.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OriginPolicy {
    /// Pages from the host and port that the request itself names in `Host`.
    SameHost,
    /// Pages from these origins, each `scheme://host` or `scheme://host:port`; letter case does not count.
    AllowList(Vec<String>),
    /// Every page. Only for public services, which know nobody by cookie or address.
    Any,
}

impl OriginPolicy {
    pub(crate) fn allows(&self, origin: &[u8], host: &[u8]) -> bool {
        match self {
            OriginPolicy::SameHost => is_same_host(origin, host),
            OriginPolicy::AllowList(list) => list.iter().any(|known| {
                without_default_port(known.as_bytes()).zip(without_default_port(origin)).is_some_and(
                    |((known_scheme, known_host), (scheme, host))| {
                        known_scheme.eq_ignore_ascii_case(scheme) && known_host.eq_ignore_ascii_case(host)
                    },
                )
            }),
            OriginPolicy::Any => true,
        }
    }
}

/// A page's origin names its scheme, `Host` does not: the default port of that scheme may be left out in either.
fn is_same_host(origin: &[u8], host: &[u8]) -> bool {
    let Some((scheme, origin_host)) = scheme_and_host(origin) else {
        return false; // "null": a sandboxed frame, a file
    };
    let port = default_port(scheme);
    let (origin_host, host) = (strip(origin_host, port), strip(host, port));
    origin_host == host || origin_host.eq_ignore_ascii_case(host) // mostly they are the same, which is told faster
}

/// Scheme and host of an origin, the host without its port if that is the scheme's own.
fn without_default_port(origin: &[u8]) -> Option<(&[u8], &[u8])> {
    let (scheme, host) = scheme_and_host(origin)?;
    Some((scheme, strip(host, default_port(scheme))))
}

/// Scheme and host of an origin, the host with its port.
fn scheme_and_host(origin: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = match origin {
        [b'h', b't', b't', b'p', b':', b'/', b'/', ..] => 4, // as all browsers write it
        [b'h', b't', b't', b'p', b's', b':', b'/', b'/', ..] => 5,
        _ => origin.windows(3).position(|window| window == b"://")?,
    };
    let (scheme, host) = (&origin[..at], &origin[at + 3..]);
    (!host.is_empty()).then_some((scheme, host))
}

/// What may be left out behind a host; empty if it is not known.
fn default_port(scheme: &[u8]) -> &'static [u8] {
    if is_letters(scheme, b"https") {
        b":443"
    } else if is_letters(scheme, b"http") {
        b":80"
    } else {
        b""
    }
}

fn strip<'h>(host: &'h [u8], port: &[u8]) -> &'h [u8] {
    host.strip_suffix(port).unwrap_or(host)
}

/// A host with an optional port, as `Host` has it (RFC 9110, 7.2; RFC 3986, 3.2.2): nothing that could start a path,
/// user or fragment.
pub(crate) fn is_host(host: &[u8]) -> bool {
    let (name_is_valid, port) = if let Some(literal) = host.strip_prefix(b"[") {
        let Some(end) = memchr::memchr(b']', literal) else {
            return false;
        };
        (end > 0 && IP_LITERAL.has_all(&literal[..end]), &literal[end + 1..])
    } else {
        if NAME.has_all(host) {
            return !host.is_empty();
        }
        let end = host.iter().position(|&byte| !NAME.has(byte)).unwrap_or(host.len());
        (end > 0, &host[end..])
    };
    name_is_valid
        && match port {
            [] => true,
            [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
            _ => false,
        }
}

static NAME: Chars = Chars::alphanumeric_and(b"-._~%!$&'()*+;=");
static IP_LITERAL: Chars = Chars::alphanumeric_and(b":.%-_~");
