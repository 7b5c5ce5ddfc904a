"""Property tests of the JSON reader and writer against the standard library, made strict by RFC 8259 and UTF-8."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fingerprint._core import JsonError, dumps, loads, members

STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | STRINGS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(STRINGS, inner, max_size=4),
    max_leaves=12,
)
FRAGMENTS = st.sampled_from(
    [
        *'{}[],:"\\ \n\t01-+.eE',
        "null",
        "true",
        "false",
        '"a"',
        '"\\u00e9"',
        "\\ud83d",
        "\\ude00",
        "\\n",
        "\x00",
        "é",
        "NaN",
        '"a":',
    ]
)
SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def strict(data: bytes) -> Any:
    """Return what the standard library reads, or raise ValueError where it accepts invalid JSON.

    Objects come as tuples of pairs behind a mark, so that duplicates show.
    """

    def refuse(word: str) -> None:
        raise ValueError(word)

    value = json.loads(data.decode("utf-8"), parse_constant=refuse, object_pairs_hook=lambda pairs: ("object", pairs))
    check(value, 0)
    return value


def check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, (list, tuple)):
        if depth == 64:
            raise ValueError("nested too deeply")
        for item in value if isinstance(value, list) else [part for pair in value[1] for part in pair]:
            check(item, depth + 1)


def plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return {name: plain(item) for name, item in value[1]}
    return [plain(item) for item in value] if isinstance(value, list) else value


def assert_read_alike(data: bytes) -> None:
    try:
        expected = strict(data)
    except ValueError:
        for function in (loads, members):
            with pytest.raises(JsonError) as caught:
                function(data)
            assert 0 <= caught.value.offset <= len(data)
        return
    assert repr(loads(data)) == repr(plain(expected))
    if isinstance(expected, tuple):
        found = members(data)
        assert found is not None
        assert [(name, repr(loads(raw))) for name, raw in found] == [
            (name, repr(plain(item))) for name, item in expected[1]
        ]
        assert all(raw == raw.strip(b" \t\r\n") and raw in data for _, raw in found)
    elif expected is None:
        assert members(data) is None


def go_text(text: str, html_safe: bool) -> str:
    written = []
    for c in text:
        if c in SHORT:
            written.append(SHORT[c])
        elif c < " " or c in "\u2028\u2029" or (html_safe and c in "<>&"):
            written.append(f"\\u{ord(c):04x}")
        else:
            written.append(c)
    return '"' + "".join(written) + '"'


@given(VALUES, st.sampled_from([None, 0, 3]), st.booleans())
def test_every_value_of_the_standard_library_is_read(value: object, indent: int | None, ascii_only: bool) -> None:
    assert_read_alike(json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode())


@given(st.lists(FRAGMENTS, max_size=30))
@example(['{"a":', "1", ",", '"a":', "2", "}"])
@settings(max_examples=500)
def test_any_text_is_read_as_by_the_strict_stdlib(fragments: list[str]) -> None:
    assert_read_alike("".join(fragments).encode())


@given(VALUES, st.data())
@settings(max_examples=500)
def test_damaged_json_is_read_as_by_the_strict_stdlib(value: object, data: st.DataObject) -> None:
    text = bytearray(dumps(value) if data.draw(st.booleans()) else json.dumps(value).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        size = data.draw(st.integers(0, 2))
        text[at : at + size] = data.draw(st.binary(max_size=2) | FRAGMENTS.map(str.encode))
    assert_read_alike(bytes(text))


@given(st.binary(max_size=40))
@settings(max_examples=500)
def test_strings_of_any_bytes_are_read_as_by_the_strict_stdlib(content: bytes) -> None:
    assert_read_alike(b'"' + content + b'"')


@given(VALUES, st.booleans(), st.integers(0, 3))
def test_written_json_reads_back_as_the_same_value(value: object, html_safe: bool, indent: int) -> None:
    text = dumps(value, html_safe=html_safe, indent=indent)
    assert repr(loads(text)) == repr(value)
    assert repr(json.loads(text)) == repr(value)


@given(st.text(max_size=60), st.booleans())
def test_text_is_escaped_as_the_reference_does(text: str, html_safe: bool) -> None:
    try:
        expected = go_text(text, html_safe).encode()
    except UnicodeEncodeError:
        with pytest.raises(ValueError, match="surrogate"):
            dumps(text)
        return
    assert dumps(text, html_safe=html_safe) == expected
    assert dumps({text: text}, html_safe=html_safe) == b"{" + expected + b":" + expected + b"}"
