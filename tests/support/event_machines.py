"""Machines before and after each event, as recorded sources: tables, output, directories and links, all made here."""

from __future__ import annotations

from base64 import b64encode
from copy import deepcopy
from typing import Any

from fingerprint.attributes.stable import VM_GENERATION_ID
from fingerprint.collectors.ssm_windows import VERSION_QUERY, commands
from fingerprint.collectors.wql import OPERATING_SYSTEM, STRUCTURES
from fingerprint.machine.wmi import powershell_path

Machine = dict[str, Any]

WINDOWS_DIRECTORY = r"C:\Windows"
_GROUPS = ("processor", "memory", "bios", "system")


def machine(**changes: Any) -> Machine:
    """Return the sources of a physical Linux server, with changes."""
    return {
        "platform": "linux", "machine_id": "5f0c7b3a9e1d4c6f8a2b4d6e8f0a1c3e", "host": "web-7", "ip": "10.1.4.20",
        "maker": "Northwind Inc.", "product": "Rack 210", "uuid": "8d2f4c1a-7b3e-4f60-9a55-c01dbeef4711",
        "serial": "NW2107X4", "board": "NB-210", "board_serial": "BX9982K7", "asset_tag": "",
        "bios": ("Northwind Inc.", "2.1.4", "03/15/2021"),
        "cpu": "Quadro Core Z9 @ 2.60GHz", "cpu_id": "57060500fffbebbf",
        "modules": [(8192, "DIMM_A1", "NWD4-8G", "4F10A2B3"), (8192, "DIMM_A2", "NWD4-8G", "4F10A2C9")],
        "tool": "3.3", "dmi": True,
        "links": [("eno1", "02:1c:42:00:00:07", "pci"), ("eno2", "02:1c:42:00:00:08", "pci")],
        "software_links": [], "disks": ["ata-NWSSD_960_S4711AB", "wwn-0x5002538e40a1b2c3"],
        "filesystems": ["0b1c2d3e-4f50-6172-8394-a5b6c7d8e9fa", "9A1B-2C3D"], "link_time": "Nov 20 08:31",
        "first_address": "", "tree_serial": "", "container": "", "guid": "", "windows_method": "wmic",
        "wmic": True, "lockdown": "", "generation": "",
        "kernel": "Linux 6.1.0", **changes,
    }  # fmt: skip


def virtual(**changes: Any) -> Machine:
    return machine(**{
        "maker": "VMware, Inc.", "product": "VMware7,1", "serial": "VMware-8d 2f 4c 1a 7b 3e", "board_serial": "None",
        "links": [("ens192", "00:50:56:9a:10:07", "pci")], "disks": [], **changes,
    })  # fmt: skip


def board(**changes: Any) -> Machine:
    return machine(**{"dmi": False, "tree_serial": "10000000a1b2c3d4", "disks": [], "product": "Berry Model 4",
                      "links": [("eth0", "dc:a6:32:01:02:03", "platform")], **changes})  # fmt: skip


def container(**changes: Any) -> Machine:
    return machine(**{"dmi": False, "container": "docker", "disks": [], "links": [],
                      "software_links": [("eth0", "02:42:ac:11:00:02")], "filesystems": [], **changes})  # fmt: skip


def lxc(**changes: Any) -> Machine:
    """Return a privileged LXC container: root in it can read the SMBIOS table of the host."""
    return container(**{"dmi": True, "container": "lxc", "software_links": [("eth0", "00:16:3e:01:02:03")], **changes})


def instance(**changes: Any) -> Machine:
    """Return an instance of a cloud, which writes its id into the asset tag of the board."""
    return virtual(**{
        "maker": "Amazon EC2", "product": "m5.large", "serial": "ec2d8d2f-4c1a-7b3e-4f60-9a55c01dbeef",
        "uuid": "ec2d8d2f-4c1a-7b3e-4f60-9a55c01dbeef", "asset_tag": "i-0a1b2c3d4e5f60718", "board": "Not Specified",
        "bios": ("Amazon EC2", "1.0", "10/16/2017"), "modules": [(8192, "Not Specified", "", "")],
        "links": [("eth0", "0a:ff:c3:01:02:03", "pci")], **changes,
    })  # fmt: skip


