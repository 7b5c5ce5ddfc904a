"""Learn what identifies a recorded machine: every id in its sources, so that it is found everywhere."""

from __future__ import annotations

from fingerprint.collectors import collect
from fingerprint.collectors.ssm_unix import DISK_LINKS
from fingerprint.collectors.stable import SMBIOS_TABLE
from fingerprint.errors import FingerprintError
from fingerprint.machine.parsers import decode_console, parse_ioreg, parse_wmic_table
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.smbios.dmidecode import parse_dmidecode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from fingerprint.smbios.table import SmbiosTable
    from fingerprint.support_bundle.redact import Redactor
    from fingerprint.types import HardwareHash

# Of all of a file's content, by the last part of its path.
_FILES = {
    "machine-id": "machine", "hostname": "host", "serial": "serial", "serial-number": "serial", "wwid": "disk",
    "product_serial": "serial", "board_serial": "serial", "chassis_serial": "serial", "product_uuid": "uuid",
    "board_asset_tag": "asset", "chassis_asset_tag": "asset", "boot_id": "uuid", "container_uuid": "uuid",
}  # fmt: skip
_KINDS = {
    "machine-id": "machine", "uuid": "uuid", "hostname-info": "host", "ipaddress-info": "ip", "macaddr-info": "mac",
}  # fmt: skip
# Columns of what wmic and CIM print.
_COLUMNS = {
    "serialnumber": "serial", "identifyingnumber": "serial", "uuid": "uuid", "domain": "domain", "workgroup": "domain",
    "primaryownername": "user", "username": "user", "registereduser": "user", "csname": "host", "dnshostname": "host",
    "systemname": "host", "pnpdeviceid": "disk",
}  # fmt: skip
_OF_MANY_DOMAINS = {"com", "co", "org", "net", "corp", "internal", "intra", "compute", "ec2", "prod", "dev", "test"}
DISKS = "/dev/disk/"


def learn(redactor: Redactor, snapshot: dict[str, Any]) -> None:
    """Note every id of a recorded machine; malformed parts have none."""
    learn_host(redactor, snapshot.get("hostName"))
    redactor.learn("machine", _text(snapshot.get("machineGuid")))
    _learn_address(redactor, _text(snapshot.get("outgoingAddress")))
    for path, entry in _members(snapshot.get("files")):
        if kind := kind_of_file(path):
            redactor.learn(kind, _text(entry.get("text")))
    for link in _list(snapshot.get("links")):
        if isinstance(link, dict):
            redactor.learn("mac", _text(link.get("address")))
            redactor.learn("mac", _text(link.get("permanent")))
    directories = snapshot.get("folders")
    for path, names in (directories if isinstance(directories, dict) else {}).items():
        for name in _list(names) if path.startswith(DISKS) else []:
            redactor.learn(kind_of_name(path), name_in(name))
    for entry in _list(snapshot.get("commands")):
        if isinstance(entry, dict):
            _learn_from_command(redactor, entry)
    _learn_from_wmi(redactor, snapshot.get("wmi"))
    for kind, text in _strings_of_raw_tables(snapshot):
        redactor.learn(kind, text)
    _learn_what_is_collected(redactor, snapshot)


def learn_host(redactor: Redactor, name: object) -> None:
    """Note the name of a host, and its parts."""
    if isinstance(name, str):
        host, _, domain = name.strip().partition(".")
        redactor.learn("host", name)
        redactor.learn("host", host)
        redactor.learn("domain", domain)
        for label in domain.split(".")[:-1]:
            if label.lower() not in _OF_MANY_DOMAINS:
                redactor.learn("domain", label)


def learn_hash(redactor: Redactor, hardware_hash: HardwareHash | Mapping[str, str] | None) -> None:
    """Note the ids and digests of a hardware hash."""
    for name, value in hardware_hash.items() if hardware_hash is not None else ():
        if name == "hostname-info":
            learn_host(redactor, value)
        elif name == "ipaddress-info":
            _learn_address(redactor, value)
        else:
            redactor.learn(_KINDS.get(name, "digest"), value)


def kind_of_file(path: str) -> str:
    """Return the kind of id that the content of a file is, "" if it is none."""
    return _FILES.get(path.rpartition("/")[2], "")


def kind_of_name(directory: str) -> str:
    """Return what the names in a directory below /dev/disk are."""
    return "disk" if directory.rstrip("/").endswith(("by-id", "by-path")) else "fs"


def name_in(entry: object) -> str:
    """Return a name in a directory as a recording has it."""
    return str(entry.get("base64", "")) if isinstance(entry, dict) else str(entry)


