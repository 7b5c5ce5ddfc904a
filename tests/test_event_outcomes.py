"""docs/guard-events.md: what becomes of a machine after each event, by the agent's procedure and by our client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from event_outcomes import COLUMNS, NEW, REFUSED, RENEWED, TOKEN, Bench, is_wrong, outcomes, shown, table
from fingerprint.attributes.events import EVENTS, Event, Truth
from fingerprint.testing import LocalService


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with LocalService() as service:
        yield Bench(tmp_path_factory.mktemp("bench"), service)


def page() -> dict[str, dict[str, str]]:
    """Return the outcomes of each event, by column, as the page has them."""
    rows = [[cell.strip(" `*") for cell in line.split("|")[1:-1]] for line in shown().splitlines()]
    names = {event.name for event in EVENTS}
    return {row[0]: dict(zip(COLUMNS, row[2:], strict=True)) for row in rows if row and row[0] in names}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_the_page_has_what_becomes_of_a_machine(bench: Bench, event: Event) -> None:
    """If it does not: `python tests/support/event_outcomes.py` writes the page."""
    assert page()[event.name] == outcomes(bench, event)


def test_the_page_counts_what_its_rows_say() -> None:
    assert shown() == table(page())


@pytest.mark.parametrize("column", ["evidence"])
def test_no_innocent_machine_is_lost_and_no_copy_passes(column: str) -> None:
    found = page()
    wrong = [event.name for event in EVENTS if is_wrong(event.truth, found[event.name][column])]
    assert wrong == []


def test_the_agent_alone_is_wrong_both_ways() -> None:
    """Else the events would show nothing."""
    found = page()
    wrong = {event.truth for event in EVENTS if is_wrong(event.truth, found[event.name]["agent"])}
    assert wrong == {Truth.SAME, Truth.OTHER}


def test_what_is_undecidable_is_left_to_the_rules() -> None:
    found = page()
    for event in EVENTS:
        if event.truth == Truth.UNDECIDABLE:
            row = found[event.name]
            assert row["strict"] == row["evidence"] == {TOKEN: TOKEN, NEW: REFUSED}[row["agent"]]
        assert (found[event.name]["evidence"] == RENEWED) == (
            event.truth == Truth.SAME and found[event.name]["agent"] == NEW
        )
