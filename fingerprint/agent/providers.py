"""Providers: the clouds whose metadata service an agent queries for the location in its health reports.

Agents from 3.3.4793 on register with one (`amazon-ssm-agent -register -provider Azure`). Its name goes to the service
and into the registration record. Before each health report such an agent queries the provider's metadata service, and
without an answer it sends no report: the service then shows the node as offline.
"""

from __future__ import annotations

from fingerprint.agent.versions import assess, row_since
from fingerprint.collectors.recipes import version_of
from fingerprint.errors import UsageError
from fingerprint.types import Value
from fingerprint.vault.records import AZURE, EC2


class Provider(Value):
    """A provider.

    Attributes:
        name: as the agent and the service spell it.
        path: what the agent requests from its metadata service.
        headers: of that request.
    """

    name: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()


# EC2's also requires a token.
PROVIDERS = {
    EC2: Provider(EC2, "/latest/meta-data/instance-id"),
    AZURE: Provider(AZURE, "/metadata/instance?api-version=2025-04-07&format=json", (("Metadata", "true"),)),
}
METADATA_HOST = "169.254.169.254"
# EC2's path of the token.
TOKEN_PATH = "/latest/api/token"


def provider_named(text: str) -> str:
    """Return the name of a provider as the agent spells it, from any spelling.

    Raises:
        UsageError: there is no such provider.
    """
    for name in PROVIDERS:
        if name.casefold() == text.casefold():
            return name
    raise UsageError(f"no such provider: {text!r}", remedy=f"Name one of {', '.join(map(str.lower, PROVIDERS))}")


def reads_provider(version: str) -> bool | None:
    """Return whether an agent of a version reads the member `provider`; None if that is not known.

    Args:
        version: such as "3.3.4793.0"; "" if it is not known.
    """
    return assess(version).row.record_provider if version_of(version) else None


def member_for(asked: str, version: str, present: str | None) -> str | None:
    """Return the member `provider` of a new registration record; None for a record without it.

    Args:
        asked: the provider to register with; "" for none.
        version: of the installed agent, "" if it is not known.
        present: the member of the record that is replaced, None without one.
    """
    if asked:
        return asked
    reads = reads_provider(version)
    has_one = present is not None if reads is None else reads
    return "" if has_one else None


def too_old(version: str) -> str:
    """Return a warning that the installed agent does not know providers, without a full stop; "" if it does."""
    if reads_provider(version) is not False:
        return ""
    since = row_since("record_provider", True)
    return (
        f"the installed agent {version} does not know providers: it does not report to the service where its machine "
        f"is, and drops the provider from the record when it changes its key. Update it to {since} or later"
    )
