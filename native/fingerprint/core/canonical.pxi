# The canonical form of strings for scheme `stable`, and the digests of it.
#
# native/include/canonical.h has the rules and the lists of placeholders; the reader of raw SMBIOS tables uses the
# same rules, so that a table and dmidecode's output of it give equal values.


cdef bytes _ascii(text):
    if text.isascii():
        return text.encode("ascii")
    # Each character outside of ASCII becomes one that is not printable.
    return bytes([ord(c) if c.isascii() else 1 for c in text])


def clean(text):
    """Return the canonical form of a string of the firmware, "" for a placeholder or None.

    A character that is not printable ASCII becomes a dot, a run of blanks becomes one, letters become lower case;
    characters after the 254th are dropped.
    """
    cdef char to[CANONICAL_SIZE]
    if not text:
        return ""
    cdef bytes data = _ascii(text)
    return PyUnicode_DecodeASCII(
        to, <Py_ssize_t>canonical_text(<const unsigned char *>PyBytes_AsString(data), len(data), to), NULL
    )


def clean_serial(text):
    """Return the canonical form of a serial number, "" for a placeholder or fewer than four characters."""
    cdef char to[CANONICAL_SIZE]
    if not text:
        return ""
    cdef bytes data = _ascii(text)
    return PyUnicode_DecodeASCII(
        to, <Py_ssize_t>canonical_serial(<const unsigned char *>PyBytes_AsString(data), len(data), to), NULL
    )


def canonical_uuid(text):
    """Return a UUID as 32 digits, the same for both byte orders in use; "" for a placeholder or any other text."""
    cdef char to[33]
    try:
        data = bytes.fromhex((text or "").replace("-", ""))
    except ValueError:
        return ""
    if len(data) != 16:
        return ""
    return PyUnicode_DecodeASCII(
        to, <Py_ssize_t>uuid_digits(<const unsigned char *>PyBytes_AsString(data), to), NULL
    )


def hypervisor_of(*names, says_virtual=False):
    """Return the hypervisor that names of makers, products and firmware have words of, "none" for no match.

    Args:
        *names: at most eight; None and placeholders count as missing. Without a name the result is "".
        says_virtual: whether the firmware declares a virtual machine; "none" is "unknown" then.
    """
    cdef const char *known[8]
    cdef size_t count = 0
    kept = [clean(name).encode("ascii") for name in names[:8]]
    for name in kept:
        known[count] = PyBytes_AsString(name)
        count += 1
    return (<bytes>hypervisor_of_names(known, count, 1 if says_virtual else 0)).decode("ascii")


cdef str _stable_digest(bytes name, parts, int digits):
    cdef sha256_context context
    cdef char text[VALUE_DIGITS + 1]
    cdef bytes data
    digest_begin(&context, PyBytes_AsString(name), len(name))
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        digest_part(&context, PyBytes_AsString(data), len(data))
    digest_end(&context, text, digits)
    return PyUnicode_DecodeASCII(text, digits, NULL)


def value_of(str name, *parts):
    """Return the value of an attribute: 128 bits of the SHA-256 of its name and parts; "" if all parts are ""."""
    for part in parts:
        if part:
            return _stable_digest(name.encode(), parts, VALUE_DIGITS)
    return ""


def set_of(str name, elements):
    """Return the value of an attribute that is a set: 64 bits of SHA-256 for each element, sorted; "" if empty."""
    cdef bytes encoded = name.encode()
    return " ".join(sorted({_stable_digest(encoded, (element,), ELEMENT_DIGITS) for element in elements if element}))
