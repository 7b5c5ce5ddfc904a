"""Role credentials for AWS SDKs: a cache, `credential_process`, boto3, the shared credentials file."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.credentials.boto3_session import session as session
    from fingerprint.credentials.cache import CredentialCache as CredentialCache

_HOMES = {"CredentialCache": "fingerprint.credentials.cache", "session": "fingerprint.credentials.boto3_session"}

__all__ = ["CredentialCache", "session"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fingerprint.credentials' has no attribute {name!r}")
    module = __import__(home, fromlist=[name])
    return getattr(module, name)
