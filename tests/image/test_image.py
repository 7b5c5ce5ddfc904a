"""Golden images: what is left in one is found, exactly that is removed after a backup, and nothing outside of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from commandline import COMMAND, environment, run
from fingerprint.image import leftovers, masked_path
from nobody import command_as_nobody

NODE = "mi-0123456789abcdef0"
SECRETS = ("c0ffee" + "9" * 26, "planted-private-key", "AKIAPLANTED", "planted-secret")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to another user")
no_windows = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no image but the machine itself")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the paths of the image are those of Linux")
pytestmark = [no_windows, needs_linux]

# kind: path in the image, content.
REMOVED = {
    "vault": ("var/lib/amazon/ssm/Vault/Manifest", "{}"),
    "registration": ("var/lib/amazon/ssm/registration", '{"ManagedInstanceID":"mi-1"}'),
    "identity-config": ("var/lib/amazon/ssm/runtimeconfig/identity_config.json", "{}"),
    "host-management": ("var/lib/amazon/ssm/credentials", "aws_secret_access_key = planted-secret"),
    "node-state": (f"var/lib/amazon/ssm/{NODE}/document/state/one", "x"),
    "dbus-machine-id": ("var/lib/dbus/machine-id", SECRETS[0] + "\n"),
    "own-state": ("var/lib/hardware-fingerprint/history/var-lib.jsonl", "{}\n"),
    "agent-log": ("var/log/amazon/ssm/amazon-ssm-agent.log", "started\n"),
}
EMPTIED = {"machine-id": ("etc/machine-id", SECRETS[0] + "\n")}
KEPT = {
    "shared-credentials": ("root/.aws/credentials", "[default]\naws_access_key_id = AKIAPLANTED\n"),
    "ssh-host-key": ("etc/ssh/ssh_host_ed25519_key", "planted-private-key"),
    "random-seed": ("var/lib/systemd/random-seed", "seed"),
    "cloud-init": ("var/lib/cloud/instance/user-data", "#cloud-config"),
}
INNOCENT = {
    "etc/ssh/ssh_host_ed25519_key.pub": "public",
    "etc/hostname": "golden",
    "var/lib/amazon/ssm/update/state": "of no node",
    "var/lib/amazon/ssm/other/fingerprint": "a name of folklore",
    "var/log/syslog": "lines",
}


class Image:
    """A mounted image, and the command line over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.root.mkdir()
        self.env = environment(folder / "state")
        for path, content in INNOCENT.items():
            self.put(path, content)

    def put(self, path: str, content: str | bytes = "", mode: int = 0o600) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        file.chmod(mode)
        return file

    def soil(self) -> None:
        for path, content in (*REMOVED.values(), *EMPTIED.values(), *KEPT.values()):
            self.put(path, content)
        self.put("var/lib/amazon/ssm/Vault/Store/RegistrationKey", "planted-private-key")

    def __call__(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        options.setdefault("cwd", self.folder)
        return run("--root", str(self.root), "image", *words, env=self.env, **options)

    def json(self, *words: str, **options: Any) -> Any:
        done = self(*words, "--output", "json", **options)
        assert done.stdout, done.stderr
        answer = json.loads(done.stdout)
        schema = resources.files("fingerprint") / "schemas" / f"{answer['command'].replace(' ', '-')}.json"
        Draft202012Validator(json.loads(schema.read_text())).validate(answer)
        return answer

    def below(self, *paths: str) -> list[str]:
        return [str(self.root / path) for path in paths]


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


@pytest.fixture
def soiled(image: Image) -> Image:
    image.soil()
    return image


def tree(root: Path, times: bool = True) -> dict[str, Any]:
    """Return all that reading must not change: kinds, modes, owners, times, contents, links."""
    found: dict[str, Any] = {}
    for folder, folders, files in os.walk(root):
        for path in [folder, *(os.path.join(folder, name) for name in folders + files)]:
            status = os.lstat(path)
            content: Any = os.readlink(path) if stat.S_ISLNK(status.st_mode) else None
            if stat.S_ISREG(status.st_mode):
                content = Path(path).read_bytes()
            when = (status.st_mtime_ns, status.st_ctime_ns) if times else ()
            found[os.path.relpath(path, root)] = (status.st_mode, status.st_uid, status.st_gid, content, *when)
    return found


def kinds(answer: Any) -> set[str]:
    return {item["kind"] for item in answer["items"]}


def extracted(backup: Path, to: Path) -> Path:
    to.mkdir()
    subprocess.run(["tar", "-xpf", str(backup), "-C", str(to)], check=True)
    return to


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


@pytest.mark.parametrize("kind", [*REMOVED, *EMPTIED])
def test_each_kind_that_may_be_removed_is_cleaned(image: Image, kind: str) -> None:
    before = tree(image.root, times=False)
    path, content = {**REMOVED, **EMPTIED}[kind]
    image.put(path, content, 0o444)
    done = image("clean", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("CLEAN")
    left = [name for name, entry in tree(image.root).items() if stat.S_ISREG(entry[0]) and name not in before]
    assert left == (["etc/machine-id"] if kind in EMPTIED else [])
    assert image("check").returncode == 0


def test_a_clean_image_is_said_to_be_clean(image: Image) -> None:
    answer = image.json("check")
    assert answer["clean"]
    assert answer["items"] == answer["unreadable"] == []
    assert image("check").stdout.startswith("CLEAN")
    cleaned = image.json("clean", "--yes")
    assert cleaned["backup"] is None
    assert cleaned["done"] == []
    assert not list(image.folder.glob("image-backup*"))


@pytest.mark.parametrize("content", ["", "uninitialized\n", "uninitialized"])
def test_a_machine_id_that_is_to_be_made_at_the_first_start_is_clean(image: Image, content: str) -> None:
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
def test_a_machine_id_that_is_none_is_not_clean(image: Image, content: str, why: str) -> None:
    image.put("etc/machine-id", content)
    answer = image.json("check")
    assert not answer["clean"]
    [item] = answer["items"]
    assert (item["kind"], item["action"]) == ("machine-id", "empty")
    assert why in item["what"]
    assert image("clean", "--yes").returncode == 0
    assert (image.root / "etc/machine-id").read_bytes() == b""
    assert image("check").returncode == 0


def test_a_blank_machine_id_is_not_clean_under_systemd_either(image: Image) -> None:
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


def test_a_credentials_file_without_keys_is_no_finding(image: Image) -> None:
    image.put("root/.aws/credentials", "[default]\nregion = eu-west-1\naws_access_key_id =\n")
    assert image("check").returncode == 0


def test_the_folder_of_a_node_is_a_leftover_even_if_it_is_empty(image: Image) -> None:
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


def test_a_check_changes_nothing(soiled: Image) -> None:
    before = tree(soiled.folder)
    assert soiled("check").returncode == 1
    assert soiled.json("check")
    assert soiled("clean", "--dry-run").returncode == 1
    assert tree(soiled.folder) == before


def test_node_ids_are_masked_unless_they_are_to_be_revealed(soiled: Image) -> None:
    for words in (("check",), ("clean", "--dry-run")):
        for form in ("text", "json"):
            assert NODE not in soiled(*words, "--output", form).stdout
            assert NODE in soiled(*words, "--output", form, "--reveal").stdout
    assert masked_path(f"/mnt/i-mage/var/{NODE}/x", "/mnt/i-mage") == "/mnt/i-mage/var/mi-0…def0/x"


def test_no_secret_is_printed_not_even_when_ids_are_revealed(soiled: Image) -> None:
    for words in (("check",), ("clean", "--dry-run"), ("clean", "--yes")):
        done = soiled(*words, "--reveal")
        assert not [secret for secret in SECRETS if secret in done.stdout + done.stderr]


def test_the_text_fits_80_columns_but_for_paths(soiled: Image) -> None:
    lines = soiled("check").stdout.splitlines()
    assert [line for line in lines if len(line) > 80 and str(soiled.root) not in line] == []
    assert lines[0] == "NOT CLEAN: 15 things would be shared by all machines of this image"


def test_cleaning_without_yes_is_refused(soiled: Image) -> None:
    before = tree(soiled.folder)
    assert soiled("clean").returncode == 4
    assert tree(soiled.folder) == before


def test_a_rehearsal_names_exactly_what_is_then_done(soiled: Image) -> None:
    would = soiled.json("clean", "--dry-run")
    lines = soiled("clean", "--dry-run").stdout.splitlines()
    done = soiled.json("clean", "--yes")
    assert [one["path"] for one in would["done"]] == [one["path"] for one in done["done"]]
    words = {"would-remove": "removed", "would-empty": "emptied"}
    assert [words[one["did"]] for one in would["done"]] == [one["did"] for one in done["done"]]
    assert lines == [f"{one['did'].replace('-', ' ')} {one['path']}" for one in would["done"]]
    assert would["dryRun"]
    assert would["backup"] is None


def test_what_people_must_do_themselves_is_left_and_told(soiled: Image) -> None:
    done = soiled.json("clean", "--yes")
    assert kinds(done) == set(KEPT)
    assert not done["clean"]
    assert all((soiled.root / path).exists() for path, _ in KEPT.values())
    assert soiled("clean", "--yes").returncode == 1


def test_empty_folders_go_and_those_of_the_agent_itself_stay(soiled: Image) -> None:
    soiled("clean", "--yes")
    for gone in ("var/lib/amazon/ssm/Vault", "var/lib/hardware-fingerprint", f"var/lib/amazon/ssm/{NODE}"):
        assert not (soiled.root / gone).exists()
    for stays in ("var/lib/amazon/ssm", "var/log/amazon/ssm", *INNOCENT):
        assert (soiled.root / stays).exists()


def test_the_machine_id_is_emptied_in_place(image: Image) -> None:
    file = image.put("etc/machine-id", SECRETS[0], 0o444)
    before = file.stat()
    assert image("clean", "--yes").returncode == 0
    after = file.stat()
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, 0)


def test_a_machine_id_with_another_name_is_not_emptied(image: Image) -> None:
    outside = image.folder / "precious"
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


def test_the_backup_restores_the_exact_tree(soiled: Image, tmp_path: Path) -> None:
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


def test_a_name_that_is_no_utf8_stands_in_json(image: Image) -> None:
    image.put(os.fsdecode(b"var/log/amazon/ssm/\xff.log"), "x")
    [item] = image.json("check")["items"]
    assert item["path"].endswith("\\xff.log")


def test_the_usual_backup_has_the_time_in_its_name(soiled: Image) -> None:
    backup = Path(soiled.json("clean", "--yes")["backup"])
    assert backup.parent == soiled.folder
    assert time.strptime(backup.name, "image-backup-%Y%m%dT%H%M%SZ.tar.gz")


def test_a_backup_is_never_overwritten(soiled: Image, tmp_path: Path) -> None:
    backup = tmp_path / "old.tar.gz"
    backup.write_text("old")
    before = tree(soiled.root)
    assert soiled("clean", "--yes", "--backup", str(backup)).returncode == 4
    backup.unlink()
    backup.symlink_to(tmp_path / "elsewhere")
    assert soiled("clean", "--yes", "--backup", str(backup)).returncode == 4
    assert tree(soiled.root) == before
    assert not (tmp_path / "elsewhere").exists()


def test_no_backup_is_made_if_none_is_wanted(soiled: Image) -> None:
    assert soiled.json("clean", "--yes", "--no-backup")["backup"] is None
    assert not list(soiled.folder.glob("*.tar.gz"))


def test_lines_that_make_no_sense_are_usage_errors(soiled: Image, tmp_path: Path) -> None:
    recording = tmp_path / "machine.json"
    recording.write_text("{}")
    other = tmp_path / "Vault"
    other.mkdir()
    before = tree(soiled.root)
    for words in (
        ("clean", "--yes", "--no-backup", "--backup", "x"),
        ("clean", "--yes", "--vault", str(other)),
        ("clean", "--yes", "--vault", str(soiled.root / "etc")),
    ):
        assert soiled(*words).returncode == 2
    for command in ("check", "clean"):
        assert run("--snapshot", str(recording), "image", command, env=soiled.env).returncode == 2
    assert tree(soiled.root) == before


def test_a_vault_in_another_place_of_the_image_is_cleaned_when_it_is_named(image: Image) -> None:
    image.put("opt/Vault/Store/InstanceFingerprint", "{}")
    assert image("check").returncode == 0
    vault = str(image.root / "opt/Vault")
    assert kinds(image.json("check", "--vault", vault)) == {"vault"}
    assert image("clean", "--yes", "--vault", vault).returncode == 0
    assert not (image.root / "opt/Vault").exists()


def test_a_root_that_is_none_cannot_be_told(tmp_path: Path) -> None:
    done = run("--root", str(tmp_path / "nowhere"), "image", "check", env=environment(tmp_path / "state"))
    assert done.returncode == 2
    assert "there is no such directory" in done.stderr


def test_a_backup_inside_a_mounted_image_is_refused(soiled: Image) -> None:
    before = tree(soiled.root)
    for path in (soiled.root / "golden.tar.gz", soiled.root / "var/lib/amazon/ssm/registration.tar.gz"):
        done = soiled("clean", "--yes", "--backup", str(path))
        assert done.returncode == 4
        assert "in the image" in done.stderr
    assert tree(soiled.root) == before
    assert soiled("clean", "--yes", "--backup", str(soiled.folder / "golden.tar.gz")).stderr == ""


@pytest.mark.parametrize("place", ["var/log/amazon/ssm", "var/lib/amazon/ssm/Vault/Store"])
def test_a_backup_in_a_folder_that_is_cleaned_is_refused(soiled: Image, place: str) -> None:
    before = tree(soiled.root)
    assert soiled("clean", "--yes", cwd=soiled.root / place).returncode == 4
    assert tree(soiled.root) == before


@pytest.mark.parametrize("folder", ["nowhere", "a-file"])
def test_nothing_is_removed_if_the_backup_cannot_be_made(soiled: Image, folder: str) -> None:
    (soiled.folder / "a-file").write_text("in the way")
    before = tree(soiled.folder)
    done = soiled("clean", "--yes", "--backup", str(soiled.folder / folder / "golden.tar.gz"))
    assert done.returncode == 3
    assert "nothing was removed" in done.stderr
    assert tree(soiled.folder) == before


def test_nothing_is_removed_if_the_backup_finds_no_room(soiled: Image) -> None:
    import resource

    soiled.put("var/log/amazon/ssm/big.log", os.urandom(1_000_000))
    before = tree(soiled.folder, times=False)
    limit = 200_000
    done = soiled("clean", "--yes", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert done.returncode == 3
    assert "could not be written" in done.stderr
    assert tree(soiled.folder, times=False) == before


# Links.


@pytest.mark.parametrize("form", ["absolute", "relative"])
@pytest.mark.parametrize(
    "component", ["var", "var/lib", "var/lib/amazon", "var/lib/amazon/ssm", "etc", "var/log/amazon"]
)
def test_a_link_in_place_of_a_folder_never_leads_out_of_the_image(tmp_path: Path, component: str, form: str) -> None:
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
def test_a_link_in_place_of_a_folder_is_followed_inside_the_image(image: Image, target: str) -> None:
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


def test_a_link_inside_a_vault_is_never_followed(image: Image) -> None:
    """What leads to nothing in the image goes; what leads to something may be the only trace of a key, and stays."""
    outside = image.folder / "outside"
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


def test_a_vault_whose_data_lies_elsewhere_is_not_called_clean(image: Image) -> None:
    """Its manifest names the data with whole paths, and the agent reads them there."""
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


def test_all_names_of_one_file_go(image: Image) -> None:
    """Hard links, as in an image without doubles: what the first removal changes is not a change by others."""
    key = image.put("var/lib/amazon/ssm/Vault/Store/RegistrationKey", "planted-private-key")
    for name in ("a", "b"):
        os.link(key, key.parent / name)
    os.link(key, image.root / "var/lib/amazon/ssm/Vault/copy")
    assert image("clean", "--yes").returncode == 0
    assert not (image.root / "var/lib/amazon/ssm/Vault").exists()


PLACES = ("var/lib/amazon/ssm/Vault", "var/lib/amazon/ssm/registration", "var/lib/hardware-fingerprint",
          "var/log/amazon/ssm", f"var/lib/amazon/ssm/{NODE}")  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_link_at_a_place_that_leads_nowhere_in_the_image_is_removed_alone(image: Image, place: str) -> None:
    outside = image.folder / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious")
    (image.root / place).parent.mkdir(parents=True, exist_ok=True)
    (image.root / place).symlink_to(outside)
    before = tree(outside)
    assert image("check").returncode == 1
    assert image("clean", "--yes").returncode == 0
    assert not (image.root / place).is_symlink()
    assert tree(outside) == before


@pytest.mark.parametrize("target", ["/etc", "/", "..", "."])
@pytest.mark.parametrize("place", PLACES)
def test_a_link_at_a_place_that_leads_to_something_is_left_to_people(image: Image, place: str, target: str) -> None:
    (image.root / place).parent.mkdir(parents=True, exist_ok=True)
    (image.root / place).symlink_to(target)
    before = tree(image.root)
    done = image.json("clean", "--yes")
    assert [item["action"] for item in done["items"]] == ["keep"]
    assert "by hand" in done["items"][0]["remedy"]
    assert tree(image.root) == before


def test_a_machine_id_that_is_a_link_is_not_emptied(image: Image) -> None:
    outside = image.folder / "outside"
    outside.write_text("precious")
    (image.root / "etc/machine-id").symlink_to(outside)
    assert image("check").returncode == 0
    (image.root / "etc/machine-id").unlink()
    (image.root / "etc/machine-id").symlink_to("hostname")
    [item] = image.json("clean", "--yes")["items"]
    assert (item["kind"], item["action"]) == ("machine-id", "keep")
    assert (image.root / "etc/hostname").read_text() == "golden"
    assert outside.read_text() == "precious"


def test_links_that_lead_to_each_other_end(image: Image) -> None:
    shutil.rmtree(image.root / "etc")
    (image.root / "etc").symlink_to("etc2")
    (image.root / "etc2").symlink_to("/etc")
    answer = image.json("check")
    assert {entry["reason"] for entry in answer["unreadable"]} == {os.strerror(40)}
    assert image("check").returncode == 3


def test_what_is_no_file_blocks_nothing(image: Image) -> None:
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


@pytest.mark.parametrize("over", ["folder", "file"])
def test_a_mount_inside_is_not_entered(image: Image, over: str) -> None:
    image.put("var/lib/amazon/ssm/Vault/Manifest", "{}")
    place = image.root / "var/lib/amazon/ssm/Vault/Store"
    other = image.folder / "other"
    if over == "folder":
        place.mkdir()
        other.mkdir()
        (other / "precious").write_text("precious")
    else:
        place = image.put("etc/machine-id", "old")
        other.write_text("precious")
    script = 'mount --bind "$1" "$2" && shift 2 && "$@"'
    shell = ["unshare", "--mount", "sh", "-c", script, "sh", str(other), str(place)]
    if subprocess.run([*shell, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount")
    words = ["--root", str(image.root), "--output", "json", "image", "clean", "--yes"]
    done = subprocess.run([*shell, COMMAND, *words], capture_output=True, env=image.env, cwd=image.folder, check=False)
    assert done.returncode == 3, done.stderr
    assert "another file system" in json.loads(done.stdout)["unreadable"][0]["reason"]
    file = other / "precious" if over == "folder" else other
    assert file.read_text() == "precious"
    assert not (image.root / "var/lib/amazon/ssm/Vault/Manifest").exists()


# Other users.


@pytest.fixture
def open_image() -> Iterator[Image]:
    """An image in a directory that everybody may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Image(Path(folder))


def unprivileged(image: Image, *words: str) -> subprocess.CompletedProcess[str]:
    return command_as_nobody("--root", str(image.root), "image", *words, env=image.env, cwd=image.folder)


@needs_root
def test_what_may_not_be_read_is_told_with_the_reason(open_image: Image) -> None:
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


@needs_root
def test_what_cannot_be_removed_is_told_and_the_rest_goes_on(open_image: Image) -> None:
    image = open_image
    for name in ("var/lib/amazon/ssm/Vault/Manifest", "var/lib/amazon/ssm/Vault/Store/key"):
        image.put(name, "x", 0o644)
    os.chown(image.root / "var/lib/amazon/ssm/Vault", 65534, 65534)
    image.folder.chmod(0o777)
    done = unprivileged(image, "clean", "--yes")
    assert done.returncode == 1
    assert "NOT DONE" in done.stdout
    assert "Permission denied" in done.stdout
    assert not (image.root / "var/lib/amazon/ssm/Vault/Manifest").exists()
    assert (image.root / "var/lib/amazon/ssm/Vault/Store/key").exists()


@needs_root
def test_nothing_is_removed_if_something_cannot_be_read_for_the_backup(open_image: Image) -> None:
    image = open_image
    image.put("var/lib/amazon/ssm/Vault/Manifest", "x", 0o644)
    image.put("var/lib/amazon/ssm/Vault/key", "x", 0o600)
    os.chown(image.root / "var/lib/amazon/ssm/Vault", 65534, 65534)
    image.folder.chmod(0o777)
    before = tree(image.root)
    done = unprivileged(image, "clean", "--yes")
    assert done.returncode == 3
    assert "nothing was removed" in done.stderr
    assert tree(image.root) == before
    assert not list(image.folder.glob("*backup*"))


@needs_root
def test_nothing_is_removed_if_the_folder_of_the_backup_may_not_be_written(open_image: Image) -> None:
    image = open_image
    image.put("var/lib/amazon/ssm/Vault/Manifest", "x", 0o644)
    os.chown(image.root / "var/lib/amazon/ssm/Vault", 65534, 65534)
    before = tree(image.root)
    assert unprivileged(image, "clean", "--yes").returncode == 3
    assert tree(image.root) == before


# Interruptions.


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_an_end_while_the_backup_is_written_leaves_no_backup_and_everything_else(
    soiled: Image, number: signal.Signals
) -> None:
    soiled.put("var/log/amazon/ssm/big.log", os.urandom(40_000_000))
    before = tree(soiled.root)
    command = [COMMAND, "--root", str(soiled.root), "image", "clean", "--yes", "--backup", "golden.tar.gz"]
    with subprocess.Popen(command, env=soiled.env, cwd=soiled.folder, stderr=subprocess.PIPE) as process:
        while not [path for path in soiled.folder.glob(".golden*") if path.stat().st_size > 100_000]:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(number)
        assert process.wait(60) == (130 if number == signal.SIGINT else -number)
    assert not (soiled.folder / "golden.tar.gz").exists()
    assert tree(soiled.root) == before
    assert number == signal.SIGKILL or not list(soiled.folder.glob(".golden*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_an_end_while_things_are_removed_leaves_a_complete_backup(image: Image, number: signal.Signals) -> None:
    for index in range(4000):
        image.put(f"var/lib/amazon/ssm/Vault/Store/{index:05}", str(index))
    store = image.root / "var/lib/amazon/ssm/Vault/Store"
    before = tree(image.root, times=False)
    command = [COMMAND, "--root", str(image.root), "image", "clean", "--yes", "--backup", "golden.tar.gz"]
    with subprocess.Popen(command, env=image.env, cwd=image.folder, stderr=subprocess.PIPE, text=True) as process:
        while (store / "00100").exists():
            assert process.poll() is None
        process.send_signal(number)
        told = process.communicate()[1]
        assert process.returncode == (130 if number == signal.SIGINT else -number)
    left = tree(image.root, times=False)
    assert 0 < len(left) < len(before)
    assert left.items() <= before.items()
    if number == signal.SIGINT:
        # The one that was just removed may not be counted yet.
        told_gone = int(told.partition("at least ")[2].split()[0])
        assert 0 <= len(before) - len(left) - told_gone <= 1
        assert "the backup of all of them is complete" in told
    subprocess.run(["tar", "-xpf", "golden.tar.gz", "-C", str(image.root)], check=True, cwd=image.folder)
    assert tree(image.root, times=False) == before


@pytest.mark.skipif(not shutil.which("strace"), reason="the order of system calls is seen by strace")
def test_the_backup_is_on_the_disk_before_the_first_removal(soiled: Image) -> None:
    log = soiled.folder / "calls"
    calls = "trace=fsync,link,linkat,unlinkat,ftruncate,rmdir"
    words = ["--root", str(soiled.root), "image", "clean", "--yes", "--backup", str(soiled.folder / "golden.tar.gz")]
    done = subprocess.run(
        ["strace", "-y", "-o", str(log), "-e", calls, COMMAND, *words], env=soiled.env, check=False, capture_output=True
    )
    if not log.exists() or "ftruncate" not in log.read_text():
        pytest.skip(f"strace may not trace here: {done.stderr[:80]!r}")
    lines = log.read_text().splitlines()
    written = next(i for i, line in enumerate(lines) if line.startswith("fsync") and ".golden.tar.gz." in line)
    named = next(i for i, line in enumerate(lines) if line.startswith("link") and "golden.tar.gz" in line)
    durable = next(i for i, line in enumerate(lines) if line.startswith("fsync") and f"<{soiled.folder}>" in line)
    first = next(i for i, line in enumerate(lines) if line.startswith(("unlinkat", "ftruncate")))
    assert written < named < durable < first


# This host.


@needs_root
def test_this_machine_is_not_cleaned_while_the_agent_runs(tmp_path: Path) -> None:
    agent = tmp_path / "amazon-ssm-agent"
    shutil.copy(shutil.which("sleep") or "sleep", agent)
    env = environment(tmp_path / "state")
    # If it were not refused, it would fail at the backup: nothing of the machine of the tests is ever removed.
    words = ("image", "clean", "--yes", "--backup", str(tmp_path / "nowhere/golden.tar.gz"))
    with subprocess.Popen([str(agent), "60"]) as process:
        try:
            for root in ("/", "//", "/tmp/.."):
                done = run("--root", root, *words, env=env)
                assert done.returncode == 4
                assert "the agent runs" in done.stderr
        finally:
            process.kill()


def test_on_this_machine_our_state_is_found_where_it_is_but_not_files_of_others_beside_it(tmp_path: Path) -> None:
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


def test_the_places_are_those_of_the_platform(tmp_path: Path) -> None:
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


# What is cleaned is the image that was named, and nothing else.


def test_an_empty_root_is_no_root(soiled: Image) -> None:
    """As of a variable that is not set: the directory in which one stands must not be taken for the image."""
    before = tree(soiled.root)
    for words in (("check",), ("clean", "--yes", "--no-backup")):
        done = run("--root", "", "image", *words, env=soiled.env, cwd=soiled.root)
        assert done.returncode == 2
        assert "--root is empty" in done.stderr
    assert tree(soiled.root) == before


def test_a_root_means_the_folder_that_the_system_means_by_it(soiled: Image, tmp_path: Path) -> None:
    """A link and ".." behind it: of what the link leads to, and not of the directory in which it lies."""
    victim = tmp_path / "victim"
    (victim / "etc").mkdir(parents=True)
    (victim / "etc/machine-id").write_text("f" * 32)
    (victim / "data").symlink_to(soiled.root / "var")
    done = run("--root", str(victim / "data" / ".."), "image", "clean", "--yes", "--no-backup", env=soiled.env)
    assert str(soiled.root) in done.stdout
    assert (victim / "etc/machine-id").read_text() == "f" * 32
    assert (soiled.root / "etc/machine-id").read_bytes() == b""


def test_a_folder_that_is_no_system_is_not_called_clean(image: Image, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "empty", tmp_path):
        done = run("--root", str(root), "image", "check", env=image.env)
        assert done.returncode == 3
        assert "does not look like the root of a system" in done.stdout
    assert image("check").returncode == 0


def test_a_system_without_its_var_is_not_called_clean(image: Image) -> None:
    """It is where everything would be, and may be a disk of its own that is not mounted."""
    shutil.rmtree(image.root / "var")
    assert "/etc or /var is missing" in image("check").stdout
    (image.root / "var").mkdir()
    for words in (("check",), ("clean", "--yes")):
        done = image(*words)
        assert done.returncode == 3
        assert f"{image.root}/var\n    it is empty: its disk may not be mounted" in done.stdout


@pytest.mark.parametrize("inside", ["Store/thesis", "Manifest", "EC2Manifest", "Store"])
def test_what_only_has_a_name_of_a_vaults_is_none(image: Image, inside: str) -> None:
    file = image.put(f"home/u/{inside}", "mine") if inside != "Store" else image.root / "home/u/Store"
    file.mkdir(parents=True) if inside == "Store" else None
    image.put("home/u/thesis", "mine")
    before = tree(image.root)
    for path in ("home/u", "", "nowhere"):
        done = image("clean", "--yes", "--no-backup", "--vault", str(image.root / path))
        assert done.returncode == 2, done.stdout
    assert tree(image.root) == before


def test_of_a_named_vault_only_what_is_a_vaults_goes(image: Image) -> None:
    image.put("srv/V/Store/RegistrationKey", "planted")
    image.put("srv/V/Manifest", '{"RegistrationKey":"/srv/V/Store/RegistrationKey"}')
    image.put("srv/V/notes.txt", "mine")
    assert image("clean", "--yes", "--no-backup", "--vault", str(image.root / "srv/V")).returncode == 0
    assert [str(p.relative_to(image.root)) for p in (image.root / "srv").rglob("*") if p.is_file()] == [
        "srv/V/notes.txt"
    ]


@pytest.mark.skipif(not shutil.which("chattr"), reason="what cannot be removed is made by chattr")
def test_what_could_not_be_removed_of_a_named_vault_is_told(image: Image) -> None:
    """Of the vault nothing is left by which it could be known."""
    image.put("srv/V/Store/RegistrationKey", "planted")
    fixed = image.put("srv/V/Store/other", "x")
    if subprocess.run(["chattr", "+i", str(fixed)], capture_output=True, check=False).returncode:
        pytest.skip("files cannot be made immutable here")
    try:
        done = image.json("clean", "--yes", "--vault", str(image.root / "srv/V"))
        told = image("check", "--vault", str(image.root / "srv/V"))
    finally:
        subprocess.run(["chattr", "-i", str(fixed)], check=True)
    assert not done["clean"]
    assert [item["path"] for item in done["items"]] == [str(fixed)]
    assert {one["path"]: one["did"] for one in done["done"]} == {
        str(fixed): "nothing", str(fixed.parent / "RegistrationKey"): "removed",
    }  # fmt: skip
    assert Path(done["backup"]).exists()
    assert told.returncode == 2


def test_an_empty_folder_for_the_vault_in_the_environment_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "Vault").mkdir()
    env = {**environment(tmp_path / "state"), "FINGERPRINT_VAULT": str(tmp_path / "Vault")}
    assert run("image", "check", env=env).returncode in (0, 1)


def test_a_path_that_is_no_text_is_refused_as_any_other(image: Image) -> None:
    name = os.fsdecode(os.fsencode(str(image.folder)) + b"/taken\xff")
    image.put("var/lib/amazon/ssm/registration", "{}")
    Path(name).touch()
    done = image("clean", "--yes", "--backup", name, "--output", "json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["where"] == f"{image.folder}/taken\\xff"


def test_a_backup_without_a_name_is_a_usage_error(soiled: Image) -> None:
    before = tree(soiled.root)
    assert soiled("clean", "--yes", "--backup", "").returncode == 2
    assert tree(soiled.root) == before


def test_a_current_folder_that_is_gone_is_told(soiled: Image) -> None:
    before = tree(soiled.root)
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", COMMAND, "--root", str(soiled.root), "image", "clean", "--yes"], env=soiled.env,
        cwd=soiled.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "the current directory cannot be found" in done.stderr
    assert tree(soiled.root) == before


def test_in_a_state_folder_that_was_chosen_only_our_own_files_are_noted(tmp_path: Path) -> None:
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


def in_mounts(image: Image, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a name space of mounts of its own; $1 is the image, $2 the command."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", str(image.root), COMMAND], env=image.env, cwd=image.folder,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mounts here: {done.stderr.strip()}")
    return done


@needs_linux
@pytest.mark.skipif(not shutil.which("unshare"), reason="mounts of its own need unshare")
@pytest.mark.parametrize(
    "place",
    ["var/lib/amazon/ssm/Vault", "var/log/amazon/ssm", f"var/lib/amazon/ssm/{NODE}", "var/lib/hardware-fingerprint",
     "var/lib/amazon/ssm/Vault/x\ry", "var/lib/amazon/ssm/Vault/a b", "var/log/amazon/ssm/\\040"],
)  # fmt: skip
def test_what_is_mounted_within_the_image_stays(soiled: Image, place: str) -> None:
    outside = soiled.folder / "mounted"
    outside.mkdir()
    (outside / "precious").write_text("another disk's")
    target = soiled.root / place
    target.mkdir(parents=True, exist_ok=True)
    (soiled.folder / "place").write_bytes(os.fsencode(str(target)))
    done = in_mounts(
        soiled, 'mount --bind mounted "$(cat place)" && exec "$2" --root "$1" image clean --yes --no-backup'
    )
    assert (outside / "precious").read_text() == "another disk's"
    assert done.returncode == 1
    assert "another file system is mounted there" in done.stdout


@needs_linux
@pytest.mark.skipif(not shutil.which("unshare"), reason="mounts of its own need unshare")
def test_nothing_is_removed_where_mounts_are_not_known(soiled: Image) -> None:
    before = tree(soiled.root)
    done = in_mounts(soiled, 'mount -t tmpfs none /proc && exec "$2" --root "$1" image clean --yes --no-backup')
    assert done.returncode == 3
    assert tree(soiled.root) == before


@pytest.mark.skipif(not shutil.which("strace"), reason="what is opened is seen by strace")
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_not_even_opened(image: Image) -> None:
    (image.root / "etc").mkdir(exist_ok=True)
    os.mknod(image.root / "etc/machine-id", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    log = image.folder / "strace.log"
    words = [COMMAND, "--root", str(image.root), "image", "check"]
    subprocess.run(["strace", "-f", "-e", "trace=open,openat", "-o", str(log), *words], env=image.env, check=False,
                   capture_output=True)  # fmt: skip
    assert "machine-id" not in log.read_text()


# The backup and the report.


def test_the_backup_keeps_times_to_the_last_digit_and_devices(soiled: Image) -> None:
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
    subprocess.run(["tar", "-xpf", "golden.tar.gz", "-C", str(soiled.root)], check=True, cwd=soiled.folder)
    after = {
        str(p.relative_to(soiled.root)): (p.lstat().st_mode, p.lstat().st_rdev, p.lstat().st_mtime_ns)
        for p in (soiled.root / "var/log/amazon/ssm").rglob("*")
    }
    assert after == before


def test_whoever_cannot_read_the_answer_learns_what_is_gone_and_where_it_is(soiled: Image) -> None:
    with open("/dev/full", "w") as full:
        done = run("--root", str(soiled.root), "image", "clean", "--yes", "--backup", "golden.tar.gz", env=soiled.env,
                   cwd=soiled.folder, capture_output=False, stdout=full, stderr=subprocess.PIPE)  # fmt: skip
    assert done.returncode == 3
    assert "golden.tar.gz" in done.stderr
    assert "at least 11 of 11 are gone" in done.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="another system has no such signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_lost_connection_leaves_no_half_written_backup(soiled: Image, name: str) -> None:
    # So much that it is still being written when the signal comes, on any machine.
    soiled.put("var/log/amazon/ssm/large.log", os.urandom(100_000_000))
    before = tree(soiled.root, times=False)
    command = [COMMAND, "--root", str(soiled.root), "image", "clean", "--yes", "--backup", "golden.tar.gz"]
    with subprocess.Popen(command, env=soiled.env, cwd=soiled.folder, stderr=subprocess.PIPE,
                          stdout=subprocess.DEVNULL) as process:  # fmt: skip
        while not list(soiled.folder.glob(".golden.tar.gz.*")):
            assert process.poll() is None
        process.send_signal(getattr(signal, name))
        process.communicate()
    assert process.returncode == 130
    assert not list(soiled.folder.glob("*golden.tar.gz*"))
    assert tree(soiled.root, times=False) == before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="another system has no such signals")
def test_a_lost_connection_is_nothing_to_what_was_started_to_outlive_it(soiled: Image) -> None:
    """As `nohup` starts it."""
    soiled.put("var/log/amazon/ssm/large.log", os.urandom(30_000_000))
    command = [COMMAND, "--root", str(soiled.root), "image", "clean", "--yes", "--backup", "golden.tar.gz"]
    with subprocess.Popen(["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *command], env=soiled.env, cwd=soiled.folder,
                          stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:  # fmt: skip
        while not list(soiled.folder.glob(".golden.tar.gz.*")):
            assert process.poll() is None
        process.send_signal(signal.SIGHUP)
        _, complaint = process.communicate()
    # 1, as not all that is soiled can be cleaned.
    assert (process.returncode, complaint) == (1, b"")
    assert (soiled.folder / "golden.tar.gz").exists()


def test_a_node_id_is_masked_wherever_it_stands(image: Image) -> None:
    image.put(f"data/{NODE}/x", "x")
    (image.root / "var/lib/amazon/ssm").mkdir(parents=True, exist_ok=True)
    (image.root / f"var/lib/amazon/ssm/{NODE}").symlink_to(f"/data/{NODE}")
    image.put(f"var/log/amazon/ssm/x-{NODE}.log", "x")
    image.put(f"var/log/amazon/ssm/x_{NODE}_old", "x")
    text = image("check").stdout + image("check", "--output", "json").stdout
    assert NODE not in text
    assert NODE in image("check", "--reveal").stdout


def test_a_link_to_another_machine_id_than_the_first_is_told(image: Image) -> None:
    image.put("etc/machine-id", "")
    image.put("opt/mid", "c" * 32)
    (image.root / "var/lib/dbus").mkdir(parents=True)
    (image.root / "var/lib/dbus/machine-id").symlink_to("/opt/mid")
    answer = image.json("check")
    assert [(item["kind"], item["action"]) for item in answer["items"]] == [("dbus-machine-id", "keep")]
