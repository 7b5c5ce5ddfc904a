"""The match rule over JSON Lines: one answer for each line, valid or not."""

from __future__ import annotations

import array
import copy
import json
import pickle
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from fingerprint import _matchlines
from fingerprint._matchlines import Matcher
from textbook import percent, single

LIMIT = 64 * 1024 * 1024
SAME = {"saved": {"a": "1"}, "current": {"a": "1"}, "threshold": 40}


def line(**members: Any) -> bytes:
    return json.dumps({**SAME, **members}).encode()


def answer(text: bytes) -> dict[str, Any]:
    """Return the only answer to a line."""
    matcher = Matcher()
    (only,) = (matcher.feed(text) + matcher.finish()).splitlines()
    found: dict[str, Any] = json.loads(only)
    return found


def reason(saved: object, current: object, threshold: int = 40, **members: Any) -> str:
    found = answer(line(saved=saved, current=current, threshold=threshold, **members))
    if found["match"] is None:
        return str(found["error"])
    return str(found["reason"])


def test_the_matcher_is_compiled() -> None:
    assert not _matchlines.__file__.endswith(".py")


def test_an_answer_is_one_compact_line_in_the_documented_order() -> None:
    text = b'{"saved":{"machine-id":"m","b":"1"},"current":{"machine-id":"m","b":"2"},"threshold":40}\n'
    assert Matcher().feed(text) == b'{"match":true,"reason":"SAME_IP","matched":1,"total":2,"percent":50}\n'


@pytest.mark.parametrize(
    ("saved", "current", "threshold", "expected"),
    [
        ({}, {}, -1, "DISABLED"),
        ({"machine-id": "a"}, {"machine-id": "b"}, -1, "DISABLED"),
        ({}, {"a": "1"}, 0, "NOTHING_TO_COMPARE"),
        (None, {"a": "1"}, 40, "NOTHING_TO_COMPARE"),
        ({"a": "1"}, None, 40, "NOTHING_TO_COMPARE"),
        ({"machine-id": "a", "ipaddress-info": "i"}, {"machine-id": "b", "ipaddress-info": "i"}, 1, "SID_DIFFERS"),
        ({"machine-id": "a"}, {"x": ""}, 1, "SID_DIFFERS"),
        ({"machine-id": ""}, {"x": ""}, 1, "SAME_IP"),
        ({"ipaddress-info": "i"}, {"ipaddress-info": "i"}, 101, "SAME_IP"),
        ({"ipaddress-info": ""}, {"x": ""}, 101, "SAME_IP"),
        ({"ipaddress-info": "i", "a": "1"}, {"ipaddress-info": "j", "a": "1"}, 50, "SIMILAR"),
        ({"ipaddress-info": "i", "a": "1"}, {"ipaddress-info": "j", "a": "1"}, 51, "NOT_SIMILAR"),
        ({"ipaddress-info": "i", "a": "1"}, {"a": "1"}, 100, "SIMILAR"),
        ({"ipaddress-info": "i"}, {"ipaddress-info": "j"}, 0, "SIMILAR"),
        ({"ipaddress-info": "i"}, {"ipaddress-info": "j"}, -2, "SIMILAR"),
    ],
)
def test_the_first_rule_that_applies_decides(
    saved: dict[str, str] | None, current: dict[str, str] | None, threshold: int, expected: str
) -> None:
    assert reason(saved, current, threshold) == expected


def test_the_sid_key_chooses_the_hardware_id() -> None:
    saved, current = {"machine-id": "a", "uuid": "u"}, {"machine-id": "b", "uuid": "u"}
    assert reason(saved, current) == "SID_DIFFERS"
    assert reason(saved, current, sidKey="machine-id") == "SID_DIFFERS"
    assert reason(saved, current, sidKey="uuid") == "SAME_IP"
    assert reason({"uuid": "u"}, {"uuid": "v"}, sidKey="uuid") == "SID_DIFFERS"


def test_matched_and_total_are_counted_for_every_rule() -> None:
    hashes = {"saved": {"a": "1", "b": "2", "z": ""}, "current": {"a": "1", "b": "3", "c": "4"}}
    for threshold in (-1, 40):
        found = answer(line(**hashes, threshold=threshold))
        assert (found["matched"], found["total"]) == (1, 3)
        assert b'"percent":33.333336}' in Matcher().feed(line(**hashes, threshold=threshold) + b"\n")
    found = answer(line(saved=None, current={}, threshold=-1))
    assert (found["matched"], found["total"], found["percent"]) == (0, 0, 0)


