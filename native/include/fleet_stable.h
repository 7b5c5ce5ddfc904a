/* The rule of scheme `stable` over columns of the Arrow format: a pair of columns for each attribute, a row for each
   machine. The attributes and their points come from the caller; fingerprint/rules/stable.py explains the rule. */

#ifndef FINGERPRINT_FLEET_STABLE_H
#define FINGERPRINT_FLEET_STABLE_H

#include <stdint.h>
#include <string.h>

#include "fleet_columns.h"
#include "fleet_sets.h"

enum { STABLE_MOST_COLUMNS = 32, STABLE_MOST_POINTS = 127 };
/* The codes of a dictionary that have one meaning in every column; `names` of the hypervisor follow. */
enum { STABLE_CODE_ABSENT, STABLE_CODE_UNREAD, STABLE_CODE_FIRST };
typedef enum { STABLE_SAME, STABLE_DIFFERENT, STABLE_CANNOT_TELL } stable_outcome;

/* What the two sides of an attribute are; EQUAL is SAVED plus CURRENT. */
typedef enum {
    STABLE_ABSENT,
    STABLE_SAVED,   /* the saved side alone has a value */
    STABLE_CURRENT, /* the current side alone */
    STABLE_EQUAL,
    STABLE_DIFFERS,
    STABLE_UNREAD,  /* saved, and unreadable now */
    STABLE_OVERLAPS /* two sets with enough elements in common */
} stable_state;

enum { STABLE_IS_VIRTUAL = 1, STABLE_VOID_CONTAINER = 2, STABLE_VOID_CHANGE = 4, STABLE_TURNING = 8 };
enum { STABLE_VOID = STABLE_VOID_CONTAINER | STABLE_VOID_CHANGE };
typedef enum { STABLE_NO_KIND, STABLE_PHYSICAL, STABLE_CONTAINER, STABLE_HYPERVISOR } stable_kind;

typedef struct {
    int8_t agrees[2], differs[2]; /* points on physical and on virtual hardware; those that differ are negative */
    uint8_t identity, several;
} stable_points;

typedef struct {
    const char *text;
    int64_t length;
} stable_name;

typedef struct {
    const fleet_column *saved, *current;
    const stable_points *points;
    const stable_name *names; /* of physical hardware, then of containers */
    int columns, name_count, hypervisor, platform, deciding, limit;
    int generation; /* of a virtual machine: the attribute whose difference prevents "same"; -1 for none */
} stable_question;

/* What the caller wants beside the outcomes; NULL for what he does not want. Items are those of all rows of the batch,
   but `changed` and `unread`, which have one for each attribute and grow by the rows. `words` has two for each row. */
typedef struct {
    uint8_t *outcomes, *notes;
    int8_t *identity, *circumstance;
    uint64_t *words;
    int64_t *changed, *unread;
} stable_answer;

typedef struct {
    uint8_t states[FLEET_BLOCK], platform[FLEET_BLOCK], hypervisor[FLEET_BLOCK], generation[FLEET_BLOCK];
    uint8_t virtual_[FLEET_BLOCK], notes[FLEET_BLOCK], unread[FLEET_BLOCK];
    int8_t identity[FLEET_BLOCK], circumstance[FLEET_BLOCK];
    int8_t open_identity[2][FLEET_BLOCK], open_circumstance[2][FLEET_BLOCK];
    uint8_t saved_valid[FLEET_BLOCK], current_valid[FLEET_BLOCK];
} stable_block;

/* Return the value of a row, of length 0 if it has none. */
static inline const uint8_t *stable_value(const fleet_column *column, int64_t row, int64_t *length, int *unread) {
    const uint8_t *value = NULL;
    *length = 0;
    *unread = 0;
    if (!fleet_has(column, row)) return NULL;
    value = fleet_value(column, row, length);
    if (column->kind == FLEET_CODE)
        *unread = ((const int32_t *)column->offsets)[row + column->at] == STABLE_CODE_UNREAD;
    else
        *unread = *length == 1 && *value == '?';
    if (*unread) *length = 0;
    return value;
}

