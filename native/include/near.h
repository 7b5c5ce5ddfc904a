/* Near-clones: exactly the pairs of machines with at least t equal attributes and different hardware IDs.

   Values become codes (near_codes.h). Two engines find the pairs. The first one reads only rare values:
   of two rows with t equal attributes the rarest equal one is among the m - t + 1 rarest of each, where m is how many
   it has (prefix filter: Chaudhuri, Ganti and Kaushik 2006; Bayardo, Ma and Srikant 2007). The second one compares all
   rows with one another, a byte of each code at a time: it compares the large groups of the first one, and tests check
   the first one against it. */

#ifndef FINGERPRINT_NEAR_H
#define FINGERPRINT_NEAR_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "near_codes.h"

enum {
    NEAR_MOST_COLUMNS = 32, /* a pair's equal attributes are the bits of one word */
    NEAR_SMALL_GROUP = 24 /* up to here the pairs of a group are compared one by one, above by bytes */
};

/* A node is all rows with the same values, apart from values that only one row has: a value that one of them shares
   with a row of another node, all of them share. The first row represents them. */
typedef struct {
    uint32_t row;   /* the first */
    uint32_t first; /* index of its first row among the members */
    uint32_t count, repeated; /* its rows; those of them, listed first, whose hardware ID other rows have */
    uint32_t next;  /* the next node in its bucket, from 1 */
    uint64_t hash;
} near_node;

typedef struct {
    near_node *nodes;
    uint32_t *of;      /* [rows] number of the node from 1, 0 for rows without any pair */
    uint32_t *members; /* rows, node by node; in each node first the repeated hardware IDs, ID by ID */
    uint32_t *buckets; /* for each hash, masked, the first node, from 1 */
    uint32_t used, capacity;
    uint64_t mask;
} near_nodes;

/* The codes of a fleet, column after column. */
typedef struct {
    int64_t rows;
    int columns, at_least;
    const uint32_t *codes;      /* [columns][rows] */
    const uint8_t *frequencies; /* [columns][rows] */
    const uint32_t *sids;       /* [rows]; NULL to count all pairs */
    const uint8_t *sid_frequencies; /* [rows]; NULL without sids */
    const near_nodes *nodes;    /* NULL to compare rows, not nodes */
} near_fleet;

/* A value among the rarest of a row. */
typedef struct {
    uint32_t code, row;
} near_token;

typedef struct {
    near_token *tokens[NEAR_MOST_COLUMNS];
    int64_t used[NEAR_MOST_COLUMNS], capacity[NEAR_MOST_COLUMNS];
} near_tokens;

static void near_tokens_free(near_tokens *tokens) {
    for (int c = 0; c < NEAR_MOST_COLUMNS; c++) free(tokens->tokens[c]);
    memset(tokens, 0, sizeof *tokens);
}

#include "near_nodes.h"

FLEET_CLONES static void near_count_rare(const uint32_t *codes, const uint8_t *frequencies, int count,
                                         uint8_t *restrict has, uint8_t *restrict single) {
    for (int i = 0; i < count; i++) {
        has[i] = (uint8_t)(has[i] + (codes[i] != 0));
        single[i] = (uint8_t)(single[i] + (frequencies[i] == 1));
    }
}

/* Collect the nodes, and of each the tokens that it can share: its m - t + 1 rarest values without the single ones.
   Return 0, or -1 if memory is short. */
