//! The C ABI's handshake: requests, answers, requests that the host parsed.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::c_char;
use std::ptr::{null, null_mut};

use crate::support::*;
use wsengine::capi::config::*;
use wsengine::capi::connection::*;
use wsengine::capi::engine::*;
use wsengine::capi::handshake::*;
use wsengine::capi::input::*;
use wsengine::capi::output::*;
use wsengine::capi::response::*;
use wsengine::capi::status::ws_status::{self, *};

struct Conn(*mut ws_conn);

impl Drop for Conn {
    fn drop(&mut self) {
        unsafe { ws_conn_free(self.0) };
    }
}

impl Conn {
    fn feed(&self, bytes: &[u8]) {
        assert_eq!(unsafe { ws_conn_feed(self.0, bytes.as_ptr().cast(), bytes.len()) }, WS_OK);
    }

    fn next(&self) -> ws_event_type {
        unsafe {
            let mut event = std::mem::zeroed();
            ws_conn_next_event(self.0, &mut event);
            event.r#type
        }
    }

    fn take(&self) -> String {
        let (mut buffer, mut len) = ([0u8; 4096], 0);
        unsafe { ws_conn_output_read(self.0, buffer.as_mut_ptr().cast(), buffer.len(), &mut len) };
        String::from_utf8(buffer[..len].to_vec()).unwrap()
    }
}

fn new_conn(manual: bool, make: impl FnOnce(*mut ws_engine) -> *mut ws_conn) -> Conn {
    unsafe {
        let config = ws_config_new();
        assert_eq!(ws_config_set_manual_accept(config, manual.into()), WS_OK);
        let engine = ws_engine_new(config);
        let conn = make(engine);
        ws_config_free(config);
        ws_engine_free(engine);
        Conn(conn)
    }
}

fn server(manual: bool) -> Conn {
    new_conn(manual, |engine| unsafe { ws_conn_new_server(engine) })
}

type View = unsafe extern "C" fn(*const ws_conn, *mut *const c_char, *mut usize) -> ws_status;
type At = unsafe extern "C" fn(
    *const ws_conn,
    usize,
    *mut *const c_char,
    *mut usize,
    *mut *const c_char,
    *mut usize,
) -> ws_status;

fn text(data: *const c_char, len: usize) -> String {
    let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) };
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn view(conn: &Conn, call: View) -> Result<String, ws_status> {
    let (mut data, mut len) = (null(), 0);
    match unsafe { call(conn.0, &mut data, &mut len) } {
        WS_OK => Ok(text(data, len)),
        status => Err(status),
    }
}

fn at(conn: &Conn, call: At, index: usize) -> Result<(String, String), ws_status> {
    let (mut name, mut name_len, mut value, mut value_len) = (null(), 0, null(), 0);
    match unsafe { call(conn.0, index, &mut name, &mut name_len, &mut value, &mut value_len) } {
        WS_OK => Ok((text(name, name_len), text(value, value_len))),
        status => Err(status),
    }
}

fn pair(name: &str, value: &str) -> Result<(String, String), ws_status> {
    Ok((name.to_owned(), value.to_owned()))
}

fn header<'a>(name: &'a str, value: &'a str) -> ws_header {
    ws_header { name: name.as_ptr().cast(), name_len: name.len(), value: value.as_ptr().cast(), value_len: value.len() }
}

#[test]
fn requests() {
    let server = server(true);
    assert_eq!(view(&server, ws_conn_request_method), Err(WS_ERR_STATE));
    assert_eq!(unsafe { ws_conn_request_header_count(server.0) }, 0);
    let request = REQUEST_LINES.replace("/chat", "/chat?room=1");
    server.feed(format!("{request}Cookie: a=b\r\n\r\n").as_bytes());
    assert_eq!(server.next(), ws_event_type::WS_EVENT_REQUEST);
    assert_eq!(view(&server, ws_conn_request_method).as_deref(), Ok("GET"));
    assert_eq!(view(&server, ws_conn_request_target).as_deref(), Ok("/chat?room=1"));
    assert_eq!(view(&server, ws_conn_request_path).as_deref(), Ok("/chat"));
    assert_eq!(view(&server, ws_conn_request_query).as_deref(), Ok("room=1"));
    assert_eq!(unsafe { ws_conn_request_header_count(server.0) }, 6);
    assert_eq!(at(&server, ws_conn_request_header_at, 0), pair("Host", "server.example.com"));
    assert_eq!(at(&server, ws_conn_request_header_at, 5), pair("Cookie", "a=b"));
    assert_eq!(at(&server, ws_conn_request_header_at, 6), Err(WS_ERR_NOT_FOUND));
    assert_eq!(at(&server, ws_conn_request_header_at, usize::MAX), Err(WS_ERR_NOT_FOUND));

    unsafe {
        assert_eq!(ws_conn_accept(server.0, c"\xfc".as_ptr(), null(), 0), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_accept(server.0, c"\xc3\xbc".as_ptr(), null(), 0), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_conn_accept(server.0, null(), null(), 0), WS_OK);
    }
    assert_eq!(server.next(), ws_event_type::WS_EVENT_OPEN);
    assert_eq!(view(&server, ws_conn_request_path).as_deref(), Ok("/chat"));
    assert_eq!(server.next(), ws_event_type::WS_EVENT_NONE);
    assert_eq!(view(&server, ws_conn_request_path), Err(WS_ERR_STATE));
    assert_eq!(at(&server, ws_conn_request_header_at, 0), Err(WS_ERR_STATE));
}

