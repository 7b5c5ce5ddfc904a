"""`Value` does what a frozen dataclass with slots does, and hides secrets; `dataclasses` is the peer."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import pickle
import pkgutil
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

import fingerprint
from fingerprint.types import Attribute, Value, Vocabulary


class Pair(Value):
    _hidden = ("second",)
    words: ClassVar[str] = "not a field"
    first: int
    second: str = "x"


class Named(Value, kw_only=True):
    first: int = 0
    second: str


@dataclasses.dataclass(frozen=True)
class PairPeer:
    first: int
    second: str = "x"


@dataclasses.dataclass(frozen=True)
class NamedPeer:
    _: dataclasses.KW_ONLY
    first: int = 0
    second: str


CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}), ((1,), {}), ((1, "a"), {}), ((1, "a", 2), {}), ((), {"first": 1}), ((), {"second": "a"}),
    ((1,), {"second": "a"}), ((1,), {"first": 2}), ((1, "a"), {"second": "b"}), ((1,), {"third": 2}),
    ((), {"second": "a", "first": 1}), ((), {"second": "a", "third": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "peer"), [(Pair, PairPeer), (Named, NamedPeer)])
@pytest.mark.parametrize(("values", "named"), CALLS)
def test_a_value_takes_what_a_dataclass_takes(
    kind: Any, peer: Any, values: tuple[Any, ...], named: dict[str, Any]
) -> None:
    try:
        wanted = peer(*values, **named)
    except TypeError:
        with pytest.raises(TypeError):
            kind(*values, **named)
        return
    made = kind(*values, **named)
    assert (made.first, made.second) == (wanted.first, wanted.second)
    assert made == kind(*values, **named)
    assert hash(made) == hash(kind(*values, **named))
    assert made != kind(first=7, second="y")


@pytest.mark.parametrize("kind", [Pair, Named, Attribute])
@pytest.mark.parametrize("fields", [{}, {"third": "int"}, {"first": "int"}])
def test_no_value_inherits_fields_that_it_would_lose(kind: type, fields: dict[str, str]) -> None:
    with pytest.raises(TypeError, match=f"Heir cannot inherit the fields of {kind.__name__}"):
        type(kind)("Heir", (kind,), {"__annotations__": fields})


def test_a_value_is_immutable_and_has_no_dictionary() -> None:
    pair = Pair(1)
    for change in (lambda: setattr(pair, "first", 2), lambda: delattr(pair, "first"), lambda: setattr(pair, "new", 2)):
        with pytest.raises(AttributeError):
            change()
    assert not hasattr(pair, "__dict__")
    assert pair.words == "not a field"


def test_hidden_fields_do_not_appear() -> None:
    assert repr(Pair(1, "secret")) == "Pair(first=1, second=<hidden>)"


def test_replace_changes_the_named_fields_and_knows_no_others() -> None:
    assert Pair(1, "a").replace(second="b") == Pair(1, "b")
    assert Named(second="a").replace(first=3) == Named(first=3, second="a")
    with pytest.raises(TypeError, match="third"):
        Pair(1).replace(third=1)


def test_values_of_other_kinds_are_not_equal() -> None:
    class Other(Value):
        first: int
        second: str = "x"

    assert Pair(1) != Other(1)
    assert Pair(1) != PairPeer(1)


def values_of_the_package() -> Iterator[type[Value]]:
    for found in pkgutil.walk_packages(fingerprint.__path__, "fingerprint."):
        if not found.name.endswith(("__main__", "pytest_plugin")):
            try:
                importlib.import_module(found.name)
            except ModuleNotFoundError as error:
                # Of an extra that these tests do without.
                if error.name is None or error.name.startswith("fingerprint"):
                    raise
    pending = [Value]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        if kind is not Value and kind.__module__.startswith("fingerprint"):
            yield kind


def test_every_value_is_copied_and_pickled_completely() -> None:
    """Whatever its constructor asks for: a copy has the fields of the original."""
    kinds = list(values_of_the_package())
    assert len(kinds) > 70
    for kind in kinds:
        value = object.__new__(kind)
        value._set(**{name: f"{name} of it" for name in kind._names})
        for other in (pickle.loads(pickle.dumps(value)), copy.copy(value), value.replace()):
            assert other == value
            assert type(other) is kind
        assert not hasattr(value, "__dict__"), kind


class Word(Vocabulary):
    ONE: ClassVar[Word]


Word.define(ONE="one")


def test_a_vocabulary_has_its_words_and_no_others() -> None:
    assert Word("one") is Word.ONE
    assert list(Word.members()) == [Word.ONE] == ["one"]
    assert pickle.loads(pickle.dumps(Word.ONE)) is Word.ONE
    with pytest.raises(ValueError, match="two"):
        Word("two")
