//! The model's stand-in: an OpenAI-compatible server whose answers come at a fixed pace. Each token says its number and
//! when it left, in microseconds of the clock that the clients read too: `12:3456789 `.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde::Deserialize;

use crate::poll::{self, Poll, now};

/// How an answer comes. Times in nanoseconds.
#[derive(Clone, Copy)]
pub struct Pace {
    pub first: u64,
    pub interval: u64,
    pub tokens: usize,
}

/// What the upstream knows of one answer.
#[derive(Default, Clone)]
pub struct Said {
    pub asked_at: u64,
    pub first_left_at: u64,
    pub text: String,
}

pub struct Upstream {
    pub address: SocketAddr,
    /// CPU time of its thread.
    clock: libc::clockid_t,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Report>>,
}

pub struct Report {
    /// By the number of the question.
    pub said: Vec<Said>,
    /// How late tokens left, sorted, in microseconds: what the load generator itself lacked.
    pub late_us: Vec<u32>,
}

impl Upstream {
    /// Answers the questions `q0` up to `questions - 1`, each once; the last one, which warms up, with a few tokens only.
    pub fn start(pace: Pace, questions: usize) -> io::Result<Upstream> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let ends = stop.clone();
        let thread = std::thread::Builder::new().name("upstream".to_owned()).spawn(move || {
            poll::be_punctual();
            Server::new(listener, pace, questions)?.run(&ends)
        })?;
        let mut clock = 0;
        // SAFETY: the thread has not been joined, and the pointer is to an integer of the right type.
        unsafe { libc::pthread_getcpuclockid(std::os::unix::thread::JoinHandleExt::as_pthread_t(&thread), &mut clock) };
        Ok(Upstream { address, clock, stop, thread })
    }

    pub fn cpu_ns(&self) -> u64 {
        poll::read_clock(self.clock)
    }

    pub fn end(self) -> io::Result<Report> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the upstream does not panic")
    }
}

struct Answer {
    question: usize,
    next: usize,
    tokens: usize,
    first_due: u64,
}

struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
    /// What the socket did not take yet.
    output: Vec<u8>,
    answer: Option<Answer>,
}

struct Server {
    listener: TcpListener,
    poll: Poll,
    pace: Pace,
    peers: Vec<Option<Peer>>,
    /// When a peer gets its next token.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    said: Vec<Said>,
    late_us: Vec<u32>,
}

const LISTENER: usize = usize::MAX;
const WARM_UP_TOKENS: usize = 3;

impl Server {
    fn new(listener: TcpListener, pace: Pace, questions: usize) -> io::Result<Server> {
        let poll = Poll::new()?;
        poll.add(listener.as_raw_fd(), LISTENER)?;
        let said = vec![Said::default(); questions];
        let late_us = Vec::with_capacity(questions * pace.tokens);
        Ok(Server { listener, poll, pace, peers: Vec::new(), due: BinaryHeap::new(), said, late_us })
    }

