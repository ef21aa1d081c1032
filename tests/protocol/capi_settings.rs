//! Every setter of the C ABI by what it does: which rule, refusal or deadline the metrics count then.
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)] // every block is a call under the header's conventions

use std::ffi::c_char;
use std::ptr::{null, null_mut};

use crate::support::*;
use wsengine::capi::ask::*;
use wsengine::capi::config::*;
use wsengine::capi::connection::*;
use wsengine::capi::engine::*;
use wsengine::capi::input::*;
use wsengine::capi::metrics::*;
use wsengine::capi::output::*;
use wsengine::capi::status::ws_status::{self, *};
use wsengine::capi::time::*;

/// An engine with settings, and one server's connection.
struct Host {
    engine: *mut ws_engine,
    conn: *mut ws_conn,
}

impl Host {
    fn new(set: impl Fn(*mut ws_config) -> ws_status) -> Host {
        unsafe {
            let config = ws_config_new();
            assert_eq!(set(config), WS_OK);
            let engine = ws_engine_new(config);
            ws_config_free(config);
            Host { engine, conn: ws_conn_new_server(engine) }
        }
    }

    fn open(set: impl Fn(*mut ws_config) -> ws_status) -> Host {
        let host = Host::new(set);
        host.feed(format!("{REQUEST_LINES}\r\n").as_bytes());
        assert_eq!(host.pull(), [ws_event_type::WS_EVENT_OPEN]);
        host.take();
        host
    }

    fn feed(&self, bytes: &[u8]) {
        assert_eq!(unsafe { ws_conn_feed(self.conn, bytes.as_ptr().cast(), bytes.len()) }, WS_OK);
    }

    fn next(&self) -> Option<ws_event> {
        unsafe {
            let mut event = std::mem::zeroed();
            (ws_conn_next_event(self.conn, &mut event) == WS_OK).then_some(event)
        }
    }

