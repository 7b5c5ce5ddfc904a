"""What runs before the agent starts: bring the record of the same machine up to date, and detect a copy.

The agent compares by its rules alone: it replaces the fingerprint of an innocent machine, and accepts a copy. The guard
compares first, with the hardware as well, and an agent always starts where the guard does not know.
"""

from __future__ import annotations

import os

from fingerprint._io.times import seconds_of, utc
from fingerprint.errors import FingerprintError, VaultError, VaultMissing
from fingerprint.gate import Gate, keep_evidence, record_rest, renew, require_storable, ruling_of, unreadable_hardware
from fingerprint.rules.ssm import in_words
from fingerprint.types import Collection, Reason, Value, Vocabulary
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.evidence import MATCHED, record_tag
from fingerprint.vault.files import Directory
from fingerprint.vault.history import KEPT, REFRESHED
from fingerprint.vault.journal import sealed, unsealed
from fingerprint.vault.regeneration import other_sid, rebaselined_as_it_is

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from fingerprint.machine.base import Machine
    from fingerprint.machine.recorder import Recorder
    from fingerprint.observation import Comparison
    from fingerprint.rules.certainty import Ruling
    from fingerprint.vault import Vault
    from fingerprint.vault.edit import VaultEdit

# A machine that flaps between two states makes no more changes in a day: refreshes, and all renewals of its record.
REFRESHES_A_DAY = 4
RENEWALS_A_DAY = 24
# The last line of the command's answer if it blocks the start; drop-ins of earlier versions have it, so it stays.
BLOCKED = "fingerprint-guard: blocked"
SAFE = "kept before the agent starts"
_DIRECTORY = "guard"
_SCHEMA_VERSION = 1
_LIMIT = 64 * 1024
_DAY_SECONDS = 86400.0


class Decision(Vocabulary):
    """What the guard found, and did.

    UNCHANGED: no attribute changed. ACCEPTED: the agent accepts the machine. REFRESHED: so, and its record is up to
    date now. KEPT: the agent would reject it, and it is certainly the same, so its record was renewed. COPY: the agent
    would accept it, and it is certainly another machine. REJECTED: the agent rejects it, and it is not certainly the
    same. UNKNOWN: nothing is known of it.
    """

    UNCHANGED: ClassVar[Decision]
    ACCEPTED: ClassVar[Decision]
    REFRESHED: ClassVar[Decision]
    KEPT: ClassVar[Decision]
    COPY: ClassVar[Decision]
    REJECTED: ClassVar[Decision]
    UNKNOWN: ClassVar[Decision]


Decision.define(
    UNCHANGED="unchanged", ACCEPTED="accepted", REFRESHED="refreshed", KEPT="kept", COPY="copy", REJECTED="rejected",
    UNKNOWN="unknown",
)  # fmt: skip


class GuardRun(Value):
    """One run of the guard.

    Attributes:
        at: when, RFC 3339.
        decision: what it found.
        blocks: whether the agent must not start.
        why: the reason, a sentence without a full stop.
        remedy: what to do; "" for nothing.
        command: the command that does it; "" for none.
        written: whether the vault or its evidence was written, or would be.
        dry_run: whether nothing was written, as it was asked for.
        record: the record that was compared, see `record_tag`; "" for none.
    """

    at: str
    decision: Decision
    blocks: bool
    why: str
    remedy: str = ""
    command: str = ""
    written: bool = False
    dry_run: bool = False
    record: str = ""


