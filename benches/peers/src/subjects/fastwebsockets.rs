//! fastwebsockets: its `WebSocket` over the stream in memory, without a FragmentCollector, since no message here is
//! fragmented. Its handshake is hyper's, and so not measured; it has no compression.

use std::future::Future;
use std::pin::pin;

use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocket};

use crate::job::{Job, Kind, Run, Subject, Tally};
use crate::wire::{WireStream, idle_context};

pub struct FastWebsockets;

type Socket = WebSocket<WireStream>;

impl Subject for FastWebsockets {
    fn name(&self) -> String {
        "fastwebsockets".into()
    }

    fn make(&self, job: &Job) -> Option<Box<dyn Run>> {
        let wire = WireStream::new();
        match job.kind {
            Kind::Receive | Kind::Echo => Some(Box::new(Messages { job: *job, wire, socket: open(wire) })),
            Kind::Broadcast => {
                let sockets = (0..job.count).map(|_| Box::new(open(wire))).collect();
                Some(Box::new(Broadcast { job: *job, wire, sockets }))
            }
            Kind::Idle => {
                let mut sockets: Vec<_> = (0..job.count).map(|_| Box::new(open(wire))).collect();
                let mut tally = Tally::ignored();
                for socket in &mut sockets {
                    wire.connect(job.input.get(), job.read_size, &mut tally);
                    receive(socket, wire, true, &mut tally);
                }
                Some(Box::new(Idle { _sockets: sockets }))
            }
            Kind::Handshake | Kind::Deflate => None,
        }
    }
}

fn open(wire: WireStream) -> Socket {
    WebSocket::after_handshake(wire, Role::Server)
}

fn receive(socket: &mut Socket, wire: WireStream, echo: bool, tally: *mut Tally) {
    // Whole messages are in the stream: the future is pending when all were read.
    let mut task = pin!(async move {
        loop {
            let frame = socket.read_frame().await.expect("a frame");
            assert!(frame.opcode == OpCode::Text || frame.opcode == OpCode::Binary);
            // SAFETY: the tally of this pass; the stream uses it only within its own calls.
            unsafe { (*tally).message(&frame.payload) };
            if echo {
                // Not the frame itself: it would be sent with the client's mask key.
                let answer = Frame::new(true, frame.opcode, None, frame.payload);
                socket.write_frame(answer).await.expect("write_frame");
            }
        }
    });
    assert!(task.as_mut().poll(&mut idle_context()).is_pending() && wire.is_at_end());
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
        receive(&mut self.socket, self.wire, self.job.kind == Kind::Echo, tally);
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
        let payload = self.job.payload.get();
        for socket in &mut self.sockets {
            let mut send = pin!(socket.write_frame(Frame::binary(Payload::Borrowed(payload))));
            assert!(send.as_mut().poll(&mut idle_context()).is_ready());
        }
    }
}

struct Idle {
    _sockets: Vec<Box<Socket>>,
}

impl Run for Idle {
    fn pass(&mut self, _: &mut Tally) {}
}
