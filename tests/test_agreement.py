"""One state has one verdict: every command says the same of every machine, and the service agrees with them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_machines import REGENERATED, AgentMachine, line, refused, started
from broken_machines import BROKEN, WAITS, both, log, other_machine, put, registration, setting
from commandline import environment, run
from fingerprint.model import FingerprintRecord
from fingerprint.service.keys import NodeKey
from fingerprint.service.local import LocalService
from fingerprint.vault import FINGERPRINT_KEY, Vault
from fingerprint.vault.records import encode_fingerprint
from shared import CASES

OK, FINDING, UNKNOWN = "ok", "finding", "unknown"
# What check, explain and credential-process answer where there is no record to hold the machine against.
NO_RECORD = "no record"
_IDENTITY_CHECKS = ("vault", "fingerprint", "next-start", "regenerated")
Change = Callable[[AgentMachine], Any]


def manifest(data: bytes | None) -> Change:
    """Write another manifest, with STORE for the path of Store."""

    def write(machine: AgentMachine) -> None:
        path = machine.vault_path / "Manifest"
        if data is None:
            path.unlink()
        else:
            path.write_bytes(data.replace(b"STORE", str(machine.vault_path / "Store").encode()))

    return lambda machine: machine.afterwards.append(write)  # type: ignore[attr-defined]


def replaced_by_the_agent(machine: AgentMachine) -> None:
    """Our journal knows the fingerprint; then the agent writes another one."""

    def write(machine: AgentMachine) -> None:
        vault = Vault(str(machine.vault_path), state=str(machine.folder / "state"))
        with vault.edit() as edit:
            edit.keep(FINGERPRINT_KEY, why="backup")
        record = vault.read()
        new = record.replace(fingerprint="ef39f2ba-d8d3-46ca-9078-ea2ad2f1dedd")
        machine.record = new
        Path(vault.data_path(FINGERPRINT_KEY)).write_bytes(encode_fingerprint(new))

    machine.afterwards.append(write)  # type: ignore[attr-defined]


def lockdown(machine: AgentMachine) -> None:
    """The kernel denies /dev/mem to root, and the address is another one."""
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


@pytest.fixture(scope="module")
def service() -> Iterator[LocalService]:
    with LocalService() as running:
        yield running


def known_machine(folder: Path, service: LocalService) -> AgentMachine:
    """Return a healthy machine whose node, key and fingerprint a service knows."""
    machine = AgentMachine(folder)
    machine.afterwards = []  # type: ignore[attr-defined]
    key = NodeKey.generate()
    activation = service.activation()
    assert isinstance(machine.record, FingerprintRecord)
    node = service.register({
        "ActivationId": activation.id, "ActivationCode": activation.code, "Fingerprint": machine.record.fingerprint,
        "PublicKey": key.public(), "PublicKeyType": "Rsa",
    })["InstanceId"]  # fmt: skip
    registration(instance_id=node, private_key=key.encode())(machine)
    machine.file("/var/lib/amazon/ssm/registration", json.dumps({"ManagedInstanceID": node, "Region": "eu-west-1"}))
    machine.env["AWS_ENDPOINT_URL_SSM"] = service.endpoint
    return machine


def levels(machine: Callable[..., subprocess.CompletedProcess[str]]) -> dict[str, str]:
    """Return what each command says of a machine."""
    by_exit = {0: OK, 1: FINDING, 3: UNKNOWN}
    found = {name: by_exit[machine(name).returncode] for name in ("check", "explain")}
    found["nagios"] = [OK, OK, FINDING, UNKNOWN][machine("check", "--format", "nagios").returncode]
    told = dict(
        text.rsplit(" ", 1) for text in machine("metrics").stdout.splitlines() if not text.startswith("#")
    )  # fmt: skip
    found["metrics"] = (
        FINDING if float(told["fingerprint_next_start_refused"])
        else OK if float(told["fingerprint_check_success"]) else UNKNOWN
    )  # fmt: skip
    event = json.loads(machine("watch", "--checks", "1", "--output", "json").stdout.splitlines()[0])
    found["watch"] = (
        FINDING if "will-hibernate" in event["conditions"] else UNKNOWN if event["verdict"] == "cannot-tell" else OK
    )  # fmt: skip
    checks = json.loads(machine("diagnose", "--output", "json").stdout)["checks"]
    checks = [one for one in checks if one["name"] in _IDENTITY_CHECKS]
    outcomes = [one["outcome"] for one in checks]
    unsure = any(one["undetermined"] for one in checks)
    found["diagnose"] = FINDING if "fail" in outcomes else UNKNOWN if unsure else OK
    return found


def from_the_service(machine: AgentMachine) -> str:
    """Return what our client says, which asks a service that knows the machine as it was."""
    token = machine("credential-process")
    return OK if token.returncode == 0 else UNKNOWN if token.returncode == 3 else FINDING


@pytest.mark.parametrize("name", MACHINES)
def test_every_command_says_the_same(name: str, tmp_path: Path, service: LocalService) -> None:
    change, expected = MACHINES[name]
    machine = known_machine(tmp_path, service)
    change(machine)
    machine.write()
    for later in machine.afterwards:  # type: ignore[attr-defined]
        later(machine)
    machine.write = lambda: None  # type: ignore[method-assign]
    found, client = levels(machine), from_the_service(machine)
    if expected == NO_RECORD:
        assert (found.pop("check"), found.pop("explain"), client) == (UNKNOWN, UNKNOWN, UNKNOWN)
        expected = FINDING
    elif name.startswith("manifest"):
        # The client reads Store itself: what the agent does not find is there, and the service knows it.
        pass
    elif name in ("registration damaged", "broken: not registered", "broken: half registered"):
        assert client == UNKNOWN
    elif name in ("root is denied", "host name not UTF-8"):
        # What the agent does is certain; the client sends nothing, as it cannot tell whose machine it is.
        assert client == UNKNOWN
    else:
        assert client == expected
    assert found == dict.fromkeys(found, expected)


def recorded_cases() -> list[tuple[Path, Path]]:
    """Return snapshot and vault of every recorded machine that comes with one."""
    vaults = [store.parent for store in sorted(CASES.rglob("Store")) if store.parent.parent.name not in ("ssm",)]
    return [(snapshot, vault) for vault in vaults for snapshot in sorted(vault.parent.glob("*.json"))]


@pytest.mark.parametrize(
    ("snapshot", "vault"), recorded_cases(), ids=lambda path: f"{path.parent.name}-{path.stem}"
)  # fmt: skip
def test_every_command_says_the_same_of_a_machine_from_the_field(snapshot: Path, vault: Path, tmp_path: Path) -> None:
    copy = tmp_path / "Vault"
    shutil.copytree(vault, copy)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    env = environment(tmp_path / "state")

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return run("--vault", str(copy), "--snapshot", str(snapshot), *words, env=env)

    found = levels(command)
    if {found["check"], found["explain"]} == {UNKNOWN}:
        # They have no verdict where there is no record; the others say what that means.
        del found["check"], found["explain"]
    assert len(set(found.values())) == 1, found
