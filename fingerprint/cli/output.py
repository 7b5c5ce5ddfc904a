"""Text and JSON on standard output: tables within 80 columns, colour only on a terminal, masked ids."""

from __future__ import annotations

import os
import sys

from fingerprint._core import dumps
from fingerprint._io.text import distinct, forget_masks, masked, printable, visible, visible_json, without_passwords
from fingerprint.errors import OutputError, PipeClosed, writable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from logging import StreamHandler
    from typing import Any, TextIO

    from fingerprint.cli.parser import Arguments
    from fingerprint.cli.remedy_commands import Advice

_COLORS = {"good": "32", "bad": "31", "doubt": "33", "strong": "1"}
# Stands for a blank of a command while its text is folded: commands stay on a line, so that they can be copied.
_KEPT_BLANK = "\0"


# Stands for the beginning of our own escape sequences until they are written: a text that nobody else can write.
_color_mark = ""

# The command line whose answer is written, and how the commands in it are printed.
_run: Arguments | None = None
_advice: Advice | None = None


def write_utf_8() -> None:
    """Let both standard streams be UTF-8 where they are pipes or files, whatever a locale or a code page says.

    Who reads them may have another one. A terminal is left as it is: it shows what its encoding has.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and stream.encoding != "utf-8" and not is_terminal(stream):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]


def begin_run(arguments: Arguments | None) -> None:
    """Let the commands that are printed from now on carry the target of this command line."""
    global _run, _advice
    _run, _advice = arguments, None
    forget_masks()


def write(text: str = "") -> None:
    """Write one line of the answer; what cannot be encoded is written with escapes."""
    _emit(aimed(text) + "\n")


def write_data(text: str) -> None:
    """Write one line for another program; JSON comes from `json_text`, or has nothing in it that others wrote."""
    _emit(text + "\n")


def write_json(data: object) -> None:
    """Write JSON of another program's making, without the members that our answers have."""
    write_data(_json(data, 0))


def aimed(text: str) -> str:
    """Return a text with the commands that it names for the target of this run."""
    return _the_advice().text(text) if _may_advise(text) else text


def step(text: str, command: str) -> tuple[str, str]:
    """Return what to do and its command for the target of this run."""
    return _the_advice().step(text, command)


