//! Output: queue, then take

use std::ffi::{c_int, c_void};

use crate::capi::connection::ws_conn;
use crate::capi::guard::{ask, bytes, bytes_mut, out, preset, short_bytes, slice, stateless, with};
use crate::capi::status::ws_status;
use crate::error::Error;
use crate::event::MessageType;
use crate::frame::{OpCode, mask};
use crate::simd;

/// Queues a text message (RFC 6455, 5.6). The bytes are copied; they may be those of an event. Where
/// permessage-deflate was agreed on and the message reaches `compression_threshold`, it is compressed.
///
/// @param conn  an open connection
/// @param data  UTF-8; NULL if len is 0
/// @param len   its length in bytes
/// @return #WS_OK; #WS_ERR_INVALID_UTF8; #WS_ERR_QUEUE_FULL; #WS_ERR_STATE before the opening, from the first close
///         frame on, and while a message is being made part by part; #WS_ERR_RANDOM (clients);
///         #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_queue_text(conn: *mut ws_conn, data: *const c_void, len: usize) -> ws_status {
    if append_short::<true>(conn, data, len) { ws_status::WS_OK } else { queue_any_text(conn, data, len) }
}

/// Queues a binary message, as ws_conn_queue_text() does a text.
///
/// @param conn  an open connection
/// @param data  any bytes; NULL if len is 0
/// @param len   their number
/// @return as ws_conn_queue_text(), but for #WS_ERR_INVALID_UTF8
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_queue_binary(conn: *mut ws_conn, data: *const c_void, len: usize) -> ws_status {
    if append_short::<false>(conn, data, len) { ws_status::WS_OK } else { queue_any_binary(conn, data, len) }
}

/// The usual case: a short message behind others. `false`: anything else, also what is to be refused, and nothing was
/// changed.
#[inline(always)]
fn append_short<const TEXT: bool>(conn: *mut ws_conn, data: *const c_void, len: usize) -> bool {
    let opcode = if TEXT { OpCode::Text } else { OpCode::Binary };
    ask(conn, false, false, move |conn| {
        short_bytes(data, len).is_some_and(move |data| conn.conn.outbound().append_short(opcode, data, TEXT))
    })
}

// These are calls of their own, with a guard of their own, so that the usual case need not save any register for them.

#[inline(never)]
fn queue_any_text(conn: *mut ws_conn, text: *const c_void, len: usize) -> ws_status {
    with(conn, |conn| conn.conn.outbound().queue_text(bytes(text, len)?).map(|()| ws_status::WS_OK))
}

#[inline(never)]
fn queue_any_binary(conn: *mut ws_conn, data: *const c_void, len: usize) -> ws_status {
    with(conn, |conn| conn.conn.outbound().queue_binary(bytes(data, len)?).map(|()| ws_status::WS_OK))
}

/// What a message is; the values are those of its opcode (RFC 6455, 5.2).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ws_message_type {
    /// UTF-8 (RFC 6455, 5.6).
    WS_MESSAGE_TEXT = 1,
    /// Any bytes.
    WS_MESSAGE_BINARY = 2,
}

pub(crate) fn to_message_type(value: c_int) -> Result<MessageType, Error> {
    match value {
        value if value == ws_message_type::WS_MESSAGE_TEXT as c_int => Ok(MessageType::Text),
        value if value == ws_message_type::WS_MESSAGE_BINARY as c_int => Ok(MessageType::Binary),
        _ => Err(Error::InvalidArgument("not a ws_message_type")),
    }
}

