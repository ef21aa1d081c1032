//! The opening handshake of a connection: collecting the peer's head, deciding on it, answering it.

use crate::connection::outbound::{Outbound, State};
use crate::connection::{Connection, Lent, Work};
use crate::engine::metrics::Failure;
use crate::error::Error;
use crate::event::Initiator;
use crate::handshake::client::{Answer, Asked, BadAnswer};
use crate::handshake::extensions;
use crate::handshake::head::{Head, HeadEnd, Span};
use crate::handshake::key;
use crate::handshake::parsed::ParsedRequest;
use crate::handshake::refusal::Refusal;
use crate::handshake::request::Request;
use crate::handshake::response::{self, Header, StreamAnswer, Terms};
use crate::handshake::token;

/// The state of the handshake. It is gone after the opening, or the end without one, was reported.
pub(crate) struct Opening {
    side: Side,
    /// Bytes of the server's interim answers, which were passed over.
    passed_over: usize,
    /// The one that was chosen, as it stands in the head of the request or the answer.
    subprotocol: Option<Span>,
    pub(crate) phase: Phase,
}

enum Side {
    Server {
        request: Request,
        /// How the host sends the answer: as bytes of HTTP/1.1, or as status and headers of a stream, and then this is
        /// where it finds them.
        is_stream: bool,
        answer: Option<Box<StreamAnswer>>,
    },
    Client {
        asked: Asked,
        answer: Answer,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The head is arriving.
    Head,
    /// The request is to be reported.
    RequestDue,
    /// The request was reported, and the application has not decided.
    RequestWaits,
    /// The connection is open, which is to be reported.
    OpenDue,
    Reported,
}

/// Make. The engine's pool lends one that is a server's, as new but for the memory of its head.
impl Opening {
    /// Makes it that of a request which the host parsed, and decides on that.
    pub(crate) fn begin_with(&mut self, request: &ParsedRequest<'_>, out: &mut Outbound) {
        let copied = request.copy(self.take_head(), &out.shared.config);
        let is_stream = request.protocol.is_some();
        match copied {
            Ok(request) => {
                self.side = Side::Server { request, is_stream, answer: None };
                self.decide(out);
            }
            Err(refusal) => {
                self.side = Side::Server { request: Request::default(), is_stream, answer: None };
                self.refuse(out, refusal);
            }
        }
    }

    /// Makes it a client's.
    pub(crate) fn begin_asking(&mut self, asked: Asked) {
        let answer = Answer::with_memory_of(self.take_head());
        self.side = Side::Client { asked, answer };
    }

    /// Makes it ready for another connection.
    pub(crate) fn reset(&mut self) {
        let Opening { side, passed_over, subprotocol, phase } = self;
        (*passed_over, *subprotocol, *phase) = (0, None, Phase::Head);
        match side {
            Side::Server { request, is_stream, answer } => {
                request.clear();
                (*is_stream, *answer) = (false, None);
            }
            Side::Client { .. } => {
                let mut head = self.take_head();
                head.clear();
                *self = Opening::new(head);
            }
        }
    }

    fn take_head(&mut self) -> Head {
        std::mem::take(self.head_mut())
    }

    fn new(head: Head) -> Opening {
        let request = Request { head, ..Request::default() };
        let side = Side::Server { request, is_stream: false, answer: None };
        Opening { side, passed_over: 0, subprotocol: None, phase: Phase::Head }
    }
}

impl Default for Opening {
    fn default() -> Opening {
        Opening::new(Head::default())
    }
}

/// Feed.
impl Connection {
    /// If `data` is a whole request and nothing else, as it nearly always is, takes it at once, so that it need not be kept
    /// to be pulled from. It is decided on by the pull.
    #[inline]
    pub(super) fn takes_request(&mut self, data: &[u8]) -> bool {
        self.outbound.state == State::Connecting && self.work.is_none() && self.takes_whole_request(data)
    }

