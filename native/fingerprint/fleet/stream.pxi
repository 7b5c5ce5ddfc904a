# Part of _fleet.pyx: the stream of a table, and its batches of rows.


cdef class Stream:
    """The record batches of a table, or of any other object with `__arrow_c_stream__`.

    Raises:
        TypeError: it lacks this method, or its rows are not made of columns.
        ValueError: reading failed; the message is that of the producer.
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
            raise TypeError("a stream can be read only once")
        try:
            method = table.__arrow_c_stream__
        except AttributeError:
            raise TypeError(f"a {type(table).__name__} has no Arrow stream") from None
        capsule = method()
        given = <ArrowArrayStream *>PyCapsule_GetPointer(capsule, "arrow_array_stream")
        # This object owns the stream from here on; the interface requires the capsule to be left empty.
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
        # A producer may release the GIL in get_next, and its stream takes one reader at a time.
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
        cdef const char *message = self.stream.get_last_error(&self.stream)
        if message == NULL:
            return "cannot read the columns: the producer gave no reason"
        return (<bytes>message).decode("utf-8", "replace")


cdef class Batch:
    """Some rows of a stream."""

    cdef ArrowArray array
    cdef Stream stream

    cdef int check(self) except -1:
        """Raise ValueError unless every column has all rows, and every row is a struct."""
        cdef int64_t i, last = self.array.offset + self.array.length
        cdef const uint8_t *valid = NULL
        if self.array.null_count != 0 and self.array.n_buffers > 0:
            valid = <const uint8_t *>self.array.buffers[0]
        if valid != NULL and count_unset_bits(valid, self.array.offset, self.array.length):
            raise ValueError("a row is null: each row must be a struct with the fleet's columns")
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
        """Return a question over these rows: which columns to compare, and by which threshold.

        Args:
            saved, current: for each attribute the index of its column in the stream; -1 for none.
            threshold: for rows without a threshold of their own.
            thresholds: index of the column of thresholds, None for none.
            sid_key, ip_key: indexes of hardware ID and address among the attributes; -1 for none.

        Raises:
            TypeError: the type of a column cannot be compared, or the two types of an attribute cannot.
            ValueError: a threshold needs more than 32 bits.
        """
        return Question(self, saved, current, threshold, thresholds, sid_key, ip_key)

    def stable_question(self, saved, current, points, int hypervisor, int platform, int generation, names,
                        int deciding, int limit):
        """Return a question over these rows by scheme `stable`.

        Args:
            saved, current: for each attribute the index of its column in the stream; -1 for none.
            points: for each attribute (identity-bearing, a set, points on physical hardware if it agrees and if it
                differs, the same on virtual hardware).
            hypervisor, platform: the indexes of these attributes.
            generation: that of the generation of a virtual machine, which is not the same if it differs; -1 for none.
            names: the hypervisor of physical hardware, then those of containers.
            deciding: points that decide.
            limit: points that attributes other than identity-bearing hardware count at most.

        Raises:
            TypeError: the type of a column cannot be compared, or the two types of an attribute cannot.
            ValueError: there are more than 32 attributes, or more than 127 points in favour or against.
        """
        return StableQuestion(self, saved, current, points, hypervisor, platform, generation, names, deciding, limit)
