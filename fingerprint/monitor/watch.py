"""Periodic checks of a host, and events for what changed between them."""

from __future__ import annotations

import hashlib
import secrets

from fingerprint.errors import FingerprintError
from fingerprint.monitor.prometheus import exposition, metrics, write_textfile
from fingerprint.monitor.sd_notify import Notifier
from fingerprint.monitor.status import BLOCKED, WILL_HIBERNATE, check_host
from fingerprint.monitor.wake import END, TIME, Waker
from fingerprint.observation import REJECTED
from fingerprint.rules.ssm import in_words
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.machine.base import Machine
    from fingerprint.monitor.status import CheckResult
    from fingerprint.vault import Vault

STARTED, CHANGED, FAILED, RECOVERED = "started", "changed", "failed", "recovered"


class Event(Value):
    """One line of `monitor watch`.

    Attributes:
        at: seconds since 1970-01-01 UTC.
        kind: "started", "changed", "failed" (no verdict any more) or "recovered".
        why: what started the check: "start", "interval", "address-change" or "signal".
        text: the state, for people.
        result: of the check.
        differences: what changed since the previous check, in words.
    """

    at: float
    kind: str
    why: str
    text: str
    result: CheckResult
    differences: tuple[str, ...]


class Watcher:
    """Checks a machine against its vault until a signal ends it.

    Args:
        vault: the vault.
        machine: the machine.
        report: called with each event.
        warn: called with the message of a failure beside the check, such as metrics that cannot be written.
        interval: seconds between checks.
        textfile: the file for the metrics of each check; "" for none.
        timeout: seconds for each command of a collection.
        notifier: sends ready, status and watchdog to systemd.
        output: the descriptor that `report` writes to: a signal also ends the wait for a full pipe.

    Raises:
        RuntimeError: vault or machine keeps what it read; each check must read again.
    """

    def __init__(
        self,
        vault: Vault,
        machine: Machine,
        report: Callable[[Event], None],
        warn: Callable[[str], None],
        *,
        interval: float,
        textfile: str = "",
        timeout: float | None = None,
        notifier: Notifier | None = None,
        output: int | None = None,
    ) -> None:
        vault.require_fresh()
        machine.require_fresh()
        self._vault = vault
        self._machine = machine
        self._report = report
        self._warn = warn
        self._interval = interval
        self._textfile = textfile
        self._timeout = timeout
        self._notifier = notifier or Notifier()
        self._output = output
        # Values are compared by digests with a key of this process, so that no ID stays in memory.
        self._key = secrets.token_bytes(32)
        self._last_warning = ""

    def run(self, checks: int | None = None) -> CheckResult:
        """Check until a signal ends it, and return the last result.

        Args:
            checks: end after this number of checks; None for no limit.
        """
        with Waker() as waker:
            before = result = self._check()
            self._report_when_writable(waker, Event(result.at, STARTED, "start", _state(result), result, ()))
            self._notifier.notify("READY=1", f"STATUS={_state(result)}", "WATCHDOG=1")
            done = 1
            while checks is None or done < checks:
                why = self._wait(waker)
                if why == END:
                    break
                result = self._check()
                done += 1
                event = self._event(before, result, why)
                if event is not None:
                    self._report_when_writable(waker, event)
                self._notifier.notify(f"STATUS={_state(result)}", "WATCHDOG=1")
                before = result
            self._notifier.notify("STOPPING=1")
            return result

    def _report_when_writable(self, waker: Waker, event: Event) -> None:
        if self._output is None or waker.wait_writable(self._output):
            self._report(event)

    def _wait(self, waker: Waker) -> str:
        left = self._interval
        watchdog = self._notifier.watchdog_every
        while True:
            step = left if watchdog is None else min(left, watchdog)
            why = waker.wait(step)
            left -= step
            if why != TIME or left <= 0:
                return why
            self._notifier.notify("WATCHDOG=1")

    def _check(self) -> CheckResult:
        result = check_host(self._vault, self._machine, timeout=self._timeout, also=(BLOCKED,))
        if self._textfile:
            try:
                write_textfile(self._textfile, exposition(metrics(result, self._vault)))
                self._last_warning = ""
            except FingerprintError as error:
                # Reported once: the disk may be full for a day, and the checks go on.
                if str(error) != self._last_warning:
                    self._last_warning = str(error)
                    self._warn(str(error))
        # This result is kept until the next check, and logs are long.
        result.observation.release()
        return result

    def _event(self, before: CheckResult, now: CheckResult, why: str) -> Event | None:
        if now.compared is None:
            same = before.compared is None and str(before.error) == str(now.error)
            return None if same else Event(now.at, FAILED, why, _state(now), now, ())
        if before.compared is None:
            return Event(now.at, RECOVERED, why, _state(now), now, ())
        differences = self._differences(before, now)
        return Event(now.at, CHANGED, why, _state(now), now, differences) if differences else None

    def _differences(self, before: CheckResult, now: CheckResult) -> tuple[str, ...]:
        old, new = before.compared, now.compared
        assert old is not None
        assert new is not None
        lines = []
        if before.outcome != now.outcome or old.verdict.reason != new.verdict.reason:
            lines.append(f"verdict: {before.outcome} ({old.verdict.reason}) -> {now.outcome} ({new.verdict.reason})")
        was, is_now = ({a.name: self._digest(a.value) for a in each.collection} for each in (old, new))
        for name in is_now:
            if was.get(name) != is_now[name]:
                unread, before_unread = (name in each.collection.unreadable for each in (new, old))
                change = "is unreadable" if unread else "is readable again" if before_unread else "changed"
                lines.append(f"{name} {change}")
        if old.record.threshold != new.record.threshold:
            lines.append(f"threshold: {old.record.threshold} -> {new.record.threshold}")
        if self._digest(old.record.fingerprint) != self._digest(new.record.fingerprint):
            lines.append("the fingerprint was replaced")
        elif old.record.hardware_hash != new.record.hardware_hash:
            lines.append("the hardware hash of the record was replaced")
        if before.conditions != now.conditions:
            begun = [name for name in now.conditions if name not in before.conditions]
            ended = [name for name in before.conditions if name not in now.conditions]
            lines += [f"{name} begins" for name in begun] + [f"{name} ends" for name in ended]
        if WILL_HIBERNATE in now.conditions and before.forecast and now.forecast:
            was_then, is_then = before.forecast.check, now.forecast.check
            if (was_then.trigger, was_then.started) != (is_then.trigger, is_then.started):
                lines.append(f"next check of the agent: {was_then.trigger} -> {is_then.trigger}")
        return tuple(lines)

    def _digest(self, value: str) -> bytes:
        return hashlib.blake2b(value.encode("utf-8", "surrogateescape"), key=self._key, digest_size=16).digest()


def _state(result: CheckResult) -> str:
    """Return what a check found, in one line."""
    if result.compared is None:
        lost = "".join(f"{problem.text}; " for problem in result.observation.problems)
        return f"{lost}unknown: {result.error.what if result.error else ''}"
    verdict = result.compared.verdict
    head = {"same": "same machine", "different": "not the same machine", "cannot-tell": "unknown"}[result.outcome]
    text = f"{head}: {in_words(verdict)}"
    parts = []
    for problem in result.observation.problems:
        if problem.kind == REJECTED:
            when = result.forecast.check.when if result.forecast else "at its next check: when it next requests a token"
            parts.append(f"the agent stores a new fingerprint {when}, and the service rejects it")
        else:
            parts.append(problem.text)
    if result.observation.state.uncertain:
        parts.append(f"unknown whether the fingerprint was replaced: {result.observation.state.uncertain}")
    return "; ".join((text, *parts))
