"""Asking WMI: by COM and by PowerShell, of which stand-ins answer; there is no Windows here."""

from __future__ import annotations

import errno
import json
import sys
import time
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fingerprint.errors import SnapshotError
from fingerprint.machine import windows
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.process_list import version_in
from fingerprint.machine.processes import CommandResult
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.machine.wmi import query, query_text
from windows_machines import windows_snapshot

SHELL = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
MEMBERS = ("Caption", "Size")


class ComError(Exception):
    def __init__(self, hresult: int) -> None:
        self.hresult = hresult


class Property:
    def __init__(self, name: str, value: Any) -> None:
        self.Name, self.Value = name, value


def stand_in(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[str]:
    """Put a stand-in for comtypes in place; `answer` is what a query gives: objects, or an error that it raises."""
    asked: list[str] = []

    class Services:
        def ExecQuery(self, text: str) -> list[Any]:
            asked.append(text)
            if callable(answer):
                return answer()  # type: ignore[no-any-return]
            if isinstance(answer, Exception):
                raise answer
            return [SimpleNamespace(Properties_=[Property(*pair) for pair in one.items()]) for one in answer]

    class Locator:
        def ConnectServer(self, server: str, namespace: str) -> Services:
            asked.append(f"{server} {namespace}")
            return Services()

    def create(name: str, dynamic: bool) -> Locator:
        assert (name, dynamic) == ("WbemScripting.SWbemLocator", True)
        return Locator()

    package, client = ModuleType("comtypes"), ModuleType("comtypes.client")
    client.CreateObject = create  # type: ignore[attr-defined]
    package.client = client  # type: ignore[attr-defined]
    package.COMError = ComError  # type: ignore[attr-defined]
    package.CoInitializeEx = lambda: asked.append("init")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "comtypes", package)
    monkeypatch.setitem(sys.modules, "comtypes.client", client)
    return asked


def no_commands(commands: Any, timeout: float) -> list[CommandResult]:
    raise AssertionError("PowerShell is not asked where COM answers")


def printing(result: dict[str, Any], ran: list[tuple[str, ...]] | None = None) -> Any:
    def run(commands: Any, timeout: float) -> list[CommandResult]:
        if ran is not None:
            ran.extend(commands)
        return [CommandResult(tuple(argv), **{"returncode": 0, **result}) for argv in commands]

    return run


