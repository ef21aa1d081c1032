//! Input: the three ways in. Copied, lent by the host, or received into memory that the engine lends.

use std::ptr::NonNull;

use crate::connection::outbound::{Outbound, Role, State};
use crate::connection::receive::{Place, Received};
use crate::connection::whole;
use crate::connection::work::{Lent, Work};
use crate::connection::{Connection, Given};
use crate::error::Error;
use crate::event::{Delivery, Event, MessageType};
use crate::frame::header::{MAX_HEADER_LEN, begins_message};

/// The most that [`Connection::recv_buffer`] can be asked for.
pub(crate) const MAX_ASKED_FOR: usize = 16 * 1024 * 1024;

/// Feed. Pull events until there are none before giving more. What comes after the end is ignored (RFC 6455, 7.1.7).
impl Connection {
    /// Gives bytes that came from the peer. They are copied.
    #[inline(always)]
    pub fn feed(&mut self, data: &[u8]) -> Result<(), Error> {
        if self.takes_piece(data) { Ok(()) } else { self.feed_to_pull(data, None) }
    }

    /// Lends bytes that came from the peer: payloads are unmasked there, and events point there. Pull from what is
    /// returned until there is nothing more; what is not pulled then is copied, and pulled from the connection. A
    /// [`Drain`] that is never dropped takes it with it.
    pub fn feed_mut<'a>(&'a mut self, data: &'a mut [u8]) -> Result<Drain<'a>, Error> {
        let address = NonNull::from(&mut *data);
        self.feed_in_place(data, address)?;
        Ok(Drain { connection: self, data })
    }

    /// Lends memory to receive into: at least `min` bytes, at most 16 MiB of them, and usually as many as
    /// [`receive_buffer_size`](crate::Config::set_receive_buffer_size) says. A large message is received where it is
    /// assembled. [`commit`](Connection::commit) says how much was received, before the next input call or pull: that
    /// ends the lending.
    pub fn recv_buffer(&mut self, min: usize) -> Result<&mut [u8], Error> {
        let lent = self.lend(min)?;
        let (work, _outbound) = self.work();
        Ok(match lent {
            Lent::Assembly { filled, room } => {
                work.receiver.buffer.resize(filled + room, 0);
                &mut work.receiver.buffer[filled..]
            }
            Lent::Input(room) => work.room(room),
            Lent::Nothing => &mut [],
        })
    }

    /// Says that so many bytes were received into the memory that was lent; 0 gives it back.
    pub fn commit(&mut self, count: usize) -> Result<(), Error> {
        let lent = self.check_commit(count)?;
        if let Some(work) = &mut self.work
            && let Lent::Assembly { filled, .. } = lent
        {
            work.receiver.buffer.truncate(filled + count);
        }
        self.note_commit(count);
        Ok(())
    }

    /// Says that the peer closed its side of the stream.
    pub fn feed_eof(&mut self) {
        if let Some(work) = &mut self.work {
            work.end_lent();
        }
        self.eof = true;
        self.given = Given::Input;
    }
}

/// What is behind the doors.
impl Connection {
    /// Whether input has a meaning: after the end it has none. Refused: input before the last was pulled.
    fn takes_input(&mut self) -> Result<bool, Error> {
        if self.eof {
            return Err(Error::State("input after the end of input"));
        }
        if let Some(work) = &mut self.work {
            work.end_lent();
        }
        if self.outbound.state == State::Closed {
            return Ok(false);
        }
        if self.given != Given::Nothing {
            return Err(Error::InputPending);
        }
        Ok(true)
    }

    fn work(&mut self) -> (&mut Work, &mut Outbound) {
        let outbound = &mut self.outbound;
        (self.work.get_or_insert_with(|| outbound.shared.take_work()), outbound)
    }

    fn note_arrived(&mut self, len: usize) {
        self.outbound.shared.metrics.wire_in(len);
        self.outbound.note_input();
        self.given = Given::Input;
    }

    /// Takes input that the host lends until the pull that finds nothing; `address` is where it is.
    #[inline(always)]
    pub(crate) fn feed_in_place(&mut self, data: &[u8], address: NonNull<[u8]>) -> Result<(), Error> {
        if self.takes_piece(data) { Ok(()) } else { self.feed_to_pull(data, Some(address)) }
    }

    /// Keeps input for the next pull: where the host has it, if it lends it and there is none to go before it.
    #[inline(never)]
    fn feed_to_pull(&mut self, data: &[u8], address: Option<NonNull<[u8]>>) -> Result<(), Error> {
        if self.takes_input()? && !data.is_empty() {
            if !self.takes_request(data) {
                let (work, outbound) = self.work();
                match address {
                    Some(address) if !work.has_own_input() => work.use_host_input(address),
                    _ => work.give(data, &outbound.shared),
                }
            }
            self.note_arrived(data.len());
        }
        Ok(())
    }

