"""Keep what a record was made from as evidence, in our state directory; a failure is logged, never raised."""

from __future__ import annotations

from fingerprint.errors import FingerprintError
from fingerprint.vault.remedies import require_fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger
    from typing import Any

    from fingerprint.machine.base import Machine
    from fingerprint.machine.recorder import Recorder
    from fingerprint.types import FingerprintRecord
    from fingerprint.vault import Vault


def keep_snapshot(vault: Vault, snapshot: dict[str, Any]) -> int:
    """Keep a recorded machine as evidence of the vault's present record, and return its number.

    Raises:
        VaultError: there is no record, or it could not be kept.
    """
    with vault.edit() as edit:
        record = require_fingerprint(edit.read(), vault)
        return vault.evidence.keep(record, snapshot, why="snapshot", at=snapshot["recordedAt"])


def recorder_of(machine: Machine | None) -> Recorder:
    from fingerprint.machine.live import LiveMachine
    from fingerprint.machine.recorder import Recorder

    machine = machine or LiveMachine()
    machine.require_fresh()
    return Recorder(machine)


def record_rest(recorder: Recorder, timeout: float | None = None) -> None:
    """Record what an explanation may need and the collection did not ask for.

    Best effort: failures are logged, never raised.
    """
    from fingerprint.collectors.recording import record_rest as record

    try:
        record(recorder, timeout)
    except Exception as error:
        # Any error, also one of a caller's own machine: what was recorded so far is evidence, too.
        log().warning("only a part of the machine was recorded as evidence: %s", _in_short(error))


def keep_evidence(
    vault: Vault,
    record: FingerprintRecord,
    recorder: Recorder,
    *,
    why: str,
    present: FingerprintRecord | None = None,
    of_match: bool = False,
) -> None:
    """Keep what a record is made from; the caller holds the lock of the vault and then stores the record.

    Best effort: failures are logged, never raised.

    Args:
        vault: the vault.
        record: the record that is going to be stored.
        recorder: what it is made from.
        why: the reason of the record.
        present: the record that is there until then.
        of_match: whether the machine is known only by evidence that was taken at a match.
    """
    snapshot = recorder.snapshot
    try:
        vault.evidence.keep(record, snapshot, why=why, at=snapshot["recordedAt"], present=present, of_match=of_match)
    except Exception as error:
        # Any error: the record is stored next, and it is worth more than its explanation.
        log().warning("the evidence of the record was not kept: %s", _in_short(error))


def _in_short(error: Exception) -> str:
    """Return the location and the failure of an error, without its remedy: nothing needs to be done."""
    if isinstance(error, FingerprintError):
        return f"{error.where}: {error.what}"
    return f"{type(error).__name__}: {error}"


def log() -> Logger:
    """Return the logger of the gate."""
    # Imported here: logging costs more than a complete check.
    from logging import getLogger

    return getLogger("fingerprint.gate")
