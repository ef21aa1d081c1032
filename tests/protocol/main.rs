//! The protocol, tested through the public Rust API: no sockets, no sleeps, every split of the input.
//! Frames on the wire are written by `support::frame`, which shares no code with the crate.

mod capi;
mod capi_time;
mod closing;
mod frames;
mod handshake_client;
mod handshake_server;
mod header_file;
mod heartbeat;
mod limits;
mod manual_accept;
mod messages;
mod output;
mod pair;
mod sniffing;
mod support;
mod timed;
mod timing;
mod timing_any;
mod utf8;
