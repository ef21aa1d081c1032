#!/usr/bin/env python3
"""Runs the Autobahn WebSocket cases against the C examples: 517 cases, in both directions, the input whole and byte by byte.

    python3 tests/conformance/run.py                       everything
    python3 tests/conformance/run.py --mode server --input whole --cases '6.*,7.1.1'

Directions:
    server   kosoku's fuzzing client against examples-c/build/echo_server
    client   examples-c/build/autobahn_client against kosoku's fuzzing server

Inputs:
    whole      what a recv() brought is given to the engine at once; compression with context takeover
    bytewise   it is given one byte at a time, the events of each pulled before the next; compression without takeover

The cases come from the package `kosoku` (pip install -r tests/python/requirements.txt). Reports are written to
target/conformance/{server,client}/ and target/conformance/{server,client}-bytewise/: index.json, and a page per case. Exit
code: 0 when every case is OK; 1 when one is not, or a program ended badly; 2 when the run could not start, or did not end in
time. NON-STRICT is not OK, and UNIMPLEMENTED, which is what a case of compression without compression gets, is a failure.
INFORMATIONAL is good for the three cases whose outcome Autobahn itself leaves open.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "examples-c" / "build"
FUZZER = Path(__file__).with_name("fuzzer.py")

# Options of the programs. The cases 9.3.1 and 9.4.1 cut 4 MiB into 65,536 frames, more than is good on the open internet. A ping
# ends the cases of compression, which expect none: Autobahn's own Case.onPing() then closes before all messages were sent.
OPTIONS = ["--compression", "--max-fragments", "65536", "--ping-interval", "0"]
INPUTS = {"whole": ["--takeover"], "bytewise": ["--feed-size", "1"]}

# How many cases each section has: a run that loses some on the way must not pass.
SECTION_SIZES = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1, "12": 90, "13": 126}
COMPRESSION_CASES = [f"{section}.{data}.{size}" for section, kinds in ((12, 5), (13, 7))
                     for data in range(1, kinds + 1) for size in range(1, 19)]

# A message and a close back to back (7.1.6), close codes outside of every range (7.13.*): whatever happens is allowed.
INFORMATIONAL_CASES = {"7.1.6", "7.13.1", "7.13.2"}


class CannotRun(Exception):
    pass


class Children:
    """Processes of this run, which do not outlive it."""

    def __init__(self):
        self.running = []

    def start(self, command, **options):
        try:
            process = subprocess.Popen([str(word) for word in command], **options)
        except OSError as error:
            raise CannotRun(f"cannot start {command[0]}: {error.strerror}") from error
        self.running.append(process)
        return process

    def kill_all(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()


class Run:
    """One run of one or both directions, with one deadline for all of it."""

    def __init__(self, options, children):
        self.options = options
        self.children = children
        self.deadline = time.monotonic() + options.timeout
        self.kosoku = kosoku_command(options.kosoku)
        self.patterns = [p.strip() for p in options.cases.split(",") if p.strip()]
        self.include = [word for pattern in self.patterns for word in ("-i", pattern)]

    def wait(self, process, name):
        try:
            return process.wait(max(0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise CannotRun(f"{name} did not end within {self.options.timeout} s (--timeout)") from None

    def read_address(self, process, stream, name):
        """The HOST:PORT in the first line that a server prints."""
        line = stream.readline()
        match = re.search(r"listening on (?:ws://)?(\S+:\d+)", line)
        if not match:
            raise CannotRun(f"{name} said {line.strip()!r} instead of where it listens")
        return match.group(1)

    def fresh_directory(self, name):
        directory = Path(self.options.out) / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        return directory

    def server(self, directory, options):
        """The engine as server. Returns what went wrong beside the cases."""
        problems, echo_server = [], None
        address = self.options.address
        if address is None:
            echo_server = self.children.start([program("echo_server"), "--port", "0", *options], stdout=subprocess.PIPE, text=True)
            address = self.read_address(echo_server, echo_server.stdout, "echo_server")

        fuzzer = self.children.start(
            [*self.kosoku, "-m", "fuzzingclient", *self.include, "-p", self.options.parallel, "-o", directory, f"ws://{address}"],
            stdout=subprocess.DEVNULL, stderr=(directory / "kosoku.log").open("w"))
        code = self.wait(fuzzer, "the fuzzing client")
        if code not in (0, 1):
            problems.append(f"the fuzzing client ended with code {code}")

        if echo_server is not None:
            if echo_server.poll() is not None:
                problems.append(f"echo_server ended during the run, with code {echo_server.returncode}")
            else:
                echo_server.send_signal(signal.SIGTERM)
                code = self.wait(echo_server, "echo_server")
                if code != 0:
                    problems.append(f"echo_server ended with code {code} after SIGTERM")
        return problems

    def client(self, directory, options):
        """The engine as client."""
        problems = []
        log = directory / "kosoku.log"
        with log.open("w") as log_out:
            fuzzer = self.children.start([*self.kosoku, "-m", "fuzzingserver", *self.include, "-o", directory, "127.0.0.1:0"],
                                         stdout=subprocess.DEVNULL, stderr=log_out)
        with log.open() as log_in:
            self.wait_for_line(fuzzer, log)
            address = self.read_address(fuzzer, log_in, "the fuzzing server")

        client = self.children.start([program("autobahn_client"), *options, address],
                                     stdout=(directory / "client.log").open("w"), stderr=subprocess.STDOUT)
        code = self.wait(client, "autobahn_client")
        if code != 0:
            last = (directory / "client.log").read_text().strip().splitlines()[-1:]
            problems.append(f"autobahn_client ended with code {code}: {' '.join(last)}")
            fuzzer.kill()
        code = self.wait(fuzzer, "the fuzzing server")
        if code not in (0, 1) and not problems:
            problems.append(f"the fuzzing server ended with code {code}")
        return problems

    def wait_for_line(self, process, log):
        limit = min(self.deadline, time.monotonic() + 30)
        while "\n" not in log.read_text():
            if process.poll() is not None:
                raise CannotRun(f"the fuzzing server ended with code {process.returncode}; see {log}")
            if time.monotonic() > limit:
                raise CannotRun("the fuzzing server did not start within 30 s")
            time.sleep(0.02)


def program(name):
    path = BUILD / name
    if not path.exists():
        raise CannotRun(f"{path} is missing; run `make` in examples-c/")
    return path


def kosoku_command(python):
    """The `kosoku` of the Python environment whose interpreter is `python`, through fuzzer.py, which corrects it."""
    path = Path(os.path.abspath(python)).parent / "kosoku"  # abspath: a venv's interpreter is a symlink out of it
    if not path.exists():
        raise CannotRun(f"{path} is missing; run `{python} -m pip install -r tests/python/requirements.txt`, "
                        "or name the interpreter of an environment that has it with --kosoku")
    return [python, FUZZER]


def expected_count(patterns):
    """How many cases the patterns select, where that is known. They may be whole sections, cases, and any globs of compression."""
    if "*" in patterns:
        return sum(SECTION_SIZES.values())
    whole = {section for section in SECTION_SIZES if f"{section}.*" in patterns}
    cases = set()
    for pattern in patterns:
        section = pattern.partition(".")[0]
        if section in whole:
            continue
        if "*" not in pattern:
            cases.add(pattern)
        elif section in ("12", "13"):
            glob = re.compile(pattern.replace(".", r"\.").replace("*", ".*"))  # kosoku's: "12.*.1" is also 12.1.10 to 12.1.18
            cases.update(case for case in COMPRESSION_CASES if glob.match(case))
        else:
            return None
    return len(cases) + sum(SECTION_SIZES[section] for section in whole)


def read_report(directory):
    """{case: (behavior, behaviorClose)} of index.json; empty when there is none."""
    index = directory / "index.json"
    if not index.exists():
        return {}
    agents = json.loads(index.read_text())
    return {case: (entry["behavior"], entry["behaviorClose"]) for cases in agents.values() for case, entry in cases.items()}


def classify(case, verdict):
    if verdict == ("OK", "OK"):
        return "OK"
    if verdict == ("INFORMATIONAL", "INFORMATIONAL") and case in INFORMATIONAL_CASES:
        return "informational"
    if set(verdict) <= {"OK", "NON-STRICT"}:
        return "NON-STRICT"
    return "failed"


def summarize(name, report, patterns, problems, seconds):
    """Prints the summary line and what is wrong; True when nothing is."""
    counts = dict.fromkeys(("OK", "NON-STRICT", "failed", "informational"), 0)
    bad = []
    for case, verdict in sorted(report.items(), key=lambda item: [int(part) for part in item[0].split(".")]):
        kind = classify(case, verdict)
        counts[kind] += 1
        if kind in ("NON-STRICT", "failed"):
            bad.append(f"{case}: {verdict[0]}, close {verdict[1]}")

    expected = expected_count(patterns)
    if not report:
        problems.append("there is no report, or no case in it")
    elif expected is not None and len(report) != expected:
        problems.append(f"the report has {len(report)} cases instead of {expected}")

    print(f"{name}: " + ", ".join(f"{count} {kind}" for kind, count in counts.items()), flush=True)
    for line in bad + problems:
        print(f"  {line}")
    print(f"  {seconds:.0f} s", flush=True)
    return not bad and not problems


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=("server", "client", "both"), default="both", help="which role of the engine to test")
    parser.add_argument("--input", choices=(*INPUTS, "both"), default="both", help="how the engine gets what was received")
    parser.add_argument("--cases", default="*", metavar="LIST", help="cases or globs, with commas (default all 517)")
    parser.add_argument("--kosoku", default=sys.executable, metavar="PYTHON", help="interpreter of the environment that has kosoku")
    parser.add_argument("--out", default=str(ROOT / "target" / "conformance"), metavar="DIR", help="where the reports go")
    parser.add_argument("--parallel", type=int, default=4, metavar="N", help="cases at a time, server direction (default 4)")
    parser.add_argument("--timeout", type=float, default=7200, metavar="SECONDS", help="for the whole run (default 7200)")
    parser.add_argument("--address", metavar="HOST:PORT", help="test a server that is already running, instead of echo_server")
    options = parser.parse_args()
    if options.address and (options.mode != "server" or options.input != "whole"):
        parser.error("--address goes with --mode server --input whole")
    return options


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the children are killed on the way out
    children = Children()
    try:
        run = Run(options, children)
        good = True
        for how in INPUTS if options.input == "both" else (options.input,):
            for direction in ("server", "client") if options.mode == "both" else (options.mode,):
                began = time.monotonic()
                name = direction if how == "whole" else f"{direction}-{how}"
                directory = run.fresh_directory(name)
                problems = getattr(run, direction)(directory, OPTIONS + INPUTS[how])
                good &= summarize(name, read_report(directory), run.patterns, problems, time.monotonic() - began)
        return 0 if good else 1
    except CannotRun as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    finally:
        children.kill_all()


if __name__ == "__main__":
    sys.exit(main())
