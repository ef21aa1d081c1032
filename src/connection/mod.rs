//! One connection, server or client: make it, feed it, pull from it, queue, take, ask.

mod backlog;
mod clock;
mod extras;
mod heads;
mod inflated;
mod input;
mod joined;
mod many;
mod opening;
mod outbound;
mod output;
mod receive;
mod send;
mod whole;
mod work;

use crate::detail::Detail;
use crate::engine::Engine;
use crate::engine::metrics::Failure;
use crate::error::Error;
use crate::event::{Chunk, Close, Delivery, Event, Frame, Initiator, Text};
use crate::frame::{OpCode, close};
use crate::handshake::client::{self, BadAnswer, ClientRequest};
use crate::handshake::parsed::ParsedRequest;
use crate::handshake::refusal::Refusal;
use crate::handshake::request::Request;
use crate::handshake::response::Header;
use crate::violation::Violation;
use opening::Phase;
use receive::{Received, Terms};

pub(crate) use backlog::Backlog;
pub(crate) use extras::Extra;
pub use input::Drain;
pub use many::Recipient;
pub(crate) use many::{Spread, Taking};
pub(crate) use opening::Opening;
pub use outbound::{Outbound, Role, State};
pub(crate) use output::Waiting;
pub(crate) use work::{Lent, MAX_KEPT, PAGE, Work};

/// One WebSocket connection. See [the contract](crate#the-contract).
pub struct Connection {
    outbound: Outbound,
    /// There while bytes are in flight.
    work: Option<Box<Work>>,
    /// There until the opening was reported.
    opening: Option<Box<Opening>>,
    given: Given,
    eof: bool,
    delivery: Delivery,
    /// The host reads from the peer.
    reading: bool,
    /// A panic left it in an unknown state. Set and looked at by the C ABI; here it costs no memory.
    pub(crate) poisoned: bool,
}

/// What was given since the last pull that found nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    Nothing,
    /// Something to pull from.
    Input,
    /// Only what was taken at once, so that a pull will find nothing.
    Piece,
}

/// What to report, without borrowing.
enum Next {
    Request,
    Open,
    Received(Received),
    Writable,
    Close,
}

/// Make.
impl Connection {
    /// The server's end: waits for a request.
    #[inline(always)] // so that it is made where it stays
    pub fn server(engine: &Engine) -> Connection {
        let shared = engine.shared();
        let opening = shared.take_opening();
        Connection::new(Outbound::new(shared, Role::Server), opening)
    }

    /// The server's end of a request that the host's own HTTP server has parsed. It is decided on at once; pull to learn
    /// how. Bytes that came behind the request may be fed before that.
    ///
    /// A request of HTTP/1.1 is answered by the output. For an extended CONNECT (RFC 8441, RFC 9220), which has a
    /// [`protocol`](ParsedRequest::protocol), the host sends [`response_status`](Connection::response_status) and
    /// [`response_headers`](Connection::response_headers), as soon as they are there; input and output are the content
    /// of the stream.
    pub fn server_from_request(engine: &Engine, request: &ParsedRequest<'_>) -> Connection {
        let mut outbound = Outbound::new(engine.shared(), Role::Server);
        let mut opening = outbound.shared.take_opening();
        opening.begin_with(request, &mut outbound);
        Connection::new(outbound, opening)
    }

    /// The client's end: its request is in the output at once.
    pub fn client(engine: &Engine, request: &ClientRequest<'_>) -> Result<Connection, Error> {
        let mut outbound = Outbound::new(engine.shared(), Role::Client);
        let (head, asked) = client::request(request, outbound.shared.random()?, &outbound.shared.config.compression)?;
        outbound.push_head(head);
        let mut opening = outbound.shared.take_opening();
        opening.begin_asking(asked);
        Ok(Connection::new(outbound, opening))
    }

