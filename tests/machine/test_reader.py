"""What the agent reads where we do not: each way to fail says whether it fails for the agent, too."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fingerprint import collect
from fingerprint.errors import SnapshotError
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.reader import Reader, live_reader
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.rules.ssm import match
from fingerprint.testing.machines import unix_snapshot
from fingerprint.types import Fault, Status
from nobody import NOBODY, as_user

LINUX_ROOT = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root has rights to lose")
AS_AGENT = {"uid": 0, "asAgent": True, "rawIo": True}
A_USER = {"uid": 1000, "asAgent": False, "rawIo": True}
CONFINED = {"uid": 0, "asAgent": False, "rawIo": True}
CONTAINER = {"uid": 0, "asAgent": True, "rawIo": False}
CLOSED = "/dev/mem: Operation not permitted\n"


def recorded(taken_by: dict[str, Any] | None, files: dict[str, Any] | None = None, **dmidecode: Any) -> RecordedMachine:
    snapshot = unix_snapshot(dmi="Handle 0x0001, DMI type 4")
    for command in snapshot["commands"]:
        if "dmidecode" in command["argv"][0]:
            command.update(dmidecode)
    snapshot["files"].update(files or {})
    if taken_by is not None:
        snapshot["takenBy"] = taken_by
    return RecordedMachine(snapshot)


@pytest.mark.parametrize(
    ("answer", "by_agent", "by_user"),
    [
        ({"returncode": 1, "stderr": CLOSED}, Fault.SOURCE, Fault.RIGHTS),
        ({"returncode": 1, "stderr": "/dev/mem: Permission denied\n"}, Fault.SOURCE, Fault.RIGHTS),
        ({"returncode": None, "problem": "denied"}, Fault.SOURCE, Fault.RIGHTS),
        ({"returncode": 1, "stderr": "anything"}, Fault.SOURCE, Fault.RIGHTS),
        ({"returncode": -11}, Fault.SOURCE, Fault.RIGHTS),
        ({"returncode": -9}, Fault.ENVIRONMENT, Fault.ENVIRONMENT),
        ({"returncode": -24}, Fault.ENVIRONMENT, Fault.ENVIRONMENT),
        ({"returncode": None, "problem": "timeout"}, Fault.TIME_LIMIT, Fault.TIME_LIMIT),
        ({"returncode": None, "problem": "too-long"}, Fault.SIZE_LIMIT, Fault.SIZE_LIMIT),
        ({"returncode": None, "problem": "not-run"}, Fault.NOT_ASKED, Fault.NOT_ASKED),
        ({"returncode": None, "problem": "not-recorded"}, Fault.NOT_ASKED, Fault.NOT_ASKED),
        ({"returncode": None, "problem": "no-resources"}, Fault.ENVIRONMENT, Fault.ENVIRONMENT),
        ({"returncode": None, "problem": "failed", "stderr": "Exec format error"}, Fault.SOURCE, Fault.SOURCE),
    ],
)
def test_failed_command_has_the_fault_for_the_agent(answer: dict[str, Any], by_agent: Fault, by_user: Fault) -> None:
    for taken_by, fault in ((AS_AGENT, by_agent), (A_USER, by_user), (CONFINED, by_user), (None, by_user)):
        collection = collect(recorded(taken_by, **answer))
        assert collection["bios-hash"].fault == fault
        only_here = fault != Fault.SOURCE
        assert ("bios-hash" in collection.only_here) == only_here
        assert "bios-hash" in collection.unreadable
        assert bool(collection.remedy) == (fault == Fault.RIGHTS)


@pytest.mark.parametrize(
    ("error", "by_agent", "by_user"),
    [
        ("EACCES", Fault.SOURCE, Fault.RIGHTS),
        ("EPERM", Fault.SOURCE, Fault.RIGHTS),
        ("EIO", Fault.SOURCE, Fault.SOURCE),
        ("EISDIR", Fault.SOURCE, Fault.SOURCE),
        ("EFBIG", Fault.SIZE_LIMIT, Fault.SIZE_LIMIT),
        ("EMFILE", Fault.ENVIRONMENT, Fault.ENVIRONMENT),
        ("ENOMEM", Fault.ENVIRONMENT, Fault.ENVIRONMENT),
        ("EINVAL", Fault.NOT_ASKED, Fault.NOT_ASKED),
        ("ENOTSUP", Fault.NOT_ASKED, Fault.NOT_ASKED),
        ("EILSEQ", Fault.NOT_TEXT, Fault.NOT_TEXT),
    ],
)
def test_failed_file_and_call_have_the_fault_for_the_agent(error: str, by_agent: Fault, by_user: Fault) -> None:
    entry = {"error": error, "message": "why"}
    for taken_by, fault in ((AS_AGENT, by_agent), (A_USER, by_user), (None, by_user)):
        machine = recorded(taken_by, {"/etc/machine-id": entry})
        machine.snapshot["hostName"] = machine.snapshot["addresses"] = entry
        found = collect(machine)
        for name in ("machine-id", "hostname-info", "ipaddress-info", "macaddr-info"):
            assert found[name].fault == fault, name
            assert (name in found.only_here) == (fault not in (Fault.SOURCE, Fault.NOT_TEXT))
            assert (name in found.stops_agent) == (fault == Fault.NOT_TEXT)


def test_the_agents_verdict_is_certain_where_the_true_one_is_not() -> None:
    saved = dict(collect(recorded(None)).hardware_hash)
    machine = recorded(AS_AGENT, returncode=1, stderr=CLOSED)
    machine.snapshot["addresses"]["ipv4"] = ["192.0.2.77"]
    machine.snapshot["hostName"] = "another"
    now = collect(machine)
    assert not match(saved, now.hardware_hash, 40, unreadable=now.unreadable).conclusive
    agents = match(saved, now.hardware_hash, 40, unreadable=now.only_here)
    assert agents.conclusive
    assert not agents.match


@pytest.mark.parametrize(
    ("taken_by", "lockdown", "said", "fault"),
    [
        (A_USER, None, "only root can read", Fault.RIGHTS),
        (None, None, "only root can read", Fault.RIGHTS),
        (AS_AGENT, None, "closes /dev/mem, even to root", Fault.SOURCE),
        (AS_AGENT, "[none] integrity confidentiality\n", "closes /dev/mem, even to root", Fault.SOURCE),
        (AS_AGENT, "none [integrity] confidentiality\n", "kernel lockdown (integrity)", Fault.SOURCE),
        (CONFINED, "none integrity [confidentiality]\n", "kernel lockdown (confidentiality)", Fault.SOURCE),
        (CONFINED, None, "lacks rights of root", Fault.RIGHTS),
        (CONTAINER, None, "CAP_SYS_RAWIO", Fault.SOURCE),
    ],
)
def test_a_closed_table_says_to_whom_and_why(
    taken_by: dict[str, Any] | None, lockdown: str | None, said: str, fault: Fault
) -> None:
    files = {} if lockdown is None else {"/sys/kernel/security/lockdown": {"text": lockdown}}
    found = collect(recorded(taken_by, files, returncode=1, stderr=CLOSED))["memory-hash"]
    assert said in found.reason
    assert (found.status, found.fault) == (Status.DENIED, fault)


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        (Reader(0, True, True, True), ""),
        (Reader(0, True, False), ""),
        (Reader(1000, False, True, True), "as root"),
        (Reader(0, False, True, True), "all rights of root"),
        (Reader(1000, False, True, False), "snapshot FILE"),
        (Reader(), "snapshot FILE"),
        (Reader(None, False, None, True), "Administrator"),
        (Reader(None, False), "Administrator"),
    ],
)
def test_reader_who_is_root_need_not_become_root(reader: Reader, said: str) -> None:
    remedy = reader.remedy("windows" if said == "Administrator" else "linux")
    assert said in remedy
    assert bool(said) == bool(remedy)
    if reader.live and reader.uid == 0:
        assert "as root" not in remedy


def test_denied_access_has_the_same_fault_live_and_recorded() -> None:
    for reader in (Reader(0, True, False), Reader(1000, False, True), Reader(None, None, None)):
        taken_by = {"uid": reader.uid, "asAgent": reader.as_agent, "rawIo": reader.raw_io}
        recorder = Recorder(recorded(taken_by, returncode=1, stderr=CLOSED))
        direct = collect(recorder)
        again = collect(RecordedMachine(json.loads(recorder.text())))
        assert [a.fault for a in again] == [a.fault for a in direct]
        assert RecordedMachine(recorder.snapshot).reader() == reader


@pytest.mark.parametrize("broken", [7, [], {"uid": "0"}, {"uid": -1}, {"asAgent": "yes"}, {"rawIo": 1}])
def test_a_recording_by_nobody_is_refused(broken: Any) -> None:
    snapshot = unix_snapshot()
    snapshot["takenBy"] = broken
    with pytest.raises(SnapshotError):
        RecordedMachine(snapshot)


STATUS = "Name:\tx\nCapEff:\t{}\nCapBnd:\t{}\nSeccomp:\t{}\n"
FULL, DOCKER = "000001ffffffffff", "00000000a80425fb"


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="of a user there is nothing to decide")
@pytest.mark.parametrize(
    ("mine", "first", "as_agent", "raw_io"),
    [
        ((FULL, FULL, 0), (FULL, FULL, 0), True, True),
        # The service's own unit: a bound set and a filter of calls.
        (("0000000000000004", "0000000000000004", 2), (FULL, FULL, 0), False, True),
        ((FULL, FULL, 2), (FULL, FULL, 0), False, True),
        # A container bounds its first process, too, and the agent in it.
        ((DOCKER, DOCKER, 2), (DOCKER, DOCKER, 2), True, False),
        (("0000000000000000", FULL, 0), (FULL, FULL, 0), False, True),
        (None, (FULL, FULL, 0), False, True),
        ((FULL, FULL, 0), None, False, None),
    ],
)
def test_root_is_held_against_the_first_process(
    mine: Any, first: Any, as_agent: bool, raw_io: bool | None, tmp_path: Path
) -> None:
    for name, status in (("self", mine), ("1", first)):
        (tmp_path / name / "ns").mkdir(parents=True)
        (tmp_path / name / "ns" / "user").symlink_to("user:[4026531900]")
        if status is not None:
            (tmp_path / name / "status").write_text(STATUS.format(*status))
    assert live_reader(str(tmp_path)) == Reader(0, as_agent, raw_io, True)
    (tmp_path / "self" / "ns" / "user").unlink()
    (tmp_path / "self" / "ns" / "user").symlink_to("user:[4026532000]")
    assert live_reader(str(tmp_path)).as_agent is False
    # That of the first process may be closed, as where it has a capability more.
    (tmp_path / "self" / "ns" / "user").unlink()
    (tmp_path / "self" / "ns" / "user").symlink_to("user:[4026531837]")
    assert live_reader(str(tmp_path)).as_agent is as_agent


WHO = "from fingerprint.machine.reader import live_reader; r = live_reader(); print(r.uid, r.as_agent)"


@LINUX_ROOT
@pytest.mark.parametrize(
    ("wrapper", "expected"),
    [
        (["setpriv", "--bounding-set=-sys_rawio", "--inh-caps=-sys_rawio"], "0 False"),
        (["unshare", "-U", "-r"], "0 False"),
    ],
)
def test_a_real_process_with_fewer_rights_knows_it(wrapper: list[str], expected: str) -> None:
    if not shutil.which(wrapper[0]):
        pytest.skip(f"there is no {wrapper[0]}")
    done = subprocess.run([*wrapper, sys.executable, "-I", "-c", WHO], capture_output=True, text=True, check=False)
    if done.returncode and "unshare" in wrapper[0] and "not permitted" in done.stderr:
        pytest.skip("no user namespaces here")
    assert done.stdout.strip() == expected, done


@LINUX_ROOT
def test_a_process_of_another_user_knows_it() -> None:
    done = as_user(NOBODY, WHO)
    assert done.stdout.strip() == "65534 False", done


def test_masked_file_is_empty_and_a_directory_fails(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    path = tmp_path / "etc" / "machine-id"
    path.mkdir()
    for machine in (LiveMachine(), LiveMachine(root=str(tmp_path))):
        name = str(path) if machine.root == "/" else "/etc/machine-id"
        with pytest.raises(IsADirectoryError) as caught:
            machine.read_file(name)
        assert caught.value.errno == errno.EISDIR
    assert LiveMachine().read_file("/dev/null") == b""
    with pytest.raises(OSError, match="not a regular file") as refused:
        LiveMachine().read_file("/dev/zero")
    assert refused.value.errno == errno.EINVAL
    found = collect(LiveMachine(root=str(tmp_path)))["machine-id"]
    assert (found.status, found.value, found.fault) == (Status.FAILED, "", Fault.SOURCE)
