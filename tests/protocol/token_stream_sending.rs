//! Token streams and connections: what is sent where, water marks, and what a connection refuses.

use crate::support::*;
use crate::token_stream::{GOES_ON, STOP, piece, take as take_messages};
use wsengine::{Config, Connection, Engine, Error, State, TokenStream};

fn small_marks() -> Config {
    let mut config = Config::new();
    config.set_stream_merge_time(0).unwrap().set_stream_water_marks(100, 300).unwrap();
    config.set_water_marks(150, 500).unwrap().set_ping_interval(0).unwrap();
    config
}

fn pair(config: &Config) -> (Engine, Connection, Connection, TokenStream) {
    let engine = Engine::new(config);
    engine.advance(0);
    let mut server = Connection::server(&engine);
    let mut client = Connection::client(&engine, &client_request()).unwrap();
    feed(&mut server, &take(&mut client));
    feed(&mut client, &take(&mut server));
    let stream = TokenStream::new(&engine, Some("r"));
    (engine, server, client, stream)
}

/// Writes a token of 50 bytes, which makes a message of a little more than 100.
fn write(stream: &mut TokenStream) {
    stream.write(&[b'x'; 50]).unwrap();
}

fn nth(seq: u64) -> Seen {
    Seen::text(&piece(seq, &"x".repeat(50), GOES_ON))
}

#[test]
fn messages_come_as_text_over_the_connection() -> Result<(), Error> {
    for compression in [false, true] {
        let mut config = small_marks();
        config.set_compression(compression).set_compression_threshold(0);
        let (_engine, mut server, mut client, mut stream) = pair(&config);
        assert_eq!(stream.send_to(server.outbound()), Ok(true), "nothing to send is all sent");
        stream.write("世界".as_bytes())?;
        stream.write("\"\n\u{2028}".as_bytes())?;
        stream.finish("stop", None)?;
        assert_eq!(stream.send_to(server.outbound()), Ok(true));
        assert!(stream.is_finished());
        let expected = [piece(1, "世界", GOES_ON), piece(2, "\\\"\\n\u{2028}", GOES_ON), piece(3, "", STOP)];
        assert_eq!(feed(&mut client, &take(&mut server)), expected.map(|text| Seen::text(&text)));
    }
    Ok(())
}

#[test]
fn a_connection_above_its_high_water_mark_gets_no_more() {
    let (_engine, mut server, mut client, mut stream) = pair(&small_marks());
    let mut sent = 0;
    while !server.outbound().is_above_high_water() {
        assert!(stream.wants_more());
        write(&mut stream);
        assert_eq!(stream.send_to(server.outbound()), Ok(true));
        sent += 1;
    }
    assert_eq!((stream.pending_bytes(), stream.wants_more()), (0, false), "all went, and that is enough");
    write(&mut stream); // a token that was under way
    assert!(!stream.wants_more());
    assert_eq!(stream.send_to(server.outbound()), Ok(false));
    assert_eq!((stream.next_seq(), stream.wants_more()), (sent + 1, false));

    let seen = feed(&mut client, &take(&mut server));
    assert_eq!(seen, (1..=sent).map(nth).collect::<Vec<_>>());
    assert_eq!(pull(&mut server), [Seen::Writable]);
    assert!(!stream.wants_more(), "it was not told");
    assert_eq!(stream.send_to(server.outbound()), Ok(true));
    assert!(stream.wants_more());
    assert_eq!(feed(&mut client, &take(&mut server)), [nth(sent + 1)]);
}

#[test]
fn while_the_connection_is_full_tokens_are_merged() -> Result<(), Error> {
    let mut config = small_marks();
    config.set_stream_merge_time(40)?;
    let (engine, mut server, mut client, mut stream) = pair(&config);
    server.outbound().queue_binary(&[0; 600])?;
    for token in ["a", "b", "c"] {
        stream.write(token.as_bytes())?;
        assert_eq!(stream.send_to(server.outbound()), Ok(false));
        let next = engine.next_deadline().unwrap_or(0);
        engine.advance(next + 100);
    }
    take(&mut server);
    assert_eq!(stream.send_to(server.outbound()), Ok(true));
    assert_eq!(stream.next_seq(), 2);
    let text = &take(&mut server)[2..];
    assert_eq!(text, piece(1, "abc", GOES_ON).as_bytes());
    pull(&mut client);
    Ok(())
}

#[test]
fn the_streams_own_water_marks() {
    let (_engine, mut server, _client, mut stream) = pair(&small_marks());
    let mut written = 0;
    while stream.wants_more() {
        write(&mut stream);
        written += 1;
    }
    assert_eq!(written, 3, "each has more than 100 bytes, and 300 is not above 300");
    assert!(stream.pending_bytes() > 300);
    for left in [2, 1] {
        assert!(stream.next_message().is_some());
        assert!(stream.pending_bytes() > 100 * left && !stream.wants_more(), "{left} left: above the low mark");
    }
    assert!(stream.next_message().is_some());
    assert_eq!((stream.pending_bytes(), stream.wants_more()), (0, true));

    (0..3).for_each(|_| write(&mut stream));
    assert!(!stream.wants_more());
    assert_eq!(stream.send_to(server.outbound()), Ok(true));
    assert!(stream.wants_more());
}

