//! What the tests share: frames as bytes, connections that are open, events as values.

use crate::ways::{WAYS, Way};
use wsengine::{ClientRequest, Config, Connection, Engine, Event, Initiator};

pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d]; // the key of RFC 6455, 5.7

/// The request of RFC 6455, 1.3, without its blank line.
pub const REQUEST_LINES: &str = "GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";

/// Its answer, as this engine writes it.
pub const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// A frame with its first byte given whole.
pub fn raw_frame(first: u8, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = vec![first];
    let mask_bit = if key.is_some() { 0x80 } else { 0 };
    if payload.len() < 126 {
        bytes.push(mask_bit + payload.len() as u8);
    } else if payload.len() < 65_536 {
        bytes.push(mask_bit + 126);
        bytes.extend((payload.len() as u16).to_be_bytes());
    } else {
        bytes.push(mask_bit + 127);
        bytes.extend((payload.len() as u64).to_be_bytes());
    }
    match key {
        Some(key) => {
            bytes.extend(key);
            bytes.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
        }
        None => bytes.extend(payload),
    }
    bytes
}

/// A final frame from a client.
pub fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw_frame(0x80 | opcode, payload, Some(KEY))
}

/// A frame from a client that is not the last of its message.
pub fn masked_part(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw_frame(opcode, payload, Some(KEY))
}

/// A final frame from a server.
pub fn plain(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw_frame(0x80 | opcode, payload, None)
}

/// The payload of a close frame.
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// Bytes that do not compress, the same ones for the same seed.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// An event that has outlived its connection's views.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Request(String),
    Open(Option<String>),
    Text(String),
    Binary(Vec<u8>),
    Chunk { opcode: u8, data: Vec<u8>, offset: u64, first: bool, last: bool },
    Frame { opcode: u8, data: Vec<u8>, fin: bool, compressed: bool },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Writable,
    Close { code: u16, reason: String, clean: bool, initiator: Initiator, http_status: Option<u16> },
}

impl Seen {
    pub fn text(text: &str) -> Seen {
        Seen::Text(text.to_owned())
    }

    /// The end of a connection over a rule that the peer broke.
    pub fn failed(code: u16) -> Seen {
        Seen::Close { code, reason: String::new(), clean: false, initiator: Initiator::Us, http_status: None }
    }

    /// The end of a connection that the peer closed.
    pub fn peer_closed(code: u16, reason: &str) -> Seen {
        Seen::Close { code, reason: reason.into(), clean: true, initiator: Initiator::Peer, http_status: None }
    }

    /// The end of a server's connection whose request was refused.
    pub fn refused(status: u16) -> Seen {
        Seen::Close {
            code: 1006,
            reason: String::new(),
            clean: false,
            initiator: Initiator::Us,
            http_status: Some(status),
        }
    }
}

pub fn seen(event: Event<'_>) -> Seen {
    match event {
        Event::Request { target } => Seen::Request(target.to_owned()),
        Event::Open { subprotocol, .. } => Seen::Open(subprotocol.map(str::to_owned)),
        Event::Text(text) => Seen::Text(text.as_str().to_owned()),
        Event::Binary(data) => Seen::Binary(data.to_vec()),
        Event::Chunk(chunk) => Seen::Chunk {
            opcode: chunk.opcode as u8,
            data: chunk.data.to_vec(),
            offset: chunk.offset,
            first: chunk.first,
            last: chunk.last,
        },
        Event::Frame(frame) => Seen::Frame {
            opcode: frame.opcode as u8,
            data: frame.data.to_vec(),
            fin: frame.fin,
            compressed: frame.compressed,
        },
        Event::Writable => Seen::Writable,
        Event::Ping(data) => Seen::Ping(data.to_vec()),
        Event::Pong { data, .. } => Seen::Pong(data.to_vec()),
        Event::Close(close) => {
            assert!(!close.detail.as_str().is_empty(), "every end says why");
            Seen::Close {
                code: close.code,
                reason: close.reason.to_owned(),
                clean: close.clean,
                initiator: close.initiator,
                http_status: close.http_status,
            }
        }
        other => panic!("an event that the tests do not know: {other:?}"),
    }
}

