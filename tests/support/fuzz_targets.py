"""Fuzz targets for all code that reads foreign bytes.

A target accepts any bytes and asserts what must hold for all of them. As a program it runs one share of a campaign and
prints a line of JSON: `python -I fuzz_targets.py TARGET INPUTS SEED`. It needs only the installed package and this
directory.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import struct
import sys
from collections.abc import Callable
from random import Random
from typing import TypeVar

if __name__ == "__main__":
    # The isolated mode does not add this directory.
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))

from fingerprint import _core
from fingerprint._core import (
    JsonError,
    canonical_uuid,
    clean,
    dumps,
    loads,
    members,
    smbios_identifiers,
    smbios_identifiers_of_windows,
    stable_values,
    stable_values_of_windows,
)
from fingerprint._matchlines import Matcher
from fingerprint.agent.logs import TimelineBuilder, conclusion, parse
from fingerprint.errors import VaultCorrupt
from fingerprint.machine.network import hardware_addresses, parse_routes
from fingerprint.machine.parsers import (
    decode_console,
    parse_cpuinfo,
    parse_ifconfig,
    parse_ioreg,
    parse_ip_addr,
    parse_wmi_addresses,
    parse_wmi_list,
    parse_wmic_table,
)
from fingerprint.rules.stable import smbios_values
from fingerprint.smbios.dmidecode import parse_dmidecode
from fingerprint.vault.records import (
    decode_fingerprint,
    decode_manifest,
    decode_registration,
    encode_fingerprint,
    encode_manifest,
    encode_registration,
)
from fuzz_campaign import Target, fuzz
from fuzz_seeds import (
    EVIDENCE_SEEDS,
    JSON_TOKENS,
    MATCH_TOKENS,
    RECORD_TOKENS,
    REGISTRATION,
    TEXT_SEEDS,
    fingerprint_seeds,
    fleet_seeds,
    match_seeds,
    netlink_seeds,
    smbios_seeds,
)

T = TypeVar("T")


def run_fingerprint(data: bytes, _: Random) -> bool:
    try:
        record = decode_fingerprint(data, "here")
    except VaultCorrupt:
        return False
    written = encode_fingerprint(record)
    again = decode_fingerprint(written, "here")
    assert again == record
    assert encode_fingerprint(again) == written
    return True


def run_registration(data: bytes, _: Random) -> bool:
    try:
        record = decode_registration(data, "here")
    except VaultCorrupt:
        return False
    written = encode_registration(record)
    again = decode_registration(written, "here")
    assert again == record
    assert encode_registration(again) == written
    return True


def run_manifest(data: bytes, _: Random) -> bool:
    try:
        manifest = decode_manifest(data, "here")
    except VaultCorrupt:
        return False
    written = encode_manifest(manifest)
    assert decode_manifest(written, "here") == manifest
    assert encode_manifest(decode_manifest(written, "here")) == written
    return True


def run_json(data: bytes, _: Random) -> bool:
    """Assert that `members` reads exactly the objects, and null, that `loads` reads, and that its output reads back."""
    value, refused = attempt(loads, data)
    pairs, refused_as_object = attempt(members, data)
    if isinstance(value, dict):
        assert pairs is not None
        assert {name: loads(raw) for name, raw in pairs} == value
    else:
        assert refused_as_object == (refused or value is not None)
        assert pairs is None
    if refused:
        return False
    try:
        written = dumps(value)
    except ValueError:
        # A number such as 1e999 is read as infinity, which is not written.
        assert "inf" in repr(value)
        return True
    assert loads(written) == value
    assert dumps(loads(written)) == written
    return True


def attempt(read: Callable[[bytes], T], data: bytes) -> tuple[T | None, bool]:
    """Return the value and whether it was rejected, asserting that the error's position lies within the input."""
    try:
        return read(data), False
    except JsonError as error:
        if not 0 <= error.offset <= len(data) or not error.problem.isascii():
            raise ValueError(f"a refusal that leads astray: {error}") from error
        return None, True


def run_matcher(data: bytes, random: Random) -> bool:
    """Assert that the answers are the same wherever the stream is cut: one for each line that is not blank."""
    uncut = Matcher()
    answers = uncut.feed(data) + uncut.finish()
    cut = Matcher()
    parts = []
    at = 0
    while at < len(data):
        size = random.choice((1, 2, 15, 16, 17, len(data))) if random.random() < 0.5 else random.randrange(1, 200)
        # An array has no byte after its last one, so a sanitizer detects reading past the end.
        parts.append(cut.feed(array.array("B", data[at : at + size])))
        at += size
    parts.append(cut.finish())
    assert b"".join(parts) == answers
    lines = data.split(b"\n")
    expected = sum(1 for line in lines if line.strip(b" \t\r"))
    assert answers.count(b"\n") == expected == answers.count(b'{"match":true,') + uncut.differs + uncut.errors
    assert uncut.lines == len(lines) - (not lines[-1])
    assert (cut.lines, cut.differs, cut.errors) == (
        uncut.lines,
        uncut.differs,
        uncut.errors,
    )
    assert cut.first_error == uncut.first_error
    return uncut.errors < expected


def run_netlink(data: bytes, _: Random) -> bool:
    try:
        addresses = _core.parse_addresses(data)
        links = list(hardware_addresses(_core.parse_links(data)))
    except OSError:
        return False
    assert all(len(address.split(".")) == 4 and not address.startswith("127.") for address in addresses)
    assert all(isinstance(name, str) and address for name, address in links)
    return bool(addresses or links)


