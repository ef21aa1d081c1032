//! RFC 7692, 5 and 7.1: how permessage-deflate is offered, accepted and declined; RFC 6455, 9.1: the header's grammar.

use crate::handshake_client::{GOOD, asking, right_answer};
use crate::support::*;
use wsengine::{Config, Connection, Engine, Event};

/// Takeover and window bits, own and peer.
fn config(takeover: (bool, bool), bits: (u8, u8)) -> Config {
    let mut config = Config::new();
    config.set_compression(true).set_context_takeover(takeover.0, takeover.1);
    config.set_window_bits(bits.0, bits.1).unwrap();
    config
}

fn all() -> Config {
    config((true, true), (15, 15))
}

/// Whether the connection opened, and with compression.
fn opening(conn: &mut Connection) -> Option<bool> {
    match conn.next_event() {
        Some(Event::Open { compression, .. }) => Some(compression),
        Some(Event::Close(close)) => {
            assert_eq!((close.code, close.clean), (1006, false), "before the opening there is no close frame");
            None
        }
        other => panic!("{other:?}"),
    }
}

fn extensions_of(head: &str) -> Option<&str> {
    let (_, behind) = head.split_once("Sec-WebSocket-Extensions: ")?;
    behind.split("\r\n").next()
}

/// What a server answers to these header lines; `None` if it declines.
fn answer(config: &Config, lines: &str) -> Option<String> {
    let mut server = new_server(config);
    server.feed(format!("{REQUEST_LINES}{lines}\r\n").as_bytes()).unwrap();
    let compression = opening(&mut server).expect("declining is no refusal");
    let head = String::from_utf8(take(&mut server)).unwrap();
    assert_eq!(head.matches("Sec-WebSocket-Extensions").count(), usize::from(compression), "said once, or not: {head}");
    extensions_of(&head).map(str::to_owned)
}

#[track_caller]
fn assert_answer(config: &Config, offer: &str, expected: Option<&str>) {
    let got = answer(config, &format!("Sec-WebSocket-Extensions: {offer}\r\n"));
    assert_eq!(got.as_deref(), expected, "{offer}");
}

#[track_caller]
fn assert_declined(offer: &str) {
    assert_answer(&all(), offer, None);
}

#[test]
fn off_by_default() {
    assert_answer(&Config::new(), "permessage-deflate; client_max_window_bits", None);
}

#[test]
fn what_was_not_offered_is_not_answered() {
    assert_eq!(answer(&all(), ""), None);
    for offer in
        ["x-webkit-deflate-frame", "permessage-deflate2", "PERMESSAGE-DEFLATE", "permessage-bzip2; x=\"1\"", "deflate"]
    {
        assert_declined(offer);
    }
}

