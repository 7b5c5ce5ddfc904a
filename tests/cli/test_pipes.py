"""A reader that has had enough ends a command silently with 141; standard output that is full or closed is an error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_machines import AgentMachine
from commandline import COMMAND
from every_command import WRITING, machine_for_every_command, words_of

posix = pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
pytestmark = posix


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> AgentMachine:
    return machine_for_every_command(tmp_path_factory.mktemp("machine"))


def run_into(stdout: Any, machine: AgentMachine, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([COMMAND, *words], stdout=stdout, text=True, env=machine.env, timeout=60, **options)


@pytest.fixture
def closed_pipe() -> Iterator[int]:
    """A pipe that nobody reads any more."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


@pytest.mark.parametrize("path", WRITING)
def test_every_command_is_silent_when_nobody_reads(machine: AgentMachine, closed_pipe: int, path: str) -> None:
    words = words_of(machine, path)
    for more in ([], ["--output", "json"]):
        if path == "snapshot" and more:
            # What is already JSON takes no form.
            continue
        again = words_of(machine, path) if path in ("report", "monitor units", "fleet pack", "fleet report") else words
        done = run_into(closed_pipe, machine, *again, *more)
        errors = [line for line in done.stderr.splitlines() if "standard output" in line or "rror" in line]
        assert (done.returncode, errors) == (141, []), done.stderr


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["check", "--help"], ["fleet", "--help"], ["diagnose", "--list"],
              ["whatif", "--list-events"]]
)  # fmt: skip
def test_help_and_lists_are_silent_when_nobody_reads(machine: AgentMachine, closed_pipe: int, words: list[str]) -> None:
    done = run_into(closed_pipe, machine, *words)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("start", [[COMMAND], [sys.executable, "-m", "fingerprint"]])
def test_a_long_answer_that_is_cut_in_the_middle(machine: AgentMachine, tmp_path: Path, start: list[str]) -> None:
    """As `fingerprint match FILE | head -1`: more than a pipe holds, of which a line is read."""
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text((machine.directory / "pairs.jsonl").read_text() * 20_000)
    script = f'"$@" 2>"{tmp_path}/err" | head -1 >/dev/null; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", script, "bash", *start, "match", str(pairs)], capture_output=True, text=True, env=machine.env,
        cwd=tmp_path,
    )  # fmt: skip
    assert (done.stdout, (tmp_path / "err").read_text()) == ("141\n", "")


@pytest.mark.parametrize("start", [[COMMAND], [sys.executable, "-m", "fingerprint"]])
def test_with_standard_error_closed_as_well(machine: AgentMachine, closed_pipe: int, start: list[str]) -> None:
    words = words_of(machine, "check")
    # From another directory than the sources, which `-m` would take.
    options: dict[str, Any] = {"env": machine.env, "timeout": 60, "cwd": machine.directory}
    done = subprocess.run([*start, *words], stdout=closed_pipe, stderr=closed_pipe, **options)
    assert done.returncode == 141
    done = subprocess.run(["bash", "-c", '"$@" 2>&-', "bash", *start, *words], stdout=closed_pipe, **options)
    assert done.returncode == 141
    # Nobody reads standard error; the answer is worth more.
    done = subprocess.run(
        [*start, "--vault", str(machine.directory / "none"), "check"], capture_output=False, stdout=subprocess.PIPE,
        stderr=closed_pipe, **options,
    )  # fmt: skip
    assert done.returncode == 3


@pytest.mark.parametrize("path", ["check", "match", "vault history", "completion", "snapshot", "s3-policy"])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_an_error(machine: AgentMachine, path: str) -> None:
    with open("/dev/full", "wb") as full:
        done = run_into(full, machine, *words_of(machine, path))
    assert done.returncode == 3
    assert done.stderr.endswith(
        "fingerprint: standard output: the answer could not be written (No space left on device)\n"
    )


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["check", "--help"], ["help", "check"]])
def test_help_that_cannot_be_written_is_an_error(machine: AgentMachine, words: list[str]) -> None:
    if os.path.exists("/dev/full"):
        with open("/dev/full", "wb") as full:
            assert run_into(full, machine, *words).returncode == 3
    done = subprocess.run(["bash", "-c", '"$@" >&-', "bash", COMMAND, *words], capture_output=True, text=True,
                          env=machine.env)  # fmt: skip
    assert done.returncode == 3
    assert done.stderr == "fingerprint: standard output: the answer could not be written (it is closed)\n"


@pytest.mark.parametrize("path", ["check", "match", "vault history", "completion"])
def test_a_closed_standard_output_is_an_error(machine: AgentMachine, path: str) -> None:
    done = subprocess.run(["bash", "-c", '"$@" >&-', "bash", COMMAND, *words_of(machine, path)], capture_output=True,
                          text=True, env=machine.env)  # fmt: skip
    assert done.returncode == 3
    assert "standard output: the answer could not be written" in done.stderr


def test_a_watch_ends_when_nobody_reads_any_more(machine: AgentMachine) -> None:
    """It writes when something changes: then it notices."""
    words = words_of(machine, "monitor watch")[:-2]
    read, write = os.pipe()
    watch = subprocess.Popen(
        [COMMAND, *words, "--interval", "0.2"], stdout=write, stderr=subprocess.PIPE, text=True, env=machine.env
    )  # fmt: skip
    os.close(write)
    assert os.read(read, 1) != b""
    os.close(read)
    record = machine.vault_path / "Store" / "InstanceFingerprint"
    before = record.read_text()
    try:
        record.write_text(before.replace('"similarityThreshold":40', '"similarityThreshold":41'))
        _, errors = watch.communicate(timeout=30)
    finally:
        record.write_text(before)
        watch.poll() is None and watch.send_signal(signal.SIGKILL)  # type: ignore[func-returns-value]
    assert (watch.returncode, errors) == (141, "")
