"""What other processes, and a crash, get of a command's memory: nothing, once it has begun."""

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

# Waits for its input; a process whose user was changed is not dumpable from then on, unlike one that was started anew.
_COMMAND = """
import ctypes
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
sys.stdout.write("ready\\n"); sys.stdout.flush()
if sys.argv[1] == "as it is":
    sys.stdin.read()
else:
    # Read from within the command, so that it has begun.
    import fingerprint.cli
    def run(words):
        sys.stdout.write("begun\\n"); sys.stdout.flush()
        sys.stdin.read()
        return 0
    fingerprint.cli._run = run
    fingerprint.cli.main([])
"""
_LOOK = """
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
    """That a process of the same user is open otherwise is the proof that the look sees something."""
    script = f"{BECOME_NOBODY}\nbecome({NOBODY})\n{_COMMAND}"
    with subprocess.Popen(
        [sys.executable, "-I", "-c", script, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        if how == "command":
            assert process.stdout.readline() == "begun\n"
        looked = as_user(NOBODY, _LOOK, str(process.pid))
        process.stdin.close()
    if found == "open" and "ptrace refused" in looked.stdout:
        pytest.skip("a security module of this kernel (Yama) refuses it for every process")
    assert looked.stdout.split() == ["mem", found, "environ", found, "maps", found, "ptrace", found], looked.stderr


@needs_strace
@pytest.mark.parametrize("hidden", [False, True])
def test_a_crash_leaves_no_core_whatever_the_limit(tmp_path: Path, hidden: bool) -> None:
    """A core_pattern that is a pipe passes the limit over; here the call that sets the limit fails, as in a sandbox."""
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
def test_the_memory_is_hidden_before_anything_else(tmp_path: Path) -> None:
    """Also where the line is wrong: what it says may be a secret."""
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
    """Who is not dumpable owns less of its /proc/self; what this program reads there is still readable."""
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
