# Part of _fleet.pyx: the search for near-clones. The engines are in native/include/near.h.


cdef class Near:
    """Codes of the values of a fleet, and the search for pairs of machines that share many of them.

    The order of calls: `encode` for each column (threads may encode different ones), `collect`, then `pairs` for each
    task; or `encode` and then `brute`, which compares all rows with one another.
    """

    cdef near_fleet fleet
    cdef uint32_t *codes
    cdef uint8_t *frequencies
    cdef uint32_t *sids
    cdef uint8_t *sid_frequencies
    cdef uint64_t seed
    cdef near_tokens tokens
    cdef near_nodes nodes
    cdef near_group everything
    cdef uint32_t *all_rows
    cdef bint with_sids

    def __cinit__(self, int64_t rows, int columns, int at_least, bint sids=True):
        """Allocate the memory for the codes.

        Args:
            rows: number of rows of the fleet, fewer than 2**32.
            columns: number of attributes that are compared, 1 to 32.
            at_least: how many of them a pair has in common, 1 to `columns`.
            sids: whether the hardware IDs of a pair must differ; these are column number `columns`.

        Raises:
            ValueError: a number is out of its range.
            MemoryError: out of memory.
        """
        if not 0 <= rows < (<int64_t>1 << 32) or not 1 <= columns <= NEAR_MOST_COLUMNS or not 1 <= at_least <= columns:
            raise ValueError("there must be fewer than 2**32 rows, 1 to 32 columns, and at least 1 of them in common")
        self.codes = <uint32_t *>calloc(rows * columns + 1, 4)
        self.frequencies = <uint8_t *>calloc(rows * columns + 1, 1)
        self.with_sids = sids
        if sids:
            self.sids = <uint32_t *>calloc(rows + 1, 4)
            self.sid_frequencies = <uint8_t *>calloc(rows + 1, 1)
        if self.codes == NULL or self.frequencies == NULL or (
            sids and (self.sids == NULL or self.sid_frequencies == NULL)
        ):
            raise MemoryError
        self.fleet.rows, self.fleet.columns, self.fleet.at_least = rows, columns, at_least
        self.fleet.codes, self.fleet.frequencies, self.fleet.sids = self.codes, self.frequencies, self.sids
        self.fleet.sid_frequencies = self.sid_frequencies

    def __dealloc__(self):
        free(self.codes)
        free(self.frequencies)
        free(self.sids)
        free(self.sid_frequencies)
        near_nodes_free(&self.nodes)
        near_tokens_free(&self.tokens)
        if self.all_rows != NULL:
            near_group_free(&self.everything)
        free(self.all_rows)

    def encode(self, int column, list runs, uint64_t seed):
        """Encode the values of a column, with the GIL released, and return the code of "", 0 if no row has it.

        Args:
            column: its number; the hardware ID has the number of columns.
            runs: (batch, index of the column in it, -1 for none), in the order of the rows.
            seed: any number; a random one for each process keeps forged values from colliding in the tables.

        Raises:
            TypeError: its type cannot be compared.
            ValueError: the runs and the fleet differ in their number of rows, or there is no such column.
            MemoryError: out of memory.
        """
        cdef Py_ssize_t i
        cdef int64_t at = 0, count = len(runs)
        cdef uint64_t mask = 4095
        cdef int failed
        cdef uint32_t empty = 0
        cdef near_run *made = <near_run *>calloc(count + 1, sizeof(near_run))
        cdef uint8_t *seen = NULL
        cdef uint8_t *frequencies
        cdef uint32_t *codes
        cdef bint is_sid = column == self.fleet.columns and self.with_sids
        kept = []
        try:
            if made == NULL:
                raise MemoryError
            if not 0 <= column < self.fleet.columns and not is_sid:
                raise ValueError("there is no such column")
            for i in range(count):
                batch, index = runs[i]
                kept.append(_fill_run(&made[i], batch, index))
                made[i].begin = at
                at += len(batch)
                made[i].end = at
            if at != self.fleet.rows:
                raise ValueError(f"the column has {at} rows, the fleet {self.fleet.rows}")
            while mask < 8 * <uint64_t>self.fleet.rows:
                mask = 2 * mask + 1
            seen = <uint8_t *>calloc((mask + 1) // 4, 1)
            if is_sid:
                codes, frequencies = self.sids, self.sid_frequencies
            else:
                codes = self.codes + column * self.fleet.rows
                frequencies = self.frequencies + column * self.fleet.rows
            if seen == NULL:
                raise MemoryError
            self.seed = seed
            with nogil:
                failed = near_encode(made, count, seed, seen, mask, codes, frequencies)
                if not failed:
                    empty = near_code_of_empty(made, count, codes)
            if failed:
                raise MemoryError
            return empty
        finally:
            free(made)
            free(seen)

    def codes_of(self, int column):
        """Return the codes of a column: 32-bit numbers, equal where the values are, 0 for none. Raises IndexError."""
        if column == self.fleet.columns and self.with_sids:
            return PyBytes_FromStringAndSize(<const char *>self.sids, self.fleet.rows * 4)
        if not 0 <= column < self.fleet.columns:
            raise IndexError("there is no such column")
        return PyBytes_FromStringAndSize(<const char *>(self.codes + column * self.fleet.rows), self.fleet.rows * 4)

    def frequencies_of(self, int column):
        """Return a byte for each row: 1 where no other row has its value, 0 for no value. Raises IndexError."""
        if not 0 <= column < self.fleet.columns:
            raise IndexError("there is no such column")
        return PyBytes_FromStringAndSize(
            <const char *>(self.frequencies + column * self.fleet.rows), self.fleet.rows
        )

    def collect(self, parts):
        """Find the nodes and the values that nodes can share, and return about `parts` tasks for `pairs`.

        A node is all rows with the same values, apart from values that only one row has. A task is (column, begin,
        end): a range of the values of a column, or of the nodes where the column is the number of columns.

        Raises:
            MemoryError: out of memory.
        """
        cdef int c, failed
        cdef int64_t total = 0, begin, end, step
        near_tokens_free(&self.tokens)
        near_nodes_free(&self.nodes)
        self.fleet.nodes = &self.nodes
        with nogil:
            failed = near_nodes_make(&self.nodes, self.fleet.rows)
            if not failed:
                failed = near_collect(&self.fleet, 0, self.fleet.rows, self.seed, &self.tokens, &self.nodes)
            if not failed:
                failed = near_nodes_gather(&self.nodes, &self.fleet)
            for c in range(self.fleet.columns):
                if not failed and self.tokens.used[c]:
                    failed = near_sort(self.tokens.tokens[c], self.tokens.used[c])
        if failed:
            raise MemoryError
        for c in range(self.fleet.columns):
            total += self.tokens.used[c]
        step = total // max(<int64_t>parts, 1) + 1
        tasks = [(self.fleet.columns, 0, self.nodes.used)] if self.nodes.used else []
        for c in range(self.fleet.columns):
            begin = 0
            while begin < self.tokens.used[c]:
                end = min(begin + step, self.tokens.used[c])
                # A task has all rows of a code.
                while end < self.tokens.used[c] and (
                    self.tokens.tokens[c][end].code == self.tokens.tokens[c][end - 1].code
                ):
                    end += 1
                tasks.append((c, begin, end))
                begin = end
        return tasks

    def pairs(self, int column, int64_t begin, int64_t end, Answer answer):
        """Find the pairs of a task, with the GIL released. Raises IndexError, MemoryError."""
        cdef int failed
        if self.fleet.nodes == NULL or not 0 <= column <= self.fleet.columns or not 0 <= begin <= end <= (
            <int64_t>self.nodes.used if column == self.fleet.columns else self.tokens.used[column]
        ):
            raise IndexError("there is no such task")
        self._check(answer)
        if column == self.fleet.columns:
            with nogil:
                near_within(&self.fleet, begin, end, &answer.found)
            return
        with nogil:
            failed = near_groups(&self.fleet, column, self.tokens.tokens[column], begin, end, &answer.found)
        if failed:
            raise MemoryError

    def brute(self, int64_t begin, int64_t end, Answer answer):
        """Compare the rows from `begin` to `end` with all rows after them, with the GIL released.

        Raises:
            IndexError: a row is out of range.
            MemoryError: out of memory.
        """
        cdef near_fleet each_row
        if not 0 <= begin <= end <= self.fleet.rows:
            raise IndexError(f"rows {begin} to {end} of {self.fleet.rows}: out of range")
        self._check(answer)
        each_row = self.fleet
        each_row.nodes = NULL
        if self.all_rows == NULL:
            self._gather()
        with nogil:
            near_brute(&each_row, &self.everything, -1, begin, end, &answer.found)

    cdef int _gather(self) except -1:
        cdef int64_t i
        self.all_rows = <uint32_t *>malloc((self.fleet.rows + NEAR_TILE) * 4)
        if self.all_rows == NULL:
            raise MemoryError
        for i in range(self.fleet.rows):
            self.all_rows[i] = <uint32_t>i
        if near_group_make(&self.everything, &self.fleet, self.all_rows, self.fleet.rows, 1):
            free(self.all_rows)
            self.all_rows = NULL
            raise MemoryError
        return 0

    cdef int _check(self, Answer answer) except -1:
        if answer.rows != self.fleet.rows:
            raise IndexError("the answer belongs to another fleet")
        return 0


cdef class Answer:
    """What a thread found: counts, clusters, and up to a limit the pairs themselves."""

    cdef near_answer found
    cdef int64_t rows

    def __cinit__(self, int64_t rows, int64_t limit):
        cdef int64_t i
        if not 0 <= rows < (<int64_t>1 << 32) or limit < 0:
            raise ValueError("there must be fewer than 2**32 rows, and a limit of 0 or more")
        self.rows, self.found.limit = rows, limit
        self.found.parents = <uint32_t *>malloc((rows + 1) * 4)
        # Untouched pages cost nothing.
        self.found.list = <uint32_t *>malloc((limit + 1) * 12)
        if self.found.parents == NULL or self.found.list == NULL:
            raise MemoryError
        for i in range(rows):
            self.found.parents[i] = <uint32_t>i

    def __dealloc__(self):
        free(self.found.parents)
        free(self.found.list)

    @property
    def counts(self):
        """For each number of equal attributes, 0 to 32, how many pairs have it."""
        return tuple(self.found.pairs[i] for i in range(33))

    @property
    def compared(self):
        """How many pairs were compared."""
        return self.found.compared

    def listed(self):
        """Return the listed pairs as three 32-bit numbers each: two rows, and a bit for each equal attribute."""
        return PyBytes_FromStringAndSize(<const char *>self.found.list, self.found.listed * 12)

    def clusters(self):
        """Return for each row the first row of its cluster, as a 32-bit number."""
        cdef int64_t i
        cdef bytes roots = PyBytes_FromStringAndSize(NULL, self.rows * 4)
        cdef uint32_t *to = <uint32_t *>PyBytes_AsString(roots)
        with nogil:
            for i in range(self.rows):
                to[i] = near_root(self.found.parents, <uint32_t>i)
        return roots

    def join(self, const unsigned int[::1] one, const unsigned int[::1] other):
        """Join the clusters of pairs of rows. Raises IndexError: a row is out of range."""
        cdef int64_t i, count = len(one)
        if len(other) != count:
            raise IndexError("each pair has two rows")
        for i in range(count):
            if one[i] >= self.rows or other[i] >= self.rows:
                raise IndexError("there is no such row")
            near_join(self.found.parents, one[i], other[i])

    def add(self, Answer other):
        """Add what another thread found, and its pairs up to the limit. Raises ValueError for another fleet."""
        cdef int64_t i, more
        cdef int k
        if other.rows != self.rows:
            raise ValueError("the answers belong to different fleets")
        for k in range(33):
            self.found.pairs[k] += other.found.pairs[k]
        self.found.compared += other.found.compared
        more = min(other.found.listed, self.found.limit - self.found.listed)
        memcpy(self.found.list + 3 * self.found.listed, other.found.list, more * 12)
        self.found.listed += more
        with nogil:
            for i in range(self.rows):
                if other.found.parents[i] != <uint32_t>i:
                    near_join(self.found.parents, <uint32_t>i, other.found.parents[i])


cdef object _fill_run(near_run *run, Batch batch, int64_t index):
    """Describe the rows of a batch; return what must live as long as the run. Raises TypeError, IndexError."""
    cdef ArrowSchema *schema
    cdef ArrowArray *array
    cdef bytes codes
    if not -1 <= index < batch.array.n_children:
        raise IndexError("there is no such column")
    if index < 0:
        run.column.kind = FLEET_MISSING
        return batch
    schema = batch.stream.schema.children[index]
    array = batch.array.children[index]
    if schema.dictionary == NULL:
        _place(&run.column, array, batch.array.offset)
        _describe(&run.column, schema, schema, array, batch.array.length)
        return batch
    codes = _codes(&run.column, schema, array, batch.array.offset, batch.array.length)
    run.codes = <const int32_t *>PyBytes_AsString(codes)
    return batch, codes


def digests(Batch batch, int64_t column, unsigned char[::1] to):
    """Write the first 16 bytes of the SHA-256 of each value of a column, with the GIL released.

    Rows without a value, and those with "", get 16 zeros.

    Raises:
        IndexError: there is no such column, or the buffer has fewer than 16 bytes for each row.
        TypeError: its values are neither strings nor binaries.
    """
    cdef near_run run
    cdef int64_t row, length, rows = batch.array.length
    cdef const uint8_t *value
    cdef unsigned char digest[32]
    cdef sha256_context context
    if len(to) < 16 * rows:
        raise IndexError(f"the buffer must have {16 * rows} bytes")
    memset(&run, 0, sizeof(run))
    kept = _fill_run(&run, batch, column)
    run.end = rows
    if rows == 0:
        return
    with nogil:
        for row in range(rows):
            memset(&to[16 * row], 0, 16)
            if not near_has(&run, row):
                continue
            value = near_value(&run, row, &length)
            if length:
                sha256_begin(&context)
                sha256_add(&context, value, <size_t>length)
                sha256_end(&context, digest)
                memcpy(&to[16 * row], digest, 16)
