"""The match rule over Arrow columns, of whatever library speaks Arrow's C data interface, without a copy."""

from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport INT32_MAX, INT32_MIN, INT64_MAX, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from fingerprint.fleet cimport fleet_decide, fleet_look, fleet_question
from fingerprint.fleet_columns cimport (
    FLEET_CODE,
    FLEET_LARGE,
    FLEET_MISSING,
    FLEET_MOST_COLUMNS,
    FLEET_TEXT,
    FLEET_VIEW,
    FLEET_WIDE,
    ArrowArray,
    ArrowArrayStream,
    ArrowSchema,
    fleet_column,
    fleet_has,
    fleet_integer,
    fleet_is_integer,
    fleet_look_at_processor,
    fleet_value,
)
from fingerprint.fleet_sound cimport sound_count_unset, sound_large_offsets, sound_offsets, sound_views
from fingerprint.near cimport (
    NEAR_MOST_COLUMNS,
    NEAR_TILE,
    near_answer,
    near_brute,
    near_code_of_empty,
    near_collect,
    near_encode,
    near_fleet,
    near_group,
    near_group_free,
    near_group_make,
    near_groups,
    near_has,
    near_join,
    near_nodes,
    near_nodes_free,
    near_nodes_gather,
    near_nodes_make,
    near_root,
    near_run,
    near_sort,
    near_tokens,
    near_tokens_free,
    near_value,
    near_within,
)
from fingerprint.sha256 cimport sha256_add, sha256_begin, sha256_context, sha256_end


fleet_look_at_processor()


include "fleet/sound.pxi"


cdef class Stream:
    """The record batches of a table, or of anything else with `__arrow_c_stream__`.

    Raises:
        TypeError: it has no such method, or its rows are not made of columns.
        ValueError: reading failed; the text is that of the library that reads.
        RuntimeError: another thread is reading it.
    """

    cdef ArrowArrayStream stream
    cdef ArrowSchema schema
    cdef bint reading
    cdef readonly tuple names
    cdef readonly tuple formats

    def __cinit__(self):
        memset(&self.stream, 0, sizeof(self.stream))
        memset(&self.schema, 0, sizeof(self.schema))

    def __init__(self, table):
        cdef ArrowArrayStream *given
        cdef int64_t i
        if self.stream.release != NULL:
            raise TypeError("a stream is read once")
        try:
            method = table.__arrow_c_stream__
        except AttributeError:
            raise TypeError(f"a {type(table).__name__} has no Arrow stream") from None
        capsule = method()
        given = <ArrowArrayStream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
        # The content is taken over; the capsule is left empty, as the interface wants it.
        self.stream = given[0]
        given.release = NULL
        if self.stream.get_schema(&self.stream, &self.schema):
            raise ValueError(self._error())
        if self.schema.format == NULL or bytes(self.schema.format) != b"+s":
            raise TypeError("its rows are not made of columns")
        self.names = tuple((<bytes>self.schema.children[i].name).decode() for i in range(self.schema.n_children))
        self.formats = tuple(_format_of(self.schema.children[i]) for i in range(self.schema.n_children))

    def __dealloc__(self):
        if self.schema.release != NULL:
            self.schema.release(&self.schema)
        if self.stream.release != NULL:
            self.stream.release(&self.stream)

    def __iter__(self):
        return self

    def __next__(self):
        cdef Batch batch = Batch.__new__(Batch)
        batch.stream = self
        # A producer may release the GIL meanwhile, and its stream is for one reader at a time.
        if self.reading:
            raise RuntimeError("another thread is reading this stream")
        self.reading = True
        try:
            if self.stream.get_next(&self.stream, &batch.array):
                raise ValueError(self._error())
        finally:
            self.reading = False
        if batch.array.release == NULL:
            raise StopIteration
        batch.check()
        return batch

    cdef _error(self):
        cdef const char *told = self.stream.get_last_error(&self.stream)
        return "the columns cannot be read" if told == NULL else (<bytes>told).decode("utf-8", "replace")


