"""The adapter in a user's build: its sources by add_subdirectory, and installed, with CMake and with pkg-config. With the Muduo of the
environment's MUDUO_ROOT; without one, with the stand-in in the shape of an installed Muduo."""

import os
import re
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import rawws
from http_by_hand import GET, UPGRADE
from installing import ROOT, attempt, build_with_cmake, configure, install_engine, run
from rawws import TEXT, frame

CPP = ROOT / "examples-cpp"
CONSUMER = CPP / "tests" / "consumer"
FAST = "-O0"  # nothing here is about speed


class Muduo:
    """Where it is, and what a link with it needs beside what FindMuduo says: the stand-in is built on libevent."""

    def __init__(self, root, libraries=()):
        self.root = root
        self.libraries = libraries
        self.cmake = [f"-DMUDUO_ROOT={root}", f"-DCMAKE_CXX_FLAGS={FAST}", f"-DCMAKE_CXX_STANDARD_LIBRARIES={' '.join(libraries)}"]


@pytest.fixture(scope="module")
def muduo(tmp_path_factory):
    root = os.environ.get("MUDUO_ROOT", "none")
    if root not in ("", "none"):
        return Muduo(Path(root).resolve())
    folder = tmp_path_factory.mktemp("muduo")
    run("make", "-C", CPP / "muduo_standin", "lib")
    (folder / "include").symlink_to(CPP / "muduo_standin" / "include")
    (folder / "lib").mkdir()
    (folder / "lib" / "libmuduo_net.a").symlink_to(CPP / "build" / "muduo_standin" / "libmuduo_standin.a")
    for name in ("base", "http"):
        run("ar", "rcs", folder / "lib" / f"libmuduo_{name}.a")
    return Muduo(folder, ["-levent_core"])


@pytest.fixture(scope="module")
def prefix(muduo, tmp_path_factory):
    """The engine and the adapter installed."""
    folder = tmp_path_factory.mktemp("installed")
    install_engine(folder)
    run("make", "-C", CPP, "-j2", "install", f"PREFIX={folder}", f"MUDUO_ROOT={muduo.root}", f"BUILD={folder}/build", f"CXXFLAGS={FAST}")
    return folder


@pytest.fixture(scope="module")
def built(muduo, prefix, tmp_path_factory):
    """The consumer with the adapter's sources as a part of it, and with the installed one."""
    folder = tmp_path_factory.mktemp("built")
    build_with_cmake(CONSUMER, folder / "subdirectory", *muduo.cmake, f"-DMUDUO_WS_SOURCES={prefix}/share/wsengine/muduo_ws",
                     f"-DCMAKE_PREFIX_PATH={prefix}")
    build_with_cmake(CONSUMER, folder / "installed", *muduo.cmake, f"-DCMAKE_PREFIX_PATH={prefix}")
    return folder


def talk_to(program, **variables):
    """HTTP and WebSocket with the consumer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([program, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | variables)
    try:
        for _ in range(500):
            try:
                client = rawws.Connection(("127.0.0.1", port))
                break
            except ConnectionRefusedError:
                assert process.poll() is None, f"{program} ended with {process.returncode}"
                time.sleep(0.02)
        with client:
            client.send(GET.replace(b"GET", b"HEAD"))
            assert client.read_head()[0] == 404
        with rawws.Connection(("127.0.0.1", port)) as client:
            client.send(UPGRADE + frame(TEXT, b"hello"))
            assert client.read_head()[0] == 101
            assert client.read_message() == (TEXT, b"hello")
    finally:
        process.terminate()
        process.wait()


# ---- a user's server ----


@pytest.mark.parametrize("way", ["subdirectory", "installed"])
def test_the_consumer_works(built, way):
    talk_to(built / way / "consumer")


def test_pkg_config(muduo, prefix, tmp_path):
    flags = run("pkg-config", "--cflags", "--libs", "muduo_ws", PKG_CONFIG_PATH=prefix / "lib" / "pkgconfig").split()
    run("g++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", CONSUMER / "main.cc", "-o", tmp_path / "consumer", *flags,
        *muduo.libraries, f"-Wl,-rpath,{prefix}/lib")
    talk_to(tmp_path / "consumer")


def test_every_public_header_stands_alone(muduo, prefix):
    """In C++11 and with nothing but itself: no header of the adapter's inside, none of the engine."""
    headers = sorted((prefix / "include" / "muduo_ws").iterdir())
    assert "WebSocketServer.h" in [header.name for header in headers]

    def compile_alone(header):
        return header.name, attempt("g++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-x", "c++", "-include",
                                    header, "/dev/null", "-I", prefix / "include", "-isystem", f"{muduo.root}/include", "-M")

    with ThreadPoolExecutor(2) as two:
        for name, (code, said) in two.map(compile_alone, headers):
            assert code == 0, f"{name}: {said}"
            assert "ws_engine.h" not in said, name


