"""Role credentials, as the service gives them. Free of botocore, so that a cached one costs nothing to read."""

from __future__ import annotations

from fingerprint.types import Value


class RoleCredentials(Value):
    """Credentials of the node's role.

    Attributes:
        access_key_id, secret_access_key, session_token: as AWS SDKs take them; the last two are secret.
        expires_at: seconds since 1970-01-01 UTC.
        update_key_pair: whether the service asks for another key pair.
    """

    _hidden = ("secret_access_key", "session_token")
    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: float
    update_key_pair: bool = False
