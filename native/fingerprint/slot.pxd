cdef extern from "slot.h":
    ctypedef struct slot_t:
        pass

    bint slot_equal(const slot_t *a, const slot_t *b) nogil
    bint slot_is_long(const slot_t *a) nogil
    void slot_fill(slot_t *slot, const char *text, size_t length) nogil