static uint8_t stable_state_of_row(const fleet_column *saved, const fleet_column *current, int64_t row) {
    int64_t a, b;
    int unread_saved, unread_current;
    const uint8_t *x = stable_value(saved, row, &a, &unread_saved);
    const uint8_t *y = stable_value(current, row, &b, &unread_current);
    if (a && unread_current) return STABLE_UNREAD;
    if (a && b) return a == b && fleet_same_bytes(x, y, a) ? STABLE_EQUAL : STABLE_DIFFERS;
    return (uint8_t)((a != 0) * STABLE_SAVED + (b != 0) * STABLE_CURRENT);
}

FLEET_CLONES static void stable_states_of_codes(const int32_t *a, const int32_t *b, const uint8_t *restrict valid_a,
                                                const uint8_t *restrict valid_b, int count, uint8_t *restrict states) {
    for (int i = 0; i < count; i++) {
        const int32_t x = valid_a[i] ? a[i] : 0, y = valid_b[i] ? b[i] : 0;
        const int has = x >= STABLE_CODE_FIRST, now = y >= STABLE_CODE_FIRST;
        const int state = has + 2 * now + (has & now & (x != y));
        states[i] = (uint8_t)(has & (y == STABLE_CODE_UNREAD) ? STABLE_UNREAD : state);
    }
}

/* Write 1 for each row that has the key, else 0. */
static void stable_valid(const fleet_column *column, int64_t begin, int count, uint8_t *restrict valid) {
    int64_t at = begin + column->at;
    int i = 0;
    if (!column->valid) {
        memset(valid, 1, (size_t)count);
        return;
    }
    for (; i < count && (at & 7); i++, at++) valid[i] = column->valid[at >> 3] >> (at & 7) & 1;
    for (; i + 8 <= count; i += 8, at += 8) {
        /* Each byte keeps the bit of its own number, and becomes 0x80 or more if it is set. */
        const uint64_t bits = (column->valid[at >> 3] * UINT64_C(0x0101010101010101)) & UINT64_C(0x8040201008040201);
        const uint64_t ones = ((bits + UINT64_C(0x00406070787C7E7F)) >> 7) & UINT64_C(0x0101010101010101);
        for (int bit = 0; bit < 8; bit++) valid[i + bit] = (uint8_t)(ones >> (8 * bit));
    }
    for (; i < count; i++, at++) valid[i] = column->valid[at >> 3] >> (at & 7) & 1;
}

#if FLEET_X86
/* Return whether values of up to 64 bytes are equal: their first 32 and their last 32, without a branch. */
FLEET_AVX2 static inline int stable_same_64(const uint8_t *a, const uint8_t *b, int64_t length) {
    const uint32_t part = length < 32 ? (uint32_t)length : 32;
    const int64_t last = length - part;
    return fleet_same_32(a, b, part) & fleet_same_32(a + last, b + last, part);
}

/* The states of strings, without a branch for values of up to 64 bytes: two elements of a set. */
#define STABLE_STRINGS(name, steady, offset)                                                                          \
    FLEET_AVX2 static void name(const fleet_column *saved, const fleet_column *current, int64_t begin, int count,     \
                                const uint8_t *restrict valid_a, const uint8_t *restrict valid_b,                     \
                                uint8_t *restrict states) {                                                           \
        const offset *a = (const offset *)saved->offsets + saved->at + begin;                                         \
        const offset *b = (const offset *)current->offsets + current->at + begin;                                     \
        const uint8_t *const x = saved->data, *const y = current->data;                                               \
        const int64_t last_a = saved->data_size - 32, last_b = current->data_size - 32;                               \
        const int64_t width = a[1] - a[0];                                                                            \
        if (!saved->valid && !current->valid && width > 1 && width <= 32 && a[count] <= last_a                        \
            && b[count] <= last_b && steady(a, b, count)) {                                                           \
            fleet_same_steady(x + a[0], y + b[0], (uint32_t)width, count, states);                                    \
            for (int i = 0; i < count; i++) states[i] = (uint8_t)(STABLE_DIFFERS - states[i]);                        \
            return;                                                                                                   \
        }                                                                                                             \
        for (int i = 0; i < count; i++) {                                                                             \
            const int64_t from_a = a[i], from_b = b[i];                                                               \
            const int64_t la = (a[i + 1] - from_a) & -(int64_t)valid_a[i];                                            \
            const int64_t lb = (b[i + 1] - from_b) & -(int64_t)valid_b[i];                                            \
            const int has = la != 0, now = lb != 0;                                                                   \
            int equal;                                                                                                \
            if (__builtin_expect((la == 1) | (lb == 1) | (from_a > last_a) | (from_b > last_b), 0)) {                 \
                states[i] = stable_state_of_row(saved, current, begin + i);                                           \
                continue;                                                                                             \
            }                                                                                                         \
            equal = la == lb;                                                                                         \
            if (__builtin_expect(la <= 64, 1))                                                                        \
                equal &= stable_same_64(x + from_a, y + from_b, la & -(int64_t)equal);                                         \
            else if (equal)                                                                                           \
                equal = fleet_same_bytes(x + from_a, y + from_b, la);                                                 \
            states[i] = (uint8_t)(has + 2 * now + (has & now & !equal));                                              \
        }                                                                                                             \
    }

