/* A value of a hardware hash in a packed form that allows comparison without a branch. */

#ifndef FINGERPRINT_SLOT_H
#define FINGERPRINT_SLOT_H

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* A value in 48 bytes: up to 47 bytes of UTF-8 padded with zeros, and its length in the last byte. A longer value has
   SLOT_LONG in the last byte, its length in the first 8 bytes, and then its first 39 bytes.
   Usual values have 24, 17, 33 or 15 bytes. */
#define SLOT_WORDS 6
#define SLOT_INLINE 47
#define SLOT_LONG 255

typedef struct { uint64_t word[SLOT_WORDS]; } slot_t;

static inline int slot_equal(const slot_t *a, const slot_t *b)
{
#ifdef __SSE2__
    const __m128i *x = (const __m128i *)a->word, *y = (const __m128i *)b->word;
    __m128i same = _mm_cmpeq_epi8(_mm_loadu_si128(x), _mm_loadu_si128(y));
    same = _mm_and_si128(same, _mm_cmpeq_epi8(_mm_loadu_si128(x + 1), _mm_loadu_si128(y + 1)));
    same = _mm_and_si128(same, _mm_cmpeq_epi8(_mm_loadu_si128(x + 2), _mm_loadu_si128(y + 2)));
    return _mm_movemask_epi8(same) == 0xFFFF;
#else
    uint64_t difference = 0;
    for (int i = 0; i < SLOT_WORDS; i++)
        difference |= a->word[i] ^ b->word[i];
    return difference == 0;
#endif
}

static inline int slot_is_long(const slot_t *a)
{
    return ((const uint8_t *)a->word)[SLOT_INLINE] == SLOT_LONG;
}

static void slot_fill(slot_t *slot, const char *text, size_t length)
{
    uint8_t *bytes = (uint8_t *)slot->word;
    memset(bytes, 0, sizeof *slot);
    if (length <= SLOT_INLINE) {
        memcpy(bytes, text, length);
        bytes[SLOT_INLINE] = (uint8_t)length;
    } else {
        slot->word[0] = (uint64_t)length;
        memcpy(bytes + 8, text, SLOT_INLINE - 8);
        bytes[SLOT_INLINE] = SLOT_LONG;
    }
}

#endif
