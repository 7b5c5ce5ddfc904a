"""Commands that documents and messages name: each is one of today, with options of today."""

from __future__ import annotations

import re

import pytest

from fingerprint.cli.options import GLOBAL
from fingerprint.cli.table import GROUPS, NOUNS, all_commands
from paths import ROOT

COMMANDS = {command.path: command for command in all_commands()}
WORDS = {word for _, _, words in GROUPS for word in words}
COMMON = {"--help", "-h", "--version", *(option.flag for option in GLOBAL)}
# First words of commands before they were named by noun.
OLD = {
    "compare", "credential-process", "explain-log", "history", "init", "metrics", "rebaseline", "restore", "serve",
    "simulate", "units", "update", "verify", "version", "watch",
}  # fmt: skip
# Those that are no word of a command of today, also behind a noun.
GONE = OLD - {word for path in COMMANDS for word in path.split()}
# Those that are no name of anything else either, so that they are found alone.
_ALONE = re.compile(r"`((?:credential-process|credentials order|explain-log|simulate)(?: [^`\n]*)?)`")
# A placeholder, and what is no word of a command.
_STOP = re.compile(r"[|>;#\\…]|&&|\.\.\.|\s{2,}")
FILES = sorted(
    path
    for pattern in (
        "*.md",
        "benchmarks/**/*.md",
        "changes/*.md",
        "docs/**/*.md",
        ".github/**/*.*",
        "fingerprint/**/*.py",
        "fingerprint/monitor/units/*",
    )
    for path in ROOT.glob(pattern)
    if path.is_file()
)


def named(text: str) -> list[str]:
    """Return the commands that a text has in backquotes or in lines of their own, without the program's name."""
    quoted = [found[1] for found in re.finditer(r"`(?:sudo )?fingerprint ([^`\n]+)`", text)]
    bare = [found[1] for found in re.finditer(r"`([a-z0-9-]+ (?:[a-z]+ )?--?[a-z][^`\n]*)`", text)]
    quoted = [line for line in quoted if not line.startswith("{")]
    lines = [found[1] for found in re.finditer(r"^ *(?:\$ |# )?(?:sudo )?fingerprint ([-a-z].*)$", text, re.MULTILINE)]
    # Others are lines of prose that happen to begin so.
    lines = [line for line in lines if line.startswith("-") or line.split()[0] in WORDS | OLD]
    bare = [line for line in bare if line.split()[0] in WORDS | GONE]
    return [*quoted, *lines, *bare, *(found[1] for found in _ALONE.finditer(text))]


def mistake(line: str) -> str:
    """Return what is wrong with a command, "" if it is one."""
    words = _STOP.split(line.split(" `")[0])[0].replace("[", " ").replace("]", " ").split()
    plain: list[str] = []
    skip = False
    for word in words:
        if skip or word.startswith("-"):
            skip = not skip and word in ("--vault", "--root", "--snapshot", "--output", "--timeout")
        else:
            plain.append(word)
    if not plain or plain[0] == "COMMAND":
        return ""
    path = next((" ".join(plain[:n]) for n in (2, 1) if " ".join(plain[:n]) in {*COMMANDS, *NOUNS}), "")
    if not path or (path in NOUNS and path not in COMMANDS and len(plain) > 1 and plain[1].isalpha()):
        return f"no such command: {' '.join(plain[:2])}"
    options = COMMANDS[path].options if path in COMMANDS else ()
    own = {name for option in options for name in (option.flag, option.short)}
    flags = [flag for word in words for flag in re.findall(r"^--?[a-z][a-z-]*", word)]
    return next((f"{path} has no option {flag}" for flag in flags if flag not in own | COMMON), "")


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the sources are not here")
def test_documents_and_messages_name_commands_of_today() -> None:
    found = [(str(path.relative_to(ROOT)), line) for path in FILES for line in named(path.read_text(encoding="utf-8"))]
    assert len(found) > 150
    assert {"CHANGELOG.md", "README.md"} < {path for path, _ in found}
    wrong = [f"{path}: {line!r}: {why}" for path, line in found if (why := mistake(line))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "`check --format nagios -c copy`", "`fingerprint version`", "`sudo fingerprint init`", "fingerprint watch",
        "`fingerprint vault heal`", "$ fingerprint explain-log a.log", "`credentials process --keep`",
        "`fingerprint --root /mnt metrics`", "`whatif --events`", "`explain-log`", "`credentials order`",
        "`simulate` predicts", "`metrics --textfile FILE`",
    ],
)  # fmt: skip
def test_an_old_name_is_found(text: str) -> None:
    assert [mistake(line) for line in named(text)] not in ([], [""])
