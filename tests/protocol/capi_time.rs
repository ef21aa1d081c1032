//! Time through the C ABI.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ptr::{null, null_mut};

use crate::support::*;
use wsengine::capi::ask::*;
use wsengine::capi::config::*;
use wsengine::capi::connection::*;
use wsengine::capi::engine::*;
use wsengine::capi::input::*;
use wsengine::capi::output::*;
use wsengine::capi::status::ws_status::*;
use wsengine::capi::time::*;

unsafe fn next(conn: *mut ws_conn) -> Option<ws_event> {
    unsafe {
        let mut event = std::mem::zeroed();
        (ws_conn_next_event(conn, &mut event) == WS_OK).then_some(event)
    }
}

unsafe fn taken(conn: *mut ws_conn) -> Vec<u8> {
    let mut buffer = [0u8; 4096];
    let mut len = 0;
    unsafe { ws_conn_output_read(conn, buffer.as_mut_ptr().cast(), buffer.len(), &mut len) };
    buffer[..len].to_vec()
}

#[test]
fn the_connections_that_are_due_are_handed_out() {
    unsafe {
        let engine = ws_engine_new(null());
        let (a, b, c) = (ws_conn_new_server(engine), ws_conn_new_server(engine), ws_conn_new_server(engine));
        assert_eq!(ws_engine_next_deadline(engine), u64::MAX, "the time was not told");
        assert_eq!(ws_engine_advance(engine, 5_000), WS_OK);
        let request = format!("{REQUEST_LINES}\r\n");
        assert_eq!(ws_conn_feed(b, request.as_ptr().cast(), request.len()), WS_OK);
        assert_eq!(next(b).map(|event| event.r#type), Some(ws_event_type::WS_EVENT_OPEN));
        assert!(next(b).is_none());
        taken(b);
        ws_conn_free(c);

        assert!(ws_engine_next_deadline(engine) <= 15_000);
        assert!(ws_engine_next_due(engine).is_null());
        assert_eq!(ws_engine_advance(engine, 15_000), WS_OK);
        assert_eq!(ws_engine_next_deadline(engine), 15_000);
        assert_eq!(ws_engine_next_due(engine), a);
        assert!(ws_engine_next_due(engine).is_null());
        let close = next(a).expect("it is late");
        assert_eq!((close.r#type, close.http_status), (ws_event_type::WS_EVENT_CLOSE, 408));
        assert!(next(a).is_none());
        assert!(taken(a).starts_with(b"HTTP/1.1 408 "));
        assert_eq!(ws_conn_wants_shutdown(a), 1);
        ws_conn_free(a);

        assert_eq!(ws_engine_advance(engine, 35_000), WS_OK); // a ping is due
        assert_eq!(ws_engine_next_due(engine), b);
        assert!(next(b).is_none());
        let ping = taken(b);
        assert_eq!(ping[..2], [0x89, 4]);
        assert_eq!(ws_engine_advance(engine, 35_042), WS_OK);
        let pong = masked(PONG, &ping[2..]);
        assert_eq!(ws_conn_feed(b, pong.as_ptr().cast(), pong.len()), WS_OK);
        let event = next(b).expect("a pong");
        assert_eq!((event.r#type, event.rtt_ms), (ws_event_type::WS_EVENT_PONG, 42));
        assert!(next(b).is_none());
        ws_engine_free(engine);
        assert_eq!(ws_conn_set_reading(b, 0), WS_OK); // without its engine's handle, too
        ws_conn_free(b);
    }
}

#[test]
fn a_peer_that_is_not_read_from_is_not_dead() {
    unsafe {
        let config = ws_config_new();
        assert_eq!(ws_config_set_ping_interval(config, 100), WS_OK);
        assert_eq!(ws_config_set_pong_timeout(config, 100), WS_OK);
        let engine = ws_engine_new(config);
        ws_config_free(config);
        for (reading, dies) in [(1, true), (0, false)] {
            let conn = ws_conn_new_server(engine);
            ws_engine_advance(engine, 1_000);
            let request = format!("{REQUEST_LINES}\r\n");
            ws_conn_feed(conn, request.as_ptr().cast(), request.len());
            while next(conn).is_some() {}
            taken(conn);
            assert_eq!(ws_conn_set_reading(conn, reading), WS_OK);
            let mut code = 0;
            for _ in 0..10 {
                let now = ws_engine_next_deadline(engine);
                if now == u64::MAX {
                    break;
                }
                ws_engine_advance(engine, now);
                if !ws_engine_next_due(engine).is_null() {
                    while let Some(event) = next(conn) {
                        code = event.close_code;
                    }
                    taken(conn);
                }
            }
            assert_eq!(code, if dies { 1001 } else { 0 });
            ws_conn_free(conn);
        }
        ws_engine_free(engine);
    }
}

#[test]
fn null_handles() {
    unsafe {
        assert_eq!(ws_engine_advance(null_mut(), 1), WS_ERR_INVALID_ARGUMENT);
        assert_eq!(ws_engine_next_deadline(null()), u64::MAX);
        assert!(ws_engine_next_due(null_mut()).is_null());
        assert_eq!(ws_conn_set_reading(null_mut(), 1), WS_ERR_INVALID_ARGUMENT);
    }
}
