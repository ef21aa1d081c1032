"""Instructions per message against the committed table (benches/counts/), and the tool that counts them."""

import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benches" / "counts"))

import callgrind  # noqa: E402
import counts  # noqa: E402
from counts import Row, Table  # noqa: E402

COMMITTED = counts.committed()


@pytest.fixture(scope="module")
def now():
    """The table of the library as it is now."""
    counts.build()
    return Table(counts.made_with(), counts.count_all(counts.workloads()))


# ---- the library ----


@pytest.mark.parametrize("name", COMMITTED.rows)
def test_instructions_have_not_grown(now, name):
    if reason := counts.not_comparable(COMMITTED.made_with, now.made_with):
        pytest.skip(reason)
    same_libc = COMMITTED.made_with["libc"] == now.made_with["libc"]
    if problem := counts.complaint(name, COMMITTED.rows[name], now.rows[name], same_libc):
        pytest.fail(problem, pytrace=False)


def test_allocations_have_not_grown(now):
    """With any compiler and any processor."""
    problems = [counts.allocation_complaint(name, row, now.rows[name]) for name, row in COMMITTED.rows.items()]
    if any(problems):
        pytest.fail("\n".join(filter(None, problems)), pytrace=False)


def test_the_table_has_the_workloads_and_no_others(now):
    assert list(COMMITTED.rows) == list(now.rows), f"write the table anew: `{counts.UPDATE}`"


@pytest.mark.parametrize("name", ["receive-16", "echo-16k", "send-1k-client", "handshake"])
def test_counts_are_repeatable_and_per_message(now, name):
    """Random keys and start-up are not in them, so twice as many messages cost twice as much."""
    again = counts.count(name)
    assert again.total == pytest.approx(now.rows[name].total, rel=0.001)
    assert again.allocations == now.rows[name].allocations
    usual = {"receive-16": 6000, "echo-16k": 64, "send-1k-client": 512, "handshake": 256}[name]
    assert counts.count(name, 2 * usual).total == pytest.approx(now.rows[name].total, rel=0.01)


# ---- the comparison ----


def test_growth_above_the_tolerance_is_said_with_its_name_and_size():
    before, after = Row(900.0, 100.0, 0), Row(951.0, 100.0, 0)
    assert counts.complaint("echo-16", before, after) is not None
    said = counts.complaint("echo-16", before, after)
    for part in ("echo-16:", "1051.0", "1000.0", "+5.1%", counts.UPDATE, "make bench-counts PROFILE=echo-16"):
        assert part in said
    assert counts.complaint("echo-16", before, Row(949.0, 100.0, 0)) is None
    assert counts.complaint("echo-16", before, Row(100.0, 0.0, 0)) is None


def test_instructions_may_move_between_the_engine_and_the_c_library():
    assert counts.complaint("echo-16", Row(900.0, 100.0, 0), Row(500.0, 500.0, 0)) is None
    assert counts.complaint("echo-16", Row(900.0, 100.0, 0), Row(900.0, 151.0, 0)) is not None


def test_with_another_c_library_only_the_engine_counts():
    assert counts.complaint("echo-16", Row(900.0, 100.0, 0), Row(900.0, 900.0, 0), same_libc=False) is None
    assert counts.complaint("echo-16", Row(900.0, 100.0, 0), Row(946.0, 0.0, 0), same_libc=False) is not None


def test_one_more_allocation_in_fifty_messages_is_said():
    assert counts.allocation_complaint("echo-16", Row(0, 0, 1.0), Row(0, 0, 1.0)) is None
    assert counts.allocation_complaint("echo-16", Row(0, 0, 1.0), Row(0, 0, 0.0)) is None
    assert "echo-16: 1.02 allocations" in counts.allocation_complaint("echo-16", Row(0, 0, 1.0), Row(0, 0, 1.02))


@pytest.mark.parametrize("key", ["rustc", "machine"])
def test_another_compiler_or_processor_is_not_compared_and_named(key):
    made_with = {"rustc": "1.90.0", "machine": "x86_64 avx2", "libc": "glibc 2.36"}
    assert counts.not_comparable(made_with, dict(made_with)) is None
    assert counts.not_comparable(made_with, {**made_with, "libc": "glibc 2.41"}) is None
    reason = counts.not_comparable(made_with, {**made_with, key: "something else"})
    assert key in reason and made_with[key] in reason and "something else" in reason


def test_a_table_is_read_as_it_was_written():
    table = Table({"rustc": "1.90.0 (abc 2025-01-01)", "libc": "glibc 2.36", "machine": "x86_64 avx2"},
                  {"receive-16": Row(98.5, 2.1, 0.0), "receive-1m-binary": Row(536613.8, 198403.2, 1.5)})
    assert counts.parse(counts.render(table)) == table


def test_what_callgrind_writes_is_told_apart():
    """The cost of a call stands behind it and is the callee's; inlined code belongs to the function around it."""
    entries = list(callgrind.read("""
events: Ir
ob=/lib/libwsengine.so
fl=src/a.rs
fn=outer
10 5
fi=src/b.rs
7 3
fe=src/a.rs
cob=/lib/libc.so.6
cfi=malloc.c
cfn=malloc
calls=2 30
11 400

ob=/lib/libc.so.6
fl=malloc.c
fn=malloc
30 400
totals: 408
""".splitlines()))
    assert entries == [
        callgrind.Cost("/lib/libwsengine.so", "outer", "src/a.rs", 10, 5),
        callgrind.Cost("/lib/libwsengine.so", "outer", "src/b.rs", 7, 3),
        callgrind.Calls("/lib/libwsengine.so", "malloc", 2),
        callgrind.Cost("/lib/libc.so.6", "malloc", "malloc.c", 30, 400),
    ]
