//! The WebSocket protocol (RFC 6455) as a library: no sockets, no threads, no clock, no callbacks.
//! Bytes in, events out, frames queued, bytes out.
//!
//! # The contract
//!
//! > Give input, then pull events until there are none; then take output until there is none.
//!
//! Every call is cheap, none blocks, none calls back. An event and the bytes it points to live until the next pull or
//! input call on that connection; queueing output never invalidates them, so an echo needs no copy of its own.
//! Breaking the order is an error, never undefined behaviour.
//!
//! ```
//! use wsengine::{ClientRequest, Connection, Engine, Event};
//!
//! let engine = Engine::default();
//! let mut server = Connection::server(&engine);
//! let mut client = Connection::client(&engine, &ClientRequest { host: "localhost", ..Default::default() })?;
//!
//! // The host moves bytes; here from one connection to the other.
//! fn carry(from: &mut Connection, to: &mut Connection) -> Result<(), wsengine::Error> {
//!     let bytes: Vec<u8> = from.output().flatten().copied().collect();
//!     from.outbound().output_consume(bytes.len())?;
//!     to.feed(&bytes)
//! }
//!
//! carry(&mut client, &mut server)?;
//! while let Some(event) = server.next_event() {
//!     assert!(matches!(event, Event::Open { .. }));
//! }
//! carry(&mut server, &mut client)?;
//! while client.next_event().is_some() {}
//!
//! client.outbound().queue_text(b"hello")?;
//! carry(&mut client, &mut server)?;
//! while let Some((event, outbound)) = server.next_event_and_outbound() {
//!     if let Event::Text(text) = event {
//!         outbound.queue_text(text.as_bytes())?; // an echo
//!     }
//! }
//! # Ok::<(), wsengine::Error>(())
//! ```
//!
//! # The map
//!
//! [`Config`] holds every setting; an [`Engine`] is what one event loop's connections share; a [`Connection`] is one
//! end of one WebSocket; [`Event`] is the whole vocabulary of what it reports. [`sniff`](fn@sniff) tells a WebSocket
//! request from other HTTP on one port. A [`TokenStream`] makes messages of what a language model says token by token. The C API of `ws_engine.h` is a thin layer on these.

mod config;
mod connection;
mod deflate;
mod detail;
mod engine;
mod error;
mod event;
mod expiry;
pub mod frame;
mod handshake;
mod prepared;
mod simd;
mod text;
mod token_stream;
pub mod utf8;
mod violation;

pub mod capi;

pub use config::Config;
pub use connection::{Connection, Drain, Outbound, Recipient, Role, State};
pub use detail::Detail;
pub use engine::Engine;
pub use engine::metrics::MetricsSnapshot;
pub use error::Error;
pub use event::{Chunk, Close, Delivery, Event, Frame, Initiator, MessageType, Text};
pub use handshake::client::ClientRequest;
pub use handshake::parsed::ParsedRequest;
pub use handshake::policy::OriginPolicy;
pub use handshake::response::Header;
pub use handshake::sniff::{Sniff, sniff};
pub use prepared::Prepared;
pub use token_stream::{StreamMessage, TokenStream, Usage};
pub use violation::Violation;
