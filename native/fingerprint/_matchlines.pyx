"""The match rule over JSON Lines: pairs of hashes in, one line of answer for each, with the GIL released."""

from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcmp, memcpy, strlen

cimport cython

from fingerprint.json_text cimport (
    json_close,
    json_decode,
    json_fail,
    json_next_member,
    json_open,
    json_peek,
    json_reader,
    json_scan_int64,
    json_scan_string,
    json_scan_word,
    json_skip,
    json_string,
)
from fingerprint.match_lines cimport key_prefix, put_percent
from fingerprint.ssm_rule cimport ssm_decide, ssm_is_match, ssm_percent, ssm_reason


cdef enum:
    LINE_LIMIT = 64 * 1024 * 1024
    # What one line of answer can need: its words, two numbers of 32 bits, one of 64 and the longest problem.
    ANSWER_ROOM = 256
    # Up to here insertion beats merging.
    RUN = 16


cdef struct text_t:
    const char *data
    size_t length


cdef struct attribute_t:
    uint64_t prefix
    text_t key
    text_t value


# A hash of the line; `machine_id`, `uuid` and `ip` are its values of these keys, "" where they are missing.
cdef struct hash_t:
    attribute_t *attributes
    size_t count
    size_t capacity
    bint given
    bint ascending
    text_t machine_id
    text_t uuid
    text_t ip


cdef struct buffer_t:
    char *data
    size_t length
    size_t capacity


cdef struct engine_t:
    hash_t saved
    hash_t current
    attribute_t *scratch
    size_t scratch_capacity
    # Decoded strings of the line in work, never longer together than the line.
    buffer_t decoded
    # The beginning of a line whose end has not come yet.
    buffer_t pending
    buffer_t answers
    # The line in work was too long; what comes of it is dropped.
    bint discarding
    bint out_of_memory
    # Before a problem: the member that has it.
    const char *where
    int64_t lines
    int64_t differs
    int64_t errors
    # The text of the first error, if it came in this chunk.
    size_t first_error_at
    size_t first_error_length


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
    """Make room for `size` more bytes; False if there is no memory."""
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
    """Read an object of strings; False on an error of the text or without memory."""
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
    """Sort by key, and among equal keys by position; the C library's qsort promises neither that nor n log n."""
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
    """Bring the keys into ascending order, the last of duplicates being kept; False without memory."""
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


cdef bint _read_sid_key(engine_t *e, json_reader *r, bint *is_uuid) noexcept nogil:
    cdef json_string word
    cdef text_t text
    cdef const char *start = r.p
    if json_peek(r) != b'"':
        return json_fail(r, b"not a string", start)
    if not json_scan_string(r, &word):
        return False
    text = _text(e, &word)
    is_uuid[0] = _same(text, _named(b"uuid"))
    return is_uuid[0] or _same(text, _named(b"machine-id")) or json_fail(
        r, b"neither machine-id nor uuid", start)


cdef bint _read_line(engine_t *e, json_reader *r, int64_t *threshold, bint *is_uuid) noexcept nogil:
    cdef json_string name
    cdef text_t field
    cdef int first = 1
    cdef bint threshold_given = False
    e.saved.given = e.current.given = is_uuid[0] = False
    if json_peek(r) != b"{":
        return json_fail(r, b"not an object", r.p)
    r.p += 1
    while json_next_member(r, &first, &name):
        field = _text(e, &name)
        if _same(field, _named(b"saved")):
            e.where = b"saved: "
            if not _read_hash(e, r, &e.saved):
                return False
        elif _same(field, _named(b"current")):
            e.where = b"current: "
            if not _read_hash(e, r, &e.current):
                return False
        elif _same(field, _named(b"threshold")):
            e.where = b"threshold: "
            if not json_scan_int64(r, threshold):
                return False
            threshold_given = True
        elif _same(field, _named(b"sidKey")):
            e.where = b"sidKey: "
            if not _read_sid_key(e, r, is_uuid):
                return False
        elif not json_skip(r, 1):
            return False
        e.where = b""
    if r.error is not NULL or not json_close(r):
        return False
    e.where = b"saved: " if not e.saved.given else b"current: " if not e.current.given else b"threshold: "
    return (e.saved.given and e.current.given and threshold_given) or json_fail(r, b"missing", r.p)


