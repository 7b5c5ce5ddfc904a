"""Signals that end a command as Ctrl-C does."""

from __future__ import annotations

import signal


def end_by_every_signal() -> None:
    """Let a stop or a lost connection end this command as Ctrl-C does, so that no unfinished file is left.

    One that is ignored, as `nohup` has it, stays so.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def ignore_signals() -> None:
    """Let nothing interrupt what is still to be told."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_IGN)
