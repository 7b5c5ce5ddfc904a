"""The sources of scheme `stable`, one by one, on recorded machines: what counts, and what must not."""

from __future__ import annotations

import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from event_machines import container, machine, smbios_table, snapshot, windows
from fingerprint import collect
from fingerprint.errors import SnapshotError
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.rules.stable import decide
from fingerprint.types import Collection, Status
from shared import CORPUS, needs_corpus

TABLE = "/sys/firmware/dmi/tables/DMI"
ROOT = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="namespaces and bind mounts need root")


def read(taken: dict[str, Any]) -> Collection:
    return collect(RecordedMachine(taken), scheme="stable")


def changed(taken: dict[str, Any], **changes: Any) -> set[str]:
    """Return the attributes that differ from the usual machine's."""
    usual, other = read(snapshot(machine(**changes))), read(taken)
    return {a.name for a in usual if other[a.name].value != a.value}


def test_usual_machine_has_every_attribute_that_it_can_have() -> None:
    found = read(snapshot(machine()))
    absent = {a.name for a in found if a.status != Status.PRESENT}
    assert absent == {"chassis-serial", "cloud-instance", "vm-generation-id"}
    assert (found.scheme, found.sid_key) == ("stable", "machine-id")
    assert found["hypervisor"].value == "none"


def test_what_does_not_identify_changes_nothing() -> None:
    """Another tool, other link times, another order of interfaces and disks, docker, another kernel."""
    other = machine(
        tool="3.6", link_time="Nov 24  2025", kernel="Linux 9.9", software_links=[("docker0", "02:42:1:2:3:4")]
    )
    taken = snapshot(other)
    taken["links"].reverse()
    for names in taken["folders"].values():
        names.reverse()
    assert changed(taken) == set()


def test_only_interfaces_with_hardware_behind_them_count() -> None:
    """And of those on USB none where there are others; but a board whose own one is on USB is known by it."""
    with_stick = snapshot(machine(links=[*machine()["links"], ("enx1", "00:e0:4c:68:00:01", "usb")]))
    assert changed(with_stick) == set()
    on_usb = read(snapshot(machine(links=[("eth0", "b8:27:eb:01:02:03", "usb")])))
    assert on_usb["mac-addresses"].status == Status.PRESENT
    none = read(snapshot(machine(links=[], software_links=[("tun0", "02:42:01:02:03:04")])))
    assert none["mac-addresses"].status == Status.ABSENT


@pytest.mark.parametrize(("port", "differs"), [("00:02:c9:03:00:4e:5f:a1", False), ("00:02:c9:03:00:4e:5f:a2", True)])
def test_of_infiniband_only_the_port_counts(port: str, differs: bool) -> None:
    """The driver makes the first 4 of 20 bytes at each start."""
    before, now = (
        [("ib0", f"80:00:02:{made}:fe:80:00:00:00:00:00:00:{end}", "pci")]
        for made, end in (("08", "00:02:c9:03:00:4e:5f:a1"), ("49", port))
    )
    first, second = (read(snapshot(machine(links=links))) for links in (before, now))
    assert (first["mac-addresses"].value != second["mac-addresses"].value) == differs


def test_the_permanent_address_counts_and_not_a_bonds() -> None:
    taken = snapshot(machine())
    for link in taken["links"]:
        link["address"] = "02:00:00:00:00:99"
    assert changed(taken) == set()


@pytest.mark.parametrize(
    "name",
    ["ata-NWSSD_960_S4711AB-part1", "dm-name-vg-root", "md-uuid-1:2:3:4", "usb-Stick_0815-0:0", "lvm-pv-uuid-x",
     "scsi-0QEMU_QEMU_HARDDISK_drive-scsi0", "ata-QEMU_DVD-ROM_QM00003", "google-persistent-disk-0"],
)  # fmt: skip
def test_parts_sticks_and_nameless_disks_do_not_count(name: str) -> None:
    assert changed(snapshot(machine(disks=[*machine()["disks"], name]))) == set()


def test_disks_come_from_the_kernel_without_udev() -> None:
    taken = snapshot(machine())
    del taken["folders"]["/dev/disk/by-id"]
    taken["folders"]["/sys/block"] = ["dm-0", "loop0", "nvme0n1", "sda", "sr0"]
    taken["files"]["/sys/block/nvme0n1/wwid"] = {"text": "eui.0025385b71b0a1c2\n"}
    taken["files"]["/sys/block/sda/device/serial"] = {"text": "  WD-1234ABCD \n"}
    assert len(read(taken)["disk-serials"].value.split()) == 2


def test_table_of_root_is_denied_and_public_files_are_read() -> None:
    taken = snapshot(machine())
    taken["files"][TABLE] = {"error": "EACCES", "message": "Permission denied"}
    public = {
        "sys_vendor": "Northwind Inc.", "product_name": "Rack 210", "board_vendor": "Northwind Inc.",
        "board_name": "NB-210", "bios_vendor": "Northwind Inc.", "bios_version": "2.1.4", "bios_date": "03/15/2021",
    }  # fmt: skip
    taken["files"].update({f"/sys/class/dmi/id/{name}": {"text": text + "\n"} for name, text in public.items()})
    found = read(taken)
    complete = read(snapshot(machine()))
    assert found["system-uuid"].status == Status.DENIED
    for name in ("platform", "board", "firmware", "hypervisor"):
        assert found[name].value == complete[name].value, name
    verdict = decide(complete.hardware_hash, found.hardware_hash, found.unreadable)
    assert str(verdict.outcome) == "cannot-tell"
    assert verdict.turning