    /// The same, of so many bytes that were received into what was lent, which is given back then.
    #[inline]
    pub(super) fn takes_received_request(&mut self, count: usize) -> bool {
        if self.outbound.state != State::Connecting {
            return false;
        }
        let is_first = |work: &mut Box<Work>| !work.has_own_input() && matches!(work.lent, Lent::Input(_));
        let Some(mut work) = self.work.take_if(is_first) else {
            return false;
        };
        let is_taken = self.takes_whole_request(work.room(count));
        if is_taken {
            work.end_lent();
            self.outbound.shared.return_work(work);
        } else {
            self.work = Some(work);
        }
        is_taken
    }

    fn takes_whole_request(&mut self, data: &[u8]) -> bool {
        data.ends_with(b"\r\n\r\n")
            && self.opening.as_mut().is_some_and(|opening| opening.take_request(data, &self.outbound))
    }
}

/// Collect the head.
impl Opening {
    /// Takes a whole request with nothing behind it, if it is a plain one.
    fn take_request(&mut self, data: &[u8], out: &Outbound) -> bool {
        let config = &out.shared.config;
        match &mut self.side {
            Side::Server { request, .. } if self.phase == Phase::Head && request.head.bytes.is_empty() => {
                let taken = request.take_plain(data, config.max_head_size, config);
                if taken.is_some_and(|len| len < data.len()) {
                    request.clear(); // the head ended before
                }
                taken == Some(data.len())
            }
            _ => false,
        }
    }

    /// Takes of `input` at `pos` what belongs to the head, and acts on it when it is complete.
    pub(crate) fn advance(&mut self, input: &[u8], pos: &mut usize, out: &mut Outbound) {
        while self.phase == Phase::Head && self.collect(input, pos, out) {
            match self.side {
                Side::Server { .. } => self.read_request(out),
                Side::Client { .. } => self.read_answer(out),
            }
            if out.state != State::Connecting {
                break;
            }
        }
    }

    /// Whether the head is complete now.
    fn collect(&mut self, input: &[u8], pos: &mut usize, out: &mut Outbound) -> bool {
        if matches!(&self.side, Side::Server { request, .. } if request.is_parsed) {
            return true; // it was taken when it was fed
        }
        let room = out.shared.config.max_head_size - self.passed_over - self.head_mut().bytes.len();
        let rest = &input[*pos..];
        if let Side::Server { request, .. } = &mut self.side
            && request.head.bytes.is_empty()
            && let Some(len) = request.take_plain(rest, room, &out.shared.config)
        {
            *pos += len;
            return true;
        }
        let (used, end) = self.head_mut().collect(&rest[..rest.len().min(room)]);
        *pos += used;
        match end {
            _ if !self.may_become_http() => self.give_up(out, Refusal::NotHttp, BadAnswer::NOT_HTTP),
            HeadEnd::At(_) => return true,
            HeadEnd::BareLineFeed => self.give_up(out, Refusal::BareLineFeed, BadAnswer::BARE_LINE_FEED),
            HeadEnd::NotYet if used == room => {
                self.give_up(out, Refusal::HeadTooLarge, BadAnswer::HEAD_TOO_LARGE);
            }
            HeadEnd::NotYet => {}
        }
        false
    }

    /// That of the peer.
    fn head(&self) -> &Head {
        match &self.side {
            Side::Server { request, .. } => &request.head,
            Side::Client { answer, .. } => &answer.head,
        }
    }

    fn head_mut(&mut self) -> &mut Head {
        match &mut self.side {
            Side::Server { request, .. } => &mut request.head,
            Side::Client { answer, .. } => &mut answer.head,
        }
    }

    /// A request line starts with a token (or an empty line before it), a status line with `HTTP/1.`: anything else
    /// need not be waited for.
    fn may_become_http(&self) -> bool {
        const STATUS_LINE: &[u8] = b"HTTP/1.";
        match &self.side {
            Side::Server { request, .. } => {
                request.head.bytes.first().is_none_or(|&byte| token::is_token_char(byte) || byte == b'\r')
            }
            Side::Client { answer, .. } => {
                let len = answer.head.bytes.len().min(STATUS_LINE.len());
                answer.head.bytes[..len] == STATUS_LINE[..len]
            }
        }
    }

