/* The canonical form of strings and UUIDs of firmware, for comparison, and the placeholders among them.

   Makers leave placeholders in fields that they do not fill. A placeholder that passed for a serial number would make
   two machines equal, so the lists are wide: a real value that a list matches only counts as absent. The rules come
   from 81,325 reports of machines; docs/stable.md explains them. */

#ifndef FINGERPRINT_CANONICAL_H
#define FINGERPRINT_CANONICAL_H

#include <stddef.h>
#include <string.h>

/* SMBIOS 3 does not limit the length of a string; characters after this many bytes are ignored. */
#define CANONICAL_SIZE 256

static const char *const PLACEHOLDERS[] = {
    "abcd", "abcdefghijklmnopqrstuvwxyz", "cpu version", "fill by oem", "n/a", "na", "none", "null", "oem", "other",
    "serial number", "sku", "sku1", "standard", "type1 - family", "type1 - sku0", "type1family",
    "type1productconfigid", "type1sku0", "unknow", "unknown",
};
static const char *const PLACEHOLDER_STARTS[] = {
    "<", "[", "base board ", "baseboard ", "chassis serial", "default ", "default_", "empty", "fill by", "filled by",
    "invalid", "no asset", "no dimm", "no module", "none ", "not ", "not_", "o.e.m", "system manufacturer",
    "system product name", "system serial", "system sku", "system version", "tbd", "to be fil", "to be set",
    "type1 - tbd", "undefined",
};
/* Templates that firmware numbers by slot, equal on all machines of a model; ordered by their first letters. */
static const char *const PLACEHOLDER_PARTS[] = {
    "asset tag", "asset_num", "assettag", "manufacturer", "part number", "partnum", "serial number", "serialnum",
    "sernum", "sodimm0",
};
static const char PLACEHOLDER_PART_LETTERS[] = "amps";
static const char *const PLACEHOLDER_UUIDS[] = {
    /* In the byte order that gives the smaller digits. */
    "000102030405060708090a0b0c0d0e0f", "00020003000400050006000700080009", "00112233445566778899aabbccddeeff",
    "0123456789abcdef0123456789abcdef", "12345678123412341234123456789abc", "123456781234567890abcddeefaabbcc",
    "44454c4c00001000800000c04f000000", "44454c4c00001020802080c04f202020", "44454c4c000010208020a0c04f202020",
};

static int is_separator(char c) {
    switch (c) {
    case ' ': case '.': case '-': case '_': case ',': case ':': case ';': case '*': case '#': case '/': case '|':
    case '\\':
        return 1;
    default:
        return 0;
    }
}

/* Return whether a text is in a list. One character is compared before the others, because few values are listed. */
static int is_listed(const char *text, size_t length) {
    for (size_t i = 0; i < sizeof PLACEHOLDERS / sizeof *PLACEHOLDERS; i++)
        if (PLACEHOLDERS[i][0] == text[0] && strlen(PLACEHOLDERS[i]) == length
            && !memcmp(PLACEHOLDERS[i], text, length))
            return 1;
    for (size_t i = 0; i < sizeof PLACEHOLDER_STARTS / sizeof *PLACEHOLDER_STARTS; i++)
        if (PLACEHOLDER_STARTS[i][0] == text[0] && !strncmp(PLACEHOLDER_STARTS[i], text, strlen(PLACEHOLDER_STARTS[i])))
            return 1;
    /* One pass with two letters before a comparison: ten searches would cost more than the digest. */
    for (const char *at = text; (at = strpbrk(at, PLACEHOLDER_PART_LETTERS)) != NULL; at++)
        for (size_t i = 0; i < sizeof PLACEHOLDER_PARTS / sizeof *PLACEHOLDER_PARTS; i++)
            if (PLACEHOLDER_PARTS[i][0] == at[0] && PLACEHOLDER_PARTS[i][1] == at[1]
                && !strncmp(PLACEHOLDER_PARTS[i], at, strlen(PLACEHOLDER_PARTS[i])))
                return 1;
    return 0;
}

/* Return whether a canonical text, NUL-terminated, is a placeholder: listed, one character repeated, or counting. */
static int is_placeholder(const char *text, size_t length) {
    size_t at = 0, letters = 0, digits = 0;
    char first = 0, last = 0;
    int repeated = 1, up = 1, down = 1, counting = 1;
    if (length > 2 && text[0] == '0' && text[1] == 'x') at = 2;
    for (; at < length; at++) {
        char c = text[at];
        if (is_separator(c)) continue;
        if (!first) first = c;
        if (c != first) repeated = 0;
        if (c >= '0' && c <= '9') {
            if (digits) {
                if (c != (last == '9' ? '0' : last + 1)) up = 0;
                if (c != (last == '0' ? '9' : last - 1)) down = 0;
            }
            last = c;
            digits++;
        } else {
            /* Letters before the digits are the prefix of a template; after them they are part of a value. */
            if (digits) counting = 0;
            letters++;
        }
    }
    if (!first || repeated) return 1;
    if (counting && digits >= 6 && (up || down)) return 1;
    return is_listed(text, length);
}