def aimed_answer(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with the commands that it names for the target of this run."""
    return dict(_the_advice().answer(answer))


def _may_advise(text: str) -> bool:
    """Return whether a text may name a command; nearly none does, and then nothing is loaded."""
    elsewhere = _run is not None and (
        _run.root != "/" or _run.snapshot is not None or _run.command.path in ("diagnose logs", "explain")
    )
    return "fingerprint " in text or (elsewhere and (": " in text or "`" in text))


def _the_advice() -> Advice:
    global _advice
    if _advice is None:
        # Imported here: what is fine advises nothing.
        from fingerprint.cli.remedy_commands import Advice

        _advice = Advice(_run)
    return _advice


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
    # The one place where an answer leaves: of what others wrote nothing is left that a terminal obeys.
    text = "\x1b[".join(map(visible, text.split(_color_mark))) if _color_mark else visible(text)
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    except OSError as error:
        raise _output_error(error) from None


def _output_error(error: OSError | None) -> OutputError:
    if isinstance(error, BrokenPipeError):
        return PipeClosed()
    why = error.strerror if error and error.strerror else "it is closed"
    return OutputError(f"the answer could not be written ({why})", where="standard output")


def warn(text: str) -> None:
    """Write one line of diagnostics, if there is a place for it: the answer is worth more."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"fingerprint: {_diagnostic(text)}\n")
        sys.stderr.flush()
    except OSError:
        return


class VisibleStream:
    """Standard error for all of the program: libraries, warnings and tracebacks print what others wrote."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text without what a terminal would obey."""
        return self._stream.write(visible(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def show_progress(text: str) -> None:
    """Write a text of our own, with its carriage returns, to the terminal."""
    stream = sys.stderr._stream if isinstance(sys.stderr, VisibleStream) else sys.stderr
    if stream is not None:
        stream.write(text)
        stream.flush()


def _diagnostic(text: str) -> str:
    return visible(without_passwords(aimed(text)))


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a standard stream is a terminal; one that was closed is None."""
    return stream is not None and stream.isatty()


def show_log() -> None:
    """Let what the library warns of stand on standard error like our own diagnostics."""
    from logging import getLogger

    getLogger("fingerprint").addHandler(log_handler("fingerprint: %(message)s"))


def log_handler(form: str) -> StreamHandler[TextIO]:
    """Return a handler that writes records of the library to standard error, their commands for the target of this run.

    Args:
        form: the form of a line, as `logging.Formatter` takes it.
    """
    # Imported here: logging costs more than a check.
    from logging import Formatter, LogRecord, StreamHandler

    class Aimed(Formatter):
        def format(self, record: LogRecord) -> str:
            return _diagnostic(super().format(record))

    handler = StreamHandler()
    handler.setFormatter(Aimed(form))
    return handler


def print_json(command: str, answer: dict[str, Any]) -> None:
    """Write the answer of a command, which a function of `fingerprint.answers` made, as one JSON object."""
    # Imported here: text is printed without it.
    from fingerprint.answers import enveloped

    write_data(json_text(enveloped(command, answer), indent=2))


def json_text(answer: dict[str, Any], *, indent: int = 0) -> str:
    """Return an answer as JSON, its commands for the target of this run."""
    text = _json(answer, indent)
    return _json(aimed_answer(answer), indent) if _may_advise(text) else text


def _json(answer: Any, indent: int) -> str:
    try:
        data = dumps(answer, html_safe=False, indent=indent)
    except ValueError:
        data = dumps(_writable(answer), html_safe=False, indent=indent)
    return visible_json(data.decode("utf-8"))


def _writable(value: Any) -> Any:
    """Return an answer with escapes in place of what is no text: a path may hold any bytes."""
    if isinstance(value, str):
        return writable(value)
    if isinstance(value, dict):
        return {name: _writable(one) for name, one in value.items()}
    return [_writable(one) for one in value] if isinstance(value, (list, tuple)) else value


def folded(text: str, width: int) -> list[str]:
    """Return a text as lines of at most so many characters; a longer word or command has a line of its own."""
    lines, line = [], ""
    for part in _unbroken(_the_advice().text(text, _KEPT_BLANK) if _may_advise(text) else text).split():
        word = part.replace(_KEPT_BLANK, " ")
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
    return [*lines, line]


def _unbroken(text: str) -> str:
    """Return a text in which no line ends within backquotes: what stands there can be copied."""
    if text.count("`") % 2:
        return text
    parts = text.split("`")
    return "`".join(part.replace(" ", _KEPT_BLANK) if number % 2 else part for number, part in enumerate(parts))


def shown(name: str, value: str | None, arguments: Arguments) -> str:
    """Return an attribute's value for people: the hardware ID masked unless it is to be revealed."""
    if value is None:
        return "(no such key)"
    if value == "":
        return "(empty)"
    # Imported here: most commands show no attributes.
    from fingerprint.attributes.ssm import SID_KEYS

    return masked(value) if name in SID_KEYS and not arguments.reveal else printable(value)


def colored(text: str, color: str, arguments: Arguments) -> str:
    """Return the text in a colour if standard output is a terminal that wants it."""
    if arguments.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    if not is_terminal(sys.stdout):
        return text
    global _color_mark
    _color_mark = _color_mark or os.urandom(16).hex()
    return f"{_color_mark}{_COLORS[color]}m{text}{_color_mark}0m"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int]) -> None:
    """Write a table, a row on a line: each cell cut to the width of its column, the last one at its full length."""
    for row in (head, *rows):
        plain = [printable(cell) for cell in row]
        cells = [_cut(cell, width).ljust(width) for cell, width in zip(plain, widths, strict=False)]
        write_data("  " + "  ".join([*cells, *plain[len(widths) :]]).rstrip())


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else distinct(text[: width - 1] + "…", text)
