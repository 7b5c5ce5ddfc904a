"""tools/mutation.py: which mutants there are, what becomes of them, and that the tree is left as it was."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from paths import TOOLS

pytest.importorskip("cosmic_ray", reason="the dependency group `mutation` is not installed")
pytestmark = pytest.mark.skipif(not TOOLS.is_dir(), reason="the tools are not part of it")

CODE = '''\
"""A package."""


def sign(number: int | None) -> int:
    if number is None:
        raise ValueError("no number: " + str(1 + 1))
    return 1 if number > 0 else -1


def untested(number: int) -> int:
    return number + 1
'''
TESTS = """\
from fingerprint.signs import sign


def test_sign() -> None:
    assert (sign(5), sign(-5)) == (1, -1)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree with the names of this one."""
    files = {
        "pyproject.toml": '[tool.pytest.ini_options]\naddopts = ["--import-mode=importlib"]\n',
        "fingerprint/__init__.py": "",
        "fingerprint/signs.py": CODE,
        "tests/conftest.py": "from hypothesis import settings\nsettings.register_profile('same')\n",
        "tests/test_signs.py": TESTS,
        "tools/mutation.toml": '[signs]\nfiles = ["fingerprint/*.py"]\ntests = ["tests/test_*.py"]\n',
        "tools/mutation-equivalents.toml": "",
    }
    for name, text in files.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(text)
    return tmp_path / "tree"


def command(tree: Path, *words: str) -> list[str]:
    return [sys.executable, str(TOOLS / "mutation.py"), "--root", str(tree), *words]


def run(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    files = contents(tree)
    done = subprocess.run(command(tree, *words), capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert contents(tree) == files
    return done


def contents(tree: Path) -> dict[str, str]:
    return {
        str(path): path.read_text() for path in tree.rglob("*") if path.is_file() and "__pycache__" not in str(path)
    }


def results(tree: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the figures of the only area."""
    file = tree.parent / "results.json"
    done = run(tree, "--json", str(file), *words)
    assert done.returncode in {0, 1}, done.stderr
    (area,) = json.loads(file.read_text())["areas"]
    return done.returncode, area


def changes(area: dict[str, Any], outcome: str) -> set[tuple[str, str]]:
    return {(one["was"], one["becomes"]) for one in area["mutants"] if one["outcome"] == outcome}


def test_each_mutant_gets_the_outcome_of_its_tests(tree: Path) -> None:
    status, area = results(tree)
    assert status == 1
    survived = changes(area, "survived")
    assert ("return number + 1", "return None") in survived
    assert ("return 1 if number > 0 else -1", "return None") in changes(area, "killed")
    # Only zero would show it.
    assert ("return 1 if number > 0 else -1", "return 1 if number >= 0 else -1") in survived
    assert area["counts"]["killed"] + area["counts"]["survived"] == len(area["mutants"]) == area["all"]
    lines = [one["was"] for one in area["mutants"]]
    assert not any("raise" in line or "def " in line for line in lines)


def test_an_area_just_below_the_bound_fails(tree: Path) -> None:
    counts = results(tree)[1]["counts"]
    percent = 100 * counts["killed"] / (counts["killed"] + counts["survived"])
    assert 0 < percent < 100
    assert results(tree, "--least", str(percent - 0.1))[0] == 0
    assert results(tree, "--least", str(percent + 0.1))[0] == 1


def test_a_survivor_of_the_tests_runs_more_tests(tree: Path) -> None:
    area = '[signs]\nfiles = ["fingerprint/*.py"]\ntests = ["tests/test_signs.py"]\nmore = ["tests/test_more.py"]\n'
    (tree / "tools/mutation.toml").write_text(area)
    more = "from fingerprint.signs import untested\n\ndef test_it() -> None:\n    assert untested(1) == 2\n"
    (tree / "tests/test_more.py").write_text(more)
    _, found = results(tree)
    assert ("return number + 1", "return None") in changes(found, "killed")


def test_a_command_of_the_environment_runs_the_mutant(tree: Path) -> None:
    test = (
        "import subprocess, sys\nfrom fingerprint import signs\n\ndef test_it() -> None:\n    signs.untested(1)\n"
        "    code = 'from fingerprint.signs import untested; raise SystemExit(untested(1) != 2)'\n"
        "    assert subprocess.run([sys.executable, '-I', '-c', code], cwd='/').returncode == 0\n"
    )
    (tree / "tests/test_untested.py").write_text(test)
    _, area = results(tree)
    assert ("return number + 1", "return None") in changes(area, "killed")


def test_a_mutant_that_does_not_end_is_timed_out(tree: Path) -> None:
    code = "def count(number: int) -> int:\n    while number > 0:\n        number = number - 1\n    return number\n"
    (tree / "fingerprint/signs.py").write_text(code)
    test = "from fingerprint.signs import count\n\ndef test_it() -> None:\n    assert count(2) == 0\n"
    (tree / "tests/test_signs.py").write_text(test)
    _, area = results(tree, "--timeout", "8")
    assert ("number = number - 1", "number = number + 1") in changes(area, "timed out")


def test_the_sample_is_the_same_for_a_seed(tree: Path) -> None:
    seeds = ((), (), ("--seed", "2"))
    samples = [results(tree, "--sample", "3", *seed)[1]["mutants"] for seed in seeds]
    samples = [[(one["was"], one["becomes"]) for one in sample] for sample in samples]
    assert samples[0] == samples[1] != samples[2]
    assert [len(sample) for sample in samples] == [3, 3, 3]


