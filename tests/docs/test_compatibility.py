"""docs/compatibility.md is what the data say, and the tool that lists release notes finds what touches this project."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_schedule import pings, sleeps
from fingerprint.agent.config_keys import KEYS
from fingerprint.agent.versions import FIXED_IN, NEWEST_ASSESSED, ROWS
from paths import DOCS, TOOLS

NOTES = """\
Latest
===============
- Update Golang version to 1.24.12
- Fix bug where IP field being empty string

3.4.0.0
===============
- Regenerate the fingerprint only if
  the vault can be written
- Improve unit tests

## 3.3.5900.0 (2026-10-01)
* Limit hibernation to one hour
* Query WMI once
+ Registration retries on UIII failures
- Load CREDENTIALS earlier
- Add VPC endpoints
- Upgrade Go version to 1.25.13

3.3.5828.0
===============
- Allow custom hibernation max interval configuration
3.3.100.0
===============
"""


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listed(*words: str, text: str = NOTES) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, str(TOOLS / "release_notes.py"), *words]
    return subprocess.run(program, input=text, capture_output=True, text=True, check=False)


# The page.


def test_the_page_has_the_tables_of_the_data() -> None:
    page = (DOCS / "compatibility.md").read_text(encoding="utf-8")
    assert tool("compatibility").filled(page) == page, "run: python tools/compatibility.py --write"


def test_the_tables_hold_every_row_feature_and_setting() -> None:
    module = tool("compatibility")
    page = (DOCS / "compatibility.md").read_text(encoding="utf-8")
    assert f"**{NEWEST_ASSESSED}**" in page
    assert set(module.FEATURES) == set(ROWS[0].__slots__) - {"since", "sure", "change"}
    for row in ROWS:
        assert f"| {row.since} | {row.change} | {row.sure} |" in page
    for name, fixed in FIXED_IN:
        assert f"| {name} | {fixed} | notes |" in page
    for section, keys in KEYS.items():
        for name, key in keys.items():
            has_since = bool(key.since or key.until or key.words or key.low is not None)
            assert (f"| `{section}.{name}` |" in page) == has_since
    # Each value that a feature has at first, with how sure it is.
    for feature, name in module.FEATURES.items():
        assert f"| {name} | {ROWS[0].since} | {module.value_of(ROWS[0], feature)} | {ROWS[0].sure} |" in page


def test_the_values_of_the_page_are_as_people_write_them() -> None:
    page = (DOCS / "compatibility.md").read_text(encoding="utf-8")
    for cells in (
        "| threshold of a first registration | 2.3.0.0 | 0 | read |", "|  | 3.0.1181.0 | 40 | read |",
        "| pause after a rejection | 2.3.0.0 | 24 h to 26 h | read |", "|  | 3.3.808.0 | 25 min to 30 min | read |",
        "| hibernate.log is silent for good after | 2.3.0.0 | 6 h 35 min | read |", "|  | 3.3.2299.0 | none | read |",
        "| mode of the vault's directories | 2.3.0.0 | 0600 | read |", "|  | 3.3.5226.0 | 1 or 2 | composed |",
    ):  # fmt: skip
        assert cells in page, cells


def test_matrix_of_versions_and_retries_is_the_references() -> None:
    page = (DOCS / "compatibility.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.partition("<!-- schedules -->")[2].splitlines()[3:]]
    rows = rows[: next(number for number, cells in enumerate(rows) if len(cells) < 5)]
    assert [cells[0] for cells in rows] == ["2.3.0.0", "3.1.501.0", "3.3.808.0", "3.3.2299.0", "3.3.3050.0"]
    for cells in rows:
        assert cells[6] == ", ".join(f"{at / 60:g}" for at in pings(cells[0], None, 40_000)[:10])
        if cells[1] != "none":
            for column, kind, failures in (
                (1, "rejected", 0),
                (2, "service", 0),
                (3, "service", 5),
                (4, "service", 16),
            ):
                least, longest = (seconds_in(part) for part in cells[column].split(" to "))
                expected = sleeps(cells[0], kind, failures, None)
                assert (abs(least - expected[0]) <= 1, abs(longest - expected[1]) <= 1) == (True, True), cells


def seconds_in(text: str) -> int:
    sizes = {"h": 3600, "min": 60, "s": 1}
    return sum(int(count) * sizes[unit] for count, unit in re.findall(r"(\d+) (h|min|s)", text))


def test_a_page_without_a_mark_is_not_written() -> None:
    with pytest.raises(ValueError, match="no marks for the table 'newest'"):
        tool("compatibility").filled("nothing")


def test_steps_of_the_page_name_existing_files() -> None:
    page = (DOCS / "compatibility.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:fingerprint|tests|tools)/[\w/]+\.py)`", page) + re.findall(
        r"tests/[\w/]*test_\w+\.py", page
    )
    assert len(paths) > 4
    for path in paths:
        assert (DOCS.parent / path).is_file(), path
    program = [sys.executable, str(TOOLS / "compatibility.py")]
    printed = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    assert all(line in page for line in printed.splitlines())
    assert subprocess.run([*program, "--wirte"], capture_output=True, check=False).returncode == 2


# Release notes.


def test_later_entries_are_listed_by_our_words() -> None:
    done = listed("-")
    assert done.returncode == 0
    heads = [line for line in done.stdout.splitlines() if line[:1].strip()]
    assert heads == ["Latest: 0 of 2 entries", "3.4.0.0: 1 of 2 entries", "3.3.5900.0: 5 of 6 entries"]
    for entry in (
        "Regenerate the fingerprint only if the vault can be written", "Limit hibernation to one hour",
        "Query WMI once", "Registration retries on UIII failures", "Load CREDENTIALS earlier", "Add VPC endpoints",
    ):  # fmt: skip
        assert f"  - {entry}\n" in done.stdout
    assert "fingerprint, vault: gate, vault" in done.stdout
    assert "Golang" not in done.stdout


@pytest.mark.parametrize("word", ["fingerprint", "vault", "hibernat", "credential", "registration", "endpoint", "WMI"])
def test_each_word_of_the_project_is_searched(word: str) -> None:
    for entry in (f"Fix {word}", f"{word.upper()} is fixed", f"({word.capitalize()})"):
        assert listed("-", "--all", text=f"3.3.1.0\n===\n- {entry}\n").returncode == 0, entry
    assert listed("-", "--all", text="3.3.1.0\n===\n- Improve unit tests\n").returncode == 1


@pytest.mark.parametrize(
    ("entry", "touches"),
    [
        ("Accelerate the lacing", False), ("Set the ACL once", True), ("Fix Cimarron", False), ("Ask CIM", True),
        ("Revert snapshots", False), ("Build the snap", True), ("Allow hibernation", True), ("Credentials", True),
        ("Harden vaults", True), ("Update endpoints", True), ("Registering twice", True),
    ],
)  # fmt: skip
def test_a_short_word_counts_alone(entry: str, touches: bool) -> None:
    assert listed("-", "--all", text=f"3.3.1.0\n===\n- {entry}\n").returncode == (0 if touches else 1)


def test_the_releases_that_are_listed_are_those_after_a_version() -> None:
    for since, count in ((NEWEST_ASSESSED, 3), ("3.3.5899.0", 3), ("3.3.5900.0", 2), ("3.4.0.0", 1), ("3.3.99.0", 5)):
        heads = [
            line for line in listed("-", "--since", since).stdout.splitlines() if re.match(r"\S+: .*entries", line)
        ]
        assert len(heads) == count, since
    assert "3.3.100.0: no entries" in listed("-", "--all").stdout
    assert "Nothing after 3.4.0.0 touches these words." in listed("-", "--since", "3.4.0.0").stdout


def test_word_option_adds_a_word_to_the_search() -> None:
    done = listed("-", "--word", "golang")
    assert "Latest: 1 of 2 entries" in done.stdout
    assert "golang: asked for" in done.stdout


@pytest.mark.parametrize(
    ("words", "text", "said"),
    [
        (("-",), "", "no line of it names a release"),
        (("-",), "<html>404</html>", "no line of it names a release"),
        (("/nonexistent/NOTES.md",), "", "cannot use /nonexistent/NOTES.md: No such file or directory"),
        (("/",), "", "cannot use /: Is a directory"),
        (("-", "--since", "dev"), NOTES, "invalid version 'dev'"),
        ((), "", "FILE"),
    ],
)
def test_unusable_input_is_reported(words: tuple[str, ...], text: str, said: str) -> None:
    done = listed(*words, text=text)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@given(st.text(max_size=400))
def test_any_file_is_parsed_or_rejected(text: str) -> None:
    module: Any = tool("release_notes")
    try:
        for version, entries in module.releases(text):
            assert module.is_wanted(version, (3,)) in (True, False)
            for entry in entries:
                module.touching(entry, module.WORDS)
    except module.NotUsable:
        pass
