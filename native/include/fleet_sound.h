/* Whether columns of the Arrow format stay within their buffers: offsets, views and bits of foreign producers.

   Everything here reads by memcpy: a foreign buffer may begin at any address. */

#ifndef FINGERPRINT_FLEET_SOUND_H
#define FINGERPRINT_FLEET_SOUND_H

#include <stdint.h>
#include <string.h>

#include "fleet_columns.h"

enum { SOUND_BLOCK = 4096 };

/* Whether offsets neither go back nor leave `room`. In blocks without a branch, so that they are read as fast as memory
   is; the first and the last offset say the rest, as all between them grow. */
#define SOUND_OFFSETS(name, block, offset)                                                                            \
    FLEET_CLONES static int block(const uint8_t *offsets, int count) {                                                \
        int back = 0;                                                                                                 \
        for (int i = 0; i < count; i++) {                                                                             \
            offset pair[2];                                                                                           \
            memcpy(pair, offsets + sizeof(offset) * (size_t)i, sizeof pair);                                          \
            back |= pair[1] < pair[0];                                                                                \
        }                                                                                                             \
        return !back;                                                                                                 \
    }                                                                                                                 \
    static int name(const uint8_t *offsets, int64_t rows, int64_t room) {                                             \
        offset first, last;                                                                                           \
        memcpy(&first, offsets, sizeof first);                                                                        \
        memcpy(&last, offsets + sizeof(offset) * (size_t)rows, sizeof last);                                          \
        if (first < 0 || last > room) return 0;                                                                       \
        for (int64_t at = 0; at < rows; at += SOUND_BLOCK)                                                            \
            if (!block(offsets + sizeof(offset) * (size_t)at, rows - at < SOUND_BLOCK ? (int)(rows - at)              \
                                                                                      : SOUND_BLOCK))                 \
                return 0;                                                                                             \
        return 1;                                                                                                     \
    }

SOUND_OFFSETS(sound_offsets, sound_offsets_block, int32_t)
SOUND_OFFSETS(sound_large_offsets, sound_large_offsets_block, int64_t)

/* Whether each view that is not null holds its value, the rest of it zeros, or says where in which piece it is, with
   the four bytes that it repeats. valid: a bit for each row from `at`, NULL if all are. */
static int sound_views(const uint8_t *views, const uint8_t *valid, int64_t at, int64_t rows,
                       const uint8_t *const *pieces, const int64_t *rooms, int64_t count) {
    static const uint8_t zeros[12] = { 0 };
    for (int64_t row = 0; row < rows; row++) {
        const uint8_t *view = views + 16 * row;
        int32_t told[4];
        if (valid && !(valid[(at + row) >> 3] >> ((at + row) & 7) & 1)) continue;
        memcpy(told, view, sizeof told);
        if (told[0] <= 12) {
            if (told[0] < 0 || memcmp(view + 4 + told[0], zeros, (size_t)(12 - told[0]))) return 0;
            continue;
        }
        if (told[2] < 0 || told[2] >= count || told[3] < 0) return 0;
        if ((int64_t)told[3] + told[0] > rooms[told[2]]) return 0;
        if (memcmp(view + 4, pieces[told[2]] + told[3], 4)) return 0;
    }
    return 1;
}

/* Count the rows of which the bit is not set, eight bytes at a time. */
static int64_t sound_count_unset(const uint8_t *bits, int64_t at, int64_t rows) {
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
