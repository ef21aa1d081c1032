//! Loopback echo of whole servers: the same load on each, round by round, every byte that comes back compared, and as the
//! headline what a message costs the server in CPU time, beside a TCP echo of the same bytes.
//!
//! run.sh builds the servers and calls this; it lists the variables that choose a part.

mod clients;
mod histogram;
mod load;
mod measure;
mod results;
mod server;
mod tape;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use results::{MemoryRow, Results, Row};
use server::Subject;

/// Connections in the measurement of memory, if the limit of open files allows as many.
const IDLE_CONNECTIONS: usize = 10_000;

struct Options {
    filter: Vec<String>,
    rounds: usize,
    duration_ns: u64,
    out: PathBuf,
}

fn main() -> ExitCode {
    bench_e2e_servers::raise_descriptor_limit();
    let root = PathBuf::from(std::env::var_os("WSENGINE_ROOT").unwrap_or_else(|| ".".into()));
    let wanted = list("E2E_SERVERS");
    let mut subjects = server::subjects(&root, &root.join("target/bench-e2e"));
    subjects.retain(|subject| {
        subject.raw || wanted.is_empty() || wanted.iter().any(|name| subject.name.contains(name.as_str()))
    });
    let options = Options {
        filter: list("E2E_FILTER"),
        rounds: number("ROUNDS", 3) as usize,
        duration_ns: number("E2E_MS", 450) * 1_000_000,
        out: root.join(std::env::var_os("E2E_RESULTS").unwrap_or_else(|| "target/bench/e2e.json".into())),
    };
    match run(&subjects, &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-e2e: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(subjects: &[Subject], options: &Options) -> std::io::Result<()> {
    let cores = server::cores();
    if cores.is_none() {
        eprintln!(
            "bench-e2e: there is only one core, so server and driver share it; CPU time per message is still the server's"
        );
    }
    let server_core = cores.map(|(server, _)| server);
    server::pin(cores.map(|(_, driver)| driver));
    let taken =
        |name: &str| options.filter.is_empty() || options.filter.iter().any(|part| name.contains(part.as_str()));

    let mut results = Results::new(options.rounds, options.duration_ns);
    results::print_head(subjects);
    for load in load::all().iter().filter(|load| taken(&load.name())) {
        let mut rows: Vec<Row> = subjects.iter().map(|subject| Row::new(load, subject.name)).collect();
        for _ in 0..options.rounds {
            for (subject, row) in subjects.iter().zip(&mut rows) {
                match measure::throughput(subject, load, server_core, options.duration_ns) {
                    Ok(sample) => row.samples.push(sample),
                    Err(error) => eprintln!("bench-e2e: {}, {}: {error}", subject.name, load.name()),
                }
            }
        }
        results.add(load, rows);
    }
    if taken("memory") {
        for subject in subjects {
            match measure::memory(subject, idle_connections(), server_core) {
                Ok(memory) => results.memory.push(MemoryRow { subject: subject.name.to_owned(), memory }),
                Err(error) => eprintln!("bench-e2e: {}, memory: {error}", subject.name),
            }
        }
        results.print_memory();
    }
    results.write(&options.out)?;
    println!("\nwritten: {}", display(&options.out));
    Ok(())
}

/// As many as the limit of open files allows, which holds for the driver and each server.
fn idle_connections() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a struct that lives throughout the call.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    IDLE_CONNECTIONS.min((limit.rlim_cur as usize).saturating_sub(100))
}

fn display(path: &Path) -> String {
    path.strip_prefix("./").unwrap_or(path).display().to_string()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).filter(|&number| number > 0).unwrap_or(default)
}

/// The parts of a variable, which commas separate.
fn list(name: &str) -> Vec<String> {
    let text = std::env::var(name).unwrap_or_default();
    text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}
