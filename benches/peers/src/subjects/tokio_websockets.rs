//! tokio-websockets: its `WebSocketStream` over the stream in memory, polled by hand, as a task would be.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;
use tokio_websockets::{Limits, Message, ServerBuilder, WebSocketStream};

use crate::job::{Job, Kind, Run, Subject, Tally};
use crate::wire::{WireStream, idle_context};

pub struct TokioWebsockets;

type Socket = WebSocketStream<WireStream>;

impl Subject for TokioWebsockets {
    fn name(&self) -> String {
        "tokio-websockets".into()
    }

    fn make(&self, job: &Job) -> Option<Box<dyn Run>> {
        let wire = WireStream::new();
        match job.kind {
            Kind::Receive | Kind::Echo => Some(Box::new(Messages { job: *job, wire, socket: builder().serve(wire) })),
            Kind::Handshake => Some(Box::new(Handshakes { job: *job, wire })),
            Kind::Broadcast => Some(Box::new(Broadcast { job: *job, wire, sockets: open(job, wire) })),
            Kind::Idle => {
                let mut sockets = open(job, wire);
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

fn builder() -> ServerBuilder {
    ServerBuilder::new().limits(Limits::default().max_payload_len(Some(16 << 20)))
}

fn open(job: &Job, wire: WireStream) -> Vec<Box<Socket>> {
    let mut tally = Tally::ignored();
    (0..job.count).map(|_| Box::new(accept(job, wire, &mut tally))).collect()
}

fn accept(job: &Job, wire: WireStream, tally: *mut Tally) -> Socket {
    wire.connect(job.request.get(), job.read_size, tally);
    let builder = builder();
    match pin!(builder.accept(wire)).poll(&mut idle_context()) {
        Poll::Ready(accepted) => accepted.expect("accept").1,
        Poll::Pending => panic!("accept is pending"),
    }
}

fn receive(socket: &mut Socket, echo: bool, tally: *mut Tally) {
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
            drop(accept(&self.job, self.wire, tally));
            tally.messages += 1;
        }
    }
}

/// The payload is shared; each connection has a header of its own, and one writev().
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
            let mut socket = Pin::new(&mut **socket);
            socket.as_mut().start_send(Message::binary(payload.clone())).expect("start_send");
            assert!(socket.poll_flush(&mut idle_context()).is_ready());
        }
    }
}

struct Idle {
    _sockets: Vec<Box<Socket>>,
}

impl Run for Idle {
    fn pass(&mut self, _: &mut Tally) {}
}
