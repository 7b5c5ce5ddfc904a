"""Canonical texts of scheme `stable`, and the digests over them.

`native/include/canonical.h` has the rules and the lists of placeholders; the decoder of raw SMBIOS
tables uses the same ones, so that a table and dmidecode's text of it give equal values.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII


cdef extern from "canonical.h":
    enum: CANONICAL_ROOM
    size_t canonical_text(const unsigned char *source, size_t length, char *to) nogil
    size_t canonical_serial(const unsigned char *source, size_t length, char *to) nogil
    const char *hypervisor_of_texts(const char **texts, size_t count) nogil
    size_t c_canonical_uuid "canonical_uuid"(const unsigned char *data, char *to) nogil


cdef extern from "sha256.h":
    ctypedef struct sha256_context:
        pass

    int sha256_way
    int sha256_has_instructions() nogil
    void sha256_begin(sha256_context *context) nogil
    void sha256_add(sha256_context *context, const void *data, size_t length) nogil
    void sha256_end(sha256_context *context, unsigned char *digest) nogil


cdef const char *DIGITS = b"0123456789abcdef"
# Binds a value to this scheme, so that it equals no digest of the same text made elsewhere.
cdef const char *DOMAIN = b"fingerprint-stable-1"
cdef size_t DOMAIN_LENGTH = 20


cdef bytes _ascii(text):
    if text.isascii():
        return text.encode("ascii")
    # One character that is not printed for each that is not ASCII.
    return bytes([ord(c) if c.isascii() else 1 for c in text])


def clean(text):
    """Return a text of the firmware in the form that is compared, "" for a placeholder or None.

    What is not printable ASCII is a dot, runs of blanks are one, letters are lower case; at most 254
    characters count.
    """
    cdef char to[CANONICAL_ROOM]
    if not text:
        return ""
    cdef bytes data = _ascii(text)
    return PyUnicode_DecodeASCII(
        to, <Py_ssize_t>canonical_text(<const unsigned char *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), to), NULL
    )


def clean_serial(text):
    """Return a serial number in the form that is compared, "" for a placeholder or less than four characters."""
    cdef char to[CANONICAL_ROOM]
    if not text:
        return ""
    cdef bytes data = _ascii(text)
    return PyUnicode_DecodeASCII(
        to, <Py_ssize_t>canonical_serial(<const unsigned char *>PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), to), NULL
    )


def canonical_uuid(text):
    """Return a UUID as 32 digits, the same for both byte orders in use; "" for a placeholder or no UUID."""
    cdef char to[33]
    try:
        data = bytes.fromhex((text or "").replace("-", ""))
    except ValueError:
        return ""
    if len(data) != 16:
        return ""
    return PyUnicode_DecodeASCII(
        to, <Py_ssize_t>c_canonical_uuid(<const unsigned char *>PyBytes_AS_STRING(data), to), NULL
    )


def hypervisor_of(*texts):
    """Return the hypervisor that names of maker, product and firmware tell: "none" by others, "" without any."""
    cdef const char *known[8]
    cdef size_t count = 0
    kept = [clean(text).encode("ascii") for text in texts[:8]]
    for text in kept:
        known[count] = PyBytes_AS_STRING(text)
        count += 1
    return (<bytes>hypervisor_of_texts(known, count)).decode("ascii")


cdef str _digest(bytes name, parts, size_t digits):
    cdef sha256_context context
    cdef unsigned char digest[32]
    cdef char text[64]
    cdef bytes data
    cdef size_t i
    sha256_begin(&context)
    sha256_add(&context, DOMAIN, DOMAIN_LENGTH)
    sha256_add(&context, b"\0", 1)
    sha256_add(&context, PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name))
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        sha256_add(&context, b"\0", 1)
        sha256_add(&context, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))
    sha256_end(&context, digest)
    for i in range(digits):
        text[i] = DIGITS[(digest[i // 2] >> 4) if i % 2 == 0 else (digest[i // 2] & 15)]
    return PyUnicode_DecodeASCII(text, <Py_ssize_t>digits, NULL)


def value_of(str name, *parts):
    """Return the value of an attribute: 128 bits of SHA-256 over its name and parts; "" if all parts are ""."""
    for part in parts:
        if part:
            return _digest(name.encode(), parts, 32)
    return ""


def set_of(str name, elements):
    """Return the value of an attribute that is a set: 64 bits of SHA-256 for each element, sorted; "" without any."""
    cdef bytes encoded = name.encode()
    return " ".join(sorted({_digest(encoded, (element,), 16) for element in elements if element}))


def sha256(data, *, portable=False):
    """Return the SHA-256 of bytes by this core's own code; `portable`: without the processor's instructions."""
    global sha256_way
    cdef sha256_context context
    cdef unsigned char digest[32]
    cdef bytes source = bytes(data)
    sha256_way = 0 if portable else sha256_has_instructions()
    sha256_begin(&context)
    sha256_add(&context, PyBytes_AS_STRING(source), PyBytes_GET_SIZE(source))
    sha256_end(&context, digest)
    sha256_way = sha256_has_instructions()
    return digest[:32]
