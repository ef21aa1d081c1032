//! tungstenite: its blocking `WebSocket` over the stream in memory, which "would block" at the end of the input.

use bytes::Bytes;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use crate::job::{Job, Kind, Run, Subject, Tally};
use crate::wire::WireStream;

pub struct Tungstenite;

type Socket = WebSocket<WireStream>;

impl Subject for Tungstenite {
    fn name(&self) -> String {
        "tungstenite".into()
    }

    fn make(&self, job: &Job) -> Option<Box<dyn Run>> {
        let wire = WireStream::new();
        match job.kind {
            Kind::Receive | Kind::Echo => Some(Box::new(Messages { job: *job, wire, socket: open(wire) })),
            Kind::Handshake => Some(Box::new(Handshakes { job: *job, wire })),
            Kind::Broadcast => {
                let sockets = (0..job.count).map(|_| Box::new(open(wire))).collect();
                Some(Box::new(Broadcast { job: *job, wire, sockets }))
            }
            Kind::Idle => {
                let mut sockets: Vec<_> = (0..job.count).map(|_| Box::new(open(wire))).collect();
                let mut tally = Tally::ignored();
                for socket in &mut sockets {
                    wire.connect(job.input.get(), job.read_size, &mut tally);
                    receive(socket, true, &mut tally);
                }
                Some(Box::new(Idle { _sockets: sockets }))
            }
            Kind::Deflate => None, // it has none
        }
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
}

fn open(wire: WireStream) -> Socket {
    WebSocket::from_raw_socket(wire, Role::Server, Some(config()))
}

fn is_would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

fn receive(socket: &mut Socket, echo: bool, tally: *mut Tally) {
    loop {
        let message = match socket.read() {
            Ok(message) => message,
            Err(error) if is_would_block(&error) => break,
            Err(error) => panic!("{error}"),
        };
        let payload = match &message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(data) => data,
            _ => panic!("not a message"),
        };
        // SAFETY: the tally of this pass; the stream uses it only within its own calls.
        unsafe { (*tally).message(payload) };
        if echo {
            socket.write(message).expect("write");
        }
    }
    if echo {
        socket.flush().expect("flush");
    }
}

struct Messages {
    job: Job,
    wire: WireStream,
    socket: Socket,
}

impl Run for Messages {
    fn pass(&mut self, tally: &mut Tally) {
        let tally: *mut Tally = tally;
        self.wire.connect(self.job.input.get(), self.job.read_size, tally);
        receive(&mut self.socket, self.job.kind == Kind::Echo, tally);
    }
}

struct Handshakes {
    job: Job,
    wire: WireStream,
}

impl Run for Handshakes {
    fn pass(&mut self, tally: &mut Tally) {
        for _ in 0..self.job.count {
            self.wire.connect(self.job.request.get(), self.job.read_size, tally);
            drop(tungstenite::accept_with_config(self.wire, Some(config())).expect("accept"));
            tally.messages += 1;
        }
    }
}

struct Broadcast {
    job: Job,
    wire: WireStream,
    sockets: Vec<Box<Socket>>,
}

impl Run for Broadcast {
    fn pass(&mut self, tally: &mut Tally) {
        self.wire.connect(&[], self.job.read_size, tally);
        let payload = Bytes::copy_from_slice(self.job.payload.get());
        for socket in &mut self.sockets {
            socket.send(Message::Binary(payload.clone())).expect("send");
        }
    }
}

struct Idle {
    _sockets: Vec<Box<Socket>>,
}

impl Run for Idle {
    fn pass(&mut self, _: &mut Tally) {}
}
