"""Print a conclusion in three lines: the state and since when, the cause with its evidence, and the first step."""

from __future__ import annotations

from fingerprint._io.text import printable
from fingerprint.cli.output import colored, folded, step, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fingerprint.cli.parser import Arguments

_WIDTH = 78
_LABEL = 9


def print_conclusion(
    head: tuple[str, str], cause: str, steps: Sequence[tuple[str, str]], arguments: Arguments, *, evidence: str = ""
) -> None:
    """Write a conclusion.

    Args:
        head: the state and since when, and its color.
        cause: of the state; "" for none.
        steps: (text, command) of each step to write, in order.
        arguments: the command line.
        evidence: of the cause; "" for none.
    """
    text, color = head
    # All of it may quote what others wrote: logs, settings, names.
    for line in folded(printable(f"{text}."), _WIDTH):
        write(colored(line, color, arguments))
    # A backquote would make a pair with one around a command.
    if evidence in cause or evidence in text or "`" in evidence:
        evidence = ""
    if cause:
        print_row("Note" if color == "good" else "Cause", printable(f"{cause} ({evidence})" if evidence else cause))
    elif evidence:
        print_row("Note" if color == "good" else "Evidence", printable(evidence))
    for number, (what, command) in enumerate(steps, 1):
        label = "Do" if number == 1 else ""
        what, command = step(printable(what), printable(command))
        count = f"{number}) " if len(steps) > 1 else ""
        line = f"{count}{what}: {command}" if command else f"{count}{what}"
        if len(line) + _LABEL + 2 <= _WIDTH or not command:
            print_row(label, line)
            continue
        print_row(label, f"{count}{what}:")
        # A command is not folded, so that it can be copied.
        write(f"  {'':{_LABEL}}{command}")


def print_rest(found: Sequence[str]) -> None:
    """Write what --verbose adds to a conclusion.

    Args:
        found: such as "2 more steps"; () for nothing worth a line.
    """
    if found:
        print_row("More", f"{'; '.join(found)} (--verbose)")


def print_row(label: str, text: str) -> None:
    """Write one row of a conclusion: its label, and a text that is folded."""
    for number, line in enumerate(folded(text, _WIDTH - _LABEL)):
        write(f"  {label if number == 0 else '':{_LABEL}}{line}".rstrip())
