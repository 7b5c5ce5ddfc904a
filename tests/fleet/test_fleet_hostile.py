"""Fleets from senders that are not trusted: no machine stops the others, no file ends or stops the process."""

from __future__ import annotations

import ctypes
import gzip
import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from commandline import environment, run
from fingerprint.errors import InputError
from fingerprint.testing import unix_snapshot
from fleets import everything, row, validated, write_lines
from fuzz_seeds import fleet_seeds
from paths import SUPPORT
from shared import SHARED

pa = pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")
pq = pytest.importorskip("pyarrow.parquet")

from fingerprint._fleet import nulls_in, offsets_fit, views_fit  # noqa: E402
from fingerprint.fleet import Rejects, check, clones, drift, join, open_fleet, pack, plan  # noqa: E402
from fingerprint.fleet.io.buffers import sound  # noqa: E402

FULL = os.environ.get("FINGERPRINT_DURABILITY") == "full"
ATTACKS = SHARED / "cases" / "attack"
COMMANDS = (
    ("check", "{}"), ("plan", "{}"), ("clones", "{}"), ("diff", "{}", "{}"), ("pack", "{}", "{out}.arrow"),
    ("report", "{}", "{out}.html"),
)  # fmt: skip

MUTATE = """
import os, random, resource, struct, sys
sys.path.insert(0, {support!r})
from fuzz_seeds import fleet_seeds
from fingerprint.errors import InputError
from fingerprint.fleet import Rejects, check, clones, open_fleet, pack, plan
# Less memory than a wrong header may claim, so that no input takes long.
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
kind, path, stride, chance = {kind!r}, {path!r}, {stride}, random.Random({seed})

def variants(seed):
    yield seed, True
    for cut in range(chance.randrange(stride), len(seed), stride):
        yield seed[:cut], False
    for at in range(chance.randrange(stride), len(seed), stride):
        yield seed[:at] + bytes([seed[at] ^ (1 << chance.randrange(8))]) + seed[at + 1:], None
    for at in range(chance.randrange(stride), len(seed) - 8, 2 * stride):
        word = struct.pack("<q", chance.choice((-1, 0, 1, 2**31 - 1, 2**31, 2**62, -2**63, len(seed))))
        yield seed[:at] + word + seed[at + 8:], None

def ask(data):
    with open(path, "wb") as file:
        file.write(data)
    try:
        fleet = open_fleet(path, format="arrow" if kind == "compressed" else kind)
        for question in (lambda b: list(check(b, threads=1)), lambda b: plan(b, threads=1),
                         lambda b: clones(b, threads=1)):
            question(fleet.batches(Rejects()))
    except InputError as error:
        assert str(error)
        return False
    try:
        list(pack(fleet.batches(Rejects()), threads=1))
    except InputError as error:
        assert "IDs are small already" in str(error), error
    return True

tried = answered = 0
for number, seed in enumerate(fleet_seeds(kind)):
    for data, wanted in variants(seed):
        found = ask(data)
        assert wanted is None or found is wanted, (number, len(seed), len(data))
        tried += 1
        answered += found
print(tried, answered)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of memory are those of POSIX")
@pytest.mark.parametrize("seed", range(1, 4 if FULL else 2))
@pytest.mark.parametrize("kind", ["arrow", "compressed", "parquet"])
def test_mutated_file_never_crashes_the_process(kind: str, seed: int, tmp_path: Path) -> None:
    """Cut anywhere it is an error; with any other byte or word it is an answer or an error; never a signal."""
    words = {"support": str(SUPPORT), "kind": kind, "path": str(tmp_path / "fleet"),
             "stride": 1 if FULL else 499, "seed": seed}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-I", "-c", MUTATE.format(**words)], capture_output=True, text=True, check=False, timeout=3000,
        env={**os.environ, "FINGERPRINT_SHARED": str(SHARED)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    tried, answered = map(int, done.stdout.split())
    assert tried / 50 < answered < tried


def fits(column: Any) -> bool:
    batch = pa.RecordBatch.from_arrays([column], ["saved.a"])
    try:
        return sound(batch, "here") is batch
    except InputError as error:
        return error.where != "here"


def buffer(kind: str, *numbers: int) -> Any:
    return pa.py_buffer(struct.pack(f"<{len(numbers)}{kind}", *numbers))


def strings(*offsets: int, **more: Any) -> Any:
    """Return strings with these offsets into six bytes; pyarrow itself checks the first and the last."""
    data = pa.py_buffer(b"abcdef")
    return pa.Array.from_buffers(pa.string(), 2, [more.pop("valid", None), buffer("i", *offsets), data], **more)


def test_wrong_offsets_are_found() -> None:
    assert fits(strings(0, 3, 6))
    assert fits(strings(9, 0, 3, 6, offset=1))
    for middle in (7, -1, 2**31 - 1, -(2**31)):
        assert not fits(strings(0, middle, 6))
    large = pa.Array.from_buffers(pa.large_string(), 2, [None, buffer("q", 0, 2**62, 6), pa.py_buffer(b"abcdef")])
    assert not fits(large)
    wrong = strings(0, 9, 6)
    assert not fits(pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), wrong))
    assert not fits(pa.StructArray.from_arrays([wrong], ["a"]))
    keys = pa.array(["a", "b"])
    for offsets, values, good in (((0, 1, 2), keys, True), ((0, 3, 2), keys, False), ((0, 1, 2), wrong, False)):
        fields = [pa.field("key", pa.string(), False), pa.field("value", pa.string())]
        pairs = pa.StructArray.from_arrays([keys, values], fields=fields)
        kind = pa.map_(pa.string(), pa.string())
        column = pa.Array.from_buffers(kind, 2, [None, buffer("i", *offsets)], children=[pairs])
        assert fits(column) is good, offsets


def test_wrong_null_count_is_found() -> None:
    # Without nulls Arrow has no bits.
    for count, good in ((0, True), (1, True), (2, False)):
        assert fits(strings(0, 3, 6, valid=pa.py_buffer(b"\x01"), null_count=count)) is good


def test_wrong_views_are_found() -> None:
    long = b"a value that is long"
    piece = pa.py_buffer(b"--" + long)

    def view(data: bytes, valid: Any = None) -> Any:
        return pa.Array.from_buffers(
            pa.string_view(), 1, [valid, pa.py_buffer(data), piece], null_count=0 if valid is None else 1
        )

    head = struct.pack("<i", len(long)) + long[:4]
    for index, offset, good in ((0, 2, True), (0, 3, False), (1, 2, False), (-1, 2, False), (0, -1, False)):
        data = head + struct.pack("<ii", index, offset)
        assert fits(view(data)) is good, (index, offset)
        # A null may have any view.
        assert fits(view(data, pa.py_buffer(b"\0")))
    negative, padded, other = struct.pack("<i", -1) + bytes(12), b"\1\0\0\0ab" + bytes(10), b"else" + bytes(8)
    for data in (negative, padded, struct.pack("<i", 20) + other):
        assert not fits(view(data)), data


def test_checks_of_buffers_count_what_they_read() -> None:
    offsets = buffer("i", 0, 1, 2)
    for call in (lambda: offsets_fit(offsets, 4, 0, 3, 9), lambda: offsets_fit(offsets, 8, 0, 1, 9),
                 lambda: offsets_fit(offsets, 4, -1, 1, 9), lambda: offsets_fit(offsets, 4, 2**62, 2**62, 9),
                 lambda: views_fit(offsets, None, 0, 1, []), lambda: nulls_in(offsets, 90, 7),
                 lambda: nulls_in(offsets, -8, 8), lambda: nulls_in(offsets, -512, 600),
                 lambda: nulls_in(offsets, 2**62, 2**62), lambda: nulls_in(offsets, 8, -1)):  # fmt: skip
        with pytest.raises(IndexError):
            call()
    with pytest.raises(ValueError, match="4 or 8"):
        offsets_fit(offsets, 2, 0, 1, 9)
    for at in range(20):
        for rows in (0, 1, 7, 8, 9, 63, 64, 65, 130):
            bits = [random.Random(at * rows).random() < 0.5 for _ in range(160)]
            packed = bytes(sum(bit << k for k, bit in enumerate(bits[i : i + 8])) for i in range(0, 160, 8))
            assert nulls_in(pa.py_buffer(packed), at, rows) == rows - sum(bits[at : at + rows])


@pytest.mark.parametrize("more", [*range(1, 9), 61])
def test_buffers_may_have_any_size_that_holds_values(more: int) -> None:
    """Arrow pads buffers, and another writer's may end at any byte."""

    def longer(column: Any) -> Any:
        parts = [part and pa.py_buffer(part.to_pybytes()[: part.size] + b"\xff" * more) for part in column.buffers()]
        kind = column.type
        if not pa.types.is_map(kind):
            return pa.Array.from_buffers(kind, len(column), parts)
        fields = [pa.field("key", kind.key_type, False), pa.field("value", kind.item_type)]
        pairs = pa.StructArray.from_arrays([longer(column.keys), longer(column.items)], fields=fields)
        return pa.Array.from_buffers(kind, len(column), parts[:2], children=[pairs])

    kind = pa.map_(pa.string(), pa.string())
    rows = [[("machine-id", "a"), ("disk-info", "b")], [("machine-id", "c")]]
    batch = pa.record_batch(
        {"node_id": ["a", "b"], "saved": pa.array(rows, kind), "current": pa.array(rows[::-1], kind),
         "threshold": pa.array([40, 50], pa.int32())}
    )  # fmt: skip
    odd = pa.record_batch([longer(column) for column in batch.columns], batch.schema.names)
    [expected], [found] = (list(check([one])) for one in (batch, odd))
    assert found.rows.equals(expected.rows)


