//! A connection as C holds it, with what the contract of `ws_engine.h` promises about it: checked at every call. What
//! it sends is in `capi_output`.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::{CStr, c_char, c_int};
use std::ptr::{null, null_mut};

use super::capi_output::Output;
use wsengine::capi::ask::*;
use wsengine::capi::connection::*;
use wsengine::capi::handshake::*;
use wsengine::capi::input::*;
use wsengine::capi::output::ws_conn_above_high_water;
use wsengine::capi::response::*;
use wsengine::capi::status::ws_status::{self, *};
use wsengine::capi::time::ws_conn_set_reading;

/// Bytes that were lent, and what they were then.
pub struct Lent {
    pub pointer: *const u8,
    pub bytes: Vec<u8>,
}

impl Lent {
    pub fn new(pointer: *const u8, len: usize) -> Lent {
        assert!(!pointer.is_null());
        Lent { pointer, bytes: unsafe { std::slice::from_raw_parts(pointer, len) }.to_vec() }
    }

    pub fn check(&self) {
        let now = unsafe { std::slice::from_raw_parts(self.pointer, self.bytes.len()) };
        assert_eq!(now, self.bytes, "lent bytes changed");
    }

    /// Without its first bytes, which were taken.
    pub fn skip(&mut self, count: usize) {
        self.pointer = unsafe { self.pointer.add(count) };
        self.bytes.drain(..count);
    }
}

/// What lies around memory that is lent.
const GUARD: [u8; 16] = [0xee; 16];

pub struct Conn {
    pub raw: *mut ws_conn,
    pub is_client: bool,
    /// The number of its engine.
    pub engine: usize,
    /// Something was given that was not pulled to its end.
    pending: bool,
    eof: bool,
    request_waits: bool,
    reading: bool,
    opens: usize,
    closes: usize,
    /// The message of which parts have come: its opcode, and what it is so far.
    message: Option<(u8, Vec<u8>)>,
    /// The bytes of the newest event, and of those that came with it: there until the next pull or input.
    pub(super) view: Option<Lent>,
    batch: Vec<Lent>,
    /// What ws_conn_feed_mut() was lent, between guards: the connection's until WS_AGAIN.
    lent: Vec<u8>,
    pub(super) output: Output,
}

/// Make, look and free.
impl Conn {
    pub fn new(raw: *mut ws_conn, is_client: bool, engine: usize, max_queued: usize) -> Conn {
        assert!(!raw.is_null());
        let mut conn = Conn {
            raw,
            is_client,
            engine,
            pending: false,
            eof: false,
            request_waits: false,
            reading: true,
            opens: 0,
            closes: 0,
            message: None,
            view: None,
            batch: Vec::new(),
            lent: Vec::new(),
            output: Output::new(max_queued),
        };
        conn.check();
        conn
    }

    pub fn state(&self) -> ws_state {
        unsafe { ws_conn_state(self.raw) }
    }

    /// What must be true between any two calls.
    pub fn check(&mut self) {
        self.view.iter().chain(&self.batch).for_each(Lent::check);
        self.check_output();
        assert!(self.opens <= 1 && self.closes <= 1, "{} openings, {} ends", self.opens, self.closes);
        let (shutdown, abort) = unsafe { (ws_conn_wants_shutdown(self.raw), ws_conn_wants_abort(self.raw)) };
        assert!(matches!((shutdown, abort), (0, 0) | (0, 1) | (1, 0)));
        assert!(!self.pending || self.has_events() || self.is_held_back(), "what was given waits");
        if self.closes == 1 {
            assert_eq!(self.state(), ws_state::WS_STATE_CLOSED);
        }
    }

    fn has_events(&self) -> bool {
        unsafe { ws_conn_has_events(self.raw) == 1 }
    }

    /// The host does not read, and the output is too long: messages wait in the input.
    fn is_held_back(&self) -> bool {
        let is_live = matches!(self.state(), ws_state::WS_STATE_OPEN | ws_state::WS_STATE_CLOSING);
        is_live && !self.reading && unsafe { ws_conn_above_high_water(self.raw) == 1 }
    }

