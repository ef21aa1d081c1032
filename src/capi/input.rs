//! Input and events

use std::ffi::{c_char, c_int, c_void};
use std::ptr::NonNull;

use crate::capi::config::to_delivery;
use crate::capi::connection::ws_conn;
use crate::capi::guard::{bytes, out, preset, with};
use crate::capi::status::ws_status;
use crate::connection::{Connection, Lent};
use crate::detail::Detail;
use crate::error::Error;
use crate::event::{Event, Initiator, MessageType};

/// Gives bytes that came from the peer; they are copied. Pull events until #WS_AGAIN before giving more. What comes
/// after the connection has ended is ignored (RFC 6455, 7.1.7).
///
/// @param conn  a connection
/// @param data  the bytes; NULL if len is 0
/// @param len   their number; any, 0 included
/// @return #WS_OK; #WS_ERR_INPUT_PENDING, and nothing was taken; #WS_ERR_STATE after ws_conn_feed_eof();
///         #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_feed(conn: *mut ws_conn, data: *const c_void, len: usize) -> ws_status {
    with(conn, |conn| conn.conn.feed(bytes(data, len)?).map(|()| ws_status::WS_OK))
}

/// Lends bytes that came from the peer: payloads are unmasked where they are, and events point there. Pull events until
/// #WS_AGAIN; until then the bytes must stay where they are, untouched, and from then on they are the caller's again.
/// Nothing before or behind them is read or written.
///
/// @param conn  a connection
/// @param data  the bytes; NULL if len is 0
/// @param len   their number; any, 0 included
/// @return as ws_conn_feed(); with an error nothing was lent
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_feed_mut(conn: *mut ws_conn, data: *mut c_void, len: usize) -> ws_status {
    with(conn, |conn| {
        let lent = bytes(data, len)?;
        let start = NonNull::new(data.cast::<u8>()).unwrap_or(NonNull::dangling()); // NULL only with a length of 0
        let address = NonNull::slice_from_raw_parts(start, len);
        conn.conn.feed_in_place(lent, address).map(|()| ws_status::WS_OK)
    })
}

/// Lends memory to receive into, for recv() or SSL_read(). It is the engine's receive buffer, which its connections
/// share; or, while a large message is arriving, the place where that is assembled, up to the end of its frame. Call
/// ws_conn_commit() next.
///
/// @param conn      a connection
/// @param min       bytes that are needed at least, 0 to 16 MiB; 0 if any number will do
/// @param buffer    receives a pointer to the memory, which stays valid until ws_conn_commit(), the next input call or
///                  pull, or ws_conn_free(); what is in it is undefined
/// @param capacity  receives its size in bytes, min and 1 at least: `receive_buffer_size`, or min if that is more;
///                  of a large message, about as many as have come
/// @return #WS_OK; #WS_ERR_INPUT_PENDING before #WS_AGAIN; #WS_ERR_STATE after ws_conn_feed_eof();
///         #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_recv_buffer(
    conn: *mut ws_conn,
    min: usize,
    buffer: *mut *mut c_void,
    capacity: *mut usize,
) -> ws_status {
    preset(buffer, std::ptr::null_mut());
    preset(capacity, 0);
    with(conn, |conn| {
        let (buffer, capacity) = (out(buffer)?, out(capacity)?);
        let (address, room) = conn.conn.lend_address(min)?;
        (*buffer, *capacity) = (address.cast(), room);
        Ok(ws_status::WS_OK)
    })
}

/// Says how many bytes were received into the memory that ws_conn_recv_buffer() lent. Pull events until #WS_AGAIN
/// then.
///
/// @param conn   a connection
/// @param bytes  0 to the capacity that was lent; 0 gives the memory back, when recv() had nothing
/// @return #WS_OK; #WS_ERR_STATE if nothing is lent, or no longer, since there was another input call or a pull;
///         #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_commit(conn: *mut ws_conn, bytes: usize) -> ws_status {
    with(conn, |conn| {
        if let Lent::Assembly { filled, .. } = conn.conn.check_commit(bytes)?
            && let Some(buffer) = conn.conn.assembly()
        {
            // SAFETY: check_commit() saw that this is within the capacity, and the caller has written the bytes behind
            // the first `filled` (ws_conn_commit).
            unsafe { buffer.set_len(filled + bytes) };
        }
        conn.conn.note_commit(bytes);
        Ok(ws_status::WS_OK)
    })
}

