"""What `fingerprint image clean` removes, and what it leaves."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from images import (
    EMPTIED,
    INNOCENT,
    KEPT,
    NODE,
    REMOVED,
    SECRETS,
    Image,
    kinds,
    needs_linux,
    needs_root,
    no_windows,
    tree,
    unprivileged,
)

pytestmark = [no_windows, needs_linux]


@pytest.mark.parametrize("kind", [*REMOVED, *EMPTIED])
def test_each_removable_kind_is_cleaned(image: Image, kind: str) -> None:
    before = tree(image.root, times=False)
    path, content = {**REMOVED, **EMPTIED}[kind]
    image.put(path, content, 0o444)
    done = image("clean", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("CLEAN")
    left = [name for name, entry in tree(image.root).items() if stat.S_ISREG(entry[0]) and name not in before]
    assert left == (["etc/machine-id"] if kind in EMPTIED else [])
    assert image("check").returncode == 0


def test_clean_without_yes_is_rejected(soiled: Image) -> None:
    before = tree(soiled.directory)
    assert soiled("clean").returncode == 4
    assert tree(soiled.directory) == before


def test_dry_run_lists_exactly_what_clean_does(soiled: Image) -> None:
    would = soiled.json("clean", "--dry-run")
    lines = soiled("clean", "--dry-run").stdout.splitlines()
    done = soiled.json("clean", "--yes")
    assert [one["path"] for one in would["done"]] == [one["path"] for one in done["done"]]
    words = {"would-remove": "removed", "would-empty": "emptied"}
    assert [words[one["did"]] for one in would["done"]] == [one["did"] for one in done["done"]]
    assert lines == [f"{one['did'].replace('-', ' ')} {one['path']}" for one in would["done"]]
    assert would["dryRun"]
    assert would["backup"] is None


def test_leftovers_to_remove_by_hand_stay_and_are_reported(soiled: Image) -> None:
    done = soiled.json("clean", "--yes")
    assert kinds(done) == set(KEPT)
    assert not done["clean"]
    assert all((soiled.root / path).exists() for path, _ in KEPT.values())
    assert soiled("clean", "--yes").returncode == 1


def test_empty_directories_go_except_the_agents_own(soiled: Image) -> None:
    soiled("clean", "--yes")
    for gone in ("var/lib/amazon/ssm/Vault", "var/lib/hardware-fingerprint", f"var/lib/amazon/ssm/{NODE}"):
        assert not (soiled.root / gone).exists()
    for stays in ("var/lib/amazon/ssm", "var/log/amazon/ssm", *INNOCENT):
        assert (soiled.root / stays).exists()


def test_machine_id_is_emptied_in_place(image: Image) -> None:
    file = image.put("etc/machine-id", SECRETS[0], 0o444)
    before = file.stat()
    assert image("clean", "--yes").returncode == 0
    after = file.stat()
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, 0)


def test_machine_id_with_a_hard_link_is_not_emptied(image: Image) -> None:
    outside = image.directory / "precious"
    outside.write_text("precious")
    (image.root / "etc/machine-id").hardlink_to(outside)
    done = image.json("clean", "--yes")
    assert "hard links" in done["done"][0]["error"]
    assert outside.read_text() == "precious"
    assert image("clean", "--yes", "--no-backup").returncode == 1


def test_logs_can_be_kept(image: Image) -> None:
    image.put(*REMOVED["agent-log"])
    assert image("clean", "--yes", "--keep-logs").returncode == 0
    assert kinds(image.json("check")) == {"agent-log"}


def test_named_vault_elsewhere_is_cleaned(image: Image) -> None:
    image.put("opt/Vault/Store/InstanceFingerprint", "{}")
    assert image("check").returncode == 0
    vault = str(image.root / "opt/Vault")
    assert kinds(image.json("check", "--vault", vault)) == {"vault"}
    assert image("clean", "--yes", "--vault", vault).returncode == 0
    assert not (image.root / "opt/Vault").exists()


def test_vault_with_data_elsewhere_is_not_clean(image: Image) -> None:
    """The manifest holds absolute paths of the data, and the agent reads the data there."""
    key = image.put("data/RegistrationKey", "planted-private-key")
    store = image.put("var/lib/amazon/ssm/Vault/Store/InstanceFingerprint", "x").parent
    manifest = image.put(
        "var/lib/amazon/ssm/Vault/Manifest",
        json.dumps({"RegistrationKey": "/data/RegistrationKey", "InstanceFingerprint": f"{store}/InstanceFingerprint"}),
    )
    for _ in range(2):
        done = image.json("clean", "--yes", "--no-backup")
        assert [(item["path"], item["action"]) for item in done["items"]] == [(str(manifest), "keep")]
        assert f"It names {key}" in done["items"][0]["remedy"]
        assert key.exists()
        assert not store.exists()
    key.unlink()
    assert image("clean", "--yes", "--no-backup").returncode == 0
    assert not manifest.exists()


def test_all_hard_links_of_a_file_are_removed(image: Image) -> None:
    """Hard links, as in an image without doubles: what the first removal changes is not a change by others."""
    key = image.put("var/lib/amazon/ssm/Vault/Store/RegistrationKey", "planted-private-key")
    for name in ("a", "b"):
        os.link(key, key.parent / name)
    os.link(key, image.root / "var/lib/amazon/ssm/Vault/copy")
    assert image("clean", "--yes").returncode == 0
    assert not (image.root / "var/lib/amazon/ssm/Vault").exists()


@needs_root
def test_failed_removal_is_reported_and_the_rest_goes_on(open_image: Image) -> None:
    image = open_image
    for name in ("var/lib/amazon/ssm/Vault/Manifest", "var/lib/amazon/ssm/Vault/Store/key"):
        image.put(name, "x", 0o644)
    os.chown(image.root / "var/lib/amazon/ssm/Vault", 65534, 65534)
    image.directory.chmod(0o777)
    done = unprivileged(image, "clean", "--yes")
    assert done.returncode == 1
    assert "NOT DONE" in done.stdout
    assert "Permission denied" in done.stdout
    assert not (image.root / "var/lib/amazon/ssm/Vault/Manifest").exists()
    assert (image.root / "var/lib/amazon/ssm/Vault/Store/key").exists()


@pytest.mark.parametrize("inside", ["Store/thesis", "Manifest", "EC2Manifest", "Store"])
def test_directory_with_only_names_of_a_vault_is_rejected(image: Image, inside: str) -> None:
    file = image.put(f"home/u/{inside}", "mine") if inside != "Store" else image.root / "home/u/Store"
    file.mkdir(parents=True) if inside == "Store" else None
    image.put("home/u/thesis", "mine")
    before = tree(image.root)
    for path in ("home/u", "", "nowhere"):
        done = image("clean", "--yes", "--no-backup", "--vault", str(image.root / path))
        assert done.returncode == 2, done.stdout
    assert tree(image.root) == before


def test_named_vault_loses_only_files_of_a_vault(image: Image) -> None:
    image.put("srv/V/Store/RegistrationKey", "planted")
    image.put("srv/V/Manifest", '{"RegistrationKey":"/srv/V/Store/RegistrationKey"}')
    image.put("srv/V/notes.txt", "mine")
    assert image("clean", "--yes", "--no-backup", "--vault", str(image.root / "srv/V")).returncode == 0
    assert [str(p.relative_to(image.root)) for p in (image.root / "srv").rglob("*") if p.is_file()] == [
        "srv/V/notes.txt"
    ]


@pytest.mark.skipif(not shutil.which("chattr"), reason="what cannot be removed is made by chattr")
def test_failed_removal_in_a_named_vault_is_reported(image: Image) -> None:
    """Of the vault nothing is left by which it could be known."""
    image.put("srv/V/Store/RegistrationKey", "planted")
    fixed = image.put("srv/V/Store/other", "x")
    if subprocess.run(["chattr", "+i", str(fixed)], capture_output=True, check=False).returncode:
        pytest.skip("files cannot be made immutable here")
    try:
        done = image.json("clean", "--yes", "--vault", str(image.root / "srv/V"))
        again = image("check", "--vault", str(image.root / "srv/V"))
    finally:
        subprocess.run(["chattr", "-i", str(fixed)], check=True)
    assert not done["clean"]
    assert [item["path"] for item in done["items"]] == [str(fixed)]
    assert {one["path"]: one["did"] for one in done["done"]} == {
        str(fixed): "nothing", str(fixed.parent / "RegistrationKey"): "removed",
    }  # fmt: skip
    assert Path(done["backup"]).exists()
    assert again.returncode == 2
