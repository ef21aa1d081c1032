//! The browsers' end: many connections on one epoll, each of which asks one question and takes the answer apart token by
//! token. Over WebSocket from the chat, or over HTTP from the upstream itself.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use crate::poll::{Poll, now};
use crate::reply::{Piece, Way};

/// A server that sends nothing to anybody for so long is broken.
const PATIENCE_NS: u64 = 20_000_000_000;

pub struct Client {
    stream: TcpStream,
    /// Received, and not a whole message yet.
    input: Vec<u8>,
    pub asked_at: u64,
    pub first_at: u64,
    pub text: String,
    /// How much of the text was taken for tokens.
    parsed: usize,
    pub tokens: usize,
    pub messages: usize,
    seq: u64,
    pub over_at: u64,
}

/// A token in a client's hand: when it left the upstream and how long it took, in microseconds.
#[derive(Clone, Copy)]
pub struct Arrival {
    pub left_us: u32,
    pub took_us: u32,
}

pub struct Clients {
    way: Way,
    poll: Poll,
    ready: Vec<usize>,
    buffer: Vec<u8>,
    pub all: Vec<Client>,
    pub arrivals: Vec<Arrival>,
    first_question: usize,
    begun: usize,
    over: usize,
}

impl Clients {
    /// Connects them all; those of the chat open their WebSocket.
    pub fn connect(way: Way, address: SocketAddr, count: usize, first_question: usize) -> io::Result<Clients> {
        let poll = Poll::new()?;
        let mut all = Vec::with_capacity(count);
        for index in 0..count {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            if matches!(way, Way::Chat) {
                open(&stream, address)?;
            }
            stream.set_nonblocking(true)?;
            poll.add(stream.as_raw_fd(), index)?;
            all.push(Client {
                stream,
                input: Vec::new(),
                asked_at: 0,
                first_at: 0,
                text: String::new(),
                parsed: 0,
                tokens: 0,
                messages: 0,
                seq: 0,
                over_at: 0,
            });
        }
        let (ready, buffer, arrivals) = (Vec::new(), vec![0; 256 * 1024], Vec::new());
        Ok(Clients { way, poll, ready, buffer, all, arrivals, first_question, begun: 0, over: 0 })
    }

    /// Has them ask one after the other within `spread` nanoseconds, and takes the answers until all have the last token.
    /// `full` is called when all have their first one, `ebbing` when the first of them has its last.
    pub fn ask_all(&mut self, spread: u64, mut full: impl FnMut(), mut ebbing: impl FnMut()) -> io::Result<()> {
        let (start, count) = (now(), self.all.len());
        let (mut asked, mut heard) = (0, start);
        let (mut was_full, mut was_ebbing) = (false, false);
        while self.over < count {
            let next = if asked < count { start + spread * asked as u64 / count as u64 } else { u64::MAX };
            if next <= now() {
                self.ask(asked)?;
                asked += 1;
            }
            let mut ready = std::mem::take(&mut self.ready);
            self.poll.wait(next.min(heard + PATIENCE_NS), &mut ready)?;
            for &index in &ready {
                self.receive(index).map_err(|error| io::Error::other(format!("client {index}: {error}")))?;
                heard = now();
            }
            self.ready = ready;
            if now() >= heard + PATIENCE_NS {
                let missing = count - self.over;
                return Err(io::Error::other(format!("{missing} answers are not over, and nothing comes any more")));
            }
            if !was_full && self.begun == count {
                was_full = true;
                full();
            }
            if !was_ebbing && self.over > 0 {
                was_ebbing = true;
                ebbing();
            }
        }
        Ok(())
    }

    fn ask(&mut self, index: usize) -> io::Result<()> {
        let request = self.way.request(self.first_question + index);
        let client = &mut self.all[index];
        client.asked_at = now();
        client.stream.write_all(&request)
    }

    fn receive(&mut self, index: usize) -> io::Result<()> {
        let client = &mut self.all[index];
        let count = match client.stream.read(&mut self.buffer) {
            Ok(0) => return Err(io::Error::other("the server closed the connection")),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let at = now();
        // Most reads are whole messages: those are not copied.
        if client.input.is_empty() {
            let used = take_all(self.way, client, &self.buffer[..count], at, &mut self.arrivals)?;
            client.input.extend_from_slice(&self.buffer[used..count]);
        } else {
            client.input.extend_from_slice(&self.buffer[..count]);
            let input = std::mem::take(&mut client.input);
            let used = take_all(self.way, client, &input, at, &mut self.arrivals)?;
            client.input = input[used..].to_vec();
        }
        if client.first_at == 0 && client.tokens > 0 {
            client.first_at = at;
            self.begun += 1;
        }
        if client.over_at == at {
            self.over += 1;
        }
        Ok(())
    }
}

/// The whole messages in `input`; returns how many bytes those are.
fn take_all(way: Way, client: &mut Client, input: &[u8], at: u64, arrivals: &mut Vec<Arrival>) -> io::Result<usize> {
    let mut used = 0;
    while let Some((piece, length)) = way.next_piece(&input[used..])? {
        used += length;
        match piece {
            Piece::Nothing => {}
            Piece::Pong(frame) => client.stream.write_all(&frame)?,
            Piece::Text { content, .. } if client.over_at != 0 => {
                return Err(io::Error::other(format!("{content:?} came behind the end of the answer")));
            }
            Piece::Text { seq, content, done } => {
                if seq.is_some_and(|seq| seq != client.seq + 1) {
                    return Err(io::Error::other(format!("the message {seq:?} came behind {}", client.seq)));
                }
                client.seq += 1;
                client.messages += usize::from(!content.is_empty());
                client.text.push_str(&content);
                take_tokens(client, at, arrivals)?;
                if done {
                    client.over_at = at;
                }
            }
        }
    }
    Ok(used)
}

/// The tokens that are whole by now: `12:3456789 `.
fn take_tokens(client: &mut Client, at: u64, arrivals: &mut Vec<Arrival>) -> io::Result<()> {
    while let Some(length) = client.text[client.parsed..].find(' ') {
        let token = &client.text[client.parsed..client.parsed + length];
        let parts = token.split_once(':').and_then(|(number, left)| Some((number.parse().ok()?, left.parse().ok()?)));
        let (number, left_us): (usize, u32) = parts.ok_or_else(|| io::Error::other(format!("a token {token:?}")))?;
        if number != client.tokens {
            return Err(io::Error::other(format!("token {number} came where {} was due", client.tokens)));
        }
        arrivals.push(Arrival { left_us, took_us: ((at / 1000) as u32).saturating_sub(left_us) });
        client.tokens += 1;
        client.parsed += length + 1;
    }
    Ok(())
}

/// The handshake, by tungstenite, and the chat's first message.
fn open(stream: &TcpStream, address: SocketAddr) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let wrong = |error: &dyn std::fmt::Display| io::Error::other(format!("handshake: {error}"));
    let (mut socket, _response) =
        tungstenite::client(format!("ws://{address}/ws/chat"), stream).map_err(|error| wrong(&error))?;
    match socket.read().map_err(|error| wrong(&error))? {
        tungstenite::Message::Text(text) if text.contains(r#""type":"service""#) => Ok(()),
        other => Err(wrong(&format!("{other:?} is not the chat's first message"))),
    }
}
