cdef extern from "system.h":
    enum:
        LINK_TEXT
        LINK_ADDRESS

    ctypedef struct link_facts:
        char name[LINK_TEXT]
        char kind[LINK_TEXT]
        char bus[LINK_TEXT]
        int hardware
        int address_length
        int permanent_length
        unsigned char address[LINK_ADDRESS]
        unsigned char permanent[LINK_ADDRESS]

    int next_link(const unsigned char *dump, size_t length, size_t *at, link_facts *link) nogil
    int next_ipv4(const unsigned char *dump, size_t length, size_t *at, unsigned char *address) nogil
    int dump_addresses(unsigned char **data, size_t *length) nogil
    int dump_links(unsigned char **data, size_t *length) nogil
    int outgoing_address(char *text, size_t size) nogil
    int rename_within(int directory, const char *source, const char *target, int exchange) nogil
    int read_regular(const char *path, unsigned char *buffer, size_t limit, size_t *length) nogil
    int processor_identity(char *brand, unsigned int *signature, unsigned int *features, char *hypervisor) nogil


cdef extern from "process_memory.h":
    int hide_process_memory() nogil
