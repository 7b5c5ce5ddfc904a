/* Nodes: rows with the same shared values, found by a hash table of these values. */

#ifndef FINGERPRINT_NEAR_NODES_H
#define FINGERPRINT_NEAR_NODES_H

static void near_nodes_free(near_nodes *nodes) {
    free(nodes->nodes);
    free(nodes->of);
    free(nodes->members);
    free(nodes->buckets);
    memset(nodes, 0, sizeof *nodes);
}

static int near_nodes_make(near_nodes *nodes, int64_t rows) {
    memset(nodes, 0, sizeof *nodes);
    nodes->of = (uint32_t *)calloc((size_t)rows + 1, sizeof *nodes->of);
    nodes->buckets = (uint32_t *)calloc(4096, sizeof *nodes->buckets);
    nodes->mask = 4095;
    return nodes->of && nodes->buckets ? 0 : -1;
}

/* Return the code of a value that other rows have, too, else 0. */
static inline uint32_t near_common(const near_fleet *fleet, int column, int64_t row) {
    const int64_t at = column * fleet->rows + row;
    return fleet->frequencies[at] > 1 ? fleet->codes[at] : 0;
}

static int near_nodes_grow(near_nodes *nodes) {
    if (nodes->used == nodes->capacity) {
        const uint32_t capacity = nodes->capacity ? 2 * nodes->capacity : 1024;
        near_node *more = (near_node *)realloc(nodes->nodes, (size_t)capacity * sizeof *more);
        if (!more) return -1;
        nodes->nodes = more;
        nodes->capacity = capacity;
    }
    if (nodes->used > nodes->mask) {
        uint32_t *buckets = (uint32_t *)calloc(2 * ((size_t)nodes->mask + 1), sizeof *buckets);
        if (!buckets) return -1;
        free(nodes->buckets);
        nodes->buckets = buckets;
        nodes->mask = 2 * nodes->mask + 1;
        for (uint32_t i = 0; i < nodes->used; i++) {
            nodes->nodes[i].next = buckets[nodes->nodes[i].hash & nodes->mask];
            buckets[nodes->nodes[i].hash & nodes->mask] = i + 1;
        }
    }
    return 0;
}

/* Put a row into its node. Return 1 if the node is new, 0 if it exists, -1 if memory is short. */
static int near_node_of(near_nodes *nodes, const near_fleet *fleet, int64_t row, uint64_t seed) {
    uint64_t hash = seed;
    near_node *node;
    for (int c = 0; c < fleet->columns; c++)
        hash = near_fold(hash ^ near_common(fleet, c, row), 0x9E3779B97F4A7C15u + 2 * (uint64_t)c);
    for (uint32_t at = nodes->buckets[hash & nodes->mask]; at; at = nodes->nodes[at - 1].next) {
        int c = 0;
        node = nodes->nodes + at - 1;
        if (node->hash != hash) continue;
        while (c < fleet->columns && near_common(fleet, c, row) == near_common(fleet, c, node->row)) c++;
        if (c < fleet->columns) continue;
        node->count++;
        nodes->of[row] = at;
        return 0;
    }
    if (near_nodes_grow(nodes)) return -1;
    node = nodes->nodes + nodes->used++;
    node->row = (uint32_t)row;
    node->count = 1;
    node->first = node->repeated = 0;
    node->hash = hash;
    node->next = nodes->buckets[hash & nodes->mask];
    nodes->buckets[hash & nodes->mask] = nodes->used;
    nodes->of[row] = nodes->used;
    return 1;
}

/* A row of a node, with its sort key: repeated hardware IDs first, then by ID, then by row. */
typedef struct {
    uint32_t single, sid, row;
} near_member;

static int near_compare_members(const void *a, const void *b) {
    const near_member *x = (const near_member *)a, *y = (const near_member *)b;
    if (x->single != y->single) return x->single < y->single ? -1 : 1;
    if (x->sid != y->sid) return x->sid < y->sid ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Put the rows of each node side by side. Return 0, or -1 if memory is short. */
static int near_nodes_gather(near_nodes *nodes, const near_fleet *fleet) {
    uint32_t at = 0, most = 0;
    near_member *sorted;
    for (uint32_t i = 0; i < nodes->used; i++) {
        nodes->nodes[i].first = at;
        at += nodes->nodes[i].count;
        if (nodes->nodes[i].count > most) most = nodes->nodes[i].count;
    }
    nodes->members = (uint32_t *)malloc(((size_t)at + 1) * sizeof *nodes->members);
    sorted = (near_member *)malloc(((size_t)most + 1) * sizeof *sorted);
    if (!nodes->members || !sorted) {
        free(sorted);
        return -1;
    }
    for (int64_t row = 0; row < fleet->rows; row++)
        if (nodes->of[row]) nodes->members[nodes->nodes[nodes->of[row] - 1].first++] = (uint32_t)row;
    for (uint32_t i = 0; i < nodes->used; i++) {
        near_node *node = nodes->nodes + i;
        node->first -= node->count;
        node->repeated = 0;
        for (uint32_t k = 0; k < node->count; k++) {
            const uint32_t row = nodes->members[node->first + k], sid = fleet->sids ? fleet->sids[row] : 0;
            const uint32_t single = !sid || fleet->sid_frequencies[row] < 2;
            node->repeated += !single;
            sorted[k].single = single;
            sorted[k].sid = single ? 0 : sid; /* single ones stay in the order of rows */
            sorted[k].row = row;
        }
        if (!node->repeated) continue;
        qsort(sorted, node->count, sizeof *sorted, near_compare_members);
        for (uint32_t k = 0; k < node->count; k++) nodes->members[node->first + k] = sorted[k].row;
    }
    free(sorted);
    return 0;
}

#endif
