"""What is known of a machine's identity, judged once, so that one state has one verdict in every command.

    from fingerprint.assessment import assess

    found = assess(Vault.open(), LiveMachine())
    found.level, found.machine, found.outlook, [problem.text for problem in found.problems]

Reads only, and raises nothing: what could not be read is told by the assessment.
"""

from __future__ import annotations

from fingerprint.agent.paths import places_of
from fingerprint.agent.vault_use import is_agents_vault
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, FingerprintError
from fingerprint.observation import RECIPE_REMEDY, agent_outlook, check, in_words, outcome_of
from fingerprint.types import Outlook, Reason, Value
from fingerprint.vault.problems import Problem, manifest_of, of_the_vault
from fingerprint.vault.regeneration import State, of_another_sid, rebaselined, rebaselined_as_it_is, state_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine
    from fingerprint.observation import Observation, RecipeChange
    from fingerprint.types import Collection, FingerprintRecord, Verdict
    from fingerprint.vault import Vault
    from fingerprint.vault.integrity import ManifestState

OK, FINDING, UNKNOWN = "ok", "finding", "unknown"
# What is wrong beside what is wrong with the vault itself.
REPLACED = "fingerprint-replaced"
REJECTED = "will-be-rejected"
STOPPED = "agent-stops"
EXIT_CODES = {OK: EXIT_OK, FINDING: EXIT_DIFFERS, UNKNOWN: EXIT_CANNOT_TELL}
# The line of the agent's log, in lower case, that a new fingerprint is made after a mismatch.
_REGENERATES = b"calculated hardware difference"
_LOG = "amazon-ssm-agent.log"
_LOG_LIMIT = 8 * 1024 * 1024


class Assessment(Value):
    """A machine and its vault at one time.

    Attributes:
        observation: record, collection and verdict; None where there is none, see `error`.
        error: why there is no observation.
        machine: whether it is the same machine: "same", "different" or "cannot-tell".
        outlook: what the agent does when it holds the machine against the record; None without an observation.
        state: whether the fingerprint was replaced.
        manifest: whether the agent finds its records; None where that could not be read.
        problems: what is wrong, the most urgent first.
        notices: changes of the record by other programs, and why they could not be looked for.
    """

    observation: Observation | None
    error: FingerprintError | None
    machine: str
    outlook: Outlook | None
    state: State
    manifest: ManifestState | None
    problems: tuple[Problem, ...]
    notices: tuple[str, ...] = ()

    @property
    def level(self) -> str:
        """ "ok": it keeps its identity; "finding": for certain it does not; "unknown": something could not be read."""
        return level_of(self.problems, self.outlook, self.state)

    @property
    def exit_code(self) -> int:
        """The exit code of a command that tells it: without an observation that of the error."""
        return EXIT_CODES[self.level] if self.error is None else self.error.exit_code


def assess(vault: Vault, machine: Machine, *, timeout: float | None = None) -> Assessment:
    """Judge a machine and its vault once.

    Args:
        vault: the vault.
        machine: the machine.
        timeout: seconds for each command of a collection; None for the platform's usual one.
    """
    machine = machine.keeping()
    try:
        observation = check(vault, machine, timeout=timeout)
    except FingerprintError as error:
        problems = problems_of(vault, error=error)
        return Assessment(None, error, "cannot-tell", None, State(), manifest_of(vault), problems)
    # Of the record: what is read next has notices of its own.
    notices = tuple(text for text in (vault.notice, vault.unwatched) if text)
    verdict, collection = observation.verdict, observation.collection
    state = record_state(vault, machine, observation.record)
    outlook = agent_outlook(
        verdict, collection, of_agent=is_of_agent(vault, machine), change=observation.change
    )  # fmt: skip
    change = observation.change
    problems = problems_of(vault, verdict, collection, state, outlook, change=change)
    outcome = outcome_of(verdict, change)
    return Assessment(observation, None, outcome, outlook, state, manifest_of(vault), problems, notices)


