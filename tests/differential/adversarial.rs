//! Random, wrong and damaged streams of frames, given to both libraries: the same messages are accepted and the same
//! streams refused. Where the verdicts differ, [`Difference`] must know why.

use crate::collector::{Collector, Got, configs};
use crate::support::{feed as feed_support, raw_frame, take};
use crate::theirs::{Arrived, End, Theirs};
use crate::ways::Way;
use proptest::prelude::*;
use tungstenite::protocol::Role;
use wsengine::{Config, Connection, Engine};

/// Why the verdicts may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    /// We fail at the byte that breaks a rule; they, when the frame is whole (RFC 6455, 10.7, leaves it open; 8.1 and
    /// the autobahn cases 6.4 ask for the early end).
    WeFailEarlier,
    /// "The minimal number of bytes MUST be used to encode the length" (RFC 6455, 5.2): they accept any form.
    TheyAcceptLongLengths,
    /// A close frame with a code that must not be sent: they report and answer 1002 as if the peer had sent that.
    TheyTurnBadCloseCodesInto1002,
    /// 1014 (bad gateway) is registered with IANA: they do not know it, and turn it into 1002.
    TheyDoNotKnow1014,
}

#[derive(Debug, Clone, PartialEq)]
struct Verdict {
    arrived: Vec<Arrived>,
    end: End,
}

/// The connection after it was opened, and what was collected. Compression is not agreed on, since they have none.
fn open_ours(config: &Config, is_server: bool) -> (Connection, Collector) {
    let (engine, plain) = (Engine::new(config), Engine::default());
    let (of_server, of_client) = if is_server { (&engine, &plain) } else { (&plain, &engine) };
    let mut server = Connection::server(of_server);
    let mut client = Connection::client(of_client, &crate::support::client_request()).expect("a valid request");
    feed_support(&mut server, &take(&mut client));
    let answer = take(&mut server);
    let (mut conn, mut collector) = (if is_server { server } else { client }, Collector::default());
    if !is_server {
        conn.feed(&answer).expect("nothing is pending");
    }
    collector.got.push(Got::Open(None));
    while conn.next_event().is_some() {}
    (conn, collector)
}

fn our_verdict(config: &Config, is_server: bool, bytes: &[u8], sizes: &[usize]) -> Verdict {
    let (mut conn, mut collector) = open_ours(config, is_server);
    let mut rest = bytes;
    for &size in sizes.iter().cycle() {
        let (piece, behind) = rest.split_at(size.clamp(1, rest.len().max(1)).min(rest.len()));
        let way = Way::pick(size); // any, but the same in every run
        way.bring(&mut conn, piece, |event| collector.add(event)).expect("the earlier input was pulled");
        take(&mut conn);
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    let mut verdict = Verdict { arrived: Vec::new(), end: End::Open };
    for got in collector.got.into_iter().skip(1) {
        match got {
            Got::Text(text) => verdict.arrived.push(Arrived::Text(text)),
            Got::Binary(data) => verdict.arrived.push(Arrived::Binary(data)),
            Got::Ping(data) => verdict.arrived.push(Arrived::Ping(data)),
            Got::Pong(data) => verdict.arrived.push(Arrived::Pong(data)),
            Got::Close { clean: true, code: 1005, .. } => verdict.end = End::Closed(None),
            Got::Close { clean: true, code, reason, .. } => verdict.end = End::Closed(Some((code, reason))),
            Got::Close { detail, .. } => verdict.end = End::Failed(detail.to_owned()),
            other => panic!("{other:?}"),
        }
    }
    verdict
}

fn their_verdict(is_server: bool, bytes: &[u8]) -> Verdict {
    let mut theirs = Theirs::open(if is_server { Role::Server } else { Role::Client });
    theirs.pipe.give(bytes);
    theirs.read_all();
    Verdict { arrived: theirs.arrived, end: theirs.end }
}

/// Whether the last frame of the bytes is whole, by nothing but lengths.
fn ends_at_a_frame(bytes: &[u8]) -> bool {
    let mut at = 0;
    while at < bytes.len() {
        let field = |from: usize, len: usize| {
            let field = bytes.get(from..from + len)?;
            Some(field.iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte)))
        };
        let Some(&second) = bytes.get(at + 1) else {
            return false;
        };
        let (len, header) = match second & 0x7f {
            126 => (field(at + 2, 2), 4),
            127 => (field(at + 2, 8), 10),
            len => (Some(u64::from(len)), 2),
        };
        let Some(len) = len.and_then(|len| usize::try_from(len).ok()) else {
            return false;
        };
        match at.checked_add(header + usize::from(second >> 7) * 4).and_then(|at| at.checked_add(len)) {
            Some(end) if end <= bytes.len() => at = end,
            _ => return false,
        }
    }
    true
}

