"""Whether the agent waits, in which of its two states, and when it tries again.

The core agent waits until it gets credentials ("refresher"); the worker, once it has them, until its health pings
are answered ("worker"). The schedules are `agent.retry_schedule`, by the rows of `agent.versions`.
"""

from __future__ import annotations

import errno

from fingerprint._io.times import utc
from fingerprint.agent import retry_schedule
from fingerprint.agent.logs.retries import GRACE_SECONDS, Retry, next_ping, next_request
from fingerprint.agent.paths import HIBERNATION_LOG, MAIN_LOG
from fingerprint.diagnose.result import failed, passed, skipped, unknown, warned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.logs import Timeline, Wait
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding

# Four tries of a minute each, and what is between them: so late may a worker that was started tell of its first ping.
_FIRST_WORD_SECONDS = 600


def wait_of(site: Site) -> Wait | None:
    """Return what is waited for, by the logs and by what the agent wrote of its last credentials; None for nothing.

    Raises OSError where the logs cannot be read.
    """
    timeline = site.timeline
    if timeline.refresher.waiting and _got_since(site, timeline.refresher) is None:
        return timeline.refresher
    return timeline.worker if timeline.worker.waiting else None


def _got_since(site: Site, wait: Wait) -> float | None:
    """Return when the agent got credentials after the last failure in the logs; None if it did not."""
    return site.got_after(max(wait.failed, wait.slept))


def next_try(site: Site, timeline: Timeline) -> Retry | None:
    """Return when a waiting agent tries again; None where it cannot be said.

    Args:
        site: where it waits.
        timeline: of its logs, which tells that something waits.
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
    """Whether the agent waits, since when, and until when."""
    try:
        timeline = site.timeline
    except FileNotFoundError:
        reason = f"there is no {MAIN_LOG} in {site.paths.logs}"
        return unknown(reason, *site.unread_logs) if site.runs else skipped(reason, *site.unread_logs)
    except OSError as error:
        return unknown(f"the logs in {site.paths.logs} could not be read ({error.strerror})", *site.unread_logs,
                       remedy=site.rights if error.errno in (errno.EACCES, errno.EPERM) else "")  # fmt: skip
    unread = [f"not read: {told}" for told in site.unread_logs]
    if not timeline.events:
        reason = f"{timeline.lines} lines in {site.paths.logs}, and none tells of credentials or hibernation"
        return skipped(reason, *unread)
    good = site.seconds_of(timeline.last_good)
    last_good = f"last good: {utc(good) if good is not None else timeline.last_good or 'not in these logs'}"
    wait = wait_of(site)
    if timeline.start_error and wait is None:
        return failed(f"the agent did not start: {site.quoted(timeline.start_error)}", last_good, *unread,
                      remedy="Mend what it names; its service tries again every 90 s", tag="not-started")  # fmt: skip
    if wait is None:
        return _awake(site, timeline, last_good, *unread)
    since = site.seconds_of(wait.since)
    when = utc(since) if since is not None else wait.since or "an unknown time"
    evidence = [f"last error: {site.quoted(wait.error) or 'not told'}", last_good, *unread]
    if wait is timeline.worker and max(wait.failed, wait.slept) < timeline.main_began:
        return unknown(
            f"{HIBERNATION_LOG} tells of a worker that hibernates since {when}, and ends before the main log begins",
            *evidence, remedy="See whether the service shows the node as online",
        )  # fmt: skip
    if wait is timeline.worker:
        what = "the worker hibernates: it has credentials, and its health pings are refused"
        entered = site.seconds_of(wait.entered)
        silent = retry_schedule.silent_since(site.behaviour.row, entered, site.machine.now()) if entered else None
        if silent is not None:
            evidence.append(f"{HIBERNATION_LOG} is silent for good since {utc(silent)}; that says nothing")
    else:
        what = "the core agent waits for credentials; before it has some it starts no worker"
    if site.runs is False:
        return warned(f"when it last ran, {what}", f"since {when}", *evidence, remedy="See `running`")
    started, told_last = _started(site, wait is timeline.worker), site.seconds_of(max(wait.failed, wait.slept))
    if started is not None and told_last is not None and started > told_last + GRACE_SECONDS:
        return unknown(
            f"the agent was started at {utc(started)}, and its log tells of a wait before that only",
            f"then {what}, since {when}", *evidence, remedy="Look again when it has logged something",
        )  # fmt: skip
    retry = next_try(site, timeline)
    evidence.append(f"next try: {retry.text} (by {retry.how})" if retry else "next try: not known")
    evidence.append(site.behaviour.text)
    if _is_unread(site):
        evidence.append(
            f"{site.paths.config} was written after the agent's start: the limits of the agent that runs may be others"
        )
    return failed(
        f"{what}, since {when}", *evidence, remedy="After the repair restart the agent: it tries again at once",
        tag=f"waiting-{'worker' if wait is timeline.worker else 'refresher'}",
    )  # fmt: skip


def _is_unread(site: Site) -> bool:
    """Return whether the configuration has a limit that the agent that runs has not read, by the time of the file."""
    row = site.behaviour.row
    limits = [site.limit(row.longest_pause_setting), site.limit(row.ping_interval_setting)]
    try:
        started = site.started
        written = site.machine.status(site.paths.config).modified
    except OSError:
        return False
    return started is not None and limits != [None, None] and written > started + GRACE_SECONDS


def _awake(site: Site, timeline: Timeline, *evidence: str) -> Finding:
    """Tell of an agent that waits for nothing, unless it was started but now and waited before that."""
    started = site.seconds_of(timeline.started)
    just = started is not None and site.machine.now() - started < _FIRST_WORD_SECONDS
    got = _got_since(site, timeline.refresher) if timeline.refresher.since else None
    if got is not None:
        evidence = (f"by {site.paths.identity} it got credentials at {utc(got)}, after the last failure", *evidence)
    if timeline.refresher.unconfirmed and got is None:
        wait, what = timeline.refresher, "whether it gets credentials"
    elif timeline.worker.unconfirmed and just:
        wait, what = timeline.worker, "whether its health pings are answered"
    else:
        return passed("it does not wait", *evidence)
    when = utc(started) if started is not None else timeline.started or "an unknown time"
    return unknown(
        f"the agent was started at {when}, and has not told since {what}",
        f"last error before: {site.quoted(wait.error) or 'not told'}", *evidence, remedy="Look again in a few minutes",
    )  # fmt: skip


def _started(site: Site, worker: bool) -> float | None:
    try:
        return site.worker_started if worker else site.started
    except OSError:
        return None
