"""Scheme `ssm`: values to the byte, and the truth about how each was read."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from fingerprint import collect
from fingerprint.attributes.ssm import CATALOGUE, attributes_of, row_of, sid_key
from fingerprint.errors import CollectError
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.service_environment import parse_locale, service_locale
from fingerprint.testing.machines import MACHINE_ID, unix_machine, unix_snapshot
from fingerprint.types import Status
from nobody import NOBODY, as_user
from paths import DOCS
from shared import CORPUS, needs_corpus

UNIX = (
    "machine-id", "processor-hash", "memory-hash", "bios-hash", "system-hash",
    "hostname-info", "ipaddress-info", "macaddr-info", "disk-info",
)  # fmt: skip
OF_NOTHING = "1B2M2Y8AsgTpgAmY7PhCfg=="
GROUPS = ("processor", "memory", "bios", "system")


def digest(data: bytes) -> str:
    return b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def with_dmidecode(**changes: Any) -> RecordedMachine:
    """Return a machine whose four dmidecode commands all answer with these fields."""
    snapshot = unix_snapshot()
    for command in snapshot["commands"]:
        if "dmidecode" in command["argv"][0]:
            if "stdoutBase64" in changes:
                del command["stdout"]
            command.update(changes)
    return RecordedMachine(snapshot)


@pytest.mark.parametrize("platform", ["linux", "macos", "freebsd", "openbsd", "netbsd", "dragonfly"])
def test_every_unix_has_the_same_nine_attributes(platform: str) -> None:
    collection = collect(unix_machine(platform=platform))
    assert tuple(a.name for a in collection) == UNIX
    assert collection.sid_key == "machine-id"
    assert collection.platform == platform


def test_raw_values_keep_every_byte() -> None:
    collection = collect(unix_machine(machine_id="ab\n", host_name="Web-7.Example"))
    assert collection["machine-id"].value == "ab\n"
    assert collection["hostname-info"].value == "Web-7.Example"
    assert collection["ipaddress-info"].value == "192.0.2.2"
    assert collection["macaddr-info"].value == "a2:99:21:33:46:45"


def test_the_output_of_a_command_is_hashed_as_it_stands() -> None:
    collection = collect(unix_machine(dmi="box", disk="total 0\n"))
    printed = next(c["stdout"] for c in unix_snapshot(dmi="box")["commands"] if c["argv"][-1] == "bios")
    assert printed.startswith("# dmidecode 3.4\nbox bios\n")
    assert collection["bios-hash"].value == digest(printed.encode())
    assert collection["disk-info"].value == digest(b"total 0\n")
    assert collection["bios-hash"].status == Status.PRESENT
    assert collection["bios-hash"].tool == "dmidecode 3.4"
    assert collection["bios-hash"].source == "/usr/sbin/dmidecode -t bios"


def test_output_that_is_no_utf_8_is_hashed_all_the_same() -> None:
    assert collect(with_dmidecode(stdoutBase64="//4K", returncode=0))["bios-hash"].value == digest(b"\xff\xfe\n")


def test_a_command_that_failed_gives_nothing_even_if_it_printed() -> None:
    attribute = collect(with_dmidecode(stdout="text", returncode=2, stderr="oh\nno"))["bios-hash"]
    assert attribute.value == ""
    assert attribute.status == Status.FAILED
    assert attribute.reason == "exit code 2: oh no"


def test_command_without_output_gives_the_digest_of_nothing() -> None:
    attribute = collect(with_dmidecode(stdout="", returncode=0))["bios-hash"]
    assert (attribute.value, attribute.status) == (OF_NOTHING, Status.ABSENT)
    assert attribute.silent


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"stderr": "/dev/mem: No such file or directory"}, "absent", "no SMBIOS table"),
        ({"stdout": "# No SMBIOS nor DMI entry point found, sorry.\n"}, "absent", "no SMBIOS table"),
        ({"stderr": "/dev/mem: Permission denied"}, "denied", "only root can read"),
        ({"stderr": "/dev/mem: Operation not permitted"}, "denied", "only root can read"),
        ({"returncode": None, "problem": "not-found"}, "absent", "not installed"),
        ({"returncode": None, "problem": "denied"}, "denied", "no permission to run"),
        ({"returncode": None, "problem": "timeout"}, "failed", "no answer within"),
        ({"returncode": None, "problem": "too-long"}, "failed", "more than 1 MiB"),
        ({"returncode": None, "problem": "failed", "stderr": "Exec format error"}, "failed", "Exec format error"),
        ({"returncode": -11}, "failed", "signal 11"),
        ({"returncode": 1, "stderr": ""}, "failed", "exit code 1"),
    ],
)
def test_reason_of_a_failed_command(changes: dict[str, Any], status: str, reason: str) -> None:
    attribute = collect(with_dmidecode(**{"stdout": "", "stderr": "", "returncode": 1, **changes}))["memory-hash"]
    assert (attribute.value, attribute.status) == ("", status)
    assert reason in attribute.reason


def test_first_machine_id_file_decides_if_empty_or_unreadable() -> None:
    """As in the reference: only a first file that does not exist leads to the second one."""
    snapshot = unix_snapshot(machine_id="")
    snapshot["files"]["/var/lib/dbus/machine-id"] = {"text": "second\n"}
    assert collect(RecordedMachine(snapshot))["machine-id"].status == Status.ABSENT
    snapshot["files"]["/etc/machine-id"] = {"error": "EACCES", "message": "Permission denied"}
    denied = collect(RecordedMachine(snapshot))["machine-id"]
    assert (denied.value, denied.status, denied.reason) == ("", Status.DENIED, "Permission denied")
    del snapshot["files"]["/etc/machine-id"]
    second = collect(RecordedMachine(snapshot))["machine-id"]
    assert (second.value, second.source) == ("second\n", "/var/lib/dbus/machine-id")
    del snapshot["files"]["/var/lib/dbus/machine-id"]
    assert collect(RecordedMachine(snapshot))["machine-id"].status == Status.ABSENT


def test_uninitialized_machine_id_is_taken_as_by_the_reference() -> None:
    assert collect(unix_machine(machine_id="uninitialized\n"))["machine-id"].value == "uninitialized\n"


@pytest.mark.parametrize("name", ["machine-id", "hostname-info"])
def test_values_that_are_no_utf_8_are_failed_ones(name: str) -> None:
    snapshot = unix_snapshot()
    if name == "machine-id":
        snapshot["files"]["/etc/machine-id"] = {"base64": "//49/wo="}
    else:
        snapshot["hostName"] = {"error": "EILSEQ", "message": "not valid UTF-8"}
    attribute = collect(RecordedMachine(snapshot))[name]
    assert (attribute.value, attribute.status, attribute.reason) == ("", Status.FAILED, "not valid UTF-8")


def test_missing_addresses_are_absent_and_unreadable_ones_failed() -> None:
    collection = collect(unix_machine(ip="", mac=""))
    assert [collection[n].status for n in ("ipaddress-info", "macaddr-info")] == [Status.ABSENT, Status.ABSENT]
    snapshot = unix_snapshot()
    snapshot["addresses"] = {"error": "EACCES", "message": "Permission denied"}
    collection = collect(RecordedMachine(snapshot))
    assert [collection[n].status for n in ("ipaddress-info", "macaddr-info")] == [Status.DENIED, Status.DENIED]


def test_missing_directory_of_disks_is_absent_in_every_language() -> None:
    snapshot = unix_snapshot()
    for command in snapshot["commands"]:
        if command["argv"][0].endswith("ls"):
            command["stderr"] = "ls: Zugriff auf '/dev/disk/by-uuid' nicht möglich: Datei nicht gefunden"
    assert collect(RecordedMachine(snapshot))["disk-info"].status == Status.ABSENT
    snapshot["files"]["/dev/disk/by-uuid"] = {}
    assert collect(RecordedMachine(snapshot))["disk-info"].status == Status.FAILED


def test_board_without_dmi_has_five_attributes_and_four_reasons() -> None:
    """A Raspberry Pi, or a container: dmidecode finds no table, or is not there at all."""
    for changes in ({"stderr": "/dev/mem: No such file or directory"}, {"returncode": None, "problem": "not-found"}):
        collection = collect(with_dmidecode(**changes))
        assert [a.name for a in collection if a.value] == [
            "machine-id", "hostname-info", "ipaddress-info", "macaddr-info",
        ]  # fmt: skip
        assert collection.unreadable == ()
        assert all(a.reason for a in collection if not a.value)


def test_mac_lacks_machine_id_dmidecode_and_disk_links() -> None:
    snapshot = unix_snapshot(machine_id=None, platform="macos", host_name="mac.local")
    snapshot["kernel"] = "Darwin 23.5.0"
    for command in snapshot["commands"]:
        if "dmidecode" in command["argv"][0]:
            command.update(returncode=None, problem="not-found")
    collection = collect(RecordedMachine(snapshot))
    assert {a.name for a in collection if not a.value} == set(UNIX) - {
        "hostname-info", "ipaddress-info", "macaddr-info",
    }  # fmt: skip
    assert all(a.status == Status.ABSENT for a in collection if not a.value)
    assert collection["hostname-info"].source == "kern.hostname"


def test_attribute_has_source_and_duration_the_hash_its_value() -> None:
    collection = collect(unix_machine())
    assert all(a.source and a.seconds >= 0 for a in collection)
    assert dict(collection.hardware_hash) == {a.name: a.value for a in collection}


@needs_corpus
@pytest.mark.parametrize(
    "machine",
    sorted(p.name for p in (CORPUS / "smbios").iterdir() if p.is_dir()) if CORPUS.is_dir() else [],
)
def test_the_recorded_digests_of_real_machines_by_a_real_process(machine: str, tmp_path: Path) -> None:
    """A stub of dmidecode prints what dmidecode printed for the table of that machine."""
    golden = CORPUS / "smbios" / machine / "golden"
    expected = json.loads((CORPUS / "smbios" / "manifest.json").read_text())
    [entry] = [e for e in expected if e["name"] == machine]
    stub = tmp_path / "dmidecode"
    stub.write_text(f'#!/bin/sh\nexec cat "{golden}/$2.txt"\n')
    stub.chmod(0o755)
    collection = collect(LiveMachine(executables={"/usr/sbin/dmidecode": str(stub)}), timeout=60)
    for group in GROUPS:
        text = (golden / f"{group}.txt").read_bytes()
        assert hashlib.sha256(text).hexdigest() == entry["sha256"][group]
        attribute = collection[f"{group}-hash"]
        assert attribute.value == digest(text)
        assert attribute.tool == "dmidecode 3.4"


@needs_corpus
def test_all_43_real_machines_were_tried() -> None:
    assert len(json.loads((CORPUS / "smbios" / "manifest.json").read_text())) == 43


def test_this_machine_is_collected_as_its_own_tools_print_it() -> None:
    """The live collection against the same commands run one after another by hand."""
    collection = collect(timeout=60)
    for attribute in collection:
        if not attribute.source.startswith("/usr/sbin/dmidecode"):
            continue
        words = attribute.source.split()
        if not os.path.exists(words[0]):
            assert attribute.status == Status.ABSENT
            continue
        done = subprocess.run(words, capture_output=True, check=False, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        assert attribute.value == (digest(done.stdout) if done.returncode == 0 else "")
    assert collection["hostname-info"].value == os.uname().nodename
    if os.path.exists("/etc/machine-id"):
        assert collection["machine-id"].value == Path("/etc/machine-id").read_text()


def test_hanging_tool_costs_its_time_limit_only(tmp_path: Path) -> None:
    stub = tmp_path / "dmidecode"
    stub.write_text('#!/bin/sh\n[ "$2" = bios ] && sleep 60 & wait\nexit 0\n')
    stub.chmod(0o755)
    collection = collect(LiveMachine(executables={"/usr/sbin/dmidecode": str(stub)}), timeout=0.5)
    assert collection["bios-hash"].status == Status.FAILED
    assert "no answer within 0.5 s" in collection["bios-hash"].reason
    assert collection["memory-hash"].value == OF_NOTHING
    assert collection.seconds < 5


def test_copied_disk_gives_its_files_and_nothing_of_this_host(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "machine-id").write_text("other\n")
    collection = collect(LiveMachine(root=str(tmp_path)))
    assert collection["machine-id"].value == "other\n"
    for name in UNIX[1:]:
        assert collection[name].status == Status.FAILED, name
        assert "copied disk" in collection[name].reason


def test_links_of_a_copied_disk_do_not_lead_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "var" / "lib").mkdir(parents=True)
    (tmp_path / "var" / "lib" / "id").write_text("inside\n")
    (tmp_path / "etc" / "machine-id").symlink_to("/var/lib/id")
    assert collect(LiveMachine(root=str(tmp_path)))["machine-id"].value == "inside\n"
    (tmp_path / "etc" / "machine-id").unlink()
    (tmp_path / "etc" / "machine-id").symlink_to("../../../../../../var/lib/id")
    assert collect(LiveMachine(root=str(tmp_path)))["machine-id"].value == "inside\n"
    (tmp_path / "etc" / "machine-id").unlink()
    (tmp_path / "etc" / "machine-id").symlink_to("machine-id")
    assert collect(LiveMachine(root=str(tmp_path)))["machine-id"].status == Status.ABSENT
    (tmp_path / "var" / "lib" / "dbus").mkdir()
    (tmp_path / "var" / "lib" / "dbus" / "machine-id").write_text("of D-Bus\n")
    assert collect(LiveMachine(root=str(tmp_path)))["machine-id"].value == "of D-Bus\n"


@pytest.mark.parametrize("kind", ["fifo", "directory", "long"])
def test_machine_id_that_is_not_a_small_file_fails_at_once(kind: str, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    path = tmp_path / "etc" / "machine-id"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.write_text("x" * 70_000)
    attribute = collect(LiveMachine(root=str(tmp_path)))["machine-id"]
    assert attribute.status == Status.FAILED
    assert attribute.reason


@pytest.mark.skipif(os.geteuid() != 0, reason="to lose a permission one must have it")
def test_machine_id_in_a_closed_directory_is_denied_not_absent(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "machine-id").write_text("hidden\n")
    (tmp_path / "etc").chmod(stat.S_IRWXU)
    probe = """
