//! 1,000 chats at once on one ai_chat: how long a token takes from the model to the client's hand, and what a chat costs in
//! memory and CPU time; beside it the same clients asking the model's stand-in itself. Every answer is compared, byte by
//! byte, with what the stand-in said.
//!
//! run.sh calls this; it lists the variables that choose a part.

mod clients;
mod measure;
mod poll;
mod process;
mod reply;
mod results;
mod upstream;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use measure::{Load, Programs, Scenario};
use reply::Way;
use results::Results;

fn main() -> ExitCode {
    poll::raise_descriptor_limit();
    poll::be_punctual();
    let root = PathBuf::from(std::env::var_os("WSENGINE_ROOT").unwrap_or_else(|| ".".into()));
    match run(&root) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-chat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(root: &Path) -> std::io::Result<()> {
    let load = Load { chats: number("CHATS", 1000), seconds: number("CHAT_SECONDS", 10), rate: 25 };
    let programs = Programs {
        chat: root.join("examples-cpp/build/ai_chat"),
        redis: process::redis_server(root),
        redis_folder: root.join("target/bench-chat/redis"),
    };
    let filter = std::env::var("CHAT_FILTER").unwrap_or_default();
    let filter: Vec<&str> = filter.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let mut scenarios = scenarios(load);
    scenarios.retain(|scenario| filter.is_empty() || filter.iter().any(|part| scenario.name.contains(part)));
    if programs.redis.is_none() {
        eprintln!("bench-chat: without Redis, of which there is no redis-server");
        scenarios.retain(|scenario| !scenario.redis);
    }

    let mut results = Results::new(load, scenarios);
    for round in 1..=number("ROUNDS", 2) {
        println!("round {round}");
        results.measure_all(&programs)?;
    }
    results.print();
    let out = root.join(std::env::var_os("CHAT_RESULTS").unwrap_or_else(|| "target/bench/chat.json".into()));
    results.write(&out)?;
    println!("\nwritten: {}", out.strip_prefix(".").unwrap_or(&out).display());
    Ok(())
}

/// In the order in which they are measured.
fn scenarios(load: Load) -> Vec<Scenario> {
    let chat = |name, arguments: &[&str]| Scenario {
        name,
        way: Way::Chat,
        load,
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
        redis: false,
    };
    let fast = Load { chats: load.chats / 4, rate: load.rate * 4, ..load };
    vec![
        Scenario { way: Way::Direct, ..chat("the model itself", &[]) },
        chat("one loop, no merging", &["--merge", "0"]),
        chat("one loop", &[]),
        chat("one loop and one more", &["--threads", "1"]),
        chat("one loop and two more", &["--threads", "2"]),
        Scenario { redis: true, ..chat("one loop, Redis", &[]) },
        Scenario { load: fast, ..chat("one loop, fast model", &[]) },
    ]
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).filter(|&number| number > 0).unwrap_or(default)
}
