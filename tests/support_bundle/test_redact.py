"""Pseudonyms: nothing planted anywhere survives, equal stays equal, different stays different, and what helps stays."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from event_machines import CHANGES, before_and_after, board, machine, snapshot, windows
from fingerprint import HardwareHash, collect
from fingerprint._core import canonical_uuid, clean_serial
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.rules.ssm import match
from fingerprint.support_bundle.bundle import Known, bundle, redacted_snapshot
from fingerprint.support_bundle.identifiers import learn, learn_hash
from fingerprint.support_bundle.redact import Redactor
from shared import CORPUS, needs_corpus

# Shrinking thirty random values takes minutes, and the first ones show as much.
QUICK = settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
SERIAL = st.from_regex(r"\A[A-HJ-NP-Z]{2}[2-9A-HJ-NP-Z]{3,14}[2-9]\Z")
NAME = st.from_regex(r"\A[b-df-hj-np-tv-z]{4}[a-z0-9-]{1,9}[2-9]\Z")
MAC = st.from_regex(r"\A02(:[0-9a-f]{2}){5}\Z").filter(lambda mac: len(set(mac)) > 4)
UUID = st.uuids(version=4).map(str)
HEX = st.from_regex(r"\A[1-9a-f][0-9a-f]{31}\Z").filter(lambda text: len(set(text)) > 4)


class Planted:
    """Values of one machine, each of which identifies it, and a recording that has them in every place there is."""

    def __init__(self, draw: Any) -> None:
        def some(strategy: Any) -> str:
            return draw(strategy.filter(lambda text: all(text.lower() != v.lower() for v in self.values)))

        self.values: list[str] = []
        names = ("serial", "board", "chassis", "asset", "module", "disk", "oem", "tree", "battery", "hidden")
        for name in names:
            self.values.append(some(SERIAL))
            setattr(self, name, self.values[-1])
        for name, strategy in (("host", NAME), ("domain", NAME), ("user", NAME), ("mac", MAC), ("permanent", MAC),
                               ("uuid", UUID), ("fs", UUID), ("guid", UUID), ("id", HEX), ("wwn", HEX)):  # fmt: skip
            self.values.append(some(strategy))
            setattr(self, name, self.values[-1])
        self.ip = f"10.{draw(st.integers(1, 254))}.{draw(st.integers(1, 254))}.{draw(st.integers(1, 254))}"
        self.ip6 = f"2001:db8:{draw(st.integers(1, 9999))}::{draw(st.integers(1, 9999))}"
        self.values += [self.ip, self.ip6]

    def __getattr__(self, name: str) -> str:
        raise AttributeError(name)

    def source(self, make: Any = machine) -> Any:
        return make(
            serial=self.serial, board_serial=self.board, asset_tag=self.asset, machine_id=self.id, uuid=self.uuid,
            host=f"{self.host}.{self.domain}.example", ip=self.ip, guid=self.guid, tree_serial=self.tree,
            links=[("eno1", self.permanent, "pci")], modules=[(8192, "DIMM_A1", "NWD4-8G", self.module)],
            disks=[f"ata-NWSSD_960_{self.disk}", f"wwn-0x{self.wwn[:16]}"], filesystems=[self.fs],
        )  # fmt: skip

    def sentence(self) -> str:
        """Return all of it in a text without labels."""
        return (
            f"{self.host} ({self.host.upper()}.{self.domain}) has {self.ip}/24, {self.ip6}, {self.mac} "
            f"{self.permanent.replace(':', '-').upper()} {self.permanent.replace(':', '')}; {self.serial}/{self.board} "
            f"[{self.module}] {self.uuid.upper()} {self.uuid.replace('-', '')} {self.id} by-id/x_{self.disk}-part1 "
            f"0x{self.wwn[:16]} {self.asset}, {self.oem}: {self.fs}; {{{self.guid}}} {self.tree} {self.battery} "
            f"{self.chassis} {self.hidden}; C:\\Users\\{self.user}\\x /home/{self.user}/y {self.id[:4]}…{self.id[-4:]} "
            f"{self.permanent[:8]}:…:{self.permanent[-2:]}"
        )

    def commands(self) -> list[dict[str, Any]]:
        """Return commands whose outputs have it behind labels, in columns, in lists and in bytes."""
        dmidecode = (
            f"# dmidecode 3.3\n\nHandle 0x0300, DMI type 3, 21 bytes\nChassis Information\n\tType: Rack\n"
            f"\tSerial Number: {self.chassis}\n\tAsset Tag: {self.asset}\n\n"
            f"Handle 0x0B00, DMI type 11, 5 bytes\nOEM Strings\n\tString 1: {self.oem}\n\n"
            f"Handle 0x1600, DMI type 22, 26 bytes\nPortable Battery\n\tSBDS Serial Number: {self.battery}\n\n"
            f"Handle 0xDD00, DMI type 221, 12 bytes\nOEM-specific Type\n\tHeader and Data:\n\t\tDD 0C 00 DD\n"
            f"\tStrings:\n\t\t{self.hidden}\n\n"
        )
        ioreg = (
            f'+-o J1  <class IOPlatformExpertDevice, id 0x1>\n  | {{\n  |   "IOPlatformSerialNumber" = "{self.tree}"\n'
            f'  |   "IOPlatformUUID" = "{self.guid.upper()}"\n  | }}\n'
        )
        table = f"Manufacturer  SerialNumber{'':20}Version\r\r\nNorthwind     {self.battery:32}1.2.3\r\r\n"
        computer = f"Domain{'':20}Model     Name{'':20}PrimaryOwnerName{'':9}\r\r\n"
        computer += f"{self.domain + '.example':26}Rack 210  {self.host.upper()[:15]:24}{self.user:25}\r\r\n"
        wmic = r"C:\Windows\System32\wbem\wmic.exe"
        return [
            {"argv": ["/usr/sbin/dmidecode"], "returncode": 0, "stdout": dmidecode, "stderr": self.sentence()},
            {"argv": ["/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice"], "returncode": 0, "stdout": ioreg},
            {"argv": [wmic, "bios", "list", "brief"], "returncode": 0, "stdout": "".join(c + "\0" for c in table)},
            {"argv": [wmic, "computersystem", "list", "brief"], "returncode": 0, "stdout": computer},
            {
                "argv": ["/bin/x"],
                "returncode": 0,
                "stdout": json.dumps({"SerialNumber": self.hidden, "Owner": self.user}),
            },
        ]

    def recordings(self) -> list[dict[str, Any]]:
        """Return recordings of several systems with all of it planted."""
        found = []
        for make in (machine, board, windows):
            # Also on a board without it, so that no value stands in a sentence only.
            taken = deepcopy(snapshot({**self.source(make), "dmi": True}))
            # The system's own strings come first, and these behind them.
            taken["commands"] += self.commands()
            table = "/sys/firmware/dmi/tables/DMI"
            taken["files"].setdefault(table, {"text": self.serial})
            taken["files"].update({
                "/sys/block/sda/device/serial": {"text": f"  {self.disk}\n"},
                "/sys/block/nvme0n1/wwid": {"text": f"eui.{self.wwn[:16]}\n"},
                "/proc/device-tree/serial-number": {"text": f"{self.tree}\0"},
                "/opt/x": {"error": "EIO", "message": self.sentence()},
                "/opt/y": {"text": self.sentence()},
                f"/home/{self.user}/z": {},
            })  # fmt: skip
            taken.setdefault("folders", {})["/dev/disk/by-label"] = [self.fs, {"base64": "/w=="}]
            taken["defaultRoute"] = f"eno1 via {self.ip}"
            taken["addresses"]["links"].append(["eth9", self.mac])
            found.append(taken)
        other = deepcopy(found[0])
        other["addresses"] = {
            "ip": f"2: eth9: <UP>\n    link/ether {self.mac} brd ff:ff:ff:ff:ff:ff\n    inet {self.ip}/24 scope x\n"
            f"    inet6 {self.ip6}/64 scope global\n"
        }
        return [*found, other]


@st.composite
def planted(draw: Any) -> Planted:
    return Planted(draw)


def joined(files: dict[str, bytes]) -> str:
    # Also with zero bytes in between, as UTF-16 has them.
    return b"\n".join(files.values()).decode().replace("\\u0000", "")


@QUICK
@given(planted())
def test_no_planted_identifier_survives_redaction(found: Planted) -> None:
    for taken in found.recordings():
        known = Known()
        known.before = taken
        known.names = [("user", found.user)]
        known.hashes = [HardwareHash({"machine-id": found.id, "hostname-info": found.host, "x": "A" * 22 + "=="})]
        answers = {
            "free": lambda: [found.sentence(), {"text": found.sentence(), "deep": [[found.sentence()]]}],
            "fields": lambda: {f"f{number}": value for number, value in enumerate(found.values)},
        }
        text = joined(bundle(answers, taken, Redactor(), known)).lower()
        survived = [value for value in found.values if value.lower() in text]
        forms = (found.mac.replace(":", ""), found.permanent.replace(":", "-"), found.uuid.replace("-", ""),
                 f"{found.id[:4]}…{found.id[-4:]}", found.wwn[:16], found.host.upper()[:15])  # fmt: skip
        survived += [form for form in forms if form.lower() in text]
        where = [text[max(0, text.index(value.lower()) - 40) :][: 60 + len(value)] for value in survived]
        assert survived == [], where


@QUICK
@given(planted())
def test_a_value_has_one_pseudonym_in_every_place_and_form(found: Planted) -> None:
    taken = found.recordings()[0]
    redactor = Redactor()
    answers = {"fields": lambda: {f"f{n}": value for n, value in enumerate(found.values)},
               "free": lambda: [f"it is {value}, is it" for value in found.values]}  # fmt: skip
    files = bundle(answers, taken, redactor)
    fields = list(json.loads(files["fields.json"]).values())
    # Different values stay different.
    assert len(set(fields)) == len(fields)
    assert json.loads(files["free.json"]) == [f"it is {field}, is it" for field in fields]
    one = redactor.value
    assert one(found.permanent) == one(found.permanent.upper()) == one(found.permanent.replace(":", "-"))
    assert one(found.uuid) == one(found.uuid.upper() + "\n") == one(f"{{{found.uuid}}}").strip("{}")
    assert one(found.host) == one(found.host.upper())
    shown = json.loads(files["snapshot.json"])
    assert shown["files"]["/etc/machine-id"]["text"] == one(found.id)
    assert shown["files"]["/sys/block/sda/device/serial"]["text"] == one(found.disk)
    assert shown["addresses"]["links"][-1] == ["eth9", one(found.mac)]


WMIC = r"C:\Windows\System32\wbem\wmic.exe"
BIOS_TABLE = "Manufacturer  SerialNumber   Version\r\r\nNorthwind     SN4ME7788      1.2.3\r\r\n"
COMPUTER_TABLE = (
    "Domain        Model     Name       PrimaryOwnerName\r\r\nacme.example  Rack 210  PLANTED-7  Joe Bloggs\r\r\n"
)
CIM = '{\r\n  "Domain":  "acme.example",\r\n  "Name":  "PLANTED-7",\r\n  "PrimaryOwnerName":  "Joe Bloggs"\r\n}\r\n'
POWERSHELL = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"


@pytest.mark.parametrize(
    ("argv", "text", "values"),
    [
        ([WMIC, "bios", "list", "brief"], BIOS_TABLE, ["SN4ME7788"]),
        ([WMIC, "bios", "list", "brief"], "".join(c + "\0" for c in BIOS_TABLE), ["SN4ME7788"]),
        ([WMIC, "bios", "get", "/format:list"], "\r\r\nSerialNumber=SN4ME7788\r\r\n", ["SN4ME7788"]),
        ([WMIC, "computersystem", "list", "brief"], COMPUTER_TABLE, ["acme.example", "PLANTED-7", "Joe Bloggs"]),
        ([POWERSHELL, "Get-CimInstance -ClassName Win32_ComputerSystem | Select-Object Name"], CIM,
         ["acme.example", "PLANTED-7", "Joe Bloggs"]),
        (["/usr/bin/ls", "-l", "/dev/disk/by-uuid"],
         "total 0\nlrwxrwxrwx 1 root root 10 Nov 20 08:31 9A1B-77CC -> ../../sda1\n", ["9A1B-77CC"]),
        (["/usr/sbin/dmidecode"], "Handle 0x0100, DMI type 1, 27 bytes\nSystem Information\n\tSerial Number: NW77ABC9",
         ["NW77ABC9"]),
        (["/usr/sbin/ioreg"], '{\n  "IOPlatformSerialNumber" = "C02PLANT77"\n}\n', ["C02PLANT77"]),
    ],
)  # fmt: skip
def test_each_source_alone_yields_its_identifiers(argv: list[str], text: str, values: list[str]) -> None:
    """Found in what the command printed, and without any label in another file."""
    taken = {**snapshot(machine()), "commands": [{"argv": argv, "returncode": 0, "stdout": text}]}
    redacted = joined(bundle({"free": lambda: " and ".join(values)}, taken, Redactor()))
    assert [value for value in values if value.lower() in redacted.lower()] == []
    assert "Rack 210" in redacted or "Rack 210" not in text


def test_objects_of_wmi_yield_their_identifiers() -> None:
    values = ["acme.example", "PLANTED-7", "planted-seven", "Joe Bloggs", "SN4ME7788",
              "9F1C2D3E-4B5A-6978-8796-A5B4C3D2E1F0"]  # fmt: skip
    domain, name, dns, owner, serial, uuid = values
    wmi = {
        "Win32_ComputerSystem": [{"Domain": domain, "Name": name, "DNSHostName": dns, "PrimaryOwnerName": owner,
                                  "Model": "Rack 210"}],
        "Win32_BIOS": [{"SerialNumber": serial, "Version": "1.2.3"}],
        "Win32_ComputerSystemProduct": [{"UUID": uuid}], "Win32_DiskDrive": {"error": "EIO", "message": "no"},
    }  # fmt: skip
    redacted = joined(bundle({"free": lambda: " and ".join(values)}, {**snapshot(machine()), "wmi": wmi}, Redactor()))
    assert [value for value in values if value.lower() in redacted.lower()] == []
    assert "Rack 210" in redacted


def test_a_raw_table_is_left_out_in_every_form() -> None:
    taken = snapshot(machine())
    for entry in ({"text": "\1\4 HIDDEN77"}, {"base64": "SElEREVONzc="}):
        files = {"/sys/firmware/dmi/tables/DMI": entry}
        redacted = joined(bundle({}, {**taken, "files": files, "firmwareTable": entry}, Redactor()))
        assert "HIDDEN77" not in redacted
        assert "SElEREVONzc" not in redacted


@pytest.mark.parametrize("event", CHANGES)
def test_a_redacted_pair_of_recordings_gets_the_same_score(event: str) -> None:
    """What was equal is equal and what differed differs, also in the output that is hashed."""
    before, after = before_and_after(event)
    redactor = Redactor()
    for taken in (before, after):
        learn(redactor, taken)
    redactor.note([before, after])

    def score(old: dict[str, Any], new: dict[str, Any]) -> tuple[int, int, bool]:
        saved, now = collect(RecordedMachine(old)), collect(RecordedMachine(new))
        verdict = match(saved.hardware_hash, now.hardware_hash, 40, sid_key=now.sid_key)
        return verdict.matched, verdict.total, verdict.match

    redacted = [redacted_snapshot(taken, redactor) for taken in (before, after)]
    assert score(*redacted) == score(before, after)


def test_a_redacted_recording_can_still_be_played_back() -> None:
    taken = snapshot(machine())
    redactor = Redactor()
    learn(redactor, taken)
    played = collect(RecordedMachine(redacted_snapshot(taken, redactor)))
    assert played["hostname-info"].value.startswith("host-")
    assert all(str(a.status) == "present" for a in played)


def test_a_pseudonym_needs_the_key() -> None:
    one, other = Redactor(b"k" * 32), Redactor(b"l" * 32)
    assert one.pseudonym("ip", "10.0.0.1") == Redactor(b"k" * 32).pseudonym("ip", "10.0.0.1")
    assert one.pseudonym("ip", "10.0.0.1") != other.pseudonym("ip", "10.0.0.1")
    assert one.pseudonym("ip", "") == ""
    assert Redactor().pseudonym("ip", "10.0.0.1") != Redactor().pseudonym("ip", "10.0.0.1")


def test_two_values_never_get_the_same_pseudonym() -> None:
    """Six digits alone would give two of 30,000 values the same pseudonym."""
    redactor = Redactor(b"k" * 32)
    given_ = [redactor.pseudonym("serial", f"S{number}") for number in range(30_000)]
    assert len(set(given_)) == len(given_)
    assert max(map(len, given_)) > len("serial-") + 6
    assert given_ == [redactor.pseudonym("serial", f"S{number}") for number in range(30_000)]


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "::1", "0.0.0.0", "255.255.255.0", "ff:ff:ff:ff:ff:ff", "version 3.3.1.0.400", "Nov 20 08:31:22",
        "2026-11-24T00:00:00Z", "BIOS version 2.1.4.0 -> 2.4.0.1", "\tFirmware Revision: 1.0.0.14",
        "Serial Number: Not Specified", "\tSerial Number: To be filled by O.E.M.", "\tAsset Tag: None",
        "\tSize: 16384 MB", "\tManufacturer: 7F7FFE0000000000", "\tVersion: 0000000000000000", "\tPart Number: NWD4-8G",
        "\tID: 57 06 05 00 FF FB EB BF", "Domain: WORKGROUP", "0000:02:00.0", "Cannot open /dev/mem: Permission denied",
    ],
)  # fmt: skip
def test_what_identifies_nothing_stays(text: str) -> None:
    redactor = Redactor()
    learn(redactor, snapshot(machine()))
    assert redactor.text(text) == text


def test_strings_of_makers_are_replaced_in_their_section_only() -> None:
    text = (
        "Handle 0x0000, DMI type 0, 24 bytes\nBIOS Information\n\tVendor: NORTHWIND\n\tRelease Date: 07/01/2015\n\n"
        "Handle 0x0B00, DMI type 11, 5 bytes\nOEM Strings\n\tString 1: NORTHWIND\n\tString 2: 07/01/2015\n"
    )
    taken = {**snapshot(machine()), "commands": [{"argv": ["/usr/sbin/dmidecode"], "returncode": 0, "stdout": text}]}
    redacted = json.loads(bundle({}, taken, Redactor())["snapshot.json"])["commands"][0]["stdout"]
    assert "Vendor: NORTHWIND\n\tRelease Date: 07/01/2015" in redacted
    assert re.search(r"String 1: oem-\w{6}\n\tString 2: oem-\w{6}\n", redacted)


@needs_corpus
def test_redaction_of_real_machines_removes_ids_and_keeps_models() -> None:
    """Every dmidecode text of the corpus; what is no serial number at all ("Default string") may stay."""
    checked = kept = 0
    for path in sorted((CORPUS / "dmidecode-text").rglob("*")):
        text = path.read_text("utf-8", "replace") if path.is_file() else ""
        if "DMI type" not in text:
            continue
        command = {"argv": ["/usr/sbin/dmidecode"], "returncode": 0, "stdout": text}
        files = bundle({}, {**snapshot(machine()), "commands": [command]}, Redactor())
        redacted = json.loads(files["snapshot.json"])["commands"][0]["stdout"]
        for label, value in re.findall(r"(Serial Number|UUID|Asset Tag): *(\S.*?) *$", text, re.MULTILINE):
            if (clean_serial(value) if label != "UUID" else canonical_uuid(value)) and re.search(r"\d", value):
                checked += 1
                assert value.lower() not in redacted.lower(), (path.name, value)
        for label in ("Manufacturer", "Product Name", "Part Number", "Size", "Speed", "Vendor", "Release Date"):
            line = re.compile(rf"^\s*{label}:.*$", re.MULTILINE)
            assert line.findall(redacted) == line.findall(text), path.name
            kept += len(line.findall(text))
    assert checked > 200
    assert kept > 1000


def test_short_names_are_replaced_as_words_only() -> None:
    redactor = Redactor()
    learn(redactor, snapshot(machine(host="db")))
    redacted = redactor.text("hostname-info: db -> web; feedback of the db-server, doubtful")
    assert re.fullmatch(r"hostname-info: (host-\w{6}) -> web; feedback of the \1-server, doubtful", redacted)


def test_a_name_that_is_one_of_our_words_keeps_the_recording() -> None:
    for name in ("files", "serial", "linux", "error", "text"):
        taken = snapshot(machine(host=name))
        redactor = Redactor()
        learn(redactor, taken)
        redactor.note(taken)
        played = RecordedMachine(redacted_snapshot(taken, redactor))
        assert collect(played)["hostname-info"].value.startswith("host-")


def test_the_ends_of_a_saved_digest_are_gone_too() -> None:
    """Explanations shorten digests, and eight characters of one are enough to try values against."""
    redactor = Redactor()
    learn_hash(redactor, {"bios-hash": "Zk3vQ9x1mPq7Lr2sTu8w0A=="})
    assert "Zk3v" not in redactor.text("Zk3vQ9x1… -> Zk3v…0A==")


def test_a_malformed_recording_is_redacted_all_the_same() -> None:
    taken = snapshot(machine())
    cases: tuple[tuple[str, Any], ...] = (
        ("addresses", {"ipv4": "x", "links": [1]}), ("links", [{}]), ("folders", {"/dev/disk/by-id": {}}),
        ("hostName", {"error": "EIO", "message": ""}), ("firmwareTable", {"base64": "AAAA"}),
    )  # fmt: skip
    for name, value in cases:
        broken = {**taken, name: value}
        files = bundle({}, broken, Redactor())
        assert machine()["serial"] not in joined(files)
