//! The fuzz targets on their seeds, and on a few thousand damaged copies of them: so that the targets keep working
//! without a fuzzer, and every run of the tests is a small piece of fuzzing. `make fuzz` does the rest.
#![allow(unsafe_code)]

#[path = "../fuzz/bodies/mod.rs"]
mod bodies;

use std::fs;
use std::path::Path;

/// Damaged copies of each seed.
const COPIES: u64 = 60;

#[test]
fn every_target_runs_on_its_seeds_and_on_damaged_ones() {
    for (name, run) in bodies::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
        let mut files: Vec<_> =
            fs::read_dir(&folder).expect("every target has seeds").map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has no seeds");
        for file in files {
            let seed = fs::read(&file).expect("a file");
            println!("{}", file.display()); // shown when a seed fails
            run(&seed);
            for copy in 0..COPIES {
                run(&damaged(&seed, copy));
            }
        }
    }
    for (_, run) in bodies::TARGETS {
        run(b"");
    }
}

/// A copy with a few bytes changed, cut out or repeated, the same in every run.
fn damaged(seed: &[u8], copy: u64) -> Vec<u8> {
    let mut state = copy.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed.len() as u64 | 1;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    };
    let mut bytes = seed.to_vec();
    for _ in 0..1 + random(4) {
        let at = random(bytes.len());
        match random(4) {
            0 if !bytes.is_empty() => bytes[at] = random(256) as u8,
            1 if !bytes.is_empty() => bytes[at] ^= 1 << random(8),
            2 => bytes.truncate(at),
            _ => {
                let end = (at + random(20)).min(bytes.len());
                let part = bytes[at.min(end)..end].to_vec();
                bytes.extend(part);
            }
        }
    }
    bytes
}
