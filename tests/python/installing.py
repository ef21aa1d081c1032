"""What the tests of the installed library share: programs run as a user runs them, without what make or the machine says."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A make above this test hands its variables down, which would change what a user's make and cmake do.
NOT_OURS = ("MAKE", "CMAKE", "PKG_CONFIG", "WSENGINE", "MUDUO", "EXTRA_", "BUILD", "DESTDIR", "PREFIX", "CXXFLAGS", "CFLAGS", "LDFLAGS",
            "LD_LIBRARY_PATH", "MFLAGS")


def environment(**more):
    mine = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
    return mine | {name: str(value) for name, value in more.items()}


def attempt(*command, cwd=None, **variables):
    """Exit code and everything that was said."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=environment(**variables), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def run(*command, cwd=None, **variables):
    """What was said; a failure is the test's."""
    code, said = attempt(*command, cwd=cwd, **variables)
    assert code == 0, f"{' '.join(str(word) for word in command)} ended with {code}:\n{said}"
    return said


def configure(source, build, *options, **variables):
    """Exit code and what was said, as one line: cmake breaks lines where it likes."""
    code, said = attempt("cmake", "-S", source, "-B", build, *options, **variables)
    return code, " ".join(said.split())


def build_with_cmake(source, build, *options, **variables):
    run("cmake", "-S", source, "-B", build, *options, **variables)
    run("cmake", "--build", build, "--parallel", 2, **variables)


def install_engine(prefix, *options):
    """`make install` of what is built: CARGO=true, so that nothing is built again."""
    run("make", "-C", ROOT, "install", f"PREFIX={prefix}", "CARGO=true", *options)
