"""Why the verdict is what it is: causes, probable events, the state, what follows, and what to do.

`explain` is pure over what it is given; `explain_vault` and `explain_snapshots` gather that.
"""

from __future__ import annotations

from fingerprint.collect.whole import booted_at, record_whole
from fingerprint.engine import StableObservation, check_stable, in_words
from fingerprint.errors import VaultError
from fingerprint.explanation.causes import Cause, Context, causes, is_denied
from fingerprint.explanation.probable import ProbableEvent, probable
from fingerprint.explanation.remedies import Remedy, remedies
from fingerprint.explanation.sources import Sources
from fingerprint.fate import State, state_of
from fingerprint.match import THRESHOLD_DEFAULT, match
from fingerprint.model import Collection, Value, Verdict, utc
from fingerprint.nextcheck import Looks, next_check
from fingerprint.stable import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.collect.machine import Machine
    from fingerprint.collect.recorded import RecordedMachine
    from fingerprint.nextcheck import NextCheck
    from fingerprint.stable import StableVerdict
    from fingerprint.vault import Vault

__all__ = [
    "Cause", "Explanation", "ProbableEvent", "Remedy", "State", "explain", "explain_snapshots", "explain_vault",
]  # fmt: skip


class Explanation(Value):
    """All that is known about a verdict.

    Attributes:
        verdict: what the rules say.
        outcome: "same", "different", or "cannot-tell" for a mismatch that unreadable attributes could turn.
        rule: the rule that decided, in words.
        causes: one per attribute.
        events: what may be behind it, the most probable first.
        state: what became of the record.
        state_text, consequence: the same for people.
        remedies: what to do, in order.
        cannot_tell: statements that cannot be made, and why.
        stable: the machine held against its evidence by scheme `stable`; None where there is none.
        check: when the agent compares next; None for an unchanged machine, and where no agent can run.
    """

    __slots__ = (
        "verdict", "outcome", "rule", "causes", "events", "state", "state_text", "consequence", "remedies",
        "cannot_tell", "stable", "check",
    )  # fmt: skip
    verdict: Verdict
    outcome: str
    rule: str
    causes: tuple[Cause, ...]
    events: tuple[ProbableEvent, ...]
    state: State
    state_text: str
    consequence: str
    remedies: tuple[Remedy, ...]
    cannot_tell: tuple[str, ...]
    stable: StableObservation | None
    check: NextCheck | None

    def __init__(
        self,
        verdict: Verdict,
        outcome: str,
        rule: str,
        causes: tuple[Cause, ...],
        events: tuple[ProbableEvent, ...],
        state: State,
        state_text: str,
        consequence: str,
        remedies: tuple[Remedy, ...],
        cannot_tell: tuple[str, ...],
        stable: StableObservation | None,
        check: NextCheck | None = None,
    ) -> None:
        self._set(
            verdict=verdict, outcome=outcome, rule=rule, causes=causes, events=events, state=state,
            state_text=state_text, consequence=consequence, remedies=remedies, cannot_tell=cannot_tell, stable=stable,
            check=check,
        )  # fmt: skip

    @property
    def changed(self) -> tuple[tuple[tuple[str, ...], str, bool], ...]:
        """The causes as people read them: (attributes, words, certain), those with the same words together."""
        found: dict[tuple[str, bool], list[str]] = {}
        for cause in self.causes:
            if cause.text:
                found.setdefault((cause.text, cause.certain), []).append(cause.name)
        return tuple((tuple(names), text, certain) for (text, certain), names in found.items())


def explain(
    verdict: Verdict,
    collection: Collection,
    *,
    before: Sources | None = None,
    now: Sources | None = None,
    state: State | None = None,
    stable: StableObservation | None = None,
    check: NextCheck | None = None,
) -> Explanation:
    """Explain a verdict from what is known. It reads nothing and raises nothing.

    Args:
        verdict: the verdict over saved and current hash.
        collection: the machine as it was read.
        before: what the saved hash was read from; None if nothing was kept.
        now: what the current hash was read from.
        state: what became of the record; None for one that nothing happened to.
        stable: the verdict of scheme `stable`, if there is one.
        check: when the agent compares next, if that was looked at.
    """
    state = state or State()
    started = booted_at(now.machine) if now else None
    context = Context(verdict, collection, before, now, utc(started)[:16].replace("T", " ") if started else "")
    found = causes(context)
    circumstances = []
    if before and now:
        circumstances += ["rebooted"] if started is not None and started > before.machine.now() else []
        circumstances += ["kernel"] if before.machine.kernel != now.machine.kernel else []
    by_stable = stable.verdict if stable else None
    events = probable(context, found, by_stable, circumstances)
    outcome = "same" if verdict.match else "different" if verdict.conclusive else "cannot-tell"
    return Explanation(
        verdict, outcome, in_words(verdict), found, events, state, _state_text(verdict, state, check),
        _consequence(verdict, outcome, state, by_stable, check),
        remedies(
            verdict, events, by_stable, regenerated=state.regenerated, restorable=state.restorable,
            denied=is_denied(context),
        ),
        _cannot_tell(context, found, stable, state), stable, check,
    )  # fmt: skip


def _state_text(verdict: Verdict, state: State, check: NextCheck | None) -> str:
    if state.regenerated:
        when = f" at {state.at}" if state.at else ""
        return f"already regenerated{when}, by {state.by}: this record is not the one that was registered"
    if verdict.match:
        return "not regenerated, and the agent keeps the record at its next check"
    when = check.when if check else "at its next check: when it next requests a token"
    return f"not regenerated yet: the agent does it {when}"


