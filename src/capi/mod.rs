//! The C ABI: one file per section of `ws_engine.h`, in the order in which a reader needs them. `build.rs` makes the
//! header from these files; the first line of each is its section's title, its documentation comments are the header's.
//!
//! Every function is called by C under the rules at the head of `ws_engine.h` ("Conventions"); that is what each
//! `unsafe` here relies on. All of them go through `guard.rs`, so that a panic never crosses the boundary.

#![allow(unsafe_code)]
#![allow(non_camel_case_types)]
#![allow(rustdoc::bare_urls)] // the C header has these texts as they stand
#![allow(clippy::missing_safety_doc)] // the header's conventions say it once for all

mod guard;

pub mod ask;
pub mod config;
pub mod connection;
pub mod describe;
pub mod engine;
pub mod handshake;
pub mod input;
pub mod many;
pub mod metrics;
pub mod output;
pub mod prepared;
pub mod response;
pub mod sniff;
pub mod status;
pub mod stream;
pub mod time;

/// The header as `build.rs` made it of this build's sources, for the test that compares it with the committed one.
#[doc(hidden)]
pub const GENERATED_HEADER: &str = include_str!(env!("WSENGINE_GENERATED_HEADER"));