/// Says that the peer closed its side of the stream: recv() returned 0, or the stream broke. Pull events afterwards;
/// if the connection was not closed before, #WS_EVENT_CLOSE with code 1006 follows (RFC 6455, 7.1.5).
///
/// @param conn  a connection
/// @return #WS_OK or #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_feed_eof(conn: *mut ws_conn) -> ws_status {
    with(conn, |conn| {
        conn.conn.feed_eof();
        Ok(ws_status::WS_OK)
    })
}

/// What happened. Later versions add values: ignore those that you do not know.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ws_event_type {
    /// Nothing; what ws_conn_next_event() leaves with #WS_AGAIN.
    WS_EVENT_NONE = 0,
    /// Server with manual accept: a valid request waits for ws_conn_accept() or ws_conn_reject(). `data` is its
    /// target; see ws_conn_request_method() for the rest of it.
    WS_EVENT_REQUEST = 1,
    /// The handshake is complete, messages may flow. `data` is the subprotocol, empty if there is none; `compressed`
    /// says whether permessage-deflate was agreed on.
    WS_EVENT_OPEN = 2,
    /// #WS_DELIVER_MESSAGES: a whole text message; `data` is valid UTF-8 (RFC 6455, 5.6 and 8.1).
    WS_EVENT_TEXT = 3,
    /// #WS_DELIVER_MESSAGES: a whole binary message, which is `data`.
    WS_EVENT_BINARY = 4,
    /// A ping with `data`; the engine has queued the pong unless that is turned off.
    WS_EVENT_PING = 5,
    /// A pong with `data`; `rtt_ms` if it answers a ping of the engine's own.
    WS_EVENT_PONG = 6,
    /// The end, exactly once for each connection that is pulled to its end, whatever the cause: a close frame, a rule
    /// that the peer broke, a deadline, a handshake that failed, a stream that ended. `data` is the reason that the
    /// peer sent; see also `close_code`, `http_status`, `detail`, `clean` and `initiator`.
    WS_EVENT_CLOSE = 7,
    /// #WS_DELIVER_CHUNKS: a part of a message, as it arrived, which is `data`; see `opcode`, `offset`, `first`,
    /// `last`. A chunk of text may end within a character; the text as a whole is checked. Empty chunks occur only as
    /// the last.
    WS_EVENT_CHUNK = 8,
    /// #WS_DELIVER_FRAMES: a data frame, of which `data` is the whole payload, unmasked and inflated; see `opcode`,
    /// `last` and `compressed`. Text may end within a character.
    WS_EVENT_FRAME = 9,
    /// The output fell to the low-water mark after it had been above the high one, or after a message was refused
    /// with #WS_ERR_QUEUE_FULL while output waited.
    WS_EVENT_WRITABLE = 10,
}

/// Who began the end of a connection.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ws_close_initiator {
    /// The other side.
    WS_CLOSED_BY_PEER = 0,
    /// This side: by a call, since the peer broke a rule, or since a deadline was reached.
    WS_CLOSED_BY_US = 1,
    /// Nobody: the connection was lost.
    WS_CLOSED_BY_NOBODY = 2,
}

/// An event, filled by ws_conn_next_event(). Its pointers live until the next pull or input call on the same
/// connection; queueing and taking output do not end them. 64 bytes where pointers have 8; new fields will be taken
/// from the reserved ones. The type says which fields are set: the others are 0, or as each of them says.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ws_event {
    /// What happened.
    pub r#type: ws_event_type,
    /// #WS_EVENT_CLOSE: the code that the peer sent, or that we sent for a rule that it broke or since it was silent
    /// for too long; 1005 for a close frame without a code, 1006 for a connection that was lost or never opened (RFC
    /// 6455, 7.4.1). Else 0.
    pub close_code: u16,
    /// #WS_EVENT_CLOSE of a handshake that failed: the HTTP status that was sent (server) or received (client), if
    /// any. Else 0.
    pub http_status: u16,
    /// The bytes of the event; see ::ws_event_type. Never NULL, not NUL-terminated.
    pub data: *const c_char,
    /// The number of bytes.
    pub len: usize,
    /// #WS_EVENT_CLOSE: why, in words, with the section of the RFC. Else "". A static, NUL-terminated text, never
    /// NULL.
    pub detail: *const c_char,
    /// #WS_EVENT_CLOSE: 1 if both sides sent a close frame, else 0.
    pub clean: u8,
    /// #WS_EVENT_CLOSE: a ::ws_close_initiator. Else 0.
    pub initiator: u8,
    /// #WS_EVENT_CHUNK: a ::ws_message_type. #WS_EVENT_FRAME: that, or 0 for a continuation (RFC 6455, 5.2). Else 0.
    pub opcode: u8,
    /// #WS_EVENT_CHUNK: 1 if the message begins here. Else 0.
    pub first: u8,
    /// #WS_EVENT_CHUNK: 1 if the message ends here. #WS_EVENT_FRAME: 1 for the last frame of its message. Else 0.
    pub last: u8,
    /// #WS_EVENT_OPEN: 1 if permessage-deflate was agreed on (RFC 7692). #WS_EVENT_FRAME: 1 for a frame of a message
    /// that came compressed. Else 0.
    pub compressed: u8,
    /// For later versions; 0.
    pub reserved0: [u8; 2],
    /// #WS_EVENT_CHUNK: bytes of the message before this chunk. Else 0.
    pub offset: u64,
    /// #WS_EVENT_PONG: milliseconds since the ping that it answers, if that was one of the engine's own. Else -1.
    pub rtt_ms: i64,
    /// For later versions; 0.
    pub reserved1: u64,
}

