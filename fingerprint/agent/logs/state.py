"""The agent's state at the end of its logs: since when, why, what to do, and what came before."""

from __future__ import annotations

from fingerprint.agent.logs.error_causes import cause_of, system_of
from fingerprint.agent.logs.sdk_errors import MISMATCH, code_of
from fingerprint.agent.paths import MAIN_LOG, WORKER
from fingerprint.agent.providers import METADATA_HOST
from fingerprint.agent.states import CORE, CREDENTIALS, FINGERPRINT, AgentStates, State
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.agent.logs.timeline import Timeline

_READ_AGAIN = "Read the log again in a few minutes"
_RUN_WORKER = (
    f"Fix what prevents {WORKER} from running: permissions, a mount with noexec, SELinux, AppArmor, an antivirus",
    "Restart the agent",
)
_NAME_MAIN_LOG = f"Name {MAIN_LOG}, too: it has successes, at the level INFO"


class Present(Value):
    """The agent's state with its cause and steps.

    Attributes:
        state: of the agent.
        since: when the state began, local time as logged; "" if unknown.
        cause: of the state, as the end of a sentence; "" for a healthy agent.
        steps: what to do, in order.
    """

    state: State
    since: str
    cause: str
    steps: tuple[str, ...]

    def __init__(self, state: State, since: str, cause: str, steps: tuple[str, ...] = ()) -> None:
        self._set(state=state, since="" if since == "-" else since, cause=cause, steps=steps)


def present(timeline: Timeline) -> Present:
    """Return the agent's state at the end of a finished timeline."""
    concluded, trouble = timeline.states.conclusion, timeline.trouble
    if trouble is not None and not trouble.covered and concluded.state != State.STOPPED:
        return _only_failures(timeline, trouble.since)
    if concluded.name == "hibernating" and not timeline.worker.covered:
        return _only_failures(timeline, timeline.worker.since)
    since, explained = _EXPLAINED[concluded.name]
    cause, steps = explained(timeline)
    if concluded.name == "offline" and _skipped_before_start(timeline):
        return Present(State.CANNOT_TELL, timeline.started, cause, steps)
    return Present(concluded.state, since(timeline), cause, steps)


def _skipped_before_start(timeline: Timeline) -> bool:
    reports = timeline.reports
    return reports.last != "-" and max(reports.last, reports.began) < timeline.started


def _offline(timeline: Timeline) -> tuple[str, tuple[str, ...]]:
    """Return why an agent that gets credentials is offline: its last health report was skipped."""
    reports = timeline.reports
    why = f" ({reports.error})" if reports.error else ""
    skipped = f"its health reports{why}, as the metadata service of its provider does not answer"
    if _skipped_before_start(timeline):
        return f"before its last start it skipped {skipped}, and the log shows none since", (_READ_AGAIN,)
    cause = f"it skips {skipped}: the service shows the node as offline, although its credentials are good"
    return cause, (f"Let the agent reach {METADATA_HOST} without a proxy; it reports again within minutes",)


def _only_failures(timeline: Timeline, since: str) -> Present:
    error = timeline.start_error or timeline.run.error or timeline.worker.error or "a comparison of the hardware"
    return Present(
        State.CANNOT_TELL, since,
        f"these logs hold failures only (the last: {error}), and the agent may have recovered since",
        (_NAME_MAIN_LOG,),
    )  # fmt: skip


def _healthy(timeline: Timeline) -> tuple[str, tuple[str, ...]]:
    return "" if timeline.run.good else _from_disk(timeline), ()


def _from_disk(timeline: Timeline) -> str:
    asks = f" at {timeline.run.asks_next}" if timeline.run.asks_next else ""
    return (
        f"it uses the credentials that it found on the disk; it compares the hardware and requests new ones{asks}, not "
        "at its start"
    )