static int near_collect(const near_fleet *fleet, int64_t begin, int64_t end, uint64_t seed, near_tokens *into,
                        near_nodes *nodes) {
    uint8_t has[NEAR_TILE], single[NEAR_TILE];
    for (; begin < end; begin += NEAR_TILE) {
        const int count = end - begin < NEAR_TILE ? (int)(end - begin) : NEAR_TILE;
        memset(has, 0, (size_t)count);
        memset(single, 0, (size_t)count);
        for (int c = 0; c < fleet->columns; c++)
            near_count_rare(fleet->codes + c * fleet->rows + begin, fleet->frequencies + c * fleet->rows + begin,
                            count, has, single);
        for (int i = 0; i < count; i++) {
            uint16_t ranks[NEAR_MOST_COLUMNS];
            int ranked = 0, wanted = has[i] - fleet->at_least + 1;
            if (wanted <= single[i]) continue; /* too few values, or all of its rarest are single */
            const int is_new = near_node_of(nodes, fleet, begin + i, seed);
            if (is_new < 0) return -1;
            if (!is_new) continue;
            for (int c = 0; c < fleet->columns; c++) {
                const int64_t at = c * fleet->rows + begin + i;
                uint16_t rank = (uint16_t)(fleet->frequencies[at] << 5 | c);
                int index = ranked;
                if (!fleet->codes[at]) continue;
                for (; index > 0 && ranks[index - 1] > rank; index--) ranks[index] = ranks[index - 1];
                ranks[index] = rank;
                ranked++;
            }
            for (int k = single[i]; k < wanted; k++) {
                const int c = ranks[k] & 31;
                if (into->used[c] == into->capacity[c]) {
                    int64_t capacity = into->capacity[c] ? 2 * into->capacity[c] : 1024;
                    near_token *more = (near_token *)realloc(into->tokens[c], (size_t)capacity * sizeof *more);
                    if (!more) return -1;
                    into->tokens[c] = more;
                    into->capacity[c] = capacity;
                }
                into->tokens[c][into->used[c]].code = fleet->codes[c * fleet->rows + begin + i];
                into->tokens[c][into->used[c]++].row = (uint32_t)(begin + i);
            }
        }
    }
    return 0;
}

/* Sort by code, stably (a radix sort in three rounds of 11 bits). Return 0, or -1 if memory is short. */
static int near_sort(near_token *tokens, int64_t count) {
    near_token *other = (near_token *)malloc((size_t)(count + 1) * sizeof *other), *from = tokens, *to = other;
    if (!other) return -1;
    for (int shift = 0; shift < 33; shift += 11) {
        int64_t starts[2048] = { 0 }, sum = 0;
        for (int64_t i = 0; i < count; i++) starts[from[i].code >> shift & 2047]++;
        for (int k = 0; k < 2048; k++) {
            int64_t these = starts[k];
            starts[k] = sum;
            sum += these;
        }
        for (int64_t i = 0; i < count; i++) to[starts[from[i].code >> shift & 2047]++] = from[i];
        near_token *swap = from;
        from = to;
        to = swap;
    }
    memcpy(tokens, other, (size_t)count * sizeof *tokens); /* an odd number of rounds ends in the other */
    free(other);
    return 0;
}

/* What was found. Each thread has its own. */
typedef struct {
    int64_t pairs[NEAR_MOST_COLUMNS + 1]; /* by how many attributes are equal */
    int64_t compared;                     /* number of pairs compared */
    uint32_t *parents;                    /* [rows] union-find */
    uint32_t *list;                       /* [limit][3] rows and the bits of the equal attributes */
    int64_t listed, limit;
} near_answer;

static inline uint32_t near_root(uint32_t *parents, uint32_t row) {
    while (parents[row] != row) {
        parents[row] = parents[parents[row]];
        row = parents[row];
    }
    return row;
}

/* Join two clusters. The smaller row becomes the root, so that the answer does not depend on the order of the pairs. */
static inline void near_join(uint32_t *parents, uint32_t a, uint32_t b) {
    a = near_root(parents, a);
    b = near_root(parents, b);
    if (a < b)
        parents[b] = a;
    else
        parents[a] = b;
}

static inline void near_list(near_answer *answer, uint32_t a, uint32_t b, uint32_t equal) {
    if (answer->listed < answer->limit) {
        uint32_t *to = answer->list + 3 * answer->listed++;
        to[0] = a < b ? a : b;
        to[1] = a < b ? b : a;
        to[2] = equal;
    }
}

#include "near_multiples.h"

/* The rows of a group, with their codes side by side. */
typedef struct {
    const uint32_t *rows;
    uint32_t *codes;   /* [count][stride] */
    uint8_t *bytes;    /* [columns][padded] */
    int64_t count, padded;
    int stride;
} near_group;

