//! The head of an HTTP message: where it ends, its parts, its headers.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::config::Config;
use crate::handshake::names::Name;
use crate::handshake::token;

/// A head of more bytes or headers than this gives its memory back.
const MAX_KEPT_BYTES: usize = 8 * 1024;
const MAX_KEPT_FIELDS: usize = 64;

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
    let new = bytes.get(scanned..).unwrap_or_default();
    #[cfg(test)]
    counting::looked_at(new.len());
    for at in memchr::memchr_iter(b'\n', new) {
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

/// A head and where its parts are: parsed once, looked at any number of times.
#[derive(Default)]
pub(crate) struct Head {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fields: Vec<Field>,
    known: Known,
}

/// Where the headers are that the handshake looks at.
#[derive(Clone, Copy, Default)]
struct Known {
    /// The place of the first of a name among the fields, counted from 1; 0 if there is none.
    first: [u32; Name::COUNT],
    /// A bit for each name that is there more than once.
    repeated: u32,
}

impl Known {
    #[inline(always)]
    fn add(&mut self, name: &[u8], index: usize) {
        let Some(name) = Name::of(name) else {
            return;
        };
        let first = &mut self.first[name as usize];
        match *first {
            0 => *first = index as u32 + 1, // memory ends before 2^32 headers
            _ => self.repeated |= 1 << name as u32,
        }
    }

    fn first(&self, name: Name) -> Option<usize> {
        (self.first[name as usize] as usize).checked_sub(1)
    }

    fn is_repeated(&self, name: Name) -> bool {
        self.repeated >> name as u32 & 1 != 0
    }
}

/// A header, as places in the bytes of its head.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: Span,
    pub(crate) value: Span,
}

impl Field {
    /// Most names differ in length, and are not even looked at.
    fn is_named(&self, name: &str, bytes: &[u8]) -> bool {
        self.name.len == name.len() && self.name.of_bytes(bytes).eq_ignore_ascii_case(name.as_bytes())
    }
}

/// A part of the bytes of a head.
#[derive(Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

impl Span {
    /// Where `part` lies in `whole`, of which it is a slice.
    pub(crate) fn of(part: &[u8], whole: &[u8]) -> Span {
        if part.is_empty() {
            return Span::default();
        }
        Span { start: part.as_ptr() as usize - whole.as_ptr() as usize, len: part.len() }
    }

    pub(crate) fn of_range(range: Range<usize>) -> Span {
        Span { start: range.start, len: range.len() }
    }

    pub(crate) fn of_bytes(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..self.start + self.len]
    }

    /// For parts that were found to be ASCII when the head was parsed.
    pub(crate) fn of_text(self, bytes: &[u8]) -> &str {
        std::str::from_utf8(self.of_bytes(bytes)).unwrap_or_default()
    }
}

impl Head {
    /// Appends of `input` what belongs to the head; gives the length of that.
    pub(crate) fn collect(&mut self, input: &[u8]) -> (usize, HeadEnd) {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(input);
        let end = find_end(&self.bytes, before);
        if let HeadEnd::At(len) = end {
            self.bytes.truncate(len);
        }
        (self.bytes.len() - before, end)
    }

    /// Takes over where the headers lie that were parsed from `bytes`, which are those of the head: the values without
    /// the white space around them.
    pub(crate) fn set_fields(&mut self, parsed: &[httparse::Header<'_>], bytes: &[u8]) {
        self.clear_fields();
        self.fields.reserve(parsed.len());
        for header in parsed {
            let (name, value) = (Span::of(header.name.as_bytes(), bytes), Span::of(token::trim(header.value), bytes));
            self.add_field(bytes, name, value);
        }
    }

    /// Appends a header that lies there in `bytes`, which are those of the head.
    fn add_field(&mut self, bytes: &[u8], name: Span, value: Span) {
        self.known.add(name.of_bytes(bytes), self.fields.len());
        self.fields.push(Field { name, value });
    }

    /// Takes headers, of which there are none yet, each with its name; `None` as soon as there is none of one.
    #[inline(always)]
    pub(crate) fn take_fields<'b>(
        &mut self,
        headers: impl ExactSizeIterator<Item = Option<(&'b [u8], Field)>>,
    ) -> Option<()> {
        self.fields.reserve(headers.len());
        for (index, header) in headers.enumerate() {
            let (name, field) = header?;
            self.known.add(name, index);
            self.fields.push(field);
        }
        Some(())
    }

    /// Makes room for so many bytes and headers more.
    pub(crate) fn reserve(&mut self, bytes: usize, fields: usize) {
        self.bytes.reserve(bytes);
        self.fields.reserve(fields);
    }

    pub(crate) fn clear_fields(&mut self) {
        self.fields.clear();
        self.known = Known::default();
    }

    /// Forgets everything, but keeps its memory, within bounds.
    pub(crate) fn clear(&mut self) {
        self.clear_fields();
        self.bytes.clear();
        if self.bytes.capacity() > MAX_KEPT_BYTES {
            self.bytes = Vec::new();
        }
        if self.fields.capacity() > MAX_KEPT_FIELDS {
            self.fields = Vec::new();
        }
    }

    /// Appends bytes, and says where they are.
    pub(crate) fn push(&mut self, part: &[u8]) -> Span {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(part);
        Span { start, len: part.len() }
    }

    /// Appends a header.
    pub(crate) fn push_field(&mut self, name: &[u8], value: &[u8]) {
        self.known.add(name, self.fields.len());
        let field = Field { name: self.push(name), value: self.push(value) };
        self.fields.push(field);
    }

    /// The values of every header of that name, in any letter case and in order.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.fields
            .iter()
            .filter(move |field| field.is_named(name, &self.bytes))
            .map(|field| field.value.of_bytes(&self.bytes))
    }

