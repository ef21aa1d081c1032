//! Conversations between the two libraries, handshake included, over a stream that cuts anywhere.

use crate::collector::{Collector, DELIVERIES, Got, configs};
use crate::support::{client_request, take};
use crate::theirs::{Arrived, End, Theirs};
use crate::ways::Way;
use proptest::prelude::*;
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use wsengine::{Connection, Engine, MessageType, State};

#[derive(Debug, Clone)]
enum Act {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// A message in pieces, with pings between them.
    Pieces(Vec<String>),
    Close(Option<(u16, String)>),
    /// What waits is carried over.
    Carry,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Ours,
    Theirs,
}

/// What one side sent, and so what the other must see.
#[derive(Debug, Default)]
struct Sent {
    messages: Vec<Arrived>,
    pongs: Vec<Vec<u8>>,
    /// The close frame that it began with, if it did.
    close: Option<Option<(u16, String)>>,
}

struct Conversation {
    ours: Connection,
    collector: Collector,
    theirs: Theirs,
    sent_by_us: Sent,
    sent_by_them: Sent,
    sizes: std::iter::Cycle<std::vec::IntoIter<usize>>,
}

impl Conversation {
    /// Opens a connection through the whole handshake.
    fn open(engine: &Engine, we_serve: bool, sizes: Vec<usize>) -> Conversation {
        let mut collector = Collector::default();
        let mut ours;
        let sizes_of_theirs = sizes.clone();
        let mut sizes = sizes.into_iter().cycle();
        let theirs = if we_serve {
            ours = Connection::server(engine);
            Theirs::connect(|request| {
                feed(&mut ours, &mut collector, &request, &mut sizes);
                take(&mut ours)
            })
        } else {
            ours = Connection::client(engine, &client_request()).expect("a valid request");
            let request = take(&mut ours);
            Theirs::accept(&request, |answer| feed(&mut ours, &mut collector, &answer, &mut sizes))
        };
        assert_eq!(collector.got, [Got::Open(None)]);
        collector.got.clear();
        collector.got.push(Got::Open(None));
        theirs.pipe.set_sizes(&sizes_of_theirs);
        let (sent_by_us, sent_by_them) = (Sent::default(), Sent::default());
        Conversation { ours, collector, theirs, sent_by_us, sent_by_them, sizes }
    }

    fn act(&mut self, side: Side, act: Act) {
        if let Act::Carry = act {
            return self.carry();
        }
        let done = match side {
            Side::Ours => self.we(&act),
            Side::Theirs => self.they(&act),
        };
        let sent = if side == Side::Ours { &mut self.sent_by_us } else { &mut self.sent_by_them };
        let was_closed = sent.close.is_some();
        assert!(!(done && was_closed), "{side:?} sent {act:?} after its close frame");
        if done {
            match act {
                Act::Text(text) => sent.messages.push(Arrived::Text(text)),
                Act::Binary(data) => sent.messages.push(Arrived::Binary(data)),
                Act::Ping(data) => sent.messages.push(Arrived::Ping(data)),
                Act::Pong(data) => sent.pongs.push(data),
                Act::Pieces(pieces) => {
                    sent.messages.extend(pieces.iter().skip(1).map(|piece| Arrived::Ping(ping_between(piece))));
                    sent.messages.push(Arrived::Text(pieces.concat()));
                }
                Act::Close(close) => sent.close = Some(close),
                Act::Carry => {}
            }
        }
    }

    /// Whether our side could send it.
    fn we(&mut self, act: &Act) -> bool {
        let may = self.ours.state() == State::Open;
        let out = self.ours.outbound();
        let result = match act {
            Act::Text(text) => out.queue_text(text.as_bytes()),
            Act::Binary(data) => out.queue_binary(data),
            Act::Ping(data) => out.queue_ping(data),
            Act::Pong(data) => out.queue_pong(data),
            Act::Pieces(pieces) => out.queue_begin(MessageType::Text).and_then(|()| {
                for (i, piece) in pieces.iter().enumerate() {
                    if i > 0 {
                        out.queue_ping(&ping_between(piece))?;
                    }
                    out.queue_part(piece.as_bytes())?;
                }
                out.queue_end(b"")
            }),
            Act::Close(close) => match close {
                Some((code, reason)) => out.queue_close(Some(*code), reason),
                None => out.queue_close(None, ""),
            },
            Act::Carry => Ok(()),
        };
        assert_eq!(result.is_ok(), may, "{result:?} for {act:?}");
        may
    }