/// Begins a message of which the size need not be known: any number of ws_conn_queue_part(), then
/// ws_conn_queue_end(). Until then only control frames can be queued beside it; a close frame gives the message up.
/// It is compressed if its first part would be as a message.
///
/// @param conn  an open connection
/// @param type  a ::ws_message_type
/// @return #WS_OK; #WS_ERR_STATE before the opening, from the first close frame on, and while another message is
///         being made; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_queue_begin(conn: *mut ws_conn, r#type: c_int) -> ws_status {
    with(conn, |conn| conn.conn.outbound().queue_begin(to_message_type(r#type)?).map(|()| ws_status::WS_OK))
}

/// Queues the next part of the message as one frame (RFC 6455, 5.4). The bytes are copied. Text may be cut within a
/// character. A part that is refused can be given again.
///
/// @param conn  an open connection with a message that was begun
/// @param data  the bytes; NULL if len is 0
/// @param len   their number; nothing is sent for 0
/// @return #WS_OK; #WS_ERR_INVALID_UTF8; #WS_ERR_QUEUE_FULL; #WS_ERR_STATE if no message was begun, or a close frame
///         gave it up; #WS_ERR_RANDOM; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_queue_part(conn: *mut ws_conn, data: *const c_void, len: usize) -> ws_status {
    with(conn, |conn| conn.conn.outbound().queue_part(bytes(data, len)?).map(|()| ws_status::WS_OK))
}

/// Ends the message with its last part.
///
/// @param conn  an open connection with a message that was begun
/// @param data  the bytes; NULL if len is 0
/// @param len   their number
/// @return as ws_conn_queue_part(); #WS_ERR_INVALID_UTF8 also for text that ends within a character
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_queue_end(conn: *mut ws_conn, data: *const c_void, len: usize) -> ws_status {
    with(conn, |conn| conn.conn.outbound().queue_end(bytes(data, len)?).map(|()| ws_status::WS_OK))
}

/// The longest frame header: two bytes, a 64-bit length, a mask key (RFC 6455, 5.2).
pub const WS_MAX_HEADER_LEN: usize = 14;

/// Begins a message of one frame whose payload the host writes to the socket itself, from where it lies: gives the
/// header to write before it, in one writev(). The output must have been taken before. Until ws_conn_end_frame()
/// ws_conn_output() lends nothing; what is queued meanwhile waits. The payload is not compressed, text is not
/// checked, and no limit on output counts. A client has to mask it: ws_mask() with the last four bytes of the header.
///
/// What the host writes is not seen: until ws_conn_end_frame() no ping is sent, and the idle, write stall and close
/// timeouts wait. So after a short write hand over what is left, ws_conn_queue_frame_rest(), and go on as with any
/// output; or write it yourself as the socket takes it.
///
/// If the connection ends meanwhile (#WS_EVENT_CLOSE), its close frame waits behind the payload. Then write the rest
/// within the close timeout, or hand it over, and call ws_conn_end_frame(); or close the socket at once, without
/// ws_conn_end_frame(), because half a payload cannot be followed by anything.
///
/// @param conn         an open connection without output that waits
/// @param type         a ::ws_message_type
/// @param payload_len  bytes of payload: 0 to 2^63-1
/// @param header       receives the header: room for #WS_MAX_HEADER_LEN bytes
/// @param header_len   receives its length in bytes
/// @return #WS_OK; #WS_ERR_STATE if the connection is not open, output waits, or a message or another such frame is
///         being made; #WS_ERR_RANDOM; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_begin_frame(
    conn: *mut ws_conn,
    r#type: c_int,
    payload_len: u64,
    header: *mut u8,
    header_len: *mut usize,
) -> ws_status {
    with(conn, |conn| {
        let (place, len) = (out(header.cast::<[u8; WS_MAX_HEADER_LEN]>())?, out(header_len)?);
        let encoded = conn.conn.outbound().begin_frame(to_message_type(r#type)?, payload_len)?;
        let encoded = encoded.as_bytes();
        place[..encoded.len()].copy_from_slice(encoded);
        *len = encoded.len();
        Ok(ws_status::WS_OK)
    })
}

/// Hands over what the socket did not take of the frame of ws_conn_begin_frame(): its last bytes, those of the header
/// too if not even these were written, masked if there is a key. They are copied. After ws_conn_end_frame() the output
/// lends them first, before all that was queued since ws_conn_begin_frame(), for nothing may come between the bytes of
/// a frame (RFC 6455, 5.4 and 5.5). Where they lie apart, each call hands over what follows. Also after the connection
/// has ended meanwhile (#WS_EVENT_CLOSE).
///
/// They count as output that waits: against the limits, which refuse them as they would a message of that size, for
/// the high-water mark, and from ws_conn_end_frame() on for the write stall timeout. In the metrics they are written
/// when they are consumed.
///
/// @param conn  a connection between ws_conn_begin_frame() and ws_conn_end_frame()
/// @param rest  the bytes; NULL if len is 0
/// @param len   their number, no more than the frame has and were not written
/// @return #WS_OK; #WS_ERR_QUEUE_FULL: nothing of it was taken, and the host can still write it itself, unless bytes
///         before it were handed over: then close the socket; #WS_ERR_STATE if no frame was begun;
///         #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_queue_frame_rest(conn: *mut ws_conn, rest: *const c_void, len: usize) -> ws_status {
    with(conn, |conn| conn.conn.outbound().queue_frame_rest(bytes(rest, len)?).map(|()| ws_status::WS_OK))
}

/// Says that the frame of ws_conn_begin_frame() was written to its last byte, but for what was handed over with
/// ws_conn_queue_frame_rest(): the output goes on, and the timeouts count anew. Also after the connection has ended
/// meanwhile; a frame of which bytes are lost leaves only to close the socket.
///
/// @param conn  a connection
/// @return #WS_OK; #WS_ERR_STATE if no frame was begun; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_end_frame(conn: *mut ws_conn) -> ws_status {
    with(conn, |conn| conn.conn.outbound().end_frame().map(|()| ws_status::WS_OK))
}

