"""Record everything about a machine that an explanation may need: both schemes, and when it was started."""

from __future__ import annotations

from fingerprint.collectors import STABLE, collect
from fingerprint.collectors.facts import facts
from fingerprint.machine.recorder import Recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine
    from fingerprint.types import Collection

UPTIME = "/proc/uptime"


def record_machine(
    machine: Machine, timeout: float | None = None, *, with_facts: bool = False
) -> tuple[Collection, Recorder]:
    """Collect a machine by scheme `ssm`, and record it with everything else.

    Args:
        machine: the machine.
        timeout: seconds for each command.
        with_facts: also record the facts for people, and on Windows the other hash recipes; an explanation on the
            machine itself does not need them.

    Raises:
        CollectError: as `collect`.
    """
    recorder = machine if isinstance(machine, Recorder) else Recorder(machine)
    collection = collect(recorder, timeout=timeout)
    record_rest(recorder, timeout)
    if with_facts:
        facts(recorder)
        if machine.platform == "windows":
            from fingerprint.collectors.ssm_windows import ask_all

            ask_all(recorder, machine.timeout if timeout is None else timeout)
    return collection, recorder


def record_rest(recorder: Recorder, timeout: float | None = None) -> None:
    """Record what scheme `ssm` does not read; an unreadable source is recorded with its error."""
    collect(recorder, scheme=STABLE, timeout=timeout)
    try:
        recorder.read_file(UPTIME)
    except OSError:
        # Not Linux, or a copied disk; the recorder has the error.
        return


def booted_at(machine: Machine) -> float | None:
    """Return when a machine was started, in seconds since 1970-01-01 UTC; None if unknown."""
    try:
        uptime = float(machine.read_file(UPTIME).split()[0])
        # False for NaN, and for a clock that was not set.
        return machine.now() - uptime if 0 <= uptime <= machine.now() else None
    except (OSError, ValueError, IndexError):
        return None
