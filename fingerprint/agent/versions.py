"""How amazon-ssm-agent behaves, by its version: a table of data, its rows in the order of releases.

A row holds from its version up to the next row's. Each says how sure its newest change is, and what that change was;
docs/compatibility.md shows the same with the sources, and how to add a row. After the rows come the lines of the logs,
which change in more versions, and the vulnerabilities.

    assess("3.3.2471.0").row.since   # "3.3.2299.0"
    assess("").text                  # "unknown version: newest known row used (3.3.5226.0)"
"""

from __future__ import annotations

from fingerprint._io.text import quoted
from fingerprint.collectors.recipes import newest_recipe_of, version_of
from fingerprint.types import Value, Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar

# The newest release that was assessed; later ones may behave differently.
NEWEST_ASSESSED = "3.3.5828.0"
_DAY = 24 * 3600


class Sure(Vocabulary):
    """How a fact is known: the agent was run, its source or its release notes were read, or it is composed of such."""

    RUN: ClassVar[Sure]
    READ: ClassVar[Sure]
    NOTES: ClassVar[Sure]
    COMPOSED: ClassVar[Sure]


Sure.define(RUN="run", READ="read", NOTES="notes", COMPOSED="composed")


class Row(Value):
    """The behaviour of agents from one version on.

    Attributes:
        since: the first version.
        sure: how the change that begins the row is known.
        change: what changed, as a phrase.
        recipe: what it hashes on a Windows that is new enough for it: "wmic", "json" (from 10.0.26040) or "wql" (from
            10.0.26100). On older Windows each agent takes wmic, see `collectors.recipes`.
        first_threshold: similarity threshold that a first registration stores.
        core_requests: whether the core agent requests credentials and shares them; else the worker does.
        logs_success: whether the core agent logs that credentials came.
        hard_pause: least and longest pause after MachineFingerprintDoesNotMatch or AccessDeniedException, seconds.
        longest_pause: of the pauses that double after other errors, seconds; None without a limit.
        longest_pause_setting: the setting that lowers it, "" where there is none.
        first_ping_interval: of a hibernating worker, seconds; it doubles.
        longest_ping_interval: what it doubles up to, seconds.
        ping_interval_setting: the setting that changes that, "" where there is none.
        silent_after: seconds of hibernation after which hibernate.log has no more lines; None if it goes on.
        checks_each_minute: whether the core agent requests credentials a minute after identity_config.json is gone.
        sdk: major version of the AWS SDK for Go, by which errors are spelled; 0 for either.
        vault_mode: mode that it sets on the directories of the vault, on Unix.
        owner_setting: the setting by which the vault may belong to another user than root, "" where there is none.
        record_provider: whether the registration record has the member `provider`.
        session_user: when it makes the account ssm-user: "start" (of the agent), "session" (the first one; and never on
            a domain controller of Windows); "" for never.
        restores_sudoers: whether it writes the sudoers file of that account again, where somebody removed it.
        messages_by_ssmmessages: whether commands come by ssmmessages if that answers; then ec2messages is not needed.
        dual_stack_setting: the setting for endpoints for both IPv4 and IPv6, "" where there is none.
    """

    since: str
    sure: Sure
    change: str
    recipe: str
    first_threshold: int
    core_requests: bool
    logs_success: bool
    hard_pause: tuple[int, int]
    longest_pause: int | None
    longest_pause_setting: str
    first_ping_interval: int
    longest_ping_interval: int
    ping_interval_setting: str
    silent_after: int | None
    checks_each_minute: bool
    sdk: int
    vault_mode: int
    owner_setting: str
    record_provider: bool
    session_user: str
    restores_sudoers: bool
    messages_by_ssmmessages: bool
    dual_stack_setting: str


