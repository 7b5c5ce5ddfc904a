"""The AWS account of a node: from the role that the service names in an error, or from an access key id.

An access key id is a prefix of four letters and 80 bits in base32. In current keys the first bit is set and the next
40 are the account; in older keys the first bit is clear and no account follows. AWS does not document that; `sts
get-access-key-info` prints the same account for a key. Sources:
awsteele.com/blog/2020/09/26/aws-access-key-format.html and Tal Be'ery, "A short note on AWS KEY ID".
"""

from __future__ import annotations

import re
from base64 import b32decode
from binascii import Error

from fingerprint.types import Value

_KEY = re.compile(r"(?:ASIA|AKIA)[A-Z2-7]{16}")
_ACCOUNT_BITS, _BEHIND = 40, 39
_ACCOUNTS = 10**12
_ACCOUNT = re.compile(r"[0-9]{12}")
_ROLE = re.compile(r"arn:aws[a-z-]{0,20}:sts::(\d{12}):assumed-role/([\w+=,.@-]{1,64})/(mi-[0-9a-f]{17})(?![0-9a-f])")
ARN = "arn:aws"


class Role(Value):
    """The role of a node, as an error of the service names it.

    Attributes:
        account: 12 digits.
        name: of the role.
        node: the managed node.
    """

    account: str
    name: str
    node: str


def is_account(text: str) -> bool:
    """Return whether a string is an account id."""
    return bool(_ACCOUNT.fullmatch(text))


def role_in(text: str) -> Role | None:
    """Return the last role of a node whose ARN is in a string; None without one."""
    found = [*_ROLE.finditer(text)]
    return Role(*found[-1].groups()) if found else None


def account_of_key(access_key_id: str) -> str:
    """Return the account of an access key, 12 digits; "" if its id does not hold one."""
    if not _KEY.fullmatch(access_key_id):
        return ""
    try:
        bits = int.from_bytes(b32decode(access_key_id[4:]), "big")
    except Error:
        return ""
    account = bits >> _BEHIND & ((1 << _ACCOUNT_BITS) - 1)
    # Only ids with the first bit set hold an account.
    return f"{account:012d}" if bits >> (_ACCOUNT_BITS + _BEHIND) and account < _ACCOUNTS else ""
