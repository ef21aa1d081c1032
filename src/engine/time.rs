//! The time, as the host tells it, and who wants to be looked at when.

use std::cell::{Cell, RefCell, RefMut};

use crate::engine::timers::{MAX_SPAN, Timers};

pub(crate) struct Time {
    /// The host's clock at the last [`Time::advance`]; `None` before the first.
    host: Cell<Option<u64>>,
    now: Cell<u32>,
    /// Those of connections.
    timers: RefCell<Timers>,
    /// Those of token streams, once there was one.
    stream_timers: RefCell<Option<Box<Timers>>>,
}

impl Time {
    pub(crate) fn new() -> Time {
        Time {
            host: Cell::new(None),
            now: Cell::new(0),
            timers: RefCell::new(Timers::new()),
            stream_timers: RefCell::new(None),
        }
    }

    /// The host's clock is at `host_ms`. The first time sets the zero point; time does not go back. More than
    /// [`MAX_SPAN`] at once counts as that.
    pub(crate) fn advance(&self, host_ms: u64) {
        let Some(before) = self.host.get() else {
            self.host.set(Some(host_ms));
            return;
        };
        if host_ms <= before {
            return;
        }
        self.host.set(Some(host_ms));
        let mut timers = self.timers.borrow_mut();
        let now = timers.now().saturating_add((host_ms - before).min(MAX_SPAN.into()));
        timers.advance(now);
        if let Some(timers) = &mut *self.stream_timers.borrow_mut() {
            timers.advance(now);
        }
        self.now.set(now as u32); // wraps
    }

    /// Milliseconds since the zero point. They wrap after 49 days: of two times only the difference says something, and
    /// that of times less than 24 days apart says which is later.
    pub(crate) fn now(&self) -> u32 {
        self.now.get()
    }

    /// Whether the host tells the time at all.
    pub(crate) fn is_told(&self) -> bool {
        self.host.get().is_some()
    }

    /// By the host's clock.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        let host = self.host.get()?;
        let timers = self.timers.borrow();
        let of_streams = self.stream_timers.borrow().as_ref().and_then(|timers| timers.next_deadline());
        let deadlines = [timers.next_deadline(), of_streams];
        Some(host.saturating_add(deadlines.into_iter().flatten().min()? - timers.now()))
    }

    pub(crate) fn next_due(&self) -> Option<usize> {
        self.timers.borrow_mut().next_due()
    }

    /// Makes a timer, set for `after` milliseconds from now, or off.
    pub(crate) fn add(&self, after: Option<u32>) -> u32 {
        let mut timers = self.timers.borrow_mut();
        let timer = timers.add();
        if let Some(after) = after {
            timers.arm(timer, after);
        }
        timer
    }

    pub(crate) fn remove(&self, timer: u32) {
        self.timers.borrow_mut().remove(timer);
    }

    /// Sets a timer for `after` milliseconds from now; `None` turns it off.
    pub(crate) fn set_timer(&self, timer: u32, after: Option<u32>) {
        let mut timers = self.timers.borrow_mut();
        match after {
            Some(after) => timers.arm(timer, after),
            None => timers.disarm(timer),
        }
    }

    pub(crate) fn set_token(&self, timer: u32, token: usize) {
        self.timers.borrow_mut().set_token(timer, token);
    }

    pub(crate) fn token(&self, timer: u32) -> usize {
        self.timers.borrow().token(timer)
    }
}

/// The same for token streams.
impl Time {
    pub(crate) fn next_due_stream(&self) -> Option<usize> {
        self.stream_timers.borrow_mut().as_mut()?.next_due()
    }

    /// Makes a timer, which is off.
    pub(crate) fn add_stream(&self) -> u32 {
        self.stream_timers
            .borrow_mut()
            .get_or_insert_with(|| {
                let mut timers = Box::new(Timers::new());
                timers.advance(self.timers.borrow().now());
                timers
            })
            .add()
    }

    pub(crate) fn remove_stream(&self, timer: u32) {
        self.stream_timers().remove(timer);
    }

    pub(crate) fn set_stream_timer(&self, timer: u32, after: Option<u32>) {
        match after {
            Some(after) => self.stream_timers().arm(timer, after),
            None => self.stream_timers().disarm(timer),
        }
    }

    pub(crate) fn set_stream_token(&self, timer: u32, token: usize) {
        self.stream_timers().set_token(timer, token);
    }

    pub(crate) fn stream_token(&self, timer: u32) -> usize {
        self.stream_timers().token(timer)
    }

    /// Of an engine that has had a stream.
    fn stream_timers(&self) -> RefMut<'_, Timers> {
        RefMut::map(self.stream_timers.borrow_mut(), |timers| &mut **timers.as_mut().expect("a stream was made"))
    }
}
