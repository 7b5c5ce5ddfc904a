"""One check of a host: the verdict, what changed, and the conditions of monitoring that hold."""

from __future__ import annotations

from fingerprint.errors import VaultError
from fingerprint.observation import UNKNOWN, Observation
from fingerprint.types import Reason, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection as Names

    from fingerprint.agent.forecast import Forecast
    from fingerprint.errors import FingerprintError
    from fingerprint.guard import GuardRun
    from fingerprint.machine.base import Machine
    from fingerprint.observation import Comparison
    from fingerprint.types import Verdict
    from fingerprint.vault import Vault

ANY_DRIFT = "any-drift"
IP_ALONE = "ip-alone"
VACUOUS = "vacuous"
WEAK_ID = "weak-id"
COPY = "copy"
WILL_HIBERNATE = "will-hibernate"
BLOCKED = "blocked"
NEVER = "never"
_HALF = 50
CONDITIONS = (ANY_DRIFT, IP_ALONE, VACUOUS, WEAK_ID, COPY, WILL_HIBERNATE, BLOCKED, NEVER)


class CheckResult(Value):
    """The result of one check.

    Attributes:
        at: when, seconds since 1970-01-01 UTC.
        seconds: how long the check took.
        observation: the machine and its vault.
        conditions: those that hold.
        forecast: what the agent will do and when; None for an unchanged machine and where no agent can run.
        blocked: the run of the guard that keeps the agent from starting; None if none does, or it was not asked for.
    """

    at: float
    seconds: float
    observation: Observation
    conditions: tuple[str, ...]
    forecast: Forecast | None = None
    blocked: GuardRun | None = None

    @property
    def compared(self) -> Comparison | None:
        """Record, collection and verdict; None without a comparison, see `error`."""
        return self.observation.comparison

    @property
    def error(self) -> FingerprintError | None:
        """Why there is no comparison; None if there is one."""
        return self.observation.error

    @property
    def outcome(self) -> str:
        """Whether the machine matches the record: "same", "different" or "cannot-tell"."""
        return "cannot-tell" if self.observation.level == UNKNOWN else self.observation.outcome

    @property
    def regenerated(self) -> bool:
        """True if the fingerprint was replaced already."""
        return self.observation.state.regenerated

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of the attributes that differ from the record; an unreadable one does not count."""
        return () if self.compared is None else self.compared.verdict.changed


def check_host(vault: Vault, machine: Machine, *, timeout: float | None = None, also: Names[str] = ()) -> CheckResult:
    """Check a machine against its vault. What cannot be read is in the result and not raised.

    Args:
        vault: the vault.
        machine: the machine.
        timeout: seconds for each command.
        also: conditions that take more than a collection and are evaluated only if named here: "copy", "blocked".
    """
    machine = machine.keeping()
    begin = machine.monotonic()
    found = Observation.take(vault, machine, timeout=timeout)
    lost = (WILL_HIBERNATE,) if found.problems else ()
    if found.comparison is None:
        return CheckResult(machine.now(), machine.monotonic() - begin, found, lost)
    verdict = found.comparison.verdict
    held = []
    if verdict.changed:
        held.append(ANY_DRIFT)
    if _by_address_alone(verdict):
        held.append(IP_ALONE)
    if verdict.vacuous:
        held.append(VACUOUS)
    if found.comparison.collection.id_problem:
        held.append(WEAK_ID)
    if COPY in also and _is_copy(found, verdict):
        held.append(COPY)
    blocked = _blocking_run(vault, found) if BLOCKED in also and verdict.changed else None
    forecast = found.forecast
    last = () if blocked is None else (BLOCKED,)
    return CheckResult(machine.now(), machine.monotonic() - begin, found, (*held, *lost, *last), forecast, blocked)


def _by_address_alone(verdict: Verdict) -> bool:
    """Return whether the machine would not match with another IP address."""
    if verdict.reason != Reason.SAME_IP or verdict.threshold > 100:
        return False
    if verdict.matched == verdict.total >= 2 and verdict.threshold <= _HALF:
        # At least half of the attributes match without the address.
        return False
    # Imported here: an unchanged machine does not need it.
    from fingerprint.rules.whatif import with_another_address

    return not with_another_address(verdict).match


def _blocking_run(vault: Vault, found: Observation) -> GuardRun | None:
    from fingerprint.guard import last_run
    from fingerprint.guard_forecast import blocks_now

    try:
        run = last_run(vault)
    except VaultError:
        # Unknown, as for a user who may not read our state; the vault itself says so.
        return None
    return run if run is not None and blocks_now(run, found) else None


def _is_copy(found: Observation, verdict: Verdict) -> bool:
    # Damaged evidence proves nothing; `vault verify` reports it.
    stable = found.stable
    return stable is not None and verdict.match and str(stable.verdict.outcome) == "different"
