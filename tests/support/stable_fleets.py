"""Fleets with values of scheme `stable` for tests: all kinds of values, and tables of them in any layout."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fingerprint.attributes.stable import CONTAINERS, PHYSICAL
from fingerprint.fleet.stable_columns import SETS, STABLE_NAMES, STABLE_SIDES, UNREADABLE
from fingerprint.rules.stable import StableVerdict, decide

Cells = dict[str, str | None]
SINGLE = st.sampled_from([None, "", "?", "1", "a" * 32, "b" * 32, "b" * 31, "c" * 33, "d" * 70, "d" * 69 + "e", "é"])
KINDS = st.sampled_from([None, "", "?", PHYSICAL, PHYSICAL, PHYSICAL, "kvm", "kvm", "vmware", "nones", *CONTAINERS])
ELEMENTS = st.lists(st.sampled_from(["a" * 16, "b" * 16, "c" * 16, "d" * 15, "?", "é"]), max_size=5)
SPACES = st.sampled_from(
    [" ", " ", "  ", "\t", "\x1f", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u205f", "\u3000", "\u200b"]
)
VALUES_OF_SETS = st.one_of(
    st.sampled_from([None, "", "?", " "]), st.tuples(SPACES, ELEMENTS).map(lambda pair: pair[0].join(pair[1]))
)


def values_of(name: str) -> Any:
    return KINDS if name == "hypervisor" else VALUES_OF_SETS if name in SETS else SINGLE


@st.composite
def machines(draw: Any) -> tuple[Cells, Cells]:
    """Both sides of a machine: most values stay, so that all outcomes occur."""
    saved = {name: draw(values_of(name)) for name in STABLE_NAMES}
    changing = draw(st.sets(st.sampled_from(STABLE_NAMES), max_size=draw(st.sampled_from([0, 3, len(STABLE_NAMES)]))))
    return saved, {name: draw(values_of(name)) if name in changing else saved[name] for name in STABLE_NAMES}


FORMS = ("string", "large", "view", "binary", "dictionary", "other")


def column_of(values: list[str | None], form: str, name: str) -> Any:
    import pyarrow as pa

    column = pa.array(values, pa.string())
    if form == "dictionary" or (form == "other" and len(name) % 2):
        return column.dictionary_encode()
    kinds = {"large": pa.large_string(), "view": pa.string_view(), "binary": pa.binary(), "other": pa.large_binary()}
    return column.cast(kinds.get(form, pa.string()))


def table_of(rows: list[tuple[Cells, Cells]], form: str = "string", missing: frozenset[str] = frozenset()) -> Any:
    import pyarrow as pa

    columns: dict[str, Any] = {"node_id": [f"n{i}" for i in range(len(rows))], "saved.a": ["x"] * len(rows)}
    for place, side in enumerate(STABLE_SIDES):
        for name in STABLE_NAMES:
            if f"{side}.{name}" not in missing:
                # One side has another layout where both may have any.
                own = "string" if form == "other" and place else form
                columns[f"{side}.{name}"] = column_of([one[place].get(name) for one in rows], own, name)
    return pa.table(columns)


def reference(one: Cells, other: Cells) -> StableVerdict:
    """Return the verdict on two rows. An attribute is unknown if one row has it unreadable, and the other has it."""
    saved: dict[str, str] = {}
    current: dict[str, str] = {}
    unreadable = []
    for name in STABLE_NAMES:
        a, b = one.get(name) or "", other.get(name) or ""
        if UNREADABLE not in (a, b):
            saved[name], current[name] = a, b
        elif a and b and not (a == b and name == "hypervisor"):
            saved[name] = b if a == UNREADABLE else a
            unreadable.append(name)
    return decide(saved, current, unreadable)
