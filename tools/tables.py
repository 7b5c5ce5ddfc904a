"""Tables of a page of the documentation, made out of the data of the package; the tools that make them share this."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path


def table_of(heads: tuple[str, ...], *rows: tuple[str, ...]) -> str:
    """Return a table in Markdown."""
    head, *body = (f"| {' | '.join(row)} |" for row in (heads, *rows))
    return "\n".join((head, "|" + "---|" * len(heads), *body))


def filled_page(page: str, tables: Mapping[str, Callable[[], str]]) -> str:
    """Return a page with its tables as they are now, each between two marks.

    Raises:
        ValueError: a mark is missing in it.
    """
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, found, rest = page.partition(begin)
        _, ended, after = rest.partition(end)
        if not found or not ended:
            raise ValueError(f"the page has no marks for the table {name!r}")
        page = f"{before}{begin}{table()}\n{end}{after}"
    return page


def print_or_write(arguments: list[str], page: Path, tables: Mapping[str, Callable[[], str]]) -> int:
    """Print the tables, or put them into the page with --write; return the exit code."""
    if arguments not in ([], ["--write"]):
        print(f"usage: {Path(sys.argv[0]).name} [--write]", file=sys.stderr)
        return 2
    if arguments:
        page.write_text(filled_page(page.read_text(encoding="utf-8"), tables), encoding="utf-8")
    else:
        print("\n\n".join(table() for table in tables.values()))
    return 0
