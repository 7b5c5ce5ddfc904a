"""The reference's documented procedure on its vault, for comparison: `reference_store.py OPERATION VAULT`.

Written from the description of its behaviour: all of the vault is hardened first; a missing file is made and
hardened, then opened with truncation and written in place; nothing is made durable and nothing is locked; an
unreadable record counts as empty, and an empty one is minted again.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import uuid
from typing import Any

if __name__ == "__main__":
    # An isolated interpreter does not search the directory of the script.
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))

from textbook import decide

HASH = {
    "bios-hash": "",
    "disk-info": "",
    "hostname-info": "vm",
    "ipaddress-info": "192.0.2.2",
    "macaddr-info": "a2:99:21:33:46:45",
    "machine-id": "3d1219c7c4c5404aaa1f6d2a48adfda4\n",
    "memory-hash": "",
    "processor-hash": "",
    "system-hash": "",
}
OTHER_HASH = {**HASH, "machine-id": "f" * 32 + "\n"}
FINGERPRINT_KEY = "InstanceFingerprint"
REGISTRATION_KEY = "RegistrationKey"
OLD = "55555555-6666-4777-8888-999999999999"
OLD_REGISTRATION = {
    "instanceID": "mi-0123456789abcdef0",
    "region": "eu-west-1",
    "instanceType": "",
    "availabilityZone": "",
    "privateKey": "b2xk" * 400,
    "publicKey": "",
    "privateKeyType": "Rsa",
    "privateKeyCreatedDate": "2026-01-02 03:04:05.000000006 +0000 UTC",
}
NEW_KEY = "bmV3" * 400
NEW_THRESHOLD = 55
ATTEMPTS = 3


class StoreError(Exception):
    """Any error of the vault."""


class Store:
    """The vault of one process."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._manifest_path = os.path.join(path, "Manifest")
        self._store = os.path.join(path, "Store")
        self._manifest: dict[str, str] | None = None

    def retrieve(self, key: str) -> bytes:
        path = self._initialised().get(key)
        if not path:
            raise StoreError(f"{key} does not exist")
        try:
            os.stat(path)
            return _read(path)
        except OSError as error:
            raise StoreError(f"failed to read data file for {key}. {error}") from error

    def store(self, key: str, data: bytes) -> None:
        manifest = self._initialised()
        path = os.path.join(self._store, key)
        try:
            _write(path, data)
            manifest[key] = path
            try:
                _write(self._manifest_path, _compact(dict(sorted(manifest.items()))))
            except OSError:
                del manifest[key]
                raise
        except OSError as error:
            raise StoreError(f"failed to write {key}. {error}") from error

    def _initialised(self) -> dict[str, str]:
        if self._manifest is None:
            try:
                os.makedirs(self._store, 0o700, exist_ok=True)
                _harden(self.path)
                for directory, directories, files in os.walk(self.path, onerror=_raise):
                    for name in (*directories, *files):
                        _harden(os.path.join(directory, name))
                self._manifest = _manifest(_read(self._manifest_path)) if _exists(self._manifest_path) else {}
            except (OSError, ValueError) as error:
                raise StoreError(f"failed to load vault. {error}") from error
        return self._manifest


def _manifest(data: bytes) -> dict[str, str]:
    """Return what Go decodes into a map of strings; null becomes an empty map, or an empty string."""
    value = json.loads(data.decode("utf-8", "replace"))
    if value is None:
        return {}
    if not isinstance(value, dict) or any(not isinstance(path, str | None) for path in value.values()):
        raise ValueError("cannot unmarshal into a map of strings")
    return {_unicode(key): _unicode(path or "") for key, path in value.items()}


