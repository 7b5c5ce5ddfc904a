"""The diagnosed site: a machine, its vault and network, with the facts that several checks share, each read once."""

from __future__ import annotations

from fingerprint._io.permissions import rights_remedy
from fingerprint._io.text import one_line, with_ids_masked
from fingerprint.agent.facts import AgentFacts, fact
from fingerprint.agent.vault_use import is_of_agent
from fingerprint.errors import VaultMissing
from fingerprint.machine.base import END_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.agent.forecast import Forecast
    from fingerprint.diagnose.network import Network
    from fingerprint.explanation import Explanation
    from fingerprint.machine.base import Machine
    from fingerprint.observation import Observation
    from fingerprint.types import FingerprintRecord, RegistrationRecord
    from fingerprint.vault import Vault
    from fingerprint.vault.regeneration import State


class Site(AgentFacts):
    """A machine, its vault and the network, as the checks see them.

    Attributes:
        vault: the machine's vault.
        network: how to send requests; None to send nothing.
        region: region that the node should be in, whose endpoints are checked; "" for that of the registration.
        account: account that the node should be in, "" for any.
        latest: file or URL of the newest published version, "" for none.
        timeout: seconds for each command of a collection; None for the default.
        reveal: whether ids are shown in full.
        install: returns the remedy that installs an extra of this package, by its name.
    """

    def __init__(
        self,
        machine: Machine,
        vault: Vault,
        *,
        network: Network | None = None,
        region: str = "",
        account: str = "",
        latest: str = "",
        timeout: float | None = None,
        reveal: bool = False,
        log_limit: int = END_LIMIT,
        install: Callable[[str], str] | None = None,
    ) -> None:
        super().__init__(machine, log_limit=log_limit)
        self.vault = vault.keeping()
        self.network = network
        self.region = region
        self.account = account
        self.latest = latest
        self.timeout = timeout
        self.reveal = reveal
        self.install = install or (lambda extra: f"Install the extra `{extra}` of this package")

    @property
    def root(self) -> str:
        """The directory of a copied disk, else "/"."""
        return str(getattr(self.machine, "root", "/"))

    @property
    def rights(self) -> str:
        """The remedy for missing rights to read the machine."""
        return rights_remedy(copied=self.copied, recorded=self.machine.platform if self.recorded else "")

    def quoted(self, text: str) -> str:
        """Return a text of a log in one line with its ids masked, unless they are to be revealed."""
        text = one_line(text)
        return text if self.reveal else with_ids_masked(text)

    @fact
    def record(self) -> FingerprintRecord:
        """The fingerprint record. Raises VaultError."""
        from fingerprint.vault.remedies import existing_record

        return existing_record(self.vault)

    @fact
    def registration(self) -> RegistrationRecord:
        """The registration. Raises VaultError."""
        return self.vault.read_registration()

    @fact
    def registered(self) -> bool:
        """Whether there is a complete registration. Raises VaultError where that cannot be read."""
        try:
            return self.registration.registered
        except VaultMissing:
            return False

    @property
    def of_agent(self) -> bool:
        """Whether the vault is that of the agent on this host; true for a machine elsewhere."""
        return is_of_agent(self.vault, self.machine)

    @fact
    def record_state(self) -> tuple[State, tuple[str, ...]]:
        """Whether the record was replaced or restored, and the evidence. Raises VaultError."""
        from fingerprint.agent.replaced_fingerprint import record_state

        return record_state(self, self.vault, self.record, of_agent=self.of_agent)

    @fact
    def observation(self) -> Observation:
        """The observation of the machine and its vault, as all commands take it."""
        from fingerprint.observation import Observation

        return Observation.take(
            self.vault, self.machine, timeout=self.timeout, agent=self, state_of=lambda _: self.record_state[0]
        )

    @fact
    def explanation(self) -> Explanation:
        """The verdict with its explanation. Raises VaultError and CollectError."""
        from fingerprint.explanation import explain_observation

        return explain_observation(self.observation)

    @fact
    def forecast(self) -> Forecast | None:
        """What the agent will do with the machine, and when; None where it cannot run. Raises as `explanation`."""
        from fingerprint.agent.forecast import foretell
        from fingerprint.vault import FINGERPRINT_KEY

        check = self.next_check
        written = self.vault.written_at(FINGERPRINT_KEY)
        return None if check is None else foretell(
            self.explanation.outlook, check, written, self.explanation.collection.doubt
        )  # fmt: skip
