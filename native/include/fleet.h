/* The match rule over columns of the Arrow format: a pair of columns for each attribute, a row for each machine.

   Rows are taken in blocks that stay in the first cache. The hardware ID and the address decide most rows; the
   other columns are read for the rest only, unless all counts are wanted. */

#ifndef FINGERPRINT_FLEET_H
#define FINGERPRINT_FLEET_H

#include <stdint.h>
#include <string.h>

#include "ssm_rule.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define FLEET_X86 1
static int fleet_has_avx2; /* set when the module is loaded */
static void fleet_look_at_processor(void) {
    fleet_has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}
#else
#define FLEET_X86 0
static void fleet_look_at_processor(void) {}
#endif

/* The C data interface of Arrow, as its specification gives it to copy. */
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

/* One build for every processor, the faster loops chosen when the module is loaded. */
#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) \
    && !defined(__SANITIZE_ADDRESS__)
#define FLEET_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define FLEET_CLONES
#endif

/* A count and twice a count must go into a byte. */
enum { FLEET_BLOCK = 4096, FLEET_MOST_COLUMNS = 120 };

typedef enum {
    FLEET_MISSING, /* no such column: no row has the key */
    FLEET_TEXT,    /* 32-bit offsets */
    FLEET_LARGE,   /* 64-bit offsets */
    FLEET_VIEW,    /* 16-byte views */
    FLEET_WIDE,    /* values of `width` bytes */
    FLEET_CODE     /* 32-bit numbers: ids, or codes of a dictionary that both columns share */
} fleet_kind;

typedef struct {
    fleet_kind kind;
    const uint8_t *valid; /* a bit for each row, NULL if all are */
    int64_t at;           /* of the first row in the buffers */
    const void *offsets;  /* of texts; views; codes */
    const uint8_t *data;  /* of texts and wide values */
    const uint8_t *const *pieces; /* of views */
    const int64_t *rooms;         /* bytes in each piece */
    int64_t room;                 /* bytes of `data` that texts take */
    int64_t width; /* of each value; 0 for codes of which 0 stands for "" */
} fleet_column;

static inline int fleet_has(const fleet_column *column, int64_t row) {
    if (column->kind == FLEET_MISSING) return 0;
    if (!column->valid) return 1;
    row += column->at;
    return column->valid[row >> 3] >> (row & 7) & 1;
}

static inline const uint8_t *fleet_value(const fleet_column *column, int64_t row, int64_t *length) {
    row += column->at;
    switch (column->kind) {
    case FLEET_TEXT: {
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
        int32_t told[4];
        memcpy(told, view, 16);
        *length = told[0];
        return told[0] <= 12 ? view + 4 : column->pieces[told[2]] + told[3];
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

/* Whether both have the key, with the same value. */
static inline int fleet_same(const fleet_column *saved, const fleet_column *current, int64_t row) {
    int64_t a, b;
    const uint8_t *x, *y;
    if (!fleet_has(saved, row) || !fleet_has(current, row)) return 0;
    x = fleet_value(saved, row, &a);
    y = fleet_value(current, row, &b);
    return a == b && fleet_same_bytes(x, y, a);
}

/* The same for hardware ID and address, where a missing key reads as "". Ids have no "". */
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

/* Texts are compared 32 bytes at a time without a branch, the bytes behind the value masked out, where so many can
   be read behind its beginning. `room` of a column is how many of its bytes there are. */
#if FLEET_X86
#define FLEET_AVX2 __attribute__((target("avx2,bmi2")))

FLEET_AVX2 static inline uint8_t fleet_same_32(const uint8_t *a, const uint8_t *b, uint32_t length) {
    __m256i equal = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)a), _mm256_loadu_si256((const __m256i *)b));
    return _bzhi_u32(~(uint32_t)_mm256_movemask_epi8(equal), length) == 0;
}

