"""Seven kinds of file, and a hard link to a foreign one, in place of everything that a vault and our state consist of.

The command line is run as a real subprocess and must refuse at once, in little memory, and touch nothing foreign.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from commandline import COMMAND, environment
from fingerprint import Vault
from fingerprint.testing.machines import unix_snapshot
from fingerprint.types import RegistrationRecord

if sys.platform == "win32":
    pytest.skip("these kinds of file are those of Unix", allow_module_level=True)

SECONDS = 1.0
MEMORY_GROWTH = 50 * 1024 * 1024
GIBIBYTE = 1024**3

# Runs one command a line of JSON. A small process of its own, as the peak memory of a child is at least that of the
# process which made it.
LAUNCHER = """
import json, os, signal, sys, time
child = 0
signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
for line in sys.stdin:
    order = json.loads(line)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    actions += [(os.POSIX_SPAWN_OPEN, n, order["out"][n - 1], flags, 0o600) for n in (1, 2)]
    started = time.perf_counter()
    child = os.posix_spawn(order["words"][0], order["words"], order["env"], file_actions=actions)
    signal.alarm(20)
    _, status, usage = os.wait4(child, 0)
    signal.alarm(0)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps([os.waitstatus_to_exitcode(status), time.perf_counter() - started, peak]), flush=True)
"""


class Done(NamedTuple):
    """How a command ended."""

    code: int
    seconds: float
    peak: int
    stdout: str
    stderr: str


Run = Callable[..., Done]
Count = Callable[[str, int], None]


@pytest.fixture(scope="module")
def launcher() -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-I", "-c", LAUNCHER]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin
        process.stdin.close()


@pytest.fixture
def run(launcher: subprocess.Popen[str], tmp_path: Path) -> Run:
    """Return a function that runs the command line over the vault of `setup`."""

    def run_one(*words: str) -> Done:
        out = [str(tmp_path / "stdout"), str(tmp_path / "stderr")]
        options = ["--vault", str(tmp_path / "Vault"), "--snapshot", str(tmp_path / "machine.json")]
        order: dict[str, Any] = {
            "words": [COMMAND, *options, *words],
            "env": environment(tmp_path / "state"),
            "out": out,
        }
        assert launcher.stdin
        assert launcher.stdout
        launcher.stdin.write(json.dumps(order) + "\n")
        launcher.stdin.flush()
        code, seconds, peak = json.loads(launcher.stdout.readline())
        return Done(code, seconds, peak, *(Path(path).read_text() for path in out))

    return run_one


@pytest.fixture
def setup(tmp_path: Path, run: Run) -> Path:
    """A sound vault with a registration and a history, and foreign files beside it."""
    (tmp_path / "machine.json").write_text(json.dumps(unix_snapshot()))
    assert run("vault", "init").code == 0
    assert run("threshold", "set", "41").code == 0
    with Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state")).edit() as edit:
        edit.store_registration(RegistrationRecord(instance_id="mi-1", region="eu-west-1"), why="test")
    foreign = tmp_path / "foreign"
    foreign.mkdir(mode=0o700)
    (foreign / "file").write_text("not to be touched")
    (foreign / "file").chmod(0o604)
    shutil.copytree(tmp_path / "Vault", foreign / "Vault")
    shutil.copytree(tmp_path / "state" / "history", foreign / "history")
    return tmp_path


@pytest.fixture
def baseline(setup: Path, run: Run) -> int:
    """The peak memory of a command over a sound vault."""
    done = run("check")
    assert done.code == 0, done
    return done.peak


# What stands in for a directory is never a directory, and a directory has no hard links.
FILE_KINDS = ["symlink", "dangling link", "hard link", "FIFO", "socket", "device", "directory", "1 GiB file"]
DIRECTORY_KINDS = [kind for kind in FILE_KINDS if kind != "directory"]
DIRECTORIES = {"Vault": "Vault", "Vault/Store": "Vault/Store", "state/history": "history"}

CHECK, SHOW, VERIFY = ("check",), ("vault", "show"), ("vault", "verify")
INIT, THRESHOLD, RESET = (
    (
        "vault",
        "init",
    ),
    ("threshold", "set", "50"),
    ("vault", "reset", "--yes"),
)
BACKUP, HISTORY = ("vault", "backup"), ("vault", "history")
# What `threshold set` replaced after `init`.
RESTORE = ("vault", "restore", "2", "--yes")

# By name: the commands of the short form, then what the full form adds. All of them need the name.
COMMANDS: dict[str, tuple[list[tuple[str, ...]], list[tuple[str, ...]]]] = {
    "Vault": ([CHECK, THRESHOLD], [INIT, RESET, SHOW, VERIFY, BACKUP, RESTORE]),
    "Vault/Manifest": ([CHECK, THRESHOLD], [INIT, RESET, SHOW, VERIFY, BACKUP, RESTORE]),
    "Vault/Store": ([CHECK, THRESHOLD], [INIT, RESET, SHOW, VERIFY, BACKUP, RESTORE]),
    "Vault/Store/InstanceFingerprint": ([CHECK, THRESHOLD], [INIT, RESET, SHOW, VERIFY, BACKUP, RESTORE]),
    "Vault/Store/RegistrationKey": ([SHOW], [VERIFY]),
    "state/history": ([THRESHOLD, HISTORY], [RESET, BACKUP, RESTORE]),
    "state/history/JOURNAL": ([THRESHOLD, HISTORY], [RESET, BACKUP, RESTORE]),
}


def put(kind: str, path: Path, setup: Path) -> None:
    """Move a file or directory away, if there is one, and put another kind of file in its place."""
    name = str(path.relative_to(setup))
    if os.path.lexists(path):
        path.rename(setup / "away")
    if kind == "symlink":
        path.symlink_to(setup / "foreign" / DIRECTORIES.get(name, "file"))
    elif kind == "dangling link":
        path.symlink_to(setup / "foreign" / "nowhere")
    elif kind == "hard link":
        os.link(setup / "foreign" / "file", path)
    elif kind == "FIFO":
        os.mkfifo(path, 0o600)
    elif kind == "socket":
        os.mknod(path, 0o600 | stat.S_IFSOCK)
    elif kind == "device":
        if os.geteuid():
            pytest.skip("making a device needs root")
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    elif kind == "directory":
        path.mkdir(mode=0o700)
    else:
        path.touch(0o600)
        os.truncate(path, GIBIBYTE)


def tree(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return inode, mode and bytes of everything in a directory; of a file that is long or none, no bytes."""
    found = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        regular = stat.S_ISREG(status.st_mode) and status.st_size < GIBIBYTE
        found[str(path.relative_to(directory))] = (status.st_ino, status.st_mode, path.read_bytes() if regular else b"")
    return found


