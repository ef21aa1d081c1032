//! Token streams

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};

use crate::capi::connection::ws_conn;
use crate::capi::engine::ws_engine;
use crate::capi::guard::{
    Handle, SizedByCaller, ask, bytes, flag, free, into_handle, optional_bytes, out, preset, sized, with,
};
use crate::capi::status::ws_status;
use crate::error::Error;
use crate::token_stream::{TokenStream, Usage};

/// What a language model says, token by token, as whole JSON text messages that are numbered without a gap:
///
/// @code
/// {"type":"stream","requestId":"r-1","seq":1,"content":"Hel","done":false}
/// {"type":"stream","requestId":"r-1","seq":2,"content":"lo","done":true,"finish_reason":"stop"}
/// @endcode
///
/// The first text leaves at once. What comes within `stream_merge_time` after a message is merged into the next one; as
/// soon as its text reaches `stream_piece_size` it is due, too. While nobody takes messages, merging goes on.
///
/// A stream belongs to an engine, whose time it knows, and to no connection: ws_stream_next() lends its messages to be
/// sent, or kept, anywhere; ws_stream_send() queues them on a connection. One answer, one stream, one connection:
///
/// @code
/// ws_stream_new(engine, id, id_len, &stream);   // a question has come
///
/// ws_stream_write(stream, token, token_len);    // the model has said something
/// ws_stream_send(stream, conn);
/// if (!ws_stream_wants_more(stream)) pause(model);
///
/// while ((stream = ws_engine_next_due_stream(engine)) != NULL) // after ws_engine_advance()
///     ws_stream_send(stream, conn_of(stream));
///
/// ws_stream_send(stream, conn);                 // at WS_EVENT_WRITABLE
/// if (ws_stream_wants_more(stream)) resume(model);
///
/// ws_stream_finish(stream, NULL, 0, NULL);      // the model is done: also ws_stream_fail(), ws_stream_cancel()
/// ws_stream_send(stream, conn);
/// if (ws_stream_is_finished(stream)) ws_stream_free(stream);
/// @endcode
///
/// Used by one thread at a time, the one that uses its engine.
pub struct ws_stream {
    stream: TokenStream,
    user_data: *mut c_void,
    poisoned: bool,
}

impl Handle for ws_stream {
    fn poisoned(&mut self) -> &mut bool {
        &mut self.poisoned
    }
}

/// What an answer has cost, as its model counts. Set `struct_size`, then the rest.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ws_stream_usage {
    /// `sizeof(ws_stream_usage)`: see the conventions.
    pub struct_size: usize,
    /// Tokens of the question.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Both.
    pub total_tokens: u64,
}

impl SizedByCaller for ws_stream_usage {}

/// A message of a stream, filled by ws_stream_next().
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ws_stream_message {
    /// `sizeof(ws_stream_message)`, set before the call: see the conventions.
    pub struct_size: usize,
    /// A JSON object in UTF-8, the payload of a text message; not NUL-terminated. It lives until the next call on the
    /// stream that is not one of those that ask.
    pub data: *const c_char,
    /// Its length in bytes.
    pub len: usize,
    /// Its number.
    pub seq: u64,
    /// 1 if it is the last one. Else 0.
    pub done: c_int,
}

impl SizedByCaller for ws_stream_message {}

/// Makes a stream.
///
/// @param engine      the engine of this thread's event loop
/// @param request_id  the `requestId` of its messages, UTF-8, which is copied; NULL with a len of 0: they have none
/// @param len         its length in bytes
/// @param stream      receives a stream to be freed with ws_stream_free(); NULL if the call fails
/// @return #WS_OK; #WS_ERR_INVALID_UTF8; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_new(
    engine: *mut ws_engine,
    request_id: *const c_char,
    len: usize,
    stream: *mut *mut ws_stream,
) -> ws_status {
    preset(stream, std::ptr::null_mut());
    with(engine, |engine| {
        let place = out(stream)?;
        let request_id = optional_bytes(request_id, len)?.map(utf8).transpose()?;
        let stream = TokenStream::new(&engine.engine, request_id);
        let handle = into_handle(ws_stream { stream, user_data: std::ptr::null_mut(), poisoned: false });
        // SAFETY: the handle was just made. ws_engine_next_due_stream() gives its address back; nothing else looks at it.
        unsafe { (*handle).stream.set_token(handle.expose_provenance()) };
        *place = handle;
        Ok(ws_status::WS_OK)
    })
}

/// Frees a stream, whatever its state, with the messages that nobody has taken.
///
/// @param stream  a stream, or NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_free(stream: *mut ws_stream) {
    free(stream);
}

