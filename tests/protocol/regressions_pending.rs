//! What users of other WebSocket engines suffered from fragments without end.

use crate::support::*;
use wsengine::Config;

fn limited(fragments: u32, empty: u32) -> Config {
    let mut config = Config::new();
    config.set_max_fragments(fragments).unwrap().set_max_empty_fragments(empty);
    config
}

/// A message of this many frames with one byte each.
fn tiny(count: usize) -> Vec<u8> {
    let mut bytes = masked_part(BINARY, b"x");
    for _ in 2..count {
        bytes.extend(masked_part(CONTINUATION, b"x"));
    }
    bytes.extend(masked(CONTINUATION, b"x"));
    bytes
}

/// CVE-2026-48779 (ws): a message in ever more fragments of a byte or two cost memory and time far above its size.
#[test]
fn a_message_of_too_many_tiny_fragments_fails_with_1008() {
    let open = || open_server_with(&limited(10, 64));
    assert_eq!(every_split(open, &tiny(10)).0, [Seen::Binary(vec![b'x'; 10])], "as many as are allowed");
    let (events, output) = every_split(open, &tiny(11));
    assert_eq!(events, [Seen::failed(1008)]);
    assert_eq!(output, plain(CLOSE, &1008u16.to_be_bytes()));
    // It is known with the header of the first fragment too many, whether or not more would have come.
    let mut server = open();
    let start = tiny(12);
    let frame = masked_part(CONTINUATION, b"x").len();
    assert_eq!(feed(&mut server, &start[..10 * frame + 6]), [Seen::failed(1008)]);
}

/// The same with fragments that carry nothing: no limit on bytes ever ends them.
#[test]
fn a_message_of_too_many_empty_fragments_fails_with_1008() {
    let open = || open_server_with(&limited(1_000, 4));
    let empty = |count: usize| {
        let mut bytes = masked_part(TEXT, b"a");
        (0..count).for_each(|_| bytes.extend(masked_part(CONTINUATION, b"")));
        bytes.extend(masked(CONTINUATION, b"")); // the last one may be empty: its sender did not know that it was
        bytes
    };
    assert_eq!(every_split(open, &empty(4)).0, [Seen::text("a")]);
    assert_eq!(every_split(open, &empty(5)).0, [Seen::failed(1008)]);

    let mut endless = open_server();
    assert_eq!(feed(&mut endless, &masked_part(TEXT, b"")), []);
    let ended_after = (0..100_000).find(|_| !feed(&mut endless, &masked_part(CONTINUATION, b"")).is_empty());
    assert!(ended_after.is_some_and(|count| count <= 64), "the default ends it too: {ended_after:?}");
}

/// The counts are of one message: the next one starts anew, and control frames between fragments count for nothing.
#[test]
fn fragments_are_counted_for_each_message() {
    let mut server = open_server_with(&limited(10, 2));
    for _ in 0..20 {
        let mut bytes = masked_part(BINARY, b"");
        for _ in 0..7 {
            bytes.extend(masked(PING, b""));
            bytes.extend(masked_part(CONTINUATION, b"x"));
        }
        bytes.extend(masked_part(CONTINUATION, b""));
        bytes.extend(masked(CONTINUATION, b""));
        let events = feed(&mut server, &bytes);
        assert_eq!(events.last(), Some(&Seen::Binary(vec![b'x'; 7])), "{events:?}");
        take(&mut server);
    }
    for _ in 0..20 {
        assert_eq!(feed(&mut server, &masked(TEXT, b"")), [Seen::text("")], "whole empty messages are no fragments");
    }
}
