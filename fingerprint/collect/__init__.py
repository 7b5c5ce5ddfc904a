"""Collecting a machine's attributes: scheme `ssm`, byte for byte what the reference would store.

One module per family of systems, each with `read(machine, timeout)`; `machine.py` is the seam behind
which a machine is live, a copied disk, or recorded.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.collect.machine import Machine
    from fingerprint.model import Collection

SCHEME = "ssm"
# The reason of an attribute whose bytes are not UTF-8; the reference refuses the whole collection for one.
INVALID_TEXT = "not valid UTF-8"


def collect(machine: Machine | None = None, *, timeout: float | None = None) -> Collection:
    """Read the nine attributes of a machine. It never raises for one source: each tells how reading went.

    Args:
        machine: the machine; None for the one that this process runs on.
        timeout: seconds that one command may take; None for the platform's usual ones.

    Raises:
        CollectError: on Windows the management service (WMI) did not come up, so nothing that its
            tools print would be true.
    """
    from fingerprint.catalogue import sid_key
    from fingerprint.model import Collection

    if machine is None:
        from fingerprint.collect.machine import LiveMachine

        machine = LiveMachine()
    if machine.platform == "windows":
        from fingerprint.collect.windows import read
    else:
        from fingerprint.collect.unix import read
    started = machine.monotonic()
    collected_at = machine.now()
    attributes = read(machine, machine.timeout if timeout is None else timeout)
    return Collection(
        machine.platform, SCHEME, sid_key(machine.platform), attributes, collected_at, machine.monotonic() - started
    )
