"""Build the history of an agent from the entries of its logs, in the order of time: a method for each kind of entry."""

from __future__ import annotations

import re

from fingerprint.agent.accounts import ARN, role_in
from fingerprint.agent.logs.sdk_errors import MISMATCH, code_of
from fingerprint.agent.logs.types import ERROR_KEPT, Run, Trouble, Wait, WorkerStarts, duration, later, seconds_between
from fingerprint.agent.logs.updates import CHANNEL_KINDS
from fingerprint.agent.logs.updates import KINDS as KINDS_BESIDE
from fingerprint.agent.logs.worker_entries import WorkerEntries
from fingerprint.agent.paths import CORE, WORKER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.logs.lines import Entry

RUNS_LIMIT = 50
_VERSION = re.compile(rf"(?:{CORE}|{WORKER}) - v(\d+(?:\.\d+)+)")
# Agents 3.1.501 to 3.2.1542 log the kind of the error.
_ERROR = re.compile(r"produced (?:unrecoverable aws |aws )?error: (.*)", re.IGNORECASE | re.DOTALL)
_STATUS = re.compile(r"Status code \D{0,100}(\d{1,9})\)? returned ", re.IGNORECASE)
_MESSAGE = re.compile("Message: ", re.IGNORECASE)
_ROTATION = re.compile(r"Next credential rotation will be in (-?\d+(?:\.\d+)?) minutes", re.IGNORECASE)
_SLEEP = re.compile(r"Sleeping for (\S+) before retrying", re.IGNORECASE)
_EXPIRED_AT = re.compile(r"retrieved at (\S+) and expired at (\S+)")
_UNREADABLE = re.compile(r"(?:InstanceFingerprint file|from vault|loading server info):? (.*)", re.DOTALL)
# An error of the connection or of the service: the fingerprint was in that request.
_REQUEST = "RequestManagedInstanceRoleToken"
# A refresher that panicked restarts after so many seconds.
_AFTER_PANIC = 300.0
# A repeated rotation time that moved by more than this proves new credentials; clock corrections are smaller.
_RENEWED_SECONDS = 60.0