def test_an_edit_elsewhere_keeps_the_order_of_the_mutants() -> None:
    spec = importlib.util.spec_from_file_location("mutants", TOOLS / "mutants.py")
    assert spec is not None
    assert spec.loader is not None
    mutants = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = mutants
    spec.loader.exec_module(mutants)
    before = {mutant.rank(1) for mutant in mutants.find("a.py", CODE)}
    after = {mutant.rank(1) for mutant in mutants.find("b.py", "def other() -> int:\n    return 2\n\n\n" + CODE)}
    assert before < after


def equivalent(was: str, reason: str = "no caller sees it") -> str:
    fields = {"function": "untested", "was": was, "becomes": "return number - 1", "reason": reason}
    return "[[signs]]\n" + "".join(f"{key} = '{value}'\n" for key, value in fields.items())


def test_an_equivalent_is_not_run_and_not_counted(tree: Path) -> None:
    (tree / "tools/mutation-equivalents.toml").write_text(equivalent("return number + 1"))
    _, area = results(tree)
    assert changes(area, "equivalent") == {("return number + 1", "return number - 1")}
    assert ("return number + 1", "return None") in changes(area, "survived")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (equivalent("return number + 2"), "stale entry"),
        (equivalent("return number + 1", reason=""), "has no reason"),
        (equivalent("return number + 1").replace("[[signs]]", "[[none]]"), "no such area: none"),
        ("[[signs]]\nfunction = 'untested'\n", "has no was"),
        ("[[signs]\n", "mutation-equivalents.toml"),
    ],
)
def test_an_entry_that_cannot_be_used_is_an_error(tree: Path, entry: str, said: str) -> None:
    (tree / "tools/mutation-equivalents.toml").write_text(entry)
    done = run(tree)
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("tools/mutation.toml", '[signs]\nfiles = ["none/*.py"]\ntests = []\n', "no file matches none/*.py"),
        ("tests/test_signs.py", "def test_it() -> None:\n    assert False\n", "fail without a mutant"),
        ("tests/test_signs.py", "", "there is no test in tests/test_signs.py"),
    ],
)
def test_tests_that_say_nothing_are_an_error(tree: Path, file: str, text: str, said: str) -> None:
    (tree / file).write_text(text)
    done = run(tree)
    assert done.returncode == 2
    assert said in done.stderr


def test_an_unknown_area_is_an_error(tree: Path) -> None:
    done = run(tree, "--area", "none")
    assert (done.returncode, done.stderr) == (2, "mutation.py: no such area: none; the areas are: signs\n")


def test_only_survivors_run_again(tree: Path) -> None:
    _, before = results(tree)
    file = tree.parent / "before.json"
    (tree.parent / "results.json").rename(file)
    test = TESTS.replace("import sign", "import sign, untested") + "    assert (untested(1), sign(0)) == (2, -1)\n"
    (tree / "tests/test_signs.py").write_text(test)
    # The results name the mutants, so another seed and a small sample leave none out.
    _, after = results(tree, "--again", str(file), "--seed", "2", "--sample", "1")
    assert len(after["mutants"]) == before["counts"]["survived"]
    assert changes(after, "survived") < changes(before, "survived")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"function": "removed"}, "fingerprint/signs.py: removed has no such mutant now of: return number + 1"),
        ({"outcome": "killed"}, "no mutant of these areas survived"),
        (None, "not the results of --json"),
    ],
)
def test_survivors_that_cannot_run_again_are_an_error(tree: Path, change: dict[str, str] | None, said: str) -> None:
    mutant = {"file": "fingerprint/signs.py", "function": "untested", "operator": "ReturnNone", "ordinal": 0}
    mutant |= {"outcome": "survived", "was": "return number + 1"}
    file = tree.parent / "before.json"
    file.write_text(
        "[]" if change is None else json.dumps({"areas": [{"area": "signs", "mutants": [mutant | change]}]})
    )
    done = run(tree, "--again", str(file))
    assert done.returncode == 2
    assert said in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_the_tree_and_no_process(tree: Path, tmp_path: Path, number: int) -> None:
    started = tmp_path / "started"
    test = "import pathlib, os, time\nfrom fingerprint.signs import sign\n\ndef test_it() -> None:\n"
    test += f"    pathlib.Path({str(started)!r}).write_text(str(os.getpid()))\n    assert sign(1) == 1\n"
    test += "    time.sleep(2)\n"
    (tree / "tests/test_signs.py").write_text(test)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    files = contents(tree)
    process = subprocess.Popen(command(tree), env=os.environ | {"TMPDIR": str(temporary)}, stderr=subprocess.PIPE)
    first = wait_for(started, "")
    second = wait_for(started, first)
    process.send_signal(number)
    # Who waits presses the keys again, while the copies are removed.
    time.sleep(0.05)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, b"")
    assert contents(tree) == files
    assert list(temporary.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(second), 0)


def wait_for(file: Path, other: str) -> str:
    """Return what a file holds as soon as it holds something else."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        if file.exists() and (text := file.read_text()) not in {"", other}:
            return text
        time.sleep(0.05)
    raise AssertionError("no test was started")


def test_each_pattern_of_the_areas_matches_a_file() -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has none")
    areas = tomllib.loads((TOOLS / "mutation.toml").read_text())
    patterns = [one for area in areas.values() for kind in ("files", "tests", "more") for one in area.get(kind, [])]
    assert [one for one in patterns if not any(TOOLS.parent.glob(one.removeprefix("!")))] == []
