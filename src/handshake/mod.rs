//! The opening handshake (RFC 6455, section 4): HTTP heads in, HTTP heads out.

pub(crate) mod client;
pub(crate) mod extensions;
pub(crate) mod head;
pub(crate) mod key;
mod names;
pub(crate) mod parsed;
pub mod policy;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod response;
mod scan;
pub mod sniff;
pub(crate) mod token;
