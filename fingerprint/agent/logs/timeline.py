"""The history of an agent as its logs show it: its processes, what failed, and what the agent waits for."""

from __future__ import annotations

from fingerprint.agent.logs.comparisons import Comparisons
from fingerprint.agent.logs.lines import Counts
from fingerprint.agent.logs.types import Reports, Run, Trouble, Wait, WorkerStarts, seconds_between
from fingerprint.agent.logs.updates import Beside
from fingerprint.agent.states import AgentStates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.accounts import Role
    from fingerprint.agent.logs.comparisons import Mismatch


class Timeline(Counts):
    """The history of an agent.

    Attributes:
        began, ended: times of the first and last line with one.
        main_began: the first of them in the main log; "" if it is not known which log that is.
        versions: of the agent, in order.
        last_good: when the agent last got credentials; "" if never.
        regenerated_at: times at which a new fingerprint was made after a mismatch.
        refusals: error code -> (times, first, last).
        settled_refusals: error code -> times, of refusals before the last credentials.
        wasted: refused retries since the last regeneration.
        refresher, worker: what the core agent and the worker wait for.
        started: when the agent last started; "" if that was not logged.
        start_error: why the agent did not start; "" if it did.
        runs: processes of the core agent, the newest last; the first may have been started before the logs begin.
        trouble: what failed since the last credentials; None for nothing.
        minted: when a first fingerprint was made despite a registration, since the last credentials.
        unreadable: why record or registration were unreadable, since the last credentials.
        start_failed: when the first start failed since the agent last ran.
        expired: when the shared credentials of a worker expired; RFC 3339, "" if they have not, "-" without a time.
        registered: when the machine was last registered.
        recipe: the hash recipe for Windows that the agent last logged, "wql" or "wmic"; "" if it logged none.
        reports: the health reports, and which of them were skipped.
        role: the last role that an error of the service named.
        covered: whether the log of the last entry would contain successes, too.
        states: of the agent's parts at the last entry.
        begins: when a process began that has not logged its version yet; "" for none.
        crashed, crash: when the last process crashed and its words; "" if it logged no crash.
        worker_starts: of the worker by the last process of the core agent.
        beside: updates and Session Manager's channel, on which the agent's credentials do not depend.
        events: (time, kind, text, times, last time); repetitions are one event.
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
        self.states = AgentStates()
        self.begins = self.crashed = self.crash = ""
        self.worker_starts = WorkerStarts()
        self.events: list[tuple[str, str, str, int, str]] = []
        self.dropped = 0
        self.beside = Beside()
        self.reports = Reports()
        self.role: Role | None = None
        self._comparisons = Comparisons()
        # How many new fingerprints are older than the last credentials.
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
        """The failed comparisons since the last credentials."""
        return self.mismatches[self._comparisons.settled :]

    @property
    def open_regenerations(self) -> list[str]:
        """The times of new fingerprints since the last credentials."""
        return self.regenerated_at[self._settled_regenerations :]

    @property
    def wait(self) -> Wait | None:
        """What the agent waits for; None for nothing. Without credentials the worker's wait does not matter."""
        return next((wait for wait in (self.refresher, self.worker) if wait.waiting), None)

    @property
    def hibernating(self) -> bool:
        """Whether the last entry leaves the agent in hibernation or in a pause after a refusal."""
        return self.wait is not None

    @property
    def skips_reports(self) -> bool:
        """Whether the last health report was skipped, by the logs."""
        return self.reports.are_skipped(seconds_between(self.reports.began, self.ended))
