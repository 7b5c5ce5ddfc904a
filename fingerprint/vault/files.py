"""The directories and files of a vault: one interface, and one module for each family of systems, chosen here.

`KeptFiles` reads each file once, for one observation; a vault with kept files is read-only. Where a record does not
agree with our journal, `reading` forgets the kept files and reads again: a program may have written between the two.
"""

from __future__ import annotations

import sys
from _thread import RLock

from fingerprint._core import JsonError, loads
from fingerprint.errors import VaultCorrupt, VaultError
from fingerprint.vault.os_errors import FILE_LIMIT, JOURNAL_LIMIT

if sys.platform == "win32":
    from fingerprint.vault._windows import Directory
else:
    from fingerprint.vault._posix import Directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from typing_extensions import Self

    _T = TypeVar("_T")

__all__ = ["FILES", "Files", "Directory", "KeptFiles", "is_torn", "read_settled"]

# How long is waited for a program that truncated a file and has not written it yet: 0.127 s in all.
_PAUSES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
# A file that was not touched for so long is not being written.
_STILL_SECONDS = 2.0
# The file and its time for which was last waited in vain: of one that is damaged is waited once.
_in_vain: tuple[str, float] = ("", 0.0)


def read_settled(directory: Directory, name: str) -> bytes | None:
    """Return the bytes of a record or a manifest, None if it does not exist.

    The agent truncates such a file and then writes it. Who comes in between reads nothing, or the beginning, so
    this waits and reads again, while somebody may be writing.

    Raises:
        VaultError: as `Directory.read`.
    """
    data = directory.read(name)
    if data is None or not is_torn(data):
        return data
    # Imported here: a complete record needs neither.
    from time import sleep, time

    global _in_vain
    seen = ("", 0.0)
    for pause in _PAUSES:
        touched = directory.touched(name)
        if touched is None or time() - touched > _STILL_SECONDS:
            return data
        seen = (f"{directory.path}/{name}", touched)
        if seen == _in_vain:
            return data
        sleep(pause)
        data = directory.read(name)
        if data is None or not is_torn(data):
            return data
    _in_vain = seen
    return data


def is_torn(data: bytes) -> bool:
    """Return whether bytes are nothing, or the beginning of a JSON object and not all of it."""
    text = data.strip()
    if not text:
        return True
    # Cut within a string it has an odd number of quotes, cut elsewhere more opening braces. Braces and quotes within
    # strings may give a complete one such counts, so only parsing decides.
    quotes = data.count(b'"') - data.count(b'\\"')
    if text[:1] != b"{" or (text[-1:] == b"}" and data.count(b"{") == data.count(b"}") and quotes % 2 == 0):
        return False
    try:
        loads(data)
    except JsonError:
        return True
    return False


class Files:
    """How a vault opens directories to read: each time anew."""

    keeping = False

    def open(self, path: str, parent: Any = None, *, unsafe: bool = False) -> Any:
        """Return an open directory, see `Directory.open`."""
        return Directory.open(path, parent, unsafe=unsafe)

    def settled(self, directory: Any, name: str) -> bytes | None:
        """Return the bytes of a record or a manifest, see `read_settled`."""
        return read_settled(directory, name)

    def once(self, _key: object, ask: Callable[[], _T]) -> _T:
        """Return what `ask` returns; where answers are kept the first one, or raise its error."""
        return ask()

    def forget(self) -> None:
        """Read every file again that is asked for from now on."""


FILES = Files()


class KeptFiles(Files):
    """What was read, directory by directory; a failure is kept like an answer. Threads wait for each other."""

    keeping = True

    def __init__(self) -> None:
        self.lock = RLock()
        # What files hold, which `forget` forgets, and what was made of it.
        self.read: dict[object, tuple[Any, VaultError | None]] = {}
        self._answers: dict[object, tuple[Any, VaultError | None]] = {}

    def open(self, path: str, parent: KeptDirectory | None = None, *, unsafe: bool = False) -> KeptDirectory:
        return KeptDirectory(self, path, parent, unsafe)

    def settled(self, directory: KeptDirectory, name: str) -> bytes | None:
        return directory.settled(name)

    def once(self, key: object, ask: Callable[[], _T]) -> _T:
        return _once(self.lock, self._answers, key, ask)

    def forget(self) -> None:
        with self.lock:
            self.read.clear()


class KeptDirectory:
    """A directory that is opened only for what was not read yet; a context manager that closes it."""

    def __init__(self, files: KeptFiles, path: str, parent: KeptDirectory | None, unsafe: bool) -> None:
        self.path: str = f"{parent.path}/{path}" if parent else path
        self._files = files
        self._where = path, parent, unsafe
        self._directory: Directory | None = None
        # Raises what is wrong with it.
        self._once("open", lambda: bool(self._open()), unsafe)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._directory is not None:
            self._directory.close()
            self._directory = None

    def close(self) -> None:
        self.__exit__()

    def names(self) -> list[str]:
        return self._once("names", lambda: self._open().names())

    def size(self, name: str) -> int:
        return self._once("size", lambda: self._open().size(name), name)

    def defects(self, name: str = ".") -> list[tuple[str, str, bool]]:
        return self._once("defects", lambda: self._open().defects(name), name)

    def read(self, name: str, limit: int = FILE_LIMIT, *, tail: int = 0) -> bytes | None:
        if not tail:
            return self._once("data", lambda: self._open().read(name, limit), name)
        try:
            # The rest of a journal is asked for, too.
            data = self.read(name, JOURNAL_LIMIT)
        except VaultCorrupt:
            return self._open().read(name, tail=tail)
        return data if data is None else data[-tail:]

    def settled(self, name: str) -> bytes | None:
        """Return the bytes of a record or a manifest, see `read_settled`."""
        return self._once("data", lambda: read_settled(self._open(), name), name)

    def _once(self, what: str, ask: Callable[[], _T], more: object = "") -> _T:
        return _once(self._files.lock, self._files.read, (self.path, what, more), ask)

    def _open(self) -> Directory:
        if self._directory is None:
            path, parent, unsafe = self._where
            self._directory = Directory.open(path, parent._open() if parent is not None else None, unsafe=unsafe)
        return self._directory


def _once(lock: Any, answers: dict[object, tuple[Any, VaultError | None]], key: object, ask: Callable[[], _T]) -> _T:
    with lock:
        if key not in answers:
            try:
                answers[key] = ask(), None
            except VaultError as error:
                answers[key] = None, error
        answer, refused = answers[key]
    if refused is not None:
        raise refused.again()
    return answer  # type: ignore[no-any-return]
