"""Return the directories of vaults and of our own state, per operating system."""

from __future__ import annotations

import os
import sys

from fingerprint.agent.paths import paths_of
from fingerprint.errors import UsageError, VaultUnsafe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "hardware-fingerprint"
# The variables that name our state and the vault.
STATE_VARIABLE, VAULT_VARIABLE = "FINGERPRINT_STATE", "FINGERPRINT_VAULT"


def reference_vault(platform: str = sys.platform, environ: Mapping[str, str] = os.environ) -> str:
    """Return the directory in which the reference keeps its vault on a platform."""
    return paths_of(platform, environ).vault


def state_directory(environ: Mapping[str, str] = os.environ) -> str:
    """Return the directory of our own state: FINGERPRINT_STATE, else the system's place for it.

    For root on Unix it is a fixed path, so that HOME and XDG_* of whoever called sudo do not matter.
    """
    chosen = environ.get(STATE_VARIABLE)
    if chosen and is_own(environ):
        return os.path.abspath(chosen)
    if sys.platform != "win32" and os.geteuid() == 0:
        return system_state_directory()
    # Imported here: it costs more than a complete check, and root or a named vault never needs it.
    from platformdirs import site_data_path, user_state_path

    if sys.platform == "win32":
        return str(site_data_path(PROGRAM, appauthor=False))
    return str(user_state_path(PROGRAM))


def system_state_directory(platform: str = sys.platform) -> str:
    """Return the directory of root's state on Unix."""
    return f"/Library/Application Support/{PROGRAM}" if platform == "darwin" else f"/var/lib/{PROGRAM}"


def own_vault(environ: Mapping[str, str] = os.environ) -> str:
    """Return the directory of our own vault."""
    return os.path.join(state_directory(environ), "Vault")


def is_own(environ: Mapping[str, str]) -> bool:
    """Return whether the environment was set by the user whose rights this process has."""
    return environ is not os.environ or sys.platform == "win32" or os.getuid() == os.geteuid()


def resolve_vault(chosen: str | None, root: str = "/", environ: Mapping[str, str] = os.environ) -> str:
    """Return the vault's directory.

    `chosen` (or FINGERPRINT_VAULT) wins; a data directory that holds `Vault` stands for that one. Otherwise it is
    the reference's vault, if that exists or we lack the permission to see whether it does; else our own. An empty
    directory of the reference does not hide our own vault if ours is registered.

    Args:
        chosen: the directory that the user named, or None.
        root: the root directory of a copied disk; the reference's vault is searched below it.
        environ: the environment.

    Raises:
        UsageError: "" was chosen. An empty variable counts as none.
        VaultUnsafe: links on the copied disk lead to each other.
    """
    if chosen is not None and not chosen:
        raise UsageError("the path of the vault is empty", remedy="Name its directory, or leave --vault out")
    named = chosen or named_vault(environ)
    if named:
        path = os.path.abspath(named)
        inner = os.path.join(path, "Vault")
        if not os.path.exists(os.path.join(path, "Store")) and os.path.isdir(inner):
            return inner
        return path
    reference = reference_vault()
    if root != "/":
        return _on_disk(root, reference)
    try:
        os.stat(reference)
    except (FileNotFoundError, NotADirectoryError):
        return own_vault(environ)
    except OSError:
        # It may be there; reading it will say what is wrong.
        return reference
    return own_vault(environ) if hides_own(reference, environ) else reference


def named_vault(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the vault that the environment names, None where it names none."""
    return (environ.get(VAULT_VARIABLE) if is_own(environ) else None) or None


def hides_own(reference: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether the reference's directory is there and empty, and our own vault is registered."""
    if os.path.lexists(os.path.join(reference, "Manifest")):
        return False
    from fingerprint.vault.other_records import is_empty, is_registered

    return is_empty(reference) and is_registered(own_vault(environ))


def known_as(path: str, root: str) -> str:
    """Return a vault's directory as its own machine knows it: of one on a copied disk without the disk's root."""
    if root == "/":
        return path
    path, top = os.path.abspath(path), os.path.abspath(root)
    try:
        if path == os.path.abspath(_on_disk(root, reference_vault())):
            return reference_vault()
    except VaultUnsafe:
        # It is another one, which was named.
        pass
    return path[len(top) :] if path.startswith(top + os.sep) else path


def _on_disk(root: str, path: str) -> str:
    from fingerprint._io.chroot import on_disk

    try:
        return on_disk(root, path)
    except OSError as error:
        raise VaultUnsafe(
            f"the vault of the copied disk cannot be found ({error.strerror})", where=os.path.join(root, path[1:]),
            remedy="Name its directory with --vault",
        ) from None  # fmt: skip
