//! A connection as C holds it, with what the contract of `ws_engine.h` promises about it: checked at every call.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::{CStr, c_int, c_void};
use std::ptr::null;

use wsengine::capi::ask::*;
use wsengine::capi::connection::*;
use wsengine::capi::handshake::*;
use wsengine::capi::input::*;
use wsengine::capi::output::*;
use wsengine::capi::status::ws_status::{self, *};

/// Bytes that were lent, and what they were then.
struct Lent {
    pointer: *const u8,
    bytes: Vec<u8>,
}

impl Lent {
    fn new(pointer: *const u8, len: usize) -> Lent {
        assert!(!pointer.is_null());
        Lent { pointer, bytes: unsafe { std::slice::from_raw_parts(pointer, len) }.to_vec() }
    }

    fn check(&self) {
        let now = unsafe { std::slice::from_raw_parts(self.pointer, self.bytes.len()) };
        assert_eq!(now, self.bytes, "lent bytes changed");
    }

    /// Without its first bytes, which were taken.
    fn skip(&mut self, count: usize) {
        self.pointer = unsafe { self.pointer.add(count) };
        self.bytes.drain(..count);
    }
}

pub struct Conn {
    pub raw: *mut ws_conn,
    /// Something was given that was not pulled to its end.
    pending: bool,
    eof: bool,
    request_waits: bool,
    opens: usize,
    closes: usize,
    /// The bytes of the newest event: there until the next pull or input.
    view: Option<Lent>,
    /// The slices of the output that were lent, oldest first: there until they are taken.
    slices: Vec<Lent>,
}

impl Conn {
    pub fn new(raw: *mut ws_conn) -> Conn {
        assert!(!raw.is_null());
        let (view, slices) = (None, Vec::new());
        Conn { raw, pending: false, eof: false, request_waits: false, opens: 0, closes: 0, view, slices }
    }

    pub fn state(&self) -> ws_state {
        unsafe { ws_conn_state(self.raw) }
    }

    pub fn queued(&self) -> usize {
        unsafe { ws_conn_queued_bytes(self.raw) }
    }

    /// What must be true between any two calls.
    pub fn check(&self) {
        if let Some(view) = &self.view {
            view.check();
        }
        self.slices.iter().for_each(Lent::check);
        assert!(self.opens <= 1 && self.closes <= 1, "{} openings, {} ends", self.opens, self.closes);
        let (shutdown, abort) = unsafe { (ws_conn_wants_shutdown(self.raw), ws_conn_wants_abort(self.raw)) };
        assert!(matches!((shutdown, abort), (0, 0) | (0, 1) | (1, 0)));
        if self.closes == 1 {
            assert_eq!(self.state(), ws_state::WS_STATE_CLOSED);
        }
    }

    pub fn feed(&mut self, bytes: &[u8]) -> ws_status {
        let closed = self.state() == ws_state::WS_STATE_CLOSED;
        let status = unsafe { ws_conn_feed(self.raw, bytes.as_ptr().cast(), bytes.len()) };
        let expected = match () {
            () if self.eof => WS_ERR_STATE,
            () if closed => WS_OK, // ignored
            () if self.pending => WS_ERR_INPUT_PENDING,
            () => WS_OK,
        };
        assert_eq!(status, expected);
        if status == WS_OK && !closed {
            self.pending |= !bytes.is_empty();
            self.view = None;
        }
        status
    }

    pub fn feed_eof(&mut self) {
        assert_eq!(unsafe { ws_conn_feed_eof(self.raw) }, WS_OK);
        (self.eof, self.pending, self.view) = (true, true, None);
    }

