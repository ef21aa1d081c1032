//! The opening handshake of a connection: collecting the peer's head, deciding on it, answering it.

use crate::connection::outbound::Outbound;
use crate::engine::metrics::Failure;
use crate::error::Error;
use crate::event::Initiator;
use crate::handshake::client::{Asked, BadAnswer};
use crate::handshake::head::{self, HeadEnd, Headers};
use crate::handshake::refusal::Refusal;
use crate::handshake::request::Request;
use crate::handshake::response::{self, Header};
use crate::handshake::token;

/// The state of the handshake. It is gone after the opening was reported.
pub(crate) struct Opening {
    /// The peer's head as far as it has arrived.
    head: Vec<u8>,
    /// Bytes of it that were searched for its end.
    scanned: usize,
    /// What a client asked for; `None` for a server.
    asked: Option<Asked>,
    pub(crate) subprotocol: Option<String>,
    pub(crate) phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The head is arriving.
    Head,
    /// The request was reported, and the application has not decided.
    RequestWaits,
    /// The connection is open, which is to be reported.
    OpenDue,
    Reported,
}

impl Opening {
    pub(crate) fn server() -> Opening {
        Opening { head: Vec::new(), scanned: 0, asked: None, subprotocol: None, phase: Phase::Head }
    }

    pub(crate) fn client(asked: Asked) -> Opening {
        Opening { asked: Some(asked), ..Opening::server() }
    }

    /// Takes of `input` at `pos` what belongs to the head, and acts on it when it is complete.
    pub(crate) fn advance(&mut self, input: &[u8], pos: &mut usize, out: &mut Outbound) {
        if self.phase != Phase::Head {
            return;
        }
        let room = out.shared.config.max_head_size - self.head.len();
        let rest = &input[*pos..];
        let added = &rest[..rest.len().min(room)];
        self.head.extend_from_slice(added);
        if !self.may_become_http() {
            return self.give_up(out, Refusal::NotHttp, BadAnswer::NOT_HTTP);
        }

        match head::find_end(&self.head, self.scanned) {
            HeadEnd::At(len) => {
                *pos += added.len() - (self.head.len() - len);
                self.head.truncate(len);
                match self.asked {
                    None => self.decide(out),
                    Some(_) => self.check_answer(out),
                }
            }
            HeadEnd::BareLineFeed => self.give_up(out, Refusal::BareLineFeed, BadAnswer::BARE_LINE_FEED),
            HeadEnd::NotYet if added.len() == room => {
                self.give_up(out, Refusal::HeadTooLarge, BadAnswer::HEAD_TOO_LARGE);
            }
            HeadEnd::NotYet => {
                *pos += added.len();
                self.scanned = self.head.len();
            }
        }
    }

    /// The target of a request that is complete.
    pub(crate) fn target(&self) -> Option<&str> {
        if !self.has_request() {
            return None;
        }
        let mut slots = head::empty_slots();
        let mut parsed = httparse::Request::new(&mut []);
        parsed.parse_with_uninit_headers(&self.head, &mut slots).ok()?;
        parsed.path
    }

    /// The value of a header of a request that is complete: the one at `index` of those with that name.
    pub(crate) fn header(&self, name: &str, index: usize) -> Option<&[u8]> {
        if !self.has_request() {
            return None;
        }
        let mut slots = head::empty_slots();
        let mut parsed = httparse::Request::new(&mut []);
        parsed.parse_with_uninit_headers(&self.head, &mut slots).ok()?;
        Headers(parsed.headers).all(name).nth(index)
    }

    /// Accepts the request that waits. `subprotocol`: `None` leaves it to the config, an empty one is none.
    pub(crate) fn accept(
        &mut self,
        out: &mut Outbound,
        subprotocol: Option<&str>,
        headers: &[Header<'_>],
    ) -> Result<(), Error> {
        response::check_headers(headers)?;
        let mut slots = head::empty_slots();
        let request = Request::read(&self.head, &mut slots, &out.shared.config)
            .map_err(|_| Error::State("no request waits for a decision"))?;
        let chosen = match subprotocol {
            None => request.select_subprotocol(&out.shared.config),
            Some("") => None,
            Some(name) if request.offers_subprotocol(name) => Some(name),
            Some(_) => {
                return Err(Error::InvalidArgument("the client did not offer this subprotocol (RFC 6455, 4.2.2)"));
            }
        };
        let answer = response::accepting(&request.accept, chosen, headers);
        let chosen = chosen.map(str::to_owned);
        self.opened(out, answer, chosen);
        Ok(())
    }

    fn has_request(&self) -> bool {
        self.asked.is_none() && self.phase != Phase::Head
    }

    /// A request line starts with a token (or an empty line before it), a status line with `HTTP/1.`: anything else
    /// need not be waited for.
    fn may_become_http(&self) -> bool {
        const STATUS_LINE: &[u8] = b"HTTP/1.";
        match self.asked {
            None => self.head.first().is_none_or(|&byte| token::is_token_char(byte) || byte == b'\r'),
            Some(_) => {
                let len = self.head.len().min(STATUS_LINE.len());
                self.head[..len] == STATUS_LINE[..len]
            }
        }
    }

    fn decide(&mut self, out: &mut Outbound) {
        let config = &out.shared.config;
        let mut slots = head::empty_slots();
        match Request::read(&self.head, &mut slots, config) {
            Err(refusal) => refuse(out, refusal),
            Ok(_) if config.manual_accept => self.phase = Phase::RequestWaits,
            Ok(request) => {
                let chosen = request.select_subprotocol(config);
                let answer = response::accepting(&request.accept, chosen, &[]);
                let chosen = chosen.map(str::to_owned);
                self.opened(out, answer, chosen);
            }
        }
    }

    fn opened(&mut self, out: &mut Outbound, answer: Vec<u8>, subprotocol: Option<String>) {
        out.push_head(answer);
        out.open();
        self.subprotocol = subprotocol;
        self.phase = Phase::OpenDue;
    }

    fn check_answer(&mut self, out: &mut Outbound) {
        let Some(asked) = &self.asked else {
            return;
        };
        match asked.check_answer(&self.head, &out.shared.config) {
            Ok(chosen) => {
                self.subprotocol = chosen.map(str::to_owned);
                self.phase = Phase::OpenDue;
                out.open();
            }
            Err(bad) => fail_answer(out, bad),
        }
    }

    fn give_up(&self, out: &mut Outbound, refusal: Refusal, bad: BadAnswer) {
        match self.asked {
            None => refuse(out, refusal),
            Some(_) => fail_answer(out, bad),
        }
    }
}

/// Answers a request with its refusal, and ends the connection.
pub(crate) fn refuse(out: &mut Outbound, refusal: Refusal) {
    out.shared.metrics.refused(refusal);
    out.push_head(response::refusing(refusal));
    out.end_abnormally(refusal.detail(), Initiator::Us, Some(refusal.status()));
}

/// Ends a client's connection over the server's answer. There is nothing left to say to it.
fn fail_answer(out: &mut Outbound, bad: BadAnswer) {
    let (initiator, failure) = match bad.status {
        Some(status) if status != 101 => (Initiator::Peer, Failure::Status),
        _ => (Initiator::Us, Failure::Answer),
    };
    out.shared.metrics.handshake_failed(failure);
    out.end_abnormally(bad.detail, initiator, bad.status);
    out.hopeless = true;
}
