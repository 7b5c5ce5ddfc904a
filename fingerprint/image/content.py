"""Search a text for what machines of one image must not share: hybrid activations, AWS keys, paths of private keys.

The values are never kept or printed. A value that a shell or a template fills in ("$CODE", "<code>") is none.
"""

from __future__ import annotations

import re
import zlib

from fingerprint.agent.paths import PACKAGE

ACTIVATION, KEYS = "activation", "aws-keys"
_GZIP, _LIMIT = b"\x1f\x8b", 8 * 1024 * 1024
_DATABASE = b"SQLite format 3\0"
_BYTE_ORDERS = (b"\xff\xfe", b"\xfe\xff")
# What text does not have, but for escape sequences and ends of pages.
_CONTROLS = re.compile(rb"[\x01-\x07\x0e-\x1a\x1c-\x1f\x7f]")
_HOLES = re.compile(rb"\0{2,}")
_CONTINUED = re.compile(r"[\\`][ \t]*\r?\n[ \t]*")
_OPEN = r"[\"']?"
# One line, or the next one for a value of YAML or JSON that stands below its name.
_SET = rf"[\"']?[ \t]*(?:[:=]|=>)[ \t]*{_OPEN}"
_VALUE = r"(?P<value>[A-Za-z0-9+/=_-]{2,})(?![\w.${(\[<])"
_PROGRAMS = rf"(?:{PACKAGE}|ssm-setup-cli|ecs-anywhere)"
_ACTIVATIONS = (
    # activationCode: X, "ActivationId": "X", SSM_ACTIVATION_CODE=X, activation_code = "X"
    re.compile(rf"activation[-_ ]?(?:code|id){_SET}{_VALUE}", re.IGNORECASE),
    # --activation-code X, -activation-id=X
    re.compile(rf"-activation[-_]?(?:code|id)(?:[ \t]+|=){_OPEN}{_VALUE}", re.IGNORECASE),
    # amazon-ssm-agent -register -code X -id Y
    re.compile(rf"{_PROGRAMS}[^\n]{{0,200}}?[ \t]-{{1,2}}code(?:[ \t]+|=){_OPEN}{_VALUE}", re.IGNORECASE),
    re.compile(rf"-register\b[^\n]{{0,200}}?[ \t]-{{1,2}}code(?:[ \t]+|=){_OPEN}{_VALUE}", re.IGNORECASE),
)
# Names of variables and types, not activations: `activation_code: str`, `activation_code=code`.
_NO_VALUES = re.compile(
    r"(?:activation|code|str|string|none|null|var|local|self|args|your|required|optional|true|false|id)", re.IGNORECASE
)
_SECRET = re.compile(
    r"(?:secret[-_]?access[-_]?key|aws[-_]?secret[-_]?key|aws[-_]session[-_]token)"
    rf"(?:[\"']?[ \t]*(?:[:=]|=>)[ \t]*|[ \t]+)[\"']?{_VALUE}",
    re.IGNORECASE,
)
# s3cmd's key, and a line of s3fs: the key's ID and the key.
_OTHER_KEYS = re.compile(
    r"^secret_key[ \t]*=[ \t]*[A-Za-z0-9/+=]{30}|\b(?:AKIA|ASIA)[A-Z0-9]{16}:[A-Za-z0-9/+=]{30}", re.MULTILINE
)
# In a file that is one of credentials anyway, and in which all SDKs find the key by its name.
_PROFILE_KEY = re.compile(
    r"^[ \t]*(?:aws_access_key_id|aws_secret_access_key|aws_session_token)[ \t]*[=:][ \t]*\S",
    re.IGNORECASE | re.MULTILINE,
)
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")
_KEY_PATH = re.compile(
    r"(?:privateKeyPath[\"']?\s*[:=]\s*[\"']?|--private-key[ =][\"']?)(?P<path>/[^\s\"',}]+)", re.IGNORECASE
)
_WEB_IDENTITY = re.compile(r"^[ \t]*web_identity_token_file[ \t]*=[ \t]*(?P<path>/\S+)", re.IGNORECASE | re.MULTILINE)


def is_binary(data: bytes) -> bool:
    """Return whether the beginning of a file shows that it is no text, compressed text included.

    Text may have NULs: those of UTF-16, and those of blocks that were not written before a power failure.
    """
    if b"\0" not in data or data.startswith((_GZIP, *_BYTE_ORDERS)):
        return False
    return data.startswith(_DATABASE) or _CONTROLS.search(data) is not None


def decoded(data: bytes) -> str:
    """Return the text of a file, unpacked if it is gzip; "" for a binary file."""
    if data.startswith(_GZIP):
        try:
            data = zlib.decompressobj(wbits=31).decompress(data, _LIMIT)
        except zlib.error:
            return ""
    if data.startswith(_BYTE_ORDERS):
        return data.decode("utf-16", "replace")
    if b"\0" in data:
        if is_binary(data):
            return ""
        data = _HOLES.sub(b"\n", data).replace(b"\0", b"")
    return data.decode("utf-8-sig", "replace")


def secrets_in(text: str) -> tuple[str, ...]:
    """Return what a text holds, of ACTIVATION and KEYS."""
    joined = _CONTINUED.sub(" ", text)
    found = []
    if any(_is_value(match["value"]) for form in _ACTIVATIONS for match in form.finditer(joined)):
        found.append(ACTIVATION)
    if any(_is_value(match["value"]) for match in _SECRET.finditer(joined)) or _OTHER_KEYS.search(text):
        found.append(KEYS)
    return tuple(found)


def has_profile_keys(text: str) -> bool:
    """Return whether a credentials or configuration file of the AWS SDKs holds keys."""
    return bool(_PROFILE_KEY.search(text))


def has_private_key(text: str) -> bool:
    """Return whether a text holds a private key in PEM."""
    return bool(_PRIVATE_KEY.search(text))


def secret_paths(text: str) -> list[str]:
    """Return the private keys and token files that a configuration names, as absolute paths."""
    return [match["path"] for form in (_KEY_PATH, _WEB_IDENTITY) for match in form.finditer(text)]


def _is_value(value: str) -> bool:
    if _NO_VALUES.fullmatch(value):
        return False
    # A code has 20 characters and an ID 36; a name of a variable has no digit, and seldom upper and lower case.
    return any(map(str.isdigit, value)) or (len(value) >= 8 and value not in (value.lower(), value.upper()))
