"""One profile of the shared credentials file: everything else in it stays, to the byte."""

from __future__ import annotations

import os

from fingerprint.errors import InputError, UsageError, VaultError
from fingerprint.vault.files import Folder
from fingerprint.vault.places import is_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.service.tokens import RoleCredentials

NAMES = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_LIMIT = 1024 * 1024


def default_path() -> str:
    """Return AWS_SHARED_CREDENTIALS_FILE, else `.aws/credentials` in the home of the user.

    With the rights of another user than the caller's, it is in the home of that one, whatever the environment says.
    """
    if is_own(os.environ):
        named = os.environ.get("AWS_SHARED_CREDENTIALS_FILE")
        return named or os.path.join(os.path.expanduser("~"), ".aws", "credentials")
    from pwd import getpwuid

    return os.path.join(getpwuid(os.geteuid()).pw_dir, ".aws", "credentials")


def updated(text: str, profile: str, credentials: RoleCredentials) -> str:
    """Return the text of a credentials file with the three values of one profile replaced, or the profile added.

    Comments, order, other settings and other profiles stay as they are.

    Raises:
        UsageError: the name of the profile cannot stand in brackets.
    """
    if not profile or any(c in "[]\r\n" for c in profile):
        raise UsageError(f"{profile!r} is no name of a profile", remedy="Use letters, digits and dashes")
    values = dict(
        zip(
            NAMES,
            (credentials.access_key_id, credentials.secret_access_key, credentials.session_token),
            strict=True,
        )
    )
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith(("\n", "\r")):
        lines[-1] += "\n"
    begin = next((i for i, line in enumerate(lines) if _section(line) == profile), None)
    if begin is None:
        gap = ["\n"] if lines and lines[-1].strip() else []
        return "".join([*lines, *gap, f"[{profile}]\n", *(f"{name} = {value}\n" for name, value in values.items())])
    end = next((i for i in range(begin + 1, len(lines)) if _section(lines[i]) is not None), len(lines))
    last = max((i for i in range(begin, end) if lines[i].strip()), default=begin)
    for number in range(begin + 1, end):
        name = lines[number].partition("=")[0].strip().lower()
        if name in values and not lines[number][:1].isspace():
            ending = lines[number][len(lines[number].rstrip("\r\n")) :]
            lines[number] = f"{name} = {values.pop(name)}{ending}"
    missing = [f"{name} = {value}\n" for name, value in values.items()]
    return "".join([*lines[: last + 1], *missing, *lines[last + 1 :]])


def _section(line: str) -> str | None:
    stripped = line.strip()
    if not stripped.startswith("[") or "]" not in stripped:
        return None
    return stripped[1 : stripped.index("]")].strip()


def update(path: str, profile: str, credentials: RoleCredentials) -> None:
    """Replace one profile of a file, atomically; the file then has mode 0600, and its folder 0700 if it is made.

    Raises:
        InputError: the file could not be read or written, or is not text; it is as it was.
        UsageError: the name of the profile cannot be used.
    """
    folder_path, name = os.path.split(os.path.abspath(path))
    try:
        with Folder.make(folder_path, 0o700) as folder:
            folder.lock(30.0)
            data = folder.read(name, _LIMIT) or b""
            folder.replace(name, updated(data.decode("utf-8"), profile, credentials).encode("utf-8"))
    except UnicodeDecodeError:
        raise InputError(
            "the credentials file is not UTF-8 text", where=path, remedy="It is as it was; mend it"
        ) from None
    except VaultError as error:
        raise InputError(error.what, where=error.where, remedy=error.remedy) from None
