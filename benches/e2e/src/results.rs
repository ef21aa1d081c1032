//! What was measured, as a table and as JSON.

use std::io;
use std::path::Path;

use serde::Serialize;

use crate::load::Load;
use crate::measure::{Memory, Sample, machine};
use crate::server::Subject;

#[derive(Serialize)]
pub struct Results {
    machine: serde_json::Value,
    rounds: usize,
    measurement_ms: u64,
    rows: Vec<Row>,
    pub memory: Vec<MemoryRow>,
}

/// A load on a server: its rounds, and their medians.
#[derive(Serialize)]
pub struct Row {
    #[serde(flatten)]
    load: Load,
    subject: String,
    messages_per_second: f64,
    p50_us: f64,
    p99_us: f64,
    cpu_us_per_message: f64,
    /// The median of the rounds' ratios, each to the raw echo of its own round.
    ratio_to_raw: f64,
    server_busy: f64,
    driver_busy: f64,
    pub samples: Vec<Sample>,
}

#[derive(Serialize)]
pub struct MemoryRow {
    pub subject: String,
    #[serde(flatten)]
    pub memory: Memory,
}

impl Row {
    pub fn new(load: &Load, subject: &str) -> Row {
        Row {
            load: *load,
            subject: subject.to_owned(),
            messages_per_second: 0.0,
            p50_us: 0.0,
            p99_us: 0.0,
            cpu_us_per_message: 0.0,
            ratio_to_raw: 0.0,
            server_busy: 0.0,
            driver_busy: 0.0,
            samples: Vec::new(),
        }
    }

    fn sum_up(&mut self, raw: &[Sample]) {
        let median_of = |value: fn(&Sample) -> f64| median(self.samples.iter().map(value).collect());
        self.messages_per_second = median_of(|sample| sample.messages_per_second);
        self.p50_us = median_of(|sample| sample.p50_us);
        self.p99_us = median_of(|sample| sample.p99_us);
        self.cpu_us_per_message = median_of(|sample| sample.cpu_us_per_message);
        self.server_busy = median_of(|sample| sample.server_busy);
        self.driver_busy = median_of(|sample| sample.driver_busy);
        let pairs = self.samples.iter().zip(raw);
        self.ratio_to_raw = median(pairs.map(|(own, raw)| own.cpu_us_per_message / raw.cpu_us_per_message).collect());
    }
}

impl Results {
    pub fn new(rounds: usize, duration_ns: u64) -> Results {
        let measurement_ms = duration_ns / 1_000_000;
        Results { machine: machine(), rounds, measurement_ms, rows: Vec::new(), memory: Vec::new() }
    }

    /// Sums up the rows of a load and prints them, first the raw echo. A server that failed has none.
    pub fn add(&mut self, load: &Load, mut rows: Vec<Row>) {
        rows.retain(|row| !row.samples.is_empty());
        let raw = rows.first().map(|row| row.samples.clone()).unwrap_or_default();
        rows.iter_mut().for_each(|row| row.sum_up(&raw));
        print_rows(load, &rows);
        self.rows.extend(rows);
    }

    pub fn print_memory(&self) {
        println!("\nuser memory per idle connection, bytes     fresh   after 16 KiB");
        for MemoryRow { subject, memory } in &self.memory {
            println!(
                "{subject:<20} at {:>6}     {:>13.0} {:>14.0}",
                memory.connections, memory.fresh_bytes, memory.after_16_kib_bytes
            );
        }
    }

    pub fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")
    }
}

pub fn print_head(subjects: &[Subject]) {
    let names: Vec<_> = subjects.iter().map(|subject| subject.name).collect();
    println!("servers: {}", names.join(", "));
    println!(
        "{:<26} {:<18} {:>9} {:>7} {:>11} {:>10} {:>10}",
        "load", "server", "CPU us", "to raw", "messages/s", "p50 us", "p99 us"
    );
}

fn print_rows(load: &Load, rows: &[Row]) {
    for (index, row) in rows.iter().enumerate() {
        println!(
            "{:<26} {:<18} {:>9.2} {:>6.2}x {:>11.0} {:>10.1} {:>10.1}",
            if index == 0 { load.name() } else { String::new() },
            row.subject,
            row.cpu_us_per_message,
            row.ratio_to_raw,
            row.messages_per_second,
            row.p50_us,
            row.p99_us
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}
