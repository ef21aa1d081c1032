"""The C ABI as users get it: the header in every dialect, its documentation, what the library exports, and programs
that use them."""

import re
import shutil
import subprocess

import pytest
from conftest import ROOT

INCLUDE = ROOT / "include"
HEADER = INCLUDE / "ws_engine.h"
WRAPPER = INCLUDE / "ws_engine.hpp"
LIB_DIR = ROOT / "target" / "release"
LIBRARY = LIB_DIR / "libwsengine.so"
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
# What a Rust staticlib needs of the system.
STATIC_LIBS = ["-lpthread", "-ldl", "-lm", "-lgcc_s", "-lutil", "-lrt"]


def check(*command, **options):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


@pytest.mark.parametrize("standard", ["c99", "c11", "c17", "c++11", "c++17", "c++20"])
def test_the_header_compiles_without_a_warning(standard):
    language = "c++" if "++" in standard else "c"
    check("g++" if language == "c++" else "gcc", f"-std={standard}", *STRICT, "-fsyntax-only", "-x", language, HEADER)


@pytest.mark.parametrize("flags", [["-std=c++17"], ["-std=c++20"], ["-std=c++17", "-fno-exceptions", "-fno-rtti"]])
def test_the_wrapper_compiles_without_a_warning(flags):
    check("g++", *flags, *STRICT, "-fsyntax-only", "-x", "c++", WRAPPER)


def test_everything_is_documented(tmp_path):
    """Doxygen with warnings as errors: every function, parameter, field and return value."""
    (tmp_path / "Doxyfile").write_text(f"""
        INPUT = {HEADER}
        OUTPUT_DIRECTORY = {tmp_path}
        OPTIMIZE_OUTPUT_FOR_C = YES
        TYPEDEF_HIDES_STRUCT = YES
        JAVADOC_AUTOBRIEF = YES
        GENERATE_LATEX = NO
        QUIET = YES
        WARN_NO_PARAMDOC = YES
        WARN_AS_ERROR = FAIL_ON_WARNINGS
        HAVE_DOT = NO
        """)
    check("doxygen", tmp_path / "Doxyfile", cwd=tmp_path)


def declared():
    """The names of the functions in the header."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
    return set(re.findall(r"\b(ws_\w+)\(", text))


def test_the_library_exports_what_the_header_declares_and_nothing_else():
    lines = check("nm", "-D", "--defined-only", LIBRARY).splitlines()
    exported = {line.split()[-1] for line in lines}
    assert exported == declared()
    assert len(exported) > 35


def test_the_library_has_a_soname_and_few_needs():
    dynamic = check("readelf", "-d", LIBRARY)
    assert "Library soname: [libwsengine.so.0]" in dynamic
    needed = set(re.findall(r"Shared library: \[(.*?)\]", dynamic))
    assert needed <= {"libc.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


@pytest.fixture(scope="module")
def conversation(tmp_path_factory):
    """tests/c/conversation.c, strictly C99, linked to the shared library."""
    program = tmp_path_factory.mktemp("c") / "conversation"
    check("gcc", "-std=c99", *STRICT, "-g", f"-I{INCLUDE}", ROOT / "tests" / "c" / "conversation.c", "-o", program,
          f"-L{LIB_DIR}", "-lwsengine", f"-Wl,-rpath,{LIB_DIR}")
    return program


def test_a_c_program_with_the_shared_library(conversation):
    assert check(conversation).startswith("ok, libwsengine ")


def test_a_c_program_under_valgrind(conversation):
    if not shutil.which("valgrind"):
        pytest.fail("valgrind is missing: tests/setup.sh installs it")
    check("valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=all", conversation)


def test_a_c_program_with_the_static_library(tmp_path):
    program = tmp_path / "conversation"
    check("gcc", "-std=c99", f"-I{INCLUDE}", ROOT / "tests" / "c" / "conversation.c", "-o", program,
          LIB_DIR / "libwsengine.a", *STATIC_LIBS)
    assert check(program).startswith("ok, ")


def test_the_static_library_hides_inside_a_shared_one(tmp_path):
    """A host that is itself a shared library need not export the engine."""
    (tmp_path / "host.c").write_text('#include "ws_engine.h"\nconst char *host_uses(void) { return ws_version(); }\n')
    check("gcc", "-shared", "-fPIC", f"-I{INCLUDE}", tmp_path / "host.c", "-o", tmp_path / "libhost.so",
          LIB_DIR / "libwsengine.a", "-Wl,--exclude-libs,ALL", *STATIC_LIBS)
    exported = check("nm", "-D", "--defined-only", tmp_path / "libhost.so")
    assert "host_uses" in exported and "ws_version" not in exported


def code_of_the_header():
    """The server's loop at the head of ws_engine.h."""
    code = re.search(r"@code\n(.*?)@endcode", HEADER.read_text(), re.DOTALL).group(1)
    return re.sub(r"^ \* ?", "", code, flags=re.MULTILINE)


def compile_in_a_function(tmp_path, code):
    source = tmp_path / "loop.c"
    source.write_text('#include "ws_engine.h"\n#include <sys/socket.h>\n#include <unistd.h>\n'
                      "void on_readable(int fd, ws_conn *conn);\nvoid on_readable(int fd, ws_conn *conn) {\n" + code + "}\n")
    check("gcc", "-std=c11", *STRICT, f"-I{INCLUDE}", "-fsyntax-only", source)


def test_the_loop_in_the_header_compiles(tmp_path):
    compile_in_a_function(tmp_path, code_of_the_header())
    assert len(code_of_the_header().splitlines()) <= 30


def test_the_loop_in_the_readme_compiles(tmp_path):
    code = re.search(r"```c\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL).group(1)
    once_a_connection = "ws_conn *conn = "
    assert once_a_connection in code
    compile_in_a_function(tmp_path, "char buf[65536];\n" + code.replace(once_a_connection, "conn = "))
