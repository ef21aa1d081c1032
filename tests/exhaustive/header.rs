//! The header decoder (RFC 6455, 5.2) on all 65,536 first two bytes, with every extended length that is near a
//! boundary, every 16-bit length, and at every place where the bytes may stop.

use crate::{full, in_parallel, open_pair, sample};
use wsengine::frame::header::{Expect, Header, OpCode};
use wsengine::{Config, Connection, Engine, Event, State, Violation};

const KEYS: [[u8; 4]; 3] = [[0; 4], [0x37, 0xfa, 0x21, 0x3d], [0xff; 4]];

/// Lengths at and next to every boundary of the three forms, written in 16 bits.
const LENGTHS_16: [u16; 12] = [0, 1, 124, 125, 126, 127, 128, 255, 256, 32_767, 65_534, 65_535];

/// The same in 64 bits.
const LENGTHS_64: [u64; 24] = [
    0,
    1,
    125,
    126,
    127,
    255,
    65_534,
    65_535,
    65_536,
    65_537,
    (1 << 31) - 1,
    1 << 31,
    (1 << 31) + 1,
    (1 << 32) - 1,
    1 << 32,
    (1 << 32) + 1,
    (1 << 62) - 1,
    1 << 62,
    (1 << 63) - 2,
    (1 << 63) - 1,
    1 << 63,
    (1 << 63) + 1,
    u64::MAX - 1,
    u64::MAX,
];

/// What receivers demand: a server or a client, without compression or with it.
const RECEIVERS: [Expect; 4] = [
    Expect { masked: true, rsv1: false },
    Expect { masked: false, rsv1: false },
    Expect { masked: true, rsv1: true },
    Expect { masked: false, rsv1: true },
];

/// What RFC 6455, 5.2, says of the first bytes of a frame.
#[derive(Debug, PartialEq)]
enum Model {
    /// No rule is broken, and more bytes are needed.
    Incomplete,
    /// The last byte breaks these rules; any of them may be named.
    Broken(Vec<Violation>),
    Complete {
        header: Header,
        len: usize,
    },
}

/// The frame's fields as the figure in RFC 6455, 5.2, draws them, read bit by bit.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u64> {
        if self.at + count > self.bytes.len() * 8 {
            return None;
        }
        let mut value = 0;
        for at in self.at..self.at + count {
            value = value << 1 | u64::from(self.bytes[at / 8] >> (7 - at % 8) & 1);
        }
        self.at += count;
        Some(value)
    }
}

fn model(bytes: &[u8], receiver: Expect) -> Model {
    model_of_fields(bytes, receiver).unwrap_or(Model::Incomplete)
}

/// `None` where a field is not there yet.
fn model_of_fields(bytes: &[u8], receiver: Expect) -> Option<Model> {
    let mut bits = Bits { bytes, at: 0 };
    let mut broken = Vec::new();
    let mut rule = |violated: bool, violation: Violation| {
        if violated {
            broken.push(violation);
        }
    };

    let fin = bits.take(1)? == 1;
    let (rsv1, rsv2_and_3) = (bits.take(1)? == 1, bits.take(2)?);
    // "MUST be 0 unless an extension is negotiated"
    rule(rsv2_and_3 != 0 || rsv1 && !receiver.rsv1, Violation::ReservedBits);
    let opcode = bits.take(4)?;
    rule(rsv1 && opcode == 0, Violation::CompressedContinuation); // RFC 7692, 6.1: only on the first fragment
    rule(rsv1 && opcode >= 8, Violation::CompressedControl); // and on no control frame
    let is_control = opcode >= 8; // "the most significant bit of the opcode is 1" (5.5)
    rule(matches!(opcode, 3..=7 | 11..=15), Violation::ReservedOpcode);
    rule(is_control && !fin, Violation::FragmentedControl);
    if !broken.is_empty() {
        return Some(Model::Broken(broken));
    }

    let mut rule = |violated: bool, violation: Violation| {
        if violated {
            broken.push(violation);
        }
    };
    let masked = bits.take(1)? == 1;
    rule(!masked && receiver.masked, Violation::MaskMissing);
    rule(masked && !receiver.masked, Violation::MaskPresent);
    let short = bits.take(7)?;
    rule(is_control && short > 125, Violation::ControlTooLong);
    if !broken.is_empty() {
        return Some(Model::Broken(broken));
    }

    let (payload_len, shortest) = match short {
        126 => (bits.take(16)?, 126),
        127 => (bits.take(64)?, 65_536),
        len => (len, 0),
    };
    if payload_len >> 63 != 0 {
        return Some(Model::Broken(vec![Violation::LengthTopBit]));
    }
    if payload_len < shortest {
        return Some(Model::Broken(vec![Violation::LengthNotMinimal]));
    }
    let mask = match masked {
        true => Some((bits.take(32)? as u32).to_be_bytes()),
        false => None,
    };
    let opcode = match opcode {
        0 => OpCode::Continuation,
        1 => OpCode::Text,
        2 => OpCode::Binary,
        8 => OpCode::Close,
        9 => OpCode::Ping,
        _ => OpCode::Pong,
    };
    Some(Model::Complete { header: Header { fin, rsv1, opcode, mask, payload_len }, len: bits.at / 8 })
}

