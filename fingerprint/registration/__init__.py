"""Register this host with the service and get role credentials: client, keys, signatures, registration.

Needs the extra `aws` (botocore, httpcore and cryptography).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.registration.client import ServiceClient as ServiceClient
    from fingerprint.registration.flow import Registration as Registration
    from fingerprint.registration.role_token import RoleCredentials as RoleCredentials

_HOMES = {
    "Registration": "fingerprint.registration.flow",
    "RoleCredentials": "fingerprint.registration.role_token",
    "ServiceClient": "fingerprint.registration.client",
}

__all__ = ["Registration", "RoleCredentials", "ServiceClient"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fingerprint.registration' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
