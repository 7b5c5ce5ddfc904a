cdef extern from "canonical.h":
    enum:
        CANONICAL_SIZE

    size_t canonical_text(const unsigned char *source, size_t length, char *to) nogil
    size_t canonical_serial(const unsigned char *source, size_t length, char *to) nogil
    # Renamed, because a Python function of _core has the same name.
    size_t uuid_digits "canonical_uuid"(const unsigned char *data, char *to) nogil
    const char *hypervisor_of_names(const char **names, size_t count, int says_virtual) nogil
