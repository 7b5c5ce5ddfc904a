"""`fingerprint guard`: renew the record before the agent starts, and detect a copy."""

from __future__ import annotations

from fingerprint._io.times import utc
from fingerprint.answers.guard import guard_answer
from fingerprint.cli.conclusion import print_conclusion
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import print_json, warn, write_data
from fingerprint.errors import EXIT_DIFFERS, EXIT_OK
from fingerprint.guard import BLOCKED, Decision, GuardRun, finish, run_guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from fingerprint.cli.parser import Arguments

    _T = TypeVar("_T")

# The state, and its color.
_HEADS = {
    Decision.UNCHANGED: ("Same machine, unchanged: the agent may start", "good"),
    Decision.ACCEPTED: ("The agent accepts this host: it may start", "good"),
    Decision.REFRESHED: ("Same machine, and its record is up to date: the agent may start", "good"),
    Decision.KEPT: ("Same machine, and its record is renewed: the agent may start", "good"),
    Decision.COPY: ("Another machine with this fingerprint", "bad"),
    Decision.REJECTED: ("The agent rejects this host, which is not certainly the same machine", "bad"),
    Decision.UNKNOWN: ("Not known whether it is the same machine: the agent may start", "doubt"),
}
# It is raised again: code on the way may swallow the first.
_AGAIN_SECONDS = 0.5
# Beyond the time limit, to keep the record; the drop-in stops the command 10 s after it.
_FINISH_SECONDS = 5.0


class _TimeUp(BaseException):
    """The time limit is over; no error that is handled on the way."""


def run(arguments: Arguments) -> int:
    vault = vault_of(arguments)

    def compare() -> GuardRun:
        return run_guard(
            vault, machine_of(arguments), refresh=arguments.refresh, block=arguments.on_mismatch == "block",
            dry_run=arguments.dry_run, timeout=arguments.timeout,
        )  # fmt: skip

    found: GuardRun
    try:
        found = _within(arguments.limit, compare)
    except _TimeUp:
        why = f"the comparison took longer than {arguments.limit:g} s"
        found = GuardRun(
            utc(vault.now()), Decision.UNKNOWN, False, why, "See what is slow", "fingerprint check", False,
            arguments.dry_run,
        )  # fmt: skip
        try:
            _within(_FINISH_SECONDS, lambda: finish(vault, found))
        except _TimeUp:
            # The agent starts; the vault is as slow as the machine.
            pass
    if found.decision == Decision.UNKNOWN:
        warn(f"not known whether this is the machine of the record: {found.why}")
    if arguments.output == "json":
        print_json("guard", guard_answer(vault.path, found))
    else:
        _print(found, arguments)
    return EXIT_DIFFERS if found.blocks else EXIT_OK


def _print(found: GuardRun, arguments: Arguments) -> None:
    text, color = _HEADS[found.decision]
    if found.decision in (Decision.COPY, Decision.REJECTED):
        text += ": its agent must not start" if found.blocks else ": its agent may start"
    if found.dry_run and found.written:
        text += " (dry run: nothing was written)"
    steps = [(found.remedy, found.command)] if found.remedy else []
    print_conclusion((text, color), found.why, steps, arguments)
    if found.blocks:
        # For the condition of the agent's unit, which blocks its start only with this line.
        write_data(BLOCKED)


def _within(seconds: float, action: Callable[[], _T]) -> _T:
    """Return the result of an action. Raises _TimeUp after a time, where the system has an alarm for it."""
    # The module `signal` imports enum, which takes a tenth of a complete check; this is what it wraps.
    signal = __import__("_signal")
    if not hasattr(signal, "setitimer"):
        return action()

    def stop(*_: object) -> None:
        raise _TimeUp

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
        return action()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
