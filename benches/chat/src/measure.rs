//! One measurement, and what it gives.

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::clients::{Client, Clients};
use crate::poll::{now, read_clock};
use crate::process::{Chat, Redis};
use crate::reply::Way;
use crate::upstream::{Pace, Report, Upstream};

/// So many chats, each with one answer of so many seconds and so many tokens a second.
#[derive(Clone, Copy, Serialize)]
pub struct Load {
    pub chats: usize,
    pub seconds: usize,
    pub rate: usize,
}

pub struct Scenario {
    pub name: &'static str,
    pub way: Way,
    pub load: Load,
    /// Of ai_chat.
    pub arguments: Vec<String>,
    pub redis: bool,
}

pub struct Programs {
    pub chat: PathBuf,
    pub redis: Option<PathBuf>,
    pub redis_folder: PathBuf,
}

/// The chats ask one after the other within this time.
pub const SPREAD_NS: u64 = 3_000_000_000;
/// From the question to the first token, at the upstream.
pub const FIRST_TOKEN_NS: u64 = 200_000_000;

/// Of the time in which every chat gets tokens, but for `first_*`, `answers` and the memory.
#[derive(Serialize, Clone, Default)]
pub struct Sample {
    pub answers: usize,
    pub tokens: usize,
    pub tokens_per_second: f64,
    /// From leaving the upstream to being in the client's hand.
    pub token_p50_us: f64,
    pub token_p99_us: f64,
    pub token_max_us: f64,
    /// From asking to having the first token, of all chats; and what that is above the upstream's own time.
    pub first_p50_ms: f64,
    pub first_p99_ms: f64,
    pub first_extra_p50_ms: f64,
    pub first_extra_p99_ms: f64,
    pub messages_per_token: f64,
    pub cpu_us_per_token: f64,
    /// Of one core.
    pub chat_percent: f64,
    pub redis_percent: f64,
    pub driver_percent: f64,
    /// By all others on the machine, of one core.
    pub others_percent: f64,
    /// How late tokens left the upstream: what the driver itself lacked.
    pub late_p99_us: f64,
    /// VmRSS of ai_chat, in bytes, after one chat that is gone.
    pub memory_empty: u64,
    pub memory_idle: u64,
    pub memory_streaming: u64,
    pub reactor: String,
}

/// What was used up to some moment, in nanoseconds.
#[derive(Clone, Copy, Default)]
struct Used {
    at: u64,
    chat: u64,
    redis: u64,
    driver: u64,
    machine: u64,
    memory: u64,
}

pub fn measure(scenario: &Scenario, programs: &Programs) -> io::Result<Sample> {
    let load = scenario.load;
    let tokens = load.seconds * load.rate;
    let pace = Pace { first: FIRST_TOKEN_NS, interval: 1_000_000_000 / load.rate as u64, tokens };
    let upstream = Upstream::start(pace, load.chats + 1)?;
    let redis = match &programs.redis {
        Some(program) if scenario.redis => Some(Redis::start(program, &programs.redis_folder)?),
        _ => None,
    };
    let chat = match scenario.way {
        Way::Direct => None,
        Way::Chat => {
            let mut arguments = scenario.arguments.clone();
            arguments.extend(redis.iter().flat_map(|redis| ["--redis".to_owned(), redis.address.to_string()]));
            Some(Chat::start(&programs.chat, upstream.address, &arguments)?)
        }
    };
    let memory = || chat.as_ref().map_or(Ok(0), |chat| chat.process.memory());
    let settled_memory = || {
        std::thread::sleep(Duration::from_millis(300));
        memory()
    };
    let used = || Used {
        at: now(),
        chat: chat.as_ref().map_or(0, |chat| chat.process.cpu_ns()),
        redis: redis.as_ref().map_or(0, |redis| redis.process.cpu_ns()),
        driver: read_clock(libc::CLOCK_THREAD_CPUTIME_ID) + upstream.cpu_ns(),
        machine: machine_cpu_ns(),
        memory: memory().unwrap_or(0),
    };

    let address = chat.as_ref().map_or(upstream.address, |chat| chat.address);
    // What the chat needs once is not what a chat costs.
    Clients::connect(scenario.way, address, 1, load.chats)?.ask_all(0, || {}, || {})?;
    let memory_empty = settled_memory()?;
    let mut clients = Clients::connect(scenario.way, address, load.chats, 0)?;
    let memory_idle = settled_memory()?;
    let (full, ebbing) = (Cell::new(Used::default()), Cell::new(Used::default()));
    clients.ask_all(SPREAD_NS, || full.set(used()), || ebbing.set(used()))?;
    let (full, ebbing) = (full.get(), ebbing.get());
    let report = upstream.end()?;
    for (index, client) in clients.all.iter().enumerate() {
        check(client, &report, index, tokens)?;
    }
    if ebbing.at <= full.at {
        return Err(io::Error::other("the first answer was over before the last one began: longer ones are needed"));
    }

    let reactor = chat.as_ref().map_or(String::new(), |chat| chat.reactor.clone());
    let mut sample =
        Sample { memory_empty, memory_idle, memory_streaming: ebbing.memory, reactor, ..Sample::default() };
    sample.add_times(&clients, &report, full.at, ebbing.at);
    sample.add_usage(&full, &ebbing);
    Ok(sample)
}

