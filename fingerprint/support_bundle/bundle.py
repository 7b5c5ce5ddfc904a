"""The support bundle: the answers of the commands, with pseudonyms in place of what identifies a machine."""

from __future__ import annotations

import gzip
import io
import tarfile

from fingerprint import __version__
from fingerprint._core import dumps
from fingerprint._io.atomic import write_new
from fingerprint.answers.error import error_answer
from fingerprint.attributes.stable import VM_GENERATION_ID
from fingerprint.collectors.ssm_unix import DISK_LINKS
from fingerprint.collectors.stable import SMBIOS_TABLE
from fingerprint.errors import FingerprintError, VaultCorrupt, VaultError
from fingerprint.support_bundle.identifiers import DISKS, kind_of_file, kind_of_name, learn, learn_hash, name_in
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.records import decode_fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fingerprint.support_bundle.redact import Redactor
    from fingerprint.types import HardwareHash
    from fingerprint.vault import Vault

DIRECTORY = "fingerprint-report"
MANIFEST = "MANIFEST.txt"
# Raw bytes that are not text: the SMBIOS table is full of serial numbers.
_RAW = ("base64", "stdoutBase64")
_LEFT_OUT = {"error": "ENODATA", "message": "left out of the report"}
# Below these the paths of files are the same on every machine.
_COMMON_DIRECTORIES = ("/etc/", "/sys/", "/proc/", "/dev/", "/run/", "/usr/", "/bin/", "/var/lib/dbus/", "/.")


class Known:
    """What a vault and its history hold of a machine as it was.

    Attributes:
        before: the machine as its record was made, from evidence; None without.
        snapshots: all evidence.
        hashes: the saved hardware hashes, of the history, too.
        names: (kind, value) of what else identifies.
    """

    __slots__ = ("before", "snapshots", "hashes", "names")

    def __init__(self) -> None:
        self.before: dict[str, Any] | None = None
        self.snapshots: list[dict[str, Any]] = []
        self.hashes: list[HardwareHash] = []
        self.names: list[tuple[str, str]] = []


def known_of(vault: Vault) -> Known:
    """Return what a vault holds. What cannot be read is left out: the bundle has the error."""
    known = Known()
    for question in (_ask_record, _ask_evidence, _ask_registration, _ask_history):
        try:
            question(vault, known)
        except VaultError:
            continue
    return known


def _ask_record(vault: Vault, known: Known) -> None:
    record = vault.read()
    known.names.append(("fingerprint", record.fingerprint))
    known.hashes += [record.hardware_hash] if record.hardware_hash is not None else []
    evidence = vault.evidence.for_record(record)
    known.before = evidence.snapshot if evidence else None


def _ask_evidence(vault: Vault, known: Known) -> None:
    known.snapshots += [entry.snapshot for entry in vault.evidence.entries()[0]]


def _ask_registration(vault: Vault, known: Known) -> None:
    known.names.append(("node", vault.read_registration().instance_id))


def _ask_history(vault: Vault, known: Known) -> None:
    for entry in vault.history.entries():
        known.names.append(("user", str(entry["by"].get("sudoUser") or "")))
        if entry["key"] == FINGERPRINT_KEY and entry["record"] is not None:
            try:
                record = decode_fingerprint(entry["record"].encode("utf-8"), vault.history.path)
            except VaultCorrupt:
                continue
            known.names.append(("fingerprint", record.fingerprint))
            known.hashes += [record.hardware_hash] if record.hardware_hash is not None else []


def bundle(
    parts: dict[str, Callable[[], Any]],
    snapshot: dict[str, Any],
    redactor: Redactor | None,
    known: Known | None = None,
    finish: Callable[[Any], Any] = lambda answer: answer,
) -> dict[str, bytes]:
    """Return the files of a bundle: name -> bytes, the manifest last.

    Args:
        parts: name -> what gives the JSON of one file; one that raises FingerprintError gives its facts.
        snapshot: the recorded machine.
        redactor: what makes pseudonyms; None leaves everything as it is.
        known: what the vault holds, so that ids of earlier states are found, too.
        finish: what an answer, or the facts of an error, passes through before pseudonyms are made.
    """
    known = known or Known()
    answers = {name: finish(_answer(question)) for name, question in parts.items()}
    snapshots = {"snapshot": snapshot} if known.before is None else {"before": known.before, "snapshot": snapshot}
    if redactor is not None:
        for taken in (snapshot, *known.snapshots):
            learn(redactor, taken)
        for hardware_hash in known.hashes:
            learn_hash(redactor, hardware_hash)
        for kind, value in known.names:
            redactor.learn(kind, value)
        # What has a label in one file has none in another.
        redactor.note([answers, *snapshots.values()])
        answers = {name: redactor.value(answer) for name, answer in answers.items()}
        snapshots = {name: redacted_snapshot(taken, redactor) for name, taken in snapshots.items()}
    files = {f"{name}.json": _json(one) for name, one in {**answers, **snapshots}.items()}
    files[MANIFEST] = _manifest(files, redactor is not None).encode("utf-8")
    return files


