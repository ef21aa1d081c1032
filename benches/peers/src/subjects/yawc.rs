//! yawc: its `WebSocket` over the stream in memory, polled by hand. Its handshake is hyper's, and so not measured.
//! UTF-8 is checked with its feature `simd`, compression done with `zlib-rs`.

use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use futures_core::Stream;
use futures_sink::Sink;
use yawc::{CompressionLevel, Frame, OpCode, Options, Role, WebSocket};

use crate::job::{Job, Kind, Run, Subject, Tally};
use crate::wire::{WireStream, idle_context};

pub struct Yawc;

type Socket = WebSocket<WireStream>;

impl Subject for Yawc {
    fn name(&self) -> String {
        "yawc".into()
    }

    fn make(&self, job: &Job) -> Option<Box<dyn Run>> {
        let wire = WireStream::new();
        match job.kind {
            Kind::Receive | Kind::Echo | Kind::Deflate => {
                Some(Box::new(Messages { job: *job, wire, socket: open(job, wire) }))
            }
            Kind::Broadcast => {
                let sockets = (0..job.count).map(|_| Box::new(open(job, wire))).collect();
                Some(Box::new(Broadcast { job: *job, wire, sockets }))
            }
            Kind::Idle => {
                let mut sockets: Vec<_> = (0..job.count).map(|_| Box::new(open(job, wire))).collect();
                let mut tally = Tally::ignored();
                for socket in &mut sockets {
                    wire.connect(job.input.get(), job.read_size, &mut tally);
                    receive(socket, wire, true, &mut tally);
                }
                Some(Box::new(Idle { _sockets: sockets }))
            }
            Kind::Handshake => None,
        }
    }
}

fn open(job: &Job, wire: WireStream) -> Socket {
    let mut options = Options::default().with_limits(16 << 20, 32 << 20).with_utf8();
    let mut agreed = None;
    if job.kind == Kind::Deflate {
        options = options.with_compression_level(CompressionLevel::new(6)).with_compression_threshold(0);
        agreed = Some(if job.takeover == 0 {
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        } else {
            "permessage-deflate"
        });
    }
    WebSocket::from_stream_with_extensions(wire, Role::Server, agreed, options).expect("a connection")
}

fn receive(socket: &mut Socket, wire: WireStream, echo: bool, tally: *mut Tally) {
    let mut context = idle_context();
    let mut socket = Pin::new(socket);
    while let Poll::Ready(frame) = socket.as_mut().poll_next(&mut context) {
        let frame: Frame = frame.expect("a frame");
        let opcode = frame.opcode();
        assert!(opcode == OpCode::Text || opcode == OpCode::Binary);
        // SAFETY: the tally of this pass; the stream uses it only within its own calls.
        unsafe { (*tally).message(frame.payload()) };
        if echo {
            let payload: Bytes = frame.into_payload();
            let answer = if opcode == OpCode::Text { Frame::text(payload) } else { Frame::binary(payload) };
            assert!(socket.as_mut().poll_ready(&mut context).is_ready());
            socket.as_mut().start_send(answer).expect("start_send");
        }
    }
    if echo {
        assert!(socket.poll_flush(&mut context).is_ready());
    }
    assert!(wire.is_at_end());
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
        receive(&mut self.socket, self.wire, self.job.kind != Kind::Receive, tally);
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
            let mut socket = Pin::new(&mut **socket);
            assert!(socket.as_mut().poll_ready(&mut idle_context()).is_ready());
            socket.as_mut().start_send(Frame::binary(payload.clone())).expect("start_send");
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
