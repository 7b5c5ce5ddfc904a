"""The one place that decides the order: collect, match, keep or mint, vault. `Gate` stands before every role-token
request; `fingerprint.observation` looks and changes nothing.
"""

from __future__ import annotations

from fingerprint.collectors import collect
from fingerprint.errors import (
    CollectError,
    FingerprintError,
    FingerprintLost,
    FingerprintMismatch,
    Refused,
    UsageError,
    VaultCorrupt,
    VaultMissing,
    VaultUnreadable,
)
from fingerprint.observation import Comparison, compare_with, recipe_change
from fingerprint.rules.ssm import THRESHOLD_DEFAULT, THRESHOLD_DISABLED, in_words
from fingerprint.types import INVALID_TEXT, Collection, FingerprintRecord, Verdict, Vocabulary
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.history import FIRST, MISMATCH
from fingerprint.vault.other_records import refuse_second
from fingerprint.vault.remedies import existing_record, refuse_lost, require_fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from logging import Logger
    from typing import Any, ClassVar

    from typing_extensions import Self

    from fingerprint.machine.base import Machine
    from fingerprint.machine.recorder import Recorder
    from fingerprint.observation import RecipeChange
    from fingerprint.vault import Vault
    from fingerprint.vault.edit import VaultEdit

ATTEMPTS = 3
PAUSE_SECONDS = 5.0


class Policy(Vocabulary):
    """What the gate does on a mismatch.

    REGENERATE mints and stores a new fingerprint, as documented for the reference (the service then
    refuses it); STRICT raises and writes nothing; AUDIT logs and passes the saved fingerprint on.
    """

    REGENERATE: ClassVar[Policy]
    STRICT: ClassVar[Policy]
    AUDIT: ClassVar[Policy]


Policy.define(REGENERATE="regenerate", STRICT="strict", AUDIT="audit")


def demand_policy(kind: type, options: Mapping[str, object]) -> None:
    """Raise TypeError, with the choices, unless the keywords for a new object name a policy."""
    if "policy" not in options:
        raise TypeError(f"{kind.__name__} requires the keyword policy: one of {', '.join(Policy.members())}")


def keep_snapshot(vault: Vault, snapshot: dict[str, Any]) -> int:
    """Keep a recorded machine as evidence of the vault's present record, and return its number.

    Raises:
        VaultError: there is no record, or it could not be kept.
    """
    with vault.edit() as edit:
        record = require_fingerprint(edit.read(), vault)
        return vault.evidence.keep(record, snapshot, why="snapshot", at=snapshot["recordedAt"])


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


def first_record(
    vault: Vault, machine: Machine | None = None, *, threshold: int = THRESHOLD_DEFAULT, timeout: float | None = None
) -> tuple[FingerprintRecord, Collection]:
    """Mint and store the first fingerprint of a vault.

    Raises:
        Refused: the vault already holds a fingerprint, or the installed agent may make other hashes (`demand_recipe`);
            nothing was written.
        CollectError: a value of the machine is not valid UTF-8.
        VaultError: the vault could not be read or written.
    """
    check_threshold(threshold)
    refuse_existing(vault)
    recorder = _recorder(machine)
    collection = collect(recorder, timeout=timeout)
    _demand_valid(collection)
    record_rest(recorder, timeout)

    def mint(edit: VaultEdit) -> FingerprintRecord:
        # Once more: another process may have registered the machine meanwhile.
        try:
            if edit.read().fingerprint:
                raise _already(vault)
        except VaultMissing:
            pass
        _refuse_first(vault)
        record = _minted(collection, threshold)
        keep_evidence(vault, record, recorder, why=FIRST)
        edit.store(record, why=FIRST)
        return record

    return vault.change(mint), collection


