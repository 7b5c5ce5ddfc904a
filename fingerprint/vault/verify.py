"""List every defect of a vault with its remedy; read-only."""

from __future__ import annotations

import os

from fingerprint.errors import FingerprintLost, VaultDenied, VaultError, VaultMissing, VaultUnsafe
from fingerprint.types import Value
from fingerprint.vault.agent_manifest import BLANK, EMPTY, MISSING, NOT_JSON, WRONG_TYPE, decode_as_agent
from fingerprint.vault.integrity import (
    DATA_MISSING,
    ELSEWHERE,
    INVALID_TEXT,
    MANIFEST_KEYS,
    STORE,
    UNLISTED,
    manifest_state,
)
from fingerprint.vault.pending_registration import node_in, pending
from fingerprint.vault.records import FINGERPRINT_KEY, REGISTRATION_KEY, finish_command, register_command
from fingerprint.vault.remedies import NOTHING_WRITTEN, refuse_lost, restore_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.vault.files import Directory
    from fingerprint.vault.integrity import ManifestState
    from fingerprint.vault.vault import Vault

_KINDS = {
    MISSING: "manifest-missing",
    EMPTY: "manifest-empty",
    BLANK: "manifest-blank",
    NOT_JSON: "manifest-not-json",
    WRONG_TYPE: "manifest-wrong-type",
    INVALID_TEXT: "manifest-invalid-text",
    UNLISTED: "unlisted",
    ELSEWHERE: "manifest-path",
    DATA_MISSING: "data-missing",
}
# Findings of these kinds hide no other defects, although they may keep a record from being read.
_DECIDED = frozenset(_KINDS.values())


class Finding(Value):
    """One defect.

    Attributes:
        kind: a word for programs, such as "orphan" or "VaultCorrupt".
        what: what is wrong.
        where: the file or directory.
        remedy: what to do.
        broken: whether it keeps the vault from being read.
    """

    kind: str
    what: str
    where: str
    remedy: str
    broken: bool

    @property
    def hides_records(self) -> bool:
        """Whether it keeps the vault from being read, so that other defects may not have been found."""
        return self.broken and self.kind not in _DECIDED

    @classmethod
    def of(cls, error: VaultError) -> Finding:
        """Return the finding for an error of the vault."""
        # `verify` never writes, so the remedy need not say so.
        return cls(type(error).__name__, error.what, error.where, error.remedy.removeprefix(NOTHING_WRITTEN), True)


def verify(vault: Vault) -> list[Finding]:
    """Return the defects of a vault, of our journal of it and of its evidence; [] for a sound one."""
    try:
        directory = vault.files.open(vault.path, unsafe=True)
    except VaultError as error:
        return [Finding.of(error), *_open_registrations(vault)]
    with directory:
        names = directory.names()
        findings = _defects(directory)
        try:
            vault.files.open(vault.path).close()
        except VaultUnsafe as error:
            # The directory above may be unsafe, too.
            findings += [] if findings else [Finding.of(error)]
        for name in names:
            if name in MANIFEST_KEYS:
                findings += _defects(directory, name)
            elif name != STORE:
                findings.append(_stray(directory, name))
        if STORE in names:
            findings += _store_findings(vault, directory, _listed(vault, directory, names))
        states, problems = _states(vault, findings)
        findings += problems
    for state in states:
        findings += _manifest_findings(vault, state)
    findings += _record_findings(vault, findings, states)
    return (
        findings
        + _other_directory(vault)
        + _journal_findings(vault)
        + _open_registrations(vault)
        + _evidence_findings(vault)
    )


def _other_directory(vault: Vault) -> list[Finding]:
    """Report a directory other than that of the journal: made anew, restored from a copy, or mounted over it."""
    from fingerprint.vault.state_keys import other_directory

    try:
        other = other_directory(vault.state, vault.path, vault.state_key, vault.files)
    except VaultError:
        # `_journal_findings` reports that.
        return []
    what = "this is another directory than the one that our journal was written for, at the same path"
    remedy = "Fine if the vault was restored from a backup. If its file system is not mounted, mount it"
    return [Finding("other-directory", what, vault.path, remedy, False)] if other else []


