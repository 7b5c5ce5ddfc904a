"""Failed comparisons of the hardware, each parsed from a group of log lines."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.logs.lines import Entry

ATTRIBUTES = 9
LIMIT = 50
# The agent logs the address under this name, too; it counts once.
_PSEUDO = "IP Address"
# What precedes the current value, and what separates it from the saved one.
_CHANGED = (
    re.compile(r"The '([^']+)' value \("),
    re.compile(r"\) has changed from the registered machine configuration value \("),
)
_ID = (
    re.compile(r"The hardware ID \(", re.IGNORECASE),
    re.compile(r"\) has changed from the registered value \(", re.IGNORECASE),
)


class Mismatch:
    """One comparison that failed, however often it was logged.

    Attributes:
        first, last: when it was logged.
        times: how many groups of lines report it; newer agents log four for each failure.
        id_differs: whether the hardware ID decided.
        changed: attribute -> (saved, current), the address once.
    """

    def __init__(self, at: str, id_differs: bool) -> None:
        self.first = self.last = at
        self.times = 1
        self.id_differs = id_differs
        self.changed: dict[str, tuple[str, str]] = {}

    @property
    def matched(self) -> int | None:
        """How many of nine attributes match; None if the log does not show it."""
        return None if self.id_differs or not self.changed else max(0, ATTRIBUTES - len(self.changed))

    @property
    def text(self) -> str:
        """The mismatch as a phrase."""
        if self.id_differs:
            return "the hardware ID differs"
        if self.matched is None:
            return "more changed than the threshold allows"
        return f"{self.matched} of {ATTRIBUTES} attributes equal, {self.matched / ATTRIBUTES * 100:.1f} %"


class Comparisons:
    """The comparisons that failed, different ones in order, the newest kept.

    Attributes:
        all: of the log.
        settled: how many of them are older than the last credentials.
    """

    def __init__(self) -> None:
        self.all: list[Mismatch] = []
        self.settled = 0
        self._group: Mismatch | None = None

    def begin(self, entry: Entry) -> None:
        """Take the first line of a group."""
        self._group = Mismatch(entry.at, entry.kind == "id-differs")
        found = _values(_ID, entry.text) if self._group.id_differs else None
        if found:
            _, current, saved = found
            self._group.changed["hardware ID"] = (saved.strip(), current.strip())

    def attribute(self, entry: Entry) -> None:
        """Take the line of one attribute."""
        found = _values(_CHANGED, entry.text)
        if not found or (entry.level == "DEBUG" and self._group is None):
            # At DEBUG the agent logs differences of every comparison, also of one that ends in a match.
            return
        if self._group is None:
            # The first line of the group was cut off, or is below the level of the log.
            self._group = Mismatch(entry.at, False)
        name, current, saved = found
        self._group.last = entry.at
        if name != _PSEUDO:
            self._group.changed[name] = (saved, current)

    def close(self) -> tuple[Mismatch | None, bool]:
        """End a group. Return it, None without one, and whether it repeats the previous one."""
        group, self._group = self._group, None
        if group is None:
            return None, False
        last = self.all[-1] if len(self.all) > self.settled else None
        if last is not None and (last.id_differs, last.changed) == (group.id_differs, group.changed):
            last.last, last.times = group.last, last.times + 1
            return group, True
        if len(self.all) == LIMIT:
            del self.all[0]
            self.settled = max(0, self.settled - 1)
        self.all.append(group)
        return group, False


def _values(form: tuple[re.Pattern[str], re.Pattern[str]], text: str) -> tuple[str, str, str] | None:
    """Return the name, the current and the saved value in a line; None if it has another form.

    A single pattern would backtrack from each part that resembles its beginning.
    """
    begin, between = form
    start = begin.search(text)
    middle = None
    for found in between.finditer(text, start.end()) if start else ():
        middle = found
    end = text.rfind(")")
    if start is None or middle is None or end < middle.end():
        return None
    name = start[1] if start.groups() else ""
    return name, text[start.end() : middle.start()], text[middle.end() : end]