def prepared_record(
    vault: Vault, machine: Machine | None, threshold: int, *, timeout: float | None = None
) -> tuple[FingerprintRecord, Recorder | None]:
    """Return the record to register a machine with; nothing is written.

    It is the vault's own if this is its machine; else a new one, with what it was made from.

    Raises:
        UsageError: the threshold may not be set.
        Refused: the installed agent may make other hashes, see `demand_recipe`.
        CollectError: the machine could not be observed well enough.
        VaultError: the vault could not be read.
    """
    check_threshold(threshold)
    recorder = _recorder(machine)
    collection = collect(recorder, timeout=timeout)
    _demand_valid(collection)
    demand_recipe(collection)
    try:
        present = vault.read()
    except VaultMissing:
        present = FingerprintRecord()
    if present.fingerprint:
        observation = compare_with(present, collection)
        if observation.verdict.match:
            return present, None
        if not observation.verdict.conclusive:
            raise CollectError(
                f"cannot tell: {', '.join(collection.unreadable)} could not be read",
                where=vault.path,
                remedy=f"Nothing was sent or written. {collection.remedy}".rstrip(),
            )
        threshold = present.threshold
    record_rest(recorder, timeout)
    return _minted(collection, threshold), recorder


def _recorder(machine: Machine | None) -> Recorder:
    from fingerprint.machine.live import LiveMachine
    from fingerprint.machine.recorder import Recorder

    machine = machine or LiveMachine()
    machine.require_fresh()
    return Recorder(machine)


def record_rest(recorder: Recorder, timeout: float | None = None) -> None:
    """Record what an explanation may need and the collection did not ask for.

    It must never cost the identity: what goes wrong is logged.
    """
    from fingerprint.collectors.recording import record_rest as record

    try:
        record(recorder, timeout)
    except Exception as error:
        # Whatever it is, a machine of another's making included: what was recorded so far is evidence, too.
        _log().warning("only a part of the machine was recorded as evidence: %s", _in_short(error))


def keep_evidence(
    vault: Vault, record: FingerprintRecord, recorder: Recorder, *, why: str, present: FingerprintRecord | None = None
) -> None:
    """Keep what a record is made from; the caller holds the lock of the vault and then stores the record.

    It must never cost the identity: what goes wrong is logged.

    Args:
        vault: the vault.
        record: the record that is going to be stored.
        recorder: what it is made from.
        why: the reason of the record.
        present: the record that is there until then.
    """
    snapshot = recorder.snapshot
    try:
        vault.evidence.keep(record, snapshot, why=why, at=snapshot["recordedAt"], present=present)
    except Exception as error:
        # Whatever it is: the record is stored next, and it is worth more than its explanation.
        _log().warning("the evidence of the record was not kept: %s", _in_short(error))


def _in_short(error: Exception) -> str:
    """Return what went wrong without a remedy: there is nothing to be done about it."""
    if isinstance(error, FingerprintError):
        return f"{error.where}: {error.what}"
    return f"{type(error).__name__}: {error}"


def refuse_existing(vault: Vault) -> None:
    """Raise Refused unless a first fingerprint may be made: there is one, or the machine is registered without.

    Raises:
        Refused: there is one, or the service would reject a new one.
        VaultError: the vault could not be read.
    """
    try:
        if vault.read().fingerprint:
            raise _already(vault)
    except VaultMissing:
        pass
    _refuse_first(vault)


def _refuse_first(vault: Vault) -> None:
    try:
        refuse_lost(vault)
    except FingerprintLost as error:
        raise Refused(error.what, where=error.where, remedy=f"Nothing was written. {error.remedy}") from None
    refuse_second(vault, FINGERPRINT_KEY)


def _already(vault: Vault) -> Refused:
    return Refused(
        "the vault already holds a fingerprint; nothing was written",
        where=vault.path,
        remedy="To see whether it still fits: fingerprint check. To start over: fingerprint vault reset --yes",
    )


def _minted(collection: Collection, threshold: int) -> FingerprintRecord:
    from fingerprint._core import mint_fingerprint

    demand_recipe(collection)
    hardware_hash = collection.hardware_hash
    return FingerprintRecord(mint_fingerprint(hardware_hash), hardware_hash, threshold)


