"""Signals that end a command as Ctrl-C does."""

from __future__ import annotations

import signal
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

# In this time what is open is cleared up. A later signal interrupts again: the first one may have been lost.
_CLEARING_SECONDS = 1.0
_interrupted_at: float | None = None


def end_by_every_signal() -> None:
    """Let Ctrl-C, a stop or a lost connection end this command, so that no unfinished file is left.

    Several at once, as a service manager sends them, count as one. One that is ignored, as `nohup` has it, stays so.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def was_interrupted() -> bool:
    """Return whether a signal came; a library may have made another error of it."""
    return _interrupted_at is not None


def ignore_signals() -> None:
    """Let nothing interrupt what is still to be printed."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _interrupted_at
    now = monotonic()
    if _interrupted_at is None or now - _interrupted_at > _CLEARING_SECONDS:
        _interrupted_at = now
        raise KeyboardInterrupt
