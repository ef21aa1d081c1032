//! What the connections of one event loop share: settings, buffers, randomness, time.

pub(crate) mod metrics;
mod pool;
mod random;
mod time;
mod timers;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::config::Config;
use crate::connection::{Backlog, Extra, MAX_KEPT, Opening, PAGE, Waiting, Work};
use crate::deflate::{Deflator, History, Inflator, Pools};
use crate::error::Error;
use metrics::{Metrics, MetricsSnapshot};
use pool::{ChunkPool, Pool, PreparedPool};
use random::RandomSource;

pub(crate) use pool::{CHUNK_SIZE, LARGE_CHUNK_SIZE};
pub(crate) use time::Time;

/// One per event loop. Connections and streams that are made from it keep alive what they need of it.
pub struct Engine {
    shared: Rc<Shared>,
}

impl Engine {
    /// An engine with these settings.
    pub fn new(config: &Config) -> Engine {
        Engine {
            shared: Rc::new(Shared {
                config: config.clone(),
                openings: RefCell::new(Pool::new(MAX_POOLED)),
                works: RefCell::new(Pool::new(MAX_POOLED)),
                inputs: RefCell::new(Pool::new(MAX_POOLED)),
                receive_buffers: RefCell::new(Pool::new(1)),
                assemblies: RefCell::new(Pool::new(MAX_POOLED_ASSEMBLIES)),
                assemblies_lent: Cell::new(0),
                backlogs: RefCell::new(Pool::new(MAX_POOLED)),
                extras: RefCell::new(Pool::new(MAX_POOLED)),
                chunks: RefCell::default(),
                prepared: RefCell::default(),
                tidied: Cell::new(0),
                random: RefCell::new(RandomSource::new()),
                codecs: RefCell::new(Pools::new(config.compression.level, config.compression.mem_level)),
                time: Time::new(),
                metrics: Metrics::default(),
            }),
        }
    }

    /// What its connections have done so far: a copy, which may cross threads.
    pub fn metrics(&self) -> MetricsSnapshot {
        self.shared.metrics.snapshot()
    }

    pub(crate) fn shared(&self) -> Rc<Shared> {
        Rc::clone(&self.shared)
    }
}

/// Time. The engine has no clock: the host tells it the time, in milliseconds of any clock that does not go back.
impl Engine {
    /// Says that it is `now_ms`, and so makes connections due. The first call sets the zero point: connections that were
    /// made before it count from it, and without it no deadline counts. A time before the last one is ignored.
    pub fn advance(&self, now_ms: u64) {
        self.shared.time.advance(now_ms);
        self.shared.tidy();
    }

    /// When to call [`Engine::advance`] next at the latest, by the host's clock: not after the next deadline, and a few
    /// times before a distant one. The time of the last call if there are connections or streams that [`Engine::next_due`]
    /// and [`Engine::next_due_stream`] have not said. `None` if nothing is to be waited for.
    pub fn next_deadline(&self) -> Option<u64> {
        self.shared.time.next_deadline()
    }

    /// The token ([`Connection::set_token`]) of a connection that time may have done something to: each of them once.
    /// Pull its events until there are none, then take its output, then ask whether its stream is to be shut down or
    /// closed. Its deadlines count again from that pull on.
    ///
    /// [`Connection::set_token`]: crate::Connection::set_token
    pub fn next_due(&self) -> Option<usize> {
        self.shared.time.next_due()
    }

    /// The token ([`TokenStream::set_token`]) of a stream of which time has made a message due: each of them once. Pull
    /// or send its messages until there are none.
    ///
    /// [`TokenStream::set_token`]: crate::TokenStream::set_token
    pub fn next_due_stream(&self) -> Option<usize> {
        self.shared.time.next_due_stream()
    }
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new(&Config::default())
    }
}

/// In a drain loop one connection after the other has bytes in flight, so few buffers serve many connections.
const MAX_POOLED: usize = 16;

/// Few large messages arrive at once. Buffers for more, larger ones, and those that were not needed for a while, are
/// freed.
const MAX_POOLED_ASSEMBLIES: usize = 8;
const MAX_KEPT_ASSEMBLY: usize = 2 * 1024 * 1024;

