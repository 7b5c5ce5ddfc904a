"""Closed sets of words, each a `str`: what `enum.StrEnum` does, without its import.

`enum` costs four milliseconds of a start that takes eleven, and the command line is run by
monitoring every minute; so the words of this package are made here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

    from typing_extensions import Self


class Vocabulary(str):
    """Base of a closed vocabulary: subclasses annotate their words and call `define`."""

    __slots__ = ()
    _words: ClassVar[dict[str, Vocabulary]] = {}

    def __new__(cls, word: str) -> Self:
        try:
            return cls._words[word]  # type: ignore[return-value]
        except KeyError:
            raise ValueError(f"{word!r} is not one of {', '.join(cls._words)}") from None

    @classmethod
    def define(cls, **words: str) -> None:
        """Make the words of a subclass: attribute name = text."""
        cls._words = {}
        for name, text in words.items():
            cls._words[text] = word = str.__new__(cls, text)
            setattr(cls, name, word)

    @classmethod
    def members(cls) -> Iterator[Self]:
        """Yield the words in the order of their definition."""
        yield from cls._words.values()  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (str(self),)
