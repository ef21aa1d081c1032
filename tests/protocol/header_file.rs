//! `include/ws_engine.h` is what `build.rs` makes of `src/capi/`.

/// `make test` builds with WSENGINE_HEADER=check, which leaves a stale header as it is.
#[test]
fn the_committed_header_is_current() {
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/include/ws_engine.h")).unwrap();
    let generated = wsengine::capi::GENERATED_HEADER;
    assert!(committed == generated, "include/ws_engine.h is stale: run `cargo build` and commit it");
}
