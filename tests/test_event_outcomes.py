"""docs/guard-events.md: what becomes of a machine after each event, by the agent's procedure and by our client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from event_machines import CHANGES, machine, snapshot
from event_outcomes import (
    AGENT,
    ALLOW,
    BLOCK,
    COLUMNS,
    NEW,
    NOT_STARTED,
    REFUSED,
    RENEWED,
    TOKEN,
    Bench,
    is_wrong,
    outcomes,
    shown,
    table,
)
from fingerprint import FingerprintRecord, Vault, collect, match
from fingerprint.attributes.events import EVENTS, Event, Truth
from fingerprint.gate import keep_snapshot
from fingerprint.guard import run_guard
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.testing import LocalService
from fingerprint.vault.history import FIRST


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


@pytest.mark.parametrize("column", [BLOCK, "evidence"])
def test_no_innocent_machine_is_lost_and_no_copy_passes(column: str) -> None:
    found = page()
    wrong = [event.name for event in EVENTS if is_wrong(event.truth, found[event.name][column])]
    assert wrong == []


def test_after_the_guard_the_agent_loses_no_innocent_machine() -> None:
    """A copy that its rules accept gets a token there, as it may start."""
    found = page()
    for event in EVENTS:
        if event.truth == Truth.SAME:
            assert found[event.name][ALLOW] == found[event.name][BLOCK] == found[event.name]["evidence"]
        elif event.truth == Truth.OTHER:
            assert found[event.name][ALLOW] == found[event.name][AGENT]


def test_the_agent_alone_is_wrong_both_ways() -> None:
    """Else the events would show nothing."""
    found = page()
    wrong = {event.truth for event in EVENTS if is_wrong(event.truth, found[event.name][AGENT])}
    assert wrong == {Truth.SAME, Truth.OTHER}


def test_what_is_undecidable_is_left_to_the_rules() -> None:
    found = page()
    for event in EVENTS:
        if event.truth == Truth.UNDECIDABLE:
            row = found[event.name]
            assert row["strict"] == row["evidence"] == {TOKEN: TOKEN, NEW: REFUSED}[row[AGENT]]
            assert row[ALLOW] == row[AGENT]
            assert row[BLOCK] == {TOKEN: TOKEN, NEW: NOT_STARTED}[row[AGENT]]
        assert (found[event.name]["evidence"] == RENEWED) == (
            event.truth == Truth.SAME and found[event.name][AGENT] == NEW
        )


# The life of a server, one event a month; together they change each attribute but the hardware ID.
LIFE = ("tool-upgrade", "host-renamed", "firmware-update", "ram-added", "nic-swap", "processor-replaced", "os-upgrade")


@pytest.mark.parametrize("refresh", [True, False])
def test_drift_does_not_add_up(tmp_path: Path, refresh: bool) -> None:
    """The agent rejects the machine at last; after a run of the guard before each start it never does."""
    now = [1_800_000_000.0]
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"), now=lambda: now[0])
    source: dict[str, Any] = machine()
    first = collect(RecordedMachine(snapshot(source))).hardware_hash
    with vault.edit() as edit:
        edit.store(FingerprintRecord("a-fingerprint", first, 40), why=FIRST)
    keep_snapshot(vault, snapshot(source))
    alone, guarded = [], []
    for month, name in enumerate(LIFE):
        now[0] += 30 * 86400
        source = {**source, **CHANGES[name][1], "ip": f"10.9.0.{month}"}
        taken = snapshot(source)
        hash_now = collect(RecordedMachine(taken)).hardware_hash
        if not match(first, hash_now, 40).match:
            alone.append(name)
        assert not run_guard(vault, RecordedMachine(taken), refresh=refresh, block=True).blocks
        if not match(vault.read().hardware_hash, hash_now, 40).match:
            guarded.append(name)
    assert alone[-1:] == ["os-upgrade"]
    assert guarded == []
    assert vault.read().fingerprint == "a-fingerprint"
