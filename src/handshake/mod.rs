//! The opening handshake (RFC 6455, section 4): HTTP heads in, HTTP heads out.

pub(crate) mod client;
pub(crate) mod extensions;
pub(crate) mod head;
pub(crate) mod key;
pub(crate) mod parsed;
pub mod policy;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod response;
pub mod sniff;
pub(crate) mod token;
