//! The engines, connections and prepared messages of a program of C API calls, and what must be true of them together:
//! who is handed out when time has passed, and what the counters say.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::c_int;
use std::ptr::{null, null_mut};

use super::capi_model::Conn;
use super::capi_stream::Stream;
use wsengine::capi::ask::ws_state;
use wsengine::capi::config::ws_config;
use wsengine::capi::connection::*;
use wsengine::capi::engine::*;
use wsengine::capi::many::*;
use wsengine::capi::metrics::*;
use wsengine::capi::output::ws_message_type;
use wsengine::capi::prepared::*;
use wsengine::capi::status::ws_status::*;
use wsengine::capi::stream::*;
use wsengine::capi::time::*;

pub const ENGINES: usize = 3;
pub const CONNECTIONS: usize = 6;
const MESSAGES: usize = 2;
const STREAMS: usize = 3;

/// What the settings that an engine has without any let wait in a queue.
const DEFAULT_MAX_QUEUED: usize = 4 << 20;

struct Engine {
    raw: *mut ws_engine,
    /// Tells its connections from those of an engine that was freed.
    number: usize,
    max_queued: usize,
    /// What it was told last.
    now: Option<u64>,
}

pub struct World {
    config: *const ws_config,
    max_queued: usize,
    engines: [Option<Engine>; ENGINES],
    made: usize,
    connections: [Option<Conn>; CONNECTIONS],
    messages: [*mut ws_prepared; MESSAGES],
    streams: [Option<Stream>; STREAMS],
}

/// Make and free.
impl World {
    pub fn new(config: *const ws_config, max_queued: usize) -> World {
        World {
            config,
            max_queued,
            engines: [const { None }; ENGINES],
            made: 0,
            connections: [const { None }; CONNECTIONS],
            messages: [null_mut(); MESSAGES],
            streams: [const { None }; STREAMS],
        }
    }

    fn engine(&mut self, which: u8) -> &mut Engine {
        self.made += 1;
        self.engines[usize::from(which) % ENGINES].get_or_insert_with(|| {
            let is_default = which & 0x40 != 0;
            let raw = unsafe { ws_engine_new(if is_default { null() } else { self.config }) };
            assert!(!raw.is_null());
            let max_queued = if is_default { DEFAULT_MAX_QUEUED } else { self.max_queued };
            Engine { raw, number: self.made, max_queued, now: None }
        })
    }

    pub fn free_engine(&mut self, at: usize) {
        if let Some(engine) = self.engines[at].take() {
            unsafe { ws_engine_free(engine.raw) };
        }
    }

    pub fn connection(&mut self, at: usize) -> Option<&mut Conn> {
        self.connections[at].as_mut()
    }

    /// Puts a connection in its place, and frees the one that was there.
    pub fn put(&mut self, at: usize, conn: Option<Conn>) {
        if let Some(old) = std::mem::replace(&mut self.connections[at], conn) {
            old.free();
        }
    }

    pub fn new_connection(&mut self, which: u8, at: usize, is_client: bool) {
        let engine = self.engine(which);
        let raw = if is_client { new_client(engine.raw) } else { unsafe { ws_conn_new_server(engine.raw) } };
        let conn = Conn::new(raw, is_client, engine.number, engine.max_queued);
        self.put(at, Some(conn));
    }

