//! One connection, server or client: make it, feed it, pull from it, queue, take, ask.

mod opening;
mod outbound;
mod output;
mod receive;
mod work;

use crate::detail::Detail;
use crate::engine::Engine;
use crate::engine::metrics::{Failure, Kind};
use crate::error::Error;
use crate::event::{Close, Event, Initiator, Text};
use crate::frame::close;
use crate::frame::header::Expect;
use crate::handshake::client::{self, ClientRequest};
use crate::handshake::refusal::Refusal;
use crate::handshake::response::{self, Header};
use opening::{Opening, Phase};
use outbound::Farewell;
use receive::{Place, Received};

pub use outbound::{Outbound, Role, State};
pub(crate) use work::{MAX_KEPT, Work};

/// One WebSocket connection. See [the contract](crate#the-contract).
pub struct Connection {
    outbound: Outbound,
    /// There while bytes are in flight.
    work: Option<Box<Work>>,
    /// There until the opening was reported.
    opening: Option<Box<Opening>>,
    /// The end that was reported; its reason is lent to the event.
    reported: Option<Box<Farewell>>,
    /// Something was given since the last pull that found nothing.
    has_input: bool,
    eof: bool,
}

/// What to report, without borrowing.
enum Next {
    Request,
    Open,
    Text(Place),
    Binary(Place),
    Ping(Place),
    Pong(Place),
    Close,
}

/// Make.
impl Connection {
    /// The server's end: waits for a request.
    pub fn server(engine: &Engine) -> Connection {
        Connection::new(Outbound::new(engine.shared(), Role::Server), Opening::server())
    }

    /// The client's end: its request is in the output at once.
    pub fn client(engine: &Engine, request: &ClientRequest<'_>) -> Result<Connection, Error> {
        let mut outbound = Outbound::new(engine.shared(), Role::Client);
        let (head, asked) = client::request(request, outbound.shared.random()?)?;
        outbound.push_head(head);
        Ok(Connection::new(outbound, Opening::client(asked)))
    }

    fn new(outbound: Outbound, opening: Opening) -> Connection {
        Connection {
            outbound,
            work: None,
            opening: Some(Box::new(opening)),
            reported: None,
            has_input: false,
            eof: false,
        }
    }
}

/// Feed.
impl Connection {
    /// Gives bytes that came from the peer. They are copied. Pull events until there are none before giving more.
    /// What comes after the end is ignored (RFC 6455, 7.1.7).
    pub fn feed(&mut self, data: &[u8]) -> Result<(), Error> {
        if self.eof {
            return Err(Error::State("input after the end of input"));
        }
        if self.outbound.state == State::Closed {
            return Ok(());
        }
        if self.has_input {
            return Err(Error::InputPending);
        }
        if data.is_empty() {
            return Ok(());
        }
        let shared = &self.outbound.shared;
        let work = self.work.get_or_insert_with(|| shared.take_work());
        work.give(data, shared);
        shared.metrics.wire_in(data.len());
        self.has_input = true;
        self.limit_held();
        Ok(())
    }

    /// Says that the peer closed its side of the stream.
    pub fn feed_eof(&mut self) {
        self.eof = true;
        self.has_input = true;
    }

    /// Bytes behind the head are kept while the application decides, but not without end.
    fn limit_held(&mut self) {
        let waits = self.opening.as_ref().is_some_and(|opening| opening.phase == Phase::RequestWaits);
        let held = self.work.as_ref().map_or(0, |work| work.pending());
        if waits && held > self.outbound.shared.config.max_held_bytes {
            opening::refuse(&mut self.outbound, Refusal::TooMuchBehindHead);
        }
    }
}