def windows(**changes: Any) -> Machine:
    return virtual(**{"platform": "windows", "guid": "c0ffee00-1111-4222-8333-444455556666",
                      "filesystems": [], **changes})  # fmt: skip


_COPY = {"uuid": "1f6e0d2b-3c4a-4958-b768-0a1b2c3d4e5f", "serial": "VMware-1f 6e 0d 2b 3c 4a", "ip": "10.1.4.77",
         "links": [("ens192", "00:50:56:9a:99:99", "pci")], "link_time": "Nov 24 10:00"}  # fmt: skip
_BOOTED = {"link_time": "Nov 24 10:00"}
_OTHER_HYPERVISOR = {
    "maker": "QEMU", "product": "Standard PC (Q35 + ICH9, 2009)", "uuid": "aa6e0d2b-3c4a-4958-b768-0a1b2c3d4e5f",
    "serial": "", "board": "", "bios": ("SeaBIOS", "1.16", "04/01/2014"), "cpu": "EPYC Virtual",
    "cpu_id": "110fa100fffb8b17",
    "modules": [(16384, "DIMM 0", "", "")], "links": [("ens18", "52:54:00:12:34:56", "virtio")],
    "link_time": "Nov 24 10:00",
}  # fmt: skip
_OTHER_MODEL = {
    "maker": "Tailwind Ltd.", "product": "Tower 40", "uuid": "aa6e0d2b-3c4a-4958-b768-0a1b2c3d4e5f",
    "serial": "TW88015K", "board": "TB-40", "board_serial": "TX7711P2",
    "bios": ("Tailwind Ltd.", "5.0.2", "01/20/2023"),
    "cpu": "Octo Core V3 @ 3.40GHz", "cpu_id": "71060900fffbebbf",
    "modules": [(16384, "DIMM 1", "TWD5-16G", "7A10A2B3")],
    "links": [("enp2s0", "02:1c:42:77:00:07", "pci")], "disks": ["nvme-TWNV_1T_T0099"], "ip": "10.9.0.7", **_BOOTED,
}  # fmt: skip


def kvm(**changes: Any) -> Machine:
    """Return a virtual machine of QEMU with a generation ID."""
    known = {"link_time": "Nov 20 08:31", "generation": "c81f5a2e7d4069b3e60b94d2175f3a88"}
    return virtual(**{**_OTHER_HYPERVISOR, **known, **changes})


_HARDWARE = {name: machine()[name] for name in ("maker", "product", "serial", "board_serial", "links")}

