/* The values of scheme `stable` in the bytes of an SMBIOS table. It allocates memory only for the lists of processors
   and memory modules. `fingerprint.rules.stable.smbios_values` returns the same values for decoded structures. */

#ifndef FINGERPRINT_STABLE_VALUES_H
#define FINGERPRINT_STABLE_VALUES_H

#include <stdlib.h>

#include "canonical.h"
#include "sha256.h"
#include "smbios.h"

#define STABLE_DOMAIN "fingerprint-stable-1"
#define VALUE_DIGITS 32
#define ELEMENT_DIGITS 16
/* A canonical text, and a number or the digits of a processor ID. */
#define PART_SIZE (CANONICAL_SIZE + 24)

typedef struct {
    char (*parts)[PART_SIZE];
    size_t count;
    size_t capacity;
} part_list;

typedef struct {
    char system_uuid[VALUE_DIGITS + 1];
    char system_serial[VALUE_DIGITS + 1];
    char board_serial[VALUE_DIGITS + 1];
    char chassis_serial[VALUE_DIGITS + 1];
    char cloud_instance[VALUE_DIGITS + 1];
    char platform[VALUE_DIGITS + 1];
    char board[VALUE_DIGITS + 1];
    char processor[VALUE_DIGITS + 1];
    char memory[VALUE_DIGITS + 1];
    char firmware[VALUE_DIGITS + 1];
    const char *hypervisor;
    /* Sorted, ELEMENT_DIGITS each; the caller frees them. */
    part_list memory_serials;
} stable_facts;

static void digest_begin(sha256_context *context, const char *name, size_t length) {
    sha256_begin(context);
    /* The domain binds a value to this scheme: other digests of the same text differ. */
    sha256_add(context, STABLE_DOMAIN, sizeof STABLE_DOMAIN);
    sha256_add(context, name, length);
}

static void digest_part(sha256_context *context, const char *part, size_t length) {
    sha256_add(context, "", 1);
    sha256_add(context, part, length);
}

static void digest_end(sha256_context *context, char *to, int digits) {
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[32];
    sha256_end(context, digest);
    for (int i = 0; i < digits; i++) to[i] = hex[i % 2 ? digest[i / 2] & 15 : digest[i / 2] >> 4];
    to[digits] = 0;
}

/* Write the digest of some strings, "" if all of them are empty. */
static void digest_strings(char *to, const char *name, const char *const *strings, size_t count) {
    sha256_context context;
    int any = 0;
    for (size_t i = 0; i < count; i++) any |= strings[i][0] != 0;
    to[0] = 0;
    if (!any) return;
    digest_begin(&context, name, strlen(name));
    for (size_t i = 0; i < count; i++) digest_part(&context, strings[i], strlen(strings[i]));
    digest_end(&context, to, VALUE_DIGITS);
}

static char *new_part(part_list *list) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        void *more = realloc(list->parts, capacity * sizeof *list->parts);
        if (!more) return NULL;
        list->parts = more;
        list->capacity = capacity;
    }
    return list->parts[list->count++];
}

static int compare_parts(const void *a, const void *b) { return strcmp(a, b); }

/* Sort a list. Most tables are in order, and then this is one pass. */
static void sort_parts(part_list *list) {
    size_t at = 1;
    while (at < list->count && compare_parts(list->parts[at - 1], list->parts[at]) <= 0) at++;
    if (at < list->count) qsort(list->parts, list->count, sizeof *list->parts, compare_parts);
}

static void digest_list(char *to, const char *name, part_list *list) {
    sha256_context context;
    to[0] = 0;
    if (!list->count) return;
    sort_parts(list);
    digest_begin(&context, name, strlen(name));
    for (size_t i = 0; i < list->count; i++) digest_part(&context, list->parts[i], strlen(list->parts[i]));
    digest_end(&context, to, VALUE_DIGITS);
}

/* Write a number in decimal and return the end of it. */
static char *write_number(char *to, uint64_t number) {
    char digits[20];
    int count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count) *to++ = digits[--count];
    return to;
}

static void text_at(const smbios_structure *found, size_t offset, char *to) {
    const unsigned char *text;
    size_t length;
    if (smbios_text(found, offset, &text, &length) == SMBIOS_TEXT) canonical_text(text, length, to);
    else to[0] = 0;
}

static void serial_at(const smbios_structure *found, size_t offset, char *to) {
    const unsigned char *text;
    size_t length;
    if (smbios_text(found, offset, &text, &length) == SMBIOS_TEXT) canonical_serial(text, length, to);
    else to[0] = 0;
}

static uint64_t device_bytes(const smbios_structure *found) {
    uint64_t code = smbios_number(found, 0x0C, 2);
    if (code == 0x7FFF && found->length >= 0x20) return (smbios_number(found, 0x1C, 4) & 0x7FFFFFFF) << 20;
    if (code == 0xFFFF) return 0;
    return (code & 0x7FFF) << (code & 0x8000 ? 10 : 20);
}

/* Return whether an asset tag of the board is an instance ID of a cloud, such as i-0123456789abcdef0. */
static int is_instance_id(const char *tag) {
    size_t length = strlen(tag);
    return length >= 10 && tag[0] == 'i' && tag[1] == '-' && strspn(tag + 2, "0123456789abcdef") == length - 2;
}

enum { KIND_BIOS = 0, KIND_SYSTEM = 1, KIND_BOARD = 2, KIND_CHASSIS = 3, KIND_PROCESSOR = 4, KIND_MEMORY = 17,
       MEMORY_IS_FLASH = 9, NAMES = 7, SAYS_VIRTUAL = 0x10 };

