"""The machine and the vault that a command line means."""

from __future__ import annotations

from fingerprint.collect.machine import LiveMachine
from fingerprint.vault import Vault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parse import Arguments
    from fingerprint.collect.machine import Machine


def machine_of(arguments: Arguments) -> Machine:
    """Return this machine, a copied disk, or a recorded machine."""
    if arguments.snapshot is None:
        return LiveMachine(root=arguments.root)
    from fingerprint.collect.recorded import RecordedMachine

    return RecordedMachine.load(arguments.snapshot)


def vault_of(arguments: Arguments) -> Vault:
    """Return the vault that --vault, the environment, --root or this machine's state name."""
    return Vault.open(arguments.vault, root=arguments.root)
