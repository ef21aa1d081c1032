#!/usr/bin/env bash
# Builds the library and the bench, and runs it: `make bench`.
#     BENCH_FILTER='receive ASCII,echo'   only workloads with one of these in their name
#     BENCH_SUBJECTS='wsengine,uWeb'      only such subjects
#     ROUNDS=3                            fewer rounds (default 11)
#     BENCH_CPU=1                         the core to run on
# A whole run writes target/bench/report.json, docs/BENCHMARKS.md and its chart; one with a filter leaves them alone.
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo=${CARGO:-cargo}
"$cargo" build --release --quiet
ln -sf libwsengine.so target/release/libwsengine.so.0
mkdir -p target/bench
(cd benches/peers && CARGO_TARGET_DIR=../../target/bench/build "$cargo" build --release --locked --quiet)

report=target/bench/report.json
[ -z "${BENCH_FILTER:-}${BENCH_SUBJECTS:-}" ] || report=target/bench/report-part.json
BENCH_REPORT=$report target/bench/build/release/peers
[ "$report" = target/bench/report-part.json ] || python3 benches/peers/report.py