def _unicode(text: str) -> str:
    """Return a text with U+FFFD for half a surrogate pair, as Go decodes it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _raise(error: OSError) -> None:
    raise error


def _exists(path: str) -> bool:
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    return True


def _harden(path: str) -> None:
    status = os.stat(path)
    if stat.S_IMODE(status.st_mode) != 0o600:
        os.chmod(path, 0o600)
    if (status.st_uid, status.st_gid) != (0, 0):
        os.chown(path, 0, 0)


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks = []
        while chunk := os.read(descriptor, 4096):
            chunks.append(chunk)
        return b"".join(chunks)
    finally:
        os.close(descriptor)


def _write(path: str, data: bytes) -> None:
    if not _exists(path):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666))
    _harden(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def _compact(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _fetch(store: Store) -> dict[str, Any]:
    """Return the saved record, an empty one if it is missing or unreadable. Raises ValueError for bad JSON."""
    try:
        data = store.retrieve(FINGERPRINT_KEY)
    except StoreError:
        return {"fingerprint": "", "hardwareHash": None, "similarityThreshold": 0}
    saved = json.loads(data)
    return {
        "fingerprint": saved.get("fingerprint", ""),
        "hardwareHash": saved.get("hardwareHash"),
        "similarityThreshold": saved.get("similarityThreshold", 0),
    }


def _similar(saved: dict[str, Any], current: dict[str, str], sid_key: str) -> bool:
    return decide(saved["hardwareHash"], current, saved["similarityThreshold"], sid_key)[0]


def obtain(store: Store, current: dict[str, str], sid_key: str = "machine-id") -> str:
    """Return the fingerprint of a machine, minted again if it is missing, unreadable or another machine's.

    The machine is read before each of the attempts; here it is the same each time.
    """
    saved: dict[str, Any] = {"fingerprint": "", "hardwareHash": None, "similarityThreshold": 0}
    for _ in range(ATTEMPTS):
        try:
            saved = _fetch(store)
        except ValueError:
            continue
        if not saved["fingerprint"]:
            saved["similarityThreshold"] = 40
            break
        if _similar(saved, current, sid_key):
            return str(saved["fingerprint"])
    new = str(uuid.uuid4())
    store.store(FINGERPRINT_KEY, _compact({**saved, "fingerprint": new, "hardwareHash": current}))
    return new


def threshold(store: Store) -> str:
    saved = _fetch(store)
    if not saved["fingerprint"]:
        raise StoreError("save called with empty fingerprint key")
    store.store(FINGERPRINT_KEY, _compact({**saved, "similarityThreshold": NEW_THRESHOLD}))
    return str(saved["fingerprint"])


def rotation(store: Store) -> str:
    saved = json.loads(store.retrieve(REGISTRATION_KEY))
    store.store(REGISTRATION_KEY, _compact({**saved, "privateKey": NEW_KEY}))
    return "rotated"


def start(store: Store, current: dict[str, str]) -> str:
    """Return the outcome of the agent's start and first token request: exits, fails, mints or reads."""
    try:
        registration = json.loads(store.retrieve(REGISTRATION_KEY))
    except StoreError as error:
        return "fails" if "failed to load vault" in str(error) else "exits"
    if not registration.get("instanceID"):
        return "exits"
    try:
        before = json.loads(store.retrieve(FINGERPRINT_KEY))["fingerprint"]
    except StoreError:
        before = ""
    return "reads" if obtain(store, current) == before else "mints"


OPERATIONS = {
    "read": lambda store: obtain(store, HASH),
    "regenerate": lambda store: obtain(store, OTHER_HASH),
    "threshold": threshold,
    "rotation": rotation,
}


def prepare(path: str) -> None:
    """Make a vault with a registration and a fingerprint."""
    store = Store(path)
    store.store(REGISTRATION_KEY, _compact(OLD_REGISTRATION))
    store.store(FINGERPRINT_KEY, _compact({"fingerprint": OLD, "hardwareHash": HASH, "similarityThreshold": 40}))


def main(words: list[str]) -> int:
    operation, path = words
    try:
        print(OPERATIONS[operation](Store(path)))
    except (StoreError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