cdef inline void _put(buffer_t *buffer, const char *text, size_t length) noexcept nogil:
    memcpy(buffer.data + buffer.length, text, length)
    buffer.length += length


cdef inline void _put_word(buffer_t *buffer, const char *word) noexcept nogil:
    _put(buffer, word, strlen(word))


cdef inline void _put_count(buffer_t *buffer, uint64_t number) noexcept nogil:
    cdef char digits[20]
    cdef int at = 20
    while True:
        at -= 1
        digits[at] = <char>(<char>b"0" + number % 10)
        number //= 10
        if number == 0:
            break
    _put(buffer, digits + at, 20 - at)


# In the order of ssm_reason.
cdef const char **HEADS = [
    b'{"match":true,"reason":"DISABLED","matched":',
    b'{"match":false,"reason":"NOTHING_TO_COMPARE","matched":',
    b'{"match":false,"reason":"SID_DIFFERS","matched":',
    b'{"match":true,"reason":"SAME_IP","matched":',
    b'{"match":true,"reason":"SIMILAR","matched":',
    b'{"match":false,"reason":"NOT_SIMILAR","matched":',
]


cdef void _answer_error(engine_t *e, const char *problem, size_t offset) noexcept nogil:
    # The problems are constants without quotes and backslashes; nothing of the line is repeated.
    cdef buffer_t *out = &e.answers
    cdef size_t start
    _put_word(out, b'{"match":null,"reason":"INVALID_INPUT","error":"')
    start = out.length
    _put_word(out, b"line ")
    _put_count(out, e.lines)
    _put_word(out, b": ")
    _put_word(out, e.where)
    _put_word(out, problem)
    _put_word(out, b" at byte ")
    _put_count(out, offset)
    if e.errors == 0:
        e.first_error_at = start
        e.first_error_length = out.length - start
    _put_word(out, b'"}\n')
    e.errors += 1


cdef bint _answer(engine_t *e, json_reader *r) noexcept nogil:
    """Answer the line of the reader; False without memory."""
    cdef int64_t threshold = 0
    cdef bint is_uuid = False
    cdef uint32_t matched, total
    cdef ssm_reason reason
    cdef buffer_t *out = &e.answers
    e.decoded.length = 0
    if not _reserve(e, &e.decoded, r.end - r.begin):
        return False
    if not _read_line(e, r, &threshold, &is_uuid):
        if e.out_of_memory:
            return False
        _answer_error(e, r.error, r.error_at - r.begin)
        return True
    if not _order_hash(e, &e.saved) or not _order_hash(e, &e.current):
        return False
    matched = _matched(&e.saved, &e.current)
    total = <uint32_t>e.current.count
    reason = ssm_decide(
        threshold, <uint32_t>e.saved.count, total,
        _same(e.saved.uuid, e.current.uuid) if is_uuid else _same(e.saved.machine_id, e.current.machine_id),
        _same(e.saved.ip, e.current.ip), matched)
    e.differs += not ssm_is_match(reason)
    _put_word(out, HEADS[<int>reason])
    _put_count(out, matched)
    _put_word(out, b',"total":')
    _put_count(out, total)
    _put_word(out, b',"percent":')
    out.length += put_percent(out.data + out.length, ssm_percent(matched, total) if total else 0)
    _put_word(out, b"}\n")
    return True


cdef bint _take_line(engine_t *e, const char *line, size_t length) noexcept nogil:
    """Take a whole line without its newline; False without memory."""
    cdef json_reader r
    e.lines += 1
    e.where = b""
    if not _reserve(e, &e.answers, ANSWER_ROOM):
        return False
    if length > LINE_LIMIT:
        _answer_error(e, b"longer than 64 MiB", LINE_LIMIT)
        return True
    json_open(&r, line, length)
    return json_peek(&r) < 0 or _answer(e, &r)


cdef bint _take_part(engine_t *e, const char *data, size_t length) noexcept nogil:
    """Keep a part of a line whose end has not come yet; False without memory."""
    if e.discarding:
        return True
    if e.pending.length + length > LINE_LIMIT:
        e.discarding = True
        e.pending.length = 0
        return _take_line(e, NULL, <size_t>LINE_LIMIT + 1)
    if not _reserve(e, &e.pending, length):
        return False
    _put(&e.pending, data, length)
    return True


