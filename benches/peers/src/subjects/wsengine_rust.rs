//! wsengine as a crate, called from Rust.

use wsengine::{Config, Connection, Engine, Event, MessageType, OriginPolicy, Outbound, Prepared};

use crate::job::{Job, Kind, READ, Run, Subject, Tally, copy};

/// How the bytes of a read get to the engine.
#[derive(Clone, Copy, PartialEq)]
enum Input {
    /// Copied: `feed()`.
    Feed,
    /// In place: `feed_mut()`.
    FeedMut,
    /// Received into the engine's memory: `recv_buffer()`.
    Lent,
}

pub fn all() -> Vec<Box<dyn Subject>> {
    vec![Box::new(Input::Feed), Box::new(Input::FeedMut), Box::new(Input::Lent)]
}

impl Subject for Input {
    fn name(&self) -> String {
        match self {
            Input::Feed => "wsengine Rust feed",
            Input::FeedMut => "wsengine Rust feed_mut",
            Input::Lent => "wsengine Rust recv_buffer",
        }
        .into()
    }

    fn make(&self, job: &Job) -> Option<Box<dyn Run>> {
        let host = Host { input: *self, buffer: vec![0; READ] };
        let engine = engine(job);
        match job.kind {
            Kind::Receive | Kind::Echo | Kind::Deflate => {
                let conn = open(&engine, job, &mut Tally::ignored());
                Some(Box::new(Messages { job: *job, conn, host }))
            }
            Kind::Handshake => Some(Box::new(Handshakes { job: *job, engine, host })),
            // No input: measured once.
            Kind::Broadcast => (*self == Input::Feed)
                .then(|| Box::new(Broadcast { job: *job, conns: open_all(&engine, job) }) as Box<dyn Run>),
            Kind::Idle => {
                let mut host = host;
                let mut conns = open_all(&engine, job);
                for conn in &mut conns {
                    host.serve(conn, job, &mut Tally::ignored());
                }
                Some(Box::new(Idle { _conns: conns }))
            }
        }
    }
}

fn engine(job: &Job) -> Engine {
    let mut config = Config::new();
    config.set_origin_policy(OriginPolicy::Any);
    config.set_max_message_size(16 << 20).expect("a size").set_max_frame_size(16 << 20).expect("a size");
    if job.kind == Kind::Deflate {
        let takeover = job.takeover != 0;
        config.set_compression(true).set_compression_threshold(0).set_context_takeover(takeover, takeover);
        config.set_compression_mem_level(8).expect("a level");
    }
    Engine::new(&config)
}

fn open(engine: &Engine, job: &Job, tally: &mut Tally) -> Connection {
    let mut conn = Connection::server(engine);
    conn.feed(job.request.get()).expect("feed");
    assert!(matches!(conn.next_event(), Some(Event::Open { .. })));
    assert!(conn.next_event().is_none());
    send_all(&mut conn, tally);
    conn
}

fn open_all(engine: &Engine, job: &Job) -> Vec<Box<Connection>> {
    (0..job.count).map(|_| Box::new(open(engine, job, &mut Tally::ignored()))).collect()
}

/// One send() of everything that waits, gathered.
fn send_all(conn: &mut Connection, tally: &mut Tally) {
    let mut written = 0;
    for slice in conn.output() {
        tally.send(slice);
        written += slice.len();
    }
    if written > 0 {
        conn.outbound().output_consume(written).expect("output_consume");
    }
}

#[inline(always)]
fn take(event: Event<'_>, outbound: &mut Outbound, echo: bool, tally: &mut Tally) {
    match event {
        Event::Text(text) => {
            tally.message(text.as_bytes());
            if echo {
                outbound.queue_text(text.as_bytes()).expect("queue_text");
            }
        }
        Event::Binary(data) => {
            tally.message(data);
            if echo {
                outbound.queue_binary(data).expect("queue_binary");
            }
        }
        Event::Writable => {}
        _ => panic!("an event that is no message"),
    }
}

