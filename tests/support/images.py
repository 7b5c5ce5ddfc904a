"""Images of machines for tests of `fingerprint image`, and the command line over them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from commandline import environment, run
from nobody import command_as_nobody

NODE = "mi-0123456789abcdef0"

SECRETS = ("c0ffee" + "9" * 26, "planted-private-key", "AKIAPLANTED", "planted-secret")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to another user")
no_windows = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no image but the machine itself")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="the paths of the image are those of Linux")


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

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "root"
        self.root.mkdir()
        self.env = environment(directory / "state")
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
        options.setdefault("cwd", self.directory)
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


def tree(root: Path, times: bool = True) -> dict[str, Any]:
    """Return all that reading must not change: kinds, modes, owners, times, contents, links."""
    found: dict[str, Any] = {}
    for directory, directories, files in os.walk(root):
        for path in [directory, *(os.path.join(directory, name) for name in directories + files)]:
            status = os.lstat(path)
            content: Any = os.readlink(path) if stat.S_ISLNK(status.st_mode) else None
            if stat.S_ISREG(status.st_mode):
                content = Path(path).read_bytes()
            when = (status.st_mtime_ns, status.st_ctime_ns) if times else ()
            found[os.path.relpath(path, root)] = (status.st_mode, status.st_uid, status.st_gid, content, *when)
    return found


def kinds(answer: Any) -> set[str]:
    return {item["kind"] for item in answer["items"]}


def unprivileged(image: Image, *words: str) -> subprocess.CompletedProcess[str]:
    return command_as_nobody("--root", str(image.root), "image", *words, env=image.env, cwd=image.directory)
