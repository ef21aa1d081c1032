//! Many connections by one call: whatever is done to them, it is as if each had been called alone.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::c_int;
use std::ptr::{null, null_mut};

use crate::support::*;
use wsengine::capi::ask::*;
use wsengine::capi::config::*;
use wsengine::capi::connection::*;
use wsengine::capi::engine::*;
use wsengine::capi::input::*;
use wsengine::capi::many::*;
use wsengine::capi::metrics::*;
use wsengine::capi::output::*;
use wsengine::capi::prepared::*;
use wsengine::capi::status::ws_status::{self, *};
use wsengine::capi::time::*;
use wsengine::{Config, Connection, Engine, Error, MessageType, Prepared, Recipient};

/// What a random script does; the same for the same seed.
struct Script(u64);

impl Script {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

const SERVERS: usize = 9;
const CLIENT: usize = SERVERS;
const UNOPENED: usize = SERVERS + 1;
/// The last one is NULL.
const PLACES: usize = SERVERS + 3;

/// Two engines, and connections of each kind. Of two worlds one is called connection by connection.
struct World {
    one_by_one: bool,
    engines: [*mut ws_engine; 2],
    conns: [*mut ws_conn; PLACES],
}

/// What a call for many says of one, and what can be written then; of a client, whose mask is random, only how much.
type Told = (ws_status, Vec<u8>);

fn engine(limited: bool) -> *mut ws_engine {
    unsafe {
        let config = ws_config_new();
        if limited {
            assert_eq!(ws_config_set_max_queued_bytes(config, 20_000), WS_OK);
            assert_eq!(ws_config_set_max_connection_bytes(config, 18_000), WS_OK);
            assert_eq!(ws_config_set_max_engine_bytes(config, 40_000), WS_OK);
            assert_eq!(ws_config_set_water_marks(config, 200, 3_000), WS_OK);
        }
        assert_eq!(ws_config_set_compression(config, c_int::from(!limited)), WS_OK);
        assert_eq!(ws_config_set_compression_threshold(config, 100), WS_OK);
        assert_eq!(ws_config_set_context_takeover(config, 1, 1), WS_OK);
        assert_eq!(ws_config_set_write_stall_timeout(config, 900), WS_OK);
        assert_eq!(ws_config_set_ping_interval(config, if limited { 5_000 } else { 500 }), WS_OK);
        assert_eq!(ws_config_set_pong_timeout(config, 600), WS_OK);
        assert_eq!(ws_config_set_idle_timeout(config, 4_000), WS_OK);
        let engine = ws_engine_new(config);
        ws_config_free(config);
        assert_eq!(ws_engine_advance(engine, 0), WS_OK);
        engine
    }
}

impl World {
    fn new(one_by_one: bool) -> World {
        let engines = [engine(true), engine(false)];
        let mut world = World { one_by_one, engines, conns: [null_mut(); PLACES] };
        for place in 0..SERVERS {
            let compression = match place {
                0..5 => "",
                5 | 6 => "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n",
                7 => "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n",
                _ => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
            };
            world.conns[place] = unsafe { ws_conn_new_server(world.engines[usize::from(place > 3)]) };
            world.feed(place, format!("{REQUEST_LINES}{compression}\r\n").as_bytes());
        }
        unsafe {
            let mut request: ws_client_request = std::mem::zeroed();
            (request.struct_size, request.host) = (size_of::<ws_client_request>(), c"localhost".as_ptr());
            assert_eq!(ws_conn_new_client(world.engines[0], &request, &mut world.conns[CLIENT]), WS_OK);
            world.conns[UNOPENED] = ws_conn_new_server(world.engines[1]);
        }
        let mut server = new_server(&Config::new());
        feed(&mut server, &world.take(CLIENT));
        world.feed(CLIENT, &take(&mut server));
        for place in 0..SERVERS {
            world.take(place);
        }
        assert!((0..=CLIENT).all(|place| world.state(place) == ws_state::WS_STATE_OPEN));
        world
    }

    fn state(&self, place: usize) -> ws_state {
        unsafe { ws_conn_state(self.conns[place]) }
    }

    fn feed(&self, place: usize, bytes: &[u8]) {
        unsafe { ws_conn_feed(self.conns[place], bytes.as_ptr().cast(), bytes.len()) };
        self.pull(place);
    }

