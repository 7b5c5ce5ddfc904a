cdef extern from "smbios.h":
    ctypedef struct smbios_walk:
        const unsigned char *table
        size_t length
        size_t at
        unsigned long count
        unsigned long seen
        int stop_at_marker
        int ended

    ctypedef struct smbios_structure:
        int type
        size_t length
        const unsigned char *data

    enum:
        SMBIOS_STRUCTURE
        SMBIOS_TEXT

    int smbios_next(smbios_walk *walk, smbios_structure *found) nogil
    int smbios_text(const smbios_structure *found, size_t offset, const unsigned char **text, size_t *length) nogil
    int smbios_numbered(const smbios_structure *found, size_t number, const unsigned char **text, size_t *length) nogil
    int smbios_entry(const unsigned char *entry, size_t length, unsigned long *version, size_t *table,
                     unsigned long *count, int *third) nogil
