# Whether the columns of a foreign producer stay within their buffers.


cdef int _require_room(const signed char[::1] buffer, int64_t at, int64_t rows, int64_t width) except -1:
    """Raise IndexError unless a buffer has `rows` items of `width` bytes behind the first `at` of them."""
    if at < 0 or rows < 0 or at > INT64_MAX // 64 or rows > INT64_MAX // 64 or (at + rows) * width > len(buffer):
        raise IndexError("the buffer has not so many items")
    return 0


def offsets_fit(const signed char[::1] offsets, int width, int64_t at, int64_t rows, int64_t room):
    """Return whether the offsets of some rows neither go back nor leave what they point into, with the GIL released.

    Args:
        offsets: a buffer of pyarrow, whose bytes are signed; it may begin at any address.
        width: bytes of an offset, 4 or 8.
        at: the first row in the buffer.
        rows: how many; they have one offset more.
        room: how many bytes or items the offsets point into.

    Raises:
        IndexError: the buffer has not so many offsets.
        ValueError: the width is another one.
    """
    cdef bint fit
    if width != 4 and width != 8:
        raise ValueError("an offset has 4 or 8 bytes")
    _require_room(offsets, at, rows + 1, width)
    with nogil:
        if width == 4:
            fit = sound_offsets(<const uint8_t *>&offsets[at * 4], rows, room)
        else:
            fit = sound_large_offsets(<const uint8_t *>&offsets[at * 8], rows, room)
    return fit


def views_fit(const signed char[::1] views, valid, int64_t at, int64_t rows, list pieces):
    """Return whether the views of some rows are sound: what is longer than 12 bytes lies within its piece.

    Args:
        views: the buffer of views, 16 bytes each.
        valid: the buffer of bits of the rows that have a value, None if all have.
        at: the first row in both.
        rows: how many.
        pieces: the buffers that long values lie in.

    Raises:
        IndexError: a buffer has not so many items.
        MemoryError: there is not so much memory.
    """
    cdef const signed char[::1] bits
    cdef const signed char[::1] piece
    cdef const uint8_t *at_bits = NULL
    cdef Py_ssize_t i, count = len(pieces)
    cdef const uint8_t **begins
    cdef int64_t *rooms
    cdef bint fit
    _require_room(views, at, rows, 16)
    if rows == 0:
        return True
    if valid is not None:
        bits = valid
        _require_room(bits, 0, (at + rows + 7) >> 3, 1)
        at_bits = <const uint8_t *>&bits[0]
    begins = <const uint8_t **>calloc(count + 1, sizeof(uint8_t *))
    rooms = <int64_t *>calloc(count + 1, sizeof(int64_t))
    try:
        if begins == NULL or rooms == NULL:
            raise MemoryError
        for i in range(count):
            piece = pieces[i]
            if len(piece):
                begins[i], rooms[i] = <const uint8_t *>&piece[0], len(piece)
        with nogil:
            fit = sound_views(<const uint8_t *>&views[16 * at], at_bits, at, rows, begins, rooms, count)
        return fit
    finally:
        free(begins)
        free(rooms)


def nulls_in(const signed char[::1] valid, int64_t at, int64_t rows):
    """Return how many of some rows have no value. Raises IndexError: there are not so many bits."""
    cdef int64_t found
    # Within a byte for each bit, so that the sum below cannot overflow either.
    if at < 0 or rows < 0 or at > valid.shape[0] * 8 or rows > valid.shape[0] * 8:
        raise IndexError("the bitmap has less bits")
    _require_room(valid, 0, (at + rows + 7) >> 3, 1)
    if rows == 0:
        return 0
    with nogil:
        found = sound_count_unset(<const uint8_t *>&valid[0], at, rows)
    return found
