#!/usr/bin/env python3
"""Where the instructions of one workload are: functions, and below each the source files that were inlined into it;
then the source lines. `make bench-counts PROFILE=WORKLOAD` calls it; docs/PERFORMANCE.md has what it printed.

The library is built once more, with line tables, in a folder of its own: what is shipped is not touched."""

import argparse
import os
import re
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

from callgrind import ROOT, Cost, build, is_engine, is_program, record

FOLDER = ROOT / "target" / "profile"
LIBRARY = FOLDER / "release" / "libwsengine.so"
NAMED = 0.02  # of a function: an inlined file with less is not named
LISTED = 0.001  # of all: a function with less is not listed


def build_library():
    environment = {**os.environ, "CARGO_PROFILE_RELEASE_DEBUG": "line-tables-only",
                   "CARGO_PROFILE_RELEASE_STRIP": "none"}
    subprocess.run([os.environ.get("CARGO", "cargo"), "build", "--release", "--lib", "--quiet", "--target-dir", FOLDER],
                   cwd=ROOT, env=environment, check=True)
    soname = LIBRARY.with_suffix(".so.0")
    if not soname.exists():
        soname.symlink_to(LIBRARY.name)


def short_file(path):
    """src/frame/mask.rs; core/src/slice/mod.rs; simdutf8-0.1.5/src/lib.rs; memmove-vec-unaligned-erms.S"""
    path = path.removeprefix(f"{ROOT}/")
    for pattern in (r".*/library/(.*)", r".*/registry/src/[^/]+/(.*)"):
        if match := re.fullmatch(pattern, path):
            return match.group(1)
    return path if path.startswith("src/") else Path(path).name


def short_function(name):
    return re.sub(r"'\d+$", "", name).replace("wsengine::", "")


def main():
    parser = argparse.ArgumentParser(description="Shows where the instructions of one workload are.")
    parser.add_argument("workload")
    parser.add_argument("--functions", type=int, default=12, help="how many are listed; 12 unless told")
    parser.add_argument("--lines", type=int, default=12, help="how many source lines are listed; 12 unless told")
    arguments = parser.parse_args()
    build_library()
    build()
    messages, recorded = record(arguments.workload, library=LIBRARY)
    costs = [entry for entry in recorded if isinstance(entry, Cost) and not is_program(entry.object)]
    total = sum(cost.instructions for cost in costs)
    engine = sum(cost.instructions for cost in costs if is_engine(cost.object))
    print(f"{arguments.workload}: {total / messages:.1f} instructions per message, "
          f"{engine / messages:.1f} of them in the engine\n")
    print_functions(costs, messages, total, arguments.functions)
    print_lines(costs, messages, total, arguments.lines)


def print_functions(costs, messages, total, most):
    functions, files = Counter(), defaultdict(Counter)
    for cost in costs:
        name = short_function(cost.function)
        functions[name] += cost.instructions
        files[name][short_file(cost.file)] += cost.instructions
    for name, instructions in functions.most_common(most):
        if instructions < LISTED * total:
            break
        print(f"{instructions / messages:>11.1f} {instructions / total:>6.1%}  {name}")
        if len(files[name]) > 1:
            parts = [f"{part} {share / messages:.1f}" for part, share in files[name].most_common(6)
                     if share >= NAMED * instructions]
            print(f"{'':>20}{', '.join(parts)}")


def print_lines(costs, messages, total, most):
    lines = Counter()
    for cost in costs:
        if cost.file != "???" and cost.line:
            lines[f"{short_file(cost.file)}:{cost.line}"] += cost.instructions
    print()
    for place, instructions in lines.most_common(most):
        print(f"{instructions / messages:>11.1f} {instructions / total:>6.1%}  {place}")


if __name__ == "__main__":
    main()