/// Masks a payload in place, or unmasks it, which is the same (RFC 6455, 5.3).
///
/// @param key     the four bytes of the key
/// @param offset  bytes of the payload before data
/// @param data    the payload, or a part of it; NULL if len is 0
/// @param len     its length in bytes
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_mask(key: *const u8, offset: u64, data: *mut c_void, len: usize) -> ws_status {
    stateless(ws_status::WS_ERR_INTERNAL, || {
        let Ok(&[key]) = slice(key.cast::<[u8; 4]>(), 1) else {
            return ws_status::WS_ERR_INVALID_ARGUMENT;
        };
        match bytes_mut(data, len) {
            Ok(data) => mask::apply(key, offset, data),
            Err(_) => return ws_status::WS_ERR_INVALID_ARGUMENT,
        }
        ws_status::WS_OK
    })
}

/// Queues a ping (RFC 6455, 5.5.2); the peer's pong brings its bytes back. No limit on output counts. Like every ping
/// and pong it may overtake messages that wait, between two frames.
///
/// @param conn  an open connection
/// @param data  any bytes; NULL if len is 0
/// @param len   0 to 125
/// @return #WS_OK; #WS_ERR_STATE before the opening and from the first close frame on; #WS_ERR_RANDOM;
///         #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_queue_ping(conn: *mut ws_conn, data: *const c_void, len: usize) -> ws_status {
    with(conn, |conn| conn.conn.outbound().queue_ping(bytes(data, len)?).map(|()| ws_status::WS_OK))
}

/// Queues a pong (RFC 6455, 5.5.3): an unsolicited one, or the answer to a ping where the engine does not answer.
///
/// @param conn  an open connection
/// @param data  any bytes, those of the ping in an answer; NULL if len is 0
/// @param len   0 to 125
/// @return as ws_conn_queue_ping()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_queue_pong(conn: *mut ws_conn, data: *const c_void, len: usize) -> ws_status {
    with(conn, |conn| conn.conn.outbound().queue_pong(bytes(data, len)?).map(|()| ws_status::WS_OK))
}

/// Queues a close frame behind what was queued before, and begins the close handshake (RFC 6455, 7.1.2). Nothing more
/// can be queued; the engine still answers pings. Messages may still arrive; #WS_EVENT_CLOSE follows when the peer
/// has answered, or `close_timeout` is over.
///
/// @param conn    an open connection
/// @param code    1000 to 1003, 1007 to 1014 (1010: clients only) or 3000 to 4999 (RFC 6455, 7.4); 0 sends no code
/// @param reason  UTF-8; NULL if len is 0
/// @param len     0 to 123; 0 if there is no code
/// @return #WS_OK; #WS_ERR_STATE before the opening and from the first close frame on; #WS_ERR_INVALID_UTF8;
///         #WS_ERR_RANDOM; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_queue_close(
    conn: *mut ws_conn,
    code: u16,
    reason: *const c_void,
    len: usize,
) -> ws_status {
    with(conn, |conn| {
        let reason = std::str::from_utf8(bytes(reason, len)?).map_err(|_| Error::InvalidUtf8)?;
        let code = (code != 0).then_some(code);
        conn.conn.outbound().queue_close(code, reason).map(|()| ws_status::WS_OK)
    })
}

