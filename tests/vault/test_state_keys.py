"""Which state is a vault's: no two vaults share one by their paths, and one vault has one by all of its paths."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commandline import COMMAND, environment
from fingerprint import FingerprintRecord, HardwareHash, Vault
from fingerprint.vault import state_keys, state_migration, verify
from fingerprint.vault.files import Directory
from fingerprint.vault.journal import parsed, sealed
from fingerprint.vault.state_keys import Key, find_key, state_key
from fingerprint.vault.state_migration import earlier_key

posix = pytest.mark.skipif(os.name == "nt", reason="on Windows a backslash is no part of a name")
KEY = "InstanceFingerprint"


def store(vault: Vault, *fingerprints: str) -> None:
    for fingerprint in fingerprints:
        with vault.edit() as edit:
            edit.store(FingerprintRecord(fingerprint, HardwareHash({"machine-id": "m\n"}), 40), why="test")


def known(vault: Vault) -> set[str]:
    """Return the fingerprints that a vault's journal holds."""
    sides = [side for one in vault.history.changes() for side in (one.before, one.after) if side]
    return {json.loads(side)["fingerprint"] for side in sides}


@posix
def test_no_two_paths_have_one_key() -> None:
    parts = ["a", "b", "A", "-", "\\", "%", "%2d", "%5c", "é", "\udcff", " ", "a" * 300, "%sha256-", "%mixed", "."]
    paths = {"/" + separator.join(both) for both in itertools.product(parts, parts) for separator in ("/", "\\", "")}
    paths |= {"/" + state_key(path) for path in paths}
    keys = {state_key(path): path for path in paths}
    assert len(keys) == len(paths)
    assert all(key.isascii() and "/" not in key and "\\" not in key and len(key) <= 200 for key in keys)


def test_no_line_is_lost_however_many_journals_a_vault_had(tmp_path: Path) -> None:
    journals = [f"{number}\n".encode() for number in range(4)]
    with Directory.make(str(tmp_path / "history"), 0o700) as directory:
        for _ in range(2):
            # One that is there already is not kept again.
            for lines in journals:
                state_migration._put(directory, "key", lines)
    assert sorted(path.read_bytes() for path in (tmp_path / "history").iterdir()) == journals


def test_the_usual_vault_keeps_the_key_that_it_had() -> None:
    assert state_key("/var/lib/amazon/ssm/Vault") == earlier_key("/var/lib/amazon/ssm/Vault")
    assert state_key("/var/lib/amazon/ssm/Vault") == "var-lib-amazon-ssm-Vault"


