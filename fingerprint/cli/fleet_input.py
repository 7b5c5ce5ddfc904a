"""What the commands of fleets have in common: the file, the rejects, the progress."""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from fingerprint._io.atomic import only_for_us
from fingerprint.cli.output import is_terminal, warn, write
from fingerprint.errors import InputError, Refused, UsageError
from fingerprint.fleet.io.readers import Fleet, open_fleet
from fingerprint.fleet.io.tar import MEBIBYTE
from fingerprint.fleet.io.writer import TableWriter
from fingerprint.fleet.rejects import Accepted, Rejects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from fingerprint.cli.parser import Arguments

_NAMES = 5


class Input:
    """A fleet that is being read, with what was rejected of it."""

    def __init__(self, fleet: Fleet, rejects: Rejects, what: str) -> None:
        self.fleet = fleet
        self.rejects = rejects
        self._what = what

    def batches(self) -> Accepted:
        """Return its batches, with a progress bar on a terminal while they are read."""
        return Accepted(self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        with progress(self.fleet.rows, self._what) as advance:
            for batch in self.fleet.batches(self.rejects):
                yield batch
                advance(batch.num_rows)

    def warn(self) -> None:
        """Say on standard error what was rejected."""
        if self.rejects.count:
            first = self.rejects.first[0]
            warn(
                f"{self.rejects.count} rows were left out, the first: {first['file']}, row {first['row']}: "
                f"{first['reason']}"
            )


@contextmanager
def reading(arguments: Arguments, what: str, path: str | None = None, *, stable: bool = False) -> Iterator[Input]:
    """Open the fleet that a command line names, and the file of its rejects, which is kept as far as it came.

    Args:
        arguments: of the command line.
        what: what is done with the rows, such as "checking".
        path: the file; None for that of the command line.
        stable: whether the command needs the columns of scheme `stable`.

    Raises:
        InputError: a file cannot be opened.
        Refused: the file of the rejects exists.
    """
    fleet = opened(arguments, arguments.FLEET if path is None else path, stable=stable)
    if arguments.rejects is None:
        yield Input(fleet, Rejects(), what)
        return
    try:
        with open(arguments.rejects, "x", encoding="utf-8", opener=only_for_us) as file:
            yield Input(fleet, Rejects(file), what)
    except FileExistsError:
        raise Refused("the file exists", where=arguments.rejects, remedy="Name a new file, or remove it") from None
    except OSError as error:
        raise InputError(f"it could not be written ({error.strerror})", where=arguments.rejects) from None


def opened(arguments: Arguments, path: str, *, stable: bool = False) -> Fleet:
    """Return the fleet of a path, as the options say. Raises InputError, UsageError."""
    if arguments.unpack_limit < 1:
        raise UsageError(f"invalid --unpack-limit {arguments.unpack_limit}: must be 1 or more MiB")
    limit = arguments.unpack_limit * MEBIBYTE
    return open_fleet(path, format=arguments.format, unpack_limit=limit, stable=stable)


def warn_of_left_out(names: tuple[str, ...]) -> None:
    """Say on standard error which attributes few machines have, so that they were not compared."""
    if names:
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        warn(f"attributes of few machines were not compared: {', '.join(map(repr, names[:_NAMES]))}{more}")


def writing(path: str | None) -> AbstractContextManager[TableWriter | None]:
    """Return the writer of a table, or of none, for a `with`.

    An `ExitStack` would not do: what is interrupted between its own steps leaves the file that it just entered.
    """
    return TableWriter(path) if path else nullcontext()


@contextmanager
def progress(rows: int | None, what: str) -> Iterator[Callable[[int], object]]:
    """Yield what is to be called with how many rows more are done; it shows them on a terminal if the work takes long.

    Args:
        rows: how many there are, None if that is not known.
        what: what is done with them, such as "checking".
    """
    if not is_terminal(sys.stderr):
        # Nobody sees it, and the interpreter may lose a Ctrl-C while it imports modules.
        yield lambda _: None
        return
    from tqdm import tqdm

    with tqdm(file=sys.__stderr__, total=rows, desc=what, unit=" rows", unit_scale=True, leave=False, delay=0.5) as bar:
        yield bar.update


def share(count: int, rows: int) -> str:
    """Return a share of rows as a percentage, "-" without rows."""
    return f"{100 * count / rows:.2f} %" if rows else "-"


def heading(text: str) -> None:
    """Write the heading of a table."""
    write()
    write(text)