/// Every event that waits.
pub fn pull(conn: &mut Connection) -> Vec<Seen> {
    let mut events = Vec::new();
    while let Some(event) = conn.next_event() {
        events.push(seen(event));
    }
    events
}

/// Gives input and pulls.
pub fn feed(conn: &mut Connection, bytes: &[u8]) -> Vec<Seen> {
    conn.feed(bytes).expect("the earlier input was pulled");
    pull(conn)
}

/// All output that waits.
pub fn take(conn: &mut Connection) -> Vec<u8> {
    let bytes = conn.output().flatten().copied().collect::<Vec<_>>();
    conn.outbound().output_consume(bytes.len()).expect("there are that many");
    bytes
}

pub fn new_server(config: &Config) -> Connection {
    Connection::server(&Engine::new(config))
}

/// A server whose handshake is done.
pub fn open_server_with(config: &Config) -> Connection {
    open_on(&Engine::new(config))
}

/// A server whose handshake is done, on an engine that may have others.
pub fn open_on(engine: &Engine) -> Connection {
    let mut server = Connection::server(engine);
    assert_eq!(feed(&mut server, format!("{REQUEST_LINES}\r\n").as_bytes()), [Seen::Open(None)]);
    assert_eq!(String::from_utf8(take(&mut server)).unwrap(), ANSWER);
    server
}

pub fn open_server() -> Connection {
    open_server_with(&Config::new())
}

pub fn client_request() -> ClientRequest<'static> {
    ClientRequest { host: "server.example.com", target: "/chat", ..Default::default() }
}

/// A client whose handshake is done.
pub fn open_client_with(config: &Config) -> Connection {
    let engine = Engine::new(config);
    let mut client = Connection::client(&engine, &client_request()).unwrap();
    let mut server = open_for(&take(&mut client));
    assert_eq!(feed(&mut client, &take(&mut server)), [Seen::Open(None)]);
    client
}

pub fn open_client() -> Connection {
    open_client_with(&Config::new())
}

fn open_for(request: &[u8]) -> Connection {
    let mut server = new_server(&Config::new());
    assert_eq!(feed(&mut server, request), [Seen::Open(None)]);
    server
}

/// Gives `bytes` whole, cut in two at every place, and byte by byte, by each way in, to a new connection each time: events
/// and output must be the same, and are returned.
pub fn every_split(make: impl Fn() -> Connection, bytes: &[u8]) -> (Vec<Seen>, Vec<u8>) {
    let run = |way: Way, pieces: &[&[u8]]| {
        let mut conn = make();
        let mut events = Vec::new();
        let mut output = Vec::new();
        for piece in pieces {
            way.bring(&mut conn, piece, |event| events.push(seen(event))).expect("the earlier input was pulled");
            output.extend(take(&mut conn));
        }
        (events, output)
    };
    let whole = run(Way::Copied, &[bytes]);
    for way in WAYS {
        for at in 0..=bytes.len() {
            assert_eq!(run(way, &[&bytes[..at], &bytes[at..]]), whole, "{way:?}, cut at {at}");
        }
        assert_eq!(run(way, &bytes.chunks(1).collect::<Vec<_>>()), whole, "{way:?}, byte by byte");
    }
    whole
}

/// A server must end over these bytes with this code, and say so in a close frame, however they are cut.
#[track_caller]
pub fn assert_server_fails(bytes: &[u8], code: u16) {
    let (events, output) = every_split(open_server, bytes);
    assert_eq!(events, [Seen::failed(code)]);
    assert_eq!(output, plain(CLOSE, &code.to_be_bytes()));
}
