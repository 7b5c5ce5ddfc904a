"""Print the tables of docs/agent-states.md out of the data of the package, or put them into the page.

    python tools/agent_states.py            # prints them
    python tools/agent_states.py --write    # replaces them in docs/agent-states.md

A test holds the page to them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tables import filled_page, print_or_write, table_of

from fingerprint.agent.states import CONCLUSIONS, EVENTS, OF_HOST, PARTS, STATES, Event

PAGE = Path(__file__).parents[1] / "docs" / "agent-states.md"


def states_table() -> str:
    """Return the table of the states of each part."""
    rows = ((part, f"`{state}`", meaning) for part, states in STATES.items() for state, meaning in states.items())
    return table_of(("part", "state", "meaning"), *rows)


def _move(event: Event, part: str) -> str:
    move = event.moves.get(part)
    if move is None:
        return ""
    if isinstance(move, str):
        return f"`{move}`"
    changes: dict[str, list[str]] = {}
    for before, after in move.items():
        if before != after:
            changes.setdefault(after, []).append("others" if before == "*" else f"`{before}`")
    stays = [f"`{before}`" for before, after in move.items() if before == after and "*" in move]
    text = "; ".join(f"{', '.join(befores)}: `{after}`" for after, befores in changes.items())
    return f"{text}; {', '.join(stays)}: stays" if stays else text


def _events(of_host: bool) -> str:
    parts = [part for part in PARTS if any(part in e.moves for e in EVENTS.values() if (e.name in OF_HOST) == of_host)]
    rows = (
        (f"`{event.name}`", event.shown_by, *(_move(event, part) for part in parts))
        for event in EVENTS.values() if (event.name in OF_HOST) == of_host
    )  # fmt: skip
    return table_of(("event", "shown by", *parts), *rows)


def lines_table() -> str:
    """Return the table of the events that lines of the logs show."""
    return _events(of_host=False)


def host_table() -> str:
    """Return the table of the events that the host shows."""
    return _events(of_host=True)


def conclusions_table() -> str:
    """Return the table of the conclusions, in their order."""
    rows = (
        (
            one.name,
            "; ".join(f"{part} {' or '.join(f'`{state}`' for state in states)}" for part, states in one.states.items())
            or "(else)",
            f"`{one.state}`", one.meaning,
        )
        for one in CONCLUSIONS
    )  # fmt: skip
    return table_of(("conclusion", "holds if", "state", "meaning"), *rows)


TABLES = {"states": states_table, "lines": lines_table, "host": host_table, "conclusions": conclusions_table}


def filled(page: str) -> str:
    """Return the page with its tables as they are now. Raises ValueError if a mark is missing in it."""
    return filled_page(page, TABLES)


if __name__ == "__main__":
    sys.exit(print_or_write(sys.argv[1:], PAGE, TABLES))
