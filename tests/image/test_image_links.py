"""Links and mounts in an image never lead out of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from commandline import COMMAND
from images import EMPTIED, NODE, REMOVED, Image, needs_linux, no_windows, tree

pytestmark = [no_windows, needs_linux]


@pytest.mark.parametrize("form", ["absolute", "relative"])
@pytest.mark.parametrize(
    "component", ["var", "var/lib", "var/lib/amazon", "var/lib/amazon/ssm", "etc", "var/log/amazon"]
)
def test_link_above_a_file_never_leads_out_of_the_image(tmp_path: Path, component: str, form: str) -> None:
    image = Image(tmp_path)
    outside = tmp_path / "outside"
    (image.root / component).mkdir(parents=True, exist_ok=True)
    shutil.rmtree(image.root / component)
    soiled = Image.__new__(Image)
    soiled.root = outside
    for path, content in (*REMOVED.values(), *EMPTIED.values()):
        if path.startswith(component + "/"):
            soiled.put(path.removeprefix(component + "/"), content)
    up = "../" * component.count("/")
    (image.root / component).symlink_to(outside if form == "absolute" else f"{up}../outside")
    before = tree(outside)
    # Within the image they lead nowhere: what they meant may lie on a disk that is not mounted.
    check = image("check")
    assert check.returncode == 3
    assert "leads nowhere" in check.stdout
    assert image("clean", "--yes").returncode == 3
    assert tree(outside) == before


@pytest.mark.parametrize("target", ["/data/ssm", "../../../data/ssm", "../../../../../../data/ssm"])
def test_link_above_a_file_is_followed_inside_the_image(image: Image, target: str) -> None:
    shutil.rmtree(image.root / "var/lib/amazon/ssm")
    image.put("data/ssm/Vault/Manifest", "{}")
    image.put("data/ssm/registration", "{}")
    (image.root / "var/lib/amazon/ssm").symlink_to(target)
    answer = image.json("check")
    assert {item["path"] for item in answer["items"]} == set(
        image.below("data/ssm/Vault/Manifest", "data/ssm/registration")
    )
    assert image("clean", "--yes").returncode == 0
    assert not (image.root / "data/ssm/Vault").exists()
    assert (image.root / "var/lib/amazon/ssm").is_symlink()


def test_link_inside_a_vault_is_never_followed(image: Image) -> None:
    """What leads to nothing in the image goes; what leads to something may be the only trace of a key, and stays."""
    outside = image.directory / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious")
    image.put("etc/precious", "precious")
    store = image.put("var/lib/amazon/ssm/Vault/Store/key", "k").parent
    for name, target in (
        ("a", outside),
        ("b", outside / "precious"),
        ("c", "/etc"),
        ("d", "/etc/precious"),
        ("e", "e"),
        ("f", "key"),
        ("g", "/dev/null"),
    ):
        (store / name).symlink_to(target)
    before = tree(outside)
    done = image.json("clean", "--yes")
    assert {(item["path"], item["action"]) for item in done["items"]} == {
        (str(store / "c"), "keep"), (str(store / "d"), "keep"),
    }  # fmt: skip
    assert all("by hand" in item["remedy"] for item in done["items"])
    assert sorted(os.listdir(store)) == ["c", "d"]
    assert tree(outside) == before
    assert (image.root / "etc/precious").read_text() == "precious"


LOCATIONS = ("var/lib/amazon/ssm/Vault", "var/lib/amazon/ssm/registration", "var/lib/hardware-fingerprint",
          "var/log/amazon/ssm", f"var/lib/amazon/ssm/{NODE}")  # fmt: skip


@pytest.mark.parametrize("path", LOCATIONS)
def test_dangling_link_is_removed_as_a_link(image: Image, path: str) -> None:
    outside = image.directory / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious")
    (image.root / path).parent.mkdir(parents=True, exist_ok=True)
    (image.root / path).symlink_to(outside)
    before = tree(outside)
    assert image("check").returncode == 1
    assert image("clean", "--yes").returncode == 0
    assert not (image.root / path).is_symlink()
    assert tree(outside) == before


@pytest.mark.parametrize("target", ["/etc", "/", "..", "."])
@pytest.mark.parametrize("path", LOCATIONS)
def test_link_to_something_in_the_image_is_kept(image: Image, path: str, target: str) -> None:
    (image.root / path).parent.mkdir(parents=True, exist_ok=True)
    (image.root / path).symlink_to(target)
    before = tree(image.root)
    done = image.json("clean", "--yes")
    assert [item["action"] for item in done["items"]] == ["keep"]
    assert "by hand" in done["items"][0]["remedy"]
    assert tree(image.root) == before


def test_machine_id_that_is_a_link_is_not_emptied(image: Image) -> None:
    outside = image.directory / "outside"
    outside.write_text("precious")
    (image.root / "etc/machine-id").symlink_to(outside)
    assert image("check").returncode == 0
    (image.root / "etc/machine-id").unlink()
    (image.root / "etc/machine-id").symlink_to("hostname")
    [item] = image.json("clean", "--yes")["items"]
    assert (item["kind"], item["action"]) == ("machine-id", "keep")
    assert (image.root / "etc/hostname").read_text() == "golden"
    assert outside.read_text() == "precious"


def test_link_loop_is_reported(image: Image) -> None:
    shutil.rmtree(image.root / "etc")
    (image.root / "etc").symlink_to("etc2")
    (image.root / "etc2").symlink_to("/etc")
    answer = image.json("check")
    assert {entry["reason"] for entry in answer["unreadable"]} == {os.strerror(40)}
    assert image("check").returncode == 3


@pytest.mark.parametrize("over", ["directory", "file"])
def test_mount_inside_is_not_entered(image: Image, over: str) -> None:
    image.put("var/lib/amazon/ssm/Vault/Manifest", "{}")
    path = image.root / "var/lib/amazon/ssm/Vault/Store"
    other = image.directory / "other"
    if over == "directory":
        path.mkdir()
        other.mkdir()
        (other / "precious").write_text("precious")
    else:
        path = image.put("etc/machine-id", "old")
        other.write_text("precious")
    script = 'mount --bind "$1" "$2" && shift 2 && "$@"'
    shell = ["unshare", "--mount", "sh", "-c", script, "sh", str(other), str(path)]
    if subprocess.run([*shell, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount")
    words = ["--root", str(image.root), "--output", "json", "image", "clean", "--yes"]
    done = subprocess.run(
        [*shell, COMMAND, *words], capture_output=True, env=image.env, cwd=image.directory, check=False
    )
    assert done.returncode == 3, done.stderr
    assert "another file system" in json.loads(done.stdout)["unreadable"][0]["reason"]
    file = other / "precious" if over == "directory" else other
    assert file.read_text() == "precious"
    assert not (image.root / "var/lib/amazon/ssm/Vault/Manifest").exists()


def in_mounts(image: Image, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a name space of mounts of its own; $1 is the image, $2 the command."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(image.root), COMMAND], env=image.env, cwd=image.directory,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mounts here: {done.stderr.strip()}")
    return done


@pytest.mark.skipif(not shutil.which("unshare"), reason="mounts of its own need unshare")
@pytest.mark.parametrize(
    "path",
    ["var/lib/amazon/ssm/Vault", "var/log/amazon/ssm", f"var/lib/amazon/ssm/{NODE}", "var/lib/hardware-fingerprint",
     "var/lib/amazon/ssm/Vault/x\ry", "var/lib/amazon/ssm/Vault/a b", "var/log/amazon/ssm/\\040"],
)  # fmt: skip
def test_files_of_a_mount_within_the_image_stay(soiled: Image, path: str) -> None:
    outside = soiled.directory / "mounted"
    outside.mkdir()
    (outside / "precious").write_text("another disk's")
    target = soiled.root / path
    target.mkdir(parents=True, exist_ok=True)
    (soiled.directory / "path").write_bytes(os.fsencode(str(target)))
    done = in_mounts(
        soiled, 'mount --bind mounted "$(cat path)" && exec "$2" --root "$1" image clean --yes --no-backup'
    )
    assert (outside / "precious").read_text() == "another disk's"
    assert done.returncode == 1
    assert "another file system is mounted there" in done.stdout


@pytest.mark.skipif(not shutil.which("unshare"), reason="mounts of its own need unshare")
def test_nothing_is_removed_if_mount_points_are_unknown(soiled: Image) -> None:
    before = tree(soiled.root)
    done = in_mounts(soiled, 'mount -t tmpfs none /proc && exec "$2" --root "$1" image clean --yes --no-backup')
    assert done.returncode == 3
    assert tree(soiled.root) == before


def test_link_to_another_machine_id_is_reported(image: Image) -> None:
    image.put("etc/machine-id", "")
    image.put("opt/mid", "c" * 32)
    (image.root / "var/lib/dbus").mkdir(parents=True)
    (image.root / "var/lib/dbus/machine-id").symlink_to("/opt/mid")
    answer = image.json("check")
    assert [(item["kind"], item["action"]) for item in answer["items"]] == [("dbus-machine-id", "keep")]