def _listed(vault: Vault, directory: Directory, names: list[str]) -> set[str]:
    """Return the keys that the readable manifests list; `_states` reports the others."""
    listed: set[str] = set()
    for name in MANIFEST_KEYS:
        try:
            listed |= decode_as_agent(vault.files.settled(directory, name) or b"").keys() if name in names else set()
        except VaultError:
            continue
    return listed


def _states(vault: Vault, found: list[Finding]) -> tuple[list[ManifestState], list[Finding]]:
    """Return the states of the manifests, and the errors of reading them that are not reported yet."""
    states: list[ManifestState] = []
    problems: list[Finding] = []
    for name in MANIFEST_KEYS:
        try:
            states.append(manifest_state(vault, name))
        except VaultError as error:
            if not _is_named(error, [*found, *problems]):
                problems.append(Finding.of(error))
    return states, problems


def _is_named(error: VaultError, findings: list[Finding]) -> bool:
    """Return whether a broken finding is about the same file, or a directory that it lies in."""
    named = [finding.where for finding in findings if finding.broken]
    return any(error.where == where or error.where.startswith(where + os.sep) for where in named)


def _defects(directory: Directory, name: str = ".") -> list[Finding]:
    where = directory.path if name == "." else os.path.join(directory.path, name)
    return [Finding("unsafe" if broken else "mode", what, where, remedy, broken)
            for what, remedy, broken in directory.defects(name)]  # fmt: skip


def _stray(directory: Directory, name: str) -> Finding:
    where = os.path.join(directory.path, name)
    if name.endswith(".tmp"):
        what, remedy = "leftover temporary file of an interrupted write", "The next write removes it"
        if os.path.lexists(where.removesuffix(".tmp")):
            what = f"{what}; the record is intact"
        else:
            remedy = "It may hold the record. The next write keeps it in our journal, and removes it"
        return Finding("left-over", what, where, remedy, False)
    return Finding("orphan", "it does not belong in a vault", where, "Find out what put it there; move it away", False)


def _manifest_findings(vault: Vault, state: ManifestState) -> list[Finding]:
    findings = []
    if not state.sound:
        broken = any(kind not in (MISSING, UNLISTED) for kind in (state.kind, *dict(state.kinds).values()))
        what = f"{state.what}: {state.consequence}"
        findings.append(Finding(_KINDS[state.kind], what, state.where, state.remedy, broken))
    own = MANIFEST_KEYS[os.path.basename(state.where)]
    for key, path in state.listed:
        if path in ("", vault.listed_path(key)) or (key in own and not vault.lists_a_copy(path, key)):
            continue
        findings.append(
            Finding(
                "manifest-path", f"the manifest lists {key} elsewhere: {path}", state.where,
                "Nothing needs to be done for a copy of a vault", False,
            )
        )  # fmt: skip
    return findings


def _store_findings(vault: Vault, directory: Directory, listed: set[str]) -> list[Finding]:
    try:
        store = vault.files.open(STORE, directory, unsafe=True)
    except VaultError as error:
        return [Finding.of(error)]
    known = {key for keys in MANIFEST_KEYS.values() for key in keys}
    with store:
        findings = _defects(store)
        for name in store.names():
            findings += _defects(store, name)
            if name not in listed and name not in known:
                findings.append(_stray(store, name))
    return findings


