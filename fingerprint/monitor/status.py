"""One look: the verdict, what changed, and which of the conditions hold that monitoring warns of."""

from __future__ import annotations

from fingerprint.observation import UNKNOWN, Observation
from fingerprint.types import Reason, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection as Names

    from fingerprint.agent.forecast import Forecast
    from fingerprint.errors import FingerprintError
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
NEVER = "never"
_HALF = 50
CONDITIONS = (ANY_DRIFT, IP_ALONE, VACUOUS, WEAK_ID, COPY, WILL_HIBERNATE, NEVER)


class Look(Value):
    """What was seen.

    Attributes:
        at: when, seconds since 1970-01-01 UTC.
        seconds: how long it took.
        observation: what is known of the machine's identity.
        conditions: those that hold.
        forecast: what the agent will do and when; None for an unchanged machine, and where no agent can run.
    """

    at: float
    seconds: float
    observation: Observation
    conditions: tuple[str, ...]
    forecast: Forecast | None = None

    @property
    def compared(self) -> Comparison | None:
        """Record, collection and verdict; None where there is none, see `error`."""
        return self.observation.comparison

    @property
    def error(self) -> FingerprintError | None:
        """Why there is no comparison; None if there is one."""
        return self.observation.error

    @property
    def outcome(self) -> str:
        """Whether it is the machine that the service knows: "same", "different" or "cannot-tell"."""
        return "cannot-tell" if self.observation.level == UNKNOWN else self.observation.outcome

    @property
    def regenerated(self) -> bool:
        """Whether the fingerprint was replaced already."""
        return self.observation.state.regenerated

    @property
    def changed(self) -> tuple[str, ...]:
        """The attributes that differ from the record; what could not be read is not known to differ."""
        return () if self.compared is None else self.compared.verdict.changed


def look(vault: Vault, machine: Machine, *, timeout: float | None = None, also: Names[str] = ()) -> Look:
    """Look at a machine and its vault once; what cannot be read is told by the look and not raised.

    Args:
        vault: the vault.
        machine: the machine.
        timeout: seconds for each command.
        also: conditions that cost more and are looked into only if they are named: "copy".
    """
    machine = machine.keeping()
    begin = machine.monotonic()
    found = Observation.take(vault, machine, timeout=timeout)
    lost = (WILL_HIBERNATE,) if found.problems else ()
    if found.comparison is None:
        return Look(machine.now(), machine.monotonic() - begin, found, lost)
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
    forecast = found.forecast
    return Look(machine.now(), machine.monotonic() - begin, found, (*held, *lost), forecast)


def _by_address_alone(verdict: Verdict) -> bool:
    """Return whether another address would turn the verdict."""
    if verdict.reason != Reason.SAME_IP or verdict.threshold > 100:
        return False
    if verdict.matched == verdict.total >= 2 and verdict.threshold <= _HALF:
        # Without the address at least half is left.
        return False
    # Imported here: most machines have not changed at all, and then this is not asked.
    from fingerprint.rules.whatif import with_another_address

    return not with_another_address(verdict).match


def _is_copy(found: Observation, verdict: Verdict) -> bool:
    # Damaged evidence says nothing; `vault verify` names it.
    stable = found.stable
    return stable is not None and verdict.match and str(stable.verdict.outcome) == "different"
