"""Machines whose identity is intact, lost, or at risk, each with the answer that every command has to give.

A service knows their original node, key and fingerprint.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent_machines import REGENERATED, AgentMachine, line, refused, started
from broken_machines import BROKEN, WAITS, both, log, other_machine, put, registration, setting
from fingerprint.registration.keys import NodeKey
from fingerprint.testing.local_service import LocalService
from fingerprint.types import FingerprintRecord
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY, Vault
from fingerprint.vault.records import encode_fingerprint
from manifests import moved

OK, FINDING, UNKNOWN = "ok", "finding", "unknown"
# The answer of check, explain and credential-process without a record to compare the machine with.
NO_RECORD = "no record"
Change = Callable[[Any], Any]


def manifest(data: bytes | None) -> Change:
    """Write another manifest, with STORE for the path of Store."""

    def write(machine: KnownMachine) -> None:
        path = machine.vault_path / "Manifest"
        if data is None:
            path.unlink()
        else:
            path.write_bytes(data.replace(b"STORE", str(machine.vault_path / "Store").encode()))

    return lambda machine: machine.afterwards.append(write)


def replaced_by_the_agent(machine: KnownMachine) -> None:
    """Let the agent write another fingerprint than the one in our journal."""

    def write(machine: KnownMachine) -> None:
        vault = machine.vault
        with vault.edit() as edit:
            edit.keep(FINGERPRINT_KEY, why="backup")
        record = vault.read()
        new = record.replace(fingerprint="ef39f2ba-d8d3-46ca-9078-ea2ad2f1dedd")
        machine.record = new
        Path(vault.data_path(FINGERPRINT_KEY)).write_bytes(encode_fingerprint(new))

    machine.afterwards.append(write)


def writable_journal(machine: KnownMachine) -> None:
    """Replace the fingerprint, with a journal that others can write, so that it proves nothing."""
    replaced_by_the_agent(machine)
    machine.afterwards.append(lambda m: Path(m.vault.history.directory).chmod(0o777))


def elsewhere(key: str) -> Change:
    """Let the manifest list a copy of a key outside the vault, which the agent reads."""
    return lambda machine: machine.afterwards.append(lambda m: moved(key)(m.vault_path))


def lockdown(machine: AgentMachine) -> None:
    """Deny /dev/mem to root, and change the address."""
    other_machine(machine)
    for command in machine.snapshot["commands"]:
        if "dmidecode" in command["argv"][0]:
            command.update(returncode=1, stdout="", stderr="/dev/mem: Operation not permitted\n")
    machine.snapshot["takenBy"] = {"uid": 0, "asAgent": True, "rawIo": True}


def as_a_user(machine: AgentMachine) -> None:
    lockdown(machine)
    machine.snapshot["takenBy"] = {"uid": 1000, "asAgent": False, "rawIo": True}


_ANOTHER = put(fingerprint="ef39f2ba-d8d3-46ca-9078-ea2ad2f1dedd")
MACHINES: dict[str, tuple[Change, str]] = {
    "healthy": (lambda m: None, OK),
    "manifest missing": (manifest(None), FINDING),
    "manifest {}": (manifest(b"{}"), FINDING),
    "manifest null": (manifest(b"null"), FINDING),
    "manifest []": (manifest(b"[]"), FINDING),
    "manifest empty": (manifest(b""), FINDING),
    "manifest of zeros": (manifest(bytes(120)), FINDING),
    "manifest without the record": (manifest(b'{"RegistrationKey":"STORE/RegistrationKey"}'), FINDING),
    "manifest without the registration": (manifest(b'{"InstanceFingerprint":"STORE/InstanceFingerprint"}'), FINDING),
    "record missing": (setting("record", None), NO_RECORD),
    "record cleared": (setting("record", FingerprintRecord()), NO_RECORD),
    "registration damaged": (setting("registration", b'{"instanceID":'), FINDING),
    "both records damaged": (both(setting("record", b'{"finger'), setting("registration", b'{"inst')), NO_RECORD),
    "both records empty": (both(setting("record", b""), setting("registration", b"")), NO_RECORD),
    "record missing, registration damaged": (both(setting("record", None), setting("registration", b"")), NO_RECORD),
    "replaced by the agent": (replaced_by_the_agent, FINDING),
    "replaced by its log": (
        both(_ANOTHER, log(WAITS + line("11:36:01", "INFO", REGENERATED, "") + refused("11:36:02"))), FINDING,
    ),
    "replaced and the log rotated": (
        both(
            _ANOTHER,
            lambda m: m.log("amazon-ssm-agent.log.1", started("08:00:00") + line("08:00:20", "INFO", REGENERATED, "")),
            log(started("11:00:00") + refused("11:00:02")),
        ),
        FINDING,
    ),
    "replaced and the journal of others": (writable_journal, UNKNOWN),
    "fingerprint elsewhere": (elsewhere(FINGERPRINT_KEY), UNKNOWN),
    "registration elsewhere": (elsewhere(REGISTRATION_KEY), OK),
    "disabled": (put(threshold=-1), OK),
    "host name not UTF-8": (
        lambda m: m.snapshot.update(hostName={"error": "EILSEQ", "message": "not valid UTF-8"}), FINDING,
    ),
    "root is denied": (lockdown, FINDING),
    "a user is denied": (as_a_user, UNKNOWN),
}  # fmt: skip
_OF_BROKEN = {
    "regenerated after an upgrade": FINDING, "corrupt vault": NO_RECORD, "moved to another hypervisor": FINDING,
}  # fmt: skip
for _name, _row in BROKEN.items():
    _change = both(_row[0], _ANOTHER) if "regenerated" in _name else _row[0]
    MACHINES[f"broken: {_name}"] = _change, _OF_BROKEN.get(_name, OK)


class KnownMachine(AgentMachine):
    """A healthy machine, to be changed, whose node, key and fingerprint a service knows.

    Args:
        directory: for its files.
        service: the service.
        journaled: whether our journal has the original vault, by a backup.
    """

    def __init__(self, directory: Path, service: LocalService, *, journaled: bool = False) -> None:
        super().__init__(directory)
        # Changes of the vault after it is written.
        self.afterwards: list[Callable[[KnownMachine], None]] = []
        self._settled = False
        key = NodeKey.generate()
        activation = service.activation()
        assert isinstance(self.record, FingerprintRecord)
        self.known = self.record.fingerprint
        node = service.register({
            "ActivationId": activation.id, "ActivationCode": activation.code, "Fingerprint": self.known,
            "PublicKey": key.public(), "PublicKeyType": "Rsa",
        })["InstanceId"]  # fmt: skip
        registration(instance_id=node, private_key=key.encode())(self)
        self.file("/var/lib/amazon/ssm/registration", json.dumps({"ManagedInstanceID": node, "Region": "eu-west-1"}))
        self.env["AWS_ENDPOINT_URL_SSM"] = service.endpoint
        if journaled:
            self.write()
            with self.vault.edit() as edit:
                edit.keep(FINGERPRINT_KEY, why="backup")
                edit.keep(REGISTRATION_KEY, why="backup")

    @property
    def vault(self) -> Vault:
        return Vault(str(self.vault_path), state=self.env["FINGERPRINT_STATE"])

    def write(self) -> None:
        if not self._settled:
            super().write()

    def settle(self) -> None:
        """Write vault and snapshot, and leave them to commands from now on."""
        for key in (FINGERPRINT_KEY, REGISTRATION_KEY):
            (self.vault_path / "Store" / key).unlink(missing_ok=True)
        self.write()
        for change in self.afterwards:
            change(self)
        self._settled = True
