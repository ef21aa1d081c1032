//! The conventions at the head of `ws_engine.h`, function by function: NULL, the wrong state, results that are cleared,
//! structs of another size, what an event does not carry.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::{c_char, c_int};
use std::ptr::{dangling, dangling_mut, null, null_mut};

use crate::capi::{Server, data};
use crate::support::*;
use wsengine::capi::ask::*;
use wsengine::capi::config::*;
use wsengine::capi::connection::*;
use wsengine::capi::describe::*;
use wsengine::capi::engine::*;
use wsengine::capi::handshake::*;
use wsengine::capi::input::*;
use wsengine::capi::metrics::*;
use wsengine::capi::output::*;
use wsengine::capi::prepared::*;
use wsengine::capi::response::*;
use wsengine::capi::status::ws_status::{self, *};
use wsengine::capi::time::*;

const TYPE_TEXT: c_int = ws_message_type::WS_MESSAGE_TEXT as c_int;

#[test]
fn every_setter_refuses_null() {
    let no: *mut ws_config = null_mut();
    let name = c"https://a".as_ptr();
    unsafe {
        let statuses = [
            ws_config_set_max_head_size(no, 8_192),
            ws_config_set_max_headers(no, 64),
            ws_config_set_origin_policy(no, 0),
            ws_config_allow_origin(no, name),
            ws_config_add_subprotocol(no, c"a".as_ptr()),
            ws_config_set_manual_accept(no, 1),
            ws_config_set_max_held_bytes(no, 1),
            ws_config_set_delivery(no, 0),
            ws_config_set_auto_pong(no, 1),
            ws_config_set_max_frame_size(no, 125),
            ws_config_set_max_message_size(no, 125),
            ws_config_set_max_fragments(no, 1),
            ws_config_set_max_empty_fragments(no, 1),
            ws_config_set_max_control_rate(no, 1),
            ws_config_set_max_queued_bytes(no, 1_024),
            ws_config_set_water_marks(no, 1, 2),
            ws_config_set_max_connection_bytes(no, 4_096),
            ws_config_set_max_engine_bytes(no, 4_096),
            ws_config_set_receive_buffer_size(no, 4_096),
            ws_config_set_outgoing_utf8_check(no, 1),
            ws_config_set_compression(no, 1),
            ws_config_set_compression_level(no, 6),
            ws_config_set_compression_mem_level(no, 6),
            ws_config_set_compression_threshold(no, 1),
            ws_config_set_context_takeover(no, 0, 0),
            ws_config_set_window_bits(no, 15, 15),
            ws_config_set_handshake_timeout(no, 1),
            ws_config_set_ping_interval(no, 1),
            ws_config_set_pong_timeout(no, 1),
            ws_config_set_idle_timeout(no, 1),
            ws_config_set_close_timeout(no, 1),
            ws_config_set_write_stall_timeout(no, 1),
            ws_config_set_max_lifetime(no, 1),
            ws_config_set_stream_merge_time(no, 1),
            ws_config_set_stream_piece_size(no, 16),
            ws_config_set_stream_water_marks(no, 1, 2),
        ];
        assert_eq!(statuses, [WS_ERR_INVALID_ARGUMENT; 36]);
        let (mut value, mut len) = (null(), 0);
        let status = ws_conn_request_header(null(), c"Host".as_ptr(), 0, &mut value, &mut len);
        assert_eq!((status, value, len), (WS_ERR_INVALID_ARGUMENT, null(), 0));
    }
}

/// Every way to queue something.
fn queueing(conn: *mut ws_conn) -> Vec<ws_status> {
    let (mut header, mut len, mut prepared) = ([0u8; WS_MAX_HEADER_LEN], 0, null_mut());
    unsafe {
        assert_eq!(ws_prepared_new(TYPE_TEXT, null(), 0, &mut prepared), WS_OK);
        let statuses = vec![
            ws_conn_queue_text(conn, null(), 0),
            ws_conn_queue_binary(conn, null(), 0),
            ws_conn_queue_prepared(conn, prepared),
            ws_conn_queue_begin(conn, TYPE_TEXT),
            ws_conn_queue_part(conn, null(), 0),
            ws_conn_queue_end(conn, null(), 0),
            ws_conn_begin_frame(conn, TYPE_TEXT, 0, header.as_mut_ptr(), &mut len),
            ws_conn_queue_frame_rest(conn, null(), 0),
            ws_conn_end_frame(conn),
            ws_conn_queue_ping(conn, null(), 0),
            ws_conn_queue_pong(conn, null(), 0),
            ws_conn_queue_close(conn, 1000, null(), 0),
        ];
        ws_prepared_free(prepared);
        statuses
    }
}