def test_com_gives_typed_members(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = stand_in(monkeypatch, [{"Caption": "a", "Size": "512105932800"}, {"Caption": None, "Size": 3}])
    found = query("Win32_DiskDrive", MEMBERS, 5, SHELL, no_commands)
    assert found == ({"Caption": "a", "Size": "512105932800"}, {"Caption": None, "Size": 3})
    assert asked == ["init", r". root\cimv2", "SELECT Caption, Size FROM Win32_DiskDrive"]


@pytest.mark.parametrize(
    ("code", "number"),
    [(0x80041010, errno.EIO), (0x80041003, errno.EACCES), (-2147217392, errno.EIO), (-2147024891, errno.EACCES)],
)
def test_an_error_of_wmi_is_its_answer(code: int, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, ComError(code))
    with pytest.raises(OSError, match="WMI answers 8") as caught:
        query("Win32_BIOS", MEMBERS, 5, SHELL, no_commands)
    assert caught.value.errno == number


@pytest.mark.parametrize("error", [ComError(0x800401F0), TypeError("no such property"), AttributeError("Properties_")])
def test_where_com_cannot_be_asked_powershell_is(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, error)
    ran: list[tuple[str, ...]] = []
    run = printing({"stdout": b'\xef\xbb\xbf[{"Caption":"b\xc3\xbcro","Size":512105932800}]\r\n'}, ran)
    assert query("Win32_DiskDrive", MEMBERS, 5, SHELL, run) == ({"Caption": "büro", "Size": 512105932800},)
    [argv] = ran
    assert argv[:4] == (SHELL, "-NoProfile", "-NonInteractive", "-Command")
    assert "Get-CimInstance -Query 'SELECT Caption, Size FROM Win32_DiskDrive'" in argv[4]
    assert "ConvertTo-Json" in argv[4]


def test_without_comtypes_powershell_is_asked() -> None:
    """As here: there is none but on Windows."""
    assert query("Win32_BIOS", MEMBERS, 5, SHELL, printing({"stdout": b"[]"})) == ()
    assert query("Win32_BIOS", MEMBERS, 5, SHELL, printing({"stdout": b'{"Caption":null}'})) == ({"Caption": None},)


@pytest.mark.parametrize(
    ("result", "number", "words"),
    [
        ({"returncode": 1, "stderr": "Invalid\r\nquery"}, errno.EIO, "Get-CimInstance: Invalid query"),
        ({"returncode": None, "problem": "timeout"}, errno.ETIMEDOUT, "no answer within 5 s"),
        ({"returncode": None, "problem": "not-found"}, errno.ENOTSUP, "could not be queried: PowerShell: not-found"),
        ({"returncode": None, "problem": "denied"}, errno.ENOTSUP, "denied"),
        ({"returncode": None, "problem": "no-resources"}, errno.EMFILE, "could not be started"),
        ({"stdout": b"banana"}, errno.ENOTSUP, "did not print JSON"),
        ({"stdout": b""}, errno.ENOTSUP, "did not print JSON"),
        ({"stdout": b"[1]"}, errno.ENOTSUP, "did not print a list of objects"),
        ({"stdout": b"null"}, errno.ENOTSUP, "did not print a list of objects"),
    ],
)  # fmt: skip
def test_unusable_answer_of_powershell_is_an_error(result: dict[str, Any], number: int, words: str) -> None:
    with pytest.raises(OSError, match=words) as caught:
        query("Win32_BIOS", MEMBERS, 5, SHELL, printing(result))
    assert caught.value.errno == number


def test_com_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, lambda: time.sleep(5) or [])
    started = time.monotonic()
    with pytest.raises(OSError, match=r"no answer within 0\.2 s") as caught:
        query("Win32_BIOS", MEMBERS, 0.2, SHELL, no_commands)
    assert caught.value.errno == errno.ETIMEDOUT
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (r'"C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe"', r"C:\Program Files\Amazon\SSM\amazon-ssm-agent.exe"),
        (r'"D:\SSM\amazon-ssm-agent.exe" -x', r"D:\SSM\amazon-ssm-agent.exe"),
        (r"C:\Program Files\Amazon\SSM\amazon-ssm-agent.EXE -x", r"C:\Program Files\Amazon\SSM\amazon-ssm-agent.EXE"),
    ],
)
def test_the_agents_program_is_that_of_its_service(line: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    monkeypatch.setattr(psutil, "win_service_get", lambda name: SimpleNamespace(binpath=lambda: line), raising=False)
    assert windows.agent_program() == path


def test_without_a_service_there_is_no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    def get(name: str) -> Any:
        raise psutil.NoSuchProcess(0, name)

    monkeypatch.setattr(psutil, "win_service_get", get, raising=False)
    with pytest.raises(FileNotFoundError, match="AmazonSSMAgent"):
        windows.agent_program()


@pytest.mark.parametrize(
    ("output", "version"),
    [(b"SSM Agent version: 3.3.1345.0\r\n", "3.3.1345.0"), (b"SSM Agent version: \r\n", ""), (b"", ""),
     (b"SSM Agent version: nightly", ""), (b"\xff\xfe", "")],
)  # fmt: skip
def test_the_version_is_what_the_agent_prints(output: bytes, version: str) -> None:
    assert version_in(output) == version


def test_a_live_machine_asks_the_agent_by_its_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    program = tmp_path / "amazon-ssm-agent.exe"
    program.write_text('#!/bin/sh\n[ "$*" = -version ] && echo "SSM Agent version: 3.3.4364.0"\n')
    program.chmod(0o755)
    monkeypatch.setattr(windows, "agent_program", lambda: str(program))
    assert LiveMachine().agent_version() == "3.3.4364.0"
    program.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(OSError, match="it prints no version"):
        LiveMachine().agent_version()


class Answering(RecordedMachine):
    """A machine whose WMI answers what no snapshot can hold as it is."""

    def wmi_objects(self, class_name: str, members: Any) -> tuple[dict[str, Any], ...]:
        return ({"UUID": "a\ud83d", "Capacity": (1 << 64) - 1, "Odd": (1, 2), "None": None, "Flag": True},)


def test_members_are_recorded_by_their_types() -> None:
    recorder = Recorder(Answering(windows_snapshot()))
    recorder.wmi_objects("Win32_ComputerSystemProduct", ("UUID",))
    again = RecordedMachine(json.loads(recorder.text()))
    assert again.wmi_objects("Win32_ComputerSystemProduct", ("UUID",)) == (
        {"UUID": "a\ufffd", "Capacity": (1 << 64) - 1, "Odd": {"unknown": "(1, 2)"}, "None": None, "Flag": True},
    )
    with pytest.raises(OSError, match="does not hold the WMI class Win32_BIOS"):
        again.wmi_objects("Win32_BIOS", ())


@pytest.mark.parametrize(
    "wmi",
    [[], {"Win32_BIOS": "x"}, {"Win32_BIOS": [1]}, {"Win32_BIOS": {}}, {"Win32_BIOS": [{"a": 1 << 64}]},
     {"Win32_BIOS": [{"a": "\ud83d"}]}],
)  # fmt: skip
def test_a_snapshot_with_other_wmi_objects_is_none(wmi: Any) -> None:
    with pytest.raises(SnapshotError):
        RecordedMachine(windows_snapshot(wmi=wmi)).wmi_objects("Win32_BIOS", ())


def test_errors_of_wmi_play_back_as_they_were() -> None:
    snapshot = windows_snapshot(wmi={"Win32_BIOS": {"error": "EACCES", "message": "WMI answers 80041003"}})
    recorder = Recorder(RecordedMachine(snapshot))
    with pytest.raises(OSError, match="80041003"):
        recorder.wmi_objects("Win32_BIOS", ())
    with pytest.raises(OSError, match="80041003") as caught:
        RecordedMachine(json.loads(recorder.text())).wmi_objects("Win32_BIOS", ())
    assert caught.value.errno == errno.EACCES
    assert query_text("C", ("a", "b")) == "SELECT a, b FROM C"
