"""The match rule over Arrow columns of any library with Arrow's C data interface, without a copy of the data."""

from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport INT32_MAX, INT32_MIN, INT64_MAX, int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from fingerprint.fleet cimport fleet_decide, fleet_compare, fleet_question
from fingerprint.fleet_columns cimport (
    FLEET_CODE,
    FLEET_LARGE,
    FLEET_MISSING,
    FLEET_MOST_COLUMNS,
    FLEET_STRING,
    FLEET_VIEW,
    FLEET_WIDE,
    ArrowArray,
    ArrowArrayStream,
    ArrowSchema,
    fleet_column,
    fleet_has,
    fleet_integer,
    fleet_is_integer,
    fleet_detect_processor,
    fleet_value,
)
from fingerprint.fleet_stable cimport (
    STABLE_CODE_FIRST,
    STABLE_MOST_COLUMNS,
    STABLE_MOST_POINTS,
    stable_answer,
    stable_decide,
    stable_name,
    stable_points,
    stable_question,
)
from fingerprint.fleet_validation cimport count_unset_bits, valid_large_offsets, valid_offsets, valid_views
from fingerprint.near cimport (
    NEAR_MOST_COLUMNS,
    NEAR_TILE,
    near_answer,
    near_brute,
    near_code_of_empty,
    near_collect,
    near_encode,
    near_fleet,
    near_group,
    near_group_free,
    near_group_make,
    near_groups,
    near_has,
    near_join,
    near_nodes,
    near_nodes_free,
    near_nodes_gather,
    near_nodes_make,
    near_root,
    near_run,
    near_sort,
    near_tokens,
    near_tokens_free,
    near_value,
    near_within,
)
from fingerprint.sha256 cimport sha256_add, sha256_begin, sha256_context, sha256_end
from fingerprint.stable_pairs cimport (
    stable_bytes_of,
    stable_decide_pairs,
    stable_elements,
    stable_fleet,
    stable_set_codes,
    stable_sort_sets,
)


fleet_detect_processor()


include "fleet/validation.pxi"
include "fleet/columns.pxi"
include "fleet/stream.pxi"
include "fleet/pairs.pxi"
include "fleet/question.pxi"
include "fleet/stable.pxi"
include "fleet/near.pxi"
include "fleet/stable_pairs.pxi"
