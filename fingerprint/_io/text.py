"""Make external text safe to print: no escape sequences, no passwords, masked identifiers.

A character that Unicode calls printable is printed; any other one is escaped as in Python and JSON.
"""

from __future__ import annotations

from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

# Mask -> the values of this run that have it, each with its number, and the next number.
_masks: dict[str, tuple[dict[str, int], count[int]]] = {}


def printable(text: str) -> str:
    """Return a value that stays in its line of a table, without line ends at its end."""
    text = text.rstrip("\r\n")
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def one_line(text: str) -> str:
    """Return a text in one line: its lines are joined with blanks."""
    return " ".join(filter(None, map(str.strip, text.splitlines()))) if "\n" in text else text


def visible(text: str) -> str:
    """Return a text in which only line ends and tabs move the cursor."""
    if all(map(str.isprintable, text.split("\n"))):
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _escaped(c) for c in text)


def visible_json(text: str) -> str:
    """Return equal JSON without unprintable characters, which can only be in its strings."""
    if all(map(str.isprintable, text.split("\n"))):
        return text
    return "".join(c if c.isprintable() or c in "\n\r\t" else _escaped_json(c) for c in text)


def quoted(text: str, limit: int = 40) -> str:
    """Return the beginning of external text in quotes, in ASCII, so that lookalike characters are visible."""
    return ascii(text[:limit])


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escaped_json(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


# A separator as a URL has it, or as JSON may escape it.
_SEPARATOR = r":(?:\\?/){2}"
# Up to the end of the word, or to the closing quote: a password may have characters that should have been escaped. Each
# URL is matched once, with or without a password.
_QUOTED_URL = rf'("[A-Za-z][A-Za-z0-9+.-]*{_SEPARATOR})([^"\\]*(?:\\.[^"\\]*)*)'
_URL = rf'({_SEPARATOR})((?:[^\s"\\]|\\.)*)'
_SEPARATORS = ("://", ":\\/\\/")
# Quotes that may surround a URL in a text, or in a text within JSON.
QUOTES = ('\\"', '"', "'")
_OUT = "***"
_SIGNS_OF_SECRETS = ("secret", "token", "code", "akia", "asia", "password", "private key")
# A name and its value; a value has a digit, so that "password: required" stays. Or the ID of a key and the key.
_SECRET = (
    r"((?:secret[-_ ]?(?:access[-_ ]?)?key|(?:session|security)[-_ ]?token|activation[-_ ]?code|password)[\\\"']{0,4}"
    r"(?:[ \t]{0,8}(?:[:=]|=>)|[ \t])[ \t]{0,8}[\\\"']{0,4}|[ \t]-{1,2}(?:activation-?)?code(?:[ \t]{1,8}|=)[\"']?|"
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}[\"', :/;]{1,4})(?=[A-Za-z+/=_%-]{0,200}\d)[A-Za-z0-9+/=_%-]{6,}"
)
_PEM = r"(-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY-----)[A-Za-z0-9+/=\s\\]*"
# Parameters of the agent's requests to a metadata service.
_HARMLESS = ("api-version", "format")
# Between the maker and the last digits of a hardware address.
MAC_GAP = ":…:"
_SCHEME_SIGNS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-"
_IDS = (
    # Nodes, accounts, UUIDs with and without hyphens. The end of a text may be cut off.
    r"\b(?:mi|i)-[0-9a-f]{8,17}\b|(?<!\d)\d{12}(?!\d)|(?<=:)\d{6,11}$"
    r"|\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b|\b[0-9A-Fa-f]{32}\b"
)


def without_passwords(text: str) -> str:
    """Return a text with `hidden` applied to each URL."""
    if "://" in text or ":\\/" in text:
        # Imported here, as below: `check` prints text without regular expressions.
        import re

        text = re.sub(_QUOTED_URL, _hidden_in_text, text)
        text = re.sub(_URL, _hidden_in_text, text)
    return text


def without_secrets(text: str) -> str:
    """Return a text of others without passwords, keys, tokens and codes of activations that their names show."""
    lowered = text.lower()
    if any(sign in lowered for sign in _SIGNS_OF_SECRETS):
        import re

        text = re.sub(_SECRET, rf"\g<1>{_OUT}", text, flags=re.IGNORECASE)
        text = re.sub(_PEM, rf"\g<1>{_OUT}", text)
    return without_passwords(text)


def hidden(url: str, ends: tuple[str, ...] = ()) -> str:
    """Return a URL, valid or not, without user, password, query and fragment.

    A query stays if all its parameters are known to hold no secret.

    Args:
        url: the URL; its separator may be escaped as in JSON.
        ends: quotes that end it; text from the first of them after its query stays.
    """
    at, separator = min(((url.find(one), one) for one in _SEPARATORS if one in url), default=(0, ""))
    if not separator:
        return _hidden_rest(url, ends)
    # Without a scheme, the separator may be in the password, and the text before it the start of the password.
    scheme = url[:at] if at and not url[:at].strip(_SCHEME_SIGNS) else _OUT
    return f"{scheme}{separator}{_hidden_rest(url[at + len(separator) :], ends)}"


def _hidden_rest(rest: str, ends: tuple[str, ...]) -> str:
    """Return the part after the separator of a URL, without user and password, and without possible tokens."""
    _, at, location = rest.rpartition("@")
    begin = min((found + 1 for mark in "?#" if (found := location.find(mark)) >= 0), default=len(location))
    end = min((found for one in ends if (found := location.find(one, begin)) >= 0), default=len(location))
    query = location[begin:end]
    return f"{f'{_OUT}@' if at else ''}{location[:begin]}{query if _is_harmless(query) else _OUT}{location[end:]}"


def _is_harmless(query: str) -> bool:
    """Return whether all parameters of a query are known to hold no secret."""
    if not query:
        return True
    parameters = (parameter.partition("=") for parameter in query.split("&"))
    return all(
        name in _HARMLESS and value.isascii() and value.replace("-", "").isalnum() for name, _, value in parameters
    )


def _hidden_in_text(found: re.Match[str]) -> str:
    return found[1] + _hidden_rest(found[2], QUOTES)


def with_ids_masked(text: str) -> str:
    """Return a text with its ids shortened, so that two stay distinct and none is usable."""
    import re

    return re.sub(_IDS, lambda found: masked(found[0]), text)


def masked(text: str, head: int = 4, tail: int = 4, gap: str = "…") -> str:
    """Shorten an identifier as `shortened` does; the second different value of this run with the same ends gets "(2)".

    So two different values never print alike, without printing more of either.
    """
    mask = shortened(text, head, tail, gap)
    return mask and distinct(mask, text)


def distinct(mask: str, text: str) -> str:
    """Return the mask of a text, numbered unless this text was the first of this run with that mask."""
    numbers, counter = _masks.setdefault(mask, ({}, count(1)))
    number = numbers.get(text) or numbers.setdefault(text, next(counter))
    return mask if number == 1 else f"{mask}({number})"


def shortened(text: str, head: int = 4, tail: int = 4, gap: str = "…") -> str:
    """Return the ends of an identifier: enough to recognize it, too little to use it.

    Args:
        text: the identifier; line ends at its end are dropped.
        head, tail: how many characters stay; only one if fewer than four would be hidden.
        gap: replaces the others.
    """
    shown = printable(text)
    if len(shown) <= head + tail + 4:
        return f"{shown[:1]}…" if shown else ""
    return f"{shown[:head]}{gap}{shown[len(shown) - tail :]}"


def forget_masks() -> None:
    """Begin a new run without masked values."""
    _masks.clear()


def replace_surrogates(text: str) -> str:
    """Return a UTF-16 text of Windows as Go has it: U+FFFD in place of each unpaired surrogate."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