def demand_recipe(collection: Collection) -> None:
    """Raise Refused unless the installed agent makes the same hashes: with others in its record it replaces it.

    Raises:
        Refused: which recipe the agent takes is not known, or WMI did not tell a class, so that the type ids of the
            others are those of this moment.
    """
    settles = collection.doubt_remedy
    if settles is not None:
        command = f" ({settles.command})" if settles.command else ""
        raise Refused(
            f"cannot tell which hashes the agent makes: {collection.doubt}",
            remedy="Nothing was written, and no option confirms it: the agent would take other hashes for another "
            f"machine. {settles.text}{command}, then retry; see what is read with: fingerprint show",
        )
    # By the other recipes a failed command leaves the values of the others alone.
    unread = [a for a in collection if a.unreadable and a.source.startswith("SELECT ")]
    if unread:
        raise Refused(
            f"WMI does not return {', '.join(a.name for a in unread)} ({unread[0].reason})",
            where=unread[0].source,
            remedy="Nothing was written, and no option confirms it: an agent for which the query succeeds makes other "
            "hashes. Repair WMI (check it with: winmgmt /verifyrepository), then retry",
        )


def _demand_valid(collection: Collection) -> None:
    broken = [a.name for a in collection if a.reason == INVALID_TEXT]
    if broken:
        raise CollectError(
            f"values that are not valid UTF-8: {', '.join(broken)}",
            where=collection[broken[0]].source,
            remedy="Fix the source: such a value cannot be stored",
        )