    /// Whether their side could send it.
    fn they(&mut self, act: &Act) -> bool {
        let socket = &mut self.theirs.socket;
        let may = socket.can_write();
        let result = match act.clone() {
            Act::Text(text) => socket.write(Message::text(text)),
            Act::Binary(data) => socket.write(Message::binary(data)),
            Act::Ping(data) => socket.write(Message::Ping(data.into())),
            Act::Pong(data) => socket.send(Message::Pong(data.into())),
            Act::Pieces(pieces) => {
                let last = pieces.len() - 1;
                pieces.into_iter().enumerate().try_for_each(|(i, piece)| {
                    if i > 0 {
                        socket.write(Message::Ping(ping_between(&piece).into()))?;
                    }
                    let opcode = OpCode::Data(if i == 0 { Data::Text } else { Data::Continue });
                    socket.write(Message::Frame(Frame::message(piece.into_bytes(), opcode, i == last)))
                })
            }
            Act::Close(_) if !may => return false, // closing twice is no error there
            Act::Close(close) => {
                socket.close(close.map(|(code, reason)| CloseFrame { code: code.into(), reason: reason.into() }))
            }
            Act::Carry => Ok(()),
        };
        assert_eq!(result.is_ok(), may, "{result:?} for {act:?}");
        may
    }

    /// Moves what waits, both ways, until there is nothing.
    fn carry(&mut self) {
        loop {
            let to_them = take(&mut self.ours);
            self.theirs.pipe.give(&to_them);
            self.theirs.read_all();
            let to_us = self.theirs.pipe.take();
            feed(&mut self.ours, &mut self.collector, &to_us, &mut self.sizes);
            if to_them.is_empty() && to_us.is_empty() {
                return;
            }
        }
    }

    /// Ends it, and checks that each side saw what the other sent.
    fn check(mut self) {
        self.carry();
        if self.sent_by_us.close.is_none() && self.sent_by_them.close.is_none() {
            self.act(Side::Ours, Act::Close(Some((1000, "done".into()))));
            self.carry();
        }

        let mut at_us = Vec::new();
        let mut pongs_at_us = Vec::new();
        let mut close_at_us = None;
        for got in self.collector.got.into_iter().skip(1) {
            match got {
                Got::Text(text) => at_us.push(Arrived::Text(text)),
                Got::Binary(data) => at_us.push(Arrived::Binary(data)),
                Got::Ping(data) => at_us.push(Arrived::Ping(data)),
                Got::Pong(data) => pongs_at_us.push(data),
                Got::Close { code, reason, clean, .. } => {
                    assert!(clean, "{code} {reason}");
                    close_at_us = Some((code, reason));
                }
                other => panic!("{other:?}"),
            }
        }
        let mut at_them = Vec::new();
        let mut pongs_at_them = Vec::new();
        for arrived in self.theirs.arrived {
            match arrived {
                Arrived::Pong(data) => pongs_at_them.push(data),
                other => at_them.push(other),
            }
        }

        assert_eq!(at_us, self.sent_by_them.messages, "what we saw of theirs");
        // Our pings may overtake messages that wait; neither overtakes its own kind.
        let apart = |arrived: Vec<Arrived>| -> (Vec<_>, Vec<_>) {
            arrived.into_iter().partition(|arrived| matches!(arrived, Arrived::Ping(_)))
        };
        assert_eq!(apart(at_them), apart(self.sent_by_us.messages.clone()), "what they saw of ours");
        check_pongs(&pongs_at_us, &self.sent_by_us, &self.sent_by_them);
        check_pongs(&pongs_at_them, &self.sent_by_them, &self.sent_by_us);

        let End::Closed(close_at_them) = self.theirs.end else {
            panic!("{:?}", self.theirs.end);
        };
        let close_at_us = close_at_us.expect("one end");
        assert_close(Some(close_at_us), &self.sent_by_them.close, &self.sent_by_us.close);
        assert_close(close_at_them, &self.sent_by_us.close, &self.sent_by_them.close);
        assert_eq!(self.ours.state(), State::Closed);
    }
}

fn ping_between(piece: &str) -> Vec<u8> {
    piece.as_bytes()[..piece.len().min(125)].to_vec()
}