    /// A server's end of a request that was parsed elsewhere: of HTTP/1.1, or an extended CONNECT.
    pub fn new_from_request(&mut self, which: u8, at: usize, is_stream: bool, choice: u8, bytes: &[u8]) {
        let header = |name: &'static [u8], value: &[u8]| ws_header {
            name: name.as_ptr().cast(),
            name_len: name.len(),
            value: value.as_ptr().cast(),
            value_len: value.len(),
        };
        let mut headers = vec![header(b"Host", b"localhost"), header(b"Sec-WebSocket-Version", b"13")];
        if !is_stream || choice & 1 != 0 {
            headers.push(header(b"Upgrade", b"websocket"));
            headers.push(header(b"Connection", b"Upgrade"));
            headers.push(header(b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="));
        }
        if choice & 2 != 0 {
            headers.push(header(b"Sec-WebSocket-Extensions", b"permessage-deflate; client_max_window_bits"));
        }
        headers.push(header(
            [&b"X-Any"[..], b"Origin", b"Sec-WebSocket-Extensions", b"Sec-WebSocket-Protocol"]
                [usize::from(choice >> 2 & 3)],
            bytes,
        ));
        let mut request: ws_parsed_request = unsafe { std::mem::zeroed() };
        request.struct_size = size_of::<ws_parsed_request>();
        let method: &[u8] = if is_stream { b"CONNECT" } else { b"GET" };
        (request.method, request.method_len) = (method.as_ptr().cast(), method.len());
        let target: &[u8] = if choice & 0x10 != 0 { bytes } else { b"/chat?room=1" };
        (request.target, request.target_len) = (target.as_ptr().cast(), target.len());
        (request.headers, request.header_count) = (headers.as_ptr(), headers.len());
        if is_stream {
            let protocol = b"websocket";
            (request.protocol, request.protocol_len) = (protocol.as_ptr().cast(), protocol.len());
        }
        request.http_1_0 = c_int::from(choice >> 5 & 1);

        let engine = self.engine(which);
        let mut raw = null_mut();
        assert_eq!(unsafe { ws_conn_new_server_from_request(engine.raw, &request, &mut raw) }, WS_OK);
        let mut conn = Conn::new(raw, false, engine.number, engine.max_queued);
        conn.read_heads(c"Origin", 0);
        conn.pull_all();
        conn.read_heads(c"x-any", 0);
        self.put(at, Some(conn));
    }

    /// A server and a client that have opened, in the first two places.
    pub fn open_pair(&mut self, which: u8) {
        self.new_connection(which, 0, false);
        self.new_connection(which >> 1, 1, true);
        self.carry(1, usize::MAX);
        let server = self.connections[0].as_mut().expect("it was just made");
        server.pull_all();
        if server.state() == ws_state::WS_STATE_CONNECTING {
            server.accept();
            server.pull_all();
        }
        self.carry(0, usize::MAX);
        self.connections[1].as_mut().expect("it was just made").pull_all();
    }

    /// Carries up to `count` bytes of output to the neighbour: 0 and 1, 2 and 3, 4 and 5. They are lost if that one is
    /// not there or has not pulled.
    pub fn carry(&mut self, at: usize, count: usize) {
        let Some(from) = &mut self.connections[at] else {
            return;
        };
        let bytes = from.read(count.min(10_000));
        if let Some(to) = &mut self.connections[at ^ 1] {
            to.feed(&bytes);
        }
    }

    /// What must be true between any two calls.
    pub fn check(&mut self) {
        self.connections.iter_mut().flatten().for_each(Conn::check);
        self.streams.iter().flatten().for_each(Stream::check);
    }

    /// Ends everything, in this order or the other; then nothing is counted any more that says "now".
    pub fn end(mut self, engines_first: bool) {
        for message in self.messages {
            unsafe { ws_prepared_free(message) };
        }
        if engines_first {
            (0..ENGINES).for_each(|at| self.free_engine(at));
        }
        for stream in &mut self.streams {
            if let Some(stream) = stream.take() {
                stream.end();
            }
        }
        for at in 0..CONNECTIONS {
            if let Some(conn) = &mut self.connections[at] {
                conn.pull_all();
                conn.feed_eof();
                conn.pull_all();
            }
            self.put(at, None);
        }
        for at in 0..ENGINES {
            self.check_metrics(at, 0);
            if let Some(engine) = &self.engines[at] {
                assert_eq!(unsafe { ws_engine_next_deadline(engine.raw) }, u64::MAX);
                assert!(unsafe { ws_engine_next_due(engine.raw) }.is_null());
                assert!(unsafe { ws_engine_next_due_stream(engine.raw) }.is_null());
            }
            self.free_engine(at);
        }
    }
}

/// Time.
impl World {
    /// Tells an engine the time: small and huge steps, and one back. A host may be late in pulling what is due, but not by
    /// weeks: times are compared modulo 49 days.
    pub fn advance(&mut self, at: usize, step: u8) {
        const STEPS: [u64; 8] = [0, 1, 30, 45, 100, 30_000, 1 << 33, 1 << 60];
        let Some(engine) = &mut self.engines[at] else {
            return;
        };
        let now = engine.now.unwrap_or(u64::from(step) << 20);
        let told =
            if step & 0x80 != 0 { now.saturating_sub(20) } else { now.saturating_add(STEPS[usize::from(step & 7)]) };
        assert_eq!(unsafe { ws_engine_advance(engine.raw, told) }, WS_OK);
        engine.now = Some(engine.now.map_or(told, |now| now.max(told)));
        self.check_deadline(at);
        if step & 7 >= 6 {
            self.hand_out_due(at);
        }
    }

