"""Property tests of the match over JSON Lines against the textbook rule and the standard library's json."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from fingerprint._matchlines import Matcher
from textbook import decide, percent, single

STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
NAMES = (
    st.sampled_from(["machine-id", "uuid", "ipaddress-info", "a", "b", "ab", "aaaaaaaa", "aaaaaaaab", "é"]) | STRINGS
)
VALUES = st.sampled_from(["", "1", "2", "ab\n"]) | st.none() | STRINGS
HASHES = st.lists(st.tuples(NAMES, VALUES), max_size=20)
THRESHOLDS = st.integers(-3, 103) | st.integers(-(2**63), 2**63 - 1)
FRAGMENTS = st.sampled_from(
    [
        *b'{}[],:"\\ \t\r01-.e',
        b'"a"',
        b"null",
        b"\\u0061",
        b"\\ud83d",
        b"\\ude00",
        b'"saved":{}',
        b'"sidKey":"uuid"',
        b"\xff",
    ]
).map(lambda part: bytes([part]) if isinstance(part, int) else part)


class Invalid(Exception):
    """The expected answer to the line is INVALID_INPUT."""


def strict(text: bytes) -> Any:
    """Return what the standard library reads, objects as tuples ("object", pairs)."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        value = json.loads(
            text.decode("utf-8"), parse_constant=refuse, object_pairs_hook=lambda pairs: ("object", pairs)
        )
        check(value, 0)
    except ValueError:
        raise Invalid from None
    return value


def check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, (list, tuple)):
        if depth == 64:
            raise ValueError("nested too deeply")
        for item in value if isinstance(value, list) else [part for pair in value[1] for part in pair]:
            check(item, depth + 1)


def require(condition: bool) -> None:
    if not condition:
        raise Invalid


def attributes(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    require(isinstance(value, tuple))
    found = {}
    for name, text in value[1]:
        require(text is None or isinstance(text, str))
        found[name] = text or ""
    return found


def reference(text: bytes) -> tuple[bool, str, int, int]:
    """Return (match, reason, matched, total) of a line."""
    value = strict(text)
    require(isinstance(value, tuple))
    members: dict[str, Any] = {"sidKey": "machine-id"}
    for name, item in value[1]:
        if name in ("saved", "current"):
            item = attributes(item)
        elif name == "threshold":
            require(type(item) is int and -(2**63) <= item < 2**63)
        elif name == "sidKey":
            require(item in ("machine-id", "uuid"))
        members[name] = item
    try:
        return decide(members["saved"], members["current"], members["threshold"], members["sidKey"])
    except KeyError:
        raise Invalid from None


def assert_same_results(lines: list[bytes], sizes: list[int]) -> None:
    text = b"\n".join(lines)
    matcher = Matcher()
    found = b""
    at = 0
    while at < len(text):
        size = sizes[at % len(sizes)] if sizes else len(text)
        found += matcher.feed(text[at : at + size])
        at += size
    answers = iter((found + matcher.finish()).splitlines())
    for number, line in enumerate(lines, 1):
        if not line.strip(b" \t\r"):
            continue
        answer = json.loads(next(answers).decode("ascii"))
        try:
            match, reason, matched, total = reference(line)
        except Invalid:
            assert (answer["match"], answer["reason"]) == (None, "INVALID_INPUT"), line
            assert answer["error"].startswith(f"line {number}: ")
            assert 0 <= int(answer["error"].rpartition(" at byte ")[2]) <= len(line)
            continue
        assert (answer["match"], answer["reason"], answer["matched"], answer["total"]) == (
            match,
            reason,
            matched,
            total,
        ), line
        assert single(answer["percent"]) == (percent(matched, total) if total else 0)
    assert next(answers, None) is None


def written(saved: Any, current: Any, threshold: int, sid_key: str | None, ascii_only: bool) -> bytes:
    def hash_text(pairs: list[tuple[str, str | None]]) -> str:
        parts = [[json.dumps(part, ensure_ascii=ascii_only) for part in pair] for pair in pairs]
        return "{" + ",".join(":".join(pair) for pair in parts) + "}"

    sid = "" if sid_key is None else f', "sidKey" : "{sid_key}"'
    text = f'{{"saved":{hash_text(saved)},"current": {hash_text(current)},"threshold":{threshold}{sid}}}'
    return text.encode("utf-8")


LINES = st.builds(written, HASHES, HASHES, THRESHOLDS, st.sampled_from([None, "machine-id", "uuid"]), st.booleans())
CHUNKS = st.lists(st.integers(1, 50), max_size=5)


@given(st.lists(LINES | st.sampled_from([b"", b"\r", b"{}", b"null"]), max_size=4), CHUNKS)
@settings(max_examples=500)
def test_every_line_has_the_result_of_the_textbook(lines: list[bytes], sizes: list[int]) -> None:
    assert_same_results(lines, sizes)


@given(st.lists(st.tuples(NAMES, VALUES), min_size=17, max_size=60), st.randoms(use_true_random=False))
def test_the_order_of_the_keys_does_not_matter(pairs: list[tuple[str, str | None]], random: Any) -> None:
    unique = list(dict(pairs).items())
    shuffled = random.sample(unique, len(unique))
    assert_same_results(
        [written(a, b, 50, None, False) for a, b in ((pairs, shuffled), (shuffled, unique), (unique, pairs))], []
    )


@given(LINES, st.data(), CHUNKS)
@example(b'{"saved":{},"current":{},"threshold":-1}', None, [])
@settings(max_examples=700)
def test_damaged_lines_have_the_results_of_the_strict_stdlib(
    line: bytes, data: st.DataObject | None, sizes: list[int]
) -> None:
    text = bytearray(line)
    for _ in range(data.draw(st.integers(1, 3)) if data else 0):
        assert data is not None
        at = data.draw(st.integers(0, len(text)))
        size = data.draw(st.integers(0, 2))
        text[at : at + size] = data.draw(st.binary(max_size=2) | FRAGMENTS)
    assert_same_results(bytes(text).split(b"\n"), sizes)