def test_buffers_at_odd_addresses_are_read() -> None:
    batch = pa.record_batch(
        {"node_id": ["a", "b"], "saved.x": ["one", "two"], "threshold": pa.array([40, 50], pa.int32())}
    )
    columns = []
    for column in batch.columns:
        parts = [
            part and pa.py_buffer(b"!" + part.to_pybytes() + bytes(64)).slice(1, part.size) for part in column.buffers()
        ]
        columns.append(pa.Array.from_buffers(column.type, 2, parts))
    odd = pa.record_batch(columns, batch.schema.names)
    assert any(part.address % 4 for column in odd.columns for part in column.buffers() if part)
    found = sound(odd, "")
    assert found.equals(batch)
    assert all(part.address % 8 == 0 for column in found.columns for part in column.buffers() if part)


class Lying:
    """Columns of another library, whose numbers say more than there is."""

    def __init__(self, batch: Any, change: Any) -> None:
        self._batch, self._change = batch, change

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        schema, array = self._batch.__arrow_c_array__()
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        # length, null_count, offset, n_buffers, n_children, buffers, children
        numbers = (ctypes.c_int64 * 7).from_address(pointer(array, b"arrow_array"))
        child = (ctypes.c_int64 * 7).from_address(ctypes.c_int64.from_address(numbers[6] + 8).value)
        self._change(numbers, child)
        return schema, array


