//! Metrics and descriptions as C calls them.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::{CStr, c_char};
use std::ptr::{null, null_mut};

use crate::support::*;
use wsengine::capi::connection::*;
use wsengine::capi::describe::*;
use wsengine::capi::engine::*;
use wsengine::capi::input::*;
use wsengine::capi::metrics::*;
use wsengine::capi::status::ws_status::*;

fn empty() -> ws_metrics {
    let mut metrics: ws_metrics = unsafe { std::mem::zeroed() };
    metrics.struct_size = size_of::<ws_metrics>();
    metrics
}

fn counted() -> ws_metrics {
    unsafe {
        let engine = ws_engine_new(null());
        let conn = ws_conn_new_server(engine);
        let bytes = [format!("{REQUEST_LINES}\r\n").as_bytes(), &masked(TEXT, b"hello")].concat();
        assert_eq!(ws_conn_feed(conn, bytes.as_ptr().cast(), bytes.len()), WS_OK);
        let mut event = std::mem::zeroed();
        while ws_conn_next_event(conn, &mut event) == WS_OK {}
        let mut metrics = empty();
        assert_eq!(ws_metrics_get(engine, &mut metrics), WS_OK);
        assert_eq!((metrics.connections_open, metrics.wire_bytes_in), (1, bytes.len() as u64));
        assert_eq!((metrics.messages_in, metrics.message_bytes_in), ([1, 0], [5, 0]));
        ws_conn_free(conn);
        ws_engine_free(engine);
        metrics
    }
}

fn render(list: &[*const ws_metrics]) -> String {
    let mut len = 0;
    unsafe {
        assert_eq!(ws_metrics_render(list.as_ptr(), list.len(), null_mut(), 0, &mut len), WS_ERR_BUFFER_TOO_SMALL);
        let mut buffer = vec![0x55 as c_char; len + 2];
        assert_eq!(
            ws_metrics_render(list.as_ptr(), list.len(), buffer.as_mut_ptr(), len, &mut len),
            WS_ERR_BUFFER_TOO_SMALL
        );
        assert_eq!(buffer[..2], [0, 0x55], "the empty text, and nothing else");
        assert_eq!(ws_metrics_render(list.as_ptr(), list.len(), buffer.as_mut_ptr(), len + 1, &mut len), WS_OK);
        assert_eq!(buffer[len..], [0, 0x55], "nothing behind the NUL");
        CStr::from_ptr(buffer.as_ptr()).to_str().unwrap().to_owned()
    }
}

#[test]
fn several_engines_are_summed() {
    let (one, two) = (counted(), counted());
    let text = render(&[&one, &two]);
    assert!(text.contains("\nwsengine_connections_open 2\n"), "{text}");
    assert!(text.contains("\nwsengine_messages_received_total{type=\"text\"} 2\n"), "{text}");
    assert!(render(&[]).contains("\nwsengine_connections_open 0\n"));
    assert_eq!(render(&[&one]), render(&[&empty(), &one]), "nothing adds nothing");
}

/// What C gives is added as it is, whatever it is: no count of another library may end the process.
#[test]
fn sums_of_any_numbers() {
    let mut all = empty();
    let words = (size_of::<ws_metrics>() - size_of::<usize>()) / 8;
    unsafe { (&raw mut all).cast::<u64>().add(1).write_bytes(0xFF, words) };
    assert!(render(&[&all, &all]).contains("\nwsengine_queue_high_water_bytes 18446744073709551615\n"));
}

#[test]
fn a_struct_of_another_size() {
    unsafe {
        let engine = ws_engine_new(null());
        let mut metrics = empty();
        metrics.struct_size += 8; // a caller that is newer than the library
        assert_eq!(ws_metrics_get(engine, &mut metrics), WS_OK);
        assert_eq!(metrics.struct_size, size_of::<ws_metrics>() + 8);
        metrics.struct_size = 8;
        assert_eq!(ws_metrics_get(engine, &mut metrics), WS_ERR_INVALID_ARGUMENT);
        let (list, mut len) = ([&raw const metrics], 0);
        assert_eq!(ws_metrics_render(list.as_ptr(), 1, null_mut(), 0, &mut len), WS_ERR_INVALID_ARGUMENT);
        ws_engine_free(engine);
    }
}

