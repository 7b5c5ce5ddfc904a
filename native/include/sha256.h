/* SHA-256 (FIPS 180-4), for the values of scheme `stable`. It uses the processor's instructions if it has them, checked
   at run time, else portable code. SHA256_PORTABLE builds only the portable code, for its tests. */

#ifndef FINGERPRINT_SHA256_H
#define FINGERPRINT_SHA256_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint32_t state[8];
    uint64_t length;
    size_t held;
    unsigned char block[64];
} sha256_context;

static const uint32_t SHA256_ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t sha256_rotated(uint32_t word, int by) { return (word >> by) | (word << (32 - by)); }

static void sha256_portable(uint32_t *state, const unsigned char *data, size_t blocks) {
    for (; blocks; blocks--, data += 64) {
        uint32_t w[64], v[8];
        for (int i = 0; i < 16; i++)
            w[i] = (uint32_t)data[4 * i] << 24 | (uint32_t)data[4 * i + 1] << 16 | (uint32_t)data[4 * i + 2] << 8
                | data[4 * i + 3];
        for (int i = 16; i < 64; i++) {
            uint32_t a = w[i - 15], b = w[i - 2];
            w[i] = w[i - 16] + w[i - 7] + (sha256_rotated(a, 7) ^ sha256_rotated(a, 18) ^ (a >> 3))
                + (sha256_rotated(b, 17) ^ sha256_rotated(b, 19) ^ (b >> 10));
        }
        memcpy(v, state, sizeof v);
        for (int i = 0; i < 64; i++) {
            uint32_t e = v[4], a = v[0];
            uint32_t t1 = v[7] + (sha256_rotated(e, 6) ^ sha256_rotated(e, 11) ^ sha256_rotated(e, 25))
                + ((e & v[5]) ^ (~e & v[6])) + SHA256_ROUND[i] + w[i];
            uint32_t t2 = (sha256_rotated(a, 2) ^ sha256_rotated(a, 13) ^ sha256_rotated(a, 22))
                + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
            memmove(v + 1, v, 7 * sizeof *v);
            v[4] += t1;
            v[0] = t1 + t2;
        }
        for (int i = 0; i < 8; i++) state[i] += v[i];
    }
}

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && !defined(SHA256_PORTABLE)

#include <immintrin.h>

__attribute__((target("sha,sse4.1,ssse3"))) static void sha256_instructions(
    uint32_t *state, const unsigned char *data, size_t blocks) {
    const __m128i turned = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    /* The instructions take the state as ABEF and CDGH. */
    __m128i t = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);
    __m128i s1 = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);
    __m128i s0 = _mm_alignr_epi8(t, s1, 8);
    s1 = _mm_blend_epi16(s1, t, 0xF0);
    for (; blocks; blocks--, data += 64) {
        __m128i before0 = s0, before1 = s1, w[4];
        for (int i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)), turned);
        for (int i = 0; i < 16; i++) {
            __m128i now = w[i & 3];
            __m128i k = _mm_add_epi32(now, _mm_loadu_si128((const __m128i *)(SHA256_ROUND + 4 * i)));
            s1 = _mm_sha256rnds2_epu32(s1, s0, k);
            s0 = _mm_sha256rnds2_epu32(s0, s1, _mm_shuffle_epi32(k, 0x0E));
            if (i < 12) {
                __m128i next = w[(i + 1) & 3], third = w[(i + 2) & 3], last = w[(i + 3) & 3];
                __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(now, next), _mm_alignr_epi8(last, third, 4));
                w[i & 3] = _mm_sha256msg2_epu32(sum, last);
            }
        }
        s0 = _mm_add_epi32(s0, before0);
        s1 = _mm_add_epi32(s1, before1);
    }
    t = _mm_shuffle_epi32(s0, 0x1B);
    s1 = _mm_shuffle_epi32(s1, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(t, s1, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(s1, t, 8));
}

/* By CPUID itself: the libraries of some compilers do not know the name "sha". */
#include <cpuid.h>

static int sha256_has_instructions(void) {
    unsigned int a, b = 0, c = 0, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 19)) || !(c & (1u << 9))) return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 29));
}

#else

static void sha256_instructions(uint32_t *state, const unsigned char *data, size_t blocks) {
    sha256_portable(state, data, blocks);
}
static int sha256_has_instructions(void) { return 0; }

#endif

/* -1 until checked, then 0 or 1: under a hypervisor each CPUID costs microseconds. */
static int sha256_use_instructions = -1;

static void sha256_blocks(uint32_t *state, const unsigned char *data, size_t blocks) {
    if (sha256_use_instructions < 0) sha256_use_instructions = sha256_has_instructions();
    if (sha256_use_instructions) sha256_instructions(state, data, blocks);
    else sha256_portable(state, data, blocks);
}

static void sha256_begin(sha256_context *context) {
    static const uint32_t begin[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    memcpy(context->state, begin, sizeof begin);
    context->length = 0;
    context->held = 0;
}

static void sha256_add(sha256_context *context, const void *bytes, size_t length) {
    const unsigned char *data = bytes;
    context->length += length;
    if (context->held) {
        size_t space = 64 - context->held, taken = length < space ? length : space;
        memcpy(context->block + context->held, data, taken);
        context->held += taken;
        data += taken;
        length -= taken;
        if (context->held < 64) return;
        sha256_blocks(context->state, context->block, 1);
        context->held = 0;
    }
    sha256_blocks(context->state, data, length / 64);
    data += length & ~(size_t)63;
    length &= 63;
    if (length) memcpy(context->block, data, length);
    context->held = length;
}

static void sha256_end(sha256_context *context, unsigned char digest[32]) {
    uint64_t bits = context->length * 8;
    context->block[context->held++] = 0x80;
    if (context->held > 56) {
        memset(context->block + context->held, 0, 64 - context->held);
        sha256_blocks(context->state, context->block, 1);
        context->held = 0;
    }
    memset(context->block + context->held, 0, 56 - context->held);
    for (int i = 0; i < 8; i++) context->block[56 + i] = (unsigned char)(bits >> (56 - 8 * i));
    sha256_blocks(context->state, context->block, 1);
    for (int i = 0; i < 32; i++) digest[i] = (unsigned char)(context->state[i / 4] >> (24 - 8 * (i % 4)));
}

#endif
