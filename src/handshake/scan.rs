//! Finding the parts of a head's lines, 64 bytes at a time.

use crate::handshake::head::{Head, Span};
use crate::handshake::token;

/// Bytes that are looked at in one step.
const BLOCK: usize = 64;

/// A bit for each byte of a block, the first byte the lowest.
#[derive(Clone, Copy)]
struct Marks {
    /// Those that end a common name: all but letters, digits and hyphens.
    not_name: u64,
    /// Those that end a line, or have no place in one: control characters but tabs.
    control: u64,
}

/// The request line and the headers of a request, of which nothing is out of the ordinary.
pub(crate) struct Plain {
    pub(crate) target: Span,
    /// The length of the head.
    pub(crate) len: usize,
}

/// Takes a whole request apart if it is as nearly all of them are: a `GET` in HTTP/1.1 with no more headers than that,
/// names of letters, digits and hyphens, each line ending in CR LF. Its headers go to `head`, as places in `input`.
///
/// `None` says nothing about the request, and leaves headers behind: it is then to be collected and parsed in full, and
/// what is wrong with it is told there. What is taken apart here comes out there in the same way.
pub(crate) fn plain_request(input: &[u8], max_headers: usize, head: &mut Head) -> Option<Plain> {
    const METHOD: &[u8] = b"GET ";
    const VERSION: &[u8] = b" HTTP/1.1";
    if !input.starts_with(METHOD) {
        return None;
    }
    let mut scanner = Scanner::new(input);
    let mut line = scanner.end_of_line(METHOD.len())?;
    let target = input[METHOD.len()..line].strip_suffix(VERSION)?;
    if target.is_empty() || !token::is_graphic(target) {
        return None;
    }
    for _ in 0..=max_headers {
        let start = line + 2;
        if input.get(start) == Some(&b'\r') {
            let len = start + 2;
            return (input.get(start + 1) == Some(&b'\n')).then(|| Plain { target: Span::of(target, input), len });
        }
        let colon = scanner.end_of_name(start)?;
        line = scanner.end_of_line(colon + 1)?;
        head.add_field(input, start..colon, token::trim_range(input, colon + 1..line));
    }
    None
}

/// Goes through a head from front to back.
struct Scanner<'i> {
    input: &'i [u8],
    /// The number of the block that the marks are of.
    block: usize,
    marks: Marks,
}

impl<'i> Scanner<'i> {
    fn new(input: &'i [u8]) -> Scanner<'i> {
        Scanner { input, block: 0, marks: mark(input) }
    }

    /// The colon behind a name of one character or more.
    #[inline(always)]
    fn end_of_name(&mut self, start: usize) -> Option<usize> {
        let end = self.find(start, |marks| marks.not_name)?;
        (end > start && self.input.get(end) == Some(&b':')).then_some(end)
    }

    /// The CR of the CR LF behind the rest of a line.
    #[inline(always)]
    fn end_of_line(&mut self, start: usize) -> Option<usize> {
        let end = self.find(start, |marks| marks.control)?;
        matches!(self.input.get(end..end + 2), Some(b"\r\n")).then_some(end)
    }

    /// The first mark at `from` or behind; it may lie behind the input's end.
    #[inline(always)]
    fn find(&mut self, from: usize, which: impl Fn(&Marks) -> u64) -> Option<usize> {
        let mut from = from;
        loop {
            let block = from / BLOCK;
            if block != self.block {
                self.marks = mark(self.input.get(block * BLOCK..)?);
                self.block = block;
            }
            let marks = which(&self.marks) >> (from % BLOCK);
            if marks != 0 {
                return Some(from + marks.trailing_zeros() as usize);
            }
            from = (block + 1) * BLOCK;
        }
    }
}

/// Marks the first block of `input`. What is behind its end is a control character.
#[inline]
fn mark(input: &[u8]) -> Marks {
    match input.first_chunk() {
        Some(block) => mark_block(block),
        None => {
            let mut block = [0; BLOCK];
            block[..input.len()].copy_from_slice(input);
            mark_block(&block)
        }
    }
}

fn mark_block(block: &[u8; BLOCK]) -> Marks {
    let bits = |is_it: fn(u8) -> bool| {
        let flags = block.map(|byte| u8::from(is_it(byte)));
        flags.chunks_exact(8).rev().fold(0, |bits, flags| {
            let flags = u64::from_le_bytes(std::array::from_fn(|i| flags[i]));
            bits << 8 | flags.wrapping_mul(0x0102_0408_1020_4080) >> 56 // gathers the lowest bit of each byte
        })
    };
    Marks {
        not_name: bits(|byte| !(byte.is_ascii_alphanumeric() || byte == b'-')),
        control: bits(|byte| byte.is_ascii_control() && byte != b'\t'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::handshake::head::{HeadEnd, Headers, find_end};
    use crate::handshake::request::Request;
    use proptest::prelude::*;

    #[test]
    fn every_byte_is_marked_everywhere() {
        for byte in 0..=255u8 {
            for at in 0..BLOCK {
                let mut block = [b'a'; BLOCK];
                block[at] = byte;
                let marks = mark_block(&block);
                {
                    let is_name = byte.is_ascii_alphanumeric() || byte == b'-';
                    let is_control = byte < 0x20 && byte != b'\t' || byte == 0x7f;
                    assert_eq!(marks.not_name, u64::from(!is_name) << at, "{byte} at {at}");
                    assert_eq!(marks.control, u64::from(is_control) << at, "{byte} at {at}");
                }
            }
        }
    }

    /// A piece of a head: such as there are, and such as must not be.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let fixed = |pieces: &[&'static str]| {
            prop::sample::select(pieces.to_vec()).prop_map(|piece| piece.as_bytes().to_vec())
        };
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
            8 => Just(b"GET /chat?x=1 HTTP/1.1\r\n".to_vec()),
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
                        || !token::is_graphic(full.target().as_bytes())
                );
                return Ok(());
            };
            prop_assert_eq!(plain.len, len);
            prop_assert_eq!(plain.target.of_bytes(&input), full.target().as_bytes());
            prop_assert_eq!(full.method(), "GET");
            prop_assert!(!full.http_1_0);
            head.bytes = input[..len].to_vec();
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
