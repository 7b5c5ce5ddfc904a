"""Power loss: the writes of a real file system are logged between flushes, and replayed as a crash may leave them.

Of the writes after a flush a disk may have kept any subset. So for every moment of a life of a vault the image is
built again with each prefix, with all but one and with only one of the writes since the last flush; it is mounted,
which replays the file system's journal, and what was acknowledged must be there.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

import blocklog
from blocklog import Event
from fingerprint import Vault
from fingerprint.testing.machines import unix_snapshot

Count = Callable[..., None]
TOOLS = ("losetup", "mount", "umount", "fusermount3", "mkfs.ext4")

pytestmark = [
    pytest.mark.skipif(find_spec("mfusepy") is None, reason="mfusepy, which serves the logged disk, is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root"),
    pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse"),
    pytest.mark.skipif(not os.path.exists("/dev/loop-control"), reason="there are no loop devices"),
    pytest.mark.skipif(
        any(not shutil.which(tool) for tool in TOOLS), reason=f"not all of {', '.join(TOOLS)} are installed"
    ),
]

FILES = ("Store/InstanceFingerprint", "Store/RegistrationKey")

# Arguments: the mounted directory, a snapshot, another one, the support directory, the operation.
OURS = """
import sys
sys.path.append(sys.argv[4])
from fingerprint import Gate, Vault
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.gate import set_threshold
from fingerprint.types import RegistrationRecord
from fingerprint.recovery import carry_out, plan_restore
disk, same, other, _, operation = sys.argv[1:]
vault = Vault(disk + "/Vault", state=disk + "/state")
if operation == "first":
    Gate(vault, RecordedMachine.load(same), policy="regenerate").fingerprint()
elif operation == "regenerate":
    Gate(vault, RecordedMachine.load(other), policy="regenerate").fingerprint()
elif operation == "restore":
    plan = plan_restore(vault, vault.history.entries()[-1]["number"], RecordedMachine.load(same))
    carry_out(vault, plan, accept_new_sid=True)
elif operation.startswith("threshold"):
    set_threshold(vault, int(operation.split()[1]))
else:
    with vault.edit() as edit:
        edit.store_registration(RegistrationRecord("mi-0", "eu-west-1", private_key=operation * 100), why="rotation")
"""
# What the reference does: create, truncate and write in place, nothing flushed.
THEIRS = """
import json, os, sys
disk, same, other, _, operation = sys.argv[1:]
os.makedirs(disk + "/Vault/Store", exist_ok=True)
key = "RegistrationKey" if operation.startswith("rotation") else "InstanceFingerprint"
value = {"fingerprint": "f" * 36, "hardwareHash": {"machine-id": "m"}, "similarityThreshold": 40, "of": operation}
for path, data in (("/Vault/Store/" + key, value), ("/Vault/Manifest", {key: disk + "/Vault/Store/" + key})):
    with open(disk + path, "w") as file:
        json.dump(data, file)