/// Milliseconds after which memory that was not needed meanwhile is freed.
const TIDY_AFTER: u32 = 1000;

pub(crate) struct Shared {
    pub(crate) config: Config,
    openings: RefCell<Pool<Box<Opening>>>,
    works: RefCell<Pool<Box<Work>>>,
    inputs: RefCell<Pool<Vec<u8>>>,
    receive_buffers: RefCell<Pool<Vec<u8>>>,
    assemblies: RefCell<Pool<Vec<u8>>>,
    /// Those that connections have of them.
    assemblies_lent: Cell<usize>,
    backlogs: RefCell<Pool<Rc<Waiting>>>,
    extras: RefCell<Pool<Box<Extra>>>,
    chunks: RefCell<ChunkPool>,
    prepared: RefCell<PreparedPool>,
    /// When [`Shared::tidy`] did something last.
    tidied: Cell<u32>,
    random: RefCell<RandomSource>,
    codecs: RefCell<Pools>,
    pub(crate) time: Time,
    pub(crate) metrics: Metrics,
}

impl Shared {
    /// The state of a server's handshake that begins, borrowed until it is over.
    pub(crate) fn take_opening(&self) -> Box<Opening> {
        self.openings.borrow_mut().take().unwrap_or_default()
    }

    /// Takes the state of a handshake back.
    pub(crate) fn return_opening(&self, mut opening: Box<Opening>) {
        opening.reset();
        self.openings.borrow_mut().put(opening);
    }

    /// An empty work area, borrowed while a connection has bytes in flight.
    pub(crate) fn take_work(&self) -> Box<Work> {
        self.works.borrow_mut().take().unwrap_or_default()
    }

    /// Takes an idle work area back.
    pub(crate) fn return_work(&self, mut work: Box<Work>) {
        work.release_input(self);
        work.reset(self);
        self.works.borrow_mut().put(work);
    }

    /// An empty buffer for input.
    pub(crate) fn take_input(&self) -> Vec<u8> {
        self.inputs.borrow_mut().take().unwrap_or_default()
    }

    /// A buffer to be received into: from the first middle of a page on it has `receive_buffer_size` bytes that are there already, or
    /// more if so many are asked for.
    pub(crate) fn take_receive_buffer(&self, min: usize) -> Vec<u8> {
        if min > self.config.receive_buffer_size {
            return vec![0; min + PAGE - 1];
        }
        self.receive_buffers.borrow_mut().take().unwrap_or_else(|| vec![0; self.receive_buffer_len()])
    }

    fn receive_buffer_len(&self) -> usize {
        self.config.receive_buffer_size + PAGE - 1
    }

    /// Takes an input buffer back; a large one is freed, unless it is one to be received into.
    pub(crate) fn return_input(&self, mut input: Vec<u8>) {
        if input.len() == self.receive_buffer_len() {
            self.receive_buffers.borrow_mut().put(input);
        } else if (1..=MAX_KEPT).contains(&input.capacity()) {
            input.clear();
            self.inputs.borrow_mut().put(input);
        }
    }

    /// Lends the buffer of a large message for this one, which is empty, if there is one. Whether there was.
    pub(crate) fn swap_for_assembly(&self, buffer: &mut Vec<u8>) -> bool {
        let Some(large) = self.assemblies.borrow_mut().take() else {
            return false;
        };
        *buffer = large;
        self.assemblies_lent.update(|lent| lent + 1);
        true
    }

    /// Takes the buffer of a message back; `was_lent`: it came from here. One that is lent counts as one that is kept: a
    /// peer that stops within a message holds it, and others must not make up for it.
    pub(crate) fn return_assembly(&self, mut buffer: Vec<u8>, was_lent: bool) {
        self.assemblies_lent.update(|lent| lent - usize::from(was_lent));
        let mut kept = self.assemblies.borrow_mut();
        let has_room = kept.len() + self.assemblies_lent.get() < MAX_POOLED_ASSEMBLIES;
        if has_room && (MAX_KEPT + 1..=MAX_KEPT_ASSEMBLY).contains(&buffer.capacity()) {
            buffer.clear();
            kept.put(buffer);
        }
    }