/* Write the canonical form of a text, NUL-terminated; return its length, 0 for a placeholder.

   A byte that is not printable ASCII becomes a dot, as dmidecode prints it; a run of blanks becomes one; letters become
   lower case, because updates of the firmware change the case of makers' names. `to` has CANONICAL_SIZE bytes. */
static size_t canonical_text(const unsigned char *from, size_t length, char *to) {
    size_t n = 0;
    int blank = 0;
    for (size_t i = 0; i < length && n < CANONICAL_SIZE - 2; i++) {
        unsigned char c = from[i];
        if (c == ' ') { blank = n > 0; continue; }
        if (blank) { to[n++] = ' '; blank = 0; }
        to[n++] = c < 0x20 || c > 0x7E ? '.' : c >= 'A' && c <= 'Z' ? (char)(c + 32) : (char)c;
    }
    to[n] = 0;
    return n && !is_placeholder(to, n) ? n : (to[0] = 0, (size_t)0);
}

/* Do the same for a serial number, which has at least four characters. */
static size_t canonical_serial(const unsigned char *from, size_t length, char *to) {
    size_t n = canonical_text(from, length, to);
    if (n < 4) { to[0] = 0; return 0; }
    return n;
}

/* Return whether 16 bytes follow a pattern: one byte value in most of them, a period, or counting.

   No UUID generator gives such values; by chance each pattern occurs at most once in 2^40. */
static int is_regular(const unsigned char *bytes) {
    static const unsigned char counting[] = { 1, 2, 0x10, 0x11, 0xFF, 0xFE, 0xF0, 0xEF };
    int counts[256] = { 0 }, steps[256] = { 0 }, digits[16] = { 0 }, first = 0, words = 1;
    for (int i = 0; i < 16; i++) if (++counts[bytes[i]] >= 12) return 1;
    for (int period = 2; period <= 8; period *= 2)
        if (!memcmp(bytes, bytes + period, (size_t)(16 - period))) return 1;
    for (int i = 1; i < 16; i++) steps[(unsigned char)(bytes[i] - bytes[i - 1])]++;
    for (size_t i = 0; i < sizeof counting; i++) if (steps[counting[i]] >= 13) return 1;
    for (int i = 0; i < 7; i++) {
        int step = (bytes[2 * i + 2] << 8 | bytes[2 * i + 3]) - (bytes[2 * i] << 8 | bytes[2 * i + 1]);
        if (!i) first = step;
        words &= step == first;
    }
    if (words && first >= -2 && first <= 2) return 1;
    /* By digit: 12345678-1234-5678-1234-567812345678, and 00112233-.... */
    for (int i = 1; i < 32; i++) {
        int before = bytes[(i - 1) / 2] >> ((i & 1) ? 4 : 0) & 15, here = bytes[i / 2] >> ((i & 1) ? 0 : 4) & 15;
        digits[(here - before) & 15]++;
        if (before == 9 && here == 0) digits[1]++;
        if (before == 0 && here == 9) digits[15]++;
    }
    return digits[0] >= 26 || digits[1] >= 24 || digits[15] >= 24 || digits[0] + digits[1] >= 29
        || digits[0] + digits[15] >= 29;
}

/* Return whether 16 bytes are a text, padded with zeros, other than a serial number: the name of a model ("RPi3") or a
   placeholder. HP writes product and serial number this way, with more than four digits. */
static int is_name(const unsigned char *bytes) {
    char text[17], canonical[CANONICAL_SIZE];
    size_t length = 0;
    int digits = 0;
    for (int i = 0; i < 16; i++) {
        if (!bytes[i]) continue;
        if (bytes[i] < 0x20 || bytes[i] > 0x7E) return 0;
        digits += bytes[i] >= '0' && bytes[i] <= '9';
        text[length++] = (char)bytes[i];
    }
    return digits < 4 || !canonical_text((const unsigned char *)text, length, canonical);
}

/* Write the 32 digits of a UUID of 16 bytes, in the byte order that gives the smaller ones; return 32, or 0 for a
   placeholder.

   Before SMBIOS 2.6, and with VMware before hardware version 13, the first three fields have the opposite byte order;
   an update changes the order although the machine stays the same. */
static size_t canonical_uuid(const unsigned char *bytes, char *to) {
    static const int turn[8] = { 3, 2, 1, 0, 5, 4, 7, 6 };
    static const char hex[] = "0123456789abcdef";
    unsigned char turned[16];
    const unsigned char *least;
    int distinct = 0;
    unsigned char seen[256] = { 0 };
    for (int i = 0; i < 16; i++) {
        turned[i] = i < 8 ? bytes[turn[i]] : bytes[i];
        if (!seen[bytes[i]]) { seen[bytes[i]] = 1; distinct++; }
    }
    if (distinct < 4 || is_regular(bytes) || is_regular(turned) || is_name(bytes) || is_name(turned)) {
        to[0] = 0;
        return 0;
    }
    least = memcmp(bytes, turned, 16) <= 0 ? bytes : turned;
    for (int i = 0; i < 16; i++) { to[2 * i] = hex[least[i] >> 4]; to[2 * i + 1] = hex[least[i] & 15]; }
    to[32] = 0;
    for (size_t i = 0; i < sizeof PLACEHOLDER_UUIDS / sizeof *PLACEHOLDER_UUIDS; i++)
        if (!memcmp(PLACEHOLDER_UUIDS[i], to, 32)) { to[0] = 0; return 0; }
    return 32;
}

