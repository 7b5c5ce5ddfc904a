from libc.stdint cimport int8_t, int64_t, uint8_t, uint64_t

from fingerprint.fleet_columns cimport fleet_column

cdef extern from "fleet_stable.h":
    enum:
        STABLE_CODE_FIRST
        STABLE_MOST_COLUMNS
        STABLE_MOST_POINTS

    ctypedef struct stable_points:
        int8_t agrees[2]
        int8_t differs[2]
        uint8_t identity
        uint8_t several

    ctypedef struct stable_name:
        const char *text
        int64_t length

    ctypedef struct stable_question:
        const fleet_column *saved
        const fleet_column *current
        const stable_points *points
        const stable_name *names
        int columns
        int name_count
        int hypervisor
        int platform
        int deciding
        int limit
        int generation

    ctypedef struct stable_answer:
        uint8_t *outcomes
        uint8_t *notes
        int8_t *identity
        int8_t *circumstance
        uint64_t *words
        int64_t *changed
        int64_t *unread

    int stable_decide(const stable_question *asked, int64_t begin, int64_t end, const stable_answer *answer) nogil
