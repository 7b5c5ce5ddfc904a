"""Packed hardware hashes and the match rule over them: one pair, or many with the GIL released."""

from cpython.dict cimport PyDict_GetItemWithError, PyDict_Next
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

cimport cython

cdef extern from "ssm_rule.h" nogil:
    enum ssm_reason:
        SSM_DISABLED
        SSM_NOTHING_TO_COMPARE
        SSM_SID_DIFFERS
        SSM_SAME_IP
        SSM_SIMILAR
        SSM_NOT_SIMILAR
    float ssm_percent(uint32_t matched, uint32_t total)
    bint ssm_passes(uint32_t matched, uint32_t total, int64_t threshold)
    ssm_reason ssm_decide(int64_t threshold, uint32_t saved_count, uint32_t current_count,
                          bint sid_equal, bint ip_equal, uint32_t matched)
    bint ssm_is_match(ssm_reason reason)

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #ifdef __SSE2__
    #include <emmintrin.h>
    #endif
    /* A value in 48 bytes: up to 47 bytes of UTF-8 padded with zeros, and its length in the last byte;
       a longer one has LONG_VALUE there, then its first 39 bytes and, in the first 8, its length.
       Six words are compared without a branch; values of 24, 17, 33 or 15 bytes are the usual ones. */
    #define SLOT_WORDS 6
    #define SLOT_INLINE 47
    #define SLOT_LONG 255
    typedef struct { uint64_t word[SLOT_WORDS]; } slot_t;
    static inline int slot_equal(const slot_t *a, const slot_t *b)
    {
    #ifdef __SSE2__
        const __m128i *x = (const __m128i *)a->word, *y = (const __m128i *)b->word;
        __m128i same = _mm_cmpeq_epi8(_mm_loadu_si128(x), _mm_loadu_si128(y));
        same = _mm_and_si128(same, _mm_cmpeq_epi8(_mm_loadu_si128(x + 1), _mm_loadu_si128(y + 1)));
        same = _mm_and_si128(same, _mm_cmpeq_epi8(_mm_loadu_si128(x + 2), _mm_loadu_si128(y + 2)));
        return _mm_movemask_epi8(same) == 0xFFFF;
    #else
        uint64_t difference = 0;
        for (int i = 0; i < SLOT_WORDS; i++)
            difference |= a->word[i] ^ b->word[i];
        return difference == 0;
    #endif
    }
    static inline int slot_is_long(const slot_t *a)
    {
        return ((const uint8_t *)a->word)[SLOT_INLINE] == SLOT_LONG;
    }
    static void slot_fill(slot_t *slot, const char *text, size_t length)
    {
        uint8_t *bytes = (uint8_t *)slot->word;
        memset(bytes, 0, sizeof *slot);
        if (length <= SLOT_INLINE) {
            memcpy(bytes, text, length);
            bytes[SLOT_INLINE] = (uint8_t)length;
        } else {
            slot->word[0] = (uint64_t)length;
            memcpy(bytes + 8, text, SLOT_INLINE - 8);
            bytes[SLOT_INLINE] = SLOT_LONG;
        }
    }
    """
    ctypedef struct slot_t:
        pass
    bint slot_equal(const slot_t *a, const slot_t *b) nogil
    bint slot_is_long(const slot_t *a) nogil
    void slot_fill(slot_t *slot, const char *text, size_t length) nogil

MACHINE_ID = "machine-id"
UUID = "uuid"
IP = "ipaddress-info"

cdef str _MACHINE_ID = MACHINE_ID
cdef str _UUID = UUID
cdef str _IP = IP


cdef struct text_t:
    const char *data
    Py_ssize_t length


@cython.final
@cython.auto_pickle(False)
cdef class _KeySet:
    """The keys that many hashes share, in bytewise order, and where the special ones are."""

    cdef tuple names
    cdef text_t *texts
    cdef Py_ssize_t machine_id_at
    cdef Py_ssize_t uuid_at
    cdef Py_ssize_t ip_at

    def __dealloc__(self):
        PyMem_Free(self.texts)

    cdef Py_ssize_t sid_at(self, bint is_uuid) noexcept nogil:
        return self.uuid_at if is_uuid else self.machine_id_at


# A fleet has a handful of key sets; the bound keeps hostile input from filling the memory.
cdef dict _key_sets = {}
cdef Py_ssize_t _KEY_SETS_KEPT = 256


cdef _KeySet _key_set(tuple names):
    cdef _KeySet found = _key_sets.get(names)
    if found is not None:
        return found
    cdef Py_ssize_t i, count = len(names)
    found = _KeySet.__new__(_KeySet)
    found.texts = <text_t *>PyMem_Malloc((count or 1) * sizeof(text_t))
    if found.texts is NULL:
        raise MemoryError
    found.names = names
    found.machine_id_at = found.uuid_at = found.ip_at = -1
    for i in range(count):
        found.texts[i].data = PyUnicode_AsUTF8AndSize(names[i], &found.texts[i].length)
        if names[i] == _MACHINE_ID:
            found.machine_id_at = i
        elif names[i] == _UUID:
            found.uuid_at = i
        elif names[i] == _IP:
            found.ip_at = i
    if len(_key_sets) >= _KEY_SETS_KEPT:
        _key_sets.clear()
    _key_sets[names] = found
    return found


cdef bint _is_uuid(sid_key) except -1:
    if sid_key is _MACHINE_ID:
        return False
    if sid_key is _UUID or sid_key == _UUID:
        return True
    if sid_key == _MACHINE_ID:
        return False
    raise ValueError(f"the SID key is 'machine-id' or 'uuid', not {sid_key!r}")


@cython.final
@cython.auto_pickle(False)
cdef class HardwareHash:
    """An immutable mapping of attribute name to value, packed for comparison.

    Keys come in the bytewise order of their UTF-8, as the vault stores them.

    Raises:
        TypeError: a key or value is not a str.
        ValueError: a key or value is not valid UTF-8 (a lone surrogate).
    """

    cdef _KeySet _set
    cdef tuple _values
    cdef slot_t *_slots
    cdef text_t *_texts
    cdef Py_ssize_t _count
    cdef bint _has_long

    def __cinit__(self, attributes=()):
        cdef dict given = dict(attributes)
        cdef Py_ssize_t i
        for key, value in given.items():
            if type(key) is not str or type(value) is not str:
                raise TypeError(f"a hardware hash maps str to str, not {type(key).__name__} to {type(value).__name__}")
        try:
            # The order of code points is the order of the UTF-8 bytes.
            names = tuple(sorted(given))
            self._set = _key_set(names)
            self._values = tuple([given[name] for name in names])
            self._count = len(names)
            self._slots = <slot_t *>PyMem_Malloc((self._count or 1) * sizeof(slot_t))
            self._texts = <text_t *>PyMem_Malloc((self._count or 1) * sizeof(text_t))
            if self._slots is NULL or self._texts is NULL:
                raise MemoryError
            for i in range(self._count):
                # The str keeps these bytes as long as it lives, and the tuple keeps the str.
                self._texts[i].data = PyUnicode_AsUTF8AndSize(self._values[i], &self._texts[i].length)
                slot_fill(&self._slots[i], self._texts[i].data, self._texts[i].length)
                self._has_long |= slot_is_long(&self._slots[i])
        except UnicodeEncodeError:
            raise ValueError("a key or value of the hardware hash is not valid UTF-8") from None

    def __dealloc__(self):
        PyMem_Free(self._slots)
        PyMem_Free(self._texts)

    def __len__(self):
        return self._count

    def __iter__(self):
        return iter(self._set.names)

    def __contains__(self, name):
        return name in self._set.names

    def __getitem__(self, name):
        try:
            return self._values[self._set.names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def get(self, name, default=None):
        """Return the value of a name, or the default."""
        try:
            return self._values[self._set.names.index(name)]
        except ValueError:
            return default

    def keys(self):
        """Return the names in bytewise order."""
        return self._set.names

    def values(self):
        """Return the values in the order of `keys`."""
        return self._values

    def items(self):
        """Return the pairs in the order of `keys`."""
        return tuple(zip(self._set.names, self._values))

    def __eq__(self, other):
        if type(other) is not HardwareHash:
            return NotImplemented
        cdef HardwareHash that = other
        return self._set.names == that._set.names and self._values == that._values

    def __hash__(self):
        return hash((self._set.names, self._values))

    def __reduce__(self):
        return HardwareHash, (dict(self.items()),)

    def __repr__(self):
        # Values identify the machine and are kept out of logs.
        return f"HardwareHash(<{self._count} attributes>)"


cdef inline bint _same_text(text_t *a, text_t *b) noexcept nogil:
    return a.length == b.length and memcmp(a.data, b.data, a.length) == 0


cdef inline bint _same_value(HardwareHash saved, Py_ssize_t i, HardwareHash current, Py_ssize_t j) noexcept nogil:
    if not slot_equal(&saved._slots[i], &current._slots[j]):
        return False
    return not slot_is_long(&saved._slots[i]) or _same_text(&saved._texts[i], &current._texts[j])


cdef inline bint _same_special(HardwareHash saved, Py_ssize_t i, HardwareHash current, Py_ssize_t j) noexcept nogil:
    # A missing key reads as "".
    if i >= 0 and j >= 0:
        return _same_value(saved, i, current, j)
    if i >= 0:
        return saved._texts[i].length == 0
    return j < 0 or current._texts[j].length == 0


cdef int _order(text_t a, text_t b) noexcept nogil:
    cdef Py_ssize_t common = a.length if a.length < b.length else b.length
    cdef int order = memcmp(a.data, b.data, common)
    if order:
        return order
    return (a.length > b.length) - (a.length < b.length)


cdef uint32_t _matched(HardwareHash saved, HardwareHash current) noexcept nogil:
    cdef Py_ssize_t i = 0, j = 0
    cdef uint32_t matched = 0
    cdef int order
    while i < saved._count and j < current._count:
        order = _order(saved._set.texts[i], current._set.texts[j])
        if order == 0:
            matched += _same_value(saved, i, current, j)
            i += 1
            j += 1
        elif order < 0:
            i += 1
        else:
            j += 1
    return matched


cdef inline ssm_reason _decide(HardwareHash saved, HardwareHash current, int64_t threshold, bint is_uuid,
                               uint32_t *matched) noexcept nogil:
    cdef Py_ssize_t i, count = current._count
    cdef Py_ssize_t sid_at, ip_at
    cdef uint64_t same = 0
    cdef uint32_t found = 0
    cdef bint equal
    if saved._set is current._set and count <= 64 and not (saved._has_long and current._has_long):
        # The usual case: one pass over the values, a bit each.
        for i in range(count):
            equal = slot_equal(&saved._slots[i], &current._slots[i])
            same |= <uint64_t>equal << i
            found += equal
        matched[0] = found
        sid_at = current._set.sid_at(is_uuid)
        ip_at = current._set.ip_at
        return ssm_decide(threshold, <uint32_t>count, <uint32_t>count,
                          sid_at < 0 or same >> sid_at & 1, ip_at < 0 or same >> ip_at & 1, found)
    matched[0] = _matched(saved, current)
    return ssm_decide(
        threshold, <uint32_t>saved._count, <uint32_t>count,
        _same_special(saved, saved._set.sid_at(is_uuid), current, current._set.sid_at(is_uuid)),
        _same_special(saved, saved._set.ip_at, current, current._set.ip_at),
        matched[0],
    )


# Without binding the interpreter calls it as any built-in function, which is a tenth faster.
@cython.binding(False)
def similar(HardwareHash saved not None, HardwareHash current not None, int64_t threshold, sid_key=_MACHINE_ID):
    """Return whether the rules take both hashes for one machine.

    Raises:
        ValueError: the SID key is neither "machine-id" nor "uuid".
        OverflowError: the threshold does not fit 64 bits.
    """
    cdef uint32_t matched
    cdef bint is_uuid = False if sid_key is _MACHINE_ID else _is_uuid(sid_key)
    if threshold == -1:
        return True
    return ssm_is_match(_decide(saved, current, threshold, is_uuid, &matched))


def decide(HardwareHash saved not None, HardwareHash current not None, int64_t threshold, sid_key=_MACHINE_ID):
    """Return (index of the Reason, matched keys, keys of the current hash)."""
    cdef uint32_t matched
    cdef ssm_reason reason = _decide(saved, current, threshold, _is_uuid(sid_key), &matched)
    return <int>reason, matched, current._count


def decide_many(saved, current, thresholds, sid_key=_MACHINE_ID):
    """Decide many pairs with the GIL released.

    Args:
        saved: sequence of HardwareHash.
        current: sequence of HardwareHash, as long as `saved`.
        thresholds: one int for all pairs, or a sequence of them, as long as `saved`.
        sid_key: the key of the hardware ID in all pairs.

    Returns:
        Two bytes objects: one byte a pair with the index of the Reason, and one native unsigned
        32-bit integer a pair with the matched keys (`memoryview(m).cast("I")`).

    Raises:
        ValueError: the sequences differ in length.
        TypeError: an item is not a HardwareHash.
    """
    # Own tuples: nobody can take a hash away while the GIL is released.
    cdef tuple left = tuple(saved)
    cdef tuple right = tuple(current)
    cdef Py_ssize_t i, count = len(left)
    cdef bint is_uuid = _is_uuid(sid_key)
    cdef tuple given = (thresholds,) * count if isinstance(thresholds, int) else tuple(thresholds)
    if len(right) != count or len(given) != count:
        raise ValueError(f"{count} saved hashes, {len(right)} current ones, {len(given)} thresholds")
    for i in range(count):
        if type(left[i]) is not HardwareHash or type(right[i]) is not HardwareHash:
            raise TypeError(f"pair {i} is not made of HardwareHash objects")
    cdef bytearray reasons = bytearray(count)
    cdef bytearray matched = bytearray(4 * count)
    cdef uint8_t *reason_out = reasons
    cdef uint32_t *matched_out = <uint32_t *><char *>matched
    cdef int64_t *needed = <int64_t *>malloc((count or 1) * sizeof(int64_t))
    cdef PyObject **pairs = <PyObject **>malloc((2 * count or 1) * sizeof(PyObject *))
    try:
        if needed is NULL or pairs is NULL:
            raise MemoryError
        for i in range(count):
            needed[i] = given[i]
            pairs[2 * i] = <PyObject *>left[i]
            pairs[2 * i + 1] = <PyObject *>right[i]
        with nogil:
            for i in range(count):
                reason_out[i] = <uint8_t>_decide(
                    <HardwareHash>pairs[2 * i], <HardwareHash>pairs[2 * i + 1], needed[i], is_uuid, &matched_out[i])
    finally:
        free(needed)
        free(pairs)
    return bytes(reasons), bytes(matched)


cdef extern from *:
    """
    /* Whether two texts are the same, -1 with an exception set if that cannot be told. What the interpreter
       has for this orders them too, at three times the cost. */
    static inline int text_equal(PyObject *a, PyObject *b)
    {
        if (a == b)
            return 1;
    #if PY_VERSION_HEX < 0x030C0000
        if (PyUnicode_READY(a) < 0 || PyUnicode_READY(b) < 0)
            return -1;
    #endif
        Py_ssize_t length = PyUnicode_GET_LENGTH(a);
        if (length != PyUnicode_GET_LENGTH(b) || PyUnicode_KIND(a) != PyUnicode_KIND(b))
            return 0;
        return memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b), (size_t)length * PyUnicode_KIND(a)) == 0;
    }
    /* Whether a key of a dictionary is a text. Its hash is known, as it is in the dictionary. */
    static inline int key_is(PyObject *key, PyObject *text, Py_hash_t hash)
    {
        return PyUnicode_CheckExact(key) && ((PyASCIIObject *)key)->hash == hash && text_equal(key, text) == 1;
    }
    """
    bint text_equal(PyObject *a, PyObject *b) except -1
    bint key_is(PyObject *key, PyObject *text, Py_hash_t hash)

cdef Py_hash_t _IP_HASH = hash(_IP)


cdef inline bint _same_str(PyObject *a, PyObject *b) except -1:
    if type(<object>a) is not str or type(<object>b) is not str:
        raise TypeError("a hardware hash maps str to str")
    return text_equal(a, b)


cdef inline bint _same_entry(PyObject *a, PyObject *b) except -1:
    # A missing key reads as "".
    return _same_str(<PyObject *>"" if a is NULL else a, <PyObject *>"" if b is NULL else b)


@cython.binding(False)
def similar_mappings(dict saved, dict current, int64_t threshold, str sid_key=_MACHINE_ID):
    """Return whether the rules take two plain dictionaries of str for one machine.

    Packing pays from the second comparison of a hash on; this is for the first. None is an empty
    hash.
    """
    cdef uint32_t matched = 0
    cdef PyObject *key
    cdef PyObject *value
    cdef PyObject *other
    cdef PyObject *sid
    cdef Py_ssize_t at = 0
    cdef Py_hash_t sid_hash
    if threshold == -1:
        return True
    if not saved or not current:
        return False
    _is_uuid(sid_key)
    sid = PyDict_GetItemWithError(saved, sid_key)
    if not _same_entry(sid, PyDict_GetItemWithError(current, sid_key)):
        return False
    if _same_entry(PyDict_GetItemWithError(saved, _IP), PyDict_GetItemWithError(current, _IP)):
        return True
    # What is known of these two is not looked up again.
    sid_hash = hash(sid_key)
    while PyDict_Next(current, &at, &key, &value):
        if key_is(key, <PyObject *>sid_key, sid_hash):
            matched += sid is not NULL
        elif not key_is(key, <PyObject *>_IP, _IP_HASH):
            other = PyDict_GetItemWithError(saved, <object>key)
            if other is not NULL and (other is value or _same_str(other, value)):
                matched += 1
    return ssm_passes(matched, <uint32_t>len(current), threshold)


def percent(uint32_t matched, uint32_t total):
    """Return matched / total * 100 in single precision; 0.0 when total is 0."""
    return ssm_percent(matched, total) if total else 0.0


def passes(uint32_t matched, uint32_t total, int64_t threshold):
    """Return whether that percentage reaches the threshold, as the last rule asks; total is not 0."""
    return ssm_passes(matched, total, threshold)