    fn pull(&self, place: usize) {
        let mut event = unsafe { std::mem::zeroed() };
        while unsafe { ws_conn_next_event(self.conns[place], &mut event) } == WS_OK {}
    }

    fn output(&self, place: usize) -> Vec<u8> {
        let mut slices: [libc::iovec; 64] = unsafe { std::mem::zeroed() };
        let count = unsafe { ws_conn_output(self.conns[place], slices.as_mut_ptr(), 64) };
        let slices = &slices[..usize::try_from(count).unwrap_or(0)];
        let bytes = slices.iter().flat_map(|slice| lent(slice).iter().copied());
        if place == CLIENT { vec![0; bytes.count()] } else { bytes.collect() }
    }

    fn take(&self, place: usize) -> Vec<u8> {
        let mut bytes = vec![0; 200_000];
        let mut len = 0;
        unsafe { ws_conn_output_read(self.conns[place], bytes.as_mut_ptr().cast(), bytes.len(), &mut len) };
        bytes.truncate(len);
        bytes
    }

    fn queue_prepared(&self, places: &[usize], message: *const ws_prepared) -> Vec<Told> {
        if self.one_by_one {
            let queue =
                |&place: &usize| unsafe { (ws_conn_queue_prepared(self.conns[place], message), self.output(place)) };
            return places.iter().map(queue).collect();
        }
        let mut recipients = places.iter().map(|&place| recipient(self.conns[place], 99)).collect::<Vec<_>>();
        let all = unsafe { ws_conns_queue_prepared(recipients.as_mut_ptr(), recipients.len(), message) };
        assert_overall(all, &recipients);
        // What a slice shows is what was there then; what is queued later comes behind it.
        let told = |(recipient, &place): (&ws_recipient, &usize)| {
            assert_eq!((recipient.written, recipient.writable, recipient.reserved), (0, 0, [0; 2]));
            let slice = lent(&recipient.slice);
            assert!(slice.is_empty() || recipient.more == 0);
            let bytes = match recipient.more {
                1 => self.output(place),
                _ if place == CLIENT => vec![0; slice.len()],
                _ => slice.to_vec(),
            };
            assert!(recipient.more == 0 || !bytes.is_empty());
            (recipient.status, bytes)
        };
        recipients.iter().zip(places).map(told).collect()
    }

    fn consume(&self, written: &[(usize, usize)]) -> Vec<(ws_status, bool)> {
        if self.one_by_one {
            let consume = |&(place, count): &(usize, usize)| unsafe {
                (ws_conn_output_consume(self.conns[place], count), ws_conn_has_events(self.conns[place]) == 1)
            };
            return written.iter().map(consume).collect();
        }
        let mut recipients =
            written.iter().map(|&(place, count)| recipient(self.conns[place], count)).collect::<Vec<_>>();
        let all = unsafe { ws_conns_output_consume(recipients.as_mut_ptr(), recipients.len()) };
        assert_overall(all, &recipients);
        recipients.iter().map(|recipient| (recipient.status, recipient.writable == 1)).collect()
    }

    /// Everything that can be asked.
    fn look(&self) -> Vec<(ws_state, usize, c_int, c_int, c_int)> {
        let one = |&conn: &*mut ws_conn| unsafe {
            let (queued, above) = (ws_conn_queued_bytes(conn), ws_conn_above_high_water(conn));
            (ws_conn_state(conn), queued, above, ws_conn_has_events(conn), ws_conn_wants_shutdown(conn))
        };
        self.conns.iter().map(one).collect()
    }

