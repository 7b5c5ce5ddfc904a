"""The states of an agent, the events that change them, and what follows from them: data, and the machine that reads it.

An agent has four parts: its core process, its worker, its credentials and its fingerprint. Lines of its logs and facts
of its host are events; an event moves each part as its row of `EVENTS` says. The first row of `CONCLUSIONS` whose
states all hold is the state of the agent: `diagnose logs` concludes from the lines alone, `diagnose` from these and the
facts of the host. docs/agent-states.md shows the tables; a test compares them.
"""

from __future__ import annotations

from fingerprint.agent import paths
from fingerprint.types import Value, Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import ClassVar

CORE, WORKER, CREDENTIALS, FINGERPRINT, LOG = "core", "worker", "credentials", "fingerprint", "log"
UNKNOWN = "unknown"
# Four attempts of a minute each, with pauses: a started worker logs its first ping within this time.
FIRST_PING_SECONDS = 600
# A healthy agent reports its health and renews its credentials at least so often.
SILENT_SECONDS = 3900

# Part -> state -> meaning.
STATES: Mapping[str, Mapping[str, str]] = {
    CORE: {
        UNKNOWN: "nothing shows it",
        "starting": "its process began, and has not logged its version",
        "running": "it logged its version, or something that only a running one logs",
        "ended": "its last start ended with an error",
        "stopped": "it received a signal to end",
        "absent": "no process of it runs on the host",
    },
    WORKER: {
        UNKNOWN: "nothing shows it",
        "none": "the core process began, and has not started it",
        "begun": "the core process started it, and the log does not show that a health ping was answered",
        "running": "a health ping was answered, or it reports its health",
        "hibernating": "its health pings fail",
        "silent": "it skips its health reports",
        "failing": "it cannot be started, or ends after each start",
        "unseen": "credentials came, and for minutes no line is of a worker",
        "missing": "credentials came minutes ago, and no process of it runs on the host",
    },
    CREDENTIALS: {
        UNKNOWN: "nothing shows them",
        "none": "the core process began, and nothing shows that it has some",
        "none-again": "the same, and something failed before it began",
        "disk": "the core process found valid ones on the disk and uses them",
        "disk-again": "the same, and something failed before it began",
        "good": "the core process received some, and nothing failed since",
        "failing": "a comparison or a request failed, and none came since",
        "expired": "they expired, and none came since",
        "overdue": "the core process began minutes ago, and neither its log nor its host shows any",
    },
    FINGERPRINT: {
        UNKNOWN: "nothing shows it, or the core process has not computed it",
        "accepted": "the service accepted it",
        "differs": "the machine differs from its record, and the comparison is repeated",
        "replaced": "a new one was stored, which the service does not know",
        "rejected": "the service rejects it",
    },
    LOG: {
        UNKNOWN: "not compared with a clock",
        "current": "it ends within the last 65 minutes, or nothing has to be in it",
        "silent": "it ends more than 65 minutes ago, or before this process began",
        "ahead": "its last line is later than the host's clock: the clock was set back",
        "empty": "it is missing, unreadable, or has no line of the agent",
    },
}  # fmt: skip
PARTS = tuple(STATES)


class State(Vocabulary):
    """The state of an agent."""

    HEALTHY: ClassVar[State]
    FAILING: ClassVar[State]
    NOT_STARTED: ClassVar[State]
    STOPPED: ClassVar[State]
    CANNOT_TELL: ClassVar[State]


State.define(
    HEALTHY="healthy", FAILING="failing", NOT_STARTED="not-started", STOPPED="stopped", CANNOT_TELL="cannot-tell"
)


class Event(Value):
    """Something that a line of a log or the host shows, and what it changes.

    Attributes:
        name: of the event.
        shown_by: what shows it.
        moves: part -> its new state, or its old state -> its new one; "*" is any other old state. Other parts and
            other old states stay.
    """

    name: str
    shown_by: str
    moves: Mapping[str, str | Mapping[str, str]]


# A process remembers nothing of its predecessor, but what failed before is not over until credentials come.
_BEGINS: Mapping[str, str | Mapping[str, str]] = {
    WORKER: "none",
    CREDENTIALS: {
        "failing": "none-again", "expired": "none-again", "overdue": "none-again", "disk-again": "none-again",
        "none-again": "none-again", "*": "none",
    },
    FINGERPRINT: UNKNOWN,
}  # fmt: skip
_HAS_SOME = {UNKNOWN: "disk", "none": "disk", "none-again": "disk-again"}
_RUNS = {UNKNOWN: "running", "starting": "running"}
_FAILS: Mapping[str, str | Mapping[str, str]] = {CORE: _RUNS, CREDENTIALS: "failing"}

