//! The bytes are a program of C API calls: on several engines and connections, in any order, with what one connection
//! says carried to another, while time passes. Under a memory sanitizer this also shows that nothing lent is used after
//! its time.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::{CStr, c_int};
use std::ptr::null_mut;

use super::capi_model::Conn;
use super::capi_world::{CONNECTIONS, ENGINES, World};
use wsengine::capi::config::*;
use wsengine::capi::connection::*;
use wsengine::capi::describe::*;
use wsengine::capi::sniff::ws_sniff;
use wsengine::capi::status::ws_status::*;
use wsengine::capi::status::{ws_strerror, ws_version};

/// The bytes as a program reads them; zeros behind their end.
pub struct Program<'a>(&'a [u8]);

impl<'a> Program<'a> {
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&byte, rest)) => {
                self.0 = rest;
                byte
            }
            None => 0,
        }
    }

    pub fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// Bytes, as many as the next one says.
    pub fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }
}

pub fn run(data: &[u8]) {
    let mut program = Program(data);
    let (config, max_queued) = make_config(program.byte(), program.byte());
    let mut world = World::new(config, max_queued);
    while !program.0.is_empty() {
        step(&mut world, &mut program);
        world.check();
    }
    // In whatever order: engines first in every second program.
    world.end(data.len().is_multiple_of(2));
    unsafe { ws_config_free(config) };
}

/// Settings, and how much may be queued.
fn make_config(choice: u8, limits: u8) -> (*mut ws_config, usize) {
    let config = ws_config_new();
    let has = |bit: u8| limits >> bit & 1 != 0;
    let pick = |bit: u8, yes: usize, no: usize| if has(bit) { yes } else { no };
    let max_queued = pick(3, 2_000, 40_000); // several chunks
    let short = |ms: u32| if has(4) { ms } else { ms * 1000 };
    let statuses = unsafe {
        [
            ws_config_set_delivery(config, c_int::from(choice & 3) % 3),
            ws_config_set_manual_accept(config, c_int::from(choice >> 2 & 1)),
            ws_config_set_auto_pong(config, c_int::from(choice >> 3 & 1)),
            ws_config_set_compression(config, c_int::from(choice >> 4 & 1)),
            ws_config_set_compression_threshold(config, pick(5, 100, 0)),
            ws_config_set_context_takeover(config, c_int::from(choice >> 6 & 1), c_int::from(choice >> 7)),
            ws_config_set_window_bits(config, if has(5) { 15 } else { 9 }, if has(5) { 15 } else { 10 }),
            ws_config_set_compression_mem_level(config, if has(5) { 6 } else { 1 }),
            ws_config_set_max_message_size(config, 1000),
            ws_config_set_max_connection_bytes(config, pick(0, 4096, 1 << 20)),
            ws_config_set_max_engine_bytes(config, pick(1, 8192, 1 << 20)),
            ws_config_set_receive_buffer_size(config, 4096),
            ws_config_set_outgoing_utf8_check(config, 1),
            ws_config_set_max_fragments(config, if has(2) { 3 } else { 100 }),
            ws_config_set_max_control_rate(config, if has(6) { 3 } else { 100 }),
            ws_config_set_max_held_bytes(config, pick(7, 10, 1000)),
            ws_config_set_max_queued_bytes(config, max_queued),
            ws_config_set_water_marks(config, 100, 1000),
            ws_config_set_handshake_timeout(config, short(100)),
            ws_config_set_ping_interval(config, short(50)),
            ws_config_set_pong_timeout(config, short(60)),
            ws_config_set_idle_timeout(config, short(if has(7) { 200 } else { 0 })),
            ws_config_set_close_timeout(config, short(40)),
            ws_config_set_write_stall_timeout(config, short(70)),
            ws_config_set_max_lifetime(config, short(if has(7) { 0 } else { 900 })),
            ws_config_set_stream_merge_time(config, if has(2) { 0 } else { 40 }),
            ws_config_set_stream_piece_size(config, pick(6, 16, 200)),
            ws_config_set_stream_water_marks(config, 100, pick(5, 300, 3_000)),
        ]
    };
    assert_eq!(statuses, [WS_OK; 28]);
    (config, max_queued)
}

/// Calls below this are about more than one connection.
const WORLD_CALLS: u8 = 16;
const CALLS: u8 = 51;

fn step(world: &mut World, program: &mut Program<'_>) {
    let (call, which) = (program.byte(), program.byte());
    let is_client = call & 0x80 != 0;
    let at = usize::from(which) % CONNECTIONS;
    let engine = usize::from(which) % ENGINES;
    match (call & 0x7f) % CALLS {
        0 => world.new_connection(which, at, is_client),
        1 => world.open_pair(which),
        2 => world.free_engine(engine),
        3 => world.put(at, None),
        4 => world.carry(at, usize::from(program.byte())),
        5 => sniff(program.bytes()),
        6 => world.advance(engine, program.byte()),
        7 => world.hand_out_due(engine),
        8 => world.check_metrics(engine, usize::from(program.number())),
        9 => world.prepare(at, program.byte(), program.bytes()),
        10 => world.prepare(at, program.byte(), &vec![b'p'; usize::from(program.number()) % 3000]),
        11 => world.retain_and_release(at, program.byte()),
        12 => world.queue_prepared(at, program.byte()),
        13 => describe(program.bytes(), usize::from(program.byte())),
        14 => world.new_from_request(which, at, is_client, program.byte(), program.bytes()),
        15 => texts(c_int::from(program.byte()) - 20),
        // Behind the others, so that what was found earlier stays what it was.
        49 => world.new_stream(which, program.byte(), program.bytes()),
        50 => world.on_stream(which, program.byte(), program.bytes()),
        call => {
            if let Some(conn) = world.connection(at) {
                on_connection(conn, call, program);
            }
        }
    }
}

