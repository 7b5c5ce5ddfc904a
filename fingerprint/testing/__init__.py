"""What others need to test with this package: a local service, recorded machines, pytest fixtures.

The fixtures are in `fingerprint.testing.fixtures`; name it in `pytest_plugins`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.service.local import Activation as Activation
    from fingerprint.service.local import LocalService as LocalService
    from fingerprint.testing.machines import unix_machine as unix_machine
    from fingerprint.testing.machines import unix_snapshot as unix_snapshot

# The service needs the extra `aws`; machines do without.
_HOMES = {
    "Activation": "fingerprint.service.local",
    "LocalService": "fingerprint.service.local",
    "unix_machine": "fingerprint.testing.machines",
    "unix_snapshot": "fingerprint.testing.machines",
}

__all__ = ["Activation", "LocalService", "unix_machine", "unix_snapshot"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fingerprint.testing' has no attribute {name!r}")
    return getattr(__import__(home, fromlist=[name]), name)