    /// An empty backlog that nobody shares, borrowed while output waits.
    pub(crate) fn take_backlog(&self) -> Rc<Waiting> {
        self.backlogs.borrow_mut().take().unwrap_or_else(|| Rc::new(Waiting::Backlog(Backlog::default())))
    }

    /// Takes a backlog back that is no longer in use.
    pub(crate) fn return_backlog(&self, mut waiting: Rc<Waiting>) {
        if let Some(Waiting::Backlog(backlog)) = Rc::get_mut(&mut waiting) {
            backlog.reset(self);
            self.backlogs.borrow_mut().put(waiting);
        }
    }

    /// An empty box for what a connection has only at times.
    pub(crate) fn take_extra(&self) -> Box<Extra> {
        self.extras.borrow_mut().take().unwrap_or_default()
    }

    /// Takes an empty one back.
    pub(crate) fn return_extra(&self, extra: Box<Extra>) {
        self.extras.borrow_mut().put(extra);
    }

    /// An empty output chunk with room for `len` bytes, which are [`CHUNK_SIZE`] at least.
    pub(crate) fn take_chunk(&self, len: usize) -> Vec<u8> {
        self.chunks.borrow_mut().take(len)
    }

    /// Takes a chunk back; one of another size is freed.
    pub(crate) fn return_chunk(&self, chunk: Vec<u8>) {
        self.chunks.borrow_mut().put(chunk);
    }

    /// A frame of a prepared message, for one more connection.
    #[inline]
    pub(crate) fn share_prepared(&self, frame: &Arc<[u8]>) -> Rc<Waiting> {
        self.prepared.borrow_mut().share(frame)
    }

    /// A connection has no more use for a frame of a prepared message.
    #[inline]
    pub(crate) fn return_prepared(&self, frame: Rc<Waiting>) {
        let is_last = Rc::strong_count(&frame) <= 2 && pool::is_given_up(&frame); // the engine has the other one
        drop(frame);
        if is_last {
            self.forget_prepared();
        }
    }

    #[cold]
    fn forget_prepared(&self) {
        self.prepared.borrow_mut().tidy();
    }

    /// Frees memory that was not needed of late.
    fn tidy(&self) {
        let now = self.time.now();
        if now.wrapping_sub(self.tidied.get()) >= TIDY_AFTER {
            self.tidied.set(now);
            self.chunks.borrow_mut().tidy();
            self.assemblies.borrow_mut().tidy();
            self.prepared.borrow_mut().tidy();
        }
    }

    /// An inflator that knows of no earlier message.
    pub(crate) fn take_inflator(&self, window_bits: u8) -> Box<Inflator> {
        self.codecs.borrow_mut().take_inflator(window_bits)
    }

    /// Takes an inflator back, in any state.
    pub(crate) fn return_inflator(&self, inflator: Box<Inflator>) {
        self.codecs.borrow_mut().return_inflator(inflator);
    }

    /// Takes an inflator back between two messages with context takeover: leaves what the next one may refer to.
    pub(crate) fn park_inflator(&self, inflator: Box<Inflator>) -> History {
        self.codecs.borrow_mut().park_inflator(inflator)
    }

    /// An inflator that goes on where the one that was parked stopped.
    pub(crate) fn resume_inflator(&self, history: History) -> Box<Inflator> {
        self.codecs.borrow_mut().resume_inflator(history)
    }

    /// A compressor that knows of no earlier message.
    pub(crate) fn take_deflator(&self, window_bits: u8) -> Box<Deflator> {
        self.codecs.borrow_mut().take_deflator(window_bits)
    }

    /// Takes a compressor back, in any state.
    pub(crate) fn return_deflator(&self, deflator: Box<Deflator>) {
        self.codecs.borrow_mut().return_deflator(deflator);
    }

    /// Unpredictable bytes for mask keys and nonces (RFC 6455, 5.3 and 10.3).
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], Error> {
        self.random.borrow_mut().bytes()
    }
}