cdef str _name(ArrowSchema *schema):
    return (<bytes>schema.name).decode("utf-8", "replace") if schema.name != NULL else "a column"


cdef str _format_of(ArrowSchema *schema):
    if schema.dictionary != NULL:
        return f"dictionary of {_format_of(schema.dictionary)}"
    return (<bytes>schema.format).decode()


cdef class Batch:
    """Some rows of a stream."""

    cdef ArrowArray array
    cdef Stream stream

    cdef int check(self) except -1:
        """Raise ValueError unless every row is there, in every column."""
        cdef int64_t i, last = self.array.offset + self.array.length
        cdef const uint8_t *valid = NULL
        if self.array.null_count != 0 and self.array.n_buffers > 0:
            valid = <const uint8_t *>self.array.buffers[0]
        if valid != NULL and sound_count_unset(valid, self.array.offset, self.array.length):
            raise ValueError("a row is null as a whole: each row is a struct with the fleet's columns")
        for i in range(self.array.n_children):
            if self.array.children[i].length < last:
                raise ValueError(f"{_name(self.stream.schema.children[i])} has fewer rows than its batch")
        return 0

    def __cinit__(self):
        memset(&self.array, 0, sizeof(self.array))

    def __dealloc__(self):
        if self.array.release != NULL:
            self.array.release(&self.array)

    def __len__(self):
        return self.array.length

    def question(self, saved, current, int32_t threshold, thresholds=None, sid_key=0, ip_key=0):
        """Return what is to be asked of these rows.

        Args:
            saved, current: for each attribute the place of its column in the stream; -1 for none.
            threshold: for rows that have none of their own.
            thresholds: place of their column, None for none.
            sid_key, ip_key: places of hardware ID and address among the attributes; -1 for none.

        Raises:
            TypeError: a column is of a type that cannot be compared, or the two of an attribute cannot.
            ValueError: a threshold has more than 32 bits.
        """
        return Question(self, saved, current, threshold, thresholds, sid_key, ip_key)


