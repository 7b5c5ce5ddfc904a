from libc.stdint cimport int64_t, uint32_t

cdef extern from "ssm_rule.h":
    enum ssm_reason:
        pass

    float ssm_percent(uint32_t matched, uint32_t total) nogil
    bint ssm_passes(uint32_t matched, uint32_t total, int64_t threshold) nogil
    ssm_reason ssm_decide(int64_t threshold, uint32_t saved_count, uint32_t current_count, bint sid_equal,
                          bint ip_equal, uint32_t matched) nogil
    bint ssm_is_match(ssm_reason reason) nogil
