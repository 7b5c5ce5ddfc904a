"""Parts of a timeline: waits, processes of the agent, trouble; and durations as Go prints them."""

from __future__ import annotations

import re

from fingerprint._io.times import local, local_seconds
from fingerprint.agent.states import FIRST_PING_SECONDS

# In errors of AWS SDK for Go 2 the code comes after 200 characters and more.
ERROR_KEPT = 500
_DURATION = re.compile(r"(?<![0-9])([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|us|µs|ns)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Wait:
    """A wait: the core agent's for credentials, or the worker's for an answer to its health pings.

    Attributes:
        waiting: whether it waits, by the logs.
        since: when the first failure after the last success was logged, "" without one.
        error: the last failure as logged.
        failed: when the last failure was logged.
        failures: in a row, since the agent started.
        entered: when the wait last began.
        slept: when the last pause was logged; "" if it was not.
        pause: seconds of the last pause; None if they were not logged.
        unconfirmed: whether it waited before the last start, and no line since shows its state.
        covered: whether the log of the failure would also contain its end; see `Timeline.covered`.
    """

    def __init__(self) -> None:
        self.waiting = self.unconfirmed = self.covered = False
        self.since = self.error = self.failed = self.entered = self.slept = ""
        self.failures = 0
        self.pause: float | None = None

    @property
    def next_retry(self) -> str:
        """When the last pause ends, local time; "" if it was not logged."""
        return later(self.slept, self.pause)

    def fail(self, at: str, error: str) -> None:
        """Take a failure."""
        self.waiting = True
        self.since = self.since or at
        self.error = error[:ERROR_KEPT] or self.error
        self.failed = at
        self.failures += 1

    def sleep(self, at: str, seconds: float | None) -> None:
        """Take a pause."""
        self.waiting = True
        self.since = self.since or at
        self.slept, self.pause = at, seconds

    def restart(self) -> None:
        """Take the start of a process: it retries at once, and whether the wait continues is unknown."""
        self.unconfirmed = self.unconfirmed or self.waiting
        self.failed = max(self.failed, self.slept)
        self.waiting = False
        self.failures = 0
        self.entered = self.slept = ""
        self.pause = None


class Reports:
    """Health reports, of which an agent skips one if the metadata service of its provider does not answer.

    Attributes:
        began: when the last one began.
        since: when the first of the reports skipped in a row was; "" for none.
        last: when the last of them was.
        skipped: how many were skipped in a row.
        error: why the last one was skipped, as logged.
    """

    # The agent queries the metadata service for at most so long before it skips a report.
    _QUERY_SECONDS = 60.0

    def __init__(self) -> None:
        self.began = self.since = self.last = self.error = ""
        self.skipped = 0
        self._open = False
        self._said = ""

    def begin(self, at: str) -> None:
        """Take the beginning of a report: the one before it was sent, unless it was skipped."""
        if self._open:
            self.since = self.last = self.error = ""
            self.skipped = 0
        self._open, self.began, self._said = True, at, ""

    def say(self, error: str) -> None:
        """Take the reason why the metadata service does not answer."""
        self._said = self._said or error[:ERROR_KEPT]

    def skip(self, at: str) -> None:
        """Take a skipped report."""
        self.since, self.last = self.since or at or "-", at or "-"
        self.skipped += 1
        self.error = self._said or self.error
        self._open = False

    def are_skipped(self, passed: float | None) -> bool:
        """Return whether the last known report was skipped.

        Args:
            passed: seconds since the last one began; None if unknown.
        """
        return bool(self.skipped) and (not self._open or passed is None or passed <= self._QUERY_SECONDS)


class Run:
    """One process of the core agent, by the logs. All times are local, "" if not logged.

    Attributes:
        started: when it started; "" if that was before the logs begin.
        version: of the agent.
        asks: whether the core agent requests credentials; None if that is not logged.
        loop: when it began to request them.
        from_disk: when it found valid credentials on the disk and continued with them.
        worker: when its worker had an answer to a health ping.
        good: when it first got credentials after its last failure.
        ever_good: whether it got credentials at any time.
        checked: when it had its fingerprint; from then on it does not read the hardware again.
        asks_next: when it requests credentials next, as it logged.
        failed: when a comparison or request last failed, with no success since.
        error: the last error of a request.
        stopped: when it was stopped.
    """

    def __init__(self, started: str = "", version: str = "") -> None:
        self.started = started
        self.version = version
        self.asks: bool | None = None
        self.loop = self.from_disk = self.worker = self.good = self.checked = self.asks_next = ""
        self.failed = self.error = self.stopped = ""
        self.ever_good = False

    @property
    def outcome(self) -> str:
        """The outcome: "failed", "good", "from-disk" (it uses credentials from before its start) or "not-told"."""
        if self.failed:
            return "failed"
        if self.good:
            return "good"
        return "from-disk" if self.from_disk or self.worker else "not-told"


class WorkerStarts:
    """Starts of the worker by one process of the core agent, which repeats them each minute if it does not run.

    Attributes:
        failed: when one first failed since the worker ran; "" if none did.
        error: why it cannot be started, as logged; "" if it starts and ends.
    """

    # So many starts within the time for a first ping: it ends after each.
    _LOOP = 3
    # The core agent checks each minute whether it runs.
    _LIVES_SECONDS = 90.0

    def __init__(self) -> None:
        self.failed = self.error = ""
        self._begun: list[str] = []

    def begin(self, at: str) -> bool:
        """Take a start, and return whether the worker ends after each."""
        self._begun = [*self._begun, at][-self._LOOP :]
        within = seconds_between(self._begun[0], at)
        loops = len(self._begun) == self._LOOP and within is not None and within <= FIRST_PING_SECONDS
        if loops:
            self.failed = self.failed or self._begun[0]
        return loops

    def fail(self, at: str, error: str) -> None:
        """Take a start that failed."""
        self.failed, self.error = self.failed or at or "-", error[:ERROR_KEPT]

    def lives(self, at: str) -> bool:
        """Take a sign of life, and return whether the worker runs; one that ends after each start shows some, too."""
        if self.failed and not self.error:
            lived = seconds_between(self._begun[-1], at)
            if lived is not None and lived < self._LIVES_SECONDS:
                return False
        self.failed = self.error = ""
        return True


class Trouble:
    """A failure since the last credentials.

    Attributes:
        since: when the first failure was logged.
        of_start: whether it is only that the agent did not start: its next start ends it.
        covered: see `Timeline.covered`.
    """

    def __init__(self, since: str, *, of_start: bool = False) -> None:
        self.since = since
        self.of_start = of_start
        self.covered = False


def duration(text: str) -> float | None:
    """Return the seconds of a duration as Go prints it, such as "25m47s"; None for another form."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def later(at: str, seconds: float | None) -> str:
    """Return the local time some seconds after a logged one, to the second; "" if either is unknown."""
    began = local_seconds(at)
    return "" if began is None or seconds is None else local(began + round(seconds))


def seconds_between(earlier: str, at: str) -> float | None:
    """Return the seconds between two logged times; None if one is not logged."""
    end, begin = local_seconds(at), local_seconds(earlier)
    return None if end is None or begin is None else end - begin
