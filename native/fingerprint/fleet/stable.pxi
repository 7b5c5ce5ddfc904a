# Part of _fleet.pyx: the rule of scheme `stable` over the columns of a batch. The engine is
# native/include/fleet_stable.h.


cdef class StableQuestion(Pairs):
    """Pairs of columns of a batch, and the points that they give if they agree and if they differ."""

    cdef stable_points *points
    cdef stable_name *names
    cdef stable_question stable
    cdef tuple kinds

    def __init__(self, Batch batch, saved, current, points, int hypervisor, int platform, int generation, names,
                 int deciding, int limit):
        cdef Py_ssize_t i, count = len(points)
        cdef int in_favour[2]
        cdef int against[2]
        cdef bytes name
        if not (len(saved) == len(current) == count and 0 < count <= STABLE_MOST_COLUMNS):
            raise ValueError(f"a question by scheme stable has 1 to {STABLE_MOST_COLUMNS} attributes")
        if not (0 <= hypervisor < count and 0 <= platform < count and -1 <= generation < count and names):
            raise ValueError("hypervisor and platform must be among the attributes, and physical hardware has a name")
        self.kinds = tuple([kind.encode() for kind in names])
        self.points = <stable_points *>calloc(count, sizeof(stable_points))
        self.names = <stable_name *>calloc(len(self.kinds), sizeof(stable_name))
        if self.points == NULL or self.names == NULL:
            raise MemoryError
        self.stable.hypervisor = hypervisor
        in_favour[0] = in_favour[1] = against[0] = against[1] = 0
        for i, (identity, several, physical, virtual) in enumerate(points):
            self.points[i].identity, self.points[i].several = bool(identity), bool(several)
            for kind, (agrees, differs) in enumerate((physical, virtual)):
                if not (0 <= agrees <= STABLE_MOST_POINTS and 0 <= differs <= STABLE_MOST_POINTS):
                    raise ValueError(f"{agrees} and {differs} are not 0 to {STABLE_MOST_POINTS} points")
                in_favour[<int>kind] += agrees
                against[<int>kind] += differs
                self.points[i].agrees[<int>kind] = agrees
                self.points[i].differs[<int>kind] = -differs
        if max(in_favour[0], in_favour[1], against[0], against[1]) > STABLE_MOST_POINTS:
            raise ValueError(f"all attributes have more than {STABLE_MOST_POINTS} points")
        self._describe_pairs(batch, saved, current)
        for i in range(count):
            self._require_strings(i)
        for i in range(len(self.kinds)):
            name = self.kinds[i]
            self.names[i].text, self.names[i].length = <const char *>name, len(name)
        self.stable.saved, self.stable.current, self.stable.points = self.saved, self.current, self.points
        self.stable.names, self.stable.name_count = self.names, <int>len(self.kinds)
        self.stable.columns, self.stable.platform = <int>count, platform
        self.stable.deciding, self.stable.limit, self.stable.generation = deciding, limit, generation

    def __dealloc__(self):
        free(self.points)
        free(self.names)

    cdef dict _known(self, Py_ssize_t attribute):
        # The first codes are those of fleet_stable.h.
        known = {b"": 0, b"?": 1}
        if attribute == self.stable.hypervisor:
            known.update({kind: STABLE_CODE_FIRST + i for i, kind in enumerate(self.kinds)})
        return known

    cdef int _require_strings(self, Py_ssize_t i) except -1:
        cdef fleet_column *side
        for at in range(2):
            side = &self.current[i] if at else &self.saved[i]
            if side.kind == FLEET_WIDE or (side.kind == FLEET_CODE and side.width != 0):
                raise TypeError("values of scheme stable are strings")
            if side.kind == FLEET_CODE and self.points[i].several:
                raise TypeError("sets of scheme stable are strings without a dictionary")
        return 0

    def outcomes(self, int64_t begin, int64_t end, unsigned char[::1] outcomes, unsigned char[::1] notes=None,
                 signed char[::1] identity=None, signed char[::1] circumstance=None,
                 unsigned long long[::1] words=None, long long[::1] changed=None, long long[::1] unread=None):
        """Decide rows, with the GIL released: threads may decide different rows of one question.

        Args:
            begin, end: the rows, counted in the batch.
            outcomes: a buffer with an item for each row of the batch; gets 0..2, in the order of `Outcome`.
            notes: one of the same size; gets bits: 1 virtual, 2 and 4 identity-bearing hardware is no evidence (of a
                container, the kind changed), 8 unreadable attributes could change the outcome.
            identity, circumstance: of the same size; get the two sums of points.
            words: with two items for each row; get four bits for each attribute: 0 neither side has a value, 1 saved,
                2 current, 3 both are equal, 4 they differ, 5 unreadable, 6 two sets overlap.
            changed, unread: with an item for each attribute; each item grows by the number of rows where the attribute
                differs or is unreadable. Require buffers for each thread.

        Raises:
            IndexError: a row is out of range, or a buffer is too small.
            MemoryError: there is no memory for a set of many elements.
        """
        cdef int64_t rows = self.batch.array.length
        cdef stable_answer answer
        cdef int failed
        memset(&answer, 0, sizeof(answer))
        if not 0 <= begin <= end <= rows or len(outcomes) < rows:
            raise IndexError(f"rows {begin} to {end} of {rows}: out of range, or the buffer of outcomes is too small")
        per_row = min(
            rows if notes is None else len(notes), rows if identity is None else len(identity),
            rows if circumstance is None else len(circumstance), rows if words is None else len(words) // 2,
        )
        columns = min(
            self.stable.columns if changed is None else len(changed),
            self.stable.columns if unread is None else len(unread),
        )
        if per_row < rows or columns < self.stable.columns:
            raise IndexError(f"a buffer is too small for {rows} rows or {self.stable.columns} attributes")
        if (changed is None) != (unread is None):
            raise IndexError("the counts of changed and unreadable attributes are written together")
        if begin == end:
            return
        answer.outcomes = &outcomes[0]
        if notes is not None:
            answer.notes = &notes[0]
        if identity is not None:
            answer.identity = <int8_t *>&identity[0]
        if circumstance is not None:
            answer.circumstance = <int8_t *>&circumstance[0]
        if words is not None:
            answer.words = <uint64_t *>&words[0]
        if changed is not None:
            answer.changed, answer.unread = <int64_t *>&changed[0], <int64_t *>&unread[0]
        with nogil:
            failed = stable_decide(&self.stable, begin, end, &answer)
        if failed:
            raise MemoryError
