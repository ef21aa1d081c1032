//! Messages that are queued behind others, which is done with fewer questions: whatever changes an answer counts at once.

use crate::support::*;
use wsengine::{Config, Connection, Engine, Error, MessageType};

/// Lengths of payload around those at which another way is taken.
const LENGTHS: [usize; 16] = [0, 1, 3, 4, 8, 15, 16, 17, 33, 64, 65, 125, 126, 255, 256, 5_000];

/// Queues a message of text, or of bytes that are none.
fn queue(conn: &mut Connection, kind: MessageType, len: usize) -> Result<(), Error> {
    match kind {
        MessageType::Text => conn.outbound().queue_text(&vec![b'x'; len]),
        MessageType::Binary => conn.outbound().queue_binary(&vec![0xff; len]),
    }
}

const KINDS: [MessageType; 2] = [MessageType::Text, MessageType::Binary];

/// Two messages wait, so that the next may be appended to them.
fn busy(mut server: Connection) -> Connection {
    queue(&mut server, MessageType::Text, 16).unwrap();
    queue(&mut server, MessageType::Binary, 16).unwrap();
    server
}

fn assert_refuses(server: &mut Connection, what: &str) {
    let before = server.outbound().queued_bytes();
    for (len, kind) in LENGTHS.into_iter().flat_map(|len| KINDS.map(|kind| (len, kind))) {
        assert!(matches!(queue(server, kind, len), Err(Error::State(_))), "{what}: {kind:?} of {len}");
    }
    assert_eq!(server.outbound().queued_bytes(), before, "{what}");
}

#[test]
fn messages_of_every_length_follow_each_other() {
    let text = |len: usize| {
        "aé多𝄞"
            .chars()
            .cycle()
            .scan(0, |at, c| {
                (*at + c.len_utf8() <= len).then(|| {
                    *at += c.len_utf8();
                    c
                })
            })
            .collect::<String>()
    };
    let (mut server, mut expected) =
        (busy(open_server()), [plain(TEXT, &[b'x'; 16]), plain(BINARY, &[0xff; 16])].concat());
    for len in (0..300).chain([4_000, 16_000, 65_535, 65_536]) {
        let (ascii, binary, text) = (vec![b'a'; len], noise(len, len as u64), text(len));
        server.outbound().queue_text(&ascii).unwrap();
        server.outbound().queue_binary(&binary).unwrap();
        server.outbound().queue_text(text.as_bytes()).unwrap();
        expected.extend([plain(TEXT, &ascii), plain(BINARY, &binary), plain(TEXT, text.as_bytes())].concat());
        assert_eq!(server.outbound().queued_bytes(), expected.len());
        if expected.len() > 200_000 {
            assert!(take(&mut server) == std::mem::take(&mut expected), "up to {len}");
        }
    }
    assert!(take(&mut server) == expected);
}

#[test]
fn none_follows_the_beginning_of_another() {
    let mut server = busy(open_server());
    server.outbound().queue_begin(MessageType::Text).unwrap();
    assert_refuses(&mut server, "begun");
    server.outbound().queue_part(b"a").unwrap();
    assert_refuses(&mut server, "a part");
    server.outbound().queue_end(b"b").unwrap();
    for len in LENGTHS {
        queue(&mut server, MessageType::Text, len).unwrap();
    }
}

#[test]
fn none_follows_the_end() {
    let mut lost = busy(open_server());
    lost.feed_eof();
    assert!(matches!(pull(&mut lost)[..], [Seen::Close { code: 1006, .. }]));
    assert_refuses(&mut lost, "lost");

    let mut closing = busy(open_server());
    closing.outbound().queue_close(Some(1000), "").unwrap();
    assert_refuses(&mut closing, "closing");

    let mut failed = busy(open_server());
    assert!(matches!(feed(&mut failed, &masked(0xB, b""))[..], [Seen::Close { code: 1002, .. }]));
    assert_refuses(&mut failed, "failed");

    let mut closed = busy(open_server());
    assert!(matches!(feed(&mut closed, &masked(CLOSE, b""))[..], [Seen::Close { code: 1005, .. }]));
    assert_refuses(&mut closed, "closed");
}