STABLE_STRINGS(stable_states_of_strings, fleet_steady_strings, int32_t)
STABLE_STRINGS(stable_states_of_large, fleet_steady_large, int64_t)
#endif

/* Write the states of an attribute. Return 0, or -1 if there is no memory. */
static int stable_states(const stable_question *asked, int c, int64_t begin, int count, stable_block *block,
                         uint8_t *states) {
    const fleet_column *saved = asked->saved + c, *current = asked->current + c;
    int done = 0;
    if (saved->kind == FLEET_MISSING && current->kind == FLEET_MISSING) {
        memset(states, STABLE_ABSENT, (size_t)count);
        return 0;
    }
    if (saved->kind == current->kind) {
        stable_valid(saved, begin, count, block->saved_valid);
        stable_valid(current, begin, count, block->current_valid);
        if (saved->kind == FLEET_CODE) {
            stable_states_of_codes((const int32_t *)saved->offsets + saved->at + begin,
                                   (const int32_t *)current->offsets + current->at + begin, block->saved_valid,
                                   block->current_valid, count, states);
            done = 1;
        }
#if FLEET_X86
        if (fleet_has_avx2 && (saved->kind == FLEET_STRING || saved->kind == FLEET_LARGE)) {
            (saved->kind == FLEET_STRING ? stable_states_of_strings : stable_states_of_large)(
                saved, current, begin, count, block->saved_valid, block->current_valid, states);
            done = 1;
        }
#endif
    }
    if (!done)
        for (int i = 0; i < count; i++) states[i] = stable_state_of_row(saved, current, begin + i);
    if (!asked->points[c].several) return 0;
    for (int i = 0; i < count; i++) {
        if (states[i] == STABLE_DIFFERS) {
            int64_t a, b;
            const uint8_t *x = fleet_value(saved, begin + i, &a), *y = fleet_value(current, begin + i, &b);
            const int overlap = fleet_sets_overlap(x, a, y, b);
            if (overlap < 0) return -1;
            if (overlap) states[i] = STABLE_OVERLAPS;
        }
    }
    return 0;
}

static stable_kind stable_kind_of(const stable_question *asked, const fleet_column *column, int64_t row) {
    int64_t length;
    int unread;
    const uint8_t *value = stable_value(column, row, &length, &unread);
    if (!length) return STABLE_NO_KIND;
    if (column->kind == FLEET_CODE) {
        const int32_t code = ((const int32_t *)column->offsets)[row + column->at] - STABLE_CODE_FIRST;
        return code >= asked->name_count ? STABLE_HYPERVISOR : code ? STABLE_CONTAINER : STABLE_PHYSICAL;
    }
    for (int i = 0; i < asked->name_count; i++)
        if (asked->names[i].length == length && *asked->names[i].text == (char)*value
            && !memcmp(asked->names[i].text, value, (size_t)length))
            return i ? STABLE_CONTAINER : STABLE_PHYSICAL;
    return STABLE_HYPERVISOR;
}

