//! Sending: what may be queued in which state, and the close handshake (RFC 6455, 5.5.1, 6.1 and 7.1).

use std::rc::Rc;

use crate::connection::clock::Clock;
use crate::connection::extras::Extras;
use crate::connection::output::{OutputQueue, Slices};
use crate::deflate::Agreed;
use crate::detail::Detail;
use crate::engine::Shared;
use crate::error::Error;
use crate::event::Initiator;
use crate::frame::header::MAX_CONTROL_PAYLOAD;
use crate::frame::{Header, OpCode, close};
use crate::violation::Violation;

/// Which end of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Role {
    Server,
    Client,
}

/// The state of a connection (RFC 6455, 4.1 and 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The handshake is under way.
    Connecting,
    /// Messages may be sent and received.
    Open,
    /// We sent a close frame and wait for the peer's; no more messages may be sent, but some may still arrive.
    Closing,
    /// Over: nothing more will be queued or reported but [`Event::Close`](crate::Event::Close).
    Closed,
}

/// How the connection ended, kept until it is reported.
pub(crate) struct Farewell {
    pub(crate) code: u16,
    pub(crate) reason: Box<str>,
    pub(crate) detail: Detail,
    pub(crate) clean: bool,
    pub(crate) initiator: Initiator,
    pub(crate) http_status: Option<u16>,
}

/// Output up to which a ping is answered at once. Above it the peer does not read, and only the newest pong is owed
/// (RFC 6455, 5.5.3).
const PONG_AT_ONCE: usize = 4 * 1024;

/// The sending half of a connection.
pub struct Outbound {
    pub(crate) shared: Rc<Shared>,
    pub(crate) role: Role,
    pub(crate) state: State,
    /// Both sides sent a close frame.
    pub(crate) clean: bool,
    /// The peer is gone, or there is nothing to tell it: no use in writing more.
    pub(crate) hopeless: bool,
    pub(crate) queue: OutputQueue,
    pub(super) clock: Clock,
    /// permessage-deflate, if it was agreed on.
    pub(crate) compression: Option<Agreed>,
    pub(crate) extras: Extras,
    /// The host writes the payload of a frame.
    pub(crate) in_host_frame: bool,
    /// The queue went above the high-water mark, or refused a message, and has not been at the low one since.
    pub(crate) above_high_water: bool,
    /// The queue fell to the low-water mark, which is to be reported.
    pub(crate) writable_due: bool,
}

/// Queueing control frames; messages are in `send`.
impl Outbound {
    /// Queues a ping with up to 125 bytes, which the peer sends back in its pong.
    pub fn queue_ping(&mut self, data: &[u8]) -> Result<(), Error> {
        self.queue_ping_or_pong(OpCode::Ping, data)
    }

    /// Queues a pong with up to 125 bytes: an unsolicited one, or the answer to a ping where the engine does not answer.
    pub fn queue_pong(&mut self, data: &[u8]) -> Result<(), Error> {
        self.queue_ping_or_pong(OpCode::Pong, data)
    }

    /// Queues a close frame and begins the close handshake. `None` sends no code, and then no reason.
    pub fn queue_close(&mut self, code: Option<u16>, reason: &str) -> Result<(), Error> {
        self.check_open()?;
        match code {
            Some(code) if !close::may_be_sent(code) => {
                return Err(Error::InvalidArgument("this close code must not be sent (RFC 6455, 7.4)"));
            }
            Some(close::MANDATORY_EXTENSION) if self.role == Role::Server => {
                return Err(Error::InvalidArgument("close code 1010 is for clients (RFC 6455, 7.4.1)"));
            }
            None if !reason.is_empty() => {
                return Err(Error::InvalidArgument("a close reason needs a code (RFC 6455, 5.5.1)"));
            }
            _ => {}
        }
        if reason.len() > close::MAX_REASON_LEN {
            return Err(Error::InvalidArgument("a close reason has at most 123 bytes (RFC 6455, 5.5)"));
        }
        self.push_close(code, reason)?;
        self.state = State::Closing;
        self.note_state();
        Ok(())
    }

