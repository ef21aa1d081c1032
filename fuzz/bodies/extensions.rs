//! Any value of `Sec-WebSocket-Extensions` (RFC 7692, 5 and 7.1), in a request and in an answer, with every setting of
//! compression.

use super::*;
use wsengine::Event;

pub fn run(data: &[u8]) {
    let Some((&[takeover, windows], value)) = data.split_first_chunk::<2>() else {
        return;
    };
    let value: Vec<u8> = value.iter().map(|&byte| if byte == b'\r' || byte == b'\n' { b' ' } else { byte }).collect();
    let mut config = Config::new();
    config.set_compression(true).set_context_takeover(takeover & 1 != 0, takeover & 2 != 0);
    config.set_window_bits(8 + (windows & 7), 8 + (windows >> 4 & 7)).expect("in range");
    request(&config, &value, takeover);
    answer(&config, &value);
}

fn request(config: &Config, value: &[u8], seed: u8) {
    let mut bytes = REQUEST_LINES.as_bytes().to_vec();
    bytes.extend(b"Sec-WebSocket-Extensions: ");
    bytes.extend(value);
    bytes.extend(b"\r\n\r\n");
    let make = || Connection::server(&Engine::new(config));
    let outcomes = Cut::all(seed, bytes.len())
        .into_iter()
        .map(|cut| super::run(make(), Collector::default(), &bytes, cut, undecided));
    let Some(outcome) = assert_all_equal(outcomes) else {
        return;
    };

    let mut server = make();
    server.feed(&bytes).expect("nothing is pending");
    let compression = match server.next_event() {
        Some(Event::Open { compression, .. }) => compression,
        _ => return,
    };
    let answer = std::str::from_utf8(&outcome.output).expect("ASCII");
    let agreed = answer.split("\r\n").find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    assert_eq!(agreed.is_some(), compression, "{answer:?}");
    if let Some(agreed) = agreed {
        check_agreed(agreed, &String::from_utf8_lossy(value).to_ascii_lowercase());
    }
}

/// One permessage-deflate whose parameters are those of RFC 7692, 7.1, each once, with values that are legal.
fn check_agreed(agreed: &str, offers: &str) {
    assert!(offers.contains("permessage-deflate"), "{agreed:?} was not offered in {offers:?}");
    let mut parts = agreed.split(';').map(str::trim);
    assert_eq!(parts.next(), Some("permessage-deflate"), "{agreed:?}");
    let mut names = Vec::new();
    for part in parts {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (part, None),
        };
        assert!(!names.contains(&name), "{agreed:?} has {name} twice");
        names.push(name);
        match name {
            "server_no_context_takeover" | "client_no_context_takeover" => assert_eq!(value, None, "{agreed:?}"),
            "server_max_window_bits" | "client_max_window_bits" => {
                let bits = value.and_then(|bits| bits.parse::<u8>().ok());
                assert!(bits.is_some_and(|bits| (8..=15).contains(&bits)), "{agreed:?}");
            }
            _ => panic!("{agreed:?} has a parameter that RFC 7692 does not know"),
        }
    }
    if names.contains(&"client_max_window_bits") {
        assert!(offers.contains("client_max_window_bits"), "{agreed:?} limits a window that was not offered");
    }
}

/// A client takes an answer or refuses it, and then says nothing.
fn answer(config: &Config, value: &[u8]) {
    let mut client = new_client(config);
    let mut plain_server = Connection::server(&Engine::default());
    plain_server.feed(&take_all(&mut client)).expect("nothing is pending");
    while plain_server.next_event().is_some() {}
    let mut answer = take_all(&mut plain_server);
    answer.truncate(answer.len() - 2);
    answer.extend(b"Sec-WebSocket-Extensions: ");
    answer.extend(value);
    answer.extend(b"\r\n\r\n");
    client.feed(&answer).expect("nothing is pending");
    let mut collector = Collector::default();
    collector.pull(&mut client);
    assert!(collector.is_open() != collector.is_over(), "one or the other: {:?}", collector.got);
    assert_eq!(take_all(&mut client), b"");
}
