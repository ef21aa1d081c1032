//! Many connections at once: a prepared message is queued to all of them, and what was written is taken from all.
//!
//! What is the same for all is worked out once, and counted once. Only the usual case is done here: a server's
//! connection on which nothing waits, and one that has written the frame whole. For anything else the counters are
//! brought up to date, and the connection does it alone.

use std::rc::Rc;

use crate::connection::Connection;
use crate::connection::outbound::{Outbound, Role, State};
use crate::connection::output::Waiting;
use crate::connection::send::fits;
use crate::engine::Shared;
use crate::error::Error;
use crate::frame::header::MAX_HEADER_LEN;
use crate::prepared::Prepared;

/// One of many connections that a message goes to, and what comes of it there.
pub struct Recipient<'c> {
    /// In any state and role, of any engine.
    pub connection: &'c mut Connection,
    /// Bytes of its output that were written: see [`Recipient::consume_written`]. [`Prepared::queue_to`] sets it to 0.
    pub written: usize,
    /// What the last of the two calls came to for this connection.
    pub result: Result<(), Error>,
}

impl<'c> Recipient<'c> {
    /// To be given to [`Prepared::queue_to`].
    pub fn new(connection: &'c mut Connection) -> Recipient<'c> {
        Recipient { connection, written: 0, result: Ok(()) }
    }

    /// Does what [`Outbound::output_consume`] does for each of them, with what was `written`. One that is refused does
    /// not stop the others.
    pub fn consume_written(recipients: &mut [Recipient<'_>]) {
        let mut taking = Taking::default();
        for recipient in recipients {
            recipient.result = taking.consume(&mut recipient.connection.outbound, recipient.written);
        }
    }
}

impl Prepared {
    /// Does what [`Outbound::queue_prepared`] does for each of them, in less time. One that is refused does not stop the
    /// others. Some hundred at a time are best: they are still in the processor's caches then when what they wrote is
    /// [taken](Recipient::consume_written).
    pub fn queue_to(&self, recipients: &mut [Recipient<'_>]) {
        let mut spread = Spread::new(self);
        for recipient in recipients {
            recipient.written = 0;
            recipient.result = spread.queue(&mut recipient.connection.outbound);
        }
    }
}

/// Queues a message to one connection after the other. What it did is counted when it is dropped: until then nothing
/// else may be done to connections of the same engine.
pub(crate) struct Spread<'p> {
    prepared: &'p Prepared,
    /// The engine whose connections without compression are served by `terms` without another look; else NULL.
    usual: *const Shared,
    terms: Option<Terms<'p>>,
}

/// What is the same for all connections of one engine that agreed on the same compression and where nothing waits.
struct Terms<'p> {
    shared: Rc<Shared>,
    /// The window of the form that is sent; 0 if it is not compressed.
    window_bits: u8,
    frame: &'p [u8],
    /// The engine's reference to it.
    waiting: Rc<Waiting>,
    /// Bytes of payload as they are sent, if that is compressed.
    compressed_len: Option<usize>,
    /// This frame alone is more than the high-water mark.
    is_above: bool,
    /// How many connections there was room for, by all limits, when it was last counted, and for how many there is still.
    room_before: usize,
    room: usize,
}

impl<'p> Spread<'p> {
    pub(crate) fn new(prepared: &'p Prepared) -> Spread<'p> {
        Spread { prepared, usual: std::ptr::null(), terms: None }
    }

    /// Does what [`Outbound::queue_prepared`] does.
    #[inline(always)]
    pub(crate) fn queue(&mut self, out: &mut Outbound) -> Result<(), Error> {
        if self.queue_usual(out).is_some() { Ok(()) } else { self.queue_any(out) }
    }

    /// The usual case, as the one before was. The frame, which is now all of the output; or `None`, and nothing was done.
    #[inline(always)]
    pub(crate) fn queue_usual(&mut self, out: &mut Outbound) -> Option<&'p [u8]> {
        let is_same = std::ptr::eq(self.usual, Rc::as_ptr(&out.shared)) && out.compression.is_none();
        if !is_same || !out.is_usual() || !out.queue.is_at_rest() || out.extras.are_there() {
            return None;
        }
        let terms = self.terms.as_mut()?;
        terms.queue(out);
        if terms.room == 0 {
            self.usual = std::ptr::null();
        }
        Some(terms.frame)
    }

    /// Any case.
    #[inline(never)]
    pub(crate) fn queue_any(&mut self, out: &mut Outbound) -> Result<(), Error> {
        let result = if self.queue_on_terms(out) { Ok(()) } else { self.queue_alone(out) };
        self.usual = match &self.terms {
            Some(terms) if terms.window_bits == 0 && !terms.is_above && terms.room > 0 => Rc::as_ptr(&terms.shared),
            _ => std::ptr::null(),
        };
        result
    }

    /// Nothing waits, and there is room. `false`: it is not that, and nothing was done.
    fn queue_on_terms(&mut self, out: &mut Outbound) -> bool {
        let is_usual = out.state == State::Open && out.role == Role::Server && !out.in_host_frame;
        if !is_usual || !out.queue.is_at_rest() || out.extras.are_there() {
            return false;
        }
        let window_bits = out.compresses(self.prepared.len()).map_or(0, |agreed| agreed.own_window_bits);
        let are_alike = |terms: &Terms<'_>| terms.window_bits == window_bits && Rc::ptr_eq(&terms.shared, &out.shared);
        if !self.terms.as_ref().is_some_and(are_alike) {
            self.settle();
            self.terms = Some(Terms::new(out, self.prepared, window_bits));
        }
        let Some(terms) = self.terms.as_mut().filter(|terms| terms.room > 0) else {
            return false;
        };
        terms.queue(out);
        out.above_high_water |= terms.is_above;
        true
    }