"""
OPERATIONS = (
    "first", "rotation 1", "threshold 50", "rotation 2", "regenerate", "restore", "threshold 60", "rotation 3",
)  # fmt: skip


class Life(NamedTuple):
    """A recorded life: the events, the files after each operation, and the moments of start and acknowledgement."""

    events: list[Event]
    begin: int
    states: list[dict[str, bytes]]
    started: list[int]
    acknowledged: list[int]


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


def mounted(image: str, directory: Path) -> bool:
    directory.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-o", "loop,noatime", image, str(directory)], capture_output=True, check=False)
    return done.returncode == 0


def files(vault: Path) -> dict[str, bytes]:
    return {name: (vault / name).read_bytes() for name in FILES if (vault / name).is_file()}


def record(setup: Path, file_system: str, size: int, program: str, operations: tuple[str, ...]) -> Life:
    """Run the operations on a disk whose writes are logged."""
    (setup / "mnt").mkdir(parents=True)
    (setup / "same.json").write_text(json.dumps(unix_snapshot()))
    (setup / "other.json").write_text(json.dumps(unix_snapshot(machine_id="f" * 32 + "\n")))
    support = str(Path(blocklog.__file__).parent)
    disk, mark, view = setup / "mnt" / "disk", setup / "mnt" / "mark", setup / "view"
    server = subprocess.Popen([sys.executable, "-I", blocklog.__file__, str(setup), str(size)])
    loop = ""
    states: list[dict[str, bytes]] = [{}]
    try:
        deadline = time.monotonic() + 20
        while not disk.exists():
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        loop = subprocess.run(["losetup", "--show", "-f", str(disk)], check=True, capture_output=True, text=True).stdout
        loop = loop.strip()
        quiet = ["-q", "-F"] if file_system == "ext4" else ["-q", "-f"]
        run(f"mkfs.{file_system}", *quiet, loop)
        view.mkdir()
        run("mount", "-o", "noatime", loop, str(view))
        view.chmod(0o700)
        run("sync", "-f", str(view))
        mark.write_bytes(b"begin")
        for operation in operations:
            mark.write_bytes(b"start")
            words = [str(view), str(setup / "same.json"), str(setup / "other.json"), support, operation]
            run(sys.executable, "-I", "-c", program, *words)
            mark.write_bytes(b"acknowledged")
            states.append(files(view / "Vault"))
        run("sync", "-f", str(view))
    finally:
        for words in (["umount", str(view)], ["losetup", "-d", loop], ["fusermount3", "-u", str(setup / "mnt")]):
            subprocess.run(words, capture_output=True, check=False)
        server.wait(20)
    events = list(blocklog.events(str(setup / "log")))
    at = {name: [i for i, e in enumerate(events) if (e.kind, e.data) == ("M", name)]
          for name in (b"begin", b"start", b"acknowledged")}  # fmt: skip
    return Life(events, at[b"begin"][0], states, at[b"start"], at[b"acknowledged"])


def crashes(life: Life, most: int) -> Iterator[tuple[int, list[Event], list[Event]]]:
    """Yield (moment, flushed writes, kept writes of those since) of crashes, about `most` an epoch."""
    flushed = [event for event in life.events[: life.begin] if event.kind == "W"]
    since: list[tuple[int, Event]] = []
    for moment, event in enumerate(life.events[life.begin :], life.begin):
        if event.kind == "W":
            since.append((moment, event))
        if event.kind != "F" and moment + 1 < len(life.events):
            continue
        writes = [write for _, write in since]
        # With the moment after which each could be what is left; all is there before the flush is done.
        kept = [(at, writes[: number + 1]) for number, (at, _) in enumerate(since)]
        kept += [(moment - 1, [w for w in writes if w is not left_out]) for left_out in writes]
        kept += [(moment - 1, [only]) for only in writes]
        kept += [(moment - 1, [])]
        step = max(len(kept) // most, 1)
        for at, subset in kept[::step]:
            yield at, flushed, subset
        flushed, since = flushed + writes, []


def replay(setup: Path, life: Life, size: int, most: int) -> Iterator[tuple[Path, int, bool]]:
    """Yield (mounted directory, operations acknowledged, whether another was under way) of each crash."""
    # At the same place as it was recorded: the journal goes by the vault's path.
    base, image, view = setup / "base", setup / "crashed", setup / "view"
    with open(base, "wb") as file:
        file.truncate(size)
    applied = 0
    for moment, flushed, kept in crashes(life, most):
        with open(base, "r+b") as file:
            for event in flushed[applied:]:
                file.seek(event.offset)
                file.write(event.data)
        applied = len(flushed)
        run("cp", "--sparse=always", str(base), str(image))
        with open(image, "r+b") as file:
            for event in kept:
                file.seek(event.offset)
                file.write(event.data)
        acknowledged = sum(at <= moment for at in life.acknowledged)
        under_way = sum(at <= moment for at in life.started) > acknowledged
        assert mounted(str(image), view), "the file system itself did not come back"
        try:
            yield view, acknowledged, under_way
        finally:
            run("umount", str(view))


def damage_in(view: Path, life: Life, acknowledged: int, under_way: bool) -> tuple[bool, bool]:
    """Return whether something acknowledged was undone, and whether a record is torn; by plain json."""
    allowed = [life.states[acknowledged], *(life.states[acknowledged + 1 : acknowledged + 2] if under_way else [])]
    found = files(view / "Vault")
    undone = torn = False
    for name in FILES:
        data = found.get(name)
        if data in [state.get(name) for state in allowed]:
            continue
        try:
            torn |= data is not None and not isinstance(json.loads(data), dict)
            undone = True
        except ValueError:
            torn = True
    return undone, torn


FILE_SYSTEMS = [pytest.param("ext4", 16 << 20, id="ext4"), pytest.param("xfs", 320 << 20, id="xfs")]


@pytest.mark.parametrize(("file_system", "size"), FILE_SYSTEMS)
def test_nothing_acknowledged_is_undone_by_a_power_loss(
    file_system: str, size: int, tmp_path: Path, full: bool, count: Count
) -> None:
    if file_system == "xfs" and not full:
        pytest.skip("xfs belongs to the full form")
    if not shutil.which(f"mkfs.{file_system}"):
        pytest.skip(f"mkfs.{file_system} is not installed")
    operations = OPERATIONS if full else OPERATIONS[:3]
    life = record(tmp_path / "setup", file_system, size, OURS, operations)
    assert len(life.acknowledged) == len(operations)
    registered = json.loads(life.states[1][FILES[0]])["fingerprint"]
    for view, acknowledged, under_way in replay(tmp_path / "setup", life, size, 40 if full else 1):
        assert damage_in(view, life, acknowledged, under_way) == (False, False)
        count(f"images of {file_system}, nothing acknowledged undone, nothing unreadable")
        vault = Vault(str(view / "Vault"), state=str(view / "state"))
        if not acknowledged:
            continue
        present = vault.read()
        kept = [entry["record"] or "" for entry in vault.history.entries()]
        assert present.fingerprint == registered or any(registered in text for text in kept)
        if FILES[1] in life.states[acknowledged]:
            assert vault.read_registration().private_key


def test_the_procedure_of_the_reference_undoes_writes(tmp_path: Path, full: bool, count: Count) -> None:
    """The same check over truncate and write in place without a flush: it must notice."""
    size = 16 << 20
    life = record(tmp_path / "setup", "ext4", size, THEIRS, OPERATIONS if full else OPERATIONS[:3])
    lost = 0
    for view, acknowledged, under_way in replay(tmp_path / "setup", life, size, 40 if full else 4):
        undone, torn = damage_in(view, life, acknowledged, under_way)
        count("images of the reference's procedure")
        count("images of the reference's procedure with an acknowledged record undone or torn", int(undone or torn))
        lost += undone or torn
    assert lost