const _: () = assert!(size_of::<ws_event>() == 64 || size_of::<usize>() != 8);

/// Pulls the next event.
///
/// @param conn   a connection
/// @param event  receives the event; its type is #WS_EVENT_NONE if there is none, and it is left as it is by an error
/// @return #WS_OK if there is one; #WS_AGAIN if all input was used; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_next_event(conn: *mut ws_conn, event: *mut ws_event) -> ws_status {
    with(conn, |conn| {
        let place = out(event)?;
        if conn.conn.is_at_rest() {
            *place = EMPTY;
            return Ok(ws_status::WS_AGAIN);
        }
        pull_one(&mut conn.conn, place);
        Ok(if place.r#type == ws_event_type::WS_EVENT_NONE { ws_status::WS_AGAIN } else { ws_status::WS_OK })
    })
}

#[inline(never)] // so that a pull which is over at once does not pay for it
fn pull_one(conn: &mut Connection, place: &mut ws_event) {
    if pull_messages(conn, 1, |_, message| *place = message) == 0 {
        *place = pull(conn);
    }
}

/// Pulls events: whole messages that lie one behind the other in the input, as many as there is room for, so that many
/// small ones take fewer calls; or one event of any other kind. Nothing else happens on the way of those messages:
/// what closes the connection comes with the next pull, after they were answered.
///
/// @param conn      a connection
/// @param events    receives up to `capacity` events, which all live until the next pull or input call
/// @param capacity  room for events, 1 and up
/// @param count     receives the number of events; 0 if the call does not return #WS_OK
/// @return #WS_OK if there are any; #WS_AGAIN if all input was used; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_next_events(
    conn: *mut ws_conn,
    events: *mut ws_event,
    capacity: usize,
    count: *mut usize,
) -> ws_status {
    preset(count, 0);
    with(conn, |conn| {
        let count = out(count)?;
        if events.is_null() || capacity == 0 {
            return Err(Error::InvalidArgument("no room for events"));
        }
        if conn.conn.is_at_rest() {
            return Ok(ws_status::WS_AGAIN);
        }
        // SAFETY: the caller has room for `capacity` events, and each index is below that.
        let put = move |index: usize, event| unsafe { events.add(index).write(event) };
        *count = pull_messages(&mut conn.conn, capacity, put);
        if *count == 0 {
            let event = pull(&mut conn.conn);
            if event.r#type == ws_event_type::WS_EVENT_NONE {
                return Ok(ws_status::WS_AGAIN);
            }
            put(0, event);
            *count = 1;
        }
        Ok(ws_status::WS_OK)
    })
}

/// Pulls up to `max` whole messages, if nothing else comes first.
#[inline]
fn pull_messages(conn: &mut Connection, max: usize, mut put: impl FnMut(usize, ws_event)) -> usize {
    let host = host_input(conn);
    conn.whole_messages(host, max, move |index, message_type, payload| put(index, message(message_type, payload)))
}

#[inline(always)]
fn message(message_type: MessageType, payload: &[u8]) -> ws_event {
    let r#type = match message_type {
        MessageType::Text => ws_event_type::WS_EVENT_TEXT,
        MessageType::Binary => ws_event_type::WS_EVENT_BINARY,
    };
    ws_event { r#type, data: payload.as_ptr().cast(), len: payload.len(), ..EMPTY }
}

