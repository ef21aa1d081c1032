//! wsengine beside its peers, in memory, on one core: `make bench`. docs/BENCHMARKS.md explains what is measured.
//!
//! Environment: ROUNDS (default 11); BENCH_FILTER and BENCH_SUBJECTS, words of which one must be in the name of the
//! workload or of the subject, separated by commas; BENCH_CPU, the core; BENCH_REPORT, where report.json goes.

mod job;
mod measure;
mod memory;
mod streams;
mod subjects;
mod table;
mod wire;
mod workload;

use job::Subject;

fn main() {
    let rounds = variable("ROUNDS").and_then(|text| text.parse().ok()).unwrap_or(11);
    let cpu = pin();
    let subjects = subjects::all();
    let chosen: Vec<&dyn Subject> =
        subjects.iter().map(|subject| &**subject).filter(|subject| passes("BENCH_SUBJECTS", &subject.name())).collect();

    let mut cells = Vec::new();
    for (name, size, make) in workload::all() {
        if passes("BENCH_FILTER", &format!("{name} {size}")) {
            let rows = measure::measure(&make(), &chosen, rounds);
            table::print(&rows);
            cells.push(rows);
        }
    }
    for (name, size, traffic) in memory::CELLS {
        if passes("BENCH_FILTER", &format!("{name} {size}")) {
            let rows = memory::measure(size, traffic, &chosen);
            table::print(&rows);
            cells.push(rows);
        }
    }
    table::print_ratios(&cells);
    if let Some(path) = variable("BENCH_REPORT") {
        std::fs::write(&path, table::json(&machine(cpu, rounds), &cells)).expect("write the report");
        println!("\nwritten: {path}");
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn passes(filter: &str, name: &str) -> bool {
    variable(filter).is_none_or(|words| words.split(',').any(|word| name.contains(word.trim())))
}

/// Stays on one core, the last one that we may use unless told otherwise.
fn pin() -> usize {
    // SAFETY: plain calls on a set of our own.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let size = size_of::<libc::cpu_set_t>();
        libc::sched_getaffinity(0, size, &mut set);
        let last = (0..libc::CPU_SETSIZE as usize).rev().find(|cpu| libc::CPU_ISSET(*cpu, &set)).unwrap_or(0);
        let cpu = variable("BENCH_CPU").and_then(|text| text.parse().ok()).unwrap_or(last);
        libc::CPU_ZERO(&mut set);
        libc::CPU_SET(cpu, &mut set);
        if libc::sched_setaffinity(0, size, &set) != 0 {
            eprintln!("the bench could not be pinned to core {cpu}: figures will be less steady");
        }
        cpu
    }
}

/// What kind of machine this is.
fn machine(cpu: usize, rounds: usize) -> Vec<(&'static str, String)> {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown").to_string()
    };
    let flags = field("flags");
    let simd: Vec<_> = ["sse2", "avx2", "avx512bw", "sha_ni"].into_iter().filter(|name| flags.split(' ').any(|flag| flag == *name)).collect();
    vec![
        ("cpu", field("model name")),
        ("cores", std::fs::read_to_string("/proc/cpuinfo").map_or(0, |text| text.matches("processor\t").count()).to_string()),
        ("simd", simd.join(", ")),
        ("core", cpu.to_string()),
        ("rounds", rounds.to_string()),
    ]
}
