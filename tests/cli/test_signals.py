"""Ctrl-C ends what waits for input, also when it comes just before the wait."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from commandline import environment
from fingerprint._io.pipes import InterruptibleFile, open_buffered
from signals import Unnoticed

INTERRUPTED = "fingerprint: interrupted; what was not reported as done was not done\n"


@pytest.mark.parametrize("words", [("match", "-"), ("diagnose", "logs", "-")], ids=lambda words: str(words[0]))
def test_a_command_that_reads_standard_input(tmp_path: Path, words: tuple[str, ...]) -> None:
    env = environment(tmp_path)
    with Unnoticed(signal.SIGINT, *words, cwd=tmp_path, env=env, stdin=subprocess.PIPE) as waiting:
        assert waiting.end() == (130, INTERRUPTED)


@pytest.mark.parametrize(
    "words",
    [
        ("match",),
        (
            "diagnose",
            "logs",
        ),
        ("fleet", "check"),
    ],
    ids=" ".join,
)
def test_a_command_that_reads_a_named_pipe(tmp_path: Path, words: tuple[str, ...]) -> None:
    with reading_a_pipe(tmp_path, words) as waiting, (tmp_path / "in.jsonl").open("w") as writer:
        writer.write("no row\n")
        writer.flush()
        assert waiting.end() == (130, INTERRUPTED)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the opening itself waits for a writer")
@pytest.mark.parametrize(
    "words",
    [
        ("match",),
        (
            "diagnose",
            "logs",
        ),
        ("fleet", "check"),
    ],
    ids=" ".join,
)
def test_a_command_that_waits_for_somebody_who_writes(tmp_path: Path, words: tuple[str, ...]) -> None:
    with reading_a_pipe(tmp_path, words) as waiting:
        assert waiting.end() == (130, INTERRUPTED)


def reading_a_pipe(directory: Path, words: tuple[str, ...]) -> Unnoticed:
    if words[0] == "fleet":
        pytest.importorskip("pyarrow")
    os.mkfifo(directory / "in.jsonl")
    return Unnoticed(signal.SIGINT, *words, str(directory / "in.jsonl"), cwd=directory, env=environment(directory))


def test_what_is_there_is_read_without_a_wait(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 100_000)
    with open_buffered(str(tmp_path / "file")) as file:
        assert file.read() == b"abc" * 100_000
    read, write = os.pipe()
    with InterruptibleFile(read) as file:
        os.write(write, b"some")
        assert file.read(100) == b"some"
        os.close(write)
        assert file.read(100) == b""
    os.fstat(read)
    os.close(read)


def test_a_pipe_that_another_reader_emptied_is_not_at_its_end() -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)

    class Late:
        """Says that there is something, and at first it is gone."""

        asked = 0

        def poll(self, milliseconds: int) -> bool:
            self.asked += 1
            if self.asked == 3:
                os.write(write, b"some\n")
            return True

    for reads in (lambda file: file.read(100), lambda file: io.BufferedReader(file).readline()):
        with InterruptibleFile(read) as file:
            file._poll = Late()  # type: ignore[assignment]
            assert reads(file) == b"some\n"
    os.close(read)
    os.close(write)


# At every third line of the command's own work, from the first to where it waits for the pipe, a process of its own is
# interrupted. Processes are forked, as the libraries take longer to load than all of this.
_AT_EACH_LINE = r"""
import json, os, select, signal, sys
import fingerprint.cli.commands.fleet_check
from fingerprint.cli import main

def work(interrupted_at):
    lines = 0
    def tracer(frame, event, argument):
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == interrupted_at:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return tracer
    def begin(frame, event, argument):
        if frame.f_code is fingerprint.cli.commands.fleet_check.run.__code__:
            sys.settrace(tracer)
            return tracer(frame, event, argument)
    def waits(number, frame):
        os.write(1, b"%d\n" % lines)
        os._exit(0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL if interrupted_at else waits)
    signal.alarm(20 if interrupted_at else 3)
    sys.settrace(begin)
    return main(["fleet", "check", "fleet.jsonl", "--to", "out.parquet", "--rejects", "bad.jsonl"])

os.mkfifo("fleet.jsonl")
pipe = os.open("fleet.jsonl", os.O_RDWR)
for place in json.loads(sys.argv[1]):
    os.write(pipe, b"no row\n")
    process = os.fork()
    if not process:
        os._exit(work(place))
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if select.select([pipe], [], [], 0)[0]:
        os.read(pipe, 100)
    left = set(os.listdir()) - {"fleet.jsonl"}
    if place and (code != 130 or left - {"bad.jsonl"}):
        print(place, code, left)
    for name in left:
        os.unlink(name)
os.unlink("fleet.jsonl")
"""


def test_an_interrupt_at_any_line_of_fleet_check_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")

    def output_at(lines_hit: list[int]) -> tuple[str, str]:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _AT_EACH_LINE, json.dumps(lines_hit)], cwd=tmp_path, capture_output=True,
            text=True, check=True, env=environment(tmp_path.parent),
        )  # fmt: skip
        return done.stdout, done.stderr

    lines = int(output_at([0])[0])
    assert 100 < lines < 1000
    lines_hit = list(range(1, lines + 1, 3))
    assert output_at(lines_hit) == ("", INTERRUPTED * len(lines_hit))
