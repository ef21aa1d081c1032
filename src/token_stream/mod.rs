//! What a language model says, token by token, as whole JSON text messages.

mod hold;
mod json;

use std::rc::Rc;

use serde::Serialize;

use crate::connection::{Outbound, State};
use crate::engine::{Engine, Shared};
use crate::error::Error;
use hold::Hold;
use json::{ErrorType, Failure, MAX_KEPT, Piece, Queue, StreamType};

/// Turns bytes into whole JSON text messages, numbered without a gap:
///
/// ```text
/// {"type":"stream","requestId":"r-1","seq":1,"content":"Hel","done":false}
/// {"type":"stream","requestId":"r-1","seq":2,"content":"lo","done":true,"finish_reason":"stop"}
/// ```
///
/// It belongs to an engine, whose time it knows, and to no connection: pull its messages with
/// [`next_message`](TokenStream::next_message) and send them wherever they are to go, or have them queued by
/// [`send_to`](TokenStream::send_to). Do so after each write, when the engine's time has made it due
/// ([`Engine::next_due_stream`]), and when the connection has room again ([`Event::Writable`](crate::Event::Writable)).
///
/// The first text leaves at once. What comes within the merge time after a message is merged into the next one; as soon
/// as its text reaches the piece size it is due, too. While nobody pulls, merging goes on.
///
/// ```
/// use wsengine::{Engine, TokenStream};
///
/// let engine = Engine::default();
/// engine.advance(0);
/// let mut stream = TokenStream::new(&engine, Some("r-1"));
/// stream.write(b"caf\xc3")?; // a token may end in the middle of a character
/// let first = stream.next_message().expect("the first text leaves at once");
/// assert_eq!(first.json, br#"{"type":"stream","requestId":"r-1","seq":1,"content":"caf","done":false}"#);
///
/// stream.write(b"\xa9")?;
/// stream.write(b"!")?;
/// assert!(stream.next_message().is_none());
/// engine.advance(40);
/// assert!(stream.next_message().is_some_and(|message| message.seq == 2)); // "é!"
/// stream.finish("stop", None)?;
/// assert!(stream.next_message().is_some_and(|message| message.done));
/// # Ok::<(), wsengine::Error>(())
/// ```
pub struct TokenStream {
    shared: Rc<Shared>,
    request_id: Option<Box<str>>,
    hold: Hold,
    /// Text that is in no message yet.
    pending: String,
    queue: Queue,
    /// The number of the next message that is made, and of the next that is pulled.
    next_made: u64,
    next_pulled: u64,
    timer: u32,
    /// The time for which the timer was set. It may have gone off since.
    set_for: Option<u32>,
    /// When the last message was made.
    made_at: u32,
    /// A message was made.
    begun: bool,
    /// What is pending may leave.
    due: bool,
    /// The last message was made.
    ended: bool,
    /// The host was told to pause what it writes from.
    paused: bool,
}

/// A message of a [`TokenStream`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamMessage<'a> {
    /// A JSON object, which is UTF-8: the payload of a text message.
    pub json: &'a [u8],
    /// Its number.
    pub seq: u64,
    /// It is the last one.
    pub done: bool,
}

/// What an answer has cost, as its model counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Tokens of the question.
    pub prompt_tokens: u64,
    /// Tokens of the answer.
    pub completion_tokens: u64,
    /// Both.
    pub total_tokens: u64,
}

/// Make.
impl TokenStream {
    /// The largest number of a message: what a JavaScript number holds exactly.
    pub const MAX_SEQ: u64 = (1 << 53) - 1;

    /// A stream whose messages have this `requestId`; none have one without.
    pub fn new(engine: &Engine, request_id: Option<&str>) -> TokenStream {
        let shared = engine.shared();
        let timer = shared.time.add_stream();
        shared.metrics.stream_made();
        TokenStream {
            request_id: request_id.map(Box::from),
            hold: Hold::default(),
            pending: String::new(),
            queue: Queue::default(),
            next_made: 1,
            next_pulled: 1,
            timer,
            set_for: None,
            made_at: 0,
            begun: false,
            due: false,
            ended: false,
            paused: false,
            shared,
        }
    }

    /// The number of the first message, 1 to [`MAX_SEQ`](TokenStream::MAX_SEQ), default 1: for an answer that goes on
    /// somewhere else. Before the first message is made.
    pub fn set_first_seq(&mut self, seq: u64) -> Result<(), Error> {
        if !(1..=TokenStream::MAX_SEQ).contains(&seq) {
            return Err(Error::InvalidArgument("the first seq must be 1 to 2^53-1"));
        }
        if self.begun {
            return Err(Error::State("the stream has a first message already"));
        }
        (self.next_made, self.next_pulled) = (seq, seq);
        Ok(())
    }

