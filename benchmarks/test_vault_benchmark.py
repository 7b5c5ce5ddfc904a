"""Reading a vault, reading it with a verdict, and a durable store against the least system calls of one."""

from __future__ import annotations

import itertools
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_compare_benchmark import CURRENT, SAVED

from fingerprint import FingerprintRecord, HardwareHash, Vault, match

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the peer uses system calls of Unix")

RECORD = FingerprintRecord("979b554b-0d67-42c6-9730-48443b3016dd", HardwareHash(SAVED), 40)
READ_SECONDS = 60e-6


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    made = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    with made.edit() as edit:
        edit.store(RECORD, why="benchmark")
    return made


def test_a_read(claim: Callable[..., Any], vault: Vault) -> None:
    """Manifest, record and journal, each opened and checked by descriptor; the peer is the time that is allowed."""
    assert claim("a read of the vault, warm", "ours", target=1, peer_seconds=READ_SECONDS)(vault.read) == RECORD


def test_a_read_and_a_verdict(claim: Callable[..., Any], vault: Vault) -> None:
    def read_and_match() -> bool:
        record = vault.read()
        return match(record.hardware_hash, CURRENT, record.threshold).match

    assert claim("a read with a verdict, warm", "ours", peer_seconds=READ_SECONDS)(read_and_match)


def test_a_durable_store(versus: Callable[..., None], vault: Vault, tmp_path: Path, short: bool) -> None:
    """With the previous record kept, against the least calls: write, fsync, rename, fsync of the directory."""
    thresholds = itertools.cycle(range(1, 101))
    data = Path(vault.data_path("InstanceFingerprint")).read_bytes()
    directory = os.open(tmp_path, os.O_RDONLY)

    def ours() -> None:
        with vault.edit() as edit:
            edit.store(RECORD.replace(threshold=next(thresholds)), why="benchmark")

    def least_calls() -> None:
        descriptor = os.open("record.tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=directory)
        os.write(descriptor, data)
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename("record.tmp", "record", src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)

    try:
        # The peer keeps no history and takes no lock; the benchmark below compares with SQLite.
        versus("a durable store", ours, least_calls, rounds=50 if short else 500, at_most=1.3)
    finally:
        os.close(directory)


def test_a_durable_store_against_sqlite(versus: Callable[..., None], vault: Vault, tmp_path: Path, short: bool) -> None:
    """The same record as a row, with the record before it in a second table: rollback journal, synchronous FULL."""
    thresholds = itertools.cycle(range(1, 101))
    data = Path(vault.data_path("InstanceFingerprint")).read_bytes()
    base = sqlite3.connect(tmp_path / "peer.db", isolation_level=None)
    base.execute("PRAGMA journal_mode = DELETE")
    base.execute("PRAGMA synchronous = FULL")
    base.execute("CREATE TABLE record (key TEXT PRIMARY KEY, data BLOB)")
    base.execute("CREATE TABLE history (at REAL, key TEXT, data BLOB)")
    base.execute("INSERT INTO record VALUES ('InstanceFingerprint', ?)", (data,))

    def ours() -> None:
        with vault.edit() as edit:
            edit.store(RECORD.replace(threshold=next(thresholds)), why="benchmark")

    def peer() -> None:
        base.execute("BEGIN IMMEDIATE")
        base.execute("INSERT INTO history SELECT 0.0, key, data FROM record")
        base.execute("UPDATE record SET data = ? WHERE key = 'InstanceFingerprint'", (data,))
        base.execute("COMMIT")

    try:
        versus("a durable store against an SQLite commit", ours, peer, rounds=50 if short else 500, at_most=1.0)
    finally:
        base.close()
