"""Runs the program below callgrind and reads what it wrote."""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIBRARY = ROOT / "target" / "release" / "libwsengine.so"
PROGRAM = ROOT / "target" / "counts" / "counts"

ALLOCATORS = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"}


@dataclass(frozen=True)
class Cost:
    """Instructions of one source line in one function, without those of the functions that it calls."""

    object: str
    function: str
    file: str
    line: int
    instructions: int


@dataclass(frozen=True)
class Calls:
    """Calls from one function to another."""

    object: str
    callee: str
    count: int


def build():
    """Compiles the program against the library of target/release, which is there already."""
    if not shutil.which("valgrind"):
        raise RuntimeError("valgrind is missing: tests/setup.sh bench-counts installs it")
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    soname = LIBRARY.with_suffix(".so.0")  # what the loader looks for; cargo does not make it
    if not soname.exists():
        soname.symlink_to(LIBRARY.name)
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-O2", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                    "-fno-tree-loop-distribute-patterns",  # a copy that must not become a memcpy: that would be counted
                    f"-I{ROOT / 'include'}", *sorted(HERE.glob("*.c")), "-o", PROGRAM, f"-L{LIBRARY.parent}",
                    "-lwsengine", "-Wl,-z,now"], check=True)


def run(*command, library=LIBRARY):
    """The same environment and relative paths everywhere, so that the stack lies the same. `rep movsb`, with which the
    C library copies from 2 KiB on, would be counted as one instruction a byte, so it is told to copy with vectors."""
    environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(library.parent.relative_to(ROOT)),
                   "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-ERMS,-FSRM"}
    result = subprocess.run([str(word) for word in command], cwd=ROOT, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit code {result.returncode}\n{result.stderr}")
    return result.stdout


def record(workload, messages=None, library=LIBRARY):
    """Runs one workload: its number of messages, and a list of Cost and Calls."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        arguments = [workload] + ([str(messages)] if messages else [])
        printed = run("valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no",
                      "--compress-strings=no", "--compress-pos=no", f"--callgrind-out-file={out}",
                      PROGRAM.relative_to(ROOT), *arguments, library=library)
        return int(printed), list(read(out.read_text(errors="replace").splitlines()))


def read(lines):
    """Of a file that was written without compression of names and positions."""
    place = {"ob": "", "fl": "", "fn": "", "cfn": ""}
    inclusive = False
    for line in lines:
        if match := re.match(r"(ob|fl|fi|fe|fn|cfn)=(.*)$", line):
            key, name = match.groups()
            place["fl" if key in ("fi", "fe") else key] = name  # fi, fe: code that was inlined from another file
        elif match := re.match(r"calls=(\d+)", line):
            yield Calls(place["ob"], place["cfn"], int(match.group(1)))
            inclusive = True  # the next line has the cost of the callee, which is told where it arises
        elif match := re.match(r"(\d+) (\d+)$", line):
            if not inclusive:
                yield Cost(place["ob"], place["fn"], place["fl"], *map(int, match.groups()))
            inclusive = False


def is_engine(name):
    return Path(name).name.startswith("libwsengine.so")


def is_program(name):
    return Path(name).name == PROGRAM.name
