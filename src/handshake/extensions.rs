//! The negotiation of permessage-deflate (RFC 7692, 5 and 7.1) in `Sec-WebSocket-Extensions` (RFC 6455, 9.1).

use crate::config::Compression;
use crate::deflate::Agreed;
use crate::handshake::head::Headers;
use crate::handshake::names::Name;
use crate::handshake::token;

const DEFLATE: &[u8] = b"permessage-deflate";
/// What Chromium and what is made of it offer: it need not be taken apart each time.
const MOST_OFFERED: &[u8] = b"permessage-deflate; client_max_window_bits";
const LARGEST_WINDOW: u8 = 15;

/// The parameters of permessage-deflate, as they stand in an offer or an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Params {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<Bits>,
    client_max_window_bits: Option<Bits>,
}

/// The value of a window parameter; an offer may leave it out of `client_max_window_bits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bits {
    Unsaid,
    Said(u8),
}

/// A header that does not follow the grammar. Whoever receives one must fail the connection (RFC 6455, 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Whether the headers follow the grammar.
pub(crate) fn check_grammar<'h>(headers: impl Headers<'h>) -> Result<(), Malformed> {
    if !headers.has(Name::Extensions) {
        return Ok(());
    }
    extensions(headers).try_for_each(|extension| extension.map(drop))
}

// ---- Server

/// Takes the first offer that the settings allow (RFC 7692, 5): what holds from now on, and what to answer.
/// Offers of other extensions, and of this one with parameters that it does not have, are passed over.
pub(crate) fn select<'h>(headers: impl Headers<'h>, config: &Compression) -> Option<(Agreed, Params)> {
    if !config.enabled {
        return None;
    }
    extensions(headers)
        .map_while(Result::ok)
        .filter(|extension| extension.name == DEFLATE)
        .find_map(|extension| accept(&extension.deflate?, config))
}

/// A server's answer to an offer; `None` declines it.
fn accept(offer: &Params, config: &Compression) -> Option<(Agreed, Params)> {
    let own_takeover = config.own_takeover && !offer.server_no_context_takeover;
    // A client that will not use its context anyway (7.1.1.2) spares us one when both sides know.
    let peer_takeover = config.peer_takeover && !offer.client_no_context_takeover;

    let own_window_bits = match offer.server_max_window_bits {
        None => config.own_window_bits,
        Some(Bits::Said(bits)) => bits.min(config.own_window_bits),
        Some(Bits::Unsaid) => return None, // an offer must give it a value (7.1.2.1)
    };
    let peer_window_bits = match offer.client_max_window_bits {
        // Must not be answered if it was not offered (7.1.2.2): a client that cannot be limited is declined.
        None if config.peer_window_bits < LARGEST_WINDOW => return None,
        None | Some(Bits::Unsaid) => config.peer_window_bits,
        Some(Bits::Said(bits)) => bits.min(config.peer_window_bits),
    };

    let says_own_bits = offer.server_max_window_bits.is_some() || own_window_bits < LARGEST_WINDOW;
    let answer = Params {
        server_no_context_takeover: !own_takeover,
        client_no_context_takeover: !peer_takeover,
        server_max_window_bits: says_own_bits.then_some(Bits::Said(own_window_bits)),
        client_max_window_bits: (peer_window_bits < LARGEST_WINDOW).then_some(Bits::Said(peer_window_bits)),
    };
    Some((Agreed { own_takeover, peer_takeover, own_window_bits, peer_window_bits }, answer))
}

// ---- Client

/// What a client offers, if it wants compression. There is one offer: a weaker one behind it would give up a setting.
pub(crate) fn offer(config: &Compression) -> Option<Params> {
    config.enabled.then(|| Params {
        server_no_context_takeover: !config.peer_takeover,
        client_no_context_takeover: !config.own_takeover,
        server_max_window_bits: (config.peer_window_bits < LARGEST_WINDOW)
            .then_some(Bits::Said(config.peer_window_bits)),
        client_max_window_bits: Some(match config.own_window_bits {
            LARGEST_WINDOW => Bits::Unsaid,
            bits => Bits::Said(bits),
        }),
    })
}

/// Why a client does not take the extensions of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadChoice {
    Malformed,
    NotOffered,
    Parameters,
}

impl From<Malformed> for BadChoice {
    fn from(_: Malformed) -> BadChoice {
        BadChoice::Malformed
    }
}