    fn queue_ping_or_pong(&mut self, opcode: OpCode, data: &[u8]) -> Result<(), Error> {
        self.check_open()?;
        if data.len() > MAX_CONTROL_PAYLOAD {
            return Err(Error::InvalidArgument("a ping or pong has at most 125 bytes (RFC 6455, 5.5)"));
        }
        self.push(opcode, false, true, data)
    }

    #[inline(always)]
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.state == State::Open { Ok(()) } else { self.refuse_unopened() }
    }

    #[cold]
    fn refuse_unopened(&self) -> Result<(), Error> {
        match self.state {
            State::Open => Ok(()),
            State::Connecting => Err(Error::State("the handshake is not complete")),
            State::Closing => Err(Error::State("a close frame was queued; no message may follow it (RFC 6455, 5.5.1)")),
            State::Closed => Err(Error::State("the connection is closed")),
        }
    }

    /// Queues a frame; control frames overtake messages where they can.
    #[inline(never)]
    pub(crate) fn push(&mut self, opcode: OpCode, rsv1: bool, fin: bool, payload: &[u8]) -> Result<(), Error> {
        let mask = self.mask_key()?;
        self.queue_frame(opcode, rsv1, fin, mask, payload);
        Ok(())
    }

    pub(crate) fn queue_frame(&mut self, opcode: OpCode, rsv1: bool, fin: bool, mask: Option<[u8; 4]>, payload: &[u8]) {
        self.note_frame(opcode);
        let header = Header { fin, rsv1, opcode, mask, payload_len: payload.len() as u64 };
        let backlog = self.queue.backlog(&self.shared);
        match opcode {
            OpCode::Ping | OpCode::Pong => backlog.push_urgent(&header, payload, &self.shared),
            OpCode::Close => backlog.push_close(&header, payload, &self.shared),
            _ => {
                backlog.push_frame(&header, payload, &self.shared);
            }
        }
    }

    /// A frame is about to be queued, or given to the host.
    #[inline(always)]
    pub(crate) fn note_frame(&mut self, opcode: OpCode) {
        self.note_queueing(Some(opcode));
        self.shared.metrics.frame_out(opcode);
    }

    /// A new key for a client's frame (RFC 6455, 5.3).
    #[inline(always)]
    pub(crate) fn mask_key(&self) -> Result<Option<[u8; 4]>, Error> {
        match self.role {
            Role::Server => Ok(None),
            Role::Client => self.new_mask_key(),
        }
    }

    #[inline(never)]
    fn new_mask_key(&self) -> Result<Option<[u8; 4]>, Error> {
        self.shared.random().map(Some)
    }

    fn push_close(&mut self, code: Option<u16>, reason: &str) -> Result<(), Error> {
        let mask = self.mask_key()?; // before anything is given up
        self.extras.end_making(&self.shared);
        self.writable_due = false; // there will be no more messages
        self.extras.end_deflation(&self.shared);
        if let Some(payload) = self.queue.take_owed_pong() {
            self.push_pong(&payload);
        }
        let mut payload = [0; MAX_CONTROL_PAYLOAD];
        let len = code.map_or(0, |code| {
            payload[..2].copy_from_slice(&code.to_be_bytes());
            payload[2..2 + reason.len()].copy_from_slice(reason.as_bytes());
            2 + reason.len()
        });
        self.queue_frame(OpCode::Close, false, true, mask, &payload[..len]);
        Ok(())
    }
}

/// Taking what was queued.
impl Outbound {
    /// The bytes to write, oldest first. None while the host writes the payload of a frame itself.
    #[inline]
    pub fn output(&self) -> impl Iterator<Item = &[u8]> {
        if self.in_host_frame { Slices::default() } else { self.queue.slices() }
    }

    /// All output, if it is one slice: the most frequent case.
    #[inline(always)]
    pub(crate) fn only_output(&self) -> Option<&[u8]> {
        if self.in_host_frame { None } else { self.queue.only_slice() }
    }

