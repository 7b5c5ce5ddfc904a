"""Logs of made-up agents in the forms of real ones, each with the state of the agent by time.

A step of a run writes the lines that an agent writes then, and adds the row that is true from then on. Lines of the
worker come late and between those of the core process, as in recorded logs.
"""

from __future__ import annotations

from collections.abc import Callable

# (time, state, cause), as in the table of the recorded logs.
Row = tuple[str, str, str]
_DAY = "2026-11-24"
_DENIED = "AccessDeniedException: The node is not registered\n\tstatus code: 400, request id: 1b4e28ba-2fa1-11d2"
_NO_NETWORK = (
    'RequestError: send request failed\ncaused by: Post "https://ssm.eu-west-1.amazonaws.com/": dial tcp: connect: '
    "network is unreachable"
)
_CLOCK = "InvalidSignatureException: Signature expired: 20261124T080000Z is now earlier than 20261124T081500Z"
_MISMATCH = "MachineFingerprintDoesNotMatch: Fingerprint does not match registration data"
_NOT_UTF8 = "Hardware hash generated contains invalid characters. map[bios-hash:x machine-id:\xff\n memory-hash:y]"
_PINGS = "AccessDeniedException: User is not authorized to perform: ssm:UpdateInstanceInformation"


class MadeAgent:
    """An agent that writes a log.

    Attributes:
        rows: the state by time.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._lines: list[str] = []
        self._now = 8 * 3600 * 10_000

    @property
    def log(self) -> bytes:
        """Its log."""
        return "".join(self._lines).encode("utf-8", "surrogateescape")

    def wait(self, seconds: float) -> None:
        self._now += round(seconds * 10_000)

    def line(self, text: str, context: str = "", level: str = "INFO", late: float = 0.0) -> str:
        """Write a line, and return its time."""
        self._now += 3
        seconds, fraction = divmod(self._now - round(late * 10_000), 10_000)
        at = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:04}"
        self._lines.append(f"{_DAY} {at} {level} {f'[{context}] ' if context else ''}{text}\n")
        return at

    def is_now(self, at: str, state: str, cause: str = "") -> None:
        self.rows.append((at, state, cause))

    # Steps.

    def registers(self) -> None:
        self.is_now(self.line("No initial fingerprint detected, generating fingerprint file..."), "unknown")
        self.line("Successfully registered the instance with AWS SSM using Managed instance-id: mi-0123456789abcdef0")
        self.wait(5)

    def begins(self) -> None:
        self.is_now(self.line("Proxy environment variables:"), "starting")
        for name in ("https_proxy", "http_proxy", "no_proxy"):
            self.line(f"{name}: ")
        self.line("Checking if agent identity type OnPrem can be assumed")

    def starts(self, *, disk: bool = False) -> None:
        self.begins()
        self.line("Agent will take identity from OnPrem")
        for text in ("amazon-ssm-agent - v3.3.3598.0", "OS: linux, Arch: amd64", "Starting Core Agent"):
            self.line(text, "amazon-ssm-agent")
        self.line("credentialRefresher has started", "CredentialRefresher")
        if disk:
            self.is_now(self.line("Credentials ready", "CredentialRefresher"), "healthy", "disk")
        self.line("Starting credentials refresher loop", "CredentialRefresher")
        if disk:
            self.line("Next credential rotation will be in 14.2 minutes", "CredentialRefresher")
            self.works()

    def finds_no_identity(self) -> None:
        self.begins()
        for again in (
            "failed to find identity, retrying",
            "failed to find identity, retrying",
            "failed to get identity",
        ):
            self.wait(0.5)
            self.line("Agent failed to assume any identity", level="ERROR")
            self.line(f"{again}: failed to find agent identity", level="ERROR")
        error = "Error occurred when starting amazon-ssm-agent: failed to get identity: failed to find agent identity"
        self.is_now(self.line(error, level="ERROR"), "not-started", "identity")
        self.wait(90)

    def receives(self, *, works: bool = True) -> None:
        self.wait(0.05)
        self.is_now(self.line("Credentials ready", "CredentialRefresher"), "healthy")
        self.line("Next credential rotation will be in 29.9 minutes", "CredentialRefresher")
        if works:
            self.works()

    def works(self) -> None:
        """Start the worker, whose lines come among those of the core process."""
        self.wait(1)
        self._starts_worker()
        self.line("Worker ssm-agent-worker (pid:101) started", self._CONTAINER, late=0.1)
        self.reports()
        error = "CreateControlChannel failed with error: createControlChannel request failed: connection refused"
        self.line(f"Failed to get controlchannel token, error: {error}", "ssm-agent-worker", "ERROR")

    _CONTAINER = "amazon-ssm-agent] [LongRunningWorkerContainer] [WorkerProvider"

    def _starts_worker(self) -> str:
        return self.line("Worker ssm-agent-worker is not running, starting worker process", self._CONTAINER)

    def reports(self) -> None:
        self.line("ssm-agent-worker - v3.3.3598.0", "ssm-agent-worker")
        self.line("HealthCheck reporting agent health.", "ssm-agent-worker] [HealthCheck")

    def lives(self, minutes: int) -> None:
        for number in range(minutes // 5):
            self.wait(300)
            self.line("HealthCheck reporting agent health.", "ssm-agent-worker] [HealthCheck")
            if number % 6 == 5:
                self.line("Credentials ready", "CredentialRefresher")
                self.line("Next credential rotation will be in 29.9 minutes", "CredentialRefresher")

    def fails(self, error: str, cause: str, pause: str = "26m12s") -> None:
        self.wait(0.05)
        at = self.line(f"Retrieve credentials produced error: {error}", "CredentialRefresher", "ERROR")
        self.is_now(at, "waiting", cause)
        self.line(f"Sleeping for {pause} before retrying retrieve credentials", "CredentialRefresher")
        self.wait(120)

    def differs(self) -> None:
        for attempt in range(4):
            self.wait(5)
            at = self.line(
                "Cannot connect to AWS Systems Manager.  Machine configuration has changed more than the allowed "
                "threshold.", "OnPremCredsProvider", "ERROR",
            )  # fmt: skip
            if not attempt:
                self.is_now(at, "waiting", "differs")
            for name in ("IP Address", "disk-info", "ipaddress-info"):
                changed = f"The '{name}' value (b) has changed from the registered machine configuration value (a)."
                self.line(changed, "OnPremCredsProvider", "WARN")
        at = self.line("Calculated hardware difference, regenerating fingerprint...", "OnPremCredsProvider")
        self.is_now(at, "waiting", "mismatch")
        self.fails(_MISMATCH, "mismatch")

    def loses_the_worker(self) -> None:
        """The core process cannot start the worker, and tries each minute."""
        self.receives(works=False)
        self.wait(1)
        for attempt in range(4):
            self._starts_worker()
            error = "failed to start worker ssm-agent-worker, fork/exec /usr/bin/ssm-agent-worker: permission denied"
            at = self.line(error, self._CONTAINER, "ERROR")
            if not attempt:
                self.is_now(at, "worker", "worker")
            self.wait(60)

    def worker_ends_each_time(self) -> None:
        self.receives(works=False)
        for attempt in range(6):
            self.wait(1 if not attempt else 60)
            at = self._starts_worker()
            if attempt == 2:
                self.is_now(at, "worker", "worker")
            self.reports()

    def hibernates(self) -> None:
        self.receives(works=False)
        self.wait(1)
        self._starts_worker()
        at = self.line(f"Entering SSM Agent hibernate - {_PINGS}", "ssm-agent-worker")
        self.is_now(at, "hibernating", "pings")
        self.wait(300)

    def wakes(self) -> None:
        self.is_now(self.line("ssm-agent-worker - v3.3.3598.0", "ssm-agent-worker"), "healthy")

    def stops(self) -> None:
        self.wait(2)
        at = self.line("amazon-ssm-agent got signal:terminated value:0x997f40", "amazon-ssm-agent")
        self.is_now(at, "stopped")
        self.line("Stopping Core Agent", "amazon-ssm-agent")
        self.line("HealthCheck reporting agent health.", "ssm-agent-worker] [HealthCheck", late=0.001)
        self.line("Bye.", "ssm-agent-worker")
        self.wait(5)

    def crashes(self) -> None:
        at = self.line("Core Agent crashed with message runtime error: index out of range!", level="ERROR")
        self.is_now(at, "not-started", "crash")
        self.line("goroutine 1 [running]:\nmain.run()\n\t/core/agent.go:152 +0x1d", level="ERROR")
        self.wait(90)


def _clone(agent: MadeAgent) -> None:
    agent.registers()
    agent.starts()
    agent.receives()
    agent.lives(60)
    agent.stops()
    agent.starts()
    agent.differs()
    agent.stops()
    agent.starts()
    agent.fails(_MISMATCH, "mismatch")
    agent.stops()
    agent.starts()
    agent.receives()
    agent.lives(20)


def _rejections(agent: MadeAgent) -> None:
    agent.starts()
    for error, cause in ((_DENIED, "denied"), (_CLOCK, "clock"), (_NO_NETWORK, "network"), (_NOT_UTF8, "unreadable")):
        agent.fails(error, cause)
        agent.receives()
        agent.lives(10)
    agent.stops()


def _starts(agent: MadeAgent) -> None:
    agent.starts()
    agent.receives()
    agent.stops()
    agent.finds_no_identity()
    agent.finds_no_identity()
    agent.starts(disk=True)
    agent.lives(10)
    agent.crashes()
    agent.starts()
    agent.receives()


def _workers(agent: MadeAgent) -> None:
    agent.starts()
    agent.loses_the_worker()
    agent.stops()
    agent.starts()
    agent.hibernates()
    agent.wakes()
    agent.lives(10)
    agent.stops()
    agent.starts()
    agent.worker_ends_each_time()
    agent.stops()


RUNS: dict[str, Callable[[MadeAgent], None]] = {
    "clone": _clone, "rejections": _rejections, "starts": _starts, "workers": _workers,
}  # fmt: skip


def made(name: str) -> tuple[bytes, list[Row]]:
    """Return the log of a run, and the state of its agent by time."""
    agent = MadeAgent()
    RUNS[name](agent)
    return agent.log, agent.rows