/* Set which rows are virtual, and where identity-bearing hardware is no evidence, from the states of two attributes. */
static void stable_kinds(const stable_question *asked, int64_t begin, int count, stable_block *block) {
    const fleet_column *saved = asked->saved + asked->hypervisor, *current = asked->current + asked->hypervisor;
    for (int i = 0; i < count; i++) {
        const uint8_t state = block->hypervisor[i];
        stable_kind before = STABLE_NO_KIND, now = STABLE_NO_KIND;
        int changed;
        if (state == STABLE_SAVED || state >= STABLE_EQUAL) before = stable_kind_of(asked, saved, begin + i);
        if (state == STABLE_EQUAL)
            now = before;
        else if (state == STABLE_CURRENT || state == STABLE_DIFFERS)
            now = stable_kind_of(asked, current, begin + i);
        block->notes[i] = 0;
        block->virtual_[i] = 0;
        /* No kind is 0 and physical is 1: one side is known, and neither is anything else. */
        if ((before | now) == STABLE_PHYSICAL) continue;
        changed = state == STABLE_DIFFERS || block->platform[i] == STABLE_DIFFERS;
        block->virtual_[i] = 0xFF;
        block->notes[i] = STABLE_IS_VIRTUAL;
        if (before == STABLE_CONTAINER || now == STABLE_CONTAINER)
            block->notes[i] |= STABLE_VOID_CONTAINER;
        else if (changed)
            block->notes[i] |= STABLE_VOID_CHANGE;
    }
}

/* Add the points of an attribute to a sum. Return whether it is unreadable in a row. */
FLEET_CLONES static int stable_add(const uint8_t *restrict states, const uint8_t *restrict virtual_, int count,
                                   const stable_points *points, int8_t *restrict sum) {
    const int8_t agrees = points->agrees[0], agrees_too = (int8_t)(points->agrees[0] ^ points->agrees[1]);
    const int8_t differs = points->differs[0], differs_too = (int8_t)(points->differs[0] ^ points->differs[1]);
    uint8_t unread = 0;
    for (int i = 0; i < count; i++) {
        const int8_t equal = (int8_t) - (int8_t)((states[i] == STABLE_EQUAL) | (states[i] == STABLE_OVERLAPS));
        const int8_t other = (int8_t) - (int8_t)(states[i] == STABLE_DIFFERS);
        const int8_t in_favour = (int8_t)(agrees ^ (agrees_too & (int8_t)virtual_[i]));
        const int8_t against = (int8_t)(differs ^ (differs_too & (int8_t)virtual_[i]));
        sum[i] = (int8_t)(sum[i] + (equal & in_favour) + (other & against));
        unread |= states[i] == STABLE_UNREAD;
    }
    return unread;
}

/* Add the points that unreadable values of an attribute would have if they agreed and if they differed. */
static void stable_add_open(const stable_block *block, const stable_points *points, int count, int8_t (*open)[FLEET_BLOCK],
                            uint8_t *restrict unread) {
    for (int i = 0; i < count; i++) {
        const int kind = block->virtual_[i] & 1;
        if (block->states[i] != STABLE_UNREAD) continue;
        open[0][i] = (int8_t)(open[0][i] + points->agrees[kind]);
        open[1][i] = (int8_t)(open[1][i] + points->differs[kind]);
        unread[i] = 1;
    }
}

static inline int stable_limited(const stable_question *asked, int circumstance) {
    return circumstance > asked->limit ? asked->limit : circumstance < -asked->limit ? -asked->limit : circumstance;
}

static inline uint8_t stable_outcome_of(const stable_question *asked, int identity, int circumstance) {
    const int points = identity + stable_limited(asked, circumstance);
    const int same = (identity > 0) & (points >= asked->deciding);
    const int different = (identity < 0) & (points <= -asked->deciding);
    return (uint8_t)(STABLE_CANNOT_TELL - 2 * same - different);
}

/* Return whether unreadable values could give a row another outcome. */
static int stable_could_turn(const stable_question *asked, const stable_block *block, int i, uint8_t outcome) {
    for (int way = 0; way < 2; way++) {
        const int identity = block->identity[i] + block->open_identity[way][i];
        const int circumstance = block->circumstance[i] + block->open_circumstance[way][i];
        if (stable_outcome_of(asked, identity, circumstance) != outcome) return 1;
    }
    return 0;
}

