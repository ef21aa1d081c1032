"""The C ABI as users get it: the header in every dialect, its documentation, what the library exports, and programs
that use them."""

import re
import shutil
import subprocess

import pytest
from conftest import ROOT

INCLUDE = ROOT / "include"
HEADER = INCLUDE / "ws_engine.h"
WRAPPER = INCLUDE / "ws_engine.hpp"  # which includes the other parts, ws_engine_*.hpp
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


def test_every_function_has_a_test_and_is_in_the_wrapper():
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "protocol").glob("capi*.rs"))
    wrapper = "".join(path.read_text() for path in INCLUDE.glob("*.hpp"))
    calls = {name for name in declared() if re.search(rf"\b{name}\b", tests)}
    assert calls == declared()
    assert {name for name in declared() if re.search(rf"\b{name}\b", wrapper)} == declared()


def test_the_library_has_a_soname_and_few_needs():
    dynamic = check("readelf", "-d", LIBRARY)
    assert "Library soname: [libwsengine.so.0]" in dynamic
    needed = set(re.findall(r"Shared library: \[(.*?)\]", dynamic))
    assert needed <= {"libc.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


PROGRAMS = ["conversation", "host"]


@pytest.fixture(scope="module", params=[(name, standard) for name in PROGRAMS for standard in ("c99", "c11")],
                ids=lambda param: "-".join(param))
def program(request, tmp_path_factory):
    """A program of tests/c, strictly in its dialect, linked to the shared library."""
    name, standard = request.param
    program = tmp_path_factory.mktemp("c") / name
    check("gcc", f"-std={standard}", *STRICT, "-g", f"-I{INCLUDE}", ROOT / "tests" / "c" / f"{name}.c", "-o", program,
          f"-L{LIB_DIR}", "-lwsengine", f"-Wl,-rpath,{LIB_DIR}")
    return program


def test_a_c_program_with_the_shared_library(program):
    assert check(program).startswith("ok, libwsengine ")


def test_a_c_program_under_valgrind(program):
    if not shutil.which("valgrind"):
        pytest.fail("valgrind is missing: tests/setup.sh installs it")
    check("valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=all", program)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_c_program_with_the_static_library(tmp_path, name):
    program = tmp_path / name
    check("gcc", "-std=c99", f"-I{INCLUDE}", ROOT / "tests" / "c" / f"{name}.c", "-o", program,
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


def blocks_of_the_readme():
    """Its blocks of C, in order: the loop, time, settings."""
    return re.findall(r"```c\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def compile_in_a_function(tmp_path, code, parameters="int fd, ws_conn *conn"):
    source = tmp_path / "loop.c"
    source.write_text('#include "ws_engine.h"\n#include <errno.h>\n#include <sys/socket.h>\n#include <unistd.h>\n'
                      "uint64_t now_ms(void);\nvoid wait_for_sockets(uint64_t until);\nvoid serve(ws_conn *conn);\n"
                      f"void on_readable({parameters});\nvoid on_readable({parameters}) {{\n{code}}}\n")
    check("gcc", "-std=c11", *STRICT, f"-I{INCLUDE}", "-fsyntax-only", source)


def test_the_loop_in_the_header_compiles(tmp_path):
    compile_in_a_function(tmp_path, code_of_the_header())
    assert len(code_of_the_header().splitlines()) <= 30


def test_the_code_in_the_readme_compiles(tmp_path):
    loop, time, settings = blocks_of_the_readme()
    once_a_connection = "ws_conn *conn = "
    assert once_a_connection in loop
    compile_in_a_function(tmp_path, loop.replace(once_a_connection, "conn = "))
    compile_in_a_function(tmp_path, time, "ws_engine *engine")
    compile_in_a_function(tmp_path, settings + "(void)engine;\n", "void")


def settings_of_the_header():
    """What the header says of each setter: {"max_frame_size": "..."}."""
    comments = re.findall(r"/\*\*((?:(?!\*/).)*)\*/\s*ws_status ws_config_(?:set_)?(\w+)\(", HEADER.read_text(), re.DOTALL)
    return {name: re.sub(r"\n \* *", " ", text) for text, name in comments}


def test_the_page_on_limits_says_what_the_header_says():
    """docs/limits.md has every limit and deadline of the header, with its default, codes, and names of counters."""
    page = (ROOT / "docs" / "limits.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| .*? \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    header = settings_of_the_header()
    names = [name for name in header if name.startswith("max_") or name.endswith(("_timeout", "_interval", "_buffer_size"))]
    assert sorted(name for name, *_ in rows) == sorted(names)
    for name, default, beyond, counted in rows:
        assert f"default {default} " in header[name] + " ", name
        for code in re.findall(r"\b\d{3,4}\b|WS_ERR_\w+", beyond):
            assert re.search(rf"\b{code}\b", header[name]), (name, code)
        for label in re.findall(r'="(\w+)"', counted):
            sources = (path.read_text() for path in (ROOT / "src").rglob("*.rs"))
            assert any(f'"{label}"' in source for source in sources), (name, label)


def test_the_code_in_the_page_on_embedding_compiles(tmp_path):
    turn, many, pressure, time, stream, tls, large = re.findall(r"```c\n(.*?)```", (ROOT / "docs" / "embedding.md").read_text(), re.DOTALL)
    head = ("#include <limits.h>\n#include <stdbool.h>\nvoid drop(ws_conn *conn);\nvoid on_event(ws_conn *conn, const ws_event *event);\n"
            "int wait_for_sockets(uint64_t until);\nvoid serve_socket(int i);\nuint64_t now_ms(void);\nvoid serve(ws_conn *conn);\n"
            "enum { EPOLLOUT = 4 };\nvoid watch(int fd, int events);\ntypedef struct ssl SSL;\nint SSL_read(SSL *, void *, int);\n"
            "int write_all(SSL *ssl, const void *data, size_t len);\n"
            "typedef struct member { int fd, waits_for_epollout; ws_conn *conn; } member;\n"
            "typedef struct answer answer;\nws_stream *stream_of(answer *answer);\nws_conn *conn_of(answer *answer);\n"
            "void keep(answer *answer);\nvoid pause_model(answer *answer);\nvoid resume_model(answer *answer);\n"
            "void write_output(member *to);\nvoid wait_for_epollout(member *to);\n")
    source = tmp_path / "embedding.c"
    source.write_text('#include "ws_engine.h"\n#include <errno.h>\n#include <sys/socket.h>\n#include <sys/uio.h>\n' + head +
                      f"void turn(int fd, ws_conn *conn);\nvoid turn(int fd, ws_conn *conn) {{\n{turn}}}\n"
                      "void all(member **members, size_t count, ws_prepared *message);\n"
                      f"void all(member **members, size_t count, ws_prepared *message) {{\n{many}}}\n"
                      f"void press(int fd, ws_conn *conn);\nvoid press(int fd, ws_conn *conn) {{\n{pressure}}}\n"
                      f"void time(ws_engine *engine);\nvoid time(ws_engine *engine) {{\n{time}}}\n"
                      "void stream(ws_engine *engine, answer *answer, ws_conn *conn, const char *token, size_t token_len, bool is_last);\n"
                      "void stream(ws_engine *engine, answer *answer, ws_conn *conn, const char *token, size_t token_len, bool is_last)"
                      f" {{\n{stream}}}\n"
                      "void tls(SSL *ssl, ws_conn *conn, void *room, size_t capacity);\n"
                      f"void tls(SSL *ssl, ws_conn *conn, void *room, size_t capacity) {{\nchar record[16384];\n{tls}}}\n"
                      "void large(int fd, ws_conn *conn, void *payload, size_t size);\n"
                      f"void large(int fd, ws_conn *conn, void *payload, size_t size) {{\n{large}}}\n")
    check("gcc", "-std=c11", *STRICT, f"-I{INCLUDE}", "-fsyntax-only", source)
