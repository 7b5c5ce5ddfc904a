"""Pseudonyms for what must not leave a machine: equal values stay equal, and no pseudonym can be reversed.

Each is the HMAC-SHA256 of the value under a key that is made for one bundle and thrown away with it.
An identifier is found in three ways: it was learnt from the machine, a label before it says so, or it has the form of
an address, a UUID, a digest or another id.
"""

from __future__ import annotations

import hmac
import re
import secrets
from functools import partial

from fingerprint._core import clean_serial
from fingerprint._io.text import MAC_GAP, shortened
from fingerprint.support_bundle.addresses import forms_of, without_addresses
from fingerprint.support_bundle.known_values import KnownValues, pieces_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_DIGITS = 6
_DIGITS_MOST = 64
_NOT_IN_A_WORD, _NOT_BEFORE_A_WORD = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
_HEX = "[0-9a-fA-F]"
_EDGE = (rf"(?<!{_HEX})", rf"(?!{_HEX})")
# Also as names of files and units of systemd have them.
_DASH = r"(?:[-_]|\\x2d)"
# Kind, what the text has where there is one, and its form.
_PATTERNS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "uuid",
        ("-", "_", "\\x2d"),
        rf"{_EDGE[0]}{_HEX}{{8}}{_DASH}(?:{_HEX}{{4}}{_DASH}){{3}}{_HEX}{{12}}{_EDGE[1]}",
    ),
    ("digest", ("==",), r"(?<![\w+/])[A-Za-z0-9+/]{22}==(?![\w+/=])"),
    ("id", ("",), rf"{_NOT_IN_A_WORD}(?:0[xX])?{_HEX}{{16,64}}{_NOT_BEFORE_A_WORD}"),
    # The account in an ARN, as errors of the service quote it, and as `diagnose` prints it.
    ("account", (":", "account "), r"(?<=:)\d{12}(?=:)|(?<=account )\d{12}(?!\d)|(?<=: ')\d{12}(?=')"),
    # Of a Windows machine or domain, and the accounts there.
    ("sid", ("S-1-5-21-",), r"\bS-1-5-21(?:-\d{1,10}){3,4}\b"),
    ("node", ("-",), r"\b(?:mi|i|eni|vol|subnet|vpc|ami)-[0-9a-f]{8,17}\b"),
)
_COMPILED = tuple((kind, needs, re.compile(pattern)) for kind, needs, pattern in _PATTERNS)
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
# It does not end with a blank, so that blanks are taken in one way only.
_LABEL = r"([A-Za-z_](?:[\w .()-]{0,59}?[\w.()-])?)"
_LINES = (
    # Of dmidecode, ifconfig and wmic.
    re.compile(rf"^([ \t]*){_LABEL}([ \t]*[:=][ \t]*)(\S.*)$", re.MULTILINE),
    # Of ioreg.
    re.compile(rf"^([ \t|]*\"){_LABEL}(\" = )(\S.*)$", re.MULTILINE),
)
# Of JSON, up to its value.
_MEMBER = re.compile(rf"(\"){_LABEL}(\"\s*:\s*)(?=\")")
# With the backslashes before it; a run of them is taken from its beginning only.
_QUOTE = re.compile(r"(?<!\\)(\\*)\"")
_SAYS_NOTHING = {
    "", "not specified", "not present", "not settable", "none", "(none)", "unknown", "n/a", "<out of spec>", "null",
    "localhost", "localdomain", "localhost.localdomain", "local", "lan", "home", "internal", "workgroup", "root",
    "user", "windows user", "admin", "administrator", "owner", "default", "0", "false", "true",
}  # fmt: skip
# Words have these kinds, too ("Server" as an asset tag): replaced in place, elsewhere only in the form of an id.
_MAY_BE_WORDS = ("serial", "asset", "oem")
_HOME = re.compile(r"((?:/home/|/Users/|\\Users\\))([^/\\\s\"',;:]+)")
_LINK = re.compile(r"(?<=\s)(\S+)( -> )(?=\S)")
_STRUCTURE = re.compile(r"^Handle 0x[0-9A-Fa-f]+, DMI type (\d+)", re.MULTILINE)
_OEM_STRINGS, _CONFIGURATION_STRINGS, _FIRST_OEM_TYPE = 11, 12, 128