    /// Ends the handshake: a server's with this refusal, a client's with this opinion of the answer.
    pub(crate) fn give_up(&mut self, out: &mut Outbound, refusal: Refusal, bad: BadAnswer) {
        match self.side {
            Side::Server { .. } => self.refuse(out, refusal),
            Side::Client { .. } => fail_answer(out, bad),
        }
    }
}

/// Decide on a request.
impl Opening {
    fn read_request(&mut self, out: &mut Outbound) {
        let Side::Server { request, .. } = &mut self.side else {
            return;
        };
        let parsed = if request.is_parsed { Ok(()) } else { request.parse(&out.shared.config) };
        match parsed {
            Ok(()) => self.decide(out),
            Err(refusal) => self.refuse(out, refusal),
        }
    }

    fn decide(&mut self, out: &mut Outbound) {
        let Side::Server { request, .. } = &mut self.side else {
            return;
        };
        let config = &out.shared.config;
        if let Err(refusal) = request.check(config) {
            return self.refuse(out, refusal);
        }
        if config.manual_accept {
            self.phase = Phase::RequestDue;
            return;
        }
        let subprotocol = request.select_subprotocol(config);
        self.open(out, subprotocol, &[]);
    }

    /// Accepts the request that waits. `subprotocol`: `None` leaves it to the config, an empty one is none.
    pub(crate) fn accept(
        &mut self,
        out: &mut Outbound,
        subprotocol: Option<&str>,
        headers: &[Header<'_>],
    ) -> Result<(), Error> {
        response::check_headers(headers)?;
        let request = self.request().ok_or(Error::State("no request waits for a decision"))?;
        let chosen = match subprotocol {
            None => request.select_subprotocol(&out.shared.config),
            Some("") => None,
            Some(name) => Some(
                request
                    .offered_subprotocol(name)
                    .ok_or(Error::InvalidArgument("the client did not offer this subprotocol (RFC 6455, 4.2.2)"))?,
            ),
        };
        self.open(out, chosen, headers);
        Ok(())
    }

    fn open(&mut self, out: &mut Outbound, subprotocol: Option<Span>, headers: &[Header<'_>]) {
        let Side::Server { request, is_stream, answer } = &mut self.side else {
            return;
        };
        let (agreed, params) = extensions::select(&request.head, &out.shared.config.compression).unzip();
        let name = subprotocol.map(|name| name.of_text(&request.head.bytes));
        let terms = Terms { subprotocol: name, compression: params, headers };
        if *is_stream {
            *answer = Some(Box::new(StreamAnswer::accepting(&terms)));
        } else {
            let answer = key::answer(request.key());
            out.write_head(response::accepting_len(&terms), |head| response::accepting(head, &answer, &terms));
        }
        out.open(agreed);
        self.subprotocol = subprotocol;
        self.phase = Phase::OpenDue;
    }

    /// Refuses the request that waits in the application's words.
    pub(crate) fn reject(
        &mut self,
        out: &mut Outbound,
        status: u16,
        headers: &[Header<'_>],
        body: &[u8],
    ) -> Result<(), Error> {
        if !(300..=599).contains(&status) {
            return Err(Error::InvalidArgument("the status of a refusal must be 300 to 599"));
        }
        response::check_headers(headers)?;
        match &mut self.side {
            Side::Server { is_stream: true, answer, .. } => {
                *answer = Some(Box::new(StreamAnswer::rejecting(status, headers, body)));
                push_body(out, body.to_vec());
            }
            _ => out.push_head(response::rejecting(status, headers, body)),
        }
        end_refused(out, Refusal::ByHost, status);
        Ok(())
    }

    /// Answers a request with its refusal, and ends the connection.
    pub(crate) fn refuse(&mut self, out: &mut Outbound, refusal: Refusal) {
        let status = match &mut self.side {
            Side::Server { is_stream: true, answer, .. } => {
                let (refused, body) = StreamAnswer::refusing(refusal);
                push_body(out, body);
                answer.insert(Box::new(refused)).status
            }
            _ => {
                out.push_head(response::refusing(refusal));
                refusal.status()
            }
        };
        end_refused(out, refusal, status);
    }
}

/// Check an answer.
impl Opening {
    fn read_answer(&mut self, out: &mut Outbound) {
        let Side::Client { asked, answer } = &mut self.side else {
            return;
        };
        let config = &out.shared.config;
        if let Err(bad) = answer.parse(config) {
            return fail_answer(out, bad);
        }
        if answer.is_interim() {
            self.passed_over += answer.head.bytes.len();
            *answer = Answer::default();
            return;
        }
        match asked.check(answer, config) {
            Ok((subprotocol, compression)) => {
                self.subprotocol = subprotocol;
                self.phase = Phase::OpenDue;
                out.open(compression);
            }
            Err(bad) => fail_answer(out, bad),
        }
    }
}

/// Ask, and look at the heads.
impl Opening {
    /// The subprotocol that was chosen.
    pub(crate) fn subprotocol(&self) -> Option<&str> {
        Some(self.subprotocol?.of_text(&self.head().bytes))
    }

    /// Bytes of a head that are held, whole or not.
    pub(crate) fn held(&self) -> usize {
        self.head().bytes.len()
    }

    /// Whether a request or the opening is to be reported.
    pub(crate) fn is_due(&self) -> bool {
        matches!(self.phase, Phase::RequestDue | Phase::OpenDue)
    }

    /// The request that a server got, as soon as it could be parsed.
    pub(crate) fn request(&self) -> Option<&Request> {
        match &self.side {
            Side::Server { request, .. } if request.is_parsed => Some(request),
            _ => None,
        }
    }

    /// Status and headers of what a client was answered, or of what a stream's host is to answer.
    pub(crate) fn response(&self) -> Option<(u16, &Head)> {
        match &self.side {
            Side::Server { answer, .. } => answer.as_ref().map(|answer| (answer.status, &answer.head)),
            Side::Client { answer, .. } => answer.status.map(|status| (status, &answer.head)),
        }
    }
}

/// Where every refusal by a server ends.
fn end_refused(out: &mut Outbound, refusal: Refusal, status: u16) {
    out.shared.metrics.refused(refusal);
    out.end_abnormally(refusal.detail(), Initiator::Us, Some(status));
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

fn push_body(out: &mut Outbound, body: Vec<u8>) {
    if !body.is_empty() {
        out.push_head(body);
    }
}

#[cfg(test)]
mod tests {
    use crate::handshake::head::counting;
    use crate::{ClientRequest, Config, Connection, Engine, Event, State};

    fn feed_bytewise(conn: &mut Connection, bytes: &[u8]) {
        for byte in bytes {
            conn.feed(&[*byte]).unwrap();
            while conn.next_event().is_some() {}
        }
    }

    /// However slowly a head arrives, each byte of it is searched once.
    #[test]
    fn the_search_for_the_end_of_a_head_is_linear() {
        let engine = Engine::new(&Config::new());
        let filler = format!("X: {}\r\n", "x".repeat(8_000));
        let request = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{filler}\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        let mut server = Connection::server(&engine);
        counting::take();
        feed_bytewise(&mut server, request.as_bytes());
        assert_eq!(server.state(), State::Open);
        assert_eq!(counting::take(), request.len());

        let mut client = Connection::client(&engine, &ClientRequest { host: "a", ..Default::default() }).unwrap();
        let answer = format!("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 Not Found\r\n{filler}\r\n");
        counting::take();
        feed_bytewise(&mut client, answer.as_bytes());
        assert_eq!(client.state(), State::Closed);
        assert_eq!(counting::take(), answer.len());
        assert!(!matches!(client.next_event(), Some(Event::Close(_))), "it was reported once");
    }
}