class TimelineBuilder(WorkerEntries):
    """A history that takes entries: `take` for each, then `finish`."""

    def __init__(self) -> None:
        super().__init__()
        self._kind_before = ""
        self._good_order = ""
        # "Credentials ready" between a start and the refresher's loop is about credentials that were on the disk.
        self._ready: Entry | None = None

    def take(self, entry: Entry, covered: bool = True) -> None:
        """Take the next entry, in the order of time.

        Args:
            entry: the entry.
            covered: whether its log would contain successes, too: errors.log and hibernate.log hold failures only.
        """
        if entry.at:
            self.began = self.began or entry.at
            self.ended = entry.at
        self.covered = covered
        if ARN in entry.text:
            self.role = role_in(entry.text) or self.role
        if entry.kind == "attribute":
            self._comparisons.attribute(entry)
            return
        if entry.kind == "awake":
            self._awake(entry)
            return
        if entry.kind == "provider-silent":
            self.reports.say(entry.text.partition(": ")[2] or entry.text)
            return
        if entry.kind == "expired":
            self._expired(entry)
            return
        if entry.kind in KINDS_BESIDE:
            # From another log or another part of the agent: it does not end a group of lines.
            self.beside.take(entry)
            if entry.kind in CHANNEL_KINDS:
                self._shown_until = entry.at
                self.states.take("worker-logs")
            if entry.kind != "channel":
                self._note(entry)
            return
        self._shown_until = entry.at or self._shown_until
        self._close()
        if entry.kind != "loop":
            self._take_ready()
        getattr(self, f"_{entry.kind.replace('-', '_')}", self._note)(entry)
        self._kind_before = entry.kind

    def cover(self) -> None:
        """Note that the last entry is also in a log that would contain successes."""
        for one in (self.trouble, self.worker):
            if one is not None:
                one.covered = True

    def finish(self) -> None:
        """End the timeline: there are no more entries."""
        self._close()
        if self._ready is not None and self.run.started and not self.run.loop:
            # The line that would show whether they were on the disk has not been written yet.
            self.run.from_disk, self._ready = self._ready.at, None
            self.states.take("finds-credentials")
        self._take_ready()
        if self.skips_reports:
            self.states.take("worker-skips")
        self._miss_worker()

    def _fail(self, at: str, error: str = "", event: str = "request-fails") -> None:
        """Begin a trouble, or continue it."""
        self.states.take(event)
        if self.trouble is None or self.trouble.of_start:
            self.trouble = Trouble(at)
        self.trouble.covered = self.trouble.covered or self.covered
        run = self.run
        run.failed, run.good = at or self.ended or "-", ""
        run.error = error or run.error

    def _settle(self) -> None:
        """End the trouble: credentials came."""
        self.trouble = None
        self.settled_refusals = {code: count for code, (count, _, _) in self.refusals.items()}
        self.wasted = 0
        self.minted = self.unreadable = self.expired = self.start_error = self.start_failed = ""
        self._comparisons.settled, self._settled_regenerations = len(self.mismatches), len(self.regenerated_at)

    def _mismatch(self, entry: Entry) -> None:
        self._comparisons.begin(entry)

    def _id_differs(self, entry: Entry) -> None:
        self._comparisons.begin(entry)

    def _close(self) -> None:
        group, repeated = self._comparisons.close()
        if group is None:
            return
        self._fail(group.first, event="differs")
        if not repeated:
            self._add(group.first, "mismatch", group.text)

    def _regenerated(self, entry: Entry) -> None:
        self.regenerated_at.append(entry.at)
        self.wasted = 0
        self._fail(entry.at, event="replaces")
        self._checked(entry)
        self._add(entry.at, "regenerated", "a new fingerprint was made and stored over the old one")

    def _first(self, entry: Entry) -> None:
        self.minted = entry.at or "-"
        if self.run.started and not self.run.stopped:
            self._checked(entry)
            self.states.take("stores-first")
        self._note(entry)

    def _unreadable(self, entry: Entry) -> None:
        found = _UNREADABLE.search(entry.text)
        self.unreadable = (found[1].strip() if found else entry.text)[:ERROR_KEPT]
        self._note(entry)

    def _no_identity(self, entry: Entry) -> None:
        self._unreadable(entry)

    def _registered(self, entry: Entry) -> None:
        self.registered = entry.at or "-"
        if self._is_over:
            self._settle()
            self.states.take("registers")
        self._note(entry)

    @property
    def _is_over(self) -> bool:
        """Whether no process of the core agent is known to run."""
        return bool(self.start_error or self.run.stopped) or (self.run.outcome == "not-told" and not self.run.started)

    def _expired(self, entry: Entry) -> None:
        found = _EXPIRED_AT.search(entry.text)
        if self.expired or entry.order < self._good_order or self.run.stopped:
            # A late line of an earlier worker.
            return
        self.expired = found[2].rstrip(".") if found else "-"
        self._fail(entry.at, event="expire")
        self._add(entry.at, "expired", f"the shared credentials expired at {self.expired}" if found else entry.text)

    def _not_loaded(self, entry: Entry) -> None:
        self._fail(entry.at)
        self._note(entry)

    def _refused(self, entry: Entry) -> None:
        found = _ERROR.search(entry.text)
        self._refuse(entry.at, found[1].strip() if found else entry.text)

    def _status(self, entry: Entry) -> None:
        # Agents 3.2.183 to 3.2.1542 log such an error only here; later ones repeat the previous line.
        if self._kind_before != "refused":
            status = _STATUS.search(entry.text)
            message = _MESSAGE.search(entry.text, status.end()) if status else None
            error = (
                f"{entry.text[message.end() :].strip()} (status code {status[1]})" if status and message else entry.text
            )
            self._refuse(entry.at, error.strip())

    def _refuse(self, at: str, error: str) -> None:
        code = code_of(error) or "other"
        times, first, _ = self.refusals.get(code, (0, at, ""))
        self.refusals[code] = (times + 1, first, at)
        if self.open_regenerations and code == MISMATCH:
            self.wasted += 1
        self.refresher.fail(at, error)
        self._fail(at, error[:ERROR_KEPT], "fingerprint-rejected" if code == MISMATCH else "request-fails")
        self.run.asks, self.run.loop = True, self.run.loop or at or "-"
        self.run.asks_next = ""
        if code != "other" or _REQUEST in error:
            self.run.checked = self.run.checked or at or "-"
        self._add(at, "refused", error[:ERROR_KEPT])

    def _panic(self, entry: Entry) -> None:
        self.refresher.fail(entry.at, entry.text)
        self.refresher.sleep(entry.at, _AFTER_PANIC)
        self._fail(entry.at, entry.text[:ERROR_KEPT])
        self._note(entry)

    def _unwritten(self, entry: Entry) -> None:
        self.refresher.fail(entry.at, entry.text)
        self._fail(entry.at, entry.text[:ERROR_KEPT])
        self._checked(entry)
        self._note(entry)

    def _not_started(self, entry: Entry) -> None:
        self.states.take("start-fails")
        self.start_error = entry.text.partition(f"{CORE}:")[2].strip()[:ERROR_KEPT] or entry.text
        self.start_failed = self.start_failed or entry.at or "-"
        self.trouble = self.trouble or Trouble(entry.at, of_start=True)
        self.trouble.covered = self.trouble.covered or self.covered
        self._note(entry)

    def _sleep(self, entry: Entry) -> None:
        found = _SLEEP.search(entry.text)
        self._fail(entry.at)
        self.run.asks, self.run.loop = True, self.run.loop or entry.at or "-"
        self.refresher.sleep(entry.at, duration(found[1]) if found else None)
        self._add(entry.at, "sleep", f"sleeps {found[1]}" if found else entry.text[:ERROR_KEPT])

    def _worker_started(self, entry: Entry) -> None:
        # The worker logs this when a ping was answered, which requires credentials.
        self.worker = Wait()
        self.refresher.unconfirmed = False
        if not self.run.version:
            # The agent started before the logs begin; its worker is from the same package.
            self.run.version = self._logged_version(entry)
        if self.started and not self.run.asks:
            # The worker itself got them just now: before 3.1.501, and if they are not shared.
            self._got(entry)
        else:
            self.run.worker = entry.at or "-"
        self._worker_lives(entry, "worker-answered")
        self._note(entry)

    def _good(self, entry: Entry) -> None:
        if "ready" in entry.text.lower():
            # A core agent that does not request credentials logs it to let the worker start.
            self._ready = None if self.run.asks is False else entry
            return
        found = _ROTATION.match(entry.text)
        if not found or self._kind_before == "unwritten":
            return
        before = self.run.asks_next
        self.run.asks_next = later(entry.at, float(found[1]) * 60)
        moved = seconds_between(before, self.run.asks_next)
        if self.run.failed or self.refresher.waiting or self.refresher.unconfirmed:
            # The only line of agents 3.2.286 to 3.2.1241. They also log it for credentials that were on the disk, with
            # negative minutes if these could not be renewed in time.
            if not found[1].startswith("-") and not (self.run.from_disk and not before):
                self._got(entry)
        elif moved is not None and moved > _RENEWED_SECONDS:
            # Only new credentials move the time, also if their arrival is not logged.
            self._got(entry)

    def _loop(self, entry: Entry) -> None:
        self.run.asks, self.run.loop = True, entry.at or "-"
        if self._ready is not None:
            self.run.from_disk, self._ready = self._ready.at or "-", None
            self.states.take("finds-credentials")
        self._note(entry)

    def _asks_now(self, entry: Entry) -> None:
        # Logged only between two requests; the next one follows at once.
        self.run.asks, self.run.asks_next = True, entry.at
        self._note(entry)

    def _gives_up(self, entry: Entry) -> None:
        self.refresher.fail(entry.at, entry.text)
        self._fail(entry.at, entry.text[:ERROR_KEPT])
        self._note(entry)

    def _recipe(self, entry: Entry) -> None:
        recipe = "wql" if "returning wql" in entry.text.lower() else "wmic"
        if recipe != self.recipe:
            self._note(entry)
        self.recipe = recipe

    def _serial(self, _: Entry) -> None:
        """Do nothing: the error is in the log itself, too."""

    def _unshared(self, _: Entry) -> None:
        self.run.asks = False
        self.refresher = Wait()

    def _take_ready(self) -> None:
        entry, self._ready = self._ready, None
        if entry is not None:
            self._got(entry)

    def _got(self, entry: Entry) -> None:
        self.last_good, self._good_order = entry.at, entry.order
        self._settle()
        self.states.take("receives-credentials")
        self.refresher = Wait()
        run = self.run
        run.failed, run.error, run.ever_good = "", "", True
        run.good = run.good or entry.at or "-"
        self._checked(entry)
        self._add(entry.at, "good", "credentials are there")

    def _version(self, entry: Entry) -> None:
        version = self._logged_version(entry)
        if self.registered:
            # Earlier failures were the previous registration's; a running process goes on with that one.
            self._settle()
            self.registered = ""
        run = Run(entry.at or "-", version)
        if self.run.started or self.run.outcome != "not-told":
            self.runs.append(run)
        else:
            self.runs[-1] = run
        if len(self.runs) > RUNS_LIMIT:
            del self.runs[0]
        self.refresher.restart()
        self.worker.restart()
        self.beside.restart()
        self.states.take("runs")
        if self.trouble is not None and self.trouble.of_start:
            self.trouble = None
        self.start_error = self.start_failed = self.expired = self.begins = self.crashed = self.crash = ""
        self.worker_starts = WorkerStarts()
        self.started = entry.at
        self._add(entry.at, "start", f"agent {version or '?'} starts")
        if "starting agent" in entry.text.lower():
            # Agents 2 are one process, which logs this when a ping was answered.
            self.worker = Wait()
            self._got(entry)
            self.states.take("worker-answered")

    def _logged_version(self, entry: Entry) -> str:
        found = _VERSION.search(entry.text)
        version = found[1] if found else ""
        if version and (not self.versions or self.versions[-1] != version):
            self.versions.append(version)
        return version

    def _stop(self, entry: Entry) -> None:
        self.states.take("stops")
        # First the signal is logged, then the stop itself.
        self.run.stopped = self.run.stopped or entry.at or "-"
        self._note(entry)

    def _begin(self, entry: Entry) -> None:
        self.states.take("begins")
        self.begins = entry.at or "-"

    def _crashed(self, entry: Entry) -> None:
        self.states.take("start-fails")
        self.crashed = entry.at or "-"
        self.crash = self.crash or entry.text[:ERROR_KEPT]
        self._note(entry)
