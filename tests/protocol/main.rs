//! The protocol, tested through the public Rust API: no sockets, no sleeps, every split of the input.
//! Frames on the wire are written by `support::frame`, which shares no code with the crate.

mod capi;
mod capi_handshake;
mod capi_metrics;
mod capi_sending;
mod capi_time;
mod closing;
mod compression;
mod compression_rfc;
mod delivery;
mod describe;
mod extended_connect;
mod frames;
mod handshake_answers;
mod handshake_client;
mod handshake_parsed;
mod handshake_requests;
mod handshake_server;
mod handshake_smuggling;
mod header_file;
mod heartbeat;
mod inflate;
mod limits;
mod manual_accept;
mod messages;
mod metrics;
mod negotiation;
mod negotiation_rfc;
mod output;
mod pair;
mod properties;
mod properties_run;
mod regressions;
mod regressions_fuzzed;
mod regressions_pending;
mod rfc6455_frames;
mod rfc6455_handshake;
mod sending;
mod sniffing;
mod support;
mod timed;
mod timing;
mod timing_any;
mod utf8;

#[allow(dead_code)]
#[path = "../shared/collector.rs"]
mod collector;