def run_guard(
    vault: Vault,
    machine: Machine | None = None,
    *,
    refresh: bool = False,
    block: bool = False,
    dry_run: bool = False,
    timeout: float | None = None,
) -> GuardRun:
    """Compare a machine with its record before the agent does, and bring the record up to date.

    Args:
        vault: the vault.
        machine: the machine; None for this one.
        refresh: whether the record of a machine that matches and drifted is renewed, too.
        block: whether a machine that is not certainly the same must not start its agent.
        dry_run: whether nothing is written.
        timeout: seconds for each command of a collection; None for the platform's usual one.

    Returns:
        What was found. An error is a decision, too: the agent may start.
    """
    at = utc(vault.now())
    try:
        gate = Gate(vault, machine, policy="evidence", timeout=timeout)
        at = utc(gate.machine.now())
        found = _Run(vault, gate, refresh, block, dry_run, timeout).decide(at)
    except FingerprintError as error:
        found = GuardRun(at, Decision.UNKNOWN, False, f"{error.where}: {error.what}", error.remedy)
    except Exception as error:
        # Whatever it is, a healthy agent must start.
        found = GuardRun(at, Decision.UNKNOWN, False, f"unexpected {type(error).__name__}: {error}")
    found = found.replace(dry_run=dry_run)
    finish(vault, found)
    return found


def finish(vault: Vault, found: GuardRun) -> None:
    """Note a run, and keep the record in the history where nothing is known. Best effort; nothing for a dry run.

    Args:
        vault: the vault.
        found: the run, also one that its caller ended.
    """
    if found.dry_run:
        return
    if found.decision == Decision.UNCHANGED:
        _forget_unknown(vault)
        return
    if found.decision == Decision.UNKNOWN:
        # The agent may read what could not be read here, and reject the machine by it.
        _keep_safe(vault)
    _note(vault, found)


def _keep_safe(vault: Vault) -> str:
    """Keep the record in the history, unless it is there: the agent may replace it next.

    Returns:
        Why it could not be kept; "" if it is there. The decision stands without it.
    """
    try:
        data = vault.raw(FINGERPRINT_KEY)
        if data is not None and not vault.history.mentions(data):
            with vault.edit() as edit:
                edit.keep(FINGERPRINT_KEY, why=SAFE)
    except FingerprintError as error:
        return f"the record could not be kept in the history ({error.where}: {error.what})"
    return ""


