//! The protocol, tested through the public Rust API: no sockets, no sleeps, every split of the input.
//! Frames on the wire are written by `support::frame`, which shares no code with the crate.

mod capi;
mod capi_metrics;
mod closing;
mod describe;
mod frames;
mod handshake_client;
mod handshake_server;
mod header_file;
mod limits;
mod manual_accept;
mod messages;
mod metrics;
mod output;
mod pair;
mod sniffing;
mod support;
mod utf8;
