//! Taking apart a request as nearly all of them are.

use std::ops::Range;

use crate::handshake::head::{Field, Head, Span};
use crate::handshake::token::Chars;
use crate::simd::lines::Lines;

/// The request line of a request of which nothing is out of the ordinary.
pub(crate) struct Plain {
    pub(crate) target: Span,
    pub(crate) path: Span,
    pub(crate) query: Option<Span>,
    /// The length of the head.
    pub(crate) len: usize,
}

/// Takes a whole request apart if it is as nearly all of them are: a `GET` of a path in HTTP/1.1 with no more headers
/// than that, names of letters, digits and hyphens, each line ending in CR LF. It is copied to `head`, which is empty.
///
/// `None` says nothing about the request, and may leave something behind: it is then to be collected and parsed in full,
/// and what is wrong with it is told there. What is taken apart here comes out there in the same way.
#[inline(never)] // it needs all registers
pub(crate) fn plain_request(input: &[u8], max_headers: usize, head: &mut Head) -> Option<Plain> {
    const VERSION: &[u8] = b" HTTP/1.1";
    if !input.starts_with(b"GET /") {
        return None;
    }
    let mut lines = Lines::new();
    if !lines.find(input) {
        return None;
    }
    let &[line_end, ref header_ends @ .., head_end] = lines.ends() else {
        return None;
    };
    if header_ends.len() > max_headers {
        return None;
    }
    let len = usize::from(head_end) + 1;
    let line = input.get(..usize::from(line_end) - 1)?;
    let target = "GET ".len()..line.strip_suffix(VERSION)?.len();
    let (path, query) = path_and_query(input, target.clone())?;

    // First: what was copied a moment ago is slow to read, and soon others read it.
    head.bytes.extend_from_slice(input.get(..len)?);
    let mut start = usize::from(line_end) + 1;
    let headers = header_ends.iter().map(|&end| {
        let end = usize::from(end);
        let colon = lines.end_of_name(start)?;
        let line = input.get(..end - 1)?;
        let name = line.get(start..colon)?;
        if name.is_empty() || *line.get(colon)? != b':' {
            return None;
        }
        let field = Field { name: Span { start, len: name.len() }, value: trim(line, colon + 1)? };
        start = end + 1;
        Some((name, field))
    });
    head.take_fields(headers)?;
    Some(Plain { target: Span::of_range(target), path, query, len })
}

/// Of a target that starts with a slash.
#[inline(always)]
fn path_and_query(input: &[u8], target: Range<usize>) -> Option<(Span, Option<Span>)> {
    let bytes = input.get(target.clone())?;
    if PATH.has_all(bytes) {
        return Some((Span::of_range(target), None));
    }
    let len = bytes.iter().position(|&byte| !PATH.has(byte))?;
    let path_end = target.start + len;
    let is_query = bytes[len] == b'?' && bytes[len + 1..].iter().all(|&byte| PATH.has(byte) || byte == b'?');
    is_query.then(|| {
        let query = path_end + 1..target.end;
        let query = if query.is_empty() { Span::default() } else { Span::of_range(query) };
        (Span::of_range(target.start..path_end), Some(query))
    })
}

/// Visible ASCII characters that neither end a path nor have no place in a target.
static PATH: Chars = Chars::alphanumeric_and(b"!\"$%&'()*+,-./:;<=>@[\\]^_`{|}~");

/// What of `line` is behind `start`, without the spaces and tabs at both ends. It has no other control characters.
#[inline(always)]
fn trim(line: &[u8], start: usize) -> Option<Span> {
    let behind = line.get(start..)?;
    match behind {
        [b' ', first, .., last] if *first > b' ' && *last > b' ' => {
            Some(Span { start: start + 1, len: behind.len() - 1 })
        }
        _ => Some(trim_any(line, start)),
    }
}