class _Run:
    def __init__(
        self, vault: Vault, gate: Gate, refresh: bool, block: bool, dry_run: bool, timeout: float | None
    ) -> None:
        self._vault = vault
        self._gate = gate
        self._refresh = refresh
        self._block = block
        self._dry_run = dry_run
        self._timeout = timeout

    def decide(self, at: str) -> GuardRun:
        observed = self._gate.observe()
        if isinstance(observed, Collection):
            return GuardRun(at, Decision.UNKNOWN, False, "this vault has no fingerprint yet: nothing to compare with")
        record = record_tag(observed.record)
        if observed.verdict.match:
            found = self._of_match(at, observed).replace(record=record)
            return found.replace(written=True) if self._keep_first_evidence(observed, found) else found
        return self._of_mismatch(at, observed).replace(record=record)

    def _of_match(self, at: str, observed: Comparison) -> GuardRun:
        if observed.unchanged:
            return GuardRun(at, Decision.UNCHANGED, False, "no attribute changed")
        ruling = self._ruling(observed)
        rule = in_words(observed.verdict)
        if ruling.is_different:
            return self._kept_safe(copy_run(at, observed, ruling, self._block))
        if not self._refresh:
            return GuardRun(at, Decision.ACCEPTED, False, f"the agent accepts it ({rule}); {_in_words(ruling)}")
        why = self._no_refresh(observed, ruling)
        if why:
            return GuardRun(at, Decision.ACCEPTED, False, f"the agent accepts it ({rule}); not refreshed: {why}")
        self._renew(observed, REFRESHED)
        return GuardRun(
            at, Decision.REFRESHED, False, f"the agent accepts it ({rule}); {_in_words(ruling)}", written=True,
        )  # fmt: skip

    def _of_mismatch(self, at: str, observed: Comparison) -> GuardRun:
        ruling, rule = self._ruling(observed), in_words(observed.verdict)
        if not ruling.is_same:
            return self._kept_safe(rejected_run(at, observed, ruling, self._block))
        if not self._dry_run:
            # Also if the renewal fails, or is killed: the agent replaces the record then.
            _keep_safe(self._vault)
        if self._renewals((KEPT, REFRESHED)) >= RENEWALS_A_DAY:
            return GuardRun(
                at, Decision.UNKNOWN, False, f"its record was renewed {RENEWALS_A_DAY} times within a day: the machine "
                "changes back and forth", "See what changes", "fingerprint vault history",
            )  # fmt: skip
        self._renew(observed, KEPT)
        why = f"the agent would reject it ({rule}), but it is certainly the same: {ruling.why}"
        return GuardRun(at, Decision.KEPT, False, why, written=True)

    def _kept_safe(self, found: GuardRun) -> GuardRun:
        """Keep the record in the history: then the agent's new fingerprint can lose nothing."""
        why = "" if self._dry_run else _keep_safe(self._vault)
        return found.replace(why=f"{found.why}; {why}") if why else found

    def _ruling(self, observed: Comparison) -> Ruling:
        return ruling_of(self._vault, observed.record, self._gate.recorder, timeout=self._timeout)

    def _no_refresh(self, observed: Comparison, ruling: Ruling) -> str:
        """Return why the record of a machine that matches is not renewed; "" if it can be."""
        if not ruling.is_same:
            return ruling.why
        empty = [row.name for row in observed.verdict.rows if row.saved and not row.current]
        if empty:
            return f"{', '.join(empty)} would become empty"
        if self._renewals((REFRESHED,)) >= REFRESHES_A_DAY:
            return f"it was refreshed {REFRESHES_A_DAY} times within a day"
        if self._renewals((KEPT, REFRESHED)) >= RENEWALS_A_DAY:
            return f"it was renewed {RENEWALS_A_DAY} times within a day"
        try:
            require_storable(observed.collection, self._vault.path)
        except FingerprintError as error:
            return error.what
        return ""

    def _renewals(self, reasons: tuple[str, ...]) -> int:
        """Return how often the record was renewed for these reasons within the last day."""
        begin = self._vault.now() - _DAY_SECONDS
        return sum(
            change.why in reasons and (seconds_of(change.at) or 0.0) > begin for change in self._vault.history.changes()
        )

    def _renew(self, observed: Comparison, why: str) -> None:
        require_storable(observed.collection, self._vault.path)
        if self._dry_run:
            return
        recorder = self._gate.recorder
        record_rest(recorder, self._timeout)
        renew(
            self._vault, observed.record, observed.collection, recorder, why=why, rule=str(observed.verdict.reason)
        )  # fmt: skip

    def _keep_first_evidence(self, observed: Comparison, found: GuardRun) -> bool:
        """Take the machine as the evidence of a record that has none, and return whether it was or would be done."""
        if found.written:
            return False
        try:
            if self._vault.evidence.has(observed.record):
                return False
            return not first_evidence(
                self._vault, observed, self._gate.recorder, timeout=self._timeout, dry_run=self._dry_run
            )
        except FingerprintError:
            # The next run tries again.
            return False


def first_evidence(vault: Vault, match: Comparison, recorder: Recorder, *, timeout: float | None, dry_run: bool) -> str:
    """Take a machine that matches as the evidence of a record that has none.

    Only where the rules compared something, and each source could be read, also of the hardware: later runs compare
    with what is kept now, and without it nothing would ever be certain.

    Args:
        vault: the vault.
        match: the machine and its record.
        recorder: what the machine was read from.
        timeout: seconds for each command.
        dry_run: whether nothing is written.

    Returns:
        Why it was not taken; "" if it was, or would be.

    Raises:
        Refused, CollectError: see `require_storable`.
        VaultError: the vault could not be locked or read.
    """
    if not is_evidence(match):
        return nothing_compared(match)
    require_storable(match.collection, vault.path)
    unread = unreadable_hardware(recorder, timeout)
    if unread:
        return f"could not be read: {', '.join(unread)}"
    if dry_run:
        return ""
    record_rest(recorder, timeout)

    def keep(edit: VaultEdit) -> None:
        if edit.read() == match.record:
            keep_evidence(vault, match.record, recorder, why=MATCHED)

    vault.change(keep)
    return "" if vault.evidence.has(match.record) else f"it could not be written to {vault.evidence.path}"