    fn run(mut self, stop: &AtomicBool) -> io::Result<Report> {
        const LOOK_UP_NS: u64 = 50_000_000; // at `stop`
        let mut ready = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let next = self.due.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            self.poll.wait(next.min(now() + LOOK_UP_NS), &mut ready)?;
            for &token in &ready {
                if token == LISTENER { self.accept()? } else { self.receive(token)? }
            }
            while let Some(&Reverse((at, index))) = self.due.peek() {
                if at > now() {
                    break;
                }
                self.due.pop();
                self.send(index, at)?;
            }
        }
        self.late_us.sort_unstable();
        Ok(Report { said: self.said, late_us: self.late_us })
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nodelay(true)?;
                    stream.set_nonblocking(true)?;
                    self.poll.add(stream.as_raw_fd(), self.peers.len())?;
                    self.peers.push(Some(Peer { stream, input: Vec::new(), output: Vec::new(), answer: None }));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn receive(&mut self, index: usize) -> io::Result<()> {
        let Some(peer) = &mut self.peers[index] else { return Ok(()) };
        let mut buffer = [0; 4096];
        match peer.stream.read(&mut buffer) {
            Ok(count) if count > 0 => peer.input.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            _ => {
                self.peers[index] = None; // an answer that it had is missed by whoever asked
                return Ok(());
            }
        }
        if let Some((question, length)) = question_of(&peer.input)? {
            peer.input.drain(..length);
            if peer.answer.is_some() || question >= self.said.len() || self.said[question].asked_at != 0 {
                return Err(io::Error::other(format!("upstream: question {question} came twice, or too early")));
            }
            let asked_at = now();
            self.said[question].asked_at = asked_at;
            let first_due = asked_at + self.pace.first;
            let tokens = if question + 1 == self.said.len() { WARM_UP_TOKENS } else { self.pace.tokens };
            peer.answer = Some(Answer { question, next: 0, tokens, first_due });
            peer.output.extend_from_slice(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
            flush(peer)?;
            self.due.push(Reverse((first_due, index)));
        }
        Ok(())
    }

    /// The token that was due at `due`, and behind the last one the end.
    fn send(&mut self, index: usize, due: u64) -> io::Result<()> {
        let Some(peer) = &mut self.peers[index] else { return Ok(()) };
        let Some(answer) = &mut peer.answer else { return flush(peer) };
        let said = &mut self.said[answer.question];
        let left_at = now();
        if answer.next == 0 {
            said.first_left_at = left_at;
        }
        self.late_us.push(((left_at - due) / 1000) as u32);
        let from = said.text.len();
        let _ = write!(said.text, "{}:{} ", answer.next, left_at / 1000);
        chunk(&mut peer.output, answer.question, &format!(r#"{{"content":"{}"}}"#, &said.text[from..]), "null");
        answer.next += 1;
        let mut again = Some(answer.first_due + answer.next as u64 * self.pace.interval);
        if answer.next == answer.tokens {
            chunk(&mut peer.output, answer.question, "{}", r#""stop""#);
            peer.output.extend_from_slice(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
            peer.answer = None;
            again = None;
        }
        flush(peer)?;
        if again.is_none() && !peer.output.is_empty() {
            again = Some(now() + self.pace.interval);
        }
        if let Some(at) = again {
            self.due.push(Reverse((at, index)));
        }
        Ok(())
    }
}

/// One event, in a chunk of its own.
fn chunk(output: &mut Vec<u8>, question: usize, delta: &str, finish_reason: &str) {
    let event = format!(
        "data: {{\"id\":\"chatcmpl-{question}\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"bench\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish_reason}}}]}}\n\n"
    );
    let _ = write!(output, "{:x}\r\n{event}\r\n", event.len());
}

fn flush(peer: &mut Peer) -> io::Result<()> {
    match peer.stream.write(&peer.output) {
        Ok(count) => {
            peer.output.drain(..count);
            Ok(())
        }
        // A reader that is behind gets it with the next token; one that is gone is seen by its recv().
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(()),
        Err(error) => Err(error),
    }
}

#[derive(Deserialize)]
struct Request {
    stream: bool,
    messages: Vec<Turn>,
}

#[derive(Deserialize)]
struct Turn {
    content: String,
}

/// The number of the question and the length of its request; None as long as that is not whole.
fn question_of(input: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let Some(head_end) = input.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&input[..head_end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let wrong = || io::Error::other(format!("upstream: not a question: {}", String::from_utf8_lossy(input)));
    let body_start = head_end + 4;
    let length = length.filter(|_| head.starts_with("post /v1/chat/completions ")).ok_or_else(wrong)?;
    let Some(body) = input.get(body_start..body_start + length) else { return Ok(None) };
    let request: Request = serde_json::from_slice(body).map_err(|_| wrong())?;
    let question = request.messages.last().and_then(|turn| turn.content.strip_prefix('q')?.parse().ok());
    match question {
        Some(question) if request.stream => Ok(Some((question, body_start + length))),
        _ => Err(wrong()),
    }
}