    pub fn set_reading(&mut self, enabled: c_int) {
        self.reading = enabled == 1;
        assert_eq!(unsafe { ws_conn_set_reading(self.raw, enabled) }, WS_OK);
    }

    pub fn set_delivery(&mut self, delivery: c_int) {
        match unsafe { ws_conn_set_delivery(self.raw, delivery) } {
            WS_OK => {
                let is_over = self.state() == ws_state::WS_STATE_CLOSED;
                assert!(delivery < 3 && (is_over || self.message.is_none()), "chosen within a message");
            }
            WS_ERR_INVALID_ARGUMENT => assert!(delivery >= 3),
            status => assert_eq!(status, WS_ERR_STATE),
        }
    }

    /// Frees it, wherever it stands.
    pub fn free(mut self) {
        self.check();
        self.raw = {
            unsafe { ws_conn_free(self.raw) };
            std::ptr::null_mut()
        };
    }
}

/// Feed and pull.
impl Conn {
    pub fn feed(&mut self, bytes: &[u8]) -> ws_status {
        let status = unsafe { ws_conn_feed(self.raw, bytes.as_ptr().cast(), bytes.len()) };
        self.given(status, bytes.len());
        status
    }

    /// Lends it, with guards around it, until there is nothing more to pull.
    pub fn feed_mut(&mut self, bytes: &[u8]) {
        let mut lent = [&GUARD[..], bytes, &GUARD].concat();
        let data = unsafe { lent.as_mut_ptr().add(GUARD.len()) };
        let status = unsafe { ws_conn_feed_mut(self.raw, data.cast(), bytes.len()) };
        if self.given(status, bytes.len()) {
            self.lent = lent;
        }
    }

