"""`fingerprint match` over a file of JSON lines against a Python loop with the json module."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

COMMAND = str(Path(sys.executable).with_name("fingerprint"))
PEER = """
import json, sys
from test_compare_benchmark import plain_rule
IP = "ipaddress-info"
out = sys.stdout.write
for line in open(sys.argv[1], encoding="utf-8"):
    pair = json.loads(line)
    saved, current, threshold, sid = pair["saved"], pair["current"], pair["threshold"], pair["sidKey"]
    matched = 0
    for key, value in current.items():
        if saved.get(key) == value:
            matched += 1
    total = len(current)
    if threshold == -1:
        reason, same = "DISABLED", True
    elif not saved or not current:
        reason, same = "NOTHING_TO_COMPARE", False
    elif saved.get(sid, "") != current.get(sid, ""):
        reason, same = "SID_DIFFERS", False
    elif saved.get(IP, "") == current.get(IP, ""):
        reason, same = "SAME_IP", True
    else:
        same = matched * 100 >= threshold * total
        reason = "SIMILAR" if same else "NOT_SIMILAR"
    out(json.dumps({"match": same, "reason": reason, "matched": matched, "total": total,
                    "percent": matched / total * 100 if total else 0}) + "\\n")
"""


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, short: bool) -> Path:
    """A file of pairs of nine attributes each: a tenth another machine, a third with another IP."""
    count = 100_000 if short else 1_000_000
    random_ = random.Random(2026)
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    with open(path, "w", encoding="utf-8") as lines:
        for number in range(count):
            saved = {name: f"{random_.getrandbits(128):022x}==" for name in
                     ("bios-hash", "disk-info", "memory-hash", "processor-hash", "system-hash")}  # fmt: skip
            saved["hostname-info"] = f"web-{number}.example.internal"
            saved["ipaddress-info"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            saved["macaddr-info"] = f"02:00:{number >> 24 & 255:02x}:{number >> 16 & 255:02x}:00:{number & 255:02x}"
            saved["machine-id"] = f"{random_.getrandbits(128):032x}\n"
            current = dict(sorted(saved.items()))
            draw = random_.random()
            if draw < 0.1:
                current["machine-id"] = f"{random_.getrandbits(128):032x}\n"
            elif draw < 0.4:
                current.update({"ipaddress-info": "10.255.0.1", "disk-info": "", "bios-hash": ""})
            pair = {"saved": dict(sorted(saved.items())), "current": current, "threshold": 40, "sidKey": "machine-id"}
            lines.write(json.dumps(pair, separators=(",", ":")) + "\n")
    return path


def _run(words: list[str], output: Path) -> None:
    with open(output, "w") as answer:
        subprocess.run(words, stdout=answer, check=False, cwd=Path(__file__).parent)


def test_match_lines(claim: Callable[..., Any], pairs: Path, tmp_path: Path) -> None:
    claim("match over JSON lines", "ours", target=8).pedantic(
        _run, ([COMMAND, "match", str(pairs)], tmp_path / "out"), rounds=5, warmup_rounds=1
    )
    assert (tmp_path / "out").read_bytes().count(b"\n") == pairs.read_bytes().count(b"\n")


def test_match_lines_peer(claim: Callable[..., Any], pairs: Path, tmp_path: Path) -> None:
    claim("match over JSON lines", "peer").pedantic(
        _run, ([sys.executable, "-c", PEER, str(pairs)], tmp_path / "out"), rounds=3
    )
    ours = tmp_path / "ours"
    _run([COMMAND, "match", str(pairs)], ours)
    with open(ours) as mine, open(tmp_path / "out") as its:
        for one, other in zip(mine, its, strict=True):
            first, second = json.loads(one), json.loads(other)
            assert {**first, "percent": 0} == {**second, "percent": 0}