@posix
def test_a_path_with_a_link_in_it_leads_to_the_same_state(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    state = str(tmp_path / "state")
    store(Vault(str(tmp_path / "real" / "Vault"), state=state), "one", "two")
    other = Vault(str(tmp_path / "link" / "Vault"), state=state)
    assert known(other) == {"one", "two"}
    store(other, "three")
    assert known(Vault(str(tmp_path / "real" / "Vault"), state=state)) == {"one", "two", "three"}
    assert len(list((tmp_path / "state" / "history").glob("*.jsonl"))) == 1


def as_an_earlier_version_kept_it(vault: Vault) -> Path:
    """Add a vault's journal to where an earlier version had it, and take the place files away."""
    history = Path(vault.history.directory)
    journal = history / (vault.state_key + ".jsonl")
    earlier = history / (earlier_key(vault.path) + ".jsonl")
    lines = [line for _, line in parsed(journal.read_bytes()) if line and "of" not in line]
    # That version marked no changes.
    data = b"".join(
        sealed({name: value for name, value in {**line, "schemaVersion": 1}.items() if name not in ("state", "sha256")})
        for line in lines
    )
    journal.unlink()
    earlier.write_bytes((earlier.read_bytes() if earlier.exists() else b"") + data)
    earlier.chmod(0o600)
    for place in history.glob("*.place.json"):
        place.unlink()
    return earlier


@pytest.fixture
def mixed(tmp_path: Path) -> tuple[Vault, Vault]:
    """The vaults of a/b and a\\b, whose state an earlier version kept in one journal."""
    state = str(tmp_path / "state")
    vaults = []
    for name, fingerprint in (("a/b", "slash"), ("a\\b", "backslash")):
        directory = tmp_path / name
        directory.mkdir(parents=True)
        vault = Vault(str(directory / "Vault"), state=state)
        store(vault, fingerprint + " 1", fingerprint + " 2")
        vaults.append(vault)
    slash, backslash = vaults
    one = as_an_earlier_version_kept_it(backslash)
    assert as_an_earlier_version_kept_it(slash) == one
    # By turns, as two vaults are used.
    lines = one.read_bytes().splitlines(keepends=True)
    one.write_bytes(b"".join(lines[at] for at in (2, 0, 3, 1)))
    return Vault(slash.path, state=state), Vault(backslash.path, state=state)


def of_each(mixed: tuple[Vault, Vault]) -> list[set[str]]:
    return [known(Vault(vault.path, state=vault.state)) for vault in mixed]


BOTH = [{"slash 1", "slash 2"}, {"backslash 1", "backslash 2"}]


@posix
@pytest.mark.parametrize("first", [0, 1])
def test_a_journal_of_two_vaults_is_divided(mixed: tuple[Vault, Vault], first: int) -> None:
    """Before that neither reads what the other one held; then each has its own."""
    assert of_each(mixed) == [set(), set()]
    for vault in (mixed[first], mixed[1 - first]):
        with vault.edit():
            pass
    assert of_each(mixed) == BOTH
    for vault, own in zip(mixed, ("slash", "backslash"), strict=True):
        assert (
            json.loads(Vault(vault.path, state=vault.state).history.last_written(KEY)[1])["fingerprint"] == own + " 2"
        )
        store(vault, own + " 3")
    assert of_each(mixed) == [BOTH[0] | {"slash 3"}, BOTH[1] | {"backslash 3"}]


@posix
def test_a_taking_over_that_dies_anywhere_is_gone_on_with(
    mixed: tuple[Vault, Vault], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each of its steps: no line is lost, and no vault reads the other one's."""
    template = tmp_path / "template"
    shutil.copytree(tmp_path / "state", template)
    steps = 0
    for dies_at in itertools.count(1):
        shutil.rmtree(tmp_path / "state")
        shutil.copytree(template, tmp_path / "state")
        left = [dies_at]

        def dying(real: Callable[..., Any], left: list[int] = left) -> Callable[..., Any]:
            def step(*words: Any, **more: Any) -> Any:
                left[0] -= 1
                if not left[0]:
                    raise KeyboardInterrupt
                return real(*words, **more)

            return step

        with monkeypatch.context() as patched:
            for name in ("create", "replace", "remove", "rename"):
                patched.setattr(Directory, name, dying(getattr(Directory, name)))
            try:
                for vault in mixed:
                    with Vault(vault.path, state=vault.state).edit():
                        pass
            except KeyboardInterrupt:
                steps += 1
        for vault in mixed:
            with Vault(vault.path, state=vault.state).edit():
                pass
        assert of_each(mixed) == BOTH, dies_at
        if left[0] > 0:
            break
    assert steps >= 2


@posix
def test_the_state_of_a_long_path_and_of_a_link_is_taken_over(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 200) / ("y" * 100)
    long.mkdir(parents=True)
    (tmp_path / "link").symlink_to(long)
    for path in (long / "Vault", tmp_path / "link" / "Vault"):
        vault = Vault(str(path), state=str(tmp_path / f"state {path.parent.name[0]}"))
        store(vault, "one " + path.parent.name[0], "two " + path.parent.name[0])
        evidence = Path(vault.evidence.path)
        evidence.mkdir(parents=True)
        earlier = as_an_earlier_version_kept_it(vault)
        evidence.rename(evidence.with_name(earlier.stem))
        expected = known(Vault(vault.path, state=vault.state))
        assert len(expected) >= 2
        with Vault(vault.path, state=vault.state).edit():
            pass
        again = Vault(vault.path, state=vault.state)
        assert known(again) == expected
        assert not earlier.exists()
        assert Path(again.evidence.path).is_dir()
        assert again.history.name == state_key(str(long / "Vault")) + ".jsonl"


@posix
def test_two_journals_of_one_vault_are_both_kept(tmp_path: Path) -> None:
    """By its real path and by a link: the first counts, and the other one stays beside it for people."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    state = str(tmp_path / "state")
    vault = Vault(str(tmp_path / "real" / "Vault"), state=state)
    store(vault, "one")
    history = Path(vault.history.directory)
    by_link = history / (earlier_key(str(tmp_path / "link" / "Vault")) + ".jsonl")
    data = Path(vault.history.path).read_bytes()
    by_link.write_bytes(data.replace(b'"number":1', b'"number":7'))
    by_link.chmod(0o600)
    next(history.glob("*.place.json")).unlink()
    with Vault(str(tmp_path / "link" / "Vault"), state=state).edit():
        pass
    assert Path(vault.history.path).read_bytes() == data
    [aside] = history.glob("*%earlier.jsonl")
    assert aside.read_bytes() == data.replace(b'"number":1', b'"number":7')


def test_a_new_directory_is_distinguished_from_the_old_one(tmp_path: Path) -> None:
    """Its record can be restored all the same; `verify` says it until something is written there."""
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    store(vault, "one")
    assert "other-directory" not in {finding.kind for finding in verify.verify(vault)}
    shutil.copytree(vault.path, tmp_path / "copy")
    os.rename(vault.path, tmp_path / "old")
    os.rename(tmp_path / "copy", vault.path)
    again = Vault(vault.path, state=vault.state)
    assert known(again) == {"one"}
    [finding] = [one for one in verify.verify(again) if one.kind == "other-directory"]
    assert not finding.broken
    store(again, "two")
    assert "other-directory" not in {finding.kind for finding in verify.verify(again)}


def test_an_inode_that_is_used_again_makes_no_other_vault_of_it(tmp_path: Path) -> None:
    """The directory that had it is gone, so the one that has it now is another one."""
    state = str(tmp_path / "state")
    gone, new = (Vault(str(tmp_path / name / "Vault"), state=state) for name in ("gone", "new"))
    store(gone, "of the one that is gone")
    shutil.rmtree(gone.path)
    Path(new.path).mkdir(parents=True, mode=0o700)
    [place] = Path(state, "history").glob("*.place.json")
    noted = json.loads(place.read_bytes())
    status = os.stat(new.path)
    place.write_text(json.dumps({**noted, "device": status.st_dev, "inode": status.st_ino}))
    assert find_key(state, new.path) == Key(state_key(os.path.realpath(new.path)), settled=False)
    assert known(new) == set()


@pytest.mark.parametrize(
    "damaged", [b"", b"{}", b"[1]", b"\xff", b'{"device":true,"inode":1,"pathBytes":"2f"}', b"x" * 70000]
)
def test_a_damaged_place_file_is_passed_over_and_written_anew(tmp_path: Path, damaged: bytes) -> None:
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    store(vault, "one")
    [place] = Path(vault.history.directory).glob("*.place.json")
    intact = place.read_bytes()
    place.write_bytes(damaged)
    assert known(Vault(vault.path, state=vault.state)) == {"one"}
    store(Vault(vault.path, state=vault.state), "two")
    assert place.read_bytes() == intact


def can_mount() -> bool:
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode
    )


# A system that starts may number its devices anew.
RENUMBERED = """sed -i 's/"device":[0-9]*/"device":1/' state/history/*.place.json"""


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0 or not can_mount(), reason="mounting needs root")
@pytest.mark.parametrize("started_since", [False, True])
def test_a_vault_that_is_mounted_twice_has_one_state(tmp_path: Path, started_since: bool) -> None:
    """What was written by one path is known by the other, and a backup by the one is restored by the other."""
    script = f"""set -eu
cd {tmp_path}
mkdir one other
F() {{ {COMMAND} --vault "$@"; }}
F one/Vault vault init
{RENUMBERED if started_since else ""}
mount --bind one other
F other/Vault vault backup
F other/Vault threshold set 50
F one/Vault threshold set 60
F one/Vault --output json vault history > by-one
F other/Vault --output json vault history > by-other
ls state/history
"""
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", script], capture_output=True, text=True, timeout=60, check=False,
        env=environment(tmp_path / "state"),
    )  # fmt: skip
    assert done.returncode == 0, done
    one, other = (json.loads((tmp_path / name).read_text())["entries"] for name in ("by-one", "by-other"))
    assert one == other
    assert len(one) == 3
    assert len([name for name in done.stdout.split() if name.endswith(".jsonl")]) == 1
    # Without the mount it is a directory of its own again.
    assert state_keys.find_key(str(tmp_path / "state"), str(tmp_path / "other" / "Vault")).settled is False