cdef class Question:
    """Columns of a batch in pairs, and how they are to be held against each other."""

    cdef Batch batch
    cdef fleet_column *saved
    cdef fleet_column *current
    cdef int *order
    cdef fleet_question asked
    cdef list kept

    def __init__(self, Batch batch, saved, current, int32_t threshold, thresholds, int sid, int ip):
        cdef Py_ssize_t i, count = len(saved)
        self.batch = batch
        self.kept = []
        if count != len(current) or not 0 < count <= FLEET_MOST_COLUMNS:
            raise ValueError("there are 1 to 120 attributes, each with a saved and a current column")
        self.saved = <fleet_column *>calloc(count, sizeof(fleet_column))
        self.current = <fleet_column *>calloc(count, sizeof(fleet_column))
        self.order = <int *>calloc(count, sizeof(int))
        if self.saved == NULL or self.current == NULL or self.order == NULL:
            raise MemoryError
        if not (-1 <= sid < count and -1 <= ip < count):
            raise ValueError("hardware ID and address are among the attributes")
        for i in range(count):
            self._pair(i, saved[i], current[i])
        # The shortest values first: they cost least to read.
        for i, place in enumerate(sorted(range(count), key=self._width)):
            self.order[i] = place
        memset(&self.asked, 0, sizeof(self.asked))
        self.asked.saved, self.asked.current, self.asked.columns = self.saved, self.current, <int>count
        self.asked.order, self.asked.sid, self.asked.ip, self.asked.threshold = self.order, sid, ip, threshold
        if thresholds is not None:
            self._thresholds(thresholds)

    def __dealloc__(self):
        free(self.saved)
        free(self.current)
        free(self.order)

    def _width(self, int place):
        return self.saved[place].width

    cdef int _pair(self, Py_ssize_t i, int64_t saved_at, int64_t current_at) except -1:
        cdef ArrowSchema *of_saved
        cdef ArrowSchema *of_current
        if saved_at < 0 or current_at < 0:
            if saved_at >= 0 or current_at >= 0:
                self._fill(&self.saved[i] if saved_at >= 0 else &self.current[i], max(saved_at, current_at), None)
            return 0
        of_saved = self.batch.stream.schema.children[saved_at]
        of_current = self.batch.stream.schema.children[current_at]
        _require_alike(of_saved, of_current)
        # Codes mean the same on both sides, also where only one of them is a dictionary.
        known = {b"": 0} if of_saved.dictionary != NULL or of_current.dictionary != NULL else None
        self._fill(&self.saved[i], saved_at, known)
        self._fill(&self.current[i], current_at, known)
        return 0

    cdef int _fill(self, fleet_column *column, int64_t at, dict known) except -1:
        """Describe a column: as it is, or by codes. Raises TypeError for a type that cannot be compared."""
        cdef ArrowSchema *schema = self.batch.stream.schema.children[at]
        cdef ArrowArray *array = self.batch.array.children[at]
        cdef fleet_column words
        cdef int64_t i, length, count, rows = self.batch.array.length
        cdef bint nulls = False
        cdef const uint8_t *value
        cdef bytes codes, valid
        cdef int32_t *to
        cdef int32_t *shared
        cdef uint8_t *bits
        if schema.dictionary == NULL and known is None:
            _place(column, array, self.batch.array.offset)
            _describe(column, schema, schema, array, rows)
            return 0
        known = {b"": 0} if known is None else known
        memset(&words, 0, sizeof(words))
        codes = _codes(&words, schema, array, self.batch.array.offset, rows)
        to = <int32_t *>PyBytes_AsString(codes)
        valid = PyBytes_FromStringAndSize(NULL, (rows + 7) >> 3)
        bits = <uint8_t *>PyBytes_AsString(valid)
        memset(bits, 0, (rows + 7) >> 3)
        count = rows if schema.dictionary == NULL else array.dictionary.length
        shared = <int32_t *>malloc((count + 1) * sizeof(int32_t))
        if shared == NULL:
            raise MemoryError
        try:
            for i in range(count):
                if fleet_has(&words, i):
                    value = fleet_value(&words, i, &length)
                    shared[i] = known.setdefault(value[:length], len(known))
            for i in range(rows):
                if to[i] < 0:
                    nulls = True
                    continue
                to[i] = shared[to[i]]
                bits[i >> 3] |= <uint8_t>(1 << (i & 7))
        finally:
            free(shared)
        # Codes and bits are of these rows alone, so they are counted from 0.
        column.kind, column.width, column.at, column.offsets = FLEET_CODE, 0, 0, to
        column.valid = bits if nulls else NULL
        self.kept += [codes, valid]
        return 0

    cdef int _thresholds(self, int64_t at) except -1:
        cdef ArrowSchema *schema = self.batch.stream.schema.children[at]
        cdef ArrowArray *array = self.batch.array.children[at]
        cdef fleet_column column
        cdef int64_t i, value, rows = self.batch.array.length
        cdef bytes values
        cdef int32_t *to
        if schema.dictionary != NULL or not (fleet_is_integer(schema.format) or bytes(schema.format) == b"n"):
            raise TypeError(f"{_name(schema)} is of type {_format_of(schema)}: thresholds are whole numbers")
        memset(&column, 0, sizeof(column))
        _place(&column, array, self.batch.array.offset)
        column.kind = FLEET_MISSING if bytes(schema.format) == b"n" else FLEET_CODE
        if column.kind == FLEET_MISSING:
            return 0
        if bytes(schema.format) == b"i":
            self.asked.thresholds = <const int32_t *>array.buffers[1]
            self.asked.thresholds_at = column.at
            self.asked.thresholds_valid = column.valid
            return 0
        values = PyBytes_FromStringAndSize(NULL, rows * sizeof(int32_t))
        to = <int32_t *>PyBytes_AsString(values)
        for i in range(rows):
            value = self.asked.threshold
            if fleet_has(&column, i):
                value = fleet_integer(schema.format[0], array.buffers[1], column.at + i)
            if not INT32_MIN < value <= INT32_MAX:
                raise ValueError(
                    f"{_name(schema)} of row {i} is {value if value < INT64_MAX else 'too large'}: "
                    "a threshold has 32 bits"
                )
            to[i] = <int32_t>value
        self.kept.append(values)
        self.asked.thresholds = to
        return 0

    def decide(self, int64_t begin, int64_t end, unsigned char[::1] reasons, unsigned char[::1] matched=None,
               unsigned char[::1] totals=None, long long[::1] changed=None):
        """Decide rows, with the GIL released: threads may take different rows of one question.

        Args:
            begin, end: the rows, counted in the batch.
            reasons: has a place for each row of the batch; gets 0..5, in the order of `Reason`.
            matched, totals: the same, for how many attributes are equal and how many the current hash has. Without
                them each row is decided by as few attributes as it needs.
            changed: has a place for each attribute, to which the number of rows is added where it differs or one
                side alone has it. Needs the counts, and a buffer for each thread.

        Raises:
            IndexError: there are not so many rows or places.
        """
        cdef int64_t rows = self.batch.array.length
        cdef uint8_t *to_matched = NULL
        cdef uint8_t *to_totals = NULL
        cdef int64_t *to_changed = NULL
        if not 0 <= begin <= end <= rows or len(reasons) < rows:
            raise IndexError("there are not so many rows or places")
        if matched is not None or totals is not None or changed is not None:
            if matched is None or totals is None or len(matched) < rows or len(totals) < rows:
                raise IndexError("there are not so many places for both counts")
            if changed is not None:
                if len(changed) < self.asked.columns:
                    raise IndexError("there are not so many places for what changed")
                to_changed = <int64_t *>&changed[0]
        if begin == end:
            return
        if matched is not None:
            to_matched, to_totals = <uint8_t *>&matched[0], <uint8_t *>&totals[0]
        with nogil:
            fleet_decide(&self.asked, begin, end, &reasons[0], to_matched, to_totals, to_changed)

    def look(self, int attribute, int64_t begin, int64_t end, unsigned char[::1] same, unsigned char[::1] has,
             unsigned char[::1] had=None):
        """Look at one attribute, with the GIL released.

        Args:
            attribute: its number.
            begin, end: the rows, counted in the batch.
            same: gets for each of these rows, from its beginning, 1 where both sides have the same value, else 0.
            has: gets 0 where the current hash lacks the key, 1 where its value is empty, else 2.
            had: gets the same for the saved hash; None if that is not wanted.

        Raises:
            IndexError: there are not so many attributes, rows or places.
        """
        cdef int64_t rows = end - begin
        if not 0 <= begin <= end <= self.batch.array.length or not 0 <= attribute < self.asked.columns:
            raise IndexError("there are not so many attributes or rows")
        cdef uint8_t *to_had = NULL
        if len(same) < rows or len(has) < rows or (had is not None and len(had) < rows):
            raise IndexError("there are not so many places")
        if rows:
            if had is not None:
                to_had = <uint8_t *>&had[0]
            with nogil:
                fleet_look(&self.saved[attribute], &self.current[attribute], begin, end, &same[0], &has[0], to_had)


