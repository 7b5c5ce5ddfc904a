"""What an error of the agent means: its cause in plain words, and the remedy of that cause.

`cause_of` takes an error as the agent logs it, of AWS SDK for Go 1 or 2, in other words or not, with its lines "caused
by:" or without them. The table has a row for each cause, in the order in which they are tried; `diagnose` and `diagnose
logs` take their words and steps from it, and docs/diagnose.md has it as a table.
"""

from __future__ import annotations

import re
from functools import cache

from fingerprint.agent.logs.error_causes import host, network, service
from fingerprint.agent.logs.error_causes.details import details_on, filled, values_of, worded, words_of
from fingerprint.agent.logs.error_causes.row import BUNDLE, RESTART, Row, Step
from fingerprint.agent.logs.sdk_errors import sdk_error
from fingerprint.agent.paths import paths_of
from fingerprint.types import Value

UNKNOWN = Row(name="unknown", why="", steps=(Step("Fix what the error names"), RESTART, BUNDLE))
# The first row that matches counts: an error of the disk may follow one of the credentials, and an answer of the
# service may be quoted in no other one.
ROWS: tuple[Row, ...] = (
    *host.RESOURCES, *host.SECURITY, *host.STARTING, *service.CLOCK, *service.REGISTRATION, *service.REQUEST,
    *service.RIGHTS, *host.UNREGISTERED, *service.METADATA, *service.FAULT, *network.PROXY, *network.ANSWER,
    *network.NAME, *network.CERTIFICATE, *network.CONNECTION[:-1], *host.CREDENTIALS, *host.VAULT,
    network.CONNECTION[-1],
)  # fmt: skip
_SYSTEMS = {"linux": "Linux", "macos": "macOS", "windows": "Windows"}
# What the agent says before an error of a health report that it made to try its credentials.
_REPORTING = "failed to report to ssm"


class ErrorCause(Value):
    """The cause of an error.

    Attributes:
        name: of the row; "unknown" if none matches.
        why: the words after "because", without the error.
        words: the part of the error that names the cause, in one line; "" without an error.
        network: whether the way to the service is the cause.
        worker: whether it is an error of a health ping.
        row: of the table.
        values: the details that the error names.
    """

    name: str
    why: str
    words: str
    network: bool
    worker: bool
    row: Row
    values: tuple[tuple[str, str], ...] = ()

    @property
    def known(self) -> bool:
        """Whether the table has the cause."""
        return self.row is not UNKNOWN

    @property
    def sentence(self) -> str:
        """The words after "because", with the error as evidence."""
        failing = "its health pings fail" if self.worker else "it gets no credentials"
        if not self.known:
            return f"{failing}: {self.words or 'the error is not in the logs'}"
        why = f"{failing}, as {self.why}" if self.worker and not self.row.complete else self.why
        return f"{why}: {self.words}" if self.words else why

    def steps(self, system: str, *, unit: str = "", restart: str = "") -> list[tuple[str, str]]:
        """Return the remedy as (text, command), a command "" for none.

        Args:
            system: as `Machine.platform` names it.
            unit: the agent's systemd unit; "" for that of the package.
            restart: the command that restarts the agent; "" for the usual one of the system.
        """
        values = details_on(system, unit, restart, dict(self.values))
        return [(worded(step.text, values), filled(step.on(system), values)) for step in steps_of(self.row)]

    def lines(self, system: str = "") -> tuple[str, ...]:
        """Return the remedy as lines that hold the commands; those for Linux and for Windows if `system` is ""."""
        found = []
        for step in steps_of(self.row):
            text = worded(step.text, details_on(system, "", "", dict(self.values)))
            commands = []
            for one in (system,) if system else ("linux", "windows"):
                command = filled(step.on(one), details_on(one, "", "", dict(self.values)))
                differs = not system and step.on("linux") != step.on("windows")
                commands += [f"on {_SYSTEMS[one]}: `{command}`" if differs else f"`{command}`"] if command else []
            # The state's words say how to restart already.
            shown = "; ".join(dict.fromkeys(commands)) if step is not RESTART else ""
            found.append(f"{text} ({shown})" if shown else text)
        return tuple(found)


def cause_of(error: str, *, worker: bool = False) -> ErrorCause:
    """Return the cause of an error.

    Args:
        error: as logged, with its further lines; "" if the log does not have it.
        worker: whether a worker's health ping failed; else the agent requested credentials or started.
    """
    parsed, lowered = sdk_error(error), error.lower()
    values = values_of(error)
    operation = values.get("action", "").partition(":")[2] or parsed.operation
    if _REPORTING in lowered or (worker and not operation):
        operation = service.HEALTH
    row = next((row for row in ROWS if _matches(row, error, lowered, parsed.code, operation)), UNKNOWN)
    return ErrorCause(
        row.name, worded(row.why, values), words_of(error, parsed.code), row.network, worker, row,
        tuple(values.items()),
    )  # fmt: skip


def steps_of(row: Row) -> tuple[Step, ...]:
    """Return the steps of a row, with the restart that it requires."""
    return (*row.steps, RESTART) if row.restart and RESTART not in row.steps else row.steps


def system_of(text: str) -> str:
    """Return the system whose paths a log has, "windows", "macos" or "linux"; "" if it has none of them."""
    if re.search(r"\b[A-Za-z]:\\", text):
        return "windows"
    macos = paths_of("macos")
    if macos.data in text or macos.config in text or f"{macos.home}/" in text:
        return "macos"
    return "linux" if re.search(r"(?<![\w.])/(?:etc|usr|root|snap|proc|run|var)/", text) else ""


def _matches(row: Row, error: str, lowered: str, code: str, operation: str) -> bool:
    said = code in row.codes or any(part in lowered for part in row.says)
    if not said and row.pattern:
        said = _compiled(row.pattern).search(error) is not None
    return (
        said
        and (not row.needs or any(part in lowered for part in row.needs))
        and not any(part in lowered for part in row.unless)
        and row.operation in ("", operation)
    )


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
