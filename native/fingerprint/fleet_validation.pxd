from libc.stdint cimport int64_t, uint8_t

cdef extern from "fleet_validation.h":
    int valid_offsets(const uint8_t *offsets, int64_t rows, int64_t size) nogil
    int valid_large_offsets(const uint8_t *offsets, int64_t rows, int64_t size) nogil
    int valid_views(const uint8_t *views, const uint8_t *valid, int64_t at, int64_t rows,
                    const uint8_t *const *pieces, const int64_t *sizes, int64_t count) nogil
    int64_t count_unset_bits(const uint8_t *bits, int64_t at, int64_t rows) nogil
