from libc.stdint cimport int64_t

cdef extern from "json_text.h":
    enum:
        JSON_DEPTH

    ctypedef struct json_reader:
        const char *p
        const char *begin
        const char *end
        const char *error
        const char *error_at

    ctypedef struct json_string:
        const char *data
        size_t length
        int escaped

    void json_open(json_reader *r, const char *text, size_t length) nogil
    int json_fail(json_reader *r, const char *problem, const char *at) nogil
    int json_peek(json_reader *r) nogil
    int json_scan_string(json_reader *r, json_string *out) nogil
    size_t json_decode(const json_string *string, char *out) nogil
    int json_scan_number(json_reader *r, int *is_integer) nogil
    int json_scan_int64(json_reader *r, int64_t *value) nogil
    int json_scan_word(json_reader *r, const char *word, size_t length) nogil
    int json_next_member(json_reader *r, int *first, json_string *name) nogil
    int json_next_element(json_reader *r, int *first) nogil
    int json_skip(json_reader *r, int depth) nogil
    int json_close(json_reader *r) nogil