    /// Receives it into memory of the engine's, as much as there is room for; or asks for that and does not.
    pub fn receive(&mut self, min: usize, bytes: Option<&[u8]>) {
        let (mut buffer, mut capacity) = (null_mut(), 0);
        let status = unsafe { ws_conn_recv_buffer(self.raw, min, &mut buffer, &mut capacity) };
        let is_lent = status == WS_OK;
        assert_eq!((buffer.is_null(), capacity >= min.max(1)), (!is_lent, is_lent));
        self.given(status, 0);
        let Some(bytes) = bytes.filter(|_| is_lent) else {
            return;
        };
        let count = bytes.len().min(capacity);
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.cast::<u8>(), count);
            assert_eq!(ws_conn_commit(self.raw, capacity + 1), WS_ERR_INVALID_ARGUMENT);
            let status = ws_conn_commit(self.raw, count);
            self.given(status, count);
            assert_eq!(ws_conn_commit(self.raw, 0), WS_ERR_STATE);
        }
    }

    /// Input was refused, or ignored, or it waits.
    fn given(&mut self, status: ws_status, len: usize) -> bool {
        let closed = self.state() == ws_state::WS_STATE_CLOSED;
        let expected = match () {
            () if self.eof => WS_ERR_STATE,
            () if closed => WS_OK, // ignored
            () if self.pending => WS_ERR_INPUT_PENDING,
            () => WS_OK,
        };
        assert_eq!(status, expected);
        let waits = status == WS_OK && !closed;
        if waits {
            self.pending |= len > 0;
            self.end_views();
        }
        waits
    }

    fn end_views(&mut self) {
        self.view = None;
        self.batch.clear();
    }

    pub fn feed_eof(&mut self) {
        assert_eq!(unsafe { ws_conn_feed_eof(self.raw) }, WS_OK);
        (self.eof, self.pending) = (true, true);
        self.end_views();
    }

    pub fn pull_all(&mut self) {
        while self.pull() {
            self.check();
        }
    }

    /// Pulls one event; false when there is none.
    pub fn pull(&mut self) -> bool {
        self.end_views();
        let mut event: ws_event = unsafe { std::mem::zeroed() };
        let status = unsafe { ws_conn_next_event(self.raw, &mut event) };
        if status == WS_AGAIN {
            assert_eq!((event.r#type, event.len), (ws_event_type::WS_EVENT_NONE, 0));
        }
        self.pulled(status, &[event][..usize::from(status == WS_OK)])
    }

    /// Pulls a batch; false when there is nothing.
    pub fn pull_batch(&mut self, capacity: usize) -> bool {
        self.end_views();
        let mut events: Vec<ws_event> = vec![unsafe { std::mem::zeroed() }; capacity];
        let mut count = usize::MAX;
        let status = unsafe { ws_conn_next_events(self.raw, events.as_mut_ptr(), capacity, &mut count) };
        assert!(count <= capacity && (count > 0) == (status == WS_OK));
        self.pulled(status, &events[..count])
    }

    fn pulled(&mut self, status: ws_status, events: &[ws_event]) -> bool {
        match status {
            WS_OK => events.iter().for_each(|event| self.check_event(event)),
            WS_AGAIN => self.found_nothing(),
            other => panic!("{other:?}"),
        }
        let is_message =
            |event: &ws_event| matches!(event.r#type, ws_event_type::WS_EVENT_TEXT | ws_event_type::WS_EVENT_BINARY);
        assert!(events.iter().skip(1).all(is_message), "nothing but a whole message comes behind another event");
        status == WS_OK
    }

    fn found_nothing(&mut self) {
        self.pending &= self.is_held_back();
        assert!(!self.has_events(), "a pull found nothing");
        assert!(!self.eof || self.closes == 1 || self.is_held_back(), "the end of the input ends the connection");
        let mut lent = std::mem::take(&mut self.lent); // the host's again
        assert!(lent.is_empty() || lent.starts_with(&GUARD) && lent.ends_with(&GUARD), "touched around it");
        lent.fill(0xa5);
    }

    fn check_event(&mut self, event: &ws_event) {
        assert_eq!(self.closes, 0, "{:?} after the end", event.r#type);
        self.batch.extend(self.view.replace(Lent::new(event.data.cast(), event.len)));
        let detail = unsafe { CStr::from_ptr(event.detail) };
        assert_eq!(detail.is_empty(), event.r#type != ws_event_type::WS_EVENT_CLOSE);
        let needs_opening = !matches!(
            event.r#type,
            ws_event_type::WS_EVENT_REQUEST | ws_event_type::WS_EVENT_OPEN | ws_event_type::WS_EVENT_CLOSE
        );
        assert!(!needs_opening || self.opens == 1, "{:?} before the opening", event.r#type);
        self.note(event);
    }

    fn note(&mut self, event: &ws_event) {
        let data = || unsafe { std::slice::from_raw_parts(event.data.cast::<u8>(), event.len) };
        match event.r#type {
            ws_event_type::WS_EVENT_NONE => panic!("no event, and yet WS_OK"),
            ws_event_type::WS_EVENT_REQUEST => self.request_waits = true,
            ws_event_type::WS_EVENT_OPEN => self.opens += 1,
            ws_event_type::WS_EVENT_CLOSE => self.closes += 1,
            ws_event_type::WS_EVENT_WRITABLE => self.output.was_writable(),
            ws_event_type::WS_EVENT_TEXT => {
                assert!(self.message.is_none() && std::str::from_utf8(data()).is_ok());
            }
            ws_event_type::WS_EVENT_BINARY => assert!(self.message.is_none()),
            ws_event_type::WS_EVENT_CHUNK => {
                assert!(matches!(event.opcode, 1 | 2) && (event.last == 1 || event.len > 0));
                assert_eq!(event.first == 1, self.message.is_none());
                let so_far = self.message.as_ref().map_or((event.opcode, 0), |(opcode, bytes)| (*opcode, bytes.len()));
                assert_eq!(so_far, (event.opcode, event.offset as usize));
                self.add_part(event.opcode, data(), event.last == 1);
            }
            ws_event_type::WS_EVENT_FRAME => {
                assert_eq!(event.opcode == 0, self.message.is_some());
                self.add_part(event.opcode, data(), event.last == 1);
            }
            ws_event_type::WS_EVENT_PING | ws_event_type::WS_EVENT_PONG => assert!(event.len <= 125),
        }
    }

    fn add_part(&mut self, opcode: u8, data: &[u8], last: bool) {
        let (opcode, mut bytes) = self.message.take().unwrap_or((opcode, Vec::new()));
        bytes.extend(data);
        if !last {
            self.message = Some((opcode, bytes));
        } else {
            assert!(opcode != 1 || std::str::from_utf8(&bytes).is_ok(), "text that is not UTF-8");
        }
    }
}

/// The handshake.
impl Conn {
    pub fn accept(&mut self) {
        let may = self.request_waits && self.state() == ws_state::WS_STATE_CONNECTING;
        let status = unsafe { ws_conn_accept(self.raw, null(), null(), 0) };
        assert_eq!(status, if may { WS_OK } else { WS_ERR_STATE });
        self.decided(status);
    }

    pub fn reject(&mut self, http_status: c_int) {
        let may = self.request_waits && self.state() == ws_state::WS_STATE_CONNECTING;
        let status = unsafe { ws_conn_reject(self.raw, http_status, null(), 0, b"no".as_ptr().cast(), 2) };
        let in_range = (300..600).contains(&http_status);
        let is_status = u16::try_from(http_status).is_ok();
        assert_eq!(
            status,
            match (may, in_range) {
                (true, true) => WS_OK,
                (false, _) if is_status => WS_ERR_STATE,
                _ => WS_ERR_INVALID_ARGUMENT,
            }
        );
        self.decided(status);
    }

    fn decided(&mut self, status: ws_status) {
        if status == WS_OK {
            (self.request_waits, self.pending) = (false, true);
            self.end_views();
        }
    }

    /// Reads what the request and the answer say.
    pub fn read_heads(&self, name: &CStr, index: usize) {
        let conn = self.raw.cast_const();
        let has_request = reads(|value, len| unsafe { ws_conn_request_method(conn, value, len) });
        let calls = [ws_conn_request_target, ws_conn_request_path, ws_conn_request_query];
        let [target, path, query] = calls.map(|call| reads(|value, len| unsafe { call(conn, value, len) }));
        assert!(target == has_request && (path || !query) && (has_request || !path));
        reads(|value, len| unsafe { ws_conn_request_header(conn, name.as_ptr(), index, value, len) });
        let count = unsafe { ws_conn_request_header_count(conn) };
        check_fields(count, |i, n, n_len, v, v_len| unsafe { ws_conn_request_header_at(conn, i, n, n_len, v, v_len) });

        let status = unsafe { ws_conn_response_status(conn) };
        assert!(status == 0 || (100..=999).contains(&status));
        let read = reads(|value, len| unsafe { ws_conn_response_header(conn, name.as_ptr(), index, value, len) });
        assert!(!read || status != 0);
        let count = unsafe { ws_conn_response_header_count(conn) };
        check_fields(count, |i, n, n_len, v, v_len| unsafe { ws_conn_response_header_at(conn, i, n, n_len, v, v_len) });
    }
}

/// Whether there is such a text.
fn reads(look: impl Fn(*mut *const c_char, *mut usize) -> ws_status) -> bool {
    let (mut value, mut len) = (null(), 0);
    let status = look(&mut value, &mut len);
    match status {
        WS_OK => Lent::new(value.cast(), len).check(),
        status => assert!(matches!(status, WS_ERR_STATE | WS_ERR_NOT_FOUND)),
    }
    status == WS_OK
}

type Place<T> = *mut T;

/// Every header up to the count is there, and none behind it.
fn check_fields(
    count: usize,
    at: impl Fn(usize, Place<*const c_char>, Place<usize>, Place<*const c_char>, Place<usize>) -> ws_status,
) {
    for index in 0..=count {
        let (mut name, mut name_len, mut value, mut len) = (null(), 0, null(), 0);
        let status = at(index, &mut name, &mut name_len, &mut value, &mut len);
        if index == count {
            assert!(matches!(status, WS_ERR_STATE | WS_ERR_NOT_FOUND));
        } else {
            assert!(status == WS_OK && name_len > 0);
            Lent::new(name.cast(), name_len).check();
            Lent::new(value.cast(), len).check();
        }
    }
}
