"""Recorded machines for tests: a Unix machine in a few words, behind the Machine interface."""

from __future__ import annotations

from typing import Any

from fingerprint.machine.recorded import RecordedMachine

MACHINE_ID = "3d1219c7c4c5404aaa1f6d2a48adfda4\n"
DMIDECODE = "/usr/sbin/dmidecode"
GROUPS = ("processor", "memory", "bios", "system")
# Without one, a text of dmidecode says nothing about hardware.
_STRUCTURE = "Handle 0x0001, DMI type 126, 4 bytes\nInactive\n"


def unix_snapshot(
    *,
    machine_id: str | None = MACHINE_ID,
    ip: str = "192.0.2.2",
    mac: str = "a2:99:21:33:46:45",
    host_name: str = "vm",
    dmi: str | None = None,
    disk: str | None = None,
    platform: str = "linux",
) -> dict[str, Any]:
    """Return the snapshot of a Unix machine, as `RecordedMachine` plays it back.

    Args:
        machine_id: text of /etc/machine-id, with its newline; None for none.
        ip: its address, "" for none.
        mac: hardware address of its interface, "" for none.
        host_name: its name.
        dmi: what dmidecode prints of its table, the same for each group but for the group's name, and with a structure
            behind it that nothing is read from; None where it fails.
        disk: what `ls -l /dev/disk/by-uuid` prints; None where it fails.
        platform: of `sys.platform`, such as "linux" or "darwin".
    """
    commands = []
    for group in GROUPS:
        text = None if dmi is None else f"# dmidecode 3.4\n{dmi} {group}\n\n{_STRUCTURE}"
        commands.append(_command([DMIDECODE, "-t", group], text, "No SMBIOS nor DMI entry point found, sorry.\n"))
    missing = "ls: cannot access '/dev/disk/by-uuid': No such file or directory\n"
    for ls in ("/usr/bin/ls", "/bin/ls"):
        commands.append(_command([ls, "-l", "/dev/disk/by-uuid"], disk, missing))
    files: dict[str, Any] = {} if machine_id is None else {"/etc/machine-id": {"text": machine_id}}
    files["/usr/bin/ls"] = {"text": ""}
    return {
        "schemaVersion": 1,
        "platform": platform,
        "kernel": "Linux 6.18.0",
        "recordedAt": "2026-11-24T00:00:00Z",
        "hostName": host_name,
        "files": files,
        "commands": commands,
        "addresses": {"ipv4": [ip] if ip else [], "links": [["eth0", mac]] if mac else [], "source": "recorded"},
        "services": {},
    }


def _command(argv: list[str], text: str | None, complaint: str) -> dict[str, Any]:
    failed = text is None
    return {
        "argv": argv,
        "returncode": 1 if failed else 0,
        "stdout": "" if failed else text,
        "stderr": complaint if failed else "",
        "problem": "",
        "seconds": 0.001,
    }


def unix_machine(**changes: Any) -> RecordedMachine:
    """Return a recorded Unix machine whose clock does not wait; the arguments are those of `unix_snapshot`."""
    return RecordedMachine(unix_snapshot(**changes))