def _consequence(
    verdict: Verdict, outcome: str, state: State, stable: StableVerdict | None, check: NextCheck | None
) -> str:
    if state.regenerated:
        return (
            "The service knows the earlier fingerprint only and refuses this one for ever; every retry of the agent "
            "is wasted, and lowering the threshold does not help any more."
        )
    if verdict.match and stable is not None and stable.outcome == Outcome.DIFFERENT:
        return (
            "The agent's rules accept it all the same: this machine gets the role of the one whose record it holds, "
            "as a copy would."
        )
    if verdict.match:
        return "None: the machine is accepted."
    if outcome == "cannot-tell":
        return "Not known: sources could not be read, and what they would say decides."
    then = "stores a new fingerprint over this one, and the service rejects the machine until it is registered again."
    if check is None:
        return f"At its next check, when it next requests a token, the agent {then}"
    if check.runs is False:
        return f"No agent is seen to run. The next one, at its first token request, {then}"
    if check.looks == Looks.AT_NEXT_START:
        goes_on = f"The agent that runs now goes on ({check.how})"
        return f"{goes_on}. After its next start, at its first token request, it {then}"
    if check.looks == Looks.AT_NEXT_REFRESH:
        return f"The agent that runs now has not compared yet ({check.how}). It does {check.when}: then it {then}"
    return (
        f"When the agent compares is not known ({check.how}), at worst at any moment without a restart: then it {then}"
    )


def _cannot_tell(
    context: Context, found: tuple[Cause, ...], stable: StableObservation | None, state: State
) -> tuple[str, ...]:
    told = []
    unnamed = [c.name for c in found if c.state == "changed" and not c.certain]
    if unnamed:
        why = (
            "nothing was kept when the record was made"
            if context.before is None
            else f"what was kept ({state.evidence_at}) is not what the record was made from"
        )
        told.append(f"What changed behind {', '.join(unnamed)}: {why}")
    unread = [c.name for c in found if c.state == "unknown"]
    if unread:
        told.append(f"Whether {', '.join(unread)} changed: could not be read now")
    empty = [c.name for c in found if c.state == "empty"]
    if empty:
        told.append(f"Whether {', '.join(empty)} changed: empty on both sides, which counts as equal")
    if stable is None:
        told.append("Whether the hardware itself is the same (scheme stable): no evidence to hold it against")
    return tuple(told)


def explain_vault(
    vault: Vault,
    machine: Machine,
    *,
    before: RecordedMachine | None = None,
    timeout: float | None = None,
    check: Callable[[], NextCheck | None] | None = None,
) -> Explanation:
    """Look at a machine and its vault once, and explain. Nothing is written.

    Args:
        vault: the vault.
        machine: the machine.
        before: evidence in place of what was kept.
        timeout: seconds for each command.
        check: tells when the agent compares next, for who has read its log already; asked if something differs.

    Raises:
        VaultMissing: the vault holds no fingerprint.
        VaultError: the vault could not be read.
        CollectError: nothing could be collected.
    """
    from fingerprint.collect.recorded import RecordedMachine
    from fingerprint.engine import existing_record

    record = existing_record(vault)
    collection, recorder = record_whole(machine, timeout)
    now = RecordedMachine(recorder.snapshot)
    verdict = match(
        record.hardware_hash, collection.hardware_hash, record.threshold, sid_key=collection.sid_key,
        unreadable=collection.unreadable,
    )  # fmt: skip
    state = state_of(vault, record)
    stable: StableObservation | None = None
    kept = before
    if before is None:
        try:
            evidence = vault.evidence.for_record(record)
            if evidence is not None:
                kept = RecordedMachine(evidence.snapshot, vault.evidence.path)
            stable = check_stable(vault, record, now)
        except VaultError:
            # Evidence explains; a record without it is explained from less.
            kept = None
    else:
        stable = _stable_of(before, now)
    sources = None if kept is None else Sources(kept, record.hardware_hash)
    compares: NextCheck | None = None
    if verdict.matched != verdict.total:
        compares = next_check(machine) if check is None else check()
    return explain(verdict, collection, before=sources, now=Sources(now), state=state, stable=stable, check=compares)


def explain_snapshots(before: RecordedMachine, now: RecordedMachine, threshold: int = THRESHOLD_DEFAULT) -> Explanation:
    """Explain what lies between two recordings of machines.

    Raises:
        CollectError: a recording tells nothing.
    """
    old, new = Sources(before), Sources(now)
    from fingerprint.collect import collect

    saved, collection = collect(before), collect(now)
    verdict = match(
        saved.hardware_hash, collection.hardware_hash, threshold, sid_key=collection.sid_key,
        unreadable=collection.unreadable,
    )  # fmt: skip
    return explain(verdict, collection, before=old, now=new, stable=_stable_of(before, now))


def _stable_of(before: RecordedMachine, now: RecordedMachine) -> StableObservation:
    from fingerprint.collect import STABLE, collect
    from fingerprint.stable import decide

    old, new = collect(before, scheme=STABLE), collect(now, scheme=STABLE)
    return StableObservation(
        utc(before.now()), new, decide(old.hardware_hash, new.hardware_hash, new.unreadable)
    )  # fmt: skip