/// Pulls what comes next, which is no whole message.
fn pull(conn: &mut Connection) -> ws_event {
    let host = host_input(conn);
    if let Some((message_type, payload)) = conn.message_end(host) {
        return message(message_type, payload);
    }
    if conn.message_beginning(host_input(conn)) {
        return EMPTY;
    }
    let host = host_input(conn);
    conn.next_event_but_whole_messages(host).map_or(EMPTY, |(event, _outbound)| to_c(event))
}

/// What ws_conn_feed_mut() was lent.
fn host_input<'a>(conn: &Connection) -> Option<&'a mut [u8]> {
    // SAFETY: the caller has lent these bytes to this connection until it is told WS_AGAIN, and touches none of them
    // before (ws_conn_feed_mut); then the connection forgets them.
    conn.host_input().map(|mut bytes| unsafe { bytes.as_mut() })
}

const EMPTY: ws_event = ws_event {
    r#type: ws_event_type::WS_EVENT_NONE,
    close_code: 0,
    http_status: 0,
    data: c"".as_ptr(),
    len: 0,
    detail: Detail::NONE.as_c_str().as_ptr(),
    clean: 0,
    initiator: 0,
    opcode: 0,
    first: 0,
    last: 0,
    compressed: 0,
    reserved0: [0; 2],
    offset: 0,
    rtt_ms: -1,
    reserved1: 0,
};

fn to_c(event: Event<'_>) -> ws_event {
    let with_data = |r#type, data: &[u8]| ws_event { r#type, data: data.as_ptr().cast(), len: data.len(), ..EMPTY };
    match event {
        Event::Request { target } => with_data(ws_event_type::WS_EVENT_REQUEST, target.as_bytes()),
        Event::Open { subprotocol, compression } => ws_event {
            compressed: u8::from(compression),
            ..with_data(ws_event_type::WS_EVENT_OPEN, subprotocol.unwrap_or_default().as_bytes())
        },
        Event::Text(text) => with_data(ws_event_type::WS_EVENT_TEXT, text.as_bytes()),
        Event::Binary(data) => with_data(ws_event_type::WS_EVENT_BINARY, data),
        Event::Ping(data) => with_data(ws_event_type::WS_EVENT_PING, data),
        Event::Chunk(chunk) => ws_event {
            opcode: chunk.opcode as u8,
            offset: chunk.offset,
            first: u8::from(chunk.first),
            last: u8::from(chunk.last),
            ..with_data(ws_event_type::WS_EVENT_CHUNK, chunk.data)
        },
        Event::Frame(frame) => ws_event {
            opcode: frame.opcode as u8,
            last: u8::from(frame.fin),
            compressed: u8::from(frame.compressed),
            ..with_data(ws_event_type::WS_EVENT_FRAME, frame.data)
        },
        Event::Pong { data, rtt_ms } => {
            ws_event { rtt_ms: rtt_ms.map_or(-1, i64::from), ..with_data(ws_event_type::WS_EVENT_PONG, data) }
        }
        Event::Writable => ws_event { r#type: ws_event_type::WS_EVENT_WRITABLE, ..EMPTY },
        Event::Close(close) => ws_event {
            close_code: close.code,
            http_status: close.http_status.unwrap_or(0),
            detail: close.detail.as_c_str().as_ptr(),
            clean: u8::from(close.clean),
            initiator: match close.initiator {
                Initiator::Peer => ws_close_initiator::WS_CLOSED_BY_PEER,
                Initiator::Us => ws_close_initiator::WS_CLOSED_BY_US,
                Initiator::Nobody => ws_close_initiator::WS_CLOSED_BY_NOBODY,
            } as u8,
            ..with_data(ws_event_type::WS_EVENT_CLOSE, close.reason.as_bytes())
        },
    }
}

/// Chooses how the messages of one connection are delivered, from the next one on; also before the opening.
///
/// @param conn      a connection
/// @param delivery  a ::ws_delivery; the default is that of the settings
/// @return #WS_OK; #WS_ERR_STATE while a message is arriving; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_set_delivery(conn: *mut ws_conn, delivery: c_int) -> ws_status {
    with(conn, |conn| conn.conn.set_delivery(to_delivery(delivery)?).map(|()| ws_status::WS_OK))
}
