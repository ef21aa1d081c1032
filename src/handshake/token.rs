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
        bytes.iter().all(|&byte| self.has(byte))
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

/// Whether `bytes` are these letters, in any case; `lower` has them in lower case.
#[inline(always)]
pub(crate) fn is_letters<const N: usize>(bytes: &[u8], lower: &[u8; N]) -> bool {
    let Ok(bytes) = <&[u8; N]>::try_from(bytes) else {
        return false;
    };
    bytes.iter().zip(lower).fold(0, |difference, (byte, lower)| difference | ((byte | 0x20) ^ lower)) == 0
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
