"""Where an agent's configuration on a disk says that its credentials are.

Each file that is named is searched at the path that it has on the disk. What names it stays until it is gone: without
it nobody would find the file.
"""

from __future__ import annotations

import errno
import os
import re

from fingerprint._core import JsonError, loads
from fingerprint.agent.config import setting
from fingerprint.image.content import (
    ACTIVATION,
    KEYS,
    decoded,
    has_private_key,
    has_profile_keys,
    secret_paths,
    secrets_in,
)
from fingerprint.image.disk import reason
from fingerprint.image.environment import service_settings
from fingerprint.image.kinds import KEEP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.agent.paths import AgentPaths
    from fingerprint.image.environment import Setting
    from fingerprint.image.scan import File, Scan

# After the vault and everything else that is removed.
_LAST = 9
_SHARE_FILE = re.compile(rb'"ShareFile"\s*:\s*"((?:[^"\\]|\\.)+)"', re.IGNORECASE)
# Of seelog, beside the agent's configuration.
_LOGGING = "seelog.xml"
_LOG_FILE = re.compile(r"filename=[\"'](?P<path>/[^\"'\n]{1,1000})[\"']")
_PREFIXES = ("AWS_", "SSM_", "ECS_")
_SECRET_PARTS, _SECRET_END = ("SECRET", "ACCESS_KEY", "AUTH_DATA", "AUTHORIZATION"), "_TOKEN"
_ACTIVATION_ENDS = ("ACTIVATION_CODE", "ACTIVATION_ID", "ACTIVATIONCODE", "ACTIVATIONID")
# Their content is secret, whatever its form.
_TOKEN_FILE_END = "TOKEN_FILE"


def agent_configuration(scan: Scan, paths: AgentPaths) -> None:
    """Note what the agent's configuration holds and names."""
    file = scan.read(paths.config)
    if file is None:
        return
    found = _members(file.data)
    if found is None:
        raise OSError(errno.EINVAL, "it is not JSON: where it leads is unknown", file.path)
    identities = setting(found, "Identity", "CustomIdentities")
    if isinstance(identities, list) and any(isinstance(one, dict) and _member(one, "InstanceID") for one in identities):
        scan.note_new("agent-config", file)
    name = setting(found, "Profile", "ShareFile") or _member(found, "ShareFile")
    if name:
        scan.attempt(_shared_file, scan, file.path, str(name), setting(found, "Profile", "ShareProfile"))


def last_credentials(scan: Scan, paths: AgentPaths) -> None:
    """Note the record of the agent's last credentials, and the file that it names. It stays while that has keys."""
    before = set(scan.items)
    scan.attempt(scan.file, "identity-config", paths.identity)
    record = next((path for path in scan.items if path not in before), "")
    if not record:
        return
    try:
        named, why = _named_by(scan, paths)
    except OSError as error:
        scan.note_unreadable(error.filename or record, reason(error))
        named, why = None, "Where its keys are is unknown: search for the file that it names, then remove it by hand"
    item = scan.items[record]
    if item.action == KEEP:
        return
    if why:
        scan.items[record] = item.replace(action=KEEP, remedy=why)
    elif named is not None:
        scan.items[record] = item.replace(rank=_LAST, leads_to=(named.path,))


def _named_by(scan: Scan, paths: AgentPaths) -> tuple[File | None, str]:
    """Return the file with keys that the record of the last credentials names, and why the record must stay."""
    file = scan.read(paths.identity)
    members = _members(file.data) if file else {}
    if file is None or members == {}:
        return None, ""
    if members is None:
        # It was cut off, by a loss of power for example.
        match = _SHARE_FILE.search(file.data)
        if match is None and b"sharefile" in file.data.lower():
            raise OSError(errno.EINVAL, "it is damaged: where the keys are is unknown", file.path)
        members = {"ShareFile": match[1].decode("utf-8", "replace")} if match else {}
    name = str(_member(members, "ShareFile") or "")
    if not name:
        return None, ""
    target = _shared_file(scan, file.path, name, _member(members, "ShareProfile"))
    if target is None or scan.items[target.path].action != KEEP:
        return target, ""
    return target, f"It names {target.path}: remove the keys there, then run `fingerprint image clean` again"


