/* Columns of the Arrow format, in every layout of strings, ids and digests, and their comparison. */

#ifndef FINGERPRINT_FLEET_COLUMNS_H
#define FINGERPRINT_FLEET_COLUMNS_H

#include <stdint.h>
#include <string.h>

#ifdef _MSC_VER
#define restrict __restrict
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define FLEET_X86 1
static int fleet_has_avx2; /* set when the module is loaded */
static void fleet_detect_processor(void) {
    fleet_has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}
#else
#define FLEET_X86 0
static void fleet_detect_processor(void) {}
#endif

/* The C data interface of Arrow, copied from its specification. */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};
struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
#endif
#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE
struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};
#endif

#ifdef __GNUC__
#define FLEET_PREFETCH(at) __builtin_prefetch(at)
#else
#define FLEET_PREFETCH(at) ((void)(at))
#endif

/* One build for every processor: the loader chooses the faster loops. */
#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)       \
    && !defined(__SANITIZE_ADDRESS__)
#define FLEET_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define FLEET_CLONES
#endif

/* A byte must hold a count and its double. */
enum { FLEET_BLOCK = 4096, FLEET_MOST_COLUMNS = 120 };

typedef enum {
    FLEET_MISSING, /* no column: every row lacks the key */
    FLEET_STRING,    /* 32-bit offsets */
    FLEET_LARGE,   /* 64-bit offsets */
    FLEET_VIEW,    /* 16-byte views */
    FLEET_WIDE,    /* values of `width` bytes */
    FLEET_CODE     /* 32-bit numbers: ids, or codes of a dictionary that both columns share */
} fleet_kind;

typedef struct {
    fleet_kind kind;
    const uint8_t *valid; /* a bit for each row, NULL if all are */
    int64_t at;           /* of the first row in the buffers */
    const void *offsets;  /* of strings; views; codes */
    const uint8_t *data;  /* of strings and wide values */
    const uint8_t *const *pieces; /* of views */
    const int64_t *piece_sizes;   /* bytes in each piece */
    int64_t data_size;            /* bytes of `data` that strings use */
    int64_t width; /* of each value; 0 for codes of which 0 stands for "" */
} fleet_column;

/* Return whether a format of Arrow is an integer type, of any width and sign. */
static inline int fleet_is_integer(const char *format) {
    return format[0] && !format[1] && strchr("cCsSiIlL", format[0]) != NULL;
}

/* Read an integer of any of these types. INT64_MAX stands for all larger ones: no use takes so large a number. */
static inline int64_t fleet_integer(char format, const void *numbers, int64_t at) {
    switch (format) {
    case 'c': return ((const int8_t *)numbers)[at];
    case 'C': return ((const uint8_t *)numbers)[at];
    case 's': return ((const int16_t *)numbers)[at];
    case 'S': return ((const uint16_t *)numbers)[at];
    case 'i': return ((const int32_t *)numbers)[at];
    case 'I': return ((const uint32_t *)numbers)[at];
    case 'l': return ((const int64_t *)numbers)[at];
    default: {
        const uint64_t number = ((const uint64_t *)numbers)[at];
        return number > INT64_MAX ? INT64_MAX : (int64_t)number;
    }
    }
}

static inline int fleet_has(const fleet_column *column, int64_t row) {
    if (column->kind == FLEET_MISSING) return 0;
    if (!column->valid) return 1;
    row += column->at;
    return column->valid[row >> 3] >> (row & 7) & 1;
}

static inline const uint8_t *fleet_value(const fleet_column *column, int64_t row, int64_t *length) {
    row += column->at;
    switch (column->kind) {
    case FLEET_STRING: {
        const int32_t *offsets = (const int32_t *)column->offsets + row;
        *length = offsets[1] - offsets[0];
        return column->data + offsets[0];
    }
    case FLEET_LARGE: {
        const int64_t *offsets = (const int64_t *)column->offsets + row;
        *length = offsets[1] - offsets[0];
        return column->data + offsets[0];
    }
    case FLEET_VIEW: {
        const uint8_t *view = (const uint8_t *)column->offsets + 16 * row;
        int32_t words[4];
        memcpy(words, view, 16);
        *length = words[0];
        return words[0] <= 12 ? view + 4 : column->pieces[words[2]] + words[3];
    }
    case FLEET_WIDE: {
        const uint8_t *value = column->data + column->width * row;
        uint64_t words[2];
        *length = column->width;
        if (column->width == 16) {
            /* A packed fleet has 16 zeros for "". */
            memcpy(words, value, 16);
            if (!(words[0] | words[1])) *length = 0;
        }
        return value;
    }
    case FLEET_CODE: {
        const int32_t *code = (const int32_t *)column->offsets + row;
        *length = column->width == 0 && *code == 0 ? 0 : 4;
        return (const uint8_t *)code;
    }
    default:
        *length = 0;
        return NULL;
    }
}

