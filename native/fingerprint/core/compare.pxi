# Packed hardware hashes, and the match rule over two of them.

cdef str _MACHINE_ID = "machine-id"
cdef str _UUID = "uuid"
cdef str _IP = "ipaddress-info"


cdef struct text_t:
    const char *data
    Py_ssize_t length


@cython.final
@cython.auto_pickle(False)
cdef class _KeySet:
    """The keys that many hashes share, in bytewise order, with the indexes of the special ones."""

    cdef tuple names
    cdef text_t *strings
    cdef Py_ssize_t machine_id_at
    cdef Py_ssize_t uuid_at
    cdef Py_ssize_t ip_at

    def __dealloc__(self):
        PyMem_Free(self.strings)

    cdef Py_ssize_t sid_at(self, bint is_uuid) noexcept nogil:
        return self.uuid_at if is_uuid else self.machine_id_at


# A fleet has few key sets; the limit keeps hostile input from filling the memory.
cdef dict _key_sets = {}
cdef Py_ssize_t _KEY_SETS_KEPT = 256


cdef _KeySet _key_set(tuple names):
    cdef _KeySet found = _key_sets.get(names)
    if found is not None:
        return found
    cdef Py_ssize_t i, count = len(names)
    found = _KeySet.__new__(_KeySet)
    found.strings = <text_t *>PyMem_Malloc((count or 1) * sizeof(text_t))
    if found.strings is NULL:
        raise MemoryError
    found.names = names
    found.machine_id_at = found.uuid_at = found.ip_at = -1
    for i in range(count):
        found.strings[i].data = PyUnicode_AsUTF8AndSize(names[i], &found.strings[i].length)
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
    raise ValueError(f"invalid SID key {sid_key!r}: must be 'machine-id' or 'uuid'")


@cython.final
@cython.auto_pickle(False)
cdef class HardwareHash:
    """An immutable mapping of attribute name to value, packed for comparison.

    Keys are in the bytewise order of their UTF-8, as the vault stores them.

    Raises:
        TypeError: a key or value is not a str.
        ValueError: a key or value is not valid UTF-8 (a lone surrogate).
    """

    cdef _KeySet _set
    cdef tuple _values
    cdef slot_t *_slots
    cdef text_t *_strings
    cdef Py_ssize_t _count
    cdef bint _has_long

    def __cinit__(self, attributes=()):
        cdef dict given = dict(attributes)
        cdef Py_ssize_t i
        for key, value in given.items():
            if type(key) is not str or type(value) is not str:
                raise TypeError(
                    f"invalid item {type(key).__name__}: {type(value).__name__}: a hardware hash maps str to str"
                )
        try:
            # The order of code points is the order of the UTF-8 bytes.
            names = tuple(sorted(given))
            self._set = _key_set(names)
            self._values = tuple([given[name] for name in names])
            self._count = len(names)
            self._slots = <slot_t *>PyMem_Malloc((self._count or 1) * sizeof(slot_t))
            self._strings = <text_t *>PyMem_Malloc((self._count or 1) * sizeof(text_t))
            if self._slots is NULL or self._strings is NULL:
                raise MemoryError
            for i in range(self._count):
                # The str owns these bytes, and the tuple owns the str.
                self._strings[i].data = PyUnicode_AsUTF8AndSize(self._values[i], &self._strings[i].length)
                slot_fill(&self._slots[i], self._strings[i].data, self._strings[i].length)
                self._has_long |= slot_is_long(&self._slots[i])
        except UnicodeEncodeError:
            raise ValueError("a key or value of the hardware hash is not valid UTF-8") from None

    def __dealloc__(self):
        PyMem_Free(self._slots)
        PyMem_Free(self._strings)

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
        # Values identify the machine, so logs must not have them.
        return f"HardwareHash(<{self._count} attributes>)"


cdef inline bint _same_text(text_t *a, text_t *b) noexcept nogil:
    return a.length == b.length and memcmp(a.data, b.data, a.length) == 0


cdef inline bint _same_value(HardwareHash saved, Py_ssize_t i, HardwareHash current, Py_ssize_t j) noexcept nogil:
    if not slot_equal(&saved._slots[i], &current._slots[j]):
        return False
    return not slot_is_long(&saved._slots[i]) or _same_text(&saved._strings[i], &current._strings[j])


cdef inline bint _same_special(HardwareHash saved, Py_ssize_t i, HardwareHash current, Py_ssize_t j) noexcept nogil:
    # A missing key reads as "".
    if i >= 0 and j >= 0:
        return _same_value(saved, i, current, j)
    if i >= 0:
        return saved._strings[i].length == 0
    return j < 0 or current._strings[j].length == 0


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
        order = _order(saved._set.strings[i], current._set.strings[j])
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
        # The usual case: one pass over the values, one bit for each.
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


# Without binding the interpreter calls it as a built-in function, which is a tenth faster.
@cython.binding(False)
def decide(HardwareHash saved not None, HardwareHash current not None, int64_t threshold, sid_key=_MACHINE_ID):
    """Return (index of the Reason, matched keys, keys of the current hash)."""
    cdef uint32_t matched
    cdef ssm_reason reason = _decide(saved, current, threshold, _is_uuid(sid_key), &matched)
    return <int>reason, matched, current._count


def percent(uint32_t matched, uint32_t total):
    """Return matched / total * 100 in single precision; 0.0 when total is 0."""
    return ssm_percent(matched, total) if total else 0.0


def passes(uint32_t matched, uint32_t total, int64_t threshold):
    """Return whether the percentage reaches the threshold, as the last rule requires; total must not be 0."""
    return ssm_passes(matched, total, threshold)
