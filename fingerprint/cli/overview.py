"""The first page of the help: the commands by group. It needs no argparse, so that it appears at once."""

from __future__ import annotations

import os
import sys

from fingerprint.cli.options import GLOBAL
from fingerprint.cli.output import folded
from fingerprint.cli.table import GROUPS, NOUNS, group_of

_CODES = (
    "0 same machine, fine", "1 differs, or a finding", "2 usage", "3 cannot tell",
    "4 refused (the error names the option that confirms)", "5 rejected by the service", "6 service unreachable",
    "130 interrupted", "141 closed pipe",
)  # fmt: skip
# Columns: names, and a page on a terminal whose width is not known.
_NAMES = 20
_PAGE, _NARROW, _WIDE = 80, 40, 120


def overview() -> str:
    """Return the page: groups of commands, common options, exit codes."""
    width = terminal_width()
    lines = [
        "usage: fingerprint [OPTIONS] COMMAND ...",
        "",
        *folded("Verify that this host is still the machine that registered, and explain why.", width),
    ]
    for title, _, words in GROUPS:
        lines += ["", f"{title}:"]
        for word in words:
            lines += _row(word, _text(word), width)
    lines += ["", "options, before or after the command:"]
    for option in GLOBAL:
        choices = f": {' or '.join(option.choices)}" if option.choices else ""
        lines += _row(f"{option.flag} {option.metavar}".strip(), option.text + choices, width)
    lines += _row("--version", "print the version", width)
    lines += _row("-h, --help", "print help; of one command: help COMMAND", width)
    lines += ["", "exit codes:", *_codes(width), "", "Start with: fingerprint check"]
    return "\n".join(lines)


def _codes(width: int) -> list[str]:
    """Return the exit codes as lines, with as many on a line as it holds."""
    lines: list[str] = []
    for code in _CODES:
        if lines and len(lines[-1]) + 4 + len(code) <= width:
            lines[-1] += f"    {code}"
        else:
            lines += [f"  {line}" for line in folded(code, width - 2)]
    return lines


def _row(name: str, text: str, width: int) -> list[str]:
    begin, *rest = [line for part in text.split("\n") for line in folded(part, width - _NAMES)]
    return [f"  {name:{_NAMES - 2}}{begin}", *(f"{'':{_NAMES}}{line}" for line in rest)]


def _text(word: str) -> str:
    """Return the help of a first word: of its command, or of what it stands before, with the words that follow."""
    commands = group_of(word)
    own = next((command.text for command in commands if command.path == word), None)
    if own is not None:
        return own
    below = [command.path.partition(" ")[2] for command in commands if command.path.startswith(f"{word} ")]
    return f"{NOUNS[word]}\n({', '.join(below)})"


def terminal_width() -> int:
    """Return the columns of the terminal, within reason."""
    try:
        columns = int(os.environ.get("COLUMNS") or os.get_terminal_size(sys.stdout.fileno()).columns)
    except (OSError, ValueError, AttributeError):
        columns = _PAGE
    return max(_NARROW, min(columns or _PAGE, _WIDE))
