//! RFC 7692, sections 5 and 7.1, and RFC 6455, 9.1: what a server makes of an offer, and a client of the response.

use crate::support::*;
use wsengine::{Config, Connection, Engine, Event};

/// Compression with context takeover in both directions: the response says nothing but what the offer demands.
fn takeover() -> Config {
    let mut config = Config::new();
    config.set_compression(true).set_context_takeover(true, true);
    config
}

/// The defaults: neither end keeps a context.
fn no_takeover() -> Config {
    let mut config = Config::new();
    config.set_compression(true);
    config
}

/// The values of `Sec-WebSocket-Extensions` in a head.
fn extensions(head: &str) -> Vec<&str> {
    head.split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Extensions"))
        .map(|(_, value)| value.trim())
        .collect()
}

/// The response to an offer: `None` if it was declined. The connection opens either way, and says which it is.
fn response(config: &Config, offer: &str) -> Option<String> {
    let mut server = new_server(config);
    let request = format!("{REQUEST_LINES}Sec-WebSocket-Extensions: {offer}\r\n\r\n");
    server.feed(request.as_bytes()).unwrap();
    let Some(Event::Open { compression, .. }) = server.next_event() else { panic!("not opened: {offer}") };
    let output = String::from_utf8(take(&mut server)).unwrap();
    let named = extensions(&output);
    assert!(named.len() <= 1, "RFC 6455, 11.3.2: {output}");
    assert_eq!(compression, named.len() == 1, "{output}");
    named.first().map(|value| value.to_string())
}

/// The parameters of a response, which names permessage-deflate and nothing else.
fn parameters(response: &str) -> Vec<String> {
    let mut parts = response.split(';').map(|part| part.trim().to_owned());
    assert_eq!(parts.next().as_deref(), Some("permessage-deflate"), "{response}");
    let parameters = parts.collect::<Vec<_>>();
    for (i, one) in parameters.iter().enumerate() {
        assert!(!parameters[..i].contains(one), "{response}");
    }
    parameters
}

fn value_of(response: &str, name: &str) -> Option<u8> {
    let parameters = parameters(response);
    let (_, value) = parameters.iter().filter_map(|one| one.split_once('=')).find(|(known, _)| *known == name)?;
    assert!(!value.starts_with('0'), "no leading zeroes: {response}");
    Some(value.parse().unwrap())
}

/// What a client asks for.
fn offer(config: &Config) -> String {
    let mut client = Connection::client(&Engine::new(config), &client_request()).unwrap();
    let request = String::from_utf8(take(&mut client)).unwrap();
    extensions(&request).join(", ")
}

/// Whether a client opens with this response, and then with compression or without. `None`: it fails.
fn client_takes(config: &Config, lines: &str) -> Option<bool> {
    let mut client = Connection::client(&Engine::new(config), &client_request()).unwrap();
    let mut server = new_server(&Config::new());
    feed(&mut server, &take(&mut client));
    let answer = String::from_utf8(take(&mut server)).unwrap();
    client.feed(answer.replace("\r\n\r\n", &format!("\r\n{lines}\r\n\r\n")).as_bytes()).unwrap();
    match client.next_event() {
        Some(Event::Open { compression, .. }) => Some(compression),
        Some(Event::Close(close)) => {
            assert_eq!((close.code, close.clean), (1006, false), "{lines}");
            None
        }
        other => panic!("{other:?} for {lines}"),
    }
}

fn client_responds(config: &Config, response: &str) -> Option<bool> {
    client_takes(config, &format!("Sec-WebSocket-Extensions: {response}"))
}

#[test]
fn the_name_of_the_extension_is_offered_and_answered() {
    for config in [takeover(), no_takeover()] {
        assert!(offer(&config).starts_with("permessage-deflate"), "{}", offer(&config));
        assert!(response(&config, "permessage-deflate").is_some());
        assert!(response(&config, &offer(&config)).is_some(), "the engine takes its own offer");
    }
    assert_eq!(response(&takeover(), "permessage-deflate").as_deref(), Some("permessage-deflate"));
    assert_eq!(offer(&Config::new()), "", "off by default");
}

