//! A connection's times, and what time does to it.
//!
//! A connection has one timer in its engine, set for its earliest deadline. What happens on the connection only stores
//! the time; when the timer goes off, the host is handed the connection, and its next pull looks at what has become of
//! each deadline, acts on the one that was reached, and sets the timer anew. So a busy connection costs a store a read,
//! and no work on timers.

use crate::connection::Connection;
use crate::connection::opening::Phase;
use crate::connection::outbound::{Outbound, Role, State};
use crate::connection::receive::Received;
use crate::engine::Shared;
use crate::event::Initiator;
use crate::expiry::Expiry;
use crate::frame::OpCode;
use crate::handshake::refusal::Refusal;
use crate::violation::Violation;

/// The times of a connection, in milliseconds of its engine ([`Time::now`](crate::engine::Time::now)).
pub(crate) struct Clock {
    /// The index of the timer.
    timer: u32,
    /// When the timer goes off, if it is set.
    set_for: u32,
    /// When the connection was made, when it opened, when our close frame was queued, when it ended: the last of these.
    /// Or when output was last taken that went before our close frame, or before the end.
    since: u32,
    /// The last ping of the engine's, or the opening before the first.
    ping: u32,
    /// The last sign of life: a byte from the peer, or progress of output that had to wait.
    life: u32,
    /// The last message either way, or part of one.
    message: u32,
    /// When output was taken last, or, if none waited before, queued.
    output: u32,
    /// The second in which control frames are counted.
    control_window: u32,
    controls: u16,
    heartbeat: Heartbeat,
    timer_state: TimerState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Heartbeat {
    /// The opening was not reported.
    NotOpen,
    /// No ping of the engine's waits for its pong.
    Quiet,
    /// One does.
    Waiting,
    /// One does, but another pong came after it: the peer is there. It may answer the newest of several pings only (RFC
    /// 6455, 5.5.3).
    Heard,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TimerState {
    /// There was no deadline when it was looked at last.
    Off,
    Set,
    /// It went off, or the deadlines changed: to be set when nothing is left to pull.
    Stale,
}

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Handshake,
    Ping,
    Ends(Expiry),
}

/// A deadline: the time that has passed, and that may pass; 0 is off.
struct Deadline {
    what: What,
    passed: u32,
    timeout: u32,
}

impl Deadline {
    /// What is left until it is reached.
    fn left(&self) -> Option<u32> {
        (self.timeout != 0).then(|| self.timeout.saturating_sub(self.passed))
    }
}

impl Clock {
    /// The handshake begins.
    #[inline(always)]
    pub(crate) fn new(shared: &Shared) -> Clock {
        let (now, timeout) = (shared.time.now(), shared.config.timeouts.handshake);
        let is_set = timeout != 0;
        Clock {
            timer: shared.time.add(is_set.then_some(timeout)),
            set_for: now.wrapping_add(timeout),
            since: now,
            ping: now,
            life: now,
            message: now,
            output: now,
            control_window: now,
            controls: 0,
            heartbeat: Heartbeat::NotOpen,
            timer_state: if is_set { TimerState::Set } else { TimerState::Off },
        }
    }

    /// The time between the last ping and the next: up to a quarter less than the interval, differently for each
    /// connection and each time, so that the pings of many connections spread.
    fn ping_timeout(&self, interval: u32) -> u32 {
        let mut hash = (u64::from(self.timer) << 32 | u64::from(self.ping)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9); // SplitMix64
        hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 31;
        interval - (hash % (u64::from(interval / 4) + 1)) as u32
    }
}

/// What happens, as the sending half sees it.
impl Outbound {
    fn now(&self) -> u32 {
        self.shared.time.now()
    }

    /// Something is about to be queued; `None` is an HTTP head. To be called while the queue is as it was.
    #[inline(always)]
    pub(crate) fn note_queueing(&mut self, opcode: Option<OpCode>) {
        let now = self.now();
        if opcode.is_some_and(|opcode| !opcode.is_control()) {
            self.clock.message = now;
        }
        if self.queued_bytes() == 0 {
            self.clock.output = now;
            self.set_timer_within(self.shared.config.timeouts.write_stall);
        }
    }

