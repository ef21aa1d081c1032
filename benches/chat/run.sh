#!/usr/bin/env bash
# Builds the chat and the driver and runs the benchmark: `make bench-chat`. What is built goes to target/bench-chat/.
#     CHAT_FILTER='Redis,fast'   only lines with one of these in their name
#     ROUNDS=1                   fewer rounds (default 2)
#     CHATS=100                  fewer chats (default 1000)
#     CHAT_SECONDS=5             shorter answers (default 10); the chats ask within 3 s, so 4 at least
# A whole run writes target/bench/chat.json and the section of docs/BENCHMARKS.md; a part writes target/bench/chat-part.json.
set -euo pipefail
cd "$(dirname "$0")/../.."

HERE=benches/chat
OUT=target/bench-chat
cargo=${CARGO:-cargo}

make --no-print-directory --silent -C examples-cpp build/ai_chat
"$cargo" build --release --locked --quiet --manifest-path $HERE/Cargo.toml --target-dir "$OUT"

results=target/bench/chat.json
[ -z "${CHAT_FILTER:-}${CHATS:-}${CHAT_SECONDS:-}" ] || results=target/bench/chat-part.json
CHAT_RESULTS=$results "$OUT/release/bench-chat"
[ "$results" = target/bench/chat-part.json ] || python3 $HERE/page.py
