//! The protocol, tested through the public Rust API and the C ABI: no sockets, no sleeps, virtual time, every split of
//! the input. A file a subject; its first line says which. `rfc6455_*` and `rfc7692` hold the rules that no subject has.
//!
//! Nothing here reads our bytes with our code: frames are written by `support::raw_frame`, and compressed messages are
//! inflated by `inflate`. Which test holds which rule: `docs/CONFORMANCE.md`.

mod back_pressure;
mod broadcast;
mod capi;
mod capi_handshake;
mod capi_input;
mod capi_many;
mod capi_metrics;
mod capi_rules;
mod capi_sending;
mod capi_settings;
mod capi_stream;
mod capi_time;
mod closing;
mod compression;
mod delivery;
mod describe;
mod extended_connect;
mod frames;
mod handshake_answers;
mod handshake_client;
mod handshake_parsed;
mod handshake_requests;
mod handshake_reuse;
mod handshake_server;
mod handshake_smuggling;
mod header_file;
mod heartbeat;
mod host_frames;
mod inflate;
mod input;
mod input_large;
mod limits;
mod manual_accept;
mod messages;
mod metrics;
mod negotiation;
mod output;
mod pair;
mod properties;
mod properties_run;
mod regressions;
mod regressions_fuzzed;
mod rfc6455_frames;
mod rfc6455_handshake;
mod rfc7692;
mod sending;
mod sending_busy;
mod sniffing;
mod support;
mod timed;
mod timing;
mod timing_any;
mod token_stream;
mod token_stream_bytes;
mod token_stream_sending;
mod utf8;

#[allow(dead_code)]
#[path = "../shared/collector.rs"]
mod collector;

#[path = "../shared/ways.rs"]
mod ways;
