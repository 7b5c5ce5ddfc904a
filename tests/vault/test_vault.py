"""The vault on a real file system: reading, refusing, writing, racing."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fingerprint import FingerprintRecord, HardwareHash, Vault
from fingerprint.errors import (
    VaultBusy,
    VaultCorrupt,
    VaultDenied,
    VaultError,
    VaultMissing,
    VaultUnreadable,
    VaultUnsafe,
)
from fingerprint.vault import locations
from paths import SUPPORT

RECORD = FingerprintRecord("fp", HardwareHash({"machine-id": "m\n"}), 40)
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="changing owners needs root")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    made = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"), now=lambda: 1_800_000_000.0)
    with made.edit() as edit:
        edit.store(RECORD, why="test")
    return made


def path_of(vault: Vault) -> Path:
    return Path(vault.data_path("InstanceFingerprint"))


def test_what_is_stored_is_read(vault: Vault) -> None:
    assert vault.read() == RECORD
    assert json.loads(Path(vault.path, "Manifest").read_text()) == {"InstanceFingerprint": str(path_of(vault))}


def test_files_are_for_the_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        vault = Vault(str(tmp_path / "deep" / "Vault"), state=str(tmp_path / "state"))
        with vault.edit() as edit:
            edit.store(RECORD, why="test")
            edit.store(RECORD.replace(threshold=1), why="test")
    finally:
        os.umask(old)
    for path in [*tmp_path.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_the_replaced_record_is_kept_before_it_is_replaced(vault: Vault) -> None:
    with vault.edit() as edit:
        edit.store(RECORD.replace(threshold=50), why="a reason", rule="SIMILAR")
    [entry] = vault.history.entries()
    assert json.loads(entry["record"])["similarityThreshold"] == 40
    assert (entry["why"], entry["rule"], entry["replacedAt"]) == ("a reason", "SIMILAR", "2027-01-15T08:00:00Z")
    assert entry["by"]["pid"] == os.getpid()


def test_a_record_is_not_replaced_when_it_cannot_be_kept(vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "state").rename(tmp_path / "moved")
    (tmp_path / "state").write_text("a file in place of the state directory")
    before = path_of(vault).read_bytes()
    with pytest.raises(VaultError), vault.edit() as edit:
        edit.store(RECORD.replace(threshold=50), why="test")
    assert path_of(vault).read_bytes() == before


def test_the_history_is_bounded_and_keeps_the_first(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fingerprint.vault.history.LINES_LIMIT", 240)
    for number in range(450):
        with vault.edit() as edit:
            edit.store(RECORD.replace(fingerprint=str(number)), why="test")
        if number % 50 == 49:
            assert len(Path(vault.history.path).read_bytes().splitlines()) <= 242
    entries = vault.history.entries()
    assert 50 <= len(entries) < 150
    assert json.loads(entries[0]["record"])["fingerprint"] == RECORD.fingerprint
    assert [json.loads(e["record"])["fingerprint"] for e in entries[-50:]] == [str(n) for n in range(399, 449)]
    numbers = [e["number"] for e in entries]
    assert numbers == sorted(set(numbers))


def test_what_is_stored_already_is_made_durable_again(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its writer may have been killed between the rename and the flush of the directory."""
    flushed: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        flushed.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with vault.edit() as edit:
        edit.store(RECORD, why="test")
    assert flushed == [path_of(vault).stat().st_ino, path_of(vault).parent.stat().st_ino]


def test_who_writes_must_be_able_to_read_the_journal(vault: Vault) -> None:
    journal = Path(vault.history.path)
    journal.chmod(0o666)
    before = path_of(vault).read_bytes()
    assert vault.read() == RECORD
    assert "No check for damage" in vault.unwatched
    with pytest.raises(VaultUnsafe), vault.edit() as edit:
        edit.store(RECORD.replace(threshold=50), why="test")
    assert path_of(vault).read_bytes() == before
    journal.chmod(0o600)
    vault.read()
    assert not vault.unwatched


def test_damage_is_no_record_although_the_journal_is_unreadable(vault: Vault) -> None:
    """A flipped bit of the fingerprint, and something unreadable in the journal's place."""
    data = path_of(vault).read_bytes()
    path_of(vault).write_bytes(data.replace(b'"fp', b'"fq', 1))
    Path(vault.history.path).unlink()
    Path(vault.history.path).mkdir(mode=0o700)
    with pytest.raises(VaultUnreadable):
        vault.read()
    assert path_of(vault).read_bytes() == data.replace(b'"fp', b'"fq', 1)