class Gate:
    """Answers with the fingerprint to send with a role-token request.

    Args:
        vault: the machine's vault.
        machine: the machine; None for this one. Its clock is the gate's clock.
        policy: what to do on a mismatch. It has no default: what it chooses can cost the identity.
        timeout: seconds for each command of a collection; None for the platform's usual one.

    A failed collection is no observation. A mismatch counts only when the last attempt was a good
    observation and the one before it agrees, and when no unreadable attribute could turn it.

    Raises:
        TypeError: no policy is named.
        ValueError: there is no such policy.
        RuntimeError: vault or machine keeps what it read, and each attempt looks anew.
    """

    def __new__(cls, *_: object, **options: object) -> Self:
        demand_policy(cls, options)
        return super().__new__(cls)

    def __init__(
        self,
        vault: Vault,
        machine: Machine | None = None,
        *,
        policy: Policy | str,
        timeout: float | None = None,
    ) -> None:
        from fingerprint.machine.live import LiveMachine

        self.vault = vault
        self.machine = machine or LiveMachine()
        self.vault.demand_fresh()
        self.machine.require_fresh()
        self.policy = Policy(policy)
        self._timeout = timeout
        # What the last attempt read, for the evidence of a record that is minted from it.
        self._recorder: Recorder

    def fingerprint(self) -> str:
        """Return the fingerprint of this host.

        On a match it is the saved one and nothing is written. Where there is no fingerprint yet and no
        registration, the first one is minted and stored, whatever the policy. On a mismatch the policy decides.

        Raises:
            FingerprintLost: there is none, and the machine is registered.
            Refused: there is none here, and another place knows one.
            FingerprintMismatch: the policy is strict and this is not the machine of the record.
            CollectError: the machine could not be observed well enough.
            VaultError: the vault could not be read or written; it is as it was.
        """
        observed = self._observe()
        if isinstance(observed, Collection):
            return self._first(observed)
        if observed.verdict.match:
            return observed.record.fingerprint
        return self._mismatch(observed)

    def _observe(self) -> Comparison | Collection:
        """Return a match, the collection for a first record, or a mismatch that counts."""
        mismatches: list[Comparison] = []
        problem: FingerprintError | None = None
        for _ in range(ATTEMPTS):
            try:
                self._recorder = _recorder(self.machine)
                collection = collect(self._recorder, timeout=self._timeout)
                _demand_valid(collection)
                problem = None
                record = existing_record(self.vault)
            except VaultMissing:
                return collection
            except VaultCorrupt as error:
                # The agent writes in place, so a record may be half-written now and whole in a moment;
                # the next collection is pause enough.
                problem = error
                continue
            except (CollectError, VaultUnreadable) as error:
                problem = error
                self._pause(error)
                continue
            observation = compare_with(record, collection)
            if observation.verdict.match:
                return observation
            mismatches.append(observation)
            self._pause(None)
        if problem:
            raise problem
        self._demand_agreement(mismatches)
        return mismatches[-1]

    def _pause(self, problem: FingerprintError | None) -> None:
        _log().warning("%s; looking again in %g s", problem or "the machine does not match its record", PAUSE_SECONDS)
        self.machine.sleep(PAUSE_SECONDS)

    def _demand_agreement(self, mismatches: list[Comparison]) -> None:
        last = mismatches[-1]
        if not last.verdict.conclusive:
            raise CollectError(
                f"cannot tell: {', '.join(last.collection.unreadable)} could not be read",
                where=self.vault.path,
                remedy=f"Nothing was written. {last.collection.remedy or 'See why with: fingerprint show'}",
            )
        if len(mismatches) < 2 or mismatches[-2].collection.hardware_hash != last.collection.hardware_hash:
            raise CollectError(
                "cannot tell: two good observations in a row did not agree",
                where=self.vault.path,
                remedy="Nothing was written. The hardware inventory changed between two readings; retry",
            )

    def _first(self, collection: Collection) -> str:
        record = _minted(collection, THRESHOLD_DEFAULT)
        record_rest(self._recorder, self._timeout)

        def store(edit: VaultEdit) -> str:
            try:
                winner = edit.read().fingerprint
            except VaultMissing:
                winner = ""
            if winner:
                # Another process was first; one vault has one fingerprint.
                return winner
            refuse_lost(self.vault)
            refuse_second(self.vault, FINGERPRINT_KEY)
            keep_evidence(self.vault, record, self._recorder, why=FIRST)
            edit.store(record, why=FIRST)
            _log().info("stored the first fingerprint of the vault %s", self.vault.path)
            return record.fingerprint

        return self.vault.change(store)

    def _mismatch(self, observed: Comparison) -> str:
        if self.policy == Policy.AUDIT:
            _log().warning("not the machine of the record (%s); the policy is audit", observed.verdict.reason)
            return observed.record.fingerprint
        if self.policy == Policy.STRICT:
            change = recipe_change(
                observed.record, observed.verdict, observed.collection, self._recorder, timeout=self._timeout
            )
            raise mismatch_error(observed.verdict, self.vault.path, change)
        record_rest(self._recorder, self._timeout)

        def regenerate(edit: VaultEdit) -> str:
            now = edit.read()
            if now != observed.record:
                # Another process changed the record while this one was waiting; judge by the new one.
                again = compare_with(now, observed.collection)
                if again.verdict.match:
                    return now.fingerprint
                raise CollectError(
                    "the record was changed by another process while this one was deciding",
                    where=self.vault.path,
                    remedy="Nothing was written. Try again",
                )
            record = _minted(observed.collection, now.threshold)
            keep_evidence(self.vault, record, self._recorder, why=MISMATCH, present=now)
            edit.store(record, why=MISMATCH, rule=str(observed.verdict.reason))
            _log().warning(
                "not the machine of the record (%s): stored a new fingerprint; the old record is in the history",
                observed.verdict.reason,
            )
            return record.fingerprint

        return self.vault.change(regenerate)


def mismatch_error(verdict: Verdict, where: str, change: RecipeChange | None = None) -> FingerprintMismatch:
    """Return the error for a mismatch, with the rule that decided in words.

    Args:
        verdict: the mismatch.
        where: the vault.
        change: what another hash recipe says, if one does.
    """
    told, remedy = f"not the same machine: {in_words(verdict)}", "See what changed with: fingerprint check"
    if change is not None and change.verdict.match:
        told, remedy = (
            f"the record does not match any more: {change.found.text}",
            "See what helps with: fingerprint check",
        )
    error = FingerprintMismatch(told, where=where, remedy=remedy)
    error.verdict = verdict
    return error


def _log() -> Logger:
    # Imported here: logging costs more than a whole check.
    from logging import getLogger

    return getLogger("fingerprint.gate")
