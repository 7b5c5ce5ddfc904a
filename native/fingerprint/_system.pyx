"""The machine's kernel and processor, asked in as few system calls as it takes. Linux and x86; else OSError.

Every function here is a source of scheme `stable`, and `fingerprint.machine.base` asks it; but for `exchange_names`
and `take_name`, which the vault writes by, and `hide_memory`.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdlib cimport free, malloc

from os import strerror


cdef extern from "system.h":
    ctypedef struct link_facts:
        char name[32]
        char kind[32]
        char bus[32]
        int hardware
        int address_length
        int permanent_length
        unsigned char address[32]
        unsigned char permanent[32]

    int next_link(const unsigned char *dump, size_t length, size_t *at, link_facts *link) nogil
    int dump_links(unsigned char **data, size_t *length) nogil
    int outgoing_address(char *text, size_t room) nogil
    int rename_within(int directory, const char *source, const char *target, int exchange) nogil
    int read_regular(const char *path, unsigned char *buffer, size_t limit, size_t *length) nogil
    int processor_identity(char *brand, unsigned int *signature, unsigned int *features, char *hypervisor) nogil


cdef extern from "process_memory.h":
    int hide_process_memory() nogil


cdef extern from "errno.h":
    int EINTR
    int EBADMSG
    int EFBIG
    int EINVAL


cdef int TRIED = 3


def hide_memory():
    """Keep this process's memory out of core dumps, crash reports and debuggers of the same user.

    Call it before a secret is read. Only a process with the right to trace any other (CAP_SYS_PTRACE, root) still
    reads it.

    Returns:
        0, or the number of the first system call's error: sandboxes may forbid one of several. The others apply.
    """
    return hide_process_memory()


cdef _fail(int code, where):
    raise OSError(code, strerror(code), where)


def read_file(str path, size_t limit):
    """Return the bytes of a regular file; a link at its end is followed, nothing is waited for.

    Raises:
        OSError: it could not be read (EISDIR; EINVAL: it is neither a regular file nor the null device; EFBIG: it has
            more than `limit` bytes).
        ValueError: there is a NUL in the path.
    """
    cdef unsigned char small[8192]
    cdef unsigned char *buffer = small
    cdef bytes name = path.encode("utf-8", "surrogateescape")
    cdef const char *text = name
    cdef size_t length = 0, room = sizeof(small) - 1
    cdef int code
    if b"\0" in name:
        raise ValueError("embedded null byte")
    if limit < room:
        room = limit
    with nogil:
        code = read_regular(text, buffer, room, &length)
    if code == EFBIG and room < limit:
        buffer = <unsigned char *>malloc(limit + 1)
        if buffer == NULL:
            raise MemoryError
        with nogil:
            code = read_regular(text, buffer, limit, &length)
    try:
        if code == EINVAL:
            raise OSError(code, "it is not a regular file", path)
        if code == EFBIG:
            raise OSError(code, f"it has more than {limit} bytes", path)
        if code:
            _fail(code, path)
        return PyBytes_FromStringAndSize(<char *>buffer, <Py_ssize_t>length)
    finally:
        if buffer != small:
            free(buffer)


cdef _parsed(const unsigned char *dump, size_t length):
    cdef link_facts link
    cdef size_t at = 0
    cdef int more
    cdef list found = []
    while True:
        more = next_link(dump, length, &at, &link)
        if more < 0:
            _fail(EBADMSG, "netlink")
        if more == 0:
            return found
        found.append(
            (
                (<bytes>link.name).decode("utf-8", "replace"),
                (<bytes>link.kind).decode("ascii", "replace"),
                (<bytes>link.bus).decode("ascii", "replace"),
                link.hardware,
                link.address[:link.address_length],
                link.permanent[:link.permanent_length],
            )
        )


def parse_links(bytes dump):
    """Return the links of an RTM_GETLINK dump, each as (name, kind, bus, hardware type, address, permanent address).

    Raises:
        OSError: a message of it is cut short.
    """
    return _parsed(<const unsigned char *><const char *>dump, len(dump))


def links():
    """Return the links of this machine as `parse_links` does, in the order of the kernel.

    Raises:
        OSError: the kernel did not tell them, or they kept changing.
    """
    cdef unsigned char *data
    cdef size_t length
    cdef int code = EINTR
    for _ in range(TRIED):
        with nogil:
            code = dump_links(&data, &length)
        try:
            if code == 0:
                return _parsed(data, length)
        finally:
            free(data)
        if code != EINTR:
            break
    _fail(code, "netlink")


def outgoing():
    """Return the address that a packet to the outside would come from; nothing is sent.

    Raises:
        OSError: ENETUNREACH without a default route, and others.
    """
    cdef char text[64]
    cdef int code
    with nogil:
        code = outgoing_address(text, sizeof(text))
    if code:
        _fail(code, "the default route")
    return (<bytes>text).decode("ascii")


cdef _rename(int directory, str source, str target, int exchange):
    cdef bytes first = source.encode("utf-8", "surrogateescape"), second = target.encode("utf-8", "surrogateescape")
    cdef const char *from_name = first
    cdef const char *to_name = second
    cdef int code
    if b"\0" in first or b"\0" in second:
        raise ValueError("embedded null byte")
    with nogil:
        code = rename_within(directory, from_name, to_name, exchange)
    if code:
        _fail(code, target)


def exchange_names(int directory, str one, str other):
    """Exchange two names within an open directory at one stroke.

    Raises:
        OSError: ENOENT where one is missing; ENOSYS, EINVAL or ENOTSUP where kernel or file system cannot; others.
        ValueError: there is a NUL in a name.
    """
    _rename(directory, one, other, 1)


def take_name(int directory, str source, str target):
    """Rename a file within an open directory to a name that is free.

    Raises:
        OSError: EEXIST where the name is taken; else as `exchange_names`.
        ValueError: there is a NUL in a name.
    """
    _rename(directory, source, target, 0)


cdef tuple ASKED = None


def processor():
    """Return (brand, id, hypervisor) as the processor tells them.

    The brand is its name; the id is 16 hexadecimal digits in the form of SMBIOS: signature and feature
    flags, least byte first; the hypervisor is its 12 characters, "" without one. A process asks once:
    under a hypervisor each CPUID costs as much as reading a file.

    Raises:
        OSError: the processor has no CPUID.
    """
    global ASKED
    cdef char brand[49]
    cdef char hypervisor[13]
    cdef unsigned int signature = 0, features = 0
    cdef int code
    if ASKED is None:
        code = processor_identity(brand, &signature, &features, hypervisor)
        if code:
            _fail(code, "CPUID")
        told = int(signature).to_bytes(4, "little") + int(features).to_bytes(4, "little")
        ASKED = (
            (<bytes>brand).decode("ascii", "replace").strip(),
            told.hex(),
            (<bytes>hypervisor).decode("ascii", "replace"),
        )
    return ASKED
