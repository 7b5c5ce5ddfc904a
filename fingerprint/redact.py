"""Pseudonyms for what must not leave a machine: equal values stay equal, and nobody can turn them back.

Each is the HMAC-SHA256 of the value under a key that is made for one bundle and thrown away with it.
"""

from __future__ import annotations

import hmac
import re
import secrets

from fingerprint.model import masked
from fingerprint.smbios_names import OUT_OF_SPEC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_DIGITS = 6
# Shorter values are not looked for in texts: they would stand in every word. They are replaced in their own place.
_SHORTEST_IN_TEXT = 4
_UUID = re.compile(r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b")
_MAC = re.compile(r"\b[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5,19}\b")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\w)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:.])")
_DIGEST = re.compile(r"(?<![\w+/])[A-Za-z0-9+/]{22}==(?![\w+/=])")
_HEX_ID = re.compile(r"\b(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{16})\b")
_NODE = re.compile(r"\bmi-[0-9a-f]{17}\b")
_PATTERNS = (
    ("uuid", _UUID), ("mac", _MAC), ("ip", _IPV4), ("ip6", _IPV6), ("digest", _DIGEST), ("id", _HEX_ID),
    ("node", _NODE),
)  # fmt: skip
# Labels of dmidecode, system_profiler, ioreg and wmi whose values are ids; in lower case, as pieces.
_SECRET_LABELS = (
    "serial",
    "uuid",
    "asset tag",
    "asset_tag",
    "assettag",
    "identifyingnumber",
    "primaryownername",
    "domain",
)
_LABELLED = re.compile(r"^([ \t|]*\"?)([A-Za-z][\w .-]{0,60})(\"?\s*[:=]\s*)(.+?)([ \t\r]*)$", re.MULTILINE)
_SAYS_NOTHING = {"", "not specified", "not present", "not settable", "none", "unknown", "n/a", OUT_OF_SPEC.lower()}
_HOME = re.compile(r"((?:/home/|/Users/|\\Users\\))([^/\\\s\"']+)")
_LINK = re.compile(r"(?<=\s)(\S+)( -> )(?=\S)")


class Redactor:
    """Replaces sensitive values by pseudonyms such as "serial-9f3c21".

    Args:
        key: 32 bytes; None for fresh random ones. Only tests give one.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)
        self._known: dict[str, str] = {}

    def pseudonym(self, kind: str, value: str) -> str:
        """Return what stands for a value; the same one for the same value, whatever its case and end of line."""
        plain = value.strip().lower()
        if not plain:
            return value
        code = hmac.digest(self._key, plain.encode("utf-8", "surrogateescape"), "sha256").hex()[:_DIGITS]
        return f"{kind}-{code}"

    def learn(self, kind: str, value: str | None) -> None:
        """Note a value that is to be replaced wherever it stands."""
        plain = (value or "").strip()
        if plain and plain.lower() not in _SAYS_NOTHING and plain not in self._known:
            self._known[plain] = self.pseudonym(kind, plain)
            # Answers for people have it shortened, which still tells its ends.
            self._known.setdefault(masked(plain), self._known[plain])
            if kind == "mac":
                self._known.setdefault(f"{plain[:8]}:…:{plain[-2:]}", self._known[plain])

    def text(self, text: str) -> str:
        """Return a text without what was learnt, without ids after their labels, and without what looks like one."""
        text = _LABELLED.sub(self._labelled, text)
        for value in sorted(self._known, key=len, reverse=True):
            if len(value) >= _SHORTEST_IN_TEXT:
                text = self._replaced(text, value)
        for kind, pattern in _PATTERNS:
            text = pattern.sub(self._by_kind(kind), text)
        return _HOME.sub(lambda found: found[1] + self.pseudonym("user", found[2]), text)

    def _replaced(self, text: str, value: str) -> str:
        return re.sub(re.escape(value), lambda _: self._known[value], text, flags=re.IGNORECASE)

    def _by_kind(self, kind: str) -> Callable[[re.Match[str]], str]:
        return lambda found: self._found(kind, found[0])

    def listing(self, text: str) -> str:
        """Return a listing of links with the names, which are ids of file systems, replaced."""
        return _LINK.sub(lambda found: self.pseudonym("fs", found[1]) + found[2], text)

    def _found(self, kind: str, value: str) -> str:
        if kind in ("ip", "ip6") and (value.startswith(("127.", "0.0.0.0")) or value.strip(":") in ("", "1")):
            return value
        if kind == "ip" and any(int(part) > 255 for part in value.split(".")):
            return value
        return self.pseudonym(kind, value)

    def _labelled(self, found: re.Match[str]) -> str:
        indent, label, between, value, end = found.groups()
        lowered = label.lower()
        if any(piece in lowered for piece in _SECRET_LABELS) and value.strip(' "').lower() not in _SAYS_NOTHING:
            kind = "uuid" if "uuid" in lowered else "serial"
            return f"{indent}{label}{between}{self.pseudonym(kind, value.strip(chr(34)))}{end}"
        return found[0]

    def value(self, value: Any) -> Any:
        """Return JSON data with every text in it redacted; keys stay."""
        if isinstance(value, str):
            return self._known.get(value.strip()) or self.text(value)
        if isinstance(value, dict):
            return {self.text(str(name)): self.value(inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(inner) for inner in value]
        return value