def test_sources_and_library_say_the_same(prefix):
    """What is public is in one list; it must name every header that a public one includes."""
    installed = {header.name for header in (prefix / "include" / "muduo_ws").iterdir()}
    for header in installed:
        text = (prefix / "include" / "muduo_ws" / header).read_text()
        assert text == (CPP / "muduo_ws" / header).read_text()
        assert set(re.findall(r'#include "muduo_ws/(.*)"', text)) <= installed, header


# ---- what is looked for, and what is said ----


def configured_engine(folder, muduo, sources, *options, **variables):
    code, said = configure(CONSUMER, folder, *muduo.cmake, f"-DMUDUO_WS_SOURCES={sources}", *options, **variables)
    assert code == 0, said
    text = (folder / "CMakeFiles" / "consumer.dir" / "link.txt").read_text()
    return re.search(r"\S*libwsengine\S*", text)[0]


def test_the_engine_is_found_where_it_is_said(muduo, prefix, tmp_path):
    sources = prefix / "share" / "wsengine" / "muduo_ws"
    tree = str(ROOT / "target" / "release" / "libwsengine.so")
    assert configured_engine(tmp_path / "1", muduo, sources, f"-DWSENGINE_ROOT={ROOT}") == tree
    assert configured_engine(tmp_path / "2", muduo, sources, WSENGINE_ROOT=ROOT) == tree
    assert configured_engine(tmp_path / "3", muduo, sources, f"-DWSENGINE_ROOT={prefix}") == f"{prefix}/lib/libwsengine.so"
    assert configured_engine(tmp_path / "4", muduo, sources, f"-DCMAKE_PREFIX_PATH={prefix}") == f"{prefix}/lib/libwsengine.so.0"
    shutil.copytree(prefix / "lib", tmp_path / "lib", symlinks=True)
    shutil.rmtree(tmp_path / "lib" / "cmake")
    assert configured_engine(tmp_path / "5", muduo, sources, PKG_CONFIG_PATH=tmp_path / "lib" / "pkgconfig").endswith("/lib/libwsengine.so")
    assert configured_engine(tmp_path / "6", muduo, CPP / "muduo_ws", PKG_CONFIG_LIBDIR=tmp_path) == tree


def test_what_is_said_without_the_engine(muduo, prefix, tmp_path):
    sources = f"-DMUDUO_WS_SOURCES={prefix}/share/wsengine/muduo_ws"
    code, said = configure(CONSUMER, tmp_path / "1", *muduo.cmake, sources, PKG_CONFIG_LIBDIR=tmp_path)
    assert code != 0 and "The wsengine library was not found. Install it (make install PREFIX=DIR)" in said
    code, said = configure(CONSUMER, tmp_path / "2", *muduo.cmake, sources, f"-DWSENGINE_ROOT={tmp_path}")
    assert code != 0 and f"WSENGINE_ROOT is {tmp_path}: it must have include/ws_engine.h" in said


def test_a_folder_with_another_name_is_refused(muduo, tmp_path):
    shutil.copytree(CPP / "muduo_ws", tmp_path / "third_party" / "websocket")
    code, said = configure(CONSUMER, tmp_path / "build", *muduo.cmake, f"-DWSENGINE_ROOT={ROOT}", f"-DCMAKE_MODULE_PATH={CPP}/cmake",
                           f"-DMUDUO_WS_SOURCES={tmp_path}/third_party/websocket")
    assert code != 0 and "this folder must be called muduo_ws" in said


def test_attach_may_be_left_out(muduo, prefix, tmp_path):
    code, said = configure(CONSUMER, tmp_path, *muduo.cmake, f"-DWSENGINE_ROOT={ROOT}", f"-DMUDUO_WS_SOURCES={CPP}/muduo_ws",
                           "-DMUDUO_WS_ATTACH=OFF")
    assert code == 0, said
    makefile = (tmp_path / "muduo_ws" / "CMakeFiles" / "muduo_ws.dir" / "build.make").read_text()
    assert "WebSocketServer.cc" in makefile and "AttachHttpServer.cc" not in makefile


