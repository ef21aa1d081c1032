"""The Autobahn cases through the C examples, both directions (tests/conformance/run.py), and proof that the run can fail."""

import importlib.util
import json
import re
import subprocess
import sys

import pytest
from conftest import ROOT

# Every case of sections 1 to 10; of compression (12, 13), where a case is a thousand messages, four sizes of each kind:
# 16 bytes, 4 KiB, 64 KiB, and 8 KiB in fragments of 256. `make conformance` runs them all.
PLAIN = [f"{section}.*" for section in (1, 2, 3, 4, 5, 6, 7, 9, 10)]
COMPRESSED = [f"{section}.{kind}.{size}" for section, kinds in ((12, 5), (13, 7)) for kind in range(1, kinds + 1)
              for size in (1, 5, 9, 11)]

RUN = ROOT / "tests" / "conformance" / "run.py"
LAX_SERVER = ROOT / "tests" / "conformance" / "lax_server.py"


def run(*arguments):
    return subprocess.run([sys.executable, RUN, *map(str, arguments)], capture_output=True, text=True, timeout=1000)


def run_against(address, cases, out):
    return run("--mode", "server", "--input", "whole", "--address", address, "--cases", cases, "--out", out)


def counts(output, direction):
    """{"OK": …, "NON-STRICT": …, "failed": …, "informational": …} of the summary line."""
    line = re.search(rf"^{direction}: (.*)$", output, re.MULTILINE).group(1)
    return {kind: int(count) for count, kind in (part.split(" ", 1) for part in line.split(", "))}


@pytest.mark.parametrize("how", ["whole", "bytewise"])
@pytest.mark.parametrize("direction", ["server", "client"])
@pytest.mark.parametrize("cases, informational", [(PLAIN, 3), (COMPRESSED, 0)], ids=["plain", "compressed"])
def test_cases_are_ok(tmp_path, direction, how, cases, informational):
    """301 cases of the plain protocol, of which Autobahn leaves three open; 48 of compression."""
    result = run("--mode", direction, "--input", how, "--cases", ",".join(cases), "--out", tmp_path)
    print(result.stdout, result.stderr)
    name = direction if how == "whole" else f"{direction}-{how}"
    total = 301 if cases is PLAIN else len(COMPRESSED)
    assert counts(result.stdout, name) == {"OK": total - informational, "NON-STRICT": 0, "failed": 0,
                                           "informational": informational}
    assert result.returncode == 0
    index = json.loads((tmp_path / name / "index.json").read_text())
    assert sum(len(cases) for cases in index.values()) == total


@pytest.mark.parametrize("delivery", ["chunks", "frames"])
def test_cases_are_ok_when_parts_are_echoed(start_echo, tmp_path, delivery):
    """All but section 9, of which the fuzzing client does not read a part before it has sent all of 16 MiB."""
    server = start_echo("--delivery", delivery, "--ping-interval", "0")
    result = run_against(f"{server.host}:{server.port}", ",".join(set(PLAIN) - {"9.*"}), tmp_path)
    print(result.stdout, result.stderr)
    assert counts(result.stdout, "server") == {"OK": 244, "NON-STRICT": 0, "failed": 0, "informational": 3}
    assert result.returncode == 0


def test_plain_messages_pass_in_the_cases_of_compression(start_echo, tmp_path):
    """Messages may be sent plain although compression was agreed on: what conformance/fuzzer.py is for."""
    server = start_echo("--compression", "--threshold", str(2**31))
    result = run_against(f"{server.host}:{server.port}", "12.1.5,12.5.4", tmp_path)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("flaw, cases, failing", [("utf8", "6.3.*", "6.3.1"), ("reserved", "3.1", "3.1"),
                                                  ("close", "7.9.*", "7.9.1")])
def test_the_run_fails_when_the_server_is_wrong(start_server, tmp_path, flaw, cases, failing):
    server = start_server([sys.executable, LAX_SERVER, flaw])
    result = run_against(f"{server.host}:{server.port}", cases, tmp_path)
    assert result.returncode == 1
    assert counts(result.stdout, "server")["failed"] > 0
    assert f"  {failing}: FAILED" in result.stdout


def test_the_run_passes_where_that_server_is_right(start_server, tmp_path):
    server = start_server([sys.executable, LAX_SERVER, "utf8"])
    result = run_against(f"{server.host}:{server.port}", "1.1.*,6.2.1", tmp_path)
    assert result.returncode == 0, result.stdout
    assert counts(result.stdout, "server")["OK"] == 9


def test_the_run_fails_when_nobody_answers(tmp_path):
    result = run_against("127.0.0.1:1", "1.1.1", tmp_path)
    assert result.returncode == 1


# ---- how a report is judged ----


@pytest.fixture(scope="module")
def runner():
    spec = importlib.util.spec_from_file_location("conformance_run", RUN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def section_1():
    return {f"1.{opcode}.{i}": ("OK", "OK") for opcode in (1, 2) for i in range(1, 9)}


def test_a_complete_report_is_good(runner):
    assert runner.summarize("x", section_1(), ["1.*"], [], 0)


@pytest.mark.parametrize("verdict", [("NON-STRICT", "OK"), ("FAILED", "OK"), ("OK", "WRONG CODE"),
                                     ("INFORMATIONAL", "INFORMATIONAL"), ("UNIMPLEMENTED", "OK"), ("ERROR", "OK")])
def test_one_case_that_is_not_ok_spoils_it(runner, verdict):
    assert not runner.summarize("x", section_1() | {"1.1.3": verdict}, ["1.*"], [], 0)


def test_a_missing_case_spoils_it(runner):
    report = section_1()
    del report["1.2.8"]
    assert not runner.summarize("x", report, ["1.*"], [], 0)
    assert not runner.summarize("x", {}, ["1.*"], [], 0)


def test_a_program_that_ended_badly_spoils_it(runner):
    assert not runner.summarize("x", section_1(), ["1.*"], ["echo_server ended during the run"], 0)


def test_only_three_cases_may_be_informational(runner):
    informational = ("INFORMATIONAL", "INFORMATIONAL")
    assert runner.summarize("x", {"7.1.6": informational}, ["7.1.6"], [], 0)
    assert not runner.summarize("x", {"7.1.5": informational}, ["7.1.5"], [], 0)


@pytest.mark.parametrize("patterns, count", [(["*"], 517), (["1.*", "12.*"], 106), (["12.*", "12.1.1"], 90), (["7.1.6", "1.1.1"], 2),
                                             (["12.*.1"], 50), (["13.*.11", "13.1.11"], 7), (["6.1.*"], None)])
def test_how_many_cases_patterns_select(runner, patterns, count):
    assert runner.expected_count(patterns) == count
