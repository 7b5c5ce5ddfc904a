"""Explain a verdict: causes, probable events, the record's state, the consequence, and what to do.

`explain` is a pure function; `explain_observation`, `explain_vault` and `explain_snapshots` gather its arguments.
"""

from __future__ import annotations

from fingerprint._io.times import utc
from fingerprint.agent.next_check import Trigger
from fingerprint.agent.outlook import WOULD_REJECT, agent_outlook, would_reject
from fingerprint.collectors import collect
from fingerprint.collectors.recording import booted_at
from fingerprint.explanation.causes import Cause, Context, causes, silence_now
from fingerprint.explanation.composition import NOTHING, Composition, PrimitiveCause, compose
from fingerprint.explanation.events import ProbableEvent, probable
from fingerprint.explanation.history import History, Identity
from fingerprint.explanation.remedies import Remedy, remedies
from fingerprint.explanation.sources import Sources
from fingerprint.explanation.summary import Summary, sum_up
from fingerprint.observation import Observation, StableObservation, compare_stable, compare_with, recipe_change
from fingerprint.rules.ssm import THRESHOLD_DEFAULT, in_words
from fingerprint.rules.stable import Outcome
from fingerprint.types import Collection, FingerprintRecord, Outlook, Status, Value, Verdict
from fingerprint.vault.evidence import OF_A_MATCH
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
    "Cause", "Composition", "Explanation", "History", "Identity", "PrimitiveCause", "ProbableEvent", "Remedy", "State",
    "Summary", "explain", "explain_observation", "explain_snapshots", "explain_vault",
]  # fmt: skip