#[test]
fn null_is_refused() {
    unsafe {
        let engine = ws_engine_new(null());
        let (mut len, mut name, mut metrics) = (0, null(), empty());
        let list = [null::<ws_metrics>()];
        let invalid = [
            ws_metrics_get(null_mut(), &mut metrics),
            ws_metrics_get(engine, null_mut()),
            ws_metrics_render(null(), 1, null_mut(), 0, &mut len),
            ws_metrics_render(list.as_ptr(), 1, null_mut(), 0, &mut len),
            ws_metrics_render(null(), 0, null_mut(), 10, &mut len),
            ws_metrics_render(null(), 0, null_mut(), 0, null_mut()),
            ws_metrics_refusal_name(0, null_mut(), &mut len),
            ws_metrics_violation_name(0, &mut name, null_mut()),
            ws_frame_describe(null(), 1, null_mut(), 0, null_mut()),
            ws_frame_describe(null(), 0, null_mut(), 1, null_mut()),
        ];
        assert_eq!(invalid, [WS_ERR_INVALID_ARGUMENT; 10]);
        ws_engine_free(engine);
    }
}

#[test]
fn the_names_are_those_of_the_labels() {
    let text = render(&[]);
    type Name = unsafe extern "C" fn(usize, *mut *const c_char, *mut usize) -> wsengine::capi::status::ws_status;
    for (function, family, label) in [
        (ws_metrics_refusal_name as Name, "handshakes_refused_total", "reason"),
        (ws_metrics_violation_name as Name, "protocol_errors_total", "rule"),
    ] {
        let (mut data, mut len, mut names) = (null(), 0, Vec::new());
        while unsafe { function(names.len(), &mut data, &mut len) } == WS_OK {
            let name = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) };
            names.push(format!("wsengine_{family}{{{label}=\"{}\"}} 0", str::from_utf8(name).unwrap()));
        }
        assert_eq!(unsafe { function(usize::MAX, &mut data, &mut len) }, WS_ERR_NOT_FOUND);
        let prefix = format!("wsengine_{family}{{");
        assert_eq!(text.lines().filter(|line| line.starts_with(&prefix)).collect::<Vec<_>>(), names);
    }
}

#[test]
fn frames_are_described() {
    let frame = masked(TEXT, b"Hello");
    let describe = |bytes: &[u8], capacity: usize| unsafe {
        let mut header: ws_frame_header = std::mem::zeroed();
        header.struct_size = size_of::<ws_frame_header>();
        let mut line = [0x55 as c_char; WS_DESCRIBE_SIZE];
        let status = ws_frame_describe(bytes.as_ptr().cast(), bytes.len(), line.as_mut_ptr(), capacity, &mut header);
        assert_eq!(line[capacity], 0x55, "nothing behind the buffer");
        let text =
            if capacity > 0 { CStr::from_ptr(line.as_ptr()).to_str().unwrap().to_owned() } else { String::new() };
        (status, text, header)
    };
    let (status, text, header) = describe(&frame, 1000);
    assert_eq!((status, text.as_str()), (WS_OK, "FIN TEXT len=5 masked key=37fa213d header=6"));
    assert_eq!((header.header_len, header.payload_len, header.opcode, header.fin), (6, 5, 1, 1));
    assert_eq!((header.masked, header.mask, header.invalid, header.reserved_bits), (1, KEY, 0, 0));

    let (status, text, header) = describe(&frame[..5], 1000);
    assert_eq!((status, text.as_str()), (WS_AGAIN, "FIN TEXT len=5 masked; needs 1 more byte"));
    assert_eq!((header.header_len, header.payload_len, header.mask), (0, 5, [0; 4]));

    let (status, _, header) = describe(&[0x53, 0x00], 1000);
    assert_eq!((status, header.invalid, header.reserved_bits, header.opcode, header.fin), (WS_OK, 1, 5, 3, 0));

    assert_eq!(describe(&frame, 4).1, "FIN", "cut to the buffer");
    assert_eq!(describe(&frame, 1).1, "");
    assert_eq!(describe(&frame, 0).0, WS_OK);
    assert_eq!(describe(b"", 1000).0, WS_AGAIN);
    unsafe {
        let mut header: ws_frame_header = std::mem::zeroed();
        let status = ws_frame_describe(frame.as_ptr().cast(), frame.len(), null_mut(), 0, &mut header);
        assert_eq!((status, header.header_len), (WS_ERR_INVALID_ARGUMENT, 0), "no struct_size");
        assert_eq!(ws_frame_describe(frame.as_ptr().cast(), frame.len(), null_mut(), 0, null_mut()), WS_OK);
    }
}
