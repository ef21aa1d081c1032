//! `docs/CONFORMANCE.md` stays true: every test that it names exists, every rule that we hold has one, and its rows
//! are in the order of the RFCs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

struct Row {
    line: usize,
    /// The heading that it is under.
    document: String,
    id: String,
    level: String,
    held: String,
    tests: Vec<String>,
}

const DOCUMENT: &str = "docs/CONFORMANCE.md";
const LEVELS: [&str; 6] = ["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "RECOMMENDED", "rule"];

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default()
}

/// The cells of a table's line.
fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_end_matches(" |").trim()).collect()
}

/// What stands between back quotes and has a `::`.
fn named_tests(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).map(str::to_owned).collect()
}

fn rows() -> Vec<Row> {
    let mut document = String::new();
    let mut columns = BTreeMap::new();
    let mut rows = Vec::new();
    for (i, line) in read(DOCUMENT).lines().enumerate() {
        if let Some(heading) = line.strip_prefix("## ") {
            document = heading.to_owned();
        }
        if !line.starts_with('|') {
            columns.clear();
        } else if columns.is_empty() {
            columns = cells(line).into_iter().map(str::to_owned).enumerate().map(|(at, name)| (name, at)).collect();
        } else if !line.starts_with("|---") {
            let cells = cells(line);
            let cell = |name: &str| columns.get(name).and_then(|at| cells.get(*at)).unwrap_or(&"").to_string();
            assert_eq!(cells.len(), columns.len(), "line {}: a row has as many cells as its table columns", i + 1);
            rows.push(Row {
                line: i + 1,
                document: document.clone(),
                id: cell("id"),
                level: cell("level"),
                held: cell("held"),
                tests: named_tests(&cell("tests")),
            });
        }
    }
    rows
}

/// RFC, section and number of an id such as `6455-5.5.1-2`.
fn place(id: &str) -> Option<(u32, Vec<u32>, u32)> {
    let mut parts = id.split('-');
    let (rfc, section, number) = (parts.next()?, parts.next()?, parts.next()?);
    let section = section.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<_>>>()?;
    parts.next().is_none().then_some((rfc.parse().ok()?, section, number.parse().ok()?))
}

/// Whether a file has a test of that name: not only a function, one that the test runner finds.
fn has_test(source: &str, is_python: bool, name: &str) -> bool {
    if is_python {
        return name.starts_with("test_")
            && source.lines().any(|line| {
                let line = line.strip_prefix("async ").unwrap_or(line);
                line.strip_prefix("def ")
                    .and_then(|rest| rest.strip_prefix(name))
                    .is_some_and(|rest| rest.starts_with('('))
            });
    }
    let lines = source.lines().map(str::trim).collect::<Vec<_>>();
    lines.iter().enumerate().any(|(at, line)| {
        let is_function =
            line.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with('('));
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        is_function && above.into_iter().any(|line| *line == "#[test]")
    })
}

/// The file of a test's name, and the name without it. A bare file name is one of `tests/protocol/`.
fn locate(test: &str) -> (String, &str) {
    let (file, name) = test.split_once("::").expect("only names with :: are taken for tests");
    let path = if file.contains('/') { file.to_owned() } else { format!("tests/protocol/{file}") };
    (path, name)
}

#[test]
fn every_test_that_is_named_exists() {
    let mut sources = BTreeMap::new();
    let mut missing = Vec::new();
    for row in rows() {
        for test in &row.tests {
            let (path, name) = locate(test);
            let source = sources.entry(path.clone()).or_insert_with(|| read(&path));
            if !has_test(source, path.ends_with(".py"), name) {
                missing.push(format!("{DOCUMENT}:{}: {test}", row.line));
            }
        }
    }
    assert!(missing.is_empty(), "tests that are not there:\n{}", missing.join("\n"));
    assert!(sources.len() > 10, "the document was read");
}

