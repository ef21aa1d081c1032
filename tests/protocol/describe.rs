//! Frame headers in words.

use crate::support::*;
use wsengine::frame::describe::Description;

fn describe(bytes: &[u8]) -> String {
    Description::read(bytes).to_string()
}

#[test]
fn headers_that_are_right() {
    for (bytes, text) in [
        (masked(TEXT, b"Hello"), "FIN TEXT len=5 masked key=37fa213d header=6"),
        (plain(TEXT, b"Hello"), "FIN TEXT len=5 header=2"),
        (masked_part(BINARY, b""), "BINARY len=0 masked key=37fa213d header=6"),
        (plain(CONTINUATION, &[0; 126]), "FIN CONTINUATION len=126 header=4"),
        (masked(BINARY, &[0; 65_536]), "FIN BINARY len=65536 masked key=37fa213d header=14"),
        (plain(CLOSE, b""), "FIN CLOSE len=0 header=2"),
        (plain(PING, &[0; 125]), "FIN PING len=125 header=2"),
        (masked(PONG, b"x"), "FIN PONG len=1 masked key=37fa213d header=6"),
        (raw_frame(0xC1, b"x", None), "FIN RSV1 TEXT len=1 header=2"),
    ] {
        assert_eq!(describe(&bytes), text);
        let read = Description::read(&bytes);
        assert!(read.complete && read.violations().next().is_none());
        assert_eq!(read.header_len as u64 + read.payload_len.unwrap(), bytes.len() as u64);
    }
}

#[test]
fn headers_of_which_more_is_to_come() {
    let bytes = masked(BINARY, &[0; 65_536]);
    let expected = [
        "needs 2 more bytes or more",
        "FIN BINARY; needs 1 more byte or more",
        "FIN BINARY masked; needs 12 more bytes",
        "FIN BINARY masked; needs 11 more bytes",
    ];
    for (len, text) in expected.into_iter().enumerate() {
        assert_eq!(describe(&bytes[..len]), text);
    }
    assert_eq!(describe(&bytes[..10]), "FIN BINARY len=65536 masked; needs 4 more bytes");
    assert_eq!(describe(&bytes[..13]), "FIN BINARY len=65536 masked; needs 1 more byte");
    assert!(!Description::read(&bytes[..13]).complete && Description::read(&bytes[..14]).complete);
}

#[test]
fn headers_that_are_wrong_show_everything() {
    for (bytes, start, wrong) in [
        (&[0xB1, 0x00][..], "FIN RSV2 RSV3 TEXT len=0 header=2", &["reserved bit"][..]),
        (&[0x83, 0x01], "FIN OPCODE-3 len=1 header=2", &["reserved opcode"]),
        (&[0x8F, 0x01], "FIN OPCODE-F len=1 header=2", &["reserved opcode"]),
        (&[0x09, 0x00], "PING len=0 header=2", &["fragmented"]),
        (&[0xC9, 0x00], "FIN RSV1 PING len=0 header=2", &["control frame with the compression bit"]),
        (&[0x40, 0x00], "RSV1 CONTINUATION len=0 header=2", &["continuation frame with the compression bit"]),
        (&[0x89, 0x7E, 0, 126], "FIN PING len=126 header=4", &["more than 125"]),
        (&[0x89, 0x7E], "FIN PING; needs 2 more bytes", &["more than 125"]),
        (&[0x82, 0x7E, 0, 125], "FIN BINARY len=125 header=4", &["shortest form"]),
        (&[0x82, 0x7F, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], "FIN BINARY len=65535 header=10", &["shortest form"]),
        (&[0x82, 0x7F, 0x80, 0, 0, 0, 0, 0, 0, 0], "FIN BINARY len=9223372036854775808 header=10", &["top bit"]),
        (
            &[0x7B, 0xFE, 0, 1, 9, 8, 7, 6],
            "RSV1 RSV2 RSV3 OPCODE-B len=1 masked key=09080706 header=8",
            &["reserved bit", "reserved opcode", "compression bit", "fragmented", "more than 125", "shortest form"],
        ),
    ] {
        let text = describe(bytes);
        assert!(text.starts_with(&format!("{start}; invalid: ")), "{text}");
        let parts = text.split("; invalid: ").skip(1).collect::<Vec<_>>();
        assert_eq!(parts.len(), wrong.len(), "{text}");
        for (part, wrong) in parts.iter().zip(wrong) {
            assert!(part.contains(wrong), "{wrong} in {part}");
        }
    }
}

/// Agreement with the decoder that connections use: what one calls wrong, the other does, whoever sent the frame.
#[test]
fn it_agrees_with_the_decoder() {
    use wsengine::frame::Header;
    use wsengine::frame::header::Expect;

    let tails: [&[u8]; 5] =
        [&[0, 5], &[0, 126], &[0, 0, 0, 0, 0, 0, 0xFF, 0xFF], &[0, 0, 0, 0, 0, 1, 0, 0], &[0x80; 8]];
    for first in 0..=255u8 {
        for second in 0..=255u8 {
            for tail in tails {
                let bytes = [&[first, second], tail, &[0; 12]].concat();
                let read = Description::read(&bytes);
                let expect = Expect { masked: second & 0x80 != 0, rsv1: false };
                let compressed = first & 0x70 == 0x40 && first & 0x0F != 0 && first & 0x08 == 0;
                match Header::decode(&bytes, expect) {
                    Ok(header) => {
                        let (header, len) = header.expect("there are enough bytes");
                        assert!(read.complete && read.violations().next().is_none(), "{read}");
                        assert_eq!((read.header_len, read.payload_len), (len, Some(header.payload_len)));
                        assert_eq!((read.mask, read.fin()), (header.mask, header.fin));
                    }
                    Err(_) if compressed => {} // the decoder may not know of compression
                    Err(_) => assert!(read.violations().next().is_some(), "{read}"),
                }
                if !tail.starts_with(&[0]) {
                    assert!(describe(&bytes).len() < wsengine::capi::describe::WS_DESCRIBE_SIZE);
                }
            }
        }
    }
}
