"""Ctrl-C ends what waits for input, also when it comes just before the wait."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from commandline import environment
from fingerprint.interruptible import InterruptibleFile, open_buffered
from signals import Unnoticed

INTERRUPTED = "fingerprint: interrupted; what was not reported as done was not done\n"


@pytest.mark.parametrize("words", [("match", "-"), ("explain-log", "-")], ids=lambda words: str(words[0]))
def test_a_command_that_reads_standard_input(tmp_path: Path, words: tuple[str, ...]) -> None:
    env = environment(tmp_path)
    with Unnoticed(signal.SIGINT, *words, cwd=tmp_path, env=env, stdin=subprocess.PIPE) as waiting:
        assert waiting.end() == (130, INTERRUPTED)


@pytest.mark.parametrize("words", [("match",), ("explain-log",), ("fleet", "check")], ids=" ".join)
def test_a_command_that_reads_a_named_pipe(tmp_path: Path, words: tuple[str, ...]) -> None:
    if words[0] == "fleet":
        pytest.importorskip("pyarrow")
    pipe = tmp_path / "in.jsonl"
    os.mkfifo(pipe)
    with (
        Unnoticed(signal.SIGINT, *words, str(pipe), cwd=tmp_path, env=environment(tmp_path)) as waiting,
        pipe.open("w") as writer,
    ):
        writer.write("no row\n")
        writer.flush()
        assert waiting.end() == (130, INTERRUPTED)


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
