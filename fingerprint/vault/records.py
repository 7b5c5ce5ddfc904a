"""The bytes of the vault's records and manifests, as the reference reads and writes them.

Source: Go's encoding/json over the reference's structures. Where it would silently repair (invalid
UTF-8, lone surrogates), the record is corrupt here: a repaired identity is another identity.
"""

from __future__ import annotations

from fingerprint._core import JsonError, dumps, loads, members
from fingerprint.errors import VaultCorrupt, VaultMissing
from fingerprint.types import FingerprintRecord, HardwareHash, RegistrationRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.vault import Vault

FINGERPRINT_KEY = "InstanceFingerprint"
REGISTRATION_KEY = "RegistrationKey"
CLEARED = FingerprintRecord()
_LONG_ESCAPES = (b"\\u0008", b"\\u000c")
_INT64 = range(-(2**63), 2**63)
# Providers, as the agent and the service spell them; in another spelling the agent knows none.
EC2, AZURE = "EC2", "Azure"
_REGISTRATION_FIELDS = (
    ("instanceID", "instance_id"),
    ("region", "region"),
    ("instanceType", "instance_type"),
    ("availabilityZone", "availability_zone"),
    ("privateKey", "private_key"),
    ("publicKey", "public_key"),
    ("privateKeyType", "private_key_type"),
    ("privateKeyCreatedDate", "private_key_created_date"),
    # Behind all others, and not there at all where no agent from 3.3.4793 on wrote the record.
    ("provider", "provider"),
)


def decode_fingerprint(data: bytes, where: str) -> FingerprintRecord:
    """Return the record that the bytes of `InstanceFingerprint` hold.

    Field names match in any case and the last one wins; `null` leaves a field as it is, and a
    record that is `null` is a cleared one; a missing threshold reads as 0; unknown fields are kept. But a
    field that is missing while an unknown one is there has a damaged name, and attributes without a
    fingerprint are no cleared record: both would make another identity of this one.

    Raises:
        VaultCorrupt: it is no such record.
    """
    fingerprint, threshold = "", 0
    missing = {
        "fingerprint": "fingerprint",
        "hardwarehash": "hardwareHash",
        "similaritythreshold": "similarityThreshold",
    }
    attributes: dict[str, str] | None = None
    extra = []
    for name, raw in _members(data, where):
        field = name.casefold()
        missing.pop(field, None)
        if field not in ("fingerprint", "hardwarehash", "similaritythreshold"):
            extra.append((name, raw))
            continue
        value = _value(raw, where)
        if field == "hardwarehash":
            # A second object adds to the first, as Go decodes into the map that it has.
            attributes = None if value is None else {**(attributes or {}), **_attributes(value, where)}
        elif value is None:
            continue
        elif field == "fingerprint":
            fingerprint = _text(value, name, where)
        else:
            threshold = _integer(value, name, where)
    if missing and extra:
        raise _corrupt(f"{' and '.join(missing.values())} is missing, and there is a field of another name", where)
    if attributes and not fingerprint:
        raise _corrupt("it holds attributes and no fingerprint", where)
    try:
        hardware_hash = None if attributes is None else HardwareHash(attributes)
    except ValueError as error:
        raise _corrupt(str(error), where) from None
    return FingerprintRecord(fingerprint, hardware_hash, threshold, tuple(extra))


def encode_fingerprint(record: FingerprintRecord, like: bytes = b"") -> bytes:
    """Return the bytes that the reference writes for a record, unknown fields behind the known ones.

    Args:
        record: the record.
        like: the bytes that are to be replaced. Agents that were built with Go before 1.22 write backspace and form
            feed as \\u0008 and \\u000c, later ones as \\b and \\f. A record that has the long form is written in it
            again; else it is the short one, that of the agents of today. Every agent reads both.
    """
    short = not any(long in like for long in _LONG_ESCAPES)
    hashed = record.hardware_hash
    fields: dict[str, Any] = {
        "fingerprint": record.fingerprint,
        "hardwareHash": None if hashed is None else dict(hashed.items()),
        "similarityThreshold": record.threshold,
    }
    encoded = ((name, dumps(value, short_escapes=short)) for name, value in fields.items())
    return _object([*encoded, *record.extra])