def _learn_address(redactor: Redactor, address: str | None) -> None:
    redactor.learn("ip6" if ":" in (address or "") else "ip", address)


def _learn_from_command(redactor: Redactor, entry: dict[str, Any]) -> None:
    argv = [str(word) for word in _list(entry.get("argv"))]
    text = _text(entry.get("stdout")) or ""
    if "wmi" in " ".join(argv[:1]).lower() or "powershell" in " ".join(argv[:1]).lower():
        _learn_from_windows(redactor, " ".join(argv[1:]).lower(), decode_console(text.encode("utf-8", "surrogatepass")))
    elif argv[-1:] == [DISK_LINKS]:
        # The names are ids, and an explanation may name them without the listing.
        for line in text.split("\n"):
            head, arrow, _ = line.partition(" -> ")
            redactor.learn("fs", head.split()[-1] if arrow and head.split() else None)
    elif "ioreg" in " ".join(argv[:1]):
        values = parse_ioreg(text)
        redactor.learn("uuid", values.get("IOPlatformUUID"))
        redactor.learn("serial", values.get("IOPlatformSerialNumber"))
    else:
        _learn_from_table(redactor, parse_dmidecode(text))


def _learn_from_windows(redactor: Redactor, words: str, text: str) -> None:
    """Note what stands in the columns of wmic's tables; of JSON the labels say it."""
    of_the_computer = "computersystem " in words and "computersystemproduct" not in words
    for row in parse_wmic_table(text):
        for column, value in row.items():
            kind = "host" if of_the_computer and column.lower() == "name" else _COLUMNS.get(column.lower(), "")
            if kind:
                redactor.learn(kind, value)
    if of_the_computer:
        from fingerprint._core import JsonError, loads

        try:
            values = loads(text.encode("utf-8", "replace"))
        except JsonError:
            return
        redactor.learn("host", _text(values.get("Name")) if isinstance(values, dict) else None)


def _learn_from_wmi(redactor: Redactor, classes: object) -> None:
    """Note what identifies in the objects of WMI, by the names of their members."""
    for class_name, objects in (classes if isinstance(classes, dict) else {}).items():
        for one in _list(objects):
            for member, value in one.items() if isinstance(one, dict) else ():
                if class_name == "Win32_ComputerSystem" and member in ("Name", "DNSHostName"):
                    learn_host(redactor, value)
                elif kind := _COLUMNS.get(str(member).lower(), ""):
                    redactor.learn(kind, _text(value))


def _learn_from_table(redactor: Redactor, table: SmbiosTable) -> None:
    structures = (
        table.system, *table.baseboards, *table.chassis, *table.processors, *table.memory_devices, *table.further,
    )  # fmt: skip
    for structure in structures:
        if structure is not None:
            redactor.learn("serial", getattr(structure, "serial", None))
            redactor.learn("uuid", getattr(structure, "uuid", None))
            redactor.learn("asset", getattr(structure, "asset_tag", None))
    for strings in table.oem_strings:
        for text in strings:
            redactor.learn("oem", text)


def _strings_of_raw_tables(snapshot: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) of what identifies in the raw SMBIOS tables that a recording holds."""
    from base64 import b64decode

    from fingerprint._core import smbios_identifiers, smbios_identifiers_of_windows

    files = snapshot.get("files")
    table = files.get(SMBIOS_TABLE) if isinstance(files, dict) else None
    for entry, reader in ((table, smbios_identifiers), (snapshot.get("firmwareTable"), smbios_identifiers_of_windows)):
        if not isinstance(entry, dict):
            continue
        # A table that is valid UTF-8 by chance was recorded as text.
        encoded, text = _text(entry.get("base64")), _text(entry.get("text"))
        try:
            if encoded or text:
                yield from reader(b64decode(encoded) if encoded else (text or "").encode("utf-8"))
        except ValueError:
            # Nothing of it gets into the bundle, so nothing of it needs to be known.
            continue


def _learn_what_is_collected(redactor: Redactor, snapshot: dict[str, Any]) -> None:
    """Note the addresses in whatever form they were recorded, and the values that the hash is made of."""
    try:
        machine = RecordedMachine(snapshot)
        found = machine.addresses()
        for address in found.ipv4:
            _learn_address(redactor, address)
        for _, address in found.links:
            redactor.learn("mac", address)
    except (FingerprintError, OSError):
        # It has no addresses; its other ids are learnt by themselves.
        pass
    try:
        learn_hash(redactor, collect(RecordedMachine(snapshot)).hardware_hash)
    except FingerprintError:
        return


def _members(value: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the members of an object that are objects themselves."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        if isinstance(inner, dict):
            yield str(name), inner


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
