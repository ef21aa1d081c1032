//! Telling a WebSocket handshake from other HTTP on one port, without consuming anything.

use crate::handshake::head::{self, HeadEnd, Headers};
use crate::handshake::names::Name;

/// What the bytes at the start of a connection, or behind an earlier request on it, are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniff {
    /// Not enough bytes to tell. All of the `scanned` bytes were looked at.
    NeedMore {
        /// Give it back with the next call on the same, longer buffer.
        scanned: usize,
    },
    /// A request that is not for WebSocket, or no HTTP at all.
    Http {
        /// The length of its head, if it is a `GET` or `HEAD` without a body, so that what follows is the next request.
        /// `None`: leave the connection to HTTP for good, since its bytes may be a body, and a body must never be
        /// taken for a request.
        head_len: Option<usize>,
    },
    /// A `GET` that asks for WebSocket, right or wrong in its details: feed it, head included, to a new connection.
    Upgrade {
        /// The length of its head.
        head_len: usize,
    },
}

const METHODS: [&[u8]; 2] = [b"GET ", b"HEAD "];

/// Looks at `bytes`, of which an earlier call scanned the first `scanned` ones. Stateless, and linear when polled with
/// the count that it returned. A head longer than `max_head` is left to HTTP.
pub fn sniff(bytes: &[u8], scanned: usize, max_head: usize) -> Sniff {
    let http = Sniff::Http { head_len: None };
    let may_have_no_body = METHODS.iter().any(|method| {
        let len = method.len().min(bytes.len());
        method[..len] == bytes[..len]
    });
    if !may_have_no_body {
        return http;
    }
    let head_len = match head::find_end(bytes, scanned.min(bytes.len())) {
        HeadEnd::At(len) => len,
        HeadEnd::NotYet if bytes.len() <= max_head => return Sniff::NeedMore { scanned: bytes.len() },
        HeadEnd::NotYet | HeadEnd::BareLineFeed => return http,
    };
    if head_len > max_head {
        return http;
    }

    let mut slots = head::empty_slots();
    let mut parsed = httparse::Request::new(&mut []);
    if parsed.parse_with_uninit_headers(&bytes[..head_len], &mut slots).is_err() {
        return http;
    }
    let headers = &*parsed.headers;
    if parsed.method == Some("GET") && headers.list_has(Name::Upgrade, b"websocket") {
        return Sniff::Upgrade { head_len };
    }
    Sniff::Http { head_len: (!headers.announce_body()).then_some(head_len) }
}
