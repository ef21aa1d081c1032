//! What a connection has only at times: one box for all of it, borrowed from the engine's pool, so that an idle one pays
//! for no more than a place for it.

use crate::connection::inflated::Inflation;
use crate::connection::outbound::Farewell;
use crate::connection::send::Making;
use crate::deflate::{Agreed, Deflator, Inflator};
use crate::engine::Shared;

/// The place.
#[derive(Default)]
pub(crate) struct Extras(Option<Box<Extra>>);

/// What may be there.
#[derive(Default)]
pub(crate) struct Extra {
    /// The message that is being made piece by piece.
    making: Option<Making>,
    /// The deflator of the message under way, or of all messages with context takeover.
    deflator: Option<Box<Deflator>>,
    inflation: Inflation,
    /// How the connection ended, until that is reported.
    farewell: Option<Box<Farewell>>,
    /// Bytes that the receiving half holds.
    held_input: usize,
}

impl Extra {
    fn is_empty(&self) -> bool {
        self.making.is_none()
            && self.deflator.is_none()
            && matches!(self.inflation, Inflation::None)
            && self.farewell.is_none()
            && self.held_input == 0
    }
}

impl Extras {
    #[inline(never)]
    fn get(&mut self, shared: &Shared) -> &mut Extra {
        self.0.get_or_insert_with(|| shared.take_extra())
    }

    /// Gives the box back, if nothing is in it any more.
    fn tidy(&mut self, shared: &Shared) {
        if let Some(empty) = self.0.take_if(|extra| extra.is_empty()) {
            shared.return_extra(empty);
        }
    }

    /// The connection is freed.
    pub(crate) fn give_back(&mut self, shared: &Shared) {
        self.end_making(shared);
        self.end_deflation(shared);
        self.end_inflation(shared);
        self.take_farewell(shared);
        self.hold_input(0, shared);
    }
}

/// The message that is being made piece by piece.
impl Extras {
    pub(crate) fn making(&self) -> Option<&Making> {
        self.0.as_ref()?.making.as_ref()
    }

    pub(crate) fn make(&mut self, making: Making, shared: &Shared) {
        self.get(shared).making = Some(making);
    }

    pub(crate) fn end_making(&mut self, shared: &Shared) {
        if let Some(extra) = &mut self.0 {
            extra.making = None;
            self.tidy(shared);
        }
    }
}

/// The deflator.
impl Extras {
    /// The one that is there, or one from the engine.
    pub(crate) fn deflator(&mut self, agreed: Agreed, shared: &Shared) -> &mut Deflator {
        self.get(shared).deflator.get_or_insert_with(|| shared.take_deflator(agreed.own_window_bits))
    }

    /// What it knows of earlier messages is no longer what the peer knows of them.
    pub(crate) fn reset_deflator(&mut self) {
        if let Some(deflator) = self.0.as_mut().and_then(|extra| extra.deflator.as_mut()) {
            deflator.reset();
        }
    }

    /// It goes back to the engine.
    pub(crate) fn end_deflation(&mut self, shared: &Shared) {
        if let Some(deflator) = self.0.as_mut().and_then(|extra| extra.deflator.take()) {
            shared.return_deflator(deflator);
            self.tidy(shared);
        }
    }
}

/// The inflator.
impl Extras {
    /// A compressed message begins, or goes on.
    pub(crate) fn begin_inflation(&mut self, agreed: Agreed, shared: &Shared) {
        self.get(shared).inflation.begin(agreed, shared);
    }

    /// That of the message under way.
    pub(crate) fn inflator(&mut self) -> Option<&mut Inflator> {
        match &mut self.0.as_mut()?.inflation {
            Inflation::Running(inflator) => Some(inflator),
            Inflation::Parked(_) | Inflation::None => None,
        }
    }

    /// The message has ended: what the next one may refer to stays.
    pub(crate) fn park_inflation(&mut self, agreed: Agreed, shared: &Shared) {
        if let Some(extra) = &mut self.0 {
            extra.inflation.park(agreed, shared);
            self.tidy(shared);
        }
    }

    /// No message will follow.
    pub(crate) fn end_inflation(&mut self, shared: &Shared) {
        if let Some(extra) = &mut self.0 {
            std::mem::take(&mut extra.inflation).give_back(shared);
            self.tidy(shared);
        }
    }
}

/// The end.
impl Extras {
    pub(crate) fn has_farewell(&self) -> bool {
        self.0.as_ref().is_some_and(|extra| extra.farewell.is_some())
    }

    pub(crate) fn set_farewell(&mut self, farewell: Farewell, shared: &Shared) {
        self.get(shared).farewell = Some(Box::new(farewell));
    }

    pub(crate) fn take_farewell(&mut self, shared: &Shared) -> Option<Box<Farewell>> {
        let farewell = self.0.as_mut()?.farewell.take();
        self.tidy(shared);
        farewell
    }
}

/// The bytes that the receiving half holds.
impl Extras {
    pub(crate) fn held_input(&self) -> usize {
        self.0.as_ref().map_or(0, |extra| extra.held_input)
    }

    /// So many bytes more.
    #[inline]
    pub(crate) fn hold_more(&mut self, more: usize, shared: &Shared) {
        shared.metrics.held_input(0, more);
        match &mut self.0 {
            Some(extra) => extra.held_input += more,
            None => self.get(shared).held_input = more,
        }
    }

    pub(crate) fn hold_input(&mut self, held: usize, shared: &Shared) {
        let before = self.held_input();
        if held == before {
            return;
        }
        shared.metrics.held_input(before, held);
        self.get(shared).held_input = held;
        if held == 0 {
            self.tidy(shared);
        }
    }
}
