"""What the agent writes of its last credentials (identity_config.json), and when it requests new ones."""

from __future__ import annotations

from fingerprint._core import JsonError, loads
from fingerprint._io.times import seconds_of
from fingerprint.types import Value

# What it writes before it got credentials, and where it does not share them: 0001-01-01.
_NO_TIME = "0001-"


class AgentCredentials(Value):
    """What the agent wrote of its last credentials.

    Attributes:
        file, profile: where it put them; file is "" if it did not say.
        retrieved_at, expires_at: RFC 3339, as it wrote them.
        node: whose they are; "" if it did not say.
    """

    file: str
    profile: str
    retrieved_at: str
    expires_at: str
    node: str = ""

    @property
    def retrieved(self) -> float | None:
        """When they were retrieved, seconds since 1970-01-01 UTC; None if that is not told."""
        return _seconds(self.retrieved_at)

    @property
    def expires(self) -> float | None:
        """When they expire, seconds since 1970-01-01 UTC; None if that is not told."""
        return _seconds(self.expires_at)

    @property
    def renewed(self) -> float | None:
        """When half of their life is over: then the agent requests new ones; None if that is not told."""
        retrieved, expires = self.retrieved, self.expires
        return None if retrieved is None or expires is None else retrieved + (expires - retrieved) / 2

    def expired(self, now: float) -> bool | None:
        """Return whether they are of no use any more, None if their end cannot be read.

        Args:
            now: seconds since 1970-01-01 UTC.
        """
        end = _seconds(self.expires_at, never=True)
        return None if end is None else end <= now


def _seconds(text: str, never: bool = False) -> float | None:
    """Return the seconds of a time as Go writes it; None for what is none, and for its zero time unless `never`."""
    return None if text.startswith(_NO_TIME) and not never else seconds_of(text)


def parse_agent_credentials(data: bytes) -> AgentCredentials | None:
    """Return what a file identity_config.json of the agent tells, None if it is none."""
    try:
        told = loads(data)
    except JsonError:
        return None
    if not isinstance(told, dict):
        return None
    names = ("ShareFile", "ShareProfile", "CredentialsRetrievedAt", "CredentialsExpiresAt", "InstanceId")
    file, profile, retrieved, expires, node = (str(told.get(name) or "") for name in names)
    return AgentCredentials(file, profile or "default", retrieved, expires, node)
