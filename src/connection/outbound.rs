//! Sending: what may be queued in which state, and the close handshake (RFC 6455, 5.5.1, 6.1 and 7.1).

use std::rc::Rc;

use crate::connection::output::OutputQueue;
use crate::detail::Detail;
use crate::engine::Shared;
use crate::engine::metrics::Kind;
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
    /// We sent a close frame and wait for the peer's; nothing more may be sent, but messages may still arrive.
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
    /// How it ended, until that is reported.
    pub(crate) farewell: Option<Box<Farewell>>,
    queue: OutputQueue,
    owed_pong: Option<Box<[u8]>>,
}

/// Queueing.
impl Outbound {
    /// Queues a text message (RFC 6455, 5.6). Refused: bytes that are not UTF-8.
    pub fn queue_text(&mut self, text: &[u8]) -> Result<(), Error> {
        self.check_message(text)?;
        if simdutf8::basic::from_utf8(text).is_err() {
            return Err(Error::InvalidUtf8);
        }
        self.push(OpCode::Text, text)?;
        self.shared.metrics.message_out(Kind::Text, text.len() as u64);
        Ok(())
    }

    /// Queues a binary message.
    pub fn queue_binary(&mut self, data: &[u8]) -> Result<(), Error> {
        self.check_message(data)?;
        self.push(OpCode::Binary, data)?;
        self.shared.metrics.message_out(Kind::Binary, data.len() as u64);
        Ok(())
    }

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
        Ok(())
    }

    fn queue_ping_or_pong(&mut self, opcode: OpCode, data: &[u8]) -> Result<(), Error> {
        self.check_open()?;
        if data.len() > MAX_CONTROL_PAYLOAD {
            return Err(Error::InvalidArgument("a ping or pong has at most 125 bytes (RFC 6455, 5.5)"));
        }
        self.push(opcode, data)
    }

    fn check_message(&self, payload: &[u8]) -> Result<(), Error> {
        self.check_open()?;
        let max = self.shared.config.max_queued_bytes;
        match payload.len().checked_add(self.queue.len() + crate::frame::header::MAX_HEADER_LEN) {
            Some(total) if total <= max => Ok(()),
            _ => {
                self.shared.metrics.queue_full();
                Err(Error::QueueFull)
            }
        }
    }

    fn check_open(&self) -> Result<(), Error> {
        match self.state {
            State::Open => Ok(()),
            State::Connecting => Err(Error::State("the handshake is not complete")),
            State::Closing => Err(Error::State("a close frame was queued; nothing may follow it (RFC 6455, 5.5.1)")),
            State::Closed => Err(Error::State("the connection is closed")),
        }
    }

    fn push(&mut self, opcode: OpCode, payload: &[u8]) -> Result<(), Error> {
        let mask = match self.role {
            Role::Server => None,
            Role::Client => Some(self.shared.random()?),
        };
        let header = Header { fin: true, opcode, mask, payload_len: payload.len() as u64 };
        self.queue.push_frame(&header, payload, &self.shared);
        self.shared.metrics.frame_out(opcode);
        Ok(())
    }

    fn push_close(&mut self, code: Option<u16>, reason: &str) -> Result<(), Error> {
        self.owed_pong = None; // nothing follows a close frame
        let Some(code) = code else {
            return self.push(OpCode::Close, &[]);
        };
        let mut payload = [0; MAX_CONTROL_PAYLOAD];
        let len = 2 + reason.len();
        payload[..2].copy_from_slice(&code.to_be_bytes());
        payload[2..len].copy_from_slice(reason.as_bytes());
        self.push(OpCode::Close, &payload[..len])
    }
}

/// Taking what was queued.
impl Outbound {
    /// The bytes to write, oldest first.
    pub fn output(&self) -> impl Iterator<Item = &[u8]> {
        self.queue.slices()
    }

    /// Gives up the first `count` bytes of the output, after they were written.
    pub fn output_consume(&mut self, count: usize) -> Result<(), Error> {
        self.queue.consume(count, &self.shared)?;
        if let Some(payload) = self.owed_pong.take() {
            self.pong(&payload);
        }
        Ok(())
    }

    /// Bytes that wait to be taken.
    pub fn queued_bytes(&self) -> usize {
        self.queue.len()
    }
}

/// What the rest of the connection asks for.
impl Outbound {
    pub(crate) fn new(shared: Rc<Shared>, role: Role) -> Outbound {
        Outbound {
            shared,
            role,
            state: State::Connecting,
            clean: false,
            hopeless: false,
            farewell: None,
            queue: OutputQueue::default(),
            owed_pong: None,
        }
    }

    /// Queues an HTTP head.
    pub(crate) fn push_head(&mut self, head: Vec<u8>) {
        self.queue.push_bytes(head, &self.shared);
    }

    /// The handshake is complete.
    pub(crate) fn open(&mut self) {
        self.state = State::Open;
        self.shared.metrics.opened(self.role);
    }

    /// Answers a ping (RFC 6455, 5.5.2), unless a close frame was sent.
    pub(crate) fn answer_ping(&mut self, payload: &[u8]) {
        if self.state == State::Open && self.shared.config.auto_pong {
            self.pong(payload);
        }
    }

    /// Queues a pong, or owes it until there is room (and, for a client, a mask key).
    fn pong(&mut self, payload: &[u8]) {
        if self.queue.len() > PONG_AT_ONCE || self.push(OpCode::Pong, payload).is_err() {
            self.owed_pong = Some(payload.into());
        }
    }

    /// A close frame arrived: answers it if we did not begin (RFC 6455, 5.5.1), and ends the connection.
    pub(crate) fn peer_closed(&mut self, received: Option<(u16, &str)>) {
        let initiator = if self.state == State::Closing { Initiator::Us } else { Initiator::Peer };
        self.answer_with_close(received.map(|(code, _reason)| code));
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
        let code = violation.close_code();
        self.answer_with_close(Some(code));
        self.end(Farewell {
            code,
            reason: "".into(),
            detail: violation.detail(),
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
    fn answer_with_close(&mut self, code: Option<u16>) {
        if self.state == State::Open {
            let _ = self.push_close(code, "");
        }
    }

    fn end(&mut self, farewell: Farewell) {
        if matches!(self.state, State::Open | State::Closing) {
            self.shared.metrics.closed(farewell.code, farewell.clean, farewell.initiator);
        }
        self.clean = farewell.clean;
        self.state = State::Closed;
        self.owed_pong = None;
        self.farewell = Some(Box::new(farewell));
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        self.shared.metrics.discarded(self.queue.len());
        if matches!(self.state, State::Open | State::Closing) {
            self.shared.metrics.dropped();
        }
    }
}