def decode_registration(data: bytes, where: str) -> RegistrationRecord:
    """Return the record that the bytes of `RegistrationKey` hold.

    Raises:
        VaultCorrupt: it is no such record.
    """
    known = {name.casefold(): attribute for name, attribute in _REGISTRATION_FIELDS}
    fields = {}
    extra = []
    for name, raw in _members(data, where):
        attribute = known.get(name.casefold())
        if attribute is None:
            extra.append((name, raw))
        elif (value := _value(raw, where)) is not None:
            fields[attribute] = _text(value, name, where)
        elif attribute == "provider":
            # As Go reads null; what matters is that the member is there.
            fields.setdefault(attribute, "")
    return RegistrationRecord(**fields, extra=tuple(extra))


def provider_option(provider: str | None) -> str:
    """Return the option of `register` that names a record's provider again, with a space before it; "" without one."""
    return f" --provider {provider.lower()}" if provider in (EC2, AZURE) else ""


def register_command(
    region: str = "REGION", *, again: bool = False, provider: str | None = "", activation_id: str = "ID",
    endpoint: str = "",
) -> str:  # fmt: skip
    """Return the command that registers this host. A word in capitals stands for what the reader has to fill in.

    Args:
        region: of the service.
        again: whether the host has a registration that the new one replaces.
        provider: of that registration: without it the new one would be of another kind.
        activation_id: of the activation.
        endpoint: URL of the service, "" for the region's own.
    """
    named = f" --endpoint {endpoint}" if endpoint else ""
    return (
        f"fingerprint register{' --again' if again else ''} --region {region} --activation-id {activation_id} "
        f"--code-file FILE{provider_option(provider)}{named}"
    )


def finish_command(node: str = "") -> str:
    """Return the command that finishes an interrupted registration, as one node where there may be several."""
    return f"fingerprint register --node {node}" if node else "fingerprint register"


def encode_registration(record: RegistrationRecord) -> bytes:
    """Return the bytes that the reference writes for a registration."""
    values = ((name, getattr(record, attribute)) for name, attribute in _REGISTRATION_FIELDS)
    known = [(name, dumps(value)) for name, value in values if value is not None]
    return _object([*known, *record.extra])


def decode_manifest(data: bytes, where: str) -> dict[str, str]:
    """Return the manifest: key -> absolute path of its data file; a key with null or "" is not listed.

    Raises:
        VaultCorrupt: it is no such object.
    """
    values = {name: _value(raw, where) for name, raw in _members(data, where)}
    return {name: _text(value, name, where) for name, value in values.items() if value not in (None, "")}


def encode_manifest(manifest: dict[str, str]) -> bytes:
    """Return the bytes that the reference writes for a manifest: keys sorted."""
    return dumps(dict(sorted(manifest.items())))


def _object(fields: list[tuple[str, bytes]]) -> bytes:
    return b"{" + b",".join(dumps(name) + b":" + raw for name, raw in fields) + b"}"


def _members(data: bytes, where: str) -> list[tuple[str, bytes]]:
    try:
        return members(data) or []
    except JsonError as error:
        raise _corrupt(f"it is not the JSON that belongs there: {error}", where) from None


def _value(raw: bytes, where: str) -> object:
    try:
        return loads(raw)
    except JsonError as error:
        raise _corrupt(f"it is not the JSON that belongs there: {error.problem}", where) from None


def _attributes(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _wrong_type(value, "hardwareHash", "an object", where)
    return {name: "" if text is None else _text(text, name, where) for name, text in value.items()}


def _text(value: object, name: str, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong_type(value, name, "a string", where)
    return value


def _integer(value: object, name: str, where: str) -> int:
    if type(value) is not int or value not in _INT64:
        raise _wrong_type(value, name, "a 64-bit integer", where)
    return value


_KINDS = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a truth value",
    int: "an integer",
    float: "a fraction",
    type(None): "null",
}


def _wrong_type(value: object, name: str, wanted: str, where: str) -> VaultCorrupt:
    return _corrupt(f"{name} is {_KINDS[type(value)]}, not {wanted}", where)


def _corrupt(what: str, where: str) -> VaultCorrupt:
    # Which copy helps only the vault knows: see vault/remedies.py.
    return VaultCorrupt(what, where=where, remedy="List every defect of the vault: fingerprint vault verify")


def existing_registration(vault: Vault) -> RegistrationRecord | None:
    """Return the registration of a vault; None where it holds none. Raises VaultError: it could not be read."""
    try:
        return vault.read_registration()
    except VaultMissing:
        return None
