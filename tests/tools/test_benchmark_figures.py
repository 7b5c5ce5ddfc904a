"""The figures of two benchmark runs are compared; a regression ends with exit code 1."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from paths import ROOT

BENCHMARKS = ROOT / "benchmarks"
MACHINE = {"system": "Linux", "machine": "x86_64", "python_version": "3.11.7", "cpu": {"brand_raw": "A", "count": 2}}
OTHER = {**MACHINE, "cpu": {"brand_raw": "B", "count": 64}}

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not here")


def stats(median: float, spread: float = 0.02) -> dict[str, float]:
    return {"median": median, "iqr": spread * median, "rounds": 20}


def bench(name: str, ours: float, spread: float = 0.02, role: str = "ours", **info: Any) -> dict[str, Any]:
    return {"name": name, "stats": stats(ours, spread), "extra_info": {"claim": name, "role": role, **info}}


RUN: dict[str, Any] = {
    "machine_info": MACHINE,
    "commit_info": {"id": "abc"},
    "datetime": "2026-01-02T03:04:05+00:00",
    "short": False,
    "benchmarks": [
        bench("start", 0.014, peer=stats(0.009)),
        bench("batch", 0.002),
        bench("batch", 0.020, role="peer"),
        bench("read", 0.00004, peer_seconds=0.00006),
        bench("alone", 0.1),
    ],
}


def run(tmp_path: Path, before: Any, after: Any, *words: str) -> subprocess.CompletedProcess[str]:
    """Compare two runs, each an object or the text of its file."""
    for name, content in (("A.json", before), ("B.json", after)):
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
    command = [sys.executable, str(BENCHMARKS / "compare.py"), "A.json", "B.json", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return the last column of the table by claim."""
    cells = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    return {each[0]: each[-1] for each in cells[1:]}


def changed(name: str, times: float, role: str = "ours", **members: Any) -> dict[str, Any]:
    """Return the run with one benchmark that takes longer."""
    made = copy.deepcopy(RUN)
    [one] = [each for each in made["benchmarks"] if (each["name"], each["extra_info"]["role"]) == (name, role)]
    one["stats"] = stats(times * one["stats"]["median"])
    return {**made, **members}


def test_a_run_equals_itself(tmp_path: Path) -> None:
    done = run(tmp_path, RUN, RUN)
    assert (done.returncode, set(rows(done).values())) == (0, {"same"})
    assert len(rows(done)) == 4
    assert "before: commit abc, 2026-01-02T03:04:05+00:00, Linux x86_64 A 2 cores, Python 3.11.7" in done.stdout


@pytest.mark.parametrize("name", ["start", "batch", "read", "alone"])
@pytest.mark.parametrize(
    ("times", "code", "word"), [(1.5, 1, "slower"), (1.2, 0, "same"), (0.83, 0, "same"), (0.5, 0, "faster")]
)
def test_a_change_beyond_the_factor_counts(name: str, times: float, code: int, word: str, tmp_path: Path) -> None:
    done = run(tmp_path, RUN, changed(name, times))
    assert (done.returncode, rows(done)[name]) == (code, word)
    assert {each for other, each in rows(done).items() if other != name} == {"same"}


def test_the_factor_can_be_chosen(tmp_path: Path) -> None:
    assert run(tmp_path, RUN, changed("start", 1.2), "--factor", "1.1").returncode == 1
    assert run(tmp_path, RUN, changed("start", 1.5), "--factor", "2").returncode == 0


def test_a_faster_peer_is_a_regression_of_ours(tmp_path: Path) -> None:
    """Its time is the unit: the machine became faster and ours did not."""
    assert rows(run(tmp_path, RUN, changed("batch", 0.5, role="peer")))["batch"] == "slower"