    #[inline(always)]
    fn new(outbound: Outbound, opening: Box<Opening>) -> Connection {
        let delivery = outbound.shared.config.delivery;
        Connection {
            outbound,
            work: None,
            opening: Some(opening),
            given: Given::Nothing,
            eof: false,
            delivery,
            reading: true,
            poisoned: false,
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
        self.next_event_in(None)
    }

    /// The next event of the input that the host lends, or of that of the connection's own.
    pub(crate) fn next_event_in<'a>(
        &'a mut self,
        mut host: Option<&'a mut [u8]>,
    ) -> Option<(Event<'a>, &'a mut Outbound)> {
        if self.is_at_rest() {
            return None;
        }
        match self.whole_message(host.as_deref_mut()) {
            Some(received) => self.report(Next::Received(received), host.map(|lent| &*lent)),
            None if self.message_beginning(host.as_deref_mut()) => None,
            None => self.next_event_but_whole_messages(host),
        }
    }

    /// The same, where it is known that what comes next is no whole message in the input.
    pub(crate) fn next_event_but_whole_messages<'a>(
        &'a mut self,
        mut host: Option<&'a mut [u8]>,
    ) -> Option<(Event<'a>, &'a mut Outbound)> {
        self.end_views();
        match self.advance(host.as_deref_mut()) {
            Some(next) => self.report(next, host.map(|lent| &*lent)),
            None => {
                self.rest(host);
                None
            }
        }
    }

    fn report<'a>(&'a mut self, next: Next, host: Option<&'a [u8]>) -> Option<(Event<'a>, &'a mut Outbound)> {
        let payload = |place| self.work.as_ref().map_or(&[][..], |work| work.payload(place, host));
        let event = match next {
            Next::Request => Event::Request {
                target: self.opening.as_ref().and_then(|opening| opening.request()).map_or("", Request::target),
            },
            Next::Open => {
                let subprotocol = self.opening.as_ref().and_then(|opening| opening.subprotocol());
                Event::Open { subprotocol, compression: self.outbound.compression.is_some() }
            }
            Next::Received(Received::Message { opcode: OpCode::Text, place }) => Event::Text(Text::new(payload(place))),
            Next::Received(Received::Message { place, .. }) => Event::Binary(payload(place)),
            Next::Received(Received::Chunk { opcode, place, offset, first, last }) => {
                Event::Chunk(Chunk { opcode, data: payload(place), offset, first, last })
            }
            Next::Received(Received::Frame { opcode, place, fin, compressed }) => {
                Event::Frame(Frame { opcode, data: payload(place), fin, compressed })
            }
            Next::Received(Received::Ping(place)) => Event::Ping(payload(place)),
            Next::Received(Received::Pong { place, rtt_ms }) => Event::Pong { data: payload(place), rtt_ms },
            Next::Received(Received::Nothing | Received::Close(_)) => return None, // advance_frames() keeps them
            Next::Writable => Event::Writable,
            Next::Close => {
                let farewell = self.work.as_ref()?.reported.as_ref()?;
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
    fn advance(&mut self, host: Option<&mut [u8]>) -> Option<Next> {
        let held_back = self.is_held_back();
        let next = match self.outbound.state {
            State::Connecting => self.advance_opening(host),
            State::Open | State::Closing => match self.report_opening() {
                None if !held_back => self.advance_frames(host),
                opened => opened,
            },
            State::Closed => None,
        };
        if next.is_some() {
            return next;
        }
        self.limit_held();
        if self.eof && !held_back {
            self.lose();
        }
        self.act_on_time();
        if std::mem::take(&mut self.outbound.writable_due) {
            return Some(Next::Writable);
        }
        self.report_end()
    }

    fn advance_opening(&mut self, host: Option<&mut [u8]>) -> Option<Next> {
        if self.opening.as_ref()?.phase == Phase::RequestWaits {
            return None;
        }
        let opening = self.opening.as_mut()?;
        match &mut self.work {
            Some(work) => {
                let (input, pos, _receiver) = work.input(host);
                opening.advance(input, pos, &mut self.outbound);
            }
            None => opening.advance(&[], &mut 0, &mut self.outbound), // the request may have been taken when it was fed
        }
        if opening.phase == Phase::RequestDue {
            opening.phase = Phase::RequestWaits;
            return Some(Next::Request);
        }
        self.report_opening()
    }

    /// The host has stopped reading, since the output is too long: messages wait in the input until there is room for
    /// what they cause. Time goes on meanwhile, so that a peer that never reads is found out.
    fn is_held_back(&self) -> bool {
        !self.reading && self.outbound.above_high_water && matches!(self.outbound.state, State::Open | State::Closing)
    }

    fn report_opening(&mut self) -> Option<Next> {
        let opening = self.opening.as_mut()?;
        (opening.phase == Phase::OpenDue).then(|| {
            opening.phase = Phase::Reported;
            self.outbound.note_open();
            Next::Open
        })
    }

    fn report_end(&mut self) -> Option<Next> {
        let shared = &self.outbound.shared;
        let farewell = self.outbound.extras.take_farewell(shared)?;
        self.work.get_or_insert_with(|| shared.take_work()).reported = Some(farewell);
        Some(Next::Close)
    }

    fn advance_frames(&mut self, host: Option<&mut [u8]>) -> Option<Next> {
        let (input, pos, receiver) = self.work.as_deref_mut()?.input(host);
        let out = &mut self.outbound;
        let mut terms = Terms {
            masked: out.role == Role::Server,
            delivery: self.delivery,
            compression: out.compression,
            extras: &mut out.extras,
            shared: &out.shared,
        };
        let before = *pos;
        let received = receiver.next(input, pos, &mut terms);
        match received.and_then(|received| out.note_received(received, *pos > before)) {
            Ok(Received::Nothing) => return None,
            Ok(Received::Close(place)) => match close::parse(receiver.payload(place, input)) {
                Ok(received) => out.peer_closed(received),
                Err(violation) => out.fail(violation),
            },
            Ok(mut received) => {
                match &mut received {
                    Received::Ping(place) => out.answer_ping(receiver.payload(place.clone(), input)),
                    Received::Pong { place, rtt_ms } => *rtt_ms = out.note_pong(receiver.payload(place.clone(), input)),
                    _ => {}
                }
                return Some(Next::Received(received));
            }
            Err(violation) => out.fail(violation),
        }
        None
    }

    /// All input was looked at: what is left is held until more comes, within limits.
    fn limit_held(&mut self) {
        let behind_head = self.work.as_mut().map_or(0, |work| {
            work.end_lent(); // what was lent and not committed is not held
            work.held()
        });
        let held = behind_head + self.opening.as_ref().map_or(0, |opening| opening.held());
        let out = &mut self.outbound;
        let grew = held > out.extras.held_input();
        out.hold_input(held);
        if !grew || out.state == State::Closed {
            return;
        }
        let config = &out.shared.config;
        let engine_is_full = out.shared.metrics.held_bytes() > config.max_engine_bytes;
        match &mut self.opening {
            Some(opening) if out.state == State::Connecting => {
                if behind_head > config.max_held_bytes {
                    opening.refuse(out, Refusal::TooMuchBehindHead);
                } else if engine_is_full {
                    opening.give_up(out, Refusal::EngineTooBig, BadAnswer::ENGINE_TOO_BIG);
                }
            }
            _ if held + out.queue.len() > config.max_connection_bytes => out.fail(Violation::ConnectionTooBig),
            _ if engine_is_full => out.fail(Violation::EngineTooBig),
            _ => {}
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
            self.end_opening();
        }
        if let Some(work) = &mut self.work {
            work.reported = None;
        }
    }

    /// Nothing is left to pull: gives back what an idle connection does not need.
    fn rest(&mut self, host: Option<&mut [u8]>) {
        if !self.is_held_back() {
            self.given = Given::Nothing;
        }
        self.rest_clock();
        if self.outbound.state == State::Closed {
            self.end_opening();
            self.outbound.extras.end_inflation(&self.outbound.shared);
            self.outbound.hold_input(0);
            if let Some(work) = &mut self.work {
                work.discard(&self.outbound.shared);
            }
        }
        if let Some(work) = &mut self.work {
            work.receiver.drop_reported();
        }
        self.put_away(host);
    }

    /// Gives back what is not needed until more input comes.
    fn put_away(&mut self, host: Option<&mut [u8]>) {
        let Some(work) = &mut self.work else {
            return;
        };
        work.settle(host, &self.outbound.shared);
        if work.is_idle()
            && let Some(work) = self.work.take()
        {
            self.outbound.shared.return_work(work);
        } else if let Some(work) = &mut self.work {
            let allowed = if work.has_own_input() { 0 } else { self.outbound.may_hold() };
            work.receiver.expect_middle(self.delivery, allowed);
        }
    }
}

/// Choose.
impl Connection {
    /// How messages are delivered from the next one on; the config's choice is the default. Refused while a message is
    /// under way.
    pub fn set_delivery(&mut self, delivery: Delivery) -> Result<(), Error> {
        if self.work.as_ref().is_some_and(|work| work.receiver.is_in_message()) {
            return Err(Error::State("a message is under way: choose before it or after it"));
        }
        self.delivery = delivery;
        Ok(())
    }
}

/// Decide: a server with manual accept, after [`Event::Request`], at once or later.
impl Connection {
    /// Accepts the request. `subprotocol`: `None` leaves the choice to the config, an empty one chooses none.
    /// Pull afterwards: the opening, and frames that came early, wait.
    pub fn accept(&mut self, subprotocol: Option<&str>, headers: &[Header<'_>]) -> Result<(), Error> {
        self.check_request_waits()?;
        if let Some(opening) = &mut self.opening {
            opening.accept(&mut self.outbound, subprotocol, headers)?;
        }
        self.given = Given::Input;
        Ok(())
    }

    /// Refuses the request with a status of 300 to 599. Pull afterwards: the end waits to be reported.
    pub fn reject(&mut self, status: u16, headers: &[Header<'_>], body: &[u8]) -> Result<(), Error> {
        self.check_request_waits()?;
        if let Some(opening) = &mut self.opening {
            opening.reject(&mut self.outbound, status, headers, body)?;
        }
        self.given = Given::Input;
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

    /// Whether a pull would report something without more input: after output was taken, a decision was made, the
    /// connection was made from a request that the host parsed, or time has passed. In the last case there may turn out
    /// to be nothing.
    pub fn has_events(&self) -> bool {
        let has_input = self.given != Given::Nothing && !self.is_held_back();
        let opening_is_due = || self.opening.as_ref().is_some_and(|opening| opening.is_due());
        let out = &self.outbound;
        has_input || out.writable_due || out.extras.has_farewell() || out.timer_went_off() || opening_is_due()
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
        self.outbound.state == State::Closed && self.outbound.queued_bytes() == 0 && !self.outbound.in_host_frame
    }

    /// Whether all was done, so that the pull is over before it has begun.
    #[inline]
    pub(crate) fn is_at_rest(&mut self) -> bool {
        let has_input = self.given == Given::Input;
        if has_input && !self.work.as_ref().is_some_and(|work| work.is_used_up()) {
            return false;
        }
        let open = matches!(self.outbound.state, State::Open | State::Closing) && self.opening.is_none();
        let due = self.outbound.writable_due || self.outbound.timer_went_off();
        let lent = self.work.as_ref().is_some_and(|work| work.lent != Lent::Nothing);
        if !open || self.eof || due || lent || !self.reading {
            return false;
        }
        if has_input {
            return self.put_used_up_away();
        }
        self.given = Given::Nothing;
        true
    }

    /// The input ended with the end of a message: gives back what is not needed until more comes, unless there is
    /// something else to look after. What [`Connection::rest`] does after looking for it.
    #[inline(never)]
    fn put_used_up_away(&mut self) -> bool {
        let shared = &self.outbound.shared;
        if self.outbound.extras.are_there() || self.outbound.timer_is_stale() {
            return false;
        }
        if let Some(mut work) = self.work.take() {
            work.receiver.drop_reported();
            work.settle(None, shared); // nothing of the host's input is left
            shared.return_work(work);
        }
        self.given = Given::Nothing;
        true
    }

    fn end_opening(&mut self) {
        if let Some(opening) = self.opening.take() {
            self.outbound.shared.return_opening(opening);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end_opening();
        if let Some(mut work) = self.work.take() {
            work.discard(&self.outbound.shared);
            self.outbound.shared.return_work(work);
        }
    }
}
