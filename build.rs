//! Writes `include/ws_engine.h` from the files of `src/capi/`, and names the shared library's ABI.
//!
//! Each file is one section of the header, in the order below. cbindgen alone would print all types first and all
//! functions behind them; a reader wants them together.

use std::path::Path;
use std::{env, fs};

/// The sections, in the order in which a reader needs them.
const SECTIONS: [&str; 22] = [
    "status",
    "config/settings",
    "config/handshake",
    "config/messages",
    "config/memory",
    "config/compression",
    "config/deadlines",
    "config/streams",
    "engine",
    "connection",
    "input",
    "handshake",
    "response",
    "output",
    "prepared",
    "many",
    "stream",
    "ask",
    "time",
    "sniff",
    "metrics",
    "describe",
];

/// Enumerations that no function of their section names.
const ENUMS: [&str; 5] = ["ws_status", "ws_delivery", "ws_message_type", "ws_origin_policy", "ws_close_initiator"];

const HEADER: &str = "include/ws_engine.h";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/capi");
    println!("cargo:rerun-if-changed={HEADER}");
    println!("cargo:rerun-if-env-changed=WSENGINE_HEADER");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libwsengine.so.0");

    let header = generate();
    let out_dir = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let generated = Path::new(&out_dir).join("ws_engine.h");
    fs::write(&generated, &header).expect("OUT_DIR is writable");
    println!("cargo:rustc-env=WSENGINE_GENERATED_HEADER={}", generated.display());

    // `WSENGINE_HEADER=check` (make test) leaves a stale header in place, so that the test that compares can fail.
    let check_only = env::var_os("WSENGINE_HEADER").is_some_and(|mode| mode == "check");
    if !check_only && fs::read_to_string(HEADER).ok().as_ref() != Some(&header) {
        // A package that was unpacked read-only has a header that is up to date, or one that nobody can mend.
        let _ = fs::write(HEADER, &header);
    }
}

fn generate() -> String {
    let mut header = fs::read_to_string("src/capi/preamble.h").expect("src/capi/preamble.h");
    for section in SECTIONS {
        let path = format!("src/capi/{section}.rs");
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let title = source
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("//! "))
            .unwrap_or_else(|| panic!("{path}: the first line must be the section's title, `//! Title`"));
        let rule = "-".repeat(112 - title.len());
        header.push_str(&format!("\n/* ---- {title} {rule} */\n\n"));
        header.push_str(declarations(&path).trim());
        header.push('\n');
    }
    header.push_str("\n#ifdef __cplusplus\n} /* extern \"C\" */\n#endif\n\n#endif /* WS_ENGINE_H */\n");
    header
}

fn declarations(path: &str) -> String {
    let mut config = cbindgen::Config {
        language: cbindgen::Language::C,
        no_includes: true,
        usize_is_size_t: true,
        style: cbindgen::Style::Both,
        documentation_style: cbindgen::DocumentationStyle::Doxy,
        line_length: 120,
        tab_width: 4,
        ..Default::default()
    };
    config.function.sort_by = Some(cbindgen::SortKey::None);
    config.export.include = ENUMS.map(String::from).to_vec();
    config.export.rename.insert("iovec".into(), "struct iovec".into());
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(path)
        .generate()
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut text = Vec::new();
    bindings.write(&mut text);
    let text = String::from_utf8(text).expect("cbindgen writes UTF-8");
    // Types have tags, so that C++ can declare them in advance, but are used by their short names.
    let short = |line: &str| {
        if line.starts_with("typedef") {
            return line.to_owned();
        }
        line.replace("struct ws_", "ws_").replace("enum ws_", "ws_")
    };
    text.lines().map(short).collect::<Vec<_>>().join("\n")
}
