"""Neither other processes nor a crash dump get the memory of a running command."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from commandline import COMMAND, environment
from nobody import BECOME_NOBODY, NOBODY, as_user

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems keep memory by other calls")
needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")

# Waits for its input. A process is not dumpable after a change of its user, but a newly started one is.
_COMMAND = """
import ctypes
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
sys.stdout.write("ready\\n"); sys.stdout.flush()
if sys.argv[1] == "as it is":
    sys.stdin.read()
else:
    # Reads within the command, so that the command is running.
    import fingerprint.cli
    def run(words):
        sys.stdout.write("begun\\n"); sys.stdout.flush()
        sys.stdin.read()
        return 0
    fingerprint.cli._run = run
    fingerprint.cli.main([])
"""
_ACCESS = """
import ctypes, os
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
for name in ("mem", "environ", "maps"):
    try:
        os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY))
        print(name, "open")
    except PermissionError:
        print(name, "refused")
# PTRACE_SEIZE, which stops nothing.
print("ptrace", "open" if libc.ptrace(0x4206, pid, 0, 0) == 0 else "refused")
"""


@needs_root
@pytest.mark.parametrize(("how", "found"), [("as it is", "open"), ("command", "refused")])
def test_no_other_process_of_the_user_reads_a_command(how: str, found: str) -> None:
    """The process without a command is open to the same user, so the check can fail."""
    script = f"{BECOME_NOBODY}\nbecome({NOBODY})\n{_COMMAND}"
    with subprocess.Popen(
        [sys.executable, "-I", "-c", script, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        if how == "command":
            assert process.stdout.readline() == "begun\n"
        access = as_user(NOBODY, _ACCESS, str(process.pid))
        process.stdin.close()
    if found == "open" and "ptrace refused" in access.stdout:
        pytest.skip("a security module of this kernel (Yama) refuses it for every process")
    assert access.stdout.split() == ["mem", found, "environ", found, "maps", found, "ptrace", found], access.stderr


@needs_strace
@pytest.mark.parametrize("hidden", [False, True])
def test_a_crash_leaves_no_core_whatever_the_limit(tmp_path: Path, hidden: bool) -> None:
    """With a pipe as core_pattern Linux ignores the limit; here the call that sets the limit fails, as in a sandbox."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if pattern.startswith(("|", "/")) or "core" not in pattern or resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip(f"this host keeps no cores in the current directory ({pattern})")
    script = f"""
import os, resource
from fingerprint._core import hide_memory
if {hidden}:
    assert hide_memory() == 1, "EPERM of the limit"
os.abort()
"""
    done = subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", "inject=prlimit64,setrlimit:error=EPERM",
         sys.executable, "-I", "-c", script],
        cwd=tmp_path, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2),
    )  # fmt: skip
    assert done.returncode == -signal.SIGABRT
    assert bool(list(tmp_path.iterdir())) is not hidden


@needs_strace
def test_the_memory_is_hidden_first(tmp_path: Path) -> None:
    """Also if the command line is wrong, because it may have a secret."""
    done = subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=prctl,openat,read", "-o", tmp_path / "calls", COMMAND, "--vault",
         tmp_path / "vault", "check"],
        env=environment(tmp_path / "state"), capture_output=True, check=False,
    )  # fmt: skip
    calls = (tmp_path / "calls").read_text().splitlines()
    [at] = [number for number, call in enumerate(calls) if "PR_SET_DUMPABLE" in call]
    [first] = [number for number, call in enumerate(calls) if str(tmp_path / "vault") in call][:1]
    assert at < first, done.stderr


@needs_root
def test_a_user_without_rights_reads_its_own_proc_as_before() -> None:
    """A process that is not dumpable owns less of its /proc/self; the files that this program reads stay readable."""
    code = """
import ctypes
from fingerprint._core import hide_memory
from fingerprint.machine.processes import _open_descriptors
from fingerprint.image.disk import _mount_points
from fingerprint._io.permissions import root_lacks
prctl = ctypes.CDLL(None).prctl
kept = os.open("/dev/null", os.O_RDONLY)
for hide in (lambda: prctl(4, 1, 0, 0, 0), hide_memory):
    assert hide() == 0
    print(prctl(3, 0, 0, 0, 0), kept in _open_descriptors(), root_lacks(), len(_mount_points()),
          os.path.realpath("/dev/fd/0") != "/dev/fd/0", len(open("/dev/fd/%d" % kept).read()))
"""
    done = as_user(NOBODY, code)
    assert done.returncode == 0, done.stderr
    before, after = done.stdout.splitlines()
    assert before[0] + after[0] == "10"
    assert before[1:] == after[1:]
    assert "CAP_" in after