/* Remove the points of identity-bearing hardware where it is no evidence, and write the outcomes. */
static void stable_outcomes(const stable_question *asked, int count, int some_unread, stable_block *block,
                            uint8_t *restrict outcomes) {
    for (int i = 0; i < count; i++) {
        const int8_t counts = (int8_t) - (int8_t)!(block->notes[i] & STABLE_VOID);
        block->identity[i] &= counts;
        outcomes[i] = stable_outcome_of(asked, block->identity[i], block->circumstance[i]);
    }
    for (int i = 0; i < count; i++) {
        const uint8_t generation = block->generation[i];
        /* A void row has the outcome cannot-tell. */
        if (outcomes[i] == STABLE_CANNOT_TELL || !(some_unread | (generation >= STABLE_DIFFERS))) continue;
        if (some_unread && block->unread[i] && stable_could_turn(asked, block, i, outcomes[i]))
            block->notes[i] |= STABLE_TURNING;
        if (outcomes[i] == STABLE_SAME && block->virtual_[i]) {
            if (generation == STABLE_UNREAD) block->notes[i] |= STABLE_TURNING;
            if (generation == STABLE_DIFFERS) outcomes[i] = STABLE_CANNOT_TELL;
        }
        if (block->notes[i] & STABLE_TURNING) outcomes[i] = STABLE_CANNOT_TELL;
    }
}

FLEET_CLONES static void stable_count(const uint8_t *restrict states, int count, int64_t *changed, int64_t *unread) {
    int other = 0, unknown = 0;
    for (int i = 0; i < count; i++) {
        other += states[i] == STABLE_DIFFERS;
        unknown += states[i] == STABLE_UNREAD;
    }
    *changed += other;
    *unread += unknown;
}

static void stable_add_word(const uint8_t *states, int count, int c, uint64_t *words) {
    words += c >> 4;
    for (int i = 0; i < count; i++) words[2 * i] |= (uint64_t)states[i] << (4 * (c & 15));
}

/* Decide the rows from `begin` to `end`. Return 0, or -1 if there is no memory. */
static int stable_decide(const stable_question *asked, int64_t begin, int64_t end, const stable_answer *answer) {
    stable_block block;
    for (; begin < end; begin += FLEET_BLOCK) {
        const int count = end - begin < FLEET_BLOCK ? (int)(end - begin) : FLEET_BLOCK;
        int some_unread = 0;
        if (stable_states(asked, asked->hypervisor, begin, count, &block, block.hypervisor)
            || stable_states(asked, asked->platform, begin, count, &block, block.platform))
            return -1;
        stable_kinds(asked, begin, count, &block);
        memset(block.identity, 0, sizeof(block.identity));
        memset(block.circumstance, 0, sizeof(block.circumstance));
        memset(block.unread, 0, sizeof(block.unread));
        memset(block.generation, STABLE_ABSENT, sizeof(block.generation));
        if (answer->words) memset(answer->words + 2 * begin, 0, 2 * sizeof(uint64_t) * (size_t)count);
        for (int c = 0; c < asked->columns; c++) {
            const stable_points *points = asked->points + c;
            if (c == asked->hypervisor || c == asked->platform)
                memcpy(block.states, c == asked->hypervisor ? block.hypervisor : block.platform, (size_t)count);
            else if (stable_states(asked, c, begin, count, &block, block.states))
                return -1;
            if (c == asked->generation) memcpy(block.generation, block.states, (size_t)count);
            if (stable_add(block.states, block.virtual_, count, points,
                           points->identity ? block.identity : block.circumstance)) {
                if (!some_unread) {
                    memset(block.open_identity, 0, sizeof(block.open_identity));
                    memset(block.open_circumstance, 0, sizeof(block.open_circumstance));
                    some_unread = 1;
                }
                stable_add_open(&block, points, count, points->identity ? block.open_identity : block.open_circumstance,
                                block.unread);
            }
            if (answer->changed) stable_count(block.states, count, answer->changed + c, answer->unread + c);
            if (answer->words) stable_add_word(block.states, count, c, answer->words + 2 * begin);
        }
        stable_outcomes(asked, count, some_unread, &block, answer->outcomes + begin);
        if (answer->notes) memcpy(answer->notes + begin, block.notes, (size_t)count);
        if (answer->identity) memcpy(answer->identity + begin, block.identity, (size_t)count);
        if (answer->circumstance)
            for (int i = 0; i < count; i++)
                answer->circumstance[begin + i] = (int8_t)stable_limited(asked, block.circumstance[i]);
    }
    return 0;
}

#endif
