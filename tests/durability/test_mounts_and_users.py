"""Real mounts and real users: read-only, full, and without permission."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from commandline import COMMAND, environment
from fingerprint.testing.machines import unix_snapshot
from nobody import NOBODY, as_user

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting and changing the user need root")


def can_mount() -> bool:
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return probe.returncode == 0


needs_mounts = pytest.mark.skipif(
    not shutil.which("unshare") or not can_mount(), reason="this system lets nobody make a mount namespace"
)


@pytest.fixture
def setup(tmp_path: Path) -> Path:
    (tmp_path / "same.json").write_text(json.dumps(unix_snapshot()))
    (tmp_path / "other.json").write_text(json.dumps(unix_snapshot(machine_id="f" * 32 + "\n")))
    (tmp_path / "disk").mkdir()
    return tmp_path


def within(setup: Path, mount: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a mount namespace of its own; $F is the command over the vault on `disk`."""
    prelude = f"""set -u
cd {setup}
{mount}
F() {{ {COMMAND} --vault {setup}/disk/Vault "$@"; }}
"""
    return subprocess.run(
        ["unshare", "-m", "bash", "-c", prelude + script],
        capture_output=True,
        text=True,
        timeout=60,
        env={**environment(setup / "state"), "HOME": str(setup)},
        check=False,
    )


TMPFS = "mount -t tmpfs -o size={size} tmpfs disk"


@needs_mounts
def test_a_read_only_mount_is_read_and_not_written(setup: Path) -> None:
    """The reference's `readonly` scenario: the mismatch cannot be stored, and the old record stays."""
    done = within(
        setup,
        TMPFS.format(size="1m"),
        """F --snapshot same.json vault init || exit 50
sha256sum disk/Vault/Store/* disk/Vault/Manifest > before
mount -o remount,ro disk
F --snapshot same.json check || exit 51
F --snapshot other.json check; [ $? = 1 ] || exit 52
F threshold set 50; echo "code $?"
F vault reset --yes; echo "code $?"
sha256sum -c --quiet before && echo unchanged
""",
    )
    assert done.returncode == 0, done
    assert done.stdout.count("code 3") == 2
    assert "unchanged" in done.stdout
    assert done.stderr.count("read-only") == 2


@needs_mounts
def test_a_full_disk_leaves_the_old_record(setup: Path) -> None:
    done = within(
        setup,
        TMPFS.format(size="64k"),
        """F --snapshot same.json vault init || exit 50
sha256sum disk/Vault/Store/* disk/Vault/Manifest > before
dd if=/dev/zero of=disk/fill bs=1k 2>/dev/null
F threshold set 50; echo "code $?"
sha256sum -c --quiet before && echo unchanged
ls disk/Vault/Store
rm disk/fill
F threshold set 50; echo "code $?"
F --snapshot same.json check > /dev/null && echo same
""",
    )
    assert "code 3\nunchanged\nInstanceFingerprint\n" in done.stdout, done
    assert "no space left" in done.stderr
    assert done.stdout.endswith("code 0\nsame\n")


@needs_mounts
def test_a_full_disk_for_our_own_state_leaves_the_vault(setup: Path) -> None:
    """What cannot be kept in the history is not replaced."""
    (setup / "state").mkdir(mode=0o700)
    done = within(
        setup,
        "mount -t tmpfs -o size=64k,mode=700 tmpfs state",
        """F --snapshot same.json vault init || exit 50
dd if=/dev/zero of=state/fill bs=1k 2>/dev/null
# The last page of the journal takes a line or two.
for n in 51 52 53 54 55 56 57 58 59; do
    sha256sum disk/Vault/Store/* > before
    F threshold set $n; code=$?
    [ $code = 0 ] || break
done
echo "code $code"
sha256sum -c --quiet before && echo unchanged
""",
    )
    assert "code 3" in done.stdout, done
    assert "unchanged" in done.stdout


def test_another_user_is_denied_and_writes_nothing(setup: Path) -> None:
    """The reference's `nonroot` scenario: no permission, no new identity."""
    made = subprocess.run(
        [COMMAND, "--vault", str(setup / "disk" / "Vault"), "--snapshot", str(setup / "same.json"), "vault", "init"],
        capture_output=True,
        env=environment(setup / "state"),
        check=False,
    )
    assert made.returncode == 0
    before = sorted(str(p) for p in setup.rglob("*"))
    probe = """
from fingerprint.cli import main
codes = [main(["--vault", sys.argv[1], *words]) for words in (["check"], ["vault", "init"], ["threshold", "set", "50"])]
print(codes)
"""
    done = as_user(NOBODY, probe, f"{setup}/disk/Vault", env=environment(setup / "state"))
    assert done.stdout.strip() == "[3, 3, 3]", done
    assert "permission" in done.stderr
    assert sorted(str(p) for p in setup.rglob("*")) == before


OF_A_USER = """
import ctypes, subprocess
if ctypes.CDLL(None, use_errno=True).unshare(0x20000):
    sys.exit(os.strerror(ctypes.get_errno()))
subprocess.run(["mount", "--make-rprivate", "/"], check=True)
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/var/lib"], check=True)
os.makedirs("/var/lib/amazon/ssm")
os.chown("/var/lib/amazon/ssm", {user}, {user})
"""
MAKES_A_RECORD = """
from fingerprint import FingerprintRecord, HardwareHash, Vault
from fingerprint.vault.locations import reference_vault
vault = Vault(reference_vault(), state=sys.argv[1])
with vault.edit() as edit:
    edit.store(FingerprintRecord("f", HardwareHash({"machine-id": "x"}), 40), why="test")
print(oct(os.stat(vault.path).st_mode), oct(os.stat(vault.path + "/Store").st_mode), vault.read().fingerprint)
"""


@needs_mounts
@pytest.mark.parametrize(("user", "mode"), [(0, "0o40600"), (NOBODY, "0o40700")])
def test_who_makes_the_vault_of_the_agent_can_enter_it(user: int, mode: str) -> None:
    """Since 3.3.4177 an agent may keep its vault as another user than root."""
    state = Path(tempfile.mkdtemp())
    os.chown(state, user, user)
    done = as_user(user, MAKES_A_RECORD, str(state / "state"), before=OF_A_USER.format(user=user))
    shutil.rmtree(state)
    assert (done.stdout, done.stderr) == (f"{mode} {mode} f\n", "")


@needs_mounts
def test_a_vault_of_another_user_is_read_as_that_user(setup: Path) -> None:
    """Root gets that remedy; giving it to root would take it from an agent that runs as that user."""
    script = "F vault init --snapshot same.json > /dev/null; chown -R 65534 disk; F --snapshot same.json check; echo $?"
    done = within(setup, TMPFS.format(size="4m") + "; chmod 755 disk", script)
    assert done.stdout.splitlines()[-1] == "3"
    assert "belongs to another user (uid 65534)" in done.stderr
    assert "run this as that user, too" in done.stderr