class Explanation(Value):
    """The explanation of a verdict.

    Attributes:
        verdict: by the agent's rules.
        collection: the current attributes.
        outcome: "same", "different", or "cannot-tell" for a mismatch that unreadable attributes could reverse.
        outlook: the agent's outcome when it compares the machine with the record.
        rule: the deciding rule, as a phrase.
        causes: one per attribute.
        events: probable events, the most probable first.
        state: whether the record was replaced.
        state_text, consequence: the record's state and what follows, as text.
        remedies: what to do, in order.
        cannot_tell: what is unknown, and why.
        stable: the machine compared with its evidence by scheme `stable`; None without evidence.
        id_warning: why the hardware ID does not identify the machine (`Collection.id_warning`); "" if it does.
        check: when the agent compares next; None for an unchanged machine, and if no agent can run.
        change: the verdict by another hash recipe of Windows, if that fits the record; `outcome` then follows it.
        composition: all differences by primitive causes, the identity question, and the history.
        summary: what explains the differences best.
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
    composition: Composition = NOTHING
    summary: Summary = Summary("")

    @property
    def changed(self) -> tuple[tuple[tuple[str, ...], str, bool], ...]:
        """(attributes, cause, certain) of each cause, attributes with the same cause together."""
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
    """Explain a verdict from its arguments alone. Reads nothing and raises nothing.

    Args:
        verdict: the verdict over saved and current hash.
        collection: the current attributes.
        before: the sources of the saved hash; None if nothing was kept.
        now: the sources of the current hash.
        state: whether the record was replaced; None for a record that was not.
        stable: the verdict of scheme `stable`; None without one.
        of_agent: whether the agent uses the vault; else our own client does, which reads the same values as here.
        check: when the agent compares next; None if unknown.
        vault_problem: why the agent cannot read its records; "" if it can.
        change: the verdict by another hash recipe of Windows, if that fits the record.
    """
    state = state or State()
    started = booted_at(now.machine) if now else None
    context = Context(verdict, collection, before, now, started)
    context.change = change
    found = causes(context)
    by_stable = stable.verdict if stable else None
    composition = compose(context, found, by_stable)
    events = probable(context, composition)
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
            collection=collection,
        ),
        _unknowns(context, found, composition, stable, state), stable, collection.id_warning, check, change,
        composition, sum_up(verdict.match, outcome, composition, found),
    )  # fmt: skip


def _state_text(outlook: Outlook, state: State, check: NextCheck | None, vault_problem: str, of_agent: bool) -> str:
    if state.regenerated:
        when = f" at {state.at}" if state.at else ""
        return f"already regenerated{when}, by {state.by}: this record is not the one that was registered"
    if state.uncertain:
        return f"not known whether it was replaced: {state.uncertain}"
    if vault_problem:
        return "not regenerated so far"
    if outlook == Outlook.ACCEPTS:
        return "not regenerated, and the agent keeps the record at its next check"
    if outlook == Outlook.STOPS:
        return "not regenerated, and not going to be: the agent stores nothing while it cannot read the machine"
    if outlook == Outlook.UNKNOWN and not of_agent:
        return "not regenerated, and not going to be while sources cannot be read: no agent uses this vault"
    if outlook == Outlook.UNKNOWN:
        return "not regenerated yet; the outcome of the agent's next check is not known"
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
        return "Not known: sources that decide were unreadable here, and the agent may read them."
    if outlook == Outlook.REJECTS:
        unsure = "" if verdict.conclusive else (
            "Whether it is the same machine is not known, but the agent reads the same values. "
        )  # fmt: skip
        why = f"{change.found.text[0].upper()}{change.found.text[1:]}. " if change is not None else ""
        return f"{unsure}{why}{_rejection(check)}"
    if stable is not None and stable.outcome == Outcome.DIFFERENT:
        return (
            "The agent's rules accept it nevertheless: this host gets the role of the one whose record it holds, "
            "as a copy would."
        )
    return _ACCEPTED


def _with_problem(vault_problem: str, consequence: str) -> str:
    """Return a consequence after the problem that the agent has to read its records before it compares."""
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
        return f"No agent is running. The next one, at its first token request, {then}"
    if check.trigger == Trigger.AT_NEXT_START:
        running = f"The running agent continues ({check.how})"
        return f"{running}. After its next start, at its first token request, it {then}"
    if check.trigger == Trigger.AT_NEXT_REFRESH:
        return f"The agent that runs now has not compared yet ({check.how}). It does {check.when}: then it {then}"
    return f"When the agent compares is not known ({check.how}), at worst at any time without a restart: then it {then}"


def _unknowns(
    context: Context,
    found: tuple[Cause, ...],
    composition: Composition,
    stable: StableObservation | None,
    state: State,
) -> tuple[str, ...]:
    unknowns = []
    proven = composition.proven
    unnamed = [c.name for c in found if c.state == "changed" and not c.certain and c.name not in proven]
    kept = () if context.before is None else context.before.known
    for names, why in (
        (
            [name for name in unnamed if name in kept],
            "the recordings hold the values, but not the cause of the difference",
        ),
        ([name for name in unnamed if name not in kept], _why_unnamed(context, state)),
    ):
        unknowns += [f"What changed behind {', '.join(names)}: {why}"] if names else []
    unread = [c.name for c in found if c.state == "unknown"]
    if unread:
        unknowns.append(f"Whether {', '.join(unread)} changed: could not be read now")
    silent = [c.name for c in found if c.state == "empty" and silence_now(c.name, context)]
    if silent:
        why = silence_now(silent[0], context)
        unknowns.append(f"Whether {', '.join(silent)} changed: {why}, and the same output then, which counts as equal")
    # The warning below covers a hardware ID that identifies no machine.
    hidden = context.collection.sid_key if context.collection.id_warning else ""
    empty = [c.name for c in found if c.state == "empty" and c.name not in (*silent, hidden)]
    if empty:
        unknowns.append(f"Whether {', '.join(empty)} changed: empty on both sides, which counts as equal")
    if context.collection.id_warning:
        unknowns.append(context.collection.id_warning)
    if context.collection.doubt:
        unknowns.append(f"{context.collection.doubt[0].upper()}{context.collection.doubt[1:]}")
    hypervisor = stable.collection["hypervisor"] if stable is not None else None
    # The processor contradicts the SMBIOS table.
    if hypervisor is not None and hypervisor.status == Status.PRESENT and hypervisor.reason:
        unknowns.append(f"Whether it is a virtual machine: {hypervisor.reason}")
    if stable is not None and stable.of_match:
        unknowns.append(f"Whether it is the machine that was registered: {OF_A_MATCH}")
    if stable is None:
        unknowns.append("Whether the hardware itself is the same (scheme stable): no evidence to compare it with")
    return tuple(unknowns)


def _why_unnamed(context: Context, state: State) -> str:
    if context.before is None:
        return "nothing was kept when the record was made"
    when = f" ({state.evidence_at})" if state.evidence_at else ""
    return f"the evidence kept{when} does not give the record's values"


def explain_vault(
    vault: Vault, machine: Machine, *, before: RecordedMachine | None = None, timeout: float | None = None
) -> Explanation:
    """Observe a machine and its vault once, and explain the verdict. Writes nothing.

    Args:
        vault: the vault.
        machine: the machine.
        before: evidence in place of the kept one.
        timeout: seconds for each command.

    Raises:
        VaultMissing: the vault holds no fingerprint, and no registration.
        FingerprintLost: it holds no fingerprint, and the machine is registered.
        VaultError: the vault is unreadable.
        CollectError: nothing could be collected.
    """
    return explain_observation(Observation.take(vault, machine, timeout=timeout), before=before)


def explain_observation(observation: Observation, *, before: RecordedMachine | None = None) -> Explanation:
    """Explain an observation.

    Args:
        observation: the observation.
        before: evidence in place of the kept one.

    Raises:
        FingerprintError: the observation has no comparison; see `Observation.required`.
    """
    compared = observation.required()
    if before is None:
        stable = observation.stable
        # Without evidence the explanation has inferences only.
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
    """Return why the agent does not find or read its records; "" if it does."""
    return next((one.text for one in observation.problems if one.kind in (MANIFEST, REGISTRATION)), "")


def explain_snapshots(before: RecordedMachine, now: RecordedMachine, threshold: int = THRESHOLD_DEFAULT) -> Explanation:
    """Explain the differences between two recordings of machines.

    Raises:
        CollectError: a recording has no attributes.
    """
    saved, collection = collect(before), collect(now)
    record = FingerprintRecord("", saved.hardware_hash, threshold)
    compared = compare_with(record, collection)
    change = recipe_change(record, compared.verdict, collection, now)
    stable = compare_stable(before, utc(before.now()), now)
    return explain(
        compared.verdict, collection, before=Sources(before), now=Sources(now), stable=stable, change=change
    )  # fmt: skip