def test_a_slow_machine_slows_the_peer_too(tmp_path: Path) -> None:
    slow = copy.deepcopy(RUN)
    slow["machine_info"] = OTHER
    for each in slow["benchmarks"]:
        each["stats"] = stats(3 * each["stats"]["median"])
        if "peer" in each["extra_info"]:
            each["extra_info"]["peer"] = stats(3 * each["extra_info"]["peer"]["median"])
    done = run(tmp_path, RUN, slow)
    assert done.returncode == 0
    # A limit in seconds is no peer.
    assert rows(done) == {"start": "same", "batch": "same", "read": "other machine", "alone": "other machine"}
    slow["machine_info"] = MACHINE
    assert rows(run(tmp_path, RUN, slow)) == {"start": "same", "batch": "same", "read": "slower", "alone": "slower"}


@pytest.mark.parametrize("noisy", ["before", "after"])
def test_a_change_within_the_noise_does_not_count(noisy: str, tmp_path: Path) -> None:
    before, after = copy.deepcopy(RUN), changed("alone", 1.5)
    (before if noisy == "before" else after)["benchmarks"][-1]["stats"]["iqr"] *= 40
    assert rows(run(tmp_path, before, after))["alone"] == "same"


def test_two_rounds_are_shown_and_not_compared(tmp_path: Path) -> None:
    after = changed("alone", 9)
    after["benchmarks"][-1]["stats"]["rounds"] = 2
    done = run(tmp_path, RUN, after)
    assert (done.returncode, rows(done)["alone"]) == (0, "too few rounds")
    assert "| x 9.00 | - |" in done.stdout


def test_claims_that_come_and_go_are_listed(tmp_path: Path) -> None:
    other = {**RUN, "benchmarks": [*RUN["benchmarks"][1:], bench("more", 1)]}
    found = rows(run(tmp_path, RUN, other))
    assert (found["start"], found["more"], found["batch"]) == ("missing", "new", "same")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not the figures of a run: B.json"),
        ("[]", "not the figures of a run: B.json"),
        ({}, "not the figures of a run: B.json"),
        ({**RUN, "benchmarks": [{}]}, "not the figures of a run: B.json"),
        ({**RUN, "benchmarks": [bench("start", 0)]}, "not the figures of a run: B.json"),
        ({**RUN, "machine_info": None}, "not the figures of a run: B.json"),
        ({**RUN, "benchmarks": []}, "no claim in common"),
        ({**RUN, "short": True}, "one run has the short form"),
    ],
)
def test_runs_that_cannot_be_compared_have_exit_code_2(content: Any, said: str, tmp_path: Path) -> None:
    done = run(tmp_path, RUN, content)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize("words", [["--factor", "1"], ["--factor", "nan"], ["C.json"]])
def test_wrong_arguments_have_exit_code_2(words: list[str], tmp_path: Path) -> None:
    assert run(tmp_path, RUN, RUN, *words).returncode == 2


def test_a_missing_file_has_exit_code_2(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "compare.py"), "A.json", "B.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "compare.py: cannot open A.json: No such file or directory\n")


_MADE = """
import sys
from pathlib import Path
from claims import Seconds, report, row, save
rows = [row("ours alone", Seconds([3.0, 1.0, 2.0])), row("both", Seconds([1.0]), Seconds([2.0, 4.0]), target=2.5)]
save(report(rows, short=True), Path(sys.argv[1]))
"""


@pytest.mark.skipif(find_spec("pytest_benchmark") is None, reason="pytest-benchmark is not installed")
def test_pytest_benchmark_reads_what_is_measured_without_it(tmp_path: Path) -> None:
    file = tmp_path / "made.json"
    subprocess.run([sys.executable, "-c", _MADE, str(file)], cwd=BENCHMARKS, check=True)
    made = json.loads(file.read_text())
    assert [each["stats"]["median"] for each in made["benchmarks"]] == [2.0, 1.0]
    assert made["benchmarks"][1]["extra_info"]["peer"]["median"] == 3.0
    assert "node" not in made["machine_info"]
    done = run(tmp_path, made, made)
    assert (done.returncode, rows(done)) == (0, {"ours alone": "same", "both": "too few rounds"})
    command = [sys.executable, "-m", "pytest_benchmark", "compare", str(file)]
    table = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "ours alone" in table
    assert "both" in table