/// Checks what the server chose of what [`offer`] made of the same settings (RFC 6455, 4.1; RFC 7692, 7.1).
pub(crate) fn check_choice<'h>(headers: impl Headers<'h>, config: &Compression) -> Result<Option<Agreed>, BadChoice> {
    let mut agreed = None;
    for extension in extensions(headers) {
        let extension = extension?;
        if !config.enabled || extension.name != DEFLATE || agreed.is_some() {
            return Err(BadChoice::NotOffered);
        }
        let answer = extension.deflate.ok_or(BadChoice::Parameters)?;
        agreed = Some(confirm(&answer, config).ok_or(BadChoice::Parameters)?);
    }
    Ok(agreed)
}

/// What a client makes of a server's parameters; `None` if they do not answer its offer.
fn confirm(answer: &Params, config: &Compression) -> Option<Agreed> {
    // Whoever accepts a demand has to repeat it (7.1.1.1).
    if !config.peer_takeover && !answer.server_no_context_takeover {
        return None;
    }
    let peer_window_bits = match answer.server_max_window_bits {
        None if config.peer_window_bits < LARGEST_WINDOW => return None, // it was demanded too (7.1.2.1)
        None => LARGEST_WINDOW,
        Some(Bits::Said(bits)) if bits <= config.peer_window_bits => bits,
        Some(_) => return None,
    };
    let own_window_bits = match answer.client_max_window_bits {
        None => config.own_window_bits,
        Some(Bits::Said(bits)) if bits <= config.own_window_bits => bits,
        Some(_) => return None, // an answer must give it a value, and no larger one (7.1.2.2)
    };
    Some(Agreed {
        own_takeover: config.own_takeover && !answer.client_no_context_takeover,
        peer_takeover: !answer.server_no_context_takeover,
        own_window_bits,
        peer_window_bits,
    })
}

// ---- The header

impl Params {
    /// The header's value.
    pub(crate) fn to_value(self) -> ParamsValue {
        let mut value = ParamsValue { text: [0; ParamsValue::MAX_LEN], len: 0 };
        value.push(DEFLATE);
        if self.server_no_context_takeover {
            value.push(b"; server_no_context_takeover");
        }
        if self.client_no_context_takeover {
            value.push(b"; client_no_context_takeover");
        }
        value.push_bits(b"; server_max_window_bits", self.server_max_window_bits);
        value.push_bits(b"; client_max_window_bits", self.client_max_window_bits);
        value
    }

    /// Adds a parameter; `None` for one that permessage-deflate does not have, or not so, or not twice (RFC 7692, 7.1).
    fn with(mut self, name: &[u8], value: Option<Value<'_>>) -> Option<Params> {
        let bits = |value: Option<Value<'_>>| value.map_or(Some(Bits::Unsaid), Value::window_bits);
        let is_new = match (name, value) {
            (b"server_no_context_takeover", None) => !std::mem::replace(&mut self.server_no_context_takeover, true),
            (b"client_no_context_takeover", None) => !std::mem::replace(&mut self.client_no_context_takeover, true),
            (b"server_max_window_bits", value) => self.server_max_window_bits.replace(bits(value)?).is_none(),
            (b"client_max_window_bits", value) => self.client_max_window_bits.replace(bits(value)?).is_none(),
            _ => false,
        };
        is_new.then_some(self)
    }
}

/// The value of a header that this end writes.
pub(crate) struct ParamsValue {
    text: [u8; ParamsValue::MAX_LEN],
    len: usize,
}

impl ParamsValue {
    /// Room for all parameters.
    pub(crate) const MAX_LEN: usize = 160;

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }

    fn push(&mut self, part: &[u8]) {
        self.text[self.len..self.len + part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    fn push_bits(&mut self, name: &[u8], bits: Option<Bits>) {
        match bits {
            None => {}
            Some(Bits::Unsaid) => self.push(name),
            Some(Bits::Said(bits)) => {
                self.push(name);
                self.push(if bits < 10 { b"=" } else { b"=1" });
                self.push(&[b'0' + bits % 10]); // at most 15
            }
        }
    }
}

/// A member of the list.
struct Extension<'h> {
    name: &'h [u8],
    /// Its parameters, if they are such as permessage-deflate has.
    deflate: Option<Params>,
}

