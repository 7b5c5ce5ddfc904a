"""`fingerprint match` as a process: streaming, exit codes, the recorded matches of the reference."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import textbook
from commandline import COMMAND, run
from shared import VECTORS, needs_vectors

SAME = '{"saved":{"machine-id":"a"},"current":{"machine-id":"a"},"threshold":40}\n'
OTHER = '{"saved":{"machine-id":"a"},"current":{"machine-id":"b"},"threshold":40}\n'


@pytest.mark.parametrize(("text", "code"), [(SAME, 0), (SAME + OTHER, 1), (OTHER + "nonsense\n", 3), ("", 0)])
def test_the_exit_code_reports_mismatches_and_bad_lines(text: str, code: int) -> None:
    done = run("match", "-", input=text)
    assert done.returncode == code
    assert len(done.stdout.splitlines()) == text.count("\n")


def test_a_bad_line_has_its_error_in_its_place() -> None:
    done = run("match", "-", input=SAME + "{\n" + OTHER)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["match"] for a in answers] == [True, None, False]
    assert answers[1]["reason"] == "INVALID_INPUT"
    assert "line 2" in answers[1]["error"]
    assert "line 2" in done.stderr


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    done = run("match", str(tmp_path / "none.jsonl"))
    assert done.returncode == 3
    assert "none.jsonl" in done.stderr


def test_a_directory_is_rejected_as_input(tmp_path: Path) -> None:
    done = run("match", str(tmp_path))
    assert done.returncode == 3
    assert "could not be read" in done.stderr


def test_each_line_is_answered_before_the_next_is_sent() -> None:
    """Another program may ask, read the answer, and ask again."""
    with subprocess.Popen([COMMAND, "match", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        for line, expected in ((SAME, True), (OTHER, False), (SAME, True)):
            process.stdin.write(line.encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["match"] is expected
        process.stdin.close()
        assert process.wait(10) == 1


def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    peaks = []
    for count in (20_000, 400_000):
        path = tmp_path / f"{count}.jsonl"
        path.write_text(SAME * count)
        script = (
            "import resource,subprocess,sys;subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL);"
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-c", script, COMMAND, "match", str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] < peaks[0] * 1.2


@needs_vectors
@pytest.mark.parametrize(("name", "count"), [("match_dev", 5000), ("match_float_edge", 491)])
def test_the_recorded_matches_of_the_reference(name: str, count: int, tmp_path: Path) -> None:
    with open(VECTORS / "match" / f"{name}.jsonl", encoding="utf-8") as lines:
        cases = [json.loads(line) for line in lines]
    keep = ("saved", "current", "threshold")
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps({**{k: c[k] for k in keep}, "sidKey": c["sid_key"]}) + "\n" for c in cases))
    done = run("match", str(path))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["match"] for a in answers] == [c["expect"]["verdict"] for c in cases]
    expected = [textbook.decide(c["saved"], c["current"], c["threshold"], c["sid_key"]) for c in cases]
    assert [(a["match"], a["reason"], a["matched"], a["total"]) for a in answers] == expected
    assert len(answers) == count