def test_a_torn_line_of_a_dead_writer_is_cut_off(vault: Vault) -> None:
    journal = Path(vault.history.path)
    intact = journal.read_bytes()
    journal.write_bytes(intact + b'{"schemaVersion":1,"number":2,"key":"Instan')
    assert vault.read() == RECORD
    assert vault.history.entries() == []
    with vault.edit() as edit:
        edit.store(RECORD.replace(threshold=50), why="test")
    assert journal.read_bytes().startswith(intact)
    assert len(journal.read_bytes().splitlines()) == len(intact.splitlines()) + 2
    assert vault.history.damaged_lines() == []


def test_a_damaged_line_of_the_journal_costs_itself_only(vault: Vault) -> None:
    for threshold in (50, 60):
        with vault.edit() as edit:
            edit.store(RECORD.replace(threshold=threshold), why="test")
    journal = Path(vault.history.path)
    lines = journal.read_bytes().splitlines(keepends=True)
    [second] = [at for at, line in enumerate(lines) if b'"number":2,' in line and b'"before":' in line]
    lines[second] = lines[second].replace(b'"fp', b'"fq', 1)
    journal.write_bytes(b"".join(lines))
    assert vault.history.damaged_lines() == [second + 1]
    assert [json.loads(e["record"])["similarityThreshold"] for e in vault.history.entries()] == [50]
    assert vault.read().threshold == 60


def test_what_was_written_last_can_be_had_back_over_anything(vault: Vault) -> None:
    key, data = vault.history.entry(0, "InstanceFingerprint")
    assert (key, data) == ("InstanceFingerprint", path_of(vault).read_bytes())
    path_of(vault).write_bytes(b"")
    with pytest.raises(VaultCorrupt, match="restore 0"):
        vault.read()
    with vault.edit() as edit:
        edit.force(key, data, why="test")
    assert vault.read() == RECORD


def test_a_threshold_set_by_the_agent_is_read_and_noted(vault: Vault) -> None:
    path = path_of(vault)
    path.write_bytes(path.read_bytes().replace(b"40}", b"41}"))
    assert vault.read().threshold == 41
    assert vault.notice == "Another program changed the threshold from 40 to 41"


def test_a_record_that_the_agent_wrote_is_taken_and_noted(vault: Vault) -> None:
    path_of(vault).write_bytes(b'{"fingerprint":"another","hardwareHash":null,"similarityThreshold":40}')
    assert vault.read().fingerprint == "another"
    assert "Another program wrote" in vault.notice
    path_of(vault).write_bytes(b'{"fingerprint":"","hardwareHash":null,"similarityThreshold":0}')
    assert vault.read() == FingerprintRecord()


def test_a_few_other_bytes_are_damage_until_they_are_accepted(vault: Vault) -> None:
    path = path_of(vault)
    path.write_bytes(path.read_bytes().replace(b'"fp"', b'"fq"'))
    with pytest.raises(VaultCorrupt, match="1 byte from what was written last"):
        vault.read()
    with pytest.raises(VaultCorrupt, match="1 byte from what was written last"), vault.edit() as edit:
        edit.store(RECORD, why="test")
    with vault.edit() as edit:
        edit.keep("InstanceFingerprint", why="on purpose", as_it_is=True)
    assert vault.read().fingerprint == "fq"


def test_the_audit_log_has_a_line_a_change_and_no_secret(vault: Vault, tmp_path: Path) -> None:
    with vault.edit() as edit:
        edit.store(RECORD.replace(fingerprint="new secret"), why="why")
    lines = [json.loads(line) for line in (tmp_path / "state" / "audit.log").read_text().splitlines()]
    assert [line["why"] for line in lines] == ["test", "why"]
    assert "secret" not in (tmp_path / "state" / "audit.log").read_text()


def test_missing_is_distinguished_from_lost(vault: Vault) -> None:
    path_of(vault).unlink()
    with pytest.raises(VaultCorrupt, match="data file is missing"):
        vault.read()
    Path(vault.path, "Manifest").unlink()
    with pytest.raises(VaultMissing, match="holds no InstanceFingerprint"):
        vault.read()


def test_a_lost_record_is_not_written_over(vault: Vault) -> None:
    path_of(vault).unlink()
    with pytest.raises(VaultCorrupt), vault.edit() as edit:
        edit.store(RECORD, why="test")
    assert not path_of(vault).exists()


def test_a_missing_manifest_is_made_again_from_the_data(vault: Vault) -> None:
    manifest = Path(vault.path, "Manifest")
    before = manifest.read_bytes()
    manifest.unlink()
    assert vault.read() == RECORD
    with vault.edit() as edit:
        edit.store(RECORD.replace(threshold=41), why="test")
    assert manifest.read_bytes() == before


def test_other_keys_of_the_manifest_are_kept(vault: Vault) -> None:
    manifest = Path(vault.path, "Manifest")
    manifest.write_text(json.dumps({"Other": "/x", **json.loads(manifest.read_text())}))
    with vault.edit() as edit:
        edit.store(RECORD.replace(threshold=41), why="test")
    assert json.loads(manifest.read_text())["Other"] == "/x"


