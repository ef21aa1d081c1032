//! The server's answers as bytes (RFC 6455, 4.2.2).

use std::io::Write as _;

use crate::error::Error;
use crate::handshake::key;
use crate::handshake::refusal::Refusal;
use crate::handshake::token;

/// A header to send beside those that the engine writes itself.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// An HTTP token.
    pub name: &'a [u8],
    /// Any bytes but control characters; tabs are fine.
    pub value: &'a [u8],
}

/// Headers that the engine writes itself, or that would change where the message ends.
const RESERVED: [&str; 10] = [
    "Connection",
    "Content-Length",
    "Host",
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
        if header.value.iter().any(|&byte| byte != b'\t' && byte.is_ascii_control()) {
            return Err(Error::InvalidArgument(
                "a header value must not contain control characters such as CR, LF or NUL",
            ));
        }
    }
    Ok(())
}

/// `101 Switching Protocols`.
pub(crate) fn accepting(accept: &[u8; key::ACCEPT_LEN], subprotocol: Option<&str>, headers: &[Header<'_>]) -> Vec<u8> {
    let mut head = Vec::with_capacity(256);
    head.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
    );
    head.extend_from_slice(accept);
    head.extend_from_slice(b"\r\n");
    if let Some(name) = subprotocol {
        push_header(&mut head, b"Sec-WebSocket-Protocol", name.as_bytes());
    }
    finish(head, headers, b"")
}

/// The answer to a request that broke a rule, with the reason as its body.
pub(crate) fn refusing(refusal: Refusal) -> Vec<u8> {
    let explanation = format!("{}\n", refusal.detail());
    let mut head = start(refusal.status());
    match refusal {
        Refusal::Method => push_header(&mut head, b"Allow", b"GET"),
        Refusal::NoUpgrade | Refusal::Version => {
            push_header(&mut head, b"Upgrade", b"websocket");
            push_header(&mut head, b"Sec-WebSocket-Version", b"13");
        }
        _ => {}
    }
    push_connection(&mut head, refusal);
    push_header(&mut head, b"Content-Type", b"text/plain; charset=utf-8");
    push_header(&mut head, b"Content-Length", explanation.len().to_string().as_bytes());
    finish(head, &[], explanation.as_bytes())
}

/// The answer of an application that does not want the request.
pub(crate) fn rejecting(status: u16, headers: &[Header<'_>], body: &[u8]) -> Vec<u8> {
    let mut head = start(status);
    push_connection(&mut head, Refusal::ByHost(status));
    push_header(&mut head, b"Content-Length", body.len().to_string().as_bytes());
    finish(head, headers, body)
}

/// 426 names the protocol to upgrade to, and `Upgrade` has to be listed in `Connection` (RFC 9110, 7.8).
fn push_connection(head: &mut Vec<u8>, refusal: Refusal) {
    let upgrade = matches!(refusal, Refusal::NoUpgrade | Refusal::Version);
    push_header(head, b"Connection", if upgrade { b"close, Upgrade" } else { b"close" });
}

fn start(status: u16) -> Vec<u8> {
    let mut head = Vec::with_capacity(384);
    write!(head, "HTTP/1.1 {status} {}\r\n", reason_phrase(status)).expect("a Vec takes every write");
    head
}

fn push_header(head: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        head.extend_from_slice(part);
    }
}

fn finish(mut head: Vec<u8>, headers: &[Header<'_>], body: &[u8]) -> Vec<u8> {
    for header in headers {
        push_header(&mut head, header.name, header.value);
    }
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(body);
    head
}

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
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Refused",
    }
}
