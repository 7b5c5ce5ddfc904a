"""The agent's processes on Windows: that of its service by the service manager, others by their names.

The processes are real ones; only psutil's call of the service manager is replaced.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from fingerprint.agent.next_check import next_check
from fingerprint.agent.paths import WINDOWS_SERVICE
from fingerprint.answers import next_check_members
from fingerprint.machine import process_list, windows
from fingerprint.machine.base import Process
from fingerprint.machine.process_list import agent_pids, agent_processes
from fingerprint.machine.recorded import RecordedMachine
from windows_machines import windows_snapshot

Start = Callable[[str], int]
SLEEP = shutil.which("sleep")
# psutil adds a start in full ticks to a boot time in full seconds, so it lies up to 1 s and a tick of 10 ms early;
# another tick is for a clock that is adjusted in between.
MOST_EARLY = 1 + 2 * 0.01
pytestmark = pytest.mark.skipif(not SLEEP, reason="the processes are copies of sleep")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a process with a name and returns its id."""
    running = []

    def begin(name: str) -> int:
        program = tmp_path / name
        shutil.copy(str(SLEEP), program)
        running.append(subprocess.Popen([str(program), "60"]))
        return running[-1].pid

    yield begin
    for one in running:
        one.kill()
        one.wait()


def _parent_of(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.Error:
        return 0


@pytest.fixture(autouse=True)
def _only_those_started_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the processes of these names that other tests, or an agent installed here, have started."""
    everybody = psutil.process_iter

    def children(*arguments: Any) -> list[psutil.Process]:
        return [one for one in everybody(*arguments) if _parent_of(one) == os.getpid()]

    monkeypatch.setattr(psutil, "process_iter", children)


def service(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """Let the service manager answer with a process id, with None for a stopped service, or raise an exception."""

    def get(name: str) -> Any:
        assert name == WINDOWS_SERVICE
        if isinstance(answer, Exception):
            raise answer
        return SimpleNamespace(pid=lambda: answer, status=lambda: "running" if answer else "stopped")

    monkeypatch.setattr(psutil, "win_service_get", get, raising=False)


class Live(RecordedMachine):
    """A recorded Windows machine with the processes of this one."""

    def agent_processes(self) -> tuple[Process, ...]:
        return agent_processes("windows")

    def now(self) -> float:
        return time.time()


@pytest.mark.parametrize(
    "name", ["amazon-ssm-agent.exe", "amazon-ssm-agent.EXE", "Amazon-SSM-Agent.exe", "renamed.exe"]
)
def test_the_process_of_the_service_is_the_agent_with_its_start(
    name: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = time.time()
    pid = start(name)
    service(monkeypatch, pid)
    [found] = agent_processes("windows")
    assert (found.name, found.pid) == ("amazon-ssm-agent", pid)
    assert found.user == psutil.Process(pid).username()
    assert found.started is not None
    assert before - MOST_EARLY <= found.started <= time.time()
    check = next_check(Live(windows_snapshot()))
    assert check is not None
    assert check.started == found.started
    assert next_check_members(check)["agentStartedAt"] is not None


@pytest.mark.parametrize(
    "error", [OSError(errno.EINVAL, "WinError 87"), psutil.AccessDenied(0), psutil.NoSuchProcess(0)]
)
@pytest.mark.parametrize("question", ["name", "username", "create_time"])
def test_an_unreadable_process_hides_no_other(
    error: Exception, question: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under wine, where one process has no name, and for users who may not read those of others."""
    core, silent = start("renamed.exe"), start("ssm-agent-worker.exe")
    asked = getattr(psutil.Process, question)

    def refused(one: psutil.Process) -> Any:
        if one.pid != core:
            raise error
        return asked(one)

    monkeypatch.setattr(psutil.Process, question, refused)
    service(monkeypatch, core)
    found = {one.pid: one for one in agent_processes("windows")}
    assert found[core].started == psutil.Process(core).create_time()
    assert set(found) == ({core} if question == "name" else {core, silent})


def test_the_worker_is_found_by_its_name(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    core, worker = start("service.exe"), start("ssm-agent-worker.exe")
    start("amazon-ssm-agent-updater.exe")
    service(monkeypatch, core)
    assert [(one.name, one.pid) for one in agent_processes("windows")] == [
        ("amazon-ssm-agent", core), ("ssm-agent-worker", worker),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "service_answer", [None, psutil.NoSuchProcess(0, WINDOWS_SERVICE), psutil.AccessDenied(0, WINDOWS_SERVICE)]
)
def test_an_agent_started_by_hand_is_found_by_its_name(
    service_answer: Any, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    service(monkeypatch, service_answer)
    pid = start("amazon-ssm-agent.exe")
    assert [one.pid for one in agent_processes("windows")] == [pid]


@pytest.mark.parametrize("service_answer", [None, psutil.NoSuchProcess(0, WINDOWS_SERVICE)])
def test_without_a_process_no_agent_runs(service_answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service(monkeypatch, service_answer)
    assert agent_processes("windows") == ()
    check = next_check(Live(windows_snapshot()))
    assert check is not None
    assert (check.runs, check.started) == (False, None)


def test_a_process_that_ended_meanwhile_is_left_out(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = start("gone.exe")
    psutil.Process(pid).kill()
    psutil.Process(pid).wait()
    service(monkeypatch, pid)
    assert agent_processes("windows") == ()


@pytest.mark.parametrize(
    "service_answer",
    [psutil.AccessDenied(0, WINDOWS_SERVICE), psutil.Error("odd"), OSError(errno.EIO, "WinError 1722")],
)
def test_a_silent_service_manager_leaves_it_unknown_if_one_runs(
    service_answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent may run although no process has its name."""
    service(monkeypatch, service_answer)
    with pytest.raises(OSError):  # noqa: PT011  each has its own message
        agent_processes("windows")
    check = next_check(Live(windows_snapshot()))
    assert check is not None
    assert check.runs is None
    assert "its processes cannot be listed" in check.how
    monkeypatch.setattr(process_list, "sys", SimpleNamespace(platform="win32"))
    with pytest.raises(OSError):  # noqa: PT011
        agent_pids()


def test_users_of_a_vault_are_found_the_same_way(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_list, "sys", SimpleNamespace(platform="win32"))
    core, worker = start("renamed.exe"), start("ssm-agent-worker.exe")
    service(monkeypatch, core)
    assert agent_pids() == tuple(sorted((core, worker)))


@pytest.mark.parametrize(
    ("service_answer", "kind"),
    [(psutil.NoSuchProcess(0, WINDOWS_SERVICE), FileNotFoundError), (psutil.AccessDenied(0), PermissionError),
     (psutil.Error("odd"), OSError)],
)  # fmt: skip
def test_a_service_manager_answer_is_the_same_error_everywhere(
    service_answer: Any, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing service is another answer than a denied query."""
    service(monkeypatch, service_answer)
    for question in (
        lambda: windows.service_state(WINDOWS_SERVICE),
        lambda: windows.service_pid(WINDOWS_SERVICE),
        windows.agent_program,
    ):
        with pytest.raises(kind) as caught:
            question()
        assert type(caught.value) is kind
