"""The agent's processes on Windows: that of its service by the service manager, of which psutil's call is stood in.

The processes are real ones.
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

from fingerprint.agent.next_check import answer, next_check
from fingerprint.agent.paths import WINDOWS_SERVICE
from fingerprint.machine import process_list, windows
from fingerprint.machine.base import Process
from fingerprint.machine.process_list import agent_pids, agent_processes
from fingerprint.machine.recorded import RecordedMachine
from windows_machines import windows_snapshot

Start = Callable[[str], int]
SLEEP = shutil.which("sleep")
pytestmark = pytest.mark.skipif(not SLEEP, reason="the processes are copies of sleep")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a process of a name."""
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
    """Other tests, and an agent that is installed here, have processes of these names, too."""
    everybody = psutil.process_iter

    def children(*words: Any) -> list[psutil.Process]:
        return [one for one in everybody(*words) if _parent_of(one) == os.getpid()]

    monkeypatch.setattr(psutil, "process_iter", children)


def service(monkeypatch: pytest.MonkeyPatch, told: Any) -> None:
    """Let the agent's service have a process of this number, None for none; or the service manager raise this."""

    def get(name: str) -> Any:
        assert name == WINDOWS_SERVICE
        if isinstance(told, Exception):
            raise told
        return SimpleNamespace(pid=lambda: told, status=lambda: "running" if told else "stopped")

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
def test_the_process_of_the_service_is_the_agent_and_tells_since_when(
    name: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = time.time()
    pid = start(name)
    service(monkeypatch, pid)
    [found] = agent_processes("windows")
    assert (found.name, found.pid) == ("amazon-ssm-agent", pid)
    assert found.user == psutil.Process(pid).username()
    assert found.started is not None
    # The system counts in ticks, from its own start in whole seconds.
    assert before - 2 <= found.started <= time.time()
    check = next_check(Live(windows_snapshot()))
    assert check is not None
    assert check.started == found.started
    assert answer(check)["agentStartedAt"] is not None


@pytest.mark.parametrize(
    "error", [OSError(errno.EINVAL, "WinError 87"), psutil.AccessDenied(0), psutil.NoSuchProcess(0)]
)
@pytest.mark.parametrize("question", ["name", "username", "create_time"])
def test_a_process_that_tells_nothing_hides_no_other(
    error: Exception, question: str, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under wine, where one process does not tell its name, and to users who may not ask those of others."""
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


def test_its_worker_is_found_by_its_name(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    core, worker = start("service.exe"), start("ssm-agent-worker.exe")
    start("amazon-ssm-agent-updater.exe")
    service(monkeypatch, core)
    assert [(one.name, one.pid) for one in agent_processes("windows")] == [
        ("amazon-ssm-agent", core), ("ssm-agent-worker", worker),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "told", [None, psutil.NoSuchProcess(0, WINDOWS_SERVICE), psutil.AccessDenied(0, WINDOWS_SERVICE)]
)
def test_an_agent_that_was_started_by_hand_is_found_by_its_name(
    told: Any, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    service(monkeypatch, told)
    pid = start("amazon-ssm-agent.exe")
    assert [one.pid for one in agent_processes("windows")] == [pid]


@pytest.mark.parametrize("told", [None, psutil.NoSuchProcess(0, WINDOWS_SERVICE)])
def test_without_a_process_no_agent_runs(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service(monkeypatch, told)
    assert agent_processes("windows") == ()
    check = next_check(Live(windows_snapshot()))
    assert check is not None
    assert (check.runs, check.started) == (False, None)


def test_a_process_that_has_ended_meanwhile_is_none(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = start("gone.exe")
    psutil.Process(pid).kill()
    psutil.Process(pid).wait()
    service(monkeypatch, pid)
    assert agent_processes("windows") == ()


@pytest.mark.parametrize(
    "told", [psutil.AccessDenied(0, WINDOWS_SERVICE), psutil.Error("odd"), OSError(errno.EIO, "WinError 1722")]
)
def test_a_service_manager_that_does_not_answer_leaves_it_open(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """That no process has the agent's name does not say that no agent runs."""
    service(monkeypatch, told)
    with pytest.raises(OSError):  # noqa: PT011  each has words of its own
        agent_processes("windows")
    check = next_check(Live(windows_snapshot()))
    assert check is not None
    assert check.runs is None
    assert "its processes cannot be listed" in check.how
    monkeypatch.setattr(process_list, "sys", SimpleNamespace(platform="win32"))
    with pytest.raises(OSError):  # noqa: PT011
        agent_pids()


def test_who_uses_a_vault_is_asked_the_same_way(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_list, "sys", SimpleNamespace(platform="win32"))
    core, worker = start("renamed.exe"), start("ssm-agent-worker.exe")
    service(monkeypatch, core)
    assert agent_pids() == tuple(sorted((core, worker)))


@pytest.mark.parametrize(
    ("told", "kind"),
    [(psutil.NoSuchProcess(0, WINDOWS_SERVICE), FileNotFoundError), (psutil.AccessDenied(0), PermissionError),
     (psutil.Error("odd"), OSError)],
)  # fmt: skip
def test_the_same_answer_of_the_service_manager_is_the_same_error_to_every_question(
    told: Any, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That there is no service is another answer than that nobody may ask."""
    service(monkeypatch, told)
    for question in (
        lambda: windows.service_state(WINDOWS_SERVICE),
        lambda: windows.service_pid(WINDOWS_SERVICE),
        windows.agent_program,
    ):
        with pytest.raises(kind) as caught:
            question()
        assert type(caught.value) is kind