def test_single_precision_rejects_where_exact_would_accept() -> None:
    saved = {"ipaddress-info": "i"} | {str(i): "x" for i in range(53)}
    current = {"ipaddress-info": "j"} | {str(i): "x" for i in range(99)}
    assert reason(saved, current, 53) == "NOT_SIMILAR"
    assert b'"matched":53,"total":100,"percent":52.999996}' in Matcher().feed(
        line(saved=saved, current=current, threshold=53) + b"\n"
    )


def shortest(number: float) -> str:
    """Return the decimal with the fewest digits that reads back to the same single."""
    for decimals in range(30):
        text = f"{number:.{decimals}f}"
        if single(float(text)) == number:
            return text
    raise AssertionError(number)


@pytest.mark.parametrize("totals", [range(1, 70), [100, 128, 1000, 12800, 50000]])
def test_the_percentage_is_the_shortest_decimal_of_the_single(totals: list[int]) -> None:
    for total in totals:
        names = [f'"{i}":""' for i in range(total)]
        for matched in range(total + 1) if total < 70 else (0, 1, 3, total // 3, total - 1, total):
            saved, current = ",".join(names[:matched]), ",".join(names)
            text = f'{{"saved":{{{saved}}},"current":{{{current}}},"threshold":1}}\n'
            found = Matcher().feed(text.encode()).decode()
            expected = shortest(percent(matched, total))
            assert found.endswith(f'"matched":{matched},"total":{total},"percent":{expected}}}\n')
            assert json.loads(found, parse_float=Decimal)["percent"] == Decimal(expected)


def test_null_reads_as_the_empty_value() -> None:
    assert reason({"machine-id": None, "ipaddress-info": "i"}, {"machine-id": "", "ipaddress-info": "j"}) == "SIMILAR"
    assert reason({"ipaddress-info": None}, {"ipaddress-info": "i"}, 100) == "NOT_SIMILAR"


def test_the_last_of_duplicate_keys_wins() -> None:
    saved = b'{"a":"1","b":"2","a":"3","machine-id":"m","machine-id":"n","\\u0061":"4"}'
    found = answer(b'{"saved":' + saved + b',"current":{"machine-id":"n","a":"9","a":"4"},"threshold":40}')
    assert (found["reason"], found["matched"], found["total"]) == ("SAME_IP", 2, 2)


def test_the_last_of_duplicate_members_wins() -> None:
    text = b'{"threshold":-1,"sidKey":"machine-id","saved":{"a":"1","b":"2"},"current":{"a":"1"},"saved":{"uuid":"x"},'
    found = answer(text + b'"current":{"uuid":"x","b":"2"},"threshold":40,"sidKey":"uuid"}')
    assert (found["reason"], found["matched"], found["total"]) == ("SAME_IP", 1, 2)


def test_strings_compare_by_text_and_not_by_escapes() -> None:
    saved = rb'{"\u006dachine-id":"A\n\u00e9\ud83d\ude00","ipaddress-info":"\/"}'
    current = rb'{"machine-id":"\u0041\u000a' + "é\U0001f600".encode() + rb'","ipaddress\u002dinfo":"/"}'
    found = answer(b'{"saved":' + saved + b',"current":' + current + b',"threshold":40}')
    assert (found["reason"], found["matched"], found["total"]) == ("SAME_IP", 2, 2)


def test_names_of_members_may_be_escaped_but_not_in_another_case() -> None:
    assert answer(rb'{"\u0073aved":{},"current":{},"threshold":-1}')["reason"] == "DISABLED"
    assert answer(b'{"Saved":{},"current":{},"threshold":-1}')["error"] == "line 1: saved: missing at byte 40"


def test_members_with_other_names_are_ignored_but_must_be_json() -> None:
    assert reason({"a": "1"}, {"a": "1"}, id=[1, {"saved": 3}, 1.5, None, "x"], sid_key=7) == "SAME_IP"
    assert answer(b'{"id":[1,],"saved":{},"current":{},"threshold":-1}')["error"] == (
        "line 1: value expected at byte 9"
    )


@pytest.mark.parametrize("count", [2, 15, 16, 17, 18, 31, 33, 100, 100_000])
def test_any_number_of_keys_in_any_order_is_matched(count: int) -> None:
    names = [f"key {i:07d}" for i in range(count)]
    turned = names[1::2] + names[::-2]
    extra = [*turned, *turned[: count // 2]]
    saved = ",".join(f'"{name}":"{i}"' for i, name in enumerate(extra))
    values = {name: str(i) for i, name in enumerate(extra)}
    current = json.dumps({name: values.get(name, "") for name in sorted(values, reverse=True)})
    found = answer(f'{{"saved":{{{saved}}},"current":{current},"threshold":1}}'.encode())
    assert (found["matched"], found["total"]) == (len(values), len(values))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"x", "not an object at byte 0"),
        (b"[]", "not an object at byte 0"),
        (b"null", "not an object at byte 0"),
        (b"{", "member name expected at byte 1"),
        (b"{}", "saved: missing at byte 2"),
        (b'{"saved":{}}', "current: missing at byte 12"),
        (b'{"saved":{},"current":{}}', "threshold: missing at byte 25"),
        (line() + b"x", "text behind the value at byte 61"),
        (b'{"saved":[]}', "saved: not an object at byte 9"),
        (b'{"saved":"x"}', "saved: not an object at byte 9"),
        (b'{"saved":nul}', "saved: value expected at byte 9"),
        (b'{"current":{"a":1}}', "current: neither a string nor null at byte 16"),
        (b'{"current":{"a":{}}}', "current: neither a string nor null at byte 16"),
        (b'{"current":{"a":true}}', "current: neither a string nor null at byte 16"),
        (b'{"current":{"a":nul}}', "current: value expected at byte 16"),
        (b'{"current":{"a":}}', "current: neither a string nor null at byte 16"),
        (b'{"current":{"a":"1",}}', "current: member name expected at byte 20"),
        (b'{"current":{"a":"\\ud800"}}', "current: lone surrogate at byte 17"),
        (b'{"current":{"a":"\xff"}}', "current: not UTF-8 at byte 17"),
        (b'{"current":{"a\x01":""}}', "current: control character in a string at byte 14"),
        (b'{"threshold":"40"}', "threshold: not an integer at byte 13"),
        (b'{"threshold":40.0}', "threshold: not an integer at byte 13"),
        (b'{"threshold":4e1}', "threshold: not an integer at byte 13"),
        (b'{"threshold":null}', "threshold: not an integer at byte 13"),
        (b'{"threshold":040}', "threshold: leading zero at byte 13"),
        (b'{"threshold":9223372036854775808}', "threshold: integer out of range at byte 13"),
        (b'{"threshold":-9223372036854775809}', "threshold: integer out of range at byte 13"),
        (b'{"threshold":99999999999999999999999}', "threshold: integer out of range at byte 13"),
        (b'{"sidKey":null}', "sidKey: not a string at byte 10"),
        (b'{"sidKey":"UUID"}', "sidKey: neither machine-id nor uuid at byte 10"),
        (b'{"x":' + b"[" * 64, "nested too deeply at byte 68"),
        (b'\xef\xbb\xbf{"saved":{}}', "not an object at byte 0"),
    ],
)
def test_an_invalid_line_is_answered_with_problem_and_offset(text: bytes, error: str) -> None:
    matcher = Matcher()
    found = matcher.feed(b"\n" + line() + b"\n" + text + b"\n" + line() + b"\n").splitlines()
    assert found[1] == b'{"match":null,"reason":"INVALID_INPUT","error":"line 3: %s"}' % error.encode()
    assert found[0] == found[2]
    assert len(found) == 3
    assert (matcher.lines, matcher.differs, matcher.errors) == (4, 0, 1)
    assert matcher.first_error == f"line 3: {error}"