    /// The metrics of both engines, but for random bytes, and their next deadlines.
    fn count(&self) -> Vec<(Vec<u64>, u64)> {
        let count = |&engine: &*mut ws_engine| unsafe {
            let mut metrics: ws_metrics = std::mem::zeroed();
            metrics.struct_size = size_of::<ws_metrics>();
            assert_eq!(ws_metrics_get(engine, &mut metrics), WS_OK);
            let words = std::slice::from_raw_parts((&raw const metrics).cast::<u64>(), size_of::<ws_metrics>() / 8);
            (words.to_vec(), ws_engine_next_deadline(engine))
        };
        self.engines.iter().map(count).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        unsafe {
            self.conns.iter().for_each(|&conn| ws_conn_free(conn));
            self.engines.iter().for_each(|&engine| ws_engine_free(engine));
        }
    }
}

fn recipient(conn: *mut ws_conn, written: usize) -> ws_recipient {
    let slice = libc::iovec { iov_base: null_mut(), iov_len: 99 };
    ws_recipient { conn, slice, written, status: WS_AGAIN, more: 99, writable: 99, reserved: [99; 2] }
}

fn lent(slice: &libc::iovec) -> &[u8] {
    unsafe { std::slice::from_raw_parts(slice.iov_base.cast(), slice.iov_len) }
}

fn assert_overall(all: ws_status, recipients: &[ws_recipient]) {
    match all {
        WS_OK => assert!(recipients.iter().all(|recipient| recipient.status == WS_OK)),
        _ => assert!(recipients.iter().any(|recipient| recipient.status == all)),
    }
}

fn prepare(script: &mut Script) -> *mut ws_prepared {
    let len = script.pick(&[0, 5, 90, 125, 126, 500, 2_000, 3_500, 9_000, 19_000, 70_000]);
    let data = if script.below(4) == 0 { noise(len, 7) } else { vec![b'x'; len] };
    let mut message = null_mut();
    let kind = ws_message_type::WS_MESSAGE_BINARY as c_int - c_int::from(script.below(2) == 0 && data.is_ascii());
    assert_eq!(unsafe { ws_prepared_new(kind, data.as_ptr().cast(), data.len(), &mut message) }, WS_OK);
    message
}

/// Mostly all servers in a row, as a broadcast has them.
fn choose(script: &mut Script) -> Vec<usize> {
    match script.below(4) {
        0 => (0..1 + script.below(12)).map(|_| script.below(PLACES)).collect(),
        1 => (0..4).collect(),
        2 => (4..SERVERS).collect(),
        _ => (0..PLACES).collect(),
    }
}

#[test]
fn it_is_as_if_each_had_been_called_alone() {
    for seed in 1..=60 {
        let script = &mut Script(0x9e37_79b9_7f4a_7c15u64.wrapping_mul(seed));
        let worlds = [World::new(true), World::new(false)];
        let mut messages = [prepare(script), prepare(script)];
        let mut now = 0;
        for step in 0..60 {
            let place = script.below(PLACES - 1);
            let conns = worlds.each_ref().map(|world| world.conns[place]);
            let context = format!("seed {seed}, step {step}");
            match script.below(14) {
                0..5 => {
                    let (places, message) = (choose(script), messages[script.below(2)]);
                    let [alone, many] = worlds.each_ref().map(|world| world.queue_prepared(&places, message));
                    for (at, place) in places.iter().enumerate() {
                        assert_eq!(alone[at].0, many[at].0, "{context}: {place}");
                        if !places[at + 1..].contains(place) {
                            assert!(alone[at].1 == many[at].1, "{context}: {place} has something else to write");
                        }
                    }
                }
                5..8 => {
                    let mut written = Vec::new();
                    for place in choose(script) {
                        let waits = worlds[0].output(place).len();
                        assert_eq!(worlds[1].output(place).len(), waits);
                        written.push((place, script.pick(&[waits, waits, waits, waits / 2, 0, waits + 1])));
                    }
                    let [alone, many] = worlds.each_ref().map(|world| world.consume(&written));
                    for (at, &(place, _)) in written.iter().enumerate() {
                        assert_eq!(alone[at].0, many[at].0, "{context}: {place}");
                        assert!(alone[at].1 || !many[at].1, "{context}: writable, but a pull brings nothing");
                    }
                }
                8 => {
                    now += script.pick(&[1, 100, 300, 700, 3_000]);
                    for world in &worlds {
                        world.engines.iter().for_each(|&engine| _ = unsafe { ws_engine_advance(engine, now) });
                        (0..PLACES - 1).filter(|_| now % 2 == 0).for_each(|place| world.pull(place));
                    }
                }
                9 => unsafe {
                    let data = vec![b'a'; script.pick(&[3, 130, 4_000])];
                    let [one, two] = conns.map(|conn| ws_conn_queue_text(conn, data.as_ptr().cast(), data.len()));
                    assert_eq!(one, two, "{context}");
                },
                10 => unsafe {
                    let close = script.below(6) == 0;
                    let [one, two] = conns.map(|conn| match close {
                        true => ws_conn_queue_close(conn, 1000, null(), 0),
                        false => ws_conn_queue_ping(conn, null(), 0),
                    });
                    assert_eq!(one, two, "{context}");
                },
                11 => {
                    let bytes =
                        script.pick(&[&masked(PING, b"ping")[..], &masked_part(TEXT, b"held")[..4], b"\x89"]).to_vec();
                    worlds.iter().for_each(|world| world.feed(place, &bytes));
                }
                12 => unsafe {
                    let kind = ws_message_type::WS_MESSAGE_BINARY as c_int;
                    let what = script.below(4);
                    let [one, two] = conns.map(|conn| match what {
                        0 => ws_conn_queue_begin(conn, kind),
                        1 => ws_conn_queue_end(conn, b"end".as_ptr().cast(), 3),
                        2 => ws_conn_begin_frame(conn, kind, 10, [0; WS_MAX_HEADER_LEN].as_mut_ptr(), &mut 0),
                        _ => ws_conn_end_frame(conn),
                    });
                    assert_eq!(one, two, "{context}");
                },
                _ => {
                    let message = std::mem::replace(&mut messages[script.below(2)], null_mut());
                    let at = messages.iter().position(|message| message.is_null()).unwrap();
                    unsafe { ws_prepared_free(message) };
                    messages[at] = prepare(script);
                }
            }
            assert_eq!(worlds[0].look(), worlds[1].look(), "{context}");
            assert_eq!(worlds[0].count(), worlds[1].count(), "{context}");
        }
        for place in 0..CLIENT {
            assert!(worlds[0].take(place) == worlds[1].take(place), "seed {seed}: {place}");
        }
        messages.iter().for_each(|&message| unsafe { ws_prepared_free(message) });
    }
}

#[test]
fn what_is_not_there_is_refused() {
    let world = World::new(false);
    let mut list = [recipient(world.conns[0], 5), recipient(null_mut(), 5), recipient(world.conns[1], 5)];
    unsafe {
        assert_eq!(ws_conns_queue_prepared(null_mut(), 0, null()), WS_OK);
        assert_eq!(ws_conns_output_consume(null_mut(), 0), WS_OK);
        assert_eq!(ws_conns_queue_prepared(null_mut(), 1, null()), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conns_output_consume(null_mut(), 1), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conns_queue_prepared(list.as_mut_ptr(), 3, null()), WS_ERR_INVALID_ARGUMENT);
        for one in &list {
            let nothing = (WS_ERR_INVALID_ARGUMENT, 0, 0, 0);
            assert_eq!((one.status, one.slice.iov_len, one.written, one.more), nothing);
        }
        let message = prepare(&mut Script(1));
        assert_eq!(ws_conns_queue_prepared(list.as_mut_ptr(), 3, message), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(list.map(|one| one.status), [WS_OK, WS_ERR_INVALID_ARGUMENT, WS_OK]);
        list.iter_mut().for_each(|one| one.written = one.slice.iov_len);
        assert_eq!(ws_conns_output_consume(list.as_mut_ptr(), 3), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(list.map(|one| one.status), [WS_OK, WS_ERR_INVALID_ARGUMENT, WS_OK]);
        assert_eq!(ws_conn_queued_bytes(world.conns[0]) + ws_conn_queued_bytes(world.conns[1]), 0);
        ws_prepared_free(message);
    }
}

/// The message goes with its last reference, also where that is given up while many connections write it.
/// Each frame that is queued leaves less room for the next: the last one that fits is the same, to the byte.
#[test]
fn the_limit_of_the_engine_is_kept_to_the_byte() {
    let message = Prepared::new(MessageType::Binary, &[1; 300]).unwrap();
    for limit in 4_096..4_096 + 2 * 304 {
        let mut config = Config::new();
        config.set_max_engine_bytes(limit).unwrap();
        let engines = [Engine::new(&config), Engine::new(&config)];
        let mut servers = engines.each_ref().map(|engine| (0..20).map(|_| open_on(engine)).collect::<Vec<_>>());
        let alone = servers[0].iter_mut().map(|server| server.outbound().queue_prepared(&message)).collect::<Vec<_>>();
        let mut recipients = servers[1].iter_mut().map(Recipient::new).collect::<Vec<_>>();
        message.queue_to(&mut recipients);
        assert_eq!(recipients.iter().map(|recipient| recipient.result).collect::<Vec<_>>(), alone, "{limit}");
        assert!(alone[0].is_ok() && alone[19].is_err());
    }
}

/// Output that had to wait and is taken at last is a sign of life: the peer is not late with its pong.
#[test]
fn what_is_taken_late_shows_that_the_peer_is_there() {
    let mut config = Config::new();
    config.set_ping_interval(1_000).and_then(|config| config.set_pong_timeout(100)).unwrap();
    let engine = Engine::new(&config);
    engine.advance(0);
    let mut servers = (0..3).map(|_| open_on(&engine)).collect::<Vec<_>>();
    engine.advance(1_000);
    for server in &mut servers {
        pull(server);
        assert_eq!(take(server)[0], 0x80 | PING);
    }
    let message = Prepared::new(MessageType::Text, b"to all").unwrap();
    let mut recipients = servers.iter_mut().map(Recipient::new).collect::<Vec<_>>();
    engine.advance(1_050);
    message.queue_to(&mut recipients);
    engine.advance(1_070);
    recipients.iter_mut().for_each(|recipient| recipient.written = plain(TEXT, b"to all").len());
    Recipient::consume_written(&mut recipients);
    for (now, events) in [(1_169, 0), (1_170, 1)] {
        engine.advance(now);
        assert_eq!(servers.iter_mut().map(|server| pull(server).len()).collect::<Vec<_>>(), [events; 3], "{now}");
    }
}

#[test]
fn a_connection_with_room_again_is_told_of() {
    let world = World::new(false);
    let mut message = null_mut();
    let data = [0; 5_000];
    let mut list = [recipient(world.conns[0], 0), recipient(world.conns[4], 0)];
    unsafe {
        assert_eq!(ws_prepared_new(2, data.as_ptr().cast(), data.len(), &mut message), WS_OK);
        assert_eq!(ws_conns_queue_prepared(list.as_mut_ptr(), 2, message), WS_OK);
        ws_prepared_free(message);
        assert_eq!([0, 4].map(|place| ws_conn_above_high_water(world.conns[place])), [1, 0]);
        for one in &mut list {
            assert_eq!(lent(&one.slice), plain(BINARY, &data));
            one.written = one.slice.iov_len;
        }
        assert_eq!(ws_conns_output_consume(list.as_mut_ptr(), 2), WS_OK);
        assert_eq!(list.map(|one| one.writable), [1, 0]);
        let mut event: ws_event = std::mem::zeroed();
        assert_eq!(ws_conn_next_event(world.conns[0], &mut event), WS_OK);
        assert_eq!(event.r#type, ws_event_type::WS_EVENT_WRITABLE);
    }
}

/// The same in Rust.
#[test]
fn recipients() {
    let engine = Engine::default();
    let mut servers = (0..3).map(|_| open_on(&engine)).collect::<Vec<Connection>>();
    let mut client = open_client();
    servers[1].outbound().queue_close(Some(1000), "").unwrap();
    let message = Prepared::new(MessageType::Text, b"to all").unwrap();
    let all = servers.iter_mut().chain([&mut client]);
    let mut recipients = all.map(Recipient::new).collect::<Vec<_>>();
    message.queue_to(&mut recipients);
    for (at, recipient) in recipients.iter_mut().enumerate() {
        match at {
            1 => assert!(matches!(recipient.result, Err(Error::State(_)))),
            _ => assert_eq!(recipient.result, Ok(())),
        }
        if at % 2 == 0 {
            assert_eq!(recipient.connection.output().collect::<Vec<_>>(), [plain(TEXT, b"to all")]);
        }
        recipient.written = recipient.connection.outbound().queued_bytes();
    }
    assert_eq!(engine.metrics().messages_out, [2, 0]);
    recipients[2].written += 1;
    Recipient::consume_written(&mut recipients);
    assert!(matches!(recipients[2].result, Err(Error::InvalidArgument(_))));
    let waits = recipients.iter_mut().map(|recipient| recipient.connection.outbound().queued_bytes());
    assert_eq!(waits.collect::<Vec<_>>(), [0, 0, plain(TEXT, b"to all").len(), 0]);
    assert_eq!(engine.metrics().queued_bytes, plain(TEXT, b"to all").len() as u64);
}
