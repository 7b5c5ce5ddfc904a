/* Pairs of rows from pairs of nodes. They are counted by formula; only those that are listed are made one by one. */

#ifndef FINGERPRINT_NEAR_MULTIPLES_H
#define FINGERPRINT_NEAR_MULTIPLES_H

/* Return how many rows from `from` on have its hardware ID; 1 for a row whose ID no other row has. */
static inline uint32_t near_run_of_sid(const near_fleet *fleet, const near_node *node, const uint32_t *rows,
                                       uint32_t from) {
    uint32_t end = from + 1;
    if (from >= node->repeated) return 1;
    while (end < node->repeated && fleet->sids[rows[end]] == fleet->sids[rows[from]]) end++;
    return end - from;
}

/* Return whether all rows of a node have one hardware ID, so that no two of them are a pair. */
static inline int near_is_one_sid(const near_fleet *fleet, const near_node *node, const uint32_t *rows) {
    return node->count == 1
           || (node->repeated == node->count && fleet->sids[rows[0]] == fleet->sids[rows[node->count - 1]]);
}

/* Join all rows of a node into one cluster, once in each answer. */
static void near_join_node(const near_node *node, const uint32_t *rows, near_answer *answer) {
    if (near_root(answer->parents, rows[0]) == near_root(answer->parents, rows[node->count - 1])) return;
    for (uint32_t k = 1; k < node->count; k++) near_join(answer->parents, rows[0], rows[k]);
}

/* Return how many rows of two nodes have one hardware ID, and so are no pair: both are sorted by repeated IDs. */
static int64_t near_same_sids(const near_fleet *fleet, const near_node *x, const uint32_t *a, const near_node *y,
                              const uint32_t *b) {
    int64_t same = 0;
    for (uint32_t i = 0, j = 0; i < x->repeated && j < y->repeated;) {
        const uint32_t one = fleet->sids[a[i]], other = fleet->sids[b[j]];
        const uint32_t these = near_run_of_sid(fleet, x, a, i), those = near_run_of_sid(fleet, y, b, j);
        if (one == other) same += (int64_t)these * those;
        if (one <= other) i += these;
        if (other <= one) j += those;
    }
    return same;
}

/* Count the pairs of rows of two nodes, whose first rows are `a` and `b`. */
static void near_take_nodes(const near_fleet *fleet, uint32_t a, uint32_t b, uint32_t equal, int count,
                            near_answer *answer) {
    const near_nodes *nodes = fleet->nodes;
    const near_node *x = nodes->nodes + nodes->of[a] - 1, *y = nodes->nodes + nodes->of[b] - 1;
    const uint32_t *these = nodes->members + x->first, *those = nodes->members + y->first;
    const int64_t found = (int64_t)x->count * y->count - near_same_sids(fleet, x, these, y, those);
    if (!found) return;
    answer->pairs[count] += found;
    near_join_node(x, these, answer);
    near_join_node(y, those, answer);
    near_join(answer->parents, a, b);
    for (uint32_t i = 0, ran; i < x->count && answer->listed < answer->limit; i += ran) {
        ran = near_run_of_sid(fleet, x, these, i);
        for (uint32_t j = 0, run; j < y->count && answer->listed < answer->limit; j += run) {
            run = near_run_of_sid(fleet, y, those, j);
            if (i < x->repeated && j < y->repeated && fleet->sids[these[i]] == fleet->sids[those[j]]) continue;
            for (uint32_t k = i; k < i + ran; k++)
                for (uint32_t l = j; l < j + run && answer->listed < answer->limit; l++)
                    near_list(answer, these[k], those[l], equal);
        }
    }
}

/* Count the pairs within each of the nodes from `begin` to `end`. */
static void near_within(const near_fleet *fleet, int64_t begin, int64_t end, near_answer *answer) {
    for (int64_t n = begin; n < end; n++) {
        const near_node *node = fleet->nodes->nodes + n;
        const uint32_t *rows = fleet->nodes->members + node->first;
        int64_t found = (int64_t)node->count * (node->count - 1) / 2;
        uint32_t equal = 0;
        int count = 0;
        if (near_is_one_sid(fleet, node, rows)) continue;
        answer->compared++;
        for (int c = 0; c < fleet->columns; c++) {
            if (!near_common(fleet, c, node->row)) continue;
            equal |= (uint32_t)1 << c;
            count++;
        }
        for (uint32_t i = 0; i < node->repeated;) {
            const uint32_t these = near_run_of_sid(fleet, node, rows, i);
            found -= (int64_t)these * (these - 1) / 2;
            i += these;
        }
        answer->pairs[count] += found;
        near_join_node(node, rows, answer);
        for (uint32_t i = 0; i < node->count && answer->listed < answer->limit;) {
            /* The partners of a run with one ID come after it. */
            const uint32_t these = near_run_of_sid(fleet, node, rows, i);
            for (uint32_t k = i; k < i + these && answer->listed < answer->limit; k++)
                for (uint32_t j = i + these; j < node->count && answer->listed < answer->limit; j++)
                    near_list(answer, rows[k], rows[j], equal);
            i += these;
        }
    }
}

#endif
