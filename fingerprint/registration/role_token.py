"""Role credentials from the service. Does not import botocore, so that reading cached ones stays fast."""

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
