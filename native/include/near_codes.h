/* Codes for the values of a column: codes are equal exactly where the values are, also where hashes collide. */

#ifndef FINGERPRINT_NEAR_CODES_H
#define FINGERPRINT_NEAR_CODES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_columns.h"

enum {
    NEAR_TILE = 1024,  /* rows whose bytes fit into the first-level cache */
    NEAR_BATCH = 64,   /* rows whose table entries are prefetched together */
    NEAR_CERTAIN = 16  /* frequencies up to here are exact */
};

/* A run of rows of one column. */
typedef struct {
    fleet_column column;
    const int32_t *codes; /* of a dictionary, whose values `column` then has; -1 for none */
    int64_t begin, end;   /* its rows, counted over all runs */
} near_run;

static inline const uint8_t *near_value(const near_run *run, int64_t row, int64_t *length) {
    row -= run->begin;
    if (run->codes) row = run->codes[row];
    return fleet_value(&run->column, row, length);
}

static inline int near_has(const near_run *run, int64_t row) {
    row -= run->begin;
    return run->codes ? run->codes[row] >= 0 : fleet_has(&run->column, row);
}

static inline uint64_t near_fold(uint64_t a, uint64_t b) {
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    uint64_t x = (a ^ (a >> 32)) * (b | 1);
    return (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9u;
#endif
}

static inline uint64_t near_read(const uint8_t *from, size_t bytes) {
    uint64_t word = 0;
    memcpy(&word, from, bytes);
    return word;
}

/* Return a hash for tables (multiply and fold). It is neither stored nor printed. */
static inline uint64_t near_hash(const uint8_t *value, int64_t length, uint64_t seed) {
    const uint64_t k = 0x9E3779B97F4A7C15u;
    uint64_t hash = seed ^ near_fold((uint64_t)length ^ k, seed | 1);
    for (; length > 16; value += 16, length -= 16)
        hash = near_fold(near_read(value, 8) ^ hash, near_read(value + 8, 8) ^ k);
    if (length >= 8)
        return near_fold(near_read(value, 8) ^ hash, near_read(value + length - 8, 8) ^ k);
    if (length >= 4)
        return near_fold(near_read(value, 4) ^ hash, near_read(value + length - 4, 4) ^ k);
    return near_fold((length > 0 ? near_read(value, 1) | near_read(value + length / 2, 1) << 8
                                       | near_read(value + length - 1, 1) << 16 : 0) ^ hash, k);
}

/* A value that several rows may have. An entry fits into one cache line, with short values inside. */
enum { NEAR_INSIDE = 40 };
typedef struct {
    uint32_t code, count;
    int64_t length;
    const uint8_t *value;
    uint8_t inside[NEAR_INSIDE]; /* the value, if it is no longer than this */
} near_entry;

/* A bucket holds a code and the number of its entry from 1; 0 is a free bucket. */
typedef struct {
    uint64_t *buckets;
    near_entry *entries;
    uint64_t mask;
    uint32_t used, capacity;
} near_table;

static void near_table_free(near_table *table) {
    free(table->buckets);
    free(table->entries);
}

/* Return the bucket of a code, or the free one for it. */
static inline uint64_t near_find(const near_table *table, uint32_t code) {
    uint64_t at = code & table->mask;
    while (table->buckets[at] && table->buckets[at] >> 32 != code) at = (at + 1) & table->mask;
    return at;
}

static inline near_entry *near_entry_of(const near_table *table, uint32_t code) {
    return table->entries + (uint32_t)table->buckets[near_find(table, code)] - 1;
}

/* Allocate memory for `more` entries. Return 0, or -1 if memory is short. */
static int near_table_reserve(near_table *table, uint32_t more) {
    if (table->used + more > table->capacity) {
        const uint32_t twice = 2 * table->capacity, wanted = table->used + more;
        const uint32_t capacity = twice > wanted ? twice : wanted + 1024;
        near_entry *entries = (near_entry *)realloc(table->entries, capacity * sizeof *entries);
        if (!entries) return -1;
        table->entries = entries;
        table->capacity = capacity;
    }
    if (!table->buckets || 3 * ((uint64_t)table->used + more) > 2 * table->mask) {
        const uint64_t size = table->buckets ? 2 * (table->mask + 1) : 4096;
        uint64_t *buckets = (uint64_t *)calloc(size, sizeof *buckets), *old = table->buckets;
        if (!buckets) return -1;
        table->buckets = buckets;
        table->mask = size - 1;
        for (uint32_t i = 0; i < table->used; i++)
            buckets[near_find(table, table->entries[i].code)] = (uint64_t)table->entries[i].code << 32 | (i + 1);
        free(old);
    }
    return 0;
}

static inline int near_is(const near_entry *entry, const uint8_t *value, int64_t length) {
    return entry->length == length
           && fleet_same_bytes(length <= NEAR_INSIDE ? entry->inside : entry->value, value, length);
}

/* Return whether a hash occurred never (0), once (1) or more often (2): two bits for each hash, masked. */
static inline int near_seen(const uint8_t *seen, uint64_t hash) {
    return seen[hash >> 2] >> (2 * (hash & 3)) & 3;
}

static inline void near_see(uint8_t *seen, uint64_t hash) {
    const uint8_t bits = (uint8_t)(3 << (2 * (hash & 3)));
    const uint8_t once = (uint8_t)(1 << (2 * (hash & 3)));
    seen[hash >> 2] = (uint8_t)(seen[hash >> 2] & bits ? (seen[hash >> 2] & ~bits) | (once << 1)
                                                      : seen[hash >> 2] | once);
}

/* Return a frequency as a byte that orders as it does, exact where it is small: rare values come first. */
static inline uint8_t near_frequency(uint32_t count) {
    uint8_t bits = 0;
    if (count <= NEAR_CERTAIN) return (uint8_t)count;
    while (count >> bits > 15) bits++; /* four leading digits */
    return (uint8_t)(NEAR_CERTAIN + 8 * bits + (count >> bits) - 7);
}

static inline uint32_t near_code(const uint8_t *value, int64_t length, uint64_t seed) {
    const uint32_t code = (uint32_t)near_hash(value, length, seed);
    return code + !code;
}

/* Hash some rows of a run; the usual layout needs no check of each row. */
static void near_hash_rows(const near_run *run, int64_t begin, int64_t end, uint64_t seed, uint32_t *codes) {
    const fleet_column *column = &run->column;
    if (column->kind == FLEET_STRING && !column->valid && !run->codes) {
        const int32_t *offsets = (const int32_t *)column->offsets + column->at + begin - run->begin;
        for (int64_t i = 0; i < end - begin; i++)
            codes[i] = near_code(column->data + offsets[i], offsets[i + 1] - offsets[i], seed);
        return;
    }
    for (int64_t row = begin; row < end; row++) {
        int64_t length;
        const uint8_t *value;
        codes[row - begin] = 0;
        if (!near_has(run, row)) continue;
        value = near_value(run, row, &length);
        codes[row - begin] = near_code(value, length, seed);
    }
}

/* Return the code of a value that several rows may have. Where two values have one hash, the later one gets an unused
   code, the same for all rows with this value. */
static uint32_t near_own_code(near_table *table, uint8_t *seen, uint64_t mask, uint64_t seed, uint32_t code,
                              const uint8_t *value, int64_t length) {
    for (;;) {
        const uint64_t at = near_find(table, code);
        near_entry *entry = table->entries + table->used;
        if (!table->buckets[at]) {
            table->buckets[at] = (uint64_t)code << 32 | ++table->used;
            entry->code = code;
            entry->count = 1;
            entry->length = length;
            entry->value = value;
            if (length <= NEAR_INSIDE) memcpy(entry->inside, value, (size_t)length);
            return code;
        }
        entry = table->entries + (uint32_t)table->buckets[at] - 1;
        if (near_is(entry, value, length)) {
            entry->count++;
            return code;
        }
        do
            code = near_code((const uint8_t *)&code, 4, seed);
        while (!table->buckets[near_find(table, code)] && near_seen(seen, code & mask));
        near_see(seen, code & mask);
        near_see(seen, code & mask);
    }
}

/* Use ids that are small numbers as codes, and count them in an array. Return 1 if that was done, 0 for any other
   column, -1 if memory is short. */
static int near_encode_ids(const near_run *runs, int64_t count, uint32_t *codes, uint8_t *frequencies) {
    const int64_t rows = count ? runs[count - 1].end : 0, most = 4 * rows + 1024;
    uint32_t *counts;
    int32_t largest = 0;
    for (int64_t r = 0; r < count; r++) {
        const fleet_column *column = &runs[r].column;
        if (column->kind != FLEET_CODE || column->width != 4 || runs[r].codes) return 0;
        for (int64_t i = 0; i < runs[r].end - runs[r].begin; i++) {
            const int32_t id = ((const int32_t *)column->offsets)[column->at + i];
            if (!fleet_has(column, i)) continue;
            if (id < 0) return 0;
            if (id > largest) largest = id;
        }
    }
    if (largest >= most) return 0;
    counts = (uint32_t *)calloc((size_t)largest + 2, sizeof *counts);
    if (!counts) return -1;
    for (int64_t r = 0; r < count; r++) {
        const fleet_column *column = &runs[r].column;
        for (int64_t i = 0; i < runs[r].end - runs[r].begin; i++) {
            const uint32_t id = (uint32_t)((const int32_t *)column->offsets)[column->at + i];
            codes[runs[r].begin + i] = fleet_has(column, i) ? id + 1 : 0;
            counts[codes[runs[r].begin + i]]++;
        }
    }
    counts[0] = 0;
    for (int64_t row = 0; row < rows; row++) frequencies[row] = near_frequency(counts[codes[row]]);
    free(counts);
    return 1;
}

/* Write the code of each row, equal exactly where the values are (0: no value), and its frequency (1: no other row has
   it). seen has two bits for each number up to `mask`, all 0. Return 0, or -1 if memory is short. */
static int near_encode(const near_run *runs, int64_t count, uint64_t seed, uint8_t *seen, uint64_t mask,
                       uint32_t *codes, uint8_t *frequencies) {
    near_table table = { NULL, NULL, 0, 0, 0 };
    const int64_t rows = count ? runs[count - 1].end : 0;
    const int are_ids = near_encode_ids(runs, count, codes, frequencies);
    if (are_ids) return are_ids < 0 ? -1 : 0;
    for (int64_t r = 0; r < count; r++) {
        for (int64_t begin = runs[r].begin; begin < runs[r].end; begin += NEAR_TILE) {
            const int64_t end = runs[r].end - begin < NEAR_TILE ? runs[r].end : begin + NEAR_TILE;
            near_hash_rows(runs + r, begin, end, seed, codes + begin);
            for (int64_t row = begin; row < end; row++)
                if (codes[row]) near_see(seen, codes[row] & mask);
        }
    }
    for (int64_t r = 0; r < count; r++) {
        for (int64_t begin = runs[r].begin; begin < runs[r].end; begin += NEAR_BATCH) {
            const int64_t end = runs[r].end - begin < NEAR_BATCH ? runs[r].end : begin + NEAR_BATCH;
            if (near_table_reserve(&table, NEAR_BATCH)) {
                near_table_free(&table);
                return -1;
            }
            for (int64_t row = begin; row < end; row++) {
                frequencies[row] = (uint8_t)(codes[row] ? near_seen(seen, codes[row] & mask) : 0);
                if (frequencies[row] > 1) FLEET_PREFETCH(table.buckets + (codes[row] & table.mask));
            }
            for (int64_t row = begin; row < end; row++)
                if (frequencies[row] > 1)
                    FLEET_PREFETCH(table.entries + (uint32_t)table.buckets[codes[row] & table.mask]);
            for (int64_t row = begin; row < end; row++) {
                int64_t length;
                const uint8_t *value;
                if (frequencies[row] < 2) continue;
                value = near_value(runs + r, row, &length);
                codes[row] = near_own_code(&table, seen, mask, seed, codes[row], value, length);
            }
        }
    }
    for (int64_t begin = 0; begin < rows; begin += NEAR_BATCH) {
        const int64_t end = rows - begin < NEAR_BATCH ? rows : begin + NEAR_BATCH;
        for (int64_t row = begin; row < end; row++)
            if (frequencies[row] > 1) FLEET_PREFETCH(table.buckets + (codes[row] & table.mask));
        for (int64_t row = begin; row < end; row++)
            if (frequencies[row] > 1) FLEET_PREFETCH(table.entries + (uint32_t)table.buckets[codes[row] & table.mask]);
        for (int64_t row = begin; row < end; row++)
            if (frequencies[row] > 1) frequencies[row] = near_frequency(near_entry_of(&table, codes[row])->count);
    }
    near_table_free(&table);
    return 0;
}

/* Return the code that stands for "", 0 if no row has it. */
static uint32_t near_code_of_empty(const near_run *runs, int64_t count, const uint32_t *codes) {
    for (int64_t r = 0; r < count; r++) {
        for (int64_t row = runs[r].begin; row < runs[r].end; row++) {
            int64_t length = 1;
            if (near_has(runs + r, row)) near_value(runs + r, row, &length);
            if (!length) return codes[row];
        }
    }
    return 0;
}

#endif
