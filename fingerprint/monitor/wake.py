"""Waits that end by time, by a signal, or when an address of this host changes (Linux)."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType, TracebackType
    from typing import Any

# linux/rtnetlink.h: links, IPv4 and IPv6 addresses.
_GROUPS = 0x1 | 0x10 | 0x100
_NETLINK_ROUTE = 0
_RECEIVE_BYTES = 65536
# The kernel sends several messages for one change; a flapping interface must not cause a check for each.
_SETTLE_SECONDS = 1.0
_SETTLE_AT_MOST = 5.0
TIME, CHANGE, HANGUP, END = "interval", "address-change", "signal", "end"


class Waker:
    """Waits for time, signals and changed addresses. A context manager for the main thread.

    Args:
        signals: names of the signals that end a wait; others keep their handlers.
        addresses: whether to wake when an address of this host changes.

    Attributes:
        watches_addresses: whether a changed address ends a wait; only on Linux.
    """

    def __init__(self, signals: Sequence[str] = ("SIGTERM", "SIGINT", "SIGHUP"), *, addresses: bool = True) -> None:
        self.watches_addresses = False
        self._names = signals
        self._wants_addresses = addresses
        self._addresses: socket.socket | None = None
        self._before: dict[int, Any] = {}
        # The interpreter writes the number of each signal into this pipe at once. A handler in Python would run only
        # after `select` if the signal comes just before it. Windows cannot wait for a pipe and uses the list.
        self._pipe: tuple[int, int] | None = None
        self._wakeup_before = -1
        self._noted: list[int] = []
        # Signals that came in `wait_writable`.
        self._pending: list[int] = []

    def __enter__(self) -> Waker:
        self._addresses = _address_socket() if self._wants_addresses else None
        self.watches_addresses = self._addresses is not None
        if sys.platform != "win32":
            self._pipe = os.pipe()
            for end in self._pipe:
                os.set_blocking(end, False)
            # A full pipe holds so many signals that one more changes nothing.
            self._wakeup_before = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        for number in (getattr(signal, name) for name in self._names if hasattr(signal, name)):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._pipe is not None:
            signal.set_wakeup_fd(self._wakeup_before)
            for end in self._pipe:
                os.close(end)
        if self._addresses is not None:
            self._addresses.close()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._pipe is None:
            self._noted.append(number)

    def wait(self, seconds: float) -> str:
        """Wait, and return what ended the wait: TIME, CHANGE, HANGUP or END.

        Args:
            seconds: the longest wait.
        """
        until = monotonic() + seconds
        while True:
            ready: Sequence[Any] = () if self._pending else self._select(until - monotonic())
            signals = [*self._pending, *self._signals(ready)]
            self._pending = []
            if _end_in(signals):
                return END
            if signals:
                return HANGUP
            if self._addresses is not None and self._addresses in ready:
                self._settle()
                return CHANGE
            if monotonic() >= until:
                return TIME

    def wait_writable(self, descriptor: int) -> bool:
        """Wait until a descriptor accepts data; a pipe without a reader may never do.

        Returns:
            False if SIGTERM or SIGINT came first; the next `wait` returns END, too.
        """
        while self._pipe is not None:
            ended = _end_in(self._pending)
            ready, writable, _ = select.select([self._pipe[0]], [descriptor], [], 0 if ended else None)
            self._pending += self._signals(ready)
            if writable:
                break
            if ended:
                return False
        return True

    def _signals(self, ready: Sequence[Any]) -> Sequence[int]:
        """Return the numbers of the signals that came."""
        if self._pipe is not None:
            return os.read(self._pipe[0], 4096) if self._pipe[0] in ready else b""
        noted, self._noted = self._noted, []
        return noted

    def _settle(self) -> None:
        """Read all messages of one change."""
        assert self._addresses is not None
        latest = monotonic() + _SETTLE_AT_MOST
        while monotonic() < latest:
            try:
                self._addresses.recv(_RECEIVE_BYTES)
            except OSError:
                # Lost messages do not matter: this change causes a check.
                pass
            ready = self._select(min(_SETTLE_SECONDS, max(0.0, latest - monotonic())))
            if self._addresses not in ready:
                return

    def _select(self, seconds: float) -> Sequence[Any]:
        watched: list[Any] = [] if self._pipe is None else [self._pipe[0]]
        if self._addresses is not None:
            watched.append(self._addresses)
        if not watched:
            # Windows waits for sockets only, and a signal may come before the sleep: so the sleep is short.
            from time import sleep

            sleep(max(0.0, min(seconds, 1.0)))
            return ()
        return select.select(watched, (), (), max(0.0, seconds))[0]


def _end_in(signals: Sequence[int]) -> bool:
    return signal.SIGTERM in signals or signal.SIGINT in signals


def _address_socket() -> socket.socket | None:
    """Return a socket that receives changes of addresses; None where that is impossible or forbidden."""
    if sys.platform != "linux":
        return None
    try:
        found = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_ROUTE)
    except OSError:
        return None
    try:
        found.bind((0, _GROUPS))
        found.setblocking(False)
    except OSError:
        found.close()
        return None
    return found
