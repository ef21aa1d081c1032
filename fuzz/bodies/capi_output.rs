//! What a connection of `capi_model` sends: whole messages, pieces, prepared ones, frames that the host writes itself;
//! and how its output is taken.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::{c_int, c_void};

use super::capi_model::{Conn, Lent};
use wsengine::capi::ask::ws_state;
use wsengine::capi::output::*;
use wsengine::capi::prepared::{ws_conn_queue_prepared, ws_prepared};
use wsengine::capi::status::ws_status::{self, *};

/// What the engine may queue by itself: a head, pongs given at once and one more, a close frame.
const UNASKED: usize = 8 * 1024;

/// What of a message that does not shrink compression adds to it, at the most: headers of stored blocks, an empty one,
/// and the frame's header.
const OVERHEAD: usize = 1024;

/// A control frame with the most payload.
const CONTROL_FRAME: usize = 2 + 4 + 125;

pub struct Output {
    /// The slices that were lent, oldest first: there until they are taken.
    slices: Vec<Lent>,
    /// A message is being made piece by piece, for as long as the connection is open.
    making: bool,
    /// The host writes a frame itself, of which this is still to be written.
    in_host_frame: bool,
    host_frame: Vec<u8>,
    /// How much of that may be handed over: it is of the frame that was begun last.
    frame_left: usize,
    /// What was handed over: the output begins with it.
    frame_rest: Vec<u8>,
    /// The queue was above the high-water mark since the last time there was room.
    was_full: bool,
    /// The most that may be queued, by what was asked for.
    bound: usize,
}

impl Output {
    pub fn new(max_queued: usize) -> Output {
        Output {
            slices: Vec::new(),
            making: false,
            in_host_frame: false,
            host_frame: Vec::new(),
            frame_left: 0,
            frame_rest: Vec::new(),
            was_full: false,
            bound: max_queued + UNASKED + OVERHEAD,
        }
    }

    /// WS_EVENT_WRITABLE came.
    pub fn was_writable(&mut self) {
        assert!(std::mem::take(&mut self.was_full), "there was room all the time");
    }
}

impl Conn {
    pub fn queued(&self) -> usize {
        unsafe { ws_conn_queued_bytes(self.raw) }
    }

    pub(super) fn check_output(&mut self) {
        self.output.slices.iter().for_each(Lent::check);
        self.output.was_full |= unsafe { ws_conn_above_high_water(self.raw) } == 1;
        assert!(self.queued() <= self.output.bound, "{} bytes are queued", self.queued());
    }
}

