//! The byte streams: what a client would send, made from fixed seeds, the same for every subject.

use crate::job::{Bytes, checksum};

/// What messages consist of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    Ascii,
    Chinese,
    Binary,
    Json,
}

impl Content {
    pub fn is_text(self) -> bool {
        self != Content::Binary
    }
}

/// Messages and the frames that carry them.
pub struct Stream {
    pub messages: Vec<Vec<u8>>,
    pub frames: Bytes,
    pub bytes: u64,
    pub checksum: u64,
}

impl Stream {
    /// Messages of `size` bytes each, in all no more than a core's second-level cache holds, as bytes that the network
    /// has just brought would be; but two at least.
    pub fn plain(content: Content, size: usize) -> Stream {
        let total = (512 << 10).max(2 * size);
        let mut random = Random(0x9e37_79b9 + size as u64);
        let messages: Vec<_> = (0..total / size).map(|_| message(content, size, &mut random)).collect();
        let mut frames = Vec::new();
        for message in &messages {
            frame(&mut frames, content.is_text(), false, message, &mut random);
        }
        Stream::new(messages, frames)
    }

    /// Messages compressed by a client (RFC 7692, at zlib's level 6), together more than a window, so that a stream
    /// that is read again compresses no better.
    pub fn compressed(size: usize, takeover: bool) -> Stream {
        let mut random = Random(0x7692);
        let messages: Vec<_> = (0..192).map(|_| message(Content::Json, size, &mut random)).collect();
        let mut deflate = flate2::Compress::new(flate2::Compression::new(6), false);
        let mut frames = Vec::new();
        for message in &messages {
            if !takeover {
                deflate.reset();
            }
            let mut compressed = Vec::with_capacity(2 * message.len() + 64);
            deflate.compress_vec(message, &mut compressed, flate2::FlushCompress::Sync).expect("compress");
            compressed.truncate(compressed.len() - 4);
            frame(&mut frames, true, true, &compressed, &mut random);
        }
        Stream::new(messages, frames)
    }

    /// What a connection echoes before its memory is measured: 1 KiB, then 16 KiB.
    pub fn traffic() -> Stream {
        let mut random = Random(0x1d1e);
        let messages = vec![message(Content::Ascii, 1024, &mut random), message(Content::Ascii, 16_384, &mut random)];
        let mut frames = Vec::new();
        for message in &messages {
            frame(&mut frames, true, false, message, &mut random);
        }
        Stream::new(messages, frames)
    }

    fn new(messages: Vec<Vec<u8>>, frames: Vec<u8>) -> Stream {
        Stream {
            bytes: messages.iter().map(|message| message.len() as u64).sum(),
            checksum: messages.iter().map(|message| checksum(message)).sum(),
            messages,
            frames: Bytes::new(frames),
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

fn message(content: Content, size: usize, random: &mut Random) -> Vec<u8> {
    let mut text = String::with_capacity(size + 128);
    match content {
        Content::Binary => return (0..size).map(|_| random.next() as u8).collect(),
        Content::Ascii => {
            while text.len() < size {
                text.push(char::from(32 + random.below(95) as u8));
            }
        }
        Content::Chinese => {
            while text.len() + 3 <= size {
                text.push(char::from_u32(0x4e00 + random.below(0x5000) as u32).expect("a CJK ideograph"));
            }
            while text.len() < size {
                text.push('.');
            }
        }
        Content::Json => {
            const NAMES: [&str; 8] = ["temperature", "humidity", "pressure", "voltage", "current", "speed", "load", "flow"];
            text.push_str("{\"type\":\"update\",\"readings\":[");
            while text.len() + 110 < size {
                let name = NAMES[random.below(8) as usize];
                let (id, value) = (random.below(1_000_000), random.below(10_000_000));
                let time = 1_700_000_000 + random.below(100_000_000);
                text.push_str(&format!("{{\"id\":{id},\"name\":\"{name}\",\"value\":{}.{:03},\"time\":{time}}},", value / 1000, value % 1000));
            }
            text.push_str("{}],\"pad\":\"");
            while text.len() + 2 < size {
                text.push(char::from(b'a' + random.below(26) as u8));
            }
            text.push_str("\"}");
        }
    }
    assert_eq!(text.len(), size);
    text.into_bytes()
}

/// A client's frame, masked (RFC 6455, 5.2).
fn frame(out: &mut Vec<u8>, text: bool, compressed: bool, payload: &[u8], random: &mut Random) {
    out.push(0x80 | if compressed { 0x40 } else { 0 } | if text { 1 } else { 2 });
    match payload.len() {
        len @ ..=125 => out.push(0x80 | len as u8),
        len @ 126..=65_535 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    let key = (random.next() as u32).to_be_bytes();
    out.extend_from_slice(&key);
    out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
}

/// Splits what a server sent into messages; None if it is not a row of whole, unmasked messages.
pub fn server_messages(mut bytes: &[u8], compressed: bool) -> Option<Vec<&[u8]>> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let plain = first == 0x81 || first == 0x82;
        if !plain && !(compressed && first == 0xc1) || second & 0x80 != 0 {
            return None;
        }
        let (len, rest) = match second {
            126 => rest.split_first_chunk().map(|(len, rest)| (u16::from_be_bytes(*len) as usize, rest))?,
            127 => rest.split_first_chunk().map(|(len, rest)| (u64::from_be_bytes(*len) as usize, rest))?,
            len => (len as usize, rest),
        };
        let (payload, rest) = rest.split_at_checked(len)?;
        messages.push(payload);
        bytes = rest;
    }
    Some(messages)
}

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// What the answer must hold: the accept value of RFC 6455, 1.3.
pub const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The least that a handshake is made of.
pub fn minimal_request() -> Bytes {
    Bytes::new(
        format!(
            "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        .into_bytes(),
    )
}

/// The same, offering permessage-deflate.
pub fn deflate_request(takeover: bool) -> Bytes {
    let extra = if takeover { "" } else { "; server_no_context_takeover; client_no_context_takeover" };
    Bytes::new(
        format!(
            "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Extensions: permessage-deflate{extra}\r\n\r\n"
        )
        .into_bytes(),
    )
}

/// What a browser sends.
pub fn browser_request() -> Bytes {
    Bytes::new(
        format!(
            "GET /chat?room=42 HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nPragma: no-cache\r\n\
             Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like \
             Gecko) Chrome/126.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\nOrigin: http://example.com\r\n\
             Sec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: \
             en-US,en;q=0.9,de;q=0.8\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
        )
        .into_bytes(),
    )
}
