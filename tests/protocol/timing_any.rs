//! Any deadlines, any order of what happens: a host with one timer never spins, and every connection ends once.

use proptest::prelude::*;

use crate::support::*;
use wsengine::{Config, Connection, Engine, Event, State};

#[derive(Debug, Clone)]
enum Step {
    Advance(u64),
    AdvanceToNext,
    Feed(Vec<u8>),
    Eof,
    Queue,
    Close,
    Take(usize),
    Reading(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let input = prop_oneof![
        Just(masked(TEXT, b"text")),
        Just(masked_part(BINARY, b"part")),
        Just(masked(PING, b"ping")),
        Just(masked(PONG, b"pong")),
        Just(masked(TEXT, b"text")[..3].to_vec()),
        Just(masked(CLOSE, b"")),
        Just(format!("{REQUEST_LINES}\r\n").into_bytes()),
    ];
    prop_oneof![
        4 => prop_oneof![0..5u64, 0..2_000u64, 0..100_000u64].prop_map(Step::Advance),
        8 => Just(Step::AdvanceToNext),
        4 => input.prop_map(Step::Feed),
        1 => Just(Step::Eof),
        3 => Just(Step::Queue),
        1 => Just(Step::Close),
        4 => prop_oneof![Just(1), Just(usize::MAX)].prop_map(Step::Take),
        2 => any::<bool>().prop_map(Step::Reading),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    let timeout = || prop_oneof![Just(0), 1..10u32, 1..2_000u32, 1..60_000u32];
    (any::<bool>(), prop::collection::vec(timeout(), 7)).prop_map(|(manual, ms)| {
        let mut config = Config::new();
        config.set_manual_accept(manual);
        config.set_handshake_timeout(ms[0]).unwrap();
        config.set_ping_interval(ms[1]).unwrap();
        config.set_pong_timeout(ms[2]).unwrap();
        config.set_idle_timeout(ms[3]).unwrap();
        config.set_close_timeout(ms[4]).unwrap();
        config.set_write_stall_timeout(ms[5]).unwrap();
        config.set_max_lifetime(ms[6]).unwrap();
        config
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_host_never_spins(
        config in config(),
        opens in any::<bool>(),
        client in any::<bool>(),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let engine = Engine::new(&config);
        let mut now = 77;
        engine.advance(now);
        let mut conn = if client {
            Connection::client(&engine, &client_request()).unwrap()
        } else {
            Connection::server(&engine)
        };
        let mut closes = 0;
        let mut drain = |conn: &mut Connection| {
            while let Some(event) = conn.next_event() {
                closes += usize::from(matches!(event, Event::Close(_)));
            }
            prop_assert!(closes <= 1);
            prop_assert_eq!(closes == 1, conn.state() == State::Closed);
            Ok(())
        };
        if opens {
            let _ = conn.feed(format!("{REQUEST_LINES}\r\n").as_bytes());
            drain(&mut conn)?;
        }
        for step in steps {
            let was_hopeless = conn.wants_abort();
            match step {
                Step::Advance(by) => now += by,
                Step::AdvanceToNext => now = engine.next_deadline().unwrap_or(now),
                Step::Feed(bytes) => {
                    let _ = conn.feed(&bytes); // refused after the end of input
                    drain(&mut conn)?;
                }
                Step::Eof => {
                    conn.feed_eof();
                    drain(&mut conn)?;
                }
                Step::Queue => drop(conn.outbound().queue_text(b"text")),
                Step::Close => {
                    let _ = conn.outbound().queue_close(Some(1000), "");
                }
                Step::Take(count) => {
                    let count = count.min(conn.outbound().queued_bytes());
                    conn.outbound().output_consume(count).unwrap();
                }
                Step::Reading(enabled) => conn.set_reading(enabled),
            }
            engine.advance(now);
            // Two things may be due at one time, each of which takes a pull.
            for round in 0.. {
                if engine.next_due().is_none() {
                    break;
                }
                prop_assert!(round < 3, "handed out again and again");
                drain(&mut conn)?;
            }
            prop_assert!(engine.next_deadline().is_none_or(|next| next > now), "a deadline in the past is left behind");
            prop_assert!(!was_hopeless || conn.wants_abort());
        }

        // A host that does what it is told to sees the end of every connection that has an end.
        conn.set_reading(false);
        for _ in 0..10_000 {
            let Some(next) = engine.next_deadline().filter(|_| !conn.wants_abort()) else { break };
            engine.advance(next);
            if engine.next_due().is_some() {
                drain(&mut conn)?;
            }
        }
        if conn.state() == State::Closed {
            prop_assert!(conn.wants_abort() || engine.next_deadline().is_none());
        }
    }
}
