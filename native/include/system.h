/* System calls that the standard library lacks or makes slow: files, links and the address of the default route on
   Linux; the identity of an x86 processor; two kinds of rename on Linux and macOS.

   On other systems the functions fail with ENOTSUP, and their callers continue without them. */

#ifndef FINGERPRINT_SYSTEM_H
#define FINGERPRINT_SYSTEM_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LINK_TEXT 32
#define LINK_ADDRESS 32

typedef struct {
    char name[LINK_TEXT];
    /* Such as "veth" or "bridge"; "" for a driver without a kind. */
    char kind[LINK_TEXT];
    /* Such as "pci", "usb" or "virtio"; "" without a device, or if the kernel (before 5.14) does not report it. */
    char bus[LINK_TEXT];
    int hardware;
    int address_length;
    int permanent_length;
    unsigned char address[LINK_ADDRESS];
    unsigned char permanent[LINK_ADDRESS];
} link_facts;

/* Of linux/netlink.h, rtnetlink.h and if_link.h; by number, so that the parser builds and is tested on all systems. */
enum {
    NL_HEADER = 16, NL_ERROR = 2, NL_DONE = 3, NL_DUMP_INTERRUPTED = 0x10,
    RTM_LINK = 16, RTM_LINK_REQUEST = 18, LINK_HEADER = 16,
    RTM_ADDRESS = 20, RTM_ADDRESS_REQUEST = 22, ADDRESS_HEADER = 8, FAMILY_IPV4 = 2,
    ADDRESS_ATTRIBUTE_ADDRESS = 1, ADDRESS_ATTRIBUTE_LOCAL = 2,
    LINK_ATTRIBUTE_ADDRESS = 1, LINK_ATTRIBUTE_NAME = 3, LINK_ATTRIBUTE_INFO = 18, LINK_INFO_KIND = 1,
    LINK_ATTRIBUTE_FILTER = 29, LINK_FILTER_WITHOUT_STATISTICS = 8,
    LINK_ATTRIBUTE_PERMANENT = 54, LINK_ATTRIBUTE_BUS = 57
};

static uint16_t native_u16(const unsigned char *at) { uint16_t v; memcpy(&v, at, 2); return v; }
static uint32_t native_u32(const unsigned char *at) { uint32_t v; memcpy(&v, at, 4); return v; }

static void copy_text(char *to, const unsigned char *from, size_t length) {
    size_t n = 0;
    while (n < length && n < LINK_TEXT - 1 && from[n]) { to[n] = (char)from[n]; n++; }
    to[n] = 0;
}

static int copy_address(unsigned char *to, const unsigned char *from, size_t length) {
    if (length > LINK_ADDRESS) return 0;
    memcpy(to, from, length);
    return (int)length;
}

/* Read the attributes of one message, also the nested ones of the link's own information. */
static void take_attributes(const unsigned char *body, size_t length, int nested, link_facts *link) {
    size_t at = 0;
    while (at + 4 <= length) {
        size_t size = native_u16(body + at);
        int kind = native_u16(body + at + 2) & 0x3FFF;
        if (size < 4 || at + size > length) return;
        const unsigned char *value = body + at + 4;
        if (nested) {
            if (kind == LINK_INFO_KIND) copy_text(link->kind, value, size - 4);
        } else if (kind == LINK_ATTRIBUTE_NAME) {
            copy_text(link->name, value, size - 4);
        } else if (kind == LINK_ATTRIBUTE_ADDRESS) {
            link->address_length = copy_address(link->address, value, size - 4);
        } else if (kind == LINK_ATTRIBUTE_PERMANENT) {
            link->permanent_length = copy_address(link->permanent, value, size - 4);
        } else if (kind == LINK_ATTRIBUTE_BUS) {
            copy_text(link->bus, value, size - 4);
        } else if (kind == LINK_ATTRIBUTE_INFO) {
            take_attributes(value, size - 4, 1, link);
        }
        at += (size + 3) & ~(size_t)3;
    }
}

