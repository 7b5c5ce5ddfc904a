"""Credentials for as long as a process runs: new ones at half of their life, pauses after errors as the agent's."""

from __future__ import annotations

from fingerprint.errors import AccessDenied, FingerprintError, OutputError, ServiceError, ServiceMismatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger
    from random import Random

    from fingerprint.credentials.cache import CredentialCache
    from fingerprint.service.tokens import RoleCredentials

# What only a person can mend is asked for rarely.
_HARD = (AccessDenied, ServiceMismatch)
_HARD_SECONDS = 25 * 60
_HARD_SPREAD = 300
_MOST_SECONDS = 1800
_MOST_SPREAD = 300
_MOST_DOUBLINGS = 16


def pause_after(error: FingerprintError, failures: int, random: Random) -> float:
    """Return the seconds to wait after an error, as the agent from 3.3.808.0 waits.

    Args:
        error: what happened.
        failures: how many failures came before it, without a success between.
        random: spreads the nodes of a fleet.
    """
    if isinstance(error, _HARD):
        return float(_HARD_SECONDS + random.randrange(_HARD_SPREAD))
    doubled = 2 ** min(failures, _MOST_DOUBLINGS)
    pause = doubled + random.randrange(-(-doubled // 5))
    if isinstance(error, ServiceError):
        pause += 10 + random.randrange(10)
    if pause > _MOST_SECONDS:
        pause = _MOST_SECONDS - random.randrange(_MOST_SPREAD)
    return float(pause)


class Refresher:
    """Keeps credentials fresh until it is told to stop.

    Args:
        cache: where they come from.
        use: is given new credentials, such as to write them into a file.
        wait: waits so many seconds and returns whether to stop; `threading.Event.wait` is one.
        now: seconds since 1970-01-01 UTC.
        random: spreads pauses after errors.
    """

    def __init__(
        self,
        cache: CredentialCache,
        use: Callable[[RoleCredentials], None],
        wait: Callable[[float], bool],
        now: Callable[[], float],
        random: Random,
    ) -> None:
        self._cache = cache
        self._use = use
        self._wait = wait
        self._now = now
        self._random = random

    def run(self) -> None:
        """Go on until `wait` says to stop. Errors are logged with what is done next, and never end it."""
        failures = 0
        while True:
            try:
                credentials = self._cache.get()
                self._use(credentials)
                # At least a second: a clock that is wrong by the life of a token must not make a storm.
                pause = max(self._cache.refresh_at() - self._now(), 1.0)
                _log().info("the next credentials are asked for in %d minutes", pause // 60)
                failures = 0
            except OutputError:
                # Who reads what is told is gone, or there is no room for it: another token does not help.
                raise
            except FingerprintError as error:
                pause = pause_after(error, failures, self._random)
                _log().error("%s; trying again in %d s", error, pause)
                failures += 1
            if self._wait(pause):
                return


def _log() -> Logger:
    from logging import getLogger

    return getLogger("fingerprint.credentials")