/// Pull.
impl Connection {
    /// The next event, or `None` when more input is needed. Its views live until the next pull or input call.
    pub fn next_event(&mut self) -> Option<Event<'_>> {
        self.next_event_and_outbound().map(|(event, _outbound)| event)
    }

    /// The next event together with the sending half, so that an answer can be made from the event's own bytes.
    pub fn next_event_and_outbound(&mut self) -> Option<(Event<'_>, &mut Outbound)> {
        self.end_views();
        let Some(next) = self.advance() else {
            self.rest();
            return None;
        };
        let payload = |place| match &self.work {
            Some(work) => work.receiver.payload(&place, &work.input),
            None => &[],
        };
        let event = match next {
            Next::Request => Event::Request {
                target: self.opening.as_ref().and_then(|opening| opening.target()).unwrap_or_default(),
            },
            Next::Open => {
                let subprotocol = self.opening.as_ref().and_then(|opening| opening.subprotocol.as_deref());
                Event::Open { subprotocol, compression: false }
            }
            Next::Text(place) => Event::Text(Text::new(payload(place))),
            Next::Binary(place) => Event::Binary(payload(place)),
            Next::Ping(place) => Event::Ping(payload(place)),
            Next::Pong(place) => Event::Pong { data: payload(place), rtt_ms: None },
            Next::Close => {
                let farewell = self.reported.insert(self.outbound.farewell.take()?);
                Event::Close(Close {
                    code: farewell.code,
                    reason: &farewell.reason,
                    detail: farewell.detail,
                    clean: farewell.clean,
                    initiator: farewell.initiator,
                    http_status: farewell.http_status,
                })
            }
        };
        Some((event, &mut self.outbound))
    }

    /// Goes on to the next thing to report.
    fn advance(&mut self) -> Option<Next> {
        let next = match self.outbound.state {
            State::Connecting => self.advance_opening(),
            State::Open | State::Closing => self.report_opening().or_else(|| self.advance_frames()),
            State::Closed => None,
        };
        if next.is_none() && self.eof {
            self.lose();
        }
        next.or_else(|| self.outbound.farewell.is_some().then_some(Next::Close))
    }

    fn advance_opening(&mut self) -> Option<Next> {
        let (opening, work) = (self.opening.as_mut()?, self.work.as_mut()?);
        if opening.phase == Phase::RequestWaits {
            self.limit_held(); // a decision that was made at once came before this pull
            return None;
        }
        opening.advance(&work.input, &mut work.pos, &mut self.outbound);
        if opening.phase == Phase::RequestWaits {
            return Some(Next::Request);
        }
        self.report_opening()
    }

    fn report_opening(&mut self) -> Option<Next> {
        let opening = self.opening.as_mut()?;
        (opening.phase == Phase::OpenDue).then(|| {
            opening.phase = Phase::Reported;
            Next::Open
        })
    }

    fn advance_frames(&mut self) -> Option<Next> {
        let Work { input, pos, receiver, .. } = self.work.as_deref_mut()?;
        let out = &mut self.outbound;
        let expect = Expect { masked: out.role == Role::Server };
        let received = receiver.next(input, pos, expect, &out.shared.config, &out.shared.metrics);
        match received {
            Ok(Received::Nothing) => None,
            Ok(Received::Text(place)) => {
                out.shared.metrics.message_in(Kind::Text, receiver.payload(&place, input).len() as u64);
                Some(Next::Text(place))
            }
            Ok(Received::Binary(place)) => {
                out.shared.metrics.message_in(Kind::Binary, receiver.payload(&place, input).len() as u64);
                Some(Next::Binary(place))
            }
            Ok(Received::Ping(place)) => {
                out.answer_ping(receiver.payload(&place, input));
                Some(Next::Ping(place))
            }
            Ok(Received::Pong(place)) => Some(Next::Pong(place)),
            Ok(Received::Close(place)) => {
                match close::parse(receiver.payload(&place, input)) {
                    Ok(received) => out.peer_closed(received),
                    Err(violation) => out.fail(violation),
                }
                None
            }
            Err(violation) => {
                out.fail(violation);
                None
            }
        }
    }

    /// The input ended before the connection did.
    fn lose(&mut self) {
        let detail = match self.outbound.state {
            State::Connecting => c"the connection ended before the handshake was complete",
            State::Open => c"the connection ended without a close frame (RFC 6455, 7.1.5)",
            State::Closing => c"the connection ended without an answer to our close frame (RFC 6455, 7.1.5)",
            State::Closed => return,
        };
        if self.outbound.state == State::Connecting {
            self.outbound.shared.metrics.handshake_failed(Failure::Lost);
        }
        let initiator = if self.outbound.state == State::Closing { Initiator::Us } else { Initiator::Nobody };
        self.outbound.end_abnormally(Detail::new(detail), initiator, None);
        self.outbound.hopeless = true;
    }

    /// Ends the views of the last event.
    fn end_views(&mut self) {
        if self.opening.as_ref().is_some_and(|opening| opening.phase == Phase::Reported) {
            self.opening = None;
        }
        self.reported = None;
    }

    /// Nothing is left to pull: gives back what an idle connection does not need.
    fn rest(&mut self) {
        self.has_input = false;
        if self.outbound.state == State::Closed {
            self.opening = None;
        }
        let Some(work) = &mut self.work else {
            return;
        };
        work.receiver.drop_reported();
        if self.outbound.state == State::Closed {
            work.discard();
        }
        if !work.is_idle() {
            work.trim(&self.outbound.shared);
            work.count_held(&self.outbound.shared);
        } else if let Some(work) = self.work.take() {
            self.outbound.shared.return_work(work);
        }
    }
}

