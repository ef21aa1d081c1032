//! The server's answers: bytes of HTTP/1.1 (RFC 6455, 4.2.2), or a status and headers for a stream (RFC 8441, 5).

use std::io::Write as _;

use crate::error::Error;
use crate::handshake::extensions;
use crate::handshake::head::Head;
use crate::handshake::key;
use crate::handshake::names::Name;
use crate::handshake::refusal::Refusal;
use crate::handshake::token;

/// A header of an HTTP message: one to send beside those that the engine writes itself, or one that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// An HTTP token.
    pub name: &'a [u8],
    /// Any bytes but control characters; tabs are fine.
    pub value: &'a [u8],
}

/// Headers that the engine writes itself, or that would change where the message ends.
const RESERVED: [&str; 12] = [
    "Connection",
    "Content-Length",
    "Host",
    "Keep-Alive",
    "Proxy-Connection",
    "Sec-WebSocket-Accept",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
    "Transfer-Encoding",
    "Upgrade",
];

/// Refuses headers that would smuggle in another header or message.
pub(crate) fn check_headers(headers: &[Header<'_>]) -> Result<(), Error> {
    for header in headers {
        if !token::is_token(header.name) {
            return Err(Error::InvalidArgument("a header name must be an HTTP token"));
        }
        if RESERVED.iter().any(|reserved| header.name.eq_ignore_ascii_case(reserved.as_bytes())) {
            return Err(Error::InvalidArgument("this header is written by the engine and cannot be given"));
        }
        if !token::is_field_value(header.value) {
            return Err(Error::InvalidArgument(
                "a header value must not contain control characters such as CR, LF or NUL",
            ));
        }
    }
    Ok(())
}

/// What a server agrees to with a client.
#[derive(Clone, Copy, Default)]
pub(crate) struct Terms<'a> {
    pub(crate) subprotocol: Option<&'a str>,
    pub(crate) compression: Option<extensions::Params>,
    /// Headers of the application's.
    pub(crate) headers: &'a [Header<'a>],
}

impl Terms<'_> {
    fn are_none(&self) -> bool {
        self.subprotocol.is_none() && self.compression.is_none() && self.headers.is_empty()
    }
}

/// Writes `101 Switching Protocols` (RFC 6455, 4.2.2), of at most [`accepting_len`] bytes.
pub(crate) fn accepting(head: &mut Vec<u8>, answer: &[u8; key::ANSWER_LEN], terms: &Terms<'_>) {
    head.extend_from_slice(SWITCHING);
    head.extend_from_slice(answer);
    if !terms.are_none() {
        head.truncate(head.len() - "\r\n".len());
        push_terms(head, terms);
        head.extend_from_slice(b"\r\n");
    }
}

/// Room for [`accepting`].
pub(crate) fn accepting_len(terms: &Terms<'_>) -> usize {
    let header = |name: &[u8], value_len: usize| name.len().saturating_add(value_len).saturating_add(": \r\n".len());
    let subprotocol = terms.subprotocol.map_or(0, |name| header(SUBPROTOCOL, name.len()));
    let compression = terms.compression.map_or(0, |_| header(EXTENSIONS, extensions::ParamsValue::MAX_LEN));
    let more = terms.headers.iter().map(|more| header(more.name, more.value.len()));
    more.fold(SWITCHING.len() + key::ACCEPT_LEN + "\r\n\r\n".len() + subprotocol + compression, usize::saturating_add)
}

const SWITCHING: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";

/// The answer to a request that broke a rule, with the reason as its body.
pub(crate) fn refusing(refusal: Refusal) -> Vec<u8> {
    let explanation = format!("{}\n", refusal.detail());
    let mut head = start(refusal.status());
    match refusal {
        Refusal::Method => head.header(b"Allow", b"GET"),
        Refusal::NoUpgrade | Refusal::Version => {
            head.header(b"Upgrade", b"websocket");
            head.header(VERSION, b"13");
        }
        _ => {}
    }
    // 426 names the protocol to upgrade to, and `Upgrade` has to be listed in `Connection` (RFC 9110, 7.8).
    let upgrade = matches!(refusal, Refusal::NoUpgrade | Refusal::Version);
    head.header(b"Connection", if upgrade { b"close, Upgrade" } else { b"close" });
    push_explanation(&mut head, &explanation);
    finish(head, explanation.as_bytes())
}

