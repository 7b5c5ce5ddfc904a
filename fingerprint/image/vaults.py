"""Vaults on a disk: one that the user names, and what leads to data of a vault elsewhere."""

from __future__ import annotations

import os
import stat

from fingerprint.errors import UsageError, VaultError
from fingerprint.image.disk import is_directory
from fingerprint.image.kinds import KEEP
from fingerprint.image.scan import removed_by_hand
from fingerprint.vault.records import decode_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.image.findings import Leftover
    from fingerprint.image.scan import Scan

_MANIFEST_LIMIT = 1024 * 1024
_MANIFESTS = ("Manifest", "EC2Manifest")
_KEYS = ("InstanceFingerprint", "RegistrationKey", "EC2RegistrationKey")
_KEY_RANK, _MANIFEST_RANK = 1, 2
# Links and manifests of these kinds can lead to keys anywhere on the disk.
_WITH_KEYS = ("vault", "own-state")


def named_vault(scan: Scan, path: str) -> None:
    """Note the files of a vault in a directory that the user named, and no other file there.

    Raises:
        UsageError: the directory is not below the root, or is not a vault.
    """
    inside = scan.disk.inside(path)
    if inside is None or not inside.strip(os.sep):
        raise UsageError(
            "the vault is not below the root", where=path, remedy="Name a vault below --root, or leave --vault out"
        )
    names = scan.names(inside)
    if "Vault" in names and "Store" not in names:
        # The data directory was named; the vault is in it.
        inside = os.path.join(inside, "Vault")
        names = scan.names(inside)
    manifests = [name for name in _MANIFESTS if name in names and _is_manifest(scan, inside, name)]
    store = os.path.join(inside, "Store")
    has_store = bool(set(_KEYS).intersection(scan.names(store)))
    if not manifests and not has_store:
        raise UsageError("not a vault", where=path, remedy="Name a directory that holds a Manifest")
    for name in manifests:
        scan.file("vault", os.path.join(inside, name))
    if has_store:
        scan.tree("vault", store)
        scan.directory_if_empty(inside)


def _is_manifest(scan: Scan, inside: str, name: str) -> bool:
    try:
        with scan.disk.directory(inside) as directory:
            return bool(decode_manifest(directory.read(name, _MANIFEST_LIMIT), directory.of(name)))
    except (OSError, VaultError):
        return False


def keep_references(scan: Scan) -> None:
    """Keep each link and manifest that leads to keys which are not cleaned: they are the only trace of them.

    Manifests are removed last, and keys before them: what an interruption leaves is then still known as a vault.
    """
    for item in tuple(scan.items.values()):
        if item.kind in _WITH_KEYS and item.action != KEEP:
            if os.path.basename(item.path) in _KEYS:
                scan.items[item.path] = item.replace(rank=_KEY_RANK)
            scan.attempt(_keep_reference, scan, item)


def _keep_reference(scan: Scan, item: Leftover) -> None:
    with scan.disk.parent(item.path) as directory:
        name = os.path.basename(item.path)
        status = directory.status(name)
        if stat.S_ISLNK(status.st_mode):
            target = _not_cleaned(scan, scan.disk.below(item.path))
            remedy = target and removed_by_hand(target)
        elif name in _MANIFESTS:
            try:
                named = decode_manifest(directory.read(name, _MANIFEST_LIMIT), item.path).values()
            except VaultError:
                return
            absolute = [path for path in named if os.path.isabs(path)]
            target = next((path for path in (_not_cleaned(scan, path) for path in absolute) if path), "")
            cleaned = tuple(path for path in map(scan.disk.above, absolute) if path in scan.items)
            scan.items[item.path] = item.replace(rank=_MANIFEST_RANK, leads_to=cleaned)
            remedy = f"It names {target}, which is not cleaned: remove that by hand, and then this"
        else:
            return
    if target:
        scan.note(item.kind, item.path, status, KEEP, remedy)


def _not_cleaned(scan: Scan, inside: str) -> str:
    """Return the file or directory to which a path leads, "" if it is missing or cleaned."""
    found = scan.disk.resolve(inside)
    if found is None:
        return ""
    directory, name, status = found
    with directory:
        above = directory.status(".")
        path = directory.of(name)
    if scan.trees & {(above.st_dev, above.st_ino), (status.st_dev, status.st_ino)} or path in scan.items:
        return ""
    return path if is_directory(status) or stat.S_ISREG(status.st_mode) else ""
