"""Real processes at one vault: first fingerprints, readers, writers, regenerating gates, swapped directories."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import inspect
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from fingerprint import FingerprintRecord, Gate, HardwareHash, Vault
from fingerprint.errors import Refused, VaultError, VaultMissing, VaultUnreadable
from fingerprint.gate import first_record, set_threshold
from fingerprint.testing.machines import unix_machine
from fingerprint.vault.edit import VaultEdit
from fingerprint.vault.records import decode_fingerprint, encode_fingerprint
from fingerprint.vault.state_keys import real_path
from paths import SUPPORT

fcntl = pytest.importorskip("fcntl", reason="the start of the processes is held by flock")

Count = Callable[[str, int], None]

# Every program: arguments are the directory of the support modules, the working directory and more. `wait_at` reports
# to the parent that everything is ready and returns when the parent opens the gate, in all processes at once.
PRELUDE = """
import fcntl, os, sys
sys.path.append(sys.argv[1])
setup = sys.argv[2]
from fingerprint import FingerprintRecord, Gate, HardwareHash, Vault
from fingerprint.gate import set_threshold
from fingerprint.testing.machines import unix_machine

def vault_in(name):
    return Vault(os.path.join(setup, name, "Vault"), state=os.path.join(setup, name, "state"))

def wait_at(gate):
    print("ready", flush=True)
    with open(os.path.join(setup, gate)) as file:
        fcntl.flock(file, fcntl.LOCK_SH)

def warm_up():
    # Whatever is imported or computed at first use is so before the race.
    warm = vault_in(f"warm-{os.getpid()}")
    Gate(warm, unix_machine(), policy="regenerate").fingerprint()
    Gate(warm, unix_machine(machine_id="f" * 32), policy="regenerate").fingerprint()
    set_threshold(warm, 50)
    warm.history.entries()
"""


class StartGate:
    """A barrier for processes: who comes to it waits until it is opened, then all go on at once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def open(self) -> None:
        self._file.close()


@contextmanager
def started(
    program: str, number: int, setup: Path, *words: str, seconds: float = 900
) -> Iterator[list[subprocess.Popen[str]]]:
    """Run a program in so many processes, all of which are dead afterwards; those that hang are killed."""
    line = [sys.executable, "-I", "-c", PRELUDE + program, str(SUPPORT), str(setup), *words]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen(line, stdout=subprocess.PIPE, text=True)) for _ in range(number)
        ]

        def kill() -> None:
            for process in processes:
                process.kill()

        watchdog = threading.Timer(seconds, kill)
        watchdog.start()
        stack.callback(kill)
        stack.callback(watchdog.cancel)
        yield processes


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().rstrip("\n")


def numbers_of(process: subprocess.Popen[str]) -> list[int]:
    """Return the last line's numbers of a process that ends well."""
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return [int(word) for word in said.splitlines()[-1].split()]


def assert_ready(processes: list[subprocess.Popen[str]]) -> None:
    assert {line_of(process) for process in processes} == {"ready"}


def changes_logged(state: Path) -> int:
    return len([json.loads(line) for line in (state / "audit.log").read_text().splitlines()])


def names_in(directory: str) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in Path(directory).rglob("*"))


FIRST = """
warm_up()
for number in range(int(sys.argv[3])):
    gate = Gate(vault_in(f"round-{number}"), unix_machine(), policy="regenerate")
    wait_at(f"gate-{number}")
    print(gate.fingerprint(), flush=True)
"""


def test_racing_processes_all_get_the_stored_first_fingerprint(tmp_path: Path, full: bool, count: Count) -> None:
    """One is minted and none is replaced: the history is empty, and one change was logged."""
    racers, rounds = (64, 200) if full else (16, 3)
    minted = set()
    gate = StartGate(tmp_path / "gate-0")
    with started(FIRST, racers, tmp_path, str(rounds)) as processes:
        for number in range(rounds):
            assert_ready(processes)
            following = StartGate(tmp_path / f"gate-{number + 1}")
            gate.open()
            answers = {line_of(process) for process in processes}
            gate = following
            setup = tmp_path / f"round-{number}"
            vault = Vault(str(setup / "Vault"), state=str(setup / "state"))
            assert answers == {vault.read().fingerprint}
            assert vault.history.entries() == []
            assert changes_logged(setup / "state") == 1
            assert names_in(vault.path) == ["Manifest", "Store", "Store/InstanceFingerprint"]
            minted |= answers
            count("races for a first fingerprint", 1)
            count("processes in races for a first fingerprint, all with the one that is stored", racers)
        gate.open()
        assert [process.wait() for process in processes] == [0] * racers
    assert len(minted) == rounds


