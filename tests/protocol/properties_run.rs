//! A connection under a script of calls, with what must be true of it after each: see `properties`.

use crate::collector::{Collector, Got, assert_only_pongs_follow_a_close};
use crate::ways::Way;
use wsengine::frame::mask;
use wsengine::{Connection, Delivery, Engine, Error, Event, MessageType, Outbound, Prepared, State};

/// More than what may wait while pings are still answered at once.
pub const MAX_QUEUED: usize = 16 * 1024;

/// What the engine may queue by itself: an answer to the handshake, pongs given at once and one more, a close frame.
const UNASKED_OUTPUT: usize = 8 * 1024;

/// A control frame with the most payload, from a client.
const CONTROL_FRAME: usize = 2 + 4 + 125;

#[derive(Debug, Clone)]
pub enum Call {
    /// The next so many bytes of the stream, or fewer if there is no room for them.
    Feed(Way, usize),
    /// Asks for memory to receive into, of at least so many bytes, and leaves it at that.
    Lend(usize),
    /// Gives it back.
    GiveBack,
    PullOne,
    PullAll,
    Text(Vec<u8>),
    Binary(usize),
    /// Prepared for many connections.
    Prepared(MessageType, Vec<u8>),
    /// A message piece by piece: the last one with `true`.
    Begin(MessageType),
    Piece(Vec<u8>, bool),
    /// A message of which the host writes the payload itself, up to a byte; what is left of it, in two pieces if there
    /// is room; and the end of it, up to which the host writes what it has not handed over.
    HostFrame(Vec<u8>, usize),
    FrameRest(usize),
    EndFrame,
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Take(usize),
    Eof,
    Accept,
    Reject(u16),
    Deliver(Delivery),
    Reading(bool),
    /// So many milliseconds pass.
    Advance(u64),
}

/// A connection with its peer, and what must be true of it.
pub struct Run<'a> {
    conn: Connection,
    engine: &'a Engine,
    pub collector: Collector,
    /// What comes from the peer: its half of the handshake, then any bytes.
    stream: &'a [u8],
    /// Something was given that was not pulled to its end.
    pending: bool,
    pub eof: bool,
    request_waits: bool,
    pub rejected: bool,
    /// The time was told; it counts as a clock that began at one day.
    now: Option<u64>,
    /// Frames of ours that the peer must see, in order.
    sent: Vec<Got>,
    /// The message that is made piece by piece, so far.
    making: Option<(MessageType, Vec<u8>)>,
    in_host_frame: bool,
    /// What is left of that frame.
    frame_rest: Vec<u8>,
    reading: bool,
    /// The queue was full since the last time there was room.
    was_full: bool,
    closed_by_us: bool,
    /// The most that may be queued, by what was asked for.
    queue_bound: usize,
    pub output: Vec<u8>,
}

