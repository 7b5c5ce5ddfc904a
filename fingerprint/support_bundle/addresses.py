"""Find addresses of IP and of adapters as logs, file names and name servers write them."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache, partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_HEX = "[0-9a-fA-F]"
_OCTET = "[0-9]{1,3}"
# In place of dots and colons: as names of hosts and files have them, of units of systemd, and in URLs.
_DASH = r"(-|_|\\x2d)"
_COLON = r"(?::|%3[aA]|\\x3a)"
_ESCAPED = ("%3a", "%3A", "\\x3a")
# Kind, what the text has where there is one, and how it is written. Each begins at the beginning of a run of its
# characters only and takes it in one way, so that its time grows with the text and no faster.
_PATTERNS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("mac", (":",), rf"(?<!{_HEX})(?<!{_HEX}:)(?:{_HEX}{{2}}:){{5,19}}{_HEX}{{2}}(?!{_HEX})(?!:{_HEX}{{2}}(?!{_HEX}))"),
    (
        "mac",
        ("-", "_"),
        rf"(?<!{_HEX})(?<!{_HEX}[-_])(?:{_HEX}{{2}}[-_]){{5,19}}{_HEX}{{2}}(?!{_HEX})(?![-_]{_HEX}{{2}}(?!{_HEX}))",
    ),
    ("mac", _ESCAPED, rf"(?<!{_HEX})(?:{_HEX}{{2}}(?:%3[aA]|\\x3a)){{5,19}}{_HEX}{{2}}(?!{_HEX})"),
    ("mac", (".",), rf"(?<![0-9a-fA-F.]){_HEX}{{4}}\.{_HEX}{{4}}\.{_HEX}{{4}}(?!{_HEX})(?!\.{_HEX}{{4}}(?!{_HEX}))"),
    # An interface that is named by its address.
    ("mac", ("enx", "ENX"), rf"(?<=enx|ENX){_HEX}{{12}}(?!{_HEX})"),
    # A fifth number may be a port, as macOS writes it; more are no address.
    (
        "ip",
        (".",),
        rf"(?<![0-9])(?<![0-9]\.)(?:{_OCTET}\.){{3}}{_OCTET}(?![0-9])"
        r"(?:(?!\.[0-9])|(?=\.[0-9]{1,5}(?!\.?[0-9])))",
    ),
    # Not behind a year, or a year and a month: that is a time.
    (
        "dashed",
        ("-", "_", "\\x2d"),
        rf"(?:(?<![A-Za-z0-9])ip{_DASH})?(?<![0-9])(?<![0-9]{{4}}[-_])(?<![0-9]{{4}}[-_][0-9]{{2}}[-_])"
        rf"{_OCTET}{_DASH}{_OCTET}(?:\2{_OCTET}){{2,}}(?![0-9])",
    ),
    (
        "ip6",
        (":", *_ESCAPED),
        rf"(?<![0-9A-Za-z:])(?:{_HEX}{{0,4}}{_COLON}){{2,7}}(?:(?:{_OCTET}\.){{3}}{_OCTET}|{_HEX}{{0,4}})"
        r"(?![0-9A-Za-z:])",
    ),
    ("ip6", ("-",), rf"(?<![0-9A-Za-z])(?:{_HEX}{{1,4}}-){{7}}{_HEX}{{1,4}}(?![0-9A-Za-z])"),
    ("ip6", ("_",), rf"(?<![0-9A-Za-z])(?:{_HEX}{{1,4}}_){{7}}{_HEX}{{1,4}}(?![0-9A-Za-z])"),
    (
        "ip6",
        ("--",),
        rf"(?<![0-9A-Za-z])(?:{_HEX}{{1,4}}-){{1,6}}{_HEX}{{1,4}}--(?:{_HEX}{{1,4}}-){{0,6}}{_HEX}{{0,4}}"
        r"(?![0-9A-Za-z])",
    ),
)  # fmt: skip
_COMPILED = tuple((kind, needs, re.compile(pattern)) for kind, needs, pattern in _PATTERNS)
_ZONE = re.compile(r"(in-addr\.arpa|ip6\.arpa|ipv6-literal\.net)(?![0-9A-Za-z])", re.IGNORECASE)
# What stands before a zone, at its end; searched in so many characters.
_BEFORE_ZONE = 80
_IN_ZONE = {
    "in-addr.arpa": re.compile(r"(?<![0-9A-Za-z])((?:[0-9]{1,3}\.){1,4})$"),
    "ip6.arpa": re.compile(rf"(?<![0-9A-Za-z])((?:{_HEX}\.){{1,32}})$"),
    "ipv6-literal.net": re.compile(r"(?<![0-9A-Za-z])([0-9a-fA-F-]{2,50})(?:s[0-9]+)?\.$"),
}
_NIBBLES = 32
# Four numbers after such a word are a version and no address.
_VERSIONS = ("version", "revision", "release", "firmware", "bios", "driver")
_IN_A_VERSION = re.compile(rf"(?:{'|'.join(_VERSIONS)})\b[^,;\n]{{0,40}}$", re.IGNORECASE)
_BACK = 60


def without_addresses(text: str, pseudonym: Callable[[str, str], str]) -> str:
    """Return a text with what `pseudonym` gives, for a kind ("ip", "ip6", "mac", "net") and a value, for each address.

    An address has one value, however it is written. Those that every machine has stay, as 127.0.0.1. Of a zone of
    reversed addresses that is not a complete address the numbers are one value of the kind "net".
    """
    if "." in text:
        text = "".join(_without_reversed(text, pseudonym))
    for kind, needs, pattern in _COMPILED:
        if any(piece in text for piece in needs):
            text = pattern.sub(partial(_replaced, kind, pseudonym), text)
    return text


def _replaced(kind: str, pseudonym: Callable[[str, str], str], found: re.Match[str]) -> str:
    if kind == "dashed":
        return _dashed(pseudonym, found)
    value = canonical(kind, found[0])
    if value is None or (kind == "ip" and (_is_version(found) or _is_reversed(found))):
        return found[0]
    return pseudonym(kind, value)


def _dashed(pseudonym: Callable[[str, str], str], found: re.Match[str]) -> str:
    """Return what stands for numbers with dashes: four are an address, behind the number of a name, too (ec2-...)."""
    matched, dash = found[0], found[2]
    numbers = matched[len("ip") + len(found[1]) :] if found[1] else matched
    begin = found.string[max(0, found.start() - 1) : found.start()]
    first, *others = numbers.split(dash)
    kept = ""
    if len(others) == 4 and begin.isalpha():
        kept, numbers = first + dash, dash.join(others)
    elif len(others) != 3:
        return matched if _is_version(found) or max(map(int, numbers.split(dash))) > 255 else pseudonym("ip", numbers)
    value = canonical("ip", ".".join(numbers.split(dash)))
    return matched if value is None or _is_version(found) else kept + pseudonym("ip", value)


def _is_reversed(found: re.Match[str]) -> bool:
    """Return whether an address stands in the zone of reversed ones still: it is one that every machine has."""
    return found.string[found.end() : found.end() + len(".in-addr.arpa")].lower() == ".in-addr.arpa"


def forms_of(value: str) -> Iterator[str]:
    """Yield the other ways to write an IP address."""
    address = parsed(value)
    if address is None:
        return
    pointer = address.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    yield pointer
    if address.version == 4:
        for numbers in (str(address).split("."), pointer.split(".")):
            for dash in "-_":
                yield dash.join(numbers)
    else:
        for written in (address.compressed, address.exploded):
            for dash in ":-_":
                yield written.replace(":", dash)
        yield address.exploded.replace(":", "")


@lru_cache(maxsize=4096)
def canonical(kind: str, text: str) -> str | None:
    """Return the one way to write an address, None for what is none or what every machine has."""
    if kind == "mac":
        digits = re.sub(r"%3[aA]|\\x3a|[:._-]", "", text).lower()
        return None if not digits.strip("0") or not digits.strip("f") else ":".join(_pairs(digits))
    plain = re.sub(r"%3[aA]|\\x3a", ":", text)
    if kind == "ip":
        plain = ".".join(str(int(number)) for number in plain.split("."))
    elif ":" not in plain:
        plain = plain.replace("_", "-").replace("-", ":")
        if not any(char.isdigit() for char in plain):
            return None
    address = parsed(plain)
    if address is None or address.is_loopback or address.is_unspecified or address.is_multicast:
        return None
    return None if str(address).startswith("255.") else str(address)


def parsed(text: str) -> Address | None:
    """Return a text as an IP address, None if it is none."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_version(found: re.Match[str]) -> bool:
    before = found.string[max(0, found.start() - _BACK) : found.start()]
    lowered = before.lower()
    return any(word in lowered for word in _VERSIONS) and _IN_A_VERSION.search(before) is not None