    /// A server's connection that is open, with its timer set, and of which nothing unusual is to be said. These bytes lie
    /// side by side, so that it is one comparison where the compiler sees that.
    #[inline(always)]
    pub(crate) fn is_usual(&self) -> bool {
        const USUAL: [u8; 8] = [TimerState::Set as u8, State::Open as u8, Role::Server as u8, 0, 0, 0, 0, 0];
        let now = [
            self.clock.timer_state as u8,
            self.state as u8,
            self.role as u8,
            u8::from(self.clean),
            u8::from(self.hopeless),
            u8::from(self.in_host_frame),
            u8::from(self.above_high_water),
            u8::from(self.writable_due),
        ];
        u64::from_ne_bytes(now) == u64::from_ne_bytes(USUAL)
    }

    /// The same of a message where nothing waits.
    #[inline(always)]
    pub(crate) fn note_prepared_queueing(&mut self) {
        let now = self.now();
        (self.clock.message, self.clock.output) = (now, now);
        self.set_timer_within(self.shared.config.timeouts.write_stall);
    }

    /// Output was taken; `close_waited`: our close frame, or something before it.
    #[inline(always)]
    pub(crate) fn note_taken(&mut self, close_waited: bool) {
        let now = self.now();
        let had_to_wait = self.clock.output != now;
        if had_to_wait {
            self.clock.life = now; // what is written at once says nothing: it may go to a dead peer's socket buffer
        }
        self.clock.output = now;
        // A peer that still reads what was queued before has not come to our close frame. Pongs behind it do not count:
        // else who sends pings would never be late with the answer.
        if close_waited || self.state == State::Closed {
            self.clock.since = now;
        }
    }

    /// Output that is taken now is taken at the time when it was queued, or other output was taken, of a connection that
    /// has not ended: [`Outbound::note_taken`] has nothing to note, unless our close frame waited.
    #[inline(always)]
    pub(crate) fn was_taken_at_once(&self) -> bool {
        self.clock.output == self.now() && self.state != State::Closed
    }

    /// The host has written a frame, and what was queued meanwhile can be taken.
    pub(crate) fn note_host_frame_ended(&mut self) {
        let now = self.now();
        (self.clock.message, self.clock.output) = (now, now);
        let timeouts = &self.shared.config.timeouts;
        let (idle, write_stall) = (timeouts.idle, timeouts.write_stall);
        self.set_timer_within(idle);
        if self.queued_bytes() > 0 {
            self.set_timer_within(write_stall);
        }
        if self.state != State::Open {
            self.note_state();
        }
    }

    /// Our close frame was queued, or the connection ended.
    pub(crate) fn note_state(&mut self) {
        self.clock.since = self.now();
        self.set_timer_within(self.shared.config.timeouts.close);
    }

    /// The peer sent something.
    pub(crate) fn note_input(&mut self) {
        self.clock.life = self.now();
    }

    /// A piece of a message came, which is held.
    #[inline]
    pub(crate) fn note_piece(&mut self, len: usize) {
        self.shared.metrics.wire_in(len);
        self.extras.hold_more(len, &self.shared);
        self.queue.end_ready(); // it counts against the same limit
        let now = self.now();
        (self.clock.life, self.clock.message) = (now, now);
    }

    /// Whole messages came.
    pub(crate) fn note_message(&mut self) {
        self.clock.message = self.now();
    }

    /// The receiver made something of the input; `progress`: it took bytes. Refused: too many control frames.
    pub(crate) fn note_received(&mut self, received: Received, progress: bool) -> Result<Received, Violation> {
        match received {
            Received::Ping(_) | Received::Pong { .. } => self.count_control()?,
            Received::Nothing if !progress => {}
            Received::Close(_) => {}
            _ => self.note_message(), // or a part of one
        }
        Ok(received)
    }

    /// Counts the pings and pongs of a second.
    fn count_control(&mut self) -> Result<(), Violation> {
        const WINDOW: u32 = 1000;
        if !self.shared.time.is_told() {
            return Ok(());
        }
        let (now, max) = (self.now(), self.shared.config.max_control_rate);
        let clock = &mut self.clock;
        if now.wrapping_sub(clock.control_window) >= WINDOW {
            (clock.control_window, clock.controls) = (now, 0);
        }
        if u32::from(clock.controls) >= max.min(u32::from(u16::MAX)) {
            return Err(Violation::TooManyControlFrames);
        }
        clock.controls += 1;
        Ok(())
    }

