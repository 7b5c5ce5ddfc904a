"""Renew credentials while a process runs: at half of their life, and after errors with the pauses of the agent."""

from __future__ import annotations

from fingerprint.agent.retry_schedule import LIMIT_SPREAD, MOST_DOUBLINGS
from fingerprint.agent.versions import ROWS
from fingerprint.credentials.cache import SHORTEST_PAUSE_SECONDS
from fingerprint.errors import (
    AccessDenied,
    BadAnswer,
    FingerprintError,
    OutputError,
    ServiceError,
    ServiceMismatch,
    Unreachable,
    UsageError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger
    from random import Random

    from fingerprint.credentials.cache import CredentialCache
    from fingerprint.registration.role_token import RoleCredentials

# Only an operator can fix these, so the pauses are long.
_HARD = (AccessDenied, ServiceMismatch)
# As the newest agents wait.
_HARD_SECONDS, _HARD_END = ROWS[-1].hard_pause
_MOST_SECONDS = ROWS[-1].longest_pause or _HARD_END
# A tenth of a pause, so that nodes that started together do not send requests together.
_SPREAD = 0.1
_SPREAD_SECONDS = 60.0


def pause_after(error: FingerprintError, failures: int, random: Random, longest: int | None = None) -> float:
    """Return the seconds to wait after an error, as the newest agents wait.

    Args:
        error: what happened.
        failures: how many failures came before it, without a success between.
        random: spreads the nodes of a fleet.
        longest: of the pauses that double, seconds; None for the agent's own.
    """
    if isinstance(error, _HARD):
        return float(random.randrange(_HARD_SECONDS, _HARD_END))
    doubled = 2 ** min(failures, MOST_DOUBLINGS)
    pause = doubled + random.randrange(-(-doubled // 5))
    if isinstance(error, ServiceError):
        pause += 10 + random.randrange(10)
    most = _MOST_SECONDS if longest is None else longest
    if pause > most:
        pause = most - random.randrange(min(LIMIT_SPREAD, most))
    return float(pause)


class Refresher:
    """Keeps credentials fresh until `wait` says to stop.

    Args:
        cache: the source of the credentials.
        use: called with new credentials, for example to write them into a file.
        wait: waits so many seconds and returns whether to stop; `threading.Event.wait` is one.
        now: seconds since 1970-01-01 UTC.
        random: spreads pauses.
        longest_pause: see `pause_after`.
    """

    def __init__(
        self,
        cache: CredentialCache,
        use: Callable[[RoleCredentials], None],
        wait: Callable[[float], bool],
        now: Callable[[], float],
        random: Random,
        longest_pause: int | None = None,
    ) -> None:
        self._cache = cache
        self._use = use
        self._wait = wait
        self._now = now
        self._random = random
        self._longest_pause = longest_pause

    def run(self) -> None:
        """Run until `wait` says to stop. Errors are logged with the next step; other than these they do not end it.

        Raises:
            UsageError, OutputError: from `use`; a retry cannot succeed.
        """
        failures = 0
        used = False
        while True:
            try:
                credentials = self._cache.fresh() or self._cache.renew()
                self._use(credentials)
                used = True
                self._require_life(credentials)
                pause = self._until_renewal()
                _log().info("the next request for credentials is in %d minutes", pause // 60)
                failures = 0
            except (UsageError, OutputError):
                # Of output: its reader is gone, or the disk is full. Another token helps neither.
                raise
            except FingerprintError as error:
                pause = pause_after(error, failures, self._random, self._longest_pause)
                _log().error("%s; retrying in %d s", error, pause)
                failures += 1
                if isinstance(error, Unreachable) and not used:
                    used = self._bridge()
            if self._wait(pause):
                return

    def _until_renewal(self) -> float:
        pause = max(self._cache.refresh_at() - self._now(), SHORTEST_PAUSE_SECONDS)
        return pause + self._random.uniform(0.0, min(pause * _SPREAD, _SPREAD_SECONDS))

    def _require_life(self, credentials: RoleCredentials) -> None:
        """Raise BadAnswer for credentials that are about to expire: an immediate retry would not help."""
        left = credentials.expires_at - self._now()
        if left <= SHORTEST_PAUSE_SECONDS:
            raise BadAnswer(
                f"the credentials from the service expire in {left:.0f} s",
                remedy="Compare the clock of this host with the time: date -u",
            )

    def _bridge(self) -> bool:
        """Use kept credentials while the service is unreachable; return whether there were any."""
        kept = self._cache.lasting()
        if kept is None:
            return False
        try:
            self._use(kept)
        except FingerprintError as error:
            _log().error("%s", error)
            return False
        return True


def _log() -> Logger:
    from logging import getLogger

    return getLogger("fingerprint.credentials")
