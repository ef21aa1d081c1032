//! What was measured, as a table and as JSON.

use std::io;
use std::path::Path;

use serde::Serialize;

use crate::measure::{FIRST_TOKEN_NS, Load, Programs, SPREAD_NS, Sample, Scenario, measure};

#[derive(Serialize)]
pub struct Results {
    machine: serde_json::Value,
    load: Load,
    spread_seconds: f64,
    first_token_ms: f64,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    load: Load,
    arguments: String,
    rounds: Vec<Sample>,
    #[serde(skip)]
    scenario: Scenario,
}

impl Results {
    pub fn new(load: Load, scenarios: Vec<Scenario>) -> Results {
        let row = |scenario: Scenario| Row {
            name: scenario.name,
            load: scenario.load,
            arguments: scenario.arguments.join(" ") + if scenario.redis { "--redis" } else { "" },
            rounds: Vec::new(),
            scenario,
        };
        Results {
            machine: machine(),
            load,
            spread_seconds: SPREAD_NS as f64 / 1e9,
            first_token_ms: FIRST_TOKEN_NS as f64 / 1e6,
            rows: scenarios.into_iter().map(row).collect(),
        }
    }

    /// One round. An answer that is not exactly right ends the run.
    pub fn measure_all(&mut self, programs: &Programs) -> io::Result<()> {
        for row in &mut self.rows {
            let sample =
                measure(&row.scenario, programs).map_err(|error| io::Error::other(format!("{}: {error}", row.name)))?;
            println!("  {:<22} {}", row.name, brief(&sample));
            row.rounds.push(sample);
        }
        Ok(())
    }

    pub fn print(&self) {
        println!("\nVmRSS of ai_chat              empty MiB   idle KiB/chat   streaming KiB/chat");
        for row in &self.rows {
            let Some(sample) = row.rounds.last().filter(|sample| sample.memory_empty > 0) else { continue };
            let each = |bytes: u64| (bytes as f64 - sample.memory_empty as f64) / 1024.0 / row.load.chats as f64;
            println!(
                "{:<28} {:>10.1} {:>15.1} {:>20.1}",
                row.name,
                sample.memory_empty as f64 / f64::from(1 << 20),
                each(sample.memory_idle),
                each(sample.memory_streaming)
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

fn brief(sample: &Sample) -> String {
    format!(
        "token {:.0} / {:.0} / {:.0} us, first +{:.2} / +{:.2} ms, {:.2} messages a token, {:.1} us CPU a token; \
         % of a core: chat {:.0}, Redis {:.0}, driver {:.0}, others {:.0}; upstream late {:.0} us",
        sample.token_p50_us,
        sample.token_p99_us,
        sample.token_max_us,
        sample.first_extra_p50_ms,
        sample.first_extra_p99_ms,
        sample.messages_per_token,
        sample.cpu_us_per_token,
        sample.chat_percent,
        sample.redis_percent,
        sample.driver_percent,
        sample.others_percent,
        sample.late_p99_us
    )
}

/// What the machine is, for the report.
fn machine() -> serde_json::Value {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    serde_json::json!({
        "cpu": model.unwrap_or("unknown"),
        "cores": cpu.lines().filter(|line| line.starts_with("processor")).count(),
        "kernel": kernel.split(['-', '\n']).next(), // without what a distribution adds
        "virtual": cpu.lines().any(|line| line.starts_with("flags") && line.split(' ').any(|flag| flag == "hypervisor")),
    })
}
