//! What a connection reported, as values that compare: whole messages whatever the delivery, so that every
//! configuration can be held against every other and against other libraries. It checks as it collects: nothing after
//! the end, text is UTF-8, the parts of a message fit together.

use wsengine::frame::OpCode;
use wsengine::{Config, Connection, Delivery, Event};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    Request(String),
    Open(Option<String>),
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close { code: u16, reason: String, detail: &'static str, clean: bool, http_status: Option<u16> },
}

#[derive(Debug, Default)]
pub struct Collector {
    pub got: Vec<Got>,
    /// The message whose parts are arriving.
    message: Option<(OpCode, Vec<u8>)>,
    /// How often there was room again: a matter of time, not of what the peer sent.
    pub writable: usize,
    /// How the last message came.
    pub delivery: Option<Delivery>,
}

impl Collector {
    /// Pulls until there is nothing more.
    pub fn pull(&mut self, conn: &mut Connection) {
        while let Some(event) = conn.next_event() {
            self.add(event);
        }
    }

    pub fn add(&mut self, event: Event<'_>) {
        assert!(!self.is_over(), "after the end: {event:?}");
        if !matches!(event, Event::Request { .. } | Event::Close(_)) && !self.is_open() {
            assert!(matches!(event, Event::Open { .. }), "before the opening: {event:?}");
        }
        self.delivery = match event {
            Event::Text(_) | Event::Binary(_) => Some(Delivery::Messages),
            Event::Chunk(_) => Some(Delivery::Chunks),
            Event::Frame(_) => Some(Delivery::Frames),
            _ => self.delivery,
        };
        match event {
            Event::Request { target } => self.got.push(Got::Request(target.to_owned())),
            Event::Open { subprotocol, .. } => {
                assert!(!self.is_open(), "opened twice");
                self.got.push(Got::Open(subprotocol.map(str::to_owned)));
            }
            Event::Text(text) => {
                assert!(self.message.is_none(), "a whole message among parts");
                self.finish(OpCode::Text, text.as_bytes().to_vec());
            }
            Event::Binary(data) => {
                assert!(self.message.is_none(), "a whole message among parts");
                self.finish(OpCode::Binary, data.to_vec());
            }
            Event::Chunk(chunk) => {
                assert!(chunk.last || !chunk.data.is_empty(), "an empty chunk that is not the last");
                assert_eq!(chunk.first, self.message.is_none());
                let (opcode, mut message) = self.message.take().unwrap_or((chunk.opcode, Vec::new()));
                assert_eq!((chunk.opcode, chunk.offset), (opcode, message.len() as u64));
                message.extend(chunk.data);
                self.part(opcode, message, chunk.last);
            }
            Event::Frame(frame) => {
                assert_eq!(frame.opcode == OpCode::Continuation, self.message.is_some());
                let (opcode, mut message) = self.message.take().unwrap_or((frame.opcode, Vec::new()));
                message.extend(frame.data);
                self.part(opcode, message, frame.fin);
            }
            Event::Ping(data) => self.got.push(Got::Ping(data.to_vec())),
            Event::Pong { data, .. } => self.got.push(Got::Pong(data.to_vec())),
            Event::Writable => self.writable += 1,
            Event::Close(close) => {
                let detail = close.detail.as_str();
                assert!(!detail.is_empty(), "every end says why");
                let (code, reason, clean) = (close.code, close.reason.to_owned(), close.clean);
                self.got.push(Got::Close { code, reason, detail, clean, http_status: close.http_status });
            }
            other => panic!("an event that the tests do not know: {other:?}"),
        }
    }

    fn part(&mut self, opcode: OpCode, message: Vec<u8>, last: bool) {
        assert!(matches!(opcode, OpCode::Text | OpCode::Binary), "{opcode:?}");
        if last {
            self.finish(opcode, message);
        } else {
            if opcode == OpCode::Text
                && let Err(error) = std::str::from_utf8(&message)
            {
                assert_eq!(error.error_len(), None, "text that cannot become valid was delivered");
            }
            self.message = Some((opcode, message));
        }
    }

    fn finish(&mut self, opcode: OpCode, message: Vec<u8>) {
        self.got.push(match opcode {
            OpCode::Text => Got::Text(String::from_utf8(message).expect("text is valid UTF-8")),
            _ => Got::Binary(message),
        });
    }

    pub fn is_open(&self) -> bool {
        self.got.iter().take(2).any(|got| matches!(got, Got::Open(_)))
    }

    pub fn is_over(&self) -> bool {
        matches!(self.got.last(), Some(Got::Close { .. }))
    }
}

/// What a connection wrote, an HTTP head perhaps and frames: nothing follows a close frame (RFC 6455, 5.5.1) but the
/// answers to pings that come before the peer's (5.5.2).
pub fn assert_only_pongs_follow_a_close(output: &[u8]) {
    let mut at = match output.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(head) if output.starts_with(b"HTTP/1.1 101") => head + 4,
        _ if output.starts_with(b"HTTP/1.1 ") => return,
        _ => 0,
    };
    let mut closed = false;
    while at < output.len() {
        let (opcode, second) = (output[at] & 0x0f, output[at + 1]);
        assert!(!closed || opcode == 0xA, "opcode {opcode} after a close frame");
        closed |= opcode == 8;
        let extended = match second & 0x7f {
            126 => &output[at + 2..at + 4],
            127 => &output[at + 2..at + 10],
            _ => &output[at + 1..at + 1],
        };
        let short = usize::from(second & 0x7f);
        let len =
            if extended.is_empty() { short } else { extended.iter().fold(0, |len, &b| len << 8 | usize::from(b)) };
        at += 2 + extended.len() + usize::from(second >> 7) * 4 + len;
        assert!(at <= output.len(), "our own frame is cut short");
    }
}

/// The configurations under test; what is true of one is true of all.
pub fn configs() -> Vec<Config> {
    [configs_with(false), configs_with(true)].concat()
}

/// The deliveries of [`configs_with`], in its order.
pub const DELIVERIES: [Delivery; 3] = [Delivery::Messages, Delivery::Chunks, Delivery::Frames];

/// Those with or without compression.
pub fn configs_with(compression: bool) -> Vec<Config> {
    let config = |delivery| {
        let mut config = Config::new();
        config.set_delivery(delivery).set_compression(compression);
        config.set_receive_buffer_size(4096).expect("in range"); // so that reads fill it
        config
    };
    DELIVERIES.map(config).to_vec()
}
