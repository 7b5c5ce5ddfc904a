"""Running tools: at once, with a deadline, nothing inherited, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fingerprint.machine.processes import PATH, run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has a runner of its own")
SH = "/bin/sh"
ENV = {"PATH": PATH}


def test_commands_run_in_parallel_with_results_in_their_order() -> None:
    started = time.monotonic()
    results = run([(SH, "-c", f"sleep 0.{4 - n}; echo {n}; exit {n}") for n in range(4)], 10, ENV)
    assert time.monotonic() - started < 0.9
    assert [(r.stdout, r.returncode) for r in results] == [(b"0\n", 0), (b"1\n", 1), (b"2\n", 2), (b"3\n", 3)]
    assert all(0 < r.seconds < 2 for r in results)


def test_only_the_given_environment_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_DEBUG", "help")
    monkeypatch.setenv("TZ", "Asia/Taipei")
    [result] = run([("/usr/bin/env",)], 10, {**ENV, "LANG": "C.UTF-8"})
    assert sorted(result.stdout.decode().split()) == ["LANG=C.UTF-8", f"PATH={PATH}"]


def test_no_shell_interprets_the_words() -> None:
    [result] = run([("/bin/echo", "$HOME; `id` > x")], 10, ENV)
    assert result.stdout == b"$HOME; `id` > x\n"


def test_a_path_that_is_not_absolute_is_refused() -> None:
    with pytest.raises(ValueError, match="not an absolute path"):
        run([("ls",)], 10, ENV)


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "nothing lists them"])
def test_standard_input_is_empty_and_no_descriptor_is_inherited(listed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not listed:
        # As in a sandbox with neither /dev/fd nor /proc.
        def missing(path: str) -> list[str]:
            raise FileNotFoundError(2, "No such file or directory", path)

        monkeypatch.setattr(os, "listdir", missing)
    descriptor = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    [read, listed] = run([("/bin/cat",), (SH, "-c", "ls /proc/self/fd | wc -l")], 10, ENV)
    os.close(descriptor)
    assert (read.stdout, read.returncode) == (b"", 0)
    # 0, 1, 2, and the one with which ls reads the directory.
    assert listed.stdout.strip() == b"4"


def test_signals_that_python_ignores_reach_the_tools() -> None:
    [result] = run([(SH, "-c", "kill -PIPE $$; echo survived")], 10, ENV)
    assert result.returncode == -signal.SIGPIPE


def test_hanging_command_is_killed_with_its_children_only(tmp_path: Path) -> None:
    marker = tmp_path / "survivor"
    started = time.monotonic()
    hanging, fine = run([(SH, "-c", f"(sleep 2; touch {marker}) & sleep 60"), ("/bin/echo", "fine")], 0.5, ENV)
    assert time.monotonic() - started < 2
    assert (hanging.problem, hanging.returncode, hanging.stdout) == ("timeout", None, b"")
    assert fine.stdout == b"fine\n"
    time.sleep(2)
    assert not marker.exists()


def test_child_that_keeps_the_pipe_open_is_a_timeout() -> None:
    started = time.monotonic()
    [result] = run([(SH, "-c", "echo out; sleep 60 &")], 0.5, ENV)
    assert time.monotonic() - started < 2
    assert result.problem == "timeout"


def test_command_that_closes_its_pipes_is_waited_for() -> None:
    [result] = run([(SH, "-c", "exec >&- 2>&-; sleep 0.3; exit 7")], 10, ENV)
    assert (result.returncode, result.problem) == (7, "")


def test_output_beyond_the_limit_is_dropped_completely() -> None:
    started = time.monotonic()
    [result] = run([("/usr/bin/yes",)], 30, ENV)
    assert time.monotonic() - started < 10
    assert (result.problem, result.stdout) == ("too-long", b"")


def test_long_complaints_are_cut_and_do_not_block() -> None:
    [result] = run([(SH, "-c", "head -c 300000 /dev/zero | tr '\\0' x >&2; echo done")], 10, ENV)
    assert result.stdout == b"done\n"
    assert len(result.stderr) == 4096


@pytest.mark.parametrize(("kind", "problem"), [("missing", "not-found"), ("text", "denied"), ("directory", "denied")])
def test_what_cannot_be_started_says_why(kind: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "tool"
    if kind == "text":
        path.write_text("no mode for running")
    elif kind == "directory":
        path.mkdir()
    [result] = run([(str(path),)], 5, ENV)
    assert (result.problem, result.returncode) == (problem, None)
    assert not result.succeeded


def test_no_process_and_no_descriptor_is_left_behind() -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(3):
        run([(SH, "-c", "sleep 60"), ("/nonexistent",), ("/bin/echo",)], 0.1, ENV)
    if before:
        assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_an_interrupt_ends_the_commands_too(tmp_path: Path) -> None:
    """Ctrl-C in the middle of a collection leaves no tool running."""
    probe = f"""
from fingerprint.machine.processes import run
print("ready", flush=True)
run([({SH!r}, "-c", "sleep 3; touch {tmp_path}/survivor")], 60, {{"PATH": {PATH!r}}})
"""
    process = subprocess.Popen([sys.executable, "-I", "-c", probe], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) != 0
    process.stdout.close()
    time.sleep(3.2)
    assert not (tmp_path / "survivor").exists()