    fn check_deadline(&self, at: usize) {
        let Some(engine) = &self.engines[at] else {
            return;
        };
        let next = unsafe { ws_engine_next_deadline(engine.raw) };
        match engine.now {
            None => assert_eq!(next, u64::MAX),
            Some(now) => assert!(next >= now, "a deadline in the past"),
        }
    }

    /// Hands out all connections that are due and pulls them: each comes once, and then there is time to wait.
    pub fn hand_out_due(&mut self, at: usize) {
        self.check_deadline(at);
        let Some(engine) = &self.engines[at] else {
            return;
        };
        let mut handed_out = Vec::new();
        loop {
            let raw = unsafe { ws_engine_next_due(engine.raw) };
            if raw.is_null() {
                break;
            }
            assert!(!handed_out.contains(&raw), "handed out twice");
            handed_out.push(raw);
            let conn = self.connections.iter_mut().flatten().find(|conn| conn.raw == raw).expect("a live connection");
            assert_eq!(conn.engine, engine.number, "a connection of another engine");
            conn.pull_all();
        }
        let mut streams = Vec::new();
        loop {
            let raw = unsafe { ws_engine_next_due_stream(engine.raw) };
            if raw.is_null() {
                break;
            }
            assert!(!streams.contains(&raw), "handed out twice");
            streams.push(raw);
            let stream = self.streams.iter_mut().flatten().find(|stream| stream.raw == raw).expect("a live stream");
            assert_eq!(stream.engine, engine.number, "a stream of another engine");
            assert!(stream.pull(usize::MAX) > 0, "handed out for nothing");
        }
        let next = unsafe { ws_engine_next_deadline(engine.raw) };
        assert!(next == u64::MAX || engine.now.is_some_and(|now| next > now), "the host's loop would spin");
    }
}

/// Token streams.
impl World {
    pub fn new_stream(&mut self, which: u8, choice: u8, id: &[u8]) {
        let engine = self.engine(which);
        let stream = Stream::new(engine.raw, engine.number, (choice & 1 == 0).then_some(id));
        if let Some(old) = std::mem::replace(&mut self.streams[usize::from(choice >> 1) % STREAMS], stream) {
            old.end();
        }
    }

