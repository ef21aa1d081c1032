//! tokio-websockets: its `WebSocketStream` over the stream in memory, polled by hand, as a task would be.

use std::pin::Pin;
use std::task::Poll;

use futures_core::Stream;
use futures_sink::Sink;
use tokio_websockets::{Limits, Message, ServerBuilder, WebSocketStream};

use crate::job::{Job, Kind, Run, Subject, Tally};
use crate::wire::{WireStream, idle_context};

pub struct TokioWebsockets;

impl Subject for TokioWebsockets {
    fn name(&self) -> String {
        "tokio-websockets".into()
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

fn serve(wire: WireStream) -> WebSocketStream<WireStream> {
    let limits = Limits::default().max_payload_len(Some(16 << 20));
    ServerBuilder::new().limits(limits).serve(wire)
}

struct Messages {
    job: Job,
    wire: WireStream,
    socket: WebSocketStream<WireStream>,
}

impl Run for Messages {
    fn pass(&mut self, tally: &mut Tally) {
        let tally: *mut Tally = tally;
        self.wire.connect(self.job.input.get(), self.job.read_size, tally);
        receive(&mut self.socket, self.job.kind == Kind::Echo, tally);
    }
}

fn receive(socket: &mut WebSocketStream<WireStream>, echo: bool, tally: *mut Tally) {
    let mut context = idle_context();
    let mut socket = Pin::new(socket);
    // The stream in memory is never full, so that a flush always ends. Messages gather until nothing more can be
    // read, or 8 KiB wait (`flush_threshold`).
    while let Poll::Ready(Some(message)) = socket.as_mut().poll_next(&mut context) {
        let message: Message = message.expect("a message");
        // SAFETY: the tally of this pass; the stream uses it only within its own calls.
        unsafe { (*tally).message(message.as_payload()) };
        if echo {
            assert!(socket.as_mut().poll_ready(&mut context).is_ready());
            socket.as_mut().start_send(message).expect("start_send");
        }
    }
    if echo {
        assert!(socket.poll_flush(&mut context).is_ready());
    }
}
