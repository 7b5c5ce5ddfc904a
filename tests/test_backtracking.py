"""No regular expression of the package takes more than linear time: others write its input.

Each is found where it is used, and attacked at each of its repetitions: with what leads there, then many of what is
repeated, then something that fits nowhere.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import fingerprint
from fingerprint.support_bundle import redact

try:
    from re import _constants as constants  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:
    import sre_constants as constants
    import sre_parse as parser

PACKAGE = Path(fingerprint.__file__).parent
SMALL, TIMES = 1000, 8
# A text that is eight times as long takes so many times as long at most; with quadratic time it would be 64 times.
GROWTH = 24.0
# Below this the clock says nothing, and no text that is read in one piece takes long either.
SECONDS = 0.015
CHARACTERS = " \t\n\r\0aAfx0195:.,;=-_/\\\"'|+()[]{}<>@%#*&$!?~^\x1b\x7fé\u0660\u2028"
AFTER = ("", "\0", "\n", "!")


def _modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages([str(PACKAGE)], "fingerprint."):
        # A plug-in of pytest is loaded by pytest alone.
        if found.name.endswith((".__main__", ".testing.pytest_plugin")):
            continue
        try:
            yield importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            if error.name is None or error.name.startswith("fingerprint"):
                raise
            # Of an extra that tests do without.


# Patterns that a function is given or makes, with what it is given here.
MADE = {
    ("credentials/profile_dialects.py", "ending"): [r"\r\n|\r|\n", r"\r?\n", r"\n"],
    ("support_bundle/redact.py", "pattern"): [
        rf"{redact._NOT_IN_A_WORD}(?:disk|id|serial|uuid)-[0-9a-f]"
        rf"{{{redact._DIGITS},{redact._DIGITS_MOST}}}{redact._NOT_BEFORE_A_WORD}"
    ],
}
METHODS = ("search", "match", "fullmatch", "sub", "split", "findall", "finditer")


def _used() -> Iterator[tuple[str, re.Pattern[Any], set[str]]]:
    """Yield every pattern of the package, with its place and how it is used."""
    for module in _modules():
        path = Path(module.__file__ or "")
        if path.suffix != ".py":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        uses: dict[str, set[str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in METHODS:
                uses.setdefault(node.value.id, set()).add(node.attr)
        for node in ast.walk(tree):
            if not (
                isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
                and node.func.attr in METHODS
            ):  # fmt: skip
                continue
            where = f"{path.relative_to(PACKAGE)}:{node.lineno}"
            flags = [word.value for word in node.keywords if word.arg == "flags"]
            if node.func.attr not in ("sub", "split"):
                flags += node.args[2:]
            names = {"re": re, **vars(module)}
            try:
                source, given = [
                    eval(compile(ast.Expression(each), where, "eval"), names)
                    for each in (node.args[0], flags[0] if flags else ast.Constant(0, lineno=1, col_offset=0))
                ]
            except NameError:
                for made in MADE[str(path.relative_to(PACKAGE)), ast.unparse(node.args[0])]:
                    yield where, re.compile(made), {node.func.attr}
                continue
            yield where, re.compile(source, given), {node.func.attr}
        others = set().union(*(uses[name] for name in uses if name != "re" and name not in vars(module)))
        for name, value in vars(module).items():
            for pattern in _within(value):
                # One of several is used by the name that it has in a loop.
                yield f"{path.relative_to(PACKAGE)}:{name}", pattern, uses.get(name) or others or {"sub"}


def _within(value: Any) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, (tuple, list)):
        for inner in value:
            yield from _within(inner)
    elif isinstance(value, dict):
        yield from _within(list(value.values()))


PATTERNS = {(pattern.pattern, pattern.flags): (where, pattern, uses) for where, pattern, uses in _used()}


def _fits(item: Any, flags: int) -> str:
    """Return characters that a single item of a pattern takes."""
    code, value = item
    if code is constants.LITERAL:
        return chr(value)
    if code is constants.NOT_LITERAL:
        return "".join(char for char in CHARACTERS if ord(char) != value)
    if code is constants.ANY:
        return CHARACTERS if flags & re.DOTALL else CHARACTERS.replace("\n", "")
    if code is constants.IN:
        kinds = {
            constants.CATEGORY_DIGIT: str.isdigit, constants.CATEGORY_SPACE: str.isspace,
            constants.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
        }  # fmt: skip
        nots = {
            constants.CATEGORY_NOT_DIGIT: constants.CATEGORY_DIGIT,
            constants.CATEGORY_NOT_SPACE: constants.CATEGORY_SPACE,
            constants.CATEGORY_NOT_WORD: constants.CATEGORY_WORD,
        }  # fmt: skip
        negated = value[0][0] is constants.NEGATE

        def taken(char: str) -> bool:
            for kind, what in value:
                if kind is constants.LITERAL and ord(char) == what:
                    return True
                if kind is constants.RANGE and what[0] <= ord(char) <= what[1]:
                    return True
                if kind is constants.CATEGORY and (kinds[what](char) if what in kinds else not kinds[nots[what]](char)):
                    return True
            return False

        found = "".join(char for char in CHARACTERS if taken(char) is not negated)
        if not found and not negated:
            found = "".join(chr(what if kind is constants.LITERAL else what[0]) for kind, what in value[:1])
        return found
    return ""


def _text(items: Any, flags: int) -> str:
    """Return the shortest text that fits some items, as far as that is known."""
    found = ""
    for code, value in items:
        if code in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            found += _text(value[2], flags) * max(value[0], 0)
        elif code is constants.SUBPATTERN:
            found += _text(value[3], flags)
        elif code is constants.BRANCH:
            found += _text(value[1][0], flags)
        elif code is constants.ASSERT and value[0] > 0:
            continue
        elif code not in (constants.AT, constants.ASSERT, constants.ASSERT_NOT, constants.GROUPREF,
                          constants.GROUPREF_EXISTS):  # fmt: skip
            found += _fits((code, value), flags)[:1]
    return found


def _repeated(items: Any, flags: int, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield what leads to each repetition without an end, and what it repeats."""
    items = list(items)
    for place, (code, value) in enumerate(items):
        lead = before + _text(items[:place], flags)
        if code in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            if value[1] > 1000:
                for char in _fits(next(iter(value[2])), flags) if len(value[2]) == 1 else ():
                    yield lead, char
                yield lead, _text(value[2], flags)
                # Begun at each repetition.
                yield "", lead + _text(value[2], flags)
                yield lead, lead + _text(value[2], flags)
            yield from _repeated(value[2], flags, lead)
        elif code is constants.SUBPATTERN:
            yield from _repeated(value[3], flags, lead)
        elif code is constants.BRANCH:
            for branch in value[1]:
                yield from _repeated(branch, flags, lead)
        elif code in (constants.ASSERT, constants.ASSERT_NOT):
            yield from _repeated(value[1], flags, lead)