#[cold]
fn trim_any(line: &[u8], mut start: usize) -> Span {
    let mut end = line.len();
    while start < end && line[start] <= b' ' {
        start += 1;
    }
    while start < end && line[end - 1] <= b' ' {
        end -= 1;
    }
    Span { start, len: end.saturating_sub(start) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::handshake::head::{HeadEnd, Headers, find_end};
    use crate::handshake::request::Request;
    use proptest::prelude::*;

    /// A piece of a head: such as there are, and such as must not be.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let fixed =
            |pieces: &[&'static str]| prop::sample::select(pieces.to_vec()).prop_map(|piece| piece.as_bytes().to_vec());
        prop_oneof![
            8 => fixed(&["Host: a\r\n", "Upgrade:websocket\r\n", "X-Y: \t a b \t\r\n", "a:\r\n", "Sec-WebSocket-Key:  k\r\n"]),
            2 => (1..90usize).prop_map(|len| format!("X: {}\r\n", "v".repeat(len)).into_bytes()),
            2 => (1..90usize).prop_map(|len| format!("{}: v\r\n", "N".repeat(len)).into_bytes()),
            1 => fixed(&["\r\n", "\n", "\r", "X_Y: b\r\n", "a : b\r\n", " a: b\r\n", ": b\r\n", "a\r\n", "a: b\n", "a: \x7f\r\n"]),
            1 => any::<u8>().prop_map(|byte| vec![byte]),
        ]
    }

    fn line() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            5 => Just(b"GET /chat?x=1 HTTP/1.1\r\n".to_vec()),
            3 => "[!-~]{0,40}".prop_map(|target| format!("GET /{target} HTTP/1.1\r\n").into_bytes()),
            1 => prop::sample::select(vec![
                "\r\nGET / HTTP/1.1\r\n", "GET / HTTP/1.0\r\n", "GET  HTTP/1.1\r\n", "GET / HTTP/1.1 \r\n", "get / HTTP/1.1\r\n",
                "GET / x HTTP/1.1\r\n", "GET /\t HTTP/1.1\r\n", "GET / HTTP/1.1\n", "GET /\r HTTP/1.1\r\n", "GET  / HTTP/1.1\r\n",
                "POST / HTTP/1.1\r\n", "GET http://a/b HTTP/1.1\r\n", "GET /\u{e9} HTTP/1.1\r\n", "GET / HTTP/1.1\r\r\n",
            ])
            .prop_map(|line| line.as_bytes().to_vec()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..Default::default() })]

        /// Whatever is taken apart here is what the full parser makes of it; and what the full parser takes is taken
        /// here unless there is something about it.
        #[test]
        fn it_is_the_full_parser_or_nothing(
            line in line(), pieces in prop::collection::vec(piece(), 0..12), behind in prop::collection::vec(any::<u8>(), 0..70),
        ) {
            let config = Config::new();
            let input = [line, pieces.concat(), b"\r\n".to_vec(), behind].concat();
            let mut head = Head::default();
            let plain = plain_request(&input, config.max_headers, &mut head);

            let HeadEnd::At(len) = find_end(&input, 0) else {
                prop_assert!(plain.is_none());
                return Ok(());
            };
            let mut full = Request::default();
            full.head.bytes = input[..len].to_vec();
            let Ok(()) = full.parse(&config) else {
                prop_assert!(plain.is_none());
                return Ok(());
            };
            let Some(plain) = plain else {
                let bytes = &full.head.bytes;
                let is_common = |name: &[u8]| name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-');
                prop_assert!(
                    !full.head.pairs().all(|(name, _)| is_common(name)) || !bytes.starts_with(b"GET ") || full.http_1_0
                        || !full.target().starts_with('/') || !full.target().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
                );
                return Ok(());
            };
            prop_assert_eq!(plain.len, len);
            prop_assert_eq!(plain.target.of_bytes(&input), full.target().as_bytes());
            full.take_target_apart().unwrap();
            prop_assert_eq!(plain.path.of_bytes(&input), full.path().unwrap().as_bytes());
            prop_assert_eq!(plain.query.map(|query| query.of_bytes(&input)), full.query().map(str::as_bytes));
            prop_assert_eq!(full.method(), "GET");
            prop_assert!(!full.http_1_0);
            prop_assert_eq!(&head.bytes, &input[..len]);
            let (ours, theirs): (Vec<_>, Vec<_>) = (head.pairs().collect(), full.head.pairs().collect());
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn headers_are_counted() {
        let request = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
        for (count, is_taken) in [(0, true), (7, true), (8, true), (9, false)] {
            let plain = plain_request(request(count).as_bytes(), 8, &mut Head::default());
            assert_eq!(plain.is_some(), is_taken, "{count}");
        }
    }

    /// With every byte that is missing at the end.
    #[test]
    fn a_part_is_not_taken_for_the_whole() {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n";
        for len in 0..request.len() {
            assert!(plain_request(&request[..len], 8, &mut Head::default()).is_none(), "{len}");
        }
        assert!(plain_request(request, 8, &mut Head::default()).is_some());
    }
}
