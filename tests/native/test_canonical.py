"""The canonical form of strings, serial numbers and UUIDs of firmware, and its digests."""

from __future__ import annotations

import hashlib
import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint._core import canonical_uuid, clean, clean_serial, set_of, value_of
from shared import CORPUS, needs_corpus


@pytest.mark.parametrize(
    "text",
    ["", " ", "To be filled by O.E.M.",
     "To Be Filled By O.E.M. by More String", "Default string", "to be filed by MSFT", "0123456789",
     "Not Specified", "None", "N/A", "System Serial Number", "........", "00000000", "FFFFFFFF", "XXXXXXX",
     "--", "x", "123",
     ".......123456789.", "SYS-1234567890", "BSN12345678901234567", "9876543210", "0x000000", "PartNum0",
     "A1_SerNum1", "DIMM_A1_AssetTag", "Manufacturer03", "[Empty]", "/       /              /", "abcd"],
)  # fmt: skip
def test_a_placeholder_is_absent(text: str) -> None:
    assert clean_serial(text) == ""


@pytest.mark.parametrize("text", ["144S931", "VMware-56 4d 1a 2b", "PF0ABCDE", "CN-0H723K-12345"])
def test_a_serial_number_is_kept(text: str) -> None:
    assert clean_serial(text) == text.lower()


def test_a_string_is_compared_without_case_blanks_and_controls() -> None:
    assert clean("  Dell   Inc. ") == clean("DELL INC.") == "dell inc."
    assert clean("Fabrik\xe4\x00") == "fabrik.."


def test_both_byte_orders_of_a_uuid_are_one() -> None:
    """dmidecode before 2.10, and VMware before hardware version 13, reversed the bytes of the first three fields."""
    uuid = canonical_uuid("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0")
    assert canonical_uuid("3C2D1E0F-5A4B-7869-8796-A5B4C3D2E1F0") == uuid
    assert canonical_uuid("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f1") != uuid


@pytest.mark.parametrize(
    "text",
    ["00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "Not Settable", "", None,
     "03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009"],
)  # fmt: skip
def test_a_uuid_that_many_machines_share_is_absent(text: str | None) -> None:
    assert canonical_uuid(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        # A text padded with zeros, in both byte orders; a placeholder; the name of a model.
        "33695052-0000-0000-0000-000000000000", "52506933-0000-0000-0000-000000000000",
        "52617370-6265-7272-7950-693300000000", "54686973-4973-4e6f-5555-494400000000",
        "546f2062-6520-6669-6c6c-656420627920", "30313233-3435-3637-3839-303132333435",
        "44656661-756c-7420-7374-72696e670000",
        # One value in most bytes.
        "00000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-ffff02030405",
        "00000000-0000-0000-0000-00000a0b0c0d",
        # A period.
        "deadbeef-dead-beef-dead-beefdeadbeef", "01020304-0506-0708-0102-030405060708",
        "ab12ab12-ab12-ab12-ab12-ab12ab12ab12", "a5c3a5c3-a5c3-a5c3-a5c3-a5c3a5c3a5c3",
        # Even steps, by byte, word and digit.
        "01020304-0506-0708-090a-0b0c0d0e0f10", "10203040-5060-7080-90a0-b0c0d0e0f000",
        "0f0e0d0c-0b0a-0908-0706-050403020100", "00020004-0006-0008-000a-000c000e0010",
        "12345678-1234-5678-1234-567812345678", "12345678-1234-5678-9abc-def012345678",
        "01234567-89ab-cdef-0123-456789abcdef", "fedcba98-7654-3210-fedc-ba9876543210",
        "00112233-4455-6677-8899-aabbccddeeff", "11111111-2222-3333-4444-555555555555",
        "12345678-9012-3456-7890-123456789012",
    ],
)  # fmt: skip
def test_a_uuid_with_a_pattern_is_absent(text: str) -> None:
    assert canonical_uuid(text) == ""
    assert canonical_uuid(text.upper()) == ""