/// The extensions of all headers together: they are one list (RFC 6455, 9.1).
fn extensions<'h>(headers: impl Headers<'h>) -> impl Iterator<Item = Result<Extension<'h>, Malformed>> {
    let mut values = headers.all(Name::Extensions);
    let mut is_there = false;
    let mut found = false;
    let mut rest = Lexer(b"");
    std::iter::from_fn(move || {
        loop {
            rest.skip_empty_members();
            if !rest.0.is_empty() {
                found = true;
                let extension = rest.extension();
                if extension.is_err() {
                    rest = Lexer(b"");
                }
                return Some(extension);
            }
            match values.next() {
                Some(value) => (rest, is_there) = (Lexer(value), true),
                // A list of one or more (`1#extension`).
                None if is_there && !std::mem::replace(&mut found, true) => return Some(Err(Malformed)),
                None => return None,
            }
        }
    })
}

/// Takes a header's value apart: `1#(token *( ";" token [ "=" ( token | quoted-string ) ] ))`, with white space between
/// any two of these (RFC 6455, 9.1).
struct Lexer<'h>(&'h [u8]);

impl<'h> Lexer<'h> {
    /// Goes to the next member of the list; those that are empty do not count (RFC 2616, 2.1, `#rule`).
    fn skip_empty_members(&mut self) {
        while let [b' ' | b'\t' | b',', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    fn extension(&mut self) -> Result<Extension<'h>, Malformed> {
        if self.0 == MOST_OFFERED {
            self.0 = b"";
            let params = Params { client_max_window_bits: Some(Bits::Unsaid), ..Params::default() };
            return Ok(Extension { name: DEFLATE, deflate: Some(params) });
        }
        let name = self.token()?;
        let mut deflate = Some(Params::default());
        while self.eat(b';') {
            let param = self.token()?;
            let value = if self.eat(b'=') { Some(self.value()?) } else { None };
            deflate = deflate.and_then(|params| params.with(param, value));
        }
        if self.0.is_empty() || self.eat(b',') { Ok(Extension { name, deflate }) } else { Err(Malformed) }
    }

    fn token(&mut self) -> Result<&'h [u8], Malformed> {
        self.skip_space();
        let len = self.0.iter().position(|&byte| !token::is_token_char(byte)).unwrap_or(self.0.len());
        if len == 0 {
            return Err(Malformed);
        }
        let (token, rest) = self.0.split_at(len);
        self.0 = rest;
        self.skip_space();
        Ok(token)
    }

    /// A token, plain or quoted.
    fn value(&mut self) -> Result<Value<'h>, Malformed> {
        if !self.eat(b'"') {
            return self.token().map(Value);
        }
        let quoted = self.0;
        let mut len = 0;
        loop {
            match quoted[len..] {
                [b'"', ..] if len > 0 => break,
                [b'\\', escaped, ..] if token::is_token_char(escaped) => len += 2,
                [byte, ..] if token::is_token_char(byte) => len += 1,
                _ => return Err(Malformed),
            }
        }
        self.0 = &quoted[len + 1..];
        self.skip_space();
        Ok(Value(&quoted[..len]))
    }

    /// Takes this separator if it is next.
    fn eat(&mut self, separator: u8) -> bool {
        self.skip_space();
        match self.0 {
            [first, rest @ ..] if *first == separator => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }
}

/// The value of a parameter. A backslash, which no token has, stands before an escaped character.
#[derive(Clone, Copy)]
struct Value<'h>(&'h [u8]);