def test_the_ec2_prefix_has_a_manifest_of_its_own(tmp_path: Path) -> None:
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"), prefix="EC2")
    with vault.edit() as edit:
        edit.store(RECORD, why="test")
    assert (tmp_path / "Vault" / "EC2Manifest").is_file()
    assert not (tmp_path / "Vault" / "Manifest").exists()


def test_a_copied_vault_is_read_where_it_is(vault: Vault, tmp_path: Path) -> None:
    os.rename(vault.path, tmp_path / "copy")
    assert Vault(str(tmp_path / "copy"), state=vault.state).read() == RECORD


def test_the_vault_of_the_agent_must_name_itself(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the agent would read the other file, so ours would compare with another record."""
    manifest = Path(vault.path, "Manifest")
    manifest.write_text('{"InstanceFingerprint":"/elsewhere/Store/InstanceFingerprint"}')
    assert vault.read() == RECORD
    monkeypatch.setattr("fingerprint.vault.reading.reference_vault", lambda: vault.path)
    with pytest.raises(VaultUnsafe, match="leads out"):
        vault.read()


# A directory has no hard links, and a directory is what belongs in the place of Store.
KINDS_FOR_A_DIRECTORY = ["symlink", "dangling", "fifo", "socket", "device"]
KINDS = [*KINDS_FOR_A_DIRECTORY, "hardlink", "directory", "long"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("Store", kind) for kind in KINDS_FOR_A_DIRECTORY),
        *((name, kind) for name in ("Manifest", "Store/InstanceFingerprint") for kind in KINDS),
    ],
)
def test_only_regular_files_are_read_and_replaced(
    vault: Vault, kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(vault.path, name)
    victim = tmp_path / "victim"
    victim.write_text("not to be touched")
    path.rename(tmp_path / "away")
    if kind == "symlink":
        path.symlink_to(tmp_path / "away")
    elif kind == "dangling":
        path.symlink_to(tmp_path / "nowhere")
    elif kind == "hardlink":
        os.link(victim, path)
    elif kind == "fifo":
        os.mkfifo(path, 0o600)
    elif kind == "socket":
        import socket

        monkeypatch.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    elif kind == "device":
        if os.geteuid():
            pytest.skip("making a device needs root")
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    elif kind == "directory":
        path.mkdir()
    else:
        path.touch(0o600)
        os.truncate(path, 1024**3)
    with pytest.raises(VaultError) as caught:
        vault.read()
    assert not isinstance(caught.value, VaultMissing)
    with pytest.raises(VaultError), vault.edit() as edit:
        edit.store(RECORD.replace(threshold=1), why="test")
    assert victim.read_text() == "not to be touched"


@pytest.mark.parametrize("name", ["", "Store", "Manifest", "Store/InstanceFingerprint"])
@pytest.mark.parametrize("mode", [0o020, 0o002])
def test_what_others_can_write_is_refused(vault: Vault, name: str, mode: int) -> None:
    path = Path(vault.path, name)
    path.chmod(stat.S_IMODE(path.stat().st_mode) | mode)
    with pytest.raises(VaultUnsafe, match="others can write"):
        vault.read()


def test_a_parent_that_others_can_write_is_refused_unless_sticky(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir()
    parent.chmod(0o1777)
    vault = Vault(str(parent / "Vault"), state=str(tmp_path / "state"))
    with vault.edit() as edit:
        edit.store(RECORD, why="test")
    assert vault.read() == RECORD
    parent.chmod(0o777)
    with pytest.raises(VaultUnsafe, match="lies in"):
        vault.read()


@ROOT
@pytest.mark.parametrize("name", ["", "Store", "Manifest", "Store/InstanceFingerprint"])
def test_a_foreign_owner_is_refused(vault: Vault, name: str) -> None:
    os.chown(Path(vault.path, name), 12345, 12345)
    with pytest.raises(VaultUnsafe, match="uid 12345"):
        vault.read()


@ROOT
def test_without_permission_it_is_denied_and_nothing_is_made(vault: Vault) -> None:
    """As another user: denied, exit code 3, and no new identity."""
    names = sorted(str(p) for p in Path(vault.path).rglob("*"))
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            vault.read()
        except VaultDenied:
            os._exit(3)
        except BaseException:
            os._exit(99)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 3
    assert sorted(str(p) for p in Path(vault.path).rglob("*")) == names


def test_a_held_lock_is_waited_for_and_then_reported(vault: Vault) -> None:
    with (
        vault.edit(),
        pytest.raises(VaultBusy, match="held the lock"),
        Vault(vault.path, state=vault.state).edit(wait=0.2),
    ):
        pass


def test_a_dead_writers_temporary_file_is_no_obstacle(vault: Vault) -> None:
    Path(vault.path, "Store", "InstanceFingerprint.tmp").write_text("half a rec")
    with vault.edit() as edit:
        edit.store(RECORD.replace(threshold=2), why="test")
    assert vault.read().threshold == 2
    assert os.listdir(Path(vault.path, "Store")) == ["InstanceFingerprint"]


RACER = """
import sys
sys.path.append(sys.argv[3])
from fingerprint import Gate, Vault
from fingerprint.testing.machines import unix_machine
print(Gate(Vault(sys.argv[1], state=sys.argv[2]), unix_machine(), policy="regenerate").fingerprint())
"""


def test_sixteen_processes_mint_one_fingerprint(tmp_path: Path) -> None:
    """The losers of the race return the winner's."""
    support = str(SUPPORT)
    words = [sys.executable, "-I", "-c", RACER, str(tmp_path / "Vault"), str(tmp_path / "state"), support]
    processes = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(16)]
    answers = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 16
    assert len(answers) == 1
    assert Vault(str(tmp_path / "Vault")).read().fingerprint == answers.pop().strip()


