# Digests of the formats: MD5-base64 values, SHA-256, canonical bytes, minted fingerprints.
#
# The digests are CPython's own implementations (formally verified HACL* since 3.12). `_md5` and `_sha2` come before
# `hashlib`, because they work on FIPS hosts and do not load OpenSSL.

cdef const char *BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

# Imported at the first use: most commands do not need them, and the import would slow down each start.
cdef object _md5 = None
cdef object _sha256 = None


cdef _md5_of(data):
    global _md5
    if _md5 is None:
        try:
            from _md5 import md5 as found
        except ImportError:
            from hashlib import md5 as found
        _md5 = found
    return _md5(data, usedforsecurity=False)


def md5_base64(data):
    """Return the standard base64 of the MD5 of bytes: 24 characters, `==` padded.

    It is the reference's format for the output of a command, not a security claim.
    """
    cdef bytes digest = _md5_of(data).digest()
    cdef const unsigned char *raw = <const unsigned char *>PyBytes_AsString(digest)
    cdef char text[24]
    cdef int i
    cdef unsigned int group
    for i in range(5):
        group = (<unsigned int>raw[3 * i] << 16) | (<unsigned int>raw[3 * i + 1] << 8) | raw[3 * i + 2]
        text[4 * i] = BASE64[group >> 18]
        text[4 * i + 1] = BASE64[(group >> 12) & 63]
        text[4 * i + 2] = BASE64[(group >> 6) & 63]
        text[4 * i + 3] = BASE64[group & 63]
    text[20] = BASE64[raw[15] >> 2]
    text[21] = BASE64[(raw[15] & 3) << 4]
    text[22] = text[23] = b"="
    return PyUnicode_DecodeASCII(text, 24, NULL)


cdef _sha256_of(data):
    global _sha256
    if _sha256 is None:
        try:
            from _sha2 import sha256 as found
        except ImportError:
            try:
                from _sha256 import sha256 as found
            except ImportError:
                from hashlib import sha256 as found
        _sha256 = found
    return _sha256(data)


def sha256_hex(data):
    """Return the SHA-256 of bytes as 64 lower-case hexadecimal digits."""
    return _sha256_of(data).hexdigest()


def canonical_bytes(hardware_hash):
    """Return the canonical bytes of a hardware hash, for digests and storage.

    They are the JSON object that the reference writes into the vault: keys in bytewise order, no blanks, the
    reference's escapes.
    """
    return dumps(dict(hardware_hash))


def mint_fingerprint(hardware_hash, key=None):
    """Return a new fingerprint for a hardware hash: a lower-case UUID of version 8 (RFC 9562).

    Its bits are the HMAC-SHA256 of the canonical bytes of the hash, with a key of 32 fresh random bytes: computed from
    the attributes, unpredictable, and different each time.

    Args:
        hardware_hash: the attributes of the machine.
        key: 32 bytes in place of random ones, to repeat a recorded result.

    Raises:
        ValueError: the key does not have 32 bytes.
    """
    if key is None:
        from os import urandom

        key = urandom(32)
    elif len(key) != 32:
        raise ValueError(f"invalid key of {len(key)} bytes: must be 32 bytes")
    # Imported here: it is rarely needed, and the import takes milliseconds.
    from hmac import digest

    cdef bytes code = digest(key, canonical_bytes(hardware_hash), "sha256")
    cdef const unsigned char *raw = <const unsigned char *>PyBytes_AsString(code)
    cdef char text[36]
    cdef int i, at = 0
    cdef unsigned char byte
    for i in range(16):
        byte = raw[i]
        if i == 6:
            byte = (byte & 0x0F) | 0x80
        elif i == 8:
            byte = (byte & 0x3F) | 0x80
        if i == 4 or i == 6 or i == 8 or i == 10:
            text[at] = b"-"
            at += 1
        text[at] = HEX[byte >> 4]
        text[at + 1] = HEX[byte & 15]
        at += 2
    return PyUnicode_DecodeASCII(text, 36, NULL)