/* Most values have 24 or 32 bytes, for which a call would take longer than the comparison. */
static inline int fleet_same_bytes(const uint8_t *a, const uint8_t *b, int64_t length) {
    uint64_t x[4], y[4];
    if (length >= 16 && length <= 32) {
        memcpy(x, a, 16);
        memcpy(y, b, 16);
        memcpy(x + 2, a + length - 16, 16);
        memcpy(y + 2, b + length - 16, 16);
        return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]));
    }
    if (length >= 8 && length < 16) {
        memcpy(x, a, 8);
        memcpy(y, b, 8);
        memcpy(x + 1, a + length - 8, 8);
        memcpy(y + 1, b + length - 8, 8);
        return !((x[0] ^ y[0]) | (x[1] ^ y[1]));
    }
    return length == 0 || memcmp(a, b, (size_t)length) == 0;
}

/* Return whether both sides have the key, with the same value. */
static inline int fleet_same(const fleet_column *saved, const fleet_column *current, int64_t row) {
    int64_t a, b;
    const uint8_t *x, *y;
    if (!fleet_has(saved, row) || !fleet_has(current, row)) return 0;
    x = fleet_value(saved, row, &a);
    y = fleet_value(current, row, &b);
    return a == b && fleet_same_bytes(x, y, a);
}

/* Return the same for hardware ID and address, where a missing key reads as "". Ids have no "". */
static inline int fleet_same_or_missing(const fleet_column *saved, const fleet_column *current, int64_t row) {
    int64_t a = 0, b = 0;
    int has_a = fleet_has(saved, row), has_b = fleet_has(current, row);
    if (has_a && has_b) return fleet_same(saved, current, row);
    if (has_a) fleet_value(saved, row, &a);
    if (has_b) fleet_value(current, row, &b);
    return a == 0 && b == 0;
}

FLEET_CLONES static void fleet_same_codes(const int32_t *a, const int32_t *b, int count, uint8_t *same) {
    for (int i = 0; i < count; i++) same[i] = a[i] == b[i];
}

FLEET_CLONES static void fleet_same_wide16(const uint64_t *a, const uint64_t *b, int count, uint8_t *same) {
    for (int i = 0; i < count; i++) same[i] = !((a[2 * i] ^ b[2 * i]) | (a[2 * i + 1] ^ b[2 * i + 1]));
}

/* Strings are compared 32 bytes at a time without a branch, where 32 bytes from the string's begin lie in the data;
   bytes after the string are masked out. */
#if FLEET_X86
#define FLEET_AVX2 __attribute__((target("avx2,bmi2")))

FLEET_AVX2 static inline uint8_t fleet_same_32(const uint8_t *a, const uint8_t *b, uint32_t length) {
    __m256i equal = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)a), _mm256_loadu_si256((const __m256i *)b));
    return _bzhi_u32(~(uint32_t)_mm256_movemask_epi8(equal), length) == 0;
}

/* Compare values of one length, up to 32, that lie side by side, without their offsets. */
FLEET_AVX2 static void fleet_same_steady(const uint8_t *a, const uint8_t *b, uint32_t length, int count,
                                         uint8_t *restrict same) {
    const uint32_t mask = _bzhi_u32(UINT32_MAX, length);
    for (int i = 0; i < count; i++, a += length, b += length) {
        __m256i equal =
            _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)a), _mm256_loadu_si256((const __m256i *)b));
        same[i] = (~(uint32_t)_mm256_movemask_epi8(equal) & mask) == 0;
    }
}

#define FLEET_STRINGS(name, steady, offset)                                                                           \
    FLEET_AVX2 static int steady(const offset *a, const offset *b, int count) {                                       \
        const offset length = a[1] - a[0];                                                                            \
        offset odd = 0;                                                                                               \
        for (int i = 0; i < count; i++) odd |= ((a[i + 1] - a[i]) ^ length) | ((b[i + 1] - b[i]) ^ length);           \
        return !odd;                                                                                                  \
    }                                                                                                                 \
    FLEET_AVX2 static void name(const fleet_column *saved, const fleet_column *current, int64_t begin,                \
                                const uint16_t *restrict which, int count, uint8_t *restrict same) {                  \
        const offset *a = (const offset *)saved->offsets + saved->at + begin;                                         \
        const offset *b = (const offset *)current->offsets + current->at + begin;                                     \
        const uint8_t *const x = saved->data, *const y = current->data;                                               \
        const int64_t last_a = saved->data_size - 32, last_b = current->data_size - 32;                               \
        if (!which && a[1] - a[0] <= 32 && a[count] <= last_a && b[count] <= last_b && steady(a, b, count)) {         \
            fleet_same_steady(x + a[0], y + b[0], (uint32_t)(a[1] - a[0]), count, same);                              \
            return;                                                                                                   \
        }                                                                                                             \
        for (int i = 0; i < count; i++) {                                                                             \
            const int row = which ? which[i] : i;                                                                     \
            const int64_t from_a = a[row], from_b = b[row], length = a[row + 1] - from_a;                             \
            const int alike = length == b[row + 1] - from_b;                                                          \
            if (__builtin_expect((length > 32) | (from_a > last_a) | (from_b > last_b), 0))                           \
                same[i] = alike && fleet_same_bytes(x + from_a, y + from_b, length);                                  \
            else                                                                                                      \
                same[i] = (uint8_t)(alike & fleet_same_32(x + from_a, y + from_b, (uint32_t)length));                 \
        }                                                                                                             \
    }

