//! Compiles the subjects in C++: those of the peers into this program, that of wsengine into a shared object of its
//! own, linked with target/release/libwsengine.so. At -O3, for any machine of the architecture (no -march=native).

use std::path::{Path, PathBuf};
use std::process::Command;

const FLAGS: [&str; 4] = ["-std=c++17", "-O3", "-DNDEBUG", "-w"];

/// Subjects and what they are linked with.
const PEERS: [(&str, &[&str]); 4] =
    [("uwebsockets", &["z"]), ("wslay", &["wslay"]), ("websocketpp", &["z"]), ("beast", &[])];

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the project's folder");
    println!("cargo:rerun-if-changed=cpp");
    println!("cargo:rerun-if-changed=Cargo.lock");

    let uwebsockets = uwebsockets_sources();
    for (name, libraries) in PEERS {
        let mut build = compiler();
        build.file(format!("cpp/{name}.cc"));
        build.include(uwebsockets.join("src")).include(uwebsockets.join("uSockets/src"));
        build.compile(&format!("subject_{name}"));
        for library in libraries {
            println!("cargo:rustc-link-lib={library}");
        }
    }
    compiler().file("cpp/copy.cc").compile("copy");
    wsengine(&root);
}

fn compiler() -> cc::Build {
    let mut build = cc::Build::new();
    build.cpp(true).warnings(false).opt_level(3);
    for flag in FLAGS {
        build.flag(flag);
    }
    build
}

/// The folder uWebSockets/ in the sources of the crate that bundles it, which Cargo has fetched.
fn uwebsockets_sources() -> PathBuf {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output =
        Command::new(cargo).args(["metadata", "--locked", "--format-version", "1"]).output().expect("cargo metadata");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata = String::from_utf8(output.stdout).expect("UTF-8");
    // "manifest_path":"…/libuwebsockets-sys-0.0.10/Cargo.toml"
    let mut paths = metadata.split("\"manifest_path\":\"").filter_map(|rest| rest.split('"').next());
    let manifest = paths.find(|path| path.contains("/libuwebsockets-sys-"));
    Path::new(manifest.expect("its manifest")).parent().expect("its folder").join("uWebSockets")
}

fn wsengine(root: &Path) {
    let library = root.join("target/release");
    let header = root.join("include/ws_engine.h");
    println!("cargo:rerun-if-changed={}", header.display());
    assert!(library.join("libwsengine.so").exists(), "first build the library: cargo build --release");

    let object = PathBuf::from(std::env::var("OUT_DIR").expect("OUT_DIR")).join("libwsengine_subject.so");
    let mut command = compiler().get_compiler().to_command();
    command.args(FLAGS).args(["-shared", "-fPIC", "-Icpp"]).arg("-I").arg(root.join("include"));
    command.args(["cpp/wsengine.cc", "cpp/copy.cc"]).arg("-o").arg(&object);
    command.arg("-L").arg(&library).arg("-lwsengine").arg(format!("-Wl,-rpath,{}", library.display()));
    assert!(command.status().expect("the C++ compiler").success(), "cpp/wsengine.cc does not compile");
    println!("cargo:rustc-env=WSENGINE_SUBJECT={}", object.display());
}
