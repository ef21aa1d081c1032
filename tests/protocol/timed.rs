//! A connection in virtual time: what the tests of time share.

use crate::support::*;
use wsengine::{Config, Connection, Engine};

pub const SECOND: u64 = 1000;
/// Hosts' clocks start anywhere.
pub const START: u64 = 1_000_000_007;

/// A connection and its engine, whose time is told in milliseconds from the beginning.
pub struct Timed {
    pub engine: Engine,
    pub conn: Connection,
}

/// Every deadline off.
pub fn off() -> Config {
    let mut config = Config::new();
    config.set_handshake_timeout(0).unwrap();
    config.set_ping_interval(0).unwrap();
    config.set_pong_timeout(0).unwrap();
    config.set_idle_timeout(0).unwrap();
    config.set_close_timeout(0).unwrap();
    config.set_write_stall_timeout(0).unwrap();
    config.set_max_lifetime(0).unwrap();
    config
}

pub fn with(set: impl FnOnce(&mut Config)) -> Config {
    let mut config = off();
    set(&mut config);
    config
}

pub fn heartbeat() -> Config {
    with(|config| {
        config.set_ping_interval(30_000).unwrap();
        config.set_pong_timeout(10_000).unwrap();
    })
}

impl Timed {
    pub fn server(config: &Config) -> Timed {
        let engine = Engine::new(config);
        engine.advance(START);
        let conn = Connection::server(&engine);
        Timed { engine, conn }
    }

    pub fn open(config: &Config) -> Timed {
        let mut timed = Timed::server(config);
        assert_eq!(timed.feed(format!("{REQUEST_LINES}\r\n").as_bytes()), [Seen::Open(None)]);
        assert!(!take(&mut timed.conn).is_empty());
        timed
    }

    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Seen> {
        feed(&mut self.conn, bytes)
    }

    /// Goes to a time, as a host with one timer does: by way of every deadline. The events that time brings.
    pub fn go_to(&mut self, ms: u64) -> Vec<Seen> {
        let mut events = Vec::new();
        let mut rounds = 0;
        while let Some(next) = self.engine.next_deadline().filter(|&next| next <= START + ms) {
            self.engine.advance(next);
            loop {
                rounds += 1;
                assert!(rounds < 10_000, "handed out again and again, or a deadline in the past is left behind");
                if self.engine.next_due().is_none() {
                    break;
                }
                events.extend(pull(&mut self.conn));
            }
        }
        self.engine.advance(START + ms);
        assert_eq!(self.engine.next_due(), None, "next_deadline was not the next");
        events
    }

    /// The time of the next output, and the output.
    pub fn next_output(&mut self, until: u64) -> Option<(u64, Vec<u8>)> {
        assert_eq!(self.conn.outbound().queued_bytes(), 0);
        while let Some(next) = self.engine.next_deadline().filter(|&next| next <= START + until) {
            assert_eq!(self.go_to(next - START), []);
            if self.conn.outbound().queued_bytes() > 0 {
                return Some((next - START, take(&mut self.conn)));
            }
        }
        None
    }

    /// Goes to the next ping, takes it, and returns its time and payload.
    pub fn next_ping(&mut self) -> (u64, [u8; 4]) {
        let (at, output) = self.next_output(10_000 * SECOND).expect("a ping");
        let payload: [u8; 4] = output[2..].try_into().expect("four bytes");
        assert_eq!(output, plain(PING, &payload));
        (at, payload)
    }
}

pub fn ended(code: u16) -> Seen {
    Seen::failed(code)
}