/// Queue.
impl Conn {
    /// Answers with the bytes of the event that is there.
    pub fn echo(&mut self) {
        if let Some(view) = &self.view {
            let (data, len) = (view.pointer.cast::<c_void>(), view.bytes.len());
            let before = self.queued();
            let status = unsafe { ws_conn_queue_binary(self.raw, data, len) };
            self.check_message(status, before);
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
        let is_message = kind & 3 < 2;
        let before = self.queued();
        let status = unsafe { call(self.raw, data.as_ptr().cast(), data.len()) };
        match status {
            WS_ERR_INVALID_UTF8 => assert!(kind & 3 == 0 && std::str::from_utf8(data).is_err()),
            WS_ERR_INVALID_ARGUMENT => assert!(!is_message && data.len() > 125),
            WS_ERR_QUEUE_FULL => assert!(is_message),
            _ => {}
        }
        if is_message {
            return self.check_message(status, before);
        }
        self.output.bound += CONTROL_FRAME;
        self.check_queued(status, before, 2 + data.len(), false);
    }

    pub fn queue_prepared(&mut self, message: *const ws_prepared) {
        let before = self.queued();
        let status = unsafe { ws_conn_queue_prepared(self.raw, message) };
        self.check_prepared(status, before, message);
    }

    /// `before` bytes waited before a prepared message was queued.
    pub fn check_prepared(&mut self, status: ws_status, before: usize, message: *const ws_prepared) {
        match status {
            WS_ERR_INVALID_ARGUMENT => assert!(message.is_null()),
            status => self.check_message(status, before),
        }
    }

    pub fn queue_close(&mut self, code: u16, reason: &[u8]) {
        self.output.bound += CONTROL_FRAME;
        let before = self.queued();
        let status = unsafe { ws_conn_queue_close(self.raw, code, reason.as_ptr().cast(), reason.len()) };
        self.check_queued(status, before, 2, false);
        if status == WS_OK {
            assert_eq!(self.state(), ws_state::WS_STATE_CLOSING);
        }
    }

    pub fn queue_begin(&mut self, kind: c_int) {
        let before = self.queued();
        let status = unsafe { ws_conn_queue_begin(self.raw, kind) };
        assert_eq!(status == WS_ERR_INVALID_ARGUMENT, !matches!(kind, 1 | 2));
        self.check_queued(status, before, 0, self.output.making);
        assert!(!(status == WS_OK && self.output.making), "a message inside a message");
        self.output.making |= status == WS_OK;
    }

    /// A part of the message that was begun, or its end.
    pub fn queue_piece(&mut self, data: &[u8], last: bool) {
        let call = if last { ws_conn_queue_end } else { ws_conn_queue_part };
        let before = self.queued();
        let status = unsafe { call(self.raw, data.as_ptr().cast(), data.len()) };
        let nothing = data.is_empty() && !last;
        self.check_queued(status, before, if nothing { 0 } else { 2 }, !self.output.making);
        assert!(status != WS_OK || self.output.making, "a part of no message");
        if status == WS_OK && last {
            self.output.making = false;
        }
    }

    /// Begins a frame that the host writes itself: header and payload go before what is queued.
    pub fn begin_frame(&mut self, kind: c_int, payload: &[u8]) {
        let (mut header, mut len) = ([0; WS_MAX_HEADER_LEN], 0);
        let before = self.queued();
        let (place, payload_len) = (header.as_mut_ptr(), payload.len() as u64);
        let status = unsafe { ws_conn_begin_frame(self.raw, kind, payload_len, place, &mut len) };
        assert_eq!(status == WS_ERR_INVALID_ARGUMENT, !matches!(kind, 1 | 2));
        let refused = before > 0 || self.output.making || self.output.in_host_frame;
        self.check_queued(status, before, 0, refused);
        if status != WS_OK {
            return;
        }
        assert!(!refused && (2..=WS_MAX_HEADER_LEN).contains(&len));
        let mut payload = payload.to_vec();
        if self.is_client {
            let (key, data) = (unsafe { header.as_ptr().add(len - 4) }, payload.as_mut_ptr().cast());
            assert_eq!(unsafe { ws_mask(key, 0, data, payload.len()) }, WS_OK);
        }
        self.output.host_frame.extend(&header[..len]);
        self.output.host_frame.extend(payload);
        self.output.frame_left = len + payload_len as usize;
        self.output.in_host_frame = true;
        self.lend(8);
    }

    /// Hands over the last bytes of the host's frame, so many in all, in two pieces. It has a second try with what was
    /// refused, unless that is the second piece: then it is lost, and the peer gets another frame.
    pub fn queue_frame_rest(&mut self, left: usize, first: usize) {
        let output = &mut self.output;
        let left = left.min(output.frame_left).min(output.host_frame.len());
        let rest = output.host_frame.split_off(output.host_frame.len() - left);
        let (first, second) = rest.split_at(first.min(left));
        if self.queue_piece_of_frame(first) {
            self.queue_piece_of_frame(second);
            self.output.frame_left = if left > 0 { 0 } else { self.output.frame_left };
        } else {
            self.output.host_frame.extend(rest);
        }
        self.check_output();
        self.lend(8);
    }

    fn queue_piece_of_frame(&mut self, piece: &[u8]) -> bool {
        let before = self.queued();
        let status = unsafe { ws_conn_queue_frame_rest(self.raw, piece.as_ptr().cast(), piece.len()) };
        assert_eq!(status == WS_ERR_STATE, !self.output.in_host_frame);
        assert!(matches!(status, WS_OK | WS_ERR_STATE | WS_ERR_QUEUE_FULL), "{status:?}");
        let taken = if status == WS_OK { piece } else { &[] };
        self.output.frame_rest.extend(taken);
        assert_eq!(self.queued(), before + taken.len());
        status == WS_OK
    }

    pub fn end_frame(&mut self) {
        let expected = if self.output.in_host_frame { WS_OK } else { WS_ERR_STATE };
        assert_eq!(unsafe { ws_conn_end_frame(self.raw) }, expected);
        self.output.in_host_frame = false;
    }

    fn check_message(&mut self, status: ws_status, before: usize) {
        self.check_queued(status, before, 2, self.output.making);
        assert!(!(status == WS_OK && self.output.making), "a message inside a message");
    }

    /// `least`: bytes that were added if it was done. `refused`: a reason why not, other than the state.
    fn check_queued(&mut self, status: ws_status, before: usize, least: usize, refused: bool) {
        match status {
            WS_OK => {
                assert!(matches!(self.state(), ws_state::WS_STATE_OPEN | ws_state::WS_STATE_CLOSING));
                assert!(self.queued() >= before + least);
            }
            WS_ERR_STATE => {
                assert!(refused || self.state() != ws_state::WS_STATE_OPEN);
                assert_eq!(self.queued(), before);
            }
            WS_ERR_INVALID_UTF8 | WS_ERR_INVALID_ARGUMENT | WS_ERR_QUEUE_FULL => assert_eq!(self.queued(), before),
            other => panic!("{other:?}"),
        }
        if status == WS_ERR_QUEUE_FULL && before > 0 {
            assert_eq!(unsafe { ws_conn_above_high_water(self.raw) }, 1);
        }
        self.check_output();
    }
}

/// Take.
impl Conn {
    /// Has output lent; what was lent before is still the same.
    pub fn lend(&mut self, max: usize) {
        let mut slices = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; 8];
        let count = unsafe { ws_conn_output(self.raw, slices.as_mut_ptr(), max.clamp(1, 8) as c_int) };
        let slices = &slices[..usize::try_from(count).expect("no error")];
        let lent = &mut self.output.slices;
        if self.output.in_host_frame {
            assert!(slices.is_empty() && lent.is_empty(), "lent within a frame of the host's");
        }
        for (slice, lent) in slices.iter().zip(lent.iter()) {
            assert_eq!(slice.iov_base.cast_const().cast(), lent.pointer, "lent output moved");
            assert!(slice.iov_len >= lent.bytes.len());
        }
        let total: usize = slices.iter().map(|slice| slice.iov_len).sum();
        *lent = slices.iter().map(|slice| Lent::new(slice.iov_base.cast_const().cast(), slice.iov_len)).collect();
        let mut begin = lent.iter().flat_map(|slice| &slice.bytes);
        assert!(begin.by_ref().zip(&self.output.frame_rest).all(|(lent, rest)| lent == rest), "not the frame's rest");
        assert!(total <= self.queued());
        assert_eq!(total > 0, self.queued() > 0 && !self.output.in_host_frame);
    }