/// The answer of an application that does not want the request.
pub(crate) fn rejecting(status: u16, headers: &[Header<'_>], body: &[u8]) -> Vec<u8> {
    let mut head = start(status);
    head.header(b"Connection", b"close");
    push_rejection(&mut head, headers, body);
    finish(head, body)
}

/// The answer to an extended CONNECT: a status and headers for the host to send. Content follows as output.
pub(crate) struct StreamAnswer {
    pub(crate) status: u16,
    pub(crate) head: Head,
}

impl StreamAnswer {
    /// 200, since there is no 101 in HTTP/2 (RFC 8441, 5).
    pub(crate) fn accepting(terms: &Terms<'_>) -> StreamAnswer {
        let mut head = Head::default();
        push_terms(&mut head, terms);
        StreamAnswer { status: 200, head }
    }

    /// With the reason as content.
    pub(crate) fn refusing(refusal: Refusal) -> (StreamAnswer, Vec<u8>) {
        let explanation = format!("{}\n", refusal.detail());
        let mut head = Head::default();
        match refusal {
            Refusal::Method => head.header(b"Allow", b"CONNECT"),
            Refusal::Version => head.header(VERSION, b"13"),
            _ => {}
        }
        push_explanation(&mut head, &explanation);
        // 426 cannot be said on a stream: it needs `Upgrade` (RFC 9110, 15.5.22).
        let status = if refusal.status() == 426 { 400 } else { refusal.status() };
        (StreamAnswer { status, head }, explanation.into())
    }

    pub(crate) fn rejecting(status: u16, headers: &[Header<'_>], body: &[u8]) -> StreamAnswer {
        let mut head = Head::default();
        push_rejection(&mut head, headers, body);
        StreamAnswer { status, head }
    }
}

/// Where headers are written.
trait Sink {
    fn header(&mut self, name: &[u8], value: &[u8]);
}

/// The head of an HTTP/1.1 message.
impl Sink for Vec<u8> {
    fn header(&mut self, name: &[u8], value: &[u8]) {
        for part in [name, b": ", value, b"\r\n"] {
            self.extend_from_slice(part);
        }
    }
}

/// Headers for HTTP/2 and HTTP/3, where names are in lower case (RFC 9113, 8.2).
impl Sink for Head {
    fn header(&mut self, name: &[u8], value: &[u8]) {
        self.push_field(&name.to_ascii_lowercase(), value);
    }
}

fn push_terms(sink: &mut impl Sink, terms: &Terms<'_>) {
    if let Some(name) = terms.subprotocol {
        sink.header(SUBPROTOCOL, name.as_bytes());
    }
    if let Some(params) = terms.compression {
        sink.header(EXTENSIONS, params.to_value().as_bytes());
    }
    push_all(sink, terms.headers);
}

fn push_explanation(sink: &mut impl Sink, explanation: &str) {
    sink.header(b"Content-Type", b"text/plain; charset=utf-8");
    sink.header(b"Content-Length", explanation.len().to_string().as_bytes());
}

fn push_rejection(sink: &mut impl Sink, headers: &[Header<'_>], body: &[u8]) {
    sink.header(b"Content-Length", body.len().to_string().as_bytes());
    push_all(sink, headers);
}

fn push_all(sink: &mut impl Sink, headers: &[Header<'_>]) {
    headers.iter().for_each(|header| sink.header(header.name, header.value));
}

fn start(status: u16) -> Vec<u8> {
    let mut head = Vec::with_capacity(384);
    write!(head, "HTTP/1.1 {status} {}\r\n", reason_phrase(status)).expect("a Vec takes every write");
    head
}

fn finish(mut head: Vec<u8>, body: &[u8]) -> Vec<u8> {
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(body);
    head
}

const VERSION: &[u8] = Name::Version.as_str().as_bytes();
const SUBPROTOCOL: &[u8] = Name::Protocol.as_str().as_bytes();
const EXTENSIONS: &[u8] = Name::Extensions.as_str().as_bytes();

/// For people who read the wire; programs go by the number.
fn reason_phrase(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Content Too Large",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Refused",
    }
}