    /// If `data` is a piece from the middle of a message that is assembled, takes it there at once: there is nothing to
    /// pull from it.
    #[inline(always)]
    fn takes_piece(&mut self, data: &[u8]) -> bool {
        let open = matches!(self.outbound.state, State::Open | State::Closing);
        if self.given != Given::Nothing || !open || self.eof || data.is_empty() {
            return false;
        }
        let Some(work) = self.work.as_deref_mut().filter(|work| work.lent == Lent::Nothing) else {
            return false;
        };
        let taken = work.receiver.take_middle(data);
        if taken {
            self.note_piece(data.len());
        }
        taken
    }

    #[inline(always)]
    fn note_piece(&mut self, len: usize) {
        self.outbound.note_piece(len);
        self.given = Given::Piece;
    }

    /// The input that the host lends.
    pub(crate) fn host_input(&self) -> Option<NonNull<[u8]>> {
        self.work.as_ref()?.host_input
    }

    /// Lends memory to receive into.
    pub(crate) fn lend(&mut self, min: usize) -> Result<Lent, Error> {
        if min > MAX_ASKED_FOR {
            return Err(Error::InvalidArgument("a receive buffer has at most 16 MiB"));
        }
        self.takes_input()?;
        let delivery = self.delivery;
        let (work, outbound) = self.work();
        work.lent = match work.receiver.lend_assembly(min, delivery) {
            Some(room) if !work.has_own_input() => Lent::Assembly { filled: work.receiver.buffer.len(), room },
            _ => Lent::Input(work.lend_input(min, &outbound.shared)),
        };
        Ok(work.lent)
    }

    /// Like [`Connection::recv_buffer`], but only where the memory is, so that none need be written first. What is
    /// received where a large message is assembled is to be made part of that, [`Connection::assembly`], before it is
    /// noted.
    pub(crate) fn lend_address(&mut self, min: usize) -> Result<(*mut u8, usize), Error> {
        let lent = self.lend(min)?;
        let (work, _outbound) = self.work();
        Ok(match lent {
            Lent::Assembly { room, .. } => (work.receiver.buffer.spare_capacity_mut().as_mut_ptr().cast(), room),
            Lent::Input(room) => (work.room(room).as_mut_ptr(), room),
            Lent::Nothing => (std::ptr::null_mut(), 0),
        })
    }

    /// Where a large message is assembled.
    pub(crate) fn assembly(&mut self) -> Option<&mut Vec<u8>> {
        Some(&mut self.work.as_deref_mut()?.receiver.buffer)
    }

    /// What was lent, if so many bytes can have been received there.
    pub(crate) fn check_commit(&self, count: usize) -> Result<Lent, Error> {
        let lent = self.work.as_ref().map_or(Lent::Nothing, |work| work.lent);
        let room = match lent {
            Lent::Nothing => return Err(Error::State("no memory was lent: ask for it first")),
            Lent::Input(room) | Lent::Assembly { room, .. } => room,
        };
        if count > room {
            return Err(Error::InvalidArgument("more bytes received than there was room for"));
        }
        Ok(lent)
    }

    /// So many bytes were received into what was lent; those of an assembly are in its buffer.
    pub(crate) fn note_commit(&mut self, count: usize) {
        if self.takes_received_request(count) {
            return self.note_arrived(count);
        }
        let is_over = self.outbound.state == State::Closed;
        let shared = &self.outbound.shared;
        let mut is_piece = false;
        if let Some(work) = &mut self.work {
            match std::mem::take(&mut work.lent) {
                _ if is_over => work.discard(shared),
                Lent::Input(_) => is_piece = work.commit_input(count, shared),
                _ => work.receiver.commit_assembly(count),
            }
        }
        if is_piece {
            self.note_piece(count);
        } else if count == 0 || is_over {
            self.put_away(None);
        } else {
            self.note_arrived(count);
        }
    }

    /// The usual case, without a detour: up to `max` whole messages that lie in the input. Gives their number; `each`
    /// gets them, numbered from 0. None: anything else.
    #[inline]
    pub(crate) fn whole_messages<'a>(
        &'a mut self,
        host: Option<&'a mut [u8]>,
        max: usize,
        each: impl FnMut(usize, MessageType, &'a [u8]),
    ) -> usize {
        match self.outbound.role {
            Role::Server => self.whole_messages_from::<true>(host, max, each),
            Role::Client => self.whole_messages_from::<false>(host, max, each),
        }
    }