/* Find the next message of a kind in a dump. Return 1, 0 at the end of the dump, or -1 if it is truncated. */
static int next_message(const unsigned char *dump, size_t length, size_t *at, int kind, size_t header,
                        const unsigned char **body, size_t *body_length) {
    while (*at < length && NL_HEADER <= length - *at) {
        size_t size = native_u32(dump + *at);
        const unsigned char *message = dump + *at;
        if (size < NL_HEADER || size > length - *at) return -1;
        *at += (size + 3) & ~(size_t)3;
        if (native_u16(message + 4) != kind || size < NL_HEADER + header) continue;
        *body = message + NL_HEADER;
        *body_length = size - NL_HEADER;
        return 1;
    }
    return 0;
}

/* Fill in the next link of a dump. Return as next_message. */
static int next_link(const unsigned char *dump, size_t length, size_t *at, link_facts *link) {
    const unsigned char *body;
    size_t size;
    int more = next_message(dump, length, at, RTM_LINK, LINK_HEADER, &body, &size);
    if (more != 1) return more;
    memset(link, 0, sizeof *link);
    link->hardware = native_u16(body + 2);
    take_attributes(body + LINK_HEADER, size - LINK_HEADER, 0, link);
    return 1;
}

/* Fill in the next IPv4 address of a dump. Return as next_message. */
static int next_ipv4(const unsigned char *dump, size_t length, size_t *at, unsigned char address[4]) {
    const unsigned char *body;
    size_t size;
    int more;
    while ((more = next_message(dump, length, at, RTM_ADDRESS, ADDRESS_HEADER, &body, &size)) == 1) {
        int found = 0;
        if (body[0] != FAMILY_IPV4) continue;
        for (size_t i = ADDRESS_HEADER; i + 4 <= size;) {
            size_t taken = native_u16(body + i);
            int kind = native_u16(body + i + 2) & 0x3FFF;
            if (taken < 4 || taken > size - i) break;
            /* On a point-to-point link the address is that of the peer, and the local one is ours. */
            if (taken == 8 && (kind == ADDRESS_ATTRIBUTE_LOCAL || (kind == ADDRESS_ATTRIBUTE_ADDRESS && !found))) {
                memcpy(address, body + i + 4, 4);
                found = 1;
            }
            i += (taken + 3) & ~(size_t)3;
        }
        if (found) return 1;
    }
    return more;
}

#ifdef __linux__

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

enum { DUMP_CHUNK = 32768, DUMP_LIMIT = 64 * 1024 * 1024, DUMP_SECONDS = 2 };

/* Read one dump into *data, which the caller frees. Return 0 or an errno; EINTR for a dump that changed while it was
   read. */
static int take_dump(struct nlmsghdr *request, size_t size, int kind, unsigned char **data, size_t *length) {
    struct sockaddr_nl kernel;
    struct timeval timeout = { DUMP_SECONDS, 0 };
    size_t capacity = 0;
    int result = 0, interrupted = 0, done = 0;
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    *data = NULL;
    *length = 0;
    if (descriptor < 0) return errno;
    memset(&kernel, 0, sizeof kernel);
    kernel.nl_family = AF_NETLINK;
    request->nlmsg_len = (uint32_t)size;
    request->nlmsg_type = (uint16_t)kind;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = 1;
    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0
        || sendto(descriptor, request, size, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0)
        result = errno;
    while (!result && !done) {
        if (capacity - *length < DUMP_CHUNK) {
            unsigned char *more = capacity < DUMP_LIMIT ? realloc(*data, capacity + 2 * DUMP_CHUNK) : NULL;
            if (!more) { result = ENOMEM; break; }
            *data = more;
            capacity += 2 * DUMP_CHUNK;
        }
        ssize_t got = recv(descriptor, *data + *length, capacity - *length, MSG_TRUNC);
        if (got < 0) {
            if (errno == EINTR) continue;
            result = errno == EAGAIN || errno == EWOULDBLOCK ? ETIMEDOUT : errno;
            break;
        }
        if (got == 0 || (size_t)got > capacity - *length) { result = EBADMSG; break; }
        for (size_t at = *length, end = *length + (size_t)got; at + NL_HEADER <= end;) {
            size_t size = native_u32(*data + at);
            int kind = native_u16(*data + at + 4);
            if (size < NL_HEADER || size > end - at) { result = EBADMSG; break; }
            interrupted |= native_u16(*data + at + 6) & NL_DUMP_INTERRUPTED;
            if (kind == NL_DONE) { done = 1; break; }
            if (kind == NL_ERROR) {
                int code = size >= NL_HEADER + 4 ? -(int)native_u32(*data + at + NL_HEADER) : EBADMSG;
                result = code > 0 ? code : EBADMSG;
                break;
            }
            at += (size + 3) & ~(size_t)3;
        }
        *length += (size_t)got;
    }
    close(descriptor);
    return result ? result : interrupted ? EINTR : 0;
}