# What the oldest agents do. Before 3.1.501 there is no refresher; its pauses are those of the first that had one.
_OLDEST: Mapping[str, Any] = {
    "first_threshold": 0, "core_requests": False, "logs_success": False,
    "hard_pause": (_DAY, _DAY + 7200), "longest_pause": None, "longest_pause_setting": "",
    "first_ping_interval": 600, "longest_ping_interval": 3600, "ping_interval_setting": "", "silent_after": 23700,
    "checks_each_minute": False, "sdk": 1, "vault_mode": 0o600, "owner_setting": "", "record_provider": False,
    "session_user": "", "restores_sudoers": False,
    "messages_by_ssmmessages": False, "dual_stack_setting": "",
}  # fmt: skip
# Version, how sure, what changed, and the members that changed.
_CHANGES: tuple[tuple[str, Sure, str, Mapping[str, Any]], ...] = (
    ("2.3.0.0", Sure.READ, "the oldest agents that are known; the worker requests credentials itself", {}),
    ("2.3.50.0", Sure.NOTES, "the account ssm-user is made at each start of the agent",
     {"session_user": "start", "restores_sudoers": True}),
    ("2.3.612.0", Sure.READ, "it is made when the first session starts, and not on domain controllers of Windows",
     {"session_user": "session"}),
    ("2.3.634.0", Sure.READ, "a removed sudoers file of that account is not written again",
     {"restores_sudoers": False}),
    ("3.0.1181.0", Sure.READ, "a first registration stores threshold 40, not 0", {"first_threshold": 40}),
    ("3.1.501.0", Sure.READ, "the core agent requests and shares credentials, and waits for a day after a rejection",
     {"core_requests": True}),
    ("3.2.1297.0", Sure.READ, "the core agent logs \"Credentials ready\"", {"logs_success": True}),
    ("3.3.40.0", Sure.NOTES, "commands come by ssmmessages where that answers, in place of ec2messages",
     {"messages_by_ssmmessages": True}),
    ("3.3.808.0", Sure.READ, "25 to 30 minutes after a rejection, half an hour at most after other errors",
     {"hard_pause": (1500, 1800), "longest_pause": 1800}),
    ("3.3.1142.0", Sure.RUN, "Windows from 10.0.26040 is hashed by PowerShell's JSON", {}),
    ("3.3.1230.0", Sure.NOTES, "taken back: Windows is hashed by wmic only", {}),
    ("3.3.1311.0", Sure.RUN, "Windows from 10.0.26100 is hashed by WQL and gob", {}),
    ("3.3.2299.0", Sure.READ, "hibernation begins at 5 minutes, has a configurable limit, and never stops logging",
     {"first_ping_interval": 300, "ping_interval_setting": "Ssm.HibernationMaxBackoffIntervalMinutes",
      "silent_after": None}),
    ("3.3.3050.0", Sure.READ, "the longest pause of the core agent is configurable",
     {"longest_pause_setting": "Ssm.CredentialRetryMaxSleepSeconds"}),
    ("3.3.3270.0", Sure.READ, "endpoints for both IPv4 and IPv6, by a setting",
     {"dual_stack_setting": "Agent.UseDualStackEndpoint"}),
    ("3.3.4177.0", Sure.READ, "the directories of the vault have mode 0700, and root need not own it",
     {"vault_mode": 0o700, "owner_setting": "Agent.EnforceWorkspaceRootOwnership"}),
    ("3.3.4793.0", Sure.READ, "the registration record has the member provider", {"record_provider": True}),
    ("3.3.5068.0", Sure.READ, "AWS SDK for Go 2; the core agent checks for identity_config.json each minute",
     {"sdk": 2, "checks_each_minute": True}),
    ("3.3.5226.0", Sure.COMPOSED, "an error was seen in the form of SDK 1 again: either form is expected", {"sdk": 0}),
)  # fmt: skip
# Vulnerability -> the first version without it, by the release notes.
FIXED_IN = (("CVE-2026-81849", "3.3.4515.0"), ("CVE-2026-89049", "3.3.4851.0"))


def _rows() -> tuple[Row, ...]:
    rows, members = [], dict(_OLDEST)
    for since, sure, change, changed in _CHANGES:
        members.update(changed)
        recipe = newest_recipe_of(version_of(since))
        rows.append(Row(since=since, sure=sure, change=change, recipe=recipe, **members))
    return tuple(rows)


ROWS = _rows()