def _starting(timeline: Timeline) -> tuple[str, tuple[str, ...]]:
    """Return what is known of an agent that was started, and whose log does not show an outcome."""
    run = timeline.run
    before = ""
    if timeline.start_error or timeline.crashed:
        before = f"; before that {_not_started(timeline)[0]}"
    elif timeline.trouble is not None:
        before = f"; before that it failed, because {_failing(timeline)[0]}"
    if timeline.begins:
        return f"the agent starts, and its log does not show yet whether it gets credentials{before}", (_READ_AGAIN,)
    if run.from_disk or run.worker:
        return f"{_from_disk(timeline)}{before}", (_READ_AGAIN,)
    if not run.started:
        return _unknown(timeline)
    return f"the agent was started, and its log does not show whether it got credentials since{before}", (_READ_AGAIN,)


def _unknown(timeline: Timeline) -> tuple[str, tuple[str, ...]]:
    if timeline.registered:
        return "the machine was registered, and the log shows no start of the agent since", (_READ_AGAIN,)
    if not timeline.lines:
        return "the logs are empty", (
            "fingerprint diagnose   # on the host: shows whether the agent can write its log",
        )
    if timeline.others == timeline.lines:
        return "no line is the agent's", (f"Name {MAIN_LOG}, or lines of the agent's service from the journal",)
    return "no line shows whether the agent gets credentials", (_NAME_MAIN_LOG,)


def _unseen(timeline: Timeline) -> tuple[str, tuple[str, ...]]:
    """Return what is missing in the log of an agent that has credentials: its worker."""
    return (
        f"it has credentials, and its log shows no {WORKER} that runs; without one the service shows the node as "
        "offline",
        (f"Show whether {WORKER} runs: `fingerprint diagnose`",),
    )


def _worker_failing(timeline: Timeline) -> tuple[str, tuple[str, ...]]:
    error = timeline.worker_starts.error
    its = f"{_with_credentials(timeline)}its"
    offline = "Without a worker the service shows the node as offline"
    if not error:
        why = f"{its} worker {WORKER} ends after each start; the core agent starts it each minute"
        return f"{why}. {offline}", _RUN_WORKER
    cause = cause_of(error)
    why = f"{its} worker cannot be started: {cause.sentence if cause.known else error}"
    return f"{why}. {offline}", cause.lines(_system(timeline, error)) if cause.known else _RUN_WORKER


def _with_credentials(timeline: Timeline) -> str:
    """Return that the agent has credentials, as the begin of a sentence; "" where the log does not show it."""
    return "it has credentials, and " if timeline.states.of[CREDENTIALS] in ("good", "disk") else ""


def _stopped(timeline: Timeline) -> tuple[str, tuple[str, ...]]:
    """Return the state before the agent stopped, and what to do: its failure would persist after a start."""
    before = AgentStates({**timeline.states.of, CORE: "running"}).conclusion
    if timeline.trouble is not None:
        why, steps = _failing(timeline)
        why = f"before that it failed, because {why}"
    elif before.state == State.FAILING and not (before.name == "offline" and _skipped_before_start(timeline)):
        why, steps = _EXPLAINED[before.name][1](timeline)
        why = f"its state before that: {why}"
    else:
        return "before that it had credentials" if timeline.run.outcome != "not-told" else "", ("Start the agent",)
    steps = tuple(step.replace("Restart the agent", "Start the agent").replace(", then restart the agent", "")
                  .removesuffix(": it retries at once") for step in steps)  # fmt: skip
    then = () if any("Start the agent" in step for step in steps) else ("Start the agent once that is fixed",)
    return why, (*steps, *then)


def _not_started(timeline: Timeline) -> tuple[str, tuple[str, ...]]:
    if timeline.crashed and not timeline.start_error:
        again = "Start the agent; if it crashes again, update it, or send its log to the support"
        return f"the agent crashed: {timeline.crash}", (again,)
    why = f"; {timeline.unreadable}" if timeline.unreadable else ""
    cause = cause_of(timeline.start_error)
    if cause.known:
        steps = cause.lines(_system(timeline, timeline.start_error))
        return f"the agent ends at each start: {cause.sentence}{why}", steps
    return (
        f"the agent ends at each start: {timeline.start_error}{why}",
        ("Fix what the error names; `fingerprint diagnose` checks vault and configuration",),
    )