    /// Gives up the first `count` bytes of the output, after they were written. The queue may have room again then:
    /// see [`Event::Writable`](crate::Event::Writable).
    #[inline(always)]
    pub fn output_consume(&mut self, count: usize) -> Result<(), Error> {
        if !self.in_host_frame && self.queue.consume_prepared(count, &self.shared) {
            self.note_prepared_taken();
            return Ok(());
        }
        self.consume_backlog(count)
    }

    #[inline(never)]
    fn consume_backlog(&mut self, count: usize) -> Result<(), Error> {
        if self.in_host_frame && count > 0 {
            return Err(Error::State("the payload of a frame is being written: end it first"));
        }
        let close_waited = self.queue.close_waits();
        self.queue.consume(count, &self.shared)?;
        if count > 0 {
            self.note_taken(close_waited);
            if !self.queue.is_at_rest() {
                self.pay_pong();
            }
        }
        self.note_room();
        Ok(())
    }

    /// A prepared message was taken, after which nothing waits.
    #[inline(always)]
    pub(super) fn note_prepared_taken(&mut self) {
        if self.above_high_water || !self.was_taken_at_once() {
            self.note_late_or_large_taken();
        }
    }

    #[inline(never)]
    fn note_late_or_large_taken(&mut self) {
        self.note_taken(false); // a close frame is no prepared message
        self.note_room();
    }

    /// The queue has become shorter.
    #[inline(always)]
    fn note_room(&mut self) {
        let config = &self.shared.config;
        if self.above_high_water && self.queue.len() <= config.low_water.min(config.max_queued_bytes / 2) {
            self.above_high_water = false;
            self.writable_due = self.state == State::Open;
        }
    }

    /// Bytes that wait to be taken.
    pub fn queued_bytes(&self) -> usize {
        self.queue.len()
    }

    /// Whether the output went above the high-water mark, or a message was refused for lack of room, and it has not
    /// fallen to the low-water mark since. Then it is time to stop producing until [`Event::Writable`].
    ///
    /// [`Event::Writable`]: crate::Event::Writable
    pub fn is_above_high_water(&self) -> bool {
        self.above_high_water
    }
}

/// What the rest of the connection asks for.
impl Outbound {
    #[inline(always)]
    pub(crate) fn new(shared: Rc<Shared>, role: Role) -> Outbound {
        let clock = Clock::new(&shared);
        Outbound {
            shared,
            role,
            state: State::Connecting,
            clean: false,
            hopeless: false,
            clock,
            queue: OutputQueue::default(),
            compression: None,
            extras: Extras::default(),
            in_host_frame: false,
            above_high_water: false,
            writable_due: false,
        }
    }

    /// Queues an HTTP head of at most so many bytes, which `write` appends.
    pub(crate) fn write_head(&mut self, max_len: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.note_queueing(None);
        self.queue.backlog(&self.shared).write_head(max_len, write, &self.shared);
    }

    /// Queues an HTTP head.
    pub(crate) fn push_head(&mut self, head: Vec<u8>) {
        self.note_queueing(None);
        self.queue.backlog(&self.shared).push_head(head, &self.shared);
    }

    /// The handshake is complete, and agreed on this compression.
    pub(crate) fn open(&mut self, compression: Option<Agreed>) {
        self.compression = compression;
        self.state = State::Open;
        self.shared.metrics.opened(self.role);
    }

    /// Answers a ping, also behind our own close frame, until the peer's has come (RFC 6455, 5.5.2).
    pub(crate) fn answer_ping(&mut self, payload: &[u8]) {
        if matches!(self.state, State::Open | State::Closing) && self.shared.config.auto_pong {
            self.pong(payload);
        }
    }

    /// Queues a pong. While the peer does not read, only the newest one is owed, and queued when it reads on.
    fn pong(&mut self, payload: &[u8]) {
        if self.queue.len() > PONG_AT_ONCE {
            self.owe_pong(payload);
        } else {
            self.push_pong(payload);
        }
    }