@pytest.mark.parametrize("asked", [lambda f: list(check(f)), plan, clones, drift, lambda f: list(pack(f)),
                                   lambda f: join(f, f)])  # fmt: skip
@pytest.mark.parametrize(
    "change",
    [
        lambda parent, child: parent.__setitem__(0, 1000),
        lambda parent, child: parent.__setitem__(0, -1),
        lambda parent, child: child.__setitem__(0, -1),
        lambda parent, child: child.__setitem__(0, 1),
        lambda parent, child: child.__setitem__(1, 77),
        lambda parent, child: child.__setitem__(2, -5),
        lambda parent, child: (ctypes.c_int32 * 3).from_address(
            ctypes.c_int64.from_address(child[5] + 8).value
        ).__setitem__(1, 2**30),
    ],
    ids=["rows", "negative rows", "negative length", "short column", "nulls", "negative offset", "offset"],
)  # fmt: skip
def test_columns_of_another_library_are_checked(asked: Any, change: Any) -> None:
    batch = pa.record_batch({"node_id": ["a", "b"], "saved.x": ["one", "two"], "current.x": ["one", "two"]})
    with pytest.raises(InputError, match=r"damaged|cannot read the columns"):
        asked(Lying(batch, change))


# One bad machine, in every format and command.

GOOD = [row("good-1"), row("good-2", "disk-info")]
DEEP = "[" * 100_000
MANY = {f"made up {i}": "x" for i in range(119)}
BAD_ROWS: dict[str, Any] = {
    "a list": [], "null": "null", "deep": DEEP, "no JSON": "{",
    "no node": {"saved": {}}, "a node of a number": {"node_id": 1},
    "a threshold of 64 bits": {"threshold": 2**63 - 1}, "a threshold of more digits than Python reads": "1" * 5000,
    "a threshold of a float": {"threshold": 40.5}, "a threshold that is true": {"threshold": True},
    "a time before the calendar": {"observed_at": "0001-01-01T00:00:00+14:00"},
    "a time behind it": {"observed_at": "9999-12-31T23:59:59-14:00"},
    "a time with an odd offset": {"observed_at": "2026-01-01T00:00:00+99:99"}, "a time of a list": {"observed_at": []},
    "an attribute of a list": {"saved": {"machine-id": ["x"]}},
    "an attribute of a number": {"current": {"disk-info": 1}},
    "a hash of a list": {"saved": ["machine-id"]}, "half a character": '{"node_id": "x", "saved": {"a": "\\ud800"}}',
    "half a name": '{"node_id": "x", "saved": {"\\udfff": "a"}}',
    "too many attributes": {"saved": {**MANY, "a": "", "b": ""}},
    "the name of a fleet's column": {"saved": {"machine-id or uuid": "x"}}, "a group of a number": {"group": 7},
}  # fmt: skip


