//! Any bytes, any cut, any interleaving of calls, on a server and on a client: no panic, the same events however the
//! input was cut, only the errors that are documented, output that is bounded and that the peer understands, one end
//! and nothing after it. What this costs in memory: `tests/memory_bounds.rs`.

#[allow(dead_code)]
#[path = "../shared/collector.rs"]
mod collector;

use crate::support::{client_request, raw_frame, take};
use collector::{Collector, Got, assert_only_pongs_follow_a_close, configs};
use proptest::prelude::*;
use wsengine::{Config, Connection, Engine, Error, Event, State};

/// More than what may wait while pings are still answered at once.
const MAX_QUEUED: usize = 16 * 1024;

/// What the engine may queue by itself: an answer to the handshake, pongs given at once and one more, a close frame.
const UNASKED_OUTPUT: usize = 8 * 1024;

/// A control frame with the most payload, from a client.
const CONTROL_FRAME: usize = 2 + 4 + 125;

#[derive(Debug, Clone)]
enum Call {
    /// The next so many bytes of the stream.
    Feed(usize),
    PullOne,
    PullAll,
    Text(Vec<u8>),
    Binary(usize),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Take(usize),
    Eof,
    Accept,
    Reject(u16),
}

/// A connection with its peer, and what must be true of it.
struct Run<'a> {
    conn: Connection,
    collector: Collector,
    /// What comes from the peer: its half of the handshake, then any bytes.
    stream: &'a [u8],
    /// Something was given that was not pulled to its end.
    pending: bool,
    eof: bool,
    request_waits: bool,
    rejected: bool,
    /// Frames of ours that the peer must see, in order.
    sent: Vec<Got>,
    closed_by_us: bool,
    /// The most that may be queued, by what was asked for.
    queue_bound: usize,
    output: Vec<u8>,
}