impl Value<'_> {
    /// 8 to 15, without a leading zero (RFC 7692, 7.1.2).
    fn window_bits(self) -> Option<Bits> {
        let mut digits = self.0.iter().filter(|&&byte| byte != b'\\');
        let bits = match (digits.next(), digits.next(), digits.next()) {
            (Some(&ones @ b'8'..=b'9'), None, _) => ones - b'0',
            (Some(b'1'), Some(&ones @ b'0'..=b'5'), None) => 10 + ones - b'0',
            _ => return None,
        };
        Some(Bits::Said(bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::handshake::head::Head;

    fn value(params: Params) -> String {
        String::from_utf8(params.to_value().as_bytes().to_vec()).unwrap()
    }

    fn headers(values: &[&str]) -> Head {
        let mut head = Head::default();
        values.iter().for_each(|value| head.push_field(Name::Extensions.as_str().as_bytes(), value.as_bytes()));
        head
    }

    fn settings(takeover: (bool, bool), bits: (u8, u8)) -> Compression {
        let mut config = Config::new();
        config.set_compression(true).set_context_takeover(takeover.0, takeover.1);
        config.set_window_bits(bits.0, bits.1).unwrap();
        config.compression
    }

    fn agreed(own_takeover: bool, peer_takeover: bool, own_window_bits: u8, peer_window_bits: u8) -> Agreed {
        Agreed { own_takeover, peer_takeover, own_window_bits, peer_window_bits }
    }

    /// What the answer says and what this end does from then on must be the same thing.
    #[test]
    fn a_server_does_as_it_answers() {
        let all = settings((true, true), (15, 15));
        let small = settings((false, true), (10, 11));
        for (config, value, expected) in [
            (&all, "permessage-deflate", Some(agreed(true, true, 15, 15))),
            (&all, "permessage-deflate; server_no_context_takeover", Some(agreed(false, true, 15, 15))),
            (&all, "permessage-deflate; client_no_context_takeover", Some(agreed(true, false, 15, 15))),
            (&all, "permessage-deflate; server_max_window_bits=9", Some(agreed(true, true, 9, 15))),
            (&all, "permessage-deflate; client_max_window_bits=9", Some(agreed(true, true, 15, 9))),
            (&all, "permessage-deflate; client_max_window_bits", Some(agreed(true, true, 15, 15))),
            (&small, "permessage-deflate", None),
            (&small, "permessage-deflate; client_max_window_bits", Some(agreed(false, true, 10, 11))),
            (&small, "permessage-deflate; client_max_window_bits=8", Some(agreed(false, true, 10, 8))),
        ] {
            let chosen = select(&headers(&[value]), config);
            assert_eq!(chosen.map(|(agreed, _)| agreed), expected, "{value}");
        }
    }

    /// Every pair of settings: both ends come to the same agreement, seen from their own side.
    #[test]
    fn both_ends_agree() {
        let flags = [(false, false), (false, true), (true, false), (true, true)];
        let bits = [(8, 8), (8, 15), (15, 8), (10, 12), (15, 15)];
        let all = || flags.into_iter().flat_map(|flag| bits.into_iter().map(move |bit| settings(flag, bit)));
        for client in all() {
            for server in all() {
                let offered = headers(&[&value(offer(&client).unwrap())]);
                let (at_server, answer) = select(&offered, &server).expect("every offer of ours is accepted");
                let answered = headers(&[&value(answer)]);
                let at_client = check_choice(&answered, &client).unwrap().expect("and every answer");
                assert_eq!(
                    at_client,
                    Agreed {
                        own_takeover: at_server.peer_takeover,
                        peer_takeover: at_server.own_takeover,
                        own_window_bits: at_server.peer_window_bits,
                        peer_window_bits: at_server.own_window_bits,
                    }
                );
                assert!(!at_client.own_takeover || client.own_takeover && server.peer_takeover);
                assert!(at_client.own_window_bits <= client.own_window_bits.min(server.peer_window_bits));
                assert!(at_server.own_window_bits <= server.own_window_bits.min(client.peer_window_bits));
            }
        }
    }

    /// The offer that is known as a whole is taken as the same one in other words.
    #[test]
    fn the_most_offered_is_no_exception() {
        let config = settings((true, true), (10, 11));
        let chosen = |value: &str| select(&headers(&[value]), &config);
        let expected = chosen("permessage-deflate;client_max_window_bits");
        assert!(expected.is_some());
        let known = std::str::from_utf8(MOST_OFFERED).unwrap();
        assert_eq!(chosen(known), expected);
        assert_eq!(chosen(&format!("x, {known}")), expected);
        assert_eq!(chosen(&format!("{known}; x, {known}")), expected);
        assert_eq!(chosen(&format!("{known}=")), None);
    }

    #[test]
    fn a_client_does_as_it_is_answered() {
        let config = settings((true, true), (12, 15));
        let deflate = |params: &str| check_choice(&headers(&[&format!("permessage-deflate{params}")]), &config);
        assert_eq!(deflate(""), Ok(Some(agreed(true, true, 12, 15))));
        assert_eq!(deflate("; client_no_context_takeover"), Ok(Some(agreed(false, true, 12, 15))));
        assert_eq!(deflate("; server_no_context_takeover"), Ok(Some(agreed(true, false, 12, 15))));
        assert_eq!(deflate("; client_max_window_bits=9"), Ok(Some(agreed(true, true, 9, 15))));
        assert_eq!(deflate("; server_max_window_bits=9"), Ok(Some(agreed(true, true, 12, 9))));
        assert_eq!(check_choice(&headers(&[]), &config), Ok(None));
        assert_eq!(deflate("; client_max_window_bits=13"), Err(BadChoice::Parameters));
        assert_eq!(deflate("; client_max_window_bits"), Err(BadChoice::Parameters));
    }
}