def asked_all(path: Path, tmp_path: Path, *, code: int | None = None) -> dict[str, Any]:
    """Ask each command of a fleet, and return their JSON answers."""
    found = {}
    for number, (name, *words) in enumerate(COMMANDS):
        given = [word.format(str(path), out=tmp_path / f"out-{number}") for word in words]
        done = run("--output", "json", "fleet", name, *given, env=environment(tmp_path / "state"), timeout=120)
        assert done.returncode in (1, 3), (name, done.returncode, done.stderr)
        assert "Traceback" not in done.stderr
        assert "internal error" not in done.stderr + done.stdout
        found[name] = validated(done)
    return found


def test_a_bad_line_is_a_rejected_row_with_a_reason(tmp_path: Path) -> None:
    lines: list[Any] = [GOOD[0]]
    for bad in BAD_ROWS.values():
        lines.append({**row("bad"), **bad} if isinstance(bad, dict) else json.dumps(bad) if bad == [] else bad)
    lines[lines.index({**row("bad"), "saved": {}})] = {"saved": {}}
    path = write_lines(tmp_path / "fleet.jsonl", [*lines, GOOD[1]])
    data = (
        path.read_bytes()
        + b'{"node_id": "l", "saved": {"a": "caf\xe9"}}\n{"node_id": "l", "saved": {"a": "\xed\xa0\x80"}}\n'
    )
    path.write_bytes(data)
    rejects = Rejects(io.StringIO())
    found = [one for part in check(open_fleet(path).batches(rejects)) for one in part.rows.to_pylist()]
    assert [one["node_id"] for one in found] == ["good-1", "good-2"]
    assert rejects.count == len(BAD_ROWS) + 2
    wanted = everything(lambda: open_fleet(write_lines(tmp_path / "good.jsonl", GOOD)).batches(Rejects()))
    assert everything(lambda: open_fleet(path).batches(Rejects())) == wanted
    for name, answer in asked_all(path, tmp_path).items():
        sides = [answer["before"]] if name == "diff" else [answer["fleet"]]
        assert all(side["rejected"]["count"] >= len(BAD_ROWS) + 2 for side in sides), name
        assert all(one["reason"] for side in sides for one in side["rejected"]["first"])


@pytest.mark.parametrize("first", [True, False])
def test_invented_attribute_names_do_not_affect_other_machines(tmp_path: Path, first: bool) -> None:
    """119 attributes are too many beside those of the fleet; 24 fit, and hide neither clones nor what drifted."""
    good = [row(f"good-{i}") for i in range(150)] + [row("moved", "disk-info")]
    for made_up in (
        MANY,
        dict(list(MANY.items())[:24]),
        {"MACHINE-ID": "x", 'a"b': "y", "a.b": "z", "": "w", "\0": "n"},
    ):
        bad = {**row("bad"), "saved": dict(made_up), "current": {**made_up, "machine-id": "bad"}}
        path = write_lines(tmp_path / "fleet.jsonl", [bad, *good] if first else [*good, bad])

        def fleet(path: Path = path) -> Any:
            return open_fleet(path).batches(Rejects())

        wanted = clones(open_fleet(write_lines(tmp_path / "good.jsonl", good)).batches())
        found = clones(fleet())
        assert (found.needed, found.attributes, found.pairs) == (wanted.needed, wanted.attributes, wanted.pairs)
        assert bool(found.left_out) == (len(made_up) != len(MANY))
        with join(fleet(), fleet()) as joined:
            counts = drift(joined.batches(), by="group")
        assert counts.rows == joined.both == 151 + (len(made_up) != len(MANY))
        assert set(wanted.attributes) <= set(counts.changed)


