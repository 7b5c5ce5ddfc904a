from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from fingerprint.fleet_columns cimport fleet_column

cdef extern from "near.h":
    enum:
        NEAR_MOST_COLUMNS
        NEAR_TILE

    ctypedef struct near_run:
        fleet_column column
        const int32_t *codes
        int64_t begin
        int64_t end

    ctypedef struct near_fleet:
        int64_t rows
        int columns
        int at_least
        const uint32_t *codes
        const uint8_t *frequencies
        const uint32_t *sids
        const uint8_t *sid_frequencies
        const near_nodes *nodes

    ctypedef struct near_nodes:
        uint32_t used

    ctypedef struct near_token:
        uint32_t code
        uint32_t row

    ctypedef struct near_tokens:
        near_token *tokens[32]
        int64_t used[32]

    ctypedef struct near_answer:
        int64_t pairs[33]
        int64_t compared
        uint32_t *parents
        uint32_t *list
        int64_t listed
        int64_t limit

    ctypedef struct near_group:
        const uint32_t *rows

    int near_has(const near_run *run, int64_t row) nogil
    const uint8_t *near_value(const near_run *run, int64_t row, int64_t *length) nogil
    int near_encode(const near_run *runs, int64_t count, uint64_t seed, uint8_t *seen, uint64_t mask,
                    uint32_t *codes, uint8_t *frequencies) nogil
    uint32_t near_code_of_empty(const near_run *runs, int64_t count, const uint32_t *codes) nogil
    int near_nodes_make(near_nodes *nodes, int64_t rows) nogil
    int near_nodes_gather(near_nodes *nodes, const near_fleet *fleet) nogil
    void near_nodes_free(near_nodes *nodes) nogil
    int near_collect(const near_fleet *fleet, int64_t begin, int64_t end, uint64_t seed, near_tokens *into,
                     near_nodes *nodes) nogil
    void near_within(const near_fleet *fleet, int64_t begin, int64_t end, near_answer *answer) nogil
    int near_sort(near_token *tokens, int64_t count) nogil
    int near_groups(const near_fleet *fleet, int column, const near_token *tokens, int64_t begin, int64_t end,
                    near_answer *answer) nogil
    int near_group_make(near_group *group, const near_fleet *fleet, const uint32_t *rows, int64_t count,
                        int with_bytes) nogil
    void near_group_free(near_group *group) nogil
    void near_brute(const near_fleet *fleet, const near_group *group, int column, int64_t begin, int64_t end,
                    near_answer *answer) nogil
    void near_tokens_free(near_tokens *tokens) nogil
    uint32_t near_root(uint32_t *parents, uint32_t row) nogil
    void near_join(uint32_t *parents, uint32_t a, uint32_t b) nogil
