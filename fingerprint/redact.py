"""Pseudonyms for what must not leave a machine: equal values stay equal, and nobody can turn them back.

Each is the HMAC-SHA256 of the value under a key that is made for one bundle and thrown away with it.
What identifies is found in three ways: it was learnt from the machine, it stands behind a label that
says so, or it looks like an address, a UUID, a digest or another id.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from functools import partial

from fingerprint._canonical import clean_serial
from fingerprint.model import masked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_DIGITS = 6
# Shorter values are replaced in texts only where they stand as words of their own.
_LONG = 8
_NOT_IN_A_WORD, _NOT_BEFORE_A_WORD = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
_HEX = "[0-9a-fA-F]"
_EDGE = (rf"(?<!{_HEX})", rf"(?!{_HEX})")
_PATTERNS = (
    ("uuid", rf"{_EDGE[0]}{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}{_EDGE[1]}"),
    ("mac", rf"(?<![0-9a-fA-F:]){_HEX}{{2}}(?::{_HEX}{{2}}){{5,19}}(?![0-9a-fA-F:])"),
    ("mac", rf"(?<![0-9a-fA-F-]){_HEX}{{2}}(?:-{_HEX}{{2}}){{5,19}}(?![0-9a-fA-F-])"),
    ("mac", rf"(?<![0-9a-fA-F.]){_HEX}{{4}}\.{_HEX}{{4}}\.{_HEX}{{4}}(?![0-9a-fA-F.])"),
    ("ip", r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\.?\w)"),
    ("ip6", r"(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F]{0,4})(?![\w:.])"),
    ("digest", r"(?<![\w+/])[A-Za-z0-9+/]{22}==(?![\w+/=])"),
    ("id", rf"{_NOT_IN_A_WORD}(?:0[xX])?{_HEX}{{16,64}}{_NOT_BEFORE_A_WORD}"),
    # The account in an ARN, as errors of the service quote it.
    ("account", r"(?<=:)\d{12}(?=:)"),
    ("node", r"\b(?:mi|i|eni|vol|subnet|vpc|ami)-[0-9a-f]{8,17}\b"),
)
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _PATTERNS)
# Four numbers after such a word are a version and no address.
_IN_A_VERSION = re.compile(r"(?:version|revision|release|firmware|bios|driver)\b[^,;\n]{0,40}$", re.IGNORECASE)
# What stands behind these is a model's, though some makers write it in hexadecimal digits.
_OF_A_MODEL = re.compile(r"(?:manufacturer|vendor|part number|version|product name|model)\s*[:=]\s*$", re.IGNORECASE)
# Labels of dmidecode, system_profiler, ioreg and wmi whose values identify, in lower case, as pieces; and their kinds.
_LABELS = (
    ("uuid", "uuid"), ("guid", "uuid"), ("serial", "serial"), ("asset tag", "asset"), ("asset_tag", "asset"),
    ("assettag", "asset"), ("identifyingnumber", "serial"), ("service tag", "serial"), ("udid", "uuid"),
    ("owner", "user"), ("registereduser", "user"), ("username", "user"), ("user name", "user"), ("domain", "domain"),
    ("hostname", "host"), ("host name", "host"), ("computer name", "host"), ("computername", "host"),
    ("csname", "host"), ("systemname", "host"), ("__server", "host"), ("wwn", "disk"), ("wwid", "disk"),
    ("pnpdeviceid", "disk"), ("instance id", "node"),
)  # fmt: skip
_LABEL = r"([A-Za-z_][\w .()-]{0,60}?)"
_LINES = (
    # Of dmidecode, ifconfig and wmic.
    re.compile(rf"^([ \t]*){_LABEL}([ \t]*[:=][ \t]*)(\S.*?)([ \t\r]*)$", re.MULTILINE),
    # Of ioreg.
    re.compile(rf"^([ \t|]*\"){_LABEL}(\" = )(\S.*?)([ \t\r]*)$", re.MULTILINE),
    # Of JSON.
    re.compile(rf"(\"){_LABEL}(\"\s*:\s*)(\"(?:[^\"\\]|\\.)*\")()"),
)
_SAYS_NOTHING = {
    "", "not specified", "not present", "not settable", "none", "(none)", "unknown", "n/a", "<out of spec>", "null",
    "localhost", "localdomain", "localhost.localdomain", "local", "lan", "home", "internal", "workgroup", "root",
    "user", "windows user", "admin", "administrator", "owner", "default", "0", "false", "true",
}  # fmt: skip
# Of these kinds are words, too ("Server" as an asset tag): replaced in place, elsewhere only what looks like an id.
_MAY_BE_WORDS = ("serial", "asset", "oem")
_HOME = re.compile(r"((?:/home/|/Users/|\\Users\\))([^/\\\s\"',;:]+)")
_LINK = re.compile(r"(?<=\s)(\S+)( -> )(?=\S)")
_STRUCTURE = re.compile(r"^Handle 0x[0-9A-Fa-f]+, DMI type (\d+)", re.MULTILINE)
_OEM_TEXTS, _CONFIGURATION_TEXTS, _FIRST_OEM_TYPE = 11, 12, 128


class Redactor:
    """Replaces what identifies by pseudonyms such as "serial-9f3c21".

    Args:
        key: 32 bytes; None for fresh random ones. Only tests give one.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)
        # Lower-case value -> pseudonym: of what was learnt, in each of its forms.
        self._known: dict[str, str] = {}
        self._elsewhere: set[str] = set()
        self._codes: dict[str, str] = {}
        self._of_code: dict[str, str] = {}
        self._given: set[str] = set()
        self._finder: re.Pattern[str] | None = None

    def pseudonym(self, kind: str, value: str) -> str:
        """Return what stands for a value; the same one for the same value, whatever its case and what surrounds it."""
        plain = _plain(value).lower()
        if not plain:
            return value
        known = self._known.get(plain)
        if known is None:
            known = f"{kind}-{self._code(plain)}"
            self._given.add(known)
        return known

    def _code(self, plain: str) -> str:
        if plain not in self._codes:
            digest = hmac.digest(self._key, plain.encode("utf-8", "surrogatepass"), "sha256").hex()
            # Two values must not look equal, so a code that is taken is given with more digits.
            length = next(n for n in range(_DIGITS, len(digest)) if digest[:n] not in self._of_code)
            self._codes[plain] = digest[:length]
            self._of_code[digest[:length]] = plain
        return self._codes[plain]

    def learn(self, kind: str, value: str | None) -> None:
        """Note a value that is to be replaced wherever it stands, in each of its usual forms."""
        plain = _plain(value or "")
        if _is_nothing(kind, plain):
            return
        pseudonym = self.pseudonym(kind, plain)
        for form in _forms(kind, plain):
            self._known.setdefault(form.lower(), pseudonym)
            if len(form) > 1 and (kind not in _MAY_BE_WORDS or _looks_like_an_id(plain, kind)):
                self._elsewhere.add(form.lower())
                self._finder = None

    def text(self, text: str) -> str:
        """Return a text without what was learnt, without ids behind their labels, and without what looks like one."""
        text = self._find().sub(self._replaced, self._without_labelled(text))
        for kind, pattern in _COMPILED:
            text = pattern.sub(partial(self._looking, kind), text)
        return _HOME.sub(lambda found: found[1] + self.pseudonym("user", found[2]), text)

    def note(self, value: Any) -> None:
        """Learn what stands behind labels in JSON data, so that it is found where it has none."""
        if isinstance(value, str):
            self._without_labelled(value)
        elif isinstance(value, (dict, list, tuple)):
            for inner in value.values() if isinstance(value, dict) else value:
                self.note(inner)

    def _without_labelled(self, text: str) -> str:
        if "\0" in text:
            # What a tool of Windows wrote in UTF-16 was recorded byte by byte.
            from fingerprint.collect.texts import decode_console

            text = decode_console(text.encode("utf-8", "surrogatepass"))
        for pattern in _LINES:
            text = pattern.sub(self._labelled, text)
        return "\n".join(self._structures(text)) if _STRUCTURE.search(text) else text

    def listing(self, text: str) -> str:
        """Return a listing of links with the names, which are ids of file systems or disks, replaced."""
        return _LINK.sub(lambda found: self._named("fs", found[1]) + found[2], text)

    def value(self, value: Any) -> Any:
        """Return JSON data with every text in it redacted; names of members stay."""
        if isinstance(value, str):
            return self._known.get(_plain(value).lower()) or self.text(value)
        if isinstance(value, dict):
            return {name: self.value(inner) for name, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(inner) for inner in value]
        return value

    def _named(self, kind: str, value: str) -> str:
        """Return the pseudonym of something that was met, and learn it for the places where it has no label."""
        plain = _plain(value)
        if plain in self._given:
            return value
        self.learn(kind, plain)
        return self.pseudonym(kind, plain)

    def _labelled(self, found: re.Match[str]) -> str:
        before, label, between, value, after = found.groups()
        lowered = label.lower()
        kind = next((kind for piece, kind in _LABELS if piece in lowered), "")
        if lowered.endswith(("-info", "-hash")):
            # Our attributes, of which explanations tell more than a value.
            return found[0]
        if not kind or _is_nothing(kind, _plain(value)):
            return found[0]
        quote = '"' if value.startswith('"') and value.endswith('"') and len(value) > 1 else ""
        return f"{before}{label}{between}{quote}{self._named(kind, value)}{quote}{after}"

    def _structures(self, text: str) -> Iterator[str]:
        """Yield the lines of dmidecode's text, those replaced whose labels tell nothing: texts and bytes of makers."""
        kind, in_texts = -1, False
        for line in text.split("\n"):
            head = _STRUCTURE.match(line)
            kind = int(head[1]) if head else kind
            words = line.strip()
            in_texts = words == "Strings:" or (in_texts and line.startswith("\t\t"))
            label, colon, value = line.partition(": ")
            if kind in (_OEM_TEXTS, _CONFIGURATION_TEXTS) and colon and label.strip()[:6] in ("String", "Option"):
                yield f"{label}: {self._named('oem', value)}"
            elif in_texts and words != "Strings:":
                yield f"\t\t{self._named('oem', words)}"
            elif kind >= _FIRST_OEM_TYPE and line.startswith("\t\t"):
                yield "\t\t(left out of the report)"
            else:
                yield line

    def _find(self) -> re.Pattern[str]:
        if self._finder is None:
            kinds = sorted({given.partition("-")[0] for given in self._given} | {"id"})
            given = rf"{_NOT_IN_A_WORD}(?:{'|'.join(kinds)})-[0-9a-f]{{{_DIGITS},}}{_NOT_BEFORE_A_WORD}"
            forms = sorted(self._elsewhere, key=lambda form: (-len(form), form))
            self._finder = re.compile("|".join([f"(?P<given>{given})", *map(_as_word, forms)]), re.IGNORECASE)
        return self._finder

    def _replaced(self, found: re.Match[str]) -> str:
        if found.lastgroup == "given":
            return found[0] if found[0] in self._given else self._known.get(found[0].lower(), found[0])
        # Letters that are alike in another case only may not be there in lower case.
        return self._known.get(found[0].lower()) or self.pseudonym("id", found[0])

    def _looking(self, kind: str, found: re.Match[str]) -> str:
        value, before = found[0], found.string[max(0, found.start() - 60) : found.start()]
        if kind in ("ip", "ip6") and not _is_telling(value):
            return value
        if kind == "ip" and _IN_A_VERSION.search(before):
            return value
        if kind == "id" and (not value.strip("0xX") or _OF_A_MODEL.search(before)):
            return value
        if kind == "mac" and not value.strip("0Ff:-."):
            return value
        return self.pseudonym(kind, value)