    pub fn on_stream(&mut self, which: u8, choice: u8, bytes: &[u8]) {
        if let Some(stream) = &mut self.streams[usize::from(which) % STREAMS] {
            let conn = self.connections[usize::from(which >> 4) % CONNECTIONS].as_mut();
            stream.call(choice, bytes, conn);
        }
    }
}

/// Count.
impl World {
    /// What an engine counts "now" is what its connections say; and it can be written in any room.
    pub fn check_metrics(&self, at: usize, capacity: usize) {
        let Some(engine) = &self.engines[at] else {
            return;
        };
        let mut metrics: ws_metrics = unsafe { std::mem::zeroed() };
        metrics.struct_size = size_of::<ws_metrics>();
        assert_eq!(unsafe { ws_metrics_get(engine.raw, &mut metrics) }, WS_OK);
        let own = || self.connections.iter().flatten().filter(|conn| conn.engine == engine.number);
        let open = own().filter(|conn| matches!(conn.state(), ws_state::WS_STATE_OPEN | ws_state::WS_STATE_CLOSING));
        assert_eq!(metrics.connections_open, open.count() as u64);
        let streams = self.streams.iter().flatten().filter(|stream| stream.engine == engine.number);
        assert_eq!(metrics.streams_open, streams.count() as u64);
        assert_eq!(metrics.queued_bytes, own().map(|conn| conn.queued() as u64).sum::<u64>());
        assert!(metrics.queue_high_water >= own().map(|conn| conn.queued() as u64).max().unwrap_or(0));
        if own().next().is_none() {
            assert_eq!(metrics.held_input_bytes, 0);
        }
        assert!(metrics.held_input_bytes <= metrics.wire_bytes_in + metrics.compressed_plain_bytes_in + (1 << 20));
        let ended: u64 = metrics.closes.iter().sum();
        let violations: u64 = metrics.violations.iter().sum();
        assert!(violations <= ended, "a rule that was broken ends a connection");
        let opened: u64 = metrics.connections_opened.iter().sum();
        assert_eq!(opened, ended + metrics.connections_dropped + metrics.connections_open);

        let mut text = vec![b'#'; capacity];
        let list = [&raw const metrics, &raw const metrics];
        let mut len = 0;
        let (list, room) = (list.as_ptr(), text.as_mut_ptr().cast());
        let status = unsafe { ws_metrics_render(list, 2, room, capacity, &mut len) };
        assert_eq!(status, if capacity > len { WS_OK } else { WS_ERR_BUFFER_TOO_SMALL });
        if capacity > 0 {
            let end = text.iter().position(|&byte| byte == 0).expect("a NUL");
            assert_eq!(end, if status == WS_OK { len } else { 0 });
            assert!(text[end + 1..].iter().all(|&byte| byte == b'#'), "written behind the text");
        }
    }
}

/// Prepared messages.
impl World {
    pub fn prepare(&mut self, at: usize, kind: u8, data: &[u8]) {
        let kind = c_int::from(kind % 4);
        let mut message = null_mut();
        let status = unsafe { ws_prepared_new(kind, data.as_ptr().cast(), data.len(), &mut message) };
        let is_text = kind == ws_message_type::WS_MESSAGE_TEXT as c_int;
        let expected = match () {
            () if !is_text && kind != ws_message_type::WS_MESSAGE_BINARY as c_int => WS_ERR_INVALID_ARGUMENT,
            () if is_text && std::str::from_utf8(data).is_err() => WS_ERR_INVALID_UTF8,
            () => WS_OK,
        };
        assert_eq!((status, message.is_null()), (expected, expected != WS_OK));
        unsafe { ws_prepared_free(std::mem::replace(&mut self.messages[at % MESSAGES], message)) };
    }

    /// Any number of references, given up in any order.
    pub fn retain_and_release(&mut self, at: usize, choice: u8) {
        let message = &mut self.messages[at % MESSAGES];
        assert_eq!(unsafe { ws_prepared_retain(*message) }, *message);
        unsafe { ws_prepared_free(*message) };
        if choice & 1 != 0 {
            unsafe { ws_prepared_free(std::mem::replace(message, null_mut())) };
        }
    }

    /// By one call; nothing is taken.
    fn queue_to_all(&mut self, message: *const ws_prepared) {
        let mut recipients: [ws_recipient; CONNECTIONS] = unsafe { std::mem::zeroed() };
        let mut before = [0; CONNECTIONS];
        for (at, conn) in self.connections.iter().enumerate() {
            if let Some(conn) = conn {
                (recipients[at].conn, before[at]) = (conn.raw, conn.queued());
            }
        }
        unsafe { ws_conns_queue_prepared(recipients.as_mut_ptr(), CONNECTIONS, message) };
        for (at, conn) in self.connections.iter_mut().enumerate() {
            match conn {
                Some(conn) => {
                    conn.check_prepared(recipients[at].status, before[at], message);
                    let slice = recipients[at].slice;
                    assert!(slice.iov_len == 0 || slice.iov_len == conn.queued() && recipients[at].more == 0);
                }
                None => assert_eq!(recipients[at].status, WS_ERR_INVALID_ARGUMENT),
            }
        }
        unsafe { ws_conns_output_consume(recipients.as_mut_ptr(), CONNECTIONS) };
    }

    /// To one connection, or to all there are.
    pub fn queue_prepared(&mut self, at: usize, choice: u8) {
        let message = self.messages[usize::from(choice) % MESSAGES];
        if choice & 0xc0 == 0xc0 {
            return self.queue_to_all(message);
        }
        for (place, conn) in self.connections.iter_mut().enumerate() {
            if choice & 0x80 != 0 || place == at {
                conn.iter_mut().for_each(|conn| conn.queue_prepared(message));
            }
        }
    }
}

fn new_client(engine: *mut ws_engine) -> *mut ws_conn {
    let mut request: ws_client_request = unsafe { std::mem::zeroed() };
    (request.struct_size, request.host) = (size_of::<ws_client_request>(), c"localhost".as_ptr());
    let mut raw = null_mut();
    assert_eq!(unsafe { ws_conn_new_client(engine, &request, &mut raw) }, WS_OK);
    raw
}
