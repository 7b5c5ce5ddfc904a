"""Entries about the worker: its starts, its health pings and its reports; the builder of a timeline extends this."""

from __future__ import annotations

import re

from fingerprint.agent.logs.timeline import Timeline
from fingerprint.agent.logs.types import ERROR_KEPT, Wait, seconds_between
from fingerprint.agent.states import FIRST_PING_SECONDS, SILENT_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.logs.lines import Entry

EVENTS_LIMIT = 400
_BACKOFF = re.compile(r"every (\d+) seconds for (\d+) seconds", re.IGNORECASE)
# A worker that hibernates so soon after a start of the agent also hibernated before it.
_SOON_SECONDS = 600


class WorkerEntries(Timeline):
    """A history that takes entries about the worker: a method for each kind."""

    def __init__(self) -> None:
        super().__init__()
        # The last entry of the agent itself; updates are logged elsewhere.
        self._shown_until = ""

    def _awake(self, entry: Entry) -> None:
        # A hibernating worker sends no reports; the core agent's state stays open.
        self.worker = Wait()
        self.reports.begin(entry.at)
        self._shown_until = entry.at or self._shown_until
        self._worker_lives(entry, "worker-reports")

    def _health_skipped(self, entry: Entry) -> None:
        self.reports.skip(entry.at)
        self._note(entry)

    def _ping_failed(self, entry: Entry) -> None:
        self.states.take("worker-hibernates")
        self.worker.fail(entry.at, entry.text.partition("error - ")[2] or entry.text)
        self.worker.covered = self.worker.covered or self.covered
        self._note(entry)

    def _backoff(self, entry: Entry) -> None:
        found = _BACKOFF.search(entry.text)
        self.states.take("worker-hibernates")
        self.worker.sleep(entry.at, float(found[1]) if found else None)
        self.worker.covered = self.worker.covered or self.covered
        self._add(
            entry.at, "backoff", f"asks every {found[1]} s for {found[2]} s" if found else entry.text[:ERROR_KEPT]
        )

    def _hibernate(self, entry: Entry) -> None:
        # "Entering SSM Agent hibernate - <error>" in the main log, "Agent is in hibernate mode" in the other.
        error = entry.text.partition("hibernate - ")[2]
        self.states.take("worker-hibernates")
        if error or not self.worker.waiting:
            gap = seconds_between(self.started, entry.at)
            if gap is not None and not 0 <= gap <= _SOON_SECONDS:
                # It did not hibernate in between.
                self.worker.since = ""
            self.worker.fail(entry.at, error)
            self.worker.covered = self.worker.covered or self.covered
            self.worker.entered = entry.at
        if self.run.asks is False:
            # If credentials are not shared, the worker computes the fingerprint and then pings.
            self._checked(entry)
        self._note(entry)

    def _worker_begins(self, entry: Entry) -> None:
        self.states.take("worker-begins")
        if self.worker_starts.begin(entry.at):
            self.states.take("worker-fails")
        self._note(entry)

    def _worker_fails(self, entry: Entry) -> None:
        self.states.take("worker-fails")
        self.worker_starts.fail(entry.at, entry.text)
        self._note(entry)

    def _worker_lives(self, entry: Entry, event: str) -> None:
        if self.worker_starts.lives(entry.at):
            self.states.take(event)

    def _miss_worker(self) -> None:
        """Note that the log shows credentials and no worker for longer than a healthy one is silent."""
        run = self.run
        passed = seconds_between(run.good or run.from_disk, self._shown_until)
        limit = FIRST_PING_SECONDS if run.started else SILENT_SECONDS
        if passed is not None and passed > limit:
            self.states.take("worker-unseen")

    def _checked(self, entry: Entry) -> None:
        self.run.checked = self.run.checked or entry.at or "-"

    def _note(self, entry: Entry) -> None:
        if entry.kind not in ("start", "loop"):
            self._add(entry.at, entry.kind, entry.text[:ERROR_KEPT])

    def _add(self, at: str, kind: str, text: str) -> None:
        if self.events and self.events[-1][1:3] == (kind, text):
            first, _, _, times, _ = self.events[-1]
            self.events[-1] = (first, kind, text, times + 1, at)
        elif len(self.events) < EVENTS_LIMIT:
            self.events.append((at, kind, text, 1, at))
        else:
            # Keep the first ones, which show the beginning, and the newest ones.
            del self.events[EVENTS_LIMIT // 2]
            self.events.append((at, kind, text, 1, at))
            self.dropped += 1
