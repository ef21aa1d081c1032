//! The other library's end of a connection, driven step by step.

use crate::pipe::Pipe;
use tungstenite::error::Error;
use tungstenite::handshake::HandshakeError;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

/// A message that arrived.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrived {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// Not at all.
    Open,
    /// A close frame came.
    Closed(Option<(u16, String)>),
    /// The peer broke a rule; why, in words.
    Failed(String),
}

pub struct Theirs {
    pub socket: WebSocket<Pipe>,
    pub pipe: Pipe,
    pub arrived: Vec<Arrived>,
    pub end: End,
}

impl Theirs {
    /// With the opening done, and the limits that wsengine has by default.
    pub fn open(role: Role) -> Theirs {
        let pipe = Pipe::default();
        let config = WebSocketConfig::default().max_frame_size(Some(1 << 20)).max_message_size(Some(1 << 20));
        Theirs::with(WebSocket::from_raw_socket(pipe.clone(), role, Some(config)), pipe)
    }

    fn with(socket: WebSocket<Pipe>, pipe: Pipe) -> Theirs {
        Theirs { socket, pipe, arrived: Vec::new(), end: End::Open }
    }

    /// A client that goes through the whole handshake; `answer` is given its request and answers it.
    pub fn connect(mut answer: impl FnMut(Vec<u8>) -> Vec<u8>) -> Theirs {
        let pipe = Pipe::default();
        let Err(HandshakeError::Interrupted(waiting)) = tungstenite::client("ws://localhost/chat", pipe.clone()) else {
            panic!("a client that does not wait for the answer");
        };
        pipe.give(&answer(pipe.take()));
        let (socket, _response) = waiting.handshake().expect("they take our answer");
        Theirs::with(socket, pipe)
    }

    /// A server that goes through the whole handshake; the answer goes to `take_answer`.
    pub fn accept(request: &[u8], take_answer: impl FnOnce(Vec<u8>)) -> Theirs {
        let pipe = Pipe::default();
        pipe.give(request);
        let socket = tungstenite::accept(pipe.clone()).expect("they take our request");
        take_answer(pipe.take());
        Theirs::with(socket, pipe)
    }

    /// Reads all that is there, answers what must be answered.
    pub fn read_all(&mut self) {
        while self.end == End::Open {
            let arrived = match self.socket.read() {
                Ok(Message::Text(text)) => Arrived::Text(text.as_str().to_owned()),
                Ok(Message::Binary(data)) => Arrived::Binary(data.to_vec()),
                Ok(Message::Ping(data)) => Arrived::Ping(data.to_vec()),
                Ok(Message::Pong(data)) => Arrived::Pong(data.to_vec()),
                Ok(Message::Close(close)) => {
                    let in_words = |close: CloseFrame| (close.code.into(), close.reason.as_str().to_owned());
                    self.end = End::Closed(close.map(in_words));
                    break;
                }
                Ok(Message::Frame(frame)) => panic!("they never read raw frames: {frame:?}"),
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.end = End::Failed(error.to_string());
                    break;
                }
            };
            self.arrived.push(arrived);
        }
        // An error only says that the connection is over now.
        let _ = self.socket.flush();
    }
}
