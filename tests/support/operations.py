"""One operation on a vault through the library, in its own process: `operations.py OPERATION VAULT STATE`.

It prints the resulting fingerprint, or a word, and exits with the code of the product's error. Any other error ends
it with a traceback, so that a test detects it.
"""

from __future__ import annotations

import os
import sys

from fingerprint import FingerprintRecord, Gate, HardwareHash, Vault
from fingerprint.errors import FingerprintError
from fingerprint.gate import first_record, set_threshold
from fingerprint.recovery import carry_out, plan_restore
from fingerprint.testing.machines import MACHINE_ID, unix_machine
from fingerprint.types import RegistrationRecord
from fingerprint.vault.repair import plan_repair, repair

OTHER_MACHINE_ID = "f" * 32 + "\n"
# What the recorded machine has: no SMBIOS and no disks.
HASH = {
    "bios-hash": "",
    "disk-info": "",
    "hostname-info": "vm",
    "ipaddress-info": "192.0.2.2",
    "macaddr-info": "a2:99:21:33:46:45",
    "machine-id": MACHINE_ID,
    "memory-hash": "",
    "processor-hash": "",
    "system-hash": "",
}
EARLIER = "00000000-1111-8222-8333-444444444444"
OLD = "55555555-6666-8777-8888-999999999999"
NEW = "aaaaaaaa-bbbb-8ccc-8ddd-eeeeeeeeeeee"
OLD_THRESHOLD = 40
NEW_THRESHOLD = 55
OLD_REGISTRATION = RegistrationRecord(
    instance_id="mi-0123456789abcdef0",
    region="eu-west-1",
    private_key="b2xk" * 400,
    private_key_type="Rsa",
    private_key_created_date="2026-01-02 03:04:05.000000006 +0000 UTC",
)
NEW_KEY = "bmV3" * 400
NEW_DATE = "2026-11-24 03:04:05.000000006 +0000 UTC"


def prepare(path: str, state: str) -> None:
    """Make a vault with a registration, a fingerprint and an earlier one in its history."""
    with Vault(path, state=state).edit() as edit:
        edit.store(FingerprintRecord(EARLIER, HardwareHash(HASH), OLD_THRESHOLD), why="test")
        edit.store(FingerprintRecord(OLD, HardwareHash(HASH), OLD_THRESHOLD), why="test")
        edit.store_registration(OLD_REGISTRATION, why="test")


def prepare_unlisted(path: str, state: str) -> None:
    """Make the same with a manifest that lists nothing."""
    prepare(path, state)
    with open(os.path.join(path, "Manifest"), "w") as manifest:
        manifest.write("{}")


def read(vault: Vault) -> str:
    vault.read_registration()
    return vault.read().fingerprint


def obtain(vault: Vault) -> str:
    """Pass the gate with the machine of the record."""
    return Gate(vault, unix_machine(), policy="regenerate").fingerprint()


def store(vault: Vault) -> str:
    with vault.edit() as edit:
        edit.store(edit.read().replace(fingerprint=NEW), why="test")
    return NEW


def first(vault: Vault) -> str:
    return first_record(vault, unix_machine())[0].fingerprint


def regenerate(vault: Vault) -> str:
    """Pass the gate with another machine than that of the record."""
    return Gate(vault, unix_machine(machine_id=OTHER_MACHINE_ID), policy="regenerate").fingerprint()


def threshold(vault: Vault) -> str:
    return set_threshold(vault, NEW_THRESHOLD)[1].fingerprint


def restore(vault: Vault) -> str:
    """Restore the earlier record."""
    [number] = [entry["number"] for entry in vault.history.entries() if EARLIER in (entry["record"] or "")]
    carry_out(vault, plan_restore(vault, number, unix_machine()))
    return EARLIER


def restore_rebaselined(vault: Vault) -> str:
    """Restore the earlier fingerprint, with the hardware hash of another machine."""
    [number] = [entry["number"] for entry in vault.history.entries() if EARLIER in (entry["record"] or "")][:1]
    machine = unix_machine(machine_id=OTHER_MACHINE_ID)
    carry_out(vault, plan_restore(vault, number, machine, rebaseline=True), accept_new_sid=True)
    return EARLIER


def repaired(vault: Vault) -> str:
    """List the files of Store in the manifest again."""
    repair(vault, plan_repair(vault))
    return "repaired"


def rotation(vault: Vault) -> str:
    """Replace the private key."""
    with vault.edit() as edit:
        old = vault.read_registration()
        new = RegistrationRecord(
            instance_id=old.instance_id,
            region=old.region,
            private_key=NEW_KEY,
            private_key_type=old.private_key_type,
            private_key_created_date=NEW_DATE,
        )
        edit.store_registration(new, why="rotation")
    return "rotated"


def clear(vault: Vault) -> str:
    with vault.edit() as edit:
        edit.clear(why="vault reset")
    return "cleared"


OPERATIONS = {
    "read": read,
    "obtain": obtain,
    "store": store,
    "first": first,
    "first-by-gate": obtain,
    "regenerate": regenerate,
    "threshold": threshold,
    "restore": restore,
    "restore-rebaselined": restore_rebaselined,
    "repair": repaired,
    "rotation": rotation,
    "clear": clear,
}
# Operation -> its preparation, where that is not `prepare`.
PREPARES = {"repair": prepare_unlisted}
# These begin without a vault.
FROM_NOTHING = ("first", "first-by-gate")


def perform(operation: str, path: str, state: str) -> str:
    """Perform one operation, and return what it prints. Raises the product's errors."""
    return OPERATIONS[operation](Vault(path, state=state))


def main(words: list[str]) -> int:
    try:
        print(perform(*words))
    except FingerprintError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
