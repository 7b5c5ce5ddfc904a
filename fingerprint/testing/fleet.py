"""Made fleets: rows of saved and current hardware hashes with the skew of real ones, seeded, in seconds.

Every value follows from the seed, the number of the row and the attribute alone: the same row comes out
whatever the size of a batch, and a batch can be made without those before it.

The joint distribution of processor, memory, firmware and system is that of 162,853 machines of
linux-hardware.org (DMI reports with serial numbers masked): either by the shape measured there, or by
drawing from a table of such machines that the caller has.
"""

from __future__ import annotations

import csv
import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    Words = NDArray[np.uint64]

ATTRIBUTES = (
    "machine-id",
    "processor-hash",
    "memory-hash",
    "bios-hash",
    "system-hash",
    "hostname-info",
    "ipaddress-info",
    "macaddr-info",
    "disk-info",
)
_SECTIONS = ATTRIBUTES[1:5]
_TOOL = _SECTIONS
_FORMS = ("text", "digest")
# Of the machines measured: models by rank, then how many variants of each section a model has. The numbers were
# chosen so that distinct values, entropy and largest class come near those measured.
_MODELS, _MODEL_EXPONENT, _MODEL_SHIFT = 30_000, 0.86, 60.0
_VARIANTS = {"processor-hash": 3, "memory-hash": 60, "bios-hash": 12, "system-hash": 6}
# Virtual machines: a few kinds of host make all the processors and firmware, a few sizes all the memory.
_HOST_KINDS, _SIZES = 12, 8
# Names, private addresses and the adapters of docker that machines of many sites have in common.
_COMMON_NAMES, _NAMED_COMMONLY = 3000, 0.2
_AT_HOME, _IN_DOCKER = 0.45, 0.05
_EPOCH_2026 = 1_767_225_600
_WEEK = 604_800


def fleet(
    rows: int,
    *,
    seed: int = 0,
    same_ip: float = 0.9,
    virtual: float = 0.4,
    clones: float = 0.001,
    joint: str | os.PathLike[str] | None = None,
    form: str = "text",
    batch_rows: int = 65_536,
) -> pa.RecordBatchReader:
    """Return a made fleet as a stream of record batches, of the schema that `fingerprint.fleet` reads.

    Args:
        rows: number of machines, 0 or more.
        seed: another one makes another fleet.
        same_ip: share of machines whose address is the saved one; of the others one in a thousand has another
            hardware ID. Whatever the address, 80 % were restarted, 4 % have another dmidecode, 2 to 3 % another
            adapter or other memory, 1 % another name.
        virtual: share of virtual machines, which have processor and firmware in common by the ten thousands. Of all
            machines a fifth has a name that others have, too, half an address of a private network that is used
            everywhere, and one in twenty docker's first adapter and address.
        clones: share of machines that are copies of the machine before them: half of them complete copies with the
            same node and hardware ID on another address, half with a hardware ID of their own; all run beside it.
        joint: table of real machines to draw the four sections from: tab separated, gzip or plain, with the
            columns processor_id, memory_id, bios_id and system_id. None: the measured shape.
        form: "text" (values as the agent stores them) or "digest" (128 bits in place of each text).
        batch_rows: rows of a batch, at most.

    Raises:
        ValueError: a share is not between 0 and 1, or the form is another word, or the table lacks a column.
        OSError: the table cannot be read.
    """
    for name, share in (("same_ip", same_ip), ("virtual", virtual), ("clones", clones)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name} is a share between 0 and 1, not {share}")
    if form not in _FORMS:
        raise ValueError(f"form is one of {', '.join(_FORMS)}, not {form!r}")
    if rows < 0 or batch_rows < 1:
        raise ValueError("a fleet has 0 rows or more, a batch 1 or more")
    maker = _Maker(seed, same_ip, virtual, clones, None if joint is None else _real_sections(joint), form)
    batches = (maker.batch(begin, min(begin + batch_rows, rows)) for begin in range(0, rows, batch_rows))
    return pa.RecordBatchReader.from_batches(_schema(form), batches)


def _schema(form: str) -> pa.Schema:
    value = pa.string() if form == "text" else pa.binary(16)
    fields = [("node_id", pa.string()), ("threshold", pa.int32()), ("observed_at", pa.timestamp("s", tz="UTC"))]
    fields += [(f"{side}.{name}", value) for side in ("saved", "current") for name in ATTRIBUTES]
    return pa.schema(fields)