/* Values of one length, up to 32, lie side by side: no offset is read. */
FLEET_AVX2 static void fleet_same_steady(const uint8_t *a, const uint8_t *b, uint32_t length, int count,
                                         uint8_t *restrict same) {
    const uint32_t mask = _bzhi_u32(UINT32_MAX, length);
    for (int i = 0; i < count; i++, a += length, b += length) {
        __m256i equal =
            _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)a), _mm256_loadu_si256((const __m256i *)b));
        same[i] = (~(uint32_t)_mm256_movemask_epi8(equal) & mask) == 0;
    }
}

#define FLEET_TEXTS(name, steady, offset)                                                                             \
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
        const int64_t room_a = saved->room - 32, room_b = current->room - 32;                                         \
        if (!which && a[1] - a[0] <= 32 && a[count] <= room_a && b[count] <= room_b && steady(a, b, count)) {         \
            fleet_same_steady(x + a[0], y + b[0], (uint32_t)(a[1] - a[0]), count, same);                              \
            return;                                                                                                   \
        }                                                                                                             \
        for (int i = 0; i < count; i++) {                                                                             \
            const int row = which ? which[i] : i;                                                                     \
            const int64_t from_a = a[row], from_b = b[row], length = a[row + 1] - from_a;                             \
            const int alike = length == b[row + 1] - from_b;                                                          \
            if (__builtin_expect((length > 32) | (from_a > room_a) | (from_b > room_b), 0))                           \
                same[i] = alike && fleet_same_bytes(x + from_a, y + from_b, length);                                  \
            else                                                                                                      \
                same[i] = (uint8_t)(alike & fleet_same_32(x + from_a, y + from_b, (uint32_t)length));                 \
        }                                                                                                             \
    }

FLEET_TEXTS(fleet_same_texts, fleet_steady_texts, int32_t)
FLEET_TEXTS(fleet_same_large, fleet_steady_large, int64_t)

static inline const uint8_t *fleet_view(const fleet_column *column, const uint8_t *view, int64_t *room) {
    int32_t told[4];
    memcpy(told, view, 16);
    if (told[0] <= 12) {
        *room = 12;
        return view + 4;
    }
    *room = column->rooms[told[2]] - told[3];
    return column->pieces[told[2]] + told[3];
}

FLEET_AVX2 static void fleet_same_views(const fleet_column *saved, const fleet_column *current, int64_t begin,
                                        const uint16_t *restrict which, int count, uint8_t *restrict same) {
    const uint8_t *a = (const uint8_t *)saved->offsets + 16 * (saved->at + begin);
    const uint8_t *b = (const uint8_t *)current->offsets + 16 * (current->at + begin);
    for (int i = 0; i < count; i++) {
        const int row = which ? which[i] : i;
        const uint8_t *x = a + 16 * row, *y = b + 16 * row;
        uint64_t head[2], tail[2];
        int64_t room_a, room_b;
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
        x = fleet_view(saved, x, &room_a);
        y = fleet_view(current, y, &room_b);
        same[i] = length <= 32 && room_a >= 32 && room_b >= 32 ? fleet_same_32(x, y, (uint32_t)length)
                                                               : (uint8_t)fleet_same_bytes(x, y, length);
    }
}
#endif

/* Whether a row of either side may lack the key. */
static inline int fleet_some_lack(const fleet_column *saved, const fleet_column *current) {
    return saved->kind == FLEET_MISSING || current->kind == FLEET_MISSING || saved->valid || current->valid;
}

/* Compare some rows, those of `which` counted from `begin` or, without it, the first `count`: same[i] is 1 where both
   have the key with the same value. */
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
        if (fleet_has_avx2 && (kind == FLEET_TEXT || kind == FLEET_LARGE || kind == FLEET_VIEW)) {
            (kind == FLEET_TEXT ? fleet_same_texts : kind == FLEET_LARGE ? fleet_same_large : fleet_same_views)(
                saved, current, begin, which, count, same);
            return;
        }
#endif
    }
    for (int i = 0; i < count; i++)
        same[i] = (uint8_t)fleet_same(saved, current, begin + (which ? which[i] : i));
}

/* What is asked of the columns. The pairs of hardware ID and address are among `columns`. */
typedef struct {
    const fleet_column *saved, *current;
    const int *order; /* in which the columns are asked where not all are */
    int columns, sid, ip; /* the places of the two; -1 where neither side has the column */
    const int32_t *thresholds;
    const uint8_t *thresholds_valid;
    int64_t thresholds_at;
    int32_t threshold; /* where there is no column of them, and for rows without one */
} fleet_question;

