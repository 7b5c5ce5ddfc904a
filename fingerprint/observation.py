"""One observation of a machine and its vault, from which every command takes what it prints.

The machine and the vault are read once; every property of an observation uses the same data.
"""

from __future__ import annotations

from fingerprint.agent.outlook import agent_outlook, would_reject
from fingerprint.agent.vault_use import is_of_agent
from fingerprint.collectors import STABLE, collect
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, FingerprintError
from fingerprint.rules.ssm import in_words, match
from fingerprint.types import Outlook, Reason, Value
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.problems import Problem, manifest_of, of_the_vault, replaced
from fingerprint.vault.regeneration import State, of_another_sid, rebaselined_as_it_is, state_of
from fingerprint.vault.remedies import existing_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from fingerprint.agent.facts import AgentFacts
    from fingerprint.agent.forecast import Forecast
    from fingerprint.agent.next_check import NextCheck
    from fingerprint.collectors.other_recipe import OtherRecipe
    from fingerprint.machine.base import Machine
    from fingerprint.machine.recorded import RecordedMachine
    from fingerprint.rules.stable import StableVerdict
    from fingerprint.types import Collection, FingerprintRecord, Verdict
    from fingerprint.vault import Vault
    from fingerprint.vault.evidence import Evidence
    from fingerprint.vault.integrity import ManifestState

    _T = TypeVar("_T")

OK, FINDING, UNKNOWN = "ok", "finding", "unknown"
EXIT_CODES = {OK: EXIT_OK, FINDING: EXIT_DIFFERS, UNKNOWN: EXIT_CANNOT_TELL}
# Problems beside those of the vault itself.
REJECTED = "will-be-rejected"
STOPPED = "agent-stops"
# The remedy if only the hash recipe changed.
RECIPE_REMEDY = (
    "Keep the fingerprint, and take the hashes as the installed agent makes them, before the agent's next token "
    "request (the machine is the same)"
)


class RecipeChange(Value):
    """The machine by the hash recipe of its record, where the installed agent uses another recipe.

    Attributes:
        found: the machine by the recipe of the record, and what changed the recipe.
        verdict: the verdict over the record and `found`.
    """

    found: OtherRecipe
    verdict: Verdict


def outcome_of(verdict: Verdict, change: RecipeChange | None = None) -> str:
    """Return "same", "different", or "cannot-tell" for a mismatch that unreadable attributes could turn.

    Args:
        verdict: by the hashes of the installed agent.
        change: the verdict by the hashes of the record's recipe, where this is another one; it decides.
    """
    if change is not None:
        verdict = change.verdict
    return "same" if verdict.match else "different" if verdict.conclusive else "cannot-tell"


class Comparison(Value):
    """A record compared with the machine.

    Attributes:
        record, collection, verdict: the record, the machine, and the verdict over both.
        change: the comparison by another hash recipe after a mismatch; None if no recipe fits the record.
    """

    record: FingerprintRecord
    collection: Collection
    verdict: Verdict
    change: RecipeChange | None = None

    @property
    def unchanged(self) -> bool:
        """Whether every attribute matches the record."""
        return self.verdict.matched == self.verdict.total


def compare_with(record: FingerprintRecord, collection: Collection) -> Comparison:
    """Compare a record with a collection by the recipe of the installed agent."""
    verdict = match(
        record.hardware_hash,
        collection.hardware_hash,
        record.threshold,
        sid_key=collection.sid_key,
        unreadable=collection.unreadable,
        silent=collection.silent,
        stopped=collection.stops_agent,
    )
    return Comparison(record, collection, verdict)


def recipe_change(
    record: FingerprintRecord,
    verdict: Verdict,
    collection: Collection,
    machine: Machine,
    *,
    timeout: float | None = None,
) -> RecipeChange | None:
    """Return the comparison by another hash recipe of Windows, or by other type IDs, that fits the record, or None.

    Args:
        record: the record.
        verdict, collection: by the recipe that the installed agent uses.
        machine: the machine, from which the data of the other recipes is read.
        timeout: seconds for each command.
    """
    if not collection.recipe or verdict.reason not in (Reason.SID_DIFFERS, Reason.NOT_SIMILAR):
        return None
    # Imported here: only Windows has recipes.
    from fingerprint.collectors.other_recipe import other_recipe

    seconds = machine.timeout if timeout is None else timeout
    found = other_recipe(machine, collection, record.hardware_hash, seconds)
    return None if found is None else RecipeChange(found, compare_with(record, found.collection).verdict)


class StableObservation(Value):
    """The machine compared with the evidence of its record, by scheme `stable`.

    Attributes:
        taken_at: when the evidence was taken, RFC 3339.
        collection: the machine now.
        verdict: of scheme `stable`.
        of_match: whether the evidence was taken at a match, not when the record was made.
    """

    taken_at: str
    collection: Collection
    verdict: StableVerdict
    of_match: bool = False


