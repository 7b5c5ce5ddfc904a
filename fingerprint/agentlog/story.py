"""What the lines of the agent's logs tell together: mismatches, what became of them, and what the agent waits for."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from fingerprint.agentlog.lines import Counts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agentlog.lines import Entry

ATTRIBUTES = 9
TIMELINE_LIMIT = 400
GROUPS_LIMIT = 50
# The address is logged under this name, too, and counts once.
_PSEUDO = "IP Address"
_CHANGED = re.compile(
    r"The '([^']+)' value \((.*)\) has changed from the registered machine configuration value \((.*)\)", re.DOTALL
)
_ID = re.compile(r"The hardware ID \((.*)\) has changed from the registered value \((.*)\)", re.DOTALL | re.IGNORECASE)
_VERSION = re.compile(r"amazon-ssm-agent - v(\d+(?:\.\d+)+)")
# Agents 3.1.501 to 3.2.1542 tell the kinds of errors apart.
_ERROR = re.compile(r"produced (?:unrecoverable aws |aws )?error: (.*)", re.IGNORECASE | re.DOTALL)
_STATUS = re.compile(r"Status code \D*(\d+)\)? returned .*?Message: (.*)", re.IGNORECASE | re.DOTALL)
_ROTATION = re.compile(r"Next credential rotation will be in \d", re.IGNORECASE)
_SLEEP = re.compile(r"Sleeping for (\S+) before retrying", re.IGNORECASE)
_BACKOFF = re.compile(r"every (\d+) seconds for (\d+) seconds", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")
# The code of the service, also where other words stand before it.
_CODE = re.compile(r"\b([A-Z][A-Za-z]+(?:Exception|Error|Failure|DoesNotMatch|Expired|Token))(?=:|$)")
_ERROR_KEPT = 200
# A refresher that panicked begins again after so many seconds.
_AFTER_PANIC = 300.0
# A worker that hibernates so soon after the start of the agent did so before it, too.
_SOON = timedelta(minutes=10)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Mismatch:
    """One comparison that failed, however often it was logged.

    Attributes:
        first, last: when it was logged.
        times: how many groups of lines tell it: four to each failure of a newer agent.
        id_differs: whether the hardware ID decided.
        changed: attribute -> (saved, current), the address once.
    """

    def __init__(self, at: str, id_differs: bool) -> None:
        self.first = self.last = at
        self.times = 1
        self.id_differs = id_differs
        self.changed: dict[str, tuple[str, str]] = {}

    @property
    def matched(self) -> int | None:
        """Equal attributes of nine, None where the log does not tell."""
        return None if self.id_differs or not self.changed else max(0, ATTRIBUTES - len(self.changed))


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
    """

    def __init__(self) -> None:
        self.waiting = self.untold = False
        self.since = self.error = self.failed = self.entered = self.slept = ""
        self.failures = 0
        self.pause: float | None = None

    @property
    def next_retry(self) -> str:
        """When the last pause ends, in local time; "" if it was not logged."""
        return _later(self.slept, self.pause)

    def fail(self, at: str, error: str) -> None:
        """Take a failure."""
        self.waiting = True
        self.since = self.since or at
        self.error = error[:_ERROR_KEPT] or self.error
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