class LogLine(Value):
    """A line of the agent's logs.

    Attributes:
        kind: of the entry in `agent.logs`; "" for a line that is ignored.
        text: a part of it, in lower case.
        since, until: first and last version that are known to write it; "" without that bound.
        sure: how that is known.
    """

    kind: str
    text: str
    since: str = ""
    until: str = ""
    sure: Sure = Sure.READ


# If several match a line, the first counts.
LOG_LINES = (
    LogLine("id-differs", "the hardware id ("),
    LogLine("attribute", "has changed from the registered machine configuration value", "3.0.413.0"),
    LogLine("mismatch", "machine configuration has changed more than the allowed threshold", "3.0.413.0"),
    LogLine("mismatch", "hardware hash is not equal", "", "3.0.413.0"),
    LogLine("not-loaded", "the saved machine configuration could not be loaded", "3.0.413.0"),
    LogLine("regenerated", "calculated hardware difference"),
    LogLine("first", "no initial fingerprint"),
    LogLine("unreadable", "could not read instancefingerprint"),
    LogLine("unreadable", "error while fetching fingerprint data from vault"),
    LogLine("checked", "calculated hardware hash is same as saved one"),
    LogLine("registered", "successfully registered the instance"),
    LogLine("no-identity", "error while loading server info"),
    LogLine("refused", "retrieve credentials produced", "3.1.501.0"),
    LogLine("status", "returned from aws api. requestid", "3.2.183.0"),
    LogLine("sleep", "before retrying retrieve", "3.1.501.0"),
    LogLine("good", "credentials ready", "3.2.1297.0"),
    LogLine("good", "next credential rotation", "3.2.286.0"),
    LogLine("backoff", "backing off health check"),
    LogLine("ping-failed", "health ping failed"),
    LogLine("hibernate", "entering ssm agent hibernate"),
    LogLine("hibernate", "entering ssm agent worker hibernate", "3.0.0.0"),
    LogLine("hibernate", "agent is in hibernate mode"),
    LogLine("awake", "healthcheck reporting agent health"),
    LogLine("expired", "shared credentials are already expired", "3.1.501.0"),
    LogLine("worker-started", "ssm-agent-worker - v", "3.0.0.0"),
    LogLine("version", "amazon-ssm-agent - v"),
    LogLine("unshared", "identity does not require credential refresher", "3.1.501.0"),
    LogLine("unshared", "identity does not want core agent to rotate credentials", "3.1.501.0"),
    LogLine("loop", "starting credentials refresher loop", "3.1.501.0"),
    LogLine("panic", "credentials refresher panic", "3.1.501.0"),
    LogLine("crashed", "panic: runtime error"),
    LogLine("worker-fails", "error occurred when starting ssm-agent-worker", "3.0.0.0"),
    LogLine("unwritten", "failed to write credentials to disk even with force", "3.1.501.0"),
    LogLine("unavailable", "credentials are not available when they should be", "3.1.501.0"),
    LogLine("unavailable", "failed to load shared credentials provider", "3.3.5068.0"),
    LogLine("asks-now", "credential config file missing, triggering immediate credential refresh", "3.3.5068.0"),
    LogLine("gives-up", "stopping credential refresher", "3.3.0.0"),
    LogLine("not-started", "error occurred when starting amazon-ssm-agent", "3.1.501.0"),
    LogLine("start", "starting core agent", "3.1.501.0"),
    LogLine("begin", "proxy environment variables:", "3.0.1295.0"),
    LogLine("stop", "amazon-ssm-agent got signal:", "3.0.1390.0"),
    LogLine("stop", "stopping core agent", "3.1.501.0"),
    LogLine("crashed", "core agent crashed with message", "3.0.151.0"),
    LogLine("crashed", "failed to start core agent startup module", "3.2.286.0"),
    LogLine("worker-begins", "is not running, starting worker process", "3.0.151.0"),
    LogLine("worker-fails", "failed to start worker", "3.0.151.0"),
    LogLine("recipe", "returning wql as wmi interface", "3.3.1311.0"),
    LogLine("recipe", "returning wmic as wmi interface", "3.3.1311.0"),
    LogLine("wmi-failed", "failed to fetch wmi object", "3.3.1311.0"),
    LogLine("wmi-failed", "failed to encode wmi object", "3.3.1311.0"),
    # "calculateing" up to 3.3.1311.
    LogLine("no-fingerprint", "unexpected error while calculat", "3.3.1142.0"),
    LogLine("health-skipped", "skipping health update due to identity provider errors", "3.3.4793.0"),
    LogLine("update-failed", "allow downgrade to proceed"),
    LogLine("update-failed", "supported on current platform"),
    LogLine("update-failed", "failed to update amazon-ssm-agent to"),
    LogLine("updated", "amazon-ssm-agent updated successfully to"),
    LogLine("no-channel", "createcontrolchannel failed with error", "2.3.50.0"),
    LogLine("channel", "set up control channel successfully", "3.1.821.0"),
    # The reasons, before that line: one for each value that was requested from the metadata service.
    LogLine("provider-silent", "error getting availability zone", "3.3.4793.0"),
    LogLine("provider-silent", "error getting source", "3.3.4793.0"),
    LogLine("provider-silent", "error getting computer name", "3.3.4793.0"),
    # On the console of an instance, and repeated in the log behind "Write to serial port: ".
    LogLine("serial", "ssm agent entering hibernation due to error:", "3.3.2471.0"),
    LogLine("serial", "ssm agent unable to acquire credentials:", "3.3.2958.0"),
    LogLine("", "error opening serial port", "3.3.2471.0"),
    LogLine("", "error checking credential config existence", "3.3.5068.0"),
    LogLine("", "skipping chown to root for path", "3.3.4177.0"),
    LogLine("", "agent does not have an explicit provider", "3.3.4793.0"),
    LogLine("", "agent is registered with", "3.3.4793.0"),
    LogLine("", "agent not taking azure identity", "3.3.4793.0"),
    LogLine("", "imds availability confirmed for provider", "3.3.4793.0"),
    LogLine("", "ec2messages endpoint access denied. this is expected", "3.3.3270.0"),
)