/// Chooses the number of the first message, for an answer that goes on where another stream of it stopped.
///
/// @param stream  a stream that has made no message yet
/// @param seq     1 to 2^53-1; default 1
/// @return #WS_OK; #WS_ERR_STATE; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_set_first_seq(stream: *mut ws_stream, seq: u64) -> ws_status {
    with(stream, |stream| stream.stream.set_first_seq(seq).map(|()| ws_status::WS_OK))
}

/// Takes the next bytes of the text. They may end in the middle of a character, which leaves when the rest of it has
/// come; what cannot become a character turns into U+FFFD. The two halves of a UTF-16 pair that were encoded as three
/// bytes each (CESU-8) become their character. Take messages afterwards: one may be due.
///
/// @param stream  a stream that has not ended
/// @param data    any bytes; NULL if len is 0
/// @param len     their number
/// @return #WS_OK; #WS_ERR_STATE after the end; #WS_ERR_QUEUE_FULL if more than `max_queued_bytes` would wait in the
///         stream, see ws_stream_wants_more(); #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_write(stream: *mut ws_stream, data: *const c_void, len: usize) -> ws_status {
    with(stream, |stream| stream.stream.write(bytes(data, len)?).map(|()| ws_status::WS_OK))
}

/// Ends the text: what is held back of a character becomes U+FFFD, and what is in no message yet leaves with the last
/// one: `"done":true,"finish_reason":"stop","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}`.
///
/// @param stream  a stream that has not ended
/// @param reason  why the answer ended, UTF-8: "stop", "length"; NULL with a len of 0 is "stop"
/// @param len     its length in bytes
/// @param usage   what it has cost; NULL if that is not known
/// @return #WS_OK; #WS_ERR_STATE after the end; #WS_ERR_INVALID_UTF8; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_finish(
    stream: *mut ws_stream,
    reason: *const c_char,
    len: usize,
    usage: *const ws_stream_usage,
) -> ws_status {
    with(stream, |stream| {
        let reason = optional_bytes(reason, len)?.map_or(Ok("stop"), utf8)?;
        let usage = if usage.is_null() { None } else { Some(sized(usage)?) };
        let usage = usage.map(|usage| Usage {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.total_tokens,
        });
        stream.stream.finish(reason, usage).map(|()| ws_status::WS_OK)
    })
}

/// Ends the text with an error. What was written leaves first, without a character that is not complete, then
/// `{"type":"error","requestId":"r-1","seq":3,"code":"...","message":"...","retryable":true}`, then the last message, with the
/// `finish_reason` "error".
///
/// @param stream       a stream that has not ended
/// @param code         what failed, for programs, UTF-8: "upstream_timeout"; NULL if code_len is 0
/// @param code_len     its length in bytes
/// @param message      what failed, for people, UTF-8; NULL if message_len is 0
/// @param message_len  its length in bytes
/// @param retryable    1 if the same question may be answered later, else 0
/// @return as ws_stream_finish()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_fail(
    stream: *mut ws_stream,
    code: *const c_char,
    code_len: usize,
    message: *const c_char,
    message_len: usize,
    retryable: c_int,
) -> ws_status {
    with(stream, |stream| {
        let code = utf8(bytes(code.cast(), code_len)?)?;
        let message = utf8(bytes(message.cast(), message_len)?)?;
        stream.stream.fail(code, message, flag(retryable)?).map(|()| ws_status::WS_OK)
    })
}

/// Ends the text in the middle, since nobody wants the rest: what was written leaves with the last message, whose
/// `finish_reason` is "cancelled". A character that is not complete is dropped.
///
/// @param stream  a stream that has not ended
/// @return #WS_OK; #WS_ERR_STATE after the end; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_cancel(stream: *mut ws_stream) -> ws_status {
    with(stream, |stream| stream.stream.cancel().map(|()| ws_status::WS_OK))
}

/// Takes the next message that is due, to be sent or kept by the host.
///
/// @param stream   a stream
/// @param message  receives the message; its `struct_size` must be set. Not written unless the call returns #WS_OK
/// @return #WS_OK; #WS_AGAIN if none is due; #WS_ERR_INVALID_ARGUMENT
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_next(stream: *mut ws_stream, message: *mut ws_stream_message) -> ws_status {
    with(stream, |stream| {
        sized(message)?;
        let place = out(message)?;
        let Some(next) = stream.stream.next_message() else {
            return Ok(ws_status::WS_AGAIN);
        };
        (place.data, place.len) = (next.json.as_ptr().cast(), next.json.len());
        (place.seq, place.done) = (next.seq, c_int::from(next.done));
        Ok(ws_status::WS_OK)
    })
}

