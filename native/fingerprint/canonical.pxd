cdef extern from "canonical.h":
    enum:
        CANONICAL_ROOM

    size_t canonical_text(const unsigned char *source, size_t length, char *to) nogil
    size_t canonical_serial(const unsigned char *source, size_t length, char *to) nogil
    # Renamed, as the function of this core's interface has the same name.
    size_t uuid_digits "canonical_uuid"(const unsigned char *data, char *to) nogil
    const char *hypervisor_of_texts(const char **texts, size_t count) nogil
