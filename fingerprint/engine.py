"""The one place that decides the order: collect, match, keep or mint, vault.

`check` looks and changes nothing; `Gate` stands before every role-token request.
"""

from __future__ import annotations

from fingerprint.collect import INVALID_TEXT, STABLE, collect
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
from fingerprint.match import THRESHOLD_DEFAULT, THRESHOLD_DISABLED, match
from fingerprint.model import Collection, FingerprintRecord, Reason, Value, Verdict
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.elsewhere import refuse_second
from fingerprint.vault.history import FIRST, MISMATCH
from fingerprint.vault.remedies import refuse_lost
from fingerprint.vocabulary import Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from logging import Logger
    from typing import Any, ClassVar

    from typing_extensions import Self

    from fingerprint.collect.machine import Machine
    from fingerprint.collect.other_recipe import OtherRecipe
    from fingerprint.collect.recorder import Recorder
    from fingerprint.stable import StableVerdict
    from fingerprint.vault import Vault, VaultEdit

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


# What to do where only the hash recipe changed.
RECIPE_REMEDY = (
    "Keep the fingerprint, and take the hashes as the installed agent makes them, before the agent's next token "
    "request (the machine is the same)"
)


class RecipeChange(Value):
    """What a machine is by the hash recipe of its record, where the installed agent takes another one.

    Attributes:
        found: the machine by that recipe, and what happened.
        verdict: the verdict over the record and that.
    """

    __slots__ = ("found", "verdict")
    found: OtherRecipe
    verdict: Verdict

    def __init__(self, found: OtherRecipe, verdict: Verdict) -> None:
        self._set(found=found, verdict=verdict)


def outcome_of(verdict: Verdict, change: RecipeChange | None = None) -> str:
    """Return "same", "different", or "cannot-tell" for a mismatch that unreadable attributes could turn.

    Args:
        verdict: by the hashes of the installed agent.
        change: by those that the record was made with, where these are others: they decide what machine it is.
    """
    if change is not None:
        verdict = change.verdict
    return "same" if verdict.match else "different" if verdict.conclusive else "cannot-tell"


class Observation(Value):
    """One look at machine and vault.

    Attributes:
        record, collection, verdict: the record, the machine, and the verdict over both.
        change: what another hash recipe says where they do not match; None where none of them fits the record.
    """

    __slots__ = ("record", "collection", "verdict", "change")
    record: FingerprintRecord
    collection: Collection
    verdict: Verdict
    change: RecipeChange | None

    def __init__(
        self,
        record: FingerprintRecord,
        collection: Collection,
        verdict: Verdict,
        change: RecipeChange | None = None,
    ) -> None:
        self._set(record=record, collection=collection, verdict=verdict, change=change)


def check(vault: Vault, machine: Machine | None = None, *, timeout: float | None = None) -> Observation:
    """Hold the machine against its vault once. Nothing is written.

    Raises:
        VaultMissing: the vault holds no fingerprint (also: a cleared one) and no registration.
        FingerprintLost: it holds no fingerprint, and the machine is registered.
        VaultError: the vault could not be read.
        CollectError: nothing could be collected.
    """
    from fingerprint.collect.machine import LiveMachine

    record = existing_record(vault)
    machine = (machine or LiveMachine()).keeping()
    observation = _observe(record, collect(machine, timeout=timeout))
    change = recipe_change(record, observation.verdict, observation.collection, machine, timeout=timeout)
    return observation if change is None else observation.replace(change=change)


def recipe_change(
    record: FingerprintRecord,
    verdict: Verdict,
    collection: Collection,
    machine: Machine,
    *,
    timeout: float | None = None,
) -> RecipeChange | None:
    """Return what another hash recipe of Windows, or other type ids, say of a machine that does not match its record.

    Args:
        record: the record.
        verdict, collection: of the recipe that the installed agent takes.
        machine: the machine, which is asked for what the other recipes hash.
        timeout: seconds for each command.
    """
    if not collection.recipe or verdict.reason not in (Reason.SID_DIFFERS, Reason.NOT_SIMILAR):
        return None
    # Imported here: only Windows has recipes.
    from fingerprint.collect.other_recipe import other_recipe

    found = other_recipe(
        machine, collection, record.hardware_hash, machine.timeout if timeout is None else timeout
    )  # fmt: skip
    return None if found is None else RecipeChange(found, _observe(record, found.collection).verdict)