def level_of(problems: tuple[Problem, ...], outlook: Outlook | None, state: State) -> str:
    """Return "ok", "finding" or "unknown", see `Assessment.level`."""
    if problems:
        return FINDING
    return UNKNOWN if outlook in (None, Outlook.UNKNOWN) or state.uncertain else OK


def problems_of(
    vault: Vault,
    verdict: Verdict | None = None,
    collection: Collection | None = None,
    state: State | None = None,
    outlook: Outlook | None = None,
    *,
    change: RecipeChange | None = None,
    error: FingerprintError | None = None,
) -> tuple[Problem, ...]:
    """Return what is wrong with a machine's identity, the most urgent first.

    Args:
        vault: the vault.
        verdict, collection, state, outlook: what was observed; None without an observation.
        change: what another hash recipe says, if one does.
        error: why there is no observation.
    """
    problems = of_the_vault(vault, manifest_of(vault), error)
    if verdict is not None and collection is not None and state is not None:
        problems += _of_the_record(verdict, collection, state, outlook, change)
    return problems


def is_of_agent(vault: Vault, machine: Machine) -> bool:
    """Return whether the agent of a machine uses a vault: on this machine its own, on another one the one named."""
    from fingerprint.machine.live import LiveMachine

    live = isinstance(machine, LiveMachine) and not machine.copied
    return not live or is_agents_vault(vault.path)


def record_state(vault: Vault, machine: Machine, record: FingerprintRecord) -> State:
    """Return what became of a record, by our journal and the agent's logs."""
    state = state_of(vault, record)
    if state.regenerated or not is_of_agent(vault, machine) or not _logs_tell(machine):
        return state
    # Imported here: most logs do not tell of a new fingerprint, and then this is not needed.
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.replaced_fingerprint import record_state as by_logs

    return by_logs(Site(machine, vault))[0]


def _logs_tell(machine: Machine) -> bool:
    """Return whether the agent's logs may tell of a new fingerprint: they are searched as bytes, which is quick."""
    folder = places_of(machine.platform).logs
    try:
        names = machine.list_folder(folder)
    except OSError:
        return False
    separator = "\\" if machine.platform == "windows" else "/"
    for name in names:
        if not name.startswith(_LOG):
            continue
        try:
            data = machine.read_end(folder + separator + name, _LOG_LIMIT)
        except OSError:
            # `diagnose` says that it could not be read.
            continue
        if _REGENERATES in data.lower():
            return True
    return False


def _of_the_record(
    verdict: Verdict, collection: Collection, state: State, outlook: Outlook | None, change: RecipeChange | None
) -> tuple[Problem, ...]:
    if state.regenerated:
        return (_replaced(state, of_another_sid(state, collection)),)
    if outlook == Outlook.STOPS:
        names = ", ".join(collection.stops_agent)
        return (Problem(STOPPED, collection.agent_error, f"Set {names} to valid UTF-8"),)
    if outlook == Outlook.REJECTS and change is not None:
        text = f"the agent will reject this machine: {change.found.text}"
        if outcome_of(verdict, change) != "same":
            return (Problem(REJECTED, text),)
        return (Problem(REJECTED, text, RECIPE_REMEDY, rebaselined_as_it_is(verdict.reason == Reason.SID_DIFFERS)),)
    if outlook == Outlook.REJECTS:
        return (Problem(REJECTED, f"the agent will reject this machine ({in_words(verdict)})"),)
    return ()


def _replaced(state: State, other_sid: bool) -> Problem:
    when = f" at {state.at}" if state.at else ""
    text = f"the fingerprint was replaced{when} by {state.by}: the service knows the one before, and rejects this one"
    if state.restorable is None:
        return Problem(REPLACED, text, "Restore the vault from a backup of before, or register the machine again")
    remedy = "If this is the same machine, restore the fingerprint from before"
    return Problem(REPLACED, text, remedy, rebaselined(state.restorable, other_sid))
