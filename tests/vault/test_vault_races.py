"""What another program writes at a given moment of a write or a read of ours; the real races are in durability/."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fingerprint import FingerprintRecord, HardwareHash, Vault
from fingerprint.errors import VaultChanged, VaultCorrupt, VaultDenied, VaultError, VaultUnreadable
from fingerprint.gate import first_record, set_threshold
from fingerprint.testing.machines import unix_machine
from fingerprint.vault import _posix_exchange, verify
from fingerprint.vault.edit import VaultEdit
from fingerprint.vault.files import Directory, is_torn
from fingerprint.vault.integrity import manifest_state
from fingerprint.vault.records import encode_fingerprint

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the moments are those of the calls of Unix")

RECORD = FingerprintRecord("ours", HardwareHash({"machine-id": "m\n"}), 40)
AGENTS = RECORD.replace(fingerprint="another identity, of the agent")
LATER = RECORD.replace(fingerprint="and one that came after that one")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    made = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    with made.edit() as edit:
        edit.store(RECORD, why="test")
    return made


def path_of(vault: Vault) -> Path:
    return Path(vault.data_path("InstanceFingerprint"))


def agent_writes(vault: Vault, record: FingerprintRecord) -> None:
    """Write in place, as the agent does."""
    descriptor = os.open(path_of(vault), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(descriptor, encode_fingerprint(record))
    os.close(descriptor)


def known(vault: Vault) -> set[str]:
    sides = [side for one in vault.history.changes() for side in (one.before, one.after) if side]
    return {json.loads(side)["fingerprint"] for side in sides}


def assert_tidy(vault: Vault) -> None:
    assert sorted(os.listdir(Path(vault.path) / "Store")) == ["InstanceFingerprint"]
    assert vault.read().fingerprint
    assert not vault.notice


class Moments:
    """Lets something happen before or after the n-th call of a function."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def __call__(self, where: object, name: str, number: int, happens: Callable[[], None], *, after: bool) -> None:
        real = getattr(where, name)
        left = [number]

        def called(*words: object, **more: object) -> object:
            left[0] -= 1
            if not left[0] and not after:
                happens()
            result = real(*words, **more)
            if not left[0] and after:
                happens()
            return result

        self._patch.setattr(where, name, called)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Moments:
    return Moments(monkeypatch)


def test_a_write_between_our_reading_and_our_exchange_stays(vault: Vault, at: Moments) -> None:
    """The change is decided anew, on what the agent wrote; and both are in the journal."""
    at(_posix_exchange, "exchange_names", 1, lambda: agent_writes(vault, AGENTS), after=False)
    before, after = set_threshold(vault, 55)
    assert (before, after) == (AGENTS, AGENTS.replace(threshold=55))
    assert vault.read() == after
    assert known(vault) == {RECORD.fingerprint, AGENTS.fingerprint}
    assert_tidy(vault)


def test_a_decision_from_before_the_lock_meets_the_change(vault: Vault, at: Moments) -> None:
    at(_posix_exchange, "exchange_names", 1, lambda: agent_writes(vault, AGENTS), after=False)
    with pytest.raises(VaultChanged) as changed, vault.edit() as edit:
        edit.store(edit.read().replace(threshold=55), why="test")
    assert changed.value.exit_code == 3
    assert vault.read() == AGENTS
    assert_tidy(vault)


def test_a_write_to_the_displaced_file_is_put_back_with_it(vault: Vault, at: Moments) -> None:
    """The agent had it open before the exchange, and truncates and writes it afterwards."""
    descriptor = os.open(path_of(vault), os.O_WRONLY)

    def late() -> None:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, encode_fingerprint(AGENTS))

    # Flushed are the journal, the new file, and the directory after the exchange: the comparison before found nothing.
    at(os, "fsync", 3, late, after=True)
    set_threshold(vault, 55)
    os.close(descriptor)
    assert AGENTS.fingerprint in known(vault) | {vault.read().fingerprint}
    assert_tidy(vault)


def test_what_comes_while_it_is_put_back_goes_there_next(vault: Vault, at: Moments) -> None:
    """The agent writes, our exchange is taken back, and before that it writes our new file, too."""
    at(_posix_exchange, "exchange_names", 1, lambda: agent_writes(vault, AGENTS), after=False)
    at(_posix_exchange, "exchange_names", 2, lambda: agent_writes(vault, LATER), after=False)
    with pytest.raises(VaultChanged), vault.edit() as edit:
        edit.store(edit.read().replace(threshold=55), why="test")
    assert vault.read() == LATER
    assert AGENTS.fingerprint in known(vault)
    assert_tidy(vault)


def test_a_first_record_replaces_none_that_came_meanwhile(tmp_path: Path, at: Moments) -> None:
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    at(_posix_exchange, "take_name", 1, lambda: agent_writes(vault, AGENTS), after=False)
    with pytest.raises(Exception, match="already holds"):
        first_record(vault, unix_machine())
    assert vault.read() == AGENTS