@pytest.mark.parametrize("threshold", [-(2**63), 2**63 - 1, 0, -1])
def test_a_threshold_may_have_64_bits(threshold: int) -> None:
    assert "error" not in answer(line(threshold=threshold))


def test_the_first_error_stays() -> None:
    matcher = Matcher()
    assert matcher.first_error == ""
    matcher.feed(b"1\n2\n")
    matcher.feed(b"\n\nxyz\n")
    assert (matcher.first_error, matcher.errors) == ("line 1: not an object at byte 0", 3)


def test_blank_lines_count_as_lines_and_get_no_answer() -> None:
    matcher = Matcher()
    assert matcher.feed(b"\n \t\r\n\r\n") == b""
    assert b'"error":"line 4: ' in matcher.feed(b"{\n")
    assert matcher.feed(b"  ") + matcher.finish() == b""
    assert (matcher.lines, matcher.errors) == (5, 1)


def test_lines_may_end_as_on_windows_and_hold_blanks() -> None:
    plain = line() + b"\n"
    assert Matcher().feed(b" " + line() + b" \t\r\n" + plain) == Matcher().feed(plain + plain)


def test_a_last_line_without_newline_is_answered_at_the_end() -> None:
    matcher = Matcher()
    assert matcher.feed(line()) == b""
    assert matcher.lines == 0
    assert matcher.finish() == Matcher().feed(line() + b"\n")
    assert (matcher.finish(), matcher.lines) == (b"", 1)


