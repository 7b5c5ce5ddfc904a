"""Digests of the formats, canonical bytes and minted fingerprints."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint._core import canonical_bytes, md5_base64, mint_fingerprint, sha256_hex
from fingerprint.types import HardwareHash
from shared import VECTORS, needs_vectors

HASH = HardwareHash({"machine-id": "ab\n", "b": "<&>\u2028é", "a": "1"})


@given(st.binary(max_size=5000))
def test_digests_equal_those_of_hashlib(data: bytes) -> None:
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    assert md5_base64(data) == base64.b64encode(digest).decode()
    assert sha256_hex(data) == hashlib.sha256(data).hexdigest()


def test_the_digest_of_nothing_is_not_empty() -> None:
    """A command that succeeds without output differs from one that fails."""
    assert md5_base64(b"") == "1B2M2Y8AsgTpgAmY7PhCfg=="


def test_canonical_bytes_are_those_of_the_vault() -> None:
    assert canonical_bytes(HASH) == '{"a":"1","b":"\\u003c\\u0026\\u003e\\u2028é","machine-id":"ab\\n"}'.encode()


def test_a_minted_fingerprint_is_a_keyed_digest_as_a_uuid() -> None:
    key = bytes(range(32))
    code = bytearray(hmac.digest(key, canonical_bytes(HASH), "sha256")[:16])
    code[6] = code[6] & 0x0F | 0x80
    code[8] = code[8] & 0x3F | 0x80
    minted = mint_fingerprint(HASH, key)
    assert minted == str(uuid.UUID(bytes=bytes(code)))
    assert uuid.UUID(minted).version == 8
    assert uuid.UUID(minted).variant == uuid.RFC_4122


def test_all_fingerprints_differ() -> None:
    minted = {mint_fingerprint(HASH) for _ in range(1000)}
    assert len(minted) == 1000
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", m) for m in minted)


def test_other_attributes_and_the_same_key_give_another_one() -> None:
    key = bytes(32)
    assert mint_fingerprint(HASH, key) != mint_fingerprint(HardwareHash({"a": "2"}), key)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_rejected(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        mint_fingerprint(HASH, bytes(length))


def test_md5_works_where_openssl_rejects_it() -> None:
    """A FIPS host: hashlib's MD5 raises without `usedforsecurity=False`."""
    probe = """
import hashlib, sys
def refuse(*data, usedforsecurity=True):
    if usedforsecurity:
        raise ValueError("disabled for FIPS")
    return real(*data, usedforsecurity=False)
real, hashlib.md5 = hashlib.md5, refuse
sys.modules["_md5"] = None  # builds for FIPS hosts lack it
from fingerprint._core import md5_base64
print(md5_base64(b""))
"""
    done = subprocess.run([sys.executable, "-I", "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout == "1B2M2Y8AsgTpgAmY7PhCfg==\n"


@needs_vectors
def test_the_recorded_digests() -> None:
    cases = json.loads((VECTORS / "md5_b64.json").read_text())
    assert [md5_base64(bytes.fromhex(c["bytes_hex"])) for c in cases] == [c["md5_b64"] for c in cases]
    assert len(cases) == 9