@pytest.mark.parametrize(
    "text",
    [
        # EC2, VMware, Hyper-V, Google, Xen, QEMU.
        "ec2e1916-9099-7caf-fd21-012345abcdef", "564d9f2a-1c3b-7e4d-a5f6-0b1c2d3e4f50",
        "c3a1b2d4-5e6f-4a1b-8c2d-3e4f5a6b7c8d", "0a1b2c3d-9f8e-4d7c-b6a5-948372615f4e",
        # A MAC address after zeros; Apple; Supermicro.
        "00000000-0000-0000-0000-0cc47a133878", "00000000-0000-1000-8000-001b63a1b2c3",
        "49434d53-0200-9033-2500-339025003f4a",
        # Dell and HP: a service tag and a serial number as text.
        "44454c4c-3400-1034-8053-b1c04f393331", "34333830-3837-5347-4838-303244544442",
        "30343536-3138-5355-4532-323336383335",
    ],
)  # fmt: skip
def test_a_uuid_of_one_machine_is_kept(text: str) -> None:
    assert len(canonical_uuid(text)) == 32


@given(st.uuids(version=4), st.sampled_from(["", "ec2", "564d", "44454c4c", "49434d53-0200-9033-2500"]))
def test_no_random_uuid_is_a_placeholder(uuid: UUID, mark: str) -> None:
    assert len(canonical_uuid(mark + str(uuid)[len(mark) :])) == 32


@needs_corpus
def test_only_placeholders_of_real_machines_count_as_absent() -> None:
    found: set[str] = set()
    for path in CORPUS.rglob("*"):
        if path.is_file() and path.suffix in (".txt", ".out", ""):
            text = path.read_bytes().decode("latin-1")
            found |= {
                one.lower() for one in re.findall(r"UUID: ([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})", text)
            }
    absent = {one for one in found if not canonical_uuid(one)}
    assert len(found) > 60
    assert absent <= {
        "03000200-0400-0500-0006-000700080009", "4c4c4544-0000-0010-8000-00c04f000000",
        "12345678-1111-2222-aaaa-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff",
        "eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee", "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "00000000-0000-0000-0000-000000000000",
    }  # fmt: skip


def test_values_are_bound_to_their_attribute_and_hide_the_text() -> None:
    assert value_of("a", "x") != value_of("b", "x")
    assert value_of("a", "x", "") != value_of("a", "", "x")
    assert value_of("a", "", "") == ""
    assert len(value_of("a", "x")) == 32
    assert set_of("a", ["y", "x", "y", ""]) == set_of("a", ["x", "y"])
    assert set_of("a", []) == ""


@given(st.text(max_size=12), st.lists(st.text(max_size=80), max_size=4))
def test_a_value_is_the_documented_digest(name: str, parts: list[str]) -> None:
    """docs/stable.md: SHA-256 over the scheme, the name and the parts, with a NUL before each, 32 digits of it."""
    name = name.replace("\ud800", "")
    joined = "\0".join(("fingerprint-stable-1", name, *parts)).encode()
    assert value_of(name, *parts) == (hashlib.sha256(joined).hexdigest()[:32] if any(parts) else "")


@given(st.text(max_size=400))
def test_cleaning_a_clean_string_changes_nothing(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert cleaned.isascii()
    assert len(cleaned) < 255
    assert cleaned == cleaned.strip().lower()
    assert "  " not in cleaned


@given(st.text(alphabet="0123456789abcdef", min_size=32, max_size=32))
def test_a_uuid_is_the_smaller_of_its_two_byte_orders(digits: str) -> None:
    turned = "".join(digits[i : i + 2] for i in (6, 4, 2, 0, 10, 8, 14, 12)) + digits[16:]
    assert canonical_uuid(digits) in (min(digits, turned), "")
    assert canonical_uuid(turned) == canonical_uuid(digits)
