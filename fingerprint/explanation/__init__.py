"""Why the verdict is what it is: causes, probable events, the state, what follows, and what to do.

`explain` is pure over what it is given; `explain_observation`, `explain_vault` and `explain_snapshots` gather that.
"""

from __future__ import annotations

from fingerprint._io.times import utc
from fingerprint.agent.next_check import Trigger
from fingerprint.agent.outlook import WOULD_REJECT, agent_outlook, would_reject
from fingerprint.collectors import collect
from fingerprint.collectors.recording import booted_at
from fingerprint.explanation.causes import Cause, Context, causes, silence_now
from fingerprint.explanation.events import ProbableEvent, probable
from fingerprint.explanation.remedies import Remedy, remedies
from fingerprint.explanation.sources import Sources
from fingerprint.observation import Observation, StableObservation, compare_stable, compare_with, recipe_change
from fingerprint.rules.ssm import THRESHOLD_DEFAULT, in_words
from fingerprint.rules.stable import Outcome
from fingerprint.types import Collection, FingerprintRecord, Outlook, Value, Verdict
from fingerprint.vault.problems import MANIFEST, REGISTRATION
from fingerprint.vault.regeneration import State, of_another_sid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.next_check import NextCheck
    from fingerprint.machine.base import Machine
    from fingerprint.machine.recorded import RecordedMachine
    from fingerprint.observation import RecipeChange
    from fingerprint.rules.stable import StableVerdict
    from fingerprint.vault import Vault

_ACCEPTED = "None: the machine is accepted."

__all__ = [
    "Cause", "Explanation", "ProbableEvent", "Remedy", "State", "explain", "explain_observation", "explain_snapshots",
    "explain_vault",
]  # fmt: skip


class Explanation(Value):
    """All that is known about a verdict.

    Attributes:
        verdict: what the rules say.
        collection: the machine as it was read.
        outcome: "same", "different", or "cannot-tell" for a mismatch that unreadable attributes could turn.
        outlook: what the agent does when it holds the machine against the record.
        rule: the rule that decided, in words.
        causes: one per attribute.
        events: what may be behind it, the most probable first.
        state: what became of the record.
        state_text, consequence: the same for people.
        remedies: what to do, in order.
        cannot_tell: statements that cannot be made, and why.
        stable: the machine held against its evidence by scheme `stable`; None where there is none.
        id_warning: why the hardware ID identifies no machine (`Collection.id_warning`), "" where it does.
        check: when the agent compares next; None for an unchanged machine, and where no agent can run.
        change: what another hash recipe of Windows says, if it fits the record; then `outcome` is by that.
    """

    verdict: Verdict
    collection: Collection
    outcome: str
    outlook: Outlook
    rule: str
    causes: tuple[Cause, ...]
    events: tuple[ProbableEvent, ...]
    state: State
    state_text: str
    consequence: str
    remedies: tuple[Remedy, ...]
    cannot_tell: tuple[str, ...]
    stable: StableObservation | None
    id_warning: str = ""
    check: NextCheck | None = None
    change: RecipeChange | None = None

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
    of_agent: bool = True,
    check: NextCheck | None = None,
    vault_problem: str = "",
    change: RecipeChange | None = None,
) -> Explanation:
    """Explain a verdict from what is known. It reads nothing and raises nothing.

    Args:
        verdict: the verdict over saved and current hash.
        collection: the machine as it was read.
        before: what the saved hash was read from; None if nothing was kept.
        now: what the current hash was read from.
        state: what became of the record; None for one that nothing happened to.
        stable: the verdict of scheme `stable`, if there is one.
        of_agent: whether the agent uses the vault; else our own client, which reads what was read here.
        check: when the agent compares next, if that was looked at.
        vault_problem: why the agent does not come to compare with this record, "" where it does.
        change: what another hash recipe of Windows says, if it fits the record.
    """
    state = state or State()
    started = booted_at(now.machine) if now else None
    context = Context(verdict, collection, before, now, utc(started)[:16].replace("T", " ") if started else "")
    context.change = change
    found = causes(context)
    circumstances = []
    if before and now:
        circumstances += ["rebooted"] if started is not None and started > before.machine.now() else []
        circumstances += ["kernel"] if before.machine.kernel != now.machine.kernel else []
    by_stable = stable.verdict if stable else None
    events = probable(context, found, by_stable, circumstances)
    decides = verdict if change is None else change.verdict
    outcome = "same" if decides.match else "different" if decides.conclusive else "cannot-tell"
    outlook = agent_outlook(verdict, collection, of_agent=of_agent, other_recipe=change is not None)
    return Explanation(
        verdict, collection, outcome, outlook, in_words(verdict), found, events, state,
        _state_text(outlook, state, check, vault_problem, of_agent),
        _with_problem(vault_problem, _consequence(verdict, collection, outlook, state, by_stable, check, change)),
        remedies(
            verdict, events, by_stable, state=state, other_sid=of_another_sid(state, collection),
            outlook=outlook, more_rights=collection.remedy, unreadable=bool(collection.only_here),
            recipe_changed=change is not None and outcome == "same", doubt=collection.doubt_remedy,
        ),
        _cannot_tell(context, found, stable, state), stable, collection.id_warning, check, change,
    )  # fmt: skip


