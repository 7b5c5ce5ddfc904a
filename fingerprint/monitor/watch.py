"""Looking again and again, and telling what changed."""

from __future__ import annotations

import hashlib
import secrets

from fingerprint._io.times import utc
from fingerprint.errors import FingerprintError
from fingerprint.monitor.prometheus import exposition, metrics, write_textfile
from fingerprint.monitor.sd_notify import Notifier
from fingerprint.monitor.status import WILL_HIBERNATE, look
from fingerprint.monitor.wake import END, TIME, Waker
from fingerprint.observation import REJECTED
from fingerprint.rules.ssm import in_words
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.machine.base import Machine
    from fingerprint.monitor.status import Look
    from fingerprint.vault import Vault

STARTED, CHANGED, FAILED, RECOVERED = "started", "changed", "failed", "recovered"


class Event(Value):
    """Something worth a line.

    Attributes:
        at: seconds since 1970-01-01 UTC.
        kind: "started", "changed", "failed" (no verdict any more) or "recovered".
        why: what made it look: "start", "interval", "address-change" or "signal".
        text: what is told, for people.
        seen: the look.
        differences: what changed since the look before, in words.
    """

    at: float
    kind: str
    why: str
    text: str
    seen: Look
    differences: tuple[str, ...]


class Watcher:
    """Looks at a machine and its vault until it is ended.

    Args:
        vault: the vault.
        machine: the machine.
        tell: called with each event.
        complain: called with what goes wrong beside the look, such as metrics that cannot be written.
        interval: seconds between looks.
        textfile: file to write metrics into at each look, "" for none.
        timeout: seconds for each command of a collection.
        notifier: whom to tell that it is ready and lives.
        output: the descriptor to which `tell` writes: while it takes nothing, a signal ends this all the same.

    Raises:
        RuntimeError: vault or machine keeps what it read, and each look reads anew.
    """

    def __init__(
        self,
        vault: Vault,
        machine: Machine,
        tell: Callable[[Event], None],
        complain: Callable[[str], None],
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
        self._tell = tell
        self._complain = complain
        self._interval = interval
        self._textfile = textfile
        self._timeout = timeout
        self._notifier = notifier or Notifier()
        self._output = output
        # Values are compared by digests of a key of this process, so that no id is kept in memory or told.
        self._key = secrets.token_bytes(32)
        self._complained = ""

    def run(self, checks: int | None = None) -> Look:
        """Look until a signal ends it, and return the last look.

        Args:
            checks: end after so many looks; None for never.
        """
        with Waker() as waker:
            before = seen = self._look()
            self._tell_when_it_can(waker, Event(seen.at, STARTED, "start", _state(seen), seen, ()))
            self._notifier.tell("READY=1", f"STATUS={_state(seen)}", "WATCHDOG=1")
            done = 1
            while checks is None or done < checks:
                why = self._wait(waker)
                if why == END:
                    break
                seen = self._look()
                done += 1
                event = self._event(before, seen, why)
                if event is not None:
                    self._tell_when_it_can(waker, event)
                self._notifier.tell(f"STATUS={_state(seen)}", "WATCHDOG=1")
                before = seen
            self._notifier.tell("STOPPING=1")
            return seen

    def _tell_when_it_can(self, waker: Waker, event: Event) -> None:
        if self._output is None or waker.wait_for_place(self._output):
            self._tell(event)

    def _wait(self, waker: Waker) -> str:
        left = self._interval
        alive = self._notifier.alive_every
        while True:
            step = left if alive is None else min(left, alive)
            why = waker.wait(step)
            left -= step
            if why != TIME or left <= 0:
                return why
            self._notifier.tell("WATCHDOG=1")

    def _look(self) -> Look:
        seen = look(self._vault, self._machine, timeout=self._timeout)
        if self._textfile:
            try:
                write_textfile(self._textfile, exposition(metrics(seen, self._vault)))
                self._complained = ""
            except FingerprintError as error:
                # Told once: the disk may be full for a day, and watching goes on.
                if str(error) != self._complained:
                    self._complained = str(error)
                    self._complain(str(error))
        # The look before is kept until the next one, and logs are long.
        seen.observation.release()
        return seen

    def _event(self, before: Look, now: Look, why: str) -> Event | None:
        if now.compared is None:
            same = before.compared is None and str(before.error) == str(now.error)
            return None if same else Event(now.at, FAILED, why, _state(now), now, ())
        if before.compared is None:
            return Event(now.at, RECOVERED, why, _state(now), now, ())
        differences = self._differences(before, now)
        return Event(now.at, CHANGED, why, _state(now), now, differences) if differences else None

    def _differences(self, before: Look, now: Look) -> tuple[str, ...]:
        old, new = before.compared, now.compared
        assert old is not None
        assert new is not None
        told = []
        if before.outcome != now.outcome or old.verdict.reason != new.verdict.reason:
            told.append(f"verdict: {before.outcome} ({old.verdict.reason}) -> {now.outcome} ({new.verdict.reason})")
        was, is_now = ({a.name: self._digest(a.value) for a in look.collection} for look in (old, new))
        for name in is_now:
            if was.get(name) != is_now[name]:
                unread, before_unread = (name in look.collection.unreadable for look in (new, old))
                word = "cannot be read" if unread else "can be read again" if before_unread else "changed"
                told.append(f"{name} {word}")
        if old.record.threshold != new.record.threshold:
            told.append(f"threshold: {old.record.threshold} -> {new.record.threshold}")
        if self._digest(old.record.fingerprint) != self._digest(new.record.fingerprint):
            told.append("the fingerprint was replaced")
        elif old.record.hardware_hash != new.record.hardware_hash:
            told.append("the hardware hash of the record was replaced")
        if before.conditions != now.conditions:
            begun = [name for name in now.conditions if name not in before.conditions]
            ended = [name for name in before.conditions if name not in now.conditions]
            told += [f"{name} begins" for name in begun] + [f"{name} ends" for name in ended]
        if WILL_HIBERNATE in now.conditions and before.forecast and now.forecast:
            was_then, is_then = before.forecast.check, now.forecast.check
            if (was_then.trigger, was_then.started) != (is_then.trigger, is_then.started):
                told.append(f"next check of the agent: {was_then.trigger} -> {is_then.trigger}")
        return tuple(told)

    def _digest(self, value: str) -> bytes:
        return hashlib.blake2b(value.encode("utf-8", "surrogateescape"), key=self._key, digest_size=16).digest()


def _state(seen: Look) -> str:
    """Return what a look found, in one line."""
    if seen.compared is None:
        lost = "".join(f"{problem.text}; " for problem in seen.observation.problems)
        return f"{lost}cannot tell: {seen.error.what if seen.error else ''}"
    verdict = seen.compared.verdict
    head = {"same": "same machine", "different": "not the same machine", "cannot-tell": "cannot tell"}[seen.outcome]
    text = f"{head}: {in_words(verdict)}"
    told = []
    for problem in seen.observation.problems:
        if problem.kind == REJECTED:
            when = seen.forecast.check.when if seen.forecast else "at its next check: when it next requests a token"
            told.append(f"the agent stores a new fingerprint {when}, and the service rejects it")
        else:
            told.append(problem.text)
    if seen.observation.state.uncertain:
        told.append(f"whether the fingerprint was replaced cannot be told: {seen.observation.state.uncertain}")
    return "; ".join((text, *told))


def _forecast_answer(seen: Look) -> dict[str, object] | None:
    if seen.forecast is None:
        return None
    from fingerprint.agent.next_check import answer

    return {"refused": seen.forecast.refused, **answer(seen.forecast.check)}


def event_answer(event: Event) -> dict[str, object]:
    """Return an event as JSON has it; no ids and no values are in it."""
    verdict = event.seen.compared.verdict if event.seen.compared else None
    return {
        "at": utc(event.at), "event": event.kind, "why": event.why, "text": event.text,
        "verdict": event.seen.outcome, "status": event.seen.observation.level,
        "reason": None if verdict is None else str(verdict.reason),
        "score": None if verdict is None else {
            "matched": verdict.matched, "total": verdict.total, "percent": round(verdict.percent, 4),
        },
        "threshold": None if verdict is None else verdict.threshold, "changed": list(event.seen.changed),
        "conditions": list(event.seen.conditions), "regenerated": event.seen.regenerated,
        "forecast": _forecast_answer(event.seen),
        "differences": list(event.differences), "error": event.seen.error.facts() if event.seen.error else None,
    }  # fmt: skip