/* Words of the names in firmware, in canonical form, and the hypervisor that writes them; the first row counts. `with`
   are words that another name has, or the same one: these makers sell hardware as well. Cloud providers stand for the
   hypervisor that they use. "none" is hardware. */
typedef struct {
    const char *words;
    const char *with;
    const char *hypervisor;
} hypervisor_names;

static const hypervisor_names HYPERVISORS[] = {
    { "vmware", NULL, "vmware" }, { "virtualbox", NULL, "virtualbox" }, { "innotek", NULL, "virtualbox" },
    { "parallels virtual platform", NULL, "parallels" }, { "parallels arm virtual machine", NULL, "parallels" },
    { "parallels software international", NULL, "parallels" }, { "parallels international", NULL, "parallels" },
    { "amazon ec2", "metal", "none" }, { "amazon ec2", NULL, "ec2" }, { "google compute engine", NULL, "gce" },
    { "apple virtualization", NULL, "apple" }, { "virtualmac1", NULL, "apple" }, { "virtualmac2", NULL, "apple" },
    { "virtual machine", "microsoft", "hyperv" }, { "hyper v", "microsoft", "hyperv" },
    { "openstack", NULL, "kvm" }, { "rhev", NULL, "kvm" }, { "ovirt", NULL, "kvm" }, { "kubevirt", NULL, "kvm" },
    { "proxmox", NULL, "kvm" }, { "ahv", "nutanix", "kvm" }, { "digitalocean", NULL, "kvm" },
    { "vserver", "hetzner", "kvm" }, { "scaleway", NULL, "kvm" }, { "alibaba cloud", NULL, "kvm" },
    { "upcloud", NULL, "kvm" }, { "compute instance", "linode", "kvm" }, { "compute instance", "akamai", "kvm" },
    { "vultr", NULL, "kvm" }, { "exoscale", NULL, "kvm" }, { "tencent cloud", NULL, "kvm" },
    { "cloudsigma", NULL, "kvm" }, { "smartdc hvm", NULL, "kvm" }, { "cloud hypervisor", NULL, "kvm" },
    { "crosvm", NULL, "kvm" }, { "qemu", NULL, "kvm" }, { "kvm", NULL, "kvm" }, { "seabios", NULL, "kvm" },
    { "standard pc", "i440fx", "kvm" }, { "standard pc", "q35", "kvm" }, { "bochs", NULL, "kvm" },
    { "hvm domu", NULL, "xen" }, { "xen", NULL, "xen" }, { "bhyve", NULL, "bhyve" }, { "vmm", "openbsd", "vmm" },
    { "virtual machine", NULL, "unknown" },
};

static int is_of_word(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/* Return whether a canonical text has the words from here on, complete and with anything but letters and digits
   between them. */
static int begins_with_words(const char *at, const char *words) {
    for (; *words; words++) {
        if (*words != ' ') {
            if (*at++ != *words) return 0;
        } else {
            if (!*at || is_of_word(*at)) return 0;
            while (*at && !is_of_word(*at)) at++;
        }
    }
    return !is_of_word(*at);
}

/* Return the next word of a canonical text, NULL without one: the first one from its start, else the one after this. */
static const char *next_word(const char *at, int first) {
    if (!first) while (is_of_word(*at)) at++;
    while (*at && !is_of_word(*at)) at++;
    return *at ? at : NULL;
}

static int has_words(const char *const *names, size_t count, const char *words) {
    for (size_t i = 0; i < count; i++)
        for (const char *at = next_word(names[i], 1); at; at = next_word(at, 0))
            if (begins_with_words(at, words)) return 1;
    return 0;
}

/* Return the hypervisor that canonical names have words of: "none" if they have none, "" if all of them are empty.
   `says_virtual` is whether the firmware declares a virtual machine: then "none" becomes "unknown". */
static const char *hypervisor_of_names(const char *const *names, size_t count, int says_virtual) {
    size_t known = sizeof HYPERVISORS / sizeof *HYPERVISORS, first = known;
    int any = says_virtual;
    for (size_t i = 0; i < count; i++) {
        any |= names[i][0] != 0;
        for (const char *at = next_word(names[i], 1); at; at = next_word(at, 0))
            for (size_t h = 0; h < first; h++)
                if (HYPERVISORS[h].words[0] == at[0] && begins_with_words(at, HYPERVISORS[h].words)
                    && (!HYPERVISORS[h].with || has_words(names, count, HYPERVISORS[h].with)))
                    first = h;
    }
    if (!any) return "";
    if (first == known || !strcmp(HYPERVISORS[first].hypervisor, "none")) return says_virtual ? "unknown" : "none";
    return HYPERVISORS[first].hypervisor;
}

#endif