# Event -> (machine before, what is different after it).
CHANGES: dict[str, tuple[Machine, dict[str, Any]]] = {
    "agent-restart": (machine(), {}),
    "reboot": (machine(), _BOOTED),
    "time-zone": (machine(), {"link_time": "Nov 20  2025"}),
    "dhcp-lease": (machine(), {"ip": "10.9.0.7"}),
    "reboot-dhcp": (machine(), {"ip": "10.9.0.7", **_BOOTED}),
    "kernel-update": (machine(), {"kernel": "Linux 6.8.0", "ip": "10.9.0.7", **_BOOTED}),
    "tool-upgrade": (machine(), {"tool": "3.6", **_BOOTED}),
    "os-upgrade": (machine(), {"tool": "3.6", "ip": "10.9.0.7", **_BOOTED}),
    "tool-installed": (machine(tool=""), {"tool": "3.6", "ip": "10.9.0.7"}),
    "ram-added": (machine(), {"ip": "10.9.0.7", **_BOOTED, "modules": [
        (8192, "DIMM_A1", "NWD4-8G", "4F10A2B3"), (8192, "DIMM_A2", "NWD4-8G", "4F10A2C9"),
        (16384, "DIMM_B1", "NWD4-16G", "5A20C1D2")]}),
    "firmware-update": (machine(), {"bios": ("Northwind Inc.", "2.4.0", "11/02/2024"), "ip": "10.9.0.7", **_BOOTED}),
    "processor-replaced": (machine(), {"cpu": "Quadro Core Z11 @ 3.10GHz", "cpu_id": "57060600fffbebbf",
                                       "ip": "10.9.0.7", **_BOOTED}),
    "board-replaced": (machine(), {
        "uuid": "aa6e0d2b-3c4a-4958-b768-0a1b2c3d4e5f", "board_serial": "BX7711P2", "ip": "10.9.0.7", **_BOOTED,
        "links": [("eno1", "02:1c:42:77:00:07", "pci"), ("eno2", "02:1c:42:77:00:08", "pci")]}),
    "board-replaced-blank": (machine(), {
        "uuid": "aa6e0d2b-3c4a-4958-b768-0a1b2c3d4e5f", "serial": "To be filled by O.E.M.", "board_serial": "BX7711P2",
        "ip": "10.9.0.7", **_BOOTED,
        "links": [("eno1", "02:1c:42:77:00:07", "pci"), ("eno2", "02:1c:42:77:00:08", "pci")]}),
    "disk-moved": (machine(), {
        "uuid": "aa6e0d2b-3c4a-4958-b768-0a1b2c3d4e5f", "serial": "NW2107Y9", "board_serial": "BX7711P2",
        "modules": [(8192, "DIMM_A1", "NWD4-8G", "7A10A2B3"), (8192, "DIMM_A2", "NWD4-8G", "7A10A2C9")],
        "links": [("eno1", "02:1c:42:77:00:07", "pci"), ("eno2", "02:1c:42:77:00:08", "pci")], "ip": "10.9.0.7",
        **_BOOTED}),
    "image-on-other-model": (machine(), _OTHER_MODEL),
    "machine-id-regenerated": (machine(), {"machine_id": "ffeeddccbbaa99887766554433221100", **_BOOTED}),
    "reinstalled": (machine(), {"machine_id": "ffeeddccbbaa99887766554433221100", **_BOOTED,
                                "filesystems": ["c40d2d3e-4f50-6172-8394-a5b6c7d8e9fa", "77AA-88BB"]}),
    "backup-restored": (machine(), {"disks": ["ata-NWSSD_960_S9922CD", "wwn-0x5002538e40a1ffff"], **_BOOTED}),
    "nic-swap": (machine(), {"links": [("enp3s0", "02:1c:42:99:00:01", "pci")], "ip": "10.9.0.7", **_BOOTED}),
    "host-renamed": (machine(), {"host": "web-70"}),
    "docker-first": (machine(), {"software_links": [("docker0", "02:42:5e:11:22:33")], "first_address": "172.17.0.1"}),
    "disk-added": (machine(), {"filesystems": ["0b1c2d3e-4f50-6172-8394-a5b6c7d8e9fa", "9A1B-2C3D", "77AA-88BB"]}),
    # An old dmidecode reads /dev/mem, which lockdown closes; the kernel's copy of the table stays readable.
    "table-hidden": (machine(tool="2.12"), {"lockdown": "integrity", **_BOOTED}),
    "live-migration": (virtual(), {}),
    "cold-move": (virtual(), {"cpu": "Quadro Core Z11 @ 3.10GHz", "ip": "10.9.0.7", **_BOOTED}),
    "cold-resize": (virtual(modules=[(8192, "RAM slot #0", "", "")]), {
        "modules": [(16384, "RAM slot #0", "", "")], "ip": "10.9.0.7", **_BOOTED}),
    "cloud-stop-start": (instance(), {"cpu": "Quadro Core Z11 @ 3.10GHz", **_BOOTED}),
    "snapshot-reverted": (virtual(), {}),
    "generation-id-changed": (kvm(), {"generation": "5d3c1f9e0b7a48262f64d1c08e93ab57", **_BOOTED}),
    "vtpm-replaced": (virtual(), _BOOTED),
    "clone": (virtual(), _COPY),
    "clone-renamed": (virtual(), {**_COPY, "host": "web-8"}),
    "clone-new-id": (virtual(), {**_COPY, "host": "web-8", "machine_id": "00112233445566778899aabbccddeeff"}),
    "template-cloud-init": (virtual(modules=[(8192, "RAM slot #0", "", "")]), {
        **_COPY, "host": "web-8", "modules": [(16384, "RAM slot #0", "", "")]}),
    "vm-hardware-upgrade": (virtual(), {"uuid": "1a4c2f8d-3e7b-604f-9a55-c01dbeef4711",
                                        "bios": ("VMware, Inc.", "VMW71.00V", "07/09/2020"), **_BOOTED}),
    "cross-hypervisor-move": (virtual(), {**_OTHER_HYPERVISOR, "ip": "10.9.0.7"}),
    "cross-hypervisor-same-ip": (virtual(), _OTHER_HYPERVISOR),
    "container-recreated": (container(), {"host": "f00dcafe0815", "ip": "172.17.0.9",
                                          "software_links": [("eth0", "02:42:ac:11:00:09")]}),
    "container-without-id": (container(machine_id=""), {"host": "f00dcafe0815", "ip": "172.17.0.9",
                                                        "software_links": [("eth0", "02:42:ac:11:00:09")]}),
    "lxc-copied": (lxc(), {"host": "web-8", "ip": "10.1.4.77", "software_links": [("eth0", "00:16:3e:99:99:99")]}),
    "sd-card-copied": (board(), {"tree_serial": "10000000ffee0011", "ip": "10.9.0.7", **_BOOTED,
                                 "links": [("eth0", "dc:a6:32:aa:bb:cc", "platform")]}),
    "pi-replaced": (board(disks=["mmc-SD32G_0x5a1b2c3d"]), {
        "tree_serial": "10000000ffee0011", "ip": "10.9.0.7", **_BOOTED,
        "links": [("eth0", "dc:a6:32:aa:bb:cc", "platform")]}),
    "volatile-machine-id": (board(), {"machine_id": "ffeeddccbbaa99887766554433221100", **_BOOTED}),
    "wmic-to-cim": (windows(), {"windows_method": "cim"}),
    "server-2025-cim": (windows(wmic=False), {"windows_method": "cim"}),
    "recipe-to-wql": (windows(), {"windows_method": "wql"}),
    "recipe-to-wmic": (windows(windows_method="cim"), {"windows_method": "wmic"}),
    "type-ids-moved": (windows(windows_method="wql", failing_class="processor-hash"), {"failing_class": ""}),
    "domain-join": (windows(), {"domain": "corp.example"}),
    "windows-disk-added": (windows(), {"windows_disks": 2}),
    "windows-clone-new-uuid": (windows(), {**_COPY, "host": "WEB-8"}),
    "windows-unsysprepped": (windows(**_HARDWARE), {**_OTHER_MODEL, "windows_disks": 2}),
    "windows-clone-same-uuid": (windows(), {"ip": "10.9.0.7", "links": [("Ethernet", "00:50:56:9a:99:99", "pci")]}),
}  # fmt: skip


