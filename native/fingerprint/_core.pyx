"""The native code that every command needs, in one module: a start loads one file in place of six.

Each included file has one topic. C functions are declared once, in the .pxd file with the name of their header in
native/include.
"""

from cpython.bytes cimport PyBytes_AsString, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeASCII, PyUnicode_DecodeUTF8
from libc.errno cimport EBADMSG, EFBIG, EINTR, EINVAL
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset, strlen

from fingerprint.canonical cimport (
    CANONICAL_SIZE,
    canonical_serial,
    canonical_text,
    hypervisor_of_names,
    uuid_digits,
)
from fingerprint.json_text cimport (
    JSON_DEPTH,
    json_close,
    json_decode,
    json_fail,
    json_next_element,
    json_next_member,
    json_open,
    json_peek,
    json_reader,
    json_scan_number,
    json_scan_string,
    json_scan_word,
    json_skip,
    json_string,
)
from fingerprint.sha256 cimport sha256_context
from fingerprint.slot cimport slot_equal, slot_fill, slot_is_long, slot_t
from fingerprint.smbios cimport (
    SMBIOS_STRUCTURE,
    SMBIOS_TEXT,
    smbios_entry,
    smbios_next,
    smbios_numbered,
    smbios_structure,
    smbios_text,
    smbios_walk,
)
from fingerprint.ssm_rule cimport ssm_decide, ssm_passes, ssm_percent, ssm_reason
from fingerprint.stable_values cimport (
    ELEMENT_DIGITS,
    VALUE_DIGITS,
    digest_begin,
    digest_end,
    digest_part,
    join_parts,
    part_list,
    stable_facts,
    stable_of_table,
)
from fingerprint.system cimport (
    dump_addresses,
    dump_links,
    hide_process_memory,
    link_facts,
    next_ipv4,
    next_link,
    outgoing_address,
    processor_identity,
    read_regular,
    rename_within,
)

cimport cython


cdef const char *HEX = b"0123456789abcdef"


include "core/json.pxi"
include "core/digests.pxi"
include "core/canonical.pxi"
include "core/compare.pxi"
include "core/smbios.pxi"
include "core/system.pxi"