def _without_reversed(text: str, pseudonym: Callable[[str, str], str]) -> Iterator[str]:
    end = 0
    for found in _ZONE.finditer(text):
        zone = found[1].lower()
        before = text[max(end, found.start() - _BEFORE_ZONE) : found.start()]
        head = _IN_ZONE[zone].search(before)
        if head is None:
            continue
        start = found.start() - len(before) + head.start()
        if zone == "ipv6-literal.net":
            place, value = _literal(head[1])
            kind, start = "ip6", start + place
        else:
            kind, value = _forwards(zone, head[1])
        if value is not None:
            yield text[end:start] + pseudonym(kind, value) + "."
            end = found.start()
    yield text[end:]


def _literal(numbers: str) -> tuple[int, str | None]:
    """Return where an address with dashes begins, which may stand behind a name with dashes, and the address."""
    for place in (0, *(dash.end() for dash in re.finditer("-", numbers))):
        value = canonical("ip6", numbers[place:])
        if value is not None:
            return place, value
    return 0, None


def _forwards(zone: str, numbers: str) -> tuple[str, str | None]:
    """Return the kind and the value of what stands before a zone."""
    labels = numbers.lower().strip(".").split(".")[::-1]
    if zone == "in-addr.arpa":
        return ("ip", canonical("ip", ".".join(labels))) if len(labels) == 4 else ("net", ".".join(labels))
    joined = "".join(labels)
    if len(joined) == _NIBBLES:
        return "ip6", canonical("ip6", ":".join(joined[n : n + 4] for n in range(0, _NIBBLES, 4)))
    return "net", joined


def _pairs(digits: str) -> list[str]:
    return [digits[n : n + 2] for n in range(0, len(digits), 2)]
