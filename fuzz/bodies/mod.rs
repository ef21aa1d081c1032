//! What the fuzz targets do with their bytes; `tests/fuzz_replay.rs` runs the same on the seeds. Each body asserts what
//! must be true whatever the bytes are: the same events however the input was cut, one end and nothing after it, output
//! that is bounded and that the other role of this library takes.
#![allow(dead_code)] // each target uses its own

pub mod capi_calls;
pub mod client_feed;
pub mod extensions;
pub mod handshake;
pub mod inflate;
pub mod server_feed;

#[path = "../../tests/shared/collector.rs"]
pub mod collector;

#[path = "../../tests/shared/ways.rs"]
pub mod ways;

mod capi_model;
mod capi_output;
mod capi_stream;
mod capi_world;

use collector::{Collector, Got, assert_only_pongs_follow_a_close};
use ways::Way;
use wsengine::{ClientRequest, Config, Connection, Engine, Event, State};

/// What a target does with its bytes.
type Body = fn(&[u8]);

/// The targets by name.
pub const TARGETS: [(&str, Body); 6] = [
    ("server_feed", server_feed::run),
    ("client_feed", client_feed::run),
    ("handshake", handshake::run),
    ("extensions", extensions::run),
    ("inflate", inflate::run),
    ("capi_calls", capi_calls::run),
];

/// The most output that a connection may hold whose application queues nothing: an answer to the handshake, the pongs
/// that are given at once, one more, a close frame.
const MAX_UNASKED_OUTPUT: usize = 8 * 1024;

const REQUEST_LINES: &str = "GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

/// How a run feeds its bytes.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Whole,
    ByteByByte,
    /// Pieces whose sizes follow from the seed.
    Pieces(u64),
}

impl Cut {
    /// The ways to feed `len` bytes: byte by byte only where that is cheap.
    fn all(seed: u8, len: usize) -> Vec<Cut> {
        let mut cuts = vec![Cut::Whole, Cut::Pieces(u64::from(seed))];
        if len <= 4096 {
            cuts.push(Cut::ByteByByte);
        }
        cuts
    }

    /// The way in of a piece: all of them in turn, but the whole is copied.
    fn way(self, number: usize) -> Way {
        match self {
            Cut::Whole => Way::Copied,
            Cut::ByteByByte => Way::pick(number),
            Cut::Pieces(seed) => Way::pick(number + seed as usize),
        }
    }

    fn pieces<'a>(self, bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = bytes;
        let mut state = match self {
            Cut::Pieces(seed) => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            _ => 1,
        };
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let size = match self {
                Cut::Whole => rest.len(),
                Cut::ByteByByte => 1,
                Cut::Pieces(_) => {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let bits = (state >> 33) as usize;
                    1 + (bits >> 3) % (1 << (1 + bits % 8 * 2).min(12))
                }
            };
            let (piece, behind) = rest.split_at(size.min(rest.len()));
            rest = behind;
            Some(piece)
        })
    }
}

/// What a run came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    got: Vec<Got>,
    /// All output, in order.
    output: Vec<u8>,
    state: State,
}

/// Gives a connection its input, takes its output only at the end, so that it does not depend on the cuts, and then ends
/// the input.
fn run(mut conn: Connection, mut collector: Collector, bytes: &[u8], cut: Cut, decide: fn(&mut Connection)) -> Outcome {
    for (number, piece) in cut.pieces(bytes).enumerate() {
        let mut request_waits = false;
        let note = |event: Event<'_>| {
            request_waits |= matches!(event, Event::Request { .. });
            collector.add(event);
        };
        cut.way(number).bring(&mut conn, piece, note).expect("the earlier input was pulled");
        if request_waits {
            decide(&mut conn);
        }
        pull(&mut conn, &mut collector, decide);
        assert!(conn.outbound().queued_bytes() <= MAX_UNASKED_OUTPUT, "unasked output grows without end");
    }
    assert_eq!(conn.state() == State::Closed, collector.is_over(), "the end is reported when it is there");
    let state = conn.state();
    let mut output = take_all(&mut conn);

    conn.feed_eof();
    pull(&mut conn, &mut collector, decide);
    assert!(collector.is_over(), "the end of the input ends the connection");
    assert!(matches!(conn.feed(b"x"), Err(wsengine::Error::State(_))));
    conn.feed_eof();
    assert!(conn.next_event().is_none(), "nothing follows the end");
    assert!(conn.outbound().queue_text(b"x").is_err());
    output.extend(take_all(&mut conn));
    assert!(conn.wants_abort() || conn.wants_shutdown());
    Outcome { got: collector.got, output, state }
}

fn pull(conn: &mut Connection, collector: &mut Collector, decide: fn(&mut Connection)) {
    while let Some(event) = conn.next_event() {
        let is_request = matches!(event, Event::Request { .. });
        collector.add(event);
        if is_request {
            decide(conn);
        }
    }
}

fn undecided(_: &mut Connection) {}

/// Takes all output; taking may bring more (a pong that was owed), but not without end.
fn take_all(conn: &mut Connection) -> Vec<u8> {
    let mut output = Vec::new();
    for _ in 0..4 {
        let bytes = conn.output().flatten().copied().collect::<Vec<_>>();
        assert_eq!(bytes.len(), conn.outbound().queued_bytes());
        conn.outbound().output_consume(bytes.len()).expect("there are that many");
        output.extend(bytes);
    }
    assert_eq!(conn.outbound().queued_bytes(), 0, "output without end");
    output
}

/// A server and a client that have opened, each with its collector. The server takes what the client offers.
fn open_pair(server: &Config, client: &Config) -> [(Connection, Collector); 2] {
    let (mut server, mut client) = (Connection::server(&Engine::new(server)), new_client(client));
    let (mut of_server, mut of_client) = (Collector::default(), Collector::default());
    server.feed(&take_all(&mut client)).expect("nothing is pending");
    of_server.pull(&mut server);
    client.feed(&take_all(&mut server)).expect("nothing is pending");
    of_client.pull(&mut client);
    assert!(of_server.is_open() && of_client.is_open());
    [(server, of_server), (client, of_client)]
}

fn new_client(config: &Config) -> Connection {
    let request = ClientRequest { host: "localhost", target: "/chat", ..Default::default() };
    Connection::client(&Engine::new(config), &request).expect("a valid request")
}

/// The configuration that this byte picks.
fn pick_config(byte: u8) -> Config {
    let configs = collector::configs();
    let mut config = configs[usize::from(byte) % configs.len()].clone();
    if byte & 0x80 != 0 {
        config.set_max_frame_size(200).and_then(|config| config.set_max_message_size(300)).expect("in range");
    }
    config
}

/// Our own output is right: the other role of this library takes all of it.
fn assert_accepted(output: &[u8], mut peer: Connection, mut collector: Collector) {
    assert_only_pongs_follow_a_close(output);
    peer.feed(output).expect("nothing is pending");
    collector.pull(&mut peer);
    if let Some(Got::Close { clean, detail, .. }) = collector.got.last() {
        assert!(clean, "our own output was refused: {detail}");
    }
}

/// The first byte, which chooses, and the rest.
fn split_choice(data: &[u8]) -> Option<(u8, &[u8])> {
    data.split_first().map(|(&choice, rest)| (choice, rest))
}

/// However the input was cut, the same came of it.
fn assert_all_equal(outcomes: impl Iterator<Item = Outcome>) -> Option<Outcome> {
    let mut first = None;
    for outcome in outcomes {
        match &first {
            None => first = Some(outcome),
            Some(first) => assert_eq!(outcome, *first),
        }
    }
    first
}