/* How many of `total` must be equal, found by the rule itself: in single precision it is not a division. One more
   than `total` if all of them are too few. total must not be 0. */
static uint32_t fleet_needed(int32_t threshold, uint32_t total) {
    uint32_t needed = 0;
    if (threshold > 0) {
        int64_t guess = (int64_t)threshold * total / 100;
        needed = guess > total ? total : (uint32_t)guess;
        while (needed > 0 && ssm_passes(needed - 1, total, threshold)) needed--;
    }
    while (needed <= total && !ssm_passes(needed, total, threshold)) needed++;
    return needed;
}

static inline int32_t fleet_threshold(const fleet_question *asked, int64_t row) {
    int64_t at = row + asked->thresholds_at;
    if (!asked->thresholds) return asked->threshold;
    if (asked->thresholds_valid && !(asked->thresholds_valid[at >> 3] >> (at & 7) & 1)) return asked->threshold;
    return asked->thresholds[at];
}

/* Whether every row has a key of a side: some column of it has no nulls. */
static int fleet_all_have(const fleet_column *side, int columns) {
    for (int c = 0; c < columns; c++)
        if (side[c].kind != FLEET_MISSING && !side[c].valid) return 1;
    return 0;
}

static uint32_t fleet_count(const fleet_column *side, int columns, int64_t row) {
    uint32_t found = 0;
    for (int c = 0; c < columns; c++) found += (uint32_t)fleet_has(side + c, row);
    return found;
}

/* What is the same for every block of a batch. */
typedef struct {
    const fleet_question *asked;
    int all_saved, all_current, nullable;
    uint32_t constant;   /* keys that every current hash has */
    uint8_t needed[101]; /* of `constant`, for thresholds 0 to 100 */
} fleet_worker;

/* A block of rows. A row is open while its reason is NOT_SIMILAR and its count may still reach what is needed. */
typedef struct {
    uint8_t reasons[FLEET_BLOCK], found[FLEET_BLOCK], needed[FLEET_BLOCK], totals[FLEET_BLOCK], same[FLEET_BLOCK];
    uint16_t open[FLEET_BLOCK];
} fleet_block;

static void fleet_begin(fleet_worker *worker, const fleet_question *asked) {
    worker->asked = asked;
    worker->all_saved = fleet_all_have(asked->saved, asked->columns);
    worker->all_current = fleet_all_have(asked->current, asked->columns);
    worker->nullable = 0;
    worker->constant = 0;
    for (int c = 0; c < asked->columns; c++) {
        if (asked->current[c].kind == FLEET_MISSING) continue;
        worker->constant += !asked->current[c].valid;
        worker->nullable |= asked->current[c].valid != NULL;
    }
    for (int threshold = 0; worker->constant && threshold <= 100; threshold++)
        worker->needed[threshold] = (uint8_t)fleet_needed(threshold, worker->constant);
}

FLEET_CLONES static void fleet_first_reasons(const uint8_t *same_sid, const uint8_t *same_ip, int count,
                                             uint8_t *restrict reasons) {
    /* In bytes without a branch: SID_DIFFERS where the one is 0, else SAME_IP or NOT_SIMILAR. */
    for (int i = 0; i < count; i++)
        reasons[i] = (uint8_t)(SSM_SID_DIFFERS
                               + ((uint8_t)(0 - same_sid[i])
                                  & (SSM_NOT_SIMILAR - SSM_SID_DIFFERS
                                     - (same_ip[i] << 1)))); /* SAME_IP is NOT_SIMILAR - 2 */
}

/* Whether all thresholds are of the table, which then takes no branch to use. */
FLEET_CLONES static int fleet_all_usual(const int32_t *thresholds, int count) {
    int unusual = 0;
    for (int i = 0; i < count; i++) unusual |= (uint32_t)thresholds[i] > 100;
    return !unusual;
}

