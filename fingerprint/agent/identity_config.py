"""The agent's record of its last credentials (identity_config.json), and when it requests new ones."""

from __future__ import annotations

from fingerprint._core import JsonError, loads
from fingerprint._io.times import seconds_of
from fingerprint.types import Value

# The agent writes 0001-01-01 before it has credentials, and if it does not share them.
_NO_TIME = "0001-"


class AgentCredentials(Value):
    """The agent's record of its last credentials.

    Attributes:
        file, profile: of the shared credentials; file is "" if it is not named.
        retrieved_at, expires_at: RFC 3339, as written.
        node: the managed node that they belong to; "" if it is not named.
    """

    file: str
    profile: str
    retrieved_at: str
    expires_at: str
    node: str = ""

    @property
    def retrieved(self) -> float | None:
        """When they were retrieved, seconds since 1970-01-01 UTC; None if unknown."""
        return _seconds(self.retrieved_at)

    @property
    def expires(self) -> float | None:
        """When they expire, seconds since 1970-01-01 UTC; None if unknown."""
        return _seconds(self.expires_at)

    @property
    def renewed(self) -> float | None:
        """When the agent renews them, at half of their life, seconds since 1970-01-01 UTC; None if unknown."""
        retrieved, expires = self.retrieved, self.expires
        return None if retrieved is None or expires is None else retrieved + (expires - retrieved) / 2

    def expired(self, now: float) -> bool | None:
        """Return whether they have expired; None if the time cannot be read.

        Args:
            now: seconds since 1970-01-01 UTC.
        """
        end = _seconds(self.expires_at, never=True)
        return None if end is None else end <= now


def _seconds(text: str, never: bool = False) -> float | None:
    """Return the seconds of a time in Go's form; None if it is invalid, or Go's zero time unless `never`."""
    return None if text.startswith(_NO_TIME) and not never else seconds_of(text)


def parse_agent_credentials(data: bytes) -> AgentCredentials | None:
    """Return the credentials that a file identity_config.json records; None if it is not a JSON object."""
    try:
        members = loads(data)
    except JsonError:
        return None
    if not isinstance(members, dict):
        return None
    names = ("ShareFile", "ShareProfile", "CredentialsRetrievedAt", "CredentialsExpiresAt", "InstanceId")
    file, profile, retrieved, expires, node = (str(members.get(name) or "") for name in names)
    return AgentCredentials(file, profile or "default", retrieved, expires, node)
