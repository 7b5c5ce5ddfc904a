"""`fingerprint image clean` that is killed at each step: what leads to keys is there as long as the keys are."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from images import Image, needs_linux, no_windows, tree
from product_images import IDENTITY, KEYS, SHARED, identity

pytestmark = [no_windows, needs_linux]

# Kills itself in place of the step with this number; the steps are those that change the disk.
PROGRAM = """
import os, signal, sys
from fingerprint.image import disk
left, call = [int(sys.argv[1])], disk.Directory.call
def counted(self, function, name, *arguments):
    changes = function in (os.unlink, os.rmdir) or (function is os.open and arguments[0] & os.O_WRONLY)
    if changes and not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= changes
    return call(self, function, name, *arguments)
disk.Directory.call = counted
from fingerprint.cli import main
sys.exit(main(sys.argv[2:]))
"""
DATA = "var/lib/amazon/ssm"
HOST_MANAGEMENT = f"{DATA}/credentials"


def killed(image: Image, step: int, *words: str) -> bool:
    """Run `image clean` up to a step, and return whether it was killed there."""
    command = [sys.executable, "-c", PROGRAM, str(step), "--root", str(image.root), *words, "image", "clean", "--yes",
               "--no-backup"]  # fmt: skip
    done = subprocess.run(command, env=image.env, cwd=image.directory, capture_output=True, text=True, check=False)
    assert done.returncode in (-signal.SIGKILL, 0, 1), done.stderr
    return done.returncode == -signal.SIGKILL


def vault(image: Image, where: str) -> None:
    store = f"/{where}/Store"
    image.put(f"{where}/Manifest", json.dumps({
        "InstanceFingerprint": f"{store}/InstanceFingerprint", "RegistrationKey": f"{store}/RegistrationKey",
    }))  # fmt: skip
    for name in ("InstanceFingerprint", "RegistrationKey", "RegistrationKey.old", "a", "z"):
        image.put(f"{where}/Store/{name}", "planted-private-key")


def files(image: Image, where: str) -> list[Path]:
    return [path for path in (image.root / where).rglob("*") if path.is_file()]


def exists(image: Image, path: str) -> bool:
    return (image.root / path).exists()


@pytest.mark.parametrize("where", [f"{DATA}/Vault", "opt/agent/Vault"])
def test_a_vault_stays_known_until_its_keys_are_gone(tmp_path: Path, where: str) -> None:
    words = [] if where.startswith("var") else ["--vault", "{root}/" + where]
    step, is_killed = 0, True
    while is_killed:
        directory = tmp_path / str(step)
        directory.mkdir()
        image = Image(directory)
        options = [word.format(root=image.root) for word in words]
        vault(image, where)
        is_killed = killed(image, step, *options)
        if files(image, where):
            assert exists(image, f"{where}/Manifest")
            assert not killed(image, 1000, *options)
        # An empty directory may be left.
        assert files(image, where) == []
        step += 1
        shutil.rmtree(directory)
    assert step > 6


def test_record_of_credentials_outlives_what_it_names(tmp_path: Path) -> None:
    """The keys of the default host management role: the agent writes them, and so they are removed."""
    step, is_killed = 0, True
    while is_killed:
        directory = tmp_path / str(step)
        directory.mkdir()
        image = Image(directory)
        image.put(IDENTITY, identity(f"/{HOST_MANAGEMENT}"))
        image.put(HOST_MANAGEMENT, KEYS)
        vault(image, f"{DATA}/Vault")
        is_killed = killed(image, step)
        assert exists(image, IDENTITY) or not exists(image, HOST_MANAGEMENT)
        assert not killed(image, 1000)
        assert not exists(image, IDENTITY)
        assert not exists(image, HOST_MANAGEMENT)
        step += 1
        shutil.rmtree(directory)
    assert step > 7


@pytest.mark.parametrize("file", [SHARED, "root/.aws/credentials", "home/agent/keys"])
def test_record_of_credentials_stays_until_people_removed_them(image: Image, file: str) -> None:
    image.put(IDENTITY, identity(f"/{file}", "node"))
    keys = image.put(file, KEYS)
    for _ in range(2):
        done = image.json("clean", "--yes", "--no-backup")
        actions = {item["path"]: item["action"] for item in done["items"]}
        assert actions == {str(image.root / IDENTITY): "keep", str(keys): "keep"}
        assert keys.read_text() == KEYS
        [record] = [item for item in done["items"] if item["kind"] == "identity-config"]
        assert record["remedy"].startswith(f"It names {keys}: ")
    keys.unlink()
    assert image("clean", "--yes", "--no-backup").returncode == 0
    assert not exists(image, IDENTITY)


def test_what_leads_to_a_file_stays_if_its_removal_fails(image: Image) -> None:
    image.put(IDENTITY, identity(f"/{HOST_MANAGEMENT}"))
    image.put(HOST_MANAGEMENT, KEYS)
    program = PROGRAM.replace("if changes and not left[0]", 'if changes and name == "credentials"').replace(
        "os.kill(os.getpid(), signal.SIGKILL)", 'raise OSError(5, "Input/output error")'
    )
    command = [sys.executable, "-c", program, "0", "--root", str(image.root), "image", "clean", "--yes", "--no-backup"]
    done = subprocess.run(command, env=image.env, cwd=image.directory, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert exists(image, HOST_MANAGEMENT)
    assert exists(image, IDENTITY)
    assert "is not gone" in done.stdout


def test_dry_run_prints_the_order_of_the_removals(image: Image) -> None:
    image.put(IDENTITY, identity(f"/{HOST_MANAGEMENT}"))
    image.put(HOST_MANAGEMENT, KEYS)
    vault(image, f"{DATA}/Vault")
    before = tree(image.root)
    names = [line.rpartition("/")[2] for line in image("clean", "--dry-run").stdout.splitlines()]
    assert names.index("Manifest") > names.index("RegistrationKey") > names.index("z")
    assert names[-1] == "identity_config.json"
    assert tree(image.root) == before
