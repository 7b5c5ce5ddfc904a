"""Service files: what is written for each system, what holds of it, and a check under the unit's restrictions."""

from __future__ import annotations

import json
import os
import plistlib
import re
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import fingerprint
from commandline import COMMAND, environment, run
from fingerprint.cli.commands import units as module
from fingerprint.cli.service_files import system_named

SCHEMA = json.loads((Path(fingerprint.__file__).parent / "schemas/monitor-units.json").read_text())
NAMES = {
    "systemd": ["fingerprint-watch.service", "fingerprint-metrics.service", "fingerprint-metrics.timer"],
    "launchd": ["fingerprint-watch.plist", "fingerprint-metrics.plist"],
    "windows": ["fingerprint-watch-task.xml", "fingerprint-metrics-task.xml"],
}
PROGRAMS = {
    "systemd": "/opt/a & b%h/finger<print$HOME",
    "launchd": "/opt/a & b%h/finger<print$HOME",
    "windows": r"C:\Program Files\a & b\fingerprint.exe",
}
TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
SERVICES = ("fingerprint-watch.service", "fingerprint-metrics.service")
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")


def units(directory: Path, system: str, *words: str) -> Any:
    done = run("monitor", "units", str(directory), "--system", system, "--output", "json", *words)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    jsonschema.validate(answer, SCHEMA)
    return answer


def setting(unit: Path, name: str) -> list[str]:
    return re.findall(f"^{name}=(.*)$", unit.read_text(), re.MULTILINE)


@pytest.mark.parametrize("system", NAMES)
def test_files_of_a_system_are_written_and_listed(tmp_path: Path, system: str) -> None:
    directory = tmp_path / "new" / "directory"
    answer = units(directory, system, "--program", PROGRAMS[system])
    assert answer["directory"] == str(directory)
    assert answer["system"] == system
    assert answer["program"] == PROGRAMS[system]
    assert answer["files"] == [str(directory / name) for name in NAMES[system]]
    assert sorted(os.listdir(directory)) == sorted(NAMES[system])
    for path in directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
        text = path.read_bytes().decode("utf-16" if system == "windows" else "utf-8")
        assert not re.search("@[A-Z]+@", text)


def test_text_lists_the_files_and_the_commands(tmp_path: Path) -> None:
    done = run("monitor", "units", str(tmp_path / "u"), "--system", "systemd", "--program", "/usr/bin/fingerprint")
    assert done.returncode == 0, done.stderr
    for name in NAMES["systemd"]:
        assert f"  {tmp_path}/u/{name}\n" in done.stdout
    assert "\n  systemctl enable --now fingerprint-watch.service\n" in done.stdout
    assert "\n  systemctl enable --now fingerprint-metrics.timer\n" in done.stdout


@pytest.mark.parametrize("system", NAMES)
def test_every_template_belongs_to_a_system(system: str) -> None:
    templates = sorted(os.listdir(Path(fingerprint.__file__).parent / "monitor" / "units"))
    assert templates == sorted(name for names in NAMES.values() for name in names)
    assert module._TEMPLATES[system] == tuple(NAMES[system])


@pytest.mark.skipif(sys.platform != "linux", reason="another system has other files")
def test_system_and_program_are_those_of_this_installation(tmp_path: Path) -> None:
    done = run("monitor", "units", str(tmp_path / "u"), "--output", "json")
    answer = json.loads(done.stdout)
    assert (answer["system"], answer["program"]) == ("systemd", COMMAND)
    done = subprocess.run(
        [sys.executable, "-I", "-m", "fingerprint", "monitor", "units", str(tmp_path / "v"), "--output", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert json.loads(done.stdout)["program"] == COMMAND


@pytest.mark.parametrize("system", NAMES)
def test_nothing_is_overwritten(tmp_path: Path, system: str) -> None:
    (tmp_path / NAMES[system][-1]).write_text("mine")
    done = run("monitor", "units", str(tmp_path), "--system", system, "--program", PROGRAMS[system])
    assert done.returncode == 4
    assert NAMES[system][-1] in done.stderr
    assert os.listdir(tmp_path) == [NAMES[system][-1]]
    assert (tmp_path / NAMES[system][-1]).read_text() == "mine"


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / NAMES["launchd"][0]).symlink_to(tmp_path / "elsewhere")
    assert run("monitor", "units", str(tmp_path), "--system", "launchd").returncode == 4
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--system", "openrc"),
        ("--system", ""),
        ("--system", "systemd", "--program", "bin/fingerprint"),
        ("--system", "systemd", "--textfile", "x.prom"),
        ("--system", "systemd", "--textfile", "/var/lib/prometheus/"),
        ("--system", "systemd", "--program", 'a"b'),
        ("--system", "systemd", "--program", '/a"b'),
        ("--system", "systemd", "--program", "/a\\b"),
        ("--system", "systemd", "--program", "/a\nExecStartPre=/bin/evil"),
        ("--system", "launchd", "--program", "/a\x07"),
        ("--system", "windows", "--program", "/usr/bin/fingerprint"),
        ("--system", "windows", "--program", r"\Tools\fingerprint.exe"),
        ("--system", "windows", "--program", r"C:\%TEMP%\fingerprint.exe"),
        ("--system", "windows", "--program", r"C:\a.exe", "--textfile", 'C:\\a" /x'),
    ],
)
def test_value_that_a_unit_cannot_hold_is_a_usage_error(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run("monitor", "units", str(tmp_path / "u"), *words)
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "u").exists()


