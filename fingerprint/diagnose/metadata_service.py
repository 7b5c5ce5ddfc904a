"""The metadata services of clouds, asked as the agent asks them: on the link itself, never through a proxy."""

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
    """Return the URL of a provider's metadata service, "" if the mode for EC2's is none that AWS SDKs take.

    As in AWS SDKs a named endpoint wins over the mode, whose value is IPv4 or IPv6 in any case, and IPv4 without one.

    Args:
        provider: such as "EC2".
        variable: returns the value of a variable of the environment.

    Returns:
        A URL, which may hold a password: `hidden` before it is told.
    """
    if provider != EC2:
        return f"http://{METADATA_HOST}"
    return (variable(ENDPOINT) or _EC2_BY_MODE.get((variable(MODE) or "ipv4").lower(), "")).rstrip("/")


def ask_ec2(network: Network, base: str, path: str) -> tuple[Reached, Reached, bool]:
    """Ask EC2's for something, with a token if it gives one.

    Args:
        network: how to ask.
        base: as `base_of` returns it.
        path: such as "/latest/meta-data/instance-id".

    Returns:
        The answer, that to the request for a token, and whether that was a token (version 2).

    Raises:
        Unreached: there is none.
    """
    asking = {"X-aws-ec2-metadata-token-ttl-seconds": _TOKEN_SECONDS, "Content-Length": "0"}
    token = network.ask(f"{base}{TOKEN_PATH}", "PUT", asking, direct=True)
    text = token.body.decode("ascii", "replace").strip()
    # Whatever else answers with a page of its own gives no token.
    first = token.status == 200 and text != "" and text.isascii() and text.isprintable() and " " not in text
    headers = {"X-aws-ec2-metadata-token": text} if first else {}
    return network.ask(f"{base}{path}", "GET", headers, direct=True), token, first


def wrong_mode(variable: Callable[[str], str | None] = os.environ.get) -> str:
    """Return what is wrong with the mode for EC2's, for which `base_of` returns nothing."""
    return f"{MODE} is {quoted(hidden(variable(MODE) or ''))}: it must be IPv4 or IPv6, and AWS SDKs take nothing else"


def wrong_setting(provider: str, variable: Callable[[str], str | None] = os.environ.get) -> str:
    """Return the variable by which a provider's metadata service has no URL that can be asked, "" for none."""
    base = base_of(provider, variable)
    parts = url_parts(base)
    if parts is not None and parts.scheme in ("http", "https"):
        return ""
    return ENDPOINT if base else MODE


def tells_machine(provider: str, answer: Reached) -> bool:
    """Return whether an answer tells the machine, and is none of whatever else answers there, such as a login page."""
    if answer.status != 200:
        return False
    if provider == EC2:
        return bool(_INSTANCE.fullmatch(answer.body.strip()))
    try:
        return isinstance(loads(answer.body), dict)
    except JsonError:
        # Data of a user make it longer than what is read of it.
        return len(answer.body) >= READ_LIMIT and answer.body.lstrip().startswith(b"{")


def why_untold(answer: Reached) -> str:
    """Return why an answer does not tell the machine."""
    return f"HTTP {answer.status}" if answer.status != 200 else "something else answers in its place"


def why_silent(network: Network, provider: str, variable: Callable[[str], str | None] = os.environ.get) -> str:
    """Return why a provider's metadata service does not answer, as the agent needs it to; "" if it does."""
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
    if not tells_machine(provider, answer):
        return f"the metadata service at {hidden(base)} does not identify the machine ({why_untold(answer)})"
    return ""
