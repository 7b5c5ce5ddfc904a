# Part of _fleet.pyx: the rule of scheme `stable` over pairs of rows. The engine is native/include/stable_pairs.h.


cdef class StablePairs:
    """The rows of a fleet as codes, and the decision on pairs of them.

    Args:
        question: has the points and names; its columns are not read.
        codes: for each row one for each attribute, row after row: equal exactly where the values are, 0 for no value.
        unread: for each attribute the code of an unreadable value.
        names: the codes of the names of the question, as values of the hypervisor.
        sets: for each attribute None, or (begins, elements): where the elements of each row begin, and of the last one
            end; and their codes, which are sorted here.

    Raises:
        ValueError: a buffer has another size.
        IndexError: elements begin outside of their buffer.
    """

    cdef stable_question asked
    cdef stable_fleet fleet
    cdef stable_points points[STABLE_MOST_COLUMNS]
    cdef stable_set_codes sets[STABLE_MOST_COLUMNS]
    cdef tuple kept

    def __init__(self, StableQuestion question not None, const unsigned int[::1] codes not None,
                 const unsigned int[::1] unread not None, const unsigned int[::1] names not None, sets):
        cdef int c, columns = question.stable.columns
        cdef int64_t row, rows = len(codes) // max(columns, 1)
        cdef long long[::1] begins
        cdef unsigned int[::1] elements
        if self.kept is not None or not columns:
            raise TypeError("the pairs of a fleet are made once, of a question with attributes")
        if len(codes) != rows * columns or len(unread) != columns or len(sets) != columns or (
            len(names) != question.stable.name_count
        ):
            raise ValueError(f"codes, unreadable values and sets are those of {columns} attributes")
        if rows >= <int64_t>1 << 32:
            raise ValueError("there must be fewer than 2**32 rows")
        self.asked = question.stable
        memcpy(self.points, question.points, columns * sizeof(stable_points))
        kept = [question, codes, unread, names]
        for c in range(columns):
            self.sets[c].begins = NULL
            if sets[c] is not None:
                begins, elements = sets[c]
                if not self.points[c].several or len(begins) != rows + 1 or begins[0] < 0 or (
                    begins[rows] > len(elements)
                ):
                    raise ValueError("a set has the beginning of each row, and the end")
                for row in range(rows):
                    if begins[row] > begins[row + 1]:
                        raise IndexError("the elements of a row end before they begin")
                if len(elements):
                    self.sets[c].elements = <const uint32_t *>&elements[0]
                    with nogil:
                        stable_sort_sets(<const int64_t *>&begins[0], rows, <uint32_t *>&elements[0])
                self.sets[c].begins = <const int64_t *>&begins[0]
                kept += [begins, elements]
            # Two sets that overlap have one code in a pair.
            self.points[c].several = 0
        self.asked.points = self.points
        self.fleet.rows = rows
        self.fleet.codes = <const uint32_t *>&codes[0] if rows else NULL
        self.fleet.unread, self.fleet.names = <const uint32_t *>&unread[0], <const uint32_t *>&names[0]
        self.fleet.sets = self.sets
        self.kept = tuple(kept)

    def outcomes(self, const unsigned int[::1] one not None, const unsigned int[::1] other not None,
                 unsigned char[::1] outcomes not None, unsigned char[::1] notes=None):
        """Decide pairs of rows, with the GIL released: threads may decide different pairs.

        An attribute is unknown in a pair if one of the two rows has it unreadable, and the other one has it.

        Args:
            one, other: the rows.
            outcomes, notes: as those of `StableQuestion.outcomes`, with an item for each pair.

        Raises:
            IndexError: a row is out of range, or a buffer is too small.
            MemoryError: out of memory.
        """
        cdef int64_t i, count = len(one)
        cdef stable_answer answer
        cdef int failed
        if self.kept is None:
            raise TypeError("there are no rows")
        if min(len(other), len(outcomes), count if notes is None else len(notes)) < count:
            raise IndexError(f"a buffer is too small for {count} pairs")
        for i in range(count):
            if one[i] >= self.fleet.rows or other[i] >= self.fleet.rows:
                raise IndexError("there is no such row")
        if not count:
            return
        memset(&answer, 0, sizeof(answer))
        answer.outcomes = &outcomes[0]
        if notes is not None:
            answer.notes = &notes[0]
        with nogil:
            failed = stable_decide_pairs(
                &self.asked, &self.fleet, <const uint32_t *>&one[0], <const uint32_t *>&other[0], count, &answer
            )
        if failed:
            raise MemoryError


def elements_of(Batch batch, int64_t column):
    """Return the elements of sets, each once: how many each row has, their offsets, and their bytes; as a large binary.

    Raises:
        IndexError: there is no such column.
        TypeError: its values are neither strings nor binaries.
        MemoryError: out of memory.
    """
    cdef near_run run
    cdef int64_t found, size, rows = batch.array.length
    cdef bytes counts, offsets, text
    cdef int32_t *to_counts
    cdef int64_t *to_offsets
    cdef uint8_t *to_text
    memset(&run, 0, sizeof(run))
    kept = _fill_run(&run, batch, column)
    run.end = rows
    size = stable_bytes_of(&run)
    counts = PyBytes_FromStringAndSize(NULL, rows * sizeof(int32_t))
    offsets = PyBytes_FromStringAndSize(NULL, (size // 2 + rows + 2) * sizeof(int64_t))
    text = PyBytes_FromStringAndSize(NULL, size)
    to_counts = <int32_t *>PyBytes_AsString(counts)
    to_offsets = <int64_t *>PyBytes_AsString(offsets)
    to_text = <uint8_t *>PyBytes_AsString(text)
    with nogil:
        found = stable_elements(&run, to_counts, to_offsets, to_text)
    if found < 0:
        raise MemoryError
    return counts, offsets[: (found + 1) * sizeof(int64_t)], text
