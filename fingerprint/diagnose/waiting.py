"""Whether the agent waits, in which of its two states, and when it tries again.

The core agent waits until it gets credentials ("refresher"); the worker, once it has them, until its health pings
are answered ("worker"). The schedules are `agent.retry_schedule`, by the rows of `agent.versions`.
"""

from __future__ import annotations

import errno

from fingerprint.agent import retry_schedule
from fingerprint.agent.retry_schedule import ON_PREMISES, Failure
from fingerprint.agent.versions import assess
from fingerprint.agentcredentials import parse_agent_credentials
from fingerprint.agentlog import sdk_error
from fingerprint.diagnose.results import failed, passed, skipped, unknown, warned
from fingerprint.model import Value, utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agentlog import Story, Wait
    from fingerprint.diagnose.results import Finding
    from fingerprint.diagnose.site import Site

HARD = ("MachineFingerprintDoesNotMatch", "AccessDeniedException")
_OWN_WORD = "the agent's own word"
# Four tries of a minute each, and what is between them: so late may a worker that was started tell of its first ping.
_FIRST_WORD_SECONDS = 600
# A try takes a while, and clocks differ.
_GRACE_SECONDS = 120


class Retry(Value):
    """When the agent tries again, seconds since 1970-01-01 UTC: between `earliest` and `latest`; `how` it is known."""

    __slots__ = ("earliest", "latest", "how")
    earliest: float
    latest: float
    how: str

    def __init__(self, earliest: float, latest: float, how: str) -> None:
        self._set(earliest=earliest, latest=latest, how=how)

    @property
    def text(self) -> str:
        """The same for people."""
        if self.latest - self.earliest < 1:
            return utc(self.earliest)
        return f"{utc(self.earliest)} to {utc(self.latest)}"


def pause(
    error: str, failures: int, version: str, identity: str = ON_PREMISES, limit: int | None = None
) -> tuple[float, float]:
    """Return the least and the longest pause of the core agent after a failure, in seconds.

    Args:
        error: the failure as it was logged.
        failures: how many there were in a row before this one.
        version: of the agent; see `assess`.
        identity: of the agent, "OnPrem" or "EC2".
        limit: Ssm.CredentialRetryMaxSleepSeconds, if that is set and the agent accepts it.
    """
    told = sdk_error(error)
    kind = Failure.OTHER
    if told.code in HARD:
        kind = Failure.REJECTED
    elif told.code and (told.answered or told.sdk == 1):
        # With SDK 2 an error of the way to the service is not one of the service.
        kind = Failure.SERVICE
    return retry_schedule.pause(assess(version).row, kind, failures, identity, limit)


def wait_of(site: Site) -> Wait | None:
    """Return what is waited for, by the logs and by what the agent wrote of its last credentials; None for nothing.

    Raises OSError where the logs cannot be read.
    """
    story = site.story
    if story.refresher.waiting and _got_since(site, story.refresher) is None:
        return story.refresher
    return story.worker if story.worker.waiting else None


def _got_since(site: Site, wait: Wait) -> float | None:
    """Return when the agent got credentials after the last failure in the logs; None if it did not."""
    return got_after(site, max(wait.failed, wait.slept))


def got_after(site: Site, at: str) -> float | None:
    """Return when the agent last got credentials, by its own word in identity_config.json; None if not after a time.

    Agents 3.1.501 to 3.2.183 log no success at all, and no agent does where the level of its log is "error".

    Args:
        site: whose agent.
        at: local time as the logs have it.
    """
    got, after = retrieved_at(site), site.seconds_of(at)
    # After a failure it pauses for a second at least.
    return got if got is not None and after is not None and after + 1 <= got else None


def retrieved_at(site: Site) -> float | None:
    """Return when the agent last got credentials by identity_config.json, in seconds since 1970-01-01 UTC."""
    try:
        told = parse_agent_credentials(site.machine.read_file(site.places.identity))
    except OSError:
        return None
    got = told.retrieved if told else None
    # What lies ahead was written by a clock that was wrong.
    return got if got is not None and got <= site.machine.now() + _GRACE_SECONDS else None


def next_try(site: Site, story: Story) -> Retry | None:
    """Return when a waiting agent tries again; None where it cannot be said.

    Args:
        site: where it waits.
        story: of its logs, which tells that something waits.
    """
    now = site.machine.now()
    wait = wait_of(site)
    if wait is None:
        return None
    if wait is story.worker:
        return _next_ping(site, wait, now)
    slept = site.seconds_of(wait.slept)
    if slept is not None and wait.pause is not None and slept + wait.pause > now - _GRACE_SECONDS:
        return Retry(slept + wait.pause, slept + wait.pause, _OWN_WORD)
    failed_at = site.seconds_of(wait.failed)
    if failed_at is None:
        return None
    setting = site.behaviour.row.longest_pause_setting
    limit = site.limit(setting)
    least, longest = pause(wait.error, max(0, wait.failures - 1), site.behaviour.version, site.identity_type, limit)
    how = _schedule(site, setting, limit)
    if failed_at + longest + _GRACE_SECONDS >= now:
        return Retry(failed_at + least, failed_at + longest, how)
    # It must have tried since, and did not log it.
    return Retry(now, now + longest, f"{how}; the log is older")