    /// Takes output that was lent, or more than there is.
    pub fn consume(&mut self, count: usize) {
        let queued = self.queued();
        let status = unsafe { ws_conn_output_consume(self.raw, count) };
        if count > queued || self.output.in_host_frame && count > 0 {
            let expected = if self.output.in_host_frame { WS_ERR_STATE } else { WS_ERR_INVALID_ARGUMENT };
            assert_eq!((status, self.queued()), (expected, queued));
            return;
        }
        assert_eq!(status, WS_OK);
        self.forget_taken(count);
    }

    /// Copies output out; what the host writes itself first.
    pub fn read(&mut self, capacity: usize) -> Vec<u8> {
        let own = self.output.host_frame.len().min(capacity);
        let mut taken: Vec<u8> = self.output.host_frame.drain(..own).collect();
        if own < capacity || capacity == 0 {
            taken.extend(self.read_output((capacity - own).max(1)));
        }
        taken
    }

    fn read_output(&mut self, capacity: usize) -> Vec<u8> {
        let mut buffer = vec![0u8; capacity];
        let mut len = 0;
        let had = self.queued() > 0 && !self.output.in_host_frame;
        let status = unsafe { ws_conn_output_read(self.raw, buffer.as_mut_ptr().cast(), buffer.len(), &mut len) };
        assert_eq!(status, if had { WS_OK } else { WS_AGAIN });
        buffer.truncate(len);
        let mut lent = self.output.slices.iter().flat_map(|slice| &slice.bytes);
        assert!(buffer.iter().zip(&mut lent).all(|(read, lent)| read == lent), "lent and read differ");
        assert!(buffer.iter().zip(&self.output.frame_rest).all(|(read, rest)| read == rest), "not the frame's rest");
        self.forget_taken(len);
        buffer
    }

    fn forget_taken(&mut self, mut count: usize) {
        self.output.frame_rest.drain(..count.min(self.output.frame_rest.len()));
        while let Some(first) = self.output.slices.first_mut() {
            if count < first.bytes.len() {
                return first.skip(count);
            }
            count -= first.bytes.len();
            self.output.slices.remove(0);
        }
    }
}
