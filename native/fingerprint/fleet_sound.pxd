from libc.stdint cimport int64_t, uint8_t

cdef extern from "fleet_sound.h":
    int sound_offsets(const uint8_t *offsets, int64_t rows, int64_t room) nogil
    int sound_large_offsets(const uint8_t *offsets, int64_t rows, int64_t room) nogil
    int sound_views(const uint8_t *views, const uint8_t *valid, int64_t at, int64_t rows,
                    const uint8_t *const *pieces, const int64_t *rooms, int64_t count) nogil
    int64_t sound_count_unset(const uint8_t *bits, int64_t at, int64_t rows) nogil