def test_chunks_may_end_anywhere() -> None:
    text = b"\n".join([line(), b"bad", b"", line(threshold=-1), line(saved={"a": "é\n"}), b"{", line()])
    at_once = Matcher()
    expected = at_once.feed(text) + at_once.finish()
    for size in range(1, len(text) + 1):
        matcher = Matcher()
        found = b"".join(matcher.feed(text[at : at + size]) for at in range(0, len(text), size)) + matcher.finish()
        assert found == expected
        assert (matcher.lines, matcher.errors, matcher.first_error) == (
            at_once.lines,
            at_once.errors,
            at_once.first_error,
        )


def test_any_bytes_like_object_is_a_chunk() -> None:
    text = line() + b"\n"
    expected = Matcher().feed(text)
    for chunk in (bytearray(text), memoryview(text), array.array("B", text), memoryview(text[::-1])[::-1]):
        assert Matcher().feed(chunk) == expected
    for wrong in ("{}", 7, None):
        with pytest.raises(TypeError):
            Matcher().feed(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [LIMIT, 1 << 20])
def test_a_line_over_64_mib_is_an_error_and_its_rest_is_dropped(size: int) -> None:
    fitting = line() + b" " * (LIMIT - len(line()))
    text = fitting + b"\n" + fitting + b" \n" + line() + b"\n" + b"x" * (LIMIT + 1)
    matcher = Matcher()
    found = b"".join(matcher.feed(text[at : at + size]) for at in range(0, len(text), size)) + matcher.finish()
    answers = found.splitlines()
    assert answers[0] == answers[2]
    assert answers[1].endswith(b'"error":"line 2: longer than 64 MiB at byte 67108864"}')
    assert answers[3].endswith(b'"error":"line 4: longer than 64 MiB at byte 67108864"}')
    assert (len(answers), matcher.lines, matcher.errors) == (4, 4, 2)


def test_the_counts_are_those_of_the_answers() -> None:
    matcher = Matcher()
    refused = line(saved={"machine-id": "1"}, current={"machine-id": "2"})
    matcher.feed(b"\n".join([line(), refused, refused, b"x", line(), b"", line()]) + b"\n")
    assert (matcher.lines, matcher.differs, matcher.errors) == (7, 2, 1)


def test_the_counts_cannot_be_set_nor_the_state_copied() -> None:
    matcher = Matcher()
    for name in ("lines", "differs", "errors", "first_error"):
        with pytest.raises(AttributeError):
            setattr(matcher, name, 0)
    for function in (copy.copy, pickle.dumps):
        with pytest.raises(TypeError):
            function(matcher)
    with pytest.raises(TypeError):
        type("Derived", (Matcher,), {})


def test_other_threads_run_but_cannot_use_the_same_matcher() -> None:
    matcher = Matcher()
    text = (line() + b"\n") * 300_000
    refused = threading.Event()

    def use(call: Callable[[], bytes]) -> None:
        try:
            call()
        except RuntimeError:
            refused.set()

    def work() -> None:
        for _ in range(100):
            if refused.is_set():
                return
            use(lambda: matcher.feed(text))

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive() and not refused.is_set():
        use(matcher.finish)
    thread.join()
    assert refused.is_set()
    assert (matcher.differs, matcher.errors) == (0, 0)
    assert matcher.lines % 300_000 == 0
