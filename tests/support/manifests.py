"""Manifests of every kind: how each is made from an intact one, and its kind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

BOTH = ("RegistrationKey", "InstanceFingerprint")


def paths(directory: Path, *keys: str) -> dict[str, str | None]:
    return {key: str(directory / "Store" / key) for key in keys}


def writes(data: bytes) -> Callable[[Path], None]:
    def write(directory: Path) -> None:
        (directory / "Manifest").write_bytes(data)

    return write


def lists(*keys: str, **others: object) -> Callable[[Path], None]:
    def write(directory: Path) -> None:
        (directory / "Manifest").write_text(json.dumps({**paths(directory, *keys), **others}))

    return write


def spoilt(name: bytes) -> Callable[[Path], None]:
    """Return a function that adds a foreign key with these bytes as its name to an intact manifest."""

    def write(directory: Path) -> None:
        (directory / "Manifest").write_bytes(
            json.dumps(paths(directory, *BOTH)).encode()[:-1] + b',"' + name + b'":"/x"}'
        )

    return write


def lists_bytes(key: str, inserted: bytes) -> Callable[[Path], None]:
    """Return a function that inserts bytes before the path of a key."""

    def write(directory: Path) -> None:
        listed = json.dumps({**paths(directory, *BOTH), key: "HERE" + str(directory / "Store" / key)})
        (directory / "Manifest").write_bytes(listed.encode().replace(b"HERE", inserted))

    return write


def moved(key: str, *, kept: bool = True) -> Callable[[Path], None]:
    def move(directory: Path) -> None:
        elsewhere = directory.parent / "elsewhere.json"
        if kept:
            shutil.copy(directory / "Store" / key, elsewhere)
        (directory / "Manifest").write_text(json.dumps({**paths(directory, *BOTH), key: str(elsewhere)}))

    return move


def both_moved(directory: Path) -> None:
    for key in BOTH:
        shutil.copy(directory / "Store" / key, directory.parent / f"{key}.json")
    listed = {key: str(directory.parent / f"{key}.json") for key in BOTH}
    (directory / "Manifest").write_text(json.dumps(listed))


def without(*keys: str) -> Callable[[Path], None]:
    def remove(directory: Path) -> None:
        for key in keys:
            (directory / "Store" / key).unlink()

    return remove


def lower_case(directory: Path) -> None:
    (directory / "Manifest").write_text(json.dumps({k.lower(): v for k, v in paths(directory, *BOTH).items()}))


# Name -> change of the vault, kind of its manifest, behaviour of the agent, and the affected keys.
STATES: dict[str, tuple[Callable[[Path], None], str, str, tuple[str, ...]]] = {
    "intact": (lists(*BOTH), "sound", "reads", ()),
    "with a foreign key": (lists(*BOTH, Other="/x"), "sound", "reads", ()),
    "missing": (lambda directory: (directory / "Manifest").unlink(), "missing", "exits", BOTH),
    "0 bytes": (writes(b""), "empty", "fails", BOTH),
    "blanks": (writes(b" \n\t\r\n"), "blank", "fails", BOTH),
    "NULs": (writes(b"\0" * 128), "blank", "fails", BOTH),
    "{}": (writes(b"{}"), "unlisted", "exits", BOTH),
    "null": (writes(b"null"), "unlisted", "exits", BOTH),
    "[]": (writes(b"[]"), "wrong-type", "fails", BOTH),
    "0": (writes(b"0"), "wrong-type", "fails", BOTH),
    "a string": (writes(b'"Manifest"'), "wrong-type", "fails", BOTH),
    "other keys only": (lists(Other="/x"), "unlisted", "exits", BOTH),
    "keys in lower case": (lower_case, "unlisted", "exits", BOTH),
    "without RegistrationKey": (lists("InstanceFingerprint"), "unlisted", "exits", ("RegistrationKey",)),
    "without InstanceFingerprint": (lists("RegistrationKey"), "unlisted", "mints", ("InstanceFingerprint",)),
    "paths null": (lists(RegistrationKey=None, InstanceFingerprint=None), "unlisted", "exits", BOTH),
    "paths empty": (lists(RegistrationKey="", InstanceFingerprint=""), "unlisted", "exits", BOTH),
    "the fingerprint's path null": (
        lists("RegistrationKey", InstanceFingerprint=None), "unlisted", "mints", ("InstanceFingerprint",)
    ),
    "a path that is a number": (lists("RegistrationKey", InstanceFingerprint=1), "wrong-type", "fails", BOTH),
    "a path that is an object": (lists(*BOTH, Other={}), "wrong-type", "fails", BOTH),
    "cut short": (writes(b'{"InstanceFingerprint":"/var/lib'), "not-json", "fails", BOTH),
    "two documents": (writes(b"{}{}"), "not-json", "fails", BOTH),
    "with a BOM": (writes(b"\xef\xbb\xbf{}"), "not-json", "fails", BOTH),
    "a foreign key that is not UTF-8": (spoilt(b"\xff"), "invalid-text", "reads", BOTH),
    "a foreign key with half a surrogate pair": (spoilt(rb"\ud800"), "invalid-text", "reads", BOTH),
    "a foreign key with two low halves": (spoilt(rb"\\\udC00\uDfff"), "invalid-text", "reads", BOTH),
    "a foreign key with a surrogate pair": (spoilt(rb"\\ud800\ud83d\ude00"), "sound", "reads", ()),
    "the fingerprint's path not UTF-8": (
        lists_bytes("InstanceFingerprint", b"\xff"), "elsewhere", "mints", ("InstanceFingerprint",)
    ),
    "the registration's path with half a surrogate pair": (
        lists_bytes("RegistrationKey", rb"\udabc"), "elsewhere", "exits", ("RegistrationKey",)
    ),
    "not UTF-8": (writes(b'{"\xff":"/x"}'), "unlisted", "exits", BOTH),
    "the registration elsewhere": (moved("RegistrationKey"), "elsewhere", "reads", ("RegistrationKey",)),
    "the fingerprint elsewhere": (moved("InstanceFingerprint"), "elsewhere", "reads", ("InstanceFingerprint",)),
    "both elsewhere": (both_moved, "elsewhere", "reads", BOTH),
    "the registration elsewhere, no file": (
        moved("RegistrationKey", kept=False), "elsewhere", "exits", ("RegistrationKey",)
    ),
    "the fingerprint elsewhere, no file": (
        moved("InstanceFingerprint", kept=False), "elsewhere", "mints", ("InstanceFingerprint",)
    ),
    "no data of the registration": (without("RegistrationKey"), "data-missing", "exits", ("RegistrationKey",)),
    "no data of the fingerprint": (without("InstanceFingerprint"), "data-missing", "mints", ("InstanceFingerprint",)),
    "no data": (without(*BOTH), "data-missing", "exits", BOTH),
}  # fmt: skip