def test_one_that_writes_each_time_stops_us_and_loses_nothing(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    real = _posix_exchange.exchange_names
    written: list[str] = []

    def exchange(*words: object) -> None:
        if len(written) % 2 == 0 or not written:
            record = RECORD.replace(fingerprint=f"identity number {len(written)} of that program")
            agent_writes(vault, record)
        written.append(json.loads(path_of(vault).read_bytes())["fingerprint"])
        real(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(_posix_exchange, "exchange_names", exchange)
    with pytest.raises(VaultChanged):
        set_threshold(vault, 55)
    monkeypatch.undo()
    assert set(written) <= known(vault) | {vault.read().fingerprint}
    assert_tidy(vault)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM])
@pytest.mark.parametrize("meanwhile", [False, True])
def test_where_the_system_cannot_exchange_it_is_read_once_more(
    vault: Vault, code: int, meanwhile: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> None:
        if meanwhile and vault.read() == RECORD:
            agent_writes(vault, AGENTS)
        raise OSError(code, "")

    monkeypatch.setattr(_posix_exchange, "exchange_names", cannot)
    monkeypatch.setattr(_posix_exchange, "take_name", cannot)
    before, after = set_threshold(vault, 55)
    assert before == (AGENTS if meanwhile else RECORD)
    assert vault.read() == after
    assert_tidy(vault)
    first_record(Vault(vault.path + "2", state=vault.state), unix_machine())


def test_what_a_writer_that_was_killed_had_displaced_is_kept(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """It died after the exchange: the agent's identity has the temporary name, and the next write keeps it."""
    real = _posix_exchange.exchange_names

    def dies(*words: object) -> None:
        agent_writes(vault, AGENTS)
        real(*words)  # type: ignore[arg-type]
        monkeypatch.setattr(_posix_exchange, "put_back", lambda *_: None)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_posix_exchange, "exchange_names", dies)
        with pytest.raises(KeyboardInterrupt):
            set_threshold(vault, 55)
    monkeypatch.undo()
    assert json.loads(path_of(vault).with_name("InstanceFingerprint.tmp").read_bytes())["fingerprint"] == (
        AGENTS.fingerprint
    )
    set_threshold(vault, 66)
    assert AGENTS.fingerprint in known(vault)
    assert_tidy(vault)
    number = next(one.number for one in vault.history.changes() if one.before == encode_fingerprint(AGENTS))
    assert vault.history.entry(number)[1] == encode_fingerprint(AGENTS)


def test_a_displaced_record_is_kept_although_the_record_is_gone(vault: Vault) -> None:
    """It may be all that there is of the agent's identity."""
    data = encode_fingerprint(AGENTS)
    path_of(vault).with_name("InstanceFingerprint.tmp").write_bytes(data)
    path_of(vault).with_name("InstanceFingerprint.tmp").chmod(0o600)
    path_of(vault).unlink()
    [finding] = [one for one in verify.verify(vault) if one.kind == "left-over"]
    assert "intact" not in finding.what
    with vault.edit() as edit:
        edit.force("InstanceFingerprint", encode_fingerprint(AGENTS.replace(fingerprint="another")), why="test")
    assert AGENTS.fingerprint in known(vault)
    assert data in [copy for _, _, copy in vault.history.copies("InstanceFingerprint")]


@pytest.mark.parametrize("error", [VaultDenied, VaultUnreadable])
def test_a_displaced_record_that_cannot_be_read_stops_a_write(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, error: type[VaultError]
) -> None:
    left, real = path_of(vault).with_name("InstanceFingerprint.tmp"), Directory.read
    left.write_bytes(encode_fingerprint(AGENTS))
    left.chmod(0o600)

    def read(directory: Directory, name: str, *words: object, **more: object) -> bytes | None:
        if name == left.name:
            raise error("could not read it", where=name)
        return real(directory, name, *words, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Directory, "read", read)
        with pytest.raises(error):
            set_threshold(vault, 55)
    assert vault.read() == RECORD
    assert left.read_bytes() == encode_fingerprint(AGENTS)
    set_threshold(vault, 55)
    assert AGENTS.fingerprint in known(vault)


def test_a_manifest_written_meanwhile_keeps_its_entries(vault: Vault, at: Moments) -> None:
    """The agent registers, while our own record is not listed yet."""
    manifest = Path(vault.path) / "Manifest"
    manifest.write_text("{}")

    def agent_lists() -> None:
        manifest.write_text(json.dumps({"Agents": "/somewhere"}))

    # The first exchange is the record's.
    at(_posix_exchange, "exchange_names", 2, agent_lists, after=False)
    set_threshold(vault, 55)
    listed = json.loads(manifest.read_text())
    assert listed == {"Agents": "/somewhere", "InstanceFingerprint": str(path_of(vault))}


def test_a_displaced_file_that_cannot_be_read_gets_its_name_back(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Directory.read

    def read(directory: Directory, name: str, *words: object, **more: object) -> bytes | None:
        if name == "InstanceFingerprint.tmp" and failing:
            failing.pop()
            raise VaultUnreadable("could not read it (Input/output error)", where=name)
        return real(directory, name, *words, **more)  # type: ignore[arg-type]

    # The search for what a dead writer left comes first.
    failing = [True]
    monkeypatch.setattr(Directory, "left_over", lambda *_: None)
    monkeypatch.setattr(Directory, "read", read)
    with pytest.raises(VaultUnreadable):
        set_threshold(vault, 55)
    assert vault.read() == RECORD
    assert_tidy(vault)


# The lock, and the directory that it is of.


def test_a_write_after_a_wait_goes_to_the_directory_at_the_path(vault: Vault, tmp_path: Path) -> None:
    """While one waits, the directory is replaced: what is acknowledged is in the one that is there now."""
    started = threading.Event()
    done: list[FingerprintRecord] = []

    def waits() -> None:
        started.set()
        done.append(set_threshold(Vault(vault.path, state=vault.state), 77)[1])

    with vault.edit():
        thread = threading.Thread(target=waits)
        thread.start()
        started.wait()
        time.sleep(0.2)
        shutil.copytree(vault.path, tmp_path / "copy")
        os.rename(vault.path, tmp_path / "replaced")
        os.rename(tmp_path / "copy", vault.path)
    thread.join()
    assert [record.threshold for record in done] == [77]
    assert vault.read().threshold == 77
    assert json.loads((tmp_path / "replaced/Store/InstanceFingerprint").read_bytes())["similarityThreshold"] == 40


def test_a_write_into_a_replaced_directory_is_not_acknowledged(vault: Vault, tmp_path: Path, at: Moments) -> None:
    def replaced() -> None:
        shutil.copytree(vault.path, tmp_path / "copy", ignore=shutil.ignore_patterns("*.tmp"))
        os.rename(vault.path, tmp_path / "replaced")
        os.rename(tmp_path / "copy", vault.path)

    at(_posix_exchange, "exchange_names", 1, replaced, after=False)
    _, after = set_threshold(vault, 77)
    assert Vault(vault.path, state=vault.state).read() == after


# Readers that meet the agent between its truncation and its write.

AGENT = """
import os, sys, time
path, seconds = sys.argv[1], float(sys.argv[2])
data = open(path, "rb").read()
print("ready", flush=True)
while True:
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
    time.sleep(seconds)
    os.write(descriptor, data[: len(data) // 2])
    time.sleep(seconds)
    os.write(descriptor, data[len(data) // 2 :])
    os.close(descriptor)
    time.sleep(0.03)
"""
READINGS: list[Callable[[Vault], object]] = [
    lambda vault: vault.read(),
    lambda vault: set_threshold(vault, 40),
    lambda vault: manifest_state(vault).sound or pytest.fail("the manifest seemed to be damaged"),
    lambda vault: [one for one in verify.verify(vault) if one.broken] and pytest.fail("the vault seemed to be damaged"),
]


@pytest.mark.parametrize("name", ["Store/InstanceFingerprint", "Manifest"])
@pytest.mark.parametrize("reading", range(len(READINGS)))
def test_a_reader_waits_for_an_agent_that_is_writing(vault: Vault, name: str, reading: int) -> None:
    """However it meets it: no record or manifest that is being written is called damaged."""
    program = [sys.executable, "-I", "-c", AGENT, str(Path(vault.path) / name), "0.003"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout
        agent.stdout.readline()
        try:
            for _ in range(100):
                READINGS[reading](vault)
        finally:
            agent.kill()


@pytest.mark.parametrize("data", [b"", b"   \n", b'{"fingerprint":"ours","hardw'])
def test_a_torn_record_is_waited_for_in_vain_for_a_moment_only(
    vault: Vault, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A moment while it may still be written, once for a file as it is, and not at all where it is old."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    for age in (0, 0, 60, -1):
        path_of(vault).write_bytes(data)
        if age:
            os.utime(path_of(vault), (time.time() - age,) * 2)
        for _ in range(2):
            with pytest.raises(VaultCorrupt):
                vault.read()
    # Three files that were written just now, each of them once.
    assert sum(slept) == pytest.approx(3 * 0.127)


@pytest.mark.parametrize(
    ("data", "torn"),
    [
        (b"", True), (b" \0 ", False), (b"{", True), (b'{"a":{}', True), (b'{"a":"}', True), (b'{"a":"{"}', False),
        (b'{"a":"{}"}', False), (b'{"a":"\\"}', True), (b'{"a":"\\""}', False), (b'{"a":"\\\\"}', False),
        (b"null", False), (b'{"a":1}\n', False), (b'{"a":{"b":"c"}', True), (b"[]", False),
    ],
)  # fmt: skip
def test_what_is_torn(data: bytes, torn: bool) -> None:
    assert is_torn(data) is torn


def test_the_change_is_given_up_after_so_many_decisions(vault: Vault) -> None:
    decisions = []

    def decide(edit: VaultEdit) -> None:
        decisions.append(edit)
        raise VaultChanged("another program wrote it")

    with pytest.raises(VaultError):
        vault.change(decide)
    assert len(decisions) == 10
