//! The client's side: the request, and what the server's answer must be (RFC 6455, 4.1).

use crate::config::{Compression, Config};
use crate::deflate::Agreed;
use crate::detail::Detail;
use crate::error::Error;
use crate::handshake::extensions::{self, BadChoice};
use crate::handshake::head::{self, Head, Headers, Single, Span};
use crate::handshake::key;
use crate::handshake::names::Name;
use crate::handshake::policy::is_host;
use crate::handshake::response::{self, Header};
use crate::handshake::token;

/// What a client asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClientRequest<'a> {
    /// `Host`: a name or address, with the port unless it is the default one.
    pub host: &'a str,
    /// Path and query, starting with a slash; empty for `/`.
    pub target: &'a str,
    /// `Origin`, if the client wants to name one.
    pub origin: Option<&'a str>,
    /// Subprotocols, in order of preference.
    pub subprotocols: &'a [&'a str],
    /// Headers beside those of the handshake: cookies, authorization.
    pub headers: &'a [Header<'a>],
}

/// What a client has to remember until the answer is there.
pub(crate) struct Asked {
    accept: [u8; key::ACCEPT_LEN],
    subprotocols: Vec<String>,
}

/// Writes the request. `nonce` are 16 random bytes.
pub(crate) fn request(
    request: &ClientRequest<'_>,
    nonce: [u8; 16],
    compression: &Compression,
) -> Result<(Vec<u8>, Asked), Error> {
    check(request)?;
    let key = key::encode(nonce);
    let target = if request.target.is_empty() { "/" } else { request.target };

    let mut head = Vec::with_capacity(512);
    let mut push = |part: &[u8]| head.extend_from_slice(part);
    push(b"GET ");
    push(target.as_bytes());
    push(b" HTTP/1.1\r\nHost: ");
    push(request.host.as_bytes());
    push(b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
    push(&key);
    if let Some(origin) = request.origin {
        push(b"\r\nOrigin: ");
        push(origin.as_bytes());
    }
    for (i, name) in request.subprotocols.iter().enumerate() {
        push(if i == 0 { b"\r\nSec-WebSocket-Protocol: " } else { b", " });
        push(name.as_bytes());
    }
    if let Some(offer) = extensions::offer(compression) {
        push(b"\r\nSec-WebSocket-Extensions: ");
        push(offer.to_value().as_bytes());
    }
    for header in request.headers {
        push(b"\r\n");
        push(header.name);
        push(b": ");
        push(header.value);
    }
    push(b"\r\n\r\n");

    let asked = Asked {
        accept: key::accept(&key),
        subprotocols: request.subprotocols.iter().map(|&name| name.to_owned()).collect(),
    };
    Ok((head, asked))
}

fn check(request: &ClientRequest<'_>) -> Result<(), Error> {
    let invalid = |what| Err(Error::InvalidArgument(what));
    if !is_host(request.host.as_bytes()) {
        return invalid("host must be a name or address with an optional port");
    }
    let target = request.target.as_bytes();
    if !target.is_empty() && (target[0] != b'/' || !target.iter().all(|&b| b.is_ascii_graphic() && b != b'#')) {
        return invalid(
            "target must start with a slash and have no spaces, no fragment and only ASCII (percent-encode the rest)",
        );
    }
    if request.origin.is_some_and(|origin| origin.is_empty() || !origin.bytes().all(|b| b.is_ascii_graphic())) {
        return invalid("origin must be ASCII without spaces");
    }
    for (i, name) in request.subprotocols.iter().enumerate() {
        if !token::is_token(name.as_bytes()) || request.subprotocols[..i].contains(name) {
            return invalid("subprotocols must be distinct HTTP tokens");
        }
    }
    response::check_headers(request.headers)?;
    if request.headers.iter().any(|header| header.name.eq_ignore_ascii_case(b"Origin")) {
        return invalid("give the Origin as origin, not among the headers");
    }
    Ok(())
}

/// Why a client does not take the server's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadAnswer {
    pub(crate) status: Option<u16>,
    pub(crate) detail: Detail,
}

impl BadAnswer {
    pub(crate) const NOT_HTTP: BadAnswer =
        BadAnswer { status: None, detail: Detail::new(c"the server's answer is not HTTP/1.1 (RFC 9112, 4)") };
    pub(crate) const HEAD_TOO_LARGE: BadAnswer = BadAnswer {
        status: None,
        detail: Detail::new(c"the head of the server's answer is larger than max_head_size"),
    };
    const TOO_MANY_HEADERS: BadAnswer =
        BadAnswer { status: None, detail: Detail::new(c"the server's answer has more headers than max_headers") };
    pub(crate) const ENGINE_TOO_BIG: BadAnswer =
        BadAnswer { status: None, detail: Detail::new(c"all connections hold more than max_engine_bytes") };
    pub(crate) const BARE_LINE_FEED: BadAnswer = BadAnswer {
        status: None,
        detail: Detail::new(c"a line of the server's answer ends in LF without CR (RFC 9112, 2.2)"),
    };
}

