//! Token streams through the C ABI.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::{c_char, c_int};
use std::ptr::{dangling_mut, null, null_mut};

use crate::capi::Server;
use crate::support::*;
use crate::token_stream::{GOES_ON, STOP, piece};
use wsengine::capi::config::*;
use wsengine::capi::engine::*;
use wsengine::capi::output::*;
use wsengine::capi::status::ws_status::{self, *};
use wsengine::capi::stream::*;
use wsengine::capi::time::*;

unsafe fn make(engine: *mut ws_engine, id: &[u8]) -> *mut ws_stream {
    let mut stream = null_mut();
    assert_eq!(unsafe { ws_stream_new(engine, id.as_ptr().cast(), id.len(), &mut stream) }, WS_OK);
    assert!(!stream.is_null());
    stream
}

unsafe fn write(stream: *mut ws_stream, token: &[u8]) -> ws_status {
    unsafe { ws_stream_write(stream, token.as_ptr().cast(), token.len()) }
}

unsafe fn finish(stream: *mut ws_stream, reason: &[u8], usage: *const ws_stream_usage) -> ws_status {
    unsafe { ws_stream_finish(stream, reason.as_ptr().cast(), reason.len(), usage) }
}

unsafe fn fail(stream: *mut ws_stream, code: &[u8], message: &[u8], retryable: c_int) -> ws_status {
    let (code, code_len) = (code.as_ptr().cast(), code.len());
    unsafe { ws_stream_fail(stream, code, code_len, message.as_ptr().cast(), message.len(), retryable) }
}

unsafe fn next(stream: *mut ws_stream) -> (ws_status, String, u64, c_int) {
    unsafe {
        let mut message: ws_stream_message = std::mem::zeroed();
        message.struct_size = size_of::<ws_stream_message>();
        let status = ws_stream_next(stream, &mut message);
        let (data, len) = (message.data.cast::<u8>(), message.len);
        let json = if data.is_null() { &[] } else { std::slice::from_raw_parts(data, len) };
        (status, String::from_utf8(json.to_vec()).unwrap(), message.seq, message.done)
    }
}

#[test]
fn a_stream_that_the_host_sends() {
    unsafe {
        let engine = ws_engine_new(null());
        assert_eq!(ws_engine_advance(engine, 5_000), WS_OK);
        let stream = make(engine, b"r");
        let mut mine = 7;
        assert!(ws_stream_user_data(stream).is_null());
        ws_stream_set_user_data(stream, (&raw mut mine).cast());
        assert_eq!(ws_stream_user_data(stream), (&raw mut mine).cast());
        assert_eq!((ws_stream_wants_more(stream), ws_stream_is_finished(stream)), (1, 0));
        assert_eq!((ws_stream_pending_bytes(stream), ws_stream_next_seq(stream)), (0, 1));
        assert_eq!(next(stream), (WS_AGAIN, String::new(), 0, 0));

        assert_eq!(write(stream, b"caf\xc3"), WS_OK);
        assert_eq!(ws_stream_pending_bytes(stream), 4);
        assert_eq!(next(stream), (WS_OK, piece(1, "caf", GOES_ON), 1, 0));
        assert_eq!(write(stream, b"\xa9"), WS_OK);
        assert_eq!(ws_stream_write(stream, null(), 0), WS_OK);
        assert_eq!(next(stream).0, WS_AGAIN);
        assert_eq!(ws_engine_next_deadline(engine), 5_040);
        assert!(ws_engine_next_due_stream(engine).is_null());
        assert_eq!(ws_engine_advance(engine, 5_040), WS_OK);
        assert_eq!(ws_engine_next_deadline(engine), 5_040);
        assert_eq!(ws_engine_next_due_stream(engine), stream);
        assert!(ws_engine_next_due_stream(engine).is_null());
        assert_eq!(next(stream), (WS_OK, piece(2, "é", GOES_ON), 2, 0));

        let usage = ws_stream_usage {
            struct_size: size_of::<ws_stream_usage>(),
            prompt_tokens: 1,
            completion_tokens: 2,
            total_tokens: 3,
        };
        assert_eq!(finish(stream, b"length", &usage), WS_OK);
        assert_eq!((ws_stream_wants_more(stream), ws_stream_is_finished(stream)), (0, 0));
        let end = r#""done":true,"finish_reason":"length","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}"#;
        assert_eq!(next(stream), (WS_OK, piece(3, "", end), 3, 1));
        assert_eq!((ws_stream_is_finished(stream), ws_stream_next_seq(stream)), (1, 4));
        assert_eq!(next(stream).0, WS_AGAIN);
        ws_stream_free(stream);
        ws_engine_free(engine);
    }
}

