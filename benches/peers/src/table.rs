//! What is printed, and the report that the document is made from.

use std::fmt::Write;

use crate::measure::Row;

/// Ours, as C++ calls it, the fastest way: what ratios are given for.
fn is_headline(subject: &str) -> bool {
    subject.starts_with("wsengine C")
}

fn is_ours(subject: &str) -> bool {
    subject.starts_with("wsengine")
}

fn is_peer(subject: &str) -> bool {
    !is_ours(subject) && !subject.starts_with("limit")
}

fn best_by(rows: &[Row], wanted: fn(&str) -> bool, value: fn(&Row) -> f64) -> Option<(&Row, f64)> {
    rows.iter()
        .filter(|row| wanted(&row.subject))
        .map(|row| (row, value(row)))
        .min_by(|left, right| left.1.total_cmp(&right.1))
}

fn number(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// The rows of one cell, fastest first.
pub fn print(rows: &[Row]) {
    let Some(first) = rows.first() else { return };
    println!("\n{}, {} ({})", first.workload, first.size, first.unit);
    let peer = best_by(rows, is_peer, Row::median);
    let mut sorted: Vec<&Row> = rows.iter().collect();
    sorted.sort_by(|left, right| left.median().total_cmp(&right.median()));
    for row in sorted {
        let mut line = format!("  {:<36} median {:>10}  best {:>10}", row.subject, number(row.median()), number(row.best()));
        if let Some((_, peer)) = peer {
            write!(line, "  best peer / this {:>6.2}", peer / row.median()).expect("a String");
        }
        if let Some(size) = row.compressed {
            write!(line, "  compressed {size:.0} bytes").expect("a String");
        }
        println!("{line}");
    }
}

/// One line a cell: our ratio to the best peer.
pub fn print_ratios(cells: &[Vec<Row>]) {
    println!("\n{:<28}{:<14}{:>12}{:>12}{:>9}{:>9}  best peer; ours", "ratio to the best peer", "", "ours", "peer", "median", "best");
    for rows in cells {
        let (Some(ours), Some(peer)) = (best_by(rows, is_headline, Row::median), best_by(rows, is_peer, Row::median)) else {
            continue;
        };
        let best = |wanted| best_by(rows, wanted, Row::best).map_or(f64::NAN, |found| found.1);
        println!(
            "{:<28}{:<14}{:>12}{:>12}{:>9.2}{:>9.2}  {}; {}",
            ours.0.workload,
            ours.0.size,
            number(ours.1),
            number(peer.1),
            peer.1 / ours.1,
            best(is_peer) / best(is_headline),
            peer.0.subject,
            ours.0.subject.trim_start_matches("wsengine "),
        );
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// report.json: the machine, and all rows.
pub fn json(machine: &[(&str, String)], cells: &[Vec<Row>]) -> String {
    let mut out = String::from("{\n  \"machine\": {");
    let fields: Vec<_> = machine.iter().map(|(key, value)| format!("{}: {}", quoted(key), quoted(value))).collect();
    out.push_str(&fields.join(", "));
    out.push_str("},\n  \"rows\": [\n");
    let rows: Vec<_> = cells.iter().flatten().map(row_json).collect();
    out.push_str(&rows.join(",\n"));
    out.push_str("\n  ]\n}\n");
    out
}

fn row_json(row: &Row) -> String {
    let rounds: Vec<_> = row.rounds.iter().map(|value| format!("{value:.3}")).collect();
    let compressed = row.compressed.map_or(String::new(), |size| format!(", \"compressed\": {size:.1}"));
    format!(
        "    {{\"workload\": {}, \"size\": {}, \"subject\": {}, \"unit\": {}, \"median\": {:.3}, \"best\": {:.3}{compressed}, \"rounds\": [{}]}}",
        quoted(row.workload),
        quoted(&row.size),
        quoted(&row.subject),
        quoted(row.unit),
        row.median(),
        row.best(),
        rounds.join(", ")
    )
}