def existing_record(vault: Vault) -> FingerprintRecord:
    """Return the record of a vault; raise where there is none, or a cleared one.

    Raises:
        VaultMissing: the vault holds no fingerprint, and no registration.
        FingerprintLost: it holds no fingerprint, and the machine is registered.
        VaultError: the vault could not be read.
    """
    try:
        return _existing(vault.read(), vault)
    except VaultMissing:
        refuse_lost(vault)
        raise


def _observe(record: FingerprintRecord, collection: Collection) -> Observation:
    verdict = match(
        record.hardware_hash,
        collection.hardware_hash,
        record.threshold,
        sid_key=collection.sid_key,
        unreadable=collection.unreadable,
        silent=collection.silent,
        stopped=collection.stops_agent,
    )
    return Observation(record, collection, verdict)


class Outlook(Vocabulary):
    """What the agent does when it holds the machine against the record.

    ACCEPTS: it matches. REJECTS: it finds a mismatch and stores a new fingerprint, which the service rejects.
    STOPS: its collection fails (a value that is not UTF-8); it stores nothing and gets no credentials.
    UNKNOWN: it may read what could not be read here, and that decides.
    """

    ACCEPTS: ClassVar[Outlook]
    REJECTS: ClassVar[Outlook]
    STOPS: ClassVar[Outlook]
    UNKNOWN: ClassVar[Outlook]


Outlook.define(ACCEPTS="will-accept", REJECTS="will-reject", STOPS="stops", UNKNOWN="cannot-tell")
# A value that no source has, for what the agent may read and we could not.
_UNKNOWN_VALUE = "?"


def agent_outlook(
    verdict: Verdict, collection: Collection, *, of_agent: bool = True, change: RecipeChange | None = None
) -> Outlook:
    """Return what the agent does with a machine, by what it reads itself.

    A source that fails for root fails for the agent, which then holds "" against the record: that is certain. What
    ended here for another reason the agent may read.

    Args:
        verdict: over the record and the collection.
        collection: the machine as it was read here.
        of_agent: whether the agent uses the vault of the record. Our own client, which uses another one, reads
            what was read here.
        change: what another hash recipe says, if one does.
    """
    if collection.stops_agent:
        return Outlook.STOPS
    if not of_agent and (verdict.match or not verdict.conclusive):
        return Outlook.ACCEPTS if verdict.match else Outlook.UNKNOWN
    if of_agent and collection.doubt and verdict.reason != Reason.DISABLED and (verdict.match or change is not None):
        # By the recipes that the agent may take one gives the saved hardware ID, and the others do not.
        return Outlook.UNKNOWN
    saved = {row.name: row.saved for row in verdict.rows if row.saved is not None}
    current = {row.name: row.current for row in verdict.rows if row.current is not None}
    only_here = collection.only_here
    if not only_here:
        return Outlook.ACCEPTS if verdict.match else Outlook.REJECTS
    if not verdict.match:
        there = match(saved, current, verdict.threshold, sid_key=verdict.sid_key, unreadable=only_here)
        return Outlook.REJECTS if there.conclusive else Outlook.UNKNOWN
    worst = {name: _UNKNOWN_VALUE if name in only_here else value for name, value in current.items()}
    certain = match(saved, worst, verdict.threshold, sid_key=verdict.sid_key).match
    return Outlook.ACCEPTS if certain else Outlook.UNKNOWN


# What is told where `would_reject`.
WOULD_REJECT = (
    "no agent uses this vault, and our own client sends nothing while it cannot tell; an agent with this record would "
    "reject the machine, as it reads no more than was read here"
)


def would_reject(outlook: Outlook | None, verdict: Verdict, collection: Collection) -> bool:
    """Return whether our own client cannot tell, and an agent with the same record would reject the machine."""
    if outlook != Outlook.UNKNOWN or collection.doubt:
        return False
    return agent_outlook(verdict, collection) == Outlook.REJECTS


class StableObservation(Value):
    """The machine held against the evidence of its record, by scheme `stable`."""

    __slots__ = ("taken_at", "collection", "verdict")
    taken_at: str
    collection: Collection
    verdict: StableVerdict

    def __init__(self, taken_at: str, collection: Collection, verdict: StableVerdict) -> None:
        self._set(taken_at=taken_at, collection=collection, verdict=verdict)


