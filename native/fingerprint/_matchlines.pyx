"""The match rule over JSON Lines: for each line with two hashes one line with the answer, with the GIL released."""

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
    # The longest line of answer: its words, two numbers of 32 bits, one of 64 bits and the longest problem.
    ANSWER_SIZE = 256
    # Up to this length insertion sort is faster than merging.
    RUN = 16


cdef struct text_t:
    const char *data
    size_t length


cdef struct attribute_t:
    uint64_t prefix
    text_t key
    text_t value


# A hash of a line; `machine_id`, `uuid` and `ip` are the values of these keys, "" if missing.
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
    # The decoded strings of the current line, together at most as long as the line.
    buffer_t decoded
    # The begin of a line whose end has not arrived yet.
    buffer_t pending
    buffer_t answers
    # The current line is too long; the rest of it is dropped.
    bint discarding
    bint out_of_memory
    # The member with the problem, as prefix of the message.
    const char *where
    int64_t lines
    int64_t differs
    int64_t errors
    # The first error in `answers`, if it is in this chunk.
    size_t first_error_at
    size_t first_error_length


include "matchlines/hashes.pxi"
include "matchlines/answers.pxi"


cdef bint _take_line(engine_t *e, const char *line, size_t length) noexcept nogil:
    """Answer a complete line, given without its newline; False if memory is short."""
    cdef json_reader r
    e.lines += 1
    e.where = b""
    if not _reserve(e, &e.answers, ANSWER_SIZE):
        return False
    if length > LINE_LIMIT:
        _answer_error(e, b"longer than 64 MiB", LINE_LIMIT)
        return True
    json_open(&r, line, length)
    return json_peek(&r) < 0 or _answer(e, &r)


cdef bint _take_part(engine_t *e, const char *data, size_t length) noexcept nogil:
    """Keep a part of a line whose end has not arrived yet; False if memory is short."""
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
    """Answer the line whose parts were kept; False if memory is short."""
    cdef size_t length = e.pending.length
    e.pending.length = 0
    if e.discarding:
        e.discarding = False
        return True
    return _take_line(e, e.pending.data, length)


cdef bint _take(engine_t *e, const char *data, size_t length) noexcept nogil:
    """Process the next bytes of the stream; False if memory is short."""
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
    """Decides pairs of hashes given as JSON Lines, in chunks that may end anywhere.

    Input line: `{"saved":{..},"current":{..},"threshold":40,"sidKey":"machine-id"}`. The hashes are objects
    of strings or null, and null reads as ""; a hash that is null is empty. Of duplicate names the last one counts;
    other members are ignored; `sidKey` is "machine-id" (the default) or "uuid".

    Output line: `{"match":true,"reason":"SAME_IP","matched":9,"total":9,"percent":100}`. An invalid line does not end
    the run; its output is `{"match":null,"reason":"INVALID_INPUT","error":"line 3: threshold: missing at byte 40"}`;
    bytes count from 0 within the line. Blank lines count as lines and have no output. A line has at most 64 MiB.

    Only one thread at a time may use it.
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
        """Process the next chunk, a bytes-like object, and return the answers to the lines that end in it.

        Raises:
            TypeError: the chunk is not bytes-like.
            MemoryError: the answers to this chunk are lost; make a new Matcher.
            RuntimeError: another thread is using this Matcher.
        """
        # A copy, because others could change the buffer while the GIL is released.
        cdef bytes chunk = data if type(data) is bytes else bytes(memoryview(data))
        return self._run(PyBytes_AsString(chunk), len(chunk), False)

    def finish(self):
        """Return the answer to a last line without a newline, b"" if there is none.

        Raises:
            MemoryError: the answer is lost; make a new Matcher.
            RuntimeError: another thread is using this Matcher.
        """
        return self._run(b"", 0, True)

    @property
    def lines(self):
        """Number of lines so far, including blank ones."""
        return self._engine.lines

    @property
    def differs(self):
        """Number of lines whose hashes do not match."""
        return self._engine.differs

    @property
    def errors(self):
        """Number of invalid lines."""
        return self._engine.errors

    @property
    def first_error(self):
        """Return the error of the first invalid line, "" without one."""
        return self._first_error
