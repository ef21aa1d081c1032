#!/usr/bin/env bash
# Builds the servers and the driver, runs the benchmark and writes its page. `make bench-e2e` calls this after
# tests/setup.sh bench. What is built goes to target/bench-e2e/.
set -euo pipefail
cd "$(dirname "$0")/../.."

HERE=benches/e2e
OUT=target/bench-e2e
mkdir -p "$OUT"

# uWebSockets: its sources come inside a crate, of which nothing else is used, with the optimizations of their own makefile.
# Without them the benchmark runs without it.
build_uwebsockets() {
    local crate sources name objects=()
    crate=$(cargo metadata --format-version 1 --locked --all-features --manifest-path $HERE/Cargo.toml |
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
cargo build --release --locked --quiet --manifest-path $HERE/Cargo.toml --target-dir "$OUT"
if ! build_uwebsockets > "$OUT/uwebsockets.log" 2>&1; then
    rm -f "$OUT/uwebsockets_echo"
    echo "bench-e2e: without uWebSockets, which did not build: $OUT/uwebsockets.log" >&2
fi

"$OUT/release/bench-e2e"
# A part of the loads is no page.
if [ -z "${E2E_FILTER:-}${E2E_SERVERS:-}" ]; then
    : python3 $HERE/page.py
fi
