# Part of _matchlines.pyx: read, sort and compare the hashes of a line.


cdef text_t _named(const char *text) noexcept nogil:
    cdef text_t result
    result.data = text
    result.length = strlen(text)
    return result


cdef inline bint _same(text_t a, text_t b) noexcept nogil:
    return a.length == b.length and memcmp(a.data, b.data, a.length) == 0


cdef inline int _order(const attribute_t *a, const attribute_t *b) noexcept nogil:
    cdef size_t common
    cdef int order
    if a.prefix != b.prefix:
        return -1 if a.prefix < b.prefix else 1
    common = a.key.length if a.key.length < b.key.length else b.key.length
    order = memcmp(a.key.data, b.key.data, common)
    if order:
        return order
    return (a.key.length > b.key.length) - (a.key.length < b.key.length)


cdef bint _reserve(engine_t *e, buffer_t *buffer, size_t size) noexcept nogil:
    """Allocate memory for `size` more bytes; False if memory is short."""
    cdef size_t capacity = buffer.length + size
    cdef char *data
    if capacity <= buffer.capacity:
        return True
    if capacity < 2 * buffer.capacity:
        capacity = 2 * buffer.capacity
    data = <char *>realloc(buffer.data, capacity)
    if data is NULL:
        e.out_of_memory = True
        return False
    buffer.data = data
    buffer.capacity = capacity
    return True


cdef bint _reserve_attributes(engine_t *e, attribute_t **attributes, size_t *capacity, size_t count) noexcept nogil:
    cdef attribute_t *grown = <attribute_t *>realloc(attributes[0], count * sizeof(attribute_t))
    if grown is NULL:
        e.out_of_memory = True
        return False
    attributes[0] = grown
    capacity[0] = count
    return True


cdef inline text_t _text(engine_t *e, const json_string *string) noexcept nogil:
    cdef text_t text
    text.data = string.data
    text.length = string.length
    if string.escaped:
        text.data = e.decoded.data + e.decoded.length
        text.length = json_decode(string, e.decoded.data + e.decoded.length)
        e.decoded.length += text.length
    return text


cdef bint _read_hash(engine_t *e, json_reader *r, hash_t *hash) noexcept nogil:
    """Read an object of strings; False on an error in the JSON, or if memory is short."""
    cdef json_string name, value
    cdef attribute_t *attribute
    cdef int first = 1
    cdef int c = json_peek(r)
    hash.count = 0
    hash.given = hash.ascending = True
    hash.machine_id = hash.uuid = hash.ip = _named(b"")
    if c == b"n":
        return json_scan_word(r, b"null", 4)
    if c != b"{":
        return json_fail(r, b"not an object", r.p)
    r.p += 1
    while json_next_member(r, &first, &name):
        if hash.count == hash.capacity and not _reserve_attributes(
                e, &hash.attributes, &hash.capacity, 2 * hash.capacity if hash.capacity else RUN):
            return False
        attribute = &hash.attributes[hash.count]
        attribute.key = _text(e, &name)
        attribute.prefix = key_prefix(attribute.key.data, attribute.key.length)
        c = json_peek(r)
        if c == b'"':
            if not json_scan_string(r, &value):
                return False
            attribute.value = _text(e, &value)
        elif c == b"n":
            if not json_scan_word(r, b"null", 4):
                return False
            attribute.value = _named(b"")
        else:
            return json_fail(r, b"neither a string nor null", r.p)
        if attribute.key.length == 10 and memcmp(attribute.key.data, b"machine-id", 10) == 0:
            hash.machine_id = attribute.value
        elif attribute.key.length == 14 and memcmp(attribute.key.data, b"ipaddress-info", 14) == 0:
            hash.ip = attribute.value
        elif attribute.key.length == 4 and memcmp(attribute.key.data, b"uuid", 4) == 0:
            hash.uuid = attribute.value
        if hash.count and _order(attribute - 1, attribute) >= 0:
            hash.ascending = False
        hash.count += 1
    return r.error is NULL


cdef void _sort_run(attribute_t *attributes, size_t count) noexcept nogil:
    cdef size_t i, j
    cdef attribute_t moved
    for i in range(1, count):
        if _order(&attributes[i - 1], &attributes[i]) <= 0:
            continue
        moved = attributes[i]
        j = i
        while j > 0 and _order(&attributes[j - 1], &moved) > 0:
            attributes[j] = attributes[j - 1]
            j -= 1
        attributes[j] = moved


cdef void _merge(const attribute_t *source, size_t left, size_t middle, size_t right, attribute_t *out) noexcept nogil:
    cdef size_t i = left, j = middle, k = left
    while k < right:
        if j >= right or (i < middle and _order(&source[i], &source[j]) <= 0):
            out[k] = source[i]
            i += 1
        else:
            out[k] = source[j]
            j += 1
        k += 1


cdef bint _sort(engine_t *e, hash_t *hash) noexcept nogil:
    """Sort stably by key; qsort of the C library guarantees neither stability nor n log n."""
    cdef size_t count = hash.count, left, middle, right, width = RUN
    cdef attribute_t *source
    cdef attribute_t *out
    left = 0
    while left < count:
        _sort_run(hash.attributes + left, min(<size_t>RUN, count - left))
        left += RUN
    if count <= RUN:
        return True
    if e.scratch_capacity < count and not _reserve_attributes(e, &e.scratch, &e.scratch_capacity, hash.capacity):
        return False
    source = hash.attributes
    out = e.scratch
    while width < count:
        left = 0
        while left < count:
            middle = min(left + width, count)
            right = min(middle + width, count)
            _merge(source, left, middle, right, out)
            left = right
        source, out = out, source
        width *= 2
    if source is e.scratch:
        memcpy(hash.attributes, source, count * sizeof(attribute_t))
    return True


cdef bint _order_hash(engine_t *e, hash_t *hash) noexcept nogil:
    """Sort the keys and keep the last of duplicates; False if memory is short."""
    cdef size_t i, kept = 0
    if hash.ascending:
        return True
    if not _sort(e, hash):
        return False
    for i in range(1, hash.count):
        if _order(&hash.attributes[kept], &hash.attributes[i]) != 0:
            kept += 1
        hash.attributes[kept] = hash.attributes[i]
    hash.count = kept + 1
    return True


cdef uint32_t _matched(const hash_t *saved, const hash_t *current) noexcept nogil:
    cdef size_t i = 0, j = 0
    cdef uint32_t matched = 0
    cdef int order
    while i < saved.count and j < current.count:
        order = _order(&saved.attributes[i], &current.attributes[j])
        if order == 0:
            matched += _same(saved.attributes[i].value, current.attributes[j].value)
        i += order <= 0
        j += order >= 0
    return matched
