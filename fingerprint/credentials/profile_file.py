"""Update one profile of the shared credentials file; everything else in it stays, to the byte.

Only values are replaced; a line keeps its indent, its delimiter and its ending. (ConfigUpdater parses these files and
keeps what it does not touch, but writes a changed setting without its indent, so that the next indented line becomes
part of its value.) Before the file is replaced, the new text is read by the rules of each SDK.
"""

from __future__ import annotations

import os

from fingerprint.credentials.profile_dialects import (
    BOTOCORE,
    DIALECTS,
    NAMES,
    OLD_TOKEN,
    Line,
    Unreadable,
    credentials_file,
    keys_of,
    lines_of,
)
from fingerprint.errors import InputError, Refused, UsageError, VaultError
from fingerprint.vault.files import Directory
from fingerprint.vault.locations import is_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.credentials.profile_dialects import Profiles
    from fingerprint.registration.role_token import RoleCredentials

_LIMIT = 1024 * 1024
_OURS = (*NAMES, OLD_TOKEN)
# Every SDK reads a profile name of these characters; configparser reserves DEFAULT.
_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/.%@:+"
_RESERVED = "DEFAULT"
_BYTE_ORDER_MARK = "\ufeff"
_PLAIN = "Write each setting as `name = value` at the start of its line, then run the command again"


def default_path() -> str:
    """Return AWS_SHARED_CREDENTIALS_FILE, else `.aws/credentials` in the home of the user.

    A process with the rights of another user than its caller (sudo) gets the file in that user's home, whatever the
    environment says.
    """
    if is_own(os.environ):
        return credentials_file(os.path.expanduser("~"), os.environ)
    from pwd import getpwuid

    return credentials_file(getpwuid(os.geteuid()).pw_dir, {})


def updated(text: str, profile: str, credentials: RoleCredentials, where: str = "") -> tuple[str, list[str]]:
    """Return the text of a credentials file with the keys of one profile replaced, or the profile added, and warnings.

    Comments, order, other settings and other profiles stay as they are, for every SDK. An `aws_security_token` of the
    profile is removed: botocore prefers it to the new `aws_session_token`.

    Args:
        text: the file.
        profile: the name in brackets.
        credentials: the new keys.
        where: path of the file, for errors.

    Returns:
        The new text, and which SDKs do not read the profile, as they did not before.

    Raises:
        Refused: botocore already rejects the file, or the change would damage it for an SDK.
        UsageError: not every SDK reads a profile of this name.
    """
    new = (credentials.access_key_id, credentials.secret_access_key, credentials.session_token)
    for name, value in zip(NAMES, new, strict=True):
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            raise Refused(
                f"the service's {name} is empty or has characters that a credentials file cannot hold",
                where=where,
                remedy="Use `fingerprint credentials process`, which hands it over as JSON",
            )
    found = {sdk: _read(sdk, text) for sdk in DIALECTS}
    before = found[BOTOCORE]
    if isinstance(before, Unreadable):
        raise Refused(
            f"botocore rejects the credentials file: {before.why}. Nothing was written",
            where=f"{where}:{before.line}",
            remedy=_remedy(before, text, where),
        )
    if profile not in before and (not profile or profile == _RESERVED or profile.strip(_NAME_CHARACTERS)):
        raise UsageError(
            f"invalid profile name {profile!r}: not every AWS SDK reads it",
            remedy="Use letters, digits and _ - / . % @ : +",
        )

    def edited(*, colons: bool) -> tuple[str, list[str]]:
        after = _edited(text, profile, dict(zip(NAMES, new, strict=True)), where, colons=colons)
        verified = (_verify(sdk, found[sdk], after, profile, before.get(profile), new, where) for sdk in DIALECTS)
        return after, [note for note in verified if note]

    try:
        after, unread = edited(colons=True)
    except Refused as error:
        # An SDK without `name: value` may have read such a line by the = in its value.
        try:
            after, unread = edited(colons=False)
        except Refused:
            raise error from None
    if not unread:
        return after, []
    return after, [
        f"profile {profile} gives its keys to botocore and the AWS CLI, but not to the AWS SDKs for "
        f"{', '.join(unread)}. {_PLAIN}"
    ]


