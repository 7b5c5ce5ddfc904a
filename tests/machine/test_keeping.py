"""A machine that keeps its answers gives the first one to each question, and what a fresh reading would give."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Barrier, Thread
from time import sleep
from typing import Any

import pytest

from fingerprint.machine.base import END_LIMIT, Machine
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.processes import CommandResult
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.testing.machines import unix_snapshot


class Counting(LiveMachine):
    """This machine, which counts what it is asked, and takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    def read_file(self, path: str, limit: int = END_LIMIT) -> bytes:
        self.asked[path] += 1
        sleep(0.05)
        return super().read_file(path, limit)

    def read_end(self, path: str, limit: int) -> bytes:
        self.asked[path] += 1
        return super().read_end(path, limit)

    def host_name(self) -> str:
        self.asked["host name"] += 1
        raise PermissionError(errno.EPERM, "unreadable", "host name")

    def run(
        self, commands: Sequence[tuple[str, ...]], timeout: float, meanwhile: Callable[[], None] = lambda: None
    ) -> list[CommandResult]:
        self.asked.update(" ".join(argv) for argv in commands)
        return super().run(commands, timeout, meanwhile)


def test_a_file_is_read_once_and_again_only_for_more_of_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100)
    machine = Counting()
    kept = machine.keeping()
    for _ in range(2):
        with pytest.raises(OSError, match="more than 10 bytes"):
            kept.read_file(str(file), 10)
    assert machine.asked[str(file)] == 1
    assert kept.read_file(str(file), 1000) == b"x" * 100
    file.write_bytes(b"y")
    assert kept.read_file(str(file), 100) == b"x" * 100
    with pytest.raises(OSError, match="more than 99 bytes") as error:
        kept.read_file(str(file), 99)
    assert error.value.errno == errno.EFBIG
    assert machine.asked[str(file)] == 2
    assert machine.keeping().read_file(str(file), 10) == b"y"


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 20])
def test_the_end_of_a_log_is_what_a_fresh_reading_gives(limit: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"one\ntwo\nthr")
    machine = Counting()
    kept = machine.keeping()
    kept.read_end(str(log), 5)
    assert kept.read_end(str(log), limit) == LiveMachine().read_end(str(log), limit)
    assert machine.asked[str(log)] == 1


def test_a_failure_is_kept_too() -> None:
    machine = Counting()
    kept = machine.keeping()
    for _ in range(3):
        with pytest.raises(PermissionError, match="unreadable"):
            kept.host_name()
    assert machine.asked["host name"] == 1


def test_commands_run_once_and_meanwhile_runs_each_time() -> None:
    machine = Counting()
    kept = machine.keeping()
    true, echo = ("/bin/true",), ("/bin/echo", "a")
    done: list[int] = []
    first = kept.run([true, true], 5, lambda: done.append(1))
    second = kept.run([echo, true], 5, lambda: done.append(2))
    third = kept.run([true, echo], 5, lambda: done.append(3))
    assert done == [1, 2, 3]
    assert first == [second[1]] * 2 == [third[0]] * 2
    assert (second[0].stdout, third[1]) == (b"a\n", second[0])
    assert machine.asked["/bin/true"] == machine.asked["/bin/echo a"] == 1


def test_a_command_that_was_killed_runs_again_only_for_more_time() -> None:
    machine = Counting()
    # The recorder keeps what its machine keeps, and records the answer in place of the time limit.
    recorder = Recorder(machine)
    for kept in (machine.keeping(), recorder):
        machine.asked.clear()
        slow, fast = ("/bin/sh", "-c", "sleep 0.6; echo done"), ("/bin/echo", "a")
        kept.run([fast], 30)
        for limit in (0.1, 0.1, 0.05):
            assert [result.problem for result in kept.run([slow, fast], limit)] == ["timeout", ""]
        assert machine.asked[" ".join(slow)] == 1
        for limit in (30, 0.1, 60):
            assert [result.stdout for result in kept.run([slow, fast], limit)] == [b"done\n", b"a\n"]
        assert machine.asked[" ".join(slow)] == 2
        assert machine.asked[" ".join(fast)] == 1
    entries = {tuple(entry["argv"]): entry["problem"] for entry in recorder.snapshot["commands"]}
    assert entries == {slow: "", fast: ""}
    assert len(recorder.snapshot["commands"]) == 2


def test_threads_that_ask_the_same_wait_for_one_answer(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    machine = Counting()
    kept = machine.keeping()
    together, answers = Barrier(8), []

    def ask() -> None:
        together.wait()
        answers.append((kept.read_file(str(file)), kept.run([("/bin/echo", "a"), ("/bin/true",)], 5)))

    threads = [Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert all(answer == answers[0] for answer in answers)
    assert set(machine.asked.values()) == {1}


@pytest.mark.parametrize("make", [LiveMachine, lambda: RecordedMachine(unix_snapshot())])
def test_it_is_of_the_class_and_state_of_its_machine(make: Callable[[], Machine]) -> None:
    machine: Any = make()
    kept = machine.keeping()
    assert isinstance(kept, type(machine))
    assert kept.keeping() is kept
    assert (kept.copied, kept.recorded, kept.elsewhere) == (machine.copied, machine.recorded, machine.elsewhere)
    if machine.recorded:
        # The clock of a recording goes on by the pauses of both.
        machine.sleep(5)
        kept.sleep(5)
        assert machine.now() == kept.now()


def test_recording_asks_once_and_reads_secrets_from_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    machine = Counting()
    recorder = Recorder(machine)
    assert recorder.keeping() is recorder
    assert [recorder.read_file(str(file)) for _ in range(2)] == [b"x"] * 2
    secret = tmp_path / "secret"
    secret.write_bytes(b"key")
    assert recorder.unrecorded.read_file(str(secret)) == b"key"
    assert list(recorder.snapshot["files"]) == [str(file)]
    assert set(machine.asked.values()) == {1}
