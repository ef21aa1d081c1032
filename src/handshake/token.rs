//! Tokens and lists of them, as HTTP headers have them (RFC 9110, 5.6).

/// A set of characters, to be asked in one step.
pub(crate) struct Chars([bool; 256]);

impl Chars {
    /// ASCII letters, digits, and these.
    pub(crate) const fn alphanumeric_and(more: &[u8]) -> Chars {
        let mut set = [false; 256];
        let mut byte = 0u8;
        while byte < 128 {
            set[byte as usize] = byte.is_ascii_alphanumeric();
            byte += 1;
        }
        let mut i = 0;
        while i < more.len() {
            set[more[i] as usize] = true;
            i += 1;
        }
        Chars(set)
    }

    pub(crate) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }

    pub(crate) fn has_all(&self, bytes: &[u8]) -> bool {
        bytes.iter().fold(true, |all, &byte| all & self.has(byte)) // mostly it has: no way out on the way
    }
}

static TOKEN: Chars = Chars::alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// Whether `bytes` is an HTTP token: one or more characters, none a separator (RFC 9110, 5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && TOKEN.has_all(bytes)
}

pub(crate) fn is_token_char(byte: u8) -> bool {
    TOKEN.has(byte)
}

/// The bit that makes an ASCII letter lower-case, in each byte.
const LOWER: u64 = u64::from_ne_bytes([0x20; 8]);

/// Whether `bytes` are these letters, in any case; `lower` has them in lower case.
#[inline(always)]
pub(crate) fn is_letters<const N: usize>(bytes: &[u8], lower: &[u8; N]) -> bool {
    let Ok(bytes) = <&[u8; N]>::try_from(bytes) else {
        return false;
    };
    // In words, of which the last overlaps the one before it; all of this is decided when it is compiled.
    let differs = |a: &[u8; 8], b: &[u8; 8]| (u64::from_le_bytes(*a) | LOWER) ^ u64::from_le_bytes(*b);
    if let (Some(last), Some(lower_last)) = (bytes.last_chunk(), lower.last_chunk()) {
        let words = bytes.as_chunks().0.iter().zip(lower.as_chunks().0);
        return words.fold(differs(last, lower_last), |differences, (a, b)| differences | differs(a, b)) == 0;
    }
    let differs = |a: &[u8; 4], b: &[u8; 4]| (u32::from_le_bytes(*a) | LOWER as u32) ^ u32::from_le_bytes(*b);
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk())
        && let (Some(lower_first), Some(lower_last)) = (lower.first_chunk(), lower.last_chunk())
    {
        return differs(first, lower_first) | differs(last, lower_last) == 0;
    }
    bytes.eq_ignore_ascii_case(lower)
}

/// Whether `bytes` may be the value of a header: no control character, so no CR, LF or NUL, but tabs (RFC 9110, 5.5).
pub(crate) fn is_field_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == b'\t' || !byte.is_ascii_control())
}

/// The members of a comma-separated list, without the white space around them; empty members are passed over.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|member| !member.is_empty())
}

/// Without the spaces and tabs at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
