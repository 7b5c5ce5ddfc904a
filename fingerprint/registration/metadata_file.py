"""Write the file beside the vault that names the node for other programs, and forget a registration completely."""

from __future__ import annotations

import os

from fingerprint._core import dumps
from fingerprint.agent.paths import REGISTRATION_NAME
from fingerprint.errors import VaultError
from fingerprint.types import RegistrationRecord
from fingerprint.vault import REGISTRATION_KEY
from fingerprint.vault.files import Directory
from fingerprint.vault.pending_registration import give_up
from fingerprint.vault.records import encode_registration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.vault import Vault
    from fingerprint.vault.edit import VaultEdit


def path_of(vault: Vault) -> str:
    """Return the path of the file."""
    return os.path.join(os.path.dirname(vault.path), REGISTRATION_NAME)


def write_file(vault: Vault, record: RegistrationRecord) -> None:
    """Write the file as the reference does.

    Raises:
        VaultError: it could not be written.
    """
    data = dumps({"ManagedInstanceID": record.instance_id, "Region": record.region})
    with Directory.open(os.path.dirname(vault.path)) as directory:
        directory.replace(REGISTRATION_NAME, data)


def forget_registration(vault: Vault) -> None:
    """Forget registration and fingerprint on this host; both stay in the history. The service has no such operation.

    Raises:
        VaultError: the vault could not be read or written.
    """

    def forget(edit: VaultEdit) -> None:
        edit.force(REGISTRATION_KEY, encode_registration(_cleared(edit)), why="deregistered")
        edit.clear(why="deregistered")
        give_up(vault)

    vault.change(forget)
    try:
        os.unlink(path_of(vault))
    except FileNotFoundError:
        return


def _cleared(edit: VaultEdit) -> RegistrationRecord:
    """Return an empty registration with the members that the present one has, as the agent clears it."""
    try:
        has_provider = edit.read_registration().provider is not None
    except VaultError:
        has_provider = False
    return RegistrationRecord(provider="" if has_provider else None)