/* Read a dump of all links, or of all their addresses, as take_dump does. */
static int dump_links(unsigned char **data, size_t *length) {
    struct { struct nlmsghdr header; unsigned char body[LINK_HEADER]; uint16_t size, kind; uint32_t filter; } request;
    memset(&request, 0, sizeof request);
    request.size = 8;
    request.kind = LINK_ATTRIBUTE_FILTER;
    request.filter = LINK_FILTER_WITHOUT_STATISTICS;
    return take_dump(&request.header, sizeof request, RTM_LINK_REQUEST, data, length);
}

static int dump_addresses(unsigned char **data, size_t *length) {
    struct { struct nlmsghdr header; unsigned char body[ADDRESS_HEADER]; } request;
    memset(&request, 0, sizeof request);
    return take_dump(&request.header, sizeof request, RTM_ADDRESS_REQUEST, data, length);
}

/* Write the source address of a packet to the internet, as text. No packet is sent. Return 0 or an errno; ENETUNREACH
   without a default route. */
static int outgoing_address(char *text, size_t size) {
    struct sockaddr_in to4, from4;
    struct sockaddr_in6 to6, from6;
    socklen_t length = sizeof from4;
    int result = 0;
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memset(&to4, 0, sizeof to4);
    memset(&to6, 0, sizeof to6);
    to4.sin_family = AF_INET;
    to4.sin_port = htons(9);
    /* Networks for documentation (RFC 5737, RFC 3849): only the default route leads to them. */
    inet_pton(AF_INET, "203.0.113.1", &to4.sin_addr);
    if (descriptor < 0) return errno;
    if (connect(descriptor, (struct sockaddr *)&to4, sizeof to4) == 0
        && getsockname(descriptor, (struct sockaddr *)&from4, &length) == 0) {
        inet_ntop(AF_INET, &from4.sin_addr, text, (socklen_t)size);
        close(descriptor);
        return 0;
    }
    result = errno;
    close(descriptor);
    descriptor = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return result;
    to6.sin6_family = AF_INET6;
    to6.sin6_port = htons(9);
    inet_pton(AF_INET6, "2001:db8::1", &to6.sin6_addr);
    length = sizeof from6;
    if (connect(descriptor, (struct sockaddr *)&to6, sizeof to6) == 0
        && getsockname(descriptor, (struct sockaddr *)&from6, &length) == 0) {
        inet_ntop(AF_INET6, &from6.sin6_addr, text, (socklen_t)size);
        result = 0;
    }
    close(descriptor);
    return result;
}

/* Return whether a file is the null device, with which systemd and containers mask a file: it reads as empty. */
static int is_null_device(const struct stat *facts) {
    struct stat null;
    return S_ISCHR(facts->st_mode) && stat("/dev/null", &null) == 0 && null.st_rdev == facts->st_rdev;
}

/* Read a regular file of at most `limit` bytes into a buffer of limit + 1. Return 0 or an errno: EISDIR for a
   directory, EINVAL for other kinds of file, EFBIG for a longer file. */