/// What is held of a message that has not come to its end counts too, however it comes.
#[test]
fn held_input_counts_against_the_limit_of_the_connection() {
    const MAX: usize = 8 * 1024;
    let mut config = Config::new();
    config.set_max_connection_bytes(MAX).unwrap();
    let message = masked(BINARY, &[7; 8_000]);
    for (len, kind) in [1, 16, 64, 100, 1_000].into_iter().flat_map(|len| KINDS.map(|kind| (len, kind))) {
        for pieces in [vec![4_000], vec![1_000, 1_000, 1_000, 1_000]] {
            let engine = Engine::new(&config);
            let mut server = busy(open_on(&engine));
            let mut at = 0;
            for piece in pieces {
                assert_eq!(feed(&mut server, &message[at..at + piece]), []);
                at += piece;
                queue(&mut server, kind, len).unwrap();
            }
            let held = || engine.metrics().held_input_bytes as usize;
            assert!(held() > 3_900, "it is kept");
            while queue(&mut server, kind, len) == Ok(()) {}
            let all = server.outbound().queued_bytes() + held();
            assert!(all <= MAX && all + len + 14 > MAX, "{len}: {all}");
            // The room that the queue had before the input came is not there any more.
            take(&mut server);
            assert_eq!(pull(&mut server), [Seen::Writable]);
            queue(&mut server, kind, len).unwrap();
            let free = MAX - held() - server.outbound().queued_bytes();
            assert_eq!(feed(&mut server, &message[at..at + free - 500]), []);
            while queue(&mut server, kind, len) == Ok(()) {}
            let all = server.outbound().queued_bytes() + held();
            assert!(all <= MAX && all + len + 14 > MAX, "{len} behind more input: {all}");
        }
    }
}

/// What other connections hold counts too.
#[test]
fn the_limit_of_the_engine_holds_behind_others() {
    const MAX: usize = 64 * 1024;
    let mut config = Config::new();
    config.set_max_engine_bytes(MAX).unwrap();
    for (len, kind) in LENGTHS.into_iter().flat_map(|len| KINDS.map(|kind| (len, kind))) {
        let engine = Engine::new(&config);
        let (mut one, mut other) = (busy(open_on(&engine)), open_on(&engine));
        queue(&mut other, MessageType::Binary, MAX - 1_000).unwrap();
        while queue(&mut one, kind, len) == Ok(()) {}
        let all = one.outbound().queued_bytes() + other.outbound().queued_bytes();
        assert!(all <= MAX && all + len + 14 > MAX, "{len}: {all}");
        assert_eq!(queue(&mut one, kind, len), Err(Error::QueueFull));
        assert_eq!(engine.metrics().queued_bytes as usize, all);
        take(&mut other);
        queue(&mut one, kind, len).unwrap();
    }
}

/// Below the threshold they go as they are, from it on compressed, in any order.
#[test]
fn the_threshold_of_compression_holds_behind_others() {
    for threshold in [2, 16, 60, 64, 100, 126, 200] {
        let mut config = Config::new();
        config.set_compression(true).set_compression_threshold(threshold);
        let mut client = Connection::client(&Engine::new(&config), &client_request()).unwrap();
        let mut server = Connection::server(&Engine::new(&config));
        feed(&mut server, &take(&mut client));
        feed(&mut client, &take(&mut server));
        let mut expected = Vec::new();
        for len in [1, 1, threshold - 1, threshold, 1, 250, 1] {
            queue(&mut server, MessageType::Text, 1).unwrap();
            queue(&mut server, MessageType::Text, len).unwrap();
            expected.extend([Seen::text("x"), Seen::text(&"x".repeat(len))]);
        }
        let compresses = server.output().flatten().any(|&byte| byte == 0xC1);
        assert!(compresses, "{threshold}");
        assert_eq!(feed(&mut client, &take(&mut server)), expected, "{threshold}");
    }
}

/// Every message is counted alike, whichever way it took.
#[test]
fn each_message_is_counted_once() {
    let engine = Engine::default();
    let (mut server, mut sizes, mut bytes) = (open_on(&engine), [0; 24], 0);
    let mut input = Vec::new();
    for len in (0..300).chain([1_024, 1_025, 16_384, 16_385, 65_535, 65_536]) {
        for (kind, opcode) in KINDS.into_iter().zip([TEXT, BINARY]) {
            queue(&mut server, kind, len).unwrap();
            input.extend(masked(opcode, &vec![b'x'; len]));
        }
        let bucket = (0..13).find(|&bucket| len <= 16 << (2 * bucket)).unwrap();
        sizes[bucket] += 2;
        bytes += len as u64;
        let (wait, seen) = (server.outbound().queued_bytes() as u64, engine.metrics());
        assert_eq!((seen.queued_bytes, seen.queue_high_water >= wait, seen.message_sizes_out), (wait, true, sizes));
        assert_eq!(seen.message_bytes_out, [bytes; 2]);
        if wait > 60_000 {
            take(&mut server);
        }
    }
    let count = sizes.iter().sum::<u64>() / 2;
    assert_eq!(feed(&mut server, &input).len() as u64, 2 * count);
    let seen = engine.metrics();
    assert_eq!((seen.messages_out, seen.messages_in), ([count; 2], [count; 2]));
    assert_eq!((seen.frames_out[1..3].to_vec(), seen.frames_in[1..3].to_vec()), (vec![count; 2], vec![count; 2]));
    assert_eq!((seen.message_bytes_in, seen.message_sizes_in), ([bytes; 2], sizes));
}
