from libc.stdint cimport int64_t, uint8_t

cdef extern from "fleet_columns.h":
    struct ArrowSchema:
        const char *format
        const char *name
        int64_t n_children
        ArrowSchema **children
        ArrowSchema *dictionary
        void (*release)(ArrowSchema *) noexcept

    struct ArrowArray:
        int64_t length
        int64_t null_count
        int64_t offset
        int64_t n_buffers
        int64_t n_children
        const void **buffers
        ArrowArray **children
        ArrowArray *dictionary
        void (*release)(ArrowArray *) noexcept

    struct ArrowArrayStream:
        int (*get_schema)(ArrowArrayStream *, ArrowSchema *) noexcept
        int (*get_next)(ArrowArrayStream *, ArrowArray *) noexcept
        const char *(*get_last_error)(ArrowArrayStream *) noexcept
        void (*release)(ArrowArrayStream *) noexcept

    enum:
        FLEET_MISSING
        FLEET_STRING
        FLEET_LARGE
        FLEET_VIEW
        FLEET_WIDE
        FLEET_CODE
        FLEET_MOST_COLUMNS

    ctypedef struct fleet_column:
        int kind
        const uint8_t *valid
        int64_t at
        const void *offsets
        const uint8_t *data
        const uint8_t *const *pieces
        const int64_t *piece_sizes
        int64_t data_size
        int64_t width

    void fleet_detect_processor()
    int fleet_is_integer(const char *format) nogil
    int64_t fleet_integer(char format, const void *numbers, int64_t at) nogil
    int fleet_has(const fleet_column *column, int64_t row) nogil
    const uint8_t *fleet_value(const fleet_column *column, int64_t row, int64_t *length) nogil