/// Lends the output that waits, oldest first, for writev(). Nothing is taken: call ws_conn_output_consume() with what
/// was written. The slices stay valid until they are consumed or the connection is freed, whatever is queued
/// meanwhile.
///
/// @param conn    a connection
/// @param slices  receives up to max slices; must not be written through
/// @param max     room for slices, 1 and up
/// @return the number of slices, 0 if there is nothing to write; #WS_ERR_INVALID_ARGUMENT or #WS_ERR_INTERNAL, which
///         are negative
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_output(conn: *mut ws_conn, slices: *mut libc::iovec, max: c_int) -> c_int {
    let invalid = ws_status::WS_ERR_INVALID_ARGUMENT as c_int;
    ask(conn, invalid, ws_status::WS_ERR_INTERNAL as c_int, |conn| {
        let Some(max) = usize::try_from(max).ok().filter(|&max| max > 0 && !slices.is_null()) else {
            return invalid;
        };
        let out = conn.conn.outbound();
        if let Some(part) = out.only_output() {
            // SAFETY: the caller has room for a slice at least.
            unsafe { slices.write(to_iovec(part)) };
            return 1;
        }
        if out.queue.is_at_rest() {
            return 0;
        }
        lend_slices(conn, slices, max) as c_int // at most max, which is a c_int
    })
}

#[inline(never)]
fn lend_slices(conn: &ws_conn, slices: *mut libc::iovec, max: usize) -> usize {
    let mut count = 0;
    for part in conn.conn.output().take(max) {
        // SAFETY: the caller has room for `max` slices, and count < max.
        unsafe { slices.add(count).write(to_iovec(part)) };
        count += 1;
    }
    count
}

pub(crate) fn to_iovec(slice: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: slice.as_ptr().cast_mut().cast(), iov_len: slice.len() }
}

/// Takes output that was written. When the queue falls to the low-water mark after it was above the high one, a pull
/// brings #WS_EVENT_WRITABLE: see ws_conn_has_events().
///
/// @param conn   a connection
/// @param bytes  any count up to what ws_conn_output() lent
/// @return #WS_OK; #WS_ERR_INVALID_ARGUMENT if fewer bytes wait; #WS_ERR_STATE before ws_conn_end_frame(); with an
///         error nothing was taken
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_output_consume(conn: *mut ws_conn, bytes: usize) -> ws_status {
    with(conn, |conn| conn.conn.outbound().output_consume(bytes).map(|()| ws_status::WS_OK))
}

/// Copies output and takes it, for hosts that do not write slices, such as SSL_write().
///
/// @param conn      a connection
/// @param buffer    receives the bytes
/// @param capacity  room for bytes, 1 and up
/// @param written   receives the number of bytes; 0 if the call does not return #WS_OK
/// @return #WS_OK if there were any; #WS_AGAIN if there is nothing to write; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_output_read(
    conn: *mut ws_conn,
    buffer: *mut c_void,
    capacity: usize,
    written: *mut usize,
) -> ws_status {
    preset(written, 0);
    with(conn, |conn| {
        let written = out(written)?;
        if buffer.is_null() || capacity == 0 {
            return Err(Error::InvalidArgument("no room for output"));
        }
        let mut count = 0;
        for part in conn.conn.output() {
            let len = part.len().min(capacity - count);
            // SAFETY: the caller has room for `capacity` bytes, count + len <= capacity, and its buffer is not ours.
            unsafe { simd::copy_to(&part[..len], buffer.cast::<u8>().add(count)) };
            count += len;
        }
        if count == 0 {
            return Ok(ws_status::WS_AGAIN);
        }
        conn.conn.outbound().output_consume(count)?;
        *written = count;
        Ok(ws_status::WS_OK)
    })
}

/// The output that waits to be taken, also what waits for ws_conn_end_frame().
///
/// @param conn  a connection
/// @return bytes; 0 if conn is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_queued_bytes(conn: *const ws_conn) -> usize {
    ask(conn.cast_mut(), 0, 0, |conn| conn.conn.outbound().queued_bytes())
}

/// Whether the output went above the high-water mark, or a message was refused with #WS_ERR_QUEUE_FULL while output
/// waited, and it has not fallen to the low-water mark since. Then it is time to stop producing until
/// #WS_EVENT_WRITABLE.
///
/// @param conn  a connection
/// @return 1 or 0; 0 if conn is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_above_high_water(conn: *const ws_conn) -> c_int {
    ask(conn.cast_mut(), 0, 0, |conn| c_int::from(conn.conn.outbound().is_above_high_water()))
}
