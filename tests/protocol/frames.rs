//! RFC 6455, section 5: the frame on the wire.

use crate::support::*;
use wsengine::frame::header::Expect;
use wsengine::frame::{Header, OpCode, mask};

const FROM_CLIENT: Expect = Expect { masked: true, rsv1: false };
const FROM_SERVER: Expect = Expect { masked: false, rsv1: false };

/// The examples of RFC 6455, 5.7.
#[test]
fn vectors_of_the_rfc() {
    let hello_masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(every_split(open_server, &hello_masked).0, [Seen::text("Hello")]);

    let hello = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(every_split(open_client, &hello).0, [Seen::text("Hello")]);

    let fragmented = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(every_split(open_client, &fragmented).0, [Seen::text("Hello")]);

    let ping = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(feed(&mut open_client(), &ping), [Seen::Ping(b"Hello".to_vec())]);
    let masked_pong = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(every_split(open_server, &masked_pong).0, [Seen::Pong(b"Hello".to_vec())]);

    let binary_256 = [&[0x82, 0x7e, 0x01, 0x00][..], &[7; 256]].concat();
    assert_eq!(every_split(open_client, &binary_256).0, [Seen::Binary(vec![7; 256])]);
    let binary_64k = [&[0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0][..], &[7; 65_536]].concat();
    assert_eq!(feed(&mut open_client(), &binary_64k), [Seen::Binary(vec![7; 65_536])]);
}

/// What is sent for each of those, unmasked by a server.
#[test]
fn sent_in_the_shortest_form() {
    for (len, head) in [
        (0, vec![0x82, 0]),
        (125, vec![0x82, 125]),
        (126, vec![0x82, 126, 0, 126]),
        (65_535, vec![0x82, 126, 0xff, 0xff]),
        (65_536, vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let mut server = open_server();
        server.outbound().queue_binary(&vec![9; len]).unwrap();
        assert_eq!(take(&mut server), [head, vec![9; len]].concat());
    }
}

#[test]
fn every_length_form_arrives() {
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
        let payload = (0..len).map(|i| i as u8).collect::<Vec<_>>();
        assert_eq!(feed(&mut open_server(), &masked(BINARY, &payload)), [Seen::Binary(payload)]);
    }
}

#[test]
fn reserved_bits_fail() {
    for bit in [0x40, 0x20, 0x10] {
        for opcode in [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] {
            assert_server_fails(&raw_frame(0x80 | bit | opcode, b"", Some(KEY)), 1002);
        }
    }
}

#[test]
fn reserved_opcodes_fail() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        assert_server_fails(&masked(opcode, b""), 1002);
    }
}

#[test]
fn control_frames_are_neither_fragmented_nor_long() {
    for opcode in [CLOSE, PING, PONG] {
        assert_server_fails(&masked_part(opcode, b""), 1002);
        assert_server_fails(&masked(opcode, &[b'x'; 126]), 1002);
    }
}

#[test]
fn lengths_in_a_longer_form_than_needed_fail() {
    for len in [0u16, 1, 125] {
        let bytes = [&[0x82, 0x80 | 126][..], &len.to_be_bytes(), &KEY].concat();
        assert_server_fails(&bytes, 1002);
    }
    for len in [0u64, 125, 126, 65_535] {
        let bytes = [&[0x82, 0x80 | 127][..], &len.to_be_bytes(), &KEY].concat();
        assert_server_fails(&bytes, 1002);
    }
}

#[test]
fn lengths_with_the_top_bit_fail() {
    for len in [1u64 << 63, u64::MAX] {
        assert_server_fails(&[&[0x82, 0x80 | 127][..], &len.to_be_bytes(), &KEY].concat(), 1002);
    }
}

/// RFC 6455, 5.1: whoever gets a frame of the wrong kind must close.
#[test]
fn a_server_refuses_unmasked_frames_and_delivers_nothing_of_them() {
    for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
        assert_server_fails(&plain(opcode, b""), 1002);
    }
    assert_server_fails(&plain(TEXT, b"hello"), 1002);
}

#[test]
fn a_client_refuses_masked_frames() {
    for opcode in [TEXT, BINARY, PING, PONG, CLOSE] {
        let (events, _masked_with_a_random_key) = {
            let mut client = open_client();
            (feed(&mut client, &masked(opcode, b"")), take(&mut client))
        };
        assert_eq!(events, [Seen::failed(1002)]);
    }
}

/// What is wrong with the first byte or two is known without the rest.
#[test]
fn a_bad_header_fails_before_it_is_complete() {
    for start in [&[0xf1][..], &[0x83], &[0x09], &[0x81, 0x05], &[0x89, 0xfe], &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]]
    {
        assert_eq!(feed(&mut open_server(), start), [Seen::failed(1002)], "{start:x?}");
    }
}

#[test]
fn headers_round_trip() {
    for opcode in [OpCode::Continuation, OpCode::Text, OpCode::Binary, OpCode::Close, OpCode::Ping, OpCode::Pong] {
        for payload_len in [0, 1, 125, 126, 127, 65_535, 65_536, i64::MAX as u64] {
            for (mask, expect) in [(None, FROM_SERVER), (Some(KEY), FROM_CLIENT)] {
                if opcode.is_control() && payload_len > 125 {
                    continue;
                }
                let header = Header { fin: true, rsv1: false, opcode, mask, payload_len };
                let encoded = header.encode();
                let bytes = encoded.as_bytes();
                assert_eq!(Header::decode(bytes, expect), Ok(Some((header, bytes.len()))));
                for cut in 0..bytes.len() {
                    assert_eq!(Header::decode(&bytes[..cut], expect), Ok(None), "{header:?} cut at {cut}");
                }
            }
        }
    }
}

/// Against the definition in RFC 6455, 5.3, at every length that takes another path, and every offset.
#[test]
fn masking_is_the_definition() {
    for len in 0..200 {
        for offset in 0..8u64 {
            let data = (0..len).map(|i| (i * 7) as u8).collect::<Vec<_>>();
            let by_definition =
                data.iter().enumerate().map(|(i, byte)| byte ^ KEY[(i + offset as usize) % 4]).collect::<Vec<_>>();
            let mut ours = data.clone();
            mask::apply(KEY, offset, &mut ours);
            assert_eq!(ours, by_definition, "len {len}, offset {offset}");
        }
    }
}