#[test]
fn what_was_not_offered_is_not_answered() {
    let mut server = new_server(&takeover());
    feed(&mut server, format!("{REQUEST_LINES}\r\n").as_bytes());
    assert_eq!(take(&mut server), ANSWER.as_bytes());
    for offer in ["permessage-foo", "x-webkit-deflate-frame", "permessage-bzip2; server_max_window_bits=10", "deflate"]
    {
        assert_eq!(response(&takeover(), offer), None, "{offer}");
    }
    assert_eq!(response(&Config::new(), "permessage-deflate"), None, "off by default");
}

#[test]
fn offers_that_break_a_rule_are_declined() {
    for parameters in [
        "foo",
        "foo=1",
        "server_no_context_takeover; foo",
        "server_no_context_takeover=1",
        "server_no_context_takeover=true",
        "client_no_context_takeover=1",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=0",
        "server_max_window_bits=08",
        "server_max_window_bits=010",
        "server_max_window_bits=-1",
        "server_max_window_bits=+10",
        "server_max_window_bits=1e1",
        "server_max_window_bits=256",
        "server_max_window_bits=266",
        "server_max_window_bits=99999999999999999999",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "client_max_window_bits=x",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits; client_max_window_bits=10",
    ] {
        assert_eq!(response(&takeover(), &format!("permessage-deflate; {parameters}")), None, "{parameters}");
    }
}

#[test]
fn the_first_offer_that_can_be_taken_is_taken() {
    let first = response(&takeover(), "permessage-deflate; server_max_window_bits=10, permessage-deflate").unwrap();
    assert!(value_of(&first, "server_max_window_bits").is_some_and(|bits| bits <= 10), "{first}");
    let second = response(&takeover(), "permessage-deflate; server_no_context_takeover=1, permessage-deflate");
    assert_eq!(second.as_deref(), Some("permessage-deflate"));
    let third = "permessage-foo, permessage-deflate; x, permessage-deflate; server_no_context_takeover";
    assert_eq!(response(&takeover(), third).as_deref(), Some("permessage-deflate; server_no_context_takeover"));
    let over_two_lines = "permessage-foo\r\nSec-WebSocket-Extensions: permessage-deflate";
    assert_eq!(response(&takeover(), over_two_lines).as_deref(), Some("permessage-deflate"));
}

#[test]
fn a_server_that_is_asked_not_to_take_over_says_that_it_will_not() {
    let answer = response(&takeover(), "permessage-deflate; server_no_context_takeover").unwrap();
    assert!(parameters(&answer).contains(&"server_no_context_takeover".to_owned()), "{answer}");
    // And of its own accord, if its settings say so; then it asks the same of the client.
    let answer = response(&no_takeover(), "permessage-deflate").unwrap();
    for parameter in ["server_no_context_takeover", "client_no_context_takeover"] {
        assert!(parameters(&answer).contains(&parameter.to_owned()), "{answer}");
    }
}

#[test]
fn a_server_keeps_its_window_within_the_offer() {
    for bits in 8..=15 {
        for value in [format!("{bits}"), format!("\"{bits}\"")] {
            let answer = response(&takeover(), &format!("permessage-deflate; server_max_window_bits={value}"));
            // 8 is what not every deflate library can do: then it is declined.
            let Some(answer) = answer else {
                assert_eq!(bits, 8);
                continue;
            };
            let agreed = value_of(&answer, "server_max_window_bits").expect("it has to be answered");
            assert!((8..=bits).contains(&agreed), "{answer}");
        }
    }
}

#[test]
fn a_window_of_the_client_is_named_only_if_it_offered_that() {
    let mut small = takeover();
    small.set_window_bits(15, 10).unwrap();
    for config in [takeover(), no_takeover(), small.clone()] {
        for offer in ["permessage-deflate", "permessage-deflate; server_max_window_bits=12"] {
            let answer = response(&config, offer).unwrap_or_default();
            assert!(!answer.contains("client_max_window_bits"), "{answer}");
        }
    }
    let answer = response(&small, "permessage-deflate; client_max_window_bits").unwrap();
    assert_eq!(value_of(&answer, "client_max_window_bits"), Some(10));
    for bits in 9..=15 {
        let answer = response(&small, &format!("permessage-deflate; client_max_window_bits={bits}")).unwrap();
        let agreed = value_of(&answer, "client_max_window_bits").unwrap_or(15);
        assert!(agreed <= 10.min(bits) || bits < 10, "{answer}");
    }
}