cdef int _place(fleet_column *column, ArrowArray *array, int64_t offset) except -1:
    """Say where a column's rows begin and which are null. offset: of the batch that the column is of."""
    column.at = array.offset + offset
    column.valid = NULL
    if array.null_count != 0 and array.n_buffers > 0:
        column.valid = <const uint8_t *>array.buffers[0]
    return 0


cdef tuple _TEXTS = (b"u", b"z", b"U", b"Z", b"vu", b"vz")


cdef int _require_alike(ArrowSchema *saved, ArrowSchema *current) except -1:
    """Raise TypeError unless equal bytes mean equal values: ids and binaries of one size have the same type."""
    cdef bytes one = (saved if saved.dictionary == NULL else saved.dictionary).format
    cdef bytes other = (current if current.dictionary == NULL else current.dictionary).format
    if one == other or (one in _TEXTS and other in _TEXTS) or b"n" in (one, other):
        return 0
    raise TypeError(
        f"{_name(saved)} and {_name(current)} cannot be compared: they are of types "
        f"{_format_of(saved)} and {_format_of(current)}"
    )


cdef bytes _codes(fleet_column *words, ArrowSchema *schema, ArrowArray *array, int64_t offset, int64_t rows):
    """Return a code for each row of a column, -1 for null, and describe in `words` the values that they stand for.

    Those of a dictionary are the places in it; those of another column its rows.

    Raises:
        TypeError: the values cannot be compared, or a code is not in the dictionary.
    """
    cdef fleet_column column
    cdef int64_t i, code, most = rows if schema.dictionary == NULL else array.dictionary.length
    cdef bytes codes = PyBytes_FromStringAndSize(NULL, rows * sizeof(int32_t))
    cdef int32_t *to = <int32_t *>PyBytes_AsString(codes)
    cdef char format = schema.format[0]
    if most > INT32_MAX // 2:
        raise TypeError(f"{_name(schema)} has {most} values, of at most {INT32_MAX // 2}")
    memset(&column, 0, sizeof(column))
    _place(&column, array, offset)
    if schema.dictionary == NULL:
        words[0] = column
        _describe(words, schema, schema, array, rows)
        for i in range(rows):
            to[i] = <int32_t>i if fleet_has(words, i) else -1
        return codes
    if not fleet_is_integer(schema.format):
        raise TypeError(f"{_name(schema)} has codes of type {(<bytes>schema.format).decode()}: codes are whole numbers")
    _place(words, array.dictionary, 0)
    _describe(words, schema, schema.dictionary, array.dictionary, most)
    column.kind = FLEET_CODE
    for i in range(rows):
        to[i] = -1
        if not fleet_has(&column, i):
            continue
        code = fleet_integer(format, array.buffers[1], column.at + i)
        if not 0 <= code < most:
            raise TypeError(f"{_name(schema)} has a code that is not in its dictionary")
        if fleet_has(words, code):
            to[i] = <int32_t>code
    return codes


