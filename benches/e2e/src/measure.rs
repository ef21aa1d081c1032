//! One measurement, and what it gives.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::clients::{Clients, now};
use crate::load::{Kind, Load};
use crate::server::{Server, Subject, read_clock};
use crate::tape::Tape;

#[derive(Serialize, Clone)]
pub struct Sample {
    pub messages: u64,
    pub messages_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// The server's, user and kernel.
    pub cpu_us_per_message: f64,
    /// How much of the time each was busy: where the driver is busier than the server, messages/s are the driver's.
    pub server_busy: f64,
    pub driver_busy: f64,
}

/// Starts a server, loads it, and measures for `duration_ns` after a warm-up of a third of that.
pub fn throughput(subject: &Subject, load: &Load, core: Option<usize>, duration_ns: u64) -> io::Result<Sample> {
    let server = Server::start(subject, core)?;
    let tape = tape_for(subject, load.size, load.kind);
    let mut clients = Clients::connect(server.address, load.connections, !subject.raw, &tape)?;
    clients.start(load.window)?;
    clients.serve(load.window, now() + duration_ns / 3)?;

    clients.latency.clear();
    let (began, messages, cpu, own_cpu) = (now(), clients.finished, server.cpu_ns(), own_cpu_ns());
    clients.serve(load.window, began + duration_ns)?;
    let (time, messages) = ((now() - began) as f64, clients.finished - messages);
    let (cpu, own_cpu) = ((server.cpu_ns() - cpu) as f64, (own_cpu_ns() - own_cpu) as f64);
    if messages == 0 {
        return Err(io::Error::other("not one message came back"));
    }
    Ok(Sample {
        messages,
        messages_per_second: messages as f64 / time * 1e9,
        p50_us: clients.latency.quantile(0.5) as f64 / 1e3,
        p99_us: clients.latency.quantile(0.99) as f64 / 1e3,
        cpu_us_per_message: cpu / messages as f64 / 1e3,
        server_busy: cpu / time,
        driver_busy: own_cpu / time,
    })
}

#[derive(Serialize, Clone)]
pub struct Memory {
    pub connections: usize,
    pub fresh_bytes: f64,
    pub after_16_kib_bytes: f64,
}

/// User memory of the server per idle connection: right after the opening, and after each has echoed 16 KiB.
pub fn memory(subject: &Subject, connections: usize, core: Option<usize>) -> io::Result<Memory> {
    /// So many connections echo at a time.
    const TOGETHER: usize = 50;
    let server = Server::start(subject, core)?;
    let tape = tape_for(subject, 16 * 1024, Kind::Binary);
    // What the server needs once, such as its receive buffer, is not what a connection costs.
    Clients::connect(server.address, 1, !subject.raw, &tape)?.exchange_one(0..1)?;
    let per_connection = |before: u64| -> io::Result<f64> {
        std::thread::sleep(Duration::from_millis(300));
        Ok((server.user_memory()? as f64 - before as f64) / connections as f64)
    };
    std::thread::sleep(Duration::from_millis(300));
    let before = server.user_memory()?;
    let mut clients = Clients::connect(server.address, connections, !subject.raw, &tape)?;
    let fresh = per_connection(before)?;
    for first in (0..connections).step_by(TOGETHER) {
        clients.exchange_one(first..connections.min(first + TOGETHER))?;
    }
    Ok(Memory { connections, fresh_bytes: fresh, after_16_kib_bytes: per_connection(before)? })
}

fn tape_for(subject: &Subject, size: usize, kind: Kind) -> Tape {
    let tape = Tape::new(size, kind);
    if subject.raw { tape.unchanged() } else { tape }
}

fn own_cpu_ns() -> u64 {
    read_clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// What the machine is, for the report.
pub fn machine() -> serde_json::Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']));
    let kernel = std::fs::read_to_string(Path::new("/proc/sys/kernel/osrelease")).unwrap_or_default();
    serde_json::json!({
        "cpu": model.unwrap_or("unknown"),
        "cores": cpu.lines().filter(|line| line.starts_with("processor")).count(),
        "kernel": kernel.split(['-', '\n']).next(), // without what a distribution adds
    })
}
