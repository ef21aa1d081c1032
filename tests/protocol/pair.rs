//! A client and a server, joined back to back: every message arrives, however the bytes between them are cut.

use crate::support::*;
use crate::ways::Way;
use proptest::prelude::*;
use wsengine::{Config, Connection, Engine, State};

/// Moves what waits from one to the other in pieces, by each way in in turn; returns what the receiver saw.
fn carry(from: &mut Connection, to: &mut Connection, mut size: impl FnMut() -> usize) -> Vec<Seen> {
    let mut events = Vec::new();
    let mut ways = (0..).map(Way::pick);
    loop {
        let bytes = take(from);
        if bytes.is_empty() {
            return events;
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(size().clamp(1, rest.len()));
            let way = ways.next().unwrap();
            way.bring(to, piece, |event| events.push(seen(event))).expect("the earlier input was pulled");
            rest = behind;
        }
    }
}

#[test]
fn a_whole_conversation_in_reads_of_every_size() {
    for size in (1..40).chain([125, 126, 127, 1_000, 100_000]) {
        let engine = Engine::new(&Config::new());
        let mut server = Connection::server(&engine);
        let mut client = Connection::client(&engine, &client_request()).unwrap();
        assert_eq!(carry(&mut client, &mut server, || size), [Seen::Open(None)]);
        assert_eq!(carry(&mut server, &mut client, || size), [Seen::Open(None)]);

        let long = "多字节".repeat(500);
        client.outbound().queue_text("你好".as_bytes()).unwrap();
        client.outbound().queue_ping(b"1").unwrap();
        client.outbound().queue_text(long.as_bytes()).unwrap();
        let seen = carry(&mut client, &mut server, || size);
        assert_eq!(seen, [Seen::text("你好"), Seen::Ping(b"1".to_vec()), Seen::text(&long)]);

        server.outbound().queue_binary(&[0; 70_000]).unwrap();
        server.outbound().queue_close(Some(1000), "done").unwrap();
        let seen = carry(&mut server, &mut client, || size);
        assert_eq!(seen, [Seen::Pong(b"1".to_vec()), Seen::Binary(vec![0; 70_000]), Seen::peer_closed(1000, "done")]);
        let end = carry(&mut client, &mut server, || size);
        assert!(matches!(end[..], [Seen::Close { code: 1000, clean: true, .. }]));
        assert_eq!((client.state(), server.state()), (State::Closed, State::Closed));
    }
}

/// Both ends close at the same time (RFC 6455, 7.1.5 and 5.5.1).
#[test]
fn closes_that_cross_are_clean() {
    let (mut server, mut client) = (open_server(), open_client());
    server.outbound().queue_close(Some(1001), "").unwrap();
    client.outbound().queue_close(Some(1000), "").unwrap();
    let (from_server, from_client) = (take(&mut server), take(&mut client));
    for (conn, bytes, code) in [(&mut client, from_server, 1001), (&mut server, from_client, 1000)] {
        let seen = feed(conn, &bytes);
        assert!(matches!(seen[..], [Seen::Close { code: got, clean: true, .. }] if got == code), "{seen:?}");
        assert_eq!(take(conn), b"");
    }
}

#[derive(Debug, Clone)]
enum Sent {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

fn any_sent() -> impl Strategy<Value = Sent> {
    let bytes = |max| proptest::collection::vec(any::<u8>(), 0..max);
    prop_oneof![
        ".{0,200}".prop_map(Sent::Text),
        (0..70_000usize, any::<u64>()).prop_map(|(len, seed)| Sent::Binary(noise(len, seed))),
        bytes(126).prop_map(Sent::Ping),
        bytes(126).prop_map(Sent::Pong),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_messages_arrive_over_any_cuts(
        sent in proptest::collection::vec(any_sent(), 0..12),
        sizes in proptest::collection::vec(1..5_000usize, 1..50),
        from_client in any::<bool>(),
    ) {
        let (mut server, mut client) = (open_server(), open_client());
        let (from, to) = if from_client { (&mut client, &mut server) } else { (&mut server, &mut client) };
        let mut expected = Vec::new();
        for message in sent {
            let out = from.outbound();
            expected.push(match message {
                Sent::Text(text) => { out.queue_text(text.as_bytes()).unwrap(); Seen::Text(text) }
                Sent::Binary(data) => { out.queue_binary(&data).unwrap(); Seen::Binary(data) }
                Sent::Ping(data) => { out.queue_ping(&data).unwrap(); Seen::Ping(data) }
                Sent::Pong(data) => { out.queue_pong(&data).unwrap(); Seen::Pong(data) }
            });
        }
        let mut sizes = sizes.iter().cycle();
        let seen = carry(from, to, || *sizes.next().unwrap());
        // Control frames may overtake messages that wait, but neither overtakes its own kind.
        let is_message = |seen: &&Seen| matches!(seen, Seen::Text(_) | Seen::Binary(_));
        prop_assert_eq!(seen.iter().filter(is_message).collect::<Vec<_>>(), expected.iter().filter(is_message).collect::<Vec<_>>());
        let is_control = |seen: &&Seen| !is_message(seen);
        prop_assert_eq!(seen.iter().filter(is_control).collect::<Vec<_>>(), expected.iter().filter(is_control).collect::<Vec<_>>());
    }

    /// Garbage never panics, and means the same however it is cut.
    #[test]
    fn any_bytes_mean_the_same_however_they_are_cut(
        bytes in proptest::collection::vec(prop_oneof![Just(0x81u8), Just(0x80), Just(0x01), Just(0x89), any::<u8>()], 0..80),
        on_client in any::<bool>(),
    ) {
        if on_client {
            // A client's close frames are masked with random keys: only the events can be compared.
            let mut whole = open_client();
            let events = feed(&mut whole, &bytes);
            let mut cut = open_client();
            let pieces = bytes.chunks(1).flat_map(|byte| feed(&mut cut, byte)).collect::<Vec<_>>();
            prop_assert_eq!(events, pieces);
        } else {
            every_split(open_server, &bytes);
        }
    }

    #[test]
    fn any_bytes_can_come_instead_of_a_handshake(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        every_split(|| new_server(&Config::new()), &bytes);
    }
}
