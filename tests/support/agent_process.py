"""Real processes with the agent's names, and with a given root and so a given vault."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from fingerprint.vault.locations import reference_vault

# It ends with its standard input, so that no process outlives the tests.
_PROGRAM = """
import os, sys
root, user = sys.argv[1], int(sys.argv[2])
if root != "/":
    if os.geteuid():
        import ctypes
        if ctypes.CDLL(None).unshare(0x10000000):
            sys.exit("no name space of users")
    os.chroot(root)
    os.chdir("/")
if user >= 0:
    os.setuid(user)
print(os.getpid(), flush=True)
sys.stdin.read()
"""


def vault_below(root: Path) -> Path:
    """Return the directory of the vault of an agent with this root."""
    return root / reference_vault().lstrip("/")


@contextmanager
def running(
    directory: Path,
    root: Path | str = "/",
    *,
    name: str = "amazon-ssm-agent",
    user: int = -1,
    environment: Mapping[str, str] | None = None,
    within: Sequence[str] = (),
) -> Iterator[subprocess.Popen[str]]:
    """Run a process of the agent's name until the end of the block.

    Args:
        directory: for its program.
        root: its root.
        name: of its program.
        user: id of the user to become; -1 for the current one.
        environment: in place of the current one.
        within: a command that runs it, such as unshare.
    """
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux shows the root of a process")
    program = directory / name
    if not program.is_symlink():
        # The kernel names a process by the path that was executed.
        program.symlink_to(os.path.realpath(sys.executable))
    command = [*within, str(program), "-I", "-S", "-c", _PROGRAM, str(root), str(user)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        try:
            if not process.stdout.readline():
                pytest.skip(f"no such process can be made here: {process.stderr.read().strip()[-200:]}")
            yield process
        finally:
            process.stdin.close()
            process.wait()