    /// Queues the pong that is owed, unless the one before it was not taken either: who sends pings and reads little
    /// would have them pile up.
    fn pay_pong(&mut self) {
        if (self.queue.len() <= PONG_AT_ONCE || !self.queue.control_waits())
            && let Some(payload) = self.queue.take_owed_pong()
        {
            self.push_pong(&payload);
        }
    }

    /// Without random bytes for a mask it stays owed.
    fn push_pong(&mut self, payload: &[u8]) {
        if self.push(OpCode::Pong, false, true, payload).is_err() {
            self.owe_pong(payload);
        }
    }

    fn owe_pong(&mut self, payload: &[u8]) {
        self.queue.backlog(&self.shared).owed_pong = Some(payload.into());
    }

    /// A close frame arrived: answers it if we did not begin (RFC 6455, 5.5.1), and ends the connection.
    pub(crate) fn peer_closed(&mut self, received: Option<(u16, &str)>) {
        let initiator = if self.state == State::Closing { Initiator::Us } else { Initiator::Peer };
        self.answer_with_close(received.map(|(code, _reason)| code), "");
        let (code, reason) = received.unwrap_or((close::NO_STATUS, ""));
        self.end(Farewell {
            code,
            reason: reason.into(),
            detail: match initiator {
                Initiator::Us => Detail::new(c"the peer answered our close frame"),
                _ => Detail::new(c"the peer sent a close frame"),
            },
            clean: true,
            initiator,
            http_status: None,
        });
    }

    /// The peer broke a rule: tells it which code that is, unless a close frame was sent already, and ends the
    /// connection (RFC 6455, 7.1.7).
    pub(crate) fn fail(&mut self, violation: Violation) {
        self.shared.metrics.violated(violation);
        self.fail_with(violation.close_code(), "", violation.detail());
    }

    /// Ends the connection with a close frame, unless one was sent already, and does not wait for the answer.
    pub(crate) fn fail_with(&mut self, code: u16, reason: &str, detail: Detail) {
        self.answer_with_close(Some(code), reason);
        self.end(Farewell {
            code,
            reason: "".into(),
            detail,
            clean: false,
            initiator: Initiator::Us,
            http_status: None,
        });
    }

    /// The connection was lost, or was never opened.
    pub(crate) fn end_abnormally(&mut self, detail: Detail, initiator: Initiator, http_status: Option<u16>) {
        self.end(Farewell { code: close::ABNORMAL, reason: "".into(), detail, clean: false, initiator, http_status });
    }

    /// A close frame, unless one was sent already. A client without random bytes cannot mask one: it ends without.
    fn answer_with_close(&mut self, code: Option<u16>, reason: &str) {
        if self.state == State::Open {
            let _ = self.push_close(code, reason);
        }
    }

    fn end(&mut self, farewell: Farewell) {
        if matches!(self.state, State::Open | State::Closing) {
            self.shared.metrics.closed(farewell.code, farewell.clean, farewell.initiator);
        }
        self.clean = farewell.clean;
        self.state = State::Closed;
        self.queue.end_ready();
        self.writable_due = false;
        self.extras.end_making(&self.shared);
        self.queue.take_owed_pong();
        self.extras.end_deflation(&self.shared);
        self.extras.set_farewell(farewell, &self.shared);
        self.note_state();
    }

    /// How many bytes more the receiving half may hold.
    pub(crate) fn may_hold(&self) -> usize {
        let config = &self.shared.config;
        let own = config.max_connection_bytes.saturating_sub(self.extras.held_input() + self.queue.len());
        own.min(config.max_engine_bytes.saturating_sub(self.shared.metrics.held_bytes()))
    }

    /// The receiving half holds so many bytes now.
    pub(crate) fn hold_input(&mut self, held: usize) {
        if held > self.extras.held_input() {
            self.queue.end_ready(); // it counts against the same limit
        }
        self.extras.hold_input(held, &self.shared);
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        self.shared.time.remove(self.timer());
        if self.extras.are_there() {
            self.extras.give_back(&self.shared);
        }
        self.shared.metrics.discarded(self.queue.len());
        if matches!(self.state, State::Open | State::Closing) {
            self.shared.metrics.dropped();
        }
    }
}
