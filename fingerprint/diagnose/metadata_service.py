"""The metadata services of clouds, asked as the agent asks them: on the link itself, never through a proxy."""

from __future__ import annotations

import os

from fingerprint.agent.providers import EC2, METADATA_HOST, PROVIDERS
from fingerprint.diagnose.network import Unreached
from fingerprint.quoting import hidden

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.network import Network, Reached

_TOKEN_SECONDS = "60"
_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"


def base_of(provider: str) -> str:
    """Return the URL of a provider's metadata service. It may hold a password: `hidden` before it is told."""
    named = os.environ.get(_VARIABLE, "") if provider == EC2 else ""
    return (named or f"http://{METADATA_HOST}").rstrip("/")


def ask_ec2(network: Network, path: str) -> tuple[Reached, Reached, bool]:
    """Ask EC2's for something, with a token if it gives one.

    Args:
        network: how to ask.
        path: such as "/latest/meta-data/instance-id".

    Returns:
        The answer, that to the request for a token, and whether that was a token (version 2).

    Raises:
        Unreached: there is none.
    """
    base = base_of(EC2)
    asking = {"X-aws-ec2-metadata-token-ttl-seconds": _TOKEN_SECONDS, "Content-Length": "0"}
    token = network.ask(f"{base}/latest/api/token", "PUT", asking, direct=True)
    text = token.body.decode("ascii", "replace").strip()
    # Whatever else answers with a page of its own gives no token.
    first = token.status == 200 and text != "" and text.isascii() and text.isprintable() and " " not in text
    headers = {"X-aws-ec2-metadata-token": text} if first else {}
    return network.ask(f"{base}{path}", "GET", headers, direct=True), token, first


def why_silent(network: Network, provider: str) -> str:
    """Return why a provider's metadata service does not answer, as the agent needs it to; "" if it does."""
    one, base = PROVIDERS[provider], base_of(provider)
    try:
        if provider == EC2:
            answer, _, _ = ask_ec2(network, one.path)
        else:
            answer = network.ask(f"{base}{one.path}", "GET", dict(one.headers), direct=True)
    except Unreached as error:
        return f"no metadata service at {hidden(base)}: {error.text}"
    if answer.status != 200:
        return f"the metadata service at {hidden(base)} does not tell the machine (HTTP {answer.status})"
    return ""