def _state_text(outlook: Outlook, state: State, check: NextCheck | None, vault_problem: str, of_agent: bool) -> str:
    if state.regenerated:
        when = f" at {state.at}" if state.at else ""
        return f"already regenerated{when}, by {state.by}: this record is not the one that was registered"
    if state.uncertain:
        return f"cannot tell whether it was replaced: {state.uncertain}"
    if vault_problem:
        return "not regenerated so far"
    if outlook == Outlook.ACCEPTS:
        return "not regenerated, and the agent keeps the record at its next check"
    if outlook == Outlook.STOPS:
        return "not regenerated, and not going to be: the agent stores nothing while it cannot read the machine"
    if outlook == Outlook.UNKNOWN and not of_agent:
        return "not regenerated, and not going to be while sources cannot be read: no agent uses this vault"
    if outlook == Outlook.UNKNOWN:
        return "not regenerated yet; what the agent does at its next check cannot be told"
    when = check.when if check else "at its next check: when it next requests a token"
    return f"not regenerated yet: the agent does it {when}"


def _consequence(
    verdict: Verdict,
    collection: Collection,
    outlook: Outlook,
    state: State,
    stable: StableVerdict | None,
    check: NextCheck | None,
    change: RecipeChange | None,
) -> str:
    if state.regenerated:
        return (
            "The service knows the earlier fingerprint only and rejects this one permanently: retries are futile, and "
            "lowering the threshold does not help any more."
        )
    if outlook == Outlook.STOPS:
        return f"{collection.agent_error}."
    if would_reject(outlook, verdict, collection):
        return f"{WOULD_REJECT[0].upper()}{WOULD_REJECT[1:]}."
    if outlook == Outlook.UNKNOWN and collection.doubt:
        return f"Not known: {collection.doubt}."
    if outlook == Outlook.UNKNOWN:
        return "Not known: sources could not be read here that the agent may read, and they decide."
    if outlook == Outlook.REJECTS:
        unsure = "" if verdict.conclusive else (
            "Whether it is the same machine cannot be told, but the agent reads no more than was read here. "
        )  # fmt: skip
        why = f"{change.found.text[0].upper()}{change.found.text[1:]}. " if change is not None else ""
        return f"{unsure}{why}{_rejection(check)}"
    if stable is not None and stable.outcome == Outcome.DIFFERENT:
        return (
            "The agent's rules accept it all the same: this host gets the role of the one whose record it holds, "
            "as a copy would."
        )
    return _ACCEPTED


def _with_problem(vault_problem: str, consequence: str) -> str:
    """Return what follows, where the agent has to read its records before it compares."""
    if not vault_problem:
        return consequence
    then = "The machine matches its record." if consequence == _ACCEPTED else f"Once that is repaired: {consequence}"
    return f"{vault_problem[0].upper()}{vault_problem[1:]}. {then}"


def _rejection(check: NextCheck | None) -> str:
    then = (
        "stores a new fingerprint over this one, and the service rejects the machine until the fingerprint is restored "
        "or the machine is registered again."
    )
    if check is None:
        return f"At its next check, when it next requests a token, the agent {then}"
    if check.runs is False:
        return f"No agent is seen to run. The next one, at its first token request, {then}"
    if check.trigger == Trigger.AT_NEXT_START:
        goes_on = f"The agent that runs now goes on ({check.how})"
        return f"{goes_on}. After its next start, at its first token request, it {then}"
    if check.trigger == Trigger.AT_NEXT_REFRESH:
        return f"The agent that runs now has not compared yet ({check.how}). It does {check.when}: then it {then}"
    return (
        f"When the agent compares is not known ({check.how}), at worst at any moment without a restart: then it {then}"
    )


