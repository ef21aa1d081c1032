//! Frames that are prepared once by tungstenite's encoder and sent over and over, and what has to come back for them.

use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::load::Kind;

/// Distinct messages of one length, side by side. A message that is lost, repeated, or mixed up with another is noticed
/// because its neighbours differ.
pub struct Tape {
    /// The frames that the client sends, masked.
    pub request: Vec<u8>,
    /// The frames that the server has to answer with.
    pub answer: Vec<u8>,
    /// The length of each frame.
    pub request_len: usize,
    pub answer_len: usize,
}

/// A tape this long or longer has no more messages than two.
const LENGTH: usize = 256 * 1024;

impl Tape {
    pub fn new(size: usize, kind: Kind) -> Tape {
        let count = (LENGTH / size).clamp(2, 64);
        let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ size as u64);
        let mut tape = Tape { request: Vec::new(), answer: Vec::new(), request_len: 0, answer_len: 0 };
        for _ in 0..count {
            let payload = payload(size, kind, &mut random);
            let opcode = OpCode::Data(if kind == Kind::Binary { Data::Binary } else { Data::Text });
            let mut frame = Frame::message(payload.clone(), opcode, true);
            frame.header_mut().mask = Some((random.next() as u32).to_be_bytes());
            frame.format(&mut tape.request).expect("a Vec takes everything");
            Frame::message(payload, opcode, true).format(&mut tape.answer).expect("a Vec takes everything");
        }
        tape.request_len = tape.request.len() / count;
        tape.answer_len = tape.answer.len() / count;
        tape
    }

    /// For a server that sends back the bytes that it got.
    pub fn unchanged(mut self) -> Tape {
        self.answer = self.request.clone();
        self.answer_len = self.request_len;
        self
    }
}

fn payload(size: usize, kind: Kind, random: &mut Random) -> Vec<u8> {
    const CHINESE: &str = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏，。";
    let chinese: Vec<char> = CHINESE.chars().collect();
    let mut payload = Vec::with_capacity(size + 2);
    while payload.len() < size {
        let number = random.next() as usize;
        match kind {
            Kind::Binary => payload.push(number as u8),
            Kind::Chinese if size - payload.len() >= 3 => {
                payload.extend(chinese[number % chinese.len()].to_string().as_bytes());
            }
            Kind::Ascii | Kind::Chinese => payload.push(b' ' + (number % 95) as u8),
        }
    }
    payload
}

/// xorshift64*: the same bytes in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frames_are_whole_and_differ() {
        for kind in [Kind::Binary, Kind::Ascii, Kind::Chinese] {
            for size in [16, 512, 16384, 1 << 20] {
                let tape = Tape::new(size, kind);
                assert_eq!(tape.request_len, tape.answer_len + 4);
                let answers: Vec<_> = tape.answer.chunks(tape.answer_len).collect();
                assert!(answers.windows(2).all(|pair| pair[0] != pair[1]));
                for answer in answers {
                    let payload = &answer[tape.answer_len - size..];
                    assert!(kind == Kind::Binary || std::str::from_utf8(payload).is_ok());
                }
            }
        }
    }
}
