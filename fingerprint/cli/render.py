"""Text and JSON on standard output: tables within 80 columns, colour only on a terminal, masked ids."""

from __future__ import annotations

import os
import sys

from fingerprint._json import dumps
from fingerprint.errors import OutputError
from fingerprint.model import masked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, TextIO

    from fingerprint.cli.parse import Arguments

SCHEMA_VERSION = 1
_COLORS = {"good": "32", "bad": "31", "doubt": "33", "strong": "1"}
_ID_ATTRIBUTES = ("machine-id", "uuid")


def write(text: str = "") -> None:
    """Write one line of the answer; what cannot be encoded is written with escapes."""
    _emit(text + "\n")


def flush() -> None:
    """Push out what was written.

    Raises:
        OutputError: it could not be written.
    """
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as error:
            raise _output_error(error) from None


def _emit(text: str) -> None:
    if sys.stdout is None:
        raise _output_error(None)
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    except OSError as error:
        raise _output_error(error) from None


def _output_error(error: OSError | None) -> OutputError:
    why = error.strerror if error and error.strerror else "it is closed"
    return OutputError(f"the answer could not be written ({why})", where="standard output")


def warn(text: str) -> None:
    """Write one line of diagnostics, if there is a place for it: the answer is worth more."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"fingerprint: {text}\n")
        sys.stderr.flush()
    except OSError:
        return


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a standard stream is a terminal; one that was closed is None."""
    return stream is not None and stream.isatty()


def show_log() -> None:
    """Let what the library warns of stand on standard error like our own diagnostics."""
    # Imported here: logging costs more than a whole check.
    from logging import Formatter, StreamHandler, getLogger

    handler = StreamHandler()
    handler.setFormatter(Formatter("fingerprint: %(message)s"))
    getLogger("fingerprint").addHandler(handler)


def print_json(command: str, answer: dict[str, Any]) -> None:
    """Write the answer of a command as one JSON object."""
    whole = {"schemaVersion": SCHEMA_VERSION, "command": command, **answer}
    _emit(dumps(whole, html_safe=False, indent=2).decode("utf-8") + "\n")


def printable(text: str) -> str:
    """Return a value without what could move the cursor or break the table."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text.rstrip("\r\n"))


def folded(text: str, width: int) -> list[str]:
    """Return a text as lines of at most so many characters; a longer word has a line of its own."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
    return [*lines, line]


def shown(name: str, value: str | None, arguments: Arguments) -> str:
    """Return an attribute's value for people: the hardware ID masked unless it is to be revealed."""
    if value is None:
        return "(no such key)"
    if value == "":
        return "(empty)"
    if name in _ID_ATTRIBUTES and not arguments.reveal:
        return masked(printable(value))
    return printable(value)


def secret(value: str, arguments: Arguments) -> str:
    """Return an id of a record, masked unless it is to be revealed."""
    return value if arguments.reveal else masked(value)


def colored(text: str, color: str, arguments: Arguments) -> str:
    """Return the text in a colour if standard output is a terminal that wants it."""
    if arguments.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_COLORS[color]}m{text}\x1b[0m" if is_terminal(sys.stdout) else text


def table(head: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int]) -> None:
    """Write a table: each cell cut to the width of its column, the last one left as it is."""
    for row in (head, *rows):
        cells = [_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=False)]
        write("  " + "  ".join([*cells, *row[len(widths) :]]).rstrip())


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