/// What was lent stays what it was while the host only asks.
#[test]
fn a_message_is_lent() {
    unsafe {
        let engine = ws_engine_new(null());
        let stream = make(engine, b"r");
        for _ in 0..100 {
            assert_eq!(write(stream, &[b'x'; 4096]), WS_OK);
        }
        let mut seq = 0;
        loop {
            let mut message: ws_stream_message = std::mem::zeroed();
            message.struct_size = size_of::<ws_stream_message>();
            if ws_stream_next(stream, &mut message) == WS_AGAIN {
                break;
            }
            seq += 1;
            ws_stream_pending_bytes(stream);
            ws_stream_wants_more(stream);
            ws_stream_next_seq(stream);
            ws_stream_is_finished(stream);
            let json = std::slice::from_raw_parts(message.data.cast::<u8>(), message.len);
            assert_eq!(json, piece(seq, &"x".repeat(4096), GOES_ON).as_bytes());
        }
        assert_eq!(seq, 100);
        ws_stream_free(stream);
        ws_engine_free(engine);
    }
}

#[test]
fn a_stream_that_is_sent_on_a_connection() {
    let config = ws_config_new();
    unsafe {
        assert_eq!(ws_config_set_stream_merge_time(config, 0), WS_OK);
        assert_eq!(ws_config_set_water_marks(config, 100, 300), WS_OK);
        let server = Server::open_with(config);
        let engine = ws_engine_new(config);
        let stream = make(engine, b"r");
        let token = [b'x'; 50];
        let framed = |seq| plain(TEXT, piece(seq, &"x".repeat(50), GOES_ON).as_bytes());
        for _ in 0..5 {
            assert_eq!(write(stream, &token), WS_OK);
        }
        assert_eq!(ws_stream_send(stream, server.conn), WS_AGAIN);
        assert_eq!((ws_conn_above_high_water(server.conn), ws_stream_wants_more(stream)), (1, 0));
        assert_eq!(ws_stream_next_seq(stream), 4);
        assert_eq!(server.take(), [framed(1), framed(2), framed(3)].concat());
        assert_eq!(ws_stream_send(stream, server.conn), WS_OK);
        assert_eq!(ws_stream_wants_more(stream), 1);
        assert_eq!(server.take(), [framed(4), framed(5)].concat());

        assert_eq!(finish(stream, b"", null()), WS_OK); // an empty text is not NULL
        assert_eq!(ws_stream_send(stream, server.conn), WS_OK);
        assert_eq!(server.take(), plain(TEXT, piece(6, "", r#""done":true,"finish_reason":"""#).as_bytes()));
        assert_eq!((ws_stream_is_finished(stream), ws_stream_send(stream, server.conn)), (1, WS_OK));
        ws_stream_free(stream);

        let stream = make(engine, b"r");
        assert_eq!(write(stream, b"a"), WS_OK);
        assert_eq!(ws_conn_queue_close(server.conn, 1000, null(), 0), WS_OK);
        assert_eq!(ws_stream_send(stream, server.conn), WS_ERR_STATE);
        assert_eq!(ws_stream_send(stream, null_mut()), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(next(stream).1, piece(1, "a", GOES_ON));
        ws_stream_free(stream);
        ws_engine_free(engine);
        ws_config_free(config);
    }
}

#[test]
fn every_end() {
    unsafe {
        let engine = ws_engine_new(null());
        let stream = make(engine, b"r");
        assert_eq!(ws_stream_finish(stream, null(), 0, null()), WS_OK);
        assert_eq!(next(stream), (WS_OK, piece(1, "", STOP), 1, 1));
        ws_stream_free(stream);

        let stream = make(engine, b"r");
        assert_eq!(ws_stream_set_first_seq(stream, 5), WS_OK);
        assert_eq!(write(stream, b"a"), WS_OK);
        assert_eq!(fail(stream, b"overloaded", "später".as_bytes(), 1), WS_OK);
        assert_eq!(next(stream), (WS_OK, piece(5, "a", GOES_ON), 5, 0));
        let error =
            r#"{"type":"error","requestId":"r","seq":6,"code":"overloaded","message":"später","retryable":true}"#;
        assert_eq!(next(stream), (WS_OK, error.to_owned(), 6, 0));
        assert_eq!(next(stream), (WS_OK, piece(7, "", r#""done":true,"finish_reason":"error""#), 7, 1));
        ws_stream_free(stream);

        let mut stream = null_mut();
        assert_eq!(ws_stream_new(engine, null(), 0, &mut stream), WS_OK);
        assert_eq!(write(stream, b"a\xe4"), WS_OK);
        assert_eq!(ws_stream_cancel(stream), WS_OK);
        let end = r#"{"type":"stream","seq":1,"content":"a","done":true,"finish_reason":"cancelled"}"#;
        assert_eq!(next(stream), (WS_OK, end.to_owned(), 1, 1));
        let refused = [
            write(stream, b"b"),
            finish(stream, b"stop", null()),
            fail(stream, b"c", b"m", 0),
            ws_stream_cancel(stream),
            ws_stream_set_first_seq(stream, 1),
        ];
        assert_eq!(refused, [WS_ERR_STATE; 5]);
        ws_stream_free(stream);
        ws_engine_free(engine);
    }
}

#[test]
fn what_is_malformed_is_refused_and_changes_nothing() {
    unsafe {
        let config = ws_config_new();
        assert_eq!(ws_config_set_max_queued_bytes(config, 1024), WS_OK);
        let engine = ws_engine_new(config);
        let stream = make(engine, b"r");
        let mut usage: ws_stream_usage = std::mem::zeroed();
        usage.struct_size = size_of::<ws_stream_usage>() - 1;
        let mut message: ws_stream_message = std::mem::zeroed();
        message.struct_size = size_of::<ws_stream_message>() - 1;
        assert_eq!(write(stream, b"a"), WS_OK);
        let no: *const c_char = null();
        let invalid = [
            ws_stream_write(stream, null(), 1),
            ws_stream_finish(stream, no, 1, null()),
            finish(stream, b"stop", &usage),
            ws_stream_fail(stream, no, 1, no, 0, 0),
            ws_stream_fail(stream, no, 0, no, 1, 0),
            fail(stream, b"c", b"m", 2),
            ws_stream_next(stream, null_mut()),
            ws_stream_next(stream, &mut message),
            ws_stream_set_first_seq(stream, 0),
        ];
        assert_eq!(invalid, [WS_ERR_INVALID_ARGUMENT; 9]);
        assert_eq!(finish(stream, b"\xff", null()), WS_ERR_INVALID_UTF8);
        assert_eq!(fail(stream, b"\xff", b"", 0), WS_ERR_INVALID_UTF8);
        assert_eq!(fail(stream, b"", b"\xff", 0), WS_ERR_INVALID_UTF8);
        assert_eq!(write(stream, &[b'a'; 1024]), WS_ERR_QUEUE_FULL);
        assert_eq!((ws_stream_pending_bytes(stream), message.data), (1, null()));
        assert_eq!(next(stream), (WS_OK, piece(1, "a", GOES_ON), 1, 0));

        for (id, len, status) in [(&b"\xff"[..], 1, WS_ERR_INVALID_UTF8), (b"", 0, WS_OK)] {
            let mut made = dangling_mut();
            assert_eq!(ws_stream_new(engine, id.as_ptr().cast(), len, &mut made), status);
            assert_eq!(made.is_null(), status != WS_OK);
            ws_stream_free(made);
        }
        let mut made = dangling_mut();
        assert_eq!(ws_stream_new(engine, null(), 1, &mut made), WS_ERR_INVALID_ARGUMENT);
        assert!(made.is_null());
        assert_eq!(ws_stream_new(engine, null(), 0, null_mut()), WS_ERR_INVALID_ARGUMENT);
        ws_stream_free(stream);
        ws_engine_free(engine);
        ws_config_free(config);
    }
}

#[test]
fn the_settings() {
    unsafe {
        let config = ws_config_new();
        assert_eq!(ws_config_set_stream_merge_time(config, 10_001), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_config_set_stream_piece_size(config, 15), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_config_set_stream_water_marks(config, 5, 5), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_config_set_stream_merge_time(config, 70), WS_OK);
        assert_eq!(ws_config_set_stream_piece_size(config, 16), WS_OK);
        assert_eq!(ws_config_set_stream_water_marks(config, 20, 30), WS_OK);
        let engine = ws_engine_new(config);
        ws_engine_advance(engine, 100);
        let stream = make(engine, b"r");
        assert_eq!(write(stream, b"0123456789abcdefgh"), WS_OK);
        assert_eq!(ws_stream_wants_more(stream), 0);
        assert_eq!(next(stream).1, piece(1, "0123456789abcdef", GOES_ON));
        assert_eq!(ws_stream_wants_more(stream), 1);
        assert!(ws_engine_next_deadline(engine) <= 170);
        ws_engine_advance(engine, 169);
        assert!(ws_engine_next_due_stream(engine).is_null());
        ws_engine_advance(engine, 170);
        ws_stream_free(stream);
        assert_eq!(ws_engine_next_deadline(engine), u64::MAX, "it was forgotten");
        ws_engine_free(engine);
        ws_config_free(config);
    }
}

#[test]
fn structs_of_a_newer_caller() {
    #[repr(C)]
    struct Newer<T> {
        known: T,
        added: u64,
    }
    unsafe {
        let engine = ws_engine_new(null());
        let stream = make(engine, b"r");
        let mut usage: Newer<ws_stream_usage> = std::mem::zeroed();
        usage.known.struct_size = size_of::<Newer<ws_stream_usage>>();
        let mut message: Newer<ws_stream_message> = std::mem::zeroed();
        (message.known.struct_size, message.added) = (size_of::<Newer<ws_stream_message>>(), u64::MAX);
        assert_eq!(finish(stream, b"stop", &raw const usage.known), WS_OK);
        assert_eq!(ws_stream_next(stream, &raw mut message.known), WS_OK);
        assert_eq!((message.known.seq, message.known.done, message.added), (1, 1, u64::MAX));
        assert_eq!(message.known.struct_size, size_of::<Newer<ws_stream_message>>());
        ws_stream_free(stream);
        ws_engine_free(engine);
    }
}

/// The engine's handle may go first; a stream that is due may go before it is handed out.
#[test]
fn freed_in_any_order() {
    unsafe {
        let engine = ws_engine_new(null());
        ws_engine_advance(engine, 0);
        let streams = [make(engine, b"r"), make(engine, b"r"), make(engine, b"r")];
        for stream in streams {
            assert_eq!(write(stream, b"a"), WS_OK);
            assert_eq!(next(stream).0, WS_OK);
            assert_eq!(write(stream, b"b"), WS_OK);
        }
        ws_stream_free(streams[0]);
        ws_engine_advance(engine, 100);
        ws_stream_free(streams[1]);
        assert_eq!(ws_engine_next_due_stream(engine), streams[2]);
        assert!(ws_engine_next_due_stream(engine).is_null());
        ws_engine_free(engine);
        assert_eq!(next(streams[2]).1, piece(2, "b", GOES_ON));
        assert_eq!(write(streams[2], b"c"), WS_OK);
        ws_stream_free(streams[2]);
    }
}

#[test]
fn null_handles() {
    unsafe {
        let (no, mut made) = (null_mut(), dangling_mut());
        assert_eq!(ws_stream_new(null_mut(), null(), 0, &mut made), WS_ERR_INVALID_ARGUMENT);
        assert!(made.is_null());
        let server = Server::open_with(null());
        let refused = [
            ws_stream_set_first_seq(no, 1),
            ws_stream_write(no, null(), 0),
            ws_stream_finish(no, null(), 0, null()),
            ws_stream_fail(no, null(), 0, null(), 0, 0),
            ws_stream_cancel(no),
            next(no).0,
            ws_stream_send(no, server.conn),
        ];
        assert_eq!(refused, [WS_ERR_INVALID_ARGUMENT; 7]);
        assert_eq!((ws_stream_wants_more(no), ws_stream_is_finished(no)), (0, 1));
        assert_eq!((ws_stream_pending_bytes(no), ws_stream_next_seq(no)), (0, 0));
        assert!(ws_engine_next_due_stream(null_mut()).is_null());
        ws_stream_set_user_data(no, null_mut());
        assert!(ws_stream_user_data(no).is_null());
        ws_stream_free(no);
    }
}
