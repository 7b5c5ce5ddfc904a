# Part of _fleet.pyx: the description of an Arrow column for the engines in C.


cdef str _name(ArrowSchema *schema):
    return (<bytes>schema.name).decode("utf-8", "replace") if schema.name != NULL else "a column"


cdef str _format_of(ArrowSchema *schema):
    if schema.dictionary != NULL:
        return f"dictionary of {_format_of(schema.dictionary)}"
    return (<bytes>schema.format).decode()


cdef int _place(fleet_column *column, ArrowArray *array, int64_t offset) except -1:
    """Set where the rows of a column begin and which are null. offset: that of the batch with the column."""
    column.at = array.offset + offset
    column.valid = NULL
    if array.null_count != 0 and array.n_buffers > 0:
        column.valid = <const uint8_t *>array.buffers[0]
    return 0


cdef tuple _STRINGS = (b"u", b"z", b"U", b"Z", b"vu", b"vz")


cdef int _require_alike(ArrowSchema *saved, ArrowSchema *current) except -1:
    """Raise TypeError unless equal bytes mean equal values: ids, and binaries of one size, need the same type."""
    cdef bytes one = (saved if saved.dictionary == NULL else saved.dictionary).format
    cdef bytes other = (current if current.dictionary == NULL else current.dictionary).format
    if one == other or (one in _STRINGS and other in _STRINGS) or b"n" in (one, other):
        return 0
    raise TypeError(
        f"{_name(saved)} and {_name(current)} cannot be compared: they are of types "
        f"{_format_of(saved)} and {_format_of(current)}"
    )


cdef bytes _codes(fleet_column *words, ArrowSchema *schema, ArrowArray *array, int64_t offset, int64_t rows):
    """Return a code for each row of a column, -1 for null, and describe in `words` the values of the codes.

    The codes of a dictionary are its indexes, those of another column the numbers of its rows.

    Raises:
        TypeError: the values cannot be compared, or a code is not in the dictionary.
    """
    cdef fleet_column column
    cdef int64_t i, code, most = rows if schema.dictionary == NULL else array.dictionary.length
    cdef bytes codes = PyBytes_FromStringAndSize(NULL, rows * sizeof(int32_t))
    cdef int32_t *to = <int32_t *>PyBytes_AsString(codes)
    cdef char format = schema.format[0]
    if most > INT32_MAX // 2:
        raise TypeError(f"{_name(schema)} has {most} values: a column has at most {INT32_MAX // 2}")
    memset(&column, 0, sizeof(column))
    _place(&column, array, offset)
    if schema.dictionary == NULL:
        words[0] = column
        _describe(words, schema, schema, array, rows)
        for i in range(rows):
            to[i] = <int32_t>i if fleet_has(words, i) else -1
        return codes
    if not fleet_is_integer(schema.format):
        raise TypeError(f"{_name(schema)} has codes of type {(<bytes>schema.format).decode()}: codes are integers")
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
        TypeError: they cannot be compared; the message names the column `named`.
    """
    cdef bytes layout = schema.format
    cdef int64_t begin = 0
    if schema.dictionary != NULL:
        raise TypeError(f"{_name(named)} is of type {_format_of(named)}, which cannot be compared")
    if layout == b"n":
        column.kind = FLEET_MISSING
        return 0
    if layout in (b"i", b"I"):
        column.kind, column.width = FLEET_CODE, 4
        column.offsets = array.buffers[1]
    elif layout.startswith(b"w:"):
        column.kind, column.width = FLEET_WIDE, int(layout[2:])
        column.data = <const uint8_t *>array.buffers[1]
    elif layout in (b"u", b"z"):
        column.kind = FLEET_STRING
        column.offsets, column.data = array.buffers[1], <const uint8_t *>array.buffers[2]
        if rows:
            begin = (<const int32_t *>column.offsets)[column.at]
            column.data_size = (<const int32_t *>column.offsets)[column.at + rows]
    elif layout in (b"U", b"Z"):
        column.kind = FLEET_LARGE
        column.offsets, column.data = array.buffers[1], <const uint8_t *>array.buffers[2]
        if rows:
            begin = (<const int64_t *>column.offsets)[column.at]
            column.data_size = (<const int64_t *>column.offsets)[column.at + rows]
    elif layout in (b"vu", b"vz"):
        column.kind, column.width = FLEET_VIEW, 16
        column.offsets = array.buffers[1]
        column.pieces = <const uint8_t *const *>&array.buffers[2]
        column.piece_sizes = <const int64_t *>array.buffers[array.n_buffers - 1]
    else:
        raise TypeError(f"{_name(named)} is of type {_format_of(named)}, which cannot be compared")
    if rows and column.kind in (FLEET_STRING, FLEET_LARGE):
        column.width = (column.data_size - begin) // rows
    return 0
