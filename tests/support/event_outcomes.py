"""What becomes of a registered machine after each event; as a program, write that into docs/guard-events.md.

The machine is recorded before and after the event. Its vault has the record of the time before with its evidence; a
copy has a copy of both. Then comes the agent (its documented procedure, `reference_store`), alone or after
`run_guard`, or our client by a policy, and a local service answers: it gives a token for the fingerprint that it knows.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import reference_store
from event_machines import before_and_after
from fingerprint import FingerprintRecord, Policy, Vault, collect
from fingerprint.attributes.events import EVENTS, Event, Truth
from fingerprint.errors import CollectError, FingerprintMismatch, ServiceMismatch
from fingerprint.gate import keep_snapshot
from fingerprint.guard import run_guard
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.registration.flow import Registration
from fingerprint.registration.keys import NodeKey
from fingerprint.testing import LocalService
from fingerprint.vault.history import FIRST
from paths import DOCS

PAGE = DOCS / "guard-events.md"
REGION = "eu-west-1"
TOKEN, RENEWED, NEW, REFUSED, UNREADABLE = "token", "token, renewed", "new fingerprint", "refused", "unreadable"
NOT_STARTED = "not started"
# Without a token, with the fingerprint kept.
KEPT = (REFUSED, UNREADABLE, NOT_STARTED)
AGENT, ALLOW, BLOCK = "agent", "guard", "guard, block"
COLUMNS = (AGENT, ALLOW, BLOCK, "strict", "evidence", "regenerate", "audit")
_BEGIN, _END = "<!-- outcomes -->\n", "<!-- end -->\n"
_TRUTHS = {Truth.SAME: "same", Truth.OTHER: "**another**", Truth.UNDECIDABLE: "undecidable"}


class Bench:
    """A node that is registered with a local service, on whatever machine a test says.

    Args:
        directory: for its vaults.
        service: the service.
    """

    def __init__(self, directory: Path, service: LocalService) -> None:
        self._directory = directory
        self._service = service
        self._made = 0
        made = service.activation()
        vault = self._vault()
        flow = Registration(
            vault, RecordedMachine(before_and_after("agent-restart")[0]), policy="strict", endpoint=service.endpoint
        )
        self.registration = flow.register(made.id, made.code, REGION)
        self.fingerprint = vault.read().fingerprint

    def _vault(self) -> Vault:
        self._made += 1
        top = self._directory / str(self._made)
        return Vault(str(top / "ssm" / "Vault"), state=str(top / "state"))

    def registered(self, event: str) -> Vault:
        """Return the vault of a machine that was registered before an event."""
        before, _ = before_and_after(event)
        vault = self._vault()
        hash_before = collect(RecordedMachine(before)).hardware_hash
        with vault.edit() as edit:
            edit.store(FingerprintRecord(self.fingerprint, hash_before, 40), why=FIRST)
            edit.store_registration(self.registration, why=FIRST)
        keep_snapshot(vault, before)
        return vault

    def outcome(self, event: str, column: str) -> str:
        """Return what becomes of the machine of an event."""
        vault, after = self.registered(event), RecordedMachine(before_and_after(event)[1])
        before = vault.raw("InstanceFingerprint")
        if column in (ALLOW, BLOCK) and run_guard(vault, after, block=column == BLOCK).blocks:
            assert vault.raw("InstanceFingerprint") == before
            return NOT_STARTED
        by_agent = column in (AGENT, ALLOW, BLOCK)
        outcome = self._by_agent(vault, after) if by_agent else self._by_client(vault, after, column)
        return RENEWED if outcome == TOKEN and vault.raw("InstanceFingerprint") != before else outcome

    def _flow(self, vault: Vault, machine: RecordedMachine, policy: str) -> Registration:
        return Registration(vault, machine, policy=Policy(policy), endpoint=self._service.endpoint)

    def _by_client(self, vault: Vault, machine: RecordedMachine, policy: str) -> str:
        requests = len(self._service.requests())
        try:
            self._flow(vault, machine, policy).role_token()
        except (FingerprintMismatch, CollectError) as error:
            assert len(self._service.requests()) == requests
            assert vault.read().fingerprint == self.fingerprint
            return REFUSED if isinstance(error, FingerprintMismatch) else UNREADABLE
        except ServiceMismatch:
            assert vault.read().fingerprint != self.fingerprint
            return NEW
        return TOKEN

    def _by_agent(self, vault: Vault, machine: RecordedMachine) -> str:
        """Run the agent's procedure, and send the fingerprint that it gives."""
        now = collect(machine)
        sent = reference_store.obtain(reference_store.Store(vault.path), dict(now.hardware_hash.items()), now.sid_key)
        assert json.loads(vault.raw("InstanceFingerprint") or b"")["fingerprint"] == sent
        client = self._flow(vault, machine, "strict")._client(REGION)
        key = NodeKey.decode(self.registration.private_key, "the vault")
        try:
            client.role_token(self.registration.instance_id, key, sent)
        except ServiceMismatch:
            return NEW
        return TOKEN


def is_wrong(truth: Truth, outcome: str) -> bool:
    """Return whether an innocent machine got no token, or a copy got one."""
    got = outcome in (TOKEN, RENEWED)
    return (truth == Truth.SAME and not got) or (truth == Truth.OTHER and got)


def outcomes(bench: Bench, event: Event) -> dict[str, str]:
    """Return what becomes of the machine of an event, by column."""
    return {column: bench.outcome(event.name, column) for column in COLUMNS}


def table(found: dict[str, dict[str, str]]) -> str:
    """Return the tables of the page: a row for each event, and the counts of each column."""
    lines = [f"| event | truth | {' | '.join(COLUMNS)} |", f"|{'---|' * (len(COLUMNS) + 2)}"]
    for event in EVENTS:
        cells = (
            f"**{outcome}**" if is_wrong(event.truth, outcome) else outcome for outcome in found[event.name].values()
        )
        lines.append(f"| `{event.name}` | {_TRUTHS[event.truth]} | {' | '.join(cells)} |")
    lines += ["", f"| count | of | {' | '.join(COLUMNS)} |", f"|{'---|' * (len(COLUMNS) + 2)}"]
    for text, truth, counted in (
        ("innocent machines with a new fingerprint", Truth.SAME, (NEW,)),
        ("innocent machines without a token, fingerprint kept", Truth.SAME, KEPT),
        ("copies with a token", Truth.OTHER, (TOKEN, RENEWED)),
        ("undecidable ones with a token", Truth.UNDECIDABLE, (TOKEN, RENEWED)),
        ("undecidable ones with a new fingerprint", Truth.UNDECIDABLE, (NEW,)),
    ):
        names = [event.name for event in EVENTS if event.truth == truth]
        counts = (str(sum(found[name][column] in counted for name in names)) for column in COLUMNS)
        lines.append(f"| {text} | {len(names)} | {' | '.join(counts)} |")
    return "\n".join(lines) + "\n"


def shown() -> str:
    """Return the tables as the page has them."""
    return PAGE.read_text("utf-8").partition(_BEGIN)[2].partition(_END)[0]


def main() -> int:
    with tempfile.TemporaryDirectory() as directory, LocalService() as service:
        bench = Bench(Path(directory), service)
        made = table({event.name: outcomes(bench, event) for event in EVENTS})
    head, begin, rest = PAGE.read_text("utf-8").partition(_BEGIN)
    PAGE.write_text(head + begin + made + _END + rest.partition(_END)[2], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
