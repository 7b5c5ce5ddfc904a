"""JSON: read strictly by RFC 8259, written as Go's encoding/json writes it."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from typing import Any

import pytest

from fingerprint import _core
from fingerprint._core import JsonError, dumps, loads, members

IMPORT_ALONE = """
import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec
loader = ExtensionFileLoader(sys.argv[1], sys.argv[2])
loader.exec_module(loader.create_module(ModuleSpec(sys.argv[1], loader, origin=sys.argv[2])))
print(*sys.modules)
"""


@pytest.mark.skipif(".abi3." in _core.__file__, reason="in the Limited API Cython's own runtime imports inspect")
def test_importing_it_loads_nothing_heavy() -> None:
    """A command that only reads the vault must not import the standard library's json."""
    command = [sys.executable, "-I", "-S", "-c", IMPORT_ALONE, "fingerprint._core", _core.__file__]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"re", "enum", "json", "typing", "collections", "functools"} & set(loaded)


VALUES: list[tuple[bytes, Any]] = [
    (b"null", None),
    (b" true\r\n", True),
    (b"\tfalse", False),
    (b"0", 0),
    (b"-0", 0),
    (b"12345678901234567890123", 12345678901234567890123),
    (b"-1.5e+3", -1500.0),
    (b"1E400", float("inf")),
    (b'""', ""),
    (b'"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u0000"', '"\\/\b\f\n\r\té\0'),
    (b'"\\ud83d\\uDE00 \xf0\x9f\x98\x80"', "\U0001f600 \U0001f600"),
    (b'"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80"', "\x7f\x80\u07ff\u0800"),
    (b'"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"', "\ud7ff\ue000\U0010ffff"),
    (b"[]", []),
    (b"[ 1 , [ ] , { } ]", [1, [], {}]),
    (b'{"a" : 1 , "b":{"c":[null]}}', {"a": 1, "b": {"c": [None]}}),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_json_is_read_as_its_value(text: bytes, value: object) -> None:
    found = loads(text)
    assert found == value
    assert type(found) is type(value)


def test_a_number_is_an_int_without_fraction_and_exponent() -> None:
    assert [type(loads(text)) for text in (b"40", b"40.0", b"4e1")] == [int, float, float]


def test_the_last_of_duplicate_names_wins() -> None:
    assert loads(b'{"a":1,"b":2,"\\u0061":3}') == {"a": 3, "b": 2}


BAD = [
    (b"", "no JSON text", 0),
    (b" \n\t\r", "no JSON text", 0),
    (b"nul", "value expected", 0),
    (b"NaN", "value expected", 0),
    (b"-Infinity", "digit expected", 1),
    (b"'a'", "value expected", 0),
    (b"\xef\xbb\xbf1", "value expected", 0),
    (b"01", "leading zero", 0),
    (b"-01", "leading zero", 1),
    (b"+1", "value expected", 0),
    (b"1.", "digit expected", 2),
    (b".5", "value expected", 0),
    (b"1e", "digit expected", 2),
    (b"1e+", "digit expected", 3),
    (b"1" * 5000, "integer too long", 0),
    (b"1 2", "text behind the value", 2),
    (b"nulll", "text behind the value", 4),
    (b"[1,]", "value expected", 3),
    (b"[,1]", "value expected", 1),
    (b"[1", "comma or closing bracket expected", 2),
    (b"[1}", "comma or closing bracket expected", 2),
    (b'{"a":1,}', "member name expected", 7),
    (b"{,}", "member name expected", 1),
    (b"{1:2}", "member name expected", 1),
    (b'{"a" 1}', "colon expected", 5),
    (b'{"a":1]', "comma or closing brace expected", 6),
    (b'"abc', "string without an end", 0),
    (b'"a\x1fb"', "control character in a string", 2),
    (b'"a\nb"', "control character in a string", 2),
    (b'"\\x"', "malformed escape", 1),
    (b'"\\', "malformed escape", 1),
    (b'"\\u12"', "malformed escape", 1),
    (b'"\\u12g4"', "malformed escape", 1),
    (b'"\\ud800"', "lone surrogate", 1),
    (b'"\\udc00\\ud800"', "lone surrogate", 1),
    (b'"\\ud800\\ud800"', "lone surrogate", 1),
    (b'"\\ud800\\u0041"', "lone surrogate", 1),
    (b'"\x80"', "not UTF-8", 1),
    (b'"\xc0\x80"', "not UTF-8", 1),
    (b'"\xc1\xbf"', "not UTF-8", 1),
    (b'"\xe0\x9f\xbf"', "not UTF-8", 1),
    (b'"\xed\xa0\x80"', "not UTF-8", 1),
    (b'"\xf0\x8f\xbf\xbf"', "not UTF-8", 1),
    (b'"\xf4\x90\x80\x80"', "not UTF-8", 1),
    (b'"\xf5\x80\x80\x80"', "not UTF-8", 1),
    (b'"0123456789abcdef\xc3"', "not UTF-8", 17),
    (b'"0123456789abcdef\xe2\x82"', "not UTF-8", 17),
    (b"[" * 65, "nested too deeply", 64),
    (b'{"a":' * 65, "nested too deeply", 5 * 64),
]


@pytest.mark.parametrize(("text", "problem", "offset"), BAD)
def test_invalid_json_is_rejected_with_problem_and_offset(text: bytes, problem: str, offset: int) -> None:
    with pytest.raises(JsonError) as caught:
        loads(text)
    assert (caught.value.problem, caught.value.offset) == (problem, offset)
    assert str(caught.value) == f"{problem} at byte {offset}"


@pytest.mark.parametrize("length", range(40))
def test_a_string_of_every_length_is_read_to_its_end(length: int) -> None:
    """The scanner reads blocks; a string and the text may end anywhere in a block."""
    for position in range(length + 1):
        for inserted, expected in ((b"\\n", "\n"), (b"\xc3\xa9", "é"), (b"", "")):
            text = b"x" * position + inserted + b"x" * (length - position)
            assert loads(b'"' + text + b'"') == "x" * position + expected + "x" * (length - position)
        for bad in (b"\x00", b"\x1f", b"\xff", b"\\"):
            with pytest.raises(JsonError):
                loads(b'"' + b"x" * position + bad + b"x" * (length - position) + b'"')


def test_64_containers_may_be_open_at_a_time() -> None:
    value = loads(b"[" * 64 + b"]" * 64)
    depth = 0
    while isinstance(value, list):
        value, depth = (value or [None])[0], depth + 1
    assert depth == 64
    assert members(b'{"a":' + b"[" * 63 + b"]" * 63 + b"}") == [("a", b"[" * 63 + b"]" * 63)]
    with pytest.raises(JsonError, match="nested too deeply"):
        members(b'{"a":' + b"[" * 64 + b"]" * 64 + b"}")


def test_the_error_is_a_value_error_that_copies_and_pickles() -> None:
    error = JsonError("value expected", 7)
    assert isinstance(error, ValueError)
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(again) is JsonError
        assert (again.problem, again.offset, str(again)) == ("value expected", 7, "value expected at byte 7")


def test_members_are_in_order_with_the_bytes_of_their_values() -> None:
    text = b' { "b" : [1, 2] ,"a":"\\u0061" , "b":{"x" :1.50}, "\\u00e9\\n":null\n} '
    assert members(text) == [("b", b"[1, 2]"), ("a", b'"\\u0061"'), ("b", b'{"x" :1.50}'), ("é\n", b"null")]
    assert members(b"{ }") == []


def test_members_of_null_are_none() -> None:
    assert members(b" null ") is None


@pytest.mark.parametrize("text", [b"[]", b"1", b'"a"', b"true", b"nul"])
def test_members_of_other_values_are_rejected(text: bytes) -> None:
    with pytest.raises(JsonError) as caught:
        members(text)
    assert caught.value.problem == "not a JSON object"


@pytest.mark.parametrize(
    "text", [b"", b"{} {}", b"null x", b'{"a":1,}', b'{"a":01}', b'{"a":["\\ud800"]}', b'{"a":}', b"{"]
)
def test_members_checks_the_complete_text(text: bytes) -> None:
    with pytest.raises(JsonError):
        members(text)


@pytest.mark.parametrize("function", [loads, members])
def test_only_bytes_are_read(function: Any) -> None:
    for wrong in ("{}", bytearray(b"{}"), None):
        with pytest.raises(TypeError):
            function(wrong)


def test_text_is_escaped_as_the_reference_does() -> None:
    text = '<&>\u2028\u2029\u2027é"\\\x7f\t\n\r\b\f\x01\x1f/\U0001f600'
    expected = '"\\u003c\\u0026\\u003e\\u2028\\u2029\u2027é\\"\\\\\x7f\\t\\n\\r\\u0008\\u000c\\u0001\\u001f/\U0001f600"'
    assert dumps(text) == expected.encode()
    assert dumps("<&>\u2028", html_safe=False) == b'"<&>\\u2028"'


def test_a_record_of_the_reference_is_written_byte_for_byte() -> None:
    record = {
        "fingerprint": "979b554b-0d67-42c6-9730-48443b3016dd",
        "hardwareHash": {"a": "1", "b": '<&>\u2028é"\\\x7f\t\x01', "machine-id": "ab\n"},
        "similarityThreshold": 40,
    }
    assert dumps(record).decode() == (
        '{"fingerprint":"979b554b-0d67-42c6-9730-48443b3016dd","hardwareHash":{"a":"1",'
        '"b":"\\u003c\\u0026\\u003e\\u2028é\\"\\\\\x7f\\t\\u0001","machine-id":"ab\\n"},"similarityThreshold":40}'
    )
    assert dumps({"fingerprint": "", "hardwareHash": None, "similarityThreshold": 0}) == (
        b'{"fingerprint":"","hardwareHash":null,"similarityThreshold":0}'
    )


def test_every_kind_of_value_is_written() -> None:
    value: list[object] = [None, True, False, 0, -(2**70), 1.5, -0.0, 1e16, "", [], (), {}, {"b": 1, "a": (2,)}]
    assert dumps(value) == (b'[null,true,false,0,-1180591620717411303424,1.5,-0.0,1e+16,"",[],[],{},{"b":1,"a":[2]}]')


def test_bytes_are_written_as_the_json_text_that_they_are() -> None:
    assert dumps({"known": 1, "extra": b'{ "x":1.50 }'}) == b'{"known":1,"extra":{ "x":1.50 }}'


def test_subclasses_are_written_as_their_base_types() -> None:
    class Text(str):
        __slots__ = ()

    class Number(int):
        def __repr__(self) -> str:
            return "not JSON"

    class Mapping(dict):  # type: ignore[type-arg]
        pass

    assert dumps(Mapping({Text("a"): Text("b"), "n": Number(3)})) == b'{"a":"b","n":3}'


@pytest.mark.parametrize("value", [[1, {"a": [], "b": {}, "c": [None, "é"]}], {}, [], {"a": {"b": {"c": 1}}}, "x"])
@pytest.mark.parametrize("indent", [1, 2, 4])
def test_an_indent_writes_the_output_of_the_standard_library(value: object, indent: int) -> None:
    assert dumps(value, indent=indent).decode() == json.dumps(value, indent=indent, ensure_ascii=False)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "\ud800", {"\udfff": 1}, ["a\udc00b"]])
def test_values_without_json_are_value_errors(value: object) -> None:
    with pytest.raises(ValueError, match="JSON"):
        dumps(value)


def test_a_lone_surrogate_is_rejected_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="surrogate") as caught:
        dumps("secret\ud800")
    assert not isinstance(caught.value, UnicodeError)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("value", [{1: 2}, {None: 1}, object(), {1, 2}, bytearray(b"1"), [1j]])
def test_another_type_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError):
        dumps(value)


def test_a_cycle_or_a_deep_value_is_a_value_error() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    deep: list[object] = []
    for _ in range(63):
        deep = [deep]
    assert dumps(deep) == b"[" * 64 + b"]" * 64
    for value in (cycle, [deep]):
        with pytest.raises(ValueError, match="nested too deeply"):
            dumps(value)


def test_a_negative_indent_is_rejected() -> None:
    with pytest.raises(ValueError, match="negative"):
        dumps([], indent=-1)
