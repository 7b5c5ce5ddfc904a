"""List the problems of a vault that lose the machine its identity, in the same words for every command."""

from __future__ import annotations

from fingerprint.errors import FingerprintLost, VaultCorrupt, VaultError
from fingerprint.types import Value
from fingerprint.vault.integrity import READS, manifest_state
from fingerprint.vault.records import REGISTRATION_KEY
from fingerprint.vault.regeneration import NO_COPY_LEFT, rebaselined
from fingerprint.vault.remedies import NOTHING_WRITTEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.errors import FingerprintError
    from fingerprint.vault.integrity import ManifestState
    from fingerprint.vault.regeneration import State
    from fingerprint.vault.vault import Vault

# The kinds, the most urgent first.
MANIFEST = "manifest"
REGISTRATION = "registration-unreadable"
LOST = "fingerprint-lost"
CORRUPT = "record-unreadable"
REPLACED = "fingerprint-replaced"


class Problem(Value):
    """A problem that loses the machine its identity, or did.

    Attributes:
        kind: one of this module's words.
        text: what is wrong, in one sentence without a full stop.
        remedy: what to do, "" where nothing helps.
        command: the command that does it; "" where it stands in the remedy, or there is none.
    """

    kind: str
    text: str
    remedy: str = ""
    command: str = ""


def manifest_of(vault: Vault) -> ManifestState | None:
    """Return what the agent finds through the manifest; None where that could not be read."""
    try:
        return manifest_state(vault)
    except VaultError:
        # Reading the record reports that.
        return None


def of_the_vault(
    vault: Vault, manifest: ManifestState | None, error: FingerprintError | None = None
) -> tuple[Problem, ...]:
    """Return what is wrong with a vault, the most urgent first.

    Args:
        vault: the vault.
        manifest: what the agent finds through the manifest; None where that could not be read.
        error: why the record could not be read; None if it was.
    """
    problems = []
    found = manifest is None or manifest.agent_does == READS
    if manifest is not None and not found:
        problems.append(Problem(MANIFEST, f"{manifest.what}: {manifest.consequence}", manifest.remedy))
    if manifest is None or not manifest.sound or REGISTRATION_KEY in dict(manifest.listed):
        try:
            vault.read_registration()
        except VaultCorrupt as unread:
            if found:
                text = f"the registration cannot be read ({unread.what}): the agent does not start with it"
                problems.append(Problem(REGISTRATION, text, unread.remedy.removeprefix(NOTHING_WRITTEN)))
        except VaultError:
            # Missing: not registered. Denied: reading the record reports that.
            pass
    if isinstance(error, FingerprintLost):
        problems.append(Problem(LOST, error.what, error.remedy))
    elif isinstance(error, VaultCorrupt) and found:
        # Without a registration the agent does not read the record.
        then = "" if problems else ": the agent stores a new fingerprint with threshold 0 over it at its next check"
        text = f"the record cannot be read ({error.what}){then}"
        problems.append(Problem(CORRUPT, text, error.remedy.removeprefix(NOTHING_WRITTEN)))
    return tuple(problems)


def replaced(state: State, other_sid: bool) -> Problem:
    """Return the problem that a fingerprint was replaced.

    Args:
        state: what became of the record.
        other_sid: whether the record from before is of another hardware ID.
    """
    when = f" at {state.at}" if state.at else ""
    text = f"the fingerprint was replaced{when} by {state.by}: the service knows the one before, and rejects this one"
    if state.restorable is None:
        return Problem(REPLACED, text, NO_COPY_LEFT)
    remedy = "If this is the same machine, restore the fingerprint from before"
    return Problem(REPLACED, text, remedy, rebaselined(state.restorable, other_sid))
