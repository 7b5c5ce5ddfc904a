# Part of _fleet.pyx: checks that columns of other producers stay within their buffers.


cdef int _require_items(const signed char[::1] buffer, int64_t at, int64_t rows, int64_t width) except -1:
    """Raise IndexError unless a buffer has at least `at + rows` items of `width` bytes."""
    if at < 0 or rows < 0 or at > INT64_MAX // 64 or rows > INT64_MAX // 64 or (at + rows) * width > len(buffer):
        raise IndexError("the buffer has too few items")
    return 0


def offsets_fit(const signed char[::1] offsets, int width, int64_t at, int64_t rows, int64_t size):
    """Return whether the offsets of some rows ascend and stay within their data, with the GIL released.

    Args:
        offsets: a buffer of pyarrow, whose bytes are signed; it may begin at any address.
        width: bytes of an offset, 4 or 8.
        at: the first row in the buffer.
        rows: their number; they have one offset more.
        size: bytes or items in the data that the offsets point into.

    Raises:
        IndexError: the buffer has fewer offsets.
        ValueError: the width is neither 4 nor 8.
    """
    cdef bint fit
    if width != 4 and width != 8:
        raise ValueError(f"invalid width {width}: an offset has 4 or 8 bytes")
    _require_items(offsets, at, rows + 1, width)
    with nogil:
        if width == 4:
            fit = valid_offsets(<const uint8_t *>&offsets[at * 4], rows, size)
        else:
            fit = valid_large_offsets(<const uint8_t *>&offsets[at * 8], rows, size)
    return fit


def views_fit(const signed char[::1] views, valid, int64_t at, int64_t rows, list pieces):
    """Return whether the views of some rows are valid: a value of more than 12 bytes lies within its piece.

    Args:
        views: the buffer of views, 16 bytes each.
        valid: the buffer with a bit for each row that has a value, None if all have one.
        at: the first row in both.
        rows: their number.
        pieces: the buffers with the long values.

    Raises:
        IndexError: a buffer has fewer items.
        MemoryError: out of memory.
    """
    cdef const signed char[::1] bits
    cdef const signed char[::1] piece
    cdef const uint8_t *at_bits = NULL
    cdef Py_ssize_t i, count = len(pieces)
    cdef const uint8_t **begins
    cdef int64_t *sizes
    cdef bint fit
    _require_items(views, at, rows, 16)
    if rows == 0:
        return True
    if valid is not None:
        bits = valid
        _require_items(bits, 0, (at + rows + 7) >> 3, 1)
        at_bits = <const uint8_t *>&bits[0]
    begins = <const uint8_t **>calloc(count + 1, sizeof(uint8_t *))
    sizes = <int64_t *>calloc(count + 1, sizeof(int64_t))
    try:
        if begins == NULL or sizes == NULL:
            raise MemoryError
        for i in range(count):
            piece = pieces[i]
            if len(piece):
                begins[i], sizes[i] = <const uint8_t *>&piece[0], len(piece)
        with nogil:
            fit = valid_views(<const uint8_t *>&views[16 * at], at_bits, at, rows, begins, sizes, count)
        return fit
    finally:
        free(begins)
        free(sizes)


def nulls_in(const signed char[::1] valid, int64_t at, int64_t rows):
    """Return how many of some rows lack a value. Raises IndexError: the bitmap has fewer bits."""
    cdef int64_t found
    # Each number alone is checked first, so that their sum cannot overflow.
    if at < 0 or rows < 0 or at > valid.shape[0] * 8 or rows > valid.shape[0] * 8:
        raise IndexError("the bitmap has too few bits")
    _require_items(valid, 0, (at + rows + 7) >> 3, 1)
    if rows == 0:
        return 0
    with nogil:
        found = count_unset_bits(<const uint8_t *>&valid[0], at, rows)
    return found