class Story(Counts):
    """What the logs tell.

    Attributes:
        began, ended: times of the first and last line with one.
        main_began: the first of them in the main log, "" where it is not known which one that is.
        versions: of the agent, in order.
        last_good: when credentials were last got; "" if never.
        mismatches: different ones, in order.
        regenerated_at: times at which a new fingerprint was made after a mismatch.
        refusals: error code -> (times, first, last).
        wasted: refused retries since the last regeneration.
        refresher, worker: what the core agent and the worker wait for.
        started: when it was last started, "" if that was not logged.
        start_error: why the agent did not start, "" if it did.
        timeline: (time, kind, text, times, last time), what repeats in one line.
        dropped: lines of the timeline that were left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.began = self.main_began = self.ended = self.last_good = self.started = self.start_error = ""
        self.versions: list[str] = []
        self.mismatches: list[Mismatch] = []
        self.regenerated_at: list[str] = []
        self.refusals: dict[str, tuple[int, str, str]] = {}
        self.wasted = 0
        self.refresher, self.worker = Wait(), Wait()
        self.timeline: list[tuple[str, str, str, int, str]] = []
        self.dropped = 0
        self._group: Mismatch | None = None
        self._kind_before = ""
        # Whether the core agent asks for credentials; None where it has not told.
        self._asks: bool | None = None
        # Told between a start and the refresher's loop, it is of credentials that were on the disk.
        self._ready: Entry | None = None

    @property
    def wait(self) -> Wait | None:
        """What is waited for, None for nothing. Without credentials it does not matter what the worker waits for."""
        return next((wait for wait in (self.refresher, self.worker) if wait.waiting), None)

    @property
    def hibernating(self) -> bool:
        """Whether the last word is hibernation or a pause after a refusal."""
        return self.wait is not None

    @property
    def next_retry(self) -> str:
        """When the pause ends, in local time; "" if it cannot be said."""
        return self.wait.next_retry if self.wait else ""

    @property
    def finding(self) -> bool:
        """Whether there is anything that an operator must know."""
        return bool(self.mismatches or self.hibernating or self.regenerated_at or self.refusals)

    def take(self, entry: Entry) -> None:
        """Take the next entry, in the order of time."""
        if entry.at:
            self.began = self.began or entry.at
            self.ended = entry.at
        if entry.kind == "attribute":
            self._attribute(entry)
            return
        if entry.kind == "awake":
            # A worker that hibernates does not report; of the core agent it tells nothing.
            self.worker = Wait()
            return
        self._close()
        if entry.kind != "loop":
            self._take_ready()
        getattr(self, f"_{entry.kind.replace('-', '_')}", self._note)(entry)
        self._kind_before = entry.kind

    def finish(self) -> None:
        """Say that there is nothing more."""
        self._close()
        self._take_ready()

    def _attribute(self, entry: Entry) -> None:
        found = _CHANGED.search(entry.text)
        if not found:
            return
        if self._group is None:
            # The line before was cut off, or hidden by the level of the log.
            self._group = Mismatch(entry.at, False)
        name, current, saved = found.groups()
        self._group.last = entry.at
        if name != _PSEUDO:
            self._group.changed[name] = (saved, current)

    def _mismatch(self, entry: Entry) -> None:
        self._group = Mismatch(entry.at, False)

    def _id_differs(self, entry: Entry) -> None:
        self._group = Mismatch(entry.at, True)
        found = _ID.search(entry.text)
        if found:
            self._group.changed["hardware ID"] = (found[2].strip(), found[1].strip())

    def _close(self) -> None:
        group, self._group = self._group, None
        if group is None:
            return
        if self.mismatches:
            last = self.mismatches[-1]
            if (last.id_differs, last.changed) == (group.id_differs, group.changed):
                last.last, last.times = group.last, last.times + 1
                return
        if len(self.mismatches) < GROUPS_LIMIT:
            self.mismatches.append(group)
        score = group.matched
        told = "the hardware ID differs" if group.id_differs else "more changed than the threshold allows"
        if score is not None:
            told = f"{score} of {ATTRIBUTES} attributes equal, {score / ATTRIBUTES * 100:.1f} %"
        self._add(group.first, "mismatch", told)

    def _regenerated(self, entry: Entry) -> None:
        self.regenerated_at.append(entry.at)
        self.wasted = 0
        self._add(entry.at, "regenerated", "a new fingerprint was made and stored over the old one")

    def _refused(self, entry: Entry) -> None:
        found = _ERROR.search(entry.text)
        self._refuse(entry.at, found[1].strip() if found else entry.text)

    def _status(self, entry: Entry) -> None:
        # Agents 3.2.183 to 3.2.1542 tell nothing else of such an error; later ones repeat what the line before has.
        if self._kind_before != "refused":
            found = _STATUS.search(entry.text)
            self._refuse(entry.at, f"{found[2].strip()} (status code {found[1]})".strip() if found else entry.text)

    def _refuse(self, at: str, error: str) -> None:
        code = code_of(error) or "other"
        times, first, _ = self.refusals.get(code, (0, at, ""))
        self.refusals[code] = (times + 1, first, at)
        if self.regenerated_at and code == "MachineFingerprintDoesNotMatch":
            self.wasted += 1
        self.refresher.fail(at, error)
        self._add(at, "refused", error[:_ERROR_KEPT])

    def _panic(self, entry: Entry) -> None:
        self.refresher.fail(entry.at, entry.text)
        self.refresher.sleep(entry.at, _AFTER_PANIC)
        self._note(entry)

    def _unwritten(self, entry: Entry) -> None:
        self.refresher.fail(entry.at, entry.text)
        self._note(entry)

    def _not_started(self, entry: Entry) -> None:
        self.start_error = entry.text.partition("amazon-ssm-agent:")[2].strip()[:_ERROR_KEPT] or entry.text
        self._note(entry)

    def _ping_failed(self, entry: Entry) -> None:
        self.worker.fail(entry.at, entry.text.partition("error - ")[2] or entry.text)
        self._note(entry)

    def _sleep(self, entry: Entry) -> None:
        found = _SLEEP.search(entry.text)
        self.refresher.sleep(entry.at, duration(found[1]) if found else None)
        self._add(entry.at, "sleep", f"sleeps {found[1]}" if found else entry.text[:_ERROR_KEPT])

    def _backoff(self, entry: Entry) -> None:
        found = _BACKOFF.search(entry.text)
        self.worker.sleep(entry.at, float(found[1]) if found else None)
        self._add(
            entry.at, "backoff", f"asks every {found[1]} s for {found[2]} s" if found else entry.text[:_ERROR_KEPT]
        )

    def _hibernate(self, entry: Entry) -> None:
        # "Entering SSM Agent hibernate - <error>" in the main log, "Agent is in hibernate mode" in the other.
        error = entry.text.partition("hibernate - ")[2]
        if error or not self.worker.waiting:
            if self.started and not _soon_after(entry.at, self.started):
                # It worked in between.
                self.worker.since = ""
            self.worker.fail(entry.at, error)
            self.worker.entered = entry.at
        self._note(entry)

    def _worker_started(self, entry: Entry) -> None:
        # What the worker logs when a ping was answered, for which it needs credentials.
        self.worker = Wait()
        self.refresher.untold = False
        if self.started and not self._asks:
            # It got them itself, and now: before 3.1.501, and where they are not shared.
            self.last_good = entry.at
        self._note(entry)

    def _good(self, entry: Entry) -> None:
        if "ready" in entry.text.lower():
            # Of a core agent that does not ask it only lets the worker start.
            self._ready = None if self._asks is False else entry
        elif (
            (self.refresher.waiting or self.refresher.untold)
            and self._kind_before != "unwritten"
            and _ROTATION.match(entry.text)
        ):
            # All that agents 3.2.286 to 3.2.1241 tell. It is said of credentials that were on the disk, too; but those
            # that could not be renewed in time count backwards.
            self._got(entry)

    def _loop(self, entry: Entry) -> None:
        self._asks = True
        self._ready = None

    def _unshared(self, entry: Entry) -> None:
        self._asks = False
        self.refresher = Wait()

    def _take_ready(self) -> None:
        entry, self._ready = self._ready, None
        if entry is not None:
            self._got(entry)

    def _got(self, entry: Entry) -> None:
        self.last_good = entry.at
        self.start_error = ""
        self.refresher = Wait()
        self._add(entry.at, "good", "credentials are there")

    def _version(self, entry: Entry) -> None:
        found = _VERSION.search(entry.text)
        if found and (not self.versions or self.versions[-1] != found[1]):
            self.versions.append(found[1])
        if "starting agent" in entry.text.lower():
            # Agents 2 are one process, which says so when a ping was answered.
            self.worker = Wait()
            self.last_good = entry.at
        self._asks = None
        self.refresher.restart()
        self.worker.restart()
        self.start_error = ""
        self.started = entry.at
        self._add(entry.at, "start", f"agent {found[1] if found else '?'} starts")

    def _note(self, entry: Entry) -> None:
        if entry.kind != "start":
            self._add(entry.at, entry.kind, entry.text[:_ERROR_KEPT])

    def _add(self, at: str, kind: str, text: str) -> None:
        if self.timeline and self.timeline[-1][1:3] == (kind, text):
            first, _, _, times, _ = self.timeline[-1]
            self.timeline[-1] = (first, kind, text, times + 1, at)
        elif len(self.timeline) < TIMELINE_LIMIT:
            self.timeline.append((at, kind, text, 1, at))
        else:
            # The first ones tell how it began; of the rest the newest count.
            del self.timeline[TIMELINE_LIMIT // 2]
            self.timeline.append((at, kind, text, 1, at))
            self.dropped += 1


def code_of(error: str) -> str:
    """Return the code in an error as it was logged, such as "AccessDeniedException"; "" without one."""
    first = error.partition(":")[0].strip()
    if first.isidentifier():
        return first
    found = _CODE.search(error)
    return found[1] if found else ""


def _soon_after(at: str, start: str) -> bool:
    try:
        return timedelta(0) <= datetime.fromisoformat(at) - datetime.fromisoformat(start) <= _SOON
    except ValueError:
        return False


def duration(text: str) -> float | None:
    """Return the seconds of a duration as Go prints it, such as "25m47s"; None if it is none."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _later(at: str, seconds: float | None) -> str:
    if not at or seconds is None:
        return ""
    try:
        return str(datetime.fromisoformat(at) + timedelta(seconds=round(seconds)))
    except (ValueError, OverflowError):
        return ""
