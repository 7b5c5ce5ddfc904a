"""Writing a file that a user named: a new one that only its owner reads, whole, or nothing at all."""

from __future__ import annotations

import os

from fingerprint.errors import InputError, Refused


def write_new(path: str, data: bytes, what: str) -> None:
    """Write a new file, mode 0600, durably. It gets its name when it is whole, whatever happens on the way.

    Args:
        path: the file.
        data: its bytes.
        what: what it is, for errors, such as "snapshot".

    Raises:
        Refused: the file exists.
        InputError: it could not be written; nothing of it is left.
    """
    if os.path.lexists(path):
        raise _exists(path)
    try:
        unnamed = unnamed_beside(path)
        try:
            with open(unnamed, "xb", opener=only_for_us) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            give_name(unnamed, path)
        finally:
            if os.path.lexists(unnamed):
                os.unlink(unnamed)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise InputError(
            f"the {what} could not be written ({error.strerror})", where=path, remedy="Name a file that can be written"
        ) from None


def unnamed_beside(path: str) -> str:
    """Return a hidden name beside a file, under which it is written before it gets its own.

    It is known before anything is made, so that no signal comes in between and leaves a file that nobody removes.
    Raises OSError: the path begins in the current folder, and that is gone.
    """
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(folder, f".{name}.{os.urandom(4).hex()}.tmp")


def only_for_us(path: str, flags: int) -> int:
    """Open a file as `open` does with it as its opener: a new one is read by its owner only."""
    return os.open(path, flags, 0o600)


def give_name(unnamed: str, path: str) -> None:
    """Give a file its name unless something has it. Raises FileExistsError."""
    try:
        os.link(unnamed, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links; there only a writer in this very moment could be overwritten.
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        os.replace(unnamed, path)


def _exists(path: str) -> Refused:
    return Refused("the file exists; nothing was written", where=path, remedy="Name a new file, or remove the old one")