/// How the two verdicts agree: `Ok(None)` entirely, or but for a known difference; `Err` if nobody knows why not.
fn compare(bytes: &[u8], ours: &Verdict, theirs: &Verdict) -> Result<Option<Difference>, String> {
    let unknown = || Err(format!("on {bytes:02x?}\n  we:   {ours:?}\n  they: {theirs:?}"));
    let same_messages = ours.arrived == theirs.arrived;
    match (&ours.end, &theirs.end) {
        (End::Failed(why), _) if why.starts_with("payload length not in its shortest form") => {
            match theirs.arrived.starts_with(&ours.arrived) {
                true => Ok(Some(Difference::TheyAcceptLongLengths)),
                false => unknown(),
            }
        }
        _ if !same_messages => unknown(),
        (End::Failed(why), End::Closed(Some((1002, reason))))
            if why.starts_with("close frame with a code") && reason == "Protocol violation" =>
        {
            Ok(Some(Difference::TheyTurnBadCloseCodesInto1002))
        }
        (End::Closed(Some((1014, _))), End::Closed(Some((1002, reason)))) if reason == "Protocol violation" => {
            Ok(Some(Difference::TheyDoNotKnow1014))
        }
        (End::Failed(_), End::Open) if !ends_at_a_frame(bytes) => Ok(Some(Difference::WeFailEarlier)),
        (End::Failed(_), End::Failed(_)) => Ok(None),
        (ours, theirs) if ours == theirs => Ok(None),
        _ => unknown(),
    }
}

fn judge(is_server: bool, bytes: &[u8], sizes: &[usize]) -> Result<Option<Difference>, String> {
    let theirs = their_verdict(is_server, bytes);
    let mut difference = None;
    for config in configs() {
        difference = compare(bytes, &our_verdict(&config, is_server, bytes, sizes), &theirs)?;
    }
    Ok(difference)
}

/// Each difference that is listed is there: a list that is too long would hide what it should find.
#[test]
fn the_listed_differences_exist() {
    for (is_server, key) in [(true, Some([1, 2, 3, 4])), (false, None)] {
        let bit = if is_server { 0x80 } else { 0 };
        let mut long_length = vec![0x82, bit | 126, 0, 1];
        long_length.extend(key.iter().flatten());
        long_length.push(b'x');
        let close = |code: u16| raw_frame(0x88, &code.to_be_bytes(), key);
        for (bytes, expected) in [
            (vec![0xf2], Some(Difference::WeFailEarlier)),
            (long_length, Some(Difference::TheyAcceptLongLengths)),
            (close(1005), Some(Difference::TheyTurnBadCloseCodesInto1002)),
            (close(2999), Some(Difference::TheyTurnBadCloseCodesInto1002)),
            (close(1014), Some(Difference::TheyDoNotKnow1014)),
            (close(1001), None),
            (raw_frame(0x81, b"\xff", key), None),
        ] {
            assert_eq!(judge(is_server, &bytes, &[1]), Ok(expected), "{bytes:x?}");
        }
    }
}

