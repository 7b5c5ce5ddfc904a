"""What a timeline is made of: waits, processes of the agent, trouble, and durations as Go prints them."""

from __future__ import annotations

import re

from fingerprint._io.times import local, local_seconds

# The code of an error of AWS SDK for Go 2 stands behind 200 characters and more.
ERROR_KEPT = 500
_DURATION = re.compile(r"(?<![0-9])([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|us|µs|ns)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Wait:
    """One of the two that may wait: the core agent for credentials, or the worker for an answer to its health pings.

    Attributes:
        waiting: whether it waits, as far as the logs tell.
        since: when the first failure after the last success was logged, "" without one.
        error: the last failure as it was logged.
        failed: when that was.
        failures: in a row, since the agent started.
        entered: when it last began to wait.
        slept: when the last pause was logged, "" if it was not.
        pause: its seconds, None if that was not logged.
        untold: whether it waited before the last start, and nothing tells since how it is.
        covered: whether that is told where its end would be, too; see `Timeline.covered`.
    """

    def __init__(self) -> None:
        self.waiting = self.untold = self.covered = False
        self.since = self.error = self.failed = self.entered = self.slept = ""
        self.failures = 0
        self.pause: float | None = None

    @property
    def next_retry(self) -> str:
        """When the last pause ends, in local time; "" if it was not logged."""
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
        """Take the start of a process: it tries at once, and what was is not known to go on."""
        self.untold = self.untold or self.waiting
        self.failed = max(self.failed, self.slept)
        self.waiting = False
        self.failures = 0
        self.entered = self.slept = ""
        self.pause = None


class Reports:
    """Health reports, of which an agent skips one if the metadata service of its provider does not answer.

    Attributes:
        began: when the last one began.
        since: when the first of those that were skipped in a row was, "" for none.
        last: when the last of them was.
        skipped: how many that are.
        error: why the last one was, as it was logged.
    """

    # So long may the agent ask the metadata service before it skips a report.
    _ASKS_SECONDS = 60.0

    def __init__(self) -> None:
        self.began = self.since = self.last = self.error = ""
        self.skipped = 0
        self._open = False
        self._said = ""

    def begin(self, at: str) -> None:
        """Take the beginning of one: that before it went out, unless it was skipped."""
        if self._open:
            self.since = self.last = self.error = ""
            self.skipped = 0
        self._open, self.began, self._said = True, at, ""

    def say(self, error: str) -> None:
        """Take why the metadata service does not answer."""
        self._said = self._said or error[:ERROR_KEPT]

    def skip(self, at: str) -> None:
        """Take that one was skipped."""
        self.since, self.last = self.since or at or "-", at or "-"
        self.skipped += 1
        self.error = self._said or self.error
        self._open = False

    def are_skipped(self, passed: float | None) -> bool:
        """Return whether the last one that is known of was skipped.

        Args:
            passed: seconds since the last one began; None where that is not known.
        """
        return bool(self.skipped) and (not self._open or passed is None or passed <= self._ASKS_SECONDS)


class Run:
    """One process of the core agent, as far as the logs tell of it. All times are local, "" for what is not told.

    Attributes:
        started: when it was started; "" for one that was started before the logs begin.
        version: of the agent.
        asks: whether the core agent requests credentials; None where it has not told.
        loop: when it began to request them.
        from_disk: when it found valid credentials on the disk and went on with them.
        worker: when its worker had an answer to a health ping.
        good: when it first got credentials after its last failure.
        ever_good: whether it got some at any time.
        checked: when its fingerprint was known to it: from then on it does not look at the hardware any more.
        asks_next: when it requests credentials next, by its own word.
        failed: when a comparison or request of it last failed, and nothing succeeded since.
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
        """How it went: "failed", "good", "from-disk" (it lives on credentials of before its start) or "not-told"."""
        if self.failed:
            return "failed"
        if self.good:
            return "good"
        return "from-disk" if self.from_disk or self.worker else "not-told"


class Trouble:
    """What failed since credentials last came.

    Attributes:
        since: when it began.
        covered: see `Timeline.covered`.
    """

    def __init__(self, since: str) -> None:
        self.since = since
        self.covered = False


def duration(text: str) -> float | None:
    """Return the seconds of a duration as Go prints it, such as "25m47s"; None if it is none."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def later(at: str, seconds: float | None) -> str:
    """Return the local time that lies some seconds after a logged one, to the second; "" where that is not known."""
    began = local_seconds(at)
    return "" if began is None or seconds is None else local(began + round(seconds))


def seconds_between(earlier: str, at: str) -> float | None:
    """Return the seconds between two logged times, None where one is not told."""
    end, begin = local_seconds(at), local_seconds(earlier)
    return None if end is None or begin is None else end - begin
