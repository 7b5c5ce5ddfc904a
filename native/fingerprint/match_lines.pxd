from libc.stdint cimport uint64_t

cdef extern from "match_lines.h":
    uint64_t key_prefix(const char *key, size_t length) nogil
    size_t put_percent(char *out, float percent) nogil