def _cannot_tell(
    context: Context, found: tuple[Cause, ...], stable: StableObservation | None, state: State
) -> tuple[str, ...]:
    told = []
    unnamed = [c.name for c in found if c.state == "changed" and not c.certain]
    kept = () if context.before is None else context.before.known
    for names, why in (
        ([name for name in unnamed if name in kept], "what was recorded holds the values, and not why they differ"),
        ([name for name in unnamed if name not in kept], _why_unnamed(context, state)),
    ):
        told += [f"What changed behind {', '.join(names)}: {why}"] if names else []
    unread = [c.name for c in found if c.state == "unknown"]
    if unread:
        told.append(f"Whether {', '.join(unread)} changed: could not be read now")
    silent = [c.name for c in found if c.state == "empty" and silence_now(c.name, context)]
    if silent:
        why = silence_now(silent[0], context)
        told.append(f"Whether {', '.join(silent)} changed: {why}, and the same text then, which counts as equal")
    # Of a hardware ID that identifies nothing the warning below tells.
    hidden = context.collection.sid_key if context.collection.id_warning else ""
    empty = [c.name for c in found if c.state == "empty" and c.name not in (*silent, hidden)]
    if empty:
        told.append(f"Whether {', '.join(empty)} changed: empty on both sides, which counts as equal")
    if context.collection.id_warning:
        told.append(context.collection.id_warning)
    if context.collection.doubt:
        told.append(f"{context.collection.doubt[0].upper()}{context.collection.doubt[1:]}")
    if stable is None:
        told.append("Whether the hardware itself is the same (scheme stable): no evidence to hold it against")
    return tuple(told)


def _why_unnamed(context: Context, state: State) -> str:
    if context.before is None:
        return "nothing was kept when the record was made"
    when = f" ({state.evidence_at})" if state.evidence_at else ""
    return f"what was kept{when} is not what the record was made from"


def explain_vault(
    vault: Vault, machine: Machine, *, before: RecordedMachine | None = None, timeout: float | None = None
) -> Explanation:
    """Look at a machine and its vault once, and explain. Nothing is written.

    Args:
        vault: the vault.
        machine: the machine.
        before: evidence in place of what was kept.
        timeout: seconds for each command.

    Raises:
        VaultMissing: the vault holds no fingerprint, and no registration.
        FingerprintLost: it holds no fingerprint, and the machine is registered.
        VaultError: the vault could not be read.
        CollectError: nothing could be collected.
    """
    return explain_observation(Observation.take(vault, machine, timeout=timeout), before=before)


def explain_observation(observation: Observation, *, before: RecordedMachine | None = None) -> Explanation:
    """Explain an observation.

    Args:
        observation: the observation.
        before: evidence in place of what was kept.

    Raises:
        FingerprintError: the observation has no comparison; see `Observation.required`.
    """
    compared = observation.required()
    if before is None:
        stable = observation.stable
        # Evidence explains; a record without it is explained from less.
        kept = None if observation.evidence is None or stable is None else observation.evidence[1]
    else:
        kept, stable = before, compare_stable(before, utc(before.now()), observation.machine)
    return explain(
        compared.verdict, compared.collection,
        before=None if kept is None else Sources(kept, compared.record.hardware_hash),
        now=Sources(observation.recording), state=observation.state, stable=stable, of_agent=observation.of_agent,
        check=observation.next_check, vault_problem=_vault_problem(observation), change=compared.change,
    )  # fmt: skip


def _vault_problem(observation: Observation) -> str:
    """Return why the agent does not find or read its records, "" where it does."""
    return next((one.text for one in observation.problems if one.kind in (MANIFEST, REGISTRATION)), "")


def explain_snapshots(before: RecordedMachine, now: RecordedMachine, threshold: int = THRESHOLD_DEFAULT) -> Explanation:
    """Explain what lies between two recordings of machines.

    Raises:
        CollectError: a recording tells nothing.
    """
    saved, collection = collect(before), collect(now)
    record = FingerprintRecord("", saved.hardware_hash, threshold)
    compared = compare_with(record, collection)
    change = recipe_change(record, compared.verdict, collection, now)
    stable = compare_stable(before, utc(before.now()), now)
    return explain(
        compared.verdict, collection, before=Sources(before), now=Sources(now), stable=stable, change=change
    )  # fmt: skip
