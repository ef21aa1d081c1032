//! The C ABI of pieces, prepared messages, frames that the host writes, deliveries and water marks.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::{c_int, c_void};
use std::ptr::{null, null_mut};

use crate::capi::{Server, data};
use crate::support::*;
use wsengine::capi::ask::*;
use wsengine::capi::config::*;
use wsengine::capi::connection::ws_conn;
use wsengine::capi::input::*;
use wsengine::capi::output::*;
use wsengine::capi::prepared::*;
use wsengine::capi::status::ws_status::{self, *};

const TYPE_TEXT: c_int = ws_message_type::WS_MESSAGE_TEXT as c_int;
const TYPE_BINARY: c_int = ws_message_type::WS_MESSAGE_BINARY as c_int;

/// An open server with settings that `change` made.
fn open_with(change: impl FnOnce(*mut ws_config)) -> Server {
    unsafe {
        let config = ws_config_new();
        change(config);
        let server = Server::open_with(config);
        ws_config_free(config);
        server
    }
}

fn open() -> Server {
    open_with(|_| {})
}

fn pointer(bytes: &[u8]) -> *const c_void {
    bytes.as_ptr().cast()
}

#[test]
fn a_message_piece_by_piece() {
    let server = open();
    let conn = server.conn;
    unsafe {
        assert_eq!(ws_conn_queue_part(conn, pointer(b"a"), 1), WS_ERR_STATE);
        for wrong in [0, 3, 8, -1] {
            assert_eq!(ws_conn_queue_begin(conn, wrong), WS_ERR_INVALID_ARGUMENT);
        }
        assert_eq!(ws_conn_queue_begin(conn, TYPE_TEXT), WS_OK);
        assert_eq!(ws_conn_queue_begin(conn, TYPE_TEXT), WS_ERR_STATE);
        assert_eq!(ws_conn_queue_part(conn, pointer(b"ab"), 2), WS_OK);
        assert_eq!(ws_conn_queue_part(conn, pointer(b"\xff"), 1), WS_ERR_INVALID_UTF8);
        assert_eq!(ws_conn_queue_part(conn, null(), 1), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_queue_end(conn, null(), 0), WS_OK);
        assert_eq!(ws_conn_queue_end(conn, null(), 0), WS_ERR_STATE);
    }
    assert_eq!(server.take(), [raw_frame(TEXT, b"ab", None), plain(CONTINUATION, b"")].concat());
}

