"""Real machines at two times: the first cause is the one that their text shows, whatever the address does."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any

import pytest

from event_machines import machine, snapshot
from fingerprint.explanation import explain_snapshots
from fingerprint.machine.recorded import RecordedMachine
from shared import CORPUS, needs_corpus

PAIRS = 400


def pairs() -> list[dict[str, Any]]:
    with gzip.open(CORPUS / "drift" / "pairs_text.jsonl.gz", "rt") as lines:
        return [json.loads(line) for _, line in zip(range(PAIRS), lines, strict=False)]


def side(pair: dict[str, Any], number: int, address: str) -> RecordedMachine:
    recorded = "2026-11-01T00:00:00Z", "2026-11-24T12:00:00Z"
    taken = snapshot(machine(ip=address), recorded[number])
    head = f"# dmidecode {pair['dmidecode'][number]}\nGetting SMBIOS data from sysfs.\n"
    head += f"SMBIOS {pair['smbios'][number]} present.\n\n"
    for command in taken["commands"][:4]:
        command["stdout"] = head + pair[("old", "new")[number]].get(command["argv"][-1], "") + "\n\n"
    return RecordedMachine(taken)


def fields(text: str, *labels: str) -> list[str]:
    """Return the values of fields in their order, without the form of their blanks."""
    return [" ".join(value.split()) for value in re.findall(rf"(?m)^\t(?:{'|'.join(labels)}): (.*)$", text)]


def sizes(text: str) -> list[str]:
    """Return the sizes of the modules in MB."""
    found = [re.match(r"(\d+) (MB|GB)", value) for value in fields(text, "Size")]
    return sorted(str(int(one[1]) * (1024 if one[2] == "GB" else 1)) for one in found if one)


def shown(pair: dict[str, Any]) -> set[str]:
    """Return the changes that the text itself shows."""
    old, new = pair["old"], pair["new"]

    def differ(group: str, *labels: str) -> bool:
        return fields(old.get(group, ""), *labels) != fields(new.get(group, ""), *labels)

    found = {"tool-version"} if pair["dmidecode"][0] != pair["dmidecode"][1] else set()
    bios = [text.get("bios", "").partition("BIOS Information")[2].partition("\n\n")[0] for text in (old, new)]
    found |= (
        {"firmware"}
        if fields(bios[0], "Version", "Release Date") != fields(bios[1], "Version", "Release Date")
        else set()
    )
    found |= {"memory"} if sizes(old.get("memory", "")) != sizes(new.get("memory", "")) else set()
    found |= {"processor"} if differ("processor", "Version", "Signature") else set()
    return found


def kind(cause: str) -> str:
    return "memory" if cause.startswith("memory") else "processor" if cause == "processor-count" else cause


@needs_corpus
@pytest.mark.parametrize("address", ["10.1.4.20", "10.9.0.7"])
def test_the_first_cause_of_a_real_pair_is_right(address: str) -> None:
    counted = right = 0
    for pair in pairs():
        truth = shown(pair)
        made = explain_snapshots(side(pair, 0, "10.1.4.20"), side(pair, 1, address)).composition
        names = [kind(cause.name) for cause in made.causes]
        assert ("tool-version" in names) == ("tool-version" in truth)
        assert ("address" in names) == (address != "10.1.4.20")
        assert "reboot" not in names
        assert made.unexplained == ()
        assert str(made.identity) == "same"
        if truth:
            counted += 1
            right += names[0] in truth
            assert "processor" not in names or "processor" in truth
    assert counted > 100
    assert right >= 0.97 * counted