class Assessed(Value):
    """The row for a version, and how it was found.

    Attributes:
        version: as the agent reports it; "" if it does not.
        row: the row that is used.
        known: whether the row holds for this version; else the nearest row is used in its place.
        text: the row and how it is known, or why another one is used.
    """

    version: str
    row: Row
    known: bool
    text: str


def assess(version: str) -> Assessed:
    """Return the row for a version of the agent.

    An invalid or unassessed version is never an error: the newest row is used (the oldest one for earlier versions),
    and the text says so.

    Args:
        version: such as "3.3.1142.0"; "" if it is not known.
    """
    numbers, newest = version_of(version), ROWS[-1]
    if not version:
        return Assessed(version, newest, False, f"unknown version: newest known row used ({newest.since})")
    if not numbers:
        return Assessed(
            version, newest, False, f"{quoted(version)} is not a version: newest known row used ({newest.since})"
        )
    if numbers > version_of(NEWEST_ASSESSED):
        why = f"version {version} is newer than {NEWEST_ASSESSED}, the newest assessed"
        return Assessed(version, newest, False, f"{why}: newest known row used ({newest.since})")
    row = next((row for row in reversed(ROWS) if version_of(row.since) <= numbers), None)
    if row is None:
        oldest = ROWS[0]
        why = f"version {version} is older than {oldest.since}, the oldest assessed"
        return Assessed(version, oldest, False, f"{why}: oldest known row used")
    return Assessed(version, row, True, f"behaves as agents from {row.since} on ({row.sure})")


def row_since(member: str, value: object) -> str:
    """Return the first version from which a member of the rows has a value, for messages that name it.

    Raises:
        LookupError: no row has that value.
    """
    for row in ROWS:
        if getattr(row, member) == value:
            return row.since.removesuffix(".0")
    raise LookupError(f"no row has {member} {value!r}")


def open_vulnerabilities(version: str) -> tuple[tuple[str, str], ...]:
    """Return the known vulnerabilities of a version, each with the first version without it; () for no version."""
    numbers = version_of(version)
    return tuple((name, fixed) for name, fixed in FIXED_IN if numbers and numbers < version_of(fixed))