/// A header of these first two bytes, a length field that fits them, and a key if they announce one.
fn bytes_of(first: u8, second: u8, len_field: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![first, second];
    bytes.extend(len_field);
    if second & 0x80 != 0 {
        bytes.extend(key);
    }
    bytes
}

/// Decodes `bytes` cut off at every place, as a server and as a client, and compares each with the model.
fn check(bytes: &[u8]) {
    for receiver in RECEIVERS {
        let mut over = false;
        for end in 0..=bytes.len() {
            let expected = if over { None } else { Some(model(&bytes[..end], receiver)) };
            let decoded = Header::decode(&bytes[..end], receiver);
            match (expected, decoded) {
                (Some(Model::Incomplete), Ok(None)) => {}
                (Some(Model::Broken(violations)), Err(violation)) if violations.contains(&violation) => {
                    assert_eq!(violation.close_code(), 1002);
                    over = true; // what comes behind it changes nothing
                }
                (None, Err(_)) => {}
                (Some(Model::Complete { header, len }), Ok(Some(decoded))) => {
                    assert_eq!(decoded, (header, len), "{:x?}", &bytes[..end]);
                    assert_eq!((len, end), (bytes.len(), bytes.len()), "as soon as it is there, and not before");
                    assert_eq!(header.encode().as_bytes(), bytes, "encode(decode(x)) == x");
                    let followed = [bytes, &[0xff; 3]].concat();
                    assert_eq!(Header::decode(&followed, receiver), Ok(Some(decoded)));
                }
                (expected, decoded) => {
                    panic!("{:x?} for {receiver:?}: {decoded:?} instead of {expected:?}", &bytes[..end]);
                }
            }
        }
    }
}

/// Calls `visit` with every header of these first two bytes whose length is near a boundary, with each of these keys.
fn boundary_headers(first: u8, second: u8, keys: &[[u8; 4]], mut visit: impl FnMut(&[u8])) {
    for &key in keys {
        match second & 0x7f {
            126 => LENGTHS_16.iter().for_each(|len| visit(&bytes_of(first, second, &len.to_be_bytes(), key))),
            127 => LENGTHS_64.iter().for_each(|len| visit(&bytes_of(first, second, &len.to_be_bytes(), key))),
            _ => visit(&bytes_of(first, second, &[], key)),
        }
    }
}

#[test]
fn every_first_two_bytes_with_every_boundary_length() {
    in_parallel(256, |first| {
        for second in 0..=255 {
            boundary_headers(first as u8, second, &KEYS, check);
        }
    });
}

#[test]
fn every_16_bit_length() {
    for len in sample(0..=u16::MAX, 251).chain(LENGTHS_16) {
        for second in [126, 0x80 | 126] {
            for first in [0x00, 0x01, 0x02, 0x80, 0x81, 0x82] {
                check(&bytes_of(first, second, &len.to_be_bytes(), KEYS[1]));
            }
        }
    }
}

/// The decoder inside a connection, which keeps half a header between two pieces of input: it fails at the very byte
/// that breaks a rule, and cutting changes nothing.
#[test]
fn a_connection_decides_at_the_same_byte_however_the_header_is_cut() {
    let stride = if full() { 1 } else { 32 };
    let keys = if full() { &KEYS[..] } else { &KEYS[1..2] };
    in_parallel(256, |first| {
        let engine = Engine::new(&Config::new());
        for second in (first % stride..256).step_by(stride).chain([0, 125, 126, 127, 128, 253, 254, 255]) {
            boundary_headers(first as u8, second as u8, keys, |bytes| check_in_connections(&engine, bytes));
        }
    });
}

fn check_in_connections(engine: &Engine, bytes: &[u8]) {
    let (server, client) = open_pair(engine);
    for (mut conn, receiver) in [(server, RECEIVERS[0]), (client, RECEIVERS[1])] {
        let mut broken = false;
        for end in 1..=bytes.len() {
            feed(&mut conn, &bytes[end - 1..end]);
            let at_end = model(&bytes[..end], receiver);
            broken |= matches!(at_end, Model::Broken(_));
            if !matches!(at_end, Model::Complete { .. }) {
                assert_eq!(conn.state() == State::Closed, broken, "{:x?}", &bytes[..end]);
            }
        }
        let byte_by_byte = conn.state();

        // The last cut is none.
        for cut in sample(1..=bytes.len(), 6).chain([bytes.len()]) {
            let (server, client) = open_pair(engine);
            let mut conn = if receiver.masked { server } else { client };
            feed(&mut conn, &bytes[..cut]);
            feed(&mut conn, &bytes[cut..]);
            assert_eq!(conn.state(), byte_by_byte, "{bytes:x?} cut at {cut}");
        }
    }
}

/// Gives input and pulls; a header alone can bring nothing but an empty frame or the end.
fn feed(conn: &mut Connection, bytes: &[u8]) {
    conn.feed(bytes).expect("nothing is pending");
    while let Some(event) = conn.next_event() {
        match event {
            Event::Text(text) => assert_eq!(text.as_bytes(), b""),
            Event::Binary(data) | Event::Ping(data) | Event::Pong { data, .. } => assert_eq!(data, b""),
            Event::Close(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