_LINES = (
    Event("begins", "`Proxy environment variables:`", {CORE: "starting", **_BEGINS}),
    Event("runs", f"`{paths.CORE} - v...`", {CORE: "running", **_BEGINS}),
    Event("start-fails", f"`Error occurred when starting {paths.CORE}: ...`, `Core Agent crashed ...`", {
        CORE: "ended", WORKER: "none",
    }),
    Event("stops", f"`{paths.CORE} got signal: ...`, `Stopping Core Agent`", {
        CORE: {"ended": "ended", "*": "stopped"},
    }),
    Event("registers", "`Successfully registered the instance`, if no core process runs", {
        CORE: {"ended": UNKNOWN}, CREDENTIALS: "none", FINGERPRINT: UNKNOWN,
    }),
    Event("finds-credentials", "`Credentials ready` before `Starting credentials refresher loop`", {
        CORE: _RUNS, CREDENTIALS: _HAS_SOME,
    }),
    Event("receives-credentials", "`Credentials ready`; a rotation time that moved; in old agents an answered ping", {
        CORE: {**_RUNS, "ended": "running"}, CREDENTIALS: "good", FINGERPRINT: "accepted",
    }),
    Event("request-fails", "`Retrieve credentials produced ...`, `Sleeping for ...`, a panic of the refresher", _FAILS),
    Event("fingerprint-rejected", "the same with `MachineFingerprintDoesNotMatch`", {
        **_FAILS, FINGERPRINT: {"replaced": "replaced", "*": "rejected"},
    }),
    Event("differs", "`Machine configuration has changed ...`, `The hardware ID (...) has changed ...`", {
        **_FAILS, FINGERPRINT: {"replaced": "replaced", "*": "differs"},
    }),
    Event("replaces", "`Calculated hardware difference, regenerating fingerprint...`", {
        **_FAILS, FINGERPRINT: "replaced",
    }),
    Event("stores-first", "`No initial fingerprint detected` of a running core process", {FINGERPRINT: "replaced"}),
    Event("expire", "`shared credentials are already expired`", {CORE: _RUNS, CREDENTIALS: "expired"}),
    Event("worker-begins", f"`Worker {paths.WORKER} is not running, starting worker process`", {
        CORE: _RUNS, WORKER: {"failing": "failing", "*": "begun"},
    }),
    Event("worker-fails", f"`failed to start worker {paths.WORKER}, ...`; three starts within ten minutes", {
        CORE: _RUNS, WORKER: "failing",
    }),
    Event("worker-answered", f"`{paths.WORKER} - v...`", {CORE: _RUNS, WORKER: "running", CREDENTIALS: _HAS_SOME}),
    Event("worker-reports", "`HealthCheck reporting agent health.`", {CORE: _RUNS, WORKER: "running"}),
    Event("worker-logs", "`CreateControlChannel failed ...`, `Set up control channel successfully`", {
        CORE: _RUNS, WORKER: {UNKNOWN: "running", "none": "running", "begun": "running"},
    }),
    Event("worker-hibernates", f"`Entering SSM Agent hibernate - ...`, `{paths.HIBERNATION_LOG}`", {
        CORE: _RUNS, WORKER: "hibernating",
    }),
    Event("worker-skips", "`Skipping health update ...`, and no report since", {
        WORKER: {"hibernating": "hibernating", "*": "silent"},
    }),
    Event("worker-unseen", "no line of it 10 minutes after the credentials of a start, 65 after any others", {
        WORKER: {UNKNOWN: "unseen", "none": "unseen", "begun": "unseen"},
    }),
)  # fmt: skip

