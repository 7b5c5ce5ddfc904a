"""Fuzz targets for all code that reads foreign bytes, and the loop that mutates real inputs for them.

A target accepts any bytes and asserts what must hold for all of them. As a program it runs one share of a campaign and
prints a line of JSON: `python -I fuzz_targets.py TARGET INPUTS SEED`. It needs only the installed package and this
directory.
"""

from __future__ import annotations

import array
import contextlib
import faulthandler
import json
import os
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar

from fingerprint import FingerprintRecord, HardwareHash, _core
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
from fingerprint.types import RegistrationRecord
from fingerprint.vault.records import (
    decode_fingerprint,
    decode_manifest,
    decode_registration,
    encode_fingerprint,
    encode_manifest,
    encode_registration,
)

T = TypeVar("T")

# Most bytes of an input; so none may take long.
LENGTH_LIMIT = 64 * 1024
SECONDS_LIMIT = 1.0
BATCH = 10_000
WATCHDOG_SECONDS = 120


class Target(NamedTuple):
    """A reader of foreign bytes.

    Attributes:
        run: reads bytes and returns whether they were accepted; raises for whatever must not be. The generator is for
            choices that are not part of the input, such as where to cut it.
        seeds: real inputs to start from.
        tokens: words of the format.
    """

    run: Callable[[bytes, Random], bool]
    seeds: tuple[bytes, ...]
    tokens: tuple[bytes, ...]


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
            # Ids are small already.
            if "holds ids" not in str(error):
                raise AssertionError(str(error)) from error
        return rows > 0
    finally:
        os.close(descriptor)


