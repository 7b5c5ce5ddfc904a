"""Base classes of the values (`Value`) and of the enumerations (`Vocabulary`).

They do what `dataclasses` and `enum` do, whose imports would double the start of the command line; type checkers
know them by PEP 681.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, ClassVar, TypeVar

    from typing_extensions import Self, dataclass_transform

    _V = TypeVar("_V", bound="Value")

else:

    def dataclass_transform(**_options):
        return lambda kind: kind


class Vocabulary(str):
    """Base class of enumerations of words: subclasses annotate their members and call `define`."""

    __slots__ = ()
    _words: ClassVar[dict[str, Vocabulary]] = {}

    def __new__(cls, word: str) -> Self:
        try:
            return cls._words[word]  # type: ignore[return-value]
        except KeyError:
            raise ValueError(f"{word!r} is not one of {', '.join(cls._words)}") from None

    @classmethod
    def define(cls, **words: str) -> None:
        """Define the words of a subclass, as attribute name = word."""
        cls._words = {}
        for name, text in words.items():
            cls._words[text] = word = str.__new__(cls, text)
            setattr(cls, name, word)

    @classmethod
    def members(cls) -> Iterator[Self]:
        """Yield the words in the order of definition."""
        yield from cls._words.values()  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (str(self),)


class _ValueType(type):
    """Make the annotated fields of a class body its slots, as `dataclasses` does; that import costs 8 ms of a start."""

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], *, kw_only: bool = False) -> _ValueType:
        for base in bases:
            if getattr(base, "_names", ()):
                # The class would neither compare nor show nor copy its fields.
                raise TypeError(f"{name} cannot inherit the fields of {base.__name__}: have one as a field")
        fields = tuple(f for f, kind in body.get("__annotations__", {}).items() if not kind.startswith("ClassVar"))
        defaults = {field: body.pop(field) for field in fields if field in body}
        body.update(__slots__=fields, _names=fields, _defaults=defaults, _positional=0 if kw_only else len(fields))
        return super().__new__(mcs, name, bases, body)


@dataclass_transform(frozen_default=True)
class Value(metaclass=_ValueType):
    """Base class of the immutable values: a subclass annotates its fields, with defaults as in a dataclass.

    The repr leaves out fields in `_hidden`. `class X(Value, kw_only=True)` takes its fields by name only.
    """

    _hidden: ClassVar[tuple[str, ...]] = ()
    _names: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[dict[str, Any]] = {}
    _positional: ClassVar[int] = 0

    def __init__(self, *values: Any, **named: Any) -> None:
        fields = self._names
        if len(values) > self._positional:
            raise TypeError(f"{type(self).__name__} takes {self._positional} positional arguments, not {len(values)}")
        put = object.__setattr__
        for field, value in zip(fields, values, strict=False):
            put(self, field, value)
        for field in fields[len(values) :]:
            if field in named:
                put(self, field, named.pop(field))
            elif field in self._defaults:
                put(self, field, self._defaults[field])
            else:
                raise TypeError(f"{type(self).__name__} requires {field}")
        if named:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(named)}, or got it twice")

    def _set(self, **fields: Any) -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._names)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash((type(self), self._fields()))

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{name}={'<hidden>' if name in self._hidden else repr(getattr(self, name))}" for name in self._names
        )
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self._fields())

    def replace(self: _V, **changes: Any) -> _V:
        """Return a copy with the named fields changed.

        Raises:
            TypeError: a name is not that of a field.
        """
        unknown = changes.keys() - set(self._names)
        if unknown:
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        return _restored(type(self), tuple(changes.get(name, getattr(self, name)) for name in self._names))


def _restored(kind: type[_V], fields: tuple[Any, ...]) -> _V:
    value = object.__new__(kind)
    value._set(**dict(zip(kind._names, fields, strict=True)))
    return value
