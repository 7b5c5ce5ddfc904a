"""The service that registers machines and gives them role credentials: keys, signatures, client, registration.

Needs the extra `aws` (botocore, httpcore and cryptography).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.service.client import ServiceClient as ServiceClient
    from fingerprint.service.registration import Registration as Registration
    from fingerprint.service.tokens import RoleCredentials as RoleCredentials

_HOMES = {
    "Registration": "fingerprint.service.registration",
    "RoleCredentials": "fingerprint.service.tokens",
    "ServiceClient": "fingerprint.service.client",
}

__all__ = ["Registration", "RoleCredentials", "ServiceClient"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fingerprint.service' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
