"""A machine that keeps its answers: each file, command, dump and query is read once in one observation.

All values of an observation are then of one moment, and a tool that hangs costs its time limit once. The gate and
`watch` make many observations; each keeps its own answers.
"""

from __future__ import annotations

import errno
from _thread import allocate_lock

from fingerprint.machine.base import END_LIMIT, FILE_LIMIT, Machine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from typing_extensions import Self

    from fingerprint.machine.processes import CommandResult

    _T = TypeVar("_T")
    _M = TypeVar("_M", bound=Machine)

REFUSAL = "a machine that keeps its answers cannot be read again: use the machine that it was made from"
# Methods whose answer depends on their arguments only.
_QUESTIONS = (
    "access_list", "addresses", "agent_processes", "agent_version", "default_route", "exists", "firmware_table",
    "host_name", "links", "list_directory", "machine_guid", "outgoing_address", "processor", "processor_id", "reader",
    "service_state", "status", "utc_offset", "which", "windows_directory",
)  # fmt: skip


class Kept(Machine):
    """Keeps the answers of a machine, whose class is the other base class of a keeping machine.

    A failure is kept like an answer. Checks ask from several threads; a second thread with the same question waits.
    """

    # Beside the attributes of the machine, which both objects share.
    __slots__ = ("_answers", "_ends", "_files", "_locks", "_results")

    _answers: dict[object, tuple[Any, OSError | None]]
    _files: dict[str, tuple[int, bytes, OSError | None]]
    _ends: dict[str, tuple[int, bytes, OSError | None]]
    _results: dict[tuple[str, ...], tuple[float, CommandResult]]
    _locks: dict[object, Any]

    def keeping(self) -> Self:
        return self

    def require_fresh(self) -> None:
        raise RuntimeError(REFUSAL)

    def once(self, key: object, ask: Callable[[], _T]) -> _T:
        if key not in self._answers:
            with self._lock(key):
                if key not in self._answers:
                    try:
                        self._answers[key] = (ask(), None)
                    except OSError as error:
                        self._answers[key] = (None, error)
        answer, refused = self._answers[key]
        if refused is not None:
            raise refused.with_traceback(None)
        return answer  # type: ignore[no-any-return]

    def _lock(self, key: object) -> Any:
        return self._locks.setdefault(key, allocate_lock())

    def read_file(self, path: str, limit: int = FILE_LIMIT) -> bytes:
        with self._lock(("file", path)):
            read, data, error = self._files.get(path, (0, b"", None))
            # Only a file that was too long is read again, with a higher limit.
            if not read or (error is not None and error.errno == errno.EFBIG and limit > read):
                try:
                    data, error = super().read_file(path, limit), None
                except OSError as refused:
                    error = refused
                self._files[path] = limit, data, error
        if error is not None:
            raise error.with_traceback(None)
        if len(data) > limit:
            raise OSError(errno.EFBIG, f"it has more than {limit} bytes", path)
        return data

    def read_end(self, path: str, limit: int) -> bytes:
        with self._lock(("end", path)):
            read, data, error = self._ends.get(path, (0, b"", None))
            if limit > read:
                # The most that any caller reads, so that the next one need not read it again.
                read = max(limit, END_LIMIT)
                try:
                    data, error = super().read_end(path, read), None
                except OSError as refused:
                    error = refused
                self._ends[path] = read, data, error
        if error is not None:
            raise error.with_traceback(None)
        return data if len(data) <= limit else data[-limit:].partition(b"\n")[2]

    def run(
        self, commands: Sequence[tuple[str, ...]], timeout: float, meanwhile: Callable[[], None] = lambda: None
    ) -> list[CommandResult]:
        wanted = [tuple(argv) for argv in commands]
        # In one order, so that two threads with the same commands do not deadlock.
        locks = [self._lock(("run", argv)) for argv in sorted(set(wanted))]
        for lock in locks:
            lock.acquire()
        try:
            new = [argv for argv in dict.fromkeys(wanted) if self._must_run(argv, timeout)]
            if new:
                results = super().run(new, timeout, meanwhile)
                self._results.update(zip(new, ((timeout, result) for result in results), strict=True))
            found = [self._results[argv][1] for argv in wanted]
        finally:
            for lock in locks:
                lock.release()
        if not new:
            meanwhile()
        return found

    def _must_run(self, argv: tuple[str, ...], timeout: float) -> bool:
        """Return whether a command must run: it has not run yet, or it was killed and now has more time."""
        if argv not in self._results:
            return True
        limit, result = self._results[argv]
        return result.problem == "timeout" and timeout > limit


def _kept(name: str) -> Callable[..., Any]:
    def ask(self: Kept, *arguments: Any) -> Any:
        return self.once((name, *arguments), lambda: getattr(super(Kept, self), name)(*arguments))

    return ask


for _name in _QUESTIONS:
    setattr(Kept, _name, _kept(_name))

_KINDS: dict[type[Machine], type[Machine]] = {}


def keep(machine: _M) -> _M:
    """Return a machine of the same class, with the same attributes, that reads everything once."""
    kind: Any = _KINDS.get(type(machine))
    if kind is None:
        kind = _KINDS[type(machine)] = type(f"Kept{type(machine).__name__}", (Kept, type(machine)), {"__slots__": ()})
    one: Any = object.__new__(kind)
    # Shared: both continue the clock of a recording and the counters of a machine.
    one.__dict__ = machine.__dict__
    one._answers, one._files, one._ends, one._results, one._locks = {}, {}, {}, {}, {}
    return one  # type: ignore[no-any-return]