#[test]
fn a_client_takes_what_it_offered() {
    for response in [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover",
        "permessage-deflate;client_no_context_takeover ;\tserver_no_context_takeover",
        "permessage-deflate; server_max_window_bits=15",
        "permessage-deflate; server_max_window_bits=9",
        "permessage-deflate; server_max_window_bits=\"10\"",
    ] {
        assert_eq!(client_responds(&takeover(), response), Some(true), "{response}");
    }
    assert_eq!(client_takes(&takeover(), "X: y"), Some(false), "an offer may be declined");
}

#[test]
fn a_client_fails_over_a_response_that_breaks_a_rule() {
    for parameters in [
        "foo",
        "foo=1",
        "server_no_context_takeover=1",
        "client_no_context_takeover=1",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=010",
        "client_max_window_bits",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=09",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits=10; client_max_window_bits=10",
    ] {
        let response = format!("permessage-deflate; {parameters}");
        assert_eq!(client_responds(&takeover(), &response), None, "{response}");
    }
    for lines in [
        "permessage-foo",
        "permessage-deflate, permessage-foo",
        "permessage-deflate, permessage-deflate",
        "permessage-deflate\r\nSec-WebSocket-Extensions: permessage-deflate",
    ] {
        assert_eq!(client_responds(&takeover(), lines), None, "{lines}");
    }
    assert_eq!(client_responds(&Config::new(), "permessage-deflate"), None, "it was not offered");
}

/// RFC 7692, 7.1.1.1 and 7.1.2.1: who accepts an offer accepts its demands.
#[test]
fn a_client_fails_over_a_response_that_passes_over_its_demands() {
    assert!(offer(&no_takeover()).contains("server_no_context_takeover"));
    assert_eq!(client_responds(&no_takeover(), "permessage-deflate"), None);
    assert_eq!(client_responds(&no_takeover(), "permessage-deflate; server_no_context_takeover"), Some(true));

    let mut small = takeover();
    small.set_window_bits(15, 10).unwrap();
    assert!(offer(&small).contains("server_max_window_bits=10"), "{}", offer(&small));
    for response in ["permessage-deflate", "permessage-deflate; server_max_window_bits=11"] {
        assert_eq!(client_responds(&small, response), None, "{response}");
    }
    for response in ["permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=9"] {
        assert_eq!(client_responds(&small, response), Some(true), "{response}");
    }
    // A limit on our own window may be answered only if we said that we know it.
    let taken = client_responds(&takeover(), "permessage-deflate; client_max_window_bits=10");
    assert_eq!(taken, offer(&takeover()).contains("client_max_window_bits").then_some(true));
}

/// CVE-2026-2229 (undici): a server's window bits went unchecked to zlib, which threw, and the process ended.
#[test]
fn window_bits_out_of_range_are_an_error_and_nothing_worse() {
    for bits in ["", "0", "1", "7", "16", "17", "31", "47", "255", "256", "-15", "1000", "4294967304", "NaN", "\"\""] {
        for name in ["server_max_window_bits", "client_max_window_bits"] {
            assert_eq!(
                client_responds(&takeover(), &format!("permessage-deflate; {name}={bits}")),
                None,
                "{name}={bits}"
            );
            let mut server = new_server(&takeover());
            let lines = format!("Sec-WebSocket-Extensions: permessage-deflate; {name}={bits}\r\n");
            feed(&mut server, format!("{REQUEST_LINES}{lines}\r\n").as_bytes());
            assert_eq!(extensions(&String::from_utf8(take(&mut server)).unwrap()), [""; 0], "{name}={bits}");
        }
    }
}

/// RFC 6455, 9.1: a value outside the grammar fails the connection, whatever extensions there are.
#[test]
fn extension_headers_outside_the_grammar_fail_the_handshake() {
    for config in [takeover(), Config::new()] {
        for value in [
            "permessage-deflate;",
            "permessage-deflate; =1",
            "permessage-deflate; a=",
            "permessage-deflate; a b",
            "permessage deflate",
            "; a",
            "permessage-deflate; a=\"b",
            "permessage-deflate; a=\"b c\"",
            "permessage-deflate; a=\"\"",
            "a/b",
            "\"permessage-deflate\"",
        ] {
            let mut server = new_server(&config);
            let request = format!("{REQUEST_LINES}Sec-WebSocket-Extensions: {value}\r\n\r\n");
            assert_eq!(feed(&mut server, request.as_bytes()), [Seen::refused(400)], "{value}");
            assert_eq!(client_responds(&config, value), None, "{value}");
        }
    }
}
