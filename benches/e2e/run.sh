#!/usr/bin/env bash
# Builds the servers and the driver and runs the benchmark: `make bench-e2e`. What is built goes to target/bench-e2e/.
#     E2E_FILTER='16 KiB,memory'    only loads with one of these in their name
#     E2E_SERVERS='wsengine,uWeb'   only such servers, and the raw echo
#     ROUNDS=1                      fewer rounds (default 3)
#     E2E_MS=450                    milliseconds of one measurement
# A whole run writes target/bench/e2e.json, docs/BENCHMARKS-E2E.md and its chart; a part writes target/bench/e2e-part.json.
set -euo pipefail
cd "$(dirname "$0")/../.."

HERE=benches/e2e
OUT=target/bench-e2e
cargo=${CARGO:-cargo}
mkdir -p "$OUT"

# uWebSockets: its sources come inside a crate, of which nothing else is used, with the optimizations of their own makefile.
# Without them the benchmark runs without it.
build_uwebsockets() {
    local crate sources name objects=()
    crate=$("$cargo" metadata --format-version 1 --locked --all-features --manifest-path $HERE/Cargo.toml |
        python3 -c 'import json, sys
print(*[p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "libuwebsockets-sys"])') || return
    sources=$(dirname "$crate")/uWebSockets
    for name in bsd context loop socket udp eventing/epoll_kqueue; do
        objects+=("$OUT/uws_$(basename $name).o")
        gcc -O3 -march=native -flto=auto -DLIBUS_NO_SSL -I"$sources/uSockets/src" -c "$sources/uSockets/src/$name.c" \
            -o "${objects[-1]}" || return
    done
    g++ -std=c++20 -O3 -march=native -flto=auto -w -DLIBUS_NO_SSL -DUWS_NO_ZLIB -I"$sources/src" -I"$sources/uSockets/src" \
        $HERE/servers/uwebsockets_echo.cc "${objects[@]}" -o "$OUT/uwebsockets_echo"
}

make -s -C examples-c build/echo_server
gcc -std=c11 -O2 -Wall -Wextra -Werror -o "$OUT/raw_echo" $HERE/servers/raw_echo.c
"$cargo" build --release --locked --quiet --manifest-path $HERE/Cargo.toml --target-dir "$OUT"
if ! build_uwebsockets > "$OUT/uwebsockets.log" 2>&1; then
    rm -f "$OUT/uwebsockets_echo"
    echo "bench-e2e: without uWebSockets, which did not build: $OUT/uwebsockets.log" >&2
fi

results=target/bench/e2e.json
[ -z "${E2E_FILTER:-}${E2E_SERVERS:-}" ] || results=target/bench/e2e-part.json
E2E_RESULTS=$results "$OUT/release/bench-e2e"
[ "$results" = target/bench/e2e-part.json ] || python3 $HERE/page.py