def _read(sdk: str, text: str) -> Profiles | Unreadable:
    try:
        return DIALECTS[sdk](text)
    except Unreadable as error:
        return error


def _remedy(error: Unreadable, text: str, where: str) -> str:
    if text.startswith(_BYTE_ORDER_MARK):
        from shlex import quote

        return f"Remove it with: sed -i '1s/^\\xEF\\xBB\\xBF//' {quote(where)}"
    return f"Correct or remove line {error.line}, then run the command again"


def _edited(text: str, profile: str, values: dict[str, str], where: str, *, colons: bool) -> str:
    """Return the text with values replaced in place; values that the profile lacks follow the others.

    Args:
        text: the file.
        profile: the name in brackets.
        values: the new ones by name.
        where: path of the file, for errors.
        colons: whether `name: value` stays; else it becomes `name= value`.
    """
    lines = list(lines_of(text))
    for number, line in enumerate(lines, 1):
        if line.section == _RESERVED and line.kind == "option" and line.name == OLD_TOKEN:
            raise Refused(
                f"botocore prefers this {OLD_TOKEN} to the new {NAMES[2]}. Nothing was written",
                where=f"{where}:{number}",
                remedy=f"Remove line {number}, then run the command again",
            )
        if line.section == profile and line.kind == "more" and line.name in _OURS:
            raise Refused(
                f"the value of {line.name} continues on this indented line. Nothing was written",
                where=f"{where}:{number}",
                remedy=f"Put the setting on line {number} at the indent of {line.name}, or remove the line",
            )
    ending = next((line.ending for line in lines if line.ending), "\n")
    own = [at for at, line in enumerate(lines) if line.section == profile]
    if not own:
        gap = ending if lines and lines[-1].text.strip() else ""
        added = "".join(f"{name} = {value}{ending}" for name, value in values.items())
        return _ended(text, ending) + f"{gap}[{profile}]{ending}{added}"
    edited = [line.text for line in lines]
    missing = dict(values)
    options = [at for at in own if lines[at].kind == "option"]
    keys = [at for at in options if lines[at].name in _OURS]
    delimiter = ""
    for at in keys:
        line = lines[at]
        delimiter = line.delimiter if colons else line.delimiter.replace(":", "=")
        edited[at] = _replaced(line, delimiter, missing.pop(line.name)) if line.name in missing else ""
    if missing:
        below = (keys or options or own)[-1 if options else 0]
        indent = lines[below].indent if options else ""
        below = _end_of_value(lines, below)
        # Another ending could merge with the next line.
        ending = lines[below].ending or ending
        edited[below] = _ended(edited[below], ending) + "".join(
            f"{indent}{name}{delimiter if delimiter.strip(' ') in ('=', ':') else ' = '}{value}{ending}"
            for name, value in missing.items()
        )
    return "".join(edited)


def _replaced(line: Line, delimiter: str, value: str) -> str:
    # In lower case, as every SDK reads it.
    start = line.indent + line.name + delimiter
    # An empty value has lost the blank before it: `name =`.
    gap = " " if delimiter in (" =", " :") and not line.text[line.start :].strip() else ""
    return start + gap + value + line.ending


def _end_of_value(lines: list[Line], at: int) -> int:
    """Return the last line of a value; for some SDKs an indented comment is part of it."""
    end = at
    for number in range(at + 1, len(lines)):
        line = lines[number]
        if line.kind not in ("more", ""):
            break
        if line.kind == "more" or (line.text[0] in " \t" and line.text.strip()):
            end = number
    return end