    /// A number of the host's that [`Engine::next_due_stream`] says for this stream; 0 until it is set.
    pub fn set_token(&mut self, token: usize) {
        self.shared.time.set_stream_token(self.timer, token);
    }

    /// The number of [`TokenStream::set_token`].
    pub fn token(&self) -> usize {
        self.shared.time.stream_token(self.timer)
    }
}

/// Write.
impl TokenStream {
    /// Takes the next bytes of the text. They may end in the middle of a character, which leaves when the rest of it
    /// has come; what cannot become a character turns into U+FFFD. The two halves of a UTF-16 pair that were encoded as
    /// three bytes each become their character.
    ///
    /// Refused with [`Error::QueueFull`] if more than `max_queued_bytes` would wait here: see
    /// [`wants_more`](TokenStream::wants_more).
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.check_writable()?;
        let config = &self.shared.config;
        if bytes.len() > config.max_queued_bytes.saturating_sub(self.pending_bytes()) {
            self.paused |= self.pending_bytes() > 0; // when that is less, it is worth another try
            self.shared.metrics.queue_full();
            return Err(Error::QueueFull);
        }
        self.hold.feed(bytes, &mut self.pending);
        self.make_full_pieces();
        if self.shared.config.stream.merge_time == 0 {
            self.make_piece();
        }
        self.note_pending();
        self.note_waiting();
        Ok(())
    }

    /// Ends the text: what is held back becomes U+FFFD, and what is pending leaves with the last message, which says why
    /// the answer ended ("stop", "length") and what it has cost.
    pub fn finish(&mut self, reason: &str, usage: Option<Usage>) -> Result<(), Error> {
        self.check_writable()?;
        self.hold.finish(&mut self.pending);
        self.end(reason, usage);
        Ok(())
    }

    /// Ends the text with an error: what was written leaves first, then an `error` message, then the last message, whose
    /// reason is "error". A character that is not complete is dropped: what would have come is not known to be broken.
    /// `retryable`: the same question may be answered later.
    pub fn fail(&mut self, code: &str, message: &str, retryable: bool) -> Result<(), Error> {
        self.check_writable()?;
        self.hold = Hold::default();
        self.make_full_pieces();
        self.make_piece();
        let request_id = self.request_id.as_deref();
        let seq = self.next_made;
        self.queue.push(&Failure { r#type: ErrorType::Error, request_id, seq, code, message, retryable });
        self.note_made(0);
        self.end("error", None);
        Ok(())
    }

    /// Ends the text in the middle: what was written leaves with the last message, whose reason is "cancelled". A
    /// character that is not complete is dropped, since nobody waits for its end.
    pub fn cancel(&mut self) -> Result<(), Error> {
        self.check_writable()?;
        self.hold = Hold::default();
        self.end("cancelled", None);
        Ok(())
    }

    fn check_writable(&mut self) -> Result<(), Error> {
        self.queue.reclaim();
        if self.ended { Err(Error::State("the stream has ended: nothing may follow")) } else { Ok(()) }
    }

    /// Makes the last message, of what is pending.
    fn end(&mut self, reason: &str, usage: Option<Usage>) {
        if self.pending.len() > self.shared.config.stream.piece_size {
            self.make_full_pieces();
        }
        let content = std::mem::take(&mut self.pending);
        self.push_piece(&content, Some(reason), usage);
        self.ended = true;
        self.note_pending();
    }

    /// Makes messages of what is pending, while it is enough for one.
    fn make_full_pieces(&mut self) {
        let piece_size = self.shared.config.stream.piece_size;
        if self.pending.len() < piece_size {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let mut rest = &*pending;
        while rest.len() >= piece_size {
            let end = (1..=piece_size).rev().find(|&end| rest.is_char_boundary(end)); // a piece has room for any character
            let (content, behind) = rest.split_at(end.unwrap_or(rest.len()));
            self.push_piece(content, None, None);
            rest = behind;
        }
        let left = rest.len();
        self.keep_pending(pending, left);
    }

    /// Makes a message of all that is pending, if there is anything.
    fn make_piece(&mut self) {
        if !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            self.push_piece(&pending, None, None);
            self.keep_pending(pending, 0);
        }
    }

    /// The last so many bytes are pending still. Their memory is used again, unless it is large.
    fn keep_pending(&mut self, mut text: String, left: usize) {
        let taken = text.len() - left;
        if text.capacity() > MAX_KEPT {
            text = text.split_off(taken);
        } else {
            text.drain(..taken);
        }
        self.pending = text;
    }

    fn push_piece(&mut self, content: &str, finish_reason: Option<&str>, usage: Option<Usage>) {
        self.queue.push(&Piece {
            r#type: StreamType::Stream,
            request_id: self.request_id.as_deref(),
            seq: self.next_made,
            content,
            done: finish_reason.is_some(),
            finish_reason,
            usage,
        });
        self.note_made(content.len());
    }

    fn note_made(&mut self, text_len: usize) {
        self.shared.metrics.stream_message(text_len);
        self.next_made += 1;
        self.begun = true;
        self.due = false;
        self.made_at = self.shared.time.now();
    }
}

/// Pull.
impl TokenStream {
    /// The next message that is due. Each is encoded once, and lent until the next call.
    pub fn next_message(&mut self) -> Option<StreamMessage<'_>> {
        self.queue.reclaim();
        if !self.make_due() {
            self.note_taken(false);
            return None;
        }
        let seq = self.next_pulled;
        self.next_pulled += 1;
        let done = self.is_finished();
        self.queue.pop();
        self.note_taken(false);
        Some(StreamMessage { json: self.queue.lent(), seq, done })
    }

    /// Queues all messages that are due on this connection, while its output is not
    /// [above the high-water mark](Outbound::is_above_high_water). Whether all went: if not, call this again at
    /// [`Event::Writable`](crate::Event::Writable). A message that the connection refuses stays here, and so do those
    /// behind it.
    pub fn send_to(&mut self, out: &mut Outbound) -> Result<bool, Error> {
        self.queue.reclaim();
        let result = loop {
            if out.is_above_high_water() && self.has_due() {
                break Ok(false);
            }
            if !self.make_due() {
                break Ok(true);
            }
            match self.queue.front().map(|json| out.queue_valid_text(json)) {
                Some(Err(Error::QueueFull)) if out.is_above_high_water() => break Ok(false),
                Some(Err(error)) => break Err(error),
                Some(Ok(())) | None => {
                    self.queue.pop();
                    self.next_pulled += 1;
                }
            }
        };
        self.note_taken(out.is_above_high_water() && out.state == State::Open);
        result
    }

    /// Whether a message is there to be pulled; makes one of what is pending if that is due.
    fn make_due(&mut self) -> bool {
        if self.queue.is_empty() && self.has_due() {
            self.make_piece();
        }
        self.note_pending();
        !self.queue.is_empty()
    }

    fn has_due(&mut self) -> bool {
        self.look_at_time();
        self.due || !self.queue.is_empty()
    }

    /// What is pending becomes due when its time has come.
    fn look_at_time(&mut self) {
        if !self.pending.is_empty() && !self.due {
            let time = &self.shared.time;
            let passed = time.now().wrapping_sub(self.made_at);
            self.due = !self.begun || !time.is_told() || passed >= self.shared.config.stream.merge_time;
        }
    }

    /// Sets the timer for what is pending. Hardly ever more than once a message.
    fn note_pending(&mut self) {
        self.look_at_time();
        let time = &self.shared.time;
        if self.pending.is_empty() {
            if self.set_for.take().is_some() {
                time.set_stream_timer(self.timer, None);
            }
        } else if !self.due {
            let merge_time = self.shared.config.stream.merge_time;
            let deadline = self.made_at.wrapping_add(merge_time);
            if self.set_for != Some(deadline) {
                self.set_for = Some(deadline);
                time.set_stream_timer(self.timer, Some(deadline.wrapping_sub(time.now())));
            }
        } // else it stays as it is: when it has gone off, the host is told
    }
}

