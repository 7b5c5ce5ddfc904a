# Part of _matchlines.pyx: read a line, and write its answer.


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
    # Problems are constants without quotes and backslashes; the message contains nothing of the line.
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
    """Answer the line of the reader; False if memory is short."""
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