    /// A pong came: the time since the engine's ping, if it answers that.
    pub(crate) fn note_pong(&mut self, payload: &[u8]) -> Option<u32> {
        let now = self.now();
        let clock = &mut self.clock;
        if !matches!(clock.heartbeat, Heartbeat::Waiting | Heartbeat::Heard) {
            return None;
        }
        if clock.heartbeat == Heartbeat::Waiting {
            clock.timer_state = TimerState::Stale; // the next ping is due before the pong would have been late
        }
        let answers = *payload == clock.ping.to_be_bytes();
        clock.heartbeat = if answers { Heartbeat::Quiet } else { Heartbeat::Heard };
        let rtt = answers.then(|| now.wrapping_sub(clock.ping));
        if let Some(rtt) = rtt {
            self.shared.metrics.rtt(rtt);
        }
        rtt
    }

    /// The opening was reported.
    pub(crate) fn note_open(&mut self) {
        let now = self.now();
        let clock = &mut self.clock;
        (clock.since, clock.ping, clock.life, clock.message) = (now, now, now, now);
        clock.heartbeat = Heartbeat::Quiet;
        clock.timer_state = TimerState::Stale;
    }

    pub(crate) fn timer(&self) -> u32 {
        self.clock.timer
    }

    /// Whether the next pull looks at the deadlines.
    pub(crate) fn timer_went_off(&self) -> bool {
        let left = self.clock.set_for.wrapping_sub(self.now());
        self.clock.timer_state == TimerState::Set && left as i32 <= 0
    }

    /// Whether the timer is to be set when nothing is left to pull.
    pub(crate) fn timer_is_stale(&self) -> bool {
        self.clock.timer_state == TimerState::Stale
    }

    /// Makes sure that the timer goes off within so many milliseconds; 0 is off. One that is stale is set when nothing is
    /// left to pull, for all deadlines.
    #[inline(always)]
    fn set_timer_within(&mut self, timeout: u32) {
        let left = self.clock.set_for.wrapping_sub(self.now());
        let is_soon_enough = match self.clock.timer_state {
            TimerState::Off => false,
            TimerState::Set => left as i32 <= timeout as i32,
            TimerState::Stale => true,
        };
        if timeout != 0 && !is_soon_enough {
            self.set_timer(Some(timeout));
        }
    }

    #[cold]
    fn set_timer(&mut self, after: Option<u32>) {
        if after.is_some() || self.clock.timer_state != TimerState::Off {
            self.shared.time.set_timer(self.clock.timer, after);
        }
        self.clock.timer_state = if after.is_some() { TimerState::Set } else { TimerState::Off };
        self.clock.set_for = self.now().wrapping_add(after.unwrap_or(0));
    }

    /// Acts on a deadline that ends the connection, or begins its end.
    fn expire(&mut self, expiry: Expiry) {
        self.shared.metrics.expired(expiry);
        match expiry {
            Expiry::Idle | Expiry::Lifetime => {
                if self.queue_close(Some(expiry.close_code()), expiry.reason()).is_ok() {
                    return;
                }
                // A client without random bytes cannot say goodbye.
                self.end_abnormally(expiry.detail(), Initiator::Us, None);
                self.hopeless = true;
            }
            Expiry::Pong => self.fail_with(expiry.close_code(), expiry.reason(), expiry.detail()),
            Expiry::Answer | Expiry::Close | Expiry::WriteStall => {
                if self.state != State::Closed {
                    self.end_abnormally(expiry.detail(), Initiator::Us, None);
                }
                self.hopeless = true;
            }
        }
    }

    /// Sends a ping, unless output waits: then it would wait too, and the deadline of a write stall is at work; or
    /// unless the host writes a frame, behind which it would wait too.
    fn ping(&mut self) {
        let now = self.now();
        let waits = self.queued_bytes() > 0 || self.in_host_frame;
        let sent = !waits && self.queue_ping(&now.to_be_bytes()).is_ok();
        self.clock.ping = now;
        if sent {
            self.clock.heartbeat = Heartbeat::Waiting;
        }
    }
}

/// Time.
impl Connection {
    /// What [`Engine::next_due`](crate::Engine::next_due) says when time has done something to this connection: the
    /// host's way to find it again, such as an index. Default 0.
    pub fn set_token(&mut self, token: usize) {
        self.outbound.shared.time.set_token(self.outbound.timer(), token);
    }

    /// The token that was set.
    pub fn token(&self) -> usize {
        self.outbound.shared.time.token(self.outbound.timer())
    }

