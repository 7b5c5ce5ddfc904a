"""Records of several lines that hold one message each: `journalctl -o export`, `-o verbose` and `-o json-pretty`.

Each gives as many lines as it has, the message in the first of them, so that line numbers stay those of the file.
"""

from __future__ import annotations

import json
import re

from fingerprint._io.times import local
from fingerprint.agent.logs.kinds import TIME
from fingerprint.agent.logs.wrappers import in_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from fingerprint.agent.logs.wrappers import Unwrapper

    class Records(Protocol):
        """A reader of records: `feed` for each block of bytes, then `end`."""

        def feed(self, data: bytes) -> bytes: ...
        def end(self) -> bytes: ...


_LONGEST = 1 << 20
# No record of a journal has more fields.
_MOST_FIELDS = 1024
_EXPORT = re.compile(rb"__(?:CURSOR|REALTIME_TIMESTAMP|MONOTONIC_TIMESTAMP|SEQNUM)[^=\n]{0,20}=")
_FIELD = re.compile(rb"[A-Z_][A-Z0-9_]{0,63}(?==|\n)")
_VERBOSE = re.compile(rf"(?:[A-Z][a-z]{{2}} )?{TIME} \S{{1,20}} \[s=")
_VERBOSE_FIELD = re.compile(r"    ([A-Z_][A-Z0-9_]{0,63})=(.*)")
_PRETTY = re.compile(r"\s{0,100}(?:\[\s{0,100})?\{\s{0,100}\n")


def records_of(head: bytes, lines: Unwrapper) -> Records | None:
    """Return the reader for a file of records; None for a file of lines.

    Args:
        head: the first bytes of the file.
        lines: gives the line of each message.
    """
    if _EXPORT.match(head.lstrip(b"\n")):
        return _Export(lines)
    text = head.decode("utf-8", "replace").lstrip("\ufeff")
    if any(_VERBOSE.match(line) for line in text.split("\n")[:8]):
        return _TextRecords(lines, _verbose_begins, _verbose_fields)
    return _TextRecords(lines, _pretty_begins, _pretty_fields) if _PRETTY.match(text) else None


class _Export:
    """The format that journals are exported and sent in: `FIELD=value`, or `FIELD`, a length and so many bytes."""

    def __init__(self, lines: Unwrapper) -> None:
        self._lines = lines
        self._left = b""
        self._record: dict[str, Any] = {}
        self._ends = 0

    def feed(self, data: bytes) -> bytes:
        data, position, out = self._left + data, 0, []
        while (found := self._field(data, position)) is not None:
            name, value, end = found
            self._ends += data.count(b"\n", position, end)
            if name:
                if len(self._record) < _MOST_FIELDS:
                    self._record.setdefault(name, value)
            else:
                out.append(self._flush())
            position = end
        self._left = data[position:]
        if len(self._left) > _LONGEST:
            # No field of a log is so long: the file is damaged here.
            self._ends += self._left.count(b"\n")
            self._left = b""
        return b"".join(out)

    def end(self) -> bytes:
        if self._left:
            name, _, value = self._left.partition(b"=")
            self._record.setdefault(name.decode("latin-1"), value.decode("utf-8", "replace"))
        return self._flush()

    def _field(self, data: bytes, position: int) -> tuple[str, str, int] | None:
        line_end = data.find(b"\n", position)
        if line_end < 0:
            return None
        if line_end == position:
            return "", "", line_end + 1
        name = _FIELD.match(data, position)
        if not name:
            return "?", "", line_end + 1
        after = name.end()
        if data[after : after + 1] == b"=":
            return name[0].decode(), data[after + 1 : line_end].decode("utf-8", "replace"), line_end + 1
        begin = line_end + 9
        length = int.from_bytes(data[line_end + 1 : begin], "little")
        if length > _LONGEST:
            return "?", "", line_end + 1
        if begin + length + 1 > len(data):
            return None
        return name[0].decode(), data[begin : begin + length].decode("utf-8", "replace"), begin + length + 1

    def _flush(self) -> bytes:
        line = _line(self._lines, self._record) if self._record else b""
        ends, self._ends, self._record = self._ends, 0, {}
        return line + b"\n" * (ends or bool(line))


class _TextRecords:
    """Records of text.

    Args:
        lines: gives the line of each message.
        begins: returns whether a record begins at a row.
        fields: returns the fields of the rows of a record; None if they are none.
    """

    def __init__(
        self, lines: Unwrapper, begins: Callable[[str], bool], fields: Callable[[list[str]], dict[str, Any] | None]
    ) -> None:
        self._lines = lines
        self._begins = begins
        self._fields = fields
        self._left = ""
        self._rows: list[str] = []
        self._length = 0

    def feed(self, data: bytes) -> bytes:
        *rows, self._left = (self._left + data.decode("utf-8", "surrogateescape")).split("\n")
        # The end of a longer line is left out.
        self._left = self._left[:_LONGEST]
        return b"".join(map(self._row, rows))

    def end(self) -> bytes:
        last = [self._left] if self._left else []
        return b"".join(map(self._row, last)) + self._flush()

    def _row(self, row: str) -> bytes:
        row = row.rstrip("\r")
        out = self._flush() if self._begins(row) or self._length > _LONGEST else b""
        self._rows.append(row)
        self._length += len(row) + 1
        return out

    def _flush(self) -> bytes:
        rows, self._rows, self._length = self._rows, [], 0
        if not rows:
            return b""
        fields = self._fields(rows)
        if fields is None:
            # Other lines between or before the records.
            return in_bytes("".join(f"{self._lines.line(row)}\n" for row in rows))
        return _line(self._lines, fields) + b"\n" * len(rows)


def _verbose_begins(row: str) -> bool:
    return _VERBOSE.match(row) is not None


def _verbose_fields(rows: list[str]) -> dict[str, Any] | None:
    if not _verbose_begins(rows[0]):
        return None
    found: dict[str, list[str]] = {}
    name = ""
    for row in rows[1:]:
        field = _VERBOSE_FIELD.match(row)
        if field:
            # Of several with one name the first counts.
            name = field[1] if field[1] not in found else ""
            if name:
                found[name] = [field[2]]
        elif name:
            found[name].append(row.strip())
    fields: dict[str, Any] = {name: "\n".join(rows_of_it) for name, rows_of_it in found.items()}
    fields.setdefault("time", rows[0].partition(" [")[0])
    return fields


def _pretty_begins(row: str) -> bool:
    return row.strip(" \t,[") == "{"


def _pretty_fields(rows: list[str]) -> dict[str, Any] | None:
    text = "\n".join(rows).lstrip("[, \t\r\n")
    try:
        # What follows closes a list of records.
        found, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _line(lines: Unwrapper, fields: dict[str, Any]) -> bytes:
    found = dict(fields)
    for name in ("__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP"):
        stamp = str(found.get(name, ""))
        if stamp.isascii() and stamp.isdigit() and len(stamp) != len("1700000000000000"):
            # Before 2001 or after 2286: a clock that was never set.
            found[name] = local(int(stamp[:18]) // 1_000_000)
    return in_bytes(lines.record(found) or "")
