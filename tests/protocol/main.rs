//! The protocol, tested through the public Rust API: no sockets, no sleeps, every split of the input.
//! Frames on the wire are written by `support::frame`, which shares no code with the crate.

mod capi;
mod capi_handshake;
mod closing;
mod extended_connect;
mod frames;
mod handshake_answers;
mod handshake_client;
mod handshake_parsed;
mod handshake_requests;
mod handshake_server;
mod handshake_smuggling;
mod header_file;
mod limits;
mod manual_accept;
mod messages;
mod negotiation;
mod output;
mod pair;
mod sniffing;
mod support;
mod utf8;