    /// Name and value of a header.
    pub(crate) fn field(&self, index: usize) -> Option<(&[u8], &[u8])> {
        let field = self.fields.get(index)?;
        Some((field.name.of_bytes(&self.bytes), field.value.of_bytes(&self.bytes)))
    }
}

/// The headers of a head, by name in any letter case. Names and values live as long as the head (`'h`).
pub(crate) trait Headers<'h>: Copy {
    /// Names and values, in order.
    fn pairs(self) -> impl Iterator<Item = (&'h [u8], &'h [u8])>;

    /// The values of every header of that name, in order.
    fn all(self, name: Name) -> impl Iterator<Item = &'h [u8]> {
        let name = name.as_str().as_bytes();
        self.pairs().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of a header that may be there once.
    fn single(self, name: Name) -> Single<'h> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (None, _) => Single::None,
            (Some(value), None) => Single::One(value),
            _ => Single::Many,
        }
    }

    /// The members of a list that may be spread over several headers.
    fn list(self, name: Name) -> impl Iterator<Item = &'h [u8]> {
        self.all(name).flat_map(token::list)
    }

    /// Whether the list has this token of letters, in any case; it is given in lower case.
    fn list_has<const N: usize>(self, name: Name, wanted: &[u8; N]) -> bool {
        let is_wanted = |member: &[u8]| token::is_letters(member, wanted);
        self.all(name).any(|value| is_wanted(value) || token::list(value).any(is_wanted))
    }

    /// Whether there is a header of that name.
    fn has(self, name: Name) -> bool {
        self.all(name).next().is_some()
    }

    /// Whether a body follows the head of a request (RFC 9112, 6.3).
    fn announce_body(self) -> bool {
        self.all(Name::ContentLength).any(|len| len != b"0") || self.has(Name::TransferEncoding)
    }
}

/// Found when the head was parsed; only those that are there more than once have to be searched.
impl<'h> Headers<'h> for &'h Head {
    fn pairs(self) -> impl Iterator<Item = (&'h [u8], &'h [u8])> {
        self.fields.iter().map(|field| (field.name.of_bytes(&self.bytes), field.value.of_bytes(&self.bytes)))
    }

    fn all(self, name: Name) -> impl Iterator<Item = &'h [u8]> {
        let is_repeated = self.known.is_repeated(name);
        let fields = match self.known.first(name) {
            None => &[],
            Some(first) if is_repeated => &self.fields[first..],
            Some(first) => &self.fields[first..=first],
        };
        fields
            .iter()
            .filter(move |field| !is_repeated || field.is_named(name.as_str(), &self.bytes))
            .map(|field| field.value.of_bytes(&self.bytes))
    }

    #[inline]
    fn single(self, name: Name) -> Single<'h> {
        match self.known.first(name) {
            None => Single::None,
            Some(_) if self.known.is_repeated(name) => Single::Many,
            Some(first) => Single::One(self.fields[first].value.of_bytes(&self.bytes)),
        }
    }

    fn has(self, name: Name) -> bool {
        self.known.first(name).is_some()
    }
}

impl<'h> Headers<'h> for &[httparse::Header<'h>] {
    fn pairs(self) -> impl Iterator<Item = (&'h [u8], &'h [u8])> {
        self.iter().map(|header| (header.name.as_bytes(), token::trim(header.value)))
    }
}

/// How often a header is there that must not be repeated.
pub(crate) enum Single<'h> {
    None,
    One(&'h [u8]),
    Many,
}

/// How much work the search for the end of a head was.
#[cfg(test)]
pub(crate) mod counting {
    use std::cell::Cell;

    thread_local! {
        static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
    }

    pub(crate) fn looked_at(bytes: usize) {
        LOOKED_AT.set(LOOKED_AT.get() + bytes);
    }

    /// Bytes that were looked at since the last call.
    pub(crate) fn take() -> usize {
        LOOKED_AT.take()
    }
}
