//! fastwebsockets: its `WebSocket` over the stream in memory, without a FragmentCollector, since no message here is
//! fragmented. Its handshake is hyper's, and so not measured.

use std::future::Future;
use std::pin::pin;

use fastwebsockets::{Frame, OpCode, Role, WebSocket};

use crate::job::{Job, Kind, Run, Subject, Tally};
use crate::wire::{WireStream, idle_context};

pub struct FastWebsockets;

impl Subject for FastWebsockets {
    fn name(&self) -> String {
        "fastwebsockets".into()
    }

    fn make(&self, job: &Job) -> Option<Box<dyn Run>> {
        match job.kind {
            Kind::Receive | Kind::Echo => {
                let wire = WireStream::new();
                Some(Box::new(Messages { job: *job, wire, socket: serve(wire) }))
            }
            _ => None,
        }
    }
}

fn serve(wire: WireStream) -> WebSocket<WireStream> {
    WebSocket::after_handshake(wire, Role::Server)
}

struct Messages {
    job: Job,
    wire: WireStream,
    socket: WebSocket<WireStream>,
}

impl Run for Messages {
    fn pass(&mut self, tally: &mut Tally) {
        let tally: *mut Tally = tally;
        self.wire.connect(self.job.input.get(), self.job.read_size, tally);
        receive(&mut self.socket, self.wire, self.job.kind == Kind::Echo, tally);
    }
}

fn receive(socket: &mut WebSocket<WireStream>, wire: WireStream, echo: bool, tally: *mut Tally) {
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
    assert!(Future::poll(task.as_mut(), &mut idle_context()).is_pending() && wire.is_at_end());
}
