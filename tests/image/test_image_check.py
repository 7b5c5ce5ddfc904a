"""What `fingerprint image check` finds in an image, and what it prints about it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from commandline import COMMAND, environment, run
from fingerprint.image import leftovers, masked_path
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


@pytest.mark.parametrize("kind", [*REMOVED, *EMPTIED, *KEPT])
def test_each_kind_of_leftover_alone_is_found(image: Image, kind: str) -> None:
    assert image("check").returncode == 0
    path, content = {**REMOVED, **EMPTIED, **KEPT}[kind]
    image.put(path, content)
    answer = image.json("check")
    assert kinds(answer) == {kind}
    assert not answer["clean"]
    action = "keep" if kind in KEPT else "empty" if kind in EMPTIED else "remove"
    assert {item["action"] for item in answer["items"]} == {action}
    assert all(item["remedy"] for item in answer["items"])
    done = image("check")
    assert done.returncode == 1
    assert done.stdout.startswith("NOT CLEAN: ")


def test_clean_image_is_reported_as_clean(image: Image) -> None:
    answer = image.json("check")
    assert answer["clean"]
    assert answer["items"] == answer["unreadable"] == []
    assert image("check").stdout.startswith("CLEAN")
    cleaned = image.json("clean", "--yes")
    assert cleaned["backup"] is None
    assert cleaned["done"] == []
    assert not list(image.directory.glob("image-backup*"))


@pytest.mark.parametrize("content", ["", "uninitialized\n", "uninitialized"])
def test_machine_id_to_be_generated_at_boot_is_clean(image: Image, content: str) -> None:
    image.put("etc/machine-id", content)
    image.put("usr/lib/systemd/systemd", "")
    assert image("check").returncode == 0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("\n", "blank"), (" \n\n", "blank"), ("uninitialized\n", "uninitialized"), ("0" * 32 + "\n", "all zeros"),
        ("f" * 32, "one digit repeated"), ("3d1219c7-c4c5-404a-aa1f-6d2a48adfda4\n", "not 32 hexadecimal digits"),
        ("localhost\n", "not 32 hexadecimal digits"), ("0123456789abcdef" * 2 + "\n", "many machines have it"),
    ],
)  # fmt: skip
def test_invalid_machine_id_is_not_clean(image: Image, content: str, why: str) -> None:
    image.put("etc/machine-id", content)
    answer = image.json("check")
    assert not answer["clean"]
    [item] = answer["items"]
    assert (item["kind"], item["action"]) == ("machine-id", "empty")
    assert why in item["what"]
    assert image("clean", "--yes").returncode == 0
    assert (image.root / "etc/machine-id").read_bytes() == b""
    assert image("check").returncode == 0


def test_blank_machine_id_is_not_clean_with_systemd(image: Image) -> None:
    image.put("etc/machine-id", "\n")
    image.put("lib/systemd/systemd", "")
    assert image("check").returncode == 1


def test_the_machine_id_of_dbus_may_be_a_link(image: Image) -> None:
    image.put("etc/machine-id")
    (image.root / "var/lib/dbus").mkdir()
    (image.root / "var/lib/dbus/machine-id").symlink_to("/etc/machine-id")
    assert image("check").returncode == 0
    assert image("clean", "--yes").returncode == 0
    assert (image.root / "var/lib/dbus/machine-id").is_symlink()


def test_credentials_file_without_keys_is_clean(image: Image) -> None:
    image.put("root/.aws/credentials", "[default]\nregion = eu-west-1\naws_access_key_id =\n")
    assert image("check").returncode == 0


def test_empty_directory_of_a_node_is_a_leftover(image: Image) -> None:
    (image.root / f"var/lib/amazon/ssm/{NODE}").mkdir()
    assert kinds(image.json("check")) == {"node-state"}
    assert image("clean", "--yes").returncode == 0
    assert not (image.root / f"var/lib/amazon/ssm/{NODE}").exists()


def test_every_file_is_listed_by_its_exact_path(soiled: Image) -> None:
    answer = soiled.json("check", "--reveal")
    listed = {item["path"] for item in answer["items"]}
    expected = [path for path, _ in (*REMOVED.values(), *EMPTIED.values())]
    assert set(soiled.below(*expected, "var/lib/amazon/ssm/Vault/Store/RegistrationKey")) <= listed
    assert not set(soiled.below(*INNOCENT)) & listed
    sizes = {item["path"]: item["bytes"] for item in answer["items"]}
    assert sizes[str(soiled.root / "etc/machine-id")] == 33


def test_check_changes_nothing(soiled: Image) -> None:
    before = tree(soiled.directory)
    assert soiled("check").returncode == 1
    assert soiled.json("check")
    assert soiled("clean", "--dry-run").returncode == 1
    assert tree(soiled.directory) == before


def test_node_ids_are_masked_without_reveal(soiled: Image) -> None:
    for words in (("check",), ("clean", "--dry-run")):
        for form in ("text", "json"):
            assert NODE not in soiled(*words, "--output", form).stdout
            assert NODE in soiled(*words, "--output", form, "--reveal").stdout
    assert masked_path(f"/mnt/i-mage/var/{NODE}/x", "/mnt/i-mage") == "/mnt/i-mage/var/mi-0…def0/x"


def test_no_secret_is_printed_even_with_reveal(soiled: Image) -> None:
    for words in (("check",), ("clean", "--dry-run"), ("clean", "--yes")):
        done = soiled(*words, "--reveal")
        assert not [secret for secret in SECRETS if secret in done.stdout + done.stderr]


def test_text_fits_80_columns_except_paths(soiled: Image) -> None:
    lines = soiled("check").stdout.splitlines()
    assert [line for line in lines if len(line) > 80 and str(soiled.root) not in line] == []
    assert lines[0] == "NOT CLEAN: 15 things would be shared by all machines of this image"


def test_non_utf8_name_is_escaped_in_json(image: Image) -> None:
    image.put(os.fsdecode(b"var/log/amazon/ssm/\xff.log"), "x")
    [item] = image.json("check")["items"]
    assert item["path"].endswith("\\xff.log")


def test_special_files_block_nothing(image: Image) -> None:
    os.mkfifo(image.root / "etc/machine-id")
    (image.root / "root/.aws/credentials").mkdir(parents=True)
    server = socket.socket(socket.AF_UNIX)
    store = image.put("var/lib/amazon/ssm/Vault/Store/key", "k").parent
    here = os.getcwd()
    os.chdir(store)
    try:
        server.bind("socket")
    finally:
        os.chdir(here)
        server.close()
    assert image("check", timeout=20).returncode == 1
    assert image("clean", "--yes", timeout=20).returncode == 3
    assert not store.exists()


@needs_root
def test_unreadable_directory_is_reported_with_the_reason(open_image: Image) -> None:
    image = open_image
    image.put("root/.aws/credentials", "aws_access_key_id = AKIAPLANTED")
    (image.root / "root").chmod(0o700)
    (image.root / "var/lib/amazon/ssm").chmod(0o700)
    done = unprivileged(image, "check")
    assert done.returncode == 3
    assert done.stdout.startswith("CANNOT TELL")
    assert "Permission denied" in done.stdout
    assert str(image.root / "var/lib/amazon/ssm") in done.stdout
    assert str(image.root / "root") in done.stdout
    image.put("etc/machine-id", SECRETS[0], 0o644)
    assert unprivileged(image, "check").returncode == 1


def test_own_state_on_this_host_excludes_other_files(tmp_path: Path) -> None:
    state = tmp_path / "state"
    env = environment(state)
    assert run("vault", "init", "--vault", str(tmp_path / "Vault"), env=env).returncode == 0
    (state / "thesis.txt").write_text("precious")
    done = run("image", "check", "--output", "json", "--vault", str(tmp_path / "Vault"), env=env)
    answer = json.loads(done.stdout)
    listed = {item["path"]: item["kind"] for item in answer["items"] if item["path"].startswith(str(tmp_path))}
    assert listed[str(state / "audit.log")] == "own-state"
    assert listed[str(tmp_path / "Vault/Store/InstanceFingerprint")] == "vault"
    assert str(state / "thesis.txt") not in listed
    files = {str(path) for path in tmp_path.rglob("*") if path.is_file()}
    assert files - set(listed) == {str(state / "thesis.txt")}


def test_paths_are_those_of_the_platform(tmp_path: Path) -> None:
    for path in ("opt/aws/ssm/data/Vault/Manifest", "opt/aws/ssm/data/registration", "var/log/amazon/ssm/errors.log",
                 "opt/aws/ssm/runtimeconfig/identity_config.json", "opt/aws/ssm/data/credentials",
                 "Library/Application Support/hardware-fingerprint/audit.log"):  # fmt: skip
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    (tmp_path / "etc").mkdir()
    found = leftovers(str(tmp_path), platform="darwin")
    assert {item.kind for item in found.items} == {
        "vault", "registration", "agent-log", "identity-config", "host-management", "own-state",
    }  # fmt: skip
    assert leftovers(str(tmp_path), platform="linux", keep_logs=True).is_clean


def test_empty_vault_directory_in_the_environment_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "Vault").mkdir()
    env = {**environment(tmp_path / "state"), "FINGERPRINT_VAULT": str(tmp_path / "Vault")}
    assert run("image", "check", env=env).returncode in (0, 1)


def test_chosen_state_directory_lists_only_our_files(tmp_path: Path) -> None:
    ours = {"history/var-lib.jsonl", "evidence/var-lib/000001-4da952125844d3e8.json", "audit.log",
            "history/var-lib.jsonl.tmp", "evidence/var-lib/000002-4da952125844d3e8.json.tmp",
            "credentials/var-lib.json.tmp"}  # fmt: skip
    theirs = {"history/thesis", "credentials/thesis.tmp", "evidence/notes.txt", "evidence/var-lib/notes.txt", "thesis"}
    for name in ours | theirs:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    env = environment(tmp_path)
    answer = json.loads(run("image", "check", "--output", "json", env=env).stdout)
    listed = {item["path"] for item in answer["items"] if item["path"].startswith(str(tmp_path))}
    assert listed == {str(tmp_path / name) for name in ours}


@pytest.mark.skipif(not shutil.which("strace"), reason="what is opened is seen by strace")
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root makes devices")
def test_device_is_never_opened(image: Image) -> None:
    (image.root / "etc").mkdir(exist_ok=True)
    os.mknod(image.root / "etc/machine-id", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    log = image.directory / "strace.log"
    words = [COMMAND, "--root", str(image.root), "image", "check"]
    subprocess.run(["strace", "-f", "-e", "trace=open,openat", "-o", str(log), *words], env=image.env, check=False,
                   capture_output=True)  # fmt: skip
    assert "machine-id" not in log.read_text()


def test_node_id_is_masked_anywhere_in_a_path(image: Image) -> None:
    image.put(f"data/{NODE}/x", "x")
    (image.root / "var/lib/amazon/ssm").mkdir(parents=True, exist_ok=True)
    (image.root / f"var/lib/amazon/ssm/{NODE}").symlink_to(f"/data/{NODE}")
    image.put(f"var/log/amazon/ssm/x-{NODE}.log", "x")
    image.put(f"var/log/amazon/ssm/x_{NODE}_old", "x")
    text = image("check").stdout + image("check", "--output", "json").stdout
    assert NODE not in text
    assert NODE in image("check", "--reveal").stdout
