"""The bytes of records and manifests: Go's writing, Go's lenient reading, our refusals."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.errors import VaultCorrupt
from fingerprint.types import FingerprintRecord, HardwareHash, RegistrationRecord
from fingerprint.vault import Vault
from fingerprint.vault.records import (
    decode_fingerprint,
    decode_manifest,
    decode_registration,
    encode_fingerprint,
    encode_manifest,
    encode_registration,
)
from shared import VECTORS, needs_vectors

STRINGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
RECORDS = st.builds(
    FingerprintRecord,
    STRINGS,
    st.none() | st.dictionaries(STRINGS, STRINGS, max_size=10).map(HardwareHash),
    st.integers(-(2**63), 2**63 - 1),
)


def decode(text: str | bytes) -> FingerprintRecord:
    return decode_fingerprint(text.encode() if isinstance(text, str) else text, "test")


@given(RECORDS)
def test_what_is_written_reads_back_the_same(record: FingerprintRecord) -> None:
    if record.hardware_hash and not record.fingerprint:
        record = record.replace(hardware_hash=None)
    data = encode_fingerprint(record)
    assert decode(data) == record
    assert encode_fingerprint(decode(data)) == data
    decoded = json.loads(data)
    assert list(decoded) == ["fingerprint", "hardwareHash", "similarityThreshold"]


def test_a_cleared_record_has_the_bytes_of_the_reference() -> None:
    assert encode_fingerprint(FingerprintRecord()) == b'{"fingerprint":"","hardwareHash":null,"similarityThreshold":0}'


def test_field_names_match_in_any_case_and_the_last_one_wins() -> None:
    record = decode('{"FINGERPRINT":"a","fingerprint":"b","Fingerprint":"c","HARDWAREHASH":{},"similaritythreshold":5}')
    assert (record.fingerprint, record.threshold) == ("c", 5)
    assert record.hardware_hash == HardwareHash()


def test_null_leaves_a_field_as_it_is() -> None:
    record = decode('{"fingerprint":"a","fingerprint":null,"similarityThreshold":7,"similarityThreshold":null}')
    assert (record.fingerprint, record.threshold, record.hardware_hash) == ("a", 7, None)


def test_null_values_of_a_hash_read_as_empty() -> None:
    assert decode('{"fingerprint":"f","hardwareHash":{"a":null}}').hardware_hash == HardwareHash({"a": ""})


def test_a_second_hash_adds_to_the_first_as_in_go() -> None:
    record = decode('{"fingerprint":"f","hardwareHash":{"a":"1","b":"2"},"hardwareHash":{"b":"3"}}')
    assert record.hardware_hash == HardwareHash({"a": "1", "b": "3"})


def test_a_missing_threshold_reads_as_zero_and_minus_one_is_kept() -> None:
    assert decode("{}").threshold == 0
    assert decode('{"similarityThreshold":-1}').threshold == -1


@pytest.mark.parametrize(
    "text",
    [
        '{"fingerprinu":"f","hardwareHash":{"a":"1"},"similarityThreshold":40}',
        '{"fingerprint":"f","hardwareHasi":{"a":"1"},"similarityThreshold":40}',
        '{"fingerprint":"f","hardwareHash":{"a":"1"},"similarityThresholt":40}',
        '{"fingerprint":"","hardwareHash":{"a":"1"},"similarityThreshold":40}',
    ],
)
def test_a_damaged_name_of_a_field_makes_no_other_identity(text: str) -> None:
    """The reference reads the first and the last as "no fingerprint yet", and mints another one."""
    with pytest.raises(VaultCorrupt):
        decode(text)


def test_unknown_fields_are_kept_as_they_were_written() -> None:
    text = '{"fingerprint":"a","hardwareHash":null,"similarityThreshold":4,"extra":{"b": [1,2.50]},"z":"\\u0041"}'
    assert encode_fingerprint(decode(text)) == text.encode()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no JSON"),
        ("{", "byte"),
        ("[]", "object"),
        ('{"similarityThreshold":"40"}', "a string, not a 64-bit integer"),
        ('{"similarityThreshold":40.0}', "a fraction"),
        ('{"similarityThreshold":true}', "a truth value"),
        ('{"similarityThreshold":9223372036854775808}', "64-bit"),
        ('{"fingerprint":1}', "an integer, not a string"),
        ('{"hardwareHash":[]}', "an array, not an object"),
        ('{"hardwareHash":{"a":1}}', "an integer"),
        ('{"fingerprint":"\\ud800"}', "surrogate"),
        (b'{"fingerprint":"\xff"}', "UTF-8"),
        ('{"fingerprint":"a"} x', "byte"),
    ],
)
def test_anything_else_is_corrupt_with_a_reason(text: str | bytes, complaint: str) -> None:
    with pytest.raises(VaultCorrupt, match=complaint):
        decode(text)


@given(st.binary(max_size=200))
def test_random_bytes_are_a_record_or_corrupt_and_nothing_else(data: bytes) -> None:
    with contextlib.suppress(VaultCorrupt):
        decode(data)


def test_a_registration_keeps_the_order_of_the_reference() -> None:
    data = (
        b'{"instanceID":"mi-0","region":"eu-west-1","instanceType":"","availabilityZone":"","privateKey":"k",'
        b'"publicKey":"","privateKeyType":"Rsa","privateKeyCreatedDate":"2026-11-24 00:32:15 +0000 UTC"}'
    )
    record = decode_registration(data, "test")
    assert record.registered
    assert encode_registration(record) == data
    assert "'k'" not in repr(record)
    assert not RegistrationRecord(private_key="k", region="r").registered


def test_manifests_have_sorted_keys_and_only_strings() -> None:
    assert encode_manifest({"b": "/x/b", "a": "/x/a"}) == b'{"a":"/x/a","b":"/x/b"}'
    assert decode_manifest(b'{"a": "/x"}', "test") == {"a": "/x"}
    with pytest.raises(VaultCorrupt, match="not a string"):
        decode_manifest(b'{"a":1}', "test")


@needs_vectors
def test_the_recorded_encodings() -> None:
    cases = json.loads((VECTORS / "json_encoding.json").read_text())
    for case in cases:
        value = case["value"]
        hashed = value["hardwareHash"]
        record = FingerprintRecord(
            value["fingerprint"], None if hashed is None else HardwareHash(hashed), value["similarityThreshold"]
        )
        assert encode_fingerprint(record).hex() == case["bytes_utf8_hex"]
        assert decode(bytes.fromhex(case["bytes_utf8_hex"])) == record
    assert len(cases) == 2


@needs_vectors
def test_the_vault_of_the_reference_is_written_back_to_the_byte() -> None:
    store = VECTORS / "vault" / "registered" / "Vault" / "Store"
    data = (store / "InstanceFingerprint").read_bytes()
    assert encode_fingerprint(decode(data)) == data
    data = (store / "RegistrationKey").read_bytes()
    assert encode_registration(decode_registration(data, "test")) == data
    manifest = (store.parent / "Manifest").read_bytes()
    assert encode_manifest(decode_manifest(manifest, "test")) == manifest


@pytest.mark.parametrize(("name", "long", "short"), [("a\bb", rb"a\u0008b", rb"a\bb"), ("\fx", rb"\u000cx", rb"\fx")])
def test_backspace_and_form_feed_keep_the_form_of_the_agent(name: str, long: bytes, short: bytes) -> None:
    """Go wrote them as numbers before 1.22."""
    hashed = HardwareHash({"hostname-info": name, "machine-id": "ab\n"})
    record = FingerprintRecord("f", hashed, 40)
    new = encode_fingerprint(record)
    assert short in new
    assert decode_fingerprint(new, "") == record
    old = encode_fingerprint(record, new.replace(short, long))
    assert long in old
    assert decode_fingerprint(old, "") == record
    # As it is rewritten: with another threshold.
    assert long in encode_fingerprint(record.replace(threshold=60), old)
    assert short in encode_fingerprint(record.replace(threshold=60), new)


def test_a_record_is_rewritten_in_the_form_that_it_has(tmp_path: Path) -> None:
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    record = FingerprintRecord("f", HardwareHash({"hostname-info": "a\bb", "machine-id": "ab\n"}), 40)
    with vault.edit() as edit:
        edit.store(record, why="made")
    path = Path(vault.data_path("InstanceFingerprint"))
    assert rb"a\bb" in path.read_bytes()
    with vault.edit() as edit:
        edit.force("InstanceFingerprint", encode_fingerprint(record, rb"\u0008"), why="as an older agent does")
        edit.store(record.replace(threshold=50), why="threshold")
    assert rb"a\u0008b" in path.read_bytes()
    assert vault.read().threshold == 50
