"""Where vaults and our own state are, per operating system."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "hardware-fingerprint"


def reference_vault(platform: str = sys.platform, environ: Mapping[str, str] = os.environ) -> str:
    """Return the folder in which the reference keeps its vault on a platform."""
    if platform == "darwin":
        return "/opt/aws/ssm/data/Vault"
    if platform == "win32":
        data = environ.get("ProgramData") or environ.get("ALLUSERSPROFILE", r"C:\ProgramData") + r"\Application Data"
        return data + r"\Amazon\SSM\InstanceData\Vault"
    return "/var/lib/amazon/ssm/Vault"


def state_folder(environ: Mapping[str, str] = os.environ) -> str:
    """Return the folder of our own state: FINGERPRINT_STATE, else the system's place for it.

    For root on Unix it is a fixed path, so that HOME and XDG_* of whoever called sudo do not matter.
    """
    chosen = environ.get("FINGERPRINT_STATE")
    if chosen and is_own(environ):
        return os.path.abspath(chosen)
    if sys.platform != "win32" and os.geteuid() == 0:
        return "/Library/Application Support/" + PROGRAM if sys.platform == "darwin" else "/var/lib/" + PROGRAM
    # Imported here: it costs more than a whole check, and root or a named vault never needs it.
    from platformdirs import site_data_path, user_state_path

    if sys.platform == "win32":
        return str(site_data_path(PROGRAM, appauthor=False))
    return str(user_state_path(PROGRAM))


def is_own(environ: Mapping[str, str]) -> bool:
    """Return whether the environment was set by the user whose rights this process has."""
    return environ is not os.environ or sys.platform == "win32" or os.getuid() == os.geteuid()


def resolve_vault(chosen: str | None, root: str = "/", environ: Mapping[str, str] = os.environ) -> str:
    """Return the vault's folder.

    `chosen` (or FINGERPRINT_VAULT) wins; a data folder that holds `Vault` stands for that one. Else
    the reference's vault, if it exists or may exist where we must not look; else our own.

    Args:
        chosen: the folder that the user named, or None.
        root: the root folder of a copied disk; the reference's vault is looked up below it.
        environ: the environment.
    """
    named = chosen or (environ.get("FINGERPRINT_VAULT") if is_own(environ) else None)
    if named:
        path = os.path.abspath(named)
        inner = os.path.join(path, "Vault")
        if not os.path.exists(os.path.join(path, "Store")) and os.path.isdir(inner):
            return inner
        return path
    reference = reference_vault()
    if root != "/":
        return os.path.join(root, reference.lstrip("/"))
    try:
        os.stat(reference)
    except (FileNotFoundError, NotADirectoryError):
        return os.path.join(state_folder(environ), "Vault")
    except OSError:
        # It may be there; reading it will say what is wrong.
        return reference
    return reference
