"""Every defect of a vault, with its remedy. Looks and changes nothing."""

from __future__ import annotations

import os

from fingerprint.errors import VaultError, VaultMissing, VaultUnsafe
from fingerprint.model import Value
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY
from fingerprint.vault.files import Folder
from fingerprint.vault.records import decode_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.vault import Vault

MANIFESTS = ("Manifest", "EC2Manifest")
STORE = "Store"


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
    """Return what is wrong with a vault, with our journal of it and what else we keep; nothing for a sound one."""
    try:
        folder = Folder.open(vault.path, unsafe=True)
    except VaultError as error:
        return [Finding.of(error)]
    listed: dict[str, str] = {}
    with folder:
        names = folder.names()
        findings = _defects(folder)
        try:
            Folder.open(vault.path).close()
        except VaultUnsafe as error:
            # What the folder lies in may be wrong, too.
            findings += [] if findings else [Finding.of(error)]
        for name in names:
            if name in MANIFESTS:
                findings += _manifest_findings(folder, name, listed)
            elif name != STORE:
                findings.append(_stray(folder, name))
        if STORE in names:
            if MANIFESTS[0] not in names:
                findings.append(_manifest_missing(os.path.join(folder.path, MANIFESTS[0])))
            findings += _store_findings(vault, folder, listed)
    findings += _listed_findings(vault, listed, findings)
    findings += _record_findings(vault, findings)
    return findings + _journal_findings(vault) + _evidence_findings(vault)


def _defects(folder: Folder, name: str = ".") -> list[Finding]:
    where = folder.path if name == "." else os.path.join(folder.path, name)
    return [Finding("unsafe" if broken else "mode", what, where, remedy, broken)
            for what, remedy, broken in folder.defects(name)]  # fmt: skip


def _stray(folder: Folder, name: str) -> Finding:
    where = os.path.join(folder.path, name)
    if name.endswith(".tmp"):
        return Finding(
            "left-over", "a writer died here; the record is whole", where, "The next write removes it", False
        )
    if name in (FINGERPRINT_KEY, REGISTRATION_KEY):
        # A crash between the data and the manifest leaves this; it must never be moved away.
        what = "the manifest does not list it, so the agent does not find it"
        return Finding(
            "unlisted", what, where, "Keep it. Storing it again lists it; a missing manifest lists all", False
        )
    return Finding("orphan", "it does not belong in a vault", where, "Find out what put it there; move it away", False)


def _manifest_missing(where: str) -> Finding:
    return Finding(
        "manifest-missing",
        "the manifest is missing, and the agent would take the vault for an empty one",
        where,
        "Any write of ours makes it again, for example: fingerprint threshold set N",
        False,
    )


def _manifest_findings(folder: Folder, name: str, listed: dict[str, str]) -> list[Finding]:
    findings = _defects(folder, name)
    if not any(finding.broken for finding in findings):
        where = os.path.join(folder.path, name)
        try:
            listed.update(decode_manifest(folder.read(name) or b"", where))
        except VaultError as error:
            findings.append(Finding.of(error))
    return findings


def _store_findings(vault: Vault, folder: Folder, listed: dict[str, str]) -> list[Finding]:
    try:
        store = Folder.open(STORE, folder, unsafe=True)
    except VaultError as error:
        return [Finding.of(error)]
    with store:
        findings = _defects(store)
        for name in store.names():
            findings += _defects(store, name)
            if name.endswith(".tmp") or (listed and name not in listed):
                findings.append(_stray(store, name))
    return findings


def _listed_findings(vault: Vault, listed: dict[str, str], found: list[Finding]) -> list[Finding]:
    findings = []
    for key, path in listed.items():
        where = vault.data_path(key)
        if path != vault.listed_path(key):
            findings.append(
                Finding(
                    "manifest-path",
                    f"the manifest lists {key} elsewhere: {path}",
                    os.path.join(vault.path, vault.manifest_name),
                    "Fine for a copy. In the vault of a running agent, put it right: the agent reads that path",
                    False,
                )
            )
        elif not os.path.lexists(where) and where not in {f.where for f in found}:
            findings.append(
                Finding("data-missing", f"the manifest lists {key}, and its data file is missing", where,
                        "Put back what was written last: fingerprint vault restore 0", True)
            )  # fmt: skip
    return findings


def _record_findings(vault: Vault, found: list[Finding]) -> list[Finding]:
    """Name what reading the records meets and nothing before has named."""
    findings = []
    named = {finding.where for finding in found if finding.broken}
    for key, read in ((FINGERPRINT_KEY, vault.read), (REGISTRATION_KEY, vault.read_registration)):
        try:
            read()
        except VaultMissing as error:
            if key == FINGERPRINT_KEY:
                findings.append(Finding.of(error))
        except VaultError as error:
            if not any(error.where == where or error.where.startswith(where + os.sep) for where in named):
                findings.append(Finding.of(error))
        if vault.notice and not any(finding.where == vault.data_path(key) for finding in findings):
            findings.append(
                Finding("changed-elsewhere", vault.notice, vault.data_path(key),
                        "Fine if that was the agent or you; keep a copy with: fingerprint vault backup", False)
            )  # fmt: skip
    return findings


def _journal_findings(vault: Vault) -> list[Finding]:
    try:
        damaged = vault.history.damaged_lines()
    except VaultError as error:
        return [Finding.of(error)]
    return [
        Finding("journal", f"line {number} of our journal is damaged; that entry cannot be restored",
                vault.history.path, "Nothing needs to be done; look for disk errors in the system log", False)
        for number in damaged
    ]  # fmt: skip


def _evidence_findings(vault: Vault) -> list[Finding]:
    try:
        _, refused = vault.evidence.entries()
    except VaultError as error:
        refused = [error]
    return [Finding("evidence", error.what, error.where, error.remedy, False) for error in refused]
