"""Many values found in a text in one pass: its time grows with the text, not with how many values there are."""

from __future__ import annotations

import re
from bisect import bisect_right

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LENGTH_MOST = 256
_PIECE = 128
# Shorter values are found only where they stand as words of their own.
_LONG = 8
_ALNUM = frozenset("0123456789abcdefghijklmnopqrstuvwxyz")
# What must not stand beside a value of some kind, as it would be part of another one: 10.0.0.1 in 10.0.0.12.
_BESIDE = {"ip": frozenset("0123456789"), "ip6": frozenset("0123456789abcdef:")}


class KnownValues:
    """A set of values, compared without regard to case."""

    def __init__(self) -> None:
        self._beside: dict[str, frozenset[str]] = {}
        self._sorted: list[str] | None = None
        self._shorter: list[int] = []
        self._candidate: re.Pattern[str] = re.compile("(?!)")

    def add(self, value: str, kind: str = "") -> None:
        """Add a value, two characters long at least and LENGTH_MOST at most."""
        value = folded(value)
        if value not in self._beside:
            alone = _ALNUM if len(value) < _LONG else frozenset()
            self._beside[value] = alone | _BESIDE.get(kind, frozenset())
            self._sorted = None

    def sub(self, replace: Callable[[str], str], text: str, kept: Iterable[tuple[int, int]] = ()) -> str:
        """Return a text with what `replace` gives, for a value in lower case, in place of each value.

        Args:
            replace: called with the value as it was added.
            text: the text.
            kept: spans in their order; no value that begins in one is replaced.
        """
        lowered = folded(text)
        pieces, end = [], 0
        spans = iter([*kept, (len(text), len(text))])
        span = next(spans)
        for start in self._starts(lowered):
            while start >= span[1] and span[0] < len(text):
                span = next(spans)
            if start < end or span[0] <= start < span[1]:
                continue
            value = self._longest(lowered, start)
            if value:
                pieces += [text[end:start], replace(value)]
                end = start + len(value)
        return "".join([*pieces, text[end:]]) if pieces else text

    def _starts(self, lowered: str) -> Iterator[int]:
        """Yield the positions where a value may begin, by its first characters."""
        if self._sorted is None:
            self._sort()
        return (found.start() for found in self._candidate.finditer(lowered))

    def _longest(self, lowered: str, start: int) -> str:
        """Return the longest value that begins at a place, "" for none.

        Of sorted values all that a text begins with are found from the last one before it: it, the longest one that
        it begins with itself, and so on.
        """
        assert self._sorted is not None
        rest = lowered[start : start + LENGTH_MOST]
        place = bisect_right(self._sorted, rest) - 1
        while place >= 0:
            value = self._sorted[place]
            if rest.startswith(value) and self._stands(value, lowered, start):
                return value
            place = self._shorter[place]
        return ""

    def _stands(self, value: str, lowered: str, start: int) -> bool:
        beside, end = self._beside[value], start + len(value)
        return not (lowered[start - 1 : start] in beside and start) and not (
            end < len(lowered) and lowered[end] in beside
        )

    def _sort(self) -> None:
        values = sorted(self._beside)
        self._shorter = []
        above: list[int] = []
        for place, value in enumerate(values):
            while above and not value.startswith(values[above[-1]]):
                above.pop()
            self._shorter.append(above[-1] if above else -1)
            above.append(place)
        long = [value for value in values if len(value) >= _LONG]
        short = [value for value in values if len(value) < _LONG]
        # Compare the first characters only, without a step for each value.
        ways = [_beginning(long, _LONG)] if long else []
        ways += [f"(?<![A-Za-z0-9]){_beginning(short, 2)}"] if short else []
        self._candidate = re.compile("|".join(ways) or "(?!)")
        self._sorted = values


def folded(text: str) -> str:
    """Return a text in lower case, as long as it was."""
    if text.isascii():
        return text.lower()
    return text.replace("\u0130", "i").lower().replace("\u03c2", "\u03c3")


def pieces_of(value: str) -> Iterator[str]:
    """Yield a value, or where it is longer than what can be added, the pieces that it is made of."""
    while len(value) > LENGTH_MOST:
        yield value[:_PIECE]
        value = value[_PIECE:]
    yield value


def _beginning(values: list[str], length: int) -> str:
    """Return a pattern for what may be the first characters of some values."""
    sets = ("".join(sorted({value[place] for value in values})) for place in range(length))
    return "(?=" + "".join(f"[{re.escape(chars)}]" for chars in sets) + ")"