static int near_group_make(near_group *group, const near_fleet *fleet, const uint32_t *rows, int64_t count,
                           int with_bytes) {
    group->rows = rows;
    group->count = count;
    group->stride = (fleet->columns + 7) & ~7;
    group->padded = (count + NEAR_TILE - 1) / NEAR_TILE * NEAR_TILE;
    group->bytes = NULL;
    group->codes = (uint32_t *)calloc((size_t)(count * group->stride + 1), sizeof *group->codes);
    if (!group->codes) return -1;
    if (with_bytes) {
        group->bytes = (uint8_t *)calloc((size_t)(group->padded * fleet->columns + 1), 1);
        if (!group->bytes) {
            free(group->codes);
            return -1;
        }
    }
    for (int c = 0; c < fleet->columns; c++) {
        const uint32_t *codes = fleet->codes + c * fleet->rows;
        for (int64_t i = 0; i < count; i++) {
            uint32_t code = codes[rows[i]];
            group->codes[i * group->stride + c] = code;
            /* Ids are small numbers, so the byte is of a hash of the code. Rows without a value must not be equal. */
            if (group->bytes)
                group->bytes[c * group->padded + i] = (uint8_t)((code ? code : rows[i] * 3u + 1u) * 0x9E3779B1u >> 24);
        }
    }
    return 0;
}

static void near_group_free(near_group *group) {
    free(group->codes);
    free(group->bytes);
}

static inline uint32_t near_equal(const near_group *group, int64_t i, int64_t j, int columns) {
    const uint32_t *a = group->codes + i * group->stride, *b = group->codes + j * group->stride;
    uint32_t equal = 0;
    for (int c = 0; c < columns; c++) equal |= (uint32_t)((a[c] == b[c]) & (a[c] != 0)) << c;
    return equal;
}

static inline int near_bits(uint32_t bits) {
    int count = 0;
    for (; bits; bits &= bits - 1) count++;
    return count;
}

/* Count two rows if they are a pair. column: that of the group, -1 for a group of all rows. A pair that is in several
   groups counts in the group of its rarest equal value. */
static inline void near_take(const near_fleet *fleet, const near_group *group, int column, int64_t i, int64_t j,
                             near_answer *answer) {
    const uint32_t equal = near_equal(group, i, j, fleet->columns);
    const int count = near_bits(equal);
    uint32_t a = group->rows[i], b = group->rows[j];
    if (count < fleet->at_least) return;
    if (!fleet->nodes && fleet->sids && fleet->sids[a] == fleet->sids[b] && fleet->sids[a]) return;
    if (column >= 0) {
        const uint8_t own = fleet->frequencies[column * fleet->rows + a];
        for (int c = 0; c < fleet->columns; c++) {
            if (c == column || !(equal >> c & 1)) continue;
            const uint8_t other = fleet->frequencies[c * fleet->rows + a];
            if (other < own || (other == own && c < column)) return;
        }
    }
    if (fleet->nodes) {
        near_take_nodes(fleet, a, b, equal, count, answer);
        return;
    }
    answer->pairs[count]++;
    near_join(answer->parents, a, b);
    near_list(answer, a, b, equal);
}

/* For each of `count` other rows, write how many bytes it has in common with a row. */
FLEET_CLONES static void near_count_bytes(const near_group *group, int columns, int64_t row, int64_t from, int count,
                                          uint8_t *restrict equal) {
    memset(equal, 0, (size_t)count);
    for (int c = 0; c < columns; c++) {
        const uint8_t *bytes = group->bytes + c * group->padded;
        const uint8_t own = bytes[row];
        for (int j = 0; j < count; j++) equal[j] = (uint8_t)(equal[j] + (bytes[from + j] == own));
    }
}

static void near_tile_portable(const near_fleet *fleet, const near_group *group, int column, int64_t begin,
                               int64_t end, int64_t from, int count, near_answer *answer) {
    uint8_t equal[NEAR_TILE];
    for (int64_t i = begin; i < end; i++) {
        near_count_bytes(group, fleet->columns, i, from, count, equal);
        for (int j = 0; j < count; j++)
            if (equal[j] >= fleet->at_least && from + j > i) near_take(fleet, group, column, i, from + j, answer);
    }
}

