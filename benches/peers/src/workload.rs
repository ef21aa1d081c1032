//! What is measured: the list of workloads, each with its input and what must come out.

use crate::job::{Bytes, Inspected, Job, Kind, READ, Tally};
use crate::streams::{ACCEPT, Content, Stream, browser_request, deflate_request, minimal_request, server_messages};

const SIZES: [usize; 6] = [16, 128, 1024, 16 << 10, 256 << 10, 1 << 20];
const BROADCAST_CONNECTIONS: usize = 10_000;
const HANDSHAKES: usize = 256;

pub struct Workload {
    /// "receive ASCII": the group in the report.
    pub name: &'static str,
    /// "1 KiB": the cell within it.
    pub size: String,
    pub job: Job,
    stream: Option<Stream>,
}

fn size_name(size: usize) -> String {
    match size {
        _ if size >= 1 << 20 => format!("{} MiB", size >> 20),
        _ if size >= 1 << 10 => format!("{} KiB", size >> 10),
        _ => format!("{size} B"),
    }
}

/// All that are timed. Each is made when it is measured: the streams are large.
pub fn all() -> Vec<(&'static str, String, Box<dyn Fn() -> Workload>)> {
    let mut list: Vec<(&'static str, String, Box<dyn Fn() -> Workload>)> = Vec::new();
    let mut add = |name: &'static str, size: String, make: Box<dyn Fn(&'static str, String) -> Workload>| {
        let again = size.clone();
        list.push((name, size, Box::new(move || make(name, again.clone()))));
    };
    for (name, content) in
        [("receive ASCII", Content::Ascii), ("receive Chinese", Content::Chinese), ("receive binary", Content::Binary)]
    {
        for size in SIZES {
            add(name, size_name(size), Box::new(move |name, text| messages(name, text, Kind::Receive, content, size, READ)));
        }
    }
    for size in SIZES {
        add("echo ASCII", size_name(size), Box::new(move |name, text| messages(name, text, Kind::Echo, Content::Ascii, size, READ)));
    }
    add("receive in 7-byte reads", size_name(128), Box::new(|name, text| messages(name, text, Kind::Receive, Content::Ascii, 128, 7)));
    add("handshake", "minimal".into(), Box::new(|name, text| handshake(name, text, minimal_request())));
    add("handshake", "browser".into(), Box::new(|name, text| handshake(name, text, browser_request())));
    for size in [128, 1024, 16 << 10] {
        add("broadcast", size_name(size), Box::new(move |name, text| broadcast(name, text, size)));
    }
    for (text, takeover) in [("takeover", true), ("no takeover", false)] {
        add("deflate echo, 1 KiB JSON", text.into(), Box::new(move |name, text| deflate(name, text, takeover)));
    }
    list
}

fn job(kind: Kind, request: Bytes) -> Job {
    let nothing = Bytes::new(Vec::new());
    Job { kind, text: 0, takeover: 0, input: nothing, input_messages: 0, read_size: READ, request, payload: nothing, count: 0 }
}

fn messages(name: &'static str, size_name: String, kind: Kind, content: Content, size: usize, read_size: usize) -> Workload {
    let stream = Stream::plain(content, size);
    let job = Job { text: content.is_text().into(), input: stream.frames, input_messages: stream.messages.len(), read_size, ..job(kind, minimal_request()) };
    Workload { name, size: size_name, job, stream: Some(stream) }
}

fn deflate(name: &'static str, size_name: String, takeover: bool) -> Workload {
    let stream = Stream::compressed(1024, takeover);
    let job = Job { text: 1, takeover: takeover.into(), input: stream.frames, input_messages: stream.messages.len(), ..job(Kind::Deflate, deflate_request(takeover)) };
    Workload { name, size: size_name, job, stream: Some(stream) }
}

fn handshake(name: &'static str, size_name: String, request: Bytes) -> Workload {
    let job = Job { count: HANDSHAKES, ..job(Kind::Handshake, request) };
    Workload { name, size: size_name, job, stream: None }
}

fn broadcast(name: &'static str, size_name: String, size: usize) -> Workload {
    let mut stream = Stream::plain(Content::Binary, size);
    stream.messages.truncate(1);
    let payload = Bytes::new(stream.messages[0].clone());
    let job = Job { payload, count: BROADCAST_CONNECTIONS, ..job(Kind::Broadcast, minimal_request()) };
    Workload { name, size: size_name, job, stream: Some(stream) }
}

