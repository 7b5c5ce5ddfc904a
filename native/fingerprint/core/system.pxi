# Data of the kernel and the processor, read in few system calls. Linux and x86; OSError on other systems.
#
# `fingerprint.machine` reads the sources of scheme `stable` and the addresses here; the vault renames its files with
# `exchange_names` and `take_name`; commands that read secrets call `hide_memory`.

cdef int MOST_TRIES = 3


def hide_memory():
    """Keep this process's memory out of core dumps, crash reports and debuggers of the same user.

    Call it before a secret is read. A process with the right to trace all others (CAP_SYS_PTRACE, root) can still
    read it.

    Returns:
        0, or the errno of the first system call that failed: a sandbox may forbid one of them; the others apply.
    """
    return hide_process_memory()


cdef _system_fail(int code, where):
    from os import strerror

    raise OSError(code, strerror(code), where)


def read_file(str path, size_t limit):
    """Return the bytes of a regular file; it follows a link as last component and never blocks.

    Raises:
        OSError: it is unreadable (EISDIR; EINVAL: neither a regular file nor the null device; EFBIG: more than
            `limit` bytes).
        ValueError: the path has a NUL.
    """
    cdef unsigned char small[8192]
    cdef unsigned char *buffer = small
    cdef bytes name = path.encode("utf-8", "surrogateescape")
    cdef const char *text = name
    cdef size_t length = 0, capacity = sizeof(small) - 1
    cdef int code
    if b"\0" in name:
        raise ValueError("embedded null byte")
    if limit < capacity:
        capacity = limit
    with nogil:
        code = read_regular(text, buffer, capacity, &length)
    if code == EFBIG and capacity < limit:
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
            _system_fail(code, path)
        return PyBytes_FromStringAndSize(<char *>buffer, <Py_ssize_t>length)
    finally:
        if buffer != small:
            free(buffer)


def parse_links(bytes dump):
    """Return the links of an RTM_GETLINK dump, each as (name, kind, bus, hardware type, address, permanent address).

    Raises:
        OSError: a message in it is truncated.
    """
    cdef link_facts link
    cdef size_t at = 0
    cdef int more
    cdef list found = []
    while True:
        more = next_link(<const unsigned char *>PyBytes_AsString(dump), len(dump), &at, &link)
        if more < 0:
            _system_fail(EBADMSG, "netlink")
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


def parse_addresses(bytes dump):
    """Return the IPv4 addresses of an RTM_GETADDR dump in its order, dotted, without those in 127.0.0.0/8.

    Raises:
        OSError: a message in it is truncated.
    """
    cdef unsigned char address[4]
    cdef size_t at = 0
    cdef int more
    cdef list found = []
    while True:
        more = next_ipv4(<const unsigned char *>PyBytes_AsString(dump), len(dump), &at, address)
        if more < 0:
            _system_fail(EBADMSG, "netlink")
        if more == 0:
            return found
        if address[0] != 127:
            found.append(f"{address[0]}.{address[1]}.{address[2]}.{address[3]}")


def link_dump():
    """Return the kernel's RTM_GETLINK dump of this machine, for `parse_links`.

    Raises:
        OSError: the kernel denied it, or the links changed during each of three tries.
    """
    return _dump(dump_links)


def address_dump():
    """Return the kernel's RTM_GETADDR dump of this machine, for `parse_addresses`.

    Raises:
        OSError: the kernel denied it, or the addresses changed during each of three tries.
    """
    return _dump(dump_addresses)


cdef bytes _dump(int (*take)(unsigned char **, size_t *) noexcept nogil):
    cdef unsigned char *data
    cdef size_t length
    cdef int code = EINTR
    for _ in range(MOST_TRIES):
        with nogil:
            code = take(&data, &length)
        try:
            if code == 0:
                return PyBytes_FromStringAndSize(<char *>data, <Py_ssize_t>length)
        finally:
            free(data)
        if code != EINTR:
            break
    _system_fail(code, "netlink")


def outgoing():
    """Return the source address of a packet to the internet; nothing is sent.

    Raises:
        OSError: ENETUNREACH without a default route, and other causes.
    """
    cdef char text[64]
    cdef int code
    with nogil:
        code = outgoing_address(text, sizeof(text))
    if code:
        _system_fail(code, "the default route")
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
        _system_fail(code, target)


def exchange_names(int directory, str one, str other):
    """Exchange two names within an open directory atomically.

    Raises:
        OSError: ENOENT if one is missing; ENOSYS, EINVAL or ENOTSUP if the kernel or file system cannot; other causes.
        ValueError: a name has a NUL.
    """
    _rename(directory, one, other, 1)


def take_name(int directory, str source, str target):
    """Rename a file within an open directory to a free name.

    Raises:
        OSError: EEXIST if the name exists; else as `exchange_names`.
        ValueError: a name has a NUL.
    """
    _rename(directory, source, target, 0)


cdef tuple _processor = None


def processor():
    """Return (brand, ID, hypervisor) of the processor.

    The brand is its name; the ID is 16 hexadecimal digits in the form of SMBIOS: signature and feature flags, least
    byte first; the hypervisor is its signature of 12 characters, "" without one. A process reads them once: under a
    hypervisor each CPUID costs as much as reading a file.

    Raises:
        OSError: the processor has no CPUID.
    """
    global _processor
    cdef char brand[49]
    cdef char hypervisor[13]
    cdef unsigned int signature = 0, features = 0
    cdef int code
    if _processor is None:
        code = processor_identity(brand, &signature, &features, hypervisor)
        if code:
            _system_fail(code, "CPUID")
        identity = int(signature).to_bytes(4, "little") + int(features).to_bytes(4, "little")
        _processor = (
            (<bytes>brand).decode("ascii", "replace").strip(),
            identity.hex(),
            (<bytes>hypervisor).decode("ascii", "replace"),
        )
    return _processor
