"""Texts of others made safe to print: no escape sequences, no passwords, identifiers masked.

A character is printed as it is if Unicode calls it printable; any other one as Python and JSON escape it.
"""

from __future__ import annotations

from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

# Mask -> the values of this run that have it, each with its number, and the next number.
_masks: dict[str, tuple[dict[str, int], count[int]]] = {}


def printable(text: str) -> str:
    """Return a value as one that stays in its line of a table; line ends at its end are dropped."""
    text = text.rstrip("\r\n")
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def visible(text: str) -> str:
    """Return a text of several lines, with tabs, in which nothing else moves the cursor."""
    if all(map(str.isprintable, text.split("\n"))):
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in text)


def visible_json(text: str) -> str:
    """Return JSON as the same JSON: what is not printable can only be within its strings."""
    if all(map(str.isprintable, text.split("\n"))):
        return text
    return "".join(c if c.isprintable() or c in "\n\r\t" else _escaped_json(c) for c in text)


def quoted(text: str, limit: int = 40) -> str:
    """Return the beginning of a text of others in quotes, in ASCII: what looks like another character shows."""
    return ascii(text[:limit])


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escaped_json(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


# A separator as a URL has it, or as JSON may escape it.
_SEPARATOR = r":(?:\\?/){2}"
# Up to the end of the word, or of what is in quotes: a password may hold what should have been escaped. Each is read
# once, whether there is a password in it or not.
_QUOTED_URL = rf'("[A-Za-z][A-Za-z0-9+.-]*{_SEPARATOR})([^"\\]*(?:\\.[^"\\]*)*)'
_URL = rf'({_SEPARATOR})((?:[^\s"\\]|\\.)*)'
_SEPARATORS = ("://", ":\\/\\/")
# What may stand around a URL in a text, also where that is JSON itself.
QUOTES = ('\\"', '"', "'")
_OUT = "***"
# Parameters of what the agent asks a metadata service.
_HARMLESS = ("api-version", "format")
# Between the maker and the last digits of a hardware address.
MAC_GAP = ":…:"
_SCHEME_SIGNS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-"
_IDS = (
    # Nodes, accounts, UUIDs, and what is made of one without its hyphens. The end of a text may be cut off.
    r"\b(?:mi|i)-[0-9a-f]{8,17}\b|(?<!\d)\d{12}(?!\d)|(?<=:)\d{6,11}$"
    r"|\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b|\b[0-9A-Fa-f]{32}\b"
)


def without_passwords(text: str) -> str:
    """Return a text in which each URL is as `hidden` returns it."""
    if "://" in text or ":\\/" in text:
        # Imported here, as below: `check` prints texts and needs no regular expressions.
        import re

        text = re.sub(_QUOTED_URL, _hidden_in_text, text)
        text = re.sub(_URL, _hidden_in_text, text)
    return text


def hidden(url: str, ends: tuple[str, ...] = ()) -> str:
    """Return what somebody named as a URL without user, password, query and fragment, whether it is a URL or not.

    A query stays that has nothing but parameters which are known to hold no secret.

    Args:
        url: the URL; its separator may be escaped as in JSON.
        ends: quotes that end it; what follows the first of them behind its query stays.
    """
    at, separator = min(((url.find(one), one) for one in _SEPARATORS if one in url), default=(0, ""))
    if not separator:
        return _place(url, ends)
    # Without a scheme, the separator may be in the password, and what is before it the beginning of that.
    scheme = url[:at] if at and not url[:at].strip(_SCHEME_SIGNS) else _OUT
    return f"{scheme}{separator}{_place(url[at + len(separator) :], ends)}"


def _place(rest: str, ends: tuple[str, ...]) -> str:
    """Return what follows the separator of a URL without user and password, and without what may be a token."""
    _, at, place = rest.rpartition("@")
    begin = min((found + 1 for mark in "?#" if (found := place.find(mark)) >= 0), default=len(place))
    end = min((found for one in ends if (found := place.find(one, begin)) >= 0), default=len(place))
    query = place[begin:end]
    return f"{f'{_OUT}@' if at else ''}{place[:begin]}{query if _is_harmless(query) else _OUT}{place[end:]}"


def _is_harmless(query: str) -> bool:
    """Return whether a query has nothing but parameters that are known to hold no secret."""
    if not query:
        return True
    parameters = (parameter.partition("=") for parameter in query.split("&"))
    return all(
        name in _HARMLESS and value.isascii() and value.replace("-", "").isalnum() for name, _, value in parameters
    )


def _hidden_in_text(found: re.Match[str]) -> str:
    return found[1] + _place(found[2], QUOTES)


def with_ids_masked(text: str) -> str:
    """Return a text with the ids in it shortened, so that two can be told apart and none can be used."""
    import re

    return re.sub(_IDS, lambda found: masked(found[0]), text)


def masked(text: str, head: int = 4, tail: int = 4, gap: str = "…") -> str:
    """Shorten an identifier as `shortened` does; the second different value of this run with the same ends gets "(2)".

    So two values that differ never print alike, and no more of either is printed.
    """
    mask = shortened(text, head, tail, gap)
    return mask and distinct(mask, text)


def distinct(mask: str, text: str) -> str:
    """Return what is printed of a text, numbered unless it is the first one of this run of which that is printed."""
    numbers, counter = _masks.setdefault(mask, ({}, count(1)))
    number = numbers.get(text) or numbers.setdefault(text, next(counter))
    return mask if number == 1 else f"{mask}({number})"


def shortened(text: str, head: int = 4, tail: int = 4, gap: str = "…") -> str:
    """Return the ends of an identifier: enough for a person to know it again, too little to use it.

    Args:
        text: the identifier; ends of line at its end are dropped.
        head, tail: how many characters stay; of a text that has less than four others, one.
        gap: what stands for the others.
    """
    shown = printable(text)
    if len(shown) <= head + tail + 4:
        return f"{shown[:1]}…" if shown else ""
    return f"{shown[:head]}{gap}{shown[len(shown) - tail :]}"


def forget_masks() -> None:
    """Begin a new run, of which no value has been masked yet."""
    _masks.clear()


def replace_surrogates(text: str) -> str:
    """Return a UTF-16 text of Windows as Go has it: U+FFFD in place of each unpaired surrogate."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
