"""Keep the evidence of a record that only the agent wrote when the guard is installed, not at its first run."""

from __future__ import annotations

from fingerprint.collectors import collect
from fingerprint.errors import FingerprintError, VaultCorrupt, VaultMissing
from fingerprint.gate import recorder_of
from fingerprint.guard import first_evidence, is_evidence, nothing_compared
from fingerprint.observation import compare_with
from fingerprint.types import Value
from fingerprint.vault.remedies import existing_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine
    from fingerprint.vault import Vault


class FirstEvidence(Value):
    """The evidence of the record when the guard was installed.

    Attributes:
        kept: whether the record has evidence, or would get it.
        why: why not; "" if it has.
        remedy: what to do, where no later run of the guard takes it; "" where one does.
    """

    kept: bool
    why: str = ""
    remedy: str = ""


_KEEP = "Keep what this host is like now: fingerprint snapshot FILE --keep"


def take_first_evidence(
    vault: Vault, machine: Machine, *, timeout: float | None = None, dry_run: bool = False
) -> FirstEvidence:
    """Take the machine as it is now as the evidence of a record that has none and matches it. Best effort.

    Args:
        vault: the vault.
        machine: the machine.
        timeout: seconds for each command; None for the platform's usual one.
        dry_run: whether nothing is written.
    """
    try:
        recorder = recorder_of(machine)
        record = existing_record(vault)
        try:
            # Read, not only found by its name: damaged evidence is none, and no run replaces it.
            if vault.evidence.for_record(record):
                return FirstEvidence(True)
        except VaultCorrupt as error:
            return FirstEvidence(False, f"{error.where}: {error.what}", error.remedy)
        observed = compare_with(record, collect(recorder, timeout=timeout))
        if not observed.verdict.match:
            return FirstEvidence(False, "this host does not match the record")
        if not is_evidence(observed):
            return FirstEvidence(False, nothing_compared(observed), _KEEP)
        why = first_evidence(vault, observed, recorder, timeout=timeout, dry_run=dry_run)
    except VaultMissing:
        return FirstEvidence(False, "this vault has no fingerprint yet")
    except FingerprintError as error:
        return FirstEvidence(False, f"{error.where}: {error.what}")
    return FirstEvidence(not why, why)
