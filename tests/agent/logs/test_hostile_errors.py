"""Errors with text that an attacker chose: no command of a remedy runs it, and no pattern takes long on it."""

from __future__ import annotations

import shlex
from time import perf_counter

import pytest

from fingerprint.agent.logs.error_causes import ROWS, cause_of, steps_of
from fingerprint.agent.logs.error_causes.row import Row

# Paths of one system within an error of another one; PowerShell takes typographic quotation marks for its own.
PATHS = (
    "C:\\x;touch pwned", "C:\\x & touch pwned", "C:\\x|touch pwned", "C:\\x\ttouch pwned",
    "C:\\x\u201d;touch pwned;\u201c", "C:\\x\u201e;touch pwned", "C:\\x' ; touch pwned ; '", "C:\\(touch pwned)",
    "/x;touch pwned", "/x`touch pwned`", "/x$(touch pwned)", "/x\u2028touch pwned",
)  # fmt: skip
UNSAFE = set(";&|<>$`'()\t\n\u2028\u2018\u2019\u201a\u201b\u201c\u201d\u201e")
# What a path in quotation marks must not have.
UNSAFE_QUOTED = set('"$`%\t\n\u2028\u201c\u201d\u201e')


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_path_of_an_error_adds_a_command(row: Row, path: str) -> None:
    cause = cause_of(f"open {path}: permission denied")
    cause = cause.replace(row=row)
    for step, (_, command) in zip(steps_of(row), cause.steps("windows"), strict=True):
        path_in_quotes = "".join(command.split('"')[1:-1]) if '"{path}"' in step.on("windows") else ""
        assert not UNSAFE_QUOTED.intersection(path_in_quotes)
        assert command.count('"') == step.on("windows").count('"') or not command
    for system in ("linux", "macos"):
        for step, (_, command) in zip(steps_of(row), cause.steps(system), strict=True):
            usual = step.on(system)
            if "{restart}" in usual:
                continue
            assert not UNSAFE.intersection(command) - UNSAFE.intersection(usual), command
            assert not command or len(shlex.split(command)) == len(shlex.split(usual.format_map(Usual()))), command


class Usual(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "x"


def test_paths_of_the_own_system_are_still_named() -> None:
    linux = cause_of("open /var/lib/x/y.json: permission denied")
    assert ("Show who may write there", "namei -l /var/lib/x/y.json") in linux.steps("linux")
    windows = cause_of("open C:\\Program Files (x86)\\Amazon\\SSM\\x.json: Access is denied.")
    steps = dict(windows.steps("windows"))
    assert steps["Show who may write there"] == 'icacls "C:\\Program Files (x86)\\Amazon\\SSM\\x.json"'
    assert steps["Show who may write there"] not in dict(windows.steps("linux")).values()
    assert "C:" not in str(windows.steps("linux"))


@pytest.mark.parametrize("text", ["parse " + "a:" * 2048, "parse " + ":" * 4090, "parse https://" + ":" * 4090])
def test_an_error_as_long_as_the_longest_is_classified_at_once(text: str) -> None:
    begin = perf_counter()
    cause_of(text)
    assert perf_counter() - begin < 0.2