#[test]
fn nothing_is_queued_before_the_opening_and_after_the_close_frame() {
    let server = Server::new(null());
    assert_eq!(queueing(server.conn), [WS_ERR_STATE; 12]);
    let server = Server::open_with(null());
    unsafe {
        assert_eq!(ws_conn_queue_begin(server.conn, TYPE_TEXT), WS_OK);
        assert_eq!(ws_conn_queue_part(server.conn, b"a".as_ptr().cast(), 1), WS_OK);
        assert_eq!(ws_conn_queue_close(server.conn, 1000, null(), 0), WS_OK); // gives the message up
    }
    assert_eq!(queueing(server.conn), [WS_ERR_STATE; 12]);
    let closing = [raw_frame(TEXT, b"a", None), plain(CLOSE, &close_payload(1000, ""))].concat();
    assert_eq!(server.take(), closing);
    assert_eq!(server.feed(&masked(PING, b"p")), WS_OK);
    assert_eq!(server.next().1.r#type, ws_event_type::WS_EVENT_PING);
    assert_eq!(server.take(), plain(PONG, b"p"), "the engine still answers");
    assert_eq!(server.next().0, WS_AGAIN);
    assert_eq!(server.feed(&masked(CLOSE, &close_payload(1000, ""))), WS_OK);
    assert_eq!(server.next().1.r#type, ws_event_type::WS_EVENT_CLOSE);
    assert_eq!(queueing(server.conn), [WS_ERR_STATE; 12]);
}

#[test]
fn pings_and_reasons_have_their_limits() {
    let server = Server::open_with(null());
    let long = [b'x'; 126];
    let data = long.as_ptr().cast();
    unsafe {
        assert_eq!(ws_conn_queue_ping(server.conn, data, 126), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_queue_pong(server.conn, data, 126), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_queue_close(server.conn, 1000, data, 124), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_queue_close(server.conn, 0, data, 1), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_queue_close(server.conn, 1000, b"\xff".as_ptr().cast(), 1), WS_ERR_INVALID_UTF8);
        for code in [999, 1004, 1005, 1006, 1010, 1015, 1016, 2999, 5000] {
            assert_eq!(ws_conn_queue_close(server.conn, code, null(), 0), WS_ERR_INVALID_ARGUMENT, "{code}");
        }
        assert_eq!(ws_conn_queue_ping(server.conn, data, 125), WS_OK);
        assert_eq!(ws_conn_queue_pong(server.conn, data, 125), WS_OK);
        assert_eq!(ws_conn_queue_close(server.conn, 0, null(), 0), WS_OK);
        assert_eq!(server.take(), [plain(PING, &long[1..]), plain(PONG, &long[1..]), plain(CLOSE, b"")].concat());
    }
}

#[test]
fn a_frame_of_the_host_holds_back_the_output() {
    let server = Server::open_with(null());
    let conn = server.conn;
    let (mut header, mut len) = ([0u8; WS_MAX_HEADER_LEN], 0);
    unsafe {
        let begin = |header: &mut [u8; WS_MAX_HEADER_LEN], len: &mut usize| {
            ws_conn_begin_frame(conn, TYPE_TEXT, 1, header.as_mut_ptr(), len)
        };
        assert_eq!(begin(&mut header, &mut len), WS_OK);
        assert_eq!(begin(&mut header, &mut len), WS_ERR_STATE);
        assert_eq!(ws_conn_queue_text(conn, b"x".as_ptr().cast(), 1), WS_OK);
        assert_eq!((ws_conn_queued_bytes(conn), ws_conn_output(conn, [std::mem::zeroed()].as_mut_ptr(), 1)), (3, 0));
        assert_eq!(ws_conn_output_consume(conn, 3), WS_ERR_STATE);
        assert_eq!(ws_conn_end_frame(conn), WS_OK);
        assert_eq!(begin(&mut header, &mut len), WS_ERR_STATE, "output waits");
    }
    assert_eq!(server.take(), plain(TEXT, b"x"));
}

#[test]
fn a_call_that_fails_clears_the_place_of_its_result() {
    unsafe {
        let mut conn = dangling_mut();
        assert_eq!(ws_conn_new_client(null_mut(), null(), &mut conn), WS_ERR_INVALID_ARGUMENT);
        assert!(conn.is_null());
        conn = dangling_mut();
        assert_eq!(ws_conn_new_server_from_request(null_mut(), null(), &mut conn), WS_ERR_INVALID_ARGUMENT);
        assert!(conn.is_null());
        let mut prepared = dangling_mut();
        assert_eq!(ws_prepared_new(TYPE_TEXT, null(), 1, &mut prepared), WS_ERR_INVALID_ARGUMENT);
        assert!(prepared.is_null());
        let mut written = 7;
        let buffer = (&raw mut conn).cast();
        assert_eq!(ws_conn_output_read(null_mut(), buffer, 8, &mut written), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(written, 0);
    }
}

/// A struct as a later version may have it.
#[repr(C)]
struct Newer<T> {
    known: T,
    added: [u64; 4],
}

/// What a newer caller has behind the fields that this library knows is neither read nor written; and of a struct that is
/// too small only its size is read (here there is nothing else).
#[test]
fn structs_of_another_size() {
    fn newer<T>(set_size: impl Fn(&mut T, usize)) -> Newer<T> {
        let mut newer = Newer { known: unsafe { std::mem::zeroed() }, added: [u64::MAX; 4] };
        set_size(&mut newer.known, size_of::<Newer<T>>());
        newer
    }
    unsafe {
        let engine = ws_engine_new(null());
        let mut metrics = newer(|metrics: &mut ws_metrics, size| metrics.struct_size = size);
        assert_eq!(ws_metrics_get(engine, &raw mut metrics.known), WS_OK);
        let (list, mut len) = ([&raw const metrics.known], 0);
        assert_eq!(ws_metrics_render(list.as_ptr(), 1, null_mut(), 0, &mut len), WS_ERR_BUFFER_TOO_SMALL);
        assert_eq!((metrics.known.struct_size, metrics.added), (size_of::<Newer<ws_metrics>>(), [u64::MAX; 4]));

        let mut header = newer(|header: &mut ws_frame_header, size| header.struct_size = size);
        assert_eq!(ws_frame_describe([0x81, 0].as_ptr().cast(), 2, null_mut(), 0, &raw mut header.known), WS_OK);
        assert_eq!((header.known.header_len, header.added), (2, [u64::MAX; 4]));

        let mut client = newer(|request: &mut ws_client_request, size| request.struct_size = size);
        client.known.host = c"a".as_ptr();
        let mut parsed = newer(|request: &mut ws_parsed_request, size| request.struct_size = size);
        (parsed.known.method, parsed.known.method_len) = (c"GET".as_ptr(), 3);
        for make in
            [&mut |conn: &mut _| ws_conn_new_client(engine, &raw const client.known, conn), &mut |conn: &mut _| {
                ws_conn_new_server_from_request(engine, &raw const parsed.known, conn)
            }] as [&mut dyn FnMut(&mut *mut ws_conn) -> ws_status; 2]
        {
            let mut conn = null_mut();
            assert_eq!(make(&mut conn), WS_OK);
            ws_conn_free(conn);
        }

        let size = Box::into_raw(Box::new(size_of::<usize>()));
        let (list, mut conn) = ([size.cast_const().cast()], null_mut());
        let statuses = [
            ws_metrics_get(engine, size.cast()),
            ws_metrics_render(list.as_ptr(), 1, null_mut(), 0, &mut len),
            ws_frame_describe(null(), 0, null_mut(), 0, size.cast()),
            ws_conn_new_client(engine, size.cast(), &mut conn),
            ws_conn_new_server_from_request(engine, size.cast(), &mut conn),
        ];
        assert_eq!((statuses, *size), ([WS_ERR_INVALID_ARGUMENT; 5], size_of::<usize>()));
        drop(Box::from_raw(size));
        ws_engine_free(engine);
    }
}

#[test]
fn a_request_that_the_host_parsed_is_an_event_without_input() {
    unsafe {
        for (manual, expected) in [(0, ws_event_type::WS_EVENT_OPEN), (1, ws_event_type::WS_EVENT_REQUEST)] {
            let config = ws_config_new();
            assert_eq!(ws_config_set_manual_accept(config, manual), WS_OK);
            let engine = ws_engine_new(config);
            let field = |name: &'static str, value: &'static str| ws_header {
                name: name.as_ptr().cast(),
                name_len: name.len(),
                value: value.as_ptr().cast(),
                value_len: value.len(),
            };
            let headers = [
                field("Host", "a"),
                field("Upgrade", "websocket"),
                field("Connection", "upgrade"),
                field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                field("Sec-WebSocket-Version", "13"),
            ];
            let mut request: ws_parsed_request = std::mem::zeroed();
            request.struct_size = size_of::<ws_parsed_request>();
            (request.method, request.method_len) = (c"GET".as_ptr(), 3);
            (request.target, request.target_len) = (c"/".as_ptr(), 1);
            (request.headers, request.header_count) = (headers.as_ptr(), headers.len());
            let mut conn = null_mut();
            assert_eq!(ws_conn_new_server_from_request(engine, &request, &mut conn), WS_OK);
            let server = Server { conn };
            assert_eq!(ws_conn_has_events(conn), 1);
            assert_eq!(server.next().1.r#type, expected);
            assert_eq!((ws_conn_has_events(conn), server.next().0), (0, WS_AGAIN));
            ws_engine_free(engine);
            ws_config_free(config);
        }
    }
}

#[test]
fn reading_is_a_switch() {
    let server = Server::open_with(null());
    for (enabled, status) in [(0, WS_OK), (1, WS_OK), (2, WS_ERR_INVALID_ARGUMENT), (-1, WS_ERR_INVALID_ARGUMENT)] {
        assert_eq!(unsafe { ws_conn_set_reading(server.conn, enabled) }, status);
    }
}

/// The fields that an event's type does not name are as the header says.
#[test]
fn events_carry_what_their_type_says_and_nothing_else() {
    let server = Server::new(null());
    let messages = [masked(TEXT, b"t"), masked(BINARY, b"b"), masked(PING, b"i"), masked(PONG, b"o")];
    server.feed(&[format!("{REQUEST_LINES}\r\n").into_bytes(), messages.concat()].concat());
    for (r#type, bytes) in [
        (ws_event_type::WS_EVENT_OPEN, &b""[..]),
        (ws_event_type::WS_EVENT_TEXT, b"t"),
        (ws_event_type::WS_EVENT_BINARY, b"b"),
        (ws_event_type::WS_EVENT_PING, b"i"),
        (ws_event_type::WS_EVENT_PONG, b"o"),
        (ws_event_type::WS_EVENT_NONE, b""),
    ] {
        let (_, event) = server.next();
        assert_eq!((event.r#type, data(&event), event.rtt_ms), (r#type, bytes, -1));
        assert_eq!((event.close_code, event.http_status, event.clean, event.initiator), (0, 0, 0, 0));
        assert_eq!((event.opcode, event.first, event.last, event.compressed, event.offset), (0, 0, 0, 0, 0));
        assert_eq!((event.reserved0, event.reserved1), ([0; 2], 0));
        assert!(unsafe { std::ffi::CStr::from_ptr(event.detail) }.is_empty());
    }
    let mut event: ws_event = unsafe { std::mem::zeroed() };
    event.len = 7;
    assert_eq!(unsafe { ws_conn_next_event(null_mut(), &mut event) }, WS_ERR_INVALID_ARGUMENT);
    assert_eq!(event.len, 7, "an error leaves it as it is");
}

#[test]
fn there_is_no_answer_on_a_server_of_http_1_1() {
    let server = Server::new(null());
    server.feed(format!("{REQUEST_LINES}\r\n").as_bytes());
    assert_eq!(server.next().1.r#type, ws_event_type::WS_EVENT_OPEN);
    let (mut name, mut len) = (dangling::<c_char>(), 7);
    unsafe {
        assert_eq!(ws_conn_response_header(server.conn, c"Host".as_ptr(), 0, &mut name, &mut len), WS_ERR_STATE);
        let (mut value, mut value_len) = (null(), 0);
        let status = ws_conn_response_header_at(server.conn, 0, &mut name, &mut len, &mut value, &mut value_len);
        assert_eq!((status, len, ws_conn_response_header_count(server.conn)), (WS_ERR_STATE, 7, 0));
        assert_eq!(ws_conn_state(server.conn), ws_state::WS_STATE_OPEN);
    }
}