def _record_findings(vault: Vault, found: list[Finding], states: list[ManifestState]) -> list[Finding]:
    """Report the defects that reading the records finds and no finding has yet."""
    findings = []
    # The states of the manifests report missing data and their own defects.
    named = {vault.data_path(key) for state in states for key in state.keys}
    named = {path for path in named if not os.path.lexists(path)} | {one.where for one in states if not one.sound}
    for key, read in ((FINGERPRINT_KEY, vault.read), (REGISTRATION_KEY, vault.read_registration)):
        try:
            read()
        except VaultMissing as error:
            if key == FINGERPRINT_KEY:
                found_missing = Finding.of(error)
                if _has_open_request(vault):
                    # A first record of now would be another one than the service was asked with, for another node.
                    found_missing = found_missing.replace(remedy="Finish the registration that is open (see below)")
                findings.append(found_missing)
        except VaultError as error:
            if error.where not in named and not _is_named(error, found):
                findings.append(Finding.of(error))
        if vault.rolled_back:
            findings.append(_rolled_back(vault, key))
        elif vault.notice and not any(finding.where == vault.data_path(key) for finding in findings):
            findings.append(
                Finding("changed-elsewhere", vault.notice, vault.data_path(key),
                        "Fine if that was the agent or you; keep a copy with: fingerprint vault backup", False)
            )  # fmt: skip
    return findings + _lost(vault)


def _has_open_request(vault: Vault) -> bool:
    try:
        return bool(pending(vault))
    except VaultError:
        # `_journal_findings` reports that.
        return False


def _rolled_back(vault: Vault, key: str) -> Finding:
    """Return the finding of a record that is older than what our journal has."""
    from fingerprint.vault.remedies import usable_copy

    copy = usable_copy(vault, key)
    back = f"Bring the newer one back with: {restore_command(copy[0], key)}. " if copy else ""
    remedy = f"{back}If the older one is wanted, say so with: fingerprint vault backup"
    return Finding("rolled-back", vault.notice, vault.data_path(key), remedy, False)


def _lost(vault: Vault) -> list[Finding]:
    """Name a cleared record beside a registration; a missing one is named by what reads it."""
    try:
        if not vault.read().fingerprint:
            refuse_lost(vault)
    except FingerprintLost as error:
        return [Finding("fingerprint-lost", error.what, vault.data_path(FINGERPRINT_KEY), error.remedy, False)]
    except VaultError:
        # It is named already.
        pass
    return []


def _journal_findings(vault: Vault) -> list[Finding]:
    try:
        damaged = vault.history.damaged_lines()
    except VaultError as error:
        found = Finding.of(error)
        # As `Vault.read`: with a journal that cannot be trusted the vault is read all the same.
        return [found.replace(broken=not isinstance(error, (VaultDenied, VaultUnsafe)))]
    return [
        Finding("journal", f"line {number} of our journal is damaged; that entry cannot be restored",
                vault.history.path, "Search the system log for disk errors", False)
        for number in damaged
    ]  # fmt: skip


def _open_registrations(vault: Vault) -> list[Finding]:
    """Report each registration that was requested from the service and is not stored."""
    try:
        found = pending(vault)
    except VaultError:
        # It is the journal's, and named already.
        return []
    try:
        there = node_in(vault.raw(REGISTRATION_KEY))
    except VaultError:
        # The same, of the vault.
        there = ""
    findings = []
    for one in found:
        if one.node:
            what = f"the service registered this host as {one.node} at {one.at}, and that was not stored"
            remedy = f"Finish it with: {finish_command()}"
            if there not in ("", one.replaces, one.node):
                what = f"{what}; the vault holds another registration since ({there})"
                remedy = f"To replace that, use: {finish_command(one.node)}"
        else:
            what = f"a registration was interrupted: the service may have made a node ({one.search_terms})"
            usual = one.endpoint.startswith(f"https://ssm.{one.region}.")
            # With another provider it would be another request, and another node.
            ask = register_command(
                one.region, again=bool(there), provider=one.registration.provider, activation_id=one.activation_id,
                endpoint="" if usual else one.endpoint,
            )  # fmt: skip
            remedy = (
                f"Ask again with: {ask}. If the service lists a node of this activation and time, keep that one with: "
                f"{finish_command('ID')}"
            )
        findings.append(Finding("registration-open", what, vault.history.path, remedy, False))
    return findings


def _evidence_findings(vault: Vault) -> list[Finding]:
    try:
        _, refused = vault.evidence.entries()
    except VaultError as error:
        refused = [error]
    return [Finding("evidence", error.what, error.where, error.remedy, False) for error in refused]