#if FLEET_X86
/* Compare four rows with 32 at a time. It reads the padding after the last row of the group. */
FLEET_AVX2 static void near_tile_avx2(const near_fleet *fleet, const near_group *group, int column, int64_t begin,
                                      int64_t end, int64_t from, int count, near_answer *answer) {
    const __m256i wanted = _mm256_set1_epi8((char)(1 - fleet->at_least));
    const int columns = fleet->columns;
    for (int64_t i = begin; i < end; i += 4) {
        __m256i own[NEAR_MOST_COLUMNS][4];
        const int rows = end - i < 4 ? (int)(end - i) : 4;
        for (int c = 0; c < columns; c++)
            for (int k = 0; k < 4; k++)
                own[c][k] = _mm256_set1_epi8((char)group->bytes[c * group->padded + i + (k < rows ? k : 0)]);
        for (int j = 0; j < count; j += 32) {
            __m256i sums[4] = { _mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                                _mm256_setzero_si256() };
            for (int c = 0; c < columns; c++) {
                const __m256i bytes =
                    _mm256_loadu_si256((const __m256i *)(group->bytes + c * group->padded + from + j));
                for (int k = 0; k < 4; k++) sums[k] = _mm256_add_epi8(sums[k], _mm256_cmpeq_epi8(own[c][k], bytes));
            }
            /* An equal byte adds -1. */
            __m256i any = _mm256_cmpgt_epi8(wanted, sums[0]);
            for (int k = 1; k < 4; k++) any = _mm256_or_si256(any, _mm256_cmpgt_epi8(wanted, sums[k]));
            if (_mm256_testz_si256(any, any)) continue;
            for (int k = 0; k < rows; k++) {
                uint32_t found = (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(wanted, sums[k]));
                for (; found; found &= found - 1) {
                    const int64_t other = from + j + __builtin_ctz(found);
                    if (other > i + k && other < group->count) near_take(fleet, group, column, i + k, other, answer);
                }
            }
        }
    }
}
#endif

/* Compare the rows from `begin` to `end` of a group with all rows after them. */
static void near_brute(const near_fleet *fleet, const near_group *group, int column, int64_t begin, int64_t end,
                       near_answer *answer) {
    for (; begin < end; begin += NEAR_TILE) {
        const int64_t last = end - begin < NEAR_TILE ? end : begin + NEAR_TILE;
        for (int64_t from = begin; from < group->count; from += NEAR_TILE) {
            const int count = group->count - from < NEAR_TILE ? (int)(group->count - from) : NEAR_TILE;
#if FLEET_X86
            if (fleet_has_avx2)
                near_tile_avx2(fleet, group, column, begin, last, from, count, answer);
            else
#endif
                near_tile_portable(fleet, group, column, begin, last, from, count, answer);
        }
        answer->compared += (last - begin) * (2 * group->count - last - begin - 1) / 2;
    }
}

/* Compare the rows of the tokens from `begin` to `end`, which are sorted and of one column: each code is a group.
   Return 0, or -1 if memory is short. */
static int near_groups(const near_fleet *fleet, int column, const near_token *tokens, int64_t begin, int64_t end,
                       near_answer *answer) {
    uint32_t few[NEAR_SMALL_GROUP], *many = NULL;
    int64_t capacity = 0;
    while (begin < end) {
        near_group group;
        int64_t last = begin + 1;
        uint32_t *rows = few;
        while (last < end && tokens[last].code == tokens[begin].code) last++;
        if (last - begin > 1) {
            if (last - begin > NEAR_SMALL_GROUP) {
                if (last - begin > capacity) {
                    free(many);
                    capacity = 2 * (last - begin);
                    many = (uint32_t *)malloc((size_t)capacity * sizeof *many);
                    if (!many) return -1;
                }
                rows = many;
            }
            for (int64_t i = begin; i < last; i++) rows[i - begin] = tokens[i].row;
            if (near_group_make(&group, fleet, rows, last - begin, last - begin > NEAR_SMALL_GROUP)) {
                free(many);
                return -1;
            }
            if (group.bytes) {
                near_brute(fleet, &group, column, 0, group.count, answer);
            } else {
                for (int64_t i = 0; i < group.count; i++)
                    for (int64_t j = i + 1; j < group.count; j++) near_take(fleet, &group, column, i, j, answer);
                answer->compared += group.count * (group.count - 1) / 2;
            }
            near_group_free(&group);
        }
        begin = last;
    }
    free(many);
    return 0;
}

#endif