def run_smbios(data: bytes, random: Random) -> bool:
    """Assert that the native readers agree with the reference decoder for any table, so nothing is read beyond it."""
    from textbook_smbios import decode, identifiers_of

    try:
        table = decode(data)
    except ValueError:
        return False
    assert stable_values(data) == smbios_values(table)
    assert sorted(smbios_identifiers(data)) == identifiers_of(table)
    cut = random.randrange(len(data))
    for read in (stable_values, smbios_identifiers):
        for words in ((data[cut:], data[:cut]), (data[32:], data[:32])):
            with contextlib.suppress(ValueError):
                read(*words)
    for read_windows in (stable_values_of_windows, smbios_identifiers_of_windows):
        with contextlib.suppress(ValueError):
            read_windows(data)
    return not table.problems


def run_links(data: bytes, _: Random) -> bool:
    try:
        links = _core.parse_links(data)
    except OSError:
        return False
    assert all(len(name) < 32 and len(address) <= 32 for name, _, _, _, address, _ in links)
    return bool(links)


def run_evidence(data: bytes, _: Random) -> bool:
    text = data.decode("utf-8", "replace")
    values = smbios_values(parse_dmidecode(text))
    assert clean(clean(text)) == clean(text)
    canonical_uuid(text)
    timeline = TimelineBuilder()
    for line in text.split("\n"):
        entry = parse(line)
        if entry is not None:
            timeline.take(entry)
    timeline.finish()
    assert conclusion(timeline)[0]
    return bool(values or timeline.events)


def run_strings(data: bytes, _: Random) -> bool:
    text = decode_console(data)
    found = [parse_ip_addr(text), parse_ifconfig(text), parse_wmi_addresses(text)]
    for ipv4, links in found:
        assert all(address and not address.startswith("127.") for address in ipv4)
        assert all(isinstance(name, str) and address for name, address in links)
    tables = [parse_wmi_list(text), parse_wmic_table(text), [parse_ioreg(text)], [parse_cpuinfo(text)]]
    for rows in tables:
        assert all(isinstance(word, str) for row in rows for pair in row.items() for word in pair)
    assert isinstance(parse_routes(text), str)
    return found != [((), ())] * 3 or any(any(rows) for rows in tables)


def run_fleet(data: bytes, _: Random) -> bool:
    """Assert that a fleet in columns has an answer to every question, or an error that names it."""
    from fingerprint.errors import InputError
    from fingerprint.fleet import Rejects, check, clones, drift, open_fleet, pack, plan

    descriptor = os.memfd_create("fleet")
    try:
        os.write(descriptor, data)
        fleet = open_fleet(f"/proc/self/fd/{descriptor}", format="arrow")
        rows = sum(checked.rows.num_rows for checked in check(fleet.batches(Rejects()), threads=1))
        for ask in (plan, clones, drift):
            ask(fleet.batches(Rejects()), threads=1)
    except InputError:
        return False
    else:
        try:
            list(pack(fleet.batches(Rejects()), threads=1))
        except InputError as error:
            # A fleet of IDs cannot be packed again.
            if "IDs are small already" not in str(error):
                raise AssertionError(str(error)) from error
        return rows > 0
    finally:
        os.close(descriptor)


TARGETS = {
    "fingerprint record": Target(run_fingerprint, fingerprint_seeds(), RECORD_TOKENS),
    "registration": Target(run_registration, (encode_registration(REGISTRATION), b"null"), RECORD_TOKENS),
    "manifest": Target(
        run_manifest,
        (
            encode_manifest(
                {name: f"/var/lib/amazon/ssm/Vault/Store/{name}" for name in ("InstanceFingerprint", "RegistrationKey")}
            ),
            b"{}",
        ),
        RECORD_TOKENS,
    ),
    "JSON": Target(
        run_json,
        (*fingerprint_seeds(), b'[1,-0.5e-7,"\\ud83d\\ude00\\u00e9",{"a":{}},[],true,false,null]'),
        JSON_TOKENS,
    ),
    "JSON Lines": Target(run_matcher, match_seeds(), MATCH_TOKENS),
    "netlink": Target(run_netlink, netlink_seeds(), (bytes(4), b"\xff\xff", b"\x10\0\0\0", b"\x04\0\1\0", b"\0\0\1\0")),
    "SMBIOS": Target(
        run_smbios, smbios_seeds(), (b"\0\0", b"\xff\xff", b"\x7f\x04", b"\x11\x28", b"\x04\x30", b"_SM_", b"_SM3_")
    ),
    "links": Target(run_links, netlink_seeds(), (bytes(4), b"\xff\xff", b"\x10\0\0\0", b"\x04\0\1\0", b"\x05\0\x36\0")),
    "evidence": Target(
        run_evidence,
        EVIDENCE_SEEDS,
        (b"\n", b"\t", b": ", b"Handle 0x", b"DMI type 17", b" MB", b"''", b"(", b")"),
    ),
    "strings": Target(
        run_strings, TEXT_SEEDS, (b"\n", b"\r\n", b": ", b"=", b"inet ", b"link/ether ", b"{", b'"', b"\t", b"\0")
    ),
}


if sys.platform == "linux" and fleet_seeds("arrow"):
    # Parquet is decoded by pyarrow alone; tests/fleet/test_fleet_hostile.py has it.
    for target, kind in (("fleet in Arrow", "arrow"), ("compressed fleet in Arrow", "compressed")):
        TARGETS[target] = Target(
            run_fleet, fleet_seeds(kind), (bytes(8), b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x80", struct.pack("<q", -1))
        )


def main() -> None:
    name, inputs, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    import psutil

    process = psutil.Process()
    campaign = fuzz(TARGETS[name], inputs, seed, lambda: process.memory_info().rss)
    print(json.dumps(campaign._asdict()))


if __name__ == "__main__":
    main()