/// A test in a file that nobody builds is never run.
#[test]
fn every_file_that_is_named_is_run() {
    let modules = read("tests/protocol/main.rs");
    let modules: BTreeSet<&str> =
        modules.lines().filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    let named: BTreeSet<String> = rows().iter().flat_map(|row| &row.tests).map(|test| locate(test).0).collect();
    for path in &named {
        match path.strip_prefix("tests/protocol/") {
            Some(file) => {
                let module = file.strip_suffix(".rs").unwrap_or_else(|| panic!("{path} is no file of Rust"));
                assert!(modules.contains(module), "{path} has no `mod {module};` in tests/protocol/main.rs");
            }
            // What pytest collects, and what cargo takes for a test by its place.
            None => {
                let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
                let is_run = match folder {
                    "tests/python" => file.starts_with("test_") && file.ends_with(".py"),
                    "tests" => file.ends_with(".rs"),
                    _ => folder.strip_prefix("tests/").is_some_and(|name| has_module(name, file)),
                };
                assert!(is_run, "{path} is run by nothing");
                assert!(!read(path).is_empty(), "{path} is not there");
            }
        }
    }
    // And the other way: a file of tests/protocol that is in no binary.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol");
    for entry in fs::read_dir(folder).expect("it is there") {
        let name = entry.expect("it can be read").file_name().into_string().expect("plain names");
        if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") {
            assert!(modules.contains(module), "tests/protocol/{name} has no `mod {module};` in main.rs");
        }
    }
}

/// Whether a folder of `tests/` is a binary that has this file.
fn has_module(folder: &str, file: &str) -> bool {
    let module = file.strip_suffix(".rs").unwrap_or_default();
    module == "main" || read(&format!("tests/{folder}/main.rs")).lines().any(|line| line == format!("mod {module};"))
}

#[test]
fn every_rule_that_we_hold_has_a_test_and_every_other_a_reason() {
    let rows = rows();
    assert!(rows.len() > 150, "{} rows were read", rows.len());
    for row in rows {
        let at = format!("{DOCUMENT}:{} ({})", row.line, row.id);
        let (who, reason) = row.held.split_once(": ").unwrap_or((&row.held, ""));
        match who {
            "we do" => assert!(!row.tests.is_empty(), "{at}: a rule that we hold names its test"),
            "host" | "n/a" => assert!(!reason.is_empty(), "{at}: a rule that we do not hold says why"),
            other => panic!("{at}: held is \"we do\", \"host\" or \"n/a\", and not {other:?}"),
        }
    }
}

#[test]
fn rows_are_in_the_order_of_the_rfcs_and_have_ids_of_their_own() {
    let rows = rows();
    let mut ids = BTreeSet::new();
    let mut last = None;
    for row in &rows {
        let at = format!("{DOCUMENT}:{} ({})", row.line, row.id);
        assert!(ids.insert(&row.id), "{at}: this id is there twice");
        if let Some(number) = row.id.strip_prefix("suffered-") {
            let expected =
                rows.iter().filter(|other| other.id.starts_with("suffered-") && other.line <= row.line).count();
            assert_eq!(number.parse(), Ok(expected), "{at}: numbered in order");
            continue;
        }
        let place = place(&row.id).unwrap_or_else(|| panic!("{at}: an id is RFC-section-number"));
        assert_eq!(row.document, format!("RFC {}", place.0), "{at}: under the heading of its RFC");
        assert!(LEVELS.contains(&&*row.level), "{at}: {:?} is no level", row.level);
        // Sections without a rule may be missing, numbers may not.
        let follows = match &last {
            Some((rfc, section, number)) if (rfc, section) == (&place.0, &place.1) => place.2 == number + 1,
            Some(last) => (last.0, &last.1) < (place.0, &place.1) && place.2 == 1,
            None => place.2 == 1,
        };
        assert!(follows, "{at}: comes after {last:?}");
        last = Some(place);
    }
}

/// The checks themselves: a function that is no test is none, nor is a name that another one begins with.
#[test]
fn what_counts_as_a_test() {
    let rust = "#[test]\nfn one() {}\n#[test]\n#[allow(unused)]\n/// Doc.\nfn two() {}\nfn helper() {}\n    #[test]\n    fn inside(x in 0..9) {}";
    for (name, is_one) in
        [("one", true), ("two", true), ("inside", true), ("helper", false), ("on", false), ("three", false)]
    {
        assert_eq!(has_test(rust, false, name), is_one, "{name}");
    }
    let python = "def test_a(x):\nasync def test_b():\ndef helper():\n";
    for (name, is_one) in [("test_a", true), ("test_b", true), ("helper", false), ("test_", false)] {
        assert_eq!(has_test(python, true, name), is_one, "{name}");
    }
    assert_eq!(cells("| a | b | |"), ["a", "b", ""]);
    assert_eq!(place("6455-5.5.1-2"), Some((6455, vec![5, 5, 1], 2)));
    assert_eq!(place("6455-x-2"), None);
}
