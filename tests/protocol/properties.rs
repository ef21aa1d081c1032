//! Any bytes, any cut, any interleaving of calls, on a server and on a client: no panic, the same events however the
//! input was cut, only the errors that are documented, output that is bounded and that the peer understands, one end
//! and nothing after it. What this costs in memory: `tests/memory_bounds.rs`.

use crate::collector::{Collector, configs};
use crate::properties_run::{Call, MAX_QUEUED, Run};
use crate::support::{client_request, raw_frame, take};
use crate::ways::{WAYS, Way};
use proptest::prelude::*;
use wsengine::{Config, Connection, Delivery, Engine, MessageType};

/// Any bytes from a peer, mostly frames that are right.
fn any_stream(masked: bool) -> impl Strategy<Value = Vec<u8>> {
    let key = masked.then_some([1, 2, 3, 4]);
    let payload = prop_oneof![
        "\\PC{0,30}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..60),
        Just(vec![b'x'; 300]),
    ];
    let first = prop_oneof![
        8 => prop_oneof![Just(0x81u8), Just(0x82), Just(0x01), Just(0x80), Just(0x00)],
        4 => prop_oneof![Just(0x89u8), Just(0x8a)],
        1 => Just(0x88u8),
        1 => any::<u8>(),
    ];
    let frame = (first, payload.clone()).prop_map(move |(first, payload)| {
        let len = if first & 8 != 0 { payload.len().min(125) } else { payload.len() };
        raw_frame(first, &payload[..len], key)
    });
    // Valid where compression was agreed on, perhaps in two frames.
    let compressed = (prop_oneof![Just(0xc1u8), Just(0xc2)], payload, any::<proptest::sample::Index>());
    let compressed = compressed.prop_map(move |(first, payload, cut)| {
        let stored = stored(&payload);
        let (start, end) = stored.split_at(cut.index(stored.len()));
        if start.is_empty() {
            return raw_frame(first, &stored, key);
        }
        [raw_frame(first & 0x7f, start, key), raw_frame(0x89, b"between", key), raw_frame(0x80, end, key)].concat()
    });
    let frame = prop_oneof![4 => frame, 1 => compressed];
    let garbage = proptest::collection::vec(any::<u8>(), 0..20);
    (proptest::collection::vec(frame, 0..10), proptest::option::weighted(0.2, garbage))
        .prop_map(|(frames, garbage)| [frames.concat(), garbage.unwrap_or_default()].concat())
}

/// As a compressor may send it (RFC 7692, 7.2.1): a stored block, and an empty one without its last four bytes.
fn stored(data: &[u8]) -> Vec<u8> {
    let len = data.len() as u16;
    [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), data, &[0]].concat()
}

fn any_call() -> impl Strategy<Value = Call> {
    let bytes = |max| proptest::collection::vec(any::<u8>(), 0..max);
    let text = prop_oneof!["\\PC{0,40}".prop_map(String::into_bytes), bytes(20)];
    let code = prop_oneof![Just(1000u16), Just(1005), Just(4000), any::<u16>()];
    let kind = prop_oneof![Just(MessageType::Text), Just(MessageType::Binary)];
    prop_oneof![
        8 => (proptest::sample::select(&WAYS[..]), prop_oneof![0..4usize, 0..400usize]).prop_map(|(way, len)| Call::Feed(way, len)),
        1 => prop_oneof![Just(0usize), 1..9_000usize].prop_map(Call::Lend),
        1 => Just(Call::GiveBack),
        4 => Just(Call::PullOne),
        8 => Just(Call::PullAll),
        2 => text.clone().prop_map(Call::Text),
        2 => prop_oneof![0..300usize, 0..20_000usize].prop_map(Call::Binary),
        1 => bytes(127).prop_map(Call::Ping),
        1 => bytes(127).prop_map(Call::Pong),
        1 => (proptest::option::of(code), "[a-z]{0,130}").prop_map(|(code, reason)| Call::Close(code, reason)),
        3 => (0..600usize).prop_map(Call::Take),
        1 => (kind.clone(), text.clone()).prop_map(|(kind, data)| Call::Prepared(kind, data)),
        1 => (0..9_000usize).prop_map(|len| Call::Prepared(MessageType::Binary, vec![9; len])),
        2 => kind.prop_map(Call::Begin),
        3 => (prop_oneof![text, Just(vec![b'z'; 1_500])], any::<bool>()).prop_map(|(data, last)| Call::Piece(data, last)),
        1 => (bytes(300), 0..400usize).prop_map(|(payload, written)| Call::HostFrame(payload, written)),
        1 => (0..200usize).prop_map(Call::FrameRest),
        2 => Just(Call::EndFrame),
        1 => prop_oneof![Just(Delivery::Messages), Just(Delivery::Chunks), Just(Delivery::Frames)].prop_map(Call::Deliver),
        1 => any::<bool>().prop_map(Call::Reading),
        1 => Just(Call::Accept),
        1 => prop_oneof![Just(404u16), any::<u16>()].prop_map(Call::Reject),
    ]
}