impl<'a> Run<'a> {
    fn new(conn: Connection, stream: &'a [u8]) -> Run<'a> {
        Run {
            conn,
            collector: Collector::default(),
            stream,
            pending: false,
            eof: false,
            request_waits: false,
            rejected: false,
            sent: Vec::new(),
            closed_by_us: false,
            queue_bound: MAX_QUEUED + UNASKED_OUTPUT,
            output: Vec::new(),
        }
    }

    fn call(&mut self, call: &Call) {
        let before = self.conn.state();
        match call {
            Call::Feed(count) => self.feed(*count),
            Call::PullOne => {
                self.pull_one();
            }
            Call::PullAll => while self.pull_one() {},
            Call::Text(text) => {
                let result = self.conn.outbound().queue_text(text);
                match std::str::from_utf8(text) {
                    Ok(text) => self.queued(result, before, text.len(), Got::Text(text.to_owned())),
                    Err(_) if before == State::Open => {
                        assert!(matches!(result, Err(Error::InvalidUtf8 | Error::QueueFull)), "{result:?}");
                    }
                    Err(_) => assert!(matches!(result, Err(Error::State(_))), "{result:?}"),
                }
            }
            Call::Binary(len) => {
                let result = self.conn.outbound().queue_binary(&vec![7; *len]);
                self.queued(result, before, *len, Got::Binary(vec![7; *len]));
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
        }
        assert!(self.conn.outbound().queued_bytes() <= self.queue_bound, "after {call:?}");
        let (shutdown, abort) = (self.conn.wants_shutdown(), self.conn.wants_abort());
        assert!(!(shutdown && abort));
        assert!(!shutdown || self.conn.state() == State::Closed);
    }

    fn feed(&mut self, count: usize) {
        let count = count.min(self.stream.len());
        let (piece, rest) = self.stream.split_at(count);
        let closed = self.conn.state() == State::Closed;
        match self.conn.feed(piece) {
            Ok(()) => {
                assert!(!self.eof && (closed || !self.pending));
                self.stream = rest;
                self.pending |= !closed && !piece.is_empty();
            }
            Err(Error::State(_)) => assert!(self.eof),
            Err(Error::InputPending) => assert!(self.pending && !self.eof && !closed),
            Err(other) => panic!("{other:?}"),
        }
    }

    /// False when there is nothing.
    fn pull_one(&mut self) -> bool {
        match self.conn.next_event() {
            Some(event) => {
                self.request_waits |= matches!(event, Event::Request { .. });
                self.collector.add(event);
                true
            }
            None => {
                self.pending = false;
                assert_eq!(self.conn.state() == State::Closed, self.collector.is_over());
                assert!(!self.eof || self.collector.is_over(), "the end of the input ends the connection");
                false
            }
        }
    }

    /// A message is refused for lack of room, or out of place, or it will arrive.
    fn queued(&mut self, result: Result<(), Error>, before: State, len: usize, message: Got) {
        match result {
            Ok(()) => {
                assert_eq!(before, State::Open);
                assert!(len <= MAX_QUEUED);
                self.sent.push(message);
            }
            Err(Error::State(_)) => assert_ne!(before, State::Open),
            Err(Error::QueueFull) => {
                assert_eq!(before, State::Open);
                assert!(self.conn.outbound().queued_bytes() + len + 14 > MAX_QUEUED, "there was room");
            }
            Err(other) => panic!("{other:?}"),
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
    fn finish(&mut self) {
        for call in [Call::PullAll, Call::Accept, Call::PullAll] {
            self.call(&call);
        }
        while !self.eof && !self.stream.is_empty() {
            for call in [Call::Feed(usize::MAX), Call::PullAll, Call::Accept, Call::PullAll] {
                self.call(&call);
            }
        }
        for call in [Call::Eof, Call::PullAll, Call::Feed(1), Call::PullAll] {
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
    fn reported(&self) -> &[Got] {
        &self.collector.got[..self.collector.got.len() - 1]
    }
}

/// Any bytes from a peer, mostly frames that are right.
fn any_stream(masked: bool) -> impl Strategy<Value = Vec<u8>> {
    let key = masked.then_some([1, 2, 3, 4]);
    let payload = prop_oneof![
        "\\PC{0,30}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..60),
        Just(vec![b'x'; 300]),
    ];
    let first = prop_oneof![
        8 => prop_oneof![Just(0x81u8), Just(0x82), Just(0x01), Just(0x80), Just(0x00)],
        4 => prop_oneof![Just(0x89u8), Just(0x8a)],
        1 => Just(0x88u8),
        1 => any::<u8>(),
    ];
    let frame = (first, payload).prop_map(move |(first, payload)| {
        let len = if first & 8 != 0 { payload.len().min(125) } else { payload.len() };
        raw_frame(first, &payload[..len], key)
    });
    let garbage = proptest::collection::vec(any::<u8>(), 0..20);
    (proptest::collection::vec(frame, 0..10), proptest::option::weighted(0.2, garbage))
        .prop_map(|(frames, garbage)| [frames.concat(), garbage.unwrap_or_default()].concat())
}

fn any_call() -> impl Strategy<Value = Call> {
    let bytes = |max| proptest::collection::vec(any::<u8>(), 0..max);
    let text = prop_oneof!["\\PC{0,40}".prop_map(String::into_bytes), bytes(20)];
    let code = prop_oneof![Just(1000u16), Just(1005), Just(4000), any::<u16>()];
    prop_oneof![
        8 => prop_oneof![0..4usize, 0..400usize].prop_map(Call::Feed),
        4 => Just(Call::PullOne),
        8 => Just(Call::PullAll),
        2 => text.prop_map(Call::Text),
        2 => prop_oneof![0..300usize, 0..20_000usize].prop_map(Call::Binary),
        1 => bytes(127).prop_map(Call::Ping),
        1 => bytes(127).prop_map(Call::Pong),
        1 => (proptest::option::of(code), "[a-z]{0,130}").prop_map(|(code, reason)| Call::Close(code, reason)),
        3 => (0..600usize).prop_map(Call::Take),
        1 => Just(Call::Accept),
        1 => prop_oneof![Just(404u16), any::<u16>()].prop_map(Call::Reject),
    ]
}

/// A script of calls, in which the end of the input may come early. Some begin with what chance seldom brings: a peer
/// that does not read, sends on, and is closed.
fn any_calls() -> impl Strategy<Value = Vec<Call>> {
    let busy = [
        vec![Call::Feed(220), Call::PullAll, Call::Accept, Call::PullAll, Call::Binary(6_000)],
        vec![Call::Feed(300), Call::PullAll, Call::Close(Some(1000), String::new()), Call::Take(7_000)],
    ]
    .concat();
    let eof = proptest::option::weighted(0.15, any::<proptest::sample::Index>());
    let first = proptest::option::weighted(0.3, Just(busy));
    (first, proptest::collection::vec(any_call(), 0..60), eof).prop_map(|(first, rest, eof)| {
        let mut calls = [first.unwrap_or_default(), rest].concat();
        if let Some(at) = eof {
            calls.insert(at.index(calls.len() + 1), Call::Eof);
        }
        calls
    })
}

fn any_config() -> impl Strategy<Value = Config> {
    (proptest::sample::select(configs()), any::<bool>(), any::<bool>()).prop_map(|(mut config, manual, auto_pong)| {
        config.set_manual_accept(manual).set_auto_pong(auto_pong);
        config.set_max_queued_bytes(MAX_QUEUED).and_then(|config| config.set_max_message_size(1_000)).unwrap();
        config
    })
}

/// Carries out the script on one connection, and compares it with another one on which the same stream comes whole and
/// nothing else is done.
fn check(mut run: Run<'_>, mut plain: Run<'_>, peer: Connection, calls: &[Call]) {
    plain.finish();
    calls.iter().for_each(|call| run.call(call));
    let ended_early = run.eof;
    run.finish();
    if ended_early || run.rejected {
        assert!(plain.reported().starts_with(run.reported()), "{:?} of {:?}", run.reported(), plain.reported());
    } else {
        assert_eq!(run.reported(), plain.reported());
    }
    check_output(&run, peer);
}

/// The peer takes all of our output, and sees each message that was not refused, in order.
fn check_output(run: &Run<'_>, mut peer: Connection) {
    assert_only_pongs_follow_a_close(&run.output);
    let mut at_peer = Collector::default();
    if peer.state() == State::Open {
        at_peer.got.push(Got::Open(None)); // it opened before the run
    }
    peer.feed(&run.output).unwrap();
    at_peer.pull(&mut peer);
    let close = at_peer.got.pop_if(|last| matches!(last, Got::Close { .. }));
    if let Some(Got::Close { clean, http_status, detail, .. }) = &close {
        assert!(*clean || run.rejected && http_status.is_some(), "our own output was refused: {detail}");
    }
    assert!(!run.closed_by_us || close.is_some(), "our close frame has gone out");
    at_peer.got.retain(|got| !matches!(got, Got::Pong(_) | Got::Open(_)));
    assert_eq!(at_peer.got, run.sent);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_calls_on_a_server(
        config in any_config(),
        frames in any_stream(true),
        calls in any_calls(),
    ) {
        let engine = Engine::new(&config);
        let mut peer = Connection::client(&Engine::default(), &client_request()).unwrap();
        let stream = [take(&mut peer), frames].concat();
        let new_run = || Run::new(Connection::server(&engine), &stream);
        check(new_run(), new_run(), peer, &calls);
    }

    #[test]
    fn any_calls_on_a_client(
        config in any_config(),
        frames in any_stream(false),
        calls in any_calls(),
    ) {
        // The key is random, so each client has a server of its own.
        let engine = Engine::new(&config);
        let open = || {
            let mut client = Connection::client(&engine, &client_request()).unwrap();
            let mut server = Connection::server(&Engine::default());
            server.feed(&take(&mut client)).unwrap();
            while server.next_event().is_some() {}
            let answer = take(&mut server);
            (client, server, [answer, frames.clone()].concat())
        };
        let ((conn, peer, stream), (plain, _, plain_stream)) = (open(), open());
        check(Run::new(conn, &stream), Run::new(plain, &plain_stream), peer, &calls);
    }

    /// Bytes that are no handshake at all, and a script over them.
    #[test]
    fn any_calls_over_any_bytes(
        config in any_config(),
        stream in proptest::collection::vec(any::<u8>(), 0..200),
        calls in any_calls(),
    ) {
        let engine = Engine::new(&config);
        let mut run = Run::new(Connection::server(&engine), &stream);
        calls.iter().for_each(|call| run.call(call));
        run.finish();
        prop_assert_eq!(run.collector.got.len(), 1, "the end, and nothing else");
        prop_assert!(run.output.is_empty() || run.output.starts_with(b"HTTP/1.1 4"), "a refusal, or silence");
    }
}