static int read_regular(const char *path, unsigned char *buffer, size_t limit, size_t *length) {
    struct stat facts;
    int result = 0;
    int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    *length = 0;
    if (descriptor < 0) return errno;
    if (fstat(descriptor, &facts) < 0) result = errno;
    else if (S_ISDIR(facts.st_mode)) result = EISDIR;
    else if (!S_ISREG(facts.st_mode) && !is_null_device(&facts)) result = EINVAL;
    while (!result) {
        ssize_t got = read(descriptor, buffer + *length, limit + 1 - *length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) result = errno;
        if (got <= 0) break;
        *length += (size_t)got;
        if (*length > limit) result = EFBIG;
        /* The end, if the size is correct; in /proc and most of /sys it is 0 or a page. */
        else if (facts.st_size && *length == (size_t)facts.st_size) break;
    }
    close(descriptor);
    return result;
}

#else

static int dump_links(unsigned char **data, size_t *length) { *data = NULL; *length = 0; return ENOTSUP; }
static int dump_addresses(unsigned char **data, size_t *length) { *data = NULL; *length = 0; return ENOTSUP; }
static int outgoing_address(char *text, size_t size) { (void)text; (void)size; return ENOTSUP; }
static int read_regular(const char *path, unsigned char *buffer, size_t limit, size_t *length) {
    (void)path; (void)buffer; (void)limit; *length = 0; return ENOTSUP;
}

#endif

/* Rename a file within a directory, given by its descriptor: exchange it with another one, or use a free name (EEXIST
   if the name exists). Return 0 or an errno: ENOSYS, EINVAL or ENOTSUP if the kernel or file system cannot. */
#if defined(__linux__)

#include <sys/syscall.h>

static int rename_within(int directory, const char *from, const char *to, int exchange) {
#ifdef SYS_renameat2
    /* RENAME_EXCHANGE and RENAME_NOREPLACE of linux/fs.h. By number: the wrapper came with glibc 2.28. */
    return syscall(SYS_renameat2, directory, from, directory, to, exchange ? 2u : 1u) ? errno : 0;
#else
    (void)directory; (void)from; (void)to; (void)exchange;
    return ENOSYS;
#endif
}

#elif defined(__APPLE__)

#include <stdio.h>

static int rename_within(int directory, const char *from, const char *to, int exchange) {
    return renameatx_np(directory, from, directory, to, exchange ? RENAME_SWAP : RENAME_EXCL) ? errno : 0;
}

#else

static int rename_within(int directory, const char *from, const char *to, int exchange) {
    (void)directory; (void)from; (void)to; (void)exchange;
    return ENOTSUP;
}

#endif

#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))

#include <cpuid.h>

/* Fill in the processor's brand string (48 characters and NUL), EAX and EDX of leaf 1, and the hypervisor's signature
   (12 characters and NUL), "" without one. Return 0, or ENOTSUP. */
static int processor_identity(char *brand, unsigned int *signature, unsigned int *features, char *hypervisor) {
    unsigned int a, b, c, d;
    *brand = *hypervisor = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return ENOTSUP;
    *signature = a;
    *features = d;
    if (c & (1u << 31)) {
        unsigned int words[3];
        __cpuid(0x40000000, a, words[0], words[1], words[2]);
        memcpy(hypervisor, words, 12);
        hypervisor[12] = 0;
        /* The bit is set, but the hypervisor hides its name. */
        if (!*hypervisor) memcpy(hypervisor, "unnamed", sizeof "unnamed");
    }
    for (unsigned int leaf = 0; leaf < 3; leaf++) {
        unsigned int words[4];
        if (!__get_cpuid(0x80000002 + leaf, &words[0], &words[1], &words[2], &words[3])) { *brand = 0; return 0; }
        memcpy(brand + 16 * leaf, words, 16);
    }
    brand[48] = 0;
    return 0;
}

#else

static int processor_identity(char *brand, unsigned int *signature, unsigned int *features, char *hypervisor) {
    *brand = *hypervisor = 0;
    *signature = *features = 0;
    return ENOTSUP;
}

#endif

#endif