/// A script of calls, in which the end of the input may come early, and time may pass. Some begin with what chance seldom
/// brings: a peer that does not read, sends on, and is closed; messages that share a window with a broadcast; or a host
/// that writes a frame in part.
fn any_calls() -> impl Strategy<Value = Vec<Call>> {
    let busy = [
        vec![Call::Feed(Way::Copied, 220), Call::PullAll, Call::Accept, Call::PullAll, Call::Binary(6_000)],
        vec![Call::Feed(Way::Copied, 300), Call::PullAll, Call::Close(Some(1000), String::new()), Call::Take(7_000)],
    ]
    .concat();
    let eof = proptest::option::weighted(0.15, any::<proptest::sample::Index>());
    let broadcast = vec![
        Call::Feed(Way::Copied, 400),
        Call::PullAll,
        Call::Accept,
        Call::PullAll,
        Call::Binary(1_200),
        Call::Prepared(MessageType::Binary, vec![9; 2_000]),
        Call::Binary(1_500),
    ];
    let short_write = vec![
        Call::Feed(Way::Copied, 400),
        Call::PullAll,
        Call::Accept,
        Call::PullAll,
        Call::Take(600),
        Call::HostFrame(vec![7; 200], 100),
    ];
    let first = proptest::option::weighted(0.6, prop_oneof![Just(busy), Just(broadcast), Just(short_write)]);
    let step = prop_oneof![Just(0u64), 0..300u64, 0..100_000u64];
    let times = proptest::collection::vec((any::<proptest::sample::Index>(), step), 1..6);
    let times = proptest::option::weighted(0.2, times);
    (first, proptest::collection::vec(any_call(), 0..60), eof, times).prop_map(|(first, rest, eof, times)| {
        let mut calls = [first.unwrap_or_default(), rest].concat();
        for (at, ms) in times.unwrap_or_default() {
            calls.insert(at.index(calls.len() + 1), Call::Advance(ms));
        }
        if let Some(at) = eof {
            calls.insert(at.index(calls.len() + 1), Call::Eof);
        }
        calls
    })
}

fn any_config() -> impl Strategy<Value = Config> {
    let flags = proptest::array::uniform5(any::<bool>());
    (proptest::sample::select(configs()), flags).prop_map(|(mut config, [manual, auto_pong, own, peer, always])| {
        config.set_manual_accept(manual).set_auto_pong(auto_pong);
        config.set_max_queued_bytes(MAX_QUEUED).and_then(|config| config.set_max_message_size(1_000)).unwrap();
        config.set_water_marks(500, 4_000).and_then(|config| config.set_compression_mem_level(1)).unwrap();
        config.set_context_takeover(own, peer);
        config.set_compression_threshold(if always { 0 } else { 1_000 });
        config
    })
}

/// The other end's: it agrees on compression where that is offered or taken, and holds all that may come.
fn peer_config() -> Config {
    let mut config = Config::new();
    config.set_compression(true).set_compression_threshold(usize::MAX).set_context_takeover(true, true);
    config
}

