"""Notifications to systemd: ready, status and watchdog (sd_notify)."""

from __future__ import annotations

import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MICROSECONDS = 1_000_000
# A busy manager reads late; one that hangs must not stop the monitoring.
_SEND_SECONDS = 2.0


class Notifier:
    """Sends to the socket of NOTIFY_SOCKET; without one it does nothing.

    Attributes:
        watchdog_every: seconds between two WATCHDOG=1; None without a watchdog.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, pid: int | None = None) -> None:
        self._path = environ.get("NOTIFY_SOCKET", "")
        limit, watched = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        is_watched = not watched or watched == str(os.getpid() if pid is None else pid)
        microseconds = int(limit) if is_watched and limit.isascii() and limit.isdigit() else 0
        # Half of the limit, as sd_watchdog_enabled(3) recommends.
        self.watchdog_every = microseconds / _MICROSECONDS / 2 if microseconds else None

    def notify(self, *lines: str) -> None:
        """Send lines such as "READY=1" or "STATUS=...". Best effort: failures are ignored."""
        if not self._path.startswith(("/", "@")):
            return
        # The address of an abstract socket begins with a zero byte.
        address = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
                connection.settimeout(_SEND_SECONDS)
                connection.connect(address)
                connection.send("\n".join(lines).encode("utf-8"))
        except OSError:
            return
