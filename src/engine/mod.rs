//! What the connections of one event loop share: settings, buffers, randomness.

pub(crate) mod metrics;
mod pool;
mod random;

use std::cell::RefCell;
use std::rc::Rc;

use crate::config::Config;
use crate::connection::{MAX_KEPT, Work};
use crate::error::Error;
use metrics::{Metrics, MetricsSnapshot};
use pool::Pool;
use random::RandomSource;

/// One per event loop. Connections that are made from it keep alive what they need of it.
pub struct Engine {
    shared: Rc<Shared>,
}

impl Engine {
    /// An engine with these settings.
    pub fn new(config: &Config) -> Engine {
        Engine {
            shared: Rc::new(Shared {
                config: config.clone(),
                works: RefCell::new(Pool::new(MAX_POOLED)),
                inputs: RefCell::new(Pool::new(MAX_POOLED)),
                chunks: RefCell::new(Pool::new(MAX_POOLED_CHUNKS)),
                random: RefCell::new(RandomSource::new()),
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

impl Default for Engine {
    fn default() -> Engine {
        Engine::new(&Config::default())
    }
}

/// In a drain loop one connection after the other has bytes in flight, so few buffers serve many connections.
const MAX_POOLED: usize = 16;
const MAX_POOLED_CHUNKS: usize = 64;

/// The capacity of an output chunk: small frames lie side by side in one, so that a drain is one write.
pub(crate) const CHUNK_SIZE: usize = 16 * 1024;

pub(crate) struct Shared {
    pub(crate) config: Config,
    works: RefCell<Pool<Box<Work>>>,
    inputs: RefCell<Pool<Vec<u8>>>,
    chunks: RefCell<Pool<Vec<u8>>>,
    random: RefCell<RandomSource>,
    pub(crate) metrics: Metrics,
}

impl Shared {
    /// An empty work area, borrowed while a connection has bytes in flight.
    pub(crate) fn take_work(&self) -> Box<Work> {
        self.works.borrow_mut().take().unwrap_or_default()
    }

    /// Takes an idle work area back.
    pub(crate) fn return_work(&self, mut work: Box<Work>) {
        self.metrics.held_input(std::mem::take(&mut work.held), 0);
        work.release_input(self);
        work.reset();
        self.works.borrow_mut().put(work);
    }

    /// An empty buffer for input.
    pub(crate) fn take_input(&self) -> Vec<u8> {
        self.inputs.borrow_mut().take().unwrap_or_default()
    }

    /// Takes an input buffer back; a large one is freed.
    pub(crate) fn return_input(&self, mut input: Vec<u8>) {
        if (1..=MAX_KEPT).contains(&input.capacity()) {
            input.clear();
            self.inputs.borrow_mut().put(input);
        }
    }

    /// An empty output chunk of [`CHUNK_SIZE`].
    pub(crate) fn take_chunk(&self) -> Vec<u8> {
        self.chunks.borrow_mut().take().unwrap_or_else(|| Vec::with_capacity(CHUNK_SIZE))
    }

    /// Takes a chunk back; one of another size is freed.
    pub(crate) fn return_chunk(&self, mut chunk: Vec<u8>) {
        if chunk.capacity() == CHUNK_SIZE {
            chunk.clear();
            self.chunks.borrow_mut().put(chunk);
        }
    }

    /// Unpredictable bytes for mask keys and nonces (RFC 6455, 5.3 and 10.3).
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], Error> {
        self.random.borrow_mut().bytes()
    }
}
