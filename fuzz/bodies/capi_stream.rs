//! A token stream as C holds it, with what the contract of `ws_engine.h` promises about it: checked at every call.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::c_int;
use std::ptr::{null, null_mut};

use super::capi_model::{Conn, Lent};
use wsengine::capi::engine::ws_engine;
use wsengine::capi::output::ws_conn_above_high_water;
use wsengine::capi::status::ws_status::{self, *};
use wsengine::capi::stream::*;

pub struct Stream {
    pub raw: *mut ws_stream,
    /// The number of its engine.
    pub engine: usize,
    /// The start of its messages, up to the number.
    head: Vec<u8>,
    next_seq: u64,
    taken: usize,
    ended: bool,
    done: bool,
    /// The message that was taken last: there until the next call that does not only ask.
    lent: Option<Lent>,
}

impl Stream {
    /// None if the name is not UTF-8.
    pub fn new(engine: *mut ws_engine, number: usize, id: Option<&[u8]>) -> Option<Stream> {
        let mut raw = null_mut();
        let (data, len) = id.map_or((null(), 0), |id| (id.as_ptr(), id.len()));
        let status = unsafe { ws_stream_new(engine, data.cast(), len, &mut raw) };
        let is_utf8 = std::str::from_utf8(id.unwrap_or_default()).is_ok();
        assert_eq!((status, raw.is_null()), if is_utf8 { (WS_OK, false) } else { (WS_ERR_INVALID_UTF8, true) });
        let has_id = id.is_some();
        is_utf8.then_some(Stream {
            raw,
            engine: number,
            head: if has_id { b"\",\"requestId\":\"".to_vec() } else { b"\",\"seq\":".to_vec() },
            next_seq: 1,
            taken: 0,
            ended: false,
            done: false,
            lent: None,
        })
    }

    /// What must be true between any two calls.
    pub fn check(&self) {
        if let Some(lent) = &self.lent {
            lent.check();
        }
        unsafe {
            assert_eq!(ws_stream_next_seq(self.raw), self.next_seq);
            assert_eq!(ws_stream_is_finished(self.raw), c_int::from(self.done));
            assert!(!self.ended || ws_stream_wants_more(self.raw) == 0);
            assert!(!self.done || ws_stream_pending_bytes(self.raw) == 0);
        }
    }

    pub fn call(&mut self, choice: u8, bytes: &[u8], conn: Option<&mut Conn>) {
        self.lent = None;
        let before = unsafe { ws_stream_pending_bytes(self.raw) };
        let (data, len) = (bytes.as_ptr().cast(), bytes.len());
        match choice % 9 {
            0..=2 => match unsafe { ws_stream_write(self.raw, bytes.as_ptr().cast(), len) } {
                WS_ERR_QUEUE_FULL => {
                    assert!(!self.ended && len > 0);
                    assert_eq!(unsafe { ws_stream_pending_bytes(self.raw) }, before);
                }
                status => self.check_written(status, true),
            },
            3 | 4 => self.send(conn),
            5 => drop(self.pull(usize::from(choice >> 5))),
            6 => {
                let status = unsafe { ws_stream_finish(self.raw, data, len, null()) };
                self.check_end(status, bytes);
            }
            7 => {
                let retryable = c_int::from(choice >> 7);
                let status = unsafe { ws_stream_fail(self.raw, data, len, null(), 0, retryable) };
                self.check_end(status, bytes);
            }
            _ if choice & 0x80 == 0 => {
                let seq = u64::from(choice);
                let status = unsafe { ws_stream_set_first_seq(self.raw, seq) };
                match status {
                    WS_OK => self.next_seq = seq,
                    WS_ERR_INVALID_ARGUMENT => assert_eq!(seq, 0),
                    status => assert_eq!(status, WS_ERR_STATE),
                }
            }
            _ => {
                let status = unsafe { ws_stream_cancel(self.raw) };
                self.check_end(status, b"");
            }
        }
    }

    fn check_written(&self, status: ws_status, is_legal: bool) {
        assert_eq!(status, if self.ended || !is_legal { WS_ERR_STATE } else { WS_OK });
    }

    fn check_end(&mut self, status: ws_status, text: &[u8]) {
        if std::str::from_utf8(text).is_err() {
            assert_eq!(status, WS_ERR_INVALID_UTF8);
            return;
        }
        self.check_written(status, true);
        self.ended = true;
    }

    /// Takes up to so many messages; how many there were.
    pub fn pull(&mut self, most: usize) -> usize {
        for count in 0..most {
            self.lent = None;
            let mut message: ws_stream_message = unsafe { std::mem::zeroed() };
            message.struct_size = size_of::<ws_stream_message>();
            let status = unsafe { ws_stream_next(self.raw, &mut message) };
            if status == WS_AGAIN {
                assert!(!self.ended || self.done);
                return count;
            }
            assert_eq!((status, message.seq), (WS_OK, self.next_seq));
            let lent = Lent::new(message.data.cast(), message.len);
            self.check_message(&lent.bytes, message.done == 1);
            self.lent = Some(lent);
            self.taken += 1;
            self.next_seq += 1;
            self.done = message.done == 1;
            assert!(self.ended || !self.done);
        }
        most
    }

    fn check_message(&self, json: &[u8], done: bool) {
        let text = std::str::from_utf8(json).expect("UTF-8");
        assert!(text.bytes().all(|byte| byte >= b' '), "a control character");
        let rest = json.strip_prefix(b"{\"type\":\"stream").or_else(|| json.strip_prefix(b"{\"type\":\"error"));
        assert!(rest.is_some_and(|rest| rest.starts_with(&self.head)), "{text}");
        assert!(text.contains(&format!("\"seq\":{},", self.next_seq)) && text.ends_with('}'), "{text}");
        assert!(!done || text.contains(",\"done\":true,\"finish_reason\":\""), "{text}");
    }

    fn send(&mut self, conn: Option<&mut Conn>) {
        let Some(conn) = conn else {
            assert_eq!(unsafe { ws_stream_send(self.raw, null_mut()) }, WS_ERR_INVALID_ARGUMENT);
            return;
        };
        let status = unsafe { ws_stream_send(self.raw, conn.raw) };
        let is_full = unsafe { ws_conn_above_high_water(conn.raw) } == 1;
        match status {
            WS_OK => {}
            WS_AGAIN => assert!(is_full),
            status => assert!(matches!(status, WS_ERR_STATE | WS_ERR_QUEUE_FULL), "{status:?}"),
        }
        let next_seq = unsafe { ws_stream_next_seq(self.raw) };
        assert!(next_seq >= self.next_seq);
        self.taken += (next_seq - self.next_seq) as usize;
        self.next_seq = next_seq;
        self.done = unsafe { ws_stream_is_finished(self.raw) } == 1;
        assert!(!self.done || self.ended);
        conn.check();
    }

    /// Frees it; one that is to be ended first brings its last message.
    pub fn end(mut self) {
        if self.taken.is_multiple_of(2) {
            unsafe { ws_stream_cancel(self.raw) };
            self.ended = true;
            self.pull(usize::MAX);
            assert!(self.done);
        }
        self.lent = None;
        unsafe { ws_stream_free(self.raw) };
    }
}