struct Host {
    input: Input,
    buffer: Vec<u8>,
}

impl Host {
    fn serve(&mut self, conn: &mut Connection, job: &Job, tally: &mut Tally) {
        let echo = job.kind != Kind::Receive;
        let mut input = job.input.get();
        while !input.is_empty() {
            input = &input[self.read(conn, &input[..input.len().min(job.read_size)], echo, tally)..];
            if echo {
                send_all(conn, tally);
            }
        }
    }

    /// One read and its events; how many bytes it had.
    #[inline(always)]
    fn read(&mut self, conn: &mut Connection, bytes: &[u8], echo: bool, tally: &mut Tally) -> usize {
        match self.input {
            Input::Feed => {
                let buffer = &mut self.buffer[..bytes.len()];
                copy(bytes, buffer);
                conn.feed(buffer).expect("feed");
                while let Some((event, outbound)) = conn.next_event_and_outbound() {
                    take(event, outbound, echo, tally);
                }
                bytes.len()
            }
            Input::FeedMut => {
                let buffer = &mut self.buffer[..bytes.len()];
                copy(bytes, buffer);
                let mut drain = conn.feed_mut(buffer).expect("feed_mut");
                while let Some((event, outbound)) = drain.next_event_and_outbound() {
                    take(event, outbound, echo, tally);
                }
                bytes.len()
            }
            Input::Lent => {
                let lent = conn.recv_buffer(0).expect("recv_buffer");
                let len = bytes.len().min(lent.len());
                copy(&bytes[..len], &mut lent[..len]);
                conn.commit(len).expect("commit");
                while let Some((event, outbound)) = conn.next_event_and_outbound() {
                    take(event, outbound, echo, tally);
                }
                len
            }
        }
    }
}

struct Messages {
    job: Job,
    conn: Connection,
    host: Host,
}

impl Run for Messages {
    fn pass(&mut self, tally: &mut Tally) {
        self.host.serve(&mut self.conn, &self.job, tally);
    }
}

struct Handshakes {
    job: Job,
    engine: Engine,
    host: Host,
}

impl Run for Handshakes {
    fn pass(&mut self, tally: &mut Tally) {
        for _ in 0..self.job.count {
            let request = self.job.request.get();
            let mut conn = Connection::server(&self.engine);
            match self.host.input {
                Input::Feed => {
                    let buffer = &mut self.host.buffer[..request.len()];
                    buffer.copy_from_slice(request);
                    conn.feed(buffer).expect("feed");
                    assert!(matches!(conn.next_event(), Some(Event::Open { .. })));
                }
                Input::FeedMut => {
                    let buffer = &mut self.host.buffer[..request.len()];
                    buffer.copy_from_slice(request);
                    let mut drain = conn.feed_mut(buffer).expect("feed_mut");
                    assert!(matches!(drain.next_event(), Some(Event::Open { .. })));
                }
                Input::Lent => {
                    conn.recv_buffer(0).expect("recv_buffer")[..request.len()].copy_from_slice(request);
                    conn.commit(request.len()).expect("commit");
                    assert!(matches!(conn.next_event(), Some(Event::Open { .. })));
                }
            }
            tally.messages += 1;
            assert!(conn.next_event().is_none());
            send_all(&mut conn, tally);
        }
    }
}

struct Broadcast {
    job: Job,
    conns: Vec<Box<Connection>>,
}

impl Run for Broadcast {
    fn pass(&mut self, tally: &mut Tally) {
        let prepared = Prepared::new(MessageType::Binary, self.job.payload.get()).expect("a message");
        for conn in &mut self.conns {
            conn.outbound().queue_prepared(&prepared).expect("queue_prepared");
            send_all(conn, tally);
        }
    }
}

struct Idle {
    _conns: Vec<Box<Connection>>,
}

impl Run for Idle {
    fn pass(&mut self, _: &mut Tally) {}
}
