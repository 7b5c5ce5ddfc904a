"""One observation of a machine and its vault: record, collection, verdict, and what the agent makes of it."""

from __future__ import annotations

from fingerprint.collectors import STABLE, collect
from fingerprint.errors import (
    VaultMissing,
)
from fingerprint.rules.ssm import match
from fingerprint.types import Collection, FingerprintRecord, Outlook, Reason, Value, Verdict
from fingerprint.vault.remedies import refuse_lost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.collectors.other_recipe import OtherRecipe
    from fingerprint.machine.base import Machine
    from fingerprint.rules.stable import StableVerdict
    from fingerprint.vault import Vault


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

    found: OtherRecipe
    verdict: Verdict


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

    record: FingerprintRecord
    collection: Collection
    verdict: Verdict
    change: RecipeChange | None = None


def check(vault: Vault, machine: Machine | None = None, *, timeout: float | None = None) -> Observation:
    """Hold the machine against its vault once. Nothing is written.

    Raises:
        VaultMissing: the vault holds no fingerprint (also: a cleared one) and no registration.
        FingerprintLost: it holds no fingerprint, and the machine is registered.
        VaultError: the vault could not be read.
        CollectError: nothing could be collected.
    """
    from fingerprint.machine.live import LiveMachine

    record = existing_record(vault)
    machine = (machine or LiveMachine()).keeping()
    observation = compare_with(record, collect(machine, timeout=timeout))
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
    from fingerprint.collectors.other_recipe import other_recipe

    found = other_recipe(
        machine, collection, record.hardware_hash, machine.timeout if timeout is None else timeout
    )  # fmt: skip
    return None if found is None else RecipeChange(found, compare_with(record, found.collection).verdict)


def existing_record(vault: Vault) -> FingerprintRecord:
    """Return the record of a vault; raise where there is none, or a cleared one.

    Raises:
        VaultMissing: the vault holds no fingerprint, and no registration.
        FingerprintLost: it holds no fingerprint, and the machine is registered.
        VaultError: the vault could not be read.
    """
    try:
        return require_fingerprint(vault.read(), vault)
    except VaultMissing:
        refuse_lost(vault)
        raise


def compare_with(record: FingerprintRecord, collection: Collection) -> Observation:
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

    taken_at: str
    collection: Collection
    verdict: StableVerdict


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
    from fingerprint.machine.recorded import RecordedMachine
    from fingerprint.rules.stable import decide

    before = collect(RecordedMachine(evidence.snapshot, vault.evidence.path), scheme=STABLE)
    now = collect(machine, scheme=STABLE, timeout=timeout)
    return StableObservation(evidence.at, now, decide(before.hardware_hash, now.hardware_hash, now.unreadable))


def require_fingerprint(record: FingerprintRecord, vault: Vault) -> FingerprintRecord:
    if not record.fingerprint:
        raise VaultMissing(
            "the record is cleared: it holds no fingerprint",
            where=vault.path,
            remedy="Make the first record with: fingerprint vault init",
        )
    return record


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
