"""Read and write the journal's requests to register that are not stored yet.

Key pair and fingerprint are in the journal before the request leaves. So whatever dies afterwards, a node that
the service made can be stored here: by its id out of the journal, or by the id that the service lists.
"""

from __future__ import annotations

from fingerprint._io.times import utc
from fingerprint.errors import VaultCorrupt, VaultError
from fingerprint.types import Value
from fingerprint.vault.journal import AHEAD, bytes_of, text_of
from fingerprint.vault.records import REGISTRATION_KEY, decode_registration, encode_registration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.types import RegistrationRecord
    from fingerprint.vault.vault import Vault

# Why the entry of such a request was written.
ASKED = "registration: the service is asked"
# How a request went on: the service answered with a node; then it is over for one of these reasons.
ANSWERED = "answered"
STORED, REFUSED, NOT_SENT, GIVEN_UP = "stored", "refused", "not sent", "given up"
# Another registration was stored since. The service may list a node of it all the same, which can be stored by its id.
SUPERSEDED = "superseded"
OVER = (STORED, REFUSED, NOT_SENT, GIVEN_UP, SUPERSEDED)


class Pending(Value):
    """A request that may not be over.

    Attributes:
        number: of the journal's entry.
        at: when the service was asked, RFC 3339.
        activation_id: the activation.
        region: of the node.
        endpoint: the URL that was asked.
        public_key: base64 of the SubjectPublicKeyInfo DER.
        node: the node's id; "" if no answer was noted.
        registration: what is stored with the node's id. Secret: it holds the private key.
        fingerprint: the bytes of the fingerprint record that the node registers with. Secret.
        replaces: the node's id that the vault held when the service was asked, "" for none.
    """

    _hidden = ("registration", "fingerprint")
    number: int
    at: str
    activation_id: str
    region: str
    endpoint: str
    public_key: str
    node: str
    registration: RegistrationRecord
    fingerprint: bytes
    replaces: str

    @property
    def search_terms(self) -> str:
        """What finds the node at the service: activation id, time and public key."""
        return f"activation id {self.activation_id}, time {self.at}, public key {self.public_key}"


def write_ahead(
    vault: Vault, activation_id: str, endpoint: str, public_key: str, registration: RegistrationRecord,
    fingerprint: bytes,
) -> Pending:  # fmt: skip
    """Write a request into the journal, durably, before it is sent. The caller holds the lock of the vault.

    Raises:
        VaultError: it could not be written; then nothing must be sent.
    """
    request = {
        "activationId": activation_id, "region": registration.region, "endpoint": endpoint, "publicKey": public_key,
        "fingerprint": text_of(fingerprint),
    }  # fmt: skip
    now = vault.now()
    there = vault.raw(REGISTRATION_KEY)
    number = vault.history.record(
        REGISTRATION_KEY, there, encode_registration(registration), why=ASKED, rule="", now=now, state=AHEAD,
        request=request,
    )  # fmt: skip
    return Pending(
        number, utc(now), activation_id, registration.region, endpoint, public_key, "", registration, fingerprint,
        node_in(there),
    )  # fmt: skip


def pending(vault: Vault, *, superseded: bool = False) -> list[Pending]:
    """Return the requests that may not be over, oldest first.

    One is over, whatever its mark says, once a registration with its key was in the vault and was listed there.

    Args:
        vault: the vault.
        superseded: with those after which another registration was stored.

    Raises:
        VaultError: the journal could not be read.
    """
    found = []
    for entry, mark in vault.history.asked():
        if mark.get("outcome") in OVER and not (superseded and mark["outcome"] == SUPERSEDED):
            continue
        request = entry["request"]
        try:
            registration = decode_registration(bytes_of(entry["after"]), vault.history.path)
        except VaultCorrupt:
            continue
        found.append(
            Pending(
                entry["number"], entry["at"], request["activationId"], request["region"], request["endpoint"],
                request["publicKey"], mark.get("node", ""), registration, bytes_of(request["fingerprint"]),
                node_in(None if entry["before"] is None else bytes_of(entry["before"])),
            )
        )  # fmt: skip
    if not found:
        return []
    stored = [_private_key(change.after) for change in vault.history.changes() if change.key == REGISTRATION_KEY]
    if stored and not _is_listed(vault):
        # The agent does not find the last one.
        stored.pop()
    return [one for one in found if one.registration.private_key not in stored]


def mark(vault: Vault, one: Pending, ended: str, **more: str) -> None:
    """Mark how a request went on, durably. The caller holds the lock of the vault. Raises VaultError."""
    if one.node:
        # Only the last mark counts, and a node that was once known stays known.
        more.setdefault("node", one.node)
    vault.history.mark(one.number, REGISTRATION_KEY, ended, vault.now(), more=more)


def give_up(vault: Vault) -> None:
    """Mark all requests as given up. The caller holds the lock of the vault. Raises VaultError."""
    for one in pending(vault):
        mark(vault, one, GIVEN_UP)


def node_in(data: bytes | None) -> str:
    """Return the node's id in the bytes of a registration, "" for none."""
    try:
        return "" if data is None else decode_registration(data, "").instance_id
    except VaultCorrupt:
        return ""


def finishable(vault: Vault, found: list[Pending]) -> Pending | None:
    """Return the newest request whose node is known and takes the place of what the vault holds; None without one.

    Not where another registration came to the vault since: only who names the node replaces that.

    Raises:
        VaultError: the vault could not be read.
    """
    there = node_in(vault.raw(REGISTRATION_KEY))
    return next((one for one in reversed(found) if one.node and there in ("", one.replaces, one.node)), None)


def _is_listed(vault: Vault) -> bool:
    from fingerprint.vault.integrity import manifest_state

    try:
        return manifest_state(vault).sound
    except VaultError:
        # The manifest is unreadable: other checks report that, and nothing can be listed.
        return True


def _private_key(data: bytes) -> str:
    try:
        return decode_registration(data, "").private_key
    except VaultCorrupt:
        return ""