_HOST = (
    Event("no-process", "no process of the agent", {CORE: "absent", WORKER: "none"}),
    Event("runs-unlogged", "the core process began after the last line of the log", {
        CORE: "running", **_BEGINS, LOG: "silent",
    }),
    Event("file-has-credentials", "valid ones in `identity_config.json`, newer than the last failure and start", {
        CREDENTIALS: "good",
    }),
    Event("file-has-expired", "expired credentials in `identity_config.json`", {
        CREDENTIALS: {"failing": "failing", "*": "expired"},
    }),
    Event("file-has-none", "no credentials in `identity_config.json`, ten minutes after the core process began", {
        CREDENTIALS: {UNKNOWN: "overdue", "none": "overdue", "none-again": "overdue"},
    }),
    Event("worker-process", "a process of the worker", {
        WORKER: {UNKNOWN: "begun", "none": "begun", "unseen": "begun"},
    }),
    Event("no-worker-process", "no process of the worker, ten minutes after the credentials", {
        WORKER: {"failing": "failing", "*": "missing"},
    }),
    Event("log-is-current", "the time of the last line", {LOG: "current"}),
    Event("log-is-silent", "the time of the last line", {LOG: "silent"}),
    Event("log-is-ahead", "the time of the last line", {LOG: "ahead"}),
    Event("log-is-empty", "no line that it reads", {LOG: "empty"}),
)  # fmt: skip
EVENTS = {event.name: event for event in (*_LINES, *_HOST)}
OF_HOST = frozenset(event.name for event in _HOST)


class Conclusion(Value):
    """What follows from the states of the parts.

    Attributes:
        name: of the conclusion.
        states: part -> the states that it may be in; other parts may be in any.
        state: of the agent.
        meaning: in words.
    """

    name: str
    states: Mapping[str, tuple[str, ...]]
    state: State
    meaning: str


# The first that holds counts.
CONCLUSIONS = (
    Conclusion("absent", {CORE: ("absent",)}, State.STOPPED, "the agent does not run"),
    Conclusion("not-started", {CORE: ("ended",)}, State.NOT_STARTED, "it ends at each start"),
    Conclusion("stopped", {CORE: ("stopped",)}, State.STOPPED, "it was stopped"),
    Conclusion("starting", {CORE: ("starting",)}, State.CANNOT_TELL, "it starts"),
    Conclusion("failing", {CREDENTIALS: ("failing",)}, State.FAILING, "it waits for credentials"),
    Conclusion("expired", {CREDENTIALS: ("expired",)}, State.FAILING, "its credentials expired"),
    Conclusion("overdue", {CREDENTIALS: ("overdue",)}, State.FAILING, "it received no credentials"),
    Conclusion("hibernating", {WORKER: ("hibernating",)}, State.FAILING, "its worker hibernates"),
    Conclusion("worker-failing", {WORKER: ("failing",)}, State.FAILING, "its worker cannot run"),
    Conclusion("worker-missing", {WORKER: ("missing",)}, State.FAILING, "it runs without a worker"),
    Conclusion(
        "offline", {WORKER: ("silent",), CREDENTIALS: ("good", "disk")}, State.FAILING, "it skips its health reports"
    ),
    Conclusion("log-ahead", {LOG: ("ahead",)}, State.CANNOT_TELL, "the clock was set back"),
    Conclusion("log-silent", {LOG: ("silent",)}, State.CANNOT_TELL, "its log ended although it runs"),
    Conclusion("log-empty", {LOG: ("empty",)}, State.CANNOT_TELL, "there is no log of it"),
    Conclusion(
        "worker-unseen", {WORKER: ("unseen",), CREDENTIALS: ("good", "disk")}, State.CANNOT_TELL,
        "it has credentials, and the log shows no worker",
    ),
    Conclusion("healthy", {CREDENTIALS: ("good", "disk")}, State.HEALTHY, "it has credentials"),
    Conclusion(
        "starting", {CORE: ("running",)}, State.CANNOT_TELL, "it starts, or uses credentials from before a failure"
    ),
    Conclusion("unknown", {}, State.CANNOT_TELL, "nothing shows whether it has credentials"),
)  # fmt: skip


class AgentStates:
    """The states of the parts of one agent.

    Attributes:
        of: part -> its state.
    """

    def __init__(self, of: Mapping[str, str] | None = None) -> None:
        self.of = dict.fromkeys(PARTS, UNKNOWN) if of is None else dict(of)

    def take(self, name: str) -> None:
        """Take an event. Raises KeyError for an unknown name."""
        for part, move in EVENTS[name].moves.items():
            before = self.of[part]
            self.of[part] = move if isinstance(move, str) else move.get(before, move.get("*", before))

    def copy(self) -> AgentStates:
        """Return the same states, which change independently."""
        return AgentStates(self.of)

    @property
    def conclusion(self) -> Conclusion:
        """The first conclusion that holds."""
        return next(one for one in CONCLUSIONS if all(self.of[part] in states for part, states in one.states.items()))
