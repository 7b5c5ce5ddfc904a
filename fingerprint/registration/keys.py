"""The key pair of a registration, in the encodings of the reference.

Private: base64 of the PKCS#1 DER. Public: base64 of the SubjectPublicKeyInfo DER, 392 characters for RSA 2048,
the smallest key that the service accepts. Signatures: RSASSA-PSS with SHA-256, MGF1-SHA-256 and 32 bytes of salt.
"""

from __future__ import annotations

from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from fingerprint.errors import KeyUnusable

KEY_TYPE = "Rsa"
_BITS = 2048
_EXPONENT = 65537
_SALT_BYTES = 32
_PADDING = padding.PSS(padding.MGF1(SHA256()), _SALT_BYTES)


class NodeKey:
    """The private key of a node. Its repr shows nothing of it.

    Args:
        key: the RSA key.
    """

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> NodeKey:
        """Return a new RSA key of 2048 bits with exponent 65537; takes a tenth of a second or more."""
        return cls(rsa.generate_private_key(_EXPONENT, _BITS))

    @classmethod
    def decode(cls, text: str, where: str) -> NodeKey:
        """Return the key that a registration record holds.

        Args:
            text: base64 of the PKCS#1 DER; line ends are ignored, as by the reference.
            where: the record, for errors.

        Raises:
            KeyUnusable: it is not an RSA private key. The error has no part of it.
        """
        try:
            der = b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
            # Its own validation also proves that the primes are primes, in 35 ms; `_is_consistent` finds damage.
            key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
        except (ValueError, TypeError):
            raise _unusable(where) from None
        if not isinstance(key, rsa.RSAPrivateKey) or not _is_consistent(key.private_numbers()):
            raise _unusable(where)
        return cls(key)

    def encode(self) -> str:
        """Return the key as the registration record holds it. Secret."""
        der = self._key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        return b64encode(der).decode("ascii")

    def public(self) -> str:
        """Return the public key in the form that the service takes."""
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return b64encode(der).decode("ascii")

    def sign(self, message: bytes) -> str:
        """Return a signature in base64; it differs each time, as PSS is salted."""
        return b64encode(self._key.sign(message, _PADDING, SHA256())).decode("ascii")

    def __repr__(self) -> str:
        return "NodeKey(<hidden>)"


def _is_consistent(key: rsa.RSAPrivateNumbers) -> bool:
    """Return whether the numbers of a key agree with each other; they do not if one of them is damaged."""
    p, q, d, e = key.p, key.q, key.d, key.public_numbers.e
    return (
        p > 1 and q > 1 and p * q == key.public_numbers.n
        and e * d % (p - 1) == 1 and e * d % (q - 1) == 1
        and key.dmp1 == d % (p - 1) and key.dmq1 == d % (q - 1) and key.iqmp * q % p == 1
    )  # fmt: skip


def verify(public: str, message: bytes, signature: str) -> bool:
    """Return whether a public key (base64 SPKI) verifies the signature (base64) of a message."""
    try:
        key = load_der_public_key(b64decode(public, validate=True))
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(b64decode(signature, validate=True), message, _PADDING, SHA256())
    except (ValueError, TypeError, AssertionError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _unusable(where: str) -> KeyUnusable:
    return KeyUnusable(
        "the private key is not base64 of an RSA key in PKCS#1 DER",
        where=where,
        remedy="Nothing was sent. See earlier records: fingerprint vault history; else register the machine again",
    )
