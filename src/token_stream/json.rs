//! The messages as JSON, in the queue in which they wait.

use std::ops::Range;

use serde::Serialize;

use crate::token_stream::Usage;

/// A part of the text; the last one says how the stream ended.
#[derive(Serialize)]
pub(super) struct Piece<'a> {
    pub(super) r#type: StreamType,
    #[serde(rename = "requestId", skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<&'a str>,
    pub(super) seq: u64,
    pub(super) content: &'a str,
    pub(super) done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) finish_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<Usage>,
}

/// Why there is no more text.
#[derive(Serialize)]
pub(super) struct Failure<'a> {
    pub(super) r#type: ErrorType,
    #[serde(rename = "requestId", skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<&'a str>,
    pub(super) seq: u64,
    pub(super) code: &'a str,
    pub(super) message: &'a str,
    pub(super) retryable: bool,
}

#[derive(Serialize)]
pub(super) enum StreamType {
    #[serde(rename = "stream")]
    Stream,
}

#[derive(Serialize)]
pub(super) enum ErrorType {
    #[serde(rename = "error")]
    Error,
}

/// Encoded messages, oldest first, each behind its length.
#[derive(Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    /// Up to here they were taken.
    taken: usize,
    /// The one that was taken last, and is lent.
    last: Range<usize>,
}

const LENGTH: usize = size_of::<usize>();

/// Memory of up to this size is kept to be used again while a stream has nothing.
pub(super) const MAX_KEPT: usize = 16 * 1024;

impl Queue {
    /// Encodes a message where it waits.
    pub(super) fn push(&mut self, message: &impl Serialize) {
        let start = self.bytes.len() + LENGTH;
        self.bytes.extend([0; LENGTH]);
        serde_json::to_writer(&mut self.bytes, message).expect("a Vec takes everything");
        let len = self.bytes.len() - start;
        self.bytes[start - LENGTH..start].copy_from_slice(&len.to_ne_bytes());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }

    /// Bytes of the messages that wait.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// The oldest message.
    pub(super) fn front(&self) -> Option<&[u8]> {
        let (length, rest) = self.bytes[self.taken..].split_first_chunk()?;
        rest.get(..usize::from_ne_bytes(*length))
    }

    /// Takes the oldest message. Its bytes stay where they are until [`Queue::reclaim`].
    pub(super) fn pop(&mut self) {
        let len = self.front().map_or(0, <[u8]>::len);
        self.last = self.taken + LENGTH..self.taken + LENGTH + len;
        self.taken = self.last.end;
    }

    /// The message that was taken last.
    pub(super) fn lent(&self) -> &[u8] {
        &self.bytes[self.last.clone()]
    }

    /// What was taken is no longer lent: its memory is free for others.
    pub(super) fn reclaim(&mut self) {
        self.last = 0..0;
        if self.is_empty() {
            self.taken = 0;
            self.bytes.clear();
            if self.bytes.capacity() > MAX_KEPT {
                self.bytes = Vec::new();
            }
        } else if self.taken > self.bytes.len() / 2 {
            self.bytes.drain(..self.taken); // fewer bytes move than were taken
            self.taken = 0;
        }
    }
}
