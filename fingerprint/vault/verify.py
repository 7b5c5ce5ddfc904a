"""Every defect of a vault, with its remedy. Looks and changes nothing."""

from __future__ import annotations

import os
import stat

from fingerprint.errors import VaultError, VaultMissing
from fingerprint.model import Value
from fingerprint.vault.files import Folder
from fingerprint.vault.places import reference_vault
from fingerprint.vault.records import decode_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.vault import Vault

MANIFESTS = ("Manifest", "EC2Manifest")


class Finding(Value):
    """One defect.

    Attributes:
        kind: a word for programs, such as "orphan" or "VaultCorrupt".
        what: what is wrong.
        where: the file or folder.
        remedy: what to do.
        broken: whether it keeps the vault from being read.
    """

    __slots__ = ("kind", "what", "where", "remedy", "broken")
    kind: str
    what: str
    where: str
    remedy: str
    broken: bool

    def __init__(self, kind: str, what: str, where: str, remedy: str, broken: bool) -> None:
        self._set(kind=kind, what=what, where=where, remedy=remedy, broken=broken)

    @classmethod
    def of(cls, error: VaultError) -> Finding:
        """Return the finding that an error of the vault is."""
        return cls(type(error).__name__, error.what, error.where, error.remedy, True)


def verify(vault: Vault) -> list[Finding]:
    """Return what is wrong with a vault, in the order in which it is met; nothing for a sound one."""
    try:
        folder = Folder.open(vault.path)
    except VaultError as error:
        return [Finding.of(error)]
    with folder:
        findings = _folder_findings(folder)
        listed: dict[str, str] = {}
        for name in MANIFESTS:
            findings += _manifest_findings(folder, name, listed)
        findings += _store_findings(vault, folder, listed)
    for read in (vault.read, vault.read_registration):
        try:
            read()
        except VaultMissing as error:
            if read == vault.read:
                findings.append(Finding.of(error))
        except VaultError as error:
            found = Finding.of(error)
            if found not in findings:
                findings.append(found)
    return findings


def _folder_findings(folder: Folder) -> list[Finding]:
    findings = []
    for name in folder.names():
        if name not in (*MANIFESTS, "Store"):
            findings.append(_orphan(os.path.join(folder.path, name)))
    findings += _mode_findings(folder)
    return findings


def _mode_findings(folder: Folder) -> list[Finding]:
    """Name what others may read: the reference keeps everything at 0600, we make folders 0700."""
    mode = stat.S_IMODE(os.fstat(folder.descriptor).st_mode)
    findings = []
    if mode & 0o077:
        findings.append(_loose(folder.path, mode, "0600" if folder.path.startswith(reference_vault()) else "0700"))
    for name in folder.names():
        status = os.stat(name, dir_fd=folder.descriptor, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) & 0o077:
            findings.append(_loose(os.path.join(folder.path, name), stat.S_IMODE(status.st_mode), "0600"))
    return findings


def _loose(where: str, mode: int, wanted: str) -> Finding:
    return Finding("mode", f"others may read it (mode {mode:04o})", where, f"chmod {wanted} {where}", False)


def _orphan(where: str) -> Finding:
    return Finding("orphan", "it does not belong in a vault", where, "Find out what put it there; move it away", False)


def _manifest_findings(folder: Folder, name: str, listed: dict[str, str]) -> list[Finding]:
    where = os.path.join(folder.path, name)
    try:
        data = folder.read(name)
        if data is None:
            if name != MANIFESTS[0] or "Store" not in folder.names():
                return []
            return [
                Finding(
                    "manifest-missing",
                    "the manifest is missing, and the agent would take the vault for an empty one",
                    where,
                    "Any write of ours makes it again, for example: fingerprint threshold set N",
                    False,
                )
            ]
        listed.update(decode_manifest(data, where))
    except VaultError as error:
        return [Finding.of(error)]
    return []


def _store_findings(vault: Vault, folder: Folder, listed: dict[str, str]) -> list[Finding]:
    try:
        with Folder.open("Store", folder) as store:
            names = store.names()
            findings = _mode_findings(store)
    except VaultMissing:
        names, findings = [], []
    except VaultError as error:
        return [Finding.of(error)]
    for name in names:
        if listed and name not in listed:
            findings.append(_orphan(vault.data_path(name)))
    for key, path in listed.items():
        if path != vault.data_path(key):
            findings.append(
                Finding(
                    "manifest-path",
                    f"the manifest lists {key} elsewhere: {path}",
                    os.path.join(vault.path, MANIFESTS[0]),
                    "Fine for a copy. In the vault of a running agent, put it right: the agent reads that path",
                    False,
                )
            )
        elif key not in names:
            findings.append(
                Finding("data-missing", f"the manifest lists {key}, and its data file is missing",
                        vault.data_path(key), "Restore the file from a backup", True)
            )  # fmt: skip
    return findings