def test_invented_names_on_both_sides_do_not_stop_the_comparison(tmp_path: Path) -> None:
    def observed(word: str) -> Path:
        made = {f"{word} {i}": "x" for i in range(100)}
        lines = [{**row("bad"), "current": made}, *GOOD]
        return write_lines(tmp_path / f"{word}.jsonl", lines)

    before, after = (open_fleet(observed(word)).batches() for word in ("one", "two"))
    with join(before, after) as joined:
        found = drift(joined.batches())
        assert len(joined.left_out) > 80
        assert found.rows == 3
        assert {"machine-id", "disk-info"} <= set(found.changed)


def test_machine_without_hashes_does_not_stop_a_directory(tmp_path: Path) -> None:
    (tmp_path / "fleet").mkdir()
    for number, line in enumerate(
        ({"node_id": "none"}, GOOD[0], {"node_id": "empty", "saved": {}, "current": {"a": None}})
    ):
        write_lines(tmp_path / "fleet" / f"{number}.jsonl", [line])
    found = [one for part in check(open_fleet(tmp_path / "fleet").batches()) for one in part.rows.to_pylist()]
    assert [one["reason"] for one in found] == ["NOTHING_TO_COMPARE", "SAME_IP", "NOTHING_TO_COMPARE"]


def test_a_bad_row_of_columns_is_rejected_with_a_reason(tmp_path: Path) -> None:
    def latin(*values: Any) -> Any:
        return pa.array(values, pa.binary()).view(pa.string())

    rows = 9
    good = "2026-01-01T00:00:00Z"
    times = [good] * 5 + ["yesterday", "0000-01-01T00:00:00Z", None, "2026-01-01T00:00:00+99:00"]
    table = pa.table({
        "node_id": latin(b"a", b"caf\xe9", b"b", b"c", b"d", b"e", b"f", b"g", b"h"),
        "group": latin(b"x", b"x", b"r\xe9", *[b"x"] * 6), "mac": latin(*[b"x"] * 3, b"\xff", *[b"x"] * 5),
        "threshold": [40] * 4 + [2**63 - 1] + [40] * 4, "observed_at": times,
        "saved.machine-id": latin(*[b"\xe9"] * rows), "current.machine-id": latin(*[b"\xe9"] * rows),
    })  # fmt: skip
    keys = latin(*[b"machine-id"] * 8, b"\xe9")
    pairs = pa.MapArray.from_arrays(list(range(rows + 1)), keys, pa.array(["x"] * rows))
    mapped = table.drop_columns(["saved.machine-id", "current.machine-id"]).append_column("saved", pairs)
    for given, wrong in ((table, (2, 3, 4, 5, 6, 7, 9)), (mapped, (2, 3, 4, 5, 6, 7, 9))):
        pq.write_table(given, tmp_path / "fleet.parquet")
        with pa.ipc.new_file(tmp_path / "fleet.arrow", given.schema) as file:
            file.write_table(given)
        for ending in ("parquet", "arrow"):
            rejects = Rejects(written := io.StringIO())
            found = [one for part in check(open_fleet(tmp_path / f"fleet.{ending}").batches(rejects))
                     for one in part.rows.to_pylist()]  # fmt: skip
            assert [one["node_id"] for one in found] == ["a", "g"]
            lines = [json.loads(line) for line in written.getvalue().splitlines()]
            assert tuple(line["row"] for line in lines) == wrong
        # Each command once with each kind of columns.
        ending = "parquet" if given is table else "arrow"
        asked_all(tmp_path / f"fleet.{ending}", tmp_path / ending)
    numbers = pa.array([0, 2**62, -(2**62)], pa.int64())
    for unit in ("s", "ms", "us"):
        given = pa.table(
            {"node_id": list("abc"), "saved.a": list("abc"), "observed_at": numbers.cast(pa.timestamp(unit))}
        )
        rejects = Rejects()
        assert [part.rows.num_rows for part in check(given, rejects=rejects)] == [1]
        assert rejects.count == 2
        assert list(drift(given, rejects=Rejects()).machines) == ["1970-W01"]