def _ended(text: str, ending: str) -> str:
    return text if not text or text.endswith(("\n", "\r")) else text + ending


def _verify(
    sdk: str,
    before: Profiles | Unreadable,
    after: str,
    profile: str,
    known: dict[str, str] | None,
    new: tuple[str, str, str],
    where: str,
) -> str:
    """Return "" if an SDK gets the new keys and everything else as before; its name if it got no keys before either.

    Args:
        sdk: its name.
        before: what it read in the old text.
        after: the new text.
        profile: the profile.
        known: what botocore read of the profile in the old text; None if it was missing.
        new: its new keys.
        where: path of the file, for errors.

    Raises:
        Refused: the change would take something from that SDK.
    """
    if isinstance(before, Unreadable):
        return f"{sdk} (it rejects line {before.line})"
    now = _read(sdk, after)
    if isinstance(now, Unreadable):
        raise _harmful(f"the AWS SDK for {sdk} would reject the file", after, None, f"{where}:{now.line}")
    changed = next((name for name in {**before, **now} if name != profile and before.get(name) != now.get(name)), None)
    if changed is not None:
        raise _harmful(f"profile {changed!r} would change for the AWS SDK for {sdk}", after, changed, where)
    old = before.get(profile, {})
    mine = now.get(profile, {})
    if keys_of(sdk, mine) == new:
        if _others(old) != _others(mine):
            raise _harmful(
                f"other settings of profile {profile!r} would change for the AWS SDK for {sdk}", after, profile, where
            )
        return ""
    # Only an SDK that already read the profile differently from botocore may stay without keys; half a pair is worse.
    matches = known is None or before.get(profile) == known
    if sdk == BOTOCORE or matches or _usable(keys_of(sdk, old)) or _usable(keys_of(sdk, mine)):
        raise _harmful(
            f"profile {profile!r} would not give the new keys to the AWS SDK for {sdk}", after, profile, where
        )
    return sdk


def _harmful(what: str, text: str, profile: str | None, where: str) -> Refused:
    """Return the error for a change that would do damage; it names the line where a profile begins."""
    lines = enumerate(lines_of(text), 1)
    at = next((number for number, line in lines if line.kind == "section" and line.section == profile), None)
    return Refused(
        f"the profile cannot be updated: {what}. Nothing was written",
        where=where if at is None else f"{where}:{at}",
        remedy=_PLAIN,
    )


def _others(profile: dict[str, str]) -> dict[str, str]:
    # Some SDKs read `name: a=b` as the setting `name: a`.
    return {name: value for name, value in profile.items() if name.lower().partition(":")[0].strip() not in _OURS}


def _usable(keys: tuple[str, str, str]) -> bool:
    return bool(keys[0] and keys[1]) and not any("\n" in key for key in keys)


def update(path: str, profile: str, credentials: RoleCredentials) -> list[str]:
    """Replace one profile of a file, atomically; the file then has mode 0600, and its directory 0700 if it is made.

    Returns:
        Warnings: which SDKs do not read the profile, as they did not before.

    Raises:
        Refused: the change would damage it for an SDK; the file is unchanged.
        InputError: the file could not be read or written, or is not text; it is unchanged.
        UsageError: the name of the profile cannot be used.
    """
    directory_path, name = os.path.split(os.path.abspath(path))
    try:
        with Directory.make(directory_path, 0o700) as directory:
            directory.lock(30.0)
            data = directory.read(name, _LIMIT) or b""
            text, warnings = updated(data.decode("utf-8"), profile, credentials, path)
            directory.replace(name, text.encode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(
            "the credentials file is not UTF-8 text. Nothing was written",
            where=f"{path}:{error.object.count(bytes([10]), 0, error.start) + 1}",
            remedy="Correct or remove the line, or save the file as UTF-8",
        ) from None
    except VaultError as error:
        raise InputError(error.what, where=error.where, remedy=error.remedy) from None
    return warnings
