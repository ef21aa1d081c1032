//! Token streams: what is written, byte by byte or at once, as JSON messages.

use wsengine::{Config, Engine, Error, TokenStream, Usage};

/// Takes all messages that are due, as texts.
pub fn take(stream: &mut TokenStream) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(message) = stream.next_message() {
        texts.push(String::from_utf8(message.json.to_vec()).expect("JSON is UTF-8"));
    }
    texts
}

#[test]
fn a_stream_from_its_first_token_to_its_last() -> Result<(), Error> {
    let engine = Engine::new(Config::new().set_stream_merge_time(40)?);
    engine.advance(1000);
    let mut stream = TokenStream::new(&engine, Some("r-1"));
    stream.set_token(7);
    assert!(take(&mut stream).is_empty());

    stream.write(b"Hel")?;
    assert_eq!(take(&mut stream), [r#"{"type":"stream","requestId":"r-1","seq":1,"content":"Hel","done":false}"#]);
    stream.write(b"lo ")?;
    stream.write("世".as_bytes())?;
    assert!(take(&mut stream).is_empty());
    assert_eq!(engine.next_deadline(), Some(1040));
    engine.advance(1039);
    assert_eq!(engine.next_due_stream(), None);
    engine.advance(1040);
    assert_eq!(engine.next_due_stream(), Some(7));
    assert_eq!(engine.next_due_stream(), None);
    assert_eq!(take(&mut stream), [r#"{"type":"stream","requestId":"r-1","seq":2,"content":"lo 世","done":false}"#]);

    stream.write("界".as_bytes())?;
    stream.finish("stop", Some(Usage { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }))?;
    assert!(!stream.is_finished());
    assert_eq!(
        take(&mut stream),
        [concat!(
            r#"{"type":"stream","requestId":"r-1","seq":3,"content":"界","done":true,"finish_reason":"stop","#,
            r#""usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#
        )]
    );
    assert!(stream.is_finished());
    assert_eq!(engine.next_deadline(), None);
    Ok(())
}
