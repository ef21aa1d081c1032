//! sockudo-ws: its protocol core (`Protocol`, `CompressedProtocol`, `handshake`, `cork`) on buffers of the loop's, as
//! its own benches use it.

use std::io::IoSlice;

use bytes::{Bytes, BytesMut};
use sockudo_ws::cork::CorkBuffer;
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::protocol::{CompressedProtocol, Message, Protocol, Role};
use sockudo_ws::{DeflateConfig, Error};

use crate::job::{Job, Kind, READ, Run, Subject, Tally, copy};

const LIMIT: usize = 16 << 20;

pub struct SockudoWs;

impl Subject for SockudoWs {
    fn name(&self) -> String {
        "sockudo-ws".into()
    }

    fn make(&self, job: &Job) -> Option<Box<dyn Run>> {
        match job.kind {
            Kind::Receive | Kind::Echo => {
                Some(Box::new(Messages { job: *job, buffers: Buffers::new(), codec: plain() }))
            }
            Kind::Deflate => Some(Box::new(Messages { job: *job, buffers: Buffers::new(), codec: compressed(job) })),
            Kind::Handshake => Some(Box::new(Handshakes { job: *job, received: vec![0; READ] })),
            Kind::Broadcast => {
                let corks = (0..job.count).map(|_| CorkBuffer::with_capacity(0)).collect();
                Some(Box::new(Broadcast { job: *job, corks }))
            }
            Kind::Idle => {
                let mut buffers = Buffers::new();
                let mut connections: Vec<_> = (0..job.count).map(|_| Box::new((plain(), BytesMut::new()))).collect();
                for connection in &mut connections {
                    buffers.serve(&mut connection.0, job, &mut Tally::ignored());
                    // A part of a message would have to be kept; there is none.
                    assert!(buffers.received.is_empty());
                }
                Some(Box::new(Idle { _connections: connections }))
            }
        }
    }
}

/// What both protocols can do.
trait Codec {
    fn process(&mut self, received: &mut BytesMut, messages: &mut Vec<Message>) -> Result<(), Error>;
    fn encode(&mut self, message: &Message, out: &mut BytesMut) -> Result<(), Error>;
}

impl Codec for Protocol {
    fn process(&mut self, received: &mut BytesMut, messages: &mut Vec<Message>) -> Result<(), Error> {
        self.process_into(received, messages)
    }

    fn encode(&mut self, message: &Message, out: &mut BytesMut) -> Result<(), Error> {
        self.encode_message(message, out)
    }
}

impl Codec for CompressedProtocol {
    fn process(&mut self, received: &mut BytesMut, messages: &mut Vec<Message>) -> Result<(), Error> {
        self.process_into(received, messages)
    }

    fn encode(&mut self, message: &Message, out: &mut BytesMut) -> Result<(), Error> {
        self.encode_message(message, out)
    }
}

fn plain() -> Protocol {
    Protocol::new(Role::Server, LIMIT, LIMIT)
}

fn compressed(job: &Job) -> CompressedProtocol {
    let config = DeflateConfig {
        server_no_context_takeover: job.takeover == 0,
        client_no_context_takeover: job.takeover == 0,
        compression_level: 6,
        compression_threshold: 0,
        ..DeflateConfig::default()
    };
    CompressedProtocol::server(LIMIT, LIMIT, config)
}

/// The loop's.
struct Buffers {
    received: BytesMut,
    messages: Vec<Message>,
    out: BytesMut,
}

impl Buffers {
    fn new() -> Buffers {
        Buffers { received: BytesMut::with_capacity(READ), messages: Vec::new(), out: BytesMut::with_capacity(READ) }
    }

    fn serve<C: Codec>(&mut self, codec: &mut C, job: &Job, tally: &mut Tally) {
        for read in job.input.get().chunks(job.read_size) {
            self.received.reserve(READ);
            let room = self.received.spare_capacity_mut().as_mut_ptr().cast::<u8>();
            // SAFETY: there is room for a read, which is written before it counts.
            unsafe {
                copy(read, std::slice::from_raw_parts_mut(room, read.len()));
                self.received.set_len(self.received.len() + read.len());
            }
            codec.process(&mut self.received, &mut self.messages).expect("process");
            for message in &self.messages {
                tally.message(message.as_bytes());
                if job.kind != Kind::Receive {
                    codec.encode(message, &mut self.out).expect("encode");
                }
            }
            // Before the next read, so that the memory can be used again.
            self.messages.clear();
            if !self.out.is_empty() {
                tally.send(&self.out);
                self.out.clear();
            }
        }
    }
}

struct Messages<C> {
    job: Job,
    buffers: Buffers,
    codec: C,
}

impl<C: Codec> Run for Messages<C> {
    fn pass(&mut self, tally: &mut Tally) {
        self.buffers.serve(&mut self.codec, &self.job, tally);
    }
}

struct Handshakes {
    job: Job,
    received: Vec<u8>,
}

impl Run for Handshakes {
    fn pass(&mut self, tally: &mut Tally) {
        let request = self.job.request.get();
        for _ in 0..self.job.count {
            self.received[..request.len()].copy_from_slice(request);
            let (parsed, len) =
                parse_request(&self.received[..request.len()]).expect("a request").expect("a whole one");
            assert_eq!(len, request.len());
            let answer = build_response(&generate_accept_key(parsed.key), None, None);
            tally.send(&answer);
            let connection = Box::new((plain(), BytesMut::new()));
            tally.messages += 1;
            drop(std::hint::black_box(connection));
        }
    }
}

/// The frame is made once; each connection's queue shares it.
struct Broadcast {
    job: Job,
    corks: Vec<CorkBuffer>,
}

impl Run for Broadcast {
    fn pass(&mut self, tally: &mut Tally) {
        let mut frame = BytesMut::new();
        let message = Message::Binary(Bytes::copy_from_slice(self.job.payload.get()));
        plain().encode_message(&message, &mut frame).expect("encode");
        let frame = frame.freeze();
        for cork in &mut self.corks {
            cork.push_segment(frame.clone());
            let mut slices = [IoSlice::new(&[]); 4];
            let count = cork.fill_write_slices(&mut slices);
            let mut written = 0;
            for slice in &slices[..count] {
                tally.send(slice);
                written += slice.len();
            }
            cork.consume(written);
        }
    }
}

struct Idle {
    _connections: Vec<Box<(Protocol, BytesMut)>>,
}

impl Run for Idle {
    fn pass(&mut self, _: &mut Tally) {}
}