def check_stable(
    vault: Vault, record: FingerprintRecord, machine: Machine | None = None, *, timeout: float | None = None
) -> StableObservation | None:
    """Hold the machine against what was kept of it for a record; None where nothing was. Nothing is written.

    Raises:
        VaultError: the evidence could not be read.
        SnapshotError: the evidence is damaged.
    """
    evidence = vault.evidence.for_record(record)
    if evidence is None:
        return None
    from fingerprint.collect.recorded import RecordedMachine
    from fingerprint.stable import decide

    before = collect(RecordedMachine(evidence.snapshot, vault.evidence.path), scheme=STABLE)
    now = collect(machine, scheme=STABLE, timeout=timeout)
    return StableObservation(evidence.at, now, decide(before.hardware_hash, now.hardware_hash, now.unreadable))


def keep_snapshot(vault: Vault, snapshot: dict[str, Any]) -> int:
    """Keep a recorded machine as evidence of the vault's present record, and return its number.

    Raises:
        VaultError: there is no record, or it could not be kept.
    """
    with vault.edit() as edit:
        record = _existing(edit.read(), vault)
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
        before = _existing(edit.read(), vault)
        after = before.replace(threshold=threshold)
        # Also if it is so already: its writer may have died before it was durable.
        edit.store(after, why=f"threshold set from {before.threshold} to {threshold}")
        return before, after

    return vault.change(change)


def check_threshold(threshold: int) -> None:
    """Raise UsageError unless a threshold may be set: -1, or 1 to 100."""
    if threshold != THRESHOLD_DISABLED and not 1 <= threshold <= 100:
        raise UsageError(
            f"{threshold} is no similarity threshold",
            remedy="It is 1 to 100, or -1 to disable the check; 0 is read from old vaults and cannot be set",
        )


def _existing(record: FingerprintRecord, vault: Vault) -> FingerprintRecord:
    if not record.fingerprint:
        raise VaultMissing(
            "the record is cleared: it holds no fingerprint",
            where=vault.path,
            remedy="Make the first record with: fingerprint init",
        )
    return record


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
        observation = _observe(present, collection)
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
    from fingerprint.collect.machine import LiveMachine
    from fingerprint.collect.recorder import Recorder

    return Recorder(machine or LiveMachine())


def record_rest(recorder: Recorder, timeout: float | None = None) -> None:
    """Record what an explanation may need and the collection did not ask for.

    It must never cost the identity: what goes wrong is logged.
    """
    from fingerprint.collect.whole import record_rest as record

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
    from fingerprint._digest import mint_fingerprint

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
            remedy="Mend the source; such a value cannot be stored",
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
        from fingerprint.collect.machine import LiveMachine

        self.vault = vault
        self.machine = machine or LiveMachine()
        self.policy = Policy(policy)
        self._timeout = timeout
        # What the last attempt read, for the evidence of a record that is minted from it.
        self._recorder: Recorder

    def fingerprint(self) -> str:
        """Return the fingerprint of this machine.

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

    def _observe(self) -> Observation | Collection:
        """Return a match, the collection for a first record, or a mismatch that counts."""
        mismatches: list[Observation] = []
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
            observation = _observe(record, collection)
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

    def _demand_agreement(self, mismatches: list[Observation]) -> None:
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
                remedy="Nothing was written. Try again when the machine is at rest",
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

    def _mismatch(self, observed: Observation) -> str:
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
                again = _observe(now, observed.collection)
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


def in_words(verdict: Verdict) -> str:
    """Return the rule that decided, with its figures, in one line."""
    reason = verdict.reason
    score = f"{verdict.matched} of {verdict.total} attributes are equal, {verdict.percent:.1f} %"
    if reason == Reason.DISABLED:
        return "rule 1: the check is disabled (threshold -1)"
    if reason == Reason.NOTHING_TO_COMPARE:
        return "rule 2: the saved or the current hardware hash is empty"
    if reason == Reason.SID_DIFFERS:
        return f"rule 3: the hardware ID ({verdict.sid_key}) differs"
    if reason == Reason.SAME_IP:
        return "rule 4: same hardware ID and same IP address"
    if reason == Reason.SIMILAR:
        return f"rule 5: {score}, at least the threshold {verdict.threshold}"
    return f"rule 5: {score}, less than the threshold {verdict.threshold}"


def _log() -> Logger:
    # Imported here: logging costs more than a whole check.
    from logging import getLogger

    return getLogger("fingerprint.engine")