    fn pull(&self) -> Vec<ws_event_type> {
        std::iter::from_fn(|| self.next()).map(|event| event.r#type).collect()
    }

    fn take(&self) -> Vec<u8> {
        let (mut buffer, mut len) = (vec![0u8; 1 << 16], 0);
        unsafe { ws_conn_output_read(self.conn, buffer.as_mut_ptr().cast(), buffer.len(), &mut len) };
        buffer.truncate(len);
        buffer
    }

    fn queue(&self, len: usize) -> ws_status {
        unsafe { ws_conn_queue_binary(self.conn, vec![0; len].as_ptr().cast(), len) }
    }

    fn metrics(&self) -> ws_metrics {
        unsafe {
            let mut metrics: ws_metrics = std::mem::zeroed();
            metrics.struct_size = size_of::<ws_metrics>();
            assert_eq!(ws_metrics_get(self.engine, &mut metrics), WS_OK);
            metrics
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        unsafe {
            ws_conn_free(self.conn);
            ws_engine_free(self.engine);
        }
    }
}

type Name = unsafe extern "C" fn(usize, *mut *const c_char, *mut usize) -> ws_status;

/// The name of the only place that counted, and once.
fn counted(name: Name, counts: &[u64]) -> String {
    let places = (0..counts.len()).filter(|&i| counts[i] != 0).collect::<Vec<_>>();
    let [place] = places[..] else { panic!("{places:?}") };
    assert_eq!(counts[place], 1);
    let (mut data, mut len) = (null(), 0);
    unsafe {
        assert_eq!(name(place, &mut data, &mut len), WS_OK);
        str::from_utf8(std::slice::from_raw_parts(data.cast::<u8>(), len)).unwrap().to_owned()
    }
}

fn refused(set: impl Fn(*mut ws_config) -> ws_status, request: &str) -> (u16, String) {
    let host = Host::new(set);
    host.feed(request.as_bytes());
    let event = std::iter::from_fn(|| host.next()).last().unwrap();
    assert_eq!(event.r#type, ws_event_type::WS_EVENT_CLOSE);
    (event.http_status, counted(ws_metrics_refusal_name, &host.metrics().handshakes_refused))
}

#[test]
fn limits_of_a_request() {
    let request = |more: &str| format!("{REQUEST_LINES}{more}\r\n");
    let long = request(&format!("X: {}\r\n", "x".repeat(200)));
    let refusals = [
        refused(|config| unsafe { ws_config_set_max_head_size(config, 300) }, &long),
        refused(|config| unsafe { ws_config_set_max_headers(config, 8) }, &request(&"X: y\r\n".repeat(4))),
        refused(|config| unsafe { ws_config_set_origin_policy(config, 1) }, &request("Origin: https://a\r\n")),
        refused(
            |config| unsafe { ws_config_allow_origin(config, c"https://b".as_ptr()) },
            &request("Origin: https://a\r\n"),
        ),
    ];
    let expected =
        [(431, "head_too_large"), (431, "too_many_headers"), (403, "origin_forbidden"), (403, "origin_forbidden")];
    assert_eq!(refusals, expected.map(|(status, name)| (status, name.to_owned())));

    let host = Host::new(|config| unsafe {
        assert_eq!(ws_config_set_max_held_bytes(config, 10), WS_OK);
        ws_config_set_manual_accept(config, 1)
    });
    host.feed(request("").as_bytes());
    assert_eq!(host.pull(), [ws_event_type::WS_EVENT_REQUEST]);
    host.feed(&[0; 11]);
    assert_eq!(host.pull(), [ws_event_type::WS_EVENT_CLOSE]);
    assert_eq!(counted(ws_metrics_refusal_name, &host.metrics().handshakes_refused), "too_much_behind_head");
}

#[test]
fn subprotocols_in_order_of_preference() {
    let host = Host::new(|config| unsafe {
        assert_eq!(ws_config_add_subprotocol(config, c"b".as_ptr()), WS_OK);
        assert_eq!(ws_config_add_subprotocol(config, c"b".as_ptr()), WS_ERR_INVALID_ARGUMENT);
        ws_config_add_subprotocol(config, c"a".as_ptr())
    });
    host.feed(format!("{REQUEST_LINES}Sec-WebSocket-Protocol: a, b\r\n\r\n").as_bytes());
    let event = host.next().unwrap();
    assert_eq!(crate::capi::data(&event), b"b");
}

#[test]
fn limits_of_messages() {
    fn violation(set: impl Fn(*mut ws_config) -> ws_status, frames: &[Vec<u8>]) -> (u16, String) {
        let host = Host::open(set);
        unsafe { ws_engine_advance(host.engine, 1) };
        host.feed(&frames.concat());
        let event = std::iter::from_fn(|| host.next()).last().unwrap();
        (event.close_code, counted(ws_metrics_violation_name, &host.metrics().violations))
    }
    let part = |len| masked_part(BINARY, &vec![0; len]);
    let more = |len| masked_part(CONTINUATION, &vec![0; len]);
    let seen = [
        violation(|config| unsafe { ws_config_set_max_frame_size(config, 200) }, &[masked(BINARY, &[0; 201])]),
        violation(|config| unsafe { ws_config_set_max_message_size(config, 200) }, &[part(100), more(101)]),
        violation(|config| unsafe { ws_config_set_max_fragments(config, 2) }, &[part(1), more(1), more(1)]),
        violation(|config| unsafe { ws_config_set_max_empty_fragments(config, 1) }, &[part(0), more(1), more(0)]),
        violation(
            |config| unsafe { ws_config_set_max_control_rate(config, 1) },
            &[masked(PING, b""), masked(PONG, b"")],
        ),
        violation(|config| unsafe { ws_config_set_max_connection_bytes(config, 5_000) }, &[part(5_001)]),
        violation(|config| unsafe { ws_config_set_max_engine_bytes(config, 5_000) }, &[part(5_001)]),
    ];
    let expected = [
        (1009, "frame_too_big"),
        (1009, "message_too_big"),
        (1008, "too_many_fragments"),
        (1008, "too_many_empty_fragments"),
        (1008, "too_many_control_frames"),
        (1009, "connection_too_big"),
        (1013, "engine_too_big"),
    ];
    assert_eq!(seen, expected.map(|(code, name)| (code, name.to_owned())));

    let host = Host::open(|config| unsafe { ws_config_set_auto_pong(config, 0) });
    host.feed(&masked(PING, b"x"));
    assert_eq!((host.pull(), host.take()), (vec![ws_event_type::WS_EVENT_PING], vec![]));
}

#[test]
fn text_to_send_is_checked_or_not() {
    for (enabled, status) in [(1, WS_ERR_INVALID_UTF8), (0, WS_OK)] {
        let host = Host::open(|config| unsafe { ws_config_set_outgoing_utf8_check(config, enabled) });
        assert_eq!(unsafe { ws_conn_queue_text(host.conn, [0xffu8].as_ptr().cast(), 1) }, status);
    }
    let config = ws_config_new();
    unsafe {
        assert_eq!(ws_config_set_outgoing_utf8_check(config, 2), WS_ERR_INVALID_ARGUMENT);
        ws_config_free(config);
    }
}

#[test]
fn limits_of_output() {
    for set in [
        ws_config_set_max_queued_bytes as unsafe extern "C" fn(*mut ws_config, usize) -> ws_status,
        ws_config_set_max_connection_bytes,
        ws_config_set_max_engine_bytes,
    ] {
        let host = Host::open(|config| unsafe { set(config, 5_000) });
        assert_eq!(host.queue(5_000), WS_ERR_QUEUE_FULL);
        assert_eq!(unsafe { ws_conn_above_high_water(host.conn) }, 0, "no output waits: nothing to wait for");
        assert_eq!(host.queue(1_000), WS_OK);
        assert_eq!(host.queue(4_000), WS_ERR_QUEUE_FULL);
        assert_eq!(unsafe { ws_conn_above_high_water(host.conn) }, 1);
        host.take();
        assert_eq!(host.pull(), [ws_event_type::WS_EVENT_WRITABLE]);
        assert_eq!(host.metrics().queue_full, 2);
    }
}

/// The low-water mark is never above half of what may be queued.
#[test]
fn water_marks_above_the_limit_of_the_queue() {
    let host = Host::open(|config| unsafe { ws_config_set_max_queued_bytes(config, 10_000) });
    assert_eq!(host.queue(9_000), WS_OK);
    assert_eq!(host.queue(9_000), WS_ERR_QUEUE_FULL);
    unsafe {
        assert_eq!(ws_conn_output_consume(host.conn, 4_000), WS_OK);
        assert_eq!(ws_conn_above_high_water(host.conn), 1, "more than half waits");
        assert_eq!(ws_conn_output_consume(host.conn, 10), WS_OK);
        assert_eq!(ws_conn_above_high_water(host.conn), 0);
    }
}

#[test]
fn compression() {
    /// What the server answers, and how many bytes 50,000 become.
    fn compressed(set: impl Fn(*mut ws_config) -> ws_status) -> (String, usize) {
        let host = Host::new(|config| unsafe {
            assert_eq!(ws_config_set_compression(config, 1), WS_OK);
            set(config)
        });
        let offer = "permessage-deflate; client_max_window_bits";
        host.feed(format!("{REQUEST_LINES}Sec-WebSocket-Extensions: {offer}\r\n\r\n").as_bytes());
        assert_eq!(host.next().map(|event| event.compressed), Some(1));
        assert!(host.next().is_none());
        let answer = String::from_utf8(host.take()).unwrap();
        let words = ["alpha ", "beta ", "gamma ", "delta ", "epsilon ", "zeta ", "eta ", "theta "];
        let mut state = 1u32;
        let mut text = String::new();
        while text.len() < 50_000 {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            text += words[(state >> 16) as usize % 8];
            text.push((b'a' + (state >> 24) as u8 % 26) as char);
        }
        text.truncate(50_000);
        assert_eq!(unsafe { ws_conn_queue_text(host.conn, text.as_ptr().cast(), text.len()) }, WS_OK);
        (answer, host.take().len())
    }
    let (answer, len) = compressed(|_| WS_OK);
    assert!(answer.contains("; server_no_context_takeover; client_no_context_takeover"), "{answer}");
    assert!(len < 20_000, "{len}");
    let (answer, _) = compressed(|config| unsafe { ws_config_set_context_takeover(config, 1, 0) });
    assert!(
        answer.contains("client_no_context_takeover") && !answer.contains("server_no_context_takeover"),
        "{answer}"
    );
    let (answer, _) = compressed(|config| unsafe { ws_config_set_context_takeover(config, 0, 1) });
    assert!(
        !answer.contains("client_no_context_takeover") && answer.contains("server_no_context_takeover"),
        "{answer}"
    );
    let (answer, _) = compressed(|config| unsafe { ws_config_set_window_bits(config, 10, 11) });
    assert!(answer.contains("server_max_window_bits=10") && answer.contains("client_max_window_bits=11"), "{answer}");
    assert_eq!(compressed(|config| unsafe { ws_config_set_compression_threshold(config, 50_001) }).1, 50_004);
    let others = [
        compressed(|config| unsafe { ws_config_set_compression_level(config, 1) }).1,
        compressed(|config| unsafe { ws_config_set_compression_mem_level(config, 1) }).1,
    ];
    assert!(!others.contains(&len) && others[0] != others[1], "{others:?} {len}: each has an effect of its own");
}

/// The places of ws_metrics::expiries are those that the header says.
#[test]
fn deadlines() {
    type Set = unsafe extern "C" fn(*mut ws_config, u32) -> ws_status;
    /// Tells the time, and pulls what it brings until the connection is over.
    fn expiries(host: &Host, take: bool) -> ([u64; 6], u16) {
        let mut code = 0;
        for now in (1_000..=1_500).step_by(50) {
            unsafe {
                assert_eq!(ws_engine_advance(host.engine, now), WS_OK);
                while !ws_engine_next_due(host.engine).is_null() {
                    while let Some(event) = host.next() {
                        code = event.close_code;
                    }
                }
            }
            if take {
                host.take();
            }
        }
        let expiries = host.metrics().expiries;
        assert_eq!(expiries[6..], [0; 2]);
        (expiries[..6].try_into().unwrap(), code)
    }
    let only = |place: usize| std::array::from_fn(|i| u64::from(i == place));
    for (place, code, set, take) in [
        (2, 1006, ws_config_set_idle_timeout as Set, true), // the close frame is not answered in 200 ms
        (3, 1006, ws_config_set_max_lifetime, true),
        (5, 1006, ws_config_set_write_stall_timeout, false),
    ] {
        let host = Host::open(|config| unsafe {
            assert_eq!(ws_config_set_close_timeout(config, 200), WS_OK);
            set(config, 100)
        });
        assert_eq!(host.queue(1), WS_OK);
        let (mut seen, ended_with) = expiries(&host, take);
        assert_eq!(std::mem::take(&mut seen[4]), u64::from(take), "close");
        assert_eq!((seen, ended_with), (only(place), code));
        assert_eq!(unsafe { ws_conn_wants_abort(host.conn) }, 1);
    }
    let host = Host::open(|config| unsafe {
        assert_eq!(ws_config_set_ping_interval(config, 100), WS_OK);
        ws_config_set_pong_timeout(config, 100)
    });
    assert_eq!(expiries(&host, true), (only(1), 1001));

    let host = Host::new(|config| unsafe { ws_config_set_handshake_timeout(config, 100) });
    assert_eq!(expiries(&host, true), ([0; 6], 1006));
    assert_eq!(counted(ws_metrics_refusal_name, &host.metrics().handshakes_refused), "timeout");
    let host = Host::new(|config| unsafe {
        assert_eq!(ws_config_set_manual_accept(config, 1), WS_OK);
        ws_config_set_handshake_timeout(config, 100)
    });
    host.feed(format!("{REQUEST_LINES}\r\n").as_bytes());
    assert_eq!(host.pull(), [ws_event_type::WS_EVENT_REQUEST]);
    assert_eq!(expiries(&host, true), ([0; 6], 1006));
    assert_eq!(counted(ws_metrics_refusal_name, &host.metrics().handshakes_refused), "undecided");

    let mut client = Host::new(|config| unsafe { ws_config_set_handshake_timeout(config, 100) });
    unsafe {
        ws_conn_free(client.conn);
        let mut request: ws_client_request = std::mem::zeroed();
        request.struct_size = size_of::<ws_client_request>();
        request.host = c"a".as_ptr();
        client.conn = null_mut();
        assert_eq!(ws_conn_new_client(client.engine, &request, &mut client.conn), WS_OK);
    }
    assert_eq!(expiries(&client, true), (only(0), 1006));
}

#[test]
fn the_size_of_the_receive_buffer() {
    let lent = |set: &dyn Fn(*mut ws_config) -> ws_status| unsafe {
        let host = Host::open(set);
        let (mut buffer, mut capacity) = (null_mut(), 0);
        assert_eq!(ws_conn_recv_buffer(host.conn, 0, &mut buffer, &mut capacity), WS_OK);
        capacity
    };
    for bytes in [4_096, 70_000, 16 << 20] {
        assert_eq!(lent(&|config| unsafe { ws_config_set_receive_buffer_size(config, bytes) }), bytes);
    }
    let refused = |config| unsafe {
        for bytes in [0, 4_095, (16 << 20) + 1, usize::MAX] {
            assert_eq!(ws_config_set_receive_buffer_size(config, bytes), WS_ERR_INVALID_ARGUMENT);
        }
        WS_OK
    };
    assert_eq!(lent(&refused), 524_288, "the default");
}
