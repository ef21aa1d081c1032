//! The C ABI's own rules, called as C calls it: statuses, NULL, lent memory. The protocol is tested in Rust.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::{CStr, c_int, c_void};
use std::ptr::{null, null_mut};

use crate::support::*;
use wsengine::capi::ask::*;
use wsengine::capi::config::*;
use wsengine::capi::connection::*;
use wsengine::capi::engine::*;
use wsengine::capi::handshake::*;
use wsengine::capi::input::*;
use wsengine::capi::output::*;
use wsengine::capi::sniff::*;
use wsengine::capi::status::ws_status::{self, *};
use wsengine::capi::status::{ws_strerror, ws_version};

pub struct Server {
    pub conn: *mut ws_conn,
}

impl Server {
    pub fn new(config: *const ws_config) -> Server {
        unsafe {
            let engine = ws_engine_new(config);
            let conn = ws_conn_new_server(engine);
            ws_engine_free(engine); // the order of freeing does not matter
            Server { conn }
        }
    }

    fn open() -> Server {
        Server::open_with(null())
    }

    pub fn open_with(config: *const ws_config) -> Server {
        let server = Server::new(config);
        server.feed(format!("{REQUEST_LINES}\r\n").as_bytes());
        assert_eq!(server.next().1.r#type, ws_event_type::WS_EVENT_OPEN);
        assert_eq!(server.next().0, WS_AGAIN);
        server.take();
        server
    }

    pub fn feed(&self, bytes: &[u8]) -> ws_status {
        unsafe { ws_conn_feed(self.conn, bytes.as_ptr().cast(), bytes.len()) }
    }

    pub fn next(&self) -> (ws_status, ws_event) {
        unsafe {
            let mut event = std::mem::zeroed();
            let status = ws_conn_next_event(self.conn, &mut event);
            (status, event)
        }
    }

    pub fn take(&self) -> Vec<u8> {
        let mut all = Vec::new();
        let (mut buffer, mut len) = ([0u8; 7], 0);
        while unsafe { ws_conn_output_read(self.conn, buffer.as_mut_ptr().cast(), buffer.len(), &mut len) } == WS_OK {
            all.extend_from_slice(&buffer[..len]);
        }
        all
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        unsafe { ws_conn_free(self.conn) };
    }
}

pub fn data(event: &ws_event) -> &[u8] {
    assert!(!event.data.is_null(), "data is never NULL");
    unsafe { std::slice::from_raw_parts(event.data.cast(), event.len) }
}

#[test]
fn an_echo_from_the_events_own_bytes() {
    let server = Server::open();
    assert_eq!(
        server.feed(&[masked(TEXT, b"one"), masked_part(TEXT, b"tw"), masked(CONTINUATION, b"o")].concat()),
        WS_OK
    );
    for expected in [b"one", b"two"] {
        let (status, event) = server.next();
        assert_eq!((status, event.r#type), (WS_OK, ws_event_type::WS_EVENT_TEXT));
        assert_eq!(data(&event), expected);
        assert_eq!(unsafe { ws_conn_queue_text(server.conn, event.data.cast(), event.len) }, WS_OK);
        assert_eq!(data(&event), expected, "queueing does not end the view");
    }
    assert_eq!(server.next().0, WS_AGAIN);
    assert_eq!(server.take(), [plain(TEXT, b"one"), plain(TEXT, b"two")].concat());
}

#[test]
fn slices_for_writev() {
    let server = Server::open();
    let big = vec![1u8; 100_000];
    unsafe {
        assert_eq!(ws_conn_queue_text(server.conn, b"a".as_ptr().cast(), 1), WS_OK);
        assert_eq!(ws_conn_queue_binary(server.conn, big.as_ptr().cast(), big.len()), WS_OK);
        let mut slices: [libc::iovec; 4] = std::mem::zeroed();
        let count = ws_conn_output(server.conn, slices.as_mut_ptr(), 4);
        assert_eq!(count, 2);
        let bytes: Vec<u8> = slices[..2]
            .iter()
            .flat_map(|slice| std::slice::from_raw_parts(slice.iov_base.cast::<u8>(), slice.iov_len).to_vec())
            .collect();
        assert_eq!(bytes, [plain(TEXT, b"a"), plain(BINARY, &big)].concat());
        assert_eq!(ws_conn_queued_bytes(server.conn), bytes.len());
        assert_eq!(ws_conn_output(server.conn, slices.as_mut_ptr(), 1), 1, "never more than there is room for");
        assert_eq!(ws_conn_output_consume(server.conn, bytes.len() + 1), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_output_consume(server.conn, bytes.len()), WS_OK);
        assert_eq!(ws_conn_output(server.conn, slices.as_mut_ptr(), 4), 0);
    }
}

#[test]
fn the_order_of_calls_is_checked() {
    let server = Server::open();
    let frame = masked(TEXT, b"x");
    assert_eq!(server.feed(&frame), WS_OK);
    assert_eq!(server.feed(&frame), WS_ERR_INPUT_PENDING);
    assert_eq!(data(&server.next().1), b"x");
    assert_eq!(server.feed(&frame), WS_ERR_INPUT_PENDING, "an event may be followed by another");
    assert_eq!(server.next().0, WS_AGAIN);
    assert_eq!(server.feed(&frame), WS_OK);
}

#[test]
fn the_close_event_says_everything() {
    let server = Server::open();
    assert_eq!(server.feed(&masked(CLOSE, &close_payload(3001, "bye"))), WS_OK);
    let (_, event) = server.next();
    assert_eq!(event.r#type, ws_event_type::WS_EVENT_CLOSE);
    assert_eq!((event.close_code, event.http_status, event.clean), (3001, 0, 1));
    assert_eq!(event.initiator, ws_close_initiator::WS_CLOSED_BY_PEER as u8);
    assert_eq!(data(&event), b"bye");
    assert!(!unsafe { CStr::from_ptr(event.detail) }.is_empty());
    let (status, none) = server.next();
    assert_eq!((status, none.r#type), (WS_AGAIN, ws_event_type::WS_EVENT_NONE));
    unsafe {
        assert_eq!(ws_conn_state(server.conn), ws_state::WS_STATE_CLOSED);
        assert_eq!(ws_conn_wants_shutdown(server.conn), 0);
        server.take();
        assert_eq!(ws_conn_wants_shutdown(server.conn), 1);
        assert_eq!(ws_conn_feed_eof(server.conn), WS_OK);
        assert_eq!(ws_conn_wants_abort(server.conn), 1);
        assert_eq!(server.feed(b"x"), WS_ERR_STATE);
    }
}

#[test]
fn requests_can_be_decided_by_the_host() {
    unsafe {
        let config = ws_config_new();
        assert_eq!(ws_config_set_manual_accept(config, 1), WS_OK);
        let server = Server::new(config);
        ws_config_free(config);
        server.feed(format!("{REQUEST_LINES}Cookie: a=b\r\n\r\n").as_bytes());
        let (_, event) = server.next();
        assert_eq!((event.r#type, data(&event)), (ws_event_type::WS_EVENT_REQUEST, &b"/chat"[..]));

        let (mut value, mut len) = (null(), 0);
        assert_eq!(ws_conn_request_target(server.conn, &mut value, &mut len), WS_OK);
        assert_eq!(std::slice::from_raw_parts(value.cast::<u8>(), len), b"/chat");
        assert_eq!(ws_conn_request_header(server.conn, c"COOKIE".as_ptr(), 0, &mut value, &mut len), WS_OK);
        assert_eq!(std::slice::from_raw_parts(value.cast::<u8>(), len), b"a=b");
        assert_eq!(ws_conn_request_header(server.conn, c"X".as_ptr(), 0, &mut value, &mut len), WS_ERR_NOT_FOUND);
        assert_eq!(ws_conn_request_header(server.conn, null(), 0, &mut value, &mut len), WS_ERR_INVALID_ARGUMENT);

        assert_eq!(ws_conn_accept(server.conn, c"never-offered".as_ptr(), null(), 0), WS_ERR_INVALID_ARGUMENT);
        let header = ws_header { name: c"X-A".as_ptr(), name_len: 3, value: c"\r\n".as_ptr(), value_len: 2 };
        assert_eq!(ws_conn_accept(server.conn, null(), &header, 1), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_reject(server.conn, 99_999, null(), 0, null(), 0), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_accept(server.conn, null(), null(), 0), WS_OK);
        assert_eq!(server.next().1.r#type, ws_event_type::WS_EVENT_OPEN);
        assert_eq!(ws_conn_reject(server.conn, 404, null(), 0, null(), 0), WS_ERR_STATE);
        assert_eq!(server.next().0, WS_AGAIN);
        assert_eq!(ws_conn_request_target(server.conn, &mut value, &mut len), WS_ERR_STATE);
    }
}

#[test]
fn clients() {
    unsafe {
        let engine = ws_engine_new(null());
        let mut request: ws_client_request = std::mem::zeroed();
        let mut conn = null_mut();
        assert_eq!(ws_conn_new_client(engine, &request, &mut conn), WS_ERR_INVALID_ARGUMENT, "no struct_size");
        request.struct_size = size_of::<ws_client_request>();
        assert_eq!(ws_conn_new_client(engine, &request, &mut conn), WS_ERR_INVALID_ARGUMENT, "no host");
        assert!(conn.is_null());
        request.host = c"localhost".as_ptr();
        let names = [c"a".as_ptr(), c"b".as_ptr()];
        request.subprotocols = names.as_ptr();
        request.subprotocol_count = names.len();
        request.struct_size += 64; // a caller that is newer than the library
        assert_eq!(ws_conn_new_client(engine, &request, &mut conn), WS_OK);
        let client = Server { conn };
        let text = String::from_utf8(client.take()).unwrap();
        assert!(text.starts_with("GET / HTTP/1.1\r\nHost: localhost\r\n"), "{text}");
        assert!(text.contains("\r\nSec-WebSocket-Protocol: a, b\r\n"), "{text}");
        assert_eq!(ws_conn_queue_text(conn, b"x".as_ptr().cast(), 1), WS_ERR_STATE);
        ws_engine_free(engine);
    }
}

#[test]
fn null_is_an_answer_not_a_crash() {
    unsafe {
        let no: *mut ws_conn = null_mut();
        let server = Server::open();
        let (mut view, mut len) = (null(), 0usize);
        let mut event = std::mem::zeroed();
        let invalid = [
            ws_conn_feed(no, null(), 0),
            ws_conn_feed(server.conn, null(), 1),
            ws_conn_feed_eof(no),
            ws_conn_next_event(no, &mut event),
            ws_conn_next_event(server.conn, null_mut()),
            ws_conn_request_target(no, &mut view, &mut len),
            ws_conn_accept(no, null(), null(), 0),
            ws_conn_reject(no, 404, null(), 0, null(), 0),
            ws_conn_queue_text(no, null(), 0),
            ws_conn_queue_text(server.conn, null(), 1),
            ws_conn_queue_binary(no, null(), 0),
            ws_conn_queue_ping(no, null(), 0),
            ws_conn_queue_pong(no, null(), 0),
            ws_conn_queue_close(no, 1000, null(), 0),
            ws_conn_output_consume(no, 0),
            ws_conn_output_read(no, (&raw mut len).cast(), 8, &mut len),
            ws_conn_output_read(server.conn, null_mut(), 8, &mut len),
            ws_conn_output_read(server.conn, (&raw mut event).cast(), 0, &mut len),
            ws_conn_output_read(server.conn, (&raw mut event).cast(), 8, null_mut()),
            ws_conn_new_client(null_mut(), null(), null_mut()),
            ws_config_set_max_head_size(null_mut(), 8192),
            ws_config_allow_origin(null_mut(), null()),
        ];
        assert_eq!(invalid, [WS_ERR_INVALID_ARGUMENT; 22]);
        assert_eq!(ws_conn_output(no, null_mut(), 1), WS_ERR_INVALID_ARGUMENT as c_int);
        assert_eq!(ws_conn_output(server.conn, null_mut(), 1), WS_ERR_INVALID_ARGUMENT as c_int);
        let mut slice: libc::iovec = std::mem::zeroed();
        assert_eq!(ws_conn_output(server.conn, &mut slice, 0), WS_ERR_INVALID_ARGUMENT as c_int);
        assert_eq!(ws_conn_output(server.conn, &mut slice, -1), WS_ERR_INVALID_ARGUMENT as c_int);
        assert_eq!(ws_conn_queued_bytes(no), 0);
        assert_eq!(ws_conn_state(no), ws_state::WS_STATE_CLOSED);
        assert_eq!((ws_conn_wants_shutdown(no), ws_conn_wants_abort(no)), (0, 1));
        assert!(ws_conn_new_server(null_mut()).is_null());
        assert!(ws_conn_user_data(no).is_null());
        ws_conn_set_user_data(no, null_mut());
        ws_conn_free(no);
        ws_engine_free(null_mut());
        ws_config_free(null_mut());

        assert_eq!(ws_conn_queue_text(server.conn, null(), 0), WS_OK, "(NULL, 0) is valid, empty data");
        assert_eq!(ws_conn_feed(server.conn, null(), 0), WS_OK);
        assert_eq!(server.take(), plain(TEXT, b""));
    }
}

#[test]
fn settings() {
    unsafe {
        let config = ws_config_new();
        let ok = [
            ws_config_set_max_head_size(config, 1024),
            ws_config_set_max_headers(config, 32),
            ws_config_set_max_frame_size(config, 125),
            ws_config_set_max_message_size(config, 125),
            ws_config_set_max_queued_bytes(config, 1024),
            ws_config_set_auto_pong(config, 0),
            ws_config_set_manual_accept(config, 0),
            ws_config_add_subprotocol(config, c"v1".as_ptr()),
            ws_config_allow_origin(config, c"https://a.example.com".as_ptr()),
            ws_config_set_origin_policy(config, 0),
            ws_config_set_origin_policy(config, 1),
            ws_config_set_origin_policy(config, 2),
        ];
        assert_eq!(ok, [WS_OK; 12]);
        let refused = [
            ws_config_set_max_head_size(config, 0),
            ws_config_set_max_headers(config, 0),
            ws_config_set_max_frame_size(config, u64::MAX),
            ws_config_set_max_message_size(config, 0),
            ws_config_set_max_queued_bytes(config, usize::MAX),
            ws_config_set_auto_pong(config, 2),
            ws_config_set_manual_accept(config, -1),
            ws_config_add_subprotocol(config, c"".as_ptr()),
            ws_config_add_subprotocol(config, null()),
            ws_config_add_subprotocol(config, c"\xff".as_ptr()),
            ws_config_allow_origin(config, c"example.com".as_ptr()),
            ws_config_set_origin_policy(config, 3),
            ws_config_set_origin_policy(config, -1),
        ];
        assert_eq!(refused, [WS_ERR_INVALID_ARGUMENT; 13]);
        let server = Server::new(config);
        ws_config_free(config); // the engine has a copy
        server.feed(format!("{REQUEST_LINES}Origin: null\r\n\r\n").as_bytes());
        assert_eq!(server.next().1.r#type, ws_event_type::WS_EVENT_OPEN, "the last policy was any");
        server.take();
        assert_eq!(server.next().0, WS_AGAIN);
        server.feed(&masked(TEXT, &[b'x'; 126]));
        assert_eq!(server.next().1.close_code, 1009);
    }
}

#[test]
fn user_data_is_kept() {
    let server = Server::open();
    let mut host = 7;
    let pointer: *mut c_void = (&raw mut host).cast();
    unsafe {
        assert!(ws_conn_user_data(server.conn).is_null());
        ws_conn_set_user_data(server.conn, pointer);
        assert_eq!(ws_conn_user_data(server.conn), pointer);
    }
}

#[test]
fn sniffing_keeps_its_count_with_the_caller() {
    let request = format!("{REQUEST_LINES}\r\n");
    let mut count = 0;
    for len in 0..request.len() {
        let result = unsafe { ws_sniff(request.as_ptr().cast(), len, 8192, &mut count) };
        assert_eq!((result, count), (ws_sniff_result::WS_SNIFF_NEED_MORE, len));
    }
    unsafe {
        let result = ws_sniff(request.as_ptr().cast(), request.len(), 8192, &mut count);
        assert_eq!((result, count), (ws_sniff_result::WS_SNIFF_UPGRADE, request.len()));
        assert_eq!(ws_sniff(request.as_ptr().cast(), request.len(), 8192, null_mut()), result);
        assert_eq!(ws_sniff(null(), 0, 8192, null_mut()), ws_sniff_result::WS_SNIFF_NEED_MORE);
        count = 9;
        assert_eq!(ws_sniff(null(), 5, 8192, &mut count), ws_sniff_result::WS_SNIFF_HTTP);
        assert_eq!(count, 0);
        assert_eq!(ws_sniff(b"POST / ".as_ptr().cast(), 7, 8192, &mut count), ws_sniff_result::WS_SNIFF_HTTP);
        assert_eq!(count, 0);
    }
}

#[test]
fn every_status_has_a_text() {
    let text = |status| unsafe { CStr::from_ptr(ws_strerror(status)) }.to_str().unwrap();
    let texts = (-9..=1).map(text).collect::<std::collections::HashSet<_>>();
    assert_eq!(texts.len(), 11, "all different");
    for unknown in [2, -10, 12_345, c_int::MIN, c_int::MAX] {
        assert_eq!(text(unknown), "unknown status");
    }
    assert_eq!(unsafe { CStr::from_ptr(ws_version()) }.to_str().unwrap(), env!("CARGO_PKG_VERSION"));
}