def test_the_vault_is_the_named_one_else_the_agents_else_our_own(tmp_path: Path) -> None:
    env = {"FINGERPRINT_STATE": str(tmp_path / "state")}
    named = {**env, "FINGERPRINT_VAULT": str(tmp_path / "named")}
    assert locations.resolve_vault("x", environ=named) == os.path.abspath("x")
    assert locations.resolve_vault(None, environ=named) == str(tmp_path / "named")
    assert locations.resolve_vault(None, root="/mnt", environ=env) == "/mnt/var/lib/amazon/ssm/Vault"
    if not os.path.exists("/var/lib/amazon/ssm/Vault"):
        assert locations.resolve_vault(None, environ=env) == str(tmp_path / "state" / "Vault")


@pytest.mark.skipif(sys.platform != "linux", reason="the place of the vault is that of Linux")
def test_no_link_leads_from_a_copied_disk_to_this_hosts_vault(tmp_path: Path) -> None:
    """/var of the disk is a link, as its own system means it; here the same path is another machine's."""
    here, disk = tmp_path / "data", tmp_path / "disk"
    state = str(tmp_path / "state")
    for directory in (here, disk / "data", disk / str(here).lstrip("/")):
        (directory / "var/lib/amazon/ssm").mkdir(parents=True)
    (disk / "var").symlink_to(here / "var")
    with Vault(str(here / "var/lib/amazon/ssm/Vault"), state=state).edit() as edit:
        edit.store(RECORD, why="test")
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}

    vault = Vault.open(root=str(disk), state=state)
    assert vault.path == f"{disk}{here}/var/lib/amazon/ssm/Vault"
    with pytest.raises(VaultMissing):
        vault.read()
    with vault.edit() as edit:
        edit.store(RECORD, why="test")
    assert json.loads((Path(vault.path) / "Manifest").read_text()) == {
        "InstanceFingerprint": "/var/lib/amazon/ssm/Vault/Store/InstanceFingerprint"
    }
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before

    (disk / "var").unlink()
    (disk / "var").symlink_to("var")
    with pytest.raises(VaultUnsafe, match="cannot be found"):
        Vault.open(root=str(disk))
    assert Vault.open(vault.path, root=str(disk), state=state).read() == RECORD


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {}, "/var/lib/amazon/ssm/Vault"),
        ("freebsd14", {}, "/var/lib/amazon/ssm/Vault"),
        ("darwin", {}, "/opt/aws/ssm/data/Vault"),
        ("win32", {"ProgramData": r"D:\Data"}, r"D:\Data\Amazon\SSM\InstanceData\Vault"),
        ("win32", {"ALLUSERSPROFILE": r"C:\All"}, r"C:\All\Application Data\Amazon\SSM\InstanceData\Vault"),
    ],
)
def test_the_agents_vault_has_its_place_on_every_platform(
    platform: str, environ: dict[str, str], expected: str
) -> None:
    assert locations.reference_vault(platform, environ) == expected


def test_the_state_of_root_depends_on_nobodys_home() -> None:
    if os.geteuid() == 0 and sys.platform == "linux":
        environ = {"HOME": "/tmp/evil", "XDG_STATE_HOME": "/tmp/evil"}
        assert locations.state_directory(environ) == "/var/lib/hardware-fingerprint"


def test_an_unreadable_directory_above_is_no_missing_vault(vault: Vault) -> None:
    Path(vault.path, "Store").rename(Path(vault.path, "Elsewhere"))
    Path(vault.path, "Store").write_text("")
    with pytest.raises(VaultUnreadable, match="not a directory"):
        vault.read()
