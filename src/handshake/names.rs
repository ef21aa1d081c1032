//! The headers that a handshake looks at, told apart by their names in one step.

use crate::handshake::token::is_letters;

/// A header that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Host,
    Origin,
    Upgrade,
    Connection,
    KeepAlive,
    ContentLength,
    ProxyConnection,
    TransferEncoding,
    Key,
    Accept,
    Version,
    Protocol,
    Extensions,
}

impl Name {
    pub(crate) const COUNT: usize = Name::Extensions as usize + 1;

    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Name::Host => "Host",
            Name::Origin => "Origin",
            Name::Upgrade => "Upgrade",
            Name::Connection => "Connection",
            Name::KeepAlive => "Keep-Alive",
            Name::ContentLength => "Content-Length",
            Name::ProxyConnection => "Proxy-Connection",
            Name::TransferEncoding => "Transfer-Encoding",
            Name::Key => "Sec-WebSocket-Key",
            Name::Accept => "Sec-WebSocket-Accept",
            Name::Version => "Sec-WebSocket-Version",
            Name::Protocol => "Sec-WebSocket-Protocol",
            Name::Extensions => "Sec-WebSocket-Extensions",
        }
    }

    /// Which one a token in any letter case is. Length and first letter leave one to compare with; a hyphen has no other
    /// case among the characters of a token, and passes for a letter.
    #[inline(always)]
    pub(crate) fn of(token: &[u8]) -> Option<Name> {
        let (name, is_it) = match token.len() {
            4 => (Name::Host, is_letters(token, b"host")),
            6 => (Name::Origin, is_letters(token, b"origin")),
            7 => (Name::Upgrade, is_letters(token, b"upgrade")),
            10 if token[0] | 0x20 == b'c' => (Name::Connection, is_letters(token, b"connection")),
            10 => (Name::KeepAlive, is_letters(token, b"keep-alive")),
            14 => (Name::ContentLength, is_letters(token, b"content-length")),
            16 => (Name::ProxyConnection, is_letters(token, b"proxy-connection")),
            17 if token[0] | 0x20 == b't' => (Name::TransferEncoding, is_letters(token, b"transfer-encoding")),
            17 => (Name::Key, is_letters(token, b"sec-websocket-key")),
            20 => (Name::Accept, is_letters(token, b"sec-websocket-accept")),
            21 => (Name::Version, is_letters(token, b"sec-websocket-version")),
            22 => (Name::Protocol, is_letters(token, b"sec-websocket-protocol")),
            24 => (Name::Extensions, is_letters(token, b"sec-websocket-extensions")),
            _ => return None,
        };
        is_it.then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::token::is_token_char;

    const ALL: [Name; Name::COUNT] = [
        Name::Host,
        Name::Origin,
        Name::Upgrade,
        Name::Connection,
        Name::KeepAlive,
        Name::ContentLength,
        Name::ProxyConnection,
        Name::TransferEncoding,
        Name::Key,
        Name::Accept,
        Name::Version,
        Name::Protocol,
        Name::Extensions,
    ];

    /// Each is found in any letter case, and with any one character changed it is another name.
    #[test]
    fn a_name_is_found_and_no_other() {
        for name in ALL {
            let text = name.as_str();
            for spelled in [text.to_owned(), text.to_ascii_lowercase(), text.to_ascii_uppercase()] {
                assert_eq!(Name::of(spelled.as_bytes()), Some(name));
            }
            for at in 0..text.len() {
                for byte in (0..=255).filter(|&byte| is_token_char(byte)) {
                    let mut token = text.as_bytes().to_owned();
                    token[at] = byte;
                    let is_same = token.eq_ignore_ascii_case(text.as_bytes());
                    assert_eq!(Name::of(&token) == Some(name), is_same, "{}", String::from_utf8_lossy(&token));
                }
            }
            assert_eq!(Name::of(&text.as_bytes()[1..]), None);
        }
        assert_eq!(Name::of(b""), None);
    }
}
