//! Close codes 0 to 65,535 through real connections: what may be received, what may be sent (RFC 6455, 7.4).

use crate::{full, in_parallel, open_pair, take};
use wsengine::{Close, Config, Connection, Engine, Error, Event, Initiator, State};

/// Who may put the code on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sender {
    Nobody,
    Client,
    Both,
}

/// RFC 6455, 7.4.1 and 7.4.2, with the codes that IANA registered since: 1012, 1013 and 1014.
fn model(code: u16) -> Sender {
    match code {
        0..=999 => Sender::Nobody,     // "are not used"
        1000..=1003 => Sender::Both,   // normal, going away, protocol error, unsupported data
        1004..=1006 => Sender::Nobody, // reserved; "MUST NOT be set as a status code in a Close control frame"
        1007..=1009 => Sender::Both,   // invalid payload, policy, too big
        1010 => Sender::Client,        // "not used by the server, because it can fail the handshake instead"
        1011..=1014 => Sender::Both,   // internal error, restart, try again later, bad gateway
        1015 => Sender::Nobody,        // TLS handshake; "MUST NOT be set"
        1016..=2999 => Sender::Nobody, // for later versions of the protocol
        3000..=4999 => Sender::Both,   // registered by libraries; private use
        5000.. => Sender::Nobody,      // no meaning
    }
}

fn for_each_code(check: impl Fn(&Engine, u16) + Sync) {
    let near = [0, 1000, 1004, 1008, 1012, 1016, 2999, 3000, 4999, 5000, 32_767, 65_535];
    in_parallel(256, |high| {
        let engine = Engine::new(&Config::new());
        for low in 0..=255 {
            let code = (high as u16) << 8 | low;
            let is_near = near.iter().any(|&boundary: &u16| boundary.abs_diff(code) <= 4);
            if full() || is_near || code.is_multiple_of(61) {
                check(&engine, code);
            }
        }
    });
}

/// A close frame with a code and the reason "why".
fn close_frame(code: u16, is_masked: bool) -> Vec<u8> {
    let mut bytes = vec![0x88, if is_masked { 0x80 | 5 } else { 5 }];
    if is_masked {
        bytes.extend([0; 4]); // a key that changes nothing
    }
    bytes.extend(code.to_be_bytes());
    bytes.extend(b"why");
    bytes
}

/// The code in the close frame that waits to be taken.
fn sent_code(conn: &mut Connection, is_masked: bool) -> Option<u16> {
    let bytes = take(conn);
    let (header, payload) = bytes.split_at(if is_masked { 6 } else { 2 });
    assert_eq!(header[0], 0x88);
    let key: [u8; 4] = if is_masked { header[2..].try_into().expect("four bytes") } else { [0; 4] };
    match payload {
        [] => None,
        payload => Some(u16::from_be_bytes([payload[0] ^ key[0], payload[1] ^ key[1]])),
    }
}

#[test]
fn every_code_received_by_a_server_and_a_client() {
    for_each_code(|engine, code| {
        let (server, client) = open_pair(engine);
        for (mut conn, is_server) in [(server, true), (client, false)] {
            conn.feed(&close_frame(code, is_server)).expect("nothing is pending");
            let answered = match (conn.next_event(), model(code)) {
                // Who may send 1010 binds the sender; a server that sends it is odd, but told what it means.
                (
                    Some(Event::Close(Close { code: got, reason: "why", clean: true, initiator, .. })),
                    Sender::Both | Sender::Client,
                ) => {
                    assert_eq!((got, initiator), (code, Initiator::Peer));
                    code
                }
                (Some(Event::Close(Close { code: 1002, reason: "", clean: false, initiator, .. })), Sender::Nobody) => {
                    assert_eq!(initiator, Initiator::Us);
                    1002
                }
                (event, expected) => panic!("{code}, which {expected:?} may send: {event:?}"),
            };
            assert!(conn.next_event().is_none(), "once");
            assert_eq!(sent_code(&mut conn, !is_server), Some(answered));
        }
    });
}

#[test]
fn every_code_sent_by_a_server_and_a_client() {
    for_each_code(|engine, code| {
        let (server, client) = open_pair(engine);
        for (mut conn, is_server) in [(server, true), (client, false)] {
            let may_send = match model(code) {
                Sender::Both => true,
                Sender::Client => !is_server,
                Sender::Nobody => false,
            };
            match conn.outbound().queue_close(Some(code), "why") {
                Ok(()) => {
                    assert!(may_send, "{code}");
                    assert_eq!(conn.state(), State::Closing);
                    assert_eq!(sent_code(&mut conn, !is_server), Some(code));
                }
                Err(error) => {
                    assert!(!may_send && matches!(error, Error::InvalidArgument(_)), "{code}: {error}");
                    assert_eq!(conn.state(), State::Open, "nothing has happened");
                    assert_eq!(conn.outbound().queued_bytes(), 0);
                    conn.outbound().queue_close(None, "").expect("a close without a code is always legal");
                    assert_eq!(sent_code(&mut conn, !is_server), None);
                }
            }
        }
    });
}
