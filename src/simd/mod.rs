//! What vector instructions do faster than a loop over bytes.

#![allow(unsafe_code)]

pub(crate) mod lines;
