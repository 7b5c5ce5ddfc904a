"""Reference implementation of Go's gob encoding, written from its documentation, to verify `collectors.wql`.

Types are values here: the definition of a type is itself encoded as the structure that Go's documentation gives
(wireType, structType, CommonType, fieldType), by the same code that encodes a WMI object.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

INT, UINT, STRING = "int", "uint", "string"
BUILT_IN = {INT: 2, UINT: 3, STRING: 6}
# The structures of package gob by which it describes types: name of each field and its type, in order.
COMMON_TYPE = [("Name", STRING), ("Id", INT)]
FIELD_TYPE = [("Name", STRING), ("Id", INT)]
STRUCT_TYPE: list[tuple[str, Any]] = [("CommonType", COMMON_TYPE), ("Field", ("slice of", FIELD_TYPE))]
WIRE_TYPE: list[tuple[str, Any]] = [("ArrayT", None), ("SliceT", None), ("StructT", STRUCT_TYPE), ("MapT", None)]

S, U16, U32, U64 = STRING, 2**16, 2**32, 2**64
CLASSES: dict[str, tuple[str, list[tuple[str, Any]]]] = {
    "uuid": ("Win32_ComputerSystemProduct", [("UUID", S)]),
    "processor-hash": ("Win32_Processor", [
        ("Caption", S), ("DeviceID", S), ("Manufacturer", S), ("MaxClockSpeed", U32), ("Name", S),
        ("SocketDesignation", S)]),
    "memory-hash": ("Win32_PhysicalMemory", [
        ("Capacity", U64), ("DeviceLocator", S), ("MemoryType", U16), ("Name", S), ("Tag", S), ("TotalWidth", U16)]),
    "bios-hash": ("Win32_BIOS", [
        ("Manufacturer", S), ("Name", S), ("SerialNumber", S), ("SMBIOSBIOSVersion", S), ("Version", S)]),
    "system-hash": ("Win32_ComputerSystem", [
        ("DNSHostName", S), ("Domain", S), ("Manufacturer", S), ("Model", S), ("Name", S), ("PrimaryOwnerName", S),
        ("TotalPhysicalMemory", U64)]),
    "disk-info": ("Win32_DiskDrive", [
        ("Caption", S), ("DeviceID", S), ("Model", S), ("Partitions", U32), ("Size", U64)]),
}  # fmt: skip


def uint(number: int) -> list[int]:
    if number <= 127:
        return [number]
    digits = []
    while number:
        digits.insert(0, number % 256)
        number //= 256
    return [256 - len(digits), *digits]


def signed(number: int) -> list[int]:
    # "The low bit says whether to complement the other bits."
    if number >= 0:
        return uint(number * 2)
    return uint((-number - 1) * 2 + 1)


def string(text: str) -> list[int]:
    data = list(text.encode("utf-8"))
    return [*uint(len(data)), *data]


def encoded(kind: Any, value: Any) -> list[int]:
    if kind == STRING:
        return string(value)
    if kind == INT:
        return signed(value)
    if kind == UINT:
        return uint(value)
    if isinstance(kind, tuple):
        result = uint(len(value))
        for element in value:
            result += encoded(kind[1], element)
        return result
    return structure(kind, value)


def structure(fields: list[tuple[str, Any]], value: Mapping[str, Any]) -> list[int]:
    result: list[int] = []
    number, last_written = -1, -1
    for name, kind in fields:
        number += 1
        field = value.get(name)
        # "If a field has the zero value for its type, it is omitted."
        if field is None or field == 0 or field == "":
            continue
        result += uint(number - last_written)
        result += encoded(kind, field)
        last_written = number
    return [*result, 0]


def message(type_id: int, content: list[int]) -> list[int]:
    counted = signed(type_id) + content
    return uint(len(counted)) + counted


def stream(attribute: str, members: Mapping[str, Any], type_id: int) -> bytes:
    name, members_of = CLASSES[attribute]
    fields = [(field, STRING if kind == STRING else UINT) for field, kind in members_of]
    described = {
        "StructT": {
            "CommonType": {"Name": name, "Id": type_id},
            "Field": [{"Name": field, "Id": BUILT_IN[kind]} for field, kind in fields],
        }
    }
    kept: dict[str, Any] = {}
    for field, kind in members_of:
        value = members.get(field)
        if value is not None:
            kept[field] = value if kind == STRING else int(value) % kind
    return bytes(message(-type_id, structure(WIRE_TYPE, described)) + message(type_id, structure(fields, kept)))


def digest(attribute: str, members: Mapping[str, Any], type_id: int) -> str:
    return b64encode(hashlib.md5(stream(attribute, members, type_id), usedforsecurity=False).digest()).decode()
