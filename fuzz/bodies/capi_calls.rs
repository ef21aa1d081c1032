//! The bytes are a program of C API calls: on several engines and connections, in any order, with what one connection
//! says carried to another. Under a memory sanitizer this also shows that nothing lent is used after its time.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::{CStr, c_int};
use std::ptr::{null, null_mut};

use super::capi_model::Conn;
use wsengine::capi::config::*;
use wsengine::capi::connection::*;
use wsengine::capi::engine::*;
use wsengine::capi::sniff::ws_sniff;
use wsengine::capi::status::ws_status::*;
use wsengine::capi::status::{ws_strerror, ws_version};

const ENGINES: usize = 3;
const CONNECTIONS: usize = 6;

/// The bytes as a program reads them; zeros behind their end.
struct Program<'a>(&'a [u8]);

impl<'a> Program<'a> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                byte
            }
            None => 0,
        }
    }

    fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Bytes, as many as the next one says.
    fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }
}

struct World {
    engines: [*mut ws_engine; ENGINES],
    connections: [Option<Conn>; CONNECTIONS],
}

pub fn run(data: &[u8]) {
    let mut program = Program(data);
    let config = make_config(&mut program);
    let mut world = World { engines: [null_mut(); ENGINES], connections: [const { None }; CONNECTIONS] };
    while !program.0.is_empty() {
        step(&mut world, &mut program, config);
        world.connections.iter().flatten().for_each(Conn::check);
    }
    // In whatever order: engines first in every second program.
    let engines_first = data.len().is_multiple_of(2);
    if engines_first {
        world.engines.iter().for_each(|&engine| unsafe { ws_engine_free(engine) });
    }
    for mut conn in world.connections.into_iter().flatten() {
        conn.pull_all();
        conn.feed_eof();
        conn.pull_all();
        conn.free();
    }
    if !engines_first {
        world.engines.iter().for_each(|&engine| unsafe { ws_engine_free(engine) });
    }
    unsafe { ws_config_free(config) };
}

fn make_config(program: &mut Program<'_>) -> *mut ws_config {
    let config = ws_config_new();
    let choice = program.byte();
    let statuses = unsafe {
        [
            ws_config_set_delivery(config, c_int::from(choice & 3) % 3),
            ws_config_set_manual_accept(config, c_int::from(choice >> 2 & 1)),
            ws_config_set_auto_pong(config, c_int::from(choice >> 3 & 1)),
            ws_config_set_compression(config, c_int::from(choice >> 4 & 1)),
            ws_config_set_compression_threshold(config, usize::from(choice >> 5)),
            ws_config_set_context_takeover(config, c_int::from(choice >> 6 & 1), c_int::from(choice >> 7)),
            ws_config_set_max_message_size(config, 1000),
            ws_config_set_max_queued_bytes(config, 40_000), // several chunks
            ws_config_set_water_marks(config, 100, 1000),
        ]
    };
    assert_eq!(statuses, [WS_OK; 9]);
    config
}

fn step(world: &mut World, program: &mut Program<'_>, config: *mut ws_config) {
    let (call, which) = (program.byte(), program.byte());
    let at = usize::from(which) % CONNECTIONS;
    match call % 24 {
        0 => new_connection(world, which, at, call & 0x80 != 0, config),
        1 => open_pair(world, which, config),
        2 => {
            let engine = &mut world.engines[usize::from(which) % ENGINES];
            unsafe { ws_engine_free(*engine) };
            *engine = null_mut();
        }
        3 => {
            if let Some(conn) = world.connections[at].take() {
                conn.free();
            }
        }
        4 => carry(world, at, usize::from(program.byte())),
        5 => sniff(program.bytes()),
        call => {
            let Some(conn) = &mut world.connections[at] else {
                return;
            };
            on_connection(conn, call, program);
        }
    }
}