/// Queues all messages that are due on a connection, each as a text message, while its output is not above the
/// high-water mark. What is left stays in the stream, in order. Write the connection's output afterwards.
///
/// @param stream  a stream
/// @param conn    an open connection of any engine of this thread; another one than last time is fine
/// @return #WS_OK if all went; #WS_AGAIN if the output is above the high-water mark: call this again at
///         #WS_EVENT_WRITABLE; otherwise as ws_conn_queue_text(): what the connection refused, and what is behind it,
///         stays in the stream
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_send(stream: *mut ws_stream, conn: *mut ws_conn) -> ws_status {
    with(stream, |stream| {
        let is_under_way = Cell::new(false);
        let status = with(conn, |conn| {
            is_under_way.set(true);
            let result = stream.stream.send_to(conn.conn.outbound());
            is_under_way.set(false);
            result.map(|all_went| if all_went { ws_status::WS_OK } else { ws_status::WS_AGAIN })
        });
        stream.poisoned |= is_under_way.get(); // a panic: both are in an unknown state
        Ok(status)
    })
}

/// Whether to go on writing; if not, pause the model. 0 while more bytes wait in the stream than the high-water mark of
/// ws_config_set_stream_water_marks(), until they are no more than the low one; after ws_stream_send() left the
/// connection above its own high-water mark, until it is called again and finds the connection below, or the host calls
/// ws_stream_next() instead; and after the end.
///
/// @param stream  a stream
/// @return 1 or 0; 0 if stream is NULL or poisoned
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_wants_more(stream: *const ws_stream) -> c_int {
    ask(stream.cast_mut(), 0, 0, |stream| c_int::from(stream.stream.wants_more()))
}

/// What waits in the stream: messages, text that is in no message yet, and the beginning of a character.
///
/// @param stream  a stream
/// @return bytes; 0 if stream is NULL or poisoned
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_pending_bytes(stream: *const ws_stream) -> usize {
    ask(stream.cast_mut(), 0, 0, |stream| stream.stream.pending_bytes())
}

/// The number of the next message that is taken.
///
/// @param stream  a stream
/// @return its `seq`; 0 if stream is NULL or poisoned
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_next_seq(stream: *const ws_stream) -> u64 {
    ask(stream.cast_mut(), 0, 0, |stream| stream.stream.next_seq())
}

/// Whether the last message was taken, by ws_stream_next() or ws_stream_send().
///
/// @param stream  a stream
/// @return 1 or 0; 1 if stream is NULL or poisoned: nothing will come of it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_is_finished(stream: *const ws_stream) -> c_int {
    ask(stream.cast_mut(), 1, 1, |stream| c_int::from(stream.stream.is_finished()))
}

/// A stream of which time has made a message due: take its messages, or have them sent. Each is handed out once, at a
/// cost that does not depend on how many streams there are. ws_engine_next_deadline() says when, and
/// ws_engine_advance() makes it so. A stream that was freed is not handed out.
///
/// @param engine  an engine
/// @return a stream; NULL if there is none (more), or engine is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_engine_next_due_stream(engine: *mut ws_engine) -> *mut ws_stream {
    ask(engine, std::ptr::null_mut(), std::ptr::null_mut(), |engine| match engine.engine.next_due_stream() {
        Some(token) => std::ptr::with_exposed_provenance_mut(token), // as ws_stream_new() set it
        None => std::ptr::null_mut(),
    })
}

/// Keeps a pointer of the host's with the stream, such as what it needs to find the connection of a stream that
/// ws_engine_next_due_stream() gives. The engine never looks at what it points to.
///
/// @param stream     a stream; NULL and a poisoned one are ignored
/// @param user_data  any pointer
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_set_user_data(stream: *mut ws_stream, user_data: *mut c_void) {
    ask(stream, (), (), |stream| stream.user_data = user_data);
}

/// The pointer that ws_stream_set_user_data() kept; also of a poisoned stream.
///
/// @param stream  a stream
/// @return the pointer; NULL if none was set or stream is NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_stream_user_data(stream: *const ws_stream) -> *mut c_void {
    // SAFETY: NULL, or a stream that was not freed, and its thread is ours (Conventions).
    unsafe { stream.as_ref() }.map_or(std::ptr::null_mut(), |stream| stream.user_data)
}

fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(bytes).map_err(|_| Error::InvalidUtf8)
}
