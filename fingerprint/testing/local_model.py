"""Members of requests to the local service, and what the real service's model lets them be.

Source: the shapes SourceId, SourceType and SourceLocation of the public model of SSM (botocore, 2014-11-06). Provider
is in no public model: it is taken as agents send it.
"""

from __future__ import annotations

import re

from fingerprint.agent.providers import PROVIDERS
from fingerprint.testing.local_http import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ENUMS = {
    "Provider": tuple(PROVIDERS),
    "SourceType": (
        "AWS::EC2::Instance", "AWS::IoT::Thing", "AWS::SSM::ManagedInstance", "Microsoft.Compute/virtualMachines",
        "compute.googleapis.com/Instance",
    ),
}  # fmt: skip
# Length and alphabet.
_PATTERNS = {"SourceId": re.compile(r"[a-zA-Z0-9:_-]{0,128}"), "SourceLocation": re.compile(r".{1,128}")}


def text_of(body: dict[str, Any], name: str, least: int = 1) -> str:
    """Return a member that has to be there, of so many characters at least. Raises Refusal."""
    value = body.get(name)
    if not isinstance(value, str) or len(value) < least:
        raise Refusal("ValidationException", f"{name} is missing, or has less than {least} characters")
    if any(0xD800 <= ord(char) <= 0xDFFF for char in value):
        raise Refusal("ValidationException", f"{name} is not valid Unicode")
    return value


def optional_member(body: dict[str, Any], name: str) -> str | None:
    """Return Provider, SourceId, SourceType or SourceLocation, None where it is not there.

    Raises:
        Refusal: it is not what the model lets it be.
    """
    if body.get(name) is None:
        return None
    value = text_of(body, name, 0)
    if name in _ENUMS and value not in _ENUMS[name]:
        raise _refusal(name, f"Member must satisfy enum value set: [{', '.join(_ENUMS[name])}]")
    if name in _PATTERNS and not _PATTERNS[name].fullmatch(value):
        raise _refusal(name, f"Member must satisfy regular expression pattern: ^{_PATTERNS[name].pattern}$")
    return value


def _refusal(name: str, what: str) -> Refusal:
    member = name[0].lower() + name[1:]
    return Refusal(
        "ValidationException", f"1 validation error detected: Value at '{member}' failed to satisfy constraint: {what}"
    )
