"""Check whether the agent waits, in which of its two states, and when it retries.

The core agent waits until it receives credentials ("refresher"); then the worker waits until its health pings are
answered ("worker"). The schedules are `agent.retry_schedule`, by the rows of `agent.versions`.
"""

from __future__ import annotations

import errno

from fingerprint._io.times import utc
from fingerprint.agent import retry_schedule
from fingerprint.agent.logs.error_causes import cause_of
from fingerprint.agent.logs.retries import GRACE_SECONDS, Retry, next_ping, next_request
from fingerprint.agent.logs.state import present
from fingerprint.agent.paths import HIBERNATION_LOG, MAIN_LOG
from fingerprint.agent.states import CREDENTIALS, FIRST_PING_SECONDS, LOG
from fingerprint.diagnose.result import failed, passed, skipped, unknown, warned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.logs import Timeline, Wait
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding

_LOG_FACTS = ("runs-unlogged", "log-is-silent", "log-is-ahead")
_LOG_IS_READABLE = (
    "Check that the agent can write its log (disk full, read-only, level in seelog.xml), then restart the agent"
)
_SET_CLOCK = "Set the clock and keep it synchronised (chrony, systemd-timesyncd), then repeat the check"


def wait_of(site: Site) -> Wait | None:
    """Return the wait of the agent, by the logs and by its file of credentials; None if it does not wait.

    Raises OSError if the logs cannot be read.
    """
    timeline = site.timeline
    if timeline.refresher.waiting and _received_since(site, timeline.refresher) is None:
        return timeline.refresher
    return timeline.worker if timeline.worker.waiting else None


def _received_since(site: Site, wait: Wait) -> float | None:
    """Return when the agent received credentials after the last failure in the logs; None if it did not."""
    return site.got_after(max(wait.failed, wait.slept))


def next_retry(site: Site, timeline: Timeline) -> Retry | None:
    """Return when a waiting agent retries; None if unknown.

    Args:
        site: the diagnosed site.
        timeline: that of its logs.
    """
    wait = wait_of(site)
    if wait is None:
        return None
    agent, now = site.behaviour, site.machine.now()
    if wait is timeline.worker:
        return next_ping(wait, agent, now, site.seconds_of, site.limit(agent.row.ping_interval_setting))
    limit = site.limit(agent.row.longest_pause_setting)
    return next_request(wait, agent, now, site.seconds_of, site.identity_type, limit)


def state(site: Site) -> Finding:
    """Check that the agent does not wait."""
    try:
        timeline = site.timeline
    except FileNotFoundError:
        reason = f"there is no {MAIN_LOG} in {site.paths.logs}"
        if not site.runs:
            return skipped(reason, *site.unread_logs)
        return unknown(reason, *site.unread_logs, remedy=_LOG_IS_READABLE)
    except OSError as error:
        return unknown(f"cannot read the logs in {site.paths.logs} ({error.strerror})", *site.unread_logs,
                       remedy=site.rights if error.errno in (errno.EACCES, errno.EPERM) else "")  # fmt: skip
    unread = [f"not read: {log}" for log in site.unread_logs]
    if site.states.states.of[LOG] == "empty":
        reason = f"no line about credentials or hibernation in {site.paths.logs} ({timeline.lines} lines)"
        return unknown(reason, *unread, remedy=_LOG_IS_READABLE) if site.runs else skipped(reason, *unread)
    good = site.seconds_of(timeline.last_good)
    last_good = f"last good: {utc(good) if good is not None else timeline.last_good or 'not in these logs'}"
    wait = wait_of(site)
    if (timeline.start_error or timeline.crashed) and wait is None:
        why = f"the agent did not start: {site.quoted(timeline.start_error)}"
        if not timeline.start_error:
            why = f"the agent crashed: {site.quoted(timeline.crash)}"
        remedy, command = _against(site, timeline.start_error or timeline.crash)
        return failed(why, last_good, *unread, remedy=remedy, command=command, tag="not-started")
    if wait is None:
        return _awake(site, timeline, last_good, *unread)
    since = site.seconds_of(wait.since)
    when = utc(since) if since is not None else wait.since or "an unknown time"
    evidence = [f"last error: {site.quoted(wait.error) or 'not logged'}", last_good, *unread]
    if wait is timeline.worker and max(wait.failed, wait.slept) < timeline.main_began:
        return unknown(
            f"{HIBERNATION_LOG} shows a worker that hibernates since {when}, but ends before the main log begins",
            *evidence, remedy="Check whether the service shows the node as online",
        )  # fmt: skip
    if wait is timeline.worker:
        cause = cause_of(wait.error, worker=True)
        has = not cause.row.no_credentials or timeline.states.of[CREDENTIALS] in ("good", "disk")
        what = f"the worker hibernates: {'it has credentials, but ' * has}its health pings fail"
        entered = site.seconds_of(wait.entered)
        silent = retry_schedule.silent_since(site.behaviour.row, entered, site.machine.now()) if entered else None
        if silent is not None:
            evidence.append(f"this agent writes no more to {HIBERNATION_LOG} after {utc(silent)}, waiting or not")
    else:
        what = "the core agent waits for credentials, without which it starts no worker"
    if site.runs is False:
        return warned(f"when it last ran, {what}", f"since {when}", *evidence, remedy="See `running`")
    started, last_logged = _started(site, wait is timeline.worker), site.seconds_of(max(wait.failed, wait.slept))
    if started is not None and last_logged is not None and started > last_logged + GRACE_SECONDS:
        return unknown(
            f"the agent was started at {utc(started)}, and its log shows a wait only before that",
            f"before that {what}, since {when}", *evidence, remedy="Repeat the check when it has logged something",
        )  # fmt: skip
    retry = next_retry(site, timeline)
    evidence.append(f"next retry: {retry.text} (by {retry.how})" if retry else "next retry: unknown")
    evidence.append(site.behaviour.text)
    if _is_unread(site):
        evidence.append(
            f"{site.paths.config} was written after the agent's start: the running agent may have other limits"
        )
    return failed(
        f"since {when} {what}", *evidence, remedy="Fix the cause, then restart the agent: it retries at once",
        tag=f"waiting-{'worker' if wait is timeline.worker else 'refresher'}",
    )  # fmt: skip


