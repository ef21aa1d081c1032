#!/usr/bin/env python3
"""Installs what serve.py needs into a folder of its own: python3 install.py DIR, then DIR/bin/python serve.py.

Does nothing when DIR is up to date with requirements.txt.
"""

import argparse
import importlib.util
import pathlib
import shutil
import subprocess
import sys
import venv

REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")


def main() -> int:
    parser = argparse.ArgumentParser(description="Install a small language model and its server into a folder.")
    parser.add_argument("directory", type=pathlib.Path, metavar="DIR")
    directory = parser.parse_args().directory.absolute()
    python = directory / "bin" / "python"

    # Written last: a folder without it is half made, one with another text is old.
    stamp = directory / "installed-requirements.txt"
    if stamp.is_file() and stamp.read_bytes() == REQUIREMENTS.read_bytes() and python.exists():
        return 0
    if sys.version_info < (3, 10):
        fail(f"Python 3.10 or newer is needed, and {sys.executable} is {sys.version.split()[0]}")
    if directory.exists() and any(directory.iterdir()) and not (directory / "pyvenv.cfg").exists():
        fail(f"{directory} holds something else; give a folder that is empty or does not exist")

    print(f"installing a small language model into {directory} (127 MB, once)", flush=True)
    shutil.rmtree(directory, ignore_errors=True)
    venv.create(directory, symlinks=True)
    command = [*pip_for(python), "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", str(REQUIREMENTS)]
    if subprocess.run(command).returncode != 0:
        fail("pip could not install the packages; what it says is above. A network, or a mirror that pip is set up for, is needed once")
    shutil.copyfile(REQUIREMENTS, stamp)
    return 0


def pip_for(python: pathlib.Path) -> list[str]:
    """The pip that is here already, which is quickest; else a new one in the folder."""
    if importlib.util.find_spec("pip"):
        import pip

        if tuple(int(part) for part in pip.__version__.split(".")[:2]) >= (22, 3):  # the first that knows --python
            return [sys.executable, "-m", "pip", "--python", str(python)]
    if subprocess.run([str(python), "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL).returncode != 0:
        fail("this Python has neither pip nor ensurepip; on Debian and Ubuntu: apt-get install python3-pip")
    return [str(python), "-m", "pip"]


def fail(message: str):
    print(f"install.py: {message}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