def test_tls_is_built_where_openssl_is(muduo, tmp_path):
    sources = tmp_path / "muduo_ws"
    shutil.copytree(CPP / "muduo_ws", sources)
    (sources / "TlsOfThisTest.cc").write_text("#include <openssl/ssl.h>\n")

    def sources_in_build(name, *options):
        code, said = configure(CONSUMER, tmp_path / name, *muduo.cmake, f"-DWSENGINE_ROOT={ROOT}", f"-DMUDUO_WS_SOURCES={sources}",
                               f"-DCMAKE_MODULE_PATH={CPP}/cmake", *options)
        assert code == 0, said
        return (tmp_path / name / "muduo_ws" / "CMakeFiles" / "muduo_ws.dir" / "build.make").read_text()

    has_openssl = attempt("g++", "-fsyntax-only", "-x", "c++", sources / "TlsOfThisTest.cc")[0] == 0
    assert ("TlsOfThisTest.cc" in sources_in_build("1")) == has_openssl
    assert "TlsOfThisTest.cc" not in sources_in_build("2", "-DMUDUO_WS_TLS=OFF")
    assert "TlsOfThisTest.cc" not in sources_in_build("3", "-DCMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON")


@pytest.fixture
def find_muduo(tmp_path):
    """find_muduo(words..., variables) -> exit code, what was said"""

    def find(words, *options, **variables):
        (tmp_path / "CMakeLists.txt").write_text(f"""cmake_minimum_required(VERSION 3.16)
            project(finder LANGUAGES CXX)
            list(APPEND CMAKE_MODULE_PATH "{CPP}/cmake")
            find_package(Muduo {words})
            foreach(name base net http)
              if(TARGET muduo::${{name}})
                get_target_property(links muduo::${{name}} INTERFACE_LINK_LIBRARIES)
                get_target_property(system muduo::${{name}} INTERFACE_SYSTEM_INCLUDE_DIRECTORIES)
                message(STATUS "target ${{name}}: ${{links}} ${{system}}")
              endif()
            endforeach()
            message(STATUS "found=${{Muduo_FOUND}}")""")
        shutil.rmtree(tmp_path / "build", ignore_errors=True)
        return configure(tmp_path, tmp_path / "build", *options, **variables)

    return find


def test_muduo_is_found_where_it_is_said(muduo, find_muduo):
    for arguments, variables in (([f"-DMUDUO_ROOT={muduo.root}"], {}), ([], {"MUDUO_ROOT": muduo.root}),
                                 ([f"-DCMAKE_PREFIX_PATH={muduo.root}"], {})):
        code, said = find_muduo("REQUIRED", *arguments, **variables)
        assert code == 0 and "found=TRUE" in said, said
        assert f"target base: Threads::Threads;rt {muduo.root}/include" in said
        assert "target net: muduo::base" in said and "target http: muduo::net" in said


def test_what_is_said_without_muduo(muduo, find_muduo, tmp_path):
    nowhere = f"-DMUDUO_ROOT={tmp_path}/nowhere"
    code, said = find_muduo("REQUIRED", nowhere)
    assert code != 0 and f"MUDUO_ROOT is {tmp_path}/nowhere: it must have include/muduo/net/TcpServer.h" in said
    code, said = find_muduo("", nowhere)
    assert code == 0 and "Could NOT find Muduo" in said and "found=FALSE" in said
    code, said = find_muduo("QUIET", nowhere)
    assert code == 0 and "Could NOT" not in said and "found=FALSE" in said
    # Where Muduo is not said to be, it is not looked for elsewhere.
    code, said = find_muduo("QUIET", nowhere, f"-DCMAKE_PREFIX_PATH={muduo.root}")
    assert code == 0 and "found=FALSE" in said


def test_the_installed_adapter_says_what_is_missing(prefix, tmp_path):
    code, said = configure(CONSUMER, tmp_path / "1", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DMUDUO_ROOT={tmp_path}")
    assert code != 0 and "Muduo was not found; give the folder that it was installed in: -DMUDUO_ROOT=DIR" in said
    shutil.copytree(prefix / "lib" / "cmake" / "muduo_ws", tmp_path / "alone" / "lib" / "cmake" / "muduo_ws")
    code, said = configure(CONSUMER, tmp_path / "2", f"-DCMAKE_PREFIX_PATH={tmp_path}/alone")
    assert code != 0 and "wsengine was not found" in said


# ---- make install ----


def test_the_stand_in_is_not_installed_but_the_sources_are(tmp_path):
    code, said = attempt("make", "-C", CPP, "install", f"PREFIX={tmp_path}", "MUDUO_ROOT=none")
    assert code != 0 and "make install MUDUO_ROOT=DIR" in said and "make install-sources" in said
    assert not list(tmp_path.iterdir())
    run("make", "-C", CPP, "install-sources", "PREFIX=/usr", f"DESTDIR={tmp_path}", "MUDUO_ROOT=none")
    share = tmp_path / "usr" / "share" / "wsengine"
    assert {path.name for path in (CPP / "muduo_ws").iterdir()} == {path.name for path in (share / "muduo_ws").iterdir()}
    assert (share / "cmake" / "FindMuduo.cmake").is_file()