    #[inline(always)]
    fn whole_messages_from<'a, const MASKED: bool>(
        &'a mut self,
        host: Option<&'a mut [u8]>,
        max: usize,
        each: impl FnMut(usize, MessageType, &'a [u8]),
    ) -> usize {
        if !self.takes_whole_messages() {
            return 0;
        }
        let Some(work) = self.work.as_deref_mut().filter(|work| work.receiver.is_idle()) else {
            return 0;
        };
        work.receiver.drop_reported();
        let out = &mut self.outbound;
        let config = &out.shared.config;
        let max_len = usize::try_from(config.max_frame_size.min(config.max_message_size)).unwrap_or(usize::MAX);
        let (input, pos, _receiver) = work.input(host);
        let input = &mut input[*pos..];
        if input.is_empty() {
            return 0;
        }
        let metrics = &out.shared.metrics;
        let (count, used) = match max {
            1 => whole::next::<MASKED>(input, 1, max_len, metrics, each),
            _ => whole::next_many::<MASKED>(input, max, max_len, metrics, each),
        };
        if count > 0 {
            *pos += used;
            out.note_message();
        }
        count
    }

    /// The message under way, if its end lies in the input: what was joined to others, without a detour.
    #[inline]
    pub(crate) fn message_end<'a>(&'a mut self, host: Option<&'a mut [u8]>) -> Option<(MessageType, &'a [u8])> {
        if !self.work.as_ref()?.receiver.is_in_frame() || !self.takes_whole_messages() {
            return None;
        }
        let work = self.work.as_deref_mut()?;
        work.receiver.drop_reported();
        let (input, pos, receiver) = work.input(host);
        let (message_type, used) = receiver.take_end(&input[*pos..])?;
        *pos += used;
        let message = receiver.payload(Place::Buffer, input);
        self.outbound.shared.metrics.message_in(message_type, message.len() as u64);
        self.outbound.note_message();
        Some((message_type, message))
    }

    /// If all that is left of the input is the beginning of a message, takes that, without a detour. The pull has found
    /// nothing then.
    #[inline]
    pub(crate) fn message_beginning(&mut self, host: Option<&mut [u8]>) -> bool {
        let is_enough = |work: &Work| work.receiver.is_idle() && work.pending() > MAX_HEADER_LEN;
        self.work.as_deref().is_some_and(is_enough) && self.takes_beginning(host)
    }

    fn takes_beginning(&mut self, mut host: Option<&mut [u8]>) -> bool {
        let is_usual = self.takes_whole_messages() && !self.eof && self.reading;
        let Some(work) = self.work.as_deref_mut() else {
            return false;
        };
        let out = &mut self.outbound;
        let (input, pos, receiver) = work.input(host.as_deref_mut());
        let input = &input[*pos..];
        if !is_usual || input.first().is_none_or(|&first| !begins_message(first)) {
            return false;
        }
        let due = out.writable_due || out.timer_is_stale() || out.timer_went_off() || out.extras.has_farewell();
        receiver.drop_reported();
        if due || !receiver.take_beginning(input, out.role == Role::Server, &out.shared) {
            return false;
        }
        *pos += input.len();
        out.note_message();
        self.limit_held();
        if self.outbound.state == State::Closed {
            return false; // it was too much, which is to be reported
        }
        self.given = Given::Nothing;
        self.put_away(host);
        true
    }

    /// The next thing to report, if it is a whole message that lies in the input, or whose end does.
    pub(super) fn whole_message(&mut self, host: Option<&mut [u8]>) -> Option<Received> {
        if !self.work.as_ref()?.receiver.is_idle() {
            let (message_type, _) = self.message_end(host)?;
            return Some(Received::Message { opcode: message_type.opcode(), place: Place::Buffer });
        }
        let mut found = None;
        let note = |_, message_type: MessageType, payload: &[u8]| found = Some((message_type.opcode(), payload.len()));
        self.whole_messages(host, 1, note);
        let (opcode, len) = found?;
        let end = self.work.as_ref()?.pos;
        Some(Received::Message { opcode, place: Place::Input(end - len..end) })
    }

    /// Whether nothing but the input decides what comes next.
    fn takes_whole_messages(&self) -> bool {
        matches!(self.outbound.state, State::Open | State::Closing)
            && self.opening.is_none()
            && self.delivery == Delivery::Messages
            && !self.is_held_back()
    }
}

/// Bytes that the host has lent to a connection with [`Connection::feed_mut`], to pull from.
pub struct Drain<'a> {
    connection: &'a mut Connection,
    data: &'a mut [u8],
}

impl Drain<'_> {
    /// The next event, or `None` when more input is needed: see [`Connection::next_event`].
    pub fn next_event(&mut self) -> Option<Event<'_>> {
        self.next_event_and_outbound().map(|(event, _outbound)| event)
    }

    /// The next event together with the sending half: see [`Connection::next_event_and_outbound`].
    pub fn next_event_and_outbound(&mut self) -> Option<(Event<'_>, &mut Outbound)> {
        self.connection.next_event_in(Some(self.data))
    }

    /// The sending half, to queue and to ask.
    pub fn outbound(&mut self) -> &mut Outbound {
        self.connection.outbound()
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        let shared = &self.connection.outbound.shared;
        if let Some(work) = &mut self.connection.work
            && work.host_input.is_some()
        {
            work.settle(Some(self.data), shared); // it is still to be pulled
        }
    }
}
