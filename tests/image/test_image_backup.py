"""The backup that `fingerprint image clean` writes before it removes anything."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from images import Image, needs_linux, needs_root, no_windows, tree, unprivileged

pytestmark = [no_windows, needs_linux]


def test_backup_restores_the_exact_tree(soiled: Image, tmp_path: Path) -> None:
    (soiled.root / "var/lib/amazon/ssm/Vault/Store").chmod(0o700)
    (soiled.root / "var/lib/amazon/ssm/Vault/Store/link").symlink_to("/nowhere/else")
    soiled.put("var/lib/amazon/ssm/Vault/Store/odd \n\x1b[2J name", "odd", 0o640)
    os.mkfifo(soiled.root / "var/lib/hardware-fingerprint/pipe")
    soiled.put(os.fsdecode(b"var/lib/hardware-fingerprint/not-utf8-\xff"), "bytes", 0o604)
    if os.geteuid() == 0:
        os.chown(soiled.root / "var/lib/amazon/ssm/registration", 1234, 4321)
    before = tree(soiled.root, times=False)
    backup = tmp_path / "golden.tar.gz"
    done = soiled("clean", "--yes", "--backup", str(backup))
    assert str(backup) in done.stdout
    assert "\x1b" not in done.stdout
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with tarfile.open(backup) as archive:
        assert not [name for name in archive.getnames() if name.startswith(("/", ".."))]
    subprocess.run(["tar", "-xpf", str(backup), "-C", str(soiled.root)], check=True)
    assert tree(soiled.root, times=False) == before


def test_default_backup_has_the_time_in_its_name(soiled: Image) -> None:
    backup = Path(soiled.json("clean", "--yes")["backup"])
    assert backup.parent == soiled.directory
    assert time.strptime(backup.name, "image-backup-%Y%m%dT%H%M%SZ.tar.gz")


def test_backup_is_never_overwritten(soiled: Image, tmp_path: Path) -> None:
    backup = tmp_path / "old.tar.gz"
    backup.write_text("old")
    before = tree(soiled.root)
    assert soiled("clean", "--yes", "--backup", str(backup)).returncode == 4
    backup.unlink()
    backup.symlink_to(tmp_path / "elsewhere")
    assert soiled("clean", "--yes", "--backup", str(backup)).returncode == 4
    assert tree(soiled.root) == before
    assert not (tmp_path / "elsewhere").exists()


def test_no_backup_option_writes_no_backup(soiled: Image) -> None:
    assert soiled.json("clean", "--yes", "--no-backup")["backup"] is None
    assert not list(soiled.directory.glob("*.tar.gz"))


def test_backup_inside_a_mounted_image_is_rejected(soiled: Image) -> None:
    before = tree(soiled.root)
    for path in (soiled.root / "golden.tar.gz", soiled.root / "var/lib/amazon/ssm/registration.tar.gz"):
        done = soiled("clean", "--yes", "--backup", str(path))
        assert done.returncode == 4
        assert "in the image" in done.stderr
    assert tree(soiled.root) == before
    assert soiled("clean", "--yes", "--backup", str(soiled.directory / "golden.tar.gz")).stderr == ""


@pytest.mark.parametrize("place", ["var/log/amazon/ssm", "var/lib/amazon/ssm/Vault/Store"])
def test_backup_in_a_directory_to_clean_is_rejected(soiled: Image, place: str) -> None:
    before = tree(soiled.root)
    assert soiled("clean", "--yes", cwd=soiled.root / place).returncode == 4
    assert tree(soiled.root) == before


@pytest.mark.parametrize("directory", ["nowhere", "a-file"])
def test_nothing_is_removed_if_the_backup_cannot_be_made(soiled: Image, directory: str) -> None:
    (soiled.directory / "a-file").write_text("in the way")
    before = tree(soiled.directory)
    done = soiled("clean", "--yes", "--backup", str(soiled.directory / directory / "golden.tar.gz"))
    assert done.returncode == 3
    assert "nothing was removed" in done.stderr
    assert tree(soiled.directory) == before


def test_nothing_is_removed_if_the_backup_does_not_fit(soiled: Image) -> None:
    import resource

    soiled.put("var/log/amazon/ssm/big.log", os.urandom(1_000_000))
    before = tree(soiled.directory, times=False)
    limit = 200_000
    done = soiled("clean", "--yes", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert done.returncode == 3
    assert "cannot write the backup: " in done.stderr
    assert tree(soiled.directory, times=False) == before


@needs_root
def test_nothing_is_removed_if_a_file_is_unreadable(open_image: Image) -> None:
    image = open_image
    image.put("var/lib/amazon/ssm/Vault/Manifest", "x", 0o644)
    image.put("var/lib/amazon/ssm/Vault/key", "x", 0o600)
    os.chown(image.root / "var/lib/amazon/ssm/Vault", 65534, 65534)
    image.directory.chmod(0o777)
    before = tree(image.root)
    done = unprivileged(image, "clean", "--yes")
    assert done.returncode == 3
    assert "nothing was removed" in done.stderr
    assert tree(image.root) == before
    assert not list(image.directory.glob("*backup*"))


@needs_root
def test_nothing_is_removed_if_the_backup_directory_is_read_only(open_image: Image) -> None:
    image = open_image
    image.put("var/lib/amazon/ssm/Vault/Manifest", "x", 0o644)
    os.chown(image.root / "var/lib/amazon/ssm/Vault", 65534, 65534)
    before = tree(image.root)
    assert unprivileged(image, "clean", "--yes").returncode == 3
    assert tree(image.root) == before


def test_existing_backup_with_a_non_utf8_name_is_rejected(image: Image) -> None:
    name = os.fsdecode(os.fsencode(str(image.directory)) + b"/taken\xff")
    image.put("var/lib/amazon/ssm/registration", "{}")
    Path(name).touch()
    done = image("clean", "--yes", "--backup", name, "--output", "json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["where"] == f"{image.directory}/taken\\xff"


def test_empty_backup_name_is_a_usage_error(soiled: Image) -> None:
    before = tree(soiled.root)
    assert soiled("clean", "--yes", "--backup", "").returncode == 2
    assert tree(soiled.root) == before


def test_backup_keeps_nanoseconds_and_devices(soiled: Image) -> None:
    for name in ("audits", "audits-old"):
        soiled.put(f"var/log/amazon/ssm/{name}/x.log", "x")
    moment = 1_580_702_706_123_456_789
    for path in sorted((soiled.root / "var/log/amazon/ssm").rglob("*"), reverse=True):
        os.utime(path, ns=(moment, moment))
    os.utime(soiled.root / "var/log/amazon/ssm/audits/x.log", ns=(-250_000_000, -250_000_000))
    if os.geteuid() == 0:
        os.mknod(soiled.root / "var/log/amazon/ssm/device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    before = {
        str(p.relative_to(soiled.root)): (p.lstat().st_mode, p.lstat().st_rdev, p.lstat().st_mtime_ns)
        for p in (soiled.root / "var/log/amazon/ssm").rglob("*")
    }
    assert soiled("clean", "--yes", "--backup", "golden.tar.gz").returncode in (0, 1)
    assert not list((soiled.root / "var/log/amazon/ssm").rglob("*"))
    subprocess.run(["tar", "-xpf", "golden.tar.gz", "-C", str(soiled.root)], check=True, cwd=soiled.directory)
    after = {
        str(p.relative_to(soiled.root)): (p.lstat().st_mode, p.lstat().st_rdev, p.lstat().st_mtime_ns)
        for p in (soiled.root / "var/log/amazon/ssm").rglob("*")
    }
    assert after == before
