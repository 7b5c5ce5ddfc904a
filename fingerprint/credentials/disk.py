"""Files and programs of a machine, as the order of credential sources reads them."""

from __future__ import annotations

import errno
import shutil
import stat
from configparser import Error as IniError
from configparser import RawConfigParser

from fingerprint._io.text import printable
from fingerprint.credentials.profile_dialects import SECRET_KEY
from fingerprint.credentials.source_values import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine

LIMIT = 1024 * 1024
_OTHERS_MAY = stat.S_IRWXG | stat.S_IRWXO
# Directories to search for root's programs on a copied disk.
_PROGRAM_DIRECTORIES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
OPEN_MODE, UNPARSABLE = "open-mode", "unparsable-file"
ABSENT = (errno.ENOENT, errno.ENOTDIR)


class Disk:
    """Files of a machine; links on a copied disk do not lead out of it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def read(self, path: str) -> bytes:
        """Return the content of a file. Raises OSError."""
        return self._machine.read_file(path, LIMIT)

    def mode(self, path: str) -> int:
        """Return the permission bits of a file. Raises OSError."""
        return self._machine.status(path).mode

    def has_program(self, name: str) -> bool:
        """Return whether a program exists, by its path or by a search for its name."""
        if not self._machine.copied:
            return shutil.which(name) is not None
        return any(
            map(
                self._is_program,
                [name] if "/" in name else [f"{directory}/{name}" for directory in _PROGRAM_DIRECTORIES],
            )
        )

    def _is_program(self, path: str) -> bool:
        try:
            status = self._machine.status(path)
        except OSError:
            return False
        return status.kind == "file" and bool(status.mode & 0o111)


def parsed(data: bytes) -> RawConfigParser | None:
    """Return the sections of a credentials file, duplicates joined; None if it is not an INI file."""
    parser = RawConfigParser(default_section="\0", strict=False, allow_no_value=True)
    try:
        parser.read_string(data.decode("utf-8"))
    except (IniError, UnicodeDecodeError):
        # The parser's own message has the line, and with it a secret.
        return None
    return parser


def open_keys(disk: Disk, path: str) -> list[Finding]:
    """Return the finding that other users may read the keys in a file, if so; nothing for an unreadable file."""
    try:
        parser, mode = parsed(disk.read(path)), disk.mode(path)
    except (OSError, ValueError):
        return []
    return open_mode(printable(path), mode, parser) if parser is not None else []


def open_mode(path: str, mode: int, parser: RawConfigParser) -> list[Finding]:
    """Return the finding that users other than its owner may read the keys in a file, if so."""
    if mode & _OTHERS_MAY and any(parser.has_option(part, SECRET_KEY) for part in parser.sections()):
        from shlex import quote

        what = f"other users may read its keys (mode {mode:04o})"
        return [Finding(OPEN_MODE, what, path, f"Run: chmod 600 {quote(path)}")]
    return []