def attacks(pattern: re.Pattern[Any]) -> set[tuple[str, str]]:
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    flags = pattern.flags
    found = {(lead, many) for lead, many in _repeated(parser.parse(source, flags), flags) if many}
    return found | {("", char) for char in ' a0:."\\-=/'} | {("", "a "), ("", "a:"), ("", "1.")}


def _seconds(pattern: re.Pattern[Any], use: str, text: str) -> float:
    subject: Any = text if isinstance(pattern.pattern, str) else text.encode("utf-8")
    arguments = ["" if isinstance(subject, str) else b"", subject] if use == "sub" else [subject]
    begin = time.process_time()
    found = getattr(pattern, use)(*arguments)
    if use == "finditer":
        list(found)
    return time.process_time() - begin


def slow(pattern: re.Pattern[Any], use: str = "sub") -> str:
    """Return an attack that takes more than linear time, "" for none."""
    for lead, many in sorted(attacks(pattern)):
        for after in AFTER:
            if _seconds(pattern, use, lead + many * 24 + after) > 20 * SECONDS:
                return f"{lead!r} + {many!r} * 20 + {after!r}"
            times = SMALL // len(many) + 1
            large = _seconds(pattern, use, lead + many * times * TIMES + after)
            if large < SECONDS:
                continue
            # Again, as a machine may have had a pause.
            small = min(_seconds(pattern, use, lead + many * times + after) for _ in range(3))
            large = min(large, _seconds(pattern, use, lead + many * times * TIMES + after))
            if large > max(SECONDS, GROWTH * small):
                return f"{lead!r} + {many!r} * {times * TIMES} + {after!r}: {small:.4f} s, {large:.4f} s"
    return ""


@pytest.mark.parametrize("key", PATTERNS, ids=[where for where, *_ in PATTERNS.values()])
def test_no_pattern_takes_more_than_linear_time(key: tuple[Any, int]) -> None:
    _, pattern, uses = PATTERNS[key]
    assert [found for use in sorted(uses) if (found := slow(pattern, use))] == []


@pytest.mark.parametrize(
    "source",
    [r"^([ \t]*)(\S.*?)([ \t\r]*)$", r"(a+)+$", r"(?:a|a)*b", r"(://)[^\s]*@", r"\s+$", r"x.*y", r"(\\*)\""],
)
def test_patterns_that_backtrack_are_found(source: str) -> None:
    assert slow(re.compile(source, re.MULTILINE))


def test_the_patterns_of_the_package_are_found() -> None:
    where = {place.partition(":")[0] for place, *_ in PATTERNS.values()}
    assert {
        "support_bundle/redact.py", "support_bundle/addresses.py", "_io/text.py", "machine/snapshot_secrets.py",
        "agent/logs/timeline_builder.py", "credentials/profile_dialects.py",
    } <= where  # fmt: skip
    assert len(PATTERNS) > 60
    assert all(a < b for a, b in pairwise(sorted({source for source, _ in PATTERNS}, key=str)) if type(a) is type(b))
