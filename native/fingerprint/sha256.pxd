cdef extern from "sha256.h":
    ctypedef struct sha256_context:
        pass

    void sha256_begin(sha256_context *context) nogil
    void sha256_add(sha256_context *context, const void *data, size_t length) nogil
    void sha256_end(sha256_context *context, unsigned char *digest) nogil
