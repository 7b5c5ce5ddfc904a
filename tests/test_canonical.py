"""The form in which texts, serial numbers and UUIDs of firmware are compared, and the digests over them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint._canonical import canonical_uuid, clean, clean_serial, set_of, sha256, value_of


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


def test_a_text_is_compared_without_case_blanks_and_what_is_not_printed() -> None:
    assert clean("  Dell   Inc. ") == clean("DELL INC.") == "dell inc."
    assert clean("Fabrik\xe4\x00") == "fabrik.."


def test_both_byte_orders_of_a_uuid_are_one() -> None:
    """dmidecode before 2.10, and VMware before hardware version 13, turned the first three fields."""
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


def test_values_are_bound_to_their_attribute_and_tell_no_text() -> None:
    assert value_of("a", "x") != value_of("b", "x")
    assert value_of("a", "x", "") != value_of("a", "", "x")
    assert value_of("a", "", "") == ""
    assert len(value_of("a", "x")) == 32
    assert set_of("a", ["y", "x", "y", ""]) == set_of("a", ["x", "y"])
    assert set_of("a", []) == ""


@given(st.binary(max_size=400))
def test_sha256_is_the_standards_with_and_without_the_processors_instructions(data: bytes) -> None:
    assert sha256(data) == sha256(data, portable=True) == hashlib.sha256(data).digest()


@given(st.text(max_size=12), st.lists(st.text(max_size=80), max_size=4))
def test_a_value_is_the_documented_digest(name: str, parts: list[str]) -> None:
    """docs/stable.md: SHA-256 over the scheme, the name and the parts, with a NUL before each, 32 digits of it."""
    name = name.replace("\ud800", "")
    joined = "\0".join(("fingerprint-stable-1", name, *parts)).encode()
    assert value_of(name, *parts) == (hashlib.sha256(joined).hexdigest()[:32] if any(parts) else "")


@given(st.text(max_size=400))
def test_a_text_is_cleaned_once_and_for_all(text: str) -> None:
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