fn on_connection(conn: &mut Conn, call: u8, program: &mut Program<'_>) {
    debug_assert!(call >= WORLD_CALLS);
    match call {
        16 | 17 => {
            conn.feed(program.bytes());
        }
        18 => {
            conn.feed(&frame_to(conn.is_client, program.byte(), program.bytes()));
            conn.pull_all();
        }
        19 => conn.feed_eof(),
        20 => {
            conn.pull();
        }
        21 => conn.pull_all(),
        22 => conn.echo(),
        23 => conn.queue(program.byte(), program.bytes()),
        24 => conn.queue(1, &vec![b'x'; usize::from(program.number()) % 5000]),
        25 => conn.queue(1, &noise(usize::from(program.number()) % 5000)),
        26 => conn.queue_close(program.number(), program.bytes()),
        27 => conn.queue_begin(c_int::from(program.byte() % 4)),
        28 => conn.queue_piece(program.bytes(), false),
        29 => conn.queue_piece(program.bytes(), true),
        30 => conn.queue_piece(&vec![b'y'; usize::from(program.number()) % 3000], false),
        31 => conn.begin_frame(c_int::from(program.byte() % 4), program.bytes()),
        32 => conn.end_frame(),
        33 => conn.accept(),
        34 => conn.reject(c_int::from(program.number())),
        35 => conn.read_heads([c"Host", c"cookie", c""][usize::from(program.byte()) % 3], usize::from(program.byte())),
        36 => conn.lend(usize::from(program.byte())),
        37 => conn.consume(usize::from(program.number())),
        38 => drop(conn.read(usize::from(program.number()) % 5000)),
        39 => conn.set_delivery(c_int::from(program.byte() % 4)),
        40 => conn.set_reading(c_int::from(program.byte() & 1)),
        41 => {
            let here: *mut Conn = conn;
            unsafe { ws_conn_set_user_data(conn.raw, here.cast()) };
            assert_eq!(unsafe { ws_conn_user_data(conn.raw) }, here.cast());
        }
        // Once more what brings a connection on.
        42 => conn.queue(0, program.bytes()),
        43 => conn.consume(conn.queued()),
        44 => {
            for piece in program.bytes().chunks(usize::from(program.byte()).max(1)) {
                conn.feed(piece);
                conn.pull_all();
            }
        }
        // The other ways in: any bytes, or frames.
        45 => {
            let bytes = input(conn.is_client, program);
            conn.feed_mut(&bytes);
        }
        46 => {
            let (min, bytes) = (usize::from(program.number()) % 9000, input(conn.is_client, program));
            conn.receive(min, (min % 5 > 0).then_some(&bytes));
        }
        47 => {
            conn.pull_batch(1 + usize::from(program.byte() % 8));
        }
        _ => conn.queue_frame_rest(usize::from(program.number()) % 5000, usize::from(program.byte())),
    }
}

fn input(is_client: bool, program: &mut Program<'_>) -> Vec<u8> {
    let choice = program.byte();
    if choice & 1 != 0 {
        return program.bytes().to_vec();
    }
    let frame = |_| frame_to(is_client, program.byte(), program.bytes());
    (0..choice >> 1 & 7).flat_map(frame).collect()
}

fn sniff(bytes: &[u8]) {
    let mut head_len = 0;
    let whole = unsafe { ws_sniff(bytes.as_ptr().cast(), bytes.len(), 200, null_mut()) };
    let again = unsafe { ws_sniff(bytes.as_ptr().cast(), bytes.len(), 200, &mut head_len) };
    assert_eq!(whole, again);
    assert!(head_len <= bytes.len());
}

fn texts(status: c_int) {
    assert!(!unsafe { CStr::from_ptr(ws_strerror(status)) }.is_empty());
    assert!(!unsafe { CStr::from_ptr(ws_version()) }.is_empty());
}

/// A line for any bytes, cut to any room, and the same line for the header alone.
fn describe(bytes: &[u8], capacity: usize) {
    let describe = |bytes: &[u8], capacity: usize| {
        let mut line = vec![b'#'; capacity];
        let mut header: ws_frame_header = unsafe { std::mem::zeroed() };
        header.struct_size = size_of::<ws_frame_header>();
        let (data, room) = (bytes.as_ptr().cast(), line.as_mut_ptr().cast());
        let status = unsafe { ws_frame_describe(data, bytes.len(), room, capacity, &mut header) };
        assert_eq!(status, if header.header_len > 0 { WS_OK } else { WS_AGAIN });
        let text =
            if capacity == 0 { vec![] } else { CStr::from_bytes_until_nul(&line).expect("a NUL").to_bytes().into() };
        assert!(text.is_ascii());
        (header, text)
    };
    let (header, line) = describe(bytes, WS_DESCRIBE_SIZE);
    let len = usize::from(header.header_len);
    assert!(len <= bytes.len().min(14));
    if len > 0 {
        assert_eq!(describe(&bytes[..len], WS_DESCRIBE_SIZE).1, line);
    }
    assert!(line.starts_with(&describe(bytes, capacity).1));
}

/// A frame to this end, with a key that changes nothing; also wrong ones.
fn frame_to(client: bool, first: u8, payload: &[u8]) -> Vec<u8> {
    let mask_bit = if client { 0 } else { 0x80 };
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(mask_bit | len as u8),
        len => {
            bytes.push(mask_bit | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
    }
    if !client {
        bytes.extend([0; 4]);
    }
    bytes.extend(payload);
    bytes
}

/// Bytes that do not shrink.
fn noise(len: usize) -> Vec<u8> {
    let mut state = len as u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}
