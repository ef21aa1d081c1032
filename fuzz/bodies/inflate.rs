//! Compressed messages (RFC 7692, 7.2) of any content to a server and a client that agreed on permessage-deflate. What
//! is not compressed, and what comes between fragments, is decided by the bytes too.

use super::*;
use wsengine::Delivery;

/// Small enough that a bomb of a few hundred bytes is above it.
const MAX_MESSAGE: usize = 64 * 1024;

pub fn run(data: &[u8]) {
    let Some((choice, script)) = split_choice(data) else {
        return;
    };
    let to_server = choice & 0x80 == 0;
    let bytes = frames(script, to_server);
    let mut in_messages = None;
    for delivery in [Delivery::Messages, Delivery::Chunks, Delivery::Frames] {
        let config = config(choice, delivery);
        let outcomes = Cut::all(choice, bytes.len()).into_iter().map(|cut| {
            let [server, client] = open_pair(&config, &config);
            let ((conn, collector), (peer, of_peer)) = if to_server { (server, client) } else { (client, server) };
            let mut outcome = super::run(conn, collector, &bytes, cut, undecided);
            assert_accepted(&outcome.output, peer, of_peer);
            if !to_server {
                outcome.output.fill(0); // masked with random keys
            }
            outcome
        });
        let Some(outcome) = assert_all_equal(outcomes) else {
            return;
        };
        for got in &outcome.got {
            let len = match got {
                Got::Text(text) => text.len(),
                Got::Binary(data) => data.len(),
                _ => 0,
            };
            assert!(len <= MAX_MESSAGE, "a message of {len} bytes");
        }
        match &in_messages {
            None => in_messages = Some(outcome),
            Some(first) => assert_eq!(outcome.got, first.got, "{delivery:?}"),
        }
    }
}

fn config(choice: u8, delivery: Delivery) -> Config {
    let mut config = Config::new();
    config.set_compression(true).set_delivery(delivery).set_context_takeover(choice & 1 != 0, choice & 2 != 0);
    config.set_window_bits(8 + (choice >> 2 & 7), 15 - (choice >> 2 & 7)).expect("in range");
    config.set_max_message_size(MAX_MESSAGE as u64).expect("in range");
    config
}

/// Frames as the script says: a byte for opcode, FIN and RSV1, one for the length, then the payload.
fn frames(mut script: &[u8], masked: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((&[kind, len], rest)) = script.split_first_chunk::<2>() {
        let len = match len {
            255 => rest.len(),
            len => usize::from(len).min(rest.len()),
        };
        let (payload, behind) = rest.split_at(len);
        script = behind;
        let opcode = [0x0, 0x1, 0x2, 0x2, 0x1, 0x9, 0xa, 0x8][usize::from(kind & 7)];
        let payload = if opcode & 8 != 0 { &payload[..payload.len().min(125)] } else { payload };
        let fin = if kind & 8 == 0 || opcode & 8 != 0 { 0x80 } else { 0 };
        let compressed = if kind & 0x10 != 0 { 0x40 } else { 0 };
        bytes.push(fin | compressed | opcode);
        let mask_bit = if masked { 0x80 } else { 0 };
        match payload.len() {
            len @ 0..=125 => bytes.push(mask_bit | len as u8),
            len @ 126..=0xffff => {
                bytes.push(mask_bit | 126);
                bytes.extend((len as u16).to_be_bytes());
            }
            len => {
                bytes.push(mask_bit | 127);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        if masked {
            bytes.extend([0; 4]); // a key that changes nothing, so that the fuzzer sees what it writes
        }
        bytes.extend(payload);
    }
    bytes
}