cdef int _describe(fleet_column *column, ArrowSchema *named, ArrowSchema *schema, ArrowArray *array,
                   int64_t rows) except -1:
    """Describe `rows` values of an array, of which `column.at` is set.

    Raises:
        TypeError: they cannot be compared; `named` is the column that is told.
    """
    cdef bytes told = schema.format
    cdef int64_t begin = 0
    if schema.dictionary != NULL:
        raise TypeError(f"{_name(named)} is of type {_format_of(named)}, which cannot be compared")
    if told == b"n":
        column.kind = FLEET_MISSING
        return 0
    if told in (b"i", b"I"):
        column.kind, column.width = FLEET_CODE, 4
        column.offsets = array.buffers[1]
    elif told.startswith(b"w:"):
        column.kind, column.width = FLEET_WIDE, int(told[2:])
        column.data = <const uint8_t *>array.buffers[1]
    elif told in (b"u", b"z"):
        column.kind = FLEET_TEXT
        column.offsets, column.data = array.buffers[1], <const uint8_t *>array.buffers[2]
        if rows:
            begin = (<const int32_t *>column.offsets)[column.at]
            column.room = (<const int32_t *>column.offsets)[column.at + rows]
    elif told in (b"U", b"Z"):
        column.kind = FLEET_LARGE
        column.offsets, column.data = array.buffers[1], <const uint8_t *>array.buffers[2]
        if rows:
            begin = (<const int64_t *>column.offsets)[column.at]
            column.room = (<const int64_t *>column.offsets)[column.at + rows]
    elif told in (b"vu", b"vz"):
        column.kind, column.width = FLEET_VIEW, 16
        column.offsets = array.buffers[1]
        column.pieces = <const uint8_t *const *>&array.buffers[2]
        column.rooms = <const int64_t *>array.buffers[array.n_buffers - 1]
    else:
        raise TypeError(f"{_name(named)} is of type {_format_of(named)}, which cannot be compared")
    if rows and column.kind in (FLEET_TEXT, FLEET_LARGE):
        column.width = (column.room - begin) // rows
    return 0


include "fleet/near.pxi"
