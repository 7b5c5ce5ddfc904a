from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

from fingerprint.fleet_stable cimport stable_answer, stable_question
from fingerprint.near cimport near_run

cdef extern from "stable_pairs.h":
    ctypedef struct stable_set_codes:
        const int64_t *begins
        const uint32_t *elements

    ctypedef struct stable_fleet:
        const uint32_t *codes
        const uint32_t *unread
        const uint32_t *names
        const stable_set_codes *sets
        int64_t rows

    void stable_sort_sets(const int64_t *begins, int64_t rows, uint32_t *elements) nogil
    int stable_decide_pairs(const stable_question *asked, const stable_fleet *fleet, const uint32_t *one,
                            const uint32_t *other, int64_t count, const stable_answer *answer) nogil
    int64_t stable_elements(const near_run *run, int32_t *counts, int64_t *offsets, uint8_t *text) nogil
    int64_t stable_bytes_of(const near_run *run) nogil