def all_trees(setup: Path) -> dict[str, Any]:
    return {
        **{name: tree(setup / name) for name in ("Vault", "foreign", "state")},
        "names": sorted(path.name for path in setup.iterdir() if path.name not in ("stdout", "stderr")),
        "vault": os.lstat(setup / "Vault").st_ino,
    }


def assert_frugal(done: Done, baseline: int) -> None:
    assert done.seconds < SECONDS, done
    assert done.peak - baseline < MEMORY_GROWTH, done


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in COMMANDS for kind in (DIRECTORY_KINDS if name in DIRECTORIES else FILE_KINDS)],
)
def test_another_kind_of_file_is_refused_and_left_alone(
    name: str, kind: str, setup: Path, run: Run, baseline: int, full: bool, count: Count
) -> None:
    """Exit code 3 with the file's name and a reason, and nothing is written anywhere."""
    short, more = COMMANDS[name]
    if name.endswith("JOURNAL"):
        name = os.path.relpath(Vault(str(setup / "Vault"), state=str(setup / "state")).history.path, setup)
    put(kind, setup / name, setup)
    before = all_trees(setup)
    for command in short + (more if full else []):
        done = run(*command)
        assert done.code == 3, (command, done)
        said = done.stdout if command == VERIFY else done.stderr
        assert str(setup / name) in said, (command, done)
        assert "internal error" not in done.stderr, (command, done)
        assert_frugal(done, baseline)
        assert all_trees(setup) == before, command
        count("commands over another kind of file: refused", 1)


@pytest.mark.parametrize("kind", FILE_KINDS)
@pytest.mark.parametrize("name", ["Vault/Manifest.tmp", "Vault/Store/InstanceFingerprint.tmp"])
def test_another_kind_of_temporary_file_leads_nowhere(
    name: str, kind: str, setup: Path, run: Run, baseline: int, count: Count
) -> None:
    """It is removed as a dead writer's, or the command refuses; what it leads to is not written."""
    # A write of the record alone would not need the temporary file of the manifest.
    (setup / "Vault" / "Manifest").unlink()
    put(kind, setup / name, setup)
    foreign = tree(setup / "foreign")
    old = (setup / "Vault" / "Store" / "InstanceFingerprint").read_bytes()
    done = run(*THRESHOLD)
    assert_frugal(done, baseline)
    assert tree(setup / "foreign") == foreign
    # Without its manifest the agent finds no record.
    assert run("check").code == (0 if done.code == 0 else 1)
    if done.code == 0:
        assert not os.path.lexists(setup / name)
        assert run("threshold", "get").stdout.strip() == "50"
        count("commands over another kind of temporary file: it was removed", 1)
    else:
        assert done.code == 3, done
        assert str(setup / name).removesuffix(".tmp") in done.stderr, done
        if "Store" in name:
            assert (setup / "Vault" / "Store" / "InstanceFingerprint").read_bytes() == old
        count("commands over another kind of temporary file: refused", 1)


@pytest.mark.parametrize("kind", [kind for kind in FILE_KINDS if kind != "1 GiB file"])
def test_another_kind_of_audit_log_stops_a_write(kind: str, setup: Path, run: Run, baseline: int, count: Count) -> None:
    """A change is not made if the audit log cannot take it."""
    put(kind, setup / "state" / "audit.log", setup)
    before = all_trees(setup)
    done = run(*THRESHOLD)
    assert done.code == 3, done
    assert str(setup / "state" / "audit.log") in done.stderr
    assert_frugal(done, baseline)
    assert tree(setup / "foreign") == before["foreign"]
    assert tree(setup / "Vault") == before["Vault"]
    count("commands over another kind of file: refused", 1)


def test_a_long_audit_log_is_appended_to_without_being_read(setup: Path, run: Run, baseline: int, count: Count) -> None:
    """Even if it is not text, as 1 GiB without a newline; and none of it is cut off."""
    put("1 GiB file", setup / "state" / "audit.log", setup)
    done = run(*THRESHOLD)
    size = (setup / "state" / "audit.log").stat().st_size
    assert done.code in (0, 3), done
    added = size - GIBIBYTE
    assert added == 0 if done.code == 3 else 0 < added < 4096, (done, size)
    assert_frugal(done, baseline)
    count("commands over an audit log of 1 GiB", 1)
