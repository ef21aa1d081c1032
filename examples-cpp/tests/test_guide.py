"""docs/muduo.md: every C++ block compiles as C++11, with the parts that are the reader's own declared in guide/."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).parent
EXAMPLES = HERE.parent
GUIDE = EXAMPLES.parent / "docs" / "muduo.md"

FLAGS = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-DMUDUO_STANDIN=1", f"-I{EXAMPLES}",
         f"-I{EXAMPLES.parent / 'include'}", "-isystem", str(EXAMPLES / "muduo_standin" / "include")]


def snippets():
    """(line number, name of its frame, text) of each C++ block. The comment before it names the file in guide/ that is around it."""
    text = GUIDE.read_text()
    for block in re.finditer(r"(?:<!-- snippet: ([a-z ]+) -->\n)?^```cpp\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, block.start(2)) + 1, block.group(1), block.group(2)


def compile_one(arguments):
    done = subprocess.run([os.environ.get("CXX", "g++"), *FLAGS, *map(str, arguments)], capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def test_every_block_says_where_it_stands():
    found = list(snippets())
    assert len(found) == GUIDE.read_text().count("```cpp") >= 15
    for line, frame, _ in found:
        assert frame, f"docs/muduo.md:{line}: no <!-- snippet: NAME --> before the block"
        assert (HERE / "guide" / f"{frame.replace(' ', '-')}.cc").exists(), f"docs/muduo.md:{line}: {frame}"


def test_every_block_compiles(tmp_path):
    header = tmp_path / "guide.h"
    header.write_text((HERE / "guide" / "guide.h").read_text())
    # All blocks need the same headers: read once.
    error = compile_one(["-x", "c++-header", "-o", tmp_path / "guide.h.gch", header])
    assert not error, error

    def check(snippet):
        line, frame, text = snippet
        source = tmp_path / f"line{line}.cc"
        around = (HERE / "guide" / f"{frame.replace(' ', '-')}.cc").read_text()
        source.write_text(around.replace("SNIPPET\n", f'#line {line} "docs/muduo.md"\n{text}'))
        return compile_one(["-fsyntax-only", "-Winvalid-pch", "-include", header, source])

    with ThreadPoolExecutor(2) as pool:
        errors = [error for error in pool.map(check, snippets()) if error]
    if errors:
        pytest.fail("\n".join(errors), pytrace=False)


def test_every_link_leads_somewhere():
    text = re.sub(r"^```.*?^```$", "", GUIDE.read_text(), flags=re.MULTILINE | re.DOTALL)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif "://" not in target:
            assert (GUIDE.parent / target).exists(), target