def _failing(timeline: Timeline) -> tuple[str, tuple[str, ...]]:
    """Return why the agent gets no credentials, as the end of a sentence, and what to do."""
    # If this process has not failed yet, its predecessor's error counts.
    error = timeline.run.error or ("" if timeline.run.failed else timeline.refresher.error)
    code = code_of(error)
    if not error or code == MISMATCH:
        return _mismatching(timeline, code == MISMATCH)
    why, steps = _rejected(timeline, error)
    if timeline.open_regenerations:
        why += (
            f"; besides, it stored a new fingerprint{_at(timeline.open_regenerations[-1])}, which the service rejects"
        )
    return why, steps


def _rejected(timeline: Timeline, error: str) -> tuple[str, tuple[str, ...]]:
    cause = cause_of(error)
    steps = cause.lines(_system(timeline, error))
    if cause.name != "deregistered":
        return cause.sentence, steps
    if timeline.run.ever_good:
        return (
            f"the service rejects the node, from which the same process got credentials before ({cause.words}): "
            "another program replaced the node's key, or the node was deregistered, or its role was changed",
            ("Restart the agent: it then signs with the key in the vault", *cause.lines()[:1]),
        )
    return f"{cause.why}, or its key is not the one that the service knows: {cause.words}", steps


def _system(timeline: Timeline, error: str) -> str:
    """Return the system of the machine by the paths in its log; "" if the log has none."""
    return system_of(error) or system_of("\n".join(event[2] for event in timeline.events))


def _mismatching(timeline: Timeline, rejected: bool) -> tuple[str, tuple[str, ...]]:
    """Return why the fingerprint differs from the one at the service, and what to do. The last cause counts."""
    regenerated = timeline.open_regenerations[-1] if timeline.open_regenerations else ""
    minted = timeline.minted
    if minted and rejected and minted >= regenerated:
        why = f" ({timeline.unreadable})" if timeline.unreadable else ""
        return (
            f"the agent could not read its record{why} and stored a first fingerprint{_at(minted)}, which the service "
            "does not know",
            ("Search for the earlier record: `fingerprint vault history`. If it was kept: `fingerprint vault restore N "
             "--yes`, then restart the agent",
             "Else register the machine again"),
        )  # fmt: skip
    differs = timeline.states.of[FINGERPRINT] == "differs"
    if differs or (timeline.open_mismatches and not timeline.open_regenerations):
        # This process compares; what an earlier one stored is history.
        return (
            "the machine differs from its record, and the log shows no new fingerprint yet",
            ("fingerprint vault backup", "fingerprint explain"),
        )
    if timeline.open_regenerations:
        sid = any(one.id_differs for one in timeline.open_mismatches)
        accept = " --accept-new-sid" if sid else ""
        return (
            f"the machine differed from its record, and the agent stored a new fingerprint{_at(regenerated)}; the "
            f"service knows the old one only and rejects the new one permanently{_wasted(timeline)}",
            ("Search for the old record: `fingerprint vault history`. If it was kept: `fingerprint vault restore N "
             f"--rebaseline{accept} --yes`, then restart the agent",
             "Else register the machine again. A lower threshold does not help now"),
        )  # fmt: skip
    if rejected:
        return (
            "the service rejects the fingerprint, and the log does not show why: it was stored before the log begins, "
            "or another machine holds this registration",
            ("fingerprint explain", "fingerprint vault history"),
        )
    if timeline.expired:
        ran_out = f" at {timeline.expired}" if timeline.expired != "-" else ""
        return f"its credentials expired{ran_out}, and none came since", ("fingerprint diagnose",)
    return "it waits before it requests credentials again, and the log does not show why", ("fingerprint diagnose",)


