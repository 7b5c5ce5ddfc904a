/* The rule of scheme `stable` over pairs of rows of one fleet: each row has a code for each attribute. A pair becomes
   two columns of codes, on which fleet_stable.h decides. */

#ifndef FINGERPRINT_STABLE_PAIRS_H
#define FINGERPRINT_STABLE_PAIRS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_sets.h"
#include "fleet_stable.h"
#include "near_codes.h"

/* The rows and codes of so many pairs fit into the second-level cache. */
enum { STABLE_PAIRS_AT_ONCE = 512 };

/* The elements of a set of each row, as sorted codes; without `begins` the attribute is no set. */
typedef struct {
    const int64_t *begins;
    const uint32_t *elements;
} stable_set_codes;

typedef struct {
    const uint32_t *codes;  /* [rows][columns], equal exactly where the values are; 0: no value */
    const uint32_t *unread; /* [columns] the code of an unreadable value */
    const uint32_t *names;  /* the codes of the names of the question */
    const stable_set_codes *sets; /* [columns] */
    int64_t rows;
} stable_fleet;

static int stable_order_of_codes(const void *one, const void *other) {
    const uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

/* Sort the elements of each set. */
static void stable_sort_sets(const int64_t *begins, int64_t rows, uint32_t *elements) {
    for (int64_t row = 0; row < rows; row++) {
        const int64_t count = begins[row + 1] - begins[row];
        if (count > 1) qsort(elements + begins[row], (size_t)count, sizeof *elements, stable_order_of_codes);
    }
}

/* Return whether the sets of two rows overlap, as fleet_sets_overlap() finds. */
static int stable_codes_overlap(const stable_set_codes *sets, int64_t one, int64_t other) {
    const uint32_t *a = sets->elements + sets->begins[one], *a_end = sets->elements + sets->begins[one + 1];
    const uint32_t *b = sets->elements + sets->begins[other], *b_end = sets->elements + sets->begins[other + 1];
    const int64_t smaller = a_end - a < b_end - b ? a_end - a : b_end - b;
    int64_t common = 0;
    while (a < a_end && b < b_end) {
        const uint32_t x = *a, y = *b;
        common += x == y;
        a += x <= y;
        b += y <= x;
    }
    return common && 2 * common >= smaller;
}

/* Return the code of a value among those of fleet_stable.h; values without a meaning of their own have the last one. */
static inline int32_t stable_meaning(const stable_question *asked, const stable_fleet *fleet, int c, uint32_t code) {
    if (!code) return STABLE_CODE_ABSENT;
    if (code == fleet->unread[c]) return STABLE_CODE_UNREAD;
    if (c == asked->hypervisor)
        for (int i = 0; i < asked->name_count; i++)
            if (code == fleet->names[i]) return STABLE_CODE_FIRST + i;
    return STABLE_CODE_FIRST + asked->name_count;
}

/* Write the codes of both sides of a pair. If one of them is unreadable, the other one is the saved side, so that its
   value is the one that might agree or differ; if both are, two unknown values might. */
static inline void stable_sides(const stable_question *asked, const stable_fleet *fleet, int c, int64_t one,
                                int64_t other, int32_t *saved, int32_t *current) {
    const uint32_t a = fleet->codes[one * asked->columns + c], b = fleet->codes[other * asked->columns + c];
    int32_t x = stable_meaning(asked, fleet, c, a), y = a == b ? x : stable_meaning(asked, fleet, c, b);
    if (x == STABLE_CODE_UNREAD && y) {
        /* What two machines of an unknown kind run on has no points, and no meaning for others. */
        x = y >= STABLE_CODE_FIRST ? y : c == asked->hypervisor ? STABLE_CODE_ABSENT : STABLE_CODE_FIRST;
        y = STABLE_CODE_UNREAD;
    } else if (a != b && x == y) {
        if (!fleet->sets[c].begins || !stable_codes_overlap(fleet->sets + c, one, other)) y = x + 1;
    }
    *saved = x;
    *current = y;
}

/* Decide pairs of rows. The points of `asked` are those of single values: overlapping sets get one code. Return 0, or -1
   if there is no memory. */
static int stable_decide_pairs(const stable_question *asked, const stable_fleet *fleet, const uint32_t *one,
                               const uint32_t *other, int64_t count, const stable_answer *answer) {
    const int columns = asked->columns;
    int32_t *codes = (int32_t *)malloc(2 * (size_t)columns * STABLE_PAIRS_AT_ONCE * sizeof(int32_t));
    fleet_column *sides = (fleet_column *)calloc(2 * (size_t)columns, sizeof(fleet_column));
    stable_question asked_here = *asked;
    int failed = !codes || !sides;
    for (int c = 0; !failed && c < 2 * columns; c++) {
        sides[c].kind = FLEET_CODE;
        sides[c].offsets = codes + (size_t)c * STABLE_PAIRS_AT_ONCE;
    }
    asked_here.saved = sides;
    asked_here.current = sides ? sides + columns : NULL;
    for (int64_t begin = 0; !failed && begin < count; begin += STABLE_PAIRS_AT_ONCE) {
        const int some = count - begin < STABLE_PAIRS_AT_ONCE ? (int)(count - begin) : STABLE_PAIRS_AT_ONCE;
        const stable_answer here = { answer->outcomes + begin, answer->notes ? answer->notes + begin : NULL,
                                     NULL, NULL, NULL, NULL, NULL };
        for (int i = 0; i < some; i++)
            FLEET_PREFETCH(fleet->codes + (int64_t)other[begin + i] * columns);
        for (int i = 0; i < some; i++)
            for (int c = 0; c < columns; c++)
                stable_sides(asked, fleet, c, one[begin + i], other[begin + i], codes + c * STABLE_PAIRS_AT_ONCE + i,
                             codes + (columns + c) * STABLE_PAIRS_AT_ONCE + i);
        failed = stable_decide(&asked_here, 0, some, &here) != 0;
    }
    free(codes);
    free(sides);
    return failed ? -1 : 0;
}

/* Write the distinct elements of the sets of a run: how many each row has, where each begins in `text`, and the bytes.
   An unreadable row has none. The buffers are those of all elements. Return how many there are, -1 without memory. */
static int64_t stable_elements(const near_run *run, int32_t *counts, int64_t *offsets, uint8_t *text) {
    int64_t found = 0, at = 0, capacity = FLEET_FEW_ELEMENTS;
    fleet_element *elements = (fleet_element *)malloc((size_t)capacity * sizeof(fleet_element));
    if (!elements) return -1;
    offsets[0] = 0;
    for (int64_t row = run->begin; row < run->end; row++) {
        int64_t length = 0, count;
        const uint8_t *value = near_has(run, row) ? near_value(run, row, &length) : NULL;
        counts[row - run->begin] = 0;
        if (!length || (length == 1 && *value == '?')) continue;
        count = fleet_elements(value, length, NULL);
        if (count > capacity) {
            fleet_element *more = (fleet_element *)realloc(elements, (size_t)count * sizeof(fleet_element));
            if (!more) {
                free(elements);
                return -1;
            }
            elements = more;
            capacity = count;
        }
        fleet_elements(value, length, elements);
        count = count ? fleet_distinct(elements, count) : 0;
        counts[row - run->begin] = (int32_t)count;
        for (int64_t i = 0; i < count; i++) {
            memcpy(text + at, elements[i].text, (size_t)elements[i].length);
            at += elements[i].length;
            offsets[++found] = at;
        }
    }
    free(elements);
    return found;
}

/* Return how many bytes the values of a run have; they have at most half as many elements, and one more a row. */
static int64_t stable_bytes_of(const near_run *run) {
    int64_t bytes = 0;
    for (int64_t row = run->begin; row < run->end; row++) {
        int64_t length = 0;
        if (near_has(run, row)) near_value(run, row, &length);
        bytes += length;
    }
    return bytes;
}

#endif