impl<'a> Run<'a> {
    pub fn new(engine: &'a Engine, conn: Connection, stream: &'a [u8]) -> Run<'a> {
        Run {
            conn,
            engine,
            collector: Collector::default(),
            stream,
            pending: false,
            eof: false,
            request_waits: false,
            rejected: false,
            now: None,
            sent: Vec::new(),
            making: None,
            in_host_frame: false,
            frame_rest: Vec::new(),
            reading: true,
            was_full: false,
            closed_by_us: false,
            queue_bound: MAX_QUEUED + UNASKED_OUTPUT,
            output: Vec::new(),
        }
    }

    /// Whether the end may have come of time.
    pub fn is_timed(&self) -> bool {
        self.now.is_some()
    }

    pub fn call(&mut self, call: &Call) {
        let before = self.conn.state();
        match call {
            Call::Feed(way, count) => self.feed(*way, *count),
            Call::Lend(min) => {
                let room = self.conn.recv_buffer(*min).map(|buffer| buffer.len());
                if self.took_input(room.map(drop), before) {
                    assert!(room.is_ok_and(|room| room >= (*min).max(1)));
                }
            }
            Call::GiveBack => {
                let result = self.conn.commit(0);
                assert!(matches!(result, Ok(()) | Err(Error::State(_))), "{result:?}");
            }
            Call::PullOne => {
                self.pull_one();
            }
            Call::PullAll => while self.pull_one() {},
            Call::Text(text) => {
                let result = self.conn.outbound().queue_text(text);
                match std::str::from_utf8(text) {
                    Ok(text) => self.queued(result, before, text.len(), Got::Text(text.to_owned())),
                    Err(_) if before == State::Open && self.making.is_none() => {
                        assert!(matches!(result, Err(Error::InvalidUtf8 | Error::QueueFull)), "{result:?}");
                    }
                    Err(_) => assert!(matches!(result, Err(Error::State(_))), "{result:?}"),
                }
            }
            Call::Binary(len) => {
                let result = self.conn.outbound().queue_binary(&vec![7; *len]);
                self.queued(result, before, *len, Got::Binary(vec![7; *len]));
            }
            Call::Prepared(kind, data) => match Prepared::new(*kind, data) {
                Ok(prepared) => {
                    let result = self.conn.outbound().queue_prepared(&prepared);
                    self.queued(result, before, data.len(), message(*kind, data));
                }
                Err(error) => assert!(error == Error::InvalidUtf8 && std::str::from_utf8(data).is_err()),
            },
            Call::Begin(kind) => match self.conn.outbound().queue_begin(*kind) {
                Ok(()) => {
                    assert!(before == State::Open && self.making.is_none());
                    self.making = Some((*kind, Vec::new()));
                }
                result => self.not_ready(result, before, self.making.is_some()),
            },
            Call::Piece(data, last) => self.piece(data, *last, before),
            Call::HostFrame(payload, written) => self.host_frame(payload, *written, before),
            Call::FrameRest(first) => self.frame_rest(*first),
            Call::EndFrame => {
                self.output.append(&mut self.frame_rest);
                let result = self.conn.outbound().end_frame();
                assert_eq!(result.is_ok(), std::mem::take(&mut self.in_host_frame), "{result:?}");
            }
            Call::Ping(data) => {
                let result = self.conn.outbound().queue_ping(data);
                self.control_queued(result, before, data, Some(Got::Ping(data.clone())));
            }
            Call::Pong(data) => {
                let result = self.conn.outbound().queue_pong(data);
                self.control_queued(result, before, data, None);
            }
            Call::Close(code, reason) => self.close(*code, reason, before),
            Call::Take(count) => self.take(*count),
            Call::Eof => {
                self.conn.feed_eof();
                (self.eof, self.pending) = (true, true);
            }
            Call::Accept => {
                let result = self.conn.accept(None, &[]);
                self.decided(result);
            }
            Call::Reject(status) => {
                let result = self.conn.reject(*status, &[], b"");
                self.rejected |= result.is_ok();
                self.decided(result);
            }
            Call::Deliver(delivery) => {
                let result = self.conn.set_delivery(*delivery);
                assert!(matches!(result, Ok(()) | Err(Error::State(_))), "{result:?}");
            }
            Call::Reading(enabled) => {
                self.reading = *enabled;
                self.conn.set_reading(*enabled);
            }
            Call::Advance(ms) => self.advance(*ms),
        }
        self.was_full |= self.conn.outbound().is_above_high_water();
        assert!(self.conn.outbound().queued_bytes() <= self.queue_bound, "after {call:?}");
        assert!(!self.pending || self.conn.has_events() || self.is_held_back());
        let (shutdown, abort) = (self.conn.wants_shutdown(), self.conn.wants_abort());
        assert!(!(shutdown && abort));
        assert!(!shutdown || self.conn.state() == State::Closed);
    }

    /// The host does not read, and the output is too long: messages wait in the input.
    fn is_held_back(&mut self) -> bool {
        let is_live = matches!(self.conn.state(), State::Open | State::Closing);
        is_live && !self.reading && self.conn.outbound().is_above_high_water()
    }

    fn feed(&mut self, way: Way, count: usize) {
        let before = self.conn.state();
        let piece = &self.stream[..count.min(self.stream.len())];
        let mut checks = Checks {
            collector: &mut self.collector,
            request_waits: &mut self.request_waits,
            was_full: &mut self.was_full,
        };
        let mut pulled = 0;
        let given = way.give(&mut self.conn, piece, |event, outbound| {
            checks.note(event, outbound);
            pulled += 1;
        });
        if self.took_input(given.map(drop), before) {
            let given = given.unwrap_or_default();
            assert!(given == piece.len() || matches!(way, Way::Received(_)) && given >= 4_096);
            self.stream = &self.stream[given..];
            self.pending |= before != State::Closed && given > 0;
            if way == Way::Lent || matches!(way, Way::LentFor(most) if pulled < most) {
                self.found_nothing();
            }
        }
    }

    /// Input is refused after its end, and before the last was pulled; after the end of the connection it is ignored.
    fn took_input(&self, result: Result<(), Error>, before: State) -> bool {
        let closed = before == State::Closed;
        match result {
            Ok(()) => assert!(!self.eof && (closed || !self.pending)),
            Err(Error::State(_)) => assert!(self.eof),
            Err(Error::InputPending) => assert!(self.pending && !self.eof && !closed),
            Err(other) => panic!("{other:?}"),
        }
        result.is_ok()
    }

    /// False when there is nothing.
    fn pull_one(&mut self) -> bool {
        let mut checks = Checks {
            collector: &mut self.collector,
            request_waits: &mut self.request_waits,
            was_full: &mut self.was_full,
        };
        match self.conn.next_event_and_outbound() {
            Some((event, outbound)) => {
                checks.note(event, outbound);
                true
            }
            None => {
                self.found_nothing();
                false
            }
        }
    }

    fn found_nothing(&mut self) {
        self.pending &= self.is_held_back();
        assert!(!self.conn.has_events());
        assert_eq!(self.conn.state() == State::Closed, self.collector.is_over());
        assert!(
            !self.eof || self.collector.is_over() || self.is_held_back(),
            "the end of the input ends the connection"
        );
    }

    /// Time passes, and the connection is pulled if it is handed out.
    fn advance(&mut self, ms: u64) {
        const START: u64 = 24 * 60 * 60 * 1000;
        let now = self.now.map_or(START, |now| now + ms);
        self.now = Some(now);
        self.engine.advance(now);
        if self.engine.next_due().is_some() {
            while self.pull_one() {}
            assert_eq!(self.engine.next_due(), None, "there is one connection");
        }
        assert!(self.engine.next_deadline().is_none_or(|next| next > now), "the host's loop would spin");
    }

    /// A message is refused for lack of room, or out of place, or it will arrive.
    fn queued(&mut self, result: Result<(), Error>, before: State, len: usize, message: Got) {
        match result {
            Ok(()) => {
                assert!(before == State::Open && self.making.is_none());
                assert!(len <= MAX_QUEUED);
                self.sent.push(message);
            }
            result => self.refused(result, before, len, self.making.is_some()),
        }
    }

    fn refused(&mut self, result: Result<(), Error>, before: State, len: usize, not_ready: bool) {
        if result == Err(Error::QueueFull) {
            assert!(before == State::Open && !not_ready);
            assert!(self.conn.outbound().queued_bytes() + len + 14 > MAX_QUEUED, "there was room");
        } else {
            self.not_ready(result, before, not_ready);
        }
    }

    fn not_ready(&self, result: Result<(), Error>, before: State, not_ready: bool) {
        assert!(matches!(result, Err(Error::State(_))), "{result:?}");
        assert!(before != State::Open || not_ready, "{result:?}");
    }

    fn piece(&mut self, data: &[u8], last: bool, before: State) {
        let out = self.conn.outbound();
        let result = if last { out.queue_end(data) } else { out.queue_part(data) };
        let so_far = self.making.as_ref().filter(|_| before == State::Open);
        let whole = so_far.map(|(kind, bytes)| (*kind, [bytes, data].concat()));
        match (result, whole) {
            (Ok(()), Some((kind, whole))) if last => {
                self.sent.push(message(kind, &whole));
                self.making = None;
            }
            (Ok(()), whole) => {
                assert!(whole.is_some(), "a part of no message");
                self.making = whole;
            }
            (Err(Error::InvalidUtf8), whole) => {
                let error = whole.and_then(|(_, whole)| std::str::from_utf8(&whole).err());
                assert!(error.is_some_and(|error| last || error.error_len().is_some()));
            }
            (result, whole) => self.refused(result, before, data.len(), whole.is_none()),
        }
    }

    /// The host writes so much of header and payload.
    fn host_frame(&mut self, payload: &[u8], written: usize, before: State) {
        let waiting = self.conn.outbound().queued_bytes();
        let refused = waiting > 0 || self.in_host_frame || self.making.is_some();
        match self.conn.outbound().begin_frame(MessageType::Binary, payload.len() as u64) {
            Ok(header) => {
                assert!(before == State::Open && !refused);
                let header = header.as_bytes();
                let mut masked = payload.to_vec();
                if header[1] & 0x80 != 0 {
                    mask::apply(*header.last_chunk().unwrap(), 0, &mut masked);
                }
                let mut frame = [header, &masked].concat();
                self.frame_rest = frame.split_off(written.min(frame.len()));
                self.output.extend(frame);
                self.sent.push(Got::Binary(payload.to_vec()));
                self.in_host_frame = true;
            }
            Err(error) => self.not_ready(Err(error), before, refused),
        }
    }

    /// The host hands over what is left of its frame; if it is refused, the host writes it after all.
    fn frame_rest(&mut self, first: usize) {
        let rest = std::mem::take(&mut self.frame_rest);
        let out = self.conn.outbound();
        let waiting = out.queued_bytes();
        let has_room = waiting + rest.len() + 14 <= MAX_QUEUED;
        let (first, second) = rest.split_at(if has_room { first.min(rest.len()) } else { 0 });
        let result = out.queue_frame_rest(first).and_then(|()| out.queue_frame_rest(second));
        match result {
            Ok(()) => assert!(self.in_host_frame && out.queued_bytes() == waiting + rest.len()),
            Err(Error::QueueFull) => {
                assert!(self.in_host_frame && !has_room && out.queued_bytes() == waiting);
                self.frame_rest = rest;
            }
            result => assert!(matches!(result, Err(Error::State(_))) && !self.in_host_frame, "{result:?}"),
        }
    }

    /// A control frame is never refused for lack of room.
    fn control_queued(&mut self, result: Result<(), Error>, before: State, data: &[u8], message: Option<Got>) {
        match result {
            Ok(()) => {
                assert!(before == State::Open && data.len() <= 125);
                self.queue_bound += CONTROL_FRAME;
                self.sent.extend(message);
            }
            Err(Error::State(_)) => assert_ne!(before, State::Open),
            Err(Error::InvalidArgument(_)) => assert!(data.len() > 125),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn close(&mut self, code: Option<u16>, reason: &str, before: State) {
        match self.conn.outbound().queue_close(code, reason) {
            Ok(()) => {
                assert_eq!((before, self.conn.state()), (State::Open, State::Closing));
                assert!(reason.len() <= 123);
                self.closed_by_us = true;
            }
            Err(Error::State(_)) => assert_ne!(before, State::Open),
            Err(Error::InvalidArgument(_)) => {
                let legal = code.is_some_and(|code| matches!(code, 1000 | 3000..=4999));
                assert!(!legal || reason.len() > 123);
                assert_eq!(self.conn.state(), before);
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    fn take(&mut self, count: usize) {
        let waiting = self.conn.outbound().queued_bytes();
        if self.in_host_frame {
            assert_eq!(self.conn.output().count(), 0, "lent within a frame of the host's");
            assert!(matches!(self.conn.outbound().output_consume(1), Err(Error::State(_))));
            return;
        }
        if count > waiting {
            let result = self.conn.outbound().output_consume(count);
            assert!(matches!(result, Err(Error::InvalidArgument(_))));
            return self.take(waiting);
        }
        let taken = self.conn.output().flatten().copied().take(count).collect::<Vec<_>>();
        self.conn.outbound().output_consume(count).unwrap();
        self.output.extend(taken);
    }

    fn decided(&mut self, result: Result<(), Error>) {
        match result {
            Ok(()) => {
                assert!(self.request_waits);
                (self.request_waits, self.pending) = (false, true);
            }
            Err(Error::State(_)) => {}
            Err(Error::InvalidArgument(_)) => assert!(self.request_waits, "a status out of range"),
            Err(other) => panic!("{other:?}"),
        }
    }

    /// Lets the rest of the stream come, and ends it.
    pub fn finish(&mut self) {
        for call in [Call::Reading(true), Call::EndFrame, Call::PullAll, Call::Accept, Call::PullAll] {
            self.call(&call);
        }
        while !self.eof && !self.stream.is_empty() {
            for call in [Call::Feed(Way::Copied, usize::MAX), Call::PullAll, Call::Accept, Call::PullAll] {
                self.call(&call);
            }
        }
        for call in [Call::Eof, Call::PullAll, Call::Feed(Way::Copied, 1), Call::PullAll] {
            self.call(&call);
        }
        for _ in 0..3 {
            let waiting = self.conn.outbound().queued_bytes();
            self.take(waiting); // a pong that was owed may follow
        }
        assert_eq!(self.conn.outbound().queued_bytes(), 0);
        assert!(self.collector.is_over());
        assert!(self.conn.wants_abort() || self.conn.wants_shutdown());
    }

    /// What was reported, but for the end, in which our own calls have a part.
    pub fn reported(&self) -> &[Got] {
        &self.collector.got[..self.collector.got.len() - 1]
    }

    /// The peer takes all of our output, and sees each message that was not refused, in order.
    pub fn check_output(self, mut peer: Connection) {
        assert_only_pongs_follow_a_close(&self.output);
        let mut at_peer = Collector::default();
        if peer.state() == State::Open {
            at_peer.got.push(Got::Open(None)); // it opened before the run
        }
        peer.feed(&self.output).unwrap();
        at_peer.pull(&mut peer);
        let close = at_peer.got.pop_if(|last| matches!(last, Got::Close { .. }));
        if let Some(Got::Close { clean, http_status, detail, .. }) = &close {
            let was_refused = http_status.is_some() && (self.rejected || self.now.is_some());
            assert!(*clean || was_refused, "our own output was refused: {detail}");
        }
        assert!(!self.closed_by_us || close.is_some(), "our close frame has gone out");
        at_peer.got.retain(|got| !matches!(got, Got::Pong(_) | Got::Open(_)));
        // Pings may overtake messages; neither overtakes its own kind. Some are the engine's own, four bytes each.
        let apart = |got: Vec<Got>| -> (Vec<_>, Vec<_>) {
            let (mut pings, messages): (Vec<_>, Vec<_>) = got.into_iter().partition(|got| matches!(got, Got::Ping(_)));
            if self.now.is_some() {
                pings.retain(|ping| !matches!(ping, Got::Ping(data) if data.len() == 4));
            }
            (pings, messages)
        };
        assert_eq!(apart(at_peer.got), apart(self.sent));
    }
}

/// What is checked of each event, whoever pulls it.
struct Checks<'r> {
    collector: &'r mut Collector,
    request_waits: &'r mut bool,
    was_full: &'r mut bool,
}

impl Checks<'_> {
    fn note(&mut self, event: Event<'_>, outbound: &mut Outbound) {
        *self.request_waits |= matches!(event, Event::Request { .. });
        if event == Event::Writable {
            assert!(std::mem::take(self.was_full), "there was room all the time");
        }
        self.collector.add(event);
        *self.was_full |= outbound.is_above_high_water();
    }
}

fn message(kind: MessageType, data: &[u8]) -> Got {
    match kind {
        MessageType::Text => Got::Text(String::from_utf8(data.to_vec()).expect("it was checked")),
        MessageType::Binary => Got::Binary(data.to_vec()),
    }
}