#[test]
fn a_server_takes_what_its_settings_allow() {
    let all = all();
    for (offer, expected) in [
        ("permessage-deflate", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits=15", "permessage-deflate"),
        ("permessage-deflate; client_max_window_bits=8", "permessage-deflate; client_max_window_bits=8"),
        ("permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=15"),
        ("permessage-deflate; server_max_window_bits=9", "permessage-deflate; server_max_window_bits=9"),
        ("permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"),
        ("permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover"),
        (
            "permessage-deflate; client_max_window_bits=10; server_max_window_bits=12; client_no_context_takeover; \
             server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; \
             client_max_window_bits=10",
        ),
    ] {
        assert_answer(&all, offer, Some(expected));
    }
}

#[test]
fn a_server_says_what_it_will_not_do_even_unasked() {
    let none = config((false, false), (15, 15));
    let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_answer(&none, "permessage-deflate", Some(both));
    let own = config((true, true), (11, 15));
    assert_answer(&own, "permessage-deflate", Some("permessage-deflate; server_max_window_bits=11"));
    for asked in 8..=15 {
        let offer = format!("permessage-deflate; server_max_window_bits={asked}");
        let said = asked.min(11);
        assert_answer(&own, &offer, Some(&format!("permessage-deflate; server_max_window_bits={said}")));
    }
}

/// RFC 7692, 7.1.2.2: a client that did not offer it cannot be limited, and the limit is a setting.
#[test]
fn a_server_limits_only_clients_that_let_it() {
    let small = config((true, true), (15, 10));
    for (offer, bits) in [("", Some(10)), ("=8", Some(8)), ("=10", Some(10)), ("=15", Some(10))] {
        let expected = bits.map(|bits| format!("permessage-deflate; client_max_window_bits={bits}"));
        assert_answer(&small, &format!("permessage-deflate; client_max_window_bits{offer}"), expected.as_deref());
    }
    assert_answer(&small, "permessage-deflate", None);
    assert_answer(
        &small,
        "permessage-deflate, permessage-deflate; client_max_window_bits",
        Some("permessage-deflate; client_max_window_bits=10"),
    );
}

#[test]
fn offers_that_are_not_valid_are_declined() {
    for params in [
        "unknown",
        "unknown=1",
        "Server_No_Context_Takeover",
        "server_no_context_takeover=true",
        "server_no_context_takeover=\"1\"",
        "client_no_context_takeover=0",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=9; server_max_window_bits=9",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits; client_max_window_bits=9",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=0",
        "server_max_window_bits=1",
        "server_max_window_bits=08",
        "server_max_window_bits=015",
        "server_max_window_bits=150",
        "server_max_window_bits=+9",
        "server_max_window_bits=-9",
        "server_max_window_bits=1e1",
        "server_max_window_bits=x",
        "server_max_window_bits=18446744073709551625",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=09",
        "client_max_window_bits=\"1\\6\"",
    ] {
        assert_declined(&format!("permessage-deflate; {params}"));
        assert_declined(&format!("permessage-deflate; {params}; client_no_context_takeover"));
        assert_answer(&all(), &format!("permessage-deflate; {params}, permessage-deflate"), Some("permessage-deflate"));
    }
}

/// RFC 7692, 5.1: in the client's order of preference.
#[test]
fn the_first_acceptable_offer_is_taken() {
    let all = all();
    for (offer, expected) in [
        ("permessage-foo; bar, permessage-deflate", "permessage-deflate"),
        (
            "permessage-deflate; server_max_window_bits=10, permessage-deflate",
            "permessage-deflate; server_max_window_bits=10",
        ),
        ("permessage-deflate, permessage-deflate; server_max_window_bits=10", "permessage-deflate"),
        (
            "permessage-deflate; server_max_window_bits=99, permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=8",
        ),
    ] {
        assert_answer(&all, offer, Some(expected));
        let lines = offer.split(", ").map(|one| format!("Sec-WebSocket-Extensions: {one}\r\n")).collect::<String>();
        assert_eq!(answer(&all, &lines).as_deref(), Some(expected), "over several headers");
    }
}

#[test]
fn every_form_that_the_grammar_allows() {
    let small = config((true, true), (15, 9));
    let expected = Some("permessage-deflate; client_max_window_bits=9");
    for offer in [
        "permessage-deflate;client_max_window_bits=9",
        "permessage-deflate; client_max_window_bits=\"9\"",
        "permessage-deflate; client_max_window_bits=\"\\9\"",
        "permessage-deflate; client_max_window_bits=\"1\\5\"",
        "\tpermessage-deflate \t; client_max_window_bits \t=\t\"10\" ",
        ",, ,permessage-deflate; client_max_window_bits=12 ,, x;y=\"z\";w,",
    ] {
        assert_answer(&small, offer, expected);
    }
    let lines = "Sec-WebSocket-Extensions:\r\nsec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n";
    assert_eq!(answer(&small, lines).as_deref(), expected, "one list over several headers");
}

/// RFC 6455, 9.1: whoever receives one must fail the connection, whether or not it does extensions.
#[test]
fn headers_that_break_the_grammar() {
    let bad = [
        "",
        ",",
        " , ,",
        ";",
        "permessage-deflate;",
        "permessage-deflate;;client_max_window_bits",
        "permessage-deflate; ;",
        "; client_max_window_bits",
        "permessage-deflate client_max_window_bits",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; =9",
        "permessage-deflate; a==9",
        "permessage-deflate; a=b=c",
        "permessage-deflate; a=\"",
        "permessage-deflate; a=\"b",
        "permessage-deflate; a=\"b\\",
        "permessage-deflate; a=\"b\\\"",
        "permessage-deflate; a=\"\"",
        "permessage-deflate; a=\"b c\"",
        "permessage-deflate; a=\"b\\ c\"",
        "permessage-deflate; a=\"b\"c",
        "permessage-deflate; a=b\"c\"",
        "permessage-deflate, x y",
        "permessage deflate",
        "\"permessage-deflate\"",
        "permessage-deflate, (x)",
        "\u{fc}",
        "a/b",
    ];
    for value in bad {
        for config in [Config::new(), all()] {
            let request = format!("{REQUEST_LINES}Sec-WebSocket-Extensions: {value}\r\n\r\n");
            let events = feed(&mut new_server(&config), request.as_bytes());
            assert_eq!(events, [Seen::refused(400)], "{value}");
            assert_eq!(accepts(&config, value), None, "{value}");
        }
    }
    let lines = "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Extensions: =\r\n";
    let (events, _) = every_split(|| new_server(&all()), format!("{REQUEST_LINES}{lines}\r\n").as_bytes());
    assert_eq!(events, [Seen::refused(400)], "also behind an offer that is acceptable");
}

fn offer(config: &Config) -> Option<String> {
    let mut client = asking(&Engine::new(config), &client_request());
    extensions_of(&String::from_utf8(take(&mut client)).unwrap()).map(str::to_owned)
}

#[test]
fn what_a_client_offers() {
    assert_eq!(offer(&Config::new()), None);
    for (config, expected) in [
        (all(), "permessage-deflate; client_max_window_bits"),
        (
            config((false, false), (15, 15)),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
        ),
        (
            config((true, false), (10, 9)),
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10",
        ),
    ] {
        assert_eq!(offer(&config).as_deref(), Some(expected));
    }
}

/// Whether a client of these settings opens over this answer, and with compression.
fn accepts(config: &Config, extensions: &str) -> Option<bool> {
    let mut client = asking(&Engine::new(config), &client_request());
    let lines = format!("\r\nSec-WebSocket-Extensions: {extensions}\r\n\r\n");
    let answer = right_answer(&mut client, &GOOD.replace("\r\n\r\n", &lines));
    client.feed(answer.as_bytes()).unwrap();
    opening(&mut client)
}

#[test]
fn answers_that_a_client_takes() {
    for params in [
        "",
        "; server_no_context_takeover",
        "; client_no_context_takeover",
        "; client_max_window_bits=8",
        "; client_max_window_bits=15",
        "; server_max_window_bits=8",
        "; server_max_window_bits=\"15\"",
        ";client_max_window_bits=9;server_max_window_bits=9;client_no_context_takeover;server_no_context_takeover",
    ] {
        assert_eq!(accepts(&all(), &format!("permessage-deflate{params}")), Some(true), "{params}");
    }
    let strict = config((false, false), (10, 9));
    let answer = "permessage-deflate; server_no_context_takeover; server_max_window_bits=9";
    assert_eq!(accepts(&strict, answer), Some(true));
    assert_eq!(accepts(&strict, &format!("{answer}; client_max_window_bits=10")), Some(true));

    let mut client = asking(&Engine::new(&all()), &client_request());
    let answer = right_answer(&mut client, GOOD);
    client.feed(answer.as_bytes()).unwrap();
    assert_eq!(opening(&mut client), Some(false), "a server may decline");
}

#[test]
fn answers_that_a_client_does_not_take() {
    let mut off = all();
    off.set_compression(false);
    for config in [off, Config::new()] {
        for answer in ["permessage-deflate", "permessage-deflate; server_no_context_takeover"] {
            assert_eq!(accepts(&config, answer), None, "it was not offered");
        }
    }
    for answer in [
        "permessage-bzip2",
        "permessage-deflate, permessage-deflate",
        "permessage-deflate\r\nSec-WebSocket-Extensions: permessage-deflate",
        "permessage-deflate, x",
        "x, permessage-deflate",
        "permessage-deflate; unknown",
        "permessage-deflate; unknown=1",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=1000",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
        "permessage-deflate; client_max_window_bits=9; client_max_window_bits=9",
    ] {
        assert_eq!(accepts(&all(), answer), None, "{answer}");
    }
}

/// RFC 7692, 7.1.1.1 and 7.1.2.1: who accepts an offer accepts its demands.
#[test]
fn answers_that_pass_over_a_demand() {
    let strict = config((true, false), (10, 9));
    for answer in [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits=9",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=10",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits=11",
    ] {
        assert_eq!(accepts(&strict, answer), None, "{answer}");
    }
}

/// CVE-2026-2229 (undici): a server's window bits went unchecked to zlib, which threw, and the process ended.
#[test]
fn window_bits_out_of_range_are_an_error_and_nothing_worse() {
    for bits in ["0", "1", "7", "16", "17", "31", "47", "255", "256", "264", "-15", "1000", "4294967304", "NaN"] {
        for name in ["server_max_window_bits", "client_max_window_bits"] {
            let value = format!("permessage-deflate; {name}={bits}");
            assert_eq!(accepts(&all(), &value), None, "{value}");
            assert_declined(&value);
        }
    }
}

/// Both ends of this engine, over every pair of settings.
#[test]
fn two_ends_of_this_engine_always_agree() {
    let flags = [(false, false), (false, true), (true, false), (true, true)];
    let bits = [(8, 8), (8, 15), (15, 8), (11, 13), (15, 15)];
    let every = || flags.into_iter().flat_map(move |flags| bits.into_iter().map(move |bits| config(flags, bits)));
    for (client, server) in every().flat_map(|client| every().map(move |server| (client.clone(), server))) {
        let mut client = asking(&Engine::new(&client), &client_request());
        let mut server = new_server(&server);
        server.feed(&take(&mut client)).unwrap();
        assert_eq!(opening(&mut server), Some(true));
        client.feed(&take(&mut server)).unwrap();
        assert_eq!(opening(&mut client), Some(true));
    }
}

#[test]
fn with_manual_accept() {
    let mut config = all();
    config.set_manual_accept(true);
    let mut server = new_server(&config);
    let request = format!("{REQUEST_LINES}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    assert_eq!(feed(&mut server, request.as_bytes()), [Seen::Request("/chat".into())]);
    server.accept(None, &[]).unwrap();
    assert_eq!(opening(&mut server), Some(true));
    assert_eq!(extensions_of(&String::from_utf8(take(&mut server)).unwrap()), Some("permessage-deflate"));
}