def _real_sections(path: str | os.PathLike[str]) -> NDArray[np.uint64]:
    with open(path, "rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    opened: Any = gzip.open if zipped else open
    names = [name.replace("-hash", "_id") for name in _SECTIONS]
    with opened(path, "rt", encoding="utf-8", newline="") as lines:
        table = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        missing = set(names) - set(table.fieldnames or ())
        if missing:
            raise ValueError(f"{path} has no column {', '.join(sorted(missing))}")
        return np.array([[int(line[name]) for name in names] for line in table], dtype=np.uint64)


class _Maker:
    def __init__(
        self,
        seed: int,
        same_ip: float,
        virtual: float,
        clones: float,
        real: NDArray[np.uint64] | None,
        form: str,
    ) -> None:
        self.seed = np.uint64(seed * 0x9E37_79B9_7F4A_7C15 & 0xFFFF_FFFF_FFFF_FFFF)
        self.same_ip, self.virtual, self.clones = same_ip, virtual, clones
        self.real, self.form = real, form
        weights = (np.arange(_MODELS) + _MODEL_SHIFT) ** -_MODEL_EXPONENT
        self.models = np.cumsum(weights / weights.sum())

    def batch(self, begin: int, end: int) -> pa.RecordBatch:
        row = np.arange(begin, end, dtype=np.uint64)
        # A clone takes what it copies from the machine before it.
        chance = self._share(row, 1)
        copies = (chance < self.clones) & (row > 0)
        complete = chance < self.clones / 2
        source = row - copies.astype(np.uint64)
        saved = {name: self._saved(name, source) for name in ATTRIBUTES}
        complete &= copies
        current = self._current(row, saved)
        for number, name in ((20, "machine-id"), (21, "ipaddress-info"), (22, "macaddr-info")):
            own = self._draw(row, number)
            if name != "machine-id":
                current[name] = np.where(copies, own, current[name])
            saved[name] = np.where(copies & ~complete, own, saved[name])
        current["machine-id"] = np.where(copies, saved["machine-id"], current["machine-id"])
        node = self._draw(np.where(complete, source, row), 2)
        columns = [
            _node_ids(node),
            pa.array(np.where(self._share(row, 3) < 0.9, 40, 60).astype(np.int32)),
            pa.array(self._times(row, source).astype("datetime64[s]")).cast(pa.timestamp("s", tz="UTC")),
        ]
        columns += [self._values(name, side[name]) for side in (saved, current) for name in ATTRIBUTES]
        return pa.record_batch(columns, schema=_schema(self.form))

    def _times(self, row: Words, source: Words) -> Words:
        """Return when machines were observed: a copy some hours after what it was copied from."""
        times: Words = np.uint64(_EPOCH_2026) + self._draw(source, 4) % np.uint64(26 * _WEEK)
        times += np.where(row == source, np.uint64(0), self._draw(row, 10) % np.uint64(_WEEK // 28))
        return times

    def _draw(self, row: Words, stream: int) -> Words:
        return _mixed(row + self.seed + np.uint64(stream << 48))

    def _share(self, row: Words, stream: int) -> NDArray[np.float64]:
        share: NDArray[np.float64] = (self._draw(row, stream) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return share

    def _saved(self, name: str, row: Words) -> Words:
        place = ATTRIBUTES.index(name)
        if name in ("hostname-info", "ipaddress-info", "macaddr-info"):
            return self._common(name, row, self._draw(row, 30 + place))
        if name not in _SECTIONS:
            return self._draw(row, 30 + place)
        is_virtual = self._share(row, 5) < self.virtual
        if self.real is not None:
            drawn = self.real[self._draw(row, 6) % np.uint64(len(self.real)), place - 1]
            physical = _mixed(drawn + np.uint64(place << 40))
        else:
            model = np.searchsorted(self.models, self._share(row, 6)).astype(np.uint64)
            # A square leans to the first variants, as firmware and memory sizes do.
            variant = (self._share(row, 40 + place) ** 2 * _VARIANTS[name]).astype(np.uint64)
            physical = _mixed(model + (variant << np.uint64(24)) + np.uint64(place << 40))
        if name == "system-hash":
            host = self._draw(row, 7)  # the text has the UUID of the virtual machine
        elif name == "memory-hash":
            host = self._draw(row, 8) % np.uint64(_SIZES)
        else:
            host = (self._share(row, 9) ** 2 * _HOST_KINDS).astype(np.uint64)
        return np.where(is_virtual, _mixed(host + np.uint64((place << 40) + (1 << 60))), physical)

    def _current(self, row: Words, saved: dict[str, Words]) -> dict[str, Words]:
        moved = self._share(row, 50) >= self.same_ip
        event = self._share(row, 51)
        changes = {
            "ipaddress-info": moved,
            "disk-info": event < 0.8,
            "machine-id": moved & (event > 0.999),
            "hostname-info": (event > 0.55) & (event < 0.56),
            "macaddr-info": (event > 0.55) & (event < 0.58),
        }
        for name in _TOOL:
            changes[name] = event < 0.04
        changes["memory-hash"] = changes["memory-hash"] | ((event > 0.58) & (event < 0.6))
        now = {}
        for place, name in enumerate(ATTRIBUTES):
            # Another dmidecode gives the same text to the same machines as before: classes stay classes.
            other = _mixed(saved[name]) if name in _TOOL else self._draw(row, 60 + place)
            now[name] = np.where(changes[name], other, saved[name])
        return now

    def _common(self, name: str, row: Words, own: Words) -> Words:
        """Return values of names, addresses and adapters: the machine's own, or what many others have, too."""
        place = self._share(row, 11)
        docker = place < _IN_DOCKER
        # The first containers of a host are the most frequent.
        container = (self._share(row, 12) ** 3 * 60).astype(np.uint64)
        if name == "macaddr-info":
            return np.where(docker, _mixed(container + np.uint64(1 << 50)), own)
        if name == "ipaddress-info":
            home = (self._share(row, 13) ** 4 * 40).astype(np.uint64) << np.uint64(8)
            home += (self._share(row, 14) * 250).astype(np.uint64)
            own = np.where(place > 1 - _AT_HOME, _mixed(home + np.uint64(2 << 50)), own)
            return np.where(docker, _mixed(container + np.uint64(3 << 50)), own)
        common = (self._share(row, 15) ** 3 * _COMMON_NAMES).astype(np.uint64)
        return np.where(self._share(row, 16) < _NAMED_COMMONLY, _mixed(common + np.uint64(4 << 50)), own)

    def _values(self, name: str, words: Words) -> pa.Array:
        if self.form == "digest":
            return _fixed(_two(words).view(np.uint8).reshape(-1, 16), pa.binary(16))
        if name == "machine-id":
            return _strings(_hex(_two(words)))
        if name == "hostname-info":
            return _strings(_with_text(b"node-", _hex(words[:, None])[:, :8]))
        if name == "ipaddress-info":
            return _addresses(words)
        if name == "macaddr-info":
            letters = np.full((len(words), 6, 3), ord(":"), dtype=np.uint8)
            letters[:, :, :2] = _hex(words[:, None])[:, :12].reshape(-1, 6, 2)
            return _strings(letters.reshape(-1, 18)[:, :17])
        return _strings(_base64(_two(words)))


def _mixed(words: Words) -> Words:
    """Return pseudo-random words, one for each word (splitmix64, Steele, Lea and Flood 2014)."""
    words = words + np.uint64(0x9E37_79B9_7F4A_7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    mixed: Words = words ^ (words >> np.uint64(31))
    return mixed


def _two(words: Words) -> Words:
    """Return 128 bits for each word, as two words."""
    return np.stack([_mixed(words), _mixed(words ^ np.uint64(0xD1B5_4A32_D192_ED03))], axis=1)


_HEX_PAIRS = np.array([f"{i:02x}".encode() for i in range(256)], dtype="S2").view(np.uint16)
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BASE64_PAIRS = np.array([bytes((_BASE64[i >> 6], _BASE64[i & 63])) for i in range(4096)], dtype="S2").view(np.uint16)


def _hex(words: Words) -> NDArray[np.uint8]:
    digits: NDArray[np.uint8] = _HEX_PAIRS[np.ascontiguousarray(words).view(np.uint8)].view(np.uint8)
    return digits.reshape(len(words), -1)


def _base64(two: Words) -> NDArray[np.uint8]:
    """Return 24 letters for 128 bits each, as the digest of an attribute is stored."""
    letters = np.empty((len(two), 12), dtype=np.uint16)
    for i in range(5):
        for half in (0, 1):
            letters[:, 5 * half + i] = _BASE64_PAIRS[(two[:, half] >> np.uint64(12 * i)) & np.uint64(4095)]
    rest = (two[:, 0] >> np.uint64(60)) | ((two[:, 1] >> np.uint64(60)) << np.uint64(4))
    letters[:, 10] = _BASE64_PAIRS[(rest << np.uint64(4)) & np.uint64(4095)]
    letters[:, 11] = np.frombuffer(b"==", dtype=np.uint16)[0]
    return letters.view(np.uint8)


def _with_text(text: bytes, letters: NDArray[np.uint8]) -> NDArray[np.uint8]:
    head = np.broadcast_to(np.frombuffer(text, dtype=np.uint8), (len(letters), len(text)))
    return np.hstack([head, letters])


def _strings(letters: NDArray[np.uint8]) -> pa.Array:
    count, width = letters.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(letters)))


def _fixed(values: NDArray[np.uint8], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def _node_ids(words: Words) -> pa.Array:
    return _strings(_with_text(b"mi-0", _hex(words[:, None])))


_DECIMAL = np.zeros((256, 4), dtype=np.uint8)
for _i in range(256):
    _DECIMAL[_i, : len(str(_i))] = np.frombuffer(str(_i).encode(), dtype=np.uint8)
_DECIMAL_LENGTH = np.array([len(str(i)) for i in range(256)])


def _addresses(words: Words) -> pa.Array:
    """Return addresses of 10.0.0.0/8 in decimal, each as long as it is."""
    octets = np.ascontiguousarray(words).view(np.uint8).reshape(-1, 8)[:, :4].copy()
    octets[:, 0] = 10
    padded = _DECIMAL[octets]
    # A dot behind the first three numbers; zeros are what falls away.
    flat = np.zeros((len(words), 16), dtype=np.uint8)
    for i in range(4):
        flat[:, 4 * i : 4 * i + 3] = padded[:, i, :3]
    flat[:, 3:15:4] = ord(".")
    lengths = _DECIMAL_LENGTH[octets].sum(axis=1) + 3
    offsets = np.zeros(len(words) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    letters = flat.reshape(-1)
    return pa.StringArray.from_buffers(len(words), pa.py_buffer(offsets), pa.py_buffer(letters[letters != 0].copy()))
