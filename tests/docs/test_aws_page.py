"""docs/aws-page.md has a row for each statement of AWS's page, and what a row names exists."""

from __future__ import annotations

import ast
import re
import shlex
from importlib import import_module
from typing import NamedTuple

import pytest

from fingerprint.cli.parser import parse
from fingerprint.diagnose import CHECKS
from paths import ROOT
from shared import SHARED

PAGE = ROOT / "docs" / "aws-page.md"
STATEMENTS = 33
WITHOUT = {2, 4, 16, 33}
STATED = SHARED / "reference" / "aws-page.md"


class Row(NamedTuple):
    number: int
    statement: str
    by: str
    test: str


def rows() -> list[Row]:
    found = []
    for text in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in text.strip("|").split(" | ")]
        if text.startswith("| ") and cells[0].strip().isdigit():
            assert len(cells) == 4, text[:60]
            found.append(Row(int(cells[0]), *cells[1:]))
    return found


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def commands(cell: str) -> list[str]:
    return [name for name in named(cell) if name.startswith("fingerprint ")]


def functions(cell: str) -> list[str]:
    return [name for name in named(cell) if name.startswith("fingerprint.")]


def require_test(name: str) -> None:
    """Raise for what is no test function of a file below tests/."""
    file, _, function = name.partition("::")
    paths = list((ROOT / "tests").rglob(file))
    assert len(paths) == 1, (name, paths)
    [path] = paths
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert function.startswith("test_"), name
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, name


def require_command(line: str) -> None:
    """Raise for a line that the command line does not take, or for a check that there is not."""
    words = shlex.split(line)[1:]
    arguments = parse(words)
    assert arguments is not None, line
    for name in (getattr(arguments, "only", None) or "").split(",") if arguments.command.path == "diagnose" else []:
        assert not name or name in {check.name for check in CHECKS}, line


def require_function(name: str) -> None:
    module, _, function = name.rpartition(".")
    assert callable(getattr(import_module(module), function)), name


def test_every_statement_has_its_row_once_and_in_order() -> None:
    assert [row.number for row in rows()] == list(range(1, STATEMENTS + 1))
    assert all(row.statement for row in rows())


@pytest.mark.parametrize("number", range(1, STATEMENTS + 1))
def test_row_names_its_command_and_test_or_the_reason_for_none(number: int) -> None:
    [row] = [row for row in rows() if row.number == number]
    if row.by == "none":
        assert number in WITHOUT
        assert len(row.test) > 40
        assert "::" not in row.test
        return
    assert number not in WITHOUT
    assert commands(row.by) or functions(row.by), row
    tests = named(row.test)
    assert tests, row
    for line in commands(row.by):
        require_command(line)
    for name in functions(row.by):
        require_function(name)
    for name in tests:
        require_test(name)


@pytest.mark.parametrize(
    ("require", "name"),
    [(require_test, "test_ssm.py::test_nothing_of_the_kind"), (require_test, "test_none.py::test_x"),
     (require_test, "support/printed.py::commands_in"), (require_command, "fingerprint fly"),
     (require_command, "fingerprint diagnose --only ssm-users"), (require_command, "fingerprint show --nothing"),
     (require_function, "fingerprint.agent.buckets.none"), (require_function, "fingerprint.none.x")],
)  # fmt: skip
def test_missing_file_or_test_is_found(require: object, name: str) -> None:
    assert callable(require)
    with pytest.raises((AssertionError, AttributeError, ImportError, OSError)):
        require(name)


def test_readme_links_to_the_page() -> None:
    assert "(docs/aws-page.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not STATED.is_file(), reason="the statements of AWS's page are not part of the repository")
def test_the_statements_are_as_many_as_the_page_has() -> None:
    numbers = re.findall(r"(?m)^\| (\d+) \|", STATED.read_text(encoding="utf-8"))
    assert [int(number) for number in numbers] == [row.number for row in rows()]