#[test]
fn a_frame_that_the_host_writes() {
    let server = open();
    let (mut header, mut len) = ([0u8; WS_MAX_HEADER_LEN], 0);
    unsafe {
        let conn = server.conn;
        assert_eq!(ws_conn_end_frame(conn), WS_ERR_STATE);
        assert_eq!(ws_conn_begin_frame(conn, TYPE_BINARY, 300, null_mut(), &mut len), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(
            ws_conn_begin_frame(conn, TYPE_BINARY, u64::MAX, header.as_mut_ptr(), &mut len),
            WS_ERR_INVALID_ARGUMENT
        );
        assert_eq!(ws_conn_begin_frame(conn, TYPE_BINARY, 300, header.as_mut_ptr(), &mut len), WS_OK);
        assert_eq!([&header[..len], &[7; 300]].concat(), plain(BINARY, &[7; 300]));
        assert_eq!(ws_conn_queue_text(conn, pointer(b"x"), 1), WS_OK);
        assert_eq!(server.take(), b"");
        assert_eq!(ws_conn_end_frame(conn), WS_OK);
    }
    assert_eq!(server.take(), plain(TEXT, b"x"));
}

#[test]
fn the_rest_of_a_frame_that_the_host_writes() {
    let server = open();
    let (mut header, mut len) = ([0u8; WS_MAX_HEADER_LEN], 0);
    let payload = [7; 300];
    unsafe {
        let conn = server.conn;
        assert_eq!(ws_conn_queue_frame_rest(conn, pointer(&payload), 300), WS_ERR_STATE);
        assert_eq!(ws_conn_begin_frame(conn, TYPE_BINARY, 300, header.as_mut_ptr(), &mut len), WS_OK);
        assert_eq!(ws_conn_queue_text(conn, pointer(b"x"), 1), WS_OK);
        assert_eq!(ws_conn_queue_frame_rest(conn, null(), 1), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_queue_frame_rest(conn, pointer(&vec![0; 4 << 20]), 4 << 20), WS_ERR_QUEUE_FULL);
        assert_eq!(ws_conn_queue_frame_rest(conn, pointer(&header[1..]), len - 1), WS_OK);
        assert_eq!(ws_conn_queue_frame_rest(conn, pointer(&payload), 300), WS_OK);
        assert_eq!(ws_conn_queue_frame_rest(conn, null(), 0), WS_OK);
        assert_eq!((server.take(), ws_conn_queued_bytes(conn)), (vec![], 306));
        assert_eq!(ws_conn_end_frame(conn), WS_OK);
    }
    assert_eq!(server.take(), [&plain(BINARY, &payload)[1..], &plain(TEXT, b"x")].concat());
}

#[test]
fn masking_in_pieces() {
    let mut payload = *b"hello, world";
    unsafe {
        let (first, second) = payload.split_at_mut(5);
        assert_eq!(ws_mask(KEY.as_ptr(), 0, first.as_mut_ptr().cast(), 5), WS_OK);
        assert_eq!(ws_mask(KEY.as_ptr(), 5, second.as_mut_ptr().cast(), 7), WS_OK);
        assert_eq!(ws_mask(KEY.as_ptr(), 0, null_mut(), 0), WS_OK);
        assert_eq!(ws_mask(KEY.as_ptr(), 0, null_mut(), 1), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_mask(null(), 0, payload.as_mut_ptr().cast(), 1), WS_ERR_INVALID_ARGUMENT);
    }
    assert!(masked(TEXT, b"hello, world").ends_with(&payload));
}

#[test]
fn a_prepared_message_outlives_its_references() {
    let server = open();
    let big = vec![b'x'; 10_000];
    unsafe {
        let mut prepared = null_mut();
        assert_eq!(ws_prepared_new(TYPE_TEXT, pointer(b"\xff"), 1, &mut prepared), WS_ERR_INVALID_UTF8);
        assert!(prepared.is_null());
        assert_eq!(ws_prepared_new(7, pointer(b"x"), 1, &mut prepared), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_prepared_new(TYPE_TEXT, pointer(b"x"), 1, null_mut()), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_prepared_new(TYPE_TEXT, pointer(&big), big.len(), &mut prepared), WS_OK);
        assert_eq!(ws_prepared_retain(prepared), prepared);
        ws_prepared_free(prepared);
        assert_eq!(ws_conn_queue_prepared(server.conn, prepared), WS_OK);
        ws_prepared_free(prepared);
        assert_eq!(ws_conn_queue_prepared(server.conn, null()), WS_ERR_INVALID_ARGUMENT);
        assert!(ws_prepared_retain(null_mut()).is_null());
        ws_prepared_free(null_mut());
    }
    assert_eq!(server.take(), plain(TEXT, &big));
}

#[test]
fn deliveries() {
    let server = open_with(|config| unsafe {
        assert_eq!(ws_config_set_delivery(config, ws_delivery::WS_DELIVER_CHUNKS as c_int), WS_OK);
        assert_eq!(ws_config_set_delivery(config, 3), WS_ERR_INVALID_ARGUMENT);
    });
    assert_eq!(server.feed(&[masked_part(TEXT, b"ab"), masked(CONTINUATION, b"c")].concat()), WS_OK);
    for (bytes, offset, first, last) in [(&b"ab"[..], 0, 1, 0), (b"c", 2, 0, 1)] {
        let (_, event) = server.next();
        assert_eq!(event.r#type, ws_event_type::WS_EVENT_CHUNK);
        assert_eq!((data(&event), event.opcode, event.offset), (bytes, TEXT, offset));
        assert_eq!((event.first, event.last), (first, last));
    }
    assert_eq!(server.next().0, WS_AGAIN);
    unsafe {
        assert_eq!(ws_conn_set_delivery(server.conn, 9), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_set_delivery(server.conn, ws_delivery::WS_DELIVER_FRAMES as c_int), WS_OK);
    }
    assert_eq!(server.feed(&masked_part(BINARY, b"d")), WS_OK);
    let (_, event) = server.next();
    assert_eq!((event.r#type, event.opcode, event.last), (ws_event_type::WS_EVENT_FRAME, BINARY, 0));
    assert_eq!(data(&event), b"d");
    assert_eq!(unsafe { ws_conn_set_delivery(server.conn, 0) }, WS_ERR_STATE, "within a message");
}

#[test]
fn water_marks() {
    let server = open_with(|config| unsafe {
        assert_eq!(ws_config_set_water_marks(config, 9, 9), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_config_set_water_marks(config, 10, 20), WS_OK);
    });
    unsafe {
        assert_eq!(ws_conn_queue_binary(server.conn, pointer(&[0; 30]), 30), WS_OK);
        assert_eq!((ws_conn_above_high_water(server.conn), ws_conn_has_events(server.conn)), (1, 0));
        server.take();
        assert_eq!((ws_conn_above_high_water(server.conn), ws_conn_has_events(server.conn)), (0, 1));
        assert_eq!(server.next().1.r#type, ws_event_type::WS_EVENT_WRITABLE);
        assert_eq!((server.next().0, ws_conn_has_events(server.conn)), (WS_AGAIN, 0));
    }
}

type Setter<T> = unsafe extern "C" fn(*mut ws_config, T) -> ws_status;

/// Ranges as the header gives them, at both ends, and NULL.
#[test]
fn settings_check_their_ranges() {
    fn check<T: Copy>(set: Setter<T>, good: &[T], bad: &[T]) {
        unsafe {
            let config = ws_config_new();
            for &value in good {
                assert_eq!(set(config, value), WS_OK);
            }
            for &value in bad {
                assert_eq!(set(config, value), WS_ERR_INVALID_ARGUMENT);
            }
            assert_eq!(set(null_mut(), good[0]), WS_ERR_INVALID_ARGUMENT);
            ws_config_free(config);
        }
    }
    check(ws_config_set_max_held_bytes, &[0, 16 << 20], &[(16 << 20) + 1]);
    check(ws_config_set_max_fragments, &[1, u32::MAX], &[0]);
    check(ws_config_set_max_empty_fragments, &[0, u32::MAX], &[]);
    check(ws_config_set_max_control_rate, &[1, u32::MAX], &[0]);
    check(ws_config_set_max_connection_bytes, &[4_096, isize::MAX as usize], &[4_095, usize::MAX]);
    check(ws_config_set_max_engine_bytes, &[4_096, isize::MAX as usize], &[4_095, usize::MAX]);
    check(ws_config_set_compression, &[0, 1], &[-1, 2]);
    check(ws_config_set_compression_level, &[1, 9], &[0, 10, -1, 256 + 6]);
    check(ws_config_set_compression_mem_level, &[1, 9], &[0, 10, -1, 256 + 6]);
    check(ws_config_set_compression_threshold, &[0, usize::MAX], &[]);
    for set in [
        ws_config_set_handshake_timeout,
        ws_config_set_ping_interval,
        ws_config_set_pong_timeout,
        ws_config_set_idle_timeout,
        ws_config_set_close_timeout,
        ws_config_set_write_stall_timeout,
        ws_config_set_max_lifetime,
    ] as [Setter<u32>; 7]
    {
        check(set, &[0, 604_800_000], &[604_800_001]);
    }
    unsafe {
        let config = ws_config_new();
        assert_eq!(ws_config_set_context_takeover(config, 1, 0), WS_OK);
        assert_eq!(ws_config_set_context_takeover(config, 2, 0), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_config_set_window_bits(config, 8, 15), WS_OK);
        for (own, peer) in [(7, 15), (16, 15), (15, 7), (15, 16), (-8, 15)] {
            assert_eq!(ws_config_set_window_bits(config, own, peer), WS_ERR_INVALID_ARGUMENT);
        }
        ws_config_free(config);
    }
}

#[test]
fn null_is_refused() {
    let conn: *mut ws_conn = null_mut();
    let (mut header, mut len) = ([0u8; WS_MAX_HEADER_LEN], 0);
    unsafe {
        assert_eq!(ws_conn_queue_begin(conn, TYPE_TEXT), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_queue_part(conn, null(), 0), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_queue_end(conn, null(), 0), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_begin_frame(conn, TYPE_TEXT, 0, header.as_mut_ptr(), &mut len), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_end_frame(conn), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_queue_prepared(conn, null()), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_set_delivery(conn, 0), WS_ERR_INVALID_ARGUMENT);
        assert_eq!((ws_conn_above_high_water(conn), ws_conn_has_events(conn)), (0, 0));
    }
}