/// What a server answered. Before its head is complete it only has bytes.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    /// There once the head was parsed.
    pub(crate) status: Option<u16>,
    http_1_0: bool,
}

impl Answer {
    /// One that is to come, with the memory of this empty head.
    pub(crate) fn with_memory_of(head: Head) -> Answer {
        Answer { head, ..Answer::default() }
    }
}

impl Answer {
    /// Finds the parts of a complete head.
    pub(crate) fn parse(&mut self, config: &Config) -> Result<(), BadAnswer> {
        let bytes = std::mem::take(&mut self.head.bytes);
        let parsed = self.parse_bytes(&bytes, config);
        self.head.bytes = bytes;
        parsed
    }

    fn parse_bytes(&mut self, bytes: &[u8], config: &Config) -> Result<(), BadAnswer> {
        let mut slots = head::empty_slots();
        let mut parsed = httparse::Response::new(&mut []);
        let outcome = httparse::ParserConfig::default().parse_response_with_uninit_headers(
            &mut parsed,
            bytes,
            &mut slots[..config.max_headers],
        );
        match outcome {
            Ok(httparse::Status::Complete(len)) if len == bytes.len() => {}
            Err(httparse::Error::TooManyHeaders) => return Err(BadAnswer::TOO_MANY_HEADERS),
            _ => return Err(BadAnswer::NOT_HTTP),
        }
        self.http_1_0 = parsed.version != Some(1);
        self.status = parsed.code;
        self.head.set_fields(parsed.headers, bytes);
        Ok(())
    }

    /// Whether another answer follows this one (RFC 9110, 15.2).
    pub(crate) fn is_interim(&self) -> bool {
        self.status.is_some_and(|status| (100..200).contains(&status) && status != 101)
    }
}

impl Asked {
    /// Checks an answer; gives the subprotocol and the compression that the server chose.
    pub(crate) fn check(&self, answer: &Answer, config: &Config) -> Result<(Option<Span>, Option<Agreed>), BadAnswer> {
        let status = answer.status;
        let bad = |detail| BadAnswer { status, detail: Detail::new(detail) };
        if status != Some(101) {
            return Err(bad(c"the server refused the handshake (RFC 6455, 4.1)"));
        }
        if answer.http_1_0 {
            return Err(bad(c"the server switched protocols in HTTP/1.0 (RFC 6455, 4.2.2)"));
        }

        let headers = &answer.head;
        match headers.single(Name::Upgrade) {
            Single::One(value) if value.eq_ignore_ascii_case(b"websocket") => {}
            _ => return Err(bad(c"the server's Upgrade is not websocket (RFC 6455, 4.1)")),
        }
        if !headers.list_has(Name::Connection, b"upgrade") {
            return Err(bad(c"the server's Connection does not list upgrade (RFC 6455, 4.1)"));
        }
        match headers.single(Name::Accept) {
            Single::One(value) if value == self.accept => {}
            _ => return Err(bad(c"Sec-WebSocket-Accept does not answer the key (RFC 6455, 4.1)")),
        }
        let compression = extensions::check_choice(headers, &config.compression).map_err(|choice| {
            bad(match choice {
                BadChoice::Malformed => c"the server's Sec-WebSocket-Extensions is malformed (RFC 6455, 9.1)",
                BadChoice::NotOffered => c"the server chose an extension that was not offered (RFC 6455, 4.1)",
                BadChoice::Parameters => {
                    c"the server's permessage-deflate parameters do not answer the offer (RFC 7692, 7.1)"
                }
            })
        })?;
        let subprotocol = match headers.single(Name::Protocol) {
            Single::None => None,
            Single::One(value) if self.subprotocols.iter().any(|name| name.as_bytes() == value) => {
                Some(Span::of(value, &headers.bytes))
            }
            Single::One(_) => {
                return Err(bad(c"the server chose a subprotocol that was not offered (RFC 6455, 4.1)"));
            }
            Single::Many => return Err(bad(c"the server chose more than one subprotocol (RFC 6455, 11.3.4)")),
        };
        Ok((subprotocol, compression))
    }
}
