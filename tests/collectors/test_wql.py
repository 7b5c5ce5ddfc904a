"""The WQL recipe of agents from 3.3.1311: recorded digests of the agent, and a textbook encoder as the reference."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import textbook_gob
from fingerprint.collectors import wql
from fingerprint.collectors.wql import STRUCTURES, Unloadable, digest, digests, first_object, type_id_of, type_ids
from shared import VECTORS, needs_vectors

NAMES = tuple(STRUCTURES)
UUID = {"UUID": "4C4C4544-0051-3610-8052-B4C04F4A4D31"}


def runs(recipe: str = "wql") -> list[dict[str, Any]]:
    """Return what the real agent stored, by the recipe that it took."""
    path = VECTORS / "windows" / "agent_runs.json"
    return [run for run in json.loads(path.read_text()) if run["recipe"] == recipe] if path.exists() else []


def cases() -> list[dict[str, Any]]:
    path = VECTORS / "wql" / "wql_vectors.json"
    return json.loads(path.read_text()) if path.exists() else []


def members_of(run: dict[str, Any]) -> dict[str, dict[str, Any] | None]:
    """Return what counts of the objects of a run, None for a query that failed."""
    found: dict[str, dict[str, Any] | None] = {}
    for name in NAMES:
        objects = run["members"][name]
        try:
            found[name] = None if isinstance(objects, dict) else first_object(name, objects)
        except Unloadable:
            found[name] = None
    return found


@needs_vectors
@pytest.mark.parametrize("case", cases(), ids=lambda case: case["case"])
def test_streams_and_digests_are_those_of_go(case: dict[str, Any]) -> None:
    first = 65 if case["case"] == "uuid-failed-first-time" else 64
    start = 1 if first == 65 else 0
    for number, value in enumerate(case["values"], 64):
        name = value["Attribute"].partition(" ")[0]
        assert wql._stream(name, value["Object"], number) == bytes.fromhex(value["Gob"]), value["Attribute"]
        assert textbook_gob.stream(name, value["Object"], number) == bytes.fromhex(value["Gob"])
        assert digest(name, value["Object"], number) == value["Hash"]
    assert [v["Attribute"].partition(" ")[0] for v in case["values"]][: 6 - start] == list(NAMES[start:])


@needs_vectors
@pytest.mark.parametrize("run", runs(), ids=lambda run: run["case"])
def test_the_agent_stored_these_digests(run: dict[str, Any]) -> None:
    found = members_of(run)
    for name in NAMES:
        dealt = run["typeIds"][name]
        assert (dealt is None) == (found[name] is None), name
        assert digest(name, found[name], dealt) == run["hardwareHash"][name], name


@needs_vectors
@pytest.mark.parametrize("run", runs(), ids=lambda run: run["case"])
def test_ids_are_dealt_in_the_order_of_success(run: dict[str, Any]) -> None:
    found = members_of(run)
    if run["case"].startswith("uuid fails at the first attempt"):
        # Its first collection, and then uuid gets the next one.
        dealt = type_ids({**found, "uuid": None})
        assert {**dealt, "uuid": 64 + len(dealt)} == run["typeIds"]
    else:
        assert type_ids(found) == {name: number for name, number in run["typeIds"].items() if number is not None}
        assert digests(found) == {name: run["hardwareHash"][name] for name in NAMES}


@needs_vectors
@pytest.mark.parametrize("run", runs(), ids=lambda run: run["case"])
def test_the_type_id_behind_a_stored_digest_is_found(run: dict[str, Any]) -> None:
    for name, members in members_of(run).items():
        assert type_id_of(name, members, run["hardwareHash"][name]) == run["typeIds"][name]


@needs_vectors
def test_all_recorded_runs_are_here() -> None:
    assert (len(runs()), len(runs("wmic")), len(runs("json")), len(cases())) == (33, 9, 3, 3)


# Includes characters of two UTF-16 units; unpaired surrogates have their own test.
STRINGS = st.text(st.characters(exclude_categories=("Cs",)), max_size=300) | st.sampled_from(
    ["x" * n for n in (126, 127, 128, 129, 255, 256, 65535, 65536)])  # fmt: skip
EDGES = [number for power in range(64) for number in (1 << power, (1 << power) - 1, -(1 << power), -(1 << power) + 1)]
NUMBERS = st.integers(-(1 << 63), (1 << 64) - 1) | st.sampled_from(EDGES)


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from(NAMES))
    members = {}
    for member, kind in textbook_gob.CLASSES[name][1]:
        value = draw(st.none() | (STRINGS if kind == textbook_gob.STRING else NUMBERS))
        if kind == textbook_gob.U64 and isinstance(value, int) and value >= 0 and draw(st.booleans()):
            # As WMI gives integers of 64 bits.
            value = str(value)
        members[member] = value
    return name, members


@settings(deadline=None)
@given(objects(), st.integers(64, 70) | st.integers(64, 1 << 40))
def test_it_agrees_with_the_textbook(made: tuple[str, dict[str, Any]], type_id: int) -> None:
    name, members = made
    assert wql._stream(name, members, type_id) == textbook_gob.stream(name, members, type_id)
    assert digest(name, members, type_id) == textbook_gob.digest(name, members, type_id)


@settings(deadline=None)
@given(objects())
def test_null_missing_zero_and_empty_are_one(made: tuple[str, dict[str, Any]]) -> None:
    name, members = made
    kept = {member: value for member, value in members.items() if value not in (None, 0, "", "0")}
    assert digest(name, members, 64) == digest(name, kept, 64)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.none() | st.just({})))
def test_each_success_takes_the_next_id(answers: dict[str, Any]) -> None:
    dealt = type_ids(answers)
    loaded = [name for name in NAMES if answers.get(name) is not None]
    assert dealt == {name: 64 + position for position, name in enumerate(loaded)}
    for name, value in digests(answers).items():
        assert value == (textbook_gob.digest(name, {}, dealt[name]) if name in dealt else "")


@pytest.mark.parametrize("name", NAMES)
def test_failed_query_is_empty_and_no_object_is_all_zero(name: str) -> None:
    assert digest(name, None, 64) == ""
    assert digest(name, {}, 64) == textbook_gob.digest(name, {}, 64) != ""
    assert first_object(name, []) == {}


@pytest.mark.parametrize(
    ("text", "go"),
    [
        ("\ud83d\ude00", "\U0001f600"), ("\ud83d", "\ufffd"), ("\ude00x", "\ufffdx"),
        ("a\ud83d\ud83d", "a\ufffd\ufffd"), ("\ud83d\ud83d\ude00", "\ufffd\U0001f600"), ("\ufeffx", "\ufeffx"),
        ("a\0b", "a\0b"),
    ],
)  # fmt: skip
def test_half_characters_are_what_go_makes_of_them(text: str, go: str) -> None:
    assert digest("uuid", {"UUID": text}, 64) == textbook_gob.digest("uuid", {"UUID": go}, 64)


@pytest.mark.parametrize(
    ("name", "member", "value"),
    [
        ("memory-hash", "Capacity", "-1"), ("memory-hash", "Capacity", "x"), ("memory-hash", "Capacity", ""),
        ("memory-hash", "Capacity", " 1"), ("memory-hash", "Capacity", "1_0"), ("memory-hash", "Capacity", "\u0661"),
        ("memory-hash", "Capacity", str(1 << 64)), ("memory-hash", "Capacity", "9" * 5000),
        ("memory-hash", "Capacity", 1 << 64), ("memory-hash", "Capacity", -(1 << 63) - 1),
        ("memory-hash", "Capacity", 1.0), ("memory-hash", "Capacity", True), ("memory-hash", "TotalWidth", [64]),
        ("uuid", "UUID", 5), ("uuid", "UUID", ["a"]), ("uuid", "UUID", {"a": 1}), ("uuid", "UUID", b"a"),
    ],
)  # fmt: skip
def test_a_member_that_go_cannot_load_fails_the_query(name: str, member: str, value: Any) -> None:
    complete = {one: None for one, _ in textbook_gob.CLASSES[name][1]}
    assert digest(name, {**complete, member: value}, 64) == ""
    assert name not in type_ids({name: {**complete, member: value}})
    # In any object, not only in the first.
    for answer in ([{**complete, member: value}], [complete, {**complete, member: value}]):
        with pytest.raises(Unloadable, match=member):
            first_object(name, answer)


@pytest.mark.parametrize("name", NAMES)
def test_an_object_without_a_member_fails_the_query(name: str) -> None:
    complete = {one: None for one, _ in textbook_gob.CLASSES[name][1]}
    for member in complete:
        lacking = {one: value for one, value in complete.items() if one != member}
        for answer in ([lacking], [complete, lacking]):
            with pytest.raises(Unloadable, match=f"no member {member}"):
                first_object(name, answer)
    assert first_object(name, [{**complete, "CreationClassName": "x"}]) == complete


@pytest.mark.parametrize(("value", "go"), [(-1, 4294967295), (1 << 32, 0), ((1 << 32) + 5, 5), ("4294967296", 0)])
def test_numbers_wrap_as_in_go(value: Any, go: int) -> None:
    assert digest("processor-hash", {"MaxClockSpeed": value}, 65) == textbook_gob.digest(
        "processor-hash", {"MaxClockSpeed": go}, 65
    )


def test_invalid_arguments_are_rejected() -> None:
    with pytest.raises(ValueError, match="no WMI class for the attribute 'machine-id'"):
        digest("machine-id", {}, 64)
    assert digest("uuid", UUID, None) == ""
    for type_id in (0, 63, True, "64", 64.0):
        with pytest.raises(ValueError, match="invalid type id"):
            digest("uuid", UUID, type_id)  # type: ignore[arg-type]


def test_no_id_is_found_for_another_machine() -> None:
    assert type_id_of("uuid", UUID, digest("uuid", {"UUID": "X"}, 64)) is None
    assert type_id_of("uuid", None, "") is None
    assert type_id_of("uuid", UUID, "") is None
    assert [type_id_of("uuid", UUID, digest("uuid", UUID, n)) for n in (64, 69, 70, 71)] == [64, 69, 70, None]