from fingerprint import collect
from fingerprint.machine.live import LiveMachine
print(collect(LiveMachine(root=sys.argv[1]))["machine-id"].status)
"""
    tmp_path.chmod(0o755)
    done = as_user(NOBODY, probe, str(tmp_path))
    assert done.stdout.strip() == "denied", done


def test_the_locale_of_services_is_taken_and_nothing_else() -> None:
    text = 'LANG="de_DE.UTF-8"\n# comment\nLC_TIME=C\nPATH=/evil\nLANGUAGE=de:en\nLC_ALL=$(id)\nLD_PRELOAD=x\n'
    assert parse_locale(text) == {"LANG": "de_DE.UTF-8", "LC_TIME": "C", "LANGUAGE": "de:en"}


def test_the_locale_comes_from_the_files_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "etc" / "default").mkdir(parents=True)
    assert service_locale(LiveMachine(root=str(tmp_path))) == {}
    (tmp_path / "etc" / "default" / "locale").write_text("LANG=fr_FR.UTF-8\n")
    assert service_locale(LiveMachine(root=str(tmp_path))) == {}
    # Only what Debian made reads it.
    (tmp_path / "etc" / "debian_version").write_text("12.5\n")
    assert service_locale(LiveMachine(root=str(tmp_path))) == {"LANG": "fr_FR.UTF-8"}
    (tmp_path / "etc" / "locale.conf").write_text("LANG=C.UTF-8\n")
    assert service_locale(LiveMachine(root=str(tmp_path))) == {"LANG": "C.UTF-8"}


def test_windows_service_that_never_starts_fails_the_collection() -> None:
    snapshot = unix_snapshot(platform="windows")
    snapshot["services"] = {"Winmgmt": "stopped"}
    machine = RecordedMachine(snapshot)
    with pytest.raises(CollectError, match="did not reach the state running"):
        collect(machine)
    assert machine.monotonic() == 75


def test_catalogue_and_collection_agree() -> None:
    assert attributes_of("linux") == UNIX
    assert attributes_of("windows") == ("uuid", *UNIX[1:])
    assert [sid_key(p) for p in ("linux", "macos", "windows")] == ["machine-id", "machine-id", "uuid"]
    collection = collect(unix_machine())
    for row in CATALOGUE:
        assert row.meaning
        assert row.caveat
        assert row_of(row.name) is row
        if row.unix and "/" in row.unix and row.name == "machine-id":
            assert collection[row.name].source in row.unix
        elif row.unix.startswith(("dmidecode", "ls")):
            assert collection[row.name].source.endswith(row.unix)
    assert row_of("serial") is None


def test_documentation_lists_every_attribute_with_its_sources() -> None:
    text = (DOCS / "attributes.md").read_text()
    for row in CATALOGUE:
        [line] = [line for line in text.splitlines() if line.startswith(f"| `{row.name}` |")]
        for cell in (row.meaning, row.unix or "-", row.windows or "-", row.caveat):
            assert cell in line


def test_a_recorded_machine_id_is_what_is_collected() -> None:
    assert collect(unix_machine())["machine-id"].value == MACHINE_ID
