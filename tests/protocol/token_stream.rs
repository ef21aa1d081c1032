//! Token streams in virtual time: what leaves when, in which messages, and how a stream ends.

use wsengine::{Config, Engine, Error, TokenStream, Usage};

/// Takes all messages that are due, as texts.
pub fn take(stream: &mut TokenStream) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(message) = stream.next_message() {
        let text = String::from_utf8(message.json.to_vec()).expect("JSON is UTF-8");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["seq"], message.seq);
        assert_eq!(json["done"] == true, message.done);
        texts.push(text);
    }
    texts
}

/// A message with this content, as it has to be; `end`: what follows the content.
pub fn piece(seq: u64, content: &str, end: &str) -> String {
    format!(r#"{{"type":"stream","requestId":"r","seq":{seq},"content":"{content}",{end}}}"#)
}

pub const GOES_ON: &str = r#""done":false"#;
pub const STOP: &str = r#""done":true,"finish_reason":"stop""#;

/// An engine whose streams merge for so long and make pieces of this size, at the time 1000.
pub fn engine(merge_time: u32, piece_size: usize) -> Engine {
    let mut config = Config::new();
    config.set_stream_merge_time(merge_time).unwrap().set_stream_piece_size(piece_size).unwrap();
    let engine = Engine::new(&config);
    engine.advance(1000);
    engine
}

pub fn stream(engine: &Engine) -> TokenStream {
    TokenStream::new(engine, Some("r"))
}

#[test]
fn a_stream_from_its_first_token_to_its_last() -> Result<(), Error> {
    let engine = engine(40, 4096);
    let mut stream = stream(&engine);
    stream.set_token(7);
    assert_eq!((stream.token(), stream.next_seq(), stream.pending_bytes()), (7, 1, 0));
    assert!(take(&mut stream).is_empty());

    stream.write(b"Hel")?;
    assert_eq!(take(&mut stream), [r#"{"type":"stream","requestId":"r","seq":1,"content":"Hel","done":false}"#]);
    stream.write(b"lo ")?;
    stream.write("世".as_bytes())?;
    assert!(take(&mut stream).is_empty());
    assert_eq!(engine.next_deadline(), Some(1040));
    engine.advance(1039);
    assert_eq!((engine.next_due_stream(), take(&mut stream)), (None, vec![]));
    engine.advance(1040);
    assert_eq!(engine.next_deadline(), Some(1040));
    assert_eq!((engine.next_due_stream(), engine.next_due_stream()), (Some(7), None));
    assert_eq!(take(&mut stream), [piece(2, "lo 世", GOES_ON)]);
    assert_eq!(engine.next_deadline(), None);

    stream.write("界".as_bytes())?;
    stream.finish("stop", Some(Usage { prompt_tokens: 1, completion_tokens: 2, total_tokens: u64::MAX }))?;
    assert_eq!((stream.is_finished(), stream.wants_more(), stream.next_seq()), (false, false, 3));
    let usage = r#""usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":18446744073709551615}"#;
    assert_eq!(take(&mut stream), [piece(3, "界", &format!("{STOP},{usage}"))]);
    assert_eq!((stream.is_finished(), stream.pending_bytes(), stream.next_seq()), (true, 0, 4));
    assert_eq!((engine.next_deadline(), engine.next_due_stream()), (None, None));
    Ok(())
}

#[test]
fn without_a_request_id_there_is_none() -> Result<(), Error> {
    let engine = engine(40, 4096);
    let mut stream = TokenStream::new(&engine, None);
    stream.write(b"a")?;
    assert_eq!(take(&mut stream), [r#"{"type":"stream","seq":1,"content":"a","done":false}"#]);
    stream.fail("c", "m", false)?;
    assert_eq!(
        take(&mut stream),
        [
            r#"{"type":"error","seq":2,"code":"c","message":"m","retryable":false}"#,
            r#"{"type":"stream","seq":3,"content":"","done":true,"finish_reason":"error"}"#
        ]
    );
    let mut stream = TokenStream::new(&engine, Some(""));
    stream.cancel()?;
    let empty = r#"{"type":"stream","requestId":"","seq":1,"content":"","done":true,"finish_reason":"cancelled"}"#;
    assert_eq!(take(&mut stream), [empty]);
    Ok(())
}

#[test]
fn json_escapes_what_it_must_and_nothing_else() -> Result<(), Error> {
    let engine = engine(40, 4096);
    let mut stream = TokenStream::new(&engine, Some("\"\\\n\u{7f}"));
    stream.write("\"\\/\u{8}\u{c}\n\r\t\0\u{1f}\u{7f}\u{2028}\u{2029}<é𝄞\u{feff}".as_bytes())?;
    let message = concat!(
        r#"{"type":"stream","requestId":"\"\\\n"#,
        "\u{7f}",
        r#"","seq":1,"content":"\"\\/\b\f\n\r\t\u0000\u001f"#,
        "\u{7f}\u{2028}\u{2029}<é𝄞\u{feff}",
        r#"","done":false}"#
    );
    assert_eq!(take(&mut stream), [message]);
    stream.finish("\"", None)?;
    assert!(take(&mut stream)[0].ends_with(r#""finish_reason":"\""}"#));
    Ok(())
}

/// The time counts from the last message, not from what is written.
#[test]
fn after_a_pause_the_next_token_leaves_at_once() -> Result<(), Error> {
    let engine = engine(40, 4096);
    let mut stream = stream(&engine);
    stream.write(b"a")?;
    assert_eq!(take(&mut stream), [piece(1, "a", GOES_ON)]);
    engine.advance(1039);
    stream.write(b"b")?;
    assert!(take(&mut stream).is_empty());
    assert_eq!(engine.next_deadline(), Some(1040));
    engine.advance(1041);
    assert_eq!(take(&mut stream), [piece(2, "b", GOES_ON)]);
    assert_eq!(engine.next_due_stream(), None, "it was taken without having been handed out");
    engine.advance(1080);
    stream.write(b"c")?;
    assert!(take(&mut stream).is_empty(), "it counts from 1041");
    engine.advance(1081);
    stream.write(b"d")?;
    assert_eq!(take(&mut stream), [piece(3, "cd", GOES_ON)]);
    engine.advance(9000);
    stream.write(b"e")?;
    assert_eq!(take(&mut stream), [piece(4, "e", GOES_ON)]);
    Ok(())
}

#[test]
fn what_nobody_takes_is_merged_up_to_the_piece_size() -> Result<(), Error> {
    let engine = engine(40, 16);
    let mut stream = stream(&engine);
    for token in ["one ", "two ", "three ", "four "] {
        stream.write(token.as_bytes())?;
        engine.advance(engine.next_deadline().unwrap_or(1000) + 100);
    }
    assert_eq!(take(&mut stream), [piece(1, "one two three fo", GOES_ON), piece(2, "ur ", GOES_ON)]);
    Ok(())
}

#[test]
fn a_message_is_due_as_soon_as_it_has_the_piece_size() -> Result<(), Error> {
    let engine = engine(40, 16);
    let mut stream = stream(&engine);
    stream.set_token(1);
    stream.write(b"a")?;
    take(&mut stream);
    stream.write(b"0123456789abcde")?; // one less
    assert!(take(&mut stream).is_empty());
    engine.advance(1010);
    stream.write(b"f")?;
    assert_eq!(take(&mut stream), [piece(2, "0123456789abcdef", GOES_ON)]);
    stream.write("ggggggggggggggg界ii".as_bytes())?; // the character would exceed it
    assert_eq!(take(&mut stream), [piece(3, "ggggggggggggggg", GOES_ON)]);
    assert_eq!(engine.next_deadline(), Some(1050), "the rest waits as long as if it were new");
    engine.advance(1049);
    assert_eq!(engine.next_due_stream(), None);
    engine.advance(1050);
    assert_eq!(engine.next_due_stream(), Some(1));
    assert_eq!(take(&mut stream), [piece(4, "界ii", GOES_ON)]);

    engine.advance(1060);
    stream.write("界".repeat(11).as_bytes())?; // 33 bytes, 5 characters a piece
    assert_eq!(take(&mut stream), [piece(5, "界界界界界", GOES_ON), piece(6, "界界界界界", GOES_ON)]);
    stream.finish("length", None)?;
    assert_eq!(take(&mut stream), [piece(7, "界", r#""done":true,"finish_reason":"length""#)]);
    Ok(())
}

/// A message that its size has made takes the time of the next one with it.
#[test]
fn the_rest_of_a_message_waits_anew() -> Result<(), Error> {
    let engine = engine(40, 16);
    let mut stream = stream(&engine);
    stream.write(b"a")?;
    take(&mut stream);
    stream.write(b"0123456789")?;
    assert_eq!(engine.next_deadline(), Some(1040));
    engine.advance(1024);
    stream.write(b"0123456789")?;
    assert_eq!(take(&mut stream), [piece(2, "0123456789012345", GOES_ON)]);
    engine.advance(1063);
    assert_eq!((engine.next_due_stream(), take(&mut stream)), (None, vec![]));
    engine.advance(1064);
    assert_eq!(engine.next_due_stream(), Some(0));
    assert_eq!(take(&mut stream), [piece(3, "6789", GOES_ON)]);
    Ok(())
}

#[test]
fn without_merging_every_write_is_a_message() -> Result<(), Error> {
    let engine = engine(0, 16);
    let mut stream = stream(&engine);
    for token in [&b"a"[..], b"", b"b\xc3", b"\xa9", b"0123456789abcdefg"] {
        stream.write(token)?;
    }
    let contents = ["a", "b", "é", "0123456789abcdef", "g"];
    let expected: Vec<String> = (1..).zip(contents).map(|(seq, content)| piece(seq, content, GOES_ON)).collect();
    assert_eq!(take(&mut stream), expected);
    assert_eq!(engine.next_deadline(), None);
    Ok(())
}

#[test]
fn without_a_clock_nothing_waits() -> Result<(), Error> {
    let engine = Engine::default();
    let mut stream = stream(&engine);
    for (seq, content) in (1..).zip(["a", "b", "c"]) {
        stream.write(content.as_bytes())?;
        assert_eq!(take(&mut stream), [piece(seq, content, GOES_ON)]);
    }
    stream.write(b"d")?;
    engine.advance(1_000_000);
    assert_eq!(take(&mut stream), [piece(4, "d", GOES_ON)], "what was due stays due");
    stream.write(b"e")?;
    assert!(take(&mut stream).is_empty());
    assert_eq!(engine.next_deadline(), Some(1_000_040));
    Ok(())
}

#[test]
fn a_short_answer_that_nobody_waited_for_is_one_message() -> Result<(), Error> {
    let engine = engine(40, 16);
    let mut stream = stream(&engine);
    stream.write(b"0123456789abcde")?;
    stream.write(b"\xf0\x9f")?; // what is held does not fit any more
    stream.finish("stop", None)?;
    assert_eq!(take(&mut stream), [piece(1, "0123456789abcde", GOES_ON), piece(2, "\u{fffd}", STOP)]);

    let mut stream = self::stream(&engine);
    stream.write(b"0123456789ab")?;
    stream.write(b"\xf0\x9f")?;
    stream.finish("stop", None)?;
    assert_eq!(take(&mut stream), [piece(1, "0123456789ab\u{fffd}", STOP)]);

    let mut stream = self::stream(&engine);
    stream.write(b"0123456789abc\xf0\x9f")?; // 13 and 3 are the piece size: they fit
    stream.finish("stop", None)?;
    assert_eq!(take(&mut stream), [piece(1, "0123456789abc\u{fffd}", STOP)]);
    Ok(())
}

/// Every way to end, in every state that a stream can be in; and then nothing may follow.
#[test]
fn every_end_in_every_state() -> Result<(), Error> {
    type State = (&'static str, fn(&Engine, &mut TokenStream), &'static [&'static str], &'static str, usize);
    let states: [State; 6] = [
        ("new", |_, _| (), &[], "", 0),
        ("not taken", |_, s| s.write(b"ab").unwrap(), &[], "ab", 0),
        ("taken", |_, s| (s.write(b"ab").unwrap(), take(s)).0, &["ab"], "", 0),
        ("merging", |_, s| (s.write(b"ab").unwrap(), take(s), s.write(b"c").unwrap()).0, &["ab"], "c", 0),
        ("holding", |_, s| s.write(b"ab\xe4\xb8").unwrap(), &[], "ab", 1),
        (
            "due",
            |e, s| (s.write(b"ab").unwrap(), take(s), s.write(b"c\xed\xa0\x80\xed").unwrap(), e.advance(2000)).0,
            &["ab"],
            "c",
            2,
        ),
    ];
    for (name, bring, taken, pending, broken) in states {
        for end in ["finish", "fail", "cancel"] {
            let engine = engine(40, 4096);
            let mut stream = stream(&engine);
            bring(&engine, &mut stream);
            let first = taken.len() as u64 + 1;
            let rest = format!("{pending}{}", "\u{fffd}".repeat(broken));
            let expected = match end {
                "finish" => {
                    stream.finish("stop", None)?;
                    vec![piece(first, &rest, STOP)]
                }
                "cancel" => {
                    stream.cancel()?;
                    vec![piece(first, pending, r#""done":true,"finish_reason":"cancelled""#)]
                }
                _ => {
                    stream.fail("upstream_timeout", "no \"token\" in 30 s", true)?;
                    let mut all: Vec<String> = vec![];
                    if !pending.is_empty() {
                        all.push(piece(first, pending, GOES_ON));
                    }
                    let error = first + all.len() as u64;
                    all.push(format!(
                        concat!(
                            r#"{{"type":"error","requestId":"r","seq":{},"code":"upstream_timeout","#,
                            r#""message":"no \"token\" in 30 s","retryable":true}}"#
                        ),
                        error
                    ));
                    all.push(piece(error + 1, "", r#""done":true,"finish_reason":"error""#));
                    all
                }
            };
            assert_eq!((engine.next_deadline(), engine.next_due_stream()), (None, None), "{end} when {name}");
            assert_nothing_may_follow(&mut stream);
            assert_eq!(take(&mut stream), expected, "{end} when {name}");
            assert_nothing_may_follow(&mut stream);
            assert!(take(&mut stream).is_empty() && stream.is_finished() && stream.pending_bytes() == 0);
            assert_eq!((engine.next_deadline(), engine.next_due_stream()), (None, None), "{end} when {name}");
        }
    }
    Ok(())
}

fn assert_nothing_may_follow(stream: &mut TokenStream) {
    let before = (stream.pending_bytes(), stream.next_seq(), stream.is_finished());
    let refused = [
        stream.write(b"x"),
        stream.write(b""),
        stream.finish("stop", None),
        stream.fail("c", "m", true),
        stream.cancel(),
        stream.set_first_seq(5),
    ];
    assert!(refused.iter().all(|result| matches!(result, Err(Error::State(_)))), "{refused:?}");
    assert_eq!((stream.pending_bytes(), stream.next_seq(), stream.is_finished()), before);
}

#[test]
fn the_numbers_begin_where_the_host_says() -> Result<(), Error> {
    let engine = engine(40, 4096);
    let mut stream = stream(&engine);
    for wrong in [0, TokenStream::MAX_SEQ + 1, u64::MAX] {
        assert!(matches!(stream.set_first_seq(wrong), Err(Error::InvalidArgument(_))));
    }
    stream.set_first_seq(TokenStream::MAX_SEQ)?;
    stream.set_first_seq(42)?;
    stream.write(b"a")?; // pending: no message was made yet
    stream.set_first_seq(43)?;
    assert_eq!(stream.next_seq(), 43);
    assert_eq!(take(&mut stream), [piece(43, "a", GOES_ON)]);
    assert!(matches!(stream.set_first_seq(1), Err(Error::State(_))));
    stream.finish("stop", None)?;
    assert_eq!(take(&mut stream), [piece(44, "", STOP)]);
    Ok(())
}

#[test]
fn streams_are_handed_out_once_and_forgotten_when_they_are_gone() -> Result<(), Error> {
    let engine = engine(40, 4096);
    let mut streams: Vec<Option<TokenStream>> = Vec::new();
    for token in 0..2000 {
        let mut stream = stream(&engine);
        stream.set_token(token);
        stream.write(b"a")?;
        take(&mut stream);
        stream.write(b"b")?;
        streams.push(Some(stream));
        engine.advance(1000 + token as u64 / 100);
    }
    streams[3] = None; // while it is armed
    engine.advance(2000);
    streams[4] = None; // while it is due
    take(streams[5].as_mut().unwrap()); // before it is handed out
    let mut handed_out = Vec::new();
    while let Some(token) = engine.next_due_stream() {
        let stream = streams[token].as_mut().expect("a stream that is there");
        assert_eq!(take(stream), [piece(2, "b", GOES_ON)]);
        handed_out.push(token);
    }
    handed_out.sort_unstable();
    let expected: Vec<usize> = (0..2000).filter(|token| ![3, 4, 5].contains(token)).collect();
    assert_eq!(handed_out, expected);
    assert_eq!((engine.next_deadline(), engine.next_due()), (None, None));
    assert_eq!(engine.metrics().streams_open, 1998);
    Ok(())
}

/// The engine's timers for streams are there from its first stream on.
#[test]
fn the_first_stream_may_come_late() -> Result<(), Error> {
    for start in [0, 1, 63, 64, 100_000, 1 << 31, 1 << 40] {
        let engine = Engine::default();
        engine.advance(0);
        engine.advance(start);
        let mut stream = stream(&engine);
        stream.write(b"a")?;
        take(&mut stream);
        stream.write(b"b")?;
        assert!(engine.next_deadline().is_some_and(|next| next > start && next <= start + 40), "{start}");
        engine.advance(start + 39);
        assert_eq!(engine.next_due_stream(), None);
        engine.advance(start + 40);
        assert_eq!(engine.next_due_stream(), Some(0));
    }
    Ok(())
}

#[test]
fn a_stream_outlives_its_engine() -> Result<(), Error> {
    let engine = engine(40, 4096);
    let mut stream = stream(&engine);
    stream.write(b"a")?;
    take(&mut stream);
    stream.write(b"b")?;
    drop(engine);
    stream.write(b"c")?;
    assert!(take(&mut stream).is_empty(), "time stands still");
    stream.finish("stop", None)?;
    assert_eq!(take(&mut stream), [piece(2, "bc", STOP)]);
    Ok(())
}

#[test]
fn settings_have_their_ranges() {
    let mut config = Config::new();
    for (ms, is_fine) in [(0, true), (10_000, true), (10_001, false), (u32::MAX, false)] {
        assert_eq!(config.set_stream_merge_time(ms).is_ok(), is_fine, "{ms}");
    }
    for (bytes, is_fine) in [(15, false), (16, true), (1 << 20, true), ((1 << 20) + 1, false)] {
        assert_eq!(config.set_stream_piece_size(bytes).is_ok(), is_fine, "{bytes}");
    }
    for (low, high, is_fine) in [(0, 1, true), (1, 1, false), (2, 1, false), (0, 0, false), (0, usize::MAX, true)] {
        assert_eq!(config.set_stream_water_marks(low, high).is_ok(), is_fine, "{low} {high}");
    }
}

#[test]
fn the_counters_count() -> Result<(), Error> {
    let engine = engine(0, 16);
    let mut stream = stream(&engine);
    stream.write("a\"é".as_bytes())?;
    stream.write(b"\x80")?;
    stream.fail("c", "message", true)?;
    let seen = engine.metrics();
    assert_eq!((seen.streams_open, seen.stream_messages, seen.stream_text_bytes), (1, 4, 7));
    let text = seen.to_prometheus();
    for line in ["wsengine_streams_open 1", "wsengine_stream_messages_total 4", "wsengine_stream_text_bytes_total 7"] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
    drop(stream);
    assert_eq!(engine.metrics().streams_open, 0);
    Ok(())
}