def compare_stable(
    before: RecordedMachine, taken_at: str, machine: Machine, *, timeout: float | None = None
) -> StableObservation:
    """Compare a machine with a recording by scheme `stable`. Raises SnapshotError: the recording is broken."""
    from fingerprint.rules.stable import decide

    old, new = collect(before, scheme=STABLE), collect(machine, scheme=STABLE, timeout=timeout)
    return StableObservation(taken_at, new, decide(old.hardware_hash, new.hardware_hash, new.unreadable))


class Observation:
    """A machine and its vault at one time.

    Attributes:
        vault, machine: vault and machine, which cache what was read.
        timeout: seconds for each command of a collection; None for the usual one.
        of_agent: whether the agent of the machine uses the vault.
        comparison: record, collection and verdict; None on an error.
        error: why there is no comparison.
        outcome: whether it is the same machine: "same", "different" or "cannot-tell".
        outlook: what the agent does when it compares the machine with the record; None without a comparison.
        state: whether the fingerprint was replaced.
        manifest: whether the agent finds its records; None if the manifest is unreadable.
        problems: the problems, the most urgent first.
        notices: changes of the record by other programs, or why these could not be detected.
    """

    outcome: str = "cannot-tell"
    outlook: Outlook | None = None
    notices: tuple[str, ...] = ()

    def __init__(self, vault: Vault, machine: Machine, timeout: float | None, agent: AgentFacts | None) -> None:
        self.vault = vault
        self.machine = machine
        self.timeout = timeout
        self.of_agent = is_of_agent(vault, machine)
        self.comparison: Comparison | None = None
        self.error: FingerprintError | None = None
        self.state = State()
        self.manifest: ManifestState | None = None
        self.problems: tuple[Problem, ...] = ()
        self._agent = agent
        self._facts: dict[str, object] = {}

    @classmethod
    def take(
        cls,
        vault: Vault,
        machine: Machine | None = None,
        *,
        timeout: float | None = None,
        agent: AgentFacts | None = None,
        state_of: Callable[[FingerprintRecord], State] | None = None,
    ) -> Observation:
        """Read a machine and its vault once, and return the observation, errors included. It writes nothing.

        Args:
            vault: the vault.
            machine: the machine; None for the one that this process runs on.
            timeout: seconds for each command of a collection; None for the platform's usual one.
            agent: facts about the machine's agent, if the caller has read its logs.
            state_of: returns whether the fingerprint of a record was replaced, if the caller has read this.
        """
        if machine is None:
            from fingerprint.machine.live import LiveMachine

            machine = LiveMachine()
        found = cls(vault.keeping(), machine.keeping(), timeout, agent)
        try:
            found._compare(state_of or found._record_state)
        except FingerprintError as error:
            found.comparison, found.error = None, error
        found.manifest = manifest_of(found.vault)
        found.problems = of_the_vault(found.vault, found.manifest, found.error)
        if found.comparison is not None:
            found.problems += _of_the_record(found.comparison, found.state, found.outlook)
        return found

    def _compare(self, state_of: Callable[[FingerprintRecord], State]) -> None:
        record = existing_record(self.vault)
        # Those of the record, before later reads add their own.
        self.notices = tuple(text for text in (self.vault.notice, self.vault.unwatched) if text)
        collection = collect(self.machine, timeout=self.timeout)
        compared = compare_with(record, collection)
        change = recipe_change(record, compared.verdict, collection, self.machine, timeout=self.timeout)
        self.comparison = compared = compared if change is None else compared.replace(change=change)
        self.state = state_of(record)
        self.outlook = agent_outlook(
            compared.verdict, collection, of_agent=self.of_agent, other_recipe=change is not None
        )  # fmt: skip
        self.outcome = outcome_of(compared.verdict, change)

    def _record_state(self, record: FingerprintRecord) -> State:
        """Return whether the fingerprint of a record was replaced, by our journal and the agent's logs."""
        state = state_of(self.vault, record)
        if state.regenerated or not self.of_agent:
            return state
        from fingerprint.agent.replaced_fingerprint import logs_show_regeneration, record_state

        if not logs_show_regeneration(self.machine):
            return state
        # Imported here: most logs have no new fingerprint, and then it is not needed.
        from fingerprint.agent.facts import AgentFacts

        self._agent = AgentFacts(self.machine)
        return record_state(self._agent, self.vault, record, of_agent=True)[0]

    def required(self) -> Comparison:
        """Return the comparison, or raise the error of the observation.

        Raises:
            VaultMissing: the vault has no fingerprint, or a cleared one, and no registration.
            FingerprintLost: the vault has no fingerprint, but the machine is registered.
            VaultError: the vault is unreadable.
            CollectError: no attribute could be collected.
        """
        if self.comparison is None:
            assert self.error is not None
            raise self.error.again()
        return self.comparison

    @property
    def level(self) -> str:
        """ "ok": the machine keeps its identity; "finding": it does not; "unknown": data that decides is unreadable."""
        if self.problems:
            return FINDING
        return UNKNOWN if self.outlook in (None, Outlook.UNKNOWN) or self.state.uncertain else OK

    @property
    def exit_code(self) -> int:
        """The exit code of a command that reports the observation: that of the error, if there is one."""
        return EXIT_CODES[self.level] if self.error is None else self.error.exit_code

    @property
    def would_reject(self) -> bool:
        """Whether our client cannot decide, and an agent with the same record would reject the machine."""
        found = self.comparison
        return found is not None and would_reject(self.outlook, found.verdict, found.collection)

    def release(self) -> None:
        """Free the machine, the vault and all data read from them; the observation cannot be used afterwards."""
        del self.machine, self.vault
        self._agent = None
        self._facts.clear()

    def _once(self, name: str, ask: Callable[[], _T]) -> _T:
        if name not in self._facts:
            self._facts[name] = ask()
        return self._facts[name]  # type: ignore[return-value]

    @property
    def next_check(self) -> NextCheck | None:
        """When the agent compares next; None for an unchanged machine, or if no agent can run."""
        if self.comparison is None or self.comparison.unchanged or not self.of_agent:
            return None
        return self._once("next_check", self._next_check)

    def _next_check(self) -> NextCheck | None:
        if self._agent is not None:
            return self._agent.next_check
        # Imported here: the processes and the log matter only after a difference.
        from fingerprint.agent.next_check import next_check

        return next_check(self.machine)

    @property
    def forecast(self) -> Forecast | None:
        """What the agent will do and when; None for an unchanged machine, or if no agent can run."""
        check = self.next_check
        if check is None or self.comparison is None:
            return None
        from fingerprint.agent.forecast import foretell

        outlook, doubt = self.outlook or Outlook.UNKNOWN, self.comparison.collection.doubt
        return foretell(outlook, check, self.vault.written_at(FINGERPRINT_KEY), doubt)

    @property
    def evidence(self) -> tuple[str, RecordedMachine] | None:
        """The recording of the machine at the time of the record, with its time (RFC 3339); None if unusable."""
        kept, before, _ = self._once("evidence", self._evidence)
        return (kept.at, before) if kept and before else None

    @property
    def stable(self) -> StableObservation | None:
        """The verdict of scheme `stable`; None without usable evidence."""
        return self._once("stable", self._stable)[0]

    @property
    def evidence_problem(self) -> str:
        """Why the recorded evidence is unusable; "" if it is usable, or there is none."""
        return self._once("evidence", self._evidence)[2] or self._once("stable", self._stable)[1]

    def _evidence(self) -> tuple[Evidence | None, RecordedMachine | None, str]:
        from fingerprint.machine.recorded import RecordedMachine

        try:
            kept = self.vault.evidence.for_record(self.required().record)
            before = None if kept is None else RecordedMachine(kept.snapshot, self.vault.evidence.path)
            return kept, before, ""
        except FingerprintError as error:
            # The verdict of the rules does not depend on it.
            return None, None, f"{error.where}: {error.what}"

    def _stable(self) -> tuple[StableObservation | None, str]:
        kept, before, _ = self._once("evidence", self._evidence)
        if kept is None or before is None:
            return None, ""
        try:
            found = compare_stable(before, kept.at, self.machine, timeout=self.timeout)
            return found.replace(of_match=kept.of_match), ""
        except FingerprintError as error:
            return None, f"{error.where}: {error.what}"

    @property
    def recording(self) -> RecordedMachine:
        """A recording of the machine as it was read, with the sources of its attributes."""
        return self._once("recording", self._recording)

    def _recording(self) -> RecordedMachine:
        from fingerprint.collectors.recording import record_machine
        from fingerprint.machine.recorded import RecordedMachine

        return RecordedMachine(record_machine(self.machine, self.timeout)[1].snapshot)


