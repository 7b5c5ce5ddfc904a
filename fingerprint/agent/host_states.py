"""The states of an agent by its logs and its host: what `diagnose` concludes from, and what its checks agree on."""

from __future__ import annotations

from fingerprint._io.times import utc
from fingerprint.agent.logs.retries import GRACE_SECONDS
from fingerprint.agent.paths import CORE as CORE_PROCESS
from fingerprint.agent.paths import WORKER as WORKER_PROCESS
from fingerprint.agent.states import (
    CREDENTIALS,
    FIRST_PING_SECONDS,
    LOG,
    SILENT_SECONDS,
    AgentStates,
    Conclusion,
)
from fingerprint.collectors.recipes import version_of
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.facts import AgentFacts
    from fingerprint.agent.logs import Timeline

# Earlier agents are one process.
_FIRST_WITH_WORKER = (3,)
_HAS_SOME = ("good", "disk")


class HostStates(Value):
    """The states of an agent's parts, and the facts of the host that changed them.

    Attributes:
        states: of the parts.
        facts: event -> the fact in words, as the end of a sentence.
    """

    states: AgentStates
    facts: dict[str, str]

    @property
    def conclusion(self) -> Conclusion:
        """What follows from them."""
        return self.states.conclusion


def host_states(agent: AgentFacts) -> HostStates:
    """Return the states of an agent by its logs, and by its host if it is not a copied disk."""
    try:
        timeline: Timeline | None = agent.timeline
    except OSError:
        timeline = None
    found = HostStates(AgentStates() if timeline is None else timeline.states.copy(), {})
    if timeline is None or not (timeline.events or timeline.reports.began):
        _take(found, "log-is-empty", "its log has no line about credentials or its health")
    runs = agent.runs
    if runs is False:
        _take(found, "no-process", "no process of it runs")
    elif runs is None and not agent.copied:
        _compare_with_clock(agent, timeline, found, "and whether it runs is not known")
    elif not agent.copied:
        _compare_with_clock(agent, timeline, found, "although it runs")
        _read_credentials(agent, timeline, found)
        _find_worker(agent, timeline, found)
    return found


def _take(found: HostStates, event: str, fact: str) -> None:
    before = dict(found.states.of)
    found.states.take(event)
    if found.states.of != before:
        found.facts[event] = fact


def _started(agent: AgentFacts) -> float | None:
    try:
        return agent.started
    except OSError:
        return None


def _compare_with_clock(agent: AgentFacts, timeline: Timeline | None, found: HostStates, runs: str) -> None:
    ended = None if timeline is None else agent.seconds_of(timeline.ended)
    if ended is None or found.states.of[LOG] == "empty":
        return
    now, started = agent.machine.now(), _started(agent)
    if ended > now + GRACE_SECONDS:
        _take(
            found, "log-is-ahead", f"its log ends at {utc(ended)}, later than the clock ({utc(now)}): it was set back"
        )
    elif started is not None and started > ended + GRACE_SECONDS:
        text = f"the agent was started at {utc(started)}, and its log ends before that, at {utc(ended)}"
        _take(found, "runs-unlogged", text)
    elif now - ended > SILENT_SECONDS:
        _take(found, "log-is-silent", f"its log ends at {utc(ended)}, {_ago(now - ended)} ago, {runs}")
    else:
        _take(found, "log-is-current", f"its log ends at {utc(ended)}")


def _read_credentials(agent: AgentFacts, timeline: Timeline | None, found: HostStates) -> None:
    credentials = agent.agent_credentials
    now, started = agent.machine.now(), _started(agent)
    received = agent.credentials_since
    if credentials is not None and credentials.expired(now) is False and received is not None:
        failed = "" if timeline is None else max(timeline.refresher.failed, timeline.refresher.slept)
        if agent.got_after(failed) is not None if failed else started is not None and received >= started:
            _take(
                found, "file-has-credentials", f"by {agent.paths.identity} it received credentials at {utc(received)}"
            )
        return
    if agent.setting("Profile", "ShareCreds") is False:
        return
    expires = credentials.expires if credentials is not None else None
    good = agent.seconds_of(timeline.last_good) if timeline is not None else None
    if expires is not None and expires <= now and (good is None or good < expires):
        text = f"its credentials expired at {utc(expires)}, and none came since"
        _take(found, "file-has-expired", text)
    elif (
        expires is None
        and started is not None
        and now - started > FIRST_PING_SECONDS
        and _asks(timeline, started, agent)
    ):
        text = f"it was started at {utc(started)}, {_ago(now - started)} ago, and received no credentials"
        _take(found, "file-has-none", text)


def _asks(timeline: Timeline | None, started: float, agent: AgentFacts) -> bool:
    """Return whether the core agent of this process requests credentials, by its log."""
    if timeline is None or timeline.run.asks is not True:
        return False
    begun = agent.seconds_of(timeline.run.started)
    return begun is not None and begun >= started - GRACE_SECONDS


def _find_worker(agent: AgentFacts, timeline: Timeline | None, found: HostStates) -> None:
    try:
        processes = agent.processes
    except OSError:
        return
    if any(one.name == WORKER_PROCESS for one in processes):
        _take(found, "worker-process", "its worker runs")
        return
    started, now = _started(agent), agent.machine.now()
    # Elsewhere the list of processes may lack a worker.
    of_linux = agent.machine.platform == "linux" and any(one.name == CORE_PROCESS for one in processes)
    if not of_linux or started is None or found.states.of[CREDENTIALS] not in _HAS_SOME:
        return
    if (version_of(agent.version) or _FIRST_WITH_WORKER) < _FIRST_WITH_WORKER:
        return
    run = timeline.run if timeline is not None else None
    since = agent.seconds_of(run.good or run.from_disk) if run is not None and run.started else None
    since = max(started, since if since is not None and since <= now else started)
    if now - since > FIRST_PING_SECONDS:
        text = f"it has had credentials since {utc(since)}, {_ago(now - since)} ago, and no {WORKER_PROCESS} runs"
        _take(found, "no-worker-process", text)


def _ago(seconds: float) -> str:
    """Return a duration in words, to the minute."""
    hours, minutes = divmod(round(seconds) // 60, 60)
    return " ".join(
        part for part in (f"{hours} h" * (hours > 0), f"{minutes} min" * (minutes > 0 or not hours)) if part
    )
