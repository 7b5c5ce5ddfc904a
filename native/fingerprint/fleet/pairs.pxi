# Part of _fleet.pyx: pairs of columns of a batch, described for the engines in C.


cdef class Pairs:
    """A saved and a current column for each attribute."""

    cdef Batch batch
    cdef fleet_column *saved
    cdef fleet_column *current
    cdef list kept

    def __dealloc__(self):
        free(self.saved)
        free(self.current)

    cdef int _describe_pairs(self, Batch batch, saved, current) except -1:
        """Describe the columns. Raises TypeError: a type cannot be compared, or the two of an attribute cannot."""
        cdef Py_ssize_t i, count = len(saved)
        if self.saved != NULL or self.current != NULL:
            raise TypeError("a question is made once")
        self.batch = batch
        self.kept = []
        self.saved = <fleet_column *>calloc(count, sizeof(fleet_column))
        self.current = <fleet_column *>calloc(count, sizeof(fleet_column))
        if self.saved == NULL or self.current == NULL:
            raise MemoryError
        for i in range(count):
            self._pair(i, saved[i], current[i])
        return 0

    cdef int _pair(self, Py_ssize_t i, int64_t saved_at, int64_t current_at) except -1:
        cdef ArrowSchema *of_saved
        cdef ArrowSchema *of_current
        if saved_at < 0 or current_at < 0:
            if saved_at >= 0 or current_at >= 0:
                self._fill(&self.saved[i] if saved_at >= 0 else &self.current[i], max(saved_at, current_at), None, i)
            return 0
        of_saved = self.batch.stream.schema.children[saved_at]
        of_current = self.batch.stream.schema.children[current_at]
        _require_alike(of_saved, of_current)
        # A code has one meaning on both sides, also where only one side is a dictionary.
        known = self._known(i) if of_saved.dictionary != NULL or of_current.dictionary != NULL else None
        self._fill(&self.saved[i], saved_at, known, i)
        self._fill(&self.current[i], current_at, known, i)
        return 0

    cdef dict _known(self, Py_ssize_t attribute):
        """Return the values that have a code before any row is read."""
        return {b"": 0}

    cdef int _fill(self, fleet_column *column, int64_t at, dict known, Py_ssize_t attribute) except -1:
        """Describe a column: directly, or by codes. Raises TypeError for a type that cannot be compared."""
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
        known = self._known(attribute) if known is None else known
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
        # The codes and bits cover only these rows, so they count from 0.
        column.kind, column.width, column.at, column.offsets = FLEET_CODE, 0, 0, to
        column.valid = bits if nulls else NULL
        self.kept += [codes, valid]
        return 0