def logs_elsewhere(scan: Scan, paths: AgentPaths) -> None:
    """Note the logs that the agent's configuration of logging has outside of its directory, rotated ones included."""
    directory = paths.config.rpartition(paths.separator)[0]
    file = scan.read(f"{directory}{paths.separator}{_LOGGING}")
    for match in _LOG_FILE.finditer(decoded(file.data) if file else ""):
        parent, _, name = match["path"].rpartition("/")
        for one in scan.listed(parent or "/"):
            if one.startswith(name) and parent != paths.logs:
                scan.attempt(_log, scan, f"{parent}/{one}")


def _log(scan: Scan, inside: str) -> None:
    file = scan.read(inside)
    if file is not None and file.status.st_size:
        scan.note_new("agent-log", file, "Remove it by hand: it is not in the agent's directory of logs")


def services(scan: Scan) -> list[str]:
    """Note what the environment of services holds and names, and return the home directories that it sets."""
    homes = []
    for one in service_settings(scan):
        if one.name == "HOME" and one.value.startswith("/"):
            homes.append(one.value)
        elif one.name.endswith(_ACTIVATION_ENDS) and one.value:
            scan.note_new("activation", one.file)
        elif one.name.startswith(_PREFIXES):
            _variable(scan, one)
        elif one.name == "LoadCredential" and "/" in one.value:
            scan.attempt(named_file, scan, one.value.partition(":")[2], True)
        elif one.name == "ExecStart":
            _command(scan, one)
    return homes


def _variable(scan: Scan, one: Setting) -> None:
    if one.value.startswith("/"):
        scan.attempt(named_file, scan, one.value, one.name.endswith(_TOKEN_FILE_END))
    elif one.value and (one.name.endswith(_SECRET_END) or any(part in one.name for part in _SECRET_PARTS)):
        scan.note_new("service-secret", one.file)


def _command(scan: Scan, one: Setting) -> None:
    for kind in secrets_in(one.value):
        scan.note_new({ACTIVATION: "activation", KEYS: "service-secret"}[kind], one.file)
    for path in secret_paths(one.value):
        scan.attempt(named_file, scan, path, True)


def named_file(scan: Scan, inside: str, is_secret: bool = False) -> None:
    """Note a file that a configuration names, if it holds keys.

    Args:
        scan: the search.
        inside: its path, as the disk's own system names it.
        is_secret: whether any content of it is secret.
    """
    file = scan.read(inside)
    if file is None or not file.status.st_size:
        return
    text = decoded(file.data)
    if has_profile_keys(text):
        scan.note_new("aws-keys", file)
    elif is_secret or has_private_key(text):
        scan.note_new("secret-file", file)
    else:
        note_text(scan, file, text)


def note_text(scan: Scan, file: File, text: str) -> None:
    """Note a text that holds an activation or keys, and the keys that it names."""
    found = secrets_in(text)
    if ACTIVATION in found:
        both = "a hybrid activation, with which anybody can register machines, and AWS keys"
        scan.note_new("activation", file, what=both if KEYS in found else "")
    elif found:
        scan.note_new("aws-keys", file)
    for path in secret_paths(text):
        scan.attempt(named_file, scan, path, True)


def _shared_file(scan: Scan, source: str, name: str, profile: Any) -> File | None:
    """Note the file with which the agent shares its credentials, and return it if it holds keys or is cleaned."""
    if not os.path.isabs(name):
        raise OSError(errno.EINVAL, f"it names {name}, which is no absolute path: where that is is unknown", source)
    file = scan.read(name)
    if file is None:
        return None
    if file.path in scan.items:
        return file
    if not file.status.st_size or not (has_profile_keys(decoded(file.data)) or b"\0" in file.data):
        return None
    section = f", profile {profile}," if profile else ""
    what = f"AWS keys that the agent shares{section} named by {os.path.basename(source)}"
    scan.note_new("shared-credentials", file, what=what)
    return file


def _members(data: bytes) -> dict[str, Any] | None:
    """Return the members of a JSON object, {} for an empty file or null; None if it is damaged."""
    text = data.removeprefix(b"\xef\xbb\xbf").strip()
    if text in (b"", b"null"):
        return {}
    try:
        found = loads(text)
    except JsonError:
        return None
    return found if isinstance(found, dict) else None


def _member(members: dict[str, Any], name: str) -> Any:
    """Return a member by its name in any case, the last of several; None without it."""
    return next((value for key, value in reversed(members.items()) if key.lower() == name.lower() and value), None)
