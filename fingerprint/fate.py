"""What became of a record: whether it is the one that was registered, or replaced one after a mismatch."""

from __future__ import annotations

from fingerprint.engine import MISMATCH
from fingerprint.errors import VaultError
from fingerprint.model import Value, utc
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.history import LAST_WRITTEN
from fingerprint.vault.records import decode_fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.model import FingerprintRecord
    from fingerprint.vault import Vault


class State(Value):
    """What became of the record.

    Attributes:
        regenerated: whether it replaced another one after a mismatch.
        at: when, RFC 3339; "" if that is not known or did not happen.
        by: "us" or "another program"; "" if it did not happen.
        restorable: number of the history's entry with the record from before, None without one.
        evidence_at: when what was kept for the record was taken; "" if nothing is.
    """

    __slots__ = ("regenerated", "at", "by", "restorable", "evidence_at")
    regenerated: bool
    at: str
    by: str
    restorable: int | None
    evidence_at: str

    def __init__(
        self,
        regenerated: bool = False,
        at: str = "",
        by: str = "",
        restorable: int | None = None,
        evidence_at: str = "",
    ) -> None:
        self._set(regenerated=regenerated, at=at, by=by, restorable=restorable, evidence_at=evidence_at)


def state_of(vault: Vault, record: FingerprintRecord) -> State:
    """Return what became of a record, by our history and the bytes that we wrote last."""
    evidence_at = ""
    try:
        evidence = vault.evidence.for_record(record)
        evidence_at = evidence.at if evidence else ""
    except VaultError:
        # Damaged evidence says nothing, and the history is told all the same.
        pass
    return State(*replacement(vault, record), evidence_at)


def replacement(vault: Vault, record: FingerprintRecord) -> tuple[bool, str, str, int | None]:
    """Return `regenerated`, `at`, `by` and `restorable` of the state of a record."""
    try:
        entries = [entry for entry in vault.history.entries() if entry["key"] == FINGERPRINT_KEY]
        written_at, data = vault.history.last_written(FINGERPRINT_KEY)
        last = decode_fingerprint(data, vault.history.path)
    except VaultError:
        # There is no history, or none that can be read: then nothing is known to have happened.
        return False, "", "", None
    if last.fingerprint and last.fingerprint != record.fingerprint:
        if _registered_after(vault, written_at):
            return False, "", "", None
        return True, "", "another program", LAST_WRITTEN
    replaced = [entry for entry in entries if entry["why"] == MISMATCH]
    if replaced and replaced[-1] is entries[-1] and not _registered_after(vault, replaced[-1]["replacedAt"]):
        return True, replaced[-1]["replacedAt"], "us", replaced[-1]["number"]
    return False, "", "", None


def _registered_after(vault: Vault, at: str) -> bool:
    """Return whether the node's key was made after a time, RFC 3339: then the service knows the fingerprint of then."""
    # Imported here: regular expressions cost more than a whole look, and this is asked of a lost record only.
    from fingerprint.keydates import created_seconds

    try:
        made = created_seconds(vault.read_registration().private_key_created_date)
    except VaultError:
        return False
    return made is not None and utc(made) > at