FLEET_CLONES static void fleet_add(const uint8_t *same, int count, uint8_t *restrict found) {
    for (int i = 0; i < count; i++) found[i] = (uint8_t)(found[i] + same[i]);
}

FLEET_CLONES static int fleet_count_open(const fleet_block *block, int count, uint8_t others) {
    uint32_t open = 0;
    for (int i = 0; i < count; i++)
        open += (block->reasons[i] == SSM_NOT_SIMILAR) & (block->found[i] < block->needed[i])
                & ((uint8_t)(block->found[i] + others) >= block->needed[i]);
    return (int)open;
}

FLEET_CLONES static void fleet_last_reasons(const fleet_block *block, int count, uint8_t *restrict reasons) {
    for (int i = 0; i < count; i++)
        reasons[i] = (uint8_t)(block->reasons[i] - ((block->reasons[i] == SSM_NOT_SIMILAR)
                                                    & (block->found[i] >= block->needed[i])));
}

/* Compare hardware ID or address: `same` as in fleet_same_rows, `alike` also where both lack it. */
static void fleet_key_block(const fleet_question *asked, int key, int64_t begin, int count, uint8_t *same,
                            uint8_t *alike) {
    if (key < 0) {
        memset(same, 0, (size_t)count);
        memset(alike, 1, (size_t)count);
        return;
    }
    const fleet_column *saved = asked->saved + key, *current = asked->current + key;
    fleet_same_rows(saved, current, begin, NULL, count, same);
    memcpy(alike, same, (size_t)count);
    if (fleet_some_lack(saved, current))
        for (int i = 0; i < count; i++) alike[i] = (uint8_t)fleet_same_or_missing(saved, current, begin + i);
}

/* The reasons as far as hardware ID and address give them, what the two add to the counts, and what is needed. */
static void fleet_first_block(const fleet_worker *worker, int64_t begin, int count, fleet_block *block) {
    const fleet_question *asked = worker->asked;
    const int32_t *thresholds = asked->thresholds ? asked->thresholds + asked->thresholds_at + begin : NULL;
    uint8_t sid[FLEET_BLOCK], ip[FLEET_BLOCK];
    fleet_key_block(asked, asked->sid, begin, count, block->found, sid);
    fleet_key_block(asked, asked->ip, begin, count, block->same, ip);
    fleet_add(block->same, count, block->found);
    fleet_first_reasons(sid, ip, count, block->reasons);
    if (worker->nullable)
        for (int i = 0; i < count; i++)
            block->totals[i] = (uint8_t)fleet_count(asked->current, asked->columns, begin + i);
    else
        memset(block->totals, (int)worker->constant, (size_t)count);
    if (!worker->all_saved || !worker->all_current)
        for (int i = 0; i < count; i++)
            if (!block->totals[i] || !fleet_count(asked->saved, asked->columns, begin + i))
                block->reasons[i] = SSM_NOTHING_TO_COMPARE;
    if (worker->nullable || !worker->constant || asked->thresholds_valid || !thresholds
        || !fleet_all_usual(thresholds, count)) {
        for (int i = 0; i < count; i++) {
            const int32_t threshold = fleet_threshold(asked, begin + i);
            if (threshold == -1) block->reasons[i] = SSM_DISABLED;
            if (block->totals[i] == worker->constant && threshold >= 0 && threshold <= 100)
                block->needed[i] = worker->constant ? worker->needed[threshold] : 0;
            else
                block->needed[i] = block->totals[i] ? (uint8_t)fleet_needed(threshold, block->totals[i]) : 0;
        }
    } else {
        for (int i = 0; i < count; i++) block->needed[i] = worker->needed[thresholds[i]];
    }
}