#[test]
fn parts_that_a_request_does_not_have() {
    let conn = server(false);
    conn.feed(format!("{REQUEST_LINES}\r\n").as_bytes());
    assert_eq!(conn.next(), ws_event_type::WS_EVENT_OPEN);
    assert_eq!(view(&conn, ws_conn_request_query), Err(WS_ERR_NOT_FOUND));
    let conn = server(false);
    conn.feed(format!("{}\r\n", REQUEST_LINES.replace("GET", "POST")).as_bytes());
    assert_eq!(conn.next(), ws_event_type::WS_EVENT_CLOSE);
    assert_eq!(view(&conn, ws_conn_request_method).as_deref(), Ok("POST"));
    assert_eq!(view(&conn, ws_conn_request_path), Err(WS_ERR_NOT_FOUND));
}

#[test]
fn the_answer_that_a_client_got() {
    let client = new_conn(false, |engine| unsafe {
        let mut request: ws_client_request = std::mem::zeroed();
        request.struct_size = size_of::<ws_client_request>();
        request.host = c"localhost".as_ptr();
        let mut conn = null_mut();
        assert_eq!(ws_conn_new_client(engine, &request, &mut conn), WS_OK);
        conn
    });
    client.take();
    assert_eq!(unsafe { ws_conn_response_status(client.0) }, 0);
    assert_eq!(at(&client, ws_conn_response_header_at, 0), Err(WS_ERR_STATE));
    client.feed(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nwww-authenticate: Bearer\r\n\r\n");
    assert_eq!(client.next(), ws_event_type::WS_EVENT_CLOSE);
    unsafe {
        assert_eq!(ws_conn_response_status(client.0), 401);
        assert_eq!(ws_conn_response_header_count(client.0), 2);
        let (name, mut value, mut len) = (c"Www-Authenticate".as_ptr(), null(), 0);
        assert_eq!(ws_conn_response_header(client.0, name, 1, &mut value, &mut len), WS_OK);
        assert_eq!(text(value, len), "Bearer");
        assert_eq!(ws_conn_response_header(client.0, name, 2, &mut value, &mut len), WS_ERR_NOT_FOUND);
    }
    assert_eq!(at(&client, ws_conn_response_header_at, 1), pair("www-authenticate", "Bearer"));
    assert_eq!(at(&client, ws_conn_response_header_at, 2), Err(WS_ERR_NOT_FOUND));
    assert_eq!(client.next(), ws_event_type::WS_EVENT_NONE);
    assert_eq!(unsafe { ws_conn_response_status(client.0) }, 0);
}

fn from_request(manual: bool, request: &ws_parsed_request) -> Conn {
    new_conn(manual, |engine| unsafe {
        let mut conn = null_mut();
        assert_eq!(ws_conn_new_server_from_request(engine, request, &mut conn), WS_OK);
        conn
    })
}

fn parsed(method: &'static str, headers: &[ws_header]) -> ws_parsed_request {
    let mut request: ws_parsed_request = unsafe { std::mem::zeroed() };
    request.struct_size = size_of::<ws_parsed_request>();
    (request.method, request.method_len) = (method.as_ptr().cast(), method.len());
    (request.target, request.target_len) = (c"/chat".as_ptr(), 5);
    (request.headers, request.header_count) = (headers.as_ptr(), headers.len());
    request
}

#[test]
fn requests_that_the_host_parsed() {
    let headers = [
        header("Host", "server.example.com"),
        header("Upgrade", "websocket"),
        header("Connection", "Upgrade"),
        header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        header("Sec-WebSocket-Version", "13"),
    ];
    let mut request = parsed("GET", &headers);
    let conn = from_request(false, &request);
    assert_eq!(conn.next(), ws_event_type::WS_EVENT_OPEN);
    assert_eq!(conn.take(), ANSWER);
    assert_eq!(unsafe { ws_conn_response_status(conn.0) }, 0, "it is in the output");
    let conn = from_request(true, &request);
    assert_eq!(conn.next(), ws_event_type::WS_EVENT_REQUEST);
    request.http_1_0 = 1;
    assert_eq!(from_request(true, &request).next(), ws_event_type::WS_EVENT_CLOSE);
}

#[test]
fn an_extended_connect() {
    let headers = [header("sec-websocket-version", "13")];
    let mut request = parsed("CONNECT", &headers);
    (request.protocol, request.protocol_len) = (c"websocket".as_ptr(), 9);
    (request.scheme, request.scheme_len) = (c"https".as_ptr(), 5);
    (request.authority, request.authority_len) = (c"server.example.com".as_ptr(), 18);
    let conn = from_request(true, &request);
    assert_eq!(conn.next(), ws_event_type::WS_EVENT_REQUEST);
    let extra = header("Set-Cookie", "a=b");
    assert_eq!(unsafe { ws_conn_accept(conn.0, null(), &extra, 1) }, WS_OK);
    assert_eq!(unsafe { ws_conn_response_status(conn.0) }, 200);
    assert_eq!(at(&conn, ws_conn_response_header_at, 0), pair("set-cookie", "a=b"));
    assert_eq!(conn.next(), ws_event_type::WS_EVENT_OPEN);
    assert_eq!(conn.take(), "");

    request.authority = null();
    request.authority_len = 0;
    let conn = from_request(true, &request);
    assert_eq!(unsafe { ws_conn_response_status(conn.0) }, 400);
    assert_eq!(conn.next(), ws_event_type::WS_EVENT_CLOSE);
    assert!(conn.take().contains(":authority"));
}

#[test]
fn null_and_wrong_sizes_are_refused() {
    unsafe {
        let no: *mut ws_conn = null_mut();
        let (mut data, mut len) = (null(), 0);
        let engine = ws_engine_new(null());
        let mut conn = null_mut();
        let good = parsed("GET", &[]);
        let smaller = ws_parsed_request { struct_size: good.struct_size - 1, ..good };
        let no_method = ws_parsed_request { method: null(), ..good };
        let no_headers = ws_parsed_request { headers: null(), header_count: 1, ..good };
        let no_protocol = ws_parsed_request { protocol_len: 1, ..good };
        let open = server(false);
        open.feed(format!("{REQUEST_LINES}\r\n").as_bytes());
        assert_eq!(open.next(), ws_event_type::WS_EVENT_OPEN);
        let invalid = [
            ws_conn_new_server_from_request(null_mut(), &good, &mut conn),
            ws_conn_new_server_from_request(engine, null(), &mut conn),
            ws_conn_new_server_from_request(engine, &good, null_mut()),
            ws_conn_new_server_from_request(engine, &smaller, &mut conn),
            ws_conn_new_server_from_request(engine, &no_method, &mut conn),
            ws_conn_new_server_from_request(engine, &no_headers, &mut conn),
            ws_conn_new_server_from_request(engine, &no_protocol, &mut conn),
            ws_conn_request_method(no, &mut data, &mut len),
            ws_conn_request_path(no, &mut data, &mut len),
            ws_conn_request_query(no, &mut data, &mut len),
            ws_conn_request_header_at(no, 0, &mut data, &mut len, &mut data, &mut len),
            ws_conn_response_header(no, c"X".as_ptr(), 0, &mut data, &mut len),
            ws_conn_response_header(open.0, null(), 0, &mut data, &mut len),
            ws_conn_response_header_at(no, 0, &mut data, &mut len, &mut data, &mut len),
            ws_conn_request_method(open.0, null_mut(), &mut len),
            ws_conn_request_path(open.0, &mut data, null_mut()),
            ws_conn_request_header_at(open.0, 0, null_mut(), &mut len, &mut data, &mut len),
            ws_conn_request_header_at(open.0, 0, &mut data, &mut len, &mut data, null_mut()),
        ];
        assert_eq!(invalid, [WS_ERR_INVALID_ARGUMENT; 18]);
        assert!(conn.is_null() && data.is_null() && len == 0, "nothing half done");
        assert_eq!((ws_conn_request_header_count(no), ws_conn_response_header_count(no)), (0, 0));
        assert_eq!(ws_conn_response_status(no), 0);
        ws_engine_free(engine);
    }
}