def observe(vault: Vault | None = None, machine: Machine | None = None, *, timeout: float | None = None) -> Observation:
    """Read a machine and its vault once: hashes, verdicts, the state of the record, and what the agent will do.

    Args:
        vault: the vault; None for the agent's, or our own.
        machine: the machine; None for the one that this process runs on.
        timeout: seconds for each command of a collection; None for the platform's usual one.

    Raises:
        UsageError, VaultUnsafe: the vault to use is ambiguous or unsafe.
    """
    from fingerprint.vault import Vault

    return Observation.take(Vault.open() if vault is None else vault, machine, timeout=timeout)


def _of_the_record(compared: Comparison, state: State, outlook: Outlook | None) -> tuple[Problem, ...]:
    verdict, collection, change = compared.verdict, compared.collection, compared.change
    if state.regenerated:
        return (replaced(state, of_another_sid(state, collection)),)
    if outlook == Outlook.STOPS:
        names = ", ".join(collection.stops_agent)
        return (Problem(STOPPED, collection.agent_error, f"Set {names} to valid UTF-8"),)
    if outlook == Outlook.REJECTS and change is not None:
        text = f"the agent will reject this host: {change.found.text}"
        if outcome_of(verdict, change) != "same":
            return (Problem(REJECTED, text),)
        return (Problem(REJECTED, text, RECIPE_REMEDY, rebaselined_as_it_is(verdict.reason == Reason.SID_DIFFERS)),)
    if outlook == Outlook.REJECTS:
        return (Problem(REJECTED, f"the agent will reject this host ({in_words(verdict)})"),)
    return ()