def before_and_after(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the snapshots of a machine before and after an event."""
    first, changes = CHANGES[name]
    return snapshot(first, "2026-11-01T00:00:00Z"), snapshot({**deepcopy(first), **changes}, "2026-11-24T12:00:00Z")


def snapshot(source: Machine, at: str = "2026-11-24T00:00:00Z") -> dict[str, Any]:
    """Return a machine as `fingerprint snapshot` would record it."""
    links = [*source["software_links"], *((name, address) for name, address, _ in source["links"])]
    taken: dict[str, Any] = {
        "schemaVersion": 1, "platform": source["platform"], "kernel": source["kernel"], "recordedAt": at,
        "hostName": source["host"], "files": {}, "folders": {}, "commands": [], "services": {},
        "addresses": {
            "ipv4": [address for address in (source["first_address"], source["ip"]) if address],
            "links": [list(link) for link in links], "source": "netlink",
        },
        "links": [
            *({"name": n, "address": a, "permanent": "", "bus": ""} for n, a in source["software_links"]),
            *({"name": n, "address": a, "permanent": a, "bus": bus} for n, a, bus in source["links"]),
        ],
        "outgoingAddress": source["ip"],
    }  # fmt: skip
    if source["platform"] == "windows":
        return _windows(taken, source)
    files = taken["files"]
    if source["machine_id"]:
        files["/etc/machine-id"] = {"text": source["machine_id"] + "\n"}
    if source["dmi"]:
        files["/sys/firmware/dmi/tables/DMI"] = {"base64": b64encode(smbios_table(source)).decode()}
    if source["tree_serial"]:
        files["/proc/device-tree/serial-number"] = {"text": source["tree_serial"] + "\0"}
        files["/proc/device-tree/model"] = {"text": source["product"] + "\0"}
    if source["container"] == "docker":
        files["/.dockerenv"] = {"text": ""}
    elif source["container"]:
        files["/run/systemd/container"] = {"text": source["container"]}
    if source["lockdown"]:
        taken["takenBy"] = {"uid": 0, "asAgent": True, "rawIo": True}
        files["/sys/kernel/security/lockdown"] = {"text": f"none [{source['lockdown']}] confidentiality\n"}
    if source["generation"]:
        files[VM_GENERATION_ID] = {"base64": b64encode(generation_page(source["generation"])).decode()}
    files["/usr/bin/ls"] = {}
    taken["folders"]["/dev/disk/by-uuid"] = list(source["filesystems"])
    taken["folders"]["/dev/disk/by-id"] = list(source["disks"])
    files["/dev/disk/by-uuid"] = {}
    taken["commands"] = [_dmidecode(source, group) for group in _GROUPS]
    taken["commands"].append({
        "argv": ["/usr/bin/ls", "-l", "/dev/disk/by-uuid"], "returncode": 0, "stdout": listing(source), "seconds": 0.01
    })  # fmt: skip
    return taken


def generation_page(digits: str) -> bytes:
    """Return the page with the generation ID that QEMU gives to a guest: its 16 bytes are at 40 of 4096."""
    return bytes(40) + bytes.fromhex(digits) + bytes(4096 - 56)


def _dmidecode(source: Machine, group: str) -> dict[str, Any]:
    argv = ["/usr/sbin/dmidecode", "-t", group]
    if not source["tool"]:
        return {"argv": argv, "problem": "not-found"}
    if not source["dmi"]:
        return {"argv": argv, "returncode": 1, "stdout": "", "stderr": "/dev/mem: No such file or directory\n"}
    if source["lockdown"]:
        return {"argv": argv, "returncode": 1, "stdout": "", "stderr": "/dev/mem: Operation not permitted\n"}
    return {"argv": argv, "returncode": 0, "stdout": dmidecode_text(source, group), "seconds": 0.02}


def listing(source: Machine) -> str:
    lines = [
        f"lrwxrwxrwx 1 root root 10 {source['link_time']} {uuid} -> ../../sda{i}"
        for i, uuid in enumerate(source["filesystems"], 1)
    ]
    return "total 0\n" + "".join(line + "\n" for line in lines)


def dmidecode_text(source: Machine, group: str) -> str:
    """Return the output of dmidecode for one group; written here, in its format."""
    head = f"# dmidecode {source['tool']}\nGetting SMBIOS data from sysfs.\nSMBIOS 3.2.0 present.\n"
    blocks = []
    if group == "processor":
        raw = " ".join(source["cpu_id"][i : i + 2].upper() for i in range(0, 16, 2))
        blocks.append((4, 48, "Processor Information", [
            ("Socket Designation", "CPU1"), ("Type", "Central Processor"), ("ID", raw), ("Version", source["cpu"]),
            ("Current Speed", "2600 MHz"), ("Status", "Populated, Enabled")]))  # fmt: skip
    elif group == "memory":
        for size, slot, part, serial in source["modules"]:
            blocks.append((17, 40, "Memory Device", [
                ("Size", f"{size} MB"), ("Form Factor", "DIMM"), ("Locator", slot), ("Type", "DDR4"),
                ("Speed", "2666 MT/s"), ("Serial Number", serial or "Not Specified"),
                ("Part Number", part or "Not Specified")]))  # fmt: skip
    elif group == "bios":
        vendor, version, date = source["bios"]
        blocks.append((0, 26, "BIOS Information", [("Vendor", vendor), ("Version", version), ("Release Date", date)]))
    else:
        blocks.append((1, 27, "System Information", [
            ("Manufacturer", source["maker"]), ("Product Name", source["product"]), ("Version", "Not Specified"),
            ("Serial Number", source["serial"] or "Not Specified"), ("UUID", source["uuid"])]))  # fmt: skip
    text = head
    for number, (kind, length, title, fields) in enumerate(blocks):
        text += f"\nHandle 0x{kind << 8 | number:04X}, DMI type {kind}, {length} bytes\n{title}\n"
        text += "".join(f"\t{label}: {value}\n" for label, value in fields)
    return text + "\n"


def smbios_table(source: Machine) -> bytes:
    """Return a raw SMBIOS 3.2 table with the values of a source."""

    def structure(kind: int, length: int, fields: dict[int, bytes | str]) -> bytes:
        body, strings = bytearray(length - 4), []
        for offset, value in fields.items():
            if isinstance(value, str):
                strings += [value] if value else []
                value = bytes([len(strings) if value else 0])
            body[offset - 4 : offset - 4 + len(value)] = value
        head = bytes([kind, length]) + (kind << 8).to_bytes(2, "little")
        return head + bytes(body) + (b"".join(text.encode() + b"\0" for text in strings) or b"\0") + b"\0"

    digits = bytes.fromhex(source["uuid"].replace("-", ""))
    uuid = digits[3::-1] + digits[5:3:-1] + digits[7:5:-1] + digits[8:]
    vendor, version, date = source["bios"]
    table = structure(0, 26, {4: vendor, 5: version, 8: date})
    table += structure(1, 27, {4: source["maker"], 5: source["product"], 7: source["serial"], 8: uuid})
    if source["board"]:
        table += structure(
            2, 15, {4: source["maker"], 5: source["board"], 7: source["board_serial"], 8: source["asset_tag"]}
        )
    table += structure(4, 48, {8: bytes.fromhex(source["cpu_id"]), 0x10: source["cpu"], 0x18: b"\x41"})
    for size, slot, part, serial in source["modules"]:
        table += structure(
            17, 40, {0x0C: size.to_bytes(2, "little"), 0x10: slot, 0x12: b"\x1a", 0x18: serial, 0x1A: part}
        )
    return table + structure(127, 4, {})


# Recipe -> an agent that uses it, on the same Windows.
_AGENTS = {"wmic": "3.3.987.0", "cim": "3.3.1142.0", "wql": "3.3.1345.0"}


def _windows(taken: dict[str, Any], source: Machine) -> dict[str, Any]:
    method = source["windows_method"]
    table = smbios_table(source)
    header = bytes([0, 3, 2, 0]) + len(table).to_bytes(4, "little")
    values = {
        "uuid": source["uuid"], "processor-hash": source["cpu"], "memory-hash": str(source["modules"]),
        "bios-hash": str(source["bios"]), "system-hash": f"{source['serial']} {source.get('domain', '')}",
        "disk-info": str(source.get("windows_disks", 1)),
    }  # fmt: skip
    keys = {name: "UUID" if name == "uuid" else "Value" for name in values}
    argv = [powershell_path(WINDOWS_DIRECTORY), VERSION_QUERY]
    taken["commands"] = [{"argv": argv, "returncode": 0, "stdout": "\r\nVersion : 10.0.26100\r\n\r\n", "seconds": 0.3}]
    outputs = (
        (False, lambda name: f"{keys[name]:38}\r\r\n{values[name]:38}\r\r\n\r\r\n"),
        (True, lambda name: f'{{\r\n    "{keys[name]}":  "{values[name]}"\r\n}}\r\n'),
    )
    for as_json, text in outputs:
        taken["commands"] += [
            {"argv": list(argv), "returncode": 0, "stdout": text(name), "seconds": 0.2}
            for argv, name in zip(commands(WINDOWS_DIRECTORY, as_json), values, strict=True)
        ]
    if not source["wmic"]:
        for command in taken["commands"]:
            if command["argv"][0].endswith("wmic.exe"):
                command.update(problem="not-found")
    classes: dict[str, Any] = {
        OPERATING_SYSTEM[0]: [{"Caption": "Windows Server", "OperatingSystemSKU": 7, "Version": "10.0.26100"}]
    }
    for name, (class_name, members) in STRUCTURES.items():
        # The first string of an object has the value.
        first = next(member for member, bits in members if not bits)
        classes[class_name] = [{member: values[name] if member == first else None for member, _ in members}]
        if source.get("failing_class") == name:
            classes[class_name] = {"error": "EIO", "message": "WMI answers 80041010"}
    return {**taken, "kernel": "Windows", "services": {"Winmgmt": "running"}, "windowsFolder": WINDOWS_DIRECTORY,
            "wmi": classes, "agentVersion": _AGENTS[method],
            "firmwareTable": {"base64": b64encode(header + table).decode()}, "machineGuid": source["guid"]}  # fmt: skip
