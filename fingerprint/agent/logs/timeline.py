"""The history of an agent as its logs show it: its processes, what failed, and what the agent waits for."""

from __future__ import annotations

from fingerprint.agent.logs.comparisons import Comparisons
from fingerprint.agent.logs.lines import Counts
from fingerprint.agent.logs.types import Reports, Run, Trouble, Wait, seconds_between
from fingerprint.agent.logs.updates import Beside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.accounts import Role
    from fingerprint.agent.logs.comparisons import Mismatch


class Timeline(Counts):
    """What the logs tell.

    Attributes:
        began, ended: times of the first and last line with one.
        main_began: the first of them in the main log, "" where it is not known which one that is.
        versions: of the agent, in order.
        last_good: when credentials were last got; "" if never.
        regenerated_at: times at which a new fingerprint was made after a mismatch.
        refusals: error code -> (times, first, last).
        settled_refusals: error code -> times, of those after which credentials came.
        wasted: refused retries since the last regeneration.
        refresher, worker: what the core agent and the worker wait for.
        started: when it was last started, "" if that was not logged.
        start_error: why the agent did not start, "" if it did.
        runs: processes of the core agent, the newest last; the first may have been started before the logs begin.
        trouble: what failed since credentials last came; None for nothing.
        minted: when a first fingerprint was made although there is a registration, since credentials last came.
        unreadable: why record or registration could not be read, since credentials last came.
        start_failed: when it first did not start, since it last ran.
        expired: when the credentials ran out that a worker was left with; RFC 3339, "" if that is not told.
        registered: when the machine was last registered.
        recipe: what the agent last said it hashes Windows by, "wql" or "wmic"; "" if it did not.
        reports: the health reports, and which of them were skipped.
        role: the last role that an error of the service named.
        covered: whether the last entry is of a log in which a success is told, too.
        beside: what became of updates and of Session Manager's channel; the agent's credentials do not depend on them.
        events: (time, kind, text, times, last time), what repeats in one line.
        dropped: events that were left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.began = self.main_began = self.ended = self.last_good = self.started = self.start_error = ""
        self.versions: list[str] = []
        self.regenerated_at: list[str] = []
        self.refusals: dict[str, tuple[int, str, str]] = {}
        self.settled_refusals: dict[str, int] = {}
        self.wasted = 0
        self.refresher, self.worker = Wait(), Wait()
        self.runs = [Run()]
        self.trouble: Trouble | None = None
        self.minted = self.unreadable = self.start_failed = self.expired = self.registered = self.recipe = ""
        self.covered = False
        self.events: list[tuple[str, str, str, int, str]] = []
        self.dropped = 0
        self.beside = Beside()
        self.reports = Reports()
        self.role: Role | None = None
        self._comparisons = Comparisons()
        # How many new fingerprints were made until credentials last came.
        self._settled_regenerations = 0

    @property
    def run(self) -> Run:
        """The last process of the core agent."""
        return self.runs[-1]

    @property
    def mismatches(self) -> list[Mismatch]:
        """The comparisons that failed, different ones in order."""
        return self._comparisons.all

    @property
    def open_mismatches(self) -> list[Mismatch]:
        """Those of them since credentials last came."""
        return self.mismatches[self._comparisons.settled :]

    @property
    def open_regenerations(self) -> list[str]:
        """The times of new fingerprints since credentials last came."""
        return self.regenerated_at[self._settled_regenerations :]

    @property
    def wait(self) -> Wait | None:
        """What is waited for, None for nothing. Without credentials it does not matter what the worker waits for."""
        return next((wait for wait in (self.refresher, self.worker) if wait.waiting), None)

    @property
    def hibernating(self) -> bool:
        """Whether the last word is hibernation or a pause after a refusal."""
        return self.wait is not None

    @property
    def skips_reports(self) -> bool:
        """Whether the last health report was skipped, as far as the logs tell."""
        return self.reports.are_skipped(seconds_between(self.reports.began, self.ended))