#[test]
fn text_that_is_in_no_message_yet_counts() -> Result<(), Error> {
    let mut config = small_marks();
    config.set_stream_merge_time(40)?;
    let (_engine, _server, _client, mut stream) = pair(&config);
    stream.write(b"a")?;
    take_messages(&mut stream);
    stream.write(&[b'x'; 299])?;
    stream.write(b"\xc3")?; // so does what is held
    assert_eq!((stream.pending_bytes(), stream.wants_more()), (300, true));
    stream.write(b"\xa9")?;
    assert_eq!((stream.pending_bytes(), stream.wants_more()), (301, false));
    Ok(())
}

/// A host whose connection is gone, and which keeps the messages itself from then on.
#[test]
fn a_host_that_pulls_itself_is_not_paused_by_a_connection() {
    let (_engine, mut server, _client, mut stream) = pair(&small_marks());
    server.outbound().queue_binary(&[0; 600]).unwrap();
    assert_eq!((stream.send_to(server.outbound()), stream.wants_more()), (Ok(true), false));
    drop(server);
    assert!(stream.next_message().is_none());
    assert!(stream.wants_more());
}

#[test]
fn what_a_connection_refuses_stays_in_the_stream() -> Result<(), Error> {
    let mut config = small_marks();
    config.set_max_queued_bytes(1024)?.set_stream_piece_size(4096)?;
    let (engine, mut server, mut client, mut stream) = pair(&config);
    let mut other = TokenStream::new(&engine, Some("r"));
    other.write(b"a")?;

    // Not open.
    let mut unopened = Connection::server(&engine);
    assert!(matches!(other.send_to(unopened.outbound()), Err(Error::State(_))));
    // In the middle of another message.
    server.outbound().queue_begin(wsengine::MessageType::Text)?;
    assert!(matches!(other.send_to(server.outbound()), Err(Error::State(_))));
    server.outbound().queue_end(b"x")?;
    assert_eq!((other.next_seq(), other.send_to(server.outbound()), other.next_seq()), (1, Ok(true), 2));
    assert_eq!(feed(&mut client, &take(&mut server)), [Seen::text("x"), Seen::text(&piece(1, "a", GOES_ON))]);

    // No room beside what waits: it fits when that is gone.
    stream.write(&[b'y'; 700])?;
    server.outbound().queue_binary(&[0; 400])?;
    assert!(!server.outbound().is_above_high_water());
    assert_eq!((stream.send_to(server.outbound()), stream.wants_more()), (Ok(false), false));
    take(&mut server);
    assert_eq!(pull(&mut server), [Seen::Writable]);
    assert_eq!(stream.send_to(server.outbound()), Ok(true));
    take(&mut server);
    // It never fits, since it is escaped: six bytes for one.
    stream.write(&[0; 200])?;
    assert_eq!(stream.send_to(server.outbound()), Err(Error::QueueFull));
    assert_eq!(stream.next_seq(), 2);
    assert_eq!(take_messages(&mut stream), [piece(2, &"\\u0000".repeat(200), GOES_ON)]);

    // Closing.
    server.outbound().queue_close(Some(1000), "")?;
    assert_eq!(server.state(), State::Closing);
    assert_eq!(stream.send_to(server.outbound()), Ok(true), "nothing to send");
    stream.write(b"z")?;
    assert!(matches!(stream.send_to(server.outbound()), Err(Error::State(_))));
    assert_eq!(take_messages(&mut stream), [piece(3, "z", GOES_ON)]);
    Ok(())
}

#[test]
fn a_stream_holds_no_more_than_a_queue_may() -> Result<(), Error> {
    let mut config = Config::new();
    config.set_max_queued_bytes(2000)?.set_stream_piece_size(16)?;
    let engine = Engine::new(&config);
    engine.advance(0);
    let mut stream = TokenStream::new(&engine, None);
    assert_eq!(stream.write(&[b'a'; 2001]), Err(Error::QueueFull));
    assert!(stream.wants_more(), "nothing waits that could become less");
    assert_eq!((stream.pending_bytes(), stream.next_seq()), (0, 1));
    stream.write(&[b'a'; 300])?;
    let waiting = stream.pending_bytes();
    assert!((1000..2000).contains(&waiting), "{waiting}: the messages are longer than their text");
    assert!(stream.wants_more());
    assert_eq!(stream.write(&vec![b'b'; 2001 - waiting]), Err(Error::QueueFull));
    assert_eq!((stream.pending_bytes(), stream.wants_more()), (waiting, false));
    assert_eq!(engine.metrics().queue_full, 2);
    while stream.pending_bytes() > 1000 {
        assert!(!stream.wants_more());
        assert!(stream.next_message().is_some());
    }
    assert!(stream.wants_more(), "half of it is the low mark, if that is less");
    stream.fail("c", &"m".repeat(5000), true)?; // an end always has room
    assert_eq!(take_messages(&mut stream).last().map(|last| last.contains("\"done\":true")), Some(true));
    Ok(())
}

#[test]
fn one_stream_may_go_to_several_connections() -> Result<(), Error> {
    let (engine, mut server, mut client, mut stream) = pair(&small_marks());
    let mut other = open_on(&engine);
    stream.write(b"a")?;
    stream.write(b"b")?;
    // The host copies each message to whoever wants it.
    while let Some(message) = stream.next_message() {
        server.outbound().queue_text(message.json)?;
        other.outbound().queue_text(message.json)?;
    }
    stream.write(b"c")?;
    assert_eq!(stream.send_to(server.outbound()), Ok(true));
    let expected = [1, 2, 3].map(|seq| Seen::text(&piece(seq, ["a", "b", "c"][seq as usize - 1], GOES_ON)));
    assert_eq!(feed(&mut client, &take(&mut server)), expected);
    assert!(take(&mut other).ends_with(piece(2, "b", GOES_ON).as_bytes()));
    Ok(())
}
