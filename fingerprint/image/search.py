"""Looking for what all machines made from a disk would share."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys

from fingerprint.agent.paths import paths_of
from fingerprint.attributes.machine_id import MACHINE_ID_FILES, UNINITIALIZED, problem
from fingerprint.errors import UsageError, VaultError
from fingerprint.image.disk import Disk, identity, is_folder, reason
from fingerprint.image.findings import KEEP, KINDS, NODES, Findings, Leftover
from fingerprint.vault.locations import state_folder, system_state_folder
from fingerprint.vault.records import decode_manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fingerprint.image.disk import Folder

_MACHINE_ID_LIMIT = 4096
_CREDENTIALS_LIMIT = 1024 * 1024
_KEYS = (b"aws_access_key_id", b"aws_secret_access_key")
_SYSTEMD = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")
_MANIFESTS = ("Manifest", "EC2Manifest")
_KEYS_OF_VAULTS = ("InstanceFingerprint", "RegistrationKey", "EC2RegistrationKey")
# What we make in a state directory, below it and by its names: a user may have put it among files of his own.
_OWN = (
    # What a kill left half written holds the same.
    ("history", re.compile(r"[^/]+\.(?:jsonl|place\.json)(?:(?:\.new)?\.tmp)?")),
    ("evidence", re.compile(r"[^/]+/\d+-[0-9a-f]+\.json(?:\.tmp)?")),
    ("credentials", re.compile(r"[^/]+\.json(?:\.tmp)?")),
)
# What these lead to holds keys, too, wherever it is.
_SECRET = ("vault", "own-state")
_MOUNTED = "another file system is mounted there, which is not entered"


def leftovers(
    root: str = "/",
    *,
    platform: str = sys.platform,
    environ: Mapping[str, str] = os.environ,
    keep_logs: bool = False,
    vault: str | None = None,
) -> Findings:
    """Look for what all machines made from this disk would share. Nothing is changed.

    Args:
        root: where the disk is mounted; "/" for that of this host.
        platform: of `sys.platform`, for the machine that is looked at.
        environ: the environment, which names our state directory on this host.
        keep_logs: leave the agent's logs out.
        vault: a vault in another place than the agent's.

    Raises:
        InputError: the root is no directory that can be opened.
        UsageError: the vault that was named is none, or not on this disk.
    """
    search = _Search(Disk(root))
    search.demand_system()
    paths = paths_of(platform, environ)
    search.attempt(search.tree, "vault", paths.vault)
    if vault is not None:
        search.attempt(search.named_vault, vault)
    search.attempt(search.file, "registration", paths.registration)
    search.attempt(search.file, "identity-config", paths.identity)
    search.attempt(search.file, "host-management", paths.host_management)
    search.attempt(search.nodes, paths.data)
    if platform != "win32":
        search.attempt(search.machine_id, MACHINE_ID_FILES[0])
        search.attempt(search.second_machine_id, MACHINE_ID_FILES[1])
    search.own_state(platform, environ)
    if not keep_logs:
        search.attempt(search.tree, "agent-log", paths.logs)
    if platform != "win32":
        search.attempt(search.shared_credentials, paths.shared_credentials)
        search.attempt(search.host_keys, "/etc/ssh")
        search.attempt(search.file, "random-seed", "/var/lib/systemd/random-seed")
        search.attempt(search.file, "cloud-init", "/var/lib/cloud/instance")
    search.leads()
    return search.findings()


def _by_hand(where: str) -> str:
    return f"It is a link, which is not followed: remove by hand what you do not need in {where}, and the link"


class _Search:
    """What was found so far on a disk."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self._items: dict[str, Leftover] = {}
        self._unreadable: dict[str, str] = {}
        self._folders: dict[str, None] = {}
        self._trees: set[tuple[int, int]] = set()

    def findings(self) -> Findings:
        return Findings(
            self.disk.root,
            tuple(self._items.values()),
            tuple(self._unreadable.items()),
            tuple(self._folders),
            frozenset(self._trees),
        )

    def demand_system(self) -> None:
        """Note a root that is none: nothing found there would say nothing."""
        if os.sep == "/":
            if not {"etc", "var"}.issubset(self._names("/")):
                self._unreadable[self.disk.root] = "it does not look like the root of a system: /etc or /var is missing"
            else:
                self.attempt(self._demand_full, "/var")
        if not self.disk.knows_mounts:
            self._unreadable["/proc/self/mountinfo"] = "what is mounted within the image is not known"

    def _demand_full(self, inside: str) -> None:
        with self.disk.folder(inside) as folder:
            if not folder.names():
                raise OSError(errno.ENODATA, "it is empty: its disk may not be mounted", folder.path)

    def attempt(self, question: Callable[..., None], *words: object) -> None:
        """Ask, and note what could not be looked at."""
        try:
            question(*words)
        except OSError as error:
            self._unreadable.setdefault(error.filename or self.disk.root, reason(error))
        except RecursionError:
            self._unreadable.setdefault(str(words[-1]), "its directories are nested too deeply")

    def tree(self, kind: str, inside: str) -> None:
        """Note everything in a directory that is all the agent's or ours."""
        found = self.disk.find(inside)
        if found is None:
            return
        folder, name, status = found
        with folder:
            if is_folder(status) and self.disk.is_mounted(folder, name, status):
                raise OSError(errno.EXDEV, _MOUNTED, folder.of(name))
            if not is_folder(status):
                self._one(kind, inside, folder, name, status)
                return
            with folder.inner(name) as top:
                self._walk(kind, top, status)
            if kind == "node-state":
                # Its very name is the node ID.
                self._note(kind, top.path, status)
            elif kind != "agent-log":
                self._folders[top.path] = None

    def _walk(self, kind: str, folder: Folder, status: os.stat_result) -> None:
        whose = status.st_dev, status.st_ino
        if whose in self._trees:
            return
        self._trees.add(whose)
        for name in folder.names():
            try:
                inner = folder.status(name)
            except FileNotFoundError:
                continue
            if self.disk.is_mounted(folder, name, inner):
                self._unreadable[folder.of(name)] = _MOUNTED
            elif is_folder(inner):
                self.attempt(self._walk_inner, kind, folder, name, inner)
            else:
                self._note(kind, folder.of(name), inner)

    def _walk_inner(self, kind: str, folder: Folder, name: str, status: os.stat_result) -> None:
        with folder.inner(name) as inner:
            self._walk(kind, inner, status)
        self._folders[folder.of(name)] = None

    def file(self, kind: str, inside: str) -> None:
        """Note a file if it is there."""
        found = self.disk.find(inside)
        if found is not None:
            folder, name, status = found
            with folder:
                self._one(kind, inside, folder, name, status)

    def _one(self, kind: str, inside: str, folder: Folder, name: str, status: os.stat_result) -> None:
        """Note what stands at a place of its own. A link to something is for people: it may lead to anything."""
        self._check_mount(folder, name, status)
        beyond = None
        if KINDS[kind][1] != KEEP and stat.S_ISLNK(status.st_mode):
            beyond = self.disk.reach(inside)
        if beyond is None:
            self._note(kind, folder.of(name), status)
            return
        beyond[0].close()
        self._note(kind, folder.of(name), status, KEEP, _by_hand(beyond[0].of(beyond[1])))

    def leads(self) -> None:
        """Leave to people what leads to more of its kind: without it nobody would find that, and it is not cleaned."""
        for item in tuple(self._items.values()):
            if item.kind in _SECRET and item.action != KEEP:
                self.attempt(self._leads, item)

    def _leads(self, item: Leftover) -> None:
        with self.disk.parent(item.path) as folder:
            name = os.path.basename(item.path)
            status = folder.status(name)
            if stat.S_ISLNK(status.st_mode):
                beyond = self._not_cleaned(self.disk.below(item.path))
                remedy = beyond and _by_hand(beyond)
            elif name in _MANIFESTS:
                try:
                    named = decode_manifest(folder.read(name, _CREDENTIALS_LIMIT), item.path).values()
                except VaultError:
                    return
                data = (self._not_cleaned(path) for path in named if os.path.isabs(path))
                beyond = next((path for path in data if path), "")
                remedy = f"It names {beyond}, which is not cleaned: remove that by hand, and then this"
            else:
                return
        if beyond:
            self._note(item.kind, item.path, status, KEEP, remedy)

    def _not_cleaned(self, inside: str) -> str:
        """Return the file or directory to which a path leads, "" if there is none or it is cleaned."""
        found = self.disk.reach(inside)
        if found is None:
            return ""
        folder, name, status = found
        with folder:
            above = folder.status(".")
            path = folder.of(name)
        if self._trees & {(above.st_dev, above.st_ino), (status.st_dev, status.st_ino)} or path in self._items:
            return ""
        return path if is_folder(status) or stat.S_ISREG(status.st_mode) else ""

    def named_vault(self, path: str) -> None:
        """Note what is a vault's in a directory that the user named, and nothing else that may be in it."""
        inside = self.disk.inside(path)
        if inside is None or not inside.strip(os.sep):
            raise UsageError(
                "this vault is not on the disk that is looked at", where=path, remedy="Name one below --root, or none"
            )
        names = self._names(inside)
        if "Vault" in names and "Store" not in names:
            # The directory of the data stands for the vault in it.
            inside = os.path.join(inside, "Vault")
            names = self._names(inside)
        manifests = [name for name in _MANIFESTS if name in names and self._is_manifest(inside, name)]
        store = os.path.join(inside, "Store")
        has_store = bool(set(_KEYS_OF_VAULTS).intersection(self._names(store)))
        if not manifests and not has_store:
            raise UsageError("this directory is no vault", where=path, remedy="Name a directory that holds a Manifest")
        for name in manifests:
            self.file("vault", os.path.join(inside, name))
        if has_store:
            self.tree("vault", store)
            self._goes_when_empty(inside)

    def _is_manifest(self, inside: str, name: str) -> bool:
        try:
            with self.disk.folder(inside) as folder:
                return bool(decode_manifest(folder.read(name, _CREDENTIALS_LIMIT), folder.of(name)))
        except (OSError, VaultError):
            return False

    def nodes(self, data: str) -> None:
        """Note the directories of single nodes."""
        for name in self._names(data):
            if name.startswith(NODES):
                self.attempt(self.tree, "node-state", os.path.join(data, name))

    def machine_id(self, inside: str) -> None:
        """Note the machine ID if there is one."""
        found = self.disk.reach(inside)
        if found is None:
            return
        folder, name, status = found
        with folder:
            self._check_mount(folder, name, status)
            text = folder.read(name, _MACHINE_ID_LIMIT)
            if self._is_made_anew(text):
                return
        wrong = problem(text.decode("utf-8", "replace"))
        what = f"a machine ID that is none ({wrong}): every machine of the image keeps it" if wrong else ""
        if self._is_link(inside):
            action, remedy = KEEP, f"{inside} is a link to it: empty it by hand"
            self._note("machine-id", folder.of(name), status, action, remedy, what=what)
        else:
            self._note("machine-id", folder.of(name), status, what=what)

    def _is_made_anew(self, text: bytes) -> bool:
        """Return whether each machine makes an ID of its own in place of this text.

        All systems do for an empty file. For the word that says so only systemd does: others look at the size.
        """
        return not text or (text.strip() == UNINITIALIZED.encode() and any(map(self._is_there, _SYSTEMD)))

    def _is_there(self, inside: str) -> bool:
        try:
            found = self.disk.reach(inside)
        except OSError:
            return False
        if found is not None:
            found[0].close()
        return found is not None

    def second_machine_id(self, inside: str) -> None:
        """Note the machine ID of D-Bus unless it is a link to the first one, as it should be."""
        if not self._is_link(inside):
            self.file("dbus-machine-id", inside)
            return
        found = self.disk.reach(inside)
        if found is None:
            return
        folder, name, status = found
        with folder:
            empty = self._is_made_anew(folder.read(name, _MACHINE_ID_LIMIT))
        first = self.disk.reach(MACHINE_ID_FILES[0])
        if first is not None:
            first[0].close()
        if not empty and (first is None or identity(first[2]) != identity(status)):
            self._note("dbus-machine-id", folder.of(name), status, KEEP, f"{inside} is a link to it: empty it by hand")

    def own_state(self, platform: str, environ: Mapping[str, str]) -> None:
        """Note our own state: all of our fixed directory, and what we made in another one."""
        fixed = system_state_folder(platform)
        if platform != "win32":
            self.attempt(self.tree, "own-state", fixed)
        if self.disk.root != os.path.abspath(os.sep):
            return
        chosen = state_folder(environ)
        if chosen != fixed:
            self.attempt(self._chosen_state, chosen)

    def _chosen_state(self, chosen: str) -> None:
        vault = os.path.join(chosen, "Vault")
        if self._names(os.path.join(vault, "Store")):
            try:
                self.named_vault(vault)
            except UsageError:
                # Something else of that name.
                pass
        for name, form in _OWN:
            folder = os.path.join(chosen, name)
            for inner in self._names(folder):
                for path in (inner, *(f"{inner}/{one}" for one in self._names(os.path.join(folder, inner)))):
                    if form.fullmatch(path):
                        self.attempt(self.file, "own-state", os.path.join(folder, path))
                self.attempt(self._goes_when_empty, os.path.join(folder, inner))
            self.attempt(self._goes_when_empty, folder)
        if self._names(os.path.join(chosen, "history")):
            self.attempt(self.file, "own-state", os.path.join(chosen, "audit.log"))

    def _goes_when_empty(self, inside: str) -> None:
        found = self.disk.find(inside)
        if found is not None:
            found[0].close()
            if is_folder(found[2]):
                self._folders[found[0].of(found[1])] = None

    def shared_credentials(self, inside: str) -> None:
        """Note a credentials file that holds keys."""
        found = self.disk.reach(inside)
        if found is None:
            return
        folder, name, status = found
        with folder:
            data = folder.read(name, _CREDENTIALS_LIMIT)
        for line in data.splitlines():
            key, _, value = line.partition(b"=")
            if key.strip().lower() in _KEYS and value.strip():
                self._note("shared-credentials", folder.of(name), status)
                return

    def host_keys(self, inside: str) -> None:
        """Note the private keys of the SSH server."""
        for name in self._names(inside):
            if name.startswith("ssh_host_") and name.endswith("_key"):
                self.attempt(self.file, "ssh-host-key", f"{inside}/{name}")

    def _names(self, inside: str) -> list[str]:
        try:
            with self.disk.folder(inside) as folder:
                return folder.names()
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _is_link(self, inside: str) -> bool:
        found = self.disk.find(inside)
        if found is None:
            return False
        found[0].close()
        return stat.S_ISLNK(found[2].st_mode)

    def _check_mount(self, folder: Folder, name: str, status: os.stat_result) -> None:
        if not is_folder(status) and self.disk.is_mounted(folder, name, status):
            raise OSError(errno.EXDEV, _MOUNTED, folder.of(name))

    def _note(
        self, kind: str, path: str, status: os.stat_result, action: str = "", remedy: str = "", what: str = ""
    ) -> None:
        usually, usual, known = KINDS[kind]
        self._items[path] = Leftover(
            kind, path, what or usually, action or usual, status.st_size, remedy or known, identity(status)
        )