def _hibernating(timeline: Timeline) -> tuple[str, tuple[str, ...]]:
    error = timeline.worker.error
    cause = cause_of(error, worker=True)
    if cause.name == "fingerprint":
        return _mismatching(timeline, True)
    # What the service answered was signed with credentials, shown or not.
    has = _with_credentials(timeline) if cause.row.no_credentials else "it has credentials, and "
    return f"its worker hibernates: {has}{cause.sentence}", cause.lines(_system(timeline, error))


def _wasted(timeline: Timeline) -> str:
    return f"; {times(timeline.wasted, 'retry', 'retries')} since then wasted" if timeline.wasted else ""


def _at(at: str) -> str:
    return f" at {at}" if at not in ("", "-") else ""


def _since_trouble(timeline: Timeline) -> str:
    return timeline.trouble.since if timeline.trouble is not None else ""


# Conclusion -> the time since when it holds, and its cause with the steps.
_EXPLAINED: dict[str, tuple[Callable[[Timeline], str], Callable[[Timeline], tuple[str, tuple[str, ...]]]]] = {
    "not-started": (lambda timeline: timeline.start_failed or timeline.crashed, _not_started),
    "stopped": (lambda timeline: timeline.run.stopped, _stopped),
    "starting": (lambda timeline: timeline.begins or timeline.run.started, _starting),
    "failing": (_since_trouble, _failing),
    "expired": (_since_trouble, _failing),
    "hibernating": (lambda timeline: timeline.worker.since, _hibernating),
    "worker-failing": (lambda timeline: timeline.worker_starts.failed, _worker_failing),
    "offline": (lambda timeline: timeline.reports.since, _offline),
    "worker-unseen": (lambda timeline: timeline.run.good or timeline.run.from_disk, _unseen),
    "healthy": (
        lambda timeline: (
            timeline.run.good or timeline.run.started or timeline.run.from_disk or timeline.run.worker
        ), _healthy,
    ),
    "unknown": (lambda _: "", _unknown),
}  # fmt: skip


def times(count: int, one: str, several: str) -> str:
    """Return a number with its noun."""
    return f"{count} {one if count == 1 else several}"


_WORDS = {
    "healthy": "Healthy", "failing": "Failing", "not-started": "Not started", "stopped": "Stopped",
    "cannot-tell": "State unknown",
}  # fmt: skip


def head(now: Present, when: Callable[[str], str] = str) -> str:
    """Return a state and since when, such as "Failing since 2026-11-24 11:35:00".

    Args:
        now: the state.
        when: what prints a logged time.
    """
    return f"{_WORDS[str(now.state)]}{f' since {when(now.since)}' if now.since else ''}"


def conclusion(timeline: Timeline) -> tuple[str, list[str], list[str]]:
    """Return the agent's state as a sentence, the steps to take in order, and what is missing in the logs."""
    now = present(timeline)
    unknown = []
    if timeline.open_mismatches and any(m.matched is None and not m.id_differs for m in timeline.open_mismatches):
        unknown.append("which attributes changed: their lines (WARN) are not in the log")
    if not timeline.began and timeline.lines > timeline.others:
        unknown.append("when: the lines have no time")
    cause = now.cause or ("the agent gets its credentials" if now.state == State.HEALTHY else "")
    text = f"{head(now)}{f': {cause}' if cause else ''}."
    return " ".join(part for part in (text, history(timeline)) if part), list(now.steps), unknown


def history(timeline: Timeline) -> str:
    """Return what failed before the agent last got credentials, in one sentence; "" for nothing."""
    over = len(timeline.regenerated_at) - len(timeline.open_regenerations)
    mismatches = len(timeline.mismatches) - len(timeline.open_mismatches)
    past = [times(mismatches, "mismatch", "mismatches")] if mismatches else []
    past += [times(over, "new fingerprint", "new fingerprints")] if over else []
    past += [f"{code} {times(count, 'time', 'times')}" for code, count in timeline.settled_refusals.items()]
    return f"Before that, and over: {', '.join(past)}." if past else ""
