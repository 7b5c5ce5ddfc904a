"""The sums over a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fleets import row, write_lines

pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")

from fingerprint import Reason
from fingerprint.fleet import Summary, check, open_fleet

if TYPE_CHECKING:
    from pathlib import Path


def test_a_summary_adds_what_each_batch_has(tmp_path: Path) -> None:
    rows = [row("a"), row("b", "ipaddress-info", "disk-info"), row("c", "machine-id", "disk-info")]
    summary = Summary()
    assert (summary.rows, summary.refused, summary.changed) == (0, 0, {})
    assert set(summary.reasons.values()) == {0}
    for number in range(1, 4):
        (checked,) = check(open_fleet(write_lines(tmp_path / "fleet.jsonl", rows)).batches(), threads=1)
        summary.add(checked)
        counts = {name: count for name, count in summary.changed.items() if count}
        assert counts == {"machine-id": number, "ipaddress-info": number, "disk-info": 2 * number}
        reasons = {reason: count for reason, count in summary.reasons.items() if count}
        assert reasons == dict.fromkeys((Reason.SAME_IP, Reason.SIMILAR, Reason.SID_DIFFERS), number)
        assert (summary.rows, summary.refused) == (3 * number, number)


def test_without_counts_nothing_is_counted(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "fleet.jsonl", [row("a", "disk-info")])
    (checked,) = check(open_fleet(file).batches(), counts=False)
    assert checked.changed == {}
    assert "matched" not in checked.rows.schema.names
    assert "total" not in checked.rows.schema.names