REGENERATE = """
warm_up()
for number in range(int(sys.argv[3])):
    gate = Gate(vault_in(f"round-{number}"), unix_machine(machine_id="e" * 32 + "\\n"), policy="regenerate")
    wait_at(f"gate-{number}")
    print(gate.fingerprint(), flush=True)
"""


def test_gates_that_race_to_regenerate_make_one_new_fingerprint(tmp_path: Path, full: bool, count: Count) -> None:
    """The old record is in the history, and no other: nobody's new one was replaced by another new one."""
    racers, rounds = 2, 200 if full else 5
    vaults = []
    for number in range(rounds):
        setup = tmp_path / f"round-{number}"
        vaults.append(Vault(str(setup / "Vault"), state=str(setup / "state")))
        first_record(vaults[number], unix_machine())
    gate = StartGate(tmp_path / "gate-0")
    with started(REGENERATE, racers, tmp_path, str(rounds)) as processes:
        for number, vault in enumerate(vaults):
            old = vault.read()
            assert_ready(processes)
            following = StartGate(tmp_path / f"gate-{number + 1}")
            gate.open()
            answers = {line_of(process) for process in processes}
            gate = following
            new = vault.read()
            assert answers == {new.fingerprint}
            assert new.fingerprint != old.fingerprint
            assert [decode_fingerprint(e["record"].encode(), "") for e in vault.history.entries()] == [old]
            count("races to regenerate, each with one new fingerprint", 1)
        gate.open()