/// Ask.
impl TokenStream {
    /// Whether to go on writing. Not while more than the high-water mark of bytes wait here, until they are no more than
    /// the low one; not after [`send_to`](TokenStream::send_to) left the connection above its own high-water mark, until
    /// another one finds it below, or the host pulls itself; and not after the end.
    pub fn wants_more(&self) -> bool {
        !self.paused && !self.ended
    }

    /// Bytes that wait here: messages, text that is in no message yet, and the beginning of a character.
    pub fn pending_bytes(&self) -> usize {
        self.queue.len() + self.pending.len() + self.hold.len()
    }

    /// The number of the next message that is pulled.
    pub fn next_seq(&self) -> u64 {
        self.next_pulled
    }

    /// Whether the last message was pulled, or sent.
    pub fn is_finished(&self) -> bool {
        self.ended && self.next_pulled == self.next_made
    }

    fn note_waiting(&mut self) {
        self.paused |= self.pending_bytes() > self.shared.config.stream.high_water;
    }

    /// The host has taken what it could.
    fn note_taken(&mut self, is_receiver_full: bool) {
        let config = &self.shared.config;
        if is_receiver_full {
            self.paused = true;
        } else if self.pending_bytes() <= config.stream.low_water.min(config.max_queued_bytes / 2) {
            self.paused = false;
        }
    }
}

impl Drop for TokenStream {
    fn drop(&mut self) {
        self.shared.time.remove_stream(self.timer);
        self.shared.metrics.stream_freed();
    }
}
