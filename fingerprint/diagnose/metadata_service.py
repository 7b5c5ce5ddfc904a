"""Requests to the metadata services of clouds as the agent sends them: directly, never through a proxy."""

from __future__ import annotations

import os
import re

from fingerprint._core import JsonError, loads
from fingerprint._io.text import hidden, quoted
from fingerprint.agent.providers import METADATA_HOST, PROVIDERS, TOKEN_PATH
from fingerprint.agent.proxies import url_parts
from fingerprint.diagnose.http_probe import Unreached
from fingerprint.diagnose.network import READ_LIMIT
from fingerprint.vault.records import EC2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.diagnose.network import Network, Reached

ENDPOINT = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
MODE = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"
EC2_BY_IPV6 = "http://[fd00:ec2::254]"
_EC2_BY_MODE = {"ipv4": f"http://{METADATA_HOST}", "ipv6": EC2_BY_IPV6}
_TOKEN_SECONDS = "60"
_INSTANCE = re.compile(rb"i-[0-9a-f]{8,17}")


def base_of(provider: str, variable: Callable[[str], str | None] = os.environ.get) -> str:
    """Return the URL of a provider's metadata service, "" for a mode of EC2's that AWS SDKs reject.

    As in AWS SDKs the endpoint has priority over the mode, which is IPv4 (the default) or IPv6 in any case.

    Args:
        provider: such as "EC2".
        variable: returns the value of an environment variable.

    Returns:
        A URL, which may hold a password: pass it through `hidden` before you show it.
    """
    if provider != EC2:
        return f"http://{METADATA_HOST}"
    return (variable(ENDPOINT) or _EC2_BY_MODE.get((variable(MODE) or "ipv4").lower(), "")).rstrip("/")


def ask_ec2(network: Network, base: str, path: str) -> tuple[Reached, Reached, bool]:
    """Send a GET to EC2's metadata service, with a token if it issues one.

    Args:
        network: how to send requests.
        base: as `base_of` returns it.
        path: such as "/latest/meta-data/instance-id".

    Returns:
        The answer, the answer to the request for a token, and whether that was a token (version 2).

    Raises:
        Unreached: no answer came.
    """
    asking = {"X-aws-ec2-metadata-token-ttl-seconds": _TOKEN_SECONDS, "Content-Length": "0"}
    token = network.ask(f"{base}{TOKEN_PATH}", "PUT", asking, direct=True)
    text = token.body.decode("ascii", "replace").strip()
    # A login page of something else is not a token.
    first = token.status == 200 and text != "" and text.isascii() and text.isprintable() and " " not in text
    headers = {"X-aws-ec2-metadata-token": text} if first else {}
    return network.ask(f"{base}{path}", "GET", headers, direct=True), token, first


def wrong_mode(variable: Callable[[str], str | None] = os.environ.get) -> str:
    """Return why the mode of EC2's, for which `base_of` returns "", is invalid."""
    return f"{MODE} is {quoted(hidden(variable(MODE) or ''))}: it must be IPv4 or IPv6"


def wrong_setting(provider: str, variable: Callable[[str], str | None] = os.environ.get) -> str:
    """Return the variable that makes the URL of a provider's metadata service invalid, "" for none."""
    base = base_of(provider, variable)
    parts = url_parts(base)
    if parts is not None and parts.scheme in ("http", "https"):
        return ""
    return ENDPOINT if base else MODE


def identifies_machine(provider: str, answer: Reached) -> bool:
    """Return whether an answer identifies the machine; that of something else, such as a login page, does not."""
    if answer.status != 200:
        return False
    if provider == EC2:
        return bool(_INSTANCE.fullmatch(answer.body.strip()))
    try:
        return isinstance(loads(answer.body), dict)
    except JsonError:
        # User data can make it longer than READ_LIMIT.
        return len(answer.body) >= READ_LIMIT and answer.body.lstrip().startswith(b"{")


def why_unidentified(answer: Reached) -> str:
    """Return why an answer does not identify the machine."""
    return f"HTTP {answer.status}" if answer.status != 200 else "something else answers in its place"


def why_silent(network: Network, provider: str, variable: Callable[[str], str | None] = os.environ.get) -> str:
    """Return why a provider's metadata service does not answer as the agent requires; "" if it does."""
    one, base = PROVIDERS[provider], base_of(provider, variable)
    if not base:
        return wrong_mode(variable)
    try:
        if provider == EC2:
            answer, _, _ = ask_ec2(network, base, one.path)
        else:
            answer = network.ask(f"{base}{one.path}", "GET", dict(one.headers), direct=True)
    except Unreached as error:
        return f"no metadata service at {hidden(base)}: {error.text}"
    if not identifies_machine(provider, answer):
        return f"the metadata service at {hidden(base)} does not identify the machine ({why_unidentified(answer)})"
    return ""
