/* The match rule over columns of the Arrow format: a pair of columns for each attribute, a row for each machine.

   Rows are decided in blocks. The hardware ID and the address decide most rows. The other columns are read only for the
   rest, and only as far as they need, unless the caller wants all counts. */

#ifndef FINGERPRINT_FLEET_H
#define FINGERPRINT_FLEET_H

#include <stdint.h>
#include <string.h>

#include "fleet_columns.h"
#include "ssm_rule.h"

/* The columns to compare, and by what. The pairs of hardware ID and address are among `columns`. */
typedef struct {
    const fleet_column *saved, *current;
    const int *order; /* in which the columns are read where not all are */
    int columns, sid, ip; /* sid, ip: their indexes; -1 where neither side has the column */
    const int32_t *thresholds;
    const uint8_t *thresholds_valid;
    int64_t thresholds_at;
    int32_t threshold; /* without a column of thresholds, and for rows without one */
} fleet_question;

/* Return how many of `total` must be equal, or total + 1 if all of them are too few. The rule itself finds it, because
   in single precision a division gives other results. total must not be 0. */
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

/* Return whether every row has a key on a side: a column of it has no nulls. */
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

/* The facts that all blocks of a batch share. */
typedef struct {
    const fleet_question *asked;
    int all_saved, all_current, nullable;
    uint32_t constant;   /* keys that every current hash has */
    uint8_t needed[101]; /* of `constant`, for thresholds 0 to 100 */
} fleet_worker;

/* A block of rows. A row is open while its reason is NOT_SIMILAR and its count can still reach `needed`. */
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
    /* Without a branch: SID_DIFFERS where same_sid is 0, else SAME_IP or NOT_SIMILAR. */
    for (int i = 0; i < count; i++)
        reasons[i] = (uint8_t)(SSM_SID_DIFFERS
                               + ((uint8_t)(0 - same_sid[i])
                                  & (SSM_NOT_SIMILAR - SSM_SID_DIFFERS
                                     - (same_ip[i] << 1)))); /* SAME_IP is NOT_SIMILAR - 2 */
}

/* Return whether the table has all thresholds; then its use needs no branch. */
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

/* Compare hardware ID or address: `same` as in fleet_same_rows, `alike` is also 1 where both sides lack it. */
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

/* Set the reasons that follow from hardware ID and address, the counts of these two, and the counts that are needed. */
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

/* Read only the columns that the open rows need: complete blocks while many rows are open, then only those rows. */
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

/* Return how many rows of a block have the key on one side or both, with different values. */
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

/* Decide the rows from `begin` to `end`. reasons has an item for each row of the batch. matched and totals, unless
   NULL, have the same size and get the counts of every row; without them a row is decided by as few columns as it
   needs. changed, unless NULL, has an item for each attribute, which grows by the number of rows where the attribute
   differs; it requires the counts. */
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

/* What a hash has for an attribute. */
enum { FLEET_NO_KEY = 0, FLEET_EMPTY = 1, FLEET_VALUE = 2 };

static void fleet_what(const fleet_column *side, int64_t begin, int count, uint8_t *what) {
    for (int i = 0; i < count; i++) {
        int64_t length = 0;
        what[i] = FLEET_NO_KEY;
        if (!fleet_has(side, begin + i)) continue;
        fleet_value(side, begin + i, &length);
        what[i] = length ? FLEET_VALUE : FLEET_EMPTY;
    }
}

/* For one attribute, write for each row whether both sides have the same value, what the current hash has, and unless
   `had` is NULL what the saved one has. */
static void fleet_compare(const fleet_column *saved, const fleet_column *current, int64_t begin, int64_t end,
                       uint8_t *same, uint8_t *has, uint8_t *had) {
    for (; begin < end; begin += FLEET_BLOCK, same += FLEET_BLOCK, has += FLEET_BLOCK) {
        const int count = end - begin < FLEET_BLOCK ? (int)(end - begin) : FLEET_BLOCK;
        fleet_same_rows(saved, current, begin, NULL, count, same);
        fleet_what(current, begin, count, has);
        if (!had) continue;
        fleet_what(saved, begin, count, had);
        had += FLEET_BLOCK;
    }
}

#endif
