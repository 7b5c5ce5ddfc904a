/* What the lines of `match_lines` need of numbers: keys in their order, and percentages in their shortest form. */

#ifndef FINGERPRINT_MATCH_LINES_H
#define FINGERPRINT_MATCH_LINES_H

#include <stdint.h>
#include <string.h>

/* The first eight bytes of a key as a number that orders as they do; compilers make one load and a swap of it. */
static inline uint64_t key_prefix(const char *key, size_t length)
{
    const unsigned char *k = (const unsigned char *)key;
    uint64_t prefix = 0;
    if (length >= 8)
        return (uint64_t)k[0] << 56 | (uint64_t)k[1] << 48 | (uint64_t)k[2] << 40 | (uint64_t)k[3] << 32 |
               (uint64_t)k[4] << 24 | (uint64_t)k[5] << 16 | (uint64_t)k[6] << 8 | (uint64_t)k[7];
    for (size_t i = 0; i < length; i++)
        prefix |= (uint64_t)k[i] << (56 - 8 * i);
    return prefix;
}

/* Writes the shortest decimal that reads back to the same single and returns its length, 15 at most.
   From 2^-17 to 100, where percentages are, all steps are exact in 64 bits. */
static inline size_t put_percent(char *out, float percent)
{
    uint32_t bits, mantissa, digits = 0;
    uint64_t power = 1, scaled, whole;
    int shift, places, length = 0;
    char reversed[16];
    memcpy(&bits, &percent, sizeof bits);
    if (bits == 0) {
        out[0] = '0';
        return 1;
    }
    /* The value is mantissa / 2^(shift + places), and scaled / 2^shift is it with `places` decimals. */
    mantissa = (bits & 0x7FFFFF) | 0x800000;
    for (places = 0, shift = 150 - (int)(bits >> 23);; places++, shift--, power *= 5) {
        uint64_t half = UINT64_C(1) << (shift - 1), back, off;
        scaled = mantissa * power;
        whole = scaled >> shift;
        /* To the nearest, and halfway to the even digit, as everybody else prints it. */
        whole += scaled - (whole << shift) + (whole & 1) > half;
        back = whole << shift;
        off = back > scaled ? back - scaled : scaled - back;
        /* Half a step of the single either way reads back; below a power of two the steps are half as long. */
        if (off * (mantissa == 0x800000 && back < scaled ? 4 : 2) < power)
            break;
    }
    do {
        if (length == places && places)
            reversed[length++] = '.';
        reversed[length++] = (char)('0' + whole % 10);
        whole /= 10;
    } while (whole || length <= places);
    while (length)
        out[digits++] = reversed[--length];
    return digits;
}

#endif
