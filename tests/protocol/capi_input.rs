//! Input through the C ABI: memory that the host lends and lends on, with guards around it; memory that the engine
//! lends; events in batches.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::{CStr, c_void};
use std::ptr::{dangling_mut, null, null_mut};

use crate::capi::{Server, data};
use crate::support::*;
use proptest::prelude::*;
use wsengine::capi::ask::*;
use wsengine::capi::config::*;
use wsengine::capi::engine::*;
use wsengine::capi::handshake::*;
use wsengine::capi::input::*;
use wsengine::capi::metrics::*;
use wsengine::capi::output::*;
use wsengine::capi::status::ws_status::{self, *};
use wsengine::capi::time::*;

/// Memory of the host's with guards on both sides.
struct Memory {
    bytes: Vec<u8>,
}

const GUARD: usize = 64;

impl Memory {
    fn new(bytes: &[u8]) -> Memory {
        Memory { bytes: [&[0xee; GUARD], bytes, &[0xee; GUARD]].concat() }
    }

    fn lend(&mut self, server: &Server) -> ws_status {
        let len = self.bytes.len() - 2 * GUARD;
        unsafe { ws_conn_feed_mut(server.conn, self.bytes[GUARD..].as_mut_ptr().cast(), len) }
    }

    fn is_inside(&self, event: &ws_event) -> bool {
        let range = self.bytes[GUARD..self.bytes.len() - GUARD].as_ptr_range();
        range.contains(&event.data.cast()) && event.data.addr() + event.len <= range.end.addr()
    }

    /// It is the host's again.
    fn overwrite(&mut self) {
        let end = self.bytes.len() - GUARD;
        assert!(self.bytes[..GUARD] == [0xee; GUARD] && self.bytes[end..] == [0xee; GUARD], "touched around it");
        self.bytes.fill(0xa5);
    }
}

fn recv_buffer(server: &Server, min: usize) -> (ws_status, *mut c_void, usize) {
    let (mut buffer, mut capacity) = (dangling_mut(), 7);
    let status = unsafe { ws_conn_recv_buffer(server.conn, min, &mut buffer, &mut capacity) };
    (status, buffer, capacity)
}

fn receive(server: &Server, bytes: &[u8]) {
    let (status, buffer, capacity) = recv_buffer(server, bytes.len());
    assert!(status == WS_OK && capacity >= bytes.len());
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast(), bytes.len());
        assert_eq!(ws_conn_commit(server.conn, bytes.len()), WS_OK);
    }
}

/// An event that has outlived its views: type, bytes, code, detail.
type Kept = (ws_event_type, Vec<u8>, u16, String);