def made(number: int) -> FingerprintRecord:
    """Return the record of a number, which determines its content.

    Fifty in a row differ in some digits alone, as records do when an address changes; then the length changes.
    """
    attributes = HardwareHash({"machine-id": f"{number:06}\n", "disk-info": "x" * (number // 50 * 997 % 3000)})
    return FingerprintRecord(f"fingerprint {number:06}", attributes, 40)


READ = (
    inspect.getsource(made)
    + """
vault, last = vault_in("setup"), int(sys.argv[3])
number = reads = values = 0
vault.read()
wait_at("gate")
while number != last:
    record = vault.read()
    found = int(record.fingerprint.removeprefix("fingerprint "))
    if record != made(found):
        sys.exit(f"torn: {record}")
    if found < number:
        sys.exit(f"{found} was read after {number}")
    values += found != number
    number = found
    reads += 1
print(reads, values)
"""
)


def test_readers_see_complete_records_in_the_order_of_writing(tmp_path: Path, full: bool, count: Count) -> None:
    """Never a torn, missing or unreadable record, nor an older one after a newer one."""
    rewrites = 10_000 if full else 300
    vault = Vault(str(tmp_path / "setup" / "Vault"), state=str(tmp_path / "setup" / "state"))
    with vault.edit() as edit:
        edit.store(made(0), why="test")
    gate = StartGate(tmp_path / "gate")
    with started(READ, 2, tmp_path, str(rewrites)) as readers:
        assert_ready(readers)
        gate.open()
        for number in range(1, rewrites + 1):
            with vault.edit() as edit:
                edit.store(made(number), why="test")
        reads, values = (sum(column) for column in zip(*map(numbers_of, readers), strict=True))
    assert reads >= values > 2
    count("rewrites under two readers", rewrites)
    count("reads during rewrites, all complete and in order", reads)
    count("different records among them", values)


CHANGE = """
warm_up()
vault, changes = vault_in("setup"), int(sys.argv[3])
wait_at("gate")
for number in range(changes):
    before, after = set_threshold(vault, (number * 37 + os.getpid()) % 100 + 1)
    print(before.threshold, after.threshold)
"""


def test_two_writers_lose_no_change_of_each_other(tmp_path: Path, full: bool, count: Count) -> None:
    """Every change starts from what another left: none is lost, none makes the record invalid."""
    changes = 1_000 if full else 40
    vault = Vault(str(tmp_path / "setup" / "Vault"), state=str(tmp_path / "setup" / "state"))
    first, _ = first_record(vault, unix_machine())
    gate = StartGate(tmp_path / "gate")
    with started(CHANGE, 2, tmp_path, str(changes)) as writers:
        assert_ready(writers)
        gate.open()
        said = [process.communicate()[0] for process in writers]
        assert [process.returncode for process in writers] == [0, 0]
    made_changes = [tuple(map(int, line.split())) for text in said for line in text.splitlines()]
    assert len(made_changes) == 2 * changes
    made_changes = [(before, after) for before, after in made_changes if before != after]
    last = vault.read()
    assert last.replace(threshold=first.threshold) == first
    # What was left is what was found, but for the two ends of the chain.
    left = Counter(after for _, after in made_changes) + Counter([first.threshold])
    found = Counter(before for before, _ in made_changes) + Counter([last.threshold])
    assert left == found
    entries = vault.history.entries()
    numbers = [entry["number"] for entry in entries]
    assert numbers == sorted(set(numbers))
    records = [decode_fingerprint(entry["record"].encode(), "") for entry in entries]
    assert {record.replace(threshold=first.threshold) for record in records} == {first}
    assert records[0] == first
    # Changes of the threshold alone are merged when the lines are many; then come the newest ones without a gap.
    gaps = [at for at, number in enumerate(numbers) if at and number != numbers[at - 1] + 1]
    newest = records[gaps[-1] if gaps else 0 :]
    assert gaps or len(entries) >= len(made_changes)
    steps = {(a.threshold, b.threshold) for a, b in zip(newest, [*newest[1:], last], strict=True)}
    assert steps <= set(made_changes)
    assert changes_logged(tmp_path / "setup" / "state") == len(made_changes) + 1
    count("changes of the threshold by two writers at once, none lost", len(made_changes))


def minted(number: int) -> FingerprintRecord:
    """Return the record of a number with a fingerprint that has little in common with any other."""
    return FingerprintRecord(hashlib.sha256(b"%d" % number).hexdigest(), HardwareHash({"machine-id": "m\n"}), 40)


# As the agent does it: without a lock, the file truncated and written in place, nothing flushed.
AGENT = (
    inspect.getsource(minted)
    + """
import hashlib, time
from fingerprint.vault.records import encode_fingerprint
path = os.path.join(setup, "setup", "Vault", "Store", "InstanceFingerprint")
print("ready", flush=True)
for line in sys.stdin:
    number, pause = line.split()
    data = encode_fingerprint(minted(int(number)))
    end = time.perf_counter() + float(pause)
    while time.perf_counter() < end:
        pass
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, data)
    os.close(descriptor)
    print("written", flush=True)
"""
)


@pytest.mark.parametrize("system", ["exchanges", "does not exchange"])
def test_an_agents_write_during_ours_is_in_vault_or_journal(
    system: str, tmp_path: Path, full: bool, count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whatever moment of our write it writes in place: no identity that it wrote completely vanishes, nor does ours.

    Where the system cannot exchange two files a window is left, as docs/durability.md says: most are found again.
    """
    rounds = (20_000 if full else 400) if system == "exchanges" else 200
    (tmp_path / "tried").mkdir()
    if system == "exchanges" and not can_exchange(tmp_path / "tried"):
        pytest.skip("this system cannot exchange two names in one call")
    if system != "exchanges":
        from fingerprint.vault import _posix_exchange

        def cannot(*_: object) -> None:
            raise OSError(errno.EINVAL, "")

        monkeypatch.setattr(_posix_exchange, "exchange_names", cannot)
        monkeypatch.setattr(_posix_exchange, "take_name", cannot)
    vault = Vault(str(tmp_path / "setup" / "Vault"), state=str(tmp_path / "setup" / "state"))
    with vault.edit() as edit:
        edit.store(minted(0), why="test")
    seconds = usual_seconds(vault)
    program = [sys.executable, "-I", "-c", PRELUDE + AGENT, str(SUPPORT), str(tmp_path)]
    again = vanished = 0
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as agent:
        assert agent.stdin
        assert line_of(agent) == "ready"
        for number in range(1, rounds + 1):
            agent.stdin.write(f"{number} {random.uniform(0, seconds)}\n")
            threshold = number % 100 + 1
            decisions = []

            def change(
                edit: VaultEdit, threshold: int = threshold, decisions: list[FingerprintRecord] = decisions
            ) -> None:
                decisions.append(edit.read())
                edit.store(decisions[-1].replace(threshold=threshold), why="test")

            vault.change(change)
            assert line_of(agent) == "written"
            again += len(decisions) - 1
            there = vault.read()
            expected = minted(number)
            if there.replace(threshold=40) != expected:
                known = [part for one in vault.history.changes()[-6:] for part in (one.before, one.after) if part]
                vanished += encode_fingerprint(expected) not in known
                # The record of our change is no identity of the agent's that it might have damaged.
                assert there.replace(threshold=40) in (minted(number - 1), expected)
            with vault.edit() as edit:
                edit.store(expected, why="test")
        agent.stdin.close()
        assert agent.wait() == 0
    assert names_in(vault.path) == ["Manifest", "Store", "Store/InstanceFingerprint"]
    if system == "exchanges":
        assert vanished == 0
        # The moments were such that it mattered.
        assert again > rounds // 100
    else:
        assert vanished <= rounds // 20
    count(f"writes of an agent in place during one of ours, where the system {system}", rounds)
    count(f"decisions made anew for that, where the system {system}", again)
    count(f"of these writes vanished, where the system {system}", vanished)


def usual_seconds(vault: Vault) -> float:
    """Return how long a change of the threshold takes here."""
    seconds = []
    for number in range(20):
        start = perf_counter()
        set_threshold(vault, number + 1)
        seconds.append(perf_counter() - start)
    return median(seconds)


RENAME_EXCHANGE = 2
AT_FDCWD = -100
SWAP = """
import ctypes, random, signal
renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
one, other = os.fsencode(sys.argv[3]), os.fsencode(sys.argv[4])
asked_to_stop = []
signal.signal(signal.SIGTERM, lambda *_: asked_to_stop.append(True))
swaps = 0
print("ready", flush=True)
while not asked_to_stop or swaps % 2:
    if renameat2(-100, one, -100, other, 2):
        sys.exit(os.strerror(ctypes.get_errno()))
    swaps += 1
    # The directory itself stays for a while now and then, so that operations get to each step before the link is there.
    if swaps % 2 == 0:
        for _ in range(random.randrange(4_000)):
            pass
print(swaps)
"""


def can_exchange(directory: Path) -> bool:
    """Return whether two names can be exchanged in one call here."""
    (directory / "one").mkdir()
    (directory / "other").symlink_to("nowhere")
    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError):
        return False
    return not renameat2(
        AT_FDCWD, os.fsencode(directory / "one"), AT_FDCWD, os.fsencode(directory / "other"), RENAME_EXCHANGE
    )


def contents(directory: Path) -> dict[str, tuple[int, int, int, bytes]]:
    found = {}
    for path in [directory, *sorted(directory.rglob("*"))]:
        status = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_ino, status.st_mode, status.st_mtime_ns, data)
    return found


@pytest.mark.parametrize("swapped", ["Vault", "Vault/Store"])
def test_a_directory_swapped_for_a_link_leads_to_no_other_vault(
    swapped: str, tmp_path: Path, full: bool, count: Count
) -> None:
    """The victim is neither changed nor taken for the vault, and the vault never seems to be missing."""
    if not can_exchange(tmp_path):
        pytest.skip("this system cannot exchange two names in one call")
    operations = 10_000 if full else 200
    vault = Vault(str(tmp_path / "setup" / "Vault"), state=str(tmp_path / "setup" / "state"))
    mine, _ = first_record(vault, unix_machine())
    victim = Vault(str(tmp_path / "victim" / "Vault"), state=str(tmp_path / "victim" / "state"))
    first_record(victim, unix_machine(), threshold=77)
    before = contents(tmp_path / "victim")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "victim" / swapped)

    def threshold(number: int) -> str:
        return set_threshold(vault, number % 70 + 1)[0].fingerprint

    def again(number: int) -> str:
        with pytest.raises(Refused):
            first_record(vault, unix_machine())
        return mine.fingerprint

    def store(number: int) -> str:
        with vault.edit() as edit:
            record = edit.read()
            edit.store(record.replace(threshold=number % 70 + 1), why="test")
        return record.fingerprint

    actions: list[Callable[[int], str]] = [
        lambda _: vault.read().fingerprint,
        threshold,
        lambda _: Gate(vault, unix_machine(), policy="regenerate").fingerprint(),
        again,
        store,
    ]
    refused = 0
    with started(SWAP, 1, tmp_path, str(tmp_path / "setup" / swapped), str(link)) as [swapper]:
        assert_ready([swapper])
        for number in range(operations):
            try:
                assert actions[number % len(actions)](number) == mine.fingerprint
            except VaultMissing:
                pytest.fail("the vault seemed to be missing")
            except VaultError:
                refused += 1
        swapper.send_signal(signal.SIGTERM)
        [swaps] = numbers_of(swapper)
    assert contents(tmp_path / "victim") == before
    assert 0 < refused < operations
    left = vault.read()
    assert left.replace(threshold=mine.threshold) == mine
    assert all(mine.fingerprint in entry["record"] for entry in vault.history.entries())
    count(f"operations while {swapped} was swapped for a link", operations)
    count(f"refused while {swapped} was swapped, the rest with the vault's own record", refused)
    count(f"swaps of {swapped} meanwhile", swaps)


def test_the_real_path_of_a_swapped_directory_is_one_of_two(tmp_path: Path) -> None:
    """Or reading failed: a link may be replaced between its check and its reading."""
    if not can_exchange(tmp_path):
        pytest.skip("this system cannot exchange two names in one call")
    place, link, target = tmp_path / "Vault", tmp_path / "link", tmp_path / "target"
    place.mkdir()
    target.mkdir()
    link.symlink_to(target)
    refused = 0
    with started(SWAP, 1, tmp_path, str(place), str(link)) as [swapper]:
        assert_ready([swapper])
        for _ in range(20_000):
            try:
                assert real_path(str(place)) in (str(place), str(target))
            except VaultUnreadable:
                refused += 1
        swapper.send_signal(signal.SIGTERM)
        numbers_of(swapper)
    assert refused < 20_000
