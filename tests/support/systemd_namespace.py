"""A real systemd as PID 1 of name spaces of its own, for tests of units."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fingerprint

SYSTEMD = next((path for path in ("/usr/lib/systemd/systemd", "/lib/systemd/systemd") if os.path.exists(path)), None)
# Far beyond what anything takes; only a failing test waits so long.
DEADLINE = 30.0
# In place of this host's, which would start what it has.
TARGETS = ("sysinit", "basic", "shutdown", "network-online")
# A cgroup of its own, which becomes the root of the cgroup name space. $1: its name, $2: the script of the inside.
OUTSIDE = """
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/cgroup
mount -t cgroup2 cgroup2 /run/cgroup
mkdir "/run/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/$1"
echo $$ >"/run/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/$1/cgroup.procs"
umount /run/cgroup
exec unshare --fork --kill-child --pid --mount-proc --mount --cgroup --uts --ipc --net sh -c "$2" sh "$@"
"""
REMOVE = """
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/cgroup
mount -t cgroup2 cgroup2 /run/cgroup
find "/run/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/$1" -depth -type d -exec rmdir {} \\;
"""
# $3: what /var/lib becomes; the rest: directories that stay, though /tmp becomes an empty one.
INSIDE = """
set -e
lib=$3
shift 3
mount -t tmpfs -o mode=755 tmpfs /run
# It would set limits of the host.
for directory in /proc/sys /sys; do
    mount --bind $directory $directory
    mount -o remount,bind,ro $directory
done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind /dev/null /dev/console
mount --bind "$lib" /var/lib
mkdir /run/kept
number=0
for directory; do
    number=$((number + 1))
    mkdir "/run/kept/$number"
    mount --bind "$directory" "/run/kept/$number"
done
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
number=0
for directory; do
    number=$((number + 1))
    mkdir -p "$directory"
    mount --move "/run/kept/$number" "$directory"
done
if [ -e /usr/sbin/dmidecode ]; then mount --bind /var/lib/dmidecode /usr/sbin/dmidecode; fi
ip link set lo up || true
# Where units are enabled, empty.
mount -t tmpfs -o mode=755 tmpfs /etc/systemd/system
export container=fingerprint-test SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/systemd/system:/var/lib/units
export SYSTEMD_GENERATOR_PATH=/var/lib/none
exec "$SYSTEMD" --system --unit=boot.target --log-target=null --show-status=0
"""
# It answers like one with a table; slowly while /var/lib/slow exists.
FAKE_DMIDECODE = """#!/bin/sh
if [ -e /var/lib/slow ]; then sleep 2; fi
echo "SMBIOS 3.0 present. $*"
"""


def until(holds: Callable[[], Any], what: str) -> Any:
    """Wait until it holds, which must be before the deadline, and return what it is."""
    latest = time.monotonic() + DEADLINE
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < latest, what
        time.sleep(0.02)


class Systemd:
    """A systemd that runs the units of /var/lib/units only. Its /var/lib is our directory.

    Attributes:
        directory: its /var/lib.
        units: the directory of units.
        kept: directories of this installation that /tmp of a unit would hide.
        enter: the words that run a command beside it.

    Args:
        directory: an empty one.
        wanted: units that start at once, as if they were enabled.
    """

    def __init__(self, directory: Path, *wanted: str) -> None:
        self.directory = directory
        self.units = directory / "units"
        self.slow = directory / "slow"
        self.name = f"fingerprint-test-{os.getpid()}-{time.monotonic_ns()}"
        self.enter: list[str] = []
        self.units.mkdir()
        for target in TARGETS:
            (self.units / f"{target}.target").write_text("[Unit]\nDefaultDependencies=no\n")
        # systemd keeps the result of a wanted unit after its end.
        (self.units / "boot.target").write_text(f"[Unit]\nWants={' '.join(wanted)}\n")
        kept = {sys.prefix, sys.base_prefix, str(Path(fingerprint.__file__).parent.parent)}
        self.kept = sorted(path for path in kept if path.startswith(("/tmp/", "/var/tmp/")))
        dmidecode = directory / "dmidecode"
        dmidecode.write_text(FAKE_DMIDECODE)
        dmidecode.chmod(0o755)
        self._errors = (directory / "errors").open("w+")
        self._process: subprocess.Popen[bytes] | None = None

    def boot(self) -> None:
        """Start it, and wait until it runs; skip the test where it does not."""
        if sys.platform != "linux" or SYSTEMD is None or shutil.which("systemctl") is None:
            pytest.skip("systemd is not here")
        if os.geteuid() != 0:
            pytest.skip("only root may make the name spaces")
        for tool in ("unshare", "nsenter", "setpriv", "mount", "ip"):
            if shutil.which(tool) is None:
                pytest.skip(f"{tool} is not here")
        self._process = subprocess.Popen(
            [
                "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "sh", "-c", OUTSIDE, "sh", self.name, INSIDE,
                str(self.directory), *self.kept,
            ],
            env={"PATH": os.environ["PATH"], "SYSTEMD": str(SYSTEMD)}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=self._errors, stderr=subprocess.STDOUT,
        )  # fmt: skip
        wrong = self._wait(self._process)
        if wrong:
            pytest.skip(f"systemd does not run in name spaces here: {wrong}")

    def _wait(self, process: subprocess.Popen[bytes]) -> str:
        """Wait until it runs; return why it does not, or ""."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        latest = time.monotonic() + DEADLINE
        while time.monotonic() < latest:
            if process.poll() is not None:
                self._errors.seek(0)
                return f"it ended: {self._errors.read().strip()}"
            try:
                found = children.read_text().split()
            except OSError as error:
                return f"the first process is unknown: {error}"
            if found:
                self.enter = ["nsenter", "-t", found[0], "-p", "-m", "-C", "-u", "-i", "-n"]
                if self("systemctl", "is-active", "boot.target").stdout == "active\n":
                    return ""
            time.sleep(0.05)
        return "it did not come up"

    def change(self, unit: str, lines: str, name: str) -> None:
        """Add settings to the service of a unit."""
        directory = self.units / f"{unit}.d"
        directory.mkdir(exist_ok=True)
        (directory / f"{name}.conf").write_text(f"[Service]\n{lines}")

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside it, without the restrictions of a unit."""
        return subprocess.run(
            [*self.enter, *words], env={"PATH": os.environ["PATH"]}, text=True, capture_output=True, check=False,
            timeout=2 * DEADLINE,
        )  # fmt: skip

    def systemctl(self, *words: str) -> None:
        """Run systemctl, which must succeed."""
        done = self("systemctl", *words)
        assert done.returncode == 0, done.stderr + self("systemctl", "show", words[-1], "-p", "Result").stdout

    def states(self, unit: str, *names: str) -> list[str]:
        done = self("systemctl", "show", unit, "-p", ",".join(names))
        found = dict(line.split("=", 1) for line in done.stdout.splitlines())
        return [found[name] for name in names]

    def close(self) -> None:
        """End it, with all its processes."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE)
        self._errors.close()
        # Its processes end a little later.
        for _ in range(50):
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-c", REMOVE, "sh", self.name], capture_output=True, check=False
            )
            if b"busy" not in done.stderr:
                return
            time.sleep(0.1)
