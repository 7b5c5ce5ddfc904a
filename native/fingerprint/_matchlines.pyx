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


include "matchlines/hashes.pxi"
include "matchlines/answers.pxi"


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
