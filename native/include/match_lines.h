/* Numbers for _matchlines: keys as numbers that order as they do, and percentages in their shortest form. */

#ifndef FINGERPRINT_MATCH_LINES_H
#define FINGERPRINT_MATCH_LINES_H

#include <stdint.h>
#include <string.h>

/* Return the first eight bytes of a key as a number that orders as they do; it compiles to one load and a swap. */
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

/* Write the shortest decimal that reads back as the same single, and return its length, 15 at most.
   For percentages, which are 0 or from 2^-17 to 100, all steps are exact in 64 bits. */
static inline size_t put_percent(char *out, float percent)
{
    uint32_t bits, mantissa, digits = 0;
    uint64_t power = 1, scaled, rounded;
    int shift, decimals, length = 0;
    char reversed[16];
    memcpy(&bits, &percent, sizeof bits);
    if (bits == 0) {
        out[0] = '0';
        return 1;
    }
    /* The value is mantissa / 2^(shift + decimals), and scaled / 2^shift is the value * 10^decimals. */
    mantissa = (bits & 0x7FFFFF) | 0x800000;
    for (decimals = 0, shift = 150 - (int)(bits >> 23);; decimals++, shift--, power *= 5) {
        uint64_t half = UINT64_C(1) << (shift - 1), back, off;
        scaled = mantissa * power;
        rounded = scaled >> shift;
        /* Round to nearest, ties to even, as other printers do. */
        rounded += scaled - (rounded << shift) + (rounded & 1) > half;
        back = rounded << shift;
        off = back > scaled ? back - scaled : scaled - back;
        /* Up to half a step away it reads back as the same single; below a power of two the steps are half as long. */
        if (off * (mantissa == 0x800000 && back < scaled ? 4 : 2) < power)
            break;
    }
    do {
        if (length == decimals && decimals)
            reversed[length++] = '.';
        reversed[length++] = (char)('0' + rounded % 10);
        rounded /= 10;
    } while (rounded || length <= decimals);
    while (length)
        out[digits++] = reversed[--length];
    return digits;
}

#endif
