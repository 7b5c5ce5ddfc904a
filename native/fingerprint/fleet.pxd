from libc.stdint cimport int32_t, int64_t, uint8_t

from fingerprint.fleet_columns cimport fleet_column

cdef extern from "fleet.h":
    ctypedef struct fleet_question:
        const fleet_column *saved
        const fleet_column *current
        const int *order
        int columns
        int sid
        int ip
        const int32_t *thresholds
        const uint8_t *thresholds_valid
        int64_t thresholds_at
        int32_t threshold

    void fleet_decide(const fleet_question *asked, int64_t begin, int64_t end, uint8_t *reasons, uint8_t *matched,
                      uint8_t *totals, int64_t *changed) nogil
    void fleet_compare(const fleet_column *saved, const fleet_column *current, int64_t begin, int64_t end,
                       uint8_t *same, uint8_t *has, uint8_t *had) nogil