cdef bint _take_end(engine_t *e) noexcept nogil:
    """Take the line whose parts were kept; False without memory."""
    cdef size_t length = e.pending.length
    e.pending.length = 0
    if e.discarding:
        e.discarding = False
        return True
    return _take_line(e, e.pending.data, length)


cdef bint _take(engine_t *e, const char *data, size_t length) noexcept nogil:
    """Take the next bytes of the stream; False without memory."""
    cdef const char *end = data + length
    cdef const char *newline
    while data != end:
        newline = <const char *>memchr(data, b"\n", end - data)
        if newline is NULL:
            return _take_part(e, data, end - data)
        if e.pending.length or e.discarding:
            if not _take_part(e, data, newline - data) or not _take_end(e):
                return False
        elif not _take_line(e, data, newline - data):
            return False
        data = newline + 1
    return True


@cython.final
@cython.auto_pickle(False)
cdef class Matcher:
    """Judges pairs of hashes that come as JSON Lines, in chunks that may end anywhere.

    A line in: `{"saved":{..},"current":{..},"threshold":40,"sidKey":"machine-id"}`. The hashes are objects of strings
    or null, null reading as ""; a hash that is null is empty. Of duplicate names the last one wins; other members are
    ignored; `sidKey` is "machine-id" (the default) or "uuid".

    A line out: `{"match":true,"reason":"SAME_IP","matched":9,"total":9,"percent":100}`, or for a bad line, with which
    the work goes on, `{"match":null,"reason":"INVALID_INPUT","error":"line 3: threshold: missing at byte 40"}`; bytes
    count from 0 within the line. Blank lines count as lines and get no answer. A line may have 64 MiB.

    One thread at a time may use it.
    """

    cdef engine_t _engine
    cdef str _first_error
    cdef bint _busy

    def __cinit__(self):
        self._first_error = ""

    def __dealloc__(self):
        free(self._engine.saved.attributes)
        free(self._engine.current.attributes)
        free(self._engine.scratch)
        free(self._engine.decoded.data)
        free(self._engine.pending.data)
        free(self._engine.answers.data)

    cdef bytes _run(self, const char *data, size_t length, bint is_end):
        cdef engine_t *e = &self._engine
        cdef bint done
        if self._busy:
            raise RuntimeError("another thread is using this Matcher")
        self._busy = True
        try:
            with nogil:
                e.answers.length = 0
                e.out_of_memory = False
                done = _take(e, data, length)
                if done and is_end and (e.pending.length or e.discarding):
                    done = _take_end(e)
            if not done:
                raise MemoryError
            if e.errors and not self._first_error:
                self._first_error = PyUnicode_DecodeASCII(
                    e.answers.data + e.first_error_at, e.first_error_length, NULL)
            return PyBytes_FromStringAndSize(e.answers.data, e.answers.length)
        finally:
            self._busy = False

    def feed(self, data):
        """Take the next chunk of any bytes-like object and return the answers to the lines that it ends.

        Raises:
            TypeError: the chunk is not bytes-like.
            MemoryError: the answers to this chunk are lost; make a new Matcher.
            RuntimeError: another thread is using this Matcher.
        """
        # Nobody can change a copy while the GIL is released.
        cdef bytes chunk = data if type(data) is bytes else bytes(memoryview(data))
        return self._run(PyBytes_AsString(chunk), len(chunk), False)

    def finish(self):
        """Return the answer to a last line that no newline ended, if there is one.

        Raises:
            MemoryError: the answer is lost; make a new Matcher.
            RuntimeError: another thread is using this Matcher.
        """
        return self._run(b"", 0, True)

    @property
    def lines(self):
        """Lines taken so far, blank ones included."""
        return self._engine.lines

    @property
    def differs(self):
        """Lines that were answered with no match."""
        return self._engine.differs

    @property
    def errors(self):
        """Lines that were bad."""
        return self._engine.errors

    @property
    def first_error(self):
        """What the first bad line was told, "" without one."""
        return self._first_error