SNAPSHOT = json.dumps(unix_snapshot(ip="192.0.2.1", host_name="good", dmi="Handle 0x0001\nSystem Information")).encode()
RECORD = json.dumps({"fingerprint": "f", "hardwareHash": {"machine-id": "x"}, "similarityThreshold": 40}).encode()
BAD_FILES = {
    "list/snapshot.json": b"[]", "null.json": b"null", "text.json": b'""', "deep.json": DEEP.encode(), "none.json": b"",
    "old.json": b"{}", "time.json": SNAPSHOT.replace(b"2026-11-24T00:00:00Z", b"2026-13-24T00:00:00Z"),
    "latin.json": SNAPSHOT.replace(b"good", b"caf\xe9"), "half.json": SNAPSHOT.replace(b"192.0.2.1", b"\\ud800"),
    "big/vault/Store/InstanceFingerprint": RECORD.replace(b"40", b"9223372036854775807"),
    "list2/vault/Store/InstanceFingerprint": RECORD.replace(b'"x"', b'["x"]'),
    "sid/vault/Store/InstanceFingerprint": RECORD.replace(b"machine-id", b"machine-id or uuid"),
    "cut/vault/Store/InstanceFingerprint": RECORD[:30], "key/vault/Store/RegistrationKey": b"[]",
    "caf\udce9.json": SNAPSHOT, "hash/vault/Store/InstanceFingerprint": RECORD.replace(
        b'"machine-id": "x"', json.dumps({f"a{i}": "x" for i in range(130)})[1:-1].encode()),
}  # fmt: skip


def machine_files() -> dict[str, bytes]:
    return {**BAD_FILES, "good/snapshot.json": SNAPSHOT, "good/vault/Store/InstanceFingerprint": RECORD}