def test_non_utf8_path_is_a_usage_error(tmp_path: Path) -> None:
    done = run("monitor", "units", str(tmp_path / "u"), "--system", "systemd", "--program", os.fsdecode(b"/opt/\xff"))
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_file_in_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        done = run("monitor", "units", str(place), "--system", "launchd", "--output", "json")
        assert done.returncode == 3
        assert json.loads(done.stdout or done.stderr)["error"]["kind"] == "InputError"


def test_unknown_system_requires_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "freebsd14")
    with pytest.raises(fingerprint.errors.UsageError, match="--system"):
        system_named(None)


def test_unit_escapes_the_path_of_the_program(tmp_path: Path) -> None:
    units(tmp_path, "systemd", "--program", PROGRAMS["systemd"], "--textfile", "/srv/a%b $X/../m n/f$p.prom")
    path = tmp_path / SERVICES[0]
    assert setting(path, "ExecStart") == [
        '"/opt/a & b%%h/finger<print$HOME" monitor watch --output json --textfile "/srv/m n/f$$p.prom"'
    ]
    assert setting(path, "ReadWritePaths") == ['"-/srv/m n"']
    assert setting(tmp_path / SERVICES[1], "ExecStart") == [
        '"/opt/a & b%%h/finger<print$HOME" monitor prometheus --textfile "/srv/m n/f$$p.prom"'
    ]