    /// Tells whether the host reads from the peer; it does until it says otherwise. A peer that is not read from cannot
    /// show that it is alive: while reading is paused the pong and idle timeouts do not count, and from its resumption
    /// on they count anew. All other deadlines go on.
    ///
    /// While reading is paused and the output is [above the high-water mark](Outbound::is_above_high_water), messages in
    /// the input are held back: a pull brings only the opening and what time has done. They follow when the output has
    /// fallen.
    pub fn set_reading(&mut self, enabled: bool) {
        if enabled == self.reading {
            return;
        }
        if enabled {
            let now = self.outbound.now();
            (self.outbound.clock.life, self.outbound.clock.message) = (now, now);
        }
        self.reading = enabled;
        self.set_timer();
    }

    /// The deadlines that count now. Of two that were reached together, the first is acted on.
    fn deadlines(&self) -> [Option<Deadline>; 4] {
        let (out, clock, timeouts) = (&self.outbound, &self.outbound.clock, &self.outbound.shared.config.timeouts);
        let since = |time: u32| out.now().wrapping_sub(time);
        let deadline = |what, passed, timeout| Some(Deadline { what, passed, timeout });
        let ends = |expiry, passed, timeout| deadline(What::Ends(expiry), passed, timeout);

        // While the host writes a frame, the queue waits for the host and not for the peer.
        let counts_writing = !out.in_host_frame;
        let stall = if counts_writing && out.queued_bytes() > 0 {
            ends(Expiry::WriteStall, since(clock.output), timeouts.write_stall)
        } else {
            None
        };
        let close = ends(Expiry::Close, since(clock.since), timeouts.close);

        match out.state {
            State::Connecting => [deadline(What::Handshake, since(clock.since), timeouts.handshake), None, None, None],
            State::Open => {
                let heartbeat = match clock.heartbeat {
                    Heartbeat::Waiting if timeouts.pong != 0 && !self.reading => None,
                    Heartbeat::Waiting if timeouts.pong != 0 => {
                        ends(Expiry::Pong, since(clock.ping).min(since(clock.life)), timeouts.pong)
                    }
                    _ => deadline(What::Ping, since(clock.ping), clock.ping_timeout(timeouts.ping_interval)),
                };
                let idle = if self.reading && counts_writing {
                    ends(Expiry::Idle, since(clock.message), timeouts.idle)
                } else {
                    None
                };
                let lifetime = ends(Expiry::Lifetime, since(clock.since), timeouts.max_lifetime);
                [stall, lifetime, idle, heartbeat]
            }
            State::Closing if !counts_writing => [None, None, None, None],
            State::Closed if self.wants_abort() => [None, None, None, None],
            State::Closing | State::Closed => [stall, close, None, None],
        }
    }

    /// Acts on a deadline that was reached. Called when all input was used, so that what is late is what did not come.
    pub(super) fn act_on_time(&mut self) {
        if self.outbound.clock.timer_state != TimerState::Stale && !self.outbound.timer_went_off() {
            return;
        }
        let deadlines = self.deadlines();
        let Some(reached) = deadlines.iter().flatten().find(|deadline| deadline.left() == Some(0)) else {
            self.outbound.set_timer(deadlines.iter().flatten().filter_map(Deadline::left).min());
            return;
        };
        self.outbound.clock.timer_state = TimerState::Stale;
        match reached.what {
            What::Handshake => self.give_up_handshake(),
            What::Ping => self.outbound.ping(),
            What::Ends(expiry) => self.outbound.expire(expiry),
        }
    }

    fn give_up_handshake(&mut self) {
        match (self.role(), &mut self.opening) {
            (Role::Server, Some(opening)) if opening.phase == Phase::RequestWaits => {
                opening.refuse(&mut self.outbound, Refusal::Undecided);
            }
            (Role::Server, Some(opening)) => opening.refuse(&mut self.outbound, Refusal::Timeout),
            _ => self.outbound.expire(Expiry::Answer),
        }
    }

    /// Nothing is left to pull: sets the timer, if it went off or the deadlines have changed.
    pub(super) fn rest_clock(&mut self) {
        if self.outbound.clock.timer_state == TimerState::Stale || self.state() == State::Closed {
            self.set_timer();
        }
    }

    /// Sets the timer for the earliest deadline.
    fn set_timer(&mut self) {
        let left = self.deadlines().iter().flatten().filter_map(Deadline::left).min();
        self.outbound.set_timer(left);
    }
}