@pytest.mark.skipif(sys.platform == "win32", reason="names of files are Unicode there")
@pytest.mark.parametrize("form", ["directory", "tar", "tar.gz", "tar.xz", "tar.bz2"])
def test_a_bad_machine_is_rejected_with_a_reason(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"fleet.{form}"
    if form == "directory":
        for name, data in machine_files().items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    else:
        with tarfile.open(path, f"w:{form[4:]}") as tar:  # type: ignore[call-overload]
            for name, data in machine_files().items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    rejects = Rejects(written := io.StringIO())
    found = [one for part in check(open_fleet(path).batches(rejects)) for one in part.rows.to_pylist()]
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    assert [one["node_id"] for one in found if one["node_id"] == "good"] == ["good"]
    # A host whose name is no text is a machine like others.
    assert len(found) + len(lines) == len(BAD_FILES) + 1
    assert len(found) <= 2, found
    assert all(line["reason"] for line in lines)
    if form in ("directory", "tar.gz"):
        asked_all(path, tmp_path)


def test_a_bad_item_of_an_inventory_is_rejected_with_a_reason(tmp_path: Path) -> None:
    directory = tmp_path / "fleet" / "resourcetype=ManagedInstanceInventory"
    directory.mkdir(parents=True)
    good = {"Attribute": "machine-id", "Saved": "x", "Current": "x"}
    bad: list[Any] = [
        [], None, {}, {"Attribute": ["x"]}, {"Attribute": {}}, {**good, "Saved": -1}, {**good, "Current": ["x"]},
        {**good, "captureTime": "0001-01-01T00:00:00+14:00"}, {**good, "captureTime": 7}, {**good, "resourceId": 7},
        {"Attribute": "threshold", "Saved": "\u00b2"}, {"Attribute": "threshold", "Saved": "9" * 5000},
        {"Attribute": "threshold", "Saved": 2**63 - 1}, {"Attribute": "threshold", "Saved": "--4"},
        {**good, "Attribute": "\ud800"}, {**good, "Attribute": "machine-id or uuid"}, DEEP, "",
    ]  # fmt: skip
    for number, item in enumerate(bad):
        (directory / f"i-{number:02}.json").write_text(item if isinstance(item, str) else json.dumps(item))
    (directory / "i-latin.json").write_bytes(b'{"Attribute": "a", "Saved": "\xe9"}')
    (directory / "i-good.json").write_text(json.dumps(good))
    rejects = Rejects()
    found = [one for part in check(open_fleet(tmp_path / "fleet").batches(rejects)) for one in part.rows.to_pylist()]
    assert [one["node_id"] for one in found] == ["i-good"]
    assert rejects.count == len(bad) + 1
    asked_all(tmp_path / "fleet", tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes in directories")
@pytest.mark.parametrize("kind", ["machines", "jsonl", "parquet", "arrow", "inventory"])
def test_special_file_in_a_directory_is_rejected_at_once(kind: str, tmp_path: Path) -> None:
    directory = tmp_path / "fleet" / ("resourcetype=x" if kind == "inventory" else "web")
    directory.mkdir(parents=True)
    ending = {"machines": "json", "inventory": "json"}.get(kind, kind)
    if kind == "machines":
        (directory / "good.json").write_bytes(SNAPSHOT)
        (directory / "vault" / "Store" / "InstanceFingerprint").mkdir(parents=True)
    elif kind == "inventory":
        (directory / "good.json").write_text(json.dumps({"Attribute": "machine-id", "Saved": "x", "Current": "x"}))
    else:
        write_lines(tmp_path / "good.jsonl", GOOD)
        table = pa.Table.from_batches(open_fleet(tmp_path / "good.jsonl").batches())
        (directory / "good.jsonl").write_bytes((tmp_path / "good.jsonl").read_bytes()) if kind == "jsonl" else None
        pq.write_table(table, directory / "good.parquet") if kind == "parquet" else None
        if kind == "arrow":
            with pa.ipc.new_file(directory / "good.arrow", table.schema) as file:
                file.write_table(table)
    os.mkfifo(directory / f"pipe.{ending}")
    (directory / f"zero.{ending}").symlink_to("/dev/zero")
    (directory / f"linked.{ending}").symlink_to(directory / f"pipe.{ending}")
    (directory / f"gone.{ending}").symlink_to(directory / "nowhere")
    with socket.socket(socket.AF_UNIX) as unix:
        os.chdir(directory)
        try:
            unix.bind(f"socket.{ending}")
        finally:
            os.chdir(tmp_path)
        started = time.monotonic()
        done = run("--output", "json", "fleet", "check", str(tmp_path / "fleet"), timeout=60)
        assert time.monotonic() - started < 30
    answer = validated(done)
    assert answer["rows"] >= 1
    wanted = 5 + (kind == "machines")
    assert answer["fleet"]["rejected"]["count"] == wanted, answer["fleet"]
    assert "named pipe" in json.dumps(answer["fleet"]["rejected"]["first"])
    if kind != "jsonl":
        # What is named itself: a pipe of lines is read, others cannot be.
        done = run("fleet", "check", "--format", kind, str(directory / f"pipe.{ending}"), timeout=30)
        assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr


def test_deep_directories_are_read(tmp_path: Path) -> None:
    made = subprocess.run(
        ["sh", "-c", 'for i in $(seq 1200); do mkdir d && cd -P d || exit 1; done; cat > web.json'], cwd=tmp_path,
        input=SNAPSHOT, check=False,
    )  # fmt: skip
    try:
        assert made.returncode == 0
        assert [part.rows.num_rows for part in check(open_fleet(tmp_path).batches())] == [1]
    finally:
        # Python's own removal is recursive, that of pytest, too.
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


# Archives.


def bomb(path: Path, members: list[tuple[str, int]], mode: str = "w:gz") -> Path:
    class Zeros(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, size in members:
            member = tarfile.TarInfo(name)
            member.size = size
            tar.addfile(member, Zeros())  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("name", ["w{}/snapshot.json", "w{}/other.bin"])
def test_a_small_archive_does_not_unpack_to_a_large_one(name: str, tmp_path: Path) -> None:
    path = bomb(tmp_path / "fleet.tar.gz", [(name.format(i), 4 << 20) for i in range(6)])
    words = ("fleet", "check", str(path), "--unpack-limit", "20")
    done = run(*words)
    assert done.returncode == 3
    assert f"{path}: it unpacks to more than 20 MiB" in done.stderr
    assert "--unpack-limit 80" in done.stderr
    done = run(*words[:-1], "80")
    assert "unpacks" not in done.stderr
    assert run(*words[:-1], "0").returncode == 2
    with pytest.raises(InputError, match="more than 20 MiB"):
        list(open_fleet(path, unpack_limit=20 << 20).batches())
    # A file that is not compressed is as large as it is.
    plain = bomb(tmp_path / "fleet.tar", [(name.format(i), 4 << 20) for i in range(6)], "w")
    list(open_fleet(plain, unpack_limit=1).batches())


def test_a_long_header_is_not_kept(tmp_path: Path) -> None:
    head = tarfile.TarInfo("x")
    head.type, head.size = tarfile.XHDTYPE, 64 << 20
    with gzip.open(tmp_path / "fleet.tar.gz", "wb") as file:
        file.write(head.tobuf() + bytes(64 << 20))
    with pytest.raises(InputError, match="header"):
        list(open_fleet(tmp_path / "fleet.tar.gz").batches())


def test_truncated_or_changed_archive_is_an_error(tmp_path: Path) -> None:
    """tarfile takes a damaged header for the end: the machines behind it would be left out unseen."""
    with tarfile.open(tmp_path / "complete.tar", "w") as tar:
        for number in range(3):
            member = tarfile.TarInfo(f"w{number}/vault/Store/InstanceFingerprint")
            member.size = len(RECORD)
            tar.addfile(member, io.BytesIO(RECORD))
    complete = (tmp_path / "complete.tar").read_bytes()
    assert sum(batch.num_rows for batch in open_fleet(tmp_path / "complete.tar").batches()) == 3
    path = tmp_path / "fleet.tar"
    # From the second header on; the file ends with blocks of zeros.
    for cut in [*range(512, 6 * 512, 128), 1024, 2048]:
        path.write_bytes(complete[:cut])
        with pytest.raises(InputError):
            list(open_fleet(path).batches())
    for at in range(1024, 1536, 16):
        path.write_bytes(complete[:at] + bytes([complete[at] ^ 1]) + complete[at + 1 :])
        with pytest.raises(InputError):
            list(open_fleet(path).batches())


def test_links_and_pipes_in_an_archive_are_rejected(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "fleet.tar", "w") as tar:
        for number, kind in enumerate((tarfile.FIFOTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE)):
            member = tarfile.TarInfo(f"w{number}.json")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
    rejects = Rejects()
    list(open_fleet(tmp_path / "fleet.tar").batches(rejects))
    assert rejects.count == 4


def test_compressed_long_lines_are_not_buffered_together(tmp_path: Path) -> None:
    line = json.dumps({**row("x"), "group": "g" * (8 << 20)}).encode() + b"\n"
    with gzip.open(tmp_path / "fleet.jsonl.gz", "wb", compresslevel=1) as file:
        for _ in range(20):
            file.write(line)
    assert max(batch.num_rows for batch in open_fleet(tmp_path / "fleet.jsonl.gz").batches()) < 10


@pytest.mark.skipif(not ATTACKS.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize("name", ["f1_7.arrow", "view_index.arrow", "latin1_group.parquet", "fleet_jsonl_4.jsonl",
                                  "fleet_inventory_2", "fleet_tar_1.tar", "deep.tar.gz", "bomb.tar.xz"])  # fmt: skip
def test_past_crashes_do_not_recur(name: str, tmp_path: Path) -> None:
    for number, (command, *words) in enumerate(COMMANDS):
        given = [word.format(str(ATTACKS / name), out=tmp_path / f"out-{number}") for word in words]
        done = run("fleet", command, *given, env=environment(tmp_path / "state"), timeout=60)
        assert done.returncode in (1, 3), (command, done)
        assert "internal error" not in done.stderr
        assert done.stderr


def test_seeds_of_the_fuzzer_are_fleets() -> None:
    assert len(fleet_seeds("arrow")) == 7
    assert len(fleet_seeds("compressed")) == 14
    assert len(fleet_seeds("parquet")) == 6
