"""The tools run in the environment of the agent's unit, so that they print what they print for the agent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fingerprint import collect
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.processes import PATH
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.machine.service_environment import service_environment
from fingerprint.testing.machines import unix_snapshot

UNIT = "amazon-ssm-agent.service"
ETC, LIB = "etc/systemd/system", "lib/systemd/system"
DMI = "/usr/sbin/dmidecode"


def of(root: Path, files: dict[str, str]) -> dict[str, str]:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return service_environment(LiveMachine(root=str(root)), "/usual")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, {}),
        ({f"{LIB}/{UNIT}": "[Service]\nExecStart=/usr/bin/amazon-ssm-agent\n"}, {}),
        ({f"{LIB}/{UNIT}": "[Service]\nEnvironment=PATH=/opt/bin:/usr/bin TZ=UTC\n"},
         {"PATH": "/opt/bin:/usr/bin", "TZ": "UTC"}),
        # What an administrator wrote hides what the package has; a drop-in is added to it, in the order of names.
        ({f"{LIB}/{UNIT}": "Environment=A=1\n", f"{ETC}/{UNIT}": "Environment=B=1\n"}, {"B": "1"}),
        ({f"{LIB}/{UNIT}": "Environment=A=1 B=1\n", f"{ETC}/{UNIT}.d/20.conf": "Environment=B=3\n",
          f"{LIB}/{UNIT}.d/10.conf": "Environment=B=2 C=2\n"}, {"A": "1", "B": "3", "C": "2"}),
        ({f"{LIB}/{UNIT}": "Environment=A=1\n", f"{LIB}/{UNIT}.d/x.conf": "Environment=A=2\n",
          f"{ETC}/{UNIT}.d/x.conf": "Environment=A=3\n"}, {"A": "3"}),
        # An empty setting takes back those before it.
        ({f"{LIB}/{UNIT}": "Environment=A=1\nEnvironment=\nEnvironment=B=2\n"}, {"B": "2"}),
        ({f"{LIB}/{UNIT}": "Environment=A=1 B=2\nUnsetEnvironment=A\n"}, {"B": "2"}),
        # Quotes, escapes, percent signs, a line that goes on, remarks.
        ({f"{LIB}/{UNIT}": "Environment=\"A=x y\" 'B=z' C=\\\n D=50%%\n#Environment=E=1\n;Environment=E=1\n"},
         {"A": "x y", "B": "z", "C": "", "D": "50%"}),
        ({f"{LIB}/{UNIT}": "EnvironmentFile=-/etc/ssm.env\nEnvironment=A=1\n",
          "etc/ssm.env": "# remark\nA=of the file\nB='q r'\n"}, {"A": "of the file", "B": "q r"}),
        ({f"{LIB}/{UNIT}": "EnvironmentFile=-/etc/none.env\n"}, {}),
        ({f"{LIB}/{UNIT}": "", "etc/systemd/system.conf": "[Manager]\nDefaultEnvironment=LC_ALL=C\n"}, {"LC_ALL": "C"}),
        ({"etc/locale.conf": "LANG=de_DE.UTF-8\n", f"{LIB}/{UNIT}": "Environment=LANG=C\n"}, {"LANG": "C"}),
        ({"snap": "", f"{ETC}/snap.amazon-ssm-agent.amazon-ssm-agent.service": "Environment=A=snap\n"}, {"A": "snap"}),
        # Nobody's code is loaded into the tools.
        ({f"{LIB}/{UNIT}": "Environment=LD_PRELOAD=/tmp/x.so LD_LIBRARY_PATH=/tmp A=1\n"}, {"A": "1"}),
        ({f"{LIB}/{UNIT}": "Environment=A\nEnvironment==x 1B=2 \"unended=1\n"}, {"unended": "1"}),
    ],
)  # fmt: skip
def test_what_the_units_files_set_is_set(files: dict[str, str], expected: dict[str, str], tmp_path: Path) -> None:
    assert of(tmp_path, files) == {"PATH": "/usual", **expected}


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting needs root")
def test_tools_are_found_on_its_path_and_run_in_it(tmp_path: Path) -> None:
    """With real tools, in a name space of its own."""
    for name, text in (
        ("ls", '#!/bin/sh\necho "from the path; $LANG $TZ"\n'),
        ("dmidecode", '#!/bin/sh\necho "Handle 0x0001, $PATH"; pwd >/dev/null; cat\n'),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    unit = tmp_path / UNIT
    unit.write_text(f"[Service]\nEnvironment=PATH={tmp_path}:/usr/bin:/bin TZ=Asia/Taipei LANG=C\n")
    probe = f"""
set -e
mkdir -p /run/systemd/system; mount -t tmpfs t /run/systemd/system; cp {unit} /run/systemd/system/
[ ! -e /etc/systemd/system/{UNIT} ] || mount --bind {unit} /etc/systemd/system/{UNIT}
exec {sys.executable} -I -c "
from fingerprint import collect
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.recorder import Recorder
taken = Recorder(LiveMachine(executables={{'{DMI}': '{tmp_path / "dmidecode"}'}}))
collect(taken)
print(*(c['argv'][0] + ' ' + c['stdout'].strip() for c in taken.snapshot['commands']), sep=chr(10))
"
"""
    done = subprocess.run(
        ["unshare", "-m", "/bin/sh", "-c", probe], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode and "unshare" in done.stderr:
        pytest.skip("no name space of mounts here")
    lines = done.stdout.splitlines()
    assert lines[-1] == f"{tmp_path}/ls from the path; C Asia/Taipei", done
    assert lines[0] == f"{DMI} Handle 0x0001, {tmp_path}:/usr/bin:/bin"


def test_program_is_found_by_path_order_live_and_recorded(tmp_path: Path) -> None:
    machine = LiveMachine()
    machine.environment = lambda: {"PATH": f"relative:{tmp_path}/none:{tmp_path}/directory:{tmp_path}"}  # type: ignore[method-assign]
    (tmp_path / "directory" / "ls").mkdir(parents=True)
    (tmp_path / "ls").write_text("#!/bin/sh\necho total 1\n")
    assert machine.which("ls") == ("/usr/bin/ls" if os.path.exists("/usr/bin/ls") else "/bin/ls")
    (tmp_path / "ls").chmod(0o755)
    assert machine.which("ls") == f"{tmp_path}/ls"
    recorder = Recorder(machine)
    found = collect(recorder)["disk-info"]
    assert found.source == f"{tmp_path}/ls -l /dev/disk/by-uuid"
    again = collect(RecordedMachine(recorder.snapshot))["disk-info"]
    assert (again.source, again.value) == (found.source, found.value)


def test_older_recordings_know_their_ls() -> None:
    for path in ("/usr/bin/ls", "/bin/ls"):
        snapshot = unix_snapshot(disk="total 0")
        if path == "/bin/ls":
            del snapshot["files"]["/usr/bin/ls"]
            snapshot["commands"] = [c for c in snapshot["commands"] if c["argv"][0] != "/usr/bin/ls"]
        assert collect(RecordedMachine(snapshot))["disk-info"].source.split()[0] == path
    assert PATH.split(":")[0] == "/usr/local/sbin"