def _next_ping(site: Site, wait: Wait, now: float) -> Retry | None:
    """Return when a worker that hibernates pings next: from the last period that it logged, else from its start."""
    entered, began = site.seconds_of(wait.entered), site.seconds_of(wait.slept)
    if entered is None:
        return None
    row, setting = site.behaviour.row, site.behaviour.row.ping_interval_setting
    minutes = site.limit(setting)
    limit = None if minutes is None else minutes * 60
    if began is not None and began >= entered and wait.pause:
        at = retry_schedule.next_ping(row, entered, now, limit, (began - entered, int(wait.pause)))
        how = (
            _OWN_WORD if at <= began + retry_schedule.PINGS_A_PERIOD * wait.pause else _schedule(site, setting, minutes)
        )
    else:
        at = retry_schedule.next_ping(row, entered, now, limit)
        how = f"{_schedule(site, setting, minutes)}, for its health pings"
    return Retry(at, at, how)


def _schedule(site: Site, setting: str, limit: int | None) -> str:
    """Return what a time was computed by: the row, and a limit of the configuration."""
    version = site.behaviour.version
    told = f"the schedule of {version if site.behaviour.known else 'the newest agents'}"
    return told if limit is None else f"{told} with {setting} {limit}"


def state(site: Site) -> Finding:
    """Whether the agent waits, since when, and until when."""
    try:
        story = site.story
    except FileNotFoundError:
        reason = f"there is no amazon-ssm-agent.log in {site.places.logs}"
        return unknown(reason, *site.unread_logs) if _runs(site) else skipped(reason, *site.unread_logs)
    except OSError as error:
        return unknown(f"the logs in {site.places.logs} could not be read ({error.strerror})", *site.unread_logs,
                       remedy=site.rights if error.errno in (errno.EACCES, errno.EPERM) else "")  # fmt: skip
    unread = [f"not read: {told}" for told in site.unread_logs]
    if not story.timeline:
        reason = f"{story.lines} lines in {site.places.logs}, and none tells of credentials or hibernation"
        return skipped(reason, *unread)
    good = site.seconds_of(story.last_good)
    last_good = f"last good: {utc(good) if good is not None else story.last_good or 'not in these logs'}"
    wait = wait_of(site)
    if story.start_error and wait is None:
        return failed(f"the agent did not start: {site.quoted(story.start_error)}", last_good, *unread,
                      remedy="Mend what it names; its service tries again every 90 s", tag="not-started")  # fmt: skip
    if wait is None:
        return _awake(site, story, last_good, *unread)
    since = site.seconds_of(wait.since)
    when = utc(since) if since is not None else wait.since or "a time that is not told"
    evidence = [f"last error: {site.quoted(wait.error) or 'not told'}", last_good, *unread]
    if wait is story.worker and max(wait.failed, wait.slept) < story.main_began:
        return unknown(
            f"hibernate.log tells of a worker that hibernates since {when}, and ends before the main log begins",
            *evidence, remedy="See whether the service shows the node as online",
        )  # fmt: skip
    if wait is story.worker:
        what = "the worker hibernates: it has credentials, and its health pings are refused"
        entered = site.seconds_of(wait.entered)
        silent = retry_schedule.silent_since(site.behaviour.row, entered, site.machine.now()) if entered else None
        if silent is not None:
            evidence.append(f"hibernate.log is silent for good since {utc(silent)}; that says nothing")
    else:
        what = "the core agent waits for credentials; before it has some it starts no worker"
    if _runs(site) is False:
        return warned(f"when it last ran, {what}", f"since {when}", *evidence, remedy="See `running`")
    started, told_last = _started(site, wait is story.worker), site.seconds_of(max(wait.failed, wait.slept))
    if started is not None and told_last is not None and started > told_last + _GRACE_SECONDS:
        return unknown(
            f"the agent was started at {utc(started)}, and its log tells of a wait before that only",
            f"then {what}, since {when}", *evidence, remedy="Look again when it has logged something",
        )  # fmt: skip
    retry = next_try(site, story)
    evidence.append(f"next try: {retry.text} (by {retry.how})" if retry else "next try: not known")
    evidence.append(site.behaviour.text)
    return failed(
        f"{what}, since {when}", *evidence, remedy="After the repair restart the agent: it tries again at once",
        tag=f"waiting-{'worker' if wait is story.worker else 'refresher'}",
    )  # fmt: skip


def _awake(site: Site, story: Story, *evidence: str) -> Finding:
    """Tell of an agent that waits for nothing, unless it was started but now and waited before that."""
    started = site.seconds_of(story.started)
    just = started is not None and site.machine.now() - started < _FIRST_WORD_SECONDS
    got = _got_since(site, story.refresher) if story.refresher.since else None
    if got is not None:
        evidence = (f"by {site.places.identity} it got credentials at {utc(got)}, after the last failure", *evidence)
    if story.refresher.untold and got is None:
        wait, what = story.refresher, "whether it gets credentials"
    elif story.worker.untold and just:
        wait, what = story.worker, "whether its health pings are answered"
    else:
        return passed("it does not wait", *evidence)
    when = utc(started) if started is not None else story.started or "a time that is not told"
    return unknown(
        f"the agent was started at {when}, and has not told since {what}",
        f"last error before: {site.quoted(wait.error) or 'not told'}", *evidence, remedy="Look again in a few minutes",
    )  # fmt: skip


def _started(site: Site, worker: bool) -> float | None:
    try:
        return site.worker_started if worker else site.started
    except OSError:
        return None


def _runs(site: Site) -> bool | None:
    try:
        return bool(site.processes)
    except OSError:
        return None