fn feed(conn: &mut Connection, collector: &mut Collector, bytes: &[u8], sizes: &mut impl Iterator<Item = usize>) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let size = sizes.next().expect("they cycle").clamp(1, rest.len());
        let way = Way::pick(size); // any, but the same in every run
        way.bring(conn, &rest[..size], |event| collector.add(event)).expect("the earlier input was pulled");
        rest = &rest[size..];
    }
}

/// Each pong is one that the peer sent of itself, or answers a ping. Of pings that pile up only the newest need be
/// answered (RFC 6455, 5.5.3), so there may be fewer.
fn check_pongs(arrived: &[Vec<u8>], sent_here: &Sent, sent_there: &Sent) {
    let pings = sent_here.messages.iter().filter_map(|message| match message {
        Arrived::Ping(data) => Some(data),
        _ => None,
    });
    let mut possible = pings.chain(&sent_there.pongs).collect::<Vec<_>>();
    for pong in arrived {
        let at = possible.iter().position(|&other| other == pong);
        possible.swap_remove(at.unwrap_or_else(|| panic!("nobody sent or asked for {pong:x?}")));
    }
}

/// The close frame that arrived is the one that the peer began with or, if it answered, has our own code.
fn assert_close(
    arrived: Option<(u16, String)>,
    begun: &Option<Option<(u16, String)>>,
    answered: &Option<Option<(u16, String)>>,
) {
    let code = arrived.as_ref().map_or(1005, |(code, _)| *code);
    match begun {
        Some(begun) => {
            let begun = begun.clone().unwrap_or((1005, String::new()));
            assert_eq!(arrived.unwrap_or((1005, String::new())), begun);
        }
        None => {
            let answered = answered.as_ref().expect("one of them began");
            assert_eq!(code, answered.as_ref().map_or(1005, |(code, _)| *code));
        }
    }
}

fn any_act() -> impl Strategy<Value = Act> {
    let bytes = |max| proptest::collection::vec(any::<u8>(), 0..max);
    prop_oneof![
        4 => "\\PC{0,150}".prop_map(Act::Text),
        2 => bytes(300).prop_map(Act::Binary),
        1 => bytes(70_000).prop_map(Act::Binary),
        2 => bytes(126).prop_map(Act::Ping),
        1 => bytes(126).prop_map(Act::Pong),
        2 => proptest::collection::vec("\\PC{0,40}", 1..6).prop_map(Act::Pieces),
        4 => Just(Act::Carry),
    ]
}

fn any_close() -> impl Strategy<Value = Act> {
    // 1014 they do not know: `adversarial.rs` has it.
    let code = prop_oneof![1000..=1003u16, 1007..=1009u16, 1011..=1013u16, 3000..=4999u16];
    proptest::option::of((code, "[a-z ]{0,60}")).prop_map(Act::Close)
}

fn any_side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Ours), Just(Side::Theirs)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn both_see_the_same_messages_and_close_codes(
        mut acts in proptest::collection::vec((any_side(), any_act()), 0..25),
        closes in proptest::collection::vec((any::<proptest::sample::Index>(), any_side(), any_close()), 0..3),
        sizes in proptest::collection::vec(prop_oneof![1..20usize, 1..5_000usize], 1..20),
        we_serve in any::<bool>(),
        config in proptest::sample::select(configs()),
    ) {
        for (at, side, close) in closes {
            acts.insert(at.index(acts.len() + 1), (side, close));
        }
        let mut conversation = Conversation::open(&Engine::new(&config), we_serve, sizes);
        for (side, act) in acts {
            conversation.act(side, act);
        }
        conversation.check();
    }
}

#[test]
fn every_configuration_opens_talks_and_closes_both_ways_round() {
    for (config, delivery) in configs().iter().zip(DELIVERIES.into_iter().cycle()) {
        let engine = Engine::new(config);
        for we_serve in [true, false] {
            let mut conversation = Conversation::open(&engine, we_serve, vec![usize::MAX]);
            conversation.act(Side::Theirs, Act::Text("你好".into()));
            conversation.act(Side::Ours, Act::Text("hello".into()));
            conversation.act(Side::Theirs, Act::Pieces(vec!["a".into(), "".into(), "b".into()]));
            conversation.carry();
            assert_eq!(conversation.collector.delivery, Some(delivery));
            conversation.act(if we_serve { Side::Ours } else { Side::Theirs }, Act::Close(None));
            conversation.check();
        }
    }
}