    /// Pulls one event; false when there is none.
    pub fn pull(&mut self) -> bool {
        self.view = None;
        let mut event: ws_event = unsafe { std::mem::zeroed() };
        match unsafe { ws_conn_next_event(self.raw, &mut event) } {
            WS_OK => {}
            WS_AGAIN => {
                assert_eq!((event.r#type, event.len), (ws_event_type::WS_EVENT_NONE, 0));
                self.pending = false;
                assert!(!self.eof || self.closes == 1, "the end of the input ends the connection");
                return false;
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(self.closes, 0, "{:?} after the end", event.r#type);
        self.view = Some(Lent::new(event.data.cast(), event.len));
        let detail = unsafe { CStr::from_ptr(event.detail) };
        assert_eq!(detail.is_empty(), event.r#type != ws_event_type::WS_EVENT_CLOSE);
        match event.r#type {
            ws_event_type::WS_EVENT_NONE => panic!("no event, and yet WS_OK"),
            ws_event_type::WS_EVENT_REQUEST => self.request_waits = true,
            ws_event_type::WS_EVENT_OPEN => self.opens += 1,
            ws_event_type::WS_EVENT_CLOSE => self.closes += 1,
            ws_event_type::WS_EVENT_TEXT => {
                assert!(self.view.as_ref().is_some_and(|view| std::str::from_utf8(&view.bytes).is_ok()));
            }
            _ => {}
        }
        let needs_opening = !matches!(
            event.r#type,
            ws_event_type::WS_EVENT_REQUEST | ws_event_type::WS_EVENT_OPEN | ws_event_type::WS_EVENT_CLOSE
        );
        assert!(!needs_opening || self.opens == 1, "{:?} before the opening", event.r#type);
        true
    }

    pub fn pull_all(&mut self) {
        while self.pull() {
            self.check();
        }
    }

    /// Answers with the bytes of the event that is there.
    pub fn echo(&mut self) {
        if let Some(view) = &self.view {
            let (data, len) = (view.pointer.cast::<c_void>(), view.bytes.len());
            let before = self.queued();
            let status = unsafe { ws_conn_queue_binary(self.raw, data, len) };
            self.check_queued(status, before, len);
        }
    }

    /// Queues a message or control frame: `kind` 0 text, 1 binary, 2 ping, 3 pong.
    pub fn queue(&mut self, kind: u8, data: &[u8]) {
        let call = match kind & 3 {
            0 => ws_conn_queue_text,
            1 => ws_conn_queue_binary,
            2 => ws_conn_queue_ping,
            _ => ws_conn_queue_pong,
        };
        let before = self.queued();
        let status = unsafe { call(self.raw, data.as_ptr().cast(), data.len()) };
        match status {
            WS_ERR_INVALID_UTF8 => assert!(kind & 3 == 0 && std::str::from_utf8(data).is_err()),
            WS_ERR_INVALID_ARGUMENT => assert!(kind & 3 >= 2 && data.len() > 125),
            WS_ERR_QUEUE_FULL => assert!(kind & 3 < 2),
            _ => {}
        }
        self.check_queued(status, before, data.len());
    }

    pub fn queue_close(&mut self, code: u16, reason: &[u8]) {
        let before = self.queued();
        let status = unsafe { ws_conn_queue_close(self.raw, code, reason.as_ptr().cast(), reason.len()) };
        self.check_queued(status, before, 0);
        if status == WS_OK {
            assert_eq!(self.state(), ws_state::WS_STATE_CLOSING);
        }
    }

    fn check_queued(&self, status: ws_status, before: usize, least: usize) {
        match status {
            WS_OK => {
                assert!(matches!(self.state(), ws_state::WS_STATE_OPEN | ws_state::WS_STATE_CLOSING));
                assert!(self.queued() >= before + least.min(2));
            }
            WS_ERR_STATE => {
                assert_ne!(self.state(), ws_state::WS_STATE_OPEN);
                assert_eq!(self.queued(), before);
            }
            WS_ERR_INVALID_UTF8 | WS_ERR_INVALID_ARGUMENT | WS_ERR_QUEUE_FULL => assert_eq!(self.queued(), before),
            other => panic!("{other:?}"),
        }
    }

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
            (self.request_waits, self.pending, self.view) = (false, true, None);
        }
    }

    /// Reads what the request says.
    pub fn read_request(&self, name: &CStr, index: usize) {
        let (mut value, mut len) = (null(), 0);
        match unsafe { ws_conn_request_target(self.raw, &mut value, &mut len) } {
            WS_OK => Lent::new(value.cast(), len).check(),
            status => assert_eq!(status, WS_ERR_STATE),
        }
        match unsafe { ws_conn_request_header(self.raw, name.as_ptr(), index, &mut value, &mut len) } {
            WS_OK => Lent::new(value.cast(), len).check(),
            status => assert!(matches!(status, WS_ERR_STATE | WS_ERR_NOT_FOUND)),
        }
    }

    /// Has output lent; what was lent before is still the same.
    pub fn lend(&mut self, max: usize) {
        let mut slices = [libc_iovec(); 8];
        let count = unsafe { ws_conn_output(self.raw, slices.as_mut_ptr(), max.clamp(1, 8) as c_int) };
        let slices = &slices[..usize::try_from(count).expect("no error")];
        for (slice, lent) in slices.iter().zip(&self.slices) {
            assert_eq!(slice.iov_base.cast_const().cast(), lent.pointer, "lent output moved");
            assert!(slice.iov_len >= lent.bytes.len());
        }
        let total: usize = slices.iter().map(|slice| slice.iov_len).sum();
        assert!(total <= self.queued() && (total > 0) == (self.queued() > 0));
        self.slices = slices.iter().map(|slice| Lent::new(slice.iov_base.cast_const().cast(), slice.iov_len)).collect();
    }

    /// Takes output that was lent, or more than there is.
    pub fn consume(&mut self, count: usize) {
        let queued = self.queued();
        let status = unsafe { ws_conn_output_consume(self.raw, count) };
        if count > queued {
            assert_eq!(status, WS_ERR_INVALID_ARGUMENT);
            assert_eq!(self.queued(), queued);
            return;
        }
        assert_eq!(status, WS_OK);
        self.forget_taken(count);
    }

    /// Copies output out.
    pub fn read(&mut self, capacity: usize) -> Vec<u8> {
        let mut buffer = vec![0u8; capacity.max(1)];
        let mut len = 0;
        let had = self.queued() > 0;
        let status = unsafe { ws_conn_output_read(self.raw, buffer.as_mut_ptr().cast(), buffer.len(), &mut len) };
        assert_eq!(status, if had { WS_OK } else { WS_AGAIN });
        buffer.truncate(len);
        let mut lent = self.slices.iter().flat_map(|slice| &slice.bytes);
        assert!(buffer.iter().zip(&mut lent).all(|(read, lent)| read == lent), "lent and read differ");
        self.forget_taken(len);
        buffer
    }

    fn forget_taken(&mut self, mut count: usize) {
        while let Some(first) = self.slices.first_mut() {
            if count < first.bytes.len() {
                return first.skip(count);
            }
            count -= first.bytes.len();
            self.slices.remove(0);
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

/// Nothing lent yet.
fn libc_iovec() -> libc::iovec {
    libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }
}
