"""Replace the similarity threshold of a vault."""

from __future__ import annotations

from fingerprint.errors import UsageError
from fingerprint.rules.ssm import THRESHOLD_DISABLED
from fingerprint.vault.remedies import existing_record, require_fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.types import FingerprintRecord
    from fingerprint.vault import Vault
    from fingerprint.vault.edit import VaultEdit


def set_threshold(vault: Vault, threshold: int) -> tuple[FingerprintRecord, FingerprintRecord]:
    """Replace the similarity threshold of a vault, and return the record before and after.

    Raises:
        UsageError: the threshold is neither -1 nor 1 to 100.
        VaultMissing: the vault holds no fingerprint.
        VaultError: the vault could not be read or written; it is as it was.
    """
    check_threshold(threshold)
    existing_record(vault)

    def change(edit: VaultEdit) -> tuple[FingerprintRecord, FingerprintRecord]:
        before = require_fingerprint(edit.read(), vault)
        after = before.replace(threshold=threshold)
        # Also if it is so already: its writer may have died before it was durable.
        edit.store(after, why=f"threshold set from {before.threshold} to {threshold}")
        return before, after

    return vault.change(change)


def check_threshold(threshold: int) -> None:
    """Raise UsageError unless a threshold may be set: -1, or 1 to 100."""
    if threshold != THRESHOLD_DISABLED and not 1 <= threshold <= 100:
        raise UsageError(
            f"invalid threshold {threshold}: must be -1 or 1-100",
            remedy="Name 1 to 100, or -1 to disable the check; 0 is read from old vaults and cannot be set",
        )
