#!/usr/bin/env bash
# Fuzzes every target for FUZZ_SECONDS (60), or FUZZ_TARGET alone, under the address sanitizer; one line each. `make fuzz`
# calls this. What the fuzzer learned stays in target/fuzz/corpus/TARGET; an input that crashes goes to
# target/fuzz/crashes/TARGET, and makes the exit code 1.
set -uo pipefail
cd "$(dirname "$0")/.."

SECONDS_EACH=${FUZZ_SECONDS:-60}
TARGETS="server_feed client_feed handshake extensions inflate capi_calls"
TOOLS=target/setup/cargo-fuzz/bin # tests/setup.sh fuzz
OUT=target/fuzz
export RUSTC_BOOTSTRAP=1     # the sanitizer, with a stable compiler
export WSENGINE_HEADER=check # fuzzing builds leave include/ws_engine.h alone
export PATH="$PWD/$TOOLS:$PATH"

build() {
    mkdir -p "$OUT"
    if ! cargo fuzz build --target-dir "$OUT/build" "$@" > "$OUT/build.log" 2>&1; then
        cat "$OUT/build.log"
        echo "fuzz: the targets do not build"
        exit 1
    fi
}

# fuzz TARGET: prints its line; false if it crashed.
fuzz() {
    local target=$1 corpus="$OUT/corpus/$1" crashes="$OUT/crashes/$1" log="$OUT/$1.log" options=()
    mkdir -p "$corpus" "$crashes"
    [ -f "fuzz/$target.dict" ] && options+=("-dict=fuzz/$target.dict")
    cargo fuzz run --target-dir "$OUT/build" "$target" "$corpus" "fuzz/seeds/$target" -- \
        -max_total_time="$SECONDS_EACH" -artifact_prefix="$crashes/" -print_final_stats=1 -timeout=20 -rss_limit_mb=1024 \
        ${options[@]+"${options[@]}"} > "$log" 2>&1
    local status=$? runs coverage
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
    if [ "$status" -eq 0 ]; then
        echo "fuzz: $target: ${runs:-0} inputs in ${SECONDS_EACH} s, ${coverage:-0} edges, no crash"
        return 0
    fi
    echo "fuzz: $target: CRASH: $(grep -m 1 -A 1 -E "panicked at|ERROR: " "$log" || tail -1 "$log")"
    echo "fuzz:   input: $(sed -n 's/.*Test unit written to //p' "$log" | tail -1)"
    echo "fuzz:   again: PATH=$TOOLS:\$PATH RUSTC_BOOTSTRAP=1 cargo fuzz run --target-dir $OUT/build $target INPUT"
    echo "fuzz:   all it said: $log"
    return 1
}

case " $TARGETS " in
    *" ${FUZZ_TARGET:-$TARGETS} "*) ;;
    *) echo "fuzz: no target ${FUZZ_TARGET}; there are: $TARGETS" >&2; exit 2 ;;
esac
build ${FUZZ_TARGET:+"$FUZZ_TARGET"}
crashed=0
for target in ${FUZZ_TARGET:-$TARGETS}; do
    fuzz "$target" || crashed=$((crashed + 1))
done
[ "$crashed" -eq 0 ]