impl Sample {
    fn add_times(&mut self, clients: &Clients, report: &Report, from: u64, until: u64) {
        let within = (from / 1000) as u32..(until / 1000) as u32;
        let arrivals = clients.arrivals.iter().filter(|arrival| within.contains(&arrival.left_us));
        let took: Vec<u32> = sorted(arrivals.map(|arrival| arrival.took_us));
        self.answers = clients.all.len();
        self.tokens = took.len();
        self.tokens_per_second = took.len() as f64 / (until - from) as f64 * 1e9;
        self.token_p50_us = quantile(&took, 0.5);
        self.token_p99_us = quantile(&took, 0.99);
        self.token_max_us = quantile(&took, 1.0);

        let pairs = || clients.all.iter().zip(&report.said);
        let first = sorted(pairs().map(|(client, _)| us(client.first_at - client.asked_at)));
        let extra = sorted(pairs().map(|(client, said)| {
            us((client.first_at - client.asked_at).saturating_sub(said.first_left_at - said.asked_at))
        }));
        self.first_p50_ms = quantile(&first, 0.5) / 1e3;
        self.first_p99_ms = quantile(&first, 0.99) / 1e3;
        self.first_extra_p50_ms = quantile(&extra, 0.5) / 1e3;
        self.first_extra_p99_ms = quantile(&extra, 0.99) / 1e3;

        let sum = |value: fn(&Client) -> usize| clients.all.iter().map(value).sum::<usize>() as f64;
        self.messages_per_token = sum(|client| client.messages) / sum(|client| client.tokens);
        self.late_p99_us = quantile(&report.late_us, 0.99);
    }

    fn add_usage(&mut self, from: &Used, until: &Used) {
        let time = (until.at - from.at) as f64;
        let percent = |value: fn(&Used) -> u64| (value(until) - value(from)) as f64 / time * 100.0;
        self.chat_percent = percent(|used| used.chat);
        self.redis_percent = percent(|used| used.redis);
        self.driver_percent = percent(|used| used.driver);
        let ours = self.chat_percent + self.redis_percent + self.driver_percent;
        self.others_percent = (percent(|used| used.machine) - ours).max(0.0);
        self.cpu_us_per_token = (until.chat - from.chat) as f64 / self.tokens as f64 / 1e3;
    }
}

/// The answer is what the upstream said to this question, and whole.
fn check(client: &Client, report: &Report, index: usize, tokens: usize) -> io::Result<()> {
    let said = &report.said[index].text;
    if client.tokens != tokens || client.text != *said {
        let at = client.text.bytes().zip(said.bytes()).take_while(|(got, said)| got == said).count();
        return Err(io::Error::other(format!(
            "client {index} has another text than the upstream said, from byte {at} on, with {} of {tokens} tokens",
            client.tokens
        )));
    }
    Ok(())
}

fn us(nanoseconds: u64) -> u32 {
    (nanoseconds / 1000) as u32
}

fn sorted(values: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut values: Vec<u32> = values.collect();
    values.sort_unstable();
    values
}

/// The value that `share` of the sorted ones do not exceed, or 0 if there is none.
fn quantile(sorted: &[u32], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(index.max(1) - 1).copied().unwrap_or(0).into()
}

/// CPU time of everything on this machine, without idling.
fn machine_cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let busy: u64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|&index| ticks.get(index)).sum();
    // SAFETY: a plain library call.
    busy * 1_000_000_000 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_known_values() {
        assert_eq!(quantile(&[], 0.5), 0.0);
        let values: Vec<u32> = (1..=100).collect();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| quantile(&values, share)), [1.0, 50.0, 99.0, 100.0]);
    }
}
