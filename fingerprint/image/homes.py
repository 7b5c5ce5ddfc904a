"""AWS keys and hybrid activations in home directories, in histories of shells, and in scripts that were left behind."""

from __future__ import annotations

import os
import re

from fingerprint.agent.paths import PACKAGE, SDK_CONFIG
from fingerprint.image.content import decoded, has_profile_keys, secret_paths
from fingerprint.image.disk import is_directory
from fingerprint.image.pointers import named_file, note_text
from fingerprint.machine.base import ACCOUNTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from fingerprint.agent.paths import AgentPaths
    from fingerprint.image.scan import File, Scan

_SDK_DIRECTORY = SDK_CONFIG[0]
# Below the directory of the AWS SDKs: files that hold nothing but tokens.
_CACHES = ("sso/cache", "cli/cache", "login/cache", "boto/cache")
# Below a home directory: commands that were typed, and settings of shells and tools.
HISTORIES = (
    ".bash_history", ".zsh_history", ".zhistory", ".sh_history", ".ash_history", ".ksh_history", ".mksh_history",
    ".history", ".histfile", ".local/share/fish/fish_history", ".config/fish/fish_history", ".python_history",
    ".local/share/powershell/PSReadLine/ConsoleHost_history.txt", ".viminfo",
)  # fmt: skip
_SETTINGS = (
    ".profile", ".bash_profile", ".bash_login", ".bashrc", ".zshrc", ".zshenv", ".zprofile", ".pam_environment", ".env",
    ".boto", ".s3cfg", ".passwd-s3fs", ".config/fish/config.fish", ".config/rclone/rclone.conf",
)  # fmt: skip
_HISTORY_LIMIT = 16 * 1024 * 1024
# Home directories with keys of the node, for the pods of EKS hybrid nodes; on Bottlerocket the second.
_OTHER_HOMES = ("/eks-hybrid", "/var/eks-hybrid")
_SNAPS = (PACKAGE, "aws-cli")
# Directory, levels: where user data and install scripts are left behind.
SCRIPTS = (
    ("/", 1), ("/tmp", 2), ("/var/tmp", 2), ("/opt", 2), ("/srv", 2), ("/usr/local/bin", 1), ("/usr/local/sbin", 1),
    ("/usr/local/src", 2), ("/etc/profile.d", 1), ("/etc/cron.d", 1), ("/etc/local.d", 1), ("/etc/cloud", 2),
    ("/etc/eks", 2), ("/etc/nodeadm", 2), ("/boot", 1), ("/boot/firmware", 1), ("/boot/efi", 1),
    ("/var/lib/cloud", 5), ("/var/lib/waagent", 1), ("/var/log/installer", 1), ("/var/spool/cron", 2),
)  # fmt: skip
_FILES = (
    "/etc/rc.local", "/etc/rc.d/rc.local", "/etc/profile", "/etc/bash.bashrc", "/var/log/cloud-init.log",
    "/var/log/cloud-init-output.log",
)  # fmt: skip
_HOME_LEVELS = 2
# Accounts of people have numbers from the first to below the second, and root has 0.
_PEOPLE, _NOBODY = 500, 65534
_NUMBER = re.compile(r"[0-9]{1,10}")
# What an account has here is no home directory.
_SYSTEM = ("/bin", "/sbin", "/usr", "/dev", "/proc", "/sys", "/run", "/etc", "/lib", "/boot", "/tmp")


def home_directories(scan: Scan, paths: AgentPaths, others: Iterable[str]) -> dict[str, bool]:
    """Return the home directories on a disk, and whether each belongs to people: they keep scripts in it.

    Args:
        scan: the search.
        paths: of the agent.
        others: more of them, which services have.
    """
    found = {paths.home: True, **dict.fromkeys((*_OTHER_HOMES, *others), True)}
    for parent in ("/home", "/Users"):
        found.update((f"{parent}/{name}", True) for name in scan.listed(parent))
    scan.attempt(_accounts, scan, found)
    for home in (*found, "/var"):
        for snap in _SNAPS:
            inner = os.path.join(home, "snap", snap)
            found.update((f"{inner}/{name}", False) for name in scan.listed(inner))
    return {home: is_peoples for home, is_peoples in found.items() if _may_be_directory(scan, home)}


def _accounts(scan: Scan, found: dict[str, bool]) -> None:
    """Add the home directories of all accounts."""
    file = scan.read(ACCOUNTS)
    for line in decoded(file.data).splitlines() if file else ():
        fields = line.split(":")
        if len(fields) > 5 and fields[5].startswith("/"):
            home = os.path.normpath(fields[5])
            is_peoples = fields[2] == "0" or (
                _NUMBER.fullmatch(fields[2]) is not None and _PEOPLE <= int(fields[2]) < _NOBODY
            )
            found.setdefault(home, is_peoples and not home.startswith(_SYSTEM) and home != "/")


def _may_be_directory(scan: Scan, home: str) -> bool:
    """Return whether a path leads to a directory, or to something that cannot be read."""
    try:
        found = scan.disk.resolve(home)
    except OSError:
        return True
    if found is None:
        return False
    found[0].close()
    return is_directory(found[2])


def search_home(scan: Scan, home: str, is_agents: bool) -> None:
    """Note the AWS keys, tokens and activations in a home directory.

    Args:
        scan: the search.
        home: its path.
        is_agents: whether the agent shares its keys there.
    """
    directory = os.path.join(home, _SDK_DIRECTORY)
    caches = tuple(f"/{_SDK_DIRECTORY}/{name}/" for name in _CACHES)
    for file in scan.files(directory, 3, hidden=True):
        if any(name in file.path for name in caches):
            if file.data.strip():
                scan.note_new("aws-tokens", file)
        else:
            _sdk_file(scan, file, is_agents)
    # A link is not followed in the directory, but the SDKs follow it.
    for name in ("credentials", SDK_CONFIG[1]):
        scan.attempt(_linked_sdk_file, scan, os.path.join(directory, name), is_agents)
    for name in (*HISTORIES, *_SETTINGS):
        scan.attempt(_text, scan, f"{home}/{name}")


def _linked_sdk_file(scan: Scan, inside: str, is_agents: bool) -> None:
    try:
        file = scan.read(inside) if scan.is_link(inside) else None
    except NotADirectoryError:
        # A file has the name of the directory.
        return
    if file is not None:
        _sdk_file(scan, file, is_agents)


def _sdk_file(scan: Scan, file: File, is_agents: bool) -> None:
    text = decoded(file.data)
    if has_profile_keys(text):
        is_shared = is_agents and os.path.basename(file.path) == "credentials"
        scan.note_new("shared-credentials" if is_shared else "aws-keys", file)
    else:
        note_text(scan, file, text)
    for path in secret_paths(text):
        scan.attempt(named_file, scan, path, True)


def _text(scan: Scan, inside: str) -> None:
    file = scan.read(inside, _HISTORY_LIMIT)
    if file is not None:
        note_text(scan, file, decoded(file.data))


def search_scripts(scan: Scan, homes: Iterable[str]) -> None:
    """Note the user data, scripts and logs with activations and keys in them."""
    for directory, levels in (*SCRIPTS, *((home, _HOME_LEVELS) for home in homes)):
        for file in scan.files(directory, levels):
            note_text(scan, file, decoded(file.data))
    for path in _FILES:
        scan.attempt(_text, scan, path)
