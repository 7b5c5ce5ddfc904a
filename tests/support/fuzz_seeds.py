"""Inputs that fuzzing starts from, and tokens of their formats."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

from fingerprint import FingerprintRecord, HardwareHash
from fingerprint._core import (
    dumps,
)
from fingerprint.types import RegistrationRecord
from fingerprint.vault.records import (
    encode_fingerprint,
)


def fleet_seeds(kind: str) -> tuple[bytes, ...]:
    """Return small fleets in every layout that columns have in Parquet ("parquet") or Arrow IPC.

    Args:
        kind: "parquet", "arrow" or "compressed" (Arrow with compressed buffers).
    """
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
        for compression in ("lz4", "zstd") if kind == "compressed" else (None,):
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
