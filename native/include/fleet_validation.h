/* Checks that columns of other producers, in the Arrow format, stay within their buffers: offsets, views and bits.

   All reads use memcpy, because a foreign buffer may begin at any address. */

#ifndef FINGERPRINT_FLEET_VALIDATION_H
#define FINGERPRINT_FLEET_VALIDATION_H

#include <stdint.h>
#include <string.h>

#include "fleet_columns.h"

enum { VALIDATION_BLOCK = 4096 };

/* Return whether offsets ascend and stay within `size`. Blocks without a branch run at the speed of memory. Where
   offsets ascend, the first and the last one bound all others. */
#define VALID_OFFSETS(name, block, offset)                                                                            \
    FLEET_CLONES static int block(const uint8_t *offsets, int count) {                                                \
        int back = 0;                                                                                                 \
        for (int i = 0; i < count; i++) {                                                                             \
            offset pair[2];                                                                                           \
            memcpy(pair, offsets + sizeof(offset) * (size_t)i, sizeof pair);                                          \
            back |= pair[1] < pair[0];                                                                                \
        }                                                                                                             \
        return !back;                                                                                                 \
    }                                                                                                                 \
    static int name(const uint8_t *offsets, int64_t rows, int64_t size) {                                             \
        offset first, last;                                                                                           \
        memcpy(&first, offsets, sizeof first);                                                                        \
        memcpy(&last, offsets + sizeof(offset) * (size_t)rows, sizeof last);                                          \
        if (first < 0 || last > size) return 0;                                                                       \
        for (int64_t at = 0; at < rows; at += VALIDATION_BLOCK)                                                       \
            if (!block(offsets + sizeof(offset) * (size_t)at, rows - at < VALIDATION_BLOCK ? (int)(rows - at)         \
                                                                                      : VALIDATION_BLOCK))            \
                return 0;                                                                                             \
        return 1;                                                                                                     \
    }

VALID_OFFSETS(valid_offsets, valid_offsets_block, int32_t)
VALID_OFFSETS(valid_large_offsets, valid_large_offsets_block, int64_t)

/* Return whether each view that is not null holds its value, followed by zeros, or points into a piece and repeats the
   first four bytes of the value there. valid: a bit for each row from `at`, NULL if all rows have a value. */
static int valid_views(const uint8_t *views, const uint8_t *valid, int64_t at, int64_t rows,
                       const uint8_t *const *pieces, const int64_t *sizes, int64_t count) {
    static const uint8_t zeros[12] = { 0 };
    for (int64_t row = 0; row < rows; row++) {
        const uint8_t *view = views + 16 * row;
        int32_t words[4];
        if (valid && !(valid[(at + row) >> 3] >> ((at + row) & 7) & 1)) continue;
        memcpy(words, view, sizeof words);
        if (words[0] <= 12) {
            if (words[0] < 0 || memcmp(view + 4 + words[0], zeros, (size_t)(12 - words[0]))) return 0;
            continue;
        }
        if (words[2] < 0 || words[2] >= count || words[3] < 0) return 0;
        if ((int64_t)words[3] + words[0] > sizes[words[2]]) return 0;
        if (memcmp(view + 4, pieces[words[2]] + words[3], 4)) return 0;
    }
    return 1;
}

/* Return the number of rows whose bit is not set, counted eight bytes at a time. */
static int64_t count_unset_bits(const uint8_t *bits, int64_t at, int64_t rows) {
    int64_t set = 0, row = at;
    const int64_t end = at + rows;
    for (; row < end && (row & 7); row++) set += bits[row >> 3] >> (row & 7) & 1;
    for (; row + 64 <= end; row += 64) {
        uint64_t word;
        memcpy(&word, bits + (row >> 3), 8);
        word -= word >> 1 & 0x5555555555555555u;
        word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
        set += (int64_t)(((word + (word >> 4)) & 0x0F0F0F0F0F0F0F0Fu) * 0x0101010101010101u >> 56);
    }
    for (; row < end; row++) set += bits[row >> 3] >> (row & 7) & 1;
    return rows - set;
}

#endif