/* Read no column more than the open rows need: whole blocks while many are open, then those rows only. */
static void fleet_decide_open(const fleet_question *asked, int64_t begin, int count, fleet_block *block) {
    int others = asked->columns - (asked->sid >= 0) - (asked->ip >= 0), k = 0, listed = 0;
    int left = fleet_count_open(block, count, (uint8_t)others);
    for (; left && others; k++) {
        const int c = asked->order[k];
        if (c == asked->sid || c == asked->ip) continue;
        others--;
        if (!listed && left < count / 8) {
            for (int i = 0; i < count; i++) {
                block->open[listed] = (uint16_t)i;
                listed += (block->reasons[i] == SSM_NOT_SIMILAR) & (block->found[i] < block->needed[i])
                          & (block->found[i] + others + 1 >= block->needed[i]);
            }
        }
        if (!listed) {
            fleet_same_rows(asked->saved + c, asked->current + c, begin, NULL, count, block->same);
            fleet_add(block->same, count, block->found);
            left = fleet_count_open(block, count, (uint8_t)others);
            continue;
        }
        fleet_same_rows(asked->saved + c, asked->current + c, begin, block->open, left, block->same);
        listed = 0;
        for (int i = 0; i < left; i++) {
            const int row = block->open[i], found = block->found[row] + block->same[i];
            block->found[row] = (uint8_t)found;
            block->open[listed] = (uint16_t)row;
            listed += (found < block->needed[row]) & (found + others >= block->needed[row]);
        }
        left = listed;
    }
}

/* Count the rows of a block that have the key on a side, or both, and not the same value. */
static int64_t fleet_count_changed(const fleet_column *saved, const fleet_column *current, int64_t begin, int count,
                                   const uint8_t *same) {
    int64_t changed = 0;
    if (!fleet_some_lack(saved, current)) {
        for (int i = 0; i < count; i++) changed += !same[i];
        return changed;
    }
    for (int i = 0; i < count; i++)
        changed += !same[i] && (fleet_has(saved, begin + i) || fleet_has(current, begin + i));
    return changed;
}

/* Decide the rows from `begin` to `end`. reasons has a place for each row of the batch. matched and totals, unless
   NULL, have, too, and get the counts of every row; without them a row is decided by as few columns as it needs.
   changed, unless NULL, gets for each attribute in how many rows it differs added; it needs the counts. */
static void fleet_decide(const fleet_question *asked, int64_t begin, int64_t end, uint8_t *reasons, uint8_t *matched,
                         uint8_t *totals, int64_t *changed) {
    fleet_block block;
    fleet_worker worker;
    fleet_begin(&worker, asked);
    for (; begin < end; begin += FLEET_BLOCK) {
        const int count = end - begin < FLEET_BLOCK ? (int)(end - begin) : FLEET_BLOCK;
        fleet_first_block(&worker, begin, count, &block);
        if (!matched) {
            fleet_decide_open(asked, begin, count, &block);
        } else {
            for (int c = 0; c < asked->columns; c++) {
                const int known = c == asked->sid || c == asked->ip;
                if (known && !changed) continue;
                fleet_same_rows(asked->saved + c, asked->current + c, begin, NULL, count, block.same);
                if (!known) fleet_add(block.same, count, block.found);
                if (changed)
                    changed[c] += fleet_count_changed(asked->saved + c, asked->current + c, begin, count, block.same);
            }
            memcpy(matched + begin, block.found, (size_t)count);
            memcpy(totals + begin, block.totals, (size_t)count);
        }
        fleet_last_reasons(&block, count, reasons + begin);
    }
}

/* What the current hash has of an attribute. */
enum { FLEET_NO_KEY = 0, FLEET_EMPTY = 1, FLEET_VALUE = 2 };

/* For one attribute, tell of each row whether it is the same and what the current hash has. */
static void fleet_look(const fleet_column *saved, const fleet_column *current, int64_t begin, int64_t end,
                       uint8_t *same, uint8_t *has) {
    for (; begin < end; begin += FLEET_BLOCK, same += FLEET_BLOCK, has += FLEET_BLOCK) {
        const int count = end - begin < FLEET_BLOCK ? (int)(end - begin) : FLEET_BLOCK;
        fleet_same_rows(saved, current, begin, NULL, count, same);
        for (int i = 0; i < count; i++) {
            int64_t length = 0;
            has[i] = FLEET_NO_KEY;
            if (!fleet_has(current, begin + i)) continue;
            fleet_value(current, begin + i, &length);
            has[i] = length ? FLEET_VALUE : FLEET_EMPTY;
        }
    }
}

#endif