def _against(site: Site, error: str) -> tuple[str, str]:
    """Return the first step against an error with which the agent did not start, and its command; "" for none."""
    cause = cause_of(error)
    if not cause.known:
        return "Fix the named cause; its service restarts it every 90 s", ""
    try:
        unit = (site.unit or {}).get("Id", "")
    except OSError:
        unit = ""
    text, command = cause.steps(site.machine.platform, unit=unit)[0]
    return site.quoted(text), command


def _is_unread(site: Site) -> bool:
    """Return whether the configuration has a limit that the running agent has not read, by the time of the file."""
    row = site.behaviour.row
    limits = [site.limit(row.longest_pause_setting), site.limit(row.ping_interval_setting)]
    try:
        started = site.started
        written = site.machine.status(site.paths.config).modified
    except OSError:
        return False
    return started is not None and limits != [None, None] and written > started + GRACE_SECONDS


def _awake(site: Site, timeline: Timeline, *evidence: str) -> Finding:
    """Return the finding for an agent that does not wait; unknown if it was just started and waited before."""
    started = site.seconds_of(timeline.started)
    just = started is not None and site.machine.now() - started < FIRST_PING_SECONDS
    received = _received_since(site, timeline.refresher) if timeline.refresher.since else None
    if received is not None:
        text = f"by {site.paths.identity} it received credentials at {utc(received)}, after the last failure"
        evidence = (text, *evidence)
    if timeline.refresher.unconfirmed and received is None:
        wait, what = timeline.refresher, "whether it receives credentials"
    elif timeline.worker.unconfirmed and just:
        wait, what = timeline.worker, "whether its health pings are answered"
    else:
        return _by_states(site, *evidence)
    when = utc(started) if started is not None else timeline.started or "an unknown time"
    return unknown(
        f"the agent was started at {when}, and its log does not show yet {what}",
        f"last error before: {site.quoted(wait.error) or 'not logged'}", *evidence,
        remedy="Repeat the check in a few minutes",
    )  # fmt: skip


def _by_states(site: Site, *evidence: str) -> Finding:
    """Return the finding for an agent whose log ends without a wait: what its parts show, and never more."""
    found = site.states
    name, facts = found.conclusion.name, found.facts
    if name in ("healthy", "offline"):
        # The check of health reports shows why it is offline.
        return passed("the agent does not wait", *evidence)
    if name == "absent":
        return skipped("the agent does not run, so it waits for nothing: see `running`", *evidence)
    if name in ("expired", "overdue"):
        fact = facts.get("file-has-expired") or facts.get("file-has-none") or "its credentials expired"
        silent = [text for event, text in facts.items() if event in _LOG_FACTS]
        return failed(
            fact, *silent, *evidence, remedy="Restart the agent: it requests credentials at once and logs why it gets "
            "none", tag="expired",
        )  # fmt: skip
    if name in ("worker-missing", "worker-failing"):
        return warned("the agent does not wait for credentials, but its worker does not run", *evidence,
                      remedy="See `running`")  # fmt: skip
    if name in ("log-silent", "log-ahead"):
        fact = next(text for event, text in facts.items() if event in _LOG_FACTS)
        by_file = facts.get("file-has-credentials")
        if name == "log-silent" and by_file:
            return warned(f"{by_file}, but {fact}", *evidence, remedy=_LOG_IS_READABLE)
        return unknown(fact, *evidence, remedy=_SET_CLOCK if name == "log-ahead" else _LOG_IS_READABLE)
    shown = present(site.timeline)
    return unknown(site.quoted(shown.cause or found.conclusion.meaning), *evidence,
                   remedy="Repeat the check in a few minutes")  # fmt: skip


def _started(site: Site, worker: bool) -> float | None:
    try:
        return site.worker_started if worker else site.started
    except OSError:
        return None