/// Carries out the script on one connection, and compares it with another one on which the same stream comes whole and
/// nothing else is done.
fn check(mut run: Run<'_>, mut plain: Run<'_>, peer: Connection, calls: &[Call]) {
    plain.finish();
    calls.iter().for_each(|call| run.call(call));
    let ended_early = run.eof || run.rejected || run.is_timed();
    run.finish();
    if ended_early {
        assert!(plain.reported().starts_with(run.reported()), "{:?} of {:?}", run.reported(), plain.reported());
    } else {
        assert_eq!(run.reported(), plain.reported());
    }
    run.check_output(peer);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_calls_on_a_server(
        config in any_config(),
        frames in any_stream(true),
        calls in any_calls(),
    ) {
        let (engine, other) = (Engine::new(&config), Engine::new(&config));
        let mut peer = Connection::client(&Engine::new(&peer_config()), &client_request()).unwrap();
        let stream = [take(&mut peer), frames].concat();
        let new_run = |engine| Run::new(engine, Connection::server(engine), &stream);
        check(new_run(&engine), new_run(&other), peer, &calls);
    }

    #[test]
    fn any_calls_on_a_client(
        config in any_config(),
        frames in any_stream(false),
        calls in any_calls(),
    ) {
        // The key is random, so each client has a server of its own.
        let (engine, other) = (Engine::new(&config), Engine::new(&config));
        let open = |engine: &Engine| {
            let mut client = Connection::client(engine, &client_request()).unwrap();
            let mut server = Connection::server(&Engine::new(&peer_config()));
            server.feed(&take(&mut client)).unwrap();
            while server.next_event().is_some() {}
            let answer = take(&mut server);
            (client, server, [answer, frames.clone()].concat())
        };
        let ((conn, peer, stream), (plain, _, plain_stream)) = (open(&engine), open(&other));
        check(Run::new(&engine, conn, &stream), Run::new(&other, plain, &plain_stream), peer, &calls);
    }

    /// Bytes that are no handshake at all, and a script over them.
    #[test]
    fn any_calls_over_any_bytes(
        config in any_config(),
        stream in proptest::collection::vec(any::<u8>(), 0..200),
        calls in any_calls(),
    ) {
        let engine = Engine::new(&config);
        let mut run = Run::new(&engine, Connection::server(&engine), &stream);
        calls.iter().for_each(|call| run.call(call));
        run.finish();
        prop_assert_eq!(run.collector.got.len(), 1, "the end, and nothing else");
        prop_assert!(run.output.is_empty() || run.output.starts_with(b"HTTP/1.1 4"), "a refusal, or silence");
    }

    /// Whichever way in is taken: the same events, output and counters as when all is copied, and byte by byte.
    #[test]
    fn any_way_in(
        config in any_config(),
        masked in any_stream(true),
        plain in any_stream(false),
        pieces in proptest::collection::vec((proptest::sample::select(&WAYS[..]), 1..500usize), 1..20),
    ) {
        let run = |is_server: bool, pieces: &[(Way, usize)]| {
            let engine = Engine::new(&config);
            let mut conn = Connection::server(&engine);
            let mut client = Connection::client(&engine, &client_request()).unwrap();
            conn.feed(&take(&mut client)).unwrap();
            let mut collector = Collector::default();
            collector.pull(&mut conn);
            if conn.accept(None, &[]).is_ok() {
                collector.pull(&mut conn);
            }
            if !is_server {
                client.feed(&take(&mut conn)).unwrap();
                (conn, collector) = (client, Collector::default());
                collector.pull(&mut conn);
            }
            take(&mut conn); // the handshake's is random
            let mut rest = if is_server { &masked[..] } else { &plain };
            for &(way, size) in pieces.iter().cycle() {
                let (piece, behind) = rest.split_at(rest.len().min(size));
                way.bring(&mut conn, piece, |event| collector.add(event)).unwrap();
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            let mut output = take(&mut conn);
            if !is_server {
                output.fill(0); // its keys are random
            }
            (collector.got, output, conn.state(), engine.metrics())
        };
        let copied = pieces.iter().map(|&(_, size)| (Way::Copied, size)).collect::<Vec<_>>();
        for is_server in [true, false] {
            let (mut some, mut other) = (run(is_server, &pieces), run(is_server, &copied));
            prop_assert_eq!(&some, &other);
            // Byte by byte no message comes whole. What follows the end is not counted.
            other = run(is_server, &[(Way::Copied, 1)]);
            (some.3.wire_bytes_in, other.3.wire_bytes_in) = (0, 0);
            prop_assert_eq!(some, other);
        }
    }
}