fn keep(event: &ws_event) -> Kept {
    let detail = unsafe { CStr::from_ptr(event.detail) }.to_str().unwrap().to_owned();
    (event.r#type, data(event).to_vec(), event.close_code, detail)
}

/// One batch: all of its events are read only when all of them are there.
fn next_events(server: &Server, capacity: usize) -> (ws_status, Vec<ws_event>) {
    let mut events: Vec<ws_event> = vec![unsafe { std::mem::zeroed() }; capacity + 1];
    events[capacity].len = 77;
    let mut count = 99;
    let status = unsafe { ws_conn_next_events(server.conn, events.as_mut_ptr(), capacity, &mut count) };
    assert!(count <= capacity && (status == WS_OK) == (count > 0), "{status:?} with {count} of {capacity}");
    assert_eq!(events[capacity].len, 77, "written behind the room");
    events.truncate(count);
    (status, events)
}

/// Every batch until there is nothing more.
fn batches(server: &Server, capacity: usize) -> Vec<Vec<Kept>> {
    let mut all = Vec::new();
    loop {
        let (status, events) = next_events(server, capacity);
        if status != WS_OK {
            assert_eq!(status, WS_AGAIN);
            return all;
        }
        all.push(events.iter().map(keep).collect());
    }
}

fn one_by_one(server: &Server) -> Vec<Kept> {
    let mut all = Vec::new();
    loop {
        let (status, event) = server.next();
        if status == WS_AGAIN {
            return all;
        }
        assert_eq!(status, WS_OK);
        all.push(keep(&event));
    }
}

fn text(text: &str) -> Kept {
    (ws_event_type::WS_EVENT_TEXT, text.into(), 0, String::new())
}

#[test]
fn arguments() {
    let server = Server::open_with(null());
    let (mut event, mut count, mut buffer, mut capacity) = (unsafe { std::mem::zeroed() }, 9, dangling_mut(), 9);
    unsafe {
        assert_eq!(ws_conn_feed_mut(null_mut(), null_mut(), 0), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_feed_mut(server.conn, null_mut(), 1), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_feed_mut(server.conn, null_mut(), 0), WS_OK);
        assert_eq!(ws_conn_feed_mut(server.conn, dangling_mut(), usize::MAX), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_has_events(server.conn), 0, "nothing was given");

        assert_eq!(ws_conn_recv_buffer(null_mut(), 0, &mut buffer, &mut capacity), WS_ERR_INVALID_ARGUMENT);
        assert!(buffer.is_null() && capacity == 0, "cleared");
        assert_eq!(ws_conn_recv_buffer(server.conn, 0, null_mut(), &mut capacity), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_recv_buffer(server.conn, 0, &mut buffer, null_mut()), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_commit(server.conn, 0), WS_ERR_STATE, "nothing was lent");
        assert_eq!(ws_conn_commit(null_mut(), 0), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(recv_buffer(&server, (16 << 20) + 1), (WS_ERR_INVALID_ARGUMENT, null_mut(), 0));

        assert_eq!(ws_conn_next_events(null_mut(), &mut event, 1, &mut count), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(count, 0, "cleared");
        assert_eq!(server.feed(&masked(TEXT, b"x")), WS_OK);
        assert_eq!(ws_conn_next_events(server.conn, &mut event, 1, null_mut()), WS_ERR_INVALID_ARGUMENT);
        for (events, room) in [(null_mut(), 1), (&raw mut event, 0)] {
            count = 9;
            assert_eq!(ws_conn_next_events(server.conn, events, room, &mut count), WS_ERR_INVALID_ARGUMENT);
            assert_eq!(count, 0);
        }
        assert_eq!(batches(&server, 1), [[text("x")]], "nothing was lost");
    }
}

#[test]
fn the_order_of_calls() {
    let server = Server::open_with(null());
    let frame = masked(TEXT, b"x");
    let mut memory = Memory::new(&frame);
    let refused = |status: ws_status| {
        assert_eq!(server.feed(&frame), status);
        assert_eq!(Memory::new(&frame).lend(&server), status);
        assert_eq!(recv_buffer(&server, 0), (status, null_mut(), 0));
    };
    assert_eq!(memory.lend(&server), WS_OK);
    refused(WS_ERR_INPUT_PENDING);
    assert_eq!(keep(&server.next().1), text("x"));
    refused(WS_ERR_INPUT_PENDING);
    assert_eq!(server.next().0, WS_AGAIN);

    let (status, _, capacity) = recv_buffer(&server, 0);
    assert_eq!((status, capacity), (WS_OK, 512 * 1024));
    unsafe {
        assert_eq!(ws_conn_commit(server.conn, capacity + 1), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_commit(server.conn, 0), WS_OK);
        assert_eq!(ws_conn_commit(server.conn, 0), WS_ERR_STATE);
        assert_eq!(ws_conn_has_events(server.conn), 0);
        recv_buffer(&server, 0);
        assert_eq!(memory.lend(&server), WS_OK);
        assert_eq!(ws_conn_commit(server.conn, 1), WS_ERR_STATE, "the next input call ended it");
        one_by_one(&server);
        recv_buffer(&server, 0);
        assert_eq!(server.next().0, WS_AGAIN);
        assert_eq!(ws_conn_commit(server.conn, 1), WS_ERR_STATE, "a pull ended it");
        recv_buffer(&server, 0);
        assert_eq!(ws_conn_feed_eof(server.conn), WS_OK);
        assert_eq!(ws_conn_commit(server.conn, 1), WS_ERR_STATE, "the end of input ended it");
    }
    refused(WS_ERR_STATE);
}

/// What the host lent is its own again from WS_AGAIN on, whatever is left of it, and what lies around it always.
#[test]
fn nothing_but_what_was_lent_is_touched() {
    let frames = [
        masked(TEXT, "多字节".as_bytes()),
        masked_part(TEXT, b"one "),
        masked(PING, b"between"),
        masked(CONTINUATION, b"two"),
        masked(BINARY, &noise(1_000, 1)),
        masked(PONG, b""),
        masked(TEXT, b"\xff"),
    ]
    .concat();
    let whole = Server::open_with(null());
    whole.feed(&frames);
    let expected = one_by_one(&whole);
    assert_eq!(expected.last().unwrap().2, 1007);
    for at in 0..=frames.len() {
        for capacity in [0, 1, 3] {
            let server = Server::open_with(null());
            let mut events = Vec::new();
            for piece in [&frames[..at], &frames[at..]] {
                let mut memory = Memory::new(piece);
                assert_eq!(memory.lend(&server), WS_OK);
                events.extend(match capacity {
                    0 => one_by_one(&server),
                    _ => batches(&server, capacity).concat(),
                });
                memory.overwrite();
            }
            assert_eq!(events, expected, "cut at {at}, batches of {capacity}");
            assert_eq!(server.take(), whole_output(&frames), "cut at {at}");
        }
    }
}

fn whole_output(frames: &[u8]) -> Vec<u8> {
    let mut server = open_server();
    feed(&mut server, frames);
    take(&mut server)
}

#[test]
fn events_point_into_what_was_lent() {
    let server = Server::open_with(null());
    let mut memory = Memory::new(&[masked(TEXT, b"one"), masked(BINARY, &[7; 300])].concat());
    assert_eq!(memory.lend(&server), WS_OK);
    let (_, events) = next_events(&server, 4);
    assert!(events.len() == 2 && events.iter().all(|event| memory.is_inside(event)));
    assert_eq!(data(&events[1]), [7; 300]);
    assert_eq!(server.next().0, WS_AGAIN);

    server.feed(&masked(TEXT, b"one"));
    let (_, event) = server.next();
    assert!(!memory.is_inside(&event), "that was copied");
}

/// What waits behind a request, and while the host does not read, is copied before the host has its memory back.
#[test]
fn what_is_left_of_it_is_copied() {
    let frames = [masked(TEXT, b"one"), masked(PING, b"two"), masked(BINARY, &[3; 300])].concat();
    unsafe {
        let config = ws_config_new();
        assert_eq!(ws_config_set_manual_accept(config, 1), WS_OK);
        assert_eq!(ws_config_set_water_marks(config, 100, 1_000), WS_OK);
        let server = Server::new(config);
        ws_config_free(config);
        let head = format!("{REQUEST_LINES}\r\n").into_bytes();
        let mut memory = Memory::new(&[&head, &frames[..5]].concat());
        assert_eq!(memory.lend(&server), WS_OK);
        assert_eq!(batches(&server, 8).concat()[0].0, ws_event_type::WS_EVENT_REQUEST);
        memory.overwrite();
        let mut memory = Memory::new(&frames[5..]);
        assert_eq!(memory.lend(&server), WS_OK);
        assert!(batches(&server, 8).is_empty());
        memory.overwrite();
        assert_eq!(ws_conn_accept(server.conn, null(), null(), 0), WS_OK);
        let events = batches(&server, 8).concat();
        assert_eq!((events.len(), &events[1], &events[3].1[..]), (4, &text("one"), &[3; 300][..]));

        assert_eq!(ws_conn_set_reading(server.conn, 0), WS_OK);
        assert_eq!(ws_conn_queue_binary(server.conn, [0; 2_000].as_ptr().cast(), 2_000), WS_OK);
        let mut memory = Memory::new(&frames);
        assert_eq!(memory.lend(&server), WS_OK);
        assert!(batches(&server, 8).is_empty(), "held back");
        memory.overwrite();
        assert_eq!(server.feed(b"x"), WS_ERR_INPUT_PENDING);
        server.take();
        let events = batches(&server, 8).concat();
        assert_eq!((events.len(), &events[0], &events[2].1[..]), (4, &text("one"), &[3; 300][..]));
    }
}

/// All events of a batch are there together; none of them is anything but a whole message, unless it is the only one.
#[test]
fn a_batch_is_of_whole_messages() {
    let messages = (0..20).map(|i| masked(if i % 3 == 0 { BINARY } else { TEXT }, format!("message {i}").as_bytes()));
    let messages = messages.collect::<Vec<_>>().concat();
    for others in [
        masked(PING, b"ping"),
        [masked_part(TEXT, b"frag"), masked(CONTINUATION, b"ments")].concat(),
        masked(PONG, b""),
        masked(TEXT, b""),
    ] {
        let stream = [&messages[..], &others, &messages].concat();
        for capacity in [1, 2, 7, 20, 100] {
            for way in 0..3 {
                let server = Server::open_with(null());
                let mut memory = Memory::new(&stream);
                match way {
                    0 => assert_eq!(server.feed(&stream), WS_OK),
                    1 => assert_eq!(memory.lend(&server), WS_OK),
                    _ => receive(&server, &stream),
                }
                let batches = batches(&server, capacity);
                let is_message =
                    |kept: &Kept| matches!(kept.0, ws_event_type::WS_EVENT_TEXT | ws_event_type::WS_EVENT_BINARY);
                assert!(batches.iter().all(|batch| batch.len() == 1 || batch.iter().all(is_message)));
                assert_eq!(batches[0].len(), capacity.min(if others == masked(TEXT, b"") { 41 } else { 20 }));
                let single = Server::open_with(null());
                single.feed(&stream);
                assert_eq!(batches.concat(), one_by_one(&single));
                assert_eq!(batches.concat().len(), 41);
            }
        }
    }
}

/// What breaks a rule comes with the next batch, so that what came before it is answered first.
#[test]
fn the_end_comes_behind_the_answers() {
    let good = [masked(TEXT, b"one"), masked(TEXT, b"two")].concat();
    for (bad, code) in [
        (masked(TEXT, b"\xff"), 1007_u16),
        (plain(TEXT, b"x"), 1002),
        (masked(3, b""), 1002),
        (masked(CONTINUATION, b""), 1002),
        (masked(CLOSE, &close_payload(4000, "")), 4000),
    ] {
        let stream = [&good[..], &bad].concat();
        let single = Server::open_with(null());
        single.feed(&stream);
        let expected = one_by_one(&single);
        for lends in [false, true] {
            let server = Server::open_with(null());
            let mut memory = Memory::new(&stream);
            assert_eq!(if lends { memory.lend(&server) } else { server.feed(&stream) }, WS_OK);
            let (_, events) = next_events(&server, 16);
            assert_eq!(events.iter().map(keep).collect::<Vec<_>>(), expected[..2]);
            assert_eq!(unsafe { ws_conn_state(server.conn) }, ws_state::WS_STATE_OPEN);
            for event in &events {
                assert_eq!(unsafe { ws_conn_queue_text(server.conn, event.data.cast(), event.len) }, WS_OK);
            }
            assert_eq!(events.iter().map(keep).collect::<Vec<_>>(), expected[..2], "answers end no views");
            let (_, end) = next_events(&server, 16);
            assert_eq!(end.iter().map(keep).collect::<Vec<_>>(), expected[2..]);
            assert_eq!((end[0].r#type, end[0].close_code), (ws_event_type::WS_EVENT_CLOSE, code));
            assert_eq!(next_events(&server, 16).0, WS_AGAIN);
            let answers = [plain(TEXT, b"one"), plain(TEXT, b"two"), plain(CLOSE, &code.to_be_bytes())].concat();
            assert_eq!(server.take(), answers);
        }
    }
}

/// A host that stops reading behind a batch: nothing more comes until there is room.
#[test]
fn batches_are_held_back() {
    unsafe {
        let config = ws_config_new();
        assert_eq!(ws_config_set_water_marks(config, 100, 1_000), WS_OK);
        let server = Server::open_with(config);
        ws_config_free(config);
        let messages = (0..10).flat_map(|i| masked(BINARY, &[i; 400])).collect::<Vec<_>>();
        let mut memory = Memory::new(&messages);
        assert_eq!(memory.lend(&server), WS_OK);
        let mut echoed = 0;
        while echoed < 10 {
            let (status, events) = next_events(&server, 4);
            assert_eq!((status, events.len()), (WS_OK, 4.min(10 - echoed)));
            for event in &events {
                assert_eq!(data(event), [echoed as u8; 400]);
                assert_eq!(ws_conn_queue_binary(server.conn, event.data.cast(), event.len), WS_OK);
                echoed += 1;
            }
            assert_eq!(ws_conn_set_reading(server.conn, 0), WS_OK);
            if ws_conn_above_high_water(server.conn) == 1 {
                let others = batches(&server, 4).concat();
                assert!(others.iter().all(|event| event.0 == ws_event_type::WS_EVENT_WRITABLE), "{others:?}");
                assert_eq!(ws_conn_has_events(server.conn), 0);
                memory.overwrite();
                memory = Memory::new(b"");
                server.take();
            }
        }
    }
}

fn counters(engine: *mut ws_engine) -> String {
    unsafe {
        let mut metrics: ws_metrics = std::mem::zeroed();
        metrics.struct_size = size_of::<ws_metrics>();
        assert_eq!(ws_metrics_get(engine, &mut metrics), WS_OK);
        let (list, mut text, mut len) = ([&raw const metrics], vec![0; 64 * 1024], 0);
        let capacity = text.len();
        assert_eq!(ws_metrics_render(list.as_ptr(), 1, text.as_mut_ptr().cast(), capacity, &mut len), WS_OK);
        String::from_utf8(text[..len].to_vec()).unwrap()
    }
}

fn any_frames() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        "\\PC{0,30}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..40),
        (120..140usize).prop_map(|len| vec![b'x'; len]),
    ];
    let first = prop_oneof![
        8 => prop_oneof![Just(0x81u8), Just(0x82)],
        3 => prop_oneof![Just(0x01u8), Just(0x80), Just(0x00), Just(0x89), Just(0x8a)],
        1 => any::<u8>(),
    ];
    let frame = (first, payload).prop_map(|(first, payload)| {
        let len = if first & 8 != 0 { payload.len().min(125) } else { payload.len() };
        raw_frame(first, &payload[..len], Some(KEY))
    });
    proptest::collection::vec(frame, 0..20).prop_map(|frames| frames.concat())
}

proptest! {
    /// Batches of any size, by any way in, over any cuts: the same events, output and counters.
    #[test]
    fn batches_mean_the_same_as_single_events(
        stream in any_frames(),
        sizes in proptest::collection::vec((1..300usize, 0..3u8, 1..9usize), 1..10),
        max in prop_oneof![Just(1_000u64), Just(125)],
    ) {
        let run = |batched: bool| unsafe {
            let config = ws_config_new();
            assert_eq!(ws_config_set_max_message_size(config, max), WS_OK);
            let engine = ws_engine_new(config);
            ws_config_free(config);
            let server = Server { conn: wsengine::capi::connection::ws_conn_new_server(engine) };
            server.feed(format!("{REQUEST_LINES}\r\n").as_bytes());
            let mut events = one_by_one(&server);
            let (mut rest, mut output) = (&stream[..], Vec::new());
            for &(size, way, capacity) in sizes.iter().cycle() {
                let (piece, behind) = rest.split_at(rest.len().min(size));
                let mut memory = Memory::new(piece);
                match way {
                    1 if batched => assert_eq!(memory.lend(&server), WS_OK),
                    2 if batched => receive(&server, piece),
                    _ => assert_eq!(server.feed(piece), WS_OK),
                }
                events.extend(if batched { batches(&server, capacity).concat() } else { one_by_one(&server) });
                memory.overwrite();
                output.extend(server.take());
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            let counters = counters(engine);
            ws_engine_free(engine);
            (events, output, counters)
        };
        prop_assert_eq!(run(true), run(false));
    }
}
