"""Which account a node is in: by the role that the service names in an error, or by the id of an access key.

An access key id is a prefix of four letters and 80 bits in base32. In keys of today the first bit is set, and the next
40 are the account; older ones have the first bit clear and no account. AWS does not document that; `sts
get-access-key-info` tells the same of a key. Source: awsteele.com/blog/2020/09/26/aws-access-key-format.html and Tal
Be'ery, "A short note on AWS KEY ID".
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
    """A role that a node had, by an error of the service.

    Attributes:
        account: 12 digits.
        name: of the role.
        node: the managed node that had it.
    """

    account: str
    name: str
    node: str


def is_account(text: str) -> bool:
    """Return whether a text is the id of an account."""
    return bool(_ACCOUNT.fullmatch(text))


def role_in(text: str) -> Role | None:
    """Return the role of a node that a text names by its ARN, the last one; None without one."""
    found = [*_ROLE.finditer(text)]
    return Role(*found[-1].groups()) if found else None


def account_of_key(access_key_id: str) -> str:
    """Return the account that an access key belongs to, "" where its id does not tell."""
    if not _KEY.fullmatch(access_key_id):
        return ""
    try:
        bits = int.from_bytes(b32decode(access_key_id[4:]), "big")
    except Error:
        return ""
    account = bits >> _BEHIND & ((1 << _ACCOUNT_BITS) - 1)
    # The first bit is set in those that hold one.
    return f"{account:012d}" if bits >> (_ACCOUNT_BITS + _BEHIND) and account < _ACCOUNTS else ""
