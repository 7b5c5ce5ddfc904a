"""Writing a file that a user named: a new one that only its owner reads, or nothing at all."""

from __future__ import annotations

import os

from fingerprint.errors import InputError, Refused


def write_new(path: str, data: bytes, what: str) -> None:
    """Write a new file, mode 0600, durably.

    Args:
        path: the file.
        data: its bytes.
        what: what it is, for errors, such as "snapshot".

    Raises:
        Refused: the file exists.
        InputError: it could not be written; nothing of it is left.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise Refused(
            "the file exists; nothing was written", where=path, remedy="Name a new file, or remove the old one"
        ) from None
    except OSError as error:
        raise _not_written(path, what, error) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        os.unlink(path)
        if isinstance(error, OSError):
            raise _not_written(path, what, error) from None
        raise


def _not_written(path: str, what: str, error: OSError) -> InputError:
    return InputError(
        f"the {what} could not be written ({error.strerror})", where=path, remedy="Name a file that can be written"
    )
