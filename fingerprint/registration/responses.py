"""Check the alphabet and length of each member of an answer from the service before it is used.

The values go into the vault, into credentials files, and to SDKs. A forged answer, for example from a proxy, must not
add a line there.
"""

from __future__ import annotations

from fingerprint.registration.role_token import RoleCredentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_HEX = "0123456789abcdef"
_WORD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
# Base64 in both its alphabets.
_BASE64 = f"{_WORD}+/=-"
_NODE = "mi-"
_NODE_LENGTH = 20
# Name -> alphabet, least and greatest length. AccessKeyId has the limits of IAM; for the others AWS documents none.
_STRINGS = {
    "AccessKeyId": (_WORD, 16, 128),
    "SecretAccessKey": (_BASE64, 16, 256),
    "SessionToken": (_BASE64, 16, 16 * 1024),
}
# STS credentials last at most 36 hours; the rest allows for a wrong clock.
_LONGEST_SECONDS = 7 * 86400.0
_CODE_LENGTH = 128
_MESSAGE_LENGTH = 300


class Unusable(ValueError):
    """A member is missing or invalid; the message names it and never has its value."""


def node_id(answer: Mapping[str, Any]) -> str:
    """Return the InstanceId of an answer to RegisterManagedInstance. Raises Unusable."""
    value = answer.get("InstanceId")
    if not isinstance(value, str) or not is_node_id(value):
        raise Unusable("InstanceId is missing or not a node ID (mi- and 17 hexadecimal digits)")
    return value


def is_node_id(text: str) -> bool:
    """Return whether a string is the ID of a managed node."""
    return len(text) == _NODE_LENGTH and text.startswith(_NODE) and _consists(text[len(_NODE) :], _HEX)


def role_credentials(answer: Mapping[str, Any], now: float) -> RoleCredentials:
    """Return the credentials of an answer to RequestManagedInstanceRoleToken.

    Args:
        answer: its members, as JSON has them.
        now: seconds since 1970-01-01 UTC.

    Raises:
        Unusable: a member is missing or invalid.
    """
    for name, (alphabet, least, most) in _STRINGS.items():
        value = answer.get(name)
        if not isinstance(value, str):
            raise Unusable(f"{name} is missing or not a string")
        if not least <= len(value) <= most:
            raise Unusable(f"the length of {name} is {len(value)}: must be {least} to {most}")
        if not _consists(value, alphabet):
            raise Unusable(f"{name} has invalid characters")
    access, secret, token = (answer[name] for name in _STRINGS)
    asks = answer.get("UpdateKeyPair")
    if asks is not None and not isinstance(asks, bool):
        raise Unusable("UpdateKeyPair is neither true nor false")
    return RoleCredentials(access, secret, token, _expiration(answer.get("TokenExpirationDate"), now), bool(asks))


def _consists(text: str, alphabet: str) -> bool:
    return all(character in alphabet for character in text)


def _expiration(value: object, now: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unusable("TokenExpirationDate is missing or not a number of seconds")
    # NaN fails as well.
    if not now < value <= now + _LONGEST_SECONDS:
        raise Unusable("TokenExpirationDate is in the past by the clock of this host, or more than 7 days ahead")
    return float(value)


def refusal(code: object, message: object) -> tuple[str, str]:
    """Return the code of an error, "" if invalid, and its message as one line of at most 300 characters."""
    name = str(code or "").rpartition("#")[2].partition(":")[0]
    if len(name) > _CODE_LENGTH or not _consists(name, f"{_WORD}."):
        name = ""
    return name, " ".join(str(message or "").split())[:_MESSAGE_LENGTH]
