"""List the records of Store in the manifests again, so that the agent finds them."""

from __future__ import annotations

from fingerprint.errors import Refused, VaultMissing
from fingerprint.types import Value
from fingerprint.vault.files import Directory
from fingerprint.vault.integrity import MANIFEST_KEYS, STORE, manifest_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.vault.integrity import ManifestState
    from fingerprint.vault.vault import Vault


class RepairPlan(Value):
    """What a repair would write.

    Attributes:
        writes: name and state of each manifest that is written again.
        left: name and state of each that a repair does not help.
        unknown: the files in Store that no manifest lists and that are no records; they stay unlisted.
    """

    writes: tuple[tuple[str, ManifestState], ...]
    left: tuple[tuple[str, ManifestState], ...]
    unknown: tuple[str, ...]


def plan_repair(vault: Vault) -> RepairPlan:
    """Return what a repair of a vault would write; nothing is written.

    Raises:
        VaultMissing: there is no vault.
        VaultDenied, VaultUnreadable, VaultUnsafe, VaultCorrupt: as `manifest_state`.
    """
    with Directory.open(vault.path) as directory:
        try:
            with Directory.open(STORE, directory) as store:
                names = store.names()
        except VaultMissing:
            names = []
    states = [(name, manifest_state(vault, name)) for name in MANIFEST_KEYS]
    wrong = [(name, state) for name, state in states if not state.sound]
    known = {key for keys in MANIFEST_KEYS.values() for key in keys}
    known |= {key for _, state in states for key, path in state.listed if path}
    return RepairPlan(
        tuple(one for one in wrong if one[1].repaired is not None),
        tuple(one for one in wrong if one[1].repaired is None),
        tuple(name for name in names if name not in known and not name.endswith(".tmp")),
    )


def repair(vault: Vault, plan: RepairPlan) -> None:
    """Write what was planned; the old manifests stay in the history.

    Raises:
        Refused: the vault changed since the plan.
        VaultError: the vault could not be read or written.
    """
    if not plan.writes:
        return
    with vault.edit() as edit:
        if plan_repair(vault) != plan:
            raise Refused("the vault changed since the plan", where=vault.path, remedy="Nothing was written. Retry")
        for name, state in plan.writes:
            edit.write_manifest(name, dict(state.repaired or ()), why=f"vault repair ({state.kind})")