/// Connections that are held; after an echo of each of `traffic`.
pub fn idle(count: usize, traffic: bool) -> Job {
    let stream = Stream::traffic();
    let (input, input_messages) = if traffic { (stream.frames, stream.messages.len()) } else { (Bytes::new(Vec::new()), 0) };
    Job { text: 1, input, input_messages, count, ..job(Kind::Idle, minimal_request()) }
}

impl Workload {
    /// What the time is divided by.
    pub fn units(&self) -> u64 {
        match &self.stream {
            Some(stream) if self.job.kind != Kind::Broadcast => stream.messages.len() as u64,
            _ => self.job.count as u64,
        }
    }

    /// Checks every byte of one pass; returns the mean size of a compressed answer, if there are such.
    /// `inflate` is the client's, and lives as long as the connection.
    pub fn inspect(&self, tally: &Tally, out: &Inspected, inflate: &mut flate2::Decompress) -> Result<Option<f64>, String> {
        match self.job.kind {
            Kind::Receive => self.inspect_messages(out).map(|()| None),
            Kind::Echo => {
                self.inspect_messages(out)?;
                let answers = server_messages(&out.output, false).ok_or("the answer is no row of frames")?;
                if answers != self.expected() {
                    return Err("the answers are not the messages".into());
                }
                Ok(None)
            }
            Kind::Deflate => {
                self.inspect_messages(out)?;
                self.inspect_compressed(out, inflate).map(Some)
            }
            Kind::Handshake => {
                let good = out.output.windows(ACCEPT.len()).filter(|window| *window == ACCEPT).count();
                let statuses = out.output.windows(12).filter(|window| *window == b"HTTP/1.1 101").count();
                if good != self.job.count || statuses != good || tally.messages != good as u64 {
                    return Err(format!("{good} of {} handshakes have the right answer", self.job.count));
                }
                Ok(None)
            }
            Kind::Broadcast => {
                let frames = server_messages(&out.output, false).ok_or("the output is no row of frames")?;
                if frames.len() != self.job.count || frames.iter().any(|frame| *frame != self.job.payload.get()) {
                    return Err("a connection did not get the message".into());
                }
                Ok(None)
            }
            Kind::Idle => Ok(None),
        }
    }

    /// Checks the counts of a timed pass.
    pub fn check(&self, tally: &Tally, passes: u64) -> Result<(), String> {
        let right = match self.job.kind {
            Kind::Handshake => tally.messages == passes * self.job.count as u64,
            Kind::Broadcast => tally.out_bytes >= passes * (self.job.count * self.job.payload.get().len()) as u64,
            _ => {
                let stream = self.stream.as_ref().expect("messages");
                let out = if self.job.kind == Kind::Echo { passes * stream.bytes } else { 0 };
                tally.messages == passes * stream.messages.len() as u64
                    && tally.bytes == passes * stream.bytes
                    && tally.checksum == passes.wrapping_mul(stream.checksum)
                    && tally.out_bytes >= out
            }
        };
        if right { Ok(()) } else { Err("counts or checksum of a timed pass are wrong".into()) }
    }

    fn expected(&self) -> &[Vec<u8>] {
        &self.stream.as_ref().expect("messages").messages
    }

    fn inspect_messages(&self, out: &Inspected) -> Result<(), String> {
        let expected = self.expected();
        if out.messages != expected {
            return Err(format!("{} messages of {} came out, or other ones", out.messages.len(), expected.len()));
        }
        Ok(())
    }

    fn inspect_compressed(&self, out: &Inspected, inflate: &mut flate2::Decompress) -> Result<f64, String> {
        let answers = server_messages(&out.output, true).ok_or("the answer is no row of frames")?;
        for (answer, message) in answers.iter().zip(self.expected()) {
            if self.job.takeover == 0 {
                inflate.reset(false);
            }
            let mut plain = Vec::with_capacity(message.len() + 64);
            let mut tailed = answer.to_vec();
            tailed.extend_from_slice(&[0, 0, 0xff, 0xff]);
            inflate
                .decompress_vec(&tailed, &mut plain, flate2::FlushDecompress::Sync)
                .map_err(|error| format!("an answer cannot be inflated: {error}"))?;
            if plain != *message {
                return Err("an answer inflates to something else".into());
            }
        }
        if answers.len() != self.expected().len() {
            return Err(format!("{} answers", answers.len()));
        }
        Ok(answers.iter().map(|answer| answer.len()).sum::<usize>() as f64 / answers.len() as f64)
    }
}