class Redactor:
    """Replaces what identifies by pseudonyms such as "serial-9f3c21".

    Args:
        key: 32 bytes; None for fresh random ones. Only tests give one.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)
        # Lower-case value -> pseudonym: of what was learnt, in each of its forms.
        self._known: dict[str, str] = {}
        self._values = KnownValues()
        self._codes: dict[str, str] = {}
        self._of_code: dict[str, str] = {}
        self._given: set[str] = set()
        self._kinds: set[str] = set()

    def pseudonym(self, kind: str, value: str) -> str:
        """Return what stands for a value; the same one for the same value, whatever its case and what surrounds it."""
        plain = _plain(value).lower()
        if not plain:
            return value
        known = self._known.get(plain)
        if known is None:
            known = f"{kind}-{self._code(plain)}"
            self._given.add(known)
            self._kinds.add(kind.partition("-")[0])
        return known

    def _code(self, plain: str) -> str:
        if plain not in self._codes:
            digest = hmac.digest(self._key, plain.encode("utf-8", "surrogatepass"), "sha256").hex()
            # Two values must not have the same pseudonym: a code that is taken gets more digits.
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
            if kind in _MAY_BE_WORDS and not _has_form_of_id(plain, kind):
                continue
            for piece in pieces_of(form.lower()):
                # A number of few digits is a size or a time wherever it is no id.
                if len(piece) > 1 and not (piece.isdigit() and len(piece) < _DIGITS):
                    self._known.setdefault(piece, pseudonym)
                    self._values.add(piece, kind)

    def text(self, text: str) -> str:
        """Return a text without learnt values, ids behind their labels, and what has the form of an id."""
        text = self._without_labelled(text)
        text = self._values.sub(self._replaced, text, self._kept(text))
        for kind, needs, pattern in _COMPILED:
            if any(piece in text for piece in needs):
                text = pattern.sub(partial(self._formed, kind), text)
            if kind == "uuid":
                # Before other ids: of a digest or a long number an address is no part.
                text = self.addresses(text)
        return _HOME.sub(lambda found: found[1] + self.pseudonym("user", found[2]), text)

    def addresses(self, text: str) -> str:
        """Return a text without the addresses in it; everything else stays."""
        return without_addresses(text, self.pseudonym)

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
            from fingerprint.machine.parsers import decode_console

            text = decode_console(text.encode("utf-8", "surrogatepass"))
        for pattern in _LINES:
            text = pattern.sub(lambda found: self._labelled(*found.groups()), text)
        if '"' in text:
            text = "".join(self._members(text))
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
        """Return the pseudonym of a value, and learn the value for occurrences without a label."""
        plain = _plain(value)
        if plain in self._given:
            return value
        self.learn(kind, plain)
        return self.pseudonym(kind, plain)

    def _labelled(self, before: str, label: str, between: str, value: str) -> str:
        line, lowered = f"{before}{label}{between}{value}", label.lower()
        kind = next((kind for piece, kind in _LABELS if piece in lowered), "")
        if lowered.endswith(("-info", "-hash")):
            # Our attributes, of which explanations have more than a value.
            return line
        stripped = value.rstrip(" \t\r")
        if not kind or _is_nothing(kind, _plain(stripped)):
            return line
        quote = '"' if stripped.startswith('"') and stripped.endswith('"') and len(stripped) > 1 else ""
        return f"{before}{label}{between}{quote}{self._named(kind, stripped)}{quote}{value[len(stripped) :]}"

    def _members(self, text: str) -> Iterator[str]:
        """Yield the pieces of a text, those replaced that are the value of a member of JSON whose name says so."""
        end = 0
        while found := _MEMBER.search(text, end):
            after = _end_of_string(text, found.end())
            if after < 0:
                break
            yield text[end : found.start()]
            before, label, between = found.groups()
            yield self._labelled(before, label, between, text[found.end() : after])
            end = after
        yield text[end:]

    def _structures(self, text: str) -> Iterator[str]:
        """Yield the lines of dmidecode's text, those replaced whose labels say nothing: strings and bytes of makers."""
        kind, in_strings = -1, False
        for line in text.split("\n"):
            head = _STRUCTURE.match(line)
            kind = int(head[1]) if head else kind
            words = line.strip()
            in_strings = words == "Strings:" or (in_strings and line.startswith("\t\t"))
            label, colon, value = line.partition(": ")
            if kind in (_OEM_STRINGS, _CONFIGURATION_STRINGS) and colon and label.strip()[:6] in ("String", "Option"):
                yield f"{label}: {self._named('oem', value)}"
            elif in_strings and words != "Strings:":
                yield f"\t\t{self._named('oem', words)}"
            elif kind >= _FIRST_OEM_TYPE and line.startswith("\t\t"):
                yield "\t\t(left out of the report)"
            else:
                yield line

    def _kept(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where pseudonyms stand that were given before."""
        if self._kinds:
            kinds = "|".join(sorted(self._kinds))
            pattern = rf"{_NOT_IN_A_WORD}(?:{kinds})-[0-9a-f]{{{_DIGITS},{_DIGITS_MOST}}}{_NOT_BEFORE_A_WORD}"
            for found in re.finditer(pattern, text):
                if found[0] in self._given:
                    yield found.span()

    def _replaced(self, value: str) -> str:
        # Letters that are alike in another case only may not be there in lower case.
        return self._known.get(value) or self.pseudonym("id", value)

    def _formed(self, kind: str, found: re.Match[str]) -> str:
        value, before = found[0], found.string[max(0, found.start() - 60) : found.start()]
        if kind == "id" and (not value.strip("0xX") or _OF_A_MODEL.search(before)):
            return value
        if kind == "uuid":
            value = re.sub(_DASH, "-", value)
        return self.pseudonym(kind, value)


def _end_of_string(text: str, start: int) -> int:
    """Return where a string of JSON ends that begins with the quote at a place, -1 for nowhere."""
    for found in _QUOTE.finditer(text, start + 1):
        if len(found[1]) % 2 == 0:
            return found.end()
    return -1


def _plain(value: str) -> str:
    return value.strip(" \t\r\n\0\"',")


def _is_nothing(kind: str, plain: str) -> bool:
    """Return whether a value identifies nothing: a placeholder, or a name that many have."""
    if plain.lower() in _SAYS_NOTHING:
        return True
    return kind in ("serial", "asset") and len(plain) > 2 and not clean_serial(plain)


def _has_form_of_id(plain: str, kind: str = "serial") -> bool:
    has_digit, has_letter = any(c.isdigit() for c in plain), any(c.isalpha() for c in plain)
    if kind == "oem":
        # Among them are names of makers and dates, which occur elsewhere, too.
        return len(plain) >= 6 and has_digit and has_letter
    return (len(plain) >= 5 and has_digit) or (len(plain) >= 6 and plain.isalnum() and plain.isupper())


def _forms(kind: str, plain: str) -> Iterator[str]:
    """Yield a value as others write it: shortened for people, without separators, with others."""
    yield plain
    if len(plain) > 12:
        # Answers for people have it shortened, with its ends.
        yield shortened(plain)
    if " " in plain:
        yield plain.replace(" ", "_")
    if kind in ("ip", "ip6"):
        yield from forms_of(plain)
    if kind in ("digest", "uuid", "machine"):
        yield shortened(plain, 8, 0)
    if kind == "mac" and len(plain) == 17:
        digits = plain.replace(plain[2], "")
        yield from (plain.replace(":", "-"), digits, f"{digits[:4]}.{digits[4:8]}.{digits[8:]}")
        yield shortened(plain, 8, 2, MAC_GAP)
    if kind == "host" and len(plain) > 15 and "." not in plain:
        # The name of Windows' older protocols.
        yield plain[:15]
    if kind == "disk":
        yield from (plain.removeprefix("wwn-"), plain.removeprefix("wwn-").removeprefix("0x"))
        serial = plain.rpartition("_")[2]
        yield from (serial,) if _has_form_of_id(serial) else ()
