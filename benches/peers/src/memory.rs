//! Bytes per idle connection: what malloc has given out, its own headers and rounding included, for connections that
//! are open, before and after an echo of 1 KiB and of 16 KiB on each. All subjects, in Rust and C++, use one malloc.

use crate::job::Subject;
use crate::measure::Row;
use crate::workload;

/// Measured as the difference between many and few, so that what all connections of a loop share does not count.
const FEW: usize = 500;
const MANY: usize = 2_500;

const NAME: &str = "idle connection";

/// Whether a filter lets it pass is asked with these.
pub const CELLS: [(&str, &str, bool); 2] = [(NAME, "fresh", false), (NAME, "after 1 KiB and 16 KiB", true)];

pub fn measure(size: &str, traffic: bool, subjects: &[&dyn Subject]) -> Vec<Row> {
    let rows = subjects.iter().filter_map(|subject| {
        // Once before, so that what the process sets up once is there.
        held(*subject, 8, traffic)?;
        let bytes = held(*subject, MANY, traffic)?.saturating_sub(held(*subject, FEW, traffic)?);
        let bytes = bytes as f64 / (MANY - FEW) as f64;
        Some(Row {
            workload: NAME,
            size: size.into(),
            subject: subject.name(),
            unit: "bytes",
            rounds: vec![bytes],
            compressed: None,
        })
    });
    rows.collect()
}

/// What `count` connections hold, and what they share.
fn held(subject: &dyn Subject, count: usize, traffic: bool) -> Option<usize> {
    let job = workload::idle(count, traffic);
    let before = allocated();
    let run = subject.make(&job)?;
    let bytes = allocated().saturating_sub(before);
    drop(run);
    Some(bytes)
}

/// Bytes that malloc has given out, in its arenas and as mappings of their own.
fn allocated() -> usize {
    // SAFETY: a plain call.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}
