//! What goes over the wire, each way: the question, and one message of the answer.

use std::borrow::Cow;
use std::io::{self, Cursor};

use serde::Deserialize;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

#[derive(Clone, Copy)]
pub enum Way {
    /// A WebSocket to ai_chat.
    Chat,
    /// HTTP to the upstream, as ai_chat asks it.
    Direct,
}

pub enum Piece<'a> {
    Nothing,
    /// To be sent back.
    Pong(Vec<u8>),
    /// Of the answer. The upstream's own messages have no `seq`.
    Text {
        seq: Option<u64>,
        content: Cow<'a, str>,
        done: bool,
    },
}

impl Way {
    pub fn request(self, question: usize) -> Vec<u8> {
        match self {
            Way::Chat => masked(Frame::message(
                format!(r#"{{"type":"chat","sessionId":"bench-{question}","message":"q{question}"}}"#),
                OpCode::Data(Data::Text),
                true,
            )),
            Way::Direct => {
                let body = format!(
                    r#"{{"model":"bench","stream":true,"messages":[{{"role":"user","content":"q{question}"}}]}}"#
                );
                let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: upstream\r\nContent-Type: application/json";
                format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
            }
        }
    }

    /// The message at the beginning of `input` and how many bytes it takes; None if it is not whole.
    pub fn next_piece(self, input: &[u8]) -> io::Result<Option<(Piece<'_>, usize)>> {
        match self {
            Way::Chat => frame(input),
            Way::Direct => line(input),
        }
    }
}

fn masked(mut frame: Frame) -> Vec<u8> {
    frame.header_mut().mask = Some([0x4b, 0x1d, 0xa7, 0x32]);
    let mut bytes = Vec::new();
    frame.format(&mut bytes).expect("a Vec takes everything");
    bytes
}

// ---- the chat's messages ----

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(default)]
    seq: Option<u64>,
    #[serde(borrow, default)]
    content: Cow<'a, str>,
    #[serde(default)]
    done: bool,
    #[serde(borrow, default)]
    finish_reason: Option<&'a str>,
}

fn frame(input: &[u8]) -> io::Result<Option<(Piece<'_>, usize)>> {
    let mut cursor = Cursor::new(input);
    let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(io::Error::other)? else { return Ok(None) };
    let start = cursor.position() as usize;
    let end = start + length as usize;
    let Some(payload) = input.get(start..end) else { return Ok(None) };
    let piece = match header.opcode {
        OpCode::Data(Data::Text) if header.is_final => message(payload)?,
        OpCode::Control(Control::Ping) => Piece::Pong(masked(Frame::pong(payload.to_vec()))),
        opcode => return Err(io::Error::other(format!("a frame of the kind {opcode:?} came"))),
    };
    Ok(Some((piece, end)))
}

fn message(payload: &[u8]) -> io::Result<Piece<'_>> {
    let message: Message = serde_json::from_slice(payload)?;
    match (message.kind, message.done, message.finish_reason) {
        ("stream", false, None) | ("stream", true, Some("stop")) => {
            let seq = Some(message.seq.ok_or_else(|| io::Error::other("a message of an answer has no seq"))?);
            Ok(Piece::Text { seq, content: message.content, done: message.done })
        }
        ("status" | "service", ..) => Ok(Piece::Nothing),
        _ => Err(io::Error::other(format!("the chat says {}", String::from_utf8_lossy(payload)))),
    }
}

// ---- the upstream's: lines, most of them of chunks ----

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    choices: [Choice<'a>; 1],
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    delta: Delta<'a>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Cow<'a, str>,
}

fn line(input: &[u8]) -> io::Result<Option<(Piece<'_>, usize)>> {
    let Some(length) = input.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
    let piece = match input[..length].strip_prefix(b"data: ") {
        None => Piece::Nothing,
        Some(b"[DONE]") => Piece::Text { seq: None, content: Cow::Borrowed(""), done: true },
        Some(data) => {
            let event: Event = serde_json::from_slice(data)?;
            let [Choice { delta }] = event.choices;
            Piece::Text { seq: None, content: delta.content, done: false }
        }
    };
    Ok(Some((piece, length + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(text: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let frame = Frame::message(text.to_owned(), OpCode::Data(Data::Text), true);
        frame.format(&mut bytes).expect("a Vec takes everything");
        bytes
    }

    #[test]
    fn a_message_is_taken_when_it_is_whole() {
        let bytes = framed(r#"{"type":"stream","requestId":"r","seq":3,"content":"a\nb ","done":false}"#);
        for length in 0..bytes.len() {
            assert!(Way::Chat.next_piece(&bytes[..length]).unwrap().is_none(), "{length}");
        }
        let Some((Piece::Text { seq, content, done }, used)) = Way::Chat.next_piece(&bytes).unwrap() else { panic!() };
        assert_eq!((seq, &*content, done, used), (Some(3), "a\nb ", false, bytes.len()));
    }

    #[test]
    fn what_is_no_good_answer_is_an_error() {
        for text in [
            r#"{"type":"error","code":"overloaded","message":"m","retryable":true}"#,
            r#"{"type":"stream","requestId":"r","seq":1,"content":"","done":true,"finish_reason":"error"}"#,
            r#"{"type":"stream","content":"","done":true,"finish_reason":"stop"}"#,
            "{",
        ] {
            assert!(Way::Chat.next_piece(&framed(text)).is_err(), "{text}");
        }
        assert!(Way::Direct.next_piece(b"data: {}\n").is_err());
    }
}
