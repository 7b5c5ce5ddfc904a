"""What others need to test with this package: a local service, recorded machines, pytest fixtures.

The fixtures are in `fingerprint.testing.pytest_plugin`; name it in `pytest_plugins`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.testing.local_service import Activation as Activation
    from fingerprint.testing.local_service import LocalService as LocalService
    from fingerprint.testing.machines import unix_machine as unix_machine
    from fingerprint.testing.machines import unix_snapshot as unix_snapshot

# The service needs the extra `aws`; machines do without.
_HOMES = {
    "Activation": "fingerprint.testing.local_service",
    "LocalService": "fingerprint.testing.local_service",
    "unix_machine": "fingerprint.testing.machines",
    "unix_snapshot": "fingerprint.testing.machines",
}

__all__ = ["Activation", "LocalService", "unix_machine", "unix_snapshot"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fingerprint.testing' has no attribute {name!r}")
    return getattr(__import__(home, fromlist=[name]), name)
