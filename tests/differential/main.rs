//! wsengine against tungstenite: the same messages and close codes in conversations, both ways round, and the same
//! verdict on hostile streams, but for the differences that are listed with their reasons.

mod adversarial;
mod conversation;
mod pipe;
mod theirs;

#[allow(dead_code)]
#[path = "../shared/collector.rs"]
mod collector;

#[path = "../shared/ways.rs"]
mod ways;

#[allow(dead_code)]
#[path = "../protocol/support.rs"]
mod support;