def _in_words(ruling: Ruling) -> str:
    return f"certainly the same: {ruling.why}" if ruling.is_same else ruling.why


def is_evidence(match: Comparison) -> bool:
    """Return whether a match may become the evidence of a record that has none: the rules compared something."""
    verdict = match.verdict
    return not verdict.vacuous and verdict.reason in (Reason.SAME_IP, Reason.SIMILAR)


def nothing_compared(match: Comparison) -> str:
    """Return why a match is no evidence."""
    return f"the rules compared nothing that says so ({in_words(match.verdict)})"


def copy_run(at: str, observed: Comparison, ruling: Ruling, block: bool) -> GuardRun:
    """Return the run that found another machine, which the agent would accept."""
    rule = in_words(observed.verdict)
    return GuardRun(
        at, Decision.COPY, block, f"another machine: {ruling.why}; the agent would accept it ({rule})",
        "If this is a copy, clear its identity; if the hardware was replaced on purpose, keep the fingerprint",
        rebaselined_as_it_is(other_sid(observed.record.hardware_hash, observed.collection)),
    )  # fmt: skip


def rejected_run(at: str, observed: Comparison, ruling: Ruling, block: bool) -> GuardRun:
    """Return the run that found a machine which the agent rejects, and which is not certainly the same."""
    rule = in_words(observed.verdict)
    why = f"the agent rejects it ({rule}); {ruling.why}"
    return GuardRun(at, Decision.REJECTED, block, why, "See what changed", "fingerprint explain")


def last_run(vault: Vault) -> GuardRun | None:
    """Return the last run whose decision was not "unchanged", which writes nothing; None if none is known.

    Raises:
        VaultError: our state directory could not be read.
    """
    try:
        with Directory.open(os.path.join(vault.state, _DIRECTORY)) as directory:
            data = directory.read(f"{vault.state_key}.json", _LIMIT)
    except VaultMissing:
        return None
    kept: dict[str, Any] = unsealed((data or b"").removesuffix(b"\n")) or {}
    try:
        at, why, remedy, command = (str(kept[name]) for name in ("at", "why", "remedy", "command"))
        decision, blocks, written = Decision(kept["decision"]), kept["blocks"] is True, kept["written"] is True
    except (KeyError, ValueError):
        # Of another version, or damaged: it is replaced by the next run.
        return None
    return GuardRun(at, decision, blocks, why, remedy, command, written, record=str(kept.get("record", "")))


def _forget_unknown(vault: Vault) -> None:
    """Remove the note of a run that could not compare: this one could. Best effort."""
    try:
        before = last_run(vault)
        if before is not None and before.decision == Decision.UNKNOWN:
            with Directory.open(os.path.join(vault.state, _DIRECTORY)) as directory:
                directory.lock(1.0)
                directory.remove(f"{vault.state_key}.json")
    except VaultError:
        # It names its time, so it cannot be taken for one of this start.
        return


def _note(vault: Vault, found: GuardRun) -> None:
    """Note a run in our state directory. Best effort."""
    entry = {
        "schemaVersion": _SCHEMA_VERSION, "at": found.at, "decision": str(found.decision), "blocks": found.blocks,
        "why": found.why, "remedy": found.remedy, "command": found.command, "written": found.written,
        "record": found.record,
    }  # fmt: skip
    try:
        name = f"{vault.state_key}.json"
        with Directory.make(os.path.join(vault.state, _DIRECTORY), 0o700) as directory:
            directory.lock(1.0)
            directory.replace(name, sealed(entry))
    except VaultError:
        # The decision stands without it.
        return