    fn queue_alone(&mut self, out: &mut Outbound) -> Result<(), Error> {
        self.settle();
        let result = out.queue_prepared(self.prepared);
        if let Some(terms) = &mut self.terms {
            terms.look_for_room(self.prepared.len());
        }
        result
    }

    /// Counts what was done.
    fn settle(&mut self) {
        let Some(terms) = &mut self.terms else {
            return;
        };
        let count = (terms.room_before - terms.room) as u64;
        terms.room_before = terms.room;
        if count > 0 {
            let (kind, len, metrics) =
                (self.prepared.message_type(), self.prepared.len() as u64, &terms.shared.metrics);
            metrics.frames_out(kind.opcode(), count);
            metrics.queued_each(terms.frame.len(), count);
            metrics.messages_out(kind, len, count);
            if let Some(compressed_len) = terms.compressed_len {
                metrics.all_compressed_out(len, compressed_len as u64, count);
            }
        }
    }
}

impl Drop for Spread<'_> {
    fn drop(&mut self) {
        self.settle();
    }
}

impl<'p> Terms<'p> {
    fn new(out: &Outbound, prepared: &'p Prepared, window_bits: u8) -> Terms<'p> {
        let shared = &out.shared;
        let encoded = match window_bits {
            0 => prepared.plain(),
            bits => prepared.compressed(&shared.config.compression, bits).unwrap_or_else(|| prepared.plain()),
        };
        let mut terms = Terms {
            shared: Rc::clone(shared),
            window_bits,
            frame: encoded.frame,
            waiting: shared.share_prepared(encoded.frame),
            compressed_len: encoded.compressed.then_some(encoded.payload.len()),
            is_above: encoded.frame.len() > shared.config.high_water,
            room_before: 0,
            room: 0,
        };
        terms.look_for_room(prepared.len());
        terms
    }

    /// Finds how many frames the limits leave room for, of a message of `len` bytes before compression. All that was done
    /// is counted.
    fn look_for_room(&mut self, len: usize) {
        let (config, held) = (&self.shared.config, self.shared.metrics.held_bytes());
        let fits_alone = fits(len, 0, config.max_queued_bytes) && fits(len, 0, config.max_connection_bytes);
        self.room = if fits_alone && fits(len, held, config.max_engine_bytes) {
            // The last one has to fit as the first one did, beside the frames of all before it.
            1 + (config.max_engine_bytes - held - len - MAX_HEADER_LEN) / self.frame.len()
        } else {
            0
        };
        self.room_before = self.room;
    }

    #[inline(always)]
    fn queue(&mut self, out: &mut Outbound) {
        out.note_prepared_queueing();
        out.queue.wait_for(&self.waiting);
        self.room -= 1;
    }
}

/// Takes what was written from one connection after the other. What it did is counted when it is dropped: until then
/// nothing else may be done to connections of the same engine.
#[derive(Default)]
pub(crate) struct Taking {
    common: Option<Common>,
}

/// The frame that connections have written, all of one engine.
struct Common {
    shared: Rc<Shared>,
    waiting: Rc<Waiting>,
    frame_len: usize,
    /// How many have, which is not counted yet.
    taken: usize,
}

impl Taking {
    /// Does what [`Outbound::output_consume`] does.
    #[inline(always)]
    pub(crate) fn consume(&mut self, out: &mut Outbound, count: usize) -> Result<(), Error> {
        if self.consume_usual(out, count) { Ok(()) } else { self.consume_any(out, count) }
    }

    /// The usual case, as the one before was. `false`: it is not that, and nothing was done.
    #[inline(always)]
    pub(crate) fn consume_usual(&mut self, out: &mut Outbound, count: usize) -> bool {
        let Some(common) = &mut self.common else {
            return false;
        };
        let is_it = out.queue.waits_for(&common.waiting) && count == common.frame_len;
        if !is_it || !out.is_usual() || !out.was_taken_at_once() {
            return false;
        }
        common.taken += 1;
        out.queue.clear_prepared();
        true
    }

    /// Any case.
    #[inline(never)]
    pub(crate) fn consume_any(&mut self, out: &mut Outbound, count: usize) -> Result<(), Error> {
        let alone = out.queue.prepared_alone().filter(|_| !out.in_host_frame && out.queue.len() == count);
        let Some(waiting) = alone else {
            self.settle();
            return out.output_consume(count);
        };
        if !self.common.as_ref().is_some_and(|common| Rc::ptr_eq(&common.waiting, waiting)) {
            let common =
                Common { shared: Rc::clone(&out.shared), waiting: Rc::clone(waiting), frame_len: count, taken: 0 };
            self.forget();
            self.common = Some(common);
        }
        if let Some(common) = &mut self.common {
            common.taken += 1;
        }
        out.queue.clear_prepared();
        out.note_prepared_taken();
        Ok(())
    }

    /// Counts what was done.
    fn settle(&mut self) {
        if let Some(common) = &mut self.common {
            common.shared.metrics.taken(common.frame_len * std::mem::take(&mut common.taken));
        }
    }

    /// The next ones have written something else.
    fn forget(&mut self) {
        self.settle();
        if let Some(Common { shared, waiting, .. }) = self.common.take() {
            shared.return_prepared(waiting);
        }
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.forget();
    }
}
