"""Collect a machine's attributes by scheme `ssm`, byte for byte as the reference stores them, or by scheme `stable`.

One module per family of systems and one for scheme `stable`, each with `read(machine, timeout)`;
`fingerprint.machine` is the interface to a live machine, a copied disk, or a recording.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine
    from fingerprint.types import Attribute, Collection

SCHEME = "ssm"
STABLE = "stable"


def collect(machine: Machine | None = None, *, scheme: str = SCHEME, timeout: float | None = None) -> Collection:
    """Read the attributes of a machine. A source that fails never raises: its attribute has the status and the reason.

    Args:
        machine: the machine; None for this host.
        scheme: "ssm" for the nine of the reference, "stable" for those of `fingerprint.attributes.stable`.
        timeout: seconds for each command; None for the platform's usual ones.

    Raises:
        ValueError: there is no such scheme.
        CollectError: on Windows, by scheme `ssm`, the management service (WMI) did not start, so that the output of
            its tools would be wrong.
    """
    from fingerprint.attributes.ssm import sid_key
    from fingerprint.types import Collection

    if machine is None:
        from fingerprint.machine.live import LiveMachine

        machine = LiveMachine()
    if scheme == STABLE:
        from fingerprint.collectors.stable import read
    elif scheme != SCHEME:
        raise ValueError(f"no such scheme: {scheme!r}")
    elif machine.platform == "windows":
        return _on_windows(machine, timeout)
    else:
        from fingerprint.collectors.ssm_unix import read
    started = machine.monotonic()
    collected_at = machine.now()
    attributes = read(machine, machine.timeout if timeout is None else timeout)
    return Collection(
        machine.platform, scheme, "machine-id" if scheme == STABLE else sid_key(machine.platform), attributes,
        collected_at, machine.monotonic() - started, _remedy(machine, attributes),
    )  # fmt: skip


def _on_windows(machine: Machine, timeout: float | None) -> Collection:
    """Return the attributes of scheme `ssm` with the recipe that the installed agent takes."""
    from fingerprint.attributes.ssm import sid_key
    from fingerprint.collectors.ssm_windows import read
    from fingerprint.types import Collection

    started, collected_at = machine.monotonic(), machine.now()
    attributes, choice = read(machine, machine.timeout if timeout is None else timeout)
    return Collection(
        machine.platform, SCHEME, sid_key(machine.platform), attributes, collected_at, machine.monotonic() - started,
        _remedy(machine, attributes), choice.recipe, choice.doubt, choice.remedy,
    )  # fmt: skip


def _remedy(machine: Machine, attributes: tuple[Attribute, ...]) -> str:
    from fingerprint.types import Fault

    return machine.reader().remedy(machine.platform) if any(a.fault == Fault.RIGHTS for a in attributes) else ""