/* Write a sorted list, each part once, separated by blanks; return the length. `to` has space for all parts. */
static size_t join_parts(const part_list *list, char *to) {
    size_t length = 0;
    for (size_t i = 0; i < list->count; i++) {
        size_t more = strlen(list->parts[i]);
        if (i && !strcmp(list->parts[i - 1], list->parts[i])) continue;
        if (length) to[length++] = ' ';
        memcpy(to + length, list->parts[i], more);
        length += more;
    }
    return length;
}

/* Fill in the values of a table. Return 0, or -1 if memory is short; the caller frees the lists in both cases. */
static int stable_of_table(smbios_walk *walk, stable_facts *facts, part_list *processors, part_list *modules) {
    /* Maker and product of the system, maker of the firmware, maker and product of the board, makers of the chassis and
       the processor: the owner may have set some of them. Not the version of the firmware: coreboot's names SeaBIOS. */
    char names[NAMES][CANONICAL_SIZE] = { "", "", "", "", "", "", "" }, serials[3][CANONICAL_SIZE] = { "", "", "" };
    char first[CANONICAL_SIZE], second[CANONICAL_SIZE], third[CANONICAL_SIZE];
    const char *const of_firmware[3] = { names[2], second, third };
    const char *const of_uuid[1] = { first }, *const of_board[2] = { names[3], names[4] };
    const char *const of_platform[2] = { names[0], names[1] };
    const char *of_names[NAMES];
    static const char hex[] = "0123456789abcdef";
    int seen[5] = { 0, 0, 0, 0, 0 }, says_virtual = 0;
    char *to;
    smbios_structure found;
    memset(facts, 0, sizeof *facts);
    facts->hypervisor = "";
    while (smbios_next(walk, &found) == SMBIOS_STRUCTURE) {
        if (found.type >= KIND_BIOS && found.type <= KIND_CHASSIS && seen[found.type]++) continue;
        if (found.type == KIND_BIOS && found.length >= 0x12) {
            text_at(&found, 4, names[2]);
            text_at(&found, 5, second);
            text_at(&found, 8, third);
            digest_strings(facts->firmware, "firmware", of_firmware, 3);
            says_virtual = found.length >= 0x14 && (found.data[0x13] & SAYS_VIRTUAL);
        } else if (found.type == KIND_SYSTEM && found.length >= 8) {
            text_at(&found, 4, names[0]);
            text_at(&found, 5, names[1]);
            serial_at(&found, 7, serials[0]);
            digest_strings(facts->platform, "platform", of_platform, 2);
            if (found.length >= 0x19 && canonical_uuid(found.data + 8, first))
                digest_strings(facts->system_uuid, "system-uuid", of_uuid, 1);
        } else if (found.type == KIND_BOARD && found.length >= 8) {
            text_at(&found, 8, third);
            if (is_instance_id(third)) {
                const char *const tag[1] = { third };
                digest_strings(facts->cloud_instance, "cloud-instance", tag, 1);
            }
            text_at(&found, 4, names[3]);
            text_at(&found, 5, names[4]);
            serial_at(&found, 7, serials[1]);
            digest_strings(facts->board, "board", of_board, 2);
        } else if (found.type == KIND_CHASSIS && found.length >= 9) {
            text_at(&found, 4, names[5]);
            serial_at(&found, 7, serials[2]);
        } else if (found.type == KIND_PROCESSOR && found.length >= 0x1A && found.data[0x18] & 0x40) {
            if (!names[6][0]) text_at(&found, 7, names[6]);
            if (!(to = new_part(processors))) return -1;
            text_at(&found, 0x10, to);
            to += strlen(to);
            *to++ = 1;
            for (int i = 8; i < 12; i++) { *to++ = hex[found.data[i] >> 4]; *to++ = hex[found.data[i] & 15]; }
            *to = 0;
        } else if (found.type == KIND_MEMORY && found.length >= 0x15 && found.data[0x12] != MEMORY_IS_FLASH) {
            uint64_t size = device_bytes(&found);
            if (!size) continue;
            if (!(to = new_part(modules))) return -1;
            first[0] = 0;
            if (found.length >= 0x1B) {
                text_at(&found, 0x1A, first);
                serial_at(&found, 0x18, second);
                if (second[0]) {
                    sha256_context context;
                    char *element = new_part(&facts->memory_serials);
                    if (!element) return -1;
                    digest_begin(&context, "memory-serials", strlen("memory-serials"));
                    digest_part(&context, second, strlen(second));
                    digest_end(&context, element, ELEMENT_DIGITS);
                }
            }
            to = write_number(to, size);
            *to++ = 1;
            memcpy(to, first, strlen(first) + 1);
        }
    }
    /* Many makers write one number into all three fields; it counts as evidence once. */
    for (int i = 0; i < 3; i++) {
        static const char *const name[3] = { "system-serial", "board-serial", "chassis-serial" };
        char *const value[3] = { facts->system_serial, facts->board_serial, facts->chassis_serial };
        const char *const serial[1] = { serials[i] };
        int known = (i > 0 && !strcmp(serials[i], serials[0])) || (i > 1 && !strcmp(serials[i], serials[1]));
        if (!known) digest_strings(value[i], name[i], serial, 1);
    }
    digest_list(facts->processor, "processor", processors);
    digest_list(facts->memory, "memory", modules);
    sort_parts(&facts->memory_serials);
    for (int i = 0; i < NAMES; i++) of_names[i] = names[i];
    if (seen[KIND_BIOS] || seen[KIND_SYSTEM]) facts->hypervisor = hypervisor_of_names(of_names, NAMES, says_virtual);
    if (!facts->hypervisor[0] && facts->firmware[0]) facts->hypervisor = "none";
    return 0;
}

#endif