def fleet_seeds(kind: str) -> tuple[bytes, ...]:
    """Return small fleets in every layout that columns have in Arrow IPC ("arrow") or Parquet ("parquet")."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ImportError:
        return ()

    values = [f"value {number} that is longer than a view" if number % 3 else str(number) for number in range(8)]
    strings = pa.array([*values, None, ""])
    plain = {"node_id": [f"mi-{i}" for i in range(10)], "threshold": pa.array([40] * 9 + [None], pa.int32()),
             "observed_at": pa.array([1_700_000_000 + i for i in range(10)], pa.timestamp("s")),
             "group": pa.array(["a", "b"] * 5).dictionary_encode()}  # fmt: skip
    names = ("machine-id", "ipaddress-info", "disk-info")

    def of(column: Any) -> Any:
        return pa.table({**plain, **{f"{side}.{name}": column for side in ("saved", "current") for name in names}})

    hashes = [[("machine-id", value), ("disk-info", "x")] for value in strings.to_pylist()]
    maps = {side: pa.array(hashes, pa.map_(pa.string(), pa.string())) for side in ("saved", "current")}
    tables = [
        of(strings), of(strings.cast(pa.large_string())), of(strings.dictionary_encode()), pa.table({**plain, **maps}),
        of(pa.array(range(10), pa.int32())), of(pa.array([bytes([i] * 16) for i in range(10)], pa.binary(16))),
    ]  # fmt: skip
    if kind == "parquet":
        made = []
        for table in tables:
            to = pa.BufferOutputStream()
            parquet.write_table(table, to, compression="none" if len(made) % 2 else "snappy")
            made.append(to.getvalue().to_pybytes())
        return tuple(made)
    tables.append(of(strings.cast(pa.string_view())))
    made = []
    for number, table in enumerate(tables):
        for compression in (None, ("lz4", "zstd")[number % 2]):
            to = pa.BufferOutputStream()
            new = pa.ipc.new_stream if number % 2 else pa.ipc.new_file
            with new(to, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
                writer.write_table(table, max_chunksize=5)
            made.append(to.getvalue().to_pybytes())
    return tuple(made)


HASH = HardwareHash(
    {
        "bios-hash": "M2Y4ZDk1MWU5YjU2YzFhNA==",
        "disk-info": "",
        "hostname-info": "web-7.example.com",
        "ipaddress-info": "192.0.2.7",
        "macaddr-info": "a2:99:21:33:46:45",
        "machine-id": "3d1219c7c4c5404aaa1f6d2a48adfda4\n",
        "memory-hash": "",
        "processor-hash": "a<b>&\u2028\u00e9\U0001f600",
        "system-hash": '\u001f\\"',
    }
)
JSON_TOKENS = (
    b"null",
    b"true",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"\\",
    b"\\u0000",
    b"\\ud83d\\ude00",
    b"\\ud800",
    b'""',
    b"{}",
    b"[]",
    b"0",
    b"-1",
    b"9223372036854775807",
    b"-9223372036854775809",
    b"1e999",
    b"0.1",
    b" ",
    b"\t",
    b"\xc3\xa9",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80",
    b"\xff",
    b"[[[[[[[[",
    b'{"a":',
)
RECORD_TOKENS = (
    *JSON_TOKENS,
    b'"fingerprint"',
    b'"FINGERPRINT"',
    b'"hardwareHash"',
    b'"similarityThreshold"',
    b"\xc5\xbfimilarity",
    b'"machine-id"',
    b'"privateKey"',
    b'"instanceID"',
)
MATCH_TOKENS = (
    *JSON_TOKENS,
    b"\n",
    b"\r\n",
    b"\n\n",
    b'"saved"',
    b'"current"',
    b'"threshold":40',
    b'"sidKey":"uuid"',
    b'"machine-id"',
    b'"ipaddress-info"',
    b'"uuid"',
)

REGISTRATION = RegistrationRecord(
    instance_id="mi-0123456789abcdef0",
    region="eu-west-1",
    private_key="MIIEowIBAAKCAQEA7+/=" * 20,
    private_key_type="Rsa",
    private_key_created_date="2026-11-24 00:00:00 +0000 UTC",
)


def fingerprint_seeds() -> tuple[bytes, ...]:
    record = FingerprintRecord("7f01e38b-b042-83e5-81dc-afba70ce87d2", HASH, 40)
    return (
        encode_fingerprint(record),
        encode_fingerprint(record.replace(extra=(("future", b'{"a":[1,2.5e3,null]}'),))),
        encode_fingerprint(FingerprintRecord()),
        b'{"Fingerprint":"a","HARDWAREHASH":{"a":null},"hardwareHash":{"b":"c"},"similarityThreshold":-1}',
        b"null",
    )


def match_seeds() -> tuple[bytes, ...]:
    saved = dumps(dict(HASH.items()))
    current = dumps({**dict(HASH.items()), "ipaddress-info": "192.0.2.8", "uuid": "u"})
    lines = [
        b'{"saved":' + saved + b',"current":' + saved + b',"threshold":40}',
        b'{"saved":' + saved + b',"current":' + current + b',"threshold":100,"sidKey":"uuid"}',
        b'{"saved":null,"current":{"a":null},"threshold":-1,"more":[{"b":1e3}]}',
        b'{"saved":{},"threshold":"x"}',
    ]
    return (*lines, b"\n".join(lines) + b"\n", b"\n\r\n \t\n".join(lines))


def netlink_seeds() -> tuple[bytes, ...]:
    def attribute(kind: int, value: bytes) -> bytes:
        return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

    def message(kind: int, body: bytes) -> bytes:
        return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body + bytes(-len(body) % 4)

    addresses = [
        message(
            20, struct.pack("=BBBBI", 2, 24, 0, 0, 2) + attribute(1, ip) + attribute(2, ip) + attribute(3, b"eth0\0")
        )
        for ip in (b"\x7f\0\0\1", b"\xc0\0\2\7")
    ]
    links = [
        message(16, struct.pack("=BxHiII", 0, kind, 2, 1, 0) + attribute(3, name) + attribute(1, hardware))
        for kind, name, hardware in ((1, b"eth0\0", b"\xa2\x99\x21\x33\x46\x45"), (768, b"tunl0\0", b"\xc0\0\2\1"))
    ]
    return (b"".join(addresses), b"".join(links), b"".join([*addresses, *links]))


def smbios_seeds() -> tuple[bytes, ...]:
    """Return a table made here, and those of real machines if they are available."""

    def structure(kind: int, formatted: bytes, *strings: bytes) -> bytes:
        head = bytes([kind, 4 + len(formatted), kind, 0]) + formatted
        return head + (b"".join(text + b"\0" for text in strings) or b"\0") + b"\0"

    board = bytes([1, 2, 3, 4, 5, 1, 6, 0, 3, 10, 0])
    processor = bytes([1, 3, 0xC6, 2]) + bytes(8) + bytes([3]) + bytes(7) + b"\x41" + bytes(22)
    device = struct.pack("<HHHHHBBBBBHHBBBB", 1, 0xFFFE, 64, 64, 8192, 9, 0, 1, 2, 26, 128, 2666, 3, 4, 5, 6)
    system = bytes([1, 2, 3, 4]) + bytes(range(16)) + bytes([6, 5, 6])
    table = (
        structure(0, bytes([1, 2, 0, 0xE0, 3, 15]) + bytes(10), b"Maker", b"1.0", b"01/02/2020")
        + structure(1, system, b"Maker", b"Box", b"1", b"S-4711", b"K", b"F")
        + structure(2, board, b"Maker", b"Board", b"1", b"B-0815", b"i-0123456789", b"X")
        + structure(4, processor, b"CPU", b"M", b"Cpu 9")
        + structure(11, b"\2", b"one", b"two")
        + structure(17, device, b"A1", b"B0", b"Mem", b"1A2B3C4D", b"T", b"P-1")
        + structure(127, b"")
    )
    shared = os.environ.get("FINGERPRINT_SHARED")
    real = sorted(Path(shared, "corpus", "smbios").glob("*/sysfs/DMI")) if shared else []
    return (table, *(path.read_bytes() for path in real))


EVIDENCE_SEEDS = (
    b"# dmidecode 3.4\nSMBIOS 3.2.0 present.\n\nHandle 0x0001, DMI type 1, 27 bytes\nSystem Information\n"
    b"\tManufacturer: Maker\n\tProduct Name: Box\n\tSerial Number: S-4711\n"
    b"\tUUID: 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0\n\n",
    b"Handle 0x1100, DMI type 17, 40 bytes\nMemory Device\n\tSize: 8 GB\n\tLocator: A1\n\tPart Number: P-1\n\n",
    b"2024-05-07 08:31:16 ERROR [X] Machine configuration has changed more than the allowed threshold.\n"
    b"2024-05-07 08:31:16 WARN [X] The 'disk-info' value (a) has changed from the registered machine configuration "
    b"value (b).\n2024-05-07 08:31:17 INFO Sleeping for 25m47s before retrying retrieve credentials\n",
)

TEXT_SEEDS = (
    b"1: lo: <LOOPBACK,UP> mtu 65536\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"
    b"    inet 127.0.0.1/8 scope host lo\n2: eth0@if3: <UP> mtu 1500\n    link/ether a2:99:21:33:46:45 brd ff:ff\n"
    b"    inet 192.0.2.7/24 brd 192.0.2.255 scope global eth0\n",
    b"eth0: flags=4163<UP>  mtu 1500\n        inet 192.0.2.7  netmask 255.255.255.0\n"
    b"        ether a2:99:21:33:46:45  txqueuelen 1000\n",
    b'\r\n\r\nIPAddress={"192.0.2.7","fe80::1"}\r\nMACAddress=A2:99:21:33:46:45\r\n\r\n',
    "Name            SerialNumber  \r\nIntel(R) CPU    0123          \r\n".encode("utf-16"),
    b'+-o Root  <class IORegistryEntry>\n    {\n      "IOPlatformUUID" = "0-1-2"\n      "a" = <0102>\n    }\n',
    b"processor\t: 0\nmodel name\t: CPU @ 2GHz\nphysical id\t: 0\ncpu cores\t: 4\n\nprocessor\t: 1\n",
    b"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    b"eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n",
)

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
    TARGETS["fleet in Arrow"] = Target(
        run_fleet, fleet_seeds("arrow"), (bytes(8), b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x80", struct.pack("<q", -1))
    )


def mutated(pool: Sequence[bytes], tokens: Sequence[bytes], random: Random) -> bytes:
    """Return one input of the pool with one or more changes: bits, bytes, tokens, parts of it and of others."""
    chance = random.random
    data = bytearray(pool[int(chance() * len(pool))])
    while True:
        length = len(data)
        at = int(chance() * (length + 1))
        kind = int(chance() * 8)
        if kind == 0 and at < length:
            data[at] ^= 1 << int(chance() * 8)
        elif kind == 1 and at < length:
            data[at] = int(chance() * 256)
        elif kind == 2:
            del data[at : at + 1 + int(chance() * chance() * 40)]
        elif kind == 3:
            data[at:at] = data[int(chance() * length) :][: int(chance() * 40)]
        elif kind in (4, 5):
            token = tokens[int(chance() * len(tokens))]
            data[at : at + (len(token) if kind == 4 else 0)] = token
        elif kind == 6:
            other = pool[int(chance() * len(pool))]
            data[at:] = other[int(chance() * len(other)) :]
        elif chance() < 0.02:
            data[at:at] = bytes(data[at : at + 1 + int(chance() * 20)]) * int(chance() * 1000)
        else:
            del data[at:]
        if chance() < 0.4:
            return bytes(data[:LENGTH_LIMIT])


class Campaign(NamedTuple):
    """The result of a share of a campaign."""

    inputs: int
    accepted: int
    slowest: float
    growth: int


def fuzz(target: Target, inputs: int, seed: int, memory: Callable[[], int] = lambda: 0) -> Campaign:
    """Run a target over so many inputs; they are the same for the same seed. A hang ends the process with a traceback.

    Args:
        target: the target.
        inputs: the number of inputs.
        seed: the seed of the first batch.
        memory: returns the memory of this process in bytes; its growth after the first tenth is in the result.

    Raises:
        AssertionError: with the input that the target failed for, or took too long for.
    """
    clock = time.perf_counter
    run, seeds, tokens = target
    done = accepted = 0
    slowest = 0.0
    settled = 0
    for seed_text in seeds:
        # Import modules first, so that they do not count as growth.
        run(seed_text, Random(0))
    for batch in range(-(-inputs // BATCH)):
        faulthandler.dump_traceback_later(WATCHDOG_SECONDS, exit=True)
        random = Random(seed + batch)
        pool = [*seeds] * 4
        if batch == inputs // BATCH // 10:
            settled = memory()
        for _ in range(min(BATCH, inputs - done)):
            data = mutated(pool, tokens, random)
            started = clock()
            try:
                good = run(data, random)
            except Exception as error:
                raise AssertionError(f"{type(error).__name__}: {error} for the input {data!r}") from error
            spent = clock() - started
            if spent > slowest:
                slowest = spent
                assert spent < SECONDS_LIMIT, f"{spent:.1f} s for the input {data!r}"
            done += 1
            if good:
                accepted += 1
                # Start from accepted inputs, so that changes accumulate.
                if random.random() < 0.05:
                    pool[int(random.random() * len(pool))] = data
    faulthandler.cancel_dump_traceback_later()
    return Campaign(done, accepted, slowest, memory() - settled)


def main() -> None:
    name, inputs, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    import psutil

    process = psutil.Process()
    campaign = fuzz(TARGETS[name], inputs, seed, lambda: process.memory_info().rss)
    print(json.dumps(campaign._asdict()))


if __name__ == "__main__":
    # The isolated mode does not add this directory.
    sys.path.append(str(Path(__file__).parent))
    main()