def test_units_match_the_behaviour_of_the_commands(tmp_path: Path) -> None:
    units(tmp_path, "systemd", "--program", "/usr/bin/fingerprint")
    watch, metrics = (tmp_path / name for name in SERVICES)
    textfile = "/var/lib/prometheus/node-exporter/fingerprint.prom"
    assert setting(watch, "ExecStart") == [f"/usr/bin/fingerprint monitor watch --output json --textfile {textfile}"]
    assert setting(watch, "Type") == ["notify"]
    assert setting(watch, "NotifyAccess") == ["main"]
    assert setting(watch, "WatchdogSec") == ["15min"]
    assert setting(watch, "Restart") == ["on-failure"]
    # A signal to the tools of a check would make their attributes unreadable.
    assert setting(watch, "KillMode") == ["mixed"]
    assert setting(watch, "ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert setting(metrics, "Type") == ["oneshot"]
    assert setting(metrics, "SuccessExitStatus") == ["1 3"]
    # In a name space of its own the process would keep the host name of its start.
    assert setting(watch, "ProtectHostname") == []
    timer = tmp_path / "fingerprint-metrics.timer"
    assert [setting(timer, name) for name in ("OnBootSec", "OnUnitActiveSec", "RandomizedDelaySec")] == [
        ["2min"], ["5min"], ["30s"],
    ]  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_units_hide_no_source_of_an_attribute(tmp_path: Path, name: str) -> None:
    units(tmp_path, "systemd", "--program", "/usr/bin/fingerprint")
    path = tmp_path / name
    assert setting(path, "CapabilityBoundingSet") == ["CAP_DAC_READ_SEARCH"]
    for hiding in ("PrivateDevices", "PrivateNetwork", "PrivateUsers", "ProtectProc", "ProcSubset", "User"):
        assert setting(path, hiding) == []
    assert {"AF_UNIX", "AF_NETLINK", "AF_INET"} == set(setting(path, "RestrictAddressFamilies")[0].split())
    assert setting(path, "UMask") == ["0022"]


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_exposure_by_systemd_analyze_is_low(tmp_path: Path, name: str) -> None:
    units(tmp_path, "systemd")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(tmp_path / name)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "--offline" in done.stderr:
        pytest.skip("this systemd-analyze reads running units only")
    found = re.search(r"exposure level for \S+: (\d+\.\d)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) < 2.5


@needs_systemd
@pytest.mark.parametrize("directory", ["plain", "a %h $HOME ${X} & ünicode"])
def test_systemd_analyze_accepts_the_units(tmp_path: Path, directory: str) -> None:
    # systemd-analyze searches for the program, so the unit must hold its exact path.
    program = tmp_path / directory / "fingerprint"
    program.parent.mkdir()
    program.symlink_to(COMMAND)
    answer = units(tmp_path / "u", "systemd", "--program", str(program), "--textfile", str(program) + ".prom")
    done = subprocess.run(["systemd-analyze", "verify", *answer["files"]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_property_lists_hold_the_program_and_its_arguments(tmp_path: Path) -> None:
    units(tmp_path, "launchd", "--program", PROGRAMS["launchd"], "--textfile", "/a & b/<f>.prom")
    watch, metrics = (plistlib.loads((tmp_path / name).read_bytes()) for name in NAMES["launchd"])
    assert watch["Label"] == "hardware-fingerprint.watch"
    assert watch["ProgramArguments"] == [
        PROGRAMS["launchd"], "monitor", "watch", "--output", "json", "--textfile", "/a & b/<f>.prom",
    ]  # fmt: skip
    assert watch["KeepAlive"] == {"SuccessfulExit": False}
    assert metrics["Label"] == "hardware-fingerprint.metrics"
    assert metrics["ProgramArguments"] == [
        PROGRAMS["launchd"],
        "monitor",
        "prometheus",
        "--textfile",
        "/a & b/<f>.prom",
    ]
    assert metrics["StartInterval"] == 300


@pytest.mark.parametrize(
    ("name", "words"), [("watch", "monitor watch --output json"), ("metrics", "monitor prometheus")]
)
def test_tasks_hold_the_program_and_its_arguments(tmp_path: Path, name: str, words: str) -> None:
    units(tmp_path, "windows", "--program", PROGRAMS["windows"], "--textfile", r"D:\a & b\f.prom")
    data = (tmp_path / f"fingerprint-{name}-task.xml").read_bytes()
    assert data[:2] in (b"\xff\xfe", b"\xfe\xff")
    root = ElementTree.fromstring(data)
    assert root.tag == f"{TASK}Task"
    assert root.get("version") == "1.2"
    assert root.findtext(f".//{TASK}Command") == PROGRAMS["windows"]
    assert root.findtext(f".//{TASK}Arguments") == rf'{words} --textfile "D:\a & b\f.prom"'
    assert root.find(f".//{TASK}BootTrigger") is not None
    assert (root.find(f".//{TASK}RestartOnFailure") is not None) == (name == "watch")


def test_copy_command_is_printed_only_where_needed() -> None:
    elsewhere, _, _ = module._commands("systemd", "/tmp/a b", "/var/x y/f.prom")
    assert elsewhere[0] == "mkdir -p '/var/x y'"
    assert elsewhere[1].startswith("install -m 644 '/tmp/a b/fingerprint-watch.service' ")
    there, watch, _ = module._commands("systemd", "/etc/systemd/system", "/var/f.prom")
    assert there == ["mkdir -p /var", "systemctl daemon-reload"]
    assert watch == ["systemctl enable --now fingerprint-watch.service"]
    _, watch, metrics = module._commands("launchd", "/Library/LaunchDaemons", "/var/f.prom")
    assert watch == ["launchctl bootstrap system /Library/LaunchDaemons/fingerprint-watch.plist"]
    assert metrics == ["launchctl bootstrap system /Library/LaunchDaemons/fingerprint-metrics.plist"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root enters directories of mode 0600")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv of util-linux is not here")
@pytest.mark.parametrize(("capabilities", "code"), [("-all,+dac_read_search", 0), ("-all", 3)])
def test_check_succeeds_with_the_one_capability_of_the_unit(tmp_path: Path, capabilities: str, code: int) -> None:
    vault = tmp_path / "Vault"
    env = environment(tmp_path / "state")
    assert run("--vault", str(vault), "vault", "init", env=env).returncode == 0
    # As the agent leaves them.
    for directory in (vault / "Store", vault):
        directory.chmod(0o600)
    done = subprocess.run(
        [
            "setpriv", "--bounding-set", capabilities, "--inh-caps", "-all", "--no-new-privs",
            COMMAND, "--vault", str(vault), "check",
        ],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "setpriv: " in done.stderr:
        pytest.skip(f"setpriv may not do it here: {done.stderr.strip()}")
    assert done.returncode == code, done.stdout + done.stderr
