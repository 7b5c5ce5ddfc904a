"""Telling the service manager of systemd how this service is (sd_notify), and that it lives."""

from __future__ import annotations

import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_MICROSECONDS = 1_000_000
# A manager that is busy reads late; one that hangs must not stop the watching.
_SEND_SECONDS = 2.0


class Notifier:
    """Speaks to the socket that the environment names; without one it says nothing.

    Attributes:
        alive_every: seconds within which `alive` must be told again and again; None if nobody waits for it.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ, pid: int | None = None) -> None:
        self._path = environ.get("NOTIFY_SOCKET", "")
        wanted, of = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        mine = not of or of == str(os.getpid() if pid is None else pid)
        allowed = int(wanted) if mine and wanted.isascii() and wanted.isdigit() else 0
        # Half of what is allowed, as sd_watchdog_enabled(3) advises.
        self.alive_every = allowed / _MICROSECONDS / 2 if allowed else None

    def tell(self, *lines: str) -> None:
        """Send lines such as "READY=1" or "STATUS=..."; a manager that does not listen is no reason to end."""
        if not self._path.startswith(("/", "@")):
            return
        # A socket without a file has a zero byte in front.
        address = "\0" + self._path[1:] if self._path.startswith("@") else self._path
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
                connection.settimeout(_SEND_SECONDS)
                connection.connect(address)
                connection.send("\n".join(lines).encode("utf-8"))
        except OSError:
            return