FLEET_STRINGS(fleet_same_strings, fleet_steady_strings, int32_t)
FLEET_STRINGS(fleet_same_large, fleet_steady_large, int64_t)

static inline const uint8_t *fleet_view(const fleet_column *column, const uint8_t *view, int64_t *available) {
    int32_t words[4];
    memcpy(words, view, 16);
    if (words[0] <= 12) {
        *available = 12;
        return view + 4;
    }
    *available = column->piece_sizes[words[2]] - words[3];
    return column->pieces[words[2]] + words[3];
}

FLEET_AVX2 static void fleet_same_views(const fleet_column *saved, const fleet_column *current, int64_t begin,
                                        const uint16_t *restrict which, int count, uint8_t *restrict same) {
    const uint8_t *a = (const uint8_t *)saved->offsets + 16 * (saved->at + begin);
    const uint8_t *b = (const uint8_t *)current->offsets + 16 * (current->at + begin);
    for (int i = 0; i < count; i++) {
        const int row = which ? which[i] : i;
        const uint8_t *x = a + 16 * row, *y = b + 16 * row;
        uint64_t head[2], tail[2];
        int64_t available_a, available_b;
        int32_t length;
        memcpy(head, x, 8);
        memcpy(head + 1, y, 8);
        memcpy(tail, x + 8, 8);
        memcpy(tail + 1, y + 8, 8);
        memcpy(&length, x, 4);
        if (head[0] != head[1] || length <= 12) {
            same[i] = (uint8_t)(!((head[0] ^ head[1]) | (tail[0] ^ tail[1])));
            continue;
        }
        x = fleet_view(saved, x, &available_a);
        y = fleet_view(current, y, &available_b);
        same[i] = length <= 32 && available_a >= 32 && available_b >= 32
                      ? fleet_same_32(x, y, (uint32_t)length)
                      : (uint8_t)fleet_same_bytes(x, y, length);
    }
}
#endif

/* Return whether a row of either side may lack the key. */
static inline int fleet_some_lack(const fleet_column *saved, const fleet_column *current) {
    return saved->kind == FLEET_MISSING || current->kind == FLEET_MISSING || saved->valid || current->valid;
}

/* Compare rows: those that `which` counts from `begin`, or without it the first `count`. same[i] becomes 1 where both
   sides have the key with the same value, else 0. */
static void fleet_same_rows(const fleet_column *saved, const fleet_column *current, int64_t begin,
                            const uint16_t *which, int count, uint8_t *same) {
    const fleet_kind kind = saved->kind;
    if (kind == FLEET_MISSING || current->kind == FLEET_MISSING) {
        memset(same, 0, (size_t)count);
        return;
    }
    if (kind == current->kind && !fleet_some_lack(saved, current)) {
        if (kind == FLEET_CODE) {
            const int32_t *a = (const int32_t *)saved->offsets + saved->at + begin;
            const int32_t *b = (const int32_t *)current->offsets + current->at + begin;
            if (which)
                for (int i = 0; i < count; i++) same[i] = a[which[i]] == b[which[i]];
            else
                fleet_same_codes(a, b, count, same);
            return;
        }
        if (kind == FLEET_WIDE && saved->width == 16 && !which) {
            fleet_same_wide16((const uint64_t *)(saved->data + 16 * (saved->at + begin)),
                              (const uint64_t *)(current->data + 16 * (current->at + begin)), count, same);
            return;
        }
#if FLEET_X86
        if (fleet_has_avx2 && (kind == FLEET_STRING || kind == FLEET_LARGE || kind == FLEET_VIEW)) {
            (kind == FLEET_STRING ? fleet_same_strings : kind == FLEET_LARGE ? fleet_same_large : fleet_same_views)(
                saved, current, begin, which, count, same);
            return;
        }
#endif
    }
    for (int i = 0; i < count; i++)
        same[i] = (uint8_t)fleet_same(saved, current, begin + (which ? which[i] : i));
}

#endif
