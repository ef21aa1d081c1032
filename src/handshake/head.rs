//! The head of an HTTP message: where it ends, its headers.

use std::mem::MaybeUninit;

use crate::config::Config;
use crate::handshake::token;

/// What a search for the end of a head came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadEnd {
    /// The head ends here, blank line included.
    At(usize),
    /// All of it was looked at, and there is no end yet.
    NotYet,
    /// A line ends in LF without CR.
    BareLineFeed,
}

/// Searches `bytes` for the blank line, of which the first `scanned` bytes were searched before: polling a slowly
/// growing head is linear.
pub(crate) fn find_end(bytes: &[u8], scanned: usize) -> HeadEnd {
    for at in memchr::memchr_iter(b'\n', bytes.get(scanned..).unwrap_or_default()) {
        let line = &bytes[..scanned + at + 1];
        match line {
            [.., b'\r', b'\n', b'\r', b'\n'] => return HeadEnd::At(line.len()),
            [.., b'\r', b'\n'] => {}
            _ => return HeadEnd::BareLineFeed,
        }
    }
    HeadEnd::NotYet
}

/// Room for the headers of one head, without an allocation.
pub(crate) type Slots<'a> = [MaybeUninit<httparse::Header<'a>>; Config::MAX_HEADERS];

pub(crate) const fn empty_slots<'a>() -> Slots<'a> {
    [const { MaybeUninit::uninit() }; Config::MAX_HEADERS]
}

/// The headers of a head, by name in any letter case. They live as long as the head (`'h`), their list as the slots (`'s`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Headers<'s, 'h>(pub(crate) &'s [httparse::Header<'h>]);

/// How often a header is there that must not be repeated.
pub(crate) enum Single<'h> {
    None,
    One(&'h [u8]),
    Many,
}

impl<'s, 'h> Headers<'s, 'h> {
    /// The values of every header of that name, in order.
    pub(crate) fn all<'n>(self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'s, 'h, 'n> {
        self.0
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| token::trim(header.value))
    }

    /// The value of a header that may be there once.
    pub(crate) fn single(self, name: &str) -> Single<'h> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (None, _) => Single::None,
            (Some(value), None) => Single::One(value),
            _ => Single::Many,
        }
    }

    /// The members of a list that may be spread over several headers.
    pub(crate) fn list<'n>(self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'s, 'h, 'n> {
        self.all(name).flat_map(token::list)
    }

    /// Whether the list has this token, in any letter case.
    pub(crate) fn list_has(self, name: &str, wanted: &str) -> bool {
        self.list(name).any(|member| member.eq_ignore_ascii_case(wanted.as_bytes()))
    }

    /// Whether a body follows the head of a request (RFC 9112, 6.3).
    pub(crate) fn announce_body(self) -> bool {
        self.all("Content-Length").any(|len| len != b"0") || self.all("Transfer-Encoding").next().is_some()
    }
}