fn on_connection(conn: &mut Conn, call: u8, program: &mut Program<'_>) {
    match call {
        6 | 7 => {
            conn.feed(program.bytes());
        }
        8 => {
            conn.feed(&masked_frame(program.byte(), program.bytes()));
            conn.pull_all();
        }
        9 => conn.feed_eof(),
        10 => {
            conn.pull();
        }
        11 => conn.pull_all(),
        12 => conn.echo(),
        13 => conn.queue(program.byte(), program.bytes()),
        14 => conn.queue(1, &vec![b'x'; usize::from(program.number()) % 5000]),
        15 => conn.queue_close(program.number(), program.bytes()),
        16 => conn.accept(),
        17 => conn.reject(c_int::from(program.number())),
        18 => conn.read_request([c"Host", c"cookie", c""][usize::from(program.byte()) % 3], 0),
        19 => conn.lend(usize::from(program.byte())),
        20 => conn.consume(usize::from(program.number())),
        21 => drop(conn.read(usize::from(program.number()) % 5000)),
        22 => {
            let here: *mut Conn = conn;
            unsafe { ws_conn_set_user_data(conn.raw, here.cast()) };
            assert_eq!(unsafe { ws_conn_user_data(conn.raw) }, here.cast());
        }
        _ => {
            let status = c_int::from(program.byte()) - 20;
            assert!(!unsafe { CStr::from_ptr(ws_strerror(status)) }.is_empty());
            assert!(!unsafe { CStr::from_ptr(ws_version()) }.is_empty());
        }
    }
}

fn engine(world: &mut World, which: u8, config: *mut ws_config) -> *mut ws_engine {
    let engine = &mut world.engines[usize::from(which) % ENGINES];
    if engine.is_null() {
        *engine = unsafe { ws_engine_new(if which & 0x40 == 0 { config } else { null() }) };
        assert!(!engine.is_null());
    }
    *engine
}

fn new_connection(world: &mut World, which: u8, at: usize, client: bool, config: *mut ws_config) {
    let engine = engine(world, which, config);
    let raw = if client { new_client(engine) } else { unsafe { ws_conn_new_server(engine) } };
    if let Some(old) = world.connections[at].replace(Conn::new(raw)) {
        old.free();
    }
}

fn new_client(engine: *mut ws_engine) -> *mut ws_conn {
    let mut request: ws_client_request = unsafe { std::mem::zeroed() };
    (request.struct_size, request.host) = (size_of::<ws_client_request>(), c"localhost".as_ptr());
    let mut raw = null_mut();
    assert_eq!(unsafe { ws_conn_new_client(engine, &request, &mut raw) }, WS_OK);
    raw
}

/// A server and a client that have opened, in the first two places.
fn open_pair(world: &mut World, which: u8, config: *mut ws_config) {
    new_connection(world, which, 0, false, config);
    new_connection(world, which >> 1, 1, true, config);
    carry(world, 1, usize::MAX);
    let server = world.connections[0].as_mut().expect("it was just made");
    server.pull_all();
    if server.state() == wsengine::capi::ask::ws_state::WS_STATE_CONNECTING {
        server.accept();
        server.pull_all();
    }
    carry(world, 0, usize::MAX);
    world.connections[1].as_mut().expect("it was just made").pull_all();
}

/// Carries up to `count` bytes of output to the neighbour: 0 and 1, 2 and 3, 4 and 5. They are lost if that one is not
/// there or has not pulled.
fn carry(world: &mut World, at: usize, count: usize) {
    let Some(from) = &mut world.connections[at] else {
        return;
    };
    let bytes = from.read(count.min(10_000));
    if let Some(to) = &mut world.connections[at ^ 1] {
        to.feed(&bytes);
    }
}

fn sniff(bytes: &[u8]) {
    let mut head_len = 0;
    let whole = unsafe { ws_sniff(bytes.as_ptr().cast(), bytes.len(), 200, null_mut()) };
    let again = unsafe { ws_sniff(bytes.as_ptr().cast(), bytes.len(), 200, &mut head_len) };
    assert_eq!(whole, again);
    assert!(head_len <= bytes.len());
}

/// A frame from a client, with a key that changes nothing; also wrong ones.
fn masked_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}
