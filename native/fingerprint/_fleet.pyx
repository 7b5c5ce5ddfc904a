"""The match rule over Arrow columns, of whatever library speaks Arrow's C data interface, without a copy."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport INT32_MAX, INT32_MIN, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset


cdef extern from "fleet.h":
    struct ArrowSchema:
        const char *format
        const char *name
        int64_t n_children
        ArrowSchema **children
        ArrowSchema *dictionary
        void (*release)(ArrowSchema *) noexcept

    struct ArrowArray:
        int64_t length
        int64_t null_count
        int64_t offset
        int64_t n_buffers
        int64_t n_children
        const void **buffers
        ArrowArray **children
        ArrowArray *dictionary
        void (*release)(ArrowArray *) noexcept

    struct ArrowArrayStream:
        int (*get_schema)(ArrowArrayStream *, ArrowSchema *) noexcept
        int (*get_next)(ArrowArrayStream *, ArrowArray *) noexcept
        const char *(*get_last_error)(ArrowArrayStream *) noexcept
        void (*release)(ArrowArrayStream *) noexcept

    enum:
        FLEET_MISSING
        FLEET_TEXT
        FLEET_LARGE
        FLEET_VIEW
        FLEET_WIDE
        FLEET_CODE
        FLEET_MOST_COLUMNS

    ctypedef struct fleet_column:
        int kind
        const uint8_t *valid
        int64_t at
        const void *offsets
        const uint8_t *data
        const uint8_t *const *pieces
        const int64_t *rooms
        int64_t room
        int64_t width

    ctypedef struct fleet_question:
        const fleet_column *saved
        const fleet_column *current
        const int *order
        int columns
        int sid
        int ip
        const int32_t *thresholds
        const uint8_t *thresholds_valid
        int64_t thresholds_at
        int32_t threshold

    void fleet_look_at_processor()
    int fleet_has(const fleet_column *column, int64_t row) nogil
    const uint8_t *fleet_value(const fleet_column *column, int64_t row, int64_t *length) nogil
    void fleet_decide(const fleet_question *asked, int64_t begin, int64_t end, uint8_t *reasons, uint8_t *matched,
                      uint8_t *totals, int64_t *changed) nogil
    void fleet_look(const fleet_column *saved, const fleet_column *current, int64_t begin, int64_t end, uint8_t *same,
                    uint8_t *has) nogil


fleet_look_at_processor()


cdef class Stream:
    """The record batches of a table, or of anything else with `__arrow_c_stream__`.

    Raises:
        TypeError: it has no such method, or its rows are not made of columns.
        ValueError: reading failed; the text is that of the library that reads.
    """

    cdef ArrowArrayStream stream
    cdef ArrowSchema schema
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
        if self.stream.get_next(&self.stream, &batch.array):
            raise ValueError(self._error())
        if batch.array.release == NULL:
            raise StopIteration
        return batch

    cdef _error(self):
        cdef const char *told = self.stream.get_last_error(&self.stream)
        return "the columns cannot be read" if told == NULL else (<bytes>told).decode("utf-8", "replace")


cdef _format_of(ArrowSchema *schema):
    cdef bytes told = schema.format
    return told.decode() + (" dictionary" if schema.dictionary != NULL else "")


cdef class Batch:
    """Some rows of a stream."""

    cdef ArrowArray array
    cdef Stream stream

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
            if saved_at >= 0:
                self._fill(&self.saved[i], saved_at)
            if current_at >= 0:
                self._fill(&self.current[i], current_at)
            return 0
        of_saved = self.batch.stream.schema.children[saved_at]
        of_current = self.batch.stream.schema.children[current_at]
        if of_saved.dictionary != NULL and of_current.dictionary != NULL:
            known = {b"": 0}
            self._fill_codes(&self.saved[i], saved_at, known)
            self._fill_codes(&self.current[i], current_at, known)
            return 0
        self._fill(&self.saved[i], saved_at)
        self._fill(&self.current[i], current_at)
        if (self.saved[i].kind in (FLEET_CODE, FLEET_WIDE) or self.current[i].kind in (FLEET_CODE, FLEET_WIDE)) and (
            self.saved[i].kind != self.current[i].kind or self.saved[i].width != self.current[i].width
        ):
            raise TypeError(
                f"{_name(of_saved)} and {_name(of_current)} cannot be compared: they are of types "
                f"{_format_of(of_saved)} and {_format_of(of_current)}"
            )
        return 0

    cdef int _place(self, fleet_column *column, ArrowArray *array) except -1:
        column.at = array.offset + self.batch.array.offset
        column.valid = NULL
        if array.null_count != 0 and array.n_buffers > 0:
            column.valid = <const uint8_t *>array.buffers[0]
        return 0

    cdef int _fill(self, fleet_column *column, int64_t at) except -1:
        """Describe a column. Raises TypeError for a type that cannot be compared."""
        cdef ArrowSchema *schema = self.batch.stream.schema.children[at]
        cdef ArrowArray *array = self.batch.array.children[at]
        if schema.dictionary != NULL:
            raise TypeError(f"{_name(schema)} is a dictionary, and the column that it is compared with is none")
        self._place(column, array)
        _describe(column, schema, array, self.batch.array.length)
        return 0

    cdef int _fill_codes(self, fleet_column *column, int64_t at, dict known) except -1:
        """Describe a dictionary column by codes that mean the same in both columns of a pair."""
        cdef ArrowSchema *schema = self.batch.stream.schema.children[at]
        cdef ArrowArray *array = self.batch.array.children[at]
        cdef fleet_column words
        cdef int64_t i, code, length, rows = self.batch.array.length
        cdef const uint8_t *value
        cdef bytes codes, told = schema.format
        cdef int32_t *to
        cdef int32_t *shared
        memset(&words, 0, sizeof(words))
        words.at = array.dictionary.offset
        if array.dictionary.null_count != 0 and array.dictionary.n_buffers > 0:
            words.valid = <const uint8_t *>array.dictionary.buffers[0]
        _describe(&words, schema.dictionary, array.dictionary, array.dictionary.length)
        self._place(column, array)
        shared = <int32_t *>malloc((array.dictionary.length + 1) * sizeof(int32_t))
        if shared == NULL:
            raise MemoryError
        try:
            for i in range(array.dictionary.length):
                if not fleet_has(&words, i):
                    raise TypeError(f"the dictionary of {_name(schema)} holds a null")
                value = fleet_value(&words, i, &length)
                shared[i] = known.setdefault(value[:length], len(known))
            codes = PyBytes_FromStringAndSize(NULL, rows * sizeof(int32_t))
            to = <int32_t *>PyBytes_AS_STRING(codes)
            for i in range(rows):
                if not fleet_has_row(column, i):
                    to[i] = -1
                    continue
                code = _integer(told[0], array.buffers[1], column.at + i)
                if not 0 <= code < array.dictionary.length:
                    raise TypeError(f"{_name(schema)} has a code that is not in its dictionary")
                to[i] = shared[code]
        finally:
            free(shared)
        self.kept.append(codes)
        column.kind = FLEET_CODE
        column.width = 0
        # The bits of validity are still counted from the column's own beginning.
        column.offsets = to - column.at
        return 0

    cdef int _thresholds(self, int64_t at) except -1:
        cdef ArrowSchema *schema = self.batch.stream.schema.children[at]
        cdef ArrowArray *array = self.batch.array.children[at]
        cdef fleet_column column
        cdef int64_t i, value, rows = self.batch.array.length
        cdef bytes values, told = schema.format
        cdef int32_t *to
        memset(&column, 0, sizeof(column))
        self._place(&column, array)
        column.kind = FLEET_CODE
        if told == b"i":
            self.asked.thresholds = <const int32_t *>array.buffers[1]
            self.asked.thresholds_at = column.at
        else:
            if len(told) != 1 or told not in b"cCsSiIlL":
                raise TypeError(f"{_name(schema)} is of type {told.decode()}: thresholds are whole numbers")
            values = PyBytes_FromStringAndSize(NULL, rows * sizeof(int32_t))
            to = <int32_t *>PyBytes_AS_STRING(values)
            for i in range(rows):
                value = 0
                if fleet_has_row(&column, i):
                    value = _integer(told[0], array.buffers[1], column.at + i)
                if not INT32_MIN < value <= INT32_MAX:
                    raise ValueError(f"the threshold {value} of row {i} is out of range")
                to[i] = <int32_t>value
            self.kept.append(values)
            self.asked.thresholds = to - column.at
            self.asked.thresholds_at = column.at
        self.asked.thresholds_valid = column.valid
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

    def look(self, int attribute, int64_t begin, int64_t end, unsigned char[::1] same, unsigned char[::1] has):
        """Look at one attribute, with the GIL released.

        Args:
            attribute: its number.
            begin, end: the rows, counted in the batch.
            same: gets for each of these rows, from its beginning, 1 where both sides have the same value, else 0.
            has: gets 0 where the current hash lacks the key, 1 where its value is empty, else 2.

        Raises:
            IndexError: there are not so many attributes, rows or places.
        """
        cdef int64_t rows = end - begin
        if not 0 <= begin <= end <= self.batch.array.length or not 0 <= attribute < self.asked.columns:
            raise IndexError("there are not so many attributes or rows")
        if len(same) < rows or len(has) < rows:
            raise IndexError("there are not so many places")
        if rows:
            with nogil:
                fleet_look(&self.saved[attribute], &self.current[attribute], begin, end, &same[0], &has[0])


cdef inline bint fleet_has_row(const fleet_column *column, int64_t row) noexcept:
    if column.valid == NULL:
        return True
    return column.valid[(row + column.at) >> 3] >> ((row + column.at) & 7) & 1


cdef int64_t _integer(char kind, const void *values, int64_t at) except? -1:
    if kind == b"i"[0]:
        return (<const int32_t *>values)[at]
    if kind == b"I"[0]:
        return (<const uint32_t *>values)[at]
    if kind == b"l"[0]:
        return (<const int64_t *>values)[at]
    if kind == b"L"[0]:
        return <int64_t>(<const uint64_t *>values)[at]
    if kind == b"s"[0]:
        return (<const int16_t *>values)[at]
    if kind == b"S"[0]:
        return (<const uint8_t *>values)[at]
    if kind == b"c"[0]:
        return (<const int8_t *>values)[at]
    if kind == b"C"[0]:
        return (<const uint8_t *>values)[at]
    raise TypeError("codes are whole numbers")


cdef str _name(ArrowSchema *schema):
    return (<bytes>schema.name).decode("utf-8", "replace") if schema.name != NULL else "a column"


cdef int _describe(fleet_column *column, ArrowSchema *schema, ArrowArray *array, int64_t rows) except -1:
    """Describe `rows` values of an array, of which `column.at` is set. Raises TypeError: they cannot be compared."""
    cdef bytes told = schema.format
    cdef int64_t begin = 0
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
        raise TypeError(f"{_name(schema)} is of type {told.decode()}, which cannot be compared")
    if rows and column.kind in (FLEET_TEXT, FLEET_LARGE):
        column.width = (column.room - begin) // rows
    return 0


include "_near.pxi"
