"""The machines of the pages in docs/field: each writes a recording, a vault and more below a directory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from agent_machines import AgentMachine, line, mismatch, ready, refused, started
from commandline import COMMAND
from fingerprint import Vault
from fingerprint.collectors import collect
from fingerprint.testing.local_service import LocalService
from other_agent_machines import WindowsMachine
from paths import DOCS
from product_images import IDENTITY, KEYS, NODE_CONFIG, identity

CHANGED = ("processor-hash", "ipaddress-info", "disk-info", "memory-hash", "bios-hash", "system-hash")


def original(home: Path) -> None:
    AgentMachine(home).write()


def _tutorial(home: Path, *words: str, **env: str) -> None:
    """Run a command for the original machine of the tutorial, and let the machine be its copy."""
    state = {**os.environ, "FINGERPRINT_STATE": str(home / "state"), **env}
    named = ["--vault", str(home / "Vault"), "--snapshot", str(DOCS / "tutorial/original.json")]
    subprocess.run([COMMAND, *named, *words], env=state, check=True, capture_output=True)
    shutil.copyfile(DOCS / "tutorial/clone.json", home / "machine.json")


def copy_that_passes(home: Path) -> None:
    _tutorial(home, "vault", "init")


def registered_copy(home: Path, service: LocalService) -> dict[str, str]:
    """A copy of a registered machine, whose threshold rejects it; return the environment with a new activation."""
    first, second = service.activation(), service.activation()
    env = {"AWS_ENDPOINT_URL_SSM": service.endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
    _tutorial(home, "register", "--region", "eu-west-1", "--threshold", "60",
              FINGERPRINT_ACTIVATION_ID=first.id, FINGERPRINT_ACTIVATION_CODE=first.code, **env)  # fmt: skip
    (home / "code.txt").write_text(second.code)
    return {**env, "ACTIVATION_ID": second.id}


def rejected(home: Path) -> None:
    """The same after the agent replaced the fingerprint; our history keeps the old one."""
    machine = AgentMachine(home)
    machine.log("amazon-ssm-agent.log", started("08:00:00") + ready("08:00:01") + started("11:00:00")
                + mismatch("11:00:01", *CHANGED)
                + line("11:00:16", "INFO", "Calculated hardware difference, regenerating fingerprint...", "")
                + refused("11:00:17"))  # fmt: skip
    machine.write()


def restored(home: Path) -> None:
    """Restored from a backup of its disk: the service knows the fingerprint that came after it."""
    machine = AgentMachine(home)
    machine.log("amazon-ssm-agent.log", started("08:00:00") + ready("08:00:01") + started("11:00:00")
                + refused("11:35:00"))  # fmt: skip
    machine.write()


def with_history(home: Path) -> None:
    """An upgraded machine whose record was replaced while this program ran there: our journal has the old one."""
    machine = AgentMachine(home)
    old = machine.record
    machine.write()
    changed = AgentMachine(home, ip="192.0.2.99", dmi="SMBIOS 3.4 present.", disk="total 4").snapshot
    for name in ("addresses", "commands"):
        machine.snapshot[name] = changed[name]
    new = old.replace(  # type: ignore[union-attr]
        fingerprint="55555555-6666-8777-8888-999999999999", hardware_hash=collect(machine.machine).hardware_hash
    )
    with Vault(str(machine.vault_path), state=str(home / "state")).edit() as edit:
        edit.store(new, why="mismatch")
    (home / "machine.json").write_text(json.dumps(machine.snapshot))


def image(home: Path) -> None:
    """A golden image, mounted."""
    for path, content in ((IDENTITY, identity("/root/.aws/credentials")), ("root/.aws/credentials", KEYS),
                          ("root/nodeConfig.yaml", NODE_CONFIG), ("etc/machine-id", "c0ffee" + "9" * 26 + "\n"),
                          ("var/lib/amazon/ssm/Vault/Store/RegistrationKey", "{}")):  # fmt: skip
        file = home / "image" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


def board(home: Path) -> None:
    """A Raspberry Pi: no SMBIOS."""
    machine = AgentMachine(home, dmi=None)
    machine.snapshot["files"]["/proc/device-tree/model"] = {"text": "Raspberry Pi 4 Model B Rev 1.4"}
    machine.snapshot["files"]["/proc/device-tree/serial-number"] = {"text": "10000000a1b2c3d4"}
    address = "dc:a6:32:01:02:03"
    machine.snapshot["links"] = [{"name": "eth0", "address": address, "permanent": address, "bus": "platform"}]
    machine.snapshot["outgoingAddress"] = "192.0.2.2"
    machine.write()


def new_machine_id(home: Path) -> None:
    """A board whose machine ID was made anew at the last start."""
    machine = AgentMachine(home, dmi=None)
    machine.is_now(dmi=None, machine_id="7c0ffee1d2c3b4a5968778695a4b3c2d\n")
    machine.write()


def windows_upgraded(home: Path) -> None:
    """Windows Server 2025 after 2022: another recipe of all hashes."""
    machine = WindowsMachine(home)
    machine.is_now(version="10.0.26100")
    machine.write()


def windows_2025(home: Path) -> None:
    """Registered on Server 2025."""
    machine = WindowsMachine(home)
    machine.is_now(version="10.0.26100")
    now = collect(machine.machine).hardware_hash
    machine.record = machine.record.replace(hardware_hash=now)  # type: ignore[union-attr]
    machine.write()


def windows_healthy(home: Path) -> None:
    WindowsMachine(home).write()


def windows_without_wmi(home: Path) -> None:
    machine = WindowsMachine(home)
    machine.snapshot["services"]["Winmgmt"] = "stopped"
    machine.write()


def windows_in_sysprep(home: Path) -> None:
    machine = WindowsMachine(home)
    machine.state("IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE")
    machine.write()


def _failing(error: str) -> Callable[[Path], None]:
    def make(home: Path) -> None:
        machine = AgentMachine(home)
        machine.log("amazon-ssm-agent.log", started("08:00:00") + refused("11:59:50", error, "34s"))
        machine.write()

    return make


_SEND = 'RequestError: send request failed caused by: Post "https://ssm.eu-west-1.amazonaws.com/": '


def proxy_settings(home: Path) -> None:
    """A node on Azure, whose agent asks the metadata service through the proxy, too."""
    machine = AgentMachine(home)
    machine.registration = machine.registration.replace(provider="Azure")  # type: ignore[union-attr]
    machine.unit(Environment="http_proxy=http://proxy.example:3128 https_proxy=http://proxy.example:3128")
    machine.write()


MACHINES: dict[str, Callable[[Path], None]] = {
    "original": original, "copy-passes": copy_that_passes, "rejected": rejected, "restored": restored,
    "history": with_history, "image": image, "board": board, "new-machine-id": new_machine_id,
    "windows-wmi": windows_without_wmi, "windows-sysprep": windows_in_sysprep, "windows": windows_healthy,
    "windows-2025": windows_2025, "windows-upgraded": windows_upgraded,
    "proxy-407": _failing(_SEND + "Proxy Authentication Required"),
    "proxy-tls": _failing(_SEND + "x509: certificate signed by unknown authority"),
    "proxy-refused": _failing(_SEND + "proxyconnect tcp: dial tcp 192.0.2.1:3128: connect: connection refused"),
    "no-proxy": _failing(_SEND + "dial tcp 52.95.1.1:443: i/o timeout"),
    "proxy-settings": proxy_settings,
}  # fmt: skip