def _answer(question: Callable[[], Any]) -> Any:
    try:
        answer = question()
    except FingerprintError as error:
        return error_answer(error)
    if isinstance(answer, dict):
        # Not even masked: who has it and the hash is the node.
        answer.pop("fingerprint", None)
    return answer


def redacted_snapshot(snapshot: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    """Return a recorded machine with pseudonyms, which plays back; raw tables are left out."""
    found: dict[str, Any] = {}
    for name, value in snapshot.items():
        if name == "files":
            found[name] = {_path(path, redactor): _file(path, entry, redactor) for path, entry in value.items()}
        elif name == "commands":
            found[name] = [_command(entry, redactor) for entry in value]
        elif name == "folders" and isinstance(value, dict):
            found[name] = {_path(path, redactor): _names(path, names, redactor) for path, names in value.items()}
        elif name == "firmwareTable":
            found[name] = value if "error" in value else _LEFT_OUT
        else:
            # The processor's id is that of its model, with the form of a machine's id.
            found[name] = value if name in ("schemaVersion", "processorId") else redactor.value(value)
    return found


def _path(path: str, redactor: Redactor) -> str:
    # Further down they may be named by an address; by nothing else, as a name of this host may be a part of a path.
    return redactor.addresses(path) if path.startswith(_COMMON_DIRECTORIES) else redactor.text(path)


def _file(path: str, entry: Any, redactor: Redactor) -> Any:
    if not isinstance(entry, dict) or "error" in entry:
        return redactor.value(entry)
    if path in (SMBIOS_TABLE, VM_GENERATION_ID) or any(name in entry for name in _RAW):
        return _LEFT_OUT
    kind, text = kind_of_file(path), entry.get("text")
    return {"text": redactor.pseudonym(kind, text)} if kind and isinstance(text, str) else redactor.value(entry)


def _command(entry: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    kept = {name: value for name, value in entry.items() if name not in ("argv", *_RAW)}
    if len(kept) < len(entry) - 1:
        kept.update(problem="not-run", returncode=None, stderr=_LEFT_OUT["message"])
    if entry["argv"][-1:] == [DISK_LINKS] and isinstance(kept.get("stdout"), str):
        kept["stdout"] = redactor.listing(kept["stdout"])
    redacted: dict[str, Any] = redactor.value(kept)
    return {"argv": redactor.value(entry["argv"]), **redacted}


def _names(path: str, names: Any, redactor: Redactor) -> Any:
    if not isinstance(names, list) or not path.startswith(DISKS):
        return redactor.value(names)
    return [redactor.pseudonym(kind_of_name(path), name_in(name)) for name in names]


def _manifest(files: dict[str, bytes], redacted: bool) -> str:
    lines = [f"{name:24} {len(data):>9} bytes" for name, data in files.items()]
    how = (
        "Ids, addresses, names and serial numbers are pseudonyms: in all files equal pseudonyms mean equal values."
        if redacted
        else "NOT REDACTED: it holds ids, addresses and serial numbers."
    )
    kept_out = "Neither keys nor credentials nor fingerprints are in it."
    return "\n".join([f"fingerprint {__version__}: report of one machine", how, kept_out, "", *lines]) + "\n"


def _json(value: Any) -> bytes:
    return dumps(value, html_safe=False, indent=1) + b"\n"


def write(path: str, files: dict[str, bytes], now: float) -> None:
    """Write a bundle as a compressed tar file that only its owner reads; nothing is overwritten.

    Raises:
        Refused: the file exists.
        InputError: it could not be written; nothing of it is left.
    """
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            # Without the names and numbers of users, which are nobody's business.
            entry = tarfile.TarInfo(f"{DIRECTORY}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(now)
            tar.addfile(entry, io.BytesIO(data))
    packed = gzip.compress(inner.getvalue(), mtime=int(now))
    write_new(path, packed, "report")