def _plain(value: str) -> str:
    return value.strip(" \t\r\n\0\"',")


def _is_nothing(kind: str, plain: str) -> bool:
    """Return whether a value identifies nothing: a placeholder, or a name that many have."""
    if plain.lower() in _SAYS_NOTHING:
        return True
    return kind in ("serial", "asset") and len(plain) > 2 and not clean_serial(plain)


def _looks_like_an_id(plain: str, kind: str = "serial") -> bool:
    has_digit, has_letter = any(c.isdigit() for c in plain), any(c.isalpha() for c in plain)
    if kind == "oem":
        # Among them are names of makers and dates, which stand in other places, too.
        return len(plain) >= 6 and has_digit and has_letter
    return (len(plain) >= 5 and has_digit) or (len(plain) >= 6 and plain.isalnum() and plain.isupper())


def _forms(kind: str, plain: str) -> Iterator[str]:
    """Yield a value as others write it: shortened for people, without separators, with others."""
    yield plain
    if len(plain) > 12:
        # Answers for people have it shortened, which still tells its ends.
        yield masked(plain)
    if " " in plain:
        yield plain.replace(" ", "_")
    if kind in ("digest", "uuid", "machine"):
        yield f"{plain[:8]}…"
    if kind == "mac" and len(plain) == 17:
        digits = plain.replace(plain[2], "")
        yield from (plain.replace(":", "-"), digits, f"{digits[:4]}.{digits[4:8]}.{digits[8:]}")
        yield f"{plain[:8]}:…:{plain[-2:]}"
    if kind == "host" and len(plain) > 15 and "." not in plain:
        # The name of Windows' older protocols.
        yield plain[:15]
    if kind == "disk":
        yield from (plain.removeprefix("wwn-"), plain.removeprefix("wwn-").removeprefix("0x"))
        serial = plain.rpartition("_")[2]
        yield from (serial,) if _looks_like_an_id(serial) else ()


def _as_word(form: str) -> str:
    if form.isdigit() and len(form) < _DIGITS:
        # A number of few digits is a size or a time wherever it is no id; one that never matches.
        return r"(?!)"
    escaped = re.escape(form)
    return escaped if len(form) >= _LONG else f"{_NOT_IN_A_WORD}{escaped}{_NOT_BEFORE_A_WORD}"


def _is_telling(value: str) -> bool:
    """Return whether a text is an address, and one that is not every machine's."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or value.startswith("255."))