#[derive(Debug, Clone)]
struct AnyFrame {
    first: u8,
    payload: Vec<u8>,
    masked: bool,
}

fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => "\\PC{0,60}".prop_map(String::into_bytes),
        2 => proptest::collection::vec(any::<u8>(), 0..140),
        1 => proptest::collection::vec(any::<u8>(), 0..3),
        1 => Just(vec![b'x'; 65_536]),
    ]
}

fn any_close_payload() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![990..1020u16, 2_990..5_010u16, any::<u16>()];
    (code, any_payload()).prop_map(|(code, reason)| [&code.to_be_bytes(), &reason[..reason.len().min(123)]].concat())
}

/// A text message in two frames, cut anywhere, perhaps in the middle of a character, where it may also end.
fn any_text_in_two() -> impl Strategy<Value = Vec<AnyFrame>> {
    ("\\PC{1,10}", any::<proptest::sample::Index>(), 0..3usize).prop_map(|(text, cut, missing)| {
        let bytes = text.as_bytes();
        let (first, second) = bytes.split_at(cut.index(bytes.len()));
        let second = &second[..second.len().saturating_sub(missing)];
        let frame = |first, payload: &[u8]| AnyFrame { first, payload: payload.to_vec(), masked: true };
        vec![frame(0x01, first), frame(0x80, second)]
    })
}

/// A frame that is mostly right; the role's mask is put on when it is written.
fn any_frame() -> impl Strategy<Value = AnyFrame> {
    let data = prop_oneof![Just(0x81u8), Just(0x82), Just(0x01), Just(0x02), Just(0x00), Just(0x80)];
    let control = prop_oneof![Just(0x89u8), Just(0x8a)];
    let small = any_payload().prop_map(|payload| payload[..payload.len().min(125)].to_vec());
    prop_oneof![
        12 => (data, any_payload()),
        4 => (control, small),
        1 => (Just(0x88u8), any_close_payload()),
        1 => (any::<u8>(), any_payload()),
    ]
    .prop_map(|(first, payload)| AnyFrame { first, payload, masked: true })
}

/// Damage: which byte, and what it becomes.
fn any_damage() -> impl Strategy<Value = Vec<(proptest::sample::Index, u8)>> {
    proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn hostile_streams_get_the_same_verdict(
        frames in proptest::collection::vec(
            prop_oneof![any_frame().prop_map(|frame| vec![frame]), any_text_in_two()], 0..12),
        wrong_mask in proptest::option::weighted(0.05, any::<proptest::sample::Index>()),
        damage in any_damage(),
        cut_off in proptest::option::weighted(0.3, any::<proptest::sample::Index>()),
        key in any::<[u8; 4]>(),
        sizes in proptest::collection::vec(1..2_000usize, 1..10),
        is_server in any::<bool>(),
    ) {
        let mut frames = frames.concat();
        if let (Some(at), false) = (wrong_mask, frames.is_empty()) {
            at.get_mut(&mut frames[..]).masked = false;
        }
        let mut bytes = Vec::new();
        for frame in &frames {
            let masked = frame.masked == is_server;
            bytes.extend(raw_frame(frame.first, &frame.payload, masked.then_some(key)));
        }
        if !bytes.is_empty() {
            for (at, byte) in damage {
                *at.get_mut(&mut bytes[..]) = byte;
            }
            if let Some(at) = cut_off {
                bytes.truncate(at.index(bytes.len()));
            }
        }
        if let Err(difference) = judge(is_server, &bytes, &sizes) {
            return Err(TestCaseError::fail(difference));
        }
    }

    #[test]
    fn random_bytes_get_the_same_verdict(
        bytes in proptest::collection::vec(prop_oneof![Just(0x81u8), Just(0x80), Just(0x01), Just(0x00), Just(0x88), any::<u8>()], 0..60),
        is_server in any::<bool>(),
    ) {
        if let Err(difference) = judge(is_server, &bytes, &[3]) {
            return Err(TestCaseError::fail(difference));
        }
    }
}
