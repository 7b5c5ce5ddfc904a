/* Values that are sets: elements between white space, as Python's str.split() finds them. */

#ifndef FINGERPRINT_FLEET_SETS_H
#define FINGERPRINT_FLEET_SETS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* So many elements of a side need no memory of their own. */
enum { FLEET_FEW_ELEMENTS = 64 };

typedef struct {
    const uint8_t *text;
    int64_t length;
} fleet_element;

/* Return the number of bytes of the white space at the begin of a text, 0 if there is none: that of str.isspace(), in
   UTF-8. */
static inline int fleet_space(const uint8_t *text, int64_t length) {
    const uint8_t c = text[0];
    if (c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F)) return 1;
    if (c == 0xC2) return length > 1 && (text[1] == 0x85 || text[1] == 0xA0) ? 2 : 0;
    if (length < 3 || c < 0xE1 || c > 0xE3) return 0;
    if (c == 0xE1) return text[1] == 0x9A && text[2] == 0x80 ? 3 : 0;
    if (c == 0xE3) return text[1] == 0x80 && text[2] == 0x80 ? 3 : 0;
    if (text[1] == 0x80) {
        const uint8_t last = text[2];
        return (last >= 0x80 && last <= 0x8A) || last == 0xA8 || last == 0xA9 || last == 0xAF ? 3 : 0;
    }
    return text[1] == 0x81 && text[2] == 0x9F ? 3 : 0;
}

static int fleet_element_order(const void *one, const void *other) {
    const fleet_element *a = (const fleet_element *)one, *b = (const fleet_element *)other;
    if (a->length != b->length) return a->length < b->length ? -1 : 1;
    return memcmp(a->text, b->text, (size_t)a->length);
}

/* Write the elements of a value. Return how many there are; to is NULL to count only. */
static int64_t fleet_elements(const uint8_t *text, int64_t length, fleet_element *to) {
    int64_t found = 0, at = 0;
    while (at < length) {
        int64_t begin;
        int space = fleet_space(text + at, length - at);
        if (space) {
            at += space;
            continue;
        }
        begin = at;
        while (at < length && !fleet_space(text + at, length - at)) at++;
        if (to) {
            to[found].text = text + begin;
            to[found].length = at - begin;
        }
        found++;
    }
    return found;
}

/* Sort elements and remove repeated ones. Return how many are left. */
static int64_t fleet_distinct(fleet_element *elements, int64_t count) {
    int64_t kept = 0, sorted = 1;
    for (int64_t i = 1; i < count && sorted; i++) sorted = fleet_element_order(elements + i - 1, elements + i) <= 0;
    if (!sorted) qsort(elements, (size_t)count, sizeof(fleet_element), fleet_element_order);
    for (int64_t i = 0; i < count; i++)
        if (!i || fleet_element_order(elements + kept - 1, elements + i)) elements[kept++] = elements[i];
    return kept;
}

/* Return whether two sets have an element in common, and at least half of those of the smaller one; -1 if there is no
   memory. */
static int fleet_sets_overlap(const uint8_t *x, int64_t x_length, const uint8_t *y, int64_t y_length) {
    fleet_element few[2 * FLEET_FEW_ELEMENTS], *a = few, *b, *many = NULL;
    int64_t a_count = fleet_elements(x, x_length, NULL), b_count = fleet_elements(y, y_length, NULL);
    int64_t common = 0, smaller;
    if (a_count + b_count > 2 * FLEET_FEW_ELEMENTS) {
        a = many = (fleet_element *)malloc((size_t)(a_count + b_count) * sizeof(fleet_element));
        if (!many) return -1;
    }
    b = a + a_count;
    fleet_elements(x, x_length, a);
    fleet_elements(y, y_length, b);
    a_count = fleet_distinct(a, a_count);
    b_count = fleet_distinct(b, b_count);
    for (int64_t i = 0, j = 0; i < a_count && j < b_count;) {
        const int order = fleet_element_order(a + i, b + j);
        common += order == 0;
        i += order <= 0;
        j += order >= 0;
    }
    smaller = a_count < b_count ? a_count : b_count;
    free(many);
    return common && 2 * common >= smaller;
}

#endif
