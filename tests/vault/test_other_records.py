"""A vault that is hidden, not mounted or moved: nothing new is made where another place knows the identity."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from commandline import COMMAND, environment
from fingerprint import Gate, Vault
from fingerprint.cli import main
from fingerprint.diagnose import Site, diagnose
from fingerprint.errors import Refused
from fingerprint.gate import first_record
from fingerprint.registration import Registration
from fingerprint.testing.local_service import LocalService
from fingerprint.testing.machines import unix_machine, unix_snapshot
from fingerprint.types import RegistrationRecord
from fingerprint.vault import locations, other_records

NODE = RegistrationRecord(
    instance_id="mi-0123456789abcdef0", region="eu-west-1", private_key="b2xk", private_key_type="Rsa",
    private_key_created_date="2026-01-02 03:04:05.000000006 +0000 UTC",
)  # fmt: skip
REGISTERED = {"instanceID": NODE.instance_id, "region": NODE.region, "privateKey": NODE.private_key}


class BothVaults:
    """The agent's vault and our own, the two that are used by default."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.agents = directory / "agent" / "Vault"
        self.own = directory / "state" / "Vault"
        self.agents.parent.mkdir()
        self.snapshot = directory / "machine.json"
        self.snapshot.write_text(json.dumps(unix_snapshot()))

    def register(self, path: Path) -> None:
        vault = Vault(str(path), state=str(self.directory / "state"))
        first_record(vault, unix_machine())
        with vault.edit() as edit:
            edit.store_registration(NODE, why="registered")

    def both(self) -> dict[str, bytes]:
        """Return what lies in the two vaults."""
        return {
            str(file): file.read_bytes()
            for vault in (self.agents, self.own) for file in vault.rglob("*") if file.is_file()
        }  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BothVaults:
    found = BothVaults(tmp_path)
    for module in ("edit", "locations", "other_records", "reading", "vault"):
        monkeypatch.setattr(f"fingerprint.vault.{module}.reference_vault", lambda: str(found.agents))
    monkeypatch.setenv("FINGERPRINT_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("FINGERPRINT_VAULT", raising=False)
    return found


@pytest.fixture
def service() -> Iterator[LocalService]:
    with LocalService() as found:
        yield found


def hidden(here: BothVaults) -> None:
    """An own vault, and an empty directory at the path of the agent's."""
    here.register(here.own)
    here.agents.mkdir(mode=0o700)


def hidden_with_store(here: BothVaults) -> None:
    hidden(here)
    (here.agents / "Store").mkdir(mode=0o700)


def own_unmounted(here: BothVaults) -> None:
    here.register(here.own)
    here.own.rename(here.directory / "away")


def own_unmounted_mount_point(here: BothVaults) -> None:
    own_unmounted(here)
    here.own.mkdir(mode=0o700)


def agents_unmounted(here: BothVaults) -> None:
    """Another vault would be ours, as the agent's is not there."""
    here.register(here.agents)
    here.agents.rename(here.directory / "away")


def agents_unmounted_mount_point(here: BothVaults) -> None:
    agents_unmounted(here)
    here.agents.mkdir(mode=0o700)


def registered_by_the_agent_and_unmounted(here: BothVaults) -> None:
    """Our journal never saw the registration, but wrote another record beside it."""
    here.register(here.agents)
    journal = next((here.directory / "state" / "history").glob("*.jsonl"))
    journal.unlink()
    vault = Vault(str(here.agents), state=str(here.directory / "state"))
    with vault.edit() as edit:
        edit.store(edit.read().replace(threshold=55), why="test")
    here.agents.rename(here.directory / "away")


def own_beside_a_record_of_the_agents(here: BothVaults) -> None:
    """The agent's vault holds a fingerprint and no registration; ours is registered."""
    here.register(here.own)
    first_record(Vault(str(here.agents), state=str(here.directory / "state")), unix_machine())


UNMADE = [
    hidden, hidden_with_store, own_unmounted, own_unmounted_mount_point, agents_unmounted,
    agents_unmounted_mount_point, registered_by_the_agent_and_unmounted,
]  # fmt: skip


def run(here: BothVaults, capfd: pytest.CaptureFixture[str], *words: str, live: bool = False) -> tuple[int, str]:
    code = main([*(() if live else ("--snapshot", str(here.snapshot))), *words])
    out, err = capfd.readouterr()
    return code, " ".join((out + err).split())


@pytest.mark.parametrize("change", UNMADE, ids=lambda one: one.__name__)
@pytest.mark.parametrize(
    "words", [["vault", "init"], ["vault", "init", "--if-missing"], ["vault", "init", "--dry-run"]], ids=" ".join
)
def test_no_first_record_is_made_where_another_place_knows_one(
    change: object, words: list[str], here: BothVaults, capfd: pytest.CaptureFixture[str]
) -> None:
    change(here)  # type: ignore[operator]
    before = here.both()
    code, text = run(here, capfd, *words)
    assert code == 4, text
    assert here.both() == before
    # Both: the vault that is meant, and the one or the journal that knows.
    named = set(re.findall(rf"{re.escape(str(here.directory))}[^\s:,;]*", text))
    assert len(named) >= 2, text


@pytest.mark.parametrize("change", [*UNMADE, own_beside_a_record_of_the_agents], ids=lambda one: one.__name__)
def test_no_second_node_is_registered_beside_a_known_one(
    change: object, here: BothVaults, service: LocalService
) -> None:
    """Nothing is asked of the service; with `again` it is, as that says so."""
    change(here)  # type: ignore[operator]
    before = here.both()
    flow = Registration(Vault.open(), unix_machine(), policy="strict", endpoint=service.endpoint)
    made = service.activation()
    with pytest.raises(Refused) as refused:
        flow.register(made.id, made.code, "eu-west-1")
    assert not service.nodes()
    assert here.both() == before
    assert str(here.directory) in refused.value.what
    flow.register(made.id, made.code, "eu-west-1", again=True)
    assert len(service.nodes()) == 1


@pytest.mark.parametrize("change", [one for one in UNMADE if not one.__name__.startswith("hidden")],
                         ids=lambda one: one.__name__)  # fmt: skip
def test_the_gate_mints_nothing_where_another_place_knows_one(change: object, here: BothVaults) -> None:
    change(here)  # type: ignore[operator]
    before = here.both()
    with pytest.raises(Refused):
        Gate(Vault.open(), unix_machine(), policy="regenerate").fingerprint()
    assert here.both() == before


@pytest.mark.parametrize("change", [*UNMADE, own_beside_a_record_of_the_agents], ids=lambda one: one.__name__)
def test_diagnose_does_not_pass_it(change: object, here: BothVaults) -> None:
    change(here)  # type: ignore[operator]
    found = diagnose(Site(unix_machine(), Vault.open()), only=["registration"])["registration"]
    assert found.outcome in ("warn", "fail")
    assert str(here.directory) in found.text


@pytest.mark.parametrize("change", [hidden, hidden_with_store])
def test_a_hidden_vault_is_used_on(change: object, here: BothVaults, capfd: pytest.CaptureFixture[str]) -> None:
    change(here)  # type: ignore[operator]
    assert Vault.open().path == str(here.own)
    assert run(here, capfd, "check")[0] == 0


@pytest.mark.parametrize(
    "change", [hidden, hidden_with_store, own_unmounted, own_unmounted_mount_point], ids=lambda one: one.__name__
)
def test_what_is_printed_helps(change: object, here: BothVaults, capfd: pytest.CaptureFixture[str]) -> None:
    """The commands are run as they are printed."""
    change(here)  # type: ignore[operator]
    text = run(here, capfd, "vault", "init", "--if-missing", live=True)[1]
    if change in (hidden, hidden_with_store):
        [removing] = re.findall(r"rmdir [^.]+(?=\. )", text)
        [named] = re.findall(r"--vault (\S+) or", text)
        assert run(here, capfd, "vault", "init", "--if-missing", "--vault", named)[0] == 0
        subprocess.run(shlex.split(removing), check=True)
    else:
        back = re.findall(r"`[^`]*fingerprint( [^`]*vault restore [^`]*)`", text)
        assert len(back) == 2
        for command in back:
            assert main(shlex.split(command)) == 0
    capfd.readouterr()
    assert run(here, capfd, "vault", "init", "--if-missing")[0] == 0
    assert Vault.open().read_registration() == NODE


@pytest.mark.parametrize("change", [own_unmounted, own_unmounted_mount_point], ids=lambda one: one.__name__)
def test_who_wants_to_begin_anew_can(change: object, here: BothVaults, capfd: pytest.CaptureFixture[str]) -> None:
    change(here)  # type: ignore[operator]
    text = run(here, capfd, "vault", "init", live=True)[1]
    anew = text.partition("To start over: ")[2]
    commands = re.findall(r"`[^`]*fingerprint( [^`]*)`", anew)
    assert len(commands) == 2
    for command in commands:
        assert main(shlex.split(command)) == 0
    assert Vault.open().read().fingerprint


def test_who_names_a_vault_has_chosen(here: BothVaults, capfd: pytest.CaptureFixture[str]) -> None:
    hidden(here)
    assert run(here, capfd, "--vault", str(here.agents), "vault", "init")[0] == 0
    assert Vault(str(here.agents)).read().fingerprint


def test_a_vault_that_was_never_registered_hides_nothing(here: BothVaults, capfd: pytest.CaptureFixture[str]) -> None:
    """An own fingerprint alone is none that a service knows: the agent's directory is what it says it is."""
    first_record(Vault(str(here.own), state=str(here.directory / "state")), unix_machine())
    here.agents.mkdir(mode=0o700)
    assert Vault.open().path == str(here.agents)
    assert run(here, capfd, "vault", "init")[0] == 0


def test_a_new_record_is_made_after_a_reset_or_deregistration(
    here: BothVaults, capfd: pytest.CaptureFixture[str]
) -> None:
    here.register(here.own)
    assert run(here, capfd, "deregister", "--yes")[0] == 0
    shutil.rmtree(here.own)
    assert run(here, capfd, "vault", "init")[0] == 0


def test_an_announced_first_record_blocks_nobody(here: BothVaults, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its writer was killed before the file had its name."""
    from fingerprint.vault.files import Directory

    vault = Vault(str(here.own), state=str(here.directory / "state"))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Directory, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            first_record(vault, unix_machine())
    record, _ = first_record(Vault(vault.path, state=vault.state), unix_machine())
    assert vault.read() == record


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="mounting needs root")
def test_the_usual_paths_on_this_system(tmp_path: Path) -> None:
    """The fixed paths of root, in a mount namespace of its own."""
    (tmp_path / "machine.json").write_text(json.dumps(unix_snapshot()))
    agents, own = locations.reference_vault(), "/var/lib/hardware-fingerprint/Vault"
    script = f"""set -u
for directory in /var/lib/hardware-fingerprint /var/lib/amazon; do
    mkdir -p $directory && mount -t tmpfs -o mode=700 tmpfs $directory || exit 99
done
unset FINGERPRINT_STATE FINGERPRINT_VAULT
F() {{ {COMMAND} --snapshot {tmp_path}/machine.json "$@"; }}
F vault init >&2 || exit 50
printf '%s' '{json.dumps(REGISTERED)}' > {own}/Store/RegistrationKey
chmod 600 {own}/Store/RegistrationKey
F vault repair --yes >&2
mkdir -p -m 700 {agents}
F check >&2; [ $? = 0 ] || exit 51
F vault init --if-missing; [ $? = 4 ] || exit 52
rmdir {agents}
F vault init --if-missing >&2 || exit 53
umount /var/lib/amazon
mv {own} {own}.away
F vault init --if-missing; [ $? = 4 ] || exit 54
"""
    probe = subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True)
    if probe.returncode:
        pytest.skip("this system lets nobody make a mount namespace")
    done = subprocess.run(["unshare", "-m", "bash", "-c", script], capture_output=True, text=True, timeout=60,
                          env=environment(tmp_path / "state"), check=False)  # fmt: skip
    assert done.returncode == 0, done
    assert agents in done.stderr
    assert own in done.stderr
    assert other_records.is_empty(str(tmp_path / "nothing")) is False
