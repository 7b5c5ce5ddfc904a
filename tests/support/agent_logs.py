"""Logs of agents of many versions, made of parts in any order, as the agent's own configuration formats them."""

from __future__ import annotations

from collections.abc import Sequence

MISMATCH = "MachineFingerprintDoesNotMatch: Fingerprint does not match registration data"
REQUEST = "RequestManagedInstanceRoleToken"
V1_ENDS = "\n\tstatus code: 400, request id: 11111111-2222-3333-4444-555555555555"
# An error of each form that the versions of the SDK print, as it follows the agent's own words.
ERRORS = {
    "v1": f"{MISMATCH}{V1_ENDS}",
    "v1-denied": f"AccessDeniedException: Machine is not registered{V1_ENDS}",
    "v1-wrapped": f"error occurred in {REQUEST}: {MISMATCH}{V1_ENDS}",
    "v1-of-ec2": (
        "no valid credentials could be retrieved for ec2 identity. Default Host Management Err: error calling "
        f"{REQUEST}: AccessDeniedException: Systems Manager's instance management role is not configured for account: "
        f"111122223333{V1_ENDS}"
    ),
    "v1-no-answer": (
        'RequestError: send request failed\ncaused by: Post "https://ssm.eu-west-1.amazonaws.com/": dial tcp: lookup '
        "ssm.eu-west-1.amazonaws.com on 127.0.0.53:53: server misbehaving"
    ),
    "v1-page": (
        "EC2RoleRequestError: no EC2 instance role found\ncaused by: EC2MetadataError: failed to make EC2Metadata "
        'request\n<?xml version="1.0" encoding="iso-8859-1"?>\n<html>\n <head>\n  <title>404 - Not Found</title>\n'
        " </head>\n</html>\n\n\tstatus code: 404, request id: "
    ),
    "v2": (
        f"operation error SSM: {REQUEST}, https response error StatusCode: 400, RequestID: 1-2-3, api error "
        f"{MISMATCH}"
    ),
    "v2-no-answer": (
        f"operation error SSM: {REQUEST}, exceeded maximum number of attempts, 4, https response error StatusCode: 0, "
        'RequestID: , request send failed, Post "https://ssm.eu-west-1.amazonaws.com/": dial tcp 10.0.0.9:443: '
        "i/o timeout"
    ),
    "panicked": (
        "credentials refresher panic: runtime error: invalid memory address or nil pointer dereference\n"
        "Stacktrace:\ngoroutine 42 [running]:\nruntime/debug.Stack()\n\t/usr/lib/go/src/debug/stack.go:24 +0x65\n"
        "main.run(0xc000, 0x1)\n\t/build/core/agent.go:91 +0x2a"
    ),
}  # fmt: skip
REFRESHER, CORE, WORKER, KEYS = (
    "[CredentialRefresher] ",
    "[amazon-ssm-agent] ",
    "[ssm-agent-worker] ",
    "[OnPremCredsProvider] ",
)


class Log:
    """A log that grows: `at` is the time of the next line, in seconds since the first midnight."""

    def __init__(self, day: int = 24, fraction: bool = True) -> None:
        self.lines: list[tuple[int, str, str]] = []
        self.at = 8 * 3600
        self.day = day
        self.fraction = fraction

    def add(self, level: str, text: str, seconds: int = 1) -> None:
        self.lines.append((self.at, level, text))
        self.at += seconds

    def clock(self, at: int) -> str:
        days, rest = divmod(at, 86400)
        return f"2026-11-{self.day + days:02} {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"

    @property
    def text(self) -> str:
        """The log as the agent writes it."""
        fraction = ".1234" if self.fraction else ""
        return "".join(f"{self.clock(at)}{fraction} {level} {text}\n" for at, level, text in self.lines)


def starts(log: Log, version: str = "3.3.2299.0") -> None:
    """The agent starts."""
    log.add("INFO", "Proxy environment variables:", 0)
    log.add("INFO", "https_proxy: ", 0)
    log.add("INFO", "Checking if agent identity type OnPrem can be assumed")
    log.add("INFO", f"{CORE}amazon-ssm-agent - v{version}", 0)
    log.add("INFO", f"{CORE}Starting Core Agent", 0)
    if not version.startswith("2."):
        log.add("INFO", f"{REFRESHER}Starting credentials refresher loop")
        log.add("INFO", f"{WORKER}ssm-agent-worker - v{version}")


def gets(log: Log) -> None:
    """It gets credentials."""
    log.add("INFO", f"{REFRESHER}Credentials ready", 0)
    log.add("INFO", f"{REFRESHER}Next credential rotation will be in 29.9 minutes", 600)
    log.add("INFO", f"{WORKER}[HealthCheck] HealthCheck reporting agent health.", 300)


def differs(log: Log) -> None:
    """A comparison fails, and the agent stores a new fingerprint."""
    log.add("ERROR", f"{KEYS}Cannot connect to AWS Systems Manager.  Machine configuration has changed more than the "
            "allowed threshold.", 0)  # fmt: skip
    for name in ("IP Address", "ipaddress-info", "disk-info", "bios-hash"):
        log.add("WARN", f"{KEYS}The '{name}' value (new=) has changed from the registered machine configuration value "
                "(old=).", 0)  # fmt: skip
    log.add("INFO", f"{KEYS}Calculated hardware difference, regenerating fingerprint...", 15)


def moved(log: Log) -> None:
    """The hardware ID differs: it is logged with the end of its line."""
    log.add("ERROR", f"{KEYS}Cannot connect to AWS Systems Manager.  The hardware ID (aaaa\n) has changed from the "
            "registered value (bbbb\n).", 15)  # fmt: skip


def refused(log: Log, error: str) -> None:
    """The service rejects the request, or does not answer it."""
    log.add("ERROR", f"{REFRESHER}Retrieve credentials produced error: {error}")
    log.add("INFO", f"{REFRESHER}Sleeping for 26m39s before retrying retrieve credentials", 1600)


def hibernates(log: Log, error: str) -> None:
    """The worker, or an agent 2, hibernates."""
    log.add("INFO", f"{WORKER}Entering SSM Agent hibernate - {error}", 60)


def chats(log: Log) -> None:
    """Lines that are not relevant, one of several lines."""
    log.add("DEBUG", f'{WORKER}[MDS] Calling GetMessages with params{{\n  Destination: "mi-0",\n  Wait: 10\n}}', 5)
    log.add("INFO", f"{WORKER}[MessageService] polling", 5)


def stops(log: Log) -> None:
    """The agent stops."""
    log.add("INFO", f"{CORE}Stopping Core Agent", 30)


# A part for each number that a test draws.
PARTS = (
    starts, gets, differs, moved, chats, stops,
    lambda log: starts(log, "3.0.529.0"), lambda log: starts(log, "2.3.1319.0"), lambda log: starts(log, "3.3.5828.0"),
    *(lambda log, error=error: refused(log, error) for error in ERRORS.values()),
    *(lambda log, error=error: hibernates(log, error) for error in ERRORS.values()),
)  # fmt: skip


def log_of(numbers: Sequence[int], *, fraction: bool = True) -> Log:
    """Return the log of an agent that starts, then goes through the numbered parts."""
    log = Log(fraction=fraction)
    starts(log)
    for number in numbers:
        PARTS[number](log)
    return log
