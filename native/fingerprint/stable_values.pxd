from fingerprint.sha256 cimport sha256_context
from fingerprint.smbios cimport smbios_walk

cdef extern from "stable_values.h":
    enum:
        ELEMENT_DIGITS
        PART_SIZE
        VALUE_DIGITS

    ctypedef struct part_list:
        char (*parts)[PART_SIZE]
        size_t count
        size_t capacity

    ctypedef struct stable_facts:
        char system_uuid[VALUE_DIGITS + 1]
        char system_serial[VALUE_DIGITS + 1]
        char board_serial[VALUE_DIGITS + 1]
        char chassis_serial[VALUE_DIGITS + 1]
        char cloud_instance[VALUE_DIGITS + 1]
        char platform[VALUE_DIGITS + 1]
        char board[VALUE_DIGITS + 1]
        char processor[VALUE_DIGITS + 1]
        char memory[VALUE_DIGITS + 1]
        char firmware[VALUE_DIGITS + 1]
        const char *hypervisor
        part_list memory_serials

    void digest_begin(sha256_context *context, const char *name, size_t length) nogil
    void digest_part(sha256_context *context, const char *part, size_t length) nogil
    void digest_end(sha256_context *context, char *to, int digits) nogil
    size_t join_parts(const part_list *list, char *to) nogil
    int stable_of_table(smbios_walk *walk, stable_facts *facts, part_list *processors, part_list *modules) nogil
