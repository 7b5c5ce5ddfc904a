"""Search for what all machines made from a disk would share."""

from __future__ import annotations

import errno
import os
import re
import sys

from fingerprint.agent.paths import paths_of
from fingerprint.attributes.machine_id import MACHINE_ID_FILES
from fingerprint.errors import UsageError
from fingerprint.image.disk import Disk
from fingerprint.image.findings import NODES, Findings
from fingerprint.image.homes import home_directories, search_home, search_scripts
from fingerprint.image.machine_ids import first_machine_id, second_machine_id
from fingerprint.image.pointers import agent_configuration, last_credentials, logs_elsewhere, services
from fingerprint.image.products import ecs, greengrass, kubernetes
from fingerprint.image.scan import Scan
from fingerprint.image.system_state import system_state
from fingerprint.image.vaults import keep_references, named_vault
from fingerprint.vault.locations import state_directory, system_state_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerprint.agent.paths import AgentPaths

# Our files in a state directory that the user chose: there may be other files in it.
_OWN = (
    # Also leftover temporary files of an interrupted write: they hold the same.
    ("history", re.compile(r"[^/]+\.(?:jsonl|place\.json)(?:(?:\.new)?\.tmp)?")),
    ("evidence", re.compile(r"[^/]+/\d+-[0-9a-f]+\.json(?:\.tmp)?")),
    ("credentials", re.compile(r"[^/]+\.json(?:\.tmp)?")),
)


def leftovers(
    root: str = "/",
    *,
    platform: str = sys.platform,
    environ: Mapping[str, str] = os.environ,
    keep_logs: bool = False,
    vault: str | None = None,
) -> Findings:
    """Return what all machines made from this disk would share. Nothing is changed.

    Args:
        root: where the disk is mounted; "/" for that of this host.
        platform: of `sys.platform`, of the system on the disk.
        environ: the environment, which names our state directory on this host.
        keep_logs: leave out the agent's logs.
        vault: a vault that is not in the agent's directory.

    Raises:
        InputError: the root is not a directory that can be opened.
        UsageError: the named vault is not a vault, or not on this disk.
    """
    scan = Scan(Disk(root))
    _require_system(scan)
    paths = paths_of(platform, environ)
    scan.attempt(scan.tree, "vault", paths.vault)
    if vault is not None:
        scan.attempt(named_vault, scan, vault)
    scan.attempt(scan.file, "registration", paths.registration)
    scan.attempt(scan.file, "host-management", paths.host_management)
    scan.attempt(_nodes, scan, paths.data)
    if platform != "win32":
        scan.attempt(first_machine_id, scan, MACHINE_ID_FILES[0])
        scan.attempt(second_machine_id, scan, MACHINE_ID_FILES[1])
    _own_state(scan, platform, environ)
    if not keep_logs:
        scan.attempt(scan.tree, "agent-log", paths.logs)
        scan.attempt(logs_elsewhere, scan, paths)
    scan.attempt(agent_configuration, scan, paths)
    scan.attempt(last_credentials, scan, paths)
    if platform != "win32":
        _of_others(scan, paths)
    keep_references(scan)
    return scan.findings()


def _require_system(scan: Scan) -> None:
    """Note a root without a system: that nothing is found there means nothing."""
    if os.sep == "/":
        if not {"etc", "var"}.issubset(scan.names("/")):
            scan.note_unreadable(scan.disk.root, "not the root of a system: /etc or /var is missing")
        else:
            scan.attempt(_require_not_empty, scan, "/var")
    if not scan.disk.knows_mounts:
        scan.note_unreadable("/proc/self/mountinfo", "the mount points within the image are unknown")


def _require_not_empty(scan: Scan, inside: str) -> None:
    with scan.disk.directory(inside) as directory:
        if not directory.names():
            raise OSError(errno.ENODATA, "it is empty: its disk may not be mounted", directory.path)


def _of_others(scan: Scan, paths: AgentPaths) -> None:
    """Note what does not belong to the agent or to us, and so is left to people."""
    system_state(scan)
    scan.attempt(greengrass, scan)
    scan.attempt(ecs, scan)
    scan.attempt(kubernetes, scan)
    others: list[str] = []
    scan.attempt(lambda: others.extend(services(scan)))
    homes = home_directories(scan, paths, others)
    for home in homes:
        search_home(scan, home, home in (paths.home, *others))
    search_scripts(scan, [home for home, is_peoples in homes.items() if is_peoples])


def _nodes(scan: Scan, data: str) -> None:
    """Note the directories of single nodes."""
    for name in scan.names(data):
        if name.startswith(NODES):
            scan.attempt(scan.tree, "node-state", os.path.join(data, name))


def _own_state(scan: Scan, platform: str, environ: Mapping[str, str]) -> None:
    """Note our own state: all of our fixed directory, and our files in one that the user chose."""
    fixed = system_state_directory(platform)
    if platform != "win32":
        scan.attempt(scan.tree, "own-state", fixed)
    if scan.disk.root != os.path.abspath(os.sep):
        return
    chosen = state_directory(environ)
    if chosen != fixed:
        scan.attempt(_chosen_state, scan, chosen)


def _chosen_state(scan: Scan, chosen: str) -> None:
    vault = os.path.join(chosen, "Vault")
    if scan.names(os.path.join(vault, "Store")):
        try:
            named_vault(scan, vault)
        except UsageError:
            # Another program's directory of that name.
            pass
    for name, form in _OWN:
        directory = os.path.join(chosen, name)
        for inner in scan.names(directory):
            for path in (inner, *(f"{inner}/{one}" for one in scan.names(os.path.join(directory, inner)))):
                if form.fullmatch(path):
                    scan.attempt(scan.file, "own-state", os.path.join(directory, path))
            scan.attempt(scan.directory_if_empty, os.path.join(directory, inner))
        scan.attempt(scan.directory_if_empty, directory)
    if scan.names(os.path.join(chosen, "history")):
        scan.attempt(scan.file, "own-state", os.path.join(chosen, "audit.log"))
