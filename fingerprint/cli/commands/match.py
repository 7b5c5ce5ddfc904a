"""`fingerprint match`: many pairs as JSON Lines, streaming, at native speed."""

from __future__ import annotations

import os
import sys

from fingerprint._io.pipes import InterruptibleFile
from fingerprint._matchlines import Matcher
from fingerprint.cli.output import flush, is_terminal, show_progress, warn
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, InputError, OutputError, PipeClosed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments

# What a pipe delivers at once is answered at once, so that another program can ask and wait.
_CHUNK = 1024 * 1024


def run(arguments: Arguments) -> int:
    file, where = _open(arguments.FILE)
    flush()
    matcher = Matcher()
    with file:
        progress = _Progress(file.fileno())
        try:
            while chunk := _read(file, where):
                _write(matcher.feed(chunk))
                progress.add(len(chunk), matcher.lines)
            _write(matcher.finish())
        finally:
            progress.end()
    if matcher.errors:
        warn(f"{matcher.errors} of {matcher.lines} lines are bad, the first: {matcher.first_error}")
        return EXIT_CANNOT_TELL
    return EXIT_DIFFERS if matcher.differs else EXIT_OK


def _open(name: str) -> tuple[InterruptibleFile, str]:
    where = "standard input" if name == "-" else name
    try:
        return InterruptibleFile(0 if name == "-" else name), where
    except OSError as error:
        raise _input_error(error, where) from None


def _read(file: InterruptibleFile, where: str) -> bytes:
    try:
        return file.read(_CHUNK)
    except OSError as error:
        raise _input_error(error, where) from None


def _input_error(error: OSError, where: str) -> InputError:
    return InputError(f"could not be read ({error.strerror})", where=where, remedy="Name a file of JSON Lines, or -")


def _write(text: bytes) -> None:
    view = memoryview(text)
    try:
        while view:
            view = view[os.write(1, view) :]
    except BrokenPipeError:
        raise PipeClosed from None
    except OSError as error:
        raise OutputError(f"the answer could not be written ({error.strerror})", where="standard output") from None


class _Progress:
    """A line on the terminal for long files: how much is read, and how many lines that was."""

    def __init__(self, descriptor: int) -> None:
        self._done = 0
        self._total = 0
        self._percent = -1
        if is_terminal(sys.stderr) and not os.isatty(1):
            self._total = os.fstat(descriptor).st_size

    def add(self, count: int, lines: int) -> None:
        self._done += count
        # Below this size it is over before anybody can read it.
        if self._total < 64 * _CHUNK:
            return
        percent = self._done * 100 // self._total
        if percent != self._percent:
            self._percent = percent
            show_progress(f"\r{percent:3d} %  {lines} lines")

    def end(self) -> None:
        if self._percent >= 0:
            show_progress("\r\x1b[K")