/// Decide: a server with manual accept, after [`Event::Request`], at once or later.
impl Connection {
    /// The target of the request that waits, or of the one that was just accepted.
    pub fn request_target(&self) -> Option<&str> {
        self.opening.as_ref()?.target()
    }

    /// The values of a header of that request, in order; the name in any letter case.
    pub fn request_header(&self, name: &str, index: usize) -> Option<&[u8]> {
        self.opening.as_ref()?.header(name, index)
    }

    /// Accepts the request. `subprotocol`: `None` leaves the choice to the config, an empty one chooses none.
    /// Pull afterwards: the opening, and frames that came early, wait.
    pub fn accept(&mut self, subprotocol: Option<&str>, headers: &[Header<'_>]) -> Result<(), Error> {
        self.check_request_waits()?;
        if let Some(opening) = &mut self.opening {
            opening.accept(&mut self.outbound, subprotocol, headers)?;
        }
        self.has_input = true;
        Ok(())
    }

    /// Refuses the request with a status of 300 to 599. Pull afterwards: the end waits to be reported.
    pub fn reject(&mut self, status: u16, headers: &[Header<'_>], body: &[u8]) -> Result<(), Error> {
        self.check_request_waits()?;
        if !(300..=599).contains(&status) {
            return Err(Error::InvalidArgument("the status of a refusal must be 300 to 599"));
        }
        response::check_headers(headers)?;
        self.outbound.shared.metrics.refused(Refusal::ByHost(status));
        self.outbound.push_head(response::rejecting(status, headers, body));
        self.outbound.end_abnormally(Refusal::ByHost(status).detail(), Initiator::Us, Some(status));
        self.has_input = true;
        Ok(())
    }

    fn check_request_waits(&self) -> Result<(), Error> {
        let waits = self.opening.as_ref().is_some_and(|opening| opening.phase == Phase::RequestWaits);
        if waits && self.outbound.state == State::Connecting {
            Ok(())
        } else {
            Err(Error::State("no request waits for a decision"))
        }
    }
}

/// Queue and take.
impl Connection {
    /// The sending half.
    pub fn outbound(&mut self) -> &mut Outbound {
        &mut self.outbound
    }

    /// The bytes to write, oldest first.
    pub fn output(&self) -> impl Iterator<Item = &[u8]> {
        self.outbound.output()
    }
}

/// Ask.
impl Connection {
    /// Where the connection stands.
    pub fn state(&self) -> State {
        self.outbound.state
    }

    /// Which end it is.
    pub fn role(&self) -> Role {
        self.outbound.role
    }

    /// Everything was taken and nothing will follow: shut down the sending side of the stream, and read on until its
    /// end. A client leaves it to the server to close first (RFC 6455, 7.1.1).
    pub fn wants_shutdown(&self) -> bool {
        let waits_for_server = self.outbound.role == Role::Client && self.outbound.clean && !self.eof;
        self.is_over() && !self.wants_abort() && !waits_for_server
    }

    /// Close the stream at once: the peer is gone, or everything was said on both sides.
    pub fn wants_abort(&self) -> bool {
        self.outbound.hopeless || self.is_over() && self.eof
    }

    fn is_over(&self) -> bool {
        self.outbound.state == State::Closed && self.outbound.queued_bytes() == 0
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(work) = &self.work {
            self.outbound.shared.metrics.held_input(work.held, 0);
        }
    }
}
