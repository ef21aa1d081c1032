#!/usr/bin/env bash
# Builds the AI chat and runs it until Ctrl-C, with a local model unless UPSTREAM names another. `make run` calls this.
#
#   PORT=8080            where the page is served, on 127.0.0.1; 0 takes a free port
#   UPSTREAM=URL         an OpenAI-compatible server up to /chat/completions, such as http://127.0.0.1:11434/v1
#   MODEL=NAME           the model to ask it for
#   API_KEY_FILE=FILE    a file with its key
set -euo pipefail
cd "$(dirname "$0")"

PORT=${PORT:-8080}
UPSTREAM=${UPSTREAM:-}
MODEL=${MODEL:-}
API_KEY_FILE=${API_KEY_FILE:-}

model_pid=
chat_pid=
ready=
arguments=(--port "$PORT")

stop() {
    trap - EXIT INT TERM
    for pid in $chat_pid $model_pid; do
        kill -TERM "$pid" 2> /dev/null || true
    done
    wait
    rm -f "$ready"
}
trap stop EXIT
trap 'stop; exit 0' INT TERM

echo "Building the chat (about a minute the first time)."
make --no-print-directory --silent -j"$(nproc)"

if [ -z "$UPSTREAM" ]; then
    echo "Starting the local model (SmolLM2-135M: small, English only)."
    ready=$(mktemp)
    # exec: the model ends by itself when this process, its parent, does.
    (exec build/local_model/bin/python local_model/serve.py --port 0 > "$ready" 2>&1) &
    model_pid=$!
    until grep -q '^ready ' "$ready"; do
        kill -0 "$model_pid" 2> /dev/null || { echo "run.sh: the local model ended:" >&2; cat "$ready" >&2; exit 1; }
        sleep 0.1
    done
    read -r _ UPSTREAM _ MODEL < <(grep '^ready ' "$ready")
    arguments+=(--history-bytes 16384) # what fits into its 8192 tokens
fi

arguments+=(--upstream "$UPSTREAM")
[ -z "$MODEL" ] || arguments+=(--model "$MODEL")
[ -z "$API_KEY_FILE" ] || arguments+=(--api-key-file "$API_KEY_FILE")

# In the background, so that a signal to this script is handled at once.
build/ai_chat "${arguments[@]}" &
chat_pid=$!
status=0
wait "$chat_pid" || status=$?
exit "$status"
