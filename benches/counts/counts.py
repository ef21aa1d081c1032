#!/usr/bin/env python3
"""Instructions per message, counted by callgrind for the hot paths through the C ABI. Counts are repeatable, times are
not, so a test compares them with the table that is committed here (tests/python/test_counts.py).

    make bench-counts                      prints the table, with the change against the committed one
    make bench-counts UPDATE=1             writes table.txt
    make bench-counts PROFILE=receive-16   where the instructions of one workload are

What is counted: the instructions of libwsengine.so, those of the C library that it calls (memcpy, malloc), and how
often it calls the allocator. What the program around it does is left out, and so is what happens before all messages
have gone through once. valgrind shows every program the same processor, without AVX-512 and SHA instructions; the
library's kernels, and the C library's, are chosen for that one."""

import argparse
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from callgrind import ALLOCATORS, HERE, LIBRARY, PROGRAM, ROOT, Calls, Cost, build, is_engine, is_program, record, run

TABLE = HERE / "table.txt"
TOLERANCE = 0.05
UPDATE = "make bench-counts UPDATE=1"


@dataclass
class Row:
    """Of one workload, per message."""

    engine: float
    libc: float
    allocations: float

    @property
    def total(self):
        return self.engine + self.libc


@dataclass
class Table:
    """Rows by workload, and what they were made with: rustc, libc, machine."""

    made_with: dict
    rows: dict


# ---- counting ----


def workloads():
    return run(PROGRAM.relative_to(ROOT), "--list").split()


def made_with():
    """What the counts depend on beside the sources."""
    compiler = re.search(rb"rustc version ([^\0]+)", LIBRARY.read_bytes())
    return {
        "rustc": compiler.group(1).decode() if compiler else "unknown",
        "libc": os.confstr("CS_GNU_LIBC_VERSION") or "unknown",
        "machine": run("valgrind", "-q", "--tool=none", PROGRAM.relative_to(ROOT), "--machine").strip(),
    }


def count(workload, messages=None):
    """Runs one workload below callgrind; messages: another number of them than usual."""
    messages, recorded = record(workload, messages)
    costs = [entry for entry in recorded if isinstance(entry, Cost) and not is_program(entry.object)]
    engine = sum(cost.instructions for cost in costs if is_engine(cost.object))
    libc = sum(cost.instructions for cost in costs) - engine
    allocations = sum(calls.count for calls in recorded if isinstance(calls, Calls) and is_engine(calls.object)
                      and calls.callee.partition("'")[0] in ALLOCATORS)  # malloc'2 is malloc below itself
    return Row(engine / messages, libc / messages, allocations / messages)


def count_all(names):
    """Two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(count, names)))


# ---- the table ----

HEAD = f"""\
# Instructions per message through the C ABI: of the engine, of the C library that it calls, and allocations.
# A test fails when their sum grows by more than 5%, or when the allocations grow at all. If the change is worth that,
# or when they have fallen: `{UPDATE}`, and say why in the commit.

"""


def render(table):
    lines = [HEAD] + [f"{key}: {value}\n" for key, value in table.made_with.items()]
    lines.append(f"\n{'workload':<28}{'engine':>12}{'libc':>12}{'allocations':>14}\n")
    lines += [f"{name:<28}{row.engine:>12.1f}{row.libc:>12.1f}{row.allocations:>14.2f}\n"
              for name, row in table.rows.items()]
    return "".join(lines)


def parse(text):
    table = Table({}, {})
    for line in text.splitlines():
        if match := re.match(r"(\w+): (.+)$", line):
            table.made_with[match.group(1)] = match.group(2)
        elif match := re.match(r"(\S+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)$", line):
            table.rows[match.group(1)] = Row(*map(float, match.groups()[1:]))
    return table


def committed():
    return parse(TABLE.read_text()) if TABLE.exists() else Table({}, {})


# ---- comparing ----


def not_comparable(before, after):
    """Why instructions cannot be compared, or None: another compiler or processor needs others. Takes what each table
    was made with."""
    for key in ("rustc", "machine"):
        if before.get(key) != after.get(key):
            return (f"instructions are not compared: {TABLE.name} was made with {key} {before.get(key)}, "
                    f"this is {key} {after.get(key)}; `make bench-counts` shows both")
    return None


def complaint(name, before, after, same_libc=True):
    """What is wrong with the instructions of a row, or None. With another C library, its own are left out."""
    old, new = (before.total, after.total) if same_libc else (before.engine, after.engine)
    if new <= old * (1 + TOLERANCE):
        return None
    return (f"{name}: {new:.1f} instructions per message, {old:.1f} in {TABLE.name}: {change(old, new)}, "
            f"{TOLERANCE:.0%} are allowed (engine {before.engine:.1f} to {after.engine:.1f}, "
            f"libc {before.libc:.1f} to {after.libc:.1f}). `make bench-counts PROFILE={name}` shows where they are. "
            f"If the change is worth it: `{UPDATE}`, and say why in the commit.")


def allocation_complaint(name, before, after):
    if after.allocations <= before.allocations + 0.01:  # the table has two decimal places
        return None
    return (f"{name}: {after.allocations:.2f} allocations per message, {before.allocations:.2f} in {TABLE.name}. "
            f"If the change is worth it: `{UPDATE}`, and say why in the commit.")


def change(old, new):
    return f"{(new - old) / old:+.1%}" if old else "new"


# ---- the command ----


def main():
    parser = argparse.ArgumentParser(description="Counts instructions per message through the C ABI.")
    parser.add_argument("--update", action="store_true", help="write the committed table")
    parser.add_argument("workload", nargs="*", help="only these; all if there are none")
    arguments = parser.parse_args()
    if arguments.update and arguments.workload:
        parser.error("the table is written as a whole: name no workload with --update")
    build()
    table = Table(made_with(), count_all(arguments.workload or workloads()))
    print_changes(committed(), table, whole=not arguments.workload)
    if arguments.update:
        TABLE.write_text(render(table))
        print(f"\nwritten: {TABLE.relative_to(ROOT)}")
    else:
        print(f"\nThe change is that of engine and libc together. To write {TABLE.relative_to(ROOT)}: {UPDATE}")


def print_changes(before, table, whole):
    for key, value in table.made_with.items():
        was = before.made_with.get(key, "nothing yet")
        print(f"{key}: {value}" + (f" (the committed table: {was})" if was != value else ""))
    print(f"\n{'workload':<28}{'engine':>12}{'libc':>12}{'change':>10}{'allocations':>18}")
    for name, row in table.rows.items():
        old = before.rows.get(name)
        moved = change(old.total, row.total) if old else "new"
        allocations = f"{row.allocations:.2f}"
        if old and abs(old.allocations - row.allocations) > 0.01:
            allocations = f"{old.allocations:.2f} -> {allocations}"
        print(f"{name:<28}{row.engine:>12.1f}{row.libc:>12.1f}{moved:>10}{allocations:>18}")
    for name in before.rows.keys() - table.rows.keys() if whole else ():
        print(f"{name:<28}is gone")


if __name__ == "__main__":
    sys.exit(main())
