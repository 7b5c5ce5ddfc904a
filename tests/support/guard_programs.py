"""Programs in place of `fingerprint guard` that decide nothing, and the shells that run what starts them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from commandline import COMMAND
from fingerprint.guard import BLOCKED

SHELLS = [path for path in map(shutil.which, ("dash", "bash", "busybox")) if path]
every_shell = pytest.mark.parametrize("shell", SHELLS)


def program(directory: Path, text: str, first: str = "#!/bin/sh") -> str:
    path = directory / "program"
    path.write_text(f"{first}\n{text}\n")
    path.chmod(0o755)
    return str(path)


# Exit code and answer of a command that did not decide: `FAILS` is what the shell reports.
SCRIPTS = {
    "an exception": "exit 1",
    "a usage error": f"echo '{BLOCKED}'; exit 2",
    "cannot tell": f"echo '{BLOCKED}'; exit 3",
    "another word": "echo blocked; exit 1",
    "its own 127": f"echo '{BLOCKED}'; exit 127",
    "its own 255": f"echo '{BLOCKED}'; exit 255",
    "killed": f"echo '{BLOCKED}'; kill -KILL $$",
    "terminated": f"echo '{BLOCKED}'; kill -TERM $$",
    "aborted": f"echo '{BLOCKED}'; kill -ABRT $$",
}


def gone(directory: Path) -> str:
    return str(directory / "gone" / "fingerprint")


def not_executable(directory: Path) -> str:
    path = program(directory, "exit 1")
    os.chmod(path, 0o644)
    return path


def a_directory(directory: Path) -> str:
    return str(directory)


def without_interpreter(directory: Path) -> str:
    return program(directory, "exit 1", first=f"#!{directory}/gone/python")


def garbage(directory: Path) -> str:
    path = directory / "garbage"
    path.write_bytes(b"\x7fELF\0\0\0\0")
    path.chmod(0o755)
    return str(path)


def copied(directory: Path, change: str, *, interpreter: str = "") -> str:
    """Return a copy of this installation's program, with one change of its Python part."""
    shutil.copy(COMMAND, directory / "fingerprint")
    text = Path(f"{COMMAND}-main").read_text()
    first, _, rest = text.partition("\n")
    main = directory / "fingerprint-main"
    main.write_text(f"{(interpreter and f'#!{interpreter}') or first}\n{change}\n{rest}")
    main.chmod(0o755)
    return str(directory / "fingerprint")


def interpreter_removed(directory: Path) -> str:
    return copied(directory, "", interpreter=f"{directory}/gone/python3")


def import_broken(directory: Path) -> str:
    return copied(directory, "import sys; sys.modules['fingerprint._core'] = None")


def syntax_broken(directory: Path) -> str:
    return copied(directory, "def")


def main_removed(directory: Path) -> str:
    path = copied(directory, "")
    os.unlink(f"{path}-main")
    return path


def crashes(directory: Path) -> str:
    return copied(directory, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")


BROKEN = (
    gone, not_executable, a_directory, without_interpreter, garbage, interpreter_removed, import_broken, syntax_broken,
    main_removed, crashes,
)  # fmt: skip
