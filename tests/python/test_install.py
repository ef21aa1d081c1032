"""`make install`, and the installed library in a user's project: with CMake, with pkg-config, after the folder was moved."""

import re
import shutil

import pytest
from installing import ROOT, build_with_cmake, configure, install_engine, run

CONSUMER = ROOT / "tests" / "consumer"
VERSION = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("install") / "a prefix"
    install_engine(folder)
    return folder


def test_cmake_finds_both_libraries(prefix, tmp_path):
    build_with_cmake(CONSUMER, tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}", f"-DWANTED_VERSION={VERSION}")
    assert run(tmp_path / "shared") == run(tmp_path / "static") == VERSION + "\n"
    assert str(prefix / "lib" / "libwsengine.so.0") in run("ldd", tmp_path / "shared")
    assert "wsengine" not in run("ldd", tmp_path / "static")


def test_the_folder_may_be_moved(prefix, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(prefix, moved, symlinks=True)
    build_with_cmake(CONSUMER, tmp_path / "build", f"-DCMAKE_PREFIX_PATH={moved}")
    assert str(moved) in run("ldd", tmp_path / "build" / "shared")


def test_cmake_is_told_of_what_is_missing(prefix, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(prefix, copy, symlinks=True)
    (copy / "lib" / "libwsengine.a").unlink()
    code, said = configure(CONSUMER, tmp_path / "build", f"-DCMAKE_PREFIX_PATH={copy}")
    assert code != 0 and "libwsengine.a is missing" in said and "Install wsengine again" in said


@pytest.mark.parametrize("wanted, fits", [("0.1", True), ("0.1.0", True), ("0.1.1", False), ("0.2", False), ("1.0", False), ("0.0.9", False)])
def test_versions_of_one_series_fit(tmp_path, wanted, fits):
    """The version file alone, for 0.1.0: a project costs a second."""
    script = tmp_path / "version.cmake"
    installed = tmp_path / "of_0_1_0.cmake"
    installed.write_text((ROOT / "examples-cpp" / "cmake" / "wsengine-config-version.cmake.in").read_text().replace("@VERSION@", "0.1.0"))
    script.write_text(f'set(PACKAGE_FIND_VERSION {wanted})\ninclude("{installed}")\nmessage("fits=${{PACKAGE_VERSION_COMPATIBLE}}")\n')
    assert run("cmake", "-P", script) == f"fits={'TRUE' if fits else ''}\n"


def test_the_installed_version_file_says_the_version(prefix):
    assert f'set(PACKAGE_VERSION "{VERSION}")' in (prefix / "lib" / "cmake" / "wsengine" / "wsengine-config-version.cmake").read_text()


def test_pkg_config(tmp_path):
    prefix = tmp_path / "prefix"  # it splits at blanks
    install_engine(prefix)

    def flags(*options):
        return run("pkg-config", *options, "wsengine", PKG_CONFIG_PATH=prefix / "lib" / "pkgconfig").split()

    assert flags("--modversion") == [VERSION]
    run("cc", CONSUMER / "main.c", *flags("--cflags", "--libs"), f"-Wl,-rpath,{prefix}/lib", "-o", tmp_path / "shared")
    static = [str(prefix / "lib" / "libwsengine.a") if flag == "-lwsengine" else flag for flag in flags("--cflags", "--libs", "--static")]
    run("cc", CONSUMER / "main.c", *static, "-o", tmp_path / "static")
    assert run(tmp_path / "shared") == run(tmp_path / "static") == VERSION + "\n"
    assert "wsengine" not in run("ldd", tmp_path / "static")


def test_destdir_is_put_before_the_prefix(tmp_path):
    install_engine("/opt/wsengine", f"DESTDIR={tmp_path}")
    assert (tmp_path / "opt/wsengine/lib/cmake/wsengine/wsengine-config.cmake").is_file()
    assert "prefix=/opt/wsengine\n" in (tmp_path / "opt/wsengine/lib/pkgconfig/wsengine.pc").read_text()
    assert (tmp_path / "opt/wsengine/lib/libwsengine.so").resolve().name == f"libwsengine.so.{VERSION}"
