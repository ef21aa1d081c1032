//! Tests of the codec.

mod deflating;
mod hostile;
mod inflating;
mod pooled;
mod walker;

use super::{Deflator, Flush, Inflator};
use crate::violation::Violation;

/// Plenty, for tests that are not about limits.
const ROOM: usize = 1 << 24;

/// One message, compressed by a compressor that knows of none before.
fn compressed(message: &[u8], level: u8) -> Vec<u8> {
    let mut out = Vec::new();
    Deflator::new(level, 8, 15).deflate(message, Flush::Message, &mut out);
    out
}

/// One message, given at once.
fn inflated(inflator: &mut Inflator, message: &[u8]) -> Result<Vec<u8>, Violation> {
    inflated_in_pieces(inflator, [message], std::iter::repeat(ROOM))
}

/// One message in pieces, with so much room for each call.
fn inflated_in_pieces<'a>(
    inflator: &mut Inflator,
    pieces: impl IntoIterator<Item = &'a [u8]>,
    rooms: impl IntoIterator<Item = usize>,
) -> Result<Vec<u8>, Violation> {
    let mut rooms = rooms.into_iter();
    let mut room = || rooms.next().unwrap_or(ROOM);
    let mut out = b"kept".to_vec();
    let check = |out: &Vec<u8>, before: usize, room: usize, all: bool| {
        assert!(out.len() - before <= room, "more than there was room for");
        assert!(all || out.len() - before == room, "stopped with room left");
    };
    for mut piece in pieces {
        loop {
            let (before, room) = (out.len(), room());
            let used = inflator.inflate(piece, &mut out, room)?;
            check(&out, before, room, used == piece.len());
            if used == piece.len() {
                break;
            }
            piece = &piece[used..];
        }
    }
    loop {
        let (before, room) = (out.len(), room());
        let all = inflator.finish(&mut out, room)?;
        check(&out, before, room, all);
        if all {
            assert!(out.starts_with(b"kept"));
            return Ok(out.split_off(4));
        }
    }
}

/// Payloads of different kinds: text that repeats near and far, bytes that do not shrink, runs, short ones.
fn payloads() -> Vec<Vec<u8>> {
    let mut payloads = vec![b"a".to_vec(), b"Hello".to_vec(), vec![0; 300], json(700), noise(500, 7)];
    payloads.push([json(200), noise(200, 8), json(200)].concat());
    payloads
}

fn json(len: usize) -> Vec<u8> {
    let mut text = Vec::new();
    for (index, number) in noise(len, 1).iter().enumerate() {
        text.extend(format!("{{\"id\":{index},\"name\":\"user {number}\",\"active\":{}}},", number % 2 == 0).bytes());
        if text.len() >= len {
            break;
        }
    }
    text.truncate(len);
    text
}

/// The same at every run.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}
