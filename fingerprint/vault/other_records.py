"""Find a record that a vault lacks in our journal or the other vault: then a new one would be a second identity.

An empty directory of the agent hides an own vault, and a vault whose file system is not mounted seems never used. So,
before a record is made, our journal of the vault is searched, and the other one of the two default vaults. Naming a
vault with --vault or FINGERPRINT_VAULT chooses between the two; the journal is searched in any case.
"""

from __future__ import annotations

import os

from fingerprint.errors import Refused, VaultCorrupt, VaultDenied, VaultError, VaultMissing
from fingerprint.types import Value
from fingerprint.vault.locations import own_vault, reference_vault
from fingerprint.vault.records import (
    FINGERPRINT_KEY,
    REGISTRATION_KEY,
    decode_fingerprint,
    decode_registration,
    register_command,
)
from fingerprint.vault.state_keys import is_noted
from fingerprint.vault.vault import Vault

# The words of this module, for messages.
_WORDS = {FINGERPRINT_KEY: "fingerprint", REGISTRATION_KEY: "registration"}


class Elsewhere(Value):
    """What is known of a vault's identity at another place.

    Attributes:
        what: what is known and where, in one sentence without a full stop, with both paths.
        remedy: what to do, in sentences without a full stop at the end.
    """

    what: str
    remedy: str


def refuse_second(vault: Vault, key: str) -> None:
    """Raise Refused where a record that a vault lacks is known at another place, or another vault may be meant.

    Args:
        vault: the vault.
        key: what is going to be made.

    Raises:
        Refused: it is known; the text has both paths.
        VaultError: the vault could not be read.
    """
    refuse_ambiguous(vault)
    found = lost(vault, key)
    if found is None and vault.raw(key) is None:
        found = other(vault)
    if found is not None:
        raise _refused(vault, found)


def refuse_ambiguous(vault: Vault) -> None:
    """Raise Refused if the vault is the default one and the user may mean the other one."""
    found = shadowed(vault)
    if found is not None:
        raise _refused(vault, found)


def _refused(vault: Vault, found: Elsewhere) -> Refused:
    return Refused(found.what, where=vault.path, remedy=f"Nothing was written. {found.remedy}")


def shadowed(vault: Vault) -> Elsewhere | None:
    """Return the problem of an own vault beside an empty directory of the agent's; None without that directory."""
    if not vault.shadowed:
        return None
    reference = reference_vault()
    store = os.path.join(reference, "Store")
    directories = f"{store} {reference}" if os.path.isdir(store) else reference
    return Elsewhere(
        f"ambiguous vault: {vault.path} holds this host's registration, and the agent's directory {reference} is empty",
        f"If no agent will use it, remove it: rmdir {directories}. Otherwise name the right vault with "
        f"--vault {vault.path} or --vault {reference}",
    )


def lost(vault: Vault, key: str) -> Elsewhere | None:
    """Return what our journal has of a record that the vault lacks; None if it lacks none or the journal has none.

    A cleared record counts as a record: it was reset or deregistered.

    Raises:
        VaultError: vault or journal could not be read.
    """
    wanted = [one for one in _WORDS if vault.raw(one) is None]
    if key not in wanted:
        return None
    known = [one for one in wanted if _journal_knows(vault, one)]
    if not known:
        return None
    # Imported here: it reads the complete journal, and imports this package.
    from fingerprint.vault.remedies import restore_command, usable_copy

    copies = {one: usable_copy(vault, one) for one in known}
    commands = " then ".join(f"`{restore_command(copy[0], one)}`" for one, copy in copies.items() if copy is not None)
    back = f"Restore what the journal holds: {commands}. " if commands else ""
    anew = (
        "`fingerprint vault reset --yes`, then `fingerprint vault init`"
        if key == FINGERPRINT_KEY
        else f"`{register_command(again=True)}`"
    )
    return Elsewhere(
        f"the vault {vault.path} holds no {_WORDS[key]}, and our journal {vault.history.path} has the "
        f"{' and the '.join(_WORDS[one] for one in known)} that was there",
        f"If its file system is not mounted, mount it. {back}To start over: {anew}",
    )


def other(vault: Vault) -> Elsewhere | None:
    """Return what is known of a registration in the other one of the two default vaults."""
    return vault.files.once("other vault", lambda: _other(vault))


def _other(vault: Vault) -> Elsewhere | None:
    if not vault.by_default:
        return None
    reference, own = reference_vault(), own_vault()
    place = own if vault.path == reference else reference
    there = Vault(place, state=vault.state)
    source = _holds_registration(there)
    if not source:
        return None
    return Elsewhere(
        f"{vault.path} is not registered, and {source}",
        f"If the file system of {place} is not mounted, mount it. Otherwise name the right vault with "
        f"--vault {place} or --vault {vault.path}",
    )


def _holds_registration(vault: Vault) -> str:
    """Return what holds a registration of a vault, in words; "" if nothing does."""
    try:
        data = vault.raw(REGISTRATION_KEY)
        if data is not None:
            registered = decode_registration(data, "").registered
            return f"the vault {vault.path} holds a registration" if registered else ""
        if _journal_knows(vault, REGISTRATION_KEY):
            return f"our journal {vault.history.path} has a registration of {vault.path}"
    except VaultDenied:
        # Another user's. If neither vault is readable, making the own one reports that.
        return ""
    except VaultCorrupt:
        return f"the registration in {vault.path} cannot be read"
    except VaultError as error:
        return f"{vault.path} could not be read ({error.what})"
    return ""


def _journal_knows(vault: Vault, key: str) -> bool:
    """Return whether the last state of a key that the journal knows is a record that was in the vault.

    Raises:
        VaultError: the journal could not be read.
    """
    changes = vault.history.changes()
    mine = [change for change in changes if change.key == key]
    if key == REGISTRATION_KEY and not mine:
        # The agent registered it, and our later entries note its node.
        return bool(changes and changes[-1].node)
    if not mine or (len(mine) == 1 and mine[0].before is None and not is_noted(vault.state, vault.state_key)):
        # A first record that was announced and not written.
        return False
    try:
        if key == REGISTRATION_KEY:
            return decode_registration(mine[-1].after, "").registered
        return bool(decode_fingerprint(mine[-1].after, "").fingerprint)
    except VaultCorrupt:
        return False


def is_empty(path: str) -> bool:
    """Return whether a directory of a vault is there and holds nothing of one: no manifest, and no file in Store."""
    try:
        names = os.listdir(path)
        return set(names) <= {"Store"} and not (names and os.listdir(os.path.join(path, "Store")))
    except OSError:
        return False


def is_registered(path: str) -> bool:
    """Return whether a vault holds a registration, also one that cannot be read."""
    try:
        data = Vault(path).raw(REGISTRATION_KEY)
        return data is not None and decode_registration(data, "").registered
    except (VaultMissing, VaultDenied):
        return False
    except VaultError:
        return True
