//! Interleaved rounds: in each, every subject works for a while, in an order that rotates.

use std::time::{Duration, Instant};

use crate::job::{Inspected, Run, Subject, Tally};
use crate::workload::Workload;

/// How long one subject works in one round, at least.
const ROUND: Duration = Duration::from_millis(30);

/// One cell of the report: a subject at a workload.
pub struct Row {
    pub workload: &'static str,
    pub size: String,
    pub subject: String,
    /// "ns" or "bytes".
    pub unit: &'static str,
    /// For each message, connection or handshake: one value a round, in the order in which they were measured.
    pub rounds: Vec<f64>,
    /// The mean size of a compressed answer.
    pub compressed: Option<f64>,
}

impl Row {
    pub fn median(&self) -> f64 {
        let mut rounds = self.rounds.clone();
        rounds.sort_by(f64::total_cmp);
        let middle = rounds.len() / 2;
        if rounds.len() % 2 == 1 { rounds[middle] } else { (rounds[middle - 1] + rounds[middle]) / 2.0 }
    }

    pub fn best(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

struct Entry {
    run: Box<dyn Run>,
    row: Row,
    is_limit: bool,
}

/// Measures all subjects that can do it.
pub fn measure(workload: &Workload, subjects: &[&dyn Subject], rounds: usize) -> Vec<Row> {
    let mut entries: Vec<Entry> = subjects.iter().filter_map(|subject| entry(workload, *subject)).collect();
    let count = entries.len();
    for round in 0..rounds {
        for place in 0..count {
            let entry = &mut entries[(place + round) % count];
            let value = one_round(workload, entry);
            entry.row.rounds.push(value);
        }
    }
    entries.into_iter().map(|entry| entry.row).collect()
}

/// Makes the run, and looks at every byte that comes out of two passes, the second with everything warm.
fn entry(workload: &Workload, subject: &dyn Subject) -> Option<Entry> {
    let mut run = subject.make(&workload.job)?;
    let name = subject.name();
    let is_limit = name.starts_with("limit");
    let mut compressed = None;
    let mut inflate = flate2::Decompress::new(false);
    for _ in 0..2 {
        let mut inspected = Inspected::default();
        let mut tally = Tally::inspecting(&mut inspected);
        run.pass(&mut tally);
        if !is_limit {
            compressed = workload
                .inspect(&tally, &inspected, &mut inflate)
                .unwrap_or_else(|error| panic!("{name}, {} {}: {error}", workload.name, workload.size));
        }
    }
    let row = Row {
        workload: workload.name,
        size: workload.size.clone(),
        subject: name,
        unit: "ns",
        rounds: Vec::new(),
        compressed,
    };
    Some(Entry { run, row, is_limit })
}

fn one_round(workload: &Workload, entry: &mut Entry) -> f64 {
    // One pass that does not count: the caches hold another subject's memory.
    entry.run.pass(&mut Tally::timed(workload.job.kind));
    let mut tally = Tally::timed(workload.job.kind);
    let mut passes = 0;
    let start = Instant::now();
    let elapsed = loop {
        entry.run.pass(&mut tally);
        passes += 1;
        let elapsed = start.elapsed();
        if elapsed >= ROUND {
            break elapsed;
        }
    };
    if !entry.is_limit {
        workload
            .check(&tally, passes)
            .unwrap_or_else(|error| panic!("{}, {} {}: {error}", entry.row.subject, workload.name, workload.size));
    }
    elapsed.as_nanos() as f64 / (passes * workload.units()) as f64
}
