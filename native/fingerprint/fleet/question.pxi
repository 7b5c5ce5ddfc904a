# Part of _fleet.pyx: the match rule over the columns of a batch. The engine is native/include/fleet.h.


cdef class Question(Pairs):
    """Pairs of columns of a batch, and the thresholds and keys to compare them by."""

    cdef int *order
    cdef fleet_question asked

    def __init__(self, Batch batch, saved, current, int32_t threshold, thresholds, int sid, int ip):
        cdef Py_ssize_t i, count = len(saved)
        if count != len(current) or not 0 < count <= FLEET_MOST_COLUMNS:
            raise ValueError("a question has 1 to 120 attributes, each with a saved and a current column")
        self.order = <int *>calloc(count, sizeof(int))
        if self.order == NULL:
            raise MemoryError
        if not (-1 <= sid < count and -1 <= ip < count):
            raise ValueError("hardware ID and address must be among the attributes")
        self._describe_pairs(batch, saved, current)
        # The shortest values first: they cost least to read.
        for i, attribute in enumerate(sorted(range(count), key=self._width)):
            self.order[i] = attribute
        memset(&self.asked, 0, sizeof(self.asked))
        self.asked.saved, self.asked.current, self.asked.columns = self.saved, self.current, <int>count
        self.asked.order, self.asked.sid, self.asked.ip, self.asked.threshold = self.order, sid, ip, threshold
        if thresholds is not None:
            self._thresholds(thresholds)

    def __dealloc__(self):
        free(self.order)

    def _width(self, int attribute):
        return self.saved[attribute].width

    cdef int _thresholds(self, int64_t at) except -1:
        cdef ArrowSchema *schema = self.batch.stream.schema.children[at]
        cdef ArrowArray *array = self.batch.array.children[at]
        cdef fleet_column column
        cdef int64_t i, value, rows = self.batch.array.length
        cdef bytes values
        cdef int32_t *to
        if schema.dictionary != NULL or not (fleet_is_integer(schema.format) or bytes(schema.format) == b"n"):
            raise TypeError(f"{_name(schema)} is of type {_format_of(schema)}: thresholds are integers")
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
        """Decide rows, with the GIL released: threads may decide different rows of one question.

        Args:
            begin, end: the rows, counted in the batch.
            reasons: a buffer with an item for each row of the batch; gets 0..5, in the order of `Reason`.
            matched, totals: buffers of the same size; get how many attributes match, and how many the current hash
                has. Without them each row is decided by as few attributes as it needs.
            changed: a buffer with an item for each attribute; each item grows by the number of rows where the
                attribute differs or only one side has it. Requires matched and totals, and a buffer for each thread.

        Raises:
            IndexError: a row is out of range, or a buffer is too small.
        """
        cdef int64_t rows = self.batch.array.length
        cdef uint8_t *to_matched = NULL
        cdef uint8_t *to_totals = NULL
        cdef int64_t *to_changed = NULL
        if not 0 <= begin <= end <= rows or len(reasons) < rows:
            raise IndexError(f"rows {begin} to {end} of {rows}: out of range, or the buffer of reasons is too small")
        if matched is not None or totals is not None or changed is not None:
            if matched is None or totals is None or len(matched) < rows or len(totals) < rows:
                raise IndexError(f"the buffers of counts must have {rows} items each")
            if changed is not None:
                if len(changed) < self.asked.columns:
                    raise IndexError(f"the buffer of changes must have {self.asked.columns} items")
                to_changed = <int64_t *>&changed[0]
        if begin == end:
            return
        if matched is not None:
            to_matched, to_totals = <uint8_t *>&matched[0], <uint8_t *>&totals[0]
        with nogil:
            fleet_decide(&self.asked, begin, end, &reasons[0], to_matched, to_totals, to_changed)

    def compare(self, int attribute, int64_t begin, int64_t end, unsigned char[::1] same, unsigned char[::1] has,
                unsigned char[::1] had=None):
        """Compare one attribute, with the GIL released.

        Args:
            attribute: its number.
            begin, end: the rows, counted in the batch.
            same: gets an item for each of these rows: 1 where both sides have the same value, else 0.
            has: gets 0 where the current hash lacks the key, 1 where its value is empty, else 2.
            had: gets the same for the saved hash; None to leave it out.

        Raises:
            IndexError: an attribute or row is out of range, or a buffer is too small.
        """
        cdef int64_t rows = end - begin
        if not 0 <= begin <= end <= self.batch.array.length or not 0 <= attribute < self.asked.columns:
            raise IndexError(f"attribute {attribute} or rows {begin} to {end}: out of range")
        cdef uint8_t *to_had = NULL
        if len(same) < rows or len(has) < rows or (had is not None and len(had) < rows):
            raise IndexError(f"the buffers must have {rows} items each")
        if rows:
            if had is not None:
                to_had = <uint8_t *>&had[0]
            with nogil:
                fleet_compare(&self.saved[attribute], &self.current[attribute], begin, end, &same[0], &has[0], to_had)