def test_a_malformed_table_is_a_failure_and_no_absence() -> None:
    taken = snapshot(machine())
    taken["files"][TABLE] = {"text": "\x01"}
    assert read(taken)["system-uuid"].status == Status.FAILED


def test_a_first_start_has_no_machine_id_yet() -> None:
    taken = snapshot(machine())
    taken["files"]["/etc/machine-id"] = {"text": "uninitialized\n"}
    assert read(taken)["machine-id"].status == Status.ABSENT
    del taken["files"]["/etc/machine-id"]
    taken["files"]["/var/lib/dbus/machine-id"] = {"text": machine()["machine_id"] + "\n"}
    assert changed(taken) == set()


@pytest.mark.parametrize(
    ("leaf", "name"), [("KVMKVMKVM\0\0\0", "kvm"), ("VMwareVMware", "vmware"), ("Sphinx", "unknown"), ("", "none")]
)
def test_processor_and_hypervisor_are_from_cpuid_without_a_table(leaf: str, name: str) -> None:
    taken = snapshot(machine(dmi=False))
    taken["processorId"] = ["Quadro Core Z9 @ 2.60GHz", "57060500fffbebbf", leaf]
    found = read(taken)
    assert found["hypervisor"].value == name
    assert found["processor"].status == Status.PRESENT
    other = deepcopy(taken)
    other["processorId"][1] = "57060500ffffffff"
    assert read(other)["processor"].value == found["processor"].value


def test_container_has_its_mark_and_no_hardware_of_its_host() -> None:
    for mark, name in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman")):
        taken = snapshot(machine())
        taken["files"][mark] = {"text": ""}
        found = read(taken)
        assert found["hypervisor"].value == name
        assert found["system-uuid"].status == Status.ABSENT
    taken = snapshot(container(container=""))
    taken["files"]["/run/systemd/container"] = {"text": "systemd-nspawn\n"}
    assert read(taken)["hypervisor"].value == "systemd-nspawn"


def test_windows_is_read_without_a_process() -> None:
    taken = snapshot(windows())
    taken["commands"] = []
    found = read(taken)
    assert {a.name for a in found if a.status == Status.PRESENT} >= {"machine-id", "system-uuid", "platform", "memory"}
    taken["firmwareTable"] = {"error": "EACCES", "message": "denied"}
    assert read(taken)["system-uuid"].status == Status.DENIED


@needs_corpus
def test_a_mac_is_known_by_its_platform_expert() -> None:
    paths = sorted((CORPUS / "macos").rglob("*IOPlatformExpertDevice*"))
    assert paths
    for path in paths:
        taken = {**snapshot(machine()), "platform": "macos", "files": {}}
        taken["commands"] = [{"argv": ["/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice"], "returncode": 0,
                              "stdout": path.read_text("utf-8", "replace")}]  # fmt: skip
        found = read(taken)
        for name in ("system-uuid", "system-serial", "platform"):
            assert found[name].status == Status.PRESENT, (path.name, name)
        assert found["hypervisor"].value == "none"


def test_a_recording_of_this_machine_gives_its_values() -> None:
    recorder = Recorder(LiveMachine())
    live = collect(recorder, scheme="stable")
    played = read(recorder.snapshot)
    assert played.hardware_hash == live.hardware_hash
    assert [(a.name, a.status) for a in played] == [(a.name, a.status) for a in live]


@pytest.mark.parametrize("name", ["folders", "links", "processorId", "outgoingAddress", "firmwareTable", "machineGuid"])
def test_a_part_of_a_snapshot_of_the_wrong_form_is_named(name: str) -> None:
    taken = snapshot(windows() if name in ("firmwareTable", "machineGuid") else machine(dmi=False))
    taken[name] = 7
    with pytest.raises(SnapshotError, match=name):
        read(taken)


IN_A_NAMESPACE = """
import os, subprocess, sys
from fingerprint import collect
from fingerprint.collectors import stable

subprocess.run(["mount", "--bind", sys.argv[1], "/sys/firmware"], check=True)
subprocess.run(["mount", "-t", "tmpfs", "none", "/dev"], check=True)
os.makedirs("/dev/disk/by-id")
os.symlink("../../sda", "/dev/disk/by-id/ata-NWSSD_960_S4711AB")
# The machine of the tests may be a container.
stable.CONTAINER_MARKS = ()
started = []
sys.addaudithook(lambda event, _: started.append(event) if event in ("os.posix_spawn", "subprocess.Popen") else None)
found = collect(scheme="stable")
print(started, found["system-serial"].value, found["disk-serials"].value)
"""


@ROOT
def test_the_live_collector_reads_a_table_in_its_usual_place(tmp_path: Path) -> None:
    """In mounts of its own, table and disk links stand where a server has them, and no process is started."""
    (tmp_path / "dmi/tables").mkdir(parents=True)
    (tmp_path / "dmi/tables/DMI").write_bytes(smbios_table(machine()))
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-I", "-c", IN_A_NAMESPACE, str(tmp_path)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    if "mount" in done.stderr and done.returncode:
        pytest.skip("this kernel lets no such mounts be made")
    assert done.returncode == 0, done.stderr
    expected = read(snapshot(machine(disks=["ata-NWSSD_960_S4711AB"])))
    assert done.stdout.split() == ["[]", expected["system-serial"].value, expected["disk-serials"].value]


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="no such scheme"):
        collect(RecordedMachine(snapshot(machine())), scheme="other")
