/* Read the structures of an SMBIOS table (DMTF DSP0134), and no byte outside of the table.

   The rules are dmidecode's, so that both find the same structures in a malformed table: reading ends at a structure
   shorter than its own header, at one whose strings exceed the table, and at the count or end marker. */

#ifndef FINGERPRINT_SMBIOS_H
#define FINGERPRINT_SMBIOS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    const unsigned char *table;
    size_t length;
    size_t at;
    /* Structures to read at most, 0 for no limit. */
    unsigned long count;
    unsigned long seen;
    int stop_at_marker;
    int ended;
} smbios_walk;

typedef struct {
    int type;
    int handle;
    size_t length;
    const unsigned char *data;
    /* The two NULs after it are within the table. */
    const unsigned char *strings_end;
} smbios_structure;

enum { SMBIOS_STRUCTURE = 1, SMBIOS_END = 0, SMBIOS_SHORT = -1, SMBIOS_TRUNCATED = -2 };
enum { SMBIOS_TEXT = 1, SMBIOS_NOT_SPECIFIED = 0, SMBIOS_BAD_INDEX = -1, SMBIOS_BEYOND = -2 };

static int smbios_next(smbios_walk *walk, smbios_structure *found) {
    const unsigned char *data = walk->table + walk->at;
    size_t left = walk->length - walk->at, end;
    if (walk->ended || (walk->count && walk->seen >= walk->count) || left < 4) return SMBIOS_END;
    found->type = data[0];
    found->length = data[1];
    found->handle = data[2] | data[3] << 8;
    found->data = data;
    if (found->length < 4) { walk->ended = 1; return SMBIOS_SHORT; }
    walk->seen++;
    end = found->length;
    while (end + 1 < left && (data[end] || data[end + 1])) {
        const unsigned char *zero = memchr(data + end + 1, 0, left - end - 1);
        end = zero ? (size_t)(zero - data) : left - 1;
    }
    if (end + 2 > left) { walk->ended = 1; return SMBIOS_TRUNCATED; }
    found->strings_end = data + end;
    walk->at += end + 2;
    if (found->type == 127 && walk->stop_at_marker) walk->ended = 1;
    return SMBIOS_STRUCTURE;
}

/* Find a string by its number, from 1. */
static int smbios_numbered(const smbios_structure *found, size_t number, const unsigned char **text, size_t *length) {
    const unsigned char *at = found->data + found->length;
    *text = NULL;
    *length = 0;
    for (; number > 1 && at < found->strings_end && *at; number--) at += strlen((const char *)at) + 1;
    if (at >= found->strings_end || !*at) return SMBIOS_BAD_INDEX;
    *text = at;
    *length = strlen((const char *)at);
    return SMBIOS_TEXT;
}

/* Find the string whose number is at an offset of the structure. */
static int smbios_text(const smbios_structure *found, size_t offset, const unsigned char **text, size_t *length) {
    *text = NULL;
    *length = 0;
    if (offset >= found->length) return SMBIOS_BEYOND;
    if (!found->data[offset]) return SMBIOS_NOT_SPECIFIED;
    return smbios_numbered(found, found->data[offset], text, length);
}

static uint64_t smbios_number(const smbios_structure *found, size_t offset, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i > 0; i--) value = value << 8 | found->data[offset + i - 1];
    return value;
}

/* Read an entry point of any of the three forms: the version (major << 16 | minor << 8 | revision), the length of the
   table and the count of structures, 0 where it has none. Return 0, or -1 for bytes of another form. */
static int smbios_entry(const unsigned char *entry, size_t length, unsigned long *version, size_t *table,
                        unsigned long *count, int *third) {
    *third = 0;
    if (length >= 24 && !memcmp(entry, "_SM3_", 5)) {
        if (entry[6] > 32 || entry[6] > length) return -1;
        *version = (unsigned long)entry[7] << 16 | (unsigned long)entry[8] << 8 | entry[9];
        *table = (size_t)entry[12] | (size_t)entry[13] << 8 | (size_t)entry[14] << 16 | (size_t)entry[15] << 24;
        *count = 0;
        *third = 1;
        return 0;
    }
    if (length >= 31 && !memcmp(entry, "_SM_", 4)) {
        unsigned int both = (unsigned int)entry[6] << 8 | entry[7];
        /* Wrong versions of some makers: 2.31 and 2.33 mean 2.3, 2.51 means 2.6. */
        if (both == 0x021F || both == 0x0221) both = 0x0203;
        if (both == 0x0233) both = 0x0206;
        *version = (unsigned long)both << 8;
        *table = (size_t)entry[22] | (size_t)entry[23] << 8;
        *count = (unsigned long)entry[28] | (unsigned long)entry[29] << 8;
        return 0;
    }
    if (length >= 15 && !memcmp(entry, "_DMI_", 5)) {
        *version = (unsigned long)(entry[14] >> 4) << 16 | (unsigned long)(entry[14] & 15) << 8;
        *table = (size_t)entry[6] | (size_t)entry[7] << 8;
        *count = (unsigned long)entry[12] | (unsigned long)entry[13] << 8;
        return 0;
    }
    return -1;
}

#endif
